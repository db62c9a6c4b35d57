/* A one-shot request: its members, decoded as far as they need no graph. */
#ifndef GRADD_API_REQUEST_H
#define GRADD_API_REQUEST_H

#include "api/json.h"
#include "api/service.h"

enum request_route {
    REQUEST_EVALUATE = 1,
    REQUEST_GRADIENT = 2,
    REQUEST_JACOBIAN = 4,
    REQUEST_HESSIAN = 8,
    REQUEST_JVP = 16,
    REQUEST_VJP = 32,
    REQUEST_HVP = 64,
    REQUEST_CHECK = 128,
    /* of a session */
    REQUEST_EXECUTE = 256,
    REQUEST_TAPE = 512,
    REQUEST_TAPE_GRADIENT = 1024,
    REQUEST_TAPE_JACOBIAN = 2048,
    REQUEST_TAPE_BATCH_JACOBIAN = 4096,
    REQUEST_TAPE_JVP = 8192,
    REQUEST_TAPE_WATCH = 16384,
    REQUEST_TAPE_STATE = 32768, /* stop, resume, reset: nothing to say */
    REQUEST_SESSION_MINIMIZE = 1 << 16,
    REQUEST_SESSION_LEAST_SQUARES = 1 << 17,
    REQUEST_MINIMIZE = 1 << 18,
    REQUEST_LEAST_SQUARES = 1 << 19,
    REQUEST_APPLY_GRADIENTS = 1 << 20, /* of a session */
    /* of a member: fixed when a function is made; of a request: it calls a function */
    REQUEST_FIXED = 1 << 30
};

/* Sets of routes, for the table below. */
enum {
    ROUTES_REVERSE = REQUEST_GRADIENT | REQUEST_JACOBIAN | REQUEST_HESSIAN | REQUEST_VJP |
                     REQUEST_HVP | REQUEST_CHECK,
    ROUTES_TARGET = ROUTES_REVERSE | REQUEST_JVP,
    ROUTES_ALL = ROUTES_TARGET | REQUEST_EVALUATE,
    ROUTES_SHOWN = ROUTES_ALL & ~REQUEST_CHECK,
    ROUTES_MINIMIZE = REQUEST_MINIMIZE | REQUEST_SESSION_MINIMIZE,
    ROUTES_LEAST_SQUARES = REQUEST_LEAST_SQUARES | REQUEST_SESSION_LEAST_SQUARES,
    ROUTES_FIT = ROUTES_MINIMIZE | ROUTES_LEAST_SQUARES,
    ROUTES_BIND = ROUTES_ALL | REQUEST_MINIMIZE | REQUEST_LEAST_SQUARES,
    ROUTES_BUILD = ROUTES_ALL | REQUEST_EXECUTE | REQUEST_TAPE | ROUTES_FIT,
    ROUTES_GRAPH = ROUTES_BUILD & ~REQUEST_TAPE,
    ROUTES_TAPE = REQUEST_TAPE_GRADIENT | REQUEST_TAPE_JACOBIAN | REQUEST_TAPE_BATCH_JACOBIAN |
                  REQUEST_TAPE_JVP,
    ROUTES_SESSION = REQUEST_EXECUTE | REQUEST_TAPE | ROUTES_TAPE | REQUEST_APPLY_GRADIENTS,
    ROUTES_WATCH = ROUTES_REVERSE | REQUEST_EVALUATE | REQUEST_TAPE,
    ROUTES_SOURCES = ROUTES_REVERSE | REQUEST_TAPE_GRADIENT | REQUEST_TAPE_JACOBIAN,
    ROUTES_SEEDED =
        REQUEST_GRADIENT | REQUEST_HESSIAN | REQUEST_HVP | REQUEST_CHECK | REQUEST_TAPE_GRADIENT,
    ROUTES_UNCONNECTED = (ROUTES_TARGET & ~REQUEST_CHECK) | ROUTES_TAPE
};

/* name, routes that accept it, how a URL's text is read */
#define REQUEST_MEMBERS(X)                                                                         \
    X(graph, ROUTES_BUILD | REQUEST_FIXED, QUERY_TEXT)                                             \
    X(variables, ROUTES_BIND, QUERY_NEVER)                                                         \
    X(constants, ROUTES_ALL | ROUTES_FIT | REQUEST_FIXED, QUERY_JSON)                              \
    X(dtype, ROUTES_BUILD | REQUEST_FIXED, QUERY_TEXT)                                             \
    X(format, ROUTES_SHOWN | ROUTES_SESSION | ROUTES_FIT, QUERY_TEXT)                              \
    X(target, ROUTES_TARGET | ROUTES_TAPE, QUERY_NAMES)                                            \
    X(sources, ROUTES_SOURCES, QUERY_NAMES)                                                        \
    X(source, REQUEST_TAPE_BATCH_JACOBIAN, QUERY_NEVER)                                            \
    X(tangents, REQUEST_JVP | REQUEST_TAPE, QUERY_JSON)                                            \
    X(cotangents, REQUEST_VJP, QUERY_JSON)                                                         \
    X(cotangents_batch, REQUEST_VJP, QUERY_JSON)                                                   \
    X(vector, REQUEST_HVP, QUERY_JSON)                                                             \
    X(output_gradients, ROUTES_SEEDED, QUERY_JSON)                                                 \
    X(unconnected_gradients, ROUTES_UNCONNECTED, QUERY_TEXT)                                       \
    X(as, ROUTES_TAPE, QUERY_NEVER)                                                                \
    X(watch, ROUTES_WATCH | REQUEST_TAPE_WATCH, QUERY_NAMES)                                       \
    X(watch_accessed_variables, ROUTES_WATCH, QUERY_JSON)                                          \
    X(persistent, REQUEST_TAPE, QUERY_NEVER)                                                       \
    X(mode, REQUEST_TAPE, QUERY_NEVER)                                                             \
    X(fetch, ROUTES_SHOWN | REQUEST_EXECUTE | REQUEST_TAPE | ROUTES_FIT, QUERY_NAMES)              \
    X(step, REQUEST_CHECK, QUERY_JSON)                                                             \
    X(rtol, REQUEST_CHECK, QUERY_JSON)                                                             \
    X(atol, REQUEST_CHECK, QUERY_JSON)                                                             \
    X(sparse, REQUEST_JACOBIAN | REQUEST_HESSIAN, QUERY_JSON)                                      \
    X(batch, ROUTES_ALL, QUERY_JSON)                                                               \
    X(loss, ROUTES_FIT, QUERY_NEVER)                                                               \
    X(var_list, ROUTES_FIT, QUERY_NEVER)                                                           \
    X(steps, ROUTES_FIT, QUERY_NEVER)                                                              \
    X(record_every, ROUTES_FIT, QUERY_NEVER)                                                       \
    X(stop, ROUTES_FIT, QUERY_NEVER)                                                               \
    X(optimizer, ROUTES_MINIMIZE, QUERY_NEVER)                                                     \
    X(return_state, ROUTES_MINIMIZE, QUERY_NEVER)                                                  \
    X(inputs, ROUTES_MINIMIZE, QUERY_NEVER)                                                        \
    X(batch_size, ROUTES_MINIMIZE, QUERY_NEVER)                                                    \
    X(shuffle_seed, ROUTES_MINIMIZE, QUERY_NEVER)                                                  \
    X(epochs, ROUTES_MINIMIZE, QUERY_NEVER)                                                        \
    X(non_finite, ROUTES_MINIMIZE | REQUEST_APPLY_GRADIENTS, QUERY_NEVER)                          \
    X(starts, ROUTES_FIT, QUERY_NEVER)                                                             \
    X(method, ROUTES_MINIMIZE, QUERY_NEVER)                                                        \
    X(bounds, ROUTES_FIT, QUERY_NEVER)                                                             \
    X(constraints, ROUTES_MINIMIZE, QUERY_NEVER)                                                   \
    X(residuals, ROUTES_LEAST_SQUARES, QUERY_NEVER)                                                \
    X(weights, ROUTES_LEAST_SQUARES, QUERY_NEVER)                                                  \
    X(f_scale, ROUTES_LEAST_SQUARES, QUERY_NEVER)                                                  \
    X(x_scale, ROUTES_LEAST_SQUARES, QUERY_NEVER)                                                  \
    X(grads_and_vars, REQUEST_APPLY_GRADIENTS, QUERY_NEVER)                                        \
    X(name, REQUEST_APPLY_GRADIENTS, QUERY_NEVER)                                                  \
    X(timeout_seconds, ROUTES_ALL | ROUTES_SESSION | ROUTES_FIT, QUERY_JSON)                       \
    X(diagnose, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_JSON)

enum query_kind { QUERY_TEXT, QUERY_NAMES, QUERY_JSON, QUERY_NEVER };

struct request_member {
    const char *name;
    size_t offset;   /* of its field in struct request */
    unsigned routes; /* enum request_route */
    enum query_kind kind;
};
#define REQUEST_COUNT(name, routes, kind) +1
enum { REQUEST_MEMBER_COUNT = 0 REQUEST_MEMBERS(REQUEST_COUNT) };
#undef REQUEST_COUNT
extern const struct request_member request_members[REQUEST_MEMBER_COUNT];

/* The member of that name, where the route accepts it; else NULL. */
const struct request_member *request_member(const char *name, enum request_route route);
/* The accepted member whose name is nearest, or NULL. */
const char *request_nearest(const char *name, enum request_route route);

struct request {
    /* Each member as it was sent, NULL where it was not. */
#define REQUEST_FIELD(name, routes, kind) const struct json *name;
    REQUEST_MEMBERS(REQUEST_FIELD)
#undef REQUEST_FIELD
    /* The options among them, or their defaults. */
    enum dtype default_dtype;
    enum tensor_format tensor_format;
    bool watches_variables, zero_unconnected, wants_diagnosis, is_persistent, is_forward, is_sparse;
    enum request_route route;
    int64_t deadline; /* as in run_control */
};

/* Finds the members of the request's body and reads the options. */
bool request_read(struct request *r, const struct json *body, enum request_route route,
                  const struct service_call *call, struct error *error);

/* Writes the query of a GET as the body of the POST that means the same. */
bool request_from_query(const struct service_call *call, enum request_route route,
                        struct arena *arena, struct writer *body, struct error *error);

#endif
