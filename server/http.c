/* The transport. Owns connections and their threads, and what libmicrohttpd needs to be told; what a
 * request means is the exchange's business. Each network thread is a daemon of the library without a
 * listening socket, to which the keeper hands connections: the library's own pool can abort the
 * process when it is told to accept no more. */
#include "server/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/plan.h"
#include "server/exchange_access.h"
#include "server/keeper.h"
#include "server/raw.h"
#include "server/ready.h"
#include "server/stats.h"
#include "server/stream.h"
#include "server/worker.h"

enum { QUEUE = 256, STREAM_BLOCK = 16 << 10, SUBJECT = 512 };
_Static_assert((int)LISTEN_MOST <= (int)KEEPER_DOORS, "there are more sockets than doors");
enum { IDLE_SECONDS = 75, HEADER_SECONDS = 10, BODY_SECONDS = 30, ANSWER_SECONDS = 30 };
/* Whoever is slower than this, on the average and beyond the seconds above, is cut. */
enum { BYTES_A_SECOND = 16 << 10 };
/* Of a connection, for its headers; more is 431. It is wiped after each request, so less is faster. */
static const size_t pool_bytes = 16 << 10;
/* Less than the 2 MiB of a huge page, which a touched stack would else make resident; ThreadSanitizer
 * keeps 800 KiB of it for itself. */
static const size_t stack_bytes = 3 << 19;
/* What is read of a refused body, beyond twice the limit of one. */
static const int64_t drain_bytes = 64 << 20;
static const int64_t second = 1000000000;

/* One network thread. */
struct house {
    struct http *http;
    struct tls *tls; /* NULL: its guests speak plainly */
    struct MHD_Daemon *daemon;
    atomic_int guests;
};

struct http {
    struct engine *engine;
    struct keeper *keeper;
    struct worker_pool *workers;
    struct stream_set streams;
    char refusal[RAW_REFUSAL];   /* for whom there is no descriptor */
    char crowded[RAW_REFUSAL];   /* for whose address there are enough */
    bool tls_doors[LISTEN_MOST]; /* of each door: what is spoken there */
    int n_houses;
    struct house houses[];
};

/* Between the network thread of a request and whoever ends it: OPEN until one of them comes to it, then
 * SUSPENDED, so that the other must resume the connection, or OVER, so that the answer can go. Of a
 * stream OVER means that there is something to be sent. */
enum gate { GATE_OPEN, GATE_SUSPENDED, GATE_OVER };

/* One connection, and the request it is at. */
struct connection {
    struct task task; /* first, so that a task is its connection */
    struct guest guest;
    struct house *house;
    struct MHD_Connection *mhd;
    atomic_int gate;  /* enum gate */
    atomic_bool left; /* the client, while the connection is suspended */
    int64_t body_since;
    atomic_int users; /* the transport, and the run that is streamed; the last one frees */
    bool local;       /* it came by a Unix socket, as no web page can */
    void *session;    /* of TLS; NULL: it is plain */
    struct tls_identity *identity;
    char *subject; /* of the client's certificate; NULL: it has none */
    char peer[INET6_ADDRSTRLEN];
    bool streams, watched; /* the present request */
    struct stream stream;
    struct exchange x;
};

static const struct service_limits *limits_of(const struct connection *c) {
    return &c->house->http->engine->limits;
}

static void set_deadline(struct connection *c, int64_t deadline) {
    atomic_store_explicit(&c->guest.deadline, deadline, memory_order_relaxed);
}

/* Nanoseconds that so many bytes may take. */
static int64_t patience(size_t bytes) { return (int64_t)bytes * (second / BYTES_A_SECOND); }

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
    set_deadline(c, n ? clock_coarse() + limits_of(c)->answer_seconds * second + patience((size_t)n)
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
    set_deadline(c, clock_coarse() + limits_of(c)->answer_seconds * second);
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
    set_deadline(c, c->x.ended + limits_of(c)->answer_seconds * second + patience(a.length));
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

/* Nobody is there any more for the connection, or for the run that it was to see. */
static void drop(struct connection *c) {
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
    drop(c);
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
    c->body_since = c->x.began + limits_of(c)->body_seconds * second;
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

/* Lets go of the connection until the request is over, which may have happened by now. */
static enum MHD_Result suspend(struct connection *c) {
    set_deadline(c, 0);
    MHD_suspend_connection(c->mhd);
    watch(c);
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
    return suspend(c);
}

static enum MHD_Result finish(struct connection *c) {
    if (atomic_load(&c->gate) == GATE_OVER) return answer(c);
    c->x.started = clock_now();
    c->x.deadline = c->x.started + c->x.engine->limits.max_seconds * second;
    if (c->x.log) {
        atomic_fetch_add(&c->users, 1);
        begin_stream(c, c->x.log, 0, false);
    }
    if (!exchange_run(&c->x)) return hand_over(c);
    return atomic_load(&c->gate) == GATE_OVER ? answer(c) : suspend(c);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *path,
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

static void on_completed(void *context, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode how) {
    (void)context, (void)mhd;
    struct connection *c = *state;
    if (!c) return;
    if (how == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED) keeper_cut(&c->guest);
    unwatch(c);
    set_deadline(c, clock_coarse() +
                        (limits_of(c)->idle_seconds + limits_of(c)->header_seconds) * second);
    const bool ended = !c->streams || stream_end(&c->house->http->streams, &c->stream);
    /* Where a run goes on, it is told to end, and finishes the exchange. */
    if (ended || !c->x.log)
        finish_exchange(c);
    else
        atomic_store(&c->left, true);
}

/* ---- connections ---- */

static void welcome(void *context, int door, int fd, const struct sockaddr *from, socklen_t size) {
    struct http *h = context;
    struct house *best = NULL;
    for (struct house *house = h->houses; house < h->houses + h->n_houses; house++)
        if (!house->tls == !h->tls_doors[door] &&
            (!best || atomic_load(&house->guests) < atomic_load(&best->guests)))
            best = house;
    assert(best); /* build_houses has seen all doors */
    atomic_fetch_add(&best->guests, 1);
    if (MHD_add_connection(best->daemon, fd, from, size) != MHD_YES)
        atomic_fetch_sub(&best->guests, 1);
}

static void name_peer(struct connection *c, const struct sockaddr *from) {
    const void *address =
        from->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)from)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)from)->sin_addr;
    c->local = from->sa_family == AF_UNIX;
    if (c->local || !inet_ntop(from->sa_family, address, c->peer, sizeof c->peer))
        strcpy(c->peer, "unix");
}

static void meet(struct connection *c, struct house *house, struct MHD_Connection *mhd) {
    c->house = house;
    c->mhd = mhd;
    atomic_init(&c->users, 1);
    name_peer(c, MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    if (!house->tls) return;
    c->session = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
    c->identity = tls_begin(house->tls, c->session);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket,
                          enum MHD_ConnectionNotificationCode what) {
    struct house *house = context;
    struct connection *c = *socket;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket = c = calloc(1, sizeof *c);
        if (!c) return;
        meet(c, house, mhd);
        int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        keeper_admit(house->http->keeper, &c->guest, fd,
                     clock_coarse() + limits_of(c)->header_seconds * second);
        return;
    }
    atomic_fetch_sub(&house->guests, 1);
    if (!c) return;
    keeper_dismiss(house->http->keeper, &c->guest, c->x.refused);
    /* The session has ended before. */
    if (c->identity) tls_end(c->identity);
    drop(c);
}

/* Paths and queries are wanted as they were sent: a NUL or a broken escape must be seen. */
static size_t keep_escapes(void *context, struct MHD_Connection *mhd, char *text) {
    (void)context, (void)mhd;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct house *house, unsigned connections) {
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}}, *more = none;
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
    /* The library wants a pair, and says that it does not change these texts; each connection is given
     * the present one. */
    struct MHD_OptionItem pair[4] = {{MHD_OPTION_END, 0, NULL}};
    if (house->tls) {
        const char *texts[] = {tls_certificate_text(house->tls), tls_key_text(house->tls),
                               tls_priorities};
        const enum MHD_OPTION options[] = {MHD_OPTION_HTTPS_MEM_CERT, MHD_OPTION_HTTPS_MEM_KEY,
                                           MHD_OPTION_HTTPS_PRIORITIES};
        for (int i = 0; i < 3; i++)
            pair[i] = (struct MHD_OptionItem){options[i], 0, (void *)(uintptr_t)texts[i]};
        pair[3] = none[0];
        more = pair;
        flags |= MHD_USE_TLS;
    }
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, house, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)house->http->engine->limits.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        pool_bytes, MHD_OPTION_THREAD_STACK_SIZE, stack_bytes, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
}

/* ---- start and end ---- */

static void write_refusals(struct http *h) {
    char sentence[96];
    snprintf(sentence, sizeof sentence,
             "this address has %lld connections already (max_address_connections)",
             (long long)h->engine->limits.max_address_connections);
    raw_refusal(ERROR_TOO_MANY_REQUESTS, sentence, h->crowded);
    raw_refusal(ERROR_OVERLOADED, "the server has no file descriptor left for this connection",
                h->refusal);
}

/* Opens the doors last, when there is somebody to be led to. */
static bool open_doors(struct http *h, const struct http_setup *setup) {
    const struct listen_sockets *sockets = setup->sockets;
    const size_t most = (size_t)h->engine->limits.max_connections;
    const size_t most_of_address = (size_t)h->engine->limits.max_address_connections;
    const int64_t drain = drain_bytes + 2 * h->engine->limits.max_body_bytes;
    struct keeper_door doors[LISTEN_MOST];
    write_refusals(h);
    for (int i = 0; i < sockets->n; i++) {
        const bool tls = sockets->at[i].tls;
        h->tls_doors[i] = tls;
        doors[i] = (struct keeper_door){.fd = sockets->at[i].fd,
                                        .refusal = tls ? NULL : h->refusal,
                                        .crowded = tls ? NULL : h->crowded};
    }
    return keeper_start(&h->keeper, doors, sockets->n, most, most_of_address, drain, welcome, h);
}

/* The houses of those who speak TLS, or of those who do not, where there is a door for such. */
static bool build_houses(struct http *h, const struct http_setup *setup, bool tls) {
    bool wanted = false;
    for (int i = 0; i < setup->sockets->n; i++) wanted = wanted || setup->sockets->at[i].tls == tls;
    for (int i = 0; wanted && i < setup->threads; i++) {
        struct house *house = &h->houses[h->n_houses];
        house->http = h;
        house->tls = tls ? setup->tls : NULL;
        house->daemon = start_daemon(house, (unsigned)h->engine->limits.max_connections + 1024);
        if (!house->daemon) return false;
        h->n_houses++;
    }
    return true;
}

struct http *http_start(struct engine *engine, const struct http_setup *setup, char *problem,
                        size_t size) {
    struct http *h = calloc(1, sizeof *h + 2 * (size_t)setup->threads * sizeof *h->houses);
    if (h) h->engine = engine;
    if (h) stream_set_init(&h->streams);
    if (h) h->workers = worker_start(setup->workers, (int)engine->limits.max_queue);
    if (h && h->workers && build_houses(h, setup, false) && build_houses(h, setup, true) &&
        open_doors(h, setup))
        return h;
    snprintf(problem, size,
             "cannot start %d network threads and %d workers: the system has no room",
             setup->threads, setup->workers);
    if (h) http_stop(h);
    return NULL;
}

void http_drain(struct http *h) {
    ready_set(READY_PROCESS, "shutting down");
    atomic_store(&h->engine->draining, true);
    keeper_close_doors(h->keeper);
}

bool http_idle(const struct http *h) {
    (void)h;
    return stats_sum(STAT_IN_FLIGHT) == 0;
}

void http_sweep(struct http *h) {
    stream_sweep(&h->streams);
    if (worker_has_place(h->workers)) ready_set(READY_QUEUE, NULL);
}

void http_cancel(struct http *h) { keeper_cancel_all(h->keeper); }

void http_stop(struct http *h) {
    for (int i = 0; i < h->n_houses; i++) MHD_stop_daemon(h->houses[i].daemon);
    if (h->keeper) keeper_stop(h->keeper);
    if (h->workers) worker_stop(h->workers);
    stream_set_free(&h->streams);
    free(h);
}
