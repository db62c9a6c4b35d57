/* Whether two servers say the same, but for what no two of them share: names that they made up, times, and
 * the ids of requests. */
#ifndef GRADD_TESTS_TORTURE_SAME_H
#define GRADD_TESTS_TORTURE_SAME_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/torture/ask.h"

enum { PAIRS_MOST = 512, PAIR_ID = 80 };

/* What the one calls here[i] the other calls there[i]. */
struct pairs {
    char here[PAIRS_MOST][PAIR_ID], there[PAIRS_MOST][PAIR_ID];
    size_t n;
};

/* Learns what both have just made, from where they say that it is. */
void pairs_learn(struct pairs *p, const char *here, const char *there);

bool same_text(const char *here, const char *there, const struct pairs *p);
bool same_reply(const struct reply *here, const struct reply *there, const struct pairs *p);

/* Blanks times and ids of requests. */
void same_blank(char *text);

#endif
