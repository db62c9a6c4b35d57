/* What the compiler from a program to a plan knows while it works: shared by its files (core/plan.c,
 * core/plan_fused.c) and seen by no others. */
#ifndef GRADD_CORE_COMPILER_H
#define GRADD_CORE_COMPILER_H

#include "core/fuse.h"

enum { CLASSES = 4 * 64 };

/* In place of a base: the memory is another value's now. */
#define BASE_GONE UINT32_MAX

struct freed {
    size_t offset;
    struct freed *next;
};

struct compiler {
    const struct program *p;
    struct plan *plan;
    struct arena *scratch;
    struct error *error;
    uint32_t *root;        /* of each value: the one whose memory it has */
    uint32_t *uses;        /* of each root: how many instructions and results still read it */
    struct operand *where; /* of each root */
    uint32_t *free_cells;  /* a stack */
    uint32_t n_free_cells, n_cells;
    struct freed *freed[CLASSES], *spare;
    size_t tensor_bytes, literal_bytes;
    uint32_t n_inputs;
    struct fusion fusion;
    uint32_t *inside,
        *value;    /* of each node, for the region that is emitted: see core/plan_fused.c */
    uint8_t *done; /* of each node: whether it was emitted, where there are regions */
};

/* Says that the plan outgrows its memory; false. */
bool compiler_no_memory(struct compiler *c);

static inline const struct node *compiler_node(const struct compiler *c, uint32_t i) {
    return tape_node(c->p->tape, c->p->node[i]);
}

static inline uint32_t compiler_arg(const struct compiler *c, const struct node *n, uint32_t i) {
    return c->p->index[node_args(c->p->tape, n)[i]];
}

/* Gives node i the memory of its own that it needs. */
struct operand *compiler_place(struct compiler *c, uint32_t i);

/* Gives node i, an element-wise op, the memory of its argument, where it is as large and nobody reads it but so many
 * readers, now; NULL where that may not be. */
struct operand *compiler_take_over(struct compiler *c, uint32_t i, uint32_t arg, uint32_t readers);

/* Takes one reader of a root away; the last one gives its memory back. */
bool compiler_was_read(struct compiler *c, uint32_t root);

/* Memory for the instruction that is emitted alone: its offset among the slab's tensors. */
bool compiler_scratch(struct compiler *c, size_t bytes, size_t *offset);

/* A step of a placed node, its shapes and attributes in the plan's arena; NULL after a failure. */
struct step *compiler_step(struct compiler *c, uint32_t i);

/* The loops over a result of shape `out` whose n_in arguments have the shapes in[]; NULL without memory. */
const struct nest *compiler_nest(struct compiler *c, const struct shape *out,
                                 const struct shape *const *in, uint32_t n_in);

void compiler_add_work(struct compiler *c, const struct node *n);

/* Emits region r as one instruction. */
bool compiler_emit_region(struct compiler *c, const struct region *r);

#endif
