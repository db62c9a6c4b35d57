/* What all requests share. Decides what is small enough for a network thread, how large the caches may
 * grow, and which store there is; runs nothing itself but what is constant. */
#include "server/engine.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/known.h"
#include "api/session.h"
#include "core/budget.h"
#include "core/pool.h"
#include "core/slab.h"
#include "server/body.h"
#include "server/durable.h"
#include "server/keeper.h"
#include "server/machine.h"
#include "server/ready.h"

static const char first_tenant[] = "default";

enum { MOST_PLANS = 4096, MOST_KNOWN = 4096, FORGET_SWEEPS = 600 };

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

static void set_job(struct engine *e) {
    e->job = e->limits;
    e->job.max_work = e->limits.max_job_work;
    e->job.max_seconds = e->limits.max_job_seconds;
}

static bool build_constant(struct engine *e, size_t i, char *problem, size_t size) {
    struct service_call call = {
        .plans = e->plans, .known = e->known, .limits = &e->limits, .seed = e->seed};
    struct error error;
    error_clear(&error);
    struct constant *c = &e->constants[i];
    writer_init(&c->out, (size_t)service_limits_default.max_answer_bytes);
    if (!route_table[i].serve(&call, &c->out, &error) || c->out.full) {
        snprintf(problem, size, "cannot build the answer of %s: %s", route_table[i].path,
                 error.code ? error.detail : "out of memory");
        return false;
    }
    engine_etag(c->out.data, c->out.length, c->etag);
    return true;
}

static bool start_state(struct engine *e, char *problem, size_t size) {
    e->store = store_memory.open("", problem, size);
    if (!e->store) return false;
    idempotency_init(&e->idempotency);
    e->jobs = job_queue_new();
    if (e->jobs) e->tenant = tenant_new(first_tenant, &e->limits, e->seed, e->jobs);
    if (!e->tenant) snprintf(problem, size, "out of memory");
    return e->tenant;
}

bool engine_init(struct engine *e, const struct service_limits *limits, char *problem,
                 size_t size) {
    *e = (struct engine){.limits = *limits};
    const int64_t max_body = limits->max_body_bytes;
    set_small(e);
    set_job(e);
    const int64_t memory = least(machine_memory(), budget_limit());
    /* One body must always fit, however small the machine; a quarter is left to all of them. */
    body_set_budget(memory / 4 > 2 * max_body ? memory / 4 : 2 * max_body);
    if (getrandom(&e->seed, sizeof e->seed, 0) != sizeof e->seed ||
        getrandom(&e->ids, sizeof e->ids, 0) != sizeof e->ids) {
        snprintf(problem, size, "the system gave no random bytes");
        return false;
    }
    slab_keep((size_t)least(memory / 16, INT64_C(128) << 20));
    const size_t most = (size_t)least(memory / 16, INT64_C(256) << 20);
    e->plans = plan_cache_new(MOST_PLANS, most, e->seed);
    e->known = known_cache_new(MOST_KNOWN, most, e->seed);
    if (!e->plans || !e->known) {
        snprintf(problem, size, "out of memory");
        return false;
    }
    /* A quarter is left to what a request holds beside its run. */
    plan_cache_fit(e->plans, (size_t)least(e->limits.max_request_bytes, memory) / 4 * 3);
    if (!start_state(e, problem, size)) return false;
    route_init();
    for (size_t i = 0; i < route_count; i++)
        if (route_table[i].kind == ROUTE_CONSTANT && !build_constant(e, i, problem, size))
            return false;
    return true;
}

void engine_free(struct engine *e) {
    for (size_t i = 0; i < route_count; i++) writer_free(&e->constants[i].out);
    /* First: what is still being kept is told to those below when it is done. */
    if (e->store) e->store->verbs->close(e->store);
    access_close(e->access);
    for (struct tenant *t = e->tenant, *next; t; t = next) {
        next = t->next;
        tenant_free(t);
    }
    job_queue_free(e->jobs);
    idempotency_free(&e->idempotency);
    cache_free(e->known);
    plan_cache_free(e->plans);
    pool_stop(e->pool);
}

/* ---- tenants ---- */

struct tenant *engine_tenant(struct engine *e, const char *name, const struct quotas *quotas,
                             char *problem, size_t size) {
    struct tenant *t = e->tenant;
    while (strcmp(t->name, name) != 0 && t->next) t = t->next;
    if (strcmp(t->name, name) != 0) {
        struct tenant *added = tenant_new(name, &e->limits, e->seed, e->jobs);
        if (!added) {
            snprintf(problem, size, "no memory for the tenant \"%s\"", name);
            return NULL;
        }
        t->next = added;
        t = added;
    }
    tenant_set_quotas(t, quotas);
    return t;
}

struct registry_stats engine_sessions(const struct engine *e) {
    struct registry_stats sum = {0};
    for (struct tenant *t = e->tenant; t; t = t->next) {
        const struct registry_stats s = registry_stats(t->registry);
        sum.sessions += s.sessions;
        sum.bytes += s.bytes;
        sum.tapes += s.tapes;
        sum.waiting += s.waiting;
    }
    return sum;
}

struct operations_stats engine_operations(const struct engine *e) {
    struct operations_stats sum = {0};
    for (struct tenant *t = e->tenant; t; t = t->next) {
        const struct operations_stats s = operations_stats(t->operations);
        sum.queued += s.queued;
        sum.running += s.running;
        sum.done += s.done;
        sum.bytes += s.bytes;
    }
    return sum;
}

int64_t engine_functions(const struct engine *e) {
    int64_t sum = 0;
    for (struct tenant *t = e->tenant; t; t = t->next) sum += functions_count(t->functions);
    return sum;
}

static void end_operation(void *context, struct operation *op) {
    durable_end_operation(context, operation_owner(op), op);
}

void engine_drain(struct engine *e) {
    for (struct tenant *t = e->tenant; t; t = t->next)
        operations_drain(t->operations, end_operation, e);
}

bool engine_is_idle(const struct engine *e) {
    for (struct tenant *t = e->tenant; t; t = t->next)
        if (!operations_idle(t->operations)) return false;
    return true;
}

/* ---- sweeping ---- */

/* A session that nobody has used for its lifetime goes, once the store has let it go too. */
struct farewell {
    struct registry *registry;
    struct seat *seat;
};

/* Whose sessions are swept. */
struct sweep {
    struct engine *engine;
    struct tenant *tenant;
};

static void on_gone(void *context, const struct error *error) {
    struct farewell *f = context;
    (void)error; /* It is found expired when it is loaded again. */
    registry_release(f->registry, f->seat, clock_coarse());
    free(f);
}

static void on_expired(void *context, struct seat *seat) {
    const struct sweep *s = context;
    struct registry *registry = s->tenant->registry;
    struct store *store = s->engine->store;
    struct farewell *f = malloc(sizeof *f);
    if (!f) {
        registry_release(registry, seat, clock_coarse());
        return;
    }
    *f = (struct farewell){.registry = registry, .seat = seat};
    const struct store_change change = {
        .kind = STORE_SESSION, .deleted = true, .tenant = s->tenant->name, .id = seat_id(seat)};
    store->verbs->save(store, &change, 1, on_gone, f);
}

/* Many small sessions that have gone leave holes, which the C library keeps unless it is told. That
 * takes it a while, and so waits until no more of them go. */
static void give_back(struct engine *e) {
    enum { HOLES = 4 << 20 };
    const int64_t held = engine_sessions(e).bytes;
    const bool falls = held < e->held;
    e->held = held;
    if (held > e->most_held) e->most_held = held;
    if (falls || e->most_held - held < HOLES) return;
    malloc_trim(0);
    e->most_held = held;
}

/* The last save of an operation is its end, or its beginning where it goes on. */
static void forget_old(struct engine *e) {
    e->store->verbs->forget(e->store, STORE_ANSWER, IDEMPOTENCY_SECONDS);
    e->store->verbs->forget(e->store, STORE_OPERATION,
                            e->limits.max_operation_seconds + e->limits.max_job_seconds);
}

void engine_sweep(struct engine *e) {
    for (struct tenant *t = e->tenant; t; t = t->next) {
        struct sweep sweep = {e, t};
        registry_sweep(t->registry, clock_coarse(), on_expired, &sweep);
        operations_sweep(t->operations, clock_coarse());
    }
    durable_cool(e);
    ready_set(READY_STORE, e->store->verbs->is_well(e->store) ? NULL : "the store cannot write");
    slab_sweep();
    give_back(e);
    if (e->sweeps++ % FORGET_SWEEPS == 0) forget_old(e);
}

void engine_etag(const char *data, size_t n, char out[ENGINE_ETAG]) {
    /* FNV-1a in 64 bits. */
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    snprintf(out, ENGINE_ETAG, "\"%016" PRIx64 "\"", hash);
}
