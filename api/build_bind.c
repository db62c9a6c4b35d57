/* Arguments: binds them to parameters by position and by name, and makes of each what its parameter is. What
 * a parameter is, the op table says; what is called with them is not known here. */
#include "api/build_bind.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *build_plain_name(const char *name) {
    static const char *const modules[] = {"tf.nn.", "tf.linalg.", "tf.math.", "tf.",
                                          "np.",    "numpy.",     "math."};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        const size_t n = strlen(modules[i]);
        if (strncmp(name, modules[i], n) == 0) return name + n;
    }
    return name;
}

bool build_blame(struct builder *b, const struct value *argument, bool name) {
    b->blamed = argument;
    b->blames_name = name;
    return false;
}

/* ---- which argument is for which parameter ---- */

/* "x, axis, keepdims" */
static const char *parameter_list(const struct op_param *params, size_t n, char *text,
                                  size_t size) {
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n && at < size; i++) {
        at += (size_t)snprintf(text + at, size - at, i ? ", %s" : "%s", params[i].name);
    }
    return text;
}

static bool fail_keyword(struct builder *b, const char *op, const char *keyword,
                         const struct op_param *params, size_t n) {
    const char *names[OP_PARAMS_MAX] = {NULL};
    for (size_t i = 0; i < n; i++) names[i] = params[i].name;
    const char *near = name_nearest(keyword, names, n);
    char list[200];
    return error_set(b->error, ERROR_INVALID_ARGUMENT, "%s: unknown argument \"%.60s\"; %s%s%s", op,
                     keyword, near ? "did you mean \"" : "it takes ",
                     near ? near : parameter_list(params, n, list, sizeof list), near ? "\"?" : "");
}

bool build_bind(struct builder *b, const char *op, const struct op_param *params, size_t n_params,
                const struct argument *args, size_t n, const struct value **bound) {
    size_t position = 0;
    for (size_t i = 0; i < n_params; i++) bound[i] = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t at = position;
        if (args[i].name) {
            for (at = 0; at < n_params && strcmp(params[at].name, args[i].name) != 0;) at++;
            if (at == n_params)
                return fail_keyword(b, op, args[i].name, params, n_params) ||
                       build_blame(b, &args[i].value, true);
        } else if (position++ == n_params) {
            error_set(b->error, ERROR_INVALID_ARGUMENT, "%s takes %zu argument%s, found %zu", op,
                      n_params, n_params == 1 ? "" : "s", n);
            return build_blame(b, &args[i].value, true);
        }
        if (bound[at]) {
            error_set(b->error, ERROR_INVALID_ARGUMENT, "%s: argument \"%s\" is given twice", op,
                      params[at].name);
            return build_blame(b, &args[i].value, true);
        }
        bound[at] = &args[i].value;
    }
    for (size_t i = 0; i < n_params; i++) {
        if (bound[i] && bound[i]->kind == VALUE_NONE && params[i].optional) bound[i] = NULL;
        if (bound[i] || params[i].optional) continue;
        return error_set(b->error, ERROR_INVALID_ARGUMENT, "%s: argument \"%s\" is missing", op,
                         params[i].name);
    }
    return true;
}

/* ---- what an argument is ---- */

static bool fail_argument(struct builder *b, const char *op, const struct op_param *param,
                          const char *wants, const struct value *found) {
    if (found->kind == VALUE_MISSING) return build_fail_not_tensor(b, found);
    return error_set(
        b->error, ERROR_INVALID_ARGUMENT, "%s: argument \"%s\" must be %s%s, found %s", op,
        param->name, wants,
        found->kind == VALUE_NODE && param->kind != PARAM_TENSORS ? " written in the graph" : "",
        value_kind_name(found));
}

/* An int, also where it is written as 2.0: JSON cannot tell. */
static bool as_int(const struct value *v, int64_t *out) {
    if (v->kind == VALUE_INT)
        *out = v->i;
    else if (v->kind == VALUE_FLOAT && v->f >= -0x1p53 && v->f <= 0x1p53 && floor(v->f) == v->f)
        *out = (int64_t)v->f;
    else
        return false;
    return true;
}

/* Makes an array of numbers the list of them, in `room`. */
static bool as_list(struct builder *b, const struct value **v, struct value *room) {
    if ((*v)->kind != VALUE_NUMBERS) return true;
    if (!build_elements(b, (*v)->numbers, room)) return false;
    *v = room;
    return true;
}

static bool bind_ints(struct builder *b, const char *op, const struct op_param *param,
                      const struct value *v, struct op_arg *arg) {
    static const char wants[] = "an integer or a list of integers";
    struct value list;
    if (!as_list(b, &v, &list)) return false;
    const bool many = v->kind == VALUE_LIST;
    arg->n = many ? v->n : 1;
    int64_t *ints = arena_alloc(b->arena, (arg->n + 1) * sizeof *ints);
    if (!ints) return build_fail_memory(b);
    for (size_t i = 0; i < arg->n; i++) {
        const struct value *item = many ? &v->items[i] : v;
        if (!as_int(item, &ints[i])) return fail_argument(b, op, param, wants, item);
    }
    arg->ints = ints;
    arg->b = many;
    return true;
}

static bool bind_pairs(struct builder *b, const char *op, const struct op_param *param,
                       const struct value *v, struct op_arg *arg) {
    const char *wants = param->kind == PARAM_PADDING ? "a string or a list of pairs of integers"
                                                     : "a list of pairs of integers";
    struct value list, pair;
    if (!as_list(b, &v, &list)) return false;
    if (v->kind != VALUE_LIST) return fail_argument(b, op, param, wants, v);
    arg->n = 2 * (size_t)v->n;
    int64_t *ints = arena_alloc(b->arena, (arg->n + 1) * sizeof *ints);
    if (!ints) return build_fail_memory(b);
    for (uint32_t i = 0; i < v->n; i++) {
        const struct value *item = &v->items[i];
        if (!as_list(b, &item, &pair)) return false;
        if (item->kind != VALUE_LIST || item->n != 2 || !as_int(&item->items[0], &ints[2 * i]) ||
            !as_int(&item->items[1], &ints[2 * i + 1]))
            return fail_argument(b, op, param, wants, item);
    }
    arg->ints = ints;
    return true;
}

static bool bind_axes(struct builder *b, const char *op, const struct op_param *param,
                      const struct value *v, struct op_arg *arg) {
    static const char wants[] = "an integer or a list of two lists of integers";
    struct value list;
    struct op_arg parts[2] = {{.ints = NULL}};
    if (as_int(v, &arg->i)) return true;
    if (!as_list(b, &v, &list)) return false;
    if (v->kind != VALUE_LIST || v->n != 2) return fail_argument(b, op, param, wants, v);
    for (int i = 0; i < 2; i++)
        if (!bind_ints(b, op, param, &v->items[i], &parts[i]) || !parts[i].ints) return false;
    arg->n = parts[0].n + parts[1].n;
    int64_t *ints = arena_alloc(b->arena, (arg->n + 1) * sizeof *ints);
    if (!ints) return build_fail_memory(b);
    for (size_t i = 0; i < arg->n; i++)
        ints[i] = i < parts[0].n ? parts[0].ints[i] : parts[1].ints[i - parts[0].n];
    arg->ints = ints;
    arg->i = (int64_t)parts[0].n;
    return arg->b = true;
}

static bool bind_nodes(struct builder *b, const char *op, const struct op_param *param,
                       const struct value *v, enum dtype dtype, struct op_arg *arg) {
    struct value list;
    if (!as_list(b, &v, &list)) return false;
    if (v->kind != VALUE_LIST) return fail_argument(b, op, param, "a list of tensors", v);
    node_id *nodes = arena_alloc(b->arena, (v->n + 1) * sizeof *nodes);
    if (!nodes) return build_fail_memory(b);
    for (uint32_t i = 0; i < v->n; i++) {
        if (!build_node(b, &v->items[i], dtype, &nodes[i])) return false;
    }
    arg->nodes = nodes;
    arg->n = v->n;
    return true;
}

bool build_argument(struct builder *b, const char *op, const struct op_param *param,
                    const struct value *v, enum dtype dtype, struct op_arg *arg) {
    arg->given = true;
    switch (param->kind) {
    case PARAM_TENSOR:
        return build_node(b, v, dtype, &arg->node);
    case PARAM_CONDITION:
        return build_node(b, v, DTYPE_BOOL, &arg->node);
    case PARAM_TENSORS:
        return bind_nodes(b, op, param, v, dtype, arg);
    case PARAM_INDICES:
        return build_node(b, v, DTYPE_I32, &arg->node);
    case PARAM_COUNTS:
        return build_node(b, v, DTYPE_I64, &arg->node);
    case PARAM_INTS:
        return bind_ints(b, op, param, v, arg);
    case PARAM_PADDING:
        if (v->kind == VALUE_STRING) {
            arg->string = v->string;
            return true;
        }
        return bind_pairs(b, op, param, v, arg);
    case PARAM_PAIRS:
        return bind_pairs(b, op, param, v, arg);
    case PARAM_AXES:
        return bind_axes(b, op, param, v, arg);
    case PARAM_INT:
        return as_int(v, &arg->i) || fail_argument(b, op, param, "an integer", v);
    case PARAM_FLOAT:
        arg->b = v->kind == VALUE_INT;
        arg->f = arg->b ? (double)v->i : v->f;
        return v->kind == VALUE_INT || v->kind == VALUE_FLOAT ||
               fail_argument(b, op, param, "a number", v);
    case PARAM_BOOL:
        arg->b = v->kind == VALUE_BOOL && v->b;
        return v->kind == VALUE_BOOL || fail_argument(b, op, param, "True or False", v);
    case PARAM_DTYPE:
        if (v->kind == VALUE_STRING && dtype_find(build_plain_name(v->string), &arg->dtype))
            return true;
        if (v->kind != VALUE_STRING) return fail_argument(b, op, param, "a dtype", v);
        return error_set(
            b->error, ERROR_INVALID_ARGUMENT,
            "%s: unknown dtype \"%.40s\"; expected float32, float64, int32, int64 or bool", op,
            v->string);
    case PARAM_STRING:
        arg->string = v->string;
        return v->kind == VALUE_STRING || fail_argument(b, op, param, "a string", v);
    case PARAM_FLOAT_OR_STRING:
        arg->string = v->kind == VALUE_STRING ? v->string : NULL;
        arg->b = v->kind == VALUE_INT;
        arg->f = arg->b ? (double)v->i : v->f;
        return arg->string || arg->b || v->kind == VALUE_FLOAT ||
               fail_argument(b, op, param, "a number or a string", v);
    }
    return false;
}
