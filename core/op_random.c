/* Random tensors as functions of a seed: two primitives that draw, and TensorFlow's stateless_* written
 * with them. Which bits become which number is told in kernels/random.h. */
#include <inttypes.h>

#include "core/emit.h"
#include "core/kernels/random.h"
#include "core/run.h"

/* ---- the primitives ---------------------------------------------------------------------------- */

/* Arguments have the leading axes of a batch, which the seeds' last axis of two follows; each seed draws
 * a tensor of the attributes' shape. */
static int64_t draws(const struct step *step, int64_t *each) {
    const struct random_attrs *a = step->attrs;
    *each = 1;
    for (int i = 0; i < a->rank; i++) *each *= a->dim[i];
    return *each ? shape_count(step->out.shape) / *each : 0;
}

static void read_seed(const struct step *step, const struct run *run, int64_t at, int64_t seed[2]) {
    for (int k = 0; k < 2; k++)
        seed[k] = step->in[0].dtype == DTYPE_I32
                      ? ((const int32_t *)run_in(run, step, 0))[2 * at + k]
                      : ((const int64_t *)run_in(run, step, 0))[2 * at + k];
}

static void draw(const struct random_attrs *a, const int64_t seed[2], int64_t i, void *out,
                 int64_t at) {
    const uint64_t bits = random_bits(seed, (uint64_t)i, 0);
    if (a->kind == RANDOM_UNIFORM && a->dtype == DTYPE_F32) {
        ((float *)out)[at] = random_uniform_float(bits);
        return;
    }
    const double y = a->kind == RANDOM_UNIFORM  ? random_uniform_double(bits)
                     : a->kind == RANDOM_NORMAL ? random_normal(bits)
                                                : random_truncated_normal(bits);
    if (a->dtype == DTYPE_F32)
        ((float *)out)[at] = (float)y;
    else
        ((double *)out)[at] = y;
}

static void random_draw_kernel(const struct step *step, struct run *run) {
    int64_t each, seed[2], at = 0;
    const int64_t n = draws(step, &each);
    for (int64_t k = 0; k < n; k++) {
        read_seed(step, run, k, seed);
        for (int64_t i = 0; i < each; i++, at++) {
            draw(step->attrs, seed, i, run_out(run, step), at);
            if (!run_tick(run, 8)) return;
        }
    }
}

#define RANDOM_INTEGERS(tag, T)                                                                    \
    static void random_integers_kernel_##tag(const struct step *step, struct run *run) {           \
        const T *min = run_in(run, step, 1), *max = run_in(run, step, 2);                          \
        T *y = run_out(run, step);                                                                 \
        int64_t each, seed[2], at = 0;                                                             \
        const int64_t n = draws(step, &each);                                                      \
        for (int64_t k = 0; k < n; k++) {                                                          \
            if (min[k] >= max[k]) {                                                                \
                run_fail(run, ERROR_INVALID_ARGUMENT,                                              \
                         "Need minval < maxval, got %" PRId64 " >= %" PRId64, (int64_t)min[k],     \
                         (int64_t)max[k]);                                                         \
                return;                                                                            \
            }                                                                                      \
            read_seed(step, run, k, seed);                                                         \
            for (int64_t i = 0; i < each; i++, at++) {                                             \
                y[at] = (T)random_integer(seed, (uint64_t)i, min[k], max[k]);                      \
                if (!run_tick(run, 8)) return;                                                     \
            }                                                                                      \
        }                                                                                          \
    }
RANDOM_INTEGERS(I32, int32_t)
RANDOM_INTEGERS(I64, int64_t)

static bool random_infer(struct tape *t, const struct node *n, struct shape *shape,
                         enum dtype *dtype) {
    const struct random_attrs *a = n->attrs;
    if (shape->rank - 1 + a->rank > RANK_MAX) {
        tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                  "%s: a result of rank %" PRId64 "; at most %d is allowed", op_of(n)->name,
                  shape->rank - 1 + a->rank, RANK_MAX);
        return false;
    }
    shape->rank--;
    for (int i = 0; i < a->rank; i++) shape->dim[shape->rank++] = a->dim[i];
    *dtype = (enum dtype)a->dtype;
    return true;
}
static int64_t random_work(const struct tape *t, const struct node *n) {
    (void)t;
    return 8 * shape_count(n->shape);
}
static node_id random_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                            int64_t n) {
    const struct node *node = tape_node(t, y);
    const uint32_t n_args = node->n_args;
    const int op = node->op;
    const void *attrs = node->attrs;
    node_id args[3];
    for (uint32_t i = 0; i < n_args; i++) args[i] = batched[i] ? x[i] : emit_repeat(t, x[i], n);
    return tape_emit(t, op, args, n_args, attrs, sizeof(struct random_attrs));
}

const struct op op_random_draw = {
    .name = "random_draw",
    .notation = "y = floats drawn by a seed; not differentiable",
    .kind = OP_INTERNAL,
    .params = {{"seed", PARAM_INDICES, false}},
    .infer = random_infer,
    .batch = random_batch,
    .kernels = {[DTYPE_I32] = random_draw_kernel, [DTYPE_I64] = random_draw_kernel},
    .work = random_work};
const struct op op_random_integers = {
    .name = "random_integers",
    .notation = "y = integers in [minval, maxval) drawn by a seed; not differentiable",
    .kind = OP_INTERNAL,
    .params = {{"seed", PARAM_INDICES, false},
               {"minval", PARAM_TENSOR, false},
               {"maxval", PARAM_TENSOR, false}},
    .infer = random_infer,
    .batch = random_batch,
    .kernels = {[DTYPE_I32] = random_integers_kernel_I32, [DTYPE_I64] = random_integers_kernel_I64},
    .work = random_work};

/* ---- TensorFlow's names ------------------------------------------------------------------------ */

enum { SHAPE, SEED, LOW, HIGH, DTYPE };

static bool read_draw(struct tape *t, const char *op, const struct op_arg *shape, node_id seed,
                      struct random_attrs *a) {
    struct shape s;
    char text[SHAPE_TEXT];
    for (size_t i = 0; shape && i < shape->n; i++)
        if (shape->ints[i] < 0) {
            tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: Dimension %" PRId64 " must be >= 0", op,
                      shape->ints[i]);
            return false;
        }
    if (!indices_check(t, op, "seed", seed) || (shape && !shape_read(t, op, shape, -1, &s)))
        return false;
    const struct shape *two = tape_shape(t, seed);
    if (two->rank != 1 || two->dim[0] != 2) {
        tape_fail(t, ERROR_INVALID_ARGUMENT, "%s: seed must have shape [2], not %s", op,
                  shape_text(two, text));
        return false;
    }
    if (!shape) return true;
    a->rank = s.rank;
    for (int i = 0; i < s.rank; i++) a->dim[i] = s.dim[i];
    return true;
}

static node_id floats(struct tape *t, node_id seed, const struct random_attrs *a) {
    return tape_emit(t, OP_random_draw, &seed, 1, a, sizeof *a);
}

static node_id integers(struct tape *t, const struct op_arg *args, const struct random_attrs *a) {
    const node_id high = args[HIGH].node;
    char text[SHAPE_TEXT];
    if (!args[HIGH].given)
        return tape_fail(
            t, ERROR_INVALID_ARGUMENT,
            "stateless_uniform: For integer `dtype` argument %s, argument `maxval` must "
            "be given",
            dtype_name(args[DTYPE].dtype));
    const node_id low = args[LOW].given ? args[LOW].node : tape_scalar(t, args[DTYPE].dtype, 0);
    const node_id bound[2] = {low, high};
    for (int i = 0; i < 2; i++) {
        if (bound[i] == NODE_NONE) return NODE_NONE;
        const struct shape *shape = tape_shape(t, bound[i]);
        if (shape->rank > 0)
            return tape_fail(t, ERROR_SHAPE_MISMATCH,
                             "stateless_uniform: %s must be 0-D, got shape %s",
                             i ? "maxval" : "minval", shape_text(shape, text));
        if (tape_dtype(t, bound[i]) != args[DTYPE].dtype)
            return tape_fail(t, ERROR_DTYPE_MISMATCH,
                             "stateless_uniform: %s is %s where dtype is %s",
                             i ? "maxval" : "minval", dtype_name(tape_dtype(t, bound[i])),
                             dtype_name(args[DTYPE].dtype));
    }
    return tape_emit(t, OP_random_integers, (node_id[]){args[SEED].node, low, high}, 3, a,
                     sizeof *a);
}

/* u (maxval - minval) + minval, as TensorFlow has it: differentiable in both ends. */
static node_id stateless_uniform_emit(struct tape *t, const struct op_arg *args) {
    struct random_attrs a = {.kind = RANDOM_UNIFORM, .dtype = args[DTYPE].dtype};
    if (a.dtype == DTYPE_BOOL)
        return tape_fail(t, ERROR_DTYPE_MISMATCH, "stateless_uniform: dtype must be a number's");
    if (!read_draw(t, "stateless_uniform", &args[SHAPE], args[SEED].node, &a)) return NODE_NONE;
    if (!dtype_is_float(args[DTYPE].dtype)) return integers(t, args, &a);
    const node_id u = floats(t, args[SEED].node, &a);
    const node_id low = args[LOW].given ? args[LOW].node : emit_like(t, u, 0);
    const node_id high = args[HIGH].given ? args[HIGH].node : emit_like(t, u, 1);
    if (!args[LOW].given && !args[HIGH].given) return u;
    return emit_add(t, emit_multiply(t, u, emit_subtract(t, high, low)), low);
}

static node_id scaled(struct tape *t, const char *op, int kind, const struct op_arg *args) {
    struct random_attrs a = {.kind = kind, .dtype = args[DTYPE].dtype};
    if (!dtype_is_float(args[DTYPE].dtype))
        return tape_fail(t, ERROR_DTYPE_MISMATCH, "%s: dtype must be float32 or float64, found %s",
                         op, dtype_name(args[DTYPE].dtype));
    if (!read_draw(t, op, &args[SHAPE], args[SEED].node, &a)) return NODE_NONE;
    node_id z = floats(t, args[SEED].node, &a);
    if (args[HIGH].given) z = emit_multiply(t, z, args[HIGH].node);
    return args[LOW].given ? emit_add(t, z, args[LOW].node) : z;
}
static node_id stateless_normal_emit(struct tape *t, const struct op_arg *args) {
    return scaled(t, "stateless_normal", RANDOM_NORMAL, args);
}
static node_id stateless_truncated_normal_emit(struct tape *t, const struct op_arg *args) {
    return scaled(t, "stateless_truncated_normal", RANDOM_TRUNCATED_NORMAL, args);
}

#define RANDOM_OP(id, text, taken, low, high, standard)                                            \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .flags = OP_TYPED,                                                  \
                               .params = {{"shape", PARAM_INTS, false},                            \
                                          {"seed", PARAM_INDICES, false},                          \
                                          {low, PARAM_TENSOR, true},                               \
                                          {high, PARAM_TENSOR, true},                              \
                                          {"dtype", PARAM_DTYPE, true}},                           \
                               .dtypes = taken,                                                    \
                               .preset = {[LOW] = "0", [HIGH] = standard},                         \
                               .emit = id##_emit};
RANDOM_OP(stateless_uniform, "y = minval + (maxval - minval) u, u in [0, 1) by seed; or integers",
          DTYPES_NUMBERS, "minval", "maxval", "1")
RANDOM_OP(stateless_normal, "y = mean + stddev z, z normal by seed", DTYPES_FLOATS, "mean",
          "stddev", "1")
RANDOM_OP(stateless_truncated_normal,
          "y = mean + stddev z, z normal by seed and within two standard deviations", DTYPES_FLOATS,
          "mean", "stddev", "1")

/* ---- dropout ----------------------------------------------------------------------------------- */

static bool check_dropout(struct tape *t, const char *op, node_id x, double rate) {
    if (x == NODE_NONE) return false;
    if (rate >= 0 && rate < 1) return true;
    tape_fail(t, ERROR_INVALID_ARGUMENT,
              "%s: `rate` must be a scalar tensor or a float in the range [0, 1). Received: "
              "rate=%.17g",
              op, rate);
    return false;
}
/* x / (1 - rate) where `kept`, else 0. */
static node_id kept_of(struct tape *t, node_id x, double rate, node_id kept) {
    const node_id scaled_x = emit_multiply(t, x, emit_like(t, x, 1 / (1 - rate)));
    return emit_where(t, kept, scaled_x, emit_like(t, x, 0));
}

static node_id dropout_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node, mask = args[2].node;
    if (mask == NODE_NONE || !check_dropout(t, "dropout", x, args[1].f)) return NODE_NONE;
    struct shape joint;
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (!shape_broadcast(tape_shape(t, x), tape_shape(t, mask), &joint) ||
        !shape_equal(&joint, tape_shape(t, x)))
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "dropout: a mask of shape %s does not broadcast to x of shape %s",
                         shape_text(tape_shape(t, mask), b), shape_text(tape_shape(t, x), a));
    return args[1].f == 0 ? x : kept_of(t, x, args[1].f, mask);
}
const struct op op_dropout = {.name = "dropout",
                              .notation =
                                  "y = x / (1 - rate) where mask, else 0; x itself at rate 0",
                              .kind = OP_COMPOSITE,
                              .params = {{"x", PARAM_TENSOR, false},
                                         {"rate", PARAM_FLOAT, false},
                                         {"mask", PARAM_CONDITION, false}},
                              .dtypes = DTYPES_FLOATS,
                              .emit = dropout_emit};

static node_id stateless_dropout_emit(struct tape *t, const struct op_arg *args) {
    static const char name[] = "stateless_dropout";
    const node_id x = args[0].node, seed = args[2].node;
    if (!check_dropout(t, name, x, args[1].f) || !read_draw(t, name, NULL, seed, NULL))
        return NODE_NONE;
    if (args[1].f == 0) return x;
    const struct shape *shape = tape_shape(t, x);
    struct random_attrs a = {
        .kind = RANDOM_UNIFORM, .dtype = tape_dtype(t, x), .rank = shape->rank};
    for (int i = 0; i < shape->rank; i++) a.dim[i] = shape->dim[i];
    const node_id u = floats(t, seed, &a);
    return kept_of(t, x, args[1].f, emit_greater_equal(t, u, emit_like(t, u, args[1].f)));
}
const struct op op_stateless_dropout = {
    .name = "stateless_dropout",
    .notation = "y = x / (1 - rate) where u >= rate, else 0; u in [0, 1) by seed",
    .kind = OP_COMPOSITE,
    .params = {{"x", PARAM_TENSOR, false},
               {"rate", PARAM_FLOAT, false},
               {"seed", PARAM_INDICES, false}},
    .dtypes = DTYPES_FLOATS,
    .emit = stateless_dropout_emit};
