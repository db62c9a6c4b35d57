/* Minimisation of a function of n doubles by the methods that an exact gradient makes possible, and by
 * some that need none: f(x) -> min with lower <= x <= upper, c_i(x) = 0 and c_j(x) <= 0. NLopt's methods go
 * by NLopt's names in lower case (core/solve.c); trust_newton is gradd's own (core/trust_newton.c). Tapes
 * are not known here: a problem is a function that writes numbers. */
#ifndef GRADD_CORE_SOLVE_H
#define GRADD_CORE_SOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a method reads and what it can be given. */
enum {
    SOLVE_GRADIENT = 1,     /* reads first derivatives, of constraints too */
    SOLVE_PRODUCT = 2,      /* reads products with the Hessian */
    SOLVE_BOUNDS = 4,       /* can be given bounds */
    SOLVE_NEEDS_BOUNDS = 8, /* must be given finite bounds of every unknown */
    SOLVE_EQUAL = 16,       /* can be given constraints c = 0 */
    SOLVE_BELOW = 32,       /* can be given constraints c <= 0 */
    SOLVE_GLOBAL = 64,      /* searches all of the box, and seldom ends before its evaluations do */
    SOLVE_COMPARES =
        128, /* only compares values, so that one that is not finite is just a bad one */
    SOLVE_BACKTRACKS = 256 /* steps back from an infinite value */
};

/* tag, NLopt's enumerator, what it takes, fewest unknowns, what it is, where it comes from */
#define SOLVE_LOCAL (SOLVE_GRADIENT | SOLVE_BOUNDS)
#define SOLVE_BOX (SOLVE_BOUNDS | SOLVE_NEEDS_BOUNDS | SOLVE_GLOBAL)
#define SOLVE_LUKSAN "L. Luksan, NLopt's translation of his PLIS, PLIP and PNET subroutines"
#define SOLVE_METHODS(X)                                                                           \
    X(lbfgs, LD_LBFGS, SOLVE_LOCAL, 1,                                                             \
      "limited-memory BFGS, a quasi-Newton method for many unknowns",                              \
      "J. Nocedal, Math. Comput. 35, 773-782 (1980); " SOLVE_LUKSAN)                               \
    X(slsqp, LD_SLSQP, SOLVE_LOCAL | SOLVE_BACKTRACKS | SOLVE_EQUAL | SOLVE_BELOW, 1,              \
      "sequential quadratic programming, each step a least-squares problem with linear "           \
      "constraints",                                                                               \
      "D. Kraft, ACM Trans. Math. Softw. 20, 262-281 (1994)")                                      \
    X(mma, LD_MMA, SOLVE_LOCAL | SOLVE_BACKTRACKS | SOLVE_BELOW, 1,                                \
      "method of moving asymptotes, for many unknowns with inequality constraints",                \
      "K. Svanberg, SIAM J. Optim. 12, 555-573 (2002)")                                            \
    X(ccsaq, LD_CCSAQ, SOLVE_LOCAL | SOLVE_BACKTRACKS | SOLVE_BELOW, 1,                            \
      "conservative convex separable approximation by quadratics",                                 \
      "K. Svanberg, SIAM J. Optim. 12, 555-573 (2002)")                                            \
    X(tnewton, LD_TNEWTON, SOLVE_LOCAL, 1,                                                         \
      "truncated Newton, its products from differences of gradients",                              \
      "R. S. Dembo, T. Steihaug, Math. Program. 26, 190-212 (1983); " SOLVE_LUKSAN)                \
    X(tnewton_restart, LD_TNEWTON_RESTART, SOLVE_LOCAL, 1,                                         \
      "truncated Newton that restarts along steepest descent",                                     \
      "R. S. Dembo, T. Steihaug, Math. Program. 26, 190-212 (1983); " SOLVE_LUKSAN)                \
    X(tnewton_precond, LD_TNEWTON_PRECOND, SOLVE_LOCAL, 1,                                         \
      "truncated Newton, preconditioned by limited-memory BFGS",                                   \
      "R. S. Dembo, T. Steihaug, Math. Program. 26, 190-212 (1983); " SOLVE_LUKSAN)                \
    X(tnewton_precond_restart, LD_TNEWTON_PRECOND_RESTART, SOLVE_LOCAL, 1,                         \
      "truncated Newton, preconditioned and restarted",                                            \
      "R. S. Dembo, T. Steihaug, Math. Program. 26, 190-212 (1983); " SOLVE_LUKSAN)                \
    X(var1, LD_VAR1, SOLVE_LOCAL, 1, "shifted limited-memory variable metric method of rank 1",    \
      "J. Vlcek, L. Luksan, J. Comput. Appl. Math. 186, 365-390 (2006)")                           \
    X(var2, LD_VAR2, SOLVE_LOCAL, 1, "shifted limited-memory variable metric method of rank 2",    \
      "J. Vlcek, L. Luksan, J. Comput. Appl. Math. 186, 365-390 (2006)")                           \
    X(cobyla, LN_COBYLA, SOLVE_BOUNDS | SOLVE_EQUAL | SOLVE_BELOW, 1,                              \
      "linear models of objective and constraints on a simplex, without derivatives",              \
      "M. J. D. Powell, Advances in Optimization and Numerical Analysis, 51-67 (1994)")            \
    X(bobyqa, LN_BOBYQA, SOLVE_BOUNDS, 2, "quadratic models within bounds, without derivatives",   \
      "M. J. D. Powell, report DAMTP 2009/NA06, Cambridge (2009)")                                 \
    X(newuoa, LN_NEWUOA, 0, 2, "quadratic models, without derivatives",                            \
      "M. J. D. Powell, Large-Scale Nonlinear Optimization, 255-297 (2006)")                       \
    X(praxis, LN_PRAXIS, 0, 1, "principal axes, without derivatives",                              \
      "R. Brent, Algorithms for Minimization without Derivatives (1972)")                          \
    X(neldermead, LN_NELDERMEAD, SOLVE_BOUNDS | SOLVE_COMPARES, 1,                                 \
      "a simplex that crawls downhill, without derivatives",                                       \
      "J. A. Nelder, R. Mead, Comput. J. 7, 308-313 (1965)")                                       \
    X(sbplx, LN_SBPLX, SOLVE_BOUNDS | SOLVE_COMPARES, 1,                                           \
      "simplexes in a sequence of subspaces, without derivatives",                                 \
      "T. Rowan, Functional Stability Analysis of Numerical Algorithms, Austin (1990)")            \
    X(direct, GN_DIRECT, SOLVE_BOX | SOLVE_COMPARES, 1,                                            \
      "dividing rectangles, all of a box without derivatives",                                     \
      "D. R. Jones, C. D. Perttunen, B. E. Stuckman, J. Optim. Theory Appl. 79, 157-181 (1993)")   \
    X(direct_l, GN_DIRECT_L, SOLVE_BOX | SOLVE_COMPARES, 1,                                        \
      "dividing rectangles, biased to local search",                                               \
      "J. M. Gablonsky, C. T. Kelley, J. Glob. Optim. 21, 27-37 (2001)")                           \
    X(crs2_lm, GN_CRS2_LM, SOLVE_BOX | SOLVE_COMPARES, 1,                                          \
      "controlled random search with local mutation",                                              \
      "P. Kaelo, M. M. Ali, J. Optim. Theory Appl. 130, 253-264 (2006)")                           \
    X(isres, GN_ISRES, SOLVE_BOX | SOLVE_COMPARES | SOLVE_EQUAL | SOLVE_BELOW, 1,                  \
      "an evolution strategy with stochastic ranking",                                             \
      "T. P. Runarsson, X. Yao, IEEE Trans. Syst. Man Cybern. C 35, 233-243 (2005)")               \
    X(esch, GN_ESCH, SOLVE_BOX | SOLVE_COMPARES, 1, "an evolutionary algorithm",                   \
      "C. H. da Silva Santos, M. S. Goncalves, H. E. Hernandez-Figueroa, IEEE Photonics Technol. " \
      "Lett. 22, 1309-1311 (2010)")                                                                \
    X(mlsl, GD_MLSL_LDS, SOLVE_BOX | SOLVE_GRADIENT, 1,                                            \
      "lbfgs from many starts of a low-discrepancy sequence, clusters left out",                   \
      "S. Kucherenko, Y. Sytsko, Comput. Optim. Appl. 30, 297-318 (2005)")

/* With gradd's own. */
#define SOLVE_ALL(X)                                                                               \
    SOLVE_METHODS(X)                                                                               \
    X(trust_newton, , SOLVE_GRADIENT | SOLVE_PRODUCT, 1,                                           \
      "Newton in a trust region by truncated conjugate gradients, with exact products of the "     \
      "Hessian",                                                                                   \
      "T. Steihaug, SIAM J. Numer. Anal. 20, 626-637 (1983); J. Nocedal, S. J. Wright, "           \
      "Numerical Optimization (2006), algorithms 4.1 and 7.2")

enum solve_tag {
#define SOLVE_TAG(name, nlopt, takes, least, what, source) SOLVE_##name,
    SOLVE_ALL(SOLVE_TAG)
#undef SOLVE_TAG
        SOLVE_METHOD_COUNT
};

struct solve_method {
    const char *name;
    unsigned takes;
    size_t least; /* unknowns that are free */
    const char *what, *source;
};
extern const struct solve_method solve_methods[SOLVE_METHOD_COUNT];
/* NULL: none of that name. */
const struct solve_method *solve_find(const char *name);

/* Values at a point, written by the problem's function. Derivatives only where asked for. */
struct solve_values {
    double f, *c; /* constraints: those that shall be 0, then those that shall not be positive */
    double *g;    /* n */
    double *J;    /* (n_equal + n_below) x n, row-major */
};

struct solve_problem {
    size_t n, n_equal, n_below;
    const double *lower, *upper; /* n each, infinite where there is none; NULL: no bounds at all */
    /* False: the search must end, for a reason that is the caller's own. */
    bool (*evaluate)(void *data, const double *x, bool derivatives, struct solve_values *out);
    /* Hv = H(x) v; of methods that read products, else NULL. */
    bool (*product)(void *data, const double *x, const double *v, double *Hv);
    /* A better point x was found. `gradient_norm` is NAN where derivatives are not read. */
    void (*improved)(void *data, int64_t evaluations, const double *x, double f,
                     double gradient_norm);
    void *data;
};

/* Tolerances: a search ends where a step changes f or x by less, or where no constraint binds and the
 * (projected) gradient's norm is below gtol. 0: that one is not looked at. */
struct solve_stop {
    double ftol_rel, ftol_abs, xtol_rel, xtol_abs, gtol;
    double catol;        /* a constraint may be broken by this much */
    double epsilon;      /* the relative rounding of what `evaluate` writes */
    int64_t evaluations; /* most points that are looked at; > 0 */
    double seconds;      /* of the clock, a net below what `evaluate` says */
    bool proves;         /* "converged" is said of stationary points only, not of short steps */
    uint32_t seed;       /* of methods that draw random numbers */
};

enum solve_status {
    SOLVE_CONVERGED,
    SOLVE_MAX_EVALUATIONS,
    SOLVE_NON_FINITE, /* no finite value where one is needed, or f fell to -Infinity */
    SOLVE_STOPPED,    /* evaluate or product said so, or the seconds are over */
    SOLVE_INFEASIBLE, /* no point that keeps the constraints was found */
    SOLVE_ROUNDOFF_LIMITED,
    SOLVE_FAILED,
    SOLVE_NO_MEMORY
};

/* Values beyond count as infinite: methods square them. */
#define SOLVE_HUGE 1e100

/* The best point found: one that keeps the constraints before others, then the lowest f; among those
 * that do not, the one that breaks them least. All finite. */
struct solve_result {
    enum solve_status status;
    const char *why; /* a sentence where the status alone does not say it, else NULL */
    bool found;      /* false: no point had finite values, and x is the start */
    double f, violation, gradient_norm;
    int64_t evaluations, not_finite; /* points looked at, and those of them without finite values */
};

/* Memory in doubles and work in operations (each time a point is looked at) that a method takes beside
 * the problem's function. The work cannot be interrupted. */
double solve_memory(const struct solve_method *method, const struct solve_problem *problem,
                    const struct solve_stop *stop);
double solve_work(const struct solve_method *method, const struct solve_problem *problem);

/* NLopt counts its memory in 32 bits; who calls has made sure that solve_memory is below. */
#define SOLVE_MEMORY_MAX 0x10000000

/* Minimises from x (n doubles, within the bounds) and leaves the best point there, and in c, which may be
 * NULL, its constraints. What the method was
 * given must be what it takes. Prints nothing and is deterministic. */
void solve(const struct solve_method *method, const struct solve_problem *problem,
           const struct solve_stop *stop, double *x, double *c, struct solve_result *out);

#endif
