/* What the server may ask of a session beyond its items: executes and tapes. As in api/service.h each
 * is one route; the session is held by the call. */
#ifndef GRADD_API_SESSION_SERVICES_H
#define GRADD_API_SESSION_SERVICES_H

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

#endif
