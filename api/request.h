/* A one-shot request: its members, decoded as far as they need no graph. */
#ifndef GRADD_API_REQUEST_H
#define GRADD_API_REQUEST_H

#include "api/json.h"
#include "api/service.h"

enum request_route { REQUEST_EVALUATE = 1, REQUEST_GRADIENT = 2 };

/* name, routes that accept it, how a URL's text is read */
#define REQUEST_MEMBERS(X)                                                                         \
    X(graph, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_TEXT)                                      \
    X(variables, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_NEVER)                                 \
    X(constants, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_JSON)                                  \
    X(dtype, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_TEXT)                                      \
    X(format, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_TEXT)                                     \
    X(target, REQUEST_GRADIENT, QUERY_NAMES)                                                       \
    X(sources, REQUEST_GRADIENT, QUERY_NAMES)                                                      \
    X(output_gradients, REQUEST_GRADIENT, QUERY_JSON)                                              \
    X(unconnected_gradients, REQUEST_GRADIENT, QUERY_TEXT)                                         \
    X(watch, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_NAMES)                                     \
    X(watch_accessed_variables, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_JSON)                   \
    X(fetch, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_NAMES)                                     \
    X(timeout_seconds, REQUEST_EVALUATE | REQUEST_GRADIENT, QUERY_JSON)                            \
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
    bool watches_variables, zero_unconnected, wants_diagnosis;
    int64_t deadline; /* as in run_control */
};

/* Finds the members of the request's body and reads the options. */
bool request_read(struct request *r, const struct json *body, enum request_route route,
                  const struct service_call *call, struct error *error);

/* Writes the query of a GET as the body of the POST that means the same. */
bool request_from_query(const struct service_call *call, enum request_route route,
                        struct arena *arena, struct writer *body, struct error *error);

#endif
