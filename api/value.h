/* What a name or an expression of a graph stands for while the graph is built: a node of the tape,
 * or something that is known already (a literal, a list, a missing gradient). */
#ifndef GRADD_API_VALUE_H
#define GRADD_API_VALUE_H

#include "api/json.h"
#include "core/tape.h"

enum value_kind {
    VALUE_NODE,
    VALUE_INT, /* literals: weak, they take the dtype of what they meet */
    VALUE_FLOAT,
    VALUE_BOOL,
    VALUE_NUMBERS, /* a numeric array of a node list, still in the body: as weak as the others */
    VALUE_NONE,
    VALUE_MISSING, /* a gradient that TensorFlow answers with None */
    VALUE_STRING,
    VALUE_LIST,
    VALUE_OBJECT /* of an answer: keys (strings) and values in turns, n of both together */
};

struct value {
    uint8_t kind;
    bool results; /* VALUE_LIST: what a call gave, answered one by one; else it stacks */
    union {
        uint32_t n;   /* LIST, OBJECT */
        float single; /* FLOAT: the literal rounded once, straight to float32 */
    };
    union {
        node_id node;
        int64_t i;
        double f;
        bool b;
        const char *string;
        const struct json *numbers;
        const struct value *items; /* made by build_list, which accounts for them */
    };
};

static inline struct value value_node(node_id node) {
    return (struct value){.kind = VALUE_NODE, .node = node};
}
static inline struct value value_int(int64_t i) {
    return (struct value){.kind = VALUE_INT, .i = i};
}
static inline struct value value_float(double f) {
    return (struct value){.kind = VALUE_FLOAT, .single = (float)f, .f = f};
}
static inline struct value value_bool(bool b) { return (struct value){.kind = VALUE_BOOL, .b = b}; }
static inline struct value value_none(void) { return (struct value){.kind = VALUE_NONE}; }
static inline struct value value_string(const char *s) {
    return (struct value){.kind = VALUE_STRING, .string = s};
}

/* An int, a float or a bool that is known when the graph is built. */
static inline bool value_is_scalar(const struct value *v) {
    return v->kind >= VALUE_INT && v->kind <= VALUE_BOOL;
}

/* "a tensor", "an int", "a list": for sentences. */
const char *value_kind_name(const struct value *v);

#endif
