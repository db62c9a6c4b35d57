/* Each kind of store, held to what all of them promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_does_what_stores_do),
        cmocka_unit_test(sqlite_does_what_stores_do),
        cmocka_unit_test(one_directory_has_one_store),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
