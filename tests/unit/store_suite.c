/* One suite for all stores. A store that keeps nothing is held to the rest of what it promises. */
#include "store_suite.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Waits for a completion, which may come on any thread. */
struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int calls;
    bool failed;
};

static void done(void *context, const struct error *error) {
    struct outcome *o = context;
    pthread_mutex_lock(&o->lock);
    o->calls++;
    o->failed = error != NULL;
    pthread_cond_signal(&o->came);
    pthread_mutex_unlock(&o->lock);
}

static void save(struct store *store, const struct store_change *changes, size_t n) {
    struct outcome o = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    store->verbs->save(store, changes, n, done, &o);
    pthread_mutex_lock(&o.lock);
    while (o.calls == 0) pthread_cond_wait(&o.came, &o.lock);
    pthread_mutex_unlock(&o.lock);
    assert_int_equal(o.calls, 1);
    assert_false(o.failed);
}

static bool encode(const void *object, struct writer *out) {
    write_text(out, object);
    return !out->full;
}

static struct store_change saved(enum store_kind kind, const char *id, const char *object) {
    return (struct store_change){.kind = kind, .id = id, .encode = encode, .object = object};
}

static struct store_change deleted(enum store_kind kind, const char *id) {
    return (struct store_change){.kind = kind, .id = id, .deleted = true};
}

/* What is kept of an object is `wanted`, or nothing where that is NULL. */
static void assert_kept(struct store *store, enum store_kind kind, const char *id,
                        const char *wanted) {
    struct writer out;
    struct error error;
    error_clear(&error);
    writer_init(&out, 1 << 20);
    const bool found = store->verbs->load(store, kind, id, &out, &error);
    if (wanted && store->verbs->keeps) {
        assert_true(found);
        assert_int_equal(out.length, strlen(wanted));
        assert_memory_equal(out.data, wanted, out.length);
    } else {
        assert_false(found);
        assert_int_equal(error.code, ERROR_NOT_FOUND);
    }
    writer_free(&out);
}

static bool append(void *context, const char *id) {
    strcat(strcat(context, id), " ");
    return true;
}

static void assert_listed(struct store *store, enum store_kind kind, const char *wanted) {
    char ids[256] = "";
    struct error error;
    error_clear(&error);
    assert_true(store->verbs->list(store, kind, append, ids, &error));
    assert_string_equal(ids, store->verbs->keeps ? wanted : "");
}

static struct store *open_store(const struct store_verbs *verbs, const char *where) {
    char problem[256] = "";
    struct store *store = verbs->open(where, problem, sizeof problem);
    if (!store) {
        fail_msg("%s", problem);
        abort(); /* which the analyzer does not know of fail_msg */
    }
    assert_ptr_equal(store->verbs, verbs);
    return store;
}

void store_suite(const struct store_verbs *verbs, const char *where) {
    struct store *store = open_store(verbs, where);
    assert_listed(store, STORE_SESSION, "");
    const struct store_change first[] = {saved(STORE_SESSION, "b", "one"),
                                         saved(STORE_SESSION, "a", "two"),
                                         saved(STORE_FUNCTION, "a", "three")};
    save(store, first, 3);
    assert_kept(store, STORE_SESSION, "b", "one");
    assert_kept(store, STORE_FUNCTION, "a", "three");
    assert_kept(store, STORE_FUNCTION, "b", NULL);
    assert_listed(store, STORE_SESSION, "b a ");

    /* Of one batch, the last about an object holds. */
    const struct store_change second[] = {
        saved(STORE_SESSION, "b", "other"), deleted(STORE_SESSION, "a"),
        saved(STORE_SESSION, "c", "gone"), deleted(STORE_SESSION, "c"),
        deleted(STORE_FUNCTION, "never there")};
    save(store, second, 5);
    assert_kept(store, STORE_SESSION, "a", NULL);
    assert_kept(store, STORE_SESSION, "c", NULL);
    verbs->close(store);

    store = open_store(verbs, where);
    assert_kept(store, STORE_SESSION, "b", "other");
    assert_listed(store, STORE_SESSION, "b ");
    assert_listed(store, STORE_FUNCTION, "a ");
    const struct store_change last[] = {deleted(STORE_SESSION, "b"), deleted(STORE_FUNCTION, "a")};
    save(store, last, 2);
    assert_listed(store, STORE_SESSION, "");
    verbs->close(store);
}
