/* Operations: long work that a client asks for now and whose answer it fetches later. The table owns
 * them, the queue of those that have not begun, and those who wait for one to be done; who runs them is
 * not known here. All times are CLOCK_MONOTONIC in nanoseconds. */
#ifndef GRADD_API_OPERATIONS_H
#define GRADD_API_OPERATIONS_H

#include "api/event_log.h"
#include "api/json.h"
#include "api/registry.h"

enum operation_state { OPERATION_QUEUED, OPERATION_RUNNING, OPERATION_DONE };

struct operations;
struct job_queue; /* where the jobs of several tables wait */

struct operation {
    char id[REGISTRY_ID + 1];
    const char *method; /* the job's, as it was asked for */
    char session[SERVICE_ID + 1];
    double created_at, started_at, done_at; /* seconds since the epoch; 0: not yet */
    struct event_log log;
    atomic_bool cancelled; /* it is to end */

    /* What is to be done; gone once it is done. */
    service_function serve;
    struct arena arena;
    char *body; /* that `request` was read from */
    size_t body_length;
    const struct json *request;
    struct session *snapshot; /* of the session, which the run works on; NULL: none */
    struct seat *seat;        /* of the session, which is claimed by this operation */
    struct function *function;

    /* What came of it, once it is done. */
    struct writer answer; /* or the problem, where it failed */
    bool failed, answered;

    /* The table's own. */
    struct operations *all;
    int references;
    enum operation_state state;
    uint64_t order; /* of creation */
    int64_t done;   /* when */
    int64_t bytes;  /* charged */
    struct operation *next_in_bucket, *previous, *next, *next_queued;
    struct operation_waiter *waiters;
};

/* Whose job is next goes round among the tables that have one, so that no table's jobs wait for all of
 * another's. NULL without memory. */
struct job_queue *job_queue_new(void);
/* When its tables have been freed. */
void job_queue_free(struct job_queue *queue);

/* `limits` must outlive the table; its jobs wait in `queue`, and `owner` is whose they are. NULL without
 * memory. */
struct operations *operations_new(const struct service_limits *limits, struct registry *registry,
                                  struct job_queue *queue, void *owner);
/* Nothing may run or wait. */
void operations_free(struct operations *all);
/* A quota of jobs that run; negative: none. */
void operations_set_quota(struct operations *all, int64_t jobs);
/* Of one that is or was in a table. */
void *operation_owner(const struct operation *op);

/* A new operation with one reference, which is in no table; NULL without memory or randomness. */
struct operation *operation_new(struct error *error);
void operation_release(struct operation *op);
/* What came of it is this problem; where there is no memory for its text, the answer says that, for which there
 * is room from the beginning. */
void operation_fail(struct operation *op, const struct error *error);

/* Puts an operation into the table and the queue, and holds one more reference. False where there is no
 * room for it. */
bool operations_add(struct operations *all, struct operation *op, struct error *error);
/* Puts one that was done before the server began into the table, without regard to its room, and holds
 * one more reference. `now` and `wall` are the same moment. */
void operations_restore(struct operations *all, struct operation *op, int64_t now, double wall);
/* The operation of that id, to be released; NULL where there is none. */
struct operation *operations_find(struct operations *all, const char *id, struct error *error);
/* Takes a done operation out of the table, if it is there. */
void operations_remove(struct operations *all, struct operation *op);
/* Asks a run to end; what has not begun is done now. */
void operations_cancel(struct operations *all, struct operation *op);

/* ---- running ---- */

/* Waits for the next operation, which runs from now on; to be released. NULL: there will be no more. */
struct operation *operations_take(struct job_queue *queue);
/* Takes over the answer, or what went wrong; nobody is told yet, so that it can be kept before. */
void operations_settle(struct operations *all, struct operation *op, struct writer *answer,
                       const struct error *error);
/* The end of an operation that was settled. */
void operations_finish(struct operations *all, struct operation *op);
/* Takes no more, and cancels what there is. What had not begun is settled, and handed to `end`, which
 * finishes and releases it. */
void operations_drain(struct operations *all, void (*end)(void *context, struct operation *op),
                      void *context);
bool operations_idle(struct operations *all);
/* operations_take returns NULL from now on. */
void operations_stop(struct job_queue *queue);

/* ---- waiting ---- */

struct operation_waiter {
    /* Called once, on any thread and without a lock, when the waiting is over. */
    void (*over)(struct operation_waiter *w);
    const atomic_bool *left; /* set when there is nobody any more to wait */
    int64_t deadline;
    struct operation_waiter *next; /* the table's own */
};

/* Waits until the operation is done, the deadline has passed, or the client has left, the latter two to
 * the second. False where it is done, and then nobody waits. */
bool operations_wait(struct operations *all, struct operation *op, struct operation_waiter *w);

/* About once a second: ends waiting, and forgets what was done long ago. */
void operations_sweep(struct operations *all, int64_t now);

/* ---- showing ---- */

/* A page of operations in the order of creation, each to be released. */
struct operations_page {
    uint64_t after;      /* order of the last one of the page before; 0: the first page */
    const char *session; /* NULL: any, and none */
    struct operation **list;
    size_t n, most;
    bool more; /* are behind it */
};
void operations_list(struct operations *all, struct operations_page *page);

struct operations_stats {
    int64_t queued, running, done, bytes;
};
struct operations_stats operations_stats(struct operations *all);

enum operation_state operation_state(struct operation *op);
/* What of an operation is the table's. */
struct operation_moment {
    enum operation_state state;
    bool answered;
    double started_at, done_at;
};
void operation_look(struct operation *op, struct operation_moment *out);
/* What a job may do, by its name; NULL: nothing is called so. */
const char *operation_method(const char *name);
/* Writes {"name","done","metadata"} and, where `whole`, the response or the error of a done one. */
void operation_write(struct writer *out, struct operation *op, bool whole);
/* Writes the members of a row, without braces: what is not known is left out. */
void progress_write(struct writer *out, const struct progress_row *row);

/* ---- the routes ---- */

#define OPERATION_SERVICES(X)                                                                      \
    X(job) X(operations_list) X(operation_get) X(operation_events) X(operation_delete)
#define OPERATION_SERVICE(name)                                                                    \
    bool service_##name(const struct service_call *call, struct writer *out, struct error *error);
OPERATION_SERVICES(OPERATION_SERVICE)
#undef OPERATION_SERVICE

#endif
