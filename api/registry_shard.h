/* What the files of the registry share. What is done with a shard wants its lock. */
#ifndef GRADD_API_REGISTRY_SHARD_H
#define GRADD_API_REGISTRY_SHARD_H

#include <pthread.h>

#include "api/registry.h"
#include "core/block.h"

enum { SHARDS = 64 };

struct seat {
    struct session *session; /* NULL: it is in the store alone, and has its size of then */
    struct seat *next;       /* in its bucket, or of those that have expired */
    uint64_t order;          /* of creation */
    uint32_t hash;
    uint32_t n_waiting;
    bool held, removed;
    _Atomic(const char *) claim; /* the operation that works on a copy; NULL: none */
    struct waiter *first, *last;
    int64_t used, ttl; /* when it was released; how long it may be idle, 0: for ever */
    bool unsaved;      /* the store does not have its latest state */
    double created_at;
    int dtype;
    double ttl_seconds; /* this and those below are as the session had them at the last release */
    size_t bytes;
    uint32_t tapes;
    char *labels;
    char id[]; /* NUL-terminated */
};

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    struct seat **buckets; /* a power of two of them */
    size_t n_buckets, n;
    struct seat **ordered; /* by creation; NULL where one was removed */
    size_t n_ordered, capacity;
    struct waiter *waiters; /* all of them, in no order */
    int64_t n_waiting, bytes, tapes;
    int64_t expiry; /* nothing expires before; INT64_MAX: never */
};

struct registry {
    struct shard shards[SHARDS];
    atomic_uint_fast64_t orders;
    atomic_int_fast64_t n;
    _Atomic int64_t quota; /* of sessions; INT64_MAX: none */
    struct purse purse;    /* that all sessions are paid from, also those in the store alone */
    int64_t most, most_waiting;
    uint64_t seed;
};

static inline bool seat_has_expired(const struct seat *seat, int64_t now) {
    return seat->ttl && !seat->held && !seat->n_waiting && !atomic_load(&seat->claim) &&
           now - seat->used >= seat->ttl;
}

/* The low bits of an id's hash choose the shard, those above it the bucket. */
static inline struct shard *shard_of(struct registry *r, uint32_t hash) {
    return &r->shards[hash % SHARDS];
}

/* The bytes of a text of labels, its end included. */
size_t labels_length(const char *labels);
/* The seat of that id, or NULL. */
struct seat *shard_find(const struct shard *shard, uint32_t hash, const char *id);
/* Makes room for one more seat; false without memory. */
bool shard_make_room(struct shard *shard);
/* Puts a seat, the last created, where room was made for it. */
void shard_put(struct shard *shard, struct seat *seat);
/* Where the first seat stands that was created after `order`. */
size_t shard_place_after(const struct shard *shard, uint64_t order);
/* Takes a seat out of the table and out of the order; those behind it may move up. */
void shard_take_out(struct registry *r, struct shard *shard, struct seat *seat);
/* Frees the session of a seat that keeps its place. */
void shard_cool(struct shard *shard, struct seat *seat);
/* Adds a waiter to the end of the seat's queue. */
void shard_link(struct shard *shard, struct seat *seat, struct waiter *w);
/* Takes a waiter off its queue. */
void shard_unlink(struct shard *shard, struct waiter *w);

#endif
