/* What a fit knows of a point: the cost of its residuals, and the triangle of its Jacobian with weights and
 * robust loss worked in. Knows no step. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/kernels/upper.h"
#include "core/least_squares_fit.h"

void least_squares_rho(enum least_squares_loss loss, double z, double rho[3]) {
    const double t = 1 + z;
    rho[0] = z, rho[1] = 1, rho[2] = 0;
    if (loss == LEAST_SQUARES_HUBER && z > 1) {
        rho[0] = 2 * sqrt(z) - 1, rho[1] = 1 / sqrt(z), rho[2] = -0.5 / (z * sqrt(z));
    } else if (loss == LEAST_SQUARES_SOFT_L1) {
        rho[0] = 2 * z / (1 + sqrt(t)), rho[1] = 1 / sqrt(t), rho[2] = -0.5 / (t * sqrt(t));
    } else if (loss == LEAST_SQUARES_CAUCHY) {
        rho[0] = log1p(z), rho[1] = 1 / t, rho[2] = -1 / (t * t);
    } else if (loss == LEAST_SQUARES_ARCTAN) {
        const double u = 1 / (1 + z * z);
        rho[0] = atan(z), rho[1] = u, rho[2] = -2 * z * u * u;
    }
}

/* C^2 rho of one weighted residual. */
static double rho_of(const struct least_squares_problem *p, double y) {
    const double scaled = y / p->f_scale;
    double rho[3];
    least_squares_rho(p->loss, scaled * scaled, rho);
    return p->f_scale * p->f_scale * rho[0];
}

double fit_cost(const struct fit *f, const double *r) {
    const struct least_squares_problem *p = f->p;
    double sum = 0;
    for (int64_t i = 0; i < p->m; i++) {
        const double y = fit_weighted(f, r, i);
        sum += p->loss == LEAST_SQUARES_LINEAR ? y * y : rho_of(p, y);
    }
    return 0.5 * sum;
}

/* Term by term: the difference of the sums would be rounding near a minimum. */
double fit_reduction(const struct fit *f, const double *r, const double *to) {
    const struct least_squares_problem *p = f->p;
    double sum = 0;
    for (int64_t i = 0; i < p->m; i++) {
        const double y = fit_weighted(f, r, i), z = fit_weighted(f, to, i);
        sum += p->loss == LEAST_SQUARES_LINEAR ? (y - z) * (y + z) : rho_of(p, y) - rho_of(p, z);
    }
    return 0.5 * sum;
}

/* What a row of the Jacobian and its residual are multiplied by. */
struct rescaling {
    double row, residual; /* so that J^T J and J^T r are those of the robust cost */
    double slope;         /* the root of rho': so that J^T J has no curvature of rho in it */
};

/* Triggs' correction, kept from 0 as SciPy keeps it. */
static struct rescaling rescale(const struct fit *f, double y, double root) {
    const struct least_squares_problem *p = f->p;
    const double scaled = y / p->f_scale, z = scaled * scaled;
    double rho[3];
    if (p->loss == LEAST_SQUARES_LINEAR) return (struct rescaling){root, 1, root};
    least_squares_rho(p->loss, z, rho);
    const double curvature = rho[1] + 2 * rho[2] * z;
    const double row = sqrt(curvature > DBL_EPSILON ? curvature : DBL_EPSILON);
    return (struct rescaling){row * root, rho[1] / row, sqrt(rho[1]) * root};
}

/* Rows of the latest Jacobian in the block, rescaled, with their residuals in its last column, and their
 * part of the columns' norms; false where one is not finite. */
static bool load_rows(struct fit *f, struct fit_point *at, int64_t first, int64_t rows) {
    const struct least_squares_problem *p = f->p;
    const int64_t ld = f->block_rows;
    double *right = f->block + p->n * ld, *row = f->work, *slope = f->work + rows, finite = 0;
    p->rows(p->context, first, rows, f->block, ld);
    for (int64_t i = 0; i < rows; i++) {
        const double y = fit_weighted(f, at->r, first + i);
        const struct rescaling by = rescale(f, y, f->root ? f->root[first + i] : 1);
        right[i] = by.residual * y;
        row[i] = by.row;
        slope[i] = by.slope;
        finite += right[i] * 0;
    }
    for (int64_t j = 0; j < p->n; j++) {
        double *column = f->block + j * ld, sum = 0;
        for (int64_t i = 0; i < rows; i++) {
            sum += column[i] * slope[i] * (column[i] * slope[i]);
            column[i] *= row[i];
        }
        at->norm[j] += sum;
        finite += sum * 0;
    }
    return finite == 0;
}

enum evaluation fit_load(struct fit *f, struct fit_point *at) {
    const int64_t k = f->k;
    double sum = 0;
    memset(at->triangle, 0, (size_t)(k * k) * sizeof *at->triangle);
    memset(at->norm, 0, (size_t)(k - 1) * sizeof *at->norm);
    for (int64_t first = 0; first < f->p->m; first += f->block_rows) {
        const int64_t left = f->p->m - first, rows = left < f->block_rows ? left : f->block_rows;
        if (!load_rows(f, at, first, rows)) return EVALUATION_UNDEFINED;
        if (!upper_absorb(f->run, k, at->triangle, k, rows, f->block, f->block_rows, false,
                          f->work))
            return EVALUATION_STOPPED;
    }
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i <= j; i++) sum += at->triangle[j * k + i] * 0;
    for (int64_t j = 0; j < k - 1; j++) at->norm[j] = sqrt(at->norm[j]);
    return sum == 0 ? EVALUATION_DONE : EVALUATION_UNDEFINED;
}

void fit_bends(struct fit *f) {
    const struct least_squares_problem *p = f->p;
    for (int64_t i = 0; f->bends && i < p->m; i++) {
        const double y = fit_weighted(f, f->at.r, i) / p->f_scale;
        double rho[3];
        least_squares_rho(p->loss, y * y, rho);
        f->bends[i] = p->weights ? p->weights[i] * rho[1] : rho[1];
    }
}
