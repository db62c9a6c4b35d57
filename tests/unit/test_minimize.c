/* Minimisation: what it answers, the rules and the end of time, limits and refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/session_services.h"
#include "minimizing.h"

/* ---- the article ---- */

static void a_hundred_steps_reach_the_bottom_of_a_parabola(void **state) {
    (void)state;
    SAYS(MINIMIZE("{\"graph\":\"y = a*x**2 + b*x + c\",\"loss\":\"y\",\"var_list\":[\"x\"],"
                  "\"variables\":{\"x\":0},\"constants\":{\"a\":3,\"b\":2,\"c\":-1},\"steps\":100,"
                  "\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":0.1},\"record_every\":25}"),
         "{\"status\":\"max_steps\",\"steps\":100,\"loss\":-1.3333334,\"variables\":{\"x\":"
         "-0.3333333},\"history\":{\"step\":[0,25,50,75],\"loss\":[-1.0,-1.3333334,-1.3333334,"
         "-1.3333334]},\"iterations\":100}");
}

static void a_history_is_fit_for_plotting(void **state) {
    (void)state;
    const char *const steps[] = {"0", "1", "100", "200", "201", "100000"};
    const int rows[] = {0, 1, 100, 200, 101, 200};
    for (int i = 0; i < 6; i++) {
        const char *history =
            member(MINIMIZE(formatted("{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1},\"steps\":"
                                      "%s,\"optimizer\":\"sgd\"}",
                                      steps[i])),
                   "step", 0);
        int n = history[1] != ']';
        for (const char *c = history; *c; c++) n += *c == ',';
        assert_int_equal(n, rows[i]);
    }
}

/* ---- rules and ends ---- */

#define PARABOLA(more)                                                                             \
    "{\"graph\":\"y = 3 * x ** 2 + 2 * x - 1\",\"variables\":{\"x\":0},\"optimizer\":{\"name\":"   \
    "\"SGD\",\"learning_rate\":0.1},\"record_every\":1000," more "}"

static void a_small_gradient_ends_before_the_update(void **state) {
    (void)state;
    SAYS(MINIMIZE(PARABOLA("\"steps\":100,\"stop\":{\"grad_norm\":2}")),
         "{\"status\":\"converged\",\"steps\":0,\"loss\":-1.0,\"variables\":{\"x\":0.0},"
         "\"history\":{\"step\":[],\"loss\":[]},\"iterations\":0}");
    SAYS(MINIMIZE(PARABOLA("\"steps\":100,\"stop\":{\"grad_norm\":0.7}")),
         "{\"status\":\"converged\",\"steps\":2,\"loss\":-1.3248,\"variables\":{\"x\":-0.28},"
         "\"history\":{\"step\":[0],\"loss\":[-1.0]},\"iterations\":2}");
}

/* x: 0, -0.2, -0.28, -0.312, -0.3248, ... */
static void a_small_change_ends(void **state) {
    (void)state;
    const char *answer = MINIMIZE(PARABOLA("\"steps\":100,\"stop\":{\"variable_change\":0.033}"));
    SAYS(member(answer, "status", 0), "\"converged\"");
    SAYS(member(answer, "steps", 0), "3");
    /* y: -1, -1.28, -1.3248, ... */
    answer = MINIMIZE(PARABOLA("\"steps\":100,\"stop\":{\"loss_change\":0.05}"));
    SAYS(member(answer, "steps", 0), "2");
    SAYS(member(answer, "loss", 0), "-1.3248");
}

static void a_rule_that_is_never_met_does_nothing(void **state) {
    (void)state;
    char *free_run = copied(MINIMIZE(PARABOLA("\"steps\":10")));
    SAYS(MINIMIZE(PARABOLA("\"steps\":10,\"stop\":{\"grad_norm\":0,"
                           "\"variable_change\":0,\"max_seconds\":50}")),
         free_run);
    free(free_run);
}

static void sums_of_gradients_are_no_small_changes(void **state) {
    (void)state;
    const char *answer =
        MINIMIZE("{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1},\"steps\":12,\"optimizer\":{"
                 "\"name\":\"SGD\",\"learning_rate\":0.1,\"gradient_accumulation_steps\":4},"
                 "\"stop\":{\"variable_change\":0.001,\"loss_change\":0.001}}");
    SAYS(member(answer, "status", 0), "\"max_steps\"");
    SAYS(member(answer, "iterations", 0), "3");
}

static void a_run_that_diverges_ends_where_the_loss_was_finite(void **state) {
    (void)state;
    SAYS(MINIMIZE("{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1},\"steps\":100,"
                  "\"record_every\":100,\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":1e8}}"),
         "{\"status\":\"non_finite\",\"steps\":2,\"loss\":1.6e+33,\"variables\":{\"x\":4e+16},"
         "\"history\":{\"step\":[0],\"loss\":[1.0]},\"iterations\":2}");
    SAYS(MINIMIZE("{\"graph\":\"y = log(x)\",\"variables\":{\"x\":-1},\"steps\":9,\"optimizer\":"
                  "\"sgd\"}"),
         "{\"status\":\"non_finite\",\"steps\":0,\"loss\":\"NaN\",\"variables\":{\"x\":-1.0},"
         "\"history\":{\"step\":[],\"loss\":[]},\"iterations\":0}");
    SAYS(member(MINIMIZE("{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1},\"steps\":9,"
                         "\"non_finite\":\"apply\",\"optimizer\":{\"name\":\"SGD\","
                         "\"learning_rate\":1e8}}"),
                "variables", 0),
         "{\"x\":\"NaN\"}");
}

static void the_last_update_may_be_one_too_many(void **state) {
    (void)state;
    const char *answer =
        MINIMIZE("{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1},\"steps\":3,\"optimizer\":{"
                 "\"name\":\"SGD\",\"learning_rate\":1e8}}");
    SAYS(member(answer, "status", 0), "\"non_finite\"");
    SAYS(member(answer, "steps", 0), "2");
    answer = MINIMIZE("{\"graph\":\"l = x ** 2 + 0 * reduce_sum(X)\",\"variables\":{\"x\":1},"
                      "\"inputs\":{\"X\":[1,1,1]},\"batch_size\":1,\"epochs\":1,\"optimizer\":{"
                      "\"name\":\"SGD\",\"learning_rate\":1e8}}");
    SAYS(member(answer, "status", 0), "\"non_finite\"");
    SAYS(member(answer, "steps", 0), "2");
    SAYS(member(answer, "loss", 0), "1.6e+33");
}

static void rows_that_are_not_finite_are_skipped_where_wanted(void **state) {
    (void)state;
#define BAD(x, choice)                                                                             \
    "{\"graph\":\"l = reduce_mean((X - w) ** 2)\",\"variables\":{\"w\":0},\"inputs\":{\"X\":" x    \
    "},\"batch_size\":1,\"epochs\":1,\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":0.25,"      \
    "\"momentum\":0.5}" choice "}"
    char *without = copied(member(MINIMIZE(BAD("[1,2,3]", "")), "variables", 0));
    const char *answer = MINIMIZE(BAD("[1,2,\"Infinity\",3]", ",\"non_finite\":\"skip\""));
    SAYS(member(answer, "variables", 0), without);
    SAYS(member(answer, "iterations", 0), "3");
    SAYS(member(answer, "skipped", 0), "1");
    answer = MINIMIZE(BAD("[1,2,\"Infinity\",3]", ""));
    SAYS(member(answer, "status", 0), "\"non_finite\"");
    free(without);
}

/* ---- limits and failures ---- */

static void a_session_without_room_stays_as_it_was(void **state) {
    (void)state;
    struct session *s = new_session();
    put_optimizer(s, "{\"name\":\"Adam\",\"learning_rate\":0.1}");
    struct writer w[2];
    char *before = state_of(s, &w[0]);
    s->account.limit = s->account.bytes + 200;
    const char *answer =
        ask_session(s, service_minimize, NULL, "{\"graph\":\"" GRAPH "\",\"steps\":3}");
    assert_non_null(strstr(answer, "session_memory: "));
    SAYS(state_of(s, &w[1]), before);
    for (int i = 0; i < 2; i++) writer_free(&w[i]);
    session_free(s);
}

static void work_is_refused_before_it_is_done(void **state) {
    (void)state;
    SAYS(MINIMIZE("{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1},\"steps\":9000000000000000000,"
                  "\"record_every\":1000000000000000,\"optimizer\":\"sgd\"}"),
         "too_much_work: the request takes up to 9000000000000000001 runs of about 266 operations "
         "each; the limit is 1000000000000 operations");
    SAYS(MINIMIZE("{\"graph\":\"l = x ** 2\",\"variables\":{\"x\":1},\"inputs\":{\"X\":[1,2]},"
                  "\"batch_size\":1,\"epochs\":9000000000000000000,\"optimizer\":\"sgd\"}"),
         "too_much_work: 9000000000000000000 epochs are too many [/epochs]");
    struct service_limits limits = service_limits_default;
    limits.max_request_bytes = 1 << 20;
    assert_non_null(
        strstr(ask_within(service_minimize,
                          "{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1},\"steps\":1000000,"
                          "\"record_every\":1,\"optimizer\":\"sgd\"}",
                          &limits),
               "memory_budget: "));
}

#define X1 "\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1}"

static const char *minimize(const char *body) { return MINIMIZE(body); }

static void bad_requests_are_told_what_is_wrong(void **state) {
    (void)state;
    ASK_CHECK(
        minimize,
        {"{" X1 ",\"steps\":3}",
         "invalid_request: member \"optimizer\" (or \"method\") is missing"},
        {"{" X1 ",\"optimizer\":\"sgd\"}", "invalid_request: member \"steps\" is missing"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":-1}",
         "invalid_value: expected a whole number of at least 0, found -1 [/steps]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":1.5}",
         "invalid_value: expected a whole number of at least 0, found 1.5 [/steps]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":\"3\"}",
         "invalid_request: expected a whole number of at least 0, found a string [/steps]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"record_every\":0}",
         "invalid_value: expected a whole number of at least 1, found 0 [/record_every]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"epochs\":1}",
         "invalid_request: \"epochs\" needs \"inputs\" with rows [/epochs]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"epochs\":1,\"inputs\":{\"a\":[1]}}",
         "invalid_request: \"epochs\" stands in place of \"steps\"; both were sent [/epochs]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"batch_size\":2}",
         "invalid_request: \"batch_size\" needs \"inputs\" with rows [/batch_size]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"bounds\":{}}",
         "invalid_request: \"bounds\" goes with a \"method\", not with an optimizer [/bounds]"},
        {"{" X1 ",\"method\":\"lbfgs\",\"epochs\":3}",
         "invalid_request: \"epochs\" goes with an optimizer, not with a \"method\" [/epochs]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"stop\":{\"grad_nrom\":1}}",
         "invalid_request: unknown member \"grad_nrom\"; did you mean \"grad_norm\"? Accepted: "
         "grad_norm, loss_change, variable_change, max_seconds [/stop/grad_nrom]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"stop\":{\"grad_norm\":-1}}",
         "invalid_value: expected a number of at least 0, found -1 [/stop/grad_norm]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"non_finite\":\"ignore\"}",
         "invalid_value: expected stop, skip or apply, found \"ignore\" [/non_finite]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"return_state\":1}",
         "invalid_request: expected true or false, found a number [/return_state]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"loss\":[\"y\"]}",
         "invalid_request: the loss is a name, found an array [/loss]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"var_list\":[]}",
         "invalid_request: expected a list of names of variables, found an empty one [/var_list]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"var_list\":[\"y\"]}",
         "invalid_request: \"y\" is no variable [/var_list/0]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"var_list\":[\"x\",\"x\"]}",
         "duplicate_name: \"x\" is named twice [/var_list/1]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"var_list\":[\"xx\"]}",
         "unbound_name: there is no variable \"xx\"; did you mean \"x\"? [/var_list/0]"},
        {"{\"graph\":\"y = x * 2\",\"variables\":{\"x\":[1,2]},\"optimizer\":\"sgd\",\"steps\":3}",
         "shape_mismatch: the loss \"y\" must be one number, found the shape (2,) [/graph]"},
        {"{\"graph\":\"y = x > 2\",\"variables\":{\"x\":1},\"optimizer\":\"sgd\",\"steps\":3}",
         "dtype_mismatch: the loss \"y\" must be of a floating dtype, found bool [/graph]"},
        {"{\"graph\":\"y = c * 2\",\"variables\":{\"x\":1},\"constants\":{\"c\":1},\"optimizer\":"
         "\"sgd\",\"steps\":3}",
         "missing_gradient: No gradients provided for any variable. [/graph]"},
        {"{\"graph\":{\"nodes\":[]},\"variables\":{\"x\":1},\"optimizer\":\"sgd\",\"steps\":3}",
         "invalid_request: the graph is empty and \"loss\" names nothing [/graph]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"starts\":{\"x\":2}}",
         "shape_mismatch: the starts of \"x\" have shape (), expected a leading axis of starts "
         "before the variable's shape () [/starts/x]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"starts\":{\"z\":[2]}}",
         "unbound_name: \"z\" is no variable that moves [/starts/z]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"starts\":{\"x\":[]}}",
         "invalid_value: there must be at least one start [/starts/x]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"inputs\":{\"a\":2}}",
         "shape_mismatch: an input has a leading axis of rows; found a scalar [/inputs/a]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"inputs\":{\"a\":[1,2],\"b\":[1]}}",
         "shape_mismatch: found 1 rows where other inputs have 2 [/inputs/b]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"inputs\":{\"a\":[]}}",
         "invalid_value: an input needs at least one row [/inputs/a]"},
        {"{" X1 ",\"optimizer\":\"sgd\",\"steps\":3,\"inputs\":{\"a\":[1]},\"shuffle_seed\":0.5}",
         "invalid_value: expected a whole number, found another number [/shuffle_seed]"});
}

static void gradients_that_are_missing_are_named(void **state) {
    (void)state;
    SAYS(member(MINIMIZE("{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1,\"w\":2,\"v\":3},"
                         "\"steps\":2,\"optimizer\":\"sgd\"}"),
                "warnings", 0),
         "[{\"code\":\"missing_gradient\",\"detail\":\"Gradients do not exist for variables ['w', "
         "'v'] when minimizing the loss. If using `model.compile()`, did you forget to provide a "
         "`loss` argument?\",\"pointer\":\"/graph\"}]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_steps_reach_the_bottom_of_a_parabola),
        cmocka_unit_test(a_history_is_fit_for_plotting),
        cmocka_unit_test(a_small_gradient_ends_before_the_update),
        cmocka_unit_test(a_small_change_ends),
        cmocka_unit_test(a_rule_that_is_never_met_does_nothing),
        cmocka_unit_test(sums_of_gradients_are_no_small_changes),
        cmocka_unit_test(a_run_that_diverges_ends_where_the_loss_was_finite),
        cmocka_unit_test(the_last_update_may_be_one_too_many),
        cmocka_unit_test(rows_that_are_not_finite_are_skipped_where_wanted),
        cmocka_unit_test(a_session_without_room_stays_as_it_was),
        cmocka_unit_test(work_is_refused_before_it_is_done),
        cmocka_unit_test(bad_requests_are_told_what_is_wrong),
        cmocka_unit_test(gradients_that_are_missing_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
