/* The calls of BLAS for products of matrices. What a product means for a tape is not known here. */
#include "core/kernels/blas.h"

#include <string.h>

/* About 10 ms of one core's multiplications; and rows enough that packing b pays. */
enum { BLOCK_WORK = 1 << 27, BLOCK_ROWS = 32 };

static int64_t block_rows(const struct gemm *g) {
    const int64_t rows = BLOCK_WORK / (g->n * g->k) / BLOCK_ROWS * BLOCK_ROWS;
    return rows < BLOCK_ROWS ? BLOCK_ROWS : rows;
}

/* A result of one row or one column is a product with a vector, for which BLAS has its own functions. Their
 * result is set to 0 beforehand, since not every build
 * agrees that beta = 0 leaves it unread. */
#define GEMM(tag, T, letter)                                                                       \
    static void gemv_##tag(const struct gemm *g, T alpha, const T *a, const T *b, T *c) {          \
        const bool column = g->n == 1;                                                             \
        const int64_t length = column ? g->m : g->n, step = column ? g->ldc : 1;                   \
        for (int64_t i = 0; !g->adds && i < length; i++) c[i * step] = 0;                          \
        if (column)                                                                                \
            cblas_##letter##gemv(CblasRowMajor, blas_op(g->transpose_a),                           \
                                 (int)(g->transpose_a ? g->k : g->m),                              \
                                 (int)(g->transpose_a ? g->m : g->k), alpha, a, (int)g->lda, b,    \
                                 (int)(g->transpose_b ? 1 : g->ldb), 1, c, (int)step);             \
        else                                                                                       \
            cblas_##letter##gemv(CblasRowMajor, blas_op(!g->transpose_b),                          \
                                 (int)(g->transpose_b ? g->n : g->k),                              \
                                 (int)(g->transpose_b ? g->k : g->n), alpha, b, (int)g->ldb, a,    \
                                 (int)(g->transpose_a ? g->lda : 1), 1, c, 1);                     \
    }                                                                                              \
    bool blas_gemm_##tag(struct run *run, const struct gemm *g, T alpha, const T *a, const T *b,   \
                         T *c) {                                                                   \
        const int64_t rows = block_rows(g);                                                        \
        lapack_ready();                                                                            \
        if (g->n == 1 || g->m == 1) {                                                              \
            gemv_##tag(g, alpha, a, b, c);                                                         \
            return run_tick(run, g->m * g->n * g->k);                                              \
        }                                                                                          \
        for (int64_t i = 0; i < g->m; i += rows) {                                                 \
            const int64_t height = g->m - i < rows ? g->m - i : rows;                              \
            cblas_##letter##gemm(CblasRowMajor, blas_op(g->transpose_a), blas_op(g->transpose_b),  \
                                 (int)height, (int)g->n, (int)g->k, alpha,                         \
                                 a + (g->transpose_a ? i : i * g->lda), (int)g->lda, b,            \
                                 (int)g->ldb, g->adds ? 1 : 0, c + i * g->ldc, (int)g->ldc);       \
            if (!run_tick(run, height * g->n * g->k)) return false;                                \
        }                                                                                          \
        return true;                                                                               \
    }
BLAS_DTYPES(GEMM)
