/* The store on a disk: one SQLite file in a directory of its own, in WAL mode with synchronous=FULL. One
 * thread writes; what is asked of it while it commits is committed together next. It knows objects as
 * bytes under a kind, a tenant and an id, and not what they are. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/plan.h"
#include "server/stats.h"
#include "server/store.h"
#include "server/store_schema.h"

/* SQLite's own limit is 10^9 bytes a row. */
enum { PATH = 4096, LONGEST_OBJECT = 999000000 };

/* The bytes stand in a table of their own, so that a list reads no more than it says. What is put or
 * dropped says its place, by which the bytes are found. What is there already is changed where it stands,
 * since every page that is touched is written once more. */
#define NAMED "kind = ?1 AND tenant = ?2 AND id = ?3"
#define STATEMENTS(X)                                                                              \
    X(BEGIN, writing, "BEGIN IMMEDIATE")                                                           \
    X(COMMIT, writing, "COMMIT")                                                                   \
    X(FIND, writing, "SELECT place FROM object WHERE " NAMED " AND summary IS ?4")                 \
    X(PUT, writing,                                                                                \
      "INSERT INTO object (kind, tenant, id, saved_at, summary, sum)"                              \
      " VALUES (?1, ?2, ?3, unixepoch(), ?4, " SUM_OF_OBJECT(                                      \
          "?1", "?2", "?3",                                                                        \
          "?4") ")"                                                                                \
                " ON CONFLICT (kind, tenant, id) DO UPDATE SET saved_at = excluded.saved_at,"      \
                " summary = excluded.summary, sum = excluded.sum RETURNING place")                 \
    X(DROP, writing, "DELETE FROM object WHERE " NAMED " RETURNING place")                         \
    X(EMPTY, writing, "DELETE FROM content WHERE place = ?1")                                      \
    X(FILL, writing,                                                                               \
      "INSERT INTO content (place, part, bytes, sum)"                                              \
      " VALUES (?1, ?2, ?3, " SUM_OF_CONTENT(                                                      \
          "?1", "?2", "?3") ")"                                                                    \
                            " ON CONFLICT (place, part) DO UPDATE SET bytes = excluded.bytes,"     \
                            " sum = excluded.sum")                                                 \
    X(CUT, writing, "DELETE FROM content WHERE place = ?1 AND part BETWEEN ?2 AND ?3")             \
    X(EMPTY_OLD, writing,                                                                          \
      "DELETE FROM content WHERE place IN (SELECT place FROM object"                               \
      " WHERE kind = ?1 AND saved_at < unixepoch() - ?2)")                                         \
    X(DROP_OLD, writing, "DELETE FROM object WHERE kind = ?1 AND saved_at < unixepoch() - ?2")     \
    X(GET, reading,                                                                                \
      "SELECT bytes, sum = " SUM_OF_CONTENT(                                                       \
          "place", "part", "bytes") " FROM content"                                                \
                                    " WHERE place = (SELECT place FROM object WHERE " NAMED        \
                                    ") ORDER BY part")                                             \
    X(LIST, reading,                                                                               \
      "SELECT tenant, id, summary FROM object INDEXED BY by_kind WHERE kind = ?1 ORDER BY place")

enum statement {
#define STATEMENT_ENUM(tag, db, sql) SQL_##tag,
    STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        SQL_COUNT
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

struct sqlite {
    struct store base; /* first */
    int lock;          /* of the directory, held while it is open */
    sqlite3 *writing, *reading;
    sqlite3_stmt *statements[SQL_COUNT]; /* each of one of the two connections */
    pthread_mutex_t read_lock;
    pthread_t thread;
    pthread_mutex_t queue_lock; /* of all below */
    pthread_cond_t came;
    struct batch *first, **last;
    int64_t forget[STORE_KIND_COUNT]; /* what is older is to go; seconds, 0: nothing is */
    bool ends;
    atomic_bool ails; /* the last commit failed */
};

/* ---- failures ---- */

static bool fail(struct error *error, sqlite3 *db, const char *doing) {
    switch (sqlite3_errcode(db)) {
    case SQLITE_FULL:
        return error_set(error, ERROR_DISK_FULL, "the disk of the store is full: nothing was kept");
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
        return error_set(error, ERROR_MEMORY_BUDGET, "no room while %s: %s", doing,
                         sqlite3_errmsg(db));
    default:
        return error_set(error, ERROR_STORE_FAILED, "the store failed while %s: %s", doing,
                         sqlite3_errmsg(db));
    }
}

/* ---- writing, on the writer's thread ---- */

static bool step(struct sqlite *s, enum statement which) {
    sqlite3_stmt *statement = s->statements[which];
    const bool ok = sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_reset(statement) == SQLITE_OK && ok;
}

static sqlite3_stmt *bind_names(struct sqlite *s, enum statement which, enum store_kind kind,
                                const char *tenant, const char *id) {
    sqlite3_stmt *statement = s->statements[which];
    sqlite3_bind_int(statement, 1, (int)kind);
    sqlite3_bind_text(statement, 2, tenant, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, id, -1, SQLITE_STATIC);
    return statement;
}

/* The part i of an object's. */
static bool write_part(struct sqlite *s, int64_t place, const struct parts *parts, size_t i) {
    const struct part *part = &parts->list[i];
    size_t n;
    const char *bytes = parts_bytes(parts, i, &n);
    const enum statement which = part->gone ? SQL_CUT : SQL_FILL;
    sqlite3_stmt *statement = s->statements[which];
    sqlite3_bind_int64(statement, 1, place);
    sqlite3_bind_int64(statement, 2, part->from);
    if (part->gone)
        sqlite3_bind_int64(statement, 3, part->to);
    else
        sqlite3_bind_blob64(statement, 3, bytes, n, SQLITE_STATIC);
    return step(s, which);
}

/* Runs a statement on an object's row; *place stays as it is where there is none. */
static bool on_row(struct sqlite *s, enum statement which, const struct kept *k, int64_t *place) {
    sqlite3_stmt *statement = bind_names(s, which, k->kind, k->head.data, k->head.data + k->id);
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
static bool write_row(struct sqlite *s, const struct kept *k, int64_t *place) {
    if (k->deleted) return on_row(s, SQL_DROP, k, place);
    if (k->in_parts && !k->parts.whole && !on_row(s, SQL_FIND, k, place)) return false;
    return *place || on_row(s, SQL_PUT, k, place);
}

static bool write_change(struct sqlite *s, const struct kept *k) {
    int64_t place = 0;
    bool ok = write_row(s, k, &place);
    if (ok && place && (k->deleted || k->parts.whole)) {
        sqlite3_bind_int64(s->statements[SQL_EMPTY], 1, place);
        ok = step(s, SQL_EMPTY);
    }
    for (size_t i = 0; ok && i < k->parts.n; i++) ok = write_part(s, place, &k->parts, i);
    return ok;
}

static bool commit(struct sqlite *s, bool ok, struct error *error) {
    ok = ok && step(s, SQL_COMMIT);
    if (!ok) fail(error, s->writing, "writing");
    if (!ok && !sqlite3_get_autocommit(s->writing))
        sqlite3_exec(s->writing, "ROLLBACK", NULL, NULL, NULL);
    atomic_store(&s->ails, !ok);
    return ok;
}

/* All of these batches, or none. */
static bool write_batches(struct sqlite *s, struct batch *first, const struct batch *end,
                          struct error *error) {
    const int64_t begun = clock_now();
    int64_t saves = 0;
    bool ok = step(s, SQL_BEGIN);
    for (struct batch *b = first; ok && b != end; b = b->next, saves++)
        for (size_t i = 0; ok && i < b->n; i++) ok = write_change(s, &b->changes[i]);
    ok = commit(s, ok, error);
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
static void write_all(struct sqlite *s, struct batch *first) {
    struct error error;
    error_clear(&error);
    if (first && !write_batches(s, first, NULL, &error)) {
        for (struct batch *b = first; b; b = b->next) {
            if (first->next)
                write_batches(s, b, b->next, &b->error);
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
static void forget_old(struct sqlite *s, enum store_kind kind, int64_t seconds) {
    struct error error;
    error_clear(&error);
    bool ok = step(s, SQL_BEGIN);
    for (int i = SQL_EMPTY_OLD; ok && i <= SQL_DROP_OLD; i++) {
        sqlite3_bind_int(s->statements[i], 1, (int)kind);
        sqlite3_bind_int64(s->statements[i], 2, seconds);
        ok = step(s, (enum statement)i);
    }
    commit(s, ok, &error);
}

static void *write_on(void *context) {
    struct sqlite *s = context;
    pthread_setname_np(pthread_self(), "store");
    pthread_mutex_lock(&s->queue_lock);
    for (;;) {
        int64_t forget[STORE_KIND_COUNT], any = 0;
        for (int i = 0; i < STORE_KIND_COUNT; i++) any |= s->forget[i];
        struct batch *first = s->first;
        if (!first && !any) {
            if (s->ends) break;
            pthread_cond_wait(&s->came, &s->queue_lock);
            continue;
        }
        s->first = NULL;
        s->last = &s->first;
        memcpy(forget, s->forget, sizeof forget);
        memset(s->forget, 0, sizeof s->forget);
        pthread_mutex_unlock(&s->queue_lock);
        write_all(s, first);
        for (int i = 0; any && i < STORE_KIND_COUNT; i++)
            if (forget[i]) forget_old(s, (enum store_kind)i, forget[i]);
        pthread_mutex_lock(&s->queue_lock);
    }
    pthread_mutex_unlock(&s->queue_lock);
    return NULL;
}

/* ---- saving ---- */

static bool encode_one(const struct store_change *from, struct kept *to) {
    to->kind = from->kind;
    to->deleted = from->deleted;
    to->in_parts = from->encode_parts;
    writer_init(&to->head, LONGEST_OBJECT);
    parts_init(&to->parts);
    write_bytes(&to->head, from->tenant, strlen(from->tenant) + 1);
    to->id = to->head.length;
    write_bytes(&to->head, from->id, strlen(from->id) + 1);
    to->summary = to->head.length;
    if (from->deleted || to->head.full) return !to->head.full;
    if (from->summarize && !from->summarize(from->object, &to->head)) return false;
    if (from->encode_parts) return from->encode_parts(from->object, &to->parts);
    from->encode(from->object, parts_add(&to->parts, 0));
    return !to->parts.bytes.full;
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

static void sqlite_save(struct store *store, const struct store_change *changes, size_t n,
                        store_done done, void *context) {
    struct sqlite *s = (struct sqlite *)store;
    struct batch *b = encode_all(changes, n);
    if (!b) {
        struct error error;
        error_clear(&error);
        error_set(&error, ERROR_MEMORY_BUDGET,
                  "no memory to keep what has changed, or more than %d bytes of it",
                  LONGEST_OBJECT);
        done(context, &error);
        return;
    }
    b->done = done;
    b->context = context;
    pthread_mutex_lock(&s->queue_lock);
    *s->last = b;
    s->last = &b->next;
    pthread_cond_signal(&s->came);
    pthread_mutex_unlock(&s->queue_lock);
}

static void sqlite_forget(struct store *store, enum store_kind kind, int64_t seconds) {
    struct sqlite *s = (struct sqlite *)store;
    pthread_mutex_lock(&s->queue_lock);
    s->forget[kind] = seconds;
    pthread_cond_signal(&s->came);
    pthread_mutex_unlock(&s->queue_lock);
}

static bool sqlite_is_well(struct store *store) {
    return !atomic_load(&((struct sqlite *)store)->ails);
}

/* ---- reading ---- */

static bool sqlite_load(struct store *store, enum store_kind kind, const char *tenant,
                        const char *id, struct writer *out, struct error *error) {
    struct sqlite *s = (struct sqlite *)store;
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *get = bind_names(s, SQL_GET, kind, tenant, id);
    int code;
    bool found = false, is_well = true;
    while ((code = sqlite3_step(get)) == SQLITE_ROW) {
        found = true;
        is_well = is_well && sqlite3_column_int(get, 1);
        write_bytes(out, sqlite3_column_blob(get, 0), (size_t)sqlite3_column_bytes(get, 0));
    }
    if (code != SQLITE_DONE)
        fail(error, s->reading, "reading");
    else if (!found)
        error_set(error, ERROR_NOT_FOUND, "nothing is kept of the %s \"%.80s\"",
                  store_kind_names[kind], id);
    else if (!is_well)
        error_set(error, ERROR_STORE_FAILED,
                  "the disk has changed what was kept of the %s \"%.80s\": its checksum is another",
                  store_kind_names[kind], id);
    else if (out->full)
        error_set(error, ERROR_MEMORY_BUDGET, "no memory to load the %s \"%.80s\"",
                  store_kind_names[kind], id);
    sqlite3_reset(get);
    pthread_mutex_unlock(&s->read_lock);
    return !error->code;
}

static bool sqlite_list(struct store *store, enum store_kind kind, store_each each, void *context,
                        struct error *error) {
    struct sqlite *s = (struct sqlite *)store;
    int code;
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *list = s->statements[SQL_LIST];
    sqlite3_bind_int(list, 1, (int)kind);
    while ((code = sqlite3_step(list)) == SQLITE_ROW) {
        const struct store_row row = {.tenant = (const char *)sqlite3_column_text(list, 0),
                                      .id = (const char *)sqlite3_column_text(list, 1),
                                      .summary = sqlite3_column_blob(list, 2),
                                      .n_summary = (size_t)sqlite3_column_bytes(list, 2)};
        if (!row.tenant || !row.id || !each(context, &row)) break;
    }
    const bool ok = code == SQLITE_ROW || code == SQLITE_DONE || fail(error, s->reading, "listing");
    sqlite3_reset(list);
    pthread_mutex_unlock(&s->read_lock);
    return ok;
}

/* ---- opening ---- */

static bool fail_open(char *problem, size_t size, const char *directory, const char *why) {
    snprintf(problem, size, "%.300s/gradd.db: %.200s", directory, why);
    return false;
}

/* Made where it is not there; nobody else may look into it. */
static bool take_directory(struct sqlite *s, const char *directory, char *problem, size_t size) {
    char path[PATH];
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        snprintf(problem, size, "cannot make the directory %.300s: %s", directory, strerror(errno));
        return false;
    }
    snprintf(path, sizeof path, "%.4000s/lock", directory);
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock < 0) {
        snprintf(problem, size, "cannot open %.300s/lock: %s", directory, strerror(errno));
        return false;
    }
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0) return true;
    snprintf(problem, size, "%.300s is in use by another gradd", directory);
    return false;
}

static bool prepare(struct sqlite *s, enum statement which, sqlite3 *db, const char *sql) {
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->statements[which],
                              NULL) == SQLITE_OK;
}

/* A process that has closed its files but the directory's cannot make temporary ones elsewhere. And who
 * reads the index of the log while it is written takes the lock of the one writer for a moment, to look
 * again: that is waited for. */
#define EITHER "PRAGMA busy_timeout=10000; PRAGMA temp_store=MEMORY;"
static const char to_write[] = EITHER "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
                  to_read[] = EITHER;

static bool open_database(struct sqlite *s, const char *directory, char *problem, size_t size) {
    char path[PATH], why[256];
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    snprintf(path, sizeof path, "%.4000s/gradd.db", directory);
    /* SQLite's own files have the permissions of this one. */
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return fail_open(problem, size, directory, strerror(errno));
    close(fd);
    if (sqlite3_open_v2(path, &s->writing, flags | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK ||
        sqlite3_exec(s->writing, to_write, NULL, NULL, NULL) != SQLITE_OK ||
        !schema_prepare(s->writing))
        return fail_open(problem, size, directory, sqlite3_errmsg(s->writing));
    if (!schema_open(s->writing, why, sizeof why)) return fail_open(problem, size, directory, why);
    if (sqlite3_open_v2(path, &s->reading, flags, NULL) != SQLITE_OK ||
        sqlite3_exec(s->reading, to_read, NULL, NULL, NULL) != SQLITE_OK ||
        !schema_prepare(s->reading))
        return fail_open(problem, size, directory, sqlite3_errmsg(s->reading));
#define STATEMENT_PREPARE(tag, db, sql)                                                            \
    if (!prepare(s, SQL_##tag, s->db, sql))                                                        \
        return fail_open(problem, size, directory, sqlite3_errmsg(s->db));
    STATEMENTS(STATEMENT_PREPARE)
#undef STATEMENT_PREPARE
    return true;
}

static void close_all(struct sqlite *s) {
    for (size_t i = 0; i < SQL_COUNT; i++) sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->reading);
    sqlite3_close(s->writing);
    if (s->lock >= 0) close(s->lock);
    pthread_cond_destroy(&s->came);
    pthread_mutex_destroy(&s->queue_lock);
    pthread_mutex_destroy(&s->read_lock);
    free(s);
}

static struct store *sqlite_open(const char *where, char *problem, size_t size) {
    struct sqlite *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(problem, size, "no memory for the store");
        return NULL;
    }
    s->base.verbs = &store_sqlite;
    s->lock = -1;
    s->last = &s->first;
    pthread_mutex_init(&s->read_lock, NULL);
    pthread_mutex_init(&s->queue_lock, NULL);
    pthread_cond_init(&s->came, NULL);
    if (take_directory(s, where, problem, size) && open_database(s, where, problem, size)) {
        if (pthread_create(&s->thread, NULL, write_on, s) == 0) return &s->base;
        snprintf(problem, size, "no thread for the store");
    }
    close_all(s);
    return NULL;
}

static void sqlite_close(struct store *store) {
    struct sqlite *s = (struct sqlite *)store;
    pthread_mutex_lock(&s->queue_lock);
    s->ends = true;
    pthread_cond_signal(&s->came);
    pthread_mutex_unlock(&s->queue_lock);
    pthread_join(s->thread, NULL);
    close_all(s);
}

const struct store_verbs store_sqlite = {
    .name = "sqlite",
    .keeps = (1u << STORE_KIND_COUNT) - 1,
    .endures = true,
    .open = sqlite_open,
    .close = sqlite_close,
    .save = sqlite_save,
    .load = sqlite_load,
    .list = sqlite_list,
    .forget = sqlite_forget,
    .is_well = sqlite_is_well,
};
