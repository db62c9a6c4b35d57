/* A session's optimizer without a server: every method goes on elsewhere bit for bit, and what fails has
 * changed nothing, whichever allocation or limit it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/session_services.h"
#include "api/training.h"
#include "ask.h"

/* ---- allocations that fail ---- */

static int failing = -1; /* so many allocations succeed still; -1: all */

static bool fails(void) {
    if (failing < 0) return false;
    return failing == 0 || failing-- == 0;
}

/* The linker puts these in the place of the library's. */
#define WRAP(name, parameters, ...)                                                                \
    void *real_##name parameters __asm__("__real_" #name);                                         \
    void *wrap_##name parameters __asm__("__wrap_" #name);                                         \
    void *wrap_##name parameters { return fails() ? NULL : real_##name(__VA_ARGS__); }
WRAP(malloc, (size_t size), size)
WRAP(calloc, (size_t n, size_t size), n, size)
WRAP(realloc, (void *memory, size_t size), memory, size)
WRAP(aligned_alloc, (size_t alignment, size_t size), alignment, size)

/* ---- sessions ---- */

static void add(struct session *s, const char *name, enum dtype dtype, struct shape shape,
                const void *data) {
    const struct tensor t = {dtype, shape, (void *)(uintptr_t)data};
    assert_non_null(session_add(s, name, strlen(name), ITEM_VARIABLE, true, &t));
}

/* A vector x, a matrix m, both float32, and a float64 scalar d. */
static struct session *new_session(void) {
    static const float x[] = {1, -2, 3}, m[] = {0.5f, -1, 1.5f, 2};
    static const double d = 0.1;
    struct session *s = session_new("s", DTYPE_F32, 1 << 20);
    add(s, "x", DTYPE_F32, (struct shape){1, {3}}, x);
    add(s, "m", DTYPE_F32, (struct shape){2, {2, 2}}, m);
    add(s, "d", DTYPE_F64, shape_scalar, &d);
    return s;
}

static char *copied(const char *text) {
    char *copy = malloc(strlen(text) + 1);
    return strcpy(copy, text);
}

/* What PUT takes to go on from here, bit for bit. */
static char *state_of(struct session *s) {
    static const struct service_pair query[] = {{"slots", "true"}, {"format", "base64"}};
    return copied(ask_session_query(s, service_optimizer_get, query, 2));
}

static char *values_of(struct session *s) {
    static const struct service_pair query[] = {{"format", "base64"}};
    return copied(ask_session_query(s, service_variables_get, query, 1));
}

static void assert_same(struct session *a, struct session *b) {
    char *state[] = {state_of(a), state_of(b)}, *values[] = {values_of(a), values_of(b)};
    assert_string_equal(state[0], state[1]);
    assert_string_equal(values[0], values[1]);
    for (int i = 0; i < 2; i++) {
        free(state[i]);
        free(values[i]);
    }
}

#define PUT(s, body) ask_session(s, service_optimizer_put, NULL, body)
#define PATCH(s, body) ask_session(s, service_optimizer_patch, NULL, body)
#define APPLY(s, body) ask_session(s, service_apply_gradients, NULL, body)

static void assert_answered(const char *answer) {
    if (answer[0] != '{') fail_msg("%s", answer);
}

/* Step k: another gradient each time, d first, and now and then none for m. */
static void step(struct session *s, int k) {
    char body[300];
    const int at =
        snprintf(body, sizeof body, "{\"grads_and_vars\":[[%d.25,\"d\"],[[%d,0.5,-%d.75],\"x\"],",
                 k % 3, k - 4, k);
    if (k % 3 == 1)
        snprintf(body + at, sizeof body - (size_t)at, "[null,\"m\"]]}");
    else
        snprintf(body + at, sizeof body - (size_t)at, "[[[0.1,%d],[-0.3,0.7]],\"m\"]]}", k);
    assert_answered(APPLY(s, body));
}

/* ---- settings ---- */

static const char common[] = ",\"weight_decay\":0.01,\"clipnorm\":1.5,\"use_ema\":true,"
                             "\"ema_overwrite_frequency\":3,\"gradient_accumulation_steps\":2";

/* Every method with its presets, or with all that is common to them. */
static void write_settings(char *out, size_t size, const struct optimizer *o, const char *more) {
    if (strcmp(o->name, "LossScaleOptimizer") == 0)
        snprintf(out, size,
                 "{\"name\":\"%s\",\"initial_scale\":8,\"dynamic_growth_steps\":3,"
                 "\"inner_optimizer\":{\"name\":\"Nadam\"%s}}",
                 o->name, more);
    else if (o->wraps)
        snprintf(out, size,
                 "{\"name\":\"%s\",\"optimizers\":[{\"variables\":\"x|d\",\"optimizer\":"
                 "{\"name\":\"Nadam\"%s}},{\"optimizer\":{\"name\":\"SGD\",\"momentum\":0.9}}]}",
                 o->name, more);
    else
        snprintf(out, size, "{\"name\":\"%s\"%s}", o->name, more);
}

/* ---- tests ---- */

enum { HERE = 5, ALL = 10 };

/* Five steps, then five here, five where PUT has brought the state, and five in a copy. */
static void goes_on(const char *settings) {
    struct session *here = new_session();
    assert_answered(PUT(here, settings));
    for (int k = 0; k < HERE; k++) step(here, k);
    struct session *copy = session_copy(here, "copy", 1 << 20);
    char *state = state_of(here);
    struct session *there = new_session();
    for (uint32_t i = 0; i < there->items.n; i++) {
        struct item *item = session_item(there, i);
        const struct item *from = session_find(here, item->name, item->length);
        assert_true(session_set(there, item, &from->value.tensor));
    }
    assert_answered(PUT(there, state));
    free(state);
    assert_same(here, there);
    for (int k = HERE; k < ALL; k++) {
        step(here, k);
        step(there, k);
        step(copy, k);
    }
    assert_same(here, there);
    assert_same(here, copy);
    session_free(here);
    session_free(there);
    session_free(copy);
}

static void every_method_goes_on_elsewhere_bit_for_bit(void **state) {
    (void)state;
    for (size_t i = 0; i < optimizer_count; i++) {
        char settings[600];
        write_settings(settings, sizeof settings, optimizer_table[i], "");
        goes_on(settings);
        write_settings(settings, sizeof settings, optimizer_table[i], common);
        goes_on(settings);
    }
}

static void a_variable_gets_slots_when_it_is_first_stepped(void **state) {
    (void)state;
    struct session *s = new_session();
    assert_answered(PUT(s, "{\"name\":\"SGD\",\"learning_rate\":0.5,\"momentum\":0.5}"));
    assert_string_equal(APPLY(s, "{\"grads_and_vars\":[[[2,2,2],\"x\"]]}"),
                        "{\"iterations\":1,\"variables\":{\"x\":[0.0,-3.0,2.0]}}");
    assert_string_equal(APPLY(s, "{\"grads_and_vars\":[[4,\"d\"]]}"),
                        "{\"iterations\":2,\"variables\":{\"d\":-1.9}}");
    assert_non_null(
        strstr(ask_session_query(s, service_optimizer_get,
                                 (const struct service_pair[]){{"slots", "true"}}, 1),
               "\"slots\":{\"$optimizer\":{\"iteration\":2},\"x\":{\"momentum\":[-1.0,-1.0,-1.0]},"
               "\"d\":{\"momentum\":-2.0}}"));
    session_free(s);
}

/* What is kept of an optimizer and its slots is given back with it. */
static void memory_goes_with_the_optimizer(void **state) {
    (void)state;
    struct session *s = new_session();
    const size_t before = session_bytes(s);
    for (size_t i = 0; i < optimizer_count; i++) {
        char settings[600];
        write_settings(settings, sizeof settings, optimizer_table[i], common);
        assert_answered(PUT(s, settings));
        step(s, 0);
        step(s, 1);
        assert_true(session_bytes(s) > before + 100);
        assert_string_equal(ask_session_query(s, service_optimizer_delete, NULL, 0), "");
        assert_int_equal(session_bytes(s), before);
    }
    session_free(s);
}

static void steps_do_not_grow_a_session(void **state) {
    (void)state;
    struct session *s = new_session();
    assert_answered(PUT(s, "\"Adam\""));
    step(s, 0);
    const size_t bytes = session_bytes(s);
    for (int k = 0; k < ALL; k++) step(s, k);
    assert_int_equal(session_bytes(s), bytes);
    session_free(s);
}

/* A step whose plan is there already compiles nothing, whatever the settings are by then. */
static void settings_are_no_part_of_a_plan(void **state) {
    (void)state;
    struct session *s = new_session();
    assert_answered(PUT(s, "{\"name\":\"Adam\",\"learning_rate\":0.1,\"weight_decay\":0.1}"));
    step(s, 0);
    const uint64_t compiled = ask_plans().compiled;
    assert_answered(PATCH(s, "{\"learning_rate\":0.2,\"beta_1\":0.5,\"weight_decay\":0.3}"));
    step(s, 0);
    assert_int_equal(ask_plans().compiled, compiled);
    session_free(s);
}

/* ---- failures that change nothing ---- */

struct request {
    service_function service;
    const char *body;
};

static const char adam_slots[] =
    "{\"name\":\"Adam\",\"use_ema\":true,\"iterations\":3,\"exclude_from_weight_decay\":[\"b\","
    "\"c\"],"
    "\"slots\":{\"x\":{\"momentum\":[1,2,3],\"velocity\":[1,2,3]},\"d\":{\"average\":1.5}}}";

static const struct request requests[] = {
    {service_optimizer_put, adam_slots},
    {service_optimizer_put, "{\"name\":\"MultiOptimizer\",\"optimizers\":[{\"variables\":\"x|d\","
                            "\"optimizer\":\"Nadam\"},{\"optimizer\":\"SGD\"}]}"},
    {service_optimizer_patch, "{\"momentum\":0.0,\"use_ema\":true}"},
    {service_apply_gradients, "{\"grads_and_vars\":[[[1,2,3],\"x\"],[[[1,2],[3,4]],\"m\"],"
                              "[null,\"d\"]]}"},
    {service_apply_gradients, "{\"grads_and_vars\":[[[1,2,\"NaN\"],\"x\"],[1,\"d\"]],"
                              "\"non_finite\":\"skip\"}"},
};
enum { REQUESTS = sizeof requests / sizeof *requests };

/* A session with an optimizer that has stepped d alone. */
static struct session *stepped_session(void) {
    struct session *s = new_session();
    assert_answered(
        PUT(s, "{\"name\":\"SGD\",\"momentum\":0.5,\"gradient_accumulation_steps\":2}"));
    assert_answered(APPLY(s, "{\"grads_and_vars\":[[1,\"d\"]]}"));
    return s;
}

/* Asks with more and more of something, until it is enough. What was not enough has changed nothing. */
static void fails_whole(const struct request *r,
                        const char *(*ask_with)(struct session *, const struct request *, int),
                        int most) {
    struct session *s = stepped_session(), *same = stepped_session();
    int k = 0;
    while (k < most && ask_with(s, r, k)[0] != '{') {
        assert_same(s, same);
        assert_int_equal(session_bytes(s), session_bytes(same));
        k++;
    }
    assert_in_range(k, 1, most - 1);
    assert_answered(ask_session(same, r->service, NULL, r->body));
    assert_same(s, same);
    session_free(s);
    session_free(same);
}

static struct {
    service_function service;
    int succeed;
} hostile;

static bool serve_hostile(const struct service_call *call, struct writer *out,
                          struct error *error) {
    failing = hostile.succeed;
    const bool ok = hostile.service(call, out, error);
    failing = -1;
    return ok;
}

static const char *ask_failing(struct session *s, const struct request *r, int k) {
    hostile.service = r->service;
    hostile.succeed = k;
    return ask_session(s, serve_hostile, NULL, r->body);
}

static void an_allocation_that_fails_changes_nothing(void **state) {
    (void)state;
    for (int i = 0; i < REQUESTS; i++) fails_whole(&requests[i], ask_failing, 2000);
}

static const char *ask_small_session(struct session *s, const struct request *r, int k) {
    const size_t limit = s->account.limit;
    s->account.limit = session_bytes(s) + 16 * (size_t)k;
    const char *answer = ask_session(s, r->service, NULL, r->body);
    s->account.limit = limit;
    return answer;
}

static void a_session_that_may_hold_no_more_is_what_it_was(void **state) {
    (void)state;
    for (int i = 0; i < REQUESTS - 1; i++) fails_whole(&requests[i], ask_small_session, 1000);
}

static const char *ask_small_request(struct session *s, const struct request *r, int k) {
    struct service_limits limits = service_limits_default;
    limits.max_request_bytes = 64 * (int64_t)k;
    return ask_session_within(s, r->service, NULL, r->body, &limits);
}

static void a_request_that_may_take_no_more_has_changed_nothing(void **state) {
    (void)state;
    for (int i = 0; i < REQUESTS; i++) fails_whole(&requests[i], ask_small_request, 4000);
}

static const char *ask_small_answer(struct session *s, const struct request *r, int k) {
    struct service_limits limits = service_limits_default;
    limits.max_answer_bytes = k;
    return ask_session_within(s, r->service, NULL, r->body, &limits);
}

static void an_answer_that_is_too_long_has_changed_nothing(void **state) {
    (void)state;
    for (int i = 0; i < REQUESTS; i++) fails_whole(&requests[i], ask_small_answer, 4000);
}

static void work_past_the_limit_is_refused_before_it_is_done(void **state) {
    (void)state;
    struct session *s = stepped_session(), *same = stepped_session();
    struct service_limits limits = service_limits_default;
    limits.max_work = 10;
    assert_non_null(
        strstr(ask_session_within(s, service_apply_gradients, NULL, requests[3].body, &limits),
               "too_much_work"));
    assert_same(s, same);
    session_free(s);
    session_free(same);
}

static void a_copy_without_memory_is_none(void **state) {
    (void)state;
    struct session *s = stepped_session(), *copy = NULL;
    int k = 0;
    for (; !copy && k < 100; k++) {
        failing = k;
        copy = session_copy(s, "copy", 1 << 20);
        failing = -1;
    }
    assert_in_range(k, 2, 99);
    assert_same(s, copy);
    session_free(copy);
    session_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_goes_on_elsewhere_bit_for_bit),
        cmocka_unit_test(a_variable_gets_slots_when_it_is_first_stepped),
        cmocka_unit_test(memory_goes_with_the_optimizer),
        cmocka_unit_test(steps_do_not_grow_a_session),
        cmocka_unit_test(settings_are_no_part_of_a_plan),
        cmocka_unit_test(an_allocation_that_fails_changes_nothing),
        cmocka_unit_test(a_session_that_may_hold_no_more_is_what_it_was),
        cmocka_unit_test(a_request_that_may_take_no_more_has_changed_nothing),
        cmocka_unit_test(an_answer_that_is_too_long_has_changed_nothing),
        cmocka_unit_test(work_past_the_limit_is_refused_before_it_is_done),
        cmocka_unit_test(a_copy_without_memory_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
