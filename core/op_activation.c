/* Activations of neural nets beyond relu, sigmoid, tanh and softplus. Those with a kink are primitives, since
 * their second derivative is a connected zero; the smooth ones are written in other ops, in forms
 * that do not cancel in the tails. */
#include <tgmath.h>

#include "core/op_pointwise.h"

#define FEATURES_PARAMS                                                                            \
    {                                                                                              \
        { "features", PARAM_TENSOR, false }                                                        \
    }
#define COMPOSITE_OP(id, text)                                                                     \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = X_PARAMS,                                                 \
                               .dtypes = DTYPES_FLOATS,                                            \
                               .emit = id##_emit};

/* relu6: the mask is a product of two steps, 6 - x > 0 being exactly x < 6. */
UNARY_FLOATS(relu6, (x < 0 ? 0 : x > 6 ? 6 : x))
UNARY(relu6, I32, int32_t, int32_t, (x < 0 ? 0 : x > 6 ? 6 : x))
UNARY(relu6, I64, int64_t, int64_t, (x < 0 ? 0 : x > 6 ? 6 : x))
static node_id relu6_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    node_id x = tape_arg(t, y, 0);
    (void)i;
    node_id below = emit_step(t, emit_subtract(t, emit_like(t, x, 6), x));
    return emit_multiply(t, v, emit_multiply(t, emit_step(t, x), below));
}
const struct op op_relu6 = {.name = "relu6",
                            .notation = "y = min(max(x, 0), 6); dy/dx = 1 where 0 < x < 6, else 0",
                            .flags = OP_POINTWISE,
                            .params = FEATURES_PARAMS,
                            .infer = infer_same,
                            .partial = relu6_partial,
                            ROWS_NUMBERS(relu6)};

/* leaky_relu: alpha is the second argument on the tape, a scalar of x's dtype. TensorFlow keeps it
 * in float32, so that its 0.2 is 0.20000000298 for float64 too; here it is 0.2. */
BINARY_FLOATS(leaky_relu, (x > 0 ? x : x * y))
static node_id leaky_relu_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id x = tape_arg(t, z, 0), alpha = tape_arg(t, z, 1);
    return i == 0 ? emit_multiply(t, v, emit2(t, OP_leaky_step, x, alpha)) : NODE_NONE;
}
static node_id leaky_relu_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (x == NODE_NONE) return NODE_NONE;
    enum dtype dtype = tape_dtype(t, x);
    if (dtype == DTYPE_I32 || dtype == DTYPE_I64) x = emit_cast(t, x, DTYPE_F32);
    return emit2(t, OP_leaky_relu, x, emit_like(t, x, args[1].given ? args[1].f : 0.2));
}
const struct op op_leaky_relu = {
    .name = "leaky_relu",
    .notation = "y = x where x > 0, else alpha x (alpha = 0.2); dy/dx = 1 or alpha",
    .flags = OP_POINTWISE,
    .params = {{"features", PARAM_TENSOR, false}, {"alpha", PARAM_FLOAT, true}},
    .dtypes = DTYPES_NUMBERS,
    .preset = {[1] = "0.2"},
    .emit = leaky_relu_emit,
    .infer = infer_pointwise,
    .partial = leaky_relu_partial,
    ROWS_FLOATS(leaky_relu)};
BINARY_FLOATS(leaky_step, (x > 0 ? 1 : y))
static node_id leaky_step_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    (void)v;
    return i == 0 ? emit_zeros_like(t, z) : NODE_NONE;
}
const struct op op_leaky_step = {.name = "leaky_step",
                                 .notation = "y = 1 where x > 0, else alpha; dy/dx = 0",
                                 .kind = OP_INTERNAL,
                                 .flags = OP_POINTWISE,
                                 .params = XY_PARAMS,
                                 .infer = infer_pointwise,
                                 .partial = leaky_step_partial,
                                 ROWS_FLOATS(leaky_step)};

/* The slope of elu and selu: `below` e^x where x < 0, else `above`. The minimum keeps the side that is
 * not chosen finite, so that its zero stays a zero. */
static node_id elu_slope(struct tape *t, node_id x, double below, double above) {
    node_id zero = emit_like(t, x, 0);
    node_id tail = emit_exp(t, emit2(t, OP_minimum, x, zero));
    if (below != 1) tail = emit_multiply(t, tail, emit_like(t, x, below));
    return emit_where(t, emit2(t, OP_less, x, zero), tail, emit_like(t, x, above));
}
/* Klambauer et al., Self-Normalizing Neural Networks, 2017. */
#define SELU_SCALE 1.0507009873554804934193349852946
#define SELU_SCALE_ALPHA 1.7580993408473768599402175208123
VECTOR_THROUGH_FLOATS(elu, expm1, VECTOR_COUNT, (x < 0 ? x : 0), (x < 0 ? e : x))
UNARY_OP_OF(elu, "y = x where x >= 0, else e^x - 1; dy/dx = 1 or e^x",
            emit_multiply(t, v, elu_slope(t, x, 1, 1)))
VECTOR_THROUGH_FLOATS(
    selu, expm1, VECTOR_COUNT, (x < 0 ? x : 0),
    (x < 0 ? (sizeof x == sizeof(float) ? (float)SELU_SCALE_ALPHA : SELU_SCALE_ALPHA) * e
           : (sizeof x == sizeof(float) ? (float)SELU_SCALE : SELU_SCALE) * x))
UNARY_OP_OF(
    selu,
    "y = s x where x >= 0, else s a (e^x - 1), s = 1.0507..., a = 1.6732...; dy/dx = s or s a e^x",
    emit_multiply(t, v, elu_slope(t, x, SELU_SCALE_ALPHA, SELU_SCALE)))

UNARY_OP(softsign, "y = x/(1 + |x|); dy/dx = 1/(1 + |x|)^2", x / (1 + fabs(x)),
         emit_divide(t, v, emit_square(t, emit_add(t, emit_like(t, x, 1), emit1(t, OP_abs, x)))))

/* gelu: x times the normal distribution's Phi(x), which erfc has to full precision on both sides. The
 * approximation's 0.5 (1 + tanh u) is sigmoid(2 u) (Hendrycks and Gimpel, 2016). */
#define ROOT_HALF 0.707106781186547524400844362104849039
#define ROOT_TWO_OVER_PI 0.797884560802865355879892119868763737
static node_id gelu_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    if (args[1].given && args[1].b) {
        node_id cube =
            emit_multiply(t, emit_multiply(t, x, emit_square(t, x)), emit_like(t, x, 0.044715));
        node_id u = emit_multiply(t, emit_add(t, x, cube), emit_like(t, x, 2 * ROOT_TWO_OVER_PI));
        return emit_multiply(t, x, emit_sigmoid(t, u));
    }
    node_id tail = emit1(t, OP_erfc, emit_multiply(t, x, emit_like(t, x, -ROOT_HALF)));
    return emit_multiply(t, emit_multiply(t, x, emit_like(t, x, 0.5)), tail);
}
const struct op op_gelu = {
    .name = "gelu",
    .notation = "y = x Phi(x); dy/dx = Phi(x) + x phi(x); approximate: y = x (1 + tanh(sqrt(2/pi) "
                "(x + 0.044715 x^3)))/2",
    .kind = OP_COMPOSITE,
    .params = {{"features", PARAM_TENSOR, false}, {"approximate", PARAM_BOOL, true}},
    .dtypes = DTYPES_FLOATS,
    .emit = gelu_emit};

static node_id silu_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    node_id u = args[1].given ? emit_multiply(t, args[1].node, x) : x;
    return emit_multiply(t, x, emit_sigmoid(t, u));
}
const struct op op_silu = {
    .name = "silu",
    .notation = "y = x s, s = sigmoid(beta x) (beta = 1); dy/dx = s + beta x s (1 - s), dy/dbeta = "
                "x^2 s (1 - s)",
    .kind = OP_COMPOSITE,
    .params = {{"features", PARAM_TENSOR, false}, {"beta", PARAM_TENSOR, true}},
    .dtypes = DTYPES_FLOATS,
    .preset = {[1] = "1.0"},
    .emit = silu_emit};

static node_id mish_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    return emit_multiply(t, x, emit1(t, OP_tanh, emit1(t, OP_softplus, x)));
}
COMPOSITE_OP(mish, "y = x tanh(softplus x); dy/dx = tanh p + x sigmoid(x)/cosh^2 p, p = softplus x")

static node_id log_sigmoid_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    return emit_negative(t, emit1(t, OP_softplus, emit_negative(t, x)));
}
COMPOSITE_OP(log_sigmoid, "y = log(1/(1 + e^-x)); dy/dx = sigmoid(-x)")

/* The piecewise linear ones are Keras 3's. */
static node_id hard_sigmoid_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    node_id y = emit1(t, OP_relu6, emit_add(t, x, emit_like(t, x, 3)));
    return emit_divide(t, y, emit_like(t, x, 6));
}
COMPOSITE_OP(hard_sigmoid, "y = relu6(x + 3)/6; dy/dx = 1/6 where -3 < x < 3, else 0")

static node_id hard_silu_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    return emit_multiply(t, x, hard_sigmoid_emit(t, args));
}
COMPOSITE_OP(hard_silu, "y = x hard_sigmoid(x); dy/dx = x/3 + 1/2 where -3 < x < 3, else 0 or 1")

static node_id hard_tanh_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    node_id y = emit2(t, OP_minimum, x, emit_like(t, x, 1));
    return emit2(t, OP_maximum, y, emit_like(t, x, -1));
}
COMPOSITE_OP(hard_tanh, "y = max(min(x, 1), -1); dy/dx = 1 where -1 <= x <= 1, else 0")
