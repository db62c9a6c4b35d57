/* The graph as residuals and a Jacobian of numbers: which nodes answer, the plans that compute them, and
 * how they become vectors and rows. How they are made small is not known here. */
#include <string.h>

#include "api/least_squares.h"
#include "api/place.h"
#include "core/emit.h"

/* ---- the residuals -------------------------------------------------------------------------------- */

static bool last_statement(struct fitting *t) {
    struct oneshot *o = &t->m.o;
    if (o->last.kind == VALUE_NONE && o->b.tape.count == o->b.begin)
        error_set(o->error, ERROR_INVALID_REQUEST,
                  "the graph is empty and \"residuals\" names nothing");
    else if (build_settle(&o->b, &o->last, true, &t->residuals))
        return true;
    return error_under(o->error, "graph");
}

static bool check_leaf(struct fitting *t, node_id leaf) {
    struct oneshot *o = &t->m.o;
    if (leaf == NODE_NONE)
        return error_set(o->error, ERROR_MISSING_GRADIENT, "a residual is a gradient that is None");
    const enum dtype dtype = tape_dtype(&o->b.tape, leaf);
    const char *name = build_name_of(&o->b, leaf);
    if (!dtype_is_float(dtype))
        return error_set(o->error, ERROR_DTYPE_MISMATCH,
                         "the residuals%s%.80s%s must be of a floating dtype, found %s",
                         name ? " \"" : "", name ? name : "", name ? "\"" : "", dtype_name(dtype));
    if (leaf != t->leaves[0] && dtype != t->dtype)
        return error_set(o->error, ERROR_DTYPE_MISMATCH,
                         "the residuals%s%.80s%s have dtype %s, those before %s", name ? " \"" : "",
                         name ? name : "", name ? "\"" : "", dtype_name(dtype),
                         dtype_name(t->dtype));
    t->dtype = dtype;
    return true;
}

/* All residuals in one vector. */
static bool join(struct fitting *t) {
    struct oneshot *o = &t->m.o;
    struct tape *tape = &o->b.tape;
    node_id *parts = arena_alloc(&o->arena, (t->n_leaves + 1) * sizeof *parts);
    if (!parts) return build_fail_memory(&o->b);
    int64_t all = 0;
    for (size_t i = 0; i < t->n_leaves; i++) {
        if (!check_leaf(t, t->leaves[i])) return false;
        const struct shape flat = {.rank = 1, .dim = {shape_count(tape_shape(tape, t->leaves[i]))}};
        all += flat.dim[0];
        parts[i] = emit_reshape(tape, t->leaves[i], &flat);
    }
    if (all == 0)
        return error_set(o->error, ERROR_INVALID_VALUE, "there are no residuals to make small");
    t->m.loss = t->n_leaves == 1 ? parts[0] : emit_concat(tape, parts, (uint32_t)t->n_leaves, 0);
    t->m.window.end = tape->count;
    return t->m.loss != NODE_NONE;
}

static bool find_residuals(struct fitting *t) {
    struct oneshot *o = &t->m.o;
    const struct json *named = o->request.residuals;
    if (!(named ? oneshot_names(o, named, "residuals", "residual", &t->residuals)
                : last_statement(t)) ||
        !oneshot_leaves(o, &t->residuals, &t->leaves, &t->n_leaves))
        return false;
    return join(t) || error_under(o->error, named ? "residuals" : "graph");
}

/* ---- derivatives ---------------------------------------------------------------------------------- */

static bool differentiate(struct fitting *t, const node_id *sources) {
    struct minimize *m = &t->m;
    struct oneshot *o = &m->o;
    size_t missing = 0;
    t->jacobian = arena_alloc(&o->arena, (m->n + 1) * sizeof *t->jacobian);
    if (!t->jacobian) return build_fail_memory(&o->b);
    if (!tape_jacobian(&o->b.tape, &m->window, m->loss, sources, m->n, t->jacobian)) return false;
    for (size_t i = 0; i < m->n; i++) missing += t->jacobian[i] == NODE_NONE;
    if (missing == m->n)
        return error_set(o->error, ERROR_MISSING_GRADIENT,
                         "No gradients provided for any variable.");
    for (size_t i = 0; i < m->n; i++) {
        if (t->jacobian[i] == NODE_NONE &&
            !oneshot_warn(o, "missing_gradient", "",
                          "the residuals do not depend on \"%.80s\", or not differentiably",
                          m->moving[i].name))
            return false;
    }
    return true;
}

/* J^T (factor * r''), r'' along a direction. False where there is none, also for a failure: steps are
 * straight then. */
static bool differentiate_twice(struct fitting *t, const node_id *sources, node_id *out) {
    struct minimize *m = &t->m;
    struct oneshot *o = &m->o;
    struct tape *tape = &o->b.tape;
    node_id *along = arena_alloc(&o->arena, (m->n + 1) * sizeof *along), factor, once, twice;
    t->direction = arena_alloc(&o->arena, (m->n + 1) * sizeof *t->direction);
    if (!along || !t->direction) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n; i++) {
        const struct tensor *like = &t->flat.tensors[i];
        if (!flat_tensor(m, like->dtype, &like->shape, &t->direction[i]) ||
            !oneshot_keep_late(o, &t->direction[i], &along[i]))
            return false;
    }
    if (!tape_jvp(tape, sources, along, m->n, &m->loss, 1, &once) || once == NODE_NONE ||
        !tape_jvp(tape, sources, along, m->n, &once, 1, &twice) || twice == NODE_NONE ||
        !flat_tensor(m, t->dtype, tape_shape(tape, m->loss), &t->factor) ||
        !oneshot_keep_late(o, &t->factor, &factor))
        return false;
    const node_id seed = emit_multiply(tape, factor, twice);
    return seed != NODE_NONE &&
           tape_gradient(tape, &m->window, &m->loss, &seed, 1, sources, m->n, out);
}

/* ---- plans ----------------------------------------------------------------------------------------- */

static bool ask(struct fitting *t, const node_id *wanted, size_t n, struct asking *a) {
    const node_id *inputs;
    size_t n_inputs;
    a->plan = oneshot_plan(&t->m.o, wanted, n, &a->bound, &inputs, &n_inputs);
    if (a->plan) flat_bind(&t->m, &t->flat, inputs, n_inputs, a->bound);
    return a->plan;
}

static size_t add_present(const node_id *nodes, size_t n, node_id *wanted, size_t at) {
    for (size_t i = 0; i < n; i++)
        if (nodes[i] != NODE_NONE) wanted[at++] = nodes[i];
    return at;
}

/* What cannot be differentiated twice goes by straight steps; a limit holds as it does elsewhere. */
static bool plan_bends(struct fitting *t, const node_id *sources) {
    struct minimize *m = &t->m;
    struct error *error = m->o.error;
    node_id *wanted = arena_alloc(&m->o.arena, (m->n + 1) * sizeof *wanted);
    t->bend = arena_alloc(&m->o.arena, (m->n + 1) * sizeof *t->bend);
    if (!t->bend || !wanted) return build_fail_memory(&m->o.b);
    if (differentiate_twice(t, sources, t->bend) &&
        ask(t, wanted, add_present(t->bend, m->n, wanted, 0), &t->bends))
        return true;
    if (error_is_limit(error->code)) return false;
    error_clear(error);
    return true;
}

static bool plan_values(struct fitting *t) {
    const struct minimize *m = &t->m;
    node_id *wanted = arena_alloc(&t->m.o.arena, (m->n + 1) * sizeof *wanted);
    if (!wanted) return build_fail_memory(&t->m.o.b);
    wanted[0] = m->loss;
    return ask(t, wanted, add_present(t->jacobian, m->n, wanted, 1), &t->values);
}

/* ---- numbers --------------------------------------------------------------------------------------- */

static struct run *run(struct fitting *t, const struct asking *a) {
    struct oneshot *o = &t->m.o;
    return oneshot_in_time(o) ? oneshot_run(o, a->plan, a->bound) : NULL;
}

/* Data that an op refuses somewhere is no reason to stop there: where it has no value, no step goes. */
static enum evaluation fail(struct fitting *t) {
    struct error *error = t->m.o.error;
    const bool ends = error->code == ERROR_CANCELLED || error->code == ERROR_DEADLINE_EXCEEDED ||
                      error_is_limit(error->code);
    if (ends || !(t->has_value || t->n_starts)) return EVALUATION_STOPPED;
    error_clear(error);
    return EVALUATION_UNDEFINED;
}

static enum evaluation evaluate(void *context, double *x, double *r) {
    struct fitting *t = context;
    const struct minimize *m = &t->m;
    flat_store(&t->flat, m->n, x);
    for (size_t i = 0; i < m->n; i++) flat_load(&t->flat.tensors[i], x + t->flat.offset[i]);
    run_end(t->run);
    t->run = run(t, &t->values);
    if (!t->run) return fail(t);
    const struct tensor all = run_result(t->run, 0);
    flat_load(&all, r);
    t->has_value = true;
    return EVALUATION_DONE;
}

/* Rows of one variable's columns; `all` has the shape of the residuals, then that of the variable. */
static void copy_rows(const struct tensor *all, int64_t width, int64_t first, int64_t n,
                      double *out, int64_t stride) {
    const double *wide = all->data;
    const float *narrow = all->data;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < width; j++) {
            const int64_t at = (first + i) * width + j;
            out[j * stride + i] = all->dtype == DTYPE_F32 ? (double)narrow[at] : wide[at];
        }
}

static void rows(void *context, int64_t first, int64_t n, double *jacobian, int64_t stride) {
    struct fitting *t = context;
    size_t at = 1;
    for (size_t i = 0; i < t->m.n; i++) {
        const int64_t width = shape_count(&t->m.moving[i].start.shape);
        double *out = jacobian + (int64_t)t->flat.offset[i] * stride;
        if (t->jacobian[i] == NODE_NONE) {
            for (int64_t j = 0; j < width; j++)
                memset(out + j * stride, 0, (size_t)n * sizeof *out);
            continue;
        }
        const struct tensor all = run_result(t->run, at++);
        copy_rows(&all, width, first, n, out, stride);
    }
}

static enum evaluation bend(void *context, const double *x, const double *v, const double *factor,
                            double *w) {
    struct fitting *t = context;
    const struct minimize *m = &t->m;
    flat_store(&t->flat, m->n, x);
    flat_round(factor, &t->factor);
    for (size_t i = 0; i < m->n; i++) flat_round(v + t->flat.offset[i], &t->direction[i]);
    struct run *ran = run(t, &t->bends);
    if (!ran) return fail(t);
    memset(w, 0, t->flat.n * sizeof *w);
    size_t at = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (t->bend[i] == NODE_NONE) continue;
        const struct tensor part = run_result(ran, at++);
        flat_load(&part, w + t->flat.offset[i]);
    }
    run_end(ran);
    return EVALUATION_DONE;
}

/* ---- all of it -------------------------------------------------------------------------------------- */

bool fitting_begin(struct fitting *t) {
    struct minimize *m = &t->m;
    struct oneshot *o = &m->o;
    node_id *sources = arena_alloc(&o->arena, (m->n + 1) * sizeof *sources);
    if (!sources) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n; i++) sources[i] = m->moving[i].node;
    if (!find_residuals(t) || !differentiate(t, sources) || !plan_values(t) ||
        !plan_bends(t, sources))
        return false;
    t->control = o->call->control;
    t->control.deadline = o->request.deadline;
    t->problem = (struct least_squares_problem){.m = tape_shape(&o->b.tape, m->loss)->dim[0],
                                                .n = (int64_t)t->flat.n,
                                                .context = t,
                                                .evaluate = evaluate,
                                                .rows = rows,
                                                .bend = t->bends.plan ? bend : NULL,
                                                .control = &t->control,
                                                .error = o->error,
                                                .lower = t->flat.lower,
                                                .upper = t->flat.upper};
    return true;
}

void fitting_release(struct fitting *t) {
    run_end(t->run);
    plan_release(t->values.plan);
    plan_release(t->bends.plan);
}

int64_t fitting_work(const struct fitting *t) {
    int64_t work = least_squares_work(t->problem.m, t->problem.n);
    if (__builtin_add_overflow(work, plan_work(t->values.plan), &work) ||
        (t->bends.plan && __builtin_add_overflow(work, plan_work(t->bends.plan), &work)))
        return INT64_MAX;
    return work;
}
