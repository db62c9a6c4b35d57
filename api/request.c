/* Members of a one-shot request: which there are, which a route accepts, and the plain options.
 * Names and tensors in them are left to those who have a graph. */
#include "api/request.h"

#include <stdio.h>
#include <string.h>

#include "api/functions.h"
#include "api/place.h"
#include "core/op.h"

const struct request_member request_members[REQUEST_MEMBER_COUNT] = {
#define MEMBER(name, routes, kind) {#name, offsetof(struct request, name), routes, kind},
    REQUEST_MEMBERS(MEMBER)
#undef MEMBER
};

static bool accepts(const struct request_member *m, enum request_route route) {
    return (m->routes & route & ~(unsigned)REQUEST_FIXED) && !(m->routes & route & REQUEST_FIXED);
}

const struct request_member *request_member(const char *name, enum request_route route) {
    for (size_t i = 0; i < REQUEST_MEMBER_COUNT; i++) {
        const struct request_member *m = &request_members[i];
        if (*m->name == *name && accepts(m, route) && strcmp(m->name, name) == 0) return m;
    }
    return NULL;
}

const char *request_nearest(const char *name, enum request_route route) {
    const char *accepted[REQUEST_MEMBER_COUNT] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < REQUEST_MEMBER_COUNT; i++) {
        if (accepts(&request_members[i], route)) accepted[n++] = request_members[i].name;
    }
    return name_nearest(name, accepted, n);
}

static bool fail_unknown(const char *key, enum request_route route, struct error *error) {
    char list[512] = "";
    size_t at = 0;
    for (size_t i = 0; i < REQUEST_MEMBER_COUNT; i++) {
        if (!accepts(&request_members[i], route)) continue;
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "",
                               request_members[i].name);
    }
    const char *near = request_nearest(key, route);
    error_set(error, ERROR_INVALID_REQUEST, "unknown member \"%.60s\"; %s%s%sccepted: %s", key,
              near ? "did you mean \"" : "", near ? near : "", near ? "\"? A" : "a", list);
    return error_under(error, key);
}

static bool fail_type(const struct json *v, const char *wants, const char *name,
                      struct error *error) {
    error_set(error, ERROR_INVALID_REQUEST, "expected %s, found %s", wants, json_type_name(v));
    return error_under(error, name);
}

static bool read_bool(const struct json *v, const char *name, bool *out, struct error *error) {
    if (!v) return true;
    if (json_type(v) != JSON_BOOL) return fail_type(v, "true or false", name, error);
    *out = json_bool(v);
    return true;
}

/* `*text` is NULL where the member was not sent. */
static bool read_text(const struct json *v, const char *name, const char **text,
                      struct error *error) {
    *text = NULL;
    if (!v) return true;
    if (json_type(v) != JSON_STRING) return fail_type(v, "a string", name, error);
    *text = json_string(v);
    return true;
}

static bool read_timeout(struct request *r, struct error *error) {
    const struct json *v = r->timeout_seconds;
    double seconds = 0;
    size_t n;
    if (!v) return true;
    if (json_type(v) != JSON_NUMBER)
        return fail_type(v, "a number of seconds above 0", "timeout_seconds", error);
    if (!json_double(v, &seconds) || !(seconds > 0)) {
        const char *text = json_text(v, &n);
        error_set(error, ERROR_INVALID_VALUE, "expected a number of seconds above 0, found %.*s",
                  n < 40 ? (int)n : 40, text);
        return error_under(error, "timeout_seconds");
    }
    if (seconds > 1e9) return true;
    const int64_t deadline = clock_now() + (int64_t)(seconds * 1e9);
    if (!r->deadline || deadline < r->deadline) r->deadline = deadline;
    return true;
}

static bool read_dtype(struct request *r, const struct service_call *call, struct error *error) {
    const char *text;
    r->default_dtype = call->function ? call->function->dtype : DTYPE_F32;
    if (!read_text(r->dtype, "dtype", &text, error)) return false;
    if (!text || dtype_find(text, &r->default_dtype)) return true;
    error_set(error, ERROR_INVALID_VALUE,
              "unknown dtype \"%.40s\"; expected float32, float64, int32, int64 or bool", text);
    return error_under(error, "dtype");
}

static bool read_format(struct request *r, struct error *error) {
    static const char *const formats[] = {
        [FORMAT_NESTED] = "nested", [FORMAT_TYPED] = "typed", [FORMAT_BASE64] = "base64"};
    const char *text;
    if (!read_text(r->format, "format", &text, error)) return false;
    for (int i = 0; i < 3; i++) {
        if (text && strcmp(text, formats[i]) != 0) continue;
        r->tensor_format = (enum tensor_format)i;
        return true;
    }
    error_set(error, ERROR_INVALID_VALUE,
              "unknown format \"%.40s\"; expected nested, typed or base64", text);
    return error_under(error, "format");
}

static bool read_unconnected(struct request *r, struct error *error) {
    const char *text;
    if (!read_text(r->unconnected_gradients, "unconnected_gradients", &text, error)) return false;
    r->zero_unconnected = text && strcmp(text, "zero") == 0;
    if (!text || r->zero_unconnected || strcmp(text, "none") == 0) return true;
    error_set(error, ERROR_INVALID_VALUE, "Unknown value for unconnected_gradients: '%.60s'", text);
    return error_under(error, "unconnected_gradients");
}

static bool read_mode(struct request *r, struct error *error) {
    const char *text;
    if (!read_text(r->mode, "mode", &text, error)) return false;
    r->is_forward = text && strcmp(text, "forward") == 0;
    if (!text || r->is_forward || strcmp(text, "reverse") == 0) return true;
    error_set(error, ERROR_INVALID_VALUE, "unknown mode \"%.40s\"; expected reverse or forward",
              text);
    return error_under(error, "mode");
}

static bool read_sparse(struct request *r, struct error *error) {
    if (!read_bool(r->sparse, "sparse", &r->is_sparse, error)) return false;
    if (!r->is_sparse || !r->batch) return true;
    error_set(error, ERROR_INVALID_REQUEST,
              "\"sparse\" and \"batch\" exclude each other; ask for each point by itself");
    return error_under(error, "sparse");
}

bool request_read(struct request *r, const struct json *body, enum request_route route,
                  const struct service_call *call, struct error *error) {
    *r = (struct request){
        .watches_variables = true, .route = route, .deadline = call->control.deadline};
    if (json_type(body) != JSON_OBJECT) {
        return error_set(error, ERROR_INVALID_REQUEST, "expected an object, found %s",
                         json_type_name(body));
    }
    const enum request_route accepted = call->function ? route | REQUEST_FIXED : route;
    for (const struct json *v = json_first(body); v; v = json_next(v)) {
        const char *key = json_key(v);
        const struct request_member *m = request_member(key, accepted);
        if (!m) return fail_unknown(key, accepted, error);
        memcpy((char *)r + m->offset, &v, sizeof v);
    }
    if (call->function) r->graph = call->function->graph;
    if (!r->graph && (route & ROUTES_GRAPH))
        return error_set(error, ERROR_INVALID_REQUEST, "member \"graph\" is missing");
    return read_mode(r, error) &&
           read_bool(r->persistent, "persistent", &r->is_persistent, error) &&
           read_dtype(r, call, error) && read_format(r, error) && read_unconnected(r, error) &&
           read_bool(r->watch_accessed_variables, "watch_accessed_variables", &r->watches_variables,
                     error) &&
           read_bool(r->diagnose, "diagnose", &r->wants_diagnosis, error) &&
           read_sparse(r, error) && read_timeout(r, error);
}
