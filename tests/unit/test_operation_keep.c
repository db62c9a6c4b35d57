/* Operations as a store keeps them: what comes back is what there was. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/operation_keep.h"
#include "api/session_io.h"

static struct job_queue *queue;
static struct operations *table;

static int start(void **state) {
    (void)state;
    queue = job_queue_new();
    table = operations_new(&service_limits_default, NULL, queue, NULL);
    return queue && table ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    operations_free(table);
    job_queue_free(queue);
    return 0;
}

static struct operation *begin(void) {
    struct error error;
    error_clear(&error);
    struct operation *op = operation_new(&error);
    assert_non_null(op);
    op->method = operation_method("minimize");
    strcpy(op->session, "s");
    assert_true(operations_add(table, op, &error));
    return op;
}

static void report(struct operation *op, int n) {
    for (int i = 1; i <= n; i++) {
        const struct progress_row row = {i, i % 7 ? 1.0 / i : NAN, i % 5 ? 0.1 * i : INFINITY,
                                         i % 2 ? DTYPE_F32 : DTYPE_F64};
        event_log_add(&op->log, &row);
    }
}

static void finish(struct operation *op, const char *text, enum error_code code) {
    struct writer answer;
    struct error error;
    error_clear(&error);
    if (code) error_set(&error, code, "%s", text);
    writer_init(&answer, 1 << 20);
    if (!code) write_text(&answer, text);
    /* It is taken off the queue, as a job's thread does it. */
    assert_ptr_equal(operations_take(queue), op);
    operations_settle(table, op, &answer, &error);
}

static struct writer encode(const struct operation *op) {
    struct writer out;
    writer_init(&out, 1 << 20);
    assert_true(operation_encode(op, &out));
    return out;
}

static struct operation *decode(const struct writer *kept, bool *was_interrupted) {
    struct error error;
    error_clear(&error);
    return operation_decode(kept, was_interrupted, &error);
}

static void assert_same_text(struct operation *a, struct operation *b) {
    struct writer x, y;
    writer_init(&x, 1 << 20);
    writer_init(&y, 1 << 20);
    operation_write(&x, a, true);
    operation_write(&y, b, true);
    assert_int_equal(x.length, y.length);
    assert_memory_equal(x.data, y.data, x.length);
    writer_free(&x);
    writer_free(&y);
}

static void ring(struct listener *l) { (void)l; }

static void assert_same_events(struct operation *a, struct operation *b, uint64_t seen) {
    struct listener x, y;
    struct event e, f;
    listener_join(&x, &a->log, seen, ring);
    listener_join(&y, &b->log, seen, ring);
    do {
        listener_next(&x, &e);
        listener_next(&y, &f);
        assert_int_equal(e.kind, f.kind);
        assert_int_equal(e.id, f.id);
        assert_int_equal(e.dropped, f.dropped);
        assert_int_equal(e.row.step, f.row.step);
        assert_true(e.row.loss == f.row.loss || (isnan(e.row.loss) && isnan(f.row.loss)));
        assert_true(e.row.gradient_norm == f.row.gradient_norm);
        assert_int_equal(e.row.dtype, f.row.dtype);
        assert_int_equal(e.length, f.length);
        if (e.length) assert_memory_equal(e.data, f.data, e.length);
    } while (e.kind != EVENT_OVER);
    listener_leave(&x);
    listener_leave(&y);
}

/* As after a restart: in another table. */
static void assert_comes_back(struct operation *op) {
    bool was_interrupted;
    struct operations *other = operations_new(&service_limits_default, NULL, queue, NULL);
    struct writer kept = encode(op);
    operations_finish(table, op);
    operation_release(op); /* which the job's thread had */
    struct operation *again = decode(&kept, &was_interrupted);
    assert_non_null(again);
    assert_false(was_interrupted);
    operations_restore(other, again, clock_now(), wall_clock());
    assert_int_equal(operation_state(again), OPERATION_DONE);
    assert_same_text(op, again);
    assert_same_events(op, again, 0);
    assert_same_events(op, again, op->log.n);
    struct writer twice = encode(again);
    assert_int_equal(twice.length, kept.length);
    assert_memory_equal(twice.data, kept.data, kept.length);
    writer_free(&twice);
    writer_free(&kept);
    operation_release(again);
    operations_free(other);
    operation_release(op);
}

static void an_answer_comes_back_with_its_events(void **state) {
    (void)state;
    struct operation *op = begin();
    report(op, 20);
    finish(op, "{\"status\":\"converged\",\"text\":\"a\\nb\"}", ERROR_NONE);
    assert_comes_back(op);
}

static void of_many_events_those_come_back_that_were_there(void **state) {
    (void)state;
    struct operation *op = begin();
    op->log.allowance = INT64_MAX / 2; /* all of them are logged */
    report(op, 1000);
    finish(op, "{}", ERROR_NONE);
    assert_true(op->log.n > EVENTS_KEPT);
    assert_comes_back(op);
}

static void a_failure_comes_back(void **state) {
    (void)state;
    struct operation *op = begin();
    finish(op, "the deadline passed", ERROR_DEADLINE_EXCEEDED);
    assert_comes_back(op);
}

static void what_was_not_done_was_interrupted(void **state) {
    bool was_interrupted;
    (void)state;
    struct operation *op = begin();
    report(op, 3);
    struct writer kept = encode(op);
    struct operation *again = decode(&kept, &was_interrupted);
    assert_non_null(again);
    assert_true(was_interrupted);
    assert_true(again->failed);
    assert_int_equal(again->log.latest.step, 3);
    struct writer text;
    writer_init(&text, 1 << 20);
    write_bytes(&text, again->answer.data, again->answer.length);
    write_bytes(&text, "", 1);
    assert_non_null(strstr(text.data, "\"code\":\"interrupted\""));
    writer_free(&text);
    writer_free(&kept);
    operation_release(again);
    finish(op, "{}", ERROR_NONE);
    operations_finish(table, op);
    operation_release(op);
    operation_release(op);
}

/* Whatever is cut off or turned over, nothing but an operation or a failure comes of it. */
static void what_is_damaged_is_refused(void **state) {
    bool was_interrupted;
    (void)state;
    struct operation *op = begin();
    report(op, 5);
    finish(op, "{}", ERROR_NONE);
    struct writer kept = encode(op);
    const size_t length = kept.length,
                 head = (size_t)((char *)memchr(kept.data, '\n', length) - kept.data);
    for (size_t n = 0; n < length; n++) {
        kept.length = n;
        struct operation *again = decode(&kept, &was_interrupted);
        if (n <= head) assert_null(again);
        if (again) operation_release(again);
    }
    kept.length = length;
    for (size_t i = 0; i < length; i++) {
        kept.data[i] = (char)(kept.data[i] ^ 0x55);
        struct operation *again = decode(&kept, &was_interrupted);
        if (again) operation_release(again);
        kept.data[i] = (char)(kept.data[i] ^ 0x55);
    }
    writer_free(&kept);
    operations_finish(table, op);
    operation_release(op);
    operation_release(op);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_back_with_its_events),
        TEST(of_many_events_those_come_back_that_were_there),
        TEST(a_failure_comes_back),
        TEST(what_was_not_done_was_interrupted),
        TEST(what_is_damaged_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
