/* Forward mode, graph to graph: the tangent of every node that depends on a primal, by the ops' own
 * rules. Linear ops are their own tangent; pointwise ops use the partials that reverse mode uses. */
#include <string.h>

#include "core/emit.h"

/* Sum over arguments of tangent times partial, in the shape of y. */
static node_id pointwise_tangent(struct tape *t, const struct op *op, node_id y, const node_id *x_dot,
                                 uint32_t n_args) {
    node_id sum = NODE_NONE;
    for (uint32_t i = 0; i < n_args; i++) {
        node_id part = x_dot[i] == NODE_NONE ? NODE_NONE : op->partial(t, y, i, x_dot[i]);
        if (part == NODE_NONE) continue;
        sum = sum == NODE_NONE ? part : emit_add(t, sum, part);
    }
    return sum == NODE_NONE ? NODE_NONE : emit_broadcast_to(t, sum, tape_shape(t, y));
}

/* The op itself on the tangents; arguments without one count as zero. */
static node_id linear_tangent(struct tape *t, node_id y, node_id *x_dot, uint32_t n_args) {
    for (uint32_t i = 0; i < n_args; i++)
        if (x_dot[i] == NODE_NONE) x_dot[i] = emit_zeros_like(t, tape_arg(t, y, i));
    const struct node n = *tape_node(t, y);
    return tape_emit(t, n.op, x_dot, n_args, n.attrs, n.attrs_size);
}

static node_id tangent_of(struct tape *t, node_id y, node_id *x_dot, uint32_t n_args) {
    const struct op *op = op_of(tape_node(t, y));
    if (!dtype_is_float(tape_dtype(t, y))) return NODE_NONE;
    if (op->partial) return pointwise_tangent(t, op, y, x_dot, n_args);
    if (op->flags & OP_LINEAR) return linear_tangent(t, y, x_dot, n_args);
    return op->jvp ? op->jvp(t, y, x_dot) : NODE_NONE;
}

bool tape_jvp(struct tape *t, const node_id *primals, const node_id *tangents, size_t n_primals,
              const node_id *outputs, size_t n_outputs, node_id *derivatives) {
    node_id first = NODE_NONE, last = 0;
    for (size_t i = 0; i < n_outputs; i++) derivatives[i] = NODE_NONE;
    if (!tape_ok(t)) return false;
    for (size_t i = 0; i < n_primals; i++)
        if (primals[i] < first) first = primals[i];
    for (size_t i = 0; i < n_outputs; i++)
        if (outputs[i] > last) last = outputs[i];
    if (n_outputs == 0 || first > last) return true;

    uint32_t n = last - first + 1;
    node_id *dot = arena_alloc(t->arena, n * sizeof *dot);
    uint8_t *wanted = arena_zalloc(t->arena, n);
    if (!dot || !wanted) {
        tape_fail(t, ERROR_MEMORY_BUDGET, "the derivative needs more than the %zu bytes a request may take",
                  t->arena->ceiling);
        return false;
    }
    if (!tape_walk(t, 2 * (int64_t)n)) return false;
    memset(dot, 0xFF, n * sizeof *dot);
    tape_mark_ancestors(t, first, n, outputs, n_outputs, wanted);
    for (size_t i = 0; i < n_primals; i++)
        if (primals[i] <= last) dot[primals[i] - first] = tangents[i];

    for (uint32_t k = 0; k < n && tape_ok(t); k++) {
        node_id y = first + k;
        uint32_t n_args = tape_node(t, y)->n_args;
        if (!wanted[k] || dot[k] != NODE_NONE || op_of(tape_node(t, y))->flags & OP_UNRECORDED) continue;
        node_id few[NODE_INLINE_ARGS], *x_dot = few;
        if (n_args > NODE_INLINE_ARGS && !(x_dot = arena_alloc(t->arena, n_args * sizeof *x_dot))) {
            tape_fail(t, ERROR_MEMORY_BUDGET, "the derivative needs more memory than a request may take");
            return false;
        }
        bool any = false;
        for (uint32_t i = 0; i < n_args; i++) {
            node_id x = tape_arg(t, y, i);
            x_dot[i] = x >= first ? dot[x - first] : NODE_NONE;
            any = any || x_dot[i] != NODE_NONE;
        }
        if (any) dot[k] = tangent_of(t, y, x_dot, n_args);
    }
    for (size_t i = 0; i < n_outputs; i++)
        if (outputs[i] >= first) derivatives[i] = dot[outputs[i] - first];
    return tape_ok(t);
}
