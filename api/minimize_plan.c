/* The plan of one step of an optimizer, and that of the loss alone: what is emitted, and what is bound to
 * it. When a step is made, and what becomes of it, is not known here. */
#include <stdio.h>
#include <string.h>

#include "api/minimize_steps.h"
#include "api/place.h"
#include "core/emit.h"

/* ---- one step -------------------------------------------------------------------------------------- */

/* What is emitted of a step. */
struct drawing {
    struct descent *d;
    struct tape *t;
    node_id *state;  /* inputs, without rows */
    node_id *next;   /* their next values: behind the other results in `wanted` */
    node_id *wanted; /* results */
    node_id scaled;  /* the loss that is differentiated */
    node_id *gradient;
    uint32_t *of;
    size_t n;      /* gradients that are there */
    node_id scale; /* d scaled / d loss; NODE_NONE: 1 */
};

static node_id *new_nodes(struct oneshot *o, size_t n) {
    node_id *nodes = arena_alloc(&o->arena, (n + 1) * sizeof *nodes);
    if (!nodes) build_fail_memory(&o->b);
    return nodes;
}

static bool bind_states(struct drawing *g) {
    struct descent *d = g->d;
    struct oneshot *o = &d->m->o;
    for (size_t i = 0; i < d->n_states; i++) {
        if (i < d->m->n)
            g->state[i] = d->m->moving[i].node;
        else if (!oneshot_keep_late(o, &d->first[i], &g->state[i]))
            return false;
        g->next[i] = g->state[i];
    }
    return true;
}

static bool warn_of_missing(struct drawing *g, const node_id *gradients) {
    const struct minimize *m = g->d->m;
    struct oneshot *o = &g->d->m->o;
    struct missing missing = {.length = 0};
    for (size_t i = 0; i < m->n_shown; i++)
        if (gradients[i] == NODE_NONE) missing_add(&missing, m->moving[i].name);
    return oneshot_warn_of_missing(o, &missing, o->request.var_list ? "/var_list" : "/graph");
}

static bool differentiate(struct drawing *g) {
    struct minimize *m = g->d->m;
    struct oneshot *o = &m->o;
    const bool scales = g->scaled != m->loss;
    node_id *sources = new_nodes(o, m->n_shown + 1), *gradients = new_nodes(o, m->n_shown + 1);
    g->of = arena_alloc(&o->arena, m->n_shown * sizeof *g->of + 1);
    if (!sources || !gradients) return false;
    if (!g->of) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n_shown; i++) sources[i] = m->moving[i].node;
    sources[m->n_shown] = m->loss;
    struct window w = m->window;
    w.end = g->t->count;
    if (!tape_gradient(g->t, &w, &g->scaled, NULL, 1, sources, m->n_shown + scales, gradients))
        return false;
    g->scale = scales ? gradients[m->n_shown] : NODE_NONE;
    for (size_t i = 0; i < m->n_shown; i++)
        if (gradients[i] != NODE_NONE) g->of[g->n++] = (uint32_t)i;
    if (g->n && g->n < m->n_shown && !g->d->n_stages && !warn_of_missing(g, gradients))
        return false;
    for (size_t i = 0; i < g->n; i++) gradients[i] = gradients[g->of[i]];
    g->gradient = gradients;
    return true;
}

static bool apply(struct drawing *g, struct optimizer_step *s) {
    struct oneshot *o = &g->d->m->o;
    s->n_gradients = g->n;
    s->gradient = g->gradient;
    s->of = g->of;
    if (!optimizer_apply(s)) return error_under(o->error, o->request.loss ? "loss" : "graph");
    return oneshot_bind_numbers(o, s);
}

/* sqrt(sum of all squares) in the loss's dtype. */
static node_id norm(struct drawing *g, const node_id *x, const node_id *less, size_t n) {
    struct tape *t = g->t;
    const enum dtype dtype = tape_dtype(t, g->d->m->loss);
    node_id sum = NODE_NONE;
    for (size_t i = 0; i < n; i++) {
        const node_id y = less ? emit_subtract(t, x[i], less[i]) : x[i];
        const node_id squares = emit_square(t, y);
        if (squares == NODE_NONE) return NODE_NONE;
        const uint32_t axes = (1u << tape_shape(t, squares)->rank) - 1;
        const node_id all = axes ? emit_reduce(t, OP_reduce_sum, squares, axes, false) : squares;
        sum = i ? emit_add(t, sum, emit_cast(t, all, dtype)) : emit_cast(t, all, dtype);
    }
    return emit1(t, OP_sqrt, sum);
}

static node_id all_finite(struct drawing *g) {
    struct tape *t = g->t;
    node_id all = emit1(t, OP_is_finite, g->d->m->loss);
    for (size_t i = 0; i < g->n && tape_ok(t); i++) {
        const uint32_t axes = (1u << tape_shape(t, g->gradient[i])->rank) - 1;
        const node_id finite = emit1(t, OP_is_finite, g->gradient[i]);
        all = emit2(t, OP_logical_and, all,
                    axes ? emit_reduce(t, OP_reduce_all, finite, axes, false) : finite);
    }
    return all;
}

/* What is looked at beside the states; a result that nobody wants is the loss again. */
static bool emit_looks(struct drawing *g) {
    struct descent *d = g->d;
    struct tape *t = g->t;
    node_id *wanted = g->wanted;
    for (int i = 0; i < STEP_STATES; i++) wanted[i] = d->m->loss;
    if (d->wants_norm) {
        wanted[STEP_NORM] = norm(g, g->gradient, NULL, g->n);
        if (g->scale != NODE_NONE) wanted[STEP_NORM] = emit_divide(t, wanted[STEP_NORM], g->scale);
    }
    if (d->non_finite == NON_FINITE_SKIP) {
        const node_id finite = wanted[STEP_FINITE] = all_finite(g);
        for (size_t i = 0; i < d->n_states; i++)
            if (g->next[i] != g->state[i])
                g->next[i] = emit_where(t, finite, g->next[i], g->state[i]);
    }
    if (!isnan(d->m->stop.variable_change))
        wanted[STEP_CHANGE] = norm(g, g->next, g->state, d->m->n);
    return tape_ok(t);
}

static bool draw_step(struct drawing *g) {
    struct descent *d = g->d;
    struct optimizer_step s = {.tape = g->t,
                               .config = d->config,
                               .matches = pattern_matches,
                               .n = d->m->n,
                               .variables = d->variables,
                               .value = g->next,
                               .slots = d->slots,
                               .n_slots = d->n_slots,
                               .slot = g->next + d->m->n};
    if (!bind_states(g)) return false;
    g->scaled = optimizer_scale_loss(&s, d->m->loss);
    return g->scaled != NODE_NONE && differentiate(g) && apply(g, &s) && emit_looks(g);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

/* Inputs with rows in place of those without, bound to `value`; then all results with rows where they
 * depend on one. `state` becomes what is bound. */
static bool map_rows(struct descent *d, node_id *state, const struct tensor *value, size_t n_states,
                     const node_id *results, size_t n, node_id *images) {
    struct oneshot *o = &d->m->o;
    node_id *from = new_nodes(o, n_states), *to = new_nodes(o, n_states);
    size_t n_from = 0;
    if (!from || !to) return false;
    for (size_t i = 0; i < n_states; i++) {
        if (!d->by_row[i]) continue;
        from[n_from] = state[i];
        if (!oneshot_keep_late(o, &value[i], &to[n_from])) return false;
        state[i] = to[n_from++];
    }
    return tape_batch(&o->b.tape, from, to, n_from, results, n, images);
}

static bool repeat(struct descent *d, const node_id *results, node_id *images, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const bool by_row = i < STEP_STATES || d->by_row[i - STEP_STATES];
        if (by_row && images[i] == results[i])
            images[i] = emit_repeat(&d->m->o.b.tape, images[i], d->n_starts);
        if (images[i] == NODE_NONE) return false;
    }
    return true;
}

/* A count or a scale that rows would share is given rows where what one row does changes it. */
static bool by_rows(struct drawing *g) {
    struct descent *d = g->d;
    const size_t n = STEP_STATES + d->n_states;
    node_id *images = new_nodes(&d->m->o, n), *state = new_nodes(&d->m->o, d->n_states);
    if (!images || !state) return false;
    for (bool again = true; again;) {
        again = false;
        memcpy(state, g->state, d->n_states * sizeof *state);
        if (!map_rows(d, state, d->start, d->n_states, g->wanted, n, images)) return false;
        for (size_t i = 0; i < d->n_states; i++) {
            if (d->by_row[i] || images[STEP_STATES + i] == g->wanted[STEP_STATES + i]) continue;
            if (d->n_stages)
                return error_set(d->m->o.error, ERROR_INVALID_ARGUMENT,
                                 "the last batch of rows makes another step than the others");
            if (!starts_give_rows(d, i)) return false;
            again = true;
        }
    }
    if (!repeat(d, g->wanted, images, n)) return false;
    memcpy(g->wanted, images, n * sizeof *images);
    memcpy(g->state, state, d->n_states * sizeof *state);
    return true;
}

/* ---- from nodes to a plan ---------------------------------------------------------------------------- */

/* What the plan's inputs are bound to, apart from the request, whose own tables go on to the next tape. */
static bool keep_bound(struct oneshot *o, const struct tensor **bound, size_t n) {
    struct tensor *t = arena_alloc(&o->arena, (n + 1) * sizeof *t);
    if (!t) return build_fail_memory(&o->b);
    for (size_t i = 0; i < n; i++) {
        t[i] = *bound[i];
        bound[i] = &t[i];
    }
    return true;
}

/* Which inputs are states, and which are rows. */
static bool match(struct drawing *g, struct stage *stage, const node_id *inputs) {
    struct oneshot *o = &g->d->m->o;
    const struct rows *rows = &o->rows;
    uint32_t *at = arena_zalloc(&o->arena, (g->t->count + 1) * sizeof *at);
    stage->states = arena_alloc(&o->arena, (g->d->n_states + 1) * sizeof *stage->states);
    stage->state_of = arena_alloc(&o->arena, (g->d->n_states + 1) * sizeof *stage->state_of);
    stage->input = arena_alloc(&o->arena, (rows->n_bindings + 1) * sizeof *stage->input);
    if (!at || !stage->states || !stage->state_of || !stage->input) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < stage->n_bound; i++) at[inputs[i]] = i + 1;
    for (size_t i = 0; i < g->d->n_states; i++) {
        if (!at[g->state[i]]) continue;
        stage->bound[at[g->state[i]] - 1] = &g->d->start[i];
        stage->state_of[stage->n_states] = (uint32_t)i;
        stage->states[stage->n_states++] =
            (struct loop_state){at[g->state[i]] - 1, (uint32_t)(STEP_STATES + i)};
    }
    for (uint32_t i = 0; i < rows->n_bindings; i++)
        stage->input[i] = at[rows->bindings[i].node] - 1;
    return true;
}

bool stage_plan(struct descent *d, struct stage *stage) {
    struct oneshot *o = &d->m->o;
    struct drawing g = {.d = d, .t = &o->b.tape};
    const node_id *inputs;
    size_t n_inputs;
    g.state = new_nodes(o, d->n_states);
    g.wanted = new_nodes(o, STEP_STATES + d->n_states);
    if (!g.state || !g.wanted) return false;
    g.next = g.wanted + STEP_STATES;
    if (!draw_step(&g) || (d->n_starts && !by_rows(&g))) return false;
    stage->plan =
        oneshot_plan(o, g.wanted, STEP_STATES + d->n_states, &stage->bound, &inputs, &n_inputs);
    if (!stage->plan) return false;
    stage->n_bound = (uint32_t)n_inputs;
    return keep_bound(o, stage->bound, n_inputs) && match(&g, stage, inputs);
}

/* ---- the loss alone ----------------------------------------------------------------------------------- */

bool evaluation_plan(struct descent *d) {
    struct minimize *m = d->m;
    struct oneshot *o = &m->o;
    struct evaluation *e = &d->evaluation;
    const node_id *inputs;
    size_t n_inputs;
    node_id *state = new_nodes(o, m->n), wanted = m->loss;
    if (!state) return false;
    for (size_t i = 0; i < m->n; i++) state[i] = m->moving[i].node;
    if (d->n_starts) {
        if (!map_rows(d, state, d->start, m->n, &m->loss, 1, &wanted)) return false;
        if (wanted == m->loss) wanted = emit_repeat(&o->b.tape, wanted, d->n_starts);
        if (wanted == NODE_NONE) return false;
    }
    e->plan = oneshot_plan(o, &wanted, 1, &e->bound, &inputs, &n_inputs);
    e->moving = arena_alloc(&o->arena, (m->n + 1) * sizeof *e->moving);
    if (!e->plan) return false;
    if (!e->moving) return build_fail_memory(&o->b);
    if (!keep_bound(o, e->bound, n_inputs)) return false;
    for (size_t i = 0; i < m->n; i++) {
        e->moving[i] = UINT32_MAX;
        for (uint32_t k = 0; k < n_inputs; k++)
            if (inputs[k] == state[i]) e->moving[i] = k;
    }
    return true;
}

bool descent_evaluate(struct descent *d) {
    struct minimize *m = d->m;
    struct evaluation *e = &d->evaluation;
    if (!e->plan && !evaluation_plan(d)) return false;
    struct tensor *end = arena_alloc(&m->o.arena, (m->n + 1) * sizeof *end);
    if (!end) return build_fail_memory(&m->o.b);
    for (size_t i = 0; i < m->n; i++) {
        end[i] = d->start[i];
        end[i].data = d->end[i];
        if (e->moving[i] != UINT32_MAX) e->bound[e->moving[i]] = &end[i];
    }
    struct run *run = minimize_run(m, e->plan, e->bound);
    if (!run) return !m->o.error->code;
    const struct tensor t = run_result(run, 0);
    for (int64_t r = 0; r < d->n_rows; r++) {
        if (!d->rows[r].unknown) continue;
        d->rows[r].loss =
            t.dtype == DTYPE_F32 ? (double)((const float *)t.data)[r] : ((const double *)t.data)[r];
        d->rows[r].unknown = false;
    }
    run_end(run);
    return true;
}
