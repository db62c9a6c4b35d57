/* How an exchange is seen from outside. Owns what is told and in which words; changes nothing of the answer
 * but the headers that say the same. A token, and what stands in a query, is never told. */
#include "server/exchange_watch.h"

#include <string.h>

#include "core/plan.h"
#include "server/log.h"
#include "server/sink.h"
#include "server/stats.h"
#include "server/trace.h"

/* Bytes that are told of what a client wrote. */
enum { MOST_PATH = 200, MOST_AGENT = 120, MOST_METHOD = 24, MOST_NAME = 120 };

/* The numbers from 1 on, each once: a thread takes many at a time, as what all write to is slow. */
static uint64_t next_number(void) {
    enum { MANY = 1024 };
    static atomic_uint_fast64_t taken;
    static _Thread_local uint64_t number;
    if (number % MANY == 0) number = atomic_fetch_add(&taken, MANY);
    return ++number;
}

uint64_t exchange_number(const struct engine *engine) {
    /* The finalizer of SplitMix64, over a counter that starts anywhere: one of 2^64 numbers becomes 0. */
    uint64_t z = engine->ids + UINT64_C(0x9e3779b97f4a7c15) * next_number();
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return z ? z : 1;
}

/* One that came twice says nothing. */
static bool read_trace(const struct exchange *x, struct trace *out) {
    return x->traceparents == 1 && trace_read(x->traceparent, exchange_number(x->engine), out);
}

/* ---- times ---- */

/* From the run's begin until what was sent had been read; it is part of the run. */
static int64_t decoding(const struct exchange *x) {
    return x->reply.decoded ? x->reply.decoded - x->started - x->queued : 0;
}

/* Of the parts that this request had, in the order in which it had them. */
static void tell_times(const struct exchange *x, char out[ANSWER_TIMES]) {
    const int64_t started = x->started ? x->started : x->ended;
    const struct {
        const char *name;
        int64_t time;
    } parts[] = {{"read;dur=", started - x->began},
                 {"queue;dur=", x->queued},
                 {"decode;dur=", decoding(x)},
                 {"run;dur=", x->ended - started - x->queued - decoding(x) - x->stored},
                 {"store;dur=", x->stored}};
    _Static_assert(ANSWER_TIMES >= 5 * (LINE_MS + 14), "the times may not fit");
    char *at = out;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].time <= 0) continue;
        if (at > out) at = stpcpy(at, ", ");
        at = stpcpy(at, parts[i].name);
        at += line_print_ms(at, parts[i].time);
    }
    *at = '\0';
}

/* ---- the log ---- */

static void tell_client(struct line *l, const struct exchange *x) {
    if (x->engine->access) line_word(l, LINE_KEY("tenant"), x->tenant->name);
    if (x->peer) line_word(l, LINE_KEY("remote"), x->peer);
    if (x->client) line_text(l, LINE_KEY("client"), x->client, MOST_NAME);
    if (x->user_agent) line_text(l, LINE_KEY("user_agent"), x->user_agent, MOST_AGENT);
}

/* A run that goes on behind a stream has its error and its times to itself. */
static void write_line(struct exchange *x, const struct answer *out, const struct trace *trace) {
    struct line l;
    exchange_set_id(x);
    log_begin(&l, LOG_INFO, "request");
    line_word(&l, LINE_KEY("id"), x->id);
    if (x->method)
        line_word(&l, LINE_KEY("method"), x->method_name);
    else
        line_text(&l, LINE_KEY("method"), x->method_name, MOST_METHOD);
    if (x->route && !x->places.n)
        line_word(&l, LINE_KEY("path"), x->route->path);
    else
        line_text(&l, LINE_KEY("path"), x->path, MOST_PATH);
    line_word(&l, LINE_KEY("route"), x->route ? x->route->path : "unknown");
    line_int(&l, LINE_KEY("status"), out->status);
    if (!out->log && x->error.code) line_word(&l, LINE_KEY("code"), error_name(x->error.code));
    line_int(&l, LINE_KEY("bytes_in"), (int64_t)x->body.length);
    line_int(&l, LINE_KEY("bytes_out"), (int64_t)out->length);
    line_ms(&l, LINE_KEY("duration_ms"), x->ended - x->began);
    if (!out->log) line_ms(&l, LINE_KEY("queue_ms"), x->queued);
    if (!out->log && x->reply.decoded) line_ms(&l, LINE_KEY("decode_ms"), decoding(x));
    tell_client(&l, x);
    if (trace) {
        line_word(&l, LINE_KEY("trace_id"), trace->id);
        line_word(&l, LINE_KEY("span_id"), trace->span);
    }
    line_end(&l);
    sink_add(l.text, l.n);
}

void exchange_watch(struct exchange *x, struct answer *out) {
    struct trace trace;
    const bool traced = x->traceparent && read_trace(x, &trace);
    x->ended = clock_now();
    stats_answer(route_number(x->route), route_method_number(x->method), out->status,
                 x->ended - x->began);
    if (traced) trace_write(&trace, out->trace);
    if (x->engine->tells_times && !out->log) tell_times(x, out->times);
    if (log_tells_requests()) write_line(x, out, traced ? &trace : NULL);
}

void exchange_watch_stream(const struct exchange *x, uint64_t bytes, enum event_kind ending) {
    struct line l;
    if (!log_tells_requests()) return;
    log_begin(&l, LOG_INFO, "stream");
    line_word(&l, LINE_KEY("id"), x->id);
    line_word(&l, LINE_KEY("ending"),
              ending == EVENT_NONE   ? "client_left"
              : ending == EVENT_DONE ? "done"
                                     : "error");
    line_int(&l, LINE_KEY("bytes_out"), (int64_t)bytes);
    line_ms(&l, LINE_KEY("duration_ms"), clock_now() - x->began);
    line_end(&l);
    sink_add(l.text, l.n);
}

void exchange_watch_refusal(int status, const char *peer) {
    struct line l;
    stats_refuse(status);
    if (!log_tells_requests()) return;
    log_begin(&l, LOG_INFO, "refused");
    line_word(&l, LINE_KEY("why"), "no_request");
    if (status) line_int(&l, LINE_KEY("status"), status);
    if (peer) line_word(&l, LINE_KEY("remote"), peer);
    line_end(&l);
    sink_add(l.text, l.n);
}
