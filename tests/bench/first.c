/* The first request from its text to the answer's, again and again with other values, in this process: for
 * tests/bench/instructions, which counts what it executes. Checks every answer. Knows nothing of HTTP.
 *
 *     first TIMES */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/known.h"
#include "api/service.h"

static void die(const char *what) {
    fprintf(stderr, "first: %s\n", what);
    exit(1);
}

/* Asks with x1 = a and x2 = 3, whole numbers that float32 has. */
static void ask(struct plan_cache *plans, struct cache *known, int a) {
    char body[128], wanted[128];
    struct error error;
    struct writer out;
    const int n = snprintf(
        body, sizeof body,
        "{\"graph\":\"z = (x1 + 5) * x2 ** 2\",\"variables\":{\"x1\":%d.0,\"x2\":3.0}}", a);
    const struct service_call call = {.plans = plans,
                                      .known = known,
                                      .limits = &service_limits_default,
                                      .seed = 1,
                                      .body = body,
                                      .body_length = (size_t)n};
    error_clear(&error);
    writer_init(&out, 1 << 16);
    if (!service_gradient(&call, &out, &error)) die(error.detail);
    write_bytes(&out, "", 1);
    snprintf(wanted, sizeof wanted, "{\"value\":%d.0,\"gradient\":{\"x1\":9.0,\"x2\":%d.0}}",
             9 * (a + 5), 6 * (a + 5));
    if (strcmp(out.data, wanted) != 0) die(out.data);
    writer_free(&out);
}

int main(int argc, char **argv) {
    struct plan_cache *plans = plan_cache_new(64, 64 << 20, 1);
    struct cache *known = known_cache_new(64, 64 << 20, 1);
    const int times = argc == 2 ? atoi(argv[1]) : 0;
    if (!plans || !known || times < 1) die("usage: first TIMES");
    for (int i = 0; i < times; i++) ask(plans, known, 1000 + i % 9000);
    cache_free(known);
    plan_cache_free(plans);
    return 0;
}
