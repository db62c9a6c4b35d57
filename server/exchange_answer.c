/* The answer to an exchange: status, headers, problems, entity tags, request ids. */
#include <string.h>

#include "api/etag.h"
#include "api/problem.h"
#include "server/exchange_access.h"
#include "server/exchange_watch.h"

enum { PROBLEM_BYTES = 16 << 10 };

/* A client's id goes into headers and logs: plain characters alone, and not many. */
static bool is_sane_id(const char *id) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = id ? strspn(id, plain) : 0;
    return n > 0 && n <= EXCHANGE_ID && !id[n];
}

static void write_number(uint64_t number, char *out) {
    for (int i = 0; i < 16; i++) out[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    out[16] = '\0';
}

void exchange_set_id(struct exchange *x) {
    if (x->id[0]) return;
    if (is_sane_id(x->request_id)) {
        strcpy(x->id, x->request_id);
        return;
    }
    write_number(exchange_number(x->engine), x->id);
}

/* What is said where there is no memory to say more. */
static const char no_memory[] =
    "{\"type\":\"/problems/memory_budget\",\"title\":\"The request needs too much memory\","
    "\"status\":507,\"code\":\"memory_budget\",\"detail\":\"no memory for the answer\"}";

/* Writes the problem; false, and nothing is held, without memory. */
static bool write_problem(struct exchange *x, struct writer *out) {
    writer_init(out, PROBLEM_BYTES);
    problem_write(out, &x->error, x->id);
    if (!out->full) return true;
    writer_free(out);
    return false;
}

static void answer_problem(struct exchange *x, struct answer *out) {
    struct writer problem;
    exchange_set_id(x);
    strcpy(out->id, x->id);
    out->type = "application/problem+json";
    out->cache = "no-store";
    out->owned = write_problem(x, &problem);
    if (!out->owned) {
        x->error.code = ERROR_MEMORY_BUDGET;
        out->data = (char *)(uintptr_t)no_memory;
        out->length = sizeof no_memory - 1;
    } else {
        out->data = problem.data;
        out->length = problem.length;
    }
    out->status = problem_status(x->error.code);
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
    out->encoding = r->encoding;
    out->policy = r->policy;
    if (r->etag[0] && is_get) out->cache = "no-cache";
    if (r->etag[0] && is_get && etag_among(x->if_none_match, r->etag, true)) out->status = 304;
    if (out->status == 304 || out->status == 204) out->type = out->encoding = out->policy = NULL;
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
    if (failed && !write_problem(x, &x->out))
        return event_log_end(x->log, true, no_memory, sizeof no_memory - 1);
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
    exchange_watch(x, out);
}
