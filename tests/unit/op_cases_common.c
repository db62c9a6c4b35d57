/* Cases of the leaves, of arithmetic, logic, reductions, arrays and matmul: ordinary, broadcast,
 * scalar, empty and attribute forms. */
#include "op_cases_macros.h"

/* ---- leaves ---- */
BUILD(input, x[0])
CASES(input, {"input", 1, {V(3)}, -1, 1, 0, build_input})
BUILD(const,
      emit_multiply(t, x[0], tape_const(t, DTYPE_F64, &(struct shape)V(2), (double[]){2, 3})))
CASES(const, {"const times x", 1, {V(2)}, -1, 1, 0, build_const})

/* ---- element-wise, one argument ---- */
UNARY_CASES(negative, -2, 2)
UNARY_CASES(square, -2, 2)
UNARY_CASES(sqrt, 0.5, 3)
UNARY_CASES(rsqrt, 0.5, 3)
UNARY_CASES(reciprocal, 0.5, 3)
UNARY_CASES(exp, -2, 2)
UNARY_CASES(expm1, -2, 2)
UNARY_CASES(log, 0.5, 3)
UNARY_CASES(log1p, -0.5, 3)
UNARY_CASES(sin, -3, 3)
UNARY_CASES(cos, -3, 3)
UNARY_CASES(tan, -1.2, 1.2)
UNARY_CASES(sinh, -2, 2)
UNARY_CASES(cosh, -2, 2)
UNARY_CASES(tanh, -2, 2)
UNARY_CASES(sigmoid, -3, 3)
UNARY_CASES(softplus, -3, 3)
UNARY_CASES(relu, 0.1, 2)
UNARY_CASES(abs, -2, -0.1)
UNARY_CASES(sign, 0.1, 2)
UNARY_CASES(step, 0.1, 2)

/* ---- element-wise, two arguments ---- */
BINARY_CASES(add, -2, 2)
BINARY_CASES(subtract, -2, 2)
BINARY_CASES(multiply, -2, 2)
BINARY_CASES(divide, 0.5, 2)
BINARY_CASES(pow, 0.5, 2)
BINARY_CASES(maximum, -2, 2)
BINARY_CASES(minimum, -2, 2)
BINARY_CASES(mod, 0.51, 0.99)
BINARY_CASES(multiply_no_nan, 0.5, 2)
BINARY_CASES_INERT(floordiv, 0.51, 0.99, 3)
BINARY_CASES_INERT(equal, -2, 2, 3)
BINARY_CASES_INERT(not_equal, -2, 2, 3)
BINARY_CASES_INERT(less, -2, 2, 3)
BINARY_CASES_INERT(less_equal, -2, 2, 3)
BINARY_CASES_INERT(greater, -2, 2, 3)
BINARY_CASES_INERT(greater_equal, -2, 2, 3)

/* ---- logic and conversion ---- */
BUILD(logical_and,
      emit2(t, OP_logical_and, emit2(t, OP_less, x[0], x[1]), emit2(t, OP_greater, x[0], x[1])))
CASES(logical_and, {"logical_and", 2, {M(2, 3), V(3)}, -2, 2, 3, build_logical_and})
BUILD(logical_or,
      emit2(t, OP_logical_or, emit2(t, OP_less, x[0], x[1]), emit2(t, OP_greater, x[0], x[1])))
CASES(logical_or, {"logical_or", 2, {M(2, 3), V(3)}, -2, 2, 3, build_logical_or})
BUILD(logical_not, emit1(t, OP_logical_not, emit2(t, OP_less, x[0], x[1])))
CASES(logical_not, {"logical_not", 2, {M(2, 3), V(3)}, -2, 2, 3, build_logical_not})
BUILD(where, emit_where(t, emit2(t, OP_less, x[0], emit_like(t, x[0], 0)), x[1], x[2]))
CASES(where, {"where", 3, {M(2, 3), M(2, 3), M(2, 3)}, -2, 2, 1, build_where},
      {"where broadcast", 3, {M(2, 1), V(3), SCALAR}, -2, 2, 1, build_where},
      {"where scalars", 3, {SCALAR, SCALAR, SCALAR}, -2, 2, 1, build_where})
BUILD(cast_int, emit_cast(t, emit_cast(t, x[0], DTYPE_I32), DTYPE_F64))
CASES(cast, {"cast to int and back", 1, {M(2, 3)}, 1.2, 1.8, 1, build_cast_int})

/* ---- reductions ---- */
#define REDUCE_CASES(id, low, high)                                                                \
    BUILD(id##_all, CALL(id, NODE(x[0]), NONE, NONE))                                              \
    BUILD(id##_0, CALL(id, NODE(x[0]), INTS(0), NONE))                                             \
    BUILD(id##_last, CALL(id, NODE(x[0]), INTS(-1), BOOL(true)))                                   \
    BUILD(id##_02, CALL(id, NODE(x[0]), INTS(0, 2), NONE))                                         \
    CASES(id, {#id " of a scalar", 1, {SCALAR}, low, high, 0, build_##id##_all},                   \
          {#id " of a vector", 1, {V(5)}, low, high, 0, build_##id##_all},                         \
          {#id " of 40 elements", 1, {M(40, 1)}, low, high, 0, build_##id##_all},                  \
          {#id " over axis 0", 1, {M(4, 3)}, low, high, 0, build_##id##_0},                        \
          {#id " over the last axis, kept", 1, {T3(2, 3, 4)}, low, high, 0, build_##id##_last},    \
          {#id " over axes 0 and 2", 1, {T3(2, 3, 4)}, low, high, 0, build_##id##_02},             \
          {#id " of 20 by 70 over axis 0", 1, {M(20, 70)}, low, high, 0, build_##id##_0},          \
          {#id " of size-1 axes", 1, {T3(1, 3, 1)}, low, high, 0, build_##id##_02},                \
          {#id " giving nothing", 1, {M(3, 0)}, low, high, 0, build_##id##_0})
REDUCE_CASES(reduce_sum, -2, 2)
REDUCE_CASES(reduce_mean, -2, 2)
REDUCE_CASES(reduce_max, -2, 2)
REDUCE_CASES(reduce_min, -2, 2)
REDUCE_CASES(reduce_prod, 0.8, 1.25)
static node_id build_recurrence(struct tape *t, const node_id *x) {
    return tape_emit(t, OP_recurrence, x, 2, &(struct recurrence_attrs){0},
                     sizeof(struct recurrence_attrs));
}
static node_id build_recurrence_reverse(struct tape *t, const node_id *x) {
    return tape_emit(t, OP_recurrence, x, 2, &(struct recurrence_attrs){1},
                     sizeof(struct recurrence_attrs));
}
CASES(recurrence, {"recurrence", 2, {M(2, 5), M(2, 5)}, -1, 1, 0, build_recurrence},
      {"recurrence reversed", 2, {M(2, 5), M(2, 5)}, -1, 1, 0, build_recurrence_reverse},
      {"recurrence of one", 2, {V(1), V(1)}, -1, 1, 0, build_recurrence},
      {"recurrence of none", 2, {V(0), V(0)}, -1, 1, 0, build_recurrence})

/* ---- arrays ---- */
BUILD1(identity)
CASES(identity, {"identity", 1, {M(2, 3)}, -2, 2, 0, build_identity},
      {"identity scalar", 1, {SCALAR}, -2, 2, 0, build_identity})
BUILD1(stop_gradient)
CASES(stop_gradient, {"stop_gradient", 1, {M(2, 3)}, -2, 2, 1, build_stop_gradient})
BUILD(zeros_like, CALL(zeros_like, NODE(x[0])))
CASES(zeros_like, {"zeros_like", 1, {M(2, 3)}, -2, 2, 1, build_zeros_like})
BUILD(ones_like, CALL(ones_like, NODE(x[0])))
CASES(ones_like, {"ones_like", 1, {M(2, 3)}, -2, 2, 1, build_ones_like})
BUILD(reshape, CALL(reshape, NODE(x[0]), INTS(3, -1)))
BUILD(reshape_scalar, CALL(reshape, NODE(x[0]), {.given = true, .n = 0}))
CASES(reshape, {"reshape", 1, {M(2, 6)}, -2, 2, 0, build_reshape},
      {"reshape to a scalar", 1, {M(1, 1)}, -2, 2, 0, build_reshape_scalar},
      {"reshape empty", 1, {M(0, 6)}, -2, 2, 0, build_reshape})
BUILD(expand_dims, CALL(expand_dims, NODE(x[0]), INT(-1)))
CASES(expand_dims, {"expand_dims", 1, {M(2, 3)}, -2, 2, 0, build_expand_dims})
BUILD(squeeze, CALL(squeeze, NODE(x[0]), NONE))
CASES(squeeze, {"squeeze", 1, {T3(1, 3, 1)}, -2, 2, 0, build_squeeze})
BUILD(transpose, CALL(transpose, NODE(x[0]), NONE))
BUILD(transpose_201, CALL(transpose, NODE(x[0]), INTS(2, 0, 1)))
CASES(transpose, {"transpose", 1, {M(2, 3)}, -2, 2, 0, build_transpose},
      {"transpose (2,0,1)", 1, {T3(2, 3, 4)}, -2, 2, 0, build_transpose_201},
      {"transpose a vector", 1, {V(3)}, -2, 2, 0, build_transpose})
BUILD(broadcast_to, CALL(broadcast_to, NODE(x[0]), INTS(2, 4, 3)))
BUILD(broadcast_to_empty, CALL(broadcast_to, NODE(x[0]), INTS(0, 3)))
CASES(broadcast_to, {"broadcast_to from a scalar", 1, {SCALAR}, -2, 2, 0, build_broadcast_to},
      {"broadcast_to from a row", 1, {V(3)}, -2, 2, 0, build_broadcast_to},
      {"broadcast_to from a column", 1, {T3(2, 1, 1)}, -2, 2, 0, build_broadcast_to},
      {"broadcast_to nothing", 1, {V(3)}, -2, 2, 0, build_broadcast_to_empty})
BUILD(concat, CALL(concat, NODES(x[0], x[1], x[2], x[0]), INT(-1)))
BUILD(concat_0, CALL(concat, NODES(x[0], x[1]), INT(0)))
CASES(
    concat,
    {"concat of four along the last axis", 3, {M(2, 3), M(2, 1), M(2, 2)}, -2, 2, 0, build_concat},
    {"concat along axis 0", 2, {M(2, 3), M(1, 3)}, -2, 2, 0, build_concat_0},
    {"concat with nothing", 2, {M(0, 3), M(1, 3)}, -2, 2, 0, build_concat_0})
BUILD(stack, CALL(stack, NODES(x[0], x[1], x[2]), INT(1)))
CASES(stack, {"stack", 3, {V(2), V(2), V(2)}, -2, 2, 0, build_stack},
      {"stack of matrices", 3, {M(2, 2), M(2, 2), M(2, 2)}, -2, 2, 0, build_stack})
BUILD(slice, CALL(slice, NODE(x[0]), INTS(1, 0), INTS(2, -1)))
CASES(slice, {"slice", 1, {M(4, 3)}, -2, 2, 0, build_slice})
BUILD(strided_slice, CALL(strided_slice, NODE(x[0]), INTS(4, 0), INTS(-1, 3), INTS(-2, 2)))
BUILD(strided_slice_empty, CALL(strided_slice, NODE(x[0]), INTS(1, 0), INTS(1, 3), INTS(1, 1)))
CASES(strided_slice, {"strided_slice backwards", 1, {M(5, 3)}, -2, 2, 0, build_strided_slice},
      {"strided_slice of nothing", 1, {M(5, 3)}, -2, 2, 0, build_strided_slice_empty})
static node_id build_strided_slice_grad(struct tape *t, const node_id *x) {
    struct slice_attrs attrs = {.rank = 2, .dim = {5, 3}, .begin = {4, 0}, .stride = {-2, 2}};
    return tape_emit(t, OP_strided_slice_grad, x, 1, &attrs, sizeof attrs);
}
CASES(strided_slice_grad, {"strided_slice_grad", 1, {M(3, 2)}, -2, 2, 0, build_strided_slice_grad})

/* Two slices of a matrix of 4 by 3 in zeros, and in a whole one. */
static node_id build_add_slices(struct tape *t, const node_id *x, uint32_t n) {
    _Alignas(struct sum_attrs) char room[sizeof(struct sum_attrs) + 2 * sizeof(int64_t)] = {0};
    struct sum_attrs *a = (struct sum_attrs *)room;
    *a = (struct sum_attrs){
        .based = n - 2, .rank = 2, .dim = {4, 3}, .meet_begin = {1, 1}, .meet_end = {2, 2}};
    a->offset[0] = 0;
    a->offset[1] = 4;
    return tape_emit(t, OP_add_slices, x, n, a, sizeof room);
}
static node_id build_add_two(struct tape *t, const node_id *x) { return build_add_slices(t, x, 2); }
static node_id build_add_base(struct tape *t, const node_id *x) {
    return build_add_slices(t, x, 3);
}
CASES(add_slices, {"add_slices", 2, {M(2, 2), M(3, 2)}, -2, 2, 0, build_add_two},
      {"add_slices to a whole", 3, {M(4, 3), M(2, 2), M(3, 2)}, -2, 2, 0, build_add_base})

/* ---- linear algebra ---- */
#define MATMUL(name, ta, tb) BUILD(name, emit_matmul(t, x[0], x[1], ta, tb))
MATMUL(matmul_nn, false, false)
MATMUL(matmul_tn, true, false)
MATMUL(matmul_nt, false, true)
MATMUL(matmul_tt, true, true)
CASES(matmul, {"matmul", 2, {M(2, 3), M(3, 4)}, -2, 2, 0, build_matmul_nn},
      {"matmul transpose_a", 2, {M(3, 2), M(3, 4)}, -2, 2, 0, build_matmul_tn},
      {"matmul transpose_b", 2, {M(2, 3), M(4, 3)}, -2, 2, 0, build_matmul_nt},
      {"matmul both transposed", 2, {M(3, 2), M(4, 3)}, -2, 2, 0, build_matmul_tt},
      {"matmul batched", 2, {T3(2, 2, 3), T3(2, 3, 2)}, -2, 2, 0, build_matmul_nn},
      {"matmul broadcast", 2, {T3(2, 2, 3), M(3, 2)}, -2, 2, 0, build_matmul_nn},
      {"matmul broadcast, transposed", 2, {T3(1, 3, 2), T3(2, 4, 3)}, -2, 2, 0, build_matmul_tt},
      {"matmul past a block", 2, {M(3, 70), M(70, 66)}, -1, 1, 0, build_matmul_nn},
      {"matmul of nothing", 2, {M(2, 0), M(0, 3)}, -2, 2, 0, build_matmul_nn})
