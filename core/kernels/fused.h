/* A region of element-wise ops over one iteration space, and reductions of what they compute: run tile by
 * tile, so that what is only read inside of the region never leaves the cache. A fused run gives the bits of
 * the ops run one by one. */
#ifndef GRADD_CORE_KERNELS_FUSED_H
#define GRADD_CORE_KERNELS_FUSED_H

#include "core/kernels/pointwise.h"
#include "core/kernels/reduce.h"

enum {
    FUSED_OPS_MOST = 40, /* of a region */
    FUSED_VALUES_MOST = FUSED_OPS_MOST * (1 + NODE_INLINE_ARGS),
    FUSED_TILE_MOST = 1024, /* elements */
    FUSED_TILE_LEAST = 256,
    FUSED_BYTES = 24 << 10 /* of scratch memory, as long as tiles are not shorter than that */
};

/* What an op of a region reads or writes. */
struct fused_value {
    enum {
        FUSED_SCRATCH, /* computed and read inside: a tile of the scratch memory */
        FUSED_FLOW,    /* has the iteration space, in memory */
        FUSED_STILL,   /* one element */
        FUSED_SPREAD   /* broadcast: tiles of it are copied to scratch memory where need be */
    } kind;
    uint32_t size;           /* bytes an element */
    struct operand where;    /* of all but FUSED_SCRATCH */
    size_t scratch;          /* of FUSED_SCRATCH and FUSED_SPREAD */
    const struct nest *nest; /* of FUSED_SPREAD: from the iteration space to its elements */
};

/* A reduction. */
struct fused_fold {
    const struct reducer *reducer;
    const struct step *step; /* its result, and what its finish wants to know */
    size_t scratch, stride;  /* of a block's partial results: one for each level of halving */
    size_t results;          /* of the partial results of all blocks */
    uint32_t size;
};

/* An op on values, or a reduction of values[in[0]]. */
struct fused_op {
    any_loop loop;
    const struct fused_fold *fold;
    uint32_t n_in, out, in[NODE_INLINE_ARGS];
};

/* How the iteration space is walked; all folds of a region are over the same axes. */
enum fused_walk {
    FUSED_LINES,  /* lines of `rows` elements that are reduced each; without folds one long line */
    FUSED_COLUMNS /* `rows` rows of `width` elements that are added up */
};

struct fused {
    enum fused_walk walk;
    int64_t lines, rows, width;
    int64_t tile; /* most elements of a tile */
    /* Blocks may run at once: of `block` elements, or the halves of halves, `depth` times, of what is
     * reduced. What they are depends on shapes and ops alone. */
    int64_t block, n_blocks;
    int depth;
    size_t scratch; /* bytes of a block's tiles and partial results */
    uint32_t n_values, n_ops, n_folds;
    const struct fused_value *values;
    const struct fused_op *ops;
    const struct fused_fold *folds;
};

/* Cuts a region whose walk, folds, ops and tile are known into blocks. */
void fused_cut(struct fused *f);

/* How many levels of partial results a block needs. */
int64_t fused_levels(const struct fused *f);

/* The kernel of a step whose attrs are a struct fused; its scratch memory holds a region's. */
void fused_run(const struct step *step, struct run *run);

#endif
