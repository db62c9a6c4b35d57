/* One shard of the registry, under its lock. Owns where seats are found, the order they were created in, and the
 * queues before them; who may have a seat, and when, is not known here. */
#include "api/registry_shard.h"

#include <stdlib.h>
#include <string.h>

#include "api/session.h"

static struct seat **bucket_of(const struct shard *shard, uint32_t hash) {
    return &shard->buckets[hash / SHARDS & (shard->n_buckets - 1)];
}

static void put_in_bucket(struct shard *shard, struct seat *seat) {
    struct seat **bucket = bucket_of(shard, seat->hash);
    seat->next = *bucket;
    *bucket = seat;
}

struct seat *shard_find(const struct shard *shard, uint32_t hash, const char *id) {
    if (!shard->n_buckets) return NULL;
    for (struct seat *seat = *bucket_of(shard, hash); seat; seat = seat->next)
        if (seat->hash == hash && strcmp(seat->id, id) == 0) return seat;
    return NULL;
}

size_t shard_place_after(const struct shard *shard, uint64_t order) {
    size_t low = 0, high = shard->n_ordered;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        size_t at = middle; /* the first at or behind it that is not removed */
        while (at < high && !shard->ordered[at]) at++;
        if (at < high && shard->ordered[at]->order <= order)
            low = at + 1;
        else
            high = middle;
    }
    return low;
}

static void close_gaps(struct shard *shard) {
    size_t n = 0;
    for (size_t i = 0; i < shard->n_ordered; i++)
        if (shard->ordered[i]) shard->ordered[n++] = shard->ordered[i];
    shard->n_ordered = n;
}

static bool grow_buckets(struct shard *shard) {
    const size_t n = shard->n_buckets ? 2 * shard->n_buckets : 16;
    struct seat **old = shard->buckets, **buckets = calloc(n, sizeof *buckets);
    if (!buckets) return false;
    const size_t n_old = shard->n_buckets;
    shard->buckets = buckets;
    shard->n_buckets = n;
    for (size_t i = 0; i < n_old; i++) {
        for (struct seat *seat = old[i], *next; seat; seat = next) {
            next = seat->next;
            put_in_bucket(shard, seat);
        }
    }
    free(old);
    return true;
}

bool shard_make_room(struct shard *shard) {
    if (shard->n_ordered == shard->capacity) {
        const size_t capacity = shard->capacity ? shard->capacity + shard->capacity / 2 : 16;
        struct seat **ordered = realloc(shard->ordered, capacity * sizeof(struct seat *));
        if (!ordered) return false;
        shard->ordered = ordered;
        shard->capacity = capacity;
    }
    return shard->n < shard->n_buckets || grow_buckets(shard);
}

void shard_put(struct shard *shard, struct seat *seat) {
    put_in_bucket(shard, seat);
    shard->ordered[shard->n_ordered++] = seat;
    shard->n++;
}

void shard_take_out(struct registry *r, struct shard *shard, struct seat *seat) {
    struct seat **at = bucket_of(shard, seat->hash);
    while (*at != seat) at = &(*at)->next;
    *at = seat->next;
    shard->ordered[shard_place_after(shard, seat->order) - 1] = NULL;
    shard->n--;
    if (2 * shard->n <= shard->n_ordered) close_gaps(shard);
    if (seat->session) {
        shard->bytes -= (int64_t)seat->bytes;
        account_join(&seat->session->account, NULL);
    } else {
        purse_add(&r->purse, -(int64_t)seat->bytes);
    }
    shard->tapes -= seat->tapes;
    seat->bytes = seat->tapes = 0;
    seat->removed = true;
    atomic_fetch_sub(&r->n, 1);
}

void shard_link(struct shard *shard, struct seat *seat, struct waiter *w) {
    w->seat = seat;
    w->next = NULL;
    w->previous = seat->last;
    *(seat->last ? &seat->last->next : &seat->first) = w;
    seat->last = w;
    seat->n_waiting++;
    w->previous_of_shard = NULL;
    w->next_of_shard = shard->waiters;
    if (w->next_of_shard) w->next_of_shard->previous_of_shard = w;
    shard->waiters = w;
    shard->n_waiting++;
}

void shard_unlink(struct shard *shard, struct waiter *w) {
    struct seat *seat = w->seat;
    *(w->previous ? &w->previous->next : &seat->first) = w->next;
    *(w->next ? &w->next->previous : &seat->last) = w->previous;
    seat->n_waiting--;
    *(w->previous_of_shard ? &w->previous_of_shard->next_of_shard : &shard->waiters) =
        w->next_of_shard;
    if (w->next_of_shard) w->next_of_shard->previous_of_shard = w->previous_of_shard;
    shard->n_waiting--;
}

void shard_cool(struct shard *shard, struct seat *seat) {
    struct account *account = &seat->session->account;
    purse_add(account->purse, (int64_t)seat->bytes - (int64_t)account->bytes);
    account->purse = NULL;
    shard->bytes -= (int64_t)seat->bytes;
    session_free(seat->session);
    seat->session = NULL;
}
