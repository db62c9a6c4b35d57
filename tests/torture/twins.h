/* Two servers that are asked the same: number 0 undisturbed, number 1 with allocations that fail. */
#ifndef GRADD_TESTS_TORTURE_TWINS_H
#define GRADD_TESTS_TORTURE_TWINS_H

#include "server/engine.h"
#include "tests/http/run.h"
#include "tests/torture/ask.h"
#include "tests/torture/same.h"

enum { NAMES_MOST = 64 };

struct caches {
    struct plan_cache *plans;
    struct cache *known;
};

struct twins {
    struct engine engine[2];
    struct caches warm; /* they know what is asked */
    struct pairs pairs;
    struct {
        const char *name; /* a test's */
        char value[2][400];
    } names[NAMES_MOST]; /* what was remembered */
    size_t n_names;
    struct question question[2];
    struct text texts[2]; /* of the questions */
    bool durable;
};

/* Durable: number 1 keeps what it has in a store, and each request finds its sessions there alone. */
void twins_start(struct twins *w, bool durable);
void twins_stop(struct twins *w);

/* What is asked from now on. */
void twins_ask(struct twins *w, const struct test *t);

/* Asks number 0; returns how many allocations that took a server that had never seen such a request. */
long twins_undisturbed(struct twins *w, struct reply *out);

/* Asks number 1, its allocation `at` denied; cold: as if it had never seen such a request, else as one that
 * has. */
void twins_attempt(struct twins *w, long at, bool cold, struct reply *out, bool *failed);

/* All that a client can see of one of them, what the path names above all; the caller's to free. */
char *twins_look(struct twins *w, int which);

/* Keeps what the test wants remembered of both answers. */
void twins_remember(struct twins *w, const struct test *t, const struct reply *here,
                    const struct reply *there);

#endif
