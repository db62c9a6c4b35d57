/* Counters of the process. Each thread adds to a slot of its own, so that counting costs the
 * network threads no shared cache line; reading sums the slots. */
#ifndef GRADD_SERVER_STATS_H
#define GRADD_SERVER_STATS_H

#include <stdint.h>

enum counter {
    STAT_REQUESTS,    /* whose headers were read */
    STAT_IN_FLIGHT,   /* of these, not yet answered or given up; a gauge */
    STAT_INLINE,      /* answered where they were read */
    STAT_QUEUED,      /* handed to a worker */
    STAT_CANCELLED,   /* whose client left while a worker had them */
    STAT_CONNECTIONS, /* open now; a gauge */
    STAT_ACCEPTED,    /* connections since the start */
    STAT_TIMED_OUT,   /* connections cut for being too slow */
    STAT_REFUSED,     /* connections that there was no descriptor for */
    STAT_2XX,
    STAT_3XX,
    STAT_4XX,
    STAT_5XX,
    STAT_COUNT
};

/* Marks the start of the process, from which the uptime counts. */
void stats_start(void);

void stats_add(enum counter counter, int64_t n);
int64_t stats_sum(enum counter counter);
double stats_uptime(void); /* seconds, to the millisecond */

#endif
