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
    LOSS_PRESETS(id, text, ([EXTRA] = first, [EXTRA + 1] = "0.0"), formula, __VA_ARGS__)
#define PRESETS(...) __VA_ARGS__
#define LOSS_PRESETS(id, text, presets, formula, ...)                                              \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        if (!check(t, #id, args)) return NODE_NONE;                                                \
        node_id y = args[TRUE_].node, p = args[PRED].node;                                         \
        return joined(t, #id, &args[REDUCTION], formula);                                          \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = {LOSS_PARAMS, __VA_ARGS__},                               \
                               .dtypes = DTYPES_FLOATS,                                            \
                               .preset = {[REDUCTION] = "\"none\"", PRESETS presets},              \
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

/* ---- focal losses, overlaps: Lin and others (2017); Salehi and others (2017) ---------------------- */

static double given_or(const struct op_arg *arg, double preset) {
    return arg->given ? arg->f : preset;
}

/* args: apply_class_balancing, alpha, gamma, from_logits, label_smoothing. */
static node_id binary_focal(struct tape *t, node_id y, node_id p, const struct op_arg *args) {
    const double alpha = given_or(&args[1], 0.25), gamma = given_or(&args[2], 2);
    y = smoothed(t, y, &args[4], 0.5);
    if (args[3].given && args[3].b) p = emit_sigmoid(t, p);
    const node_id kept = clipped(t, p, epsilon, 1 - epsilon), other = from_one(t, y);
    const node_id likelihood = emit_add(t, emit_multiply(t, y, emit_log(t, kept)),
                                        emit_multiply(t, other, emit_log(t, from_one(t, kept))));
    const node_id hit =
        emit_add(t, emit_multiply(t, y, p), emit_multiply(t, other, from_one(t, p)));
    const node_id focus = emit_pow(t, from_one(t, hit), like(t, p, gamma));
    node_id loss = emit_negative(t, emit_multiply(t, focus, likelihood));
    if (args[0].given && args[0].b)
        loss = emit_multiply(t, loss, emit_add(t, times(t, y, alpha), times(t, other, 1 - alpha)));
    return mean(t, loss);
}
LOSS_PRESETS(binary_focal_crossentropy,
             "mean of -(1 - h)^gamma log h, h = p where y is 1 and 1 - p where it is 0",
             ([EXTRA + 1] = "0.25", [EXTRA + 2] = "2.0", [EXTRA + 4] = "0.0"),
             binary_focal(t, y, p, &args[EXTRA]), {"apply_class_balancing", PARAM_BOOL, true},
             {"alpha", PARAM_FLOAT, true}, {"gamma", PARAM_FLOAT, true},
             {"from_logits", PARAM_BOOL, true}, {"label_smoothing", PARAM_FLOAT, true})

/* args: alpha, gamma, from_logits, label_smoothing. */
static node_id categorical_focal(struct tape *t, node_id y, node_id p, const struct op_arg *args) {
    const struct shape *shape = tape_shape(t, y);
    const double alpha = given_or(&args[0], 0.25), gamma = given_or(&args[1], 2);
    y = smoothed(t, y, &args[3], 1 / (double)shape->dim[shape->rank - 1]);
    const struct op_arg call[2] = {{.given = true, .node = p}};
    if (args[2].given && args[2].b) p = op_table[OP_softmax]->emit(t, call);
    p = emit_divide(t, p, over_last(t, OP_reduce_sum, p, true));
    p = clipped(t, p, epsilon, 1 - epsilon);
    const node_id focus = times(t, emit_pow(t, from_one(t, p), like(t, p, gamma)), alpha);
    return emit_negative(t, sum(t, emit_multiply(t, focus, emit_multiply(t, y, emit_log(t, p)))));
}
LOSS_PRESETS(categorical_focal_crossentropy, "-alpha sum of (1 - p)^gamma y log p, p of sum 1",
             ([EXTRA] = "0.25", [EXTRA + 1] = "2.0", [EXTRA + 3] = "0.0"),
             categorical_focal(t, y, p, &args[EXTRA]), {"alpha", PARAM_FLOAT, true},
             {"gamma", PARAM_FLOAT, true}, {"from_logits", PARAM_BOOL, true},
             {"label_smoothing", PARAM_FLOAT, true})

static node_id dice(struct tape *t, node_id y, node_id p, const struct op_arg *axis) {
    uint32_t axes;
    if (!axes_read(t, "dice", axis, tape_shape(t, y)->rank, &axes)) return NODE_NONE;
    const node_id both = emit_reduce(t, OP_reduce_sum, emit_multiply(t, y, p), axes, false);
    const node_id all = emit_add(t, emit_reduce(t, OP_reduce_sum, y, axes, false),
                                 emit_reduce(t, OP_reduce_sum, p, axes, false));
    return from_one(t, emit_divide(t, times(t, both, 2), plus(t, all, epsilon)));
}
LOSS_PRESETS(dice, "1 - 2 sum y p / (sum y + sum p + 1e-7) over axes", ([EXTRA] = NULL),
             dice(t, y, p, &args[EXTRA]), {"axis", PARAM_INTS, true})

/* args: alpha, beta, axis. */
static node_id tversky(struct tape *t, node_id y, node_id p, const struct op_arg *args) {
    uint32_t axes;
    if (!axes_read(t, "tversky", &args[2], tape_shape(t, y)->rank, &axes)) return NODE_NONE;
    const node_id both = emit_reduce(t, OP_reduce_sum, emit_multiply(t, y, p), axes, false);
    const node_id missed =
        emit_reduce(t, OP_reduce_sum, emit_multiply(t, from_one(t, p), y), axes, false);
    const node_id wrong =
        emit_reduce(t, OP_reduce_sum, emit_multiply(t, p, from_one(t, y)), axes, false);
    const node_id rest = emit_add(t, times(t, missed, given_or(&args[0], 0.5)),
                                  times(t, wrong, given_or(&args[1], 0.5)));
    return from_one(t, emit_divide(t, both, plus(t, emit_add(t, both, rest), epsilon)));
}
LOSS_PRESETS(tversky,
             "1 - c / (c + alpha sum (1 - p) y + beta sum p (1 - y) + 1e-7), c = sum y p over axes",
             ([EXTRA] = "0.5", [EXTRA + 1] = "0.5"), tversky(t, y, p, &args[EXTRA]),
             {"alpha", PARAM_FLOAT, true}, {"beta", PARAM_FLOAT, true}, {"axis", PARAM_INTS, true})

/* ---- labels that are numbers of classes ---------------------------------------------------------- */

/* Labels as int64 in y_pred's shape without its last axis; one more axis of length 1 is dropped. */
static node_id class_labels(struct tape *t, const char *name, node_id labels, node_id p) {
    const struct shape *found = tape_shape(t, labels), *classes = tape_shape(t, p);
    struct shape expected = *classes, column = *classes;
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (classes->rank > 0) column.dim[--expected.rank] = 1;
    if (classes->rank == 0 || (!shape_equal(found, &expected) && !shape_equal(found, &column)))
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: Argument `output` must have rank (ndim) `target.ndim - 1` and its "
                         "other axes. Received: target.shape=%s, output.shape=%s",
                         name, shape_text(found, a), shape_text(classes, b));
    return emit_reshape(t, emit_cast(t, labels, DTYPE_I64), &expected);
}

/* The mean is over the classes that are not ignored. */
static node_id joined_where(struct tape *t, const char *name, const struct op_arg *reduction,
                            node_id loss, node_id valid) {
    const char *how = reduction->given ? reduction->string : "none";
    loss = emit_where(t, valid, loss, like(t, loss, 0));
    if (loss == NODE_NONE || (strcmp(how, "mean") != 0 && strcmp(how, "sum_over_batch_size") != 0))
        return joined(t, name, reduction, loss);
    const uint32_t all = (1u << tape_shape(t, loss)->rank) - 1;
    const node_id count = emit_cast(t, valid, tape_dtype(t, loss));
    return emit2(t, OP_divide_no_nan, emit_reduce(t, OP_reduce_sum, loss, all, false),
                 emit_reduce(t, OP_reduce_sum, count, all, false));
}

static node_id sparse_categorical_crossentropy_emit(struct tape *t, const struct op_arg *args) {
    static const char name[] = "sparse_categorical_crossentropy";
    const struct op_arg *logits = &args[EXTRA], *ignored = &args[EXTRA + 1];
    node_id y = args[TRUE_].node, p = args[PRED].node, valid = NODE_NONE;
    if (y == NODE_NONE || p == NODE_NONE) return NODE_NONE;
    y = class_labels(t, name, y, p);
    if (y == NODE_NONE) return NODE_NONE;
    if (ignored->given) {
        const int64_t class = ignored->i;
        valid = emit2(t, OP_not_equal, y, tape_const(t, DTYPE_I64, &shape_scalar, &class));
        struct shape column = *tape_shape(t, p);
        column.dim[column.rank - 1] = 1;
        y = emit_where(t, valid, y, like(t, y, 0));
        p = emit_where(t, emit_reshape(t, valid, &column), p, like(t, p, 0));
    }
    if (!logits->given || !logits->b) p = emit_log(t, clipped(t, p, epsilon, 1 - epsilon));
    const struct op_arg call[2] = {{.given = true, .node = y}, {.given = true, .node = p}};
    const node_id loss = op_table[OP_sparse_softmax_cross_entropy_with_logits]->emit(t, call);
    return ignored->given ? joined_where(t, name, &args[REDUCTION], loss, valid)
                          : joined(t, name, &args[REDUCTION], loss);
}
const struct op op_sparse_categorical_crossentropy = {
    .name = "sparse_categorical_crossentropy",
    .notation = "-log of p_y / sum p for a class y; classes equal to ignore_class count 0",
    .kind = OP_COMPOSITE,
    .params = {{"y_true", PARAM_INDICES, false},
               {"y_pred", PARAM_TENSOR, false},
               {"reduction", PARAM_STRING, true},
               {"from_logits", PARAM_BOOL, true},
               {"ignore_class", PARAM_INT, true}},
    .dtypes = DTYPES_FLOATS,
    .preset = {[REDUCTION] = "\"none\""},
    .emit = sparse_categorical_crossentropy_emit};

/* Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy
 * labels" (2018). */
static node_id generalized_emit(struct tape *t, const struct op_arg *args) {
    static const char name[] = "categorical_generalized_cross_entropy";
    node_id y = args[TRUE_].node, p = args[PRED].node;
    const double q = args[EXTRA].f;
    if (y == NODE_NONE || p == NODE_NONE) return NODE_NONE;
    y = class_labels(t, name, y, p);
    if (y == NODE_NONE) return NODE_NONE;
    const int last = tape_shape(t, p)->rank - 1;
    p = emit_gather(t, name, INDEX_LABEL, p, y, last, last);
    const node_id loss = times(t, from_one(t, emit_pow(t, p, like(t, p, q))), 1 / q);
    return joined(t, name, &args[REDUCTION], loss);
}
const struct op op_categorical_generalized_cross_entropy = {
    .name = "categorical_generalized_cross_entropy",
    .notation = "(1 - p_y^q) / q for a class y",
    .kind = OP_COMPOSITE,
    .params = {{"y_true", PARAM_INDICES, false},
               {"y_pred", PARAM_TENSOR, false},
               {"reduction", PARAM_STRING, true},
               {"q", PARAM_FLOAT, false}},
    .dtypes = DTYPES_FLOATS,
    .preset = {[REDUCTION] = "\"none\""},
    .emit = generalized_emit};
