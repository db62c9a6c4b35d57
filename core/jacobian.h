/* What whole derivatives, dense and sparse, are made with. For core/jacobian.c and core/sparse.c. */
#ifndef GRADD_CORE_JACOBIAN_H
#define GRADD_CORE_JACOBIAN_H

#include "core/tape.h"

/* Outputs that are linear in `seed`, an input that is never bound, for n seeds at once: the i-th is 1 where
 * `labels`, an int32 vector with an element for each of the seed's, is i, and else 0. rows[k] has shape (n,) + shape
 * of outputs[k]. False after a failure. */
bool jacobian_rows(struct tape *t, node_id seed, node_id labels, int64_t n, const node_id *outputs,
                   size_t n_outputs, node_id *rows);

/* `w` with all that was appended since, so that it records derivatives too. */
struct window jacobian_window(const struct tape *t, const struct window *w);

/* Block (i, j), of n * n, is None or not: what outer.gradient(g_i, x_j) answers with nested reverse tapes. False after
 * a failure. */
bool hessian_connected(struct tape *t, const struct window *w, const node_id *gradients,
                       const node_id *sources, size_t n, bool *connected);

/* The derivative of g, the gradient by x, by x: a square matrix made of few products, where the graph says that most of it
 * is 0; NODE_NONE where it does not, or after a failure. */
node_id hessian_compressed(struct tape *t, node_id g, node_id x);

#endif
