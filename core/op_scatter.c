/* Indices into several axes at once: gather_nd, scatter_nd and the updates of a tensor. A primitive turns
 * each index into the number of a line; the rest is written with op_lines.c. */
#include <inttypes.h>
#include <stdio.h>

#include "core/emit.h"
#include "core/kernels/lines.h"

/* ---- line_number ------------------------------------------------------------------------------- */

/* "[1, 2]" */
static const char *index_text(enum dtype dtype, const void *indices, int64_t first, int64_t depth,
                              char *text, size_t size) {
    size_t at = (size_t)snprintf(text, size, "[");
    for (int64_t k = 0; k < depth && at < size; k++)
        at += (size_t)snprintf(text + at, size - at, "%s%" PRId64, k ? ", " : "",
                               index_at(dtype, indices, first + k));
    if (at < size) snprintf(text + at, size - at, "]");
    return text;
}
/* "[1,2]": the place of an index among all, or nothing; or a shape. */
static const char *list_text(int64_t rank, const int64_t *items, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    for (int64_t k = 0; k < rank && at < size; k++)
        at += (size_t)snprintf(text + at, size - at, "%s%" PRId64 "%s", k ? "," : "[", items[k],
                               k + 1 < rank ? "" : "]");
    return text;
}
static void fail_place(const struct step *step, struct run *run, int64_t row) {
    const struct place_attrs *a = step->attrs;
    const int64_t first = row * a->depth;
    int64_t place[RANK_MAX], each = 1;
    char row_text[SHAPE_TEXT], index[SHAPE_TEXT], shape[SHAPE_TEXT];
    for (int64_t k = 0; k < a->rows_rank; k++) each *= a->rows_dim[k];
    row %= each;
    for (int64_t k = a->rows_rank; k-- > 0; row /= a->rows_dim[k]) place[k] = row % a->rows_dim[k];
    run_fail(
        run, ERROR_INVALID_ARGUMENT, "indices%s = %s does not index into %s %s",
        list_text(a->rows_rank, place, row_text, sizeof row_text),
        index_text(step->in[0].dtype, run_in(run, step, 0), first, a->depth, index, sizeof index),
        a->scatters ? "shape" : "param shape", list_text(a->rank, a->dim, shape, sizeof shape));
}
static void line_number_kernel(const struct step *step, struct run *run) {
    const struct place_attrs *a = step->attrs;
    const void *indices = run_in(run, step, 0);
    int64_t *line = run_out(run, step);
    const int64_t rows = shape_count(step->out.shape);
    for (int64_t i = 0; i < rows; i++) {
        line[i] = 0;
        for (int64_t k = 0; k < a->depth; k++) {
            const int64_t v = index_at(step->in[0].dtype, indices, i * a->depth + k);
            if (v < 0 || v >= a->dim[k]) {
                fail_place(step, run, i);
                return;
            }
            line[i] = line[i] * a->dim[k] + v;
        }
    }
    run_tick(run, rows * (a->depth + 1));
}
static bool line_number_infer(struct tape *t, const struct node *n, struct shape *shape,
                              enum dtype *dtype) {
    (void)t, (void)n;
    shape->rank--;
    *dtype = DTYPE_I64;
    return true;
}
static node_id emit_line_number(struct tape *t, node_id indices, const struct place_attrs *a) {
    return tape_emit(t, OP_line_number, &indices, 1, a, sizeof *a);
}
static node_id line_number_batch(struct tape *t, node_id y, const node_id *x, const bool *batched,
                                 int64_t n) {
    (void)batched, (void)n;
    return emit_line_number(t, x[0], tape_node(t, y)->attrs);
}
const struct op op_line_number = {
    .name = "line_number",
    .notation = "y = the place in row-major order that an index names; not differentiable",
    .kind = OP_INTERNAL,
    .params = {{"indices", PARAM_INDICES, false}},
    .infer = line_number_infer,
    .batch = line_number_batch,
    .kernels = {[DTYPE_I32] = line_number_kernel, [DTYPE_I64] = line_number_kernel}};

/* ---- the layout of a call ------------------------------------------------------------------------ */

/* A tensor of shape `whole` indexed in `depth` axes after its batch axes: how it and the many lines that
 * indices name are laid out. */
struct places {
    struct shape whole, many; /* (batch, 1, lines, inner) and (batch, 1, count, inner) */
    struct shape result;      /* the indices' shape with an indexed tensor in place of each index */
    node_id rows;             /* (batch, count) line numbers */
    struct index_attrs a;
};

static bool places_read(struct tape *t, const char *op, bool scatters, const struct shape *whole,
                        node_id indices, int batch_dims, struct places *p) {
    if (!indices_check(t, op, "indices", indices)) return false;
    const struct shape *by = tape_shape(t, indices);
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    bool fits = by->rank >= 1 && batch_dims >= 0 && batch_dims < by->rank &&
                batch_dims <= whole->rank && by->dim[by->rank - 1] <= whole->rank - batch_dims;
    for (int i = 0; fits && i < batch_dims; i++) fits = by->dim[i] == whole->dim[i];
    const int depth = fits ? (int)by->dim[by->rank - 1] : 0;
    fits = fits && by->rank - 1 + whole->rank - batch_dims - depth <= RANK_MAX;
    if (!fits) {
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "%s: indices of shape %s do not index into shape %s with %d batch axes", op,
                  shape_text(by, x), shape_text(whole, y), batch_dims);
        return false;
    }
    struct place_attrs place = {.scatters = scatters,
                                .rank = whole->rank - batch_dims,
                                .depth = depth,
                                .rows_rank = by->rank - 1};
    struct shape row = {.rank = 2, .dim = {1, 1}};
    p->whole = p->many = (struct shape){.rank = 4, .dim = {1, 1, 1, 1}};
    p->result = (struct shape){.rank = by->rank - 1};
    for (int i = 0; i < by->rank - 1; i++) {
        row.dim[i < batch_dims ? 0 : 1] *= by->dim[i];
        place.rows_dim[i] = p->result.dim[i] = by->dim[i];
    }
    for (int i = 0; i < whole->rank; i++) {
        p->whole.dim[i < batch_dims ? 0 : i < batch_dims + depth ? 2 : 3] *= whole->dim[i];
        if (i >= batch_dims) place.dim[i - batch_dims] = whole->dim[i];
        if (i >= batch_dims + depth) p->result.dim[p->result.rank++] = whole->dim[i];
    }
    p->many = (struct shape){.rank = 4, .dim = {row.dim[0], 1, row.dim[1], p->whole.dim[3]}};
    p->rows = emit_reshape(t, emit_line_number(t, indices, &place), &row);
    p->a = index_attrs(INDEX_LINE, p->whole.dim[2], &shape_scalar);
    return tape_ok(t);
}

static node_id gather_nd_emit(struct tape *t, const struct op_arg *args) {
    const node_id x = args[0].node;
    struct places p;
    const int64_t batch_dims = args[2].given ? args[2].i : 0;
    if (x == NODE_NONE) return NODE_NONE;
    if (batch_dims < 0 || batch_dims > RANK_MAX)
        return tape_fail(t, ERROR_INVALID_ARGUMENT, "gather_nd: batch_dims is %" PRId64,
                         batch_dims);
    if (!places_read(t, "gather_nd", false, tape_shape(t, x), args[1].node, (int)batch_dims, &p))
        return NODE_NONE;
    return emit_reshape(t, emit_gather_lines(t, p.rows, emit_reshape(t, x, &p.whole), &p.a),
                        &p.result);
}
const struct op op_gather_nd = {
    .name = "gather_nd",
    .notation = "y = what the indices name along several axes; dx adds g up at those places",
    .kind = OP_COMPOSITE,
    .params = {{"params", PARAM_TENSOR, false},
               {"indices", PARAM_INDICES, false},
               {"batch_dims", PARAM_INT, true}},
    .preset = {[2] = "0"},
    .dtypes = DTYPES_ALL,
    .emit = gather_nd_emit};

/* ---- scatters ------------------------------------------------------------------------------------ */

static bool updates_fit(struct tape *t, const char *op, node_id updates, const struct places *p) {
    char x[SHAPE_TEXT], y[SHAPE_TEXT];
    if (updates == NODE_NONE) return false;
    if (shape_equal(tape_shape(t, updates), &p->result)) return true;
    tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: updates have shape %s where %s is expected", op,
              shape_text(tape_shape(t, updates), x), shape_text(&p->result, y));
    return false;
}
static node_id scatter_nd_emit(struct tape *t, const struct op_arg *args) {
    struct shape shape;
    struct places p;
    if (!shape_read(t, "scatter_nd", &args[2], -1, &shape) ||
        !places_read(t, "scatter_nd", true, &shape, args[0].node, 0, &p) ||
        !updates_fit(t, "scatter_nd", args[1].node, &p))
        return NODE_NONE;
    const node_id lines = emit_reshape(t, args[1].node, &p.many);
    return emit_reshape(t, emit_scatter_lines(t, p.rows, lines, &p.a), &shape);
}
const struct op op_scatter_nd = {
    .name = "scatter_nd",
    .notation = "y = sum of the updates at the places that indices name, 0 elsewhere",
    .kind = OP_COMPOSITE,
    .params = {{"indices", PARAM_INDICES, false},
               {"updates", PARAM_TENSOR, false},
               {"shape", PARAM_INTS, false}},
    .dtypes = DTYPES_NUMBERS,
    .emit = scatter_nd_emit};

/* What the updates are in the tensor's own shape: their sum, or the last of each place. */
static node_id scattered(struct tape *t, const char *name, int op, const struct op_arg *args,
                         struct places *p) {
    if (args[0].node == NODE_NONE || args[2].node == NODE_NONE) return NODE_NONE;
    if (!places_read(t, name, true, tape_shape(t, args[0].node), args[1].node, 0, p) ||
        !updates_fit(t, name, args[2].node, p))
        return NODE_NONE;
    const node_id lines = emit_reshape(t, args[2].node, &p->many);
    return tape_emit(t, op, (node_id[]){p->rows, lines}, 2, &p->a, sizeof p->a);
}
static node_id tensor_scatter_nd_add_emit(struct tape *t, const struct op_arg *args) {
    struct places p;
    const node_id sum = scattered(t, "tensor_scatter_nd_add", OP_scatter_lines, args, &p);
    if (sum == NODE_NONE) return NODE_NONE;
    return emit_add(t, args[0].node, emit_reshape(t, sum, tape_shape(t, args[0].node)));
}
static node_id tensor_scatter_nd_sub_emit(struct tape *t, const struct op_arg *args) {
    struct places p;
    const node_id sum = scattered(t, "tensor_scatter_nd_sub", OP_scatter_lines, args, &p);
    if (sum == NODE_NONE) return NODE_NONE;
    return emit_subtract(t, args[0].node, emit_reshape(t, sum, tape_shape(t, args[0].node)));
}
static node_id tensor_scatter_nd_update_emit(struct tape *t, const struct op_arg *args) {
    struct places p;
    const node_id x = args[0].node;
    const node_id news = scattered(t, "tensor_scatter_nd_update", OP_assign_lines, args, &p);
    if (news == NODE_NONE) return NODE_NONE;
    struct shape one = p.many;
    one.dim[3] = 1;
    const node_id count = emit_scatter_lines(t, p.rows, tape_fill(t, DTYPE_I32, &one, 1), &p.a);
    const node_id named = emit_greater(t, count, emit_like(t, count, 0));
    return emit_reshape(t, emit_where(t, named, news, emit_reshape(t, x, &p.whole)),
                        tape_shape(t, x));
}

#define TENSOR_SCATTER(id, takes, text)                                                            \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = {{"tensor", PARAM_TENSOR, false},                         \
                                          {"indices", PARAM_INDICES, false},                       \
                                          {"updates", PARAM_TENSOR, false}},                       \
                               .dtypes = takes,                                                    \
                               .emit = id##_emit};
TENSOR_SCATTER(tensor_scatter_nd_add, DTYPES_NUMBERS,
               "y = tensor + the updates at the places that indices name")
TENSOR_SCATTER(tensor_scatter_nd_sub, DTYPES_NUMBERS,
               "y = tensor - the updates at the places that indices name")
TENSOR_SCATTER(tensor_scatter_nd_update, DTYPES_ALL,
               "y = tensor with the updates in the places that indices name, the last of each")
