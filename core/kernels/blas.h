/* Products of matrices by BLAS, cut so that a long one can be stopped. All matrices are row-major; lda
 * and its like are the elements between two rows. No dimension may be 0. */
#ifndef GRADD_CORE_KERNELS_BLAS_H
#define GRADD_CORE_KERNELS_BLAS_H

#include "core/kernels/lapack.h"

/* The dtypes of BLAS and LAPACK: tag, C type, and the letter in the names of their functions. */
#define BLAS_DTYPES(X)                                                                             \
    X(F32, float, s)                                                                               \
    X(F64, double, d)

/* alpha op(a) op(b), with op(a) m x k and op(b) k x n, becomes c or is added to it; op transposes where it
 * says so. */
struct gemm {
    bool transpose_a, transpose_b, adds;
    int64_t m, n, k;
    int64_t lda, ldb, ldc;
};

/* `alpha` is 1 or -1. blas_gemm makes the result in blocks of rows or columns, whose bounds depend on the
 * shapes alone, on the threads of the run; false where the run should stop between two of them. blas_product
 * makes it at once, on the calling thread, after lapack_ready(): for a block of a run. */
#define BLAS_DECLARE(tag, T, letter)                                                               \
    void blas_product_##tag(const struct gemm *g, T alpha, const T *a, const T *b, T *c);          \
    bool blas_gemm_##tag(struct run *run, const struct gemm *g, T alpha, const T *a, const T *b,   \
                         T *c);
BLAS_DTYPES(BLAS_DECLARE)
#undef BLAS_DECLARE

static inline CBLAS_TRANSPOSE blas_op(bool transposed) {
    return transposed ? CblasTrans : CblasNoTrans;
}

#endif
