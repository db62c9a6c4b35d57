/* The loop of Levenberg and Marquardt: where to try, what to take, when to stop. Knows no graph: residuals
 * and Jacobians come by callback, the linear algebra of a step is its own file's. */
#include "core/least_squares.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/kernels/upper.h"
#include "core/least_squares_fit.h"

enum { BLOCK = 256 };

int64_t least_squares_work(int64_t m, int64_t n) {
    int64_t square, rows, work;
    if (__builtin_mul_overflow(n + 1, n + 1, &square) ||
        __builtin_add_overflow(m, 8 * (n + 1), &rows) ||
        __builtin_mul_overflow(square, rows, &work) || __builtin_mul_overflow(work, 2, &work))
        return INT64_MAX;
    return work;
}

static enum evaluation evaluate(struct fit *f, struct fit_point *at) {
    if (!run_tick(f->run, f->p->m)) return EVALUATION_STOPPED;
    const enum evaluation e = f->p->evaluate(f->p->context, at->x, at->r);
    if (e != EVALUATION_DONE) return e;
    at->cost = fit_cost(f, at->r);
    return isfinite(at->cost) ? EVALUATION_DONE : EVALUATION_UNDEFINED;
}

/* ---- the model at a point ---------------------------------------------------------------------------- */

static double norm_of(const double *x, int64_t n) {
    double most = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    if (most == 0 || !isfinite(most)) return most;
    for (int64_t i = 0; i < n; i++) sum += x[i] / most * (x[i] / most);
    return most * sqrt(sum);
}

/* More's scaling never shrinks; here it may by half at a step, or a variable whose column was large far from
 * the minimum would creep ever after. */
static void scale_columns(struct fit *f) {
    static const double FADE = 0.5;
    const struct least_squares_problem *p = f->p;
    for (int64_t j = 0; j < p->n; j++) {
        if (p->x_scale)
            f->scale[j] = 1 / p->x_scale[j];
        else if (f->scale[j] == 0)
            f->scale[j] = f->at.norm[j] > 0 ? f->at.norm[j] : 1;
        else
            f->scale[j] = fmax(f->at.norm[j], FADE * f->scale[j]);
    }
}

/* A gradient that points out of the bounds holds its variable; the others make the base triangle. */
static bool hold(struct fit *f, struct least_squares *out) {
    const struct least_squares_problem *p = f->p;
    memcpy(f->g, f->at.triangle + p->n * f->k, (size_t)p->n * sizeof *f->g);
    upper_multiply(true, p->n, f->at.triangle, f->k, f->g);
    memset(f->s, 0, (size_t)p->n * sizeof *f->s);
    for (int64_t j = 0; j < p->n; j++) {
        f->held[j] = p->lower && ((f->at.x[j] <= p->lower[j] && f->g[j] >= 0) ||
                                  (f->at.x[j] >= p->upper[j] && f->g[j] <= 0));
        f->along[j] = f->held[j] ? 0 : f->g[j];
    }
    out->gradient_norm = norm_of(f->along, p->n);
    return fit_part(f, f->at.triangle, f->held, f->s, f->base);
}

/* How much the undamped model could lessen the cost. Where a column depends on those before it, what QR has
 * left of it is rounding: it is forgotten, and the others promise alone. False where the run should stop. */
static bool find_promise(struct fit *f, double *promise) {
    const double tolerance = least_squares_tolerance(f->p), *triangle = f->base;
    bool depends = false;
    memcpy(f->still, f->held, (size_t)f->p->n * sizeof *f->still);
    for (int64_t i = 0; i < f->n_free; i++) {
        double *left = f->base + i * (f->k + 1);
        if (fabs(*left) > tolerance * f->at.norm[f->free[i]]) continue;
        depends = f->still[f->free[i]] = true;
        *left = 0;
    }
    if (depends) {
        if (!fit_part(f, f->at.triangle, f->still, f->s, f->part)) return false;
        triangle = f->part;
    }
    const double *q = triangle + f->n_free * f->k;
    *promise = 0;
    for (int64_t i = 0; i < f->n_free; i++) *promise += 0.5 * q[i] * q[i];
    return true;
}

/* What rounding makes of a residual that is a small difference of what the variables make. */
static double rounding(const struct fit *f) {
    double most = 0;
    for (int64_t j = 0; j < f->p->n; j++) most = fmax(most, fabs(f->at.x[j]) * f->at.norm[j]);
    return f->p->epsilon * most;
}

/* What it makes of the cost. In the gain both reductions are raised by it: A. R. Conn, N. I. M. Gould,
 * Ph. L. Toint, Trust-Region Methods (2000), 17.4.2. */
static double noise(const struct fit *f) {
    return 10 * f->p->epsilon * f->at.cost + sqrt(2 * f->at.cost) * rounding(f);
}

static enum least_squares_test test_point(const struct fit *f, double promise) {
    const struct least_squares_problem *p = f->p;
    const double size = sqrt(2 * f->at.cost);
    const double least = 4 * rounding(f);
    double cosine = 0;
    if (f->at.cost == 0) return TEST_ZERO;
    for (int64_t j = 0; j < p->n; j++)
        if (!f->held[j] && f->at.norm[j] > 0)
            cosine = fmax(cosine, fabs(f->g[j]) / (f->at.norm[j] * size));
    if (cosine <= p->gtol) return TEST_GTOL;
    return promise <= fmax(p->ftol * f->at.cost, 0.5 * least * least) ? TEST_FTOL : TEST_NONE;
}

/* ---- the loop ----------------------------------------------------------------------------------------- */

/* How far the damping goes; H. B. Nielsen, Damping Parameter in Marquardt's Method (1999). */
struct damping {
    double lambda, growth, least;
};

static void begin_damping(const struct fit *f, struct damping *d) {
    double most = 0;
    for (int64_t j = 0; j < f->p->n; j++) most = fmax(most, f->at.norm[j] / f->scale[j]);
    if (most == 0) most = 1;
    *d = (struct damping){
        .lambda = 0.1 * most * most, .growth = 2, .least = pow(f->p->epsilon, 1.25) * most * most};
}

static void adapt(struct damping *d, double gain) {
    const double c = 2 * gain - 1;
    d->lambda = fmax(d->lambda * fmax(1.0 / 3, 1 - c * c * c), d->least);
    d->growth = 2;
}

/* The point that the step leads to, exactly on the bounds that it meets. False where it leads nowhere. */
static bool step_to(struct fit *f) {
    const struct least_squares_problem *p = f->p;
    double step = 0, size = 0;
    bool moved = false;
    for (int64_t j = 0; j < p->n; j++) {
        double x = f->at.x[j] + f->s[j];
        if (p->lower) x = fmin(fmax(x, p->lower[j]), p->upper[j]);
        moved = moved || x != f->at.x[j];
        f->tried.x[j] = x;
        f->along[j] = f->scale[j] * f->s[j];
    }
    step = norm_of(f->along, p->n);
    for (int64_t j = 0; j < p->n; j++) f->along[j] = f->scale[j] * f->at.x[j];
    size = norm_of(f->along, p->n);
    return moved && !(step <= p->xtol * size);
}

static void swap(struct fit *f) {
    const struct fit_point at = f->at;
    f->at = f->tried;
    f->tried = at;
}

/* Evaluates where the step leads; *gain is what the model has promised, and becomes the part of it that was
 * kept. */
static enum evaluation try_step(struct fit *f, double *gain) {
    const double promise = *gain;
    const enum evaluation e = evaluate(f, &f->tried);
    if (e != EVALUATION_DONE) return e;
    *gain = (fit_reduction(f, f->at.r, f->tried.r) + noise(f)) / (promise + noise(f));
    return *gain > 1e-4 ? fit_load(f, &f->tried) : EVALUATION_UNDEFINED;
}

static bool converge(struct least_squares *out, enum least_squares_test test) {
    out->status = LEAST_SQUARES_CONVERGED;
    out->test = test;
    return false;
}

/* One step from a point, shorter and shorter until it lessens the cost; false at the end of the run. */
static bool step(struct fit *f, struct damping *d, struct least_squares *out) {
    for (bool first = true; isfinite(d->lambda); first = false) {
        if (!first) {
            d->lambda *= d->growth;
            d->growth *= 2;
            if (!isfinite(d->lambda)) break;
        }
        if (out->evaluations > f->p->max_steps) {
            out->status = LEAST_SQUARES_MAX_STEPS;
            return false;
        }
        double gain = fit_step(f, d->lambda);
        const enum evaluation bent = gain > noise(f) ? fit_bend(f) : EVALUATION_DONE;
        if (bent == EVALUATION_STOPPED || f->run->stopped) return false;
        if (bent == EVALUATION_UNDEFINED) gain = 0;
        if (isfinite(gain) && !step_to(f)) return converge(out, TEST_XTOL);
        if (!(gain > 0)) continue;
        const enum evaluation e = try_step(f, &gain);
        out->evaluations++;
        if (e == EVALUATION_STOPPED) return false;
        if (e == EVALUATION_UNDEFINED) continue;
        swap(f);
        adapt(d, gain);
        out->steps++;
        return true;
    }
    return converge(out, TEST_XTOL);
}

static void iterate(struct fit *f, struct least_squares *out) {
    const struct least_squares_problem *p = f->p;
    struct damping d = {0};
    double promise;
    for (;;) {
        scale_columns(f);
        if (out->steps == 0) begin_damping(f, &d);
        fit_bends(f);
        if (!hold(f, out) || !find_promise(f, &promise)) return;
        if (p->report &&
            !p->report(p->context, out->steps, f->at.x, f->at.cost, out->gradient_norm))
            return;
        const enum least_squares_test test = test_point(f, promise);
        if (test != TEST_NONE) converge(out, test);
        if (test != TEST_NONE || !step(f, &d, out)) return;
    }
}

/* ---- memory ------------------------------------------------------------------------------------------- */

static bool take_point(struct arena *arena, int64_t m, int64_t n, struct fit_point *at) {
    at->x = arena_alloc(arena, (size_t)n * sizeof *at->x);
    at->r = arena_alloc(arena, (size_t)m * sizeof *at->r);
    at->norm = arena_zalloc(arena, (size_t)n * sizeof *at->norm);
    at->triangle = arena_alloc_tensor(arena, (size_t)((n + 1) * (n + 1)) * sizeof *at->triangle);
    return at->x && at->r && at->norm && at->triangle;
}

static bool take(struct fit *f, struct arena *arena) {
    const int64_t m = f->p->m, n = f->p->n, k = f->k;
    double **const vectors[] = {&f->scale, &f->g, &f->s, &f->a, &f->along};
    double **const squares[] = {&f->base, &f->part};
    if (!take_point(arena, m, n, &f->at) || !take_point(arena, m, n, &f->tried)) return false;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        if (!(*vectors[i] = arena_zalloc(arena, (size_t)n * sizeof(double)))) return false;
    for (size_t i = 0; i < sizeof squares / sizeof *squares; i++)
        if (!(*squares[i] = arena_alloc_tensor(arena, (size_t)(k * k) * sizeof(double))))
            return false;
    f->block_rows = m < BLOCK && n < BLOCK ? (m > n ? m : n) : BLOCK;
    const int64_t work = upper_work(k) > 2 * f->block_rows ? upper_work(k) : 2 * f->block_rows;
    f->block = arena_alloc_tensor(arena, (size_t)(f->block_rows * k) * sizeof(double));
    f->work = arena_alloc_tensor(arena, (size_t)work * sizeof(double));
    f->held = arena_zalloc(arena, (size_t)n * sizeof *f->held);
    f->still = arena_alloc(arena, (size_t)n * sizeof *f->still);
    f->free = arena_alloc(arena, (size_t)n * sizeof *f->free);
    return f->block && f->work && f->held && f->still && f->free;
}

static bool take_factors(struct fit *f, struct arena *arena) {
    const double *weights = f->p->weights;
    if (f->p->bend && !(f->bends = arena_alloc(arena, (size_t)f->p->m * sizeof *f->bends)))
        return false;
    if (!weights) return true;
    f->root = arena_alloc(arena, (size_t)f->p->m * sizeof *f->root);
    for (int64_t i = 0; f->root && i < f->p->m; i++) f->root[i] = sqrt(weights[i]);
    return f->root;
}

static void finish(const struct fit *f, struct least_squares *out) {
    double sum = 0;
    for (int64_t i = 0; i < f->p->m; i++) {
        const double y = fit_weighted(f, f->at.r, i);
        sum += y * y;
    }
    out->x = f->at.x, out->r = f->at.r, out->triangle = f->at.triangle;
    out->held = f->held;
    out->cost = f->at.cost;
    out->rss = sum;
}

bool least_squares_run(const struct least_squares_problem *p, const double *x, struct arena *arena,
                       struct least_squares *out) {
    struct run run = {.control = p->control, .error = p->error, .until_check = CHECK_EVERY};
    struct fit f = {.p = p, .k = p->n + 1, .run = &run};
    *out = (struct least_squares){.status = LEAST_SQUARES_STOPPED};
    if (!take(&f, arena) || !take_factors(&f, arena)) {
        return error_set(
            p->error, ERROR_MEMORY_BUDGET,
            "a fit of %lld residuals and %lld variables needs more than the %zu bytes a "
            "request may take",
            (long long)p->m, (long long)p->n, arena->ceiling);
    }
    memcpy(f.at.x, x, (size_t)p->n * sizeof *x);
    enum evaluation e = evaluate(&f, &f.at);
    out->evaluations = 1;
    if (e == EVALUATION_DONE) e = fit_load(&f, &f.at);
    if (e == EVALUATION_UNDEFINED) out->status = LEAST_SQUARES_NON_FINITE;
    if (e == EVALUATION_DONE) {
        out->started = true;
        iterate(&f, out);
    }
    finish(&f, out);
    return true;
}
