/* The exponential of a matrix: Pade's approximant of the degree that its norm asks for, squared as
 * often as the matrix was halved. The matrices are read as if they stood by columns, which transposes
 * argument and result alike. */
#include <math.h>
#include <string.h>

#include "core/kernels/lapack.h"
#include "core/kernels/spectral.h"

enum { POWERS = 5, WORK_MATRICES = POWERS + 4 };

/* Numerators of the approximants: b_0, b_1, .. for degree 3, 5, 7, 9, 13, and the norm up to which each
 * is exact to 2^-53 (Higham, table 2.3). */
static const struct pade {
    int degree;
    double norm, b[14];
} approximants[] = {
    {3, 1.495585217958292e-2, {120, 60, 12, 1}},
    {5, 2.539398330063230e-1, {30240, 15120, 3360, 420, 30, 1}},
    {7, 9.504178996162932e-1, {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1}},
    {9,
     2.097847961257068,
     {17643225600, 8821612800, 2075673600, 302702400, 30270240, 2162160, 110880, 3960, 90, 1}},
    {13,
     5.371920351148152,
     {64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000,
      10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1}},
};
enum { LAST = sizeof approximants / sizeof *approximants - 1 };

/* One matrix of side n and the room it is computed in. */
struct expm {
    int64_t n;
    double *power[POWERS]; /* A^0 is no matrix; A, A^2, A^4, A^6, A^8 */
    double *u, *v, *x, *y;
    lapack_int *pivots;
    struct run *run;
};

static bool multiply(const struct expm *e, const double *a, const double *b, double *c) {
    const blasint n = (blasint)e->n;
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, 0, c, n);
    return run_tick(e->run, 2 * e->n * e->n * e->n);
}

/* y = b[0] I + b[2] A^2 + b[4] A^4 + .., `terms` of them. */
static void combine(const struct expm *e, const double *b, int terms, double *y) {
    const int64_t size = e->n * e->n;
    memset(y, 0, (size_t)size * sizeof *y);
    for (int k = 1; k < terms; k++)
        for (int64_t i = 0; i < size; i++) y[i] += b[2 * k] * e->power[k][i];
    for (int64_t i = 0; i < e->n; i++) y[i * e->n + i] += b[0];
}

/* The numerator is V + U and the denominator V - U: U has the odd powers of A, V the even ones. */
static bool numerators(const struct expm *e, const struct pade *p) {
    const bool last = p->degree == 13;
    const int terms = last ? 4 : (p->degree + 1) / 2;
    const int64_t size = e->n * e->n;
    for (int odd = 0; odd < 2; odd++) {
        double *to = odd ? e->u : e->v;
        if (last) { /* b_8 A^8 + b_10 A^10 + b_12 A^12 = A^6 (b_8 A^2 + b_10 A^4 + b_12 A^6) */
            const double high[] = {0, 0, p->b[8 + odd], 0, p->b[10 + odd], 0, p->b[12 + odd]};
            combine(e, high, 4, e->x);
            if (!multiply(e, e->power[3], e->x, e->y)) return false;
        }
        combine(e, p->b + odd, terms, to);
        for (int64_t i = 0; last && i < size; i++) to[i] += e->y[i];
    }
    memcpy(e->x, e->u, (size_t)size * sizeof *e->x);
    return multiply(e, e->power[0], e->x, e->u);
}

static double norm_1(const double *a, int64_t n) {
    double largest = 0;
    for (int64_t c = 0; c < n; c++) {
        double sum = 0;
        for (int64_t r = 0; r < n; r++) sum += fabs(a[r * n + c]);
        if (!(sum <= largest)) largest = sum; /* a NaN stays */
        if (isnan(sum)) break;
    }
    return largest;
}

/* e->power[0] is A; where it ends, or NULL where the run stopped. */
static double *exponential(const struct expm *e) {
    const int64_t n = e->n, size = n * n;
    const double norm = norm_1(e->power[0], n);
    int degree = 0, halvings = 0;
    if (!isfinite(norm)) {
        for (int64_t i = 0; i < size; i++) e->v[i] = NAN;
        return e->v;
    }
    while (degree < LAST && norm > approximants[degree].norm) degree++;
    if (norm > approximants[LAST].norm) frexp(norm / approximants[LAST].norm, &halvings);
    for (int64_t i = 0; i < size; i++) e->power[0][i] = ldexp(e->power[0][i], -halvings);
    const int powers = degree == LAST ? 4 : degree + 2;
    for (int k = 1; k < powers; k++)
        if (!multiply(e, e->power[k - 1], e->power[k > 1 ? 1 : 0], e->power[k])) return NULL;
    if (!numerators(e, &approximants[degree])) return NULL;
    for (int64_t i = 0; i < size; i++) {
        e->x[i] = e->v[i] - e->u[i];
        e->v[i] += e->u[i];
    }
    LAPACKE_dgesv_work(LAPACK_COL_MAJOR, (lapack_int)n, (lapack_int)n, e->x, (lapack_int)n,
                       e->pivots, e->v, (lapack_int)n);
    double *from = e->v, *to = e->u;
    for (int k = 0; k < halvings; k++) {
        if (!multiply(e, from, from, to)) return NULL;
        double *squared = to;
        to = from;
        from = squared;
    }
    return from;
}

size_t spectral_expm_scratch(const struct tape *t, const struct node *node) {
    (void)t;
    const int64_t n = node->shape->dim[node->shape->rank - 1];
    if (shape_count(node->shape) == 0) return 0;
    return (size_t)(WORK_MATRICES * n * n + n) * sizeof(double);
}

void spectral_expm(const struct step *step, struct run *run) {
    const int64_t count = shape_count(step->out.shape);
    const int64_t n = step->out.shape->dim[step->out.shape->rank - 1], size = n * n;
    double *room = run_scratch(run, step);
    const bool single = step->out.dtype == DTYPE_F32;
    const float *f32 = run_in(run, step, 0);
    const double *f64 = run_in(run, step, 0);
    float *y32 = run_out(run, step);
    double *y64 = run_out(run, step);
    struct expm e = {.n = n, .run = run};
    if (count == 0) return;
    lapack_ready();
    for (int k = 0; k < POWERS; k++, room += size) e.power[k] = room;
    e.u = room;
    e.v = room + size;
    e.x = room + 2 * size;
    e.y = room + 3 * size;
    e.pivots = (lapack_int *)(room + 4 * size);
    for (int64_t at = 0; at < count; at += size) {
        for (int64_t i = 0; i < size; i++)
            e.power[0][i] = single ? (double)f32[at + i] : f64[at + i];
        const double *y = exponential(&e);
        if (!y) return;
        for (int64_t i = 0; i < size; i++) {
            if (single)
                y32[at + i] = (float)y[i];
            else
                y64[at + i] = y[i];
        }
    }
}
