/* Runs of one plan in a row. Three runs take turns, so that a run reads its states where the run before
 * left them while what that one has read stays whole. What the results mean is not known here. */
#include "core/loop.h"

#include <string.h>

#include "core/run.h"
#include "core/slab.h"

enum { TURNS = 3, ALIGN = 64 };

/* Where a result stands in a run. */
struct source {
    bool copied; /* in the run's copies, at `offset` */
    uint32_t base;
    size_t offset;
};

/* A state's way from one run to the next. */
struct move {
    uint32_t result, input;
    bool to_cell;
    size_t cell;    /* its offset among the cells */
    size_t restart; /* of its place among the values set from outside */
    size_t size;
};

/* A result that is a view of an input which is another state's: it is copied, since what it views is
 * overwritten two runs later. */
struct copy {
    uint32_t base;
    size_t from, to, size;
};

struct turn {
    struct run *run;
    char *copies;
    uint64_t bound; /* what loop->bound was when its inputs were set */
};

struct loop {
    const struct plan *plan;
    size_t size;                  /* of all of it */
    const struct tensor **inputs; /* of the next run, those of states apart */
    struct source *sources;       /* of each result */
    struct move *moves;
    size_t n_moves;
    struct copy *copies;
    size_t n_copies;
    size_t copy_bytes, restart_bytes;
    uint32_t *cell_of;  /* of each input 1 + its place in plan->cell_inputs, 0: it has no cell */
    uint32_t *state_of; /* of each input 1 + its move, 0: it is no state's */
    char *restart;      /* values of states that were set from outside */
    bool from_outside;  /* the next run reads those, or the inputs where none were set */
    bool restarted;     /* some were */
    uint64_t bound;     /* counts changes of inputs */
    int64_t n;          /* runs done */
    struct turn *turn;  /* of the latest */
    struct turn turns[TURNS];
};

static size_t padded(size_t size) { return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1); }

static size_t result_bytes(const struct operand *o) {
    return (size_t)shape_count(o->shape) * dtype_size(o->dtype);
}

/* Whether the result of a state is a view of an input that another state has. */
static bool must_copy(const struct plan *plan, const struct loop_state *states, size_t n,
                      size_t k) {
    const struct operand *o = &plan->results[states[k].result];
    if (o->base < BASE_INPUTS) return false;
    for (size_t i = 0; i < n; i++)
        if (states[i].input == o->base - BASE_INPUTS) return i != k;
    return false;
}

/* Bytes that all copies take, and those of all states. */
static void measure(const struct plan *plan, const struct loop_state *states, size_t n,
                    size_t *copies, size_t *all) {
    *copies = *all = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t bytes = padded(result_bytes(&plan->results[states[i].result]));
        *all += bytes;
        if (must_copy(plan, states, n, i)) *copies += bytes;
    }
}

static size_t head_bytes(const struct plan *plan, size_t n_states) {
    return padded(sizeof(struct loop)) + padded(plan->n_inputs * sizeof(const struct tensor *)) +
           padded(plan->n_results * sizeof(struct source)) +
           padded(n_states * sizeof(struct move)) + padded(n_states * sizeof(struct copy)) +
           2 * padded(plan->n_inputs * sizeof(uint32_t));
}

size_t loop_bytes(const struct plan *plan, const struct loop_state *states, size_t n_states) {
    size_t copies, all;
    measure(plan, states, n_states, &copies, &all);
    return head_bytes(plan, n_states) + all + TURNS * (padded(plan_run_bytes(plan)) + copies);
}

static void *cut(char **at, size_t size) {
    char *piece = *at;
    *at += padded(size);
    return piece;
}

/* The parts of the one piece of memory that a loop is. */
static struct loop *lay_out(char *at, const struct plan *plan, const struct loop_state *states,
                            size_t n_states) {
    struct loop *l = cut(&at, sizeof *l);
    *l = (struct loop){.plan = plan, .size = loop_bytes(plan, states, n_states)};
    measure(plan, states, n_states, &l->copy_bytes, &l->restart_bytes);
    l->inputs = cut(&at, plan->n_inputs * sizeof *l->inputs);
    l->sources = cut(&at, plan->n_results * sizeof *l->sources);
    l->moves = cut(&at, n_states * sizeof *l->moves);
    l->copies = cut(&at, n_states * sizeof *l->copies);
    l->cell_of = cut(&at, plan->n_inputs * sizeof *l->cell_of);
    l->state_of = cut(&at, plan->n_inputs * sizeof *l->state_of);
    l->restart = cut(&at, l->restart_bytes);
    for (int i = 0; i < TURNS; i++) {
        l->turns[i].run = cut(&at, plan_run_bytes(plan));
        l->turns[i].copies = cut(&at, l->copy_bytes);
    }
    return l;
}

static void find_moves(struct loop *l, const struct loop_state *states, size_t n) {
    const struct plan *plan = l->plan;
    size_t at = 0, restart = 0;
    for (size_t i = 0; i < n; i++) {
        const struct operand *o = &plan->results[states[i].result];
        const size_t size = result_bytes(o);
        const uint32_t cell = l->cell_of[states[i].input];
        struct move *move = &l->moves[l->n_moves++];
        *move = (struct move){.result = states[i].result,
                              .input = states[i].input,
                              .to_cell = cell,
                              .cell = cell ? (size_t)plan->cell_inputs[cell - 1].cell * 8 : 0,
                              .restart = restart,
                              .size = size};
        restart += padded(size);
        l->state_of[states[i].input] = (uint32_t)l->n_moves;
        if (!must_copy(plan, states, n, i) || l->sources[states[i].result].copied) continue;
        l->copies[l->n_copies++] = (struct copy){o->base, o->offset, at, size};
        l->sources[states[i].result] = (struct source){.copied = true, .offset = at};
        at += padded(size);
    }
}

struct loop *loop_begin(const struct plan *plan, const struct tensor *const *inputs,
                        const struct loop_state *states, size_t n_states,
                        const struct run_control *control, struct error *error) {
    const size_t size = loop_bytes(plan, states, n_states);
    char *memory = slab_take(size);
    if (!memory) {
        error_set(error, ERROR_MEMORY_BUDGET, "no memory for a loop of %zu bytes", size);
        return NULL;
    }
    struct loop *l = lay_out(memory, plan, states, n_states);
    for (uint32_t i = 0; i < plan->n_inputs; i++) {
        l->inputs[i] = inputs[i];
        l->cell_of[i] = l->state_of[i] = 0;
    }
    for (uint32_t i = 0; i < plan->n_cell_inputs; i++)
        l->cell_of[plan->cell_inputs[i].input] = i + 1;
    for (uint32_t i = 0; i < plan->n_results; i++)
        l->sources[i] =
            (struct source){.base = plan->results[i].base, .offset = plan->results[i].offset};
    find_moves(l, states, n_states);
    for (int i = 0; i < TURNS; i++) {
        run_prepare(l->turns[i].run, plan, inputs, control, error);
        l->turns[i].bound = 0;
    }
    l->turn = &l->turns[TURNS - 1];
    l->from_outside = true;
    return l;
}

void loop_end(struct loop *l) {
    if (l) slab_give(l, l->size);
}

void loop_bind(struct loop *l, uint32_t input, const struct tensor *t) {
    l->inputs[input] = t;
    l->bound++;
}

static char *in_turn(const struct turn *turn, const struct source *s) {
    return s->copied ? turn->copies + s->offset : turn->run->base[s->base] + s->offset;
}

static const struct turn *turn_of(const struct loop *l, int64_t run) {
    return &l->turns[run % TURNS];
}

static void set_input(struct loop *l, struct turn *turn, uint32_t input, char *data) {
    const uint32_t cell = l->cell_of[input];
    if (cell) {
        const struct cell_input *in = &l->plan->cell_inputs[cell - 1];
        memcpy(turn->run->base[BASE_CELLS] + (size_t)in->cell * 8, data, in->size);
    } else {
        turn->run->base[BASE_INPUTS + input] = data;
    }
}

/* What a state is in the next run, where that is not for the run before to say. */
static char *outside(const struct loop *l, const struct move *move) {
    return l->restarted ? l->restart + move->restart : l->inputs[move->input]->data;
}

/* Inputs that were bound anew since this run's last turn. */
static void refresh(struct loop *l, struct turn *turn) {
    for (uint32_t i = 0; i < l->plan->n_inputs; i++)
        if (!l->state_of[i]) set_input(l, turn, i, l->inputs[i]->data);
    turn->bound = l->bound;
}

/* States for the first run, and for one after loop_restart. */
static void enter_from_outside(struct loop *l, struct turn *turn) {
    for (size_t i = 0; i < l->n_moves; i++)
        set_input(l, turn, l->moves[i].input, outside(l, &l->moves[i]));
}

/* A value of one element is copied, all eight bytes of its cell; others are read where they stand. */
static void enter(const struct loop *l, struct turn *turn, const struct turn *before) {
    for (size_t i = 0; i < l->n_moves; i++) {
        const struct move *move = &l->moves[i];
        char *data = in_turn(before, &l->sources[move->result]);
        if (move->to_cell)
            memcpy(turn->run->base[BASE_CELLS] + move->cell, data, 8);
        else
            turn->run->base[BASE_INPUTS + move->input] = data;
    }
}

bool loop_step(struct loop *l) {
    struct turn *turn = l->turn == &l->turns[TURNS - 1] ? l->turns : l->turn + 1;
    if (turn->bound != l->bound) refresh(l, turn);
    if (l->from_outside)
        enter_from_outside(l, turn);
    else
        enter(l, turn, l->turn);
    if (!run_execute(turn->run)) return false;
    for (size_t i = 0; i < l->n_copies; i++) {
        const struct copy *c = &l->copies[i];
        if (c->size) memcpy(turn->copies + c->to, turn->run->base[c->base] + c->from, c->size);
    }
    l->n++;
    l->turn = turn;
    l->from_outside = false;
    return true;
}

void loop_restart(struct loop *l, const struct tensor *values) {
    for (size_t i = 0; i < l->n_moves; i++) {
        const struct move *move = &l->moves[i];
        if (move->size) memmove(l->restart + move->restart, values[i].data, move->size);
    }
    l->from_outside = l->restarted = true;
}

void *loop_data(const struct loop *l, size_t i, int back) {
    return in_turn(back ? turn_of(l, l->n - 1 - back) : l->turn, &l->sources[i]);
}

struct tensor loop_result(const struct loop *l, size_t i, int back) {
    const struct operand *o = &l->plan->results[i];
    return (struct tensor){o->dtype, *o->shape, loop_data(l, i, back)};
}

struct tensor loop_input(const struct loop *l, uint32_t i) {
    struct tensor t = *l->inputs[i];
    if (!l->state_of[i]) return t;
    const struct move *move = &l->moves[l->state_of[i] - 1];
    t.data = l->from_outside ? outside(l, move) : in_turn(l->turn, &l->sources[move->result]);
    return t;
}
