/* Cases of windows and pooling, random tensors and dropout. */
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

/* ---- random tensors ---- */
#define SEED(a, b) NODE(tape_const(t, DTYPE_I64, &(const struct shape)V(2), (int64_t[]){a, b}))
#define DTYPE(d)                                                                                   \
    { .given = true, .dtype = (d) }
/* Seeds that depend on the input, so that a batch of them is drawn too. */
static node_id seed_of(struct tape *t, node_id x) {
    return emit_cast(t, emit_multiply(t, x, emit_like(t, x, 1000)), DTYPE_I64);
}
static node_id build_random_draw(struct tape *t, const node_id *x) {
    const struct random_attrs a = {RANDOM_NORMAL, DTYPE_F64, 2, {2, 3}};
    const node_id seed = seed_of(t, x[0]);
    return tape_emit(t, OP_random_draw, &seed, 1, &a, sizeof a);
}
static node_id build_random_integers(struct tape *t, const node_id *x) {
    const struct random_attrs a = {0, DTYPE_I32, 1, {5}};
    const node_id bound = tape_scalar(t, DTYPE_I32, 7), low = tape_scalar(t, DTYPE_I32, -3);
    return tape_emit(t, OP_random_integers, (node_id[]){seed_of(t, x[0]), low, bound}, 3, &a,
                     sizeof a);
}
CASES(random_draw, {"random_draw", 1, {V(2)}, -2, 2, 1, build_random_draw})
CASES(random_integers, {"random_integers", 1, {V(2)}, -2, 2, 1, build_random_integers})
#define RANDOM_CASES(id)                                                                           \
    BUILD(id,                                                                                      \
          CALL(id, INTS(2, 3), SEED(1, 2), NODE(x[0]), NODE(x[1]), DTYPE(tape_dtype(t, x[0]))))    \
    BUILD(id##_empty,                                                                              \
          CALL(id, INTS(0, 3), SEED(1, 2), NODE(x[0]), NONE, DTYPE(tape_dtype(t, x[0]))))          \
    CASES(id, {#id, 2, {SCALAR, SCALAR}, -2, 2, 0, build_##id},                                    \
          {#id " of rows", 2, {V(3), M(2, 1)}, -2, 2, 0, build_##id},                              \
          {#id " of nothing", 1, {SCALAR}, -2, 2, 0, build_##id##_empty})
RANDOM_CASES(stateless_uniform)
RANDOM_CASES(stateless_normal)
RANDOM_CASES(stateless_truncated_normal)

BUILD(dropout,
      CALL(dropout, NODE(x[0]), FLOAT(0.25),
           NODE(tape_const(t, DTYPE_BOOL, &(const struct shape)V(3), (uint8_t[]){1, 0, 1}))))
CASES(dropout, {"dropout", 1, {M(2, 3)}, -2, 2, 0, build_dropout},
      {"dropout of nothing", 1, {M(0, 3)}, -2, 2, 0, build_dropout})
BUILD(stateless_dropout, CALL(stateless_dropout, NODE(x[0]), FLOAT(0.5), SEED(3, 4)))
CASES(stateless_dropout, {"stateless_dropout", 1, {M(2, 3)}, -2, 2, 0, build_stateless_dropout},
      {"stateless_dropout of a scalar", 1, {SCALAR}, -2, 2, 0, build_stateless_dropout})
