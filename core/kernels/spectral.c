/* The factorizations: what LAPACK is given and where its answers go. LAPACK counts by columns, and a
 * matrix stored by rows is its transpose stored by columns, so that the transpose is factorized. */
#include "core/kernels/spectral.h"

#include <math.h>
#include <string.h>

#include "core/kernels/lapack.h"
#include "core/op_attrs.h"

/* ---- what all of them share -------------------------------------------------------------------- */

/* The matrices of a step, one after another, and the scratch memory that is handed out from its front. */
struct job {
    const struct step *step;
    struct run *run;
    int64_t count, m, n, k, size; /* size: elements of one matrix' result */
    enum dtype dtype;
    double *scratch;
};

static struct job job_of(const struct step *step, struct run *run) {
    const struct shape *x = step->in[0].shape;
    struct job job = {.step = step, .run = run, .dtype = step->in[0].dtype};
    job.m = x->dim[x->rank - 2];
    job.n = x->dim[x->rank - 1];
    job.k = job.m < job.n ? job.m : job.n;
    job.count = 1;
    for (int i = 0; i < x->rank - 2; i++) job.count *= x->dim[i];
    job.size = job.count ? shape_count(step->out.shape) / job.count : 0;
    job.scratch = run_scratch(run, step);
    lapack_ready();
    return job;
}

static double *take(struct job *job, int64_t n) {
    double *memory = job->scratch;
    job->scratch += n;
    return memory;
}

/* Matrix i by rows of `row` doubles. */
static void load(const struct job *job, int64_t i, double *to, int64_t row) {
    const int64_t at = i * job->m * job->n;
    const float *f32 = run_in(job->run, job->step, 0);
    const double *f64 = run_in(job->run, job->step, 0);
    for (int64_t r = 0; r < job->m; r++)
        for (int64_t c = 0; c < job->n; c++) {
            const int64_t from = at + r * job->n + c;
            to[r * row + c] = job->dtype == DTYPE_F32 ? (double)f32[from] : f64[from];
        }
}

/* x[r * row + c * column] as a matrix by rows, `at` elements into the result of matrix i. */
static void store(const struct job *job, int64_t i, int64_t at, int64_t rows, int64_t columns,
                  const double *x, int64_t row, int64_t column) {
    float *f32 = run_out(job->run, job->step);
    double *f64 = run_out(job->run, job->step);
    at += i * job->size;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++, at++) {
            if (job->dtype == DTYPE_F32)
                f32[at] = (float)x[r * row + c * column];
            else
                f64[at] = x[r * row + c * column];
        }
}

static bool all_finite(const struct job *job, const char *op) {
    const int64_t n = job->count * job->m * job->n;
    return job->dtype == DTYPE_F32
               ? lapack_finite_F32(job->run, op, run_in(job->run, job->step, 0), n)
               : lapack_finite_F64(job->run, op, run_in(job->run, job->step, 0), n);
}

/* The sign of a vector is free: it is chosen by an element that no rounding confuses with another. */
static double sign_of(const double *x, int64_t n, int64_t stride) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(x[i * stride]));
    for (int64_t i = 0; i < n; i++)
        if (fabs(x[i * stride]) >= 0.7 * largest) return x[i * stride] < 0 ? -1 : 1;
    return 1;
}

static void flip(double *x, int64_t n, int64_t stride) {
    for (int64_t i = 0; i < n; i++) x[i * stride] = -x[i * stride];
}

/* Doubles in bytes; none where there is nothing to compute. */
static size_t bytes_for(const struct node *n, int64_t doubles) {
    return shape_count(n->shape) ? (size_t)doubles * sizeof(double) : 0;
}

/* ---- eigenvalues of symmetric matrices ---------------------------------------------------------- */

/* As LAPACK's dsyevd asks; the second half of the doubles for integers of half their size. */
static int64_t eigh_work(int64_t n, bool vectors) { return (vectors ? 2 * n * n : 0) + 70 * n + 1; }
static int64_t eigh_integers(int64_t n) { return 3 + 5 * n; }

size_t spectral_eigh_scratch(const struct tape *t, const struct node *node) {
    const struct shape *x = tape_shape(t, node->arg[0]);
    const int64_t n = x->dim[x->rank - 1];
    const struct factor_attrs *attrs = node->attrs;
    return bytes_for(node, n * n + n + eigh_work(n, attrs->vectors) + eigh_integers(n));
}

/* What LAPACK will read must be finite; what it will not is put out of sight. */
static bool lower_finite(const struct job *job, double *a) {
    for (int64_t r = 0; r < job->n; r++)
        for (int64_t c = r + 1; c < job->n; c++) a[r * job->n + c] = 0;
    return lapack_finite_F64(job->run, "eigh", a, job->n * job->n);
}

void spectral_eigh(const struct step *step, struct run *run) {
    const struct factor_attrs *attrs = step->attrs;
    struct job job = job_of(step, run);
    const int64_t n = job.n, work = eigh_work(n, attrs->vectors);
    if (job.size == 0) return;
    double *a = take(&job, n * n), *e = take(&job, n), *w = take(&job, work);
    lapack_int *integers = (lapack_int *)take(&job, eigh_integers(n));
    for (int64_t i = 0; i < job.count; i++) {
        load(&job, i, a, n);
        if (!lower_finite(&job, a)) return;
        const lapack_int info = LAPACKE_dsyevd_work(
            LAPACK_COL_MAJOR, attrs->vectors ? 'V' : 'N', 'U', (lapack_int)n, a, (lapack_int)n, e,
            w, (lapack_int)work, integers, (lapack_int)eigh_integers(n));
        if (info != 0) {
            run_fail(
                run, ERROR_INVALID_ARGUMENT,
                "eigh: Self-adjoint eigen decomposition was not successful. The input might not "
                "be valid.");
            return;
        }
        store(&job, i, 0, 1, n, e, n, 1);
        for (int64_t j = 0; attrs->vectors && j < n; j++)
            if (sign_of(a + j * n, n, 1) < 0) flip(a + j * n, n, 1);
        if (attrs->vectors) store(&job, i, n, n, n, a, 1, n);
        if (!run_tick(run, 10 * n * n * n)) return;
    }
}

/* ---- singular values ---------------------------------------------------------------------------- */

/* A = U S V^T: the transpose that LAPACK sees is V S U^T, so that its left factor by columns is V^T by
 * rows, and its right one is U by rows. */
struct svd {
    int64_t m, n, k, mu, nv; /* columns of U and of V, 0: neither is wanted */
    double *a, *s, *u, *vt, *work;
    lapack_int *integers;
    int64_t lwork;
};

static struct svd svd_of(int64_t m, int64_t n, bool vectors, bool full) {
    struct svd d = {.m = m, .n = n, .k = m < n ? m : n};
    d.mu = !vectors ? 0 : full ? m : d.k;
    d.nv = !vectors ? 0 : full ? n : d.k;
    d.lwork = (vectors ? 4 * d.k * d.k : 0) + 7 * d.k + 65 * (m + n);
    return d;
}

static int64_t svd_doubles(const struct svd *d) {
    return d->m * d->n + d->k + d->m * d->mu + d->n * d->nv + d->lwork + 4 * d->k;
}

static void svd_take(struct svd *d, struct job *job) {
    d->a = take(job, d->m * d->n);
    d->s = take(job, d->k);
    d->u = take(job, d->m * d->mu);
    d->vt = take(job, d->n * d->nv);
    d->work = take(job, d->lwork);
    d->integers = (lapack_int *)take(job, 4 * d->k);
}

static void identity(double *x, int64_t n) {
    memset(x, 0, (size_t)(n * n) * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i * n + i] = 1;
}

/* Factorizes matrix i; false after a failure of the run. */
static bool svd_run(struct svd *d, const struct job *job, int64_t i) {
    const char wanted = !d->mu && !d->nv ? 'N' : d->mu == d->m && d->nv == d->n ? 'A' : 'S';
    if (d->k == 0) {
        identity(d->u, d->mu);
        identity(d->vt, d->nv);
        return true;
    }
    load(job, i, d->a, d->n);
    const lapack_int info = LAPACKE_dgesdd_work(
        LAPACK_COL_MAJOR, wanted, (lapack_int)d->n, (lapack_int)d->m, d->a, (lapack_int)d->n, d->s,
        d->vt, (lapack_int)d->n, d->u, (lapack_int)(d->mu ? d->mu : 1), d->work,
        (lapack_int)d->lwork, d->integers);
    if (info == 0) return true;
    run_fail(job->run, ERROR_INVALID_ARGUMENT,
             "svd: the singular values of a matrix of %lld rows and %lld columns did not converge",
             (long long)d->m, (long long)d->n);
    return false;
}

static void svd_signs(struct svd *d) {
    for (int64_t j = 0; j < d->mu; j++) {
        if (sign_of(d->u + j, d->m, d->mu) > 0) continue;
        flip(d->u + j, d->m, d->mu);
        if (j < d->k) flip(d->vt + j * d->n, d->n, 1);
    }
    for (int64_t j = d->k; j < d->nv; j++)
        if (sign_of(d->vt + j * d->n, d->n, 1) < 0) flip(d->vt + j * d->n, d->n, 1);
}

static struct svd svd_of_node(const struct tape *t, const struct node *node, bool vectors,
                              bool full) {
    const struct shape *x = tape_shape(t, node->arg[0]);
    return svd_of(x->dim[x->rank - 2], x->dim[x->rank - 1], vectors, full);
}

size_t spectral_svd_scratch(const struct tape *t, const struct node *node) {
    const struct factor_attrs *attrs = node->attrs;
    const struct svd d = svd_of_node(t, node, attrs->vectors, attrs->full);
    return bytes_for(node, svd_doubles(&d));
}

void spectral_svd(const struct step *step, struct run *run) {
    const struct factor_attrs *attrs = step->attrs;
    struct job job = job_of(step, run);
    if (job.size == 0 || !all_finite(&job, "svd")) return;
    struct svd d = svd_of(job.m, job.n, attrs->vectors, attrs->full);
    svd_take(&d, &job);
    for (int64_t i = 0; i < job.count; i++) {
        if (!svd_run(&d, &job, i)) return;
        svd_signs(&d);
        store(&job, i, 0, 1, d.k, d.s, d.k, 1);
        store(&job, i, d.k, d.m, d.mu, d.u, d.mu, 1);
        store(&job, i, d.k + d.m * d.mu, d.n, d.nv, d.vt, 1, d.n);
        if (!run_tick(run, 20 * d.m * d.n * d.k)) return;
    }
}

/* ---- the pseudoinverse -------------------------------------------------------------------------- */

size_t spectral_pinv_scratch(const struct tape *t, const struct node *node) {
    const struct svd d = svd_of_node(t, node, true, false);
    return bytes_for(node, svd_doubles(&d) + d.m * d.n);
}

/* P = V S^+ U^T, a sum over the singular values that count. */
void spectral_pinv(const struct step *step, struct run *run) {
    const struct pinv_attrs *attrs = step->attrs;
    struct job job = job_of(step, run);
    if (job.size == 0 || !all_finite(&job, "pinv")) return;
    struct svd d = svd_of(job.m, job.n, true, false);
    svd_take(&d, &job);
    double *p = take(&job, d.m * d.n);
    for (int64_t i = 0; i < job.count; i++) {
        if (!svd_run(&d, &job, i)) return;
        for (int64_t j = 0; j < d.k; j++) {
            const double inverse = d.s[j] > attrs->rcond * d.s[0] ? 1 / d.s[j] : 0;
            for (int64_t c = 0; c < d.n; c++) d.vt[j * d.n + c] *= inverse;
        }
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasTrans, (blasint)d.n, (blasint)d.m, (blasint)d.k,
                    1, d.vt, (blasint)d.n, d.u, (blasint)d.k, 0, p, (blasint)d.m);
        store(&job, i, 0, d.n, d.m, p, d.m, 1);
        if (!run_tick(run, 20 * d.m * d.n * d.k)) return;
    }
}

/* ---- QR ----------------------------------------------------------------------------------------- */

/* A = Q R: the transpose that LAPACK sees is R^T Q^T, a lower triangle times rows that are orthonormal. */
struct qr {
    int64_t m, n, k, mq; /* mq: columns of Q and rows of R */
    int64_t rows, lwork; /* rows of the array that first holds A^T and then Q^T */
};

static struct qr qr_of(int64_t m, int64_t n, bool full) {
    struct qr d = {.m = m, .n = n, .k = m < n ? m : n};
    d.mq = full ? m : d.k;
    d.rows = d.n > d.mq ? d.n : d.mq;
    d.lwork = 64 * d.rows;
    return d;
}

static int64_t qr_doubles(const struct qr *d) {
    return d->rows * d->m + d->mq * d->n + d->k + d->lwork;
}

size_t spectral_qr_scratch(const struct tape *t, const struct node *node) {
    const struct shape *x = tape_shape(t, node->arg[0]);
    const struct factor_attrs *attrs = node->attrs;
    const struct qr d = qr_of(x->dim[x->rank - 2], x->dim[x->rank - 1], attrs->full);
    return bytes_for(node, qr_doubles(&d));
}

void spectral_qr(const struct step *step, struct run *run) {
    const struct factor_attrs *attrs = step->attrs;
    struct job job = job_of(step, run);
    if (job.size == 0 || !all_finite(&job, "qr")) return;
    const struct qr d = qr_of(job.m, job.n, attrs->full);
    double *a = take(&job, d.rows * d.m), *r = take(&job, d.mq * d.n);
    double *tau = take(&job, d.k), *work = take(&job, d.lwork);
    memset(a, 0, (size_t)(d.rows * d.m) * sizeof *a);
    for (int64_t i = 0; i < job.count; i++) {
        load(&job, i, a, d.rows);
        LAPACKE_dgelqf_work(LAPACK_COL_MAJOR, (lapack_int)d.n, (lapack_int)d.m, a,
                            (lapack_int)d.rows, tau, work, (lapack_int)d.lwork);
        for (int64_t j = 0; j < d.mq; j++)
            for (int64_t c = 0; c < d.n; c++)
                r[j * d.n + c] = j <= c && j < d.k ? a[j * d.rows + c] : 0;
        LAPACKE_dorglq_work(LAPACK_COL_MAJOR, (lapack_int)d.mq, (lapack_int)d.m, (lapack_int)d.k, a,
                            (lapack_int)d.rows, tau, work, (lapack_int)d.lwork);
        store(&job, i, 0, d.m, d.mq, a, d.rows, 1);
        store(&job, i, d.m * d.mq, d.mq, d.n, r, d.n, 1);
        if (!run_tick(run, 4 * d.m * d.rows * d.k)) return;
    }
}
