/* Convolution and its two adjoints as primitives. One trilinear form sum x w y stands behind the three:
 * each is its derivative by one of the parts, in the other two; so is every derivative of theirs. How
 * users' arguments become the layout of core/kernels/conv.h is told in op_convolution.c. */
#include "core/emit.h"
#include "core/kernels/conv.h"

static const int op_of_role[] = {
    [CONV_X] = OP_conv_input, [CONV_W] = OP_conv_filter, [CONV_Y] = OP_conv};

static enum conv_role result_of(const struct node *n) {
    return n->op == OP_conv ? CONV_Y : n->op == OP_conv_filter ? CONV_W : CONV_X;
}

/* The role of an op's i-th argument: the two that it does not compute, in the order x, w, y. */
static enum conv_role role_of(enum conv_role result, uint32_t i) {
    return (enum conv_role)(i + (i >= (uint32_t)result));
}

static const struct conv_attrs *attrs_of(const struct tape *t, node_id y) {
    return tape_node(t, y)->attrs;
}

/* The part that plays `role`, from the other two. */
static node_id emit_part(struct tape *t, enum conv_role role, const node_id *part,
                         const struct conv_attrs *a) {
    const node_id args[2] = {part[role_of(role, 0)], part[role_of(role, 1)]};
    return tape_emit(t, op_of_role[role], args, 2, a, sizeof *a);
}

static bool conv_infer(struct tape *t, const struct node *n, struct shape *shape,
                       enum dtype *dtype) {
    (void)dtype;
    const struct conv_attrs *a = n->attrs;
    const enum conv_role result = result_of(n);
    const struct shape *first = tape_shape(t, n->arg[0]), *second = tape_shape(t, n->arg[1]);
    if (!infer_same_dtype(t, n, 0)) return false;
    const int64_t *axes = result == CONV_X ? a->in : result == CONV_W ? a->kernel : a->out;
    const int spatial = result == CONV_W ? 1 : 2;
    shape->rank = CONV_AXES + 3;
    shape->dim[0] = first->dim[0] == 1 ? second->dim[0] : first->dim[0];
    shape->dim[1] = result == CONV_X ? second->dim[1] : first->dim[1];
    for (int i = 0; i < CONV_AXES; i++) shape->dim[spatial + i] = axes[i];
    if (result == CONV_W) shape->dim[4] = a->channels / a->groups;
    shape->dim[5] = result == CONV_X ? a->channels : a->filters;
    return true;
}

static int64_t conv_images(const struct tape *t, const struct node *n) {
    const struct shape *y_or_x = tape_shape(t, n->arg[result_of(n) == CONV_X ? 1 : 0]);
    return y_or_x->dim[1];
}
/* Each row of y meets each element of w once. */
static int64_t conv_work(const struct tape *t, const struct node *n) {
    const struct conv_attrs *a = n->attrs;
    int64_t work = 2 * conv_images(t, n), points = n->shape->dim[0];
    bool over = __builtin_mul_overflow(work, points, &work);
    over |= __builtin_mul_overflow(work, a->channels / a->groups, &work);
    over |= __builtin_mul_overflow(work, a->filters, &work);
    for (int i = 0; i < CONV_AXES; i++) {
        over |= __builtin_mul_overflow(work, a->kernel[i], &work);
        over |= __builtin_mul_overflow(work, a->out[i], &work);
    }
    return over ? INT64_MAX : work + shape_count(n->shape);
}
static size_t conv_scratch(const struct tape *t, const struct node *n) {
    return conv_scratch_bytes(n->attrs, conv_images(t, n), dtype_size((enum dtype)n->dtype));
}

static node_id conv_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    const enum conv_role result = result_of(tape_node(t, y));
    const enum conv_role role = role_of(result, i);
    node_id part[3];
    part[result] = g;
    part[role_of(result, 1 - i)] = tape_arg(t, y, 1 - i);
    return emit_sum_to(t, emit_part(t, role, part, attrs_of(t, y)),
                       tape_shape(t, tape_arg(t, y, i)));
}
static node_id conv_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    const int op = tape_node(t, y)->op;
    const struct conv_attrs *a = attrs_of(t, y);
    node_id sum = NODE_NONE;
    for (uint32_t i = 0; i < 2; i++) {
        if (x_dot[i] == NODE_NONE) continue;
        node_id args[2] = {tape_arg(t, y, 0), tape_arg(t, y, 1)};
        args[i] = x_dot[i];
        const node_id part = tape_emit(t, op, args, 2, a, sizeof *a);
        sum = sum == NODE_NONE ? part : emit_add(t, sum, part);
    }
    return sum;
}

/* Points of points are points. */
static node_id merged(struct tape *t, node_id x, int64_t points) {
    if (x == NODE_NONE) return NODE_NONE;
    struct shape full = *tape_shape(t, x);
    full.dim[1] = points;
    x = emit_broadcast_to(t, x, &full);
    struct shape flat = {.rank = full.rank - 1, .dim = {full.dim[0] * points}};
    for (int i = 1; i < flat.rank; i++) flat.dim[i] = full.dim[i + 1];
    return emit_reshape(t, x, &flat);
}
static node_id conv_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                          int64_t n) {
    const int64_t points = tape_shape(t, y)->dim[0];
    struct shape full;
    node_id args[2];
    for (int i = 0; i < 2; i++) {
        args[i] = x[i];
        if (!batched[i] && tape_shape(t, x[i])->dim[0] == 1) continue;
        args[i] = merged(t, batched[i] ? x[i] : emit_repeat(t, x[i], n), points);
    }
    if (!shape_lead(t, tape_shape(t, y), n, &full)) return NODE_NONE;
    const struct conv_attrs *a = attrs_of(t, y);
    return emit_reshape(t, tape_emit(t, tape_node(t, y)->op, args, 2, a, sizeof *a), &full);
}

#define CONV_OP(id, text)                                                                          \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_INTERNAL,                                                \
                               .infer = conv_infer,                                                \
                               .vjp = conv_vjp,                                                    \
                               .jvp = conv_jvp,                                                    \
                               .batch = conv_batch,                                                \
                               .kernels = {id##_kernel, id##_kernel},                              \
                               .work = conv_work,                                                  \
                               .scratch = conv_scratch};
CONV_OP(conv, "y_o = sum over k of x_(o stride - before + k dilation) w_k")
CONV_OP(conv_input, "x = the adjoint of conv in x: what w and y give to x")
CONV_OP(conv_filter, "w = the adjoint of conv in w: what x and y give to w")
