/* What the server may ask of sessions. As in api/service.h each function is one route; where the path
 * names a session, it is held by the call. */
#ifndef GRADD_API_SESSION_SERVICES_H
#define GRADD_API_SESSION_SERVICES_H

#include "api/parts.h"
#include "api/service.h"

bool service_execute(const struct service_call *call, struct writer *out, struct error *error);
/* POST and GET .../tapes */
bool service_tape_open(const struct service_call *call, struct writer *out, struct error *error);
bool service_tape_list(const struct service_call *call, struct writer *out, struct error *error);
/* GET and DELETE .../tapes/{tape} */
bool service_tape_get(const struct service_call *call, struct writer *out, struct error *error);
bool service_tape_delete(const struct service_call *call, struct writer *out, struct error *error);
/* POST .../tapes/{tape}/... */
bool service_tape_watch(const struct service_call *call, struct writer *out, struct error *error);
bool service_tape_stop(const struct service_call *call, struct writer *out, struct error *error);
bool service_tape_resume(const struct service_call *call, struct writer *out, struct error *error);
bool service_tape_reset(const struct service_call *call, struct writer *out, struct error *error);
bool service_tape_gradient(const struct service_call *call, struct writer *out,
                           struct error *error);
bool service_tape_jacobian(const struct service_call *call, struct writer *out,
                           struct error *error);
bool service_tape_batch_jacobian(const struct service_call *call, struct writer *out,
                                 struct error *error);
bool service_tape_jvp(const struct service_call *call, struct writer *out, struct error *error);

/* Sessions and their items. */
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
    X(tensor_delete)                                                                               \
    X(optimizer_get)                                                                               \
    X(optimizer_put)                                                                               \
    X(optimizer_patch)                                                                             \
    X(optimizer_delete)                                                                            \
    X(apply_gradients)

#define SESSION_SERVICE(name)                                                                      \
    bool service_##name(const struct service_call *call, struct writer *out, struct error *error);
SESSION_SERVICES(SESSION_SERVICE)
#undef SESSION_SERVICE

/* Writes all of a session, for a store: `object` is a struct session. False without memory. */
bool session_encode(const void *object, struct writer *out);
/* The same in parts: those that have changed since the last call, after which the store has them all. */
bool session_encode_parts(const void *object, struct parts *out);
/* The session whose bytes are the call's body, as it was; the caller's. It is not in the registry. NULL after
 * a failure. */
struct session *session_decode(const struct service_call *call, struct error *error);

struct registry_row;
/* Writes what a list says of a session, and reads it again: *out points into the summary, and has neither
 * order nor id. False where it is none. */
bool session_summarize(const void *object, struct writer *out);
bool session_read_summary(const char *summary, size_t n, struct registry_row *out);

#endif
