/* "grads_and_vars" of a request on a session: which variables it names, and a gradient of each variable's
 * dtype and shape for those that have one. */
#ifndef GRADD_API_GRADIENTS_H
#define GRADD_API_GRADIENTS_H

#include "api/oneshot.h"
#include "api/session.h"

struct gradient_pair {
    uint32_t variable;      /* an index of the items */
    struct tensor gradient; /* data NULL: None */
};

struct gradients {
    struct gradient_pair *pairs; /* in their order */
    size_t n;
    struct item **items; /* the variables, each once */
    size_t n_items;
    int64_t elements; /* of all pairs */
};

/* Reads the members "grads_and_vars" and "non_finite" with Keras' words and warnings. `*skips`: some
 * gradient is not finite, and the request wants the step left out then; a warning says so. */
bool gradients_read(struct gradients *g, struct oneshot *o, const struct session *s, bool *skips);

#endif
