/* GET /, /healthz and /version: what a newcomer, a probe and an operator ask first. */
#include "server/handle.h"

#ifndef GRADD_VERSION
#error "the build defines GRADD_VERSION"
#endif

bool handle_health(const struct service_call *call, struct writer *out, struct error *error) {
    (void)call, (void)error;
    write_text(out, "{\"status\":\"ok\"}");
    return true;
}

bool handle_version(const struct service_call *call, struct writer *out, struct error *error) {
    (void)call, (void)error;
    write_text(out, "{\"name\":\"gradd\",\"version\":\"" GRADD_VERSION "\"}");
    return true;
}

bool handle_index(const struct service_call *call, struct writer *out, struct error *error) {
    (void)call, (void)error;
    write_text(out, "gradd " GRADD_VERSION " computes exact gradients. The first request:\n"
                    "\n"
                    "    curl -d '{\"graph\":\"z = (x1 + 5) * x2 ** "
                    "2\",\"variables\":{\"x1\":2.0,\"x2\":3.0}}' \\\n"
                    "         http://127.0.0.1:8080/v1/gradient\n"
                    "\n"
                    "and its answer:\n"
                    "\n"
                    "    {\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}\n"
                    "\n"
                    "POST /v1/gradient   value and gradient of a graph; GET for small ones\n"
                    "POST /v1/evaluate   values alone; GET for small ones\n"
                    "POST /v1/jacobian   one target by each source\n"
                    "POST /v1/hessian    second derivatives; GET for small ones\n"
                    "POST /v1/jvp        forward mode: the derivative along tangents\n"
                    "POST /v1/vjp        reverse mode: cotangents drawn back to the sources\n"
                    "POST /v1/hvp        the Hessian times a vector\n"
                    "POST /v1/check      gradients beside finite differences\n"
                    "/v1/functions       graphs by name, sent once\n"
                    "/v1/sessions        variables and tapes that stay until they are deleted\n"
                    "/v1/jobs            long work, and /v1/operations what became of it\n"
                    "GET  /v1/ops        what a graph may call\n"
                    "GET  /v1/limits     how large a request may be\n"
                    "GET  /v1/problems   what the codes of errors mean\n"
                    "GET  /v1/stats      counters; GET /metrics the same for Prometheus\n"
                    "GET  /docs          all of it on a page; /openapi.json for programs\n"
                    "GET  /healthz, /readyz, /version\n");
    return true;
}
