/* Comparisons, logic, choice by a condition, and conversion between dtypes. Of these only `where`
 * and `cast` between floats have derivatives. */
#include <math.h>

#include "core/emit.h"
#include "core/kernels/pointwise.h"
#include "core/simplify.h"

static bool infer_comparison(struct tape *t, const struct node *n, struct shape *shape,
                             enum dtype *dtype) {
    if (!infer_pointwise(t, n, shape, dtype)) return false;
    *dtype = DTYPE_BOOL;
    return true;
}

#define COMPARE_NUMBERS(id, operator)                                                              \
    BINARY(id, F32, float, uint8_t, x operator y)                                                  \
    BINARY(id, F64, double, uint8_t, x operator y)                                                 \
    BINARY(id, I32, int32_t, uint8_t, x operator y)                                                \
    BINARY(id, I64, int64_t, uint8_t, x operator y)

#define COMPARISON_OP(id, text, rows)                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text "; not differentiable",                            \
                               .flags = OP_POINTWISE,                                              \
                               .params = {{"x", PARAM_TENSOR, false}, {"y", PARAM_TENSOR, false}}, \
                               .infer = infer_comparison,                                          \
                               rows};

#define ROWS_ALL(id)                                                                               \
    .loops = {LOOP(id, F32), LOOP(id, F64), LOOP(id, I32), LOOP(id, I64), LOOP(id, BOOL)},         \
    .cells = {CELL(id, F32), CELL(id, F64), CELL(id, I32), CELL(id, I64), CELL(id, BOOL)}

COMPARE_NUMBERS(equal, ==)
BINARY(equal, BOOL, uint8_t, uint8_t, x == y)
COMPARISON_OP(equal, "z = (x = y)", ROWS_ALL(equal))
COMPARE_NUMBERS(not_equal, !=)
BINARY(not_equal, BOOL, uint8_t, uint8_t, x != y)
COMPARISON_OP(not_equal, "z = (x != y)", ROWS_ALL(not_equal))
COMPARE_NUMBERS(less, <)
COMPARISON_OP(less, "z = (x < y)", ROWS_NUMBERS(less))
COMPARE_NUMBERS(less_equal, <=)
COMPARISON_OP(less_equal, "z = (x <= y)", ROWS_NUMBERS(less_equal))
COMPARE_NUMBERS(greater, >)
COMPARISON_OP(greater, "z = (x > y)", ROWS_NUMBERS(greater))
COMPARE_NUMBERS(greater_equal, >=)
COMPARISON_OP(greater_equal, "z = (x >= y)", ROWS_NUMBERS(greater_equal))

#define ROWS_BOOL(id) .loops = {LOOP(id, BOOL)}, .cells = {CELL(id, BOOL)}

#define LOGICAL_OP(id, text, expr)                                                                 \
    BINARY(id, BOOL, uint8_t, uint8_t, expr)                                                       \
    const struct op op_##id = {                                                                    \
        .name = #id,                                                                               \
        .notation = text "; not differentiable",                                                   \
        .flags = OP_POINTWISE,                                                                     \
        .params = {{"x", PARAM_CONDITION, false}, {"y", PARAM_CONDITION, false}},                  \
        .infer = infer_pointwise,                                                                  \
        ROWS_BOOL(id)};

LOGICAL_OP(logical_and, "z = x and y", x &y)
LOGICAL_OP(logical_or, "z = x or y", x | y)
UNARY(logical_not, BOOL, uint8_t, uint8_t, !x)
const struct op op_logical_not = {.name = "logical_not",
                                  .notation = "y = not x; not differentiable",
                                  .flags = OP_POINTWISE,
                                  .params = {{"x", PARAM_CONDITION, false}},
                                  .infer = infer_same,
                                  ROWS_BOOL(logical_not)};

/* where: the side that is not chosen gets an exact zero. The loops move bytes by element size. */
#define WHERE(tag, T)                                                                              \
    static void where_loop_##tag(int64_t n, void *out, const void *c, int64_t sc, const void *x,   \
                                 int64_t sx, const void *y, int64_t sy) {                          \
        T *restrict o = out;                                                                       \
        const uint8_t *restrict p = c;                                                             \
        const T *restrict q = x, *restrict r = y;                                                  \
        for (int64_t i = 0; i < n; i++) o[i] = p[i * sc] ? q[i * sx] : r[i * sy];                  \
    }                                                                                              \
    static void where_cell_##tag(const struct instr *instr, char *slab) {                          \
        const uint8_t c = *(const uint8_t *)cell_at(slab, instr->on.cell.in[0]);                   \
        *(T *)cell_at(slab, instr->on.cell.out) =                                                  \
            *(const T *)cell_at(slab, instr->on.cell.in[c ? 1 : 2]);                               \
    }                                                                                              \
    static void where_group_##tag(const struct group *g, char *slab) {                             \
        for (uint32_t i = 0; i < g->n; i++) {                                                      \
            const uint8_t c = *(const uint8_t *)cell_at(slab, g->in[0][i]);                        \
            *(T *)cell_at(slab, g->out + i) = *(const T *)cell_at(slab, g->in[c ? 1 : 2][i]);      \
        }                                                                                          \
    }
WHERE(F32, float)
WHERE(F64, double)
WHERE(I32, int32_t)
WHERE(I64, int64_t)
WHERE(BOOL, uint8_t)

static bool where_infer(struct tape *t, const struct node *n, struct shape *shape,
                        enum dtype *dtype) {
    const node_id *args = node_args(t, n);
    if (tape_dtype(t, args[0]) != DTYPE_BOOL) {
        tape_fail(t, ERROR_DTYPE_MISMATCH, "where: condition is %s where bool is expected",
                  dtype_name(tape_dtype(t, args[0])));
        return false;
    }
    if (!infer_same_dtype(t, n, 1)) return false;
    *dtype = tape_dtype(t, args[1]);
    for (uint32_t i = 1; i < 3; i++) {
        struct shape joint = *shape;
        if (!shape_broadcast(&joint, tape_shape(t, args[i]), shape)) {
            char c[SHAPE_TEXT], x[SHAPE_TEXT], y[SHAPE_TEXT];
            tape_fail(t, ERROR_SHAPE_MISMATCH, "where: shapes %s, %s and %s do not broadcast",
                      shape_text(tape_shape(t, args[0]), c), shape_text(tape_shape(t, args[1]), x),
                      shape_text(tape_shape(t, args[2]), y));
            return false;
        }
    }
    return true;
}

static node_id where_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id c = tape_arg(t, z, 0), zero = emit_like(t, v, 0);
    if (i == 0) return NODE_NONE;
    return i == 1 ? emit_where(t, c, v, zero) : emit_where(t, c, zero, v);
}

static node_id where_simplify(struct tape *t, const struct node *n) {
    double c;
    if (n->arg[1] == n->arg[2]) return simplify_to(t, n, n->arg[1]);
    return simplify_literal(t, n->arg[0], &c) ? simplify_to(t, n, n->arg[c != 0 ? 1 : 2])
                                              : NODE_NONE;
}
const struct op op_where = {
    .name = "where",
    .notation = "z = x where condition, else y; dz/dx = condition, dz/dy = not condition",
    .flags = OP_POINTWISE,
    .params = {{"condition", PARAM_CONDITION, false},
               {"x", PARAM_TENSOR, false},
               {"y", PARAM_TENSOR, false}},
    .infer = where_infer,
    .partial = where_partial,
    .simplify = where_simplify,
    ROWS_ALL(where)};

/* cast: to an integer towards zero; what does not fit becomes the smallest integer, as on x86. */
static int32_t to_i32(double x) {
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}
static int64_t to_i64(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }

#define CAST(from, T, i32, i64)                                                                    \
    UNARY_LOOP(cast_##from, F32, T, float, x)                                                      \
    UNARY_LOOP(cast_##from, F64, T, double, x)                                                     \
    UNARY_LOOP(cast_##from, I32, T, int32_t, i32)                                                  \
    UNARY_LOOP(cast_##from, I64, T, int64_t, i64)                                                  \
    UNARY_LOOP(cast_##from, BOOL, T, uint8_t, x != 0)
CAST(F32, float, to_i32(x), to_i64(x))
CAST(F64, double, to_i32(x), to_i64(x))
CAST(I32, int32_t, x, x)
CAST(I64, int64_t, (uint32_t)(uint64_t)x, x)
CAST(BOOL, uint8_t, x, x)

static any_loop cast_loop(enum dtype from, enum dtype to) {
#define CASTS(from)                                                                                \
    [DTYPE_##from] = {                                                                             \
        LOOP(cast_##from, F32),                                                                    \
        LOOP(cast_##from, F64),                                                                    \
        LOOP(cast_##from, I32),                                                                    \
        LOOP(cast_##from, I64),                                                                    \
        LOOP(cast_##from, BOOL)                                                                    \
    }
    static const any_loop loops[DTYPE_COUNT][DTYPE_COUNT] = {CASTS(F32), CASTS(F64), CASTS(I32),
                                                             CASTS(I64), CASTS(BOOL)};
#undef CASTS
    return loops[from][to];
}

static bool cast_infer(struct tape *t, const struct node *n, struct shape *shape,
                       enum dtype *dtype) {
    (void)t, (void)shape;
    *dtype = (enum dtype)((const struct cast_attrs *)n->attrs)->dtype;
    return true;
}

static node_id cast_partial(struct tape *t, node_id y, uint32_t i, node_id v) {
    enum dtype from = tape_dtype(t, tape_arg(t, y, i));
    if (!dtype_is_float(from) || !dtype_is_float(tape_dtype(t, y))) return NODE_NONE;
    /* In reverse v has the dtype of y, in forward mode that of x. */
    return emit_cast(t, v, tape_dtype(t, v) == from ? tape_dtype(t, y) : from);
}

static node_id cast_emit(struct tape *t, const struct op_arg *args) {
    return emit_cast(t, args[0].node, args[1].dtype);
}

const struct op op_cast = {.name = "cast",
                           .notation = "y = x in another dtype; dy/dx = 1 between floats",
                           .flags = OP_POINTWISE,
                           .params = {{"x", PARAM_TENSOR, false}, {"dtype", PARAM_DTYPE, false}},
                           .emit = cast_emit,
                           .infer = cast_infer,
                           .partial = cast_partial,
                           .loop_between = cast_loop};
