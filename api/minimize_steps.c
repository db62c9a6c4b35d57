/* Minimisation by an optimizer, from a decoded request to the answer: whose settings and slots are used,
 * and what is said and kept in the end. */
#include "api/minimize_steps.h"

#include <stdio.h>
#include <string.h>

#include "api/place.h"

static struct descent *descent_of(struct minimize *m) { return m->own; }

/* ---- options --------------------------------------------------------------------------------------------- */

static bool read_non_finite(struct descent *d) {
    static const char *const names[] = {"stop", "skip", "apply"};
    struct minimize *m = d->m;
    const struct json *v = m->o.request.non_finite;
    if (!v) return true;
    for (int i = 0; i < 3; i++) {
        if (json_type(v) != JSON_STRING || strcmp(json_string(v), names[i]) != 0) continue;
        d->non_finite = (enum non_finite)i;
        return true;
    }
    const bool text = json_type(v) == JSON_STRING;
    error_set(m->o.error, ERROR_INVALID_VALUE, "expected stop, skip or apply, found %s%.40s%s",
              text ? "\"" : "", text ? json_string(v) : json_type_name(v), text ? "\"" : "");
    return error_under(m->o.error, "non_finite");
}

static bool read_optimizer(struct descent *d) {
    struct oneshot *o = &d->m->o;
    const struct json *v = o->request.optimizer;
    if (v) {
        if (!optimizer_read(v, &o->arena, &d->sent, o->error))
            return error_under(o->error, "optimizer");
        d->config = &d->sent.config;
        if (!d->sent.ignored_decay) return true;
        char place[256];
        snprintf(place, sizeof place, "/optimizer%s", d->sent.ignored_decay);
        return oneshot_warn(o, "ignored_argument", place,
                            "Argument `decay` is no longer supported and will be ignored.");
    }
    if (o->work && d->m->w.session->training) {
        d->of_session = true;
        d->config = training_config(d->m->w.session->training);
        return true;
    }
    return error_set(o->error, ERROR_INVALID_REQUEST,
                     o->work ? "the session has no optimizer; PUT .../optimizer or send a member "
                               "\"optimizer\" or \"method\""
                             : "member \"optimizer\" (or \"method\") is missing");
}

/* ---- state ----------------------------------------------------------------------------------------------- */

/* Variables behind those of var_list which the session's optimizer steps too. */
static bool add_others(struct descent *d) {
    struct minimize *m = d->m;
    struct oneshot *o = &m->o;
    const size_t n = d->training.n;
    struct moving *moving = arena_alloc(&o->arena, (n + 1) * sizeof *moving);
    if (!moving) return build_fail_memory(&o->b);
    memcpy(moving, m->moving, m->n * sizeof *moving);
    for (size_t i = m->n; i < n; i++) {
        struct item *item = d->training.items[i];
        struct value v;
        if (!build_lookup(&o->b, item->name, item->length, &v)) return false;
        moving[i] = (struct moving){
            .name = item->name, .node = v.node, .start = item->value.tensor, .item = item};
    }
    m->moving = moving;
    m->n = n;
    return true;
}

static bool session_state(struct descent *d, struct tensor **slots) {
    struct minimize *m = d->m;
    struct oneshot *o = &m->o;
    struct item **items = arena_alloc(&o->arena, (m->n + 1) * sizeof *items);
    if (!items) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n; i++) items[i] = m->moving[i].item;
    if (!training_state(m->w.session, items, m->n, &o->arena, &d->training, o->error)) return false;
    d->variables = d->training.variables;
    d->slots = d->training.slots;
    d->n_slots = d->training.n_slots;
    *slots = d->training.values;
    return d->training.n == m->n || add_others(d);
}

static bool own_state(struct descent *d, struct tensor **slots) {
    struct minimize *m = d->m;
    struct oneshot *o = &m->o;
    const struct tensor **values = arena_alloc(&o->arena, (m->n + 1) * sizeof *values);
    d->variables = arena_alloc(&o->arena, (m->n + 1) * sizeof *d->variables);
    if (!values || !d->variables) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n; i++) {
        const struct moving *v = &m->moving[i];
        values[i] = &v->start;
        d->variables[i] = (struct optimizer_variable){
            .name = v->name, .dtype = v->start.dtype, .shape = v->start.shape};
    }
    return optimizer_state(&d->sent, d->variables, values, m->n, o->call->limits->max_elements,
                           &o->arena, &d->slots, &d->n_slots, slots, o->error) ||
           error_under(o->error, "optimizer");
}

/* What is read while the session's own goes on changing must be a copy. */
static bool copy_values(struct descent *d) {
    struct oneshot *o = &d->m->o;
    const size_t n = d->m->n;
    for (size_t i = 0; i < d->n_states; i++) {
        const size_t size = tensor_bytes(&d->first[i]);
        const uint32_t of = i < n ? OPTIMIZER_ITSELF : d->slots[i - n].variable;
        if (of != OPTIMIZER_ITSELF && d->first[i].data == d->m->moving[of].start.data) {
            d->first[i].data = d->first[of].data; /* it begins as the variable does */
            continue;
        }
        void *data = arena_alloc_tensor(&o->arena, size + 1);
        if (!data) return build_fail_memory(&o->b);
        if (size) memcpy(data, d->first[i].data, size);
        d->first[i].data = data;
    }
    return true;
}

/* The period of updates where gradients are added up first. */
static int64_t period_of(const struct optimizer_config *c) {
    const double steps = c->common[COMMON_GRADIENT_ACCUMULATION_STEPS];
    int64_t period = !c->optimizer->wraps && steps >= 2 ? (int64_t)steps : 1;
    for (size_t i = 0; i < c->n_parts; i++) {
        const int64_t of = period_of(&c->parts[i].config);
        if (of > period) period = of;
    }
    return period;
}

static int64_t first_iteration(const struct descent *d) {
    for (size_t i = 0; i < d->n_slots; i++)
        if (strcmp(d->slots[i].name, "iteration") == 0)
            return *(const int64_t *)d->first[d->m->n + i].data;
    return 0;
}

/* ---- what a session keeps ----------------------------------------------------------------------------------- */

struct tensor *descent_slots(struct descent *d, int64_t r) {
    struct tensor *slots = arena_alloc(&d->m->o.arena, (d->n_slots + 1) * sizeof *slots);
    for (size_t i = 0; slots && i < d->n_slots; i++) slots[i] = descent_end_of(d, d->m->n + i, r);
    return slots;
}

static bool keep(struct minimize *m) {
    struct descent *d = descent_of(m);
    /* A job commits often. */
    const struct arena_mark mark = arena_mark(&m->o.arena);
    const struct tensor *slots = descent_slots(d, d->best);
    const bool ok = slots ? training_keep(m->w.session, &d->training, slots, m->o.error)
                          : build_fail_memory(&m->o.b);
    arena_rewind(&m->o.arena, mark);
    return ok;
}

static void commit(struct minimize *m) { training_commit(m->w.session, &descent_of(m)->training); }

static bool make_state(struct descent *d) {
    struct minimize *m = d->m;
    struct oneshot *o = &m->o;
    struct tensor *slots;
    if (!(d->of_session ? session_state(d, &slots) : own_state(d, &slots))) return false;
    d->n_states = m->n + d->n_slots;
    d->first = arena_alloc(&o->arena, (d->n_states + 1) * sizeof *d->first);
    d->start = arena_alloc(&o->arena, (d->n_states + 1) * sizeof *d->start);
    d->by_row = arena_zalloc(&o->arena, d->n_states + 1);
    if (!d->first || !d->start || !d->by_row) return build_fail_memory(&o->b);
    for (size_t i = 0; i < d->n_states; i++)
        d->first[i] = i < m->n ? m->moving[i].start : slots[i - m->n];
    if (d->of_session) {
        m->keep = keep;
        m->commit = commit;
    }
    d->period = period_of(d->config);
    d->phase = first_iteration(d) % d->period;
    if (o->work && o->call->progress && o->call->progress->commit && !copy_values(d)) return false;
    memcpy(d->start, d->first, d->n_states * sizeof *d->start);
    return true;
}

/* ---- the end ----------------------------------------------------------------------------------------------- */

void descent_choose(struct descent *d, int64_t r) {
    d->best = r;
    for (size_t i = 0; i < d->m->n; i++) d->m->moving[i].end = descent_end_of(d, i, r);
}

static void write_optimizer(struct descent *d, const struct tensor *slots, struct writer *out) {
    write_text(out, ",\"optimizer\":{");
    optimizer_write(out, d->config);
    write_text(out, ",");
    optimizer_write_state(out, d->config, d->variables, d->slots, slots, d->n_slots,
                          d->m->o.request.tensor_format);
    write_text(out, "}");
}

static void write_more(struct minimize *m, struct writer *out) {
    struct descent *d = descent_of(m);
    const struct tensor *slots = descent_slots(d, d->best);
    if (!slots) {
        writer_starve(out);
        return;
    }
    write_text(out, ",\"iterations\":");
    write_int(out, optimizer_state_iterations(d->config, d->slots, slots, d->n_slots));
    if (d->non_finite == NON_FINITE_SKIP) {
        write_text(out, ",\"skipped\":");
        write_int(out, d->skipped);
    }
    if (d->n_starts) starts_write(d, out);
    if (d->returns_state) write_optimizer(d, slots, out);
}

/* The history of the row that is answered, as far as its steps were done. */
static void cut_history(struct descent *d) {
    struct history *h = &d->m->history;
    const int64_t done = d->rows[d->best].done;
    size_t n = 0;
    while (n < h->n && h->step[n] < done) {
        h->loss[n] = d->losses[n * (size_t)d->n_rows + (size_t)d->best];
        n++;
    }
    h->n = n;
}

static bool finish(struct descent *d, struct writer *out) {
    struct minimize *m = d->m;
    descent_choose(d, starts_best(d));
    const struct row *row = &d->rows[d->best];
    m->status = row->status;
    m->done = row->done;
    float *loss = arena_alloc(&m->o.arena, sizeof *loss);
    if (!loss) return build_fail_memory(&m->o.b);
    *loss = (float)row->loss;
    m->end = (struct tensor){.dtype = d->loss_dtype};
    if (!row->unknown)
        m->end.data = d->loss_dtype == DTYPE_F32 ? (void *)loss : (void *)&d->rows[d->best].loss;
    cut_history(d);
    m->write = write_more;
    return minimize_finish(m, out);
}

bool minimize_steps(struct minimize *m, struct writer *out) {
    struct descent d = {.m = m, .n_rows = 1};
    m->own = &d;
    d.wants_norm = !isnan(m->stop.grad_norm) || m->o.call->progress;
    const bool ok = read_non_finite(&d) &&
                    minimize_bool(m, m->o.request.return_state, "return_state", &d.returns_state) &&
                    read_optimizer(&d) && rows_read(&d) && make_state(&d) && starts_read(&d) &&
                    rows_plan(&d) && descent_begin(&d) && descent_run(&d) && finish(&d, out);
    descent_end(&d);
    return ok;
}
