/* Node lists: members and ids, an order in which every node comes after its inputs, cycles. How one
 * node becomes a call is graph_call.c's business. */
#include "api/graph_nodes.h"

#include <stdio.h>
#include <string.h>

#include "api/expr.h"
#include "api/graph_call.h"
#include "api/place.h"

enum visit { NEW, OPEN, DONE };

struct graph {
    struct builder *b;
    struct names ids; /* place: index of the node */
    struct graph_node *nodes;
    uint32_t n;
    uint32_t *refs; /* indices of the nodes that inputs name, node after node */
    size_t n_refs, refs_capacity;
};

static bool fail_member(struct graph *g, const char *key) {
    static const char *const members[] = {"id", "op", "inputs", "attrs"};
    const char *near = name_nearest(key, members, 4);
    error_set(g->b->error, ERROR_INVALID_REQUEST,
              "unknown member \"%.80s\"; %s%s%sccepted: id, op, inputs, attrs", key,
              near ? "did you mean \"" : "", near ? near : "", near ? "\"? A" : "a");
    return error_under(g->b->error, key);
}

static bool fail_type(struct graph *g, const struct json *v, const char *name, const char *wants) {
    if (!v) return error_set(g->b->error, ERROR_INVALID_REQUEST, "member \"%s\" is missing", name);
    error_set(g->b->error, ERROR_INVALID_REQUEST, "expected %s, found %s", wants,
              json_type_name(v));
    return error_under(g->b->error, name);
}

static bool read_members(struct graph *g, const struct json *v, struct graph_node *node) {
    if (json_type(v) != JSON_OBJECT) {
        return error_set(g->b->error, ERROR_INVALID_REQUEST, "expected an object, found %s",
                         json_type_name(v));
    }
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        const char *key = json_key(m);
        if (strcmp(key, "id") == 0)
            node->id = m;
        else if (strcmp(key, "op") == 0)
            node->op = m;
        else if (strcmp(key, "inputs") == 0)
            node->inputs = m;
        else if (strcmp(key, "attrs") == 0)
            node->attrs = m;
        else
            return fail_member(g, key);
    }
    if (!node->id || (json_type(node->id) != JSON_STRING && json_type(node->id) != JSON_ARRAY)) {
        return fail_type(g, node->id, "id", "a name or a list of names");
    }
    if (!node->op || json_type(node->op) != JSON_STRING)
        return fail_type(g, node->op, "op", "the name of an op");
    const enum json_type inputs = node->inputs ? json_type(node->inputs) : JSON_ARRAY;
    if (inputs != JSON_ARRAY && inputs != JSON_NUMBERS && inputs != JSON_OBJECT) {
        return fail_type(g, node->inputs, "inputs", "a list, or an object by argument name");
    }
    if (node->attrs && json_type(node->attrs) != JSON_OBJECT)
        return fail_type(g, node->attrs, "attrs", "an object");
    return true;
}

static bool fail_twice(struct graph *g, const char *id) {
    error_set(g->b->error, ERROR_DUPLICATE_NAME, "\"%.80s\" is the id of two nodes", id);
    snprintf(g->b->error->node, sizeof g->b->error->node, "%s", id);
    return false;
}

static bool add_id(struct graph *g, const struct json *id, uint32_t index) {
    const char *text = json_type(id) == JSON_STRING ? json_string(id) : "";
    bool added;
    if (!expr_is_name(text)) {
        if (json_type(id) != JSON_STRING) {
            return error_set(g->b->error, ERROR_INVALID_REQUEST, "expected a name, found %s",
                             json_type_name(id));
        }
        return error_set(g->b->error, ERROR_INVALID_REQUEST,
                         "\"%.80s\" is not a name; names match [A-Za-z_][A-Za-z0-9_]*", text);
    }
    struct name *entry = names_find(&g->b->names, text, strlen(text));
    if (entry && entry->place != PLACE_TENSOR) return build_fail_bound(g->b, entry);
    entry = names_add(&g->ids, text, strlen(text), &added);
    if (!entry) return build_fail_memory(g->b);
    if (!added) {
        return fail_twice(g, text);
    }
    entry->place = index;
    if (!g->nodes[index].label) g->nodes[index].label = text;
    return true;
}

static bool add_ids(struct graph *g, uint32_t index) {
    const struct json *id = g->nodes[index].id;
    if (json_type(id) == JSON_STRING) return add_id(g, id, index) || error_under(g->b->error, "id");
    if (!json_first(id)) return fail_type(g, id, "id", "a name or a list of names");
    size_t i = 0;
    for (id = json_first(id); id; id = json_next(id), i++) {
        if (!add_id(g, id, index)) {
            error_under_index(g->b->error, i);
            return error_under(g->b->error, "id");
        }
    }
    return true;
}

static bool add_ref(struct graph *g, uint32_t index) {
    if (g->n_refs == g->refs_capacity) {
        const size_t wanted = g->refs_capacity ? 2 * g->refs_capacity : 64;
        uint32_t *grown = arena_alloc(g->b->arena, wanted * sizeof *grown);
        if (!grown) return build_fail_memory(g->b);
        if (g->n_refs) memcpy(grown, g->refs, g->n_refs * sizeof *grown);
        g->refs = grown;
        g->refs_capacity = wanted;
    }
    g->refs[g->n_refs++] = index;
    return true;
}

/* Finds the nodes that a value names, in lists of any depth. Names of bindings are no concern here,
 * and an object is a typed tensor. */
static bool collect_refs(struct graph *g, const struct json *v) {
    if (json_type(v) == JSON_STRING) {
        const char *text = json_string(v);
        const struct name *entry = names_find(&g->ids, text, strlen(text));
        return !entry || add_ref(g, entry->place);
    }
    if (json_type(v) != JSON_ARRAY) return true;
    for (v = json_first(v); v; v = json_next(v)) {
        if (!collect_refs(g, v)) return false;
    }
    return true;
}

static bool collect_node_refs(struct graph *g, struct graph_node *node) {
    node->first_ref = g->n_refs;
    const bool listed = node->inputs && json_type(node->inputs) != JSON_NUMBERS;
    for (const struct json *m = listed ? json_first(node->inputs) : NULL; m; m = json_next(m)) {
        if (!collect_refs(g, m)) return false;
    }
    for (const struct json *m = node->attrs ? json_first(node->attrs) : NULL; m; m = json_next(m)) {
        if (call_attr_names(node, json_key(m)) && !collect_refs(g, m)) return false;
    }
    node->n_refs = g->n_refs - node->first_ref;
    return true;
}

static bool read_nodes(struct graph *g, const struct json *list) {
    const size_t n = json_length(list);
    g->nodes = n < UINT32_MAX ? arena_zalloc(g->b->arena, (n + 1) * sizeof *g->nodes) : NULL;
    if (!g->nodes) return build_fail_memory(g->b);
    g->n = (uint32_t)n;
    uint32_t i = 0;
    for (const struct json *v = json_first(list); v; v = json_next(v), i++) {
        if (!read_members(g, v, &g->nodes[i]) || !add_ids(g, i))
            return error_under_index(g->b->error, i);
    }
    for (i = 0; i < g->n; i++) {
        if (!collect_node_refs(g, &g->nodes[i])) return false;
    }
    return true;
}

/* "a -> b -> a"; a long cycle is cut in the middle. */
static bool fail_cycle(struct graph *g, const uint32_t *path, size_t n) {
    enum { SHOWN = 8, NAME = 40 };
    char text[(SHOWN + 1) * (NAME + 4) + 8];
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (n > SHOWN && i == SHOWN / 2) {
            at += (size_t)snprintf(text + at, sizeof text - at, "... -> ");
            i = n - SHOWN / 2;
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "%.*s -> ", NAME,
                               g->nodes[path[i]].label);
    }
    snprintf(text + at, sizeof text - at, "%.*s", NAME, g->nodes[path[0]].label);
    error_set(g->b->error, ERROR_CYCLE, "the nodes form a cycle: %s", text);
    snprintf(g->b->error->node, sizeof g->b->error->node, "%s", g->nodes[path[0]].label);
    return error_under_index(g->b->error, path[0]);
}

static bool emit_node(struct graph *g, uint32_t index) {
    struct graph_node *node = &g->nodes[index];
    if (call_node(g->b, node)) return true;
    struct error *e = g->b->error;
    if (!e->node[0]) snprintf(e->node, sizeof e->node, "%s", node->label);
    return error_under_index(e, index);
}

/* Depth first with a stack of its own, in the order of the list where that is an order already. */
static bool emit_from(struct graph *g, uint32_t root, uint32_t *stack) {
    size_t depth = 0;
    stack[depth++] = root;
    g->nodes[root].visit = OPEN;
    while (depth) {
        struct graph_node *node = &g->nodes[stack[depth - 1]];
        if (node->visited == node->n_refs) {
            if (!emit_node(g, stack[--depth])) return false;
            node->visit = DONE;
            continue;
        }
        const uint32_t next = g->refs[node->first_ref + node->visited++];
        if (g->nodes[next].visit == OPEN) {
            size_t from = depth - 1;
            while (stack[from] != next) from--;
            return fail_cycle(g, stack + from, depth - from);
        }
        if (g->nodes[next].visit == NEW) {
            g->nodes[next].visit = OPEN;
            stack[depth++] = next;
        }
    }
    return true;
}

static bool emit_all(struct graph *g, struct value *last) {
    uint32_t *stack = arena_alloc(g->b->arena, (g->n + 1) * sizeof *stack);
    if (!stack) return build_fail_memory(g->b);
    for (uint32_t i = 0; i < g->n; i++) {
        if (g->nodes[i].visit == NEW && !emit_from(g, i, stack)) return false;
    }
    *last = g->n ? g->nodes[g->n - 1].value : value_none();
    return true;
}

bool nodes_build(struct builder *b, const struct json *object, struct value *last) {
    struct graph g = {.b = b};
    const struct json *list = NULL;
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        if (strcmp(json_key(m), "nodes") != 0) {
            error_set(b->error, ERROR_INVALID_REQUEST, "unknown member \"%.80s\"; accepted: nodes",
                      json_key(m));
            return error_under(b->error, json_key(m));
        }
        list = m;
    }
    if (!list || json_type(list) != JSON_ARRAY)
        return fail_type(&g, list, "nodes", "a list of nodes");
    names_init(&g.ids, b->arena, b->names.seed);
    return (read_nodes(&g, list) && emit_all(&g, last)) || error_under(b->error, "nodes");
}
