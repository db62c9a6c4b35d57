/* What a plan computes in place of what was recorded: equal values once, literals folded, and what an
 * op's own rule knows to be simpler. Every value keeps the bits of IEEE arithmetic, or comes nearer to the
 * exact one. The recorded tape is only read: reachability is decided there. */
#ifndef GRADD_CORE_SIMPLIFY_H
#define GRADD_CORE_SIMPLIFY_H

#include "core/program.h"

/* Writes a program onto a tape of its own in the scratch arena: `out` gets all inputs, in their order, and
 * what stands for the other nodes; wanted[i] is what stands for p->wanted[i]. False after a failure. */
bool simplify(const struct program *p, struct arena *scratch, struct error *error, struct tape *out,
              node_id *wanted);

/* Makes sums of slices' adjoints one op (core/op_sums.c). */
bool simplify_sums(struct tape *t, const node_id *wanted, size_t n_wanted);

/* For rules: whether a node has one value everywhere that is a literal, and that value. */
bool simplify_literal(const struct tape *t, node_id n, double *value);

/* The argument itself where it has all that the node n has; else NODE_NONE, since it would have to be
 * broadcast. */
node_id simplify_to(const struct tape *t, const struct node *n, node_id x);

#endif
