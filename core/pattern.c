/* Finds which elements depend on which, node by node from the seed on. Each element of a value has a set of columns;
 * sets are shared, and most ops only hand them on. What an op moves is found by moving numbers: it is run once
 * on the numbers of its elements. It knows three ops by name: what sums, what multiplies matrices, and literals. */
#include "core/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "core/block.h"
#include "core/emit.h"
#include "core/kernels/copy.h"
#include "core/program.h"

/* Columns in order, in the pool. */
struct set {
    uint32_t at, n;
};

/* What looking at a node takes at least. */
enum { NODE_STEPS = 256 };

/* The sets of a node's elements, which nodes share. */
struct list {
    uint32_t users;
    size_t size; /* in bytes */
    struct set sets[];
};

struct finder {
    struct tape *t;
    struct arena arena;     /* all of this, */
    struct account account; /* but for the lists */
    int64_t steps;          /* that are left */
    bool failed;            /* they, or memory, ran out */
    node_id first;
    uint32_t n;
    uint8_t *wanted;
    uint32_t *uses;     /* of node first + i by those that are wanted and come */
    struct list **list; /* NULL: the node does not depend on the seed */
    int32_t *pool;
    uint32_t used, capacity;
    uint32_t *stamp, now;         /* of each column: the last union that it was put in */
    struct set left, right, both; /* the last union of two */
};

static bool fail(struct finder *f) {
    f->failed = true;
    return false;
}

static bool spend(struct finder *f, int64_t steps) {
    f->steps -= steps;
    return f->steps >= 0 || fail(f);
}

static bool in_range(const struct finder *f, node_id x) {
    return x >= f->first && x - f->first < f->n;
}

static const struct set *sets_of(const struct finder *f, node_id x) {
    const struct list *list = in_range(f, x) ? f->list[x - f->first] : NULL;
    return list ? list->sets : NULL;
}

static void release(struct finder *f, struct list *list) {
    if (list && --list->users == 0) account_free(&f->account, list, list->size);
}

static int64_t count_of(const struct finder *f, node_id x) {
    return shape_count(tape_shape(f->t, x));
}

/* ---- sets -------------------------------------------------------------------------------------- */

static bool same_set(struct set a, struct set b) { return a.n == b.n && (a.at == b.at || !a.n); }

static bool make_room(struct finder *f, size_t n) {
    if (n <= f->capacity - f->used) return true;
    const size_t capacity = 2 * ((size_t)f->used + n);
    int32_t *pool = capacity <= UINT32_MAX ? arena_alloc(&f->arena, capacity * sizeof *pool) : NULL;
    if (!pool) return fail(f);
    if (f->used) memcpy(pool, f->pool, f->used * sizeof *pool);
    f->pool = pool;
    f->capacity = (uint32_t)capacity;
    return true;
}

static int compare_columns(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The union of n sets; one of them where it has all. */
static bool unite(struct finder *f, const struct set *sets, size_t n, struct set *out) {
    struct set largest = {0};
    size_t total = 0, distinct = 0;
    for (size_t i = 0; i < n; i++) {
        distinct += i == 0 || !same_set(sets[i], sets[i - 1]);
        total += i == 0 || !same_set(sets[i], sets[i - 1]) ? sets[i].n : 0;
        if (sets[i].n > largest.n) largest = sets[i];
    }
    *out = largest;
    if (distinct < 2 || largest.n == total) return true;
    if (n == 2 && same_set(sets[0], f->left) && same_set(sets[1], f->right)) {
        *out = f->both;
        return true;
    }
    if (!spend(f, (int64_t)total) || !make_room(f, total)) return false;
    int32_t *to = f->pool + f->used;
    uint32_t k = 0;
    bool sorted = true;
    f->now++;
    for (size_t i = 0; i < n; i++) {
        if (i && same_set(sets[i], sets[i - 1])) continue;
        for (uint32_t c = 0; c < sets[i].n; c++) {
            const int32_t column = f->pool[sets[i].at + c];
            if (f->stamp[column] == f->now) continue;
            f->stamp[column] = f->now;
            sorted = sorted && (!k || to[k - 1] < column);
            to[k++] = column;
        }
    }
    if (k > largest.n) {
        if (!sorted) qsort(to, k, sizeof *to, compare_columns);
        *out = (struct set){f->used, k};
        f->used += k;
    }
    if (n == 2) f->left = sets[0], f->right = sets[1], f->both = *out;
    return true;
}

/* ---- what moves -------------------------------------------------------------------------------- */

/* A kernel that serves bools as it serves numbers can only move elements. */
static bool moves(const struct op *op) {
    return op->flags & OP_VIEW ||
           (op->kernels[DTYPE_F64] && op->kernels[DTYPE_F64] == op->kernels[DTYPE_BOOL]);
}

/* Another tape, on which some ops are run beside the one that is looked at. */
struct probe {
    struct arena arena;
    struct error error;
    struct tape tape;
};

static void probe_begin(struct finder *f, struct probe *p) {
    arena_init(&p->arena, f->arena.ceiling > f->arena.held ? f->arena.ceiling - f->arena.held : 0);
    error_clear(&p->error);
    tape_init(&p->tape, &p->arena, &p->error, f->t->limits);
}

/* The value of a node of some tape that needs no input; data NULL where it does, or fails. In the arena. */
static struct tensor value_of(struct finder *f, const struct tape *t, node_id x,
                              struct arena *arena) {
    struct program program;
    struct error error;
    struct tensor value = {0};
    error_clear(&error);
    if (!program_number(t, &x, 1, false, arena, &program)) return fail(f), value;
    if (program.n_inputs) return value;
    struct plan *plan = plan_place(&program, arena, &error);
    struct run *run = plan ? plan_run(plan, NULL, NULL, &error) : NULL;
    if (run) {
        value = run_result(run, 0);
        void *copy = arena_alloc(arena, tensor_bytes(&value) + 1);
        if (copy)
            memcpy(copy, value.data, tensor_bytes(&value));
        else
            fail(f);
        value.data = copy;
        run_end(run);
    }
    /* What is not found out for want of memory must not look like what cannot be. */
    if (error.code == ERROR_MEMORY_BUDGET) fail(f);
    plan_release(plan);
    return value;
}

/* The numbers from `begin` on as a literal. */
static node_id numbers(struct tape *t, const struct shape *shape, int64_t begin) {
    const int64_t n = shape_count(shape);
    double *data = arena_alloc(t->arena, (size_t)n * sizeof *data + 1);
    if (!data) {
        tape_fail_memory(t, "the pattern");
        return NODE_NONE;
    }
    for (int64_t i = 0; i < n; i++) data[i] = (double)(begin + i);
    return tape_const(t, DTYPE_F64, shape, data);
}

/* Argument x on the probe's tape: its elements' numbers from `begin` on where it depends on the seed, 0 in
 * place of other numbers, and indices as they are; NODE_NONE where these are bound. */
static node_id probe_argument(struct finder *f, struct probe *p, node_id x, int64_t begin) {
    const enum dtype dtype = tape_dtype(f->t, x);
    if (sets_of(f, x)) return numbers(&p->tape, tape_shape(f->t, x), begin);
    if (dtype_is_float(dtype)) return tape_fill(&p->tape, DTYPE_F64, tape_shape(f->t, x), 0);
    const struct tensor value = value_of(f, f->t, x, &p->arena);
    return value.data ? tape_const(&p->tape, dtype, &value.shape, value.data) : NODE_NONE;
}

/* y with other arguments; NODE_NONE where that cannot be. */
static node_id probe_node(struct finder *f, struct probe *p, node_id y, int op) {
    const struct node *n = tape_node(f->t, y);
    node_id *args = arena_alloc(&p->arena, (n->n_args + 1) * sizeof *args);
    int64_t begin = 1;
    if (!args) fail(f);
    for (uint32_t k = 0; args && k < n->n_args; k++) {
        const node_id x = node_args(f->t, n)[k];
        args[k] = probe_argument(f, p, x, begin);
        if (args[k] == NODE_NONE) return NODE_NONE;
        begin += count_of(f, x);
    }
    return args ? tape_emit(&p->tape, op, args, n->n_args, n->attrs, n->attrs_size) : NODE_NONE;
}

/* Each element of y is one of its arguments' elements, or a literal 0. False where that was not found out. */
static bool move_forward(struct finder *f, struct probe *p, node_id y, struct set *out) {
    const struct node *n = tape_node(f->t, y);
    if (!moves(op_of(n))) return false;
    const node_id image = probe_node(f, p, y, n->op);
    if (image == NODE_NONE) return false;
    const struct tensor from = value_of(f, &p->tape, image, &p->arena);
    for (int64_t i = 0; from.data && i < count_of(f, y); i++) {
        int64_t number = (int64_t)((const double *)from.data)[i] - 1;
        uint32_t k = 0;
        out[i] = (struct set){0};
        if (number < 0) continue;
        for (; number >= count_of(f, node_args(f->t, n)[k]); k++)
            number -= count_of(f, node_args(f->t, n)[k]);
        out[i] = sets_of(f, node_args(f->t, n)[k])[number];
    }
    return from.data;
}

/* ---- what adds up ------------------------------------------------------------------------------ */

/* Adds to each out[to[i] - 1] the sets of x's elements i. */
static bool add_up(struct finder *f, node_id x, const double *to, struct set *out, int64_t n_out) {
    const int64_t n = count_of(f, x);
    const struct set *sets = sets_of(f, x);
    int64_t *begin = arena_zalloc(&f->arena, ((size_t)n_out + 2) * sizeof *begin);
    struct set *sorted = arena_alloc(&f->arena, (size_t)(n + n_out) * sizeof *sorted);
    if (!begin || !sorted) return fail(f);
    /* One more in each line: what stands there already. */
    for (int64_t i = 0; i < n; i++) begin[(int64_t)to[i] + 1] += to[i] > 0;
    for (int64_t i = 0; i < n_out; i++) begin[i + 2] += begin[i + 1] + 1;
    for (int64_t i = 0; i < n_out; i++) sorted[begin[i + 1]++] = out[i];
    for (int64_t i = 0; i < n; i++)
        if (to[i] > 0) sorted[begin[(int64_t)to[i]]++] = sets[i];
    for (int64_t i = 0, at = 0; i < n_out; at = begin[++i])
        if (!unite(f, sorted + at, (size_t)(begin[i + 1] - at), &out[i])) return false;
    return true;
}

static bool all_move(const struct tape *t, node_id begin) {
    for (; begin < t->count; begin++)
        if (tape_node(t, begin)->n_args && !moves(op_of(tape_node(t, begin)))) return false;
    return true;
}

/* Each element of an argument is added to one of y's: the op's adjoint moves then. False where that was not found
 * out, or after a failure. */
static bool move_backward(struct finder *f, struct probe *p, node_id y, struct set *out) {
    const struct node *n = tape_node(f->t, y);
    const struct op *op = op_of(n);
    const bool folds = op->reducers[DTYPE_F64]; /* all of them mix what reduce_sum adds */
    if (!folds && !op->vjp) return false;
    const node_id image = probe_node(f, p, y, folds ? OP_reduce_sum : n->op);
    if (image == NODE_NONE) return false;
    const node_id g = numbers(&p->tape, tape_shape(f->t, y), 1);
    memset(out, 0, (size_t)count_of(f, y) * sizeof *out);
    for (uint32_t k = 0; k < n->n_args; k++) {
        const node_id x = node_args(f->t, n)[k], begin = p->tape.count;
        if (!sets_of(f, x)) continue;
        const node_id part = op_of(tape_node(&p->tape, image))->vjp(&p->tape, image, k, g);
        if (part == NODE_NONE || !all_move(&p->tape, begin)) return false;
        const struct tensor to = value_of(f, &p->tape, part, &p->arena);
        if (!to.data || !add_up(f, x, to.data, out, count_of(f, y))) return false;
    }
    return true;
}

/* ---- what mixes -------------------------------------------------------------------------------- */

/* Element i of y depends on element i of each argument. */
static bool pointwise(struct finder *f, node_id y, struct set *out) {
    const struct node *n = tape_node(f->t, y);
    const struct shape *shape = n->shape;
    const int64_t count = shape_count(shape);
    const struct set *from[NODE_INLINE_ARGS];
    int64_t stride[NODE_INLINE_ARGS][RANK_MAX] = {{0}}, at[NODE_INLINE_ARGS] = {0},
            index[RANK_MAX] = {0};
    uint32_t n_from = 0;
    for (uint32_t k = 0; k < n->n_args; k++) {
        const struct shape *x = tape_shape(f->t, n->arg[k]);
        int64_t own[RANK_MAX];
        if (!sets_of(f, n->arg[k])) continue;
        shape_strides(x, own);
        for (int axis = 0; axis < x->rank; axis++)
            stride[n_from][axis + shape->rank - x->rank] = x->dim[axis] == 1 ? 0 : own[axis];
        from[n_from++] = sets_of(f, n->arg[k]);
    }
    for (int64_t i = 0; i < count; i++) {
        struct set parts[NODE_INLINE_ARGS];
        for (uint32_t k = 0; k < n_from; k++) parts[k] = from[k][at[k]];
        if (!unite(f, parts, n_from, &out[i])) return false;
        for (int axis = shape->rank - 1; axis >= 0; axis--) {
            for (uint32_t k = 0; k < n_from; k++) at[k] += stride[k][axis];
            if (++index[axis] < shape->dim[axis]) break;
            for (uint32_t k = 0; k < n_from; k++) at[k] -= stride[k][axis] * shape->dim[axis];
            index[axis] = 0;
        }
    }
    return true;
}

/* Unions of `n` elements each from a matrix of n_lines lines, by rows or by columns. */
static bool unite_lines(struct finder *f, const struct set *matrix, int64_t n_lines, int64_t n,
                        bool by_columns, struct set *room, struct set *out) {
    for (int64_t i = 0; i < n_lines; i++) {
        for (int64_t k = 0; k < n; k++) room[k] = matrix[by_columns ? k * n_lines + i : i * n + k];
        if (!unite(f, room, (size_t)n, &out[i])) return false;
    }
    return true;
}

/* Element (i, j) of a product depends on row i of the one matrix and column j of the other. */
static bool product(struct finder *f, node_id y, struct set *out) {
    const struct node *n = tape_node(f->t, y);
    const struct matmul_attrs *a = n->attrs;
    const struct shape *left = tape_shape(f->t, n->arg[0]), *right = tape_shape(f->t, n->arg[1]);
    const int rank = n->shape->rank;
    const int64_t rows = n->shape->dim[rank - 2], columns = n->shape->dim[rank - 1];
    const int64_t inner = left->dim[left->rank - (a->transpose_a ? 2 : 1)];
    const int64_t matrices = shape_count(n->shape) ? shape_count(n->shape) / (rows * columns) : 0;
    if (!inner) memset(out, 0, (size_t)shape_count(n->shape) * sizeof *out);
    if (!inner || !matrices) return true;
    const int64_t l = shape_count(left) / (rows * inner),
                  r = shape_count(right) / (inner * columns);
    const struct set *x = sets_of(f, n->arg[0]), *z = sets_of(f, n->arg[1]);
    struct set *room = arena_zalloc(&f->arena, (size_t)(rows + columns + inner) * sizeof *room);
    /* Matrices that are broadcast over others are left to the rule for what is not known. */
    if (!room) return fail(f);
    if ((l != matrices && l != 1) || (r != matrices && r != 1)) return false;
    for (int64_t m = 0; m < matrices; m++, out += rows * columns) {
        struct set *of_rows = room + inner, *of_columns = of_rows + rows;
        if (x && !unite_lines(f, x + (l > 1 ? m * rows * inner : 0), rows, inner, a->transpose_a,
                              room, of_rows))
            return false;
        if (z && !unite_lines(f, z + (r > 1 ? m * inner * columns : 0), columns, inner,
                              !a->transpose_b, room, of_columns))
            return false;
        for (int64_t i = 0; i < rows * columns; i++) {
            const struct set both[2] = {of_rows[i / columns], of_columns[i % columns]};
            if (!unite(f, both, 2, &out[i])) return false;
        }
    }
    return true;
}

/* Every element of y depends on all that y reads. */
static bool mix(struct finder *f, node_id y, struct set *out) {
    const struct node *n = tape_node(f->t, y);
    struct set all = {0};
    for (uint32_t k = 0; k < n->n_args; k++) {
        const node_id x = node_args(f->t, n)[k];
        struct set both[2] = {all};
        if (!sets_of(f, x)) continue;
        if (!unite(f, sets_of(f, x), (size_t)count_of(f, x), &both[1]) || !unite(f, both, 2, &all))
            return false;
    }
    for (int64_t i = 0; i < count_of(f, y); i++) out[i] = all;
    return true;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static bool find_by_moving(struct finder *f, node_id y, struct set *out) {
    struct probe p;
    probe_begin(f, &p);
    const bool found = move_forward(f, &p, y, out) || move_backward(f, &p, y, out);
    if (p.error.code == ERROR_MEMORY_BUDGET) fail(f);
    arena_free(&p.arena);
    return found && !f->failed;
}

/* Sets of the elements of y, some argument of which depends on the seed. */
static bool find(struct finder *f, node_id y) {
    const struct node *n = tape_node(f->t, y);
    struct list **list = &f->list[y - f->first];
    const int64_t count = count_of(f, y);
    if (op_of(n)->flags & OP_VIEW && n->n_args == 1) {
        *list = f->list[n->arg[0] - f->first];
        (*list)->users++;
        return true;
    }
    const size_t size = sizeof **list + (size_t)count * sizeof(struct set);
    *list = account_alloc(&f->account, size);
    if (!*list) return fail(f);
    **list = (struct list){.users = 1, .size = size};
    struct set *out = (*list)->sets;
    if (!spend(f, count + NODE_STEPS)) return false;
    if (op_of(n)->flags & OP_POINTWISE && n->n_args <= NODE_INLINE_ARGS)
        return pointwise(f, y, out);
    const bool found = n->op == OP_matmul ? product(f, y, out) : find_by_moving(f, y, out);
    return found || (!f->failed && mix(f, y, out));
}

/* Makes rows of an output's sets; all of them empty where there are none. */
static bool write_rows(struct finder *f, node_id output, struct pattern *out) {
    const struct set *sets = sets_of(f, output);
    out->n_rows = count_of(f, output);
    out->begin = arena_zalloc(f->t->arena, ((size_t)out->n_rows + 1) * sizeof *out->begin);
    if (!out->begin) return fail(f);
    for (int64_t i = 0; i < out->n_rows; i++)
        out->begin[i + 1] = out->begin[i] + (sets ? sets[i].n : 0);
    const int64_t n = out->begin[out->n_rows];
    if (!spend(f, n)) return false;
    out->column = arena_alloc(f->t->arena, (size_t)n * sizeof *out->column + 1);
    if (!out->column) return fail(f);
    for (int64_t i = 0; sets && i < out->n_rows; i++)
        if (sets[i].n)
            memcpy(out->column + out->begin[i], f->pool + sets[i].at, sets[i].n * sizeof(int32_t));
    return true;
}

static bool begin(struct finder *f, node_id seed, node_id output) {
    const int64_t n = count_of(f, seed);
    const size_t size = sizeof(struct list) + (size_t)n * sizeof(struct set);
    f->n = output >= seed ? output - seed + 1 : 1;
    if (!spend(f, f->n + n)) return false;
    f->list = arena_zalloc(&f->arena, f->n * sizeof(struct list *));
    f->wanted = arena_zalloc(&f->arena, f->n);
    f->uses = arena_zalloc(&f->arena, f->n * sizeof *f->uses);
    f->stamp = arena_zalloc(&f->arena, (size_t)n * sizeof *f->stamp + 1);
    struct list *own = account_alloc(&f->account, size);
    if (!f->list || !f->wanted || !f->uses || !f->stamp || !own || !make_room(f, (size_t)n)) {
        account_free(&f->account, own, size);
        return fail(f);
    }
    *own = (struct list){.users = 1, .size = size};
    for (int32_t i = 0; i < n; i++) {
        own->sets[i] = (struct set){(uint32_t)i, 1};
        f->pool[i] = i;
    }
    f->used = (uint32_t)n;
    f->list[0] = own;
    tape_mark_ancestors(f->t, f->first, f->n, &output, 1, f->wanted);
    for (uint32_t i = 1; i < f->n; i++)
        for (uint32_t k = 0; f->wanted[i] && k < tape_node(f->t, f->first + i)->n_args; k++) {
            const node_id x = tape_arg(f->t, f->first + i, k);
            if (in_range(f, x)) f->uses[x - f->first]++;
        }
    return true;
}

/* Node y has read its arguments. */
static void end_uses(struct finder *f, node_id y) {
    for (uint32_t k = 0; k < tape_node(f->t, y)->n_args; k++) {
        const node_id x = tape_arg(f->t, y, k);
        if (!in_range(f, x) || --f->uses[x - f->first]) continue;
        release(f, f->list[x - f->first]);
        f->list[x - f->first] = NULL;
    }
}

static bool find_all(struct finder *f, node_id seed, node_id output) {
    if (!begin(f, seed, output)) return false;
    for (uint32_t i = 1; i < f->n; i++) {
        const node_id y = f->first + i;
        bool any = false;
        if (!f->wanted[i]) continue;
        for (uint32_t k = 0; !any && k < tape_node(f->t, y)->n_args; k++)
            any = sets_of(f, tape_arg(f->t, y, k));
        if (any && dtype_is_float(tape_dtype(f->t, y)) && !find(f, y)) return false;
        end_uses(f, y);
    }
    return true;
}

bool pattern_find(struct tape *t, node_id seed, node_id output, int64_t steps,
                  struct pattern *out) {
    const size_t left = t->arena->ceiling > t->arena->held ? t->arena->ceiling - t->arena->held : 0;
    struct finder f = {.t = t, .first = seed, .steps = steps, .account.limit = left / 2};
    if (!tape_ok(t)) return false;
    *out = (struct pattern){.n_columns = count_of(&f, seed)};
    if (out->n_columns > INT32_MAX) return false;
    arena_init(&f.arena, left / 2);
    const bool found = find_all(&f, seed, output) && write_rows(&f, output, out);
    for (uint32_t i = 0; f.list && i < f.n; i++) release(&f, f.list[i]);
    arena_free(&f.arena);
    return found;
}
