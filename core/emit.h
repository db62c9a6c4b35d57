/* What derivative rules are written with: one short function an op, and the shape work they share.
 * Every function is sticky, like tape_emit. */
#ifndef GRADD_CORE_EMIT_H
#define GRADD_CORE_EMIT_H

#include "core/op.h"
#include "core/op_attrs.h"

static inline node_id emit1(struct tape *t, int op, node_id x) {
    return tape_emit(t, op, &x, 1, NULL, 0);
}

static inline node_id emit2(struct tape *t, int op, node_id x, node_id y) {
    return tape_emit(t, op, (node_id[]){x, y}, 2, NULL, 0);
}

#define EMIT1(name)                                                                                \
    static inline node_id emit_##name(struct tape *t, node_id x) { return emit1(t, OP_##name, x); }
#define EMIT2(name)                                                                                \
    static inline node_id emit_##name(struct tape *t, node_id x, node_id y) {                      \
        return emit2(t, OP_##name, x, y);                                                          \
    }
EMIT1(negative)
EMIT1(reciprocal)
EMIT1(exp)
EMIT1(log)
EMIT1(sin)
EMIT1(cos)
EMIT1(sinh)
EMIT1(cosh)
EMIT1(sigmoid)
EMIT1(sign)
EMIT1(step)
EMIT1(square)
EMIT2(add)
EMIT2(subtract)
EMIT2(multiply)
EMIT2(divide)
EMIT2(pow)
EMIT2(floordiv)
EMIT2(multiply_no_nan)
EMIT2(equal)
EMIT2(greater)
EMIT2(greater_equal)
EMIT2(less_equal)
#undef EMIT1
#undef EMIT2

static inline node_id emit_where(struct tape *t, node_id c, node_id x, node_id y) {
    return tape_emit(t, OP_where, (node_id[]){c, x, y}, 3, NULL, 0);
}

/* `value` as a scalar of x's dtype. */
static inline node_id emit_like(struct tape *t, node_id x, double value) {
    return x == NODE_NONE ? NODE_NONE : tape_scalar(t, tape_dtype(t, x), value);
}

/* Zeros of x's shape and dtype. */
node_id emit_zeros_like(struct tape *t, node_id x);

/* A shape from the dimensions that stand in attributes. */
static inline struct shape shape_make(int64_t rank, const int64_t *dim) {
    struct shape s = {.rank = (int32_t)rank};
    for (int i = 0; i < s.rank; i++) s.dim[i] = dim[i];
    return s;
}

/* n in front of a shape, as batch rules need it; false after tape_fail past the highest rank. */
bool shape_lead(struct tape *t, const struct shape *s, int64_t n, struct shape *out);

/* The argument itself where nothing would change. */
node_id emit_reshape(struct tape *t, node_id x, const struct shape *shape);
node_id emit_broadcast_to(struct tape *t, node_id x, const struct shape *shape);
node_id emit_cast(struct tape *t, node_id x, enum dtype dtype);

node_id emit_transpose(struct tape *t, node_id x, const int64_t *perm);
/* Matrices transposed. */
node_id emit_adjoint(struct tape *t, node_id x);
node_id emit_concat(struct tape *t, const node_id *parts, uint32_t n, int64_t axis);
node_id emit_matmul(struct tape *t, node_id a, node_id b, bool transpose_a, bool transpose_b);
/* A^-1 B (A^-T B where `adjoint`) of A's lower or upper triangle. */
node_id emit_triangular_solve(struct tape *t, node_id a, node_id b, bool lower, bool adjoint);
/* Matrices with 0 off the diagonals from `low` to `high`, counted upward from the main one. */
node_id emit_band(struct tape *t, node_id x, int64_t low, int64_t high);
/* `op` is one of the reductions. */
node_id emit_reduce(struct tape *t, int op, node_id x, uint32_t axes, bool keepdims);
/* The elements begin, begin + stride, ... of x, as many as `shape` says, along every axis. */
node_id emit_strided_slice(struct tape *t, node_id x, const struct shape *shape,
                           const int64_t *begin, const int64_t *stride);

/* Its adjoint: x at those places of `larger`, 0 elsewhere. */
node_id emit_slice_grad(struct tape *t, node_id x, const struct shape *larger, const int64_t *begin,
                        const int64_t *stride);

/* The adjoint of broadcasting: x summed to `shape`, which broadcasts to x's. */
node_id emit_sum_to(struct tape *t, node_id x, const struct shape *shape);

/* Shape with `1` in front where a batched argument of lower rank meets others: (N, 1.., dims). */
node_id emit_align_batched(struct tape *t, node_id x, int rank);

/* x repeated along a new leading axis. */
node_id emit_repeat(struct tape *t, node_id x, int64_t n);

/* A user's axis, from the end where negative; false after tape_fail. */
bool axis_normalize(struct tape *t, const char *op, int64_t axis, int rank, int *out);

/* A user's axes as bits; all of them where none were given. False after tape_fail. */
bool axes_read(struct tape *t, const char *op, const struct op_arg *axis, int rank, uint32_t *axes);

/* A user's shape; one dimension may be -1 where `count` elements (not negative) decide it. False after
 * tape_fail. */
bool shape_read(struct tape *t, const char *op, const struct op_arg *arg, int64_t count,
                struct shape *shape);

/* A user's number of elements along an axis: not negative, and within what a tensor may have; false after
 * tape_fail. */
bool length_check(struct tape *t, const char *op, const char *argument, int64_t n);

/* A user's indices must be integers; false after tape_fail. */
bool indices_check(struct tape *t, const char *op, const char *argument, node_id indices);
/* The places of `x` along `axis` that `indices` name: their shape in place of the axis. The first
 * batch_dims axes belong together. `rule` is an enum index_rule. */
node_id emit_gather(struct tape *t, const char *op, int rule, node_id x, node_id indices, int axis,
                    int batch_dims);
/* Lines of x, seen as (batch, outer, lines, inner), by indices of shape (batch, count); and the
 * adjoint, which adds lines up to n of them. `a` says what is an index. */
node_id emit_gather_lines(struct tape *t, node_id indices, node_id x, const struct index_attrs *a);
node_id emit_scatter_lines(struct tape *t, node_id indices, node_id x, const struct index_attrs *a);
/* The attributes of indices of shape `s`, which may name n lines. */
struct index_attrs index_attrs(int rule, int64_t n, const struct shape *s);
/* A Hessian of n elements from its products of shape (.., m, n), the last of which is that with 0: element at[k] of
 * each matrix is element from[k] of its products, both int32 literals, and the others are 0. */
node_id emit_hessian_spread(struct tape *t, node_id from, node_id at, node_id products);
/* For each line the product of the others that the same index names: the lines before it times those
 * behind. */
node_id emit_segment_others(struct tape *t, node_id ids, node_id x, const struct index_attrs *a);
/* Rules of ops that fold the lines of their second argument by their first, the indices. */
bool lines_fold_infer(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype);
int64_t lines_fold_work(const struct tape *t, const struct node *n);
node_id lines_batch(struct tape *t, node_id y, const node_id *x, const bool *batched, int64_t n);
/* The permutation that swaps an axis with the last one; its own inverse. */
void perm_swap_last(int axis, int rank, int64_t *perm);

/* `op` is OP_window_max, OP_window_argmax (a plane's elements count from 0, as int32), OP_window_sum or
 * its adjoint OP_window_spread; x has the shape (outer, three axes, inner). */
node_id emit_window(struct tape *t, int op, node_id x, const struct window_attrs *a);

/* s_i = a_i s_(i-1) + b_i along the last axis of two equal shapes; from the end where reversed. */
node_id emit_recurrence(struct tape *t, node_id a, node_id b, bool reverse);
/* x minus its maximum over axes, as far as no derivative sees it: an infinite or NaN maximum counts as
 * 0. `*shift` is what was subtracted. */
node_id emit_shift_by_max(struct tape *t, node_id x, uint32_t axes, node_id *shift);
/* x moved one place along the last axis; `fill` comes in where it leaves room. */
node_id emit_shifted(struct tape *t, node_id x, bool to_right, double fill);

/* `value`, whose derivative by each of n args is gradients[i] (NODE_NONE: none), written in terms of
 * `seed` (an OP_identity of value's shape, in place of the cotangent) and formals[i] (OP_identity of
 * args[i]); seed comes first on the tape. `value` should be a stop_gradient. */
node_id emit_custom(struct tape *t, node_id value, const node_id *args, uint32_t n, node_id seed,
                    const node_id *formals, const node_id *gradients);

/* The shape and work rules of every reduction with struct reduce_attrs. */
bool reduce_infer(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype);
int64_t reduce_work(const struct tape *t, const struct node *n);

/* What most ops' `infer` begins with: true where all arguments from `first` on have one dtype. */
bool infer_same_dtype(struct tape *t, const struct node *n, uint32_t first);
/* Broadcasts the arguments' shapes; dtypes must be the same. */
bool infer_pointwise(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype);
/* The first argument must be square in its last two axes; the result has its shape. */
bool infer_square(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype);
/* Keeps the first argument's shape and dtype. */
bool infer_same(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype);
/* Refuses the dtypes for which the op has no kernel; tape_emit asks it for every op. */
bool infer_has_kernel(struct tape *t, const struct node *n);

#endif
