/* Whole derivatives, graph to graph: Jacobians, Hessians and Hessian-vector products, made of the
 * passes of grad.c and forward.c. All rows of a Jacobian are one batch over unit seeds; nothing here
 * runs in a loop when the plan runs. It knows no op's derivative. */
#include <inttypes.h>

#include "core/emit.h"
#include "core/jacobian.h"

/* Rows are batched in blocks whose intermediate values are about this many bytes, so that a large
 * Jacobian takes little more memory than it has elements, and a block stays near the cores. A constant:
 * the same request must give the same plan on every machine. */
enum { BLOCK_BYTES = 16 << 20 };

static bool fail_memory(struct tape *t) { return tape_fail_memory(t, "the derivative"); }

/* ---- unit seeds --------------------------------------------------------------------------------- */

/* begin, begin + 1, ... as a vector; limits.elements keeps it within int32. */
static node_id count_up(struct tape *t, int64_t begin, int64_t n) {
    int32_t *data = arena_alloc(t->arena, (size_t)n * sizeof *data);
    if (!data) {
        fail_memory(t);
        return NODE_NONE;
    }
    for (int64_t i = 0; i < n; i++) data[i] = (int32_t)(begin + i);
    return tape_const(t, DTYPE_I32, &(struct shape){.rank = 1, .dim = {n}}, data);
}

static node_id as_matrix(struct tape *t, node_id x, int64_t rows, int64_t columns) {
    return emit_reshape(t, x, &(struct shape){.rank = 2, .dim = {rows, columns}});
}

/* Seeds begin to begin + n - 1 of those that are 1 where `labels` says their number: shape (n,) + shape of
 * `seed`. */
static node_id unit_seeds(struct tape *t, node_id seed, node_id labels, int64_t begin, int64_t n) {
    struct shape shape;
    if (!shape_lead(t, tape_shape(t, seed), n, &shape)) return NODE_NONE;
    node_id row = as_matrix(t, count_up(t, begin, n), n, 1);
    node_id one = emit_equal(t, row, labels);
    return emit_reshape(t, emit_cast(t, one, tape_dtype(t, seed)), &shape);
}

/* Bytes of what was appended since `seed`, which one row costs at most. */
static int64_t row_bytes(const struct tape *t, node_id seed) {
    int64_t sum = 0;
    for (node_id i = seed; i < t->count; i++) {
        const int64_t bytes = shape_count(tape_shape(t, i)) * (int64_t)dtype_size(tape_dtype(t, i));
        if (__builtin_add_overflow(sum, bytes, &sum)) return INT64_MAX;
    }
    return sum;
}

/* One block: `outputs` for n of the seeds from `begin` on. */
static bool block_rows(struct tape *t, node_id seed, node_id labels, int64_t begin, int64_t n,
                       const node_id *outputs, size_t n_outputs, node_id *rows) {
    const node_id units = unit_seeds(t, seed, labels, begin, n);
    if (units == NODE_NONE || !tape_batch(t, &seed, &units, 1, outputs, n_outputs, rows))
        return false;
    for (size_t i = 0; i < n_outputs; i++)
        if (rows[i] == outputs[i]) rows[i] = emit_repeat(t, rows[i], n);
    return tape_ok(t);
}

bool jacobian_rows(struct tape *t, node_id seed, node_id labels, int64_t count,
                   const node_id *outputs, size_t n_outputs, node_id *rows) {
    if (n_outputs == 0 || !tape_ok(t)) return tape_ok(t);
    const int64_t bytes = row_bytes(t, seed);
    int64_t size = bytes < BLOCK_BYTES ? BLOCK_BYTES / (bytes > 0 ? bytes : 1) : 1;
    if (size >= count) return block_rows(t, seed, labels, 0, count, outputs, n_outputs, rows);

    const int64_t blocks = (count + size - 1) / size;
    node_id *parts = arena_alloc(t->arena, (size_t)blocks * n_outputs * sizeof *parts);
    node_id *block = arena_alloc(t->arena, n_outputs * sizeof *block);
    if (!parts || !block) return fail_memory(t);
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t begin = b * size, n = count - begin < size ? count - begin : size;
        if (!block_rows(t, seed, labels, begin, n, outputs, n_outputs, block)) return false;
        for (size_t i = 0; i < n_outputs; i++) parts[(int64_t)i * blocks + b] = block[i];
    }
    for (size_t i = 0; i < n_outputs; i++)
        rows[i] = emit_concat(t, parts + (int64_t)i * blocks, (uint32_t)blocks, 0);
    return tape_ok(t);
}

/* One row for each element of the seed. */
static bool unit_rows(struct tape *t, node_id seed, const node_id *outputs, size_t n_outputs,
                      node_id *rows) {
    const int64_t count = shape_count(tape_shape(t, seed));
    return jacobian_rows(t, seed, count_up(t, 0, count), count, outputs, n_outputs, rows);
}

/* ---- shapes ------------------------------------------------------------------------------------- */

/* The shape of the derivative of y by x, y.shape + x.shape; refused before anything is spent. */
static bool joined(struct tape *t, node_id y, node_id x, struct shape *out) {
    const struct shape *a = tape_shape(t, y), *b = tape_shape(t, x);
    if (a->rank + b->rank > RANK_MAX) {
        char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];
        tape_fail(t, ERROR_GRAPH_TOO_LARGE,
                  "the derivative of shape %s by shape %s has rank %d; at most %d is allowed",
                  shape_text(a, a_text), shape_text(b, b_text), a->rank + b->rank, RANK_MAX);
        return false;
    }
    *out = *a;
    for (int i = 0; i < b->rank; i++) out->dim[out->rank++] = b->dim[i];
    int64_t count;
    if (shape_count_within(out, t->limits.elements, &count)) return true;
    char text[SHAPE_TEXT];
    tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
              "a derivative of shape %s has more than the %" PRId64 " elements a tensor may have",
              shape_text(out, text), t->limits.elements);
    return false;
}

static node_id flipped(struct tape *t, node_id matrix) {
    return emit_transpose(t, matrix, (int64_t[]){1, 0});
}

/* Rows of cotangents of x, one for each element of y, as the derivative of y by x. */
static node_id from_rows(struct tape *t, node_id rows, node_id y, node_id x) {
    struct shape shape;
    if (!joined(t, y, x, &shape)) return NODE_NONE;
    return emit_cast(t, emit_reshape(t, rows, &shape), tape_dtype(t, x));
}

/* Rows of tangents of y, one for each element of x, as the derivative of y by x. */
static node_id from_columns(struct tape *t, node_id columns, node_id y, node_id x) {
    const int64_t n_x = shape_count(tape_shape(t, x)), n_y = shape_count(tape_shape(t, y));
    return from_rows(t, flipped(t, as_matrix(t, columns, n_x, n_y)), y, x);
}

/* ---- Jacobians ---------------------------------------------------------------------------------- */

struct window jacobian_window(const struct tape *t, const struct window *w) {
    struct window all = *w;
    all.end = t->count;
    return all;
}

/* The derivative of y by x column by column: tangents of the unit vectors of x. */
static node_id forward_jacobian(struct tape *t, node_id y, node_id x) {
    node_id seed = tape_input(t, tape_dtype(t, x), tape_shape(t, x)), y_dot, columns;
    struct shape shape;
    if (!joined(t, y, x, &shape) || !tape_jvp(t, &x, &seed, 1, &y, 1, &y_dot)) return NODE_NONE;
    if (y_dot == NODE_NONE) return tape_fill(t, tape_dtype(t, x), &shape, 0);
    return unit_rows(t, seed, &y_dot, 1, &columns) ? from_columns(t, columns, y, x) : NODE_NONE;
}

/* Keeps the nodes that there are; `places` says where they stood. */
static size_t present(const node_id *nodes, size_t n, node_id *kept, size_t *places) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (nodes[i] == NODE_NONE) continue;
        kept[k] = nodes[i];
        places[k++] = i;
    }
    return k;
}

bool tape_jacobian(struct tape *t, const struct window *w, node_id target, const node_id *sources,
                   size_t n_sources, node_id *jacobians) {
    /* TensorFlow flattens the target on the tape first, which records an op on it: a target that is
     * not on the tape has no Jacobian by itself. */
    const node_id y = emit1(t, OP_identity, target);
    if (y == NODE_NONE) return false;
    const struct window all = jacobian_window(t, w);
    const node_id seed = tape_input(t, tape_dtype(t, y), tape_shape(t, y));
    if (!tape_gradient(t, &all, &y, &seed, 1, sources, n_sources, jacobians)) return false;

    node_id *kept = arena_alloc(t->arena, 2 * (n_sources + 1) * sizeof *kept);
    size_t *places = arena_alloc(t->arena, (n_sources + 1) * sizeof *places);
    if (!kept || !places) return fail_memory(t);
    node_id *rows = kept + n_sources + 1;
    const size_t n = present(jacobians, n_sources, kept, places);
    int64_t width = 0;
    for (size_t i = 0; i < n; i++) width += shape_count(tape_shape(t, sources[places[i]]));
    /* Forward mode sees every op, a tape that looked on while the program grew perhaps not. */
    if (!w->seen && width < shape_count(tape_shape(t, y))) {
        for (size_t i = 0; i < n; i++)
            jacobians[places[i]] = forward_jacobian(t, target, sources[places[i]]);
        return tape_ok(t);
    }
    struct shape unused;
    for (size_t i = 0; i < n; i++)
        if (!joined(t, y, sources[places[i]], &unused)) return false;
    if (!unit_rows(t, seed, kept, n, rows)) return false;
    for (size_t i = 0; i < n; i++)
        jacobians[places[i]] = from_rows(t, rows[i], y, sources[places[i]]);
    return tape_ok(t);
}

/* ---- Hessians ----------------------------------------------------------------------------------- */

/* The blocks of a Hessian while it is made. */
struct hessian {
    const node_id *source, *gradient;
    size_t n;
    bool *connected; /* n * n: block (i, j) is not None */
    size_t *same;    /* the first source that is the same node */
    node_id *block;  /* n * n, the answer */
};

bool hessian_connected(struct tape *t, const struct window *w, const node_id *gradients,
                       const node_id *sources, size_t n, bool *connected) {
    node_id *second = arena_alloc(t->arena, (n + 1) * sizeof *second);
    if (!second) return fail_memory(t);
    for (size_t i = 0; i < n; i++) {
        if (gradients[i] == NODE_NONE) continue;
        const node_id g = emit1(t, OP_identity, gradients[i]);
        const struct window all = jacobian_window(t, w);
        if (g == NODE_NONE || !tape_gradient(t, &all, &g, NULL, 1, sources, n, second))
            return false;
        for (size_t j = 0; j < n; j++) connected[i * n + j] = second[j] != NODE_NONE;
    }
    return true;
}

/* The upper triangle and its mirror image. Unlike a mean with the transpose this rounds nothing,
 * overflows nowhere, and gives both halves the same bits. */
static node_id mirrored(struct tape *t, node_id m, int64_t n) {
    const node_id column = count_up(t, 0, n);
    const node_id upper = emit_less_equal(t, as_matrix(t, column, n, 1), column);
    return emit_where(t, upper, m, flipped(t, m));
}

/* From the tangents of g_i along the unit vectors of x_j: block (i, j), and (j, i) by symmetry. */
static void set_blocks(struct tape *t, struct hessian *h, size_t i, size_t j, node_id tangents) {
    const node_id x_i = h->source[i], x_j = h->source[j];
    const int64_t n_i = shape_count(tape_shape(t, x_i)), n_j = shape_count(tape_shape(t, x_j));
    node_id m = as_matrix(t, tangents, n_j, n_i);
    if (i == j) m = mirrored(t, m, n_j);
    if (h->connected[j * h->n + i]) h->block[j * h->n + i] = from_rows(t, m, x_j, x_i);
    if (i != j && h->connected[i * h->n + j]) h->block[i * h->n + j] = from_columns(t, m, x_i, x_j);
}

/* Block (i, i), where it can be had of few products. */
static bool set_compressed(struct tape *t, struct hessian *h, size_t i) {
    struct shape unused;
    const node_id x = h->source[i], g = h->gradient[i];
    if (!h->connected[i * h->n + i] || g == NODE_NONE || !joined(t, x, x, &unused)) return false;
    const node_id m = hessian_compressed(t, g, x);
    if (m != NODE_NONE) h->block[i * h->n + i] = from_rows(t, m, x, x);
    return m != NODE_NONE;
}

/* All blocks (i, j) with i <= j, forward over reverse, and their mirror images. */
static bool column_of_blocks(struct tape *t, struct hessian *h, size_t j, node_id *room,
                             size_t *places) {
    node_id *outputs = room, *tangents = room + h->n, *rows = room + 2 * h->n;
    struct shape unused;
    size_t n = 0;
    const size_t end = set_compressed(t, h, j) ? j : j + 1;
    for (size_t i = 0; i < end; i++) {
        const bool wanted = h->connected[i * h->n + j] || h->connected[j * h->n + i];
        if (h->same[i] != i || !wanted || h->gradient[i] == NODE_NONE) continue;
        if (!joined(t, h->source[i], h->source[j], &unused)) return false;
        outputs[n] = h->gradient[i];
        places[n++] = i;
    }
    const node_id x = h->source[j], seed = tape_input(t, tape_dtype(t, x), tape_shape(t, x));
    if (n == 0) return tape_ok(t);
    if (!tape_jvp(t, &x, &seed, 1, outputs, n, tangents)) return false;
    for (size_t i = 0; i < n; i++)
        if (tangents[i] == NODE_NONE) tangents[i] = emit_zeros_like(t, outputs[i]);
    if (!unit_rows(t, seed, tangents, n, rows)) return false;
    for (size_t i = 0; i < n; i++) set_blocks(t, h, places[i], j, rows[i]);
    return tape_ok(t);
}

bool tape_hessian(struct tape *t, const struct window *w, const node_id *gradients,
                  const node_id *sources, size_t n, node_id *blocks) {
    struct hessian h = {.source = sources, .gradient = gradients, .n = n, .block = blocks};
    if (!tape_ok(t) || !tape_walk(t, (int64_t)n * (int64_t)n)) return false;
    h.connected = arena_zalloc(t->arena, n * n + 1);
    h.same = arena_alloc(t->arena, 2 * (n + 1) * sizeof *h.same);
    node_id *room = arena_alloc(t->arena, 3 * (n + 1) * sizeof *room);
    if (!h.connected || !h.same || !room) return fail_memory(t);
    for (size_t i = 0; i < n * n; i++) blocks[i] = NODE_NONE;
    for (size_t i = 0; i < n; i++) {
        h.same[i] = 0;
        while (sources[h.same[i]] != sources[i]) h.same[i]++;
    }
    if (!hessian_connected(t, w, gradients, sources, n, h.connected)) return false;
    for (size_t j = 0; j < n; j++)
        if (h.same[j] == j && !column_of_blocks(t, &h, j, room, h.same + n + 1)) return false;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) blocks[i * n + j] = blocks[h.same[i] * n + h.same[j]];
    return true;
}

/* ---- directions --------------------------------------------------------------------------------- */

bool tape_directional(struct tape *t, const node_id *primals, const node_id *tangents,
                      size_t n_primals, const node_id *outputs, size_t n_outputs,
                      node_id *derivatives) {
    bool *seen = arena_zalloc(t->arena, t->count + 1), independent = true;
    if (!seen) return fail_memory(t);
    for (size_t i = 0; i < n_primals; i++) {
        independent = independent && tape_node(t, primals[i])->op == OP_input && !seen[primals[i]];
        seen[primals[i]] = true;
    }
    if (independent)
        return tape_jvp(t, primals, tangents, n_primals, outputs, n_outputs, derivatives);

    node_id *part = arena_alloc(t->arena, (n_outputs + 1) * sizeof *part);
    if (!part) return fail_memory(t);
    for (size_t k = 0; k < n_outputs; k++) derivatives[k] = NODE_NONE;
    for (size_t i = 0; i < n_primals; i++) {
        if (!tape_jvp(t, &primals[i], &tangents[i], 1, outputs, n_outputs, part)) return false;
        for (size_t k = 0; k < n_outputs; k++) {
            if (part[k] == NODE_NONE) continue;
            derivatives[k] =
                derivatives[k] == NODE_NONE ? part[k] : emit_add(t, derivatives[k], part[k]);
        }
    }
    return tape_ok(t);
}

bool tape_hvp(struct tape *t, const struct window *w, const node_id *gradients,
              const node_id *sources, size_t n, const node_id *primals, const node_id *vector,
              size_t n_vector, node_id *products) {
    node_id *outputs = arena_alloc(t->arena, 2 * (n + 1) * sizeof *outputs);
    size_t *places = arena_alloc(t->arena, (n + 1) * sizeof *places);
    if (!outputs || !places) return fail_memory(t);
    node_id *targets = outputs + n + 1;
    const size_t n_targets = present(gradients, n, targets, places);
    for (size_t i = 0; i < n_targets; i++) targets[i] = emit1(t, OP_identity, targets[i]);
    const struct window all = jacobian_window(t, w);
    if (!tape_ok(t) || !tape_gradient(t, &all, targets, NULL, n_targets, sources, n, products))
        return false;

    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (products[i] == NODE_NONE) continue;
        places[k] = i;
        /* What has no first derivative but reaches a second one cannot be: its product is 0. */
        outputs[k++] = gradients[i] != NODE_NONE ? gradients[i] : emit_zeros_like(t, sources[i]);
    }
    if (!tape_ok(t) || !tape_directional(t, primals, vector, n_vector, outputs, k, targets))
        return false;
    for (size_t i = 0; i < k; i++)
        products[places[i]] = targets[i] != NODE_NONE ? targets[i] : emit_zeros_like(t, outputs[i]);
    return tape_ok(t);
}

bool tape_vjp_batch(struct tape *t, const struct window *w, const node_id *targets,
                    const node_id *stacked, size_t n_targets, const node_id *sources,
                    size_t n_sources, node_id *gradients) {
    node_id *seeds = arena_alloc(t->arena, (n_targets + 1) * sizeof *seeds);
    node_id *kept = arena_alloc(t->arena, 2 * (n_sources + 1) * sizeof *kept);
    size_t *places = arena_alloc(t->arena, (n_sources + 1) * sizeof *places);
    if (!seeds || !kept || !places) return fail_memory(t);
    for (size_t i = 0; i < n_targets; i++)
        seeds[i] = tape_input(t, tape_dtype(t, targets[i]), tape_shape(t, targets[i]));
    if (!tape_ok(t) ||
        !tape_gradient(t, w, targets, seeds, n_targets, sources, n_sources, gradients))
        return false;
    const size_t n = present(gradients, n_sources, kept, places);
    node_id *images = kept + n_sources + 1;
    if (n && !tape_batch(t, seeds, stacked, n_targets, kept, n, images)) return false;
    for (size_t i = 0; i < n; i++) {
        const bool alone = images[i] == kept[i];
        gradients[places[i]] =
            alone ? emit_repeat(t, images[i], tape_shape(t, stacked[0])->dim[0]) : images[i];
    }
    return tape_ok(t);
}
