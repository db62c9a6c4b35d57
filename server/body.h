/* The body of a request as it comes in: small ones cost no allocation, all of them together stay
 * within a budget of the process. */
#ifndef GRADD_SERVER_BODY_H
#define GRADD_SERVER_BODY_H

#include <stddef.h>

#include "core/error.h"

enum { BODY_NEAR = 1024 };

struct body {
    char *data; /* `near`, or from malloc */
    size_t length, capacity;
    char near[BODY_NEAR];
};

/* The most bytes that all bodies beyond BODY_NEAR may hold together. Set once, at the start. */
void body_set_budget(int64_t bytes);
int64_t body_held(void);

void body_init(struct body *b);
/* What it has taken, all of which is passed on to the work that it is for: see budget_pass_on. */
static inline size_t body_taken(const struct body *b) {
    return b->data == b->near ? 0 : b->capacity;
}
void body_free(struct body *b); /* leaves it empty, as body_init does */

/* Appends n bytes to a body that will have `total` bytes (-1: unknown). False after a failure:
 * body_too_large past `ceiling`, memory_budget past the budget. */
bool body_append(struct body *b, const char *data, size_t n, int64_t total, int64_t ceiling,
                 struct error *error);

/* Records that a body is too large; always returns false. `found` -1: more than the ceiling. */
bool body_fail_size(int64_t found, int64_t ceiling, struct error *error);

#endif
