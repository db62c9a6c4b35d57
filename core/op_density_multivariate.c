/* Log densities of vectors and matrices, with the names and parameters of Stan's function reference (sections
 * Distributions over Unbounded Vectors, Simplex Distributions, Correlation Matrix Distributions). An event is the
 * last axis or the last two; what stands before broadcasts. */
#include "core/op_density.h"

/* ---- simplexes -------------------------------------------------------------------------------------- */

/* alpha log(theta s/alpha) and factorials, for s the sum of alpha: nothing cancels where alpha is large. A theta of 0 is
 * as in beta_lpdf. */
static node_id dirichlet(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    if (!density_check_events(d, x, 2)) return NODE_NONE;
    node_id y = x[0], alpha = density_positive(d, x[1]), zero = is_equal(t, y, 0);
    density_outside(d, is_less(t, y, 0));
    density_outside(d, both(t, zero, is_greater(t, alpha, 1)));
    node_id theta = except(t, zero, 0.5, density_inside(d, y, 0.5));
    density_join(d);
    density_outside(d, emit1(t, OP_logical_not, density_is_simplex(d, y)));
    node_id s = density_over_event_kept(d, alpha), log_s = emit_log(t, s);
    node_id log_theta = emit_log(t, theta), log_alpha = emit_log(t, alpha);
    node_id excess = emit_subtract(t, emit_multiply(t, theta, s), alpha);
    node_id log = density_log_quotient(t, excess, alpha,
                                       emit_add(t, log_theta, emit_subtract(t, log_s, log_alpha)));
    node_id part =
        emit_add(t, density_factorial(t, alpha, log), emit_subtract(t, log_alpha, log_theta));
    node_id at_zero =
        emit_subtract(t, emit_multiply(t, alpha, plus(t, log_s, -1)), emit1(t, OP_lgamma, alpha));
    at_zero = emit_where(t, is_equal(t, alpha, 1), at_zero, emit_like(t, alpha, INFINITY));
    node_id all = emit_add(t, density_factorial(t, s, emit_like(t, s, 0)), log_s);
    node_id sum = density_over_event(d, OP_reduce_sum, emit_where(t, zero, at_zero, part));
    return emit_subtract(t, sum, density_over_event(d, OP_reduce_sum, all));
}
DENSITY_OF(dirichlet_lpdf,
           "log Gamma(sum of alpha) + sum of (alpha_k - 1) log theta_k - log Gamma(alpha_k), theta "
           "of sum 1",
           dirichlet, false, REAL("theta"), REAL("alpha"))

/* ---- normal vectors --------------------------------------------------------------------------------- */

static node_id diagonal(struct tape *t, node_id matrix) {
    struct op_arg call[OP_PARAMS_MAX] = {{.given = true, .node = matrix}};
    return op_table[OP_diag_part]->emit(t, call);
}

static bool check_matrix(struct density *d, node_id matrix, int i) {
    const struct shape *s = tape_shape(d->t, matrix);
    char text[SHAPE_TEXT];
    if (s->rank >= 2 && s->dim[s->rank - 1] == s->dim[s->rank - 2]) return true;
    tape_fail(d->t, ERROR_SHAPE_MISMATCH, "%s: %s has shape %s where square matrices are expected",
              d->op->name, d->op->params[i].name, shape_text(s, text));
    return false;
}
/* y and mu of vectors, and matrices of their length. */
static bool check_normal(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    if (!check_matrix(d, x[2], 2) || !density_check_events(d, x, 2)) return false;
    const struct shape *y = tape_shape(t, x[0]), *mu = tape_shape(t, x[1]);
    struct shape lines = *tape_shape(t, x[2]), vectors, joint;
    lines.rank--;
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (!shape_broadcast(y, mu, &vectors)) return false;
    bool fits = vectors.dim[vectors.rank - 1] == lines.dim[lines.rank - 1];
    if (fits && shape_broadcast(&vectors, &lines, &joint)) return true;
    tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: %s of shape %s does not fit vectors of shape %s",
              d->op->name, d->op->params[2].name, shape_text(tape_shape(t, x[2]), a),
              shape_text(&vectors, b));
    return false;
}

/* |L^-1 r|^2: vectors that share a matrix are the columns of one right-hand side. */
static node_id distance(struct density *d, node_id l, node_id r) {
    struct tape *t = d->t;
    if (l == NODE_NONE || r == NODE_NONE) return NODE_NONE;
    struct shape batch = *tape_shape(t, r);
    const int64_t n = batch.dim[--batch.rank];
    if (tape_shape(t, l)->rank > 2) {
        struct op_arg column[OP_PARAMS_MAX] = {{.given = true, .node = r},
                                               {.given = true, .i = -1}};
        node_id z =
            emit_triangular_solve(t, l, op_table[OP_expand_dims]->emit(t, column), true, false);
        if (z == NODE_NONE) return NODE_NONE;
        int rank = tape_shape(t, z)->rank;
        return emit_reduce(t, OP_reduce_sum, emit_square(t, z), 3u << (rank - 2), false);
    }
    const struct shape rows = {.rank = 2, .dim = {shape_count(&batch), n}};
    node_id columns = emit_transpose(t, emit_reshape(t, r, &rows), (int64_t[]){1, 0});
    node_id z = emit_square(t, emit_triangular_solve(t, l, columns, true, false));
    return emit_reshape(t, emit_reduce(t, OP_reduce_sum, z, 1, false), &batch);
}
static node_id normal_of(struct density *d, const node_id *x, node_id l, node_id diagonal_of_l) {
    struct tape *t = d->t;
    node_id mu = density_finite(d, x[1]);
    density_outside(d, emit1(t, OP_is_inf, x[0]));
    node_id r = emit_subtract(t, density_inside(d, x[0], 0), mu);
    density_join(d);
    node_id volume =
        density_over_event(d, OP_reduce_sum, plus(t, emit_log(t, diagonal_of_l), HALF_LOG_TWO_PI));
    return emit_subtract(t, times(t, distance(d, l, r), -0.5), volume);
}
static node_id multi_normal(struct density *d, const node_id *x) {
    if (!check_normal(d, x)) return NODE_NONE;
    node_id l = emit1(d->t, OP_cholesky, x[2]);
    return normal_of(d, x, l, diagonal(d->t, l));
}
static node_id multi_normal_cholesky(struct density *d, const node_id *x) {
    if (!check_normal(d, x)) return NODE_NONE;
    return normal_of(d, x, x[2], density_positive(d, diagonal(d->t, x[2])));
}
DENSITY_OF(
    multi_normal_lpdf,
    "-(y - mu)' Sigma^-1 (y - mu)/2 - log det Sigma/2 - K log(2 pi)/2, by the Cholesky factor",
    multi_normal, false, REAL("y"), REAL("mu"), REAL("Sigma"))
DENSITY_OF(multi_normal_cholesky_lpdf, "multi_normal_lpdf(y, mu, L L'), of the lower triangle of L",
           multi_normal_cholesky, false, REAL("y"), REAL("mu"), REAL("L"))

/* ---- correlations ----------------------------------------------------------------------------------- */

/* The numbers 1, ..., n - 1. */
static node_id from_one(struct density *d, int64_t n) {
    struct op_arg call[OP_PARAMS_MAX] = {{.given = true, .f = 1, .b = true},
                                         {.given = true, .f = (double)n, .b = true},
                                         [3] = {.given = true, .dtype = d->dtype}};
    return op_table[OP_range]->emit(d->t, call);
}
/* Lewandowski, Kurowicka and Joe, Generating Random Correlation Matrices, 2009: row i + 1 of K has the
 * power K - i - 3 + 2 eta of its diagonal, over the integral B. Nothing but the diagonal is read. */
static node_id lkj(struct density *d, const node_id *x) {
    struct tape *t = d->t;
    if (!check_matrix(d, x[0], 0)) return NODE_NONE;
    struct shape batch = *tape_shape(t, x[0]), joint;
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    const int64_t k = batch.dim[batch.rank - 1];
    batch.rank -= 2;
    if (k == 0 || !shape_broadcast(&batch, tape_shape(t, x[1]), &joint) || joint.rank == RANK_MAX)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: L of shape %s and eta of shape %s do not fit", d->op->name,
                         shape_text(tape_shape(t, x[0]), a), shape_text(tape_shape(t, x[1]), b));
    batch.dim[batch.rank++] = k - 1;
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    for (int i = 0; i < batch.rank; i++) stride[i] = 1;
    begin[batch.rank - 1] = 1;
    node_id diag = emit_strided_slice(t, diagonal(t, x[0]), &batch, begin, stride);
    node_id eta = density_positive(d, x[1]);
    struct op_arg column[OP_PARAMS_MAX] = {{.given = true, .node = eta}, {.given = true, .i = -1}};
    eta = op_table[OP_expand_dims]->emit(t, column);
    node_id bad = emit_less_equal(t, diag, emit_like(t, diag, 0));
    density_outside(d, density_over_event(d, OP_reduce_any, bad));
    node_id i = from_one(d, k), half = times(t, i, 0.5);
    node_id power = emit_subtract(t, plus(t, times(t, eta, 2), (double)k - 3), i);
    node_id rest = emit_subtract(t, plus(t, eta, ((double)k - 1) / 2), half);
    node_id norm = emit_subtract(t, density_lgamma_step(t, rest, half), times(t, half, LOG_PI));
    node_id value = emit_multiply(t, power, emit_log(t, except(t, bad, 1, diag)));
    return density_over_event(d, OP_reduce_sum, emit_add(t, value, norm));
}
DENSITY_OF(lkj_corr_cholesky_lpdf,
           "sum of (K - k + 2 eta - 2) log L_kk, k = 2, ..., K, - log B(K, eta)", lkj, false,
           REAL("L"), REAL("eta"))
