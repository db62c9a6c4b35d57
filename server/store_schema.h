/* The tables of the store on a disk, by version, and how those of an older gradd become those of this one.
 * Every row has a checksum, so that what a disk has turned over is found and never taken for what was
 * kept. */
#ifndef GRADD_SERVER_STORE_SCHEMA_H
#define GRADD_SERVER_STORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "server/store.h"

struct sqlite3;
struct sqlite3_stmt;

/* In the header of the file: whose it is ("grad"), as SQL has it too, and how its tables are. */
enum { STORE_APPLICATION = 0x67726164, STORE_SCHEMA = 2 };
#define SAY_APPLICATION "PRAGMA application_id=0x67726164;"

/* What a row's checksum is of, in SQL. */
#define SUM_OF_OBJECT(kind, tenant, id, summary)                                                   \
    "checksum(" kind ", " tenant ", " id ", " summary ")"
#define SUM_OF_CONTENT(place, part, bytes) "checksum(" place ", " part ", " bytes ")"

/* The row of an object, in SQL; and the object that a statement says it of. The names must outlive its run. */
#define NAMED_OBJECT "kind = ?1 AND tenant = ?2 AND id = ?3"
void schema_bind_object(struct sqlite3_stmt *statement, enum store_kind kind, const char *tenant,
                        const char *id);

/* Says what the connection's last failure is for who asked; returns false. */
bool schema_fail(struct error *error, struct sqlite3 *db, const char *doing);

/* Teaches a connection the function `checksum`; every connection needs it that writes or verifies. */
bool schema_prepare(struct sqlite3 *db);

/* Makes the tables of an empty database, migrates those of an older gradd in one transaction, and refuses
 * what is none of gradd's or newer than it: false, with one sentence. */
bool schema_open(struct sqlite3 *db, char *why, size_t size);

#endif
