/* Every op, by the table of cases: values run, derivatives agree with finite differences, forward and
 * reverse mode are adjoint, second derivatives agree, and the batch rule gives a loop's bits. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "core/plan.h"
#include "op_cases.h"

enum { WANTED_MAX = 8, BATCH = 3 };

/* One tape with the case's inputs, and a way to run it at any point. */
struct bench {
    const struct op_case *c;
    struct arena arena;
    struct error error;
    struct tape tape;
    node_id x[CASE_INPUTS];
    struct tensor point[CASE_INPUTS];
    struct plan_cache *plans;
};

static uint64_t random_state;
static double uniform(double low, double high) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return low + (high - low) * (double)(random_state >> 11) * 0x1p-53;
}

static struct tensor random_tensor(struct bench *b, const struct shape *shape, double low,
                                   double high) {
    struct tensor x = {DTYPE_F64, *shape, NULL};
    x.data = arena_alloc_tensor(&b->arena, tensor_bytes(&x) + 8);
    for (int64_t i = 0; i < shape_count(shape); i++) ((double *)x.data)[i] = uniform(low, high);
    return x;
}

static void setup(struct bench *b, const struct op_case *c) {
    random_state = 20240607;
    b->c = c;
    arena_init(&b->arena, 256 << 20);
    error_clear(&b->error);
    b->plans = plan_cache_new(64, 16 << 20, 1);
    tape_init(&b->tape, &b->arena, &b->error, (struct tape_limits){100000, 1 << 24, 10000000});
    for (int i = 0; i < c->n_in; i++) {
        b->x[i] = tape_input(&b->tape, DTYPE_F64, &c->in[i]);
        b->point[i] = random_tensor(b, &c->in[i], c->low, c->high);
    }
}

static void teardown(struct bench *b) {
    plan_cache_free(b->plans);
    arena_free(&b->arena);
}

static void assert_healthy(const struct bench *b) {
    if (b->error.code != ERROR_NONE) fail_msg("%s: %s", b->c->label, b->error.detail);
}

/* Values of nodes with inputs bound by id; copies live in the arena. */
static void run(struct bench *b, const node_id *wanted, size_t n, const node_id *ids,
                const struct tensor *values, size_t n_ids, struct tensor *out) {
    const node_id *inputs;
    const struct tensor *bound[64];
    size_t n_inputs;
    struct plan *plan =
        plan_get(b->plans, &b->tape, wanted, n, &inputs, &n_inputs, &b->arena, &b->error);
    assert_healthy(b);
    assert_true(n_inputs <= 64);
    for (size_t i = 0; i < n_inputs; i++) {
        bound[i] = NULL;
        for (size_t k = 0; k < n_ids; k++)
            if (ids[k] == inputs[i]) bound[i] = &values[k];
        assert_non_null(bound[i]);
    }
    struct run *r = plan_run(plan, bound, NULL, &b->error);
    assert_healthy(b);
    for (size_t i = 0; i < n; i++) {
        out[i] = run_result(r, i);
        void *copy = arena_alloc_tensor(&b->arena, tensor_bytes(&out[i]) + 8);
        out[i].data = memcpy(copy, out[i].data, tensor_bytes(&out[i]));
    }
    run_end(r);
    plan_release(plan);
}

static struct tensor moved(struct bench *b, const struct tensor *x, const struct tensor *v,
                           double h) {
    struct tensor y = *x;
    const double *from = x->data, *along = v->data;
    double *to = y.data = arena_alloc_tensor(&b->arena, tensor_bytes(x) + 8);
    if (!from || !along || !to) abort();
    for (int64_t i = 0; i < shape_count(&x->shape); i++) to[i] = from[i] + h * along[i];
    return y;
}

static void assert_close(const struct bench *b, const char *what, double a, double expected,
                         double tolerance) {
    if (fabs(a - expected) <= tolerance * (1 + fabs(expected))) return;
    fail_msg("%s: %s is %.17g where %.17g is expected", b->c->label, what, a, expected);
}

/* Central difference of the scalar node along v from the point. */
static double difference(struct bench *b, node_id scalar, const node_id *ids,
                         const struct tensor *values, size_t n_ids, const struct tensor *v,
                         double h) {
    struct tensor at[8], out[2];
    double f[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n_ids; i++)
            at[i] = i < (size_t)b->c->n_in ? moved(b, &values[i], &v[i], side ? -h : h) : values[i];
        run(b, &scalar, 1, ids, at, n_ids, out);
        f[side] = *(double *)out[0].data;
    }
    return (f[0] - f[1]) / (2 * h);
}

static node_id inner_product(struct tape *t, node_id x, node_id y) {
    node_id product = emit_multiply(t, x, y);
    return emit_reduce(t, OP_reduce_sum, product, (1u << tape_shape(t, product)->rank) - 1, false);
}

static void gradient(struct bench *b, node_id y, node_id seed, node_id *g) {
    struct window w = {
        .watched = b->x, .n_watched = (size_t)b->c->n_in, .begin = 0, .end = b->tape.count};
    tape_gradient(&b->tape, &w, &y, &seed, 1, b->x, (size_t)b->c->n_in, g);
    assert_healthy(b);
}

/* f = <u, y>; checks grad f against differences, <Jv,u> = <v,J'u>, and the derivative of <grad f, v>
 * along w in three ways: differences, reverse over reverse, forward over reverse. */
static void check_derivatives(const struct op_case *c) {
    struct bench b;
    setup(&b, c);
    struct tape *t = &b.tape;
    int n = c->n_in;
    node_id y = c->build(t, b.x);
    assert_healthy(&b);
    node_id ids[2 * CASE_INPUTS + 1], g[CASE_INPUTS], y_dot, v[CASE_INPUTS];
    struct tensor values[2 * CASE_INPUTS + 1] = {{0}}, along[CASE_INPUTS] = {{0}};
    struct tensor w[CASE_INPUTS] = {{0}}, out[WANTED_MAX];
    bool is_float = dtype_is_float(tape_dtype(t, y));

    node_id u = is_float ? tape_input(t, DTYPE_F64, tape_shape(t, y)) : NODE_NONE;
    for (int i = 0; i < n; i++) {
        ids[i] = b.x[i];
        values[i] = b.point[i];
        v[i] = ids[n + i] = tape_input(t, DTYPE_F64, &c->in[i]);
        along[i] = values[n + i] = random_tensor(&b, &c->in[i], -1, 1);
        w[i] = random_tensor(&b, &c->in[i], -1, 1);
    }
    size_t n_ids = 2 * (size_t)n;
    gradient(&b, y, u, g);
    tape_jvp(t, b.x, v, (size_t)n, &y, 1, &y_dot);
    assert_healthy(&b);
    unsigned inert = 0;
    for (int i = 0; i < n; i++) inert |= (unsigned)(g[i] == NODE_NONE) << i;
    if (inert != c->inert)
        fail_msg("%s: inert arguments are %x where %x is expected", c->label, inert, c->inert);
    run(&b, &y, 1, ids, values, n_ids, out);
    if (is_float) {
        ids[n_ids] = u;
        values[n_ids++] = random_tensor(&b, tape_shape(t, y), -1, 1);
    }
    if (inert == (1u << n) - 1) {
        assert_true(y_dot == NODE_NONE);
        teardown(&b);
        return;
    }

    node_id f = inner_product(t, y, u), slope = NODE_NONE;
    for (int i = 0; i < n; i++) {
        if (g[i] == NODE_NONE) continue;
        assert_true(shape_equal(tape_shape(t, g[i]), &c->in[i]));
        node_id part = inner_product(t, g[i], v[i]);
        slope = slope == NODE_NONE ? part : emit_add(t, slope, part);
    }
    node_id forward = inner_product(t, y_dot, u);
    run(&b, (node_id[]){slope, forward}, 2, ids, values, n_ids, out);
    double reverse_slope = *(double *)out[0].data;
    assert_close(&b, "<Jv,u>", *(double *)out[1].data, reverse_slope, 1e-13);
    assert_close(&b, "the gradient along v", reverse_slope,
                 difference(&b, f, ids, values, n_ids, along, 1e-5), 3e-9);

    node_id second[CASE_INPUTS], curvature = NODE_NONE, slope_dot;
    gradient(&b, slope, NODE_NONE, second);
    struct tensor expected[1];
    node_id w_id[CASE_INPUTS];
    for (int i = 0; i < n; i++) {
        w_id[i] = tape_input(t, DTYPE_F64, &c->in[i]);
        if (second[i] == NODE_NONE) continue;
        node_id part = inner_product(t, second[i], w_id[i]);
        curvature = curvature == NODE_NONE ? part : emit_add(t, curvature, part);
    }
    tape_jvp(t, b.x, w_id, (size_t)n, &slope, 1, &slope_dot);
    assert_healthy(&b);
    double by_difference = difference(&b, slope, ids, values, n_ids, w, 1e-5);
    node_id all_ids[16];
    struct tensor all_values[16];
    memcpy(all_ids, ids, n_ids * sizeof *ids);
    memcpy(all_values, values, n_ids * sizeof *values);
    for (int i = 0; i < n; i++) {
        all_ids[n_ids + (size_t)i] = w_id[i];
        all_values[n_ids + (size_t)i] = w[i];
    }
    double by_reverse = 0, by_forward = 0;
    if (curvature != NODE_NONE) {
        run(&b, &curvature, 1, all_ids, all_values, n_ids + (size_t)n, expected);
        by_reverse = *(double *)expected[0].data;
    }
    if (slope_dot != NODE_NONE) {
        run(&b, &slope_dot, 1, all_ids, all_values, n_ids + (size_t)n, expected);
        by_forward = *(double *)expected[0].data;
    }
    assert_close(&b, "the second derivative, reverse over reverse", by_reverse, by_difference,
                 3e-8);
    assert_close(&b, "the second derivative, forward over reverse", by_forward, by_reverse, 1e-12);
    teardown(&b);
}

/* For every non-empty set of inputs: value and gradient of N points in one run have the bits of N runs. */
static void check_batch(const struct op_case *c) {
    for (unsigned set = 1; set < 1u << c->n_in; set++) {
        struct bench b;
        setup(&b, c);
        struct tape *t = &b.tape;
        node_id wanted[1 + CASE_INPUTS], batched[1 + CASE_INPUTS], g[CASE_INPUTS];
        node_id from[CASE_INPUTS], to[CASE_INPUTS], ids[2 * CASE_INPUTS];
        struct tensor values[2 * CASE_INPUTS], points[BATCH][CASE_INPUTS], one[1 + CASE_INPUTS],
            all[1 + CASE_INPUTS];
        size_t n_wanted = 0, n_from = 0;
        node_id y = wanted[n_wanted++] = c->build(t, b.x);
        gradient(&b, y, NODE_NONE, g);
        for (int i = 0; i < c->n_in; i++)
            if (g[i] != NODE_NONE) wanted[n_wanted++] = g[i];
        for (int i = 0; i < c->n_in; i++) {
            struct shape shape = {.rank = c->in[i].rank + 1, .dim = {BATCH}};
            memcpy(shape.dim + 1, c->in[i].dim, (size_t)c->in[i].rank * sizeof shape.dim[0]);
            for (int k = 0; k < BATCH; k++) points[k][i] = b.point[i];
            ids[i] = b.x[i];
            values[i] = b.point[i];
            if (!(set >> i & 1)) continue;
            from[n_from] = b.x[i];
            to[n_from] = ids[i] = tape_input(t, DTYPE_F64, &shape);
            values[i] = random_tensor(&b, &shape, c->low, c->high);
            for (int k = 0; k < BATCH; k++)
                points[k][i].data = (double *)values[i].data + k * shape_count(&c->in[i]);
            n_from++;
        }
        tape_batch(t, from, to, n_from, wanted, n_wanted, batched);
        assert_healthy(&b);
        run(&b, batched, n_wanted, ids, values, (size_t)c->n_in, all);
        for (int k = 0; k < BATCH; k++) {
            run(&b, wanted, n_wanted, b.x, points[k], (size_t)c->n_in, one);
            for (size_t i = 0; i < n_wanted; i++) {
                size_t bytes = tensor_bytes(&one[i]);
                size_t at = batched[i] == wanted[i] ? 0 : (size_t)k * bytes;
                if (batched[i] != wanted[i]) assert_int_equal(all[i].shape.dim[0], BATCH);
                if (memcmp((char *)all[i].data + at, one[i].data, bytes) != 0)
                    fail_msg("%s: batch of inputs %x differs from the loop at point %d, result %zu",
                             c->label, set, k, i);
            }
        }
        teardown(&b);
    }
}

static void every_derivative_agrees_with_differences_and_with_its_adjoint(void **state) {
    (void)state;
    for (int op = 0; op < OP_COUNT; op++)
        for (size_t i = 0; i < op_cases[op]->n; i++) check_derivatives(&op_cases[op]->cases[i]);
}

static void every_batch_has_the_bits_of_a_loop(void **state) {
    (void)state;
    for (int op = 0; op < OP_COUNT; op++)
        for (size_t i = 0; i < op_cases[op]->n; i++) check_batch(&op_cases[op]->cases[i]);
}

static void every_op_is_described_and_complete(void **state) {
    (void)state;
    for (int op = 0; op < OP_COUNT; op++) {
        const struct op *o = op_table[op];
        assert_string_equal(o->name, op_cases[op]->op);
        assert_true(strlen(o->notation) > 10 && !strchr(o->notation, '\n'));
        if (op == OP_const || op == OP_input) continue;
        if (o->kind == OP_COMPOSITE) {
            assert_true(!o->emit != !o->emit_many);
            continue;
        }
        assert_non_null(o->infer);
        assert_true(o->flags & (OP_POINTWISE) || o->batch);
        assert_false(o->partial && o->vjp);
        assert_true(!o->vjp || o->jvp || o->flags & OP_LINEAR);
        bool declared = strstr(o->notation, "not differentiable") || o->flags & OP_UNRECORDED;
        if (!(o->partial || o->vjp) && !declared)
            fail_msg("%s has no derivative and does not say so", o->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_is_described_and_complete),
        cmocka_unit_test(every_derivative_agrees_with_differences_and_with_its_adjoint),
        cmocka_unit_test(every_batch_has_the_bits_of_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
