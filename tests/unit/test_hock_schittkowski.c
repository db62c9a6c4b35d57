/* The problems 1 to 40 of Hock and Schittkowski (tests/oracle/hock_schittkowski.json) as requests, by slsqp:
 * the published optima are reached, or a local one that is known, or the status says why not. Prints a
 * table of what was reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/minimize.h"
#include "ask.h"
#include "document.h"

static struct document problems;
static char *file; /* the same, as it is written */

static int load(void **state) {
    (void)state;
    document_open_oracle(&problems, "hock_schittkowski.json");
    file = document_text("oracle/hock_schittkowski.json");
    return 0;
}

static int unload(void **state) {
    document_close(&problems);
    free(file);
    return ask_end(state);
}

/* The request with another method, or as it is. Valid until the next call. */
static const char *body_of(const struct json *problem, const char *method) {
    static char text[8192];
    const struct json *request = json_member(problem, "request");
    /* The members are copied from the file: every request is written with "method": "slsqp" once. */
    const char *name = json_string(json_member(problem, "name"));
    char mark[32];
    snprintf(mark, sizeof mark, "\"name\": \"%s\",", name);
    const char *at = strstr(strstr(file, mark), "\"request\": ") + strlen("\"request\": ");
    const char *end = strchr(at, '\n');
    if (end[-1] == ',') end--;
    const char *old = strstr(at, "\"slsqp\"");
    assert_non_null(request);
    assert_true(old && old < end);
    snprintf(text, sizeof text, "%.*s\"%s\"%.*s", (int)(old - at), at, method,
             (int)(end - 1 - old) - (int)strlen("\"slsqp\""), old + strlen("\"slsqp\""));
    return text;
}

/* A number that follows a name in an answer. */
static double number_in(const char *answer, const char *name) {
    const char *at = strstr(answer, name);
    return at ? strtod(at + strlen(name), NULL) : NAN;
}

static bool is_near(double f, double optimum) {
    return fabs(f - optimum) <= 1e-6 * fmax(1, fabs(optimum));
}

struct score {
    int reached, local, explained, wrong;
};

static void solve_one(const struct json *problem, const char *method, struct score *score,
                      bool prints) {
    double optimum = NAN, local = NAN;
    const char *name = json_string(json_member(problem, "name"));
    const struct json *other = json_member(problem, "local");
    json_double(json_member(problem, "optimum"), &optimum);
    if (other) json_double(other, &local);
    const char *answer = ask(service_minimize, body_of(problem, method));
    char status[32] = "";
    sscanf(answer, "{\"status\":\"%31[a-z_]", status);
    if (!status[0]) fail_msg("%s: %s", name, answer);
    const double f = number_in(answer, "\"loss\":"),
                 violation = number_in(answer, "\"violation\":"),
                 evaluations = number_in(answer, "\"evaluations\":");
    const bool keeps = isnan(violation) || violation <= 1e-8;
    const bool converged = strcmp(status, "converged") == 0;
    const char *what = "not reached, and the status does not say so";
    if (keeps && is_near(f, optimum))
        what = "reached", score->reached++;
    else if (keeps && converged && is_near(f, local))
        what = "a local optimum that is known", score->local++;
    else if (!converged)
        what = "not reached", score->explained++;
    else
        score->wrong++;
    if (prints)
        print_message("%-5s %-16s %4.0f evaluations  f %-22.15g f* %-16.12g %s\n", name, status,
                      evaluations, f, optimum, what);
}

static struct score solve_all(const char *method, bool prints) {
    struct score score = {0};
    for (const struct json *p = json_first(problems.root); p; p = json_next(p))
        solve_one(p, method, &score, prints);
    return score;
}

static void slsqp_reaches_the_published_optima(void **state) {
    (void)state;
    const struct score score = solve_all("slsqp", true);
    print_message("%d optima reached, %d local ones, %d not reached with a status that says so, %d "
                  "wrong\n",
                  score.reached, score.local, score.explained, score.wrong);
    assert_int_equal(score.reached + score.local + score.explained + score.wrong, 40);
    assert_int_equal(score.wrong, 0);
    assert_true(score.reached >= 33);
    assert_true(score.explained <= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slsqp_reaches_the_published_optima),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
