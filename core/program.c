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
        const struct node *n = tape_node(t, i);
        p->told += (size_t)n->shape->rank * sizeof *n->shape->dim;
        if (program_is_input(p, p->n - 1))
            p->n_inputs++;
        else
            p->told += n->n_args * sizeof *index + n->attrs_size;
    }
    return true;
}

bool program_copy(const struct program *p, uint32_t i, const node_id *is, struct tape *t,
                  struct node *out) {
    const struct node *n = tape_node(p->tape, p->node[i]);
    const node_id *args = node_args(p->tape, n);
    *out = *n;
    if (program_is_input(p, i)) {
        out->op = OP_input;
        out->n_args = out->attrs_size = 0;
        out->attrs = NULL;
        return true;
    }
    if (n->n_args <= NODE_INLINE_ARGS) {
        for (uint32_t k = 0; k < n->n_args; k++) out->arg[k] = is[p->index[args[k]]];
        return true;
    }
    node_id *mapped = arena_alloc(t->arena, n->n_args * sizeof *mapped);
    if (!mapped) return tape_fail_memory(t, "the plan");
    for (uint32_t k = 0; k < n->n_args; k++) mapped[k] = is[p->index[args[k]]];
    return tape_keep_args(t, out, mapped, n->n_args) || tape_fail_memory(t, "the plan");
}
