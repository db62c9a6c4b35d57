/* Variables as one vector of doubles and back, and the bounds of it. Knows no method. */
#include "api/flat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/place.h"
#include "core/numbers.h"

/* ---- numbers ------------------------------------------------------------------------------------ */

void flat_load(const struct tensor *t, double *out) {
    const int64_t n = shape_count(&t->shape);
    if (t->dtype == DTYPE_F64 && n > 0) memcpy(out, t->data, (size_t)n * sizeof *out);
    if (t->dtype != DTYPE_F32) return;
    const float *x = t->data;
    for (int64_t i = 0; i < n; i++) out[i] = (double)x[i];
}

void flat_round(const double *x, const struct tensor *t) {
    const int64_t n = shape_count(&t->shape);
    if (t->dtype == DTYPE_F64 && n > 0) memcpy(t->data, x, (size_t)n * sizeof *x);
    if (t->dtype != DTYPE_F32) return;
    float *out = t->data;
    for (int64_t i = 0; i < n; i++) out[i] = (float)x[i];
}

bool flat_tensor(struct minimize *m, enum dtype dtype, const struct shape *shape,
                 struct tensor *out) {
    *out = (struct tensor){.dtype = dtype, .shape = *shape};
    out->data = arena_alloc(&m->o.arena, tensor_bytes(out) + 1);
    return out->data || build_fail_memory(&m->o.b);
}

void flat_store(const struct flat *f, size_t n_moving, const double *x) {
    for (size_t i = 0; i < n_moving; i++) flat_round(x + f->offset[i], &f->tensors[i]);
}

void flat_start(const struct minimize *m, const struct flat *f, double *x) {
    for (size_t i = 0; i < m->n; i++) flat_load(&m->moving[i].start, x + f->offset[i]);
}

void flat_start_of(const struct minimize *m, const struct flat *f, const struct tensor *sent,
                   int64_t k, double *x) {
    flat_start(m, f, x);
    for (size_t i = 0; i < m->n; i++) {
        struct tensor one = m->moving[i].start;
        if (!sent[i].data) continue;
        one.data = (char *)sent[i].data + (size_t)k * tensor_bytes(&one);
        flat_load(&one, x + f->offset[i]);
    }
}

void flat_bind(const struct minimize *m, const struct flat *f, const node_id *inputs, size_t n,
               const struct tensor **bound) {
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < m->n; i++)
            if (m->moving[i].node == inputs[k]) bound[k] = &f->tensors[i];
}

/* ---- bounds ------------------------------------------------------------------------------------- */

static bool fail_side(struct minimize *m, const struct moving *moving, const char *found) {
    char wants[SHAPE_TEXT];
    return error_set(m->o.error, ERROR_SHAPE_MISMATCH,
                     "a bound of \"%.80s\" is one number, null, or an array of shape %s; found %s",
                     moving->name, shape_text(&moving->start.shape, wants), found);
}

/* Numbers without a null among them: one for all of `shape`, or an array of that shape. */
static bool read_numbers(struct minimize *m, const struct json *v, const struct moving *moving,
                         const struct shape *shape, double *out) {
    struct oneshot *o = &m->o;
    const int64_t n = shape_count(shape);
    char text[SHAPE_TEXT + 16] = "shape ";
    struct tensor t;
    double x;
    if (!json_tensor(&o->arena, v, moving->start.dtype, o->call->limits->max_elements, "", &t,
                     o->error))
        return false;
    if (t.dtype != moving->start.dtype)
        return error_set(o->error, ERROR_DTYPE_MISMATCH,
                         "a bound of \"%.80s\" has dtype %s, expected %s", moving->name,
                         dtype_name(t.dtype), dtype_name(moving->start.dtype));
    if (shape_equal(&t.shape, shape)) {
        flat_load(&t, out);
        return true;
    }
    shape_text(&t.shape, text + strlen(text));
    if (t.shape.rank != 0) return fail_side(m, moving, text);
    flat_load(&t, &x);
    for (int64_t i = 0; i < n; i++) out[i] = x;
    return true;
}

/* One side: a number for all elements, null for none, or an array of the variable's shape, in which null
 * may stand too. `shape` is what is left of it below `depth` axes. */
static bool read_side(struct minimize *m, const struct json *v, const struct moving *moving,
                      int depth, double *out) {
    const struct shape *whole = &moving->start.shape;
    struct shape shape = {.rank = whole->rank - depth};
    memcpy(shape.dim, whole->dim + depth, (size_t)shape.rank * sizeof *shape.dim);
    if (json_type(v) == JSON_NULL) return true; /* it is infinite already */
    if (json_type(v) != JSON_ARRAY)
        return json_type(v) == JSON_NUMBERS || depth == 0 || shape.rank == 0
                   ? read_numbers(m, v, moving, &shape, out)
                   : fail_side(m, moving, json_type_name(v));
    if (shape.rank == 0 || (int64_t)json_length(v) != shape.dim[0])
        return fail_side(m, moving, "an array of another length");
    const int64_t row = shape.dim[0] ? shape_count(&shape) / shape.dim[0] : 0;
    size_t i = 0;
    for (v = json_first(v); v; v = json_next(v), i++)
        if (!read_side(m, v, moving, depth + 1, out + (int64_t)i * row))
            return error_under_index(m->o.error, i);
    return true;
}

/* Bounds that leave nothing between them, or are no numbers. */
static bool check_sides(struct minimize *m, const struct moving *moving, const double *lower,
                        const double *upper) {
    const int64_t n = shape_count(&moving->start.shape);
    char low[NUMBER_TEXT + 1], high[NUMBER_TEXT + 1], place[40] = "";
    for (int64_t i = 0; i < n; i++) {
        if (lower[i] <= upper[i] && lower[i] < INFINITY && upper[i] > -INFINITY) continue;
        if (n > 1) snprintf(place, sizeof place, " at element %lld", (long long)i);
        *double_text(low, lower[i]) = '\0';
        *double_text(high, upper[i]) = '\0';
        return error_set(m->o.error, ERROR_INVALID_VALUE,
                         "the bounds of \"%.80s\"%s leave no number: [%s, %s]", moving->name, place,
                         low, high);
    }
    return true;
}

static bool read_pair(struct minimize *m, const struct json *pair, size_t i, struct flat *f) {
    struct oneshot *o = &m->o;
    const struct moving *moving = &m->moving[i];
    double *lower = f->lower + f->offset[i], *upper = f->upper + f->offset[i];
    if (json_type(pair) == JSON_NUMBERS) pair = json_split(&o->arena, pair);
    if (!pair) return build_fail_memory(&o->b);
    if (json_type(pair) != JSON_ARRAY || json_length(pair) != 2)
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "expected [lowest, highest], each a number, null or an array of the "
                         "shape of \"%.80s\"; found %s%s",
                         moving->name, json_type_name(pair),
                         json_type(pair) == JSON_ARRAY ? " of another length" : "");
    const struct json *low = json_first(pair), *high = json_next(low);
    if (!read_side(m, low, moving, 0, lower)) return error_under_index(o->error, 0);
    if (!read_side(m, high, moving, 0, upper)) return error_under_index(o->error, 1);
    return check_sides(m, moving, lower, upper);
}

static bool find_moving(struct minimize *m, const char *name, size_t *i) {
    const char *near = NULL;
    for (*i = 0; *i < m->n; (*i)++)
        if (strcmp(m->moving[*i].name, name) == 0) return true;
    struct names known;
    bool added;
    names_init(&known, &m->o.arena, m->o.call->seed);
    for (size_t k = 0; k < m->n; k++)
        if (!names_add(&known, m->moving[k].name, strlen(m->moving[k].name), &added))
            return build_fail_memory(&m->o.b);
    near = names_nearest(&known, name);
    return error_set(m->o.error, ERROR_UNBOUND_NAME, "\"%.80s\" is no variable that moves%s%.80s%s",
                     name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static bool read_bounds(struct minimize *m, const struct json *bounds, struct flat *f) {
    struct oneshot *o = &m->o;
    f->lower = arena_alloc(&o->arena, (2 * f->n + 1) * sizeof *f->lower);
    if (!f->lower) return build_fail_memory(&o->b);
    f->upper = f->lower + f->n;
    for (size_t i = 0; i < f->n; i++) {
        f->lower[i] = -INFINITY;
        f->upper[i] = INFINITY;
    }
    if (json_type(bounds) != JSON_OBJECT)
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "expected an object of [lowest, highest] by variable, found %s",
                         json_type_name(bounds));
    for (const struct json *v = json_first(bounds); v; v = json_next(v)) {
        size_t i;
        if (!find_moving(m, json_key(v), &i) || !read_pair(m, v, i, f))
            return error_under(o->error, json_key(v));
    }
    return true;
}

bool flat_begin(struct minimize *m, struct flat *f) {
    struct oneshot *o = &m->o;
    const struct json *bounds = o->request.bounds;
    *f = (struct flat){.offset = arena_alloc(&o->arena, (m->n + 1) * sizeof *f->offset),
                       .tensors = arena_alloc(&o->arena, (m->n + 1) * sizeof *f->tensors)};
    if (!f->offset || !f->tensors) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n; i++) {
        const struct tensor *start = &m->moving[i].start;
        f->offset[i] = f->n;
        f->n += (size_t)shape_count(&start->shape);
        if (!flat_tensor(m, start->dtype, &start->shape, &f->tensors[i])) return false;
    }
    return !bounds || read_bounds(m, bounds, f) || error_under(o->error, "bounds");
}

size_t flat_free(const struct flat *f) {
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) n += !f->lower || f->lower[i] < f->upper[i];
    return n;
}

bool flat_clip(struct minimize *m, const struct flat *f, double *x, const char *pointer) {
    for (size_t i = 0; f->lower && i < m->n; i++) {
        const size_t end = f->offset[i] + (size_t)shape_count(&m->moving[i].start.shape);
        size_t moved = 0;
        for (size_t k = f->offset[i]; k < end; k++) {
            const double inside = fmin(fmax(x[k], f->lower[k]), f->upper[k]);
            if (isnan(x[k]) || inside == x[k]) continue;
            x[k] = inside;
            moved++;
        }
        if (moved && pointer &&
            !oneshot_warn(&m->o, "start_moved", pointer,
                          "\"%.80s\" starts outside of its bounds; %zu of its elements %s moved "
                          "onto them",
                          m->moving[i].name, moved, moved == 1 ? "was" : "were"))
            return false;
    }
    return true;
}
