/* Tensor graphs inside of gradd's core, a value and its gradients, run after run on one thread and on two:
 * prints a line a graph, its name, the median of its seconds, the value and the first element of the first
 * gradient, for tensors.py to compare with. Knows nothing of JSON or HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/emit.h"
#include "core/plan.h"
#include "core/pool.h"

enum { SAMPLES = 15, INPUTS_MOST = 8 };

static void die(const char *what) {
    fprintf(stderr, "tensors: %s\n", what);
    exit(1);
}

struct graph {
    const char *name;
    int n_inputs, n_sources; /* the sources come first */
    struct shape shape[INPUTS_MOST];
    node_id (*build)(struct tape *t, const node_id *x);
};

static uint64_t state = 1;

/* Uniform in [-1, 1), by the generator of tensors.py. */
static double draw(void) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) * 0x1p-52 - 1;
}

static float *fill(int64_t n) {
    float *data = aligned_alloc(64, ((size_t)n * sizeof *data + 63) & ~(size_t)63);
    if (!data) die("out of memory");
    for (int64_t i = 0; i < n; i++) data[i] = (float)draw();
    return data;
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

static const struct graph graphs[] = {
    {"chain", 2, 2, {{1, {1000000}}, {1, {1000000}}}, chain},
    {"logistic", 3, 1, {{2, {100, 1}}, {2, {10000, 100}}, {2, {10000, 1}}}, logistic},
    {"network",
     6,
     4,
     {{2, {784, 128}}, {1, {128}}, {2, {128, 10}}, {1, {10}}, {2, {128, 784}}, {2, {128, 10}}},
     network},
};

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Runs the plan again and again; the median, and the answer. */
static void measure_runs(const char *name, const struct plan *plan,
                         const struct tensor *const *bound, struct pool *pool) {
    const struct run_control control = {.pool = pool};
    struct error error;
    double seconds[SAMPLES], value = 0, slope = 0;
    error_clear(&error);
    for (int i = -2; i < SAMPLES; i++) {
        const int64_t begun = clock_now();
        struct run *run = plan_run(plan, bound, &control, &error);
        const int64_t took = clock_now() - begun;
        if (!run) die(error.detail);
        if (i >= 0) seconds[i] = (double)took * 1e-9;
        value = (double)*(const float *)run_result(run, 0).data;
        slope = (double)*(const float *)run_result(run, 1).data;
        run_end(run);
    }
    qsort(seconds, SAMPLES, sizeof *seconds, compare_doubles);
    printf("%s%s %.9f %.9g %.9g\n", name, pool ? "_2" : "", seconds[SAMPLES / 2], value, slope);
}

static void measure(const struct graph *g, struct pool *pool) {
    struct arena arena;
    struct error error;
    struct tape t;
    node_id x[INPUTS_MOST], wanted[1 + INPUTS_MOST];
    struct tensor tensors[INPUTS_MOST];
    const struct tensor *bound[INPUTS_MOST];
    const size_t n_sources = (size_t)g->n_sources;
    arena_init(&arena, SIZE_MAX / 2);
    error_clear(&error);
    tape_init(&t, &arena, &error, (struct tape_limits){1000000, 1 << 27, 1 << 27});
    state = 1;
    for (int i = 0; i < g->n_inputs; i++) {
        x[i] = tape_input(&t, DTYPE_F32, &g->shape[i]);
        tensors[i] = (struct tensor){DTYPE_F32, g->shape[i], fill(shape_count(&g->shape[i]))};
        bound[i] = &tensors[i];
    }
    wanted[0] = g->build(&t, x);
    const struct window window = {
        .watched = x, .n_watched = (uint32_t)n_sources, .begin = 0, .end = t.count};
    struct plan_cache *cache = plan_cache_new(4, SIZE_MAX / 2, 1);
    const node_id *inputs;
    size_t n_inputs;
    if (!tape_gradient(&t, &window, wanted, NULL, 1, x, n_sources, wanted + 1)) die(error.detail);
    struct plan *plan =
        plan_get(cache, &t, wanted, 1 + n_sources, &inputs, &n_inputs, &arena, &error);
    if (!plan) die(error.detail);
    if (n_inputs != (size_t)g->n_inputs) die("the plan does not read every input");
    measure_runs(g->name, plan, bound, NULL);
    measure_runs(g->name, plan, bound, pool);
    for (int i = 0; i < g->n_inputs; i++) free(tensors[i].data);
    plan_release(plan);
    plan_cache_free(cache);
    arena_free(&arena);
}

int main(void) {
    struct pool *pool = pool_start(2);
    if (!pool) die("no second thread");
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) measure(&graphs[i], pool);
    pool_stop(pool);
    return 0;
}
