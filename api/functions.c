/* The table of functions. One lock guards it, held for a look-up or a change and never during a call;
 * what a function does is not looked at. */
#include "api/functions.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/op.h"

enum { BUCKETS = 4096 };

struct functions {
    pthread_mutex_t lock;
    struct function *buckets[BUCKETS];
    struct function **ordered; /* as they were first put */
    size_t n, capacity;
    uint64_t orders, seed;
    int64_t most, quota; /* INT64_MAX: none */
};

void function_release(struct function *f) {
    if (!f || atomic_fetch_sub(&f->references, 1) > 1) return;
    arena_free(&f->arena);
    free(f);
}

struct functions *functions_new(int64_t most, uint64_t seed) {
    struct functions *all = calloc(1, sizeof *all);
    if (!all) return NULL;
    pthread_mutex_init(&all->lock, NULL);
    all->most = most;
    all->quota = INT64_MAX;
    all->seed = seed;
    return all;
}

void functions_set_quota(struct functions *all, int64_t functions) {
    pthread_mutex_lock(&all->lock);
    all->quota = functions < 0 ? INT64_MAX : functions;
    pthread_mutex_unlock(&all->lock);
}

void functions_free(struct functions *all) {
    if (!all) return;
    for (size_t i = 0; i < all->n; i++) function_release(all->ordered[i]);
    free(all->ordered);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

/* Where the function of that name is linked from, or would be. */
static struct function **find(struct functions *all, uint32_t hash, const char *name) {
    struct function **at = &all->buckets[hash % BUCKETS];
    while (*at && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    return at;
}

static uint32_t hash_of(const struct functions *all, const char *name) {
    return name_hash(all->seed, name, strlen(name));
}

static bool fail_not_found(struct functions *all, const char *name, struct error *error) {
    char near[SERVICE_ID + 1] = "";
    pthread_mutex_lock(&all->lock);
    const char **names = malloc((all->n + 1) * sizeof *names);
    for (size_t i = 0; names && i < all->n; i++) names[i] = all->ordered[i]->name;
    const char *found = names ? name_nearest(name, names, all->n) : NULL;
    if (found) strcpy(near, found);
    free(names);
    pthread_mutex_unlock(&all->lock);
    return error_set(error, ERROR_NOT_FOUND, "there is no function \"%.80s\"%s%s%s", name,
                     near[0] ? "; did you mean \"" : "", near, near[0] ? "\"?" : "");
}

struct function *functions_find(struct functions *all, const char *name, struct error *error) {
    const uint32_t hash = hash_of(all, name);
    pthread_mutex_lock(&all->lock);
    struct function *f = *find(all, hash, name);
    if (f) atomic_fetch_add(&f->references, 1);
    pthread_mutex_unlock(&all->lock);
    if (!f) fail_not_found(all, name, error);
    return f;
}

/* Where a function stands in the order, which is that of their numbers. */
static size_t place_of(const struct functions *all, uint64_t order) {
    size_t low = 0, high = all->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (all->ordered[middle]->order < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool make_room(struct functions *all, struct error *error) {
    if ((int64_t)all->n >= all->quota)
        return error_set(error, ERROR_QUOTA_EXCEEDED,
                         "the tenant has %zu functions; its quota is %" PRId64, all->n, all->quota);
    if ((int64_t)all->n >= all->most)
        return error_set(error, ERROR_TOO_MANY_FUNCTIONS,
                         "there are %zu functions; the limit is %" PRId64 " (max_functions)",
                         all->n, all->most);
    if (all->n < all->capacity) return true;
    const size_t capacity = all->capacity ? 2 * all->capacity : 16;
    struct function **ordered = realloc(all->ordered, capacity * sizeof *ordered);
    if (!ordered) return error_set(error, ERROR_MEMORY_BUDGET, "no memory for one more function");
    all->ordered = ordered;
    all->capacity = capacity;
    return true;
}

static bool put(struct functions *all, struct function *f, functions_allows allows, void *context,
                struct function **old, struct error *error) {
    struct function **at = find(all, f->hash, f->name);
    *old = *at;
    if (!allows(context, *old, error)) return false;
    if (*old) {
        f->order = (*old)->order;
        f->next = (*old)->next;
        all->ordered[place_of(all, f->order)] = f;
    } else {
        if (!make_room(all, error)) return false;
        f->order = ++all->orders;
        f->next = NULL;
        all->ordered[all->n++] = f;
    }
    *at = f;
    return true;
}

bool functions_put(struct functions *all, struct function *f, functions_allows allows,
                   void *context, bool *replaced, struct error *error) {
    struct function *old = NULL;
    f->hash = hash_of(all, f->name);
    pthread_mutex_lock(&all->lock);
    const bool ok = put(all, f, allows, context, &old, error);
    pthread_mutex_unlock(&all->lock);
    if (!ok) return false;
    *replaced = old != NULL;
    function_release(old);
    return true;
}

bool functions_remove(struct functions *all, const char *name, functions_allows allows,
                      void *context, struct error *error) {
    pthread_mutex_lock(&all->lock);
    struct function **at = find(all, hash_of(all, name), name), *f = *at;
    const bool allowed = f && allows(context, f, error);
    if (allowed) {
        const size_t place = place_of(all, f->order);
        *at = f->next;
        all->n--;
        memmove(&all->ordered[place], &all->ordered[place + 1],
                (all->n - place) * sizeof *all->ordered);
    }
    pthread_mutex_unlock(&all->lock);
    if (allowed) function_release(f);
    return allowed || (f ? false : fail_not_found(all, name, error));
}

size_t functions_list(struct functions *all, uint64_t after, struct function **out, size_t most,
                      bool *more) {
    size_t n = 0;
    pthread_mutex_lock(&all->lock);
    size_t at = after < UINT64_MAX ? place_of(all, after + 1) : all->n;
    for (; at < all->n && n < most; at++) {
        atomic_fetch_add(&all->ordered[at]->references, 1);
        out[n++] = all->ordered[at];
    }
    *more = at < all->n;
    pthread_mutex_unlock(&all->lock);
    return n;
}

int64_t functions_count(struct functions *all) {
    pthread_mutex_lock(&all->lock);
    const int64_t n = (int64_t)all->n;
    pthread_mutex_unlock(&all->lock);
    return n;
}
