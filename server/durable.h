/* What stays: sessions, functions and operations between their tables and the store. Nothing else knows that a session
 * may be in the store alone. */
#ifndef GRADD_SERVER_DURABLE_H
#define GRADD_SERVER_DURABLE_H

#include "server/engine.h"

/* Keeps all in a directory from now on, and brings back what is there: functions whole, of sessions what a
 * list says of them. Before there are requests. False, with one sentence. */
bool durable_open(struct engine *e, const char *directory, char *problem, size_t size);

/* Whether the seat's session is in the store alone; then who holds the seat must load it before anything
 * else, and no network thread may. */
bool durable_is_cold(const struct seat *seat);
/* Whether keeping its next change would take a network thread long: all of it is to be written. */
bool durable_is_heavy(const struct engine *e, const struct seat *seat);
bool durable_load(const struct engine *e, struct tenant *t, struct seat *seat, struct error *error);

/* What a request has changed, as the store is told of it; valid while its session or function is held. A
 * function is kept as it is at this moment, whoever made it so; *f holds it, NULL: it is no more. */
struct store_change durable_session_change(const struct tenant *t, const struct seat *seat,
                                           bool deleted);
struct store_change durable_function_change(const struct tenant *t, const char *name,
                                            struct function **f);

struct store_change durable_operation_change(const struct tenant *t, const struct operation *op,
                                             bool deleted);
/* Finishes an operation that is settled, and releases it, when the store has its end. */
void durable_end_operation(const struct engine *e, const struct tenant *t, struct operation *op);

/* What was changed is in the store now, or, where `failed`, nothing of it is: then memory becomes again
 * what the store has. The session's seat is held; `created`: it was made by the request. */
void durable_session_settle(const struct engine *e, struct tenant *t, struct seat *seat,
                            bool created, bool deleted, bool failed);
void durable_function_settle(const struct engine *e, struct tenant *t, const char *name,
                             bool failed);
/* `error`: why it failed, or NULL; what the client is told of that. `begun`: the request has made it. */
const struct error *durable_operation_settle(struct tenant *t, struct operation *op, bool begun,
                                             bool deleted, const struct error *error);
/* The end of an operation could not be kept; it is told all the same. After a restart it will have been
 * interrupted, and what it had committed is there. */
void durable_not_kept(const struct operation *op, const struct error *error);

/* About once a second: sessions that are not used leave memory, sooner where it is short. */
void durable_cool(struct engine *e);

/* `gradd backup FILE` and `gradd check [FILE]`: argv begins with the word; the options say which directory.
 * The exit code. */
int durable_backup_command(int argc, char **argv);
int durable_check_command(int argc, char **argv);

#endif
