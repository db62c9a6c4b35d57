/* What reading JSON may cost: time linear in the text, memory within the arena, and no text that
 * crashes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/json.h"
#include "document.h"

enum { MOST = 1000 };

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The time bounds here are an order of magnitude above what is taken under a sanitizer; a quadratic
 * look-up takes far longer. */
static void a_hundred_thousand_members_take_linear_time(void **state) {
    (void)state;
    struct document d;
    char *text = document_members(100000, false);
    const double start = seconds();
    document_open_valid(&d, text);
    assert_true(seconds() - start < 1.0);
    document_close(&d);
    free(text);
}

static void assert_parses_soon(char *text, enum json_type type, enum json_type first) {
    struct document d;
    const double start = seconds();
    document_open_valid(&d, text);
    assert_true(seconds() - start < 1.0);
    assert_int_equal(json_type(d.root), type);
    assert_int_equal(json_type(json_first(d.root)), first);
    document_close(&d);
    free(text);
}

static void arrays_that_turn_out_to_be_mixed_take_linear_time(void **state) {
    (void)state;
    /* Deep arrays around much text that is numeric up to its last element, or empty altogether. */
    char *mixed = document_repeat("[1,2],", 100000, "\"x\""),
         *hollow = document_repeat("[[],[]],", 100000, "[]");
    assert_parses_soon(document_nest("[[3],", DEPTH - 2, mixed), JSON_ARRAY, JSON_NUMBERS);
    assert_parses_soon(document_nest("[", DEPTH - 2, hollow), JSON_ARRAY, JSON_ARRAY);
    assert_parses_soon(document_nest("[[],", DEPTH - 2, mixed), JSON_ARRAY, JSON_ARRAY);
    free(mixed);
    free(hollow);
}

static const char *const samples[] = {
    "{\"graph\":\"z = (x1 + 5) * x2 ** "
    "2\",\"variables\":{\"x1\":2.0,\"x2\":3.0},\"sources\":[\"x1\",\"x2\"]}",
    "{\"grads_and_vars\":[[9.0,\"x1\"],[null,\"x2\"],[[[1,2],[3,4e-5]],\"w\"]],\"a\":[true,false,"
    "\"NaN\"]}",
    "[[[1,2.5,-3],[\"NaN\",\"Infinity\",\"-Infinity\"]],[[1e5,0,-0],[1,2,3]]]",
    "{\"dtype\":\"float64\",\"shape\":[2,2],\"data\":[[1.25,2],[3,4]]}",
    "{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AAAAAA==\"}",
    "[[[[1,2],[3]],[[[]]]],\"x\\u00e9\\ud83d\\ude00\\n\",{\"k1\":1,\"k2\":2,\"k3\":[],\"k4\":{},"
    "\"k5\":null,"
    "\"k6\":6,\"k7\":7,\"k8\":8,\"k9\":9,\"k10\":[[],[]]}]",
};
enum { SAMPLES = sizeof samples / sizeof *samples };

/* Reads all that can be read of a value. */
static void visit(struct arena *arena, const struct json *v) {
    struct error error;
    struct tensor t;
    double x;
    int64_t i;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        error_clear(&error);
        const bool read = json_tensor(arena, v, (enum dtype)dtype, MOST, "", &t, &error);
        assert_int_equal(read, error.code == ERROR_NONE);
    }
    json_double(v, &x);
    json_int(v, &i);
    json_is_int_literal(v);
    json_type_name(v);
    const struct json *array = json_type(v) == JSON_NUMBERS ? json_split(arena, v) : v;
    for (const struct json *child = array ? json_first(array) : NULL; child;
         child = json_next(child)) {
        visit(arena, child);
    }
}

static void an_arena_that_ends_anywhere_is_a_memory_budget(void **state) {
    (void)state;
    char *large = document_members(100, false);
    for (size_t s = 0; s <= SAMPLES; s++) {
        const char *text = s < SAMPLES ? samples[s] : large;
        bool parsed = false;
        for (size_t ceiling = 0; !parsed; ceiling += 16) {
            struct arena arena;
            struct error error;
            struct json *root;
            arena_init(&arena, ceiling);
            error_clear(&error);
            parsed = json_parse(&arena, text, strlen(text), DEPTH, &root, &error);
            if (parsed) {
                visit(&arena, root);
            } else {
                char detail[128];
                snprintf(detail, sizeof detail,
                         "the request needs more than the %zu bytes of memory it may take",
                         ceiling);
                assert_string_equal(error.detail, detail);
                assert_int_equal(error.code, ERROR_MEMORY_BUDGET);
            }
            arena_free(&arena);
        }
    }
    free(large);
}

static uint64_t next_random(void) {
    static uint64_t state = 88172645463325252u;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

/* Changes a text at a few places: other bytes, pieces left out or said twice. Returns its length. */
static size_t mutate(char *text, size_t n) {
    static const char bytes[] = "[]{},:\"\\0123456789+-.eEtrufalsn \n\x00\xFF\xC3\xA9";
    for (uint64_t changes = 1 + next_random() % 4; changes; changes--) {
        const size_t at = (size_t)(next_random() % n), length = (size_t)(next_random() % 8);
        switch (next_random() % 3) {
        case 0:
            text[at] = bytes[next_random() % (sizeof bytes - 1)];
            break;
        case 1:
            if (at + length >= n || n - length < 2) break;
            memmove(text + at, text + at + length, n - at - length);
            n -= length;
            break;
        default:
            if (at + length > n) break;
            memmove(text + at + length, text + at, n - at);
            n += length;
            break;
        }
    }
    return n;
}

static void mutated_bodies_neither_crash_nor_leak(void **state) {
    (void)state;
    for (int i = 0; i < 60000; i++) {
        char text[1024];
        struct document d;
        const char *sample = samples[next_random() % SAMPLES];
        strcpy(text, sample);
        const size_t n = mutate(text, strlen(sample));
        if (document_open_bytes(&d, text, n)) {
            visit(&d.arena, d.root);
        } else {
            assert_true(d.error.code == ERROR_INVALID_JSON ||
                        d.error.code == ERROR_GRAPH_TOO_LARGE);
            assert_true(d.error.detail[0]);
        }
        document_close(&d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_members_take_linear_time),
        cmocka_unit_test(arrays_that_turn_out_to_be_mixed_take_linear_time),
        cmocka_unit_test(an_arena_that_ends_anywhere_is_a_memory_budget),
        cmocka_unit_test(mutated_bodies_neither_crash_nor_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
