/* Sorting. One primitive finds the order along the last axis; values follow by a gather, and so do their
 * derivatives. Equal values keep their order in both directions, and NaN comes last. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"
#include "core/run.h"

/* Heapsort by value and then by index: a total order, so that the result is that of a stable sort, in
 * place. before(a, b) says whether element a comes before b. */
#define SORT_ORDER(tag, T)                                                                         \
    static bool before_##tag(const T *x, int32_t a, int32_t b, bool descending) {                  \
        const T u = x[a], v = x[b];                                                                \
        if (u != u || v != v) return u != u ? v != v && a < b : true;                              \
        return u != v ? (u < v) != descending : a < b;                                             \
    }                                                                                              \
    static void sift_##tag(const T *x, int32_t *order, int64_t root, int64_t n, bool descending) { \
        const int32_t moved = order[root];                                                         \
        for (int64_t child; (child = 2 * root + 1) < n; root = child) {                            \
            if (child + 1 < n && before_##tag(x, order[child], order[child + 1], descending))      \
                child++;                                                                           \
            if (!before_##tag(x, moved, order[child], descending)) break;                          \
            order[root] = order[child];                                                            \
        }                                                                                          \
        order[root] = moved;                                                                       \
    }                                                                                              \
    static void sort_order_kernel_##tag(const struct step *step, struct run *run) {                \
        const struct shape *shape = step->out.shape;                                               \
        const bool descending = ((const struct sort_attrs *)step->attrs)->descending != 0;         \
        const int64_t n = shape->dim[shape->rank - 1], count = shape_count(shape);                 \
        const T *x = run_in(run, step, 0);                                                         \
        int32_t *order = run_out(run, step);                                                       \
        for (int64_t first = 0; first < count; first += n, x += n, order += n) {                   \
            for (int64_t i = 0; i < n; i++) order[i] = (int32_t)i;                                 \
            for (int64_t i = n / 2; i-- > 0;) {                                                    \
                sift_##tag(x, order, i, n, descending);                                            \
                if (!run_tick(run, 8)) return;                                                     \
            }                                                                                      \
            for (int64_t end = n - 1; end > 0; end--) {                                            \
                const int32_t last = order[0];                                                     \
                order[0] = order[end];                                                             \
                order[end] = last;                                                                 \
                sift_##tag(x, order, 0, end, descending);                                          \
                if (!run_tick(run, 32)) return;                                                    \
            }                                                                                      \
        }                                                                                          \
    }
SORT_ORDER(F32, float)
SORT_ORDER(F64, double)
SORT_ORDER(I32, int32_t)
SORT_ORDER(I64, int64_t)

static bool sort_order_infer(struct tape *t, const struct node *n, struct shape *shape,
                             enum dtype *dtype) {
    (void)t, (void)n, (void)shape;
    *dtype = DTYPE_I32;
    return true;
}
static node_id emit_sort_order(struct tape *t, node_id x, bool descending) {
    return tape_emit(t, OP_sort_order, &x, 1, &(struct sort_attrs){descending},
                     sizeof(struct sort_attrs));
}
static node_id sort_order_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                                int64_t n) {
    (void)batched, (void)n;
    return emit_sort_order(t, x[0],
                           ((const struct sort_attrs *)tape_node(t, y)->attrs)->descending);
}
static int64_t sort_order_work(const struct tape *t, const struct node *n) {
    (void)t;
    int64_t steps = 1;
    for (int64_t left = n->shape->dim[n->shape->rank - 1]; left > 1; left /= 2) steps += 2;
    return shape_count(n->shape) * steps;
}
const struct op op_sort_order = {
    .name = "sort_order",
    .notation = "y = the order that sorts x along its last axis; not differentiable",
    .kind = OP_INTERNAL,
    .params = {{"x", PARAM_TENSOR, false}},
    .infer = sort_order_infer,
    .batch = sort_order_batch,
    .kernels = {sort_order_kernel_F32, sort_order_kernel_F64, sort_order_kernel_I32,
                sort_order_kernel_I64},
    .work = sort_order_work};

/* ---- sort, argsort ----------------------------------------------------------------------------- */

static bool read_direction(struct tape *t, const char *op, const struct op_arg *arg,
                           bool *descending) {
    const char *text = arg->given ? arg->string : "ASCENDING";
    *descending = strcmp(text, "DESCENDING") == 0;
    if (*descending || strcmp(text, "ASCENDING") == 0) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: Argument `direction` should be one of ASCENDING, DESCENDING. Received: "
              "direction=%.40s",
              op, text);
    return false;
}
/* x with the axis of args[1] last, in *perm what brings it back, and the order along it. */
static node_id sorted_order(struct tape *t, const char *op, const struct op_arg *args, node_id *x,
                            int64_t *perm) {
    bool descending;
    int axis;
    if (*x == NODE_NONE || !read_direction(t, op, &args[2], &descending)) return NODE_NONE;
    const int rank = tape_shape(t, *x)->rank;
    if (!axis_normalize(t, op, args[1].given ? args[1].i : -1, rank, &axis)) return NODE_NONE;
    perm_swap_last(axis, rank, perm);
    *x = emit_transpose(t, *x, perm);
    return emit_sort_order(t, *x, descending);
}
static node_id in_order(struct tape *t, const char *op, node_id x, node_id order) {
    if (x == NODE_NONE) return NODE_NONE;
    const int last = tape_shape(t, x)->rank - 1;
    return emit_gather(t, op, INDEX_LINE, x, order, last, last);
}
static node_id sort_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    int64_t perm[RANK_MAX];
    const node_id order = sorted_order(t, "sort", args, &x, perm);
    return order == NODE_NONE ? NODE_NONE : emit_transpose(t, in_order(t, "sort", x, order), perm);
}
static node_id argsort_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    int64_t perm[RANK_MAX];
    const node_id order = sorted_order(t, "argsort", args, &x, perm);
    return order == NODE_NONE ? NODE_NONE : emit_transpose(t, order, perm);
}
const struct op op_sort = {
    .name = "sort",
    .notation = "y = x in order along an axis; dx is g, each part where its value came from",
    .kind = OP_COMPOSITE,
    .params = {{"values", PARAM_TENSOR, false},
               {"axis", PARAM_INT, true},
               {"direction", PARAM_STRING, true}},
    .preset = {[1] = "-1", [2] = "\"ASCENDING\""},
    .dtypes = DTYPES_NUMBERS,
    .emit = sort_emit};
const struct op op_argsort = {
    .name = "argsort",
    .notation = "y = the indices that sort x along an axis, stable; not differentiable",
    .kind = OP_COMPOSITE,
    .params = {{"values", PARAM_TENSOR, false},
               {"axis", PARAM_INT, true},
               {"direction", PARAM_STRING, true},
               {"stable", PARAM_BOOL, true}},
    .preset = {[1] = "-1", [2] = "\"ASCENDING\""},
    .inert = 1 << 0,
    .dtypes = DTYPES_NUMBERS,
    .emit = argsort_emit};

/* ---- top_k ------------------------------------------------------------------------------------- */

static bool top_k_emit(struct tape *t, const struct op_arg *args, const node_id **results,
                       size_t *n) {
    node_id x = args[0].node;
    const int64_t k = args[1].given ? args[1].i : 1;
    if (x == NODE_NONE) return false;
    struct shape shape = *tape_shape(t, x);
    const int64_t has = shape.rank ? shape.dim[shape.rank - 1] : 0;
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    char text[SHAPE_TEXT];
    if (shape.rank == 0 || k < 0 || k > has) {
        if (shape.rank == 0)
            tape_fail(t, ERROR_INVALID_ARGUMENT, "top_k: input must be >= 1-D, got shape ()");
        else if (k < 0)
            tape_fail(t, ERROR_INVALID_ARGUMENT, "top_k: Need k >= 0, got %" PRId64, k);
        else
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      "top_k: input must have at least k columns. Had %" PRId64 ", needed %" PRId64
                      "; its shape is %s",
                      has, k, shape_text(&shape, text));
        return false;
    }
    node_id *nodes = arena_alloc(t->arena, 2 * sizeof *nodes);
    if (!nodes) {
        tape_fail(t, ERROR_MEMORY_BUDGET, "top_k: no memory for 2 results");
        return false;
    }
    shape.dim[shape.rank - 1] = k;
    for (int i = 0; i < shape.rank; i++) stride[i] = 1;
    nodes[1] = emit_strided_slice(t, emit_sort_order(t, x, true), &shape, begin, stride);
    nodes[0] = in_order(t, "top_k", x, nodes[1]);
    *results = nodes;
    *n = 2;
    return tape_ok(t);
}
const struct op op_top_k = {
    .name = "top_k",
    .notation = "values, indices = the k largest along the last axis; dx is g at those places",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false},
               {"k", PARAM_INT, true},
               {"sorted", PARAM_BOOL, true}},
    .preset = {[1] = "1", [2] = "True"},
    .dtypes = DTYPES_NUMBERS,
    .emit_many = top_k_emit};
