/* What log densities share: checks of a call, support, invalid parameters, the sum over elements, and
 * factorials. It knows no density. */
#include "core/op_density.h"

#include <string.h>

/* ---- a call --------------------------------------------------------------------------------------- */

/* All reals of one dtype, which becomes the density's. */
static bool check_dtypes(struct density *d, const node_id *x, size_t n) {
    const struct op_param *params = d->op->params;
    size_t first = 0;
    while (params[first].kind == PARAM_COUNTS) first++;
    d->dtype = tape_dtype(d->t, x[first]);
    for (size_t i = first + 1; i < n; i++) {
        enum dtype dtype = tape_dtype(d->t, x[i]);
        if (params[i].kind == PARAM_COUNTS || dtype == d->dtype) continue;
        tape_fail(d->t, ERROR_DTYPE_MISMATCH, "%s: %s is a %s tensor where %s is %s", d->op->name,
                  params[i].name, dtype_name(dtype), params[first].name, dtype_name(d->dtype));
        return false;
    }
    return true;
}

static bool check_shapes(struct density *d, const node_id *x, size_t n) {
    struct shape joint = *tape_shape(d->t, x[0]);
    for (size_t i = 1; i < n; i++) {
        struct shape before = joint;
        if (shape_broadcast(&before, tape_shape(d->t, x[i]), &joint)) continue;
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        tape_fail(d->t, ERROR_SHAPE_MISMATCH,
                  "%s: %s has shape %s, which does not broadcast with %s of what comes before it",
                  d->op->name, d->op->params[i].name, shape_text(tape_shape(d->t, x[i]), b),
                  shape_text(&before, a));
        return false;
    }
    return true;
}

static node_id reduced(const struct density *d, const struct op_arg *reduction, node_id value) {
    if (value == NODE_NONE) return NODE_NONE;
    const char *how = reduction->given ? reduction->string : "sum";
    if (strcmp(how, "none") == 0) return value;
    if (strcmp(how, "sum") == 0)
        return emit_reduce(d->t, OP_reduce_sum, value, (1u << tape_shape(d->t, value)->rank) - 1,
                           false);
    return tape_fail(d->t, ERROR_INVALID_ARGUMENT,
                     "%s: reduction is \"%s\" where \"sum\" or \"none\" is expected", d->op->name,
                     how);
}

node_id density_emit(struct tape *t, int op, const struct op_arg *args, density_formula formula,
                     bool pointwise) {
    struct density d = {.t = t, .op = op_table[op], .outside = NODE_NONE, .poison = NODE_NONE};
    node_id x[OP_PARAMS_MAX] = {NODE_NONE};
    size_t n = 0;
    for (; d.op->params[n].kind != PARAM_STRING; n++) {
        x[n] = args[n].node;
        if (x[n] == NODE_NONE) return NODE_NONE;
    }
    if (!check_dtypes(&d, x, n) || (pointwise && !check_shapes(&d, x, n))) return NODE_NONE;
    node_id value = formula(&d, x);
    if (d.outside != NODE_NONE) {
        node_id off = tape_scalar(t, d.dtype, -INFINITY);
        if (d.poison != NODE_NONE) off = emit_multiply(t, d.poison, off);
        value = emit_where(t, d.outside, off, value);
    }
    return reduced(&d, &args[n], value);
}

/* ---- parameters and support ----------------------------------------------------------------------- */

static node_id poison(struct density *d, node_id valid) {
    node_id factor =
        emit_where(d->t, valid, tape_scalar(d->t, d->dtype, 1), tape_scalar(d->t, d->dtype, NAN));
    d->poison = d->poison == NODE_NONE ? factor : emit_multiply(d->t, d->poison, factor);
    return factor;
}

node_id density_valid(struct density *d, node_id x, node_id valid) {
    return emit_multiply(d->t, x, poison(d, valid));
}
node_id density_finite(struct density *d, node_id x) {
    return density_valid(d, x, emit1(d->t, OP_is_finite, x));
}
node_id density_positive(struct density *d, node_id x) {
    return density_valid(d, x, both(d->t, is_greater(d->t, x, 0), is_less(d->t, x, INFINITY)));
}
node_id density_nonnegative(struct density *d, node_id x) {
    return density_valid(d, x, emit_greater_equal(d->t, x, emit_like(d->t, x, 0)));
}
node_id density_probability(struct density *d, node_id x) {
    node_id above = emit_greater_equal(d->t, x, emit_like(d->t, x, 0));
    node_id below = emit_less_equal(d->t, x, emit_like(d->t, x, 1));
    return density_valid(d, x, both(d->t, above, below));
}

void density_outside(struct density *d, node_id mask) {
    d->outside = d->outside == NODE_NONE ? mask : either(d->t, d->outside, mask);
}
node_id density_inside(const struct density *d, node_id x, double value) {
    return except(d->t, d->outside, value, x);
}

/* Finite, whole, and not negative; not so for NaN. */
static node_id is_count(struct tape *t, node_id x) {
    node_id whole = emit_equal(t, emit1(t, OP_floor, x), x);
    node_id in_range =
        both(t, emit_greater_equal(t, x, emit_like(t, x, 0)), is_less(t, x, INFINITY));
    return both(t, whole, in_range);
}
static node_id as_real(struct density *d, node_id x) {
    if (!dtype_is_float(tape_dtype(d->t, x))) return emit_cast(d->t, x, d->dtype);
    return emit_cast(d->t, emit1(d->t, OP_stop_gradient, x), d->dtype);
}
node_id density_count(struct density *d, node_id x) {
    bool may_be_nan = dtype_is_float(tape_dtype(d->t, x));
    x = as_real(d, x);
    density_outside(d, emit1(d->t, OP_logical_not, is_count(d->t, x)));
    if (may_be_nan) poison(d, emit_equal(d->t, x, x));
    return x;
}
node_id density_count_parameter(struct density *d, node_id x) {
    x = as_real(d, x);
    return density_valid(d, x, is_count(d->t, x));
}

/* ---- events --------------------------------------------------------------------------------------- */

bool density_check_events(struct density *d, const node_id *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct shape *s = tape_shape(d->t, x[i]), *first = tape_shape(d->t, x[0]);
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        if (s->rank == 0)
            tape_fail(d->t, ERROR_SHAPE_MISMATCH,
                      "%s: %s is a scalar; a vector or more is expected", d->op->name,
                      d->op->params[i].name);
        else if (s->dim[s->rank - 1] != first->dim[first->rank - 1])
            tape_fail(d->t, ERROR_SHAPE_MISMATCH,
                      "%s: the last axes of %s and %s must have one length, found shapes %s and %s",
                      d->op->name, d->op->params[0].name, d->op->params[i].name,
                      shape_text(first, a), shape_text(s, b));
        if (!tape_ok(d->t)) return false;
    }
    return check_shapes(d, x, n);
}

static node_id over_last(const struct density *d, int reduction, node_id x, bool keep) {
    if (x == NODE_NONE || tape_shape(d->t, x)->rank == 0) return x;
    return emit_reduce(d->t, reduction, x, 1u << (tape_shape(d->t, x)->rank - 1), keep);
}
node_id density_over_event(const struct density *d, int reduction, node_id x) {
    return over_last(d, reduction, x, false);
}
node_id density_over_event_kept(const struct density *d, node_id x) {
    return over_last(d, OP_reduce_sum, x, true);
}

void density_join(struct density *d) {
    if (d->outside != NODE_NONE) d->outside = density_over_event(d, OP_reduce_any, d->outside);
    if (d->poison != NODE_NONE) d->poison = density_over_event(d, OP_reduce_prod, d->poison);
}

node_id density_is_simplex(struct density *d, node_id theta) {
    struct tape *t = d->t;
    node_id positive = emit_greater_equal(t, theta, emit_like(t, theta, 0));
    node_id sum = density_over_event(d, OP_reduce_sum, theta);
    node_id near = is_less(t, emit1(t, OP_abs, plus(t, sum, -1)), 1e-3);
    return both(t, density_over_event(d, OP_reduce_all, positive), near);
}

/* ---- factorials ----------------------------------------------------------------------------------- */

/* From 10 on seven terms of the asymptotic series, DLMF 5.11.1, whose rest is below 3e-17. */
node_id density_stirling(struct tape *t, node_id a) {
    static const double coefficients[] = {1.0 / 156,  -691.0 / 360360, 1.0 / 1188, -1.0 / 1680,
                                          1.0 / 1260, -1.0 / 360,      1.0 / 12};
    node_id far = emit_greater_equal(t, a, emit_like(t, a, 10));
    node_id inverse = emit_reciprocal(t, emit_where(t, far, a, emit_like(t, a, 10)));
    node_id square = emit_square(t, inverse), series = emit_like(t, a, coefficients[0]);
    for (size_t i = 1; i < sizeof coefficients / sizeof *coefficients; i++)
        series = plus(t, emit_multiply(t, series, square), coefficients[i]);
    node_id b = except(t, far, 1, a);
    node_id main = emit_subtract(t, emit_multiply(t, plus(t, b, -0.5), emit_log(t, b)), b);
    node_id rest = emit_subtract(t, emit1(t, OP_lgamma, b), plus(t, main, HALF_LOG_TWO_PI));
    return emit_where(t, far, emit_multiply(t, series, inverse), rest);
}

/* (a - 1/2) log(1 + h/a) + h log(a + h) - h, and what Stirling's formula lacks. */
node_id density_lgamma_step(struct tape *t, node_id a, node_id h) {
    node_id end = emit_add(t, a, h);
    node_id slope = emit_multiply(t, plus(t, a, -0.5), emit1(t, OP_log1p, emit_divide(t, h, a)));
    node_id rise = emit_multiply(t, h, plus(t, emit_log(t, end), -1));
    node_id rest = emit_subtract(t, density_stirling(t, end), density_stirling(t, a));
    return emit_add(t, emit_add(t, slope, rise), rest);
}

node_id density_log_quotient(struct tape *t, node_id difference, node_id a, node_id log_quotient) {
    node_id d = emit_divide(t, difference, a);
    node_id near = is_less(t, emit1(t, OP_abs, d), 0.5);
    node_id log = emit1(t, OP_log1p, emit_where(t, near, d, emit_like(t, d, 0)));
    return emit_where(t, near, log, log_quotient);
}

node_id density_factorial(struct tape *t, node_id a, node_id log_quotient) {
    node_id root = plus(t, times(t, emit_log(t, a), 0.5), HALF_LOG_TWO_PI);
    node_id rest = emit_add(t, root, density_stirling(t, a));
    return emit_subtract(t, emit_multiply(t, a, log_quotient), rest);
}

node_id density_count_factorial(struct tape *t, node_id a, node_id difference, node_id log_m) {
    node_id none = is_equal(t, a, 0), some = except(t, none, 1, a);
    node_id log = density_log_quotient(t, except(t, none, 0, difference), some,
                                       emit_subtract(t, log_m, emit_log(t, some)));
    return except(t, none, 0, density_factorial(t, some, log));
}
