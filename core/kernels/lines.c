/* The check of integer indices before anything is read or written by them, and how a failure is said:
 * the words are TensorFlow's. */
#define POINTWISE_WIDE
#include "core/kernels/lines.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/kernels/pointwise.h"

struct lines lines_of(const struct step *step, const struct shape *many) {
    const struct index_attrs *a = step->attrs;
    return (struct lines){many->dim[0], many->dim[1], many->dim[2], many->dim[3], a->n};
}

/* "[1,2]" of the i-th element of a shape; nothing of a scalar. */
static const char *place_text(const struct index_attrs *a, int64_t i, char *text, size_t size) {
    int64_t place[RANK_MAX];
    size_t at = 0;
    for (int64_t k = a->rank; k-- > 0;) {
        place[k] = i % a->dim[k];
        i /= a->dim[k];
    }
    text[0] = '\0';
    for (int64_t k = 0; k < a->rank && at < size; k++)
        at += (size_t)snprintf(text + at, size - at, "%s%" PRId64 "%s", k ? "," : "[", place[k],
                               k + 1 < a->rank ? "" : "]");
    return text;
}

static void fail_label(struct run *run, const struct step *step, int64_t count, int64_t label,
                       int64_t n) {
    enum { SHOWN = 16 };
    char text[SHOWN * 22 + 8];
    size_t at = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < count && i < SHOWN; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, " %" PRId64,
                               index_at(step->in[0].dtype, run_in(run, step, 0), i));
    if (count > SHOWN) snprintf(text + at, sizeof text - at, " ...");
    run_fail(run, ERROR_INVALID_ARGUMENT,
             "Received a label value of %" PRId64
             " which is outside the valid range of [0, %" PRId64 ").  Label values:%s",
             label, n, text);
}

static void fail_segment(struct run *run, int64_t id, int64_t n) {
    if (id < 0 || id >= n)
        run_fail(run, ERROR_INVALID_ARGUMENT,
                 "Segment id %" PRId64 " out of range [0, %" PRId64 ")", id, n);
    else
        run_fail(run, ERROR_INVALID_ARGUMENT, "segment ids are not increasing");
}

/* Whether all indices are below n and not below 0, which nearly all are, without branches. As numbers without
 * sign those below 0 are the largest; where they are dropped, as numbers with a sign. */
#define WITHIN(T, U)                                                                               \
    POINTWISE_CLONES static bool within_##T(const T *v, int64_t total, int64_t n, bool drops) {    \
        U most = 0;                                                                                \
        T most_signed = 0;                                                                         \
        for (int64_t i = 0; !drops && i < total; i++) most = (U)v[i] > most ? (U)v[i] : most;      \
        for (int64_t i = 0; drops && i < total; i++)                                               \
            most_signed = v[i] > most_signed ? v[i] : most_signed;                                 \
        return total == 0 || (most < (uint64_t)n && most_signed < n);                              \
    }
WITHIN(int32_t, uint32_t)
WITHIN(int64_t, uint64_t)

bool lines_check(const struct step *step, struct run *run, const struct lines *l) {
    const struct index_attrs *a = step->attrs;
    const void *indices = run_in(run, step, 0);
    const int64_t total = l->batch * l->count;
    const bool drops = a->rule == INDEX_DROPS;
    int64_t each = 1, before = 0;
    char place[SHAPE_TEXT];
    if (a->rule != INDEX_SORTED &&
        (step->in[0].dtype == DTYPE_I32 ? within_int32_t(indices, total, l->n, drops)
                                        : within_int64_t(indices, total, l->n, drops)))
        return run_tick(run, total);
    for (int64_t k = 0; k < a->rank; k++) each *= a->dim[k];
    for (int64_t i = 0; i < total; i++) {
        const int64_t v = index_at(step->in[0].dtype, indices, i);
        const bool sorted = a->rule != INDEX_SORTED || i % l->count == 0 || v >= before;
        before = v;
        if (((v >= 0 && v < l->n) || (drops && v < 0)) && sorted) continue;
        if (a->rule == INDEX_LABEL)
            fail_label(run, step, total, v, l->n);
        else if (a->rule == INDEX_SORTED)
            fail_segment(run, v, l->n);
        else
            run_fail(run, ERROR_INVALID_ARGUMENT, "%s%s = %" PRId64 " is %s [0, %" PRId64 ")",
                     drops ? "segment_ids" : "indices",
                     place_text(a, i % each, place, sizeof place), v,
                     drops ? "out of range" : "not in", l->n);
        return false;
    }
    return run_tick(run, total);
}
