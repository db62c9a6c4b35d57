/* Adam's update, which Muon too gives to some variables. */
#ifndef GRADD_CORE_OPTIMIZER_ADAM_H
#define GRADD_CORE_OPTIMIZER_ADAM_H

#include "core/optimizer_method.h"

/* Where the update finds its scalars in u->k; a method's own may follow. */
enum { ADAM_ALPHA, ADAM_REST_1, ADAM_REST_2, ADAM_EPSILON, ADAM_SCALARS };

/* alpha = rate sqrt(1 - beta_2^t) / (1 - beta_1^t), 1 - beta_1, 1 - beta_2 and epsilon. */
void adam_scalars(struct update *u, node_id rate, double beta_1, double beta_2, double epsilon);

/* By the slots "momentum", "velocity" and, where there is one, "velocity_hat". */
node_id adam_update(const struct update *u, uint32_t variable, node_id w, node_id g);

#endif
