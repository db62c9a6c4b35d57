/* Cases of windows and pooling. */
#include "op_cases_macros.h"

#define STRING(s)                                                                                  \
    { .given = true, .string = (s) }
#define FLOAT(v)                                                                                   \
    { .given = true, .f = (v) }
#define T4(k, l, m, n)                                                                             \
    {                                                                                              \
        .rank = 4, .dim = { k, l, m, n }                                                           \
    }
#define T5(j, k, l, m, n)                                                                          \
    {                                                                                              \
        .rank = 5, .dim = { j, k, l, m, n }                                                        \
    }

/* ---- windows ---- */
static const struct window_attrs plane = {{2, 3, 4}, {2, 2, 2}, {1, 2, 3}, {1, 2, 2}, {0, 0, 1}};
#define WINDOW_CASES(id, last, inert)                                                              \
    static node_id build_##id(struct tape *t, const node_id *x) {                                  \
        return emit_window(t, OP_##id, x[0], &plane);                                              \
    }                                                                                              \
    CASES(id, {#id, 1, {T5(2, 2, last, 2)}, -2, 2, inert, build_##id},                             \
          {#id " of nothing", 1, {T5(0, 2, last, 2)}, -2, 2, inert, build_##id})
#define LARGER 3, 4
#define SMALLER 2, 2
WINDOW_CASES(window_argmax, LARGER, 1)
WINDOW_CASES(window_max, LARGER, 0)
WINDOW_CASES(window_sum, LARGER, 0)
WINDOW_CASES(window_spread, SMALLER, 0)

/* ---- pooling ---- */
#define POOL_CASES(id)                                                                             \
    BUILD(id##_valid, CALL(id, NODE(x[0]), INTS(2), INTS(1), STRING("VALID"), NONE))               \
    BUILD(id##_same, CALL(id, NODE(x[0]), INTS(3), INTS(2), STRING("SAME"), NONE))                 \
    BUILD(id##_flat,                                                                               \
          CALL(id, NODE(x[0]), INTS(1, 3, 2, 1), INTS(1, 1, 2, 1), STRING("SAME"), NONE))          \
    BUILD(id##_first,                                                                              \
          CALL(id, NODE(x[0]), INTS(2, 3), INTS(2, 1), STRING("SAME"), STRING("NCHW")))            \
    CASES(id, {#id " of a line", 1, {T3(2, 5, 2)}, -2, 2, 0, build_##id##_valid},                  \
          {#id " of a plane", 1, {T4(2, 3, 3, 2)}, -2, 2, 0, build_##id##_valid},                  \
          {#id " of a plane, padded", 1, {T4(1, 4, 5, 2)}, -2, 2, 0, build_##id##_same},           \
          {#id " of unequal windows", 1, {T4(1, 4, 5, 1)}, -2, 2, 0, build_##id##_flat},           \
          {#id " of channels first", 1, {T4(2, 2, 3, 4)}, -2, 2, 0, build_##id##_first},           \
          {#id " of a cube", 1, {T5(1, 3, 2, 4, 2)}, -2, 2, 0, build_##id##_same},                 \
          {#id " of one", 1, {T4(1, 1, 1, 1)}, -2, 2, 0, build_##id##_same},                       \
          {#id " of no images", 1, {T4(0, 3, 3, 2)}, -2, 2, 0, build_##id##_valid},                \
          {#id " of empty images", 1, {T4(2, 0, 3, 2)}, -2, 2, 0, build_##id##_same},              \
          {#id " of too small images", 1, {T4(2, 1, 3, 2)}, -2, 2, 0, build_##id##_valid})
POOL_CASES(max_pool)
POOL_CASES(avg_pool)
static node_id build_max_pool_with_argmax(struct tape *t, const node_id *x) {
    const node_id *results;
    size_t n;
    const struct op_arg args[5] = {NODE(x[0]), INTS(2), INTS(1), STRING("SAME"), NONE};
    return op_call_many(t, OP_max_pool_with_argmax, args, &results, &n) ? results[0] : NODE_NONE;
}
CASES(max_pool_with_argmax,
      {"max_pool_with_argmax", 1, {T4(2, 2, 3, 2)}, -2, 2, 0, build_max_pool_with_argmax})

BUILD(lrn,
      CALL(local_response_normalization, NODE(x[0]), INT(1), FLOAT(1.5), FLOAT(0.5), FLOAT(0.75)))
BUILD(lrn_default, CALL(local_response_normalization, NODE(x[0]), NONE, NONE, NONE, NONE))
CASES(local_response_normalization,
      {"local_response_normalization", 1, {T4(2, 1, 2, 4)}, -2, 2, 0, build_lrn},
      {"local_response_normalization, defaults", 1, {T4(1, 2, 1, 3)}, -2, 2, 0, build_lrn_default},
      {"local_response_normalization of nothing", 1, {T4(2, 1, 2, 0)}, -2, 2, 0, build_lrn})
