/* What the families of element-wise ops write their blocks with: parameters, and whole ops of one or
 * two arguments from a value and a derivative. Included by those families' .c files only. */
#ifndef GRADD_CORE_OP_POINTWISE_H
#define GRADD_CORE_OP_POINTWISE_H

#include "core/emit.h"
#include "core/kernels/vector.h"

#define X_PARAMS                                                                                   \
    {                                                                                              \
        { "x", PARAM_TENSOR, false }                                                               \
    }
#define XY_PARAMS                                                                                  \
    {                                                                                              \
        {"x", PARAM_TENSOR, false}, { "y", PARAM_TENSOR, false }                                   \
    }

/* One argument of a float dtype: dy/dx * v is the last macro argument, with x, y and v as nodes. */
#define UNARY_OP(id, text, value, derivative)                                                      \
    UNARY_FLOATS(id, value)                                                                        \
    UNARY_OP_OF(id, text, derivative)
/* The same where the kernels stand already; further members of the op may follow. */
#define UNARY_OP_OF(id, text, derivative, ...)                                                     \
    static node_id id##_partial(struct tape *t, node_id y, uint32_t i, node_id v) {                \
        node_id x = tape_arg(t, y, 0);                                                             \
        (void)i, (void)x;                                                                          \
        return derivative;                                                                         \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .flags = OP_POINTWISE,                                              \
                               .params = X_PARAMS,                                                 \
                               .infer = infer_same,                                                \
                               .partial = id##_partial,                                            \
                               ROWS_FLOATS(id),                                                    \
                               __VA_ARGS__};

/* The same for a function that runs as vectors. */
#define VECTOR_OP(id, text, derivative)                                                            \
    VECTOR_FLOATS(id)                                                                              \
    UNARY_OP_OF(id, text, derivative)

/* Signed overflow is undefined in C; integers wrap around as in TensorFlow. */
#define WRAP(T, a, operator, b) ((T)((uint64_t)(a) operator(uint64_t)(b)))

/* Two arguments; the kernels and id##_partial stand before it, `rows` are ROWS_FLOATS(id) or
 * ROWS_NUMBERS(id). Further flags and members of the op may follow. */
#define BINARY_OP_WITH(id, text, further, rows, ...)                                               \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .flags = OP_POINTWISE | (further),                                  \
                               .params = XY_PARAMS,                                                \
                               .infer = infer_pointwise,                                           \
                               .partial = id##_partial,                                            \
                               rows,                                                               \
                               __VA_ARGS__};
#define BINARY_OP_OF(id, text, ...) BINARY_OP_WITH(id, text, 0, __VA_ARGS__, )

#endif
