/* The registry of sessions: who holds one, who waits, what comes and goes. What a session holds is not
 * looked at beyond what a list says; where a shard keeps its seats is not known here. */
#include "api/registry_shard.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/names.h"
#include "api/session.h"
#include "core/budget.h"

struct session *seat_session(const struct seat *seat) {
    return seat->session;
}

const char *seat_id(const struct seat *seat) { return seat->id; }

struct registry *registry_new(int64_t max_sessions, int64_t max_waiting, uint64_t seed) {
    struct registry *r = aligned_alloc(_Alignof(struct registry), sizeof *r);
    if (!r) return NULL;
    memset(r, 0, sizeof *r);
    r->most = max_sessions;
    r->most_waiting = max_waiting;
    registry_set_quota(r, -1, -1);
    r->seed = seed;
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&r->shards[i].lock, NULL);
        r->shards[i].expiry = INT64_MAX;
    }
    return r;
}

void registry_set_quota(struct registry *r, int64_t sessions, int64_t bytes) {
    atomic_store(&r->quota, sessions < 0 ? INT64_MAX : sessions);
    atomic_store(&r->purse.limit, bytes < 0 ? INT64_MAX : bytes);
}

int64_t registry_bytes(const struct registry *r) { return atomic_load(&r->purse.bytes); }

int64_t registry_room(const struct registry *r) {
    const int64_t quota = atomic_load_explicit(&r->purse.limit, memory_order_relaxed);
    return quota == INT64_MAX ? quota : quota - registry_bytes(r);
}

/* What a seat takes of the process's memory, with its place in the tables. */
static size_t seat_cost(const char *id) {
    return sizeof(struct seat) + strlen(id) + 1 + 8 * sizeof(void *);
}

/* All of a seat but its session. */
static void free_bare_seat(struct seat *seat) {
    budget_give(BUDGET_STATE, seat_cost(seat->id));
    free(seat->labels);
    free(seat);
}

static void free_seat(struct seat *seat) {
    session_free(seat->session);
    free_bare_seat(seat);
}

void registry_free(struct registry *r) {
    for (int i = 0; r && i < SHARDS; i++) {
        struct shard *shard = &r->shards[i];
        for (size_t k = 0; k < shard->n_ordered; k++)
            if (shard->ordered[k]) free_seat(shard->ordered[k]);
        free(shard->buckets);
        free(shard->ordered);
        pthread_mutex_destroy(&shard->lock);
    }
    free(r);
}

bool registry_new_id(char out[REGISTRY_ID + 1], struct error *error) {
    unsigned char random[REGISTRY_ID / 2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return error_set(error, ERROR_OVERLOADED, "the system gave no random bytes");
    for (size_t i = 0; i < sizeof random; i++) {
        out[2 * i] = "0123456789abcdef"[random[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
    }
    out[REGISTRY_ID] = '\0';
    return true;
}

/* ---- holding ---- */

static bool fail_not_found(const char *id, struct error *error) {
    return error_set(error, ERROR_NOT_FOUND, "there is no session \"%.80s\"", id);
}

static enum registry_outcome queue_up(struct registry *r, struct shard *shard, struct seat *seat,
                                      struct waiter *w, struct error *error) {
    if (!w) {
        error_set(error, ERROR_DRAINING, "the server is shutting down and the session is in use");
        return REGISTRY_REFUSED;
    }
    if (seat->n_waiting >= r->most_waiting) {
        error_set(error, ERROR_OVERLOADED,
                  "%" PRId64 " requests wait for this session already (max_session_queue)",
                  r->most_waiting);
        return REGISTRY_REFUSED;
    }
    shard_link(shard, seat, w);
    return REGISTRY_WAITS;
}

enum registry_outcome registry_acquire(struct registry *r, const char *id, struct waiter *w,
                                       int64_t now, struct seat **out, struct error *error) {
    const uint32_t hash = name_hash(r->seed, id, strlen(id));
    struct shard *shard = shard_of(r, hash);
    enum registry_outcome outcome = REGISTRY_HELD;
    pthread_mutex_lock(&shard->lock);
    struct seat *seat = shard_find(shard, hash, id);
    if (!seat || seat_has_expired(seat, now)) {
        fail_not_found(id, error);
        outcome = REGISTRY_REFUSED;
    } else if (seat->held) {
        outcome = queue_up(r, shard, seat, w, error);
    } else {
        seat->held = true;
        *out = seat;
    }
    pthread_mutex_unlock(&shard->lock);
    return outcome;
}

/* Labels as one text; NULL where there are none. */
static bool same_labels(const struct label *labels, const char *text) {
    if (!text) return !labels;
    for (; labels; labels = labels->next) {
        if (strcmp(labels->key, text) != 0) return false;
        text += strlen(text) + 1;
        if (strcmp(labels->value, text) != 0) return false;
        text += strlen(text) + 1;
    }
    return !*text;
}

static char *labels_text(const struct label *labels) {
    size_t n = 1;
    for (const struct label *l = labels; l; l = l->next) n += strlen(l->key) + strlen(l->value) + 2;
    char *text = malloc(n), *at = text;
    for (const struct label *l = labels; text && l; l = l->next) {
        at = stpcpy(at, l->key) + 1;
        at = stpcpy(at, l->value) + 1;
    }
    if (text) *at = '\0';
    return text;
}

static void set_ttl(struct seat *seat, double seconds) {
    const double most = 1e9; /* seconds, beyond which no clock here will run */
    seat->ttl_seconds = seconds;
    seat->ttl = seconds > 0 && seconds < most ? (int64_t)(seconds * 1e9) : 0;
}

static uint32_t tapes_of(const struct session *s) { return s->recorder ? s->recorder->n_tapes : 0; }

/* What a list will say of the session. */
static void describe(struct shard *shard, struct seat *seat) {
    const struct session *s = seat->session;
    if (!s) return;
    shard->bytes += (int64_t)session_bytes(s) - (int64_t)seat->bytes;
    seat->bytes = session_bytes(s);
    shard->tapes += (int64_t)tapes_of(s) - (int64_t)seat->tapes;
    seat->tapes = tapes_of(s);
    set_ttl(seat, s->ttl_seconds);
    seat->created_at = s->created_at;
    seat->dtype = (int)s->dtype;
    if (same_labels(s->labels, seat->labels)) return;
    free(seat->labels);
    seat->labels = s->labels ? labels_text(s->labels) : NULL;
}

/* Hands what was taken off a queue to whoever waited. */
static void refuse_all(struct waiter *w, const struct error *error) {
    for (struct waiter *next; w; w = next) {
        next = w->next;
        w->done(w, NULL, error);
    }
}

/* Frees a removed session; those that waited for it are told. */
static void bury(struct shard *shard, struct seat *seat) {
    struct error error;
    struct waiter *first = seat->first;
    for (struct waiter *w = first, *next; w; w = next) {
        next = w->next;
        shard_unlink(shard, w);
        w->next = next;
    }
    pthread_mutex_unlock(&shard->lock);
    error_clear(&error);
    fail_not_found(seat->id, &error);
    refuse_all(first, &error);
    free_seat(seat);
}

void registry_release(struct registry *r, struct seat *seat, int64_t now) {
    struct shard *shard = shard_of(r, seat->hash);
    pthread_mutex_lock(&shard->lock);
    if (seat->removed) {
        bury(shard, seat);
        return;
    }
    describe(shard, seat);
    seat->used = now;
    struct waiter *w = seat->first;
    if (w) shard_unlink(shard, w);
    seat->held = w != NULL;
    if (!w && seat->ttl && now + seat->ttl < shard->expiry) shard->expiry = now + seat->ttl;
    pthread_mutex_unlock(&shard->lock);
    if (w) w->done(w, seat, NULL);
}

/* ---- claims ---- */

bool registry_claim(struct seat *seat, const char *operation) {
    const char *none = NULL;
    return atomic_compare_exchange_strong(&seat->claim, &none, operation);
}

void registry_unclaim(struct registry *r, struct seat *seat, int64_t now) {
    struct shard *shard = shard_of(r, seat->hash);
    pthread_mutex_lock(&shard->lock);
    atomic_store(&seat->claim, NULL);
    seat->used = now;
    if (seat->ttl && now + seat->ttl < shard->expiry) shard->expiry = now + seat->ttl;
    pthread_mutex_unlock(&shard->lock);
}

/* The lock keeps the operation from going meanwhile. */
bool registry_claimed(struct registry *r, struct seat *seat, char out[REGISTRY_ID + 1]) {
    if (!atomic_load(&seat->claim)) return false;
    struct shard *shard = shard_of(r, seat->hash);
    pthread_mutex_lock(&shard->lock);
    const char *claim = atomic_load(&seat->claim);
    if (claim) strcpy(out, claim);
    pthread_mutex_unlock(&shard->lock);
    return claim != NULL;
}

/* ---- coming and going ---- */

static bool check_count(struct registry *r, struct error *error) {
    const int64_t quota = atomic_load_explicit(&r->quota, memory_order_relaxed);
    if (atomic_fetch_add(&r->n, 1) < (quota < r->most ? quota : r->most)) return true;
    const int64_t n = atomic_fetch_sub(&r->n, 1) - 1;
    if (quota < r->most)
        return error_set(error, ERROR_QUOTA_EXCEEDED,
                         "the tenant has %" PRId64 " sessions; its quota is %" PRId64,
                         n < quota ? quota : n, quota);
    return error_set(error, ERROR_TOO_MANY_SESSIONS,
                     "there are %" PRId64 " sessions; the limit is %" PRId64 " (max_sessions)",
                     n < r->most ? r->most : n, r->most);
}

/* Puts a new seat into its shard. One of the same id that has expired is moved to *old. */
static bool put_in(struct registry *r, struct shard *shard, struct seat *seat, int64_t now,
                   struct seat **old, struct error *error) {
    /* Out of the store each comes once. */
    struct seat *there = seat->session ? shard_find(shard, seat->hash, seat->id) : NULL;
    if (there && !seat_has_expired(there, now))
        return error_set(error, ERROR_ALREADY_EXISTS, "there is a session \"%s\" already",
                         seat->id);
    if (!shard_make_room(shard))
        return error_set(error, ERROR_MEMORY_BUDGET, "no memory for one more session");
    if (there) {
        shard_take_out(r, shard, there);
        *old = there;
    }
    seat->order = atomic_fetch_add(&r->orders, 1) + 1;
    shard_put(shard, seat);
    describe(shard, seat);
    return true;
}

static struct seat *new_seat(const struct registry *r, const char *id) {
    const size_t n = strlen(id) + 1;
    if (!budget_take(BUDGET_STATE, seat_cost(id))) return NULL;
    struct seat *seat = calloc(1, sizeof *seat + n);
    if (!seat) {
        budget_give(BUDGET_STATE, seat_cost(id));
        return NULL;
    }
    memcpy(seat->id, id, n);
    seat->hash = name_hash(r->seed, id, n - 1);
    return seat;
}

bool registry_pay(struct registry *r, struct session *s, struct error *error) {
    if (account_join(&s->account, &r->purse)) return true;
    return error_set(error, ERROR_QUOTA_EXCEEDED,
                     "the session has %zu bytes; the tenant's quota leaves %" PRId64,
                     session_bytes(s), registry_room(r));
}

struct seat *registry_add(struct registry *r, struct session *s, int64_t now, struct error *error) {
    if (!check_count(r, error)) return NULL;
    struct seat *seat = new_seat(r, s->id), *old = NULL;
    if (!seat) error_set(error, ERROR_MEMORY_BUDGET, "no memory for one more session");
    if (!seat || !registry_pay(r, s, error)) {
        atomic_fetch_sub(&r->n, 1);
        if (seat) free_bare_seat(seat);
        return NULL;
    }
    seat->session = s;
    seat->held = true;
    struct shard *shard = shard_of(r, seat->hash);
    pthread_mutex_lock(&shard->lock);
    const bool ok = put_in(r, shard, seat, now, &old, error);
    pthread_mutex_unlock(&shard->lock);
    if (old) free_seat(old);
    if (ok) return seat;
    account_join(&s->account, NULL);
    atomic_fetch_sub(&r->n, 1);
    free_bare_seat(seat);
    return NULL;
}

/* ---- sessions that are in the store alone ---- */

bool registry_add_cold(struct registry *r, const struct registry_row *row, int64_t now) {
    struct seat *seat = new_seat(r, row->id), *old = NULL;
    struct error error;
    if (!seat) return false;
    if (*row->labels && !(seat->labels = malloc(labels_length(row->labels)))) {
        free_bare_seat(seat);
        return false;
    }
    if (*row->labels) memcpy(seat->labels, row->labels, labels_length(row->labels));
    seat->created_at = row->created_at;
    seat->dtype = row->dtype;
    seat->bytes = row->bytes;
    seat->used = now;
    set_ttl(seat, row->ttl_seconds);
    error_clear(&error);
    struct shard *shard = shard_of(r, seat->hash);
    pthread_mutex_lock(&shard->lock);
    const bool ok = put_in(r, shard, seat, now, &old, &error);
    if (ok) {
        seat->tapes = row->tapes;
        shard->tapes += seat->tapes;
        purse_add(&r->purse, (int64_t)seat->bytes);
        if (seat->ttl && now + seat->ttl < shard->expiry) shard->expiry = now + seat->ttl;
    }
    pthread_mutex_unlock(&shard->lock);
    atomic_fetch_add(&r->n, ok);
    if (!ok) free_seat(seat);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the seat is in its bucket */
    return ok;
}

void registry_warm(struct registry *r, struct seat *seat, struct session *s) {
    struct shard *shard = shard_of(r, seat->hash);
    pthread_mutex_lock(&shard->lock);
    seat->session = s;
    s->account.purse = &r->purse;
    purse_add(&r->purse, (int64_t)session_bytes(s) - (int64_t)seat->bytes);
    shard->bytes += (int64_t)seat->bytes;
    pthread_mutex_unlock(&shard->lock);
}

void registry_drop(struct registry *r, struct seat *seat) {
    struct shard *shard = shard_of(r, seat->hash);
    pthread_mutex_lock(&shard->lock);
    if (seat->session) shard_cool(shard, seat);
    pthread_mutex_unlock(&shard->lock);
}

void registry_remove(struct registry *r, struct seat *seat) {
    struct shard *shard = shard_of(r, seat->hash);
    pthread_mutex_lock(&shard->lock);
    shard_take_out(r, shard, seat);
    pthread_mutex_unlock(&shard->lock);
}
