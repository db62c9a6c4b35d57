/* Element-wise arithmetic: one block an op, with its notation, kernels and partial derivatives.
 * The formulas at special points are TensorFlow's (reference: gradients of math_grad.py as observed). */
#include <tgmath.h>

#define POINTWISE_WIDE
#include "core/op_pointwise.h"
#include "core/simplify.h"

#define ARITHMETIC(name, operator)                                                                 \
    BINARY_FLOATS(name, x operator y)                                                              \
    BINARY(name, I32, int32_t, int32_t, WRAP(int32_t, x, operator, y))                             \
    BINARY(name, I64, int64_t, int64_t, WRAP(int64_t, x, operator, y))

#define BINARY_OP(id, text) BINARY_OP_OF(id, text, ROWS_NUMBERS(id))

/* ---- what is simpler, as every rule of IEEE arithmetic allows ---- */

static bool is_op(const struct tape *t, node_id n, int op) { return tape_node(t, n)->op == op; }

/* Whether a node is that literal, the sign of a zero included. */
static bool is_literal(const struct tape *t, node_id n, double value) {
    double has;
    return simplify_literal(t, n, &has) && has == value && signbit(has) == signbit(value);
}

/* The other argument, where one is the neutral element and the other has all of the result. */
static node_id without(const struct tape *t, const struct node *n, double neutral) {
    for (uint32_t i = 0; i < 2; i++) {
        if (!is_literal(t, n->arg[i], neutral)) continue;
        const node_id rest = simplify_to(t, n, n->arg[1 - i]);
        if (rest != NODE_NONE) return rest;
    }
    return NODE_NONE;
}

static bool is_float(const struct node *n) { return dtype_is_float((enum dtype)n->dtype); }

ARITHMETIC(add, +)
static node_id add_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    (void)t, (void)y, (void)i;
    return v;
}
/* x + -0 = x; x + +0 is +0 where x is -0. x + -y = x - y. */
static node_id add_simplify(struct tape *t, const struct node *n) {
    const node_id x = n->arg[0], y = n->arg[1];
    const node_id rest = without(t, n, is_float(n) ? -0.0 : 0.0);
    if (rest != NODE_NONE) return rest;
    if (is_op(t, y, OP_negative)) return emit_subtract(t, x, tape_arg(t, y, 0));
    if (is_op(t, x, OP_negative)) return emit_subtract(t, y, tape_arg(t, x, 0));
    return NODE_NONE;
}
BINARY_OP_WITH(add, "z = x + y; dz/dx = 1, dz/dy = 1", OP_COMMUTATIVE, ROWS_NUMBERS(add),
               .simplify = add_simplify)

ARITHMETIC(subtract, -)
static node_id subtract_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    (void)y;
    return i == 0 ? v : emit_negative(t, v);
}
/* x - +0 = x, x - -y = x + y. */
static node_id subtract_simplify(struct tape *t, const struct node *n) {
    const node_id x = n->arg[0], y = n->arg[1];
    if (is_literal(t, y, 0)) return simplify_to(t, n, x);
    return is_op(t, y, OP_negative) ? emit_add(t, x, tape_arg(t, y, 0)) : NODE_NONE;
}
BINARY_OP_WITH(subtract, "z = x - y; dz/dx = 1, dz/dy = -1", 0, ROWS_NUMBERS(subtract),
               .simplify = subtract_simplify)

ARITHMETIC(multiply, *)
static node_id multiply_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    return emit_multiply(t, v, tape_arg(t, y, 1 - i));
}
/* x 1 = x, x -1 = -x, -x -y = x y, and a sign goes into a literal. */
static node_id multiply_simplify(struct tape *t, const struct node *n) {
    const node_id rest = without(t, n, 1);
    if (rest != NODE_NONE) return rest;
    for (uint32_t i = 0; i < 2; i++) {
        const node_id x = n->arg[i], y = n->arg[1 - i];
        if (is_literal(t, x, -1) && simplify_to(t, n, y) != NODE_NONE) return emit_negative(t, y);
        if (!is_op(t, x, OP_negative)) continue;
        if (is_op(t, y, OP_negative)) return emit_multiply(t, tape_arg(t, x, 0), tape_arg(t, y, 0));
        if (is_op(t, y, OP_const)) return emit_multiply(t, tape_arg(t, x, 0), emit_negative(t, y));
    }
    return NODE_NONE;
}
BINARY_OP_WITH(multiply, "z = x y; dz/dx = y, dz/dy = x", OP_COMMUTATIVE, ROWS_NUMBERS(multiply),
               .simplify = multiply_simplify)

/* divide: integers become float64 first, as Python's true division does in TensorFlow. */
BINARY_FLOATS(divide, x / y)
static node_id divide_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id x = tape_arg(t, z, 0), y = tape_arg(t, z, 1);
    if (i == 0) return emit_divide(t, v, y);
    return emit_multiply(t, v, emit_divide(t, emit_divide(t, emit_negative(t, x), y), y));
}
static node_id divide_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node, y = args[1].node;
    if (x == NODE_NONE || y == NODE_NONE) return NODE_NONE;
    enum dtype d = tape_dtype(t, x);
    if (d == tape_dtype(t, y) && (d == DTYPE_I32 || d == DTYPE_I64)) {
        x = emit_cast(t, x, DTYPE_F64);
        y = emit_cast(t, y, DTYPE_F64);
    }
    return emit_divide(t, x, y);
}
/* x / 1 = x; a division by a power of two is a product with another one, as long as both are normal. */
static node_id divide_simplify(struct tape *t, const struct node *n) {
    const node_id x = n->arg[0], y = n->arg[1];
    double c;
    int exponent;
    if (!simplify_literal(t, y, &c)) return NODE_NONE;
    if (c == 1) return simplify_to(t, n, x);
    if (fabs(frexp(c, &exponent)) != 0.5 || exponent < -100 || exponent > 100) return NODE_NONE;
    return emit_multiply(t, x, emit_like(t, y, 1 / c));
}
const struct op op_divide = {.name = "divide",
                             .notation = "z = x / y; dz/dx = 1/y, dz/dy = -x/y^2",
                             .flags = OP_POINTWISE,
                             .params = XY_PARAMS,
                             .emit = divide_emit,
                             .infer = infer_pointwise,
                             .partial = divide_partial,
                             .simplify = divide_simplify,
                             ROWS_FLOATS(divide)};

UNARY_FLOATS(negative, -x)
UNARY(negative, I32, int32_t, int32_t, WRAP(int32_t, 0, -, x))
UNARY(negative, I64, int64_t, int64_t, WRAP(int64_t, 0, -, x))
static node_id negative_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    (void)y, (void)i;
    return emit_negative(t, v);
}
static node_id negative_simplify(struct tape *t, const struct node *n) {
    return is_op(t, n->arg[0], OP_negative) ? tape_arg(t, n->arg[0], 0) : NODE_NONE;
}
const struct op op_negative = {.name = "negative",
                               .notation = "y = -x; dy/dx = -1",
                               .flags = OP_POINTWISE | OP_TELLING,
                               .params = X_PARAMS,
                               .infer = infer_same,
                               .partial = negative_partial,
                               .simplify = negative_simplify,
                               ROWS_NUMBERS(negative)};

/* pow: dz/dx = y x^(y-1); dz/dy = z log x, where the logarithm counts as 0 for x <= 0. */
static int64_t pow_int(int64_t x, int64_t y) {
    uint64_t power = 1, base = (uint64_t)x;
    for (; y > 0; y >>= 1, base *= base) {
        if (y & 1) power *= base;
    }
    return (int64_t)power;
}
BINARY_FLOATS(pow, pow(x, y))
BINARY_LOOP(pow, I32, int32_t, int32_t, pow_int(x, y))
BINARY_LOOP(pow, I64, int64_t, int64_t, pow_int(x, y))
static bool any_negative(const struct step *step, struct run *run, uint32_t i) {
    const void *data = run_in(run, step, i);
    int64_t n = shape_count(step->in[i].shape);
    for (int64_t k = 0; k < n; k++) {
        if (step->in[i].dtype == DTYPE_I32 ? ((const int32_t *)data)[k] < 0
                                           : ((const int64_t *)data)[k] < 0)
            return true;
    }
    return false;
}
static void pow_checked(const struct step *step, struct run *run) {
    if (shape_count(step->out.shape) > 0 && any_negative(step, run, 1)) {
        run_fail(run, ERROR_INVALID_ARGUMENT,
                 "pow: Integers to negative integer powers are not allowed");
        return;
    }
    pointwise_run(step, run);
}
static node_id pow_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id x = tape_arg(t, z, 0), y = tape_arg(t, z, 1);
    node_id one = emit_like(t, x, 1), zero = emit_like(t, x, 0);
    if (i == 0)
        return emit_multiply(t, v, emit_multiply(t, y, emit_pow(t, x, emit_subtract(t, y, one))));
    node_id positive = emit_greater(t, x, zero);
    node_id log_x = emit_where(t, positive, emit_log(t, emit_where(t, positive, x, one)), zero);
    return emit_multiply(t, v, emit_multiply(t, z, log_x));
}
/* x^1 = x; x^2 = x x and x^-1 = 1 / x are rounded once, which a power need not be. */
static node_id pow_simplify(struct tape *t, const struct node *n) {
    const node_id x = n->arg[0], y = n->arg[1];
    if (!is_float(n) || simplify_to(t, n, x) == NODE_NONE) return NODE_NONE;
    if (is_literal(t, y, 1)) return x;
    if (is_literal(t, y, 2)) return emit_square(t, x);
    return is_literal(t, y, -1) ? emit_reciprocal(t, x) : NODE_NONE;
}
const struct op op_pow = {.name = "pow",
                          .notation =
                              "z = x^y; dz/dx = y x^(y-1), dz/dy = z log x (0 where x <= 0)",
                          .flags = OP_POINTWISE,
                          .params = XY_PARAMS,
                          .infer = infer_pointwise,
                          .partial = pow_partial,
                          .simplify = pow_simplify,
                          .kernels = {[DTYPE_I32] = pow_checked, [DTYPE_I64] = pow_checked},
                          .loops = {LOOP(pow, F32), LOOP(pow, F64), LOOP(pow, I32), LOOP(pow, I64)},
                          .cells = {CELL(pow, F32), CELL(pow, F64)}};

UNARY_FLOATS(square, x *x)
UNARY(square, I32, int32_t, int32_t, WRAP(int32_t, x, *, x))
UNARY(square, I64, int64_t, int64_t, WRAP(int64_t, x, *, x))
static node_id square_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    node_id x = tape_arg(t, y, 0);
    (void)i;
    return emit_multiply(t, v, emit_multiply(t, x, emit_like(t, x, 2)));
}
const struct op op_square = {.name = "square",
                             .notation = "y = x^2; dy/dx = 2 x",
                             .flags = OP_POINTWISE,
                             .params = X_PARAMS,
                             .infer = infer_same,
                             .partial = square_partial,
                             ROWS_NUMBERS(square)};

/* These three answer 0 where the incoming gradient is 0, whatever y is: TensorFlow's kernels do. */
UNARY_OP(sqrt, "y = sqrt x; dy/dx = 1/(2 y)", sqrt(x),
         emit_multiply_no_nan(t, emit_divide(t, emit_like(t, y, 0.5), y), v))
UNARY_OP(rsqrt, "y = 1/sqrt x; dy/dx = -y^3/2", 1 / sqrt(x),
         emit_multiply_no_nan(
             t, emit_multiply(t, emit_multiply(t, emit_like(t, y, -0.5), y), emit_square(t, y)), v))
UNARY_OP(reciprocal, "y = 1/x; dy/dx = -y^2", 1 / x,
         emit_multiply_no_nan(t, emit_negative(t, emit_square(t, y)), v))

VECTOR_OP(exp, "y = e^x; dy/dx = y", emit_multiply(t, v, y))
VECTOR_OP(expm1, "y = e^x - 1; dy/dx = e^x", emit_multiply(t, v, emit_exp(t, x)))
VECTOR_OP(log, "y = log x; dy/dx = 1/x", emit_multiply(t, v, emit_reciprocal(t, x)))
VECTOR_OP(log1p, "y = log(1 + x); dy/dx = 1/(1 + x)",
          emit_multiply(t, v, emit_reciprocal(t, emit_add(t, x, emit_like(t, x, 1)))))
VECTOR_OP(sin, "y = sin x; dy/dx = cos x", emit_multiply(t, v, emit_cos(t, x)))
VECTOR_OP(cos, "y = cos x; dy/dx = -sin x", emit_multiply(t, v, emit_negative(t, emit_sin(t, x))))
VECTOR_OP(tan, "y = tan x; dy/dx = 1/cos^2 x",
          emit_multiply(t, v, emit_square(t, emit_reciprocal(t, emit_cos(t, x)))))
UNARY_OP(sinh, "y = sinh x; dy/dx = cosh x", sinh(x), emit_multiply(t, v, emit_cosh(t, x)))
UNARY_OP(cosh, "y = cosh x; dy/dx = sinh x", cosh(x), emit_multiply(t, v, emit_sinh(t, x)))
VECTOR_OP(tanh, "y = tanh x; dy/dx = 1 - y^2",
          emit_multiply(t, v, emit_subtract(t, emit_like(t, y, 1), emit_square(t, y))))
/* sigmoid: e^-|x| cannot overflow. */
VECTOR_THROUGH_FLOATS(sigmoid, exp, VECTOR_COUNT, -fabs(x), (x >= 0 ? 1 : e) / (1 + e))
UNARY_OP_OF(sigmoid, "y = 1/(1 + e^-x); dy/dx = y (1 - y)",
            emit_multiply(t, v, emit_multiply(t, y, emit_subtract(t, emit_like(t, y, 1), y))))
/* softplus: log1p(e^-|x|) + max(x, 0) neither overflows nor loses the small tail. */
VECTOR_THROUGH_FLOATS(softplus, exp, VECTOR_log1p, -fabs(x), (x > 0 ? x + e : e))
UNARY_OP_OF(softplus, "y = log(1 + e^x); dy/dx = sigmoid x",
            emit_multiply(t, v, emit_sigmoid(t, x)))

/* step: the mask of relu. Its derivative is a connected zero, as the second derivative of relu is. */
UNARY_FLOATS(relu, (x < 0 ? 0 : x))
UNARY(relu, I32, int32_t, int32_t, (x < 0 ? 0 : x))
UNARY(relu, I64, int64_t, int64_t, (x < 0 ? 0 : x))
static node_id relu_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    (void)i;
    return emit_multiply(t, v, emit_step(t, tape_arg(t, y, 0)));
}
const struct op op_relu = {.name = "relu",
                           .notation = "y = max(x, 0); dy/dx = 1 where x > 0, else 0",
                           .flags = OP_POINTWISE,
                           .params = X_PARAMS,
                           .infer = infer_same,
                           .partial = relu_partial,
                           ROWS_NUMBERS(relu)};
UNARY_FLOATS(step, (x > 0))
static node_id zero_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    (void)i, (void)v;
    return emit_zeros_like(t, y);
}
const struct op op_step = {.name = "step",
                           .notation = "y = 1 where x > 0, else 0; dy/dx = 0",
                           .kind = OP_INTERNAL,
                           .flags = OP_POINTWISE,
                           .params = X_PARAMS,
                           .infer = infer_same,
                           .partial = zero_partial,
                           ROWS_FLOATS(step)};

UNARY_FLOATS(abs, fabs(x))
UNARY(abs, I32, int32_t, int32_t, x < 0 ? WRAP(int32_t, 0, -, x) : x)
UNARY(abs, I64, int64_t, int64_t, x < 0 ? WRAP(int64_t, 0, -, x) : x)
static node_id abs_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    (void)i;
    return emit_multiply(t, v, emit_sign(t, tape_arg(t, y, 0)));
}
const struct op op_abs = {.name = "abs",
                          .notation = "y = |x|; dy/dx = sign x",
                          .flags = OP_POINTWISE,
                          .params = X_PARAMS,
                          .infer = infer_same,
                          .partial = abs_partial,
                          ROWS_NUMBERS(abs)};

UNARY_FLOATS(sign, (x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x))
UNARY(sign, I32, int32_t, int32_t, (x > 0) - (x < 0))
UNARY(sign, I64, int64_t, int64_t, (x > 0) - (x < 0))
const struct op op_sign = {.name = "sign",
                           .notation = "y = -1, 0 or 1; dy/dx = 0",
                           .flags = OP_POINTWISE,
                           .params = X_PARAMS,
                           .infer = infer_same,
                           .partial = zero_partial,
                           ROWS_NUMBERS(sign)};

/* maximum, minimum: a tie belongs to x, a NaN on either side to y; the result is NaN then. */
#define CHOICE(name, compare)                                                                      \
    BINARY_FLOATS(name, (x compare y || x != x ? x : y))                                           \
    BINARY(name, I32, int32_t, int32_t, (x compare y ? x : y))                                     \
    BINARY(name, I64, int64_t, int64_t, (x compare y ? x : y))
CHOICE(maximum, >=)
static node_id maximum_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id to_x = emit_greater_equal(t, tape_arg(t, z, 0), tape_arg(t, z, 1));
    node_id zero = emit_like(t, v, 0);
    return i == 0 ? emit_where(t, to_x, v, zero) : emit_where(t, to_x, zero, v);
}
BINARY_OP(maximum, "z = max(x, y); dz/dx = 1 where x >= y, else dz/dy = 1")
CHOICE(minimum, <=)
static node_id minimum_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id to_x = emit_less_equal(t, tape_arg(t, z, 0), tape_arg(t, z, 1));
    node_id zero = emit_like(t, v, 0);
    return i == 0 ? emit_where(t, to_x, v, zero) : emit_where(t, to_x, zero, v);
}
BINARY_OP(minimum, "z = min(x, y); dz/dx = 1 where x <= y, else dz/dy = 1")

/* Python's floor division and remainder: the remainder has the divisor's sign. */
static int64_t floordiv_int(int64_t x, int64_t y) {
    if (y == -1) return (int64_t)(0 - (uint64_t)x);
    return x / y - (x % y != 0 && (x < 0) != (y < 0));
}
static int64_t mod_int(int64_t x, int64_t y) {
    if (y == -1) return 0;
    int64_t r = x % y;
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static float mod_f32(float x, float y) {
    float r = fmodf(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static double mod_f64(double x, double y) {
    double r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static bool divisor_is_zero(const struct step *step, struct run *run) {
    const void *data = run_in(run, step, 1);
    int64_t n = shape_count(step->out.shape) ? shape_count(step->in[1].shape) : 0;
    for (int64_t k = 0; k < n; k++) {
        if (step->in[1].dtype == DTYPE_I32 ? !((const int32_t *)data)[k]
                                           : !((const int64_t *)data)[k]) {
            run_fail(run, ERROR_INVALID_ARGUMENT, "%s: Integer division by zero", step->op->name);
            return true;
        }
    }
    return false;
}
static void divided_checked(const struct step *step, struct run *run) {
    if (!divisor_is_zero(step, run)) pointwise_run(step, run);
}
BINARY_FLOATS(floordiv, floor(x / y))
BINARY_LOOP(floordiv, I32, int32_t, int32_t, floordiv_int(x, y))
BINARY_LOOP(floordiv, I64, int64_t, int64_t, floordiv_int(x, y))
const struct op op_floordiv = {
    .name = "floordiv",
    .notation = "z = floor(x / y); not differentiable",
    .flags = OP_POINTWISE,
    .params = XY_PARAMS,
    .infer = infer_pointwise,
    .kernels = {[DTYPE_I32] = divided_checked, [DTYPE_I64] = divided_checked},
    .loops = {LOOP(floordiv, F32), LOOP(floordiv, F64), LOOP(floordiv, I32), LOOP(floordiv, I64)},
    .cells = {CELL(floordiv, F32), CELL(floordiv, F64)}};

BINARY(mod, F32, float, float, mod_f32(x, y))
BINARY(mod, F64, double, double, mod_f64(x, y))
BINARY_LOOP(mod, I32, int32_t, int32_t, mod_int(x, y))
BINARY_LOOP(mod, I64, int64_t, int64_t, mod_int(x, y))
static node_id mod_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    if (i == 0) return v;
    node_id x = tape_arg(t, z, 0), y = tape_arg(t, z, 1);
    return emit_multiply(t, v, emit_negative(t, emit_floordiv(t, x, y)));
}
const struct op op_mod = {.name = "mod",
                          .notation = "z = x - y floor(x / y); dz/dx = 1, dz/dy = -floor(x / y)",
                          .flags = OP_POINTWISE,
                          .params = XY_PARAMS,
                          .infer = infer_pointwise,
                          .partial = mod_partial,
                          .kernels = {[DTYPE_I32] = divided_checked, [DTYPE_I64] = divided_checked},
                          .loops = {LOOP(mod, F32), LOOP(mod, F64), LOOP(mod, I32), LOOP(mod, I64)},
                          .cells = {CELL(mod, F32), CELL(mod, F64)}};

/* multiply_no_nan: 0 where y is 0, even if x is infinite or NaN. */
BINARY_FLOATS(multiply_no_nan, (y == 0 ? 0 : x * y))
static node_id multiply_no_nan_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    return i == 0 ? emit_multiply_no_nan(t, v, tape_arg(t, z, 1))
                  : emit_multiply_no_nan(t, tape_arg(t, z, 0), v);
}
const struct op op_multiply_no_nan = {.name = "multiply_no_nan",
                                      .notation = "z = x y, 0 where y = 0; dz/dx = y, dz/dy = x",
                                      .flags = OP_POINTWISE,
                                      .params = XY_PARAMS,
                                      .infer = infer_pointwise,
                                      .partial = multiply_no_nan_partial,
                                      ROWS_FLOATS(multiply_no_nan)};
