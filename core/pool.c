/* The helpers of runs: their threads, the list of open rounds, and who may join which. What a block is made
 * of is not known here. */
#include "core/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/plan.h"

/* Stacks are as large as those of the workers, whose kernels helpers run. */
enum { STACK_BYTES = 3 << 19, LOWEST_PRIORITY = 19 };

/* To sleep and wake again takes a thread about as long as a short block: it looks around so many nanoseconds
 * before it does. */
enum { PATIENCE = 50000 };

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t opened, left;
    struct pool_round *first, **last;
    int threads, busy;  /* busy: with an open round, or helping */
    int idle;           /* helpers that wait */
    atomic_uint rounds; /* opened so far */
    bool stopping;
    int n_helpers;
    pthread_t helpers[];
};

/* The first round that has blocks left, where one more thread may compute. */
static struct pool_round *find(const struct pool *pool) {
    struct pool_round *round = pool->busy < pool->threads ? pool->first : NULL;
    while (round && atomic_load_explicit(&round->next, memory_order_relaxed) >= round->n)
        round = round->link;
    return round;
}

/* One helper is woken at a time: each wakes the next one if there is more to do. */
static void wake(struct pool *pool) {
    if (pool->idle > 0 && find(pool)) pthread_cond_signal(&pool->opened);
}

/* After a round the next step of the same run often opens another one at once. */
static void look_around(struct pool *pool) {
    const unsigned seen = atomic_load_explicit(&pool->rounds, memory_order_relaxed);
    const int64_t end = clock_now() + PATIENCE;
    pthread_mutex_unlock(&pool->lock);
    while (atomic_load_explicit(&pool->rounds, memory_order_relaxed) == seen && clock_now() < end)
        continue;
    pthread_mutex_lock(&pool->lock);
}

static void help_with(struct pool *pool, struct pool_round *round) {
    pool->busy++;
    atomic_fetch_add_explicit(&round->helping, 1, memory_order_relaxed);
    wake(pool);
    pthread_mutex_unlock(&pool->lock);
    for (int64_t block; (block = pool_take(round)) >= 0;) {
        round->f(round->arg, block);
        pool_make_way();
    }
    pthread_mutex_lock(&pool->lock);
    pool->busy--;
    if (atomic_fetch_sub_explicit(&round->helping, 1, memory_order_release) == 1)
        pthread_cond_broadcast(&pool->left);
}

void pool_make_way(void) { sched_yield(); }

static void *help(void *context) {
    struct pool *pool = context;
    bool helped = false;
    pthread_setname_np(pthread_self(), "helper");
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST_PRIORITY);
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        struct pool_round *round = find(pool);
        if (round) {
            help_with(pool, round);
            helped = true;
        } else if (helped) {
            look_around(pool);
            helped = false;
        } else {
            pool->idle++;
            pthread_cond_wait(&pool->opened, &pool->lock);
            pool->idle--;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct pool *pool_start(int threads) {
    const int n = threads - 1;
    struct pool *pool = calloc(1, sizeof *pool + (size_t)n * sizeof *pool->helpers);
    if (!pool) return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->opened, NULL);
    pthread_cond_init(&pool->left, NULL);
    pool->last = &pool->first;
    pool->threads = threads;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (pool->n_helpers < n &&
           pthread_create(&pool->helpers[pool->n_helpers], &attributes, help, pool) == 0)
        pool->n_helpers++;
    pthread_attr_destroy(&attributes);
    if (pool->n_helpers == n) return pool;
    pool_stop(pool);
    return NULL;
}

void pool_stop(struct pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->opened);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->n_helpers; i++) pthread_join(pool->helpers[i], NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->opened);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void pool_open(struct pool *pool, struct pool_round *round) {
    pthread_mutex_lock(&pool->lock);
    pool->busy++;
    atomic_fetch_add_explicit(&pool->rounds, 1, memory_order_relaxed);
    *pool->last = round;
    pool->last = &round->link;
    wake(pool);
    pthread_mutex_unlock(&pool->lock);
}

static void unlink_round(struct pool *pool, struct pool_round *round) {
    struct pool_round **at = &pool->first;
    while (*at != round) at = &(*at)->link;
    *at = round->link;
    if (!*at) pool->last = at;
}

void pool_close(struct pool *pool, struct pool_round *round) {
    atomic_store_explicit(&round->next, round->n, memory_order_relaxed);
    pthread_mutex_lock(&pool->lock);
    unlink_round(pool, round);
    pool->busy--;
    wake(pool);
    if (atomic_load_explicit(&round->helping, memory_order_relaxed)) {
        const int64_t end = clock_now() + PATIENCE;
        pthread_mutex_unlock(&pool->lock);
        while (atomic_load_explicit(&round->helping, memory_order_acquire) && clock_now() < end)
            continue;
        pthread_mutex_lock(&pool->lock);
        while (atomic_load_explicit(&round->helping, memory_order_acquire))
            pthread_cond_wait(&pool->left, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}
