/* Diagonals and triangles of matrices. A diagonal is a strided slice of the matrix laid out flat, so
 * that everything here is composed; of what a matrix means it knows nothing. */
#include "core/diagonal.h"

#include <inttypes.h>

int64_t diagonal_length(int64_t rows, int64_t cols, int64_t k) {
    const int64_t n =
        k >= 0 ? (cols - k < rows ? cols - k : rows) : (rows + k < cols ? rows + k : cols);
    return n > 0 ? n : 0;
}
/* Where diagonal k begins in the flat layout of the matrix. */
static int64_t diagonal_begin(int64_t cols, int64_t k) { return k >= 0 ? k : -k * cols; }

/* The last two axes of a shape as one, `count` long. */
static struct shape flat_matrix(const struct shape *s, int64_t count) {
    struct shape flat = *s;
    flat.rank = s->rank - 1;
    flat.dim[flat.rank - 1] = count;
    return flat;
}

node_id emit_diagonal_of(struct tape *t, node_id x, int64_t k) {
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    const int64_t rows = from->dim[from->rank - 2], cols = from->dim[from->rank - 1];
    struct shape flat = flat_matrix(from, rows * cols);
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    for (int i = 0; i < flat.rank; i++) stride[i] = 1;
    begin[flat.rank - 1] = diagonal_begin(cols, k);
    stride[flat.rank - 1] = cols + 1;
    x = emit_reshape(t, x, &flat);
    flat.dim[flat.rank - 1] = diagonal_length(rows, cols, k);
    if (flat.dim[flat.rank - 1] == 0) begin[flat.rank - 1] = 0;
    return emit_strided_slice(t, x, &flat, begin, stride);
}
node_id emit_diagonal_in(struct tape *t, node_id x, int64_t rows, int64_t cols, int64_t k) {
    if (x == NODE_NONE) return NODE_NONE;
    struct shape flat = *tape_shape(t, x), matrix = flat;
    if (matrix.rank == RANK_MAX)
        return tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                         "diag: the result has rank %d; at most %d is allowed", matrix.rank + 1,
                         RANK_MAX);
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    for (int i = 0; i < flat.rank; i++) stride[i] = 1;
    matrix.rank++;
    matrix.dim[flat.rank - 1] = rows;
    matrix.dim[flat.rank] = cols;
    if (flat.dim[flat.rank - 1] > 0) begin[flat.rank - 1] = diagonal_begin(cols, k);
    stride[flat.rank - 1] = cols + 1;
    flat.dim[flat.rank - 1] = rows * cols;
    return emit_reshape(t, emit_slice_grad(t, x, &flat, begin, stride), &matrix);
}
bool is_matrix(struct tape *t, const char *op, node_id x) {
    char text[SHAPE_TEXT];
    if (x == NODE_NONE) return false;
    if (tape_shape(t, x)->rank >= 2) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: input must be at least 2-dim, received shape: %s", op,
              shape_text(tape_shape(t, x), text));
    return false;
}
node_id emit_band_mask(struct tape *t, int64_t rows, int64_t cols, int64_t low, int64_t high) {
    const struct shape shape = {.rank = 2, .dim = {rows, cols}};
    int64_t count;
    if (!shape_count_within(&shape, t->limits.elements, &count)) {
        char text[SHAPE_TEXT];
        return tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                         "a mask of shape %s has more than the %" PRId64
                         " elements a tensor may have",
                         shape_text(&shape, text), t->limits.elements);
    }
    uint8_t *mask = arena_alloc(t->arena, (size_t)count + 1);
    if (!mask) return tape_fail_memory(t, "the mask of a band"), NODE_NONE;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) mask[i * cols + j] = j - i >= low && j - i <= high;
    return tape_const(t, DTYPE_BOOL, &shape, mask);
}

node_id emit_band(struct tape *t, node_id x, int64_t low, int64_t high) {
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    const node_id mask =
        emit_band_mask(t, from->dim[from->rank - 2], from->dim[from->rank - 1], low, high);
    return emit_where(t, mask, x, emit_like(t, x, 0));
}

static node_id band_part_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (!is_matrix(t, "band_part", x)) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    const int64_t rows = from->dim[from->rank - 2], cols = from->dim[from->rank - 1];
    const int64_t lower = args[1].i, upper = args[2].i;
    if (lower > rows)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "band_part: num_lower must be negative or less or equal to number of rows "
                         "(%" PRId64 ") got: %" PRId64,
                         rows, lower);
    if (upper > cols)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "band_part: num_upper must be negative or less or equal to number of "
                         "columns (%" PRId64 ") got: %" PRId64,
                         cols, upper);
    return emit_band(t, x, lower < 0 ? -rows : -lower, upper < 0 ? cols : upper);
}
const struct op op_band_part = {
    .name = "band_part",
    .notation = "y_..ij = x_..ij where i - j <= num_lower and j - i <= num_upper, else 0; negative "
                "keeps all",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false},
               {"num_lower", PARAM_INT, false},
               {"num_upper", PARAM_INT, false}},
    .dtypes = DTYPES_ALL,
    .emit = band_part_emit};

static node_id tril_emit(struct tape *t, const struct op_arg *args) {
    const int64_t k = args[1].given ? args[1].i : 0;
    return is_matrix(t, "tril", args[0].node) ? emit_band(t, args[0].node, INT64_MIN, k)
                                              : NODE_NONE;
}
static node_id triu_emit(struct tape *t, const struct op_arg *args) {
    const int64_t k = args[1].given ? args[1].i : 0;
    return is_matrix(t, "triu", args[0].node) ? emit_band(t, args[0].node, k, INT64_MAX)
                                              : NODE_NONE;
}
const struct op op_tril = {.name = "tril",
                           .notation = "y_..ij = x_..ij where j - i <= k, else 0",
                           .kind = OP_COMPOSITE,
                           .params = {{"m", PARAM_TENSOR, false}, {"k", PARAM_INT, true}},
                           .preset = {[1] = "0"},
                           .dtypes = DTYPES_ALL,
                           .emit = tril_emit};
const struct op op_triu = {.name = "triu",
                           .notation = "y_..ij = x_..ij where j - i >= k, else 0",
                           .kind = OP_COMPOSITE,
                           .params = {{"m", PARAM_TENSOR, false}, {"k", PARAM_INT, true}},
                           .preset = {[1] = "0"},
                           .dtypes = DTYPES_ALL,
                           .emit = triu_emit};

static node_id trace_emit(struct tape *t, const struct op_arg *args) {
    if (!is_matrix(t, "trace", args[0].node)) return NODE_NONE;
    node_id d = emit_diagonal_of(t, args[0].node, 0);
    if (d == NODE_NONE) return NODE_NONE;
    return emit_reduce(t, OP_reduce_sum, d, 1u << (tape_shape(t, d)->rank - 1), false);
}
const struct op op_trace = {.name = "trace",
                            .notation = "y_.. = sum_i x_..ii; dx = g on the diagonal",
                            .kind = OP_COMPOSITE,
                            .params = {{"x", PARAM_TENSOR, false}},
                            .dtypes = DTYPES_NUMBERS,
                            .emit = trace_emit};

/* ---- eye --------------------------------------------------------------------------------------- */

static node_id eye_emit(struct tape *t, const struct op_arg *args) {
    const int64_t rows = args[0].i, cols = args[1].given ? args[1].i : rows;
    if (rows < 0 || cols < 0 || rows > SIDE_MAX || cols > SIDE_MAX)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "eye: num_rows and num_columns must be from 0 to %d, found %" PRId64
                         " and %" PRId64,
                         SIDE_MAX, rows, cols);
    const struct shape ones = {.rank = 1, .dim = {diagonal_length(rows, cols, 0)}};
    return emit_diagonal_in(t, tape_fill(t, args[2].dtype, &ones, 1), rows, cols, 0);
}
const struct op op_eye = {.name = "eye",
                          .notation = "y_ij = 1 where i = j, else 0",
                          .kind = OP_COMPOSITE,
                          .params = {{"num_rows", PARAM_INT, false},
                                     {"num_columns", PARAM_INT, true},
                                     {"dtype", PARAM_DTYPE, true}},
                          .emit = eye_emit};

/* ---- outer, kron ------------------------------------------------------------------------------- */

static node_id outer_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, y = args[1].node;
    if (x == NODE_NONE || y == NODE_NONE) return NODE_NONE;
    const struct shape column = {.rank = 2, .dim = {shape_count(tape_shape(t, x)), 1}};
    const struct shape row = {.rank = 2, .dim = {1, shape_count(tape_shape(t, y))}};
    return emit_multiply(t, emit_reshape(t, x, &column), emit_reshape(t, y, &row));
}
const struct op op_outer = {.name = "outer",
                            .notation = "y_ij = a_i b_j of the elements in order",
                            .kind = OP_COMPOSITE,
                            .params = {{"a", PARAM_TENSOR, false}, {"b", PARAM_TENSOR, false}},
                            .dtypes = DTYPES_NUMBERS,
                            .emit = outer_emit};

static node_id kron_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, y = args[1].node;
    if (x == NODE_NONE || y == NODE_NONE) return NODE_NONE;
    const struct shape *a = tape_shape(t, x), *b = tape_shape(t, y);
    const int rank = a->rank > b->rank ? a->rank : b->rank;
    struct shape left = {.rank = 2 * rank}, right = left, joint = {.rank = rank};
    if (2 * rank > RANK_MAX)
        return tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                         "kron: arguments of rank %d; at most %d is "
                         "allowed",
                         rank, RANK_MAX / 2);
    for (int i = 0; i < rank; i++) {
        left.dim[2 * i] = i < rank - a->rank ? 1 : a->dim[i - (rank - a->rank)];
        right.dim[2 * i + 1] = i < rank - b->rank ? 1 : b->dim[i - (rank - b->rank)];
        left.dim[2 * i + 1] = right.dim[2 * i] = 1;
    }
    const node_id product = emit_multiply(t, emit_reshape(t, x, &left), emit_reshape(t, y, &right));
    if (product == NODE_NONE) return NODE_NONE;
    for (int i = 0; i < rank; i++) joint.dim[i] = left.dim[2 * i] * right.dim[2 * i + 1];
    return emit_reshape(t, product, &joint);
}
const struct op op_kron = {.name = "kron",
                           .notation = "y = the blocks a_ij b side by side",
                           .kind = OP_COMPOSITE,
                           .params = {{"a", PARAM_TENSOR, false}, {"b", PARAM_TENSOR, false}},
                           .dtypes = DTYPES_NUMBERS,
                           .emit = kron_emit};
