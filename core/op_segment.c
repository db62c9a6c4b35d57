/* Segments: lines folded by the segment that an integer names. Sums, means and roots are written with
 * scatter_lines; the largest, the smallest and the product have primitives, whose derivatives are
 * written in gathers and sums over segments. */
#include <float.h>
#include <inttypes.h>

#include "core/emit.h"
#include "core/kernels/lines.h"

/* An empty segment has the lowest or highest finite value, as in TensorFlow. */
#define LARGER x > y || x != x ? x : y
#define SMALLER x < y || x != x ? x : y
FOLD_ALL(segment_max_lines, -FLT_MAX, -DBL_MAX, INT32_MIN, INT64_MIN, LARGER, LARGER, LARGER)
FOLD_ALL(segment_min_lines, FLT_MAX, DBL_MAX, INT32_MAX, INT64_MAX, SMALLER, SMALLER, SMALLER)
FOLD_ALL(segment_prod_lines, 1, 1, 1, 1, y *x, (uint32_t)y *(uint32_t)x, (uint64_t)y *(uint64_t)x)

static const struct index_attrs *attrs_of(const struct tape *t, node_id y) {
    return tape_node(t, y)->attrs;
}
static node_id emit_fold(struct tape *t, int op, node_id ids, node_id x,
                         const struct index_attrs *a) {
    return tape_emit(t, op, (node_id[]){ids, x}, 2, a, sizeof *a);
}
/* The value of each line's segment. */
static node_id of_segment(struct tape *t, node_id y, node_id per_segment) {
    return emit_gather_lines(t, tape_arg(t, y, 0), per_segment, attrs_of(t, y));
}
static node_id segment_sum(struct tape *t, node_id y, node_id x) {
    return emit_scatter_lines(t, tape_arg(t, y, 0), x, attrs_of(t, y));
}

/* ---- the largest and the smallest: ties share equally -------------------------------------------- */

/* 1 where an element is the extreme of its segment; *ties is how many are (at least 1). */
static node_id chosen(struct tape *t, node_id y, node_id *ties) {
    const node_id x = tape_arg(t, y, 1);
    const node_id equal = emit_cast(t, emit_equal(t, x, of_segment(t, y, y)), tape_dtype(t, y));
    *ties = emit2(t, OP_maximum, segment_sum(t, y, equal), emit_like(t, y, 1));
    return equal;
}
static node_id extreme_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    node_id ties;
    if (i == 0) return NODE_NONE;
    const node_id equal = chosen(t, y, &ties);
    return emit_multiply(t, equal, of_segment(t, y, emit_divide(t, g, ties)));
}
static node_id extreme_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    node_id ties;
    if (x_dot[1] == NODE_NONE) return NODE_NONE;
    const node_id equal = chosen(t, y, &ties);
    return emit_divide(t, segment_sum(t, y, emit_multiply(t, equal, x_dot[1])), ties);
}

/* ---- the product ------------------------------------------------------------------------------- */

static node_id others(struct tape *t, node_id y) {
    return emit_segment_others(t, tape_arg(t, y, 0), tape_arg(t, y, 1), attrs_of(t, y));
}
static node_id segment_prod_vjp(struct tape *t, node_id y, uint32_t i, node_id g) {
    return i == 0 ? NODE_NONE : emit_multiply(t, of_segment(t, y, g), others(t, y));
}
static node_id segment_prod_jvp(struct tape *t, node_id y, const node_id *x_dot) {
    if (x_dot[1] == NODE_NONE) return NODE_NONE;
    return segment_sum(t, y, emit_multiply(t, x_dot[1], others(t, y)));
}

#define SEGMENT_LINES(id, text, backward, forward)                                                 \
    const struct op op_##id = {                                                                    \
        .name = #id,                                                                               \
        .notation = text,                                                                          \
        .kind = OP_INTERNAL,                                                                       \
        .params = {{"ids", PARAM_INDICES, false}, {"x", PARAM_TENSOR, false}},                     \
        .infer = lines_fold_infer,                                                                 \
        .vjp = backward,                                                                           \
        .jvp = forward,                                                                            \
        .batch = lines_batch,                                                                      \
        ROWS_FOLD(id),                                                                             \
        .work = lines_fold_work};
SEGMENT_LINES(segment_max_lines, "y_s = the largest x of segment s; ties share g equally",
              extreme_vjp, extreme_jvp)
SEGMENT_LINES(segment_min_lines, "y_s = the smallest x of segment s; ties share g equally",
              extreme_vjp, extreme_jvp)
SEGMENT_LINES(segment_prod_lines, "y_s = the product of the x of segment s", segment_prod_vjp,
              segment_prod_jvp)

/* ---- users' ops ---------------------------------------------------------------------------------- */

enum fold { FOLD_SUM, FOLD_MEAN, FOLD_SQRT_N, FOLD_MAX, FOLD_MIN, FOLD_PROD };

/* A call in the layout of lines. */
struct segments {
    node_id ids, lines;
    struct index_attrs a;
    struct shape result;
    bool sorted; /* then an empty segment's largest and smallest are 0 */
};

static node_id counts(struct tape *t, const struct segments *s) {
    struct shape each = *tape_shape(t, s->lines);
    each.dim[3] = 1;
    const node_id ones = tape_fill(t, tape_dtype(t, s->lines), &each, 1);
    return emit_scatter_lines(t, s->ids, ones, &s->a);
}
static node_id fold_lines(struct tape *t, const struct segments *s, enum fold fold) {
    static const int ops[] = {[FOLD_MAX] = OP_segment_max_lines,
                              [FOLD_MIN] = OP_segment_min_lines,
                              [FOLD_PROD] = OP_segment_prod_lines};
    if (fold <= FOLD_SQRT_N) {
        const node_id sum = emit_scatter_lines(t, s->ids, s->lines, &s->a);
        if (fold == FOLD_SUM) return sum;
        const node_id n = emit2(t, OP_maximum, counts(t, s), emit_like(t, s->lines, 1));
        return emit_divide(t, sum, fold == FOLD_MEAN ? n : emit1(t, OP_sqrt, n));
    }
    const node_id y = emit_fold(t, ops[fold], s->ids, s->lines, &s->a), zero = emit_like(t, y, 0);
    if (!s->sorted || fold == FOLD_PROD) return y;
    return emit_where(t, emit_equal(t, counts(t, s), zero), zero, y);
}
/* Sees data of shape ids.shape + inner as lines. */
static node_id fold_segments(struct tape *t, struct segments *s, enum fold fold, node_id data,
                             node_id ids, int64_t n, int rule) {
    if (ids == NODE_NONE) return NODE_NONE;
    const struct shape *by = tape_shape(t, ids), *from = tape_shape(t, data);
    const struct shape row = {.rank = 2, .dim = {1, shape_count(by)}};
    struct shape lines = {.rank = 4, .dim = {1, 1, shape_count(by), 1}};
    s->result = (struct shape){.rank = 1, .dim = {n}};
    for (int i = by->rank; i < from->rank; i++) {
        lines.dim[3] *= from->dim[i];
        if (s->result.rank < RANK_MAX) s->result.dim[s->result.rank++] = from->dim[i];
    }
    s->a = index_attrs(rule, n, by);
    s->ids = emit_reshape(t, ids, &row);
    s->lines = emit_reshape(t, data, &lines);
    if (s->lines == NODE_NONE || s->ids == NODE_NONE) return NODE_NONE;
    const node_id y = fold_lines(t, s, fold);
    return y == NODE_NONE ? y : emit_reshape(t, y, &s->result);
}

static node_id unsorted_emit(struct tape *t, const char *op, const struct op_arg *args,
                             enum fold fold) {
    const node_id data = args[0].node, ids = args[1].node;
    const int64_t n = args[2].i;
    struct segments s = {.sorted = false};
    if (data == NODE_NONE || !indices_check(t, op, "segment_ids", ids)) return NODE_NONE;
    const struct shape *by = tape_shape(t, ids), *from = tape_shape(t, data);
    bool fits = by->rank <= from->rank && (by->rank > 0 || from->rank < RANK_MAX);
    for (int i = 0; fits && i < by->rank; i++) fits = by->dim[i] == from->dim[i];
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (!fits)
        return tape_fail(t, ERROR_SHAPE_MISMATCH,
                         "%s: data.shape = %s does not start with segment_ids.shape = %s", op,
                         shape_text(from, a), shape_text(by, b));
    if (!length_check(t, op, "num_segments", n)) return NODE_NONE;
    return fold_segments(t, &s, fold, data, ids, n, INDEX_DROPS);
}

static bool sorted_shapes(struct tape *t, const char *op, const struct shape *data,
                          const struct shape *ids) {
    char a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (ids->rank != 1)
        tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: segment_ids should be a vector. Found shape %s", op,
                  shape_text(ids, a));
    else if (data->rank == 0 || data->dim[0] != ids->dim[0])
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "%s: segment_ids should be the same size as dimension 0 of input. Found %s for "
                  "shape %s",
                  op, shape_text(ids, a), shape_text(data, b));
    else
        return true;
    return false;
}
/* Segments that are written in the graph, in order: how many there are, by the last one. */
static bool known_segments(struct tape *t, const char *op, const struct node *ids, int64_t *n) {
    *n = 0;
    for (int64_t i = 0; i < ids->shape->dim[0]; i++) {
        const int64_t id = index_at((enum dtype)ids->dtype, ids->attrs, i);
        if (id < 0 || id < *n - 1) {
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      id < 0 ? "%s: Segment id %" PRId64 " is negative"
                             : "%s: segment ids are not increasing",
                      op, id);
            return false;
        }
        if (!length_check(t, op, "a segment id", id)) return false;
        *n = id + 1;
    }
    return true;
}
/* The result's shape must be known before the plan runs: by the last id, or by num_segments. */
static bool count_segments(struct tape *t, const char *op, const struct op_arg *args, int64_t *n) {
    const struct node *ids = tape_node(t, args[1].node);
    if (ids->op == OP_const && !known_segments(t, op, ids, n)) return false;
    if (!args[2].given) {
        if (ids->op == OP_const) return true;
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: segment_ids are not written in the graph; num_segments must say how many "
                  "segments there are",
                  op);
        return false;
    }
    if (!length_check(t, op, "num_segments", args[2].i)) return false;
    if (ids->op == OP_const && *n > args[2].i) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "%s: Segment id %" PRId64 " out of range [0, %" PRId64 ")", op, *n - 1,
                  args[2].i);
        return false;
    }
    *n = args[2].i;
    return true;
}
static node_id sorted_emit(struct tape *t, const char *op, const struct op_arg *args,
                           enum fold fold) {
    const node_id data = args[0].node, ids = args[1].node;
    struct segments s = {.sorted = true};
    int64_t n = 0;
    if (data == NODE_NONE || !indices_check(t, op, "segment_ids", ids) ||
        !sorted_shapes(t, op, tape_shape(t, data), tape_shape(t, ids)) ||
        !count_segments(t, op, args, &n))
        return NODE_NONE;
    return fold_segments(t, &s, fold, data, ids, n, INDEX_SORTED);
}

#define SEGMENTS(id, emit_segments, optional, fold, takes, text)                                   \
    static node_id id##_emit(struct tape *t, const struct op_arg *args) {                          \
        return emit_segments(t, #id, args, fold);                                                  \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_COMPOSITE,                                               \
                               .params = {{"data", PARAM_TENSOR, false},                           \
                                          {"segment_ids", PARAM_INDICES, false},                   \
                                          {"num_segments", PARAM_INT, optional}},                  \
                               .dtypes = takes,                                                    \
                               .emit = id##_emit};
#define UNSORTED(id, fold, takes, text) SEGMENTS(id, unsorted_emit, false, fold, takes, text)
#define SORTED(id, fold, takes, text) SEGMENTS(id, sorted_emit, true, fold, takes, text)
#define SEGMENT_TEXT(what) "y_s = " what " where segment_ids = s, in order; 0 of an empty segment"
SORTED(segment_sum, FOLD_SUM, DTYPES_NUMBERS, SEGMENT_TEXT("sum of data"))
SORTED(segment_mean, FOLD_MEAN, DTYPES_FLOATS, SEGMENT_TEXT("mean of data"))
SORTED(segment_max, FOLD_MAX, DTYPES_NUMBERS, SEGMENT_TEXT("largest data"))
SORTED(segment_min, FOLD_MIN, DTYPES_NUMBERS, SEGMENT_TEXT("smallest data"))
SORTED(segment_prod, FOLD_PROD, DTYPES_NUMBERS,
       "y_s = product of data where segment_ids = s, in order")
#define UNSORTED_TEXT(what) "y_s = " what " where segment_ids = s; a negative id is left out"
UNSORTED(unsorted_segment_sum, FOLD_SUM, DTYPES_NUMBERS, UNSORTED_TEXT("sum of data"))
UNSORTED(unsorted_segment_mean, FOLD_MEAN, DTYPES_FLOATS, UNSORTED_TEXT("mean of data"))
UNSORTED(unsorted_segment_sqrt_n, FOLD_SQRT_N, DTYPES_FLOATS,
         UNSORTED_TEXT("sum of data over sqrt(count)"))
UNSORTED(unsorted_segment_max, FOLD_MAX, DTYPES_NUMBERS, UNSORTED_TEXT("largest data"))
UNSORTED(unsorted_segment_min, FOLD_MIN, DTYPES_NUMBERS, UNSORTED_TEXT("smallest data"))
UNSORTED(unsorted_segment_prod, FOLD_PROD, DTYPES_NUMBERS, UNSORTED_TEXT("product of data"))
