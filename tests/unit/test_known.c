/* Requests that are known: whichever way a request goes, its answer or its failure has the same bytes,
 * and what differs in anything that decides the plan is another kind of request. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/known.h"
#include "ask.h"

static struct cache *cache;

static int begin(void **state) {
    (void)state;
    cache = known_cache_new(64, 1 << 20, 5);
    return cache ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    cache_free(cache);
    return 0;
}

static char *kept(const char *text) {
    char *copy = malloc(strlen(text) + 1);
    return strcpy(copy, text);
}

/* The answer the whole way; it is freed by the caller. */
static char *built(service_function service, const char *body,
                   const struct service_limits *limits) {
    return kept(ask_call(service, (struct service_call){.limits = limits}, body));
}

static const char *known(service_function service, const char *body,
                         const struct service_limits *limits) {
    return ask_call(service, (struct service_call){.limits = limits, .known = cache}, body);
}

static void check_within(service_function service, const char *body,
                         const struct service_limits *limits) {
    char *expected = built(service, body, limits);
    for (int i = 0; i < 2; i++) {
        const char *found = known(service, body, limits);
        if (strcmp(found, expected) != 0)
            fail_msg("%s, time %d\n  expected %s\n  found    %s", body, i + 1, expected, found);
    }
    free(expected);
}

static void check(service_function service, const char *body) { check_within(service, body, NULL); }

/* The same, and says whether the second time was answered by what was known. */
static bool check_hit(service_function service, const char *body) {
    const uint64_t hits = cache_stats(cache).hits;
    check(service, body);
    return cache_stats(cache).hits > hits;
}

#define G "\"graph\":\"z = (x1 + 5) * x2 ** 2\""
#define V(a, b) "\"variables\":{\"x1\":" a ",\"x2\":" b "}"

static void other_values_are_the_same_kind(void **state) {
    (void)state;
    assert_true(check_hit(service_gradient, "{" G "," V("2", "3") "}"));
    const struct cache_stats before = cache_stats(cache);
    const uint64_t compiled = ask_plans().compiled, hits = ask_plans().hits;
    for (int i = 0; i < 20; i++) {
        char body[256];
        snprintf(body, sizeof body, "{" G "," V("%d.5", "-%de-3") ",\"format\":\"%s\"}", i, i,
                 i % 2 ? "typed" : "nested");
        const char *found = known(service_gradient, body, NULL);
        assert_int_equal(ask_plans().compiled, compiled);
        char *copy = kept(found), *expected = built(service_gradient, body, NULL);
        assert_string_equal(copy, expected);
        free(copy);
        free(expected);
    }
    const struct cache_stats after = cache_stats(cache);
    assert_int_equal(after.hits, before.hits + 20);
    assert_int_equal(after.held, before.held);
    assert_int_equal(ask_plans().hits, hits + 20); /* of those that were built */
}

/* Each differs from the first one in one thing that decides; all are asked twice, in turns. */
static void whatever_decides_is_another_kind(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{" G "," V("2", "3") "}",
        "{\"graph\":\"z = (x1 + 6) * x2 ** 2\"," V("2", "3") "}",
        "{\"graph\":\"w = (x1 + 5) * x2 ** 2\"," V("2", "3") ",\"fetch\":\"w\"}",
        "{" G ",\"variables\":{\"x2\":3,\"x1\":2}}",
        "{" G "," V("[2]", "3") "}",
        "{" G "," V("[2,4]", "3") "}",
        "{" G "," V("2", "3") ",\"dtype\":\"float64\"}",
        "{" G "," V("2", "3") ",\"dtype\":\"int32\"}",
        "{" G "," V("{\"value\":2,\"trainable\":false}", "3") "}",
        "{" G "," V("{\"value\":2,\"dtype\":\"int64\"}", "3") "}",
        "{" G ",\"variables\":{\"x2\":3},\"constants\":{\"x1\":2}}",
        "{" G "," V("2", "3") ",\"watch_accessed_variables\":false}",
        "{" G "," V("2", "3") ",\"watch\":[\"z\"]}",
        "{" G "," V("2", "3") ",\"sources\":[\"x1\"]}",
        "{" G "," V("2", "3") ",\"sources\":\"x1\"}",
        "{" G "," V("2", "3") ",\"sources\":{\"x1\":\"x2\"}}",
        "{" G "," V("2", "3") ",\"target\":\"x1\"}",
        "{" G "," V("2", "3") ",\"target\":\"x1\",\"unconnected_gradients\":\"zero\"}",
        "{" G "," V("2", "3") ",\"fetch\":{\"a\":\"z\"}}",
        "{" G "," V("2", "3") ",\"output_gradients\":2}",
        "{" G "," V("2", "3") ",\"output_gradients\":null}",
        "{" G "," V("2", "3") ",\"batch\":{\"x1\":[1,2,3]}}",
        "{" G "," V("2", "3") ",\"batch\":{\"x2\":[1,2,3]}}",
        "{" G "," V("2", "3") ",\"batch\":{\"x2\":[1,2,3,4]}}",
        "{" G "," V("null", "3") ",\"batch\":{\"x1\":[1,2,3]}}",
        "{" G "," V("2", "3") ",\"diagnose\":true}",
        "{\"graph\":{\"nodes\":[{\"id\":\"z\",\"op\":\"add\",\"inputs\":[\"x1\",5]}]}," V("2",
                                                                                          "3") "}",
        "{\"graph\":{\"nodes\":[{\"id\":\"z\",\"op\":\"add\",\"inputs\":[\"x1\",6]}]}," V("2",
                                                                                          "3") "}",
        "{\"graph\":{\"nodes\":[{\"id\":\"z\",\"op\":\"add\",\"inputs\":[\"x1\",[5]]}]}," V(
            "2", "3") "}",
    };
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
            check(service_gradient, bodies[i]);
            check(service_evaluate, bodies[i]);
        }
    assert_true(cache_stats(cache).hits > 0);
}

static void every_route_finds_its_own(void **state) {
    (void)state;
#define X "\"graph\":\"y = x * w; z = [y, y * 2]\",\"variables\":{\"x\":[1,2],\"w\":[3,4]}"
    static const struct {
        service_function service;
        const char *body;
    } rows[] = {
        {service_evaluate, "{" X "}"},
        {service_gradient, "{" X "}"},
        {service_gradient, "{" X ",\"target\":[\"y\",\"x\"],\"output_gradients\":[[1,2],[3,4]]}"},
        {service_gradient, "{" X ",\"target\":[\"y\",\"x\"],\"output_gradients\":[[5,6]]}"},
        {service_gradient, "{" X ",\"target\":{\"a\":\"y\",\"b\":\"x\"},"
                           "\"output_gradients\":{\"b\":[1,2]}}"},
        {service_gradient, "{" X ",\"target\":{\"a\":\"y\",\"b\":\"x\"},"
                           "\"output_gradients\":{\"a\":[1,2]}}"},
        {service_jacobian, "{" X ",\"target\":\"y\"}"},
        {service_hessian, "{" X ",\"target\":\"y\",\"output_gradients\":[1,-1]}"},
        {service_jacobian, "{" X ",\"target\":\"y\",\"sparse\":true}"},
        {service_hessian, "{" X ",\"target\":\"y\",\"sparse\":true}"},
        {service_hessian, "{" X ",\"target\":\"y\",\"sparse\":false}"},
        {service_jvp, "{" X ",\"tangents\":{\"x\":[1,0],\"w\":[0,1]}}"},
        {service_jvp, "{" X ",\"tangents\":{\"w\":[1,0],\"x\":[0,1]}}"},
        {service_jvp, "{" X ",\"tangents\":{\"x\":[1,0]}}"},
        {service_vjp, "{" X ",\"target\":\"y\",\"cotangents\":[1,2]}"},
        {service_vjp, "{" X ",\"target\":\"y\",\"cotangents_batch\":[[1,2],[3,4],[5,6]]}"},
        {service_vjp, "{" X ",\"target\":\"y\",\"cotangents_batch\":[[1,2],[3,4]]}"},
        {service_hvp, "{" X ",\"target\":\"y\",\"vector\":{\"x\":[1,2]}}"},
        {service_hvp,
         "{" X ",\"target\":\"y\",\"vector\":{\"x\":[1,2],\"w\":{\"dtype\":\"float32\","
         "\"shape\":[2],\"data\":[7,8]}}}"},
        {service_hvp, "{" X ",\"target\":\"y\",\"vector\":{\"x\":[1,2]},"
                      "\"batch\":{\"w\":[[1,2],[3,4],[5,6]]}}"},
    };
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            if (!check_hit(rows[i].service, rows[i].body))
                fail_msg("not known the second time: %s", rows[i].body);
}

/* What fails before or while it runs says the same, known or not. */
static void failures_are_the_same(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"graph\":\"z = 7 // n\",\"variables\":{\"n\":%s},\"dtype\":\"int32\"}",
        "{\"graph\":\"z = 7 // n\",\"variables\":{\"n\":1},\"dtype\":\"int32\","
        "\"batch\":{\"n\":[1,%s,3]}}",
        "{\"graph\":\"z = 7 // n\",\"variables\":{\"n\":1},\"dtype\":\"int32\","
        "\"batch\":{\"n\":[%s]}}",
        "{\"graph\":\"z = n * n\",\"variables\":{\"n\":1},\"output_gradients\":%s}",
        "{\"graph\":\"z = n * n\",\"variables\":{\"n\":[1,2]},\"output_gradients\":[3,%s]}",
        "{\"graph\":\"z = n * n\",\"variables\":{\"n\":%s}}",
        "{\"graph\":\"z = n * n\",\"variables\":{\"n\":1},\"batch\":{\"n\":%s}}",
    };
    static const char *const values[] = {"2",     "0",         "\"NaN\"", "1e99",
                                         "[1,2]", "true",      "[1,[2]",  "[[1,2]]",
                                         "null",  "{\"a\":1}", "[]"};
    char body[256];
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            snprintf(body, sizeof body, bodies[i], values[k]);
            check(service_evaluate, body);
            check(service_gradient, body);
        }
    assert_true(cache_stats(cache).hits > 0);
}

static void budgets_hold_for_what_is_known(void **state) {
    (void)state;
    const char *body = "{\"graph\":\"y = matmul(x, x); z = reduce_sum(matmul(y, y))\","
                       "\"variables\":{\"x\":[[1,2,3,4],[5,6,7,8],[1,2,3,4],[5,6,7,8]]}}";
    assert_true(check_hit(service_hessian, body));
    struct service_limits limits = service_limits_default;
    limits.max_work = 10;
    check_within(service_hessian, body, &limits);
    assert_non_null(strstr(known(service_hessian, body, &limits), "too_much_work"));
    limits = service_limits_default;
    limits.max_answer_bytes = 40;
    check_within(service_hessian, body, &limits);
    for (int64_t bytes = 16 << 10; bytes < 4 << 20; bytes *= 2) {
        limits = service_limits_default;
        limits.max_request_bytes = bytes;
        check_within(service_hessian, body, &limits);
    }
}

static void little_used_ones_are_dropped(void **state) {
    (void)state;
    char body[128];
    for (int i = 0; i < 200; i++) {
        snprintf(body, sizeof body, "{\"graph\":\"x + %d\",\"variables\":{\"x\":1}}", i);
        known(service_evaluate, body, NULL);
        known(service_evaluate, "{\"graph\":\"x * 2\",\"variables\":{\"x\":1}}", NULL);
    }
    const struct cache_stats stats = cache_stats(cache);
    assert_int_equal(stats.misses, 201);
    assert_int_equal(stats.hits, 199); /* what is used is not dropped */
    assert_int_equal(stats.held, 64);
    assert_int_equal(stats.evicted, 201 - 64);
    assert_true(stats.bytes > 0 && stats.bytes <= 1 << 20);
}

static void a_graph_of_many_bytes_is_built_each_time(void **state) {
    (void)state;
    static const char before[] = "{\"graph\":\"x + 1", after[] = "\",\"variables\":{\"x\":1}}";
    const size_t length = 17 << 20;
    char *body = malloc(length + sizeof before + sizeof after);
    memcpy(body, before, sizeof before);
    memset(body + sizeof before - 1, ' ', length);
    memcpy(body + sizeof before - 1 + length, after, sizeof after);
    for (int i = 0; i < 2; i++)
        assert_string_equal(known(service_evaluate, body, NULL), "{\"value\":2.0}");
    assert_int_equal(cache_stats(cache).hits + cache_stats(cache).misses, 0);
    free(body);
}

/* ---- random requests ---- */

static uint64_t state_of_random = 17;

static uint32_t below(uint32_t n) {
    state_of_random = state_of_random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(state_of_random >> 33) % n;
}

static const char *one_of(const char *const *texts) {
    uint32_t n = 0;
    while (texts[n]) n++;
    return texts[below(n)];
}
#define ONE_OF(...) one_of((const char *const[]){__VA_ARGS__, NULL})

static const struct {
    service_function service;
    const char *late[6]; /* what is bound late, right or not */
} routes[] = {
    {service_evaluate, {"", "", "", ",\"batch\":{\"w\":[5,0,7]}", ",\"batch\":{\"x\":[1,2]}"}},
    {service_gradient,
     {"", "", ",\"output_gradients\":2", ",\"output_gradients\":[1,2]",
      ",\"batch\":{\"w\":[1,0,2]}"}},
    {service_jacobian, {"", "", ",\"batch\":{\"x\":[[1,2],[3,4]]}"}},
    {service_hessian, {"", "", ",\"output_gradients\":[1,2]"}},
    {service_jvp,
     {"", ",\"tangents\":{\"x\":1,\"w\":2}", ",\"tangents\":{\"x\":[1,2]}",
      ",\"tangents\":{\"w\":1}"}},
    {service_vjp,
     {"", ",\"cotangents\":[4,5]", ",\"cotangents\":3", ",\"cotangents_batch\":[1,2]"}},
    {service_hvp,
     {"", ",\"vector\":{\"x\":1}", ",\"vector\":{\"x\":[1,2]}", ",\"vector\":{\"w\":4}"}},
};
enum { ROUTES = sizeof routes / sizeof *routes };

/* A request out of few parts, so that many are of a kind, and not all can be answered. */
static service_function make_request(char *body, size_t size) {
    const uint32_t route = below(ROUTES);
    const char *graph = ONE_OF("z = x * w", "z = x * w + 3", "y = x // w; z = y", "z = [x, w]",
                               "z = grad(x * x, x)", "z = reduce_sum(x * w)", "z = sin(x) / w",
                               "x = 1", "z = x[0]", "z = x * w; z = z *");
    const char *x =
        ONE_OF("1", "2.5", "-3", "[1,2]", "[3,4]", "[[1,2],[3,4]]", "true",
               "{\"value\":3,\"trainable\":false}", "{\"value\":[1,2],\"dtype\":\"float64\"}");
    const char *w = ONE_OF("1", "0", "3", "[1,2]", "[0,1]", "\"NaN\"");
    const char *more = ONE_OF(
        "", "", "", "", ",\"sources\":[\"x\",\"w\"]", ",\"sources\":\"z\"", ",\"target\":\"x\"",
        ",\"dtype\":\"float64\"", ",\"dtype\":\"int32\"", ",\"constants\":{\"y\":2}",
        ",\"constants\":{\"x\":2}", ",\"watch\":\"w\"", ",\"fetch\":[\"x\",\"z\"]",
        ",\"unconnected_gradients\":\"zero\"", ",\"watch_accessed_variables\":false");
    snprintf(body, size, "{\"graph\":\"%s\",\"variables\":{\"x\":%s,\"w\":%s}%s%s}", graph, x, w,
             more, one_of(routes[route].late));
    return routes[route].service;
}

static void random_requests_are_answered_alike(void **state) {
    (void)state;
    char body[512];
    for (int i = 0; i < 10000; i++) {
        service_function service = make_request(body, sizeof body);
        check(service, body);
    }
    const struct cache_stats stats = cache_stats(cache);
    assert_true(stats.hits > 1000 && stats.misses > 1000 && stats.evicted > 300);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(other_values_are_the_same_kind),
        TEST(whatever_decides_is_another_kind),
        TEST(every_route_finds_its_own),
        TEST(failures_are_the_same),
        TEST(budgets_hold_for_what_is_known),
        TEST(little_used_ones_are_dropped),
        TEST(a_graph_of_many_bytes_is_built_each_time),
        TEST(random_requests_are_answered_alike),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
