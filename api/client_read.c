/* Values of an answer, found by JSON Pointer and read in whatever form they came. It does not know which
 * there are. */
#include <string.h>

#include "api/client_own.h"
#include "api/span.h"
#include "core/tensor.h"

enum { NAME_MOST = 512 };
static const int64_t elements_most = (int64_t)1 << 40; /* the memory of the answer ends before */

/* ---- pointers ---------------------------------------------------------------------------------- */

/* One name of a pointer, decoded, and what follows it; NULL where it is none, or longer than any. */
static const char *next_name(const char *at, char name[NAME_MOST]) {
    size_t n = 0;
    if (*at++ != '/') return NULL;
    for (; *at && *at != '/'; at++) {
        char c = *at;
        if (c == '~' && (at[1] == '0' || at[1] == '1')) c = *++at == '0' ? '~' : '/';
        if (n + 1 == NAME_MOST) return NULL;
        name[n++] = c;
    }
    name[n] = '\0';
    return at;
}

static const struct json *element(struct gradd_answer *a, const struct json *array,
                                  const char *name) {
    size_t i = 0;
    if (!*name || strspn(name, "0123456789") != strlen(name) || strlen(name) > 15) return NULL;
    for (; *name; name++) i = 10 * i + (size_t)(*name - '0');
    if (i >= json_length(array)) return NULL;
    if (json_type(array) == JSON_NUMBERS) array = json_split(&a->arena, array);
    const struct json *v = array ? json_first(array) : NULL;
    while (v && i--) v = json_next(v);
    return v;
}

/* The value; NULL where there is none. What was split for it stays in the arena. */
static const struct json *find(struct gradd_answer *a, const char *pointer) {
    char name[NAME_MOST];
    const struct json *v = a ? a->root : NULL;
    while (v && *pointer) {
        pointer = next_name(pointer, name);
        if (!pointer) return NULL;
        const enum json_type type = json_type(v);
        v = type == JSON_OBJECT                          ? json_member(v, name)
            : type == JSON_ARRAY || type == JSON_NUMBERS ? element(a, v, name)
                                                         : NULL;
    }
    return v;
}

/* ---- kinds ------------------------------------------------------------------------------------- */

static bool is_typed(const struct json *v) {
    return json_type(v) == JSON_OBJECT && json_member(v, "dtype") && json_member(v, "shape") &&
           (json_member(v, "data") || json_member(v, "base64"));
}

enum gradd_kind gradd_answer_kind(struct gradd_answer *a, const char *pointer) {
    static const enum gradd_kind kinds[] = {
        [JSON_NULL] = GRADD_NULL,     [JSON_BOOL] = GRADD_TRUTH,    [JSON_NUMBER] = GRADD_NUMBER,
        [JSON_NUMBERS] = GRADD_ARRAY, [JSON_STRING] = GRADD_STRING, [JSON_ARRAY] = GRADD_ARRAY,
        [JSON_OBJECT] = GRADD_OBJECT};
    if (!a) return GRADD_ABSENT;
    const struct arena_mark mark = arena_mark(&a->arena);
    const struct json *v = find(a, pointer);
    const enum gradd_kind kind = !v            ? GRADD_ABSENT
                                 : is_typed(v) ? GRADD_TYPED
                                               : kinds[json_type(v)];
    arena_rewind(&a->arena, mark);
    return kind;
}

size_t gradd_answer_length(struct gradd_answer *a, const char *pointer) {
    if (!a) return 0;
    const struct arena_mark mark = arena_mark(&a->arena);
    const struct json *v = find(a, pointer);
    const size_t n = v ? json_length(v) : 0;
    arena_rewind(&a->arena, mark);
    return n;
}

const char *gradd_answer_key(struct gradd_answer *a, const char *pointer, size_t i) {
    const struct json *v = find(a, pointer);
    if (!v || json_type(v) != JSON_OBJECT) return NULL;
    v = json_first(v);
    while (v && i--) v = json_next(v);
    return v ? json_key(v) : NULL;
}

/* ---- values ------------------------------------------------------------------------------------ */

bool gradd_answer_bool(struct gradd_answer *a, const char *pointer, bool *out) {
    if (!a) return false;
    const struct arena_mark mark = arena_mark(&a->arena);
    const struct json *v = find(a, pointer);
    const bool found = v && json_type(v) == JSON_BOOL;
    if (found) *out = json_bool(v);
    arena_rewind(&a->arena, mark);
    return found;
}

const char *gradd_answer_string(struct gradd_answer *a, const char *pointer) {
    const struct json *v = find(a, pointer);
    return v && json_type(v) == JSON_STRING ? json_string(v) : NULL;
}

/* Digits alone are whole numbers; gradd prints a point or an exponent in every float, or NaN or Infinity. */
static enum dtype dtype_of(const struct json *v) {
    size_t n;
    const char *text = json_text(v, &n);
    for (size_t i = 0; text && i < n; i++)
        if (strchr(".eENI", text[i]) && text[i]) return DTYPE_F64;
    return text ? DTYPE_I64 : DTYPE_F64;
}

static bool read_tensor(struct gradd_answer *a, const char *pointer, struct tensor *out) {
    struct error error = {0};
    const struct json *v = find(a, pointer);
    if (!v || json_type(v) == JSON_NULL || (json_type(v) == JSON_OBJECT && !is_typed(v)))
        return false;
    return json_tensor(&a->arena, v, dtype_of(v), elements_most, "", out, &error);
}

_Static_assert((int)GRADD_FLOAT32 == DTYPE_F32 + 1 && (int)GRADD_FLOAT64 == DTYPE_F64 + 1 &&
                   (int)GRADD_INT32 == DTYPE_I32 + 1 && (int)GRADD_INT64 == DTYPE_I64 + 1 &&
                   (int)GRADD_BOOL == DTYPE_BOOL + 1 && (int)GRADD_RANK_MAX == RANK_MAX,
               "client.h has core/tensor.h's dtypes, one further on");

bool gradd_answer_tensor(struct gradd_answer *a, const char *pointer, struct gradd_tensor *out) {
    struct tensor t;
    if (!a) return false;
    const struct arena_mark mark = arena_mark(&a->arena);
    if (!read_tensor(a, pointer, &t)) {
        arena_rewind(&a->arena, mark);
        return false;
    }
    *out = (struct gradd_tensor){
        .dtype = (enum gradd_dtype)(t.dtype + 1), .rank = t.shape.rank, .data = t.data};
    for (int i = 0; i < t.shape.rank; i++) out->shape[i] = t.shape.dim[i];
    return true;
}

#define CONVERT(tag, type, name, trainable)                                                        \
    case DTYPE_##tag:                                                                              \
        for (size_t i = 0; i < n; i++) out[i] = (double)((const type *)t->data)[i];                \
        break;

static void convert(const struct tensor *t, double *out, size_t n) {
    switch (t->dtype) {
        DTYPES(CONVERT)
    case DTYPE_COUNT:
        break;
    }
}

bool gradd_answer_doubles(struct gradd_answer *a, const char *pointer, double *out, size_t n) {
    struct tensor t;
    if (!a) return false;
    const struct arena_mark mark = arena_mark(&a->arena);
    const bool found = read_tensor(a, pointer, &t) && (size_t)shape_count(&t.shape) == n;
    if (found) convert(&t, out, n);
    arena_rewind(&a->arena, mark);
    return found;
}

bool gradd_answer_double(struct gradd_answer *a, const char *pointer, double *out) {
    const enum gradd_kind kind = gradd_answer_kind(a, pointer);
    return kind != GRADD_ARRAY && kind != GRADD_TRUTH && gradd_answer_doubles(a, pointer, out, 1);
}

bool gradd_answer_int(struct gradd_answer *a, const char *pointer, int64_t *out) {
    struct tensor t;
    if (!a) return false;
    const struct arena_mark mark = arena_mark(&a->arena);
    const bool found = read_tensor(a, pointer, &t) && t.shape.rank == 0 &&
                       (t.dtype == DTYPE_I64 || t.dtype == DTYPE_I32);
    if (found) *out = t.dtype == DTYPE_I64 ? *(int64_t *)t.data : *(int32_t *)t.data;
    arena_rewind(&a->arena, mark);
    return found;
}

int64_t gradd_count(const struct gradd_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->shape[i];
    return n;
}
