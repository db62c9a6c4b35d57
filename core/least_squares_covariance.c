/* How well a fit determines its variables: the covariance of a linear model at the solution. Knows the
 * triangle of the Jacobian there, and nothing of how it was reached. */
#include <math.h>
#include <string.h>

#include "core/kernels/upper.h"
#include "core/least_squares_fit.h"

/* Memory of a covariance beside its results. */
struct inverse {
    double *triangle, *norm, *matrix, *work;
    int64_t *order, *free;
    bool *determined;
};

static bool take(struct arena *arena, int64_t n, struct inverse *v) {
    const size_t square = (size_t)((n + 1) * (n + 1)) * sizeof(double);
    v->triangle = arena_alloc_tensor(arena, square);
    v->matrix = arena_alloc_tensor(arena, square);
    v->norm = arena_alloc(arena, (size_t)(n + 1) * sizeof *v->norm);
    v->work = arena_alloc_tensor(arena, (size_t)upper_work(n + 1) * sizeof *v->work);
    v->order = arena_alloc(arena, (size_t)n * sizeof *v->order);
    v->free = arena_alloc(arena, (size_t)n * sizeof *v->free);
    v->determined = arena_alloc(arena, (size_t)n * sizeof *v->determined);
    return v->triangle && v->matrix && v->norm && v->work && v->order && v->free && v->determined;
}

/* The triangle of the free columns, each of norm 1, with n_free elements between two of them. */
static bool free_triangle(struct fit *f, const struct least_squares *result, struct inverse *v,
                          int64_t *n) {
    if (!fit_part(f, result->triangle, result->held, f->s, v->triangle)) return false;
    *n = f->n_free;
    for (int64_t j = 0; j < *n; j++) {
        double sum = 0;
        double *to = v->triangle + j * *n;
        memmove(to, v->triangle + j * f->k, (size_t)(j + 1) * sizeof *to);
        for (int64_t i = 0; i <= j; i++) sum += to[i] * to[i];
        v->norm[j] = sqrt(sum);
        for (int64_t i = 0; i <= j; i++) to[i] = sum > 0 ? to[i] / v->norm[j] : 0;
    }
    return true;
}

/* Marks which columns the data determine: those that no combination of columns that vanishes contains. Its
 * basis is [-R11^-1 R12; I] by the columns of R12. */
static void mark_determined(struct inverse *v, int64_t n, int64_t rank, double tolerance) {
    for (int64_t i = 0; i < n; i++) {
        v->determined[i] = i < rank;
        for (int64_t j = rank; j < n && v->determined[i]; j++)
            v->determined[i] = fabs(v->matrix[j * n + i]) <= tolerance;
    }
}

/* (R11^-1 R11^-T) s^2 back in the order and the scale of the variables. */
static void fill(const struct inverse *v, int64_t n, int64_t rank, int64_t all, double variance,
                 double *out) {
    for (int64_t a = 0; a < rank; a++) {
        for (int64_t b = 0; b <= a; b++) {
            const int64_t i = v->order[a], j = v->order[b];
            const int64_t row = v->free[i], column = v->free[j];
            double sum = 0;
            if (!v->determined[a] || !v->determined[b]) continue;
            for (int64_t c = a; c < rank; c++) sum += v->matrix[c * n + a] * v->matrix[c * n + b];
            sum *= variance / v->norm[i] / v->norm[j];
            out[row * all + column] = out[column * all + row] = sum;
        }
    }
}

static int64_t observations(const struct least_squares_problem *p) {
    int64_t n = p->m;
    for (int64_t i = 0; p->weights && i < p->m; i++) n -= p->weights[i] == 0;
    return n;
}

static void begin(struct least_squares_covariance *out, int64_t n) {
    for (int64_t i = 0; i < n * n; i++) out->matrix[i] = NAN;
    for (int64_t i = 0; i < n; i++) out->standard_errors[i] = NAN;
}

bool least_squares_covariance(const struct least_squares_problem *p,
                              const struct least_squares *result, struct arena *arena,
                              struct least_squares_covariance *out) {
    const int64_t n = p->n;
    const double tolerance = least_squares_tolerance(p);
    struct run run = {.control = p->control, .error = p->error, .until_check = CHECK_EVERY};
    struct fit f = {.p = p, .k = n + 1, .run = &run};
    struct inverse v;
    f.block_rows = n < 256 ? n : 256;
    f.block = arena_alloc_tensor(arena, (size_t)(f.block_rows * f.k) * sizeof *f.block);
    f.s = arena_zalloc(arena, (size_t)n * sizeof *f.s);
    out->matrix = arena_alloc(arena, (size_t)(n * n) * sizeof *out->matrix);
    out->standard_errors = arena_alloc(arena, (size_t)n * sizeof *out->standard_errors);
    if (!f.block || !f.s || !out->matrix || !out->standard_errors || !take(arena, n, &v)) {
        return error_set(p->error, ERROR_MEMORY_BUDGET,
                         "the covariance of %lld variables needs more than the %zu bytes a request "
                         "may take",
                         (long long)n, arena->ceiling);
    }
    f.free = v.free;
    f.work = v.work;
    begin(out, n);
    if (!free_triangle(&f, result, &v, &out->n_free)) return false;
    out->rank = upper_rank(&run, out->n_free, v.triangle, tolerance, v.order, v.matrix, v.work);
    out->degrees_of_freedom = observations(p) - out->rank;
    if (run.stopped) return false;
    if (out->degrees_of_freedom <= 0) return true;
    mark_determined(&v, out->n_free, out->rank, sqrt(tolerance));
    fill(&v, out->n_free, out->rank, n, 2 * result->cost / (double)out->degrees_of_freedom,
         out->matrix);
    for (int64_t i = 0; i < n; i++) out->standard_errors[i] = sqrt(out->matrix[i * n + i]);
    return true;
}
