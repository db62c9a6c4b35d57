/* The routes: one table of methods, paths and what answers them. */
#ifndef GRADD_SERVER_ROUTE_H
#define GRADD_SERVER_ROUTE_H

#include "api/service.h"
#include "server/scope.h"

enum method {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_OPTIONS = 8,
    METHOD_PUT = 16,
    METHOD_PATCH = 32,
    METHOD_DELETE = 64
};
enum { METHODS_WITH_BODY = METHOD_POST | METHOD_PUT | METHOD_PATCH };

enum route_kind {
    ROUTE_COMPUTES, /* may be large work; POST has a body, GET a query and an answer worth keeping */
    ROUTE_CONSTANT, /* the same bytes as long as the process lives; built once, at the start */
    ROUTE_LIVE,     /* small and new each time */
    ROUTE_STATE     /* reads or changes what stays between requests; may be large work */
};

enum route_flag {
    ROUTE_SESSION = 1, /* its first place is a session's id; the request holds the session */
    ROUTE_QUERY = 2,   /* a GET takes a query */
    ROUTE_BYTES = 4,   /* the body may be a tensor's bytes or a .npy file */
    ROUTE_STREAM = 8   /* a POST's run may be followed as a stream of events */
};

enum { ROUTE_PLACES = 2 };

/* A path may have several rows, one below the other, for different methods. {name} in a path is a
 * place: any one segment that is not empty. */
struct route {
    unsigned methods; /* HEAD goes with GET; OPTIONS with all */
    const char *path;
    service_function serve;
    enum route_kind kind;
    const char *type; /* media type of the answer */
    unsigned flags;
    enum scope scope; /* what a token must be good for; SCOPE_NONE: none is wanted */
};

enum { ROUTE_MOST = 96 };
extern const struct route route_table[]; /* no more than that */
extern const size_t route_count;

/* Once, before any of the functions below. */
void route_init(void);

/* Paths as numbers, for who counts by them: all rows of a path have one number, 1 to route_count; 0 is
 * that of no route. */
size_t route_number(const struct route *route);
/* And methods, below METHOD_NUMBERS; the last of them stands for all that no route has. */
enum { METHOD_NUMBERS = 8 };
size_t route_method_number(unsigned method);
const char *route_method_name(size_t number);

/* The method of a name, or 0: one that no route has. */
unsigned route_method(const char *name);

/* What stands in the places of a path, as it was sent. */
struct route_places {
    int n;
    struct {
        const char *at;
        size_t length;
    } place[ROUTE_PLACES];
};

/* The route of a path, byte for byte as it was sent: one that takes the method where there is one,
 * else any; NULL where no path is like that. */
const struct route *route_find(const char *path, unsigned method, struct route_places *places);

/* Whether a route takes a method, HEAD and OPTIONS included. */
bool route_takes(const struct route *route, unsigned method);

/* Writes the path nearest to one that is not found, with that one's own places; NULL where none is
 * near. */
const char *route_nearest(const char *path, char *out, size_t size);

/* "GET, HEAD, POST, OPTIONS": what all rows of a route's path take, as Allow says it. */
enum { ROUTE_ALLOW = 64 };
const char *route_allow(const struct route *route, char out[ROUTE_ALLOW]);

#endif
