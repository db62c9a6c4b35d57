/* The drivers of element-wise loops: they walk the outer axes of a nest and hand runs of contiguous
 * results to a loop. They know strides and element sizes, and nothing of what is computed. */
#include "core/kernels/pointwise.h"

enum { BLOCK = 1 << 16 }; /* elements between two looks at the clock */

/* Adds one to the odometer over the axes before the innermost, moving each argument's position;
 * false when it has gone round. */
static bool advance(const struct nest *nest, uint32_t n_in, int64_t *index, int64_t *at) {
    for (int axis = nest->rank - 2; axis >= 0; axis--) {
        if (++index[axis] < nest->dim[axis]) {
            for (uint32_t i = 0; i < n_in; i++) at[i] += nest->stride[i][axis];
            return true;
        }
        index[axis] = 0;
        for (uint32_t i = 0; i < n_in; i++) at[i] -= nest->stride[i][axis] * (nest->dim[axis] - 1);
    }
    return false;
}

/* Where the elements of a step's arguments stand, in bytes from the inner run's start. */
struct inner {
    const char *data;
    int64_t stride; /* in elements: 0 or 1 */
    int64_t size;
};

static const void *element(const struct inner *in, int64_t at, int64_t i) {
    return in->data + (at + i * in->stride) * in->size;
}

/* Calls the loop of as many arguments as the step has; the others are ignored. */
static void drive(const struct step *step, struct run *run, loop1 f1, loop2 f2, loop3 f3) {
    const struct nest *nest = step->nest;
    int last = nest->rank - 1;
    int64_t n = nest->rank ? nest->dim[last] : 1;
    struct inner in[NODE_INLINE_ARGS] = {{0}};
    for (uint32_t i = 0; i < step->n_in; i++) {
        in[i] = (struct inner){run_in(run, step, i), nest->rank ? nest->stride[i][last] : 0,
                               (int64_t)dtype_size(step->in[i].dtype)};
    }
    char *out = run_out(run, step);
    size_t size_out = dtype_size(step->out.dtype);
    int64_t index[RANK_MAX] = {0}, at[NODE_INLINE_ARGS] = {0};
    if (shape_count(step->out.shape) == 0) return;
    do {
        for (int64_t i = 0; i < n; i += BLOCK) {
            int64_t length = n - i < BLOCK ? n - i : BLOCK;
            const void *x = element(&in[0], at[0], i);
            if (f1) f1(length, out, x, in[0].stride);
            if (f2) f2(length, out, x, in[0].stride, element(&in[1], at[1], i), in[1].stride);
            if (f3)
                f3(length, out, x, in[0].stride, element(&in[1], at[1], i), in[1].stride,
                   element(&in[2], at[2], i), in[2].stride);
            out += (size_t)length * size_out;
            if (!run_tick(run, length)) return;
        }
    } while (advance(nest, step->n_in, index, at));
}

void pointwise1(const struct step *step, struct run *run, loop1 loop) {
    drive(step, run, loop, NULL, NULL);
}
void pointwise2(const struct step *step, struct run *run, loop2 loop) {
    drive(step, run, NULL, loop, NULL);
}
void pointwise3(const struct step *step, struct run *run, loop3 loop) {
    drive(step, run, NULL, NULL, loop);
}
