/* Cases of moments and normalization. */
#include "op_cases_macros.h"

#define FLOAT(v)                                                                                   \
    { .given = true, .f = (v) }
#define T4(k, l, m, n)                                                                             \
    {                                                                                              \
        .rank = 4, .dim = { k, l, m, n }                                                           \
    }

static node_id result(struct tape *t, int op, const struct op_arg *args, size_t i) {
    const node_id *results;
    size_t n;
    return op_call_many(t, op, args, &results, &n) && i < n ? results[i] : NODE_NONE;
}
#define RESULT(op, i, ...) result(t, OP_##op, (struct op_arg[]){__VA_ARGS__}, i)

#define MOMENTS_CASES(i, label)                                                                    \
    {label, 1, {T3(2, 3, 2)}, -2, 2, 0, build_moments_##i},                                        \
        {label ", axes kept", 1, {M(3, 2)}, -2, 2, 0, build_moments_kept_##i}, {                   \
        label " giving nothing", 1, {T3(0, 3, 2)}, -2, 2, 0, build_moments_last_##i                \
    }
BUILD(moments_0, RESULT(moments, 0, NODE(x[0]), INTS(0, -1), NONE, NONE))
BUILD(moments_1, RESULT(moments, 1, NODE(x[0]), INTS(0, -1), NONE, NONE))
BUILD(moments_kept_0, RESULT(moments, 0, NODE(x[0]), INTS(0), NONE, BOOL(true)))
BUILD(moments_kept_1, RESULT(moments, 1, NODE(x[0]), INTS(0), NONE, BOOL(true)))
BUILD(moments_last_0, RESULT(moments, 0, NODE(x[0]), INTS(2), NONE, NONE))
BUILD(moments_last_1, RESULT(moments, 1, NODE(x[0]), INTS(2), NONE, NONE))
CASES(moments, MOMENTS_CASES(0, "mean"), MOMENTS_CASES(1, "variance"))

BUILD(weighted_0, RESULT(weighted_moments, 0, NODE(x[0]), INTS(0), NODE(x[1]), NONE))
BUILD(weighted_1, RESULT(weighted_moments, 1, NODE(x[0]), INTS(0), NODE(x[1]), BOOL(true)))
CASES(weighted_moments, {"weighted mean", 2, {M(3, 2), M(3, 2)}, 0.5, 2, 0, build_weighted_0},
      {"weighted variance", 2, {M(3, 2), M(3, 2)}, 0.5, 2, 0, build_weighted_1},
      {"weighted mean, weights broadcast", 2, {M(3, 2), M(3, 1)}, 0.5, 2, 0, build_weighted_0},
      {"weighted variance, x broadcast", 2, {V(2), M(3, 2)}, 0.5, 2, 0, build_weighted_1})

BUILD(batch_plain,
      CALL(batch_normalization, NODE(x[0]), NODE(x[1]), NODE(x[2]), NONE, NONE, FLOAT(0.1)))
BUILD(batch_full, CALL(batch_normalization, NODE(x[0]), NODE(x[1]), NODE(x[1]), NODE(x[1]),
                       NODE(x[2]), FLOAT(0.1)))
CASES(batch_normalization,
      {"batch_normalization", 3, {M(2, 3), V(3), V(3)}, 0.5, 2, 0, build_batch_plain},
      {"batch_normalization, scaled", 3, {M(2, 3), V(3), V(3)}, 0.5, 2, 0, build_batch_full},
      {"batch_normalization of nothing", 3, {M(0, 3), V(3), V(3)}, 0.5, 2, 0, build_batch_full})

#define FORMAT(s)                                                                                  \
    { .given = true, .string = (s) }
#define FUSED(format)                                                                              \
    RESULT(fused_batch_norm, 0, NODE(x[0]), NODE(x[1]), NODE(x[2]), NONE, NONE, NONE, format, NONE)
BUILD(fused, FUSED(NONE))
BUILD(fused_first, FUSED(FORMAT("NCHW")))
/* The moving averages have no gradient, and so must not depend on what is differentiated. */
static node_id build_fused_frozen(struct tape *t, const node_id *x) {
    const node_id c = emit1(t, OP_stop_gradient, x[1]), one = emit_like(t, c, 1);
    const node_id fixed = emit_add(t, emit_multiply(t, c, emit_like(t, c, 0)), one);
    return RESULT(fused_batch_norm, 0, NODE(x[0]), NODE(x[1]), NODE(x[2]), NODE(fixed), NODE(fixed),
                  NONE, NONE, BOOL(false));
}
CASES(fused_batch_norm,
      {"fused_batch_norm", 3, {T4(2, 1, 2, 3), V(3), V(3)}, 0.5, 2, 0, build_fused},
      {"fused_batch_norm, channels first",
       3,
       {T4(2, 3, 1, 2), V(3), V(3)},
       0.5,
       2,
       0,
       build_fused_first},
      {"fused_batch_norm, frozen", 3, {T4(2, 1, 2, 3), V(3), V(3)}, 0.5, 2, 0, build_fused_frozen})

BUILD(layer, CALL(layer_normalization, NODE(x[0]), NONE, NONE, NONE, NONE))
BUILD(layer_gains, CALL(layer_normalization, NODE(x[0]), NODE(x[1]), NODE(x[2]), NONE, FLOAT(0.1)))
BUILD(layer_axes, CALL(layer_normalization, NODE(x[0]), NODE(x[1]), NONE, INTS(-1, 1), NONE))
CASES(layer_normalization, {"layer_normalization", 1, {M(2, 3)}, -2, 2, 0, build_layer},
      {"layer_normalization, scaled", 3, {M(2, 3), V(3), V(3)}, -2, 2, 0, build_layer_gains},
      {"layer_normalization, two axes", 2, {T3(2, 3, 2), M(3, 2)}, -2, 2, 0, build_layer_axes},
      {"layer_normalization of nothing", 1, {M(0, 3)}, -2, 2, 0, build_layer})

BUILD(rms, CALL(rms_normalization, NODE(x[0]), NONE, NONE, NONE))
BUILD(rms_scale, CALL(rms_normalization, NODE(x[0]), NODE(x[1]), INTS(0), FLOAT(0.1)))
CASES(rms_normalization, {"rms_normalization", 1, {M(2, 3)}, -2, 2, 0, build_rms},
      {"rms_normalization, scaled", 2, {M(3, 2), V(3)}, -2, 2, 0, build_rms_scale},
      {"rms_normalization of nothing", 1, {M(0, 3)}, -2, 2, 0, build_rms})

BUILD(group, CALL(group_normalization, NODE(x[0]), NONE, NONE, INT(2), NONE, NONE))
BUILD(group_gains,
      CALL(group_normalization, NODE(x[0]), NODE(x[1]), NODE(x[2]), INT(-1), INT(1), FLOAT(0.1)))
CASES(group_normalization, {"group_normalization", 1, {T3(2, 2, 4)}, -2, 2, 0, build_group},
      {"group_normalization of each channel",
       3,
       {T3(2, 2, 3), V(2), V(2)},
       -2,
       2,
       0,
       build_group_gains},
      {"group_normalization of nothing", 1, {T3(0, 2, 4)}, -2, 2, 0, build_group})
