/* An object in numbered parts, of which a store keeps those that do not change as they are. The object is
 * its parts one behind the other, in the order of their numbers. */
#ifndef GRADD_API_PARTS_H
#define GRADD_API_PARTS_H

#include "api/writer.h"

/* One part's most bytes: a row of SQLite's has at most 10^9. */
enum { PARTS_LONGEST = 999000000 };

struct part {
    int64_t from, to; /* numbers, both included; one that is kept has one */
    bool gone;        /* nothing is kept under these numbers any more */
    size_t at;        /* where its bytes begin; they end where those of the next one do */
};

struct parts {
    bool whole;          /* what is not among these is not kept any more */
    struct writer bytes; /* of all, as they were added; full without memory: these are not all */
    struct part *list;
    size_t n, capacity;
};

void parts_init(struct parts *p);
void parts_free(struct parts *p);

/* A part to be written until the next one is asked for. */
struct writer *parts_add(struct parts *p, int64_t number);
void parts_drop(struct parts *p, int64_t from, int64_t to);
/* The bytes of the part i, of which there are *n. */
const char *parts_bytes(const struct parts *p, size_t i, size_t *n);

#endif
