/* Counters and histograms. Owns their slots; knows nothing of what they count. */
#include "server/stats.h"

#include <stdatomic.h>
#include <time.h>

#include "core/plan.h"

/* Threads beyond this number share slots, which is slower and as right. */
enum { SLOTS = 64 };

#define US(n) ((n)*INT64_C(1000))
const int64_t stats_times[] = {US(50),     US(100),     US(250),     US(500),
                               US(1000),   US(5000),    US(25000),   US(100000),
                               US(500000), US(2500000), US(10000000)};
const int64_t stats_sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

/* The one that is wanted most stands behind the one for all others. */
const int stats_statuses[STATS_STATUSES] = {0,   200, 201, 202, 204, 304, 400, 401, 403,
                                            404, 405, 406, 409, 412, 413, 414, 415, 422,
                                            429, 431, 500, 503, 504, 505, 507};

struct counted {
    _Atomic int64_t bucket[STATS_BUCKETS], sum;
};

/* Of what is never counted the pages are never touched. */
static struct slot {
    _Alignas(64) _Atomic int64_t count[STAT_COUNT];
    struct counted histograms[HISTOGRAM_COUNT], durations[STATS_PATHS];
    _Atomic int64_t refusals[STATS_STATUSES];
    _Atomic int64_t answers[STATS_PATHS][STATS_METHODS][STATS_STATUSES];
} slots[SLOTS];

static atomic_uint threads;
static _Thread_local struct slot *own;
static int64_t started;
static double started_at;

void stats_start(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    started = clock_now();
    const long ms = now.tv_nsec / 1000000;
    started_at = (double)now.tv_sec + (double)ms / 1000;
}

double stats_uptime(void) {
    int64_t ms = (clock_now() - started) / 1000000;
    return (double)ms / 1000;
}

double stats_started(void) { return started_at; }

/* ---- counting ---- */

static struct slot *slot(void) {
    if (!own) own = &slots[atomic_fetch_add(&threads, 1) % SLOTS];
    return own;
}

static void add(_Atomic int64_t *count, int64_t n) {
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

static void observe(struct counted *c, const int64_t *bounds, int64_t value) {
    size_t i = 0;
    while (i < STATS_BUCKETS - 1 && value > bounds[i]) i++;
    add(&c->bucket[i], 1);
    add(&c->sum, value);
}

static const int64_t *bounds_of(enum histogram histogram) {
    return histogram == HISTOGRAM_BATCH ? stats_sizes : stats_times;
}

void stats_add(enum counter counter, int64_t n) { add(&slot()->count[counter], n); }

void stats_observe(enum histogram histogram, int64_t value) {
    observe(&slot()->histograms[histogram], bounds_of(histogram), value);
}

static size_t status_number(int status) {
    size_t i = 1;
    while (i < STATS_STATUSES && stats_statuses[i] != status) i++;
    return i < STATS_STATUSES ? i : 0;
}

void stats_refuse(int status) { add(&slot()->refusals[status_number(status)], 1); }

void stats_answer(size_t path, size_t method, int status, int64_t duration) {
    struct slot *s = slot();
    add(&s->answers[path][method][status_number(status)], 1);
    observe(&s->durations[path], stats_times, duration);
}

/* ---- reading ---- */

static unsigned used(void) {
    const unsigned n = atomic_load(&threads);
    return n < SLOTS ? n : SLOTS;
}

static int64_t read_one(const _Atomic int64_t *count) {
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void read_histogram(struct stats_histogram *sum, const struct counted *c) {
    for (size_t i = 0; i < STATS_BUCKETS; i++) sum->bucket[i] += read_one(&c->bucket[i]);
    sum->sum += read_one(&c->sum);
}

int64_t stats_sum(enum counter counter) {
    int64_t sum = 0;
    for (unsigned i = 0, n = used(); i < n; i++) sum += read_one(&slots[i].count[counter]);
    return sum;
}

struct stats_histogram stats_histogram(enum histogram histogram) {
    struct stats_histogram sum = {0};
    for (unsigned i = 0, n = used(); i < n; i++)
        read_histogram(&sum, &slots[i].histograms[histogram]);
    return sum;
}

struct stats_histogram stats_durations(size_t path) {
    struct stats_histogram sum = {0};
    for (unsigned i = 0, n = used(); i < n; i++) read_histogram(&sum, &slots[i].durations[path]);
    return sum;
}

int64_t stats_answers(size_t path, size_t method, size_t status) {
    int64_t sum = 0;
    for (unsigned i = 0, n = used(); i < n; i++)
        sum += read_one(&slots[i].answers[path][method][status]);
    return sum;
}

int64_t stats_refusals(size_t status) {
    int64_t sum = 0;
    for (unsigned i = 0, n = used(); i < n; i++) sum += read_one(&slots[i].refusals[status]);
    return sum;
}

int64_t stats_answers_of(int hundreds) {
    int64_t sum = 0;
    for (size_t k = 0; k < STATS_STATUSES; k++) {
        if (stats_statuses[k] / 100 != hundreds) continue;
        for (size_t i = 0; i < STATS_PATHS; i++)
            for (size_t m = 0; m < STATS_METHODS; m++) sum += stats_answers(i, m, k);
    }
    return sum;
}
