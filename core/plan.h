/* Plans: what a tape and a list of wanted nodes compile to. A plan is immutable and shared between
 * threads; a run takes a slab of memory, fills it, and lends out its results until it ends.
 * Plans are cached by structure (ops, shapes, dtypes, literals, wanted nodes). No value that was
 * bound to an input is ever kept. */
#ifndef GRADD_CORE_PLAN_H
#define GRADD_CORE_PLAN_H

#include <stdatomic.h>

#include "core/tape.h"

struct plan;
struct plan_cache;
struct pool;

struct plan_stats {
    uint64_t compiled, hits, evicted; /* since the start */
    uint64_t plans, bytes;            /* held now */
};

/* A cache of at most `max_plans` plans and `max_bytes` bytes; `seed` makes its hash unpredictable.
 * NULL when out of memory. */
struct plan_cache *plan_cache_new(size_t max_plans, size_t max_bytes, uint64_t seed);
/* The plans that it compiles from now on compute values a second time rather than take more than `room` bytes
 * for a run, where that helps and costs at most half as much work again. At first there is no such bound. Not
 * to be called while another thread uses the cache. */
void plan_cache_fit(struct plan_cache *cache, size_t room);
void plan_cache_free(struct plan_cache *cache);
struct plan_stats plan_cache_stats(struct plan_cache *cache);

/* The plan that computes `wanted`, compiled now or found in the cache; release it after use.
 * `*inputs` is set to the tape's input nodes in the order in which a run wants their tensors
 * (in the scratch arena). NULL after a failure, which is in `error`. */
struct plan *plan_get(struct plan_cache *cache, const struct tape *t, const node_id *wanted,
                      size_t n_wanted, const node_id **inputs, size_t *n_inputs,
                      struct arena *scratch, struct error *error);
void plan_release(struct plan *plan);
/* One more reference; the argument. */
struct plan *plan_hold(struct plan *plan);

size_t plan_bytes(const struct plan *plan);     /* memory of the plan itself */
size_t plan_run_bytes(const struct plan *plan); /* memory that a run takes */
int64_t plan_work(const struct plan *plan);     /* estimated elementary operations of a run */

/* When to give up, looked at between kernels and inside long ones; and who helps. */
struct run_control {
    const atomic_bool *cancelled; /* may be NULL */
    int64_t deadline;             /* CLOCK_MONOTONIC nanoseconds; 0: none */
    struct pool *pool;            /* whose threads may help; NULL: the run has one thread */
};

struct run;

/* Runs the plan: inputs[i] is bound to the i-th input that plan_get named; dtypes and shapes must
 * be those of the tape. The data is read only during this call, but results may be views of it.
 * NULL after a failure (memory_budget, deadline_exceeded, cancelled, or one of an integer op). */
struct run *plan_run(const struct plan *plan, const struct tensor *const *inputs,
                     const struct run_control *control, struct error *error);

/* The i-th wanted value; valid until run_end and as long as the inputs are. */
struct tensor run_result(const struct run *run, size_t i);
void run_end(struct run *run);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t clock_now(void);

#endif
