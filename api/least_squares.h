/* Least squares, as its files share it: the graph as residuals and a Jacobian of numbers, what a request
 * says beside, and where each start led. */
#ifndef GRADD_API_LEAST_SQUARES_H
#define GRADD_API_LEAST_SQUARES_H

#include "api/flat.h"
#include "core/least_squares.h"

/* Where one start led, or the one run that there is. */
struct landing {
    enum minimize_status status;
    double cost;
    int64_t iterations;
};

/* A plan with what its inputs are bound to. */
struct asking {
    struct plan *plan;
    const struct tensor **bound;
};

struct fitting {
    struct minimize m; /* first; its loss is the node of all residuals in one vector */
    struct flat flat;
    struct value residuals; /* as they were named, settled */
    node_id *leaves;        /* the nodes among them, in order */
    size_t n_leaves;
    enum dtype dtype; /* of the residuals, and of all that is said of them */

    node_id *jacobian; /* by each variable; NODE_NONE: 0 */
    node_id *bend;     /* J^T of second derivatives, by each variable; NODE_NONE: 0 */
    struct asking values, bends;
    struct tensor *direction, factor; /* what the second derivatives are bound to */
    struct run *run;                  /* the latest evaluation */
    bool has_value;                   /* some evaluation had one */

    struct least_squares_problem problem;
    struct run_control control;
    double *scales; /* x_scale, or NULL: by the Jacobian */

    int64_t n_starts;      /* 0: none were sent */
    struct tensor *starts; /* of each variable; data NULL: all from its value. At last the ends */
    struct landing *landings;
    double *ends; /* the x of each, one behind the other */
    int64_t best;
    /* The best run, in the first arena, and its history; the second arena is of the latest one. */
    struct least_squares result;
    struct history history;
    struct arena arenas[2];
    struct least_squares_covariance covariance;
    bool has_covariance;
    int64_t evaluations; /* of all runs */
};

/* ---- api/least_squares_options.c ------------------------------------------------------------------ */

/* Reads what needs the residuals to be known: loss, f_scale, x_scale, weights, starts, tolerances. */
bool fitting_options(struct fitting *t);

/* ---- api/least_squares_problem.c ------------------------------------------------------------------ */

/* Finds the residuals, differentiates them, and plans. fitting_release must follow in any case. */
bool fitting_begin(struct fitting *t);
void fitting_release(struct fitting *t);
/* Elementary operations of one point, all in all. */
int64_t fitting_work(const struct fitting *t);

/* ---- api/least_squares_answer.c ------------------------------------------------------------------- */

/* Warnings of what the data do not determine. */
bool fitting_warn(struct fitting *t);
/* Puts the ends of all starts in the place of the starts. */
bool fitting_gather(struct fitting *t);
/* For minimize_finish: what stands in place of steps and loss, and the members behind. */
void fitting_head(struct minimize *m, struct writer *out);
void fitting_write(struct minimize *m, struct writer *out);

#endif
