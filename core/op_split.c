/* Ops that give several results from one tensor, or several tensors' joint shape: each result is a
 * slice or a broadcast, so none has a derivative of its own. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"

static node_id *results_of(struct tape *t, const char *op, size_t n) {
    node_id *nodes = n < UINT32_MAX ? arena_alloc(t->arena, (n + 1) * sizeof *nodes) : NULL;
    if (!nodes) tape_fail(t, ERROR_MEMORY_BUDGET, "%s: no memory for %zu results", op, n);
    return nodes;
}

static node_id piece(struct tape *t, node_id x, int axis, int64_t begin, int64_t count) {
    struct shape shape = *tape_shape(t, x);
    int64_t begins[RANK_MAX] = {0}, strides[RANK_MAX];
    for (int i = 0; i < shape.rank; i++) strides[i] = 1;
    begins[axis] = begin;
    shape.dim[axis] = count;
    return emit_strided_slice(t, x, &shape, begins, strides);
}

/* ---- split ------------------------------------------------------------------------------------- */

static bool fail_sizes(struct tape *t, int64_t sum) {
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "split: Determined shape must either match input shape along split_dim exactly if "
              "fully specified, or be less than the size of the input along split_dim if not fully "
              "specified.  Got: %" PRId64,
              sum);
    return false;
}
/* The lengths of the pieces; one of those that were given may be -1, the rest. */
static bool split_sizes(struct tape *t, const struct op_arg *arg, int64_t length, int64_t *sizes) {
    int64_t sum = 0;
    size_t open = arg->n;
    for (size_t i = 0; i < arg->n; i++) {
        sizes[i] = arg->ints[i];
        if (sizes[i] >= 0 && sizes[i] <= length - sum) {
            sum += sizes[i];
        } else if (sizes[i] >= 0) {
            return fail_sizes(t, sum + sizes[i]);
        } else if (sizes[i] == -1 && open == arg->n) {
            open = i;
        } else {
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      "split: size_splits[%zu] is %" PRId64
                      "; a size is not negative, and one may be -1",
                      i, sizes[i]);
            return false;
        }
    }
    if (open < arg->n) sizes[open] = length - sum;
    return open < arg->n || sum == length || fail_sizes(t, sum);
}
static bool split_evenly(struct tape *t, int64_t n, int axis, int64_t length) {
    if (n > 0 && n <= UINT32_MAX && length % n == 0) return true;
    if (n <= 0)
        tape_fail(t, ERROR_INVALID_ARGUMENT, "split: num_split must be positive, found %" PRId64,
                  n);
    else
        tape_fail(
            t, ERROR_INVALID_ARGUMENT,
            "split: Number of ways to split should evenly divide the split dimension, but got "
            "split_dim %d (size = %" PRId64 ") and num_split %" PRId64,
            axis, length, n);
    return false;
}
static bool split_emit(struct tape *t, const struct op_arg *args, const node_id **results,
                       size_t *n) {
    node_id x = args[0].node;
    int axis;
    if (x == NODE_NONE ||
        !axis_normalize(t, "split", args[2].given ? args[2].i : 0, tape_shape(t, x)->rank, &axis))
        return false;
    const int64_t length = tape_shape(t, x)->dim[axis];
    const bool even = !args[1].b;
    if (even && !split_evenly(t, args[1].ints[0], axis, length)) return false;
    *n = even ? (size_t)args[1].ints[0] : args[1].n;
    if (*n > t->limits.nodes) {
        tape_fail(t, ERROR_GRAPH_TOO_LARGE, "split: %zu results are more than a graph may have",
                  *n);
        return false;
    }
    int64_t *sizes = arena_alloc(t->arena, (*n + 1) * sizeof *sizes), begin = 0;
    node_id *nodes = results_of(t, "split", *n);
    if (!sizes || !nodes) {
        tape_fail(t, ERROR_MEMORY_BUDGET, "split: no memory for %zu results", *n);
        return false;
    }
    if (!even && !split_sizes(t, &args[1], length, sizes)) return false;
    for (size_t i = 0; i < *n && tape_ok(t); i++) {
        const int64_t size = even ? length / (int64_t)*n : sizes[i];
        nodes[i] = piece(t, x, axis, begin, size);
        begin += size;
    }
    *results = nodes;
    return tape_ok(t);
}
const struct op op_split = {
    .name = "split",
    .notation = "y_1, y_2, .. = the pieces of x along an axis: so many, or of these lengths",
    .kind = OP_COMPOSITE,
    .params = {{"value", PARAM_TENSOR, false},
               {"num_or_size_splits", PARAM_INTS, false},
               {"axis", PARAM_INT, true}},
    .preset = {[2] = "0"},
    .dtypes = DTYPES_ALL,
    .emit_many = split_emit};

/* ---- unstack ----------------------------------------------------------------------------------- */

static bool unstack_emit(struct tape *t, const struct op_arg *args, const node_id **results,
                         size_t *n) {
    node_id x = args[0].node;
    int axis;
    if (x == NODE_NONE ||
        !axis_normalize(t, "unstack", args[2].given ? args[2].i : 0, tape_shape(t, x)->rank, &axis))
        return false;
    const struct shape *from = tape_shape(t, x);
    struct shape shape = {.rank = 0};
    for (int i = 0; i < from->rank; i++)
        if (i != axis) shape.dim[shape.rank++] = from->dim[i];
    const int64_t length = from->dim[axis];
    if (args[1].given && args[1].i != length) {
        char text[SHAPE_TEXT];
        tape_fail(t, ERROR_INVALID_ARGUMENT, "unstack: num is %" PRId64 " for axis %d of shape %s",
                  args[1].i, axis, shape_text(from, text));
        return false;
    }
    if (length > t->limits.nodes) {
        tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                  "unstack: %" PRId64 " results are more than a graph may have", length);
        return false;
    }
    *n = (size_t)length;
    node_id *nodes = results_of(t, "unstack", *n);
    if (!nodes) return false;
    for (size_t i = 0; i < *n && tape_ok(t); i++)
        nodes[i] = emit_reshape(t, piece(t, x, axis, (int64_t)i, 1), &shape);
    *results = nodes;
    return tape_ok(t);
}
const struct op op_unstack = {
    .name = "unstack",
    .notation = "y_1, y_2, .. = the elements of an axis of x",
    .kind = OP_COMPOSITE,
    .params = {{"value", PARAM_TENSOR, false}, {"num", PARAM_INT, true}, {"axis", PARAM_INT, true}},
    .preset = {[2] = "0"},
    .dtypes = DTYPES_ALL,
    .emit_many = unstack_emit};

/* ---- meshgrid ---------------------------------------------------------------------------------- */

static bool meshgrid_swaps(struct tape *t, const struct op_arg *indexing, bool *swap) {
    *swap = !indexing->given || strcmp(indexing->string, "xy") == 0;
    if (*swap || strcmp(indexing->string, "ij") == 0) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "meshgrid: Argument `indexing` parameter must be either 'xy' or 'ij', got '%.40s'",
              indexing->string);
    return false;
}
static bool meshgrid_emit(struct tape *t, const struct op_arg *args, const node_id **results,
                          size_t *n) {
    bool swap;
    struct shape joint = {.rank = (int32_t)args[0].n};
    if (!meshgrid_swaps(t, &args[1], &swap)) return false;
    if (args[0].n > RANK_MAX) {
        tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                  "meshgrid: the results have rank %zu; at most %d is allowed", args[0].n,
                  RANK_MAX);
        return false;
    }
    *n = args[0].n;
    node_id *nodes = results_of(t, "meshgrid", *n);
    if (!nodes) return false;
    for (int i = 0; i < joint.rank; i++) {
        if (args[0].nodes[i] == NODE_NONE) return false;
        const int place = swap && joint.rank > 1 && i < 2 ? 1 - i : i;
        joint.dim[place] = shape_count(tape_shape(t, args[0].nodes[i]));
    }
    for (int i = 0; i < joint.rank && tape_ok(t); i++) {
        struct shape own = {.rank = joint.rank};
        const int place = swap && joint.rank > 1 && i < 2 ? 1 - i : i;
        for (int k = 0; k < joint.rank; k++) own.dim[k] = k == place ? joint.dim[k] : 1;
        nodes[i] = emit_broadcast_to(t, emit_reshape(t, args[0].nodes[i], &own), &joint);
    }
    *results = nodes;
    return tape_ok(t);
}
const struct op op_meshgrid = {
    .name = "meshgrid",
    .notation = "y_i = x_i repeated over the grid of all: columns first (xy) or rows first (ij)",
    .kind = OP_COMPOSITE,
    .flags = OP_VARIADIC,
    .params = {{"args", PARAM_TENSORS, false}, {"indexing", PARAM_STRING, true}},
    .preset = {[1] = "\"xy\""},
    .dtypes = DTYPES_ALL,
    .emit_many = meshgrid_emit};
