/* How often something may happen: so many times a second on the average, and as many at once as come in
 * one second. */
#ifndef GRADD_SERVER_RATE_H
#define GRADD_SERVER_RATE_H

#include <stdatomic.h>
#include <stdint.h>

struct rate {
    _Atomic int64_t interval; /* nanoseconds between two, on the average; 0: no limit */
    _Atomic int64_t due;      /* when the last one would have come, had they come evenly */
};

/* `most` a second, from 1; less than that means no limit. */
void rate_set(struct rate *r, int64_t most);

/* One more, at `now` in nanoseconds (CLOCK_MONOTONIC). 0: it may happen, and is counted; else how many
 * nanoseconds too early it is, and nothing is counted. */
int64_t rate_take(struct rate *r, int64_t now);

#endif
