/* The calls of BLAS for products of matrices, and the blocks in which long ones are made. What a product means
 * for a tape is not known here. */
#include "core/kernels/blas.h"

#include <string.h>

#include "core/pool.h"

enum {
    /* Rows (or columns) of a block: enough that packing the other matrix once a block costs little, few enough
     * that several threads have some each. */
    BLOCK_LEAST = 64,
    BLOCK_MOST = 256,
    BLOCKS = 8,
    STEP = 16,
    /* Multiplications of a block: at least about 20 us of one core's, and 10 ms at most. */
    WORK_LEAST = 1 << 20,
    WORK_MOST = 1 << 27,
    ROWS_LEAST = 32, /* even if that is longer than WORK_MOST */
    /* A block goes through so much of k at a time, as BLAS itself does, and makes way in between, where that
     * is long enough. */
    DEPTH = 256,
    WORK_DEEP = 1 << 23,
    VECTOR_WORK = 1 << 19,
    VECTOR_LEAST = 128, /* where rows are cut: so much of each is read at a time */
    A_NANOSECOND = 16,  /* multiplications in it */
    /* So many products with a vector take less time than one with a matrix of so many rows or columns. */
    FEW_ROWS = 3,
    FEW_COLUMNS = 4,
    FEW_DEEP = 256
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* A product is cut along the longer side of its result, which leaves the smaller matrix whole. */
static bool cuts_rows(const struct gemm *g) { return g->m >= g->n; }

/* Rows or columns of a block, by the shapes alone. */
static int64_t block_length(const struct gemm *g) {
    const int64_t length = most(g->m, g->n), one = least(g->m, g->n) * g->k;
    if (least(g->m, g->n) <= FEW_ROWS)
        return most(VECTOR_WORK / one / STEP * STEP,
                    cuts_rows(g) && !g->transpose_a ? STEP : VECTOR_LEAST);
    int64_t rows = least(most(length / BLOCKS, BLOCK_LEAST), BLOCK_MOST);
    rows = least(most(rows, WORK_LEAST / one), most(WORK_MOST / one, ROWS_LEAST));
    return (rows + STEP - 1) / STEP * STEP;
}

/* A result of one row or one column is a product with a vector, for which BLAS has its own functions. Their
 * result is set to 0 beforehand, since not every build agrees that beta = 0 leaves it unread. */
#define GEMM(tag, T, letter)                                                                       \
    static void gemv_##tag(const struct gemm *g, bool column, T alpha, const T *a, const T *b,     \
                           T *c) {                                                                 \
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
    void blas_product_##tag(const struct gemm *g, T alpha, const T *a, const T *b, T *c) {         \
        const bool deep = g->k >= FEW_DEEP;                                                        \
        if (g->n == 1 || (deep && g->n <= FEW_COLUMNS && g->m > g->n)) {                           \
            for (int64_t j = 0; j < g->n; j++)                                                     \
                gemv_##tag(g, true, alpha, a, b + (g->transpose_b ? j * g->ldb : j), c + j);       \
        } else if (g->m == 1 || (deep && g->m <= FEW_ROWS && g->n > g->m)) {                       \
            for (int64_t i = 0; i < g->m; i++)                                                     \
                gemv_##tag(g, false, alpha, a + (g->transpose_a ? i : i * g->lda), b,              \
                           c + i * g->ldc);                                                        \
        } else {                                                                                   \
            cblas_##letter##gemm(CblasRowMajor, blas_op(g->transpose_a), blas_op(g->transpose_b),  \
                                 (int)g->m, (int)g->n, (int)g->k, alpha, a, (int)g->lda, b,        \
                                 (int)g->ldb, g->adds ? 1 : 0, c, (int)g->ldc);                    \
        }                                                                                          \
    }                                                                                              \
    static void in_steps_##tag(const struct gemm *all, T alpha, const T *a, const T *b, T *c) {    \
        struct gemm g = *all;                                                                      \
        if (g.m * g.n * DEPTH < WORK_DEEP || g.m <= FEW_ROWS || g.n <= FEW_COLUMNS) {              \
            blas_product_##tag(&g, alpha, a, b, c);                                                \
            return;                                                                                \
        }                                                                                          \
        for (int64_t k = 0; k < all->k; k += DEPTH) {                                              \
            g.k = least(DEPTH, all->k - k);                                                        \
            blas_product_##tag(&g, alpha, a + (g.transpose_a ? k * g.lda : k),                     \
                               b + (g.transpose_b ? k : k * g.ldb), c);                            \
            g.adds = true;                                                                         \
            pool_make_way();                                                                       \
        }                                                                                          \
    }                                                                                              \
    struct blocks_##tag {                                                                          \
        const struct gemm *g;                                                                      \
        int64_t length;                                                                            \
        T alpha;                                                                                   \
        const T *a, *b;                                                                            \
        T *c;                                                                                      \
    };                                                                                             \
    static void block_##tag(void *arg, int64_t block) {                                            \
        const struct blocks_##tag *s = arg;                                                        \
        const int64_t at = block * s->length;                                                      \
        struct gemm g = *s->g;                                                                     \
        if (cuts_rows(s->g)) {                                                                     \
            g.m = least(s->length, g.m - at);                                                      \
            in_steps_##tag(&g, s->alpha, s->a + (g.transpose_a ? at : at * g.lda), s->b,           \
                           s->c + at * g.ldc);                                                     \
        } else {                                                                                   \
            g.n = least(s->length, g.n - at);                                                      \
            in_steps_##tag(&g, s->alpha, s->a, s->b + (g.transpose_b ? at * g.ldb : at),           \
                           s->c + at);                                                             \
        }                                                                                          \
    }                                                                                              \
    bool blas_gemm_##tag(struct run *run, const struct gemm *g, T alpha, const T *a, const T *b,   \
                         T *c) {                                                                   \
        struct blocks_##tag s = {g, block_length(g), alpha, a, b, c};                              \
        const int64_t length = most(g->m, g->n), n = (length + s.length - 1) / s.length;           \
        lapack_ready();                                                                            \
        const int64_t work = least(g->m, g->n) * g->k * least(s.length, length);                   \
        return run_blocks(run, n, work / A_NANOSECOND, block_##tag, &s);                           \
    }
BLAS_DTYPES(GEMM)
