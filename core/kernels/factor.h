/* Factors of square row-major matrices, and what is solved with them, by LAPACK and BLAS. Long ones are
 * cut into blocks of fixed size between which the run is asked. n is at least 1. */
#ifndef GRADD_CORE_KERNELS_FACTOR_H
#define GRADD_CORE_KERNELS_FACTOR_H

#include "core/kernels/blas.h"

/* A triangle that is solved with; its other half is not read. */
struct triangle {
    int64_t n;
    bool lower;
    bool transposed; /* solves with the transpose of what is stored */
    bool unit;       /* ones on the diagonal, which is not read then */
};

/* factor_cholesky: the lower triangle of a becomes that of L, L L^T = a; the upper one is used up. False
 * where a is not positive definite, or the run is stopped.
 *
 * factor_lu: a = L U S with L in the lower triangle, U (unit) above it, and S the swaps of columns i and
 * pivot[i] (from 1) in that order. It is singular where the diagonal has a 0 or NaN. False where the run is stopped.
 *
 * factor_triangle_solve, factor_lu_solve: x, n x m, becomes a^-1 x (a^-T x). False where the run is stopped. */
#define FACTOR_DECLARE(tag, T, letter)                                                             \
    bool factor_cholesky_##tag(struct run *run, int64_t n, T *a);                                  \
    bool factor_lu_##tag(struct run *run, int64_t n, T *a, lapack_int *pivot);                     \
    bool factor_lu_singular_##tag(int64_t n, const T *lu);                                         \
    bool factor_triangle_solve_##tag(struct run *run, const struct triangle *s, const T *a, T *x,  \
                                     int64_t m);                                                   \
    bool factor_lu_solve_##tag(struct run *run, int64_t n, bool transposed, const T *lu,           \
                               const lapack_int *pivot, T *x, int64_t m);
BLAS_DTYPES(FACTOR_DECLARE)
#undef FACTOR_DECLARE

/* Bytes of an LU factor with its pivots behind it. */
static inline size_t factor_lu_bytes(enum dtype dtype, int64_t n) {
    return (size_t)(n * n) * dtype_size(dtype) + (size_t)n * sizeof(lapack_int);
}

#endif
