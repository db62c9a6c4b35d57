/* The table of routes, and all that is derived from it. Knows no transport. */
#include "server/route.h"

#include <stdio.h>
#include <string.h>

#include "core/op.h"
#include "server/handle.h"

static const char json[] = "application/json", text[] = "text/plain; charset=utf-8";

const struct route route_table[] = {
    {METHOD_POST | METHOD_GET, "/v1/gradient", service_gradient, ROUTE_COMPUTES, json},
    {METHOD_POST | METHOD_GET, "/v1/evaluate", service_evaluate, ROUTE_COMPUTES, json},
    {METHOD_POST, "/v1/jacobian", service_jacobian, ROUTE_COMPUTES, json},
    {METHOD_POST | METHOD_GET, "/v1/hessian", service_hessian, ROUTE_COMPUTES, json},
    {METHOD_POST, "/v1/jvp", service_jvp, ROUTE_COMPUTES, json},
    {METHOD_POST, "/v1/vjp", service_vjp, ROUTE_COMPUTES, json},
    {METHOD_POST, "/v1/hvp", service_hvp, ROUTE_COMPUTES, json},
    {METHOD_POST, "/v1/check", service_check, ROUTE_COMPUTES, json},
    {METHOD_GET, "/v1/ops", service_ops, ROUTE_CONSTANT, json},
    {METHOD_GET, "/v1/limits", service_limits, ROUTE_CONSTANT, json},
    {METHOD_GET, "/v1/stats", handle_stats, ROUTE_LIVE, json},
    {METHOD_GET, "/healthz", handle_health, ROUTE_LIVE, json},
    {METHOD_GET, "/version", handle_version, ROUTE_CONSTANT, json},
    {METHOD_GET, "/", handle_index, ROUTE_CONSTANT, text},
};

_Static_assert(sizeof route_table / sizeof *route_table == ROUTE_COUNT,
               "ROUTE_COUNT is the number of routes");

static const struct {
    unsigned method;
    const char *name;
} methods[] = {
    {METHOD_GET, "GET"}, {METHOD_HEAD, "HEAD"}, {METHOD_POST, "POST"}, {METHOD_OPTIONS, "OPTIONS"}};

enum { METHODS = sizeof methods / sizeof *methods };

unsigned route_method(const char *name) {
    for (size_t i = 0; i < METHODS; i++)
        if (strcmp(name, methods[i].name) == 0) return methods[i].method;
    return 0;
}

const struct route *route_find(const char *path) {
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        if (strcmp(path, route_table[i].path) == 0) return &route_table[i];
    return NULL;
}

const char *route_nearest(const char *path) {
    const char *paths[ROUTE_COUNT];
    for (size_t i = 0; i < ROUTE_COUNT; i++) paths[i] = route_table[i].path;
    return name_nearest(path, paths, ROUTE_COUNT);
}

const char *route_allow(const struct route *route, char out[ROUTE_ALLOW]) {
    unsigned allowed =
        route->methods | METHOD_OPTIONS | (route->methods & METHOD_GET ? METHOD_HEAD : 0);
    int n = 0;
    for (size_t i = 0; i < METHODS; i++)
        if (allowed & methods[i].method)
            n += snprintf(out + n, (size_t)(ROUTE_ALLOW - n), "%s%s", n ? ", " : "",
                          methods[i].name);
    return out;
}
