/* What a request says of itself, and whether it is admitted. What becomes of it is in exchange_run.c;
 * what is answered, and with which headers, in exchange_answer.c. */
#include "server/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/plan.h"
#include "server/exchange_access.h"
#include "server/negotiate.h"
#include "server/query.h"
#include "server/quote.h"

enum { QUOTED = 160, STRANGERS_BODY = 64 << 10 };

void exchange_begin(struct exchange *x, struct engine *engine, const char *method, const char *path,
                    bool http_1_0, exchange_wake wake, const atomic_bool *left) {
    x->began = clock_now();
    x->engine = engine;
    x->tenant = engine->tenant;
    x->wake = wake;
    x->left = left;
    x->method_name = method;
    x->path = path;
    x->http_1_0 = http_1_0;
    x->method = route_method(method);
    x->accept = x->content_type = x->content_encoding = x->origin = NULL;
    x->if_match = x->if_none_match = x->request_id = x->transfer_encoding = NULL;
    x->last_event_id = x->idempotency_key = x->host = x->authorization = x->preflight_method =
        x->allowed_origin = NULL;
    x->user_agent = x->traceparent = x->peer = NULL;
    x->authorizations = x->traceparents = x->retry_after = 0;
    x->started = x->queued = x->stored = 0;
    x->trusts_host = false;
    x->client = NULL;
    x->challenge[0] = '\0';
    x->has_waited = x->has_stream = false;
    x->log = NULL;
    x->id[0] = '\0';
    x->content_length = -1;
    x->lengths = x->encodings = x->hosts = 0;
    x->expects_continue = x->bad_header = x->refused = false;
    x->query = NULL;
    x->n_query = x->query_capacity = 0;
    x->texts = NULL;
    x->places_text = NULL;
    x->place[0] = x->place[1] = NULL;
    x->media = NULL;
    x->seat = NULL;
    x->again.key = NULL;
    x->again.entered = x->again.is_new = x->again.is_marked = false;
    x->reply = (struct service_reply){0};
    body_init(&x->body);
    error_clear(&x->error);
    writer_init(&x->out, 0);
    /* The form that a request through a proxy has: only the path of it is ours. */
    if (strncasecmp(path, "http://", 7) == 0) {
        const char *slash = strchr(path + 7, '/');
        x->path = slash ? slash : "/";
    }
    x->route = route_find(x->path, x->method, &x->places);
}

/* Digits alone; more of them than int64_t holds mean its largest value. */
static int64_t read_length(const char *text) {
    int64_t n = 0;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9') return -1;
        n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (*c - '0');
    }
    return *text ? n : -1;
}

void exchange_header(struct exchange *x, const char *name, size_t n, const char *value) {
#define IS(text) (n == sizeof text - 1 && strncasecmp(name, text, n) == 0)
    /* A name with white space at its end is how a request is made to look different to a proxy. */
    if (n == 0 || name[n - 1] == ' ' || name[n - 1] == '\t') x->bad_header = true;
    switch (n) {
    case 4:
        if (IS("Host")) x->hosts++, x->host = value;
        break;
    case 6:
        if (IS("Accept")) x->accept = value;
        if (IS("Origin")) x->origin = value;
        if (IS("Expect")) x->expects_continue = strcasecmp(value, "100-continue") == 0;
        break;
    case 8:
        if (IS("If-Match")) x->if_match = value;
        break;
    case 10:
        if (IS("User-Agent")) x->user_agent = value;
        break;
    case 11:
        if (IS("traceparent")) x->traceparents++, x->traceparent = value;
        break;
    case 12:
        if (IS("Content-Type")) x->content_type = value;
        if (IS("X-Request-Id")) x->request_id = value;
        break;
    case 13:
        if (IS("If-None-Match")) x->if_none_match = value;
        if (IS("Last-Event-ID")) x->last_event_id = value;
        if (IS("Authorization")) x->authorizations++, x->authorization = value;
        break;
    case 14:
        if (IS("Content-Length")) x->lengths++, x->content_length = read_length(value);
        break;
    case 16:
        if (IS("Content-Encoding")) x->content_encoding = value;
        break;
    case 15:
        if (IS("Idempotency-Key")) x->idempotency_key = value;
        break;
    case 17:
        if (IS("Transfer-Encoding")) x->encodings++, x->transfer_encoding = value;
        break;
    case 29:
        if (IS("Access-Control-Request-Method")) x->preflight_method = value;
        break;
    default:
        break;
    }
#undef IS
}

void exchange_query(struct exchange *x, const char *name, size_t n, const char *value, size_t m) {
    if (x->n_query == x->query_capacity) {
        size_t capacity = x->query_capacity ? x->query_capacity * 2 : 8;
        struct service_pair *grown = realloc(x->query, capacity * sizeof *grown);
        if (grown) x->query = grown, x->query_capacity = capacity;
    }
    char *text = x->n_query < x->query_capacity ? malloc(n + m + 2) : NULL;
    if (!text) {
        error_set(&x->error, ERROR_MEMORY_BUDGET, "no memory for the query");
        return;
    }
    memcpy(text, name, n);
    memcpy(text + n + 1, value, m);
    text[n] = text[n + 1 + m] = '\0';
    x->query[x->n_query++] = (struct service_pair){.name = text, .value = text + n + 1};
}

/* ---- admission ---- */

static bool has_body(const struct exchange *x) { return x->encodings || x->content_length > 0; }

/* How long the body is must have one meaning, or what follows it is anybody's guess. */
static bool check_framing(struct exchange *x) {
    char quoted[QUOTED];
    struct error *e = &x->error;
    if (x->bad_header)
        return error_set(e, ERROR_INVALID_FRAMING,
                         "a header's name is empty or ends with white space");
    if (x->lengths > 1)
        return error_set(e, ERROR_INVALID_FRAMING,
                         "the request has %d Content-Length headers, expected one at most",
                         x->lengths);
    if (x->lengths && x->encodings)
        return error_set(e, ERROR_INVALID_FRAMING,
                         "the request has both Content-Length and Transfer-Encoding");
    if (x->encodings > 1 || (x->encodings && strcasecmp(x->transfer_encoding, "chunked") != 0))
        return error_set(e, ERROR_INVALID_FRAMING,
                         "the request's Transfer-Encoding is %s, expected chunked once",
                         quote_text(quoted, sizeof quoted, x->transfer_encoding));
    if (x->encodings && x->http_1_0)
        return error_set(e, ERROR_INVALID_FRAMING, "an HTTP/1.0 request has no Transfer-Encoding");
    if (x->hosts > 1 || (x->hosts == 0 && !x->http_1_0))
        return error_set(e, ERROR_INVALID_FRAMING, "the request has %d Host headers, expected one",
                         x->hosts);
    return true;
}

static bool check_route(struct exchange *x) {
    char quoted[QUOTED], allow[ROUTE_ALLOW];
    if (!x->route) {
        char nearest[QUOTED];
        quote_text(quoted, sizeof quoted, x->path);
        const char *near = route_nearest(x->path, nearest, sizeof nearest);
        if (near)
            return error_set(&x->error, ERROR_NOT_FOUND,
                             "there is no route %s; did you mean \"%s\"?", quoted, near);
        return error_set(&x->error, ERROR_NOT_FOUND, "there is no route %s", quoted);
    }
    if (route_takes(x->route, x->method)) return true;
    quote_text(quoted, sizeof quoted, x->method_name);
    quoted[strlen(quoted) - 1] = '\0';
    return error_set(&x->error, ERROR_METHOD_NOT_ALLOWED, "\"%s\" does not take %s; it takes %s",
                     x->route->path, quoted + 1, route_allow(x->route, allow));
}

/* What a body is, if it may be anything but JSON. */
static const char *bytes_type(const char *content_type) {
    static const char *const types[] = {"application/octet-stream", "application/x-npy"};
    const size_t n = content_type ? strcspn(content_type, "; \t") : 0;
    for (size_t i = 0; i < 2; i++)
        if (strlen(types[i]) == n && strncasecmp(content_type, types[i], n) == 0) return types[i];
    return NULL;
}

static bool wants_events(const struct exchange *x) {
    return x->route->flags & ROUTE_STREAM && x->method == METHOD_POST &&
           negotiate_prefers(x->accept, "text/event-stream", x->route->type);
}

static bool check_types(struct exchange *x) {
    char quoted[QUOTED];
    struct error *e = &x->error;
    const bool takes_bytes = x->route->flags & ROUTE_BYTES;
    if (x->content_encoding && strcasecmp(x->content_encoding, "identity") != 0)
        return error_set(e, ERROR_UNSUPPORTED_MEDIA_TYPE,
                         "the body's Content-Encoding is %s, expected none",
                         quote_text(quoted, sizeof quoted, x->content_encoding));
    if (takes_bytes) x->media = bytes_type(x->content_type);
    if (x->method & METHODS_WITH_BODY && !x->media && !negotiate_is_json(x->content_type))
        return error_set(e, ERROR_UNSUPPORTED_MEDIA_TYPE,
                         "the body's Content-Type is %s, expected application/json%s",
                         quote_text(quoted, sizeof quoted, x->content_type),
                         takes_bytes ? ", application/octet-stream or application/x-npy" : "");
    /* Most of DELETE has no body, and a client that is made of the document then accepts problems alone. */
    if (!(x->method & (METHOD_OPTIONS | METHOD_DELETE)) && !wants_events(x) &&
        !negotiate_accepts(x->accept, x->route->type))
        return error_set(e, ERROR_NOT_ACCEPTABLE, "this answer is %.*s, and Accept is %s",
                         (int)strcspn(x->route->type, ";"), x->route->type,
                         quote_text(quoted, sizeof quoted, x->accept));
    return true;
}

/* The path's places, decoded in memory of their own. */
static bool decode_places(struct exchange *x) {
    const int n = x->places.n;
    if (n == 0) return true;
    char *at = x->places_text = malloc(strlen(x->path) + ROUTE_PLACES);
    if (!at) return error_set(&x->error, ERROR_MEMORY_BUDGET, "no memory for the path");
    for (int i = 0; i < n; i++) {
        const size_t length = x->places.place[i].length;
        x->place[i] = memcpy(at, x->places.place[i].at, length);
        at[length] = '\0';
        if (!query_decode(at, "path", &x->error)) return false;
        at += length + 1;
    }
    return true;
}

static bool check_query(struct exchange *x) {
    for (size_t i = 0; i < x->n_query; i++) {
        /* They are this file's own, and const for the services alone. */
        char *name = (char *)(uintptr_t)x->query[i].name,
             *value = (char *)(uintptr_t)x->query[i].value;
        if (!query_decode(name, "query", &x->error) || !query_decode(value, "query", &x->error))
            return false;
    }
    return true;
}

/* Nothing that a client wrote is silently ignored. */
static bool check_parts(struct exchange *x) {
    char quoted[QUOTED];
    bool reads_query = x->route->flags & ROUTE_QUERY ||
                       (x->route->kind == ROUTE_COMPUTES && x->method != METHOD_POST);
    if (x->n_query && !reads_query)
        return error_set(&x->error, ERROR_INVALID_REQUEST,
                         "%s %s takes no query, and this one has %s", x->method_name,
                         x->route->path, quote_text(quoted, sizeof quoted, x->query[0].name));
    if (!(x->method & METHODS_WITH_BODY) && has_body(x))
        return error_set(&x->error, ERROR_INVALID_REQUEST, "%s takes no body; POST has one",
                         x->method_name);
    return true;
}

static bool check_size(struct exchange *x) {
    int64_t most = x->engine->limits.max_body_bytes;
    return x->content_length <= most || body_fail_size(x->content_length, most, &x->error);
}

/* What is sent again is answered again; of a stream the end alone. */
static bool check_key(struct exchange *x) {
    if (!x->idempotency_key || x->method != METHOD_POST) return true;
    x->again.key = x->idempotency_key;
    return idempotency_check_key(x->idempotency_key, &x->error);
}

bool exchange_take_stream(struct exchange *x) {
    const int64_t most = x->engine->limits.max_streams;
    if (x->has_stream || atomic_fetch_add(&x->engine->streams, 1) < most)
        return x->has_stream = true;
    atomic_fetch_sub(&x->engine->streams, 1);
    return error_set(&x->error, ERROR_TOO_MANY_REQUESTS,
                     "there are %" PRId64 " streams of events already (max_streams)", most);
}

/* A run that is followed may go on when the client has left, and with it the transport's texts: it has copies of those
 * that it is known by. */
static bool keep_texts(struct exchange *x) {
    const size_t method = strlen(x->method_name) + 1, path = strlen(x->path) + 1,
                 key = x->again.key ? strlen(x->again.key) + 1 : 0;
    char *at = x->texts = malloc(method + path + key);
    if (!at) return false;
    x->method_name = memcpy(at, x->method_name, method);
    x->path = memcpy(at + method, x->path, path);
    if (key) x->again.key = memcpy(at + method + path, x->again.key, key);
    return true;
}

/* Last of all, so that what is refused has none. */
static bool begin_log(struct exchange *x) {
    if (!wants_events(x)) return true;
    if (!exchange_take_stream(x)) return false;
    x->log = keep_texts(x) ? malloc(sizeof *x->log) : NULL;
    if (!x->log) return error_set(&x->error, ERROR_MEMORY_BUDGET, "no memory for a log of events");
    event_log_init(x->log);
    return true;
}

/* A body within the limit is read and thrown away, so that the connection can go on; not many bytes of
 * a stranger's are. */
static int64_t most_drained(const struct exchange *x) {
    const int64_t most = x->engine->limits.max_body_bytes;
    return x->error.code != ERROR_UNAUTHENTICATED || most < STRANGERS_BODY ? most : STRANGERS_BODY;
}

bool exchange_admit(struct exchange *x) {
    if (!check_framing(x)) {
        x->refused = true;
        return false;
    }
    if (exchange_allow(x) && check_route(x) && check_size(x) && check_types(x) && check_query(x) &&
        check_parts(x) && decode_places(x) && check_key(x) && begin_log(x))
        return true;
    x->refused = has_body(x) && (x->expects_continue || x->content_length > most_drained(x));
    return !x->refused;
}

bool exchange_body(struct exchange *x, const char *data, size_t n) {
    if (!x->error.code) {
        const int64_t most = x->engine->limits.max_body_bytes;
        if (body_append(&x->body, data, n, x->content_length, most, &x->error)) return true;
    } else if (n <= (uint64_t)most_drained(x) - x->body.length) {
        x->body.length += n; /* counted, not kept */
        return true;
    }
    x->refused = true;
    return false;
}

void exchange_end(struct exchange *x) {
    for (size_t i = 0; i < x->n_query; i++) free((char *)(uintptr_t)x->query[i].name);
    free(x->query);
    free(x->texts);
    free(x->places_text);
    x->query = NULL;
    x->texts = x->places_text = NULL;
    x->n_query = 0;
    body_free(&x->body);
    writer_free(&x->out);
    if (x->log) event_log_free(x->log);
    free(x->log);
    x->log = NULL;
    if (x->reply.operation) operation_release(x->reply.operation);
    x->reply.operation = NULL;
    if (x->has_stream) atomic_fetch_sub(&x->engine->streams, 1);
    x->has_stream = false;
}
