/* The state that all methods of minimisation share: the latest point, the best one, and the end. Knows
 * no method and no tape. */
#include "core/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* So many points without finite values in a row, and a local search is lost. */
enum { LOST_AFTER = 200 };

bool search_begin(struct search *s, const struct solve_method *method,
                  const struct solve_problem *problem, const struct solve_stop *stop,
                  struct solve_result *out) {
    const size_t n = problem->n, m = problem->n_equal + problem->n_below;
    *out = (struct solve_result){.f = NAN, .violation = NAN, .gradient_norm = NAN};
    *s = (struct search){.method = method,
                         .problem = problem,
                         .stop = stop,
                         .out = out,
                         .n = n,
                         .m = m,
                         .first_norm = -1};
    /* Sizes are those of solve_memory, which the caller has checked. */
    s->memory = calloc(4 * n + 2 * m + m * n + 1, sizeof *s->memory);
    if (!s->memory) {
        out->status = SOLVE_NO_MEMORY;
        return false;
    }
    s->x = s->memory;
    s->best = s->x + n;
    s->near = s->best + n;
    s->near_f = s->near_violation = INFINITY;
    s->at.g = s->near + n;
    s->at.c = s->at.g + n;
    s->best_c = s->at.c + m;
    s->at.J = s->best_c + m;
    return true;
}

void search_finish(struct search *s, double *x, double *c) {
    struct solve_result *out = s->out;
    const bool settled = out->status == SOLVE_CONVERGED || out->status == SOLVE_ROUNDOFF_LIMITED ||
                         out->status == SOLVE_FAILED;
    if (out->found) memcpy(x, s->best, s->n * sizeof *x);
    if (out->found && c) memcpy(c, s->best_c, s->m * sizeof *c);
    if (settled && out->found && out->violation > s->stop->catol) out->status = SOLVE_INFEASIBLE;
    free(s->memory);
}

bool search_end(struct search *s, enum solve_status status, const char *why) {
    if (!s->ended) {
        s->ended = true;
        s->out->status = status;
        s->out->why = why;
    }
    return false;
}

/* Whether all of them are numbers that may be squared. */
static bool all_finite(const double *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(x[i]) <= SOLVE_HUGE)) return false;
    }
    return true;
}

static bool values_finite(const struct search *s) {
    return fabs(s->at.f) <= SOLVE_HUGE && all_finite(s->at.c, s->m) && all_finite(s->x, s->n);
}

static bool derivatives_finite(const struct search *s) {
    return all_finite(s->at.g, s->n) && all_finite(s->at.J, s->m * s->n);
}

double search_gradient_norm(const struct search *s, const double *x, const double *g) {
    const double *lower = s->problem->lower, *upper = s->problem->upper;
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        const bool stopped =
            (lower && g[i] > 0 && x[i] <= lower[i]) || (upper && g[i] < 0 && x[i] >= upper[i]);
        if (!stopped) sum += g[i] * g[i];
    }
    return sqrt(sum);
}

static double violation(const struct search *s) {
    double worst = 0;
    for (size_t i = 0; i < s->m; i++) {
        const double c = i < s->problem->n_equal ? fabs(s->at.c[i]) : s->at.c[i];
        if (c > worst) worst = c;
    }
    return worst;
}

/* Whether the latest point is better than the best one so far. Where the values of both are the same but
 * for rounding, the smaller gradient, or constraints better kept, tell more than the last digits do. */
static bool is_better(const struct search *s, double v, double norm) {
    const struct solve_result *out = s->out;
    const bool keeps = v <= s->stop->catol, kept = out->violation <= s->stop->catol;
    if (!out->found || keeps != kept) return !out->found || keeps;
    if (!keeps) return v < out->violation;
    if (fabs(s->at.f - out->f) <= 4 * s->stop->epsilon * fabs(out->f)) {
        if (s->m > 0) return v < out->violation;
        if (!isnan(norm) && !isnan(out->gradient_norm)) return norm < out->gradient_norm;
    }
    /* A constraint that is broken within its tolerance lowers f without being any better. */
    return s->at.f + s->price * v < out->f + s->price * out->violation;
}

/* Multipliers are about as large as the gradient beside the rows of the Jacobian. */
static double price_of(const struct search *s) {
    double g = 0, longest = 0;
    for (size_t j = 0; j < s->n; j++) g += s->at.g[j] * s->at.g[j];
    for (size_t i = 0; i < s->m; i++) {
        double row = 0;
        for (size_t j = 0; j < s->n; j++) row += s->at.J[i * s->n + j] * s->at.J[i * s->n + j];
        longest = fmax(longest, row);
    }
    return longest > 0 ? 10 * sqrt(g / longest) : 0;
}

/* Keeps the point where it is the best so far. */
static void consider(struct search *s, double gradient_norm) {
    struct solve_result *out = s->out;
    const double v = violation(s);
    const double merit = s->at.f + s->price * v, least = s->near_f + s->price * s->near_violation;
    if (!out->found || merit < least || (merit == least && v < s->near_violation)) {
        memcpy(s->near, s->x, s->n * sizeof *s->near);
        s->near_f = s->at.f;
        s->near_violation = v;
    }
    if (!is_better(s, v, gradient_norm)) return;
    out->found = true;
    out->f = s->at.f;
    out->violation = v;
    out->gradient_norm = gradient_norm;
    memcpy(s->best, s->x, s->n * sizeof *s->best);
    memcpy(s->best_c, s->at.c, s->m * sizeof *s->best_c);
    if (s->problem->improved)
        s->problem->improved(s->problem->data, out->evaluations, s->best, out->f, gradient_norm);
}

/* A new point with values that are no numbers. */
static bool not_finite(struct search *s) {
    const bool local = !(s->method->takes & SOLVE_GLOBAL);
    if (s->at.f < -SOLVE_HUGE)
        return search_end(s, SOLVE_NON_FINITE, "the loss falls below every bound");
    if (local && !s->out->found) {
        return search_end(s, SOLVE_NON_FINITE,
                          "the loss, a constraint or a derivative is not finite at the start");
    }
    if (local && ++s->in_a_row >= LOST_AFTER) {
        return search_end(s, SOLVE_NON_FINITE,
                          "no finite values are found in the direction of the search");
    }
    return true;
}

bool search_look(struct search *s, const double *x, bool derivatives) {
    const struct solve_problem *p = s->problem;
    if (s->ended) return false;
    const bool here = s->has_values && memcmp(x, s->x, s->n * sizeof *x) == 0;
    if (here && (s->has_derivatives || !derivatives)) return true;
    if (!here && s->out->evaluations >= s->stop->evaluations)
        return search_end(s, SOLVE_MAX_EVALUATIONS, NULL);
    const bool were_finite = here && s->finite;
    if (!here) memcpy(s->x, x, s->n * sizeof *x);
    if (!p->evaluate(p->data, x, derivatives, &s->at)) {
        s->has_values = false;
        return search_end(s, SOLVE_STOPPED, NULL);
    }
    s->has_values = true;
    s->has_derivatives = derivatives;
    s->finite = values_finite(s) && (!derivatives || derivatives_finite(s));
    s->out->evaluations += !here;
    if (!s->finite) {
        s->out->not_finite += !here || were_finite;
        if (were_finite)
            return search_end(s, SOLVE_NON_FINITE, "a derivative is not finite at the best point");
        return here || not_finite(s);
    }
    s->in_a_row = 0;
    if (derivatives && s->m > 0) s->price = price_of(s);
    const double norm = derivatives ? search_gradient_norm(s, x, s->at.g) : NAN;
    if (derivatives && s->first_norm < 0) s->first_norm = norm;
    if (here && memcmp(s->best, x, s->n * sizeof *x) == 0)
        s->out->gradient_norm = norm;
    else if (!here)
        consider(s, norm);
    if (s->m == 0 && norm <= s->stop->gtol) return search_end(s, SOLVE_CONVERGED, NULL);
    return true;
}

double search_turn_back(const struct search *s, const double *x, double *g) {
    const unsigned takes = s->method->takes;
    const struct solve_result *out = s->out;
    for (size_t i = 0; g && i < s->n; i++) g[i] = 0;
    if (takes & SOLVE_BACKTRACKS) return INFINITY;
    if (takes & SOLVE_COMPARES || !out->found) return SOLVE_HUGE;
    /* A cone that rises from the best point faster than the function falls there: whoever fits a model
     * to it, or searches along a line, comes back. */
    double distance = 0;
    for (size_t i = 0; i < s->n; i++) distance = hypot(distance, x[i] - s->best[i]);
    const double slope = 1 + (isnan(out->gradient_norm) ? fabs(out->f) : 10 * out->gradient_norm);
    for (size_t i = 0; g && i < s->n && distance > 0; i++)
        g[i] = slope * ((x[i] - s->best[i]) / distance);
    return fmin(out->f + slope * distance, SOLVE_HUGE);
}
