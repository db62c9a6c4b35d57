/* Minimisation that is watched, cancelled, or out of time, and jobs that commit as they go. */
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

/* ---- time ---- */

struct listener {
    struct progress progress; /* first */
    int reports, commits, cancel_at;
    struct progress_row last;
    atomic_bool cancelled;
    struct session *session;
    char seen[64][32]; /* x of the session at each commit */
};

static void report(struct progress *p, const struct progress_row *row) {
    struct listener *l = (struct listener *)p;
    l->last = *row;
    if (++l->reports == l->cancel_at) atomic_store(&l->cancelled, true);
}

static bool commit(struct progress *p) {
    struct listener *l = (struct listener *)p;
    const struct item *x = session_find(l->session, "x", 1);
    snprintf(l->seen[l->commits++ % 64], 32, "%.9g", (double)*(float *)x->value.tensor.data);
    return l->commits != l->cancel_at;
}

static const char *ask_listening(struct listener *l, const char *body) {
    l->progress.report = report;
    return ask_call(service_minimize,
                    (struct service_call){.progress = &l->progress,
                                          .control.cancelled = &l->cancelled,
                                          .session = l->session},
                    body);
}

static void a_cancelled_run_answers_with_what_it_has(void **state) {
    (void)state;
    struct listener l = {.cancel_at = 3};
    const char *answer = ask_listening(
        &l, "{\"graph\":\"y = (x - 1) ** 2\",\"variables\":{\"x\":0},\"steps\":1000000,"
            "\"record_every\":500,\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":1e-6}}");
    SAYS(member(answer, "status", 0), "\"cancelled\"");
    const long steps = strtol(member(answer, "steps", 0), NULL, 10);
    assert_true(steps > 1000 && steps < 10000);
    SAYS(member(answer, "iterations", 0), member(answer, "steps", 1));
    char *once = copied(answer);
    SAYS(member(MINIMIZE(formatted("{\"graph\":\"y = (x - 1) ** 2\",\"variables\":{\"x\":0},"
                                   "\"steps\":%ld,\"record_every\":500,\"optimizer\":{\"name\":"
                                   "\"SGD\",\"learning_rate\":1e-6}}",
                                   steps)),
                "loss", 0),
         member(once, "loss", 1));
    free(once);
}

static void time_that_is_over_is_a_result_too(void **state) {
    (void)state;
    const char *answer =
        MINIMIZE("{\"graph\":\"y = (x - 1) ** 2\",\"variables\":{\"x\":0},\"steps\":1000000000,"
                 "\"stop\":{\"max_seconds\":0.05},\"optimizer\":\"sgd\"}");
    SAYS(member(answer, "status", 0), "\"deadline\"");
    assert_true(strtol(member(answer, "steps", 0), NULL, 10) > 0);
    assert_true(strtod(member(answer, "loss", 0), NULL) < 1);
    assert_string_equal(member(answer, "variables", 0), member(answer, "variables", 1));
    answer = MINIMIZE("{\"graph\":\"l = (x - reduce_mean(X)) ** 2\",\"variables\":{\"x\":0},"
                      "\"steps\":1000000000,\"inputs\":{\"X\":[1,2,3]},\"batch_size\":2,"
                      "\"timeout_seconds\":0.05,\"optimizer\":\"sgd\"}");
    SAYS(member(answer, "status", 0), "\"deadline\"");
    assert_true(strtod(member(answer, "loss", 0), NULL) < 4);
}

static void what_is_fetched_is_there_when_time_is_over(void **state) {
    (void)state;
    const char *answer =
        MINIMIZE("{\"graph\":\"y = (x - 1) ** 2\",\"variables\":{\"x\":0},\"steps\":1000000000,"
                 "\"stop\":{\"max_seconds\":0.02},\"optimizer\":\"sgd\",\"fetch\":\"x\"}");
    SAYS(member(answer, "status", 0), "\"deadline\"");
    SAYS(member(answer, "fetched", 0), member(member(answer, "variables", 1), "x", 2));
}

static void nothing_may_be_fetched(void **state) {
    (void)state;
    SAYS(member(MINIMIZE("{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":1},\"steps\":2,\"fetch\":["
                         "],\"optimizer\":\"sgd\"}"),
                "fetched", 0),
         "[]");
}

/* The loss of all rows takes so long that it looks at the time; a step, which sees one of them, does not. */
static void a_run_that_is_done_is_not_lost_to_its_last_loss(void **state) {
    (void)state;
    char *body = malloc(1 << 20);
    strcpy(body, "{\"variables\":{\"x\":1},\"inputs\":{\"X\":[1");
    for (int i = 1; i < 3000; i++) strcat(body, ",1");
    strcat(body, "]},\"batch_size\":1,\"graph\":\"y = x ** 2");
    for (int i = 0; i < 600; i++) strcat(body, " + 0 * reduce_sum(sin(X))");
    strcat(
        body,
        "\",\"steps\":2,\"fetch\":\"x\",\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":0.25}}");
    struct listener l = {.cancel_at = 2};
    const char *answer = ask_listening(&l, body);
    assert_true(l.cancelled);
    SAYS(member(answer, "status", 0), "\"max_steps\"");
    SAYS(member(answer, "loss", 0), "0.0625");
    SAYS(member(answer, "fetched", 0), "0.25");
    free(body);
}

static void what_was_not_begun_is_a_failure(void **state) {
    (void)state;
    atomic_bool cancelled = true;
    char *body = malloc(1 << 20);
    strcpy(body, "{\"variables\":{\"x\":[0");
    for (int i = 1; i < 3000; i++) strcat(body + 2 * i, ",0");
    strcat(body, "]},\"graph\":\"y = reduce_sum(x ** 2)");
    for (int i = 0; i < 2400; i++) strcat(body, " + reduce_sum(sin(x))");
    strcat(body, "\",\"steps\":10,\"optimizer\":\"sgd\"}");
    SAYS(ask_call(service_minimize, (struct service_call){.control.cancelled = &cancelled}, body),
         "cancelled: the run was cancelled");
    free(body);
}

static void progress_has_rows_with_gradient_norms(void **state) {
    (void)state;
    struct listener l = {.cancel_at = 0};
    ask_listening(&l, "{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":3},\"steps\":10,"
                      "\"record_every\":4,\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":0,"
                      "\"loss_scale_factor\":8}}");
    assert_int_equal(l.reports, 3);
    assert_int_equal(l.last.step, 8);
    assert_true(l.last.loss == 9 && l.last.gradient_norm == 6);
}

static void a_job_commits_as_it_goes(void **state) {
    (void)state;
    struct session *s = new_session();
    struct listener l = {.progress.commit = commit, .session = s};
    put_optimizer(s, "{\"name\":\"Adam\",\"learning_rate\":0.1}");
    const char *body = "{\"graph\":\"" GRAPH "\",\"steps\":10,\"record_every\":2}";
    char *answer = copied(ask_listening(&l, body));
    assert_int_equal(l.commits, 4);
    struct session *plain = new_session();
    put_optimizer(plain, "{\"name\":\"Adam\",\"learning_rate\":0.1}");
    SAYS(answer, ask_session(plain, service_minimize, NULL, body));
    struct session *partly = new_session();
    put_optimizer(partly, "{\"name\":\"Adam\",\"learning_rate\":0.1}");
    ask_session(partly, service_minimize, NULL, "{\"graph\":\"" GRAPH "\",\"steps\":4}");
    const struct item *x = session_find(partly, "x", 1);
    SAYS(l.seen[1], formatted("%.9g", (double)*(float *)x->value.tensor.data));
    struct writer w[2];
    SAYS(state_of(s, &w[0]), state_of(plain, &w[1]));
    for (int i = 0; i < 2; i++) writer_free(&w[i]);
    session_free(s);
    session_free(plain);
    session_free(partly);
    free(answer);
}

static void a_job_keeps_what_does_not_move(void **state) {
    (void)state;
    static const char *const starts[] = {"", ",\"starts\":{\"x\":[3,2]}"};
    static const char optimizer[] = "{\"name\":\"ScheduleFreeAdamW\",\"learning_rate\":0.1}";
    static const char graph[] = "\"graph\":\"y = (x - 1) ** 4\",\"var_list\":[\"x\",\"w\"],"
                                "\"steps\":10";
    for (int k = 0; k < 2; k++) {
        struct session *s = new_session(), *plain = new_session();
        struct listener l = {.progress.commit = commit, .session = s};
        put_optimizer(s, optimizer);
        put_optimizer(plain, optimizer);
        const char *answer =
            ask_listening(&l, formatted("{%s,\"record_every\":2%s}", graph, starts[k]));
        assert_int_equal(l.commits, 4);
        SAYS(member(member(answer, "variables", 0), "w", 1), "[[1.0,-2.0,0.5],[3.0,0.25,-1.0]]");
        ask_session(plain, service_minimize, NULL, formatted("{%s}", graph));
        struct writer w[2];
        SAYS(state_of(s, &w[0]), state_of(plain, &w[1]));
        for (int i = 0; i < 2; i++) writer_free(&w[i]);
        session_free(s);
        session_free(plain);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_run_answers_with_what_it_has),
        cmocka_unit_test(time_that_is_over_is_a_result_too),
        cmocka_unit_test(what_is_fetched_is_there_when_time_is_over),
        cmocka_unit_test(nothing_may_be_fetched),
        cmocka_unit_test(a_run_that_is_done_is_not_lost_to_its_last_loss),
        cmocka_unit_test(what_was_not_begun_is_a_failure),
        cmocka_unit_test(progress_has_rows_with_gradient_norms),
        cmocka_unit_test(a_job_commits_as_it_goes),
        cmocka_unit_test(a_job_keeps_what_does_not_move),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
