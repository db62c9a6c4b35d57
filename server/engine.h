/* What all requests share: the caches of plans, the limits, sessions and functions with their store, and the
 * answers that never change. */
#ifndef GRADD_SERVER_ENGINE_H
#define GRADD_SERVER_ENGINE_H

#include <stdatomic.h>

#include "server/access.h"
#include "server/idempotency.h"
#include "server/route.h"
#include "server/store.h"
#include "server/tenant.h"
#include "server/web.h"

enum { ENGINE_ETAG = 24 };

/* A body that lives as long as the process. */
struct constant {
    struct writer out;
    char etag[ENGINE_ETAG];
};

struct engine {
    struct plan_cache *plans;
    struct cache *known;                   /* kinds of requests; see api/known.h */
    struct pool *pool;                     /* helps the workers and jobs; may be NULL */
    struct service_limits limits;          /* as configured */
    struct service_limits small;           /* what a network thread may do itself */
    struct service_limits job;             /* what a job may */
    uint64_t seed;                         /* of hash tables: a secret */
    uint64_t ids;                          /* where request ids begin: no secret */
    struct constant constants[ROUTE_MOST]; /* of the ROUTE_CONSTANT ones */
    struct web web;                        /* what web pages may do */
    struct access *access;                 /* who may ask; NULL: whoever reaches the server */
    struct tenant *tenant; /* the first of all; of those who are asked for no token */
    struct job_queue *jobs;
    struct store *store;
    struct idempotency idempotency;
    int sweeps;              /* since what is kept for a while was looked through */
    int64_t held, most_held; /* bytes of sessions at the last sweep, and since memory went back */
    const char *directory;   /* of what is kept; NULL: nothing is */
    atomic_int_fast64_t streams; /* of events, that are open */
    bool tells_times;            /* in Server-Timing */
    atomic_bool draining;        /* the process is about to end: nothing new that is large */
};

/* False, with one sentence, where memory or randomness is missing. */
bool engine_init(struct engine *e, const struct service_limits *limits, char *problem, size_t size);
void engine_free(struct engine *e);

/* The tenant of that name, which has these quotas from now on; made where there is none yet. On one
 * thread at a time. NULL, with one sentence, without memory. */
struct tenant *engine_tenant(struct engine *e, const char *name, const struct quotas *quotas,
                             char *problem, size_t size);
/* What all tenants have together. */
struct registry_stats engine_sessions(const struct engine *e);
struct operations_stats engine_operations(const struct engine *e);
int64_t engine_functions(const struct engine *e);

/* Of all tenants: no job begins any more and those that run are told to end; and whether none is left. */
void engine_drain(struct engine *e);
bool engine_is_idle(const struct engine *e);

/* About once a second: what has waited or idled too long is ended. */
void engine_sweep(struct engine *e);

/* The strong entity tag of n bytes, in its quotes. */
void engine_etag(const char *data, size_t n, char out[ENGINE_ETAG]);

#endif
