/* Triangles that absorb rows, by LAPACK's QR of a triangle upon a rectangle. Knows nothing of what is
 * fitted. */
#include "core/kernels/upper.h"

#include <math.h>
#include <string.h>

#include "core/kernels/lapack.h"

enum { PANEL = 32 };

/* Two panels for tpqrt; for geqp3 its pivots, scalars and the least work it takes. */
int64_t upper_work(int64_t k) {
    const int64_t absorb = 2 * PANEL * k, rank = 5 * k + 1 + PANEL * (k + 1);
    return absorb > rank ? absorb : rank;
}

bool upper_absorb(struct run *run, int64_t k, double *r, int64_t ldr, int64_t rows, double *b,
                  int64_t ldb, bool above_diagonal, double *work) {
    if (rows == 0 || k == 0) return run_tick(run, 1);
    const int64_t panel = k < PANEL ? k : PANEL;
    lapack_ready();
    LAPACKE_dtpqrt_work(LAPACK_COL_MAJOR, (int)rows, (int)k, above_diagonal ? (int)rows : 0,
                        (int)panel, r, (int)ldr, b, (int)ldb, work, (int)panel, work + panel * k);
    return run_tick(run, 2 * rows * k * k + k);
}

void upper_solve(bool transposed, int64_t k, const double *r, int64_t ldr, double *x) {
    if (k)
        cblas_dtrsv(CblasColMajor, CblasUpper, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit,
                    (int)k, r, (int)ldr, x, 1);
}

void upper_multiply(bool transposed, int64_t k, const double *r, int64_t ldr, double *x) {
    if (k)
        cblas_dtrmv(CblasColMajor, CblasUpper, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit,
                    (int)k, r, (int)ldr, x, 1);
}

/* [R11^-1, R11^-1 R12] of the pivoted triangle. */
static void invert(int64_t k, int64_t rank, const double *r, double *inverse) {
    memset(inverse, 0, (size_t)(k * k) * sizeof *inverse);
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i < rank && i <= j; i++) inverse[j * k + i] = r[j * k + i];
    for (int64_t j = rank; j < k; j++) upper_solve(false, rank, r, k, inverse + j * k);
    LAPACKE_dtrtri_work(LAPACK_COL_MAJOR, 'U', 'N', (int)rank, inverse, (int)k);
}

int64_t upper_rank(struct run *run, int64_t k, double *r, double tolerance, int64_t *order,
                   double *inverse, double *work) {
    lapack_int *pivots = (lapack_int *)work;
    double *tau = work + k, *space = tau + k;
    int64_t rank = 0;
    if (k == 0) return 0;
    lapack_ready();
    for (int64_t j = 0; j < k; j++) {
        pivots[j] = 0;
        for (int64_t i = j + 1; i < k; i++) r[j * k + i] = 0;
    }
    LAPACKE_dgeqp3_work(LAPACK_COL_MAJOR, (int)k, (int)k, r, (int)k, pivots, tau, space,
                        (int)(upper_work(k) - 2 * k));
    if (!run_tick(run, 2 * k * k * k)) return 0;
    for (int64_t i = 0; i < k; i++) order[i] = pivots[i] - 1;
    while (rank < k && fabs(r[rank * k + rank]) > tolerance * fabs(r[0])) rank++;
    if (rank == 0) return 0;
    invert(k, rank, r, inverse);
    return run_tick(run, 2 * k * k * k) ? rank : 0;
}
