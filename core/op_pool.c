/* Pooling over one, two or three axes, and normalization across neighbouring channels: users' sizes,
 * strides and layouts become windows of op_window.c, which knows the derivatives. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"

enum { INPUT, KSIZE, STRIDES, PADDING, DATA_FORMAT };

/* An input as op_window.c sees it, its windows, and the shape of the result. */
struct pooling {
    node_id x;
    bool channels_last;
    int n; /* axes that are pooled */
    struct window_attrs a;
    struct shape result;
};

/* ---- reading ----------------------------------------------------------------------------------- */

static bool read_layout(struct tape *t, const char *op, const struct op_arg *arg,
                        struct pooling *p) {
    static const char *const last[] = {"NWC", "NHWC", "NDHWC"};
    static const char *const first[] = {"NCW", "NCHW", "NCDHW"};
    char text[SHAPE_TEXT];
    p->n = p->result.rank - 2;
    p->channels_last = true;
    if (p->n < 1 || p->n > 3) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: `input.shape.rank` must be 3, 4 or 5. Received: input.shape=%s of rank %d.",
                  op, shape_text(&p->result, text), p->result.rank);
        return false;
    }
    if (!arg->given || strcmp(arg->string, last[p->n - 1]) == 0) return true;
    p->channels_last = false;
    if (strcmp(arg->string, first[p->n - 1]) == 0) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: data_format must be \"%s\" or \"%s\" for an input of rank %d, found \"%.40s\"",
              op, last[p->n - 1], first[p->n - 1], p->n + 2, arg->string);
    return false;
}

/* One number for all axes that are pooled, one for each, or one for each axis of the input; they fill
 * the last places of `sizes`. */
static bool read_sizes(struct tape *t, const char *op, const char *name, const struct op_arg *arg,
                       const struct pooling *p, int64_t *sizes) {
    const size_t n = (size_t)p->n;
    if (arg->n != 1 && arg->n != n && arg->n != n + 2) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: %s should be of length 1, %zu or %zu. Received length %zu", op, name, n,
                  n + 2, arg->n);
        return false;
    }
    const int64_t *ints = arg->ints;
    if (arg->n == n + 2) {
        const int64_t channels = ints[p->channels_last ? n + 1 : 1];
        if (ints[0] != 1 || channels != 1) {
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      "%s: Pooling is not supported on the batch and channel dimensions: %s has "
                      "%" PRId64 " and %" PRId64 " there where 1 is expected",
                      op, name, ints[0], channels);
            return false;
        }
        ints += p->channels_last ? 1 : 2;
    }
    for (size_t i = 0; i < n; i++) {
        const int64_t size = arg->n == 1 ? arg->ints[0] : ints[i];
        if (size < 1 || size > INT32_MAX) {
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      "%s: %s must be a positive int32 value, got: %" PRId64, op, name, size);
            return false;
        }
        sizes[3 - n + i] = size;
    }
    return true;
}

/* SAME pads so that there are ceil(in / stride) windows, the odd element behind; VALID never pads. */
static bool read_padding(struct tape *t, const char *op, const struct op_arg *arg,
                         struct pooling *p) {
    const bool same = strcmp(arg->string, "SAME") == 0;
    if (!same && strcmp(arg->string, "VALID") != 0) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: padding must be \"SAME\" or \"VALID\", found \"%.40s\"", op, arg->string);
        return false;
    }
    struct window_attrs *a = &p->a;
    for (int d = 0; d < 3; d++) {
        const int64_t in = a->in[d], size = a->size[d], stride = a->stride[d];
        const int64_t covered = same ? in : in - size + 1;
        a->out[d] = covered > 0 ? (covered - 1) / stride + 1 : 0;
        const int64_t pad = (a->out[d] - 1) * stride + size - in;
        a->before[d] = same && a->out[d] > 0 && pad > 0 ? pad / 2 : 0;
    }
    return true;
}

static bool read_pooling(struct tape *t, const char *op, const struct op_arg *args,
                         struct pooling *p) {
    if (args[INPUT].node == NODE_NONE) return false;
    *p = (struct pooling){.a = {.in = {1, 1, 1}, .size = {1, 1, 1}, .stride = {1, 1, 1}}};
    p->result = *tape_shape(t, args[INPUT].node);
    if (!read_layout(t, op, &args[DATA_FORMAT], p) ||
        !read_sizes(t, op, "ksize", &args[KSIZE], p, p->a.size) ||
        !read_sizes(t, op, "strides", &args[STRIDES], p, p->a.stride))
        return false;
    const int first = p->channels_last ? 1 : 2;
    int64_t *dim = p->result.dim + first;
    for (int i = 0; i < p->n; i++) p->a.in[3 - p->n + i] = dim[i];
    if (!read_padding(t, op, &args[PADDING], p)) return false;
    struct shape in = {.rank = 5, .dim = {p->result.dim[0], 1, 1, 1, 1}};
    if (p->channels_last)
        in.dim[4] = dim[p->n];
    else
        in.dim[0] *= p->result.dim[1];
    for (int d = 0; d < 3; d++) in.dim[d + 1] = p->a.in[d];
    for (int i = 0; i < p->n; i++) dim[i] = p->a.out[3 - p->n + i];
    p->x = emit_reshape(t, args[INPUT].node, &in);
    return p->x != NODE_NONE;
}

/* ---- max_pool ---------------------------------------------------------------------------------- */

static node_id max_pool_emit(struct tape *t, const struct op_arg *args) {
    struct pooling p;
    if (!read_pooling(t, "max_pool", args, &p)) return NODE_NONE;
    return emit_reshape(t, emit_window(t, OP_window_max, p.x, &p.a), &p.result);
}

static bool max_pool_with_argmax_emit(struct tape *t, const struct op_arg *args,
                                      const node_id **results, size_t *n) {
    struct pooling p;
    if (!read_pooling(t, "max_pool_with_argmax", args, &p)) return false;
    node_id *nodes = arena_alloc(t->arena, 2 * sizeof *nodes);
    if (!nodes) return tape_fail_memory(t, "max_pool_with_argmax");
    const node_id index = emit_window(t, OP_window_argmax, p.x, &p.a);
    nodes[0] = emit_reshape(t, emit_window(t, OP_window_max, p.x, &p.a), &p.result);
    nodes[1] = emit_cast(t, emit_reshape(t, index, &p.result), DTYPE_I64);
    *results = nodes;
    *n = 2;
    return tape_ok(t);
}

#define POOL_PARAMS                                                                                \
    {"input", PARAM_TENSOR, false}, {"ksize", PARAM_INTS, false}, {"strides", PARAM_INTS, false},  \
    {                                                                                              \
        "padding", PARAM_STRING, false                                                             \
    }
#define FORMAT_PARAM                                                                               \
    { "data_format", PARAM_STRING, true }

const struct op op_max_pool = {
    .name = "max_pool",
    .notation = "y = the largest x under a moving window; dx is g at the first of the largest",
    .kind = OP_COMPOSITE,
    .params = {POOL_PARAMS, FORMAT_PARAM},
    .dtypes = DTYPES_NUMBERS,
    .emit = max_pool_emit};
const struct op op_max_pool_with_argmax = {
    .name = "max_pool_with_argmax",
    .notation = "output, argmax = max_pool and where it was found: (row width + column) channels + "
                "channel",
    .kind = OP_COMPOSITE,
    .params = {POOL_PARAMS},
    .dtypes = DTYPES_NUMBERS,
    .emit_many = max_pool_with_argmax_emit};

/* ---- avg_pool ---------------------------------------------------------------------------------- */

/* How many elements the windows at each place of one axis cover, along that axis of a window's shape. */
static node_id covered(struct tape *t, const struct window_attrs *a, int d, enum dtype dtype) {
    const struct shape shape = {.rank = 1, .dim = {a->out[d]}};
    struct shape along = {.rank = 5, .dim = {1, 1, 1, 1, 1}};
    int32_t *count = arena_alloc(t->arena, ((size_t)a->out[d] + 1) * sizeof *count);
    if (!count) {
        tape_fail_memory(t, "avg_pool");
        return NODE_NONE;
    }
    for (int64_t i = 0; i < a->out[d]; i++) {
        const int64_t from = i * a->stride[d] - a->before[d], to = from + a->size[d];
        count[i] = (int32_t)((to < a->in[d] ? to : a->in[d]) - (from > 0 ? from : 0));
    }
    along.dim[d + 1] = a->out[d];
    return emit_reshape(t, emit_cast(t, tape_const(t, DTYPE_I32, &shape, count), dtype), &along);
}

static node_id avg_pool_emit(struct tape *t, const struct op_arg *args) {
    struct pooling p;
    if (!read_pooling(t, "avg_pool", args, &p)) return NODE_NONE;
    const node_id sum = emit_window(t, OP_window_sum, p.x, &p.a);
    if (sum == NODE_NONE) return NODE_NONE;
    node_id count = emit_like(t, sum, 1);
    for (int d = 0; d < 3; d++)
        if (p.a.size[d] > 1)
            count = emit_multiply(t, count, covered(t, &p.a, d, tape_dtype(t, sum)));
    return emit_reshape(t, emit_divide(t, sum, count), &p.result);
}
const struct op op_avg_pool = {
    .name = "avg_pool",
    .notation = "y = the mean of x under a moving window, padding not counted; dx spreads g",
    .kind = OP_COMPOSITE,
    .params = {POOL_PARAMS, FORMAT_PARAM},
    .dtypes = DTYPES_FLOATS,
    .emit = avg_pool_emit};

/* ---- local_response_normalization -------------------------------------------------------------- */

/* Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks"
 * (2012), with TensorFlow's parameters: the sum is over 2 depth_radius + 1 channels. */
static node_id local_response_normalization_emit(struct tape *t, const struct op_arg *args) {
    static const char name[] = "local_response_normalization";
    const node_id x = args[0].node;
    const int64_t radius = args[1].given ? args[1].i : 5;
    char text[SHAPE_TEXT];
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *shape = tape_shape(t, x);
    if (shape->rank != 4)
        return tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: in must be 4-dimensional, found shape %s",
                         name, shape_text(shape, text));
    if (radius < 0 || radius > INT32_MAX / 2)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "%s: depth_radius must be non-negative and below 2^30, found %" PRId64,
                         name, radius);
    const int64_t depth = shape->dim[3];
    const struct window_attrs a = {.in = {1, 1, depth},
                                   .out = {1, 1, depth},
                                   .size = {1, 1, 2 * radius + 1},
                                   .stride = {1, 1, 1},
                                   .before = {0, 0, radius}};
    const struct shape planes = {
        .rank = 5, .dim = {shape->dim[0] * shape->dim[1] * shape->dim[2], 1, 1, depth, 1}};
    const node_id squares = emit_reshape(t, emit_square(t, x), &planes);
    const node_id sum = emit_reshape(t, emit_window(t, OP_window_sum, squares, &a), shape);
    const node_id alpha = emit_like(t, x, args[3].given ? args[3].f : 1);
    const node_id bias = emit_like(t, x, args[2].given ? args[2].f : 1);
    const node_id beta = emit_like(t, x, args[4].given ? args[4].f : 0.5);
    return emit_divide(t, x, emit_pow(t, emit_add(t, bias, emit_multiply(t, alpha, sum)), beta));
}
const struct op op_local_response_normalization = {
    .name = "local_response_normalization",
    .notation = "y = x / (bias + alpha s)^beta, s the sum of x^2 over channels within depth_radius",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false},
               {"depth_radius", PARAM_INT, true},
               {"bias", PARAM_FLOAT, true},
               {"alpha", PARAM_FLOAT, true},
               {"beta", PARAM_FLOAT, true}},
    .dtypes = DTYPES_FLOATS,
    .preset = {[1] = "5", [2] = "1", [3] = "1", [4] = "0.5"},
    .emit = local_response_normalization_emit};
