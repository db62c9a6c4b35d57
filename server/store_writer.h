/* The one thread that writes to the store on a disk. Any thread may ask it. */
#ifndef GRADD_SERVER_STORE_WRITER_H
#define GRADD_SERVER_STORE_WRITER_H

#include "server/store.h"

struct sqlite3;
struct store_writer;

/* Starts it on a connection that is its own until it is stopped, with the tables and the function that
 * store_schema.h makes. NULL, with one sentence, where it cannot. */
struct store_writer *store_writer_start(struct sqlite3 *db, char *why, size_t size);
/* Ends it when all that was asked for is done. */
void store_writer_stop(struct store_writer *w);

/* What the verbs of a store say of them. */
void store_writer_save(struct store_writer *w, const struct store_change *changes, size_t n,
                       store_done done, void *context);
void store_writer_forget(struct store_writer *w, enum store_kind kind, int64_t seconds);
bool store_writer_is_well(const struct store_writer *w);

#endif
