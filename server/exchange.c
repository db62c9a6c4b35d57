/* From headers to a run: what a request says of itself, whether it is admitted, and who runs it.
 * What is answered, and with which headers, is in exchange_answer.c. */
#include "server/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/negotiate.h"
#include "server/query.h"
#include "server/quote.h"
#include "server/stats.h"

/* A body that takes longer than this to look at is no network thread's business. */
enum { INLINE_BODY = 256 << 10 };

enum { QUOTED = 160 };

void exchange_begin(struct exchange *x, struct engine *engine, const char *method, const char *path,
                    bool http_1_0) {
    x->engine = engine;
    x->method_name = method;
    x->path = path;
    x->http_1_0 = http_1_0;
    x->method = route_method(method);
    x->accept = x->content_type = x->content_encoding = x->if_none_match = x->origin = NULL;
    x->request_id = x->transfer_encoding = NULL;
    x->content_length = -1;
    x->lengths = x->encodings = x->hosts = 0;
    x->expects_continue = x->bad_header = x->refused = false;
    x->query = NULL;
    x->n_query = x->query_capacity = 0;
    body_init(&x->body);
    error_clear(&x->error);
    writer_init(&x->out, 0);
    /* The form that a request through a proxy has: only the path of it is ours. */
    if (strncasecmp(path, "http://", 7) == 0) {
        const char *slash = strchr(path + 7, '/');
        x->path = slash ? slash : "/";
    }
    x->route = route_find(x->path);
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
        if (IS("Host")) x->hosts++;
        break;
    case 6:
        if (IS("Accept")) x->accept = value;
        if (IS("Origin")) x->origin = value;
        if (IS("Expect")) x->expects_continue = strcasecmp(value, "100-continue") == 0;
        break;
    case 12:
        if (IS("Content-Type")) x->content_type = value;
        if (IS("X-Request-Id")) x->request_id = value;
        break;
    case 13:
        if (IS("If-None-Match")) x->if_none_match = value;
        break;
    case 14:
        if (IS("Content-Length")) x->lengths++, x->content_length = read_length(value);
        break;
    case 16:
        if (IS("Content-Encoding")) x->content_encoding = value;
        break;
    case 17:
        if (IS("Transfer-Encoding")) x->encodings++, x->transfer_encoding = value;
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

static bool check_origin(struct exchange *x) {
    char quoted[QUOTED];
    if (!x->origin) return true;
    return error_set(&x->error, ERROR_FORBIDDEN, "a request of the web origin %s is not allowed",
                     quote_text(quoted, sizeof quoted, x->origin));
}

static bool check_route(struct exchange *x) {
    char quoted[QUOTED], allow[ROUTE_ALLOW];
    if (!x->route) {
        quote_text(quoted, sizeof quoted, x->path);
        const char *near = route_nearest(x->path);
        if (near)
            return error_set(&x->error, ERROR_NOT_FOUND,
                             "there is no route %s; did you mean \"%s\"?", quoted, near);
        return error_set(&x->error, ERROR_NOT_FOUND, "there is no route %s", quoted);
    }
    unsigned method = x->method == METHOD_HEAD ? (unsigned)METHOD_GET : x->method;
    if (method & (x->route->methods | METHOD_OPTIONS)) return true;
    quote_text(quoted, sizeof quoted, x->method_name);
    quoted[strlen(quoted) - 1] = '\0';
    return error_set(&x->error, ERROR_METHOD_NOT_ALLOWED, "\"%s\" does not take %s; it takes %s",
                     x->route->path, quoted + 1, route_allow(x->route, allow));
}

static bool check_types(struct exchange *x) {
    char quoted[QUOTED];
    struct error *e = &x->error;
    if (x->content_encoding && strcasecmp(x->content_encoding, "identity") != 0)
        return error_set(e, ERROR_UNSUPPORTED_MEDIA_TYPE,
                         "the body's Content-Encoding is %s, expected none",
                         quote_text(quoted, sizeof quoted, x->content_encoding));
    if (x->method == METHOD_POST && !negotiate_is_json(x->content_type))
        return error_set(e, ERROR_UNSUPPORTED_MEDIA_TYPE,
                         "the body's Content-Type is %s, expected application/json",
                         quote_text(quoted, sizeof quoted, x->content_type));
    if (x->method != METHOD_OPTIONS && !negotiate_accepts(x->accept, x->route->type))
        return error_set(e, ERROR_NOT_ACCEPTABLE, "this answer is %.*s, and Accept is %s",
                         (int)strcspn(x->route->type, ";"), x->route->type,
                         quote_text(quoted, sizeof quoted, x->accept));
    return true;
}

static bool check_query(struct exchange *x) {
    for (size_t i = 0; i < x->n_query; i++) {
        /* They are this file's own, and const for the services alone. */
        char *name = (char *)(uintptr_t)x->query[i].name,
             *value = (char *)(uintptr_t)x->query[i].value;
        if (!query_decode(name, &x->error) || !query_decode(value, &x->error)) return false;
    }
    return true;
}

/* Nothing that a client wrote is silently ignored. */
static bool check_places(struct exchange *x) {
    char quoted[QUOTED];
    bool reads_query = x->route->kind == ROUTE_COMPUTES && x->method != METHOD_POST;
    if (x->n_query && !reads_query)
        return error_set(&x->error, ERROR_INVALID_REQUEST,
                         "%s %s takes no query, and this one has %s", x->method_name,
                         x->route->path, quote_text(quoted, sizeof quoted, x->query[0].name));
    if (x->method != METHOD_POST && has_body(x))
        return error_set(&x->error, ERROR_INVALID_REQUEST, "%s takes no body; POST has one",
                         x->method_name);
    return true;
}

static bool check_size(struct exchange *x) {
    int64_t most = x->engine->limits.max_body_bytes;
    return x->content_length <= most || body_fail_size(x->content_length, most, &x->error);
}

bool exchange_admit(struct exchange *x) {
    if (!check_framing(x)) {
        x->refused = true;
        return false;
    }
    if (check_origin(x) && check_route(x) && check_size(x) && check_types(x) && check_query(x) &&
        check_places(x))
        return true;
    /* A body within the limit is read and thrown away, so that the connection can go on. */
    x->refused = has_body(x) &&
                 (x->expects_continue || x->content_length > x->engine->limits.max_body_bytes);
    return !x->refused;
}

bool exchange_body(struct exchange *x, const char *data, size_t n) {
    int64_t most = x->engine->limits.max_body_bytes;
    if (!x->error.code) {
        if (body_append(&x->body, data, n, x->content_length, most, &x->error)) return true;
    } else if (n <= (uint64_t)most - x->body.length) {
        x->body.length += n; /* counted, not kept */
        return true;
    }
    x->refused = true;
    return false;
}

/* ---- the run ---- */

static bool run(struct exchange *x, const struct service_limits *limits,
                const atomic_bool *cancelled) {
    /* A query without pairs is a query still. */
    static const struct service_pair none[1];
    const struct service_pair *query = x->n_query ? x->query : none;
    writer_init(&x->out, (size_t)limits->max_answer_bytes);
    struct service_call call = {
        .plans = x->engine->plans,
        .limits = limits,
        .control = {.cancelled = cancelled, .deadline = x->deadline},
        .seed = x->engine->seed,
        .body = x->method == METHOD_POST ? x->body.data : NULL,
        .body_length = x->body.length,
        .query = x->method == METHOD_POST ? NULL : query,
        .n_query = x->n_query,
    };
    bool ok = x->route->serve(&call, &x->out, &x->error);
    if (ok && x->out.full)
        ok = error_set(&x->error, ERROR_MEMORY_BUDGET,
                       "the answer has more than %" PRId64 " bytes (max_answer_bytes)",
                       limits->max_answer_bytes);
    if (!ok && !x->error.code) error_set(&x->error, ERROR_MEMORY_BUDGET, "out of memory");
    if (!ok) writer_free(&x->out);
    return ok;
}

/* Under the small limits, or without any run. False where that was not enough. */
static bool run_inline(struct exchange *x) {
    if (x->error.code || x->method == METHOD_OPTIONS) return true;
    if (x->route->kind == ROUTE_CONSTANT) return true;
    if (x->route->kind == ROUTE_LIVE) return run(x, &x->engine->limits, NULL), true;
    if (x->body.length > INLINE_BODY) return false;
    if (run(x, &x->engine->small, NULL) || !error_is_limit(x->error.code)) return true;
    error_clear(&x->error);
    return false;
}

bool exchange_run(struct exchange *x) {
    bool done = run_inline(x);
    if (done) stats_add(STAT_INLINE, 1);
    return done;
}

void exchange_work(struct exchange *x, const atomic_bool *cancelled) {
    if (atomic_load_explicit(cancelled, memory_order_relaxed))
        error_set(&x->error, ERROR_CANCELLED, "the client left before its turn came");
    else
        run(x, &x->engine->limits, cancelled);
}

void exchange_fail(struct exchange *x, enum error_code code, const char *sentence) {
    error_set(&x->error, code, "%s", sentence);
}

void exchange_end(struct exchange *x) {
    for (size_t i = 0; i < x->n_query; i++) free((char *)(uintptr_t)x->query[i].name);
    free(x->query);
    x->query = NULL;
    x->n_query = 0;
    body_free(&x->body);
    writer_free(&x->out);
}
