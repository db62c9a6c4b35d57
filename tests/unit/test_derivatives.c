/* Jacobians, Hessians and products with them: against each other, in blocks, to the bit, and within
 * their limits. Their answers' form is tested over HTTP. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json.h"
#include "ask.h"
#include "core/emit.h"

/* Asks and finds `part` in the answer. */
static void has(service_function service, const char *body, const char *part) {
    const char *found = ask(service, body);
    if (!strstr(found, part)) fail_msg("%s\n  expected %s\n  found    %s", body, part, found);
}

#define ROSENBROCK                                                                                 \
    "\"graph\":\"y = reduce_sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)\","          \
    "\"variables\":{\"x\":[0.3,-1.2,0.7]},\"dtype\":\"float64\",\"sources\":\"x\""

/* The elements of the member `name` of an answer, flat. */
static size_t elements(const char *answer, const char *name, double *out, size_t most) {
    char key[40];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(answer, key);
    assert_non_null(at);
    size_t n = 0;
    int depth = 0;
    for (at += strlen(key); *at; at++) {
        if (*at == '[') depth++;
        if (*at == ']' && --depth == 0) break;
        if (*at != '-' && (*at < '0' || *at > '9')) continue;
        char *end;
        assert_true(n < most);
        out[n++] = strtod(at, &end);
        at = end - 1;
    }
    return n;
}

static void a_hessian_is_symmetric_to_the_bit_and_agrees_with_hvp(void **state) {
    (void)state;
    double h[9], product[3];
    assert_int_equal(elements(ask(service_hessian, "{" ROSENBROCK "}"), "hessian", h, 9), 9);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++) assert_memory_equal(&h[3 * i + j], &h[3 * j + i], sizeof *h);
    assert_int_equal(elements(ask(service_hvp, "{" ROSENBROCK ",\"vector\":{\"x\":[1,-2,3]}}"),
                              "hvp", product, 3),
                     3);
    for (size_t i = 0; i < 3; i++)
        assert_true(fabs(product[i] - (h[3 * i] - 2 * h[3 * i + 1] + 3 * h[3 * i + 2])) < 1e-9);
}

static void blocks_of_two_sources_are_transposes_to_the_bit(void **state) {
    (void)state;
    double h[40];
    assert_int_equal(
        elements(ask(service_hessian,
                     "{\"graph\":\"y = reduce_sum(tanh(matmul(reshape(w, [1, 3]), "
                     "reshape(x, [3, 1]))) * exp(x / 3))\",\"sources\":[\"x\",\"w\"],\"variables\":"
                     "{\"x\":[0.1,0.2,0.7],\"w\":[0.4,-0.3,0.9]}}"),
                 "hessian", h, 40),
        36);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            assert_memory_equal(&h[9 + 3 * i + j], &h[18 + 3 * j + i], sizeof *h);
}

static void forward_and_reverse_jacobians_agree(void **state) {
    (void)state;
    /* The same function with a narrow source (forward) and with a wide one beside it (reverse). */
    double forward[6], reverse[6];
    static const char narrow[] =
        "{\"graph\":\"y = sin(x[0] * [1, 2, 3]) * x[1]\",\"variables\":{\"x\":[0.5,2]},"
        "\"dtype\":\"float64\",\"sources\":\"x\"}";
    static const char wide[] =
        "{\"graph\":\"y = sin(x[0] * [1, 2, 3]) * x[1] + 0 * w[:3]\",\"variables\":{\"x\":[0.5,2],"
        "\"w\":[1,2,3,4]},\"dtype\":\"float64\",\"sources\":{\"j\":\"x\",\"w\":\"w\"}}";
    assert_int_equal(elements(ask(service_jacobian, narrow), "jacobian", forward, 6), 6);
    assert_int_equal(elements(ask(service_jacobian, wide), "j", reverse, 6), 6);
    for (size_t i = 0; i < 6; i++) assert_true(fabs(forward[i] - reverse[i]) < 1e-15);
}

/* A tape with one input of n elements of float32. */
struct bench {
    struct arena arena;
    struct error error;
    struct tape t;
    node_id x;
};

static void bench_begin(struct bench *b, int64_t n) {
    arena_init(&b->arena, (size_t)1 << 30);
    error_clear(&b->error);
    const struct tape_limits limits = {
        .nodes = 100000, .elements = INT64_C(1) << 27, .walk = 1000000};
    tape_init(&b->t, &b->arena, &b->error, limits);
    b->x = tape_input(&b->t, DTYPE_F32, &(struct shape){.rank = 1, .dim = {n}});
}

static size_t count_ops(const struct tape *t, int op) {
    size_t n = 0;
    for (node_id i = 0; i < t->count; i++) n += tape_node(t, i)->op == op;
    return n;
}

static void rows_come_in_blocks_that_fit(void **state) {
    (void)state;
    enum { N = 3000 };
    struct bench b;
    float data[N];
    for (int i = 0; i < N; i++) data[i] = (float)i;
    bench_begin(&b, N);
    const node_id y = emit_square(&b.t, b.x);
    const struct window w = {.watched = &b.x, .n_watched = 1, .begin = 0, .end = b.t.count};
    node_id jacobian;
    assert_true(tape_jacobian(&b.t, &w, y, &b.x, 1, &jacobian));
    assert_true(count_ops(&b.t, OP_concat) == 1 && count_ops(&b.t, OP_equal) > 1);
    const node_id wanted[] = {
        emit_reduce(&b.t, OP_reduce_sum, jacobian, 1, false),
        emit_reduce(&b.t, OP_reduce_sum, emit_square(&b.t, jacobian), 2, false)};
    struct plan_cache *plans = plan_cache_new(4, 1 << 26, 1);
    const node_id *inputs;
    size_t n_inputs;
    struct plan *plan = plan_get(plans, &b.t, wanted, 2, &inputs, &n_inputs, &b.arena, &b.error);
    assert_non_null(plan);
    assert_int_equal(n_inputs, 1);
    const struct tensor bound = {DTYPE_F32, {.rank = 1, .dim = {N}}, data}, *const list[] = {
                                                                                &bound};
    struct run *run = plan_run(plan, list, NULL, &b.error);
    assert_non_null(run);
    for (size_t k = 0; k < 2; k++) {
        const float *sums = run_result(run, k).data;
        for (int i = 0; i < N; i++) {
            const float d = 2 * (float)i;
            assert_true(sums[i] == (k ? d * d : d));
        }
    }
    run_end(run);
    plan_release(plan);
    plan_cache_free(plans);
    arena_free(&b.arena);
}

static void directions_are_no_part_of_the_plan(void **state) {
    (void)state;
    struct plan_cache *plans = plan_cache_new(10, 1 << 20, 3);
    static const char *const bodies[] = {
        "{\"graph\":\"y = x ** 3\",\"variables\":{\"x\":2},\"tangents\":{\"x\":1}}",
        "{\"graph\":\"y = x ** 3\",\"variables\":{\"x\":2},\"tangents\":{\"x\":5}}"};
    for (size_t i = 0; i < 2; i++) {
        struct writer out;
        struct error error;
        error_clear(&error);
        writer_init(&out, 1000);
        const struct service_call call = {.plans = plans,
                                          .limits = &service_limits_default,
                                          .body = bodies[i],
                                          .body_length = strlen(bodies[i])};
        assert_true(service_jvp(&call, &out, &error));
        assert_memory_equal(out.data,
                            i ? "{\"value\":8.0,\"jvp\":60.0}" : "{\"value\":8.0,\"jvp\":12.0}",
                            out.length);
        writer_free(&out);
    }
    assert_int_equal(plan_cache_stats(plans).compiled, 1);
    plan_cache_free(plans);
}

static void limits_are_kept_before_anything_is_spent(void **state) {
    (void)state;
    struct service_limits limits = service_limits_default;
    limits.max_work = 1000;
    assert_string_equal(
        ask_within(service_check, "{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":[1,2,3,4]}}",
                   &limits),
        "too_much_work: the request takes up to 160 runs of about 265 operations each; the limit "
        "is 1000 operations");
    limits = service_limits_default;
    limits.max_elements = 15;
    assert_string_equal(
        ask_within(service_jacobian, "{\"graph\":\"y = x ** 2\",\"variables\":{\"x\":[1,2,3,4]}}",
                   &limits),
        "too_many_elements: a derivative of shape (4,4) has more than the 15 elements a tensor may "
        "have");
    limits = service_limits_default;
    limits.max_request_bytes = 100000;
    const char *found =
        ask_within(service_jacobian,
                   "{\"graph\":\"a = broadcast_to(x, [300]); y = a ** 2\",\"variables\":{\"x\":1},"
                   "\"sources\":\"a\"}",
                   &limits);
    assert_non_null(strstr(found, "memory_budget: the request needs "));
    limits = service_limits_default;
    limits.max_nodes = 3;
    assert_string_equal(ask_within(service_hessian,
                                   "{\"graph\":\"y = x\",\"variables\":{\"x\":1,\"w\":2}}",
                                   &limits),
                        "graph_too_large: a Hessian of 2 sources has 4 blocks; the limit is 3 "
                        "[/sources]");
}

static void a_check_follows_its_deadline(void **state) {
    (void)state;
    has(service_check,
        "{\"graph\":\"y = reduce_sum(sin(broadcast_to(x, [100, 100, 100])))\",\"variables\":"
        "{\"x\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,"
        "2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,"
        "7,8,9,0,1,2,3,4,5,6,7,8,9,0]},\"timeout_seconds\":0.05}",
        "deadline_exceeded: the run passed its deadline");
}

static void short_runs_follow_the_deadline_too(void **state) {
    (void)state;
    enum { POINTS = 200000 };
    char *body = malloc(2 * POINTS + 300);
    size_t n = (size_t)sprintf(body, "{\"graph\":\"y = x * 2\",\"variables\":{\"x\":0},"
                                     "\"timeout_seconds\":0.05,\"batch\":{\"x\":[");
    for (int i = 0; i < POINTS; i++) n += (size_t)sprintf(body + n, i ? ",1" : "1");
    sprintf(body + n, "]}}");
    has(service_check, body, "deadline_exceeded: the run passed its deadline");
    free(body);
}

static void a_check_finds_its_step(void **state) {
    (void)state;
    /* Near the edge of where a function is defined, and where it is steep. */
    has(service_check,
        "{\"graph\":\"y = log(x) + sqrt(x) + 1 / x\",\"variables\":{\"x\":[1e-9,1e-3,0.04,7,1e6]},"
        "\"dtype\":\"float64\"}",
        "{\"ok\":true");
    has(service_check,
        "{\"graph\":\"y = exp(x) * sin(30 * x)\",\"variables\":{\"x\":[[0.1,-2],[3,20]]},"
        "\"dtype\":\"float64\"}",
        "{\"ok\":true");
    has(service_check,
        "{\"graph\":\"y = sigmoid(x) * x ** 2\",\"variables\":{\"x\":[-4,0,0.001,300]}}",
        "{\"ok\":true");
    /* A value that is not finite cannot be checked. */
    has(service_check, "{\"graph\":\"y = 1 / x\",\"variables\":{\"x\":\"NaN\"}}",
        "{\"ok\":false,\"sources\":{\"x\":{\"max_abs_error\":\"NaN\"");
}

static void a_list_that_is_stacked_is_recorded(void **state) {
    (void)state;
    has(service_gradient, "{\"graph\":\"y = [x ** 2, x]\",\"variables\":{\"x\":3}}",
        "\"gradient\":{\"x\":7.0}");
}

/* A batch against the loop: the bytes of each point's own answer, one after the other. */
static void a_batch_is_the_loop(void **state) {
    (void)state;
    static const char graph[] = "\"graph\":\"y = reduce_sum(sin(x) * w) ** 2 + tanh(x[0]) / x[1]\"";
    static const char *const points[] = {"[0.5,-2.0,3.0]", "[1.5,0.25,-1.0]", "[0.0,1.0,7.0]"};
    static const struct {
        service_function service;
        const char *name, *more;
    } routes[] = {{service_gradient, "x", ""},
                  {service_hessian, "hessian", ",\"sources\":\"x\""},
                  {service_jacobian, "jacobian", ",\"sources\":\"x\""},
                  {service_hvp, "hvp", ",\"sources\":\"x\",\"vector\":{\"x\":[1,2,3]}"}};
    for (size_t r = 0; r < sizeof routes / sizeof *routes; r++) {
        double all[27], one[9];
        char body[400];
        snprintf(body, sizeof body,
                 "{%s,\"variables\":{\"x\":null,\"w\":[1,2,-1]},\"batch\":{\"x\":[%s,%s,%s]}%s}",
                 graph, points[0], points[1], points[2], routes[r].more);
        const size_t n = elements(ask(routes[r].service, body), routes[r].name, all, 27);
        for (size_t i = 0; i < 3; i++) {
            snprintf(body, sizeof body, "{%s,\"variables\":{\"x\":%s,\"w\":[1,2,-1]}%s}", graph,
                     points[i], routes[r].more);
            const char *found = ask(routes[r].service, body);
            assert_int_equal(elements(found, routes[r].name, one, 9), n / 3);
            assert_memory_equal(one, all + i * (n / 3), n / 3 * sizeof *one);
        }
    }
}

static void a_batch_counts_against_the_limits(void **state) {
    (void)state;
    struct service_limits limits = service_limits_default;
    limits.max_work = 1000;
    const char *found = ask_within(
        service_gradient,
        "{\"graph\":\"y = reduce_sum(broadcast_to(x, [100]) ** 2)\",\"variables\":{\"x\":1},"
        "\"batch\":{\"x\":[1,2,3,4,5,6,7,8,9]}}",
        &limits);
    assert_non_null(strstr(found, "too_much_work: the request needs about "));
    limits = service_limits_default;
    limits.max_elements = 500;
    found = ask_within(
        service_gradient,
        "{\"graph\":\"y = reduce_sum(broadcast_to(x, [100]) ** 2)\",\"variables\":{\"x\":1},"
        "\"batch\":{\"x\":[1,2,3,4,5,6,7,8,9]}}",
        &limits);
    assert_non_null(strstr(found, "too_many_elements: "));
}

static void points_come_in_blocks_that_fit(void **state) {
    (void)state;
    /* All 200 points at once would take 160 MB for either of two values of 100,000 elements. */
    enum { POINTS = 200 };
    struct service_limits limits = service_limits_default;
    limits.max_request_bytes = 100 << 20;
    char body[1200];
    double values[POINTS];
    size_t n = (size_t)sprintf(body, "{\"graph\":\"y = reduce_sum(broadcast_to(x, [100000]) * c)\","
                                     "\"dtype\":\"float64\",\"variables\":{\"x\":0},\"constants\":"
                                     "{\"c\":2},\"batch\":{\"x\":[");
    for (int i = 0; i < POINTS; i++) n += (size_t)sprintf(body + n, "%s%d", i ? "," : "", i);
    sprintf(body + n, "]}}");
    const char *found = ask_within(service_gradient, body, &limits);
    assert_int_equal(elements(found, "value", values, POINTS), POINTS);
    for (int i = 0; i < POINTS; i++) assert_true(values[i] == 200000.0 * i);
    assert_int_equal(elements(found, "x", values, POINTS), POINTS);
    for (int i = 0; i < POINTS; i++) assert_true(values[i] == 200000.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hessian_is_symmetric_to_the_bit_and_agrees_with_hvp),
        cmocka_unit_test(blocks_of_two_sources_are_transposes_to_the_bit),
        cmocka_unit_test(forward_and_reverse_jacobians_agree),
        cmocka_unit_test(rows_come_in_blocks_that_fit),
        cmocka_unit_test(directions_are_no_part_of_the_plan),
        cmocka_unit_test(limits_are_kept_before_anything_is_spent),
        cmocka_unit_test(a_check_follows_its_deadline),
        cmocka_unit_test(short_runs_follow_the_deadline_too),
        cmocka_unit_test(a_check_finds_its_step),
        cmocka_unit_test(a_list_that_is_stacked_is_recorded),
        cmocka_unit_test(a_batch_is_the_loop),
        cmocka_unit_test(points_come_in_blocks_that_fit),
        cmocka_unit_test(a_batch_counts_against_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
