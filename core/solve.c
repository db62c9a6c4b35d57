/* Minimisation through NLopt, whose header has its home here: what its methods take in memory and work,
 * and how a problem, its values that are not finite, and its limits are told to NLopt. Nothing of NLopt
 * is seen outside; no tape is known here. */
#include "core/solve.h"

#include <limits.h>
#include <math.h>
#include <nlopt.h>
#include <stdlib.h>
#include <string.h>

#include "core/budget.h"
#include "core/search.h"

const struct solve_method solve_methods[SOLVE_METHOD_COUNT] = {
#define SOLVE_ROW(name, nlopt, takes, least, what, source) {#name, takes, least, what, source},
    SOLVE_ALL(SOLVE_ROW)
#undef SOLVE_ROW
};

static const nlopt_algorithm algorithms[] = {
#define SOLVE_NLOPT(name, nlopt, takes, least, what, source) NLOPT_##nlopt,
    SOLVE_METHODS(SOLVE_NLOPT)
#undef SOLVE_NLOPT
};

const struct solve_method *solve_find(const char *name) {
    for (size_t i = 0; i < SOLVE_METHOD_COUNT; i++) {
        if (strcmp(solve_methods[i].name, name) == 0) return &solve_methods[i];
    }
    return NULL;
}

static enum solve_tag tag_of(const struct solve_method *method) {
    return (enum solve_tag)(method - solve_methods);
}

/* Steps that a limited-memory method remembers. NLopt's own choice is 10 MiB of them for the smallest
 * problem. */
static unsigned stored_steps(size_t n) {
    const size_t fits = 100000 / (n + 1);
    return (unsigned)(fits < 10 ? 10 : fits > 100 ? 100 : fits);
}

/* Lengths as in the allocations of NLopt 2.7.1 (src/algs: the function <method>_minimize of each, luksan's in
 * plis.c, pnet.c and plip.c), or a little above. */
double solve_memory(const struct solve_method *method, const struct solve_problem *problem,
                    const struct solve_stop *stop) {
    const double n = (double)problem->n, p = (double)problem->n_equal,
                 m = p + (double)problem->n_below, looks = (double)stop->evaluations;
    const double ours = 10 * n + 2 * m + m * n + 16, steps = stored_steps(problem->n);
    const double limited = n * (16 + 2 * steps) + 8 * steps;
    switch (tag_of(method)) {
    case SOLVE_slsqp: {
        const double n1 = n + 1, mineq = m + 2 * n1;
        return ours + (3 * n1 + m) * (n1 + 1) + (n1 + 1) * (mineq + 2) + 3 * mineq +
               (n1 + mineq) * n1 + n1 * n / 2 + 4 * m + 12 * n1 + 2 * (m + 1) * n1;
    }
    case SOLVE_mma:
    case SOLVE_ccsaq:
        return ours + 12 * n + 2 * m * n + 16 * m;
    case SOLVE_cobyla: {
        const double rows = m + p + 2 * n; /* bounds are rows too */
        return ours + n * (3 * n + 2 * rows + 20) + 6 * rows + 16;
    }
    case SOLVE_bobyqa:
        return ours + (2 * n + 6) * (3 * n + 1) + 1.5 * n * (n + 5) + 8 * n;
    case SOLVE_newuoa:
        return ours + (2 * n + 14) * (3 * n + 1) + 1.5 * n * (n + 3) + 8 * n;
    case SOLVE_praxis:
        return ours + n * n + 9 * n;
    case SOLVE_neldermead:
        return ours + (n + 1) * (n + 9) + 8 * n;
    case SOLVE_sbplx: /* simplexes in subspaces of up to five dimensions */
        return ours + 12 * n + 200;
    /* A rectangle, or a start or a local minimum, is kept for each point, in nodes of a tree. */
    case SOLVE_direct:
    case SOLVE_direct_l:
        return ours + looks * (2 * n + 16) + 8 * n;
    case SOLVE_mlsl:
        return ours + looks * (n + 24) + limited;
    case SOLVE_crs2_lm:
        return ours + 10 * (n + 2) * (n + 8);
    case SOLVE_isres:
        return ours + 20 * (n + 1) * (2 * n + 4) + n + m;
    case SOLVE_esch:
        return ours + 200 * (n + 4);
    case SOLVE_trust_newton:
        return ours + 7 * n;
    default:
        return ours + limited;
    }
}

double solve_work(const struct solve_method *method, const struct solve_problem *problem) {
    const double n = (double)problem->n, m = (double)(problem->n_equal + problem->n_below);
    switch (tag_of(method)) {
    /* Least squares with n + 1 columns and as many rows again as there are constraints and bounds. */
    case SOLVE_slsqp:
        return 10 * (n + 1) * (n + 1) * (n + m + 1) + 200;
    case SOLVE_mma:
    case SOLVE_ccsaq:
        return 1000 * (m > 0) * n * (m + 1) + 50 * n;
    case SOLVE_cobyla:
        return 10 * n * n * (3 * n + m) + 200;
    case SOLVE_bobyqa:
    case SOLVE_newuoa:
        return 20 * n * n * n + 200;
    case SOLVE_praxis:
        return 20 * n * n + 200;
    case SOLVE_trust_newton:
        return 20 * n + 100; /* beside the products */
    case SOLVE_lbfgs:
    case SOLVE_mlsl:
    case SOLVE_var1:
    case SOLVE_var2:
        return 10 * n * stored_steps(problem->n) + 100;
    case SOLVE_tnewton_precond:
    case SOLVE_tnewton_precond_restart:
        return 10 * n * stored_steps(problem->n) + 100;
    default:
        return 50 * n + 200;
    }
}

/* ---- what NLopt calls ------------------------------------------------------------------------- */

/* The values at x; *finite says whether they may be shown to NLopt. After the end it gets what does no
 * harm, until it looks whether it is to stop. */
static bool look(struct search *s, const double *x, bool derivatives, nlopt_opt opt) {
    const bool there = search_look(s, x, derivatives);
    if (!there) nlopt_force_stop(opt);
    return there;
}

struct driver {
    struct search *s;
    nlopt_opt opt;
    double *begun; /* where the method began, or began again */
};

static double objective(unsigned n, const double *x, double *g, void *data) {
    const struct driver *d = data;
    struct search *s = d->s;
    if (!look(s, x, g != NULL, d->opt)) {
        if (g) memset(g, 0, n * sizeof *g);
        return s->out->found ? s->out->f : 0;
    }
    if (!s->finite) return search_turn_back(s, x, g);
    if (g) memcpy(g, s->at.g, n * sizeof *g);
    return s->at.f;
}

/* `count` constraints from `first` on. */
static void constraints(const struct driver *d, size_t first, size_t count, const double *x,
                        double *c, double *J) {
    struct search *s = d->s;
    const bool there = look(s, x, J != NULL, d->opt);
    if (there && s->finite) {
        memcpy(c, s->at.c + first, count * sizeof *c);
        if (J) memcpy(J, s->at.J + first * s->n, count * s->n * sizeof *J);
        return;
    }
    const unsigned takes = s->method->takes;
    for (size_t i = 0; i < count; i++) {
        c[i] = !there                     ? s->best_c[first + i]
               : takes & SOLVE_BACKTRACKS ? INFINITY
               : takes & SOLVE_COMPARES   ? SOLVE_HUGE
                                          : s->best_c[first + i];
    }
    if (J) memset(J, 0, count * s->n * sizeof *J);
}

static void equal(unsigned m, double *c, unsigned n, const double *x, double *J, void *data) {
    (void)n;
    constraints(data, 0, m, x, c, J);
}

static void below(unsigned m, double *c, unsigned n, const double *x, double *J, void *data) {
    const struct driver *d = data;
    (void)n;
    constraints(d, d->s->problem->n_equal, m, x, c, J);
}

/* ---- one search ------------------------------------------------------------------------------- */

static bool set_tolerances(nlopt_opt opt, const struct solve_stop *stop) {
    return nlopt_set_ftol_rel(opt, stop->ftol_rel) > 0 &&
           nlopt_set_ftol_abs(opt, stop->ftol_abs) > 0 &&
           nlopt_set_xtol_rel(opt, stop->xtol_rel) > 0 &&
           nlopt_set_xtol_abs1(opt, stop->xtol_abs) > 0;
}

/* mlsl's local searches. */
static bool set_local(nlopt_opt opt, const struct search *s) {
    nlopt_opt local = nlopt_create(NLOPT_LD_LBFGS, (unsigned)s->n);
    const bool ok = local && set_tolerances(local, s->stop) &&
                    nlopt_set_vector_storage(local, stored_steps(s->n)) > 0 &&
                    nlopt_set_local_optimizer(opt, local) > 0;
    nlopt_destroy(local);
    return ok;
}

/* NLopt's dual problem of mma and ccsaq runs without a look at the clock: a bound of its work. */
static double dual_looks(const struct search *s) {
    const double each = (double)s->n * (double)(s->m + 1);
    return fmax(100, fmin(100000, 1e9 / each));
}

static bool set_constraints(nlopt_opt opt, struct driver *d, double *tolerance) {
    const struct solve_problem *p = d->s->problem;
    for (size_t i = 0; i < d->s->m; i++) tolerance[i] = d->s->stop->catol;
    return (p->n_equal == 0 ||
            nlopt_add_equality_mconstraint(opt, (unsigned)p->n_equal, equal, d, tolerance) > 0) &&
           (p->n_below == 0 ||
            nlopt_add_inequality_mconstraint(opt, (unsigned)p->n_below, below, d, tolerance) > 0);
}

static bool prepare(struct driver *d) {
    struct search *s = d->s;
    const struct solve_problem *p = s->problem;
    const struct solve_stop *stop = s->stop;
    const enum solve_tag tag = tag_of(s->method);
    /* A net: search_look counts, each point once. */
    const int most = stop->evaluations < INT_MAX / 4 ? 4 * (int)stop->evaluations + 100 : INT_MAX;
    nlopt_opt opt = d->opt;
    nlopt_srand(stop->seed);
    return nlopt_set_min_objective(opt, objective, d) > 0 && set_tolerances(opt, stop) &&
           nlopt_set_maxeval(opt, most) > 0 && nlopt_set_maxtime(opt, stop->seconds) > 0 &&
           nlopt_set_vector_storage(opt, stored_steps(s->n)) > 0 &&
           (!p->lower || nlopt_set_lower_bounds(opt, p->lower) > 0) &&
           (!p->upper || nlopt_set_upper_bounds(opt, p->upper) > 0) &&
           (tag != SOLVE_mlsl || set_local(opt, s)) &&
           ((tag != SOLVE_mma && tag != SOLVE_ccsaq) ||
            nlopt_set_param(opt, "dual_maxeval", dual_looks(s)) > 0) &&
           /* s->at.c is free before the first look, and NLopt copies. */
           set_constraints(opt, d, s->at.c);
}

static void conclude(struct search *s, nlopt_result result) {
    const enum solve_tag tag = tag_of(s->method);
    const bool luksan = tag == SOLVE_lbfgs || (tag >= SOLVE_tnewton && tag <= SOLVE_var2);
    switch (result) {
    case NLOPT_SUCCESS:
    case NLOPT_STOPVAL_REACHED:
    case NLOPT_FTOL_REACHED:
    case NLOPT_XTOL_REACHED:
        search_end(s, SOLVE_CONVERGED, NULL);
        break;
    case NLOPT_MAXEVAL_REACHED:
        search_end(s, SOLVE_MAX_EVALUATIONS, NULL);
        break;
    case NLOPT_MAXTIME_REACHED:
    case NLOPT_FORCED_STOP:
        search_end(s, SOLVE_STOPPED, NULL);
        break;
    case NLOPT_OUT_OF_MEMORY:
        search_end(s, SOLVE_NO_MEMORY, NULL);
        break;
    case NLOPT_ROUNDOFF_LIMITED:
        search_end(s, SOLVE_ROUNDOFF_LIMITED, NULL);
        break;
    case NLOPT_FAILURE:
        /* Of these it is what a line search says that finds no lower value along steepest descent. */
        if (luksan) {
            search_end(s, SOLVE_ROUNDOFF_LIMITED, NULL);
            break;
        }
        /* fall through */
    default:
        search_end(s, SOLVE_FAILED, "the method could not go on from the best point that it found");
    }
}

/* Line searches give up, and tolerances are met, where the last steps were short for reasons of their own.
 * What counts is whether the point is stationary; where it is not, the method goes on afresh from the
 * best point as long as that gets it anywhere. */
static void go_on(struct driver *d, double *x) {
    enum { TIMES = 20 };
    struct search *s = d->s;
    const bool checks = s->method->takes & SOLVE_GRADIENT && !(s->method->takes & SOLVE_GLOBAL);
    const size_t bytes = s->n * sizeof *x;
    double f;
    for (int k = 0;; k++) {
        const nlopt_result result = nlopt_optimize(d->opt, x, &f);
        const bool reached = result > 0 && result < NLOPT_MAXEVAL_REACHED,
                   stuck = result == NLOPT_ROUNDOFF_LIMITED || result == NLOPT_FAILURE;
        const bool again = checks && (stuck || (reached && s->stop->proves)) && !s->ended;
        if (again && s->near_violation > 0) search_restore(s);
        if (again && search_is_stationary(s)) search_end(s, SOLVE_CONVERGED, NULL);
        if (!again || s->ended || k == TIMES || memcmp(d->begun, s->near, bytes) == 0) {
            if (again && (reached || stuck)) search_end(s, SOLVE_ROUNDOFF_LIMITED, s->doubt);
            conclude(s, result);
            return;
        }
        memcpy(d->begun, s->near, bytes);
        memcpy(x, s->near, bytes);
    }
}

static void through_nlopt(struct search *s, double *x) {
    struct driver d = {s, nlopt_create(algorithms[tag_of(s->method)], (unsigned)s->n),
                       calloc(s->n + 1, sizeof(double))};
    if (d.opt && d.begun && prepare(&d)) {
        memcpy(d.begun, x, s->n * sizeof *x);
        go_on(&d, x);
    } else {
        search_end(s, SOLVE_NO_MEMORY, NULL);
    }
    free(d.begun);
    nlopt_destroy(d.opt);
}

void solve(const struct solve_method *method, const struct solve_problem *problem,
           const struct solve_stop *stop, double *x, double *c, struct solve_result *out) {
    struct search s;
    /* Nothing is told by NLopt of what it takes, so that all it may take is counted from the beginning. */
    const size_t bytes = (size_t)solve_memory(method, problem, stop) * sizeof(double);
    if (!budget_take(BUDGET_SEARCHES, bytes)) {
        *out = (struct solve_result){.status = SOLVE_NO_MEMORY};
        return;
    }
    if (search_begin(&s, method, problem, stop, out)) {
        if (tag_of(method) == SOLVE_trust_newton)
            trust_newton(&s, x);
        else
            through_nlopt(&s, x);
        search_finish(&s, x, c);
    }
    budget_give(BUDGET_SEARCHES, bytes);
}
