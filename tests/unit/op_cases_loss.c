/* Cases of Keras' losses. */
#include "op_cases_macros.h"

#define NAME(s)                                                                                    \
    { .given = true, .string = (s) }

#define LOSS_CASES_AT(id, low, high)                                                               \
    BUILD(id, CALL(id, NODE(x[0]), NODE(x[1]), NONE, NONE, NONE))                                  \
    BUILD(id##_sum, CALL(id, NODE(x[0]), NODE(x[1]), NAME("sum"), NONE, NONE))                     \
    BUILD(id##_mean, CALL(id, NODE(x[0]), NODE(x[1]), NAME("sum_over_batch_size"), NONE, NONE))    \
    CASES(id, {#id " of a vector", 2, {V(4), V(4)}, low, high, 0, build_##id},                     \
          {#id " of rows", 2, {M(2, 3), M(2, 3)}, low, high, 0, build_##id},                       \
          {#id " of rows, summed", 2, {M(2, 3), M(2, 3)}, low, high, 0, build_##id##_sum},         \
          {#id " of a cube, averaged",                                                             \
           2,                                                                                      \
           {T3(2, 2, 2), T3(2, 2, 2)},                                                             \
           low,                                                                                    \
           high,                                                                                   \
           0,                                                                                      \
           build_##id##_mean},                                                                     \
          {#id " of no rows", 2, {M(0, 3), M(0, 3)}, low, high, 0, build_##id})
LOSS_CASES_AT(mean_squared_error, -2, 2)
LOSS_CASES_AT(mean_absolute_error, -2, 2)
LOSS_CASES_AT(mean_absolute_percentage_error, 0.5, 2)
LOSS_CASES_AT(mean_squared_logarithmic_error, 0.5, 2)
LOSS_CASES_AT(huber, -2, 2)
LOSS_CASES_AT(log_cosh, -2, 2)
LOSS_CASES_AT(binary_crossentropy, 0.1, 0.9)
LOSS_CASES_AT(categorical_crossentropy, 0.1, 0.9)
LOSS_CASES_AT(kl_divergence, 0.1, 0.9)
LOSS_CASES_AT(poisson, 0.5, 2)
LOSS_CASES_AT(hinge, 0.1, 0.9)
LOSS_CASES_AT(squared_hinge, 0.1, 0.9)
LOSS_CASES_AT(categorical_hinge, 0.1, 0.9)
LOSS_CASES_AT(cosine_similarity, 0.5, 2)

/* ---- losses with parameters of their own ---- */
#define FLOAT(v)                                                                                   \
    { .given = true, .f = (v) }
#define TWO NODE(x[0]), NODE(x[1])
#define FURTHER_CASES(id, low, high)                                                               \
    CASES(id, {#id, 2, {M(2, 3), M(2, 3)}, low, high, 0, build_##id},                              \
          {#id ", arguments given", 2, {M(2, 3), M(2, 3)}, low, high, 0, build_##id##_with},       \
          {#id " of nothing", 2, {M(0, 3), M(0, 3)}, low, high, 0, build_##id})
BUILD(binary_focal_crossentropy,
      CALL(binary_focal_crossentropy, TWO, NONE, NONE, NONE, NONE, NONE, NONE))
BUILD(binary_focal_crossentropy_with, CALL(binary_focal_crossentropy, TWO, NAME("sum"), BOOL(true),
                                           FLOAT(0.3), FLOAT(1.5), BOOL(true), FLOAT(0.1)))
FURTHER_CASES(binary_focal_crossentropy, 0.1, 0.9)
BUILD(categorical_focal_crossentropy,
      CALL(categorical_focal_crossentropy, TWO, NONE, NONE, NONE, NONE, NONE))
BUILD(categorical_focal_crossentropy_with, CALL(categorical_focal_crossentropy, TWO, NAME("mean"),
                                                FLOAT(0.3), FLOAT(1.5), BOOL(true), FLOAT(0.1)))
FURTHER_CASES(categorical_focal_crossentropy, 0.1, 0.9)
BUILD(dice, CALL(dice, TWO, NONE, NONE))
BUILD(dice_with, CALL(dice, TWO, NONE, INTS(-1)))
CASES(dice, {"dice", 2, {M(2, 3), M(2, 3)}, 0.1, 0.9, 0, build_dice},
      {"dice of rows", 2, {M(2, 3), M(2, 3)}, 0.1, 0.9, 0, build_dice_with})
BUILD(tversky, CALL(tversky, TWO, NONE, NONE, NONE, NONE))
BUILD(tversky_with, CALL(tversky, TWO, NONE, FLOAT(0.3), FLOAT(0.7), INTS(0)))
CASES(tversky, {"tversky", 2, {M(2, 3), M(2, 3)}, 0.1, 0.9, 0, build_tversky},
      {"tversky of columns", 2, {M(2, 3), M(2, 3)}, 0.1, 0.9, 0, build_tversky_with})

#define CLASSES(...)                                                                               \
    NODE(tape_const(t, DTYPE_I32, &(const struct shape)V(2), (int32_t[]){__VA_ARGS__}))
BUILD(sparse, CALL(sparse_categorical_crossentropy, CLASSES(2, 0), NODE(x[0]), NONE, NONE, NONE))
BUILD(sparse_with, CALL(sparse_categorical_crossentropy, CLASSES(2, 1), NODE(x[0]), NAME("mean"),
                        BOOL(true), INT(1)))
CASES(
    sparse_categorical_crossentropy,
    {"sparse_categorical_crossentropy", 1, {M(2, 3)}, 0.1, 0.9, 0, build_sparse},
    {"sparse_categorical_crossentropy, a class ignored", 1, {M(2, 3)}, -2, 2, 0, build_sparse_with})
BUILD(generalized,
      CALL(categorical_generalized_cross_entropy, CLASSES(2, 0), NODE(x[0]), NONE, FLOAT(0.7)))
CASES(categorical_generalized_cross_entropy,
      {"categorical_generalized_cross_entropy", 1, {M(2, 3)}, 0.1, 0.9, 0, build_generalized})
