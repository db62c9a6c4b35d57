/* Cases of the special functions. */
#include "op_cases_macros.h"

UNARY_CASES(lgamma, 0.5, 4)
UNARY_CASES(digamma, 0.5, 4)
UNARY_CASES(erfinv, -0.8, 0.8)
UNARY_CASES(ndtri, 0.1, 0.9)
BUILD(ndtr, CALL(ndtr, NODE(x[0])))
CASES(ndtr, {"ndtr scalar", 1, {SCALAR}, -3, 3, 0, build_ndtr},
      {"ndtr matrix", 1, {M(2, 3)}, -3, 3, 0, build_ndtr},
      {"ndtr empty", 1, {M(0, 3)}, -3, 3, 0, build_ndtr})
UNARY_CASES(dawsn, -3, 3)
UNARY_CASES(expint, 0.5, 2)
UNARY_CASES(spence, 1.2, 3)

/* The order of polygamma is whole, so it is no input of these; zeta's exponent is one, and inert. */
BUILD(polygamma_1, emit2(t, OP_polygamma, emit_like(t, x[0], 1), x[0]))
BUILD(polygamma_orders,
      emit2(t, OP_polygamma, tape_const(t, DTYPE_F64, &(struct shape)V(3), (double[]){0, 2, 3}),
            x[0]))
CASES(polygamma, {"polygamma scalar", 1, {SCALAR}, 1, 3, 0, build_polygamma_1},
      {"polygamma matrix", 1, {M(2, 3)}, 1, 3, 0, build_polygamma_1},
      {"polygamma below 0", 1, {V(3)}, -0.7, -0.3, 0, build_polygamma_1},
      {"polygamma of three orders", 1, {M(2, 3)}, 1, 3, 0, build_polygamma_orders},
      {"polygamma column of three orders", 1, {M(2, 1)}, 1, 3, 0, build_polygamma_orders},
      {"polygamma empty", 1, {M(0, 3)}, 1, 3, 0, build_polygamma_orders})
BUILD2(zeta)
BUILD(zeta_plain, emit2(t, OP_zeta, emit_like(t, x[0], 2.5), x[0]))
CASES(zeta, {"zeta scalar", 1, {SCALAR}, 1.5, 3, 0, build_zeta_plain},
      {"zeta matrix", 1, {M(2, 3)}, 1.5, 3, 0, build_zeta_plain},
      {"zeta empty", 2, {M(0, 3), V(3)}, 1.5, 3, 1, build_zeta})

/* a and b have no derivative, so that they are constants but in the case that shows it. */
BUILD(betainc, tape_emit(t, OP_betainc, x, 3, NULL, 0))
BUILD(betainc_x,
      tape_emit(t, OP_betainc, (node_id[]){emit_like(t, x[0], 2.5), emit_like(t, x[0], 1.5), x[0]},
                3, NULL, 0))
BUILD(betainc_row,
      tape_emit(t, OP_betainc,
                (node_id[]){tape_const(t, DTYPE_F64, &(struct shape)V(3), (double[]){0.5, 2, 3}),
                            emit_like(t, x[0], 1.5), x[0]},
                3, NULL, 0))
CASES(betainc, {"betainc scalar", 1, {SCALAR}, 0.2, 0.8, 0, build_betainc_x},
      {"betainc matrix", 1, {M(2, 3)}, 0.2, 0.8, 0, build_betainc_x},
      {"betainc row", 1, {M(2, 1)}, 0.2, 0.8, 0, build_betainc_row},
      {"betainc of nothing", 3, {M(0, 3), V(3), SCALAR}, 0.2, 0.8, 3, build_betainc})

UNARY_CASES(bessel_i0, -3, 3)
UNARY_CASES(bessel_i1, -3, 3)
UNARY_CASES(bessel_i0e, 0.2, 3)
UNARY_CASES(bessel_i1e, -3, -0.2)
UNARY_CASES(bessel_j0, -5, 5)
UNARY_CASES(bessel_j1, -5, 5)
UNARY_CASES(bessel_k0, 0.5, 3)
UNARY_CASES(bessel_k0e, 0.5, 3)
UNARY_CASES(bessel_k1, 0.5, 3)
UNARY_CASES(bessel_k1e, 0.5, 3)
UNARY_CASES(bessel_y0, 0.5, 5)
UNARY_CASES(bessel_y1, 0.5, 5)
#define ORDER_CASES(id, low, high)                                                                 \
    BUILD(id, emit2(t, OP_##id, x[0], emit_like(t, x[0], 2)))                                      \
    BUILD(id##_3, emit2(t, OP_##id, x[0], emit_like(t, x[0], 3)))                                  \
    CASES(id, {#id " of order 2", 1, {M(2, 3)}, low, high, 0, build_##id},                         \
          {#id " of order 3", 1, {SCALAR}, low, high, 0, build_##id##_3})
ORDER_CASES(bessel_in, -3, 3)
ORDER_CASES(bessel_ine, 0.2, 3)
ORDER_CASES(bessel_jn, -5, 5)

BINARY_CASES(igamma, 0.5, 2)
BINARY_CASES(igammac, 0.5, 2)
BINARY_CASES(igamma_dx, 0.5, 2)
BUILD(igamma_da,
      tape_emit(t, OP_igamma_da, (node_id[]){x[0], x[1], emit_like(t, x[0], 1)}, 3, NULL, 0))
BUILD(igamma_da_2,
      tape_emit(t, OP_igamma_da, (node_id[]){x[0], x[1], emit_like(t, x[0], 2)}, 3, NULL, 0))
CASES(igamma_da, {"igamma_da", 2, {M(2, 3), V(3)}, 0.5, 3, 0, build_igamma_da},
      {"igamma_da of order 2", 2, {SCALAR, M(2, 1)}, 0.5, 3, 0, build_igamma_da_2},
      {"igamma_da of nothing", 2, {M(0, 3), V(3)}, 0.5, 3, 0, build_igamma_da})
