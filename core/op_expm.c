/* The exponential of a matrix. Its derivative along E is the upper right block of the exponential of
 * [[A, E], [0, A]] (R. Mathias, A chain rule for matrix functions and applications, SIAM J. Matrix Anal.
 * Appl. 17 (1996)), so that every order comes of the op itself. */
#include "core/kernels/spectral.h"
#include "core/op_spectral.h"

static bool expm_infer(struct tape *t, const struct node *n, struct shape *shape,
                       enum dtype *dtype) {
    (void)shape, (void)dtype;
    return matrix_check(t, "expm", n->arg[0], true);
}

/* A solution, about six products of matrices and the squarings of a norm of a thousand. */
static int64_t expm_work(const struct tape *t, const struct node *n) {
    (void)t;
    int64_t work;
    if (__builtin_mul_overflow(shape_count(n->shape), 32 * n->shape->dim[n->shape->rank - 1],
                               &work))
        return INT64_MAX;
    return work;
}

static node_id emit_expm(struct tape *t, node_id x) { return emit1(t, OP_expm, x); }

/* The largest magnitude in each matrix; 1 in place of 0 and of what is not finite. No derivative sees it. */
static node_id scale_of(struct tape *t, node_id x) {
    const node_id size = emit1(t, OP_abs, emit1(t, OP_stop_gradient, x));
    if (size == NODE_NONE) return NODE_NONE;
    const int rank = tape_shape(t, x)->rank;
    const node_id most = emit_reduce(t, OP_reduce_max, size, 3u << (rank - 2), true);
    const node_id zero = emit_like(t, most, 0), one = emit_like(t, most, 1);
    const node_id finite = emit_equal(t, emit_subtract(t, most, most), zero);
    return emit_where(t, emit_greater(t, emit_where(t, finite, most, zero), zero), most, one);
}

/* The derivative of e^A along e, which is linear in e: e of size 1 keeps the block from being squared
 * oftener than A asks for. */
static node_id along(struct tape *t, node_id a, node_id e) {
    const node_id scale = scale_of(t, e), unit = emit_divide(t, e, scale);
    if (unit == NODE_NONE) return NODE_NONE;
    const struct shape *s = tape_shape(t, a);
    const int64_t n = s->dim[s->rank - 1];
    const int columns = s->rank - 1, rows = s->rank - 2;
    const node_id above = emit_concat(t, (node_id[]){a, unit}, 2, columns);
    const node_id below = emit_concat(t, (node_id[]){emit_zeros_like(t, a), a}, 2, columns);
    const node_id whole = emit_expm(t, emit_concat(t, (node_id[]){above, below}, 2, rows));
    const int64_t stride[RANK_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    int64_t begin[RANK_MAX] = {0};
    begin[columns] = n;
    return whole == NODE_NONE
               ? NODE_NONE
               : emit_multiply(t, emit_strided_slice(t, whole, s, begin, stride), scale);
}

static node_id expm_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    return along(t, emit_adjoint(t, tape_arg(t, y, 0)), g);
}
static node_id expm_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return along(t, tape_arg(t, y, 0), x_dot[0]);
}
static node_id expm_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                          int64_t n) {
    (void)y, (void)batched, (void)n;
    return emit_expm(t, x[0]);
}
static node_id expm_emit(struct tape *t, const struct op_arg *args) {
    return emit_expm(t, args[0].node);
}

const struct op op_expm = {
    .name = "expm",
    .notation = "Y = e^A of each matrix; dY is the upper right block of e^[[A, dA], [0, A]]",
    .params = {{"input", PARAM_TENSOR, false}},
    .emit = expm_emit,
    .infer = expm_infer,
    .vjp = expm_vjp,
    .jvp = expm_jvp,
    .batch = expm_batch,
    .kernels = {spectral_expm, spectral_expm},
    .work = expm_work,
    .scratch = spectral_expm_scratch};
