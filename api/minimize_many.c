/* A method from several starts, one after the other: the best of them is the answer, and all are shown. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "api/minimize_method.h"
#include "api/place.h"

/* ---- reading -------------------------------------------------------------------------------------- */

bool starts_of_method(struct method_run *r) {
    struct oneshot *o = &r->m->o;
    struct starts *all = &r->starts;
    if (!minimize_starts(r->m, &all->sent, &all->n)) return false;
    if (!all->n) return true;
    int64_t count;
    if (__builtin_mul_overflow((int64_t)r->flat.n + 1, all->n, &count) ||
        count > o->call->limits->max_elements) {
        error_set(o->error, ERROR_TOO_MANY_ELEMENTS,
                  "%" PRId64 " starts of %zu unknowns have more than %" PRId64
                  " elements (max_elements)",
                  all->n, r->flat.n, o->call->limits->max_elements);
        return error_under(o->error, "starts");
    }
    all->ends = arena_zalloc(&o->arena, (size_t)all->n * sizeof *all->ends);
    all->points = arena_alloc(&o->arena, (size_t)count * sizeof *all->points);
    all->room = arena_alloc(&o->arena, (size_t)count * sizeof *all->points);
    return (all->ends && all->points && all->room) || build_fail_memory(&o->b);
}

/* ---- running -------------------------------------------------------------------------------------- */

static bool is_better(const struct method_run *r, const struct solve_result *best) {
    const struct solve_result *now = &r->result;
    if (!now->found || !best->found) return now->found && !best->found;
    const bool keeps = now->violation <= r->stop.catol, kept = best->violation <= r->stop.catol;
    if (keeps != kept) return keeps;
    return keeps ? now->f < best->f : now->violation < best->violation;
}

bool starts_leads(const struct method_run *r) {
    return !r->starts.least || is_better(r, r->starts.least);
}

/* What is kept of the best search so far while the next one runs. */
struct winner {
    struct solve_result result;
    struct history history;
    enum minimize_status status;
    double *c;
};

static bool begin_kept(struct method_run *r, struct winner *kept) {
    struct oneshot *o = &r->m->o;
    const struct history *h = &r->m->history;
    const size_t rows = h->capacity, m = r->problem.n_equal + r->problem.n_below;
    *kept = (struct winner){.history.capacity = rows};
    kept->history.step = arena_alloc(&o->arena, rows * sizeof *h->step + 1);
    kept->history.loss = arena_alloc(&o->arena, rows * sizeof *h->loss + 1);
    kept->c = arena_alloc(&o->arena, (m + 1) * sizeof *kept->c);
    return (kept->history.step && kept->history.loss && kept->c) || build_fail_memory(&o->b);
}

static void keep(struct method_run *r, struct winner *kept, int64_t k) {
    const struct history history = r->m->history;
    double *c = r->c;
    r->m->history = kept->history;
    r->c = kept->c;
    *kept = (struct winner){r->result, history, r->m->status, c};
    r->starts.best = k;
}

bool starts_run(struct method_run *r) {
    struct minimize *m = r->m;
    struct starts *all = &r->starts;
    struct winner kept;
    bool stopped = false;
    struct warning **const warned = m->o.warnings_end; /* of the first start that is moved */
    int64_t evaluations = 0;
    if (!begin_kept(r, &kept)) return false;
    all->least = NULL;
    for (int64_t k = 0; k < all->n; k++) {
        struct end *end = &all->ends[k];
        double *x = all->points + (size_t)k * r->flat.n;
        flat_start_of(m, &r->flat, all->sent, k, x);
        if (!flat_clip(m, &r->flat, x, m->o.warnings_end == warned ? "/starts" : NULL))
            return false;
        if (stopped) {
            end->status = m->status;
            continue;
        }
        method_search(r, x);
        if (!method_status(r) && !(kept.result.found && minimize_stopped(m))) return false;
        stopped = m->status == MINIMIZE_DEADLINE || m->status == MINIMIZE_CANCELLED;
        evaluations += r->result.evaluations;
        *end = (struct end){m->status, r->result.found, r->result.f, r->result.evaluations};
        if (starts_leads(r)) keep(r, &kept, k);
        all->least = &kept.result;
    }
    all->least = NULL;
    if (!stopped) m->status = kept.status;
    m->history = kept.history;
    r->result = kept.result;
    r->c = kept.c;
    all->evaluations = evaluations;
    r->x = all->points + (size_t)all->best * r->flat.n;
    return true;
}

/* ---- showing -------------------------------------------------------------------------------------- */

static void write_ends(const struct method_run *r, struct writer *out) {
    const struct starts *all = &r->starts;
    const enum dtype dtype = tape_dtype(&r->m->o.b.tape, r->m->loss);
    write_text(out, "{\"loss\":[");
    for (int64_t k = 0; k < all->n; k++) {
        double room;
        const struct tensor t = {.dtype = dtype, .data = &room};
        if (k) write_text(out, ",");
        if (!all->ends[k].found) {
            write_text(out, "null");
            continue;
        }
        flat_round(&all->ends[k].loss, &t);
        write_tensor(out, &t, FORMAT_NESTED);
    }
    write_text(out, "],\"status\":[");
    for (int64_t k = 0; k < all->n; k++) {
        if (k) write_text(out, ",");
        write_string(out, minimize_status_names[all->ends[k].status]);
    }
    write_text(out, "],\"steps\":[");
    for (int64_t k = 0; k < all->n; k++) {
        if (k) write_text(out, ",");
        write_int(out, all->ends[k].steps);
    }
    write_text(out, "]");
}

/* A variable's ends, with a leading axis. */
static void write_variable(const struct method_run *r, size_t i, struct writer *out) {
    const struct minimize *m = r->m;
    const struct tensor *one = &r->flat.tensors[i];
    struct tensor all = {.dtype = one->dtype, .data = r->starts.room};
    all.shape.rank = one->shape.rank + 1;
    all.shape.dim[0] = r->starts.n;
    memcpy(all.shape.dim + 1, one->shape.dim, (size_t)one->shape.rank * sizeof *one->shape.dim);
    for (int64_t k = 0; k < r->starts.n; k++) {
        struct tensor part = *one;
        part.data = (char *)all.data + (size_t)k * tensor_bytes(one);
        flat_round(r->starts.points + (size_t)k * r->flat.n + r->flat.offset[i], &part);
    }
    write_tensor(out, &all, m->o.request.tensor_format);
}

void starts_write_method(const struct method_run *r, struct writer *out) {
    const struct minimize *m = r->m;
    write_text(out, ",\"best\":");
    write_int(out, r->starts.best);
    write_text(out, ",\"starts\":");
    write_ends(r, out);
    write_text(out, ",\"variables\":{");
    for (size_t i = 0; i < m->n_shown; i++) {
        if (i) write_text(out, ",");
        write_string(out, m->moving[i].name);
        write_text(out, ":");
        write_variable(r, i, out);
    }
    write_text(out, "}}");
}
