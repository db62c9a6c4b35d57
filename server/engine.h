/* What all requests share: the caches of plans, the limits, sessions and functions with their store, and the
 * answers that never change. */
#ifndef GRADD_SERVER_ENGINE_H
#define GRADD_SERVER_ENGINE_H

#include <stdatomic.h>

#include "server/route.h"
#include "server/store.h"
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
    struct registry *registry;
    struct functions *functions;
    struct operations *operations;
    struct store *store;
    int64_t held, most_held; /* bytes of sessions at the last sweep, and since memory went back */
    const char *directory;   /* of what is kept; NULL: nothing is */
    atomic_bool draining;    /* the process is about to end: nothing new that is large */
};

/* False, with one sentence, where memory or randomness is missing. */
bool engine_init(struct engine *e, int64_t max_body, char *problem, size_t size);
void engine_free(struct engine *e);

/* About once a second: what has waited or idled too long is ended. */
void engine_sweep(struct engine *e);

/* The strong entity tag of n bytes, in its quotes. */
void engine_etag(const char *data, size_t n, char out[ENGINE_ETAG]);

#endif
