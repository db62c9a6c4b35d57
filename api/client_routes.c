/* One function a route: method, path, and what its body is made of. It does not know how calls are made. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/client_own.h"

/* ---- the kinds of calls ------------------------------------------------------------------------ */

/* Nothing is sent along, and what comes has no tensors. */
static struct gradd_answer *ask(struct gradd_client *c, const char *method, const char *path,
                                const char *first, const char *second) {
    struct client_call call = {.method = method, .has_body = strcmp(method, "POST") == 0};
    call_path(&call, path, first, second);
    return call_make(c, &call);
}

/* What comes has tensors. */
static struct gradd_answer *ask_values(struct gradd_client *c, const char *path,
                                       const char *session, const char *name) {
    struct client_call call = {.method = "GET"};
    call_path(&call, path, session, name);
    if (c && c->options.format) call_query(&call, "format", c->options.format);
    return call_make(c, &call);
}

static struct gradd_answer *ask_delete(struct gradd_client *c, const char *path,
                                       const char *session, const char *name,
                                       const char *if_match) {
    struct client_call call = {.method = "DELETE", .if_match = if_match};
    call_path(&call, path, session, name);
    return call_make(c, &call);
}

static struct gradd_answer *ask_page(struct gradd_client *c, const char *path,
                                     const struct gradd_page *page) {
    struct client_call call = {.method = "GET"};
    char limit[16] = "";
    call_path(&call, path);
    if (!page) return call_make(c, &call);
    if (page->limit) snprintf(limit, sizeof limit, "%d", page->limit);
    if (limit[0]) call_query(&call, "limit", limit);
    if (page->after) call_query(&call, "after", page->after);
    if (page->label) call_query(&call, "label", page->label);
    if (page->session) call_query(&call, "session", page->session);
    return call_make(c, &call);
}

/* The body is the caller's. */
static struct gradd_answer *send_json(struct gradd_client *c, const char *method, const char *path,
                                      const char *session, const char *json) {
    struct client_call call = {.method = method, .has_body = true};
    call_path(&call, path, session);
    if (!json) call.is_invalid = true;
    if (json) write_text(&call.body, json);
    return call_make(c, &call);
}

/* A value, and the path ends with its name. */
static struct gradd_answer *send_value(struct gradd_client *c, const char *method, const char *path,
                                       const char *session, const struct gradd_binding *b,
                                       const char *if_match) {
    struct client_call call = {.method = method, .has_body = true, .if_match = if_match};
    call_path(&call, path, session, b ? b->name : NULL);
    if (c && b && !body_value(&call.body, c, b, strcmp(method, "PUT") == 0)) call.is_invalid = true;
    return call_make(c, &call);
}

enum takes { NO_FORMAT, FORMAT };

static struct gradd_answer *send_request(struct gradd_client *c, const char *method,
                                         const struct gradd_request *r, enum takes takes,
                                         const char *path, const char *first, const char *second) {
    struct client_call call = {.method = method,
                               .has_body = true,
                               .if_match = r ? r->if_match : NULL,
                               .once = r && r->once};
    call_path(&call, path, first, second);
    if (c && !body_request(&call.body, c, r, takes == FORMAT)) call.is_invalid = true;
    if (!r || !r->progress) return call_make(c, &call);
    return call_follow(c, &call, r->progress, r->context);
}

/* ---- without a session ------------------------------------------------------------------------- */

static struct gradd_answer *compute(struct gradd_client *c, const char *what,
                                    const struct gradd_request *r, enum takes takes) {
    if (r && r->function)
        return send_request(c, "POST", r, takes, "/v1/functions/%/%", r->function, what);
    return send_request(c, "POST", r, takes, "/v1/%", what, NULL);
}

static struct gradd_answer *fit(struct gradd_client *c, const char *what,
                                const struct gradd_request *r) {
    if (r && r->session)
        return send_request(c, "POST", r, FORMAT, "/v1/sessions/%/%", r->session, what);
    return compute(c, what, r, FORMAT);
}

#define COMPUTE(name)                                                                              \
    struct gradd_answer *gradd_##name(struct gradd_client *c, const struct gradd_request *r) {     \
        return compute(c, #name, r, FORMAT);                                                       \
    }
COMPUTE(evaluate)
COMPUTE(gradient)
COMPUTE(jacobian)
COMPUTE(hessian)
COMPUTE(jvp)
COMPUTE(vjp)
COMPUTE(hvp)
#undef COMPUTE

struct gradd_answer *gradd_check(struct gradd_client *c, const struct gradd_request *r) {
    return compute(c, "check", r, NO_FORMAT);
}

struct gradd_answer *gradd_minimize(struct gradd_client *c, const struct gradd_request *r) {
    return fit(c, "minimize", r);
}

struct gradd_answer *gradd_least_squares(struct gradd_client *c, const struct gradd_request *r) {
    return fit(c, "least_squares", r);
}

struct gradd_answer *gradd_function_put(struct gradd_client *c, const char *name,
                                        const struct gradd_request *r) {
    return send_request(c, "PUT", r, NO_FORMAT, "/v1/functions/%", name, NULL);
}

struct gradd_answer *gradd_function_get(struct gradd_client *c, const char *name) {
    return ask(c, "GET", "/v1/functions/%", name, NULL);
}

struct gradd_answer *gradd_function_delete(struct gradd_client *c, const char *name) {
    return ask(c, "DELETE", "/v1/functions/%", name, NULL);
}

struct gradd_answer *gradd_functions(struct gradd_client *c, const struct gradd_page *page) {
    return ask_page(c, "/v1/functions", page);
}

/* ---- sessions ---------------------------------------------------------------------------------- */

struct gradd_answer *gradd_session_create(struct gradd_client *c, const struct gradd_request *r) {
    return send_request(c, "POST", r, FORMAT, "/v1/sessions", NULL, NULL);
}

struct gradd_answer *gradd_session_put(struct gradd_client *c, const char *session,
                                       const struct gradd_request *r) {
    return send_request(c, "PUT", r, FORMAT, "/v1/sessions/%", session, NULL);
}

struct gradd_answer *gradd_session_get(struct gradd_client *c, const char *session) {
    return ask_values(c, "/v1/sessions/%", session, NULL);
}

struct gradd_answer *gradd_session_patch(struct gradd_client *c, const char *session,
                                         const char *json) {
    return send_json(c, "PATCH", "/v1/sessions/%", session, json);
}

struct gradd_answer *gradd_session_delete(struct gradd_client *c, const char *session) {
    return ask(c, "DELETE", "/v1/sessions/%", session, NULL);
}

struct gradd_answer *gradd_sessions(struct gradd_client *c, const struct gradd_page *page) {
    return ask_page(c, "/v1/sessions", page);
}

struct gradd_answer *gradd_session_clone(struct gradd_client *c, const char *session) {
    return send_request(c, "POST", NULL, FORMAT, "/v1/sessions/%/clone", session, NULL);
}

struct gradd_answer *gradd_session_export(struct gradd_client *c, const char *session) {
    return ask(c, "GET", "/v1/sessions/%/export", session, NULL);
}

struct gradd_answer *gradd_session_import(struct gradd_client *c, const char *json) {
    return send_json(c, "POST", "/v1/sessions/import", NULL, json);
}

struct gradd_answer *gradd_execute(struct gradd_client *c, const char *session,
                                   const struct gradd_request *r) {
    return send_request(c, "POST", r, FORMAT, "/v1/sessions/%/execute", session, NULL);
}

struct gradd_answer *gradd_apply_gradients(struct gradd_client *c, const char *session,
                                           const struct gradd_request *r) {
    return send_request(c, "POST", r, FORMAT, "/v1/sessions/%/apply_gradients", session, NULL);
}

/* ---- what a session holds ---------------------------------------------------------------------- */

struct gradd_answer *gradd_variables_put(struct gradd_client *c, const char *session,
                                         const struct gradd_binding *variables,
                                         const char *if_match) {
    const struct gradd_request r = {.variables = variables, .if_match = if_match};
    return send_request(c, "PUT", &r, FORMAT, "/v1/sessions/%/variables", session, NULL);
}

#define READ(name, path)                                                                           \
    struct gradd_answer *gradd_##name##s(struct gradd_client *c, const char *session) {            \
        return ask_values(c, "/v1/sessions/%/" path, session, NULL);                               \
    }                                                                                              \
    struct gradd_answer *gradd_##name##_get(struct gradd_client *c, const char *session,           \
                                            const char *which) {                                   \
        return ask_values(c, "/v1/sessions/%/" path "/%", session, which);                         \
    }
READ(variable, "variables")
READ(constant, "constants")
READ(tensor, "tensors")
#undef READ

#define DELETE(name, path)                                                                         \
    struct gradd_answer *gradd_##name##_delete(struct gradd_client *c, const char *session,        \
                                               const char *which, const char *if_match) {          \
        return ask_delete(c, "/v1/sessions/%/" path "/%", session, which, if_match);               \
    }
DELETE(variable, "variables")
DELETE(constant, "constants")
DELETE(tensor, "tensors")
#undef DELETE

#define WRITE(name, method, path)                                                                  \
    struct gradd_answer *gradd_##name(struct gradd_client *c, const char *session,                 \
                                      const struct gradd_binding *value, const char *if_match) {   \
        return send_value(c, method, "/v1/sessions/%/" path, session, value, if_match);            \
    }
WRITE(variable_put, "PUT", "variables/%")
WRITE(variable_assign, "POST", "variables/%/assign")
WRITE(variable_assign_add, "POST", "variables/%/assign_add")
WRITE(variable_assign_sub, "POST", "variables/%/assign_sub")
WRITE(constant_put, "PUT", "constants/%")
#undef WRITE

/* ---- tapes and optimizers ---------------------------------------------------------------------- */

struct gradd_answer *gradd_tape_open(struct gradd_client *c, const char *session,
                                     const struct gradd_request *r) {
    return send_request(c, "POST", r, FORMAT, "/v1/sessions/%/tapes", session, NULL);
}

struct gradd_answer *gradd_tapes(struct gradd_client *c, const char *session) {
    return ask(c, "GET", "/v1/sessions/%/tapes", session, NULL);
}

struct gradd_answer *gradd_tape_get(struct gradd_client *c, const char *session, const char *tape) {
    return ask(c, "GET", "/v1/sessions/%/tapes/%", session, tape);
}

struct gradd_answer *gradd_tape_delete(struct gradd_client *c, const char *session,
                                       const char *tape) {
    return ask(c, "DELETE", "/v1/sessions/%/tapes/%", session, tape);
}

#define QUESTION(name, takes)                                                                      \
    struct gradd_answer *gradd_tape_##name(struct gradd_client *c, const char *session,            \
                                           const char *tape, const struct gradd_request *r) {      \
        return send_request(c, "POST", r, takes, "/v1/sessions/%/tapes/%/" #name, session, tape);  \
    }
QUESTION(gradient, FORMAT)
QUESTION(jacobian, FORMAT)
QUESTION(batch_jacobian, FORMAT)
QUESTION(jvp, FORMAT)
QUESTION(watch, NO_FORMAT)
#undef QUESTION

#define ORDER(name)                                                                                \
    struct gradd_answer *gradd_tape_##name(struct gradd_client *c, const char *session,            \
                                           const char *tape) {                                     \
        return ask(c, "POST", "/v1/sessions/%/tapes/%/" #name, session, tape);                     \
    }
ORDER(stop)
ORDER(resume)
ORDER(reset)
#undef ORDER

struct gradd_answer *gradd_optimizer_get(struct gradd_client *c, const char *session, bool slots) {
    return slots ? ask_values(c, "/v1/sessions/%/optimizer?slots=true", session, NULL)
                 : ask_values(c, "/v1/sessions/%/optimizer", session, NULL);
}

struct gradd_answer *gradd_optimizer_put(struct gradd_client *c, const char *session,
                                         const char *json) {
    return send_json(c, "PUT", "/v1/sessions/%/optimizer", session, json);
}

struct gradd_answer *gradd_optimizer_patch(struct gradd_client *c, const char *session,
                                           const char *json) {
    return send_json(c, "PATCH", "/v1/sessions/%/optimizer", session, json);
}

struct gradd_answer *gradd_optimizer_delete(struct gradd_client *c, const char *session) {
    return ask(c, "DELETE", "/v1/sessions/%/optimizer", session, NULL);
}

/* ---- long work --------------------------------------------------------------------------------- */

struct gradd_answer *gradd_job(struct gradd_client *c, const char *method,
                               const struct gradd_request *work) {
    struct client_call call = {.method = "POST", .has_body = true};
    if (work && work->session)
        call_path(&call, "/v1/sessions/%/jobs", work->session);
    else
        call_path(&call, "/v1/jobs");
    if (!method || !work) call.is_invalid = true;
    call.once = work && work->once;
    if (!c || call.is_invalid) return call_make(c, &call);
    write_text(&call.body, "{\"method\":");
    write_string(&call.body, method);
    if (work->function) {
        write_text(&call.body, ",\"function\":");
        write_string(&call.body, work->function);
    }
    write_text(&call.body, ",\"request\":");
    if (!body_request(&call.body, c, work, strcmp(method, "check") != 0)) call.is_invalid = true;
    write_text(&call.body, "}");
    return call_make(c, &call);
}

struct gradd_answer *gradd_operations(struct gradd_client *c, const struct gradd_page *page) {
    return ask_page(c, "/v1/operations", page);
}

/* Its id, whichever way it is named. */
static const char *id_of(const char *operation) {
    static const char before[] = "operations/";
    const bool whole = operation && strncmp(operation, before, sizeof before - 1) == 0;
    return whole ? operation + sizeof before - 1 : operation;
}

struct gradd_answer *gradd_operation_get(struct gradd_client *c, const char *operation,
                                         int wait_seconds) {
    struct client_call call = {.method = "GET", .more_seconds = wait_seconds};
    char seconds[16];
    call_path(&call, "/v1/operations/%", id_of(operation));
    snprintf(seconds, sizeof seconds, "%d", wait_seconds);
    if (wait_seconds > 0) call_query(&call, "wait", seconds);
    return call_make(c, &call);
}

struct gradd_answer *gradd_operation_delete(struct gradd_client *c, const char *operation) {
    return ask(c, "DELETE", "/v1/operations/%", id_of(operation), NULL);
}

struct gradd_answer *gradd_operation_follow(struct gradd_client *c, const char *operation,
                                            gradd_progress_function *progress, void *context) {
    struct client_call call = {.method = "GET"};
    call_path(&call, "/v1/operations/%/events", id_of(operation));
    return call_follow(c, &call, progress, context);
}

/* ---- the service ------------------------------------------------------------------------------- */

#define ABOUT(name, path)                                                                          \
    struct gradd_answer *gradd_##name(struct gradd_client *c) {                                    \
        return ask(c, "GET", path, NULL, NULL);                                                    \
    }
ABOUT(ops, "/v1/ops")
ABOUT(optimizers, "/v1/optimizers")
ABOUT(schedules, "/v1/schedules")
ABOUT(limits, "/v1/limits")
ABOUT(problems, "/v1/problems")
ABOUT(stats, "/v1/stats")
ABOUT(metrics, "/metrics")
ABOUT(health, "/healthz")
ABOUT(ready, "/readyz")
ABOUT(version, "/version")
ABOUT(openapi, "/openapi.json")
#undef ABOUT

struct gradd_answer *gradd_schedule_evaluate(struct gradd_client *c, const char *json) {
    return send_json(c, "POST", "/v1/schedules/evaluate", NULL, json);
}

static bool is_method(const char *text) {
    return text && *text && !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

struct gradd_answer *gradd_call(struct gradd_client *c, const char *method, const char *path,
                                const char *json, const char *if_match) {
    struct client_call call = {.method = method, .if_match = if_match};
    call.has_body = json || (method && strcmp(method, "POST") == 0);
    call_path(&call, "");
    /* What is behind a # would not be sent, and another place be meant. */
    if (!is_method(method) || !path || *path != '/' || strchr(path, '#')) call.is_invalid = true;
    if (path) write_text(&call.path, path);
    if (json) write_text(&call.body, json);
    return call_make(c, &call);
}
