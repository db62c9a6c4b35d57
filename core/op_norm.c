/* Norms of vectors and matrices, as tf.norm composes them: at 0 the Euclidean norm's gradient is NaN. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/op_spectral.h"

/* What `ord` says; P: any positive p of a vector. */
enum order { EUCLIDEAN, FROBENIUS, ONE, TWO, INFINITE, P };

static bool is_word(const struct op_arg *ord, const char *word) {
    return ord->given && ord->string && strcmp(ord->string, word) == 0;
}

static enum order order_of(const struct op_arg *ord) {
    if (!ord->given || is_word(ord, "euclidean")) return EUCLIDEAN;
    if (is_word(ord, "fro")) return FROBENIUS;
    if (is_word(ord, "inf") || is_word(ord, "Infinity")) return INFINITE;
    if (ord->string) return P;
    return ord->f == 1 ? ONE : ord->f == 2 ? TWO : isinf(ord->f) == 1 ? INFINITE : P;
}

static bool fail_order(struct tape *t, const struct op_arg *ord, bool matrix) {
    char found[48];
    if (ord->string)
        snprintf(found, sizeof found, "%.40s", ord->string);
    else
        snprintf(found, sizeof found, "%g", ord->f);
    tape_fail(
        t, ERROR_INVALID_ARGUMENT,
        matrix ? "norm: 'ord' must be a supported matrix norm in ['euclidean', 'fro', 1, 2, inf], "
                 "got %s"
               : "norm: 'ord' must be a supported vector norm, got %s",
        found);
    return false;
}

/* One norm's attributes: over all axes, over one, or over a pair, of which the first are the rows. */
struct norm {
    enum order order;
    double p;
    bool matrix, keep;
    int row, column;
    uint32_t axes;
};

static bool norm_read(struct tape *t, const struct op_arg *args, struct norm *n) {
    const struct op_arg *ord = &args[1], *axis = &args[2];
    const int rank = tape_shape(t, args[0].node)->rank;
    if (axis->given && axis->b && axis->n != 2) {
        tape_fail(
            t, ERROR_INVALID_ARGUMENT,
            "norm: 'axis' must be None, an integer, or a tuple of 2 unique integers, got a list "
            "of %zu",
            axis->n);
        return false;
    }
    n->order = order_of(ord);
    n->p = ord->f;
    n->matrix = axis->given && axis->n == 2;
    n->keep = args[3].given && args[3].b;
    const bool known =
        n->matrix ? n->order != P
                  : n->order != FROBENIUS && (n->order != P || (!ord->string && ord->f > 0));
    if (!known) return fail_order(t, ord, n->matrix);
    if (!axes_read(t, "norm", axis, rank, &n->axes)) return false;
    if (!n->matrix) return true;
    return axis_normalize(t, "norm", axis->ints[0], rank, &n->row) &&
           axis_normalize(t, "norm", axis->ints[1], rank, &n->column);
}

/* The largest singular value. */
static node_id spectral_norm(struct tape *t, node_id x, const struct norm *n) {
    int64_t perm[RANK_MAX];
    const int rank = tape_shape(t, x)->rank;
    struct shape kept = *tape_shape(t, x);
    int at = 0;
    for (int i = 0; i < rank; i++)
        if (i != n->row && i != n->column) perm[at++] = i;
    perm[at] = n->row;
    perm[at + 1] = n->column;
    const node_id lying = emit_transpose(t, x, perm);
    const node_id s = emit_singular_values(t, "norm", lying);
    if (s == NODE_NONE) return NODE_NONE;
    kept.dim[n->row] = kept.dim[n->column] = 1;
    /* The magnitudes of what is not negative: so the gradient at 0 is 0. */
    const node_id most = emit_reduce(t, OP_reduce_max, emit1(t, OP_abs, s), 1u << at, false);
    return emit_reshape(t, most, &kept);
}

/* The norm with the axes kept. */
static node_id norm_over(struct tape *t, node_id x, const struct norm *n) {
    const uint32_t row = 1u << n->row, column = 1u << n->column;
    if (n->matrix && n->order == TWO) return spectral_norm(t, x, n);
    if (n->order == EUCLIDEAN || n->order == FROBENIUS || n->order == TWO)
        return emit1(t, OP_sqrt,
                     emit_reduce(t, OP_reduce_sum, emit_multiply(t, x, x), n->axes, true));
    const node_id size = emit1(t, OP_abs, x);
    if (n->order == ONE) {
        const node_id sum = emit_reduce(t, OP_reduce_sum, size, n->matrix ? row : n->axes, true);
        return n->matrix ? emit_reduce(t, OP_reduce_max, sum, column, true) : sum;
    }
    if (n->order == INFINITE) {
        const node_id sum = n->matrix ? emit_reduce(t, OP_reduce_sum, size, column, true) : size;
        return emit_reduce(t, OP_reduce_max, sum, n->matrix ? row : n->axes, true);
    }
    const node_id powers = emit_pow(t, size, emit_like(t, size, n->p));
    const node_id sum = emit_reduce(t, OP_reduce_sum, powers, n->axes, true);
    return emit_pow(t, sum, emit_like(t, sum, 1 / n->p));
}

static node_id norm_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    struct norm n = {.p = 0};
    struct shape shape = {.rank = 0};
    if (x == NODE_NONE || !norm_read(t, args, &n)) return NODE_NONE;
    const node_id y = norm_over(t, x, &n);
    if (y == NODE_NONE || n.keep) return y;
    for (int i = 0; i < tape_shape(t, x)->rank; i++)
        if (!(n.axes >> i & 1)) shape.dim[shape.rank++] = tape_shape(t, x)->dim[i];
    return emit_reshape(t, y, &shape);
}

const struct op op_norm = {
    .name = "norm",
    .notation =
        "y = (sum |x|^ord)^(1/ord), of all elements or along an axis; over a pair of axes that of "
        "matrices, ord 1, 2, inf or fro",
    .kind = OP_COMPOSITE,
    .params = {{"tensor", PARAM_TENSOR, false},
               {"ord", PARAM_FLOAT_OR_STRING, true},
               {"axis", PARAM_INTS, true},
               {"keepdims", PARAM_BOOL, true}},
    .preset = {[1] = "'euclidean'"},
    .dtypes = DTYPES_NUMBERS,
    .emit = norm_emit};
