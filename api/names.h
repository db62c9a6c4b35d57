/* Names and what they stand for: a hash table that keeps the order of insertion. Its hash is keyed,
 * so that nobody can choose names that collide. */
#ifndef GRADD_API_NAMES_H
#define GRADD_API_NAMES_H

#include "api/value.h"
#include "core/arena.h"

/* Places of what the request binds, outside of the graph. */
#define PLACE_VARIABLE UINT32_MAX
#define PLACE_CONSTANT (UINT32_MAX - 1)
/* A session's named result, which a graph may define anew. */
#define PLACE_TENSOR (UINT32_MAX - 2)

struct name {
    const char *text; /* NUL-terminated, kept by the caller's arena */
    uint32_t length, hash;
    uint32_t place; /* where the graph defines it: an offset or an index */
    struct value value;
};

struct names {
    struct arena *arena;
    uint64_t seed;
    struct name *list; /* in the order of insertion */
    uint32_t n, capacity;
    uint32_t *slots; /* 1 + index in the list, 0 where free */
    uint32_t n_slots;
};

/* SipHash-1-3 of a text, folded: with a secret seed nobody can choose texts that collide. */
uint32_t name_hash(uint64_t seed, const char *text, size_t length);

void names_init(struct names *names, struct arena *arena, uint64_t seed);

/* NULL where the name is unknown. Valid until the next name is added. */
struct name *names_find(const struct names *names, const char *text, size_t length);

/* Adds a name that must outlive the table and be NUL-terminated. Returns it, or the one that was
 * there already (then *added is false), or NULL when the arena is exhausted. */
struct name *names_add(struct names *names, const char *text, size_t length, bool *added);

/* The known name nearest to `text`, or NULL where none is near. */
const char *names_nearest(const struct names *names, const char *text);

#endif
