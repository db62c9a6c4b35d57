/* What the server answers of itself. Each handler is a service_function, as those of the api are. */
#ifndef GRADD_SERVER_HANDLE_H
#define GRADD_SERVER_HANDLE_H

#include "api/service.h"

bool handle_health(const struct service_call *call, struct writer *out, struct error *error);
bool handle_ready(const struct service_call *call, struct writer *out, struct error *error);
bool handle_version(const struct service_call *call, struct writer *out, struct error *error);
bool handle_index(const struct service_call *call, struct writer *out, struct error *error);
bool handle_openapi(const struct service_call *call, struct writer *out, struct error *error);
bool handle_docs(const struct service_call *call, struct writer *out, struct error *error);
bool handle_docs_file(const struct service_call *call, struct writer *out, struct error *error);
bool handle_metrics(const struct service_call *call, struct writer *out, struct error *error);
bool handle_stats(const struct service_call *call, struct writer *out, struct error *error);

#endif
