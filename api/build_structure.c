/* Structures of values: settled to nodes, flattened for the passes over the tape, and packed again
 * as they were. What the nodes compute is of no interest here. */
#include "api/build.h"

static bool settle_items(struct builder *b, const struct value *v, bool stack, struct value *out) {
    struct value *items = arena_alloc(b->arena, (v->n + 1) * sizeof *items);
    if (!items) return build_fail_memory(b);
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->kind == VALUE_OBJECT && i % 2 == 0)
            items[i] = v->items[i];
        else if (!build_settle(b, &v->items[i], stack, &items[i]))
            return false;
    }
    if (v->kind == VALUE_OBJECT) return build_object(b, items, v->n, out);
    if (!build_list(b, items, v->n, out)) return false;
    out->results = v->results || !stack;
    return true;
}

bool build_settle(struct builder *b, const struct value *v, bool stack, struct value *out) {
    if (v->kind == VALUE_NODE || v->kind == VALUE_MISSING) {
        *out = *v;
        return true;
    }
    if (v->kind == VALUE_OBJECT || (v->kind == VALUE_LIST && (v->results || !stack))) {
        return settle_items(b, v, stack, out);
    }
    enum dtype dtype;
    if (!build_find_dtype(b, v, &dtype)) dtype = build_all_bools(v) ? DTYPE_BOOL : b->dtype;
    node_id node;
    if (!build_node(b, v, dtype, &node)) return false;
    *out = value_node(node);
    return true;
}

void build_flatten(const struct value *v, node_id **at) {
    if (v->kind != VALUE_LIST && v->kind != VALUE_OBJECT) {
        *(*at)++ = v->kind == VALUE_NODE ? v->node : NODE_NONE;
        return;
    }
    for (uint32_t i = v->kind == VALUE_OBJECT; i < v->n; i += v->kind == VALUE_OBJECT ? 2 : 1) {
        build_flatten(&v->items[i], at);
    }
}

static bool pack_leaf(struct builder *b, const struct value *like, bool zero, node_id leaf,
                      struct value *out) {
    const node_id source = like->kind == VALUE_NODE ? like->node : NODE_NONE;
    if (leaf == NODE_NONE && zero && source != NODE_NONE) {
        leaf = tape_fill(&b->tape, tape_dtype(&b->tape, source), tape_shape(&b->tape, source), 0);
        if (leaf == NODE_NONE) return false;
    }
    *out = value_node(leaf);
    if (leaf == NODE_NONE) *out = (struct value){.kind = VALUE_MISSING};
    return true;
}

bool build_pack(struct builder *b, const struct value *like, bool zero, const node_id **leaves,
                struct value *out) {
    if (like->kind != VALUE_LIST && like->kind != VALUE_OBJECT) {
        return pack_leaf(b, like, zero, *(*leaves)++, out);
    }
    struct value *items = arena_alloc(b->arena, (like->n + 1) * sizeof *items);
    if (!items) return build_fail_memory(b);
    for (uint32_t i = 0; i < like->n; i++) {
        if (like->kind == VALUE_OBJECT && i % 2 == 0)
            items[i] = like->items[i];
        else if (!build_pack(b, &like->items[i], zero, leaves, &items[i]))
            return false;
    }
    if (like->kind == VALUE_OBJECT) return build_object(b, items, like->n, out);
    if (!build_list(b, items, like->n, out)) return false;
    out->results = true;
    return true;
}

bool build_seed(struct builder *b, const struct value *v, node_id target, node_id *seed) {
    if (v->kind == VALUE_NONE) return build_fail_not_tensor(b, v);
    const enum dtype dtype = tape_dtype(&b->tape, target);
    if (!build_node(b, v, dtype, seed)) return false;
    if (tape_dtype(&b->tape, *seed) != dtype) {
        return error_set(b->error, ERROR_DTYPE_MISMATCH,
                         "the output gradient has dtype %s, expected %s",
                         dtype_name(tape_dtype(&b->tape, *seed)), dtype_name(dtype));
    }
    const struct shape *has = tape_shape(&b->tape, *seed), *wants = tape_shape(&b->tape, target);
    if (!shape_equal(has, wants)) {
        char has_text[SHAPE_TEXT], wants_text[SHAPE_TEXT];
        const char *name = build_name_of(b, target);
        return error_set(b->error, ERROR_SHAPE_MISMATCH,
                         "the output gradient%s%.80s%s has shape %s, expected %s",
                         name ? " of \"" : "", name ? name : "", name ? "\"" : "",
                         shape_text(has, has_text), shape_text(wants, wants_text));
    }
    return true;
}

bool build_seeds(struct builder *b, const struct value *v, const struct value *targets,
                 node_id **seeds) {
    if (targets->kind == VALUE_NODE) return build_seed(b, v, targets->node, (*seeds)++);
    struct value list;
    if (v->kind == VALUE_NUMBERS) {
        if (!build_elements(b, v->numbers, &list)) return false;
        v = &list;
    }
    if (v->kind != VALUE_LIST || v->n > targets->n) {
        return error_set(
            b->error, ERROR_INVALID_ARGUMENT,
            "output_gradients must have the structure of the target, a list of %u; found %s",
            targets->n, v->kind == VALUE_LIST ? "a longer list" : value_kind_name(v));
    }
    for (uint32_t i = 0; i < v->n; i++) {
        if (!build_seeds(b, &v->items[i], &targets->items[i], seeds)) return false;
    }
    for (uint32_t i = v->n; i < targets->n; i++) build_no_seeds(&targets->items[i], seeds);
    return true;
}

void build_no_seeds(const struct value *targets, node_id **seeds) {
    for (size_t n = build_leaves(targets); n > 0; n--) *(*seeds)++ = NODE_NONE;
}
