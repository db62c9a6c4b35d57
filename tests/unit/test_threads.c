/* The bits of answers do not depend on the number of threads: each question is large enough for several,
 * and asked without helpers, and in pools of one, two and eight threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "core/pool.h"

enum { POOLS = 3, ROUNDS = 3 };

static const char *ask_in(struct pool *pool, service_function service, const char *dtype,
                          const char *graph) {
    char body[1024];
    snprintf(body, sizeof body,
             "{\"graph\":\"%s\",\"variables\":{\"v\":1.25},\"dtype\":\"%s\",\"format\":\"base64\"}",
             graph, dtype);
    return ask_call(service, (struct service_call){.control = {.pool = pool}}, body);
}

static void check(service_function service, const char *dtype, const char *graph) {
    static const int threads[POOLS] = {1, 2, 8};
    char *alone = strdup(ask_in(NULL, service, dtype, graph));
    if (alone[0] != '{') fail_msg("%s\n%s", graph, alone);
    for (int i = 0; i < POOLS; i++) {
        struct pool *pool = pool_start(threads[i]);
        assert_non_null(pool);
        for (int k = 0; k < ROUNDS; k++) {
            const char *answer = ask_in(pool, service, dtype, graph);
            if (strcmp(answer, alone) != 0)
                fail_msg("%s\n%s on %d threads, %.60s and not %.60s", graph, dtype, threads[i],
                         answer, alone);
        }
        pool_stop(pool);
    }
    free(alone);
}

#define LINE "x = sin(range(400003.0) * v); "
#define MATRIX "x = sin(reshape(range(400400.0), [1001, 400]) * v); "
#define TALL "x = sin(reshape(range(400400.0), [100100, 4]) * v); "
#define CUBE "x = sin(reshape(range(512000.0), [80, 80, 80]) * v); "

static void check_floats(const char *const *graphs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        check(service_gradient, "float32", graphs[i]);
        check(service_gradient, "float64", graphs[i]);
    }
}
#define CHECK(...)                                                                                 \
    do {                                                                                           \
        static const char *const graphs[] = {__VA_ARGS__};                                         \
        check_floats(graphs, sizeof graphs / sizeof *graphs);                                      \
    } while (0)

static void chains_and_their_sums(void **state) {
    (void)state;
    CHECK(LINE "reduce_sum(tanh(x * v + sin(x)) ** 2 / (1 + exp(-x)))",
          LINE "reduce_max(x * v - cos(x)) + reduce_prod(1 + x / 1e5)",
          MATRIX "y = exp(x * reduce_sum(x, axis=0)); reduce_mean(y * y)",
          MATRIX "y = reduce_sum(tanh(x) * x, axis=1); reduce_sum(y * y)",
          MATRIX "y = reduce_sum(tanh(x) * x, axis=0); reduce_sum(y * y)",
          TALL "y = reduce_mean(exp(x) - x, axis=1); reduce_sum(y * y)",
          TALL "y = reduce_mean(exp(x) - x, axis=0); reduce_sum(y * y)",
          CUBE "y = reduce_max(x * x + 1, axis=1); reduce_sum(sqrt(y))");
}

static void ops_one_by_one(void **state) {
    (void)state;
    CHECK(LINE "reduce_sum(x)", LINE "reduce_min(x) + reduce_mean(x)",
          MATRIX "reduce_sum(reduce_sum(transpose(x), axis=0)[:3])",
          MATRIX "reduce_sum(x[0] / reduce_max(x, axis=0))",
          CUBE "reduce_sum(reduce_prod(x, axis=1))",
          CUBE "reduce_sum(reduce_sum(x, axis=[0, 2]) ** 2)", MATRIX "reduce_sum(softmax(x)[0])",
          LINE "reduce_sum(cumsum(x)[-5:])", LINE "reduce_sum(sort(x)[:5])");
}

static void products_of_matrices(void **state) {
    (void)state;
    CHECK(MATRIX "reduce_sum((x @ transpose(x)) ** 2)",
          MATRIX "reduce_sum((transpose(x) @ x) ** 2)",
          MATRIX "reduce_sum((x @ x[0, :, None]) ** 2)",
          MATRIX "reduce_sum((x @ transpose(x[:3])) ** 2)",
          MATRIX "reduce_sum((x[:2] @ transpose(x)) ** 2)",
          TALL "reduce_sum((transpose(x) @ x) ** 2)", CUBE "reduce_sum((x @ x) ** 2)",
          CUBE "reduce_sum((x @ x[0]) ** 2)",
          "x = sin(reshape(range(250000.0), [10000, 5, 5]) * v); reduce_sum((x @ x) ** 2)",
          "x = sin(reshape(range(250000.0), [10000, 25]) * v); reduce_sum(matmul(x[:, None], "
          "x[:, :, None]) ** 2)");
}

static void convolutions_and_indices(void **state) {
    (void)state;
    CHECK(
        "x = sin(reshape(range(307200.0), [8, 40, 40, 24]) * v); k = cos(reshape(range(5184.0), "
        "[3, "
        "3, 24, 24]) * v); reduce_sum(conv2d(x, k, strides=1, padding='SAME') ** 2)",
        "x = sin(reshape(range(307200.0), [8, 40, 40, 24]) * v); k = cos(reshape(range(216.0), [3, "
        "3, 24, 1]) * v); reduce_sum(depthwise_conv2d(x, k, strides=1, padding='SAME') ** 2)",
        MATRIX "reduce_sum(gather(x, range(1001) * 7 % 1001) * x)",
        MATRIX "reduce_sum(transpose(x)[:300, ::2] ** 2)");
}

static void factors_and_solutions(void **state) {
    (void)state;
    CHECK(
        "x = sin(reshape(range(40000.0), [200, 200]) * v); a = x @ transpose(x) + 200 * eye(200); "
        "reduce_sum(cholesky(a)) + reduce_sum(solve(a, x)) + log(det(a / 200))");
}

static void products_of_integers(void **state) {
    (void)state;
    static const char graph[] = "x = reshape(range(90000), [300, 300]) * 3 % 1000; y = x @ x; z = "
                                "matmul(x, y, transpose_a=True); [y, z]";
    check(service_evaluate, "float32", graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_and_their_sums), cmocka_unit_test(ops_one_by_one),
        cmocka_unit_test(products_of_matrices),  cmocka_unit_test(convolutions_and_indices),
        cmocka_unit_test(factors_and_solutions), cmocka_unit_test(products_of_integers),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
