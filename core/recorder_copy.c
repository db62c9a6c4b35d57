/* Copies of a recorder: its program, its values and what is placed in it. Also how a program is made compact:
 * by a copy. */
#include "core/recorder_own.h"

#include <string.h>

/* A program again in an arena of its own, without what was thrown away since. It has room to grow: an
 * array that grows at once would leave its old self as so much garbage that all is copied again. */
bool recorder_copy_program(const struct tape *t, struct arena *arena, struct tape *out) {
    const uint32_t capacity = t->count + t->count / 2, pool_capacity = t->n_pool + t->n_pool / 2;
    struct node *nodes = arena_alloc(arena, capacity * sizeof *nodes + 1);
    node_id *pool = arena_alloc(arena, pool_capacity * sizeof *pool + 1);
    bool done = nodes && pool;
    for (uint32_t i = 0; done && i < t->count; i++) {
        const struct node *old = &t->nodes[i];
        struct shape *shape = NULL;
        void *attrs = NULL;
        nodes[i] = *old;
        if (i && old->shape == t->nodes[i - 1].shape)
            nodes[i].shape = nodes[i - 1].shape;
        else if (old->shape != &shape_scalar && (shape = arena_alloc(arena, sizeof *shape)))
            *shape = *old->shape, nodes[i].shape = shape;
        else
            done = old->shape == &shape_scalar;
        if (old->attrs_size && (attrs = arena_alloc_tensor(arena, old->attrs_size)))
            nodes[i].attrs = memcpy(attrs, old->attrs, old->attrs_size);
        done = done && (attrs || !old->attrs_size);
    }
    if (!done) return false;
    if (t->n_pool) memcpy(pool, t->arg_pool, t->n_pool * sizeof *pool);
    *out = *t;
    out->arena = arena;
    out->nodes = nodes;
    out->capacity = capacity;
    out->arg_pool = pool;
    out->pool_capacity = pool_capacity;
    return true;
}

/* Values that shared a block share one again where they are neighbours, as those of one execute are. */
static bool copy_values(const struct recorder *r, struct recorder *copy) {
    const struct block *from = NULL;
    struct block *block = NULL;
    bool done = true;
    for (node_id n = 0; done && n < r->n_kept; n++) {
        struct held held;
        const struct tensor t = recorder_value(r, n);
        if (!r->known[n]) continue;
        if (n && r->known[n - 1] && r->kept[n - 1].data == t.data && from == r->kept[n].owner) {
            const struct held shared = {.tensor.data = copy->kept[n - 1].data, .owner = block};
            recorder_know(copy, n, &shared);
            continue;
        }
        held_copy(copy->account, &t, &held);
        done = held.owner && recorder_define(copy, n, &held);
        block = held.owner;
        from = r->kept[n].owner;
        block_release(held.owner);
    }
    return done;
}

struct recorder *recorder_copy(const struct recorder *r, struct account *account) {
    struct recorder *copy = recorder_new(account, r->generation);
    struct error unused;
    if (!copy) return NULL;
    error_clear(&unused);
    copy->arena.ceiling = SIZE_MAX;
    bool done = recorder_copy_program(&r->own, &copy->arena, &copy->own) &&
                account_charge(account, copy->arena.held);
    copy->charged = done ? copy->arena.held : 0;
    copy->compact = copy->arena.held;
    copy->own.error = &unused;
    copy->own.known = NULL;
    copy->own.n_known = 0;
    done = done && copy_values(r, copy) && recorder_copy_tapes(r, copy);
    copy->own.error = NULL;
    if (done) return copy;
    recorder_free(copy);
    return NULL;
}

bool places_copy(struct account *account, const struct places *from, struct places *to) {
    *to = *from;
    to->capacity = from->n_reads;
    to->reads = NULL;
    if (!from->n_reads) return true;
    to->reads = account_alloc(account, from->n_reads * sizeof *to->reads);
    if (!to->reads) {
        *to = (struct places){0};
        return false;
    }
    memcpy(to->reads, from->reads, from->n_reads * sizeof *to->reads);
    return true;
}
