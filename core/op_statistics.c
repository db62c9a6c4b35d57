/* What is computed from reductions: moments, norms, the logarithm of a sum of exponentials; and the
 * reductions that have no derivative: any, all, argmax, argmin. */
#include <inttypes.h>

#include "core/emit.h"
#include "core/kernels/copy.h"
#include "core/kernels/reduce.h"

#define REDUCE_PARAMS                                                                              \
    {                                                                                              \
        {"input_tensor", PARAM_TENSOR, false}, {"axis", PARAM_INTS, true}, {                       \
            "keepdims", PARAM_BOOL, true                                                           \
        }                                                                                          \
    }

/* ---- composites: `body` has x, the reduced axes and keepdims -------------------------------------- */

#define COMPOSITE(id, text, body)                                                                  \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        node_id x = args[0].node;                                                                  \
        uint32_t axes;                                                                             \
        bool keep = args[2].given && args[2].b;                                                    \
        if (x == NODE_NONE || !axes_read(t, #id, &args[1], tape_shape(t, x)->rank, &axes))         \
            return NODE_NONE;                                                                      \
        return body;                                                                               \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = REDUCE_PARAMS,                                            \
                               .dtypes = DTYPES_FLOATS,                                            \
                               .emit = id##_emit};

static node_id variance(struct tape *t, node_id x, uint32_t axes, bool keep) {
    node_id mean = emit_reduce(t, OP_reduce_mean, x, axes, true);
    return emit_reduce(t, OP_reduce_mean, emit_square(t, emit_subtract(t, x, mean)), axes, keep);
}

node_id emit_shift_by_max(struct tape *t, node_id x, uint32_t axes, node_id *shift) {
    node_id max = emit1(t, OP_stop_gradient, emit_reduce(t, OP_reduce_max, x, axes, true));
    node_id zero = emit_like(t, max, 0);
    node_id finite = emit_equal(t, emit_subtract(t, max, max), zero);
    *shift = emit_where(t, finite, max, zero);
    return emit_subtract(t, x, *shift);
}

/* log sum e^x, shifted by the maximum so that it cannot overflow; a maximum that is not finite
 * shifts by 0. Reference: reduce_logsumexp of TensorFlow. */
static node_id logsumexp(struct tape *t, node_id x, uint32_t axes, bool keep) {
    node_id shift;
    node_id shifted = emit_shift_by_max(t, x, axes, &shift);
    node_id sum = emit_reduce(t, OP_reduce_sum, emit_exp(t, shifted), axes, keep);
    node_id log = emit_log(t, sum);
    return log == NODE_NONE ? NODE_NONE
                            : emit_add(t, log, emit_reshape(t, shift, tape_shape(t, log)));
}

COMPOSITE(reduce_variance, "y = mean of (x - mean x)^2 over axes", variance(t, x, axes, keep))
COMPOSITE(reduce_std, "y = sqrt of reduce_variance; the gradient of a constant x is NaN",
          emit1(t, OP_sqrt, variance(t, x, axes, keep)))
COMPOSITE(reduce_euclidean_norm, "y = sqrt of the sum of x^2 over axes; the gradient at 0 is NaN",
          emit1(t, OP_sqrt, emit_reduce(t, OP_reduce_sum, emit_square(t, x), axes, keep)))
COMPOSITE(reduce_logsumexp, "y = log of the sum of e^x over axes; dy/dx = softmax x",
          logsumexp(t, x, axes, keep))

static node_id add_n_emit(struct tape *t, const struct op_arg *args) {
    if (args[0].n == 0) return tape_fail(t, ERROR_INVALID_ARGUMENT, "add_n: inputs is empty");
    node_id sum = args[0].nodes[0];
    for (size_t i = 1; i < args[0].n && sum != NODE_NONE; i++) {
        node_id next = args[0].nodes[i];
        if (next == NODE_NONE) return NODE_NONE;
        if (!shape_equal(tape_shape(t, sum), tape_shape(t, next))) {
            char x[SHAPE_TEXT], y[SHAPE_TEXT];
            return tape_fail(t, ERROR_SHAPE_MISMATCH,
                             "add_n: value %zu has shape %s where value 0 has %s", i,
                             shape_text(tape_shape(t, next), x), shape_text(tape_shape(t, sum), y));
        }
        sum = emit_add(t, sum, next);
    }
    return sum;
}
const struct op op_add_n = {.name = "add_n",
                            .notation = "y = sum of values of one shape; dy/dx = 1",
                            .kind = OP_COMPOSITE,
                            .params = {{"inputs", PARAM_TENSORS, false}},
                            .dtypes = DTYPES_NUMBERS,
                            .emit = add_n_emit};

/* ---- any and all ---------------------------------------------------------------------------------- */

static node_id logical_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                             int64_t n) {
    (void)batched, (void)n;
    struct reduce_attrs a = *(const struct reduce_attrs *)tape_node(t, y)->attrs;
    return emit_reduce(t, tape_node(t, y)->op, x[0], a.axes << 1, a.keepdims);
}

#define LOGICAL_REDUCTION(id, text, start, expr)                                                   \
    REDUCER(id, BOOL, uint8_t, start, expr)                                                        \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        uint32_t axes;                                                                             \
        if (args[0].node == NODE_NONE ||                                                           \
            !axes_read(t, #id, &args[1], tape_shape(t, args[0].node)->rank, &axes))                \
            return NODE_NONE;                                                                      \
        return emit_reduce(t, OP_##id, args[0].node, axes, args[2].given && args[2].b);            \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text "; not differentiable",                            \
                               .params = {{"input_tensor", PARAM_CONDITION, false},                \
                                          {"axis", PARAM_INTS, true},                              \
                                          {"keepdims", PARAM_BOOL, true}},                         \
                               .emit = id##_emit,                                                  \
                               .infer = reduce_infer,                                              \
                               .batch = logical_batch,                                             \
                               .reducers = {REDUCES(id, BOOL)},                                    \
                               .work = reduce_work};
LOGICAL_REDUCTION(reduce_any, "y = true where any x is, over axes", 0, a | b)
LOGICAL_REDUCTION(reduce_all, "y = true where all x are, over axes", 1, a &b)

/* ---- argmax and argmin: the first of equal elements, as int64 -------------------------------------- */

#define ARG_KERNEL(id, tag, T, compare)                                                            \
    static void id##_kernel_##tag(const struct step *step, struct run *run) {                      \
        const struct shape *shape = step->in[0].shape;                                             \
        int64_t axis = ((const struct axis_attrs *)step->attrs)->axis, own[RANK_MAX];              \
        shape_strides(shape, own);                                                                 \
        int64_t n = shape->dim[axis], inner = own[axis], count = shape_count(step->out.shape);     \
        const T *x = run_in(run, step, 0);                                                         \
        int64_t *y = run_out(run, step);                                                           \
        for (int64_t i = 0; i < count; i++) {                                                      \
            const T *line = x + i / inner * inner * n + i % inner;                                 \
            int64_t best = 0;                                                                      \
            for (int64_t k = 1; k < n; k++)                                                        \
                if (line[k * inner] compare line[best * inner]) best = k;                          \
            y[i] = best;                                                                           \
            if (!run_tick(run, n)) return;                                                         \
        }                                                                                          \
    }

static bool arg_infer(struct tape *t, const struct node *n, struct shape *shape,
                      enum dtype *dtype) {
    const struct shape *x = tape_shape(t, n->arg[0]);
    int64_t axis = ((const struct axis_attrs *)n->attrs)->axis;
    shape->rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (i != axis) shape->dim[shape->rank++] = x->dim[i];
    *dtype = DTYPE_I64;
    if (x->dim[axis] > 0) return true;
    char text[SHAPE_TEXT];
    tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: axis %" PRId64 " of shape %s has no elements",
              op_of(n)->name, axis, shape_text(x, text));
    return false;
}
static node_id emit_arg(struct tape *t, int op, node_id x, int64_t axis) {
    return tape_emit(t, op, &x, 1, &(struct axis_attrs){axis}, sizeof(struct axis_attrs));
}
static node_id arg_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                         int64_t n) {
    (void)batched, (void)n;
    int64_t axis = ((const struct axis_attrs *)tape_node(t, y)->attrs)->axis;
    return emit_arg(t, tape_node(t, y)->op, x[0], axis + 1);
}

#define ARG_OP(id, text, compare)                                                                  \
    ARG_KERNEL(id, F32, float, compare)                                                            \
    ARG_KERNEL(id, F64, double, compare)                                                           \
    ARG_KERNEL(id, I32, int32_t, compare)                                                          \
    ARG_KERNEL(id, I64, int64_t, compare)                                                          \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        int axis;                                                                                  \
        if (args[0].node == NODE_NONE ||                                                           \
            !axis_normalize(t, #id, args[1].given ? args[1].i : 0,                                 \
                            tape_shape(t, args[0].node)->rank, &axis))                             \
            return NODE_NONE;                                                                      \
        return emit_arg(t, OP_##id, args[0].node, axis);                                           \
    }                                                                                              \
    const struct op op_##id = {                                                                    \
        .name = #id,                                                                               \
        .notation = text "; not differentiable",                                                   \
        .params = {{"input", PARAM_TENSOR, false}, {"axis", PARAM_INT, true}},                     \
        .preset = {[1] = "0"},                                                                     \
        .emit = id##_emit,                                                                         \
        .infer = arg_infer,                                                                        \
        .batch = arg_batch,                                                                        \
        .kernels = {id##_kernel_F32, id##_kernel_F64, id##_kernel_I32, id##_kernel_I64},           \
        .work = reduce_work};
ARG_OP(argmax, "y = index of the first maximum along an axis", >)
ARG_OP(argmin, "y = index of the first minimum along an axis", <)
