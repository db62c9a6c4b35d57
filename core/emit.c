/* The shape work that derivative rules and shape rules share. Nothing here belongs to one op. */
#include "core/emit.h"

#include <inttypes.h>
#include <string.h>

node_id emit_zeros_like(struct tape *t, node_id x) {
    if (x == NODE_NONE) return NODE_NONE;
    return tape_fill(t, tape_dtype(t, x), tape_shape(t, x), 0);
}

static node_id emit_shaped(struct tape *t, int op, node_id x, const struct shape *shape) {
    if (x == NODE_NONE || shape_equal(tape_shape(t, x), shape)) return x;
    struct shape_attrs attrs = {.rank = shape->rank};
    for (int i = 0; i < shape->rank; i++) attrs.dim[i] = shape->dim[i];
    return tape_emit(t, op, &x, 1, &attrs, sizeof attrs);
}

node_id emit_reshape(struct tape *t, node_id x, const struct shape *shape) {
    return emit_shaped(t, OP_reshape, x, shape);
}

node_id emit_broadcast_to(struct tape *t, node_id x, const struct shape *shape) {
    return emit_shaped(t, OP_broadcast_to, x, shape);
}

node_id emit_cast(struct tape *t, node_id x, enum dtype dtype) {
    if (x == NODE_NONE || tape_dtype(t, x) == dtype) return x;
    return tape_emit(t, OP_cast, &x, 1, &(struct cast_attrs){dtype}, sizeof(struct cast_attrs));
}

node_id emit_transpose(struct tape *t, node_id x, const int64_t *perm) {
    if (x == NODE_NONE) return NODE_NONE;
    struct transpose_attrs attrs = {{0}};
    bool moved = false;
    for (int i = 0; i < tape_shape(t, x)->rank; i++) {
        attrs.perm[i] = perm[i];
        moved = moved || perm[i] != i;
    }
    return moved ? tape_emit(t, OP_transpose, &x, 1, &attrs, sizeof attrs) : x;
}

node_id emit_adjoint(struct tape *t, node_id x) {
    if (x == NODE_NONE) return NODE_NONE;
    int64_t perm[RANK_MAX];
    perm_swap_last(tape_shape(t, x)->rank - 2, tape_shape(t, x)->rank, perm);
    return emit_transpose(t, x, perm);
}

node_id emit_concat(struct tape *t, const node_id *parts, uint32_t n, int64_t axis) {
    size_t size = sizeof(struct concat_attrs) + n * sizeof(int64_t);
    struct concat_attrs *attrs = arena_alloc(t->arena, size);
    int64_t begin = 0;
    if (!tape_ok(t)) return NODE_NONE;
    if (!attrs)
        return tape_fail(t, ERROR_MEMORY_BUDGET, "concat: no memory for %" PRIu32 " values", n);
    attrs->axis = axis;
    for (uint32_t i = 0; i < n; i++) {
        if (parts[i] == NODE_NONE) return NODE_NONE;
        const struct shape *part = tape_shape(t, parts[i]);
        attrs->begin[i] = begin;
        begin += axis < part->rank ? part->dim[axis] : 0; /* a wrong rank is refused by the rule */
    }
    return tape_emit(t, OP_concat, parts, n, attrs, size);
}

node_id emit_matmul(struct tape *t, node_id a, node_id b, bool transpose_a, bool transpose_b) {
    struct matmul_attrs attrs = {transpose_a, transpose_b};
    return tape_emit(t, OP_matmul, (node_id[]){a, b}, 2, &attrs, sizeof attrs);
}

node_id emit_reduce(struct tape *t, int op, node_id x, uint32_t axes, bool keepdims) {
    struct reduce_attrs attrs = {axes, keepdims};
    return tape_emit(t, op, &x, 1, &attrs, sizeof attrs);
}

node_id emit_strided_slice(struct tape *t, node_id x, const struct shape *shape,
                           const int64_t *begin, const int64_t *stride) {
    struct slice_attrs attrs = {.rank = shape->rank};
    for (int i = 0; i < shape->rank; i++) {
        attrs.dim[i] = shape->dim[i];
        attrs.begin[i] = begin[i];
        attrs.stride[i] = stride[i];
    }
    return tape_emit(t, OP_strided_slice, &x, 1, &attrs, sizeof attrs);
}

node_id emit_sum_to(struct tape *t, node_id x, const struct shape *shape) {
    if (x == NODE_NONE || shape_equal(tape_shape(t, x), shape)) return x;
    const struct shape *from = tape_shape(t, x);
    uint32_t axes = 0;
    int extra = from->rank - shape->rank;
    for (int i = 0; i < from->rank; i++) {
        bool repeated = i < extra || (shape->dim[i - extra] == 1 && from->dim[i] != 1);
        if (repeated) axes |= 1u << i;
    }
    if (axes) x = emit_reduce(t, OP_reduce_sum, x, axes, true);
    return emit_reshape(t, x, shape);
}

node_id emit_align_batched(struct tape *t, node_id x, int rank) {
    if (x == NODE_NONE || tape_shape(t, x)->rank >= rank) return x;
    const struct shape *from = tape_shape(t, x);
    struct shape shape = {.rank = rank};
    int missing = rank - from->rank;
    shape.dim[0] = from->dim[0];
    for (int i = 1; i <= missing; i++) shape.dim[i] = 1;
    for (int i = 1; i < from->rank; i++) shape.dim[i + missing] = from->dim[i];
    return emit_reshape(t, x, &shape);
}

bool shape_lead(struct tape *t, const struct shape *s, int64_t n, struct shape *out) {
    if (s->rank == RANK_MAX) {
        tape_fail(t, ERROR_GRAPH_TOO_LARGE, "a leading axis makes rank %d; at most %d is allowed",
                  RANK_MAX + 1, RANK_MAX);
        return false;
    }
    *out = (struct shape){.rank = s->rank + 1, .dim = {n}};
    for (int i = 0; i < s->rank; i++) out->dim[i + 1] = s->dim[i];
    return true;
}

node_id emit_repeat(struct tape *t, node_id x, int64_t n) {
    struct shape shape;
    if (x == NODE_NONE || !shape_lead(t, tape_shape(t, x), n, &shape)) return NODE_NONE;
    return emit_broadcast_to(t, x, &shape);
}

bool axis_normalize(struct tape *t, const char *op, int64_t axis, int rank, int *out) {
    if (axis < -rank || axis >= rank) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: axis %" PRId64 " is out of range for a tensor of rank %d", op, axis, rank);
        return false;
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool axes_read(struct tape *t, const char *op, const struct op_arg *arg, int rank, uint32_t *axes) {
    *axes = arg->given ? 0 : (1u << rank) - 1;
    for (size_t i = 0; arg->given && i < arg->n; i++) {
        int axis;
        if (!axis_normalize(t, op, arg->ints[i], rank, &axis)) return false;
        if (*axes >> axis & 1) {
            tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: axis %d is named twice", op, axis);
            return false;
        }
        *axes |= 1u << axis;
    }
    return true;
}

bool length_check(struct tape *t, const char *op, const char *argument, int64_t n) {
    if (n < 0)
        tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: %s must be non-negative, got: %" PRId64, op,
                  argument, n);
    else if (n > t->limits.elements)
        tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                  "%s: %s is %" PRId64 "; a tensor may have %" PRId64 " elements", op, argument, n,
                  t->limits.elements);
    return n >= 0 && n <= t->limits.elements;
}

bool infer_same_dtype(struct tape *t, const struct node *n, uint32_t first) {
    const node_id *args = node_args(t, n);
    for (uint32_t i = first + 1; i < n->n_args; i++) {
        enum dtype expected = tape_dtype(t, args[first]), found = tape_dtype(t, args[i]);
        if (found == expected) continue;
        tape_fail(t, ERROR_DTYPE_MISMATCH,
                  "%s: input #%" PRIu32
                  " (zero-based) was expected to be a %s tensor but is a %s tensor",
                  op_of(n)->name, i, dtype_name(expected), dtype_name(found));
        return false;
    }
    return true;
}

bool infer_pointwise(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype) {
    (void)dtype;
    const node_id *args = node_args(t, n);
    if (!infer_same_dtype(t, n, 0)) return false;
    if (tape_shape(t, args[0]) == tape_shape(t, args[1])) return true;
    if (shape_broadcast(tape_shape(t, args[0]), tape_shape(t, args[1]), shape)) return true;
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: shapes %s and %s do not broadcast", op_of(n)->name,
              shape_text(tape_shape(t, args[0]), x), shape_text(tape_shape(t, args[1]), y));
    return false;
}

bool infer_same(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype) {
    (void)t, (void)n, (void)shape, (void)dtype;
    return true;
}

static bool fail_dtype(struct tape *t, const struct op *op, enum dtype found) {
    char accepted[64] = "";
    for (int d = 0; d < DTYPE_COUNT; d++) {
        if (!(op_dtypes(op) >> d & 1)) continue;
        if (accepted[0]) strcat(accepted, ", ");
        strcat(accepted, dtype_name((enum dtype)d));
    }
    tape_fail(t, ERROR_DTYPE_MISMATCH, "%s: a %s tensor was found where one of %s is expected",
              op->name, dtype_name(found), accepted);
    return false;
}

bool infer_has_kernel(struct tape *t, const struct node *n) {
    const struct op *op = op_of(n);
    enum dtype dtype = tape_dtype(t, node_args(t, n)[n->n_args - 1]);
    return op->flags & OP_VIEW || op_runs(op, dtype) || fail_dtype(t, op, dtype);
}

bool op_takes(struct tape *t, const struct op *op, const struct op_arg *args) {
    for (int i = 0; i < OP_PARAMS_MAX && op->params[i].name; i++) {
        const enum param_kind kind = op->params[i].kind;
        if (!args[i].given || (kind != PARAM_TENSOR && kind != PARAM_TENSORS)) continue;
        const node_id *nodes = kind == PARAM_TENSOR ? &args[i].node : args[i].nodes;
        for (size_t k = 0; k < (kind == PARAM_TENSOR ? 1 : args[i].n); k++) {
            if (nodes[k] == NODE_NONE) return false;
            const enum dtype dtype = tape_dtype(t, nodes[k]);
            if (op->dtypes && !(op->dtypes >> dtype & 1)) return fail_dtype(t, op, dtype);
        }
    }
    return true;
}
