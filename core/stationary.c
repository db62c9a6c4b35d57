/* What is done with a point whatever the method says that led there: whether it is a minimum to first order
 * (the conditions of Karush, Kuhn and Tucker), and the way back to constraints that it nearly keeps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/search.h"

/* Sweeps over the multipliers; where they converge more slowly, nothing is claimed. */
enum { SWEEPS = 200 };

/* A constraint that does not hold the point has the multiplier 0. */
static bool holds(const struct search *s, size_t i) {
    return i < s->problem->n_equal || s->at.c[i] >= -fmax(1e-7, 10 * s->stop->catol);
}

/* What of a residual the bounds do not carry: 0 where x is at a bound and may not go where -r points. */
static double free_part(const struct search *s, size_t j, double r) {
    const double *lower = s->problem->lower, *upper = s->problem->upper;
    const double near = sqrt(s->stop->epsilon) * (1 + fabs(s->x[j]));
    if (lower && r > 0 && s->x[j] <= lower[j] + near) return 0;
    if (upper && r < 0 && s->x[j] >= upper[j] - near) return 0;
    return r;
}

/* One sweep of coordinate descent of |g + J^T lambda|, with lambda >= 0 of inequalities; r is that sum. */
static void sweep(const struct search *s, double *lambda, double *r) {
    for (size_t i = 0; i < s->m; i++) {
        const double *row = s->at.J + i * s->n;
        double slope = 0, size = 0;
        if (!holds(s, i)) continue;
        for (size_t j = 0; j < s->n; j++) {
            slope += row[j] * free_part(s, j, r[j]);
            size += row[j] * row[j];
        }
        if (!(size > 0)) continue;
        double next = lambda[i] - slope / size;
        if (i >= s->problem->n_equal && next < 0) next = 0;
        for (size_t j = 0; j < s->n; j++) r[j] += (next - lambda[i]) * row[j];
        lambda[i] = next;
    }
}

bool search_is_stationary(struct search *s) {
    const struct solve_problem *p = s->problem;
    const struct solve_result *out = s->out;
    if (!out->found || out->violation > s->stop->catol || !(s->method->takes & SOLVE_GRADIENT))
        return false;
    double *lambda = calloc(s->m + s->n + 1, sizeof *lambda), *r = lambda + s->m;
    if (!lambda) return search_end(s, SOLVE_NO_MEMORY, NULL);
    memcpy(s->x, s->best, s->n * sizeof *s->x);
    s->has_values = false;
    if (!p->evaluate(p->data, s->best, true, &s->at)) {
        free(lambda);
        return search_end(s, SOLVE_STOPPED, NULL);
    }
    double g = 0, left = 0, most = 0;
    for (size_t j = 0; j < s->n; j++) g = hypot(g, r[j] = s->at.g[j]);
    const double scale = fmax(1, s->m > 0 ? g : s->first_norm);
    const double tolerance = pow(s->stop->epsilon, 0.35) * scale;
    for (int k = 0; k < (s->m > 0 ? SWEEPS : 1); k++) {
        sweep(s, lambda, r);
        left = 0;
        for (size_t j = 0; j < s->n; j++) left = hypot(left, free_part(s, j, r[j]));
        if (left <= tolerance) break;
    }
    for (size_t i = 0; i < s->m; i++) most = fmax(most, fabs(lambda[i]));
    free(lambda);
    s->doubt = left > tolerance ? "no further progress, and to first order it is no minimum"
               : most > 1000 * fmax(scale, fabs(out->f))
                   ? "constraints within their tolerance change the loss a thousand times as much"
                   : NULL;
    return !s->doubt;
}

/* The least step, within the bounds, that keeps the constraints of s->at if they were linear: projections
 * onto one row after the other. */
static void step_back(const struct search *s, const double *x, double *step) {
    const double *lower = s->problem->lower, *upper = s->problem->upper;
    memset(step, 0, s->n * sizeof *step);
    for (int k = 0; k < SWEEPS; k++) {
        double worst = 0;
        for (size_t i = 0; i < s->m; i++) {
            const double *row = s->at.J + i * s->n;
            double c = s->at.c[i], size = 0;
            for (size_t j = 0; j < s->n; j++) {
                c += row[j] * step[j];
                size += row[j] * row[j];
            }
            if (!(size > 0) || (i >= s->problem->n_equal && c <= 0)) continue;
            worst = fmax(worst, fabs(c));
            for (size_t j = 0; j < s->n; j++) step[j] -= c / size * row[j];
        }
        for (size_t j = 0; j < s->n; j++) {
            if (lower) step[j] = fmax(step[j], lower[j] - x[j]);
            if (upper) step[j] = fmin(step[j], upper[j] - x[j]);
        }
        if (worst <= s->stop->epsilon) return;
    }
}

void search_restore(struct search *s) {
    enum { STEPS = 5 };
    const double *lower = s->problem->lower, *upper = s->problem->upper;
    double *x = calloc(2 * s->n + 1, sizeof *x), *step = x + s->n;
    if (!x) {
        search_end(s, SOLVE_NO_MEMORY, NULL);
        return;
    }
    memcpy(x, s->near, s->n * sizeof *x);
    for (int k = 0; k < STEPS && search_look(s, x, true) && s->finite; k++) {
        bool moves = false;
        step_back(s, x, step);
        for (size_t j = 0; j < s->n; j++) {
            const double before = x[j];
            x[j] += step[j];
            if (lower) x[j] = fmax(x[j], lower[j]);
            if (upper) x[j] = fmin(x[j], upper[j]);
            moves |= x[j] != before;
        }
        if (!moves) break;
    }
    free(x);
}
