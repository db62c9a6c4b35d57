/* Rates, by the generic cell rate algorithm: one number says all that a bucket of tokens would, and an
 * exchange of it needs no lock. Knows no clock. */
#include "server/rate.h"

static const int64_t second = 1000000000;

void rate_set(struct rate *r, int64_t most) {
    atomic_store_explicit(&r->interval,
                          most < 1        ? 0
                          : most < second ? second / most
                                          : 1,
                          memory_order_relaxed);
}

int64_t rate_take(struct rate *r, int64_t now) {
    const int64_t interval = atomic_load_explicit(&r->interval, memory_order_relaxed);
    if (interval == 0) return 0;
    int64_t due = atomic_load_explicit(&r->due, memory_order_relaxed), next;
    do {
        next = (due > now ? due : now) + interval;
        if (next - now > second) return next - now - second;
    } while (!atomic_compare_exchange_weak_explicit(&r->due, &due, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return 0;
}
