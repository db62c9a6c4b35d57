/* What is done over all sessions of the registry: pages of a list, the sweep, the sums. */
#include <string.h>

#include "api/registry_shard.h"
#include "api/session.h"

static bool has_label(const struct seat *seat, const char *key, const char *value) {
    for (const char *at = seat->labels; at && *at;) {
        const char *found = at + strlen(at) + 1;
        if (strcmp(at, key) == 0) return strcmp(found, value) == 0;
        at = found + strlen(found) + 1;
    }
    return false;
}

size_t labels_length(const char *labels) {
    const char *at = labels;
    while (*at) {
        at += strlen(at) + 1;
        at += strlen(at) + 1;
    }
    return (size_t)(at + 1 - labels);
}

static bool copy_row(const struct seat *seat, struct arena *arena, struct registry_row *out) {
    *out = (struct registry_row){.order = seat->order,
                                 .id = arena_copy_text(arena, seat->id, strlen(seat->id)),
                                 .labels = "",
                                 .created_at = seat->created_at,
                                 .ttl_seconds = seat->ttl_seconds,
                                 .bytes = seat->bytes,
                                 .tapes = seat->tapes,
                                 .dtype = seat->dtype};
    if (seat->labels) {
        const size_t n = labels_length(seat->labels);
        out->labels = arena_copy_text(arena, seat->labels, n);
    }
    return out->id && out->labels;
}

/* The first session of a shard behind `after`, at most `last`, that has the label; its order is 0
 * where there is none. False without memory. */
static bool next_row(struct shard *shard, const struct registry_page *page, uint64_t after,
                     uint64_t last, int64_t now, struct arena *arena, struct registry_row *out) {
    bool ok = true;
    out->order = 0;
    pthread_mutex_lock(&shard->lock);
    for (size_t i = shard_place_after(shard, after); i < shard->n_ordered; i++) {
        const struct seat *seat = shard->ordered[i];
        if (!seat || seat_has_expired(seat, now)) continue;
        if (seat->order > last) break;
        if (page->key && !has_label(seat, page->key, page->value)) continue;
        ok = copy_row(seat, arena, out);
        break;
    }
    pthread_mutex_unlock(&shard->lock);
    return ok;
}

bool registry_list(struct registry *r, int64_t now, struct arena *arena,
                   struct registry_page *page) {
    /* What is numbered up to here has been put in, or its shard is locked until it has been. */
    const uint64_t last = atomic_load(&r->orders);
    struct registry_row heads[SHARDS];
    page->n = 0;
    page->more = false;
    for (int i = 0; i < SHARDS; i++)
        if (!next_row(&r->shards[i], page, page->after, last, now, arena, &heads[i])) return false;
    for (;;) {
        int first = -1;
        for (int i = 0; i < SHARDS; i++)
            if (heads[i].order && (first < 0 || heads[i].order < heads[first].order)) first = i;
        if (first < 0) return true;
        if (page->n == page->most) return page->more = true;
        page->rows[page->n++] = heads[first];
        if (!next_row(&r->shards[first], page, heads[first].order, last, now, arena, &heads[first]))
            return false;
    }
}

/* ---- once a second ---- */

/* Takes those that wait no longer off their queues. */
static struct waiter *give_up(struct shard *shard, int64_t now) {
    struct waiter *first = NULL;
    for (struct waiter *w = shard->waiters, *next; w; w = next) {
        next = w->next_of_shard;
        const bool left = w->left && atomic_load_explicit(w->left, memory_order_relaxed);
        if (!left && (!w->deadline || now < w->deadline)) continue;
        shard_unlink(shard, w);
        w->next = first;
        first = w;
    }
    return first;
}

static struct seat *take_expired(struct registry *r, struct shard *shard, int64_t now) {
    struct seat *first = NULL;
    if (now < shard->expiry) return NULL;
    shard->expiry = INT64_MAX;
    /* From the end, since what is taken out may make those behind it move up. */
    for (size_t i = shard->n_ordered; i-- > 0;) {
        struct seat *seat = i < shard->n_ordered ? shard->ordered[i] : NULL;
        if (!seat || !seat->ttl || seat->held) continue;
        if (seat_has_expired(seat, now)) {
            shard_take_out(r, shard, seat);
            seat->held = true;
            seat->next = first;
            first = seat;
        } else if (seat->used + seat->ttl < shard->expiry) {
            shard->expiry = seat->used + seat->ttl;
        }
    }
    return first;
}

/* Not all of a shard at once: others wait for its lock. */
bool registry_cool(struct registry *r, int64_t now, int64_t idle) {
    enum { AT_ONCE = 256 };
    bool any = false;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &r->shards[i];
        int left = AT_ONCE;
        pthread_mutex_lock(&shard->lock);
        for (size_t k = 0; k < shard->n_ordered && left > 0; k++) {
            struct seat *seat = shard->ordered[k];
            if (!seat || !seat->session || seat->held || atomic_load(&seat->claim) ||
                now - seat->used < idle)
                continue;
            shard_cool(shard, seat);
            any = true;
            left--;
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return any;
}

static void end_waiting(struct waiter *w) {
    struct error late, gone;
    error_clear(&late);
    error_clear(&gone);
    error_set(&late, ERROR_DEADLINE_EXCEEDED, "the deadline passed before the session was free");
    error_set(&gone, ERROR_CANCELLED, "the client left before the session was free");
    for (struct waiter *next; w; w = next) {
        next = w->next;
        const bool left = w->left && atomic_load_explicit(w->left, memory_order_relaxed);
        w->done(w, NULL, left ? &gone : &late);
    }
}

void registry_sweep(struct registry *r, int64_t now, void (*expired)(void *context, struct seat *),
                    void *context) {
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &r->shards[i];
        pthread_mutex_lock(&shard->lock);
        struct waiter *waiters = give_up(shard, now);
        struct seat *seats = take_expired(r, shard, now);
        pthread_mutex_unlock(&shard->lock);
        if (waiters) end_waiting(waiters);
        for (struct seat *next; seats; seats = next) {
            next = seats->next;
            expired(context, seats);
        }
    }
}

struct registry_stats registry_stats(struct registry *r) {
    struct registry_stats sum = {0};
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &r->shards[i];
        pthread_mutex_lock(&shard->lock);
        sum.sessions += (int64_t)shard->n;
        sum.bytes += shard->bytes;
        sum.tapes += shard->tapes;
        sum.waiting += shard->n_waiting;
        pthread_mutex_unlock(&shard->lock);
    }
    return sum;
}
