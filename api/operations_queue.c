/* Whose turn it is: the jobs of all tables, and the threads that wait for one. Within a table the first
 * that came is the first that runs; among tables it goes round. */
#include <stdlib.h>

#include "api/operations_own.h"

struct job_queue {
    pthread_mutex_t
        lock; /* of all below; a table's lock may be taken under it, never the other way */
    pthread_cond_t arrived;
    struct operations *tables;
    uint64_t turns;
    bool stopping;
};

struct job_queue *job_queue_new(void) {
    struct job_queue *queue = calloc(1, sizeof *queue);
    if (!queue) return NULL;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->arrived, NULL);
    return queue;
}

void job_queue_free(struct job_queue *queue) {
    if (!queue) return;
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->arrived);
    free(queue);
}

void job_queue_join(struct job_queue *queue, struct operations *all) {
    pthread_mutex_lock(&queue->lock);
    all->next_table = queue->tables;
    queue->tables = all;
    pthread_mutex_unlock(&queue->lock);
}

void job_queue_leave(struct job_queue *queue, struct operations *all) {
    pthread_mutex_lock(&queue->lock);
    struct operations **at = &queue->tables;
    while (*at != all) at = &(*at)->next_table;
    *at = all->next_table;
    pthread_mutex_unlock(&queue->lock);
}

void job_queue_ring(struct job_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    pthread_cond_signal(&queue->arrived);
    pthread_mutex_unlock(&queue->lock);
}

/* ---- turns ---- */

/* Tables with fewer running jobs come first, and among those the one that has waited longest. */
static bool is_before(const struct operations *a, int64_t a_runs, const struct operations *b,
                      int64_t b_runs) {
    return a_runs != b_runs ? a_runs < b_runs : a->served < b->served;
}

/* Wants the queue's lock. NULL where nothing may run now. */
static struct operations *choose(struct job_queue *queue) {
    struct operations *best = NULL;
    int64_t best_runs = 0;
    for (struct operations *all = queue->tables; all; all = all->next_table) {
        pthread_mutex_lock(&all->lock);
        const int64_t runs = all->n_running;
        const bool ready = all->queue && runs < all->most_running;
        pthread_mutex_unlock(&all->lock);
        if (!ready || (best && !is_before(all, runs, best, best_runs))) continue;
        best = all;
        best_runs = runs;
    }
    return best;
}

/* The first of a table's, which may have been cancelled since it was chosen. */
static struct operation *take_first(struct job_queue *queue, struct operations *all) {
    pthread_mutex_lock(&all->lock);
    struct operation *op = all->queue;
    if (op) operations_take_off(all, op);
    pthread_mutex_unlock(&all->lock);
    if (op) all->served = ++queue->turns;
    return op;
}

struct operation *operations_take(struct job_queue *queue) {
    struct operation *op = NULL;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stopping && !op) {
        struct operations *all = choose(queue);
        if (all)
            op = take_first(queue, all);
        else
            pthread_cond_wait(&queue->arrived, &queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
    return op;
}

void operations_stop(struct job_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_cond_broadcast(&queue->arrived);
    pthread_mutex_unlock(&queue->lock);
}

void *operation_owner(const struct operation *op) { return op->all->owner; }
