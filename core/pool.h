/* Threads that help others with work that comes in blocks. A thread that has such work opens a round, takes
 * blocks until there are none, and closes it; helpers that have nothing else to do take blocks of it too. Which
 * thread computes a block is left to chance, so that no block may depend on another. */
#ifndef GRADD_CORE_POOL_H
#define GRADD_CORE_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pool;

/* Blocks [0, n) to be computed; lives on the stack of whoever opened it. The rest is the pool's own. */
struct pool_round {
    void (*f)(void *arg, int64_t block);
    void *arg;
    int64_t n;
    atomic_llong next; /* the first block that nobody has taken */
    atomic_int helping;
    struct pool_round *link;
};

/* A pool for rounds on up to `threads` threads, whoever opens a round being one of them. The others are
 * started here, at the lowest priority. NULL where the system has no room for them. */
struct pool *pool_start(int threads);
/* Ends the threads; no round may be open. NULL is no pool. */
void pool_stop(struct pool *pool);

/* Offers a round to the helpers. Rounds are helped in the order in which they were opened, and only as long as
 * threads with an open round and helpers together are no more than the pool's threads. */
void pool_open(struct pool *pool, struct pool_round *round);
/* Ends a round, all of whose blocks were taken or shall not be: waits for the blocks that helpers have begun,
 * not for helpers that have not. */
void pool_close(struct pool *pool, struct pool_round *round);

/* The next block of a round, for the caller to compute; negative where there is none. */
static inline int64_t pool_take(struct pool_round *round) {
    const int64_t block = atomic_fetch_add_explicit(&round->next, 1, memory_order_relaxed);
    return block < round->n ? block : -1;
}

/* Lets others have the core where somebody waits for it. Who computes at length calls this now and then: Linux
 * looks for somebody with a better claim only at its ticks, some milliseconds apart, once it has picked a thread, even
 * one of the lowest priority. */
void pool_make_way(void);

#endif
