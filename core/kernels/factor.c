/* Cholesky and LU factors in blocks, and solving with triangles. LAPACK's matrices are column-major: it is
 * given the transpose, whose factors are those of the row-major matrix read the other way round. */
#include "core/kernels/factor.h"

enum { BLOCK = 256, PANEL = 128, COLUMNS = 4096 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Left-looking: a block of columns takes what stands left of it, and is then factored itself. */
#define CHOLESKY(tag, T, letter)                                                                   \
    bool factor_cholesky_##tag(struct run *run, int64_t n, T *a) {                                 \
        lapack_ready();                                                                            \
        for (int64_t j = 0; j < n; j += BLOCK) {                                                   \
            const int64_t width = least(BLOCK, n - j), below = n - j - width;                      \
            const struct gemm left = {false, true, true, n - j, width, j, n, n, n};                \
            T *block = a + j * n + j;                                                              \
            if (j && !blas_gemm_##tag(run, &left, -1, a + j * n, a + j * n, block)) return false;  \
            if (LAPACKE_##letter##potrf_work(LAPACK_COL_MAJOR, 'U', (int)width, block, (int)n))    \
                return false;                                                                      \
            if (below)                                                                             \
                cblas_##letter##trsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans,            \
                                     CblasNonUnit, (int)below, (int)width, 1, block, (int)n,       \
                                     block + width * n, (int)n);                                   \
            if (!run_tick(run, (n - j) * width * width)) return false;                             \
        }                                                                                          \
        return true;                                                                               \
    }
BLAS_DTYPES(CHOLESKY)

/* Right-looking on the transpose: its columns j.. are a's rows. Swaps of its rows swap a's columns. */
#define LU(tag, T, letter)                                                                         \
    static void swap_columns_##tag(int64_t rows, T *a, int64_t n, int64_t begin, int64_t end,      \
                                   const lapack_int *pivot) {                                      \
        if (rows)                                                                                  \
            LAPACKE_##letter##laswp_work(LAPACK_COL_MAJOR, (int)rows, a, (int)n, (int)begin + 1,   \
                                         (int)end, pivot, 1);                                      \
    }                                                                                              \
    bool factor_lu_##tag(struct run *run, int64_t n, T *a, lapack_int *pivot) {                    \
        lapack_ready();                                                                            \
        for (int64_t j = 0; j < n; j += PANEL) {                                                   \
            const int64_t width = least(PANEL, n - j), end = j + width, rest = n - end;            \
            T *panel = a + j * n + j, *after = a + end * n;                                        \
            LAPACKE_##letter##getrf_work(LAPACK_COL_MAJOR, (int)(n - j), (int)width, panel,        \
                                         (int)n, pivot + j);                                       \
            for (int64_t i = j; i < end; i++) pivot[i] += (lapack_int)j;                           \
            swap_columns_##tag(j, a, n, j, end, pivot);                                            \
            swap_columns_##tag(rest, after, n, j, end, pivot);                                     \
            if (!run_tick(run, (n - j) * width * width)) return false;                             \
            if (rest == 0) break;                                                                  \
            cblas_##letter##trsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasUnit,    \
                                 (int)width, (int)rest, 1, panel, (int)n, after + j, (int)n);      \
            const struct gemm update = {false, false, true, rest, rest, width, n, n, n};           \
            if (!blas_gemm_##tag(run, &update, -1, after + j, panel + width, after + end))         \
                return false;                                                                      \
        }                                                                                          \
        return true;                                                                               \
    }
BLAS_DTYPES(LU)

#define SINGULAR(tag, T, letter)                                                                   \
    bool factor_lu_singular_##tag(int64_t n, const T *lu) {                                        \
        for (int64_t i = 0; i < n; i++)                                                            \
            if (!(lu[i * n + i] < 0 || lu[i * n + i] > 0)) return true;                            \
        return false;                                                                              \
    }
BLAS_DTYPES(SINGULAR)

/* Blocks of rows of x in the order in which they depend on each other; `columns` of its m at a time. */
#define TRIANGLE_SOLVE(tag, T, letter)                                                             \
    static bool solve_block_##tag(struct run *run, const struct triangle *s, const T *a, T *x,     \
                                  int64_t m, int64_t columns, int64_t begin) {                     \
        const int64_t n = s->n, end = least(begin + BLOCK, n), size = end - begin;                 \
        const bool forward = s->lower != s->transposed;                                            \
        const int64_t known = forward ? 0 : end, n_known = forward ? begin : n - end;              \
        const T *left = s->transposed ? a + known * n + begin : a + begin * n + known;             \
        const T *diagonal = a + begin * n + begin;                                                 \
        const struct gemm g = {s->transposed, false, true, size, columns, n_known, n, m, m};       \
        const CBLAS_UPLO uplo = s->lower ? CblasLower : CblasUpper;                                \
        const CBLAS_DIAG unit = s->unit ? CblasUnit : CblasNonUnit;                                \
        if (n_known && !blas_gemm_##tag(run, &g, -1, left, x + known * m, x + begin * m))          \
            return false;                                                                          \
        if (columns == 1)                                                                          \
            cblas_##letter##trsv(CblasRowMajor, uplo, blas_op(s->transposed), unit, (int)size,     \
                                 diagonal, (int)n, x + begin * m, (int)m);                         \
        else                                                                                       \
            cblas_##letter##trsm(CblasRowMajor, CblasLeft, uplo, blas_op(s->transposed), unit,     \
                                 (int)size, (int)columns, 1, diagonal, (int)n, x + begin * m,      \
                                 (int)m);                                                          \
        return run_tick(run, size * size * columns);                                               \
    }                                                                                              \
    bool factor_triangle_solve_##tag(struct run *run, const struct triangle *s, const T *a, T *x,  \
                                     int64_t m) {                                                  \
        const int64_t last = (s->n - 1) / BLOCK * BLOCK;                                           \
        const bool forward = s->lower != s->transposed;                                            \
        lapack_ready();                                                                            \
        for (int64_t j = 0; j < m; j += COLUMNS)                                                   \
            for (int64_t i = 0; i <= last; i += BLOCK)                                             \
                if (!solve_block_##tag(run, s, a, x + j, m, least(COLUMNS, m - j),                 \
                                       forward ? i : last - i))                                    \
                    return false;                                                                  \
        return true;                                                                               \
    }
BLAS_DTYPES(TRIANGLE_SOLVE)

/* a = L U S: a^-1 x = S^T U^-1 L^-1 x and a^-T x = L^-T U^-T S x. */
#define LU_SOLVE(tag, T, letter)                                                                   \
    static void swap_row_##tag(int64_t i, const lapack_int *pivot, T *x, int64_t m) {              \
        if (pivot[i] - 1 != i)                                                                     \
            cblas_##letter##swap((int)m, x + i * m, 1, x + (pivot[i] - 1) * m, 1);                 \
    }                                                                                              \
    bool factor_lu_solve_##tag(struct run *run, int64_t n, bool transposed, const T *lu,           \
                               const lapack_int *pivot, T *x, int64_t m) {                         \
        const struct triangle l = {n, true, transposed, false}, u = {n, false, transposed, true};  \
        for (int64_t i = 0; transposed && i < n; i++) swap_row_##tag(i, pivot, x, m);              \
        if (!factor_triangle_solve_##tag(run, transposed ? &u : &l, lu, x, m) ||                   \
            !factor_triangle_solve_##tag(run, transposed ? &l : &u, lu, x, m))                     \
            return false;                                                                          \
        for (int64_t i = n; !transposed && i-- > 0;) swap_row_##tag(i, pivot, x, m);               \
        return true;                                                                               \
    }
BLAS_DTYPES(LU_SOLVE)
