/* Tensors from bytes. The header of a .npy file is a Python literal; only the three entries that NumPy
 * writes are read, strictly, and nothing is allocated before they have been checked.
 * Format: numpy.lib.format, "NumPy array file format". */
#include "api/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";
enum { MAGIC = sizeof magic - 1, HEADER_MOST = 4096 };

bool npy_is(const char *bytes, size_t n) { return n >= MAGIC && memcmp(bytes, magic, MAGIC) == 0; }

static bool fail(struct error *error, const char *sentence) {
    return error_set(error, ERROR_INVALID_VALUE, "the .npy file %s", sentence);
}

/* ---- the header ---- */

/* A walk over a NUL-terminated copy of the header. */
struct header {
    const char *at;
    bool ok;
};

static void skip_space(struct header *h) { h->at += strspn(h->at, " \n"); }

static bool take(struct header *h, const char *text) {
    skip_space(h);
    const size_t n = strlen(text);
    if (strncmp(h->at, text, n) != 0) return false;
    h->at += n;
    return true;
}

static void want(struct header *h, const char *text) {
    if (!take(h, text)) h->ok = false;
}

/* '<f4' */
static bool read_descr(struct header *h, enum dtype *out) {
    static const struct {
        const char *text;
        enum dtype dtype;
    } known[] = {{"'<f4'", DTYPE_F32}, {"'<f8'", DTYPE_F64},  {"'<i4'", DTYPE_I32},
                 {"'<i8'", DTYPE_I64}, {"'|b1'", DTYPE_BOOL}, {"'=f4'", DTYPE_F32},
                 {"'=f8'", DTYPE_F64}, {"'=i4'", DTYPE_I32},  {"'=i8'", DTYPE_I64},
                 {"'?'", DTYPE_BOOL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!take(h, known[i].text)) continue;
        *out = known[i].dtype;
        return true;
    }
    return false;
}

static bool fail_descr(const char *at, struct error *error) {
    at += strspn(at, " ");
    const size_t n = strcspn(at, ",}");
    return error_set(error, ERROR_INVALID_VALUE,
                     "the .npy file has elements of type %.*s, expected '<f4', '<f8', '<i4', '<i8' "
                     "or '|b1'",
                     n < 40 ? (int)n : 40, at);
}

/* (2, 3), (4,) or () ; -1 as the rank where it has too many axes. */
static void read_dims(struct header *h, struct shape *out) {
    out->rank = 0;
    want(h, "(");
    while (h->ok && !take(h, ")")) {
        char *end;
        skip_space(h);
        if (*h->at < '0' || *h->at > '9') h->ok = false;
        const long long dim = strtoll(h->at, &end, 10);
        h->at = end;
        if (out->rank == RANK_MAX) {
            out->rank = -1;
            return;
        }
        out->dim[out->rank++] = dim;
        if (!take(h, ",")) {
            want(h, ")");
            return;
        }
    }
}

/* {'descr': '<f8', 'fortran_order': False, 'shape': (3,), } with the entries in any order. */
static bool read_header(const char *text, struct tensor *out, bool *fortran, struct error *error) {
    struct header h = {.at = text, .ok = true};
    unsigned seen = 0;
    want(&h, "{");
    while (h.ok && !take(&h, "}")) {
        if (take(&h, "'descr'")) {
            seen |= 1;
            want(&h, ":");
            if (h.ok && !read_descr(&h, &out->dtype)) return fail_descr(h.at, error);
        } else if (take(&h, "'fortran_order'")) {
            seen |= 2;
            want(&h, ":");
            *fortran = take(&h, "True");
            if (!*fortran) want(&h, "False");
        } else if (take(&h, "'shape'")) {
            seen |= 4;
            want(&h, ":");
            read_dims(&h, &out->shape);
            if (out->shape.rank < 0)
                return error_set(error, ERROR_GRAPH_TOO_LARGE,
                                 "the .npy file has more than %d axes; a tensor has at most %d",
                                 RANK_MAX, RANK_MAX);
        } else {
            h.ok = false;
        }
        if (h.ok && !take(&h, ",")) {
            want(&h, "}");
            break;
        }
    }
    skip_space(&h);
    return (h.ok && seen == 7 && !*h.at) || fail(error, "has a header that is not NumPy's");
}

/* Copies the header out and finds where the data begins. */
static bool find_header(const char *bytes, size_t n, char text[HEADER_MOST + 1], size_t *data,
                        struct error *error) {
    const unsigned char *u = (const unsigned char *)bytes;
    if (n < MAGIC + 4) return fail(error, "ends within its header");
    const int version = u[MAGIC];
    if (version < 1 || version > 3)
        return error_set(error, ERROR_INVALID_VALUE,
                         "the .npy file is of version %d, expected 1, 2 or 3", version);
    size_t at = MAGIC + 4, length = u[MAGIC + 2] | (size_t)u[MAGIC + 3] << 8;
    if (version > 1) {
        if (n < MAGIC + 6) return fail(error, "ends within its header");
        length |= (size_t)u[MAGIC + 4] << 16 | (size_t)u[MAGIC + 5] << 24;
        at += 2;
    }
    if (length > HEADER_MOST) return fail(error, "has a header of more than 4096 bytes");
    if (length > n - at) return fail(error, "ends within its header");
    if (memchr(bytes + at, '\0', length)) return fail(error, "has a header that is not NumPy's");
    memcpy(text, bytes + at, length);
    text[length] = '\0';
    *data = at + length;
    return true;
}

/* ---- elements ---- */

static bool check_shape(struct tensor *t, int64_t most, struct error *error) {
    char text[SHAPE_TEXT];
    int64_t count = 1;
    for (int i = 0; i < t->shape.rank; i++) {
        const int64_t dim = t->shape.dim[i];
        if (dim && __builtin_mul_overflow(count, dim, &count)) count = INT64_MAX;
    }
    if (count <= most) return true;
    return error_set(error, ERROR_TOO_MANY_ELEMENTS,
                     "a tensor of shape %s has more than the %" PRId64 " elements that are allowed",
                     shape_text(&t->shape, text), most);
}

static bool fill(struct arena *arena, const char *bytes, size_t n, struct tensor *out,
                 struct error *error) {
    char text[SHAPE_TEXT];
    const size_t size = tensor_bytes(out);
    if (n != size)
        return error_set(error, ERROR_INVALID_VALUE,
                         "there are %zu bytes of data where shape %s of %s takes %zu", n,
                         shape_text(&out->shape, text), dtype_name(out->dtype), size);
    out->data = arena_alloc_tensor(arena, size ? size : 1);
    if (!out->data)
        return error_set(error, ERROR_MEMORY_BUDGET,
                         "the request needs more than the %zu bytes of memory it may take",
                         arena->ceiling);
    if (size) memcpy(out->data, bytes, size);
    if (out->dtype != DTYPE_BOOL) return true;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)bytes[i] > 1)
            return error_set(error, ERROR_INVALID_VALUE, "byte %zu is %d, and a bool is 0 or 1", i,
                             (unsigned char)bytes[i]);
    return true;
}

/* From the order in which the first index runs fastest to that in which the last does. */
static bool reorder(struct arena *arena, struct tensor *t, struct error *error) {
    const size_t size = tensor_bytes(t), one = dtype_size(t->dtype);
    const struct shape *shape = &t->shape;
    int64_t index[RANK_MAX] = {0}, stride[RANK_MAX], step = 1;
    char *from = t->data, *to = arena_alloc_tensor(arena, size ? size : 1);
    if (!to)
        return error_set(error, ERROR_MEMORY_BUDGET,
                         "the request needs more than the %zu bytes of memory it may take",
                         arena->ceiling);
    t->data = to;
    for (int i = 0; i < shape->rank; i++) {
        stride[i] = step;
        step *= shape->dim[i];
    }
    int64_t at = 0;
    for (size_t done = 0; done < size; done += one) {
        memcpy(to + done, from + (size_t)at * one, one);
        for (int axis = shape->rank - 1; axis >= 0; axis--) {
            at += stride[axis];
            if (++index[axis] < shape->dim[axis]) break;
            at -= stride[axis] * index[axis];
            index[axis] = 0;
        }
    }
    return true;
}

bool npy_read(struct arena *arena, const char *bytes, size_t n, int64_t most, struct tensor *out,
              struct error *error) {
    char text[HEADER_MOST + 1];
    size_t data = 0;
    bool fortran = false;
    return find_header(bytes, n, text, &data, error) && read_header(text, out, &fortran, error) &&
           check_shape(out, most, error) && fill(arena, bytes + data, n - data, out, error) &&
           (!fortran || out->shape.rank < 2 || reorder(arena, out, error));
}

bool bytes_read(struct arena *arena, const char *bytes, size_t n, int64_t most, struct tensor *out,
                struct error *error) {
    if (out->shape.rank < 0) {
        const size_t size = dtype_size(out->dtype);
        if (n % size)
            return error_set(error, ERROR_INVALID_VALUE,
                             "the body has %zu bytes, no multiple of the %zu that a %s takes", n,
                             size, dtype_name(out->dtype));
        out->shape = (struct shape){.rank = 1, .dim = {(int64_t)(n / size)}};
    }
    return check_shape(out, most, error) && fill(arena, bytes, n, out, error);
}

bool shape_parse(const char *text, struct shape *out, struct error *error) {
    const char *at = text;
    const bool bracketed = *at == '(' || *at == '[';
    if (bracketed) at++;
    out->rank = 0;
    while (*at >= '0' && *at <= '9' && out->rank < RANK_MAX) {
        char *end;
        out->dim[out->rank++] = strtoll(at, &end, 10);
        at = end;
        if (*at == ',') at++;
    }
    const bool closed = !bracketed || *at == ')' || *at == ']';
    if (bracketed && closed) at++;
    return (closed && !*at) ||
           error_set(error, ERROR_INVALID_VALUE,
                     "\"%.60s\" is no shape; a shape is at most %d numbers, as in 2,3", text,
                     RANK_MAX);
}
