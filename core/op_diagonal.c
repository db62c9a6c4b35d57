/* Diagonals and triangles of matrices. A diagonal is a strided slice of the matrix laid out flat, so
 * that everything here is composed; of what a matrix means it knows nothing. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"

/* Where diagonal k of a rows x cols matrix begins in its flat layout, and how long it is. */
static int64_t diagonal_length(int64_t rows, int64_t cols, int64_t k) {
    const int64_t n =
        k >= 0 ? (cols - k < rows ? cols - k : rows) : (rows + k < cols ? rows + k : cols);
    return n > 0 ? n : 0;
}
static int64_t diagonal_begin(int64_t cols, int64_t k) { return k >= 0 ? k : -k * cols; }

/* The last two axes of a shape as one, `count` long. */
static struct shape flat_matrix(const struct shape *s, int64_t count) {
    struct shape flat = *s;
    flat.rank = s->rank - 1;
    flat.dim[flat.rank - 1] = count;
    return flat;
}

static node_id diagonal_of(struct tape *t, node_id x, int64_t k) {
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
/* The adjoint: x, whose last axis has the diagonal's length, in zeros of shape (..., rows, cols). */
static node_id diagonal_in(struct tape *t, node_id x, int64_t rows, int64_t cols, int64_t k) {
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
static bool check_matrix(struct tape *t, const char *op, node_id x) {
    char text[SHAPE_TEXT];
    if (x == NODE_NONE) return false;
    if (tape_shape(t, x)->rank >= 2) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: input must be at least 2-dim, received shape: %s", op,
              shape_text(tape_shape(t, x), text));
    return false;
}
static bool check_k(struct tape *t, const char *op, const struct op_arg *arg, int64_t most) {
    if (!arg->given || (arg->i >= -most && arg->i <= most)) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: k is %" PRId64 " where -%" PRId64 " to %" PRId64 " is allowed", op, arg->i, most,
              most);
    return false;
}

/* ---- diag, diag_part, set_diag, trace ---------------------------------------------------------- */

enum { SIDE_MAX = 1 << 30 }; /* so that a matrix of that side can be counted in 64 bits */

static node_id diag_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    if (from->rank == 0)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "diag: diagonal must be at least 1-dim, received shape: ()");
    if (!check_k(t, "diag", &args[1], SIDE_MAX)) return NODE_NONE;
    const int64_t k = args[1].given ? args[1].i : 0;
    const int64_t side = from->dim[from->rank - 1] + (k < 0 ? -k : k);
    return diagonal_in(t, x, side, side, k);
}
const struct op op_diag = {.name = "diag",
                           .notation =
                               "y_..ij = x_..i where j = i + k, else 0; dx is the diagonal of g",
                           .kind = OP_COMPOSITE,
                           .params = {{"diagonal", PARAM_TENSOR, false}, {"k", PARAM_INT, true}},
                           .preset = {[1] = "0"},
                           .dtypes = DTYPES_ALL,
                           .emit = diag_emit};

static node_id diag_part_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (!check_matrix(t, "diag_part", x)) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    const int64_t rows = from->dim[from->rank - 2], cols = from->dim[from->rank - 1];
    const int64_t k = args[1].given ? args[1].i : 0;
    char text[SHAPE_TEXT];
    if (k != 0 && (k >= cols || k <= -rows))
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "diag_part: lower_diag_index is out of bound: %" PRId64
                         " for shape %s; it must be between %" PRId64 " and %" PRId64,
                         k, shape_text(from, text), 1 - rows, cols - 1);
    return diagonal_of(t, x, k);
}
const struct op op_diag_part = {.name = "diag_part",
                                .notation =
                                    "y_..i = x_..i,i+k; dx is g on that diagonal and 0 elsewhere",
                                .kind = OP_COMPOSITE,
                                .params = {{"input", PARAM_TENSOR, false}, {"k", PARAM_INT, true}},
                                .preset = {[1] = "0"},
                                .dtypes = DTYPES_ALL,
                                .emit = diag_part_emit};

/* True on the diagonals from `low` to `high`, counted upward from the main one. */
static node_id band_mask(struct tape *t, int64_t rows, int64_t cols, int64_t low, int64_t high) {
    const struct shape shape = {.rank = 2, .dim = {rows, cols}};
    uint8_t *mask = arena_alloc(t->arena, (size_t)(rows * cols) + 1);
    if (!mask)
        return tape_fail(t, ERROR_MEMORY_BUDGET,
                         "band_part: no memory for a mask of %" PRId64 " elements", rows * cols);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) mask[i * cols + j] = j - i >= low && j - i <= high;
    return tape_const(t, DTYPE_BOOL, &shape, mask);
}

static node_id set_diag_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, d = args[1].node;
    if (!check_matrix(t, "set_diag", x) || d == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    const int64_t rows = from->dim[from->rank - 2], cols = from->dim[from->rank - 1];
    const struct shape expected = flat_matrix(from, diagonal_length(rows, cols, 0));
    char input[SHAPE_TEXT], found[SHAPE_TEXT], wanted[SHAPE_TEXT];
    if (!shape_equal(tape_shape(t, d), &expected))
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "set_diag: input shape %s needs a diagonal of shape %s, found %s",
                         shape_text(from, input), shape_text(&expected, wanted),
                         shape_text(tape_shape(t, d), found));
    return emit_where(t, band_mask(t, rows, cols, 0, 0), diagonal_in(t, d, rows, cols, 0), x);
}
const struct op op_set_diag = {
    .name = "set_diag",
    .notation = "y = x with another main diagonal; dx is g without it, d(diagonal) is that of g",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false}, {"diagonal", PARAM_TENSOR, false}},
    .dtypes = DTYPES_ALL,
    .emit = set_diag_emit};

node_id emit_band(struct tape *t, node_id x, int64_t low, int64_t high) {
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    const node_id mask =
        band_mask(t, from->dim[from->rank - 2], from->dim[from->rank - 1], low, high);
    return emit_where(t, mask, x, emit_like(t, x, 0));
}

static node_id band_part_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (!check_matrix(t, "band_part", x)) return NODE_NONE;
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
    return check_matrix(t, "tril", args[0].node) ? emit_band(t, args[0].node, INT64_MIN, k)
                                                 : NODE_NONE;
}
static node_id triu_emit(struct tape *t, const struct op_arg *args) {
    const int64_t k = args[1].given ? args[1].i : 0;
    return check_matrix(t, "triu", args[0].node) ? emit_band(t, args[0].node, k, INT64_MAX)
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
    if (!check_matrix(t, "trace", args[0].node)) return NODE_NONE;
    node_id d = diagonal_of(t, args[0].node, 0);
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
    return diagonal_in(t, tape_fill(t, args[2].dtype, &ones, 1), rows, cols, 0);
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
