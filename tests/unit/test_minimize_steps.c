/* Minimisation by steps: the same bits as its steps one by one, whatever the optimizer, on rows, and
 * resumed elsewhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/optimizer.h"
#include "api/session_services.h"
#include "core/kernels/random.h"
#include "minimizing.h"

/* ---- step by step, on sessions ---- */

/* Steps as a client takes them: a tape's gradient under names, then apply_gradients. */
static void step_by_hand(struct session *s, const char *target) {
    const char *opened =
        ask_session(s, service_tape_open, NULL, "{\"graph\":\"" GRAPH "; s = l * 32768\"}");
    char tape[16];
    snprintf(tape, sizeof tape, "%.*s", (int)strlen(member(opened, "tape", 0)) - 2,
             member(opened, "tape", 0) + 1);
    ask_session(s, service_tape_gradient, tape,
                formatted("{\"target\":\"%s\",\"sources\":[\"x\",\"w\",\"b\"],\"as\":[\"gx\","
                          "\"gw\",\"gb\"]}",
                          target));
    ask_session(s, service_tape_delete, tape, "");
    const char *answer = ask_session(s, service_apply_gradients, NULL,
                                     "{\"grads_and_vars\":[[\"gx\",\"x\"],[\"gw\",\"w\"],"
                                     "[\"gb\",\"b\"]]}");
    if (!strstr(answer, "\"iterations\":")) fail_msg("%s", answer);
}

/* One minimize of 7 steps, minimize once a step, and steps by hand leave the same bits. */
static void compare_steps(const char *optimizer, const char *target) {
    struct session *s[3];
    struct writer w[3];
    char *text[3];
    for (int i = 0; i < 3; i++) {
        s[i] = new_session();
        put_optimizer(s[i], optimizer);
    }
    const char *answer =
        ask_session(s[0], service_minimize, NULL, "{\"graph\":\"" GRAPH "\",\"steps\":7}");
    if (!strstr(answer, "max_steps")) fail_msg("%s\n%s", optimizer, answer);
    for (int k = 0; k < 7; k++) {
        ask_session(s[1], service_minimize, NULL, "{\"graph\":\"" GRAPH "\",\"steps\":1}");
        step_by_hand(s[2], target);
    }
    for (int i = 0; i < 3; i++) text[i] = state_of(s[i], &w[i]);
    for (int i = 1; i < 3; i++)
        if (strcmp(text[0], text[i]) != 0)
            fail_msg("%s: way %d\n%s\n%s", optimizer, i, text[0], text[i]);
    for (int i = 0; i < 3; i++) {
        writer_free(&w[i]);
        session_free(s[i]);
    }
}

static void every_optimizer_is_the_same_step_by_step(void **state) {
    (void)state;
    for (size_t i = 0; i < optimizer_count; i++) {
        if (optimizer_table[i]->wraps) continue;
        for (size_t k = 0; k < FURTHER; k++)
            compare_steps(formatted("{\"name\":\"%s\",\"learning_rate\":0.05%s}",
                                    optimizer_table[i]->name, further[k]),
                          "l");
        compare_steps(formatted("{\"name\":\"%s\",\"learning_rate\":{\"name\":\"ExponentialDecay\","
                                "\"initial_learning_rate\":0.05,\"decay_steps\":3,\"decay_rate\":"
                                "0.5}}",
                                optimizer_table[i]->name),
                      "l");
    }
}

static void optimizers_around_others_are_too(void **state) {
    (void)state;
    compare_steps("{\"name\":\"LossScaleOptimizer\",\"initial_scale\":32768,"
                  "\"inner_optimizer\":{\"name\":\"Adam\",\"learning_rate\":0.05}}",
                  "s");
    compare_steps("{\"name\":\"SGD\",\"learning_rate\":0.01,\"momentum\":0.9,"
                  "\"loss_scale_factor\":32768}",
                  "s");
}

/* What the optimizer knows of earlier goes on: averages of variables that this call does not name. */
static void averages_of_other_variables_go_on(void **state) {
    (void)state;
    static const char *const optimizers[] = {
        "{\"name\":\"SGD\",\"learning_rate\":0.01,\"use_ema\":true,\"ema_overwrite_frequency\":3}",
        "{\"name\":\"Adam\",\"learning_rate\":0.01,\"use_ema\":true,\"ema_momentum\":0.5,"
        "\"ema_overwrite_frequency\":2,\"gradient_accumulation_steps\":2}"};
    for (int k = 0; k < 2; k++) {
        struct session *s[2];
        struct writer w[2];
        for (int i = 0; i < 2; i++) {
            s[i] = new_session();
            put_optimizer(s[i], optimizers[k]);
            ask_session(s[i], service_minimize, NULL, "{\"graph\":\"" GRAPH "\",\"steps\":2}");
        }
        ask_session(s[0], service_minimize, NULL,
                    "{\"graph\":\"y = (x - 1) ** 4\",\"steps\":5,\"format\":\"base64\"}");
        for (int i = 0; i < 5; i++) {
            ask_session(s[1], service_tape_open, NULL, "{\"graph\":\"y = (x - 1) ** 4\"}");
            char tape[16];
            snprintf(tape, sizeof tape, "t%d", i + 1);
            ask_session(s[1], service_tape_gradient, tape,
                        "{\"target\":\"y\",\"sources\":[\"x\"],\"as\":[\"g\"]}");
            ask_session(s[1], service_tape_delete, tape, "");
            ask_session(s[1], service_apply_gradients, NULL,
                        "{\"grads_and_vars\":[[\"g\",\"x\"]]}");
        }
        SAYS(state_of(s[0], &w[0]), state_of(s[1], &w[1]));
        for (int i = 0; i < 2; i++) {
            writer_free(&w[i]);
            session_free(s[i]);
        }
    }
}

/* ---- rows ---- */

/* The answer of steps with one batch each, resumed from the state before, in the order of `order`. */
static void check_batches(const char *extra, const int64_t *order, int epochs, int size) {
    char *optimizer = copied("{\"name\":\"Adam\",\"learning_rate\":0.1}");
    char *w = copied("[0.5,-0.5]");
    for (int e = 0; e < epochs; e++)
        for (int begin = 0; begin < 7; begin += size) {
            const int n = 7 - begin < size ? 7 - begin : size;
            const int64_t *at = order + 7 * e + begin;
            const char *answer = MINIMIZE(
                formatted("{\"graph\":\"" NET "\",\"variables\":{\"w\":%s},\"constants\":{\"X\":%s,"
                          "\"y\":%s},\"steps\":1,\"return_state\":true,\"optimizer\":%s}",
                          w, json_rows(X, at, n), json_rows(y, at, n), optimizer));
            free(w);
            w = copied(member(member(answer, "variables", 0), "w", 1));
            free(optimizer);
            optimizer = copied(member(answer, "optimizer", 0));
        }
    const int64_t all[] = {0, 1, 2, 3, 4, 5, 6};
    char *loss = copied(
        member(ask(service_evaluate,
                   formatted("{\"graph\":\"" NET "\",\"variables\":{\"w\":%s},\"constants\":{"
                             "\"X\":%s,\"y\":%s}}",
                             w, json_rows(X, all, 7), json_rows(y, all, 7))),
               "value", 0));
    const char *answer = MINIMIZE(
        formatted("{\"graph\":\"" NET "\",\"variables\":{\"w\":[0.5,-0.5]},\"inputs\":{\"X\":%s,"
                  "\"y\":%s},\"batch_size\":%d,\"epochs\":%d,\"return_state\":true,\"fetch\":"
                  "[\"l\"],\"optimizer\":{\"name\":\"Adam\",\"learning_rate\":0.1}%s}",
                  json_rows(X, all, 7), json_rows(y, all, 7), size, epochs, extra));
    SAYS(member(member(answer, "variables", 0), "w", 1), w);
    SAYS(member(answer, "optimizer", 0), optimizer);
    SAYS(member(answer, "loss", 0), loss);
    SAYS(member(answer, "fetched", 0), formatted("[%s]", loss));
    free(loss);
    free(w);
    free(optimizer);
}

static void batches_are_steps_on_their_rows(void **state) {
    (void)state;
    int64_t order[7 * 5];
    for (int i = 0; i < 7 * 5; i++) order[i] = i % 7;
    for (int size = 1; size <= 8; size++) check_batches("", order, 5, size);
}

static void shuffled_rows_come_as_documented(void **state) {
    (void)state;
    int64_t order[7 * 4];
    for (int64_t e = 0; e < 4; e++) {
        const int64_t seed[2] = {12345, e};
        int64_t *o = order + 7 * e;
        for (int64_t i = 0; i < 7; i++) o[i] = i;
        for (int64_t i = 6; i > 0; i--) {
            const int64_t j = random_integer(seed, (uint64_t)i, 0, i + 1), t = o[i];
            o[i] = o[j];
            o[j] = t;
        }
    }
    assert_true(memcmp(order, order + 7, 7 * sizeof *order) != 0);
    for (int size = 1; size <= 8; size++) check_batches(",\"shuffle_seed\":12345", order, 4, size);
}

/* All rows at once have more elements than may be. */
static void a_loss_of_too_many_rows_is_a_mean(void **state) {
    (void)state;
    struct service_limits limits = service_limits_default;
    limits.max_elements = 20;
#define OUTER(more)                                                                                \
    "{\"graph\":\"l = reduce_mean((expand_dims(X, 1) * [1, 2, 3] * w - 1) ** 2)\",\"variables\":{" \
    "\"w\":1},\"inputs\":{\"X\":[1,2,3,4,5,6,7]},\"batch_size\":3,\"epochs\":3,\"optimizer\":{"    \
    "\"name\":\"Adam\",\"learning_rate\":0.1}" more "}"
    char *small = copied(ask_within(service_minimize, OUTER(""), &limits));
    const char *all = MINIMIZE(OUTER(""));
    SAYS(member(small, "variables", 0), member(all, "variables", 1));
    const double x = strtod(member(small, "loss", 0), NULL),
                 y_ = strtod(member(all, "loss", 1), NULL);
    assert_true(fabs(x - y_) < 1e-5 * y_);
    SAYS(member(small, "warnings", 0),
         "[{\"code\":\"mean_loss\",\"detail\":\"the loss of all 7 rows at once is over the limits; "
         "`loss` is the mean of its batches, by their rows\",\"pointer\":\"/inputs\"}]");
    free(small);
    assert_non_null(strstr(ask_within(service_minimize, OUTER(",\"fetch\":\"l\""), &limits),
                           "too_many_elements: "));
    SAYS(member(ask_within(service_minimize, OUTER(",\"starts\":{\"w\":[1,1]}"), &limits), "status",
                0),
         "\"max_steps\"");
}

static void a_batch_is_of_32_rows_unless_said_otherwise(void **state) {
    (void)state;
    char *rows = formatted("[1");
    for (int i = 1; i < 70; i++) strcat(rows, ",1");
    strcat(rows, "]");
    SAYS(member(MINIMIZE(formatted("{\"graph\":\"l = (w - 3) ** 2 + 0 * reduce_sum(X)\","
                                   "\"variables\":{\"w\":0},\"inputs\":{\"X\":%s},\"epochs\":2,"
                                   "\"optimizer\":\"sgd\"}",
                                   rows)),
                "steps", 0),
         "6");
}

/* ---- states that travel ---- */

static void a_run_is_resumed_bit_for_bit(void **state) {
    (void)state;
    for (size_t i = 0; i < optimizer_count; i++) {
        if (optimizer_table[i]->wraps) continue;
        static const char format[] = "{\"graph\":\"y = reduce_sum((x - 1) ** 4)\",\"variables\":{"
                                     "\"x\":%s},\"steps\":%d,\"return_state\":true,\"optimizer\":"
                                     "%s}";
        const char *optimizer = formatted("{\"name\":\"%s\",\"learning_rate\":0.02,"
                                          "\"use_ema\":true}",
                                          optimizer_table[i]->name);
        char *whole = copied(MINIMIZE(formatted(format, "[[0.5,3],[2,-1]]", 20, optimizer)));
        char *half = copied(MINIMIZE(formatted(format, "[[0.5,3],[2,-1]]", 9, optimizer)));
        const char *rest = MINIMIZE(formatted(format, member(member(half, "variables", 0), "x", 1),
                                              11, member(half, "optimizer", 2)));
        SAYS(member(rest, "variables", 0), member(whole, "variables", 1));
        SAYS(member(rest, "optimizer", 0), member(whole, "optimizer", 1));
        free(whole);
        free(half);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_optimizer_is_the_same_step_by_step),
        cmocka_unit_test(optimizers_around_others_are_too),
        cmocka_unit_test(averages_of_other_variables_go_on),
        cmocka_unit_test(batches_are_steps_on_their_rows),
        cmocka_unit_test(shuffled_rows_come_as_documented),
        cmocka_unit_test(a_loss_of_too_many_rows_is_a_mean),
        cmocka_unit_test(a_batch_is_of_32_rows_unless_said_otherwise),
        cmocka_unit_test(a_run_is_resumed_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
