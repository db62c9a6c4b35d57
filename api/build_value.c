/* Values on their way to the tape: literals become constants of the dtype they meet, lists are
 * stacked, and structures are taken apart and put together again. It knows no op but `stack`. */
#include "api/build.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/numbers.h"

enum { LIST_DEPTH_MAX = 32 };

const char *value_kind_name(const struct value *v) {
    switch ((enum value_kind)v->kind) {
    case VALUE_NODE:
        return "a tensor";
    case VALUE_INT:
        return "an int";
    case VALUE_FLOAT:
        return "a float";
    case VALUE_BOOL:
        return "a bool";
    case VALUE_NUMBERS:
        return "an array";
    case VALUE_NONE:
        return "None";
    case VALUE_MISSING:
        return "a gradient that is None";
    case VALUE_STRING:
        return "a string";
    case VALUE_LIST:
        return "a list";
    case VALUE_OBJECT:
        return "an object";
    }
    return "nothing";
}

const char *build_name_of(const struct builder *b, node_id node) {
    for (uint32_t i = 0; i < b->names.n; i++) {
        const struct name *name = &b->names.list[i];
        if (name->value.kind == VALUE_NODE && name->value.node == node) return name->text;
    }
    return NULL;
}

bool build_fail_bound(struct builder *b, const struct name *name) {
    return error_set(b->error, ERROR_DUPLICATE_NAME, "\"%.80s\" is a %s and cannot be assigned",
                     name->text,
                     name->place == PLACE_VARIABLE   ? "variable"
                     : name->place == PLACE_CONSTANT ? "constant"
                                                     : "tensor of the session");
}

bool build_fail_not_tensor(struct builder *b, const struct value *v) {
    static const char none[] = "Attempt to convert a value (None) with an unsupported type (<class "
                               "'NoneType'>) to a Tensor.";
    if (v->kind == VALUE_MISSING) return error_set(b->error, ERROR_MISSING_GRADIENT, none);
    if (v->kind == VALUE_NONE) return error_set(b->error, ERROR_INVALID_VALUE, none);
    if (v->kind == VALUE_STRING) {
        return error_set(b->error, ERROR_INVALID_ARGUMENT,
                         "expected a tensor, found the string \"%.40s\"", v->string);
    }
    return error_set(b->error, ERROR_INVALID_ARGUMENT, "expected a tensor, found %s",
                     value_kind_name(v));
}

/* A list's own account stands before its items: how many leaves and how many values of any kind are
 * below it, and how deep they nest. Lists of lists of themselves are short to write; with these
 * numbers they cannot grow, nor be walked, past what a graph may have. */
enum { ACCOUNT_LEAVES = 1, ACCOUNT_VALUES = 2, ACCOUNTS = 2 };

static bool is_list(const struct value *v) {
    return v->kind == VALUE_LIST || v->kind == VALUE_OBJECT;
}

static int64_t count_values(const struct value *v) {
    return is_list(v) ? (v->items - ACCOUNT_VALUES)->i : 1;
}

static uint32_t list_depth(const struct value *v) {
    return is_list(v) ? (v->items - ACCOUNT_VALUES)->n : 0;
}

size_t build_leaves(const struct value *v) {
    return is_list(v) ? (size_t)(v->items - ACCOUNT_LEAVES)->i : 1;
}

static bool make_list(struct builder *b, enum value_kind kind, const struct value *items, size_t n,
                      struct value *out) {
    struct value *copy =
        n < UINT32_MAX ? arena_alloc(b->arena, (n + ACCOUNTS) * sizeof *copy) : NULL;
    if (!copy) return build_fail_memory(b);
    uint32_t depth = 0;
    int64_t leaves = 0, values = 1;
    bool results = false;
    for (size_t i = 0; i < n; i++) {
        const struct value *v = &items[i];
        copy[i + ACCOUNTS] = *v;
        if (kind == VALUE_OBJECT && i % 2 == 0) continue;
        leaves += (int64_t)build_leaves(v);
        values += count_values(v);
        if (list_depth(v) > depth) depth = list_depth(v);
        results |= v->kind == VALUE_MISSING || (v->kind == VALUE_LIST && v->results);
    }
    if (values > b->limits->max_nodes || depth >= LIST_DEPTH_MAX) {
        return error_set(b->error, ERROR_GRAPH_TOO_LARGE,
                         "a list may hold at most %" PRId64
                         " values (max_nodes) and nest %d levels deep",
                         b->limits->max_nodes, LIST_DEPTH_MAX);
    }
    copy[ACCOUNTS - ACCOUNT_VALUES] = (struct value){.n = depth + 1, .i = values};
    copy[ACCOUNTS - ACCOUNT_LEAVES] = (struct value){.i = leaves};
    *out = (struct value){
        .kind = (uint8_t)kind, .results = results, .n = (uint32_t)n, .items = copy + ACCOUNTS};
    return true;
}

bool build_list(struct builder *b, const struct value *items, size_t n, struct value *out) {
    return make_list(b, VALUE_LIST, items, n, out);
}

bool build_object(struct builder *b, const struct value *items, size_t n, struct value *out) {
    return make_list(b, VALUE_OBJECT, items, n, out);
}

/* Literals. */
static bool fail_literal(struct builder *b, const struct value *v, enum dtype dtype, bool range) {
    char text[NUMBER_TEXT + 1] = "nan";
    if (v->kind == VALUE_INT)
        text[number_print_i64(text, v->i)] = '\0';
    else if (isfinite(v->f))
        text[number_print_f64(text, v->f)] = '\0';
    else if (isinf(v->f))
        snprintf(text, sizeof text, v->f < 0 ? "-inf" : "inf");
    if (range) {
        return error_set(b->error, ERROR_INVALID_VALUE, "the literal %s is out of range of %s",
                         text, dtype_name(dtype));
    }
    return error_set(b->error, ERROR_DTYPE_MISMATCH, "the literal %s is not an %s", text,
                     dtype_name(dtype));
}

static bool literal_int(struct builder *b, const struct value *v, enum dtype dtype, int64_t *out) {
    if (v->kind == VALUE_INT) {
        *out = v->i;
    } else {
        if (!(floor(v->f) == v->f) || isinf(v->f)) return fail_literal(b, v, dtype, false);
        if (!(v->f >= -0x1p63 && v->f < 0x1p63)) return fail_literal(b, v, dtype, true);
        *out = (int64_t)v->f;
    }
    if (dtype == DTYPE_I32 && (*out < INT32_MIN || *out > INT32_MAX))
        return fail_literal(b, v, dtype, true);
    return true;
}

/* Writes a scalar literal as one element of `dtype`. */
static bool store_literal(struct builder *b, const struct value *v, enum dtype dtype, void *out) {
    if ((v->kind == VALUE_BOOL) != (dtype == DTYPE_BOOL)) {
        return error_set(b->error, ERROR_DTYPE_MISMATCH, "a literal %s meets a tensor of dtype %s",
                         v->kind == VALUE_BOOL ? "bool" : "number", dtype_name(dtype));
    }
    if (dtype == DTYPE_BOOL) {
        *(uint8_t *)out = v->b;
    } else if (dtype == DTYPE_F32) {
        const float single = v->kind == VALUE_INT ? (float)v->i : v->single;
        if (isinf(single) && !(v->kind == VALUE_FLOAT && isinf(v->f)))
            return fail_literal(b, v, dtype, true);
        *(float *)out = single;
    } else if (dtype == DTYPE_F64) {
        *(double *)out = v->kind == VALUE_INT ? (double)v->i : v->f;
    } else {
        int64_t i = 0;
        if (!literal_int(b, v, dtype, &i)) return false;
        if (dtype == DTYPE_I32)
            *(int32_t *)out = (int32_t)i;
        else
            *(int64_t *)out = i;
    }
    return true;
}

static bool constant(struct builder *b, enum dtype dtype, const struct shape *shape,
                     const void *data, node_id *out) {
    *out = tape_const(&b->tape, dtype, shape, data);
    return *out != NODE_NONE;
}

/* The shape of a list of literals, nested evenly; false where something else is in it. */
static bool literal_shape(const struct value *v, struct shape *shape) {
    shape->rank = 0;
    while (v->kind == VALUE_LIST && shape->rank < RANK_MAX) {
        shape->dim[shape->rank++] = v->n;
        if (!v->n) return true;
        v = v->items;
    }
    return value_is_scalar(v);
}

/* Fills in the elements below `v`; *even is false where a row is not like the first. */
static bool literal_fill(struct builder *b, const struct value *v, const struct shape *shape,
                         int axis, enum dtype dtype, char **at, bool *even) {
    if (axis == shape->rank) {
        if (!value_is_scalar(v)) return *even = false, true;
        if (!store_literal(b, v, dtype, *at)) return false;
        *at += dtype_size(dtype);
        return true;
    }
    if (v->kind != VALUE_LIST || (int64_t)v->n != shape->dim[axis]) return *even = false, true;
    for (uint32_t i = 0; i < v->n && *even; i++) {
        if (!literal_fill(b, &v->items[i], shape, axis + 1, dtype, at, even)) return false;
    }
    return true;
}

static bool stack_node(struct builder *b, const struct value *v, enum dtype dtype, node_id *out) {
    node_id *nodes = arena_alloc(b->arena, (v->n + 1) * sizeof *nodes);
    if (!nodes) return build_fail_memory(b);
    for (uint32_t i = 0; i < v->n; i++) {
        if (!build_node(b, &v->items[i], dtype, &nodes[i])) return false;
    }
    struct op_arg args[OP_PARAMS_MAX] = {{.given = true, .nodes = nodes, .n = v->n}};
    *out = op_table[OP_stack]->emit(&b->tape, args);
    return *out != NODE_NONE;
}

/* One constant where all of the list is literal and even; else the op `stack`, whose rule knows what
 * to say of rows that differ. */
static bool list_node(struct builder *b, const struct value *v, enum dtype dtype, node_id *out) {
    struct shape shape;
    int64_t count;
    if (!tape_walk(&b->tape, count_values(v))) return false;
    if (!literal_shape(v, &shape)) return stack_node(b, v, dtype, out);
    if (!shape_count_within(&shape, b->limits->max_elements, &count)) {
        return error_set(b->error, ERROR_TOO_MANY_ELEMENTS,
                         "a list literal has more than the %" PRId64 " elements a tensor may have",
                         b->limits->max_elements);
    }
    char *data = arena_alloc(b->arena, (size_t)count * dtype_size(dtype) + 1), *at = data;
    if (!data) return build_fail_memory(b);
    bool even = true;
    if (count && !literal_fill(b, v, &shape, 0, dtype, &at, &even)) return false;
    if (!even) return stack_node(b, v, dtype, out);
    return constant(b, dtype, &shape, data, out);
}

static bool numbers_node(struct builder *b, const struct value *v, enum dtype dtype, node_id *out) {
    struct tensor t;
    const enum dtype read_as = dtype == DTYPE_BOOL ? b->dtype : dtype;
    if (!json_tensor(b->arena, v->numbers, read_as, b->limits->max_elements, "", &t, b->error))
        return false;
    if (t.dtype != dtype) {
        return error_set(b->error, ERROR_DTYPE_MISMATCH,
                         "an array of %s meets a tensor of dtype %s",
                         t.dtype == DTYPE_BOOL ? "bools" : "numbers", dtype_name(dtype));
    }
    return constant(b, t.dtype, &t.shape, t.data, out);
}

bool build_node(struct builder *b, const struct value *v, enum dtype dtype, node_id *out) {
    switch ((enum value_kind)v->kind) {
    case VALUE_NODE:
        *out = v->node;
        return true;
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_BOOL: {
        union {
            double f64;
            int64_t i64;
        } cell;
        return store_literal(b, v, dtype, &cell) && constant(b, dtype, &shape_scalar, &cell, out);
    }
    case VALUE_NUMBERS:
        return numbers_node(b, v, dtype, out);
    case VALUE_LIST:
        return list_node(b, v, dtype, out);
    case VALUE_NONE:
    case VALUE_MISSING:
    case VALUE_STRING:
    case VALUE_OBJECT:
        break;
    }
    return build_fail_not_tensor(b, v);
}

bool build_find_dtype(const struct builder *b, const struct value *v, enum dtype *dtype) {
    if (v->kind == VALUE_NODE) {
        *dtype = tape_dtype(&b->tape, v->node);
        return true;
    }
    if (v->kind != VALUE_LIST) return false;
    for (uint32_t i = 0; i < v->n; i++) {
        if (build_find_dtype(b, &v->items[i], dtype)) return true;
    }
    return false;
}

bool build_all_bools(const struct value *v) {
    if (v->kind == VALUE_BOOL) return true;
    if (v->kind == VALUE_NUMBERS) {
        size_t n;
        const char *text = json_text(v->numbers, &n);
        while (n &&
               (*text == '[' || *text == ' ' || *text == '\n' || *text == '\t' || *text == '\r'))
            text++, n--;
        return n && (*text == 't' || *text == 'f');
    }
    if (v->kind != VALUE_LIST || !v->n) return false;
    for (uint32_t i = 0; i < v->n; i++) {
        if (!build_all_bools(&v->items[i])) return false;
    }
    return true;
}
