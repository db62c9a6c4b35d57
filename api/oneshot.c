/* The one-shot services: a request in, value and gradient out, nothing kept. Each reads as decode,
 * differentiate, answer; the parts are in the files around this one. */
#include "api/oneshot.h"

#include <stdio.h>
#include <string.h>

#include "api/expr.h"
#include "api/graph_nodes.h"
#include "api/place.h"

static bool build_graph(struct oneshot *o) {
    const struct json *graph = o->request.graph;
    bool ok;
    if (json_type(graph) == JSON_STRING) {
        const char *text = json_string(graph);
        ok = expr_build(&o->b, text, strlen(text), o->call->query, &o->last);
    } else if (json_type(graph) == JSON_OBJECT) {
        ok = nodes_build(&o->b, graph, &o->last);
    } else {
        ok = error_set(
            o->error, ERROR_INVALID_REQUEST,
            "expected a text in the expression language or an object with \"nodes\", found %s",
            json_type_name(graph));
    }
    o->graph_end = o->b.tape.count;
    return ok || error_under(o->error, "graph");
}

bool oneshot_begin(struct oneshot *o, const struct service_call *call, enum request_route route,
                   struct error *error) {
    o->call = call;
    o->error = error;
    o->has_gradient = o->has_fetched = false;
    o->n_bound = o->n_variables = 0;
    o->n_suspects = 0;
    o->warnings = NULL;
    o->warnings_end = &o->warnings;
    arena_init(&o->arena, (size_t)call->limits->max_request_bytes);
    writer_init(&o->query, (size_t)call->limits->max_request_bytes);
    const char *body = call->body;
    size_t length = call->body_length;
    struct json *root;
    if (call->query) {
        if (!request_from_query(call, route, &o->arena, &o->query, error)) return false;
        body = o->query.data;
        length = o->query.length;
    }
    if (!json_parse(&o->arena, body, length, (int)call->limits->max_json_depth, &root, error))
        return false;
    if (!request_read(&o->request, root, route, call, error)) return false;
    build_init(&o->b, &o->arena, error, call->limits, o->request.default_dtype, call->seed);
    return oneshot_bind(o) && build_graph(o);
}

void oneshot_end(struct oneshot *o) {
    writer_free(&o->query);
    arena_free(&o->arena);
}

/* A name's value, settled once, so that who asks again gets the same nodes. */
static bool settled_name(struct oneshot *o, const char *text, struct value *out) {
    struct name *name = names_find(&o->b.names, text, strlen(text));
    struct value found;
    if (!build_lookup(&o->b, text, strlen(text), &found) || !build_settle(&o->b, &found, true, out))
        return false;
    if (name) name->value = *out;
    return true;
}

/* A name, or lists and objects of names, as a settled value. `what` says what they are. */
static bool read_names(struct oneshot *o, const struct json *v, const char *what,
                       struct value *out) {
    *out = value_none();
    if (json_type(v) == JSON_STRING) return settled_name(o, json_string(v), out);
    if (json_type(v) != JSON_ARRAY && json_type(v) != JSON_OBJECT) {
        return error_set(o->error, ERROR_INVALID_REQUEST, "a %s is a name, found %s", what,
                         json_type_name(v));
    }
    const bool object = json_type(v) == JSON_OBJECT;
    struct value *items = arena_alloc(&o->arena, (2 * json_length(v) + 1) * sizeof *items);
    size_t n = 0, i = 0;
    if (!items) return build_fail_memory(&o->b);
    for (v = json_first(v); v; v = json_next(v), i++) {
        if (object) items[n++] = value_string(json_key(v));
        if (read_names(o, v, what, &items[n++])) continue;
        return object ? error_under(o->error, json_key(v)) : error_under_index(o->error, i);
    }
    if (object) return build_object(&o->b, items, n, out);
    if (!build_list(&o->b, items, n, out)) return false;
    return out->results = true;
}

static bool read_member(struct oneshot *o, const struct json *v, const char *name, const char *what,
                        struct value *out) {
    return read_names(o, v, what, out) || error_under(o->error, name);
}

/* The last statement where the request names nothing. */
static bool read_value(struct oneshot *o, const struct json *v, const char *name,
                       const char *what) {
    if (v) return read_member(o, v, name, what, &o->value);
    if (o->last.kind == VALUE_NONE && o->b.tape.count == o->n_bound) {
        error_set(o->error, ERROR_INVALID_REQUEST, "the graph is empty and \"%s\" names nothing",
                  name);
        return error_under(o->error, "graph");
    }
    return build_settle(&o->b, &o->last, true, &o->value) || error_under(o->error, "graph");
}

static bool leaves(struct oneshot *o, const struct value *v, node_id **out, size_t *n) {
    *n = build_leaves(v);
    node_id *at = *out = arena_alloc(&o->arena, (*n + 1) * sizeof **out);
    if (!at) return build_fail_memory(&o->b);
    build_flatten(v, &at);
    return true;
}

/* Notes TensorFlow's warning for what the request watches in vain. `v` is what `json` names. */
static bool warn_of_integers(struct oneshot *o, const struct json *json, const struct value *v,
                             const char *pointer) {
    node_id *nodes;
    size_t n;
    if (json_type(json) != JSON_STRING) {
        uint32_t i = v->kind == VALUE_OBJECT;
        for (json = json_first(json); json;
             json = json_next(json), i += v->kind == VALUE_OBJECT ? 2 : 1) {
            char name[24], inner[sizeof o->error->pointer];
            snprintf(name, sizeof name, "%u", i);
            json_pointer(inner, sizeof inner, pointer, json_key(json) ? json_key(json) : name);
            if (!warn_of_integers(o, json, &v->items[i], inner)) return false;
        }
        return true;
    }
    if (!leaves(o, v, &nodes, &n)) return false;
    for (size_t i = 0; i < n; i++) {
        const enum dtype dtype =
            nodes[i] == NODE_NONE ? DTYPE_F32 : tape_dtype(&o->b.tape, nodes[i]);
        if (dtype_is_float(dtype)) continue;
        struct warning *warning = arena_alloc(&o->arena, sizeof *warning);
        const char *kept = arena_copy_text(&o->arena, pointer, strlen(pointer));
        if (!warning || !kept) return build_fail_memory(&o->b);
        *warning = (struct warning){.pointer = kept, .dtype = dtype};
        *o->warnings_end = warning;
        o->warnings_end = &warning->next;
    }
    return true;
}

/* What the request's tape watches: its trainable variables, and what `watch` names. It recorded all
 * of the graph. */
static bool read_window(struct oneshot *o, struct window *w) {
    const struct json *watch = o->request.watch;
    struct value v;
    node_id *named = NULL;
    size_t n_named = 0;
    if (watch && (!read_member(o, watch, "watch", "watched node", &v) ||
                  !leaves(o, &v, &named, &n_named) || !warn_of_integers(o, watch, &v, "/watch"))) {
        return false;
    }
    node_id *watched = arena_alloc(&o->arena, (o->n_variables + n_named + 1) * sizeof *watched);
    if (!watched) return build_fail_memory(&o->b);
    size_t n = 0;
    for (node_id i = 0; i < o->n_variables; i++) {
        if (o->request.watches_variables && o->trainable[i]) watched[n++] = i;
    }
    for (size_t i = 0; i < n_named; i++) {
        if (named[i] != NODE_NONE) watched[n++] = named[i];
    }
    *w = (struct window){.watched = watched, .n_watched = n, .begin = 0, .end = o->graph_end};
    return true;
}

/* Every variable by its name, where the request names no sources. */
static bool read_sources(struct oneshot *o, struct value *out) {
    if (o->request.sources) return read_member(o, o->request.sources, "sources", "source", out);
    struct value *items = arena_alloc(&o->arena, (2 * o->n_variables + 1) * sizeof *items);
    if (!items) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < o->n_variables; i++) {
        items[2 * i] = value_string(o->b.names.list[i].text);
        items[2 * i + 1] = value_node(i);
    }
    return build_object(&o->b, items, 2 * o->n_variables, out);
}

static bool fail_seeds(struct oneshot *o, const struct json *v, const struct value *targets) {
    const bool object = targets->kind == VALUE_OBJECT;
    return error_set(
        o->error, ERROR_INVALID_VALUE,
        "output_gradients must have the structure of the target, %s of %u; found %s of %zu",
        object ? "an object" : "a list", object ? targets->n / 2 : targets->n, json_type_name(v),
        json_length(v));
}

static bool read_seeds(struct oneshot *o, const struct json *v, const struct value *targets,
                       node_id **seeds);

/* The members of an object of seeds by the target's keys; one that is no target's is refused. */
static bool match_seeds(struct oneshot *o, const struct json *v, const struct value *targets,
                        struct names *keys) {
    bool added;
    names_init(keys, &o->arena, o->call->seed);
    for (uint32_t i = 0; i < targets->n; i += 2) {
        const char *text = targets->items[i].string;
        struct name *key = names_add(keys, text, strlen(text), &added);
        if (!key) return build_fail_memory(&o->b);
        key->value = value_none();
    }
    for (v = json_first(v); v; v = json_next(v)) {
        struct name *key = names_find(keys, json_key(v), strlen(json_key(v)));
        if (key) {
            key->value = (struct value){.kind = VALUE_NUMBERS, .numbers = v};
            continue;
        }
        error_set(o->error, ERROR_INVALID_VALUE, "the target has no member \"%.80s\"", json_key(v));
        return error_under(o->error, json_key(v));
    }
    return true;
}

static bool read_seed_object(struct oneshot *o, const struct json *v, const struct value *targets,
                             node_id **seeds) {
    struct names keys;
    if (!match_seeds(o, v, targets, &keys)) return false;
    for (uint32_t i = 0; i < keys.n; i++) {
        const struct value *target = &targets->items[2 * i + 1], *given = &keys.list[i].value;
        if (given->kind == VALUE_NONE)
            build_no_seeds(target, seeds);
        else if (!read_seeds(o, given->numbers, target, seeds))
            return error_under(o->error, keys.list[i].text);
    }
    return true;
}

/* output_gradients in the structure of the target; what is missing means ones. */
static bool read_seeds(struct oneshot *o, const struct json *v, const struct value *targets,
                       node_id **seeds) {
    if (targets->kind == VALUE_NODE) {
        struct value literal;
        return build_literal(&o->b, v, &literal) &&
               build_seed(&o->b, &literal, targets->node, (*seeds)++);
    }
    if (targets->kind == VALUE_OBJECT && json_type(v) == JSON_OBJECT)
        return read_seed_object(o, v, targets, seeds);
    if (json_type(v) == JSON_NUMBERS) v = json_split(&o->arena, v);
    if (!v) return build_fail_memory(&o->b);
    if (targets->kind != VALUE_LIST || json_type(v) != JSON_ARRAY || json_length(v) > targets->n) {
        return fail_seeds(o, v, targets);
    }
    uint32_t i = 0;
    for (v = json_first(v); v; v = json_next(v), i++) {
        if (!read_seeds(o, v, &targets->items[i], seeds)) return error_under_index(o->error, i);
    }
    for (; i < targets->n; i++) build_no_seeds(&targets->items[i], seeds);
    return true;
}

static bool read_targets(struct oneshot *o, node_id **targets, node_id **seeds, size_t *n) {
    const struct json *given = o->request.output_gradients;
    *seeds = NULL;
    if (!read_value(o, o->request.target, "target", "target") || !leaves(o, &o->value, targets, n))
        return false;
    for (size_t i = 0; i < *n; i++) {
        if ((*targets)[i] != NODE_NONE) continue;
        error_set(o->error, ERROR_MISSING_GRADIENT,
                  "Argument `target` should be a list or nested structure of Tensors, Variables or "
                  "CompositeTensors "
                  "to be differentiated, but received None.");
        return o->request.target ? error_under(o->error, "target") : error_under(o->error, "graph");
    }
    if (*n == 0) {
        error_set(o->error, ERROR_INVALID_VALUE, "target is empty; it must name at least one node");
        return error_under(o->error, "target");
    }
    if (!given || json_type(given) == JSON_NULL) return true;
    node_id *at = *seeds = arena_alloc(&o->arena, *n * sizeof **seeds);
    if (!at) return build_fail_memory(&o->b);
    return read_seeds(o, given, &o->value, &at) || error_under(o->error, "output_gradients");
}

static bool read_fetch(struct oneshot *o) {
    o->has_fetched = o->request.fetch;
    return !o->request.fetch ||
           read_member(o, o->request.fetch, "fetch", "fetched node", &o->fetched);
}

static bool differentiate(struct oneshot *o) {
    struct value sources;
    struct window w;
    node_id *targets, *seeds, *nodes, *gradients;
    size_t n_targets, n_sources;
    if (!read_targets(o, &targets, &seeds, &n_targets) || !read_sources(o, &sources) ||
        !read_window(o, &w) || !read_fetch(o) || !leaves(o, &sources, &nodes, &n_sources)) {
        return false;
    }
    for (size_t i = 0; i < n_sources; i++) {
        if (nodes[i] != NODE_NONE) continue;
        error_set(o->error, ERROR_MISSING_GRADIENT, "a source is a gradient that is None");
        return error_under(o->error, "sources");
    }
    gradients = arena_alloc(&o->arena, (n_sources + 1) * sizeof *gradients);
    if (!gradients) return build_fail_memory(&o->b);
    if (!tape_gradient(&o->b.tape, &w, targets, seeds, n_targets, nodes, n_sources, gradients))
        return false;
    const node_id *at = gradients;
    o->has_gradient = true;
    if (!build_pack(&o->b, &sources, o->request.zero_unconnected, &at, &o->gradient)) return false;
    return !o->request.wants_diagnosis || diagnose_prepare(o, &w, targets, seeds, n_targets);
}

bool service_gradient(const struct service_call *call, struct writer *out, struct error *error) {
    struct oneshot o;
    const bool ok = oneshot_begin(&o, call, REQUEST_GRADIENT, error) && differentiate(&o) &&
                    oneshot_answer(&o, out);
    oneshot_end(&o);
    return ok;
}

static bool evaluate(struct oneshot *o) {
    node_id *targets;
    size_t n;
    struct window unused; /* nothing is differentiated, but what is watched must be there */
    if (!read_value(o, o->request.fetch, "fetch", "fetched node") || !read_window(o, &unused))
        return false;
    if (!o->request.wants_diagnosis) return true;
    return leaves(o, &o->value, &targets, &n) && diagnose_prepare(o, NULL, targets, NULL, n);
}

bool service_evaluate(const struct service_call *call, struct writer *out, struct error *error) {
    struct oneshot o;
    const bool ok =
        oneshot_begin(&o, call, REQUEST_EVALUATE, error) && evaluate(&o) && oneshot_answer(&o, out);
    oneshot_end(&o);
    return ok;
}
