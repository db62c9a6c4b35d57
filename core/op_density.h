/* What the families of log densities are written with. A density is a formula in the call's arguments;
 * this header has the rest of it once: where the density is 0, which parameters are none, sums over
 * the elements, and logarithms of factorials that do not cancel. Included by those families' .c files
 * only. */
#ifndef GRADD_CORE_OP_DENSITY_H
#define GRADD_CORE_OP_DENSITY_H

#include <math.h>

#include "core/emit.h"

#define LOG_TWO 0.693147180559945309417232121458176568
#define LOG_PI 1.14472988584940017414342735135305871
#define HALF_LOG_TWO_PI 0.918938533204672741780329736405617640

/* One call. Formulas add to the two masks as they read their arguments. */
struct density {
    struct tape *t;
    const struct op *op;
    enum dtype dtype; /* of the answer and of every argument but counts */
    node_id outside;  /* where the density is 0; NODE_NONE: nowhere */
    node_id poison;   /* 1, or NaN where a parameter is none; NODE_NONE: 1 everywhere */
};

/* The logarithm inside the support, at arguments x in the order of the op's parameters. It may have
 * any value outside, but must be finite there with its derivatives: density_inside makes it so. */
typedef node_id (*density_formula)(struct density *d, const node_id *x);

/* The call's answer: the formula, -Infinity with a gradient of 0 outside, NaN for invalid parameters, summed
 * over all elements unless `reduction` says "none". Arguments before `reduction` are tensors of one float
 * dtype, or counts. `pointwise`: their shapes must broadcast together. */
node_id density_emit(struct tape *t, int op, const struct op_arg *args, density_formula formula,
                     bool pointwise);

#define DENSITY_COUNT(...) (sizeof((struct op_param[]){__VA_ARGS__}) / sizeof(struct op_param))
#define DENSITY_OF(id, text, formula, pointwise, ...)                                              \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        return density_emit(t, OP_##id, args, formula, pointwise);                                 \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = {__VA_ARGS__, {"reduction", PARAM_STRING, true}},         \
                               .dtypes = DTYPES_FLOATS,                                            \
                               .preset = {[DENSITY_COUNT(__VA_ARGS__)] = "\"sum\""},               \
                               .emit = id##_emit};
/* A density of single elements; its parameters follow. */
#define DENSITY(id, text, formula, ...) DENSITY_OF(id, text, formula, true, __VA_ARGS__)
#define REAL(name)                                                                                 \
    { name, PARAM_TENSOR, false }
#define COUNT(name)                                                                                \
    { name, PARAM_COUNTS, false }

/* x, times NaN where `valid` is false. */
node_id density_valid(struct density *d, node_id x, node_id valid);
/* Parameters that must be finite; positive and finite; at least 0; between 0 and 1. */
node_id density_finite(struct density *d, node_id x);
node_id density_positive(struct density *d, node_id x);
node_id density_nonnegative(struct density *d, node_id x);
node_id density_probability(struct density *d, node_id x);

/* The density is 0 also where `mask` is true. */
void density_outside(struct density *d, node_id mask);
/* x, with `value` outside, so that no derivative of any order is infinite or NaN there. */
node_id density_inside(const struct density *d, node_id x, double value);
/* A counted variable as the density's dtype, without a gradient; what is no whole number or negative is outside. */
node_id density_count(struct density *d, node_id x);
/* The same for a parameter, which is invalid then. */
node_id density_count_parameter(struct density *d, node_id x);

/* Events along the last axis: the arguments must have one, of the same length, and broadcast otherwise. False after
 * tape_fail. */
bool density_check_events(struct density *d, const node_id *x, size_t n);
/* x reduced over its events, and its sum with an axis of length 1 left. */
node_id density_over_event(const struct density *d, int reduction, node_id x);
node_id density_over_event_kept(const struct density *d, node_id x);
/* An event is outside, or its parameter invalid, where one of its elements is so far. */
void density_join(struct density *d);
/* Where an event has elements from 0 to 1 that sum to 1 within 1e-3, as in JAX: Stan's 1e-8 would refuse
 * float32, and steps of a finite difference. */
node_id density_is_simplex(struct density *d, node_id theta);

/* log Gamma(a) - ((a - 1/2) log a - a + log(2 pi)/2), a > 0: small where a is large. */
node_id density_stirling(struct tape *t, node_id a);
/* log Gamma(a + h) - log Gamma(a) for a > 0, h > 0. */
node_id density_lgamma_step(struct tape *t, node_id a, node_id h);
/* log(m / a) from difference = m - a where they are near each other, else log_quotient. */
node_id density_log_quotient(struct tape *t, node_id difference, node_id a, node_id log_quotient);
/* a log_quotient + a log a - a - log Gamma(a + 1), a > 0: with log(m / a) for log_quotient it is Poisson's
 * log probability of `a` at mean m but for a - m. Reference: Loader, Fast and Accurate
 * Computation of Binomial Probabilities, 2000. */
node_id density_factorial(struct tape *t, node_id a, node_id log_quotient);
/* The same for a >= 0 from difference = m - a and log m, which must be finite where a is 0. */
node_id density_count_factorial(struct tape *t, node_id a, node_id difference, node_id log_m);

/* Short names for files of formulas. */
static inline node_id plus(struct tape *t, node_id x, double c) {
    return emit_add(t, x, emit_like(t, x, c));
}
static inline node_id times(struct tape *t, node_id x, double c) {
    return emit_multiply(t, x, emit_like(t, x, c));
}
static inline node_id both(struct tape *t, node_id p, node_id q) {
    return emit2(t, OP_logical_and, p, q);
}
static inline node_id either(struct tape *t, node_id p, node_id q) {
    return emit2(t, OP_logical_or, p, q);
}
/* Comparisons with a number. */
static inline node_id is_equal(struct tape *t, node_id x, double c) {
    return emit_equal(t, x, emit_like(t, x, c));
}
static inline node_id is_less(struct tape *t, node_id x, double c) {
    return emit2(t, OP_less, x, emit_like(t, x, c));
}
static inline node_id is_greater(struct tape *t, node_id x, double c) {
    return emit_greater(t, x, emit_like(t, x, c));
}
/* x, or the number where `mask` is true. */
static inline node_id except(struct tape *t, node_id mask, double c, node_id x) {
    return emit_where(t, mask, emit_like(t, x, c), x);
}

#endif
