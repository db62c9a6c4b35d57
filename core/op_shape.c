/* Ops that change a shape and move no element or only repeat it: views, constants of a known shape,
 * broadcasting. */
#include <inttypes.h>

#include "core/emit.h"
#include "core/kernels/copy.h"

/* ---- identity, stop_gradient ------------------------------------------------------------------ */

static node_id identity_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)t, (void)y, (void)i;
    return g;
}
static node_id same_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                          int64_t n) {
    (void)batched, (void)n;
    return emit1(t, tape_node(t, y)->op, x[0]);
}
const struct op op_identity = {.name = "identity",
                               .notation = "y = x; dy/dx = 1",
                               .flags = OP_VIEW | OP_LINEAR,
                               .params = {{"input", PARAM_TENSOR, false}},
                               .infer = infer_same,
                               .vjp = identity_vjp,
                               .batch = same_batch};
const struct op op_stop_gradient = {.name = "stop_gradient",
                                    .notation =
                                        "y = x, which no tape records: its gradient is None",
                                    .flags = OP_VIEW | OP_UNRECORDED,
                                    .params = {{"input", PARAM_TENSOR, false}},
                                    .infer = infer_same,
                                    .batch = same_batch};

/* ---- zeros_like, ones_like: constants of a known shape; they do not read their argument -------- */

static node_id zeros_like_emit(struct tape *t, const struct op_arg *args) {
    return emit_zeros_like(t, args[0].node);
}
static node_id ones_like_emit(struct tape *t, const struct op_arg *args) {
    if (args[0].node == NODE_NONE) return NODE_NONE;
    return tape_fill(t, tape_dtype(t, args[0].node), tape_shape(t, args[0].node), 1);
}
const struct op op_zeros_like = {.name = "zeros_like",
                                 .notation = "y = 0 in x's shape; not differentiable",
                                 .kind = OP_COMPOSITE,
                                 .params = {{"input", PARAM_TENSOR, false}},
                                 .inert = 1 << 0,
                                 .dtypes = DTYPES_ALL,
                                 .emit = zeros_like_emit};
const struct op op_ones_like = {.name = "ones_like",
                                .notation = "y = 1 in x's shape; not differentiable",
                                .kind = OP_COMPOSITE,
                                .params = {{"input", PARAM_TENSOR, false}},
                                .inert = 1 << 0,
                                .dtypes = DTYPES_ALL,
                                .emit = ones_like_emit};

/* ---- reshape, expand_dims, squeeze ------------------------------------------------------------- */

static bool reshape_infer(struct tape *t, const struct node *n, struct shape *shape,
                          enum dtype *dtype) {
    (void)t, (void)dtype;
    const struct shape_attrs *a = n->attrs;
    *shape = shape_make(a->rank, a->dim);
    return true;
}
static node_id reshape_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    return emit_reshape(t, g, tape_shape(t, tape_arg(t, y, i)));
}
static node_id reshape_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                             int64_t n) {
    (void)batched;
    struct shape shape;
    return shape_lead(t, tape_shape(t, y), n, &shape) ? emit_reshape(t, x[0], &shape) : NODE_NONE;
}

bool shape_read(struct tape *t, const char *op, const struct op_arg *arg, int64_t count,
                struct shape *shape) {
    if (arg->n > RANK_MAX) {
        tape_fail(t, ERROR_GRAPH_TOO_LARGE, "%s: shape has rank %zu; at most %d is allowed", op,
                  arg->n, RANK_MAX);
        return false;
    }
    *shape = (struct shape){.rank = (int32_t)arg->n};
    int open = -1;
    for (int i = 0; i < shape->rank; i++) {
        shape->dim[i] = arg->ints[i];
        if (arg->ints[i] >= 0) continue;
        if (arg->ints[i] != -1 || open >= 0 || count < 0) {
            tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: shape[%d] is %" PRId64 "%s", op, i,
                      arg->ints[i],
                      count < 0   ? "; a dimension cannot be negative"
                      : open >= 0 ? "; only one dimension may be -1"
                                  : "; a dimension is -1 or not negative");
            return false;
        }
        open = i;
        shape->dim[i] = 1;
    }
    int64_t known;
    if (!shape_count_within(shape, t->limits.elements, &known)) {
        char text[SHAPE_TEXT];
        tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                  "%s: a result of shape %s has more than the %" PRId64
                  " elements a tensor may have",
                  op, shape_text(shape, text), t->limits.elements);
        return false;
    }
    if (open >= 0) shape->dim[open] = known > 0 && count % known == 0 ? count / known : -1;
    return true;
}
static node_id reshape_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    struct shape shape;
    if (x == NODE_NONE || !tape_ok(t)) return NODE_NONE;
    int64_t count = shape_count(tape_shape(t, x));
    if (!shape_read(t, "reshape", &args[1], count, &shape)) return NODE_NONE;
    bool fits = true;
    for (int i = 0; i < shape.rank; i++) fits = fits && shape.dim[i] >= 0;
    if (!fits || shape_count(&shape) != count) {
        char from[SHAPE_TEXT], to[SHAPE_TEXT];
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "reshape: shape %s has %" PRId64
                         " elements, which do not fit into shape %s",
                         shape_text(tape_shape(t, x), from), count, shape_text(&shape, to));
    }
    return emit_reshape(t, x, &shape);
}
const struct op op_reshape = {
    .name = "reshape",
    .notation = "y has x's elements in order, in another shape",
    .flags = OP_VIEW | OP_LINEAR | OP_TELLING,
    .params = {{"tensor", PARAM_TENSOR, false}, {"shape", PARAM_INTS, false}},
    .emit = reshape_emit,
    .infer = reshape_infer,
    .vjp = reshape_vjp,
    .batch = reshape_batch};

static node_id expand_dims_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    struct shape shape = {.rank = from->rank + 1};
    int axis;
    if (shape.rank > RANK_MAX)
        return tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                         "expand_dims: the result has rank %d; at most %d is allowed", shape.rank,
                         RANK_MAX);
    if (!axis_normalize(t, "expand_dims", args[1].i, shape.rank, &axis)) return NODE_NONE;
    for (int i = 0; i < shape.rank; i++) shape.dim[i] = i == axis ? 1 : from->dim[i - (i > axis)];
    return emit_reshape(t, x, &shape);
}
const struct op op_expand_dims = {
    .name = "expand_dims",
    .notation = "y = x with an axis of length 1 put in",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false}, {"axis", PARAM_INT, false}},
    .dtypes = DTYPES_ALL,
    .emit = expand_dims_emit};

static node_id squeeze_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    uint32_t drop = 0;
    for (int i = 0; i < from->rank && (!args[1].given || args[1].n == 0); i++)
        if (from->dim[i] == 1) drop |= 1u << i;
    for (size_t k = 0; args[1].given && k < args[1].n; k++) {
        int axis;
        if (!axis_normalize(t, "squeeze", args[1].ints[k], from->rank, &axis)) return NODE_NONE;
        if (from->dim[axis] != 1) {
            char text[SHAPE_TEXT];
            return tape_fail(t, ERROR_INVALID_ARGUMENT,
                             "squeeze: axis %d of shape %s has length %" PRId64
                             " where 1 is expected",
                             axis, shape_text(from, text), from->dim[axis]);
        }
        drop |= 1u << axis;
    }
    struct shape shape = {.rank = 0};
    for (int i = 0; i < from->rank; i++)
        if (!(drop >> i & 1)) shape.dim[shape.rank++] = from->dim[i];
    return emit_reshape(t, x, &shape);
}
const struct op op_squeeze = {
    .name = "squeeze",
    .notation = "y = x without its axes of length 1",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false}, {"axis", PARAM_INTS, true}},
    .dtypes = DTYPES_ALL,
    .emit = squeeze_emit};

/* ---- broadcast_to ------------------------------------------------------------------------------ */

static void broadcast_to_kernel(const struct step *step, struct run *run) {
    int64_t to[RANK_MAX], own[RANK_MAX], from[RANK_MAX];
    const struct shape *x = step->in[0].shape, *y = step->out.shape;
    shape_strides(y, to);
    shape_strides(x, own);
    int extra = y->rank - x->rank;
    for (int i = 0; i < y->rank; i++)
        from[i] = i < extra || x->dim[i - extra] == 1 ? 0 : own[i - extra];
    copy_strided(run, dtype_size(step->out.dtype), y, run_out(run, step), to, run_in(run, step, 0),
                 from);
}
static bool broadcast_to_infer(struct tape *t, const struct node *n, struct shape *shape,
                               enum dtype *dtype) {
    (void)dtype;
    const struct shape_attrs *a = n->attrs;
    const struct shape *from = tape_shape(t, n->arg[0]);
    struct shape joint;
    *shape = shape_make(a->rank, a->dim);
    if (shape_broadcast(from, shape, &joint) && shape_equal(&joint, shape)) return true;
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    tape_fail(t, ERROR_SHAPE_MISMATCH, "broadcast_to: shape %s does not broadcast to %s",
              shape_text(from, x), shape_text(shape, y));
    return false;
}
static node_id broadcast_to_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    return emit_sum_to(t, g, tape_shape(t, tape_arg(t, y, i)));
}
static node_id broadcast_to_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                                  int64_t n) {
    (void)batched;
    struct shape shape;
    if (!shape_lead(t, tape_shape(t, y), n, &shape)) return NODE_NONE;
    return emit_broadcast_to(t, emit_align_batched(t, x[0], shape.rank), &shape);
}
static node_id broadcast_to_emit(struct tape *t, const struct op_arg *args) {
    struct shape shape;
    if (args[0].node == NODE_NONE || !shape_read(t, "broadcast_to", &args[1], -1, &shape))
        return NODE_NONE;
    return emit_broadcast_to(t, args[0].node, &shape);
}
const struct op op_broadcast_to = {
    .name = "broadcast_to",
    .notation = "y = x repeated along new and length-1 axes",
    .flags = OP_LINEAR | OP_TELLING,
    .params = {{"input", PARAM_TENSOR, false}, {"shape", PARAM_INTS, false}},
    .emit = broadcast_to_emit,
    .infer = broadcast_to_infer,
    .vjp = broadcast_to_vjp,
    .batch = broadcast_to_batch,
    KERNELS_COPY(broadcast_to_kernel)};
