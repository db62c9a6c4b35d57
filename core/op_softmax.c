/* Softmax, the cross entropies that go with it, and small pieces of neural nets. All are composites;
 * where TensorFlow's gradient is not the derivative of its value, stop_gradient says so in the graph. */
#include "core/emit.h"

static bool last_axis(struct tape *t, const char *op, node_id x, const struct op_arg *arg,
                      uint32_t *axes) {
    int axis;
    if (x == NODE_NONE ||
        !axis_normalize(t, op, arg->given ? arg->i : -1, tape_shape(t, x)->rank, &axis))
        return false;
    *axes = 1u << axis;
    return true;
}

static node_id sum_over(struct tape *t, node_id x, uint32_t axes, bool keep) {
    return emit_reduce(t, OP_reduce_sum, x, axes, keep);
}

/* x - log sum e^x along an axis. */
static node_id log_softmax(struct tape *t, node_id x, uint32_t axes) {
    node_id max = emit1(t, OP_stop_gradient, emit_reduce(t, OP_reduce_max, x, axes, true));
    node_id shifted = emit_subtract(t, x, max);
    return emit_subtract(t, shifted, emit_log(t, sum_over(t, emit_exp(t, shifted), axes, true)));
}

#define LOGITS_PARAMS                                                                              \
    {                                                                                              \
        {"logits", PARAM_TENSOR, false}, { "axis", PARAM_INT, true }                               \
    }

static node_id softmax_emit(struct tape *t, const struct op_arg *args) {
    uint32_t axes;
    if (!last_axis(t, "softmax", args[0].node, &args[1], &axes)) return NODE_NONE;
    node_id max =
        emit1(t, OP_stop_gradient, emit_reduce(t, OP_reduce_max, args[0].node, axes, true));
    node_id e = emit_exp(t, emit_subtract(t, args[0].node, max));
    return emit_divide(t, e, sum_over(t, e, axes, true));
}
const struct op op_softmax = {.name = "softmax",
                              .notation = "y = e^x / sum e^x along an axis; x' = (g - sum g y) y",
                              .kind = OP_COMPOSITE,
                              .params = LOGITS_PARAMS,
                              .preset = {[1] = "-1"},
                              .emit = softmax_emit};

static node_id log_softmax_emit(struct tape *t, const struct op_arg *args) {
    uint32_t axes;
    if (!last_axis(t, "log_softmax", args[0].node, &args[1], &axes)) return NODE_NONE;
    return log_softmax(t, args[0].node, axes);
}
const struct op op_log_softmax = {.name = "log_softmax",
                                  .notation =
                                      "y = x - log sum e^x along an axis; x' = g - e^y sum g",
                                  .kind = OP_COMPOSITE,
                                  .params = LOGITS_PARAMS,
                                  .preset = {[1] = "-1"},
                                  .emit = log_softmax_emit};

static bool same_shapes(struct tape *t, const char *op, node_id labels, node_id logits) {
    if (labels == NODE_NONE || logits == NODE_NONE) return false;
    if (shape_equal(tape_shape(t, labels), tape_shape(t, logits))) return true;
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: labels have shape %s where logits have %s", op,
              shape_text(tape_shape(t, labels), x), shape_text(tape_shape(t, logits), y));
    return false;
}

/* The value is sum labels (lse - x). TensorFlow's gradient by the logits is softmax - labels, whatever
 * the labels sum to; that by the labels is lse - x. With L the log-sum-exp that no derivative sees,
 *     (lse - L) + sum labels (L - x)
 * has this value and these gradients at every order; x counts from its maximum. */
static node_id softmax_cross_entropy_emit(struct tape *t, const struct op_arg *args) {
    const char *name = "softmax_cross_entropy_with_logits";
    node_id labels = args[0].node, x = args[1].node;
    uint32_t axes;
    if (!same_shapes(t, name, labels, x) || !last_axis(t, name, x, &args[2], &axes))
        return NODE_NONE;
    node_id max = emit1(t, OP_stop_gradient, emit_reduce(t, OP_reduce_max, x, axes, true));
    node_id shifted = emit_subtract(t, x, max);
    node_id lse = emit_log(t, sum_over(t, emit_exp(t, shifted), axes, true));
    node_id seen = emit1(t, OP_stop_gradient, lse);
    node_id loss = emit_multiply(t, labels, emit_subtract(t, seen, shifted));
    node_id open = sum_over(t, emit_subtract(t, lse, seen), axes, false);
    return emit_add(t, open, sum_over(t, loss, axes, false));
}
const struct op op_softmax_cross_entropy_with_logits = {
    .name = "softmax_cross_entropy_with_logits",
    .notation = "y = -sum labels log_softmax(x) along an axis; x' = softmax(x) - labels",
    .kind = OP_COMPOSITE,
    .params = {{"labels", PARAM_TENSOR, false},
               {"logits", PARAM_TENSOR, false},
               {"axis", PARAM_INT, true}},
    .preset = {[2] = "-1"},
    .emit = softmax_cross_entropy_emit};

/* max(x, 0) - x z + log1p(e^-|x|), with |x| and max(x, 0) chosen by x >= 0 so that the gradient at 0 is
 * 1/2 - z. Reference: sigmoid_cross_entropy_with_logits of TensorFlow. */
static node_id sigmoid_cross_entropy_emit(struct tape *t, const struct op_arg *args) {
    node_id z = args[0].node, x = args[1].node;
    if (!same_shapes(t, "sigmoid_cross_entropy_with_logits", z, x)) return NODE_NONE;
    node_id zero = emit_like(t, x, 0), positive = emit_greater_equal(t, x, zero);
    node_id relu = emit_where(t, positive, x, zero);
    node_id minus_abs = emit_where(t, positive, emit_negative(t, x), x);
    return emit_add(t, emit_subtract(t, relu, emit_multiply(t, x, z)),
                    emit1(t, OP_log1p, emit_exp(t, minus_abs)));
}
const struct op op_sigmoid_cross_entropy_with_logits = {
    .name = "sigmoid_cross_entropy_with_logits",
    .notation = "y = max(x, 0) - x labels + log(1 + e^-|x|); x' = sigmoid(x) - labels",
    .kind = OP_COMPOSITE,
    .params = {{"labels", PARAM_TENSOR, false}, {"logits", PARAM_TENSOR, false}},
    .emit = sigmoid_cross_entropy_emit};

static node_id l2_loss_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    uint32_t all = (1u << tape_shape(t, x)->rank) - 1;
    return emit_divide(t, sum_over(t, emit_square(t, x), all, false), emit_like(t, x, 2));
}
const struct op op_l2_loss = {.name = "l2_loss",
                              .notation = "y = sum x^2 / 2; dy/dx = x",
                              .kind = OP_COMPOSITE,
                              .params = {{"t", PARAM_TENSOR, false}},
                              .emit = l2_loss_emit};

static node_id l2_normalize_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    uint32_t axes;
    if (x == NODE_NONE || !axes_read(t, "l2_normalize", &args[1], tape_shape(t, x)->rank, &axes))
        return NODE_NONE;
    node_id least = emit_like(t, x, args[2].given ? args[2].f : 1e-12);
    node_id sum = emit2(t, OP_maximum, sum_over(t, emit_square(t, x), axes, true), least);
    return emit_multiply(t, x, emit1(t, OP_rsqrt, sum));
}
const struct op op_l2_normalize = {.name = "l2_normalize",
                                   .notation = "y = x / sqrt(max(sum x^2, epsilon)) over axes",
                                   .kind = OP_COMPOSITE,
                                   .params = {{"x", PARAM_TENSOR, false},
                                              {"axis", PARAM_INTS, true},
                                              {"epsilon", PARAM_FLOAT, true}},
                                   .preset = {[2] = "1e-12"},
                                   .emit = l2_normalize_emit};

static node_id bias_add_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, bias = args[1].node;
    if (x == NODE_NONE || bias == NODE_NONE) return NODE_NONE;
    const struct shape *value = tape_shape(t, x), *b = tape_shape(t, bias);
    if (value->rank < 2 || b->rank != 1 || b->dim[0] != value->dim[value->rank - 1]) {
        char v[SHAPE_TEXT], w[SHAPE_TEXT];
        return tape_fail(
            t, ERROR_SHAPE_MISMATCH,
            "bias_add: bias of shape %s does not fit the last axis of value of shape %s",
            shape_text(b, w), shape_text(value, v));
    }
    return emit_add(t, x, bias);
}
const struct op op_bias_add = {
    .name = "bias_add",
    .notation = "y = value + bias along the last axis",
    .kind = OP_COMPOSITE,
    .params = {{"value", PARAM_TENSOR, false}, {"bias", PARAM_TENSOR, false}},
    .dtypes = DTYPES_NUMBERS,
    .emit = bias_add_emit};
