/* Minimisation from several starts: each is a run of its own, to the bit. */
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

/* ---- starts ---- */

static const char *const started[] = {"SGD",  "Adam",      "RMSprop",           "Nadam",
                                      "Ftrl", "Adafactor", "ScheduleFreeAdamW", "Lamb"};

static void starts_are_runs_of_their_own(void **state) {
    (void)state;
    static const char *const x[] = {"3", "-2", "0.25"};
    static const char graph[] = "y = (x ** 2 - 2) ** 2 + x * reduce_sum(w) + reduce_sum(w ** 2)";
    for (size_t i = 0; i < sizeof started / sizeof *started; i++)
        for (size_t k = 0; k < FURTHER; k++) {
            char *rest =
                copied(formatted("\"steps\":9,\"stop\":{\"grad_norm\":0.1},\"return_state\":true,"
                                 "\"optimizer\":{\"name\":\"%s\",\"learning_rate\":0.02%s}",
                                 started[i], further[k]));
            char *all =
                copied(MINIMIZE(formatted("{\"graph\":\"%s\",\"variables\":{\"x\":0,\"w\":[1,2]},"
                                          "\"starts\":{\"x\":[3,-2,0.25]},%s}",
                                          graph, rest)));
            char losses[256] = "", xs[256] = "", ws[256] = "";
            char *one[3];
            int best = 0;
            for (int r = 0; r < 3; r++) {
                one[r] = copied(
                    MINIMIZE(formatted("{\"graph\":\"%s\",\"variables\":{\"x\":%s,\"w\":[1,2]},%s}",
                                       graph, x[r], rest)));
                const char *comma = r ? "," : "";
                strcat(strcat(losses, comma), member(one[r], "loss", 0));
                strcat(strcat(xs, comma), member(member(one[r], "variables", 0), "x", 1));
                strcat(strcat(ws, comma), member(member(one[r], "variables", 0), "w", 1));
                if (strtod(member(one[r], "loss", 0), NULL) <
                    strtod(member(one[best], "loss", 1), NULL))
                    best = r;
            }
            const char *starts = member(all, "starts", 0);
            SAYS(member(starts, "loss", 1), formatted("[%s]", losses));
            SAYS(member(member(starts, "variables", 1), "x", 2), formatted("[%s]", xs));
            SAYS(member(member(starts, "variables", 1), "w", 2), formatted("[%s]", ws));
            SAYS(member(all, "best", 1), formatted("%d", best));
            SAYS(member(all, "optimizer", 1), member(one[best], "optimizer", 2));
            SAYS(member(all, "history", 1), member(one[best], "history", 2));
            for (int r = 0; r < 3; r++) free(one[r]);
            free(all);
            free(rest);
        }
}

static void starts_see_the_same_rows(void **state) {
    (void)state;
    const int64_t all[] = {0, 1, 2, 3, 4, 5, 6};
    char *rest = copied(
        formatted("\"inputs\":{\"X\":%s,\"y\":%s},\"batch_size\":3,\"shuffle_seed\":5,\"epochs\":4,"
                  "\"optimizer\":{\"name\":\"Adam\",\"learning_rate\":0.1},\"return_state\":true",
                  json_rows(X, all, 7), json_rows(y, all, 7)));
    char *both = copied(
        MINIMIZE(formatted("{\"graph\":\"" NET "\",\"variables\":{\"w\":[0,0]},\"starts\":{\"w\":[["
                           "0.5,-0.5],[2,1]]},%s}",
                           rest)));
    char *one = copied(
        MINIMIZE(formatted("{\"graph\":\"" NET "\",\"variables\":{\"w\":[0.5,-0.5]},%s}", rest)));
    char *two =
        copied(MINIMIZE(formatted("{\"graph\":\"" NET "\",\"variables\":{\"w\":[2,1]},%s}", rest)));
    SAYS(member(member(both, "starts", 0), "loss", 1),
         formatted("[%s,%s]", member(one, "loss", 2), member(two, "loss", 3)));
    SAYS(member(member(member(both, "starts", 0), "variables", 1), "w", 2),
         formatted("[%s,%s]", member(member(one, "variables", 0), "w", 1),
                   member(member(two, "variables", 0), "w", 3)));
    const char *best = member(both, "best", 0)[0] == '0' ? one : two;
    SAYS(member(both, "optimizer", 0), member(best, "optimizer", 1));
    free(rest);
    free(both);
    free(one);
    free(two);
}

static void starts_go_on_from_a_sessions_slots(void **state) {
    (void)state;
    static const char optimizer[] = "{\"name\":\"SGD\",\"learning_rate\":0.05,\"momentum\":0.9}";
    static const char *const x[] = {"2", "0.5"};
    struct session *s[3];
    char *loss[3];
    for (int i = 0; i < 3; i++) {
        s[i] = new_session();
        put_optimizer(s[i], optimizer);
        ask_session(s[i], service_minimize, NULL, "{\"graph\":\"" GRAPH "\",\"steps\":3}");
        if (i)
            ask_session(s[i], service_variable_assign, "x", formatted("{\"value\":%s}", x[i - 1]));
        loss[i] = copied(ask_session(s[i], service_minimize, NULL,
                                     i ? "{\"graph\":\"" GRAPH "\",\"steps\":4}"
                                       : "{\"graph\":\"" GRAPH
                                         "\",\"steps\":4,\"starts\":{\"x\":[2,0.5]}}"));
    }
    const int best = 1 + (member(loss[0], "best", 0)[0] == '1');
    SAYS(member(loss[0], "variables", 0), member(loss[best], "variables", 1));
    struct writer w[2];
    SAYS(state_of(s[0], &w[0]), state_of(s[best], &w[1]));
    for (int i = 0; i < 2; i++) writer_free(&w[i]);
    for (int i = 0; i < 3; i++) {
        free(loss[i]);
        session_free(s[i]);
    }
}

static void a_start_that_fails_does_not_win(void **state) {
    (void)state;
    const char *answer =
        MINIMIZE("{\"graph\":\"y = log(x) + x\",\"variables\":{\"x\":1},\"starts\":{\"x\":[-1,2,"
                 "1]},\"steps\":3,\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":0.125}}");
    SAYS(member(answer, "best", 0), "2");
    SAYS(member(answer, "status", 0), "\"max_steps\"");
    SAYS(member(member(answer, "starts", 0), "status", 1),
         "[\"non_finite\",\"max_steps\",\"max_steps\"]");
}

static void starts_scale_their_losses_each_for_itself(void **state) {
    (void)state;
    char *all = copied(MINIMIZE(
        "{\"graph\":\"y = x ** 4\",\"variables\":{\"x\":0},\"starts\":{\"x\":[1,1e12]},\"steps\":4,"
        "\"non_finite\":\"apply\",\"return_state\":true,\"optimizer\":{\"name\":"
        "\"LossScaleOptimizer\",\"inner_optimizer\":{\"name\":\"SGD\",\"learning_rate\":0.1}}}"));
    char *one = copied(MINIMIZE(
        "{\"graph\":\"y = x ** 4\",\"variables\":{\"x\":1},\"steps\":4,"
        "\"non_finite\":\"apply\",\"return_state\":true,\"optimizer\":{\"name\":"
        "\"LossScaleOptimizer\",\"inner_optimizer\":{\"name\":\"SGD\",\"learning_rate\":0.1}}}"));
    SAYS(member(all, "optimizer", 0), member(one, "optimizer", 1));
    SAYS(member(member(member(all, "starts", 0), "variables", 1), "x", 2),
         formatted("[%s,1000000000000.0]", member(member(one, "variables", 0), "x", 3)));
    free(all);
    free(one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_are_runs_of_their_own),
        cmocka_unit_test(starts_see_the_same_rows),
        cmocka_unit_test(starts_go_on_from_a_sessions_slots),
        cmocka_unit_test(a_start_that_fails_does_not_win),
        cmocka_unit_test(starts_scale_their_losses_each_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
