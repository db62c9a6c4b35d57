/* The tape itself: nodes, their arguments, and the checks that every emit goes through. What an op
 * means it learns from the op table; of derivatives it knows nothing. */
#include "core/tape.h"

#include <inttypes.h>
#include <string.h>

#include "core/emit.h"

void tape_init(struct tape *t, struct arena *arena, struct error *error,
               struct tape_limits limits) {
    *t = (struct tape){.arena = arena, .error = error, .limits = limits};
}

node_id tape_fail(struct tape *t, enum error_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_vset(t->error, code, format, args);
    va_end(args);
    return NODE_NONE;
}

static node_id fail_memory(struct tape *t) {
    tape_fail_memory(t, "the graph");
    return NODE_NONE;
}

bool tape_walk(struct tape *t, int64_t n) {
    t->walked += n;
    if (t->walked <= t->limits.walk) return true;
    tape_fail(t, ERROR_TOO_MUCH_WORK, "walking this graph visits more than %" PRId64 " nodes",
              t->limits.walk);
    return false;
}

void tape_mark_ancestors(const struct tape *t, node_id first, uint32_t n, const node_id *outputs,
                         size_t n_outputs, uint8_t *flags) {
    for (size_t i = 0; i < n_outputs; i++)
        if (outputs[i] >= first && outputs[i] - first < n) flags[outputs[i] - first] |= 1;
    for (uint32_t k = n; k-- > 0;) {
        if (!(flags[k] & 1)) continue;
        const struct node *node = tape_node(t, first + k);
        const node_id *args = node_args(t, node);
        for (uint32_t i = 0; i < node->n_args; i++)
            if (args[i] >= first) flags[args[i] - first] |= 1;
    }
}

/* Doubles an array that lives in the arena; the old copy stays there until the arena goes. */
static void *grown(struct tape *t, const void *old, uint32_t count, uint32_t *capacity,
                   size_t size) {
    uint32_t wanted = *capacity ? *capacity * 2 : 64;
    void *array = arena_alloc(t->arena, wanted * size);
    if (!array) return NULL;
    if (count) memcpy(array, old, count * size);
    *capacity = wanted;
    return array;
}

bool tape_keep_args(struct tape *t, struct node *n, const node_id *args, uint32_t n_args) {
    n->n_args = n_args;
    if (n_args <= NODE_INLINE_ARGS) {
        for (uint32_t i = 0; i < n_args; i++) n->arg[i] = args[i];
        return true;
    }
    while (t->pool_capacity - t->n_pool < n_args) {
        node_id *pool = grown(t, t->arg_pool, t->n_pool, &t->pool_capacity, sizeof *pool);
        if (!pool) return false;
        t->arg_pool = pool;
    }
    memcpy(t->arg_pool + t->n_pool, args, n_args * sizeof *args);
    n->arg[0] = t->n_pool;
    t->n_pool += n_args;
    return true;
}

/* Finds dtype and shape by the op's rule. Shapes are shared between nodes where they are equal. */
static bool infer(struct tape *t, struct node *n, const struct op *op) {
    const struct node *first = n->n_args ? tape_node(t, node_args(t, n)[0]) : NULL;
    struct shape shape = {.rank = 0};
    enum dtype dtype = DTYPE_F32;
    if (first) {
        shape.rank = first->shape->rank;
        for (int i = 0; i < shape.rank; i++) shape.dim[i] = first->shape->dim[i];
        dtype = (enum dtype)first->dtype;
    }
    if (first && !infer_has_kernel(t, n)) return false;
    if (!op->infer(t, n, &shape, &dtype)) return false;
    n->dtype = (uint8_t)dtype;
    if (shape.rank == 0) {
        n->shape = &shape_scalar;
        return true;
    }
    if (first && shape_equal(&shape, first->shape)) {
        n->shape = first->shape;
        return true;
    }
    int64_t count;
    if (!shape_count_within(&shape, t->limits.elements, &count)) {
        char text[SHAPE_TEXT];
        tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                  "%s: a result of shape %s has more than the %" PRId64
                  " elements a tensor may have",
                  op->name, shape_text(&shape, text), t->limits.elements);
        return false;
    }
    struct shape *kept = arena_alloc(t->arena, sizeof *kept);
    if (!kept) return tape_fail_memory(t, "the graph");
    *kept = shape;
    n->shape = kept;
    return true;
}

node_id tape_append(struct tape *t, const struct node *n) {
    if (t->count >= t->limits.nodes) {
        return tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                         "the graph has more than the %" PRIu32
                         " nodes a graph may have, derivatives included",
                         t->limits.nodes);
    }
    if (t->count == t->capacity) {
        struct node *nodes = grown(t, t->nodes, t->count, &t->capacity, sizeof *nodes);
        if (!nodes) return fail_memory(t);
        t->nodes = nodes;
    }
    t->nodes[t->count] = *n;
    return t->count++;
}

node_id tape_emit(struct tape *t, int op, const node_id *args, uint32_t n_args, const void *attrs,
                  size_t attrs_size) {
    if (!tape_ok(t)) return NODE_NONE;
    for (uint32_t i = 0; i < n_args; i++) {
        if (args[i] == NODE_NONE) return NODE_NONE;
    }
    struct node n = {.op = (uint16_t)op, .attrs_size = (uint32_t)attrs_size};
    uint32_t pool = t->n_pool;
    if (!tape_keep_args(t, &n, args, n_args)) return fail_memory(t);
    if (attrs_size) {
        void *copy = arena_alloc(t->arena, attrs_size);
        if (!copy) return fail_memory(t);
        n.attrs = memcpy(copy, attrs, attrs_size);
    }
    node_id id = infer(t, &n, op_table[op]) ? tape_append(t, &n) : NODE_NONE;
    if (id == NODE_NONE) t->n_pool = pool;
    return id;
}

static node_id leaf(struct tape *t, int op, enum dtype dtype, const struct shape *shape,
                    const void *data, size_t size) {
    if (!tape_ok(t)) return NODE_NONE;
    struct node n = {.op = (uint16_t)op, .dtype = (uint8_t)dtype, .shape = &shape_scalar};
    if (shape->rank) {
        struct shape *kept = arena_alloc(t->arena, sizeof *kept);
        if (!kept) return fail_memory(t);
        *kept = *shape;
        n.shape = kept;
    }
    if (size) {
        void *copy = arena_alloc(t->arena, size);
        if (!copy) return fail_memory(t);
        n.attrs = memcpy(copy, data, size);
        n.attrs_size = (uint32_t)size;
    }
    return tape_append(t, &n);
}

node_id tape_input(struct tape *t, enum dtype dtype, const struct shape *shape) {
    return leaf(t, OP_input, dtype, shape, NULL, 0);
}

node_id tape_const(struct tape *t, enum dtype dtype, const struct shape *shape, const void *data) {
    size_t size = (size_t)shape_count(shape) * dtype_size(dtype);
    if (size > UINT32_MAX) return fail_memory(t);
    return leaf(t, OP_const, dtype, shape, data, size);
}

node_id tape_scalar(struct tape *t, enum dtype dtype, double value) {
    union {
        float f32;
        double f64;
        int32_t i32;
        int64_t i64;
        uint8_t b;
    } x;
    switch (dtype) {
    case DTYPE_F32:
        x.f32 = (float)value;
        break;
    case DTYPE_F64:
        x.f64 = value;
        break;
    case DTYPE_I32:
        x.i32 = (int32_t)value;
        break;
    case DTYPE_I64:
        x.i64 = (int64_t)value;
        break;
    case DTYPE_BOOL:
    case DTYPE_COUNT:
        x.b = value != 0;
        break;
    }
    return tape_const(t, dtype, &shape_scalar, &x);
}

node_id tape_fill(struct tape *t, enum dtype dtype, const struct shape *shape, double value) {
    return emit_broadcast_to(t, tape_scalar(t, dtype, value), shape);
}
