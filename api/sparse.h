/* "sparse": derivatives in coordinates, for api/derivatives.c. */
#ifndef GRADD_API_SPARSE_H
#define GRADD_API_SPARSE_H

#include "api/oneshot.h"
#include "core/sparse.h"

/* Sets leaves[i] to what the derivative of the target by sources[i] is in an answer: an object of its shape, indices
 * and values; none where it is not connected, unless the request wants zeros. False after a failure. */
bool sparse_jacobian(struct oneshot *o, const struct window *w, node_id target,
                     const node_id *sources, size_t n, struct value *leaves);

/* The same of the second derivatives: leaves[i * n + j] is that by sources[i] and sources[j]. */
bool sparse_hessian(struct oneshot *o, const struct window *w, const node_id *gradients,
                    const node_id *sources, size_t n, struct value *leaves);

#endif
