/* Exchanges without a transport, on a store that takes its time: what a request changes is answered
 * when the store is done with it, and not before; meanwhile the session is held. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/functions.h"
#include "api/session_services.h"
#include "exchanges.h"

static struct engine engine;

/* ---- a store that is done later, on another thread, or not at all ---- */

static struct {
    struct store store;
    bool fails;
    pthread_t thread;
    store_done done;
    void *context;
    char last[1024]; /* what it was told */
} slow;

static void pause_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

static void *finish_later(void *context) {
    struct error error;
    (void)context;
    pause_ms(20);
    error_clear(&error);
    error_set(&error, ERROR_MEMORY_BUDGET, "the store is full");
    slow.done(slow.context, slow.fails ? &error : NULL);
    return NULL;
}

static void slow_save(struct store *store, const struct store_change *changes, size_t n,
                      store_done done, void *context) {
    struct writer out;
    struct parts parts;
    (void)store;
    assert_int_equal(n, 1);
    writer_init(&out, 1 << 20);
    parts_init(&parts);
    if (changes->encode_parts && !changes->deleted)
        assert_true(changes->encode_parts(changes->object, &parts));
    write_bytes(&out, parts.bytes.data, parts.bytes.length);
    parts_free(&parts);
    if (changes->encode && !changes->deleted) assert_true(changes->encode(changes->object, &out));
    snprintf(slow.last, sizeof slow.last, "%s%d %s %.*s", changes->deleted ? "-" : "+",
             (int)changes->kind, changes->id, (int)out.length, out.data ? out.data : "");
    writer_free(&out);
    slow.done = done;
    slow.context = context;
    pthread_create(&slow.thread, NULL, finish_later, NULL);
}

static void slow_close(struct store *store) { (void)store; }

static const struct store_verbs slow_verbs = {
    .name = "slow", .save = slow_save, .close = slow_close};

/* ---- requests ---- */

static struct got got;

static void begin(struct request *r, const char *method, const char *path, const char *body) {
    request_begin(r, &engine, method, path, body);
}

static int end(struct request *r) {
    const int status = request_end(r, &got);
    if (slow.done) pthread_join(slow.thread, NULL);
    slow.done = NULL;
    return status;
}

static int ask_server(const char *method, const char *path, const char *body) {
    struct request r;
    begin(&r, method, path, body);
    return end(&r);
}

static int start(void **state) {
    char problem[256];
    (void)state;
    struct service_limits limits = service_limits_default;
    limits.max_body_bytes = 1 << 20;
    assert_true(engine_init(&engine, &limits, problem, sizeof problem));
    engine.store->verbs->close(engine.store);
    slow.store.verbs = &slow_verbs;
    engine.store = &slow.store;
    slow.fails = false;
    return 0;
}

static int stop(void **state) {
    (void)state;
    engine_free(&engine);
    return 0;
}

/* ---- tests ---- */

static void a_change_is_answered_when_the_store_has_it(void **state) {
    (void)state;
    struct request r;
    begin(&r, "PUT", "/v1/sessions/s", "{\"variables\":{\"x\":2}}");
    assert_false(request_is_over(&r));
    assert_int_equal(end(&r), 201);
    assert_string_equal(got.location, "/v1/sessions/s");
    assert_non_null(strstr(slow.last, "+0 s {\"id\":\"s\""));
    assert_non_null(strstr(slow.last, "\"base64\":\"AAAAQA==\""));
    assert_int_equal(ask_server("DELETE", "/v1/sessions/s", NULL), 204);
    assert_string_equal(slow.last, "-0 s ");
}

static void what_only_reads_does_not_ask_the_store(void **state) {
    (void)state;
    struct request r;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{}"), 201);
    slow.last[0] = '\0';
    begin(&r, "GET", "/v1/sessions/s", NULL);
    assert_true(request_is_over(&r));
    assert_int_equal(end(&r), 200);
    assert_string_equal(slow.last, "");
    /* Nor does what fails. */
    assert_int_equal(ask_server("POST", "/v1/sessions/s/variables/x/assign", "{\"value\":1}"), 404);
    assert_string_equal(slow.last, "");
}

static void a_session_is_held_until_the_store_has_its_change(void **state) {
    (void)state;
    struct request change, read;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":2}}"), 201);
    begin(&change, "POST", "/v1/sessions/s/variables/x/assign_add", "{\"value\":1}");
    begin(&read, "GET", "/v1/sessions/s/variables/x", NULL);
    assert_false(request_is_over(&read));
    assert_int_equal(end(&change), 200);
    assert_int_equal(end(&read), 200);
    assert_non_null(strstr(got.body, "\"value\":3.0"));
}

static void what_the_store_does_not_take_is_a_failure(void **state) {
    (void)state;
    slow.fails = true;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{}"), 507);
    assert_non_null(strstr(got.body, "the store is full"));
}

static void a_new_session_is_seen_when_the_store_has_it(void **state) {
    (void)state;
    struct request make, read;
    begin(&make, "PUT", "/v1/sessions/s", "{}");
    begin(&read, "GET", "/v1/sessions/s", NULL);
    assert_false(request_is_over(&read));
    assert_int_equal(end(&make), 201);
    assert_int_equal(end(&read), 200);
}

static void functions_are_kept_too(void **state) {
    (void)state;
    assert_int_equal(ask_server("PUT", "/v1/functions/f", "{\"graph\":\"x ** 2\"}"), 201);
    assert_non_null(strstr(slow.last, "+1 f {\"name\":\"f\""));
    assert_int_equal(ask_server("POST", "/v1/functions/f/gradient", "{\"variables\":{\"x\":3}}"),
                     200);
    assert_string_equal(got.body, "{\"value\":9.0,\"gradient\":{\"x\":6.0}}");
    assert_int_equal(ask_server("DELETE", "/v1/functions/f", NULL), 204);
    assert_string_equal(slow.last, "-1 f ");
}

static void a_draining_server_lets_nobody_wait(void **state) {
    (void)state;
    struct request change;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":2}}"), 201);
    begin(&change, "POST", "/v1/sessions/s/variables/x/assign", "{\"value\":1}");
    atomic_store(&engine.draining, true);
    struct request read;
    begin(&read, "GET", "/v1/sessions/s", NULL);
    assert_true(request_is_over(&read));
    assert_int_equal(end(&change), 200);
    assert_int_equal(end(&read), 503);
    assert_non_null(strstr(got.body, "\"code\":\"draining\""));
    atomic_store(&engine.draining, false);
}

/* ---- limits ---- */

static void a_session_holds_what_it_may_and_no_more(void **state) {
    (void)state;
    engine.limits.max_session_bytes = engine.small.max_session_bytes = 2000;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":2}}"), 201);
    char body[4096] = "[0", *at = body + 2;
    for (int i = 1; i < 500; i++) at = stpcpy(at, ",0");
    strcpy(at, "]");
    assert_int_equal(ask_server("PUT", "/v1/sessions/s/variables/w", body), 507);
    assert_non_null(strstr(got.body, "\"code\":\"session_memory\""));
    assert_non_null(strstr(got.body, "and may hold 2000 (max_session_bytes)"));
    assert_int_equal(
        ask_server("PUT", "/v1/sessions/s/variables",
                   "{\"variables\":{\"a\":1,\"b\":1,"
                   "\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}}"),
        507);
    /* Nothing of it is there. */
    assert_int_equal(ask_server("GET", "/v1/sessions/s", NULL), 200);
    assert_non_null(strstr(got.body, "\"variables\":{\"x\":2.0}"));
    const struct registry_stats stats = registry_stats(engine.tenant->registry);
    assert_in_range(stats.bytes, 1, 1000);
}

static void there_are_as_many_as_there_may_be(void **state) {
    (void)state;
    registry_free(engine.tenant->registry);
    functions_free(engine.tenant->functions);
    engine.tenant->registry = registry_new(2, 64, 1);
    engine.tenant->functions = functions_new(1, 1);
    assert_int_equal(ask_server("PUT", "/v1/sessions/a", "{}"), 201);
    assert_int_equal(ask_server("PUT", "/v1/sessions/b", "{}"), 201);
    assert_int_equal(ask_server("POST", "/v1/sessions", "{}"), 429);
    assert_non_null(strstr(got.body, "there are 2 sessions; the limit is 2 (max_sessions)"));
    assert_int_equal(ask_server("POST", "/v1/sessions/a/clone", ""), 429);
    assert_int_equal(ask_server("DELETE", "/v1/sessions/b", NULL), 204);
    assert_int_equal(ask_server("POST", "/v1/sessions/a/clone", ""), 201);
    assert_int_equal(ask_server("PUT", "/v1/functions/f", "{\"graph\":\"x\"}"), 201);
    assert_int_equal(ask_server("PUT", "/v1/functions/f", "{\"graph\":\"x + 1\"}"), 200);
    assert_int_equal(ask_server("PUT", "/v1/functions/g", "{\"graph\":\"x\"}"), 429);
    assert_non_null(strstr(got.body, "there are 1 functions; the limit is 1 (max_functions)"));
}

/* Past what a network thread may do, a request is run again; what it does is done once. */
static void what_is_too_large_for_a_network_thread_is_done_once(void **state) {
    (void)state;
    engine.small.max_answer_bytes = 60;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":[1,2,3]}}"), 201);
    assert_int_equal(
        ask_server("POST", "/v1/sessions/s/variables/x/assign_add", "{\"value\":[1,1,1]}"), 200);
    assert_non_null(strstr(got.body, "[2.0,3.0,4.0]"));
    assert_int_equal(
        ask_server("PUT", "/v1/sessions/s/variables", "{\"variables\":{\"x\":[5,6,7]}}"), 200);
    assert_int_equal(ask_server("PATCH", "/v1/sessions/s", "{\"labels\":{\"a\":\"b\"}}"), 200);
    assert_int_equal(ask_server("POST", "/v1/sessions/s/clone", ""), 201);
    assert_int_equal(registry_stats(engine.tenant->registry).sessions, 2);
    assert_int_equal(ask_server("PUT", "/v1/functions/f", "{\"graph\":\"x ** 2\"}"), 201);
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    assert_non_null(strstr(got.body, "[5.0,6.0,7.0]"));
}

static void a_label_is_looked_for_among_many_sessions_by_a_worker(void **state) {
    (void)state;
    const struct service_pair label = {.name = "label", .value = "team:b"};
    struct service_limits limits = engine.limits;
    struct service_reply reply = {0};
    const struct service_call call = {.limits = &limits,
                                      .query = &label,
                                      .n_query = 1,
                                      .registry = engine.tenant->registry,
                                      .reply = &reply};
    struct writer out;
    struct error error;
    writer_init(&out, 1 << 10);
    error_clear(&error);
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{}"), 201);
    assert_int_equal(ask_server("PUT", "/v1/sessions/t", "{}"), 201);
    limits.max_work = 200;
    assert_false(service_sessions_list(&call, &out, &error));
    assert_true(error_is_limit(error.code));
    error_clear(&error);
    limits.max_work = 400;
    assert_true(service_sessions_list(&call, &out, &error));
    writer_free(&out);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_change_is_answered_when_the_store_has_it),
        TEST(what_only_reads_does_not_ask_the_store),
        TEST(a_session_is_held_until_the_store_has_its_change),
        TEST(what_the_store_does_not_take_is_a_failure),
        TEST(a_new_session_is_seen_when_the_store_has_it),
        TEST(functions_are_kept_too),
        TEST(a_draining_server_lets_nobody_wait),
        TEST(a_session_holds_what_it_may_and_no_more),
        TEST(there_are_as_many_as_there_may_be),
        TEST(what_is_too_large_for_a_network_thread_is_done_once),
        TEST(a_label_is_looked_for_among_many_sessions_by_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
