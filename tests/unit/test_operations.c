/* Operations and their jobs, run by the engine's own threads with services of this file: what a job
 * commits, who may touch its session meanwhile, who waits for it, and how many there may be. */
#include <math.h>
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

#include "api/operations.h"
#include "api/session.h"
#include "exchanges.h"
#include "server/jobs.h"

static struct engine engine;
static struct jobs *jobs;
static struct got got;

static void pause_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

/* ---- services that go on when they are told to ---- */

/* How many steps may be done, and how many have been. */
static atomic_int allowed, done;

static bool is_cancelled(const struct service_call *call) {
    return atomic_load(call->control.cancelled);
}

/* Waits for the leave to do a step; false where the run is to end. */
static bool may_step(const struct service_call *call) {
    while (atomic_load(&done) >= atomic_load(&allowed)) {
        if (is_cancelled(call)) return false;
        pause_ms(1);
    }
    return !is_cancelled(call);
}

/* Adds 1 to x, step by step, and commits each. */
static bool count_up(const struct service_call *call, struct writer *out, struct error *error) {
    struct session *s = call->session;
    struct item *item = session_find(s, "x", 1);
    float x = *(const float *)item->value.tensor.data;
    for (int i = 0; i < 3; i++) {
        if (!may_step(call)) break;
        x += 1;
        const struct tensor t = {.dtype = DTYPE_F32, .data = &x};
        if (!session_set(s, item, &t)) return session_fail_memory(s, error);
        const struct progress_row row = {i + 1, x, NAN, DTYPE_F32};
        call->progress->report(call->progress, &row);
        if (!call->progress->commit(call->progress)) return false;
        atomic_fetch_add(&done, 1);
    }
    write_text(out, is_cancelled(call) ? "{\"status\":\"cancelled\"}" : "{\"status\":\"done\"}");
    return true;
}

/* Waits to be allowed, or cancelled. */
static bool idle(const struct service_call *call, struct writer *out, struct error *error) {
    const bool ok = may_step(call);
    atomic_fetch_add(&done, 1);
    write_text(out, "{\"status\":\"done\"}");
    return ok || error_set(error, ERROR_CANCELLED, "the run was cancelled");
}

/* A service that waits for leave behind each of its commits. */
struct pace {
    struct progress progress; /* first */
    const struct service_call *call;
};

static void pass_report(struct progress *p, const struct progress_row *row) {
    struct progress *theirs = ((struct pace *)p)->call->progress;
    theirs->report(theirs, row);
}

static bool pass_commit(struct progress *p) {
    const struct service_call *call = ((struct pace *)p)->call;
    const bool ok = call->progress->commit(call->progress);
    atomic_fetch_add(&done, 1);
    return ok && may_step(call);
}

static bool serve_paced(service_function serve, const char *body, const struct service_call *call,
                        struct writer *out, struct error *error) {
    struct pace pace = {{pass_report, pass_commit}, call};
    struct service_call own = *call;
    own.progress = &pace.progress;
    own.body = body;
    own.body_length = strlen(body);
    return serve(&own, out, error);
}

static bool search_paced(const struct service_call *call, struct writer *out, struct error *error) {
    static const char body[] = "{\"graph\":\"y = (x - 5) ** 4 + 1\",\"method\":\"lbfgs\","
                               "\"record_every\":1}";
    return serve_paced(service_minimize, body, call, out, error);
}

static bool search_all_paced(const struct service_call *call, struct writer *out,
                             struct error *error) {
    static const char body[] = "{\"graph\":\"y = (x - 5) ** 4 + w ** 2\",\"method\":\"lbfgs\","
                               "\"starts\":{\"x\":[20,1,30]}}";
    return serve_paced(service_minimize, body, call, out, error);
}

static bool fit_paced(const struct service_call *call, struct writer *out, struct error *error) {
    static const char body[] = "{\"graph\":\"r = exp(0.3 * x) - 7 + 0 * w\",\"record_every\":1}";
    return serve_paced(service_least_squares, body, call, out, error);
}

/* ---- jobs ---- */

static struct seat *hold(const char *id) {
    struct seat *seat = NULL;
    struct error error;
    error_clear(&error);
    assert_int_equal(
        registry_acquire(engine.tenant->registry, id, NULL, clock_now(), &seat, &error),
        REGISTRY_HELD);
    return seat;
}

static struct operation *try_job(service_function serve, struct error *error) {
    struct operation *op = operation_new(error);
    assert_non_null(op);
    op->method = "test";
    op->serve = serve;
    if (operations_add(engine.tenant->operations, op, error)) return op;
    operation_release(op);
    return NULL;
}

/* As POST /v1/sessions/{session}/jobs begins one; `session` NULL: none. */
static struct operation *begin_job(const char *session, service_function serve) {
    struct error error;
    error_clear(&error);
    if (!session) return try_job(serve, &error);
    struct operation *op = operation_new(&error);
    struct seat *seat = hold(session);
    op->method = "test";
    op->serve = serve;
    op->snapshot = session_copy(seat_session(seat), session, 1 << 20);
    op->snapshot->created_at = seat_session(seat)->created_at;
    op->seat = seat;
    strcpy(op->session, session);
    assert_true(registry_claim(seat, op->id));
    assert_true(operations_add(engine.tenant->operations, op, &error));
    registry_release(engine.tenant->registry, seat, clock_now());
    return op;
}

static void wait_done(struct operation *op) {
    for (int i = 0; operation_state(op) != OPERATION_DONE; i++) {
        if (i > 20000) fail_msg("the job does not end");
        pause_ms(1);
    }
}

static void wait_steps(int n) {
    for (int i = 0; atomic_load(&done) < n; i++) {
        if (i > 20000) fail_msg("the job does not come to step %d", n);
        pause_ms(1);
    }
}

static int ask_server(const char *method, const char *path, const char *body) {
    return request_ask(&engine, method, path, body, &got);
}

static const char *path_of(const struct operation *op) {
    static char path[64];
    snprintf(path, sizeof path, "/v1/operations/%s", op->id);
    return path;
}

/* Ends what still runs, and lets go of it. */
static void end_job(struct operation *op) {
    atomic_store(&allowed, 1000);
    wait_done(op);
    operation_release(op);
}

static int start(void **state) {
    char problem[256];
    (void)state;
    struct service_limits limits = service_limits_default;
    limits.max_body_bytes = 1 << 20;
    assert_true(engine_init(&engine, &limits, problem, sizeof problem));
    engine.limits.max_running_jobs = 1;
    engine.limits.max_queued_jobs = 2;
    engine.limits.max_operations = 4;
    jobs = jobs_start(&engine);
    assert_non_null(jobs);
    atomic_store(&allowed, 0);
    atomic_store(&done, 0);
    return 0;
}

static int stop(void **state) {
    (void)state;
    engine_drain(&engine);
    for (int i = 0; i < 20000 && !operations_idle(engine.tenant->operations); i++) pause_ms(1);
    jobs_stop(jobs);
    engine_free(&engine);
    return 0;
}

/* ---- tests: a session and its job ---- */

static void reads_see_what_a_job_has_committed(void **state) {
    (void)state;
    char before[64];
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1}}"), 201);
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    strcpy(before, got.etag);
    struct operation *op = begin_job("s", count_up);
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    assert_non_null(strstr(got.body, "\"value\":1.0"));
    assert_string_equal(got.etag, before);
    atomic_store(&allowed, 2);
    wait_steps(2);
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    assert_non_null(strstr(got.body, "\"value\":3.0"));
    assert_string_not_equal(got.etag, before);
    assert_int_equal(ask_server("GET", path_of(op), NULL), 200);
    assert_non_null(strstr(got.body, "\"done\":false"));
    assert_non_null(strstr(got.body, "\"state\":\"running\",\"step\":2,\"loss\":3.0"));
    end_job(op);
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    assert_non_null(strstr(got.body, "\"value\":4.0"));
}

static const service_function paced[] = {search_paced, search_all_paced, fit_paced};
enum { PACED = sizeof paced / sizeof *paced };

/* The number behind the first `name` in what came back. */
static double number_behind(const char *name) {
    const char *at = strstr(got.body, name);
    if (!at) {
        fail_msg("no %s in %s", name, got.body);
        return NAN;
    }
    return strtod(at + strlen(name), NULL);
}

static double x_now(void) {
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    return number_behind("\"value\":");
}

static struct operation *begin_paced(service_function serve) {
    atomic_store(&allowed, 0);
    atomic_store(&done, 0);
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1,\"w\":2}}"), 201);
    return begin_job("s", serve);
}

static void reads_see_the_best_point_so_far(void **state) {
    (void)state;
    for (int i = 0; i < PACED; i++) {
        struct operation *op = begin_paced(paced[i]);
        wait_steps(1);
        const double first = x_now();
        assert_true(first != 1);
        atomic_store(&allowed, 2);
        wait_steps(2);
        assert_true(x_now() != first);
        assert_int_equal(operation_state(op), OPERATION_RUNNING);
        atomic_store(&allowed, 1000);
        wait_done(op);
        assert_int_equal(ask_server("GET", path_of(op), NULL), 200);
        assert_non_null(strstr(got.body, "\"status\":\"converged\""));
        const double end = number_behind("\"variables\":{\"x\":");
        assert_true(x_now() == end && end > 4);
        operation_release(op);
        assert_int_equal(ask_server("DELETE", "/v1/sessions/s", NULL), 204);
    }
}

static void a_search_that_is_cancelled_leaves_its_best_point(void **state) {
    (void)state;
    for (int i = 0; i < PACED; i++) {
        struct operation *op = begin_paced(paced[i]);
        wait_steps(1);
        const double committed = x_now();
        assert_int_equal(ask_server("DELETE", path_of(op), NULL), 200);
        assert_non_null(strstr(got.body, "\"status\":\"cancelled\""));
        const double end = number_behind("\"variables\":{\"x\":");
        assert_true(end == committed && x_now() == committed && committed != 1);
        operation_release(op);
        assert_int_equal(ask_server("DELETE", "/v1/sessions/s", NULL), 204);
    }
}

static void the_session_of_a_job_takes_no_changes(void **state) {
    (void)state;
    char problem[160];
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1}}"), 201);
    struct operation *op = begin_job("s", count_up);
    snprintf(
        problem, sizeof problem,
        "\"detail\":\"operations/%s works on the session \\\"s\\\", which takes no changes until "
        "that is done or cancelled\"",
        op->id);
    assert_int_equal(ask_server("POST", "/v1/sessions/s/variables/x/assign", "{\"value\":1}"), 409);
    assert_non_null(strstr(got.body, "\"code\":\"in_progress\""));
    assert_non_null(strstr(got.body, problem));
    assert_int_equal(ask_server("DELETE", "/v1/sessions/s", NULL), 409);
    assert_int_equal(ask_server("PATCH", "/v1/sessions/s", "{}"), 409);
    assert_int_equal(
        ask_server("POST", "/v1/sessions/s/jobs", "{\"method\":\"minimize\",\"request\":{}}"), 409);
    assert_int_equal(ask_server("GET", "/v1/sessions/s/export", NULL), 200);
    end_job(op);
    assert_int_equal(ask_server("POST", "/v1/sessions/s/variables/x/assign", "{\"value\":1}"), 200);
    assert_int_equal(ask_server("DELETE", "/v1/sessions/s", NULL), 204);
}

static void a_job_waits_for_who_reads_its_session(void **state) {
    (void)state;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1}}"), 201);
    struct operation *op = begin_job("s", count_up);
    struct seat *seat = hold("s");
    atomic_store(&allowed, 1);
    pause_ms(30);
    assert_int_equal(atomic_load(&done), 0);
    assert_true(*(const float *)session_find(seat_session(seat), "x", 1)->value.tensor.data == 1);
    registry_release(engine.tenant->registry, seat, clock_now());
    wait_steps(1);
    end_job(op);
}

static void what_a_session_cannot_hold_ends_its_job(void **state) {
    (void)state;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1}}"), 201);
    struct seat *seat = hold("s");
    struct session *s = seat_session(seat);
    s->account.limit = s->account.bytes;
    registry_release(engine.tenant->registry, seat, clock_now());
    struct operation *op = begin_job("s", count_up);
    end_job(op);
    assert_int_equal(ask_server("GET", "/v1/operations", NULL), 200);
    assert_non_null(strstr(got.body, "\"code\":\"session_memory\""));
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    assert_non_null(strstr(got.body, "\"value\":1.0"));
}

static void a_session_does_not_expire_under_its_job(void **state) {
    (void)state;
    const int64_t hour = INT64_C(3600000000000);
    assert_int_equal(
        ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1},\"ttl_seconds\":60}"), 201);
    struct operation *op = begin_job("s", count_up);
    registry_sweep(engine.tenant->registry, clock_now() + hour, NULL, NULL);
    assert_int_equal(ask_server("GET", "/v1/sessions/s", NULL), 200);
    end_job(op);
    struct seat *seat = NULL;
    struct error error;
    error_clear(&error);
    assert_int_equal(
        registry_acquire(engine.tenant->registry, "s", NULL, clock_now() + hour, &seat, &error),
        REGISTRY_REFUSED);
}

/* ---- tests: ends ---- */

static void a_job_that_is_cancelled_keeps_what_it_has(void **state) {
    (void)state;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1}}"), 201);
    struct operation *op = begin_job("s", count_up);
    atomic_store(&allowed, 1);
    wait_steps(1);
    assert_int_equal(ask_server("DELETE", path_of(op), NULL), 200);
    assert_non_null(strstr(got.body, "\"done\":true"));
    assert_non_null(strstr(got.body, "\"response\":{\"status\":\"cancelled\"}"));
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    assert_non_null(strstr(got.body, "\"value\":2.0"));
    assert_int_equal(ask_server("DELETE", path_of(op), NULL), 204);
    assert_int_equal(ask_server("GET", path_of(op), NULL), 404);
    operation_release(op);
}

static void a_job_that_waits_is_cancelled_at_once(void **state) {
    (void)state;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1}}"), 201);
    struct operation *first = begin_job(NULL, idle), *second = begin_job("s", count_up);
    assert_int_equal(ask_server("DELETE", path_of(second), NULL), 200);
    assert_non_null(strstr(got.body, "\"detail\":\"the job was cancelled before it began\""));
    assert_int_equal(ask_server("DELETE", "/v1/sessions/s", NULL), 204);
    end_job(first);
    assert_int_equal(atomic_load(&done), 1);
    operation_release(second);
}

static void draining_ends_all_jobs_and_takes_none(void **state) {
    (void)state;
    struct error error;
    assert_int_equal(ask_server("PUT", "/v1/sessions/s", "{\"variables\":{\"x\":1}}"), 201);
    struct operation *first = begin_job("s", count_up), *second = begin_job(NULL, idle);
    atomic_store(&allowed, 1);
    wait_steps(1);
    engine_drain(&engine);
    wait_done(first);
    assert_int_equal(operation_state(second), OPERATION_DONE);
    assert_int_equal(ask_server("GET", "/v1/sessions/s/variables/x", NULL), 200);
    assert_non_null(strstr(got.body, "\"value\":2.0"));
    error_clear(&error);
    assert_null(try_job(idle, &error));
    assert_int_equal(error.code, ERROR_DRAINING);
    operation_release(first);
    operation_release(second);
}

/* ---- tests: waiting ---- */

static atomic_int told;
static void on_over(struct operation_waiter *w) {
    (void)w;
    atomic_fetch_add(&told, 1);
}

static void who_waits_is_told_the_end_or_the_time(void **state) {
    (void)state;
    static atomic_bool left;
    const int64_t now = clock_now(), second = 1000000000;
    struct operation_waiter late = {.over = on_over, .left = &left, .deadline = now + second},
                            gone = late, long_one = late;
    gone.deadline = long_one.deadline = now + 100 * second;
    static atomic_bool has_gone;
    gone.left = &has_gone;
    atomic_store(&told, 0);
    struct operation *op = begin_job(NULL, idle);
    assert_true(operations_wait(engine.tenant->operations, op, &late));
    assert_true(operations_wait(engine.tenant->operations, op, &gone));
    assert_true(operations_wait(engine.tenant->operations, op, &long_one));
    operations_sweep(engine.tenant->operations, now);
    assert_int_equal(atomic_load(&told), 0);
    operations_sweep(engine.tenant->operations, now + 2 * second);
    assert_int_equal(atomic_load(&told), 1);
    atomic_store(&has_gone, true);
    operations_sweep(engine.tenant->operations, now + 2 * second);
    assert_int_equal(atomic_load(&told), 2);
    atomic_store(&allowed, 1);
    for (int i = 0; i < 20000 && atomic_load(&told) < 3; i++) pause_ms(1);
    assert_int_equal(atomic_load(&told), 3);
    wait_done(op);
    assert_false(operations_wait(engine.tenant->operations, op, &late));
    operation_release(op);
}

/* ---- tests: limits ---- */

static void no_more_jobs_wait_than_may(void **state) {
    (void)state;
    struct error error;
    struct operation *ops[3];
    for (int i = 0; i < 3; i++) {
        ops[i] = begin_job(NULL, idle);
        for (int k = 0; k < 20000 && operations_stats(engine.tenant->operations).running == 0; k++)
            pause_ms(1);
    }
    error_clear(&error);
    assert_null(try_job(idle, &error));
    assert_int_equal(error.code, ERROR_OVERLOADED);
    assert_string_equal(error.detail, "2 jobs wait already (max_queued_jobs)");
    assert_int_equal(ask_server("POST", "/v1/jobs",
                                "{\"method\":\"evaluate\",\"request\":{\"graph\":\"1 + 1\"}}"),
                     503);
    for (int i = 0; i < 3; i++) end_job(ops[i]);
}

static void the_oldest_done_operation_makes_room(void **state) {
    (void)state;
    struct operation *ops[6];
    struct error error;
    atomic_store(&allowed, 1000);
    for (int i = 0; i < 6; i++) {
        ops[i] = begin_job(NULL, idle);
        wait_done(ops[i]);
    }
    const struct operations_stats s = operations_stats(engine.tenant->operations);
    assert_int_equal(s.done, 4);
    error_clear(&error);
    assert_null(operations_find(engine.tenant->operations, ops[1]->id, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    error_clear(&error);
    struct operation *found = operations_find(engine.tenant->operations, ops[2]->id, &error);
    assert_ptr_equal(found, ops[2]);
    operation_release(found);
    for (int i = 0; i < 6; i++) operation_release(ops[i]);
}

static void operations_keep_no_more_bytes_than_they_may(void **state) {
    (void)state;
    struct error error;
    engine.limits.max_queued_jobs = 10;
    engine.limits.max_operation_bytes = (int64_t)(2 * sizeof(struct operation) + 4096);
    struct operation *first = begin_job(NULL, idle), *second = begin_job(NULL, idle);
    error_clear(&error);
    assert_null(try_job(idle, &error));
    assert_int_equal(error.code, ERROR_OVERLOADED);
    assert_non_null(strstr(error.detail, "(max_operation_bytes)"));
    end_job(first);
    end_job(second);
    /* Now that they are done they go, one after the other. */
    struct operation *third = begin_job(NULL, idle);
    wait_done(third);
    assert_true(operations_stats(engine.tenant->operations).done <= 2);
    operation_release(third);
}

static void what_was_done_long_ago_is_forgotten(void **state) {
    (void)state;
    const int64_t second = 1000000000, day = engine.limits.max_operation_seconds;
    atomic_store(&allowed, 1000);
    struct operation *op = begin_job(NULL, idle);
    wait_done(op);
    operations_sweep(engine.tenant->operations, clock_now() + (day - 1) * second);
    assert_int_equal(operations_stats(engine.tenant->operations).done, 1);
    operations_sweep(engine.tenant->operations, clock_now() + (day + 1) * second);
    assert_int_equal(operations_stats(engine.tenant->operations).done, 0);
    operation_release(op);
}

static void a_job_has_limits_of_its_own(void **state) {
    (void)state;
    assert_int_equal(engine.job.max_work, engine.limits.max_job_work);
    assert_int_equal(engine.job.max_seconds, engine.limits.max_job_seconds);
    assert_int_equal(engine.job.max_nodes, engine.limits.max_nodes);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(reads_see_what_a_job_has_committed),
        TEST(reads_see_the_best_point_so_far),
        TEST(a_search_that_is_cancelled_leaves_its_best_point),
        TEST(the_session_of_a_job_takes_no_changes),
        TEST(a_job_waits_for_who_reads_its_session),
        TEST(what_a_session_cannot_hold_ends_its_job),
        TEST(a_session_does_not_expire_under_its_job),
        TEST(a_job_that_is_cancelled_keeps_what_it_has),
        TEST(a_job_that_waits_is_cancelled_at_once),
        TEST(draining_ends_all_jobs_and_takes_none),
        TEST(who_waits_is_told_the_end_or_the_time),
        TEST(no_more_jobs_wait_than_may),
        TEST(the_oldest_done_operation_makes_room),
        TEST(operations_keep_no_more_bytes_than_they_may),
        TEST(what_was_done_long_ago_is_forgotten),
        TEST(a_job_has_limits_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
