/* The transport's connections. Owns them and their threads, and what libmicrohttpd needs to be told at the
 * start. Each network thread is a daemon of the library without a listening socket, to which the keeper
 * hands connections: the library's own pool can abort the process when it is told to accept no more. */
#include <linux/tcp.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/exchange_watch.h"
#include "server/http_parts.h"
#include "server/ready.h"
#include "server/stats.h"

_Static_assert((int)LISTEN_MOST <= (int)KEEPER_DOORS, "there are more sockets than doors");
/* Of a connection, for its headers; more is 431. It is wiped after each request, so less is faster. */
static const size_t pool_bytes = 16 << 10;
/* Less than the 2 MiB of a huge page, which a touched stack would else make resident; ThreadSanitizer
 * keeps 800 KiB of it for itself. */
static const size_t stack_bytes = 3 << 19;
/* What is read of a refused body, beyond twice the limit of one. */
static const int64_t drain_bytes = 64 << 20;

/* ---- connections ---- */

static void welcome(void *context, int door, int fd, const struct sockaddr *from, socklen_t size) {
    struct http *h = context;
    struct house *best = NULL;
    for (struct house *house = h->houses; house < h->houses + h->n_houses; house++)
        if (!house->tls == !h->tls_doors[door] &&
            (!best || atomic_load(&house->guests) < atomic_load(&best->guests)))
            best = house;
    if (!best) { /* which build_houses has ruled out */
        close(fd);
        return;
    }
    atomic_fetch_add(&best->guests, 1);
    if (MHD_add_connection(best->daemon, fd, from, size) != MHD_YES)
        atomic_fetch_sub(&best->guests, 1);
}

static void meet(struct connection *c, struct house *house, struct MHD_Connection *mhd) {
    c->house = house;
    c->mhd = mhd;
    atomic_init(&c->users, 1);
    const struct sockaddr *from =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    c->local = from->sa_family == AF_UNIX;
    peer_name(from, c->peer);
    if (!house->tls) return;
    c->session = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
    c->identity = tls_begin(house->tls, c->session);
}

/* The library closes without a word what does not even look like a request, and says so by no way: something came
 * on this connection, nothing was answered, and no request began. A client's end counts as a byte. */
static bool was_unheard(const struct connection *c) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    return !c->x.began && !atomic_load(&c->guest.cut) &&
           getsockopt(c->guest.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_bytes_received > 1 && info.tcpi_bytes_sent == 0;
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
                     clock_coarse() + limits_of(c)->header_seconds * SECOND);
        return;
    }
    atomic_fetch_sub(&house->guests, 1);
    if (!c) return;
    if (was_unheard(c)) exchange_watch_refusal(0, c->peer);
    keeper_dismiss(house->http->keeper, &c->guest, c->x.refused);
    /* The session has ended before. */
    if (c->identity) tls_end(c->identity);
    http_drop(c);
}

/* Paths and queries are wanted as they were sent: a NUL or a broken escape must be seen. */
static size_t keep_escapes(void *context, struct MHD_Connection *mhd, char *text) {
    (void)context, (void)mhd;
    return strlen(text);
}

/* The library answers by itself what is no request, or has more headers than it takes. It tells of that in these
 * words alone, in which it does not say whose connection it is. */
static void on_message(void *context, const char *format, va_list args) {
    static const char refuses[] =
        "Error processing request (HTTP response code is %u ('%s')). Closing connection.\n";
    (void)context;
    if (strcmp(format, refuses) == 0) exchange_watch_refusal((int)va_arg(args, unsigned), NULL);
}

static struct MHD_Daemon *start_daemon(struct house *house, unsigned connections) {
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}}, *more = none;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
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
        flags, 0, NULL, NULL, http_on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, house, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
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
    snprintf(sentence, sizeof sentence, "the server has %lld connections already (max_connections)",
             (long long)h->engine->limits.max_connections);
    raw_refusal(ERROR_OVERLOADED, sentence, h->full);
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
                                        .crowded = tls ? NULL : h->crowded,
                                        .full = tls ? NULL : h->full};
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
