/* Counters. Owns their slots; knows nothing of what they count. */
#include "server/stats.h"

#include <stdatomic.h>

#include "core/plan.h"

/* Threads beyond this number share slots, which is slower and as right. */
enum { SLOTS = 64 };

static struct { _Alignas(64) _Atomic int64_t count[STAT_COUNT]; } slots[SLOTS];

static atomic_uint threads;
static _Thread_local unsigned slot; /* one more than the index; 0: none yet */
static int64_t started;

void stats_start(void) { started = clock_now(); }

double stats_uptime(void) {
    int64_t ms = (clock_now() - started) / 1000000;
    return (double)ms / 1000;
}

void stats_add(enum counter counter, int64_t n) {
    if (!slot) slot = atomic_fetch_add(&threads, 1) % SLOTS + 1;
    atomic_fetch_add_explicit(&slots[slot - 1].count[counter], n, memory_order_relaxed);
}

int64_t stats_sum(enum counter counter) {
    int64_t sum = 0;
    for (int i = 0; i < SLOTS; i++)
        sum += atomic_load_explicit(&slots[i].count[counter], memory_order_relaxed);
    return sum;
}
