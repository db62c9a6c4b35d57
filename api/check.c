/* POST /v1/check: gradients beside central differences of adaptive step, element by element, by many
 * runs of one plan. What is differentiated, and what is shown, is the other routes' business. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "api/oneshot.h"
#include "api/place.h"

/* Ridders' method (Advances in Engineering Software 4, 75-76, 1982): central differences at steps
 * that shrink by SHRINK, extrapolated to step 0; of all estimates the one with the least error. */
enum { STEPS = 10, RUNS_PER_STEP = 2, LADDERS = 2 };
static const double SHRINK = 2.0, FIRST_STEP = 0.05;

struct check {
    struct oneshot *o;
    struct plan *plan;           /* the targets alone */
    const struct tensor **bound; /* of the plan's inputs */
    const node_id *inputs;
    size_t n_inputs, n_targets;
    struct run_control control;
    double step, rtol, atol; /* step 0: by the element's size */
    double *high;            /* the targets' elements at the upper point */
    int64_t n_elements;
    bool ok;
};

/* One source. */
struct comparison {
    const struct tensor *analytic;  /* NULL: no gradient */
    double max_abs, max_rel, worst; /* worst: the error in units of what is allowed */
    int64_t at;
    double at_analytic, at_numeric;
};

static double element(const struct tensor *t, int64_t i) {
    switch (t->dtype) {
    case DTYPE_F32:
        return (double)((const float *)t->data)[i];
    case DTYPE_F64:
        return ((const double *)t->data)[i];
    case DTYPE_I32:
        return ((const int32_t *)t->data)[i];
    case DTYPE_I64:
        return (double)((const int64_t *)t->data)[i];
    default:
        return ((const uint8_t *)t->data)[i];
    }
}

static void set_element(const struct tensor *t, int64_t i, double x) {
    if (t->dtype == DTYPE_F32)
        ((float *)t->data)[i] = (float)x;
    else
        ((double *)t->data)[i] = x;
}

/* ---- differences -------------------------------------------------------------------------------- */

/* Runs at the bound point. The first time the targets' elements are kept; the second time what they
 * differ by is summed, element by element, so that large ones do not hide small ones. */
static bool run_once(struct check *c, bool first, double *difference) {
    struct run *run = plan_run(c->plan, c->bound, &c->control, c->o->error);
    if (!run) return false;
    int64_t k = 0;
    *difference = 0;
    for (size_t i = 0; i < c->n_targets; i++) {
        const struct tensor t = run_result(run, i);
        const int64_t n = shape_count(&t.shape);
        for (int64_t j = 0; j < n; j++, k++) {
            if (first)
                c->high[k] = element(&t, j);
            else
                *difference += c->high[k] - element(&t, j);
        }
    }
    run_end(run);
    return true;
}

/* (f(x + h) - f(x - h)) over the distance that the dtype really makes of 2h; NaN where it makes none. */
static bool central(struct check *c, const struct tensor *t, int64_t i, double h, double *slope) {
    const double x = element(t, i);
    double difference, unused;
    set_element(t, i, x + h);
    const double above = element(t, i);
    bool ok = run_once(c, true, &unused);
    set_element(t, i, x - h);
    const double below = element(t, i);
    ok = ok && run_once(c, false, &difference);
    set_element(t, i, x);
    if (!ok) return false;
    *slope = above > below ? difference / (above - below) : (double)NAN;
    return true;
}

/* One ladder of steps from h down; improves on *best where its error estimate is below *error. */
static bool climb(struct check *c, const struct tensor *t, int64_t i, double h, double *best,
                  double *error) {
    double row[STEPS], last[STEPS];
    int rows = 0;
    for (int k = 0; k < STEPS; k++, h /= SHRINK) {
        if (!central(c, t, i, h, &row[0])) return false;
        if (!isfinite(row[0])) { /* outside of where the function is defined: begin again below */
            rows = 0;
            continue;
        }
        if (isnan(*best)) *best = row[0];
        double factor = SHRINK * SHRINK;
        for (int j = 1; j <= rows; j++, factor *= SHRINK * SHRINK) {
            row[j] = (row[j - 1] * factor - last[j - 1]) / (factor - 1);
            const double e = fmax(fabs(row[j] - row[j - 1]), fabs(row[j] - last[j - 1]));
            if (e < *error) {
                *error = e;
                *best = row[j];
            }
        }
        memcpy(last, row, sizeof last);
        rows++;
    }
    return true;
}

/* The derivative by one element; NaN where no step gives a finite one. */
static bool differences(struct check *c, const struct tensor *t, int64_t i, double *slope) {
    const double x = fabs(element(t, i));
    double error = INFINITY;
    *slope = NAN;
    if (c->step > 0) return climb(c, t, i, c->step, slope, &error);
    if (!climb(c, t, i, FIRST_STEP * fmax(x, 1), slope, &error)) return false;
    const bool good = error <= c->atol + c->rtol * fabs(*slope);
    return good || x == 0 || x >= 1 || climb(c, t, i, FIRST_STEP * x, slope, &error);
}

/* ---- one source --------------------------------------------------------------------------------- */

static void compare(struct check *c, struct comparison *r, int64_t i, double analytic,
                    double numeric) {
    const double error = analytic == numeric ? 0 : fabs(analytic - numeric);
    const double largest = fmax(fabs(analytic), fabs(numeric));
    const double relative = error == 0 ? 0 : error / largest;
    const double allowed = c->atol + c->rtol * fabs(numeric);
    double share = error == 0 ? 0 : error / allowed;
    if (isnan(share)) share = INFINITY;
    if (!(error <= allowed)) c->ok = false;
    /* A comparison that is false for NaN, so that the first NaN stays. */
    if (!(error <= r->max_abs) && !isnan(r->max_abs)) r->max_abs = error;
    if (!(relative <= r->max_rel) && !isnan(r->max_rel)) r->max_rel = relative;
    if (i > 0 && share <= r->worst) return;
    r->worst = share;
    r->at = i;
    r->at_analytic = analytic;
    r->at_numeric = numeric;
}

static void write_number(struct writer *out, double x, enum dtype dtype) {
    float single = (float)x;
    const struct tensor t = {.dtype = dtype, .data = dtype == DTYPE_F32 ? (void *)&single : &x};
    write_tensor(out, &t, FORMAT_NESTED);
}

static void write_index(struct writer *out, const struct shape *shape, int64_t at) {
    int64_t index[RANK_MAX];
    for (int i = shape->rank; i-- > 0;) {
        index[i] = at % shape->dim[i];
        at /= shape->dim[i];
    }
    write_text(out, "[");
    for (int i = 0; i < shape->rank; i++) {
        if (i) write_text(out, ",");
        write_int(out, index[i]);
    }
    write_text(out, "]");
}

static void write_comparison(struct writer *out, const struct comparison *r,
                             const struct tensor *t) {
    write_text(out, "{\"max_abs_error\":");
    write_number(out, r->max_abs, DTYPE_F64);
    write_text(out, ",\"max_rel_error\":");
    write_number(out, r->max_rel, DTYPE_F64);
    write_text(out, ",\"worst\":");
    if (shape_count(&t->shape) == 0) {
        write_text(out, "null}");
        return;
    }
    write_text(out, "{\"index\":");
    write_index(out, &t->shape, r->at);
    write_text(out, ",\"analytic\":");
    if (r->analytic)
        write_number(out, r->at_analytic, t->dtype);
    else
        write_text(out, "null");
    write_text(out, ",\"numeric\":");
    write_number(out, r->at_numeric, t->dtype);
    write_text(out, "}}");
}

static bool check_source(struct check *c, node_id source, const struct tensor *analytic,
                         struct writer *out) {
    const struct tensor *bound = oneshot_bound(c->o, source);
    struct tensor moved = *bound;
    struct comparison r = {.analytic = analytic};
    /* The differences move elements, so they have a copy of their own. */
    moved.data = arena_alloc_tensor(&c->o->arena, tensor_bytes(bound));
    if (!moved.data) return build_fail_memory(&c->o->b);
    memcpy(moved.data, bound->data, tensor_bytes(bound));
    size_t place = 0;
    while (place < c->n_inputs && c->inputs[place] != source) place++;
    const bool read = place < c->n_inputs; /* else the targets do not depend on it */
    if (read) c->bound[place] = &moved;
    const int64_t n = shape_count(&moved.shape);
    for (int64_t i = 0; i < n; i++) {
        double numeric = 0;
        if (read && !differences(c, &moved, i, &numeric)) return false;
        compare(c, &r, i, analytic ? element(analytic, i) : 0, numeric);
    }
    if (read) c->bound[place] = bound;
    write_comparison(out, &r, &moved);
    return true;
}

/* ---- the request -------------------------------------------------------------------------------- */

static bool read_positive(struct oneshot *o, const struct json *v, const char *name, bool zero,
                          double *out) {
    size_t n = 0;
    if (!v) return true;
    if (json_type(v) == JSON_NUMBER && json_double(v, out) && isfinite(*out) &&
        (*out > 0 || (zero && *out == 0)))
        return true;
    const char *text = json_text(v, &n), *wants = zero ? "of at least 0" : "above 0";
    if (text)
        error_set(o->error, ERROR_INVALID_VALUE, "expected a number %s, found %.*s", wants,
                  n < 40 ? (int)n : 40, text);
    else
        error_set(o->error, ERROR_INVALID_REQUEST, "expected a number %s, found %s", wants,
                  json_type_name(v));
    return error_under(o->error, name);
}

/* Sources of a check are moved, so they are bindings. */
static bool check_bindings(struct oneshot *o, const node_id *sources, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *name = build_name_of(&o->b, sources[i]);
        if (sources[i] < o->n_bound) continue;
        error_set(o->error, ERROR_INVALID_VALUE,
                  "only variables and constants can be checked; \"%.80s\" is computed",
                  name ? name : "a source");
        return error_under(o->error, "sources");
    }
    return true;
}

static bool is_watched(const struct window *w, node_id node) {
    for (size_t i = 0; i < w->n_watched; i++)
        if (w->watched[i] == node) return true;
    return false;
}

/* All runs are counted before the first. */
static bool within_work(struct oneshot *o, const struct check *c, const node_id *sources,
                        size_t n) {
    const int64_t limit = o->call->limits->max_work;
    int64_t elements = 0, work;
    for (size_t i = 0; i < n; i++) elements += shape_count(tape_shape(&o->b.tape, sources[i]));
    const int64_t each = plan_work(c->plan) + c->n_elements + 1;
    if (!__builtin_mul_overflow(elements, (int64_t)LADDERS * STEPS * RUNS_PER_STEP, &work) &&
        !__builtin_mul_overflow(work, each, &work) && work <= limit)
        return true;
    return error_set(o->error, ERROR_TOO_MUCH_WORK,
                     "checking %" PRId64 " elements takes up to %d runs of about %" PRId64
                     " operations each; the limit is %" PRId64 " operations",
                     elements, LADDERS * STEPS * RUNS_PER_STEP, each, limit);
}

/* The gradients' values, copied; *values[i] is NULL where source i has none. */
static bool run_gradients(struct oneshot *o, const node_id *gradients, size_t n,
                          const struct tensor **values, const struct run_control *control) {
    const struct tensor **bound;
    const node_id *inputs;
    node_id *wanted = arena_alloc(&o->arena, (n + 1) * sizeof *wanted);
    size_t n_inputs, n_wanted = 0;
    if (!wanted) return build_fail_memory(&o->b);
    for (size_t i = 0; i < n; i++)
        if (gradients[i] != NODE_NONE) wanted[n_wanted++] = gradients[i];
    struct plan *plan = oneshot_plan(o, wanted, n_wanted, &bound, &inputs, &n_inputs);
    struct run *run = plan ? plan_run(plan, bound, control, o->error) : NULL;
    bool ok = run != NULL;
    for (size_t i = 0, k = 0; i < n && ok; i++) {
        values[i] = NULL;
        if (gradients[i] == NODE_NONE) continue;
        struct tensor *copy = arena_alloc(&o->arena, sizeof *copy);
        const struct tensor t = run_result(run, k++);
        if (copy) *copy = t;
        if (copy) copy->data = arena_alloc_tensor(&o->arena, tensor_bytes(&t));
        ok = (copy && copy->data) || build_fail_memory(&o->b);
        if (ok) memcpy(copy->data, t.data, tensor_bytes(&t));
        values[i] = copy;
    }
    run_end(run);
    if (plan) plan_release(plan);
    return ok;
}

static bool write_sources(struct check *c, const struct window *w, const node_id *sources, size_t n,
                          const struct tensor **values, struct writer *out) {
    struct oneshot *o = c->o;
    bool *seen = arena_zalloc(&o->arena, o->n_bound + 1);
    if (!seen) return build_fail_memory(&o->b);
    write_text(out, ",\"sources\":{");
    for (size_t i = 0, written = 0; i < n; i++) {
        if (seen[sources[i]]) continue;
        seen[sources[i]] = true;
        if (written++) write_text(out, ",");
        write_string(out, build_name_of(&o->b, sources[i]));
        write_text(out, ":");
        /* What is not watched has no gradient that could be wrong. */
        if (!values[i] &&
            (!is_watched(w, sources[i]) || !dtype_is_float(tape_dtype(&o->b.tape, sources[i]))))
            write_text(out, "null");
        else if (!check_source(c, sources[i], values[i], out))
            return false;
    }
    write_text(out, "}}");
    return true;
}

/* The answer begins with `ok`, which is known last: the sources are written apart. */
static bool write_answer(struct check *c, const struct window *w, const node_id *sources, size_t n,
                         const struct tensor **values, struct writer *out) {
    struct writer inner;
    writer_init(&inner, out->ceiling);
    c->ok = true;
    const bool done = write_sources(c, w, sources, n, values, &inner);
    if (done) {
        write_text(out, c->ok ? "{\"ok\":true" : "{\"ok\":false");
        write_bytes(out, inner.data, inner.length);
    }
    const bool full = done && (inner.full || out->full);
    writer_free(&inner);
    return full ? error_set(c->o->error, ERROR_MEMORY_BUDGET,
                            "the answer is larger than the %zu bytes it may take", out->ceiling)
                : done;
}

static bool check(struct oneshot *o, struct writer *out) {
    struct value structure;
    struct window w;
    node_id *targets, *seeds, *sources;
    size_t n;
    struct check c = {
        .o = o,
        .control = {.cancelled = o->call->control.cancelled, .deadline = o->request.deadline}};
    if (!oneshot_targets(o, &targets, &seeds, &c.n_targets) ||
        !oneshot_sources(o, &structure, &sources, &n) || !oneshot_window(o, &w) ||
        !check_bindings(o, sources, n))
        return false;
    bool single = false;
    for (size_t i = 0; i < n; i++)
        single = single || tape_dtype(&o->b.tape, sources[i]) == DTYPE_F32;
    for (size_t i = 0; i < c.n_targets; i++) {
        single = single || tape_dtype(&o->b.tape, targets[i]) == DTYPE_F32;
        c.n_elements += shape_count(tape_shape(&o->b.tape, targets[i]));
    }
    c.rtol = single ? 1e-2 : 1e-6;
    c.atol = single ? 1e-3 : 1e-8;
    if (!read_positive(o, o->request.step, "step", false, &c.step) ||
        !read_positive(o, o->request.rtol, "rtol", true, &c.rtol) ||
        !read_positive(o, o->request.atol, "atol", true, &c.atol))
        return false;
    node_id *gradients = arena_alloc(&o->arena, (n + 1) * sizeof *gradients);
    const struct tensor **values = arena_alloc(&o->arena, (n + 1) * sizeof *values);
    c.high = arena_alloc(&o->arena, (size_t)(c.n_elements + 1) * sizeof *c.high);
    if (!gradients || !values || !c.high) return build_fail_memory(&o->b);
    if (!tape_gradient(&o->b.tape, &w, targets, NULL, c.n_targets, sources, n, gradients) ||
        !run_gradients(o, gradients, n, values, &c.control))
        return false;
    c.plan = oneshot_plan(o, targets, c.n_targets, &c.bound, &c.inputs, &c.n_inputs);
    if (!c.plan) return false;
    const bool ok = within_work(o, &c, sources, n) && write_answer(&c, &w, sources, n, values, out);
    plan_release(c.plan);
    return ok;
}

bool service_check(const struct service_call *call, struct writer *out, struct error *error) {
    struct oneshot o;
    const bool ok = oneshot_begin(&o, call, REQUEST_CHECK, error) && check(&o, out);
    oneshot_end(&o);
    return ok;
}
