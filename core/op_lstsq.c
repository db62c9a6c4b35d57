/* Least squares, as tf.linalg.lstsq has it: by the normal equations, or with fast=False by singular
 * values, which answers the shortest solution and has no gradient. */
#include <float.h>
#include <inttypes.h>

#include "core/op_spectral.h"

/* ---- a value whose derivative is refused ---------------------------------------------------------- */

static node_id refused_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)y, (void)i, (void)g;
    return tape_fail(t, ERROR_INVALID_ARGUMENT, "lstsq: Gradient not defined for fast=False");
}
static node_id refused_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return refused_vjp(t, y, 0, x_dot[0]);
}
static node_id refused_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                             int64_t n) {
    (void)y, (void)batched, (void)n;
    return emit1(t, OP_lstsq_slow, x[0]);
}
const struct op op_lstsq_slow = {.name = "lstsq_slow",
                                 .notation = "y = x, not differentiable: asked for one, it refuses",
                                 .kind = OP_INTERNAL,
                                 .flags = OP_VIEW,
                                 .params = {{"x", PARAM_TENSOR, false}},
                                 .infer = infer_same,
                                 .vjp = refused_vjp,
                                 .jvp = refused_jvp,
                                 .batch = refused_batch};

/* ---- the two ways --------------------------------------------------------------------------------- */

/* (A^T A + l I)^-1 A^T B, or where A has more columns than rows A^T (A A^T + l I)^-1 B. */
static node_id by_normal_equations(struct tape *t, node_id a, node_id b, double regularizer) {
    const struct shape *s = tape_shape(t, a);
    const bool lying = s->dim[s->rank - 2] < s->dim[s->rank - 1];
    node_id gram = emit_matmul(t, a, a, !lying, lying);
    if (gram == NODE_NONE) return NODE_NONE;
    if (regularizer != 0) {
        const int64_t k = tape_shape(t, gram)->dim[tape_shape(t, gram)->rank - 1];
        const node_id unit = emit_cast(t, emit_index_mask(t, OP_equal, k), tape_dtype(t, a));
        gram = emit_add(t, gram, emit_multiply(t, unit, emit_like(t, a, regularizer)));
    }
    const node_id l = emit1(t, OP_cholesky, gram);
    const node_id right = lying ? b : emit_matmul(t, a, b, true, false);
    const node_id x =
        emit_triangular_solve(t, l, emit_triangular_solve(t, l, right, true, false), true, true);
    return lying ? emit_matmul(t, a, x, true, false) : x;
}

/* V S^+ U^T B, without singular values below the rounding of the largest. */
static node_id by_singular_values(struct tape *t, node_id a, node_id b) {
    const struct op_arg args[OP_PARAMS_MAX] = {{.given = true, .node = a}};
    const struct shape *shape = tape_shape(t, a);
    const int64_t m = shape->dim[shape->rank - 2], n = shape->dim[shape->rank - 1];
    const double epsilon = tape_dtype(t, a) == DTYPE_F32 ? FLT_EPSILON : DBL_EPSILON;
    const node_id *f;
    size_t count;
    if (!op_table[OP_svd]->emit_many(t, args, &f, &count)) return NODE_NONE;
    const node_id s = emit_as_column(t, f[0]), u = f[1], v = f[2];
    const node_id most = emit_reduce(t, OP_reduce_max, s, 1u << (shape->rank - 2), true);
    const node_id least =
        emit_multiply(t, most, emit_like(t, s, (double)(m < n ? m : n) * epsilon));
    const node_id projected = emit_matmul(t, u, b, true, false);
    const node_id scaled =
        emit_where(t, emit_greater(t, s, least), emit_divide(t, projected, s), emit_like(t, s, 0));
    return emit1(t, OP_lstsq_slow, emit_matmul(t, v, scaled, false, false));
}

static struct shape leading(const struct shape *s) {
    struct shape lead = *s;
    lead.rank -= 2;
    return lead;
}

static bool lstsq_check(struct tape *t, node_id a, node_id b) {
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    if (b == NODE_NONE || !matrix_check(t, "lstsq", a, false)) return false;
    const struct shape *left = tape_shape(t, a), *right = tape_shape(t, b);
    const enum dtype dtype = tape_dtype(t, a), found = tape_dtype(t, b);
    const struct shape lead_a = leading(left), lead_b = leading(right);
    struct shape joint;
    if (found != dtype)
        tape_fail(t, ERROR_DTYPE_MISMATCH,
                  "lstsq: input #1 (zero-based) was expected to be a %s tensor but is a %s tensor",
                  dtype_name(dtype), dtype_name(found));
    else if (right->rank < 2)
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "lstsq: rhs must have rank >= 2, got %d; a vector is a matrix of one column",
                  right->rank);
    else if (left->dim[left->rank - 2] != right->dim[right->rank - 2])
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "lstsq: Input matrix and rhs are incompatible: %" PRId64 " vs. %" PRId64
                  " rows of shapes %s and %s",
                  left->dim[left->rank - 2], right->dim[right->rank - 2], shape_text(left, x),
                  shape_text(right, y));
    else if (!shape_broadcast(&lead_a, &lead_b, &joint))
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "lstsq: matrix and rhs must have compatible batch dimensions: %s vs. %s",
                  shape_text(left, x), shape_text(right, y));
    return tape_ok(t);
}

static node_id lstsq_emit(struct tape *t, const struct op_arg *args) {
    const node_id a = args[0].node, b = args[1].node;
    const bool fast = !args[3].given || args[3].b;
    if (!lstsq_check(t, a, b)) return NODE_NONE;
    return fast ? by_normal_equations(t, a, b, args[2].given ? args[2].f : 0)
                : by_singular_values(t, a, b);
}
const struct op op_lstsq = {
    .name = "lstsq",
    .notation =
        "X = the least of |A X - B|^2 + l2_regularizer |X|^2 by normal equations; fast=False: the "
        "shortest by singular values, without gradient",
    .kind = OP_COMPOSITE,
    .params = {{"matrix", PARAM_TENSOR, false},
               {"rhs", PARAM_TENSOR, false},
               {"l2_regularizer", PARAM_FLOAT, true},
               {"fast", PARAM_BOOL, true}},
    .preset = {[2] = "0.0", [3] = "True"},
    .emit = lstsq_emit};
