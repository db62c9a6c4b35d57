/* The routes: one table of methods, paths and what answers them. */
#ifndef GRADD_SERVER_ROUTE_H
#define GRADD_SERVER_ROUTE_H

#include "api/service.h"

enum method { METHOD_GET = 1, METHOD_HEAD = 2, METHOD_POST = 4, METHOD_OPTIONS = 8 };

enum route_kind {
    ROUTE_COMPUTES, /* may be large work; POST has a body, GET a query and an answer worth keeping */
    ROUTE_CONSTANT, /* the same bytes as long as the process lives; built once, at the start */
    ROUTE_LIVE      /* small and new each time */
};

struct route {
    unsigned methods; /* HEAD goes with GET; OPTIONS with all */
    const char *path;
    service_function serve;
    enum route_kind kind;
    const char *type; /* media type of the answer */
};

extern const struct route route_table[];
enum { ROUTE_COUNT = 14 };

/* The method of a name, or 0: one that no route has. */
unsigned route_method(const char *name);

/* The route of a path, byte for byte as it was sent, or NULL. */
const struct route *route_find(const char *path);

/* The path nearest to one that is not found, or NULL where none is near. */
const char *route_nearest(const char *path);

/* "GET, HEAD, POST, OPTIONS": what a route takes, as Allow says it. */
enum { ROUTE_ALLOW = 32 };
const char *route_allow(const struct route *route, char out[ROUTE_ALLOW]);

#endif
