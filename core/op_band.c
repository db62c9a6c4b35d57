/* Several diagonals beside each other: made to matrices, taken from them, and put into them, as TensorFlow
 * packs them (MatrixDiagV3): row d is diagonal upper - d, the shorter ones aligned left or right. One
 * diagonal alone is a strided slice (op_diagonal.c); more are one gather by places known when the graph
 * is built. */
#include <inttypes.h>
#include <string.h>

#include "core/diagonal.h"

struct band {
    int64_t lower, upper;
    int64_t rows, cols;
    int64_t length;                /* of the longest diagonal */
    bool right_above, right_below; /* where shorter ones stand, above and below the main diagonal */
};

static bool is_many(const struct band *b) { return b->lower < b->upper; }
static int64_t n_diagonals(const struct band *b) { return b->upper - b->lower + 1; }

static bool read_align(struct tape *t, const char *op, const struct op_arg *align, struct band *b) {
    static const char *const names[] = {"LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(align->given ? align->string : "RIGHT_LEFT", names[i]) != 0) continue;
        b->right_above = i & 2;
        b->right_below = i & 1;
        return true;
    }
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: align must be LEFT_RIGHT, RIGHT_LEFT, LEFT_LEFT or RIGHT_RIGHT, found %.40s", op,
              align->string);
    return false;
}
static bool read_band(struct tape *t, const char *op, const struct op_arg *k,
                      const struct op_arg *align, struct band *b) {
    const size_t n = k->given ? k->n : 1;
    if (n == 1 || n == 2) {
        b->lower = k->given ? k->ints[0] : 0;
        b->upper = k->given ? k->ints[n - 1] : 0;
        if (b->lower >= -SIDE_MAX && b->upper <= SIDE_MAX && b->lower <= b->upper)
            return read_align(t, op, align, b);
        if (b->lower > b->upper)
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      "%s: lower_diag_index must not be larger than upper_diag_index: %" PRId64
                      " > %" PRId64,
                      op, b->lower, b->upper);
        else
            tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: k is %" PRId64 " where -%d to %d is allowed",
                      op, b->lower < -SIDE_MAX ? b->lower : b->upper, SIDE_MAX, SIDE_MAX);
        return false;
    }
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: k must be one integer or two, the lower and the upper; found %zu", op, n);
    return false;
}

/* Of the matrices that are read or written: both ends of the band must lie in them. */
static bool band_of(struct tape *t, const char *op, node_id x, struct band *b) {
    const struct shape *from = tape_shape(t, x);
    b->rows = from->dim[from->rank - 2];
    b->cols = from->dim[from->rank - 1];
    b->length = diagonal_length(b->rows + (b->upper < 0 ? b->upper : 0),
                                b->cols - (b->lower > 0 ? b->lower : 0), 0);
    for (int i = 0; i < 2; i++) {
        const int64_t k = i ? b->upper : b->lower;
        char text[SHAPE_TEXT];
        if (k == 0 || (k < b->cols && k > -b->rows)) continue;
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: %s_diag_index is out of bound: %" PRId64
                  " for shape %s; it must be between %" PRId64 " and %" PRId64,
                  op, i ? "upper" : "lower", k, shape_text(from, text), 1 - b->rows, b->cols - 1);
        return false;
    }
    return true;
}

/* How many places of the row of diagonal k are free in front of it. */
static int64_t free_places(const struct band *b, int64_t k) {
    const bool left = (k >= 0 && !b->right_above) || (k <= 0 && !b->right_below);
    return left ? 0 : b->length - diagonal_length(b->rows, b->cols, k);
}

static int32_t *places(struct tape *t, const char *op, const struct shape *shape) {
    int64_t count;
    if (!shape_count_within(shape, t->limits.elements, &count)) {
        char text[SHAPE_TEXT];
        tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                  "%s: a result of shape %s is larger than the %" PRId64
                  " elements a tensor may have",
                  op, shape_text(shape, text), t->limits.elements);
        return NULL;
    }
    int32_t *at = arena_alloc(t->arena, (size_t)(count + 1) * sizeof *at);
    if (!at) tape_fail_memory(t, op);
    return at;
}

/* For every place of the packed diagonals its element in the matrix laid out flat; -1: none. */
static node_id places_in_matrix(struct tape *t, const char *op, const struct band *b) {
    const struct shape shape = {.rank = 2, .dim = {n_diagonals(b), b->length}};
    int32_t *places_of = places(t, op, &shape), *at = places_of;
    if (!at) return NODE_NONE;
    for (int64_t k = b->upper; k >= b->lower; k--) {
        const int64_t n = diagonal_length(b->rows, b->cols, k), skip = free_places(b, k);
        const int64_t begin = k >= 0 ? k : -k * b->cols;
        for (int64_t i = -skip; i < b->length - skip; i++)
            *at++ = i < 0 || i >= n ? -1 : (int32_t)(begin + i * (b->cols + 1));
    }
    return tape_const(t, DTYPE_I32, &shape, places_of);
}
/* The other way round. */
static node_id places_in_diagonals(struct tape *t, const char *op, const struct band *b) {
    const struct shape shape = {.rank = 2, .dim = {b->rows, b->cols}};
    int32_t *places_of = places(t, op, &shape), *at = places_of;
    if (!at) return NODE_NONE;
    for (int64_t i = 0; i < b->rows; i++) {
        for (int64_t j = 0; j < b->cols; j++, at++) {
            const int64_t k = j - i, row = (b->upper - k) * b->length;
            const bool inside = k >= b->lower && k <= b->upper;
            *at = inside ? (int32_t)(row + free_places(b, k) + (k < 0 ? j : i)) : -1;
        }
    }
    return tape_const(t, DTYPE_I32, &shape, places_of);
}

/* The last two axes of x laid out anew by places in them; 0 where there is none. */
static node_id laid_out(struct tape *t, const char *op, node_id x, node_id places_of) {
    if (x == NODE_NONE || places_of == NODE_NONE) return NODE_NONE;
    struct shape flat = *tape_shape(t, x);
    flat.rank--;
    flat.dim[flat.rank - 1] *= flat.dim[flat.rank];
    return emit_gather(t, op, INDEX_DROPS, emit_reshape(t, x, &flat), places_of, flat.rank - 1, 0);
}

/* y where `inside`, else padding_value, which has no gradient in TensorFlow. */
static node_id padded(struct tape *t, const char *op, node_id y, node_id inside,
                      const struct op_arg *padding) {
    char text[SHAPE_TEXT];
    if (!padding->given || y == NODE_NONE || padding->node == NODE_NONE) return y;
    if (tape_shape(t, padding->node)->rank > 0)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "%s: padding_value must be a scalar. Found shape %s", op,
                         shape_text(tape_shape(t, padding->node), text));
    return emit_where(t, inside, y, emit1(t, OP_stop_gradient, padding->node));
}

/* ---- diag -------------------------------------------------------------------------------------- */

/* The matrix that has room for the diagonals; num_rows and num_columns may say more of one side. */
static bool diag_sides(struct tape *t, const struct op_arg *rows, const struct op_arg *cols,
                       struct band *b) {
    const int64_t least_rows = b->length - (b->upper < 0 ? b->upper : 0);
    const int64_t least_cols = b->length + (b->lower > 0 ? b->lower : 0);
    const bool has_rows = rows->given && rows->i != -1, has_cols = cols->given && cols->i != -1;
    const int64_t square = least_rows > least_cols ? least_rows : least_cols;
    b->rows = has_rows ? rows->i : has_cols ? least_rows : square;
    b->cols = has_cols ? cols->i : has_rows ? least_cols : square;
    if (b->rows < least_rows || b->cols < least_cols)
        tape_fail(
            t, ERROR_INVALID_ARGUMENT,
            "diag: The number of %s is too small: %" PRId64 ", at least %" PRId64 " are needed",
            b->rows < least_rows ? "rows" : "columns", b->rows < least_rows ? b->rows : b->cols,
            b->rows < least_rows ? least_rows : least_cols);
    else if (b->rows > SIDE_MAX || b->cols > SIDE_MAX)
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "diag: num_rows and num_cols may be at most %d, found %" PRId64 " and %" PRId64,
                  SIDE_MAX, b->rows, b->cols);
    else if (b->rows != least_rows && b->cols != least_cols)
        tape_fail(
            t, ERROR_INVALID_ARGUMENT,
            "diag: The number of rows or columns is not consistent with the specified d_lower, "
            "d_upper, and diagonal: %" PRId64 " and %" PRId64 " where one of %" PRId64
            " and %" PRId64 " is expected",
            b->rows, b->cols, least_rows, least_cols);
    else
        return true;
    return false;
}
static node_id diag_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    struct band b;
    char text[SHAPE_TEXT];
    if (x == NODE_NONE || !read_band(t, "diag", &args[1], &args[5], &b)) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    if (from->rank == 0 || (from->rank == 1 && is_many(&b)))
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "diag: diagonal must be at least %d-dim, received shape: %s",
                         is_many(&b) ? 2 : 1, shape_text(from, text));
    b.length = from->dim[from->rank - 1];
    if (is_many(&b) && from->dim[from->rank - 2] != n_diagonals(&b))
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "diag: The number of diagonals provided in the input does not match the "
                         "lower_diag_index and upper_diag_index range: shape %s for %" PRId64
                         " diagonals",
                         shape_text(from, text), n_diagonals(&b));
    if (!diag_sides(t, &args[2], &args[3], &b)) return NODE_NONE;
    const node_id y = is_many(&b) ? laid_out(t, "diag", x, places_in_diagonals(t, "diag", &b))
                                  : emit_diagonal_in(t, x, b.rows, b.cols, b.lower);
    if (!args[4].given || y == NODE_NONE) return y;
    return padded(t, "diag", y, emit_band_mask(t, b.rows, b.cols, b.lower, b.upper), &args[4]);
}
const struct op op_diag = {
    .name = "diag",
    .notation = "y_..ij = x_..i where j = i + k, else padding_value; dx is the diagonal of g",
    .kind = OP_COMPOSITE,
    .params = {{"diagonal", PARAM_TENSOR, false},
               {"k", PARAM_INTS, true},
               {"num_rows", PARAM_INT, true},
               {"num_cols", PARAM_INT, true},
               {"padding_value", PARAM_TENSOR, true},
               {"align", PARAM_STRING, true}},
    .preset = {[1] = "0", [2] = "-1", [3] = "-1", [4] = "0", [5] = "'RIGHT_LEFT'"},
    .inert = 1 << 4,
    .dtypes = DTYPES_ALL,
    .emit = diag_emit};

/* ---- diag_part, set_diag ------------------------------------------------------------------------- */

static node_id diag_part_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    struct band b;
    if (!is_matrix(t, "diag_part", x) || !read_band(t, "diag_part", &args[1], &args[3], &b) ||
        !band_of(t, "diag_part", x, &b))
        return NODE_NONE;
    if (!is_many(&b)) return emit_diagonal_of(t, x, b.lower);
    const node_id places_of = places_in_matrix(t, "diag_part", &b);
    const node_id y = laid_out(t, "diag_part", x, places_of);
    if (!args[2].given || y == NODE_NONE) return y;
    const node_id inside = emit_greater_equal(t, places_of, emit_like(t, places_of, 0));
    return padded(t, "diag_part", y, inside, &args[2]);
}
const struct op op_diag_part = {
    .name = "diag_part",
    .notation =
        "y_..i = x_..i,i+k; of a range of k rows of diagonals; dx is g on them, 0 elsewhere",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false},
               {"k", PARAM_INTS, true},
               {"padding_value", PARAM_TENSOR, true},
               {"align", PARAM_STRING, true}},
    .preset = {[1] = "0", [2] = "0", [3] = "'RIGHT_LEFT'"},
    .inert = 1 << 2,
    .dtypes = DTYPES_ALL,
    .emit = diag_part_emit};

static node_id set_diag_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node, d = args[1].node;
    struct band b;
    if (!is_matrix(t, "set_diag", x) || d == NODE_NONE ||
        !read_band(t, "set_diag", &args[2], &args[3], &b) || !band_of(t, "set_diag", x, &b))
        return NODE_NONE;
    struct shape expected = *tape_shape(t, x);
    expected.rank -= is_many(&b) ? 0 : 1;
    if (is_many(&b)) expected.dim[expected.rank - 2] = n_diagonals(&b);
    expected.dim[expected.rank - 1] = b.length;
    char input[SHAPE_TEXT], found[SHAPE_TEXT], wanted[SHAPE_TEXT];
    if (!shape_equal(tape_shape(t, d), &expected))
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "set_diag: input shape %s needs a diagonal of shape %s, found %s",
                         shape_text(tape_shape(t, x), input), shape_text(&expected, wanted),
                         shape_text(tape_shape(t, d), found));
    const node_id y = is_many(&b)
                          ? laid_out(t, "set_diag", d, places_in_diagonals(t, "set_diag", &b))
                          : emit_diagonal_in(t, d, b.rows, b.cols, b.lower);
    return emit_where(t, emit_band_mask(t, b.rows, b.cols, b.lower, b.upper), y, x);
}
const struct op op_set_diag = {
    .name = "set_diag",
    .notation = "y = x with other diagonals k; dx is g without them, d(diagonal) is those of g",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false},
               {"diagonal", PARAM_TENSOR, false},
               {"k", PARAM_INTS, true},
               {"align", PARAM_STRING, true}},
    .preset = {[2] = "0", [3] = "'RIGHT_LEFT'"},
    .dtypes = DTYPES_ALL,
    .emit = set_diag_emit};
