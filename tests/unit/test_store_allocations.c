/* Every allocation of SQLite's is denied in turn, whatever the store is about: opening, migrating, saving,
 * reading, forgetting. What is asked then is done or refused with a sentence; nothing is half there, and
 * the next time all goes well. */
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
#include <unistd.h>

#include <cmocka.h>

#include "server/store.h"

/* ---- an allocator that denies one ---- */

static sqlite3_mem_methods usual;
static atomic_long deny_at = -1, seen;

static void deny(long at) {
    atomic_store(&seen, 0);
    atomic_store(&deny_at, at);
}

/* Whether the allocation was there to be denied; from now on none is. */
static bool was_denied(void) {
    const bool was = atomic_load(&seen) > atomic_load(&deny_at);
    atomic_store(&deny_at, -1);
    return was;
}

static bool fails(void) { return atomic_fetch_add(&seen, 1) == atomic_load(&deny_at); }
static void *allocate(int n) { return fails() ? NULL : usual.xMalloc(n); }
static void *reallocate(void *memory, int n) { return fails() ? NULL : usual.xRealloc(memory, n); }

/* ---- a store ---- */

/* In memory where the system has such a place: no disk is tried here, and thousands of syncs take long. */
static char in_memory[] = "/dev/shm/gradd-store-XXXXXX", on_disk[] = "/tmp/gradd-store-XXXXXX";
static char *directory, file[64];
static char text_old[3000], text_new[6000]; /* of more than a page */

static int set_up(void **state) {
    (void)state;
    memset(text_old, 'o', sizeof text_old - 1);
    memset(text_new, 'n', sizeof text_new - 1);
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual) != SQLITE_OK) return -1;
    sqlite3_mem_methods methods = usual;
    methods.xMalloc = allocate;
    methods.xRealloc = reallocate;
    /* Without the reserve of small pieces each is asked for. */
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        return -1;
    directory = mkdtemp(in_memory);
    if (!directory) directory = mkdtemp(on_disk);
    if (!directory) return -1;
    snprintf(file, sizeof file, "%s/gradd.db", directory);
    return 0;
}

static void remove_files(void) {
    static const char *const files[] = {"gradd.db", "gradd.db-wal", "gradd.db-shm", "lock"};
    char path[80];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
}

static int tear_down(void **state) {
    (void)state;
    remove_files();
    return rmdir(directory);
}

static struct store *open_store(void) {
    char problem[512] = "";
    struct store *store = store_sqlite.open(directory, problem, sizeof problem);
    assert_true(store || problem[0]);
    return store;
}

static bool encode(const void *object, struct writer *out) {
    write_text(out, object);
    return !out->full;
}

static bool encode_parts(const void *object, struct parts *out) {
    write_text(parts_add(out, 0), object);
    write_text(parts_add(out, 1), "tail");
    parts_drop(out, 2, 9);
    return !out->bytes.full;
}

struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int calls;
    enum error_code code;
};

static void on_done(void *context, const struct error *error) {
    struct outcome *o = context;
    pthread_mutex_lock(&o->lock);
    o->calls++;
    o->code = error ? error->code : 0;
    assert_true(!error || error->detail[0]);
    pthread_cond_signal(&o->came);
    pthread_mutex_unlock(&o->lock);
}

/* Two objects in a batch, one of them in parts. True: all is kept. */
static bool save(struct store *store, const char *text) {
    struct outcome o = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    const struct store_change changes[] = {
        {.kind = STORE_SESSION,
         .tenant = "t",
         .id = "s",
         .encode_parts = encode_parts,
         .summarize = encode,
         .object = text},
        {.kind = STORE_FUNCTION, .tenant = "t", .id = "f", .encode = encode, .object = text},
        {.kind = STORE_OPERATION, .tenant = "t", .id = "never there", .deleted = true}};
    store->verbs->save(store, changes, sizeof changes / sizeof *changes, on_done, &o);
    pthread_mutex_lock(&o.lock);
    while (o.calls == 0) pthread_cond_wait(&o.came, &o.lock);
    pthread_mutex_unlock(&o.lock);
    assert_int_equal(o.calls, 1);
    assert_true(o.code == 0 || o.code == ERROR_MEMORY_BUDGET);
    return o.code == 0;
}

/* What a session or function is; `out` is empty where it cannot be said. */
static bool load(struct store *store, enum store_kind kind, const char *id, struct writer *out) {
    struct error error;
    error_clear(&error);
    writer_init(out, 1 << 20);
    const bool ok = store->verbs->load(store, kind, "t", id, out, &error);
    assert_true(ok || error.code == ERROR_MEMORY_BUDGET || error.code == ERROR_NOT_FOUND);
    return ok;
}

static void assert_kept(struct store *store, const char *text) {
    struct writer out;
    const size_t n = strlen(text);
    assert_true(load(store, STORE_FUNCTION, "f", &out));
    assert_int_equal(out.length, n);
    assert_memory_equal(out.data, text, n);
    writer_free(&out);
    assert_true(load(store, STORE_SESSION, "s", &out));
    assert_int_equal(out.length, n + 4);
    assert_memory_equal(out.data, text, n);
    assert_memory_equal(out.data + n, "tail", 4);
    writer_free(&out);
}

/* ---- tests ---- */

static void opening_may_be_denied(void **state) {
    (void)state;
    int refused = 0;
    for (int empty = 1; empty >= 0; empty--) {
        bool denied = true;
        for (long at = 0; denied; at++) {
            if (empty) remove_files();
            deny(at);
            struct store *store = open_store();
            denied = was_denied();
            if (store) store_sqlite.close(store);
            assert_true(store || denied);
            refused += !store;
            store = open_store();
            assert_non_null(store);
            if (empty)
                assert_true(save(store, text_old));
            else
                assert_kept(store, text_old);
            store_sqlite.close(store);
        }
    }
    assert_true(refused > 100);
}

static void copy_file(const char *from) {
    static char bytes[1 << 16];
    remove_files();
    FILE *in = fopen(from, "rb"), *out = fopen(file, "wb");
    assert_true(in && out);
    const size_t n = fread(bytes, 1, sizeof bytes, in);
    assert_true(n > 0 && n < sizeof bytes && fwrite(bytes, 1, n, out) == n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void migrating_may_be_denied(void **state) {
    (void)state;
    bool denied = true;
    for (long at = 0; denied; at++) {
        struct writer out;
        struct error error;
        error_clear(&error);
        copy_file(TEST_DATA "store_1.db");
        deny(at);
        struct store *store = open_store();
        denied = was_denied();
        if (!store) store = open_store();
        assert_non_null(store);
        writer_init(&out, 1 << 20);
        assert_true(store_sqlite.load(store, STORE_SESSION, "default", "old", &out, &error));
        assert_true(out.length > 100);
        writer_free(&out);
        store_sqlite.close(store);
    }
    remove_files();
}

static void saving_may_be_denied(void **state) {
    (void)state;
    int refused = 0;
    bool denied = true;
    for (long at = 0; denied; at++) {
        const char *next = at % 2 ? text_old : text_new, *before = at % 2 ? text_new : text_old;
        struct store *store = open_store();
        assert_non_null(store);
        assert_true(save(store, before));
        deny(at);
        const bool ok = save(store, next);
        denied = was_denied();
        assert_true(ok || denied);
        refused += !ok;
        assert_kept(store, ok ? next : before);
        store_sqlite.close(store);
        store = open_store();
        assert_kept(store, ok ? next : before);
        store_sqlite.close(store);
    }
    assert_true(refused > 10);
}

static bool count(void *context, const struct store_row *row) {
    ++*(int *)context;
    return row->n_summary > 0;
}

static void reading_may_be_denied(void **state) {
    (void)state;
    int refused = 0;
    bool denied = true;
    for (long at = 0; denied; at++) {
        struct store *store = open_store();
        struct error error;
        struct writer out;
        int rows = 0;
        error_clear(&error);
        assert_non_null(store);
        assert_true(save(store, text_new));
        deny(at);
        const bool loaded = load(store, STORE_SESSION, "s", &out);
        const bool listed = store_sqlite.list(store, STORE_SESSION, count, &rows, &error);
        denied = was_denied();
        writer_free(&out);
        assert_true((loaded && listed) || denied);
        assert_true(!listed || rows == 1);
        refused += !loaded || !listed;
        assert_kept(store, text_new);
        store_sqlite.close(store);
    }
    assert_true(refused > 0);
}

/* What could not be forgotten is forgotten when it is asked for again. */
static void forgetting_may_be_denied(void **state) {
    (void)state;
    bool denied = true;
    for (long at = 0; denied; at++) {
        struct store *store = open_store();
        struct writer out;
        assert_non_null(store);
        assert_true(save(store, text_new));
        deny(at);
        store_sqlite.forget(store, STORE_FUNCTION, -1); /* older than what will be in a second */
        store_sqlite.close(store);                      /* when that is over */
        denied = was_denied();
        store = open_store();
        store_sqlite.forget(store, STORE_FUNCTION, -1);
        store_sqlite.close(store);
        store = open_store();
        assert_false(load(store, STORE_FUNCTION, "f", &out));
        writer_free(&out);
        assert_true(load(store, STORE_SESSION, "s", &out));
        writer_free(&out);
        store_sqlite.close(store);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_may_be_denied),   cmocka_unit_test(saving_may_be_denied),
        cmocka_unit_test(reading_may_be_denied),   cmocka_unit_test(forgetting_may_be_denied),
        cmocka_unit_test(migrating_may_be_denied),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
