/* Products of tensors that are one matrix product in other clothes, and the cross product. All are
 * composites. Subscripts are op_einsum.c's. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"

/* ---- tensordot, dot, inner, vdot ----------------------------------------------------------------- */

/* Axes of two tensors that are summed together, in pairs. */
struct contraction {
    int n;
    int a[RANK_MAX], b[RANK_MAX];
};

static bool is_in(const int *axes, int n, int axis) {
    for (int i = 0; i < n; i++)
        if (axes[i] == axis) return true;
    return false;
}

/* x as a matrix: the axes that stay and the axes that are summed, in the order of `axes`. `kept` gets
 * the dimensions that stay. */
static node_id as_matrix(struct tape *t, node_id x, const int *axes, int n, bool summed_first,
                         struct shape *kept) {
    const struct shape *from = tape_shape(t, x);
    int64_t perm[RANK_MAX];
    int at = summed_first ? n : 0;
    struct shape sums = {.rank = n};
    *kept = (struct shape){.rank = 0};
    for (int i = 0; i < from->rank; i++) {
        if (is_in(axes, n, i)) continue;
        perm[at++] = i;
        kept->dim[kept->rank++] = from->dim[i];
    }
    for (int i = 0; i < n; i++) {
        perm[(summed_first ? 0 : kept->rank) + i] = axes[i];
        sums.dim[i] = from->dim[axes[i]];
    }
    struct shape matrix = {.rank = 2};
    if (!shape_count_within(kept, t->limits.elements, &matrix.dim[summed_first]) ||
        !shape_count_within(&sums, t->limits.elements, &matrix.dim[!summed_first])) {
        char text[SHAPE_TEXT];
        return tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                         "tensordot: the axes of shape %s are too long to be taken together",
                         shape_text(from, text));
    }
    return emit_reshape(t, emit_transpose(t, x, perm), &matrix);
}

static node_id contract(struct tape *t, const char *op, node_id a, node_id b,
                        const struct contraction *c) {
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    struct shape left, right;
    for (int i = 0; i < c->n; i++) {
        const int64_t m = tape_shape(t, a)->dim[c->a[i]], n = tape_shape(t, b)->dim[c->b[i]];
        if (m != n)
            return tape_fail(t, ERROR_SHAPE_MISMATCH,
                             "%s: Matrix size-incompatible: axis %d of shape %s has length %" PRId64
                             " and axis %d of shape %s has length %" PRId64,
                             op, c->a[i], shape_text(tape_shape(t, a), x), m, c->b[i],
                             shape_text(tape_shape(t, b), y), n);
    }
    const node_id rows = as_matrix(t, a, c->a, c->n, false, &left);
    const node_id columns = as_matrix(t, b, c->b, c->n, true, &right);
    const node_id product = emit_matmul(t, rows, columns, false, false);
    if (product == NODE_NONE) return NODE_NONE;
    if (left.rank + right.rank > RANK_MAX)
        return tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                         "%s: the result has rank %d; at most %d is allowed", op,
                         left.rank + right.rank, RANK_MAX);
    for (int i = 0; i < right.rank; i++) left.dim[left.rank++] = right.dim[i];
    return emit_reshape(t, product, &left);
}

/* `n` of a tensor's axes as the user counts them. */
static bool read_axes(struct tape *t, const int64_t *ints, size_t n, int rank, int *axes) {
    for (size_t i = 0; i < n; i++) {
        if (!axis_normalize(t, "tensordot", ints[i], rank, &axes[i])) return false;
        if (!is_in(axes, (int)i, axes[i])) continue;
        tape_fail(t, ERROR_INVALID_ARGUMENT, "tensordot: axis %d is named twice", axes[i]);
        return false;
    }
    return true;
}

/* The last n axes of a with the first n of b. */
static bool count_axes(struct tape *t, int64_t n, int a, int b, struct contraction *c) {
    const int least = a < b ? a : b;
    if (n < 0 || n > least) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  n < 0 ? "tensordot: `axes` must be at least 0. Received: %" PRId64
                        : "tensordot: `axes` must not be larger than the number of dimensions of a "
                          "tensor. Received %" PRId64 ", vs tensor dimensions %d",
                  n, least);
        return false;
    }
    c->n = (int)n;
    for (int i = 0; i < c->n; i++) {
        c->a[i] = a - c->n + i;
        c->b[i] = i;
    }
    return true;
}

static node_id tensordot_emit(struct tape *t, const struct op_arg *args) {
    const node_id a = args[0].node, b = args[1].node;
    const struct op_arg *axes = &args[2];
    if (a == NODE_NONE || b == NODE_NONE) return NODE_NONE;
    const int rank_a = tape_shape(t, a)->rank, rank_b = tape_shape(t, b)->rank;
    const size_t n = (size_t)axes->i;
    struct contraction c = {.n = 0};
    if (!axes->b)
        return count_axes(t, axes->i, rank_a, rank_b, &c) ? contract(t, "tensordot", a, b, &c)
                                                          : NODE_NONE;
    if (axes->n != 2 * n)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "tensordot: Different number of contraction axes `a` and `b`, %zu != %zu.",
                         n, axes->n - n);
    const size_t most = (size_t)(rank_a < rank_b ? rank_a : rank_b);
    if (n > most)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "tensordot: %zu axes are named of tensors of rank %d and %d", n, rank_a,
                         rank_b);
    c.n = (int)n;
    if (!read_axes(t, axes->ints, n, rank_a, c.a) || !read_axes(t, axes->ints + n, n, rank_b, c.b))
        return NODE_NONE;
    return contract(t, "tensordot", a, b, &c);
}
const struct op op_tensordot = {
    .name = "tensordot",
    .notation = "y = sum over axes of a and b together: the last n of a with the first n of b, or "
                "pairs",
    .kind = OP_COMPOSITE,
    .params = {{"a", PARAM_TENSOR, false}, {"b", PARAM_TENSOR, false}, {"axes", PARAM_AXES, false}},
    .dtypes = DTYPES_NUMBERS,
    .emit = tensordot_emit};

/* NumPy's: scalars multiply, else the last axis of a is summed with axis `of_b` of b, from its end. */
static node_id last_axes(struct tape *t, const char *op, const struct op_arg *args, int of_b) {
    const node_id a = args[0].node, b = args[1].node;
    if (a == NODE_NONE || b == NODE_NONE) return NODE_NONE;
    const int rank_a = tape_shape(t, a)->rank, rank_b = tape_shape(t, b)->rank;
    if (rank_a == 0 || rank_b == 0) return emit_multiply(t, a, b);
    const struct contraction c = {1, {rank_a - 1}, {rank_b < of_b ? 0 : rank_b - of_b}};
    return contract(t, op, a, b, &c);
}
static node_id dot_emit(struct tape *t, const struct op_arg *args) {
    return last_axes(t, "dot", args, 2);
}
static node_id inner_emit(struct tape *t, const struct op_arg *args) {
    return last_axes(t, "inner", args, 1);
}
static node_id vdot_emit(struct tape *t, const struct op_arg *args) {
    struct op_arg flat[2] = {args[0], args[1]};
    for (int i = 0; i < 2; i++) {
        if (flat[i].node == NODE_NONE) return NODE_NONE;
        const struct shape line = {.rank = 1, .dim = {shape_count(tape_shape(t, flat[i].node))}};
        flat[i].node = emit_reshape(t, flat[i].node, &line);
    }
    return last_axes(t, "vdot", flat, 1);
}

#define OF_TWO(id, text)                                                                           \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = {{"a", PARAM_TENSOR, false}, {"b", PARAM_TENSOR, false}}, \
                               .dtypes = DTYPES_NUMBERS,                                           \
                               .emit = id##_emit};
OF_TWO(dot, "NumPy's: the last axis of a is summed with the last but one of b, or its only one")
OF_TWO(inner, "NumPy's: the last axis of a is summed with the last of b")
OF_TWO(vdot, "y = sum_i a_i b_i of the elements in order")

/* ---- matvec ------------------------------------------------------------------------------------ */

static node_id matvec_emit(struct tape *t, const struct op_arg *args) {
    const node_id a = args[0].node, b = args[1].node;
    const bool turned = args[2].given && args[2].b;
    if (a == NODE_NONE || b == NODE_NONE) return NODE_NONE;
    const struct shape *matrix = tape_shape(t, a);
    struct shape column = *tape_shape(t, b);
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    if (matrix->rank < 2 || column.rank < 1 ||
        matrix->dim[matrix->rank - (turned ? 2 : 1)] != column.dim[column.rank - 1])
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "matvec: a of shape %s%s is no matrix for vectors b of shape %s",
                         shape_text(matrix, x), turned ? " (transposed)" : "",
                         shape_text(&column, y));
    if (column.rank == RANK_MAX)
        return tape_fail(t, ERROR_GRAPH_TOO_LARGE, "matvec: b has rank %d; at most %d is allowed",
                         column.rank, RANK_MAX - 1);
    column.dim[column.rank++] = 1;
    const node_id product = emit_matmul(t, a, emit_reshape(t, b, &column), turned, false);
    if (product == NODE_NONE) return NODE_NONE;
    struct shape result = *tape_shape(t, product);
    result.rank--;
    return emit_reshape(t, product, &result);
}
const struct op op_matvec = {.name = "matvec",
                             .notation = "y_..i = sum_j a_..ij b_..j",
                             .kind = OP_COMPOSITE,
                             .params = {{"a", PARAM_TENSOR, false},
                                        {"b", PARAM_TENSOR, false},
                                        {"transpose_a", PARAM_BOOL, true}},
                             .dtypes = DTYPES_NUMBERS,
                             .emit = matvec_emit};

/* ---- cross ------------------------------------------------------------------------------------- */

/* The three components from number `first` on, in a ring. */
static node_id turned(struct tape *t, node_id x, int64_t first) {
    struct shape head = *tape_shape(t, x), tail = head;
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    const int last = head.rank - 1;
    for (int i = 0; i < head.rank; i++) stride[i] = 1;
    head.dim[last] = 3 - first;
    tail.dim[last] = first;
    begin[last] = first;
    const node_id from_first = emit_strided_slice(t, x, &head, begin, stride);
    begin[last] = 0;
    const node_id parts[2] = {from_first, emit_strided_slice(t, x, &tail, begin, stride)};
    return emit_concat(t, parts, 2, last);
}
static node_id cross_emit(struct tape *t, const struct op_arg *args) {
    const node_id a = args[0].node, b = args[1].node;
    if (a == NODE_NONE || b == NODE_NONE) return NODE_NONE;
    const struct shape *shape = tape_shape(t, a);
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    if (!shape_equal(shape, tape_shape(t, b)))
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "cross: Both inputs must be of same shape: %s vs. %s",
                         shape_text(shape, x), shape_text(tape_shape(t, b), y));
    if (shape->rank == 0 || shape->dim[shape->rank - 1] != 3)
        return tape_fail(
            t, ERROR_SHAPE_MISMATCH,
            "cross: Cross-products are only defined for 3-element vectors; found shape "
            "%s",
            shape_text(shape, x));
    return emit_subtract(t, emit_multiply(t, turned(t, a, 1), turned(t, b, 2)),
                         emit_multiply(t, turned(t, a, 2), turned(t, b, 1)));
}
OF_TWO(cross, "y = a x b of the 3-vectors along the last axis; a' = b x g, b' = g x a")
