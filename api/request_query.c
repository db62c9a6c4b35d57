/* A GET's query as the body of a POST, so that one path reads both. Members go by their names; every
 * other pair is a variable. */
#include "api/request.h"

#include <string.h>

#include "api/names.h"
#include "api/place.h"

/* Whether the text is JSON; false with a failure in *error where there is no memory to find out. */
static bool is_json(const char *text, struct arena *arena, const struct service_call *call,
                    struct error *error) {
    struct json *root;
    if (json_parse(arena, text, strlen(text), (int)call->limits->max_json_depth, &root, error))
        return true;
    if (!error_is_limit(error->code)) error_clear(error);
    return false;
}

static void write_key(struct writer *w, const char *name, bool *first) {
    if (!*first) write_text(w, ",");
    *first = false;
    write_string(w, name);
    write_text(w, ":");
}

/* "a" is a name, "a,b" a list of names; what begins with a bracket is JSON. */
static void write_names(struct writer *w, const char *text) {
    if (*text == '[' || *text == '{') {
        write_text(w, text);
        return;
    }
    const bool list = strchr(text, ',') != NULL;
    if (list) write_text(w, "[");
    for (const char *at = text;; at++) {
        const size_t n = strcspn(at, ",");
        write_string_n(w, at, n);
        at += n;
        if (!*at) break;
        write_text(w, ",");
    }
    if (list) write_text(w, "]");
}

static bool write_member(struct writer *w, const struct request_member *m, const char *text,
                         struct arena *arena, const struct service_call *call,
                         struct error *error) {
    const bool json =
        m->kind == QUERY_JSON || (m->kind == QUERY_NAMES && (*text == '[' || *text == '{'));
    if (m->kind == QUERY_NEVER) {
        error_set(error, ERROR_INVALID_REQUEST,
                  "in an address each variable goes by its own name; \"%s\" needs POST", m->name);
        return error_under(error, m->name);
    }
    if (json && !is_json(text, arena, call, error)) {
        if (error->code) return false;
        error_set(error, ERROR_INVALID_VALUE, "expected JSON, found \"%.60s\"", text);
        return error_under(error, m->name);
    }
    if (m->kind == QUERY_NAMES)
        write_names(w, text);
    else if (json)
        write_text(w, text);
    else
        write_string(w, text);
    return true;
}

static bool write_variable(struct writer *w, const struct service_pair *pair, struct arena *arena,
                           const struct service_call *call, struct error *error) {
    if (strcmp(pair->value, "NaN") == 0 || strcmp(pair->value, "Infinity") == 0 ||
        strcmp(pair->value, "-Infinity") == 0) {
        write_string(w, pair->value);
        return true;
    }
    if (is_json(pair->value, arena, call, error)) {
        write_text(w, pair->value);
        return true;
    }
    if (error->code) return false;
    error_set(error, ERROR_INVALID_VALUE, "expected a number, found \"%.60s\"", pair->value);
    return error_under(error, pair->name);
}

static bool refuse_duplicates(const struct service_call *call, struct arena *arena,
                              struct error *error) {
    struct names seen;
    names_init(&seen, arena, call->seed);
    for (size_t i = 0; i < call->n_query; i++) {
        bool added;
        const char *name = call->query[i].name;
        if (!names_add(&seen, name, strlen(name), &added)) {
            return error_set(error, ERROR_MEMORY_BUDGET,
                             "the request needs more than the %zu bytes of memory it may take",
                             arena->ceiling);
        }
        if (added) continue;
        error_set(error, ERROR_DUPLICATE_NAME, "\"%.80s\" is given twice", name);
        return error_under(error, name);
    }
    return true;
}

bool request_from_query(const struct service_call *call, enum request_route route,
                        struct arena *arena, struct writer *body, struct error *error) {
    if (!refuse_duplicates(call, arena, error)) return false;
    bool first = true;
    write_text(body, "{");
    for (size_t i = 0; i < call->n_query; i++) {
        const struct request_member *m = request_member(call->query[i].name, route);
        if (!m) continue;
        write_key(body, m->name, &first);
        if (!write_member(body, m, call->query[i].value, arena, call, error)) return false;
    }
    write_key(body, "variables", &first);
    write_text(body, "{");
    first = true;
    for (size_t i = 0; i < call->n_query; i++) {
        if (request_member(call->query[i].name, route)) continue;
        write_key(body, call->query[i].name, &first);
        if (!write_variable(body, &call->query[i], arena, call, error)) return false;
    }
    write_text(body, "}}");
    if (!body->full) return true;
    return error_set(error, ERROR_MEMORY_BUDGET,
                     "the request needs more than the %zu bytes of memory it may take",
                     body->ceiling);
}
