/* What was done on a session while its tapes lived: requests with the values that they brought into the
 * recorder's program. Done again, they make the same tapes, so that an export and a store keep tapes
 * as a program with its bindings. */
#ifndef GRADD_API_SESSION_JOURNAL_H
#define GRADD_API_SESSION_JOURNAL_H

#include "api/session_work.h"

/* tag, the route behind the session (or behind its tape), what serves it */
#define JOURNAL(X)                                                                                 \
    X(OPEN, "tapes", service_tape_open)                                                            \
    X(EXECUTE, "execute", service_execute)                                                         \
    X(WATCH, "watch", service_tape_watch)                                                          \
    X(STOP, "stop", service_tape_stop)                                                             \
    X(RESUME, "resume", service_tape_resume)                                                       \
    X(RESET, "reset", service_tape_reset)                                                          \
    X(DELETE, "delete", service_tape_delete)                                                       \
    X(GRADIENT, "gradient", service_tape_gradient)                                                 \
    X(JACOBIAN, "jacobian", service_tape_jacobian)                                                 \
    X(BATCH_JACOBIAN, "batch_jacobian", service_tape_batch_jacobian)                               \
    X(JVP, "jvp", service_tape_jvp)

enum journal_what {
#define JOURNAL_ENUM(tag, route, serve) JOURNAL_##tag,
    JOURNAL(JOURNAL_ENUM)
#undef JOURNAL_ENUM
        JOURNAL_COUNT
};

/* An entry for the request, which session_commit adds to the journal; `tape` is the number of the tape
 * that it is about, 0: none. False past the session's limit. */
bool journal_note(struct oneshot *o, enum journal_what what, uint64_t tape);
/* The same for what is no more than a state, added at once. */
bool journal_add(struct session *s, enum journal_what what, uint64_t tape);
/* Adds an entry that journal_note made, or frees it. */
void journal_link(struct session *s, struct journal_entry *entry);
void journal_drop(struct session *s, struct journal_entry *entry);

/* What no tape needs any more is forgotten. */
void journal_shorten(struct session *s);
/* The same where a tape has ended. */
void journal_ended(struct session *s, uint64_t tape);
void journal_free(struct session *s);
bool journal_copy(const struct session *from, struct session *to);

/* Writes the tapes as an object that journal_replay reads. */
void journal_write(const struct session *s, struct writer *out);
/* The same in pieces: ,"tapes":{ and all but the entries, of which there is a null first; and each of
 * those. */
void journal_write_state(const struct session *s, struct writer *out);
void journal_write_entry(const struct journal_entry *e, struct writer *out);
const struct journal_entry *journal_next(const struct journal_entry *e);
uint64_t journal_number(const struct journal_entry *e);
/* Does it all again on `s`, which is new and has no items yet. */
bool journal_replay(const struct service_call *call, struct session *s, const struct json *tapes,
                    struct arena *arena, struct error *error);
/* What the export says of an item: its identity, and whether a tape knows its value. False where it
 * says nothing. */
bool journal_item(const struct json *tapes, const char *name, uint64_t *id, bool *placed);

#endif
