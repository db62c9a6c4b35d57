/* Keras' apply() of one optimizer as nodes: unscaling, accumulation, clipping, weight decay, the method's
 * update, moving averages and the count, in this order. What an update computes it leaves to the method;
 * what is not asked for emits nothing. */
#include "core/optimizer_method.h"

/* What the variables of one dtype share in a call. */
struct shared {
    bool made, scalars; /* it, and what the method adds */
    struct update update;
    node_id loss_scale, accumulation, clip, decay;
    node_id kept, taken; /* by averages: of themselves, and of the variables */
};

struct call {
    struct apply *a;
    struct tape *t;
    const struct portion *p;
    node_id iteration;  /* calls before this one */
    node_id iterations; /* updates before this call */
    node_id rate;       /* of the schedule, float32 */
    struct shared shared[DTYPE_COUNT];
};

static double common(const struct call *c, enum optimizer_common which) {
    return c->p->config->common[which];
}

static double accumulation(const struct call *c) {
    const double steps = common(c, COMMON_GRADIENT_ACCUMULATION_STEPS);
    return steps >= 2 ? steps : 0;
}

/* As in Keras a threshold of 0 or below clips nothing. */
static enum optimizer_common clipping(const struct call *c) {
    static const enum optimizer_common order[] = {COMMON_CLIPNORM, COMMON_GLOBAL_CLIPNORM,
                                                  COMMON_CLIPVALUE};
    for (int i = 0; i < 3; i++)
        if (common(c, order[i]) > 0) return order[i];
    return COMMON_COUNT;
}

static node_id plus_one(const struct call *c, node_id count) {
    return emit_add(c->t, count, emit_like(c->t, count, 1));
}

/* Whether count + 1 is a multiple of `period`. */
static node_id comes_round(const struct call *c, node_id count, double period) {
    const node_id n = step_number(c->a->step, DTYPE_I64, period);
    return emit_equal(c->t, emit2(c->t, OP_mod, plus_one(c, count), n), emit_like(c->t, count, 0));
}

node_id update_count(const struct update *u, int64_t more) {
    const node_id n = emit_like(u->tape, u->iterations, (double)more);
    return emit_cast(u->tape, emit_add(u->tape, u->iterations, n), u->dtype);
}

static node_id *slot_of(const struct call *c, uint32_t variable, const char *name) {
    return apply_slot(c->a, c->p->part, variable, name);
}

/* The weight of an average's own value: 0 before the first update, so that it begins as a copy. */
static node_id average_weight(const struct call *c, const struct update *u) {
    const node_id begun =
        emit2(c->t, OP_not_equal, c->iterations, emit_like(c->t, c->iterations, 0));
    const node_id momentum = update_number(u, common(c, COMMON_EMA_MOMENTUM));
    return emit_where(c->t, begun, momentum, emit_like(c->t, momentum, 0));
}

/* What the variables of this one's dtype share, made when the first of them comes. */
static struct shared *shared(struct call *c, uint32_t variable) {
    const enum dtype d = c->a->step->variables[variable].dtype;
    struct shared *sh = &c->shared[d];
    if (sh->made) return sh;
    const struct optimizer_config *config = c->p->config;
    struct update *u = &sh->update;
    *sh = (struct shared){.made = true,
                          .update = {.apply = c->a,
                                     .tape = c->t,
                                     .portion = c->p,
                                     .config = config,
                                     .dtype = d,
                                     .iterations = c->iterations}};
    u->learning_rate =
        config->schedule ? emit_cast(c->t, c->rate, d) : update_number(u, config->learning_rate);
    if (!isnan(c->p->loss_scale)) sh->loss_scale = update_number(u, c->p->loss_scale);
    if (accumulation(c) > 0) sh->accumulation = update_number(u, accumulation(c));
    if (clipping(c) != COMMON_COUNT) sh->clip = update_number(u, common(c, clipping(c)));
    const double decay = common(c, COMMON_WEIGHT_DECAY);
    sh->decay = isnan(decay) ? NODE_NONE : update_number(u, decay);
    if (common(c, COMMON_USE_EMA) != 0) {
        sh->kept = average_weight(c, u);
        sh->taken = update_rest(u, sh->kept);
    }
    return sh;
}

/* The same with the method's own scalars. */
static struct shared *prepared(struct call *c, uint32_t variable) {
    struct shared *sh = shared(c, variable);
    const struct optimizer_method *method = c->p->config->optimizer->method;
    if (method->scalars && !sh->scalars) method->scalars(&sh->update);
    sh->scalars = true;
    return sh;
}

/* ---- gradients ---------------------------------------------------------------------------------- */

node_id sum_of_squares(struct tape *t, node_id x) {
    if (x == NODE_NONE) return NODE_NONE;
    const uint32_t axes = (1u << tape_shape(t, x)->rank) - 1;
    const node_id squares = emit_square(t, x);
    return axes ? emit_reduce(t, OP_reduce_sum, squares, axes, false) : squares;
}

/* g c / max(|g|, c). */
static void clip_by_norm(struct call *c, node_id *g, const struct shared *sh) {
    const node_id norm = emit1(c->t, OP_sqrt, sum_of_squares(c->t, *g));
    *g = emit_divide(c->t, emit_multiply(c->t, *g, sh->clip),
                     emit2(c->t, OP_maximum, norm, sh->clip));
}

/* n = |all g|; g (c min(1 / n, 1 / c) + (n - n)), where n - n makes NaN of what is not finite. The norm
 * is of the widest dtype of the variables. */
static void clip_by_global_norm(struct call *c) {
    struct tape *t = c->t;
    const struct portion *p = c->p;
    enum dtype d = DTYPE_F32;
    node_id squares = NODE_NONE;
    for (size_t i = 0; i < p->n; i++)
        if (c->a->step->variables[p->of[i]].dtype == DTYPE_F64) d = DTYPE_F64;
    for (size_t i = 0; i < p->n; i++) {
        const node_id sum = emit_cast(t, sum_of_squares(t, p->gradient[i]), d);
        squares = i ? emit_add(t, squares, sum) : sum;
    }
    const double most = common(c, COMMON_GLOBAL_CLIPNORM);
    const node_id n = emit1(t, OP_sqrt, squares), one = emit_like(t, n, 1);
    const node_id least =
        emit2(t, OP_minimum, emit_divide(t, one, n), step_number(c->a->step, d, 1 / most));
    const node_id scale = emit_add(t, emit_multiply(t, step_number(c->a->step, d, most), least),
                                   emit_subtract(t, n, n));
    for (size_t i = 0; i < p->n; i++)
        p->gradient[i] = emit_multiply(t, p->gradient[i],
                                       emit_cast(t, scale, c->a->step->variables[p->of[i]].dtype));
}

static void clip(struct call *c) {
    const struct portion *p = c->p;
    const enum optimizer_common how = clipping(c);
    if (how == COMMON_GLOBAL_CLIPNORM) clip_by_global_norm(c);
    for (size_t i = 0; i < p->n; i++) {
        const struct shared *sh = shared(c, p->of[i]);
        node_id *g = &p->gradient[i];
        if (how == COMMON_CLIPNORM) clip_by_norm(c, g, sh);
        if (how == COMMON_CLIPVALUE)
            *g = emit2(c->t, OP_maximum, emit2(c->t, OP_minimum, *g, sh->clip),
                       emit_negative(c->t, sh->clip));
    }
}

/* ---- updates ------------------------------------------------------------------------------------ */

static bool excluded(const struct call *c, uint32_t variable) {
    const struct optimizer_config *config = c->p->config;
    for (size_t i = 0; i < config->n_exclude_from_weight_decay; i++)
        if (c->a->step->matches(config->exclude_from_weight_decay[i],
                                c->a->step->variables[variable].name, false))
            return true;
    return false;
}

/* w = w - w decay rate. */
static void decay_weights(struct call *c) {
    const struct optimizer_method *method = c->p->config->optimizer->method;
    for (size_t i = 0; i < c->p->n; i++) {
        const uint32_t v = c->p->of[i];
        const struct shared *sh = prepared(c, v);
        const node_id decay =
            method->weight_decay ? method->weight_decay(&sh->update, v) : sh->decay;
        if (decay == NODE_NONE || excluded(c, v)) continue;
        node_id *w = &c->a->step->value[v];
        *w = emit_subtract(
            c->t, *w,
            emit_multiply(c->t, emit_multiply(c->t, *w, decay), sh->update.learning_rate));
    }
}

static void update(struct call *c) {
    const struct portion *p = c->p;
    const struct optimizer_method *method = p->config->optimizer->method;
    if (method->begin) method->begin(&shared(c, p->members[0])->update);
    clip(c);
    decay_weights(c);
    for (size_t i = 0; i < p->n && tape_ok(c->t); i++) {
        node_id *w = &c->a->step->value[p->of[i]];
        *w = method->update(&prepared(c, p->of[i])->update, p->of[i], *w, p->gradient[i]);
    }
}

/* Sums gradients up, and updates by their mean in every so many calls. A variable without a gradient
 * in such a call loses its sum. */
static void accumulate(struct call *c) {
    struct tape *t = c->t;
    const struct portion *p = c->p;
    const node_id due = comes_round(c, c->iteration, accumulation(c));
    struct before sums, before;
    if (!apply_begin_if(c->a, &sums)) return;
    for (size_t i = 0; i < p->n; i++) {
        node_id *sum = slot_of(c, p->of[i], "gradient_accumulator");
        const node_id old = sums.slot[sum - c->a->step->slot];
        const node_id g = p->gradient[i], with = emit_add(t, g, old);
        *sum = *sum == old ? with : emit_add(t, *sum, g); /* a variable that comes twice */
        p->gradient[i] = emit_divide(t, with, shared(c, p->of[i])->accumulation);
    }
    if (!apply_begin_if(c->a, &before)) return;
    update(c);
    apply_end_if(c->a, &before, due);
    for (size_t i = 0; i < p->n_members; i++) {
        node_id *sum = slot_of(c, p->members[i], "gradient_accumulator");
        *sum = emit_where(t, due, emit_like(t, *sum, 0), *sum);
    }
}

/* a = kept a + (1 - kept) w, and w = a in every so many updates. */
static void average(struct call *c) {
    struct tape *t = c->t;
    const double frequency = common(c, COMMON_EMA_OVERWRITE_FREQUENCY);
    const bool overwrites = frequency >= 1;
    const node_id due = overwrites ? comes_round(c, c->iterations, frequency) : NODE_NONE;
    for (size_t i = 0; i < c->p->n_members; i++) {
        const struct shared *sh = shared(c, c->p->members[i]);
        node_id *a = slot_of(c, c->p->members[i], "average");
        node_id *w = &c->a->step->value[c->p->members[i]];
        *a = emit_add(t, emit_multiply(t, sh->kept, *a), emit_multiply(t, sh->taken, *w));
        if (overwrites) *w = emit_where(t, due, *a, *w);
    }
}

void apply_portion(struct apply *a, const struct portion *p) {
    struct tape *t = a->tape;
    struct call c = {.a = a, .t = t, .p = p};
    const struct schedule_config *schedule = p->config->schedule;
    node_id *iteration = apply_slot(a, p->part, OPTIMIZER_ITSELF, "iteration");
    c.iteration = c.iterations = *iteration;
    if (accumulation(&c) > 0)
        c.iterations =
            emit_floordiv(t, *iteration, step_number(a->step, DTYPE_I64, accumulation(&c)));
    if (schedule) c.rate = schedule_rate(a->step, schedule, *iteration);
    for (size_t i = 0; !isnan(p->loss_scale) && i < p->n; i++)
        p->gradient[i] = emit_divide(t, p->gradient[i], shared(&c, p->of[i])->loss_scale);
    if (accumulation(&c) > 0)
        accumulate(&c);
    else
        update(&c);
    if (common(&c, COMMON_USE_EMA) != 0) average(&c);
    *iteration = plus_one(&c, *iteration);
}
