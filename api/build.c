/* Names and calls: finds what a name means, and emits what is called. What an op computes it does not know,
 * nor how arguments become what it takes. */
#include "api/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/build_bind.h"
#include "api/place.h"
#include "core/emit.h"

/* Passes over a tape may visit each node this often: nested derivatives, in numbers that a user
 * could mean. */
enum { WALKS_PER_NODE = 64 };

void build_init(struct builder *b, struct arena *arena, struct error *error,
                const struct service_limits *limits, enum dtype dtype, uint64_t seed) {
    b->arena = arena;
    b->error = error;
    b->limits = limits;
    b->dtype = dtype;
    b->blamed = NULL;
    b->read = NULL;
    b->reader = NULL;
    b->guesses = false;
    b->begin = 0;
    names_init(&b->names, arena, seed);
    const uint32_t nodes =
        limits->max_nodes < UINT32_MAX ? (uint32_t)limits->max_nodes : UINT32_MAX - 1;
    tape_init(&b->tape, arena, error,
              (struct tape_limits){.nodes = nodes,
                                   .elements = limits->max_elements,
                                   .walk = (int64_t)nodes * WALKS_PER_NODE});
}

/* Names that mean something where nothing is bound to them. */
static bool well_known(const char *text, size_t length, struct value *out) {
    static const char *const prefixes[] = {"tf.", "np.", "math.", "numpy."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        const size_t n = strlen(prefixes[i]);
        if (length > n && memcmp(text, prefixes[i], n) == 0) {
            text += n;
            length -= n;
            break;
        }
    }
    if (length == 0 || length > 8) return false;
    char name[9];
    memcpy(name, text, length);
    name[length] = '\0';
    enum dtype dtype;
    if (strcmp(name, "pi") == 0)
        *out = value_float(3.14159265358979323846);
    else if (strcmp(name, "e") == 0)
        *out = value_float(2.71828182845904523536);
    else if (strcmp(name, "inf") == 0)
        *out = value_float(INFINITY);
    else if (strcmp(name, "nan") == 0)
        *out = value_float(NAN);
    else if (strcmp(name, "True") == 0)
        *out = value_bool(true);
    else if (strcmp(name, "False") == 0)
        *out = value_bool(false);
    else if (strcmp(name, "None") == 0)
        *out = value_none();
    else if (dtype_find(name, &dtype))
        *out = value_string(dtype_name(dtype));
    else
        return false;
    return true;
}

/* Binds a name of which nothing is known but that it must be bound. */
static bool guess(struct builder *b, const char *text, size_t length, struct value *out) {
    bool added;
    *out = value_node(tape_input(&b->tape, b->dtype, &shape_scalar));
    struct name *name = names_add(&b->names, text, length, &added);
    if (!name) return build_fail_memory(b);
    name->place = PLACE_VARIABLE;
    name->value = *out;
    return out->node != NODE_NONE;
}

bool build_lookup(struct builder *b, const char *text, size_t length, struct value *out) {
    struct name *name = names_find(&b->names, text, length);
    if (name) {
        if (name->value.kind == VALUE_NODE && name->value.node == NODE_NONE && !b->read(b, name))
            return false;
        *out = name->value;
        return true;
    }
    if (well_known(text, length, out)) return true;
    const char *copy = arena_copy_text(b->arena, text, length);
    if (!copy) return build_fail_memory(b);
    if (b->guesses) return guess(b, copy, length, out);
    const char *near = names_nearest(&b->names, copy);
    const bool function = !near && (builtin_find(copy) || op_find(copy) >= 0);
    return error_set(b->error, ERROR_UNBOUND_NAME,
                     "no variable, constant or node is called \"%.80s\"%s%.80s%s", copy,
                     near       ? "; did you mean \""
                     : function ? "; the function is called as "
                                : "",
                     near       ? near
                     : function ? copy
                                : "",
                     near       ? "\"?"
                     : function ? "(...)"
                                : "");
}

const struct builtin *builtin_find(const char *name) {
    name = build_plain_name(name);
    if (strcmp(name, "gradient") == 0) name = "grad";
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        if (strcmp(builtins[i].name, name) == 0) return &builtins[i];
    }
    return NULL;
}

static bool fail_unknown_op(struct builder *b, const char *name) {
    if (names_find(&b->names, name, strlen(name))) {
        return error_set(b->error, ERROR_UNKNOWN_OP,
                         "\"%.80s\" is a value, not a function; a product is written with *", name);
    }
    const char *candidates[BUILTIN_COUNT + 1];
    const char *near = op_nearest(build_plain_name(name));
    size_t n = 0;
    if (near) candidates[n++] = near;
    for (size_t i = 0; i < BUILTIN_COUNT; i++) candidates[n++] = builtins[i].name;
    near = name_nearest(build_plain_name(name), candidates, n);
    if (!near) return error_set(b->error, ERROR_UNKNOWN_OP, "unknown op \"%.80s\"", name);
    return error_set(b->error, ERROR_UNKNOWN_OP, "unknown op \"%.80s\"; did you mean \"%s\"?", name,
                     near);
}

static size_t count_params(const struct op_param *params, size_t most) {
    size_t n = 0;
    while (n < most && params[n].name) n++;
    return n;
}

/* What the literals of a call become: the dtype of its first tensor, or their own; or the dtype that it
 * says. */
static enum dtype call_dtype(struct builder *b, const struct op *op,
                             const struct value *const *bound, size_t n) {
    const struct op_param *params = op->params;
    bool any = false, bools = true;
    enum dtype dtype;
    for (size_t i = 0; i < n && op->flags & OP_TYPED; i++)
        if (bound[i] && params[i].kind == PARAM_DTYPE && bound[i]->kind == VALUE_STRING &&
            dtype_find(build_plain_name(bound[i]->string), &dtype))
            return dtype;
    for (size_t i = 0; i < n; i++) {
        if (!bound[i] || (params[i].kind != PARAM_TENSOR && params[i].kind != PARAM_TENSORS))
            continue;
        if (build_find_dtype(b, bound[i], &dtype)) return dtype;
        any = true;
        bools = bools && build_all_bools(bound[i]);
    }
    return any && bools ? DTYPE_BOOL : b->dtype;
}

static bool emit_many(struct builder *b, const struct op *op, const struct op_arg *args,
                      struct value *out) {
    const node_id *results;
    size_t n;
    if (!op->emit_many(&b->tape, args, &results, &n)) return false;
    if (n == RESULT_ALONE) {
        *out = value_node(results[0]);
        return true;
    }
    struct value *items = arena_alloc(b->arena, (n + 1) * sizeof *items);
    if (!items) return build_fail_memory(b);
    for (size_t i = 0; i < n; i++) items[i] = value_node(results[i]);
    if (!build_list(b, items, n, out)) return false;
    return out->results = true;
}

/* bound[i] is for params[i]; what is past n was left out. */
static bool emit(struct builder *b, int tag, const struct value *const *bound, size_t n,
                 struct value *out) {
    const struct op *op = op_table[tag];
    const size_t n_params = count_params(op->params, OP_PARAMS_MAX);
    const enum dtype dtype = call_dtype(b, op, bound, n);
    struct op_arg args[OP_PARAMS_MAX] = {0};
    node_id nodes[OP_PARAMS_MAX];
    uint32_t n_nodes = 0;
    for (size_t i = 0; i < n_params; i++) {
        args[i] = (struct op_arg){.node = NODE_NONE, .dtype = b->dtype};
        if (i >= n || !bound[i]) continue;
        if (!build_argument(b, op->name, &op->params[i], bound[i], dtype, &args[i]))
            return build_blame(b, bound[i], false);
        nodes[n_nodes++] = args[i].node;
    }
    if (!op_takes(&b->tape, op, args)) return false;
    if (op->emit_many) return emit_many(b, op, args, out);
    *out = value_node(op->emit ? op->emit(&b->tape, args)
                               : tape_emit(&b->tape, tag, nodes, n_nodes, NULL, 0));
    return out->node != NODE_NONE;
}

bool build_operator(struct builder *b, int tag, const struct value *args, size_t n,
                    struct value *out) {
    const struct value *bound[2] = {&args[0], n > 1 ? &args[1] : NULL};
    bool folded;
    if (!fold_operator(b, tag, bound, n, out, &folded)) return false;
    return folded || emit(b, tag, bound, n, out);
}

/* What is blamed of the arguments as build_rest left them is blamed of those that were handed in. */
static bool call_variadic(struct builder *b, int tag, const struct argument *args, size_t n,
                          struct value *out) {
    const struct op *op = op_table[tag];
    const struct value *bound[OP_PARAMS_MAX];
    const struct argument *given = args;
    size_t n_given = n, begin;
    const size_t n_params = count_params(op->params, OP_PARAMS_MAX);
    if (!build_rest(b, op->params, &given, &n_given, &begin)) return false;
    if (build_bind(b, op->name, op->params, n_params, given, n_given, bound) &&
        emit(b, tag, bound, n_params, out))
        return true;
    for (size_t i = 0; i < n_given && b->blamed; i++)
        if (b->blamed == &given[i].value)
            return build_blame(b, &args[i <= begin ? i : i + n - n_given].value, b->blames_name);
    return false;
}

static bool call_op(struct builder *b, int tag, const struct argument *args, size_t n,
                    struct value *out) {
    const struct op *op = op_table[tag];
    const struct value *bound[OP_PARAMS_MAX];
    const size_t n_params = count_params(op->params, OP_PARAMS_MAX);
    bool folded;
    if (op->flags & OP_VARIADIC) return call_variadic(b, tag, args, n, out);
    if (!build_bind(b, op->name, op->params, n_params, args, n, bound)) return false;
    if (!fold_operator(b, tag, bound, n_params, out, &folded)) return false;
    return folded || emit(b, tag, bound, n_params, out);
}

/* In many a language max(a, b) is the larger of two, and here it is a along the axis b. */
static bool hint_twin(struct builder *b, int tag) {
    const char *twin = tag == OP_reduce_max   ? "larger of two is maximum"
                       : tag == OP_reduce_min ? "smaller of two is minimum"
                                              : NULL;
    struct error *e = b->error;
    const size_t n = strlen(e->detail);
    if (twin && e->code == ERROR_INVALID_ARGUMENT)
        snprintf(e->detail + n, sizeof e->detail - n, "; the %s(a, b)", twin);
    return false;
}

bool build_call(struct builder *b, const char *name, const struct argument *args, size_t n,
                struct value *out) {
    const struct builtin *builtin = builtin_find(name);
    if (builtin) {
        const struct value *bound[OP_PARAMS_MAX];
        const size_t n_params =
            count_params(builtin->params, sizeof builtin->params / sizeof *builtin->params);
        return build_bind(b, builtin->name, builtin->params, n_params, args, n, bound) &&
               builtin->build(b, bound, out);
    }
    int tag = op_find(name);
    if (tag < 0) tag = op_find(build_plain_name(name));
    if (tag < 0) return fail_unknown_op(b, name);
    return call_op(b, tag, args, n, out) || (n == 2 && !args[1].name && hint_twin(b, tag));
}

bool build_choice(struct builder *b, const struct value *condition, const struct value *x,
                  const struct value *y, struct value *out) {
    if (value_is_scalar(condition)) {
        *out = fold_truth(condition) ? *x : *y;
        return true;
    }
    const struct value *bound[3] = {condition, x, y};
    return emit(b, OP_where, bound, 3, out);
}
