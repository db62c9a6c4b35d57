/* Sparse derivatives, graph to graph: the places are found in the graph of a product with the derivative, its columns
 * are coloured, one product for each colour is made, all in one batch, and each number is read where it stands alone
 * (Curtis, Powell, Reid 1974; Gebremedhin, Manne, Pothen 2005). It knows no op's derivative. */
#include "core/sparse.h"

#include <inttypes.h>
#include <string.h>

#include "core/emit.h"
#include "core/jacobian.h"
#include "core/pattern.h"

static bool fail_memory(struct tape *t) { return tape_fail_memory(t, "the derivative"); }

static int64_t count_of(const struct tape *t, node_id x) { return shape_count(tape_shape(t, x)); }

/* ---- products by colour ------------------------------------------------------------------------ */

/* A derivative as a linear map of a seed: its places, its columns' colours, and in the end its products. */
struct map {
    node_id seed, output; /* what is linear in the seed; NODE_NONE: nothing is */
    struct pattern places;
    int32_t *colour;
    bool *hub; /* of a symmetric one, else NULL */
    int64_t n_colours;
    node_id products; /* n_colours times the output's elements */
};

/* Steps of finding a pattern, about a second where it is asked for, and a trifle of a whole Hessian. */
enum { STEPS_MOST = 1 << 28, STEPS_TRIED = 1 << 21 };

/* Finds the map's places, which a request asked for. */
static bool find_places(struct tape *t, struct map *m) {
    if (!tape_ok(t)) return false;
    if (!pattern_find(t, m->seed, m->output, STEPS_MOST, &m->places)) {
        tape_fail(t, ERROR_TOO_MUCH_WORK,
                  "the structure of this derivative is not found in %d steps, or in what is left "
                  "of the %zu "
                  "bytes a request may take",
                  STEPS_MOST, t->arena->ceiling);
        return false;
    }
    const int64_t n = m->places.begin[m->places.n_rows];
    if (n <= t->limits.elements) return true;
    tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
              "a derivative with %" PRId64 " places has more than the %" PRId64
              " elements a tensor may have",
              n, t->limits.elements);
    return false;
}

static bool colour(struct tape *t, struct map *m, bool symmetric) {
    const size_t n = (size_t)m->places.n_columns;
    m->colour = arena_alloc(t->arena, (n + 1) * sizeof *m->colour);
    m->hub = symmetric ? arena_zalloc(t->arena, n + 1) : NULL;
    if (!m->colour || (symmetric && !m->hub)) return fail_memory(t);
    m->n_colours = symmetric ? pattern_colour_symmetric(t, &m->places, m->colour, m->hub)
                             : pattern_colour(t, &m->places, m->colour);
    return m->n_colours >= 0;
}

/* Makes one product for each colour, and `more` with 0. */
static bool multiply(struct tape *t, struct map *m, int64_t more) {
    const int64_t n = m->places.n_columns;
    m->products = NODE_NONE;
    if (m->output == NODE_NONE || m->n_colours + more == 0) return tape_ok(t);
    const node_id labels =
        tape_const(t, DTYPE_I32, &(struct shape){.rank = 1, .dim = {n}}, m->colour);
    node_id rows;
    if (labels == NODE_NONE ||
        !jacobian_rows(t, m->seed, labels, m->n_colours + more, &m->output, 1, &rows))
        return false;
    const struct shape flat = {.rank = 1, .dim = {count_of(t, rows)}};
    m->products = emit_reshape(t, rows, &flat);
    return m->products != NODE_NONE;
}

/* Where element (row, column) of the map stands among its products; limits.elements keeps it within int32. */
static int64_t place_of(const struct map *m, int64_t row, int64_t column) {
    if (m->hub) {
        /* The same number is looked for in the same place, and not in the row of a hub. */
        const int64_t low = row < column ? row : column, high = row < column ? column : row;
        const bool turned = m->hub[high] && !m->hub[low];
        row = turned ? low : high;
        column = turned ? high : low;
    }
    return m->colour[column] * m->places.n_rows + row;
}

/* ---- answers ----------------------------------------------------------------------------------- */

static void set_shape(const struct tape *t, node_id y, node_id x, struct sparse *out) {
    const struct shape *a = tape_shape(t, y), *b = tape_shape(t, x);
    out->rank = a->rank + b->rank;
    for (int i = 0; i < out->rank; i++) out->dim[i] = i < a->rank ? a->dim[i] : b->dim[i - a->rank];
}

/* Writes an element's index by a shape; `number` counts in row-major order. */
static void write_index(const struct shape *s, int64_t number, int64_t *index) {
    for (int axis = s->rank - 1; axis >= 0; axis--) {
        index[axis] = number % s->dim[axis];
        number /= s->dim[axis];
    }
}

/* The derivative of y by x at the places of `p`, whose rows are y's elements; `turned` where those are the map's
 * columns. */
static bool gather(struct tape *t, const struct map *m, const struct pattern *p, bool turned,
                   node_id y, node_id x, struct sparse *out) {
    const int64_t n = p->begin[p->n_rows];
    set_shape(t, y, x, out);
    if (out->rank && n > t->limits.elements / out->rank) {
        tape_fail(t, ERROR_TOO_MANY_ELEMENTS,
                  "a derivative with %" PRId64
                  " places of %d indices each has more than the %" PRId64
                  " elements a tensor may have",
                  n, out->rank, t->limits.elements);
        return false;
    }
    int64_t *index = arena_alloc(t->arena, (size_t)(n * out->rank) * sizeof *index + 1);
    int32_t *from = arena_alloc(t->arena, (size_t)n * sizeof *from + 1);
    if (!index || !from) return fail_memory(t);
    const struct shape *a = tape_shape(t, y), *b = tape_shape(t, x);
    int64_t at = 0;
    for (int64_t i = 0; i < p->n_rows; i++)
        for (; at < p->begin[i + 1]; at++) {
            const int64_t j = p->column[at];
            write_index(a, i, index + at * out->rank);
            write_index(b, j, index + at * out->rank + a->rank);
            from[at] = (int32_t)(turned ? place_of(m, j, i) : place_of(m, i, j));
        }
    const struct shape table = {.rank = 2, .dim = {n, out->rank}}, row = {.rank = 1, .dim = {n}};
    out->connected = true;
    out->indices = tape_const(t, DTYPE_I64, &table, index);
    const node_id places = tape_const(t, DTYPE_I32, &row, from);
    out->values = n ? emit_gather(t, "gather", INDEX_LINE, m->products, places, 0, 0)
                    : tape_fill(t, tape_dtype(t, x), &row, 0);
    out->values = emit_cast(t, out->values, tape_dtype(t, x));
    return out->values != NODE_NONE && out->indices != NODE_NONE;
}

bool sparse_zero(struct tape *t, node_id y, node_id x, struct sparse *out) {
    struct shape table = {.rank = 2};
    set_shape(t, y, x, out);
    table.dim[1] = out->rank;
    out->connected = true;
    out->indices = tape_const(t, DTYPE_I64, &table, NULL);
    out->values = tape_fill(t, tape_dtype(t, x), &(struct shape){.rank = 1}, 0);
    return tape_ok(t);
}

/* ---- Jacobians --------------------------------------------------------------------------------- */

/* The products of one source's Jacobian, in reverse or, where that takes fewer, forward. */
static bool jacobian(struct tape *t, const struct window *w, node_id target, node_id source,
                     struct map *reverse, struct sparse *out) {
    struct map forward = {.output = NODE_NONE};
    if (!find_places(t, reverse) || !pattern_transpose(t, &reverse->places, &forward.places) ||
        !colour(t, reverse, false))
        return false;
    /* Forward mode sees every op, a tape that looked on while the program grew perhaps not. */
    if (w->seen || !colour(t, &forward, false) || forward.n_colours >= reverse->n_colours)
        return tape_ok(t) && multiply(t, reverse, 0) &&
               gather(t, reverse, &forward.places, true, target, source, out);
    forward.seed = tape_input(t, tape_dtype(t, source), tape_shape(t, source));
    if (!tape_jvp(t, &source, &forward.seed, 1, &target, 1, &forward.output)) return false;
    return multiply(t, &forward, 0) &&
           gather(t, &forward, &forward.places, false, target, source, out);
}

bool tape_sparse_jacobian(struct tape *t, const struct window *w, node_id target,
                          const node_id *sources, size_t n_sources, struct sparse *jacobians) {
    /* As TensorFlow's: see tape_jacobian. */
    const node_id y = emit1(t, OP_identity, target);
    if (y == NODE_NONE) return false;
    const struct window all = jacobian_window(t, w);
    const node_id seed = tape_input(t, tape_dtype(t, y), tape_shape(t, y));
    node_id *gradients = arena_alloc(t->arena, (n_sources + 1) * sizeof *gradients);
    if (!gradients) return fail_memory(t);
    if (!tape_gradient(t, &all, &y, &seed, 1, sources, n_sources, gradients)) return false;
    for (size_t i = 0; i < n_sources; i++) {
        struct map reverse = {.seed = seed, .output = gradients[i]};
        jacobians[i] = (struct sparse){0};
        if (gradients[i] != NODE_NONE &&
            !jacobian(t, w, target, sources[i], &reverse, &jacobians[i]))
            return false;
    }
    return true;
}

/* ---- Hessians ---------------------------------------------------------------------------------- */

/* What the tangent of g along the unit vectors of x is a map of. */
static bool find_map(struct tape *t, node_id g, node_id x, struct map *m) {
    m->seed = tape_input(t, tape_dtype(t, x), tape_shape(t, x));
    if (g == NODE_NONE) {
        m->output = NODE_NONE;
        return tape_ok(t);
    }
    return tape_jvp(t, &x, &m->seed, 1, &g, 1, &m->output);
}

/* The places of a block, which has its shape where nothing depends on the seed too. */
static bool find_block(struct tape *t, struct map *m, node_id y, node_id x) {
    if (m->output != NODE_NONE) return find_places(t, m);
    m->places = (struct pattern){.n_rows = count_of(t, y), .n_columns = count_of(t, x)};
    m->places.begin = arena_zalloc(t->arena, ((size_t)m->places.n_rows + 1) * sizeof(int64_t));
    return m->places.begin || fail_memory(t);
}

/* All places of two patterns of one shape. */
static bool join(struct tape *t, const struct pattern *a, const struct pattern *b,
                 struct pattern *out) {
    const int64_t most = a->begin[a->n_rows] + b->begin[b->n_rows];
    *out = (struct pattern){.n_rows = a->n_rows, .n_columns = a->n_columns};
    out->begin = arena_zalloc(t->arena, ((size_t)a->n_rows + 1) * sizeof *out->begin);
    out->column = arena_alloc(t->arena, (size_t)most * sizeof *out->column + 1);
    if (!out->begin || !out->column) return fail_memory(t);
    int64_t n = 0;
    for (int64_t i = 0; i < a->n_rows; i++) {
        int64_t k = a->begin[i], l = b->begin[i];
        while (k < a->begin[i + 1] || l < b->begin[i + 1]) {
            const int32_t x = k < a->begin[i + 1] ? a->column[k] : INT32_MAX;
            const int32_t y = l < b->begin[i + 1] ? b->column[l] : INT32_MAX;
            out->column[n++] = x < y ? x : y;
            k += x <= y;
            l += y <= x;
        }
        out->begin[i + 1] = n;
    }
    return true;
}

/* Makes the places of a block on the diagonal symmetric, as its numbers are. */
static bool make_symmetric(struct tape *t, struct map *m) {
    struct pattern turned;
    return pattern_transpose(t, &m->places, &turned) && join(t, &m->places, &turned, &m->places) &&
           colour(t, m, true);
}

static bool diagonal_block(struct tape *t, node_id g, node_id x, struct sparse *out) {
    struct map m = {0};
    return find_map(t, g, x, &m) && find_block(t, &m, x, x) && make_symmetric(t, &m) &&
           multiply(t, &m, 0) && gather(t, &m, &m.places, false, x, x, out);
}

/* Below that many elements, or with more than one colour for so many of them, products save little. */
enum { WHOLE_LEAST = 64, WHOLE_SHARE = 4 };

node_id hessian_compressed(struct tape *t, node_id g, node_id x) {
    struct map m = {0};
    const int64_t n = count_of(t, x);
    if (n < WHOLE_LEAST || !find_map(t, g, x, &m) || m.output == NODE_NONE ||
        !pattern_find(t, m.seed, m.output, STEPS_TRIED, &m.places) || !make_symmetric(t, &m) ||
        m.n_colours > n / WHOLE_SHARE || m.places.begin[n] > n * n / WHOLE_SHARE ||
        !multiply(t, &m, 1))
        return NODE_NONE;
    const int64_t places = m.places.begin[n];
    const struct shape row = {.rank = 1, .dim = {places}},
                       rows = {.rank = 2, .dim = {m.n_colours + 1, n}};
    int32_t *from = arena_alloc(t->arena, (size_t)places * sizeof *from + 1);
    int32_t *at = arena_alloc(t->arena, (size_t)places * sizeof *at + 1);
    if (!from || !at) {
        fail_memory(t);
        return NODE_NONE;
    }
    for (int64_t i = 0, k = 0; i < n; i++)
        for (; k < m.places.begin[i + 1]; k++) {
            from[k] = (int32_t)place_of(&m, i, m.places.column[k]);
            at[k] = (int32_t)(i * n + m.places.column[k]);
        }
    return emit_hessian_spread(t, tape_const(t, DTYPE_I32, &row, from),
                               tape_const(t, DTYPE_I32, &row, at),
                               emit_reshape(t, m.products, &rows));
}

/* Blocks (i, j) and (j, i), which have the same numbers: from the tangents of g_i along x_j, or the other way round
 * where that takes fewer. */
static bool two_blocks(struct tape *t, const node_id *g, const node_id *x, struct sparse *upper,
                       struct sparse *lower) {
    struct map m = {0}, other = {0};
    if (!find_map(t, g[0], x[1], &m) || !find_block(t, &m, x[0], x[1]) ||
        !pattern_transpose(t, &m.places, &other.places) || !colour(t, &m, false) ||
        !colour(t, &other, false))
        return false;
    if (other.n_colours < m.n_colours && !find_map(t, g[1], x[0], &other)) return false;
    const bool turned = other.n_colours < m.n_colours && other.output != NODE_NONE;
    const struct map *used = turned ? &other : &m;
    if (!multiply(t, turned ? &other : &m, 0)) return false;
    return (!upper || gather(t, used, &m.places, turned, x[0], x[1], upper)) &&
           (!lower || gather(t, used, &other.places, !turned, x[1], x[0], lower));
}

bool tape_sparse_hessian(struct tape *t, const struct window *w, const node_id *gradients,
                         const node_id *sources, size_t n, struct sparse *blocks) {
    if (!tape_ok(t) || !tape_walk(t, (int64_t)n * (int64_t)n)) return false;
    bool *connected = arena_zalloc(t->arena, n * n + 1);
    size_t *same =
        arena_alloc(t->arena, (n + 1) * sizeof *same); /* the first that is the same node */
    if (!connected || !same) return fail_memory(t);
    memset(blocks, 0, n * n * sizeof *blocks);
    for (size_t i = 0; i < n; i++)
        for (same[i] = 0; sources[same[i]] != sources[i];) same[i]++;
    if (!hessian_connected(t, w, gradients, sources, n, connected)) return false;
    for (size_t i = 0; i < n; i++) {
        if (same[i] != i) continue;
        if (connected[i * n + i] &&
            !diagonal_block(t, gradients[i], sources[i], &blocks[i * n + i]))
            return false;
        for (size_t j = i + 1; j < n; j++) {
            const node_id g[2] = {gradients[i], gradients[j]}, x[2] = {sources[i], sources[j]};
            struct sparse *upper = connected[i * n + j] ? &blocks[i * n + j] : NULL;
            struct sparse *lower = connected[j * n + i] ? &blocks[j * n + i] : NULL;
            if (same[j] == j && (upper || lower) && !two_blocks(t, g, x, upper, lower))
                return false;
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) blocks[i * n + j] = blocks[same[i] * n + same[j]];
    return true;
}
