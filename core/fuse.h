/* Which nodes of a program run together. For the compiler (core/plan.c). */
#ifndef GRADD_CORE_FUSE_H
#define GRADD_CORE_FUSE_H

#include "core/kernels/fused.h"
#include "core/program.h"

#define REGION_NONE UINT32_MAX

/* Element-wise nodes of one shape, and reductions of them, in the program's order. No path leads out of a
 * region and into it again. */
struct region {
    const struct shape *shape;
    enum fused_walk walk;
    int64_t lines, rows, width; /* see struct fused; as the folds want it */
    uint32_t n, n_folds;
    uint32_t *nodes; /* indices in the program */
};

struct fusion {
    const uint32_t *of; /* the region of each index, or REGION_NONE; where there are regions */
    const struct region *regions;
    uint32_t n_regions;
};

/* Finds the regions of two nodes and more; false without memory (of the scratch arena, where all of it
 * stands). */
bool fuse(const struct program *p, struct arena *scratch, struct fusion *out);

/* Whether a node of a region is a reduction of what another computes. */
static inline bool fuse_is_fold(const struct node *n) { return !(op_of(n)->flags & OP_POINTWISE); }

#endif
