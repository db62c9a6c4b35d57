/* Newton's method in a trust region: algorithm 4.1 of Nocedal and Wright, Numerical Optimization (2006),
 * with the subproblem solved by Steihaug's truncated conjugate gradients (algorithm 7.2). Products with
 * the Hessian are exact; the Hessian itself is never made. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/search.h"

#define RADIUS_MAX 1e100
#define ACCEPT 1e-4 /* eta of algorithm 4.1 */
#define FLAT 16     /* roundings of the steepest curvature seen */

struct region {
    struct search *s;
    size_t n;
    double *x, *g; /* where the method stands */
    double f, radius;
    /* of the subproblem: step, residual, direction, the product with it, the trial point */
    double *p, *r, *d, *Bd, *trial;
};

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* p += tau d with tau >= 0 such that |p| is the radius. */
static void to_boundary(struct region *t) {
    const double dd = dot(t->d, t->d, t->n), pd = dot(t->p, t->d, t->n), pp = dot(t->p, t->p, t->n);
    const double missing = fmax(t->radius * t->radius - pp, 0);
    const double root = sqrt(pd * pd + dd * missing);
    /* The form without cancellation. */
    const double tau = pd > 0 ? missing / (pd + root) : (root - pd) / dd;
    for (size_t i = 0; i < t->n; i++) t->p[i] += tau * t->d[i];
}

static bool product(struct region *t, const double *v, double *Bv) {
    const struct solve_problem *p = t->s->problem;
    if (!p->product(p->data, t->x, v, Bv)) return search_end(t->s, SOLVE_STOPPED, NULL);
    for (size_t i = 0; i < t->n; i++) {
        if (!(fabs(Bv[i]) <= SOLVE_HUGE))
            return search_end(t->s, SOLVE_NON_FINITE,
                              "the Hessian is not finite at the best point");
    }
    return true;
}

/* Algorithm 7.2: a step p in the region that lowers the quadratic model; *boundary where it ends at the
 * region's edge. False where the search has ended. */
static bool steihaug(struct region *t, double norm, bool *boundary) {
    const size_t n = t->n;
    const double tolerance = fmin(0.5, sqrt(norm)) * norm;
    *boundary = false;
    for (size_t i = 0; i < n; i++) {
        t->p[i] = 0;
        t->r[i] = t->g[i];
        t->d[i] = -t->g[i];
    }
    double rr = norm * norm, steepest = 0;
    for (size_t k = 0; k < 2 * n + 10; k++) {
        if (!product(t, t->d, t->Bd)) return false;
        const double curvature = dot(t->d, t->Bd, n), dd = dot(t->d, t->d, n);
        const double alpha = rr / curvature;
        /* Along what the products cannot tell from flat, the last digits of the gradient would decide. */
        if (k > 0 && fabs(curvature) <= FLAT * DBL_EPSILON * steepest * dd) return true;
        steepest = fmax(steepest, fabs(curvature) / dd);
        bool leaves = !(curvature > DBL_EPSILON * dd * DBL_EPSILON);
        if (!leaves) {
            for (size_t i = 0; i < n; i++) t->trial[i] = t->p[i] + alpha * t->d[i];
            leaves = sqrt(dot(t->trial, t->trial, n)) >= t->radius;
        }
        if (leaves) {
            to_boundary(t);
            *boundary = true;
            return true;
        }
        memcpy(t->p, t->trial, n * sizeof *t->p);
        for (size_t i = 0; i < n; i++) t->r[i] += alpha * t->Bd[i];
        const double next = dot(t->r, t->r, n);
        if (sqrt(next) <= tolerance) return true;
        for (size_t i = 0; i < n; i++) t->d[i] = -t->r[i] + next / rr * t->d[i];
        rr = next;
    }
    return true;
}

/* Whether a step from f to f_new, of that length, is so small that the search has converged. */
static bool small_step(const struct region *t, double f_new, double length) {
    const struct solve_stop *stop = t->s->stop;
    const double df = fabs(f_new - t->f), size = sqrt(dot(t->x, t->x, t->n));
    return df <= stop->ftol_abs || df <= stop->ftol_rel * fabs(f_new) || length <= stop->xtol_abs ||
           length <= stop->xtol_rel * size;
}

/* What the model says p gains: -(g.p + p.Bp / 2); Bp is left in Bd. NAN where the search has ended. */
static double predicted(struct region *t) {
    if (!product(t, t->p, t->Bd)) return NAN;
    return -(dot(t->g, t->p, t->n) + 0.5 * dot(t->p, t->Bd, t->n));
}

/* One iteration; false where the search has ended. */
static bool iterate(struct region *t) {
    struct search *s = t->s;
    const size_t n = t->n;
    const double norm = sqrt(dot(t->g, t->g, n));
    bool boundary;
    if (norm == 0) return search_end(s, SOLVE_CONVERGED, NULL);
    if (!steihaug(t, norm, &boundary)) return false;
    const double gain = predicted(t), length = sqrt(dot(t->p, t->p, n));
    if (s->ended) return false;
    /* Gains below that are lost among the last digits of f: the step is the last, and as good as the
     * model says; one to the region's edge is none. */
    const double noise = 8 * s->stop->epsilon * fabs(t->f);
    if (boundary && gain <= noise) return search_end(s, SOLVE_CONVERGED, NULL);
    for (size_t i = 0; i < n; i++) t->trial[i] = t->x[i] + t->p[i];
    if (!search_look(s, t->trial, true)) return false;
    const double actual = s->finite ? t->f - s->at.f : -INFINITY;
    if (gain <= noise && fabs(actual) <= noise) return search_end(s, SOLVE_CONVERGED, NULL);
    const double rho = actual / gain;
    if (rho < 0.25)
        t->radius = 0.25 * length;
    else if (rho > 0.75 && boundary)
        t->radius = fmin(2 * t->radius, RADIUS_MAX);
    if (rho <= ACCEPT) {
        const bool can_shrink = t->radius > s->stop->epsilon * sqrt(dot(t->x, t->x, n));
        return can_shrink || search_end(s, SOLVE_ROUNDOFF_LIMITED, NULL);
    }
    /* A step that the region cut short says nothing about convergence. */
    const bool done = !boundary && small_step(t, s->at.f, length);
    t->f = s->at.f;
    memcpy(t->x, t->trial, n * sizeof *t->x);
    memcpy(t->g, s->at.g, n * sizeof *t->g);
    return !done || search_end(s, SOLVE_CONVERGED, NULL);
}

void trust_newton(struct search *s, const double *x) {
    const size_t n = s->n;
    double *memory = calloc(7 * n + 1, sizeof *memory);
    if (!memory) {
        search_end(s, SOLVE_NO_MEMORY, NULL);
        return;
    }
    struct region t = {.s = s,
                       .n = n,
                       .x = memory,
                       .g = memory + n,
                       .p = memory + 2 * n,
                       .r = memory + 3 * n,
                       .d = memory + 4 * n,
                       .Bd = memory + 5 * n,
                       .trial = memory + 6 * n};
    if (search_look(s, x, true)) {
        memcpy(t.x, x, n * sizeof *x);
        memcpy(t.g, s->at.g, n * sizeof *x);
        t.f = s->at.f;
        t.radius = fmax(1, 0.1 * sqrt(dot(x, x, n)));
        while (iterate(&t)) {
        }
    }
    free(memory);
}
