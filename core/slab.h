/* Memory for runs: slabs that are taken, used and given back at a high rate. */
#ifndef GRADD_CORE_SLAB_H
#define GRADD_CORE_SLAB_H

#include <stddef.h>

/* `size` bytes and a few more, 64-byte aligned, with no particular content; NULL where there are none. */
void *slab_take(size_t size);

/* Gives back what slab_take answered for the same size; any thread may. NULL is nothing. */
void slab_give(void *slab, size_t size);

/* Sets how many bytes of large slabs are kept for the next run, 128 MiB at first. */
void slab_keep(size_t bytes);

/* Bytes of large slabs that are kept now. */
size_t slab_kept(void);

/* Lets go what nobody has taken for ten sweeps. */
void slab_sweep(void);

/* Lets go all that is kept. */
void slab_drop(void);

#endif
