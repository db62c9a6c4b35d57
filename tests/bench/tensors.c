/* Tensor graphs inside of gradd's core, run after run on one thread and on two: a value and its gradients, a
 * step of gradient descent, a Hessian, a batch of points. Prints a line a graph: its name, the median of its
 * seconds, and of each result the first element and the sum of all squares, for tensors.py to compare with. Knows
 * nothing of JSON or HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/emit.h"
#include "core/plan.h"
#include "core/pool.h"
#include "core/sparse.h"

enum { SAMPLES = 15, INPUTS_MOST = 8 };

static void die(const char *what) {
    fprintf(stderr, "tensors: %s\n", what);
    exit(1);
}

/* What is asked of a graph's value: it and its gradients; it and what the sources become in a step of gradient
 * descent; its Hessian by the first source, whole or its numbers alone where it can be other than 0; it and its gradients where each input has a leading axis of points. */
enum asked { GRADIENTS, STEP, HESSIAN, SPARSE, BATCH };

struct graph {
    const char *name;
    enum dtype dtype;
    enum asked asked;
    int n_inputs, n_sources; /* the sources come first */
    struct shape shape[INPUTS_MOST];
    node_id (*build)(struct tape *t, const node_id *x);
};

enum { POINTS = 100000, RESULTS_MOST = 1 + INPUTS_MOST };
static const double rate = 0.1; /* of STEP */

static uint64_t state = 1;

/* Uniform in [-1, 1), by the generator of tensors.py. */
static double draw(void) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) * 0x1p-52 - 1;
}

static struct tensor fill(enum dtype dtype, const struct shape *shape) {
    struct tensor x = {.dtype = dtype, .shape = *shape};
    const int64_t n = shape_count(shape);
    x.data = aligned_alloc(64, (tensor_bytes(&x) + 63) & ~(size_t)63);
    if (!x.data) die("out of memory");
    for (int64_t i = 0; i < n; i++) {
        if (dtype == DTYPE_F64)
            ((double *)x.data)[i] = draw();
        else
            ((float *)x.data)[i] = (float)draw();
    }
    return x;
}

/* ---- the graphs ---- */

static node_id sum(struct tape *t, node_id x) {
    return emit_reduce(t, OP_reduce_sum, x, (1U << tape_shape(t, x)->rank) - 1, false);
}

/* sum(tanh(x w + sin x)^2 / (1 + exp(-w))) */
static node_id chain(struct tape *t, const node_id *x) {
    const node_id inner = emit_add(t, emit_multiply(t, x[0], x[1]), emit_sin(t, x[0]));
    const node_id y = emit_square(t, tape_emit(t, OP_tanh, &inner, 1, NULL, 0));
    const node_id below = emit_exp(t, emit_negative(t, x[1]));
    return sum(t, emit_divide(t, y, emit_add(t, emit_like(t, below, 1), below)));
}

/* mean(log(1 + exp(-s (a w)))), s the signs of the last input */
static node_id logistic(struct tape *t, const node_id *x) {
    const node_id z =
        emit_multiply(t, emit_sign(t, x[2]), emit_matmul(t, x[1], x[0], false, false));
    const node_id e = emit_exp(t, emit_negative(t, z));
    const node_id loss = tape_emit(t, OP_log1p, &e, 1, NULL, 0);
    return emit_reduce(t, OP_reduce_mean, loss, 3, false);
}

/* mean((relu(a v + b) w + c - y)^2): 784-128-10 */
static node_id network(struct tape *t, const node_id *x) {
    const node_id inner = emit_add(t, emit_matmul(t, x[4], x[0], false, false), x[1]);
    const node_id hidden = tape_emit(t, OP_relu, &inner, 1, NULL, 0);
    const node_id out = emit_add(t, emit_matmul(t, hidden, x[2], false, false), x[3]);
    return emit_reduce(t, OP_reduce_mean, emit_square(t, emit_subtract(t, out, x[5])), 3, false);
}

/* sum(100 (x' - x^2)^2 + (1 - x)^2), x' the next element */
static node_id rosenbrock(struct tape *t, const node_id *x) {
    const int64_t first[] = {0}, second[] = {1}, stride[] = {1};
    struct shape shape = *tape_shape(t, x[0]);
    shape.dim[0]--;
    const node_id here = emit_strided_slice(t, x[0], &shape, first, stride);
    const node_id next = emit_strided_slice(t, x[0], &shape, second, stride);
    const node_id valley = emit_square(t, emit_subtract(t, next, emit_square(t, here)));
    const node_id hill = emit_square(t, emit_subtract(t, emit_like(t, here, 1), here));
    return sum(t, emit_add(t, emit_multiply(t, emit_like(t, valley, 100), valley), hill));
}

/* (x1 + 5) x2^2 */
static node_id first_request(struct tape *t, const node_id *x) {
    return emit_multiply(t, emit_add(t, x[0], emit_like(t, x[0], 5)),
                         emit_pow(t, x[1], emit_like(t, x[1], 2)));
}

static const struct graph graphs[] = {
    {"chain", DTYPE_F32, GRADIENTS, 2, 2, {{1, {1000000}}, {1, {1000000}}}, chain},
    {"logistic",
     DTYPE_F32,
     GRADIENTS,
     3,
     1,
     {{2, {100, 1}}, {2, {10000, 100}}, {2, {10000, 1}}},
     logistic},
    {"network",
     DTYPE_F32,
     STEP,
     6,
     4,
     {{2, {784, 128}}, {1, {128}}, {2, {128, 10}}, {1, {10}}, {2, {128, 784}}, {2, {128, 10}}},
     network},
    {"rosenbrock_100", DTYPE_F64, HESSIAN, 1, 1, {{1, {100}}}, rosenbrock},
    {"rosenbrock_1000", DTYPE_F64, HESSIAN, 1, 1, {{1, {1000}}}, rosenbrock},
    {"sparse_1000", DTYPE_F64, SPARSE, 1, 1, {{1, {1000}}}, rosenbrock},
    {"sparse_10000", DTYPE_F64, SPARSE, 1, 1, {{1, {10000}}}, rosenbrock},
    {"batch", DTYPE_F32, BATCH, 2, 2, {{0, {0}}, {0, {0}}}, first_request},
};

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What is checked of a result. */
struct seen {
    double first, squares;
};

static double element(const struct tensor *x, int64_t i) {
    return x->dtype == DTYPE_F64 ? ((const double *)x->data)[i]
                                 : (double)((const float *)x->data)[i];
}

static struct seen look(const struct tensor *x) {
    struct seen seen = {element(x, 0), 0};
    for (int64_t i = 0; i < shape_count(&x->shape); i++)
        seen.squares += element(x, i) * element(x, i);
    return seen;
}

/* Runs the plan again and again; the median, and the answer. */
static void measure_runs(const struct graph *g, const struct plan *plan, size_t n_results,
                         const struct tensor *const *bound, struct pool *pool) {
    const struct run_control control = {.pool = pool};
    struct error error;
    double seconds[SAMPLES];
    struct seen seen[RESULTS_MOST];
    error_clear(&error);
    for (int i = -2; i < SAMPLES; i++) {
        const int64_t begun = clock_now();
        struct run *run = plan_run(plan, bound, &control, &error);
        const int64_t took = clock_now() - begun;
        if (!run) die(error.detail);
        if (i >= 0) seconds[i] = (double)took * 1e-9;
        for (size_t k = 0; i == SAMPLES - 1 && k < n_results; k++) {
            const struct tensor result = run_result(run, k);
            seen[k] = look(&result);
        }
        run_end(run);
    }
    qsort(seconds, SAMPLES, sizeof *seconds, compare_doubles);
    printf("%s%s %.9f", g->name, pool ? "_2" : "", seconds[SAMPLES / 2]);
    for (size_t k = 0; k < n_results; k++) printf(" %.17g %.17g", seen[k].first, seen[k].squares);
    printf("\n");
}

/* ---- from a graph to what is asked of it ---- */

/* Replaces each source's gradient by what the source becomes. */
static void descend(struct tape *t, const node_id *x, size_t n, node_id *gradients) {
    for (size_t i = 0; i < n; i++) {
        const node_id move = emit_multiply(t, emit_like(t, x[i], rate), gradients[i]);
        gradients[i] = emit_subtract(t, x[i], move);
    }
}

/* The same results for all points; x becomes the points. */
static bool spread(struct tape *t, const struct graph *g, node_id *x, node_id *wanted, size_t n) {
    node_id points[INPUTS_MOST], images[RESULTS_MOST];
    const size_t n_inputs = (size_t)g->n_inputs;
    for (size_t i = 0; i < n_inputs; i++) {
        struct shape shape;
        if (!shape_lead(t, &g->shape[i], POINTS, &shape)) return false;
        points[i] = tape_input(t, g->dtype, &shape);
    }
    if (!tape_batch(t, x, points, n_inputs, wanted, n, images)) return false;
    memcpy(x, points, n_inputs * sizeof *x);
    memcpy(wanted, images, n * sizeof *wanted);
    return true;
}

/* How many results stand in `wanted`; the inputs that they read are in x. */
static size_t ask(struct tape *t, const struct graph *g, node_id *x, node_id *wanted) {
    const size_t n = (size_t)g->n_sources;
    for (int i = 0; i < g->n_inputs; i++) x[i] = tape_input(t, g->dtype, &g->shape[i]);
    wanted[0] = g->build(t, x);
    const struct window window = {
        .watched = x, .n_watched = (uint32_t)n, .begin = 0, .end = t->count};
    bool ok = tape_gradient(t, &window, wanted, NULL, 1, x, n, wanted + 1);
    size_t n_results = 1 + n;
    if (ok && g->asked == STEP) descend(t, x, n, wanted + 1);
    if (ok && g->asked == BATCH) ok = spread(t, g, x, wanted, n_results);
    if (g->asked == HESSIAN || g->asked == SPARSE) n_results = 1;
    if (ok && g->asked == HESSIAN) ok = tape_hessian(t, &window, wanted + 1, x, 1, wanted);
    if (ok && g->asked == SPARSE) {
        struct sparse block;
        ok = tape_sparse_hessian(t, &window, wanted + 1, x, 1, &block);
        wanted[0] = block.values;
    }
    if (!ok || !tape_ok(t)) die(t->error->detail);
    return n_results;
}

static void measure(const struct graph *g, struct pool *pool) {
    struct arena arena;
    struct error error;
    struct tape t;
    node_id x[INPUTS_MOST], wanted[RESULTS_MOST];
    struct tensor tensors[INPUTS_MOST];
    const struct tensor *bound[INPUTS_MOST];
    arena_init(&arena, SIZE_MAX / 2);
    error_clear(&error);
    tape_init(&t, &arena, &error, (struct tape_limits){1000000, 1 << 27, 1 << 27});
    const size_t n_results = ask(&t, g, x, wanted);
    state = 1;
    for (int i = 0; i < g->n_inputs; i++) {
        tensors[i] = fill(g->dtype, tape_shape(&t, x[i]));
        bound[i] = &tensors[i];
    }
    struct plan_cache *cache = plan_cache_new(4, SIZE_MAX / 2, 1);
    const node_id *inputs;
    size_t n_inputs;
    struct plan *plan = plan_get(cache, &t, wanted, n_results, &inputs, &n_inputs, &arena, &error);
    if (!plan) die(error.detail);
    if (n_inputs != (size_t)g->n_inputs) die("the plan does not read every input");
    measure_runs(g, plan, n_results, bound, NULL);
    measure_runs(g, plan, n_results, bound, pool);
    for (int i = 0; i < g->n_inputs; i++) free(tensors[i].data);
    plan_release(plan);
    plan_cache_free(cache);
    arena_free(&arena);
}

/* Whether a graph was named on the command line, or none was. */
static bool is_meant(const struct graph *g, int argc, char **argv) {
    bool meant = argc < 2;
    for (int i = 1; i < argc; i++) meant = meant || strcmp(argv[i], g->name) == 0;
    return meant;
}

int main(int argc, char **argv) {
    struct pool *pool = pool_start(2);
    if (!pool) die("no second thread");
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++)
        if (is_meant(&graphs[i], argc, argv)) measure(&graphs[i], pool);
    pool_stop(pool);
    return 0;
}
