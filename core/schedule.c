/* Keras' learning-rate schedules: the rate at a step as nodes, computed in float32 in the order in which
 * Keras computes it. Knows no optimizer and no JSON. */
#include <string.h>
#include <strings.h>

#include "core/emit.h"
#include "core/optimizer_method.h"

/* Constants of the formulas; arguments are `number`. */
static node_id constant(struct optimizer_step *s, double value) {
    return tape_scalar(s->tape, DTYPE_F32, value);
}

static node_id number(struct optimizer_step *s, double value) {
    return step_number(s, DTYPE_F32, value);
}

static node_id one_minus(struct optimizer_step *s, node_id x) {
    return emit_subtract(s->tape, constant(s, 1), x);
}

/* How many decay_steps have passed, whole ones where `staircase` says so. */
static node_id passed(struct optimizer_step *s, node_id step, double decay_steps, bool staircase) {
    const node_id p = emit_divide(s->tape, step, number(s, decay_steps));
    return staircase ? emit1(s->tape, OP_floor, p) : p;
}

/* 0.5 (1 + cos(pi x)) */
static node_id half_cosine(struct optimizer_step *s, node_id x) {
    struct tape *t = s->tape;
    const node_id cosine = emit_cos(t, emit_multiply(t, constant(s, M_PI), x));
    return emit_multiply(t, constant(s, 0.5), emit_add(t, constant(s, 1), cosine));
}

/* What every schedule's settings begin with. */
#define INITIAL_LEARNING_RATE                                                                      \
    { "initial_learning_rate", SETTING_FLOAT, .required = true }
#define DECAY_STEPS(name)                                                                          \
    { name, SETTING_STEPS, .required = true }

/* ---- ExponentialDecay ------------------------------------------------------------------------- */

enum { EXPONENTIAL_INITIAL, EXPONENTIAL_STEPS, EXPONENTIAL_RATE, EXPONENTIAL_STAIRCASE };

static node_id exponential_rate(struct optimizer_step *s, const struct schedule_config *c,
                                node_id step) {
    const double *of = c->number;
    const node_id p = passed(s, step, of[EXPONENTIAL_STEPS], of[EXPONENTIAL_STAIRCASE] != 0);
    return emit_multiply(s->tape, number(s, of[EXPONENTIAL_INITIAL]),
                         emit_pow(s->tape, number(s, of[EXPONENTIAL_RATE]), p));
}

static const struct schedule exponential_decay = {
    .name = "ExponentialDecay",
    .label = "ExponentialDecay",
    .formula = "p = step / decay_steps; if staircase: p = floor(p)\n"
               "lr = initial_learning_rate * decay_rate^p",
    .settings = {[EXPONENTIAL_INITIAL] = INITIAL_LEARNING_RATE,
                 [EXPONENTIAL_STEPS] = DECAY_STEPS("decay_steps"),
                 [EXPONENTIAL_RATE] = {"decay_rate", SETTING_FLOAT, .required = true},
                 [EXPONENTIAL_STAIRCASE] = {"staircase", SETTING_BOOL, .preset = 0}},
    .method = &(const struct schedule_method){exponential_rate},
};

/* ---- PiecewiseConstantDecay ------------------------------------------------------------------- */

/* A sum of values each times 1 where the step is in its range, else 0, as in Keras, where boundaries that
 * are not sorted make ranges overlap. Steps are integers, and Keras casts the boundaries to them. */
static node_id piecewise_rate(struct optimizer_step *s, const struct schedule_config *c,
                              node_id step) {
    struct tape *t = s->tape;
    const size_t n = c->n_boundaries;
    const node_id zero = constant(s, 0), first = number(s, trunc(c->boundaries[0])),
                  last = number(s, trunc(c->boundaries[n - 1]));
    node_id rate = emit_where(t, emit_less_equal(t, step, first), number(s, c->values[0]), zero);
    rate = emit_add(t, rate,
                    emit_where(t, emit_greater(t, step, last), number(s, c->values[n]), zero));
    for (size_t i = 1; i < n; i++) {
        const node_id low = number(s, trunc(c->boundaries[i - 1])),
                      high = number(s, trunc(c->boundaries[i]));
        const node_id within =
            emit_where(t, emit_less_equal(t, step, high), number(s, c->values[i]), zero);
        rate = emit_add(t, rate, emit_where(t, emit_greater(t, step, low), within, zero));
    }
    return rate;
}

static const struct schedule piecewise_constant_decay = {
    .name = "PiecewiseConstantDecay",
    .label = "PiecewiseConstant",
    .formula = "lr = values[0] where step <= boundaries[0]\n"
               "lr = values[i] where boundaries[i - 1] < step <= boundaries[i]\n"
               "lr = values[-1] where boundaries[-1] < step",
    .has_lists = true,
    .method = &(const struct schedule_method){piecewise_rate},
};

/* ---- PolynomialDecay -------------------------------------------------------------------------- */

enum { POLYNOMIAL_INITIAL, POLYNOMIAL_STEPS, POLYNOMIAL_END, POLYNOMIAL_POWER, POLYNOMIAL_CYCLE };

static node_id polynomial_rate(struct optimizer_step *s, const struct schedule_config *c,
                               node_id step) {
    struct tape *t = s->tape;
    const node_id end = number(s, c->number[POLYNOMIAL_END]);
    node_id decay_steps = number(s, c->number[POLYNOMIAL_STEPS]);
    if (c->number[POLYNOMIAL_CYCLE] != 0) {
        const node_id cycles = emit1(t, OP_ceil, emit_divide(t, step, decay_steps));
        const node_id begins = emit_equal(t, step, constant(s, 0));
        decay_steps = emit_multiply(t, decay_steps, emit_where(t, begins, constant(s, 1), cycles));
    } else {
        step = emit2(t, OP_minimum, step, decay_steps);
    }
    const node_id left = one_minus(s, emit_divide(t, step, decay_steps));
    const node_id range = emit_subtract(t, number(s, c->number[POLYNOMIAL_INITIAL]), end);
    const node_id decayed = emit_pow(t, left, number(s, c->number[POLYNOMIAL_POWER]));
    return emit_add(t, emit_multiply(t, range, decayed), end);
}

static const struct schedule polynomial_decay = {
    .name = "PolynomialDecay",
    .label = "PolynomialDecay",
    .formula = "if cycle: D = decay_steps * (1 if step == 0 else ceil(step / decay_steps))\n"
               "else: D = decay_steps; step = min(step, D)\n"
               "lr = (initial_learning_rate - end_learning_rate) * (1 - step / D)^power"
               " + end_learning_rate",
    .settings = {[POLYNOMIAL_INITIAL] = INITIAL_LEARNING_RATE,
                 [POLYNOMIAL_STEPS] = DECAY_STEPS("decay_steps"),
                 [POLYNOMIAL_END] = {"end_learning_rate", SETTING_FLOAT, .preset = 0.0001},
                 [POLYNOMIAL_POWER] = {"power", SETTING_FLOAT, .preset = 1},
                 [POLYNOMIAL_CYCLE] = {"cycle", SETTING_BOOL, .preset = 0}},
    .method = &(const struct schedule_method){polynomial_rate},
};

/* ---- InverseTimeDecay ------------------------------------------------------------------------- */

enum { INVERSE_INITIAL, INVERSE_STEPS, INVERSE_RATE, INVERSE_STAIRCASE };

static node_id inverse_rate(struct optimizer_step *s, const struct schedule_config *c,
                            node_id step) {
    struct tape *t = s->tape;
    const double *of = c->number;
    const node_id p = passed(s, step, of[INVERSE_STEPS], of[INVERSE_STAIRCASE] != 0);
    const node_id grown = emit_multiply(t, number(s, of[INVERSE_RATE]), p);
    return emit_divide(t, number(s, of[INVERSE_INITIAL]), emit_add(t, constant(s, 1), grown));
}

static const struct schedule inverse_time_decay = {
    .name = "InverseTimeDecay",
    .label = "InverseTimeDecay",
    .formula = "p = step / decay_steps; if staircase: p = floor(p)\n"
               "lr = initial_learning_rate / (1 + decay_rate * p)",
    .settings = {[INVERSE_INITIAL] = INITIAL_LEARNING_RATE,
                 [INVERSE_STEPS] = DECAY_STEPS("decay_steps"),
                 [INVERSE_RATE] = {"decay_rate", SETTING_FLOAT, .required = true},
                 [INVERSE_STAIRCASE] = {"staircase", SETTING_BOOL, .preset = 0}},
    .method = &(const struct schedule_method){inverse_rate},
};

/* ---- CosineDecay ------------------------------------------------------------------------------ */

enum { COSINE_INITIAL, COSINE_STEPS, COSINE_ALPHA, COSINE_TARGET, COSINE_WARMUP };

static node_id cosine_decayed(struct optimizer_step *s, const struct schedule_config *c,
                              node_id from, node_id step) {
    struct tape *t = s->tape;
    const double alpha = c->number[COSINE_ALPHA];
    const node_id fraction = emit_divide(t, step, number(s, c->number[COSINE_STEPS]));
    const node_id decayed = emit_multiply(t, number(s, 1 - alpha), half_cosine(s, fraction));
    return emit_multiply(t, from, emit_add(t, decayed, number(s, alpha)));
}

static node_id cosine_rate(struct optimizer_step *s, const struct schedule_config *c,
                           node_id step) {
    struct tape *t = s->tape;
    const node_id initial = number(s, c->number[COSINE_INITIAL]),
                  decay_steps = number(s, c->number[COSINE_STEPS]);
    if (isnan(c->number[COSINE_TARGET]))
        return cosine_decayed(s, c, initial, emit2(t, OP_minimum, step, decay_steps));
    const node_id target = number(s, c->number[COSINE_TARGET]),
                  warmup = number(s, c->number[COSINE_WARMUP]);
    step = emit2(t, OP_minimum, step, emit_add(t, decay_steps, warmup));
    const node_id fraction = emit_divide(t, step, warmup);
    const node_id rise = emit_multiply(t, emit_subtract(t, target, initial), fraction);
    return emit_where(t, emit_greater(t, warmup, step), emit_add(t, rise, initial),
                      cosine_decayed(s, c, target, emit_subtract(t, step, warmup)));
}

static const struct schedule cosine_decay = {
    .name = "CosineDecay",
    .label = "CosineDecay",
    .formula =
        "if warmup_target is None: base = initial_learning_rate; warmup_steps = 0\n"
        "else: base = warmup_target\n"
        "step = min(step, decay_steps + warmup_steps)\n"
        "lr = initial_learning_rate + (base - initial_learning_rate) * step / warmup_steps"
        " where step < warmup_steps\n"
        "lr = base * ((1 - alpha) * 0.5 * (1 + cos(pi * (step - warmup_steps) / decay_steps))"
        " + alpha) elsewhere",
    .settings = {[COSINE_INITIAL] = INITIAL_LEARNING_RATE,
                 [COSINE_STEPS] = DECAY_STEPS("decay_steps"),
                 [COSINE_ALPHA] = {"alpha", SETTING_FLOAT, .preset = 0},
                 [COSINE_TARGET] = {"warmup_target", SETTING_FLOAT, NAN, .optional = true},
                 [COSINE_WARMUP] = {"warmup_steps", SETTING_STEPS, .preset = 0}},
    .method = &(const struct schedule_method){cosine_rate},
};

/* ---- CosineDecayRestarts ---------------------------------------------------------------------- */

enum { RESTARTS_INITIAL, RESTARTS_FIRST, RESTARTS_T_MUL, RESTARTS_M_MUL, RESTARTS_ALPHA };

/* (1 - t_mul^i) / (1 - t_mul): where period i begins, in first periods. */
static node_id period_begin(struct optimizer_step *s, node_id t_mul, node_id i) {
    struct tape *t = s->tape;
    return emit_divide(t, one_minus(s, emit_pow(t, t_mul, i)), one_minus(s, t_mul));
}

/* The period that holds `fraction`. Keras has the quotient of logarithms alone, whose rounding decides
 * at a boundary; where it is one off the boundaries themselves say so. */
static node_id geometric_period(struct optimizer_step *s, node_id t_mul, node_id fraction) {
    struct tape *t = s->tape;
    const node_id one = constant(s, 1), zero = constant(s, 0);
    const node_id grown = one_minus(s, emit_multiply(t, fraction, one_minus(s, t_mul)));
    const node_id i = emit1(t, OP_floor, emit_divide(t, emit_log(t, grown), emit_log(t, t_mul)));
    const node_id next = emit_add(t, i, one);
    const node_id late = emit_greater_equal(t, fraction, period_begin(s, t_mul, next));
    const node_id early = emit_greater(t, period_begin(s, t_mul, i), fraction);
    return emit_subtract(t, emit_add(t, i, emit_where(t, late, one, zero)),
                         emit_where(t, early, one, zero));
}

static node_id restarts_rate(struct optimizer_step *s, const struct schedule_config *c,
                             node_id step) {
    struct tape *t = s->tape;
    const double *of = c->number;
    const node_id alpha = number(s, of[RESTARTS_ALPHA]), t_mul = number(s, of[RESTARTS_T_MUL]);
    node_id fraction = emit_divide(t, step, number(s, of[RESTARTS_FIRST])), i;
    if ((float)of[RESTARTS_T_MUL] == 1) {
        i = emit1(t, OP_floor, fraction);
        fraction = emit_subtract(t, fraction, i);
    } else {
        i = geometric_period(s, t_mul, fraction);
        fraction = emit_divide(t, emit_subtract(t, fraction, period_begin(s, t_mul, i)),
                               emit_pow(t, t_mul, i));
    }
    const node_id height = emit_pow(t, number(s, of[RESTARTS_M_MUL]), i);
    const node_id decayed =
        emit_multiply(t, one_minus(s, alpha), emit_multiply(t, height, half_cosine(s, fraction)));
    return emit_multiply(t, number(s, of[RESTARTS_INITIAL]), emit_add(t, decayed, alpha));
}

static const struct schedule cosine_decay_restarts = {
    .name = "CosineDecayRestarts",
    .label = "SGDRDecay",
    .formula =
        "f = step / first_decay_steps\n"
        "if t_mul == 1: i = floor(f); f = f - i\n"
        "else: i = floor(log(1 - f * (1 - t_mul)) / log(t_mul));"
        " f = (f - (1 - t_mul^i) / (1 - t_mul)) / t_mul^i\n"
        "lr = initial_learning_rate * ((1 - alpha) * 0.5 * m_mul^i * (1 + cos(pi * f)) + alpha)",
    .settings = {[RESTARTS_INITIAL] = INITIAL_LEARNING_RATE,
                 [RESTARTS_FIRST] = DECAY_STEPS("first_decay_steps"),
                 [RESTARTS_T_MUL] = {"t_mul", SETTING_FLOAT, .preset = 2},
                 [RESTARTS_M_MUL] = {"m_mul", SETTING_FLOAT, .preset = 1},
                 [RESTARTS_ALPHA] = {"alpha", SETTING_FLOAT, .preset = 0}},
    .method = &(const struct schedule_method){restarts_rate},
};

/* ---- the table -------------------------------------------------------------------------------- */

const struct schedule *const schedule_table[] = {
    &exponential_decay, &piecewise_constant_decay, &polynomial_decay, &inverse_time_decay,
    &cosine_decay,      &cosine_decay_restarts,
};
const size_t schedule_count = sizeof schedule_table / sizeof *schedule_table;

const struct schedule *schedule_find(const char *name) {
    for (size_t i = 0; i < schedule_count; i++)
        if (strcasecmp(name, schedule_table[i]->name) == 0) return schedule_table[i];
    return NULL;
}

node_id schedule_rate(struct optimizer_step *s, const struct schedule_config *config,
                      node_id step) {
    return config->schedule->method->rate(s, config, emit_cast(s->tape, step, DTYPE_F32));
}
