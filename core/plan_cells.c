/* Plans of values of one element each. What does not wait for each other is put side by side, op by op, so
 * that one call computes many of them: the cost of finding the next instruction is shared, and a processor
 * is not led astray by it. Nothing is reused within a run, so that a result's cell is its place in line. */
#include <string.h>

#include "core/program.h"

/* Programs of fewer nodes, and groups of fewer members, gain nothing. */
enum { NODES_LEAST = 64, GROUP_LEAST = 3, KEYS = OP_COUNT * DTYPE_COUNT };

struct cells {
    const struct program *p;
    struct plan *plan;
    uint32_t *root;  /* of each node: the one whose cell it has */
    uint32_t *cell;  /* of each root */
    uint32_t *level; /* of each node: the longest way to it from a leaf */
    uint32_t *key;   /* what is computed: op and dtype */
    uint32_t *order; /* of what is computed: by level, then by key */
    uint32_t n, levels;
};

static const struct node *node_at(const struct cells *c, uint32_t i) {
    return tape_node(c->p->tape, c->p->node[i]);
}

static bool is_leaf(const struct program *p, uint32_t i) {
    return program_is_input(p, i) || tape_node(p->tape, p->node[i])->op == OP_const;
}

bool plan_is_of_cells(const struct program *p) {
    if (p->n < NODES_LEAST) return false;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct node *n = tape_node(p->tape, p->node[i]);
        if (!program_in_cell(n)) return false;
        if (!is_leaf(p, i) && !(op_of(n)->flags & OP_VIEW) && !program_cells(p, n)) return false;
    }
    return true;
}

/* ---- leaves ------------------------------------------------------------------------------------ */

static bool place_leaves(struct cells *c) {
    struct plan *plan = c->plan;
    uint32_t literals = 0, inputs = 0;
    for (uint32_t i = 0; i < c->p->n; i++) {
        if (program_is_input(c->p, i))
            plan->n_cell_inputs++;
        else if (node_at(c, i)->op == OP_const)
            plan->n_literal_cells++;
    }
    plan->literal_cells =
        arena_zalloc(&plan->arena, plan->n_literal_cells * sizeof *plan->literal_cells);
    plan->cell_inputs = arena_alloc(&plan->arena, plan->n_cell_inputs * sizeof *plan->cell_inputs);
    if (!plan->literal_cells || !plan->cell_inputs) return false;
    for (uint32_t i = 0; i < c->p->n; i++) {
        const struct node *n = node_at(c, i);
        if (program_is_input(c->p, i)) {
            c->cell[i] = plan->n_literal_cells + inputs;
            plan->cell_inputs[inputs] =
                (struct cell_input){inputs, c->cell[i], (uint32_t)dtype_size((enum dtype)n->dtype)};
            inputs++;
        } else if (n->op == OP_const) {
            memcpy(&plan->literal_cells[literals], n->attrs, n->attrs_size);
            c->cell[i] = literals++;
        }
    }
    plan->n_inputs = inputs;
    plan->n_cells = literals + inputs;
    return true;
}

/* ---- order ------------------------------------------------------------------------------------- */

static void find_levels(struct cells *c) {
    for (uint32_t i = 0; i < c->p->n; i++) {
        const struct node *n = node_at(c, i);
        const node_id *args = n->arg; /* there are few */
        uint32_t level = 0;
        c->root[i] = i;
        c->level[i] = 0;
        if (is_leaf(c->p, i)) continue;
        if (op_of(n)->flags & OP_VIEW) {
            c->root[i] = c->root[c->p->index[args[0]]];
            continue;
        }
        for (uint32_t k = 0; k < n->n_args; k++) {
            const uint32_t below = c->level[c->root[c->p->index[args[k]]]] + 1;
            if (below > level) level = below;
        }
        c->level[i] = level;
        c->key[i] = (uint32_t)n->op * DTYPE_COUNT + tape_dtype(c->p->tape, args[n->n_args - 1]);
        c->order[c->n++] = i;
        if (level >= c->levels) c->levels = level + 1;
    }
}

/* One stable pass of a radix sort: order[] by key[order[i]], which are below `keys`. */
static void sort_by(const uint32_t *key, uint32_t keys, uint32_t n, uint32_t *count,
                    const uint32_t *from, uint32_t *to) {
    memset(count, 0, keys * sizeof *count);
    for (uint32_t i = 0; i < n; i++) count[key[from[i]]]++;
    for (uint32_t k = 0, at = 0; k < keys; k++) {
        const uint32_t here = count[k];
        count[k] = at;
        at += here;
    }
    for (uint32_t i = 0; i < n; i++) to[count[key[from[i]]]++] = from[i];
}

static bool sort(struct cells *c, struct arena *scratch) {
    const uint32_t keys = c->levels > KEYS ? c->levels : KEYS;
    uint32_t *count = arena_alloc(scratch, keys * sizeof *count);
    uint32_t *by_key = arena_alloc(scratch, (c->n + 1) * sizeof *by_key);
    if (!count || !by_key) return false;
    sort_by(c->key, KEYS, c->n, count, c->order, by_key);
    sort_by(c->level, c->levels, c->n, count, by_key, c->order);
    return true;
}

/* ---- instructions ------------------------------------------------------------------------------ */

static uint32_t cell_of(const struct cells *c, const struct node *n, uint32_t k) {
    return c->cell[c->root[c->p->index[n->arg[k]]]];
}

static void emit_one(struct cells *c, uint32_t i, const struct cell_kernels *kernels) {
    const struct node *n = node_at(c, i);
    struct instr *instr = &c->plan->code[c->plan->n_code++];
    *instr = (struct instr){.kind = INSTR_ONE, .run.one = kernels->one};
    for (uint32_t k = 0; k < n->n_args; k++) instr->on.cell.in[k] = cell_of(c, n, k);
    instr->on.cell.out = c->cell[i] = c->plan->n_cells++;
}

static bool emit_group(struct cells *c, const uint32_t *members, uint32_t n,
                       const struct cell_kernels *kernels) {
    const uint32_t n_args = node_at(c, members[0])->n_args;
    struct group *group = arena_alloc(&c->plan->arena, sizeof *group);
    uint32_t *in = arena_alloc(&c->plan->arena, (size_t)n * n_args * sizeof *in);
    if (!group || !in) return false;
    *group = (struct group){.n = n, .out = c->plan->n_cells};
    for (uint32_t k = 0; k < n_args; k++) group->in[k] = in + (size_t)k * n;
    for (uint32_t m = 0; m < n; m++) {
        const struct node *node = node_at(c, members[m]);
        for (uint32_t k = 0; k < n_args; k++) in[(size_t)k * n + m] = cell_of(c, node, k);
        c->cell[members[m]] = group->out + m;
    }
    c->plan->n_cells += n;
    c->plan->code[c->plan->n_code++] =
        (struct instr){.kind = INSTR_MANY, .run.many = kernels->many, .on.group = group};
    return true;
}

static bool emit(struct cells *c) {
    struct plan *plan = c->plan;
    uint32_t instrs = 0;
    for (uint32_t at = 0, end; at < c->n; at = end) {
        for (end = at + 1; end < c->n && c->key[c->order[end]] == c->key[c->order[at]] &&
                           c->level[c->order[end]] == c->level[c->order[at]];)
            end++;
        instrs += end - at < GROUP_LEAST ? end - at : 1;
    }
    plan->code = arena_alloc(&plan->arena, (instrs + 1) * sizeof *plan->code);
    if (!plan->code) return false;
    for (uint32_t at = 0, end; at < c->n; at = end) {
        const struct cell_kernels *kernels = program_cells(c->p, node_at(c, c->order[at]));
        for (end = at + 1; end < c->n && c->key[c->order[end]] == c->key[c->order[at]] &&
                           c->level[c->order[end]] == c->level[c->order[at]];)
            end++;
        if (end - at >= GROUP_LEAST) {
            if (!emit_group(c, c->order + at, end - at, kernels)) return false;
            continue;
        }
        for (uint32_t i = at; i < end; i++) emit_one(c, c->order[i], kernels);
    }
    return true;
}

static bool place_results(struct cells *c) {
    struct plan *plan = c->plan;
    plan->n_results = c->p->n_wanted;
    plan->results = arena_alloc(&plan->arena, plan->n_results * sizeof *plan->results);
    if (!plan->results) return false;
    for (uint32_t i = 0; i < plan->n_results; i++) {
        const uint32_t at = c->p->index[c->p->wanted[i]];
        const struct node *n = node_at(c, at);
        struct shape *shape = NULL;
        if (n->shape->rank) {
            shape = arena_alloc(&plan->arena, sizeof *shape);
            if (!shape) return false;
            *shape = *n->shape;
        }
        plan->results[i] = (struct operand){.base = BASE_CELLS,
                                            .dtype = (enum dtype)n->dtype,
                                            .offset = (size_t)c->cell[c->root[at]] * 8,
                                            .shape = shape ? shape : &shape_scalar};
    }
    return true;
}

/* Each op says itself what it costs. */
static void add_up_work(struct cells *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        const struct node *n = node_at(c, c->order[i]);
        c->plan->work += 1 + (op_of(n)->work ? op_of(n)->work(c->p->tape, n) : 1);
    }
}

bool plan_place_cells(const struct program *p, struct plan *plan, struct arena *scratch) {
    struct cells c = {.p = p, .plan = plan, .levels = 1};
    uint32_t *memory = arena_alloc(scratch, ((size_t)p->n + 1) * 5 * sizeof *memory);
    if (!memory) return false;
    c.root = memory;
    c.cell = c.root + p->n;
    c.level = c.cell + p->n;
    c.key = c.level + p->n;
    c.order = c.key + p->n;
    plan->literals = NULL;
    if (!place_leaves(&c)) return false;
    find_levels(&c);
    add_up_work(&c);
    return sort(&c, scratch) && emit(&c) && place_results(&c);
}
