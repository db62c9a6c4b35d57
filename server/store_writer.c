/* The writer of the store on a disk: a thread and a queue before it. What is asked of it while it commits is
 * committed together next. It knows objects as bytes, and neither what they are nor who reads them. */
#include "server/store_writer.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/plan.h"
#include "server/stats.h"
#include "server/store_schema.h"

/* The bytes stand in a table of their own, so that a list reads no more than it says. What is put or
 * dropped says its place, by which the bytes are found. What is there already is changed where it stands,
 * since every page that is touched is written once more. */
enum statement {
    SQL_BEGIN,
    SQL_TOUCH,
    SQL_COMMIT,
    SQL_FIND,
    SQL_PUT,
    SQL_DROP,
    SQL_EMPTY,
    SQL_FILL,
    SQL_CUT,
    SQL_EMPTY_OLD,
    SQL_DROP_OLD,
    SQL_COUNT
};

#define OLD "kind = ?1 AND saved_at < unixepoch() - ?2"
#define PUT_SUM SUM_OF_OBJECT("?1", "?2", "?3", "?4")
#define FILL_SUM SUM_OF_CONTENT("?1", "?2", "?3")

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_TOUCH] = SAY_APPLICATION, /* as it is there */
    [SQL_COMMIT] = "COMMIT",
    [SQL_FIND] = "SELECT place FROM object WHERE " NAMED_OBJECT " AND summary IS ?4",
    [SQL_PUT] = "INSERT INTO object (kind, tenant, id, saved_at, summary, sum)"
                " VALUES (?1, ?2, ?3, unixepoch(), ?4, " PUT_SUM ")"
                " ON CONFLICT (kind, tenant, id) DO UPDATE SET saved_at = excluded.saved_at,"
                " summary = excluded.summary, sum = excluded.sum RETURNING place",
    [SQL_DROP] = "DELETE FROM object WHERE " NAMED_OBJECT " RETURNING place",
    [SQL_EMPTY] = "DELETE FROM content WHERE place = ?1",
    [SQL_FILL] = "INSERT INTO content (place, part, bytes, sum)"
                 " VALUES (?1, ?2, ?3, " FILL_SUM ")"
                 " ON CONFLICT (place, part) DO UPDATE SET bytes = excluded.bytes,"
                 " sum = excluded.sum",
    [SQL_CUT] = "DELETE FROM content WHERE place = ?1 AND part BETWEEN ?2 AND ?3",
    [SQL_EMPTY_OLD] = "DELETE FROM content WHERE place IN (SELECT place FROM object WHERE " OLD ")",
    [SQL_DROP_OLD] = ("DELETE FROM object WHERE " OLD),
};

/* What was handed to save, encoded. */
struct kept {
    enum store_kind kind;
    bool deleted, in_parts;
    struct writer head; /* the tenant's name, the id, each with its end, and the summary */
    size_t id, summary; /* where they begin */
    struct parts parts;
};

struct batch {
    struct batch *next;
    store_done done;
    void *context;
    struct error error;
    size_t n;
    struct kept changes[];
};

struct store_writer {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    pthread_t thread;
    pthread_mutex_t queue_lock; /* of all below */
    pthread_cond_t came;
    struct batch *first, **last;
    size_t n_waiting, n_expected; /* batches in the queue; in the last commit or come during it */
    int64_t took;                 /* the last commit of the queue, in nanoseconds */
    int64_t forget[STORE_KIND_COUNT]; /* what is older is to go; seconds, 0: nothing is */
    bool ends;
    atomic_bool ails; /* the last commit failed */
};

/* ---- on its thread ---- */

static bool step(struct store_writer *w, enum statement which) {
    sqlite3_stmt *statement = w->statements[which];
    const bool ok = sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_reset(statement) == SQLITE_OK && ok;
}

/* A commit that has failed may yet be there behind a power cut, unless another one has taken its place in the
 * log: so the next one writes something in any case, also where what it deletes is not there. */
static bool begin(struct store_writer *w) {
    return step(w, SQL_BEGIN) && (!atomic_load(&w->ails) || step(w, SQL_TOUCH));
}

/* The part i of an object's. */
static bool write_part(struct store_writer *w, int64_t place, const struct parts *parts, size_t i) {
    const struct part *part = &parts->list[i];
    size_t n;
    const char *bytes = parts_bytes(parts, i, &n);
    const enum statement which = part->gone ? SQL_CUT : SQL_FILL;
    sqlite3_stmt *statement = w->statements[which];
    sqlite3_bind_int64(statement, 1, place);
    sqlite3_bind_int64(statement, 2, part->from);
    if (part->gone)
        sqlite3_bind_int64(statement, 3, part->to);
    else
        sqlite3_bind_blob64(statement, 3, bytes, n, SQLITE_STATIC);
    return step(w, which);
}

/* Runs a statement on an object's row; *place stays as it is where there is none. */
static bool on_row(struct store_writer *w, enum statement which, const struct kept *k,
                   int64_t *place) {
    sqlite3_stmt *statement = w->statements[which];
    schema_bind_object(statement, k->kind, k->head.data, k->head.data + k->id);
    if (which != SQL_DROP)
        sqlite3_bind_blob64(statement, 4, k->head.data + k->summary, k->head.length - k->summary,
                            SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *place = sqlite3_column_int64(statement, 0);
        code = sqlite3_step(statement);
    }
    return sqlite3_reset(statement) == SQLITE_OK && code == SQLITE_DONE;
}

/* Puts or drops an object's row. One whose summary stays as it is is not touched where parts of its
 * object change: that is most of what is saved. */
static bool write_row(struct store_writer *w, const struct kept *k, int64_t *place) {
    if (k->deleted) return on_row(w, SQL_DROP, k, place);
    if (k->in_parts && !k->parts.whole && !on_row(w, SQL_FIND, k, place)) return false;
    return *place || on_row(w, SQL_PUT, k, place);
}

static bool write_change(struct store_writer *w, const struct kept *k) {
    int64_t place = 0;
    bool ok = write_row(w, k, &place);
    if (ok && place && (k->deleted || k->parts.whole)) {
        sqlite3_bind_int64(w->statements[SQL_EMPTY], 1, place);
        ok = step(w, SQL_EMPTY);
    }
    for (size_t i = 0; ok && i < k->parts.n; i++) ok = write_part(w, place, &k->parts, i);
    return ok;
}

static bool commit(struct store_writer *w, bool ok, struct error *error) {
    ok = ok && step(w, SQL_COMMIT);
    if (!ok) schema_fail(error, w->db, "writing");
    if (!ok && !sqlite3_get_autocommit(w->db)) sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
    atomic_store(&w->ails, !ok);
    return ok;
}

/* All of these batches, or none. */
static bool write_batches(struct store_writer *w, struct batch *first, const struct batch *end,
                          struct error *error) {
    const int64_t begun = clock_now();
    int64_t saves = 0;
    bool ok = begin(w);
    for (struct batch *b = first; ok && b != end; b = b->next, saves++)
        for (size_t i = 0; ok && i < b->n; i++) ok = write_change(w, &b->changes[i]);
    ok = commit(w, ok, error);
    stats_add(ok ? STAT_STORE_COMMITS : STAT_STORE_ERRORS, 1);
    if (!ok) return false;
    stats_observe(HISTOGRAM_COMMIT, clock_now() - begun);
    stats_observe(HISTOGRAM_BATCH, saves);
    return true;
}

static void free_batch(struct batch *b) {
    for (size_t i = 0; i < b->n; i++) {
        writer_free(&b->changes[i].head);
        parts_free(&b->changes[i].parts);
    }
    free(b);
}

/* Where all of them cannot be written, each is tried by itself: what fails is the affair of one. */
static void write_all(struct store_writer *w, struct batch *first) {
    struct error error;
    error_clear(&error);
    if (first && !write_batches(w, first, NULL, &error)) {
        for (struct batch *b = first; b; b = b->next) {
            if (first->next)
                write_batches(w, b, b->next, &b->error);
            else
                b->error = error;
        }
    }
    for (struct batch *b = first, *next; b; b = next) {
        next = b->next;
        b->done(b->context, b->error.code ? &b->error : NULL);
        free_batch(b);
    }
}

/* What cannot be forgotten now is asked for again. */
static void forget_old(struct store_writer *w, enum store_kind kind, int64_t seconds) {
    struct error error;
    error_clear(&error);
    bool ok = begin(w);
    for (int i = SQL_EMPTY_OLD; ok && i <= SQL_DROP_OLD; i++) {
        sqlite3_bind_int(w->statements[i], 1, (int)kind);
        sqlite3_bind_int64(w->statements[i], 2, seconds);
        ok = step(w, (enum statement)i);
    }
    commit(w, ok, &error);
}

static struct timespec moment(int64_t at) {
    return (struct timespec){.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
}

/* Whoever waits for a commit asks again soon after it: without them the next one would take half of all, and they the
 * one behind it, in twice the time. So as many as were in the last or came during it are waited for, no longer than half
 * a commit takes (PostgreSQL's advice for its commit_delay) or a disk turns; where one is fast nobody is, as to ask takes
 * as long. */
static void gather(struct store_writer *w) {
    enum { LEAST = 200000, MOST = 10000000 };
    const int64_t wait = w->took / 2 < MOST ? w->took / 2 : MOST;
    const struct timespec until = moment(clock_now() + wait);
    if (wait < LEAST) return;
    while (!w->ends && w->n_waiting < w->n_expected)
        if (pthread_cond_timedwait(&w->came, &w->queue_lock, &until)) break;
}

/* What is to be done at once: all that is in the queue, and what is to be forgotten. */
struct work {
    struct batch *first;
    size_t n;
    int64_t forget[STORE_KIND_COUNT];
};

static struct work take_work(struct store_writer *w) {
    struct work work = {.first = w->first, .n = w->n_waiting};
    w->first = NULL;
    w->last = &w->first;
    w->n_waiting = 0;
    memcpy(work.forget, w->forget, sizeof work.forget);
    memset(w->forget, 0, sizeof w->forget);
    return work;
}

static bool has_work(const struct store_writer *w) {
    int64_t forget = 0;
    for (int i = 0; i < STORE_KIND_COUNT; i++) forget |= w->forget[i];
    return w->first || forget;
}

/* How long the queue's part took, in nanoseconds. */
static int64_t do_work(struct store_writer *w, const struct work *work) {
    const int64_t begun = clock_now();
    write_all(w, work->first);
    const int64_t took = clock_now() - begun;
    for (int i = 0; i < STORE_KIND_COUNT; i++)
        if (work->forget[i]) forget_old(w, (enum store_kind)i, work->forget[i]);
    return took;
}

static void *write_on(void *context) {
    struct store_writer *w = context;
    pthread_setname_np(pthread_self(), "store");
    pthread_mutex_lock(&w->queue_lock);
    for (;;) {
        if (!has_work(w)) {
            if (w->ends) break;
            pthread_cond_wait(&w->came, &w->queue_lock);
            continue;
        }
        if (w->first) gather(w);
        const struct work work = take_work(w);
        pthread_mutex_unlock(&w->queue_lock);
        const int64_t took = do_work(w, &work);
        pthread_mutex_lock(&w->queue_lock);
        if (work.n > 0) w->took = took;
        w->n_expected = work.n + w->n_waiting;
    }
    pthread_mutex_unlock(&w->queue_lock);
    return NULL;
}

/* ---- saving ---- */

static bool encode_one(const struct store_change *from, struct kept *to) {
    to->kind = from->kind;
    to->deleted = from->deleted;
    to->in_parts = from->encode_parts;
    writer_init(&to->head, PARTS_LONGEST);
    parts_init(&to->parts);
    write_bytes(&to->head, from->tenant, strlen(from->tenant) + 1);
    to->id = to->head.length;
    write_bytes(&to->head, from->id, strlen(from->id) + 1);
    to->summary = to->head.length;
    if (from->deleted || to->head.full) return !to->head.full;
    if (from->summarize && !from->summarize(from->object, &to->head)) return false;
    if (from->encode_parts) return from->encode_parts(from->object, &to->parts);
    return from->encode(from->object, parts_add(&to->parts, 0));
}

static struct batch *encode_all(const struct store_change *changes, size_t n) {
    struct batch *b = calloc(1, sizeof *b + n * sizeof *b->changes);
    if (!b) return NULL;
    error_clear(&b->error);
    while (b->n < n) {
        const bool ok = encode_one(&changes[b->n], &b->changes[b->n]);
        b->n++;
        if (ok) continue;
        free_batch(b);
        return NULL;
    }
    return b;
}

void store_writer_save(struct store_writer *w, const struct store_change *changes, size_t n,
                       store_done done, void *context) {
    struct batch *b = encode_all(changes, n);
    if (!b) {
        struct error error;
        error_clear(&error);
        error_set(&error, ERROR_MEMORY_BUDGET,
                  "no memory to keep what has changed, or more than %d bytes of it", PARTS_LONGEST);
        done(context, &error);
        return;
    }
    b->done = done;
    b->context = context;
    pthread_mutex_lock(&w->queue_lock);
    *w->last = b;
    w->last = &b->next;
    w->n_waiting++;
    if (w->n_waiting == 1 || w->n_waiting >= w->n_expected) pthread_cond_signal(&w->came);
    pthread_mutex_unlock(&w->queue_lock);
}

void store_writer_forget(struct store_writer *w, enum store_kind kind, int64_t seconds) {
    pthread_mutex_lock(&w->queue_lock);
    w->forget[kind] = seconds;
    pthread_cond_signal(&w->came);
    pthread_mutex_unlock(&w->queue_lock);
}

bool store_writer_is_well(const struct store_writer *w) { return !atomic_load(&w->ails); }

/* ---- coming and going ---- */

static void free_writer(struct store_writer *w) {
    for (size_t i = 0; i < SQL_COUNT; i++) sqlite3_finalize(w->statements[i]);
    pthread_cond_destroy(&w->came);
    pthread_mutex_destroy(&w->queue_lock);
    free(w);
}

static bool prepare_all(struct store_writer *w) {
    for (size_t i = 0; i < SQL_COUNT; i++)
        if (sqlite3_prepare_v3(w->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &w->statements[i],
                               NULL) != SQLITE_OK)
            return false;
    return true;
}

struct store_writer *store_writer_start(sqlite3 *db, char *why, size_t size) {
    struct store_writer *w = calloc(1, sizeof *w);
    if (!w) {
        snprintf(why, size, "no memory for its writer");
        return NULL;
    }
    w->db = db;
    w->last = &w->first;
    pthread_mutex_init(&w->queue_lock, NULL);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&w->came, &steady);
    pthread_condattr_destroy(&steady);
    if (!prepare_all(w))
        snprintf(why, size, "%s", sqlite3_errmsg(db));
    else if (pthread_create(&w->thread, NULL, write_on, w) != 0)
        snprintf(why, size, "no thread for its writer");
    else
        return w;
    free_writer(w);
    return NULL;
}

void store_writer_stop(struct store_writer *w) {
    pthread_mutex_lock(&w->queue_lock);
    w->ends = true;
    pthread_cond_signal(&w->came);
    pthread_mutex_unlock(&w->queue_lock);
    pthread_join(w->thread, NULL);
    free_writer(w);
}
