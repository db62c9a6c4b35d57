/* Forward passes, graph to graph: tangents, batches and copies. All map some nodes to images and then give
 * every dependent node an image by its op's rule; they share the walk and differ in the rule. */
#include <string.h>

#include "core/emit.h"

/* The image of y; images[i] belongs to argument i and is NODE_NONE where that has none (at least one
 * has). May return NODE_NONE. `images` may be overwritten. */
typedef node_id (*image_rule)(struct tape *t, node_id y, node_id *images, uint32_t n_args);

struct pass {
    node_id first; /* the range that the pass looks at */
    uint32_t n;
    node_id *image; /* of node first + i */
    uint8_t *wanted;
    node_id *images; /* room for the arguments of one node */
};

static bool fail_memory(struct tape *t) { return tape_fail_memory(t, "the graph"); }

/* The range from the first mapped node to the last output, and what in it the outputs depend on. */
static bool prepare(struct tape *t, struct pass *p, const node_id *from, size_t n_from,
                    const node_id *outputs, size_t n_outputs) {
    node_id first = NODE_NONE, last = 0;
    uint32_t most_args = 0;
    for (size_t i = 0; i < n_from; i++)
        if (from[i] < first) first = from[i];
    for (size_t i = 0; i < n_outputs; i++)
        if (outputs[i] > last) last = outputs[i];
    p->first = first;
    p->n = n_outputs && first <= last ? last - first + 1 : 0;
    if (!tape_walk(t, 2 * (int64_t)p->n)) return false;
    p->image = arena_alloc(t->arena, p->n * sizeof *p->image);
    p->wanted = arena_zalloc(t->arena, p->n);
    if (!p->image || !p->wanted) return fail_memory(t);
    memset(p->image, 0xFF, p->n * sizeof *p->image);
    tape_mark_ancestors(t, first, p->n, outputs, n_outputs, p->wanted);
    for (uint32_t k = 0; k < p->n; k++) {
        uint32_t n_args = tape_node(t, first + k)->n_args;
        if (p->wanted[k] && n_args > most_args) most_args = n_args;
    }
    p->images = arena_alloc(t->arena, most_args * sizeof *p->images);
    return p->images || fail_memory(t);
}

static node_id image_of(const struct pass *p, node_id n) {
    return n >= p->first && n - p->first < p->n ? p->image[n - p->first] : NODE_NONE;
}

static bool map(struct tape *t, const node_id *from, const node_id *to, size_t n_from,
                const node_id *outputs, size_t n_outputs, image_rule rule, node_id *images) {
    struct pass p = {0};
    for (size_t i = 0; i < n_outputs; i++) images[i] = NODE_NONE;
    if (!tape_ok(t) || !prepare(t, &p, from, n_from, outputs, n_outputs)) return false;
    for (size_t i = 0; i < n_from; i++)
        if (from[i] - p.first < p.n) p.image[from[i] - p.first] = to[i];
    for (uint32_t k = 0; k < p.n && tape_ok(t); k++) {
        node_id y = p.first + k;
        uint32_t n_args = tape_node(t, y)->n_args;
        if (!p.wanted[k] || p.image[k] != NODE_NONE) continue;
        bool any = false;
        for (uint32_t i = 0; i < n_args; i++) {
            p.images[i] = image_of(&p, tape_arg(t, y, i));
            any = any || p.images[i] != NODE_NONE;
        }
        if (any) p.image[k] = rule(t, y, p.images, n_args);
    }
    for (size_t i = 0; i < n_outputs; i++) images[i] = image_of(&p, outputs[i]);
    return tape_ok(t);
}

/* The same, where an output that depends on none of them is its own image. */
static bool map_or_keep(struct tape *t, const node_id *from, const node_id *to, size_t n_from,
                        const node_id *outputs, size_t n_outputs, image_rule rule,
                        node_id *images) {
    const bool done = map(t, from, to, n_from, outputs, n_outputs, rule, images);
    for (size_t i = 0; i < n_outputs; i++)
        if (images[i] == NODE_NONE) images[i] = outputs[i];
    return done;
}

/* ---- tangents: linear ops are their own, pointwise ops use the partials of reverse mode ---------- */

/* Sum over arguments of tangent times partial, in the shape of y. */
static node_id pointwise_tangent(struct tape *t, const struct op *op, node_id y,
                                 const node_id *x_dot, uint32_t n_args) {
    node_id sum = NODE_NONE;
    for (uint32_t i = 0; i < n_args; i++) {
        node_id part = x_dot[i] == NODE_NONE ? NODE_NONE : op->partial(t, y, i, x_dot[i]);
        if (part == NODE_NONE) continue;
        sum = sum == NODE_NONE ? part : emit_add(t, sum, part);
    }
    return emit_broadcast_to(t, sum, tape_shape(t, y));
}

/* The op itself on the tangents; an argument without one counts as zero. */
static node_id linear_tangent(struct tape *t, node_id y, node_id *x_dot, uint32_t n_args) {
    for (uint32_t i = 0; i < n_args; i++)
        if (x_dot[i] == NODE_NONE) x_dot[i] = emit_zeros_like(t, tape_arg(t, y, i));
    const struct node n = *tape_node(t, y);
    return tape_emit(t, n.op, x_dot, n_args, n.attrs, n.attrs_size);
}

static node_id tangent(struct tape *t, node_id y, node_id *x_dot, uint32_t n_args) {
    const struct op *op = op_of(tape_node(t, y));
    if (op->flags & OP_UNRECORDED || !dtype_is_float(tape_dtype(t, y))) return NODE_NONE;
    if (op->partial) return pointwise_tangent(t, op, y, x_dot, n_args);
    if (op->flags & OP_LINEAR) return linear_tangent(t, y, x_dot, n_args);
    return op->jvp ? op->jvp(t, y, x_dot) : NODE_NONE;
}

bool tape_tangents(struct tape *t, node_id first, node_id end, node_id *of) {
    uint32_t room = 0;
    node_id *x_dot = NULL;
    if (!tape_walk(t, end - first)) return false;
    for (node_id y = first; y < end && tape_ok(t); y++) {
        const uint32_t n_args = tape_node(t, y)->n_args;
        if (n_args > room && !(x_dot = arena_alloc(t->arena, (room = n_args) * sizeof *x_dot)))
            return fail_memory(t);
        bool any = false;
        for (uint32_t i = 0; i < n_args; i++) {
            x_dot[i] = of[tape_arg(t, y, i)];
            any = any || x_dot[i] != NODE_NONE;
        }
        if (any) of[y] = tangent(t, y, x_dot, n_args);
    }
    return tape_ok(t);
}

bool tape_jvp(struct tape *t, const node_id *primals, const node_id *tangents, size_t n_primals,
              const node_id *outputs, size_t n_outputs, node_id *derivatives) {
    return map(t, primals, tangents, n_primals, outputs, n_outputs, tangent, derivatives);
}

/* ---- batches: pointwise ops need no rule, their arguments are aligned here ------------------------ */

static node_id batched(struct tape *t, node_id y, node_id *x, uint32_t n_args) {
    const struct node node = *tape_node(t, y);
    bool few[NODE_INLINE_ARGS], *is_batched = few;
    int64_t n = 0;
    if (n_args > NODE_INLINE_ARGS && !(is_batched = arena_alloc(t->arena, n_args))) {
        fail_memory(t);
        return NODE_NONE;
    }
    for (uint32_t i = 0; i < n_args; i++) {
        is_batched[i] = x[i] != NODE_NONE;
        if (is_batched[i])
            n = tape_shape(t, x[i])->dim[0];
        else
            x[i] = tape_arg(t, y, i);
    }
    if (op_table[node.op]->batch) return op_table[node.op]->batch(t, y, x, is_batched, n);
    for (uint32_t i = 0; i < n_args; i++)
        if (is_batched[i]) x[i] = emit_align_batched(t, x[i], node.shape->rank + 1);
    return tape_emit(t, node.op, x, n_args, node.attrs, node.attrs_size);
}

bool tape_batch(struct tape *t, const node_id *from, const node_id *to, size_t n_from,
                const node_id *outputs, size_t n_outputs, node_id *images) {
    return map_or_keep(t, from, to, n_from, outputs, n_outputs, batched, images);
}

/* ---- copies: the same node on other arguments ------------------------------------------------------ */

static node_id copied(struct tape *t, node_id y, node_id *x, uint32_t n_args) {
    const struct node n = *tape_node(t, y);
    for (uint32_t i = 0; i < n_args; i++)
        if (x[i] == NODE_NONE) x[i] = tape_arg(t, y, i);
    return tape_emit(t, n.op, x, n_args, n.attrs, n.attrs_size);
}

bool tape_substitute(struct tape *t, const node_id *from, const node_id *to, size_t n_from,
                     const node_id *outputs, size_t n_outputs, node_id *images) {
    return map_or_keep(t, from, to, n_from, outputs, n_outputs, copied, images);
}
