/* The scalar bench: value and gradient of random scalar graphs, gradd's core beside ADOL-C on the same
 * graph in the same process. Asserts that both answers agree, and writes the graphs and the answers to a file
 * for scalar.py, which does the same with CasADi. Prints a line a measurement: its name, the operations of the
 * graph, and nanoseconds an operation. Knows nothing of JSON or HTTP.
 *
 *     scalar GRAPHS */
#include "tests/bench/scalar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/op.h"
#include "core/plan.h"
#include "core/run.h"

enum { SAMPLES = 7 };
static const int64_t sample_ns = 30 * 1000 * 1000;

static void die(const char *what) {
    fprintf(stderr, "scalar: %s\n", what);
    exit(1);
}

/* ---- random graphs ---- */

static uint64_t random_next(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t random_below(uint64_t *state, uint32_t n) {
    return (uint32_t)(random_next(state) % n);
}

static double op_value(const struct graph_op *op, const double *v) {
    switch (op->kind) {
    case GRAPH_ADD:
        return v[op->a] + v[op->b];
    case GRAPH_SUBTRACT:
        return v[op->a] - v[op->b];
    case GRAPH_MULTIPLY:
        return v[op->a] * v[op->b];
    case GRAPH_DIVIDE:
        return v[op->a] / v[op->b];
    case GRAPH_SIN:
        return sin(v[op->a]);
    case GRAPH_TANH:
        return tanh(v[op->a]);
    case GRAPH_KINDS:
        break;
    }
    return NAN;
}

/* Draws again what would leave [-2, 2] or divide by less than 1/2, so that neither values nor
 * derivatives run away in graphs of tens of thousands of operations. */
static double draw_op(struct graph_op *op, uint64_t *state, uint32_t a, uint32_t n,
                      const double *v) {
    for (;;) {
        op->kind = (enum graph_kind)random_below(state, GRAPH_KINDS);
        op->a = a;
        op->b = random_below(state, n);
        if (op->kind == GRAPH_DIVIDE && fabs(v[op->b]) < 0.5) continue;
        double y = op_value(op, v);
        if (fabs(y) <= 2) return y;
    }
}

/* Every value waits in a pool until an operation has read it, and the last operations sum what is
 * left there: nothing in the graph is dead, so both sides have the same work to do. */
static struct graph graph_random(uint32_t n_ops, uint64_t seed) {
    struct graph g = {.n_ops = n_ops, .ops = calloc(n_ops, sizeof *g.ops)};
    double *v = malloc((GRAPH_INPUTS + n_ops) * sizeof *v);
    if (!g.ops || !v) die("out of memory");
    uint32_t pool[GRAPH_INPUTS];
    for (uint32_t i = 0; i < GRAPH_INPUTS; i++) {
        pool[i] = i;
        v[i] = g.x[i] = (double)(random_next(&seed) >> 11) * 0x1p-52 - 1;
    }
    uint32_t n_random = n_ops - (GRAPH_INPUTS - 1);
    for (uint32_t i = 0; i < n_random; i++) {
        uint32_t *slot = &pool[random_below(&seed, GRAPH_INPUTS)], n = GRAPH_INPUTS + i;
        v[n] = draw_op(&g.ops[i], &seed, *slot, n, v);
        *slot = n;
    }
    uint32_t sum = pool[0];
    for (uint32_t i = 1; i < GRAPH_INPUTS; i++) {
        g.ops[n_random + i - 1] = (struct graph_op){GRAPH_ADD, sum, pool[i]};
        sum = GRAPH_INPUTS + n_random + i - 1;
    }
    free(v);
    return g;
}

/* ---- gradd's side ---- */

static const int op_tags[GRAPH_KINDS] = {
    [GRAPH_ADD] = OP_add,       [GRAPH_SUBTRACT] = OP_subtract, [GRAPH_MULTIPLY] = OP_multiply,
    [GRAPH_DIVIDE] = OP_divide, [GRAPH_SIN] = OP_sin,           [GRAPH_TANH] = OP_tanh,
};

/* All that one request would do with a graph that is already decoded: tape, gradient, plan. */
static struct plan *gradd_plan(const struct graph *g, struct plan_cache *cache,
                               struct arena *arena) {
    struct error error;
    error_clear(&error);
    struct tape t;
    tape_init(&t, arena, &error,
              (struct tape_limits){.nodes = 2000000, .elements = 1 << 27, .walk = 1 << 27});
    node_id *v = arena_alloc(arena, (GRAPH_INPUTS + g->n_ops) * sizeof *v);
    if (!v) die("out of memory");
    for (uint32_t i = 0; i < GRAPH_INPUTS; i++) v[i] = tape_input(&t, DTYPE_F64, &shape_scalar);
    for (uint32_t i = 0; i < g->n_ops; i++) {
        const struct graph_op *op = &g->ops[i];
        uint32_t n_args = op->kind == GRAPH_SIN || op->kind == GRAPH_TANH ? 1 : 2;
        v[GRAPH_INPUTS + i] =
            tape_emit(&t, op_tags[op->kind], (node_id[]){v[op->a], v[op->b]}, n_args, NULL, 0);
    }
    node_id wanted[1 + GRAPH_INPUTS];
    wanted[0] = v[GRAPH_INPUTS + g->n_ops - 1];
    struct window window = {.watched = v, .n_watched = GRAPH_INPUTS, .begin = 0, .end = t.count};
    const node_id *inputs;
    size_t n_inputs;
    if (!tape_gradient(&t, &window, wanted, NULL, 1, v, GRAPH_INPUTS, wanted + 1))
        die(error.detail);
    struct plan *plan =
        plan_get(cache, &t, wanted, 1 + GRAPH_INPUTS, &inputs, &n_inputs, arena, &error);
    if (!plan) die(error.detail);
    if (n_inputs != GRAPH_INPUTS) die("the plan does not read every input");
    return plan;
}

static void gradd_run(const struct graph *g, const struct plan *plan, struct graph_answer *answer) {
    struct tensor x[GRAPH_INPUTS];
    const struct tensor *inputs[GRAPH_INPUTS];
    for (uint32_t i = 0; i < GRAPH_INPUTS; i++) {
        x[i] = (struct tensor){DTYPE_F64, shape_scalar, (void *)(uintptr_t)&g->x[i]};
        inputs[i] = &x[i];
    }
    struct error error;
    error_clear(&error);
    struct run *run = plan_run(plan, inputs, NULL, &error);
    if (!run) die(error.detail);
    answer->value = *(const double *)run_result(run, 0).data;
    for (uint32_t i = 0; i < GRAPH_INPUTS; i++)
        answer->gradient[i] = *(const double *)run_result(run, 1 + i).data;
    run_end(run);
}

/* ---- timing ---- */

struct elementary;

struct subject {
    const struct graph *g;
    struct elementary *elementary;
    struct plan_cache *cache; /* a warm one; NULL: a new one each time */
    struct plan *plan;
    struct graph_answer answer;
};

static void do_gradd_run(struct subject *s) { gradd_run(s->g, s->plan, &s->answer); }
static void do_adolc_run(struct subject *s) { adolc_run(s->g, &s->answer); }

static void do_gradd_plan(struct subject *s) {
    struct plan_cache *cache = s->cache ? s->cache : plan_cache_new(16, SIZE_MAX / 2, 1);
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    plan_release(gradd_plan(s->g, cache, &arena));
    arena_free(&arena);
    if (!s->cache) plan_cache_free(cache);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of this thread alone, so that what else the machine does is not counted, nor OpenBLAS' idle threads. */
static int64_t cpu_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Nanoseconds an operation of the graph: the median of SAMPLES samples of about sample_ns each. */
static double timed(void (*work)(struct subject *), struct subject *s) {
    double samples[SAMPLES];
    work(s);
    int64_t start = cpu_now();
    work(s);
    int64_t once = cpu_now() - start, repeats = 1 + sample_ns / (once + 1);
    for (int i = 0; i < SAMPLES; i++) {
        start = cpu_now();
        for (int64_t k = 0; k < repeats; k++) work(s);
        samples[i] = (double)(cpu_now() - start) / (double)repeats / s->g->n_ops;
    }
    qsort(samples, SAMPLES, sizeof *samples, compare_doubles);
    return samples[SAMPLES / 2];
}

/* Largest difference, relative to the size of what is compared. */
static double disagreement(const struct graph_answer *a, const struct graph_answer *b) {
    if (!isfinite(a->value) || !isfinite(b->value)) return INFINITY;
    double worst = fabs(a->value - b->value) / fmax(fabs(b->value), 1e-300);
    for (int i = 0; i < GRAPH_INPUTS; i++) {
        double x = a->gradient[i], y = b->gradient[i];
        if (!isfinite(x) || !isfinite(y)) return INFINITY;
        worst = fmax(worst, fabs(x - y) / fmax(fmax(fabs(x), fabs(y)), 1e-300));
    }
    return worst;
}

/* ---- what sin and tanh cost by themselves, and the cos of sin's derivative ---- */

/* The arguments of every sin and of every tanh, as cells; cos is taken of the former. */
struct elementary {
    double *cells; /* arguments of sin, those of tanh, then room for as many results, thrice */
    uint32_t *in;
    uint32_t n_sin, n_tanh;
};

static struct elementary elementary_of(const struct graph *g) {
    struct elementary e = {.cells = calloc(4 * (size_t)g->n_ops, sizeof *e.cells),
                           .in = malloc(g->n_ops * sizeof *e.in)};
    double *v = malloc((GRAPH_INPUTS + g->n_ops) * sizeof *v);
    if (!e.cells || !e.in || !v) die("out of memory");
    for (uint32_t i = 0; i < GRAPH_INPUTS; i++) v[i] = g->x[i];
    for (uint32_t i = 0; i < g->n_ops; i++) v[GRAPH_INPUTS + i] = op_value(&g->ops[i], v);
    for (uint32_t i = 0; i < g->n_ops; i++)
        if (g->ops[i].kind == GRAPH_SIN) e.cells[e.n_sin++] = v[g->ops[i].a];
    for (uint32_t i = 0; i < g->n_ops; i++)
        if (g->ops[i].kind == GRAPH_TANH) e.cells[e.n_sin + e.n_tanh++] = v[g->ops[i].a];
    for (uint32_t i = 0; i < e.n_sin + e.n_tanh; i++) e.in[i] = i;
    free(v);
    return e;
}

/* As a plan does it at its best: all that is alike in one group. */
static void do_gradd_elementary(struct subject *s) {
    struct elementary *e = s->elementary;
    char *cells = (char *)e->cells;
    const uint32_t n = e->n_sin + e->n_tanh;
    const struct group sine = {e->n_sin, n, {e->in}}, cosine = {e->n_sin, 2 * n, {e->in}},
                       tangent = {e->n_tanh, n + e->n_sin, {e->in + e->n_sin}};
    op_table[OP_sin]->cells[DTYPE_F64].many(&sine, cells);
    op_table[OP_cos]->cells[DTYPE_F64].many(&cosine, cells);
    op_table[OP_tanh]->cells[DTYPE_F64].many(&tangent, cells);
}

/* As the C library does it, which the others call. */
static void do_libm_elementary(struct subject *s) {
    struct elementary *e = s->elementary;
    const uint32_t n = e->n_sin + e->n_tanh;
    double *out = e->cells + n;
    for (uint32_t i = 0; i < e->n_sin; i++) out[i] = sin(e->cells[i]);
    for (uint32_t i = 0; i < e->n_sin; i++) out[n + i] = cos(e->cells[i]);
    for (uint32_t i = e->n_sin; i < n; i++) out[i] = tanh(e->cells[i]);
}

static void elementary_free(struct elementary *e) {
    free(e->cells);
    free(e->in);
}

/* ---- all of it ---- */

/* A line with the sizes, one with the inputs, one an operation, and the answer; numbers as %a has them. */
static void write_graph(FILE *f, const struct graph *g, const struct graph_answer *answer) {
    fprintf(f, "%u %d\n", g->n_ops, GRAPH_INPUTS);
    for (int i = 0; i < GRAPH_INPUTS; i++) fprintf(f, "%a ", g->x[i]);
    for (uint32_t i = 0; i < g->n_ops; i++)
        fprintf(f, "\n%d %u %u", g->ops[i].kind, g->ops[i].a, g->ops[i].b);
    fprintf(f, "\n%a", answer->value);
    for (int i = 0; i < GRAPH_INPUTS; i++) fprintf(f, " %a", answer->gradient[i]);
    fprintf(f, "\n");
}

static void report(const char *name, uint32_t n_ops, double ns) {
    printf("%s %u %.2f\n", name, n_ops, ns);
}

static void bench(uint32_t n_ops, FILE *graphs) {
    struct graph g = graph_random(n_ops, n_ops);
    struct elementary elementary = elementary_of(&g);
    struct plan_cache *cache = plan_cache_new(16, SIZE_MAX / 2, 1);
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct subject gradd = {.g = &g, .plan = gradd_plan(&g, cache, &arena)}, adolc = {.g = &g};
    gradd.elementary = &elementary;
    arena_free(&arena);

    adolc_record(&g);
    report("run", n_ops, timed(do_gradd_run, &gradd));
    report("run_adolc", n_ops, timed(do_adolc_run, &adolc));
    if (!(disagreement(&gradd.answer, &adolc.answer) <= 1e-10)) die("gradd and ADOL-C disagree");
    report("elementary", n_ops, timed(do_gradd_elementary, &gradd));
    report("elementary_libm", n_ops, timed(do_libm_elementary, &gradd));
    report("compile", n_ops, timed(do_gradd_plan, &gradd));
    gradd.cache = cache;
    report("known", n_ops, timed(do_gradd_plan, &gradd));
    write_graph(graphs, &g, &gradd.answer);
    plan_release(gradd.plan);
    plan_cache_free(cache);
    elementary_free(&elementary);
    free(g.ops);
}

int main(int argc, char **argv) {
    FILE *graphs = argc == 2 ? fopen(argv[1], "w") : NULL;
    if (!graphs) die("usage: scalar GRAPHS, a file that can be written");
    bench(1000, graphs);
    bench(10000, graphs);
    bench(50000, graphs);
    if (fclose(graphs)) die("the graphs were not written");
    return 0;
}
