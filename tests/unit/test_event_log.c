/* Logs of events, those who listen, and the bytes of a stream. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/event_log.h"
#include "server/stream.h"

static struct event_log event_log;
static int rung;

static void on_ring(struct listener *l) {
    (void)l;
    rung++;
}

static int start(void **state) {
    (void)state;
    event_log_init(&event_log);
    rung = 0;
    return 0;
}

static int stop(void **state) {
    (void)state;
    event_log_free(&event_log);
    return 0;
}

static void add(int64_t step) {
    const struct progress_row row = {step, 1.0 / (double)step, NAN, DTYPE_F32};
    event_log.progress.report(&event_log.progress, &row);
}

/* As if the log had been quiet for ages. */
static void let_all_in(void) { event_log.allowance = INT64_MAX / 2; }

/* ---- logs ---- */

static void rows_that_come_in_a_flood_are_thinned(void **state) {
    (void)state;
    bool ended;
    struct progress_row row;
    enum { FLOOD = 100000 };
    assert_false(event_log_latest(&event_log, &row));
    for (int i = 1; i <= FLOOD; i++) add(i);
    const uint64_t n = event_log_count(&event_log, &ended);
    assert_false(ended);
    /* What is saved up at first, and what a second or two give. */
    assert_in_range(n, EVENTS_AT_ONCE, EVENTS_KEPT);
    assert_true(event_log_latest(&event_log, &row));
    assert_int_equal(row.step, FLOOD);
}

static void the_newest_row_is_told_before_the_end(void **state) {
    (void)state;
    struct listener l;
    struct event e;
    listener_join(&l, &event_log, 0, on_ring);
    for (int i = 1; i <= 1000; i++) add(i);
    assert_true(event_log_end(&event_log, false, "{}", 2));
    int64_t last = 0;
    for (listener_next(&l, &e); e.kind == EVENT_ROW; listener_next(&l, &e)) last = e.row.step;
    assert_int_equal(last, 1000);
    assert_int_equal(e.kind, EVENT_DONE);
    assert_int_equal(e.length, 2);
    listener_next(&l, &e);
    assert_int_equal(e.kind, EVENT_OVER);
    assert_true(listener_leave(&l));
}

static void events_are_numbered_and_each_is_rung(void **state) {
    (void)state;
    struct listener l;
    struct event e;
    listener_join(&l, &event_log, 0, on_ring);
    listener_next(&l, &e);
    assert_int_equal(e.kind, EVENT_NONE);
    add(5);
    add(7);
    assert_int_equal(rung, 2);
    listener_next(&l, &e);
    assert_int_equal(e.kind, EVENT_ROW);
    assert_int_equal(e.id, 1);
    assert_int_equal(e.row.step, 5);
    listener_leave(&l);
    add(9);
    assert_int_equal(rung, 2);
    /* Another one goes on where the first was. */
    listener_join(&l, &event_log, 1, on_ring);
    listener_next(&l, &e);
    assert_int_equal(e.id, 2);
    assert_int_equal(e.row.step, 7);
    listener_leave(&l);
}

static void who_comes_late_hears_how_much_was_dropped(void **state) {
    (void)state;
    struct listener l;
    struct event e;
    let_all_in();
    for (int i = 1; i <= EVENTS_KEPT + 10; i++) add(i);
    listener_join(&l, &event_log, 3, on_ring);
    listener_next(&l, &e);
    assert_int_equal(e.kind, EVENT_DROPPED);
    assert_int_equal(e.dropped, 7);
    listener_next(&l, &e);
    assert_int_equal(e.kind, EVENT_ROW);
    assert_int_equal(e.id, 11);
    assert_int_equal(e.row.step, 11);
    listener_leave(&l);
}

static void the_end_knows_whether_somebody_had_left(void **state) {
    (void)state;
    struct listener l;
    listener_join(&l, &event_log, 0, on_ring);
    assert_false(listener_leave(&l));
    assert_false(event_log_end(&event_log, true, "{}", 2));
    assert_true(event_log_is_bare(&event_log));
}

/* ---- streams ---- */

static struct stream_set set;
static struct stream stream;
static atomic_bool left;

static void begin(uint64_t seen, bool resumable) {
    stream_set_init(&set);
    atomic_store(&left, false);
    stream_begin(&set, &stream, &event_log, seen, resumable, &left, on_ring);
}

static void end(void) {
    stream_end(&set, &stream);
    stream_set_free(&set);
}

/* All that there is now, taken in pieces of a few bytes. */
static const char *read_all(size_t piece, ssize_t *last) {
    static char text[1 << 16];
    size_t n = 0;
    while ((*last = stream_read(&stream, text + n, piece)) > 0) n += (size_t)*last;
    text[n] = '\0';
    return text;
}

static void a_stream_is_the_same_in_pieces_of_any_size(void **state) {
    (void)state;
    static const char wanted[] =
        "id: 1\nevent: progress\ndata: {\"step\":1,\"loss\":1.0}\n\n"
        "id: 2\nevent: progress\ndata: {\"step\":3,\"loss\":0.33333334}\n\n"
        "id: 3\nevent: done\ndata: {\"loss\":0}\n\n";
    static const size_t pieces[] = {1, 2, 7, 1000};
    ssize_t last;
    add(1);
    add(3);
    event_log_end(&event_log, false, "{\"loss\":0}", 10);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        begin(0, true);
        assert_string_equal(read_all(pieces[i], &last), wanted);
        assert_int_equal(last, -1);
        end();
    }
}

static void what_is_not_resumable_has_no_ids(void **state) {
    (void)state;
    ssize_t last;
    const struct progress_row row = {12, INFINITY, 0.1, DTYPE_F64};
    begin(0, false);
    event_log_add(&event_log, &row);
    assert_string_equal(read_all(100, &last),
                        "event: progress\ndata: "
                        "{\"step\":12,\"loss\":\"Infinity\",\"gradient_norm\":"
                        "0.1}\n\n");
    assert_int_equal(last, 0);
    event_log_end(&event_log, true, "{\"code\":\"cancelled\"}", 20);
    assert_string_equal(read_all(100, &last), "event: error\ndata: {\"code\":\"cancelled\"}\n\n");
    assert_int_equal(last, -1);
    end();
}

static void a_stream_says_what_it_has_dropped(void **state) {
    (void)state;
    ssize_t last;
    let_all_in();
    for (int i = 1; i <= 2 * EVENTS_KEPT; i++) add(i);
    begin(0, true);
    const char *text = read_all(4096, &last);
    static const char first[] = "event: dropped\ndata: {\"rows\":256}\n\nid: 257\n";
    assert_int_equal(strncmp(text, first, sizeof first - 1), 0);
    end();
}

static void a_comment_comes_when_nothing_else_does(void **state) {
    (void)state;
    ssize_t last;
    begin(0, true);
    stream_sweep(&set);
    assert_int_equal(rung, 0);
    atomic_store(&stream.spoke, atomic_load(&stream.spoke) - INT64_C(1500000000));
    stream_sweep(&set);
    assert_int_equal(rung, 1);
    assert_string_equal(read_all(100, &last), ":\n\n");
    assert_int_equal(last, 0);
    stream_sweep(&set);
    assert_int_equal(rung, 1);
    atomic_store(&left, true);
    stream_sweep(&set);
    assert_int_equal(rung, 2);
    end();
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(rows_that_come_in_a_flood_are_thinned),
        TEST(the_newest_row_is_told_before_the_end),
        TEST(events_are_numbered_and_each_is_rung),
        TEST(who_comes_late_hears_how_much_was_dropped),
        TEST(the_end_knows_whether_somebody_had_left),
        TEST(a_stream_is_the_same_in_pieces_of_any_size),
        TEST(what_is_not_resumable_has_no_ids),
        TEST(a_stream_says_what_it_has_dropped),
        TEST(a_comment_comes_when_nothing_else_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
