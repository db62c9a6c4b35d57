/* Sparse Jacobians and Hessians: what random graphs answer with and without "sparse", the places of graphs whose
 * structure is known, and how many products they take. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "ask.h"
#include "core/pattern.h"

/* ---- answers ------------------------------------------------------------------------------------ */

static cJSON *answer_of(service_function service, const char *body) {
    cJSON *answer = cJSON_Parse(ask(service, body));
    if (!answer) fail_msg("%s\n  %s", body, ask(service, body));
    return answer;
}

/* The numbers of a nested array, in order; how many. */
static size_t flatten(const cJSON *v, double *out, size_t n, size_t most) {
    if (!cJSON_IsArray(v)) {
        assert_true(n < most);
        out[n++] = cJSON_IsString(v) ? strtod(v->valuestring, NULL) : v->valuedouble;
        return n;
    }
    for (v = v->child; v; v = v->next) n = flatten(v, out, n, most);
    return n;
}

/* A block in coordinates written into zeros; `there` says where it has a place. */
static size_t spread(const cJSON *block, double *out, bool *there, size_t most) {
    const cJSON *shape = cJSON_GetObjectItem(block, "shape");
    const cJSON *index = cJSON_GetObjectItem(block, "indices")->child;
    const cJSON *value = cJSON_GetObjectItem(block, "values")->child;
    size_t size = 1, last = SIZE_MAX;
    for (const cJSON *d = shape->child; d; d = d->next) size *= (size_t)d->valueint;
    assert_true(size <= most);
    memset(out, 0, size * sizeof *out);
    memset(there, 0, size * sizeof *there);
    for (; index; index = index->next, value = value->next) {
        size_t at = 0;
        const cJSON *i = index->child;
        for (const cJSON *d = shape->child; d; d = d->next, i = i->next) {
            assert_in_range(i->valueint, 0, d->valueint - 1);
            at = at * (size_t)d->valueint + (size_t)i->valueint;
        }
        assert_null(i);
        assert_true(last == SIZE_MAX || at > last); /* in order, each once */
        last = at;
        there[at] = true;
        assert_non_null(value);
        out[at] = value->valuedouble;
    }
    assert_null(value);
    return size;
}

enum { MOST = 4096 };

/* Both answers to a request have the same blocks; how many places there are in the sparse one. */
static size_t compare(const cJSON *dense, const cJSON *sparse, const char *body) {
    static double is[MOST], was[MOST];
    static bool there[MOST];
    size_t places = 0;
    if (cJSON_IsNull(dense) || cJSON_IsNull(sparse)) {
        if (!cJSON_IsNull(dense) || !cJSON_IsNull(sparse)) fail_msg("%s\n  None or not", body);
        return 0;
    }
    if (cJSON_IsObject(dense)) {
        const cJSON *d = dense->child, *s = sparse->child;
        for (; d && s; d = d->next, s = s->next) places += compare(d, s, body);
        assert_true(!d && !s);
        return places;
    }
    const size_t n = flatten(dense, was, 0, MOST);
    assert_int_equal(spread(sparse, is, there, MOST), n);
    double scale = 1;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs(was[i]));
    for (size_t i = 0; i < n; i++) {
        places += there[i];
        if (!there[i] && was[i] != 0)
            fail_msg("%s\n  element %zu has no place: %g", body, i, was[i]);
        if (fabs(was[i] - is[i]) > 1e-13 * scale)
            fail_msg("%s\n  element %zu: %.17g, sparse %.17g", body, i, was[i], is[i]);
    }
    return places;
}

static size_t check(service_function service, const char *member, const char *graph,
                    const char *rest) {
    char body[4096];
    snprintf(body, sizeof body, "{\"graph\":\"%s\",\"dtype\":\"float64\",%s}", graph, rest);
    cJSON *dense = answer_of(service, body);
    snprintf(body, sizeof body, "{\"graph\":\"%s\",\"dtype\":\"float64\",%s,\"sparse\":true}",
             graph, rest);
    cJSON *sparse = answer_of(service, body);
    const size_t places =
        compare(cJSON_GetObjectItem(dense, member), cJSON_GetObjectItem(sparse, member), body);
    cJSON_Delete(dense);
    cJSON_Delete(sparse);
    return places;
}

/* ---- random graphs ------------------------------------------------------------------------------ */

#define BINDINGS                                                                                   \
    "\"variables\":{\"x\":[0.3,-1.2,0.7,1.9,-0.4,0.8],\"w\":[[0.5,-0.6],[1.5,0.2],[-0.9,1.1]]}"

/* Statements for vectors a and b of six elements. */
static const char *const statements[] = {
    "sin(%s)",
    "tanh(%s) * %s",
    "%s * %s",
    "%s + %s",
    "%s - 2 * %s",
    "%s ** 2",
    "exp(%s / 4)",
    "roll(%s, 1, axis=0)",
    "%s[::-1]",
    "concat([%s[2:], %s[:2]], axis=0)",
    "gather(%s, [5, 0, 0, 3, 2, 1])",
    "pad(%s[1:], [[1, 0]])",
    "where(%s > 0, %s, 0.0)",
    "reduce_sum(%s) * %s",
    "reduce_mean(%s) + %s",
    "cumsum(%s)",
    "reshape(transpose(reshape(%s, [2, 3])), [6])",
    "reshape(matmul(reshape(%s, [2, 3]), [[1, 0, 2], [0, 3, 1], [1, 1, 0]]), [6])",
    "reshape(matmul(reshape(%s, [2, 3]), reshape(%s, [3, 2])) @ [[1., 2, 0], [0, 1, 1]], [6])",
    "unsorted_segment_sum(%s, [0, 2, 2, 5, 1, 0], 6)",
    "reshape(reduce_sum(reshape(%s, [3, 2]), axis=1, keepdims=True) * reshape(%s, [3, 2]), [6])",
    "tile(%s[:3], [2])",
    "maximum(%s, %s)",
    "softmax(%s)",
    "%s * reshape(w, [6])",
    "tensor_scatter_nd_add(%s, [[1], [4]], %s[:2])",
    "reshape(stack([%s[:3], %s[3:]], axis=1), [6])",
};

static uint32_t state_of;
static uint32_t drawn(uint32_t n) {
    state_of = state_of * 1664525 + 1013904223;
    return (state_of >> 8) % n;
}

/* "v1 = ...; v2 = ...", the last of them v<n>. */
static void random_graph(char *out, size_t size, int n) {
    size_t at = (size_t)snprintf(out, size, "v0 = x");
    for (int i = 1; i <= n; i++) {
        char a[8], b[8];
        const char *form = statements[drawn(sizeof statements / sizeof *statements)];
        snprintf(a, sizeof a, "v%u", drawn((uint32_t)i));
        snprintf(b, sizeof b, "v%u", drawn(2) ? (uint32_t)i - 1 : drawn((uint32_t)i));
        at += (size_t)snprintf(out + at, size - at, "; v%d = ", i);
        for (int k = 0; *form; form++) {
            if (*form == '%') {
                at += (size_t)snprintf(out + at, size - at, "%s", k++ ? a : b);
                form++;
            } else if (at + 1 < size) {
                out[at++] = *form;
            }
        }
        out[at] = '\0';
    }
}

static void random_jacobians_are_the_dense_ones(void **unused) {
    (void)unused;
    size_t places = 0;
    for (uint32_t seed = 0; seed < 400; seed++) {
        char graph[2048];
        state_of = seed;
        random_graph(graph, sizeof graph, 1 + (int)drawn(6));
        places += check(service_jacobian, "jacobian", graph, BINDINGS);
    }
    assert_in_range(places, 400 * 6, 400 * 40); /* of 72 each */
}

static void random_hessians_are_the_dense_ones(void **unused) {
    (void)unused;
    for (uint32_t seed = 0; seed < 400; seed++) {
        char graph[2048];
        state_of = seed;
        random_graph(graph, sizeof graph - 60, 1 + (int)drawn(6));
        strcat(graph, "; y = reduce_sum(exp(v1) * sin(v0))");
        if (drawn(2)) strcat(graph, " * reduce_sum(w ** 3)");
        check(service_hessian, "hessian", graph, BINDINGS);
        check(service_hessian, "hessian", graph, BINDINGS ",\"unconnected_gradients\":\"zero\"");
    }
}

/* ---- places ------------------------------------------------------------------------------------- */

/* A request whose x has n elements. */
static char *body_of(const char *graph, int n, const char *rest) {
    const size_t size = 512 + strlen(graph) + (size_t)n * 12;
    char *body = malloc(size);
    assert_non_null(body);
    size_t at = (size_t)snprintf(
        body, size,
        "{\"graph\":\"%s\",\"dtype\":\"float64\",\"sources\":\"x\",\"variables\":{\"x\":[", graph);
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(body + at, size - at, "%s%.3f", i ? "," : "", 0.5 + 0.01 * (i % 90));
    snprintf(body + at, size - at, "]}%s}", rest);
    return body;
}

static size_t places_of(service_function service, const char *member, const char *graph, int n) {
    char *body = body_of(graph, n, ",\"sparse\":true");
    cJSON *answer = answer_of(service, body);
    const size_t places = (size_t)cJSON_GetArraySize(
        cJSON_GetObjectItem(cJSON_GetObjectItem(answer, member), "values"));
    cJSON_Delete(answer);
    free(body);
    return places;
}

static void places_are_as_few_as_the_graph_says(void **unused) {
    (void)unused;
    enum { N = 200 };
    static const char valley[] =
        "y = reduce_sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)";
    assert_int_equal(places_of(service_hessian, "hessian", valley, N), 3 * N - 2);
    /* Each element with the first. */
    assert_int_equal(places_of(service_hessian, "hessian", "y = reduce_sum(x[0] * x ** 2)", N),
                     3 * N - 2);
    assert_int_equal(places_of(service_hessian, "hessian", "y = reduce_sum(sin(x))", N), N);
    assert_int_equal(places_of(service_hessian, "hessian", "y = reduce_sum(x[:100] * x[100:])", N),
                     N);
    /* What is linear has none. */
    assert_int_equal(
        places_of(service_hessian, "hessian", "y = reduce_sum(3 * x) + 0 * x[0] ** 2", N), 1);
    assert_int_equal(places_of(service_jacobian, "jacobian", "y = x[1:] * x[:-1]", N), 2 * (N - 1));
    assert_int_equal(places_of(service_jacobian, "jacobian", "y = reduce_sum(x ** 2)", N), N);
    assert_int_equal(places_of(service_jacobian, "jacobian", "y = x * reduce_sum(x)", 20), 400);
    assert_int_equal(places_of(service_jacobian, "jacobian",
                               "y = reduce_sum(reshape(x, [20, 10]) ** 2, axis=0)", N),
                     N);
}

/* Places one by one: the sums of many slices. */
static void elements_one_by_one_have_the_places_of_slices(void **unused) {
    (void)unused;
    enum { N = 60 };
    char graph[8192];
    size_t at = (size_t)snprintf(graph, sizeof graph, "y = 0");
    for (int i = 1; i < N; i++)
        at += (size_t)snprintf(graph + at, sizeof graph - at, " + 100 * (x[%d] - x[%d] ** 2) ** 2",
                               i, i - 1);
    assert_int_equal(places_of(service_hessian, "hessian", graph, N), 3 * N - 2);
}

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* A whole Hessian that is mostly 0 is made of few products too: with the bits of the rows of one that is not, -0 and NaN
 * included, which 63 elements and 64 show. */
static void large_hessians_are_whole(void **unused) {
    (void)unused;
    enum { N = 64 };
    static const char *const graphs[] = {
        "y = reduce_sum(100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2) + z[-1] ** 4",
        "y = reduce_sum(z[0] * exp(z) + sin(z[5]) * z ** 2)",
        "y = reduce_sum(z[:32] * tanh(z[31:63]) ** 2) - z[0] * reduce_sum(-1 * z ** 3)",
        "y = reduce_sum(log(z - 0.55))",
        "y = reduce_sum(sqrt(z - 0.55) * z)",
        "y = reduce_sum(exp(z ** 2 * 760) * z[::-1])"};
    for (size_t g = 0; g < sizeof graphs / sizeof *graphs; g++) {
        static double h[2][N * N];
        for (int k = 0; k < 2; k++) {
            const int n = N - k;
            char graph[256];
            /* The graph sees the same elements both times. */
            snprintf(graph, sizeof graph, "z = x[:63]; %s", graphs[g]);
            char *body = body_of(graph, n, "");
            cJSON *answer = answer_of(service_hessian, body);
            assert_int_equal(flatten(cJSON_GetObjectItem(answer, "hessian"), h[k], 0, N * N),
                             n * n);
            cJSON_Delete(answer);
            free(body);
        }
        for (int i = 0; i < N - 1; i++)
            for (int j = 0; j < N - 1; j++)
                if (bits_of(h[0][i * N + j]) != bits_of(h[1][i * (N - 1) + j]))
                    fail_msg("%s\n  element (%d, %d): %g and %g", graphs[g], i, j, h[0][i * N + j],
                             h[1][i * (N - 1) + j]);
    }
}

/* ---- colours ------------------------------------------------------------------------------------ */

/* A pattern of n by n with a place wherever `has` says so. */
static struct pattern pattern_of(struct arena *a, int32_t n, bool (*has)(int32_t, int32_t)) {
    struct pattern p = {.n_rows = n, .n_columns = n};
    p.begin = arena_zalloc(a, ((size_t)n + 1) * sizeof *p.begin);
    p.column = arena_alloc(a, (size_t)n * (size_t)n * sizeof *p.column);
    for (int32_t i = 0; i < n; i++) {
        p.begin[i + 1] = p.begin[i];
        for (int32_t j = 0; j < n; j++)
            if (has(i, j)) p.column[p.begin[i + 1]++] = j;
    }
    return p;
}

static bool band(int32_t i, int32_t j) { return abs(i - j) <= 2; }
static bool arrow(int32_t i, int32_t j) { return i == j || i == 7 || j == 7; }
static bool full(int32_t i, int32_t j) {
    (void)i, (void)j;
    return true;
}
static bool apart(int32_t i, int32_t j) { return i == j; }
static bool grid(int32_t i, int32_t j) {
    const int x = abs(i % 10 - j % 10), y = abs(i / 10 - j / 10);
    return x + y <= 1;
}

static void colours_are_few_and_tell_columns_apart(void **unused) {
    (void)unused;
    static const struct {
        bool (*has)(int32_t, int32_t);
        int64_t most, most_symmetric;
    } rows[] = {{band, 5, 5}, {arrow, 100, 2}, {full, 100, 100}, {apart, 1, 1}, {grid, 8, 8}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        enum { N = 100 };
        struct arena arena;
        struct error error;
        struct tape t;
        arena_init(&arena, 1 << 24);
        error_clear(&error);
        tape_init(&t, &arena, &error, (struct tape_limits){1000, 1 << 20, 1 << 20});
        const struct pattern p = pattern_of(&arena, N, rows[r].has);
        int32_t colour[N];
        bool hub[N];
        assert_in_range(pattern_colour(&t, &p, colour), 1, rows[r].most);
        for (int32_t i = 0; i < N; i++)
            for (int32_t j = 0; j < N; j++)
                for (int32_t k = 0; k < j; k++)
                    if (rows[r].has(i, j) && rows[r].has(i, k))
                        assert_int_not_equal(colour[j], colour[k]);
        assert_in_range(pattern_colour_symmetric(&t, &p, colour, hub), 1, rows[r].most_symmetric);
        for (int32_t i = 0; i < N; i++)
            for (int32_t j = 0; j < N; j++)
                for (int32_t k = 0; k < N; k++) {
                    if (k == j || !rows[r].has(i, j) || !rows[r].has(i, k)) continue;
                    if (hub[j] || !hub[i]) assert_int_not_equal(colour[j], colour[k]);
                }
        arena_free(&arena);
    }
}

/* ---- limits ------------------------------------------------------------------------------------- */

static void failures_are_told(void **unused) {
    (void)unused;
    char *body = body_of("y = reduce_sum(x) ** 2", 3000, ",\"sparse\":true");
    struct service_limits limits = service_limits_default;
    limits.max_elements = 1000000;
    const char *told = ask_within(service_hessian, body, &limits);
    if (!strstr(told, "a derivative with 9000000 places has more than the 1000000 "
                      "elements a tensor may have"))
        fail_msg("%.300s", told);
    free(body);
    body = body_of("y = reduce_sum(x ** 2)", 1000, ",\"sparse\":true");
    bool failed = false;
    for (limits.max_request_bytes = 60000;; limits.max_request_bytes += 20011) {
        const char *answer = ask_within(service_hessian, body, &limits);
        if (strstr(answer, "\"hessian\"")) break;
        failed = true;
        assert_true(strstr(answer, "memory_budget") || strstr(answer, "too_much_work"));
    }
    assert_true(failed);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_jacobians_are_the_dense_ones),
        cmocka_unit_test(random_hessians_are_the_dense_ones),
        cmocka_unit_test(places_are_as_few_as_the_graph_says),
        cmocka_unit_test(elements_one_by_one_have_the_places_of_slices),
        cmocka_unit_test(large_hessians_are_whole),
        cmocka_unit_test(colours_are_few_and_tell_columns_apart),
        cmocka_unit_test(failures_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
