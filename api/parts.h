/* An object in numbered parts, of which a store keeps those that do not change as they are. The object is
 * its parts one behind the other, in the order of their numbers. */
#ifndef GRADD_API_PARTS_H
#define GRADD_API_PARTS_H

#include "api/writer.h"

struct part {
    int64_t from, to; /* numbers, both included; one that is kept has one */
    bool gone;        /* nothing is kept under these numbers any more */
    struct writer bytes;
};

struct parts {
    bool whole; /* what is not among these is not kept any more */
    bool full;  /* without memory: these are not all */
    struct part *list;
    size_t n, capacity;
};

void parts_init(struct parts *p);
void parts_free(struct parts *p);

/* A part to be written until the next one is asked for; what is written without memory goes nowhere, and
 * parts_are_full says so. */
struct writer *parts_add(struct parts *p, int64_t number);
void parts_drop(struct parts *p, int64_t from, int64_t to);
bool parts_are_full(const struct parts *p);
/* One behind the other, as they were added. */
void parts_join(const struct parts *p, struct writer *out);

#endif
