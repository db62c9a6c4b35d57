/* One extra leading axis through a program: every node that depends on a batched value is emitted
 * once more by its op's batch rule. Pointwise ops need none: their arguments are aligned here. */
#include <string.h>

#include "core/emit.h"

static node_id batched_node(struct tape *t, node_id y, node_id *x, const bool *batched, int64_t n) {
    const struct node node = *tape_node(t, y);
    const struct op *op = op_table[node.op];
    if (op->batch) return op->batch(t, y, x, batched, n);
    for (uint32_t i = 0; i < node.n_args; i++)
        if (batched[i]) x[i] = emit_align_batched(t, x[i], node.shape->rank + 1);
    return tape_emit(t, node.op, x, node.n_args, node.attrs, node.attrs_size);
}

bool tape_batch(struct tape *t, const node_id *from, const node_id *to, size_t n_from,
                const node_id *outputs, size_t n_outputs, node_id *batched) {
    node_id first = NODE_NONE, last = 0;
    memcpy(batched, outputs, n_outputs * sizeof *outputs);
    if (!tape_ok(t)) return false;
    for (size_t i = 0; i < n_from; i++)
        if (from[i] < first) first = from[i];
    for (size_t i = 0; i < n_outputs; i++)
        if (outputs[i] > last) last = outputs[i];
    if (n_outputs == 0 || first > last) return true;

    uint32_t n = last - first + 1;
    node_id *image = arena_alloc(t->arena, n * sizeof *image);
    uint8_t *wanted = arena_zalloc(t->arena, n);
    if (!image || !wanted) {
        tape_fail(t, ERROR_MEMORY_BUDGET, "the batch needs more than the %zu bytes a request may take",
                  t->arena->ceiling);
        return false;
    }
    memset(image, 0xFF, n * sizeof *image);
    tape_mark_ancestors(t, first, n, outputs, n_outputs, wanted);
    int64_t length = n_from ? tape_shape(t, to[0])->dim[0] : 1;
    for (size_t i = 0; i < n_from; i++)
        if (from[i] <= last) image[from[i] - first] = to[i];

    for (uint32_t k = 0; k < n && tape_ok(t); k++) {
        node_id y = first + k;
        uint32_t n_args = tape_node(t, y)->n_args;
        if (!wanted[k] || image[k] != NODE_NONE || n_args == 0) continue;
        node_id *x = arena_alloc(t->arena, n_args * sizeof *x);
        bool *is_batched = arena_alloc(t->arena, n_args * sizeof *is_batched), any = false;
        if (!x || !is_batched) {
            tape_fail(t, ERROR_MEMORY_BUDGET, "the batch needs more memory than a request may take");
            return false;
        }
        for (uint32_t i = 0; i < n_args; i++) {
            node_id arg = tape_arg(t, y, i);
            is_batched[i] = arg >= first && image[arg - first] != NODE_NONE;
            x[i] = is_batched[i] ? image[arg - first] : arg;
            any = any || is_batched[i];
        }
        if (any) image[k] = batched_node(t, y, x, is_batched, length);
    }
    for (size_t i = 0; i < n_outputs; i++)
        if (outputs[i] >= first && image[outputs[i] - first] != NODE_NONE)
            batched[i] = image[outputs[i] - first];
    return tape_ok(t);
}
