/* Sums of products by subscripts. Operands lose their repeated labels to diagonals and the labels that
 * nothing else reads to sums, then pairs are contracted, the cheapest first, each by one product of
 * matrices. All of it is composed, so that derivatives of every order come from those ops. */
#include "core/einsum.h"

#include <math.h>
#include <string.h>

enum { GREEDY_MOST = 16 };

/* ---- one term ---------------------------------------------------------------------------------- */

static struct shape shape_of(const struct einsum *e, const struct term *term) {
    struct shape s = {.rank = term->n};
    for (int i = 0; i < term->n; i++) s.dim[i] = e->dim[term->label[i]];
    return s;
}

/* An ellipsis' axis of length 1 broadcasts: the term does without it. */
static void drop_broadcast(struct einsum *e, struct term *term) {
    const struct shape from = *tape_shape(e->t, term->x);
    int n = 0;
    for (int i = 0; i < term->n; i++)
        if (from.dim[i] == e->dim[term->label[i]]) term->label[n++] = term->label[i];
    term->n = n;
    const struct shape to = shape_of(e, term);
    term->x = emit_reshape(e->t, term->x, &to);
}

static void permute(struct einsum *e, struct term *term, const int64_t *perm) {
    const struct term from = *term;
    for (int i = 0; i < term->n; i++) term->label[i] = from.label[perm[i]];
    term->x = emit_transpose(e->t, term->x, perm);
}

/* Of `times` axes of one label, brought to the end, the diagonal: a strided slice of them laid out
 * flat. An empty tensor is only seen anew. */
static void diagonal(struct einsum *e, struct term *term, uint8_t label, int times) {
    int64_t perm[RANK_MAX], begin[RANK_MAX] = {0}, stride[RANK_MAX];
    int n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < term->n; i++)
            if ((term->label[i] == label) == (pass == 1)) perm[n++] = i;
    permute(e, term, perm);
    struct shape flat = shape_of(e, term);
    const bool empty = shape_count(&flat) == 0;
    term->n -= times - 1;
    const struct shape line = shape_of(e, term);
    flat.rank = line.rank;
    for (int i = 0; i < flat.rank; i++) stride[i] = 1;
    int64_t *step = &stride[flat.rank - 1], *length = &flat.dim[flat.rank - 1];
    for (int i = 1; i < times && !empty; i++) {
        *step += *length;
        *length *= e->dim[label];
    }
    term->x = emit_reshape(e->t, term->x, empty ? &line : &flat);
    if (!empty) term->x = emit_strided_slice(e->t, term->x, &line, begin, stride);
}

static void diagonals(struct einsum *e, struct term *term) {
    for (int i = 0; i < term->n; i++) {
        int times = 0;
        for (int k = 0; k < term->n; k++) times += term->label[k] == term->label[i];
        if (times == 1) continue;
        diagonal(e, term, term->label[i], times);
        i = -1;
    }
}

/* Sums over labels that nothing else reads. */
static void sum_unread(struct einsum *e, struct term *term) {
    uint32_t axes = 0;
    int n = 0;
    for (int i = 0; i < term->n; i++) {
        if (e->uses[term->label[i]] == 1)
            axes |= 1u << i;
        else
            term->label[n++] = term->label[i];
    }
    term->n = n;
    if (axes) term->x = emit_reduce(e->t, OP_reduce_sum, term->x, axes, false);
}

/* ---- two terms --------------------------------------------------------------------------------- */

/* The labels of a pair by how they are read: in both and elsewhere, in both alone, in one alone. */
struct labels {
    int n;
    uint8_t label[RANK_MAX];
};
struct pair {
    struct labels batch, summed, left, right;
};

static void add_label(struct labels *labels, uint8_t label) { labels->label[labels->n++] = label; }
static bool has(const struct term *term, uint8_t label) {
    return memchr(term->label, label, (size_t)term->n) != NULL;
}

static struct pair pair_of(const struct einsum *e, const struct term *a, const struct term *b) {
    struct pair pair = {.batch = {0}};
    for (int i = 0; i < a->n; i++) {
        const uint8_t label = a->label[i];
        add_label(!has(b, label)       ? &pair.left
                  : e->uses[label] > 2 ? &pair.batch
                                       : &pair.summed,
                  label);
    }
    for (int i = 0; i < b->n; i++)
        if (!has(a, b->label[i])) add_label(&pair.right, b->label[i]);
    return pair;
}

/* The order of axes that puts the labels of three lists one after another; true where it changes
 * nothing. */
static bool arranged(const struct term *term, const struct labels *first,
                     const struct labels *second, const struct labels *third, int64_t *perm) {
    const struct labels *const lists[] = {first, second, third};
    bool same = true;
    int n = 0;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < lists[k]->n; i++) {
            const uint8_t *at = memchr(term->label, lists[k]->label[i], (size_t)term->n);
            perm[n] = at - term->label;
            same = same && perm[n] == n;
            n++;
        }
    }
    return same;
}

/* The product of dimensions; what overflows belongs to an empty tensor, or to one that is refused. */
static int64_t extent(const struct einsum *e, const struct labels *labels) {
    int64_t n = 1;
    for (int i = 0; i < labels->n; i++)
        if (__builtin_mul_overflow(n, e->dim[labels->label[i]], &n)) n = INT64_MAX;
    return n;
}

/* A term as matrices: (batch, rows, columns), or the other way round where that moves nothing. */
static node_id matrices(struct einsum *e, const struct term *term, const struct labels *batch,
                        const struct labels *rows, const struct labels *columns, bool *transposed) {
    int64_t perm[RANK_MAX];
    const bool turned = arranged(term, batch, columns, rows, perm);
    *transposed = !arranged(term, batch, rows, columns, perm) && turned;
    const struct labels *second = *transposed ? columns : rows,
                        *third = *transposed ? rows : columns;
    const struct shape shape = {.rank = 3,
                                .dim = {extent(e, batch), extent(e, second), extent(e, third)}};
    const node_id x = *transposed ? term->x : emit_transpose(e->t, term->x, perm);
    return emit_reshape(e->t, x, &shape);
}

static void append(struct term *term, const struct labels *labels) {
    for (int i = 0; i < labels->n; i++) term->label[term->n++] = labels->label[i];
}

/* a becomes the product of a and b. */
static bool contract(struct einsum *e, struct term *a, const struct term *b) {
    const struct pair pair = pair_of(e, a, b);
    const int rank = pair.batch.n + pair.left.n + pair.right.n;
    bool turn_a, turn_b;
    if (rank > RANK_MAX) {
        tape_fail(e->t, ERROR_GRAPH_TOO_LARGE,
                  "einsum: a product of rank %d in \"%.80s\"; at most %d is allowed", rank,
                  e->equation, RANK_MAX);
        return false;
    }
    const node_id x = matrices(e, a, &pair.batch, &pair.left, &pair.summed, &turn_a);
    const node_id y = matrices(e, b, &pair.batch, &pair.summed, &pair.right, &turn_b);
    a->x = pair.summed.n ? emit_matmul(e->t, x, y, turn_a, turn_b) : emit_multiply(e->t, x, y);
    a->n = 0;
    append(a, &pair.batch);
    append(a, &pair.left);
    append(a, &pair.right);
    for (int i = 0; i < pair.batch.n; i++) e->uses[pair.batch.label[i]]--;
    const struct shape shape = shape_of(e, a);
    a->x = emit_reshape(e->t, a->x, &shape);
    return tape_ok(e->t);
}

/* The multiplications of a contraction, and the elements of its result. */
static double cost(const struct einsum *e, const struct pair *pair, double *size) {
    *size = (double)extent(e, &pair->batch) * (double)extent(e, &pair->left) *
            (double)extent(e, &pair->right);
    if (pair->batch.n + pair->left.n + pair->right.n > RANK_MAX) *size = INFINITY;
    return *size * (double)extent(e, &pair->summed);
}

/* The cheapest pair, the first of equal ones; the last two where there are too many to compare. */
static void choose(const struct einsum *e, size_t *first, size_t *second) {
    double least = INFINITY, smallest = INFINITY;
    *first = e->n - 2;
    *second = e->n - 1;
    for (size_t i = 0; i < e->n && e->n <= GREEDY_MOST; i++) {
        for (size_t k = i + 1; k < e->n; k++) {
            const struct pair pair = pair_of(e, &e->terms[i], &e->terms[k]);
            double size;
            const double work = cost(e, &pair, &size);
            if (!(work < least || (work == least && size < smallest))) continue;
            least = work;
            smallest = size;
            *first = i;
            *second = k;
        }
    }
}

/* ---- the op ------------------------------------------------------------------------------------ */

static bool check_inputs(struct tape *t, const struct op_arg *inputs) {
    for (size_t i = 1; i < inputs->n; i++) {
        const enum dtype dtype = tape_dtype(t, inputs->nodes[i]),
                         expected = tape_dtype(t, inputs->nodes[0]);
        if (dtype == expected) continue;
        tape_fail(
            t, ERROR_DTYPE_MISMATCH,
            "einsum: input #%zu (zero-based) was expected to be a %s tensor but is a %s tensor", i,
            dtype_name(expected), dtype_name(dtype));
        return false;
    }
    return true;
}

static void count_uses(struct einsum *e, const struct term *term) {
    for (int i = 0; i < term->n; i++) e->uses[term->label[i]]++;
}

static node_id reduce_terms(struct einsum *e) {
    for (size_t i = 0; i < e->n && tape_ok(e->t); i++) {
        drop_broadcast(e, &e->terms[i]);
        diagonals(e, &e->terms[i]);
        count_uses(e, &e->terms[i]);
    }
    count_uses(e, &e->result);
    for (size_t i = 0; i < e->n && tape_ok(e->t); i++) sum_unread(e, &e->terms[i]);
    while (e->n > 1 && tape_ok(e->t)) {
        size_t first, second;
        choose(e, &first, &second);
        if (!contract(e, &e->terms[first], &e->terms[second])) return NODE_NONE;
        memmove(&e->terms[second], &e->terms[second + 1], (--e->n - second) * sizeof *e->terms);
    }
    int64_t perm[RANK_MAX];
    for (int i = 0; i < e->result.n; i++) {
        const uint8_t *at = memchr(e->terms->label, e->result.label[i], (size_t)e->terms->n);
        perm[i] = at - e->terms->label;
    }
    return emit_transpose(e->t, e->terms->x, perm);
}

static node_id einsum_emit(struct tape *t, const struct op_arg *args) {
    const size_t n = args[1].n;
    struct einsum e = {.t = t, .n = n};
    if (!check_inputs(t, &args[1])) return NODE_NONE;
    e.terms = arena_zalloc(t->arena, (n + 1) * sizeof *e.terms);
    if (!e.terms) return tape_fail_memory(t, "einsum"), NODE_NONE;
    for (size_t i = 0; i < n; i++) e.terms[i].x = args[1].nodes[i];
    return einsum_read(&e, args[0].string) ? reduce_terms(&e) : NODE_NONE;
}
const struct op op_einsum = {
    .name = "einsum",
    .notation = "y = sums of products by subscripts: \"ij,jk->ik\" is y_ik = sum_j a_ij b_jk",
    .kind = OP_COMPOSITE,
    .flags = OP_VARIADIC,
    .params = {{"equation", PARAM_STRING, false}, {"inputs", PARAM_TENSORS, false}},
    .dtypes = DTYPES_NUMBERS,
    .emit = einsum_emit};
