/* Where a search stands: the values at the latest point, the best point so far, and why it ended. Every
 * method looks at points through this, so that limits, values that are not finite and what "best" means
 * are decided in one place. For core/solve.c and core/trust_newton.c. */
#ifndef GRADD_CORE_SEARCH_H
#define GRADD_CORE_SEARCH_H

#include "core/solve.h"

struct search {
    const struct solve_method *method;
    const struct solve_problem *problem;
    const struct solve_stop *stop;
    struct solve_result *out;
    size_t n, m; /* unknowns; constraints */

    double *x; /* the latest point */
    struct solve_values at;
    bool has_values, has_derivatives, finite;

    double *best, *best_c; /* the best point, and its constraints */
    double first_norm;     /* of the first gradient */
    double *near; /* the point with the lowest f + price * violation: where to go on from */
    double near_f, near_violation;
    double price; /* what breaking a constraint by 1 may be worth, from the latest derivatives */
    const char *doubt; /* why the best point was not found to be stationary */
    int64_t in_a_row;  /* points without finite values since the last one that had them */
    bool ended;
    double *memory;
};

/* False without memory. search_end_at must follow otherwise. */
bool search_begin(struct search *s, const struct solve_method *method,
                  const struct solve_problem *problem, const struct solve_stop *stop,
                  struct solve_result *out);
/* Writes the best point and its constraints, where there is one, and frees. */
void search_finish(struct search *s, double *x, double *c);

/* Has the values at x, and its derivatives, in s->at; s->finite says whether they are numbers. False
 * where the search has ended: then nothing may be read. */
bool search_look(struct search *s, const double *x, bool derivatives);

/* Ends the search, unless it has ended; false. */
bool search_end(struct search *s, enum solve_status status, const char *why);

/* The norm of the gradient at x without the components that a bound stops. */
double search_gradient_norm(const struct search *s, const double *x, const double *g);

/* Values in place of those of a point that has none: `f` and, unless NULL, the gradient, such that a
 * method turns back to the best point. */
double search_turn_back(const struct search *s, const double *x, double *g);

/* Whether the best point is one of first order; epsilon^0.35 of the gradient, or of the first
 * one where there are no constraints, may be left. Evaluates there, and ends the search where that is refused. */
bool search_is_stationary(struct search *s);

/* Tries points that keep the constraints from where the search may go on, by Gauss and Newton's steps. */
void search_restore(struct search *s);

/* Algorithm 4.1 of Nocedal and Wright; ends the search. */
void trust_newton(struct search *s, const double *x);

#endif
