/* Requests to an engine without a transport: each is an exchange whose worker is the thread that asks. */
#ifndef GRADD_TESTS_UNIT_EXCHANGES_H
#define GRADD_TESTS_UNIT_EXCHANGES_H

#include <pthread.h>

#include "server/exchange.h"

struct request {
    struct exchange x; /* first */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool over, works;
    atomic_bool left;
};

/* What came back; cut where it is longer. */
struct got {
    int status;
    char body[16 << 10], location[512], etag[64];
};

/* Begins a request and runs it as far as it goes by itself; `body` NULL: none. */
void request_begin(struct request *r, struct engine *engine, const char *method, const char *path,
                   const char *body);
bool request_is_over(struct request *r);
/* Waits for the end, and works where a worker is called for. */
int request_end(struct request *r, struct got *out);

/* Both; returns the status. */
int request_ask(struct engine *engine, const char *method, const char *path, const char *body,
                struct got *out);

#endif
