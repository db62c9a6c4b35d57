/* Each kind of store, held to what all of them promise. */
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_suite.h"

static char directory[] = "/tmp/gradd-store-XXXXXX";

static int make_directory(void **state) {
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state) {
    static const char *const files[] = {"gradd.db", "gradd.db-wal", "gradd.db-shm", "lock"};
    char path[80];
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
    return rmdir(directory);
}

static void memory_does_what_stores_do(void **state) {
    char problem[256];
    (void)state;
    store_suite(&store_memory, "");
    assert_null(store_memory.open("/somewhere", problem, sizeof problem));
    assert_non_null(strstr(problem, "/somewhere"));
}

static void sqlite_does_what_stores_do(void **state) {
    (void)state;
    store_suite(&store_sqlite, directory);
}

static void one_directory_has_one_store(void **state) {
    char problem[512];
    (void)state;
    struct store *store = store_sqlite.open(directory, problem, sizeof problem);
    assert_non_null(store);
    assert_null(store_sqlite.open(directory, problem, sizeof problem));
    assert_non_null(strstr(problem, "is in use by another gradd"));
    store_sqlite.close(store);
    store = store_sqlite.open(directory, problem, sizeof problem);
    assert_non_null(store);
    store_sqlite.close(store);
}

/* ---- another who holds the lock of the one writer ---- */

static atomic_bool is_free, was_saved;

static void *free_later(void *context) {
    const struct timespec pause = {.tv_nsec = 50 * 1000000};
    nanosleep(&pause, NULL);
    atomic_store(&is_free, true);
    sqlite3_exec(context, "COMMIT", NULL, NULL, NULL);
    return NULL;
}

static bool encode(const void *object, struct writer *out) {
    write_text(out, object);
    return !out->full;
}

static void on_saved(void *context, const struct error *error) {
    (void)context;
    atomic_store(&was_saved, !error && atomic_load(&is_free));
}

static void who_holds_the_lock_is_waited_for(void **state) {
    char problem[512], path[80];
    pthread_t thread;
    sqlite3 *other;
    (void)state;
    struct store *store = store_sqlite.open(directory, problem, sizeof problem);
    assert_non_null(store);
    snprintf(path, sizeof path, "%s/gradd.db", directory);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pthread_create(&thread, NULL, free_later, other), 0);
    const struct store_change change = {
        .kind = STORE_SESSION, .tenant = "t", .id = "s", .encode = encode, .object = "x"};
    store_sqlite.save(store, &change, 1, on_saved, NULL);
    pthread_join(thread, NULL);
    sqlite3_close(other);
    store_sqlite.close(store);
    assert_true(atomic_load(&was_saved));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_does_what_stores_do),
        cmocka_unit_test(sqlite_does_what_stores_do),
        cmocka_unit_test(one_directory_has_one_store),
        cmocka_unit_test(who_holds_the_lock_is_waited_for),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
