/* Ops that move elements without computing: all are linear, so that their tangent is the op itself,
 * and each is the adjoint of another or of itself. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"
#include "core/kernels/copy.h"

/* ---- transpose --------------------------------------------------------------------------------- */

static void transpose_kernel(const struct step *step, struct run *run) {
    const struct transpose_attrs *a = step->attrs;
    int64_t to[RANK_MAX], own[RANK_MAX], from[RANK_MAX];
    shape_strides(step->out.shape, to);
    shape_strides(step->in[0].shape, own);
    for (int i = 0; i < step->out.shape->rank; i++) from[i] = own[a->perm[i]];
    copy_strided(run, dtype_size(step->out.dtype), step->out.shape, run_out(run, step), to,
                 run_in(run, step, 0), from);
}
static bool transpose_infer(struct tape *t, const struct node *n, struct shape *shape,
                            enum dtype *dtype) {
    (void)dtype;
    const struct transpose_attrs *a = n->attrs;
    const struct shape *from = tape_shape(t, n->arg[0]);
    for (int i = 0; i < from->rank; i++) shape->dim[i] = from->dim[a->perm[i]];
    return true;
}
static node_id transpose_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    const struct transpose_attrs *a = tape_node(t, y)->attrs;
    int64_t inverse[RANK_MAX];
    for (int k = 0; k < tape_shape(t, y)->rank; k++) inverse[a->perm[k]] = k;
    return emit_transpose(t, g, inverse);
}
static node_id transpose_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                               int64_t n) {
    (void)batched, (void)n;
    const struct transpose_attrs *a = tape_node(t, y)->attrs;
    int64_t perm[RANK_MAX] = {0};
    for (int k = 0; k < tape_shape(t, y)->rank && k + 1 < RANK_MAX; k++)
        perm[k + 1] = a->perm[k] + 1;
    return emit_transpose(t, x[0], perm);
}
static node_id transpose_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    int rank = tape_shape(t, x)->rank;
    int64_t perm[RANK_MAX];
    uint32_t seen = 0;
    if (args[1].given && args[1].n != (size_t)rank)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "transpose: perm has %zu entries for a tensor of rank %d", args[1].n,
                         rank);
    for (int i = 0; i < rank; i++) {
        int axis = rank - 1 - i;
        if (args[1].given && !axis_normalize(t, "transpose", args[1].ints[i], rank, &axis))
            return NODE_NONE;
        if (seen >> axis & 1)
            return tape_fail(t, ERROR_INVALID_ARGUMENT, "transpose: perm names axis %d twice",
                             axis);
        seen |= 1u << axis;
        perm[i] = axis;
    }
    return emit_transpose(t, x, perm);
}
/* Two permutations are one, and none where they cancel. */
static node_id transpose_simplify(struct tape *t, const struct node *n) {
    const struct node *inner = tape_node(t, n->arg[0]);
    if (inner->op != OP_transpose) return NODE_NONE;
    const int64_t *outer = ((const struct transpose_attrs *)n->attrs)->perm,
                  *before = ((const struct transpose_attrs *)inner->attrs)->perm;
    int64_t perm[RANK_MAX];
    for (int i = 0; i < n->shape->rank; i++) perm[i] = before[outer[i]];
    return emit_transpose(t, inner->arg[0], perm);
}
const struct op op_transpose = {.name = "transpose",
                                .notation = "y_ij.. = x_perm(ij..), axes reversed by default",
                                .flags = OP_LINEAR | OP_TELLING,
                                .params = {{"a", PARAM_TENSOR, false}, {"perm", PARAM_INTS, true}},
                                .emit = transpose_emit,
                                .infer = transpose_infer,
                                .vjp = transpose_vjp,
                                .batch = transpose_batch,
                                .simplify = transpose_simplify,
                                KERNELS_COPY(transpose_kernel)};

/* ---- concat, stack ----------------------------------------------------------------------------- */

static void concat_kernel(const struct step *step, struct run *run) {
    int64_t axis = ((const struct concat_attrs *)step->attrs)->axis;
    int64_t to[RANK_MAX], from[RANK_MAX];
    size_t size = dtype_size(step->out.dtype);
    char *out = run_out(run, step);
    shape_strides(step->out.shape, to);
    for (uint32_t i = 0; i < step->n_in; i++) {
        shape_strides(step->in[i].shape, from);
        copy_strided(run, size, step->in[i].shape, out, to, run_in(run, step, i), from);
        out += (size_t)(step->in[i].shape->dim[axis] * to[axis]) * size;
    }
}
static bool concat_infer(struct tape *t, const struct node *n, struct shape *shape,
                         enum dtype *dtype) {
    (void)dtype;
    int64_t axis = ((const struct concat_attrs *)n->attrs)->axis;
    const node_id *args = node_args(t, n);
    if (!infer_same_dtype(t, n, 0)) return false;
    for (uint32_t i = 1; i < n->n_args; i++) {
        const struct shape *part = tape_shape(t, args[i]);
        bool fits = part->rank == shape->rank;
        for (int k = 0; fits && k < part->rank; k++)
            fits = k == axis || part->dim[k] == shape->dim[k];
        if (!fits) {
            char x[SHAPE_TEXT], y[SHAPE_TEXT];
            tape_fail(t, ERROR_SHAPE_MISMATCH,
                      "concat: value %" PRIu32
                      " of shape %s does not join shape %s along axis %" PRId64,
                      i, shape_text(part, x), shape_text(tape_shape(t, args[0]), y), axis);
            return false;
        }
        shape->dim[axis] += part->dim[axis];
    }
    return true;
}
static node_id concat_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    const struct concat_attrs *a = tape_node(t, y)->attrs;
    const struct shape *part = tape_shape(t, tape_arg(t, y, i));
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    for (int k = 0; k < part->rank; k++) stride[k] = 1;
    begin[a->axis] = a->begin[i];
    return emit_strided_slice(t, g, part, begin, stride);
}
static node_id concat_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                            int64_t n) {
    int64_t axis = ((const struct concat_attrs *)tape_node(t, y)->attrs)->axis;
    uint32_t n_args = tape_node(t, y)->n_args;
    node_id *parts = arena_alloc(t->arena, n_args * sizeof *parts);
    if (!parts)
        return tape_fail(t, ERROR_MEMORY_BUDGET, "concat: no memory for %" PRIu32 " values",
                         n_args);
    for (uint32_t i = 0; i < n_args; i++) parts[i] = batched[i] ? x[i] : emit_repeat(t, x[i], n);
    return emit_concat(t, parts, n_args, axis + 1);
}
static node_id concat_emit(struct tape *t, const struct op_arg *args) {
    if (args[0].n == 0) return tape_fail(t, ERROR_INVALID_ARGUMENT, "concat: values is empty");
    if (args[0].nodes[0] == NODE_NONE) return NODE_NONE;
    int axis, rank = tape_shape(t, args[0].nodes[0])->rank;
    if (rank == 0)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "concat: value 0 is a scalar; use stack to join scalars");
    if (!axis_normalize(t, "concat", args[1].i, rank, &axis)) return NODE_NONE;
    return emit_concat(t, args[0].nodes, (uint32_t)args[0].n, axis);
}
const struct op op_concat = {
    .name = "concat",
    .notation = "y = the values one after another along an axis",
    .flags = OP_LINEAR,
    .params = {{"values", PARAM_TENSORS, false}, {"axis", PARAM_INT, false}},
    .emit = concat_emit,
    .infer = concat_infer,
    .vjp = concat_vjp,
    .batch = concat_batch,
    KERNELS_COPY(concat_kernel)};

static node_id stack_emit(struct tape *t, const struct op_arg *args) {
    size_t n = args[0].n;
    if (n == 0) return tape_fail(t, ERROR_INVALID_ARGUMENT, "stack: values is empty");
    node_id *parts = arena_alloc(t->arena, n * sizeof *parts);
    if (!parts) return tape_fail(t, ERROR_MEMORY_BUDGET, "stack: no memory for %zu values", n);
    for (size_t i = 0; i < n; i++) {
        if (args[0].nodes[i] == NODE_NONE) return NODE_NONE;
        const struct shape *first = tape_shape(t, args[0].nodes[0]),
                           *part = tape_shape(t, args[0].nodes[i]);
        if (!shape_equal(first, part)) {
            char x[SHAPE_TEXT], y[SHAPE_TEXT];
            return tape_fail(t, ERROR_SHAPE_MISMATCH,
                             "stack: value %zu has shape %s where value 0 has %s", i,
                             shape_text(part, x), shape_text(first, y));
        }
        struct op_arg expand[2] = {{.given = true, .node = args[0].nodes[i]},
                                   {.given = true, .i = args[1].given ? args[1].i : 0}};
        parts[i] = op_table[OP_expand_dims]->emit(t, expand);
        if (parts[i] == NODE_NONE) return NODE_NONE;
    }
    int axis;
    if (!axis_normalize(t, "stack", args[1].given ? args[1].i : 0, tape_shape(t, parts[0])->rank,
                        &axis))
        return NODE_NONE;
    return emit_concat(t, parts, (uint32_t)n, axis);
}
const struct op op_stack = {.name = "stack",
                            .notation = "y = the values side by side along a new axis",
                            .kind = OP_COMPOSITE,
                            .params = {{"values", PARAM_TENSORS, false}, {"axis", PARAM_INT, true}},
                            .preset = {[1] = "0"},
                            .dtypes = DTYPES_ALL,
                            .emit = stack_emit};

/* ---- strided_slice and its adjoint; slice -------------------------------------------------------- */

/* Where element 0 of the smaller tensor stands in the larger, and the strides between its elements. */
static int64_t slice_layout(const struct slice_attrs *a, const struct shape *larger,
                            int64_t *stride) {
    int64_t own[RANK_MAX], start = 0;
    shape_strides(larger, own);
    for (int i = 0; i < larger->rank; i++) {
        start += a->begin[i] * own[i];
        stride[i] = a->stride[i] * own[i];
    }
    return start;
}
static void strided_slice_kernel(const struct step *step, struct run *run) {
    if (shape_count(step->out.shape) == 0) return;
    size_t size = dtype_size(step->out.dtype);
    int64_t to[RANK_MAX], from[RANK_MAX];
    shape_strides(step->out.shape, to);
    int64_t start = slice_layout(step->attrs, step->in[0].shape, from);
    copy_strided(run, size, step->out.shape, run_out(run, step), to,
                 (const char *)run_in(run, step, 0) + start * (int64_t)size, from);
}
static void strided_slice_grad_kernel(const struct step *step, struct run *run) {
    size_t size = dtype_size(step->out.dtype);
    int64_t to[RANK_MAX], from[RANK_MAX];
    char *out = run_out(run, step);
    memset(out, 0, (size_t)shape_count(step->out.shape) * size);
    if (shape_count(step->in[0].shape) == 0) return;
    shape_strides(step->in[0].shape, from);
    int64_t start = slice_layout(step->attrs, step->out.shape, to);
    copy_strided(run, size, step->in[0].shape, out + start * (int64_t)size, to,
                 run_in(run, step, 0), from);
}
static bool slice_infer(struct tape *t, const struct node *n, struct shape *shape,
                        enum dtype *dtype) {
    (void)t, (void)dtype;
    const struct slice_attrs *a = n->attrs;
    *shape = shape_make(a->rank, a->dim);
    return true;
}
node_id emit_slice_grad(struct tape *t, node_id g, const struct shape *larger, const int64_t *begin,
                        const int64_t *stride) {
    struct slice_attrs attrs = {.rank = larger->rank};
    for (int i = 0; i < larger->rank; i++) {
        attrs.dim[i] = larger->dim[i];
        attrs.begin[i] = begin[i];
        attrs.stride[i] = stride[i];
    }
    return tape_emit(t, OP_strided_slice_grad, &g, 1, &attrs, sizeof attrs);
}
static node_id strided_slice_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    const struct slice_attrs *a = tape_node(t, y)->attrs;
    return emit_slice_grad(t, g, tape_shape(t, tape_arg(t, y, i)), a->begin, a->stride);
}
static node_id strided_slice_grad_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    const struct slice_attrs *a = tape_node(t, y)->attrs;
    return emit_strided_slice(t, g, tape_shape(t, tape_arg(t, y, i)), a->begin, a->stride);
}
static node_id slice_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                           int64_t n) {
    (void)batched;
    const struct slice_attrs *a = tape_node(t, y)->attrs;
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX] = {1};
    struct shape shape;
    if (!shape_lead(t, tape_shape(t, y), n, &shape)) return NODE_NONE;
    for (int i = 1; i < shape.rank; i++) {
        begin[i] = a->begin[i - 1];
        stride[i] = a->stride[i - 1];
    }
    return tape_node(t, y)->op == OP_strided_slice
               ? emit_strided_slice(t, x[0], &shape, begin, stride)
               : emit_slice_grad(t, x[0], &shape, begin, stride);
}
static node_id strided_slice_emit(struct tape *t, const struct op_arg *args) {
    if (args[0].node == NODE_NONE) return NODE_NONE;
    struct shape shape = {.rank = tape_shape(t, args[0].node)->rank};
    for (int i = 0; i < shape.rank; i++) {
        int64_t step = args[3].ints[i], span = args[2].ints[i] - args[1].ints[i];
        int64_t count = step > 0 ? (span + step - 1) / step : (span + step + 1) / step;
        shape.dim[i] = (step > 0 ? span > 0 : span < 0) ? count : 0;
    }
    return emit_strided_slice(t, args[0].node, &shape, args[1].ints, args[3].ints);
}
/* What indexing compiles to. begin, end and strides have one entry an axis; begin is an index, end
 * one past the last in the direction of the stride, so that -1 is the place before the first. */
const struct op op_strided_slice = {.name = "strided_slice",
                                    .notation = "y_i = x_(begin + i stride), along every axis",
                                    .kind = OP_INTERNAL,
                                    .flags = OP_LINEAR,
                                    .params = {{"input", PARAM_TENSOR, false},
                                               {"begin", PARAM_INTS, false},
                                               {"end", PARAM_INTS, false},
                                               {"strides", PARAM_INTS, false}},
                                    .emit = strided_slice_emit,
                                    .infer = slice_infer,
                                    .vjp = strided_slice_vjp,
                                    .batch = slice_batch,
                                    KERNELS_COPY(strided_slice_kernel)};
const struct op op_strided_slice_grad = {.name = "strided_slice_grad",
                                         .notation = "y_(begin + i stride) = x_i, 0 elsewhere",
                                         .kind = OP_INTERNAL,
                                         .flags = OP_LINEAR,
                                         .params = {{"input", PARAM_TENSOR, false}},
                                         .infer = slice_infer,
                                         .vjp = strided_slice_grad_vjp,
                                         .batch = slice_batch,
                                         KERNELS_COPY(strided_slice_grad_kernel)};

static node_id slice_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    struct shape shape = *from;
    int64_t stride[RANK_MAX];
    if (args[1].n != (size_t)from->rank || args[2].n != (size_t)from->rank)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "slice: begin has %zu entries and size %zu for a tensor of rank %d",
                         args[1].n, args[2].n, from->rank);
    for (int i = 0; i < from->rank; i++) {
        int64_t begin = args[1].ints[i], size = args[2].ints[i];
        stride[i] = 1;
        shape.dim[i] = size == -1 ? from->dim[i] - begin : size;
        if (begin < 0 || begin > from->dim[i] || shape.dim[i] < 0 ||
            shape.dim[i] > from->dim[i] - begin)
            return tape_fail(t, ERROR_INVALID_ARGUMENT,
                             "slice: begin %" PRId64 " and size %" PRId64
                             " do not fit axis %d of length %" PRId64,
                             begin, size, i, from->dim[i]);
    }
    return emit_strided_slice(t, x, &shape, args[1].ints, stride);
}
const struct op op_slice = {
    .name = "slice",
    .notation = "y = size elements of x from begin, along every axis; size -1 takes the rest",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false},
               {"begin", PARAM_INTS, false},
               {"size", PARAM_INTS, false}},
    .dtypes = DTYPES_ALL,
    .emit = slice_emit};
