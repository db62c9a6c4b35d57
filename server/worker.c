/* The workers. Owns their threads and queue; what a task does is its own business. */
#include "server/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/plan.h"
#include "server/stats.h"

/* Less than the 2 MiB of a huge page, which a touched stack would else make resident; ThreadSanitizer
 * keeps 800 KiB of it for itself. */
enum { STACK_BYTES = 3 << 19, LOWEST_PRIORITY = 19 };

struct worker_pool {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct task *first, **last;
    int places; /* free in the queue; negative where worker_add has taken more */
    bool stopping;
    int n_threads;
    pthread_t threads[];
};

static struct task *next_task(struct worker_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping) pthread_cond_wait(&pool->arrived, &pool->lock);
    struct task *task = pool->first;
    if (task) {
        pool->first = task->next;
        if (!pool->first) pool->last = &pool->first;
        pool->places++;
    }
    pthread_mutex_unlock(&pool->lock);
    return task;
}

static void *work(void *context) {
    /* The network threads go first. On Linux this is the priority of the one thread. */
    pthread_setname_np(pthread_self(), "worker");
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST_PRIORITY);
    stats_add(STAT_WORKERS, 1);
    for (struct task *task; (task = next_task(context));) {
        task->waited = clock_now() - task->since;
        stats_observe(HISTOGRAM_QUEUE, task->waited);
        stats_add(STAT_WAITING, -1);
        stats_add(STAT_WORKING, 1);
        task->run(task);
        stats_add(STAT_WORKING, -1);
    }
    stats_add(STAT_WORKERS, -1);
    return NULL;
}

struct worker_pool *worker_start(int threads, int capacity) {
    struct worker_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof *pool->threads);
    if (!pool) return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->arrived, NULL);
    pool->last = &pool->first;
    pool->places = capacity;

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (pool->n_threads < threads &&
           pthread_create(&pool->threads[pool->n_threads], &attributes, work, pool) == 0)
        pool->n_threads++;
    pthread_attr_destroy(&attributes);
    if (pool->n_threads == threads) return pool;
    worker_stop(pool);
    return NULL;
}

bool worker_reserve(struct worker_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    bool free_place = pool->places > 0;
    if (free_place) pool->places--;
    pthread_mutex_unlock(&pool->lock);
    return free_place;
}

bool worker_has_place(struct worker_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    const bool has = pool->places > 0;
    pthread_mutex_unlock(&pool->lock);
    return has;
}

static void add(struct worker_pool *pool, struct task *task, int places) {
    task->next = NULL;
    task->since = clock_now();
    stats_add(STAT_WAITING, 1);
    pthread_mutex_lock(&pool->lock);
    pool->places -= places;
    *pool->last = task;
    pool->last = &task->next;
    pthread_cond_signal(&pool->arrived);
    pthread_mutex_unlock(&pool->lock);
}

void worker_submit(struct worker_pool *pool, struct task *task) { add(pool, task, 0); }

void worker_add(struct worker_pool *pool, struct task *task) { add(pool, task, 1); }

void worker_stop(struct worker_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->arrived);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->n_threads; i++) pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->arrived);
    free(pool);
}
