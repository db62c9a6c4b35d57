/* Cases of inverse and guarded functions, rounding, and activations. */
#include "op_cases_macros.h"

/* ---- core/op_trig.c ---- */
UNARY_CASES(asin, -0.8, 0.8)
UNARY_CASES(acos, -0.8, 0.8)
UNARY_CASES(atan, -3, 3)
UNARY_CASES(asinh, -3, 3)
UNARY_CASES(acosh, 1.3, 4)
UNARY_CASES(atanh, -0.8, 0.8)
BINARY_CASES(atan2, 0.5, 2)
BINARY_CASES(hypot, -2, -0.5)
UNARY_CASES(exp2, -2, 2)
UNARY_CASES(log2, 0.5, 3)
UNARY_CASES(log10, 0.5, 3)
UNARY_CASES(cbrt, -3, -0.5)
UNARY_CASES(erf, -2, 2)
UNARY_CASES(erfc, -2, 2)
#define INERT_CASES(id, low, high)                                                                 \
    BUILD1(id)                                                                                     \
    CASES(id, {#id " scalar", 1, {SCALAR}, low, high, 1, build_##id},                              \
          {#id " matrix", 1, {M(2, 3)}, low, high, 1, build_##id},                                 \
          {#id " empty", 1, {M(0, 3)}, low, high, 1, build_##id})
INERT_CASES(floor, -3, 3)
INERT_CASES(ceil, -3, 3)
INERT_CASES(round, -3, 3)

/* ---- core/op_guarded.c ---- */
BINARY_CASES(divide_no_nan, 0.5, 2)
BINARY_CASES(squared_difference, -2, 2)
BINARY_CASES(xlogy, 0.5, 2)
BINARY_CASES(xlog1py, 0.5, 2)
BINARY_CASES(xdivy, 0.5, 2)
BUILD(clip_inside,
      CALL(clip_by_value, NODE(x[0]), NODE(emit_like(t, x[0], -2)), NODE(emit_like(t, x[0], 2))))
BUILD(clip_all, CALL(clip_by_value, NODE(x[0]), NODE(x[1]), NODE(x[2])))
CASES(clip_by_value, {"clip_by_value inside", 1, {M(2, 3)}, -1, 1, 0, build_clip_inside},
      {"clip_by_value scalar", 1, {SCALAR}, -1, 1, 0, build_clip_inside},
      {"clip_by_value outside", 1, {M(2, 3)}, 2.5, 3, 0, build_clip_inside},
      {"clip_by_value by tensors", 3, {M(2, 3), V(3), M(2, 1)}, -2, 2, 0, build_clip_all},
      {"clip_by_value by scalars", 3, {M(2, 3), SCALAR, SCALAR}, -2, 2, 0, build_clip_all},
      {"clip_by_value empty", 3, {M(0, 3), V(3), SCALAR}, -2, 2, 0, build_clip_all})
INERT_CASES(is_nan, -3, 3)
INERT_CASES(is_inf, -3, 3)
INERT_CASES(is_finite, -3, 3)

/* ---- core/op_activation.c ---- */
#define CALL_CASES(id, low, high, ...)                                                             \
    BUILD(id, CALL(id, NODE(x[0]), __VA_ARGS__))                                                   \
    CASES(id, {#id " scalar", 1, {SCALAR}, low, high, 0, build_##id},                              \
          {#id " matrix", 1, {M(2, 3)}, low, high, 0, build_##id},                                 \
          {#id " empty", 1, {M(0, 3)}, low, high, 0, build_##id})
BUILD1(relu6)
CASES(relu6, {"relu6 inside", 1, {M(2, 3)}, 0.1, 5.9, 0, build_relu6},
      {"relu6 above", 1, {V(3)}, 6.1, 8, 0, build_relu6},
      {"relu6 below", 1, {SCALAR}, -2, -0.1, 0, build_relu6},
      {"relu6 empty", 1, {M(0, 3)}, 0.1, 5.9, 0, build_relu6})
BUILD(leaky_relu, CALL(leaky_relu, NODE(x[0]), NONE))
BUILD(leaky_relu_alpha, CALL(leaky_relu, NODE(x[0]), {.given = true, .f = 0.3}))
CASES(leaky_relu, {"leaky_relu above", 1, {M(2, 3)}, 0.1, 2, 0, build_leaky_relu},
      {"leaky_relu below", 1, {M(2, 3)}, -2, -0.1, 0, build_leaky_relu},
      {"leaky_relu with alpha", 1, {SCALAR}, -2, -0.1, 0, build_leaky_relu_alpha},
      {"leaky_relu empty", 1, {M(0, 3)}, -2, -0.1, 0, build_leaky_relu})
BUILD(leaky_step, emit2(t, OP_leaky_step, x[0], emit_like(t, x[0], 0.2)))
CASES(leaky_step, {"leaky_step", 1, {M(2, 3)}, -2, -0.1, 0, build_leaky_step})
BUILD1(elu)
CASES(elu, {"elu below", 1, {M(2, 3)}, -2, -0.1, 0, build_elu},
      {"elu above", 1, {M(2, 3)}, 0.1, 2, 0, build_elu},
      {"elu scalar", 1, {SCALAR}, -2, -0.1, 0, build_elu},
      {"elu empty", 1, {M(0, 3)}, -2, -0.1, 0, build_elu})
BUILD1(selu)
CASES(selu, {"selu below", 1, {M(2, 3)}, -2, -0.1, 0, build_selu},
      {"selu above", 1, {M(2, 3)}, 0.1, 2, 0, build_selu},
      {"selu scalar", 1, {SCALAR}, -2, -0.1, 0, build_selu},
      {"selu empty", 1, {M(0, 3)}, -2, -0.1, 0, build_selu})
UNARY_CASES(softsign, 0.1, 2)
BUILD(gelu, CALL(gelu, NODE(x[0]), NONE))
BUILD(gelu_approximate, CALL(gelu, NODE(x[0]), BOOL(true)))
CASES(gelu, {"gelu scalar", 1, {SCALAR}, -3, 3, 0, build_gelu},
      {"gelu matrix", 1, {M(2, 3)}, -3, 3, 0, build_gelu},
      {"gelu empty", 1, {M(0, 3)}, -3, 3, 0, build_gelu},
      {"gelu approximate", 1, {M(2, 3)}, -3, 3, 0, build_gelu_approximate})
BUILD(silu, CALL(silu, NODE(x[0]), NONE))
BUILD(silu_beta, CALL(silu, NODE(x[0]), NODE(x[1])))
CASES(silu, {"silu scalar", 1, {SCALAR}, -3, 3, 0, build_silu},
      {"silu matrix", 1, {M(2, 3)}, -3, 3, 0, build_silu},
      {"silu empty", 1, {M(0, 3)}, -3, 3, 0, build_silu},
      {"silu with beta", 2, {M(2, 3), SCALAR}, -2, 2, 0, build_silu_beta})
CALL_CASES(mish, -3, 3, NONE)
CALL_CASES(log_sigmoid, -3, 3, NONE)
CALL_CASES(hard_sigmoid, -2.9, 2.9, NONE)
CALL_CASES(hard_silu, -2.9, 2.9, NONE)
CALL_CASES(hard_tanh, -0.9, 0.9, NONE)
