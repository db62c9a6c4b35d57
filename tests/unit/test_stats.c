/* Counters, histograms, and requests by path, method and status. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/problem.h"
#include "server/route.h"
#include "server/stats.h"

enum { THREADS = 80, TIMES = 500 };

static void *count(void *unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        stats_add(STAT_ACCEPTED, 3);
        stats_add(STAT_WORKING, i % 2 ? -1 : 1);
        stats_observe(HISTOGRAM_QUEUE, i);
        stats_answer(2, 1, 404, 1000);
    }
    return NULL;
}

/* More of them than there are slots. */
static void what_threads_count_is_added_up(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(stats_sum(STAT_ACCEPTED), 3 * THREADS * TIMES);
    assert_int_equal(stats_sum(STAT_WORKING), 0);
    const struct stats_histogram h = stats_histogram(HISTOGRAM_QUEUE), d = stats_durations(2);
    assert_int_equal(h.bucket[0], THREADS * TIMES);
    assert_int_equal(h.sum, THREADS * TIMES / 2 * (TIMES - 1));
    assert_int_equal(d.bucket[0], THREADS * TIMES);
    assert_int_equal(stats_answers_of(4), THREADS * TIMES);
}

static void a_bucket_holds_its_bound(void **state) {
    (void)state;
    stats_observe(HISTOGRAM_BATCH, 4);
    stats_observe(HISTOGRAM_BATCH, 5);
    stats_observe(HISTOGRAM_BATCH, 5000);
    const struct stats_histogram h = stats_histogram(HISTOGRAM_BATCH);
    assert_int_equal(h.bucket[2], 1);
    assert_int_equal(h.bucket[3], 1);
    assert_int_equal(h.bucket[STATS_BUCKETS - 1], 1);
    assert_int_equal(h.sum, 5009);
    for (int i = 1; i < STATS_BUCKETS - 1; i++) {
        assert_true(stats_sizes[i - 1] < stats_sizes[i]);
        assert_true(stats_times[i - 1] < stats_times[i]);
    }
}

static void every_status_of_a_problem_is_counted_by_itself(void **state) {
    (void)state;
    for (int code = ERROR_NONE; code < ERROR_CODE_COUNT; code++) {
        const int status = problem_status((enum error_code)code);
        int found = 0;
        for (int i = 0; i < STATS_STATUSES; i++) found += stats_statuses[i] == status;
        if (found != 1) fail_msg("%d is there %d times", status, found);
    }
    stats_answer(3, 0, 418, 1);
    assert_int_equal(stats_answers(3, 0, 0), 1);
}

static void rows_of_a_path_are_one_number(void **state) {
    (void)state;
    route_init();
    assert_int_equal(route_number(NULL), 0);
    for (size_t i = 0; i < route_count; i++) {
        const size_t number = route_number(&route_table[i]);
        assert_in_range(number, 1, i + 1);
        assert_string_equal(route_table[number - 1].path, route_table[i].path);
    }
    struct route_places places;
    const char *path = "/v1/sessions/a/optimizer";
    assert_int_equal(route_number(route_find(path, METHOD_GET, &places)),
                     route_number(route_find(path, METHOD_DELETE, &places)));
}

static void methods_have_names_and_numbers(void **state) {
    (void)state;
    static const char *const names[] = {"GET",   "HEAD",   "POST",    "PUT",
                                        "PATCH", "DELETE", "OPTIONS", "BREW"};
    for (int i = 0; i < METHOD_NUMBERS; i++) {
        const char *name = route_method_name(route_method_number(route_method(names[i])));
        assert_string_equal(name, strcmp(names[i], "BREW") == 0 ? "other" : names[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_threads_count_is_added_up),
        cmocka_unit_test(a_bucket_holds_its_bound),
        cmocka_unit_test(every_status_of_a_problem_is_counted_by_itself),
        cmocka_unit_test(rows_of_a_path_are_one_number),
        cmocka_unit_test(methods_have_names_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
