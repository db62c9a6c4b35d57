/* The services of sessions and what is in them, one function a route. Those whose path names a session
 * are called while it is held for them. */
#ifndef GRADD_API_SESSION_SERVICE_H
#define GRADD_API_SESSION_SERVICE_H

#include "api/service.h"

#define SESSION_SERVICES(X)                                                                        \
    X(sessions_create)                                                                             \
    X(sessions_list)                                                                               \
    X(sessions_import)                                                                             \
    X(session_put)                                                                                 \
    X(session_get)                                                                                 \
    X(session_patch)                                                                               \
    X(session_delete)                                                                              \
    X(session_clone)                                                                               \
    X(session_export)                                                                              \
    X(variables_get)                                                                               \
    X(variables_put)                                                                               \
    X(variable_get)                                                                                \
    X(variable_put)                                                                                \
    X(variable_delete)                                                                             \
    X(variable_assign)                                                                             \
    X(variable_assign_add)                                                                         \
    X(variable_assign_sub)                                                                         \
    X(constants_get)                                                                               \
    X(constant_get)                                                                                \
    X(constant_put)                                                                                \
    X(constant_delete)                                                                             \
    X(tensors_get)                                                                                 \
    X(tensor_get)                                                                                  \
    X(tensor_delete)

#define SESSION_SERVICE(name)                                                                      \
    bool service_##name(const struct service_call *call, struct writer *out, struct error *error);
SESSION_SERVICES(SESSION_SERVICE)
#undef SESSION_SERVICE

/* Writes all of a session, for a store: `object` is a struct session. False without memory. */
bool session_encode(const void *object, struct writer *out);

#endif
