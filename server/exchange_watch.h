/* What is told of an exchange besides its answer: counters, a line of the log, its trace and its times. */
#ifndef GRADD_SERVER_EXCHANGE_WATCH_H
#define GRADD_SERVER_EXCHANGE_WATCH_H

#include "server/exchange.h"

/* A number that no other request has, and that is not 0. */
uint64_t exchange_number(const struct engine *engine);

/* Once, when the answer is complete but for the headers that this adds. */
void exchange_watch(struct exchange *x, struct answer *out);

/* Once, when a stream has ended, of which so many bytes were taken: with what, EVENT_NONE where the client did
 * not wait for its end. */
void exchange_watch_stream(const struct exchange *x, uint64_t bytes, enum event_kind ending);

/* Once for what was refused with that status, 0 where nothing was said, before it was a request, or in the middle
 * of its body. `peer` NULL: it is not known. */
void exchange_watch_refusal(int status, const char *peer);

#endif
