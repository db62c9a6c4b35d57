/* Tensors that are made and not read: constants of a given shape, sequences, one-hot rows. What decides
 * their shape is known when the graph is built. */
#include <inttypes.h>
#include <math.h>

#include "core/emit.h"

/* ---- fill, zeros, ones ------------------------------------------------------------------------- */

static node_id fill_emit(struct tape *t, const struct op_arg *args) {
    struct shape shape;
    node_id value = args[1].node;
    if (value == NODE_NONE || !shape_read(t, "fill", &args[0], -1, &shape)) return NODE_NONE;
    if (tape_shape(t, value)->rank > 0) {
        char text[SHAPE_TEXT];
        return tape_fail(t, ERROR_INVALID_ARGUMENT, "fill: value must be a scalar. Got shape %s",
                         shape_text(tape_shape(t, value), text));
    }
    return emit_broadcast_to(t, value, &shape);
}
const struct op op_fill = {.name = "fill",
                           .notation = "y = value everywhere in a tensor of shape dims",
                           .kind = OP_COMPOSITE,
                           .params = {{"dims", PARAM_INTS, false}, {"value", PARAM_TENSOR, false}},
                           .dtypes = DTYPES_ALL,
                           .emit = fill_emit};

static node_id filled(struct tape *t, const char *op, const struct op_arg *args, double value) {
    struct shape shape;
    return shape_read(t, op, &args[0], -1, &shape) ? tape_fill(t, args[1].dtype, &shape, value)
                                                   : NODE_NONE;
}
static node_id zeros_emit(struct tape *t, const struct op_arg *args) {
    return filled(t, "zeros", args, 0);
}
static node_id ones_emit(struct tape *t, const struct op_arg *args) {
    return filled(t, "ones", args, 1);
}
const struct op op_zeros = {.name = "zeros",
                            .notation = "y = 0 everywhere in a tensor of this shape",
                            .kind = OP_COMPOSITE,
                            .params = {{"shape", PARAM_INTS, false}, {"dtype", PARAM_DTYPE, true}},
                            .emit = zeros_emit};
const struct op op_ones = {.name = "ones",
                           .notation = "y = 1 everywhere in a tensor of this shape",
                           .kind = OP_COMPOSITE,
                           .params = {{"shape", PARAM_INTS, false}, {"dtype", PARAM_DTYPE, true}},
                           .emit = ones_emit};

/* ---- range, linspace --------------------------------------------------------------------------- */

/* TensorFlow computes in the result's dtype: the ends are rounded first, then each element is
 * start + i delta (tensorflow/core/kernels/sequence_ops.cc). */
#define SEQUENCE(tag, T)                                                                           \
    static void sequence_##tag(void *out, int64_t n, double start, double delta) {                 \
        T *y = out;                                                                                \
        for (int64_t i = 0; i < n; i++) y[i] = (T)((T)start + (T)i * (T)delta);                    \
    }                                                                                              \
    static double steps_##tag(double start, double limit, double delta) {                          \
        return (double)(((T)limit - (T)start) / (T)delta);                                         \
    }
SEQUENCE(F32, float)
SEQUENCE(F64, double)

static node_id sequence(struct tape *t, enum dtype dtype, int64_t n, double start, double delta) {
    const struct shape shape = {.rank = 1, .dim = {n}};
    void *data = arena_alloc(t->arena, (size_t)n * dtype_size(dtype) + 1);
    if (!data)
        return tape_fail(t, ERROR_MEMORY_BUDGET, "range: no memory for %" PRId64 " elements", n);
    if (dtype == DTYPE_F32) sequence_F32(data, n, start, delta);
    if (dtype == DTYPE_F64) sequence_F64(data, n, start, delta);
    for (int64_t i = 0; i < n; i++) {
        if (dtype == DTYPE_I32) ((int32_t *)data)[i] = (int32_t)(start + (double)i * delta);
        if (dtype == DTYPE_I64) ((int64_t *)data)[i] = (int64_t)(start + (double)i * delta);
    }
    return tape_const(t, dtype, &shape, data);
}

/* Integers of which sums of doubles are exact and that fit the dtype. */
static bool range_integer(struct tape *t, enum dtype dtype, double value) {
    const double most = dtype == DTYPE_I32 ? INT32_MAX : 0x1p52;
    if (floor(value) == value && fabs(value) <= most) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT, "range: %.17g is not an %s", value, dtype_name(dtype));
    return false;
}
static node_id range_emit(struct tape *t, const struct op_arg *args) {
    const bool two = args[1].given;
    const double start = two ? args[0].f : 0, limit = two ? args[1].f : args[0].f;
    const double delta = args[2].given ? args[2].f : 1;
    const bool whole = args[0].b && (!two || args[1].b) && (!args[2].given || args[2].b);
    const enum dtype dtype = args[3].given || !whole ? args[3].dtype : DTYPE_I32;
    if (dtype == DTYPE_BOOL)
        return tape_fail(t, ERROR_DTYPE_MISMATCH, "range: a range has no bool elements");
    if (!dtype_is_float(dtype) &&
        (!range_integer(t, dtype, start) || !range_integer(t, dtype, limit) ||
         !range_integer(t, dtype, delta)))
        return NODE_NONE;
    if (delta == 0) return tape_fail(t, ERROR_INVALID_ARGUMENT, "range: Requires delta != 0: 0");
    if (delta > 0 ? start > limit : start < limit)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "range: Requires start %s limit when delta %s 0: %.17g/%.17g",
                         delta > 0 ? "<=" : ">=", delta > 0 ? ">" : "<", start, limit);
    const double count =
        ceil(dtype == DTYPE_F32 ? steps_F32(start, limit, delta) : steps_F64(start, limit, delta));
    if (!(count <= (double)t->limits.elements))
        return tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                         "range: %.17g elements are more than the %" PRId64 " a tensor may have",
                         count, t->limits.elements);
    return sequence(t, dtype, (int64_t)count, start, delta);
}
const struct op op_range = {
    .name = "range",
    .notation = "y_i = start + i delta, below limit; int32 where all are written as integers",
    .kind = OP_COMPOSITE,
    .params = {{"start", PARAM_FLOAT, false},
               {"limit", PARAM_FLOAT, true},
               {"delta", PARAM_FLOAT, true},
               {"dtype", PARAM_DTYPE, true}},
    .preset = {[2] = "1"},
    .emit = range_emit};

/* start or stop, of shape `ends`, with a new axis of length 1. */
static node_id linspace_end(struct tape *t, node_id x, const struct shape *ends, int axis) {
    struct shape one = {.rank = ends->rank + 1};
    for (int i = 0; i < one.rank; i++) one.dim[i] = i == axis ? 1 : ends->dim[i < axis ? i : i - 1];
    return emit_reshape(t, emit_broadcast_to(t, x, ends), &one);
}
static bool linspace_check(struct tape *t, const struct op_arg *args, struct shape *ends,
                           int *axis) {
    const node_id start = args[0].node, stop = args[1].node;
    const int64_t place = args[3].given ? args[3].i : 0;
    char from[SHAPE_TEXT], to[SHAPE_TEXT];
    if (start == NODE_NONE || stop == NODE_NONE) return false;
    if (!shape_broadcast(tape_shape(t, start), tape_shape(t, stop), ends))
        tape_fail(t, ERROR_SHAPE_MISMATCH, "linspace: Incompatible shapes: %s vs. %s",
                  shape_text(tape_shape(t, start), from), shape_text(tape_shape(t, stop), to));
    else if (!dtype_is_float(tape_dtype(t, start)))
        tape_fail(t, ERROR_DTYPE_MISMATCH, "linspace: start must be a float, found %s",
                  dtype_name(tape_dtype(t, start)));
    else if (ends->rank == RANK_MAX)
        tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                  "linspace: the result has rank %d; at most %d is allowed", RANK_MAX + 1,
                  RANK_MAX);
    else
        return length_check(t, "linspace", "num", args[2].i) &&
               axis_normalize(t, "linspace", place, ends->rank + 1, axis);
    return false;
}
/* The last element is `stop` itself, as in TensorFlow (linspace_nd in math_ops.py). */
static node_id linspace_emit(struct tape *t, const struct op_arg *args) {
    const int64_t n = args[2].i;
    struct shape ends, steps;
    int axis;
    if (!linspace_check(t, args, &ends, &axis)) return NODE_NONE;
    const node_id first = linspace_end(t, args[0].node, &ends, axis),
                  last = linspace_end(t, args[1].node, &ends, axis);
    if (n == 1 || first == NODE_NONE || last == NODE_NONE) return first;
    if (n == 0) {
        struct shape none = *tape_shape(t, first);
        none.dim[axis] = 0;
        return emit_broadcast_to(t, first, &none);
    }
    if (n == 2) return emit_concat(t, (node_id[]){first, last}, 2, axis);
    steps = (struct shape){.rank = ends.rank + 1};
    for (int i = 0; i < steps.rank; i++) steps.dim[i] = i == axis ? n - 2 : 1;
    const node_id inner = sequence(t, tape_dtype(t, first), n - 2, 1, 1);
    const node_id delta =
        emit_divide(t, emit_subtract(t, last, first), emit_like(t, first, (double)(n - 1)));
    const node_id between =
        emit_add(t, first, emit_multiply(t, delta, emit_reshape(t, inner, &steps)));
    return emit_concat(t, (node_id[]){first, between, last}, 3, axis);
}
const struct op op_linspace = {.name = "linspace",
                               .notation =
                                   "y_i = start + i (stop - start) / (num - 1), along a new axis",
                               .kind = OP_COMPOSITE,
                               .params = {{"start", PARAM_TENSOR, false},
                                          {"stop", PARAM_TENSOR, false},
                                          {"num", PARAM_INT, false},
                                          {"axis", PARAM_INT, true}},
                               .preset = {[3] = "0"},
                               .emit = linspace_emit};

/* ---- one_hot ----------------------------------------------------------------------------------- */

/* The value of one_hot in one place: no gradient goes through it in TensorFlow. */
static node_id hot_value(struct tape *t, const struct op_arg *arg, double preset,
                         enum dtype dtype) {
    if (!arg->given) return tape_scalar(t, dtype, preset);
    if (arg->node == NODE_NONE) return NODE_NONE;
    if (tape_shape(t, arg->node)->rank > 0) {
        char text[SHAPE_TEXT];
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "one_hot: on_value and off_value must be scalars, found shape %s",
                         shape_text(tape_shape(t, arg->node), text));
    }
    return emit_cast(t, emit1(t, OP_stop_gradient, arg->node), dtype);
}
static node_id one_hot_emit(struct tape *t, const struct op_arg *args) {
    const node_id indices = args[0].node;
    const int64_t depth = args[1].i;
    if (indices == NODE_NONE || !indices_check(t, "one_hot", "indices", indices)) return NODE_NONE;
    if (!length_check(t, "one_hot", "depth", depth)) return NODE_NONE;
    struct op_arg expand[2] = {{.given = true, .node = indices},
                               {.given = true, .i = args[4].given ? args[4].i : -1}};
    const node_id columns = op_table[OP_expand_dims]->emit(t, expand);
    if (columns == NODE_NONE) return NODE_NONE;
    const int rank = tape_shape(t, columns)->rank;
    const enum dtype values =
        args[5].given                                ? args[5].dtype
        : args[2].given && args[2].node != NODE_NONE ? tape_dtype(t, args[2].node)
        : args[3].given && args[3].node != NODE_NONE ? tape_dtype(t, args[3].node)
                                                     : args[5].dtype;
    struct shape places = {.rank = rank};
    for (int i = 0; i < rank; i++) places.dim[i] = 1;
    places.dim[expand[1].i < 0 ? expand[1].i + rank : expand[1].i] = depth;
    const node_id classes =
        emit_reshape(t, sequence(t, tape_dtype(t, indices), depth, 0, 1), &places);
    const node_id on = hot_value(t, &args[2], 1, values), off = hot_value(t, &args[3], 0, values);
    return emit_where(t, emit_equal(t, columns, classes), on, off);
}
const struct op op_one_hot = {
    .name = "one_hot",
    .notation = "y_ij = on_value where indices_i = j, else off_value; not differentiable",
    .kind = OP_COMPOSITE,
    .params = {{"indices", PARAM_INDICES, false},
               {"depth", PARAM_INT, false},
               {"on_value", PARAM_TENSOR, true},
               {"off_value", PARAM_TENSOR, true},
               {"axis", PARAM_INT, true},
               {"dtype", PARAM_DTYPE, true}},
    .preset = {[4] = "-1"},
    .inert = 1 << 2 | 1 << 3,
    .dtypes = DTYPES_ALL,
    .emit = one_hot_emit};
