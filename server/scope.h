/* Scopes: what a token may be used for. */
#ifndef GRADD_SERVER_SCOPE_H
#define GRADD_SERVER_SCOPE_H

#include <stdbool.h>

/* A route wants one of them; one does not include another. */
#define SCOPES(X)                                                                                  \
    X(READ, "read", "see what there is: sessions, functions, operations, lists of ops")            \
    X(COMPUTE, "compute", "compute without a session, call functions, run and end jobs")           \
    X(SESSIONS, "sessions", "make, change and delete sessions and functions")                      \
    X(ADMIN, "admin", "see the server itself: its counters, of all tenants together")

enum scope_index {
#define SCOPE_INDEX(tag, name, meaning) SCOPE_INDEX_##tag,
    SCOPES(SCOPE_INDEX)
#undef SCOPE_INDEX
        SCOPE_COUNT
};
enum scope {
    SCOPE_NONE = 0, /* of a route: it wants no token */
#define SCOPE_BIT(tag, name, meaning) SCOPE_##tag = 1 << SCOPE_INDEX_##tag,
    SCOPES(SCOPE_BIT)
#undef SCOPE_BIT
};

/* "read,compute" as bits; false where a word is no scope. */
bool scopes_parse(const char *text, unsigned *out);
/* And back. */
enum { SCOPES_TEXT = 64 };
const char *scopes_write(unsigned scopes, char out[SCOPES_TEXT]);

#endif
