/* Runs requests for the fuzz programs and holds their answers to what is promised of every answer.
 * Knows nothing of where the requests come from. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/problem.h"

/* Small enough that an input takes milliseconds; every limit can still be passed. */
static const struct service_limits limits = {
    .max_body_bytes = 1 << 20,
    .max_json_depth = 32,
    .max_expression_depth = 64,
    .max_nodes = 5000,
    .max_rank = 8,
    .max_elements = 1 << 14,
    .max_request_bytes = 32 << 20,
    .max_work = 2000000,
    .max_answer_bytes = 4 << 20,
    .max_seconds = 60,
};

void fuzz_fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    abort();
}

void fuzz_expect_json(const char *bytes, size_t n) {
    struct arena arena;
    struct json *root;
    struct error error;
    arena_init(&arena, 256 << 20);
    error_clear(&error);
    if (!json_parse(&arena, bytes, n, 128, &root, &error)) {
        fprintf(stderr, "%.*s\n", (int)n, bytes);
        fuzz_fail(error.detail);
    }
    arena_free(&arena);
}

static struct plan_cache *plans(void) {
    static struct plan_cache *cache;
    if (!cache) cache = plan_cache_new(64, 16 << 20, 42);
    return cache;
}

static void answer(service_function function, const char *body, size_t n, struct writer *out) {
    struct error error;
    error_clear(&error);
    const struct service_call call = {
        .plans = plans(), .limits = &limits, .seed = 42, .body = body, .body_length = n};
    writer_init(out, (size_t)limits.max_answer_bytes);
    if (function(&call, out, &error)) {
        if (error.code != ERROR_NONE) fuzz_fail("an answer with a failure recorded");
    } else {
        if (error.code == ERROR_NONE) fuzz_fail("neither an answer nor a failure");
        if (!error.detail[0]) fuzz_fail("a failure without a sentence");
        writer_free(out);
        writer_init(out, (size_t)limits.max_answer_bytes);
        problem_write(out, &error, "fuzz");
    }
    if (!out->full) fuzz_expect_json(out->data, out->length);
}

bool fuzz_answer(service_function function, const char *body, size_t n, struct writer *out) {
    struct error error;
    error_clear(&error);
    const struct service_call call = {
        .plans = plans(), .limits = &limits, .seed = 42, .body = body, .body_length = n};
    writer_init(out, (size_t)limits.max_answer_bytes);
    if (function(&call, out, &error)) return true;
    writer_free(out);
    writer_init(out, (size_t)limits.max_answer_bytes);
    write_text(out, error_name(error.code));
    return false;
}

void fuzz_service(service_function function, const char *body, size_t n) {
    struct writer first, second;
    answer(function, body, n, &first);
    answer(function, body, n, &second);
    if (first.length != second.length || memcmp(first.data, second.data, first.length) != 0) {
        fprintf(stderr, "%.*s\n%.*s\n", (int)first.length, first.data, (int)second.length,
                second.data);
        fuzz_fail("the same request gave two answers");
    }
    writer_free(&first);
    writer_free(&second);
}
