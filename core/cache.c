/* The bounded cache: buckets by hash, a list by use, the least recently used dropped first. The bytes of
 * a key decide and the hash only finds. It does not know what it keeps. */
#include "core/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096 };

struct cache {
    pthread_mutex_t lock; /* held for look-ups and links only */
    size_t most, max_bytes;
    uint64_t seed;
    void (*release)(struct cached *);
    struct cached *bucket[BUCKETS];
    struct cached *newest, *oldest;
    struct cache_stats stats;
};

struct cache *cache_new(size_t most, size_t max_bytes, uint64_t seed,
                        void (*release)(struct cached *)) {
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache) return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->most = most;
    cache->max_bytes = max_bytes;
    cache->seed = seed;
    cache->release = release;
    return cache;
}

void cache_free(struct cache *cache) {
    if (!cache) return;
    for (struct cached *c = cache->newest, *older; c; c = older) {
        older = c->older;
        cache->release(c);
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

struct cache_stats cache_stats(struct cache *cache) {
    pthread_mutex_lock(&cache->lock);
    const struct cache_stats stats = cache->stats;
    pthread_mutex_unlock(&cache->lock);
    return stats;
}

static uint64_t mix(uint64_t h, const char *word) {
    uint64_t x;
    memcpy(&x, word, sizeof x);
    h = (h ^ x) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 32;
}

/* Multiply and fold, in two lanes that the processor runs side by side, from a seed that no client
 * knows. */
static uint64_t hash_key(uint64_t seed, const char *key, size_t size) {
    uint64_t even = seed ^ size, odd = ~seed;
    for (size_t i = 0; i < size; i += CACHE_KEY_UNIT) {
        even = mix(even, key + i);
        odd = mix(odd, key + i + 8);
    }
    return mix(even, (const char *)&odd);
}

/* ---- the list, newest first, and the buckets ------------------------------------------------------ */

static void unlink_use(struct cache *cache, struct cached *c) {
    *(c->newer ? &c->newer->older : &cache->newest) = c->older;
    *(c->older ? &c->older->newer : &cache->oldest) = c->newer;
}

static void link_newest(struct cache *cache, struct cached *c) {
    c->newer = NULL;
    c->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = c;
    cache->newest = c;
}

static struct cached *find(struct cache *cache, uint64_t hash, const char *key, size_t size) {
    struct cached *c = cache->bucket[hash % BUCKETS];
    while (c && (c->hash != hash || c->key_size != size || memcmp(c->key, key, size) != 0))
        c = c->next;
    if (!c) {
        cache->stats.misses++;
        return NULL;
    }
    if (c != cache->newest) {
        unlink_use(cache, c);
        link_newest(cache, c);
    }
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    cache->stats.hits++;
    return c;
}

struct cached *cache_find(struct cache *cache, const char *key, size_t size, uint64_t *hash) {
    *hash = hash_key(cache->seed, key, size);
    pthread_mutex_lock(&cache->lock);
    struct cached *c = find(cache, *hash, key, size);
    pthread_mutex_unlock(&cache->lock);
    return c;
}

static void evict_oldest(struct cache *cache) {
    struct cached *c = cache->oldest, **at = &cache->bucket[c->hash % BUCKETS];
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    unlink_use(cache, c);
    cache->stats.held--;
    cache->stats.bytes -= c->bytes;
    cache->stats.evicted++;
    cache->release(c);
}

static void insert(struct cache *cache, struct cached *c) {
    cache->stats.offered++;
    if (c->bytes > cache->max_bytes / 2) return;
    while (cache->oldest &&
           (cache->stats.held >= cache->most || cache->stats.bytes + c->bytes > cache->max_bytes))
        evict_oldest(cache);
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    c->next = cache->bucket[c->hash % BUCKETS];
    cache->bucket[c->hash % BUCKETS] = c;
    link_newest(cache, c);
    cache->stats.held++;
    cache->stats.bytes += c->bytes;
}

void cache_keep(struct cache *cache, struct cached *c) {
    pthread_mutex_lock(&cache->lock);
    insert(cache, c);
    pthread_mutex_unlock(&cache->lock);
}
