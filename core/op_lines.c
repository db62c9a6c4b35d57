/* Gathering and scattering of whole lines by integer indices, in one layout: a tensor is
 * (batch, outer, lines, inner), indices are (batch, count). Gathering and adding up are each other's
 * adjoint. How users' axes become that layout is told in op_gather.c. */
#define POINTWISE_WIDE
#include "core/kernels/lines.h"

#include <string.h>

#include "core/emit.h"
#include "core/kernels/copy.h"
#include "core/kernels/pointwise.h"

static node_id emit_lines(struct tape *t, int op, node_id indices, node_id x,
                          const struct index_attrs *a) {
    return tape_emit(t, op, (node_id[]){indices, x}, 2, a, sizeof *a);
}
node_id emit_gather_lines(struct tape *t, node_id indices, node_id x, const struct index_attrs *a) {
    return emit_lines(t, OP_gather_lines, indices, x, a);
}
node_id emit_scatter_lines(struct tape *t, node_id indices, node_id x,
                           const struct index_attrs *a) {
    return emit_lines(t, OP_scatter_lines, indices, x, a);
}

/* ---- kernels ----------------------------------------------------------------------------------- */

static void copy_line(char *to, const char *from, size_t bytes) {
    if (bytes == 4)
        memcpy(to, from, 4);
    else if (bytes == 8)
        memcpy(to, from, 8);
    else
        memcpy(to, from, bytes);
}

/* Lines of one element. */
#define GATHER(I, T)                                                                               \
    POINTWISE_CLONES static void gather_##I##_##T(const I *index, int64_t n, const T *restrict x,  \
                                                  T *restrict y) {                                 \
        for (int64_t k = 0; k < n; k++) y[k] = index[k] < 0 ? 0 : x[index[k]];                     \
    }
GATHER(int32_t, uint32_t)
GATHER(int32_t, uint64_t)
GATHER(int64_t, uint32_t)
GATHER(int64_t, uint64_t)

static bool gather_elements(const struct step *step, size_t line, int64_t first, int64_t n,
                            const void *indices, const void *x, void *y) {
    const bool narrow = step->in[0].dtype == DTYPE_I32;
    if (line != 4 && line != 8) return false;
    if (narrow && line == 4)
        gather_int32_t_uint32_t((const int32_t *)indices + first, n, x, y);
    else if (narrow)
        gather_int32_t_uint64_t((const int32_t *)indices + first, n, x, y);
    else if (line == 4)
        gather_int64_t_uint32_t((const int64_t *)indices + first, n, x, y);
    else
        gather_int64_t_uint64_t((const int64_t *)indices + first, n, x, y);
    return true;
}

static void gather_lines_kernel(const struct step *step, struct run *run) {
    const struct lines l = lines_of(step, step->out.shape);
    const void *indices = run_in(run, step, 0);
    const char *x = run_in(run, step, 1);
    char *y = run_out(run, step);
    const size_t line = (size_t)l.inner * dtype_size(step->out.dtype);
    if (!lines_check(step, run, &l) || line == 0) return;
    for (int64_t i = 0; i < l.batch * l.outer; i++, x += (size_t)l.n * line) {
        const int64_t first = i / l.outer * l.count;
        const bool done = gather_elements(step, line, first, l.count, indices, x, y);
        for (int64_t k = 0; !done && k < l.count; k++) {
            const int64_t v = index_at(step->in[0].dtype, indices, first + k);
            if (v < 0)
                memset(y + (size_t)k * line, 0, line);
            else
                memcpy(y + (size_t)k * line, x + (size_t)v * line, line);
        }
        y += (size_t)l.count * line;
        if (!run_tick(run, l.count * l.inner)) return;
    }
}

/* Lines are met in order, so that sums have one order and a later line overwrites an earlier one. */
static void assign_lines_kernel(const struct step *step, struct run *run) {
    const struct lines l = lines_of(step, step->in[1].shape);
    const void *indices = run_in(run, step, 0);
    const char *x = run_in(run, step, 1);
    char *y = run_out(run, step);
    const size_t line = (size_t)l.inner * dtype_size(step->out.dtype);
    memset(y, 0, (size_t)(l.batch * l.outer * l.n) * line);
    if (!lines_check(step, run, &l) || line == 0) return;
    for (int64_t i = 0; i < l.batch * l.outer; i++, y += (size_t)l.n * line) {
        const int64_t first = i / l.outer * l.count;
        for (int64_t k = 0; k < l.count; k++, x += line)
            copy_line(y + (size_t)index_at(step->in[0].dtype, indices, first + k) * line, x, line);
        if (!run_tick(run, l.count * l.inner + l.n * l.inner)) return;
    }
}

FOLD_ALL(scatter_lines, 0, 0, 0, 0, y + x, (uint32_t)y + (uint32_t)x, (uint64_t)y + (uint64_t)x)

/* ---- shapes, derivatives, batches -------------------------------------------------------------- */

static const struct index_attrs *attrs_of(const struct tape *t, node_id y) {
    return tape_node(t, y)->attrs;
}

static bool gather_lines_infer(struct tape *t, const struct node *n, struct shape *shape,
                               enum dtype *dtype) {
    const struct shape *indices = tape_shape(t, n->arg[0]);
    *shape = *tape_shape(t, n->arg[1]);
    *dtype = tape_dtype(t, n->arg[1]);
    shape->dim[2] = indices->dim[1];
    return true;
}
bool lines_fold_infer(struct tape *t, const struct node *n, struct shape *shape,
                      enum dtype *dtype) {
    *shape = *tape_shape(t, n->arg[1]);
    *dtype = tape_dtype(t, n->arg[1]);
    shape->dim[2] = ((const struct index_attrs *)n->attrs)->n;
    return true;
}
int64_t lines_fold_work(const struct tape *t, const struct node *n) {
    return shape_count(tape_shape(t, n->arg[1])) + shape_count(n->shape);
}

static node_id gather_lines_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    return i == 0 ? NODE_NONE : emit_scatter_lines(t, tape_arg(t, y, 0), g, attrs_of(t, y));
}
static node_id scatter_lines_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    return i == 0 ? NODE_NONE : emit_gather_lines(t, tape_arg(t, y, 0), g, attrs_of(t, y));
}
static node_id lines_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    if (x_dot[1] == NODE_NONE) return NODE_NONE;
    return emit_lines(t, tape_node(t, y)->op, tape_arg(t, y, 0), x_dot[1], attrs_of(t, y));
}

/* Indices that all points share serve the points as outer lines of one batch; otherwise the new axis
 * joins the batch axis. */
node_id lines_batch(struct tape *t, node_id y, const node_id *x, const bool *batched, int64_t n) {
    const struct node node = *tape_node(t, y);
    const struct shape *one = tape_shape(t, tape_arg(t, y, 1)), *y_shape = tape_shape(t, y);
    struct shape full;
    if (!shape_lead(t, y_shape, n, &full)) return NODE_NONE;
    struct shape rows = {.rank = 2, .dim = {one->dim[0], tape_shape(t, tape_arg(t, y, 0))->dim[1]}};
    struct shape lines = *one;
    node_id args[NODE_INLINE_ARGS] = {x[0]};
    const bool shared = !batched[0] && one->dim[0] == 1;
    lines.dim[shared ? 1 : 0] *= n;
    if (!shared) {
        if (!batched[0]) args[0] = emit_repeat(t, args[0], n);
        rows.dim[0] *= n;
    }
    args[0] = emit_reshape(t, args[0], &rows);
    for (uint32_t i = 1; i < node.n_args; i++)
        args[i] = emit_reshape(t, batched[i] ? x[i] : emit_repeat(t, x[i], n), &lines);
    const node_id image = tape_emit(t, node.op, args, node.n_args, node.attrs, node.attrs_size);
    return emit_reshape(t, image, &full);
}

#define LINES_PARAMS                                                                               \
    {                                                                                              \
        {"indices", PARAM_INDICES, false}, { "x", PARAM_TENSOR, false }                            \
    }
const struct op op_gather_lines = {.name = "gather_lines",
                                   .notation = "y_bomi = x_bo(indices_bm)i; dx adds g up by line",
                                   .kind = OP_INTERNAL,
                                   .params = LINES_PARAMS,
                                   .infer = gather_lines_infer,
                                   .vjp = gather_lines_vjp,
                                   .jvp = lines_jvp,
                                   .batch = lines_batch,
                                   KERNELS_COPY(gather_lines_kernel)};
const struct op op_scatter_lines = {
    .name = "scatter_lines",
    .notation = "y_boni = sum of x_bomi where indices_bm = n; dx gathers g by line",
    .kind = OP_INTERNAL,
    .params = LINES_PARAMS,
    .infer = lines_fold_infer,
    .vjp = scatter_lines_vjp,
    .jvp = lines_jvp,
    .batch = lines_batch,
    ROWS_FOLD(scatter_lines),
    .work = lines_fold_work};
/* TensorFlow gives every line that wrote to a place the whole cotangent of it, also those that were
 * overwritten (TensorScatterUpdate's gradient in array_grad.py). */
const struct op op_assign_lines = {
    .name = "assign_lines",
    .notation = "y_boni = the last x_bomi where indices_bm = n, 0 where none; dx gathers g by line",
    .kind = OP_INTERNAL,
    .params = LINES_PARAMS,
    .infer = lines_fold_infer,
    .vjp = scatter_lines_vjp,
    .jvp = lines_jvp,
    .batch = lines_batch,
    KERNELS_COPY(assign_lines_kernel),
    .work = lines_fold_work};
