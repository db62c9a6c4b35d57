/* The cache of plans by structure. A key is the live program written out: two tapes with one key
 * compile to the same plan, so that the bytes decide and the hash only finds. Whatever was bound to an
 * input is not in the program and cannot be in the cache. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/program.h"

enum { BUCKETS = 4096 };

struct plan_cache {
    pthread_mutex_t lock; /* held for look-ups and links only, never while compiling or running */
    size_t max_plans, max_bytes;
    uint64_t seed;
    struct plan *bucket[BUCKETS];
    struct plan *newest, *oldest;
    struct plan_stats stats;
};

struct plan_cache *plan_cache_new(size_t max_plans, size_t max_bytes, uint64_t seed) {
    struct plan_cache *cache = calloc(1, sizeof *cache);
    if (!cache) return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->max_plans = max_plans;
    cache->max_bytes = max_bytes;
    cache->seed = seed;
    return cache;
}

void plan_cache_free(struct plan_cache *cache) {
    if (!cache) return;
    for (struct plan *plan = cache->newest, *older; plan; plan = older) {
        older = plan->older;
        plan_release(plan);
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

struct plan_stats plan_cache_stats(struct plan_cache *cache) {
    pthread_mutex_lock(&cache->lock);
    struct plan_stats stats = cache->stats;
    pthread_mutex_unlock(&cache->lock);
    return stats;
}

/* ---- keys -------------------------------------------------------------------------------------- */

/* Everything else about a node follows from these: the size of its attributes from its op, or for a
 * literal from its dtype and shape. */
struct key_node {
    uint16_t op;
    uint8_t dtype, rank;
    uint32_t n_args;
};

static char *put(char *at, const void *bytes, size_t n) {
    if (n) memcpy(at, bytes, n);
    return at + n;
}

enum { KEY_WORDS = 16 }; /* keys are padded to a multiple of this many bytes */

static size_t key_size(const struct program *p) {
    size_t n = sizeof(uint32_t) * (1 + (size_t)p->n_wanted);
    for (uint32_t i = 0; i < p->n; i++) {
        const struct node *node = tape_node(p->tape, p->node[i]);
        n += sizeof(struct key_node) + (size_t)node->shape->rank * sizeof(int64_t);
        if (!program_is_input(p, i)) n += node->n_args * sizeof(uint32_t) + node->attrs_size;
    }
    return (n + KEY_WORDS - 1) & ~(size_t)(KEY_WORDS - 1);
}

static char *write_key(const struct program *p, struct arena *scratch, size_t *size) {
    *size = key_size(p);
    char *key = arena_alloc(scratch, *size), *at = key;
    if (!key) return NULL;
    memset(key + *size - KEY_WORDS, 0, KEY_WORDS);
    at = put(at, &p->n_wanted, sizeof p->n_wanted);
    for (uint32_t i = 0; i < p->n_wanted; i++)
        at = put(at, &p->index[p->wanted[i]], sizeof(uint32_t));
    for (uint32_t i = 0; i < p->n; i++) {
        const struct node *node = tape_node(p->tape, p->node[i]);
        const node_id *args = node_args(p->tape, node);
        struct key_node head = {node->op, node->dtype, (uint8_t)node->shape->rank, node->n_args};
        const bool input = program_is_input(p, i);
        if (input) head.op = OP_input, head.n_args = 0;
        at = put(at, &head, sizeof head);
        for (uint32_t k = 0; k < head.n_args; k++)
            at = put(at, &p->index[args[k]], sizeof(uint32_t));
        for (int k = 0; k < node->shape->rank; k++)
            at = put(at, &node->shape->dim[k], sizeof(int64_t));
        if (input) continue;
        if (node->attrs_size == 4)
            at = put(at, node->attrs, 4); /* most literals and attributes: */
        else if (node->attrs_size == 8)
            at = put(at, node->attrs, 8); /* copied without a call */
        else
            at = put(at, node->attrs, node->attrs_size);
    }
    return key;
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
    for (size_t i = 0; i < size; i += KEY_WORDS) {
        even = mix(even, key + i);
        odd = mix(odd, key + i + 8);
    }
    return mix(even, (const char *)&odd);
}

/* ---- the list, newest first, and the buckets ------------------------------------------------------ */

static void unlink_use(struct plan_cache *cache, struct plan *plan) {
    *(plan->newer ? &plan->newer->older : &cache->newest) = plan->older;
    *(plan->older ? &plan->older->newer : &cache->oldest) = plan->newer;
}

static void link_newest(struct plan_cache *cache, struct plan *plan) {
    plan->newer = NULL;
    plan->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = plan;
    cache->newest = plan;
}

/* A reference to the plan with this key, or NULL. */
static struct plan *find(struct plan_cache *cache, uint64_t hash, const char *key, size_t size) {
    for (struct plan *plan = cache->bucket[hash % BUCKETS]; plan; plan = plan->next) {
        if (plan->hash != hash || plan->key_size != size || memcmp(plan->key, key, size) != 0)
            continue;
        if (plan != cache->newest) {
            unlink_use(cache, plan);
            link_newest(cache, plan);
        }
        atomic_fetch_add(&plan->references, 1);
        cache->stats.hits++;
        return plan;
    }
    return NULL;
}

static void evict_oldest(struct plan_cache *cache) {
    struct plan *plan = cache->oldest, **at = &cache->bucket[plan->hash % BUCKETS];
    while (*at != plan) at = &(*at)->next;
    *at = plan->next;
    unlink_use(cache, plan);
    cache->stats.plans--;
    cache->stats.bytes -= plan->arena.held;
    cache->stats.evicted++;
    plan_release(plan);
}

/* Keeps a plan, unless it alone would fill half the cache. The caller's reference stays the caller's. */
static void insert(struct plan_cache *cache, struct plan *plan) {
    cache->stats.compiled++;
    if (plan->arena.held > cache->max_bytes / 2) return;
    while (cache->oldest && (cache->stats.plans >= cache->max_plans ||
                             cache->stats.bytes + plan->arena.held > cache->max_bytes))
        evict_oldest(cache);
    atomic_fetch_add(&plan->references, 1);
    plan->next = cache->bucket[plan->hash % BUCKETS];
    cache->bucket[plan->hash % BUCKETS] = plan;
    link_newest(cache, plan);
    cache->stats.plans++;
    cache->stats.bytes += plan->arena.held;
}

static struct plan *compile_with_key(const struct program *p, const char *key, size_t size,
                                     struct arena *scratch, struct error *error) {
    struct plan *plan = plan_compile(p, scratch, error);
    if (!plan) return NULL;
    char *copy = arena_alloc(&plan->arena, size);
    if (!copy) {
        plan_release(plan);
        error_set(error, ERROR_MEMORY_BUDGET,
                  "the plan needs more than the %zu bytes a request may take", scratch->ceiling);
        return NULL;
    }
    plan->key = memcpy(copy, key, size);
    plan->key_size = size;
    return plan;
}

static const node_id *input_nodes(const struct program *p, struct arena *scratch) {
    node_id *inputs = arena_alloc(scratch, p->n_inputs * sizeof *inputs);
    uint32_t k = 0;
    for (uint32_t i = 0; inputs && i < p->n; i++)
        if (program_is_input(p, i)) inputs[k++] = p->node[i];
    return inputs;
}

struct plan *plan_get(struct plan_cache *cache, const struct tape *t, const node_id *wanted,
                      size_t n_wanted, const node_id **inputs, size_t *n_inputs,
                      struct arena *scratch, struct error *error) {
    struct program p;
    size_t size = 0;
    char *key = program_number(t, wanted, n_wanted, false, scratch, &p)
                    ? write_key(&p, scratch, &size)
                    : NULL;
    *inputs = key ? input_nodes(&p, scratch) : NULL;
    if (!key || !*inputs) {
        error_set(error, ERROR_MEMORY_BUDGET,
                  "the plan needs more than the %zu bytes a request may take", scratch->ceiling);
        return NULL;
    }
    *n_inputs = p.n_inputs;

    uint64_t hash = hash_key(cache->seed, key, size);
    pthread_mutex_lock(&cache->lock);
    struct plan *plan = find(cache, hash, key, size);
    pthread_mutex_unlock(&cache->lock);
    if (plan) return plan;

    /* Two threads may compile the same plan at once; the second one then finds the first one's too,
     * and both are right. */
    plan = compile_with_key(&p, key, size, scratch, error);
    if (!plan) return NULL;
    plan->hash = hash;
    pthread_mutex_lock(&cache->lock);
    insert(cache, plan);
    pthread_mutex_unlock(&cache->lock);
    return plan;
}
