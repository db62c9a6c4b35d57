/* How methods and schedules step: what their files share with core/optimizer.c, and with nobody outside
 * core. Rules are called on a healthy tape; they emit and need not look at failures. */
#ifndef GRADD_CORE_OPTIMIZER_METHOD_H
#define GRADD_CORE_OPTIMIZER_METHOD_H

#include "core/optimizer.h"

/* A number as a scalar of that dtype that the step reads: the same node for the same number. It is rounded
 * once, from double, as Keras rounds its Python numbers: 1 - beta is to be subtracted before. */
node_id step_number(struct optimizer_step *s, enum dtype dtype, double value);

struct schedule_method {
    /* The learning rate at `step`; both are float32 scalars. */
    node_id (*rate)(struct optimizer_step *s, const struct schedule_config *c, node_id step);
};

#endif
