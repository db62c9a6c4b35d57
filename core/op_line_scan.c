/* Scans over the lines of each segment, in the order in which they stand: what a line has to do with the
 * one before it of the same segment. Lines are laid out as in op_lines.c. The derivatives of both ops
 * are these ops again, so that products over segments are exact at zeros and at every order. */
#include "core/emit.h"
#include "core/kernels/lines.h"

struct line_scan_attrs {
    struct index_attrs index; /* first, where the check of indices finds it */
    int64_t reverse;          /* from the last line to the first */
};

static const struct line_scan_attrs *attrs_of(const struct tape *t, node_id y) {
    return tape_node(t, y)->attrs;
}

/* For each segment the last of its lines so far; -1: none. A negative index names no segment. */
static int32_t *last_lines(const struct step *step, struct run *run, const struct lines *l) {
    int32_t *last = run_scratch(run, step);
    for (int64_t v = 0; v < l->n; v++) last[v] = -1;
    return last;
}
static size_t line_scan_scratch(const struct tape *t, const struct node *n) {
    (void)t;
    return (size_t)((const struct index_attrs *)n->attrs)->n * sizeof(int32_t);
}
static int64_t line_scan_work(const struct tape *t, const struct node *n) {
    const struct shape *indices = tape_shape(t, n->arg[0]);
    return 2 * shape_count(n->shape) + 2 * shape_count(indices) * n->shape->dim[1] +
           ((const struct index_attrs *)n->attrs)->n;
}

/* LINE_SCAN(name, T, tag, with, without): y of a line with one before it, and of the first; `before` is
 * y's own element there, `x` and `b` are those of the arguments. */
#define LINE_SCAN(name, T, tag, with, without)                                                     \
    static void name##_kernel_##tag(const struct step *step, struct run *run) {                    \
        const struct lines l = lines_of(step, step->out.shape);                                    \
        const bool reverse = ((const struct line_scan_attrs *)step->attrs)->reverse;               \
        const void *ids = run_in(run, step, 0);                                                    \
        const T *x = run_in(run, step, 1), *b = step->n_in > 2 ? run_in(run, step, 2) : x;         \
        T *y = run_out(run, step);                                                                 \
        int32_t *last = last_lines(step, run, &l);                                                 \
        if (!lines_check(step, run, &l)) return;                                                   \
        for (int64_t i = 0; i < l.batch * l.outer; i++) {                                          \
            const int64_t first = i / l.outer * l.count, top = i * l.count;                        \
            for (int64_t m = 0; m < l.count; m++) {                                                \
                const int64_t k = reverse ? l.count - 1 - m : m;                                   \
                const int64_t v = index_at(step->in[0].dtype, ids, first + k);                     \
                const int64_t before = v < 0 ? -1 : last[v];                                       \
                for (int64_t j = 0; j < l.inner; j++) {                                            \
                    const int64_t at = (top + k) * l.inner + j, p = (top + before) * l.inner + j;  \
                    y[at] = before < 0 ? (without) : (with);                                       \
                }                                                                                  \
                if (v >= 0) last[v] = (int32_t)k;                                                  \
            }                                                                                      \
            for (int64_t k = 0; k < l.count; k++) {                                                \
                const int64_t v = index_at(step->in[0].dtype, ids, first + k);                     \
                if (v >= 0) last[v] = -1;                                                          \
            }                                                                                      \
            if (!run_tick(run, 2 * l.count * (l.inner + 1))) return;                               \
        }                                                                                          \
        (void)b;                                                                                   \
    }
LINE_SCAN(line_shift, float, F32, x[p], 0)
LINE_SCAN(line_shift, double, F64, x[p], 0)
LINE_SCAN(line_recurrence, float, F32, x[at] * y[p] + b[at], b[at])
LINE_SCAN(line_recurrence, double, F64, x[at] * y[p] + b[at], b[at])

static bool line_scan_infer(struct tape *t, const struct node *n, struct shape *shape,
                            enum dtype *dtype) {
    *shape = *tape_shape(t, n->arg[1]); /* only rules emit it, with equal shapes */
    *dtype = tape_dtype(t, n->arg[1]);
    return true;
}

/* ---- line_shift: y_k is the line before k of its segment, 0 where there is none ------------------- */

static node_id shift(struct tape *t, node_id ids, node_id x, const struct line_scan_attrs *a,
                     bool turned) {
    struct line_scan_attrs attrs = *a;
    attrs.reverse = a->reverse != turned;
    return tape_emit(t, OP_line_shift, (node_id[]){ids, x}, 2, &attrs, sizeof attrs);
}
static node_id line_shift_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    return i == 0 ? NODE_NONE : shift(t, tape_arg(t, y, 0), g, attrs_of(t, y), true);
}
static node_id line_shift_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return x_dot[1] == NODE_NONE ? NODE_NONE
                                 : shift(t, tape_arg(t, y, 0), x_dot[1], attrs_of(t, y), false);
}
const struct op op_line_shift = {
    .name = "line_shift",
    .notation = "y_k = the line of x before k in the same segment, 0 where k is the first",
    .kind = OP_INTERNAL,
    .params = {{"ids", PARAM_INDICES, false}, {"x", PARAM_TENSOR, false}},
    .infer = line_scan_infer,
    .vjp = line_shift_vjp,
    .jvp = line_shift_jvp,
    .batch = lines_batch,
    .kernels = {line_shift_kernel_F32, line_shift_kernel_F64},
    .work = line_scan_work,
    .scratch = line_scan_scratch};

/* ---- line_recurrence: s_k = a_k s_before(k) + b_k, b_k where k is the first of its segment --------- */

static node_id recurrence(struct tape *t, node_id ids, node_id a, node_id b,
                          const struct line_scan_attrs *of, bool turned) {
    struct line_scan_attrs attrs = *of;
    attrs.reverse = of->reverse != turned;
    return tape_emit(t, OP_line_recurrence, (node_id[]){ids, a, b}, 3, &attrs, sizeof attrs);
}
static node_id line_recurrence_vjp(struct tape *t, node_id s, uint32_t i, node_id g) {
    const struct line_scan_attrs attrs = *attrs_of(t, s);
    const node_id ids = tape_arg(t, s, 0), a = tape_arg(t, s, 1);
    if (i == 0) return NODE_NONE;
    const node_id adjoint = recurrence(t, ids, shift(t, ids, a, &attrs, true), g, &attrs, true);
    return i == 2 ? adjoint : emit_multiply(t, adjoint, shift(t, ids, s, &attrs, false));
}
static node_id line_recurrence_jvp(struct tape *t, node_id s, const node_id *x_dot) {
    const struct line_scan_attrs attrs = *attrs_of(t, s);
    const node_id ids = tape_arg(t, s, 0);
    node_id source = x_dot[2];
    if (x_dot[1] != NODE_NONE) {
        const node_id from_a = emit_multiply(t, x_dot[1], shift(t, ids, s, &attrs, false));
        source = source == NODE_NONE ? from_a : emit_add(t, from_a, source);
    }
    return source == NODE_NONE ? source
                               : recurrence(t, ids, tape_arg(t, s, 1), source, &attrs, false);
}
const struct op op_line_recurrence = {
    .name = "line_recurrence",
    .notation = "s_k = a_k s_before(k) + b_k along the lines of each segment",
    .kind = OP_INTERNAL,
    .params = {{"ids", PARAM_INDICES, false},
               {"a", PARAM_TENSOR, false},
               {"b", PARAM_TENSOR, false}},
    .infer = line_scan_infer,
    .vjp = line_recurrence_vjp,
    .jvp = line_recurrence_jvp,
    .batch = lines_batch,
    .kernels = {line_recurrence_kernel_F32, line_recurrence_kernel_F64},
    .work = line_scan_work,
    .scratch = line_scan_scratch};

/* ---- the product of the others ------------------------------------------------------------------- */

static node_id others_before(struct tape *t, node_id ids, node_id x,
                             const struct line_scan_attrs *a) {
    const node_id ones = tape_fill(t, tape_dtype(t, x), tape_shape(t, x), 1);
    const node_id starts = emit_subtract(t, ones, shift(t, ids, ones, a, false));
    return recurrence(t, ids, shift(t, ids, x, a, false), starts, a, false);
}
node_id emit_segment_others(struct tape *t, node_id ids, node_id x, const struct index_attrs *a) {
    const struct line_scan_attrs forward = {.index = *a}, backward = {.index = *a, .reverse = 1};
    if (!tape_ok(t)) return NODE_NONE;
    return emit_multiply(t, others_before(t, ids, x, &forward),
                         others_before(t, ids, x, &backward));
}
