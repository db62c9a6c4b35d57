/* The drivers of element-wise loops: they walk the outer axes of a nest and hand runs of contiguous
 * results to a loop. They know strides and element sizes, and nothing of what is computed. */
#include "core/kernels/pointwise.h"

enum { BLOCK = 1 << 16 }; /* elements between two looks at the clock */

/* Where the loop stands: the next element of each argument, and how far it is to the next one, along the
 * innermost axis in elements (0 or 1), along the others in bytes. */
struct walk {
    char *out;
    const void *x[NODE_INLINE_ARGS];
    int64_t step[NODE_INLINE_ARGS];
    int64_t byte_step[NODE_INLINE_ARGS][RANK_MAX];
    int64_t index[RANK_MAX];
};

/* Adds one to the odometer over the axes before the innermost; false when it has gone round. */
static bool advance(const struct nest *nest, uint32_t n_in, struct walk *w) {
    for (int axis = nest->rank - 2; axis >= 0; axis--) {
        const bool wraps = ++w->index[axis] == nest->dim[axis];
        const int64_t steps = wraps ? 1 - nest->dim[axis] : 1;
        for (uint32_t i = 0; i < n_in; i++)
            w->x[i] = (const char *)w->x[i] + steps * w->byte_step[i][axis];
        if (!wraps) return true;
        w->index[axis] = 0;
    }
    return false;
}

static inline void call(const struct step *step, int64_t n, const struct walk *w) {
    loop_call(step->loop, step->n_in, n, w->out, w->x, w->step);
}

/* n results one behind the other, in blocks; leaves the arguments where they stood. */
static bool run_long(const struct step *step, struct run *run, int64_t n, struct walk w) {
    const int64_t size = (int64_t)dtype_size(step->out.dtype);
    for (; n > 0; n -= BLOCK) {
        const int64_t length = n < BLOCK ? n : BLOCK;
        call(step, length, &w);
        if (!run_tick(run, length)) return false;
        w.out += length * size;
        for (uint32_t i = 0; i < step->n_in; i++)
            w.x[i] =
                (const char *)w.x[i] + length * w.step[i] * (int64_t)dtype_size(step->in[i].dtype);
    }
    return true;
}

static void drive(const struct step *step, struct run *run) {
    const struct nest *nest = step->nest;
    const int outer = nest->rank > 1 ? nest->rank - 1 : 0;
    const int64_t n = nest->rank ? nest->dim[outer] : 1;
    const int64_t bytes = n * (int64_t)dtype_size(step->out.dtype);
    struct walk w;
    if (shape_count(step->out.shape) == 0) return;
    w.out = run_out(run, step);
    for (uint32_t i = step->n_in; i < NODE_INLINE_ARGS; i++) {
        w.x[i] = NULL;
        w.step[i] = 0;
    }
    for (uint32_t i = 0; i < step->n_in; i++) {
        const int64_t size = (int64_t)dtype_size(step->in[i].dtype);
        w.x[i] = run_in(run, step, i);
        w.step[i] = nest->rank ? nest->stride[i][outer] : 0;
        for (int axis = 0; axis < outer; axis++)
            w.byte_step[i][axis] = nest->stride[i][axis] * size;
    }
    for (int axis = 0; axis < outer; axis++) w.index[axis] = 0;
    do {
        if (n > BLOCK) {
            if (!run_long(step, run, n, w)) return;
        } else {
            call(step, n, &w);
            if (!run_tick(run, n)) return;
        }
        w.out += bytes;
    } while (advance(nest, step->n_in, &w));
}

void pointwise_run(const struct step *step, struct run *run) {
    const struct nest *nest = step->nest;
    const int64_t n = nest->rank ? nest->dim[0] : 1;
    if (nest->rank > 1 || n > BLOCK) {
        drive(step, run);
        return;
    }
    /* One call of the loop is all there is to do; a single element goes nowhere. */
    const void *x[NODE_INLINE_ARGS] = {NULL};
    int64_t stride[NODE_INLINE_ARGS] = {0};
    for (uint32_t i = 0; i < step->n_in; i++) {
        x[i] = run_in(run, step, i);
        stride[i] = nest->rank ? nest->stride[i][0] : 0;
    }
    loop_call(step->loop, step->n_in, n, run_out(run, step), x, stride);
    run_tick(run, n);
}
