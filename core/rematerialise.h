/* Plans that fit: values are computed again where they are read late, instead of being kept until then. For the
 * compiler (core/plan.c). */
#ifndef GRADD_CORE_REMATERIALISE_H
#define GRADD_CORE_REMATERIALISE_H

#include "core/program.h"

/* `plan` is of the program p, and a run of it takes more than `room` bytes: that plan, or in its place one whose
 * run takes less, fits where there is one that does, does at most half as much work again and gives the same
 * bits. NULL, and the plan is released, after a failure. Linear in the program, times the logarithm of its
 * length. */
struct plan *rematerialise(struct plan *plan, const struct program *p, size_t room,
                           struct arena *scratch, struct error *error);

#endif
