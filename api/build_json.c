/* JSON values as literals of a graph. Names are not resolved here: a string is a string. */
#include "api/build.h"

#include <math.h>
#include <string.h>

#include "api/place.h"
#include "core/numbers.h"

static bool number(struct builder *b, const struct json *v, struct value *out) {
    int64_t i;
    if (json_is_int_literal(v) && json_int(v, &i)) {
        *out = value_int(i);
        return true;
    }
    size_t n;
    const char *text = json_text(v, &n), *rest;
    *out = (struct value){.kind = VALUE_FLOAT};
    if (number_parse_f64(text, text + n, &out->f, &rest) != NUMBER_OK) {
        return error_set(b->error, ERROR_INVALID_VALUE, "%.*s is out of range of float64",
                         n < 40 ? (int)n : 40, text);
    }
    if (number_parse_f32(text, text + n, &out->single, &rest) != NUMBER_OK)
        out->single = (float)INFINITY;
    return true;
}

static bool string(const struct json *v, struct value *out) {
    const char *text = json_string(v);
    *out = value_string(text);
    if (strcmp(text, "NaN") == 0) *out = value_float(NAN);
    if (strcmp(text, "Infinity") == 0) *out = value_float(INFINITY);
    if (strcmp(text, "-Infinity") == 0) *out = value_float(-INFINITY);
    return true;
}

static bool typed(struct builder *b, const struct json *v, struct value *out) {
    struct tensor t;
    if (!json_tensor(b->arena, v, b->dtype, b->limits->max_elements, "", &t, b->error))
        return false;
    *out = value_node(tape_const(&b->tape, t.dtype, &t.shape, t.data));
    return out->node != NODE_NONE;
}

static bool array(struct builder *b, const struct json *v, struct value *out) {
    const size_t n = json_length(v);
    struct value *items = arena_alloc(b->arena, (n + 1) * sizeof *items);
    if (!items) return build_fail_memory(b);
    size_t i = 0;
    for (const struct json *item = json_first(v); item; item = json_next(item), i++) {
        if (!build_literal(b, item, &items[i])) return error_under_index(b->error, i);
    }
    return build_list(b, items, n, out);
}

bool build_literal(struct builder *b, const struct json *v, struct value *out) {
    switch (json_type(v)) {
    case JSON_NULL:
        *out = value_none();
        return true;
    case JSON_BOOL:
        *out = value_bool(json_bool(v));
        return true;
    case JSON_NUMBER:
        return number(b, v, out);
    case JSON_NUMBERS:
        *out = (struct value){.kind = VALUE_NUMBERS, .numbers = v};
        return true;
    case JSON_STRING:
        return string(v, out);
    case JSON_ARRAY:
        return array(b, v, out);
    case JSON_OBJECT:
        return typed(b, v, out);
    }
    return false;
}

bool build_elements(struct builder *b, const struct json *v, struct value *out) {
    const struct json *elements = json_split(b->arena, v);
    if (!elements) return build_fail_memory(b);
    return array(b, elements, out);
}
