/* gather and what is written with it: users' axes become the layout of op_lines.c and back. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"

bool indices_check(struct tape *t, const char *op, const char *argument, node_id indices) {
    if (indices == NODE_NONE) return false;
    const enum dtype dtype = tape_dtype(t, indices);
    if (dtype == DTYPE_I32 || dtype == DTYPE_I64) return true;
    tape_fail(t, ERROR_DTYPE_MISMATCH,
              "%s: %s must be int32 or int64, found %s; a typed value is sent as "
              "{\"dtype\":\"int32\",\"shape\":[...],\"data\":[...]}",
              op, argument, dtype_name(dtype));
    return false;
}

struct index_attrs index_attrs(int rule, int64_t n, const struct shape *s) {
    struct index_attrs a = {.rule = rule, .n = n, .rank = s->rank};
    for (int i = 0; i < s->rank; i++) a.dim[i] = s->dim[i];
    return a;
}

static bool gather_fits(struct tape *t, const char *op, const struct shape *x,
                        const struct shape *indices, int batch_dims) {
    for (int i = 0; i < batch_dims; i++) {
        if (x->dim[i] == indices->dim[i]) continue;
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "%s: params.shape[%d]: %" PRId64
                  " should be equal to indices.shape[%d]: %" PRId64,
                  op, i, x->dim[i], i, indices->dim[i]);
        return false;
    }
    if (x->rank + indices->rank - 1 - batch_dims <= RANK_MAX) return true;
    tape_fail(t, ERROR_GRAPH_TOO_LARGE, "%s: the result has rank %d; at most %d is allowed", op,
              x->rank + indices->rank - 1 - batch_dims, RANK_MAX);
    return false;
}

node_id emit_gather(struct tape *t, const char *op, int rule, node_id x, node_id indices, int axis,
                    int batch_dims) {
    if (x == NODE_NONE || indices == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x), *by = tape_shape(t, indices);
    if (!gather_fits(t, op, from, by, batch_dims)) return NODE_NONE;
    const struct index_attrs a = index_attrs(rule, from->dim[axis], by);
    struct shape lines = {.rank = 4, .dim = {1, 1, from->dim[axis], 1}};
    struct shape rows = {.rank = 2, .dim = {1, 1}}, result = {.rank = 0};
    for (int i = 0; i < axis; i++) {
        lines.dim[i < batch_dims ? 0 : 1] *= from->dim[i];
        result.dim[result.rank++] = from->dim[i];
    }
    for (int i = 0; i < by->rank; i++) {
        rows.dim[i < batch_dims ? 0 : 1] *= by->dim[i];
        if (i >= batch_dims) result.dim[result.rank++] = by->dim[i];
    }
    for (int i = axis + 1; i < from->rank; i++) {
        lines.dim[3] *= from->dim[i];
        result.dim[result.rank++] = from->dim[i];
    }
    const node_id y =
        emit_gather_lines(t, emit_reshape(t, indices, &rows), emit_reshape(t, x, &lines), &a);
    return emit_reshape(t, y, &result);
}

static bool read_batch_dims(struct tape *t, const char *op, const struct op_arg *arg,
                            const struct shape *x, const struct shape *indices, int *batch_dims) {
    *batch_dims = 0;
    if (!arg->given) return true;
    const int64_t dims = arg->i < 0 ? arg->i + indices->rank : arg->i;
    *batch_dims = (int)dims;
    if (dims >= 0 && dims <= indices->rank && dims < x->rank) return true;
    char params[SHAPE_TEXT], by[SHAPE_TEXT];
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: batch_dims %" PRId64 " does not fit params of shape %s and indices of shape %s",
              op, arg->i, shape_text(x, params), shape_text(indices, by));
    return false;
}

static node_id gather_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, indices = args[1].node;
    int axis, batch_dims;
    if (x == NODE_NONE || !indices_check(t, "gather", "indices", indices)) return NODE_NONE;
    const struct shape *from = tape_shape(t, x);
    if (from->rank == 0)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "gather: Shape must be at least rank 1 but is rank 0");
    if (!read_batch_dims(t, "gather", &args[3], from, tape_shape(t, indices), &batch_dims) ||
        !axis_normalize(t, "gather", args[2].given ? args[2].i : batch_dims, from->rank, &axis))
        return NODE_NONE;
    if (axis < batch_dims)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "gather: batch_dims (%d) must be less than or equal to axis (%d)",
                         batch_dims, axis);
    return emit_gather(t, "gather", INDEX_LINE, x, indices, axis, batch_dims);
}
const struct op op_gather = {
    .name = "gather",
    .notation = "y = the places of an axis that indices name; dx adds g up at those places",
    .kind = OP_COMPOSITE,
    .params = {{"params", PARAM_TENSOR, false},
               {"indices", PARAM_INDICES, false},
               {"axis", PARAM_INT, true},
               {"batch_dims", PARAM_INT, true}},
    .preset = {[3] = "0"},
    .dtypes = DTYPES_ALL,
    .emit = gather_emit};

static node_id embedding_lookup_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, ids = args[1].node;
    if (x == NODE_NONE || !indices_check(t, "embedding_lookup", "ids", ids)) return NODE_NONE;
    if (tape_shape(t, x)->rank == 0)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "embedding_lookup: Shape must be at least rank 1 but is rank 0");
    return emit_gather(t, "embedding_lookup", INDEX_LINE, x, ids, 0, 0);
}
const struct op op_embedding_lookup = {
    .name = "embedding_lookup",
    .notation = "y = the rows of params that ids name; dx adds g up at those rows",
    .kind = OP_COMPOSITE,
    .params = {{"params", PARAM_TENSOR, false}, {"ids", PARAM_INDICES, false}},
    .dtypes = DTYPES_ALL,
    .emit = embedding_lookup_emit};

/* ---- take_along_axis --------------------------------------------------------------------------- */

void perm_swap_last(int axis, int rank, int64_t *perm) {
    for (int i = 0; i < rank; i++) perm[i] = i;
    perm[axis] = rank - 1;
    perm[rank - 1] = axis;
}
static node_id take_along_axis_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, indices = args[1].node;
    int axis;
    if (x == NODE_NONE || !indices_check(t, "take_along_axis", "indices", indices))
        return NODE_NONE;
    const int rank = tape_shape(t, x)->rank;
    if (!axis_normalize(t, "take_along_axis", args[2].i, rank, &axis)) return NODE_NONE;
    const struct shape *from = tape_shape(t, x), *by = tape_shape(t, indices);
    bool fits = by->rank == rank;
    for (int i = 0; fits && i < rank; i++) fits = i == axis || by->dim[i] == from->dim[i];
    if (!fits) {
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "take_along_axis: indices of shape %s do not go along axis %d of shape %s",
                         shape_text(by, a), axis, shape_text(from, b));
    }
    int64_t perm[RANK_MAX];
    perm_swap_last(axis, rank, perm);
    const node_id y = emit_gather(t, "take_along_axis", INDEX_LINE, emit_transpose(t, x, perm),
                                  emit_transpose(t, indices, perm), rank - 1, rank - 1);
    return emit_transpose(t, y, perm);
}
const struct op op_take_along_axis = {
    .name = "take_along_axis",
    .notation = "y_..i.. = x_..(indices_..i..).. along an axis; dx adds g up at those places",
    .kind = OP_COMPOSITE,
    .params = {{"arr", PARAM_TENSOR, false},
               {"indices", PARAM_INDICES, false},
               {"axis", PARAM_INT, false}},
    .dtypes = DTYPES_ALL,
    .emit = take_along_axis_emit};

/* ---- boolean_mask ------------------------------------------------------------------------------ */

/* The places of `true` in a mask that is written in the graph. */
static node_id mask_places(struct tape *t, node_id mask) {
    const uint8_t *data = tape_node(t, mask)->attrs;
    const int64_t count = shape_count(tape_shape(t, mask));
    struct shape shape = {.rank = 1, .dim = {0}};
    int64_t *places = arena_alloc(t->arena, ((size_t)count + 1) * sizeof *places);
    if (!places)
        return tape_fail(t, ERROR_MEMORY_BUDGET,
                         "boolean_mask: no memory for a mask of %" PRId64 " elements", count);
    for (int64_t i = 0; i < count; i++)
        if (data[i]) places[shape.dim[0]++] = i;
    return tape_const(t, DTYPE_I64, &shape, places);
}
static node_id boolean_mask_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, mask = args[1].node;
    int axis = 0;
    if (x == NODE_NONE || mask == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, x), *by = tape_shape(t, mask);
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (tape_node(t, mask)->op != OP_const || tape_dtype(t, mask) != DTYPE_BOOL)
        return tape_fail(
            t, ERROR_INVALID_ARGUMENT,
            "boolean_mask: mask decides the result's shape and must be a list of bools "
            "written in the graph");
    if (by->rank == 0)
        return tape_fail(t, ERROR_INVALID_ARGUMENT, "boolean_mask: mask cannot be scalar.");
    if (args[2].given && !axis_normalize(t, "boolean_mask", args[2].i, from->rank, &axis))
        return NODE_NONE;
    bool fits = axis + by->rank <= from->rank;
    struct shape joint = {.rank = from->rank - by->rank + 1};
    for (int i = 0; fits && i < by->rank; i++) fits = by->dim[i] == from->dim[axis + i];
    if (!fits)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "boolean_mask: Shapes %s and %s are incompatible, from axis %d on",
                         shape_text(from, a), shape_text(by, b), axis);
    for (int i = 0; i < joint.rank; i++)
        joint.dim[i] = i < axis    ? from->dim[i]
                       : i == axis ? shape_count(by)
                                   : from->dim[i + by->rank - 1];
    return emit_gather(t, "boolean_mask", INDEX_LINE, emit_reshape(t, x, &joint),
                       mask_places(t, mask), axis, 0);
}
const struct op op_boolean_mask = {
    .name = "boolean_mask",
    .notation = "y = the elements of x where mask is true; mask is written in the graph",
    .kind = OP_COMPOSITE,
    .params = {{"tensor", PARAM_TENSOR, false},
               {"mask", PARAM_CONDITION, false},
               {"axis", PARAM_INT, true}},
    .preset = {[2] = "0"},
    .dtypes = DTYPES_ALL,
    .emit = boolean_mask_emit};

/* ---- sparse_softmax_cross_entropy_with_logits -------------------------------------------------- */

static node_id sparse_softmax_cross_entropy_with_logits_emit(struct tape *t,
                                                             const struct op_arg *args) {
    static const char name[] = "sparse_softmax_cross_entropy_with_logits";
    node_id labels = args[0].node, logits = args[1].node;
    if (logits == NODE_NONE || !indices_check(t, name, "labels", labels)) return NODE_NONE;
    const struct shape *z = tape_shape(t, logits), *by = tape_shape(t, labels);
    bool fits = z->rank == by->rank + 1;
    for (int i = 0; fits && i < by->rank; i++) fits = z->dim[i] == by->dim[i];
    if (!fits) {
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: `labels.shape` must equal `logits.shape` except for the last "
                         "dimension. Received: labels.shape=%s and logits.shape=%s",
                         name, shape_text(by, a), shape_text(z, b));
    }
    struct op_arg softmax[2] = {{.given = true, .node = logits}};
    const node_id logs = op_table[OP_log_softmax]->emit(t, softmax);
    return emit_negative(t, emit_gather(t, name, INDEX_LABEL, logs, labels, z->rank - 1, by->rank));
}
const struct op op_sparse_softmax_cross_entropy_with_logits = {
    .name = "sparse_softmax_cross_entropy_with_logits",
    .notation =
        "y = -log softmax(logits)_label over the last axis; d(logits) = g (softmax - onehot)",
    .kind = OP_COMPOSITE,
    .params = {{"labels", PARAM_INDICES, false}, {"logits", PARAM_TENSOR, false}},
    .emit = sparse_softmax_cross_entropy_with_logits_emit};
