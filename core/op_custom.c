/* A value whose derivative the user gives (tf.custom_gradient). The user's rule stands on the tape
 * once, as a template in terms of a seed and of formal arguments; reverse mode appends it again with
 * the cotangent in place of the seed, so that it is batched and differentiated like anything else. */
#include <string.h>

#include "core/emit.h"

/* The attributes: the template's seed, then its formal arguments, then its gradients (NODE_NONE
 * where there is none), each as many as the node has arguments but the first, which is the value. */
static const node_id *template_of(const struct tape *t, node_id y, uint32_t *n) {
    *n = tape_node(t, y)->n_args - 1;
    return tape_node(t, y)->attrs;
}

static node_id custom_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    uint32_t n, n_from = 0;
    const node_id *template = template_of(t, y, &n);
    if (i == 0 || template[n + i] == NODE_NONE) return NODE_NONE;
    node_id *from = arena_alloc(t->arena, 2 * ((size_t)n + 1) * sizeof *from);
    if (!from) {
        tape_fail_memory(t, "the gradient");
        return NODE_NONE;
    }
    node_id *to = from + n + 1;
    from[n_from] = template[0];
    to[n_from++] = g;
    for (uint32_t k = 1; k <= n; k++) {
        /* A formal argument is an identity of the node's own; only a copy of the node has others. */
        const node_id arg = tape_arg(t, y, k);
        if (tape_arg(t, template[k], 0) == arg) continue;
        from[n_from] = template[k];
        to[n_from++] = arg;
    }
    node_id gradient;
    return tape_substitute(t, from, to, n_from, &template[n + i], 1, &gradient) ? gradient
                                                                                : NODE_NONE;
}

/* The rule is transposed: <rule(s), x_dot> is linear in s, and its gradient by s is the tangent, so
 * that forward and reverse mode agree. A rule that is not linear is transposed at s = 1. */
static node_id custom_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    node_id sum = NODE_NONE, tangent;
    const node_id seed = emit1(t, OP_identity, tape_fill(t, tape_dtype(t, y), tape_shape(t, y), 1));
    for (uint32_t i = 1; i < tape_node(t, y)->n_args; i++) {
        if (x_dot[i] == NODE_NONE) continue;
        const node_id part = custom_vjp(t, y, i, seed);
        if (part == NODE_NONE) continue;
        const uint32_t axes = (1u << tape_shape(t, part)->rank) - 1;
        const node_id product =
            emit_reduce(t, OP_reduce_sum, emit_multiply(t, part, x_dot[i]), axes, false);
        const node_id same = emit_cast(t, product, tape_dtype(t, y));
        sum = sum == NODE_NONE ? same : emit_add(t, sum, same);
    }
    if (sum == NODE_NONE) return NODE_NONE;
    const struct window window = {.watched = &seed, .n_watched = 1, .end = t->count};
    return tape_gradient(t, &window, &sum, NULL, 1, &seed, 1, &tangent) ? tangent : NODE_NONE;
}

/* Batches are made of derivatives that are there: only the value is left of the node. */
static node_id custom_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                            int64_t n) {
    (void)y;
    return batched[0] ? x[0] : emit_repeat(t, x[0], n);
}

node_id emit_custom(struct tape *t, node_id value, const node_id *args, uint32_t n, node_id seed,
                    const node_id *formals, const node_id *gradients) {
    node_id *room = arena_alloc(t->arena, (3 * (size_t)n + 2) * sizeof *room);
    if (!tape_ok(t)) return NODE_NONE;
    if (!room)
        return tape_fail(t, ERROR_MEMORY_BUDGET, "custom_gradient: no memory for %u arguments", n);
    node_id *template = room + n + 1;
    room[0] = value;
    template[0] = seed;
    for (uint32_t k = 0; k < n; k++) {
        room[1 + k] = args[k];
        template[1 + k] = formals[k];
        template[1 + n + k] = gradients[k];
    }
    return tape_emit(t, OP_custom, room, n + 1, template, (2 * (size_t)n + 1) * sizeof *template);
}

const struct op op_custom = {.name = "custom",
                             .notation = "y = the first argument; dy/dx as the graph says",
                             .kind = OP_INTERNAL,
                             .flags = OP_VIEW,
                             .infer = infer_same,
                             .vjp = custom_vjp,
                             .jvp = custom_jvp,
                             .batch = custom_batch};
