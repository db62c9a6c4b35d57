/* The registry of sessions: one holder at a time, queues, pages, lifetimes; and all of it at once from
 * several threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/registry.h"
#include "api/session.h"

static const int64_t second = 1000000000;

static struct registry *registry;
static struct error error;

static int start(void **state) {
    (void)state;
    registry = registry_new(1000, 64, 7);
    error_clear(&error);
    return registry ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    registry_free(registry);
    return 0;
}

static struct seat *add(const char *id, int64_t now) {
    struct session *s = session_new(id, DTYPE_F32, 1 << 20);
    error_clear(&error);
    struct seat *seat = registry_add(registry, s, now, &error);
    if (!seat) session_free(s);
    return seat;
}

static void add_free(const char *id, int64_t now) {
    struct seat *seat = add(id, now);
    assert_non_null(seat);
    registry_release(registry, seat, now);
}

static enum registry_outcome acquire(const char *id, struct waiter *w, int64_t now,
                                     struct seat **seat) {
    error_clear(&error);
    *seat = NULL;
    return registry_acquire(registry, id, w, now, seat, &error);
}

/* A waiter that notes what it was told. */
struct noted {
    struct waiter waiter;
    struct seat *seat;
    enum error_code code;
    int calls;
};

static void note(struct waiter *w, struct seat *seat, const struct error *e) {
    struct noted *n = (struct noted *)(void *)w;
    n->seat = seat;
    n->code = e ? e->code : ERROR_NONE;
    n->calls++;
}

static struct noted noted(int64_t deadline) {
    return (struct noted){.waiter = {.done = note, .deadline = deadline}};
}

static void no_seat(void *context, struct seat *seat) {
    (void)context, (void)seat;
    fail_msg("nothing was to expire");
}

static void a_session_is_held_by_one_and_the_others_wait_in_order(void **state) {
    (void)state;
    struct noted first = noted(0), next = noted(0);
    struct seat *seat, *none;
    add_free("a", 1);
    assert_int_equal(acquire("a", NULL, 2, &seat), REGISTRY_HELD);
    assert_string_equal(seat_session(seat)->id, "a");
    assert_int_equal(acquire("a", &first.waiter, 3, &none), REGISTRY_WAITS);
    assert_int_equal(acquire("a", &next.waiter, 3, &none), REGISTRY_WAITS);
    assert_int_equal(registry_stats(registry).waiting, 2);
    registry_release(registry, seat, 4);
    assert_ptr_equal(first.seat, seat);
    assert_int_equal(next.calls, 0);
    registry_release(registry, seat, 5);
    assert_ptr_equal(next.seat, seat);
    registry_release(registry, seat, 6);
    assert_int_equal(registry_stats(registry).waiting, 0);
    assert_int_equal(acquire("a", NULL, 7, &seat), REGISTRY_HELD);
    registry_release(registry, seat, 8);
}

static void who_may_not_wait_is_refused(void **state) {
    (void)state;
    struct noted many[64];
    struct seat *seat, *none;
    struct noted one_more = noted(0);
    seat = add("a", 1);
    assert_int_equal(acquire("a", NULL, 2, &none), REGISTRY_REFUSED);
    assert_int_equal(error.code, ERROR_DRAINING);
    for (int i = 0; i < 64; i++) {
        many[i] = noted(0);
        assert_int_equal(acquire("a", &many[i].waiter, 2, &none), REGISTRY_WAITS);
    }
    assert_int_equal(acquire("a", &one_more.waiter, 2, &none), REGISTRY_REFUSED);
    assert_int_equal(error.code, ERROR_OVERLOADED);
    assert_string_equal(error.detail,
                        "64 requests wait for this session already (max_session_queue)");
    for (int i = 0; i < 65; i++) registry_release(registry, seat, 3);
    for (int i = 0; i < 64; i++) assert_int_equal(many[i].calls, 1);
    assert_int_equal(one_more.calls, 0);
}

static void those_that_wait_for_what_is_deleted_are_told(void **state) {
    (void)state;
    struct noted w = noted(0);
    struct seat *seat = add("a", 1), *none;
    assert_int_equal(acquire("a", &w.waiter, 2, &none), REGISTRY_WAITS);
    registry_remove(registry, seat);
    assert_int_equal(w.calls, 0);
    assert_int_equal(acquire("a", NULL, 2, &none), REGISTRY_REFUSED);
    assert_string_equal(error.detail, "there is no session \"a\"");
    /* The name is free again while the old session is still held. */
    struct seat *other = add("a", 3);
    assert_non_null(other);
    registry_release(registry, seat, 4);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.code, ERROR_NOT_FOUND);
    registry_release(registry, other, 4);
    assert_int_equal(registry_stats(registry).sessions, 1);
}

static void who_has_waited_too_long_or_has_left_leaves_the_queue(void **state) {
    (void)state;
    atomic_bool left = false;
    struct noted late = noted(10 * second), gone = noted(0), stays = noted(30 * second);
    struct seat *seat = add("a", 1), *none;
    gone.waiter.left = &left;
    acquire("a", &late.waiter, 2, &none);
    acquire("a", &gone.waiter, 2, &none);
    acquire("a", &stays.waiter, 2, &none);
    registry_sweep(registry, 9 * second, no_seat, NULL);
    assert_int_equal(registry_stats(registry).waiting, 3);
    registry_sweep(registry, 10 * second, no_seat, NULL);
    assert_int_equal(late.code, ERROR_DEADLINE_EXCEEDED);
    atomic_store(&left, true);
    registry_sweep(registry, 11 * second, no_seat, NULL);
    assert_int_equal(gone.code, ERROR_CANCELLED);
    assert_int_equal(registry_stats(registry).waiting, 1);
    registry_release(registry, seat, 12 * second);
    assert_ptr_equal(stays.seat, seat);
    assert_int_equal(late.calls + gone.calls + stays.calls, 3);
    registry_release(registry, seat, 13 * second);
}

static void an_id_is_taken_once_and_the_number_is_bounded(void **state) {
    (void)state;
    char id[16];
    add_free("a", 1);
    assert_null(add("a", 1));
    assert_int_equal(error.code, ERROR_ALREADY_EXISTS);
    assert_string_equal(error.detail, "there is a session \"a\" already");
    for (int i = 1; i < 1000; i++) {
        snprintf(id, sizeof id, "s%d", i);
        add_free(id, 1);
    }
    assert_null(add("b", 1));
    assert_int_equal(error.code, ERROR_TOO_MANY_SESSIONS);
    assert_string_equal(error.detail, "there are 1000 sessions; the limit is 1000 (max_sessions)");
    struct seat *seat;
    acquire("a", NULL, 2, &seat);
    registry_remove(registry, seat);
    registry_release(registry, seat, 2);
    add_free("b", 3);
}

static void random_ids_are_not_the_same(void **state) {
    (void)state;
    char one[REGISTRY_ID + 1], two[REGISTRY_ID + 1];
    assert_true(registry_new_id(one, &error) && registry_new_id(two, &error));
    assert_int_equal(strspn(one, "0123456789abcdef"), 32);
    assert_string_not_equal(one, two);
}

/* ---- lists ---- */

static struct arena arena;
static struct registry_row rows[100];

static struct registry_page page_after(uint64_t after, size_t most, const char *key,
                                       const char *value, int64_t now) {
    struct registry_page page = {
        .after = after, .key = key, .value = value, .rows = rows, .most = most};
    arena_free(&arena);
    arena_init(&arena, 1 << 20);
    assert_true(registry_list(registry, now, &arena, &page));
    return page;
}

static void pages_go_on_whatever_is_deleted_between_them(void **state) {
    (void)state;
    char id[32];
    int seen = 0;
    uint64_t after = 0;
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "s%d", i);
        add_free(id, 1);
    }
    for (bool more = true; more; seen++) {
        struct registry_page page = page_after(after, 7, NULL, NULL, 2);
        /* Every third session goes, the last of each page among them, before the next is asked. */
        for (size_t i = 0; i < page.n; i++) {
            struct seat *seat;
            snprintf(id, sizeof id, "s%zu", (size_t)seen * 7 + i);
            assert_string_equal(page.rows[i].id, id);
            if (i % 3 != 0) continue;
            assert_int_equal(acquire(id, NULL, 2, &seat), REGISTRY_HELD);
            registry_remove(registry, seat);
            registry_release(registry, seat, 2);
        }
        after = page.rows[page.n - 1].order;
        more = page.more;
    }
    assert_int_equal(seen, 43);
    assert_int_equal(page_after(after, 7, NULL, NULL, 2).n, 0);
    arena_free(&arena);
}

static void labels_choose_and_are_as_they_were_at_the_last_release(void **state) {
    (void)state;
    char id[16];
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "s%d", i);
        struct seat *seat = add(id, 1);
        session_label(seat_session(seat), "team", i % 4 ? "a" : "b");
        session_label(seat_session(seat), "n", id);
        registry_release(registry, seat, 1);
    }
    struct registry_page page = page_after(0, 100, "team", "b", 2);
    assert_int_equal(page.n, 5);
    assert_string_equal(page.rows[1].id, "s4");
    assert_memory_equal(page.rows[1].labels, "n\0s4\0team\0b\0", 13);
    assert_int_equal(page_after(0, 100, "team", "c", 2).n, 0);
    struct seat *seat;
    acquire("s4", NULL, 2, &seat);
    session_label(seat_session(seat), "team", NULL);
    assert_int_equal(page_after(0, 100, "team", "b", 2).n, 5);
    registry_release(registry, seat, 2);
    assert_int_equal(page_after(0, 100, "team", "b", 2).n, 4);
    arena_free(&arena);
}

/* ---- lifetimes ---- */

static int expired;

static void count_expired(void *context, struct seat *seat) {
    (void)context;
    expired++;
    registry_release(registry, seat, 0);
}

static void add_mortal(const char *id, double ttl, int64_t now) {
    struct seat *seat = add(id, now);
    seat_session(seat)->ttl_seconds = ttl;
    registry_release(registry, seat, now);
}

static void an_idle_session_ends_to_the_nanosecond_and_is_swept(void **state) {
    (void)state;
    const int64_t ten = 10 * second;
    struct seat *seat;
    struct noted w = noted(0);
    expired = 0;
    add_mortal("a", 10, 5);
    add_mortal("b", 20, 5);
    add_free("c", 5);
    assert_int_equal(acquire("a", NULL, 4 + ten, &seat), REGISTRY_HELD);
    registry_release(registry, seat, 4 + ten);
    assert_int_equal(acquire("a", NULL, 4 + 2 * ten, &seat), REGISTRY_REFUSED);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_int_equal(page_after(0, 10, NULL, NULL, 4 + 2 * ten).n, 2);
    registry_sweep(registry, 4 + 2 * ten, count_expired, NULL);
    assert_int_equal(expired, 1);
    /* One that is held, or waited for, lives. */
    assert_int_equal(acquire("b", NULL, 4 + 2 * ten, &seat), REGISTRY_HELD);
    registry_sweep(registry, 9 * ten, count_expired, NULL);
    struct seat *none;
    assert_int_equal(acquire("b", &w.waiter, 9 * ten, &none), REGISTRY_WAITS);
    registry_release(registry, seat, 9 * ten);
    registry_sweep(registry, 20 * ten, count_expired, NULL);
    assert_int_equal(expired, 1);
    registry_release(registry, w.seat, 20 * ten);
    registry_sweep(registry, 23 * ten, count_expired, NULL);
    assert_int_equal(expired, 2);
    assert_int_equal(registry_stats(registry).sessions, 1);
    arena_free(&arena);
}

static void the_id_of_an_expired_session_can_be_taken_before_the_sweep(void **state) {
    (void)state;
    add_mortal("a", 1, 0);
    add_free("a", 2 * second);
    assert_int_equal(registry_stats(registry).sessions, 1);
    registry_sweep(registry, 100 * second, no_seat, NULL);
}

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 2000, IDS = 5 };

/* What a waiting thread sleeps on. */
struct sleeper {
    struct waiter waiter;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    bool over;
    struct seat *seat;
};

static void wake(struct waiter *w, struct seat *seat, const struct error *e) {
    struct sleeper *s = (struct sleeper *)(void *)w;
    (void)e;
    pthread_mutex_lock(&s->lock);
    s->seat = seat;
    s->over = true;
    pthread_cond_signal(&s->turn);
    pthread_mutex_unlock(&s->lock);
}

static struct seat *take(const char *id, int64_t now) {
    struct sleeper s = {.waiter = {.done = wake}};
    struct seat *seat = NULL;
    struct error e;
    error_clear(&e);
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.turn, NULL);
    if (registry_acquire(registry, id, &s.waiter, now, &seat, &e) == REGISTRY_WAITS) {
        pthread_mutex_lock(&s.lock);
        while (!s.over) pthread_cond_wait(&s.turn, &s.lock);
        pthread_mutex_unlock(&s.lock);
        seat = s.seat;
    }
    pthread_mutex_destroy(&s.lock);
    pthread_cond_destroy(&s.turn);
    return seat;
}

static atomic_int added, removed;

static void *churn(void *context) {
    uint64_t random = (uint64_t)(uintptr_t)context * 2654435761u + 1;
    struct error e;
    for (int i = 0; i < ROUNDS; i++) {
        char id[8];
        random = random * 6364136223846793005u + 1442695040888963407u;
        snprintf(id, sizeof id, "%u", (unsigned)(random >> 33) % IDS);
        struct seat *seat = take(id, i);
        error_clear(&e);
        if (!seat) {
            struct session *s = session_new(id, DTYPE_F32, 1 << 20);
            seat = registry_add(registry, s, i, &e);
            if (!seat) session_free(s);
            if (!seat) continue;
            atomic_fetch_add(&added, 1);
        }
        /* Unguarded: a race here is one of the registry. */
        seat_session(seat)->changes++;
        if (random >> 60 == 0) {
            registry_remove(registry, seat);
            atomic_fetch_add(&removed, 1);
        }
        registry_release(registry, seat, i);
        if (random >> 61 == 1) registry_sweep(registry, i, no_seat, NULL);
    }
    return NULL;
}

static void threads_never_hold_one_session_together(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    const struct registry_stats stats = registry_stats(registry);
    assert_int_equal(stats.sessions, atomic_load(&added) - atomic_load(&removed));
    assert_int_equal(stats.waiting, 0);
    assert_in_range(stats.bytes, 0, IDS * 4096);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_held_by_one_and_the_others_wait_in_order),
        TEST(who_may_not_wait_is_refused),
        TEST(those_that_wait_for_what_is_deleted_are_told),
        TEST(who_has_waited_too_long_or_has_left_leaves_the_queue),
        TEST(an_id_is_taken_once_and_the_number_is_bounded),
        TEST(random_ids_are_not_the_same),
        TEST(pages_go_on_whatever_is_deleted_between_them),
        TEST(labels_choose_and_are_as_they_were_at_the_last_release),
        TEST(an_idle_session_ends_to_the_nanosecond_and_is_swept),
        TEST(the_id_of_an_expired_session_can_be_taken_before_the_sweep),
        TEST(threads_never_hold_one_session_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
