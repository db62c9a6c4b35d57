/* Dtypes, shapes, broadcasting. Pure functions of small values; no memory is taken here. */
#include "core/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    size_t size;
    const char *name;
    bool is_float;
} dtypes[DTYPE_COUNT] = {
#define DTYPE_ROW(tag, type, text, trainable) [DTYPE_##tag] = {sizeof(type), text, trainable},
    DTYPES(DTYPE_ROW)
#undef DTYPE_ROW
};

const struct shape shape_scalar = {.rank = 0};

size_t dtype_size(enum dtype d) { return dtypes[d].size; }
const char *dtype_name(enum dtype d) { return dtypes[d].name; }
bool dtype_is_float(enum dtype d) { return dtypes[d].is_float; }

bool dtype_find(const char *name, enum dtype *out) {
    for (int d = 0; d < DTYPE_COUNT; d++) {
        if (strcmp(dtypes[d].name, name) == 0) {
            *out = (enum dtype)d;
            return true;
        }
    }
    return false;
}

int64_t shape_count(const struct shape *s) {
    int64_t count = 1;
    for (int i = 0; i < s->rank; i++) count *= s->dim[i];
    return count;
}

/* What the other axes of an empty tensor may multiply to: rules multiply some axes of two tensors
 * without the one that is 0, and then must not overflow. */
#define EMPTY_MOST ((int64_t)1 << 31)

bool shape_count_within(const struct shape *s, int64_t most, int64_t *count) {
    bool empty = false;
    for (int i = 0; i < s->rank; i++) empty = empty || s->dim[i] == 0;
    if (empty && most < EMPTY_MOST) most = EMPTY_MOST;
    *count = 1;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] == 0) continue;
        if (*count > most / s->dim[i]) return false;
        *count *= s->dim[i];
    }
    if (*count > most) return false;
    if (empty) *count = 0;
    return true;
}

bool shape_equal(const struct shape *a, const struct shape *b) {
    return a == b ||
           (a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0);
}

bool shape_broadcast(const struct shape *a, const struct shape *b, struct shape *out) {
    struct shape joint = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < joint.rank; i++) {
        int ia = i - (joint.rank - a->rank), ib = i - (joint.rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1) return false;
        joint.dim[i] = da == 1 ? db : da;
    }
    *out = joint;
    return true;
}

static const char *write_tuple(const struct shape *s, const char *comma, char text[SHAPE_TEXT]) {
    size_t n = 0;
    text[n++] = '(';
    for (int i = 0; i < s->rank; i++)
        n += (size_t)snprintf(text + n, SHAPE_TEXT - n, "%s%" PRId64, i ? comma : "", s->dim[i]);
    if (s->rank == 1) text[n++] = ',';
    text[n++] = ')';
    text[n] = '\0';
    return text;
}

const char *shape_text(const struct shape *s, char text[SHAPE_TEXT]) {
    return write_tuple(s, ",", text);
}

const char *shape_tuple(const struct shape *s, char text[SHAPE_TEXT]) {
    return write_tuple(s, ", ", text);
}

const char *shape_brackets(const struct shape *s, char text[SHAPE_TEXT]) {
    size_t n = 0;
    text[n++] = '[';
    for (int i = 0; i < s->rank; i++)
        n += (size_t)snprintf(text + n, SHAPE_TEXT - n, "%s%" PRId64, i ? "," : "", s->dim[i]);
    text[n++] = ']';
    text[n] = '\0';
    return text;
}

size_t tensor_bytes(const struct tensor *t) {
    return (size_t)shape_count(&t->shape) * dtype_size(t->dtype);
}
