/* Log densities of real variables, with the names and parameters of Stan's function reference (sections
 * Unbounded, Positive, and Bounded Continuous Distributions). Formulas, and nothing that densities share. */
#include "core/op_density.h"

/* ---- on the whole line: base((y - mu)/sigma) - log sigma - constant -------------------------------- */

typedef node_id (*base)(struct tape *t, node_id z);

static node_id scaled(struct density *d, node_id y, node_id mu, node_id sigma, base f,
                      double constant) {
    struct tape *t = d->t;
    node_id scale = density_positive(d, sigma);
    if (mu != NODE_NONE) y = emit_subtract(t, y, density_finite(d, mu));
    node_id z = emit_divide(t, y, scale);
    return emit_subtract(t, f(t, z), plus(t, emit_log(t, scale), constant));
}

/* log(1 + u^2) without overflow: u^2 becomes u^-2 beyond 1, log u^2 apart. */
static node_id log1p_square(struct tape *t, node_id u) {
    node_id far = is_greater(t, emit1(t, OP_abs, u), 1), one = emit_like(t, u, 1);
    node_id large = emit_where(t, far, u, one);
    node_id small = emit_where(t, far, emit_reciprocal(t, large), u);
    node_id log = times(t, emit_log(t, emit1(t, OP_abs, large)), 2);
    return emit_add(t, emit1(t, OP_log1p, emit_square(t, small)), log);
}

static node_id normal_base(struct tape *t, node_id z) { return times(t, emit_square(t, z), -0.5); }
static node_id cauchy_base(struct tape *t, node_id z) {
    return emit_negative(t, log1p_square(t, z));
}
static node_id laplace_base(struct tape *t, node_id z) {
    return emit_negative(t, emit1(t, OP_abs, z));
}
/* -z - 2 log(1 + e^-z), without its cancellation. */
static node_id logistic_base(struct tape *t, node_id z) {
    node_id below = emit1(t, OP_softplus, z), above = emit1(t, OP_softplus, emit_negative(t, z));
    return emit_negative(t, emit_add(t, below, above));
}
static node_id gumbel_base(struct tape *t, node_id z) {
    return emit_negative(t, emit_add(t, z, emit_exp(t, emit_negative(t, z))));
}

static node_id normal(struct density *d, const node_id *x) {
    return scaled(d, x[0], x[1], x[2], normal_base, HALF_LOG_TWO_PI);
}
static node_id std_normal(struct density *d, const node_id *x) {
    return plus(d->t, normal_base(d->t, x[0]), -HALF_LOG_TWO_PI);
}
static node_id cauchy(struct density *d, const node_id *x) {
    return scaled(d, x[0], x[1], x[2], cauchy_base, LOG_PI);
}
static node_id laplace(struct density *d, const node_id *x) {
    return scaled(d, x[0], x[1], x[2], laplace_base, LOG_TWO);
}
static node_id logistic(struct density *d, const node_id *x) {
    return scaled(d, x[0], x[1], x[2], logistic_base, 0);
}
static node_id gumbel(struct density *d, const node_id *x) {
    density_outside(d, emit1(d->t, OP_is_inf, x[0]));
    return scaled(d, density_inside(d, x[0], 0), x[1], x[2], gumbel_base, 0);
}

/* log Gamma((nu + 1)/2) - log Gamma(nu/2) - log(nu pi)/2 - log sigma - (nu + 1)/2 log(1 + z^2/nu). */
static node_id student(struct density *d, node_id y, node_id nu, node_id mu, node_id sigma,
                       double constant) {
    struct tape *t = d->t;
    nu = density_positive(d, nu);
    sigma = density_positive(d, sigma);
    if (mu != NODE_NONE) y = emit_subtract(t, y, density_finite(d, mu));
    node_id z = emit_divide(t, y, sigma), half = times(t, nu, 0.5);
    node_id u = emit_divide(t, z, emit1(t, OP_sqrt, nu));
    node_id tail = emit_multiply(t, plus(t, half, 0.5), log1p_square(t, u));
    node_id gammas = density_lgamma_step(t, half, emit_like(t, half, 0.5));
    node_id scale = emit_add(t, emit_log(t, sigma), times(t, emit_log(t, nu), 0.5));
    return emit_subtract(t, plus(t, emit_subtract(t, gammas, scale), constant - LOG_PI / 2), tail);
}
static node_id student_t(struct density *d, const node_id *x) {
    return student(d, x[0], x[1], x[2], x[3], 0);
}

DENSITY(normal_lpdf, "-z^2/2 - log sigma - log(2 pi)/2, z = (y - mu)/sigma", normal, REAL("y"),
        REAL("mu"), REAL("sigma"))
DENSITY(std_normal_lpdf, "-y^2/2 - log(2 pi)/2", std_normal, REAL("y"))
DENSITY(student_t_lpdf,
        "log Gamma((nu + 1)/2) - log Gamma(nu/2) - log(nu pi)/2 - log sigma - (nu + 1)/2 log(1 + "
        "z^2/nu), z = (y - mu)/sigma",
        student_t, REAL("y"), REAL("nu"), REAL("mu"), REAL("sigma"))
DENSITY(cauchy_lpdf, "-log(1 + z^2) - log(pi sigma), z = (y - mu)/sigma", cauchy, REAL("y"),
        REAL("mu"), REAL("sigma"))
DENSITY(laplace_lpdf, "-|y - mu|/sigma - log(2 sigma)", laplace, REAL("y"), REAL("mu"),
        REAL("sigma"))
DENSITY(logistic_lpdf, "-z - 2 log(1 + e^-z) - log sigma, z = (y - mu)/sigma", logistic, REAL("y"),
        REAL("mu"), REAL("sigma"))
DENSITY(gumbel_lpdf, "-z - e^-z - log beta, z = (y - mu)/beta", gumbel, REAL("y"), REAL("mu"),
        REAL("beta"))

/* ---- on the half line ----------------------------------------------------------------------------- */

/* Outside are y < 0 and infinity. */
static void half_line(struct density *d, node_id y) {
    density_outside(d, either(d->t, is_less(d->t, y, 0), is_equal(d->t, y, INFINITY)));
}
static node_id from_zero(struct density *d, node_id y) {
    half_line(d, y);
    return density_inside(d, y, 0);
}
/* The same without 0. */
static node_id above_zero(struct density *d, node_id y) {
    half_line(d, y);
    density_outside(d, is_equal(d->t, y, 0));
    return density_inside(d, y, 1);
}

static node_id half_normal(struct density *d, const node_id *x) {
    return scaled(d, from_zero(d, x[0]), NODE_NONE, x[1], normal_base, HALF_LOG_TWO_PI - LOG_TWO);
}
static node_id half_cauchy(struct density *d, const node_id *x) {
    return scaled(d, from_zero(d, x[0]), NODE_NONE, x[1], cauchy_base, LOG_PI - LOG_TWO);
}
static node_id half_student_t(struct density *d, const node_id *x) {
    return student(d, from_zero(d, x[0]), x[1], NODE_NONE, x[2], LOG_TWO);
}
static node_id lognormal(struct density *d, const node_id *x) {
    node_id log_y = emit_log(d->t, above_zero(d, x[0]));
    node_id at_log = scaled(d, log_y, x[1], x[2], normal_base, HALF_LOG_TWO_PI);
    return emit_subtract(d->t, at_log, log_y);
}
static node_id exponential(struct density *d, const node_id *x) {
    node_id y = from_zero(d, x[0]), beta = density_positive(d, x[1]);
    return emit_subtract(d->t, emit_log(d->t, beta), emit_multiply(d->t, beta, y));
}

/* A density like y^(alpha - 1) near 0: at 0 it is 0 for alpha > 1, `rate` e^(-rate y) for alpha = 1 and infinite
 * for alpha < 1. *at_zero is that value, and y has 1 in place of 0 and of what is outside. */
static node_id off_zero(struct density *d, node_id y, node_id alpha, node_id rate, node_id *zero,
                        node_id *at_zero) {
    struct tape *t = d->t;
    *zero = is_equal(t, y, 0);
    half_line(d, y);
    density_outside(d, both(t, *zero, is_greater(t, alpha, 1)));
    node_id here = emit_where(t, *zero, y, emit_like(t, y, 0));
    node_id exponential_value = emit_subtract(t, emit_log(t, rate), emit_multiply(t, rate, here));
    *at_zero = emit_where(t, is_equal(t, alpha, 1), exponential_value, emit_like(t, y, INFINITY));
    return except(t, *zero, 1, density_inside(d, y, 1));
}

/* alpha log m - m - log Gamma(alpha) - log y, where m is beta y or beta/y. */
static node_id gamma_core(struct tape *t, node_id y, node_id alpha, node_id m, node_id log_m) {
    node_id log_alpha = emit_log(t, alpha), excess = emit_subtract(t, m, alpha);
    node_id log = density_log_quotient(t, excess, alpha, emit_subtract(t, log_m, log_alpha));
    node_id power = emit_subtract(t, density_factorial(t, alpha, log), excess);
    return emit_add(t, power, emit_subtract(t, log_alpha, emit_log(t, y)));
}
static node_id gamma_of(struct density *d, node_id y, node_id alpha, node_id beta) {
    struct tape *t = d->t;
    node_id zero, at_zero;
    y = off_zero(d, y, alpha, beta, &zero, &at_zero);
    node_id log_m = emit_add(t, emit_log(t, beta), emit_log(t, y));
    node_id value = gamma_core(t, y, alpha, emit_multiply(t, beta, y), log_m);
    return emit_where(t, zero, at_zero, value);
}
static node_id gamma_(struct density *d, const node_id *x) {
    node_id alpha = density_positive(d, x[1]), beta = density_positive(d, x[2]);
    return gamma_of(d, x[0], alpha, beta);
}
static node_id chi_square(struct density *d, const node_id *x) {
    node_id nu = density_positive(d, x[1]);
    return gamma_of(d, x[0], times(d->t, nu, 0.5), emit_like(d->t, nu, 0.5));
}
static node_id inv_gamma(struct density *d, const node_id *x) {
    node_id alpha = density_positive(d, x[1]), beta = density_positive(d, x[2]);
    node_id y = above_zero(d, x[0]);
    node_id log_m = emit_subtract(d->t, emit_log(d->t, beta), emit_log(d->t, y));
    return gamma_core(d->t, y, alpha, emit_divide(d->t, beta, y), log_m);
}
static node_id weibull(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id alpha = density_positive(d, x[1]), sigma = density_positive(d, x[2]), zero, at_zero;
    node_id y = off_zero(d, x[0], alpha, emit_reciprocal(t, sigma), &zero, &at_zero);
    node_id log_sigma = emit_log(t, sigma), log_z = emit_subtract(t, emit_log(t, y), log_sigma);
    node_id power = emit_pow(t, emit_divide(t, y, sigma), alpha);
    node_id slope = emit_subtract(t, emit_multiply(t, plus(t, alpha, -1), log_z), power);
    node_id value = emit_add(t, slope, emit_subtract(t, emit_log(t, alpha), log_sigma));
    return emit_where(t, zero, at_zero, value);
}
static node_id pareto(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id least = density_positive(d, x[1]), alpha = density_positive(d, x[2]);
    density_outside(d, either(t, emit2(t, OP_less, x[0], least), is_equal(t, x[0], INFINITY)));
    node_id y = emit_where(t, d->outside, least, x[0]), log_y = emit_log(t, y);
    node_id log = density_log_quotient(t, emit_subtract(t, y, least), least,
                                       emit_subtract(t, log_y, emit_log(t, least)));
    return emit_subtract(t, emit_log(t, alpha), emit_add(t, emit_multiply(t, alpha, log), log_y));
}

DENSITY(half_normal_lpdf, "log 2 + normal_lpdf(y, 0, sigma), y >= 0", half_normal, REAL("y"),
        REAL("sigma"))
DENSITY(half_cauchy_lpdf, "log 2 + cauchy_lpdf(y, 0, sigma), y >= 0", half_cauchy, REAL("y"),
        REAL("sigma"))
DENSITY(half_student_t_lpdf, "log 2 + student_t_lpdf(y, nu, 0, sigma), y >= 0", half_student_t,
        REAL("y"), REAL("nu"), REAL("sigma"))
DENSITY(lognormal_lpdf, "normal_lpdf(log y, mu, sigma) - log y, y > 0", lognormal, REAL("y"),
        REAL("mu"), REAL("sigma"))
DENSITY(exponential_lpdf, "log beta - beta y, y >= 0", exponential, REAL("y"), REAL("beta"))
DENSITY(gamma_lpdf, "alpha log beta - log Gamma(alpha) + (alpha - 1) log y - beta y, y >= 0",
        gamma_, REAL("y"), REAL("alpha"), REAL("beta"))
DENSITY(chi_square_lpdf, "gamma_lpdf(y, nu/2, 1/2), y >= 0", chi_square, REAL("y"), REAL("nu"))
DENSITY(inv_gamma_lpdf, "alpha log beta - log Gamma(alpha) - (alpha + 1) log y - beta/y, y > 0",
        inv_gamma, REAL("y"), REAL("alpha"), REAL("beta"))
DENSITY(weibull_lpdf, "log(alpha/sigma) + (alpha - 1) log(y/sigma) - (y/sigma)^alpha, y >= 0",
        weibull, REAL("y"), REAL("alpha"), REAL("sigma"))
DENSITY(pareto_lpdf, "log alpha + alpha log y_min - (alpha + 1) log y, y >= y_min", pareto,
        REAL("y"), REAL("y_min"), REAL("alpha"))

/* ---- on an interval ------------------------------------------------------------------------------- */

/* The ends belong to the interval. The gradient by y is a connected 0. */
static node_id uniform(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id width = emit_subtract(t, x[2], x[1]);
    width = density_positive(d, width);
    density_outside(d, either(t, emit2(t, OP_less, x[0], x[1]), emit_greater(t, x[0], x[2])));
    node_id flat = times(t, density_inside(d, x[0], 0), 0);
    return emit_subtract(t, flat, emit_log(t, width));
}
DENSITY(uniform_lpdf, "-log(beta - alpha), alpha <= y <= beta", uniform, REAL("y"), REAL("alpha"),
        REAL("beta"))

/* The value at an end where this side's exponent is `own` - 1: 0 of it is left where own = 1, so that the
 * density is other theta^(other - 1) with log_theta = 0. */
static node_id at_end(struct tape *t, node_id own, node_id other, node_id log_theta) {
    node_id rest = emit_multiply(t, plus(t, other, -1), log_theta);
    node_id value = emit_add(t, emit_log(t, other), rest);
    return emit_where(t, is_equal(t, own, 1), value, emit_like(t, own, INFINITY));
}
/* With s = alpha + beta, the binomial log probability of alpha among s at theta, but for factors. */
static node_id beta_(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id y = x[0], a = density_positive(d, x[1]), b = density_positive(d, x[2]);
    node_id zero = is_equal(t, y, 0), one = is_equal(t, y, 1);
    density_outside(d, either(t, is_less(t, y, 0), is_greater(t, y, 1)));
    density_outside(d, both(t, zero, is_greater(t, a, 1)));
    density_outside(d, both(t, one, is_greater(t, b, 1)));
    node_id low = at_end(
        t, a, b, emit1(t, OP_log1p, emit_negative(t, emit_where(t, zero, y, emit_like(t, y, 0)))));
    node_id high = at_end(t, b, a, emit_log(t, emit_where(t, one, y, emit_like(t, y, 1))));
    node_id ends = either(t, zero, one);
    node_id theta = except(t, ends, 0.5, density_inside(d, y, 0.5)), s = emit_add(t, a, b);
    node_id log_s = emit_log(t, s), log_a = emit_log(t, a), log_b = emit_log(t, b);
    node_id log_y = emit_log(t, theta), log_1y = emit1(t, OP_log1p, emit_negative(t, theta));
    node_id excess = emit_subtract(t, emit_multiply(t, theta, s), a);
    node_id yes =
        density_log_quotient(t, excess, a, emit_add(t, log_y, emit_subtract(t, log_s, log_a)));
    node_id no = density_log_quotient(t, emit_negative(t, excess), b,
                                      emit_add(t, log_1y, emit_subtract(t, log_s, log_b)));
    node_id value = emit_add(t, density_factorial(t, a, yes), density_factorial(t, b, no));
    value = emit_subtract(t, value, density_factorial(t, s, emit_like(t, s, 0)));
    node_id factors = emit_subtract(t, emit_add(t, log_a, log_b), log_s);
    value = emit_add(t, value, emit_subtract(t, factors, emit_add(t, log_y, log_1y)));
    return emit_where(t, zero, low, emit_where(t, one, high, value));
}
DENSITY(beta_lpdf,
        "(alpha - 1) log theta + (beta - 1) log(1 - theta) - log B(alpha, beta), 0 <= theta <= 1",
        beta_, REAL("theta"), REAL("alpha"), REAL("beta"))
