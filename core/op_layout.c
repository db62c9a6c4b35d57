/* Ops that lay out a tensor's elements anew, at places known when the graph is built. All are written
 * in slices, concatenations and broadcasts and so have no derivative of their own. */
#include <inttypes.h>
#include <strings.h>

#include "core/emit.h"

/* The elements begin, begin + stride, ... of one axis, `count` of them, and all of the others. */
static node_id along(struct tape *t, node_id x, int axis, int64_t begin, int64_t stride,
                     int64_t count) {
    if (x == NODE_NONE) return NODE_NONE;
    struct shape shape = *tape_shape(t, x);
    int64_t begins[RANK_MAX] = {0}, strides[RANK_MAX];
    for (int i = 0; i < shape.rank; i++) strides[i] = 1;
    begins[axis] = begin;
    strides[axis] = stride;
    shape.dim[axis] = count;
    return emit_strided_slice(t, x, &shape, begins, strides);
}

static node_id flattened(struct tape *t, node_id x) {
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape flat = {.rank = 1, .dim = {shape_count(tape_shape(t, x))}};
    return emit_reshape(t, x, &flat);
}

/* n copies of an axis in a row, or of each of its elements. */
static node_id copies(struct tape *t, node_id x, int axis, int64_t n, bool each) {
    if (x == NODE_NONE || n == 1) return x;
    struct shape shape = *tape_shape(t, x);
    struct shape cut = {.rank = 4, .dim = {1, 1, 1, 1}};
    for (int i = 0; i < shape.rank; i++)
        cut.dim[i < axis ? 0 : i > axis ? 3 : each ? 1 : 2] *= shape.dim[i];
    x = emit_reshape(t, x, &cut);
    cut.dim[each ? 2 : 1] = n;
    x = emit_broadcast_to(t, x, &cut);
    if (x == NODE_NONE) return NODE_NONE;
    shape.dim[axis] *= n;
    return emit_reshape(t, x, &shape);
}

/* ---- tile, repeat ------------------------------------------------------------------------------ */

static node_id tile_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    const int rank = tape_shape(t, x)->rank;
    if (args[1].n != (size_t)rank)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "tile: Expected multiples argument to be a vector of length %d but got "
                         "length %zu",
                         rank, args[1].n);
    for (int i = 0; i < rank; i++) {
        if (args[1].ints[i] < 0)
            return tape_fail(t, ERROR_INVALID_ARGUMENT,
                             "tile: Expected multiples[%d] >= 0, but got %" PRId64, i,
                             args[1].ints[i]);
        x = copies(t, x, i, args[1].ints[i], false);
    }
    return x;
}
const struct op op_tile = {
    .name = "tile",
    .notation = "y = x multiples[i] times in a row along every axis i; dx is the sum over copies",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false}, {"multiples", PARAM_INTS, false}},
    .dtypes = DTYPES_ALL,
    .emit = tile_emit};

static node_id fail_repeats(struct tape *t, size_t n, int axis, int64_t length) {
    return tape_fail(t, ERROR_INVALID_ARGUMENT,
                     "repeat: %zu repeats for axis %d of length %" PRId64, n, axis, length);
}
/* Repeats of its own for each element: the pieces one after another. */
static node_id repeat_unevenly(struct tape *t, node_id x, int axis, const int64_t *repeats,
                               size_t n) {
    node_id *parts = arena_alloc(t->arena, (n + 1) * sizeof *parts);
    if (!parts) return tape_fail(t, ERROR_MEMORY_BUDGET, "repeat: no memory for %zu parts", n);
    for (size_t i = 0; i < n; i++) {
        parts[i] = copies(t, along(t, x, axis, (int64_t)i, 1, 1), axis, repeats[i], true);
        if (parts[i] == NODE_NONE) return NODE_NONE;
    }
    return n == 0 ? x : emit_concat(t, parts, (uint32_t)n, axis);
}
static node_id repeat_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    const struct op_arg *repeats = &args[1];
    int axis = 0;
    if (!args[2].given) x = flattened(t, x);
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape *shape = tape_shape(t, x);
    if (args[2].given && !axis_normalize(t, "repeat", args[2].i, shape->rank, &axis))
        return NODE_NONE;
    for (size_t i = 0; i < repeats->n; i++)
        if (repeats->ints[i] < 0)
            return tape_fail(t, ERROR_INVALID_ARGUMENT,
                             "repeat: repeats[%zu] is %" PRId64 ", which is negative", i,
                             repeats->ints[i]);
    if (repeats->n == 1) return copies(t, x, axis, repeats->ints[0], true);
    if (repeats->n != (size_t)shape->dim[axis])
        return fail_repeats(t, repeats->n, axis, shape->dim[axis]);
    return repeat_unevenly(t, x, axis, repeats->ints, repeats->n);
}
const struct op op_repeat = {.name = "repeat",
                             .notation = "y = each element of an axis repeats times; without axis, "
                                         "of all elements in order",
                             .kind = OP_COMPOSITE,
                             .params = {{"input", PARAM_TENSOR, false},
                                        {"repeats", PARAM_INTS, false},
                                        {"axis", PARAM_INT, true}},
                             .dtypes = DTYPES_ALL,
                             .emit = repeat_emit};

/* ---- reverse, roll ----------------------------------------------------------------------------- */

static node_id reverse_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    uint32_t axes;
    if (x == NODE_NONE) return NODE_NONE;
    struct shape shape = *tape_shape(t, x);
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    if (!axes_read(t, "reverse", &args[1], shape.rank, &axes)) return NODE_NONE;
    for (int i = 0; i < shape.rank; i++) {
        const bool turned = axes >> i & 1;
        stride[i] = turned ? -1 : 1;
        if (turned && shape.dim[i] > 0) begin[i] = shape.dim[i] - 1;
    }
    return emit_strided_slice(t, x, &shape, begin, stride);
}
const struct op op_reverse = {
    .name = "reverse",
    .notation = "y = x backwards along the axes, all of them by default; dx is g backwards",
    .kind = OP_COMPOSITE,
    .params = {{"tensor", PARAM_TENSOR, false}, {"axis", PARAM_INTS, true}},
    .dtypes = DTYPES_ALL,
    .emit = reverse_emit};

static node_id roll_axis(struct tape *t, node_id x, int axis, int64_t shift) {
    const int64_t n = tape_shape(t, x)->dim[axis];
    if (n == 0) return x;
    shift = (shift % n + n) % n;
    if (shift == 0) return x;
    const node_id parts[2] = {along(t, x, axis, n - shift, 1, shift),
                              along(t, x, axis, 0, 1, n - shift)};
    return emit_concat(t, parts, 2, axis);
}
static node_id roll_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape shape = *tape_shape(t, x);
    if (!args[2].given) {
        if (args[1].n != 1)
            return tape_fail(t, ERROR_INVALID_ARGUMENT,
                             "roll: %zu shifts without axis; 1 is expected", args[1].n);
        x = flattened(t, x);
        return x == NODE_NONE ? x : emit_reshape(t, roll_axis(t, x, 0, args[1].ints[0]), &shape);
    }
    if (args[1].n != args[2].n && args[1].n != 1)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "roll: shift and axis must have the same size; found %zu and %zu",
                         args[1].n, args[2].n);
    for (size_t i = 0; i < args[2].n && x != NODE_NONE; i++) {
        int axis;
        if (!axis_normalize(t, "roll", args[2].ints[i], shape.rank, &axis)) return NODE_NONE;
        x = roll_axis(t, x, axis, args[1].ints[args[1].n == 1 ? 0 : i]);
    }
    return x;
}
const struct op op_roll = {
    .name = "roll",
    .notation = "y_(i + shift mod n) = x_i along the axes; without axis, of all elements in order",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false},
               {"shift", PARAM_INTS, false},
               {"axis", PARAM_INTS, true}},
    .dtypes = DTYPES_ALL,
    .emit = roll_emit};

/* ---- pad --------------------------------------------------------------------------------------- */

enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_SYMMETRIC, PAD_MODES };

static bool pad_mode(struct tape *t, const struct op_arg *arg, enum pad_mode *mode) {
    static const char *const names[] = {"CONSTANT", "REFLECT", "SYMMETRIC"};
    *mode = PAD_CONSTANT;
    for (int i = 0; arg->given && i < PAD_MODES; i++) {
        *mode = (enum pad_mode)i;
        if (strcasecmp(arg->string, names[i]) == 0) return true;
    }
    if (!arg->given) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "pad: Expected `mode` to be CONSTANT, REFLECT or SYMMETRIC, but got %.40s",
              arg->string);
    return false;
}
static bool pad_check(struct tape *t, node_id x, const struct op_arg *paddings,
                      enum pad_mode mode) {
    const struct shape *shape = tape_shape(t, x);
    char text[SHAPE_TEXT];
    if (paddings->n != 2 * (size_t)shape->rank) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "pad: The first dimension of paddings must be the rank of inputs, %d for shape "
                  "%s, but it is %zu",
                  shape->rank, shape_text(shape, text), paddings->n / 2);
        return false;
    }
    for (int i = 0; i < shape->rank; i++) {
        const int64_t before = paddings->ints[2 * i], after = paddings->ints[2 * i + 1];
        const int64_t most = mode == PAD_CONSTANT  ? t->limits.elements
                             : mode == PAD_REFLECT ? shape->dim[i] - 1
                                                   : shape->dim[i];
        if (before >= 0 && after >= 0 && before <= most && after <= most) continue;
        if (before < 0 || after < 0)
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      "pad: Paddings must be non-negative: %" PRId64 " %" PRId64, before, after);
        else if (mode == PAD_CONSTANT)
            tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                      "pad: paddings %" PRId64 " and %" PRId64 " of axis %d make more than the "
                      "%" PRId64 " elements a tensor may have",
                      before, after, i, t->limits.elements);
        else
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      "pad: paddings must be %s the dimension size: %" PRId64 ", %" PRId64
                      " %s %" PRId64,
                      mode == PAD_REFLECT ? "less than" : "no greater than", before, after,
                      mode == PAD_REFLECT ? "not less than" : "greater than", shape->dim[i]);
        return false;
    }
    return true;
}
/* One axis with `value` (a scalar) in front and behind. */
static node_id pad_filled(struct tape *t, node_id x, int axis, int64_t before, int64_t after,
                          node_id value) {
    struct shape front = *tape_shape(t, x), back = front;
    front.dim[axis] = before;
    back.dim[axis] = after;
    const node_id parts[3] = {emit_broadcast_to(t, value, &front), x,
                              emit_broadcast_to(t, value, &back)};
    return emit_concat(t, parts, 3, axis);
}
/* One axis with its mirror image in front and behind; the edge itself is not repeated by `skip` 1. */
static node_id pad_mirrored(struct tape *t, node_id x, int axis, int64_t before, int64_t after,
                            int64_t skip) {
    const int64_t n = tape_shape(t, x)->dim[axis];
    if (before == 0 && after == 0) return x;
    const node_id parts[3] = {along(t, x, axis, before ? before - 1 + skip : 0, -1, before), x,
                              along(t, x, axis, after ? n - 1 - skip : 0, -1, after)};
    return emit_concat(t, parts, 3, axis);
}
static node_id pad_zeros(struct tape *t, node_id x, const int64_t *paddings) {
    struct shape larger = *tape_shape(t, x);
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    for (int i = 0; i < larger.rank; i++) {
        larger.dim[i] += paddings[2 * i] + paddings[2 * i + 1];
        begin[i] = paddings[2 * i];
        stride[i] = 1;
    }
    return emit_slice_grad(t, x, &larger, begin, stride);
}
static node_id pad_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, value = args[3].node;
    enum pad_mode mode;
    if (x == NODE_NONE || !pad_mode(t, &args[2], &mode) || !pad_check(t, x, &args[1], mode))
        return NODE_NONE;
    if (mode == PAD_CONSTANT && !args[3].given) return pad_zeros(t, x, args[1].ints);
    char text[SHAPE_TEXT];
    if (args[3].given && value != NODE_NONE && tape_shape(t, value)->rank > 0)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "pad: constant_values must be a scalar. Found shape %s",
                         shape_text(tape_shape(t, value), text));
    /* TensorFlow has no gradient by the constant. */
    if (mode == PAD_CONSTANT) value = emit1(t, OP_stop_gradient, value);
    for (int i = 0; i < (int)args[1].n / 2 && x != NODE_NONE; i++) {
        const int64_t before = args[1].ints[2 * i], after = args[1].ints[2 * i + 1];
        x = mode == PAD_CONSTANT ? pad_filled(t, x, i, before, after, value)
                                 : pad_mirrored(t, x, i, before, after, mode == PAD_REFLECT);
    }
    return x;
}
const struct op op_pad = {
    .name = "pad",
    .notation = "y = x with paddings in front and behind every axis: constant, reflect, symmetric",
    .kind = OP_COMPOSITE,
    .params = {{"tensor", PARAM_TENSOR, false},
               {"paddings", PARAM_PAIRS, false},
               {"mode", PARAM_STRING, true},
               {"constant_values", PARAM_TENSOR, true}},
    .preset = {[2] = "\"CONSTANT\"", [3] = "0"},
    .inert = 1 << 3,
    .dtypes = DTYPES_ALL,
    .emit = pad_emit};

static node_id mirror_pad_emit(struct tape *t, const struct op_arg *args) {
    const struct op_arg call[] = {args[0], args[1], args[2], {.given = false, .node = NODE_NONE}};
    if (strcasecmp(args[2].string, "CONSTANT") == 0)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "mirror_pad: Expected `mode` to be REFLECT or SYMMETRIC, but got %s",
                         args[2].string);
    return pad_emit(t, call);
}
const struct op op_mirror_pad = {
    .name = "mirror_pad",
    .notation =
        "y = x with its mirror image around every axis: with the edge (symmetric) or without",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false},
               {"paddings", PARAM_PAIRS, false},
               {"mode", PARAM_STRING, false}},
    .dtypes = DTYPES_ALL,
    .emit = mirror_pad_emit};

/* ---- moveaxis, swapaxes ------------------------------------------------------------------------ */

static node_id moveaxis_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    uint32_t from, to;
    if (x == NODE_NONE) return NODE_NONE;
    const int rank = tape_shape(t, x)->rank;
    int64_t perm[RANK_MAX];
    if (args[1].n != args[2].n)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "moveaxis: source has %zu axes and destination %zu", args[1].n, args[2].n);
    if (!axes_read(t, "moveaxis", &args[1], rank, &from) ||
        !axes_read(t, "moveaxis", &args[2], rank, &to))
        return NODE_NONE;
    for (size_t i = 0; i < args[1].n; i++) {
        const int64_t source = args[1].ints[i], place = args[2].ints[i];
        perm[place < 0 ? place + rank : place] = source < 0 ? source + rank : source;
    }
    for (int i = 0, next = 0; i < rank; i++) {
        if (to >> i & 1) continue;
        while (from >> next & 1) next++;
        perm[i] = next++;
    }
    return emit_transpose(t, x, perm);
}
const struct op op_moveaxis = {.name = "moveaxis",
                               .notation = "y = x with axes moved to other places",
                               .kind = OP_COMPOSITE,
                               .params = {{"a", PARAM_TENSOR, false},
                                          {"source", PARAM_INTS, false},
                                          {"destination", PARAM_INTS, false}},
                               .dtypes = DTYPES_ALL,
                               .emit = moveaxis_emit};

static node_id swapaxes_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    int first, second;
    if (x == NODE_NONE) return NODE_NONE;
    const int rank = tape_shape(t, x)->rank;
    int64_t perm[RANK_MAX];
    if (!axis_normalize(t, "swapaxes", args[1].i, rank, &first) ||
        !axis_normalize(t, "swapaxes", args[2].i, rank, &second))
        return NODE_NONE;
    for (int i = 0; i < rank; i++) perm[i] = i == first ? second : i == second ? first : i;
    return emit_transpose(t, x, perm);
}
const struct op op_swapaxes = {.name = "swapaxes",
                               .notation = "y = x with two axes in each other's place",
                               .kind = OP_COMPOSITE,
                               .params = {{"a", PARAM_TENSOR, false},
                                          {"axis1", PARAM_INT, false},
                                          {"axis2", PARAM_INT, false}},
                               .dtypes = DTYPES_ALL,
                               .emit = swapaxes_emit};
