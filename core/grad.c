/* Reverse mode, graph to graph. Decides what TensorFlow's tape would have recorded, walks back from
 * the targets, and emits cotangents by the ops' own rules. It knows no op by name. */
#include <string.h>

#include "core/emit.h"

/* What is known of each node of the range that a call looks at. */
struct marks {
    node_id base; /* the first node of the range */
    uint32_t n;
    uint8_t *flags;
    node_id *cotangent;
};

enum {
    ANCESTOR = 1, /* a target depends on it: what tape_mark_ancestors sets */
    ON_TAPE = TAPE_ON,
    RECORDED = TAPE_RECORDED,
    SOURCE = 8,
    NEEDED = 16, /* a source on the tape, or reads something needed through a floating argument */
    READ = 32    /* not on the tape, and a recorded op reads it: TensorFlow then drops its seed */
};

static bool pass_to(const struct tape *t, node_id arg) {
    return dtype_is_float(tape_dtype(t, arg));
}

static bool in_range(const struct marks *m, node_id n) {
    return n >= m->base && n - m->base < m->n;
}

/* The same for a tape that looks on while the program grows. */
void tape_record(const struct tape *t, node_id first, uint8_t *flags) {
    for (node_id id = first; id < t->count; id++) {
        const struct node *node = tape_node(t, id);
        const node_id *args = node_args(t, node);
        bool recorded = false;
        if (op_of(node)->flags & OP_UNRECORDED) continue;
        for (uint32_t i = 0; i < node->n_args && !recorded; i++)
            recorded = pass_to(t, args[i]) && flags[args[i]] & ON_TAPE;
        if (recorded) flags[id] |= ON_TAPE | RECORDED;
    }
}

/* TensorFlow records an op iff an argument is on the tape and of a floating dtype, and gives a
 * gradient only to what is on the tape itself. */
static void mark_recorded(const struct tape *t, struct marks *m, const struct window *w) {
    for (size_t i = 0; i < w->n_watched; i++)
        if (in_range(m, w->watched[i])) m->flags[w->watched[i] - m->base] |= ON_TAPE;
    for (uint32_t k = 0; k < m->n; k++) {
        node_id id = m->base + k;
        if (!(m->flags[k] & ANCESTOR)) continue;
        const struct node *node = tape_node(t, id);
        const node_id *args = node_args(t, node);
        bool seen = id >= w->begin && id < w->end && !(op_of(node)->flags & OP_UNRECORDED);
        bool recorded = false, needed = false;
        if (id < w->n_seen) {
            m->flags[k] |= w->seen[id];
            seen = recorded = w->seen[id] & RECORDED;
        }
        for (uint32_t i = 0; seen && i < node->n_args; i++) {
            if (!in_range(m, args[i]) || !pass_to(t, args[i])) continue;
            uint8_t flags = m->flags[args[i] - m->base];
            recorded = recorded || flags & ON_TAPE;
            needed = needed || flags & NEEDED;
        }
        if (recorded) m->flags[k] |= ON_TAPE | RECORDED;
        for (uint32_t i = 0; recorded && i < node->n_args; i++) {
            uint8_t *flags = in_range(m, args[i]) ? &m->flags[args[i] - m->base] : NULL;
            if (flags && !(*flags & ON_TAPE)) *flags |= READ;
        }
        bool wanted = m->flags[k] & SOURCE && m->flags[k] & ON_TAPE;
        if (needed || wanted) m->flags[k] |= NEEDED;
    }
}

static void accumulate(struct tape *t, struct marks *m, node_id n, node_id g) {
    node_id *sum = &m->cotangent[n - m->base];
    *sum = *sum == NODE_NONE ? g : emit_add(t, *sum, g);
}

static node_id rule(struct tape *t, const struct op *op, node_id y, uint32_t i, node_id g) {
    if (op->partial)
        return emit_sum_to(t, op->partial(t, y, i, g), tape_shape(t, tape_arg(t, y, i)));
    return op->vjp ? op->vjp(t, y, i, g) : NODE_NONE;
}

static void push_back(struct tape *t, struct marks *m, node_id y, node_id g) {
    const struct op *op = op_of(tape_node(t, y));
    uint32_t n_args = tape_node(t, y)->n_args;
    for (uint32_t i = 0; i < n_args; i++) {
        node_id x = tape_arg(t, y, i);
        if (!in_range(m, x) || !pass_to(t, x) || !(m->flags[x - m->base] & NEEDED)) continue;
        node_id part = rule(t, op, y, i, g);
        if (part != NODE_NONE) accumulate(t, m, x, part);
    }
}

/* The range from the first node that may be on the tape to the last target. */
static bool prepare(struct tape *t, struct marks *m, const struct window *w, const node_id *targets,
                    size_t n_targets, const node_id *sources, size_t n_sources) {
    node_id first = NODE_NONE, last = 0;
    for (size_t i = 0; i < w->n_watched; i++)
        if (w->watched[i] < first) first = w->watched[i];
    for (size_t i = 0; i < n_sources; i++)
        if (sources[i] < first) first = sources[i];
    for (size_t i = 0; i < n_targets; i++)
        if (targets[i] > last) last = targets[i];
    m->base = first;
    m->n = n_targets && first <= last ? last - first + 1 : 0;
    m->flags = arena_zalloc(t->arena, m->n);
    m->cotangent = arena_alloc(t->arena, m->n * sizeof *m->cotangent);
    if (!m->flags || !m->cotangent) return tape_fail_memory(t, "the gradient");
    memset(m->cotangent, 0xFF, m->n * sizeof *m->cotangent);
    return tape_walk(t, 3 * (int64_t)m->n);
}

bool tape_gradient(struct tape *t, const struct window *w, const node_id *targets,
                   const node_id *seeds, size_t n_targets, const node_id *sources, size_t n_sources,
                   node_id *gradients) {
    struct marks m;
    for (size_t i = 0; i < n_sources; i++) gradients[i] = NODE_NONE;
    if (!tape_ok(t) || !prepare(t, &m, w, targets, n_targets, sources, n_sources)) return false;
    for (size_t i = 0; i < n_sources; i++)
        if (in_range(&m, sources[i])) m.flags[sources[i] - m.base] |= SOURCE;
    tape_mark_ancestors(t, m.base, m.n, targets, n_targets, m.flags);
    mark_recorded(t, &m, w);

    for (size_t i = 0; i < n_targets; i++) {
        uint8_t flags = in_range(&m, targets[i]) ? m.flags[targets[i] - m.base] : 0;
        if (!(flags & NEEDED) && (!(flags & SOURCE) || flags & READ)) continue;
        node_id seed = seeds ? seeds[i] : NODE_NONE;
        if (seed == NODE_NONE)
            seed = tape_fill(t, tape_dtype(t, targets[i]), tape_shape(t, targets[i]), 1);
        accumulate(t, &m, targets[i], seed);
    }
    for (uint32_t k = m.n; k-- > 0 && tape_ok(t);) {
        node_id g = m.cotangent[k];
        if (g != NODE_NONE && m.flags[k] & RECORDED) push_back(t, &m, m.base + k, g);
    }
    for (size_t i = 0; i < n_sources; i++)
        if (in_range(&m, sources[i])) gradients[i] = m.cotangent[sources[i] - m.base];
    return tape_ok(t);
}
