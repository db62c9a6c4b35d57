/* Runs a plan: takes the slab, binds inputs, executes the code, lends results. All memory of a run is
 * one slab. */
#include "core/run.h"

#include <string.h>
#include <time.h>

#include "core/pool.h"
#include "core/slab.h"

/* Below SHARED_WORK waking a helper takes longer than what it spares. */
enum { SHARED_WORK = 1 << 16 };
enum { CHECK_EVERY = 1 << 20, CODE_BLOCK = 4096 };

int64_t clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void run_fail(struct run *run, enum error_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_vset(run->error, code, format, args);
    va_end(args);
    run->stopped = true;
}

bool run_tick_slow(struct run *run) {
    const struct run_control *control = run->control;
    run->until_check = CHECK_EVERY;
    if (run->stopped) return false;
    if (control && control->pool) pool_make_way();
    if (control && control->cancelled &&
        atomic_load_explicit(control->cancelled, memory_order_relaxed))
        run_fail(run, ERROR_CANCELLED, "the run was cancelled");
    else if (control && control->deadline && clock_now() > control->deadline)
        run_fail(run, ERROR_DEADLINE_EXCEEDED, "the run passed its deadline");
    return !run->stopped;
}

bool run_blocks(struct run *run, int64_t n, int64_t work, void (*f)(void *arg, int64_t block),
                void *arg) {
    struct pool *pool = run->control ? run->control->pool : NULL;
    if (!pool || n < 2 || work < SHARED_WORK / n) {
        for (int64_t block = 0; block < n; block++) {
            f(arg, block);
            if (!run_tick(run, work)) return false;
        }
        return true;
    }
    struct pool_round round = {.f = f, .arg = arg, .n = n};
    pool_open(pool, &round);
    for (int64_t block; (block = pool_take(&round)) >= 0;) {
        f(arg, block);
        pool_make_way();
        if (!run_tick(run, work)) break;
    }
    pool_close(pool, &round);
    return !run->stopped;
}

void run_end(struct run *run) {
    if (run) slab_give(run, plan_run_bytes(run->plan));
}

static char *aligned(char *p) { return p + (-(uintptr_t)p & 63); }

void run_prepare(struct run *run, const struct plan *plan, const struct tensor *const *inputs,
                 const struct run_control *control, struct error *error) {
    run->plan = plan;
    run->control = control;
    run->error = error;
    run->until_check = CHECK_EVERY;
    run->stopped = false;
    char *cells = aligned((char *)&run->base[BASE_INPUTS + plan->n_inputs]);
    run->base[BASE_CELLS] = cells;
    run->base[BASE_TENSORS] = aligned(cells + (size_t)plan->n_cells * 8);
    run->base[BASE_LITERALS] = plan->literals;
    for (uint32_t i = 0; i < plan->n_inputs; i++) run->base[BASE_INPUTS + i] = inputs[i]->data;
    memcpy(cells, plan->literal_cells, plan->n_literal_cells * sizeof *plan->literal_cells);
    for (uint32_t i = 0; i < plan->n_cell_inputs; i++) {
        const struct cell_input *in = &plan->cell_inputs[i];
        memcpy(cells + (size_t)in->cell * 8, inputs[in->input]->data, in->size);
    }
}

bool run_execute(struct run *run) {
    char *cells = run->base[BASE_CELLS];
    const struct instr *at = run->plan->code, *end = at + run->plan->n_code;
    while (at < end) {
        const struct instr *block = end - at < CODE_BLOCK ? end : at + CODE_BLOCK;
        for (; at < block; at++) {
            if (at->kind == INSTR_ONE) {
                at->run.one(at, cells);
                continue;
            }
            if (at->kind == INSTR_MANY) {
                at->run.many(at->on.group, cells);
                if (!run_tick(run, at->on.group->n)) return false;
                continue;
            }
            at->run.tensor(at->on.step, run);
            if (run->stopped) return false;
        }
        if (!run_tick(run, CODE_BLOCK)) return false;
    }
    return true;
}

struct run *plan_run(const struct plan *plan, const struct tensor *const *inputs,
                     const struct run_control *control, struct error *error) {
    struct run *run = slab_take(plan_run_bytes(plan));
    if (!run) {
        error_set(error, ERROR_MEMORY_BUDGET, "no memory for a run of %zu bytes",
                  plan_run_bytes(plan));
        return NULL;
    }
    run_prepare(run, plan, inputs, control, error);
    if (run_execute(run)) return run;
    run_end(run);
    return NULL;
}

struct tensor run_result(const struct run *run, size_t i) {
    const struct operand *o = &run->plan->results[i];
    return (struct tensor){o->dtype, *o->shape, run->base[o->base] + o->offset};
}
