/* The cache of plans by structure. A key is the live program written out: two tapes with one key
 * compile to the same plan, so that the bytes decide and the hash only finds. Whatever was bound to an
 * input is not in the program and cannot be in the cache. */
#include <stdlib.h>
#include <string.h>

#include "core/program.h"

struct plan_cache {
    struct cache *plans;
    size_t room; /* see plan_cache_fit */
};

static void release(struct cached *c) { plan_release((struct plan *)(void *)c); }

struct plan_cache *plan_cache_new(size_t max_plans, size_t max_bytes, uint64_t seed) {
    struct plan_cache *cache = malloc(sizeof *cache);
    if (cache)
        *cache = (struct plan_cache){cache_new(max_plans, max_bytes, seed, release), SIZE_MAX};
    if (cache && cache->plans) return cache;
    free(cache);
    return NULL;
}

void plan_cache_fit(struct plan_cache *cache, size_t room) { cache->room = room; }

void plan_cache_free(struct plan_cache *cache) {
    if (!cache) return;
    cache_free(cache->plans);
    free(cache);
}

struct plan_stats plan_cache_stats(struct plan_cache *cache) {
    const struct cache_stats s = cache_stats(cache->plans);
    return (struct plan_stats){.compiled = s.offered,
                               .hits = s.hits,
                               .evicted = s.evicted,
                               .plans = s.held,
                               .bytes = s.bytes};
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

static size_t key_size(const struct program *p) {
    return cache_key_padded(sizeof(uint32_t) * (1 + (size_t)p->n_wanted) +
                            p->n * sizeof(struct key_node) + p->told);
}

static char *write_key(const struct program *p, struct arena *scratch, size_t *size) {
    *size = key_size(p);
    char *key = arena_alloc(scratch, *size), *at = key;
    if (!key) return NULL;
    memset(key + *size - CACHE_KEY_UNIT, 0, CACHE_KEY_UNIT);
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

static struct plan *compile_with_key(const struct program *p, size_t room, const char *key,
                                     size_t size, struct arena *scratch, struct error *error) {
    struct plan *plan = plan_compile(p, room, scratch, error);
    if (!plan) return NULL;
    char *copy = arena_alloc(&plan->arena, size);
    if (!copy) {
        plan_release(plan);
        error_set(error, ERROR_MEMORY_BUDGET,
                  "the plan needs more than the %zu bytes a request may take", scratch->ceiling);
        return NULL;
    }
    plan->cached.key = memcpy(copy, key, size);
    plan->cached.key_size = size;
    plan->cached.bytes = plan->arena.held;
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

    uint64_t hash;
    struct cached *found = cache_find(cache->plans, key, size, &hash);
    if (found) return (struct plan *)(void *)found;

    /* Two threads may compile the same plan at once; the second one then finds the first one's too,
     * and both are right. */
    struct plan *plan = compile_with_key(&p, cache->room, key, size, scratch, error);
    if (!plan) return NULL;
    plan->cached.hash = hash;
    cache_keep(cache->plans, &plan->cached);
    return plan;
}
