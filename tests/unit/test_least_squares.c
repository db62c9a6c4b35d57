/* Least squares beside SciPy's: every loss, active bounds, weights, scales (tests/oracle/least_squares.json);
 * and what SciPy has no word for: what the data do not determine, single precision, starts, hostile data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "core/least_squares.h"
#include "document.h"

enum { ELEMENTS = 4096 };

/* ---- numbers of answers ------------------------------------------------------------------------ */

/* All numbers of a value in their order, NAN for null; a member of an object is a part of it. */
static size_t numbers_of(struct document *d, const struct json *v, double *out, size_t n) {
    double x = NAN;
    assert_non_null(v);
    if (json_type(v) == JSON_NUMBERS) v = json_split(&d->arena, v);
    if (json_type(v) == JSON_NUMBER || json_type(v) == JSON_NULL) {
        assert_true(n < ELEMENTS);
        assert_true(json_type(v) == JSON_NULL || json_double(v, &x));
        out[n++] = x;
        return n;
    }
    for (v = json_first(v); v; v = json_next(v)) n = numbers_of(d, v, out, n);
    return n;
}

/* Each number within rtol of the largest of its list, or of itself where `each` says so; a cost is a square. */
static void assert_close(const char *name, const char *what, const double *found, size_t n_found,
                         const double *expected, size_t n, double rtol, bool each) {
    const double least = strcmp(what, "cost") == 0 ? 1e-24 : 1e-12;
    double most = 0;
    if (n_found != n) fail_msg("%s: %zu numbers of %s, expected %zu", name, n_found, what, n);
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(expected[i]));
    for (size_t i = 0; i < n; i++) {
        const double unit = each ? fabs(expected[i]) : most;
        if (isnan(found[i]) == isnan(expected[i]) &&
            (isnan(found[i]) || fabs(found[i] - expected[i]) <= rtol * unit + least))
            continue;
        fail_msg("%s: %s[%zu] is %.17g, expected %.17g", name, what, i, found[i], expected[i]);
    }
}

static void compare(struct document *d, struct document *answer, const struct json *c,
                    const char *theirs, const char *ours, double rtol, bool each) {
    static double found[ELEMENTS], expected[ELEMENTS];
    const size_t n = numbers_of(answer, json_member(answer->root, ours), found, 0);
    const size_t wanted = numbers_of(d, json_member(c, theirs), expected, 0);
    assert_close(json_string(json_member(c, "name")), ours, found, n, expected, wanted, rtol, each);
}

static void open_answer(struct document *answer, const char *name, const char *request) {
    const char *text = ask(service_least_squares, request);
    if (*text != '{') fail_msg("%s: %s", name, text);
    document_open_valid(answer, text);
}

/* ---- SciPy --------------------------------------------------------------------------------------- */

static void every_case_is_scipys(void **state) {
    (void)state;
    struct document d, answer;
    size_t cases = 0;
    document_open_oracle(&d, "least_squares.json");
    for (const struct json *c = json_first(json_member(d.root, "cases")); c; c = json_next(c)) {
        double rtol;
        const char *name = json_string(json_member(c, "name"));
        assert_true(json_double(json_member(c, "rtol"), &rtol));
        open_answer(&answer, name, json_string(json_member(c, "request")));
        if (strcmp(json_string(json_member(answer.root, "status")), "converged") != 0)
            fail_msg("%s: %s", name, json_string(json_member(answer.root, "status")));
        compare(&d, &answer, c, "parameters", "variables", rtol, false);
        compare(&d, &answer, c, "cost", "cost", rtol, true);
        compare(&d, &answer, c, "residuals", "residuals", rtol, false);
        compare(&d, &answer, c, "degrees_of_freedom", "degrees_of_freedom", 0, true);
        compare(&d, &answer, c, "standard_errors", "standard_errors", 10 * rtol, true);
        compare(&d, &answer, c, "covariance", "covariance", 20 * rtol, false);
        document_close(&answer);
        cases++;
    }
    assert_true(cases >= 28);
    document_close(&d);
}

/* ---- the method alone ----------------------------------------------------------------------------- */

/* Rosenbrock's residuals, within bounds that are looked at, and a listener who has heard enough. */
struct listener {
    const double *lower, *upper;
    double x[2];
    int64_t steps, most;
};

static enum evaluation rosenbrock(void *context, double *x, double *r) {
    struct listener *l = context;
    for (int j = 0; j < 2; j++) {
        assert_true(x[j] >= l->lower[j] && x[j] <= l->upper[j]);
        l->x[j] = x[j];
    }
    r[0] = 10 * (x[1] - x[0] * x[0]);
    r[1] = 1 - x[0];
    return EVALUATION_DONE;
}

static void slopes(void *context, int64_t first, int64_t n, double *jacobian, int64_t stride) {
    const struct listener *l = context;
    const double rows[2][2] = {{-20 * l->x[0], 10}, {-1, 0}};
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < 2; j++) jacobian[j * stride + i] = rows[first + i][j];
}

static bool hear(void *context, int64_t step, const double *x, double cost, double gradient_norm) {
    struct listener *l = context;
    assert_true(isfinite(x[0]) && cost >= 0 && gradient_norm >= 0);
    l->steps = step;
    return step < l->most;
}

static struct least_squares listened(struct listener *l, struct arena *arena) {
    static const double lower[] = {-1.5, -2}, upper[] = {0.7, 2}, start[] = {-1.2, 1};
    struct error error;
    struct least_squares result;
    error_clear(&error);
    l->lower = lower;
    l->upper = upper;
    const struct least_squares_problem p = {.m = 2,
                                            .n = 2,
                                            .context = l,
                                            .evaluate = rosenbrock,
                                            .rows = slopes,
                                            .report = hear,
                                            .error = &error,
                                            .lower = lower,
                                            .upper = upper,
                                            .f_scale = 1,
                                            .ftol = 1e-20,
                                            .xtol = 1e-15,
                                            .gtol = 1e-15,
                                            .epsilon = 0x1p-52,
                                            .max_steps = 1000};
    assert_true(least_squares_run(&p, start, arena, &result));
    return result;
}

static void no_point_is_out_of_bounds(void **state) {
    (void)state;
    struct arena arena;
    struct listener l = {.most = INT64_MAX};
    arena_init(&arena, 1 << 20);
    const struct least_squares result = listened(&l, &arena);
    assert_int_equal(result.status, LEAST_SQUARES_CONVERGED);
    assert_true(result.x[0] == 0.7 && fabs(result.x[1] - 0.49) < 1e-12);
    assert_true(result.held[0] && !result.held[1]);
    arena_free(&arena);
}

static void who_listens_may_end_the_run(void **state) {
    (void)state;
    struct arena arena;
    struct listener l = {.most = 2};
    arena_init(&arena, 1 << 20);
    const struct least_squares result = listened(&l, &arena);
    assert_int_equal(result.status, LEAST_SQUARES_STOPPED);
    assert_true(result.started && result.steps == 2 && l.steps == 2);
    assert_true(result.cost < 12.1); /* less than at the start */
    arena_free(&arena);
}

/* ---- sizes --------------------------------------------------------------------------------------- */

/* Broyden's tridiagonal function of n variables: n residuals, all 0 at one point. */
#define BROYDEN(n, more)                                                                           \
    "{\"dtype\":\"float64\",\"graph\":\"zero = zeros([1]); x = y * ones([" n                       \
    "]); left = concat([zero, x[:-1]], 0); right = concat([x[1:], zero], 0); "                     \
    "r = (3 - x) * x - left - 2 * right + 1\",\"variables\":{\"y\":[@]}" more "}"

/* With y of -1 everywhere in the place of @. */
static char *broyden(const char *request, int n) {
    const char *at = strchr(request, '@');
    assert_non_null(at);
    char *text = malloc(strlen(request) + 4 * (size_t)n + 1);
    int end = sprintf(text, "%.*s", (int)(at - request), request);
    for (int i = 0; i < n; i++) end += sprintf(text + end, "%s-1", i ? "," : "");
    strcpy(text + end, at + 1);
    return text;
}

static void more_rows_and_columns_than_a_block(void **state) {
    (void)state;
    static const char *const requests[] = {
        BROYDEN("600", ",\"format\":\"base64\""),
        BROYDEN("600", ",\"format\":\"base64\",\"bounds\":{\"y\":[-3,0]}")};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct document answer;
        double cost;
        char *request = broyden(requests[i], 600);
        open_answer(&answer, "Broyden's function of 600", request);
        assert_true(json_double(json_member(answer.root, "cost"), &cost));
        assert_string_equal(json_string(json_member(answer.root, "status")), "converged");
        assert_true(cost < 1e-20);
        document_close(&answer);
        free(request);
    }
}

static void memory_is_asked_for_before_it_is_taken(void **state) {
    (void)state;
    struct service_limits limits = service_limits_default;
    char *request = broyden(BROYDEN("200", ""), 200);
    limits.max_request_bytes = 4 << 20;
    const char *answer = ask_within(service_least_squares, request, &limits);
    if (strncmp(answer, "memory_budget: ", 15) != 0) fail_msg("%s", answer);
    free(request);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_is_scipys),
                                       cmocka_unit_test(no_point_is_out_of_bounds),
                                       cmocka_unit_test(who_listens_may_end_the_run),
                                       cmocka_unit_test(more_rows_and_columns_than_a_block),
                                       cmocka_unit_test(memory_is_asked_for_before_it_is_taken)};
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
