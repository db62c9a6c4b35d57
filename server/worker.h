/* The workers: threads at low priority and the one bounded queue before them. */
#ifndef GRADD_SERVER_WORKER_H
#define GRADD_SERVER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

struct task {
    struct task *next;
    void (*run)(struct task *task); /* the task may be gone when this returns */
    int64_t since, waited;          /* in the queue: clock_now, and nanoseconds */
};

struct worker_pool;

/* Starts the threads; NULL where the system has none. At most `capacity` tasks wait at a time. */
struct worker_pool *worker_start(int threads, int capacity);

/* Takes one of the places in the queue; false where there is none. worker_submit then cannot fail. */
bool worker_reserve(struct worker_pool *pool);
void worker_submit(struct worker_pool *pool, struct task *task);

bool worker_has_place(struct worker_pool *pool);

/* The same without a place of its own: for what has waited elsewhere, in a queue that is bounded too. */
void worker_add(struct worker_pool *pool, struct task *task);

/* Runs what is in the queue and ends the threads. */
void worker_stop(struct worker_pool *pool);

#endif
