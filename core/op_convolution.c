/* Convolutions as users call them, brought into the layout of the primitives of op_conv.c. What
 * TensorFlow's kernels for the CPU leave out (dilations, groups, channels in front, unequal strides) is
 * differentiable here as all else is. */
#include "core/op_conv.h"

#include <inttypes.h>

/* ---- layouts -------------------------------------------------------------------------------------- */

/* x with its channels behind, seen as (1, images, spatial axes, channels). */
static node_id to_layout(const struct conv_call *r, node_id x) {
    const int rank = tape_shape(r->t, x)->rank, lead = rank - r->axes - 1;
    if (r->channels_first) {
        int64_t perm[RANK_MAX];
        for (int i = 0; i < rank; i++) perm[i] = i < lead ? i : i + 1;
        perm[rank - 1] = lead;
        x = emit_transpose(r->t, x, perm);
        if (x == NODE_NONE) return NODE_NONE;
    }
    struct shape shape = {.rank = CONV_AXES + 3, .dim = {1, 1, 1, 1, 1}};
    const struct shape *from = tape_shape(r->t, x);
    for (int i = 0; i < lead; i++) shape.dim[1] *= from->dim[i];
    for (int i = lead; i < rank; i++) shape.dim[shape.rank - rank + i] = from->dim[i];
    return emit_reshape(r->t, x, &shape);
}

/* The way back, with the leading axes of `like`. */
static node_id from_layout(const struct conv_call *r, node_id y, const struct shape *like) {
    if (y == NODE_NONE) return NODE_NONE;
    struct shape shape = *like;
    const int rank = shape.rank, lead = rank - r->axes - 1;
    for (int i = lead; i < rank; i++)
        shape.dim[i] = tape_shape(r->t, y)->dim[CONV_AXES + 3 - rank + i];
    y = emit_reshape(r->t, y, &shape);
    if (!r->channels_first) return y;
    int64_t perm[RANK_MAX];
    for (int i = 0; i < rank; i++) perm[i] = i <= lead ? i : i - 1;
    perm[lead] = rank - 1;
    return emit_transpose(r->t, y, perm);
}

/* The filters as w of the layout. */
static node_id filters_to_layout(const struct conv_call *r, node_id filters) {
    const struct conv_attrs *a = &r->a;
    return emit_reshape(r->t, filters,
                        &(struct shape){.rank = CONV_AXES + 3,
                                        .dim = {1, a->kernel[0], a->kernel[1], a->kernel[2],
                                                a->channels / a->groups, a->filters}});
}

/* ---- the ops --------------------------------------------------------------------------------------- */

static node_id emit_conv(const struct conv_call *r, int op, node_id first, node_id second) {
    return tape_emit(r->t, op, (node_id[]){first, second}, 2, &r->a, sizeof r->a);
}

/* The convolution of x in the layout, with the spatial axes and channels of `input`. */
static node_id forward(struct conv_call *r, node_id input, node_id filters) {
    const struct shape like = *tape_shape(r->t, input);
    const node_id x = to_layout(r, input);
    if (x == NODE_NONE) return NODE_NONE;
    conv_set_in(r, tape_shape(r->t, x)->dim + 2 + CONV_AXES - r->axes);
    r->a.channels = tape_shape(r->t, x)->dim[5];
    if (!conv_read_filters(r, tape_shape(r->t, filters)) ||
        !conv_size_out(r, tape_shape(r->t, x)->dim[1]))
        return NODE_NONE;
    return from_layout(r, emit_conv(r, OP_conv, x, filters_to_layout(r, filters)), &like);
}

static node_id convolution(struct tape *t, const char *name, int axes, node_id input,
                           node_id filters, struct conv_settings s) {
    struct conv_call r = {.t = t, .name = name, .axes = axes};
    if (!conv_begin(&r, input, filters, &s)) return NODE_NONE;
    return forward(&r, input, filters);
}

/* (kernel, channels, times) becomes (kernel, 1, channels * times), with a group for each channel. */
static node_id depthwise(struct tape *t, const char *name, node_id input, node_id filter,
                         struct conv_settings s) {
    struct conv_call r = {.t = t, .name = name, .axes = 2};
    if (!conv_begin(&r, input, filter, &s)) return NODE_NONE;
    const struct shape *x = tape_shape(t, input);
    struct shape w = *tape_shape(t, filter);
    const int64_t channels = x->dim[r.channels_first ? x->rank - 3 : x->rank - 1];
    if (w.dim[2] != channels)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: input and filter must have the same depth: %" PRId64 " vs %" PRId64,
                         name, channels, w.dim[2]);
    w.dim[3] *= channels;
    w.dim[2] = 1;
    return forward(&r, input, emit_reshape(t, filter, &w));
}

static node_id transposed(struct tape *t, const char *name, int axes, const struct op_arg *args) {
    static const struct op_arg same = {.given = true, .string = "SAME"};
    struct conv_call reading = {.t = t, .name = name, .axes = axes}, *r = &reading;
    const struct conv_settings s = {&args[3], args[4].given ? &args[4] : &same, &args[5], &args[6]};
    if (!conv_begin(r, args[0].node, args[1].node, &s)) return NODE_NONE;
    const struct shape like = *tape_shape(t, args[0].node), *w = tape_shape(t, args[1].node);
    char text[SHAPE_TEXT];
    if (like.rank != r->axes + 2)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: convolution input must be %d-dimensional: %s", name, r->axes + 2,
                         shape_text(&like, text));
    const node_id y = to_layout(r, args[0].node);
    if (y == NODE_NONE || !conv_read_output(r, &args[2], &like, w) || !conv_read_filters(r, w) ||
        !conv_size_out(r, like.dim[0]) || !conv_check_adjoint(r, tape_shape(t, y)))
        return NODE_NONE;
    return from_layout(r, emit_conv(r, OP_conv_input, filters_to_layout(r, args[1].node), y),
                       &like);
}

#define INPUT_PARAM                                                                                \
    { "input", PARAM_TENSOR, false }
#define PADDING_PARAM(optional)                                                                    \
    { "padding", PARAM_PADDING, optional }
#define LAST_PARAMS                                                                                \
    {"data_format", PARAM_STRING, true}, { "dilations", PARAM_INTS, true }

#define CONVOLUTION(id, axes, steps, optional, format, text)                                       \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        return convolution(t, #id, axes, args[0].node, args[1].node,                               \
                           (struct conv_settings){&args[2], &args[3], &args[4], &args[5]});        \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = {INPUT_PARAM,                                             \
                                          {"filters", PARAM_TENSOR, false},                        \
                                          {steps, PARAM_INTS, optional},                           \
                                          PADDING_PARAM(optional),                                 \
                                          LAST_PARAMS},                                            \
                               .dtypes = DTYPES_FLOATS,                                            \
                               .preset = {[2] = "1", [3] = "\"VALID\"", [4] = format, [5] = "1"},  \
                               .emit = id##_emit};
#define TRANSPOSED(id, axes, format, text)                                                         \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        return transposed(t, #id, axes, args);                                                     \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = {INPUT_PARAM,                                             \
                                          {"filters", PARAM_TENSOR, false},                        \
                                          {"output_shape", PARAM_INTS, false},                     \
                                          {"strides", PARAM_INTS, false},                          \
                                          PADDING_PARAM(true),                                     \
                                          LAST_PARAMS},                                            \
                               .dtypes = DTYPES_FLOATS,                                            \
                               .preset = {[4] = "\"SAME\"", [5] = format, [6] = "1"},              \
                               .emit = id##_emit};

CONVOLUTION(conv1d, 1, "stride", false, "\"NWC\"",
            "y_o = sum over k of x_(o stride + k dilation) w_k; filters in groups, see conv2d")
CONVOLUTION(
    conv2d, 2, "strides", false, "\"NHWC\"",
    "y_(o,p) = sum over k, l of x_(o strides + k dilations, ..) w_(k,l); filters with 1/n of "
    "x's channels make n groups")
CONVOLUTION(conv3d, 3, "strides", false, "\"NDHWC\"", "conv2d over three axes")
CONVOLUTION(convolution, 0, "strides", true, NULL, "conv1d, conv2d or conv3d, by the filters' rank")
TRANSPOSED(conv1d_transpose, 1, "\"NWC\"", "the adjoint of conv1d in its input")
TRANSPOSED(conv2d_transpose, 2, "\"NHWC\"", "the adjoint of conv2d in its input")
TRANSPOSED(conv3d_transpose, 3, "\"NDHWC\"", "the adjoint of conv3d in its input")
TRANSPOSED(conv_transpose, 0, NULL, "the adjoint of convolution in its input")

static node_id depthwise_conv2d_emit(struct tape *t, const struct op_arg *args) {
    return depthwise(t, "depthwise_conv2d", args[0].node, args[1].node,
                     (struct conv_settings){&args[2], &args[3], &args[4], &args[5]});
}
const struct op op_depthwise_conv2d = {
    .name = "depthwise_conv2d",
    .notation = "conv2d of every channel c with filters of its own: y's channel c n + j, j < n",
    .kind = OP_COMPOSITE,
    .params = {INPUT_PARAM,
               {"filter", PARAM_TENSOR, false},
               {"strides", PARAM_INTS, false},
               PADDING_PARAM(false),
               LAST_PARAMS},
    .dtypes = DTYPES_FLOATS,
    .preset = {[4] = "\"NHWC\"", [5] = "1"},
    .emit = depthwise_conv2d_emit};

static node_id separable_conv2d_emit(struct tape *t, const struct op_arg *args) {
    static const struct op_arg none = {.given = false};
    const node_id pointwise = args[2].node;
    char text[SHAPE_TEXT];
    if (pointwise == NODE_NONE) return NODE_NONE;
    const struct shape *w = tape_shape(t, pointwise);
    if (w->rank != 4 || w->dim[0] != 1 || w->dim[1] != 1)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "separable_conv2d: pointwise_filter must have a shape "
                         "(1,1,channels,filters), found %s",
                         shape_text(w, text));
    const node_id y = depthwise(t, "separable_conv2d", args[0].node, args[1].node,
                                (struct conv_settings){&args[3], &args[4], &args[5], &args[6]});
    return convolution(t, "separable_conv2d", 2, y, pointwise,
                       (struct conv_settings){&none, &none, &args[5], &none});
}
const struct op op_separable_conv2d = {
    .name = "separable_conv2d",
    .notation = "depthwise_conv2d, then conv2d with a kernel of one place over all channels",
    .kind = OP_COMPOSITE,
    .params = {INPUT_PARAM,
               {"depthwise_filter", PARAM_TENSOR, false},
               {"pointwise_filter", PARAM_TENSOR, false},
               {"strides", PARAM_INTS, false},
               PADDING_PARAM(false),
               LAST_PARAMS},
    .dtypes = DTYPES_FLOATS,
    .preset = {[5] = "\"NHWC\"", [6] = "1"},
    .emit = separable_conv2d_emit};
