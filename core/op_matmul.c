/* Matrix product with NumPy's broadcasting of the leading axes. Integers and the smallest products are
 * summed over k in ascending order; the others in the order of the BLAS that is linked, which is fixed on
 * one machine by the shapes, whatever the threads, and may differ between processors. */
#include <inttypes.h>
#include <string.h>

#include "core/emit.h"
#include "core/kernels/blas.h"
#include "core/kernels/matrices.h"

enum { BLOCK_K = 64, BLOCK_N = 64 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* One product of matrices given by row and column strides; the result is row-major and contiguous. */
struct product {
    int64_t m, k, n;
    int64_t a_row, a_col, b_row, b_col;
    bool transpose_a, transpose_b;
};

#define MADD_FLOAT(T, c, a, b) ((c) + (a) * (b))
#define MADD_INT(T, c, a, b) ((T)((uint64_t)(c) + (uint64_t)(a) * (uint64_t)(b)))

static struct product product_of(const struct step *step) {
    const struct matmul_attrs *attrs = step->attrs;
    const struct shape *a = step->in[0].shape, *b = step->in[1].shape, *c = step->out.shape;
    const int64_t a_cols = a->dim[a->rank - 1], b_cols = b->dim[b->rank - 1];
    return (struct product){
        .m = c->dim[c->rank - 2],
        .n = c->dim[c->rank - 1],
        .k = attrs->transpose_a ? a->dim[a->rank - 2] : a_cols,
        .a_row = attrs->transpose_a ? 1 : a_cols,
        .a_col = attrs->transpose_a ? a_cols : 1,
        .b_row = attrs->transpose_b ? 1 : b_cols,
        .b_col = attrs->transpose_b ? b_cols : 1,
        .transpose_a = attrs->transpose_a != 0,
        .transpose_b = attrs->transpose_b != 0,
    };
}

/* A block of b is copied to the stack, so that the inner loop runs along contiguous memory for any
 * transposition. */
#define PRODUCT(tag, T, MADD)                                                                      \
    static void product_##tag(const struct product *p, const T *a, const T *b, T *c) {             \
        T block[BLOCK_K][BLOCK_N];                                                                 \
        memset(c, 0, (size_t)(p->m * p->n) * sizeof(T));                                           \
        for (int64_t j0 = 0; j0 < p->n; j0 += BLOCK_N) {                                           \
            const int64_t width = least(p->n - j0, BLOCK_N);                                       \
            for (int64_t k0 = 0; k0 < p->k; k0 += BLOCK_K) {                                       \
                const int64_t depth = least(p->k - k0, BLOCK_K);                                   \
                for (int64_t k = 0; k < depth; k++)                                                \
                    for (int64_t j = 0; j < width; j++)                                            \
                        block[k][j] = b[(k0 + k) * p->b_row + (j0 + j) * p->b_col];                \
                for (int64_t i = 0; i < p->m; i++) {                                               \
                    T *restrict row = c + i * p->n + j0;                                           \
                    for (int64_t k = 0; k < depth; k++) {                                          \
                        const T x = a[i * p->a_row + (k0 + k) * p->a_col];                         \
                        for (int64_t j = 0; j < width; j++)                                        \
                            row[j] = MADD(T, row[j], x, block[k][j]);                              \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

/* What blocks are cut from: one product of integers, `some` of whose rows are a block, or many products, some
 * of them a block. */
struct whole {
    struct product p;
    struct matrices w;
    int64_t some;
    const void *a, *b;
    void *c;
};

/* Multiplications of a block, and how many of them take about a nanosecond. */
enum { BLOCK_WORK = 1 << 20, A_NANOSECOND = 16 };

static int64_t multiplications(const struct product *p) {
    return p->m * p->n * (p->k > 0 ? p->k : 1);
}

/* Whether products are made whole, several at a time, rather than each of them in blocks: there are enough
 * of them for all threads, and none is so long that nobody could cancel it. */
static bool is_batch(const struct product *p, int64_t count) {
    const int64_t one = multiplications(p);
    return one < BLOCK_WORK || (count >= 8 && one < 16 * BLOCK_WORK);
}

static bool run_whole(struct run *run, const struct whole *s, int64_t n, int64_t one,
                      void (*f)(void *arg, int64_t block)) {
    return run_blocks(run, (n + s->some - 1) / s->some, least(n, s->some) * one / A_NANOSECOND, f,
                      (void *)(uintptr_t)s);
}

/* A kernel that goes over the leading axes: `multiply` makes a product at once, `divide` in blocks. */
#define MATMUL_KERNEL(tag, T, multiply, divide)                                                    \
    static void some_##tag(void *arg, int64_t block) {                                             \
        const struct whole *s = arg;                                                               \
        struct matrices w = s->w;                                                                  \
        matrices_seek(&w, block * s->some);                                                        \
        const int64_t end = least(w.done + s->some, w.count);                                      \
        for (; w.done < end; matrices_next(&w))                                                    \
            multiply(&s->p, (const T *)s->a + w.in_at[0], (const T *)s->b + w.in_at[1],            \
                     (T *)s->c + w.out_at);                                                        \
    }                                                                                              \
    static void matmul_kernel_##tag(const struct step *step, struct run *run) {                    \
        struct whole s = {product_of(step),     matrices_of(step),    1,                           \
                          run_in(run, step, 0), run_in(run, step, 1), run_out(run, step)};         \
        const struct product *p = &s.p;                                                            \
        if (p->m == 0 || p->n == 0) return;                                                        \
        const int64_t one = multiplications(p);                                                    \
        lapack_ready();                                                                            \
        if (is_batch(p, s.w.count)) {                                                              \
            s.some = BLOCK_WORK / 4 / one + 1;                                                     \
            run_whole(run, &s, s.w.count, one, some_##tag);                                        \
            return;                                                                                \
        }                                                                                          \
        for (struct matrices *w = &s.w; w->done < w->count; matrices_next(w))                      \
            if (!divide(run, p, (const T *)s.a + w->in_at[0], (const T *)s.b + w->in_at[1],        \
                        (T *)s.c + w->out_at))                                                     \
                return;                                                                            \
    }

/* Integers are divided by rows. */
#define INTEGER_PRODUCT(tag, T)                                                                    \
    PRODUCT(tag, T, MADD_INT)                                                                      \
    static void rows_##tag(void *arg, int64_t block) {                                             \
        const struct whole *s = arg;                                                               \
        const int64_t at = block * s->some;                                                        \
        struct product p = s->p;                                                                   \
        p.m = least(s->some, p.m - at);                                                            \
        product_##tag(&p, (const T *)s->a + at * p.a_row, s->b, (T *)s->c + at * p.n);             \
    }                                                                                              \
    static bool divide_##tag(struct run *run, const struct product *p, const T *a, const T *b,     \
                             T *c) {                                                               \
        const int64_t one = p->n * (p->k > 0 ? p->k : 1);                                          \
        const struct whole s = {.p = *p, .some = BLOCK_WORK / one + 1, .a = a, .b = b, .c = c};    \
        return run_whole(run, &s, p->m, one, rows_##tag);                                          \
    }                                                                                              \
    MATMUL_KERNEL(tag, T, product_##tag, divide_##tag)

/* Below these multiplications BLAS takes longer to begin than the loop takes to end; as measured, with
 * and without a result of one row or column. */
enum { BLAS_MATRIX = 256, BLAS_VECTOR = 32 };

static struct gemm gemm_of(const struct product *p) {
    return (struct gemm){
        .transpose_a = p->transpose_a,
        .transpose_b = p->transpose_b,
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .lda = p->transpose_a ? p->m : p->k,
        .ldb = p->transpose_b ? p->k : p->n,
        .ldc = p->n,
    };
}

#define FLOAT_PRODUCT(tag, T, letter)                                                              \
    PRODUCT(tag, T, MADD_FLOAT)                                                                    \
    static void multiply_##tag(const struct product *p, const T *a, const T *b, T *c) {            \
        const bool vector = p->m == 1 || p->n == 1;                                                \
        if (p->m * p->n * p->k < (vector ? BLAS_VECTOR : BLAS_MATRIX)) {                           \
            product_##tag(p, a, b, c);                                                             \
        } else {                                                                                   \
            const struct gemm g = gemm_of(p);                                                      \
            blas_product_##tag(&g, 1, a, b, c);                                                    \
        }                                                                                          \
    }                                                                                              \
    static bool divide_##tag(struct run *run, const struct product *p, const T *a, const T *b,     \
                             T *c) {                                                               \
        const struct gemm g = gemm_of(p);                                                          \
        if (p->k > 0) return blas_gemm_##tag(run, &g, 1, a, b, c);                                 \
        memset(c, 0, (size_t)(p->m * p->n) * sizeof(T));                                           \
        return run_tick(run, p->m * p->n);                                                         \
    }                                                                                              \
    MATMUL_KERNEL(tag, T, multiply_##tag, divide_##tag)
BLAS_DTYPES(FLOAT_PRODUCT)

INTEGER_PRODUCT(I32, int32_t)
INTEGER_PRODUCT(I64, int64_t)

static struct shape leading(const struct shape *x) {
    struct shape s = *x;
    s.rank -= 2;
    return s;
}

static bool matmul_infer(struct tape *t, const struct node *n, struct shape *shape,
                         enum dtype *dtype) {
    (void)dtype;
    const struct matmul_attrs *attrs = n->attrs;
    const struct shape *a = tape_shape(t, n->arg[0]), *b = tape_shape(t, n->arg[1]);
    if (!infer_same_dtype(t, n, 0)) return false;
    for (int i = 0; i < 2; i++) {
        const struct shape *x = i ? b : a;
        char text[SHAPE_TEXT];
        if (x->rank >= 2) continue;
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "matmul: %s has shape %s; a matrix (rank 2 or more) is expected", i ? "b" : "a",
                  shape_text(x, text));
        return false;
    }
    int64_t m = a->dim[a->rank - (attrs->transpose_a ? 1 : 2)],
            ka = a->dim[a->rank - (attrs->transpose_a ? 2 : 1)];
    int64_t kb = b->dim[b->rank - (attrs->transpose_b ? 1 : 2)],
            columns = b->dim[b->rank - (attrs->transpose_b ? 2 : 1)];
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    if (ka != kb) {
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "matmul: inner dimensions %" PRId64 " and %" PRId64
                  " of shapes %s%s and %s%s differ",
                  ka, kb, shape_text(a, x), attrs->transpose_a ? " (transposed)" : "",
                  shape_text(b, y), attrs->transpose_b ? " (transposed)" : "");
        return false;
    }
    struct shape lead_a = leading(a), lead_b = leading(b);
    if (!shape_broadcast(&lead_a, &lead_b, shape)) {
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "matmul: leading axes of shapes %s and %s do not broadcast", shape_text(a, x),
                  shape_text(b, y));
        return false;
    }
    shape->dim[shape->rank++] = m;
    shape->dim[shape->rank++] = columns;
    return true;
}

/* 2 m k n for each of the leading axes' matrices. Saturates instead of overflowing. */
static int64_t matmul_work(const struct tape *t, const struct node *n) {
    const struct matmul_attrs *attrs = n->attrs;
    const struct shape *a = tape_shape(t, n->arg[0]);
    int64_t k = a->dim[a->rank - (attrs->transpose_a ? 2 : 1)], work;
    if (__builtin_mul_overflow(2 * shape_count(n->shape), k, &work)) return INT64_MAX;
    return work;
}

/* Reference: gradients of MatMul, all four transpositions; broadcast leading axes are summed. */
static node_id matmul_vjp(struct tape *t, node_id c, uint32_t i, node_id g) {
    struct matmul_attrs attrs = *(const struct matmul_attrs *)tape_node(t, c)->attrs;
    node_id a = tape_arg(t, c, 0), b = tape_arg(t, c, 1);
    bool ta = attrs.transpose_a, tb = attrs.transpose_b;
    const struct shape *shape = tape_shape(t, i == 0 ? a : b);
    if (i == 0)
        return emit_sum_to(
            t, ta ? emit_matmul(t, b, g, tb, true) : emit_matmul(t, g, b, false, !tb), shape);
    return emit_sum_to(t, tb ? emit_matmul(t, g, a, true, ta) : emit_matmul(t, a, g, !ta, false),
                       shape);
}
static node_id matmul_jvp(struct tape *t, node_id c, const node_id *x_dot) {
    struct matmul_attrs attrs = *(const struct matmul_attrs *)tape_node(t, c)->attrs;
    node_id a = tape_arg(t, c, 0), b = tape_arg(t, c, 1), sum = NODE_NONE;
    if (x_dot[0] != NODE_NONE)
        sum = emit_matmul(t, x_dot[0], b, attrs.transpose_a, attrs.transpose_b);
    if (x_dot[1] == NODE_NONE) return sum;
    node_id second = emit_matmul(t, a, x_dot[1], attrs.transpose_a, attrs.transpose_b);
    return sum == NODE_NONE ? second : emit_add(t, sum, second);
}
static node_id matmul_batch(struct tape *t, node_id c, const node_id *x, const bool *batched,
                            int64_t n) {
    (void)n;
    struct matmul_attrs attrs = *(const struct matmul_attrs *)tape_node(t, c)->attrs;
    int rank = tape_shape(t, c)->rank + 1;
    return emit_matmul(t, batched[0] ? emit_align_batched(t, x[0], rank) : x[0],
                       batched[1] ? emit_align_batched(t, x[1], rank) : x[1], attrs.transpose_a,
                       attrs.transpose_b);
}
static node_id matmul_emit(struct tape *t, const struct op_arg *args) {
    return emit_matmul(t, args[0].node, args[1].node, args[2].given && args[2].b,
                       args[3].given && args[3].b);
}

/* The argument of a transpose of matrices; NODE_NONE where x is none. */
static node_id transposed(const struct tape *t, node_id x) {
    const struct node *n = tape_node(t, x);
    const int rank = n->shape->rank;
    if (n->op != OP_transpose) return NODE_NONE;
    const int64_t *perm = ((const struct transpose_attrs *)n->attrs)->perm;
    for (int i = 0; i < rank - 2; i++)
        if (perm[i] != i) return NODE_NONE;
    return perm[rank - 1] == rank - 2 ? n->arg[0] : NODE_NONE;
}

/* BLAS reads a matrix either way. */
static node_id matmul_simplify(struct tape *t, const struct node *n) {
    const struct matmul_attrs *attrs = n->attrs;
    const node_id a = transposed(t, n->arg[0]), b = transposed(t, n->arg[1]);
    if (a == NODE_NONE && b == NODE_NONE) return NODE_NONE;
    return emit_matmul(t, a != NODE_NONE ? a : n->arg[0], b != NODE_NONE ? b : n->arg[1],
                       attrs->transpose_a != (a != NODE_NONE),
                       attrs->transpose_b != (b != NODE_NONE));
}

const struct op op_matmul = {
    .name = "matmul",
    .notation = "C = A B; A' = G B^T, B' = A^T G for the cotangent G",
    .params = {{"a", PARAM_TENSOR, false},
               {"b", PARAM_TENSOR, false},
               {"transpose_a", PARAM_BOOL, true},
               {"transpose_b", PARAM_BOOL, true}},
    .emit = matmul_emit,
    .infer = matmul_infer,
    .vjp = matmul_vjp,
    .jvp = matmul_jvp,
    .batch = matmul_batch,
    .simplify = matmul_simplify,
    .kernels = {matmul_kernel_F32, matmul_kernel_F64, matmul_kernel_I32, matmul_kernel_I64},
    .work = matmul_work};
