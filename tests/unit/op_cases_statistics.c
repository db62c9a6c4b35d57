/* Cases of scans, of what comes from reductions, and of softmax and its losses. */
#include "op_cases_macros.h"

#define SCAN_CASES(id, low, high)                                                                  \
    BUILD(id, CALL(id, NODE(x[0]), NONE, NONE, NONE))                                              \
    BUILD(id##_last, CALL(id, NODE(x[0]), INT(-1), BOOL(true), NONE))                              \
    BUILD(id##_reverse, CALL(id, NODE(x[0]), INT(1), BOOL(false), BOOL(true)))                     \
    BUILD(id##_both, CALL(id, NODE(x[0]), INT(0), BOOL(true), BOOL(true)))                         \
    CASES(id, {#id " of a vector", 1, {V(5)}, low, high, 0, build_##id},                           \
          {#id " exclusive, last axis", 1, {T3(2, 3, 4)}, low, high, 0, build_##id##_last},        \
          {#id " reversed, middle axis", 1, {T3(2, 3, 2)}, low, high, 0, build_##id##_reverse},    \
          {#id " exclusive and reversed", 1, {M(3, 2)}, low, high, 0, build_##id##_both},          \
          {#id " of one", 1, {M(1, 3)}, low, high, 0, build_##id},                                 \
          {#id " of nothing", 1, {M(0, 3)}, low, high, 0, build_##id})
SCAN_CASES(cumsum, -2, 2)
SCAN_CASES(cumprod, 0.5, 1.5)
/* An exclusive sum begins with -Infinity, of which no difference can be taken. */
#define LOG_SUM(...) CALL(cumulative_logsumexp, NODE(x[0]), __VA_ARGS__)
BUILD(log_sum, LOG_SUM(NONE, NONE, NONE))
BUILD(log_sum_last, emit_exp(t, LOG_SUM(INT(-1), BOOL(true), NONE)))
BUILD(log_sum_reverse, LOG_SUM(INT(1), NONE, BOOL(true)))
BUILD(log_sum_both, emit_exp(t, LOG_SUM(INT(0), BOOL(true), BOOL(true))))
CASES(cumulative_logsumexp,
      {"cumulative_logsumexp of a vector", 1, {V(5)}, -2, 2, 0, build_log_sum},
      {"cumulative_logsumexp exclusive", 1, {T3(2, 3, 4)}, -2, 2, 0, build_log_sum_last},
      {"cumulative_logsumexp reversed", 1, {T3(2, 3, 2)}, -2, 2, 0, build_log_sum_reverse},
      {"cumulative_logsumexp both", 1, {M(3, 2)}, -2, 2, 0, build_log_sum_both},
      {"cumulative_logsumexp of one", 1, {M(1, 3)}, -2, 2, 0, build_log_sum},
      {"cumulative_logsumexp of nothing", 1, {M(0, 3)}, -2, 2, 0, build_log_sum})
static node_id build_log_sums(struct tape *t, const node_id *x) {
    const struct recurrence_attrs attrs = {0};
    return tape_emit(t, OP_log_sums, x, 1, &attrs, sizeof attrs);
}
CASES(log_sums, {"log_sums", 1, {M(2, 4)}, -2, 2, 0, build_log_sums},
      {"log_sums far apart", 1, {V(5)}, -200, 200, 0, build_log_sums})

#define MOMENT_CASES(id)                                                                           \
    BUILD(id##_all, CALL(id, NODE(x[0]), NONE, NONE))                                              \
    BUILD(id##_last, CALL(id, NODE(x[0]), INTS(-1), BOOL(true)))                                   \
    BUILD(id##_02, CALL(id, NODE(x[0]), INTS(0, 2), NONE))                                         \
    CASES(id, {#id " of a vector", 1, {V(5)}, -2, 2, 0, build_##id##_all},                         \
          {#id " over the last axis, kept", 1, {T3(2, 3, 4)}, -2, 2, 0, build_##id##_last},        \
          {#id " over axes 0 and 2", 1, {T3(2, 3, 4)}, -2, 2, 0, build_##id##_02},                 \
          {#id " giving nothing", 1, {M(0, 3)}, -2, 2, 0, build_##id##_last})
MOMENT_CASES(reduce_variance)
MOMENT_CASES(reduce_std)
MOMENT_CASES(reduce_euclidean_norm)
MOMENT_CASES(reduce_logsumexp)

BUILD(add_n, CALL(add_n, NODES(x[0], x[1], x[2], x[0])))
CASES(add_n, {"add_n", 3, {M(2, 3), M(2, 3), M(2, 3)}, -2, 2, 0, build_add_n},
      {"add_n of scalars", 3, {SCALAR, SCALAR, SCALAR}, -2, 2, 0, build_add_n})

#define LOGICAL_CASES(id)                                                                          \
    BUILD(id, CALL(id, NODE(emit2(t, OP_less, x[0], emit_like(t, x[0], 0))), INTS(-1), NONE))      \
    BUILD(id##_all, CALL(id, NODE(emit2(t, OP_less, x[0], emit_like(t, x[0], 0))), NONE, NONE))    \
    CASES(id, {#id " over the last axis", 1, {M(4, 2)}, -2, 2, 1, build_##id},                     \
          {#id " over all", 1, {T3(2, 1, 3)}, -2, 2, 1, build_##id##_all},                         \
          {#id " of nothing", 1, {M(2, 0)}, -2, 2, 1, build_##id})
LOGICAL_CASES(reduce_any)
LOGICAL_CASES(reduce_all)

#define ARG_CASES(id)                                                                              \
    BUILD(id, CALL(id, NODE(x[0]), NONE))                                                          \
    BUILD(id##_last, CALL(id, NODE(x[0]), INT(-1)))                                                \
    CASES(id, {#id " of a vector", 1, {V(5)}, -2, 2, 1, build_##id},                               \
          {#id " along axis 0", 1, {T3(3, 2, 2)}, -2, 2, 1, build_##id},                           \
          {#id " along the last axis", 1, {M(2, 5)}, -2, 2, 1, build_##id##_last},                 \
          {#id " giving nothing", 1, {M(0, 5)}, -2, 2, 1, build_##id##_last})
ARG_CASES(argmax)
ARG_CASES(argmin)

#define LOGITS_CASES(id)                                                                           \
    BUILD(id, CALL(id, NODE(x[0]), NONE))                                                          \
    BUILD(id##_0, CALL(id, NODE(x[0]), INT(0)))                                                    \
    CASES(id, {#id " of a vector", 1, {V(4)}, -2, 2, 0, build_##id},                               \
          {#id " of rows", 1, {M(2, 3)}, -2, 2, 0, build_##id},                                    \
          {#id " along axis 0", 1, {T3(3, 2, 1)}, -2, 2, 0, build_##id##_0},                       \
          {#id " of nothing", 1, {M(0, 3)}, -2, 2, 0, build_##id})
LOGITS_CASES(softmax)
LOGITS_CASES(log_softmax)

/* The labels sum to 1 along the axis, where TensorFlow's gradient is the derivative by the logits. */
BUILD(labels, CALL(softmax, NODE(x[0]), NONE))
static node_id build_softmax_cross_entropy(struct tape *t, const node_id *x) {
    return CALL(softmax_cross_entropy_with_logits, NODE(build_labels(t, x)), NODE(x[1]), NONE);
}
CASES(
    softmax_cross_entropy_with_logits,
    {"softmax_cross_entropy of rows", 2, {M(2, 3), M(2, 3)}, -2, 2, 0, build_softmax_cross_entropy},
    {"softmax_cross_entropy of a vector", 2, {V(4), V(4)}, -2, 2, 0, build_softmax_cross_entropy},
    {"softmax_cross_entropy of nothing",
     2,
     {M(0, 3), M(0, 3)},
     -2,
     2,
     0,
     build_softmax_cross_entropy})
BUILD(sigmoid_cross_entropy, CALL(sigmoid_cross_entropy_with_logits, NODE(x[0]), NODE(x[1])))
CASES(sigmoid_cross_entropy_with_logits,
      {"sigmoid_cross_entropy", 2, {M(2, 3), M(2, 3)}, -2, 2, 0, build_sigmoid_cross_entropy},
      {"sigmoid_cross_entropy scalar", 2, {SCALAR, SCALAR}, -2, 2, 0, build_sigmoid_cross_entropy})
BUILD(l2_loss, CALL(l2_loss, NODE(x[0])))
CASES(l2_loss, {"l2_loss", 1, {M(2, 3)}, -2, 2, 0, build_l2_loss},
      {"l2_loss scalar", 1, {SCALAR}, -2, 2, 0, build_l2_loss})
BUILD(l2_normalize, CALL(l2_normalize, NODE(x[0]), INTS(-1), NONE))
BUILD(l2_normalize_small, CALL(l2_normalize, NODE(x[0]), NONE, {.given = true, .f = 100}))
CASES(l2_normalize, {"l2_normalize of rows", 1, {M(2, 3)}, -2, 2, 0, build_l2_normalize},
      {"l2_normalize below epsilon", 1, {V(3)}, -2, 2, 0, build_l2_normalize_small})
BUILD(bias_add, CALL(bias_add, NODE(x[0]), NODE(x[1])))
CASES(bias_add, {"bias_add", 2, {T3(2, 2, 3), V(3)}, -2, 2, 0, build_bias_add})
