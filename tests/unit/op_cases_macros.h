/* What files of op cases are written with: shapes, arguments of a call, and builders. */
#ifndef GRADD_TESTS_OP_CASES_MACROS_H
#define GRADD_TESTS_OP_CASES_MACROS_H

#include "op_cases.h"

#define SCALAR                                                                                     \
    { .rank = 0 }
#define V(n)                                                                                       \
    {                                                                                              \
        .rank = 1, .dim = { n }                                                                    \
    }
#define M(m, n)                                                                                    \
    {                                                                                              \
        .rank = 2, .dim = { m, n }                                                                 \
    }
#define T3(l, m, n)                                                                                \
    {                                                                                              \
        .rank = 3, .dim = { l, m, n }                                                              \
    }

#define CASES(id, ...)                                                                             \
    static const struct op_case rows_##id[] = {__VA_ARGS__};                                       \
    const struct op_cases cases_##id = {#id, rows_##id, sizeof rows_##id / sizeof rows_##id[0]};

#define BUILD1(id)                                                                                 \
    static node_id build_##id(struct tape *t, const node_id *x) { return emit1(t, OP_##id, x[0]); }
#define BUILD2(id)                                                                                 \
    static node_id build_##id(struct tape *t, const node_id *x) {                                  \
        return emit2(t, OP_##id, x[0], x[1]);                                                      \
    }

#define NODE(n)                                                                                    \
    { .given = true, .node = (n) }
#define INT(v)                                                                                     \
    { .given = true, .i = (v) }
#define INTS(...)                                                                                  \
    {                                                                                              \
        .given = true, .ints = (int64_t[]){__VA_ARGS__},                                           \
        .n = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)                                    \
    }
#define NODES(...)                                                                                 \
    {                                                                                              \
        .given = true, .nodes = (node_id[]){__VA_ARGS__},                                          \
        .n = sizeof((node_id[]){__VA_ARGS__}) / sizeof(node_id)                                    \
    }
#define BOOL(v)                                                                                    \
    { .given = true, .b = (v) }
#define NONE                                                                                       \
    { .given = false }
#define CALL(op, ...) op_call(t, OP_##op, (struct op_arg[]){__VA_ARGS__})
#define BUILD(name, ...)                                                                           \
    static node_id build_##name(struct tape *t, const node_id *x) {                                \
        (void)t, (void)x;                                                                          \
        return __VA_ARGS__;                                                                        \
    }

/* The usual cases of an element-wise op whose inputs lie between low and high. */
#define UNARY_CASES(id, low, high)                                                                 \
    BUILD1(id)                                                                                     \
    CASES(id, {#id " scalar", 1, {SCALAR}, low, high, 0, build_##id},                              \
          {#id " matrix", 1, {M(2, 3)}, low, high, 0, build_##id},                                 \
          {#id " empty", 1, {M(0, 3)}, low, high, 0, build_##id})
#define BINARY_CASES_INERT(id, low, high, inert)                                                   \
    BUILD2(id)                                                                                     \
    CASES(id, {#id " scalars", 2, {SCALAR, SCALAR}, low, high, inert, build_##id},                 \
          {#id " same shape", 2, {M(2, 3), M(2, 3)}, low, high, inert, build_##id},                \
          {#id " row", 2, {M(2, 3), V(3)}, low, high, inert, build_##id},                          \
          {#id " column", 2, {M(2, 1), M(2, 3)}, low, high, inert, build_##id},                    \
          {#id " outer", 2, {M(3, 1), M(1, 2)}, low, high, inert, build_##id},                     \
          {#id " scalar and tensor", 2, {SCALAR, T3(2, 1, 2)}, low, high, inert, build_##id},      \
          {#id " ranks 3 and 2", 2, {T3(2, 3, 2), M(3, 1)}, low, high, inert, build_##id},         \
          {#id " empty", 2, {M(0, 3), V(3)}, low, high, inert, build_##id})
#define BINARY_CASES(id, low, high) BINARY_CASES_INERT(id, low, high, 0)

#endif
