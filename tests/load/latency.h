/* How long answers took: counts in buckets that are a hundredth apart. */
#ifndef GRADD_TESTS_LOAD_LATENCY_H
#define GRADD_TESTS_LOAD_LATENCY_H

#include <math.h>
#include <stdint.h>
#include <time.h>

enum { LATENCY_BUCKETS = 2500 };

struct latency {
    long count[LATENCY_BUCKETS], n;
    int64_t most; /* nanoseconds */
};

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void latency_add(struct latency *l, int64_t ns) {
    const int bucket = ns < 1000 ? 0 : (int)(log((double)ns / 1000) / log(1.01));
    l->count[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
    l->n++;
    if (ns > l->most) l->most = ns;
}

/* Milliseconds within which that part of the answers came. */
static inline double latency_of(const struct latency *l, double part) {
    long left = (long)(part * (double)l->n);
    for (int i = 0; i < LATENCY_BUCKETS; i++)
        if ((left -= l->count[i]) < 0) return pow(1.01, i + 1) / 1000;
    return (double)l->most / 1e6;
}

#endif
