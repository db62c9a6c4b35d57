/* Several starts as one run: what stands in their rows, and how they are shown. That a step is the same
 * for all rows at once is the plan's business. */
#include <inttypes.h>
#include <string.h>

#include "api/minimize_steps.h"
#include "api/place.h"

/* ---- reading ---------------------------------------------------------------------------------------- */

static bool fail_shape(struct descent *d, const struct tensor *t, const struct moving *v) {
    char has[SHAPE_TEXT], wants[SHAPE_TEXT];
    return error_set(d->m->o.error, ERROR_SHAPE_MISMATCH,
                     "the starts of \"%.80s\" have shape %s, expected a leading axis of starts "
                     "before the variable's shape %s",
                     v->name, shape_text(&t->shape, has), shape_text(&v->start.shape, wants));
}

static bool read_one(struct descent *d, const struct json *v, size_t i) {
    struct oneshot *o = &d->m->o;
    const struct moving *moving = &d->m->moving[i];
    const struct shape *shape = &moving->start.shape;
    struct tensor *t = arena_alloc(&o->arena, sizeof *t);
    if (!t) return build_fail_memory(&o->b);
    if (!json_tensor(&o->arena, v, moving->start.dtype, o->call->limits->max_elements, "", t,
                     o->error))
        return false;
    if (t->dtype != moving->start.dtype)
        return error_set(o->error, ERROR_DTYPE_MISMATCH,
                         "the starts of \"%.80s\" have dtype %s, expected %s", moving->name,
                         dtype_name(t->dtype), dtype_name(moving->start.dtype));
    if (t->shape.rank != shape->rank + 1 ||
        (shape->rank &&
         memcmp(t->shape.dim + 1, shape->dim, (size_t)shape->rank * sizeof *shape->dim) != 0))
        return fail_shape(d, t, moving);
    if (t->shape.dim[0] == 0)
        return error_set(o->error, ERROR_INVALID_VALUE, "there must be at least one start");
    if (d->n_starts && t->shape.dim[0] != d->n_starts)
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "found %" PRId64 " starts where other variables have %" PRId64,
                         t->shape.dim[0], d->n_starts);
    d->n_starts = t->shape.dim[0];
    d->starts[i] = t;
    return true;
}

static bool read_named(struct descent *d, const struct json *v) {
    struct oneshot *o = &d->m->o;
    for (size_t i = 0; i < d->m->n_shown; i++)
        if (strcmp(d->m->moving[i].name, json_key(v)) == 0) return read_one(d, v, i);
    return error_set(o->error, ERROR_UNBOUND_NAME, "\"%.80s\" is no variable that moves",
                     json_key(v));
}

static bool read_all(struct descent *d, const struct json *starts) {
    struct oneshot *o = &d->m->o;
    if (json_type(starts) != JSON_OBJECT || !json_first(starts))
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "expected an object of variables with their starts, found %s",
                         json_type(starts) == JSON_OBJECT ? "an empty one"
                                                          : json_type_name(starts));
    for (const struct json *v = json_first(starts); v; v = json_next(v))
        if (!read_named(d, v)) return error_under(o->error, json_key(v));
    return true;
}

/* ---- rows --------------------------------------------------------------------------------------------- */

/* The starts whose values a state begins with: those of its variable, of a slot that begins as a copy of
 * it; NULL: it begins with the same in all rows. */
static const struct tensor *own_starts(const struct descent *d, size_t i) {
    const size_t n = d->m->n;
    if (i < n) return d->starts[i];
    const uint32_t of = d->slots[i - n].variable;
    if (of == OPTIMIZER_ITSELF || d->first[i].data != d->first[of].data) return NULL;
    return d->starts[of];
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
    const struct json *starts = o->request.starts;
    d->n_rows = 1;
    if (!starts) return true;
    d->starts = arena_zalloc(&o->arena, (d->m->n + 1) * sizeof *d->starts);
    if (!d->starts) return build_fail_memory(&o->b);
    if (!read_all(d, starts)) return error_under(o->error, "starts");
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
