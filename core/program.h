/* From a tape to a plan: the program in between, and what is done with it. For the files that compile. */
#ifndef GRADD_CORE_PROGRAM_H
#define GRADD_CORE_PROGRAM_H

#include "core/run.h"

/* The live nodes of a tape in order, renumbered from 0. */
struct program {
    const struct tape *tape;
    const node_id *node;   /* of each index */
    const uint32_t *index; /* of each live node; what stands at others means nothing */
    uint32_t n;
    const node_id *wanted;
    uint32_t n_wanted;
    uint32_t n_inputs;
    size_t
        told; /* bytes of all their dimensions, and of the arguments and attributes of what is computed */
    /* Of each node of the tape, never falling: what stands in one stage is computed before the next one
     * begins, and never together with it. NULL: there is one. */
    const uint32_t *stage;
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

/* A copy of node i, as it is recorded on the tape t: is[k] stands there for node k of the program, and a node
 * whose value is known is an input. False without memory, which the tape says. */
bool program_copy(const struct program *p, uint32_t i, const node_id *is, struct tape *t,
                  struct node *out);

/* Whether a node's value has one element and stands in a cell. */
static inline bool program_in_cell(const struct node *n) {
    return n->shape->rank == 0 || shape_count(n->shape) == 1;
}

/* The kernels of a node that is computed from cells into a cell; NULL where it is another one. */
const struct cell_kernels *program_cells(const struct program *p, const struct node *n);

/* A new plan with one reference, without key, of what stands there simplified; NULL after a failure. What a
 * run of it would take beyond `room` bytes is computed again where it is read late, as far as that helps. */
struct plan *plan_compile(const struct program *program, size_t room, struct arena *scratch,
                          struct error *error);

/* The same of what stands there as it is. */
struct plan *plan_place(const struct program *program, struct arena *scratch, struct error *error);

/* Whether a program is made of cells alone, and long enough to be worth sorting; and what makes a plan of
 * it, which is zero but for its arena. False without memory. */
bool plan_is_of_cells(const struct program *p);
bool plan_place_cells(const struct program *p, struct plan *plan, struct arena *scratch);

#endif
