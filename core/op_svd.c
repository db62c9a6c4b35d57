/* Singular values and vectors, and the pseudoinverse, whose derivative needs neither. */
#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "core/kernels/spectral.h"
#include "core/op_spectral.h"

/* What a packed node holds, or a cotangent or tangent of it; u and v are NODE_NONE where values stand
 * alone. */
struct svd {
    node_id s, u, v;
};

static node_id emit_factors(struct tape *t, node_id x, bool vectors, bool full) {
    const struct factor_attrs attrs = {vectors, vectors && full};
    return tape_emit(t, OP_svd_factors, &x, 1, &attrs, sizeof attrs);
}

static const struct factor_attrs *attrs_of(const struct tape *t, node_id y) {
    return tape_node(t, y)->attrs;
}

/* Rows, columns, and the lesser of the two. */
struct sides {
    int64_t m, n, k;
};
static struct sides sides_of(const struct shape *x) {
    const int64_t m = x->dim[x->rank - 2], n = x->dim[x->rank - 1];
    return (struct sides){m, n, m < n ? m : n};
}

/* `packed` has the layout of a factorization of x. */
static struct svd unpack(struct tape *t, node_id x, node_id packed,
                         const struct factor_attrs *attrs) {
    int64_t at = 0;
    struct svd f = {NODE_NONE, NODE_NONE, NODE_NONE};
    if (x == NODE_NONE || packed == NODE_NONE) return f;
    const struct sides a = sides_of(tape_shape(t, x));
    const struct shape s = factor_shape(tape_shape(t, x), a.k);
    const struct shape u = matrix_shape(t, x, a.m, attrs->full ? a.m : a.k);
    const struct shape v = matrix_shape(t, x, a.n, attrs->full ? a.n : a.k);
    f.s = factor_take(t, packed, &at, &s);
    if (!attrs->vectors) return f;
    f.u = factor_take(t, packed, &at, &u);
    f.v = factor_take(t, packed, &at, &v);
    return f;
}

static bool svd_infer(struct tape *t, const struct node *n, struct shape *shape,
                      enum dtype *dtype) {
    (void)dtype;
    const struct factor_attrs *attrs = n->attrs;
    if (!matrix_check(t, "svd", n->arg[0], false)) return false;
    const struct shape *x = tape_shape(t, n->arg[0]);
    const struct sides a = sides_of(x);
    const int64_t u = a.m * (attrs->full ? a.m : a.k), v = a.n * (attrs->full ? a.n : a.k);
    *shape = factor_shape(x, a.k + (attrs->vectors ? u + v : 0));
    return true;
}

/* 20 m n k and the columns that full_matrices adds. */
static int64_t svd_work(const struct tape *t, const struct node *n) {
    const struct shape *x = tape_shape(t, n->arg[0]);
    const struct sides a = sides_of(x);
    int64_t work;
    if (__builtin_mul_overflow(shape_count(x), 20 * a.k, &work) ||
        __builtin_add_overflow(work, shape_count(n->shape), &work))
        return INT64_MAX;
    return work;
}

/* The rules are written for matrices of no more rows than columns, and the others transposed: then U and
 * V change places. `first` are the first k columns of V, `rest` the others that full_matrices adds. */
struct lying {
    struct svd f;
    node_id first, rest, gaps;
    bool swapped, square;
};

static node_id first_of(struct tape *t, node_id v, int64_t k) { return emit_columns(t, v, 0, k); }
static node_id rest_of(struct tape *t, node_id v, int64_t k) {
    if (v == NODE_NONE) return NODE_NONE;
    const int64_t n = tape_shape(t, v)->dim[tape_shape(t, v)->rank - 1];
    return n == k ? NODE_NONE : emit_columns(t, v, k, n - k);
}
static struct svd swapped(struct svd f) { return (struct svd){f.s, f.v, f.u}; }

/* False after TensorFlow's refusal: of what full_matrices adds, one column is determined. */
static bool lie_down(struct tape *t, node_id y, struct lying *l) {
    const struct factor_attrs *attrs = attrs_of(t, y);
    const node_id x = tape_arg(t, y, 0);
    const struct sides a = sides_of(tape_shape(t, x));
    char text[SHAPE_TEXT];
    if (attrs->full && (a.m - a.n > 1 || a.n - a.m > 1)) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "svd gradient is not implemented for abs(m - n) > 1 when full_matrices is True. "
                  "Received: m=%" PRId64 " and n=%" PRId64 " from op input with shape=%s.",
                  a.m, a.n, shape_text(tape_shape(t, x), text));
        return false;
    }
    const struct factor_attrs own = {true, attrs->full};
    l->f = unpack(t, x, attrs->vectors ? y : emit_factors(t, x, true, false), &own);
    l->swapped = a.m > a.n;
    l->square = a.m == a.n;
    if (l->swapped) l->f = swapped(l->f);
    l->first = first_of(t, l->f.v, a.k);
    l->rest = rest_of(t, l->f.v, a.k);
    if (attrs->vectors) l->gaps = emit_gaps(t, emit_square(t, l->f.s));
    return tape_ok(t);
}

static node_id twice_symmetric(struct tape *t, node_id x) {
    return emit_add(t, x, emit_adjoint(t, x));
}

/* (F o U^T g_U + its transpose) S + S (F o V^T g_V + its transpose): how the vectors turn. */
static node_id turned(struct tape *t, const struct lying *l, node_id gu, node_id gv) {
    const node_id s = l->f.s;
    const node_id u = emit_multiply(t, l->gaps, emit_matmul(t, l->f.u, gu, true, false));
    const node_id v = emit_multiply(t, l->gaps, emit_matmul(t, l->first, gv, true, false));
    return emit_add(t, emit_multiply(t, twice_symmetric(t, u), emit_as_row(t, s)),
                    emit_multiply(t, twice_symmetric(t, v), emit_as_column(t, s)));
}

/* U S^-1 (g_V^T - g_V^T V V^T): what the columns of V gain outside of their span. */
static node_id gained(struct tape *t, const struct lying *l, node_id gv, node_id g_rest) {
    const node_id inside = emit_matmul(t, gv, l->first, true, false);
    node_id out =
        emit_subtract(t, emit_adjoint(t, gv), emit_matmul(t, inside, l->first, false, true));
    if (l->rest != NODE_NONE) {
        const node_id across = emit_matmul(t, l->first, g_rest, true, false);
        out = emit_subtract(t, out, emit_matmul(t, across, l->rest, false, true));
    }
    const node_id scale = emit_as_row(t, emit_safe_reciprocal(t, l->f.s));
    return emit_matmul(t, emit_multiply(t, l->f.u, scale), out, false, false);
}

/* Reference: SvdGrad of TensorFlow, after J. Townsend, Differentiating the singular value decomposition
 * (2016); F_ij = 1 / (s_j^2 - s_i^2). */
static node_id svd_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    const struct factor_attrs *attrs = attrs_of(t, y);
    struct lying l = {0};
    if (!lie_down(t, y, &l)) return NODE_NONE;
    struct svd bar = unpack(t, tape_arg(t, y, 0), g, attrs);
    if (l.swapped) bar = swapped(bar);
    const int64_t k = sides_of(tape_shape(t, tape_arg(t, y, 0))).k;
    node_id left = emit_multiply(t, l.f.u, emit_as_row(t, bar.s)), gv = NODE_NONE;
    if (attrs->vectors) {
        gv = first_of(t, bar.v, k);
        left = emit_add(t, left, emit_matmul(t, l.f.u, turned(t, &l, bar.u, gv), false, false));
    }
    node_id a = emit_matmul(t, left, l.first, false, true);
    if (attrs->vectors && !l.square) a = emit_add(t, a, gained(t, &l, gv, rest_of(t, bar.v, k)));
    return l.swapped ? emit_adjoint(t, a) : a;
}

/* The transpose of the above. With P = U^T dA V: ds = diag P, dU = U (F o (P S + S P^T)),
 * dV = V (F o (S P + P^T S)) + (I - V V^T) W for W = dA^T U S^-1, and the rest of V loses V W^T rest. */
static node_id svd_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    const int leading = tape_shape(t, x_dot[0])->rank - 2;
    struct lying l = {0};
    if (!lie_down(t, y, &l)) return NODE_NONE;
    const node_id a_dot = l.swapped ? emit_adjoint(t, x_dot[0]) : x_dot[0];
    const node_id av = emit_matmul(t, a_dot, l.first, false, false);
    struct svd d = {.s = emit_column_products(t, l.f.u, av)};
    if (!attrs_of(t, y)->vectors) return d.s;
    const node_id p = emit_matmul(t, l.f.u, av, true, false), p_t = emit_adjoint(t, p);
    const node_id row = emit_as_row(t, l.f.s), column = emit_as_column(t, l.f.s);
    const node_id turn_u = emit_add(t, emit_multiply(t, p, row), emit_multiply(t, p_t, column));
    const node_id turn_v = emit_add(t, emit_multiply(t, p, column), emit_multiply(t, p_t, row));
    d.u = emit_matmul(t, l.f.u, emit_multiply(t, l.gaps, turn_u), false, false);
    d.v = emit_matmul(t, l.first, emit_multiply(t, l.gaps, turn_v), false, false);
    if (!l.square) {
        const node_id w = emit_multiply(t, emit_matmul(t, a_dot, l.f.u, true, false),
                                        emit_as_row(t, emit_safe_reciprocal(t, l.f.s)));
        const node_id inside =
            emit_matmul(t, l.first, emit_matmul(t, l.first, w, true, false), false, false);
        d.v = emit_add(t, d.v, emit_subtract(t, w, inside));
        if (l.rest != NODE_NONE) {
            const node_id lost =
                emit_matmul(t, l.first, emit_matmul(t, w, l.rest, true, false), false, false);
            if (lost == NODE_NONE) return NODE_NONE;
            const int last = tape_shape(t, lost)->rank - 1;
            d.v = emit_concat(t, (node_id[]){d.v, emit_negative(t, lost)}, 2, last);
        }
    }
    if (l.swapped) d = swapped(d);
    return factor_pack(t, (node_id[]){d.s, d.u, d.v}, 3, leading);
}

const struct op op_svd_factors = {
    .name = "svd_factors",
    .notation = "y = the singular values s of A and then its singular vectors U and V, flat",
    .kind = OP_INTERNAL,
    .params = {{"tensor", PARAM_TENSOR, false}},
    .infer = svd_infer,
    .vjp = svd_vjp,
    .jvp = svd_jvp,
    .batch = factor_batch,
    .kernels = {spectral_svd, spectral_svd},
    .work = svd_work,
    .scratch = spectral_svd_scratch};

node_id emit_singular_values(struct tape *t, const char *op, node_id x) {
    return matrix_check(t, op, x, false) ? emit_factors(t, x, false, false) : NODE_NONE;
}

static bool svd_emit(struct tape *t, const struct op_arg *args, const node_id **results,
                     size_t *n) {
    const node_id x = args[0].node;
    const struct factor_attrs attrs = {!args[2].given || args[2].b, args[1].given && args[1].b};
    node_id *nodes = factor_results(t, "svd", 3);
    if (!nodes || !matrix_check(t, "svd", x, false)) return false;
    const struct svd f = unpack(t, x, emit_factors(t, x, attrs.vectors, attrs.full), &attrs);
    nodes[0] = f.s;
    nodes[1] = f.u;
    nodes[2] = f.v;
    *results = nodes;
    *n = attrs.vectors ? 3 : RESULT_ALONE;
    return tape_ok(t);
}
const struct op op_svd = {
    .name = "svd",
    .notation =
        "s, U, V: A = U diag(s) V^T, s descending; A' by Townsend's rule, for s alone U diag(s') "
        "V^T",
    .kind = OP_COMPOSITE,
    .params = {{"tensor", PARAM_TENSOR, false},
               {"full_matrices", PARAM_BOOL, true},
               {"compute_uv", PARAM_BOOL, true}},
    .preset = {[2] = "True"},
    .emit_many = svd_emit};

/* ---- the pseudoinverse --------------------------------------------------------------------------- */

static bool pinv_infer(struct tape *t, const struct node *n, struct shape *shape,
                       enum dtype *dtype) {
    (void)dtype;
    if (!matrix_check(t, "pinv", n->arg[0], false)) return false;
    const struct sides a = sides_of(tape_shape(t, n->arg[0]));
    *shape = matrix_shape(t, n->arg[0], a.n, a.m);
    return true;
}

/* G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems
 * whose variables separate, SIAM J. Numer. Anal. 10 (1973), for matrices of constant rank:
 * dP = - P dA P + P P^T dA^T (I - A P) + (I - P A) dA^T P^T P. */
static node_id pinv_jvp(struct tape *t, node_id p, const node_id *x_dot) {
    const node_id a = tape_arg(t, p, 0), d = x_dot[0];
    const node_id through = emit_matmul(t, emit_matmul(t, p, d, false, false), p, false, false);
    const node_id pp = emit_matmul(t, p, p, false, true), p_p = emit_matmul(t, p, p, true, false);
    const node_id up = emit_matmul(t, pp, d, false, true);
    const node_id left =
        emit_subtract(t, up, emit_matmul(t, emit_matmul(t, up, a, false, false), p, false, false));
    const node_id down = emit_matmul(t, d, p_p, true, false);
    const node_id right = emit_subtract(
        t, down, emit_matmul(t, p, emit_matmul(t, a, down, false, false), false, false));
    return emit_subtract(t, emit_add(t, left, right), through);
}
/* Its transpose: - P^T G P^T + (I - A P) G^T P P^T + P^T P G^T (I - P A). */
static node_id pinv_vjp(struct tape *t, node_id p, uint32_t i, node_id g) {
    (void)i;
    const node_id a = tape_arg(t, p, 0);
    const node_id through = emit_matmul(t, emit_matmul(t, p, g, true, false), p, false, true);
    const node_id pp = emit_matmul(t, p, p, false, true), p_p = emit_matmul(t, p, p, true, false);
    const node_id gp = emit_matmul(t, g, pp, true, false);
    const node_id left =
        emit_subtract(t, gp, emit_matmul(t, a, emit_matmul(t, p, gp, false, false), false, false));
    const node_id down = emit_matmul(t, p_p, g, false, true);
    const node_id right = emit_subtract(
        t, down, emit_matmul(t, emit_matmul(t, down, p, false, false), a, false, false));
    return emit_subtract(t, emit_add(t, left, right), through);
}

/* Where singular values that are not 0 count as 0, the rule above does not hold: V S^+ U^T by svd does, as
 * TensorFlow has it. */
static node_id truncated(struct tape *t, node_id x, double rcond) {
    const struct factor_attrs attrs = {.vectors = true};
    const struct svd f = unpack(t, x, emit_factors(t, x, true, false), &attrs);
    if (f.s == NODE_NONE) return NODE_NONE;
    const node_id largest =
        emit_reduce(t, OP_reduce_max, f.s, 1u << (tape_shape(t, f.s)->rank - 1), true);
    const node_id kept = emit_greater(t, f.s, emit_multiply(t, largest, emit_like(t, f.s, rcond)));
    const node_id s = emit_where(t, kept, f.s, emit_like(t, f.s, INFINITY));
    return emit_matmul(t, emit_divide(t, f.v, emit_as_row(t, s)), f.u, false, true);
}

static node_id pinv_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    if (!matrix_check(t, "pinv", x, false)) return NODE_NONE;
    const struct sides a = sides_of(tape_shape(t, x));
    const double epsilon = tape_dtype(t, x) == DTYPE_F32 ? FLT_EPSILON : DBL_EPSILON;
    struct pinv_attrs attrs = {10 * (double)(a.m > a.n ? a.m : a.n) * epsilon};
    if (args[1].given && args[1].f > attrs.rcond) return truncated(t, x, args[1].f);
    if (args[1].given) attrs.rcond = args[1].f;
    return tape_emit(t, OP_pinv, &x, 1, &attrs, sizeof attrs);
}
const struct op op_pinv = {
    .name = "pinv",
    .notation =
        "P = pseudoinverse of A, singular values up to rcond times the largest as 0; dP = -P dA P "
        "+ P P^T dA^T (I - A P) + (I - P A) dA^T P^T P",
    .params = {{"a", PARAM_TENSOR, false}, {"rcond", PARAM_FLOAT, true}},
    .emit = pinv_emit,
    .infer = pinv_infer,
    .vjp = pinv_vjp,
    .jvp = pinv_jvp,
    .batch = factor_batch,
    .kernels = {spectral_pinv, spectral_pinv},
    .work = svd_work,
    .scratch = spectral_pinv_scratch};
