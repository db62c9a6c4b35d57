/* Blocks and accounts: who pays for memory that stays. What is kept in it they do not know. */
#include "core/block.h"

#include <stdlib.h>
#include <string.h>

#include "core/budget.h"
#include "core/plan.h"

bool purse_take(struct purse *p, int64_t bytes) {
    const int64_t limit = atomic_load_explicit(&p->limit, memory_order_relaxed),
                  before = atomic_fetch_add_explicit(&p->bytes, bytes, memory_order_relaxed);
    if (bytes <= 0 || before <= limit - bytes) return true;
    purse_add(p, -bytes);
    return false;
}

void purse_add(struct purse *p, int64_t bytes) {
    atomic_fetch_add_explicit(&p->bytes, bytes, memory_order_relaxed);
}

bool account_join(struct account *a, struct purse *purse) {
    if (purse && !purse_take(purse, (int64_t)a->bytes)) return false;
    if (a->purse) purse_add(a->purse, -(int64_t)a->bytes);
    a->purse = purse;
    return true;
}

bool account_charge(struct account *a, size_t bytes) {
    if (bytes > a->limit || a->bytes > a->limit - bytes) return false;
    if (a->purse && !purse_take(a->purse, (int64_t)bytes)) return false;
    a->bytes += bytes;
    return true;
}

void account_discharge(struct account *a, size_t bytes) {
    a->bytes -= bytes;
    if (a->purse) purse_add(a->purse, -(int64_t)bytes);
}

void account_restate(struct account *a, size_t before, size_t now) {
    account_discharge(a, before);
    a->bytes += now;
    if (a->purse) purse_add(a->purse, (int64_t)now);
}

/* What the C library takes for so many bytes, which for many small things is half as much again. */
static size_t real_size(size_t size) {
    enum { HEAD = 8, STEP = 16, LEAST = 32 };
    const size_t real = (size + HEAD + STEP - 1) & ~(size_t)(STEP - 1);
    return !size ? 0 : real < LEAST ? LEAST : real;
}

/* What is taken from the system here, in place of `old` bytes, is the process's too. */
static bool take(struct account *a, size_t old, size_t size) {
    if (!account_charge(a, size - old)) return false;
    if (budget_take(BUDGET_STATE, real_size(size) - real_size(old))) return true;
    account_discharge(a, size - old);
    return false;
}

static void give(struct account *a, size_t size, size_t left) {
    account_discharge(a, size - left);
    budget_give(BUDGET_STATE, real_size(size) - real_size(left));
}

void *account_alloc(struct account *a, size_t size) { return account_grow(a, NULL, 0, size); }

void *account_grow(struct account *a, void *memory, size_t old_size, size_t size) {
    if (!take(a, old_size, size)) return NULL;
    void *grown = realloc(memory, size);
    if (!grown) give(a, size, old_size);
    return grown;
}

void account_free(struct account *a, void *memory, size_t size) {
    if (!memory) return;
    give(a, size, 0);
    free(memory);
}

void *account_shrink(struct account *a, void *memory, size_t old_size, size_t size) {
    if (size == old_size) return memory;
    give(a, old_size, size);
    void *shrunk = size ? realloc(memory, size) : NULL;
    if (!size) free(memory);
    return shrunk || !size ? shrunk : memory;
}

enum { ALIGNMENT = 64, SMALL = 16 };

/* A scalar follows the block at once: sessions have many of them. */
static size_t head_size(size_t size) {
    return size <= SMALL ? sizeof(struct block) : ALIGNMENT * ((sizeof(struct block) + 63) / 64);
}

struct block *block_new(struct account *a, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    const size_t head = head_size(size),
                 all = size <= SMALL ? head + SMALL : (head + size + 63) & ~(size_t)63;
    if (!take(a, 0, all)) return NULL;
    struct block *b = size <= SMALL ? malloc(all) : aligned_alloc(ALIGNMENT, all);
    if (!b) {
        give(a, all, 0);
        return NULL;
    }
    *b = (struct block){.references = 1, .account = a, .size = all};
    return b;
}

void *block_data(struct block *b) {
    return (char *)b +
           (b->size <= sizeof(struct block) + SMALL ? sizeof(struct block) : head_size(SMALL + 1));
}

struct block *block_of_run(struct account *a, struct run *run, struct plan *plan) {
    const size_t size = sizeof(struct block) + plan_run_bytes(plan) + plan_bytes(plan);
    if (!account_charge(a, size)) return NULL;
    struct block *b = malloc(sizeof *b);
    if (!b) {
        account_discharge(a, size);
        return NULL;
    }
    *b = (struct block){.references = 1, .account = a, .size = size, .run = run, .plan = plan};
    return b;
}

struct block *block_hold(struct block *b) {
    b->references++;
    return b;
}

void block_release(struct block *b) {
    if (!b || --b->references) return;
    /* A run and its plan stand in slabs and arenas, which count for themselves. */
    if (b->run)
        account_discharge(b->account, b->size);
    else
        give(b->account, b->size, 0);
    run_end(b->run);
    plan_release(b->plan);
    free(b);
}

void held_copy(struct account *a, const struct tensor *t, struct held *out) {
    const size_t size = tensor_bytes(t);
    out->tensor = *t;
    out->owner = block_new(a, size);
    if (!out->owner) return;
    out->tensor.data = block_data(out->owner);
    if (size) memcpy(out->tensor.data, t->data, size);
}
