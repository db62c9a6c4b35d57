/* Scans along an axis, written as linear recurrences: exact at zeros and at every order. The logarithm
 * of a running sum of exponentials has a kernel, whose derivatives are recurrences again. */
#include <math.h>

#include "core/emit.h"
#include "core/run.h"

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

/* ---- log_sums: y_i = log(e^(x_0) + .. + e^(x_i)) along the last axis --------------------------------- */

#define LOG_SUMS(tag, T, exp_, log1p_)                                                             \
    static T log_add_##tag(T a, T b) {                                                             \
        if (a == b && isinf(a)) return a;                                                          \
        return (a > b ? a : b) + log1p_(exp_(a > b ? b - a : a - b));                              \
    }                                                                                              \
    static void log_sums_kernel_##tag(const struct step *step, struct run *run) {                  \
        const bool reverse = ((const struct recurrence_attrs *)step->attrs)->reverse;              \
        const struct shape *shape = step->out.shape;                                               \
        const int64_t n = shape->dim[shape->rank - 1], count = shape_count(shape);                 \
        const T *x = run_in(run, step, 0);                                                         \
        T *y = run_out(run, step);                                                                 \
        for (int64_t row = 0; row < count; row += n) {                                             \
            T sum = -INFINITY;                                                                     \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const int64_t k = row + (reverse ? n - 1 - i : i);                                 \
                sum = log_add_##tag(sum, x[k]);                                                    \
                y[k] = sum;                                                                        \
            }                                                                                      \
            if (!run_tick(run, 16 * n)) return;                                                    \
        }                                                                                          \
    }
LOG_SUMS(F32, float, expf, log1pf)
LOG_SUMS(F64, double, exp, log1p)

static bool is_reverse(const struct tape *t, node_id y) {
    return ((const struct recurrence_attrs *)tape_node(t, y)->attrs)->reverse;
}
static node_id emit_log_sums(struct tape *t, node_id x, bool reverse) {
    const struct recurrence_attrs attrs = {reverse};
    return tape_emit(t, OP_log_sums, &x, 1, &attrs, sizeof attrs);
}

/* e^(y_before - y), at most 1: what part of each sum the sum before it is. Two equal infinities are the
 * same sum. */
static node_id growth(struct tape *t, node_id y) {
    const node_id before = emit_shifted(t, y, !is_reverse(t, y), -INFINITY);
    const node_id same = emit2(t, OP_logical_and, emit1(t, OP_is_inf, y), emit_equal(t, y, before));
    const node_id less = emit_subtract(t, before, y);
    return emit_exp(t, emit_where(t, same, emit_like(t, y, 0), less));
}
/* e^(x - y): what part of each sum its last term is. */
static node_id share(struct tape *t, node_id y) {
    return emit_exp(t, emit_subtract(t, tape_arg(t, y, 0), y));
}
static node_id log_sums_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    const bool reverse = is_reverse(t, y);
    const node_id ratio = emit_shifted(t, growth(t, y), reverse, 0);
    return emit_multiply(t, share(t, y), emit_recurrence(t, ratio, g, !reverse));
}
static node_id log_sums_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return emit_recurrence(t, growth(t, y), emit_multiply(t, share(t, y), x_dot[0]),
                           is_reverse(t, y));
}
static node_id log_sums_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                              int64_t n) {
    (void)batched, (void)n;
    return emit_log_sums(t, x[0], is_reverse(t, y));
}
static int64_t log_sums_work(const struct tape *t, const struct node *n) {
    (void)t;
    return 16 * shape_count(n->shape);
}
const struct op op_log_sums = {.name = "log_sums",
                               .notation = "y_i = log(e^(x_0) + .. + e^(x_i)) along the last axis",
                               .kind = OP_INTERNAL,
                               .params = {{"x", PARAM_TENSOR, false}},
                               .infer = infer_same,
                               .vjp = log_sums_vjp,
                               .jvp = log_sums_jvp,
                               .batch = log_sums_batch,
                               .kernels = {log_sums_kernel_F32, log_sums_kernel_F64},
                               .work = log_sums_work};

static node_id cumulative_logsumexp_emit(struct tape *t, const struct op_arg *args) {
    return scan(t, "cumulative_logsumexp", args, emit_log_sums, -INFINITY);
}
const struct op op_cumulative_logsumexp = {
    .name = "cumulative_logsumexp",
    .notation =
        "y_i = log(e^(x_0) + .. + e^(x_i)) along an axis; exclusive leaves x_i out, reverse "
        "sums from the end",
    .kind = OP_COMPOSITE,
    .params = SCAN_PARAMS,
    .preset = {[1] = "0"},
    .dtypes = DTYPES_FLOATS,
    .emit = cumulative_logsumexp_emit};
