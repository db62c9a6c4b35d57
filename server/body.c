/* Bodies. Owns their buffers and the budget that all share; does not look into them. */
#include "server/body.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/budget.h"

static int64_t most = INT64_MAX;
static _Atomic int64_t held;

void body_set_budget(int64_t bytes) { most = bytes; }

int64_t body_held(void) { return atomic_load_explicit(&held, memory_order_relaxed); }

/* Of what all bodies may hold, and of what the process may. */
static bool take(int64_t bytes, size_t need, struct error *error) {
    const int64_t before = atomic_fetch_add_explicit(&held, bytes, memory_order_relaxed);
    if (bytes > most - before)
        error_set(error, ERROR_MEMORY_BUDGET,
                  "no room for a body of %zu bytes: all bodies together hold %" PRId64
                  " of %" PRId64 " bytes",
                  need, before, most);
    else if (budget_take(BUDGET_BODIES, (size_t)bytes)) {
        budget_pass_on((size_t)bytes);
        return true;
    } else
        error_set(error, ERROR_MEMORY_BUDGET, "no room for a body of %zu bytes", need);
    atomic_fetch_sub_explicit(&held, bytes, memory_order_relaxed);
    return false;
}

static void give(int64_t bytes) {
    atomic_fetch_sub_explicit(&held, bytes, memory_order_relaxed);
    budget_give(BUDGET_BODIES, (size_t)bytes);
    budget_passed((size_t)bytes);
}

void body_init(struct body *b) {
    b->data = b->near;
    b->length = 0;
    b->capacity = BODY_NEAR;
}

void body_free(struct body *b) {
    if (b->data != b->near) {
        free(b->data);
        give((int64_t)b->capacity);
    }
    body_init(b);
}

bool body_fail_size(int64_t found, int64_t ceiling, struct error *error) {
    if (found < 0)
        return error_set(error, ERROR_BODY_TOO_LARGE,
                         "the body has more than %" PRId64 " bytes (max_body_bytes)", ceiling);
    return error_set(error, ERROR_BODY_TOO_LARGE,
                     "the body has %" PRId64 " bytes; the limit is %" PRId64 " (max_body_bytes)",
                     found, ceiling);
}

/* Doubles, but not past what the body will need. */
static bool grow(struct body *b, size_t need, int64_t total, struct error *error) {
    size_t capacity = b->capacity * 2;
    if (capacity < need) capacity = need;
    if (total >= 0 && capacity > (size_t)total && (size_t)total >= need) capacity = (size_t)total;

    bool is_near = b->data == b->near;
    int64_t more = (int64_t)(capacity - body_taken(b));
    budget_begin(body_taken(b));
    const bool taken = take(more, need, error);
    budget_end(error);
    if (!taken) return false;
    char *data = realloc(is_near ? NULL : b->data, capacity);
    if (!data) {
        give(more);
        return error_set(error, ERROR_MEMORY_BUDGET, "no memory for a body of %zu bytes", need);
    }
    if (is_near) memcpy(data, b->near, b->length);
    b->data = data;
    b->capacity = capacity;
    return true;
}

bool body_append(struct body *b, const char *data, size_t n, int64_t total, int64_t ceiling,
                 struct error *error) {
    if ((uint64_t)n > (uint64_t)ceiling - b->length) return body_fail_size(-1, ceiling, error);
    if (n > b->capacity - b->length && !grow(b, b->length + n, total, error)) return false;
    memcpy(b->data + b->length, data, n);
    b->length += n;
    return true;
}
