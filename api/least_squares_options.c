/* What a request for least squares says beside its graph: loss, scales, weights, starts and tolerances. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/least_squares.h"
#include "api/place.h"

static bool fail_type(struct fitting *t, const struct json *v, const char *wants) {
    return error_set(t->m.o.error, ERROR_INVALID_REQUEST, "expected %s, found %s", wants,
                     json_type_name(v));
}

/* ---- loss and f_scale -------------------------------------------------------------------------- */

static bool read_loss(struct fitting *t) {
    static const char *const names[] = {
#define LOSS_NAME(tag, name, formula) name,
        LEAST_SQUARES_LOSSES(LOSS_NAME)
#undef LOSS_NAME
    };
    struct oneshot *o = &t->m.o;
    const struct json *v = o->request.loss;
    if (!v) return true;
    if (json_type(v) != JSON_STRING) {
        fail_type(t, v, "the name of a loss");
        return error_under(o->error, "loss");
    }
    for (int i = 0; i < LEAST_SQUARES_LOSS_COUNT; i++) {
        if (strcmp(json_string(v), names[i]) != 0) continue;
        t->problem.loss = (enum least_squares_loss)i;
        return true;
    }
    const char *near = name_nearest(json_string(v), names, LEAST_SQUARES_LOSS_COUNT);
    error_set(o->error, ERROR_INVALID_VALUE,
              "unknown loss \"%.40s\"; %s%s%sexpected linear, huber, soft_l1, cauchy or arctan",
              json_string(v), near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "");
    return error_under(o->error, "loss");
}

static bool read_f_scale(struct fitting *t) {
    const struct json *v = t->m.o.request.f_scale;
    t->problem.f_scale = 1;
    if (!minimize_number(&t->m, v, "f_scale", &t->problem.f_scale)) return false;
    if (t->problem.f_scale > 0) return true;
    error_set(t->m.o.error, ERROR_INVALID_VALUE, "f_scale must be above 0");
    return error_under(t->m.o.error, "f_scale");
}

/* ---- numbers that go with a shape ------------------------------------------------------------------ */

/* One number for all, or a tensor of that shape, as n doubles of which each fits. */
static bool read_numbers(struct fitting *t, const struct json *v, const char *what,
                         const struct shape *shape, bool may_be_zero, double *out) {
    struct oneshot *o = &t->m.o;
    const int64_t n = shape_count(shape);
    char has[SHAPE_TEXT], wants[SHAPE_TEXT];
    struct tensor all;
    if (!json_tensor(&o->arena, v, DTYPE_F64, o->call->limits->max_elements, "", &all, o->error))
        return false;
    if (all.dtype != DTYPE_F64)
        return error_set(o->error, ERROR_DTYPE_MISMATCH, "%s have dtype %s, expected float64", what,
                         dtype_name(all.dtype));
    if (all.shape.rank && !shape_equal(&all.shape, shape))
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "%s have shape %s, expected one number or shape %s", what,
                         shape_text(&all.shape, has), shape_text(shape, wants));
    const double *x = all.data;
    for (int64_t i = 0; i < n; i++) {
        out[i] = all.shape.rank ? x[i] : x[0];
        if (isfinite(out[i]) && (out[i] > 0 || (may_be_zero && out[i] == 0))) continue;
        return error_set(o->error, ERROR_INVALID_VALUE,
                         "%s must be finite and %s 0; element %" PRId64 " is %g", what,
                         may_be_zero ? "at least" : "above", i, out[i]);
    }
    return true;
}

static size_t moving_of(const struct fitting *t, const char *name) {
    for (size_t i = 0; i < t->m.n; i++)
        if (strcmp(t->m.moving[i].name, name) == 0) return i;
    return SIZE_MAX;
}

/* The variable that a member is named after. */
static bool find_moving(struct fitting *t, const struct json *v, size_t *i) {
    *i = moving_of(t, json_key(v));
    return *i != SIZE_MAX || error_set(t->m.o.error, ERROR_UNBOUND_NAME,
                                       "\"%.80s\" is no variable that moves", json_key(v));
}

/* ---- x_scale ----------------------------------------------------------------------------------- */

static bool read_scales(struct fitting *t, const struct json *v) {
    static const char wants[] = "\"jac\", a number, or an object of numbers by variable";
    const struct shape flat = {.rank = 1, .dim = {(int64_t)t->flat.n}};
    if (json_type(v) == JSON_STRING && strcmp(json_string(v), "jac") == 0) {
        t->scales = NULL;
        return true;
    }
    if (json_type(v) == JSON_NUMBER)
        return read_numbers(t, v, "the scales", &flat, false, t->scales);
    if (json_type(v) == JSON_STRING)
        return error_set(t->m.o.error, ERROR_INVALID_VALUE, "expected %s, found \"%.40s\"", wants,
                         json_string(v));
    if (json_type(v) != JSON_OBJECT) return fail_type(t, v, wants);
    for (v = json_first(v); v; v = json_next(v)) {
        size_t i;
        if (!find_moving(t, v, &i) || !read_numbers(t, v, "the scales", &t->m.moving[i].start.shape,
                                                    false, t->scales + t->flat.offset[i]))
            return error_under(t->m.o.error, json_key(v));
    }
    return true;
}

static bool read_x_scale(struct fitting *t) {
    struct oneshot *o = &t->m.o;
    if (!o->request.x_scale) return true;
    t->scales = arena_alloc(&o->arena, (t->flat.n + 1) * sizeof *t->scales);
    if (!t->scales) return build_fail_memory(&o->b);
    for (size_t i = 0; i < t->flat.n; i++) t->scales[i] = 1;
    if (!read_scales(t, o->request.x_scale)) return error_under(o->error, "x_scale");
    t->problem.x_scale = t->scales;
    return true;
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* Weights in the structure of the residuals; null: ones. */
static bool read_weights_of(struct fitting *t, const struct json *v, const struct value *of,
                            double **at) {
    struct oneshot *o = &t->m.o;
    if (of->kind == VALUE_NODE) {
        const struct shape *shape = tape_shape(&o->b.tape, of->node);
        double *out = *at;
        *at += shape_count(shape);
        if (json_type(v) != JSON_NULL) return read_numbers(t, v, "weights", shape, true, out);
        for (; out < *at; out++) *out = 1;
        return true;
    }
    const bool object = of->kind == VALUE_OBJECT;
    const uint32_t n = object ? of->n / 2 : of->n;
    if (json_type(v) == JSON_NUMBERS && !(v = json_split(&o->arena, v)))
        return build_fail_memory(&o->b);
    if (json_type(v) != (object ? JSON_OBJECT : JSON_ARRAY) || json_length(v) != n)
        return error_set(o->error, ERROR_INVALID_VALUE,
                         "weights must have the structure of the residuals, %s of %u; found %s of "
                         "%zu",
                         object ? "an object" : "a list", n, json_type_name(v), json_length(v));
    const struct json *next = json_first(v);
    for (uint32_t i = 0; i < n; i++, next = json_next(next)) {
        const struct value *inner = &of->items[object ? 2 * i + 1 : i];
        const struct json *w = object ? json_member(v, of->items[2 * i].string) : next;
        if (!w)
            return error_set(o->error, ERROR_INVALID_VALUE, "there are no weights of \"%.80s\"",
                             of->items[2 * i].string);
        if (read_weights_of(t, w, inner, at)) continue;
        return object ? error_under(o->error, of->items[2 * i].string)
                      : error_under_index(o->error, i);
    }
    return true;
}

static bool read_weights(struct fitting *t) {
    struct oneshot *o = &t->m.o;
    const struct json *v = o->request.weights;
    if (!v) return true;
    double *weights = arena_alloc(&o->arena, (size_t)t->problem.m * sizeof *weights), *at = weights;
    if (!weights) return build_fail_memory(&o->b);
    if (!read_weights_of(t, v, &t->residuals, &at)) return error_under(o->error, "weights");
    t->problem.weights = weights;
    return true;
}

/* ---- tolerances -------------------------------------------------------------------------------- */

/* The presets go as far as the dtype lets them; a reduction is the square of an angle. */
static void set_tolerances(struct fitting *t) {
    const struct minimize_stop *stop = &t->m.stop;
    struct least_squares_problem *p = &t->problem;
    bool single = t->dtype == DTYPE_F32;
    for (size_t i = 0; i < t->m.n; i++) single = single || t->flat.tensors[i].dtype == DTYPE_F32;
    p->epsilon = single ? 0x1p-23 : 0x1p-52;
    p->ftol = isnan(stop->ftol) ? single ? 1e-9 : 1e-20 : stop->ftol;
    p->xtol = isnan(stop->xtol) ? single ? 1e-7 : 1e-15 : stop->xtol;
    p->gtol = isnan(stop->gtol) ? single ? 1e-7 : 1e-15 : stop->gtol;
}

bool fitting_options(struct fitting *t) {
    set_tolerances(t);
    return read_loss(t) && read_f_scale(t) && read_x_scale(t) && read_weights(t) &&
           minimize_starts(&t->m, &t->starts, &t->n_starts);
}
