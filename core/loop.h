/* Runs of one plan, one after the other, some results of each bound to inputs of the next: training. What
 * a run reads of the run before is read where it stands; nothing is copied but values of one element. */
#ifndef GRADD_CORE_LOOP_H
#define GRADD_CORE_LOOP_H

#include "core/plan.h"

/* A value that lives from run to run. */
struct loop_state {
    uint32_t input;  /* as plan_get numbers them */
    uint32_t result; /* whose value that input has in the next run */
};

struct loop;

/* Memory that a loop takes. */
size_t loop_bytes(const struct plan *plan, const struct loop_state *states, size_t n_states);

/* Begins before the first run. inputs[i] is bound to input i; those of states only for the first run.
 * All of it must live until loop_end, `inputs` included. NULL after a failure. */
struct loop *loop_begin(const struct plan *plan, const struct tensor *const *inputs,
                        const struct loop_state *states, size_t n_states,
                        const struct run_control *control, struct error *error);

/* Binds another tensor, of the same dtype and shape, to an input that is no state's. */
void loop_bind(struct loop *l, uint32_t input, const struct tensor *t);

/* One run. False after a failure; the states are then what the run before made them. */
bool loop_step(struct loop *l);

/* The next run reads copies of these in place of the results before it: one for each state. Results of
 * earlier runs stay as they are. */
void loop_restart(struct loop *l, const struct tensor *values);

/* Result i of the latest run (`back` 0), of the one before it (1) and of the one before that (2). */
struct tensor loop_result(const struct loop *l, size_t i, int back);
/* Its elements alone. */
void *loop_data(const struct loop *l, size_t i, int back);

/* What input i is bound to in the next run. */
struct tensor loop_input(const struct loop *l, uint32_t i);

void loop_end(struct loop *l);

#endif
