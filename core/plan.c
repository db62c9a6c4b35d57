/* The compiler from a program to a plan: places every value, picks kernels, and keeps what a run
 * needs. Dead code was dropped by whoever numbered the program; caching is not its business. */
#include <string.h>

#include "core/compiler.h"
#include "core/rematerialise.h"
#include "core/simplify.h"

enum { PLAN_FIRST_CHUNK = 1 << 10 /* most plans are small and many are kept */ };

bool compiler_no_memory(struct compiler *c) {
    return error_set(c->error, ERROR_MEMORY_BUDGET,
                     "the plan needs more than the %zu bytes a request may take",
                     c->scratch->ceiling);
}

/* ---- memory: cells one by one, tensors by size class with four classes an octave ----------------- */

static size_t class_size(size_t bytes, int *class) {
    size_t size = 64;
    *class = 0;
    while (size < bytes) {
        size_t quarter = size / 4 < 64 ? 64 : size / 4;
        for (int k = 0; k < 4 && size < bytes; k++, ++*class) size += quarter;
    }
    return size;
}

static uint32_t take_cell(struct compiler *c) {
    return c->n_free_cells ? c->free_cells[--c->n_free_cells] : c->n_cells++;
}

/* The offset of that many bytes among the slab's tensors. */
static size_t take_bytes(struct compiler *c, size_t bytes) {
    int class;
    size_t size = class_size(bytes, &class);
    struct freed *f = c->freed[class];
    if (!f) {
        c->tensor_bytes += size;
        return c->tensor_bytes - size;
    }
    c->freed[class] = f->next;
    f->next = c->spare;
    c->spare = f;
    return f->offset;
}

static bool give_back_bytes(struct compiler *c, size_t offset, size_t bytes) {
    int class;
    class_size(bytes, &class);
    struct freed *f = c->spare ? c->spare : arena_alloc(c->scratch, sizeof *f);
    if (!f) return compiler_no_memory(c);
    if (f == c->spare) c->spare = f->next;
    *f = (struct freed){offset, c->freed[class]};
    c->freed[class] = f;
    return true;
}

static size_t bytes_of(const struct shape *shape, enum dtype dtype) {
    return (size_t)shape_count(shape) * dtype_size(dtype);
}

static bool give_back(struct compiler *c, uint32_t root) {
    const struct operand *o = &c->where[root];
    if (o->base == BASE_CELLS) {
        uint32_t cell = (uint32_t)(o->offset / 8);
        if (cell >= c->plan->n_literal_cells + c->plan->n_cell_inputs)
            c->free_cells[c->n_free_cells++] = cell;
    } else if (o->base == BASE_TENSORS) {
        return give_back_bytes(c, o->offset, bytes_of(o->shape, o->dtype));
    }
    return true;
}

/* ---- leaves ------------------------------------------------------------------------------------ */

/* Counts uses and gives literals and inputs their places, before any temporary takes one. */
static bool place_leaves(struct compiler *c) {
    struct plan *plan = c->plan;
    uint32_t literal = 0, input = 0;
    for (uint32_t i = 0; i < c->p->n; i++) {
        const struct node *n = compiler_node(c, i);
        const bool bound = program_is_input(c->p, i), view = !bound && op_of(n)->flags & OP_VIEW;
        c->root[i] = view ? c->root[compiler_arg(c, n, 0)] : i;
        for (uint32_t k = 0; !bound && !view && k < n->n_args; k++)
            c->uses[c->root[compiler_arg(c, n, k)]]++;
        if (n->op == OP_const && program_in_cell(n)) plan->n_literal_cells++;
        if (n->op == OP_const && !program_in_cell(n))
            c->literal_bytes += (n->attrs_size + 63u) & ~(size_t)63;
        if (bound && program_in_cell(n)) plan->n_cell_inputs++;
    }
    for (uint32_t i = 0; i < c->p->n_wanted; i++) c->uses[c->root[c->p->index[c->p->wanted[i]]]]++;
    c->n_cells = plan->n_literal_cells + plan->n_cell_inputs;
    plan->literal_cells =
        arena_zalloc(&plan->arena, plan->n_literal_cells * sizeof *plan->literal_cells);
    plan->cell_inputs = arena_alloc(&plan->arena, plan->n_cell_inputs * sizeof *plan->cell_inputs);
    plan->literals = arena_alloc_tensor(&plan->arena, c->literal_bytes);
    if (!plan->literal_cells || !plan->cell_inputs || !plan->literals) return compiler_no_memory(c);

    size_t at = 0;
    for (uint32_t i = 0; i < c->p->n; i++) {
        const struct node *n = compiler_node(c, i);
        struct operand *o = &c->where[i];
        o->dtype = (enum dtype)n->dtype;
        o->shape = n->shape;
        if (n->op == OP_const && program_in_cell(n)) {
            o->base = BASE_CELLS;
            o->offset = literal * 8;
            memcpy(&plan->literal_cells[literal++], n->attrs, n->attrs_size);
        } else if (n->op == OP_const) {
            o->base = BASE_LITERALS;
            o->offset = at;
            if (n->attrs_size) memcpy(plan->literals + at, n->attrs, n->attrs_size);
            at += (n->attrs_size + 63u) & ~(size_t)63;
        } else if (program_is_input(c->p, i) && program_in_cell(n)) {
            uint32_t cell = plan->n_literal_cells + input;
            o->base = BASE_CELLS;
            o->offset = (size_t)cell * 8;
            plan->cell_inputs[input++] =
                (struct cell_input){c->n_inputs++, cell, (uint32_t)dtype_size(o->dtype)};
        } else if (program_is_input(c->p, i)) {
            o->base = BASE_INPUTS + c->n_inputs++;
        }
    }
    return true;
}

/* ---- instructions ------------------------------------------------------------------------------ */

/* Shapes outlive the tape in the plan's arena. Equal neighbours share one copy. */
static const struct shape *kept_shape(struct compiler *c, const struct shape *s,
                                      const struct shape *like) {
    if (s->rank == 0) return &shape_scalar;
    if (like && shape_equal(s, like)) return like;
    struct shape *copy = arena_alloc(&c->plan->arena, sizeof *copy);
    if (copy) *copy = *s;
    return copy;
}

static int64_t broadcast_stride(const struct shape *x, const struct shape *out, int axis,
                                const int64_t *own) {
    int k = axis - (out->rank - x->rank);
    return k < 0 || x->dim[k] == 1 ? 0 : own[k];
}

/* Axes of length 1 are dropped, neighbours merged where every argument either runs on through both or stands
 * still in both. */
const struct nest *compiler_nest(struct compiler *c, const struct shape *out,
                                 const struct shape *const *in, uint32_t n_in) {
    struct nest *nest = arena_zalloc(&c->plan->arena, sizeof *nest);
    int64_t stride[NODE_INLINE_ARGS][RANK_MAX] = {{0}};
    if (!nest) return NULL;
    for (uint32_t i = 0; i < n_in; i++) {
        int64_t own[RANK_MAX], s = 1;
        for (int k = in[i]->rank - 1; k >= 0; k--) {
            own[k] = s;
            s *= in[i]->dim[k];
        }
        for (int k = 0; k < out->rank; k++) stride[i][k] = broadcast_stride(in[i], out, k, own);
    }
    for (int k = 0; k < out->rank; k++) {
        int last = nest->rank - 1;
        if (out->dim[k] == 1) continue;
        bool merge = last >= 0;
        for (uint32_t i = 0; merge && i < n_in; i++)
            merge = nest->stride[i][last] == stride[i][k] * out->dim[k];
        int at = merge ? last : nest->rank++;
        nest->dim[at] = merge ? nest->dim[at] * out->dim[k] : out->dim[k];
        for (uint32_t i = 0; i < n_in; i++) nest->stride[i][at] = stride[i][k];
    }
    return nest;
}

bool compiler_scratch(struct compiler *c, size_t bytes, size_t *offset) {
    *offset = take_bytes(c, bytes);
    return give_back_bytes(c, *offset, bytes);
}

struct step *compiler_step(struct compiler *c, uint32_t i) {
    const struct node *n = compiler_node(c, i);
    struct arena *arena = &c->plan->arena;
    struct step *step = arena_zalloc(arena, sizeof *step + n->n_args * sizeof step->in[0]);
    if (!step) return NULL;
    step->op = op_of(n);
    step->n_in = n->n_args;
    step->out = c->where[i];
    step->out.shape = kept_shape(c, n->shape, NULL);
    for (uint32_t k = 0; k < n->n_args; k++) {
        uint32_t arg = compiler_arg(c, n, k);
        step->in[k] = c->where[c->root[arg]];
        step->in[k].shape = kept_shape(c, compiler_node(c, arg)->shape, step->out.shape);
        if (!step->in[k].shape) return NULL;
    }
    void *attrs = n->attrs_size ? arena_alloc(arena, n->attrs_size) : NULL;
    if (!step->out.shape || (n->attrs_size && !attrs)) return NULL;
    step->attrs = attrs ? memcpy(attrs, n->attrs, n->attrs_size) : NULL;
    return step;
}

struct operand *compiler_take_over(struct compiler *c, uint32_t i, uint32_t arg, uint32_t readers) {
    const struct node *n = compiler_node(c, i), *x = compiler_node(c, arg);
    struct operand *out = &c->where[i], *from = &c->where[c->root[arg]];
    if (from->base != BASE_TENSORS || c->uses[c->root[arg]] != readers || program_in_cell(n) ||
        !shape_equal(x->shape, n->shape) ||
        dtype_size((enum dtype)x->dtype) != dtype_size((enum dtype)n->dtype))
        return NULL;
    out->base = BASE_TENSORS;
    out->offset = from->offset;
    from->base = BASE_GONE;
    return out;
}

/* Memory for the result of a step; an element-wise op may write where it reads. */
static const struct operand *place_step(struct compiler *c, uint32_t i, bool in_place) {
    const struct node *n = compiler_node(c, i);
    for (uint32_t k = 0; in_place && k < n->n_args; k++) {
        const uint32_t arg = compiler_arg(c, n, k);
        uint32_t readers = 0;
        for (uint32_t l = 0; l < n->n_args; l++) readers += compiler_arg(c, n, l) == arg;
        const struct operand *out = compiler_take_over(c, i, arg, readers);
        if (out) return out;
    }
    return compiler_place(c, i);
}

static bool emit_step(struct compiler *c, uint32_t i, struct instr *instr) {
    const struct node *n = compiler_node(c, i);
    struct step *step = compiler_step(c, i);
    if (!step) return compiler_no_memory(c);
    const enum dtype from = step->in[n->n_args - 1].dtype;
    kernel tensor = step->op->kernels[from];
    const bool pointwise = step->op->flags & OP_POINTWISE;
    const struct operand *out = place_step(c, i, pointwise && !tensor);
    step->out.base = out->base;
    step->out.offset = out->offset;
    if (step->op->scratch && !compiler_scratch(c, step->op->scratch(c->p->tape, n), &step->scratch))
        return false;
    if (pointwise) {
        const struct shape *in[NODE_INLINE_ARGS];
        for (uint32_t k = 0; k < n->n_args; k++) in[k] = step->in[k].shape;
        step->loop = pointwise_loop(step->op, from, step->out.dtype);
        step->nest = compiler_nest(c, step->out.shape, in, n->n_args);
        if (!step->nest) return compiler_no_memory(c);
        if (!tensor) tensor = pointwise_run;
    }
    instr->kind = INSTR_STEP;
    instr->run.tensor = tensor ? tensor : reduce_run;
    instr->on.step = step;
    return true;
}

const struct cell_kernels *program_cells(const struct program *p, const struct node *n) {
    const node_id *args = node_args(p->tape, n);
    if (n->n_args == 0 || n->n_args > NODE_INLINE_ARGS || !program_in_cell(n)) return NULL;
    for (uint32_t i = 0; i < n->n_args; i++)
        if (!program_in_cell(tape_node(p->tape, args[i]))) return NULL;
    const struct cell_kernels *kernels = &op_of(n)->cells[tape_dtype(p->tape, args[n->n_args - 1])];
    return kernels->one ? kernels : NULL;
}

struct operand *compiler_place(struct compiler *c, uint32_t i) {
    const struct node *n = compiler_node(c, i);
    struct operand *out = &c->where[i];
    if (program_in_cell(n)) {
        out->base = BASE_CELLS;
        out->offset = (size_t)take_cell(c) * 8;
    } else {
        out->base = BASE_TENSORS;
        out->offset = take_bytes(c, bytes_of(n->shape, (enum dtype)n->dtype));
    }
    return out;
}

void compiler_add_work(struct compiler *c, const struct node *n) {
    const struct op *op = op_of(n);
    int64_t work = op->work ? op->work(c->p->tape, n) : shape_count(n->shape);
    if (__builtin_add_overflow(c->plan->work, work + 1, &c->plan->work))
        c->plan->work = INT64_MAX - 1;
}

bool compiler_was_read(struct compiler *c, uint32_t root) {
    return --c->uses[root] > 0 || give_back(c, root);
}

static bool emit_instr(struct compiler *c, uint32_t i) {
    const struct node *n = compiler_node(c, i);
    struct instr *instr = &c->plan->code[c->plan->n_code++];
    const struct cell_kernels *cells = program_cells(c->p, n);
    if (cells) {
        const struct operand *out = compiler_place(c, i);
        instr->kind = INSTR_ONE;
        instr->run.one = cells->one;
        instr->on.cell.out = (uint32_t)(out->offset / 8);
        for (uint32_t k = 0; k < n->n_args; k++)
            instr->on.cell.in[k] = (uint32_t)(c->where[c->root[compiler_arg(c, n, k)]].offset / 8);
    } else if (!emit_step(c, i, instr)) {
        return false;
    }
    compiler_add_work(c, n);
    for (uint32_t k = 0; k < n->n_args; k++)
        if (!compiler_was_read(c, c->root[compiler_arg(c, n, k)])) return false;
    return true;
}

/* ---- order --------------------------------------------------------------------------------------- */

static bool is_leaf(const struct compiler *c, uint32_t i) {
    const struct node *n = compiler_node(c, i);
    return n->op == OP_const || program_is_input(c->p, i) || op_of(n)->flags & OP_VIEW;
}

/* What is emitted at once, a node or a region, and how far its arguments have been looked at. */
struct unit {
    uint32_t node, member, arg;
};

static const struct region *region_of(const struct compiler *c, uint32_t i) {
    const uint32_t r = c->fusion.of[i];
    return r == REGION_NONE ? NULL : &c->fusion.regions[r];
}

/* The next thing that a unit waits for; false where there is none. */
static bool waits_for(const struct compiler *c, struct unit *u, uint32_t *what) {
    const struct region *r = region_of(c, u->node);
    for (; u->member < (r ? r->n : 1); u->member++, u->arg = 0) {
        const struct node *n = compiler_node(c, r ? r->nodes[u->member] : u->node);
        while (u->arg < n->n_args) {
            *what = c->root[compiler_arg(c, n, u->arg++)];
            if (!is_leaf(c, *what) && !c->done[*what] && (!r || region_of(c, *what) != r))
                return true;
        }
    }
    return false;
}

static bool emit_unit(struct compiler *c, uint32_t i) {
    const struct region *r = region_of(c, i);
    c->done[i] = 1;
    for (uint32_t k = 0; r && k < r->n; k++) c->done[r->nodes[k]] = 1;
    return r ? compiler_emit_region(c, r) : emit_instr(c, i);
}

/* Emits node i after everything it waits for: a region may read what was recorded behind its first node. */
static bool emit_from(struct compiler *c, uint32_t i, struct unit *stack) {
    uint32_t n = 0, what = 0;
    stack[n++] = (struct unit){.node = i};
    while (n > 0) {
        if (waits_for(c, &stack[n - 1], &what))
            stack[n++] = (struct unit){.node = what};
        else if (!emit_unit(c, stack[--n].node))
            return false;
    }
    return true;
}

static bool emit_all(struct compiler *c) {
    const uint32_t n = c->p->n;
    if (!c->fusion.n_regions) {
        for (uint32_t i = 0; i < n; i++)
            if (!is_leaf(c, i) && !emit_instr(c, i)) return false;
        return true;
    }
    struct unit *stack = arena_alloc(c->scratch, n * sizeof *stack);
    c->done = arena_zalloc(c->scratch, n);
    c->inside = arena_zalloc(c->scratch, n * sizeof *c->inside);
    c->value = arena_alloc(c->scratch, n * sizeof *c->value);
    if (!stack || !c->done || !c->inside || !c->value) return compiler_no_memory(c);
    for (uint32_t i = 0; i < n; i++)
        if (!is_leaf(c, i) && !c->done[i] && !emit_from(c, i, stack)) return false;
    return true;
}

static bool place_results(struct compiler *c) {
    struct plan *plan = c->plan;
    plan->n_results = c->p->n_wanted;
    plan->results = arena_alloc(&plan->arena, plan->n_results * sizeof *plan->results);
    if (!plan->results) return compiler_no_memory(c);
    for (uint32_t i = 0; i < plan->n_results; i++) {
        uint32_t value = c->p->index[c->p->wanted[i]];
        plan->results[i] = c->where[c->root[value]];
        plan->results[i].shape = kept_shape(c, compiler_node(c, value)->shape, NULL);
        if (!plan->results[i].shape) return compiler_no_memory(c);
    }
    return true;
}

static bool compile(struct compiler *c) {
    struct arena *s = c->scratch;
    uint32_t n = c->p->n;
    if (plan_is_of_cells(c->p)) return plan_place_cells(c->p, c->plan, s) || compiler_no_memory(c);
    c->root = arena_alloc(s, n * sizeof *c->root);
    c->uses = arena_zalloc(s, n * sizeof *c->uses);
    c->where = arena_zalloc(s, n * sizeof *c->where);
    c->free_cells = arena_alloc(s, n * sizeof *c->free_cells);
    c->plan->code = arena_alloc(&c->plan->arena, n * sizeof *c->plan->code);
    if (!c->root || !c->uses || !c->where || !c->free_cells || !c->plan->code)
        return compiler_no_memory(c);
    if (!fuse(c->p, s, &c->fusion)) return compiler_no_memory(c);
    if (!place_leaves(c) || !emit_all(c)) return false;
    c->plan->n_inputs = c->n_inputs;
    c->plan->n_cells = c->n_cells;
    c->plan->tensor_bytes = c->tensor_bytes;
    return place_results(c);
}

struct plan *plan_place(const struct program *program, struct arena *scratch, struct error *error) {
    struct arena arena;
    arena_init(&arena, scratch->ceiling);
    arena.first = PLAN_FIRST_CHUNK;
    struct plan *plan = arena_zalloc(&arena, sizeof *plan);
    struct compiler c = {.p = program, .plan = plan, .scratch = scratch, .error = error};
    if (!plan) {
        compiler_no_memory(&c);
        return NULL;
    }
    plan->arena = arena;
    atomic_init(&plan->cached.references, 1);
    if (compile(&c)) return plan;
    plan_release(plan);
    return NULL;
}

struct plan *plan_compile(const struct program *program, size_t room, struct arena *scratch,
                          struct error *error) {
    struct tape simple;
    struct program p;
    node_id *wanted = arena_alloc(scratch, (program->n_wanted + 1) * sizeof *wanted);
    if (wanted && !simplify(program, scratch, error, &simple, wanted)) return NULL;
    if (wanted && program_number(&simple, wanted, program->n_wanted, true, scratch, &p)) {
        struct plan *plan = plan_place(&p, scratch, error);
        return plan && plan_run_bytes(plan) > room ? rematerialise(plan, &p, room, scratch, error)
                                                   : plan;
    }
    error_set(error, ERROR_MEMORY_BUDGET,
              "the plan needs more than the %zu bytes a request may take", scratch->ceiling);
    return NULL;
}

void plan_release(struct plan *plan) {
    if (!plan || atomic_fetch_sub(&plan->cached.references, 1) != 1) return;
    struct arena arena = plan->arena; /* the plan lives in it */
    arena_free(&arena);
}

struct plan *plan_hold(struct plan *plan) {
    atomic_fetch_add(&plan->cached.references, 1);
    return plan;
}

int64_t plan_work(const struct plan *plan) { return plan->work; }

size_t plan_bytes(const struct plan *plan) { return plan->arena.held; }

size_t plan_run_bytes(const struct plan *plan) {
    return sizeof(struct run) + (BASE_INPUTS + plan->n_inputs) * sizeof(char *) +
           plan->n_cells * 8 + plan->tensor_bytes + 128;
}
