/* The table of routes, and all that is derived from it. Knows no transport. */
#include "server/route.h"

#include <stdio.h>
#include <string.h>

#include "api/functions.h"
#include "api/operations.h"
#include "api/session_services.h"
#include "core/op.h"
#include "server/handle.h"

static const char json[] = "application/json", text[] = "text/plain; charset=utf-8",
                  metrics[] = "text/plain; version=0.0.4; charset=utf-8",
                  html[] = "text/html; charset=utf-8", events[] = "text/event-stream";

#define STATE(method, path, name, flags, scope)                                                    \
    { METHOD_##method, path, service_##name, ROUTE_STATE, json, flags, SCOPE_##scope }
/* Below one session, which is held meanwhile: to see it is one thing, to change it another. */
#define SESSION(method, path, name, flags)                                                         \
    {                                                                                              \
        METHOD_##method, "/v1/sessions/{session}" path, service_##name, ROUTE_STATE, json,         \
            ROUTE_SESSION | (flags), METHOD_##method == METHOD_GET ? SCOPE_READ : SCOPE_SESSIONS   \
    }

/* What is asked most stands first. */
const struct route route_table[] = {
    {METHOD_POST | METHOD_GET, "/v1/gradient", service_gradient, ROUTE_COMPUTES, json, 0,
     SCOPE_COMPUTE},
    {METHOD_POST | METHOD_GET, "/v1/evaluate", service_evaluate, ROUTE_COMPUTES, json, 0,
     SCOPE_COMPUTE},
    {METHOD_POST, "/v1/jacobian", service_jacobian, ROUTE_COMPUTES, json, 0, SCOPE_COMPUTE},
    {METHOD_POST | METHOD_GET, "/v1/hessian", service_hessian, ROUTE_COMPUTES, json, 0,
     SCOPE_COMPUTE},
    {METHOD_POST, "/v1/jvp", service_jvp, ROUTE_COMPUTES, json, 0, SCOPE_COMPUTE},
    {METHOD_POST, "/v1/vjp", service_vjp, ROUTE_COMPUTES, json, 0, SCOPE_COMPUTE},
    {METHOD_POST, "/v1/hvp", service_hvp, ROUTE_COMPUTES, json, 0, SCOPE_COMPUTE},
    {METHOD_POST, "/v1/check", service_check, ROUTE_COMPUTES, json, 0, SCOPE_COMPUTE},
    {METHOD_POST, "/v1/minimize", service_minimize, ROUTE_COMPUTES, json, ROUTE_STREAM,
     SCOPE_COMPUTE},
    {METHOD_POST, "/v1/least_squares", service_least_squares, ROUTE_COMPUTES, json, ROUTE_STREAM,
     SCOPE_COMPUTE},
    {METHOD_GET, "/v1/ops", service_ops, ROUTE_CONSTANT, json, 0, SCOPE_READ},
    {METHOD_GET, "/v1/optimizers", service_optimizers, ROUTE_CONSTANT, json, 0, SCOPE_READ},
    {METHOD_GET, "/v1/schedules", service_schedules, ROUTE_CONSTANT, json, 0, SCOPE_READ},
    {METHOD_POST, "/v1/schedules/evaluate", service_schedule_evaluate, ROUTE_COMPUTES, json, 0,
     SCOPE_COMPUTE},
    {METHOD_GET, "/v1/limits", service_limits, ROUTE_CONSTANT, json, 0, SCOPE_READ},
    {METHOD_GET, "/v1/problems", service_problems, ROUTE_CONSTANT, json, 0, SCOPE_READ},
    {METHOD_GET, "/v1/stats", handle_stats, ROUTE_LIVE, json, 0, SCOPE_ADMIN},
    {METHOD_GET, "/metrics", handle_metrics, ROUTE_LIVE, metrics, 0, SCOPE_ADMIN},
    {METHOD_GET, "/healthz", handle_health, ROUTE_LIVE, json, 0, SCOPE_NONE},
    {METHOD_GET, "/readyz", handle_ready, ROUTE_LIVE, json, 0, SCOPE_NONE},
    {METHOD_GET, "/version", handle_version, ROUTE_CONSTANT, json, 0, SCOPE_NONE},
    {METHOD_GET, "/", handle_index, ROUTE_CONSTANT, text, 0, SCOPE_READ},
    {METHOD_GET, "/openapi.json", handle_openapi, ROUTE_STATE, json, 0, SCOPE_NONE},
    {METHOD_GET, "/docs", handle_docs, ROUTE_STATE, html, 0, SCOPE_NONE},
    {METHOD_GET, "/docs/{file}", handle_docs_file, ROUTE_STATE, text, 0, SCOPE_NONE},
    SESSION(POST, "/execute", execute, 0),
    SESSION(POST, "/minimize", minimize, ROUTE_STREAM),
    SESSION(POST, "/least_squares", least_squares, ROUTE_STREAM),
    SESSION(POST, "/tapes", tape_open, 0),
    SESSION(GET, "/tapes", tape_list, 0),
    SESSION(POST, "/tapes/{tape}/gradient", tape_gradient, 0),
    SESSION(POST, "/tapes/{tape}/jacobian", tape_jacobian, 0),
    SESSION(POST, "/tapes/{tape}/batch_jacobian", tape_batch_jacobian, 0),
    SESSION(POST, "/tapes/{tape}/jvp", tape_jvp, 0),
    SESSION(POST, "/tapes/{tape}/watch", tape_watch, 0),
    SESSION(POST, "/tapes/{tape}/stop", tape_stop, 0),
    SESSION(POST, "/tapes/{tape}/resume", tape_resume, 0),
    SESSION(POST, "/tapes/{tape}/reset", tape_reset, 0),
    SESSION(GET, "/tapes/{tape}", tape_get, 0),
    SESSION(DELETE, "/tapes/{tape}", tape_delete, 0),
    SESSION(POST, "/variables/{name}/assign_sub", variable_assign_sub, 0),
    SESSION(POST, "/variables/{name}/assign_add", variable_assign_add, 0),
    SESSION(POST, "/variables/{name}/assign", variable_assign, 0),
    SESSION(GET, "/variables/{name}", variable_get, ROUTE_QUERY),
    SESSION(PUT, "/variables/{name}", variable_put, ROUTE_QUERY | ROUTE_BYTES),
    SESSION(DELETE, "/variables/{name}", variable_delete, 0),
    SESSION(GET, "/variables", variables_get, ROUTE_QUERY),
    SESSION(PUT, "/variables", variables_put, 0),
    SESSION(GET, "/constants/{name}", constant_get, ROUTE_QUERY),
    SESSION(PUT, "/constants/{name}", constant_put, ROUTE_QUERY | ROUTE_BYTES),
    SESSION(DELETE, "/constants/{name}", constant_delete, 0),
    SESSION(GET, "/constants", constants_get, ROUTE_QUERY),
    SESSION(GET, "/tensors/{name}", tensor_get, ROUTE_QUERY),
    SESSION(DELETE, "/tensors/{name}", tensor_delete, 0),
    SESSION(GET, "/tensors", tensors_get, ROUTE_QUERY),
    SESSION(POST, "/apply_gradients", apply_gradients, 0),
    SESSION(GET, "/optimizer", optimizer_get, ROUTE_QUERY),
    SESSION(PUT, "/optimizer", optimizer_put, 0),
    SESSION(PATCH, "/optimizer", optimizer_patch, 0),
    SESSION(DELETE, "/optimizer", optimizer_delete, 0),
    SESSION(GET, "", session_get, ROUTE_QUERY),
    SESSION(PATCH, "", session_patch, 0),
    SESSION(DELETE, "", session_delete, 0),
    SESSION(POST, "/clone", session_clone, 0),
    SESSION(POST, "/jobs", job, 0),
    SESSION(GET, "/export", session_export, 0),
    STATE(POST, "/v1/sessions", sessions_create, 0, SESSIONS),
    STATE(GET, "/v1/sessions", sessions_list, ROUTE_QUERY, READ),
    STATE(POST, "/v1/sessions/import", sessions_import, 0, SESSIONS),
    STATE(PUT, "/v1/sessions/{session}", session_put, 0, SESSIONS),
    STATE(POST, "/v1/functions/{name}/gradient", function_gradient, 0, COMPUTE),
    STATE(POST, "/v1/functions/{name}/evaluate", function_evaluate, 0, COMPUTE),
    STATE(POST, "/v1/functions/{name}/jacobian", function_jacobian, 0, COMPUTE),
    STATE(POST, "/v1/functions/{name}/hessian", function_hessian, 0, COMPUTE),
    STATE(POST, "/v1/functions/{name}/jvp", function_jvp, 0, COMPUTE),
    STATE(POST, "/v1/functions/{name}/vjp", function_vjp, 0, COMPUTE),
    STATE(POST, "/v1/functions/{name}/hvp", function_hvp, 0, COMPUTE),
    STATE(POST, "/v1/functions/{name}/check", function_check, 0, COMPUTE),
    STATE(POST, "/v1/functions/{name}/minimize", function_minimize, ROUTE_STREAM, COMPUTE),
    STATE(POST, "/v1/functions/{name}/least_squares", function_least_squares, ROUTE_STREAM,
          COMPUTE),
    STATE(GET, "/v1/functions", functions_list, ROUTE_QUERY, READ),
    STATE(PUT, "/v1/functions/{name}", function_put, 0, SESSIONS),
    STATE(GET, "/v1/functions/{name}", function_get, 0, READ),
    STATE(DELETE, "/v1/functions/{name}", function_delete, 0, SESSIONS),
    STATE(POST, "/v1/jobs", job, 0, COMPUTE),
    STATE(GET, "/v1/operations", operations_list, ROUTE_QUERY, READ),
    STATE(GET, "/v1/operations/{operation}", operation_get, ROUTE_QUERY, READ),
    STATE(DELETE, "/v1/operations/{operation}", operation_delete, 0, COMPUTE),
    {METHOD_GET, "/v1/operations/{operation}/events", service_operation_events, ROUTE_STATE, events,
     0, SCOPE_READ},
};
const size_t route_count = sizeof route_table / sizeof *route_table;
_Static_assert(sizeof route_table / sizeof *route_table <= ROUTE_MOST, "ROUTE_MOST is too small");

static const struct {
    unsigned method;
    const char *name;
} methods[] = {{METHOD_GET, "GET"},        {METHOD_HEAD, "HEAD"},   {METHOD_POST, "POST"},
               {METHOD_PUT, "PUT"},        {METHOD_PATCH, "PATCH"}, {METHOD_DELETE, "DELETE"},
               {METHOD_OPTIONS, "OPTIONS"}};

enum { METHODS = sizeof methods / sizeof *methods };
_Static_assert((int)METHODS + 1 == (int)METHOD_NUMBERS, "METHOD_NUMBERS is not right");

size_t route_method_number(unsigned method) {
    size_t i = 0;
    while (i < METHODS && methods[i].method != method) i++;
    return i;
}

const char *route_method_name(size_t number) {
    return number < METHODS ? methods[number].name : "other";
}

unsigned route_method(const char *name) {
    for (size_t i = 0; i < METHODS; i++)
        if (strcmp(name, methods[i].name) == 0) return methods[i].method;
    return 0;
}

/* ---- paths in segments ---- */

enum { SEGMENTS = 8 };

struct segments {
    int n; /* SEGMENTS + 1: more than any route has */
    struct segment {
        const char *at;
        size_t length;
    } segment[SEGMENTS];
};

/* What stands between the slashes; a path begins with one. */
static void split(const char *path, struct segments *out) {
    out->n = 0;
    while (*path == '/') {
        const size_t length = strcspn(path + 1, "/");
        if (out->n == SEGMENTS) {
            out->n++;
            return;
        }
        out->segment[out->n++] = (struct segment){path + 1, length};
        path += 1 + length;
    }
    if (*path) out->n = SEGMENTS + 1;
}

/* The paths of the table in segments, split once. */
static struct segments patterns[ROUTE_MOST];

static size_t numbers[ROUTE_MOST];

void route_init(void) {
    for (size_t i = 0; i < route_count; i++) {
        size_t first = 0;
        split(route_table[i].path, &patterns[i]);
        while (strcmp(route_table[first].path, route_table[i].path) != 0) first++;
        numbers[i] = first + 1;
    }
}

size_t route_number(const struct route *route) { return route ? numbers[route - route_table] : 0; }

static bool is_place(const struct segment *s) { return s->length && *s->at == '{'; }

static bool fits(const struct segment *wanted, const struct segment *found) {
    if (is_place(wanted)) return found->length > 0;
    return wanted->length == found->length && memcmp(wanted->at, found->at, found->length) == 0;
}

/* The last segments differ most. */
static bool matches(const struct segments *pattern, const struct segments *path) {
    if (pattern->n != path->n) return false;
    for (int i = path->n; i-- > 0;)
        if (!fits(&pattern->segment[i], &path->segment[i])) return false;
    return true;
}

static void find_places(const struct segments *pattern, const struct segments *path,
                        struct route_places *out) {
    out->n = 0;
    for (int i = 0; i < path->n; i++) {
        if (!is_place(&pattern->segment[i])) continue;
        out->place[out->n].at = path->segment[i].at;
        out->place[out->n++].length = path->segment[i].length;
    }
}

bool route_takes(const struct route *route, unsigned method) {
    if (method == METHOD_HEAD) method = METHOD_GET;
    return method == METHOD_OPTIONS || (route->methods & method);
}

const struct route *route_find(const char *path, unsigned method, struct route_places *places) {
    struct segments segments;
    const struct route *found = NULL;
    split(path, &segments);
    places->n = 0;
    for (size_t i = 0; i < route_count; i++) {
        if (!matches(&patterns[i], &segments)) continue;
        const bool takes = route_takes(&route_table[i], method);
        if (found && !takes) continue;
        found = &route_table[i];
        find_places(&patterns[i], &segments, places);
        if (takes) return found;
    }
    return found;
}

/* ---- what is said of them ---- */

enum { NEAR_PATH = 128 };

/* Writes a path from its segments; those at the places of all patterns there are become what `place`
 * has there, or "*" where it is NULL. */
static void join(const struct segments *path, bool is_pattern, const struct segments *place,
                 char out[NEAR_PATH]) {
    int n = 0;
    out[0] = '\0';
    for (int i = 0; i < path->n && n < NEAR_PATH; i++) {
        struct segment s = path->segment[i];
        if (is_pattern ? is_place(&s) : i == 2 || i == 4) {
            s = (struct segment){"*", 1};
            if (place && i < place->n && place->segment[i].length) s = place->segment[i];
        }
        n += snprintf(out + n, (size_t)(NEAR_PATH - n), "/%.*s",
                      (int)(s.length < NEAR_PATH ? s.length : NEAR_PATH), s.at);
    }
}

const char *route_nearest(const char *path, char *out, size_t size) {
    char texts[ROUTE_MOST][NEAR_PATH], wanted[NEAR_PATH], filled[NEAR_PATH];
    const char *paths[ROUTE_MOST];
    struct segments segments;
    split(path, &segments);
    if (segments.n > SEGMENTS) return NULL;
    for (size_t i = 0; i < route_count; i++) {
        join(&patterns[i], true, NULL, texts[i]);
        paths[i] = texts[i];
    }
    const char *near = name_nearest(path, paths, route_count);
    join(&segments, false, NULL, wanted);
    if (!near) near = name_nearest(wanted, paths, route_count);
    for (size_t i = 0; near && i < route_count; i++) {
        if (near != paths[i]) continue;
        join(&patterns[i], true, &segments, filled);
        snprintf(out, size, "%s", filled);
        return out;
    }
    return NULL;
}

const char *route_allow(const struct route *route, char out[ROUTE_ALLOW]) {
    unsigned allowed = METHOD_OPTIONS;
    for (size_t i = 0; i < route_count; i++)
        if (strcmp(route_table[i].path, route->path) == 0) allowed |= route_table[i].methods;
    if (allowed & METHOD_GET) allowed |= METHOD_HEAD;
    int n = 0;
    for (size_t i = 0; i < METHODS; i++)
        if (allowed & methods[i].method)
            n += snprintf(out + n, (size_t)(ROUTE_ALLOW - n), "%s%s", n ? ", " : "",
                          methods[i].name);
    return out;
}
