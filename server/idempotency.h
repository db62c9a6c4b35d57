/* Idempotency-Key: a POST that is sent again with its key is answered again and not run again. The
 * record of an answer is kept in the store, in the batch of what the request has changed; which keys are
 * being worked on now is known here. */
#ifndef GRADD_SERVER_IDEMPOTENCY_H
#define GRADD_SERVER_IDEMPOTENCY_H

#include <pthread.h>

#include "api/service.h"
#include "server/secret.h"

enum {
    IDEMPOTENCY_KEY = 255,              /* the longest key, in characters */
    IDEMPOTENCY_ANSWER = 16 << 20,      /* the longest answer that is kept */
    IDEMPOTENCY_SECONDS = 24 * 60 * 60, /* how long, at least */
    IDEMPOTENCY_TYPE = 64,
    IDEMPOTENCY_MARK = -1 /* the status of an answer that could not be kept */
};

/* What is running under a key. The texts are the exchange's. */
struct idempotent {
    const char *tenant, *key; /* key NULL: none */
    bool entered;             /* it is among those that run */
    bool is_new;              /* nothing was kept of it, and it is to be run */
    bool is_marked;           /* something is kept of it already: that it was to be run */
    struct secret_digest request;
    char type[IDEMPOTENCY_TYPE]; /* of an answer that is given again */
    struct idempotent *next, *previous;
};

/* Those that run. */
struct idempotency {
    pthread_mutex_t lock;
    struct idempotent *first;
};

void idempotency_init(struct idempotency *all);
void idempotency_free(struct idempotency *all);

/* 1 to 255 visible characters of ASCII. */
bool idempotency_check_key(const char *key, struct error *error);

/* From here on to idempotency_leave the key is this one's. False (in_progress) where it is another's. */
bool idempotency_enter(struct idempotency *all, struct idempotent *i, struct error *error);
void idempotency_leave(struct idempotency *all, struct idempotent *i);

/* What makes a request the same one again: its method, its path and its body. */
void idempotency_digest(struct idempotent *i, const char *method, const char *path,
                        const char *body, size_t n);

/* An answer as it is kept, and again out of that. False (idempotency_mismatch) where it was given to
 * another request, or (answer_lost) could not be kept. */
void idempotency_write(struct writer *out, const struct idempotent *i,
                       const struct service_reply *reply, const struct writer *answer);
bool idempotency_read(const struct writer *record, struct idempotent *i,
                      struct service_reply *reply, struct writer *answer, struct error *error);

#endif
