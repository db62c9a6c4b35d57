/* Scans along an axis, written as linear recurrences: exact at zeros and at every order. */
#include "core/emit.h"

#define SCAN_PARAMS                                                                                \
    {                                                                                              \
        {"x", PARAM_TENSOR, false}, {"axis", PARAM_INT, true}, {"exclusive", PARAM_BOOL, true}, {  \
            "reverse", PARAM_BOOL, true                                                            \
        }                                                                                          \
    }

/* The permutation that swaps an axis with the last one; its own inverse. */
static void swap_with_last(int axis, int rank, int64_t *perm) {
    for (int i = 0; i < rank; i++) perm[i] = i;
    perm[axis] = rank - 1;
    perm[rank - 1] = axis;
}

/* Sums along the last axis. */
static node_id sums(struct tape *t, node_id x, bool reverse) {
    node_id ones = tape_fill(t, tape_dtype(t, x), tape_shape(t, x), 1);
    return emit_recurrence(t, ones, x, reverse);
}

/* Products along the last axis: the first element enters as it is, every other as a factor. */
static node_id products(struct tape *t, node_id x, bool reverse) {
    struct shape first = *tape_shape(t, x);
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    int last = first.rank - 1;
    int64_t n = first.dim[last];
    if (n == 0) return x;
    for (int i = 0; i < first.rank; i++) stride[i] = 1;
    begin[last] = reverse ? n - 1 : 0;
    first.dim[last] = 1;
    node_id start = emit_strided_slice(t, x, &first, begin, stride);
    struct shape others = first;
    others.dim[last] = n - 1;
    node_id zeros = tape_fill(t, tape_dtype(t, x), &others, 0);
    node_id parts[2] = {reverse ? zeros : start, reverse ? start : zeros};
    return emit_recurrence(t, x, emit_concat(t, parts, 2, last), reverse);
}

static node_id scan(struct tape *t, const char *name, const struct op_arg *args,
                    node_id (*along_last)(struct tape *, node_id, bool), double neutral) {
    node_id x = args[0].node;
    bool exclusive = args[2].given && args[2].b, reverse = args[3].given && args[3].b;
    int64_t perm[RANK_MAX];
    int axis;
    if (x == NODE_NONE) return NODE_NONE;
    int rank = tape_shape(t, x)->rank;
    if (!axis_normalize(t, name, args[1].given ? args[1].i : 0, rank, &axis)) return NODE_NONE;
    swap_with_last(axis, rank, perm);
    node_id y = emit_transpose(t, x, perm);
    if (y == NODE_NONE) return NODE_NONE;
    y = along_last(t, y, reverse);
    if (exclusive) y = emit_shifted(t, y, !reverse, neutral);
    return emit_transpose(t, y, perm);
}

static node_id cumsum_emit(struct tape *t, const struct op_arg *args) {
    return scan(t, "cumsum", args, sums, 0);
}
const struct op op_cumsum = {
    .name = "cumsum",
    .notation =
        "y_i = x_0 + .. + x_i along an axis; exclusive leaves x_i out, reverse sums from the end",
    .kind = OP_COMPOSITE,
    .params = SCAN_PARAMS,
    .preset = {[1] = "0"},
    .dtypes = DTYPES_NUMBERS,
    .emit = cumsum_emit};

static node_id cumprod_emit(struct tape *t, const struct op_arg *args) {
    return scan(t, "cumprod", args, products, 1);
}
const struct op op_cumprod = {
    .name = "cumprod",
    .notation =
        "y_i = x_0 .. x_i along an axis; exclusive leaves x_i out, reverse starts at the end",
    .kind = OP_COMPOSITE,
    .params = SCAN_PARAMS,
    .preset = {[1] = "0"},
    .dtypes = DTYPES_NUMBERS,
    .emit = cumprod_emit};
