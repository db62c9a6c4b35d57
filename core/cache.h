/* A bounded cache of things that are found by the bytes of their key and shared by reference. What
 * they are is their owner's business; nobody changes them. */
#ifndef GRADD_CORE_CACHE_H
#define GRADD_CORE_CACHE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What stands first in everything that is kept. Its owner sets all but the links before it is kept. */
struct cached {
    atomic_int references;
    uint64_t hash; /* of the key, as cache_find said */
    const char *key;
    size_t key_size;
    size_t bytes; /* that it counts for */
    struct cached *next, *newer, *older;
};

/* A key is padded with zeros to a multiple of this many bytes. */
enum { CACHE_KEY_UNIT = 16 };
static inline size_t cache_key_padded(size_t n) {
    return (n + CACHE_KEY_UNIT - 1) & ~(size_t)(CACHE_KEY_UNIT - 1);
}

struct cache_stats {
    uint64_t hits, misses, offered, evicted; /* since the start; offered: given to cache_keep */
    uint64_t held, bytes;                    /* now */
};

struct cache;

/* A cache of at most `most` things and `max_bytes` bytes; `seed` makes its hash unpredictable, and
 * `release` gives up a reference. NULL when out of memory. */
struct cache *cache_new(size_t most, size_t max_bytes, uint64_t seed,
                        void (*release)(struct cached *));
void cache_free(struct cache *cache);
struct cache_stats cache_stats(struct cache *cache);

/* A reference to what has this key, or NULL; *hash is set in any case. */
struct cached *cache_find(struct cache *cache, const char *key, size_t size, uint64_t *hash);
/* Keeps it, unless it alone would fill half the cache. The caller's reference stays the caller's. */
void cache_keep(struct cache *cache, struct cached *c);

#endif
