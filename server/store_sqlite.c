/* The store on a disk: one SQLite file in a directory of its own, in WAL mode with synchronous=FULL. Owns the
 * directory and two connections, and reads through one of them; how the other writes is not known here. It
 * knows objects as bytes under a kind, a tenant and an id, and not what they are. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store.h"
#include "server/store_schema.h"
#include "server/store_writer.h"

enum { PATH = 4096 };

#define GET_SUM SUM_OF_CONTENT("place", "part", "bytes")
static const char get_text[] = "SELECT bytes, sum = " GET_SUM " FROM content WHERE place ="
                               " (SELECT place FROM object WHERE " NAMED_OBJECT ") ORDER BY part",
                  list_text[] = "SELECT tenant, id, summary FROM object INDEXED BY by_kind"
                                " WHERE kind = ?1 ORDER BY place";

struct sqlite {
    struct store base; /* first */
    int lock;          /* of the directory, held while it is open */
    sqlite3 *writing, *reading;
    struct store_writer *writer; /* on the first of them */
    pthread_mutex_t read_lock;
    sqlite3_stmt *get, *list;
};

/* ---- writing ---- */

static struct store_writer *writer_of(struct store *store) {
    return ((struct sqlite *)store)->writer;
}

static void sqlite_save(struct store *store, const struct store_change *changes, size_t n,
                        store_done done, void *context) {
    store_writer_save(writer_of(store), changes, n, done, context);
}

static void sqlite_forget(struct store *store, enum store_kind kind, int64_t seconds) {
    store_writer_forget(writer_of(store), kind, seconds);
}

static bool sqlite_is_well(struct store *store) { return store_writer_is_well(writer_of(store)); }

/* ---- reading ---- */

static bool sqlite_load(struct store *store, enum store_kind kind, const char *tenant,
                        const char *id, struct writer *out, struct error *error) {
    struct sqlite *s = (struct sqlite *)store;
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *get = s->get;
    int code;
    bool found = false, is_well = true;
    schema_bind_object(get, kind, tenant, id);
    while ((code = sqlite3_step(get)) == SQLITE_ROW) {
        found = true;
        is_well = is_well && sqlite3_column_int(get, 1);
        write_bytes(out, sqlite3_column_blob(get, 0), (size_t)sqlite3_column_bytes(get, 0));
    }
    if (code != SQLITE_DONE)
        schema_fail(error, s->reading, "reading");
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
    sqlite3_stmt *list = s->list;
    sqlite3_bind_int(list, 1, (int)kind);
    while ((code = sqlite3_step(list)) == SQLITE_ROW) {
        const struct store_row row = {.tenant = (const char *)sqlite3_column_text(list, 0),
                                      .id = (const char *)sqlite3_column_text(list, 1),
                                      .summary = sqlite3_column_blob(list, 2),
                                      .n_summary = (size_t)sqlite3_column_bytes(list, 2)};
        if (!row.tenant || !row.id || !each(context, &row)) break;
    }
    const bool ok =
        code == SQLITE_ROW || code == SQLITE_DONE || schema_fail(error, s->reading, "listing");
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

static bool prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out) {
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK;
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
        !schema_prepare(s->reading) || !prepare(s->reading, get_text, &s->get) ||
        !prepare(s->reading, list_text, &s->list))
        return fail_open(problem, size, directory, sqlite3_errmsg(s->reading));
    s->writer = store_writer_start(s->writing, why, sizeof why);
    return s->writer || fail_open(problem, size, directory, why);
}

static void close_all(struct sqlite *s) {
    sqlite3_finalize(s->get);
    sqlite3_finalize(s->list);
    sqlite3_close(s->reading);
    sqlite3_close(s->writing);
    if (s->lock >= 0) close(s->lock);
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
    pthread_mutex_init(&s->read_lock, NULL);
    if (take_directory(s, where, problem, size) && open_database(s, where, problem, size))
        return &s->base;
    close_all(s);
    return NULL;
}

static void sqlite_close(struct store *store) {
    struct sqlite *s = (struct sqlite *)store;
    store_writer_stop(s->writer);
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
