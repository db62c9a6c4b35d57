/* Cases of what is a line or two of other ops. */
#include "op_cases_macros.h"

#define HALF(x) emit2(t, OP_less, x, emit_like(t, x, 0.5))
BUILD(logical_xor, CALL(logical_xor, NODE(HALF(x[0])), NODE(HALF(x[1]))))
CASES(logical_xor, {"logical_xor", 2, {M(2, 3), V(3)}, -2, 2, 3, build_logical_xor})

#define OF_ONE(id, low, high)                                                                      \
    BUILD(id, CALL(id, NODE(x[0])))                                                                \
    CASES(id, {#id, 1, {M(2, 3)}, low, high, 0, build_##id},                                       \
          {#id " of nothing", 1, {M(0, 3)}, low, high, 0, build_##id})
OF_ONE(reciprocal_no_nan, 0.5, 2)
OF_ONE(erfcinv, 0.2, 1.8)
OF_ONE(lbeta, 0.5, 3)
OF_ONE(matrix_transpose, -2, 2)

BUILD(polyval, CALL(polyval, NODES(x[0], x[1], x[0]), NODE(x[2])))
BUILD(polyval_constant, CALL(polyval, NODES(x[0]), NODE(x[1])))
CASES(polyval, {"polyval", 3, {SCALAR, SCALAR, V(3)}, -2, 2, 0, build_polyval},
      {"polyval of degree 0", 2, {V(2), V(2)}, -2, 2, 2, build_polyval_constant})

BUILD(count_nonzero, CALL(count_nonzero, NODE(x[0]), INTS(0), NONE, NONE))
BUILD(zero_fraction, CALL(zero_fraction, NODE(x[0])))
CASES(count_nonzero, {"count_nonzero", 1, {M(2, 3)}, -2, 2, 1, build_count_nonzero})
CASES(zero_fraction, {"zero_fraction", 1, {M(2, 3)}, -2, 2, 1, build_zero_fraction})

BUILD(crelu, CALL(crelu, NODE(x[0]), NONE))
BUILD(crelu_0, CALL(crelu, NODE(x[0]), INT(0)))
CASES(crelu, {"crelu", 1, {M(2, 3)}, 0.5, 2, 0, build_crelu},
      {"crelu along axis 0", 1, {M(2, 3)}, 0.5, 2, 0, build_crelu_0})

BUILD(log_poisson, CALL(log_poisson_loss, NODE(x[0]), NODE(x[1]), NONE))
BUILD(log_poisson_full, CALL(log_poisson_loss, NODE(x[0]), NODE(x[1]), BOOL(true)))
CASES(log_poisson_loss, {"log_poisson_loss", 2, {V(3), V(3)}, -1, 1, 0, build_log_poisson},
      {"log_poisson_loss in full", 2, {V(3), V(3)}, 1.5, 3, 0, build_log_poisson_full})
BUILD(weighted, CALL(weighted_cross_entropy_with_logits, NODE(x[0]), NODE(x[1]), NODE(x[2])))
CASES(weighted_cross_entropy_with_logits,
      {"weighted_cross_entropy", 3, {M(2, 3), M(2, 3), SCALAR}, 0.1, 2, 0, build_weighted})

BUILD(global_norm, CALL(global_norm, NODES(x[0], x[1], x[0])))
CASES(global_norm, {"global_norm", 2, {M(2, 3), V(2)}, 0.5, 2, 0, build_global_norm})
BUILD(clip_by_norm, CALL(clip_by_norm, NODE(x[0]), NODE(x[1]), NONE))
BUILD(clip_by_norm_rows, CALL(clip_by_norm, NODE(x[0]), NODE(x[1]), INTS(-1)))
CASES(clip_by_norm, {"clip_by_norm", 2, {M(2, 3), SCALAR}, 0.8, 1, 0, build_clip_by_norm},
      {"clip_by_norm of rows", 2, {M(2, 3), SCALAR}, 0.8, 1, 0, build_clip_by_norm_rows})
