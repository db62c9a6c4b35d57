/* What the factorizations share: how their factors stand in one result, and a matrix' small changes. */
#ifndef GRADD_CORE_OP_SPECTRAL_H
#define GRADD_CORE_OP_SPECTRAL_H

#include "core/emit.h"

/* Refuses, in TensorFlow's words and with the op's name, what is no batch of matrices of floats of sides
 * that LAPACK can count; `square`: or whose matrices are not square. False after tape_fail. */
bool matrix_check(struct tape *t, const char *op, node_id x, bool square);

/* The shape of `rows` x `columns` matrices, as many as x has. */
struct shape matrix_shape(const struct tape *t, node_id x, int64_t rows, int64_t columns);

/* The factor of a packed result that begins at *at, and the place after it. */
node_id factor_take(struct tape *t, node_id packed, int64_t *at, const struct shape *shape);

/* Its opposite: factors one after another along the last axis. `leading` axes come before it. */
node_id factor_pack(struct tape *t, const node_id *factors, uint32_t n, int leading);

/* For `infer`: the shape of factors of so many elements in all, one after another, for matrices x. */
struct shape factor_shape(const struct shape *x, int64_t elements);

/* Room for a call's results in the tape's arena; NULL after tape_fail. */
node_id *factor_results(struct tape *t, const char *op, size_t n);

/* The rules that all packed results share. */
node_id factor_batch(struct tape *t, node_id y, const node_id *x, const bool *batched, int64_t n);

/* Columns begin, .., begin + n - 1. */
node_id emit_columns(struct tape *t, node_id x, int64_t begin, int64_t n);
/* A vector (..., n) as (..., 1, n) or (..., n, 1). */
node_id emit_as_row(struct tape *t, node_id x);
node_id emit_as_column(struct tape *t, node_id x);
/* True at (i, j) where i and j, counted from 0, compare so by an op such as OP_greater. */
node_id emit_index_mask(struct tape *t, int op, int64_t n);
/* sum_i x_ij y_ij: the products of columns. */
node_id emit_column_products(struct tape *t, node_id x, node_id y);

/* The singular values of each matrix, descending; `op` is named in refusals. */
node_id emit_singular_values(struct tape *t, const char *op, node_id x);

/* x / (x^2 + 1e-20), TensorFlow's reciprocal: 0 at 0. */
node_id emit_safe_reciprocal(struct tape *t, node_id x);
/* F_ij = 1 / (x_j - x_i) by that reciprocal: equal values contribute 0. */
node_id emit_gaps(struct tape *t, node_id x);

#endif
