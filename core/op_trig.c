/* Inverse circular and hyperbolic functions, the plane's angle and distance, other bases of
 * exponentials and logarithms, the error function, and rounding. Derivatives are written as TensorFlow's
 * math_grad.py writes them, so that poles come out alike. */
#include <tgmath.h>

#include "core/op_pointwise.h"

/* v / sqrt(1 - x^2) through a reciprocal, so that a zero v at a pole is still 0 * inf. */
static node_id asin_slope(struct tape *t, node_id x) {
    node_id rest = emit_subtract(t, emit_like(t, x, 1), emit_square(t, x));
    return emit_reciprocal(t, emit1(t, OP_sqrt, rest));
}
VECTOR_OP(asin, "y = arcsin x; dy/dx = 1/sqrt(1 - x^2)", emit_multiply(t, v, asin_slope(t, x)))
VECTOR_OP(acos, "y = arccos x; dy/dx = -1/sqrt(1 - x^2)",
          emit_negative(t, emit_multiply(t, v, asin_slope(t, x))))
VECTOR_OP(atan, "y = arctan x; dy/dx = 1/(1 + x^2)",
          emit_multiply(t, v,
                        emit_reciprocal(t, emit_add(t, emit_like(t, x, 1), emit_square(t, x)))))
UNARY_OP(asinh, "y = arsinh x; dy/dx = 1/cosh y", asinh(x), emit_divide(t, v, emit_cosh(t, y)))
UNARY_OP(acosh, "y = arcosh x; dy/dx = 1/sinh y", acosh(x), emit_divide(t, v, emit_sinh(t, y)))
UNARY_OP(atanh, "y = artanh x; dy/dx = 1/(1 - x^2)", atanh(x),
         emit_multiply(t, v,
                       emit_reciprocal(t, emit_subtract(t, emit_like(t, x, 1), emit_square(t, x)))))

/* atan2(y, x): in C's order of arguments, as everywhere. */
BINARY_FLOATS(atan2, atan2(x, y))
static node_id atan2_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id y = tape_arg(t, z, 0), x = tape_arg(t, z, 1);
    node_id scaled = emit_divide(t, v, emit_add(t, emit_square(t, x), emit_square(t, y)));
    return i == 0 ? emit_multiply(t, x, scaled) : emit_multiply(t, emit_negative(t, y), scaled);
}
const struct op op_atan2 = {
    .name = "atan2",
    .notation = "z = angle of the point (x, y); dz/dy = x/(x^2 + y^2), dz/dx = -y/(x^2 + y^2)",
    .flags = OP_POINTWISE,
    .params = {{"y", PARAM_TENSOR, false}, {"x", PARAM_TENSOR, false}},
    .infer = infer_pointwise,
    .partial = atan2_partial,
    ROWS_FLOATS(atan2)};

/* hypot: 0 where both are 0 and the incoming gradient is, as sqrt. */
BINARY_FLOATS(hypot, hypot(x, y))
static node_id hypot_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    return emit_multiply(t, tape_arg(t, z, i), emit_multiply_no_nan(t, emit_reciprocal(t, z), v));
}
BINARY_OP_OF(hypot, "z = sqrt(x^2 + y^2) without overflow; dz/dx = x/z, dz/dy = y/z",
             ROWS_FLOATS(hypot))

#define LN2 0.693147180559945309417232121458176568
#define LN10 2.30258509299404568401799145468436421
VECTOR_OP(exp2, "y = 2^x; dy/dx = y log 2",
          emit_multiply(t, v, emit_multiply(t, y, emit_like(t, y, LN2))))
VECTOR_OP(log2, "y = log x / log 2; dy/dx = 1/(x log 2)",
          emit_multiply(t, v, emit_reciprocal(t, emit_multiply(t, x, emit_like(t, x, LN2)))))
VECTOR_OP(log10, "y = log x / log 10; dy/dx = 1/(x log 10)",
          emit_multiply(t, v, emit_reciprocal(t, emit_multiply(t, x, emit_like(t, x, LN10)))))
UNARY_OP(cbrt, "y = x^(1/3), also of x < 0; dy/dx = 1/(3 y^2)", cbrt(x),
         emit_multiply(t, v,
                       emit_reciprocal(t, emit_multiply(t, emit_like(t, y, 3), emit_square(t, y)))))

#define TWO_OVER_ROOT_PI 1.12837916709551257389615890312154517
static node_id erf_slope(struct tape *t, node_id x, double factor) {
    return emit_multiply(t, emit_like(t, x, factor),
                         emit_exp(t, emit_negative(t, emit_square(t, x))));
}
UNARY_OP(erf, "y = 2/sqrt(pi) integral of e^-t^2 from 0 to x; dy/dx = 2/sqrt(pi) e^-x^2", erf(x),
         emit_multiply(t, v, erf_slope(t, x, TWO_OVER_ROOT_PI)))
UNARY_OP(erfc, "y = 1 - erf x without cancellation; dy/dx = -2/sqrt(pi) e^-x^2", erfc(x),
         emit_multiply(t, v, erf_slope(t, x, -TWO_OVER_ROOT_PI)))

/* Rounding has no derivative at all: TensorFlow answers None, not 0. */
#define ROUNDING_OP(id, text, value)                                                               \
    UNARY_FLOATS(id, value)                                                                        \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text "; not differentiable",                            \
                               .flags = OP_POINTWISE,                                              \
                               .params = X_PARAMS,                                                 \
                               .infer = infer_same,                                                \
                               ROWS_FLOATS(id)};
ROUNDING_OP(floor, "y = the largest integer <= x", floor(x))
ROUNDING_OP(ceil, "y = the smallest integer >= x", ceil(x))

/* round: halves go to the even neighbour; an integer is round already. */
UNARY_FLOATS(round, rint(x))
UNARY(round, I32, int32_t, int32_t, x)
UNARY(round, I64, int64_t, int64_t, x)
const struct op op_round = {.name = "round",
                            .notation =
                                "y = the nearest integer, of two the even one; not differentiable",
                            .flags = OP_POINTWISE,
                            .params = X_PARAMS,
                            .infer = infer_same,
                            ROWS_NUMBERS(round)};
