/* The one-shot services: a request in, value and gradient out, nothing kept. Each reads as decode,
 * differentiate, answer; the parts are in the files around this one. */
#include "api/oneshot.h"

#include <string.h>

#include "api/expr.h"
#include "api/graph_nodes.h"
#include "api/known.h"
#include "api/place.h"

bool oneshot_build(struct oneshot *o) {
    const struct json *graph = o->request.graph;
    bool ok;
    o->b.begin = o->b.tape.count;
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

static void init(struct oneshot *o, const struct service_call *call, struct error *error) {
    o->call = call;
    o->error = error;
    o->has_fetched = o->hides_value = false;
    o->work = NULL;
    o->plan = NULL;
    o->key.bytes = NULL;
    o->known = NULL;
    o->last = value_none();
    o->n_derivatives = 0;
    o->n_bound = o->n_variables = o->n_late = o->late_capacity = 0;
    o->late = NULL;
    o->batch = (struct batch){.n = -1};
    o->rows = (struct rows){.n = -1};
    o->n_runs = 0;
    o->n_suspects = 0;
    o->warnings = NULL;
    o->warnings_end = &o->warnings;
    arena_init(&o->arena, (size_t)call->limits->max_request_bytes);
    writer_init(&o->query, (size_t)call->limits->max_request_bytes);
}

static bool read_body(struct oneshot *o, enum request_route route) {
    const struct service_call *call = o->call;
    struct error *error = o->error;
    const char *body = call->body;
    size_t length = call->body_length;
    if (call->query) {
        if (!request_from_query(call, route, &o->arena, &o->query, error)) return false;
        body = o->query.data;
        length = o->query.length;
    }
    const struct json *root = call->document;
    if (!root) {
        struct json *parsed;
        if (!json_parse(&o->arena, body, length, (int)call->limits->max_json_depth, &parsed, error))
            return false;
        root = parsed;
    }
    if (!request_read(&o->request, root, route, call, error)) return false;
    build_init(&o->b, &o->arena, error, call->limits, o->request.default_dtype, call->seed);
    return true;
}

static void tell_decoded(const struct service_call *call) {
    if (call->is_timed) call->reply->decoded = clock_now();
}

bool oneshot_read(struct oneshot *o, const struct service_call *call, enum request_route route,
                  struct error *error) {
    init(o, call, error);
    const bool ok = read_body(o, route);
    tell_decoded(call);
    return ok;
}

bool oneshot_begin(struct oneshot *o, const struct service_call *call, enum request_route route,
                   struct error *error) {
    return oneshot_read(o, call, route, error) && oneshot_bind(o) && oneshot_build(o);
}

bool oneshot_serve(const struct service_call *call, enum request_route route,
                   bool (*derive)(struct oneshot *o), struct writer *out, struct error *error) {
    struct oneshot o;
    _Alignas(16) char memory[ARENA_FIRST_CHUNK]; /* small requests take no other */
    init(&o, call, error);
    arena_lend(&o.arena, memory, sizeof memory);
    const bool is_read = read_body(&o, route) && oneshot_decode(&o);
    tell_decoded(call);
    const bool ok = is_read && (known_answer(&o, out) ||
                                (!error->code && oneshot_place(&o) && oneshot_build(&o) &&
                                 derive(&o) && oneshot_answer(&o, out)));
    oneshot_end(&o);
    return ok;
}

void oneshot_end(struct oneshot *o) {
    known_release(o->known);
    writer_free(&o->query);
    arena_free(&o->arena);
}

static bool differentiate(struct oneshot *o) {
    struct value sources, gradient;
    struct window w;
    node_id *targets, *seeds, *nodes, *gradients;
    size_t n_targets, n_sources;
    if (!oneshot_targets(o, &targets, &seeds, &n_targets) ||
        !oneshot_sources(o, &sources, &nodes, &n_sources) || !oneshot_window(o, &w) ||
        !oneshot_fetch(o)) {
        return false;
    }
    gradients = arena_alloc(&o->arena, (n_sources + 1) * sizeof *gradients);
    if (!gradients) return build_fail_memory(&o->b);
    if (!tape_gradient(&o->b.tape, &w, targets, seeds, n_targets, nodes, n_sources, gradients))
        return false;
    const node_id *at = gradients;
    if (!build_pack(&o->b, &sources, o->request.zero_unconnected, &at, &gradient)) return false;
    oneshot_add(o, "gradient", gradient);
    return !o->request.wants_diagnosis || diagnose_prepare(o, &w, targets, seeds, n_targets);
}

bool service_gradient(const struct service_call *call, struct writer *out, struct error *error) {
    return oneshot_serve(call, REQUEST_GRADIENT, differentiate, out, error);
}

static bool evaluate(struct oneshot *o) {
    node_id *nodes;
    size_t n;
    struct window unused; /* nothing is differentiated, but what is watched must be there */
    if (!oneshot_values(o, &nodes, &n) || !oneshot_window(o, &unused)) return false;
    return !o->request.wants_diagnosis || diagnose_prepare(o, NULL, nodes, NULL, n);
}

bool service_evaluate(const struct service_call *call, struct writer *out, struct error *error) {
    return oneshot_serve(call, REQUEST_EVALUATE, evaluate, out, error);
}
