/* From a Hessian's products with few vectors to the Hessian itself. */
#include <math.h>
#include <string.h>

#include "core/emit.h"
#include "core/kernels/copy.h"

/* The last of the products is that with no vector at all. It shows what stands where the structure says 0, which is
 * -0 or NaN where 0 times something is; a Hessian whose upper triangle was computed row by row, and mirrored, has
 * the same bits. */
#define SPREAD(tag, T)                                                                             \
    static bool fill_##tag(struct run *run, const T *zero, int64_t n, T *out) {                    \
        bool other = false;                                                                        \
        for (int64_t i = 0; i < n; i++) other = other || zero[i] != 0 || signbit(zero[i]);         \
        for (int64_t i = 0; i < n; i++, out += n) {                                                \
            if (!other) memset(out, 0, (size_t)n * sizeof *out);                                   \
            for (int64_t j = 0; other && j < n; j++) out[j] = zero[i > j ? i : j];                 \
            if (!run_tick(run, n)) return false;                                                   \
        }                                                                                          \
        return true;                                                                               \
    }                                                                                              \
    static void spread_kernel_##tag(const struct step *step, struct run *run) {                    \
        const struct shape *in = step->in[2].shape;                                                \
        const int64_t rows = in->dim[in->rank - 2], n = in->dim[in->rank - 1];                     \
        const int64_t places = shape_count(step->in[0].shape);                                     \
        const int32_t *from = run_in(run, step, 0), *at = run_in(run, step, 1);                    \
        const T *products = run_in(run, step, 2);                                                  \
        T *out = run_out(run, step);                                                               \
        int64_t left = n ? shape_count(step->out.shape) / (n * n) : 0;                             \
        for (; left > 0; left--, products += rows * n, out += n * n) {                             \
            if (!fill_##tag(run, products + (rows - 1) * n, n, out)) return;                       \
            for (int64_t k = 0; k < places; k++) out[at[k]] = products[from[k]];                   \
            if (!run_tick(run, places)) return;                                                    \
        }                                                                                          \
    }
SPREAD(F32, float)
SPREAD(F64, double)

static bool spread_infer(struct tape *t, const struct node *n, struct shape *shape,
                         enum dtype *dtype) {
    *shape = *tape_shape(t, n->arg[2]);
    *dtype = tape_dtype(t, n->arg[2]);
    shape->dim[shape->rank - 2] = shape->dim[shape->rank - 1];
    return true;
}

/* Where each element of one matrix is read from: the kernel's rule in numbers. */
static node_id all_places(struct tape *t, node_id y, int64_t rows, int64_t n) {
    const struct node *from = tape_node(t, tape_arg(t, y, 0)),
                      *at = tape_node(t, tape_arg(t, y, 1));
    const struct shape shape = {.rank = 2, .dim = {1, n * n}};
    int64_t *all = arena_alloc(t->arena, (size_t)(n * n) * sizeof *all + 1);
    if (!all || from->op != OP_const || at->op != OP_const) {
        tape_fail_memory(t, "the derivative");
        return NODE_NONE;
    }
    for (int64_t i = 0; i < n * n; i++) all[i] = (rows - 1) * n + (i / n > i % n ? i / n : i % n);
    for (int64_t k = 0; k < shape_count(from->shape); k++)
        all[((const int32_t *)at->attrs)[k]] = ((const int32_t *)from->attrs)[k];
    return tape_const(t, DTYPE_I64, &shape, all);
}

static node_id spread_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    if (i < 2) return NODE_NONE;
    const struct shape products = *tape_shape(t, tape_arg(t, y, 2));
    const int64_t rows = products.dim[products.rank - 2], n = products.dim[products.rank - 1];
    const int64_t matrices = n ? shape_count(tape_shape(t, y)) / (n * n) : 0;
    const struct shape lines = {.rank = 4, .dim = {1, matrices, n * n, 1}};
    const struct index_attrs a =
        index_attrs(INDEX_LINE, rows * n, &(struct shape){.rank = 1, .dim = {n * n}});
    const node_id sum =
        emit_scatter_lines(t, all_places(t, y, rows, n), emit_reshape(t, g, &lines), &a);
    return emit_reshape(t, sum, &products);
}

static node_id spread_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return emit_hessian_spread(t, tape_arg(t, y, 0), tape_arg(t, y, 1), x_dot[2]);
}

static node_id spread_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                            int64_t n) {
    (void)y, (void)batched, (void)n; /* its indices are literals */
    return emit_hessian_spread(t, x[0], x[1], x[2]);
}

node_id emit_hessian_spread(struct tape *t, node_id from, node_id at, node_id products) {
    return tape_emit(t, OP_hessian_spread, (node_id[]){from, at, products}, 3, NULL, 0);
}

const struct op op_hessian_spread = {
    .name = "hessian_spread",
    .notation = "H_at = products_from, their last row elsewhere; the cotangent adds up at from",
    .kind = OP_INTERNAL,
    .infer = spread_infer,
    .vjp = spread_vjp,
    .jvp = spread_jvp,
    .batch = spread_batch,
    .kernels = {[DTYPE_F32] = spread_kernel_F32, [DTYPE_F64] = spread_kernel_F64}};
