/* What the process counts of itself. Each thread adds to a slot of its own, so that counting costs the
 * network threads no shared cache line; reading sums the slots. */
#ifndef GRADD_SERVER_STATS_H
#define GRADD_SERVER_STATS_H

#include <stddef.h>
#include <stdint.h>

enum counter {
    STAT_REQUESTS,      /* whose headers were read */
    STAT_IN_FLIGHT,     /* of these, not yet answered or given up; a gauge */
    STAT_INLINE,        /* answered where they were read */
    STAT_QUEUED,        /* handed to a worker */
    STAT_WAITING,       /* of these, not yet begun; a gauge */
    STAT_WORKERS,       /* threads; a gauge */
    STAT_WORKING,       /* of these, with something to do; a gauge */
    STAT_CANCELLED,     /* whose client left while a worker had them */
    STAT_CONNECTIONS,   /* open now; a gauge */
    STAT_ACCEPTED,      /* connections since the start */
    STAT_TIMED_OUT,     /* connections cut for being too slow */
    STAT_REFUSED,       /* connections that there was no place or no descriptor for */
    STAT_STORE_COMMITS, /* of the store, that have held */
    STAT_STORE_ERRORS,  /* and that have not */
    STAT_LOG_DROPPED,   /* lines that nobody took */
    STAT_COUNT
};

/* How often something was how large. */
enum histogram {
    HISTOGRAM_QUEUE,  /* nanoseconds that work waited for a worker */
    HISTOGRAM_COMMIT, /* nanoseconds of a commit of the store */
    HISTOGRAM_BATCH,  /* saves in it */
    HISTOGRAM_COUNT
};

enum { STATS_BUCKETS = 12 };

/* What is at most the bound of a bucket, and above that of the one before; the last one has no bound. */
struct stats_histogram {
    int64_t bucket[STATS_BUCKETS], sum;
};
extern const int64_t stats_times[STATS_BUCKETS - 1], stats_sizes[STATS_BUCKETS - 1];

/* Marks the start of the process, from which the uptime counts. */
void stats_start(void);
double stats_uptime(void);  /* seconds, to the millisecond */
double stats_started(void); /* seconds since 1970 */

void stats_add(enum counter counter, int64_t n);
int64_t stats_sum(enum counter counter);

void stats_observe(enum histogram histogram, int64_t value);
struct stats_histogram stats_histogram(enum histogram histogram);

/* ---- requests ---- */

/* A path is a number below STATS_PATHS, a method one below STATS_METHODS. Of the statuses that are not in the
 * list the first one, 0, stands for all. */
enum { STATS_PATHS = 97, STATS_METHODS = 8, STATS_STATUSES = 25 };
extern const int stats_statuses[STATS_STATUSES];

/* A request was answered, so many nanoseconds after its headers had been read. */
void stats_answer(size_t path, size_t method, int status, int64_t duration);

/* What is no request was refused with that status. */
void stats_refuse(int status);

int64_t stats_answers(size_t path, size_t method, size_t status); /* of stats_statuses */
int64_t stats_refusals(size_t status);                            /* the same */
int64_t stats_answers_of(int hundreds); /* 2: with a status of 200 to 299 */
struct stats_histogram stats_durations(size_t path);

#endif
