/* What a plan looks like while it runs: shared by the compiler (plan.c), the loop (run.c) and the
 * kernels, and by nobody outside core. */
#ifndef GRADD_CORE_RUN_H
#define GRADD_CORE_RUN_H

#include "core/cache.h"
#include "core/op.h"
#include "core/plan.h"

/* Where a value stands: an offset among the slab's cells, the slab's tensors, the plan's literals, or
 * in an input. */
enum { BASE_CELLS, BASE_TENSORS, BASE_LITERALS, BASE_INPUTS };

struct operand {
    uint32_t base; /* one of the above; BASE_INPUTS + i for input i */
    enum dtype dtype;
    size_t offset;
    const struct shape *shape;
};

/* The loops of a pointwise step with axes that can be merged merged. The result is contiguous; the
 * innermost stride of each argument is 0 or 1. */
struct nest {
    int rank;
    int64_t dim[RANK_MAX];
    int64_t stride[NODE_INLINE_ARGS][RANK_MAX]; /* in elements */
};

/* One op on tensors. */
struct step {
    const struct op *op;
    const void *attrs;
    const struct nest *nest; /* of pointwise ops, and their loop */
    any_loop loop;
    uint32_t n_in;
    size_t scratch; /* where the op's scratch memory stands among the slab's tensors */
    struct operand out;
    struct operand in[];
};

/* One op on many cells that do not wait for each other: cell out + i from the cells in[k][i]. */
struct group {
    uint32_t n, out;
    const uint32_t *in[NODE_INLINE_ARGS];
};

/* One instruction: an op on values of one element, each in an 8-byte cell of the slab; the same on many
 * of them; or a step. */
struct instr {
    union {
        void (*one)(const struct instr *instr, char *slab);
        void (*many)(const struct group *group, char *slab);
        kernel tensor;
    } run;
    union {
        struct {
            uint32_t out, in[NODE_INLINE_ARGS]; /* cells */
        } cell;
        const struct group *group;
        const struct step *step;
    } on;
    enum { INSTR_ONE, INSTR_MANY, INSTR_STEP } kind;
};

/* A value that is copied into its cell before a run. */
struct cell_input {
    uint32_t input, cell;
    uint32_t size;
};

struct plan {
    struct cached cached;
    struct arena arena; /* the plan itself and everything below */

    struct instr *code;
    uint32_t n_code;
    uint64_t *literal_cells; /* the first cells of the slab */
    uint32_t n_literal_cells, n_cells;
    struct cell_input *cell_inputs;
    uint32_t n_cell_inputs;
    char *literals;
    uint32_t n_inputs;
    struct operand *results;
    uint32_t n_results;
    size_t tensor_bytes; /* of the slab, after its cells */
    int64_t work;
};

struct run {
    const struct plan *plan;
    const struct run_control *control;
    struct error *error;
    int64_t until_check; /* elementary operations until the clock is read again */
    bool stopped;
    char *base[]; /* cells, tensors, literals, inputs; the last two are only read */
};

static inline const void *run_in(const struct run *run, const struct step *step, uint32_t i) {
    return run->base[step->in[i].base] + step->in[i].offset;
}

static inline void *run_out(const struct run *run, const struct step *step) {
    return run->base[step->out.base] + step->out.offset;
}

/* Makes a run in plan_run_bytes(plan) bytes of memory, with its literals and inputs. */
void run_prepare(struct run *run, const struct plan *plan, const struct tensor *const *inputs,
                 const struct run_control *control, struct error *error);
/* Executes the code; false where it stopped. */
bool run_execute(struct run *run);

/* The bytes that the op's `scratch` rule asked for, 64-byte aligned, with no particular content. */
static inline void *run_scratch(const struct run *run, const struct step *step) {
    return run->base[BASE_TENSORS] + step->scratch;
}

/* Says that about `work` elementary operations, or nanoseconds, were done; false where the run should stop. */
bool run_tick_slow(struct run *run);

static inline bool run_tick(struct run *run, int64_t work) {
    run->until_check -= work;
    return run->until_check > 0 ? !run->stopped : run_tick_slow(run);
}

/* Calls f for every block in [0, n), each about `work` nanoseconds long, on as many threads as the
 * run may use and in any order; the calling thread takes part. False where the run should stop, which it looks
 * at between blocks: some of them were not computed then. f must not touch the run, and what a block is and
 * what it writes must depend on shapes alone, so that the result does not depend on the threads. */
bool run_blocks(struct run *run, int64_t n, int64_t work, void (*f)(void *arg, int64_t block),
                void *arg);

/* Ends the run with a failure of the data. */
void run_fail(struct run *run, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
