/* The budget of the process: what is counted, refused, and said of it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/writer.h"
#include "core/arena.h"
#include "core/block.h"
#include "core/budget.h"
#include "core/slab.h"

enum { MIB = 1 << 20 };

static int begin(void **state) {
    (void)state;
    slab_drop();
    budget_set(8 * MIB, slab_drop);
    budget_begin(0);
    return 0;
}

/* All of it is back, but for what this thread keeps count of. */
static int end(void **state) {
    (void)state;
    slab_drop();
    return budget_held_in_all() < BUDGET_STEP ? 0 : -1;
}

static void what_is_taken_is_held_until_it_is_given(void **state) {
    (void)state;
    assert_true(budget_take(BUDGET_BODIES, 3 * MIB));
    assert_true(budget_take(BUDGET_ARENAS, 2 * MIB));
    assert_int_equal(budget_held(BUDGET_BODIES), 3 * MIB);
    assert_int_equal(budget_held(BUDGET_ARENAS), 2 * MIB);
    assert_int_equal(budget_held_in_all(), 5 * MIB);
    budget_give(BUDGET_BODIES, 3 * MIB);
    budget_give(BUDGET_ARENAS, 2 * MIB);
    assert_int_equal(budget_held_in_all(), 0);
}

static void nothing_is_taken_past_the_limit(void **state) {
    (void)state;
    assert_true(budget_take(BUDGET_RUNS, 5 * MIB));
    assert_false(budget_take(BUDGET_RUNS, 3 * MIB + 1));
    assert_false(budget_take(BUDGET_RUNS, SIZE_MAX));
    assert_int_equal(budget_held_in_all(), 5 * MIB);
    assert_true(budget_take(BUDGET_RUNS, 3 * MIB));
    budget_give(BUDGET_RUNS, 8 * MIB);
}

static void small_amounts_add_up(void **state) {
    (void)state;
    size_t taken = 0;
    while (budget_take(BUDGET_STATE, 100)) taken += 100;
    assert_in_range(taken, 8 * MIB - BUDGET_STEP, 8 * MIB + BUDGET_STEP);
    budget_give(BUDGET_STATE, taken);
    assert_true(budget_take(BUDGET_STATE, 7 * MIB));
    budget_give(BUDGET_STATE, 7 * MIB);
}

static void a_refusal_is_told_with_its_figures(void **state) {
    (void)state;
    struct error error;
    error_clear(&error);
    error_set(&error, ERROR_MEMORY_BUDGET, "no memory");
    budget_end(&error);
    assert_string_equal(error.detail, "no memory"); /* Nothing was refused. */
    assert_true(budget_take(BUDGET_RUNS, 5 * MIB));
    assert_false(budget_take(BUDGET_RUNS, 4 * MIB));
    budget_end(&error);
    assert_string_equal(error.detail, "no room for 4194304 bytes: the process holds 5242880 of "
                                      "8388608 bytes for requests and sessions (max_memory_bytes)");
    error_clear(&error);
    error_set(&error, ERROR_SHAPE_MISMATCH, "other");
    budget_end(&error);
    assert_string_equal(error.detail, "other");
    budget_begin(0);
    error_clear(&error);
    error_set(&error, ERROR_MEMORY_BUDGET, "no memory");
    budget_end(&error);
    assert_string_equal(error.detail, "no memory");
    budget_give(BUDGET_RUNS, 5 * MIB);
}

static void slabs_that_are_kept_make_room(void **state) {
    (void)state;
    void *slab = slab_take(5 * MIB);
    assert_non_null(slab);
    assert_int_equal(budget_held(BUDGET_RUNS), 6 * MIB); /* in pages of 2 MiB */
    assert_null(slab_take(5 * MIB + MIB));
    slab_give(slab, 5 * MIB);
    assert_int_equal(budget_held(BUDGET_RUNS), 6 * MIB);
    assert_true(budget_take(BUDGET_BODIES, 7 * MIB));
    assert_int_equal(budget_held(BUDGET_RUNS), 0);
    budget_give(BUDGET_BODIES, 7 * MIB);
}

static void arenas_are_counted(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    while (arena_alloc(&arena, 100 << 10)) {
    }
    assert_in_range(arena.held, 3 * MIB, 8 * MIB + BUDGET_STEP);
    assert_in_range(budget_held_in_all(), arena.held - BUDGET_STEP, 8 * MIB);
    arena_free(&arena);
}

static void what_sessions_hold_is_counted_once(void **state) {
    (void)state;
    struct account account = {.limit = SIZE_MAX};
    struct block *block = block_new(&account, 4 * MIB);
    assert_non_null(block);
    assert_in_range(budget_held(BUDGET_STATE), 4 * MIB, 4 * MIB + BUDGET_STEP);
    assert_null(block_new(&account, 5 * MIB));
    assert_in_range(account.bytes, 4 * MIB, 4 * MIB + BUDGET_STEP);
    block_release(block);
    assert_int_equal(account.bytes, 0);
}

/* Many of them are more than the sum of their sizes. */
static void small_things_are_counted_as_the_system_gives_them(void **state) {
    (void)state;
    enum { THINGS = 100000, SIZE = 24 };
    struct account account = {.limit = SIZE_MAX};
    void **things = calloc(THINGS, sizeof *things);
    assert_non_null(things);
    for (int i = 0; i < THINGS; i++) assert_non_null(things[i] = account_alloc(&account, SIZE));
    assert_int_equal(account.bytes, THINGS * SIZE);
    assert_in_range(budget_held(BUDGET_STATE), THINGS * 32 - BUDGET_STEP, THINGS * 32);
    for (int i = 0; i < THINGS; i++) account_free(&account, things[i], SIZE);
    assert_int_equal(account.bytes, 0);
    free(things);
}

static void an_answer_past_the_limit_is_full(void **state) {
    (void)state;
    struct writer out;
    writer_init(&out, SIZE_MAX);
    static char text[MIB];
    memset(text, 'x', sizeof text);
    while (!out.full) write_bytes(&out, text, sizeof text);
    assert_in_range(out.length, MIB, 8 * MIB);
    assert_in_range(budget_held(BUDGET_ANSWERS), out.length - BUDGET_STEP, 8 * MIB);
    writer_free(&out);
}

enum { THREADS = 8, ROUNDS = 20000 };

/* Another thread's work, which holds 5 MiB until it is told to end. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int whose;

static void pass_turn(int from, int to) {
    pthread_mutex_lock(&turn);
    whose = to;
    pthread_cond_broadcast(&turned);
    while (from && whose != from) pthread_cond_wait(&turned, &turn);
    pthread_mutex_unlock(&turn);
}

static void *hold_meanwhile(void *unused) {
    struct error error;
    error_clear(&error);
    budget_begin(0);
    if (budget_take(BUDGET_RUNS, 5 * MIB)) pass_turn(2, 1);
    budget_end(&error); /* and leaves what it has made */
    pass_turn(2, 1);
    budget_give(BUDGET_RUNS, 5 * MIB);
    return unused;
}

/* The code of a refusal of so many bytes. */
static enum error_code refusal(size_t bytes) {
    struct error error;
    error_clear(&error);
    error_set(&error, ERROR_MEMORY_BUDGET, "no memory");
    budget_begin(0);
    assert_true(budget_take(BUDGET_RUNS, MIB));
    assert_false(budget_take(BUDGET_RUNS, bytes));
    budget_end(&error);
    budget_give(BUDGET_RUNS, MIB);
    return error.code;
}

static void work_of_others_is_waited_for_and_what_stays_is_not(void **state) {
    pthread_t other;
    (void)state;
    assert_int_equal(pthread_create(&other, NULL, hold_meanwhile, NULL), 0);
    pthread_mutex_lock(&turn);
    while (whose != 1) pthread_cond_wait(&turned, &turn);
    pthread_mutex_unlock(&turn);
    assert_int_equal(refusal(4 * MIB), ERROR_OVERLOADED);
    assert_int_equal(refusal(7 * MIB + BUDGET_STEP), ERROR_MEMORY_BUDGET); /* it never fits */
    pass_turn(1, 2);
    assert_int_equal(refusal(4 * MIB), ERROR_MEMORY_BUDGET);
    pass_turn(0, 2);
    assert_int_equal(pthread_join(other, NULL), 0);
}

/* As an answer that is sent, or a body that waits for its run: until then a refusal may come again. */
static void what_is_on_its_way_is_waited_for(void **state) {
    struct writer out;
    static char text[MIB];
    (void)state;
    writer_init(&out, SIZE_MAX);
    memset(text, 'x', sizeof text);
    while (out.length < 3 * MIB) write_bytes(&out, text, sizeof text);
    assert_int_equal(refusal(7 * MIB), ERROR_MEMORY_BUDGET);
    writer_pass_on(&out);
    assert_int_equal(refusal(5 * MIB), ERROR_OVERLOADED);
    assert_int_equal(refusal(7 * MIB + BUDGET_STEP), ERROR_MEMORY_BUDGET); /* it never fits */
    writer_free(&out);
    assert_true(budget_take(BUDGET_STATE, 4 * MIB));
    assert_int_equal(refusal(4 * MIB), ERROR_MEMORY_BUDGET); /* this stays */
    budget_give(BUDGET_STATE, 4 * MIB);
}

/* A request does not wait for its own body. */
static void what_was_passed_on_to_a_work_is_its_own(void **state) {
    struct error error;
    (void)state;
    for (int is_own = 0; is_own < 2; is_own++) {
        assert_true(budget_take(BUDGET_BODIES, 4 * MIB));
        budget_pass_on(4 * MIB);
        error_clear(&error);
        error_set(&error, ERROR_MEMORY_BUDGET, "no memory");
        budget_begin(is_own ? 4 * MIB : 0);
        assert_false(budget_take(BUDGET_RUNS, 5 * MIB));
        budget_end(&error);
        assert_int_equal(error.code, is_own ? ERROR_MEMORY_BUDGET : ERROR_OVERLOADED);
        budget_give(BUDGET_BODIES, 4 * MIB);
        budget_passed(4 * MIB);
    }
}

static void *take_and_give(void *refusals) {
    for (int i = 0; i < ROUNDS; i++) {
        const size_t size = (size_t)(i % 31) * 70000;
        if (budget_take(BUDGET_RUNS, size))
            budget_give(BUDGET_RUNS, size);
        else
            ++*(int *)refusals;
    }
    return NULL;
}

static void threads_lose_nothing(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    int refusals[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &refusals[i]), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(budget_held_in_all(), 0, THREADS * BUDGET_STEP);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(what_is_taken_is_held_until_it_is_given),
        TEST(nothing_is_taken_past_the_limit),
        TEST(small_amounts_add_up),
        TEST(a_refusal_is_told_with_its_figures),
        TEST(slabs_that_are_kept_make_room),
        TEST(arenas_are_counted),
        TEST(what_sessions_hold_is_counted_once),
        TEST(small_things_are_counted_as_the_system_gives_them),
        TEST(an_answer_past_the_limit_is_full),
        TEST(work_of_others_is_waited_for_and_what_stays_is_not),
        TEST(what_is_on_its_way_is_waited_for),
        TEST(what_was_passed_on_to_a_work_is_its_own),
        cmocka_unit_test(threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
