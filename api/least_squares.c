/* Least squares over a graph: from a decoded request through one or many runs to the answer. The method is
 * core/least_squares.h's, the numbers come from api/least_squares_problem.c. */
#include "api/least_squares.h"

#include <math.h>
#include <string.h>

#include "api/place.h"

enum { STEPS = 1000 /* most, where the request does not say */ };

/* ---- while it runs ------------------------------------------------------------------------------ */

static void set_ends(struct fitting *t, const double *x) {
    for (size_t i = 0; i < t->m.n; i++) flat_round(x + t->flat.offset[i], &t->m.moving[i].end);
}

/* A job's session shows what it holds as often as the client has said. */
static bool show(struct fitting *t, int64_t step, const double *x) {
    struct minimize *m = &t->m;
    struct progress *p = m->o.call->progress;
    if (!m->o.work || !p || !p->commit || !m->o.request.record_every || t->n_starts || step == 0)
        return true;
    set_ends(t, x);
    return minimize_commit(m) && p->commit(p);
}

static bool report(void *context, int64_t step, const double *x, double cost,
                   double gradient_norm) {
    struct fitting *t = context;
    if (!minimize_records(&t->m, step)) return true;
    minimize_record(&t->m, step, cost, gradient_norm);
    return show(t, step, x);
}

/* ---- starts ------------------------------------------------------------------------------------- */

/* Takes the status of a run; false where it failed. The end of time is a result where anything has a
 * value. */
static bool land(struct fitting *t, const struct least_squares *run, struct landing *out) {
    struct minimize *m = &t->m;
    static const enum minimize_status statuses[] = {
        [LEAST_SQUARES_CONVERGED] = MINIMIZE_CONVERGED,
        [LEAST_SQUARES_MAX_STEPS] = MINIMIZE_MAX_STEPS,
        [LEAST_SQUARES_NON_FINITE] = MINIMIZE_NON_FINITE,
        [LEAST_SQUARES_STOPPED] = MINIMIZE_CANCELLED /* by who listens */
    };
    *out = (struct landing){statuses[run->status], run->started ? run->cost : NAN, run->steps};
    if (run->status == LEAST_SQUARES_STOPPED && m->o.error->code) {
        if (!t->has_value || !minimize_stopped(m)) return false;
        out->status = m->status;
    }
    m->status = out->status;
    return true;
}

/* Starts that there was no time for. */
static void leave(struct fitting *t, int64_t s, int64_t n) {
    for (; s < n; s++) t->landings[s] = (struct landing){t->m.status, NAN, 0};
}

static void keep(struct fitting *t, int64_t s, const struct least_squares *run) {
    const struct history history = t->m.history;
    const struct arena arena = t->arenas[0];
    arena_free(&t->arenas[0]);
    t->arenas[0] = t->arenas[1];
    t->arenas[1] = arena;
    arena_init(&t->arenas[1], arena.ceiling);
    t->m.history = t->history;
    t->history = history;
    t->result = *run;
    t->best = s;
}

/* Runs from each start; the best one's status is the answer's, or how time ended. */
static bool run_all(struct fitting *t) {
    const int64_t n = t->n_starts ? t->n_starts : 1;
    const size_t length = t->flat.n;
    for (int64_t s = 0; s < n; s++) {
        struct least_squares run;
        struct landing *landing = &t->landings[s];
        double *x = t->ends + (size_t)s * length;
        t->m.history.n = 0;
        if (!least_squares_run(&t->problem, x, &t->arenas[1], &run) || !land(t, &run, landing))
            return false;
        t->evaluations += run.evaluations;
        memcpy(x, run.x, length * sizeof *x);
        const double cost = landing->cost, least = t->landings[t->best].cost;
        if (s == 0 || (isfinite(cost) && !(least <= cost)))
            keep(t, s, &run);
        else
            arena_free(&t->arenas[1]);
        if (run.status == LEAST_SQUARES_STOPPED) {
            leave(t, s + 1, n);
            t->m.history = t->history;
            return true;
        }
    }
    t->m.history = t->history;
    t->m.status = t->landings[t->best].status;
    return true;
}

/* ---- limits, and room ----------------------------------------------------------------------------- */

/* Most steps: what was said, or as many of STEPS as fit a request's work by default. */
static bool limit_steps(struct fitting *t) {
    struct minimize *m = &t->m;
    enum { BEGIN = 256 };
    const int64_t work = fitting_work(t), n = t->n_starts ? t->n_starts : 1;
    int64_t runs;
    if (m->steps < 0) {
        const int64_t most = service_limits_default.max_work / n;
        m->steps = work < most - BEGIN ? most / (work + BEGIN) - 1 : 0;
        m->steps = m->steps < 1 ? 1 : m->steps < STEPS ? m->steps : STEPS;
        if (m->steps > m->o.call->limits->max_steps) m->steps = m->o.call->limits->max_steps;
    }
    if (__builtin_add_overflow(m->steps, 1, &runs) || __builtin_mul_overflow(runs, n, &runs))
        runs = INT64_MAX;
    if (m->steps <= STEPS && !m->record_every) m->record_every = 1;
    t->problem.max_steps = m->steps;
    return oneshot_runs_within(&m->o, runs, work) && minimize_steps_within(m, m->steps) &&
           minimize_plan_history(m, m->steps + 1);
}

/* All starts within the bounds, and what comes of them. */
static bool place_starts(struct fitting *t) {
    struct minimize *m = &t->m;
    struct oneshot *o = &m->o;
    const size_t n = t->n_starts ? (size_t)t->n_starts : 1;
    size_t bytes;
    const bool fits = !__builtin_mul_overflow(n, t->flat.n * sizeof *t->ends, &bytes);
    t->ends = fits ? arena_alloc(&o->arena, bytes) : NULL;
    t->landings = arena_zalloc(&o->arena, n * sizeof *t->landings);
    if (!t->ends || !t->landings) return build_fail_memory(&o->b);
    for (size_t s = 0; s < n; s++) {
        double *x = t->ends + s * t->flat.n;
        flat_start_of(&t->m, &t->flat, t->starts, (int64_t)s, x);
        if (!flat_clip(m, &t->flat, x, t->n_starts ? "/starts" : o->work ? "" : "/variables"))
            return false;
    }
    return true;
}

static bool make_room(struct fitting *t) {
    struct minimize *m = &t->m;
    struct oneshot *o = &m->o;
    for (size_t i = 0; i < m->n; i++) {
        const struct tensor *like = &t->flat.tensors[i];
        if (!flat_tensor(m, like->dtype, &like->shape, &m->moving[i].end)) return false;
    }
    if (!place_starts(t) || !limit_steps(t)) return false;
    t->history = m->history;
    if (t->n_starts && !minimize_plan_history(m, m->steps + 1)) return false;
    const size_t plan =
        plan_run_bytes(t->values.plan) + (t->bends.plan ? plan_run_bytes(t->bends.plan) : 0);
    const size_t held = o->arena.held + plan, room = o->arena.ceiling;
    for (int i = 0; i < 2; i++) t->arenas[i].ceiling = room > held ? (room - held) / 2 : 0;
    return true;
}

/* ---- the service ---------------------------------------------------------------------------------- */

/* What the data determine, where the run came to an end by itself. */
static bool find_covariance(struct fitting *t) {
    struct minimize *m = &t->m;
    if (m->status != MINIMIZE_CONVERGED && m->status != MINIMIZE_MAX_STEPS) return true;
    t->has_covariance =
        least_squares_covariance(&t->problem, &t->result, &t->arenas[0], &t->covariance);
    return t->has_covariance ? fitting_warn(t) : minimize_stopped(m);
}

static bool fit(struct fitting *t, struct writer *out) {
    struct minimize *m = &t->m;
    if (!flat_begin(m, &t->flat)) return false;
    if (t->flat.n == 0)
        return error_set(m->o.error, ERROR_INVALID_REQUEST,
                         "the variables that move have no elements");
    if (!fitting_begin(t) || !fitting_options(t) || !make_room(t)) return false;
    t->problem.report = report;
    if (!run_all(t) || !find_covariance(t)) return false;
    set_ends(t, t->result.x);
    if (!fitting_gather(t)) return false;
    m->done = t->result.steps;
    m->own = t;
    m->measure = "cost";
    m->head = fitting_head;
    m->write = fitting_write;
    return minimize_finish(m, out);
}

bool service_least_squares(const struct service_call *call, struct writer *out,
                           struct error *error) {
    struct fitting t = {.m.loss = NODE_NONE};
    const bool ok =
        minimize_begin(&t.m, call,
                       call->session ? REQUEST_SESSION_LEAST_SQUARES : REQUEST_LEAST_SQUARES,
                       error) &&
        fit(&t, out);
    fitting_release(&t);
    for (int i = 0; i < 2; i++) arena_free(&t.arenas[i]);
    minimize_end(&t.m);
    return ok;
}
