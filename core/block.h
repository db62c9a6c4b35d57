/* Memory that outlives a request: blocks with a count of their users, charged to an account. A session
 * has one account and is touched by one request at a time; what several sessions share is a purse. */
#ifndef GRADD_CORE_BLOCK_H
#define GRADD_CORE_BLOCK_H

#include <stdatomic.h>

#include "core/tensor.h"

/* What several accounts together hold, and may hold; on any thread. */
struct purse {
    _Atomic int64_t bytes, limit;
};

/* Takes so many bytes; false, and none is taken, where that would pass the limit. The
 * limit may be less than there is. */
bool purse_take(struct purse *p, int64_t bytes);
/* So many more, or fewer, whatever the limit says. */
void purse_add(struct purse *p, int64_t bytes);

/* What a session holds, and may hold, in bytes. */
struct account {
    size_t bytes, limit;
    struct purse *purse; /* that all of it is taken from; NULL: none */
};

/* From now on all of it is from that purse, or from none (NULL). False, and nothing has changed, where the
 * purse has not as much. */
bool account_join(struct account *a, struct purse *purse);

/* Charges so many bytes; false, and nothing is charged, where that would pass the limit. */
bool account_charge(struct account *a, size_t bytes);
void account_discharge(struct account *a, size_t bytes);
/* The same whatever the limits say: what was `before` is `now`. */
void account_restate(struct account *a, size_t before, size_t now);

/* malloc, realloc and free with their sizes charged. NULL past the limit or without memory. */
void *account_alloc(struct account *a, size_t size);
void *account_grow(struct account *a, void *memory, size_t old_size, size_t size);
void account_free(struct account *a, void *memory, size_t size);
/* Gives the end back; what remains, NULL where that is nothing. */
void *account_shrink(struct account *a, void *memory, size_t old_size, size_t size);

struct run;
struct plan;

/* Bytes that tensors stand in: either its own, behind it and 64-byte aligned, or a run's. */
struct block {
    uint32_t references;
    struct account *account;
    size_t size; /* charged */
    struct run *run;
    struct plan *plan; /* of the run; both NULL where the bytes are the block's own */
};

/* A block with room for `size` bytes and one reference; NULL past the account's limit. */
struct block *block_new(struct account *a, size_t size);
void *block_data(struct block *b);
/* A block that holds a run and its plan (both become its own); NULL, and nothing is taken, past the
 * limit. */
struct block *block_of_run(struct account *a, struct run *run, struct plan *plan);
/* One more user; the argument. */
struct block *block_hold(struct block *b);
/* One user less; NULL is none. */
void block_release(struct block *b);

/* A tensor and the block that its data stands in. */
struct held {
    struct tensor tensor;
    struct block *owner; /* NULL: no value */
};

/* A copy in a block of its own; `out->owner` is NULL past the account's limit. */
void held_copy(struct account *a, const struct tensor *t, struct held *out);

#endif
