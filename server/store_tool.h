/* What an operator does with a data directory, beside a server that runs on it or without one. */
#ifndef GRADD_SERVER_STORE_TOOL_H
#define GRADD_SERVER_STORE_TOOL_H

#include "server/store.h"

/* Copies the store of a directory, as it is at one moment, into a new file, which is there whole or not
 * at all and is refused where it is there already. False, with one sentence. */
bool store_backup(const char *directory, const char *file, char *problem, size_t size);

/* Looks at one object; false, with the reason. */
typedef bool (*store_examine)(void *context, enum store_kind kind, const struct writer *bytes,
                              struct error *error);

/* Reads all of a store, the one of a directory or a backup, and shows each object to `examine`. What it found
 * is one sentence; false where something is wrong. */
bool store_check(const char *place, store_examine examine, void *context, char *said, size_t size);

#endif
