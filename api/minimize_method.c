/* Minimisation by a method beyond Keras: which one, whether it takes what the request has, when it stops,
 * and what its result says. Numbers in, numbers out: the graph is api/minimize_problem.c's business. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/minimize_method.h"
#include "api/place.h"

/* ---- which method -------------------------------------------------------------------------------- */

/* The names of the methods that take all of that, one after the other. */
static const char *names_of(unsigned takes, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < SOLVE_METHOD_COUNT && at < size; i++) {
        if ((solve_methods[i].takes & takes) != takes) continue;
        at += (size_t)snprintf(text + at, size - at, at ? ", %s" : "%s", solve_methods[i].name);
    }
    return text;
}

static bool find_method(struct method_run *r) {
    struct error *error = r->m->o.error;
    const struct json *v = r->m->o.request.method;
    const char *names[SOLVE_METHOD_COUNT];
    char all[400];
    if (json_type(v) != JSON_STRING) {
        error_set(error, ERROR_INVALID_REQUEST, "expected the name of a method, found %s",
                  json_type_name(v));
        return error_under(error, "method");
    }
    r->method = solve_find(json_string(v));
    if (r->method) return true;
    for (size_t i = 0; i < SOLVE_METHOD_COUNT; i++) names[i] = solve_methods[i].name;
    const char *near = name_nearest(json_string(v), names, SOLVE_METHOD_COUNT);
    error_set(error, ERROR_INVALID_VALUE, "unknown method \"%.40s\"; %s%s%she methods are %s",
              json_string(v), near ? "did you mean \"" : "", near ? near : "", near ? "\"? T" : "t",
              names_of(0, all, sizeof all));
    return error_under(error, "method");
}

/* What the request has and the method does not take: refused with the names of those that take it all. */
static bool check_takes(struct method_run *r) {
    const struct solve_problem *p = &r->problem;
    const char *what = NULL, *member = NULL;
    const unsigned takes = r->method->takes;
    unsigned wanted = 0;
    char others[400];
    for (size_t i = 0; i < r->n_constraints; i++)
        wanted |= r->constraints[i].equal ? SOLVE_EQUAL : SOLVE_BELOW;
    if (r->flat.lower) wanted |= SOLVE_BOUNDS;
    if (wanted & ~takes & SOLVE_BELOW) what = "constraints", member = "constraints";
    if (wanted & ~takes & SOLVE_EQUAL)
        what = takes & SOLVE_BELOW ? "constraints \"==0\"" : "constraints", member = "constraints";
    if (wanted & ~takes & SOLVE_BOUNDS) what = "bounds", member = "bounds";
    if (what) {
        error_set(r->m->o.error, ERROR_INVALID_REQUEST,
                  "%s takes no %s; methods that take what this request has: %s", r->method->name,
                  what, names_of(wanted, others, sizeof others));
        return error_under(r->m->o.error, member);
    }
    if (r->method == &solve_methods[SOLVE_slsqp] && p->n_equal > flat_free(&r->flat)) {
        error_set(r->m->o.error, ERROR_INVALID_REQUEST,
                  "slsqp takes at most as many equations as there are unknowns, found %zu of %zu",
                  p->n_equal, flat_free(&r->flat));
        return error_under(r->m->o.error, "constraints");
    }
    return true;
}

/* A bound on each side of every unknown, and enough of them left. */
static bool check_unknowns(struct method_run *r) {
    const struct flat *f = &r->flat;
    struct minimize *m = r->m;
    const size_t unknowns = flat_free(f);
    char others[400];
    for (size_t i = 0; r->method->takes & SOLVE_NEEDS_BOUNDS && i < m->n; i++) {
        const size_t end = f->offset[i] + (size_t)shape_count(&m->moving[i].start.shape);
        for (size_t k = f->offset[i]; k < end; k++) {
            if (f->lower && isfinite(f->lower[k]) && isfinite(f->upper[k])) continue;
            error_set(m->o.error, ERROR_INVALID_REQUEST,
                      "%s searches a box: it needs finite bounds of every variable, and \"%.80s\" "
                      "has no %s one",
                      r->method->name, m->moving[i].name,
                      f->lower && isfinite(f->lower[k]) ? "upper" : "lower");
            return error_under(m->o.error, "bounds");
        }
    }
    if (unknowns >= r->method->least || f->n == 0) return true;
    error_set(m->o.error, ERROR_INVALID_REQUEST,
              "%s needs at least %zu unknowns that can move, found %zu; other methods without "
              "derivatives: %s",
              r->method->name, r->method->least, unknowns,
              names_of(SOLVE_COMPARES | SOLVE_BOUNDS, others, sizeof others));
    return error_under(m->o.error, "method");
}

/* ---- when it stops ------------------------------------------------------------------------------- */

static bool is_single(const struct method_run *r) {
    for (size_t i = 0; i < r->m->n; i++)
        if (r->flat.tensors[i].dtype == DTYPE_F32) return true;
    return tape_dtype(&r->m->o.b.tape, r->m->loss) == DTYPE_F32;
}

/* The method's own defaults: as exact as the dtype allows, and where values alone are compared, as exact
 * as they can tell: x to the root of that. A search of a whole box ends with its evaluations. */
static void default_stop(const struct method_run *r, struct solve_stop *stop) {
    const unsigned takes = r->method->takes;
    const bool single = is_single(r), derives = takes & SOLVE_GRADIENT;
    *stop = (struct solve_stop){.epsilon = single ? (double)FLT_EPSILON : DBL_EPSILON,
                                .catol = single ? 1e-5 : 1e-9,
                                .evaluations = takes & SOLVE_GLOBAL ? 10000
                                               : derives            ? 1000
                                                                    : 5000,
                                .seed = 1};
    if (takes & SOLVE_GLOBAL) return;
    stop->ftol_rel = single ? 2e-7 : 1e-12;
    stop->ftol_abs = single ? 1e-14 : 1e-20;
    stop->xtol_rel = single ? (derives ? 1e-6 : 1e-5) : (derives ? 1e-12 : 1e-9);
    stop->xtol_abs = single ? (derives ? 1e-9 : 1e-7) : (derives ? 1e-15 : 1e-11);
}

static void override(double *out, double sent) {
    if (!isnan(sent)) *out = sent;
}

static bool read_stop(struct method_run *r) {
    struct minimize *m = r->m;
    struct solve_stop *stop = &r->stop;
    const bool bound = r->problem.n_equal + r->problem.n_below > 0;
    default_stop(r, stop);
    stop->proves = !m->o.request.stop;
    override(&stop->gtol, m->stop.grad_norm);
    override(&stop->ftol_abs, m->stop.loss_change);
    override(&stop->ftol_rel, m->stop.ftol_rel);
    override(&stop->xtol_rel, m->stop.xtol_rel);
    override(&stop->catol, m->stop.catol);
    if (!isnan(m->stop.variable_change))
        stop->xtol_abs = m->stop.variable_change / sqrt(fmax(1, (double)r->flat.n));
    if (!isnan(m->stop.grad_norm) && (bound || !(r->method->takes & SOLVE_GRADIENT))) {
        error_set(m->o.error, ERROR_INVALID_REQUEST,
                  bound ? "where constraints bind the gradient does not vanish; ftol_rel and "
                          "xtol_rel stop a method there"
                        : "%s reads no gradients",
                  r->method->name);
        error_under(m->o.error, "grad_norm");
        return error_under(m->o.error, "stop");
    }
    const int64_t most = m->o.call->limits->max_steps;
    if (m->steps >= 0)
        stop->evaluations = m->steps;
    else if (stop->evaluations > most)
        stop->evaluations = most;
    return true;
}

/* ---- what it takes ------------------------------------------------------------------------------- */

static bool check_memory(struct method_run *r) {
    struct oneshot *o = &r->m->o;
    const double doubles = solve_memory(r->method, &r->problem, &r->stop);
    const size_t left = o->arena.ceiling > o->arena.held ? o->arena.ceiling - o->arena.held : 0;
    if (doubles < SOLVE_MEMORY_MAX && doubles * 8 <= (double)left) return true;
    error_set(o->error, ERROR_MEMORY_BUDGET,
              "%s needs about %.0f bytes of memory for %zu unknowns and %zu constraints, "
              "beside the %zu that the request holds; the limit is %.0f (max_request_bytes)",
              r->method->name, doubles * 8, r->problem.n, r->problem.n_equal + r->problem.n_below,
              o->arena.held, fmin((double)o->arena.ceiling, 8.0 * SOLVE_MEMORY_MAX));
    return error_under(o->error, "method");
}

static bool check_work(struct method_run *r) {
    struct oneshot *o = &r->m->o;
    const double own = solve_work(r->method, &r->problem), graph = problem_work(r);
    const double most = (double)o->call->limits->max_work;
    /* What nothing can interrupt must be short beside what a request may take. */
    if (own > most / 100) {
        return error_set(
            o->error, ERROR_TOO_MUCH_WORK,
            "one step of %s with %zu unknowns and %zu constraints needs about %.3g operations of "
            "its own; the limit is %.3g, a hundredth of max_work",
            r->method->name, r->problem.n, r->problem.n_equal + r->problem.n_below, own,
            most / 100);
    }
    const double all = (own + graph) * fmax(1, (double)r->starts.n);
    return oneshot_runs_within(o, r->stop.evaluations, all < 1e18 ? (int64_t)all : INT64_MAX / 2) &&
           minimize_steps_within(r->m, r->stop.evaluations);
}

/* ---- the history --------------------------------------------------------------------------------- */

enum { HISTORY_ROWS = 200 };

static bool begin_history(struct method_run *r) {
    struct minimize *m = r->m;
    if (m->record_every) return minimize_plan_history(m, r->stop.evaluations);
    m->history = (struct history){.capacity = HISTORY_ROWS};
    m->history.step = arena_alloc(&m->o.arena, HISTORY_ROWS * sizeof *m->history.step);
    m->history.loss = arena_alloc(&m->o.arena, HISTORY_ROWS * sizeof *m->history.loss);
    return (m->history.step && m->history.loss) || build_fail_memory(&m->o.b);
}

/* Every other row goes where the rows are full, so that they stay spread over all of the search. */
static void thin(struct history *h) {
    for (size_t i = 0; 2 * i < h->n; i++) {
        h->step[i] = h->step[2 * i];
        h->loss[i] = h->loss[2 * i];
    }
    h->n = (h->n + 1) / 2;
}

static void improved(void *data, int64_t evaluations, const double *x, double f, double norm) {
    struct method_run *r = data;
    struct minimize *m = r->m;
    struct history *h = &m->history;
    struct progress *p = m->o.call->progress;
    const struct progress_row row = {evaluations, f, norm, tape_dtype(&m->o.b.tape, m->loss)};
    const bool due = m->record_every
                         ? r->recorded < 0 || evaluations - r->recorded >= m->record_every
                         : r->improvements % r->record_each == 0;
    if (due && h->n == h->capacity && !m->record_every) {
        thin(h);
        r->record_each *= 2;
    }
    if (due && h->n < h->capacity) {
        h->step[h->n] = r->recorded = evaluations;
        h->loss[h->n++] = f;
    }
    if (r->shown && (r->improvements || r->starts.n)) { /* the session holds the start already */
        memcpy(r->shown, x, r->flat.n * sizeof *x);
        r->is_news = true;
        r->is_due |= due;
    }
    r->improvements++;
    if (p) p->report(p, &row);
}

bool method_commit(struct method_run *r) {
    struct minimize *m = r->m;
    struct progress *p = m->o.call->progress;
    const int64_t evaluations = r->result.evaluations;
    if (r->is_ended) return false;
    if (!r->is_news || !starts_leads(r)) return true;
    if (m->record_every ? evaluations - r->committed < m->record_every : !r->is_due) return true;
    flat_store(&r->flat, m->n, r->shown);
    for (size_t i = 0; i < m->n; i++) m->moving[i].end = r->flat.tensors[i];
    if (!minimize_commit(m)) return false;
    r->is_news = r->is_due = false;
    r->committed = evaluations;
    r->is_ended = !p->commit(p);
    return !r->is_ended;
}

/* The last row is the best point, recorded or not. */
static void end_history(struct method_run *r) {
    struct history *h = &r->m->history;
    if (!r->result.found || (h->n && h->loss[h->n - 1] == r->result.f)) return;
    if (h->n == h->capacity && h->n) h->n--;
    if (h->n == h->capacity) return;
    h->step[h->n] = r->result.evaluations;
    h->loss[h->n++] = r->result.f;
}

/* ---- the result ---------------------------------------------------------------------------------- */

bool method_status(struct method_run *r) {
    static const enum minimize_status statuses[] = {
        [SOLVE_CONVERGED] = MINIMIZE_CONVERGED,
        [SOLVE_MAX_EVALUATIONS] = MINIMIZE_MAX_STEPS,
        [SOLVE_NON_FINITE] = MINIMIZE_NON_FINITE,
        [SOLVE_STOPPED] = MINIMIZE_DEADLINE,
        [SOLVE_INFEASIBLE] = MINIMIZE_INFEASIBLE,
        [SOLVE_ROUNDOFF_LIMITED] = MINIMIZE_ROUNDOFF_LIMITED,
        [SOLVE_FAILED] = MINIMIZE_FAILED,
    };
    struct minimize *m = r->m;
    const struct solve_result *result = &r->result;
    if (result->status == SOLVE_NO_MEMORY)
        return error_set(m->o.error, ERROR_MEMORY_BUDGET, "there is no memory for %s",
                         r->method->name);
    if (m->o.error->code != ERROR_NONE) return result->found && minimize_stopped(m);
    m->status = r->is_ended ? MINIMIZE_CANCELLED : statuses[result->status];
    m->is_late |= r->is_ended;
    return true;
}

static bool take_loss(struct method_run *r) {
    struct minimize *m = r->m;
    const enum dtype dtype = tape_dtype(&m->o.b.tape, m->loss);
    if (!flat_tensor(m, dtype, &shape_scalar, &m->end)) return false;
    if (r->result.found) {
        flat_round(&r->result.f, &m->end);
        return true;
    }
    /* No point had finite values: the start shows which it has. */
    struct run *run;
    struct plan *plan;
    if (!minimize_evaluate(m, true, &run, &plan)) return false;
    if (!run) {
        m->end.data = NULL;
        return true;
    }
    const struct tensor t = run_result(run, 0);
    memcpy(m->end.data, t.data, tensor_bytes(&t));
    run_end(run);
    plan_release(plan);
    return true;
}

static void write_members(struct minimize *m, struct writer *out) {
    const struct method_run *r = m->own;
    const struct solve_result *result = &r->result;
    write_text(out, ",\"evaluations\":");
    write_int(out, r->starts.n ? r->starts.evaluations : result->evaluations);
    if (!isnan(result->gradient_norm)) {
        write_text(out, ",\"gradient_norm\":");
        write_double(out, result->gradient_norm);
    }
    if (result->found && m->o.request.constraints) {
        constraints_write(r, out);
        write_text(out, ",\"violation\":");
        write_double(out, result->violation);
    }
    if (r->starts.n) starts_write_method(r, out);
}

static bool finish(struct method_run *r, struct writer *out) {
    struct minimize *m = r->m;
    if (r->result.why && !oneshot_warn(&m->o, minimize_status_names[m->status], "/method", "%s: %s",
                                       r->method->name, r->result.why))
        return false;
    flat_store(&r->flat, m->n, r->x);
    for (size_t i = 0; i < m->n; i++) m->moving[i].end = r->flat.tensors[i];
    m->done = r->result.evaluations;
    m->own = r;
    m->write = write_members;
    return take_loss(r) && minimize_finish(m, out);
}

/* ---- all of it ------------------------------------------------------------------------------------ */

/* A commit lets go of the values that the session had, from which later searches may start. */
static bool prepare_commits(struct method_run *r) {
    struct minimize *m = r->m;
    const struct progress *p = m->o.call->progress;
    if (!m->o.work || !p || !p->commit) return true;
    r->shown = arena_alloc(&m->o.arena, (r->flat.n + 1) * sizeof *r->shown);
    if (!r->shown) return build_fail_memory(&m->o.b);
    for (size_t i = 0; i < m->n; i++) {
        struct tensor start;
        const struct tensor *was = &m->moving[i].start;
        if (!flat_tensor(m, was->dtype, &was->shape, &start)) return false;
        if (tensor_bytes(was)) memcpy(start.data, was->data, tensor_bytes(was));
        m->moving[i].start = start;
    }
    return true;
}

static bool prepare(struct method_run *r) {
    struct minimize *m = r->m;
    struct oneshot *o = &m->o;
    if (!find_method(r) || !flat_begin(m, &r->flat) || !constraints_read(r) || !check_takes(r) ||
        !check_unknowns(r) || !read_stop(r) || !starts_of_method(r) || !problem_begin(r) ||
        !check_memory(r) || !check_work(r) || !begin_history(r))
        return false;
    const size_t n_constraints = r->problem.n_equal + r->problem.n_below;
    r->x = arena_alloc(&o->arena, (r->flat.n + n_constraints + 1) * sizeof *r->x);
    if (!r->x) return build_fail_memory(&o->b);
    r->c = r->x + r->flat.n;
    return prepare_commits(r);
}

void method_search(struct method_run *r, double *x) {
    const int64_t deadline = r->m->o.request.deadline;
    r->problem.improved = improved;
    r->stop.seconds = deadline ? fmax(1e-3, (double)(deadline - clock_now()) * 1e-9) : 0;
    r->improvements = 0;
    r->record_each = 1;
    r->recorded = -1;
    r->is_news = r->is_due = false;
    r->committed = 0;
    r->m->history.n = 0;
    solve(r->method, &r->problem, &r->stop, x, r->c, &r->result);
    end_history(r);
}

static bool run_once(struct method_run *r) {
    flat_start(r->m, &r->flat, r->x);
    if (!flat_clip(r->m, &r->flat, r->x, "/variables")) return false;
    method_search(r, r->x);
    return method_status(r);
}

bool minimize_method(struct minimize *m, struct writer *out) {
    struct method_run r = {.m = m};
    const bool ok = prepare(&r) && (r.starts.n ? starts_run(&r) : run_once(&r)) && finish(&r, out);
    problem_end(&r);
    return ok;
}
