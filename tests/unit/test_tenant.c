/* Tenants: apart from one another, within their quotas, and by turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/session.h"
#include "exchanges.h"

static const int64_t second = 1000000000;
static struct engine engine;
static struct tenant *shop, *bank;
static struct got got;
static struct error error;

static const struct quotas none = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE};

static int start(void **state) {
    char problem[256];
    (void)state;
    error_clear(&error);
    struct service_limits limits = service_limits_default;
    limits.max_body_bytes = 1 << 20;
    if (!engine_init(&engine, &limits, problem, sizeof problem)) return -1;
    shop = engine_tenant(&engine, "shop", &none, problem, sizeof problem);
    bank = engine_tenant(&engine, "bank", &none, problem, sizeof problem);
    return shop && bank ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    engine_drain(&engine);
    engine_free(&engine);
    return 0;
}

/* ---- who they are ---- */

static void a_name_has_one_tenant(void **state) {
    (void)state;
    char problem[256];
    assert_ptr_not_equal(shop, bank);
    assert_ptr_equal(engine_tenant(&engine, "shop", &none, problem, sizeof problem), shop);
    assert_ptr_equal(engine_tenant(&engine, "default", &none, problem, sizeof problem),
                     engine.tenant);
}

static void what_all_have_is_counted_together(void **state) {
    (void)state;
    struct session *s = session_new("a", DTYPE_F32, 1 << 20);
    struct seat *seat = registry_add(bank->registry, s, 1, &error);
    assert_non_null(seat);
    registry_release(bank->registry, seat, 1);
    assert_int_equal(request_ask(&engine, "PUT", "/v1/sessions/a", "{}", &got), 201);
    const struct registry_stats sum = engine_sessions(&engine);
    assert_int_equal(sum.sessions, 2);
    assert_int_equal(sum.bytes,
                     registry_bytes(bank->registry) + registry_bytes(engine.tenant->registry));
}

/* ---- bytes ---- */

static struct seat *add_session(struct tenant *t, const char *id) {
    struct session *s = session_new(id, DTYPE_F32, 1 << 20);
    assert_non_null(s);
    struct seat *seat = registry_add(t->registry, s, 1, &error);
    if (!seat) session_free(s);
    return seat;
}

/* Gives a session one more item of some 400 bytes; false where there is no room. */
static bool grow(struct seat *seat, const char *name) {
    float data[64] = {0};
    const struct tensor t = {.dtype = DTYPE_F32, .shape = {.rank = 1, .dim = {64}}, .data = data};
    return session_add(seat_session(seat), name, strlen(name), ITEM_TENSOR, false, &t) != NULL;
}

static void sessions_that_grow_side_by_side_stay_within_the_quota(void **state) {
    (void)state;
    struct quotas some = none;
    struct seat *a = add_session(shop, "a"), *b = add_session(shop, "b");
    assert_true(a && b);
    assert_int_equal(registry_room(shop->registry), INT64_MAX);
    some.bytes = registry_bytes(shop->registry) + 2000;
    tenant_set_quotas(shop, &some);
    int n = 0;
    char name[16];
    do {
        snprintf(name, sizeof name, "x%d", n);
    } while (grow(n % 2 ? a : b, name) && ++n < 100);
    assert_in_range(n, 2, 10);
    assert_true(registry_bytes(shop->registry) <= some.bytes);
    assert_true(registry_room(shop->registry) < 600);
    assert_null(add_session(shop, "c"));
    assert_int_equal(error.code, ERROR_QUOTA_EXCEEDED);
    /* Another tenant has its own, and what goes makes room. */
    struct seat *other = add_session(bank, "c");
    assert_true(other && grow(other, "x"));
    registry_release(bank->registry, other, 1);
    registry_remove(shop->registry, a);
    registry_release(shop->registry, a, 1);
    error_clear(&error);
    assert_true(grow(b, "y"));
    registry_release(shop->registry, b, 1);
}

static void a_session_pays_for_itself_whether_it_is_in_memory_or_not(void **state) {
    (void)state;
    struct seat *a = add_session(shop, "a");
    assert_true(a && grow(a, "x"));
    registry_release(shop->registry, a, 1);
    const int64_t bytes = registry_bytes(shop->registry);
    assert_int_equal(bytes, session_bytes(seat_session(a)));
    assert_int_equal(registry_acquire(shop->registry, "a", NULL, 2, &a, &error), REGISTRY_HELD);
    assert_true(grow(a, "y") && registry_bytes(shop->registry) > bytes);
    /* What was not stored is forgotten: the store has the session as it was. */
    registry_drop(shop->registry, a);
    assert_null(seat_session(a));
    assert_int_equal(registry_bytes(shop->registry), bytes);
    struct session *s = session_new("a", DTYPE_F32, 1 << 20);
    registry_warm(shop->registry, a, s);
    assert_int_equal(registry_bytes(shop->registry), session_bytes(s));
    assert_true(grow(a, "x"));
    assert_int_equal(registry_bytes(shop->registry), session_bytes(s));
    registry_drop(shop->registry, a);
    registry_remove(shop->registry, a);
    assert_int_equal(registry_bytes(shop->registry), 0);
    registry_release(shop->registry, a, 3);
}

/* ---- jobs ---- */

static struct operation *add_job(struct tenant *t) {
    struct operation *op = operation_new(&error);
    assert_non_null(op);
    op->method = "test";
    assert_true(operations_add(t->operations, op, &error));
    return op;
}

/* Takes the next job, which must be of that tenant. */
static struct operation *take(const struct tenant *t) {
    struct operation *op = operations_take(engine.jobs);
    assert_ptr_equal(operation_owner(op), t);
    return op;
}

static void end(struct operation *op) {
    struct tenant *t = operation_owner(op);
    struct writer answer;
    writer_init(&answer, 0);
    error_clear(&error);
    operations_settle(t->operations, op, &answer, &error);
    operations_finish(t->operations, op);
    operation_release(op);
}

static void a_tenants_job_does_not_wait_for_all_of_anothers(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) operation_release(add_job(shop));
    struct operation *first = take(shop);
    for (int i = 0; i < 2; i++) operation_release(add_job(bank));
    struct operation *second_one = take(bank);
    /* Each has one that runs: the shop has waited longer. */
    struct operation *third = take(shop);
    struct operation *fourth = take(bank);
    end(fourth);
    end(second_one);
    end(take(shop));
    end(first);
    end(third);
    end(take(shop));
    end(take(shop));
    assert_true(engine_is_idle(&engine));
}

static void one_thread_serves_them_in_turn(void **state) {
    (void)state;
    struct operation *mine[3];
    for (int i = 0; i < 3; i++) mine[i] = add_job(shop);
    for (int i = 0; i < 2; i++) operation_release(add_job(bank));
    struct operation *op = operations_take(engine.jobs);
    const bool shop_first = operation_owner(op) == shop;
    end(op);
    end(take(shop_first ? bank : shop));
    end(take(shop_first ? shop : bank));
    end(take(shop_first ? bank : shop));
    end(take(shop));
    /* And each in its order. */
    for (int i = 0; i + 1 < 3; i++) assert_true(mine[i]->started_at <= mine[i + 1]->started_at);
    for (int i = 0; i < 3; i++) operation_release(mine[i]);
}

static void a_quota_of_jobs_lets_others_pass(void **state) {
    (void)state;
    struct quotas one = none;
    one.jobs = 1;
    tenant_set_quotas(shop, &one);
    for (int i = 0; i < 3; i++) operation_release(add_job(shop));
    struct operation *first = take(shop);
    for (int i = 0; i < 2; i++) operation_release(add_job(bank));
    struct operation *a = take(bank), *b = take(bank);
    /* Nothing may run now but the bank's; when the shop's first has ended, its second may. */
    end(a);
    end(first);
    struct operation *next = take(shop);
    end(b);
    tenant_set_quotas(shop, &none);
    end(take(shop));
    end(next);
    assert_true(engine_is_idle(&engine));
}

static void anothers_operation_is_not_found(void **state) {
    (void)state;
    struct operation *op = add_job(shop);
    assert_null(operations_find(bank->operations, op->id, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    struct operations_page page = {.most = 1, .list = &(struct operation *){NULL}};
    operations_list(bank->operations, &page);
    assert_int_equal(page.n, 0);
    operation_release(op);
}

/* ---- rates ---- */

static void a_second_s_worth_may_come_at_once(void **state) {
    (void)state;
    struct rate r = {0};
    rate_set(&r, 10);
    for (int i = 0; i < 10; i++) assert_int_equal(rate_take(&r, 5 * second), 0);
    assert_int_equal(rate_take(&r, 5 * second), second / 10);
    assert_int_equal(rate_take(&r, 5 * second + second / 10), 0);
    assert_int_equal(rate_take(&r, 5 * second + second / 10), second / 10);
    /* What is refused does not make it worse. */
    for (int i = 0; i < 10; i++) assert_true(rate_take(&r, 5 * second + second / 10) > 0);
    for (int i = 0; i < 10; i++) assert_int_equal(rate_take(&r, 8 * second), 0);
    assert_true(rate_take(&r, 8 * second) > 0);
}

static void in_the_long_run_it_is_the_average(void **state) {
    (void)state;
    struct rate r = {0};
    int taken = 0;
    rate_set(&r, 7);
    for (int64_t now = second; now < 101 * second; now += second / 100)
        taken += rate_take(&r, now) == 0;
    assert_in_range(taken, 7 * 100, 7 * 101 + 1);
}

static void without_a_rate_all_may_come(void **state) {
    (void)state;
    struct rate r = {0};
    for (int i = 0; i < 1000; i++) assert_int_equal(rate_take(&r, second), 0);
    rate_set(&r, 1);
    assert_int_equal(rate_take(&r, second), 0);
    assert_true(rate_take(&r, second) > 0);
    rate_set(&r, QUOTA_NONE);
    assert_int_equal(rate_take(&r, second), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_name_has_one_tenant),
        TEST(what_all_have_is_counted_together),
        TEST(sessions_that_grow_side_by_side_stay_within_the_quota),
        TEST(a_session_pays_for_itself_whether_it_is_in_memory_or_not),
        TEST(a_tenants_job_does_not_wait_for_all_of_anothers),
        TEST(one_thread_serves_them_in_turn),
        TEST(a_quota_of_jobs_lets_others_pass),
        TEST(anothers_operation_is_not_found),
        cmocka_unit_test(a_second_s_worth_may_come_at_once),
        cmocka_unit_test(in_the_long_run_it_is_the_average),
        cmocka_unit_test(without_a_rate_all_may_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
