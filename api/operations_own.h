/* What the files of the table of operations share. */
#ifndef GRADD_API_OPERATIONS_OWN_H
#define GRADD_API_OPERATIONS_OWN_H

#include "api/operations.h"

enum { OPERATION_BUCKETS = 256 };

struct operations {
    const struct service_limits *limits;
    struct registry *registry;
    struct job_queue *jobs;
    void *owner;
    struct operations *next_table; /* of the queue's */
    uint64_t served;               /* when a job was last taken, by the queue's count */
    pthread_mutex_t lock;          /* of all below, and of what operations say is the table's */
    struct operation *buckets[OPERATION_BUCKETS]; /* by the first byte of the id */
    struct operation *first, *last;               /* in the order of creation */
    struct operation *queue, **queue_end;
    uint64_t orders;
    int64_t n_queued, n_running, n_done, bytes;
    int64_t most_running; /* a quota; INT64_MAX: none */
    bool draining;
};

/* A table comes to the queue, and goes; and there may be something to do. Without the table's lock. */
void job_queue_join(struct job_queue *queue, struct operations *all);
void job_queue_leave(struct job_queue *queue, struct operations *all);
void job_queue_ring(struct job_queue *queue);

/* Takes an operation off the table's queue, as one that runs; wants the lock. */
void operations_take_off(struct operations *all, struct operation *op);

/* Takes a done operation out, and its reference; true where that was the last one. Wants the lock. */
bool operations_take_out(struct operations *all, struct operation *op);
/* Frees a list of them, by next_queued; without the lock, as below. */
void operations_bury(struct operation *dead);
/* Ends the waiting of a list of waiters. */
void operations_tell(struct operation_waiter *w);

#endif
