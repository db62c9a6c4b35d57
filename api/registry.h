/* The sessions there are, by id. Each is touched by one request at a time: a request that comes while
 * another holds the session waits in the session's queue, without a thread. The registry is made of
 * shards with a lock each, and no lock is held while a session is worked with. All times are
 * CLOCK_MONOTONIC in nanoseconds and are handed in. */
#ifndef GRADD_API_REGISTRY_H
#define GRADD_API_REGISTRY_H

#include <stdatomic.h>

#include "core/arena.h"
#include "core/error.h"

enum { REGISTRY_ID = 32 }; /* characters of a random id */

struct session;
struct registry;
struct seat; /* where a session has its place in the registry */

/* NULL: it is in the store alone, and who holds the seat loads it (registry_warm). */
struct session *seat_session(const struct seat *seat);
const char *seat_id(const struct seat *seat);

/* At most `max_waiting` requests wait for a session. `seed` makes the hash unpredictable; NULL without
 * memory. */
struct registry *registry_new(int64_t max_sessions, int64_t max_waiting, uint64_t seed);
/* Frees all sessions; nobody may hold one or wait. */
void registry_free(struct registry *r);

/* A quota of sessions, and of the bytes that they hold; negative: none. */
void registry_set_quota(struct registry *r, int64_t sessions, int64_t bytes);
/* What the quota of bytes leaves: less than 1 where it is used up, INT64_MAX where there is none. */
int64_t registry_room(const struct registry *r);
int64_t registry_bytes(const struct registry *r);
/* What the session holds, and all that it will hold, is paid from the quota of bytes: of a copy that is not in the
 * registry too. False (quota_exceeded), and nothing is paid, where that does not suffice. session_free pays back. */
bool registry_pay(struct registry *r, struct session *s, struct error *error);

/* A request that waits for a session. */
struct waiter {
    /* Called once, on any thread and without a lock, when the waiting is over: either `seat` is held
     * for it now, or it is NULL and `error` says why. */
    void (*done)(struct waiter *w, struct seat *seat, const struct error *error);
    const atomic_bool *left; /* set when there is nobody any more to wait */
    int64_t deadline;        /* 0: none */
    /* The registry's own. */
    struct seat *seat;
    struct waiter *next, *previous;                   /* of the session */
    struct waiter *next_of_shard, *previous_of_shard; /* of all */
};

enum registry_outcome { REGISTRY_HELD, REGISTRY_WAITS, REGISTRY_REFUSED };

/* Asks for the session of that id. Without a waiter (NULL), what would wait is refused as draining. */
enum registry_outcome registry_acquire(struct registry *r, const char *id, struct waiter *w,
                                       int64_t now, struct seat **seat, struct error *error);
/* Ends the holding: the first that waits gets the session, or a removed one is freed and those that
 * waited get not_found. */
void registry_release(struct registry *r, struct seat *seat, int64_t now);

/* While an operation works on a copy of a session, the session is claimed: it is not to be changed but by
 * that operation, and does not expire. `operation` is its id, which must outlive the claim; the session
 * is held. False where another one has claimed it. */
bool registry_claim(struct seat *seat, const char *operation);
void registry_unclaim(struct registry *r, struct seat *seat, int64_t now);
/* Whether a session is claimed, and by which operation. */
bool registry_claimed(struct registry *r, struct seat *seat, char out[REGISTRY_ID + 1]);

/* Adds a session under its id; it is held until registry_release. NULL where the id is taken or there
 * are too many, and the session stays the caller's. */
struct seat *registry_add(struct registry *r, struct session *s, int64_t now, struct error *error);
/* What a list says of a session. Labels are "key\0value\0key\0value\0\0". */
struct registry_row {
    uint64_t order; /* sessions are created one after the other */
    const char *id, *labels;
    double created_at, ttl_seconds;
    size_t bytes;
    uint32_t tapes;
    int dtype;
};

/* A session that is in the store alone: what a list says of it is known (`row->order` is not read). False
 * without memory. To be called before there are requests. */
bool registry_add_cold(struct registry *r, const struct registry_row *row, int64_t now);
/* The session of a seat that is held, which had none; it is the registry's from now on. */
void registry_warm(struct registry *r, struct seat *seat, struct session *s);
/* The session of a seat that is held is not as the store has it: the seat has none from now on. */
void registry_drop(struct registry *r, struct seat *seat);
/* Takes those out of memory that nobody has used for so long. False where there was none. */
bool registry_cool(struct registry *r, int64_t now, int64_t idle);
/* Takes a session that is held out of the registry; registry_release frees it. */
void registry_remove(struct registry *r, struct seat *seat);

/* Writes 128 random bits as an id. False where the system has none. */
bool registry_new_id(char out[REGISTRY_ID + 1], struct error *error);

struct registry_page {
    uint64_t after;          /* order of the last session of the page before; 0: the first page */
    const char *key, *value; /* of the label that a session must have; NULL: any */
    struct registry_row *rows;
    size_t n, most;
    bool more; /* are behind it */
};

/* Fills a page, in the order of creation, with copies in the arena. What is created meanwhile may be
 * left to the next page; what is deleted meanwhile disturbs nothing. */
bool registry_list(struct registry *r, int64_t now, struct arena *arena,
                   struct registry_page *page);

/* Ends the waiting of those whose time is up or whose client has left, and takes out sessions whose
 * idle lifetime is over: each is handed to `expired`, held. To be called about once a second. */
void registry_sweep(struct registry *r, int64_t now, void (*expired)(void *context, struct seat *),
                    void *context);

struct registry_stats {
    int64_t sessions, bytes, tapes, waiting; /* bytes and tapes as they were at the last releases */
};
struct registry_stats registry_stats(struct registry *r);

#endif
