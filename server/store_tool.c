/* Backups and checks of a store, from a process of their own. They read through a connection of their own
 * and disturb nobody: a reader sees one moment of the database, and a writer does not wait for it. */
#include "server/store_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store_schema.h"

enum { PATH = 4096, BUSY_MS = 10000 };

static bool fail(char *said, size_t size, const char *what, const char *where, const char *why) {
    snprintf(said, size, "%s %.300s: %.200s", what, where, why);
    return false;
}

/* The database of a directory, or a file that is one. */
static sqlite3 *open_store(const char *place, char *path, char *said, size_t size) {
    struct stat st;
    sqlite3 *db = NULL;
    snprintf(path, PATH, "%s", place);
    if (stat(place, &st) == 0 && S_ISDIR(st.st_mode))
        snprintf(path, PATH, "%.4000s/gradd.db", place);
    if (access(path, R_OK) != 0) {
        fail(said, size, "cannot read", path, strerror(errno));
    } else if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        fail(said, size, "cannot read", path, sqlite3_errmsg(db));
    } else {
        sqlite3_busy_timeout(db, BUSY_MS);
        schema_prepare(db);
        return db;
    }
    sqlite3_close(db);
    return NULL;
}

/* ---- backup ---- */

static bool copy(sqlite3 *from, const char *file, char *said, size_t size) {
    sqlite3 *to = NULL;
    bool ok =
        sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK;
    sqlite3_backup *backup = ok ? sqlite3_backup_init(to, "main", from, "main") : NULL;
    /* In one step, so that all of it is of one moment. */
    if (backup) sqlite3_backup_step(backup, -1);
    ok = backup && sqlite3_backup_finish(backup) == SQLITE_OK;
    if (!ok) fail(said, size, "cannot write", file, sqlite3_errmsg(to));
    return sqlite3_close(to) == SQLITE_OK && ok;
}

/* So that the name is on the disk too. */
static void sync_directory_of(const char *file) {
    char path[PATH];
    const char *slash = strrchr(file, '/');
    snprintf(path, sizeof path, "%.*s", slash ? (int)(slash - file) + 1 : 1, slash ? file : ".");
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

bool store_backup(const char *directory, const char *file, char *problem, size_t size) {
    char path[PATH], part[PATH];
    if (strlen(file) > PATH / 2)
        return fail(problem, size, "cannot write", file, "the name is too long");
    sqlite3 *from = open_store(directory, path, problem, size);
    if (!from) return false;
    snprintf(part, sizeof part, "%s.part", file);
    unlink(part);
    /* Nobody else may look into it. */
    const int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    bool ok = copy(from, part, problem, size);
    sqlite3_close(from);
    /* link, unlike rename, replaces nothing. */
    if (ok && link(part, file) != 0)
        ok = fail(problem, size, "cannot write", file, strerror(errno));
    unlink(part);
    if (ok) sync_directory_of(file);
    return ok;
}

/* ---- check ---- */

/* What is being checked. */
struct checking {
    sqlite3 *db;
    const char *path;
    store_examine examine;
    void *context;
    char *said;
    size_t size;
    int version; /* of the schema */
    long n[STORE_KIND_COUNT];
};

static bool wrong(struct checking *c, const char *why) {
    return fail(c->said, c->size, "damaged:", c->path, why);
}

/* The first column of the first row, as a text. */
static bool ask(struct checking *c, const char *sql, char *out, size_t size) {
    sqlite3_stmt *statement = NULL;
    const char *text = NULL;
    if (sqlite3_prepare_v2(c->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(statement, 0);
    if (text) snprintf(out, size, "%s", text);
    const bool ok = text || wrong(c, sqlite3_errmsg(c->db));
    sqlite3_finalize(statement);
    return ok;
}

static bool check_file(struct checking *c) {
    char found[200];
    if (!ask(c, "PRAGMA application_id", found, sizeof found)) return false;
    if (strtol(found, NULL, 10) != STORE_APPLICATION) return wrong(c, "it is no store of gradd's");
    if (!ask(c, "PRAGMA user_version", found, sizeof found)) return false;
    c->version = (int)strtol(found, NULL, 10);
    if (c->version > STORE_SCHEMA) return wrong(c, "its schema is newer than this gradd");
    if (!ask(c, "PRAGMA integrity_check(1)", found, sizeof found)) return false;
    return strcmp(found, "ok") == 0 || wrong(c, found);
}

/* All parts of an object, one behind the other; false with the reason in `error` where there is one. */
static bool read_object(sqlite3_stmt *parts, int64_t place, struct writer *out,
                        struct error *error) {
    int code;
    bool is_well = true;
    sqlite3_bind_int64(parts, 1, place);
    while ((code = sqlite3_step(parts)) == SQLITE_ROW) {
        is_well = is_well && sqlite3_column_int(parts, 1);
        write_bytes(out, sqlite3_column_blob(parts, 0), (size_t)sqlite3_column_bytes(parts, 0));
    }
    sqlite3_reset(parts);
    if (!is_well) return error_set(error, ERROR_STORE_FAILED, "its checksum is another");
    return code == SQLITE_DONE && !out->full;
}

static bool check_object(struct checking *c, sqlite3_stmt *rows, sqlite3_stmt *parts) {
    const int kind = sqlite3_column_int(rows, 1);
    struct writer bytes;
    struct error error;
    char why[200];
    if (kind < 0 || kind >= STORE_KIND_COUNT) return wrong(c, "there is an object of no kind");
    error_clear(&error);
    writer_init(&bytes, SIZE_MAX);
    const bool ok = (sqlite3_column_int(rows, 3) ||
                     error_set(&error, ERROR_STORE_FAILED, "its checksum is another")) &&
                    read_object(parts, sqlite3_column_int64(rows, 0), &bytes, &error) &&
                    c->examine(c->context, (enum store_kind)kind, &bytes, &error);
    writer_free(&bytes);
    c->n[kind]++;
    if (ok) return true;
    snprintf(why, sizeof why, "the %s \"%.60s\" cannot be read: %.100s", store_kind_names[kind],
             (const char *)sqlite3_column_text(rows, 2),
             error.code ? error.detail : "out of memory");
    return wrong(c, why);
}

#define OBJECTS(is_well) "SELECT place, kind, id, " is_well " FROM object ORDER BY place"
#define CONTENT(is_well) "SELECT bytes, " is_well " FROM content WHERE place = ?1 ORDER BY part"
static const char objects[] = OBJECTS("1"), content[] = CONTENT("1"),
                  summed_objects[] =
                      OBJECTS("sum = " SUM_OF_OBJECT("kind", "tenant", "id", "summary")),
                  summed_content[] = CONTENT("sum = " SUM_OF_CONTENT("place", "part", "bytes"));

static bool check_objects(struct checking *c) {
    sqlite3_stmt *rows = NULL, *parts = NULL;
    int code = SQLITE_ERROR;
    const bool summed = c->version >= 2; /* there were no checksums before */
    bool ok =
        sqlite3_prepare_v2(c->db, summed ? summed_objects : objects, -1, &rows, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(c->db, summed ? summed_content : content, -1, &parts, NULL) == SQLITE_OK;
    const bool prepared = ok;
    while (ok && (code = sqlite3_step(rows)) == SQLITE_ROW) ok = check_object(c, rows, parts);
    if (!prepared || (ok && code != SQLITE_DONE)) ok = wrong(c, sqlite3_errmsg(c->db));
    sqlite3_finalize(rows);
    sqlite3_finalize(parts);
    return ok;
}

bool store_check(const char *place, store_examine examine, void *context, char *said, size_t size) {
    char path[PATH];
    struct checking c = {
        .path = path, .examine = examine, .context = context, .said = said, .size = size};
    c.db = open_store(place, path, said, size);
    if (!c.db) return false;
    /* All of it as it is at one moment. */
    sqlite3_exec(c.db, "BEGIN", NULL, NULL, NULL);
    const bool ok = check_file(&c) && check_objects(&c);
    sqlite3_close(c.db);
    if (ok)
        snprintf(said, size,
                 "%.300s is well: %ld sessions, %ld functions, %ld operations, %ld answers", path,
                 c.n[STORE_SESSION], c.n[STORE_FUNCTION], c.n[STORE_OPERATION], c.n[STORE_ANSWER]);
    return ok;
}
