/* Moments and what is normalized by them: by batch, layer, group, root mean square. All are composites, so
 * that every derivative is that of the formula; of layers, moving averages and training it knows
 * nothing. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"

static node_id mean_of(struct tape *t, node_id x, uint32_t axes, bool keep) {
    return emit_reduce(t, OP_reduce_mean, x, axes, keep);
}
static node_id centred_square(struct tape *t, node_id x, node_id mean) {
    return emit_square(t, emit_subtract(t, x, mean));
}
static node_id inverse_root(struct tape *t, node_id variance, double epsilon) {
    return emit1(t, OP_rsqrt, emit_add(t, variance, emit_like(t, variance, epsilon)));
}
/* x k + (offset - mean k) for k = scale / sqrt(variance + epsilon); scale and offset may be NODE_NONE. */
static node_id normalized(struct tape *t, node_id x, node_id mean, node_id variance, node_id offset,
                          node_id scale, double epsilon) {
    node_id k = inverse_root(t, variance, epsilon);
    if (scale != NODE_NONE) k = emit_multiply(t, k, scale);
    const node_id shift = emit_multiply(t, mean, k);
    return emit_add(t, emit_multiply(t, x, k),
                    offset == NODE_NONE ? emit_negative(t, shift)
                                        : emit_subtract(t, offset, shift));
}

static bool give(struct tape *t, const char *op, const node_id *nodes, size_t n,
                 const node_id **results, size_t *n_results) {
    node_id *kept = arena_alloc(t->arena, n * sizeof *kept);
    if (!kept) return tape_fail_memory(t, op);
    memcpy(kept, nodes, n * sizeof *kept);
    *results = kept;
    *n_results = n;
    return tape_ok(t);
}

/* ---- moments ----------------------------------------------------------------------------------- */

static bool moments_emit(struct tape *t, const struct op_arg *args, const node_id **results,
                         size_t *n) {
    const node_id x = args[0].node;
    const bool keep = args[3].given && args[3].b;
    uint32_t axes;
    if (x == NODE_NONE || !axes_read(t, "moments", &args[1], tape_shape(t, x)->rank, &axes))
        return false;
    const node_id deviation = centred_square(t, x, mean_of(t, x, axes, true));
    return give(t, "moments",
                (node_id[]){mean_of(t, x, axes, keep), mean_of(t, deviation, axes, keep)}, 2,
                results, n);
}
const struct op op_moments = {.name = "moments",
                              .notation =
                                  "mean, variance = the mean of x and of (x - mean)^2 over axes",
                              .kind = OP_COMPOSITE,
                              .params = {{"x", PARAM_TENSOR, false},
                                         {"axes", PARAM_INTS, false},
                                         {"shift", PARAM_TENSOR, true},
                                         {"keepdims", PARAM_BOOL, true}},
                              .inert = 1u << 2,
                              .dtypes = DTYPES_FLOATS,
                              .emit_many = moments_emit};

static bool weighted_moments_emit(struct tape *t, const struct op_arg *args,
                                  const node_id **results, size_t *n) {
    static const char name[] = "weighted_moments";
    const node_id x = args[0].node;
    const bool keep = args[3].given && args[3].b;
    struct shape joint;
    uint32_t axes;
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (x == NODE_NONE || args[2].node == NODE_NONE) return false;
    const struct shape *shape = tape_shape(t, x), *weights = tape_shape(t, args[2].node);
    if (!shape_broadcast(shape, weights, &joint)) {
        tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: shapes %s and %s do not broadcast", name,
                  shape_text(shape, a), shape_text(weights, b));
        return false;
    }
    if (!axes_read(t, name, &args[1], joint.rank, &axes)) return false;
    const node_id w = emit_broadcast_to(t, args[2].node, &joint);
    const node_id total = emit_reduce(t, OP_reduce_sum, w, axes, true);
    const node_id sum = emit_reduce(t, OP_reduce_sum, emit_multiply(t, w, x), axes, true);
    const node_id mean = emit_divide(t, sum, total);
    const node_id squares = emit_multiply(t, w, centred_square(t, x, mean));
    const node_id variance =
        emit_divide(t, emit_reduce(t, OP_reduce_sum, squares, axes, true), total);
    if (variance == NODE_NONE) return false;
    struct shape result = *tape_shape(t, variance);
    for (int i = result.rank = 0; !keep && i < joint.rank; i++)
        if (!(axes >> i & 1)) result.dim[result.rank++] = joint.dim[i];
    if (keep) result = *tape_shape(t, variance);
    return give(t, name,
                (node_id[]){emit_reshape(t, mean, &result), emit_reshape(t, variance, &result)}, 2,
                results, n);
}
const struct op op_weighted_moments = {
    .name = "weighted_moments",
    .notation = "mean, variance = those of x over axes, each element as often as its weight says",
    .kind = OP_COMPOSITE,
    .params = {{"x", PARAM_TENSOR, false},
               {"axes", PARAM_INTS, false},
               {"frequency_weights", PARAM_TENSOR, false},
               {"keepdims", PARAM_BOOL, true}},
    .dtypes = DTYPES_FLOATS,
    .emit_many = weighted_moments_emit};

/* ---- batch normalization ----------------------------------------------------------------------- */

static node_id batch_normalization_emit(struct tape *t, const struct op_arg *args) {
    for (int i = 0; i < 5; i++)
        if ((i < 3 || args[i].given) && args[i].node == NODE_NONE) return NODE_NONE;
    return normalized(t, args[0].node, args[1].node, args[2].node,
                      args[3].given ? args[3].node : NODE_NONE,
                      args[4].given ? args[4].node : NODE_NONE, args[5].f);
}
const struct op op_batch_normalization = {
    .name = "batch_normalization",
    .notation = "y = (x - mean) scale / sqrt(variance + variance_epsilon) + offset",
    .kind = OP_COMPOSITE,
    .params = {{"x", PARAM_TENSOR, false},
               {"mean", PARAM_TENSOR, false},
               {"variance", PARAM_TENSOR, false},
               {"offset", PARAM_TENSOR, true},
               {"scale", PARAM_TENSOR, true},
               {"variance_epsilon", PARAM_FLOAT, false}},
    .dtypes = DTYPES_FLOATS,
    .emit = batch_normalization_emit};

/* A vector with an element for each place of an axis, in a shape that broadcasts to x's. */
static node_id along_axis(struct tape *t, const char *op, const char *name, node_id v, node_id x,
                          int axis) {
    if (v == NODE_NONE) return NODE_NONE;
    const struct shape *shape = tape_shape(t, x), *found = tape_shape(t, v);
    struct shape spread = {.rank = shape->rank};
    char text[SHAPE_TEXT], all[SHAPE_TEXT];
    if (found->rank != 1 || found->dim[0] != shape->dim[axis])
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: %s must have the same number of elements as the channels of x, got "
                         "shape %s and %" PRId64 " channels in axis %d of shape %s",
                         op, name, shape_text(found, text), shape->dim[axis], axis,
                         shape_text(shape, all));
    for (int i = 0; i < spread.rank; i++) spread.dim[i] = i == axis ? shape->dim[axis] : 1;
    return emit_reshape(t, v, &spread);
}

static bool read_channels(struct tape *t, const char *op, const struct op_arg *format, node_id x,
                          int *axis) {
    static const char *const formats[2][2] = {{"NHWC", "NCHW"}, {"NDHWC", "NCDHW"}};
    const struct shape *shape = tape_shape(t, x);
    char text[SHAPE_TEXT];
    if (shape->rank != 4 && shape->rank != 5) {
        tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: input must be 4 or 5-dimensional, found shape %s",
                  op, shape_text(shape, text));
        return false;
    }
    for (int first = 0; first < 2; first++) {
        *axis = first ? 1 : shape->rank - 1;
        if (strcmp(format->given ? format->string : formats[shape->rank - 4][0],
                   formats[shape->rank - 4][first]) == 0)
            return true;
    }
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: data_format must be \"%s\" or \"%s\" for an input of rank %d, found \"%.40s\"",
              op, formats[shape->rank - 4][0], formats[shape->rank - 4][1], shape->rank,
              format->string);
    return false;
}

enum { X, SCALE, OFFSET, MEAN, VARIANCE, EPSILON, FORMAT, TRAINING };

/* The statistic without a derivative, connected to y by a 0 as TensorFlow's is. */
static node_id statistic(struct tape *t, node_id value, node_id y, uint32_t axes) {
    const node_id sum = emit_reduce(t, OP_reduce_sum, y, axes, false);
    const node_id zero = emit_multiply_no_nan(t, sum, emit_like(t, y, 0));
    return emit_add(t, emit1(t, OP_stop_gradient, value), zero);
}

static bool fused_batch_norm_emit(struct tape *t, const struct op_arg *args,
                                  const node_id **results, size_t *n) {
    static const char name[] = "fused_batch_norm";
    static const char *const names[] = {"x", "scale", "offset", "mean", "variance"};
    const node_id x = args[X].node;
    const bool training = !args[TRAINING].given || args[TRAINING].b;
    const double epsilon = args[EPSILON].given ? args[EPSILON].f : 0.001;
    node_id v[5] = {x, NODE_NONE, NODE_NONE, NODE_NONE, NODE_NONE};
    int axis;
    if (x == NODE_NONE || !read_channels(t, name, &args[FORMAT], x, &axis)) return false;
    if (!training && (!args[MEAN].given || !args[VARIANCE].given)) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: Both `mean` and `variance` must be a 1D tensor when `is_training` is False",
                  name);
        return false;
    }
    for (int i = SCALE; i <= (training ? OFFSET : VARIANCE); i++)
        if ((v[i] = along_axis(t, name, names[i], args[i].node, x, axis)) == NODE_NONE)
            return false;
    const struct shape *shape = tape_shape(t, x);
    const struct shape channels = {.rank = 1, .dim = {shape->dim[axis]}};
    const uint32_t axes = ((1u << shape->rank) - 1) & ~(1u << axis);
    double correction = 1;
    if (training) {
        const int64_t each = shape_count(shape) / (channels.dim[0] ? channels.dim[0] : 1);
        const double count = (double)each;
        v[MEAN] = mean_of(t, x, axes, true);
        v[VARIANCE] = mean_of(t, centred_square(t, x, v[MEAN]), axes, true);
        if (count > 1) correction = count / (count - 1);
    } else {
        /* TensorFlow has no gradient by the moving averages. */
        v[MEAN] = emit1(t, OP_stop_gradient, v[MEAN]);
        v[VARIANCE] = emit1(t, OP_stop_gradient, v[VARIANCE]);
    }
    const node_id y = normalized(t, x, v[MEAN], v[VARIANCE], v[OFFSET], v[SCALE], epsilon);
    const node_id variance =
        emit_multiply(t, emit_reshape(t, v[VARIANCE], &channels), emit_like(t, x, correction));
    const node_id mean = emit_reshape(t, v[MEAN], &channels);
    return tape_ok(t) &&
           give(t, name,
                (node_id[]){y, statistic(t, mean, y, axes), statistic(t, variance, y, axes)}, 3,
                results, n);
}
const struct op op_fused_batch_norm = {
    .name = "fused_batch_norm",
    .notation = "y, mean, variance = x normalized by its own moments in each channel, or by those "
                "given; and these, variance times n / (n - 1)",
    .kind = OP_COMPOSITE,
    .params = {{"x", PARAM_TENSOR, false},
               {"scale", PARAM_TENSOR, false},
               {"offset", PARAM_TENSOR, false},
               {"mean", PARAM_TENSOR, true},
               {"variance", PARAM_TENSOR, true},
               {"epsilon", PARAM_FLOAT, true},
               {"data_format", PARAM_STRING, true},
               {"is_training", PARAM_BOOL, true}},
    .inert = 1u << MEAN | 1u << VARIANCE,
    .dtypes = DTYPES_FLOATS,
    .preset = {[EPSILON] = "0.001", [TRAINING] = "True"},
    .emit_many = fused_batch_norm_emit};

/* ---- layer, root mean square, group ------------------------------------------------------------ */

/* A gain or offset whose axes are those of x that are normalized, in order. */
static bool over_axes(struct tape *t, const char *op, const char *name, const struct op_arg *arg,
                      node_id x, uint32_t axes, node_id *v) {
    *v = NODE_NONE;
    if (!arg->given) return true;
    if (arg->node == NODE_NONE) return false;
    const struct shape *shape = tape_shape(t, x), *found = tape_shape(t, arg->node);
    struct shape expected = {.rank = 0}, spread = {.rank = shape->rank};
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    for (int i = 0; i < shape->rank; i++) {
        spread.dim[i] = axes >> i & 1 ? shape->dim[i] : 1;
        if (axes >> i & 1) expected.dim[expected.rank++] = shape->dim[i];
    }
    if (!shape_equal(found, &expected)) {
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "%s: %s has shape %s where the normalized axes of x have %s", op, name,
                  shape_text(found, a), shape_text(&expected, b));
        return false;
    }
    *v = emit_reshape(t, arg->node, &spread);
    return *v != NODE_NONE;
}
static bool read_axes(struct tape *t, const char *op, const struct op_arg *arg, node_id x,
                      uint32_t *axes) {
    static const int64_t last = -1;
    const struct op_arg preset = {.given = true, .ints = &last, .n = 1};
    return x != NODE_NONE &&
           axes_read(t, op, arg->given ? arg : &preset, tape_shape(t, x)->rank, axes);
}

static node_id layer_normalization_emit(struct tape *t, const struct op_arg *args) {
    static const char name[] = "layer_normalization";
    const node_id x = args[0].node;
    node_id gamma, beta;
    uint32_t axes;
    if (!read_axes(t, name, &args[3], x, &axes) ||
        !over_axes(t, name, "gamma", &args[1], x, axes, &gamma) ||
        !over_axes(t, name, "beta", &args[2], x, axes, &beta))
        return NODE_NONE;
    const node_id mean = mean_of(t, x, axes, true);
    const node_id variance = mean_of(t, centred_square(t, x, mean), axes, true);
    return normalized(t, x, mean, variance, beta, gamma, args[4].given ? args[4].f : 0.001);
}
const struct op op_layer_normalization = {
    .name = "layer_normalization",
    .notation = "y = (x - mean) gamma / sqrt(variance + epsilon) + beta, moments of x over axes",
    .kind = OP_COMPOSITE,
    .params = {{"x", PARAM_TENSOR, false},
               {"gamma", PARAM_TENSOR, true},
               {"beta", PARAM_TENSOR, true},
               {"axis", PARAM_INTS, true},
               {"epsilon", PARAM_FLOAT, true}},
    .dtypes = DTYPES_FLOATS,
    .preset = {[3] = "-1", [4] = "0.001"},
    .emit = layer_normalization_emit};

static node_id rms_normalization_emit(struct tape *t, const struct op_arg *args) {
    static const char name[] = "rms_normalization";
    const node_id x = args[0].node;
    node_id scale;
    uint32_t axes;
    if (!read_axes(t, name, &args[2], x, &axes) ||
        !over_axes(t, name, "scale", &args[1], x, axes, &scale))
        return NODE_NONE;
    const node_id mean = mean_of(t, emit_square(t, x), axes, true);
    const node_id y = emit_multiply(t, x, inverse_root(t, mean, args[3].given ? args[3].f : 1e-6));
    return scale == NODE_NONE ? y : emit_multiply(t, y, scale);
}
const struct op op_rms_normalization = {.name = "rms_normalization",
                                        .notation =
                                            "y = x scale / sqrt(mean of x^2 + epsilon) over axes",
                                        .kind = OP_COMPOSITE,
                                        .params = {{"x", PARAM_TENSOR, false},
                                                   {"scale", PARAM_TENSOR, true},
                                                   {"axis", PARAM_INTS, true},
                                                   {"epsilon", PARAM_FLOAT, true}},
                                        .dtypes = DTYPES_FLOATS,
                                        .preset = {[2] = "-1", [3] = "1e-6"},
                                        .emit = rms_normalization_emit};

static bool read_groups(struct tape *t, const struct op_arg *args, int *axis, int64_t *groups) {
    static const char name[] = "group_normalization";
    const struct shape *shape = tape_shape(t, args[0].node);
    char text[SHAPE_TEXT];
    if (shape->rank < 2 || shape->rank == RANK_MAX) {
        tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: x must be of rank 2 to %d, found shape %s", name,
                  RANK_MAX - 1, shape_text(shape, text));
        return false;
    }
    if (!axis_normalize(t, name, args[4].given ? args[4].i : -1, shape->rank, axis)) return false;
    const int64_t channels = shape->dim[*axis];
    *groups = args[3].given ? args[3].i : 32;
    if (*groups == -1) *groups = channels;
    if (*axis > 0 && *groups >= 1 && *groups <= channels && channels % *groups == 0) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: Number of groups (%" PRId64 ") must divide the number of channels (%" PRId64
              "), which are not the first axis; found axis %d of shape %s",
              name, *groups, channels, *axis, shape_text(shape, text));
    return false;
}

/* The channels' axis becomes (groups, channels of a group); all axes but the first and the groups are
 * normalized. */
static node_id group_normalization_emit(struct tape *t, const struct op_arg *args) {
    static const char name[] = "group_normalization";
    static const char *const names[] = {"x", "gamma", "beta"};
    const node_id x = args[0].node;
    node_id v[3] = {x, NODE_NONE, NODE_NONE};
    int64_t groups;
    int axis;
    if (x == NODE_NONE || !read_groups(t, args, &axis, &groups)) return NODE_NONE;
    const struct shape *shape = tape_shape(t, x);
    struct shape split = {.rank = shape->rank + 1}, spread = {.rank = split.rank};
    for (int i = 0; i < split.rank; i++) {
        split.dim[i] = i == axis ? groups : shape->dim[i < axis ? i : i - 1];
        if (i == axis + 1) split.dim[i] /= groups;
        spread.dim[i] = i == axis || i == axis + 1 ? split.dim[i] : 1;
    }
    for (int i = 1; i < 3; i++) {
        if (!args[i].given) continue;
        if (along_axis(t, name, names[i], args[i].node, x, axis) == NODE_NONE) return NODE_NONE;
        v[i] = emit_reshape(t, args[i].node, &spread);
    }
    const uint32_t axes = ((1u << split.rank) - 1) & ~1u & ~(1u << axis);
    const node_id parts = emit_reshape(t, x, &split), mean = mean_of(t, parts, axes, true);
    const node_id variance = mean_of(t, centred_square(t, parts, mean), axes, true);
    const double epsilon = args[5].given ? args[5].f : 0.001;
    return emit_reshape(t, normalized(t, parts, mean, variance, v[2], v[1], epsilon), shape);
}
const struct op op_group_normalization = {
    .name = "group_normalization",
    .notation = "y = x normalized by the moments of each group of channels, times gamma, plus beta",
    .kind = OP_COMPOSITE,
    .params = {{"x", PARAM_TENSOR, false},
               {"gamma", PARAM_TENSOR, true},
               {"beta", PARAM_TENSOR, true},
               {"groups", PARAM_INT, true},
               {"axis", PARAM_INT, true},
               {"epsilon", PARAM_FLOAT, true}},
    .dtypes = DTYPES_FLOATS,
    .preset = {[3] = "32", [4] = "-1", [5] = "0.001"},
    .emit = group_normalization_emit};
