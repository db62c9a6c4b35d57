/* From a Hessian's products with few vectors to the Hessian itself. */
#include <string.h>

#include "core/emit.h"
#include "core/kernels/copy.h"

/* The last of the products is that with no vector at all. It shows what stands where the structure says 0, which is
 * -0 or NaN where 0 times something is; a Hessian whose upper triangle was computed row by row, and mirrored, has
 * the same bits. */
#define SPREAD(tag, T)                                                                             \
    static bool fill_##tag(struct run *run, const T *zero, int64_t n, T *out) {                    \
        static const T plain;                                                                      \
        bool other = false;                                                                        \
        for (int64_t i = 0; i < n; i++) other = other || memcmp(&zero[i], &plain, sizeof plain);   \
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
        const int64_t *from = run_in(run, step, 0), *at = run_in(run, step, 1);                    \
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

/* The last two axes as one. */
static node_id flat(struct tape *t, node_id x) {
    struct shape s = *tape_shape(t, x);
    s.rank--;
    s.dim[s.rank - 1] *= s.dim[s.rank];
    return emit_reshape(t, x, &s);
}

static node_id spread_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    if (i < 2) return NODE_NONE;
    const node_id from = tape_arg(t, y, 0), products = tape_arg(t, y, 2);
    const struct shape *s = tape_shape(t, products);
    const int64_t n = s->dim[s->rank - 2] * s->dim[s->rank - 1],
                  places = tape_shape(t, from)->dim[0];
    const struct shape rows = {.rank = 2, .dim = {1, places}};
    struct shape lines = {.rank = 4, .dim = {1, shape_count(s) / n, places, 1}};
    const struct index_attrs a = index_attrs(INDEX_LINE, n, tape_shape(t, from));
    const node_id read =
        emit_gather(t, "gather", INDEX_LINE, flat(t, g), tape_arg(t, y, 1), s->rank - 2, 0);
    const node_id sum =
        emit_scatter_lines(t, emit_reshape(t, from, &rows), emit_reshape(t, read, &lines), &a);
    return emit_reshape(t, sum, s);
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
