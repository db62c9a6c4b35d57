/* The table of valid tokens. Owns how a token is found and how the table is replaced; what a line of the
 * file means is token_file's business, and what a tenant has is the tenant's. */
#include "server/access.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of the digests. */
struct table {
    size_t n;
    struct entry {
        struct secret_digest digest;
        struct grant grant;
    } entries[];
};

struct access {
    const char *path;
    access_tenant tenant;
    void *context;
    pthread_rwlock_t lock; /* of the pointer, and of what it points to */
    struct table *table;
    atomic_uint_fast64_t edition; /* how often the table was replaced */
};

static struct table *make_table(struct access *a, const struct token_file *f, char *problem,
                                size_t size) {
    struct table *t = calloc(1, sizeof *t + f->n_tokens * sizeof *t->entries);
    struct tenant **tenants = calloc(f->n_tenants + 1, sizeof(struct tenant *));
    bool ok = t && tenants;
    if (!ok) snprintf(problem, size, "%s: no memory for the tokens", a->path);
    for (size_t i = 0; ok && i < f->n_tenants; i++) {
        const struct tenant_row *row = &f->tenants[i];
        tenants[i] = a->tenant(a->context, row->name, &row->quotas, problem, size);
        ok = tenants[i];
    }
    for (size_t i = 0; ok && i < f->n_tokens; i++) {
        const struct token_row *row = &f->tokens[i];
        t->entries[t->n++] = (struct entry){row->digest, {tenants[row->tenant], row->scopes}};
    }
    free(tenants);
    if (ok) return t;
    free(t);
    return NULL;
}

bool access_reload(struct access *a, char *problem, size_t size) {
    struct token_file f;
    if (!token_file_read(&f, a->path, problem, size)) return false;
    struct table *fresh = make_table(a, &f, problem, size);
    token_file_free(&f);
    if (!fresh) return false;
    pthread_rwlock_wrlock(&a->lock);
    struct table *old = a->table;
    a->table = fresh;
    atomic_fetch_add(&a->edition, 1);
    pthread_rwlock_unlock(&a->lock);
    free(old);
    return true;
}

struct access *access_open(const char *path, access_tenant tenant, void *context, char *problem,
                           size_t size) {
    struct access *a = calloc(1, sizeof *a);
    if (!a) {
        snprintf(problem, size, "%s: no memory for the tokens", path);
        return NULL;
    }
    *a = (struct access){.path = path, .tenant = tenant, .context = context};
    /* However many look, whoever replaces comes to it. */
    pthread_rwlockattr_t kind;
    pthread_rwlockattr_init(&kind);
    pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&a->lock, &kind);
    pthread_rwlockattr_destroy(&kind);
    if (access_reload(a, problem, size)) return a;
    access_close(a);
    return NULL;
}

void access_close(struct access *a) {
    if (!a) return;
    pthread_rwlock_destroy(&a->lock);
    free(a->table);
    free(a);
}

size_t access_count(struct access *a) {
    pthread_rwlock_rdlock(&a->lock);
    const size_t n = a->table->n;
    pthread_rwlock_unlock(&a->lock);
    return n;
}

static uint64_t first_bytes(const struct secret_digest *d) {
    uint64_t x = 0;
    for (int i = 0; i < 8; i++) x = x << 8 | d->bytes[i];
    return x;
}

/* The first entry that does not stand before a digest. How long this takes tells at most how SHA-256 of
 * what was sent begins, and nothing leads from there to a token. */
static size_t place_of(const struct table *t, uint64_t first) {
    size_t low = 0, high = t->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (first_bytes(&t->entries[middle].digest) < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool access_find(struct access *a, const char *token, size_t n, struct grant *out) {
    struct secret_digest digest;
    bool found = false;
    secret_digest(token, n, &digest);
    const uint64_t first = first_bytes(&digest);
    pthread_rwlock_rdlock(&a->lock);
    const struct table *t = a->table;
    for (size_t i = place_of(t, first); i < t->n; i++) {
        if (first_bytes(&t->entries[i].digest) != first) break;
        if (!secret_same(&t->entries[i].digest, &digest)) continue;
        *out = t->entries[i].grant;
        found = true;
    }
    pthread_rwlock_unlock(&a->lock);
    return found;
}

bool access_find_again(struct access *a, struct access_memory *m, const char *token, size_t n,
                       struct grant *out) {
    /* Asked first: what is found may be of a newer edition than it says, and never of an older one. */
    const uint64_t edition = atomic_load(&a->edition);
    if (m->edition == edition && m->n == n && secret_equals(m->token, token, n)) {
        *out = m->grant;
        return true;
    }
    if (!access_find(a, token, n, out)) return false;
    if (n > ACCESS_MEMORY) return true;
    *m = (struct access_memory){.edition = edition, .n = n, .grant = *out};
    memcpy(m->token, token, n);
    return true;
}
