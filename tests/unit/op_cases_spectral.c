/* Cases of factorizations, functions and norms of matrices. Factors are taken of matrices whose
 * eigenvalues and singular values lie apart. */
#include <math.h>

#include "core/op_spectral.h"
#include "op_cases_macros.h"

static node_id result(struct tape *t, int op, const struct op_arg *args, size_t i) {
    const node_id *results;
    size_t n;
    return op_call_many(t, op, args, &results, &n) ? results[i] : NODE_NONE;
}
#define RESULT(i, op, ...) result(t, OP_##op, (struct op_arg[]){__VA_ARGS__}, i)

/* The square matrix x with 3, 6, 9, .. added to its diagonal. */
static node_id apart(struct tape *t, node_id x) {
    const struct shape *s = tape_shape(t, x);
    const int64_t n = s->dim[s->rank - 1];
    double *d = arena_alloc(t->arena, (size_t)n * sizeof *d + 8);
    for (int64_t i = 0; i < n; i++) d[i] = 3 * (double)(i + 1);
    const node_id diagonal = tape_const(t, DTYPE_F64, &(struct shape)V(n), d);
    return emit_add(
        t, x,
        emit_cast(t, CALL(diag, NODE(diagonal), NONE, NONE, NONE, NONE, NONE), tape_dtype(t, x)));
}

BUILD(eigenvalues, RESULT(0, eigh, NODE(apart(t, x[0]))))
BUILD(eigenvectors, RESULT(1, eigh, NODE(apart(t, x[0]))))
BUILD(eigh_product, emit_multiply(t, emit_as_column(t, RESULT(0, eigh, NODE(apart(t, x[0])))),
                                  RESULT(1, eigh, NODE(apart(t, x[0])))))
CASES(eigh, {"eigenvalues", 1, {M(3, 3)}, -1, 1, 0, build_eigenvalues},
      {"eigenvectors", 1, {M(3, 3)}, -1, 1, 0, build_eigenvectors},
      {"eigenvectors of a batch", 1, {T3(2, 4, 4)}, -1, 1, 0, build_eigenvectors},
      {"eigh of one", 1, {M(1, 1)}, -1, 1, 0, build_eigenvalues},
      {"eigh of nothing", 1, {M(0, 0)}, -1, 1, 0, build_eigenvectors},
      {"eigh of no matrices", 1, {T3(0, 2, 2)}, -1, 1, 0, build_eigenvectors},
      {"eigenvalues times eigenvectors", 1, {M(4, 4)}, -1, 1, 0, build_eigh_product})
BUILD(eigh_factors, tape_emit(t, OP_eigh_factors, (node_id[]){apart(t, x[0])}, 1,
                              &(struct factor_attrs){1, 0}, sizeof(struct factor_attrs)))
CASES(eigh_factors, {"eigh_factors", 1, {M(3, 3)}, -1, 1, 0, build_eigh_factors})
BUILD(eigvalsh, CALL(eigvalsh, NODE(apart(t, x[0]))))
CASES(eigvalsh, {"eigvalsh", 1, {M(3, 3)}, -1, 1, 0, build_eigvalsh},
      {"eigvalsh of a batch", 1, {T3(2, 3, 3)}, -1, 1, 0, build_eigvalsh},
      {"eigvalsh of one", 1, {M(1, 1)}, -1, 1, 0, build_eigvalsh},
      {"eigvalsh of nothing", 1, {M(0, 0)}, -1, 1, 0, build_eigvalsh})

#define QR(name, i) BUILD(name, RESULT(i, qr, NODE(x[0]), NONE))
QR(qr_q, 0)
QR(qr_r, 1)
BUILD(qr_standing_q,
      RESULT(0, qr, NODE(emit_concat(t, (node_id[]){apart(t, x[0]), x[1]}, 2, 0)), NONE))
BUILD(qr_standing_r,
      RESULT(1, qr, NODE(emit_concat(t, (node_id[]){apart(t, x[0]), x[1]}, 2, 0)), NONE))
BUILD(qr_lying_q,
      RESULT(0, qr, NODE(emit_concat(t, (node_id[]){apart(t, x[0]), x[1]}, 2, 1)), NONE))
BUILD(qr_lying_r,
      RESULT(1, qr, NODE(emit_concat(t, (node_id[]){apart(t, x[0]), x[1]}, 2, 1)), BOOL(true)))
BUILD(qr_batch, RESULT(0, qr, NODE(apart(t, x[0])), BOOL(true)))
CASES(qr, {"Q of a square", 1, {M(3, 3)}, -2, 2, 0, build_qr_q},
      {"R of a square", 1, {M(3, 3)}, -2, 2, 0, build_qr_r},
      {"Q of a standing matrix", 2, {M(3, 3), M(2, 3)}, -1, 1, 0, build_qr_standing_q},
      {"R of a standing matrix", 2, {M(3, 3), M(2, 3)}, -1, 1, 0, build_qr_standing_r},
      {"Q of a lying matrix", 2, {M(2, 2), M(2, 3)}, -1, 1, 0, build_qr_lying_q},
      {"R of a lying matrix, full", 2, {M(2, 2), M(2, 3)}, -1, 1, 0, build_qr_lying_r},
      {"Q of a batch, full", 1, {T3(2, 3, 3)}, -1, 1, 0, build_qr_batch},
      {"qr of a column", 1, {M(3, 1)}, 0.5, 2, 0, build_qr_q},
      {"qr of no columns", 1, {M(3, 0)}, -2, 2, 0, build_qr_q},
      {"qr of no rows", 1, {M(0, 3)}, -2, 2, 0, build_qr_r})
BUILD(qr_factors, tape_emit(t, OP_qr_factors, (node_id[]){apart(t, x[0])}, 1,
                            &(struct factor_attrs){1, 0}, sizeof(struct factor_attrs)))
CASES(qr_factors, {"qr_factors", 1, {M(3, 3)}, -1, 1, 0, build_qr_factors})

#define SVD(name, i, full) BUILD(name, RESULT(i, svd, NODE(x[0]), BOOL(full), NONE))
SVD(svd_s, 0, false)
SVD(svd_u, 1, false)
SVD(svd_v, 2, false)
SVD(svd_full_s, 0, true)
SVD(svd_full_u, 1, true)
SVD(svd_full_v, 2, true)
BUILD(svd_values, RESULT(0, svd, NODE(x[0]), NONE, BOOL(false)))
CASES(svd, {"singular values", 1, {M(3, 3)}, -2, 2, 0, build_svd_s},
      {"singular values alone", 1, {T3(2, 3, 2)}, -2, 2, 0, build_svd_values},
      {"singular values alone, lying", 1, {M(2, 4)}, -2, 2, 0, build_svd_values},
      {"U of a square", 1, {M(3, 3)}, -2, 2, 0, build_svd_u},
      {"V of a square", 1, {M(3, 3)}, -2, 2, 0, build_svd_v},
      {"U of a standing matrix", 1, {M(5, 2)}, -2, 2, 0, build_svd_u},
      {"V of a standing matrix", 1, {M(5, 2)}, -2, 2, 0, build_svd_v},
      {"U of a lying matrix", 1, {M(2, 5)}, -2, 2, 0, build_svd_u},
      {"V of a batch", 1, {T3(2, 2, 3)}, -2, 2, 0, build_svd_v},
      {"s with full matrices", 1, {M(3, 2)}, -2, 2, 0, build_svd_full_s},
      {"U with full matrices", 1, {M(3, 2)}, -2, 2, 0, build_svd_full_u},
      {"V with full matrices", 1, {T3(2, 2, 3)}, -2, 2, 0, build_svd_full_v},
      {"svd of a row", 1, {M(1, 4)}, -2, 2, 0, build_svd_v},
      {"svd of one", 1, {M(1, 1)}, -2, 2, 0, build_svd_s},
      {"svd of no columns", 1, {M(3, 0)}, -2, 2, 0, build_svd_u},
      {"svd of no rows", 1, {M(0, 3)}, -2, 2, 0, build_svd_s})
BUILD(svd_factors,
      tape_emit(t, OP_svd_factors, x, 1, &(struct factor_attrs){1, 0}, sizeof(struct factor_attrs)))
CASES(svd_factors, {"svd_factors", 1, {M(3, 2)}, -2, 2, 0, build_svd_factors})

#define NUMBER(v)                                                                                  \
    { .given = true, .f = (v) }
#define WORD(v)                                                                                    \
    { .given = true, .string = (v) }
BUILD(pinv, CALL(pinv, NODE(x[0]), NONE))
BUILD(pinv_low_rank, CALL(pinv, NODE(emit_matmul(t, x[0], x[1], false, false)), NONE))
BUILD(pinv_truncated, CALL(pinv, NODE(apart(t, x[0])), NUMBER(0.5)))
CASES(pinv, {"pinv with a cutoff", 1, {M(3, 3)}, -1, 1, 0, build_pinv_truncated},
      {"pinv of a square", 1, {M(3, 3)}, -2, 2, 0, build_pinv},
      {"pinv of a standing matrix", 1, {M(4, 2)}, -2, 2, 0, build_pinv},
      {"pinv of lying matrices", 1, {T3(2, 2, 3)}, -2, 2, 0, build_pinv},
      {"pinv of rank 1", 2, {M(3, 1), M(1, 4)}, -2, 2, 0, build_pinv_low_rank},
      {"pinv of nothing", 1, {M(0, 3)}, -2, 2, 0, build_pinv})

BUILD(lstsq, CALL(lstsq, NODE(x[0]), NODE(x[1]), NONE, NONE))
BUILD(lstsq_square, CALL(lstsq, NODE(apart(t, x[0])), NODE(x[1]), NONE, NONE))
BUILD(lstsq_regular, CALL(lstsq, NODE(x[0]), NODE(x[1]), NUMBER(0.5), NONE))
BUILD(lstsq_slow, CALL(lstsq, NODE(emit1(t, OP_stop_gradient, x[0])),
                       NODE(emit1(t, OP_stop_gradient, x[1])), NONE, BOOL(false)))
CASES(
    lstsq, {"lstsq of a square", 2, {M(3, 3), M(3, 2)}, -1, 1, 0, build_lstsq_square},
    {"lstsq of a standing matrix", 2, {M(5, 2), M(5, 1)}, -2, 2, 0, build_lstsq},
    {"lstsq of a lying matrix", 2, {M(2, 5), M(2, 3)}, -2, 2, 0, build_lstsq},
    {"lstsq of a batch, regularized", 2, {T3(2, 2, 3), T3(2, 2, 1)}, -2, 2, 0, build_lstsq_regular},
    {"lstsq, leading axes broadcast", 2, {M(4, 2), T3(2, 4, 1)}, -2, 2, 0, build_lstsq_regular},
    {"lstsq of nothing", 2, {M(3, 0), M(3, 1)}, -2, 2, 0, build_lstsq})
CASES(lstsq_slow, {"lstsq by singular values", 2, {M(3, 2), M(3, 1)}, -2, 2, 3, build_lstsq_slow},
      {"lstsq by singular values, lying", 2, {M(2, 3), M(2, 2)}, -2, 2, 3, build_lstsq_slow})

BUILD(expm, CALL(expm, NODE(x[0])))
CASES(expm, {"expm", 1, {M(3, 3)}, -1, 1, 0, build_expm},
      {"expm of a batch", 1, {T3(2, 2, 2)}, -1, 1, 0, build_expm},
      {"expm of small numbers", 1, {M(3, 3)}, -0.004, 0.004, 0, build_expm},
      {"expm of large numbers", 1, {M(2, 2)}, -8, -4, 0, build_expm},
      {"expm of one", 1, {M(1, 1)}, -1, 1, 0, build_expm},
      {"expm of nothing", 1, {M(0, 0)}, -1, 1, 0, build_expm})

BUILD(norm, CALL(norm, NODE(x[0]), NONE, NONE, NONE))
BUILD(norm_1, CALL(norm, NODE(x[0]), NUMBER(1), INTS(-1), BOOL(true)))
BUILD(norm_3, CALL(norm, NODE(x[0]), NUMBER(3), INTS(0), NONE))
BUILD(norm_inf, CALL(norm, NODE(x[0]), WORD("inf"), INTS(1), NONE))
BUILD(norm_fro, CALL(norm, NODE(x[0]), WORD("fro"), INTS(-2, -1), NONE))
BUILD(norm_matrix_1, CALL(norm, NODE(x[0]), NUMBER(1), INTS(0, 1), NONE))
BUILD(norm_matrix_inf, CALL(norm, NODE(x[0]), NUMBER(INFINITY), INTS(0, -1), BOOL(true)))
BUILD(norm_matrix_2, CALL(norm, NODE(x[0]), NUMBER(2), INTS(0, 2), BOOL(true)))
CASES(norm, {"norm of all", 1, {M(2, 3)}, 0.5, 2, 0, build_norm},
      {"norm of a scalar", 1, {SCALAR}, 0.5, 2, 0, build_norm},
      {"norm 1 along the last axis, kept", 1, {T3(2, 2, 3)}, 0.5, 2, 0, build_norm_1},
      {"norm 3 along axis 0", 1, {M(3, 2)}, 0.5, 2, 0, build_norm_3},
      {"norm inf along axis 1", 1, {M(3, 4)}, 0.5, 2, 0, build_norm_inf},
      {"norm fro of matrices", 1, {T3(2, 2, 3)}, -2, 2, 0, build_norm_fro},
      {"norm 1 of matrices", 1, {T3(2, 3, 2)}, 0.5, 2, 0, build_norm_matrix_1},
      {"norm inf of a matrix, kept", 1, {M(3, 2)}, 0.5, 2, 0, build_norm_matrix_inf},
      {"norm 2 over axes 0 and 2, kept", 1, {T3(3, 2, 3)}, 0.5, 2, 0, build_norm_matrix_2},
      {"norm of no vectors", 1, {M(0, 3)}, 0.5, 2, 0, build_norm_1})
