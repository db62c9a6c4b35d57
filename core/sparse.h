/* Sparse derivatives: those whose graph says where they can be other than 0. */
#ifndef GRADD_CORE_SPARSE_H
#define GRADD_CORE_SPARSE_H

#include "core/tape.h"

/* One derivative in coordinates, as TensorFlow's SparseTensor: values[k] stands at indices[k]. The indices are in order,
 * each once, and have a column for each axis; what is not among them is 0 whatever is bound. */
struct sparse {
    bool connected; /* false: TensorFlow answers None, and nothing else is set */
    int rank;
    int64_t dim[2 * RANK_MAX];
    node_id indices; /* a literal, int64, of shape (n, rank) */
    node_id values;  /* of shape (n,) and the source's dtype */
};

/* A derivative of y by x that is 0 everywhere. */
bool sparse_zero(struct tape *t, node_id y, node_id x, struct sparse *out);

/* Appends what tape_jacobian does: derivatives of the target by each source, of shape target.shape + source.shape.
 * Each is made of few products with it, in the direction that needs fewer. False after a failure. */
bool tape_sparse_jacobian(struct tape *t, const struct window *w, node_id target,
                          const node_id *sources, size_t n_sources, struct sparse *jacobians);

/* The same of tape_hessian: blocks[i * n + j] is the derivative of gradients[i] by sources[j]. */
bool tape_sparse_hessian(struct tape *t, const struct window *w, const node_id *gradients,
                         const node_id *sources, size_t n, struct sparse *blocks);

#endif
