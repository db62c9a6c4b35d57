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
