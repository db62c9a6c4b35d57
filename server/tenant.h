/* A tenant: what those who share tokens have between requests, apart from what all others have. Nothing
 * that one of them can ask for leads into another. */
#ifndef GRADD_SERVER_TENANT_H
#define GRADD_SERVER_TENANT_H

#include <pthread.h>

#include "api/functions.h"
#include "api/operations.h"
#include "api/registry.h"
#include "server/rate.h"
#include "server/token_file.h"

struct tenant {
    char name[TENANT_NAME + 1];
    struct registry *registry;
    struct functions *functions;
    pthread_mutex_t saving; /* a function: what is handed to the store last is what there is */
    struct operations *operations;
    struct rate requests;
    const struct service_limits *limits;
    _Atomic(struct tenant *) next; /* of all of them, in the order in which they came */
};

/* Without quotas, and without anything. `limits` must outlive it; its jobs wait in `jobs`. NULL without
 * memory. */
struct tenant *tenant_new(const char *name, const struct service_limits *limits, uint64_t seed,
                          struct job_queue *jobs);
/* Nobody may use it any more. */
void tenant_free(struct tenant *t);

/* From now on; what there is beyond a quota stays. */
void tenant_set_quotas(struct tenant *t, const struct quotas *quotas);

#endif
