/* Sparse Jacobians and Hessians: the blocks of core/sparse.c in the structure of the sources, each with its shape, its
 * indices and its values. */
#include "api/sparse.h"

/* A block that is answered; null where it is none and zeros are not wanted. */
static bool block_value(struct oneshot *o, struct sparse *s, node_id y, node_id x,
                        struct value *out) {
    struct tape *t = &o->b.tape;
    *out = value_none();
    if (!s->connected) {
        if (!o->request.zero_unconnected) return true;
        if (!sparse_zero(t, y, x, s)) return false;
    }
    struct value *shape = arena_alloc(&o->arena, ((size_t)s->rank + 1) * sizeof *shape);
    struct value *items = arena_alloc(&o->arena, 6 * sizeof *items);
    if (!shape || !items) return build_fail_memory(&o->b);
    for (int i = 0; i < s->rank; i++) shape[i] = value_int(s->dim[i]);
    items[0] = value_string("shape");
    items[2] = value_string("indices");
    items[3] = value_node(s->indices);
    items[4] = value_string("values");
    items[5] = value_node(s->values);
    return build_list(&o->b, shape, (uint32_t)s->rank, &items[1]) &&
           build_object(&o->b, items, 6, out) && tape_ok(t);
}

bool sparse_jacobian(struct oneshot *o, const struct window *w, node_id target,
                     const node_id *sources, size_t n, struct value *leaves) {
    struct sparse *blocks = arena_alloc(&o->arena, (n + 1) * sizeof *blocks);
    if (!blocks) return build_fail_memory(&o->b);
    if (!tape_sparse_jacobian(&o->b.tape, w, target, sources, n, blocks)) return false;
    for (size_t i = 0; i < n; i++)
        if (!block_value(o, &blocks[i], target, sources[i], &leaves[i])) return false;
    return true;
}

bool sparse_hessian(struct oneshot *o, const struct window *w, const node_id *gradients,
                    const node_id *sources, size_t n, struct value *leaves) {
    struct sparse *blocks = arena_alloc(&o->arena, (n * n + 1) * sizeof *blocks);
    if (!blocks) return build_fail_memory(&o->b);
    if (!tape_sparse_hessian(&o->b.tape, w, gradients, sources, n, blocks)) return false;
    for (size_t i = 0; i < n * n; i++)
        if (!block_value(o, &blocks[i], sources[i / n], sources[i % n], &leaves[i])) return false;
    return true;
}
