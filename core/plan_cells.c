/* Plans of values of one element each. What does not wait for each other is put side by side, op by op, so
 * that one call computes many of them: the cost of finding the next instruction is shared, and a processor
 * is not led astray by it. Nothing is reused within a run, so that a result's cell is its place in line. */
#include <string.h>

#include "core/program.h"

/* Programs of fewer nodes, and groups of fewer members, gain nothing. */
enum { NODES_LEAST = 64, GROUP_LEAST = 3 };
enum { KEYS = OP_COUNT * DTYPE_COUNT, ARGS = NODE_INLINE_ARGS + 1 };
#define NONE UINT32_MAX

struct cells {
    const struct program *p;
    struct plan *plan;
    uint32_t *root;  /* of each node: the one whose cell it has */
    uint32_t *cell;  /* of each root */
    uint32_t *key;   /* op and dtype of what is computed, numbered as they come; else NONE */
    uint32_t *args;  /* of each node ARGS, the roots of what it reads; then NONE */
    uint32_t *order; /* of what is computed, in groups */
    uint32_t *end;   /* of each group in the order */
    uint32_t n, n_groups, n_keys;
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

/* Numbers ops and dtypes, follows views, and lists what is computed in c->order. */
static bool find_keys(struct cells *c, struct arena *scratch) {
    uint32_t *number = arena_zalloc(scratch, KEYS * sizeof *number);
    if (!number) return false;
    for (uint32_t i = 0; i < c->p->n; i++) {
        const struct node *n = node_at(c, i);
        uint32_t *args = c->args + (size_t)i * ARGS;
        c->root[i] = i;
        c->key[i] = NONE;
        if (is_leaf(c->p, i)) continue;
        if (op_of(n)->flags & OP_VIEW) {
            c->root[i] = c->root[c->p->index[n->arg[0]]];
            continue;
        }
        uint32_t *key =
            &number[(uint32_t)n->op * DTYPE_COUNT + tape_dtype(c->p->tape, n->arg[n->n_args - 1])];
        if (!*key) *key = ++c->n_keys;
        c->key[i] = *key - 1;
        c->order[c->n++] = i;
        for (uint32_t k = 0; k < n->n_args; k++) args[k] = c->root[c->p->index[n->arg[k]]];
        args[n->n_args] = NONE; /* there are at most NODE_INLINE_ARGS */
    }
    return true;
}

/* How nodes depend on each other. A reading is an argument's place in c->args; those of one value are linked. */
struct readers {
    uint32_t *first; /* reading of each value, and the next one of each reading; NONE at the end */
    uint32_t *link;
    uint32_t *waits; /* for how many values that are computed */
    uint32_t
        *height; /* how many values wait for each other behind a node, the longest way to the end */
};

static bool find_readers(const struct cells *c, struct arena *scratch, struct readers *r) {
    const size_t n = (size_t)c->p->n + 1;
    r->first = arena_alloc(scratch, n * sizeof *r->first);
    r->link = arena_alloc(scratch, n * ARGS * sizeof *r->link);
    r->waits = arena_zalloc(scratch, 2 * n * sizeof *r->waits);
    r->height = r->waits + n;
    if (!r->first || !r->link || !r->waits) return false;
    memset(r->first, 0xFF, n * sizeof *r->first);
    for (uint32_t m = c->n; m-- > 0;) {
        const uint32_t i = c->order[m];
        for (uint32_t at = i * ARGS; c->args[at] != NONE; at++) {
            const uint32_t x = c->args[at];
            if (c->key[x] == NONE) continue;
            if (r->height[x] <= r->height[i]) r->height[x] = r->height[i] + 1;
            r->link[at] = r->first[x];
            r->first[x] = at;
            r->waits[i]++;
        }
    }
    return true;
}

/* What is ready of an op and a dtype: a list, and the longest way that waits for one of it. */
struct ready {
    uint32_t first, height;
};

static void add(const struct cells *c, uint32_t i, const struct readers *r, uint32_t *next,
                struct ready *ready) {
    struct ready *of = &ready[c->key[i]];
    next[i] = of->first;
    of->first = i;
    if (r->height[i] >= of->height) of->height = r->height[i] + 1;
}

/* Again and again all that is ready of one op becomes a group: of that op on which the longest way waits, so
 * that as much as can be comes together of the others meanwhile. Half of the groups that levels make. */
static bool sort(struct cells *c, struct arena *scratch) {
    struct readers r;
    uint32_t *next = arena_alloc(scratch, ((size_t)c->p->n + 1) * sizeof *next);
    struct ready *ready = arena_alloc(scratch, ((size_t)c->n_keys + 1) * sizeof *ready);
    if (!next || !ready || !find_readers(c, scratch, &r)) return false;
    for (uint32_t k = 0; k < c->n_keys; k++) ready[k] = (struct ready){NONE, 0};
    for (uint32_t m = c->n; m-- > 0;)
        if (!r.waits[c->order[m]]) add(c, c->order[m], &r, next, ready);
    for (uint32_t at = 0; at < c->n;) {
        uint32_t key = 0, begin = at;
        for (uint32_t k = 1; k < c->n_keys; k++)
            if (ready[k].height > ready[key].height) key = k;
        for (uint32_t i = ready[key].first; i != NONE; i = next[i]) c->order[at++] = i;
        ready[key] = (struct ready){NONE, 0};
        c->end[c->n_groups++] = at;
        for (; begin < at; begin++)
            for (uint32_t u = r.first[c->order[begin]]; u != NONE; u = r.link[u])
                if (--r.waits[u / ARGS] == 0) add(c, u / ARGS, &r, next, ready);
    }
    return true;
}

/* ---- instructions ------------------------------------------------------------------------------ */

static uint32_t cell_of(const struct cells *c, uint32_t i, uint32_t k) {
    return c->cell[c->args[(size_t)i * ARGS + k]];
}

static void emit_one(struct cells *c, uint32_t i, const struct cell_kernels *kernels) {
    const struct node *n = node_at(c, i);
    struct instr *instr = &c->plan->code[c->plan->n_code++];
    *instr = (struct instr){.kind = INSTR_ONE, .run.one = kernels->one};
    for (uint32_t k = 0; k < n->n_args; k++) instr->on.cell.in[k] = cell_of(c, i, k);
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
        for (uint32_t k = 0; k < n_args; k++) in[(size_t)k * n + m] = cell_of(c, members[m], k);
        c->cell[members[m]] = group->out + m;
    }
    c->plan->n_cells += n;
    c->plan->code[c->plan->n_code++] =
        (struct instr){.kind = INSTR_MANY, .run.many = kernels->many, .on.group = group};
    return true;
}

static bool emit(struct cells *c) {
    struct plan *plan = c->plan;
    uint32_t instrs = 0, begin = 0;
    for (uint32_t g = 0; g < c->n_groups; begin = c->end[g++])
        instrs += c->end[g] - begin < GROUP_LEAST ? c->end[g] - begin : 1;
    plan->code = arena_alloc(&plan->arena, (instrs + 1) * sizeof *plan->code);
    if (!plan->code) return false;
    begin = 0;
    for (uint32_t g = 0; g < c->n_groups; begin = c->end[g++]) {
        const struct cell_kernels *kernels = program_cells(c->p, node_at(c, c->order[begin]));
        if (c->end[g] - begin >= GROUP_LEAST) {
            if (!emit_group(c, c->order + begin, c->end[g] - begin, kernels)) return false;
            continue;
        }
        for (uint32_t i = begin; i < c->end[g]; i++) emit_one(c, c->order[i], kernels);
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
    struct cells c = {.p = p, .plan = plan};
    uint32_t *memory = arena_alloc(scratch, ((size_t)p->n + 1) * (5 + ARGS) * sizeof *memory);
    if (!memory) return false;
    c.root = memory;
    c.cell = c.root + p->n;
    c.key = c.cell + p->n;
    c.order = c.key + p->n;
    c.end = c.order + p->n;
    c.args = c.end + p->n;
    plan->literals = NULL;
    if (!place_leaves(&c) || !find_keys(&c, scratch)) return false;
    add_up_work(&c);
    return sort(&c, scratch) && emit(&c) && place_results(&c);
}
