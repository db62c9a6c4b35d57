/* What the factorizations share. A node has one result, so that a factorization is one packed node and
 * what users get are slices of it; rules see the packed cotangent. Knows no factorization. */
#include "core/op_spectral.h"

#include <inttypes.h>

#include "core/kernels/spectral.h"

bool matrix_check(struct tape *t, const char *op, node_id x, bool square) {
    char text[SHAPE_TEXT];
    if (x == NODE_NONE) return false;
    const struct shape *s = tape_shape(t, x);
    if (!dtype_is_float(tape_dtype(t, x))) {
        tape_fail(t, ERROR_DTYPE_MISMATCH,
                  "%s: a %s tensor was found where one of float32, float64 is expected", op,
                  dtype_name(tape_dtype(t, x)));
        return false;
    }
    if (s->rank < 2) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: Input tensor 0 must have rank >= 2, got %d; its shape is %s", op, s->rank,
                  shape_text(s, text));
        return false;
    }
    const int64_t m = s->dim[s->rank - 2], n = s->dim[s->rank - 1];
    if (square && m != n) {
        tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: Input matrix must be square; its shape is %s", op,
                  shape_text(s, text));
        return false;
    }
    if (m <= SPECTRAL_SIDE_MAX && n <= SPECTRAL_SIDE_MAX) return true;
    tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
              "%s: shape %s has a matrix of more than %d rows or columns", op, shape_text(s, text),
              SPECTRAL_SIDE_MAX);
    return false;
}

struct shape matrix_shape(const struct tape *t, node_id x, int64_t rows, int64_t columns) {
    struct shape s = *tape_shape(t, x);
    s.dim[s.rank - 2] = rows;
    s.dim[s.rank - 1] = columns;
    return s;
}

struct shape factor_shape(const struct shape *x, int64_t elements) {
    struct shape s = *x;
    s.rank--;
    s.dim[s.rank - 1] = elements;
    return s;
}

/* Places begin, .., begin + n - 1 of the last axis. */
static node_id last_axis(struct tape *t, node_id x, int64_t begin, int64_t n) {
    if (x == NODE_NONE) return NODE_NONE;
    struct shape s = *tape_shape(t, x);
    int64_t begins[RANK_MAX] = {0}, strides[RANK_MAX];
    const int last = s.rank - 1;
    if (begin == 0 && s.dim[last] == n) return x;
    for (int i = 0; i < s.rank; i++) strides[i] = 1;
    s.dim[last] = n;
    begins[last] = n ? begin : 0;
    return emit_strided_slice(t, x, &s, begins, strides);
}

node_id factor_take(struct tape *t, node_id packed, int64_t *at, const struct shape *shape) {
    if (packed == NODE_NONE) return NODE_NONE;
    int64_t elements = 1;
    for (int i = tape_shape(t, packed)->rank - 1; i < shape->rank; i++) elements *= shape->dim[i];
    const node_id flat = last_axis(t, packed, *at, elements);
    *at += elements;
    return emit_reshape(t, flat, shape);
}

node_id factor_pack(struct tape *t, const node_id *factors, uint32_t n, int leading) {
    node_id flat[3];
    for (uint32_t k = 0; k < n; k++) {
        if (factors[k] == NODE_NONE) return NODE_NONE;
        struct shape s = *tape_shape(t, factors[k]);
        for (int i = leading + 1; i < s.rank; i++) s.dim[leading] *= s.dim[i];
        s.rank = leading + 1;
        flat[k] = emit_reshape(t, factors[k], &s);
    }
    return n == 1 ? flat[0] : emit_concat(t, flat, n, leading);
}

node_id *factor_results(struct tape *t, const char *op, size_t n) {
    node_id *results = arena_alloc(t->arena, n * sizeof *results);
    if (!results) tape_fail_memory(t, op);
    return results;
}

node_id factor_batch(struct tape *t, node_id y, const node_id *x, const bool *batched, int64_t n) {
    (void)batched, (void)n;
    const struct node node = *tape_node(t, y);
    return tape_emit(t, node.op, x, 1, node.attrs, node.attrs_size);
}

/* ---- matrices ---------------------------------------------------------------------------------- */

node_id emit_columns(struct tape *t, node_id x, int64_t begin, int64_t n) {
    return last_axis(t, x, begin, n);
}

static node_id with_one(struct tape *t, node_id x, bool row) {
    if (x == NODE_NONE) return NODE_NONE;
    struct shape s = *tape_shape(t, x);
    const int64_t n = s.dim[s.rank - 1];
    s.dim[s.rank - 1] = row ? 1 : n;
    s.dim[s.rank++] = row ? n : 1;
    return emit_reshape(t, x, &s);
}
node_id emit_as_row(struct tape *t, node_id x) { return with_one(t, x, true); }
node_id emit_as_column(struct tape *t, node_id x) { return with_one(t, x, false); }

node_id emit_index_mask(struct tape *t, int op, int64_t n) {
    int32_t *index = arena_alloc(t->arena, ((size_t)n + 1) * sizeof *index);
    if (!index) {
        tape_fail_memory(t, "the graph");
        return NODE_NONE;
    }
    for (int64_t i = 0; i < n; i++) index[i] = (int32_t)i;
    const node_id row = tape_const(t, DTYPE_I32, &(struct shape){.rank = 2, .dim = {1, n}}, index);
    return emit2(t, op, emit_reshape(t, row, &(struct shape){.rank = 2, .dim = {n, 1}}), row);
}

node_id emit_column_products(struct tape *t, node_id x, node_id y) {
    const node_id products = emit_multiply(t, x, y);
    if (products == NODE_NONE) return NODE_NONE;
    return emit_reduce(t, OP_reduce_sum, products, 1u << (tape_shape(t, products)->rank - 2),
                       false);
}

node_id emit_safe_reciprocal(struct tape *t, node_id x) {
    const node_id tiny = emit_like(t, x, 1e-20);
    return emit_multiply(t, x, emit_reciprocal(t, emit_add(t, emit_square(t, x), tiny)));
}

node_id emit_gaps(struct tape *t, node_id x) {
    if (x == NODE_NONE) return NODE_NONE;
    const node_id gaps = emit_subtract(t, emit_as_row(t, x), emit_as_column(t, x));
    const node_id off =
        emit_index_mask(t, OP_not_equal, tape_shape(t, x)->dim[tape_shape(t, x)->rank - 1]);
    return emit_where(t, off, emit_safe_reciprocal(t, gaps), emit_like(t, x, 0));
}
