/* Sums of slices' adjoints: what the derivatives of x[0], x[1], ... add up to is written into one tensor, each part
 * at its place, where the sum itself would go through all of x for each of them. Plans get this op when they are
 * simplified.
 *
 * Element by element it is the sum in the order of its terms: what a term does not reach has 0 added to it. That
 * differs from nothing being added where the sum is -0, and so the box in which all terms meet is known. */
#define POINTWISE_WIDE
#include <string.h>

#include "core/emit.h"
#include "core/kernels/copy.h"
#include "core/kernels/pointwise.h"
#include "core/simplify.h"

/* Calls f for each row of a box in a tensor of shape `larger`. */
static void each_row(struct run *run, const struct shape *larger, const struct shape *box,
                     int64_t offset, void (*f)(void *arg, int64_t at, int64_t n), void *arg) {
    int64_t stride[RANK_MAX], index[RANK_MAX] = {0};
    const int last = box->rank - 1;
    if (shape_count(box) == 0) return;
    shape_strides(larger, stride);
    for (;;) {
        f(arg, offset, box->dim[last]);
        if (!run_tick(run, box->dim[last])) return;
        int axis = last - 1;
        for (; axis >= 0; axis--) {
            offset += stride[axis];
            if (++index[axis] < box->dim[axis]) break;
            index[axis] = 0;
            offset -= stride[axis] * box->dim[axis];
        }
        if (axis < 0) return;
    }
}

/* A result being written, and what is added next, row after row; NULL: the rows become -0. */
struct sum {
    void *out;
    const void *in;
};

#define SUM(tag, T)                                                                                \
    static void add_row_##tag(void *arg, int64_t at, int64_t n) {                                  \
        struct sum *sum = arg;                                                                     \
        T *out = (T *)sum->out + at;                                                               \
        const T *in = sum->in;                                                                     \
        for (int64_t i = 0; i < n; i++) out[i] += in[i];                                           \
        sum->in = in + n;                                                                          \
    }                                                                                              \
    static void begin_row_##tag(void *arg, int64_t at, int64_t n) {                                \
        const struct sum *sum = arg;                                                               \
        T *out = (T *)sum->out + at;                                                               \
        const T *in = sum->in ? (const T *)sum->in + at : NULL;                                    \
        for (int64_t i = 0; i < n; i++) out[i] = in ? in[i] : (T)-0.0;                             \
    }                                                                                              \
    static void begin_##tag(struct sum *sum, int64_t n) {                                          \
        T *out = sum->out;                                                                         \
        const T *in = sum->in;                                                                     \
        for (int64_t i = 0; i < n; i++) out[i] = in ? in[i] + (T)0 : (T)0;                         \
    }
SUM(F32, float)
SUM(F64, double)

/* The only two slices, which have whole rows but for their ends: each row is written once. */
struct pair {
    int64_t n, begin[2], end[2]; /* of a row, and of the slices in it */
};

#define PAIR(tag, T)                                                                               \
    /* Elements that at most one of the slices reaches. */                                         \
    static void add_edge_##tag(const struct pair *p, const T *const in[2], int64_t from,           \
                               int64_t to, T *restrict out) {                                      \
        for (int64_t i = from; i < to; i++) {                                                      \
            out[i] = 0;                                                                            \
            for (int k = 0; k < 2; k++)                                                            \
                if (i >= p->begin[k] && i < p->end[k]) out[i] += in[k][i - p->begin[k]];           \
        }                                                                                          \
    }                                                                                              \
    POINTWISE_CLONES static void add_both_##tag(int64_t n, const T *restrict a,                    \
                                                const T *restrict b, T *restrict out) {            \
        for (int64_t i = 0; i < n; i++) out[i] = a[i] + b[i];                                      \
    }                                                                                              \
    static void add_pair_##tag(const struct pair *p, const T *const in[2], T *out) {               \
        const int64_t from = p->begin[0] > p->begin[1] ? p->begin[0] : p->begin[1];                \
        const int64_t to = p->end[0] < p->end[1] ? p->end[0] : p->end[1];                          \
        add_edge_##tag(p, in, 0, from < to ? from : p->n, out);                                    \
        if (from >= to) return;                                                                    \
        add_both_##tag(to - from, in[0] + (from - p->begin[0]), in[1] + (from - p->begin[1]),      \
                       out + from);                                                                \
        add_edge_##tag(p, in, to, p->n, out);                                                      \
    }
PAIR(F32, float)
PAIR(F64, double)

static void add_pairs(const struct step *step, struct run *run) {
    const struct sum_attrs *a = step->attrs;
    const int last = step->out.shape->rank - 1;
    struct pair p = {.n = step->out.shape->dim[last]};
    const int64_t rows = p.n ? shape_count(step->out.shape) / p.n : 0;
    int64_t width[2];
    for (int k = 0; k < 2; k++) {
        width[k] = step->in[k].shape->dim[last];
        p.begin[k] = a->offset[k];
        p.end[k] = p.begin[k] + width[k];
    }
    const void *x = run_in(run, step, 0), *y = run_in(run, step, 1);
    void *out = run_out(run, step);
    for (int64_t i = 0; i < rows; i++) {
        if (step->out.dtype == DTYPE_F64)
            add_pair_F64(&p,
                         (const double *const[]){(const double *)x + i * width[0],
                                                 (const double *)y + i * width[1]},
                         (double *)out + i * p.n);
        else
            add_pair_F32(&p,
                         (const float *const[]){(const float *)x + i * width[0],
                                                (const float *)y + i * width[1]},
                         (float *)out + i * p.n);
        if (!run_tick(run, p.n)) return;
    }
}

/* Whether a slice has all of every axis but the last. */
static bool has_rows(const struct shape *part, const struct shape *whole) {
    for (int i = 0; i + 1 < whole->rank; i++)
        if (part->dim[i] != whole->dim[i]) return false;
    return true;
}

static void add_slices_kernel(const struct step *step, struct run *run) {
    const struct sum_attrs *a = step->attrs;
    const struct shape *shape = step->out.shape;
    const bool wide = step->out.dtype == DTYPE_F64;
    if (!a->based && step->n_in == 2 && has_rows(step->in[0].shape, shape) &&
        has_rows(step->in[1].shape, shape)) {
        add_pairs(step, run);
        return;
    }
    struct sum sum = {.out = run_out(run, step), .in = a->based ? run_in(run, step, 0) : NULL};
    struct shape meet = *shape;
    int64_t stride[RANK_MAX], offset = 0;
    shape_strides(shape, stride);
    for (int i = 0; i < shape->rank; i++) {
        meet.dim[i] = a->meet_end[i] > a->meet_begin[i] ? a->meet_end[i] - a->meet_begin[i] : 0;
        offset += a->meet_begin[i] * stride[i];
    }
    (wide ? begin_F64 : begin_F32)(&sum, shape_count(shape));
    each_row(run, shape, &meet, offset, wide ? begin_row_F64 : begin_row_F32, &sum);
    for (uint32_t i = (uint32_t)a->based; i < step->n_in && !run->stopped; i++) {
        sum.in = run_in(run, step, i);
        each_row(run, shape, step->in[i].shape, a->offset[i - a->based],
                 wide ? add_row_F64 : add_row_F32, &sum);
    }
}

static int64_t add_slices_work(const struct tape *t, const struct node *n) {
    int64_t work = shape_count(n->shape);
    for (uint32_t i = 0; i < n->n_args; i++) work += shape_count(tape_shape(t, node_args(t, n)[i]));
    return work;
}

static bool add_slices_infer(struct tape *t, const struct node *n, struct shape *shape,
                             enum dtype *dtype) {
    (void)t, (void)dtype;
    const struct sum_attrs *a = n->attrs;
    *shape = shape_make(a->rank, a->dim);
    return true;
}

static node_id add_slices_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    const struct sum_attrs *a = tape_node(t, y)->attrs;
    int64_t begin[RANK_MAX], stride[RANK_MAX];
    if (i < a->based) return g;
    int64_t offset = a->offset[i - a->based];
    for (int64_t k = a->rank; k-- > 0; offset /= a->dim[k]) {
        begin[k] = offset % a->dim[k];
        stride[k] = 1;
    }
    return emit_strided_slice(t, g, tape_shape(t, tape_arg(t, y, i)), begin, stride);
}

/* With an axis in front every slice begins where it did, and reaches all points. */
static node_id add_slices_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                                int64_t n) {
    const struct node node = *tape_node(t, y);
    struct sum_attrs *a = arena_alloc(t->arena, node.attrs_size);
    node_id *all = arena_alloc(t->arena, node.n_args * sizeof *all);
    struct shape shape;
    if (!a || !all || !shape_lead(t, node.shape, n, &shape)) {
        if (tape_ok(t)) tape_fail_memory(t, "the graph");
        return NODE_NONE;
    }
    memcpy(a, node.attrs, node.attrs_size);
    a->rank = shape.rank;
    for (int k = shape.rank - 1; k >= 0; k--) {
        a->dim[k] = shape.dim[k];
        a->meet_begin[k] = k ? a->meet_begin[k - 1] : 0;
        a->meet_end[k] = k ? a->meet_end[k - 1] : n;
    }
    for (uint32_t i = 0; i < node.n_args; i++) all[i] = batched[i] ? x[i] : emit_repeat(t, x[i], n);
    return tape_emit(t, OP_add_slices, all, node.n_args, a, node.attrs_size);
}

const struct op op_add_slices = {
    .name = "add_slices",
    .notation = "y = x_0 + x_1 + ..., each at its place, and 0 elsewhere",
    .kind = OP_INTERNAL,
    .flags = OP_LINEAR,
    .infer = add_slices_infer,
    .vjp = add_slices_vjp,
    .batch = add_slices_batch,
    .work = add_slices_work,
    .kernels = {[DTYPE_F32] = add_slices_kernel, [DTYPE_F64] = add_slices_kernel}};

/* ---- finding them ------------------------------------------------------------------------------ */

/* Less of them are added as quickly as they are, but for pairs of rows. */
enum { TERMS_LEAST = 3 };

struct finder {
    struct tape *t;
    uint32_t *uses;
    node_id *terms; /* of the sum that is looked at, the last one first */
    uint32_t n;
};

static bool is_term(const struct tape *t, node_id x) {
    const struct node *n = tape_node(t, x);
    if (n->op != OP_strided_slice_grad) return false;
    const struct slice_attrs *a = n->attrs;
    for (int64_t i = 0; i < a->rank; i++)
        if (a->stride[i] != 1) return false;
    return shape_count(tape_shape(t, n->arg[0])) > 0;
}

/* Whether n adds two tensors of its own shape. */
static bool is_sum(const struct tape *t, const struct node *n) {
    return n->op == OP_add && n->shape->rank > 0 && dtype_is_float((enum dtype)n->dtype) &&
           shape_equal(tape_shape(t, n->arg[0]), n->shape) &&
           shape_equal(tape_shape(t, n->arg[1]), n->shape);
}

/* Collects the terms from the end of a sum on; what is left where they end, a slice or not. */
static node_id collect(struct finder *f, node_id root) {
    node_id at = root;
    f->n = 0;
    while (is_sum(f->t, tape_node(f->t, at)) && (at == root || f->uses[at] == 1)) {
        const node_id *arg = tape_node(f->t, at)->arg;
        const int term = is_term(f->t, arg[1]) ? 1 : 0;
        if (!is_term(f->t, arg[term])) break;
        f->terms[f->n++] = arg[term];
        if (at != root) f->uses[at] = 0; /* it is a part now, and no sum of its own */
        at = arg[1 - term];
    }
    return at;
}

static void meet(struct sum_attrs *a, const struct slice_attrs *slice, const struct shape *part) {
    for (int i = 0; i < part->rank; i++) {
        const int64_t end = slice->begin[i] + part->dim[i];
        if (slice->begin[i] > a->meet_begin[i]) a->meet_begin[i] = slice->begin[i];
        if (end < a->meet_end[i]) a->meet_end[i] = end;
    }
}

/* Makes the sum at `root` of `base`, where there is one, and the slices that were collected one node. */
static bool replace(struct finder *f, node_id root, node_id base) {
    struct tape *t = f->t;
    struct node *n = &t->nodes[root];
    const bool based = base != NODE_NONE;
    const size_t size = sizeof(struct sum_attrs) + f->n * sizeof(int64_t);
    struct sum_attrs *a = size <= UINT32_MAX ? arena_zalloc(t->arena, size) : NULL;
    node_id *args = arena_alloc(t->arena, (f->n + 1) * sizeof *args);
    int64_t stride[RANK_MAX];
    if (!a || !args) return tape_fail_memory(t, "the plan");
    shape_strides(n->shape, stride);
    a->based = based;
    a->rank = n->shape->rank;
    for (int i = 0; i < n->shape->rank; i++) a->dim[i] = a->meet_end[i] = n->shape->dim[i];
    args[0] = base;
    for (uint32_t i = 0; i < f->n; i++) {
        const struct node *term = tape_node(t, f->terms[f->n - 1 - i]);
        const struct slice_attrs *slice = term->attrs;
        args[i + based] = term->arg[0];
        meet(a, slice, tape_shape(t, term->arg[0]));
        for (int k = 0; k < n->shape->rank; k++) a->offset[i] += slice->begin[k] * stride[k];
    }
    n->op = OP_add_slices;
    n->attrs = a;
    n->attrs_size = (uint32_t)size;
    return tape_keep_args(t, n, args, f->n + based) || tape_fail_memory(t, "the plan");
}

static bool is_pair(const struct finder *f, node_id base) {
    if (f->n != 2 || base != NODE_NONE) return false;
    for (int k = 0; k < 2; k++) {
        const struct node *term = tape_node(f->t, f->terms[k]);
        if (!has_rows(tape_shape(f->t, term->arg[0]), term->shape)) return false;
    }
    return true;
}

bool simplify_sums(struct tape *t, const node_id *wanted, size_t n_wanted) {
    struct finder f = {.t = t};
    uint32_t slices = 0;
    for (node_id i = 0; i < t->count; i++) slices += tape_node(t, i)->op == OP_strided_slice_grad;
    if (slices < 2) return true;
    f.uses = arena_zalloc(t->arena, (t->count + 1) * sizeof *f.uses);
    f.terms = arena_alloc(t->arena, (t->count + 1) * sizeof *f.terms);
    if (!f.uses || !f.terms) return tape_fail_memory(t, "the plan");
    for (node_id i = 0; i < t->count; i++) {
        const struct node *n = tape_node(t, i);
        for (uint32_t k = 0; k < n->n_args; k++) f.uses[node_args(t, n)[k]]++;
    }
    for (size_t i = 0; i < n_wanted; i++) f.uses[wanted[i]] += 2; /* it stays as it is */
    for (node_id i = t->count; i-- > 0;) {
        if (!f.uses[i] || !is_sum(t, tape_node(t, i))) continue;
        node_id base = collect(&f, i);
        if (is_term(t, base)) {
            f.terms[f.n++] = base;
            base = NODE_NONE;
        }
        if ((f.n >= TERMS_LEAST || is_pair(&f, base)) && !replace(&f, i, base)) return false;
    }
    return true;
}
