/* Subscripts: x[0, 1:3, ..., None] as one strided slice and one reshape, with NumPy's bounds and
 * Python's slices. Lists are indexed as lists. */
#include "api/build.h"

#include <inttypes.h>

#include "core/emit.h"

/* Python's slice.indices(n), then as a first element, a stride and a count. */
static bool slice_bounds(struct builder *b, const struct index_item *item, int64_t n,
                         int64_t *begin, int64_t *stride, int64_t *count) {
    int64_t step = item->given[2] ? item->at[2] : 1;
    if (step == 0) return error_set(b->error, ERROR_INVALID_ARGUMENT, "slice step cannot be zero");
    if (step < -INT64_MAX) step = -INT64_MAX;
    const int64_t least = step < 0 ? -1 : 0, most = step < 0 ? n - 1 : n;
    int64_t bound[2] = {step < 0 ? most : least, step < 0 ? least : most};
    for (int i = 0; i < 2; i++) {
        if (!item->given[i]) continue;
        int64_t at = item->at[i];
        if (at < 0) at = at < -n ? least : at + n;
        bound[i] = at < least ? least : at > most ? most : at;
    }
    const int64_t reach = step < 0 ? bound[0] - bound[1] : bound[1] - bound[0];
    *count = reach > 0 ? (reach - 1) / (step < 0 ? -step : step) + 1 : 0;
    *begin = *count > 0 ? bound[0] : 0;
    *stride = *count > 1 ? step : 1;
    return true;
}

static bool element_at(struct builder *b, int64_t at, const struct shape *shape, int axis,
                       int64_t *out) {
    const int64_t n = shape->dim[axis];
    if (at < -n || at >= n) {
        char text[SHAPE_TEXT];
        return error_set(b->error, ERROR_INVALID_ARGUMENT,
                         "index %" PRId64 " is out of range for axis %d of shape %s", at, axis,
                         shape_text(shape, text));
    }
    *out = at < 0 ? at + n : at;
    return true;
}

static bool list_slice(struct builder *b, const struct value *list, const struct index_item *item,
                       struct value *out) {
    int64_t begin = 0, stride = 1, count = 0;
    if (!slice_bounds(b, item, list->n, &begin, &stride, &count)) return false;
    struct value *items = arena_alloc(b->arena, ((size_t)count + 1) * sizeof *items);
    if (!items) return build_fail_memory(b);
    for (int64_t i = 0; i < count; i++) items[i] = list->items[begin + i * stride];
    if (!build_list(b, items, (size_t)count, out)) return false;
    out->results = list->results;
    return true;
}

/* How many axes the items use up; false where they cannot be meant. */
static bool count_axes(struct builder *b, const struct shape *shape, const struct index_item *items,
                       size_t n, int *used) {
    int ellipses = 0;
    *used = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].kind == INDEX_ELLIPSIS)
            ellipses++;
        else if (items[i].kind != INDEX_NEW_AXIS)
            ++*used;
    }
    if (ellipses > 1) {
        return error_set(b->error, ERROR_INVALID_ARGUMENT,
                         "an index can only have a single ellipsis ('...')");
    }
    if (*used > shape->rank) {
        char text[SHAPE_TEXT];
        return error_set(b->error, ERROR_INVALID_ARGUMENT, "%d ind%s for shape %s", *used,
                         *used == 1 ? "ex" : "ices", shape_text(shape, text));
    }
    return true;
}

/* What a subscript does to a tensor. */
struct selection {
    int64_t begin[RANK_MAX], stride[RANK_MAX];
    struct shape slice;  /* of what is cut out, an indexed axis kept with length 1 */
    struct shape result; /* without those, and with the new axes */
    bool cuts, reshapes;
};

static bool keep_axis(struct builder *b, struct selection *s, int64_t dim) {
    if (s->result.rank == RANK_MAX) {
        return error_set(b->error, ERROR_GRAPH_TOO_LARGE,
                         "an index gives more than the %d axes a tensor may have", RANK_MAX);
    }
    s->result.dim[s->result.rank++] = dim;
    return true;
}

static bool select_axis(struct builder *b, struct selection *s, const struct shape *shape,
                        const struct index_item *item) {
    const int axis = s->slice.rank++;
    const int64_t n = shape->dim[axis];
    s->stride[axis] = 1;
    s->slice.dim[axis] = 1;
    if (item && item->kind == INDEX_AT) {
        s->cuts = s->reshapes = true;
        return element_at(b, item->at[0], shape, axis, &s->begin[axis]);
    }
    static const struct index_item whole = {.kind = INDEX_SLICE};
    s->cuts = s->cuts || item;
    return slice_bounds(b, item ? item : &whole, n, &s->begin[axis], &s->stride[axis],
                        &s->slice.dim[axis]) &&
           keep_axis(b, s, s->slice.dim[axis]);
}

static bool select_items(struct builder *b, struct selection *s, const struct shape *shape,
                         const struct index_item *items, size_t n) {
    int used;
    if (!count_axes(b, shape, items, n, &used)) return false;
    int skipped = shape->rank - used;
    for (size_t i = 0; i < n; i++) {
        if (items[i].kind == INDEX_NEW_AXIS) {
            s->reshapes = true;
            if (!keep_axis(b, s, 1)) return false;
        } else if (items[i].kind != INDEX_ELLIPSIS) {
            if (!select_axis(b, s, shape, &items[i])) return false;
        } else {
            for (; skipped > 0; skipped--) {
                if (!select_axis(b, s, shape, NULL)) return false;
            }
        }
    }
    for (; skipped > 0; skipped--) {
        if (!select_axis(b, s, shape, NULL)) return false;
    }
    return true;
}

static bool index_node(struct builder *b, node_id x, const struct index_item *items, size_t n,
                       struct value *out) {
    struct selection s = {.slice.rank = 0};
    if (!select_items(b, &s, tape_shape(&b->tape, x), items, n)) return false;
    if (s.cuts || !s.reshapes) x = emit_strided_slice(&b->tape, x, &s.slice, s.begin, s.stride);
    if (s.reshapes) x = emit_reshape(&b->tape, x, &s.result);
    *out = value_node(x);
    return x != NODE_NONE;
}

bool build_index(struct builder *b, const struct value *x, const struct index_item *items, size_t n,
                 struct value *out) {
    struct value v = *x;
    while (v.kind == VALUE_LIST && n > 0 && items->kind == INDEX_AT) {
        int64_t at = 0;
        const struct shape shape = {.rank = 1, .dim = {v.n}};
        if (!element_at(b, items->at[0], &shape, 0, &at)) return false;
        v = v.items[at];
        items++;
        n--;
    }
    if (v.kind == VALUE_LIST && n == 1 && items->kind == INDEX_SLICE)
        return list_slice(b, &v, items, out);
    *out = v;
    if (n == 0) return true;
    enum dtype dtype;
    if (!build_find_dtype(b, &v, &dtype)) dtype = build_all_bools(&v) ? DTYPE_BOOL : b->dtype;
    node_id node;
    return build_node(b, &v, dtype, &node) && index_node(b, node, items, n, out);
}

bool build_unpack(struct builder *b, const struct value *v, size_t n, struct value *out) {
    int64_t has;
    struct value tensor;
    if (v->kind == VALUE_LIST) {
        has = v->n;
    } else {
        if (!build_settle(b, v, true, &tensor)) return false;
        if (tensor.kind != VALUE_NODE) return build_fail_not_tensor(b, v);
        v = &tensor;
        const struct shape *shape = tape_shape(&b->tape, v->node);
        if (shape->rank == 0) {
            return error_set(b->error, ERROR_INVALID_ARGUMENT, "%zu name%s for a scalar", n,
                             n == 1 ? "" : "s");
        }
        has = shape->dim[0];
    }
    if ((size_t)has != n) {
        return error_set(b->error, ERROR_INVALID_ARGUMENT, "%zu name%s for %" PRId64 " value%s", n,
                         n == 1 ? "" : "s", has, has == 1 ? "" : "s");
    }
    for (size_t i = 0; i < n; i++) {
        const struct index_item at = {.kind = INDEX_AT, .at = {(int64_t)i}};
        if (!build_index(b, v, &at, 1, &out[i])) return false;
    }
    return true;
}
