/* The functions of the language that are no ops: `grad`, which appends a derivative, and what is
 * known of a shape when the graph is built. */
#include "api/build.h"

#include <string.h>

#include "api/place.h"

static bool parse_unconnected(struct builder *b, const struct value *v, bool *zero) {
    *zero = false;
    if (!v) return true;
    if (v->kind == VALUE_STRING && strcmp(v->string, "zero") == 0) return *zero = true;
    if (v->kind == VALUE_STRING && strcmp(v->string, "none") == 0) return true;
    if (v->kind == VALUE_STRING) {
        return error_set(b->error, ERROR_INVALID_ARGUMENT,
                         "Unknown value for unconnected_gradients: '%.40s'", v->string);
    }
    return error_set(b->error, ERROR_INVALID_ARGUMENT,
                     "grad: unconnected must be \"none\" or \"zero\", found %s",
                     value_kind_name(v));
}

/* A value's leaves as nodes; counts them as visits, since a short graph can name a long list often. */
static bool leaves_of(struct builder *b, const struct value *v, struct value *settled,
                      node_id **out, size_t *n) {
    if (!build_settle(b, v, false, settled)) return false;
    *n = build_leaves(settled);
    if (!tape_walk(&b->tape, (int64_t)*n)) return false;
    node_id *at = *out = arena_alloc(b->arena, (*n + 1) * sizeof **out);
    if (!at) return build_fail_memory(b);
    build_flatten(settled, &at);
    return true;
}

static bool fail_target(struct builder *b) {
    return error_set(
        b->error, ERROR_MISSING_GRADIENT,
        "Argument `target` should be a list or nested structure of Tensors, Variables or "
        "CompositeTensors to be differentiated, but received None.");
}

static bool build_gradient(struct builder *b, const struct value *const *bound, struct value *out) {
    bool zero;
    struct value targets, sources;
    node_id *target, *source, *seeds = NULL;
    size_t n_targets, n_sources;
    if (!parse_unconnected(b, bound[2] ? bound[2] : bound[4], &zero)) return false;
    if (bound[0]->kind == VALUE_NONE || bound[0]->kind == VALUE_MISSING) return fail_target(b);
    if (!leaves_of(b, bound[0], &targets, &target, &n_targets)) return false;
    if (!leaves_of(b, bound[1], &sources, &source, &n_sources)) return false;
    for (size_t i = 0; i < n_targets; i++) {
        if (target[i] == NODE_NONE) return fail_target(b);
    }
    for (size_t i = 0; i < n_sources; i++) {
        if (source[i] != NODE_NONE) continue;
        return error_set(b->error, ERROR_MISSING_GRADIENT,
                         "grad: a source is a gradient that is None");
    }
    if (bound[3]) {
        node_id *at = seeds = arena_alloc(b->arena, (n_targets + 1) * sizeof *seeds);
        if (!at) return build_fail_memory(b);
        if (!build_seeds(b, bound[3], &targets, &at)) return false;
    }
    node_id *gradients = arena_alloc(b->arena, (n_sources + 1) * sizeof *gradients);
    if (!gradients) return build_fail_memory(b);
    const struct window window = {
        .watched = source, .n_watched = n_sources, .begin = b->begin, .end = b->tape.count};
    if (!tape_gradient(&b->tape, &window, target, seeds, n_targets, source, n_sources, gradients))
        return false;
    const node_id *leaves = gradients;
    return build_pack(b, &sources, zero, &leaves, out);
}

/* The argument as a node, whose shape is then known. */
static bool measured(struct builder *b, const struct value *v, const struct shape **shape) {
    enum dtype dtype;
    node_id node;
    if (!build_find_dtype(b, v, &dtype)) dtype = build_all_bools(v) ? DTYPE_BOOL : b->dtype;
    if (!build_node(b, v, dtype, &node)) return false;
    *shape = tape_shape(&b->tape, node);
    return true;
}

static bool build_shape(struct builder *b, const struct value *const *bound, struct value *out) {
    const struct shape *shape;
    struct value dims[RANK_MAX];
    if (!measured(b, bound[0], &shape)) return false;
    for (int i = 0; i < shape->rank; i++) dims[i] = value_int(shape->dim[i]);
    return build_list(b, dims, (size_t)shape->rank, out);
}

static bool build_size(struct builder *b, const struct value *const *bound, struct value *out) {
    const struct shape *shape;
    if (!measured(b, bound[0], &shape)) return false;
    *out = value_int(shape_count(shape));
    return true;
}

static bool build_rank(struct builder *b, const struct value *const *bound, struct value *out) {
    const struct shape *shape;
    if (!measured(b, bound[0], &shape)) return false;
    *out = value_int(shape->rank);
    return true;
}

static bool build_len(struct builder *b, const struct value *const *bound, struct value *out) {
    const struct shape *shape;
    if (bound[0]->kind == VALUE_LIST) {
        *out = value_int(bound[0]->n);
        return true;
    }
    if (!measured(b, bound[0], &shape)) return false;
    if (shape->rank == 0)
        return error_set(b->error, ERROR_INVALID_ARGUMENT, "len: a scalar has no length");
    *out = value_int(shape->dim[0]);
    return true;
}

const struct builtin builtins[BUILTIN_COUNT] = {
    {"grad",
     {{"target", PARAM_TENSORS, false},
      {"sources", PARAM_TENSORS, false},
      {"unconnected", PARAM_STRING, true},
      {"output_gradients", PARAM_TENSORS, true},
      {"unconnected_gradients", PARAM_STRING, true}},
     build_gradient,
     "the gradient of the sum of all targets by each source, a node like any other"},
    {"shape",
     {{"input", PARAM_TENSOR, false}},
     build_shape,
     "the lengths of the axes, known when the graph is built"},
    {"size",
     {{"input", PARAM_TENSOR, false}},
     build_size,
     "the number of elements, known when the graph is built"},
    {"len",
     {{"input", PARAM_TENSOR, false}},
     build_len,
     "the length of the first axis, known when the graph is built"},
    {"rank",
     {{"input", PARAM_TENSOR, false}},
     build_rank,
     "the number of axes, known when the graph is built"},
};
