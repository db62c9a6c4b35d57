/* Element-wise ops that give a pole or an infinity an agreed value, clipping, and the tests for what
 * is not finite. */
#include <tgmath.h>

#include "core/op_pointwise.h"

/* divide_no_nan: 0 wherever y is 0, also in the derivatives. */
BINARY_FLOATS(divide_no_nan, (y == 0 ? 0 : x / y))
static node_id quotient(struct tape *t, node_id x, node_id y) {
    return emit2(t, OP_divide_no_nan, x, y);
}
static node_id divide_no_nan_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id x = tape_arg(t, z, 0), y = tape_arg(t, z, 1);
    if (i == 0) return quotient(t, v, y);
    return emit_multiply(t, v, quotient(t, quotient(t, emit_negative(t, x), y), y));
}
BINARY_OP_OF(divide_no_nan, "z = x / y, 0 where y = 0; dz/dx = 1/y, dz/dy = -x/y^2, 0 where y = 0",
             ROWS_FLOATS(divide_no_nan))

BINARY_FLOATS(squared_difference, (x - y) * (x - y))
BINARY(squared_difference, I32, int32_t, int32_t,
       WRAP(int32_t, WRAP(int32_t, x, -, y), *, WRAP(int32_t, x, -, y)))
BINARY(squared_difference, I64, int64_t, int64_t,
       WRAP(int64_t, WRAP(int64_t, x, -, y), *, WRAP(int64_t, x, -, y)))
static node_id squared_difference_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id x = tape_arg(t, z, i), y = tape_arg(t, z, 1 - i);
    return emit_multiply(t, emit_multiply(t, emit_like(t, v, 2), v), emit_subtract(t, x, y));
}
BINARY_OP_OF(squared_difference, "z = (x - y)^2; dz/dx = 2 (x - y), dz/dy = 2 (y - x)",
             ROWS_NUMBERS(squared_difference))

/* The three products with a logarithm or a reciprocal are 0 where x is 0, whatever y is (TensorFlow
 * 2.18). In the derivative by x stands 1 or 0 for x, which x does not reach: the second derivative
 * by x is None. */
static node_id one_unless_zero(struct tape *t, node_id x) {
    if (x == NODE_NONE) return NODE_NONE;
    return emit_cast(t, emit2(t, OP_not_equal, x, emit_like(t, x, 0)), tape_dtype(t, x));
}

BINARY_FLOATS(xlogy, (x == 0 ? 0 : x * log(y)))
static node_id xlogy_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id x = tape_arg(t, z, 0), y = tape_arg(t, z, 1);
    node_id slope =
        i == 0 ? emit2(t, OP_xlogy, one_unless_zero(t, x), y) : emit2(t, OP_xdivy, x, y);
    return emit_multiply(t, slope, v);
}
BINARY_OP_OF(xlogy, "z = x log y, 0 where x = 0; dz/dx = log y, dz/dy = x/y, both 0 where x = 0",
             ROWS_FLOATS(xlogy))

BINARY_FLOATS(xlog1py, (x == 0 ? 0 : x * log1p(y)))
static node_id xlog1py_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id x = tape_arg(t, z, 0), y = tape_arg(t, z, 1);
    node_id slope = i == 0 ? emit2(t, OP_xlog1py, one_unless_zero(t, x), y)
                           : emit2(t, OP_xdivy, x, emit_add(t, y, emit_like(t, y, 1)));
    return emit_multiply(t, slope, v);
}
BINARY_OP_OF(xlog1py,
             "z = x log(1 + y), 0 where x = 0; dz/dx = log(1 + y), dz/dy = x/(1 + y), both 0 "
             "where x = 0",
             ROWS_FLOATS(xlog1py))

BINARY_FLOATS(xdivy, (x == 0 ? 0 : x / y))
static node_id xdivy_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id x = tape_arg(t, z, 0), y = tape_arg(t, z, 1);
    node_id slope = i == 0 ? emit2(t, OP_xdivy, one_unless_zero(t, x), y)
                           : emit2(t, OP_xdivy, emit_negative(t, x), emit_square(t, y));
    return emit_multiply(t, slope, v);
}
BINARY_OP_OF(xdivy, "z = x / y, 0 where x = 0; dz/dx = 1/y, dz/dy = -x/y^2, both 0 where x = 0",
             ROWS_FLOATS(xdivy))

/* clip_by_value: at a bound the gradient belongs to x; where the bounds cross, the lower one wins. */
static node_id clip_by_value_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, least = args[1].node, most = args[2].node;
    node_id y = emit2(t, OP_maximum, emit2(t, OP_minimum, x, most), least);
    if (y == NODE_NONE || shape_equal(tape_shape(t, x), tape_shape(t, y))) return y;
    char from[SHAPE_TEXT], to[SHAPE_TEXT];
    return tape_fail(t, ERROR_SHAPE_MISMATCH,
                     "clip_by_value: the bounds make shape %s of shape %s; they must broadcast to "
                     "what is clipped",
                     shape_text(tape_shape(t, y), to), shape_text(tape_shape(t, x), from));
}
const struct op op_clip_by_value = {
    .name = "clip_by_value",
    .notation = "y = max(min(x, most), least); dy/dx = 1 where least <= x <= most, else 0",
    .kind = OP_COMPOSITE,
    .params = {{"t", PARAM_TENSOR, false},
               {"clip_value_min", PARAM_TENSOR, false},
               {"clip_value_max", PARAM_TENSOR, false}},
    .dtypes = DTYPES_NUMBERS,
    .emit = clip_by_value_emit};

static bool infer_test(struct tape *t, const struct node *n, struct shape *shape,
                       enum dtype *dtype) {
    (void)t, (void)n, (void)shape;
    *dtype = DTYPE_BOOL;
    return true;
}
#define TEST_OP(id, text, value)                                                                   \
    UNARY(id, F32, float, uint8_t, value)                                                          \
    UNARY(id, F64, double, uint8_t, value)                                                         \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text "; not differentiable",                            \
                               .flags = OP_POINTWISE,                                              \
                               .params = X_PARAMS,                                                 \
                               .infer = infer_test,                                                \
                               ROWS_FLOATS(id)};
TEST_OP(is_nan, "y = (x is NaN)", x != x)
TEST_OP(is_inf, "y = (x is an infinity)", isinf(x) != 0)
TEST_OP(is_finite, "y = (x is neither NaN nor an infinity)", isfinite(x) != 0)
