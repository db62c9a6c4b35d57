/* Tenants: what each of them has of its own, and how much. Who belongs to one is not known here. */
#include "server/tenant.h"

#include <stdlib.h>
#include <string.h>

#include "api/service.h"

struct tenant *tenant_new(const char *name, const struct service_limits *limits, uint64_t seed,
                          struct job_queue *jobs) {
    struct tenant *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    strcpy(t->name, name);
    pthread_mutex_init(&t->saving, NULL);
    t->limits = limits;
    t->registry = registry_new(limits->max_sessions, limits->max_session_queue, seed);
    t->functions = functions_new(limits->max_functions, seed);
    if (t->registry) t->operations = operations_new(limits, t->registry, jobs, t);
    if (t->functions && t->operations) return t;
    tenant_free(t);
    return NULL;
}

void tenant_free(struct tenant *t) {
    operations_free(t->operations);
    registry_free(t->registry);
    functions_free(t->functions);
    pthread_mutex_destroy(&t->saving);
    free(t);
}

void tenant_set_quotas(struct tenant *t, const struct quotas *quotas) {
    registry_set_quota(t->registry, quotas->sessions, quotas->bytes);
    functions_set_quota(t->functions, quotas->functions);
    operations_set_quota(t->operations, quotas->jobs);
    rate_set(&t->requests, quotas->requests);
}
