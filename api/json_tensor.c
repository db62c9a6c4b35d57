/* Untyped values to tensors: numbers, booleans, non-finite strings and arrays of them, read out of
 * the body straight into their dtype. All that may be refused for its shape is refused before
 * memory is taken. */
#include "api/json_tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/span.h"
#include "api/utf8.h"
#include "core/numbers.h"

enum { PATH_MAX_DEPTH = 48, PATH_TEXT = 22 * PATH_MAX_DEPTH + 1, QUOTED = 40 };

/* Indices of an element, from the outermost array on; what is deeper is left out. */
struct path {
    int n;
    int64_t index[PATH_MAX_DEPTH];
};

static void path_add(struct path *path, int64_t index) {
    if (path->n < PATH_MAX_DEPTH) path->index[path->n++] = index;
}

/* "[1][0]" with "[%d]", "/1/0" with "/%d". */
static const char *path_text(const struct path *path, const char *before, const char *after,
                             char text[PATH_TEXT]) {
    int n = 0;
    text[0] = '\0';
    for (int i = 0; i < path->n; i++) {
        n += snprintf(text + n, (size_t)(PATH_TEXT - n), "%s%" PRId64 "%s", before, path->index[i],
                      after);
    }
    return text;
}

static void path_of_element(struct path *path, const struct shape *shape, int64_t element) {
    path->n = shape->rank;
    for (int axis = shape->rank - 1; axis >= 0; axis--) {
        path->index[axis] = element % shape->dim[axis];
        element /= shape->dim[axis];
    }
}

bool reading_fail(const struct reading *r, enum error_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_vset(r->error, code, format, args);
    va_end(args);
    error_at(r->error, "%s", r->pointer);
    return false;
}

/* Fails with invalid_value at the element of the path. The sentence is `before`, the path, and what
 * `format` gives. */
static bool __attribute__((format(printf, 4, 5)))
fail_at(const struct reading *r, const struct path *path, const char *before, const char *format,
        ...) {
    char text[PATH_TEXT], detail[sizeof r->error->detail];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    error_set(r->error, ERROR_INVALID_VALUE, "%s%s%s", before, path_text(path, "[", "]", text),
              detail);
    error_at(r->error, "%s%s", r->pointer, path_text(path, "/", "", text));
    return false;
}

static bool fail_memory(const struct reading *r) {
    reading_fail(r, ERROR_MEMORY_BUDGET,
                 "the request needs more than the %zu bytes of memory it may take",
                 r->arena->ceiling);
    return false;
}

bool reading_allocate(const struct reading *r, struct tensor *out) {
    const size_t bytes = tensor_bytes(out);
    out->data = arena_alloc_tensor(r->arena, bytes ? bytes : 1);
    return out->data || fail_memory(r);
}

/* Says where a ragged array is first odd, by reading it again. */
static bool fail_ragged(const struct reading *r, const struct span *span) {
    struct skim skim = {.most = span->rank, .stop_at_odd = true};
    skim.levels = arena_alloc(r->arena, (size_t)span->rank * sizeof *skim.levels);
    if (!skim.levels) return fail_memory(r);
    span_skim(&skim, span->text, span->text + span->length);
    struct path path = {0}, first = {0};
    const int depth = skim.odd == SKIM_ODD_FILLED ? skim.depth - 1 : skim.depth;
    for (int i = 0; i < depth; i++) {
        path_add(&path, skim.levels[i].n);
        path_add(&first, 0);
    }
    char other[PATH_TEXT];
    path_text(&first, "[", "]", other);
    switch (skim.odd) {
    case SKIM_ODD_NUMBER:
        return fail_at(r, &path, "ragged array: ", " is a number among arrays");
    case SKIM_ODD_ARRAY:
        return fail_at(r, &path, "ragged array: ", " is an array among numbers");
    case SKIM_ODD_FILLED:
        return fail_at(r, &path, "ragged array: row ", " has elements where row %s is empty",
                       other);
    case SKIM_EVEN:
    case SKIM_ODD_SIZE:
        break;
    }
    const struct skim_level *level = &skim.levels[skim.depth];
    return fail_at(r, &path, "ragged array: row ",
                   " has %" PRId64 " element%s where row %s has %" PRId64, level->n,
                   level->n == 1 ? "" : "s", other, level->size);
}

static bool fail_rank(const struct reading *r, int rank) {
    return reading_fail(r, ERROR_GRAPH_TOO_LARGE,
                        "the array nests %d levels deep; a tensor has at most %d axes", rank,
                        RANK_MAX);
}

/* The shape of a span. */
static bool span_shape(const struct reading *r, const struct span *span, struct shape *shape) {
    if (span->ragged) return fail_ragged(r, span);
    if (span->rank > RANK_MAX) return fail_rank(r, span->rank);
    shape->rank = span->rank;
    memcpy(shape->dim, span->dim, (size_t)span->rank * sizeof span->dim[0]);
    return true;
}

/* The value of a non-finite string; false where it is none. */
static bool non_finite(const char *text, size_t n, double *out) {
    if (n == 3 && memcmp(text, "NaN", n) == 0)
        *out = (double)NAN;
    else if (n == 8 && memcmp(text, "Infinity", n) == 0)
        *out = (double)INFINITY;
    else if (n == 9 && memcmp(text, "-Infinity", n) == 0)
        *out = -(double)INFINITY;
    else
        return false;
    return true;
}

static bool is_non_finite(const char *text) {
    double x;
    return non_finite(text, strlen(text), &x);
}

/* A walk through an array that is no span: it holds nothing at any depth, or what is no number. */
struct hollow {
    struct path path;
    int deep;
    int64_t dim[PATH_MAX_DEPTH];
};

/* The recursion is as deep as the scanner let the document be. */
static bool walk_hollow(const struct reading *r, const struct json *array, struct hollow *h,
                        int depth) {
    const int up = h->path.n;
    const int64_t n = (int64_t)json_length(array);
    if (depth < PATH_MAX_DEPTH) {
        if (depth == h->deep) h->dim[h->deep++] = n;
        if (h->dim[depth] != n) {
            return fail_at(r, &h->path, "ragged array: row ",
                           " has %" PRId64 " element%s where the first row has %" PRId64, n,
                           n == 1 ? "" : "s", h->dim[depth]);
        }
    }
    int64_t i = 0;
    for (const struct json *child = json_first(array); child; child = json_next(child), i++) {
        path_add(&h->path, i);
        const enum json_type type = json_type(child);
        if (type == JSON_ARRAY) {
            if (!walk_hollow(r, child, h, depth + 1)) return false;
        } else if (type == JSON_NULL || type == JSON_OBJECT ||
                   (type == JSON_STRING && !is_non_finite(json_string(child)))) {
            return fail_at(r, &h->path, "", " is %s where a number is expected",
                           json_type_name(child));
        }
        h->path.n = up;
    }
    return true;
}

static bool hollow_shape(const struct reading *r, const struct json *array, struct shape *shape) {
    struct hollow h = {0};
    if (!walk_hollow(r, array, &h, 0)) return false;
    if (h.deep > RANK_MAX) return fail_rank(r, h.deep);
    shape->rank = h.deep;
    memcpy(shape->dim, h.dim, (size_t)h.deep * sizeof h.dim[0]);
    return shape_count(shape) == 0 ||
           reading_fail(r, ERROR_INVALID_VALUE, "an array of separate values is not a tensor");
}

/* What an element of the text is: the first one decides whether an array holds booleans. */
enum element { ELEMENT_NUMBER, ELEMENT_BOOL };

static bool is_blank(char c) {
    return c == ',' || c == '[' || c == ']' || c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static enum element first_element(const char *s) {
    while (is_blank(*s)) s++;
    return *s == 't' || *s == 'f' ? ELEMENT_BOOL : ELEMENT_NUMBER;
}

enum outcome { READ, READ_RANGE, READ_OTHER_KIND };

static enum outcome put_number(enum dtype dtype, char *out, const char *s, const char *end,
                               const char **rest) {
    enum number_status status = NUMBER_MALFORMED;
    switch (dtype) {
    case DTYPE_F32:
        status = number_parse_f32(s, end, (float *)(void *)out, rest);
        break;
    case DTYPE_F64:
        status = number_parse_f64(s, end, (double *)(void *)out, rest);
        break;
    case DTYPE_I32:
        status = number_parse_i32(s, end, (int32_t *)(void *)out, rest);
        break;
    case DTYPE_I64:
        status = number_parse_i64(s, end, (int64_t *)(void *)out, rest);
        break;
    case DTYPE_BOOL:
    case DTYPE_COUNT:
        return READ_OTHER_KIND;
    }
    return status == NUMBER_OK ? READ : READ_RANGE;
}

static enum outcome put_non_finite(enum dtype dtype, char *out, double x) {
    if (dtype == DTYPE_BOOL) return READ_OTHER_KIND;
    if (dtype == DTYPE_F32)
        *(float *)(void *)out = (float)x;
    else if (dtype == DTYPE_F64)
        *(double *)(void *)out = x;
    else
        return READ_RANGE;
    return READ;
}

/* Reads the element at s, which is no blank, and sets *rest past it. */
static enum outcome put_element(enum dtype dtype, char *out, const char *s, const char *end,
                                const char **rest) {
    if (*s == '"') {
        const char *close = memchr(s + 1, '"', (size_t)(end - s) - 1);
        double x = 0;
        non_finite(s + 1, (size_t)(close - s) - 1, &x);
        *rest = close + 1;
        return put_non_finite(dtype, out, x);
    }
    if (*s == 't' || *s == 'f') {
        *rest = s + (*s == 't' ? 4 : 5);
        if (dtype != DTYPE_BOOL) return READ_OTHER_KIND;
        *out = *s == 't';
        return READ;
    }
    return put_number(dtype, out, s, end, rest);
}

/* Where an element is that cannot be read, and why. */
static bool fail_element(const struct reading *r, const struct tensor *t, int64_t element,
                         enum outcome outcome, const char *s, const char *end) {
    struct path path;
    path_of_element(&path, &t->shape, element);
    if (outcome == READ_OTHER_KIND) {
        const bool is_bool = first_element(s) == ELEMENT_BOOL;
        return fail_at(r, &path, "", " is a %s in an array that begins with a %s",
                       is_bool ? "boolean" : "number", is_bool ? "number" : "boolean");
    }
    char number[QUOTED + sizeof "... at "];
    int n = 0;
    while (s + n < end && n <= QUOTED && !is_blank(s[n])) n++;
    snprintf(number, sizeof number, "%.*s%s%s", n < QUOTED ? n : QUOTED, s, n > QUOTED ? "..." : "",
             path.n ? " at " : "");
    return fail_at(r, &path, number, " is %s %s",
                   dtype_is_float(t->dtype) ? "out of the range of"
                                            : "not a whole number in the range of",
                   dtype_name(t->dtype));
}

/* Reads all elements of the text, which has been skimmed; `out` has the memory. */
static bool fill(const struct reading *r, const char *text, size_t n, struct tensor *out) {
    const size_t size = dtype_size(out->dtype);
    char *to = out->data;
    for (const char *s = text, *end = text + n, *rest; s < end; s = rest) {
        while (s < end && is_blank(*s)) s++;
        if (s == end) break;
        rest = s;
        const enum outcome outcome = put_element(out->dtype, to, s, end, &rest);
        if (outcome != READ) {
            return fail_element(r, out, (int64_t)((size_t)(to - (char *)out->data) / size), outcome,
                                s, rest);
        }
        to += size;
    }
    return true;
}

/* Settles the dtype of elements that are booleans or not. */
static bool settle_dtype(const struct reading *r, enum element kind, enum dtype dtype, bool strict,
                         struct tensor *out) {
    out->dtype = kind == ELEMENT_BOOL && !strict ? DTYPE_BOOL : dtype;
    if ((kind == ELEMENT_BOOL) == (out->dtype == DTYPE_BOOL)) return true;
    return reading_fail(r, ERROR_INVALID_VALUE, "%s where dtype %s takes %s",
                        kind == ELEMENT_BOOL ? "a boolean" : "a number", dtype_name(dtype),
                        kind == ELEMENT_BOOL ? "numbers" : "true and false");
}

/* Checks the number of elements and takes memory for them. */
static bool take_shape(const struct reading *r, const struct shape *shape, const struct shape *want,
                       struct tensor *out) {
    const int64_t count = shape_count(shape);
    char text[SHAPE_TEXT], other[SHAPE_TEXT];
    if (count > r->most) {
        return reading_fail(r, ERROR_TOO_MANY_ELEMENTS,
                            "a tensor of shape %s has %" PRId64 " elements; at most %" PRId64
                            " are allowed",
                            shape_text(shape, text), count, r->most);
    }
    out->shape = *shape;
    if (want && !shape_equal(shape, want)) {
        if (shape->rank != 1) {
            return reading_fail(r, ERROR_INVALID_VALUE, "data of shape %s where \"shape\" is %s",
                                shape_text(shape, text), shape_text(want, other));
        }
        if (count != shape_count(want)) {
            return reading_fail(r, ERROR_INVALID_VALUE,
                                "%" PRId64 " element%s where \"shape\" %s takes %" PRId64, count,
                                count == 1 ? "" : "s", shape_text(want, text), shape_count(want));
        }
    }
    return reading_allocate(r, out);
}

static bool read_scalar(const struct reading *r, const struct json *v, enum dtype dtype,
                        const struct shape *want, struct tensor *out) {
    const bool is_bool = json_type(v) == JSON_BOOL;
    if (!settle_dtype(r, is_bool ? ELEMENT_BOOL : ELEMENT_NUMBER, dtype, want != NULL, out))
        return false;
    if (!take_shape(r, &shape_scalar, want, out)) return false;
    if (is_bool) {
        *(uint8_t *)out->data = json_bool(v);
        return true;
    }
    if (json_type(v) == JSON_STRING) {
        double x = 0;
        non_finite(json_string(v), strlen(json_string(v)), &x);
        return put_non_finite(out->dtype, out->data, x) == READ ||
               reading_fail(r, ERROR_INVALID_VALUE,
                            "\"%s\" is not a whole number in the range of %s", json_string(v),
                            dtype_name(out->dtype));
    }
    size_t n;
    const char *text = json_text(v, &n);
    return fill(r, text, n, out);
}

bool json_read_plain(const struct reading *r, const struct json *v, enum dtype dtype,
                     const struct shape *want, struct tensor *out) {
    struct shape shape;
    switch (json_type(v)) {
    case JSON_BOOL:
    case JSON_NUMBER:
        return read_scalar(r, v, dtype, want, out);
    case JSON_STRING:
        if (is_non_finite(json_string(v))) return read_scalar(r, v, dtype, want, out);
        return reading_fail(r, ERROR_INVALID_VALUE,
                            "\"%.*s\" is not a number; the strings that are numbers are \"NaN\", "
                            "\"Infinity\" and \"-Infinity\"",
                            (int)utf8_cut(json_string(v), strlen(json_string(v)), QUOTED),
                            json_string(v));
    case JSON_NUMBERS: {
        const struct span *span = span_of(v);
        return span_shape(r, span, &shape) &&
               settle_dtype(r, first_element(span->text), dtype, want != NULL, out) &&
               take_shape(r, &shape, want, out) && fill(r, span->text, span->length, out);
    }
    case JSON_ARRAY:
        out->dtype = dtype;
        return hollow_shape(r, v, &shape) && take_shape(r, &shape, want, out);
    case JSON_NULL:
    case JSON_OBJECT:
        break;
    }
    return reading_fail(r, ERROR_INVALID_VALUE,
                        "%s where a number or an array of numbers is expected", json_type_name(v));
}

bool json_tensor(struct arena *arena, const struct json *v, enum dtype dtype, int64_t most,
                 const char *pointer, struct tensor *out, struct error *error) {
    const struct reading r = {.arena = arena, .error = error, .pointer = pointer, .most = most};
    return json_type(v) == JSON_OBJECT ? json_read_typed(&r, v, out)
                                       : json_read_plain(&r, v, dtype, NULL, out);
}
