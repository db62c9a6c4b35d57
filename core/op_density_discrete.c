/* Log probabilities of counts and classes, with the names and parameters of Stan's function reference
 * (sections Binary and Bounded, and Unbounded Discrete Distributions), but for classes, which count
 * from 0. Counts come in any dtype and have no gradient. */
#include "core/op_density.h"

/* ---- 0 or 1 ---------------------------------------------------------------------------------------- */

/* Where y is 1; what is neither 0 nor 1 is outside. */
static node_id is_success(struct density *d, node_id x) {
    node_id y = density_count(d, x);
    density_outside(d, is_greater(d->t, y, 1));
    return is_equal(d->t, y, 1);
}
static node_id bernoulli(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id success = is_success(d, x[0]), failure = emit1(t, OP_logical_not, success);
    node_id theta = density_probability(d, x[1]);
    density_outside(d, both(t, success, is_equal(t, theta, 0)));
    density_outside(d, both(t, failure, is_equal(t, theta, 1)));
    theta = density_inside(d, theta, 0.5);
    node_id log_theta = emit_log(t, except(t, failure, 1, theta));
    node_id log_rest = emit1(t, OP_log1p, emit_negative(t, except(t, success, 0, theta)));
    return emit_where(t, success, log_theta, log_rest);
}
static node_id bernoulli_logit(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id success = is_success(d, x[0]), one = tape_scalar(t, d->dtype, 1);
    node_id sign = emit_where(t, success, emit_negative(t, one), one);
    return emit_negative(t, emit1(t, OP_softplus, emit_multiply(t, sign, x[1])));
}
DENSITY(bernoulli_lpmf, "y log theta + (1 - y) log(1 - theta), y = 0 or 1", bernoulli, COUNT("y"),
        REAL("theta"))
DENSITY(bernoulli_logit_lpmf, "-log(1 + e^-alpha) where y = 1, -log(1 + e^alpha) where y = 0",
        bernoulli_logit, COUNT("y"), REAL("alpha"))

/* ---- n of N ---------------------------------------------------------------------------------------- */

/* n, as 0 outside, and the parameter N. */
static node_id n_of(struct density *d, const node_id *x, node_id *total) {
    node_id n = density_count(d, x[0]);
    *total = density_count_parameter(d, x[1]);
    density_outside(d, emit_greater(d->t, n, *total));
    return n;
}
/* n log theta + (N - n) log(1 - theta) + log (N over n) from excess = N theta - n. The logarithm whose term n = 0
 * or n = N lacks may be any finite number. */
static node_id binomial_of(struct tape *t, node_id n, node_id total, node_id excess,
                           node_id log_theta, node_id log_rest) {
    node_id none = is_equal(t, total, 0), log_total = emit_log(t, except(t, none, 1, total));
    node_id failures = emit_subtract(t, total, n);
    node_id yes = density_count_factorial(t, n, excess, emit_add(t, log_total, log_theta));
    node_id no = density_count_factorial(t, failures, emit_negative(t, excess),
                                         emit_add(t, log_total, log_rest));
    node_id all = density_count_factorial(t, total, emit_like(t, total, 0), log_total);
    node_id value = emit_subtract(t, emit_add(t, yes, no), all);
    node_id all_yes = emit_equal(t, n, total), all_no = is_equal(t, n, 0);
    value = emit_where(t, all_yes, emit_multiply(t, total, log_theta), value);
    return emit_where(t, all_no, emit_multiply(t, total, log_rest), value);
}
static node_id binomial(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id total, n = n_of(d, x, &total), theta = density_probability(d, x[2]);
    density_outside(d, both(t, is_greater(t, n, 0), is_equal(t, theta, 0)));
    density_outside(d, both(t, emit2(t, OP_less, n, total), is_equal(t, theta, 1)));
    n = density_inside(d, n, 0);
    theta = density_inside(d, theta, 0.5);
    node_id log_theta = emit_log(t, except(t, is_equal(t, n, 0), 1, theta));
    node_id failed = except(t, emit_equal(t, n, total), 0, theta);
    node_id log_rest = emit1(t, OP_log1p, emit_negative(t, failed));
    node_id excess = emit_subtract(t, emit_multiply(t, total, theta), n);
    return binomial_of(t, n, total, excess, log_theta, log_rest);
}
/* N sigmoid(alpha) - n, from the side on which sigmoid is small, and around alpha = 0 from 1/2 on, so that neither
 * it nor its derivative cancels. */
static node_id logit_excess(struct tape *t, node_id n, node_id total, node_id alpha) {
    node_id failures = emit_subtract(t, total, n), below = is_less(t, alpha, 0);
    node_id rare = emit_sigmoid(t, emit_where(t, below, alpha, emit_negative(t, alpha)));
    node_id expected = emit_multiply(t, total, rare);
    node_id tail =
        emit_where(t, below, emit_subtract(t, expected, n), emit_subtract(t, failures, expected));
    node_id swing = emit_multiply(t, total, emit1(t, OP_tanh, times(t, alpha, 0.5)));
    node_id middle = times(t, emit_add(t, swing, emit_subtract(t, failures, n)), 0.5);
    return emit_where(t, is_less(t, emit1(t, OP_abs, alpha), 1), middle, tail);
}
static node_id binomial_logit(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id total, n = n_of(d, x, &total), alpha = density_finite(d, x[2]);
    n = density_inside(d, n, 0);
    node_id log_theta = emit_negative(t, emit1(t, OP_softplus, emit_negative(t, alpha)));
    node_id log_rest = emit_negative(t, emit1(t, OP_softplus, alpha));
    return binomial_of(t, n, total, logit_excess(t, n, total, alpha), log_theta, log_rest);
}
DENSITY(binomial_lpmf, "log (N over n) + n log theta + (N - n) log(1 - theta), 0 <= n <= N",
        binomial, COUNT("n"), COUNT("N"), REAL("theta"))
DENSITY(binomial_logit_lpmf, "binomial_lpmf(n, N, sigmoid alpha)", binomial_logit, COUNT("n"),
        COUNT("N"), REAL("alpha"))

/* ---- unbounded -------------------------------------------------------------------------------------- */

static node_id poisson_of(struct tape *t, node_id n, node_id lambda, node_id log_lambda) {
    node_id excess = emit_subtract(t, lambda, n);
    return emit_subtract(t, density_count_factorial(t, n, excess, log_lambda), excess);
}
static node_id poisson(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id n = density_count(d, x[0]), lambda = density_nonnegative(d, x[1]);
    density_outside(d, both(t, is_greater(t, n, 0), is_equal(t, lambda, 0)));
    density_outside(d, is_equal(t, lambda, INFINITY));
    n = density_inside(d, n, 0);
    lambda = density_inside(d, lambda, 1);
    return poisson_of(t, n, lambda, emit_log(t, except(t, is_equal(t, n, 0), 1, lambda)));
}
static node_id poisson_log(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id n = density_count(d, x[0]), alpha = x[1];
    density_outside(d, both(t, is_greater(t, n, 0), is_equal(t, alpha, -INFINITY)));
    density_outside(d, is_equal(t, alpha, INFINITY));
    alpha = density_inside(d, alpha, 0);
    return poisson_of(t, density_inside(d, n, 0), emit_exp(t, alpha), alpha);
}
/* The binomial log probability of n among n + phi at mu/(mu + phi), times phi/(n + phi). */
static node_id neg_binomial_2(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id n = density_count(d, x[0]);
    n = density_inside(d, n, 0);
    node_id mu = density_positive(d, x[1]), phi = density_positive(d, x[2]);
    node_id found = emit_add(t, n, phi), expected = emit_add(t, mu, phi);
    node_id log_found = emit_log(t, found);
    node_id log_ratio = emit_subtract(t, log_found, emit_log(t, expected));
    node_id less = emit_subtract(t, n, mu);
    node_id excess = emit_multiply(t, emit_divide(t, phi, expected), emit_negative(t, less));
    node_id yes = density_count_factorial(t, n, excess, emit_add(t, emit_log(t, mu), log_ratio));
    node_id log_rest = density_log_quotient(t, less, expected, log_ratio);
    node_id no = density_factorial(t, phi, log_rest);
    node_id all = density_factorial(t, found, emit_like(t, found, 0));
    node_id value = emit_subtract(t, emit_add(t, yes, no), all);
    value = emit_add(t, value, emit_subtract(t, emit_log(t, phi), log_found));
    return emit_where(t, is_equal(t, n, 0), emit_multiply(t, phi, log_rest), value);
}
static node_id geometric(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id n = density_count(d, x[0]);
    node_id theta = density_valid(
        d, x[1], both(t, is_greater(t, x[1], 0), emit_less_equal(t, x[1], emit_like(t, x[1], 1))));
    density_outside(d, both(t, is_greater(t, n, 0), is_equal(t, theta, 1)));
    n = density_inside(d, n, 0);
    node_id failed = except(t, is_equal(t, n, 0), 0, density_inside(d, theta, 0.5));
    node_id failures = emit_multiply(t, n, emit1(t, OP_log1p, emit_negative(t, failed)));
    return emit_add(t, emit_log(t, theta), failures);
}
DENSITY(poisson_lpmf, "n log lambda - lambda - log n!, n = 0, 1, ...", poisson, COUNT("n"),
        REAL("lambda"))
DENSITY(poisson_log_lpmf, "n alpha - e^alpha - log n!, n = 0, 1, ...", poisson_log, COUNT("n"),
        REAL("alpha"))
DENSITY(neg_binomial_2_lpmf,
        "log (n + phi - 1 over n) + n log(mu/(mu + phi)) + phi log(phi/(mu + phi)), n = 0, 1, ...",
        neg_binomial_2, COUNT("n"), REAL("mu"), REAL("phi"))
DENSITY(geometric_lpmf, "log theta + n log(1 - theta), n = 0, 1, ... failures", geometric,
        COUNT("n"), REAL("theta"))

/* ---- classes, along the last axis -------------------------------------------------------------------- */

/* Where class k is y: y's shape with an axis of the classes. NODE_NONE after tape_fail. */
static node_id chosen(struct density *d, node_id y, node_id classes) {
    struct tape *t = d->t;
    if (y == NODE_NONE || classes == NODE_NONE) return NODE_NONE;
    const struct shape *from = tape_shape(t, y), *shape = tape_shape(t, classes);
    const char *name = d->op->params[1].name;
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (shape->rank == 0)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: %s is a scalar; a vector or more is expected", d->op->name, name);
    struct shape rows = *shape, joint;
    rows.rank--;
    if (!shape_broadcast(from, &rows, &joint))
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: y has shape %s, which does not broadcast with the rows of %s, of "
                         "shape %s",
                         d->op->name, shape_text(from, a), name, shape_text(shape, b));
    struct op_arg expand[OP_PARAMS_MAX] = {{.given = true, .node = y}, {.given = true, .i = -1}};
    struct op_arg numbers[OP_PARAMS_MAX] = {
        {.given = true, .f = (double)shape->dim[rows.rank], .b = true},
        [3] = {.given = true, .dtype = d->dtype}};
    return emit_equal(t, op_table[OP_expand_dims]->emit(t, expand),
                      op_table[OP_range]->emit(t, numbers));
}
static node_id categorical(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id theta = x[1], here = chosen(d, density_count(d, x[0]), theta);
    if (here == NODE_NONE) return NODE_NONE;
    node_id valid = density_is_simplex(d, theta);
    here = both(t, here, is_greater(t, theta, 0));
    node_id any = density_over_event(d, OP_reduce_any, here);
    density_outside(d, emit1(t, OP_logical_not, any));
    node_id log = emit_log(t, emit_where(t, here, theta, emit_like(t, theta, 1)));
    return density_valid(d, density_over_event(d, OP_reduce_sum, log), valid);
}
static node_id categorical_logit(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id here = chosen(d, density_count(d, x[0]), x[1]);
    struct op_arg call[OP_PARAMS_MAX] = {{.given = true, .node = x[1]}};
    if (here == NODE_NONE) return NODE_NONE;
    node_id log = op_table[OP_log_softmax]->emit(t, call);
    node_id any = density_over_event(d, OP_reduce_any, here);
    density_outside(d, emit1(t, OP_logical_not, any));
    return density_over_event(d, OP_reduce_sum, emit_where(t, here, log, emit_like(t, log, 0)));
}
static node_id multinomial(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    node_id n = density_count(d, x[0]), theta = x[1];
    if (!density_check_events(d, x, 2)) return NODE_NONE;
    node_id valid = density_is_simplex(d, theta);
    density_outside(d, both(t, is_greater(t, n, 0), is_equal(t, theta, 0)));
    n = density_inside(d, n, 0);
    theta = except(t, is_equal(t, n, 0), 1, density_inside(d, theta, 0.5));
    density_join(d);
    node_id total = density_over_event_kept(d, n);
    node_id log_total = emit_log(t, except(t, is_equal(t, total, 0), 1, total));
    node_id excess = emit_subtract(t, emit_multiply(t, total, theta), n);
    node_id parts =
        density_count_factorial(t, n, excess, emit_add(t, log_total, emit_log(t, theta)));
    total = density_over_event(d, OP_reduce_sum, n);
    node_id all = density_count_factorial(t, total, emit_like(t, total, 0), emit_like(t, total, 0));
    node_id value = emit_subtract(t, density_over_event(d, OP_reduce_sum, parts), all);
    return density_valid(d, value, valid);
}
DENSITY_OF(categorical_lpmf, "log theta_y, y = 0, 1, ... along the last axis of theta", categorical,
           false, COUNT("y"), REAL("theta"))
DENSITY_OF(categorical_logit_lpmf, "log_softmax(beta)_y, y = 0, 1, ... along the last axis of beta",
           categorical_logit, false, COUNT("y"), REAL("beta"))
DENSITY_OF(multinomial_lpmf,
           "log N! + sum of n_k log theta_k - log n_k! over the last axis, N = sum of n_k",
           multinomial, false, COUNT("n"), REAL("theta"))
