/* How the store's tables are and how they came to be so. Knows SQL and checksums, and not what the rows
 * are for. */
#include "server/store_schema.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define SUM_OBJECTS "UPDATE object SET sum = " SUM_OF_OBJECT("kind", "tenant", "id", "summary") ";"
#define SUM_CONTENTS "UPDATE content SET sum = " SUM_OF_CONTENT("place", "part", "bytes") ";"

/* What turns version i into version i + 1; an empty database has version 0. Each is written once and never
 * changed: there are files that it has made. */
static const char *const steps[STORE_SCHEMA] = {
    SAY_APPLICATION
    "CREATE TABLE object (place INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL,"
    " tenant TEXT NOT NULL, id TEXT NOT NULL, saved_at INTEGER NOT NULL, summary BLOB,"
    " UNIQUE (kind, tenant, id));"
    "CREATE INDEX by_kind ON object (kind);" /* has them in the order of their places */
    "CREATE TABLE content (place INTEGER NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY (place, part));",

    "ALTER TABLE object ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE content ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;" SUM_OBJECTS SUM_CONTENTS,
};

/* XXH3 of the arguments, each with the one before it as its seed: 64 bits, at the speed of memory. */
static void checksum(sqlite3_context *context, int n, sqlite3_value **values) {
    XXH64_hash_t sum = 0;
    for (int i = 0; i < n; i++) {
        int64_t whole;
        const void *bytes = &whole;
        size_t size = sizeof whole;
        if (sqlite3_value_type(values[i]) == SQLITE_INTEGER) {
            whole = sqlite3_value_int64(values[i]);
        } else {
            bytes = sqlite3_value_blob(values[i]);
            size = (size_t)sqlite3_value_bytes(values[i]);
        }
        sum = XXH3_64bits_withSeed(bytes, size, sum);
    }
    sqlite3_result_int64(context, (sqlite3_int64)sum);
}

bool schema_prepare(sqlite3 *db) {
    return sqlite3_create_function(db, "checksum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                   checksum, NULL, NULL) == SQLITE_OK;
}

void schema_bind_object(sqlite3_stmt *statement, enum store_kind kind, const char *tenant,
                        const char *id) {
    sqlite3_bind_int(statement, 1, (int)kind);
    sqlite3_bind_text(statement, 2, tenant, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, id, -1, SQLITE_STATIC);
}

bool schema_fail(struct error *error, sqlite3 *db, const char *doing) {
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

static bool read_int(sqlite3 *db, const char *sql, int *out) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) return false;
    const bool ok = sqlite3_step(statement) == SQLITE_ROW;
    if (ok) *out = sqlite3_column_int(statement, 0);
    return sqlite3_finalize(statement) == SQLITE_OK && ok;
}

static bool run(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* All of the steps from this version on, or none. */
static bool migrate(sqlite3 *db, int version) {
    char set[64];
    bool ok = run(db, "BEGIN IMMEDIATE");
    for (; ok && version < STORE_SCHEMA; version++) ok = run(db, steps[version]);
    snprintf(set, sizeof set, "PRAGMA user_version=%d; COMMIT", STORE_SCHEMA);
    return ok && run(db, set);
}

bool schema_open(sqlite3 *db, char *why, size_t size) {
    int tables, application, version;
    if (!read_int(db, "SELECT count(*) FROM sqlite_schema", &tables) ||
        !read_int(db, "PRAGMA application_id", &application) ||
        !read_int(db, "PRAGMA user_version", &version)) {
        snprintf(why, size, "%s", sqlite3_errmsg(db));
        return false;
    }
    const bool is_empty = tables == 0 && application == 0 && version == 0;
    if (!is_empty && (application != STORE_APPLICATION || version < 1)) {
        snprintf(why, size, "it is a database, and none of gradd's");
        return false;
    }
    if (version > STORE_SCHEMA) {
        snprintf(why, size, "its schema has version %d, and this gradd knows %d", version,
                 STORE_SCHEMA);
        return false;
    }
    if (version == STORE_SCHEMA || migrate(db, version)) return true;
    snprintf(why, size, "%s", sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db)) run(db, "ROLLBACK");
    return false;
}
