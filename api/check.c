/* POST /v1/check: gradients beside central differences of adaptive step, element by element, by many
 * runs of one plan. What is differentiated, and what is shown, is the other routes' business. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "api/oneshot.h"
#include "api/place.h"
#include "core/emit.h"

/* Ridders' method (Advances in Engineering Software 4, 75-76, 1982): central differences at steps
 * that shrink by SHRINK, extrapolated to step 0; of all estimates the one with the least error. */
enum { STEPS = 10, RUNS_PER_STEP = 2, LADDERS = 2 };
static const double SHRINK = 2.0, FIRST_STEP = 0.05;

/* One source: what moves, and how far the gradient is from the differences. */
struct comparison {
    const char *name;
    node_id node;
    bool checked;           /* else its answer is null */
    size_t place;           /* among the plan's inputs; n_inputs: the targets do not read it */
    struct tensor moved;    /* a copy of what it is bound to, so that elements can be moved */
    struct tensor analytic; /* data NULL: no gradient */
    double max_abs, max_rel, worst; /* worst: the error in units of what is allowed */
    int64_t at;
    double at_analytic, at_numeric;
};

/* A plan with room for what it is bound to. */
struct bound_plan {
    struct plan *plan;
    const struct tensor **bound;
    const node_id *inputs;
    size_t n_inputs;
};

struct check {
    struct oneshot *o;
    struct bound_plan values;    /* the targets alone */
    struct bound_plan gradients; /* the targets, then the gradients that there are */
    struct comparison *sources;
    size_t n_sources, n_targets;
    double step, rtol, atol; /* step 0: by the element's size */
    double *high;            /* the targets' elements at the upper point */
    int64_t n_elements;
    bool ok;
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
    struct run *run = oneshot_run(c->o, c->values.plan, c->values.bound);
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
    for (int k = 0; k < STEPS; k++) {
        if (!central(c, t, i, h, &row[0])) return false;
        h /= SHRINK;
        if (!isfinite(row[0])) { /* outside of where the function is defined: begin again below */
            rows = 0;
            continue;
        }
        if (isnan(*best)) *best = row[0];
        double factor = 1;
        for (int j = 1; j <= rows; j++) {
            factor *= SHRINK * SHRINK;
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
    if (r->at >= 0 && share <= r->worst) return;
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
                             const struct batch *batch) {
    struct shape shape = r->moved.shape;
    if (batch->given) {
        shape = (struct shape){.rank = 1, .dim = {batch->n}};
        for (int i = 0; i < r->moved.shape.rank && i < RANK_MAX - 1; i++)
            shape.dim[shape.rank++] = r->moved.shape.dim[i];
    }
    write_text(out, "{\"max_abs_error\":");
    write_number(out, r->max_abs, DTYPE_F64);
    write_text(out, ",\"max_rel_error\":");
    write_number(out, r->max_rel, DTYPE_F64);
    write_text(out, ",\"worst\":");
    if (r->at < 0) {
        write_text(out, "null}");
        return;
    }
    write_text(out, "{\"index\":");
    write_index(out, &shape, r->at);
    write_text(out, ",\"analytic\":");
    if (r->analytic.data)
        write_number(out, r->at_analytic, r->moved.dtype);
    else
        write_text(out, "null");
    write_text(out, ",\"numeric\":");
    write_number(out, r->at_numeric, r->moved.dtype);
    write_text(out, "}}");
}

/* Compares all elements of a source at the point that is bound. */
static bool check_source(struct check *c, struct comparison *r, int64_t point) {
    const struct tensor *bound = oneshot_bound(c->o, r->node);
    const bool read = r->place < c->values.n_inputs;
    const int64_t n = shape_count(&r->moved.shape);
    bool ok = true;
    memcpy(r->moved.data, bound->data, tensor_bytes(bound));
    if (read) c->values.bound[r->place] = &r->moved;
    for (int64_t i = 0; i < n && ok; i++) {
        double numeric = 0;
        ok = !read || differences(c, &r->moved, i, &numeric);
        const double analytic = r->analytic.data ? element(&r->analytic, i) : 0;
        if (ok) compare(c, r, point * n + i, analytic, numeric);
    }
    if (read) c->values.bound[r->place] = bound;
    return ok;
}

/* The gradients at the point that is bound, copied. */
static bool run_gradients(struct check *c) {
    const struct bound_plan *p = &c->gradients;
    struct run *run = oneshot_run(c->o, p->plan, p->bound);
    if (!run) return false;
    for (size_t i = 0, k = c->n_targets; i < c->n_sources; i++) {
        struct tensor *analytic = &c->sources[i].analytic;
        if (!analytic->data) continue;
        const struct tensor t = run_result(run, k++);
        memcpy(analytic->data, t.data, tensor_bytes(&t));
    }
    run_end(run);
    return true;
}

static bool check_point(struct check *c, int64_t point) {
    if (!run_gradients(c)) return false;
    for (size_t i = 0; i < c->n_sources; i++)
        if (c->sources[i].checked && !check_source(c, &c->sources[i], point)) return false;
    return true;
}

/* A point of a batch whose data fails is left out and named. */
static bool check_points(struct check *c) {
    struct oneshot *o = c->o;
    c->ok = true;
    if (!o->batch.given) return check_point(c, 0);
    for (int64_t i = 0; i < o->batch.n; i++) {
        batch_select(o, i);
        if (!check_point(c, i) && !batch_note(o, i)) return false;
    }
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

/* All runs are counted before the first. */
static bool within_work(const struct check *c) {
    const int64_t points = c->o->batch.given ? c->o->batch.n : 1;
    int64_t runs = 0;
    for (size_t i = 0; i < c->n_sources; i++)
        if (c->sources[i].checked) runs += shape_count(&c->sources[i].moved.shape);
    if (__builtin_mul_overflow(runs, points * LADDERS * STEPS * RUNS_PER_STEP, &runs))
        runs = INT64_MAX;
    return oneshot_runs_within(c->o, runs, plan_work(c->values.plan) + c->n_elements);
}

static bool write_answer(const struct check *c, struct writer *out) {
    const struct oneshot *o = c->o;
    write_text(out, c->ok ? "{\"ok\":true,\"sources\":{" : "{\"ok\":false,\"sources\":{");
    for (size_t i = 0; i < c->n_sources; i++) {
        if (i) write_text(out, ",");
        write_string(out, c->sources[i].name);
        write_text(out, ":");
        if (c->sources[i].checked)
            write_comparison(out, &c->sources[i], &o->batch);
        else
            write_text(out, "null");
    }
    write_text(out, "}");
    if (o->batch.n_failures) batch_write_failures(o, out);
    if (o->warnings) oneshot_write_warnings(o, out);
    write_text(out, "}");
    return writer_whole(out, o->error);
}

/* Room for one tensor like the node's. */
static bool new_tensor(struct oneshot *o, node_id node, struct tensor *t) {
    *t = (struct tensor){.dtype = tape_dtype(&o->b.tape, node),
                         .shape = *tape_shape(&o->b.tape, node)};
    t->data = arena_alloc_tensor(&o->arena, tensor_bytes(t) + 1);
    return t->data || build_fail_memory(&o->b);
}

/* What is moved is bound, so a source is a variable or a constant; each stands once in the answer. */
static bool list_sources(struct check *c, const struct window *w, const node_id *nodes, size_t n) {
    enum { SEEN = 1, WATCHED = 2 };
    struct oneshot *o = c->o;
    uint8_t *flags = arena_zalloc(&o->arena, o->n_bound + 1);
    c->sources = arena_zalloc(&o->arena, (n + 1) * sizeof *c->sources);
    if (!flags || !c->sources) return build_fail_memory(&o->b);
    for (size_t i = 0; i < w->n_watched; i++)
        if (w->watched[i] < o->n_bound) flags[w->watched[i]] |= WATCHED;
    for (size_t i = 0; i < n; i++) {
        if (nodes[i] >= o->n_bound) {
            const char *name = build_name_of(&o->b, nodes[i]);
            error_set(o->error, ERROR_INVALID_VALUE,
                      "only variables and constants can be checked; \"%.80s\" is computed",
                      name ? name : "a source");
            return error_under(o->error, "sources");
        }
        if (flags[nodes[i]] & SEEN) continue;
        struct comparison *r = &c->sources[c->n_sources++];
        r->node = nodes[i];
        r->name = o->b.names.list[nodes[i]].text; /* bindings are the first names */
        r->at = -1;
        r->checked = flags[nodes[i]] & WATCHED && dtype_is_float(o->tensors[nodes[i]].dtype);
        flags[nodes[i]] |= SEEN;
        if (!new_tensor(o, nodes[i], &r->moved)) return false;
    }
    return true;
}

static bool read_tolerances(struct check *c, const node_id *targets) {
    struct oneshot *o = c->o;
    bool single = false;
    for (size_t i = 0; i < c->n_sources; i++)
        single = single || c->sources[i].moved.dtype == DTYPE_F32;
    for (size_t i = 0; i < c->n_targets; i++) {
        single = single || tape_dtype(&o->b.tape, targets[i]) == DTYPE_F32;
        c->n_elements += shape_count(tape_shape(&o->b.tape, targets[i]));
    }
    c->rtol = single ? 1e-2 : 1e-6;
    c->atol = single ? 1e-3 : 1e-8;
    c->high = arena_alloc(&o->arena, (size_t)(c->n_elements + 1) * sizeof *c->high);
    return read_positive(o, o->request.step, "step", false, &c->step) &&
           read_positive(o, o->request.rtol, "rtol", true, &c->rtol) &&
           read_positive(o, o->request.atol, "atol", true, &c->atol) &&
           (c->high || build_fail_memory(&o->b));
}

static bool compile(struct oneshot *o, const node_id *wanted, size_t n, struct bound_plan *p) {
    p->plan = oneshot_plan(o, wanted, n, &p->bound, &p->inputs, &p->n_inputs);
    return p->plan != NULL;
}

/* Where each source stands among the inputs of the values' plan. */
static bool find_places(struct check *c) {
    const struct bound_plan *p = &c->values;
    size_t *place = arena_alloc(&c->o->arena, (c->o->n_bound + 1) * sizeof *place);
    if (!place) return build_fail_memory(&c->o->b);
    for (uint32_t i = 0; i < c->o->n_bound; i++) place[i] = p->n_inputs;
    for (size_t i = 0; i < p->n_inputs; i++)
        if (p->inputs[i] < c->o->n_bound) place[p->inputs[i]] = i;
    for (size_t i = 0; i < c->n_sources; i++) c->sources[i].place = place[c->sources[i].node];
    return true;
}

/* What is differenced: each target times its output gradient, so that the sum of all elements has the
 * gradients that are compared. */
static node_id *weighted(struct check *c, const node_id *targets, const node_id *seeds) {
    struct tape *t = &c->o->b.tape;
    node_id *nodes = arena_alloc(&c->o->arena, (c->n_targets + 1) * sizeof *nodes);
    for (size_t i = 0; nodes && i < c->n_targets; i++) {
        const bool weighs =
            seeds && seeds[i] != NODE_NONE && dtype_is_float(tape_dtype(t, targets[i]));
        nodes[i] = weighs ? emit_multiply(t, targets[i], seeds[i]) : targets[i];
    }
    return nodes;
}

/* Both plans: the targets as they are differenced, and with them their gradients. */
static bool prepare(struct check *c, const struct window *w, const node_id *targets,
                    const node_id *seeds) {
    struct oneshot *o = c->o;
    const size_t n = c->n_sources;
    node_id *nodes = arena_alloc(&o->arena, (2 * n + c->n_targets + 1) * sizeof *nodes);
    if (!nodes) return build_fail_memory(&o->b);
    node_id *gradients = nodes + n, *wanted = gradients; /* the latter overwrites what was read */
    for (size_t i = 0; i < n; i++) nodes[i] = c->sources[i].node;
    if (!tape_gradient(&o->b.tape, w, targets, seeds, c->n_targets, nodes, n, gradients))
        return false;
    targets = weighted(c, targets, seeds);
    if (!targets) return build_fail_memory(&o->b);
    if (!tape_ok(&o->b.tape)) return false;
    size_t n_wanted = 0;
    for (size_t i = 0; i < n; i++) {
        if (gradients[i] == NODE_NONE) continue;
        if (!new_tensor(o, c->sources[i].node, &c->sources[i].analytic)) return false;
        nodes[n_wanted++] = gradients[i];
    }
    for (size_t i = 0; i < c->n_targets; i++) wanted[i] = targets[i];
    for (size_t i = 0; i < n_wanted; i++) wanted[c->n_targets + i] = nodes[i];
    return compile(o, wanted, c->n_targets + n_wanted, &c->gradients) &&
           compile(o, targets, c->n_targets, &c->values) && find_places(c);
}

static bool check(struct oneshot *o, struct writer *out) {
    struct value structure;
    struct window w;
    node_id *targets, *seeds, *sources;
    size_t n;
    struct check c = {.o = o};
    if (!oneshot_targets(o, &targets, &seeds, &c.n_targets) ||
        !oneshot_sources(o, &structure, &sources, &n) || !oneshot_window(o, &w))
        return false;
    const bool ok = list_sources(&c, &w, sources, n) && read_tolerances(&c, targets) &&
                    prepare(&c, &w, targets, seeds) && within_work(&c) && check_points(&c) &&
                    write_answer(&c, out);
    if (c.values.plan) plan_release(c.values.plan);
    if (c.gradients.plan) plan_release(c.gradients.plan);
    return ok;
}

bool service_check(const struct service_call *call, struct writer *out, struct error *error) {
    struct oneshot o;
    const bool ok = oneshot_begin(&o, call, REQUEST_CHECK, error) && check(&o, out);
    oneshot_end(&o);
    return ok;
}
