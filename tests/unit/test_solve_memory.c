/* What the methods of minimisation take from the system, seen while they run: solve_memory is above it, not far
 * above, and the budget of the process holds it meanwhile. */
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/budget.h"
#include "core/solve.h"

/* No method is estimated at more than FACTOR times what it takes. */
enum { MANY = 150, FACTOR = 6, MIB = 1 << 20 };

/* Of sanitizers, whose allocators take the place of the system's. */
extern size_t allocated_for_sanitizer(void) __asm__("__sanitizer_get_current_allocated_bytes")
    __attribute__((weak));

/* What is allocated at this moment. */
static size_t allocated(void) {
    if (allocated_for_sanitizer) return allocated_for_sanitizer();
    const struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

/* A valley in n unknowns, whose constraints are planes. */
struct valley {
    struct solve_problem problem;
    size_t before, most; /* allocated */
    int64_t held;        /* the most of the budget */
    double lower[MANY], upper[MANY];
};

static double pull(size_t i) { return 1 + (double)(i % 7); }

static void look_at_memory(struct valley *v) {
    const size_t now = allocated();
    if (now > v->most) v->most = now;
    if (budget_held(BUDGET_SEARCHES) > v->held) v->held = budget_held(BUDGET_SEARCHES);
}

static bool evaluate(void *data, const double *x, bool derivatives, struct solve_values *out) {
    struct valley *v = data;
    const size_t n = v->problem.n, m = v->problem.n_equal + v->problem.n_below;
    look_at_memory(v);
    out->f = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = x[i] - 0.5 + 0.1 * (i ? x[i - 1] : 0);
        out->f += pull(i) * d * d + d * d * d * d;
    }
    for (size_t i = 0; derivatives && i < n; i++) {
        const double d = x[i] - 0.5 + 0.1 * (i ? x[i - 1] : 0),
                     next = i + 1 < n ? x[i + 1] - 0.5 + 0.1 * x[i] : 0;
        out->g[i] = 2 * pull(i) * d + 4 * d * d * d;
        if (i + 1 < n) out->g[i] += 0.1 * (2 * pull(i + 1) * next + 4 * next * next * next);
    }
    for (size_t k = 0; k < m; k++) {
        out->c[k] = x[k] + x[k + 1] - 0.25;
        for (size_t i = 0; derivatives && i < n; i++) out->J[k * n + i] = i == k || i == k + 1;
    }
    return true;
}

static bool product(void *data, const double *x, const double *v, double *Hv) {
    const struct valley *valley = data;
    (void)x;
    for (size_t i = 0; i < valley->problem.n; i++) Hv[i] = 2 * pull(i) * v[i];
    return true;
}

static const struct solve_stop stop = {
    .ftol_rel = 1e-12, .xtol_rel = 1e-12, .epsilon = 2e-16, .evaluations = 400, .catol = 1e-9};

static void begin(struct valley *v, const struct solve_method *method, size_t n, size_t m) {
    const bool box = method->takes & SOLVE_BOUNDS;
    for (size_t i = 0; i < n; i++) v->lower[i] = -2, v->upper[i] = 3;
    v->problem = (struct solve_problem){.n = n,
                                        .n_equal = method->takes & SOLVE_EQUAL ? m / 2 : 0,
                                        .lower = box ? v->lower : NULL,
                                        .upper = box ? v->upper : NULL,
                                        .evaluate = evaluate,
                                        .product = method->takes & SOLVE_PRODUCT ? product : NULL,
                                        .data = v};
    v->problem.n_below = method->takes & SOLVE_BELOW ? m - v->problem.n_equal : 0;
    v->held = 0;
    v->most = v->before = allocated();
}

static struct solve_result run(struct valley *v, const struct solve_method *method) {
    static double x[MANY];
    struct solve_result result;
    for (size_t i = 0; i < v->problem.n; i++) x[i] = -1;
    solve(method, &v->problem, &stop, x, NULL, &result);
    return result;
}

static void compare(const struct solve_method *method, size_t n, size_t m) {
    static struct valley v;
    begin(&v, method, n, m);
    assert_true(run(&v, method).status != SOLVE_NO_MEMORY);
    /* Sanitizers' allocators have few sizes, four an octave, and whole pages. */
    const double took = (double)(v.most - v.before),
                 rounding = allocated_for_sanitizer ? took / 4 + 4096 : 0,
                 estimate = 8 * solve_memory(method, &v.problem, &stop);
    if (!(took > 0 && took <= estimate + rounding && estimate <= FACTOR * took))
        fail_msg("%s, %zu unknowns, %zu constraints: took %.0f bytes, estimated %.0f", method->name,
                 n, m, took, estimate);
    /* Each thread keeps count of less than a step for itself. */
    assert_true((double)v.held >= estimate - BUDGET_STEP);
    assert_true(budget_held(BUDGET_SEARCHES) < BUDGET_STEP);
}

static void what_a_method_takes_is_estimated_from_above_and_not_far(void **state) {
    (void)state;
    for (size_t k = 0; k < SOLVE_METHOD_COUNT; k++) {
        const struct solve_method *method = &solve_methods[k];
        compare(method, 10, 0);
        /* A search of a box looks at 2 n points before it keeps what it looks at. */
        compare(method, method->takes & SOLVE_GLOBAL ? 40 : MANY, 0);
        if (method->takes & SOLVE_BELOW) compare(method, 40, 30);
    }
}

/* A search that there is no room for does not begin, and leaves nothing behind. */
static void a_search_past_the_limit_of_the_process_is_refused(void **state) {
    static struct valley v;
    struct error error = {0};
    (void)state;
    budget_set(MIB / 2, NULL);
    budget_begin(0);
    begin(&v, solve_find("slsqp"), MANY, 0);
    assert_int_equal(run(&v, solve_find("slsqp")).status, SOLVE_NO_MEMORY);
    assert_true(v.most == v.before);
    error_set(&error, ERROR_MEMORY_BUDGET, "there is no memory for slsqp");
    budget_end(&error);
    assert_non_null(strstr(error.detail, "of 524288 bytes for requests and sessions"));
    begin(&v, solve_find("lbfgs"), MANY / 10, 0);
    assert_int_equal(run(&v, solve_find("lbfgs")).status, SOLVE_CONVERGED);
    assert_true(budget_held(BUDGET_SEARCHES) < BUDGET_STEP);
    budget_set(SIZE_MAX / 2, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_method_takes_is_estimated_from_above_and_not_far),
        cmocka_unit_test(a_search_past_the_limit_of_the_process_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
