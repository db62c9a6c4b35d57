/* Diagonals of matrices, which are the last two axes of a tensor: core/op_diagonal.c has the single ones,
 * core/op_band.c several beside each other. Diagonal k begins k places right of the main one. */
#ifndef GRADD_CORE_DIAGONAL_H
#define GRADD_CORE_DIAGONAL_H

#include "core/emit.h"

enum { SIDE_MAX = 1 << 30 }; /* so that a matrix of that side can be counted in 64 bits */

/* The length of diagonal k; 0 where it lies outside. */
int64_t diagonal_length(int64_t rows, int64_t cols, int64_t k);
/* Refuses what has no two axes; false after tape_fail. */
bool is_matrix(struct tape *t, const char *op, node_id x);

node_id emit_diagonal_of(struct tape *t, node_id x, int64_t k);
/* The adjoint: x, whose last axis has the diagonal's length, in zeros of shape (..., rows, cols). */
node_id emit_diagonal_in(struct tape *t, node_id x, int64_t rows, int64_t cols, int64_t k);
/* True on the diagonals from `low` to `high`. */
node_id emit_band_mask(struct tape *t, int64_t rows, int64_t cols, int64_t low, int64_t high);

#endif
