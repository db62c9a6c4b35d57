/* The services of functions: a graph is read and checked when it is put, and called without being sent
 * again. The calls are the one-shot services', with the graph and the constants of the function. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/binding.h"
#include "api/expr.h"
#include "api/functions.h"
#include "api/graph_nodes.h"
#include "api/json_tensor.h"
#include "api/place.h"
#include "api/session_io.h"

/* ---- putting ---- */

/* A request that makes a function: its document lives in the function's arena. */
struct making {
    struct asked *asked;
    struct function *f;
    const struct json *graph, *constants, *inputs, *dtype;
    const struct json *name, *etag, *created_at; /* of one out of a store alone */
};

static bool parse(struct making *m, bool stored) {
    static const char *const members[] = {"graph", "constants", "inputs",    "dtype",
                                          "name",  "etag",      "created_at"};
    const struct service_call *call = m->asked->call;
    const struct json **const to[] = {&m->graph, &m->constants, &m->inputs,    &m->dtype,
                                      &m->name,  &m->etag,      &m->created_at};
    const size_t n = stored ? 7 : 4;
    struct json *root;
    char *body = arena_copy_text(&m->f->arena, call->body, call->body_length);
    if (!body) return asked_fail_memory(m->asked);
    if (!json_parse(&m->f->arena, body, call->body_length, (int)call->limits->max_json_depth, &root,
                    m->asked->error))
        return false;
    if (!asked_object(m->asked, root, members, n)) return false;
    for (size_t i = 0; i < n; i++) *to[i] = json_member(root, members[i]);
    return m->graph ||
           error_set(m->asked->error, ERROR_INVALID_REQUEST, "member \"graph\" is missing");
}

static bool read_dtype(struct making *m, const struct json *v, enum dtype *out) {
    if (!v) return true;
    if (json_type(v) != JSON_STRING) return asked_fail_type(m->asked, v, "a string");
    if (dtype_find(json_string(v), out)) return true;
    error_set(m->asked->error, ERROR_INVALID_VALUE,
              "unknown dtype \"%.40s\"; expected float32, float64, int32, int64 or bool",
              json_string(v));
    return error_under(m->asked->error, "dtype");
}

static bool read_constant(struct making *m, const struct json *v, struct function_constant *out) {
    struct binding sent;
    struct error *error = m->asked->error;
    out->name = json_key(v);
    return binding_check_name(out->name, error) &&
           binding_read(v, true, m->f->dtype, &sent, error) &&
           json_tensor(&m->f->arena, sent.value, sent.dtype, m->asked->call->limits->max_elements,
                       sent.wrapped ? "/value" : "", &out->tensor, error);
}

static bool read_constants(struct making *m) {
    struct function *f = m->f;
    const struct json *object = m->constants;
    if (!object) return true;
    if (json_type(object) != JSON_OBJECT) return asked_fail_type(m->asked, object, "an object");
    f->constants = arena_alloc(&f->arena, (json_length(object) + 1) * sizeof *f->constants);
    if (!f->constants) return asked_fail_memory(m->asked);
    for (const struct json *v = json_first(object); v; v = json_next(v)) {
        if (read_constant(m, v, &f->constants[f->n_constants++])) continue;
        error_under(m->asked->error, json_key(v));
        return error_under(m->asked->error, "constants");
    }
    return true;
}

/* {"dtype":"float64","shape":[2,3]}; what is not said is the function's dtype, and a scalar. */
static bool read_input(struct making *m, const struct json *v, struct function_input *out) {
    static const char *const members[] = {"dtype", "shape"};
    const struct json *shape = NULL;
    *out = (struct function_input){.name = json_key(v), .dtype = m->f->dtype};
    if (!binding_check_name(out->name, m->asked->error)) return false;
    if (json_type(v) != JSON_OBJECT) {
        return error_set(m->asked->error, ERROR_INVALID_REQUEST,
                         "expected an object with \"dtype\" and \"shape\", found %s",
                         json_type_name(v));
    }
    if (!asked_object(m->asked, v, members, 2) ||
        !read_dtype(m, json_member(v, "dtype"), &out->dtype))
        return false;
    shape = json_member(v, "shape");
    const struct reading reading = {.arena = &m->f->arena,
                                    .error = m->asked->error,
                                    .pointer = "/shape",
                                    .most = m->asked->call->limits->max_elements};
    return !shape || json_read_shape(&reading, shape, &out->shape);
}

static bool read_inputs(struct making *m) {
    struct function *f = m->f;
    const struct json *object = m->inputs;
    if (!object) return true;
    if (json_type(object) != JSON_OBJECT) return asked_fail_type(m->asked, object, "an object");
    f->has_inputs = true;
    f->inputs = arena_alloc(&f->arena, (json_length(object) + 1) * sizeof *f->inputs);
    if (!f->inputs) return asked_fail_memory(m->asked);
    for (const struct json *v = json_first(object); v; v = json_next(v)) {
        if (read_input(m, v, &f->inputs[f->n_inputs++])) continue;
        error_under(m->asked->error, json_key(v));
        return error_under(m->asked->error, "inputs");
    }
    return true;
}

/* ---- the check of a graph ---- */

static bool bind(struct builder *b, const char *name, enum dtype dtype, const struct shape *shape,
                 uint32_t place) {
    bool added;
    const node_id node = tape_input(&b->tape, dtype, shape);
    struct name *entry =
        node == NODE_NONE ? NULL : names_add(&b->names, name, strlen(name), &added);
    if (!entry) return b->error->code ? false : build_fail_memory(b);
    if (!added)
        return error_set(b->error, ERROR_DUPLICATE_NAME,
                         "\"%.80s\" is both an input and a constant", name);
    entry->place = place;
    entry->value = value_node(node);
    return true;
}

static bool build(struct builder *b, const struct json *graph) {
    struct value last;
    if (json_type(graph) == JSON_STRING)
        return expr_build(b, json_string(graph), strlen(json_string(graph)), false, &last);
    if (json_type(graph) == JSON_OBJECT) return nodes_build(b, graph, &last);
    return error_set(
        b->error, ERROR_INVALID_REQUEST,
        "expected a text in the expression language or an object with \"nodes\", found %s",
        json_type_name(graph));
}

/* Whether a failure is one whatever the bindings are. */
static bool is_certain(enum error_code code) {
    return code == ERROR_SYNTAX_ERROR || code == ERROR_UNKNOWN_OP || code == ERROR_DUPLICATE_NAME ||
           code == ERROR_CYCLE || code == ERROR_INVALID_REQUEST || error_is_limit(code);
}

/* Builds the graph as a call would. Without `inputs` its other names are taken for scalars, and what
 * may be the fault of that is left to the calls. */
static bool check_graph(struct making *m) {
    const struct function *f = m->f;
    struct asked *a = m->asked;
    struct builder b;
    build_init(&b, &a->arena, a->error, a->call->limits, f->dtype, a->call->seed);
    b.guesses = !f->has_inputs;
    for (size_t i = 0; i < f->n_inputs; i++)
        if (!bind(&b, f->inputs[i].name, f->inputs[i].dtype, &f->inputs[i].shape, PLACE_VARIABLE))
            return error_under(a->error, "inputs");
    for (size_t i = 0; i < f->n_constants; i++) {
        const struct function_constant *c = &f->constants[i];
        if (!bind(&b, c->name, c->tensor.dtype, &c->tensor.shape, PLACE_CONSTANT))
            return error_under(a->error, "constants");
    }
    if (build(&b, m->graph)) return true;
    if (f->has_inputs || is_certain(a->error->code)) return error_under(a->error, "graph");
    error_clear(a->error);
    return true;
}

/* ---- PUT ---- */

static bool allows(void *context, const struct function *there, struct error *error) {
    struct asked *a = context;
    (void)error; /* It is a's. */
    return asked_precondition(a, there ? there->etag : NULL, "function", a->call->places[0]);
}

static bool check_name(struct asked *a, const char *name) {
    if (!binding_check_name(name, a->error)) return false;
    return strlen(name) <= SERVICE_ID ||
           error_set(a->error, ERROR_INVALID_VALUE,
                     "the name has %zu characters; a function's has %d at the most", strlen(name),
                     SERVICE_ID);
}

/* The tag of the same function is the same. */
static void tag(struct function *f, const struct service_call *call) {
    snprintf(f->etag, sizeof f->etag, "\"%08" PRIx32 "%08" PRIx32 "\"",
             name_hash(call->seed, call->body, call->body_length),
             name_hash(~call->seed, call->body, call->body_length));
}

static bool read_parts(struct making *m) {
    if (!read_dtype(m, m->dtype, &m->f->dtype) || !read_constants(m) || !read_inputs(m))
        return false;
    m->f->graph = m->graph;
    return check_graph(m);
}

static bool make(struct asked *a, struct function *f) {
    struct making m = {.asked = a, .f = f};
    f->created_at = wall_clock();
    strcpy(f->name, a->call->places[0]);
    tag(f, a->call);
    return parse(&m, false) && read_parts(&m);
}

static struct function *new_function(const struct service_call *call) {
    struct function *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    atomic_init(&f->references, 1);
    arena_init(&f->arena, (size_t)call->limits->max_request_bytes);
    return f;
}

static void reply(const struct service_call *call, struct function *f, const char *name,
                  bool deleted) {
    struct service_reply *r = call->reply;
    r->change.kind = CHANGE_FUNCTION;
    r->change.deleted = deleted;
    strcpy(r->change.id, name);
    r->function = f;
}

static bool put(struct asked *a) {
    const struct service_call *call = a->call;
    bool replaced;
    if (!check_name(a, call->places[0])) return false;
    struct function *f = new_function(call);
    if (!f) return asked_fail_memory(a);
    if (make(a, f)) function_write(a->out, f, FORMAT_NESTED, false);
    if (a->error->code || !asked_written(a)) {
        function_release(f);
        return false;
    }
    /* One reference for the table, one for the store. */
    atomic_fetch_add(&f->references, 1);
    if (!functions_put(call->functions, f, allows, a, &replaced, a->error)) {
        function_release(f);
        function_release(f);
        return false;
    }
    reply(call, f, f->name, false);
    strcpy(call->reply->etag, f->etag);
    if (replaced) return true;
    call->reply->status = 201;
    snprintf(call->reply->location, sizeof call->reply->location, "/v1/functions/%s", f->name);
    return true;
}

bool service_function_put(const struct service_call *call, struct writer *out,
                          struct error *error) {
    static const struct takes takes = {0};
    struct service_call headless = *call;
    struct asked a;
    headless.body = NULL; /* It is parsed into the function. */
    bool ok = asked_begin(&a, &headless, &takes, out, error);
    a.call = call;
    ok = ok && put(&a);
    asked_end(&a);
    return ok;
}

/* ---- out of a store ---- */

static bool restore(struct asked *a, struct function *f) {
    struct making m = {.asked = a, .f = f};
    if (!parse(&m, true)) return false;
    const char *name = m.name && json_type(m.name) == JSON_STRING ? json_string(m.name) : "",
               *etag = m.etag && json_type(m.etag) == JSON_STRING ? json_string(m.etag) : "";
    if (!*name || strlen(name) > SERVICE_ID || strlen(etag) >= sizeof f->etag || !m.created_at ||
        !json_double(m.created_at, &f->created_at))
        return error_set(a->error, ERROR_INVALID_VALUE, "its name is not there");
    strcpy(f->name, name);
    strcpy(f->etag, etag);
    return read_parts(&m);
}

struct function *function_decode(const struct service_call *call, struct error *error) {
    static const struct takes takes = {0};
    struct service_call headless = *call;
    struct asked a;
    struct writer unused;
    writer_init(&unused, 0);
    headless.body = NULL; /* It is parsed into the function. */
    struct function *f = new_function(call);
    bool ok = asked_begin(&a, &headless, &takes, &unused, error);
    a.call = call;
    if (ok) ok = f ? restore(&a, f) : asked_fail_memory(&a);
    asked_end(&a);
    if (ok) return f;
    if (f) function_release(f);
    return NULL;
}

/* ---- GET, DELETE, the list ---- */

static bool show(struct asked *a) {
    struct function *f = functions_find(a->call->functions, a->call->places[0], a->error);
    if (!f) return false;
    function_write(a->out, f, a->format, false);
    strcpy(a->call->reply->etag, f->etag);
    function_release(f);
    return asked_written(a);
}

bool service_function_get(const struct service_call *call, struct writer *out,
                          struct error *error) {
    static const struct takes takes = {0};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && show(&a);
    asked_end(&a);
    return ok;
}

bool service_function_delete(const struct service_call *call, struct writer *out,
                             struct error *error) {
    static const struct takes takes = {0};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) &&
                    functions_remove(call->functions, call->places[0], allows, &a, error);
    if (ok) {
        reply(call, NULL, call->places[0], true);
        call->reply->status = 204;
    }
    asked_end(&a);
    return ok;
}

static bool list(struct asked *a) {
    uint64_t limit, after;
    bool more;
    if (!asked_number(a, "limit", 1, 1000, 100, &limit) ||
        !asked_number(a, "after", 0, UINT64_MAX, 0, &after))
        return false;
    struct function **page = arena_alloc(&a->arena, (size_t)limit * sizeof *page);
    if (!page) return asked_fail_memory(a);
    const size_t n = functions_list(a->call->functions, after, page, (size_t)limit, &more);
    char next[32] = "null";
    if (more) snprintf(next, sizeof next, "\"%" PRIu64 "\"", page[n - 1]->order);
    write_text(a->out, "{\"functions\":[");
    for (size_t i = 0; i < n; i++) {
        if (i) write_text(a->out, ",");
        function_write_row(a->out, page[i]);
        function_release(page[i]);
    }
    write_text(a->out, "],\"next\":");
    write_text(a->out, next);
    write_text(a->out, "}");
    return asked_written(a);
}

bool service_functions_list(const struct service_call *call, struct writer *out,
                            struct error *error) {
    static const struct takes takes = {.parameters = {"limit", "after"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && list(&a);
    asked_end(&a);
    return ok;
}

/* ---- calls ---- */

static bool answer(const struct service_call *call, service_function service, struct writer *out,
                   struct error *error) {
    struct function *f = functions_find(call->functions, call->places[0], error);
    if (!f) return false;
    struct service_call with = *call;
    with.function = f;
    const bool ok = service(&with, out, error);
    function_release(f);
    return ok;
}

#define FUNCTION_SERVICE(name)                                                                     \
    bool service_function_##name(const struct service_call *call, struct writer *out,              \
                                 struct error *error) {                                            \
        return answer(call, service_##name, out, error);                                           \
    }
FUNCTION_SERVICES(FUNCTION_SERVICE)
