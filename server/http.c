/* The transport's requests: from what libmicrohttpd tells of one to what it is given to answer; what a
 * request means is the exchange's business. Connections and threads are http_house.c's. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/plan.h"
#include "server/exchange_access.h"
#include "server/exchange_watch.h"
#include "server/http_parts.h"
#include "server/ready.h"
#include "server/stats.h"

enum { STREAM_BLOCK = 16 << 10, SUBJECT = 512 };
/* Whoever is slower than this, on the average and beyond the seconds of the limits, is cut. */
enum { BYTES_A_SECOND = 16 << 10 };

static void set_deadline(struct connection *c, int64_t deadline) {
    atomic_store_explicit(&c->guest.deadline, deadline, memory_order_relaxed);
}

/* Nanoseconds that so many bytes may take. */
static int64_t patience(size_t bytes) { return (int64_t)bytes * (SECOND / BYTES_A_SECOND); }

/* ---- answers ---- */

static void add(struct MHD_Response *response, const char *name, const char *value) {
    if (value && *value) MHD_add_response_header(response, name, value);
}

/* What a browser wants to hear before a page of another origin may see the answer. */
static void add_page_headers(struct MHD_Response *response, const struct answer *a) {
    add(response, "Access-Control-Allow-Origin", a->allow_origin);
    add(response, "Access-Control-Allow-Credentials", a->allow_credentials ? "true" : NULL);
    if (a->is_preflight) {
        add(response, "Access-Control-Allow-Methods", a->allow);
        add(response, "Access-Control-Allow-Headers", exchange_page_sends);
        add(response, "Access-Control-Max-Age", "600");
    } else {
        add(response, "Access-Control-Expose-Headers", exchange_page_sees);
    }
}

static void add_headers(struct MHD_Response *response, const struct answer *a) {
    add(response, "Content-Type", a->type);
    add(response, "Content-Encoding", a->encoding);
    add(response, "Content-Security-Policy", a->policy);
    add(response, "Cache-Control", a->cache);
    add(response, "X-Content-Type-Options", a->nosniff ? "nosniff" : NULL);
    add(response, "ETag", a->etag);
    add(response, "Allow", a->allow);
    add(response, "Location", a->location);
    add(response, "X-Request-Id", a->id);
    add(response, "WWW-Authenticate", a->challenge);
    add(response, "Connection", a->close ? "close" : NULL);
    add(response, "Vary", a->vary);
    add(response, "Server-Timing", a->times);
    add(response, "traceresponse", a->trace);
    if (a->allow_origin) add_page_headers(response, a);
    if (a->retry_after) {
        char seconds[12];
        snprintf(seconds, sizeof seconds, "%d", a->retry_after);
        add(response, "Retry-After", seconds);
    }
}

static struct MHD_Response *make_response(const struct answer *a) {
    struct MHD_Response *response =
        a->owned
            ? MHD_create_response_from_buffer_with_free_callback(a->length, a->data, writer_release)
            : MHD_create_response_from_buffer(a->length, a->data, MHD_RESPMEM_PERSISTENT);
    if (response)
        add_headers(response, a);
    else if (a->owned)
        writer_release(a->data);
    return response;
}

static enum MHD_Result queue(struct connection *c, const struct answer *a,
                             struct MHD_Response *response) {
    if (!response) return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(c->mhd, (unsigned)a->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* ---- streams ---- */

static void watch(struct connection *c) {
    if (!c->watched) keeper_watch(c->house->http->keeper, &c->guest, &c->left);
    c->watched = true;
}

static void unwatch(struct connection *c) {
    if (c->watched) keeper_unwatch(c->house->http->keeper, &c->guest);
    c->watched = false;
}

/* There is something to be sent, or the client has gone. */
static void on_ring(struct listener *l) {
    struct stream *s = (struct stream *)(void *)l;
    struct connection *c =
        (struct connection *)(void *)((char *)s - offsetof(struct connection, stream));
    if (atomic_exchange(&c->gate, GATE_OVER) == GATE_SUSPENDED) MHD_resume_connection(c->mhd);
}

static void begin_stream(struct connection *c, struct event_log *log, uint64_t seen,
                         bool resumable) {
    c->streams = true;
    stream_begin(&c->house->http->streams, &c->stream, log, seen, resumable, &c->left, on_ring);
}

/* What has nothing to say is suspended until it is rung; to the library, 0 means to ask again at once. */
static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t most) {
    (void)position;
    struct connection *c = context;
    atomic_store(&c->gate, GATE_OPEN);
    const ssize_t n = stream_read(&c->stream, buffer, most);
    if (n < 0) return MHD_CONTENT_READER_END_OF_STREAM;
    /* A run of this request ends soon, and has a last word. */
    if (n == 0 && atomic_load(&c->left) && !c->x.log) return MHD_CONTENT_READER_END_WITH_ERROR;
    set_deadline(c, n ? clock_coarse() + limits_of(c)->answer_seconds * SECOND + patience((size_t)n)
                      : 0);
    if (n > 0) return n;
    MHD_suspend_connection(c->mhd);
    int open = GATE_OPEN;
    if (!atomic_compare_exchange_strong(&c->gate, &open, GATE_SUSPENDED))
        MHD_resume_connection(c->mhd);
    return 0;
}

static enum MHD_Result answer_stream(struct connection *c, const struct answer *a) {
    const bool is_head = c->x.method == METHOD_HEAD;
    if (!c->streams && !is_head) begin_stream(c, a->log, a->seen, a->resumable);
    if (c->streams) watch(c);
    set_deadline(c, clock_coarse() + limits_of(c)->answer_seconds * SECOND);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, c, NULL);
    if (response) {
        add_headers(response, a);
        /* A proxy that collects an answer before it passes it on would hold back what is told here. */
        add(response, "X-Accel-Buffering", "no");
        /* Else the library ends a body of chunks, which there is none of. */
        if (is_head)
            MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    }
    return queue(c, a, response);
}

static enum MHD_Result answer(struct connection *c) {
    struct answer a;
    exchange_answer(&c->x, &a);
    if (a.log) return answer_stream(c, &a);
    set_deadline(c, c->x.ended + limits_of(c)->answer_seconds * SECOND + patience(a.length));
    return queue(c, &a, make_response(&a));
}

/* In the middle of a body the library takes no answer. Nothing has been sent on this socket that was
 * not sent whole, so the answer is written past the library, which then closes the connection. */
static enum MHD_Result answer_by_hand(struct connection *c) {
    struct answer a;
    exchange_answer(&c->x, &a);
    char head[RAW_HEAD];
    const size_t n = raw_head(&a, head);
    struct iovec parts[] = {{head, n}, {a.data, a.length}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (c->session)
        tls_send(c->session, parts, 2);
    else
        sendmsg(c->guest.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (a.owned) writer_release(a.data);
    return MHD_NO;
}

/* ---- requests ---- */

static enum MHD_Result on_value(void *context, enum MHD_ValueKind kind, const char *name, size_t n,
                                const char *value, size_t m) {
    struct exchange *x = context;
    if (kind == MHD_HEADER_KIND)
        exchange_header(x, name, n, value ? value : "");
    else
        exchange_query(x, name, n, value ? value : "", m);
    return MHD_YES;
}

/* The request is over; once its connection goes on, it may be gone. */
static void settle(struct connection *c) {
    if (atomic_exchange(&c->gate, GATE_OVER) != GATE_SUSPENDED) return;
    unwatch(c);
    if (atomic_load(&c->left)) stats_add(STAT_CANCELLED, 1);
    MHD_resume_connection(c->mhd);
}

void http_drop(struct connection *c) {
    if (atomic_fetch_sub(&c->users, 1) != 1) return;
    free(c->subject);
    free(c);
}

/* Behind the end of an exchange. */
static void finish_exchange(struct connection *c) {
    exchange_end(&c->x);
    stats_add(STAT_IN_FLIGHT, -1);
}

/* The same of a run that was streamed; the connection may have been given up meanwhile. */
static void settle_stream(struct connection *c) {
    if (atomic_load(&c->left)) stats_add(STAT_CANCELLED, 1);
    if (!exchange_end_log(&c->x)) finish_exchange(c);
    http_drop(c);
}

static void work(struct task *task) {
    struct exchange *x = &((struct connection *)task)->x;
    x->queued += task->waited;
    exchange_work(x);
}

static void on_wake(struct exchange *x, bool over) {
    struct connection *c =
        (struct connection *)(void *)((char *)x - offsetof(struct connection, x));
    if (over) {
        x->log ? settle_stream(c) : settle(c);
        return;
    }
    stats_add(STAT_QUEUED, 1);
    worker_add(c->house->http->workers, &c->task);
}

/* Known when the hands are shaken, which is when the first request is there. */
static void learn_subject(struct connection *c) {
    char subject[SUBJECT];
    if (!c->subject && tls_wants_clients(c->identity) &&
        tls_subject(c->session, subject, sizeof subject))
        c->subject = strdup(subject);
    c->x.client = c->subject;
}

static enum MHD_Result begin(struct connection *c, const char *path, const char *method,
                             const char *version) {
    atomic_store(&c->gate, GATE_OPEN);
    atomic_store(&c->left, false);
    c->streams = c->watched = false;
    c->task.run = work;
    stats_add(STAT_REQUESTS, 1);
    stats_add(STAT_IN_FLIGHT, 1);
    exchange_begin(&c->x, c->house->http->engine, method, path, strcmp(version, "HTTP/1.0") == 0,
                   on_wake, &c->left);
    c->body_since = c->x.began + limits_of(c)->body_seconds * SECOND;
    set_deadline(c, c->body_since);
    c->x.trusts_host = c->local;
    c->x.peer = c->peer;
    if (c->identity) learn_subject(c);
    MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, on_value, &c->x);
    /* An answer at this place makes the library close the connection, and any later one does not. */
    return exchange_admit(&c->x) ? MHD_YES : answer(c);
}

static enum MHD_Result take(struct connection *c, const char *data, size_t *n) {
    bool taken = exchange_body(&c->x, data, *n);
    *n = 0;
    set_deadline(c, c->body_since + patience(c->x.body.length));
    return taken ? MHD_YES : answer_by_hand(c);
}

/* Lets go of the connection until the request is over, which may have happened by now. Whether the client
 * leaves meanwhile is no affair of what cannot be called off: to watch takes two system calls. */
static enum MHD_Result suspend(struct connection *c, bool watches) {
    set_deadline(c, 0);
    MHD_suspend_connection(c->mhd);
    if (watches) watch(c);
    int open = GATE_OPEN;
    if (atomic_compare_exchange_strong(&c->gate, &open, GATE_SUSPENDED)) return MHD_YES;
    if (!c->streams) unwatch(c);
    MHD_resume_connection(c->mhd);
    return MHD_YES;
}

static enum MHD_Result hand_over(struct connection *c) {
    struct http *h = c->house->http;
    if (atomic_load(&h->engine->draining)) {
        exchange_fail(&c->x, ERROR_DRAINING, "the server is shutting down and takes no large work");
        return answer(c);
    }
    if (!worker_reserve(h->workers)) {
        ready_set(READY_QUEUE, "the queue is full");
        exchange_fail(&c->x, ERROR_OVERLOADED, "all workers are busy and their queue is full");
        return answer(c);
    }
    stats_add(STAT_QUEUED, 1);
    worker_submit(h->workers, &c->task);
    return suspend(c, true);
}

static enum MHD_Result finish(struct connection *c) {
    if (atomic_load(&c->gate) == GATE_OVER) return answer(c);
    c->x.started = clock_now();
    c->x.deadline = c->x.started + c->x.engine->limits.max_seconds * SECOND;
    if (c->x.log) {
        atomic_fetch_add(&c->users, 1);
        begin_stream(c, c->x.log, 0, false);
    }
    const enum exchange_next next = exchange_run(&c->x);
    if (next == EXCHANGE_WORKS) return hand_over(c);
    return atomic_load(&c->gate) == GATE_OVER ? answer(c) : suspend(c, next == EXCHANGE_WAITS);
}

enum MHD_Result http_on_request(void *context, struct MHD_Connection *mhd, const char *path,
                                const char *method, const char *version, const char *data,
                                size_t *n, void **state) {
    (void)context;
    struct connection *c = *state;
    if (c) return *n ? take(c, data, n) : finish(c);
    c = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!c) return MHD_NO;
    *state = c;
    return begin(c, path, method, version);
}

void http_on_completed(void *context, struct MHD_Connection *mhd, void **state,
                       enum MHD_RequestTerminationCode how) {
    (void)context, (void)mhd;
    struct connection *c = *state;
    if (!c) return;
    if (how == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED) keeper_cut(&c->guest);
    unwatch(c);
    set_deadline(c, clock_coarse() +
                        (limits_of(c)->idle_seconds + limits_of(c)->header_seconds) * SECOND);
    const bool ended = !c->streams || stream_end(&c->house->http->streams, &c->stream);
    if (c->streams) {
        /* Who has left may be sent the end of what that has ended. */
        const bool is_told = c->stream.over && !atomic_load(&c->left);
        exchange_watch_stream(&c->x, c->stream.sent, is_told ? c->stream.ending : EVENT_NONE);
    }
    /* Where a run goes on, it is told to end, and finishes the exchange. */
    if (ended || !c->x.log)
        finish_exchange(c);
    else
        atomic_store(&c->left, true);
}
