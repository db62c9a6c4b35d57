/* Minimisation of plain functions: every method reaches known optima, and none of them hangs, prints or
 * leaves the box on functions that are hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/plan.h"
#include "core/solve.h"

enum { N_MAX = 100 };

struct task {
    const char *function;
    size_t n;
    int64_t calls;
    int64_t refuse_after; /* evaluations; 0: never */
    double lowest;        /* of what `improved` was told */
    bool rose;            /* it was told more than before */
};

static double rosenbrock(const double *x, size_t n, double *g) {
    double f = 0;
    if (g) memset(g, 0, n * sizeof *g);
    for (size_t i = 0; i + 1 < n; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        f += 100 * a * a + b * b;
        if (!g) continue;
        g[i] += -400 * a * x[i] - 2 * b;
        g[i + 1] += 200 * a;
    }
    return f;
}

static void rosenbrock_product(const double *x, const double *v, size_t n, double *Hv) {
    memset(Hv, 0, n * sizeof *Hv);
    for (size_t i = 0; i + 1 < n; i++) {
        const double d = 1200 * x[i] * x[i] - 400 * x[i + 1] + 2, c = -400 * x[i];
        Hv[i] += d * v[i] + c * v[i + 1];
        Hv[i + 1] += c * v[i] + 200 * v[i + 1];
    }
}

/* x - log x in each unknown: nothing below 0. */
static double logarithm(const double *x, size_t n, double *g) {
    double f = 0;
    for (size_t i = 0; i < n; i++) {
        f += x[i] - log(x[i]);
        if (g) g[i] = 1 - 1 / x[i];
    }
    return f;
}

/* Functions that no method likes. */
static double hostile(const char *name, const double *x, size_t n, double *g) {
    double f = 0;
    for (size_t i = 0; g && i < n; i++) g[i] = 0;
    if (!strcmp(name, "constant")) return 3;
    if (!strcmp(name, "nan")) return NAN;
    if (!strcmp(name, "inf")) return INFINITY;
    if (!strcmp(name, "linear")) {
        for (size_t i = 0; i < n; i++) {
            f += x[i];
            if (g) g[i] = 1;
        }
        return f;
    }
    if (!strcmp(name, "huge")) {
        for (size_t i = 0; i < n; i++) {
            f += 1e98 * x[i] * x[i];
            if (g) g[i] = 2e98 * x[i];
        }
        return f;
    }
    if (!strcmp(name, "wrong gradient")) {
        for (size_t i = 0; i < n; i++) {
            f += x[i] * x[i];
            if (g) g[i] = -x[i];
        }
        return f;
    }
    if (!strcmp(name, "noise")) {
        for (size_t i = 0; i < n; i++) {
            f += sin(1e9 * x[i]);
            if (g) g[i] = 1e9 * cos(1e9 * x[i]);
        }
        return f;
    }
    if (!strcmp(name, "nan gradient")) {
        for (size_t i = 0; i < n; i++) {
            f += fabs(x[i]);
            if (g) g[i] = NAN;
        }
        return f;
    }
    assert_string_equal(name, "edge"); /* a cliff beside the start */
    for (size_t i = 0; i < n; i++) {
        f += x[i] < 0.9 ? NAN : x[i] * x[i];
        if (g) g[i] = 2 * x[i];
    }
    return f;
}

/* Constraints, where there are some: sum of squares at least 1, then x0 = x1. */
static bool evaluate(void *data, const double *x, bool derivatives, struct solve_values *out) {
    struct task *t = data;
    double *g = derivatives ? out->g : NULL;
    if (++t->calls > 100000 || (t->refuse_after && t->calls > t->refuse_after)) return false;
    out->f = !strcmp(t->function, "rosenbrock")  ? rosenbrock(x, t->n, g)
             : !strcmp(t->function, "logarithm") ? logarithm(x, t->n, g)
                                                 : hostile(t->function, x, t->n, g);
    return true;
}

static bool product(void *data, const double *x, const double *v, double *Hv) {
    const struct task *t = data;
    if (!strcmp(t->function, "rosenbrock")) {
        rosenbrock_product(x, v, t->n, Hv);
        return true;
    }
    for (size_t i = 0; i < t->n; i++)
        Hv[i] = !strcmp(t->function, "logarithm") ? v[i] / (x[i] * x[i])
                : !strcmp(t->function, "huge")    ? 2e98 * v[i]
                : !strcmp(t->function, "linear")  ? 0
                                                  : 2 * v[i];
    return true;
}

static void improved(void *data, int64_t evaluations, const double *x, double f, double norm) {
    struct task *t = data;
    assert_true(evaluations > 0 && isfinite(x[0]) && !(norm < 0));
    t->rose |= f > t->lowest + 1e-12 * fabs(t->lowest);
    t->lowest = f;
}

static const struct solve_stop usual = {.ftol_rel = 1e-13,
                                        .ftol_abs = 1e-20,
                                        .xtol_rel = 1e-12,
                                        .xtol_abs = 1e-14,
                                        .catol = 1e-8,
                                        .epsilon = 2.2e-16,
                                        .proves = true,
                                        .evaluations = 20000,
                                        .seconds = 600, /* of the slowest machine */
                                        .seed = 1};

static struct solve_problem problem_of(struct task *t, const double *lower, const double *upper) {
    return (struct solve_problem){.n = t->n,
                                  .lower = lower,
                                  .upper = upper,
                                  .evaluate = evaluate,
                                  .product = product,
                                  .improved = improved,
                                  .data = t};
}

static void fill(double *x, size_t n, double value) {
    for (size_t i = 0; i < n; i++) x[i] = value;
}

static void rosenbrock_of_100_unknowns_is_solved_by_every_method_with_gradients(void **state) {
    static const char *const names[] = {
        "lbfgs", "tnewton", "tnewton_precond_restart", "var1", "var2", "slsqp", "trust_newton"};
    (void)state;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct task t = {.function = "rosenbrock", .n = 100, .lowest = INFINITY};
        const struct solve_problem p = problem_of(&t, NULL, NULL);
        struct solve_result r;
        double x[N_MAX];
        for (size_t i = 0; i < t.n; i++) x[i] = i % 2 ? 1.0 : -1.2;
        solve(solve_find(names[k]), &p, &usual, x, NULL, &r);
        if (r.status != SOLVE_CONVERGED || r.f > 1e-12)
            fail_msg("%s: status %d, f %g after %lld", names[k], (int)r.status, r.f,
                     (long long)r.evaluations);
        for (size_t i = 0; i < t.n; i++) assert_true(fabs(x[i] - 1) < 1e-5);
        assert_false(t.rose);
        assert_true(t.lowest <= r.f * (1 + 1e-9) + 1e-300);
    }
}

static void a_step_out_of_the_domain_is_taken_back(void **state) {
    int strayed = 0;
    (void)state;
    for (size_t k = 0; k < SOLVE_METHOD_COUNT; k++) {
        const struct solve_method *method = &solve_methods[k];
        struct task t = {.function = "logarithm", .n = 3, .lowest = INFINITY};
        const double lower[] = {-2, -2, -2}, upper[] = {6, 6, 6};
        const bool box = method->takes & SOLVE_NEEDS_BOUNDS;
        const struct solve_problem p = problem_of(&t, box ? lower : NULL, box ? upper : NULL);
        struct solve_result r;
        double x[] = {3, 0.4, 5};
        solve(method, &p, &usual, x, NULL, &r);
        if (!(fabs(r.f - 3) < (box ? 1e-2 : 1e-6)))
            fail_msg("%s: status %d, f %.17g at %g %g %g after %lld", method->name, (int)r.status,
                     r.f, x[0], x[1], x[2], (long long)r.evaluations);
        if (!box && r.status != SOLVE_CONVERGED) fail_msg("%s: %d", method->name, (int)r.status);
        strayed += r.not_finite > 0;
    }
    assert_true(strayed > 10);
}

static void no_method_hangs_or_leaves_the_box_on_a_hostile_function(void **state) {
    static const char *const functions[] = {"constant", "nan",   "inf",          "linear",
                                            "huge",     "noise", "nan gradient", "wrong gradient",
                                            "edge"};
    struct solve_stop stop = usual;
    double lower[12], upper[12];
    (void)state;
    stop.evaluations = 2000;
    fill(lower, 12, -3);
    fill(upper, 12, 5);
    for (size_t k = 0; k < SOLVE_METHOD_COUNT; k++) {
        for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
            for (size_t n = 2; n <= 12; n += 5) {
                const struct solve_method *method = &solve_methods[k];
                struct task t = {.function = functions[i], .n = n, .lowest = INFINITY};
                const bool box = method->takes & SOLVE_BOUNDS;
                const struct solve_problem p =
                    problem_of(&t, box ? lower : NULL, box ? upper : NULL);
                struct solve_result r;
                double x[12];
                const int64_t begun = clock_now();
                fill(x, n, 1);
                solve(method, &p, &stop, x, NULL, &r);
                if (clock_now() - begun > 3000000000LL)
                    fail_msg("%s on %s took long", method->name, functions[i]);
                assert_true(r.evaluations <= stop.evaluations);
                for (size_t j = 0; j < n; j++) {
                    assert_true(isfinite(x[j]));
                    if (box) assert_true(x[j] >= -3 && x[j] <= 5);
                }
                if (r.found) assert_true(fabs(r.f) <= SOLVE_HUGE);
                if (!strcmp(functions[i], "nan") && !(method->takes & SOLVE_GLOBAL))
                    assert_int_equal(r.status, SOLVE_NON_FINITE);
                if (!strcmp(functions[i], "linear") && box && method->takes & SOLVE_GRADIENT)
                    assert_true(r.f < -3 * (double)n + 1e-6);
            }
        }
    }
}

static void a_loss_without_bound_ends_and_does_not_converge(void **state) {
    static const char *const names[] = {"lbfgs", "mma", "ccsaq", "slsqp", "trust_newton"};
    (void)state;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct task t = {.function = "linear", .n = 2, .lowest = INFINITY};
        const struct solve_problem p = problem_of(&t, NULL, NULL);
        struct solve_result r;
        double x[] = {0, 0};
        solve(solve_find(names[k]), &p, &usual, x, NULL, &r);
        assert_true(isfinite(x[0]) && isfinite(r.f));
        /* Luksan's line search gives up at steps of a million. */
        if ((r.status != SOLVE_NON_FINITE && r.status != SOLVE_ROUNDOFF_LIMITED) || r.f > -1e5)
            fail_msg("%s: status %d, f %g after %lld", names[k], (int)r.status, r.f,
                     (long long)r.evaluations);
    }
}

static void who_evaluates_can_end_every_method_at_once(void **state) {
    double lower[] = {-3, -3, -3}, upper[] = {3, 3, 3};
    (void)state;
    for (size_t k = 0; k < SOLVE_METHOD_COUNT; k++) {
        for (int64_t after = 1; after < 40; after += 6) {
            const struct solve_method *method = &solve_methods[k];
            struct task t = {
                .function = "rosenbrock", .n = 3, .lowest = INFINITY, .refuse_after = after};
            const bool box = method->takes & SOLVE_NEEDS_BOUNDS;
            const struct solve_problem p = problem_of(&t, box ? lower : NULL, box ? upper : NULL);
            struct solve_result r;
            double x[] = {-1.2, 1, 2};
            solve(method, &p, &usual, x, NULL, &r);
            assert_int_equal(r.status, SOLVE_STOPPED);
            assert_int_equal(t.calls, after + 1);
            assert_true(r.found);
        }
    }
}

static void the_evaluations_are_a_limit_and_runs_are_the_same(void **state) {
    double lower[] = {-3, -3, -3}, upper[] = {3, 3, 3};
    (void)state;
    for (size_t k = 0; k < SOLVE_METHOD_COUNT; k++) {
        const struct solve_method *method = &solve_methods[k];
        const bool box = method->takes & SOLVE_NEEDS_BOUNDS;
        struct solve_stop stop = usual;
        double x[2][3];
        stop.evaluations = 17;
        for (int run = 0; run < 2; run++) {
            struct task t = {.function = "rosenbrock", .n = 3, .lowest = INFINITY};
            const struct solve_problem p = problem_of(&t, box ? lower : NULL, box ? upper : NULL);
            struct solve_result r;
            x[run][0] = -1.2, x[run][1] = 1, x[run][2] = 2;
            solve(method, &p, &stop, x[run], NULL, &r);
            if (r.status != SOLVE_MAX_EVALUATIONS || r.evaluations != 17)
                fail_msg("%s: status %d after %lld", method->name, (int)r.status,
                         (long long)r.evaluations);
        }
        assert_memory_equal(x[0], x[1], sizeof x[0]);
    }
}

/* ---- constraints ------------------------------------------------------------------------------ */

/* The nearest point to (3, 4) on or in the unit circle, and with x0 = x1 where there is an equation. */
static bool distance(void *data, const double *x, bool derivatives, struct solve_values *out) {
    const struct task *t = data;
    const size_t circle = t->function[0] == '=';
    out->f = (x[0] - 3) * (x[0] - 3) + (x[1] - 4) * (x[1] - 4);
    if (circle) out->c[0] = x[0] - x[1];
    out->c[circle] = x[0] * x[0] + x[1] * x[1] - 1;
    if (!strcmp(t->function, "impossible")) out->c[circle] += 2;
    if (!derivatives) return true;
    out->g[0] = 2 * (x[0] - 3), out->g[1] = 2 * (x[1] - 4);
    if (circle) out->J[0] = 1, out->J[1] = -1;
    out->J[2 * circle] = 2 * x[0], out->J[2 * circle + 1] = 2 * x[1];
    return true;
}

static struct solve_result nearest(const char *function, const char *method, double x[2]) {
    static const double lower[] = {-3, -3}, upper[] = {5, 5};
    struct task t = {.function = function, .n = 2};
    const bool box = solve_find(method)->takes & SOLVE_NEEDS_BOUNDS;
    const struct solve_problem p = {.n = 2,
                                    .n_equal = function[0] == '=',
                                    .n_below = 1,
                                    .lower = box ? lower : NULL,
                                    .upper = box ? upper : NULL,
                                    .evaluate = distance,
                                    .data = &t};
    struct solve_stop stop = usual;
    struct solve_result r;
    stop.catol = 1e-7;
    x[0] = 0.1, x[1] = -0.2;
    solve(solve_find(method), &p, &stop, x, NULL, &r);
    return r;
}

static void the_nearest_point_of_a_disc_is_found_by_every_method_with_constraints(void **state) {
    (void)state;
    for (size_t k = 0; k < SOLVE_METHOD_COUNT; k++) {
        const struct solve_method *method = &solve_methods[k];
        double x[2];
        if (!(method->takes & SOLVE_BELOW)) continue;
        const struct solve_result r = nearest("disc", method->name, x);
        const double tolerance = method->takes & SOLVE_GLOBAL ? 1e-2 : 1e-5;
        if (!(fabs(r.f - 16) < 40 * tolerance && fabs(x[0] - 0.6) < tolerance &&
              fabs(x[1] - 0.8) < tolerance && r.violation <= 1e-7))
            fail_msg("%s: status %d, f %.17g at %.17g %.17g, violation %g", method->name,
                     (int)r.status, r.f, x[0], x[1], r.violation);
        /* Which of the two it is depends on the processor's roundings. */
        if (!(method->takes & SOLVE_GLOBAL))
            assert_true(r.status == SOLVE_CONVERGED || r.status == SOLVE_ROUNDOFF_LIMITED);
        if (!(method->takes & SOLVE_EQUAL)) continue;
        const struct solve_result e = nearest("= and disc", method->name, x);
        const double at = sqrt(0.5);
        if (!(fabs(x[0] - at) < tolerance && fabs(x[1] - at) < tolerance && e.violation <= 1e-7))
            fail_msg("%s: status %d, f %.17g at %.17g %.17g", method->name, (int)e.status, e.f,
                     x[0], x[1]);
    }
}

static void constraints_that_nothing_keeps_are_infeasible(void **state) {
    static const char *const names[] = {"slsqp", "mma", "ccsaq", "cobyla"};
    (void)state;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        double x[2];
        const struct solve_result r = nearest("impossible", names[k], x);
        if (r.status != SOLVE_INFEASIBLE && r.status != SOLVE_MAX_EVALUATIONS)
            fail_msg("%s: status %d", names[k], (int)r.status);
        assert_true(r.found && r.violation >= 1 && isfinite(x[0]));
    }
}

static void memory_is_estimated_from_above(void **state) {
    struct task t = {.function = "rosenbrock", .n = 100};
    const struct solve_problem p = problem_of(&t, NULL, NULL);
    (void)state;
    for (size_t k = 0; k < SOLVE_METHOD_COUNT; k++) {
        const double doubles = solve_memory(&solve_methods[k], &p, &usual);
        assert_true(doubles >= 300 && doubles < SOLVE_MEMORY_MAX);
        assert_true(solve_work(&solve_methods[k], &p) > 0);
    }
    assert_true(solve_memory(solve_find("slsqp"), &p, &usual) > 5 * 100 * 100);
    assert_null(solve_find("bfgs"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rosenbrock_of_100_unknowns_is_solved_by_every_method_with_gradients),
        cmocka_unit_test(a_step_out_of_the_domain_is_taken_back),
        cmocka_unit_test(no_method_hangs_or_leaves_the_box_on_a_hostile_function),
        cmocka_unit_test(a_loss_without_bound_ends_and_does_not_converge),
        cmocka_unit_test(who_evaluates_can_end_every_method_at_once),
        cmocka_unit_test(the_evaluations_are_a_limit_and_runs_are_the_same),
        cmocka_unit_test(the_nearest_point_of_a_disc_is_found_by_every_method_with_constraints),
        cmocka_unit_test(constraints_that_nothing_keeps_are_infeasible),
        cmocka_unit_test(memory_is_estimated_from_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
