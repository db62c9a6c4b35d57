/* Folding the elements under a window that moves over up to three axes. A tensor is seen as
 * (outer, in0, in1, in2, inner), the result as (outer, out0, out1, out2, inner). How users' axes become
 * that layout is told in op_pool.c; the kernels know no channels and no batches. */
#include "core/emit.h"
#include "core/run.h"

/* ---- kernels ----------------------------------------------------------------------------------- */

/* One place of the window: the lines of `inner` elements that it covers, cut at the borders. */
struct frame {
    const struct window_attrs *a;
    int64_t begin[3], end[3];
    int64_t first; /* the plane's first line */
    int64_t line;  /* of the smaller tensor */
    int64_t inner;
};

typedef void (*window_fold)(const struct frame *w, const void *x, void *y);

static void place_window(struct frame *w, int64_t line) {
    const struct window_attrs *a = w->a;
    int64_t rest = line;
    for (int d = 3; d-- > 0; rest /= a->out[d]) {
        const int64_t from = rest % a->out[d] * a->stride[d] - a->before[d];
        w->begin[d] = from > 0 ? from : 0;
        w->end[d] = from + a->size[d] < a->in[d] ? from + a->size[d] : a->in[d];
    }
    w->line = line;
    w->first = rest * a->in[0] * a->in[1] * a->in[2];
}

static void each_window(const struct step *step, struct run *run, const struct shape *smaller,
                        window_fold fold) {
    struct frame w = {.a = step->attrs, .inner = smaller->dim[4]};
    const int64_t lines = w.inner ? shape_count(smaller) / w.inner : 0;
    for (int64_t line = 0; line < lines; line++) {
        int64_t work = w.inner;
        place_window(&w, line);
        fold(&w, run_in(run, step, 0), run_out(run, step));
        for (int d = 0; d < 3; d++) work *= w.end[d] - w.begin[d];
        if (!run_tick(run, work)) return;
    }
}

/* `line` goes over the lines of the larger tensor that the window covers, row by row. */
#define FOR_LINES(w, line)                                                                         \
    for (int64_t i_ = (w)->begin[0]; i_ < (w)->end[0]; i_++)                                       \
        for (int64_t j_ = (w)->begin[1]; j_ < (w)->end[1]; j_++)                                   \
            for (int64_t row_ = (w)->first + (i_ * (w)->a->in[1] + j_) * (w)->a->in[2],            \
                         line = row_ + (w)->begin[2];                                              \
                 line < row_ + (w)->end[2]; line++)

/* The first of equal elements; NaN only where there is nothing else. */
#define WINDOW_MAX(tag, T)                                                                         \
    static bool beats_##tag(T x, T best) { return x > best || (best != best && x == x); }          \
    static void argmax_fold_##tag(const struct frame *w, const void *in, void *out) {              \
        const T *x = (const T *)in + w->first * w->inner;                                          \
        int32_t *best = (int32_t *)out + w->line * w->inner;                                       \
        for (int64_t m = 0; m < w->inner; m++) best[m] = -1;                                       \
        FOR_LINES(w, line) {                                                                       \
            const int64_t at = (line - w->first) * w->inner;                                       \
            for (int64_t m = 0; m < w->inner; m++)                                                 \
                if (best[m] < 0 || beats_##tag(x[at + m], x[best[m]]))                             \
                    best[m] = (int32_t)(at + m);                                                   \
        }                                                                                          \
    }                                                                                              \
    static void max_fold_##tag(const struct frame *w, const void *in, void *out) {                 \
        T *y = (T *)out + w->line * w->inner;                                                      \
        bool first = true;                                                                         \
        FOR_LINES(w, line) {                                                                       \
            const T *x = (const T *)in + line * w->inner;                                          \
            for (int64_t m = 0; m < w->inner; m++)                                                 \
                if (first || beats_##tag(x[m], y[m])) y[m] = x[m];                                 \
            first = false;                                                                         \
        }                                                                                          \
    }                                                                                              \
    static void window_argmax_kernel_##tag(const struct step *step, struct run *run) {             \
        each_window(step, run, step->out.shape, argmax_fold_##tag);                                \
    }                                                                                              \
    static void window_max_kernel_##tag(const struct step *step, struct run *run) {                \
        each_window(step, run, step->out.shape, max_fold_##tag);                                   \
    }
WINDOW_MAX(F32, float)
WINDOW_MAX(F64, double)
WINDOW_MAX(I32, int32_t)
WINDOW_MAX(I64, int64_t)

#define WINDOW_SUM(tag, T)                                                                         \
    static void sum_fold_##tag(const struct frame *w, const void *in, void *out) {                 \
        T *y = (T *)out + w->line * w->inner;                                                      \
        for (int64_t m = 0; m < w->inner; m++) y[m] = 0;                                           \
        FOR_LINES(w, line) {                                                                       \
            const T *x = (const T *)in + line * w->inner;                                          \
            for (int64_t m = 0; m < w->inner; m++) y[m] += x[m];                                   \
        }                                                                                          \
    }                                                                                              \
    static void window_sum_kernel_##tag(const struct step *step, struct run *run) {                \
        each_window(step, run, step->out.shape, sum_fold_##tag);                                   \
    }                                                                                              \
    static void spread_fold_##tag(const struct frame *w, const void *in, void *out) {              \
        const T *x = (const T *)in + w->line * w->inner;                                           \
        FOR_LINES(w, line) {                                                                       \
            T *y = (T *)out + line * w->inner;                                                     \
            for (int64_t m = 0; m < w->inner; m++) y[m] += x[m];                                   \
        }                                                                                          \
    }                                                                                              \
    static void window_spread_kernel_##tag(const struct step *step, struct run *run) {             \
        T *y = run_out(run, step);                                                                 \
        for (int64_t i = 0; i < shape_count(step->out.shape); i++) y[i] = 0;                       \
        each_window(step, run, step->in[0].shape, spread_fold_##tag);                              \
    }
WINDOW_SUM(F32, float)
WINDOW_SUM(F64, double)

/* ---- shapes, derivatives, batches -------------------------------------------------------------- */

node_id emit_window(struct tape *t, int op, node_id x, const struct window_attrs *a) {
    return tape_emit(t, op, &x, 1, a, sizeof *a);
}

static const struct window_attrs *attrs_of(const struct tape *t, node_id y) {
    return tape_node(t, y)->attrs;
}

static bool window_infer(struct tape *t, const struct node *n, struct shape *shape,
                         enum dtype *dtype) {
    (void)t;
    const struct window_attrs *a = n->attrs;
    for (int d = 0; d < 3; d++)
        shape->dim[d + 1] = n->op == OP_window_spread ? a->in[d] : a->out[d];
    if (n->op == OP_window_argmax) *dtype = DTYPE_I32;
    return true;
}

/* The new axis joins the outer one. */
static node_id window_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                            int64_t n) {
    (void)batched;
    struct shape joined = *tape_shape(t, tape_arg(t, y, 0)), full;
    joined.dim[0] *= n;
    if (!shape_lead(t, tape_shape(t, y), n, &full)) return NODE_NONE;
    const node_id merged = emit_reshape(t, x[0], &joined);
    return emit_reshape(t, emit_window(t, tape_node(t, y)->op, merged, attrs_of(t, y)), &full);
}

/* Both shapes were within the limit of elements, and a window is cut at the tensor's borders. */
static int64_t window_work(const struct tape *t, const struct node *n) {
    const struct window_attrs *a = n->attrs;
    const struct shape *x = tape_shape(t, n->arg[0]);
    int64_t work = x->dim[0] * x->dim[4];
    for (int d = 0; d < 3; d++) work *= a->out[d] * (a->size[d] < a->in[d] ? a->size[d] : a->in[d]);
    return work + shape_count(n->shape);
}

const struct op op_window_argmax = {
    .name = "window_argmax",
    .notation = "y = where under a window the first maximum is; not differentiable",
    .kind = OP_INTERNAL,
    .params = {{"x", PARAM_TENSOR, false}},
    .infer = window_infer,
    .batch = window_batch,
    .kernels = {window_argmax_kernel_F32, window_argmax_kernel_F64, window_argmax_kernel_I32,
                window_argmax_kernel_I64},
    .work = window_work};

/* Where the maxima of y stand, as indices into the lines of one element that a plane is; *places is how
 * many those are. */
static node_id maxima(struct tape *t, node_id y, int64_t *places) {
    const node_id x = tape_arg(t, y, 0);
    const struct shape *in = tape_shape(t, x), *out = tape_shape(t, y);
    const int64_t count = out->dim[1] * out->dim[2] * out->dim[3] * out->dim[4];
    const struct shape rows = {.rank = 2, .dim = {out->dim[0], count}};
    *places = in->dim[1] * in->dim[2] * in->dim[3] * in->dim[4];
    return emit_reshape(t, emit_window(t, OP_window_argmax, x, attrs_of(t, y)), &rows);
}
/* x as lines of one element for each index. */
static node_id as_lines(struct tape *t, node_id x, int64_t n) {
    if (x == NODE_NONE) return NODE_NONE;
    const struct shape lines = {.rank = 4, .dim = {tape_shape(t, x)->dim[0], 1, n, 1}};
    return emit_reshape(t, x, &lines);
}
/* TensorFlow's second derivative is a connected 0, and so the first one has to read x. */
static node_id window_max_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    int64_t places;
    const node_id x = tape_arg(t, y, i), index = maxima(t, y, &places);
    if (index == NODE_NONE) return NODE_NONE;
    const struct shape *rows = tape_shape(t, index);
    const struct index_attrs a = index_attrs(INDEX_LINE, places, rows);
    const node_id dx = emit_scatter_lines(t, index, as_lines(t, g, rows->dim[1]), &a);
    return emit_add(t, emit_reshape(t, dx, tape_shape(t, x)),
                    emit_multiply_no_nan(t, x, emit_like(t, x, 0)));
}
static node_id window_max_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    int64_t places;
    const node_id index = maxima(t, y, &places);
    if (index == NODE_NONE || x_dot[0] == NODE_NONE) return NODE_NONE;
    const struct index_attrs a = index_attrs(INDEX_LINE, places, tape_shape(t, index));
    return emit_reshape(t, emit_gather_lines(t, index, as_lines(t, x_dot[0], places), &a),
                        tape_shape(t, y));
}
const struct op op_window_max = {.name = "window_max",
                                 .notation =
                                     "y = the maximum under a window; dx is g at the first maximum",
                                 .kind = OP_INTERNAL,
                                 .params = {{"x", PARAM_TENSOR, false}},
                                 .infer = window_infer,
                                 .vjp = window_max_vjp,
                                 .jvp = window_max_jvp,
                                 .batch = window_batch,
                                 .kernels = {window_max_kernel_F32, window_max_kernel_F64,
                                             window_max_kernel_I32, window_max_kernel_I64},
                                 .work = window_work};

static node_id window_sum_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    return emit_window(t, OP_window_spread, g, attrs_of(t, y));
}
static node_id window_spread_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    return emit_window(t, OP_window_sum, g, attrs_of(t, y));
}
const struct op op_window_sum = {.name = "window_sum",
                                 .notation = "y = the sum under a window; dx spreads g under it",
                                 .kind = OP_INTERNAL,
                                 .flags = OP_LINEAR,
                                 .params = {{"x", PARAM_TENSOR, false}},
                                 .infer = window_infer,
                                 .vjp = window_sum_vjp,
                                 .batch = window_batch,
                                 .kernels = {window_sum_kernel_F32, window_sum_kernel_F64},
                                 .work = window_work};
const struct op op_window_spread = {
    .name = "window_spread",
    .notation = "y = x added up under windows, the adjoint of window_sum; dx sums g under them",
    .kind = OP_INTERNAL,
    .flags = OP_LINEAR,
    .params = {{"x", PARAM_TENSOR, false}},
    .infer = window_infer,
    .vjp = window_spread_vjp,
    .batch = window_batch,
    .kernels = {window_spread_kernel_F32, window_spread_kernel_F64},
    .work = window_work};
