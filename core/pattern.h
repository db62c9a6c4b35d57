/* Which elements of a value depend on which elements of an input: the structure of a Jacobian before any number
 * is known. Found on a graph that is there already; nothing is appended to it. */
#ifndef GRADD_CORE_PATTERN_H
#define GRADD_CORE_PATTERN_H

#include "core/tape.h"

/* Places in a matrix of n_rows by n_columns, row by row and in order: column[begin[i]] to
 * column[begin[i + 1] - 1] are those of row i. */
struct pattern {
    int64_t n_rows, n_columns;
    int64_t *begin; /* n_rows + 1 */
    int32_t *column;
};

/* Sets *out to the places (i, j) where element i of `output` may depend on element j of `seed`, an input that
 * stands before it; in the tape's arena. A place that is not listed is 0 whatever is bound: an op whose
 * structure is not known is taken to mix all that it reads. False, and no failure of the tape, where that takes more
 * than so many steps or than the memory there is. */
bool pattern_find(struct tape *t, node_id seed, node_id output, int64_t steps, struct pattern *out);

/* The same places with rows and columns exchanged. */
bool pattern_transpose(struct tape *t, const struct pattern *p, struct pattern *out);

/* Colours for the columns, from 0 on, so that of two of one colour none shares a row with the other: each row of
 * their sum shows what every one of them has there. Greedy, in their order. -1 after a failure. */
int64_t pattern_colour(struct tape *t, const struct pattern *p, int32_t *colour);

/* The same of a symmetric matrix, each of whose numbers is looked for in two places: a hub, a row with many
 * places, has a colour of its own, its numbers are read from its column, and so no other columns are kept apart for
 * its row. That is a star colouring of the graph whose edges are the places (Gebremedhin, Manne, Pothen: What
 * color is your Jacobian?, SIAM Review 47, 2005). hub[j] says which they are. */
int64_t pattern_colour_symmetric(struct tape *t, const struct pattern *p, int32_t *colour,
                                 bool *hub);

#endif
