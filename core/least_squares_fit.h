/* A fit while it runs: shared by the files of core/least_squares, and with nobody else. */
#ifndef GRADD_CORE_LEAST_SQUARES_FIT_H
#define GRADD_CORE_LEAST_SQUARES_FIT_H

#include "core/least_squares.h"
#include "core/run.h"

enum { CHECK_EVERY = 1 << 20 }; /* elementary operations until the clock is read */

/* A point: x, its residuals without weights, its cost, and the triangle of the rescaled Jacobian with the
 * rescaled residuals behind its columns. */
struct fit_point {
    double *x, *r, *triangle;
    double *
        norm; /* of the Jacobian's columns, with weights and slopes of rho, without its curvature */
    double cost;
};

struct fit {
    const struct least_squares_problem *p;
    struct run *run; /* asked between blocks; it runs no plan */
    int64_t k;       /* n + 1: columns of a triangle, and the elements between two of them */
    struct fit_point at, tried;
    double *root;  /* square roots of the weights, or NULL */
    double *bends; /* w rho' of each residual at `at`; NULL: steps are straight */
    double *scale; /* D: the steps are damped by lambda |D s|^2 */
    double *g;     /* gradient of the cost at `at` */
    double *s, *a; /* the step, and what bends it */
    double *along; /* R s */
    bool *held;    /* on a bound that -g points out of */
    double *base;  /* the triangle of the columns that are not held */
    double *part;  /* that of the columns that may move, damped */
    bool *still;   /* which columns may not move in the step at hand */
    int64_t *free; /* the columns of `part`, in their order */
    int64_t n_free;
    double *block, *work;
    int64_t block_rows;
};

/* A residual times the root of its weight. */
static inline double fit_weighted(const struct fit *f, const double *r, int64_t i) {
    return f->root ? f->root[i] * r[i] : r[i];
}
double fit_cost(const struct fit *f, const double *r);
/* The cost at r less that at `to`. */
double fit_reduction(const struct fit *f, const double *r, const double *to);
/* The triangle of the point that was evaluated last. */
enum evaluation fit_load(struct fit *f, struct fit_point *at);
/* f->bends of the present point. */
void fit_bends(struct fit *f);

/* The triangle of the columns that are not `still`; behind them the right-hand side
 * once the others have moved by s; f->free lists them. False where the run should stop. */
bool fit_part(struct fit *f, const double *triangle, const bool *still, const double *s,
              double *part);

/* The minimum of the damped model within the bounds, in s; the reduction of the cost that the model
 * promises for it. NAN where the run should stop. */
double fit_step(struct fit *f, double lambda);

/* Bends the step of fit_step along the curvature of the residuals, where that keeps it within the bounds.
 * Undefined: the curvature is so large that the model is worth nothing there. */
enum evaluation fit_bend(struct fit *f);

#endif
