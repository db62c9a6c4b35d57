/* Keras' losses, formula for formula, as composites: each sample's loss is reduced over the last axis,
 * and `reduction` then joins the samples ("none", the default of Keras' functions, "sum", "mean", or
 * "sum_over_batch_size", which is Keras' name for the mean). Reference: keras.losses of Keras 3. */
#include <math.h>
#include <string.h>

#include "core/emit.h"

static const double epsilon = 1e-7; /* keras.config.epsilon() */

enum { TRUE_, PRED, REDUCTION, EXTRA };

#define LOSS_PARAMS                                                                                \
    {"y_true", PARAM_TENSOR, false}, {"y_pred", PARAM_TENSOR, false}, {                            \
        "reduction", PARAM_STRING, true                                                            \
    }

/* Short names for one file of formulas. */
static node_id like(struct tape *t, node_id x, double value) { return emit_like(t, x, value); }
static node_id plus(struct tape *t, node_id x, double c) { return emit_add(t, x, like(t, x, c)); }
static node_id times(struct tape *t, node_id x, double c) {
    return emit_multiply(t, x, like(t, x, c));
}
static node_id from_one(struct tape *t, node_id x) { return emit_subtract(t, like(t, x, 1), x); }
static node_id at_least(struct tape *t, node_id x, double low) {
    return emit2(t, OP_maximum, x, like(t, x, low));
}
static node_id clipped(struct tape *t, node_id x, double low, double high) {
    return at_least(t, emit2(t, OP_minimum, x, like(t, x, high)), low);
}
static node_id over_last(struct tape *t, int reduction, node_id x, bool keep) {
    if (x == NODE_NONE) return NODE_NONE;
    return emit_reduce(t, reduction, x, 1u << (tape_shape(t, x)->rank - 1), keep);
}
static node_id mean(struct tape *t, node_id x) { return over_last(t, OP_reduce_mean, x, false); }
static node_id sum(struct tape *t, node_id x) { return over_last(t, OP_reduce_sum, x, false); }

static bool check(struct tape *t, const char *name, const struct op_arg *args) {
    if (args[TRUE_].node == NODE_NONE || args[PRED].node == NODE_NONE) return false;
    const struct shape *y = tape_shape(t, args[TRUE_].node), *p = tape_shape(t, args[PRED].node);
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (!shape_equal(y, p)) {
        tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: y_true has shape %s where y_pred has %s", name,
                  shape_text(y, a), shape_text(p, b));
        return false;
    }
    if (y->rank == 0) {
        tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: y_true is a scalar; a vector or more is expected",
                  name);
        return false;
    }
    return true;
}

static node_id joined(struct tape *t, const char *name, const struct op_arg *reduction,
                      node_id loss) {
    const char *how = reduction->given ? reduction->string : "none";
    if (loss == NODE_NONE || strcmp(how, "none") == 0) return loss;
    uint32_t all = (1u << tape_shape(t, loss)->rank) - 1;
    if (strcmp(how, "sum") == 0) return emit_reduce(t, OP_reduce_sum, loss, all, false);
    if (strcmp(how, "mean") == 0 || strcmp(how, "sum_over_batch_size") == 0)
        return emit_reduce(t, OP_reduce_mean, loss, all, false);
    return tape_fail(t, ERROR_INVALID_ARGUMENT,
                     "%s: reduction is \"%s\" where \"none\", \"sum\", \"mean\" or "
                     "\"sum_over_batch_size\" is expected",
                     name, how);
}

/* A loss is its formula in y (true), p (predicted) and args[EXTRA ..]; further parameters follow.
 * `first` is the preset of the first of these; a second one's is 0. */
#define LOSS(id, text, formula, ...) LOSS_PRESET(id, text, NULL, formula, __VA_ARGS__)
#define LOSS_PRESET(id, text, first, formula, ...)                                                 \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        if (!check(t, #id, args)) return NODE_NONE;                                                \
        node_id y = args[TRUE_].node, p = args[PRED].node;                                         \
        return joined(t, #id, &args[REDUCTION], formula);                                          \
    }                                                                                              \
    const struct op op_##id = {                                                                    \
        .name = #id,                                                                               \
        .notation = text,                                                                          \
        .kind = OP_COMPOSITE,                                                                      \
        .params = {LOSS_PARAMS, __VA_ARGS__},                                                      \
        .dtypes = DTYPES_FLOATS,                                                                   \
        .preset = {[REDUCTION] = "\"none\"", [EXTRA] = first, [EXTRA + 1] = "0.0"},                \
        .emit = id##_emit};

LOSS(mean_squared_error, "mean of (y - p)^2", mean(t, emit_square(t, emit_subtract(t, y, p))), {0})
LOSS(mean_absolute_error, "mean of |y - p|", mean(t, emit1(t, OP_abs, emit_subtract(t, y, p))), {0})

static node_id percentage(struct tape *t, node_id y, node_id p) {
    node_id scale = at_least(t, emit1(t, OP_abs, y), epsilon);
    return times(t, mean(t, emit1(t, OP_abs, emit_divide(t, emit_subtract(t, y, p), scale))), 100);
}
LOSS(mean_absolute_percentage_error, "100 mean of |y - p| / max(|y|, 1e-7)", percentage(t, y, p),
     {0})

static node_id logarithmic(struct tape *t, node_id y, node_id p) {
    node_id log_p = emit_log(t, plus(t, at_least(t, p, epsilon), 1));
    node_id log_y = emit_log(t, plus(t, at_least(t, y, epsilon), 1));
    return mean(t, emit_square(t, emit_subtract(t, log_p, log_y)));
}
LOSS(mean_squared_logarithmic_error, "mean of (log(1 + p) - log(1 + y))^2", logarithmic(t, y, p),
     {0})

static node_id huber(struct tape *t, node_id y, node_id p, const struct op_arg *arg) {
    double delta = arg->given ? arg->f : 1;
    node_id error = emit_subtract(t, p, y), size = emit1(t, OP_abs, error);
    node_id small = emit_less_equal(t, size, like(t, size, delta));
    node_id inner = times(t, emit_square(t, error), 0.5);
    node_id outer = plus(t, times(t, size, delta), -0.5 * delta * delta);
    return mean(t, emit_where(t, small, inner, outer));
}
LOSS_PRESET(huber, "mean of e^2/2 where |e| <= delta, else delta |e| - delta^2/2, for e = p - y",
            "1.0", huber(t, y, p, &args[EXTRA]), {"delta", PARAM_FLOAT, true})

static node_id log_cosh(struct tape *t, node_id y, node_id p) {
    node_id x = emit_subtract(t, p, y);
    return mean(t, plus(t, emit_add(t, x, emit1(t, OP_softplus, times(t, x, -2))), -log(2)));
}
LOSS(log_cosh, "mean of log cosh(p - y)", log_cosh(t, y, p), {0})

static node_id smoothed(struct tape *t, node_id y, const struct op_arg *arg, double share) {
    if (!arg->given || arg->f == 0) return y;
    return plus(t, times(t, y, 1 - arg->f), share * arg->f);
}

/* args: from_logits, label_smoothing. */
static node_id binary(struct tape *t, node_id y, node_id p, const struct op_arg *args) {
    y = smoothed(t, y, &args[1], 0.5);
    struct op_arg call[2] = {{.given = true, .node = y}, {.given = true, .node = p}};
    if (args[0].given && args[0].b)
        return mean(t, op_table[OP_sigmoid_cross_entropy_with_logits]->emit(t, call));
    p = clipped(t, p, epsilon, 1 - epsilon);
    node_id yes = emit_multiply(t, y, emit_log(t, p));
    node_id no = emit_multiply(t, from_one(t, y), emit_log(t, from_one(t, p)));
    return mean(t, emit_negative(t, emit_add(t, yes, no)));
}
LOSS(binary_crossentropy, "mean of -y log p - (1 - y) log(1 - p), p kept within 1e-7 of 0 and 1",
     binary(t, y, p, &args[EXTRA]), {"from_logits", PARAM_BOOL, true},
     {"label_smoothing", PARAM_FLOAT, true})

static node_id categorical(struct tape *t, node_id y, node_id p, const struct op_arg *args) {
    const struct shape *shape = tape_shape(t, y);
    y = smoothed(t, y, &args[1], 1 / (double)shape->dim[shape->rank - 1]);
    struct op_arg call[3] = {
        {.given = true, .node = y}, {.given = true, .node = p}, {.given = false}};
    if (args[0].given && args[0].b)
        return op_table[OP_softmax_cross_entropy_with_logits]->emit(t, call);
    p = emit_divide(t, p, over_last(t, OP_reduce_sum, p, true));
    p = clipped(t, p, epsilon, 1 - epsilon);
    return emit_negative(t, sum(t, emit_multiply(t, y, emit_log(t, p))));
}
LOSS(categorical_crossentropy, "-sum of y log(p / sum p), p kept within 1e-7 of 0 and 1",
     categorical(t, y, p, &args[EXTRA]), {"from_logits", PARAM_BOOL, true},
     {"label_smoothing", PARAM_FLOAT, true})

static node_id divergence(struct tape *t, node_id y, node_id p) {
    y = clipped(t, y, epsilon, 1);
    p = clipped(t, p, epsilon, 1);
    return sum(t, emit_multiply(t, y, emit_log(t, emit_divide(t, y, p))));
}
LOSS(kl_divergence, "sum of y log(y / p), both kept between 1e-7 and 1", divergence(t, y, p), {0})
LOSS(poisson, "mean of p - y log(p + 1e-7)",
     mean(t, emit_subtract(t, p, emit_multiply(t, y, emit_log(t, plus(t, p, epsilon))))), {0})

/* Labels 0 and 1 become -1 and 1 where there are no others. */
static node_id signed_labels(struct tape *t, node_id y) {
    uint32_t all = (1u << tape_shape(t, y)->rank) - 1;
    node_id zero = emit_equal(t, y, like(t, y, 0)), one = emit_equal(t, y, like(t, y, 1));
    node_id binary_only =
        emit_reduce(t, OP_reduce_all, emit2(t, OP_logical_or, zero, one), all, false);
    return emit_where(t, binary_only, plus(t, times(t, y, 2), -1), y);
}
static node_id margin(struct tape *t, node_id y, node_id p) {
    return at_least(t, from_one(t, emit_multiply(t, signed_labels(t, y), p)), 0);
}
LOSS(hinge, "mean of max(1 - y p, 0), y in {-1, 1} or {0, 1}", mean(t, margin(t, y, p)), {0})
LOSS(squared_hinge, "mean of max(1 - y p, 0)^2, y in {-1, 1} or {0, 1}",
     mean(t, emit_square(t, margin(t, y, p))), {0})

static node_id categorical_margin(struct tape *t, node_id y, node_id p) {
    node_id positive = sum(t, emit_multiply(t, y, p));
    node_id negative = over_last(t, OP_reduce_max, emit_multiply(t, from_one(t, y), p), false);
    return at_least(t, plus(t, emit_subtract(t, negative, positive), 1), 0);
}
LOSS(categorical_hinge, "max(max((1 - y) p) - sum y p + 1, 0)", categorical_margin(t, y, p), {0})

static node_id direction(struct tape *t, node_id x) {
    struct op_arg call[3] = {{.given = true, .node = x},
                             {.given = true, .ints = (int64_t[]){-1}, .n = 1},
                             {.given = true, .f = epsilon * epsilon}};
    return op_table[OP_l2_normalize]->emit(t, call);
}
LOSS(cosine_similarity, "-sum of y p for y and p of length 1",
     emit_negative(t, sum(t, emit_multiply(t, direction(t, y), direction(t, p)))), {0})
