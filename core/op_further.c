/* Functions of tf.math, tf.nn and tf.linalg that are a line or two of other ops, composed as TensorFlow
 * composes them, so that their derivatives are its own at special points too. */
#include <inttypes.h>

#include "core/emit.h"

static node_id sum_of(struct tape *t, node_id x, uint32_t axes, bool keep) {
    return emit_reduce(t, OP_reduce_sum, x, axes, keep);
}
static uint32_t all_axes(const struct tape *t, node_id x) {
    return (1u << tape_shape(t, x)->rank) - 1;
}

#define FURTHER(id, text, taken, out, presets, ...)                                                \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = {__VA_ARGS__},                                            \
                               .inert = out,                                                       \
                               .dtypes = taken,                                                    \
                               .preset = {PRESETS presets},                                        \
                               .emit = id##_emit};
#define PRESETS(...) __VA_ARGS__

static node_id logical_xor_emit(struct tape *t, const struct op_arg *args) {
    return emit2(t, OP_not_equal, args[0].node, args[1].node);
}
FURTHER(logical_xor, "z = x or y, and not both; not differentiable", 0, 0, (NULL),
        {"x", PARAM_CONDITION, false}, {"y", PARAM_CONDITION, false})

static node_id reciprocal_no_nan_emit(struct tape *t, const struct op_arg *args) {
    return emit2(t, OP_divide_no_nan, emit_like(t, args[0].node, 1), args[0].node);
}
FURTHER(reciprocal_no_nan, "y = 1 / x, and 0 at 0", DTYPES_FLOATS, 0, (NULL),
        {"x", PARAM_TENSOR, false})

static node_id erfcinv_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    const node_id z = emit1(t, OP_ndtri, emit_multiply(t, x, emit_like(t, x, 0.5)));
    return emit_multiply(t, z, emit_like(t, x, -0x1.6a09e667f3bcdp-1)); /* sqrt(1/2) */
}
FURTHER(erfcinv, "y = the x of which erfc is the argument", DTYPES_FLOATS, 0, (NULL),
        {"x", PARAM_TENSOR, false})

static node_id lbeta_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    char text[SHAPE_TEXT];
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *shape = tape_shape(t, x);
    if (shape->rank == 0)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "lbeta: x must be a vector or more, found shape %s",
                         shape_text(shape, text));
    const uint32_t last = 1u << (shape->rank - 1);
    return emit_subtract(t, sum_of(t, emit1(t, OP_lgamma, x), last, false),
                         emit1(t, OP_lgamma, sum_of(t, x, last, false)));
}
FURTHER(lbeta, "y = sum log Gamma(x) - log Gamma(sum x) over the last axis", DTYPES_FLOATS, 0,
        (NULL), {"x", PARAM_TENSOR, false})

/* Horner's rule; no coefficients are 0. */
static node_id polyval_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[1].node;
    node_id y = args[0].n ? args[0].nodes[0] : emit_like(t, x, 0);
    for (size_t i = 1; i < args[0].n; i++)
        y = emit_add(t, args[0].nodes[i], emit_multiply(t, y, x));
    return y;
}
FURTHER(polyval, "y = the polynomial in x with these coefficients, the highest power first",
        DTYPES_NUMBERS, 0, (NULL), {"coeffs", PARAM_TENSORS, false}, {"x", PARAM_TENSOR, false})

/* ---- counts ------------------------------------------------------------------------------------ */

static node_id nonzero(struct tape *t, node_id x) {
    return x == NODE_NONE || tape_dtype(t, x) == DTYPE_BOOL
               ? x
               : emit2(t, OP_not_equal, x, emit_like(t, x, 0));
}
static node_id count_nonzero_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    const enum dtype dtype = args[3].given ? args[3].dtype : DTYPE_I64;
    uint32_t axes;
    if (x == NODE_NONE || !axes_read(t, "count_nonzero", &args[1], tape_shape(t, x)->rank, &axes))
        return NODE_NONE;
    if (dtype == DTYPE_BOOL)
        return tape_fail(t, ERROR_DTYPE_MISMATCH, "count_nonzero: dtype must be a number's");
    return sum_of(t, emit_cast(t, nonzero(t, x), dtype), axes, args[2].given && args[2].b);
}
FURTHER(count_nonzero, "y = how many elements are not 0, over axes; not differentiable", DTYPES_ALL,
        1, (NULL), {"input", PARAM_TENSOR, false}, {"axis", PARAM_INTS, true},
        {"keepdims", PARAM_BOOL, true}, {"dtype", PARAM_DTYPE, true})

static node_id zero_fraction_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node, is_not = nonzero(t, x);
    if (is_not == NODE_NONE) return NODE_NONE;
    const node_id zeros = emit_cast(t, emit1(t, OP_logical_not, is_not), DTYPE_F32);
    return emit_reduce(t, OP_reduce_mean, zeros, all_axes(t, x), false);
}
FURTHER(zero_fraction, "y = the share of zeros, as float32; not differentiable", DTYPES_ALL, 1,
        (NULL), {"value", PARAM_TENSOR, false})

/* ---- tf.nn ------------------------------------------------------------------------------------- */

static node_id crelu_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    int axis;
    if (x == NODE_NONE ||
        !axis_normalize(t, "crelu", args[1].given ? args[1].i : -1, tape_shape(t, x)->rank, &axis))
        return NODE_NONE;
    const node_id both[2] = {x, emit_negative(t, x)};
    return emit1(t, OP_relu, emit_concat(t, both, 2, axis));
}
FURTHER(crelu, "y = relu of x and -x beside each other along an axis", DTYPES_FLOATS, 0,
        ([1] = "-1"), {"features", PARAM_TENSOR, false}, {"axis", PARAM_INT, true})

static bool same_shape(struct tape *t, const char *op, const char *first, const char *second,
                       node_id x, node_id y) {
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (x == NODE_NONE || y == NODE_NONE) return false;
    if (shape_equal(tape_shape(t, x), tape_shape(t, y))) return true;
    tape_fail(t, ERROR_SHAPE_MISMATCH,
              "%s: `%s` and `%s` must have the same shape, received %s and %s", op, first, second,
              shape_text(tape_shape(t, x), a), shape_text(tape_shape(t, y), b));
    return false;
}

/* With compute_full_loss Stirling's log z! stands beside it where z is not in [0, 1]. */
static node_id log_poisson_loss_emit(struct tape *t, const struct op_arg *args) {
    const node_id z = args[0].node, c = args[1].node;
    if (!same_shape(t, "log_poisson_loss", "log_input", "targets", c, z)) return NODE_NONE;
    const node_id loss = emit_subtract(t, emit_exp(t, c), emit_multiply(t, c, z));
    if (!args[2].given || !args[2].b) return loss;
    const node_id zero = emit_like(t, z, 0), one = emit_like(t, z, 1);
    const node_id root = emit_log(t, emit_multiply(t, z, emit_like(t, z, 6.283185307179586)));
    const node_id power = emit_subtract(t, emit_multiply(t, z, emit_log(t, z)), z);
    const node_id stirling = emit_add(t, power, emit_multiply(t, emit_like(t, z, 0.5), root));
    const node_id small =
        emit2(t, OP_logical_and, emit_greater_equal(t, z, zero), emit_less_equal(t, z, one));
    return emit_add(t, loss, emit_where(t, small, zero, stirling));
}
FURTHER(log_poisson_loss, "y = e^c - z c, of targets z and log_input c", DTYPES_FLOATS, 0, (NULL),
        {"targets", PARAM_TENSOR, false}, {"log_input", PARAM_TENSOR, false},
        {"compute_full_loss", PARAM_BOOL, true})

static node_id weighted_cross_entropy_with_logits_emit(struct tape *t, const struct op_arg *args) {
    const node_id z = args[0].node, x = args[1].node, q = args[2].node;
    if (!same_shape(t, "weighted_cross_entropy_with_logits", "logits", "labels", x, z))
        return NODE_NONE;
    const node_id one = emit_like(t, x, 1);
    const node_id weight = emit_add(t, one, emit_multiply(t, emit_subtract(t, q, one), z));
    const node_id tail = emit1(t, OP_log1p, emit_exp(t, emit_negative(t, emit1(t, OP_abs, x))));
    const node_id miss = emit_add(t, tail, emit1(t, OP_relu, emit_negative(t, x)));
    return emit_add(t, emit_multiply(t, emit_subtract(t, one, z), x),
                    emit_multiply(t, weight, miss));
}
FURTHER(weighted_cross_entropy_with_logits,
        "y = -pos_weight z log sigmoid x - (1 - z) log(1 - sigmoid x)", DTYPES_FLOATS, 0, (NULL),
        {"labels", PARAM_TENSOR, false}, {"logits", PARAM_TENSOR, false},
        {"pos_weight", PARAM_TENSOR, false})

/* ---- norms of gradients ------------------------------------------------------------------------ */

static node_id global_norm_emit(struct tape *t, const struct op_arg *args) {
    node_id half = NODE_NONE;
    if (args[0].n == 0) return tape_fail(t, ERROR_INVALID_ARGUMENT, "global_norm: t_list is empty");
    for (size_t i = 0; i < args[0].n; i++) {
        const struct op_arg call[1] = {{.given = true, .node = args[0].nodes[i]}};
        const node_id part = op_table[OP_l2_loss]->emit(t, call);
        half = i == 0 ? part : emit_add(t, half, part);
    }
    return emit1(t, OP_sqrt, emit_multiply(t, half, emit_like(t, half, 2)));
}
FURTHER(global_norm, "y = sqrt of the sum of squares of all elements of all tensors", DTYPES_FLOATS,
        0, (NULL), {"t_list", PARAM_TENSORS, false})

static node_id clip_by_norm_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node, most = args[1].node;
    uint32_t axes;
    if (x == NODE_NONE || !axes_read(t, "clip_by_norm", &args[2], tape_shape(t, x)->rank, &axes))
        return NODE_NONE;
    const node_id squares = sum_of(t, emit_square(t, x), axes, true);
    const node_id some = emit_greater(t, squares, emit_like(t, x, 0));
    const node_id safe = emit_where(t, some, squares, emit_like(t, x, 1));
    const node_id norm = emit_where(t, some, emit1(t, OP_sqrt, safe), squares);
    return emit_divide(t, emit_multiply(t, x, most), emit2(t, OP_maximum, norm, most));
}
FURTHER(clip_by_norm, "y = t, shortened to clip_norm where its norm over axes is larger",
        DTYPES_FLOATS, 0, (NULL), {"t", PARAM_TENSOR, false}, {"clip_norm", PARAM_TENSOR, false},
        {"axes", PARAM_INTS, true})

static node_id matrix_transpose_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    int64_t perm[RANK_MAX];
    char text[SHAPE_TEXT];
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *shape = tape_shape(t, x);
    if (shape->rank < 2)
        return tape_fail(
            t, ERROR_INVALID_ARGUMENT,
            "matrix_transpose: Argument `a` should be a (batch) matrix with rank >= 2. "
            "Received shape: %s",
            shape_text(shape, text));
    perm_swap_last(shape->rank - 2, shape->rank, perm);
    return emit_transpose(t, x, perm);
}
FURTHER(matrix_transpose, "y = x with its last two axes swapped", DTYPES_ALL, 0, (NULL),
        {"a", PARAM_TENSOR, false})
