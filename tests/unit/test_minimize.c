/* Minimisation: the same bits as its steps one by one, whatever the optimizer; rows, starts, rules, the
 * end of time, and what a session keeps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json.h"
#include "api/session.h"
#include "api/session_services.h"
#include "api/training.h"
#include "ask.h"
#include "core/kernels/random.h"

#define SAYS(answer, text) assert_string_equal(answer, text)
#define MINIMIZE(body) ask(service_minimize, body)

/* ---- answers taken apart ---- */

/* The text of the member `name` of an answer, up to its end; valid until the next call of the same
 * `place` (0 to 3). */
static const char *member(const char *answer, const char *name, int place) {
    static char texts[4][16384];
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(answer, key);
    if (!at) fail_msg("no member %s in %s", name, answer);
    at += strlen(key);
    size_t n = 0;
    int depth = 0;
    bool quoted = false;
    for (; at[n]; n++) {
        if (at[n] == '"') quoted = !quoted;
        if (quoted) continue;
        if (!depth && (at[n] == ',' || at[n] == '}')) break;
        if (strchr("[{", at[n])) depth++;
        if (strchr("]}", at[n])) depth--;
    }
    assert_true(n < sizeof texts[0]);
    memcpy(texts[place], at, n);
    texts[place][n] = '\0';
    return texts[place];
}

static char *formatted(const char *format, ...) {
    static char texts[4][32768];
    static int next;
    char *text = texts[next++ % 4];
    va_list args;
    va_start(args, format);
    assert_true(vsnprintf(text, sizeof texts[0], format, args) < (int)sizeof texts[0]);
    va_end(args);
    return text;
}

static char *copied(const char *text) {
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

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

/* ---- step by step, on sessions ---- */

static struct session *new_session(void) {
    struct session *s = session_new("s", DTYPE_F32, 16 << 20);
    float x = 2, w[] = {1, -2, 0.5f, 3, 0.25f, -1}, b[] = {0.1f, 0.2f, -0.3f};
    const struct tensor tx = {DTYPE_F32, shape_scalar, &x}, tw = {DTYPE_F32, {2, {2, 3}}, w},
                        tb = {DTYPE_F32, {1, {3}}, b};
    assert_non_null(session_add(s, "x", 1, ITEM_VARIABLE, true, &tx));
    assert_non_null(session_add(s, "w", 1, ITEM_VARIABLE, true, &tw));
    assert_non_null(session_add(s, "b", 1, ITEM_VARIABLE, true, &tb));
    return s;
}

#define GRAPH "v = [[1, 2], [3, 4], [-1, 0.5]] @ w + b; l = reduce_mean(v ** 2) * x + (x - 1) ** 4"

static char *state_of(struct session *s, struct writer *w) {
    writer_init(w, 1 << 20);
    for (uint32_t i = 0; i < s->items.n; i++) {
        if (!s->items.list[i] || s->items.list[i]->kind != ITEM_VARIABLE) continue;
        write_tensor(w, &s->items.list[i]->value.tensor, FORMAT_NESTED);
        write_text(w, "\n");
    }
    training_write(w, s, true, FORMAT_NESTED);
    write_bytes(w, "", 1);
    assert_false(w->full);
    return w->data;
}

static void put_optimizer(struct session *s, const char *optimizer) {
    const char *answer = ask_call(service_optimizer_put,
                                  (struct service_call){.session = s, .puts = true}, optimizer);
    if (!strstr(answer, "\"iterations\":")) fail_msg("%s\n%s", optimizer, answer);
}

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

static const char *const further[] = {"",
                                      ",\"weight_decay\":0.01",
                                      ",\"clipnorm\":0.5",
                                      ",\"global_clipnorm\":0.5",
                                      ",\"clipvalue\":0.1,\"gradient_accumulation_steps\":3",
                                      ",\"use_ema\":true,\"ema_overwrite_frequency\":3"};

static void every_optimizer_is_the_same_step_by_step(void **state) {
    (void)state;
    for (size_t i = 0; i < optimizer_count; i++) {
        if (optimizer_table[i]->wraps) continue;
        for (size_t k = 0; k < sizeof further / sizeof *further; k++)
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

#define NET "l = reduce_mean((reduce_sum(X * w, axis=1) - y) ** 2)"

static const char *const X[] = {"[1,2]", "[3,-4]", "[0.5,6]", "[-7,8]", "[9,1]", "[2,2]", "[0,1]"};
static const char *const y[] = {"1", "2", "3", "4", "5", "6", "7"};

/* Rows as JSON, in that order. */
static char *rows_of(const char *const *rows, const int64_t *order, int n) {
    char *text = formatted("[");
    for (int i = 0; i < n; i++) {
        strcat(text, i ? "," : "");
        strcat(text, rows[order[i]]);
    }
    return strcat(text, "]");
}

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
                          w, rows_of(X, at, n), rows_of(y, at, n), optimizer));
            free(w);
            w = copied(member(member(answer, "variables", 0), "w", 1));
            free(optimizer);
            optimizer = copied(member(answer, "optimizer", 0));
        }
    const int64_t all[] = {0, 1, 2, 3, 4, 5, 6};
    char *loss =
        copied(member(ask(service_evaluate, formatted("{\"graph\":\"" NET
                                                      "\",\"variables\":{\"w\":%s},\"constants\":{"
                                                      "\"X\":%s,\"y\":%s}}",
                                                      w, rows_of(X, all, 7), rows_of(y, all, 7))),
                      "value", 0));
    const char *answer = MINIMIZE(
        formatted("{\"graph\":\"" NET "\",\"variables\":{\"w\":[0.5,-0.5]},\"inputs\":{\"X\":%s,"
                  "\"y\":%s},\"batch_size\":%d,\"epochs\":%d,\"return_state\":true,\"fetch\":"
                  "[\"l\"],\"optimizer\":{\"name\":\"Adam\",\"learning_rate\":0.1}%s}",
                  rows_of(X, all, 7), rows_of(y, all, 7), size, epochs, extra));
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

static void what_was_not_begun_is_a_failure(void **state) {
    (void)state;
    atomic_bool cancelled = true;
    char *body = malloc(1 << 20);
    strcpy(body, "{\"variables\":{\"x\":[0");
    for (int i = 1; i < 3000; i++) strcat(body + 2 * i, ",0");
    strcat(body, "]},\"graph\":\"y = reduce_sum(x ** 2)");
    for (int i = 0; i < 600; i++) strcat(body, " + reduce_sum(sin(x))");
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

/* ---- starts ---- */

static const char *const started[] = {"SGD",  "Adam",      "RMSprop",           "Nadam",
                                      "Ftrl", "Adafactor", "ScheduleFreeAdamW", "Lamb"};

static void starts_are_runs_of_their_own(void **state) {
    (void)state;
    static const char *const x[] = {"3", "-2", "0.25"};
    static const char graph[] = "y = (x ** 2 - 2) ** 2 + x * reduce_sum(w) + reduce_sum(w ** 2)";
    for (size_t i = 0; i < sizeof started / sizeof *started; i++)
        for (size_t k = 0; k < sizeof further / sizeof *further; k++) {
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
         "too_much_work: the request takes up to 9000000000000000001 runs of about 268 operations "
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
        cmocka_unit_test(every_optimizer_is_the_same_step_by_step),
        cmocka_unit_test(optimizers_around_others_are_too),
        cmocka_unit_test(averages_of_other_variables_go_on),
        cmocka_unit_test(batches_are_steps_on_their_rows),
        cmocka_unit_test(shuffled_rows_come_as_documented),
        cmocka_unit_test(a_loss_of_too_many_rows_is_a_mean),
        cmocka_unit_test(a_batch_is_of_32_rows_unless_said_otherwise),
        cmocka_unit_test(a_small_gradient_ends_before_the_update),
        cmocka_unit_test(a_small_change_ends),
        cmocka_unit_test(a_rule_that_is_never_met_does_nothing),
        cmocka_unit_test(sums_of_gradients_are_no_small_changes),
        cmocka_unit_test(a_run_that_diverges_ends_where_the_loss_was_finite),
        cmocka_unit_test(the_last_update_may_be_one_too_many),
        cmocka_unit_test(rows_that_are_not_finite_are_skipped_where_wanted),
        cmocka_unit_test(a_cancelled_run_answers_with_what_it_has),
        cmocka_unit_test(time_that_is_over_is_a_result_too),
        cmocka_unit_test(what_is_fetched_is_there_when_time_is_over),
        cmocka_unit_test(nothing_may_be_fetched),
        cmocka_unit_test(what_was_not_begun_is_a_failure),
        cmocka_unit_test(progress_has_rows_with_gradient_norms),
        cmocka_unit_test(a_job_commits_as_it_goes),
        cmocka_unit_test(a_job_keeps_what_does_not_move),
        cmocka_unit_test(starts_are_runs_of_their_own),
        cmocka_unit_test(a_start_that_fails_does_not_win),
        cmocka_unit_test(starts_scale_their_losses_each_for_itself),
        cmocka_unit_test(a_run_is_resumed_bit_for_bit),
        cmocka_unit_test(a_session_without_room_stays_as_it_was),
        cmocka_unit_test(work_is_refused_before_it_is_done),
        cmocka_unit_test(bad_requests_are_told_what_is_wrong),
        cmocka_unit_test(gradients_that_are_missing_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
