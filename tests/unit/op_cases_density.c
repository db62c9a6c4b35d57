/* Cases of log densities and log probabilities. Counts are rounded inputs, by which nothing is differentiable. */
#include "op_cases_macros.h"

#define HOW(s)                                                                                     \
    { .given = true, .string = (s) }

/* The call with three inputs that may be written in x, and `reduction` last. */
#define DENSITY_BUILDS(id, ...)                                                                    \
    BUILD(id, CALL(id, __VA_ARGS__, NONE))                                                         \
    BUILD(id##_none, CALL(id, __VA_ARGS__, HOW("none")))
#define CASES3(id, low, high, inert, ...)                                                          \
    DENSITY_BUILDS(id, __VA_ARGS__)                                                                \
    CASES(                                                                                         \
        id, {#id " of scalars", 3, {SCALAR, SCALAR, SCALAR}, low, high, inert, build_##id},        \
        {#id " of vectors", 3, {V(4), V(4), V(4)}, low, high, inert, build_##id},                  \
        {#id " of data", 3, {T3(2, 1, 3), SCALAR, SCALAR}, low, high, inert, build_##id},          \
        {#id " of rows and columns", 3, {M(2, 3), V(3), M(2, 1)}, low, high, inert, build_##id},   \
        {#id ", outer", 3, {M(3, 1), V(2), SCALAR}, low, high, inert, build_##id##_none},          \
        {#id " of one, not summed", 3, {V(1), SCALAR, V(1)}, low, high, inert, build_##id##_none}, \
        {#id " of nothing", 3, {M(0, 3), V(3), SCALAR}, low, high, inert, build_##id},             \
        {#id " of nothing, not summed",                                                            \
         3,                                                                                        \
         {M(0, 3), V(3), SCALAR},                                                                  \
         low,                                                                                      \
         high,                                                                                     \
         inert,                                                                                    \
         build_##id##_none})
#define CASES2(id, low, high, inert, ...)                                                          \
    DENSITY_BUILDS(id, __VA_ARGS__)                                                                \
    CASES(                                                                                         \
        id, {#id " of scalars", 2, {SCALAR, SCALAR}, low, high, inert, build_##id},                \
        {#id " of vectors", 2, {V(4), V(4)}, low, high, inert, build_##id},                        \
        {#id " of data", 2, {T3(2, 1, 3), SCALAR}, low, high, inert, build_##id},                  \
        {#id " of rows and columns", 2, {M(2, 1), M(2, 3)}, low, high, inert, build_##id##_none},  \
        {#id ", outer", 2, {M(3, 1), V(2)}, low, high, inert, build_##id##_none},                  \
        {#id " of nothing", 2, {M(0, 3), V(3)}, low, high, inert, build_##id},                     \
        {#id " of nothing, not summed", 2, {M(0, 3), V(3)}, low, high, inert, build_##id##_none})
#define X(i) NODE(x[i])

static node_id shifted(struct tape *t, node_id x, double by) {
    return emit_add(t, x, emit_like(t, x, by));
}
/* 0.3 to 0.9 becomes a whole number up to `most`. */
static node_id count(struct tape *t, node_id x, double most) {
    return emit1(t, OP_round, emit_multiply(t, x, emit_like(t, x, most)));
}

/* ---- of reals -------------------------------------------------------------------------------------- */

CASES3(normal_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(cauchy_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(laplace_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(logistic_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(gumbel_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(student_t_lpdf, 0.3, 0.9, 0, X(0), NODE(shifted(t, x[1], 3)), X(2), X(1))
CASES3(half_student_t_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(lognormal_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(gamma_lpdf, 0.3, 0.9, 0, X(0), NODE(shifted(t, x[1], 9.5)), X(2))
CASES3(inv_gamma_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(weibull_lpdf, 0.3, 0.9, 0, X(0), X(1), X(2))
CASES3(pareto_lpdf, 0.3, 0.9, 0, NODE(shifted(t, x[0], 0.7)), X(1), X(2))
CASES3(uniform_lpdf, 0.3, 0.9, 0, X(0), NODE(shifted(t, x[1], -1)), NODE(shifted(t, x[2], 1)))
CASES3(beta_lpdf, 0.3, 0.9, 0, X(0), NODE(shifted(t, x[1], 9.5)), X(2))
CASES2(half_normal_lpdf, 0.3, 0.9, 0, X(0), X(1))
CASES2(half_cauchy_lpdf, 0.3, 0.9, 0, X(0), X(1))
CASES2(exponential_lpdf, 0.3, 0.9, 0, X(0), X(1))
CASES2(chi_square_lpdf, 0.3, 0.9, 0, X(0), X(1))

DENSITY_BUILDS(std_normal_lpdf, X(0))
CASES(std_normal_lpdf,
      {"std_normal_lpdf of a scalar", 1, {SCALAR}, -2, 2, 0, build_std_normal_lpdf},
      {"std_normal_lpdf of a matrix", 1, {M(2, 3)}, -2, 2, 0, build_std_normal_lpdf},
      {"std_normal_lpdf, not summed", 1, {M(2, 3)}, -2, 2, 0, build_std_normal_lpdf_none},
      {"std_normal_lpdf of nothing", 1, {M(0, 3)}, -2, 2, 0, build_std_normal_lpdf})

/* ---- of counts ------------------------------------------------------------------------------------- */

#define N(most) NODE(count(t, x[0], most))
CASES2(bernoulli_lpmf, 0.3, 0.9, 1, N(1), X(1))
CASES2(bernoulli_logit_lpmf, 0.3, 0.9, 1, N(1), X(1))
CASES2(poisson_lpmf, 0.3, 0.9, 1, N(4), X(1))
CASES2(poisson_log_lpmf, 0.3, 0.9, 1, N(20), NODE(shifted(t, x[1], 2)))
CASES2(geometric_lpmf, 0.3, 0.9, 1, N(4), X(1))
CASES3(neg_binomial_2_lpmf, 0.3, 0.9, 1, N(4), X(1), X(2))
CASES3(binomial_lpmf, 0.3, 0.9, 3, N(4), NODE(count(t, x[1], 12)), X(2))
CASES3(binomial_logit_lpmf, 0.3, 0.9, 3, N(4), NODE(count(t, x[1], 12)), X(2))

/* ---- of events ------------------------------------------------------------------------------------- */

static node_id simplex(struct tape *t, node_id x) { return CALL(softmax, NODE(x), NONE); }
#define CLASS_CASES(id, ...)                                                                       \
    DENSITY_BUILDS(id, __VA_ARGS__)                                                                \
    CASES(id, {#id " of one", 2, {SCALAR, V(4)}, 0.3, 0.9, 1, build_##id},                         \
          {#id " of data", 2, {M(2, 3), V(4)}, 0.3, 0.9, 1, build_##id},                           \
          {#id " of rows", 2, {V(3), M(3, 4)}, 0.3, 0.9, 1, build_##id##_none},                    \
          {#id ", outer", 2, {M(2, 1), M(3, 4)}, 0.3, 0.9, 1, build_##id##_none},                  \
          {#id " of nothing", 2, {V(0), V(4)}, 0.3, 0.9, 1, build_##id})
CLASS_CASES(categorical_lpmf, N(3), NODE(simplex(t, x[1])))
CLASS_CASES(categorical_logit_lpmf, N(3), X(1))

#define EVENT_CASES(id, inert, ...)                                                                \
    DENSITY_BUILDS(id, __VA_ARGS__)                                                                \
    CASES(id, {#id " of one", 2, {V(3), V(3)}, 0.3, 0.9, inert, build_##id},                       \
          {#id " of rows", 2, {M(2, 3), V(3)}, 0.3, 0.9, inert, build_##id},                       \
          {#id " of two batches", 2, {T3(2, 1, 3), M(2, 3)}, 0.3, 0.9, inert, build_##id##_none},  \
          {#id " of one class", 2, {M(2, 1), V(1)}, 0.3, 0.9, inert, build_##id##_none},           \
          {#id " of no rows", 2, {M(0, 3), V(3)}, 0.3, 0.9, inert, build_##id##_none})
EVENT_CASES(multinomial_lpmf, 1, N(4), NODE(simplex(t, x[1])))

EVENT_CASES(dirichlet_lpdf, 0, NODE(simplex(t, x[0])), X(1))

/* A matrix that is positive definite, of which both triangles count, and one with a positive diagonal. */
static node_id covariance(struct tape *t, node_id a) {
    if (a == NODE_NONE) return NODE_NONE;
    const int64_t n = tape_shape(t, a)->dim[tape_shape(t, a)->rank - 1];
    node_id eye = CALL(eye, INT(n), NONE, {.given = true, .dtype = tape_dtype(t, a)});
    return emit_add(t, emit_matmul(t, a, a, false, true), eye);
}
#define NORMAL_CASES(id, ...)                                                                      \
    DENSITY_BUILDS(id, __VA_ARGS__)                                                                \
    CASES(id, {#id " of one", 3, {V(3), V(3), M(3, 3)}, 0.3, 0.9, 0, build_##id},                  \
          {#id " of data", 3, {T3(2, 1, 3), V(3), M(3, 3)}, 0.3, 0.9, 0, build_##id},              \
          {#id " of rows", 3, {M(2, 3), V(3), M(3, 3)}, 0.3, 0.9, 0, build_##id##_none},           \
          {#id " of matrices", 3, {V(3), M(2, 3), T3(2, 3, 3)}, 0.3, 0.9, 0, build_##id##_none},   \
          {#id ", outer", 3, {T3(2, 1, 2), V(2), T3(3, 2, 2)}, 0.3, 0.9, 0, build_##id##_none},    \
          {#id " of length 1", 3, {M(2, 1), V(1), M(1, 1)}, 0.3, 0.9, 0, build_##id},              \
          {#id " of nothing", 3, {M(0, 3), V(3), M(3, 3)}, 0.3, 0.9, 0, build_##id##_none})
NORMAL_CASES(multi_normal_lpdf, X(0), X(1), NODE(covariance(t, x[2])))
NORMAL_CASES(multi_normal_cholesky_lpdf, X(0), X(1), X(2))

DENSITY_BUILDS(lkj_corr_cholesky_lpdf, X(0), X(1))
CASES(lkj_corr_cholesky_lpdf,
      {"lkj_corr_cholesky_lpdf", 2, {M(3, 3), SCALAR}, 0.3, 0.9, 0, build_lkj_corr_cholesky_lpdf},
      {"lkj_corr_cholesky_lpdf of 1 by 1",
       2,
       {M(1, 1), SCALAR},
       0.3,
       0.9,
       0,
       build_lkj_corr_cholesky_lpdf},
      {"lkj_corr_cholesky_lpdf of many",
       2,
       {T3(2, 3, 3), M(3, 1)},
       0.3,
       0.9,
       0,
       build_lkj_corr_cholesky_lpdf_none},
      {"lkj_corr_cholesky_lpdf of none",
       2,
       {T3(0, 2, 2), SCALAR},
       0.3,
       0.9,
       0,
       build_lkj_corr_cholesky_lpdf_none})
