/* One step of Levenberg and Marquardt: the damped linear model, solved by QR for the variables that may
 * move. Knows a triangle and bounds, no residuals. */
#include <math.h>
#include <string.h>

#include "core/kernels/upper.h"
#include "core/least_squares_fit.h"

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Rows first .. first + rows of R without the columns that stand still, which move to the right. */
static void gather(struct fit *f, const double *triangle, const bool *still, const double *s,
                   int64_t first, int64_t rows) {
    const int64_t k = f->k, n = f->n_free;
    double *right = f->block + n * f->block_rows;
    memset(f->block, 0, (size_t)(n * f->block_rows) * sizeof *f->block);
    memcpy(right, triangle + (k - 1) * k + first, (size_t)rows * sizeof *right);
    for (int64_t j = first, at = 0; j < k - 1; j++) {
        const double *column = triangle + j * k + first;
        const int64_t height = least(rows, j + 1 - first);
        while (at < n && f->free[at] < j) at++;
        if (!still[j])
            memcpy(f->block + at * f->block_rows, column, (size_t)height * sizeof *column);
        for (int64_t i = 0; still[j] && s[j] != 0 && i < height; i++) right[i] += column[i] * s[j];
    }
}

static void list_free(struct fit *f, const bool *still) {
    f->n_free = 0;
    for (int64_t j = 0; j < f->p->n; j++)
        if (!still[j]) f->free[f->n_free++] = j;
}

bool fit_part(struct fit *f, const double *triangle, const bool *still, const double *s,
              double *part) {
    const int64_t k = f->k;
    list_free(f, still);
    if (f->n_free == k - 1) {
        memcpy(part, triangle, (size_t)(k * k) * sizeof *part);
        return true;
    }
    memset(part, 0, (size_t)(k * k) * sizeof *part);
    for (int64_t first = 0; first < k - 1; first += f->block_rows) {
        const int64_t rows = least(f->block_rows, k - 1 - first);
        gather(f, triangle, still, s, first, rows);
        if (!upper_absorb(f->run, f->n_free + 1, part, k, rows, f->block, f->block_rows, false,
                          f->work))
            return false;
    }
    return true;
}

/* Puts sqrt(lambda) D below the triangle of n columns. */
static bool damp(struct fit *f, double *part, int64_t n, double lambda) {
    const int64_t k = f->k, ld = f->block_rows;
    for (int64_t first = 0; first < n; first += ld) {
        const int64_t rows = least(ld, n - first), columns = n + 1 - first;
        memset(f->block, 0, (size_t)(ld * columns) * sizeof *f->block);
        for (int64_t i = 0; i < rows; i++)
            f->block[i * ld + i] = sqrt(lambda) * f->scale[f->free[first + i]];
        if (!upper_absorb(f->run, columns, part + first * (k + 1), k, rows, f->block, ld, true,
                          f->work))
            return false;
    }
    return true;
}

/* Fixes what would leave the bounds on them; how many. */
static int64_t stop_at_bounds(struct fit *f) {
    const struct least_squares_problem *p = f->p;
    int64_t met = 0;
    for (int64_t j = 0; p->lower && j < p->n; j++) {
        const double x = f->at.x[j], to = x + f->s[j];
        if (f->still[j] || (to >= p->lower[j] && to <= p->upper[j])) continue;
        f->still[j] = true;
        f->s[j] = (to < p->lower[j] ? p->lower[j] : p->upper[j]) - x;
        met++;
    }
    return met;
}

static double dot(const double *x, const double *y, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* -g^T s - 1/2 |R s|^2 */
static double promised(struct fit *f) {
    const int64_t n = f->p->n;
    memcpy(f->along, f->s, (size_t)n * sizeof *f->s);
    upper_multiply(false, n, f->at.triangle, f->k, f->along);
    return -dot(f->g, f->s, n) - 0.5 * dot(f->along, f->along, n);
}

double fit_step(struct fit *f, double lambda) {
    const int64_t n = f->p->n, k = f->k;
    memset(f->s, 0, (size_t)n * sizeof *f->s);
    memcpy(f->still, f->held, (size_t)n * sizeof *f->still);
    memcpy(f->part, f->base, (size_t)(k * k) * sizeof *f->part);
    list_free(f, f->still);
    for (;;) {
        double *y = f->part + f->n_free * k;
        if (!damp(f, f->part, f->n_free, lambda)) return NAN;
        upper_solve(false, f->n_free, f->part, k, y);
        for (int64_t i = 0; i < f->n_free; i++) f->s[f->free[i]] = -y[i];
        if (stop_at_bounds(f) == 0) return promised(f);
        if (!fit_part(f, f->at.triangle, f->still, f->s, f->part)) return NAN;
    }
}

/* |D x|^2 */
static double scaled(const struct fit *f, const double *x) {
    double sum = 0;
    for (int64_t j = 0; j < f->p->n; j++) sum += f->scale[j] * x[j] * (f->scale[j] * x[j]);
    return sum;
}

/* a = -(J^T J + lambda D^2)^-1 J^T r'', of what may move, is the second derivative of the path along which the
 * residuals go straight: the step becomes s + a/2, where 2 |a| / |s| is at most ALPHA. */
enum evaluation fit_bend(struct fit *f) {
    static const double ALPHA = 0.75;
    const struct least_squares_problem *p = f->p;
    double *w = f->along;
    if (!f->bends) return EVALUATION_DONE;
    const enum evaluation e = p->bend(p->context, f->at.x, f->s, f->bends, w);
    if (e != EVALUATION_DONE) return e == EVALUATION_STOPPED ? e : EVALUATION_DONE;
    for (int64_t i = 0; i < f->n_free; i++) w[i] = w[f->free[i]];
    upper_solve(true, f->n_free, f->part, f->k, w);
    upper_solve(false, f->n_free, f->part, f->k, w);
    memset(f->a, 0, (size_t)p->n * sizeof *f->a);
    for (int64_t i = 0; i < f->n_free; i++) f->a[f->free[i]] = -w[i];
    if (!(2 * sqrt(scaled(f, f->a)) <= ALPHA * sqrt(scaled(f, f->s)))) return EVALUATION_UNDEFINED;
    for (int64_t j = 0; p->lower && j < p->n; j++) {
        const double to = f->at.x[j] + f->s[j] + 0.5 * f->a[j];
        if (!f->still[j] && (to < p->lower[j] || to > p->upper[j])) return EVALUATION_DONE;
    }
    for (int64_t j = 0; j < p->n; j++) f->s[j] += 0.5 * f->a[j];
    return EVALUATION_DONE;
}
