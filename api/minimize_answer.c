/* What a minimisation records while it runs, its answer, and what it leaves in a session. */
#include <math.h>
#include <string.h>

#include "api/minimize.h"
#include "api/session_tape.h"

const char *const minimize_status_names[] = {[MINIMIZE_CONVERGED] = "converged",
                                             [MINIMIZE_MAX_STEPS] = "max_steps",
                                             [MINIMIZE_NON_FINITE] = "non_finite",
                                             [MINIMIZE_CANCELLED] = "cancelled",
                                             [MINIMIZE_DEADLINE] = "deadline",
                                             [MINIMIZE_INFEASIBLE] = "infeasible",
                                             [MINIMIZE_ROUNDOFF_LIMITED] = "roundoff_limited",
                                             [MINIMIZE_FAILED] = "failed"};

/* ---- history ------------------------------------------------------------------------------------- */

bool minimize_plan_history(struct minimize *m, int64_t steps) {
    enum { ROWS = 200 }; /* enough for a plot */
    if (!m->record_every) m->record_every = steps > ROWS ? (steps - 1) / ROWS + 1 : 1;
    const size_t rows = steps > 0 ? (size_t)((steps - 1) / m->record_every) + 1 : 0;
    const size_t most = (size_t)m->o.call->limits->max_answer_bytes / 8;
    if (rows > most)
        return error_set(m->o.error, ERROR_MEMORY_BUDGET,
                         "a history of %zu rows is longer than an answer may be; a larger "
                         "record_every makes it shorter",
                         rows);
    m->history = (struct history){.capacity = rows};
    m->history.step = arena_alloc(&m->o.arena, rows * sizeof *m->history.step + 1);
    m->history.loss = arena_alloc(&m->o.arena, rows * sizeof *m->history.loss + 1);
    return (m->history.step && m->history.loss) || build_fail_memory(&m->o.b);
}

void minimize_record(struct minimize *m, int64_t step, double loss, double gradient_norm) {
    struct history *h = &m->history;
    struct progress *p = m->o.call->progress;
    const struct progress_row row = {step, loss, gradient_norm,
                                     m->loss == NODE_NONE ? DTYPE_F64
                                                          : tape_dtype(&m->o.b.tape, m->loss)};
    if (h->n < h->capacity) {
        h->step[h->n] = step;
        h->loss[h->n++] = loss;
    }
    if (p) p->report(p, &row);
}

bool minimize_stopped(struct minimize *m) {
    struct error *e = m->o.error;
    if (e->code != ERROR_CANCELLED && e->code != ERROR_DEADLINE_EXCEEDED) return false;
    m->status = e->code == ERROR_CANCELLED ? MINIMIZE_CANCELLED : MINIMIZE_DEADLINE;
    m->is_late = true;
    error_clear(e);
    return true;
}

struct run *minimize_run(struct minimize *m, const struct plan *plan,
                         const struct tensor *const *bound) {
    enum { GRACE = 1000000000 /* nanoseconds */ };
    struct oneshot *o = &m->o;
    const enum minimize_status status = m->status;
    struct run *run = m->is_late ? NULL : oneshot_run(o, plan, bound);
    if (run || (!m->is_late && !minimize_stopped(m))) return run;
    m->status = status; /* what was to be done is done, whatever time it is now */
    const struct run_control control = {.deadline = clock_now() + GRACE};
    run = plan_run(plan, bound, &control, o->error);
    if (!run && o->error->code == ERROR_DEADLINE_EXCEEDED) error_clear(o->error);
    return run;
}

/* ---- what is fetched ------------------------------------------------------------------------------ */

/* Binds what moves to where it ended. */
static void bind_end(struct minimize *m) {
    struct oneshot *o = &m->o;
    for (size_t i = 0; i < m->n; i++) {
        const node_id node = m->moving[i].node;
        if (node < o->n_bound) o->tensors[node] = m->moving[i].end;
        for (uint32_t k = 0; k < o->n_late; k++)
            if (o->late[k].node == node) o->late[k].tensor = m->moving[i].end;
    }
}

bool minimize_evaluate(struct minimize *m, bool loss, struct run **run, struct plan **plan) {
    struct oneshot *o = &m->o;
    const struct tensor **bound;
    const node_id *inputs;
    size_t n_inputs, n = 0, n_fetched = 0;
    node_id *fetched = NULL;
    *run = NULL;
    *plan = NULL;
    if (o->has_fetched && !oneshot_leaves(o, &o->fetched, &fetched, &n_fetched)) return false;
    node_id *wanted = arena_alloc(&o->arena, (n_fetched + 1) * sizeof *wanted);
    if (!wanted) return build_fail_memory(&o->b);
    if (loss) wanted[n++] = m->loss;
    for (size_t i = 0; i < n_fetched; i++)
        if (fetched[i] != NODE_NONE) wanted[n++] = fetched[i];
    bind_end(m);
    *plan = oneshot_plan(o, wanted, n, &bound, &inputs, &n_inputs);
    if (*plan) *run = minimize_run(m, *plan, bound);
    if (*run) return true;
    plan_release(*plan);
    *plan = NULL;
    return o->error->code == ERROR_NONE;
}

/* ---- the answer ----------------------------------------------------------------------------------- */

static void write_history(struct minimize *m, struct writer *out, enum dtype dtype) {
    const struct history *h = &m->history;
    const struct shape shape = {.rank = 1, .dim = {(int64_t)h->n}};
    const struct tensor step = {.dtype = DTYPE_I64, .shape = shape, .data = h->step};
    struct tensor loss = {.dtype = dtype, .shape = shape, .data = h->loss};
    if (dtype == DTYPE_F32) /* in its own place: an element is written behind where it is read */
        for (size_t i = 0; i < h->n; i++) {
            const float x = (float)h->loss[i];
            memcpy((char *)h->loss + i * sizeof x, &x, sizeof x);
        }
    write_text(out, ",\"history\":{\"step\":");
    write_tensor(out, &step, m->o.request.tensor_format);
    write_text(out, ",");
    write_string(out, m->measure ? m->measure : "loss");
    write_text(out, ":");
    write_tensor(out, &loss, m->o.request.tensor_format);
    write_text(out, "}");
}

static void write_variables(struct minimize *m, struct writer *out) {
    write_text(out, ",\"variables\":{");
    for (size_t i = 0; i < m->n_shown; i++) {
        if (i) write_text(out, ",");
        write_string(out, m->moving[i].name);
        write_text(out, ":");
        write_tensor(out, &m->moving[i].end, m->o.request.tensor_format);
    }
    write_text(out, "}");
}

static void write_head(struct minimize *m, struct writer *out) {
    write_text(out, ",\"steps\":");
    write_int(out, m->done);
    write_text(out, ",\"loss\":");
    if (m->end.data)
        write_tensor(out, &m->end, m->o.request.tensor_format);
    else
        write_text(out, "null");
}

static void write_answer(struct minimize *m, const struct run *fetched, struct writer *out) {
    struct oneshot *o = &m->o;
    write_text(out, "{\"status\":");
    write_string(out, minimize_status_names[m->status]);
    (m->head ? m->head : write_head)(m, out);
    write_variables(m, out);
    write_history(m, out, tape_dtype(&o->b.tape, m->loss));
    if (m->write) m->write(m, out);
    if (o->has_fetched) {
        write_text(out, ",\"fetched\":");
        if (fetched)
            oneshot_write_value(o, fetched, 0, &o->fetched, out);
        else
            write_text(out, "null");
    }
    if (o->warnings) oneshot_write_warnings(o, out);
    write_text(out, "}");
}

bool minimize_finish(struct minimize *m, struct writer *out) {
    struct oneshot *o = &m->o;
    struct run *run = NULL;
    struct plan *plan = NULL;
    if (o->has_fetched && !minimize_evaluate(m, false, &run, &plan)) return false;
    write_answer(m, run, out);
    run_end(run);
    plan_release(plan);
    return writer_whole(out, o->error) && (!o->work || minimize_commit(m));
}

/* ---- what a session holds of it -------------------------------------------------------------------- */

static void drop(struct minimize *m) {
    for (size_t i = 0; i < m->n; i++) {
        block_release(m->moving[i].kept.owner);
        m->moving[i].kept.owner = NULL;
    }
}

bool minimize_commit(struct minimize *m) {
    struct session *s = m->w.session;
    for (size_t i = 0; i < m->n; i++) {
        held_copy(&s->account, &m->moving[i].end, &m->moving[i].kept);
        if (m->moving[i].kept.owner) continue;
        drop(m);
        return session_fail_memory(s, m->o.error);
    }
    if (m->keep && !m->keep(m)) {
        drop(m);
        return false;
    }
    for (size_t i = 0; i < m->n; i++) {
        session_set_held(s, m->moving[i].item, m->moving[i].kept);
        m->moving[i].kept.owner = NULL;
    }
    if (m->commit) m->commit(m);
    session_changed(m->o.call);
    return true;
}
