/* Upper triangles R of QR factors that take in rows block by block, so that a tall matrix is never there
 * as a whole; and what least squares asks of R. Everything is float64 and column-major. */
#ifndef GRADD_CORE_KERNELS_UPPER_H
#define GRADD_CORE_KERNELS_UPPER_H

#include "core/run.h"

/* Doubles of workspace that a triangle of k columns needs here. */
int64_t upper_work(int64_t k);

/* R (k x k, what is below its diagonal is not read) becomes that of [R; B]. B has `rows` rows, ldb
 * elements between its columns, and is used up; `above_diagonal`: it is an upper trapezoid of at most k
 * rows. False where the run should stop. */
bool upper_absorb(struct run *run, int64_t k, double *r, int64_t ldr, int64_t rows, double *b,
                  int64_t ldb, bool above_diagonal, double *work);

/* x becomes R^-1 x, or R^-T x, of the leading k columns. A zero on the diagonal gives what is not
 * finite. */
void upper_solve(bool transposed, int64_t k, const double *r, int64_t ldr, double *x);
/* x becomes R x, or R^T x. */
void upper_multiply(bool transposed, int64_t k, const double *r, int64_t ldr, double *x);

/* The rank of R (k x k, finite, used up), by QR with column pivoting: diagonal elements not larger than
 * `tolerance` times the first count as zeros. Then order[i], from 0, is the column that stands at i;
 * inverse (k x k) holds in its leading rank x rank part the inverse of the leading triangle R11, and to
 * the right of it R11^-1 R12. 0 without rank or where the run should stop. */
int64_t upper_rank(struct run *run, int64_t k, double *r, double tolerance, int64_t *order,
                   double *inverse, double *work);

#endif
