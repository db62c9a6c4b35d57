/* Eigenvalues and eigenvectors of symmetric matrices, of which the lower triangle is read. */
#include "core/kernels/spectral.h"
#include "core/op_spectral.h"

/* What a packed node holds, or a cotangent or tangent of it; v is NODE_NONE where values stand alone. */
struct eigh {
    node_id e, v;
};

static node_id emit_factors(struct tape *t, node_id x, bool vectors) {
    const struct factor_attrs attrs = {.vectors = vectors};
    return tape_emit(t, OP_eigh_factors, &x, 1, &attrs, sizeof attrs);
}

/* `packed` has the layout of a factorization of x. */
static struct eigh unpack(struct tape *t, node_id x, node_id packed, bool vectors) {
    int64_t at = 0;
    struct eigh f = {NODE_NONE, NODE_NONE};
    if (x == NODE_NONE || packed == NODE_NONE) return f;
    const struct shape *s = tape_shape(t, x), values = factor_shape(s, s->dim[s->rank - 1]);
    f.e = factor_take(t, packed, &at, &values);
    if (vectors) f.v = factor_take(t, packed, &at, s);
    return f;
}

static bool has_vectors(const struct tape *t, node_id y) {
    return ((const struct factor_attrs *)tape_node(t, y)->attrs)->vectors;
}

static bool eigh_infer(struct tape *t, const struct node *n, struct shape *shape,
                       enum dtype *dtype) {
    (void)dtype;
    const struct factor_attrs *attrs = n->attrs;
    if (!matrix_check(t, "eigh", n->arg[0], true)) return false;
    const struct shape *x = tape_shape(t, n->arg[0]);
    const int64_t side = x->dim[x->rank - 1];
    *shape = factor_shape(x, side + (attrs->vectors ? side * side : 0));
    return true;
}

static int64_t eigh_work(const struct tape *t, const struct node *n) {
    const struct shape *x = tape_shape(t, n->arg[0]);
    int64_t work;
    if (__builtin_mul_overflow(shape_count(x), 10 * x->dim[x->rank - 1], &work)) return INT64_MAX;
    return work;
}

/* The factors that rules need: the node's own, or where it has values alone those of a second node. */
static struct eigh factors_of(struct tape *t, node_id y) {
    const node_id x = tape_arg(t, y, 0);
    return unpack(t, x, has_vectors(t, y) ? y : emit_factors(t, x, true), true);
}

/* V (diag g_e + F o V^T g_V) V^T, folded to the lower triangle. Reference: SelfAdjointEigV2Grad of
 * TensorFlow. */
static node_id eigh_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    const bool vectors = has_vectors(t, y);
    const node_id x = tape_arg(t, y, 0);
    const struct eigh f = factors_of(t, y), bar = unpack(t, x, g, vectors);
    node_id left = emit_multiply(t, f.v, emit_as_row(t, bar.e));
    if (vectors) {
        const node_id turn =
            emit_multiply(t, emit_gaps(t, f.e), emit_matmul(t, f.v, bar.v, true, false));
        left = emit_add(t, left, emit_matmul(t, f.v, turn, false, false));
    }
    const node_id full = emit_matmul(t, left, f.v, false, true);
    if (full == NODE_NONE) return NODE_NONE;
    const int64_t n = tape_shape(t, full)->dim[tape_shape(t, full)->rank - 1];
    const node_id folded = emit_where(t, emit_index_mask(t, OP_greater, n),
                                      emit_add(t, full, emit_adjoint(t, full)), full);
    return emit_where(t, emit_index_mask(t, OP_greater_equal, n), folded, emit_like(t, full, 0));
}

/* With P = V^T dA V: de = diag P, dV = V (F o P); of dA too the lower triangle is all that is read. */
static node_id eigh_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    const struct shape *s = tape_shape(t, x_dot[0]);
    const struct eigh f = factors_of(t, y);
    const node_id below = emit_index_mask(t, OP_greater_equal, s->dim[s->rank - 1]);
    const int leading = s->rank - 2;
    const node_id a_dot = emit_where(t, below, x_dot[0], emit_adjoint(t, x_dot[0]));
    const node_id av = emit_matmul(t, a_dot, f.v, false, false);
    const node_id e_dot = emit_column_products(t, f.v, av);
    if (!has_vectors(t, y)) return e_dot;
    const node_id turn = emit_multiply(t, emit_gaps(t, f.e), emit_matmul(t, f.v, av, true, false));
    return factor_pack(t, (node_id[]){e_dot, emit_matmul(t, f.v, turn, false, false)}, 2, leading);
}

const struct op op_eigh_factors = {
    .name = "eigh_factors",
    .notation = "y = the eigenvalues e of a symmetric A and then its eigenvectors V, flat",
    .kind = OP_INTERNAL,
    .params = {{"tensor", PARAM_TENSOR, false}},
    .infer = eigh_infer,
    .vjp = eigh_vjp,
    .jvp = eigh_jvp,
    .batch = factor_batch,
    .kernels = {spectral_eigh, spectral_eigh},
    .work = eigh_work,
    .scratch = spectral_eigh_scratch};

static bool eigh_emit(struct tape *t, const struct op_arg *args, const node_id **results,
                      size_t *n) {
    const node_id x = args[0].node;
    node_id *nodes = factor_results(t, "eigh", 2);
    if (!nodes || !matrix_check(t, "eigh", x, true)) return false;
    const struct eigh f = unpack(t, x, emit_factors(t, x, true), true);
    nodes[0] = f.e;
    nodes[1] = f.v;
    *results = nodes;
    *n = 2;
    return tape_ok(t);
}
const struct op op_eigh = {
    .name = "eigh",
    .notation =
        "e, V: A = V diag(e) V^T, e ascending, A's lower triangle read; A' = V (diag e' + F o "
        "V^T V') V^T folded to it, F_ij = 1 / (e_j - e_i)",
    .kind = OP_COMPOSITE,
    .params = {{"tensor", PARAM_TENSOR, false}},
    .emit_many = eigh_emit};

static node_id eigvalsh_emit(struct tape *t, const struct op_arg *args) {
    if (!matrix_check(t, "eigvalsh", args[0].node, true)) return NODE_NONE;
    return emit_factors(t, args[0].node, false);
}
const struct op op_eigvalsh = {
    .name = "eigvalsh",
    .notation =
        "e = the eigenvalues of a symmetric A, ascending; A' = V diag(e') V^T folded to the lower "
        "triangle",
    .kind = OP_COMPOSITE,
    .params = {{"tensor", PARAM_TENSOR, false}},
    .emit = eigvalsh_emit};
