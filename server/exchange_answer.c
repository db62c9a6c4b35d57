/* The answer to an exchange: status, headers, problems, entity tags, request ids. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/etag.h"
#include "api/problem.h"
#include "core/plan.h"
#include "server/exchange_access.h"
#include "server/log.h"
#include "server/quote.h"
#include "server/stats.h"

enum { PROBLEM_BYTES = 16 << 10 };

/* A client's id goes into headers and logs: plain characters alone, and not many. */
static bool is_sane_id(const char *id) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = id ? strspn(id, plain) : 0;
    return n > 0 && n <= EXCHANGE_ID && !id[n];
}

void exchange_set_id(struct exchange *x) {
    static atomic_uint_fast64_t count;
    if (x->id[0]) return;
    if (is_sane_id(x->request_id)) {
        strcpy(x->id, x->request_id);
        return;
    }
    /* The finalizer of SplitMix64, over a counter that starts anywhere. */
    uint64_t z = x->engine->ids + UINT64_C(0x9e3779b97f4a7c15) * (atomic_fetch_add(&count, 1) + 1);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    snprintf(x->id, sizeof x->id, "%016" PRIx64, z ^ z >> 31);
}

static void answer_problem(struct exchange *x, struct answer *out) {
    struct writer problem;
    writer_init(&problem, PROBLEM_BYTES);
    exchange_set_id(x);
    strcpy(out->id, x->id);
    problem_write(&problem, &x->error, out->id);
    out->status = problem_status(x->error.code);
    out->type = "application/problem+json";
    out->cache = "no-store";
    out->data = problem.data;
    out->length = problem.length;
    out->owned = true;
    if (x->error.code == ERROR_OVERLOADED || x->error.code == ERROR_DRAINING || out->status == 429)
        out->retry_after = x->retry_after ? x->retry_after : 1;
    out->challenge = x->challenge;
    if (x->error.code == ERROR_METHOD_NOT_ALLOWED) route_allow(x->route, out->allow);
}

static void answer_options(struct exchange *x, struct answer *out) {
    out->status = 204;
    route_allow(x->route, out->allow);
}

/* A body of which the client may have a copy. It asks each time whether that still holds: another
 * version of gradd may answer otherwise. */
static void answer_tagged(struct exchange *x, struct answer *out) {
    out->cache = "no-cache";
    if (x->route->kind == ROUTE_CONSTANT) {
        struct constant *c = &x->engine->constants[x->route - route_table];
        out->data = c->out.data;
        out->length = c->out.length;
        memcpy(out->etag, c->etag, sizeof out->etag);
    } else {
        engine_etag(x->out.data, x->out.length, out->etag);
    }
    if (!etag_among(x->if_none_match, out->etag, true)) return;
    /* The transport sends the length that a 200 would have, and no body. */
    out->status = 304;
    out->type = NULL;
}

/* What the client has already is not sent again. */
static void answer_state(struct exchange *x, struct answer *out) {
    const struct service_reply *r = &x->reply;
    const bool is_get = !(x->method & (METHODS_WITH_BODY | METHOD_DELETE));
    out->location = r->location;
    memcpy(out->etag, r->etag, sizeof out->etag);
    if (r->type) out->type = r->type;
    if (r->etag[0] && is_get) out->cache = "no-cache";
    if (r->etag[0] && is_get && etag_among(x->if_none_match, r->etag, true)) out->status = 304;
    if (out->status == 304 || out->status == 204) out->type = NULL;
}

static void answer_result(struct exchange *x, struct answer *out) {
    out->status = x->reply.status ? x->reply.status : 200;
    out->type = x->route->type;
    out->cache = "no-store";
    out->data = x->out.data;
    out->length = x->out.length;
    const bool is_get = x->method != METHOD_POST;
    if (x->route->kind == ROUTE_STATE)
        answer_state(x, out);
    else if (is_get && x->route->kind != ROUTE_LIVE)
        answer_tagged(x, out);
    /* A constant stays ours; what was written for this request is handed over. */
    out->owned = out->data == x->out.data;
    if (out->owned) writer_init(&x->out, 0);
}

/* ---- events ---- */

bool exchange_end_log(struct exchange *x) {
    const bool failed = x->error.code != ERROR_NONE;
    if (failed) {
        writer_init(&x->out, PROBLEM_BYTES);
        problem_write(&x->out, &x->error, x->id);
    }
    return event_log_end(x->log, failed, x->out.data, x->out.length);
}

/* Whether the answer is a stream: a run that failed before its first event is answered as any other. Of
 * one that goes on nothing but the log may be looked at. */
static bool is_stream(struct exchange *x) {
    if (x->log) return !event_log_is_bare(x->log) || !x->error.code;
    return !x->error.code && x->reply.streams && exchange_take_stream(x);
}

static void answer_stream(struct exchange *x, struct answer *out) {
    out->status = 200;
    out->type = "text/event-stream";
    out->cache = "no-store";
    out->log = x->log ? x->log : &x->reply.operation->log;
    out->seen = x->log ? 0 : x->reply.seen;
    out->resumable = !x->log;
}

static void count(struct exchange *x, int status) {
    x->ended = clock_now();
    stats_answer(route_number(x->route), route_method_number(x->method), status,
                 x->ended - x->began);
}

static void log_answer(struct exchange *x, const struct answer *out) {
    char path[256], method[32], client[256];
    log_event(LOG_DEBUG, "request", "method=%s path=%s status=%d bytes=%zu id=%s%s%s",
              quote_text(method, sizeof method, x->method_name),
              quote_text(path, sizeof path, x->path), out->status, out->length,
              out->id[0] ? out->id : "-", x->client ? " client=" : "",
              x->client ? quote_text(client, sizeof client, x->client) : "");
}

void exchange_answer(struct exchange *x, struct answer *out) {
    *out = (struct answer){.nosniff = true};
    out->close = x->refused || atomic_load_explicit(&x->engine->draining, memory_order_relaxed);
    if (is_stream(x))
        answer_stream(x, out);
    else if (x->error.code)
        answer_problem(x, out);
    else if (x->method == METHOD_OPTIONS)
        answer_options(x, out);
    else
        answer_result(x, out);
    exchange_tell_page(x, out);
    count(x, out->status);
    if (log_enabled(LOG_DEBUG)) log_answer(x, out);
}
