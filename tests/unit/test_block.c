/* Accounts, and the purses that several of them share. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/block.h"

static void an_account_takes_from_its_purse(void **state) {
    (void)state;
    struct purse p = {.limit = 1000};
    struct account a = {.limit = 800, .purse = &p}, b = {.limit = 800, .purse = &p};
    assert_true(account_charge(&a, 700));
    assert_false(account_charge(&a, 200));
    assert_int_equal(p.bytes, 700);
    assert_true(account_charge(&b, 300));
    assert_false(account_charge(&b, 1));
    assert_int_equal(b.bytes, 300);
    assert_int_equal(p.bytes, 1000);
    account_discharge(&a, 100);
    assert_true(account_charge(&b, 100));
    assert_false(account_charge(&b, SIZE_MAX));
    assert_int_equal(p.bytes, 1000);
    account_restate(&b, 400, 500);
    assert_int_equal(b.bytes, 500);
    assert_int_equal(p.bytes, 1100);
    account_restate(&b, 500, 50);
    assert_int_equal(p.bytes, 650);
}

static void an_account_joins_with_all_it_has(void **state) {
    (void)state;
    struct purse p = {.limit = 1000}, q = {.limit = 100};
    struct account a = {.bytes = 500, .limit = 800};
    assert_true(account_join(&a, &p));
    assert_int_equal(p.bytes, 500);
    assert_false(account_join(&a, &q));
    assert_ptr_equal(a.purse, &p);
    assert_int_equal(q.bytes, 0);
    assert_true(account_join(&a, NULL));
    assert_int_equal(p.bytes, 0);
    assert_int_equal(a.bytes, 500);
    void *memory = account_alloc(&a, 100);
    assert_true(account_join(&a, &p));
    account_free(&a, memory, 100);
    assert_int_equal(p.bytes, 500);
}

static void a_purse_that_has_less_than_it_had_gives_back_alone(void **state) {
    (void)state;
    struct purse p = {.bytes = 500, .limit = 100};
    struct account a = {.bytes = 500, .limit = 800, .purse = &p};
    assert_false(account_charge(&a, 1));
    assert_true(account_charge(&a, 0));
    account_discharge(&a, 450);
    assert_true(account_charge(&a, 50));
    assert_false(account_charge(&a, 1));
}

enum { THREADS = 4, ROUNDS = 20000, MOST = 100 };
static struct purse shared = {.limit = MOST};

/* Never does one get what another has. */
static void *spend(void *context) {
    struct account a = {.limit = MOST, .purse = &shared};
    intptr_t wrong = 0;
    (void)context;
    for (size_t i = 0; i < ROUNDS; i++) {
        const size_t n = 1 + i % (MOST - 1);
        if (!account_charge(&a, n)) continue;
        wrong += a.bytes != n;
        account_discharge(&a, n);
    }
    return (void *)wrong;
}

static void threads_share_a_purse(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    void *wrong;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, spend, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(shared.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_takes_from_its_purse),
        cmocka_unit_test(an_account_joins_with_all_it_has),
        cmocka_unit_test(a_purse_that_has_less_than_it_had_gives_back_alone),
        cmocka_unit_test(threads_share_a_purse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
