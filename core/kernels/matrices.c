/* The walk over leading axes of matrices, and how a failure of one of them is said. What is done with
 * the matrices is not known here. */
#include "core/kernels/matrices.h"

#include <inttypes.h>
#include <string.h>

#include "core/kernels/copy.h"

/* Strides of x along the leading axes of a result of the given rank; 0 where x is repeated. */
static void leading_strides(const struct shape *x, int rank, int64_t *stride) {
    int64_t own[RANK_MAX];
    shape_strides(x, own);
    for (int i = 0; i < rank; i++) {
        const int k = i - (rank - (x->rank - 2));
        stride[i] = k < 0 || x->dim[k] == 1 ? 0 : own[k];
    }
}

struct matrices matrices_of(const struct step *step) {
    const struct shape *out = step->out.shape;
    const uint32_t n_in = step->n_in < MATRICES_ARGS ? step->n_in : MATRICES_ARGS;
    int64_t stride[MATRICES_ARGS + 1][RANK_MAX] = {{0}};
    struct matrices w = {.rank = out->rank - 2, .count = 1};
    for (uint32_t i = 0; i < n_in; i++) leading_strides(step->in[i].shape, w.rank, stride[i]);
    leading_strides(out, w.rank, stride[MATRICES_ARGS]);
    int at = 0;
    for (int repeats = 0; repeats < 2; repeats++)
        for (int i = 0; i < w.rank; i++) {
            if ((stride[0][i] == 0) != repeats) continue;
            for (uint32_t k = 0; k < n_in; k++) w.in_stride[k][at] = stride[k][i];
            w.out_stride[at] = stride[MATRICES_ARGS][i];
            w.dim[at++] = out->dim[i];
            w.count *= out->dim[i];
        }
    return w;
}

void matrices_next(struct matrices *w) {
    w->done++;
    for (int i = w->rank - 1; i >= 0; i--) {
        const bool wraps = ++w->index[i] == w->dim[i];
        const int64_t steps = wraps ? 1 - w->dim[i] : 1;
        for (int k = 0; k < MATRICES_ARGS; k++) w->in_at[k] += steps * w->in_stride[k][i];
        w->out_at += steps * w->out_stride[i];
        if (!wraps) return;
        w->index[i] = 0;
    }
}

void matrices_seek(struct matrices *w, int64_t number) {
    w->done = number;
    memset(w->in_at, 0, sizeof w->in_at);
    w->out_at = 0;
    for (int i = w->rank - 1; i >= 0; i--) {
        w->index[i] = number % w->dim[i];
        number /= w->dim[i];
        for (int k = 0; k < MATRICES_ARGS; k++) w->in_at[k] += w->index[i] * w->in_stride[k][i];
        w->out_at += w->index[i] * w->out_stride[i];
    }
}

void matrices_fail(const struct step *step, struct run *run, const char *words, int64_t number) {
    const struct shape *x = step->in[0].shape;
    int64_t count = 1;
    for (int i = 0; i < x->rank - 2; i++) count *= x->dim[i];
    if (count == 1)
        run_fail(run, ERROR_INVALID_ARGUMENT, "%s: %s", step->op->name, words);
    else
        run_fail(run, ERROR_INVALID_ARGUMENT,
                 "%s: %s It is matrix %" PRId64 " (zero-based) of %" PRId64 ".", step->op->name,
                 words, number, count);
}
