/* A node as a call: inputs are arguments by position or by name, attributes are keyword arguments.
 * In what order nodes come is graph_nodes.c's business. */
#include "api/graph_call.h"

#include <string.h>

#include "api/expr.h"
#include "api/place.h"

struct call {
    struct builder *b;
    struct argument *args;
    size_t n, capacity;
    size_t n_inputs; /* the first arguments, that are no attributes */
};

static bool is_gradient(const struct graph_node *node) {
    const struct builtin *builtin = builtin_find(json_string(node->op));
    return builtin && strcmp(builtin->name, "grad") == 0;
}

bool call_attr_names(const struct graph_node *node, const char *attr) {
    return (strcmp(attr, "sources") == 0 || strcmp(attr, "output_gradients") == 0) &&
           is_gradient(node);
}

static bool add(struct call *c, const char *name, const struct value *v) {
    if (c->n == c->capacity) {
        const size_t wanted = c->capacity ? 2 * c->capacity : 4;
        struct argument *grown = arena_alloc(c->b->arena, wanted * sizeof *grown);
        if (!grown) return build_fail_memory(c->b);
        if (c->n) memcpy(grown, c->args, c->n * sizeof *grown);
        c->args = grown;
        c->capacity = wanted;
    }
    c->args[c->n++] = (struct argument){.name = name, .value = *v};
    return true;
}

/* A string is a name, except for the non-finite numbers; all else is as in a literal. */
static bool input_value(struct builder *b, const struct json *v, struct value *out) {
    if (json_type(v) == JSON_ARRAY) {
        struct value *items = arena_alloc(b->arena, (json_length(v) + 1) * sizeof *items);
        size_t n = 0;
        if (!items) return build_fail_memory(b);
        for (const struct json *item = json_first(v); item; item = json_next(item), n++) {
            if (!input_value(b, item, &items[n])) return error_under_index(b->error, n);
        }
        return build_list(b, items, n, out);
    }
    if (!build_literal(b, v, out)) return false;
    if (out->kind != VALUE_STRING) return true;
    return build_lookup(b, out->string, strlen(out->string), out);
}

/* Inputs of an op that takes a list of tensors are that list, unless the first is a list itself. */
static bool gather_list(struct call *c, const struct op_param *param, const struct json *first) {
    if (param->kind != PARAM_TENSORS || c->n == 0 ||
        (c->n == 1 && c->args[0].value.kind == VALUE_LIST))
        return true;
    if (json_type(first) == JSON_ARRAY || json_type(first) == JSON_NUMBERS) return true;
    struct value *items = arena_alloc(c->b->arena, c->n * sizeof *items);
    if (!items) return build_fail_memory(c->b);
    for (size_t i = 0; i < c->n; i++) items[i] = c->args[i].value;
    const size_t n = c->n;
    c->n = 1;
    return build_list(c->b, items, n, &c->args[0].value);
}

static const struct op_param *first_param(const char *op) {
    const struct builtin *builtin = builtin_find(op);
    if (builtin) return builtin->params;
    const int tag = op_find(op);
    return tag >= 0 ? op_table[tag]->params : NULL;
}

static bool add_inputs(struct call *c, const struct graph_node *node) {
    const struct json *inputs = node->inputs;
    if (!inputs) return true;
    const bool named = json_type(inputs) == JSON_OBJECT;
    if (json_type(inputs) == JSON_NUMBERS) {
        inputs = json_split(c->b->arena, inputs);
        if (!inputs) return build_fail_memory(c->b);
    }
    size_t i = 0;
    for (const struct json *v = json_first(inputs); v; v = json_next(v), i++) {
        struct value value;
        if (input_value(c->b, v, &value) && add(c, named ? json_key(v) : NULL, &value)) continue;
        return named ? error_under(c->b->error, json_key(v)) : error_under_index(c->b->error, i);
    }
    const struct op_param *param = first_param(json_string(node->op));
    if (!named && param && !gather_list(c, param, json_first(inputs))) return false;
    c->n_inputs = c->n;
    return true;
}

static bool add_attrs(struct call *c, const struct graph_node *node) {
    for (const struct json *v = node->attrs ? json_first(node->attrs) : NULL; v; v = json_next(v)) {
        const char *key = json_key(v);
        struct value value;
        const bool ok = call_attr_names(node, key) ? input_value(c->b, v, &value)
                                                   : build_literal(c->b, v, &value);
        if (!ok || !add(c, key, &value)) return error_under(c->b->error, key);
    }
    return true;
}

/* {"op":"getitem","inputs":["x"],"attrs":{"index":"0, 1:3"}} */
static bool call_getitem(struct call *c, struct value *out) {
    const struct argument *x = NULL, *index = NULL;
    for (size_t i = 0; i < c->n; i++) {
        if (c->args[i].name && strcmp(c->args[i].name, "index") == 0)
            index = &c->args[i];
        else if (!x && (!c->args[i].name || strcmp(c->args[i].name, "x") == 0))
            x = &c->args[i];
        else
            return error_set(c->b->error, ERROR_INVALID_ARGUMENT,
                             "getitem takes one input, x, and the attribute index");
    }
    if (!x || !index) {
        return error_set(c->b->error, ERROR_INVALID_ARGUMENT, "getitem: the %s is missing",
                         x ? "attribute \"index\"" : "input");
    }
    struct index_item items[INDEX_ITEMS_MAX];
    size_t n = 1;
    if (index->value.kind == VALUE_INT) {
        items[0] = (struct index_item){.kind = INDEX_AT, .at = {index->value.i}};
    } else if (index->value.kind != VALUE_STRING) {
        return error_set(c->b->error, ERROR_INVALID_ARGUMENT,
                         "getitem: index must be a string such as \"0, 1:3, ..., None\", found %s",
                         value_kind_name(&index->value));
    } else if (!expr_subscript(c->b, index->value.string, items, &n)) {
        error_under(c->b->error, "index");
        return error_under(c->b->error, "attrs");
    }
    return build_index(c->b, &x->value, items, n, out);
}

static bool define_one(struct builder *b, const char *id, const struct value *v) {
    bool added;
    struct name *entry = names_add(&b->names, id, strlen(id), &added);
    if (!entry) return build_fail_memory(b);
    entry->place = 0;
    entry->value = *v;
    return true;
}

static bool define(struct builder *b, struct graph_node *node) {
    if (json_type(node->id) == JSON_STRING) {
        /* One id stands for the gradient by one source, not for a list of it. */
        if (is_gradient(node) && node->value.kind == VALUE_LIST && node->value.n == 1)
            node->value = node->value.items[0];
        return define_one(b, json_string(node->id), &node->value);
    }
    const size_t n = json_length(node->id);
    struct value *values = arena_alloc(b->arena, n * sizeof *values);
    if (!values) return build_fail_memory(b);
    if (n == 1 && node->value.kind != VALUE_LIST)
        values[0] = node->value;
    else if (!build_unpack(b, &node->value, n, values))
        return error_under(b->error, "id");
    size_t i = 0;
    for (const struct json *id = json_first(node->id); id; id = json_next(id)) {
        if (!define_one(b, json_string(id), &values[i++])) return false;
    }
    if (!build_list(b, values, n, &node->value)) return false;
    return node->value.results = true;
}

/* Says which argument a failed call is about, where it is about one. */
static bool fail_call(struct call *c) {
    struct error *e = c->b->error;
    if (e->code == ERROR_UNKNOWN_OP) return error_under(e, "op");
    for (size_t i = 0; i < c->n; i++) {
        const struct argument *arg = &c->args[i];
        if (c->b->blamed != &arg->value) continue;
        if (arg->name)
            error_under(e, arg->name);
        else
            error_under_index(e, i);
        return error_under(e, i < c->n_inputs ? "inputs" : "attrs");
    }
    return false;
}

bool call_node(struct builder *b, struct graph_node *node) {
    struct call c = {.b = b};
    const char *op = json_string(node->op);
    if (!add_inputs(&c, node)) return error_under(b->error, "inputs");
    if (!add_attrs(&c, node)) return error_under(b->error, "attrs");
    const bool ok = strcmp(op, "getitem") == 0 ? call_getitem(&c, &node->value)
                                               : build_call(b, op, c.args, c.n, &node->value);
    return ok ? define(b, node) : fail_call(&c);
}
