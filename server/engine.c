/* What all requests share. Decides what is small enough for a network thread, and how large the
 * caches may grow; runs nothing itself but what is constant. */
#include "server/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "server/body.h"
#include "server/machine.h"

enum { MOST_PLANS = 4096 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Well under a millisecond on any of these, so that nobody waits behind it for long. Depths, ranks
 * and bodies are not cut: a worker would find the same. */
static void set_small(struct engine *e) {
    e->small = e->limits;
    e->small.max_nodes = least(e->limits.max_nodes, 4096);
    e->small.max_elements = least(e->limits.max_elements, 1 << 16);
    e->small.max_request_bytes = least(e->limits.max_request_bytes, 4 << 20);
    e->small.max_work = least(e->limits.max_work, 2000000);
    e->small.max_answer_bytes = least(e->limits.max_answer_bytes, 256 << 10);
}

static bool build_constant(struct engine *e, size_t i, char *problem, size_t size) {
    struct service_call call = {.plans = e->plans, .limits = &e->limits, .seed = e->seed};
    struct error error;
    error_clear(&error);
    struct constant *c = &e->constants[i];
    writer_init(&c->out, (size_t)e->limits.max_answer_bytes);
    if (!route_table[i].serve(&call, &c->out, &error) || c->out.full) {
        snprintf(problem, size, "cannot build the answer of %s: %s", route_table[i].path,
                 error.code ? error.detail : "out of memory");
        return false;
    }
    engine_etag(c->out.data, c->out.length, c->etag);
    return true;
}

bool engine_init(struct engine *e, int64_t max_body, char *problem, size_t size) {
    *e = (struct engine){.limits = service_limits_default};
    e->limits.max_body_bytes = max_body;
    set_small(e);
    int64_t memory = machine_memory();
    /* One body must always fit, however small the machine; a quarter is left to all of them. */
    body_set_budget(memory / 4 > 2 * max_body ? memory / 4 : 2 * max_body);
    if (getrandom(&e->seed, sizeof e->seed, 0) != sizeof e->seed ||
        getrandom(&e->ids, sizeof e->ids, 0) != sizeof e->ids) {
        snprintf(problem, size, "the system gave no random bytes");
        return false;
    }
    e->plans = plan_cache_new(MOST_PLANS, (size_t)least(memory / 16, INT64_C(256) << 20), e->seed);
    if (!e->plans) {
        snprintf(problem, size, "out of memory");
        return false;
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        if (route_table[i].kind == ROUTE_CONSTANT && !build_constant(e, i, problem, size))
            return false;
    return true;
}

void engine_free(struct engine *e) {
    for (size_t i = 0; i < ROUTE_COUNT; i++) writer_free(&e->constants[i].out);
    if (e->plans) plan_cache_free(e->plans);
}

void engine_etag(const char *data, size_t n, char out[ENGINE_ETAG]) {
    /* FNV-1a in 64 bits. */
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    snprintf(out, ENGINE_ETAG, "\"%016" PRIx64 "\"", hash);
}
