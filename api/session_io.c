/* Requests of session services, decoded up to where a service's own business begins. */
#include "api/session_io.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/etag.h"
#include "api/place.h"
#include "core/op.h"

const char *const item_kind_names[] = {
    [ITEM_VARIABLE] = "variable", [ITEM_CONSTANT] = "constant", [ITEM_TENSOR] = "tensor"};

static size_t count(const char *const *names, size_t most) {
    size_t n = 0;
    while (n < most && names[n]) n++;
    return n;
}

static bool among(const char *name, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* "unknown member "x"; did you mean "y"? Accepted: y, z" */
static bool fail_unknown(struct asked *a, const char *what, const char *name,
                         const char *const *names, size_t n) {
    char list[200] = "";
    int at = 0;
    for (size_t i = 0; i < n; i++)
        at += snprintf(list + at, sizeof list - (size_t)at, "%s%s", i ? ", " : "", names[i]);
    const char *near = name_nearest(name, names, n);
    return error_set(a->error, ERROR_INVALID_REQUEST, "unknown %s \"%.60s\"; %s%s%sccepted: %s",
                     what, name, near ? "did you mean \"" : "", near ? near : "",
                     near ? "\"? A" : "a", n ? list : "none");
}

static bool check_query(struct asked *a, const struct takes *takes) {
    const size_t n = count(takes->parameters, sizeof takes->parameters / sizeof(char *));
    for (size_t i = 0; i < a->call->n_query && a->call->query; i++) {
        const char *name = a->call->query[i].name;
        if (!among(name, takes->parameters, n))
            return fail_unknown(a, "parameter", name, takes->parameters, n);
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, a->call->query[k].name) == 0)
                return error_set(a->error, ERROR_DUPLICATE_NAME, "\"%.80s\" is given twice", name);
    }
    return true;
}

bool asked_object(struct asked *a, const struct json *v, const char *const *names, size_t n) {
    if (json_type(v) != JSON_OBJECT)
        return error_set(a->error, ERROR_INVALID_REQUEST, "expected an object, found %s",
                         json_type_name(v));
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        if (among(json_key(m), names, n)) continue;
        fail_unknown(a, "member", json_key(m), names, n);
        return error_under(a->error, json_key(m));
    }
    return true;
}

static bool read_body(struct asked *a, const struct takes *takes) {
    const struct service_call *call = a->call;
    struct json *root;
    if (!call->body || call->media || (call->body_length == 0 && takes->optional)) return true;
    if (!json_parse(&a->arena, call->body, call->body_length, (int)call->limits->max_json_depth,
                    &root, a->error))
        return false;
    a->body = root;
    return takes->any ||
           asked_object(a, root, takes->members,
                        count(takes->members, sizeof takes->members / sizeof(char *)));
}

static bool read_format(struct asked *a, const struct takes *takes) {
    static const char *const formats[] = {
        [FORMAT_NESTED] = "nested", [FORMAT_TYPED] = "typed", [FORMAT_BASE64] = "base64"};
    const struct json *member = takes->any ? NULL : asked_member(a, "format");
    const char *text = asked_parameter(a, "format");
    if (member && json_type(member) != JSON_STRING) return asked_fail_type(a, member, "a string");
    if (member) text = json_string(member);
    if (!text) return true;
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, formats[i]) != 0) continue;
        a->format = (enum tensor_format)i;
        return true;
    }
    error_set(a->error, ERROR_INVALID_VALUE,
              "unknown format \"%.40s\"; expected nested, typed or base64", text);
    return member ? error_under(a->error, "format") : false;
}

bool asked_begin(struct asked *a, const struct service_call *call, const struct takes *takes,
                 struct writer *out, struct error *error) {
    *a = (struct asked){.call = call,
                        .out = out,
                        .error = error,
                        .session = call->session,
                        .format = FORMAT_NESTED};
    arena_init(&a->arena, (size_t)call->limits->max_request_bytes);
    return check_query(a, takes) && read_body(a, takes) && read_format(a, takes);
}

void asked_end(struct asked *a) { arena_free(&a->arena); }

bool asked_fail_memory(struct asked *a) {
    return error_set(a->error, ERROR_MEMORY_BUDGET,
                     "the request needs more than the %zu bytes of memory it may take",
                     a->arena.ceiling);
}

const struct json *asked_member(const struct asked *a, const char *name) {
    return a->body ? json_member(a->body, name) : NULL;
}

const char *asked_parameter(const struct asked *a, const char *name) {
    for (size_t i = 0; i < a->call->n_query && a->call->query; i++)
        if (strcmp(name, a->call->query[i].name) == 0) return a->call->query[i].value;
    return NULL;
}

bool asked_number(struct asked *a, const char *name, uint64_t least, uint64_t most, uint64_t preset,
                  uint64_t *out) {
    const char *text = asked_parameter(a, name);
    char *end = NULL;
    *out = preset;
    if (!text) return true;
    *out = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (end && !*end && *out >= least && *out <= most) return true;
    return error_set(a->error, ERROR_INVALID_VALUE,
                     "%s is \"%.40s\", expected a whole number from %" PRIu64 " to %" PRIu64, name,
                     text, least, most);
}

bool asked_fail_type(struct asked *a, const struct json *v, const char *wants) {
    error_set(a->error, ERROR_INVALID_REQUEST, "expected %s, found %s", wants, json_type_name(v));
    return json_key(v) ? error_under(a->error, json_key(v)) : false;
}

bool asked_written(struct asked *a) { return writer_whole(a->out, a->error); }

bool asked_within(struct asked *a) {
    const size_t bytes = session_bytes(a->session);
    return (int64_t)bytes <= a->call->limits->max_request_bytes ||
           error_set(a->error, ERROR_MEMORY_BUDGET,
                     "the session holds %zu bytes; a request may take %" PRId64
                     " (max_request_bytes)",
                     bytes, a->call->limits->max_request_bytes);
}

/* ---- entity tags ---- */

/* A session that is deleted and made anew under its id has other tags. */
void session_etag(const struct session *s, uint64_t version, char out[ETAG]) {
    snprintf(out, ETAG, "\"%" PRIx64 "-%" PRIx64 "\"", (uint64_t)(int64_t)(s->created_at * 1e6),
             version);
}

double wall_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    const int64_t microseconds = t.tv_sec * 1000000 + t.tv_nsec / 1000;
    return (double)microseconds / 1e6;
}

bool asked_precondition(struct asked *a, const char *etag, const char *what, const char *name) {
    const char *match = a->call->if_match, *none = a->call->if_none_match;
    if (match && !etag)
        return error_set(a->error, ERROR_PRECONDITION_FAILED,
                         "there is no %s \"%.80s\", and If-Match is %.80s", what, name, match);
    if (match && !etag_among(match, etag, false))
        return error_set(a->error, ERROR_PRECONDITION_FAILED,
                         "the %s \"%.80s\" has the ETag %s, and If-Match is %.80s", what, name,
                         etag, match);
    if (none && etag && etag_among(none, etag, true))
        return error_set(a->error, ERROR_PRECONDITION_FAILED,
                         "there is %s %s \"%.80s\" with the ETag %s, and If-None-Match is %.80s",
                         strchr("aeiou", what[0]) ? "an" : "a", what, name, etag, none);
    return true;
}

struct item *asked_item(struct asked *a, enum item_kind kind) {
    const char *name = a->call->places[1];
    struct item *item = session_find(a->session, name, strlen(name));
    if (item && item->kind == kind) return item;
    if (item) {
        error_set(a->error, ERROR_NOT_FOUND, "\"%.80s\" is a %s of this session, no %s", name,
                  item_kind_names[item->kind], item_kind_names[kind]);
        return NULL;
    }
    const char *near = session_nearest(a->session, name, 1u << kind);
    error_set(a->error, ERROR_NOT_FOUND, "there is no %s \"%.80s\" in this session%s%s%s",
              item_kind_names[kind], name, near ? "; did you mean \"" : "", near ? near : "",
              near ? "\"?" : "");
    return NULL;
}

void reply_changed(const struct service_call *call, const struct session *s, bool deleted) {
    struct service_change *change = &call->reply->change;
    change->kind = CHANGE_SESSION;
    change->deleted = deleted;
    strcpy(change->id, s->id);
}
