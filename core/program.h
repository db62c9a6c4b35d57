/* From a tape to a plan: the program in between, and what is done with it. For the files that compile. */
#ifndef GRADD_CORE_PROGRAM_H
#define GRADD_CORE_PROGRAM_H

#include "core/run.h"

/* The live nodes of a tape in order, renumbered from 0. */
struct program {
    const struct tape *tape;
    const node_id *node;   /* of each index */
    uint32_t *index;       /* of each live node; what stands at others means nothing */
    uint32_t n;
    const node_id *wanted;
    uint32_t n_wanted;
    uint32_t n_inputs;
};

/* Whether node i is bound when a plan runs: an input, or a node whose value is known already. A literal
 * is part of the plan, known or not. */
static inline bool program_is_input(const struct program *p, uint32_t i) {
    const struct tape *t = p->tape;
    const node_id n = p->node[i];
    const uint16_t op = tape_node(t, n)->op;
    return op == OP_input || (op != OP_const && n < t->n_known && t->known[n]);
}

/* Numbers what `wanted` depends on, and with `all_inputs` every input; all in the scratch arena. False
 * without memory. */
bool program_number(const struct tape *t, const node_id *wanted, size_t n_wanted, bool all_inputs,
                    struct arena *scratch, struct program *p);

/* Puts a program of values of one element into an order in which many neighbours are of the same op, as
 * far as they do not wait for each other: a processor guesses then where each instruction leads. Other
 * programs stay as they are, since that order holds more memory. False without memory. */
bool program_sort(struct program *p, struct arena *scratch);

/* A new plan with one reference, without key, of what stands there simplified; NULL after a failure. */
struct plan *plan_compile(const struct program *program, struct arena *scratch,
                          struct error *error);

/* The same of what stands there as it is. */
struct plan *plan_place(const struct program *program, struct arena *scratch, struct error *error);

#endif
