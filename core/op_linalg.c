/* Factors, inverses and determinants of square matrices. How they are computed stands in
 * kernels/factor.c; derivatives are written in ops, with TensorFlow's conventions (linalg_grad.py). */
#include <math.h>
#include <string.h>

#include "core/diagonal.h"
#include "core/kernels/factor.h"
#include "core/kernels/matrices.h"

static int64_t side_of(const struct shape *s) { return s->dim[s->rank - 1]; }

/* n^3 for each matrix, whatever the factor before it. */
static int64_t cubic_work(const struct tape *t, const struct node *n) {
    const struct shape *a = tape_shape(t, n->arg[0]);
    int64_t work;
    return __builtin_mul_overflow(shape_count(a), 1 + side_of(a), &work) ? INT64_MAX : work;
}
static size_t lu_scratch(const struct tape *t, const struct node *n) {
    return factor_lu_bytes((enum dtype)n->dtype, side_of(tape_shape(t, n->arg[0])));
}
/* Leading axes are all that these ops need. */
static node_id leading_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                             int64_t n) {
    (void)batched, (void)n;
    return emit1(t, tape_node(t, y)->op, x[0]);
}

static node_id halved(struct tape *t, node_id x) {
    return emit_multiply(t, x, emit_like(t, x, 0.5));
}

/* ---- cholesky ------------------------------------------------------------------------------------ */

#define CHOLESKY_KERNEL(tag, T, letter)                                                            \
    static void cholesky_kernel_##tag(const struct step *step, struct run *run) {                  \
        const int64_t n = side_of(step->out.shape), count = shape_count(step->out.shape);          \
        const T *a = run_in(run, step, 0);                                                         \
        T *l = run_out(run, step);                                                                 \
        for (int64_t i = 0; i < count; i++) l[i] = i % n <= i / n % n ? a[i] : 0;                  \
        if (!lapack_finite_##tag(run, "cholesky", l, count)) return;                               \
        for (int64_t at = 0; at < count; at += n * n) {                                            \
            if (!factor_cholesky_##tag(run, n, l + at)) {                                          \
                if (!run->stopped)                                                                 \
                    matrices_fail(step, run,                                                       \
                                  "Cholesky decomposition was not successful. The input might "    \
                                  "not be valid.",                                                 \
                                  at / (n * n));                                                   \
                return;                                                                            \
            }                                                                                      \
            for (int64_t i = 0; i < n; i++)                                                        \
                memset(l + at + i * n + i + 1, 0, (size_t)(n - 1 - i) * sizeof(T));                \
        }                                                                                          \
    }
BLAS_DTYPES(CHOLESKY_KERNEL)

/* The lower triangle with half of the diagonal. */
static node_id phi(struct tape *t, node_id x) {
    return emit_subtract(t, emit_band(t, x, INT64_MIN, 0), halved(t, emit_band(t, x, 0, 0)));
}
/* L^-1 X L^-T, or L^-T X L^-1 where `adjoint`. */
static node_id between(struct tape *t, node_id l, node_id x, bool adjoint) {
    const node_id left = emit_triangular_solve(t, l, x, true, adjoint);
    return emit_adjoint(t, emit_triangular_solve(t, l, emit_adjoint(t, left), true, adjoint));
}
static node_id symmetric(struct tape *t, node_id x) {
    return halved(t, emit_add(t, x, emit_adjoint(t, x)));
}
/* I. Murray, Differentiation of the Cholesky decomposition, 2016: A' = L^-T phi(L^T G) L^-1, made symmetric. */
static node_id cholesky_vjp(struct tape *t, node_id l, uint32_t i, node_id g) {
    (void)i;
    return symmetric(t, between(t, l, phi(t, emit_matmul(t, l, g, true, false)), true));
}
/* The same paper: L. = L phi(L^-1 A. L^-T). */
static node_id cholesky_jvp(struct tape *t, node_id l, const node_id *x_dot) {
    const node_id inner = between(t, l, symmetric(t, x_dot[0]), false);
    return emit_matmul(t, l, phi(t, inner), false, false);
}
const struct op op_cholesky = {
    .name = "cholesky",
    .notation = "A = L L^T, of A's lower triangle; A' = L^-T phi(L^T G) L^-1, symmetric",
    .params = {{"input", PARAM_TENSOR, false}},
    .infer = infer_square,
    .vjp = cholesky_vjp,
    .jvp = cholesky_jvp,
    .batch = leading_batch,
    .kernels = {cholesky_kernel_F32, cholesky_kernel_F64},
    .work = cubic_work};

static node_id logdet_emit(struct tape *t, const struct op_arg *args) {
    const node_id l = emit1(t, OP_cholesky, args[0].node);
    if (l == NODE_NONE) return NODE_NONE;
    const node_id log = emit_log(t, emit_diagonal_of(t, l, 0));
    const node_id sum =
        emit_reduce(t, OP_reduce_sum, log, 1u << (tape_shape(t, l)->rank - 2), false);
    return emit_multiply(t, sum, emit_like(t, sum, 2));
}
const struct op op_logdet = {
    .name = "logdet",
    .notation = "y = log det A of a positive definite A, by its Cholesky factor; A' = g A^-1",
    .kind = OP_COMPOSITE,
    .params = {{"matrix", PARAM_TENSOR, false}},
    .emit = logdet_emit};

/* ---- inverse ------------------------------------------------------------------------------------- */

#define INVERSE_KERNEL(tag, T, letter)                                                             \
    static void inverse_kernel_##tag(const struct step *step, struct run *run) {                   \
        const int64_t n = side_of(step->out.shape), count = shape_count(step->out.shape);          \
        const T *a = run_in(run, step, 0);                                                         \
        T *y = run_out(run, step), *lu = run_scratch(run, step);                                   \
        lapack_int *pivot = (lapack_int *)(lu + n * n);                                            \
        if (!lapack_finite_##tag(run, "inverse", a, count)) return;                                \
        memset(y, 0, (size_t)count * sizeof(T));                                                   \
        for (int64_t at = 0; at < count; at += n * n) {                                            \
            memcpy(lu, a + at, (size_t)(n * n) * sizeof(T));                                       \
            if (!factor_lu_##tag(run, n, lu, pivot)) return;                                       \
            if (factor_lu_singular_##tag(n, lu)) {                                                 \
                matrices_fail(step, run, "Input is not invertible.", at / (n * n));                \
                return;                                                                            \
            }                                                                                      \
            for (int64_t i = 0; i < n; i++) y[at + i * n + i] = 1;                                 \
            if (!factor_lu_solve_##tag(run, n, false, lu, pivot, y + at, n)) return;               \
        }                                                                                          \
    }
BLAS_DTYPES(INVERSE_KERNEL)

static node_id inverse_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    return emit_negative(t, emit_matmul(t, y, emit_matmul(t, g, y, false, true), true, false));
}
static node_id inverse_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return emit_negative(
        t, emit_matmul(t, y, emit_matmul(t, x_dot[0], y, false, false), false, false));
}
static node_id inverse_emit(struct tape *t, const struct op_arg *args) {
    const node_id y = emit1(t, OP_inverse, args[0].node);
    return args[1].given && args[1].b ? emit_adjoint(t, y) : y;
}
const struct op op_inverse = {
    .name = "inverse",
    .notation = "Y = A^-1; A' = -Y^T G Y^T for the cotangent G",
    .params = {{"input", PARAM_TENSOR, false}, {"adjoint", PARAM_BOOL, true}},
    .emit = inverse_emit,
    .infer = infer_square,
    .vjp = inverse_vjp,
    .jvp = inverse_jvp,
    .batch = leading_batch,
    .kernels = {inverse_kernel_F32, inverse_kernel_F64},
    .work = cubic_work,
    .scratch = lu_scratch};

/* ---- determinants -------------------------------------------------------------------------------- */

/* Calls `put` with the LU factors of one matrix after another; of no rows: none. */
#define DETERMINANT_KERNEL(id, tag, T, put)                                                        \
    static void id##_kernel_##tag(const struct step *step, struct run *run) {                      \
        const struct shape *shape = step->in[0].shape;                                             \
        const int64_t n = side_of(shape), size = n * n;                                            \
        const T *a = run_in(run, step, 0);                                                         \
        T *y = run_out(run, step), *lu = run_scratch(run, step);                                   \
        lapack_int *pivot = (lapack_int *)(lu + size);                                             \
        int64_t count = 1;                                                                         \
        for (int i = 0; i < shape->rank - 2; i++) count *= shape->dim[i];                          \
        if (!lapack_finite_##tag(run, step->op->name, a, count * size)) return;                    \
        for (int64_t i = 0; i < count; i++) {                                                      \
            if (n) memcpy(lu, a + i * size, (size_t)size * sizeof(T));                             \
            if (n && !factor_lu_##tag(run, n, lu, pivot)) return;                                  \
            put(n, lu, pivot, y, i);                                                               \
        }                                                                                          \
    }

/* The product of the diagonal, in a mantissa and an exponent: no factor of it overflows. */
#define DET_PUT(tag, T, letter)                                                                    \
    static void det_put_##tag(int64_t n, const T *lu, const lapack_int *pivot, T *y, int64_t i) {  \
        double product = 1;                                                                        \
        int64_t exponent = 0;                                                                      \
        for (int64_t k = 0; k < n; k++) {                                                          \
            int e;                                                                                 \
            product = frexp(product * (pivot[k] - 1 == k ? 1 : -1) * (double)lu[k * n + k], &e);   \
            exponent += e;                                                                         \
        }                                                                                          \
        y[i] = (T)ldexp(product, exponent < -9999  ? -9999                                         \
                                 : exponent > 9999 ? 9999                                          \
                                                   : (int)exponent);                               \
    }                                                                                              \
    DETERMINANT_KERNEL(det, tag, T, det_put_##tag)
BLAS_DTYPES(DET_PUT)

#define LOG_DET_PUT(tag, T, letter)                                                                \
    static void log_det_put_##tag(int64_t n, const T *lu, const lapack_int *pivot, T *y,           \
                                  int64_t i) {                                                     \
        double sign = 1, log_abs = 0;                                                              \
        for (int64_t k = 0; k < n; k++) {                                                          \
            const double d = (double)lu[k * n + k];                                                \
            sign *= (pivot[k] - 1 == k ? 1 : -1) * (double)((d > 0) - (d < 0));                    \
            log_abs += log(fabs(d));                                                               \
        }                                                                                          \
        y[2 * i] = (T)sign;                                                                        \
        y[2 * i + 1] = (T)log_abs;                                                                 \
    }                                                                                              \
    DETERMINANT_KERNEL(signed_log_det, tag, T, log_det_put_##tag)
BLAS_DTYPES(LOG_DET_PUT)

static bool det_infer(struct tape *t, const struct node *n, struct shape *shape,
                      enum dtype *dtype) {
    if (!infer_square(t, n, shape, dtype)) return false;
    shape->rank -= 2;
    return true;
}
/* x with two axes of length 1 behind it, so that it multiplies matrices. */
static node_id per_matrix(struct tape *t, node_id x, int leading) {
    if (x == NODE_NONE) return NODE_NONE;
    struct shape s = *tape_shape(t, x);
    s.rank = leading + 2;
    s.dim[leading] = s.dim[leading + 1] = 1;
    return emit_reshape(t, x, &s);
}
/* The derivative of log |det A| along A. is the sum of A^-T A. element by element. */
static node_id log_det_slope(struct tape *t, node_id a, node_id a_dot) {
    const int rank = tape_shape(t, a)->rank;
    const node_id inverse = emit_adjoint(t, emit1(t, OP_inverse, a));
    return emit_reduce(t, OP_reduce_sum, emit_multiply(t, inverse, a_dot), 3u << (rank - 2), false);
}
static node_id det_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    const int leading = tape_shape(t, y)->rank;
    const node_id inverse = emit1(t, OP_inverse, tape_arg(t, y, 0));
    return emit_multiply(t, per_matrix(t, emit_multiply(t, g, y), leading),
                         emit_adjoint(t, inverse));
}
static node_id det_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return emit_multiply(t, y, log_det_slope(t, tape_arg(t, y, 0), x_dot[0]));
}
const struct op op_det = {.name = "det",
                          .notation = "y = det A; A' = g y A^-T, which a singular A does not have",
                          .params = {{"input", PARAM_TENSOR, false}},
                          .infer = det_infer,
                          .vjp = det_vjp,
                          .jvp = det_jvp,
                          .batch = leading_batch,
                          .kernels = {det_kernel_F32, det_kernel_F64},
                          .work = cubic_work,
                          .scratch = lu_scratch};

static bool signed_log_det_infer(struct tape *t, const struct node *n, struct shape *shape,
                                 enum dtype *dtype) {
    if (!det_infer(t, n, shape, dtype)) return false;
    shape->dim[shape->rank++] = 2;
    return true;
}
/* Result k of the two: 0 the sign, 1 the logarithm; with an axis of length 1 last. */
static node_id one_of_two(struct tape *t, node_id y, int64_t k) {
    if (y == NODE_NONE) return NODE_NONE;
    struct shape shape = *tape_shape(t, y);
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    for (int i = 0; i < shape.rank; i++) stride[i] = 1;
    begin[shape.rank - 1] = k;
    shape.dim[shape.rank - 1] = 1;
    return emit_strided_slice(t, y, &shape, begin, stride);
}
static node_id signed_log_det_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    const node_id inverse = emit1(t, OP_inverse, tape_arg(t, y, 0));
    const int leading = tape_shape(t, y)->rank - 1;
    return emit_multiply(t, per_matrix(t, one_of_two(t, g, 1), leading), emit_adjoint(t, inverse));
}
static node_id signed_log_det_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    struct shape column = *tape_shape(t, y);
    column.dim[column.rank - 1] = 1;
    const node_id slope = emit_reshape(t, log_det_slope(t, tape_arg(t, y, 0), x_dot[0]), &column);
    return emit_concat(t, (node_id[]){emit_zeros_like(t, slope), slope}, 2, column.rank - 1);
}
const struct op op_signed_log_det = {
    .name = "slogdet", /* which is what messages should say */
    .notation = "y = (sign, log |det A|); A' = g_1 A^-T",
    .kind = OP_INTERNAL,
    .params = {{"input", PARAM_TENSOR, false}},
    .infer = signed_log_det_infer,
    .vjp = signed_log_det_vjp,
    .jvp = signed_log_det_jvp,
    .batch = leading_batch,
    .kernels = {signed_log_det_kernel_F32, signed_log_det_kernel_F64},
    .work = cubic_work,
    .scratch = lu_scratch};

static bool slogdet_emit(struct tape *t, const struct op_arg *args, const node_id **results,
                         size_t *n) {
    const node_id y = emit1(t, OP_signed_log_det, args[0].node);
    node_id *nodes = arena_alloc(t->arena, 2 * sizeof *nodes);
    if (!nodes) return tape_fail_memory(t, "slogdet");
    if (y == NODE_NONE) return false;
    struct shape shape = *tape_shape(t, y);
    shape.rank--;
    for (int k = 0; k < 2; k++) nodes[k] = emit_reshape(t, one_of_two(t, y, k), &shape);
    *results = nodes;
    *n = 2;
    return tape_ok(t);
}
const struct op op_slogdet = {
    .name = "slogdet",
    .notation = "sign, log |det A|; A' = g A^-T for the logarithm's g and 0 for the sign's",
    .kind = OP_COMPOSITE,
    .params = {{"input", PARAM_TENSOR, false}},
    .emit_many = slogdet_emit};
