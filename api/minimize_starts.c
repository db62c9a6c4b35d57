/* Several starts as one run: what stands in their rows, and how they are shown. That a step is the same
 * for all rows at once is the plan's business. */
#include <inttypes.h>
#include <string.h>

#include "api/minimize_steps.h"
#include "api/place.h"

/* ---- rows --------------------------------------------------------------------------------------------- */

/* The starts whose values a state begins with: those of its variable, of a slot that begins as a copy of
 * it; NULL: it begins with the same in all rows. */
static const struct tensor *own_starts(const struct descent *d, size_t i) {
    const size_t n = d->m->n;
    if (i < n) return d->starts[i].data ? &d->starts[i] : NULL;
    const uint32_t of = d->slots[i - n].variable;
    if (of == OPTIMIZER_ITSELF || d->first[i].data != d->first[of].data) return NULL;
    return own_starts(d, of);
}

bool starts_give_rows(struct descent *d, size_t i) {
    struct oneshot *o = &d->m->o;
    const struct tensor *own = own_starts(d, i), *first = &d->first[i];
    struct tensor *t = &d->start[i];
    int64_t count;
    d->by_row[i] = true;
    if (own) {
        *t = *own;
        return true;
    }
    if (first->shape.rank == RANK_MAX)
        return error_set(o->error, ERROR_GRAPH_TOO_LARGE,
                         "starts need an axis more than the %d that a tensor may have", RANK_MAX);
    t->shape.rank = first->shape.rank + 1;
    t->shape.dim[0] = d->n_starts;
    memcpy(t->shape.dim + 1, first->shape.dim, (size_t)first->shape.rank * sizeof *t->shape.dim);
    if (!shape_count_within(&t->shape, o->call->limits->max_elements, &count))
        return error_set(o->error, ERROR_TOO_MANY_ELEMENTS,
                         "%" PRId64 " starts of one variable have more than %" PRId64
                         " elements (max_elements)",
                         d->n_starts, o->call->limits->max_elements);
    const size_t size = tensor_bytes(first);
    char *to = t->data = arena_alloc_tensor(&o->arena, tensor_bytes(t) + 1);
    if (!to) return build_fail_memory(&o->b);
    for (int64_t r = 0; size && r < d->n_starts; r++, to += size) memcpy(to, first->data, size);
    return true;
}

bool starts_read(struct descent *d) {
    struct oneshot *o = &d->m->o;
    d->n_rows = 1;
    if (!minimize_starts(d->m, &d->starts, &d->n_starts)) return false;
    if (!d->n_starts) return true;
    d->n_rows = d->n_starts;
    for (size_t i = 0; i < d->n_states; i++) {
        if (i >= d->m->n && d->slots[i - d->m->n].variable == OPTIMIZER_ITSELF) continue;
        if (!starts_give_rows(d, i)) return error_under(o->error, "starts");
    }
    return true;
}

/* ---- answers -------------------------------------------------------------------------------------------- */

int64_t starts_best(const struct descent *d) {
    int64_t best = 0;
    for (int64_t r = 1; r < d->n_rows; r++) {
        const double x = d->rows[r].loss, least = d->rows[best].loss;
        if (isfinite(x) && !(isfinite(least) && least <= x)) best = r;
    }
    return best;
}

static void write_losses(struct descent *d, struct writer *out) {
    const struct minimize *m = d->m;
    const enum dtype dtype = tape_dtype(&m->o.b.tape, m->loss);
    struct tensor one = {.dtype = dtype};
    write_text(out, "{\"loss\":[");
    for (int64_t r = 0; r < d->n_rows; r++) {
        float single = (float)d->rows[r].loss;
        one.data = dtype == DTYPE_F32 ? (void *)&single : (void *)&d->rows[r].loss;
        if (r) write_text(out, ",");
        if (d->rows[r].unknown)
            write_text(out, "null");
        else
            write_tensor(out, &one, FORMAT_NESTED);
    }
    write_text(out, "],\"status\":[");
    for (int64_t r = 0; r < d->n_rows; r++) {
        if (r) write_text(out, ",");
        write_string(out, minimize_status_names[d->rows[r].status]);
    }
    write_text(out, "],\"steps\":[");
    for (int64_t r = 0; r < d->n_rows; r++) {
        if (r) write_text(out, ",");
        write_int(out, d->rows[r].done);
    }
    write_text(out, "]");
}

void starts_write(struct descent *d, struct writer *out) {
    struct minimize *m = d->m;
    write_text(out, ",\"best\":");
    write_int(out, d->best);
    write_text(out, ",\"starts\":");
    write_losses(d, out);
    write_text(out, ",\"variables\":{");
    for (size_t i = 0; i < m->n_shown; i++) {
        struct tensor all = d->start[i];
        all.data = d->end[i];
        if (i) write_text(out, ",");
        write_string(out, m->moving[i].name);
        write_text(out, ":");
        write_tensor(out, &all, m->o.request.tensor_format);
    }
    write_text(out, "}}");
}
