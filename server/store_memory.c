/* The memory store. Sessions, functions and operations live in tables of their own, and nothing more is
 * done for them; answers that may be asked for again live here, oldest first, within a ceiling of bytes.
 * Saving is done as soon as it is asked for. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan.h"
#include "server/store.h"

enum { MOST_BYTES = 64 << 20, BUCKETS = 4096 };

/* An answer under the names of its tenant and its key. */
struct held_answer {
    struct held_answer *next_in_bucket;
    struct held_answer *older, *newer;
    size_t bucket;
    int64_t saved; /* clock_now */
    struct writer out;
    const char *id;
    char tenant[]; /* the id is behind its end */
};

struct memory {
    struct store base; /* first */
    pthread_mutex_t lock;
    size_t bytes;
    struct held_answer *oldest, *newest;
    struct held_answer *buckets[BUCKETS];
};

static struct store *memory_open(const char *where, char *problem, size_t size) {
    if (where && *where) {
        snprintf(problem, size, "the memory store takes no place, and this one is \"%.200s\"",
                 where);
        return NULL;
    }
    struct memory *m = calloc(1, sizeof *m);
    if (!m) {
        snprintf(problem, size, "no memory for the store");
        return NULL;
    }
    m->base.verbs = &store_memory;
    pthread_mutex_init(&m->lock, NULL);
    return &m->base;
}

static size_t bucket_of(const char *tenant, const char *id) {
    uint32_t h = UINT32_C(2166136261); /* FNV-1a */
    for (const char *at = tenant; *at; at++) h = (h ^ (unsigned char)*at) * UINT32_C(16777619);
    for (const char *at = id; *at; at++) h = (h ^ (unsigned char)*at) * UINT32_C(16777619);
    return h % BUCKETS;
}

static struct held_answer *find(struct memory *m, const char *tenant, const char *id) {
    struct held_answer *a = m->buckets[bucket_of(tenant, id)];
    while (a && (strcmp(a->tenant, tenant) != 0 || strcmp(a->id, id) != 0)) a = a->next_in_bucket;
    return a;
}

static void release(struct held_answer *a) {
    writer_free(&a->out);
    free(a);
}

static void drop(struct memory *m, struct held_answer *a) {
    struct held_answer **at = &m->buckets[a->bucket];
    while (*at != a) at = &(*at)->next_in_bucket;
    *at = a->next_in_bucket;
    *(a->older ? &a->older->newer : &m->oldest) = a->newer;
    *(a->newer ? &a->newer->older : &m->newest) = a->older;
    m->bytes -= a->out.capacity;
    release(a);
}

static void memory_close(struct store *store) {
    struct memory *m = (struct memory *)store;
    while (m->oldest) drop(m, m->oldest);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct held_answer *make(const struct store_change *change) {
    const size_t n = strlen(change->tenant) + 1;
    struct held_answer *a = calloc(1, sizeof *a + n + strlen(change->id) + 1);
    if (!a) return NULL;
    memcpy(a->tenant, change->tenant, n);
    a->id = strcpy(a->tenant + n, change->id);
    a->bucket = bucket_of(a->tenant, a->id);
    a->saved = clock_now();
    writer_init(&a->out, MOST_BYTES / 2);
    if (change->encode(change->object, &a->out)) return a;
    release(a);
    return NULL;
}

static void put(struct memory *m, struct held_answer *a) {
    while (m->oldest && m->bytes > MOST_BYTES - a->out.capacity) drop(m, m->oldest);
    a->next_in_bucket = m->buckets[a->bucket];
    m->buckets[a->bucket] = a;
    a->older = m->newest;
    a->newer = NULL;
    *(m->newest ? &m->newest->newer : &m->oldest) = a;
    m->newest = a;
    m->bytes += a->out.capacity;
}

/* All are made before any is put, in the order of their changes. */
static bool make_all(const struct store_change *changes, size_t n, struct held_answer **made) {
    *made = NULL;
    for (size_t i = 0; i < n; i++) {
        if (changes[i].kind != STORE_ANSWER || changes[i].deleted) continue;
        if (!(*made = make(&changes[i]))) return false;
        made = &(*made)->newer;
        *made = NULL;
    }
    return true;
}

static void memory_save(struct store *store, const struct store_change *changes, size_t n,
                        store_done done, void *context) {
    struct memory *m = (struct memory *)store;
    struct held_answer *made;
    struct error error;
    error_clear(&error);
    const bool ok = make_all(changes, n, &made);
    if (!ok) error_set(&error, ERROR_MEMORY_BUDGET, "no memory to keep an answer");
    for (size_t i = 0; ok && i < n; i++) {
        if (changes[i].kind != STORE_ANSWER) continue;
        struct held_answer *a = changes[i].deleted ? NULL : made;
        if (a) made = a->newer;
        pthread_mutex_lock(&m->lock);
        struct held_answer *old = find(m, changes[i].tenant, changes[i].id);
        if (old) drop(m, old);
        if (a) put(m, a);
        pthread_mutex_unlock(&m->lock);
    }
    for (struct held_answer *next; made; made = next) {
        next = made->newer;
        release(made);
    }
    done(context, ok ? NULL : &error);
}

static bool memory_load(struct store *store, enum store_kind kind, const char *tenant,
                        const char *id, struct writer *out, struct error *error) {
    struct memory *m = (struct memory *)store;
    pthread_mutex_lock(&m->lock);
    const struct held_answer *a = kind == STORE_ANSWER ? find(m, tenant, id) : NULL;
    if (a) write_bytes(out, a->out.data, a->out.length);
    pthread_mutex_unlock(&m->lock);
    if (!a)
        return error_set(error, ERROR_NOT_FOUND, "nothing is kept of the %s \"%.80s\"",
                         store_kind_names[kind], id);
    return !out->full || error_set(error, ERROR_MEMORY_BUDGET, "no memory to load the %s \"%.80s\"",
                                   store_kind_names[kind], id);
}

static bool memory_list(struct store *store, enum store_kind kind, store_each each, void *context,
                        struct error *error) {
    struct memory *m = (struct memory *)store;
    (void)error;
    pthread_mutex_lock(&m->lock);
    for (struct held_answer *a = kind == STORE_ANSWER ? m->oldest : NULL; a; a = a->newer) {
        const struct store_row row = {.tenant = a->tenant, .id = a->id};
        if (!each(context, &row)) break;
    }
    pthread_mutex_unlock(&m->lock);
    return true;
}

static void memory_forget(struct store *store, enum store_kind kind, int64_t seconds) {
    struct memory *m = (struct memory *)store;
    const int64_t now = clock_now();
    if (kind != STORE_ANSWER) return;
    pthread_mutex_lock(&m->lock);
    for (struct held_answer *a = m->oldest, *newer; a; a = newer) {
        newer = a->newer;
        if ((now - a->saved) / 1000000000 <= seconds) break;
        drop(m, a);
    }
    pthread_mutex_unlock(&m->lock);
}

static bool memory_is_well(struct store *store) {
    (void)store;
    return true;
}

const struct store_verbs store_memory = {
    .name = "memory",
    .keeps = 1u << STORE_ANSWER,
    .open = memory_open,
    .close = memory_close,
    .save = memory_save,
    .load = memory_load,
    .list = memory_list,
    .forget = memory_forget,
    .is_well = memory_is_well,
};
