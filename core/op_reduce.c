/* Reductions over axes, and the linear recurrence that products need for exact derivatives. */
#include <math.h>
#include <string.h>

#include "core/emit.h"
#include "core/kernels/reduce.h"

static const struct reduce_attrs *attrs_of(const struct tape *t, node_id y) {
    return tape_node(t, y)->attrs;
}

bool reduce_infer(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype) {
    (void)dtype;
    const struct reduce_attrs *a = n->attrs;
    const struct shape *x = tape_shape(t, n->arg[0]);
    shape->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        bool reduced = a->axes >> i & 1;
        if (!reduced || a->keepdims) shape->dim[shape->rank++] = reduced ? 1 : x->dim[i];
    }
    return true;
}

int64_t reduce_work(const struct tape *t, const struct node *n) {
    return shape_count(tape_shape(t, n->arg[0]));
}

static node_id reduce_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                            int64_t n) {
    (void)batched, (void)n;
    struct reduce_attrs a = *attrs_of(t, y);
    return emit_reduce(t, tape_node(t, y)->op, x[0], a.axes << 1, a.keepdims);
}

static node_id reduce_emit(struct tape *t, int op, const struct op_arg *args) {
    uint32_t axes;
    if (args[0].node == NODE_NONE ||
        !axes_read(t, op_table[op]->name, &args[1], tape_shape(t, args[0].node)->rank, &axes))
        return NODE_NONE;
    return emit_reduce(t, op, args[0].node, axes, args[2].given && args[2].b);
}

/* v, of the result's shape, spread over the elements that went into it. */
static node_id spread(struct tape *t, node_id y, node_id v) {
    const struct shape *x = tape_shape(t, tape_arg(t, y, 0));
    struct shape kept = *x;
    for (int i = 0; i < x->rank; i++)
        if (attrs_of(t, y)->axes >> i & 1) kept.dim[i] = 1;
    return emit_broadcast_to(t, emit_reshape(t, v, &kept), x);
}

static node_id sum_like(struct tape *t, node_id y, node_id x) {
    struct reduce_attrs a = *attrs_of(t, y);
    return emit_reduce(t, OP_reduce_sum, x, a.axes, a.keepdims);
}

#define REDUCE_PARAMS                                                                              \
    {                                                                                              \
        {"input_tensor", PARAM_TENSOR, false}, {"axis", PARAM_INTS, true}, {                       \
            "keepdims", PARAM_BOOL, true                                                           \
        }                                                                                          \
    }
#define REDUCERS(id)                                                                               \
    .reducers = {REDUCES(id, F32), REDUCES(id, F64), REDUCES(id, I32), REDUCES(id, I64)}
#define REDUCE_EMIT(id)                                                                            \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        return reduce_emit(t, OP_##id, args);                                                      \
    }

/* ---- sum and mean ------------------------------------------------------------------------------ */

#define WRAP_SUM(T) (T)((uint64_t)a + (uint64_t)b)
REDUCER(reduce_sum, F32, float, 0, a + b)
REDUCER(reduce_sum, F64, double, 0, a + b)
REDUCER(reduce_sum, I32, int32_t, 0, WRAP_SUM(int32_t))
REDUCER(reduce_sum, I64, int64_t, 0, WRAP_SUM(int64_t))
REDUCE_EMIT(reduce_sum)
static node_id reduce_sum_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    return spread(t, y, g);
}
/* The sum of n copies is n times the value, rounded once, where n is a number of the dtype; it is over
 * whole axes that the value was broadcast along. */
static node_id reduce_sum_simplify(struct tape *t, const struct node *n) {
    const struct node *x = tape_node(t, n->arg[0]);
    const struct reduce_attrs *attrs = n->attrs;
    if (x->op != OP_broadcast_to) return NODE_NONE;
    const struct shape *from = tape_shape(t, x->arg[0]), *to = x->shape;
    int64_t copies = 1;
    for (int i = 0; i < to->rank; i++) {
        const int k = i - (to->rank - from->rank);
        if (!(attrs->axes >> i & 1)) continue;
        if (k >= 0 && from->dim[k] != 1) return NODE_NONE;
        copies *= to->dim[i];
    }
    if (copies < 1 || copies > 1 << 24) return NODE_NONE;
    struct shape shape = {.rank = to->rank};
    for (int i = 0; i < to->rank; i++) shape.dim[i] = attrs->axes >> i & 1 ? 1 : to->dim[i];
    const node_id one = emit_reshape(t, emit_broadcast_to(t, x->arg[0], &shape), n->shape);
    return emit_multiply(t, one, emit_like(t, one, (double)copies));
}

const struct op op_reduce_sum = {.name = "reduce_sum",
                                 .notation = "y = sum of x over axes; dy/dx = 1",
                                 .flags = OP_LINEAR,
                                 .params = REDUCE_PARAMS,
                                 .emit = reduce_sum_emit,
                                 .infer = reduce_infer,
                                 .vjp = reduce_sum_vjp,
                                 .batch = reduce_batch,
                                 .simplify = reduce_sum_simplify,
                                 REDUCERS(reduce_sum),
                                 .work = reduce_work};

#define MEAN(tag, T, division)                                                                     \
    static void reduce_mean_finish_##tag(const struct step *step, struct run *run) {               \
        int64_t n_out = shape_count(step->out.shape);                                              \
        const T n = (T)reduce_length(step->in[0].shape, *(const uint32_t *)step->attrs);           \
        T *y = run_out(run, step);                                                                 \
        for (int64_t i = 0; i < n_out; i++) y[i] = division;                                       \
    }                                                                                              \
    static const struct reducer reduce_mean_reducer_##tag = {                                      \
        reduce_sum_rows_##tag, reduce_sum_merge_##tag, reduce_sum_lines_##tag,                     \
        &reduce_sum_identity_##tag, reduce_mean_finish_##tag};
MEAN(F32, float, y[i] / n)
MEAN(F64, double, y[i] / n)
MEAN(I32, int32_t, n ? y[i] / n : 0)
MEAN(I64, int64_t, n ? y[i] / n : 0)
REDUCE_EMIT(reduce_mean)
static node_id reduce_mean_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    int64_t n = reduce_length(tape_shape(t, tape_arg(t, y, i)), attrs_of(t, y)->axes);
    return emit_divide(t, spread(t, y, g), emit_like(t, g, (double)n));
}
const struct op op_reduce_mean = {.name = "reduce_mean",
                                  .notation = "y = mean of x over axes; dy/dx = 1/n",
                                  .flags = OP_LINEAR,
                                  .params = REDUCE_PARAMS,
                                  .emit = reduce_mean_emit,
                                  .infer = reduce_infer,
                                  .vjp = reduce_mean_vjp,
                                  .batch = reduce_batch,
                                  REDUCERS(reduce_mean),
                                  .work = reduce_work};

/* ---- max and min: equal elements share the gradient; NaN wins ------------------------------------ */

REDUCER(reduce_max, F32, float, -INFINITY, a > b || a != a ? a : b)
REDUCER(reduce_max, F64, double, -INFINITY, a > b || a != a ? a : b)
REDUCER(reduce_max, I32, int32_t, INT32_MIN, a > b ? a : b)
REDUCER(reduce_max, I64, int64_t, INT64_MIN, a > b ? a : b)
REDUCER(reduce_min, F32, float, INFINITY, a < b || a != a ? a : b)
REDUCER(reduce_min, F64, double, INFINITY, a < b || a != a ? a : b)
REDUCER(reduce_min, I32, int32_t, INT32_MAX, a < b ? a : b)
REDUCER(reduce_min, I64, int64_t, INT64_MAX, a < b ? a : b)
REDUCE_EMIT(reduce_max)
REDUCE_EMIT(reduce_min)

/* Each element's share: 1 / (number of elements equal to the extremum), 0 for the others. */
static node_id shares(struct tape *t, node_id y) {
    node_id x = tape_arg(t, y, 0);
    node_id equal = emit_cast(t, emit_equal(t, x, spread(t, y, y)), tape_dtype(t, x));
    return emit_divide(t, equal, spread(t, y, sum_like(t, y, equal)));
}
static node_id extremum_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    return emit_multiply(t, shares(t, y), spread(t, y, g));
}
static node_id extremum_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return sum_like(t, y, emit_multiply(t, shares(t, y), x_dot[0]));
}
const struct op op_reduce_max = {
    .name = "reduce_max",
    .notation = "y = max of x over axes; dy/dx = 1 at the maximum, ties share equally",
    .params = REDUCE_PARAMS,
    .emit = reduce_max_emit,
    .infer = reduce_infer,
    .vjp = extremum_vjp,
    .jvp = extremum_jvp,
    .batch = reduce_batch,
    REDUCERS(reduce_max),
    .work = reduce_work};
const struct op op_reduce_min = {
    .name = "reduce_min",
    .notation = "y = min of x over axes; dy/dx = 1 at the minimum, ties share equally",
    .params = REDUCE_PARAMS,
    .emit = reduce_min_emit,
    .infer = reduce_infer,
    .vjp = extremum_vjp,
    .jvp = extremum_jvp,
    .batch = reduce_batch,
    REDUCERS(reduce_min),
    .work = reduce_work};

/* ---- recurrence: s_i = a_i s_(i-1) + b_i along the last axis, s_(-1) = 0 --------------------------- *
 * Its derivatives are recurrences again, so that what is built on it (products, scans) is exact at
 * zeros and at every order. Reversed it runs from the last element to the first. */

#define RECURRENCE(tag, T, step_of)                                                                \
    static void recurrence_kernel_##tag(const struct step *step, struct run *run) {                \
        const struct shape *shape = step->out.shape;                                               \
        bool reverse = ((const struct recurrence_attrs *)step->attrs)->reverse;                    \
        int64_t n = shape->dim[shape->rank - 1], count = shape_count(shape);                       \
        const T *a = run_in(run, step, 0), *b = run_in(run, step, 1);                              \
        T *s = run_out(run, step);                                                                 \
        for (int64_t row = 0; row < count; row += n) {                                             \
            T last = 0;                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                      \
                int64_t k = row + (reverse ? n - 1 - i : i);                                       \
                last = i ? step_of(T, a[k], last, b[k]) : b[k];                                    \
                s[k] = last;                                                                       \
            }                                                                                      \
            if (!run_tick(run, n)) return;                                                         \
        }                                                                                          \
    }
#define STEP_FLOAT(T, a, s, b) ((a) * (s) + (b))
#define STEP_INT(T, a, s, b) ((T)((uint64_t)(a) * (uint64_t)(s) + (uint64_t)(b)))
RECURRENCE(F32, float, STEP_FLOAT)
RECURRENCE(F64, double, STEP_FLOAT)
RECURRENCE(I32, int32_t, STEP_INT)
RECURRENCE(I64, int64_t, STEP_INT)

node_id emit_recurrence(struct tape *t, node_id a, node_id b, bool reverse) {
    struct recurrence_attrs attrs = {reverse};
    return tape_emit(t, OP_recurrence, (node_id[]){a, b}, 2, &attrs, sizeof attrs);
}

node_id emit_shifted(struct tape *t, node_id x, bool to_right, double fill) {
    if (x == NODE_NONE) return NODE_NONE;
    struct shape rest = *tape_shape(t, x), edge = rest;
    int last = rest.rank - 1;
    if (rest.dim[last] == 0) return x;
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    for (int i = 0; i < rest.rank; i++) stride[i] = 1;
    edge.dim[last] = 1;
    rest.dim[last]--;
    begin[last] = to_right ? 0 : 1;
    node_id filled = tape_fill(t, tape_dtype(t, x), &edge, fill);
    node_id kept = emit_strided_slice(t, x, &rest, begin, stride);
    return emit_concat(t, to_right ? (node_id[]){filled, kept} : (node_id[]){kept, filled}, 2,
                       last);
}

static bool recurrence_infer(struct tape *t, const struct node *n, struct shape *shape,
                             enum dtype *dtype) {
    (void)t, (void)n, (void)shape,
        (void)dtype; /* only rules emit it, with equal shapes of rank >= 1 */
    return true;
}
static node_id recurrence_vjp(struct tape *t, node_id s, uint32_t i, node_id g) {
    bool reverse = ((const struct recurrence_attrs *)tape_node(t, s)->attrs)->reverse;
    node_id a = tape_arg(t, s, 0);
    node_id adjoint = emit_recurrence(t, emit_shifted(t, a, reverse, 0), g, !reverse);
    return i == 1 ? adjoint : emit_multiply(t, adjoint, emit_shifted(t, s, !reverse, 0));
}
static node_id recurrence_jvp(struct tape *t, node_id s, const node_id *x_dot) {
    bool reverse = ((const struct recurrence_attrs *)tape_node(t, s)->attrs)->reverse;
    node_id source = x_dot[1];
    if (x_dot[0] != NODE_NONE) {
        node_id from_a = emit_multiply(t, x_dot[0], emit_shifted(t, s, !reverse, 0));
        source = source == NODE_NONE ? from_a : emit_add(t, from_a, source);
    }
    return emit_recurrence(t, tape_arg(t, s, 0), source, reverse);
}
static node_id recurrence_batch(struct tape *t, node_id s, const node_id *x, const bool *batched,
                                int64_t n) {
    bool reverse = ((const struct recurrence_attrs *)tape_node(t, s)->attrs)->reverse;
    return emit_recurrence(t, batched[0] ? x[0] : emit_repeat(t, x[0], n),
                           batched[1] ? x[1] : emit_repeat(t, x[1], n), reverse);
}
const struct op op_recurrence = {.name = "recurrence",
                                 .notation = "s_i = a_i s_(i-1) + b_i along the last axis",
                                 .kind = OP_INTERNAL,
                                 .params = {{"a", PARAM_TENSOR, false}, {"b", PARAM_TENSOR, false}},
                                 .infer = recurrence_infer,
                                 .vjp = recurrence_vjp,
                                 .jvp = recurrence_jvp,
                                 .batch = recurrence_batch,
                                 .kernels = {recurrence_kernel_F32, recurrence_kernel_F64,
                                             recurrence_kernel_I32, recurrence_kernel_I64}};

/* ---- prod -------------------------------------------------------------------------------------- */

REDUCER(reduce_prod, F32, float, 1, a *b)
REDUCER(reduce_prod, F64, double, 1, a *b)
REDUCER(reduce_prod, I32, int32_t, 1, (int32_t)((uint64_t)a *(uint64_t)b))
REDUCER(reduce_prod, I64, int64_t, 1, (int64_t)((uint64_t)a *(uint64_t)b))
REDUCE_EMIT(reduce_prod)

/* For every element of x the product of the others in its slice: left times right exclusive product,
 * exact with any number of zeros. The reduced axes are brought to the end and made one. */
static node_id product_of_others(struct tape *t, node_id y) {
    node_id x = tape_arg(t, y, 0);
    const struct shape *shape = tape_shape(t, x);
    uint32_t axes = attrs_of(t, y)->axes;
    int64_t perm[RANK_MAX], inverse[RANK_MAX];
    int k = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < shape->rank; i++)
            if ((int)(axes >> i & 1) == pass) perm[k++] = i;
    for (int i = 0; i < shape->rank; i++) inverse[perm[i]] = i;
    node_id moved = emit_transpose(t, x, perm);
    if (moved == NODE_NONE) return NODE_NONE;
    const struct shape *moved_shape = tape_shape(t, moved);
    int64_t n = reduce_length(shape, axes);
    struct shape line = {.rank = 2, .dim = {n ? shape_count(shape) / n : 0, n}};
    node_id flat = emit_reshape(t, moved, &line);

    node_id zeros = emit_zeros_like(t, flat);
    node_id left =
        emit_recurrence(t, emit_shifted(t, flat, true, 0), emit_shifted(t, zeros, true, 1), false);
    node_id right =
        emit_recurrence(t, emit_shifted(t, flat, false, 0), emit_shifted(t, zeros, false, 1), true);
    return emit_transpose(t, emit_reshape(t, emit_multiply(t, left, right), moved_shape), inverse);
}
static node_id reduce_prod_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    (void)i;
    return emit_multiply(t, spread(t, y, g), product_of_others(t, y));
}
static node_id reduce_prod_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    return sum_like(t, y, emit_multiply(t, product_of_others(t, y), x_dot[0]));
}
const struct op op_reduce_prod = {.name = "reduce_prod",
                                  .notation =
                                      "y = product of x over axes; dy/dx = product of the others",
                                  .params = REDUCE_PARAMS,
                                  .emit = reduce_prod_emit,
                                  .infer = reduce_infer,
                                  .vjp = reduce_prod_vjp,
                                  .jvp = reduce_prod_jvp,
                                  .batch = reduce_batch,
                                  REDUCERS(reduce_prod),
                                  .work = reduce_work};
