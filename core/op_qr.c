/* The QR factorization. */
#include <inttypes.h>

#include "core/kernels/spectral.h"
#include "core/op_spectral.h"

/* What a packed node holds, or a cotangent or tangent of it. */
struct qr {
    node_id q, r;
};

static node_id emit_factors(struct tape *t, node_id x, bool full) {
    const struct factor_attrs attrs = {true, full};
    return tape_emit(t, OP_qr_factors, &x, 1, &attrs, sizeof attrs);
}

/* Rows and columns of a matrix, and how many columns Q has. */
struct sides {
    int64_t m, n, k;
};
static struct sides sides_of(const struct shape *x, bool full) {
    const int64_t m = x->dim[x->rank - 2], n = x->dim[x->rank - 1];
    return (struct sides){m, n, full || m < n ? m : n};
}
static bool is_full(const struct tape *t, node_id y) {
    return ((const struct factor_attrs *)tape_node(t, y)->attrs)->full;
}

/* `packed` has the layout of a factorization of x. */
static struct qr unpack(struct tape *t, node_id x, node_id packed, bool full) {
    int64_t at = 0;
    struct qr f = {NODE_NONE, NODE_NONE};
    if (x == NODE_NONE || packed == NODE_NONE) return f;
    const struct sides a = sides_of(tape_shape(t, x), full);
    const struct shape q = matrix_shape(t, x, a.m, a.k), r = matrix_shape(t, x, a.k, a.n);
    f.q = factor_take(t, packed, &at, &q);
    f.r = factor_take(t, packed, &at, &r);
    return f;
}

static bool qr_infer(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype) {
    (void)dtype;
    if (!matrix_check(t, "qr", n->arg[0], false)) return false;
    const struct shape *x = tape_shape(t, n->arg[0]);
    const struct sides a = sides_of(x, ((const struct factor_attrs *)n->attrs)->full);
    *shape = factor_shape(x, a.k * (a.m + a.n));
    return true;
}

/* 4 m n k, and the columns that full_matrices adds. */
static int64_t qr_work(const struct tape *t, const struct node *n) {
    const struct shape *x = tape_shape(t, n->arg[0]);
    const struct sides a = sides_of(x, false);
    int64_t work;
    if (__builtin_mul_overflow(shape_count(x), 4 * a.k, &work) ||
        __builtin_add_overflow(work, shape_count(n->shape) * 2, &work))
        return INT64_MAX;
    return work;
}

/* X R^-T, or with `adjoint` X R^-1, of an upper triangle R. */
static node_id from_right(struct tape *t, node_id x, node_id r, bool adjoint) {
    return emit_adjoint(t, emit_triangular_solve(t, r, emit_adjoint(t, x), false, adjoint));
}

/* What both rules begin with: false after TensorFlow's refusal. */
static bool factors_of(struct tape *t, node_id y, struct qr *f) {
    const node_id x = tape_arg(t, y, 0);
    const struct sides a = sides_of(tape_shape(t, x), is_full(t, y));
    char text[SHAPE_TEXT];
    if (a.m > a.n && is_full(t, y)) {
        const struct shape r = matrix_shape(t, x, a.m, a.n);
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "QrGrad not implemented when nrows > ncols and full_matrices is true. Received "
                  "r.shape=%s with nrows=%" PRId64 " and ncols=%" PRId64 ".",
                  shape_text(&r, text), a.m, a.n);
        return false;
    }
    *f = unpack(t, x, y, is_full(t, y));
    return tape_ok(t);
}

/* Q (g_R + tril(M) R^-T) + (g_Q - Q Q^T g_Q) R^-T with M = Q^T g_Q - (..)^T + R g_R^T - (..)^T, of no more
 * columns than rows. */
static node_id standing_vjp(struct tape *t, struct qr f, struct qr g) {
    const node_id qq = emit_matmul(t, f.q, g.q, true, false);
    const node_id both = emit_add(t, qq, emit_matmul(t, f.r, g.r, false, true));
    const node_id below = emit_band(t, emit_subtract(t, both, emit_adjoint(t, both)), INT64_MIN, 0);
    const node_id along =
        emit_matmul(t, f.q, emit_add(t, g.r, from_right(t, below, f.r, false)), false, false);
    const node_id across = emit_subtract(t, g.q, emit_matmul(t, f.q, qq, false, false));
    return emit_add(t, along, from_right(t, across, f.r, false));
}

/* D. A. O. Roberts and L. R. Roberts, QR and LQ decomposition matrix backpropagation algorithms for square,
 * wide, and deep matrices (2020), as TensorFlow's QrGrad has it. Of a lying matrix [X, Y] = Q [U, V] the
 * square part X is Q U, and V is Q^T Y. */
static node_id qr_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    const node_id x = tape_arg(t, y, 0);
    struct qr f;
    if (!factors_of(t, y, &f)) return NODE_NONE;
    struct qr bar = unpack(t, x, g, is_full(t, y));
    const struct sides a = sides_of(tape_shape(t, x), false);
    if (a.m >= a.n) return standing_vjp(t, f, bar);
    const node_id rest = emit_columns(t, x, a.m, a.n - a.m);
    const node_id v_bar = emit_columns(t, bar.r, a.m, a.n - a.m);
    const node_id u_bar = emit_columns(t, bar.r, 0, a.m);
    f.r = emit_columns(t, f.r, 0, a.m);
    bar = (struct qr){emit_add(t, bar.q, emit_matmul(t, rest, v_bar, false, true)), u_bar};
    const node_id first = standing_vjp(t, f, bar);
    const node_id second = emit_matmul(t, f.q, v_bar, false, false);
    if (first == NODE_NONE) return NODE_NONE;
    return emit_concat(t, (node_id[]){first, second}, 2, tape_shape(t, x)->rank - 1);
}

/* With C = Q^T dA R^-1 and the skew W that has its lower triangle: dQ = Q W + dA R^-1 - Q C and
 * dR = (C - W) R. */
static struct qr standing_jvp(struct tape *t, struct qr f, node_id a_dot) {
    const node_id moved = from_right(t, a_dot, f.r, true);
    const node_id c = emit_matmul(t, f.q, moved, true, false);
    const node_id below = emit_band(t, c, INT64_MIN, -1);
    const node_id rest = emit_subtract(t, c, emit_subtract(t, below, emit_adjoint(t, below)));
    return (struct qr){emit_subtract(t, moved, emit_matmul(t, f.q, rest, false, false)),
                       emit_matmul(t, rest, f.r, false, false)};
}

static node_id qr_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    const node_id x = tape_arg(t, y, 0);
    const int last = tape_shape(t, x)->rank - 1;
    struct qr f;
    if (!factors_of(t, y, &f)) return NODE_NONE;
    const struct sides a = sides_of(tape_shape(t, x), false);
    if (a.m >= a.n) {
        const struct qr d = standing_jvp(t, f, x_dot[0]);
        return factor_pack(t, (node_id[]){d.q, d.r}, 2, last - 1);
    }
    f.r = emit_columns(t, f.r, 0, a.m);
    const node_id rest = emit_columns(t, x, a.m, a.n - a.m);
    const node_id rest_dot = emit_columns(t, x_dot[0], a.m, a.n - a.m);
    const struct qr d = standing_jvp(t, f, emit_columns(t, x_dot[0], 0, a.m));
    const node_id v_dot = emit_add(t, emit_matmul(t, d.q, rest, true, false),
                                   emit_matmul(t, f.q, rest_dot, true, false));
    if (v_dot == NODE_NONE) return NODE_NONE;
    const node_id r_dot = emit_concat(t, (node_id[]){d.r, v_dot}, 2, last);
    return factor_pack(t, (node_id[]){d.q, r_dot}, 2, last - 1);
}

const struct op op_qr_factors = {.name = "qr_factors",
                                 .notation = "y = Q of A = Q R and then R, flat",
                                 .kind = OP_INTERNAL,
                                 .params = {{"input", PARAM_TENSOR, false}},
                                 .infer = qr_infer,
                                 .vjp = qr_vjp,
                                 .jvp = qr_jvp,
                                 .batch = factor_batch,
                                 .kernels = {spectral_qr, spectral_qr},
                                 .work = qr_work,
                                 .scratch = spectral_qr_scratch};

static bool qr_emit(struct tape *t, const struct op_arg *args, const node_id **results, size_t *n) {
    const node_id x = args[0].node;
    const bool full = args[1].given && args[1].b;
    node_id *nodes = factor_results(t, "qr", 2);
    if (!nodes || !matrix_check(t, "qr", x, false)) return false;
    const struct qr f = unpack(t, x, emit_factors(t, x, full), full);
    nodes[0] = f.q;
    nodes[1] = f.r;
    *results = nodes;
    *n = 2;
    return tape_ok(t);
}
const struct op op_qr = {
    .name = "qr",
    .notation =
        "Q, R: A = Q R, Q's columns orthonormal, R an upper triangle; A' = Q (R' + tril(M) R^-T) + "
        "(Q' - Q Q^T Q') R^-T, M = Q^T Q' + R R'^T less its transpose",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false}, {"full_matrices", PARAM_BOOL, true}},
    .emit_many = qr_emit};
