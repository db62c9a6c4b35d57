/* The pool of helpers and the rounds that they share: every block once, whoever computes it, and ends that
 * wait for nobody who has not begun. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/pool.h"
#include "core/run.h"

enum { BLOCKS = 1000, ROUNDS = 200, CALLERS = 4, LARGE = 1 << 20 };

static void count(void *arg, int64_t block) { ((unsigned char *)arg)[block]++; }

static void take_all(struct pool *pool, unsigned char *counts) {
    struct pool_round round = {.f = count, .arg = counts, .n = BLOCKS};
    pool_open(pool, &round);
    for (int64_t block; (block = pool_take(&round)) >= 0;) count(counts, block);
    pool_close(pool, &round);
}

static void every_block_is_computed_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 8; threads *= 2) {
        struct pool *pool = pool_start(threads);
        unsigned char counts[BLOCKS] = {0};
        assert_non_null(pool);
        for (int i = 0; i < ROUNDS; i++) take_all(pool, counts);
        for (int i = 0; i < BLOCKS; i++) assert_int_equal(counts[i], ROUNDS);
        pool_stop(pool);
    }
}

struct caller {
    struct pool *pool;
    unsigned char counts[BLOCKS];
};

static void *call_often(void *context) {
    struct caller *c = context;
    for (int i = 0; i < ROUNDS; i++) take_all(c->pool, c->counts);
    return NULL;
}

static void several_callers_share_the_helpers(void **state) {
    (void)state;
    static struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    struct pool *pool = pool_start(3);
    assert_non_null(pool);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.pool = pool};
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    pool_stop(pool);
    for (int i = 0; i < CALLERS; i++)
        for (int k = 0; k < BLOCKS; k++) assert_int_equal(callers[i].counts[k], ROUNDS);
}

/* Two blocks that wait for each other end on two threads only. */
static void meet(void *arg, int64_t block) {
    (void)block;
    atomic_int *here = arg;
    atomic_fetch_add(here, 1);
    while (atomic_load(here) < 2) usleep(100);
}

static void a_helper_takes_part(void **state) {
    (void)state;
    struct pool *pool = pool_start(2);
    atomic_int here = 0;
    struct error error;
    struct run run = {.control = &(struct run_control){.pool = pool}, .error = &error};
    assert_non_null(pool);
    error_clear(&error);
    assert_true(run_blocks(&run, 2, LARGE, meet, &here));
    assert_int_equal(atomic_load(&here), 2);
    pool_stop(pool);
}

/* ---- runs ---- */

struct cancelling {
    atomic_bool cancelled;
    atomic_int computed;
};

static void cancel(void *arg, int64_t block) {
    struct cancelling *c = arg;
    (void)block;
    atomic_fetch_add(&c->computed, 1);
    atomic_store(&c->cancelled, true);
}

static void a_cancelled_round_stops_between_blocks(void **state) {
    (void)state;
    for (int threads = 0; threads <= 2; threads++) {
        struct pool *pool = threads ? pool_start(threads) : NULL;
        struct cancelling c = {.cancelled = false};
        struct error error;
        const struct run_control control = {.cancelled = &c.cancelled, .pool = pool};
        struct run run = {.control = &control, .error = &error};
        error_clear(&error);
        assert_false(run_blocks(&run, LARGE, LARGE, cancel, &c));
        assert_int_equal(error.code, ERROR_CANCELLED);
        assert_in_range(atomic_load(&c.computed), 1, LARGE - 1);
        pool_stop(pool);
    }
}

static void note_self(void *arg, int64_t block) { ((pthread_t *)arg)[block] = pthread_self(); }

static void little_work_stays_on_its_thread(void **state) {
    (void)state;
    struct pool *pool = pool_start(4);
    pthread_t threads[BLOCKS];
    struct error error;
    struct run run = {.control = &(struct run_control){.pool = pool}, .error = &error};
    assert_non_null(pool);
    error_clear(&error);
    assert_true(run_blocks(&run, BLOCKS, 1, note_self, threads));
    for (int i = 0; i < BLOCKS; i++) assert_true(pthread_equal(threads[i], pthread_self()));
    pool_stop(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_computed_once),
        cmocka_unit_test(several_callers_share_the_helpers),
        cmocka_unit_test(a_helper_takes_part),
        cmocka_unit_test(a_cancelled_round_stops_between_blocks),
        cmocka_unit_test(little_work_stays_on_its_thread),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
