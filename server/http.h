/* The transport: HTTP/1.1 over libmicrohttpd, whose header is known to http.c alone. */
#ifndef GRADD_SERVER_HTTP_H
#define GRADD_SERVER_HTTP_H

#include "server/engine.h"
#include "server/listen.h"
#include "server/tls.h"

struct http;

struct http_setup {
    const struct listen_sockets *sockets; /* which it owns from now on */
    struct tls *tls;                      /* for the sockets that say so; may be NULL */
    int threads, workers;                 /* of the network, and for heavy work */
};

/* Serves what comes. NULL, with one sentence, on failure. */
struct http *http_start(struct engine *engine, const struct http_setup *setup, char *problem,
                        size_t size);

/* Accepts no more, and closes each connection behind its next answer. */
void http_drain(struct http *h);

/* About once a second: streams say that they live, and those whose clients have gone end. */
void http_sweep(struct http *h);

/* Whether no request is in flight. */
bool http_idle(const struct http *h);

/* Ends the work that is being done on workers; its requests are answered with `cancelled`. */
void http_cancel(struct http *h);

/* Closes all connections and ends the threads. Only while http_idle. */
void http_stop(struct http *h);

#endif
