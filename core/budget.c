/* One count of bytes for the process. A thread adds small amounts to a count of its own, so that small requests
 * touch no cache line that others write. Who takes memory, and how, is not known here. */
#include "core/budget.h"

#include <inttypes.h>
#include <stdatomic.h>

static struct {
    _Alignas(64) _Atomic int64_t all;
    _Atomic int64_t kinds[BUDGET_KIND_COUNT];
    _Atomic int64_t
        by_work; /* what the work that is under way has taken and not given back, or passed on */
    int64_t limit;
    void (*reclaim)(void);
} process = {.limit = INT64_MAX / 2};

/* Of this thread: taken and not yet counted above; and the first refusal of its work. */
static _Thread_local int64_t own[BUDGET_KIND_COUNT];
static _Thread_local bool works;         /* between budget_begin and budget_end */
static _Thread_local int64_t by_work;    /* as counted above */
static _Thread_local int64_t own_before; /* of what is counted above: passed on to this work */
static _Thread_local struct {
    int64_t wanted, held; /* wanted 0: none */
    bool will_pass;       /* there would be room if it were not for the work of others */
} refused;

void budget_set(size_t limit, void (*reclaim)(void)) {
    process.limit = limit < INT64_MAX / 2 ? (int64_t)limit : INT64_MAX / 2;
    process.reclaim = reclaim;
}

static int64_t load(const _Atomic int64_t *count) {
    const int64_t n = atomic_load_explicit(count, memory_order_relaxed);
    return n > 0 ? n : 0;
}

/* Counts n bytes, or fewer where n is negative; false, and nothing is counted, past the limit. */
static bool count(enum budget_kind kind, int64_t n, int64_t *before) {
    *before = atomic_fetch_add_explicit(&process.all, n, memory_order_relaxed);
    if (n > 0 && n > process.limit - *before) {
        atomic_fetch_sub_explicit(&process.all, n, memory_order_relaxed);
        return false;
    }
    atomic_fetch_add_explicit(&process.kinds[kind], n, memory_order_relaxed);
    if (!works) return true;
    atomic_fetch_add_explicit(&process.by_work, n, memory_order_relaxed);
    by_work += n;
    return true;
}

static void refuse(int64_t wanted, int64_t held) {
    if (refused.wanted) return;
    const int64_t by_others = load(&process.by_work) - by_work - own_before;
    refused.wanted = wanted;
    refused.held = held > 0 ? held : 0;
    refused.will_pass = by_others > 0 && wanted <= process.limit - (held - by_others);
}

bool budget_take(enum budget_kind kind, size_t bytes) {
    if (bytes > INT64_MAX / 4) return false;
    int64_t before;
    const int64_t n = own[kind] + (int64_t)bytes;
    if (n < BUDGET_STEP) {
        own[kind] = n;
        return true;
    }
    bool taken = count(kind, n, &before);
    if (!taken && process.reclaim) {
        process.reclaim();
        taken = count(kind, n, &before);
    }
    if (taken)
        own[kind] = 0;
    else
        refuse((int64_t)bytes, before);
    return taken;
}

void budget_give(enum budget_kind kind, size_t bytes) {
    int64_t unused;
    own[kind] -= (int64_t)bytes;
    if (own[kind] > -BUDGET_STEP) return;
    count(kind, own[kind], &unused);
    own[kind] = 0;
}

int64_t budget_held(enum budget_kind kind) { return load(&process.kinds[kind]); }
int64_t budget_held_in_all(void) { return load(&process.all); }
int64_t budget_limit(void) { return process.limit; }

/* What it has taken and still holds is for others to give back. */
static void leave_work(void) {
    if (by_work) atomic_fetch_sub_explicit(&process.by_work, by_work, memory_order_relaxed);
    by_work = 0;
    works = false;
}

void budget_begin(size_t passed_on) {
    leave_work();
    works = true;
    own_before = (int64_t)passed_on;
    refused.wanted = 0;
}

void budget_end(struct error *error) {
    leave_work();
    if (!refused.wanted ||
        (error->code != ERROR_MEMORY_BUDGET && error->code != ERROR_SESSION_MEMORY))
        return;
    error_clear(error);
    error_set(error, refused.will_pass ? ERROR_OVERLOADED : ERROR_MEMORY_BUDGET,
              "no room for %" PRId64 " bytes%s: the process holds %" PRId64 " of %" PRId64
              " bytes for requests and sessions (max_memory_bytes)",
              refused.wanted, refused.will_pass ? " while others run" : "", refused.held,
              process.limit);
}

void budget_pass_on(size_t bytes) {
    atomic_fetch_add_explicit(&process.by_work, (int64_t)bytes, memory_order_relaxed);
}

void budget_passed(size_t bytes) {
    atomic_fetch_sub_explicit(&process.by_work, (int64_t)bytes, memory_order_relaxed);
}
