/* Value numbering: each node of a program is looked up among those that stand on the new tape already,
 * after its literals were folded, its op's rule was asked and its arguments were freed of broadcasts that
 * it does by itself. Which ops there are it learns from their table. */
#include "core/simplify.h"

#include <string.h>

#include "core/emit.h"
#include "core/program.h"

/* Rules may lead to rules. */
enum { DEPTH_MOST = 4, RULE_NODES = 4, NEAR = 8 };

/* Elements of a literal, and of all that a plan has, and the work for them: what is more stays a computation. Where
 * large literals are too much work, small ones may not be. */
enum { FOLD_LARGE = 1 << 16, FOLD_SMALL = 1 << 12, FOLD_ALL = 1 << 18, FOLD_WORK = 1 << 18 };

struct simplifier {
    struct tape *t;
    struct slot {
        uint32_t node; /* 1 + one of t, 0: free */
        uint32_t hash;
    } * slots;
    uint32_t mask;
    uint8_t *telling; /* of each node of t */
    uint32_t most;    /* nodes; past that no rule is asked any more */
};

/* ---- equal nodes ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t x) {
    h = (h ^ x) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

static uint64_t hash_bytes(uint64_t h, const char *bytes, size_t n) {
    uint64_t word = 0;
    for (; n >= 8; n -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        h = mix(h, word);
    }
    word = 0;
    memcpy(&word, bytes, n);
    return n ? mix(h, word) : h;
}

static uint64_t hash_node(const struct node *n, const node_id *args) {
    uint64_t h = mix(n->op, (uint64_t)n->n_args << 8 | n->dtype);
    for (uint32_t i = 0; i < n->n_args; i++) h = mix(h, args[i]);
    return n->attrs_size ? hash_bytes(h, n->attrs, n->attrs_size) : h;
}

static bool same(const struct tape *t, const struct node *a, const struct node *b,
                 const node_id *args) {
    return a->op == b->op && a->dtype == b->dtype && a->n_args == b->n_args &&
           a->attrs_size == b->attrs_size && shape_equal(a->shape, b->shape) &&
           memcmp(node_args(t, a), args, a->n_args * sizeof *args) == 0 &&
           (!a->attrs_size || memcmp(a->attrs, b->attrs, a->attrs_size) == 0);
}

static bool is_in(const struct tape *t, const struct slot *slot, const struct node *n,
                  const node_id *args, uint32_t hash) {
    return slot->hash == hash && same(t, tape_node(t, slot->node - 1), n, args);
}

/* The slot of the node that is like n, or the free one where it belongs. That is near the slots of what reads
 * nodes beside its last argument, which were looked at not long ago; where these are taken, anywhere. A slot never
 * becomes free again, so that who looks goes the way of who came. */
static struct slot *find_slot(const struct simplifier *s, const struct node *n, const node_id *args,
                              uint32_t hash) {
    uint32_t at = hash & s->mask;
    if (n->n_args) {
        node_id last = args[0];
        for (uint32_t i = 1; i < n->n_args; i++)
            if (args[i] > last) last = args[i];
        struct slot *near = s->slots + (2 * last & s->mask & ~(uint32_t)(NEAR - 1));
        for (uint32_t i = 0; i < NEAR; i++)
            if (!near[i].node || is_in(s->t, &near[i], n, args, hash)) return &near[i];
    }
    while (s->slots[at].node && !is_in(s->t, &s->slots[at], n, args, hash)) at = (at + 1) & s->mask;
    return &s->slots[at];
}

/* The node that is like n, which is appended where there is none. */
static node_id unique(struct simplifier *s, const struct node *n) {
    struct tape *t = s->t;
    const node_id *args = node_args(t, n);
    const uint32_t hash = (uint32_t)hash_node(n, args);
    struct slot *slot = find_slot(s, n, args, hash);
    if (slot->node) return slot->node - 1;
    const node_id id = tape_append(t, n);
    if (id == NODE_NONE) return id;
    *slot = (struct slot){id + 1, hash};
    s->telling[id] = (n->op == OP_const || op_of(n)->flags & OP_TELLING) != 0;
    return id;
}

/* ---- literals ---------------------------------------------------------------------------------- */

static double first_element(const struct node *n) {
    switch ((enum dtype)n->dtype) {
#define FIRST(tag, type, name, trainable)                                                          \
    case DTYPE_##tag:                                                                              \
        return (double)*(const type *)n->attrs;
        DTYPES(FIRST)
#undef FIRST
    case DTYPE_COUNT:
        break;
    }
    return 0;
}

bool simplify_literal(const struct tape *t, node_id n, double *value) {
    const struct node *node = tape_node(t, n);
    while (node->op == OP_broadcast_to || node->op == OP_reshape) node = tape_node(t, node->arg[0]);
    if (node->op != OP_const || node->attrs_size != dtype_size((enum dtype)node->dtype))
        return false;
    *value = first_element(node);
    return true;
}

node_id simplify_to(const struct tape *t, const struct node *n, node_id x) {
    return tape_dtype(t, x) == n->dtype && shape_equal(tape_shape(t, x), n->shape) ? x : NODE_NONE;
}

/* Computes a scalar op of literals, in place: n becomes a literal. */
static bool fold_scalar(struct tape *t, struct node *n) {
    const struct op *op = op_of(n);
    if (!n->n_args || n->n_args > NODE_INLINE_ARGS || n->shape->rank) return true;
    const struct cell_kernels *kernels = &op->cells[tape_dtype(t, n->arg[n->n_args - 1])];
    if (!kernels->one) return true;
    uint64_t cells[NODE_INLINE_ARGS + 1] = {0};
    struct instr instr = {.on.cell.out = NODE_INLINE_ARGS};
    for (uint32_t i = 0; i < n->n_args; i++) {
        const struct node *arg = tape_node(t, n->arg[i]);
        if (arg->op != OP_const || arg->shape->rank) return true;
        memcpy(&cells[i], arg->attrs, arg->attrs_size);
        instr.on.cell.in[i] = i;
    }
    kernels->one(&instr, (char *)cells);
    const size_t size = dtype_size((enum dtype)n->dtype);
    void *value = arena_alloc(t->arena, size);
    if (!value) return tape_fail_memory(t, "the plan");
    memcpy(value, &cells[NODE_INLINE_ARGS], size);
    *n = (struct node){.op = OP_const,
                       .dtype = n->dtype,
                       .shape = &shape_scalar,
                       .attrs = value,
                       .attrs_size = (uint32_t)size};
    return true;
}

/* ---- arguments --------------------------------------------------------------------------------- */

/* A pointwise op reads what is shorter again and again: an argument need not be broadcast before, where
 * the others make the result as large as it is. */
static void read_short(struct tape *t, struct node *n) {
    for (uint32_t i = 0; i < n->n_args; i++) {
        const struct node *arg = tape_node(t, n->arg[i]);
        if (arg->op != OP_broadcast_to) continue;
        struct shape joint = *tape_shape(t, arg->arg[0]);
        for (uint32_t k = 0; k < n->n_args; k++) {
            struct shape wider;
            if (k != i && shape_broadcast(&joint, tape_shape(t, n->arg[k]), &wider)) joint = wider;
        }
        if (shape_equal(&joint, n->shape)) n->arg[i] = arg->arg[0];
    }
}

static node_id add(struct simplifier *s, struct node *n, int depth);

/* What a rule has emitted since `before`, each of it looked up too; `result` is one of them. */
static node_id adopt(struct simplifier *s, uint32_t before, node_id result, int depth) {
    struct tape *t = s->t;
    struct node made[RULE_NODES];
    node_id is[RULE_NODES];
    const uint32_t n = t->count - before;
    if (result == NODE_NONE || n > RULE_NODES) {
        t->count = before;
        return NODE_NONE;
    }
    if (n) memcpy(made, t->nodes + before, n * sizeof *made);
    t->count = before;
    for (uint32_t i = 0; i < n; i++) {
        if (made[i].n_args > NODE_INLINE_ARGS) return NODE_NONE;
        for (uint32_t k = 0; k < made[i].n_args; k++)
            if (made[i].arg[k] >= before) made[i].arg[k] = is[made[i].arg[k] - before];
        is[i] = add(s, &made[i], depth + 1);
        if (is[i] == NODE_NONE) return NODE_NONE;
    }
    return result < before ? result : is[result - before];
}

static bool hears(const struct simplifier *s, const struct node *n) {
    if (n->n_args > NODE_INLINE_ARGS) return false;
    for (uint32_t k = 0; k < n->n_args; k++)
        if (s->telling[n->arg[k]]) return true;
    return false;
}

/* The node of the new tape that stands for n, whose arguments are on that tape. */
static node_id add(struct simplifier *s, struct node *n, int depth) {
    struct tape *t = s->t;
    if (hears(s, n)) {
        const struct op *op = op_of(n);
        if (op->flags & OP_POINTWISE) {
            read_short(t, n);
            if (!fold_scalar(t, n)) return NODE_NONE;
        }
        if (n->op != OP_const && op->simplify && depth < DEPTH_MOST && t->count < s->most) {
            const uint32_t before = t->count;
            const node_id simpler = adopt(s, before, op->simplify(t, n), depth);
            if (simpler != NODE_NONE || !tape_ok(t)) return simpler;
        }
    }
    if (n->n_args == 2 && op_of(n)->flags & OP_COMMUTATIVE && n->arg[0] > n->arg[1]) {
        const node_id first = n->arg[0];
        n->arg[0] = n->arg[1];
        n->arg[1] = first;
    }
    return unique(s, n);
}

/* ---- tensors of literals ----------------------------------------------------------------------- */

static bool is_view(const struct node *n) {
    return n->op == OP_broadcast_to || op_of(n)->flags & OP_VIEW;
}

/* Marks what depends on literals alone; those of them that something else reads, and that have at most `most`
 * elements, are to be computed. How many these are. */
static uint32_t find_foldable(const struct tape *t, const node_id *wanted, size_t n_wanted,
                              int64_t most, uint8_t *fixed, node_id *folded) {
    enum { FIXED = 1, READ = 2 };
    int64_t left = FOLD_ALL;
    uint32_t n = 0;
    for (node_id i = 0; i < t->count; i++) {
        const struct node *node = tape_node(t, i);
        const node_id *args = node_args(t, node);
        bool all = node->op == OP_const || (node->n_args && node->op != OP_input);
        for (uint32_t k = 0; k < node->n_args; k++) all = all && fixed[args[k]] & FIXED;
        fixed[i] = all ? FIXED : 0;
        for (uint32_t k = 0; !all && k < node->n_args; k++) fixed[args[k]] |= READ;
    }
    for (size_t i = 0; i < n_wanted; i++) fixed[wanted[i]] |= READ;
    for (node_id i = t->count; i-- > 0;) {
        const struct node *node = tape_node(t, i);
        if (fixed[i] != (FIXED | READ) || !node->n_args) continue;
        const int64_t count = shape_count(node->shape);
        if (is_view(node)) {
            fixed[node->arg[0]] |= READ; /* a literal need not be repeated */
        } else if (count <= most && count <= left) {
            folded[n++] = i;
            left -= count;
        }
    }
    return n;
}

/* The plan of that; NULL where there is none, or one that works too long, or where it failed. */
static struct plan *plan_of_literals(const struct tape *t, const node_id *folded, uint32_t n,
                                     struct error *failure) {
    struct program p;
    if (!n || !program_number(t, folded, n, false, t->arena, &p)) return NULL;
    struct plan *plan = plan_place(&p, t->arena, failure);
    if (!plan || plan_work(plan) <= FOLD_WORK) return plan;
    plan_release(plan);
    return NULL;
}

/* Runs what there is of that once and for all. What fails is left to the runs, which will say so. */
static bool fold_tensors(struct tape *t, const node_id *wanted, size_t n_wanted) {
    uint8_t *fixed = arena_alloc(t->arena, t->count + 1);
    node_id *folded = arena_alloc(t->arena, (t->count + 1) * sizeof *folded);
    struct error failure;
    if (!fixed || !folded) return tape_fail_memory(t, "the plan");
    error_clear(&failure);
    uint32_t n = find_foldable(t, wanted, n_wanted, FOLD_LARGE, fixed, folded);
    struct plan *plan = plan_of_literals(t, folded, n, &failure);
    if (n && !plan) {
        n = find_foldable(t, wanted, n_wanted, FOLD_SMALL, fixed, folded);
        plan = plan_of_literals(t, folded, n, &failure);
    }
    struct run *run = plan ? plan_run(plan, NULL, NULL, &failure) : NULL;
    for (uint32_t i = 0; run && i < n; i++) {
        const struct tensor value = run_result(run, i);
        const size_t size = tensor_bytes(&value);
        void *copy = arena_alloc(t->arena, size + 1);
        if (!copy) break;
        struct node *node = &t->nodes[folded[i]];
        node->op = OP_const;
        node->n_args = 0;
        node->attrs = memcpy(copy, value.data, size);
        node->attrs_size = (uint32_t)size;
    }
    run_end(run);
    plan_release(plan);
    return true;
}

/* ---- all of it --------------------------------------------------------------------------------- */

bool simplify(const struct program *p, struct arena *scratch, struct error *error, struct tape *out,
              node_id *wanted) {
    const struct tape_limits limits = {UINT32_MAX - 1, INT64_MAX, INT64_MAX};
    struct simplifier s = {.t = out, .mask = 63, .most = p->n + p->n / 4 + 64};
    node_id *is = arena_alloc(scratch, (p->n + 1) * sizeof *is);
    tape_init(out, scratch, error, limits);
    while (s.mask / 2 < s.most) s.mask = 2 * s.mask + 1;
    s.slots = arena_zalloc(scratch, ((size_t)s.mask + 1) * sizeof *s.slots);
    /* Past `most` no node is more than those that it stands for. */
    const size_t nodes = (size_t)s.most + p->n + 8;
    out->nodes = arena_alloc(scratch, nodes * sizeof *out->nodes);
    s.telling = arena_zalloc(scratch, nodes);
    if (!is || !s.slots || !out->nodes || !s.telling) return tape_fail_memory(out, "the plan");
    out->capacity = (uint32_t)nodes;
    for (uint32_t i = 0; i < p->n; i++) {
        struct node n;
        if (!program_copy(p, i, is, out, &n)) return false;
        is[i] = n.op == OP_input ? tape_append(out, &n) : add(&s, &n, 0);
        if (is[i] == NODE_NONE) return false;
    }
    for (uint32_t i = 0; i < p->n_wanted; i++) wanted[i] = is[p->index[p->wanted[i]]];
    return simplify_sums(out, wanted, p->n_wanted) && fold_tensors(out, wanted, p->n_wanted);
}
