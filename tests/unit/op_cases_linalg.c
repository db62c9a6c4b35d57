/* Cases of factors, inverses, determinants and linear systems. */
#include "op_cases_macros.h"

/* Far from singular: x and a multiple of the identity. */
static node_id regular(struct tape *t, node_id x) {
    const struct shape *s = tape_shape(t, x);
    const int64_t n = s->dim[s->rank - 1];
    const node_id eye = CALL(eye, INT(n), NONE, {.dtype = tape_dtype(t, x)});
    return emit_add(t, x, emit_multiply(t, eye, emit_like(t, x, 4)));
}
/* Symmetric and positive definite: x x^T and the identity. */
static node_id definite(struct tape *t, node_id x) {
    const struct shape *s = tape_shape(t, x);
    const node_id eye = CALL(eye, INT(s->dim[s->rank - 2]), NONE, {.dtype = tape_dtype(t, x)});
    return emit_add(t, emit_matmul(t, x, x, false, true), eye);
}
#define T4(k, l, m, n)                                                                             \
    {                                                                                              \
        .rank = 4, .dim = { k, l, m, n }                                                           \
    }

#define SQUARE_CASES(id, ...) NAMED_CASES(id, #id, __VA_ARGS__)
#define NAMED_CASES(id, name, ...)                                                                 \
    BUILD(id, __VA_ARGS__)                                                                         \
    static const struct op_case rows_##id[] = {                                                    \
        {#id " of a matrix", 1, {M(3, 3)}, -1, 1, 0, build_##id},                                  \
        {#id " of a number", 1, {M(1, 1)}, -1, 1, 0, build_##id},                                  \
        {#id " of a batch", 1, {T3(2, 4, 4)}, -1, 1, 0, build_##id},                               \
        {#id " of a batch of batches", 1, {T4(2, 1, 2, 2)}, -1, 1, 0, build_##id},                 \
        {#id " of no matrices", 1, {T3(0, 2, 2)}, -1, 1, 0, build_##id},                           \
        {#id " of nothing", 1, {M(0, 0)}, -1, 1, 0, build_##id}};                                  \
    const struct op_cases cases_##id = {name, rows_##id, sizeof rows_##id / sizeof rows_##id[0]};
SQUARE_CASES(cholesky, emit1(t, OP_cholesky, definite(t, x[0])))
SQUARE_CASES(logdet, CALL(logdet, NODE(definite(t, x[0]))))
SQUARE_CASES(inverse, CALL(inverse, NODE(regular(t, x[0])), BOOL(tape_shape(t, x[0])->rank == 3)))
SQUARE_CASES(det, emit1(t, OP_det, regular(t, x[0])))
NAMED_CASES(signed_log_det, "slogdet", emit1(t, OP_signed_log_det, regular(t, x[0])))

/* Both results: the sign scales the logarithm. */
static node_id build_slogdet(struct tape *t, const node_id *x) {
    const node_id *results;
    size_t n;
    if (!op_call_many(t, OP_slogdet, (struct op_arg[]){NODE(regular(t, x[0]))}, &results, &n))
        return NODE_NONE;
    return emit_multiply(t, results[0], results[1]);
}
CASES(slogdet, {"slogdet of a matrix", 1, {M(3, 3)}, -1, 1, 0, build_slogdet},
      {"slogdet of a batch", 1, {T3(2, 2, 2)}, -1, 1, 0, build_slogdet},
      {"slogdet of nothing", 1, {M(0, 0)}, -1, 1, 0, build_slogdet})

BUILD(solve, CALL(solve, NODE(regular(t, x[0])), NODE(x[1]), NONE))
BUILD(solve_adjoint, CALL(solve, NODE(regular(t, x[0])), NODE(x[1]), BOOL(true)))
CASES(solve, {"solve for a column", 2, {M(3, 3), M(3, 1)}, -1, 1, 0, build_solve},
      {"solve for several columns", 2, {M(3, 3), M(3, 4)}, -1, 1, 0, build_solve},
      {"solve, adjoint", 2, {M(3, 3), M(3, 2)}, -1, 1, 0, build_solve_adjoint},
      {"solve for a batch", 2, {T3(2, 3, 3), T3(2, 3, 2)}, -1, 1, 0, build_solve},
      {"solve for a batch, adjoint", 2, {T3(2, 2, 2), T3(2, 2, 1)}, -1, 1, 0, build_solve_adjoint},
      {"solve for a number", 2, {M(1, 1), M(1, 1)}, -1, 1, 0, build_solve},
      {"solve for no columns", 2, {M(2, 2), M(2, 0)}, -1, 1, 0, build_solve},
      {"solve for no matrices", 2, {T3(0, 2, 2), T3(0, 2, 1)}, -1, 1, 0, build_solve},
      {"solve for nothing", 2, {M(0, 0), M(0, 2)}, -1, 1, 0, build_solve})

BUILD(lower, CALL(triangular_solve, NODE(regular(t, x[0])), NODE(x[1]), NONE, NONE))
BUILD(lower_adjoint, CALL(triangular_solve, NODE(regular(t, x[0])), NODE(x[1]), NONE, BOOL(true)))
BUILD(upper, CALL(triangular_solve, NODE(regular(t, x[0])), NODE(x[1]), BOOL(false), NONE))
BUILD(upper_adjoint,
      CALL(triangular_solve, NODE(regular(t, x[0])), NODE(x[1]), BOOL(false), BOOL(true)))
CASES(triangular_solve, {"a lower triangle", 2, {M(3, 3), M(3, 2)}, -1, 1, 0, build_lower},
      {"a lower triangle, adjoint", 2, {M(3, 3), M(3, 1)}, -1, 1, 0, build_lower_adjoint},
      {"an upper triangle", 2, {M(3, 3), M(3, 1)}, -1, 1, 0, build_upper},
      {"an upper triangle, adjoint", 2, {M(3, 3), M(3, 2)}, -1, 1, 0, build_upper_adjoint},
      {"a batch of triangles", 2, {T3(2, 3, 3), T3(2, 3, 2)}, -1, 1, 0, build_lower},
      {"one triangle and a batch", 2, {M(2, 2), T3(3, 2, 2)}, -1, 1, 0, build_lower_adjoint},
      {"a batch and one right-hand side", 2, {T3(3, 2, 2), M(2, 1)}, -1, 1, 0, build_upper},
      {"triangles that broadcast both ways",
       2,
       {T4(2, 1, 2, 2), T3(3, 2, 2)},
       -1,
       1,
       0,
       build_upper_adjoint},
      {"a triangle of one", 2, {M(1, 1), M(1, 3)}, -1, 1, 0, build_lower},
      {"a triangle and no columns", 2, {M(2, 2), M(2, 0)}, -1, 1, 0, build_lower},
      {"no triangles", 2, {T3(0, 2, 2), M(2, 1)}, -1, 1, 0, build_upper})

BUILD(cholesky_solve,
      CALL(cholesky_solve, NODE(emit1(t, OP_cholesky, definite(t, x[0]))), NODE(x[1])))
CASES(cholesky_solve,
      {"cholesky_solve for a column", 2, {M(3, 3), M(3, 1)}, -1, 1, 0, build_cholesky_solve},
      {"cholesky_solve for a batch", 2, {M(2, 2), T3(2, 2, 3)}, -1, 1, 0, build_cholesky_solve},
      {"cholesky_solve for nothing", 2, {M(0, 0), M(0, 1)}, -1, 1, 0, build_cholesky_solve})
