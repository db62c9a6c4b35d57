/* What the files on tapes share. */
#ifndef GRADD_API_SESSION_TAPE_H
#define GRADD_API_SESSION_TAPE_H

#include "api/session_work.h"

/* The live tape that the path names; NULL after a failure: one that was consumed, or none. */
struct recording *tape_of(const struct service_call *call, const char *consumed,
                          struct error *error);

/* "A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians)" */
extern const char tape_consumed_words[];

/* Ends a tape for good; `consumed`: it is remembered that it was. */
void tape_end(struct session *s, struct recording *tape, bool consumed);

/* Notes that the request has changed the session. */
void session_changed(const struct service_call *call);

/* Writes "watched_variables", "nodes" and "bytes", each after a comma. */
void tape_describe(const struct session *s, const struct recording *tape, struct writer *out);

#endif
