/* The drivers of element-wise loops: they walk the outer axes of a nest and hand runs of contiguous
 * results to a loop. They know strides and element sizes, and nothing of what is computed. */
#include "core/kernels/pointwise.h"

enum { BLOCK = 1 << 15 }; /* elements that one thread computes between two looks at the clock */

/* Where the loop stands: the next element of each argument, and how far it is to the next one, along the
 * innermost axis in elements (0 or 1), along the others in bytes. */
struct walk {
    char *out;
    const void *x[NODE_INLINE_ARGS];
    int64_t step[NODE_INLINE_ARGS];
    int64_t byte_step[NODE_INLINE_ARGS][RANK_MAX];
    int64_t index[RANK_MAX];
};

/* Goes from the first row to another; rows are what the axes before the innermost count. */
static void seek(const struct nest *nest, uint32_t n_in, struct walk *w, int64_t row) {
    for (int axis = nest->rank - 2; axis >= 0; axis--) {
        w->index[axis] = row % nest->dim[axis];
        row /= nest->dim[axis];
        for (uint32_t i = 0; i < n_in; i++)
            w->x[i] = (const char *)w->x[i] + w->index[axis] * w->byte_step[i][axis];
    }
}

/* Goes to the next row; behind the last one is the first. */
static void advance(const struct nest *nest, uint32_t n_in, struct walk *w) {
    for (int axis = nest->rank - 2; axis >= 0; axis--) {
        const bool wraps = ++w->index[axis] == nest->dim[axis];
        const int64_t steps = wraps ? 1 - nest->dim[axis] : 1;
        for (uint32_t i = 0; i < n_in; i++)
            w->x[i] = (const char *)w->x[i] + steps * w->byte_step[i][axis];
        if (!wraps) return;
        w->index[axis] = 0;
    }
}

static struct walk begin(const struct step *step, struct run *run) {
    const struct nest *nest = step->nest;
    const int inner = nest->rank - 1;
    struct walk w = {.out = run_out(run, step)};
    for (uint32_t i = 0; i < step->n_in; i++) {
        const int64_t size = (int64_t)dtype_size(step->in[i].dtype);
        w.x[i] = run_in(run, step, i);
        w.step[i] = nest->stride[i][inner];
        for (int axis = 0; axis < inner; axis++)
            w.byte_step[i][axis] = nest->stride[i][axis] * size;
    }
    return w;
}

/* What blocks are cut from: rows of the innermost axis, `some` of them a block, or pieces of rows. */
struct blocks {
    const struct step *step;
    struct walk begin;
    int64_t rows, some, pieces; /* pieces of a row; where there are several, some is 1 */
};

static void run_rows(const struct blocks *s, int64_t from) {
    const struct step *step = s->step;
    const struct nest *nest = step->nest;
    const int64_t n = nest->dim[nest->rank - 1], row = n * (int64_t)dtype_size(step->out.dtype);
    const int64_t end = from + s->some < s->rows ? from + s->some : s->rows;
    struct walk w = s->begin;
    seek(nest, step->n_in, &w, from);
    for (w.out += from * row; from < end; from++, w.out += row) {
        loop_call(step->loop, step->n_in, n, w.out, w.x, w.step);
        advance(nest, step->n_in, &w);
    }
}

static void run_piece(const struct blocks *s, int64_t row, int64_t piece) {
    const struct step *step = s->step;
    const struct nest *nest = step->nest;
    const int64_t n = nest->dim[nest->rank - 1], at = piece * BLOCK;
    struct walk w = s->begin;
    seek(nest, step->n_in, &w, row);
    w.out += (row * n + at) * (int64_t)dtype_size(step->out.dtype);
    for (uint32_t i = 0; i < step->n_in; i++)
        w.x[i] = (const char *)w.x[i] + at * w.step[i] * (int64_t)dtype_size(step->in[i].dtype);
    loop_call(step->loop, step->n_in, n - at < BLOCK ? n - at : BLOCK, w.out, w.x, w.step);
}

static void run_block(void *arg, int64_t block) {
    const struct blocks *s = arg;
    if (s->pieces > 1)
        run_piece(s, block / s->pieces, block % s->pieces);
    else
        run_rows(s, block * s->some);
}

static void drive(const struct step *step, struct run *run) {
    const struct nest *nest = step->nest;
    const int64_t count = shape_count(step->out.shape), n = nest->dim[nest->rank - 1];
    if (count == 0) return;
    struct blocks s = {.step = step, .begin = begin(step, run), .rows = count / n, .some = 1};
    s.pieces = (n + BLOCK - 1) / BLOCK;
    if (s.pieces == 1) s.some = BLOCK / n;
    const int64_t blocks = s.pieces * ((s.rows + s.some - 1) / s.some);
    run_blocks(run, blocks, count / blocks, run_block, &s);
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
