/* "diagnose": which node is the first whose value or gradient is not finite. Values are looked at in
 * the order in which they are computed, then gradients in theirs, which is the reverse. */
#include <math.h>

#include "api/oneshot.h"

/* Marks what the targets and the fetched nodes need. Arguments come before their node. */
static void mark_needed(const struct oneshot *o, const node_id *targets, size_t n_targets,
                        const struct value *fetched, bool *needed) {
    const struct tape *t = &o->b.tape;
    for (size_t i = 0; i < n_targets; i++) {
        if (targets[i] < o->graph_end) needed[targets[i]] = true;
    }
    if (fetched) {
        if (fetched->kind == VALUE_NODE && fetched->node < o->graph_end)
            needed[fetched->node] = true;
        if (fetched->kind == VALUE_LIST || fetched->kind == VALUE_OBJECT) {
            for (uint32_t i = 0; i < fetched->n; i++)
                mark_needed(o, NULL, 0, &fetched->items[i], needed);
        }
        return;
    }
    for (node_id i = o->graph_end; i-- > 0;) {
        const struct node *n = tape_node(t, i);
        for (uint32_t a = 0; needed[i] && a < n->n_args; a++) needed[node_args(t, n)[a]] = true;
    }
}

/* Marks what the window recorded, as tape_gradient does. */
static void mark_recorded(const struct oneshot *o, const struct window *w, bool *recorded) {
    const struct tape *t = &o->b.tape;
    for (size_t i = 0; i < w->n_watched; i++) {
        if (w->watched[i] < o->graph_end) recorded[w->watched[i]] = true;
    }
    for (node_id i = 0; i < o->graph_end; i++) {
        const struct node *n = tape_node(t, i);
        if (op_of(n)->flags & OP_UNRECORDED) continue;
        for (uint32_t a = 0; a < n->n_args; a++) {
            const node_id arg = node_args(t, n)[a];
            if (recorded[arg] && dtype_is_float(tape_dtype(t, arg))) recorded[i] = true;
        }
    }
}

bool diagnose_prepare(struct oneshot *o, const struct window *w, const node_id *targets,
                      const node_id *seeds, size_t n_targets) {
    struct tape *t = &o->b.tape;
    bool *needed = arena_zalloc(&o->arena, o->graph_end + 1),
         *recorded = arena_zalloc(&o->arena, o->graph_end + 1);
    node_id *sources = arena_alloc(&o->arena, (o->graph_end + 1) * sizeof *sources);
    node_id *gradients = arena_alloc(&o->arena, (o->graph_end + 1) * sizeof *gradients);
    o->suspects = arena_alloc(&o->arena, (o->graph_end + 1) * sizeof *o->suspects);
    o->suspect_gradients =
        arena_alloc(&o->arena, (o->graph_end + 1) * sizeof *o->suspect_gradients);
    if (!needed || !recorded || !sources || !gradients || !o->suspects || !o->suspect_gradients) {
        return build_fail_memory(&o->b);
    }
    if (o->has_fetched) mark_needed(o, NULL, 0, &o->fetched, needed);
    mark_needed(o, targets, n_targets, NULL, needed);
    if (w) mark_recorded(o, w, recorded);
    size_t n_sources = 0, at = 0;
    for (node_id i = 0; i < o->graph_end; i++) {
        if (!needed[i] || !dtype_is_float(tape_dtype(t, i))) continue;
        o->suspects[o->n_suspects++] = i;
        if (recorded[i]) sources[n_sources++] = i;
    }
    if (n_sources && !tape_gradient(t, w, targets, seeds, n_targets, sources, n_sources, gradients))
        return false;
    for (size_t i = 0; i < o->n_suspects; i++) {
        o->suspect_gradients[i] = recorded[o->suspects[i]] ? gradients[at++] : NODE_NONE;
    }
    return true;
}

static bool is_finite(const struct tensor *t) {
    const int64_t n = shape_count(&t->shape);
    for (int64_t i = 0; i < n; i++) {
        const double x = t->dtype == DTYPE_F32 ? (double)((const float *)t->data)[i]
                                               : ((const double *)t->data)[i];
        if (!isfinite(x)) return false;
    }
    return true;
}

/* The name of the node, or of the statement in which it was computed: the next node with a name. */
static const char *owner(const struct oneshot *o, node_id node) {
    const char *text = NULL;
    node_id nearest = NODE_NONE;
    for (uint32_t i = 0; i < o->b.names.n; i++) {
        const struct name *name = &o->b.names.list[i];
        if (name->value.kind != VALUE_NODE || name->value.node < node ||
            name->value.node >= nearest)
            continue;
        nearest = name->value.node;
        text = name->text;
    }
    return text;
}

static void write_finding(const struct oneshot *o, node_id node, const char *what,
                          struct writer *out) {
    const char *name = owner(o, node);
    write_text(out, ",\"diagnosis\":{");
    if (name) {
        write_text(out, "\"node\":");
        write_string(out, name);
        write_text(out, ",");
    }
    write_text(out, "\"op\":");
    write_string(out, op_of(tape_node(&o->b.tape, node))->name);
    write_text(out, ",\"what\":");
    write_string(out, what);
    write_text(out, "}");
}

void diagnose_write(const struct oneshot *o, const struct run *run, size_t first,
                    struct writer *out) {
    for (size_t i = 0; i < o->n_suspects; i++) {
        const struct tensor t = run_result(run, first + i);
        if (is_finite(&t)) continue;
        write_finding(o, o->suspects[i], "value", out);
        return;
    }
    size_t next = first + o->n_suspects;
    for (size_t i = 0; i < o->n_suspects; i++) next += o->suspect_gradients[i] != NODE_NONE;
    for (size_t i = o->n_suspects; i-- > 0;) {
        if (o->suspect_gradients[i] == NODE_NONE) continue;
        const struct tensor t = run_result(run, --next);
        if (is_finite(&t)) continue;
        write_finding(o, o->suspects[i], "gradient", out);
        return;
    }
}
