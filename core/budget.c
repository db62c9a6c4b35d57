/* One count of bytes for the process. A thread adds small amounts to a count of its own, so that small requests
 * touch no cache line that others write. Who takes memory, and how, is not known here. */
#include "core/budget.h"

#include <inttypes.h>
#include <stdatomic.h>

static struct {
    _Alignas(64) _Atomic int64_t all;
    _Atomic int64_t kinds[BUDGET_KIND_COUNT];
    int64_t limit;
    void (*reclaim)(void);
} process = {.limit = INT64_MAX / 2};

/* Of this thread: taken and not yet counted above, and the first refusal of its work. */
static _Thread_local int64_t own[BUDGET_KIND_COUNT];
static _Thread_local struct { int64_t wanted, held; /* wanted 0: none */ } refused;

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
    return true;
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
    else if (!refused.wanted)
        refused.wanted = (int64_t)bytes, refused.held = before;
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

void budget_begin(void) { refused.wanted = 0; }

void budget_explain(struct error *error) {
    if (!refused.wanted ||
        (error->code != ERROR_MEMORY_BUDGET && error->code != ERROR_SESSION_MEMORY))
        return;
    error_clear(error);
    error_set(error, ERROR_MEMORY_BUDGET,
              "no room for %" PRId64 " bytes: the process holds %" PRId64 " of %" PRId64
              " bytes for requests and sessions (max_memory_bytes)",
              refused.wanted, refused.held > 0 ? refused.held : 0, process.limit);
}
