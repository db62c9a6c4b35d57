/* Requests that are known: what was built and planned for one is kept under everything that it follows
 * from, so that the next one of its kind is only decoded, run and encoded. That is the route, the text
 * of the graph, all that is asked, and the names, dtypes and shapes of what is bound; numbers that are
 * bound are no part of it and are never kept, nor is an answer. */
#ifndef GRADD_API_KNOWN_H
#define GRADD_API_KNOWN_H

#include "api/oneshot.h"
#include "core/cache.h"

/* A cache of what is known, of at most `most` kinds of requests and `max_bytes` bytes, their plans
 * included. NULL when out of memory. */
struct cache *known_cache_new(size_t most, size_t max_bytes, uint64_t seed);

/* Answers a request that is decoded, where its kind is known; then true. False with a failure in
 * o->error, or without one: then it is to be built, and known_keep keeps what comes of that. */
bool known_answer(struct oneshot *o, struct writer *out);

/* Keeps the plan of a request that has been answered, and what is to be shown. */
void known_keep(struct oneshot *o, struct plan *plan, const node_id *inputs, size_t n_inputs);

/* Instead of oneshot_bind_late, where what it asks the tape is known. */
bool known_bind_late(struct oneshot *o, const struct json *v);

void known_release(const struct known *known);

/* Writes the key of a request that is decoded; NULL where nothing may be kept of it, or without
 * memory. */
const char *known_key(struct oneshot *o, size_t *size);

#endif
