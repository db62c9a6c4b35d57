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

/* Whether the batch is kept. */
static bool is_saved(struct store *store, const struct store_change *changes, size_t n) {
    struct outcome o = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    store->verbs->save(store, changes, n, done, &o);
    pthread_mutex_lock(&o.lock);
    while (o.calls == 0) pthread_cond_wait(&o.came, &o.lock);
    pthread_mutex_unlock(&o.lock);
    assert_int_equal(o.calls, 1);
    return !o.failed;
}

static void save(struct store *store, const struct store_change *changes, size_t n) {
    assert_true(is_saved(store, changes, n));
}

static bool encode(const void *object, struct writer *out) {
    write_text(out, object);
    return !out->full;
}

static struct store_change saved(enum store_kind kind, const char *id, const char *object) {
    return (struct store_change){
        .kind = kind, .tenant = "t", .id = id, .encode = encode, .object = object};
}

static struct store_change deleted(enum store_kind kind, const char *id) {
    return (struct store_change){.kind = kind, .tenant = "t", .id = id, .deleted = true};
}

static bool keeps(const struct store *store, enum store_kind kind) {
    return store->verbs->keeps >> kind & 1;
}

/* What is kept of an object is `wanted`, or nothing where that is NULL. */
static void assert_kept(struct store *store, enum store_kind kind, const char *id,
                        const char *wanted) {
    struct writer out;
    struct error error;
    error_clear(&error);
    writer_init(&out, 1 << 20);
    const bool found = store->verbs->load(store, kind, "t", id, &out, &error);
    if (wanted && keeps(store, kind)) {
        assert_true(found);
        assert_int_equal(out.length, strlen(wanted));
        assert_memory_equal(out.data, wanted, out.length);
    } else {
        assert_false(found);
        assert_int_equal(error.code, ERROR_NOT_FOUND);
    }
    writer_free(&out);
}

static bool append(void *context, const struct store_row *row) {
    assert_string_equal(row->tenant, "t");
    strcat(strcat(context, row->id), " ");
    return true;
}

static void assert_listed(struct store *store, enum store_kind kind, const char *wanted) {
    char ids[256] = "";
    struct error error;
    error_clear(&error);
    assert_true(store->verbs->list(store, kind, append, ids, &error));
    assert_string_equal(ids, keeps(store, kind) ? wanted : "");
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

/* ---- what is promised ---- */

static void keeps_batches(const struct store_verbs *verbs, const char *where) {
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

/* Objects stand where they were first saved; what was deleted is new when it comes again. */
static void lists_in_order(const struct store_verbs *verbs, const char *where) {
    struct store *store = open_store(verbs, where);
    for (const char *id = "edcba"; *id; id++) {
        const char name[] = {*id, '\0'};
        const struct store_change change = saved(STORE_SESSION, name, "x");
        save(store, &change, 1);
    }
    const struct store_change changes[] = {saved(STORE_SESSION, "c", "again"),
                                           deleted(STORE_SESSION, "d")};
    save(store, changes, 2);
    const struct store_change back = saved(STORE_SESSION, "d", "back");
    save(store, &back, 1);
    assert_listed(store, STORE_SESSION, "e c b a d ");
    verbs->close(store);
    store = open_store(verbs, where);
    assert_listed(store, STORE_SESSION, "e c b a d ");
    const struct store_change all[] = {deleted(STORE_SESSION, "a"), deleted(STORE_SESSION, "b"),
                                       deleted(STORE_SESSION, "c"), deleted(STORE_SESSION, "d"),
                                       deleted(STORE_SESSION, "e")};
    save(store, all, 5);
    verbs->close(store);
}

struct bytes {
    const char *data;
    size_t n;
};

static bool encode_bytes(const void *object, struct writer *out) {
    const struct bytes *b = object;
    write_bytes(out, b->data, b->n);
    return !out->full;
}

static void assert_bytes(struct store *store, const char *id, const struct bytes *wanted) {
    struct writer out;
    struct error error;
    error_clear(&error);
    writer_init(&out, 64 << 20);
    const bool found = store->verbs->load(store, STORE_SESSION, "t", id, &out, &error);
    assert_int_equal(found, keeps(store, STORE_SESSION));
    if (found) assert_int_equal(out.length, wanted->n);
    if (found && wanted->n) assert_memory_equal(out.data, wanted->data, wanted->n);
    writer_free(&out);
}

/* Zeros, nothing at all, and more than a page holds; under every id that there may be. */
static void keeps_any_bytes(const struct store_verbs *verbs, const char *where) {
    enum { LARGE = 5 << 20 };
    static const char *const ids[] = {
        "0", "A.b_c-D", "0123456789012345678901234567890123456789012345678901234567890123"};
    char *large = malloc(LARGE);
    assert_non_null(large);
    for (size_t i = 0; i < LARGE; i++) large[i] = (char)(i * 2654435761u >> 13);
    const struct bytes contents[] = {{"a\0b\0", 4}, {"", 0}, {large, LARGE}};
    struct store *store = open_store(verbs, where);
    for (int i = 0; i < 3; i++) {
        const struct store_change change = {.kind = STORE_SESSION,
                                            .tenant = "t",
                                            .id = ids[i],
                                            .encode = encode_bytes,
                                            .object = &contents[i]};
        save(store, &change, 1);
        assert_bytes(store, ids[i], &contents[i]);
    }
    verbs->close(store);
    store = open_store(verbs, where);
    for (int i = 0; i < 3; i++) {
        const struct store_change change = deleted(STORE_SESSION, ids[i]);
        assert_bytes(store, ids[i], &contents[i]);
        save(store, &change, 1);
    }
    verbs->close(store);
    free(large);
}

/* ---- many at once ---- */

enum { THREADS = 8, EACH = 50 };

struct crowd {
    struct store *store;
    int number;
};

/* Each saves an object of its own over and over, waiting for every second one only. */
static void *crowd_on(void *context) {
    const struct crowd *c = context;
    char id[16], object[16];
    struct outcome o = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    snprintf(id, sizeof id, "of-%d", c->number);
    for (int i = 0; i < EACH; i++) {
        snprintf(object, sizeof object, "%d", i);
        const struct store_change change = saved(STORE_SESSION, id, object);
        c->store->verbs->save(c->store, &change, 1, done, &o);
        pthread_mutex_lock(&o.lock);
        while (i % 2 && o.calls <= i) pthread_cond_wait(&o.came, &o.lock);
        pthread_mutex_unlock(&o.lock);
        if (i % 2) assert_kept(c->store, STORE_SESSION, id, object);
    }
    assert_int_equal(o.calls, EACH);
    assert_false(o.failed);
    return NULL;
}

static void serves_many_threads(const struct store_verbs *verbs, const char *where) {
    pthread_t threads[THREADS];
    struct crowd crowd[THREADS];
    struct store_change all[THREADS];
    char ids[THREADS][16];
    struct store *store = open_store(verbs, where);
    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){store, i};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_on, &crowd[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        snprintf(ids[i], sizeof ids[i], "of-%d", i);
        all[i] = deleted(STORE_SESSION, ids[i]);
    }
    save(store, all, THREADS);
    assert_listed(store, STORE_SESSION, "");
    verbs->close(store);
}

/* What was saved is done before close returns, whether somebody waits or not. */
static void does_all_before_it_closes(const struct store_verbs *verbs, const char *where) {
    enum { MANY = 100 };
    struct outcome o = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    struct store *store = open_store(verbs, where);
    for (int i = 0; i < MANY; i++) {
        char object[16];
        snprintf(object, sizeof object, "%d", i);
        const struct store_change change = saved(STORE_FUNCTION, "f", object);
        verbs->save(store, &change, 1, done, &o);
    }
    verbs->close(store);
    assert_int_equal(o.calls, MANY);
    assert_false(o.failed);
    store = open_store(verbs, where);
    assert_kept(store, STORE_FUNCTION, "f", "99");
    const struct store_change last = deleted(STORE_FUNCTION, "f");
    save(store, &last, 1);
    verbs->close(store);
}

/* ---- lists ---- */

static bool count_to_two(void *context, const struct store_row *row) {
    (void)row;
    return ++*(int *)context < 2;
}

static void ends_a_list_when_told_to(const struct store_verbs *verbs, const char *where) {
    struct store *store = open_store(verbs, where);
    const struct store_change three[] = {saved(STORE_SESSION, "a", "1"),
                                         saved(STORE_SESSION, "b", "2"),
                                         saved(STORE_SESSION, "c", "3")},
                              none[] = {deleted(STORE_SESSION, "a"), deleted(STORE_SESSION, "b"),
                                        deleted(STORE_SESSION, "c")};
    struct error error;
    int n = 0;
    error_clear(&error);
    save(store, three, 3);
    assert_true(verbs->list(store, STORE_SESSION, count_to_two, &n, &error));
    assert_int_equal(n, keeps(store, STORE_SESSION) ? 2 : 0);
    save(store, none, 3);
    verbs->close(store);
}

/* ---- parts ---- */

static bool first_parts(const void *object, struct parts *out) {
    (void)object;
    out->whole = true;
    write_text(parts_add(out, 7), "seven ");
    write_text(parts_add(out, INT64_MAX), "last");
    write_text(parts_add(out, 0), "zero ");
    write_text(parts_add(out, 8), "eight ");
    return !out->bytes.full;
}

static bool next_parts(const void *object, struct parts *out) {
    (void)object;
    parts_drop(out, 1, 7);
    write_text(parts_add(out, 8), "EIGHT ");
    write_text(parts_add(out, 9), "nine ");
    return !out->bytes.full;
}

/* What has not changed stays; an object is its parts in the order of their numbers. */
static void keeps_parts(const struct store_verbs *verbs, const char *where) {
    struct store *store = open_store(verbs, where);
    struct store_change change = {
        .kind = STORE_SESSION, .tenant = "t", .id = "p", .encode_parts = first_parts};
    save(store, &change, 1);
    assert_kept(store, STORE_SESSION, "p", "zero seven eight last");
    change.encode_parts = next_parts;
    save(store, &change, 1);
    verbs->close(store);
    store = open_store(verbs, where);
    assert_kept(store, STORE_SESSION, "p", "zero EIGHT nine last");
    change.encode_parts = first_parts;
    save(store, &change, 1);
    assert_kept(store, STORE_SESSION, "p", "zero seven eight last");
    const struct store_change gone = deleted(STORE_SESSION, "p"),
                              again = saved(STORE_SESSION, "p", "one part");
    save(store, &gone, 1);
    assert_kept(store, STORE_SESSION, "p", NULL);
    save(store, &again, 1);
    assert_kept(store, STORE_SESSION, "p", "one part");
    save(store, &gone, 1);
    verbs->close(store);
}

/* ---- tenants, summaries and age ---- */

static bool summarize(const void *object, struct writer *out) {
    write_text(out, "of ");
    write_text(out, object);
    return !out->full;
}

static bool show_row(void *context, const struct store_row *row) {
    char *at = (char *)context + strlen(context);
    sprintf(at, "%s/%s:%.*s ", row->tenant, row->id, (int)row->n_summary, row->summary);
    return true;
}

/* One name in two tenants is two things; what a list says is what the last save said. */
static void keeps_tenants_apart(const struct store_verbs *verbs, const char *where) {
    struct store *store = open_store(verbs, where);
    struct store_change changes[] = {saved(STORE_SESSION, "s", "x"), saved(STORE_SESSION, "s", "y"),
                                     saved(STORE_SESSION, "s", "z")};
    char rows[256] = "";
    struct error error;
    struct writer out;
    error_clear(&error);
    changes[1].tenant = "u";
    changes[1].summarize = changes[2].summarize = summarize;
    save(store, changes, 3);
    assert_kept(store, STORE_SESSION, "s", "z");
    assert_true(verbs->list(store, STORE_SESSION, show_row, rows, &error));
    assert_string_equal(rows, keeps(store, STORE_SESSION) ? "t/s:of z u/s:of y " : "");
    changes[0] = deleted(STORE_SESSION, "s");
    save(store, changes, 1);
    writer_init(&out, 1 << 20);
    assert_int_equal(verbs->load(store, STORE_SESSION, "u", "s", &out, &error),
                     keeps(store, STORE_SESSION));
    writer_free(&out);
    changes[0].tenant = "u";
    save(store, changes, 1);
    assert_listed(store, STORE_SESSION, "");
    assert_true(verbs->is_well(store));
    verbs->close(store);
}

/* Answers are kept by every store, and for as long as they are wanted. */
static void keeps_answers_for_a_while(const struct store_verbs *verbs, const char *where) {
    struct store *store = open_store(verbs, where);
    const struct store_change changes[] = {saved(STORE_ANSWER, "a", "1"),
                                           saved(STORE_ANSWER, "b", "2"),
                                           saved(STORE_ANSWER, "a", "3")},
                              last = saved(STORE_ANSWER, "c", "4");
    save(store, changes, 3);
    verbs->forget(store, STORE_ANSWER, 3600);
    save(store, &last, 1);
    assert_kept(store, STORE_ANSWER, "a", "3");
    assert_kept(store, STORE_ANSWER, "b", "2");
    verbs->close(store);
    store = open_store(verbs, where);
    verbs->forget(store, STORE_ANSWER, -10);
    verbs->close(store);
    store = open_store(verbs, where);
    assert_listed(store, STORE_ANSWER, "");
    verbs->close(store);
}

static bool encode_nothing(const void *object, struct writer *out) {
    (void)object, (void)out;
    return false;
}

/* Of a batch of which one thing cannot be written nothing is kept, and what was stays. */
static void keeps_all_or_nothing(const struct store_verbs *verbs, const char *where) {
    struct store *store = open_store(verbs, where);
    const struct store_change first[] = {saved(STORE_ANSWER, "kept", "1"),
                                         saved(STORE_SESSION, "kept", "1")};
    struct store_change second[] = {saved(STORE_SESSION, "kept", "2"),
                                    deleted(STORE_ANSWER, "kept"), saved(STORE_ANSWER, "new", "2"),
                                    saved(STORE_ANSWER, "no", "")};
    save(store, first, 2);
    second[3].encode = encode_nothing;
    assert_false(is_saved(store, second, 4));
    assert_kept(store, STORE_SESSION, "kept", "1");
    assert_kept(store, STORE_ANSWER, "kept", "1");
    assert_kept(store, STORE_ANSWER, "new", NULL);
    assert_kept(store, STORE_ANSWER, "no", NULL);
    verbs->close(store);
}

void store_suite(const struct store_verbs *verbs, const char *where) {
    keeps_batches(verbs, where);
    lists_in_order(verbs, where);
    keeps_any_bytes(verbs, where);
    serves_many_threads(verbs, where);
    does_all_before_it_closes(verbs, where);
    ends_a_list_when_told_to(verbs, where);
    keeps_parts(verbs, where);
    keeps_tenants_apart(verbs, where);
    keeps_all_or_nothing(verbs, where);
    keeps_answers_for_a_while(verbs, where);
}
