/* Linear systems: general ones and those of a triangle. How they are solved stands in kernels/factor.c;
 * derivatives are written in the same ops. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"
#include "core/kernels/factor.h"
#include "core/kernels/matrices.h"

static const struct solve_attrs *attrs_of(const struct tape *t, node_id y) {
    return tape_node(t, y)->attrs;
}

static node_id emit_solve(struct tape *t, node_id a, node_id b, struct solve_attrs attrs) {
    const int op = attrs.part == SOLVE_ALL ? OP_solve : OP_triangular_solve;
    return tape_emit(t, op, (node_id[]){a, b}, 2, &attrs, sizeof attrs);
}
node_id emit_triangular_solve(struct tape *t, node_id a, node_id b, bool lower, bool adjoint) {
    return emit_solve(t, a, b, (struct solve_attrs){lower ? SOLVE_LOWER : SOLVE_UPPER, adjoint});
}

/* ---- kernels ------------------------------------------------------------------------------------- */

#define TRIANGULAR_KERNEL(tag, T, letter)                                                          \
    static void triangular_solve_kernel_##tag(const struct step *step, struct run *run) {          \
        const struct solve_attrs *attrs = step->attrs;                                             \
        const struct shape *shape = step->out.shape;                                               \
        const int64_t n = shape->dim[shape->rank - 2], m = shape->dim[shape->rank - 1];            \
        const struct triangle triangle = {n, attrs->part == SOLVE_LOWER, attrs->adjoint, false};   \
        const T *a = run_in(run, step, 0), *b = run_in(run, step, 1);                              \
        T *out = run_out(run, step);                                                               \
        struct matrices w = matrices_of(step);                                                     \
        if (n == 0 || m == 0) return;                                                              \
        for (; w.done < w.count; matrices_next(&w)) {                                              \
            memcpy(out + w.out_at, b + w.in_at[1], (size_t)(n * m) * sizeof(T));                   \
            if (!factor_triangle_solve_##tag(run, &triangle, a + w.in_at[0], out + w.out_at, m))   \
                return;                                                                            \
        }                                                                                          \
    }
BLAS_DTYPES(TRIANGULAR_KERNEL)

/* The factors of a matrix are kept while it meets one right-hand side after another. */
#define SOLVE_KERNEL(tag, T, letter)                                                               \
    static void solve_kernel_##tag(const struct step *step, struct run *run) {                     \
        const struct shape *shape = step->out.shape;                                               \
        const int64_t n = shape->dim[shape->rank - 2], m = shape->dim[shape->rank - 1];            \
        const T *a = run_in(run, step, 0), *b = run_in(run, step, 1);                              \
        const bool adjoint = ((const struct solve_attrs *)step->attrs)->adjoint != 0;              \
        T *out = run_out(run, step), *lu = run_scratch(run, step);                                 \
        lapack_int *pivot = (lapack_int *)(lu + n * n);                                            \
        struct matrices w = matrices_of(step);                                                     \
        if (n == 0 || !lapack_finite_##tag(run, "solve", a, shape_count(step->in[0].shape)))       \
            return;                                                                                \
        for (int64_t factored = -1; w.done < w.count; matrices_next(&w)) {                         \
            if (factored != w.in_at[0]) {                                                          \
                factored = w.in_at[0];                                                             \
                memcpy(lu, a + factored, (size_t)(n * n) * sizeof(T));                             \
                if (!factor_lu_##tag(run, n, lu, pivot)) return;                                   \
                if (factor_lu_singular_##tag(n, lu)) {                                             \
                    matrices_fail(step, run, "Input matrix is not invertible.",                    \
                                  factored / (n * n));                                             \
                    return;                                                                        \
                }                                                                                  \
            }                                                                                      \
            if (m == 0) continue;                                                                  \
            memcpy(out + w.out_at, b + w.in_at[1], (size_t)(n * m) * sizeof(T));                   \
            if (!factor_lu_solve_##tag(run, n, adjoint, lu, pivot, out + w.out_at, m)) return;     \
        }                                                                                          \
    }
BLAS_DTYPES(SOLVE_KERNEL)

static size_t solve_scratch(const struct tape *t, const struct node *n) {
    const struct shape *a = tape_shape(t, n->arg[0]);
    return factor_lu_bytes((enum dtype)n->dtype, a->dim[a->rank - 1]);
}

/* n^2 m for each of the result's matrices, and 2/3 n^3 for each one that is factored. */
static int64_t solve_work(const struct tape *t, const struct node *n) {
    const struct shape *a = tape_shape(t, n->arg[0]);
    const int64_t side = a->dim[a->rank - 1], factored = shape_count(a);
    const bool factors = ((const struct solve_attrs *)n->attrs)->part == SOLVE_ALL;
    int64_t solved, work;
    if (__builtin_mul_overflow(shape_count(n->shape), (factors ? 2 : 1) * side, &solved) ||
        __builtin_mul_overflow(factors ? factored : 0, side, &work) ||
        __builtin_add_overflow(work, solved, &work))
        return INT64_MAX;
    return work;
}

/* ---- the rule of shapes -------------------------------------------------------------------------- */

bool infer_square(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype) {
    (void)dtype;
    const struct shape *a = tape_shape(t, n->arg[0]);
    char text[SHAPE_TEXT];
    if (a->rank < 2)
        tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: Input tensor 0 must have rank >= 2, got %d",
                  op_of(n)->name, a->rank);
    else if (a->dim[a->rank - 1] != a->dim[a->rank - 2])
        tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: Input matrix must be square; its shape is %s",
                  op_of(n)->name, shape_text(a, text));
    *shape = *a;
    return tape_ok(t);
}

static bool solve_infer(struct tape *t, const struct node *n, struct shape *shape,
                        enum dtype *dtype) {
    if (!infer_same_dtype(t, n, 0) || !infer_square(t, n, shape, dtype)) return false;
    const struct shape *a = tape_shape(t, n->arg[0]), *b = tape_shape(t, n->arg[1]);
    const char *name = op_of(n)->name;
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    if (b->rank < 2) {
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "%s: rhs must have rank >= 2, got %d; a vector is a matrix of one column", name,
                  b->rank);
        return false;
    }
    if (b->dim[b->rank - 2] != a->dim[a->rank - 1]) {
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "%s: Input matrix and rhs are incompatible: %" PRId64 " vs. %" PRId64
                  " rows of shapes %s and %s",
                  name, a->dim[a->rank - 2], b->dim[b->rank - 2], shape_text(a, x),
                  shape_text(b, y));
        return false;
    }
    struct shape lead_a = *a, lead_b = *b;
    lead_a.rank -= 2;
    lead_b.rank -= 2;
    if (!shape_broadcast(&lead_a, &lead_b, shape)) {
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "%s: matrix and rhs must have compatible batch dimensions: %s vs. %s", name,
                  shape_text(a, x), shape_text(b, y));
        return false;
    }
    for (int i = 2; i > 0; i--) shape->dim[shape->rank++] = b->dim[b->rank - i];
    return true;
}

/* ---- derivatives --------------------------------------------------------------------------------- */

/* x where the op reads its matrix, 0 elsewhere. */
static node_id part_read(struct tape *t, node_id y, node_id x) {
    const uint32_t part = attrs_of(t, y)->part;
    if (part == SOLVE_ALL) return x;
    return part == SOLVE_LOWER ? emit_band(t, x, INT64_MIN, 0) : emit_band(t, x, 0, INT64_MAX);
}

/* B' = A^-T G and A' = -B' X^T, restricted to the triangle; reference: MatrixSolve and
 * MatrixTriangularSolve of TensorFlow's linalg_grad.py. With the adjoint A' = -X B'^T. */
static node_id solve_vjp(struct tape *t, node_id x, uint32_t i, node_id g) {
    struct solve_attrs attrs = *attrs_of(t, x);
    const node_id a = tape_arg(t, x, 0), b = tape_arg(t, x, 1);
    const bool adjoint = attrs.adjoint;
    attrs.adjoint = !adjoint;
    const node_id b_bar = emit_solve(t, a, g, attrs);
    if (i == 1) return emit_sum_to(t, b_bar, tape_shape(t, b));
    const node_id product =
        adjoint ? emit_matmul(t, x, b_bar, false, true) : emit_matmul(t, b_bar, x, false, true);
    return emit_sum_to(t, part_read(t, x, emit_negative(t, product)), tape_shape(t, a));
}
/* X. = A^-1 (B. - A. X). */
static node_id solve_jvp(struct tape *t, node_id x, const node_id *x_dot) {
    const struct solve_attrs attrs = *attrs_of(t, x);
    node_id b_dot = x_dot[1];
    if (x_dot[0] != NODE_NONE) {
        const node_id moved =
            emit_matmul(t, part_read(t, x, x_dot[0]), x, attrs.adjoint != 0, false);
        b_dot = b_dot == NODE_NONE ? emit_negative(t, moved) : emit_subtract(t, b_dot, moved);
    }
    return emit_solve(t, tape_arg(t, x, 0), b_dot, attrs);
}
static node_id solve_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                           int64_t n) {
    (void)n;
    const int rank = tape_shape(t, y)->rank + 1;
    return emit_solve(t, batched[0] ? emit_align_batched(t, x[0], rank) : x[0],
                      batched[1] ? emit_align_batched(t, x[1], rank) : x[1], *attrs_of(t, y));
}

/* ---- the ops ------------------------------------------------------------------------------------- */

static node_id triangular_solve_emit(struct tape *t, const struct op_arg *args) {
    return emit_triangular_solve(t, args[0].node, args[1].node, !args[2].given || args[2].b,
                                 args[3].given && args[3].b);
}
const struct op op_triangular_solve = {
    .name = "triangular_solve",
    .notation =
        "X = A^-1 B for A's lower or upper triangle; B' = A^-T G, A' = -B' X^T in the triangle",
    .params = {{"matrix", PARAM_TENSOR, false},
               {"rhs", PARAM_TENSOR, false},
               {"lower", PARAM_BOOL, true},
               {"adjoint", PARAM_BOOL, true}},
    .preset = {[2] = "True"},
    .emit = triangular_solve_emit,
    .infer = solve_infer,
    .vjp = solve_vjp,
    .jvp = solve_jvp,
    .batch = solve_batch,
    .kernels = {triangular_solve_kernel_F32, triangular_solve_kernel_F64},
    .work = solve_work};

/* The rule lets leading axes broadcast, which batches need; users are held to TensorFlow's MatrixSolve. */
static node_id solve_emit(struct tape *t, const struct op_arg *args) {
    const node_id a = args[0].node, b = args[1].node;
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    if (a == NODE_NONE || b == NODE_NONE) return NODE_NONE;
    const struct shape *left = tape_shape(t, a), *right = tape_shape(t, b);
    bool same = left->rank == right->rank;
    if (!same)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "solve: All input tensors must have the same rank; shapes %s and %s",
                         shape_text(left, x), shape_text(right, y));
    for (int i = 0; i < left->rank - 2; i++) same = same && left->dim[i] == right->dim[i];
    if (!same)
        return tape_fail(
            t, ERROR_SHAPE_MISMATCH,
            "solve: All input tensors must have the same outer dimensions; shapes %s and %s",
            shape_text(left, x), shape_text(right, y));
    return emit_solve(t, a, b, (struct solve_attrs){SOLVE_ALL, args[2].given && args[2].b});
}
const struct op op_solve = {.name = "solve",
                            .notation = "X = A^-1 B; B' = A^-T G, A' = -B' X^T for the cotangent G",
                            .params = {{"matrix", PARAM_TENSOR, false},
                                       {"rhs", PARAM_TENSOR, false},
                                       {"adjoint", PARAM_BOOL, true}},
                            .emit = solve_emit,
                            .infer = solve_infer,
                            .vjp = solve_vjp,
                            .jvp = solve_jvp,
                            .batch = solve_batch,
                            .kernels = {solve_kernel_F32, solve_kernel_F64},
                            .work = solve_work,
                            .scratch = solve_scratch};

static node_id cholesky_solve_emit(struct tape *t, const struct op_arg *args) {
    const node_id l = args[0].node;
    return emit_triangular_solve(t, l, emit_triangular_solve(t, l, args[1].node, true, false), true,
                                 true);
}
const struct op op_cholesky_solve = {
    .name = "cholesky_solve",
    .notation = "X = (L L^T)^-1 B by two triangles; derivatives are theirs",
    .kind = OP_COMPOSITE,
    .params = {{"chol", PARAM_TENSOR, false}, {"rhs", PARAM_TENSOR, false}},
    .emit = cholesky_solve_emit};
