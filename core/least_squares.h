/* Nonlinear least squares: the x within bounds that makes
 *
 *     cost(x) = 1/2 sum_i C^2 rho(w_i r_i(x)^2 / C^2)
 *
 * least, by Levenberg and Marquardt's method with exact Jacobians. rho and C (`f_scale`) are those of SciPy's
 * least_squares; a robust rho enters by rescaled residuals and rows (B. Triggs et al., Bundle Adjustment, a
 * Modern Synthesis, 2000). Steps are damped in a scaling that follows the columns' norms (J. J. More, The
 * Levenberg-Marquardt Algorithm, 1978), solved by QR, never by normal equations. Bounds hold exactly: a
 * variable that the model sends out of them is put on its bound and the model solved again for the others.
 * Steps follow the curvature of the residuals (M. K. Transtrum, J. P. Sethna, Improvements to the
 * Levenberg-Marquardt algorithm for nonlinear least-squares minimization, 2012: geodesic acceleration).
 *
 * Everything here is float64, whatever dtype the residuals are computed in. */
#ifndef GRADD_CORE_LEAST_SQUARES_H
#define GRADD_CORE_LEAST_SQUARES_H

#include "core/arena.h"
#include "core/error.h"
#include "core/plan.h"

/* rho of z = (r/C)^2, from SciPy's documentation. */
#define LEAST_SQUARES_LOSSES(X)                                                                    \
    X(LINEAR, "linear", "z")                                                                       \
    X(HUBER, "huber", "z if z <= 1 else 2*sqrt(z) - 1")                                            \
    X(SOFT_L1, "soft_l1", "2*(sqrt(1 + z) - 1)")                                                   \
    X(CAUCHY, "cauchy", "log(1 + z)")                                                              \
    X(ARCTAN, "arctan", "arctan(z)")

enum least_squares_loss {
#define LOSS_ENUM(tag, name, formula) LEAST_SQUARES_##tag,
    LEAST_SQUARES_LOSSES(LOSS_ENUM)
#undef LOSS_ENUM
        LEAST_SQUARES_LOSS_COUNT
};

/* rho and its first two derivatives. */
void least_squares_rho(enum least_squares_loss loss, double z, double rho[3]);

/* What an evaluation came to. */
enum evaluation {
    EVALUATION_DONE,
    EVALUATION_UNDEFINED, /* the residuals have no value there */
    EVALUATION_STOPPED    /* the run is to end; the caller knows why */
};

struct least_squares_problem {
    int64_t m, n; /* residuals and variables; both at least 1 */
    void *context;
    /* Writes the residuals at x, and gets ready to be asked for the Jacobian there. It may round x to what
     * its dtype can hold. */
    enum evaluation (*evaluate)(void *context, double *x, double *r);
    /* Writes rows [first, first + n) of the Jacobian of the latest evaluation, column-major with `stride`
     * elements between columns. */
    void (*rows)(void *context, int64_t first, int64_t n, double *jacobian, int64_t stride);
    /* Writes J^T (factor * r'') at x, the point of an earlier evaluation: r'' is the second derivative of the
     * residuals along v, `factor` m numbers. May be NULL: it serves to bend steps along curved valleys, which
     * are straight where it has no value. */
    enum evaluation (*bend)(void *context, const double *x, const double *v, const double *factor,
                            double *w);
    /* Hears of the start (step 0) and of each step that was taken. False: the run is to end. May be NULL. */
    bool (*report)(void *context, int64_t step, const double *x, double cost, double gradient_norm);

    const struct run_control *control; /* may be NULL */
    struct error *error;               /* a passed deadline, a cancellation, want of memory */

    const double *lower, *upper; /* n each, infinite where there is none; NULL: no bounds */
    const double *x_scale;       /* n positive numbers; NULL: from the Jacobian's columns */
    const double *weights;       /* m of them, not negative; NULL: ones */
    enum least_squares_loss loss;
    double f_scale;
    /* The tests of SciPy's names; each is relative, and what 0 turns off.
     * ftol: the model could lessen the cost by less than this part of it, or by less than rounding;
     * xtol: the latest step was shorter than this part of x, in the scaled norm;
     * gtol: no column of the Jacobian has a larger cosine with the residuals. */
    double ftol, xtol, gtol;
    double epsilon; /* rounding of the dtype of the residuals */
    int64_t max_steps;
};

enum least_squares_status {
    LEAST_SQUARES_CONVERGED,
    LEAST_SQUARES_MAX_STEPS,
    LEAST_SQUARES_NON_FINITE, /* at the start: elsewhere such a step is not taken */
    LEAST_SQUARES_STOPPED,    /* by evaluate, report or control */
};

enum least_squares_test { TEST_NONE, TEST_FTOL, TEST_XTOL, TEST_GTOL, TEST_ZERO };

struct least_squares {
    enum least_squares_status status;
    enum least_squares_test test; /* which was met, of LEAST_SQUARES_CONVERGED */
    bool started;                 /* false: not even the start has a value, nothing below has one */
    double *x, *r;                /* the best point and its residuals, without weights */
    double cost, rss;             /* rss: sum of w r^2 */
    double gradient_norm; /* Euclidean, of the cost by the variables that are free to follow it */
    bool *held;           /* variables on a bound that their gradient pushes against */
    int64_t steps, evaluations; /* steps that were taken; all points that were tried */
    double *triangle; /* R of the rescaled Jacobian, n + 1 columns with the residuals behind */
};

/* Part of a column's norm below which what is left of it by QR counts as rounding. */
static inline double least_squares_tolerance(const struct least_squares_problem *p) {
    return (double)(p->m > p->n ? p->m : p->n) * p->epsilon;
}

/* Elementary operations of one step beside its evaluation, and of all that comes after the last. */
int64_t least_squares_work(int64_t m, int64_t n);

/* Runs from `x`, which must lie within the bounds. All memory, results included, is taken from the arena;
 * false without it, and nothing else fails. */
bool least_squares_run(const struct least_squares_problem *p, const double *x, struct arena *arena,
                       struct least_squares *out);

/* (J^T J)^-1 s^2 with s^2 = 2 cost / degrees of freedom, as SciPy's curve_fit has it. A variable on its
 * bound counts as fixed; it, and whatever the data do not determine, has NAN in its row and column. */
struct least_squares_covariance {
    double *matrix;          /* n x n */
    double *standard_errors; /* n: the square roots of its diagonal */
    int64_t rank;            /* of the free columns */
    int64_t n_free;
    int64_t
        degrees_of_freedom; /* observations of positive weight less the rank; then may be <= 0, and
                                   all errors are NAN */
};
/* False without memory, or where the run is to stop. */
bool least_squares_covariance(const struct least_squares_problem *p,
                              const struct least_squares *result, struct arena *arena,
                              struct least_squares_covariance *out);

#endif
