/* Jacobians, Hessians and products with them: each route reads what it names, appends the derivative
 * and packs it in the structure of the sources. The mathematics is in core/jacobian.c. */
#include <inttypes.h>
#include <string.h>

#include "api/oneshot.h"
#include "api/place.h"
#include "api/sparse.h"
#include "core/emit.h"

/* What every route here begins with. */
struct asked {
    node_id *targets, *seeds, *sources;
    size_t n_targets, n_sources;
    struct value structure; /* of the sources */
    struct window window;
};

static bool read_asked(struct oneshot *o, struct asked *a) {
    return oneshot_targets(o, &a->targets, &a->seeds, &a->n_targets) &&
           oneshot_sources(o, &a->structure, &a->sources, &a->n_sources) &&
           oneshot_window(o, &a->window) && oneshot_fetch(o);
}

static node_id *new_nodes(struct oneshot *o, size_t n) {
    node_id *nodes = arena_alloc(&o->arena, (n + 1) * sizeof *nodes);
    if (!nodes) build_fail_memory(&o->b);
    return nodes;
}

/* Packs `leaves` like `structure` into the answer. */
static bool add_packed(struct oneshot *o, const char *name, const struct value *structure,
                       const node_id *leaves, bool zero) {
    struct value packed;
    if (!build_pack(&o->b, structure, zero, &leaves, &packed)) return false;
    oneshot_add(o, name, packed);
    return true;
}

bool oneshot_fill_missing(struct oneshot *o, const struct shape *lead, node_id x, node_id *leaf) {
    if (*leaf != NODE_NONE || !o->request.zero_unconnected) return true;
    struct tape *t = &o->b.tape;
    const struct shape *tail = tape_shape(t, x);
    struct shape shape = *lead;
    if (lead->rank + tail->rank > RANK_MAX) {
        return error_set(o->error, ERROR_GRAPH_TOO_LARGE,
                         "the derivative has rank %d; at most %d is allowed",
                         lead->rank + tail->rank, RANK_MAX);
    }
    for (int i = 0; i < tail->rank; i++) shape.dim[shape.rank++] = tail->dim[i];
    *leaf = tape_fill(t, tape_dtype(t, x), &shape, 0);
    return *leaf != NODE_NONE;
}

/* `structure` with leaves[0], leaves[1] ... in it, structures themselves. */
static bool pack_values(struct oneshot *o, const struct value *structure,
                        const struct value **leaves, struct value *out) {
    if (structure->kind != VALUE_LIST && structure->kind != VALUE_OBJECT) {
        *out = *(*leaves)++;
        return true;
    }
    struct value *items = arena_alloc(&o->arena, (structure->n + 1) * sizeof *items);
    if (!items) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < structure->n; i++) {
        if (structure->kind == VALUE_OBJECT && i % 2 == 0)
            items[i] = structure->items[i];
        else if (!pack_values(o, &structure->items[i], leaves, &items[i]))
            return false;
    }
    if (structure->kind == VALUE_OBJECT) return build_object(&o->b, items, structure->n, out);
    if (!build_list(&o->b, items, structure->n, out)) return false;
    return out->results = true;
}

static struct value *new_values(struct oneshot *o, size_t n) {
    struct value *values = arena_alloc(&o->arena, (n + 1) * sizeof *values);
    if (!values) build_fail_memory(&o->b);
    return values;
}

/* ---- jacobian ----------------------------------------------------------------------------------- */

static bool add_sparse_jacobian(struct oneshot *o, const struct asked *a) {
    struct value *leaves = new_values(o, a->n_sources), packed;
    if (!leaves || !sparse_jacobian(o, &a->window, a->targets[0], a->sources, a->n_sources, leaves))
        return false;
    const struct value *at = leaves;
    if (!pack_values(o, &a->structure, &at, &packed)) return false;
    oneshot_add(o, "jacobian", packed);
    return true;
}

static bool jacobian(struct oneshot *o) {
    struct asked a;
    if (!read_asked(o, &a)) return false;
    if (o->value.kind != VALUE_NODE) {
        error_set(o->error, ERROR_INVALID_VALUE, "a Jacobian has one target, found %s of %zu",
                  o->value.kind == VALUE_LIST ? "a list" : "an object", a.n_targets);
        return error_under(o->error, o->request.target ? "target" : "graph");
    }
    if (o->request.is_sparse) return add_sparse_jacobian(o, &a);
    node_id *jacobians = new_nodes(o, a.n_sources);
    if (!jacobians ||
        !tape_jacobian(&o->b.tape, &a.window, a.targets[0], a.sources, a.n_sources, jacobians))
        return false;
    for (size_t i = 0; i < a.n_sources; i++) {
        const struct shape *lead = tape_shape(&o->b.tape, a.targets[0]);
        if (!oneshot_fill_missing(o, lead, a.sources[i], &jacobians[i])) return false;
    }
    return add_packed(o, "jacobian", &a.structure, jacobians, false);
}

bool service_jacobian(const struct service_call *call, struct writer *out, struct error *error) {
    return oneshot_serve(call, REQUEST_JACOBIAN, jacobian, out, error);
}

/* ---- hessian and hvp ---------------------------------------------------------------------------- */

/* The first derivatives, which the answer shows too. */
static node_id *add_gradient(struct oneshot *o, const struct asked *a) {
    node_id *gradients = new_nodes(o, a->n_sources);
    const bool ok =
        gradients &&
        tape_gradient(&o->b.tape, &a->window, a->targets, a->seeds, a->n_targets, a->sources,
                      a->n_sources, gradients) &&
        add_packed(o, "gradient", &a->structure, gradients, o->request.zero_unconnected);
    return ok ? gradients : NULL;
}

static bool dense_rows(struct oneshot *o, const struct asked *a, const node_id *gradients,
                       struct value *rows) {
    const size_t n = a->n_sources;
    node_id *blocks = new_nodes(o, n * n);
    if (!blocks || !tape_hessian(&o->b.tape, &a->window, gradients, a->sources, n, blocks))
        return false;
    for (size_t i = 0; i < n * n; i++) {
        const struct shape *lead = tape_shape(&o->b.tape, a->sources[i / n]);
        if (!oneshot_fill_missing(o, lead, a->sources[i % n], &blocks[i])) return false;
    }
    const node_id *at = blocks;
    for (size_t i = 0; i < n; i++)
        if (!build_pack(&o->b, &a->structure, false, &at, &rows[i])) return false;
    return true;
}

static bool sparse_rows(struct oneshot *o, const struct asked *a, const node_id *gradients,
                        struct value *rows) {
    const size_t n = a->n_sources;
    struct value *leaves = new_values(o, n * n);
    if (!leaves || !sparse_hessian(o, &a->window, gradients, a->sources, n, leaves)) return false;
    const struct value *at = leaves;
    for (size_t i = 0; i < n; i++)
        if (!pack_values(o, &a->structure, &at, &rows[i])) return false;
    return true;
}

static bool hessian(struct oneshot *o) {
    struct asked a;
    if (!read_asked(o, &a)) return false;
    const size_t n = a.n_sources;
    const node_id *gradients = add_gradient(o, &a);
    if (!gradients) return false;
    if (n > UINT32_MAX || (int64_t)(n * n) > o->call->limits->max_nodes) {
        error_set(o->error, ERROR_GRAPH_TOO_LARGE,
                  "a Hessian of %zu sources has %zu blocks; the limit is %" PRId64, n, n * n,
                  o->call->limits->max_nodes);
        return error_under(o->error, "sources");
    }
    /* rows[i] has the structure of the sources, and stands at source i. */
    struct value *rows = new_values(o, n), nested;
    if (!rows || !(o->request.is_sparse ? sparse_rows(o, &a, gradients, rows)
                                        : dense_rows(o, &a, gradients, rows)))
        return false;
    const struct value *at = rows;
    if (!pack_values(o, &a.structure, &at, &nested)) return false;
    oneshot_add(o, "hessian", nested);
    return true;
}

bool service_hessian(const struct service_call *call, struct writer *out, struct error *error) {
    return oneshot_serve(call, REQUEST_HESSIAN, hessian, out, error);
}

/* An object of tensors by the names of nodes: points and directions of the same shapes. */
struct directions {
    node_id *primals, *tangents;
    size_t n;
};

static bool fail_absent(struct oneshot *o, const char *member) {
    return error_set(o->error, ERROR_INVALID_REQUEST, "member \"%s\" is missing", member);
}

static bool read_direction(struct oneshot *o, const struct json *v, const char *what,
                           struct directions *d) {
    const char *name = json_key(v);
    node_id primal;
    if (!oneshot_node(o, name, &primal)) return false;
    if (!dtype_is_float(tape_dtype(&o->b.tape, primal))) {
        return error_set(o->error, ERROR_DTYPE_MISMATCH,
                         "\"%.80s\" has dtype %s; a direction needs float32 or float64", name,
                         dtype_name(tape_dtype(&o->b.tape, primal)));
    }
    d->primals[d->n] = primal;
    return oneshot_bind_late(o, v, what, primal, &d->tangents[d->n++]);
}

static bool read_directions(struct oneshot *o, const struct json *v, const char *member,
                            const char *what, struct directions *d) {
    if (!v) return fail_absent(o, member);
    if (json_type(v) != JSON_OBJECT) {
        error_set(o->error, ERROR_INVALID_REQUEST,
                  "expected an object of tensors by name, found %s", json_type_name(v));
        return error_under(o->error, member);
    }
    d->n = 0;
    d->primals = new_nodes(o, json_length(v));
    d->tangents = new_nodes(o, json_length(v));
    if (!d->primals || !d->tangents) return false;
    for (v = json_first(v); v; v = json_next(v)) {
        if (read_direction(o, v, what, d)) continue;
        error_under(o->error, json_key(v));
        return error_under(o->error, member);
    }
    return true;
}

static bool check_among_sources(struct oneshot *o, const struct asked *a,
                                const struct directions *d) {
    bool *is_source = arena_zalloc(&o->arena, o->b.tape.count);
    if (!is_source) return build_fail_memory(&o->b);
    for (size_t i = 0; i < a->n_sources; i++) is_source[a->sources[i]] = true;
    const struct json *v = json_first(o->request.vector);
    for (size_t i = 0; i < d->n; i++, v = json_next(v)) {
        if (is_source[d->primals[i]]) continue;
        error_set(o->error, ERROR_INVALID_VALUE, "\"%.80s\" is not among the sources", json_key(v));
        error_under(o->error, json_key(v));
        return error_under(o->error, "vector");
    }
    return true;
}

static bool hvp(struct oneshot *o) {
    struct asked a;
    struct directions d = {0};
    if (!read_asked(o, &a) || !read_directions(o, o->request.vector, "vector", "vector", &d) ||
        !check_among_sources(o, &a, &d))
        return false;
    const node_id *gradients = add_gradient(o, &a);
    node_id *products = gradients ? new_nodes(o, a.n_sources) : NULL;
    return products &&
           tape_hvp(&o->b.tape, &a.window, gradients, a.sources, a.n_sources, d.primals, d.tangents,
                    d.n, products) &&
           add_packed(o, "hvp", &a.structure, products, o->request.zero_unconnected);
}

bool service_hvp(const struct service_call *call, struct writer *out, struct error *error) {
    return oneshot_serve(call, REQUEST_HVP, hvp, out, error);
}

/* ---- jvp ---------------------------------------------------------------------------------------- */

static bool jvp(struct oneshot *o) {
    node_id *targets, *seeds;
    size_t n;
    struct directions d = {0};
    if (!oneshot_targets(o, &targets, &seeds, &n) || !oneshot_fetch(o) ||
        !read_directions(o, o->request.tangents, "tangents", "tangent", &d))
        return false;
    node_id *derivatives = new_nodes(o, n);
    return derivatives &&
           tape_directional(&o->b.tape, d.primals, d.tangents, d.n, targets, n, derivatives) &&
           add_packed(o, "jvp", &o->value, derivatives, o->request.zero_unconnected);
}

bool service_jvp(const struct service_call *call, struct writer *out, struct error *error) {
    return oneshot_serve(call, REQUEST_JVP, jvp, out, error);
}

/* ---- vjp ---------------------------------------------------------------------------------------- */

/* Nodes of one shape along a new leading axis. */
static node_id stack(struct tape *t, node_id *parts, size_t n) {
    struct shape one;
    if (!tape_ok(t) || !shape_lead(t, tape_shape(t, parts[0]), 1, &one)) return NODE_NONE;
    for (size_t i = 0; i < n; i++) parts[i] = emit_reshape(t, parts[i], &one);
    return emit_concat(t, parts, (uint32_t)n, 0);
}

/* cotangents_batch, a list of cotangents in the structure of the target: for each target one node
 * with all of them along a new leading axis. */
static bool read_stacked(struct oneshot *o, const struct asked *a, node_id *stacked, size_t *n) {
    const struct json *v = o->request.cotangents_batch;
    if (json_type(v) == JSON_NUMBERS && !(v = json_split(&o->arena, v)))
        return build_fail_memory(&o->b);
    if (json_type(v) != JSON_ARRAY || json_length(v) == 0) {
        return error_set(o->error, ERROR_INVALID_VALUE,
                         "expected a list of cotangents, each in the structure of the target, "
                         "found %s",
                         json_type(v) == JSON_ARRAY ? "an empty list" : json_type_name(v));
    }
    *n = json_length(v);
    node_id *parts = new_nodes(o, *n * a->n_targets), *one = new_nodes(o, a->n_targets);
    if (!parts || !one) return false;
    size_t k = 0;
    for (v = json_first(v); v; v = json_next(v), k++) {
        node_id *at = one;
        if (!oneshot_seeds(o, v, "a cotangent", &o->value, &at))
            return error_under_index(o->error, k);
        for (size_t i = 0; i < a->n_targets; i++) {
            struct tape *t = &o->b.tape;
            if (one[i] == NODE_NONE)
                one[i] =
                    tape_fill(t, tape_dtype(t, a->targets[i]), tape_shape(t, a->targets[i]), 1);
            parts[i * *n + k] = one[i];
        }
    }
    for (size_t i = 0; i < a->n_targets; i++) {
        stacked[i] = stack(&o->b.tape, parts + i * *n, *n);
        if (stacked[i] == NODE_NONE) return false;
    }
    return true;
}

static bool vjp_batch(struct oneshot *o, const struct asked *a, node_id *gradients) {
    node_id *stacked = new_nodes(o, a->n_targets);
    size_t n = 0;
    if (!stacked) return false;
    if (!read_stacked(o, a, stacked, &n)) return error_under(o->error, "cotangents_batch");
    if (!tape_vjp_batch(&o->b.tape, &a->window, a->targets, stacked, a->n_targets, a->sources,
                        a->n_sources, gradients))
        return false;
    const struct shape lead = {.rank = 1, .dim = {(int64_t)n}};
    for (size_t i = 0; i < a->n_sources; i++)
        if (!oneshot_fill_missing(o, &lead, a->sources[i], &gradients[i])) return false;
    return add_packed(o, "vjp", &a->structure, gradients, false);
}

static bool vjp(struct oneshot *o) {
    struct asked a;
    const struct json *one = o->request.cotangents, *many = o->request.cotangents_batch;
    if (!one && !many) return fail_absent(o, "cotangents");
    if (one && many) {
        error_set(o->error, ERROR_INVALID_REQUEST,
                  "\"cotangents\" and \"cotangents_batch\" exclude each other");
        return error_under(o->error, "cotangents_batch");
    }
    if (!read_asked(o, &a)) return false;
    node_id *gradients = new_nodes(o, a.n_sources);
    if (!gradients) return false;
    if (many) return vjp_batch(o, &a, gradients);
    node_id *at = a.seeds = new_nodes(o, a.n_targets);
    if (!at) return false;
    if (!oneshot_seeds(o, one, "cotangents", &o->value, &at))
        return error_under(o->error, "cotangents");
    return tape_gradient(&o->b.tape, &a.window, a.targets, a.seeds, a.n_targets, a.sources,
                         a.n_sources, gradients) &&
           add_packed(o, "vjp", &a.structure, gradients, o->request.zero_unconnected);
}

bool service_vjp(const struct service_call *call, struct writer *out, struct error *error) {
    return oneshot_serve(call, REQUEST_VJP, vjp, out, error);
}
