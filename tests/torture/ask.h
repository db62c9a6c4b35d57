/* Requests to an engine without a transport: headers, query and body as a data file has them. */
#ifndef GRADD_TESTS_TORTURE_ASK_H
#define GRADD_TESTS_TORTURE_ASK_H

#include <stdbool.h>
#include <stddef.h>

struct engine;

enum { ASK_HEADERS = 20 };

struct question {
    const char *method, *target;
    const char *headers[ASK_HEADERS]; /* lines `Name: value` */
    size_t n_headers;
    const char *body; /* NULL: none */
    size_t length;
};

struct reply {
    int status;
    char *body; /* NUL-terminated; the rows of a stream are not in it, only its end */
    size_t length;
    const char *type;
    char location[400], etag[64];
};

/* Asks on this thread, workers' part included. While it does, the allocation after `fails_at` more fails
 * (below 0: none). Returns how many there were; *failed says whether one failed. */
long ask(struct engine *engine, const struct question *q, long fails_at, struct reply *out,
         bool *failed);
void reply_free(struct reply *r);

#endif
