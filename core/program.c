/* Which nodes of a tape a plan is made of: those that what is wanted depends on, numbered anew. */
#include "core/program.h"

#include <string.h>

/* Flags are looked at several at a time where none is set: a session's program may be long, and what is
 * live of it short. */
enum { STRIDE = 8 };

static bool none_set(const uint8_t *flags) {
    uint64_t all;
    memcpy(&all, flags, STRIDE);
    return !all;
}

/* Marks all that the live nodes below `count` depend on; how many are live then. */
static uint32_t mark_live(const struct tape *t, uint32_t count, uint8_t *live) {
    uint32_t n = 0;
    for (uint32_t i = count; i > 0;) {
        if (i % STRIDE == 0 && none_set(live + i - STRIDE)) {
            i -= STRIDE;
            continue;
        }
        if (!live[--i]) continue;
        const struct node *node = tape_node(t, i);
        const node_id *args = node_args(t, node);
        n++;
        if (i < t->n_known && t->known[i]) continue;
        for (uint32_t k = 0; k < node->n_args; k++) live[args[k]] = 1;
    }
    return n;
}

bool program_number(const struct tape *t, const node_id *wanted, size_t n_wanted, bool all_inputs,
                    struct arena *scratch, struct program *p) {
    uint32_t last = 0;
    for (size_t i = 0; i < n_wanted; i++)
        if (wanted[i] > last) last = wanted[i];
    const uint32_t count = all_inputs ? t->count : n_wanted ? last + 1 : 0;
    uint8_t *live = arena_zalloc(scratch, count + STRIDE);
    uint32_t *index = arena_alloc(scratch, count * sizeof *index);
    if (!live || !index) return false;
    for (size_t i = 0; i < n_wanted; i++) live[wanted[i]] = 1;
    for (uint32_t i = 0; all_inputs && i < count; i++) live[i] |= tape_node(t, i)->op == OP_input;
    node_id *node = arena_alloc(scratch, mark_live(t, count, live) * sizeof *node);
    if (!node) return false;
    *p = (struct program){
        .tape = t, .node = node, .index = index, .wanted = wanted, .n_wanted = (uint32_t)n_wanted};
    for (uint32_t i = 0; i < count; i++) {
        if (i % STRIDE == 0 && none_set(live + i)) {
            i += STRIDE - 1;
            continue;
        }
        if (!live[i]) continue;
        index[i] = p->n;
        node[p->n++] = i;
        p->n_inputs += program_is_input(p, p->n - 1);
    }
    return true;
}

/* ---- order ------------------------------------------------------------------------------------- */

static bool is_scalar(const struct program *p) {
    for (uint32_t i = 0; i < p->n; i++) {
        const struct shape *s = tape_node(p->tape, p->node[i])->shape;
        if (s->rank && shape_count(s) != 1) return false;
    }
    return true;
}

/* The length of the longest way to each node from a leaf; the longest of all. */
static uint32_t find_levels(const struct program *p, uint32_t *level) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct node *n = tape_node(p->tape, p->node[i]);
        const node_id *args = node_args(p->tape, n);
        level[i] = 0;
        for (uint32_t k = 0; !program_is_input(p, i) && k < n->n_args; k++)
            if (level[p->index[args[k]]] >= level[i]) level[i] = level[p->index[args[k]]] + 1;
        if (level[i] > most) most = level[i];
    }
    return most;
}

/* One stable pass of a radix sort: order[] by key[order[i]], which are below `keys`. */
static void sort_by(const uint32_t *key, uint32_t keys, uint32_t n, uint32_t *count,
                    const uint32_t *from, uint32_t *to) {
    memset(count, 0, keys * sizeof *count);
    for (uint32_t i = 0; i < n; i++) count[key[i]]++;
    for (uint32_t k = 0, at = 0; k < keys; k++) {
        const uint32_t here = count[k];
        count[k] = at;
        at += here;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t node = from ? from[i] : i;
        to[count[key[node]]++] = node;
    }
}

bool program_sort(struct program *p, struct arena *scratch) {
    enum { WORTH_IT = 64 };
    const uint32_t n = p->n;
    if (n < WORTH_IT || !is_scalar(p)) return true;
    uint32_t *level = arena_alloc(scratch, n * sizeof *level);
    uint32_t *op = arena_alloc(scratch, n * sizeof *op);
    uint32_t *by_op = arena_alloc(scratch, n * sizeof *by_op);
    uint32_t *sorted = arena_alloc(scratch, n * sizeof *sorted);
    node_id *node = arena_alloc(scratch, n * sizeof *node);
    if (!level || !op || !by_op || !sorted || !node) return false;
    const uint32_t levels = find_levels(p, level) + 1;
    uint32_t *count = arena_alloc(scratch, (levels + OP_COUNT) * sizeof *count);
    if (!count) return false;
    for (uint32_t i = 0; i < n; i++) op[i] = tape_node(p->tape, p->node[i])->op;
    sort_by(op, OP_COUNT, n, count, NULL, by_op);
    sort_by(level, levels, n, count, by_op, sorted);
    for (uint32_t i = 0; i < n; i++) node[i] = p->node[sorted[i]];
    for (uint32_t i = 0; i < n; i++) p->index[node[i]] = i;
    p->node = node;
    return true;
}
