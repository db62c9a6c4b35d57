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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_is_scipys)};
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
