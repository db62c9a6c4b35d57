/* What the two halves of the transport share: http.c, which is at requests, and http_house.c, which is at
 * connections and the threads that serve them. For nobody else. */
#ifndef GRADD_SERVER_HTTP_PARTS_H
#define GRADD_SERVER_HTTP_PARTS_H

#include <microhttpd.h>

#include "server/exchange.h"
#include "server/http.h"
#include "server/keeper.h"
#include "server/peer.h"
#include "server/raw.h"
#include "server/stream.h"
#include "server/worker.h"

enum { SECOND = 1000000000 };

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
    char full[RAW_REFUSAL];      /* for whom there is no place */
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
    char peer[PEER_NAME];
    bool streams, watched; /* the present request */
    struct stream stream;
    struct exchange x;
};

/* The transport, or the run that is streamed, has no use for it any more. */
void http_drop(struct connection *c);

/* What libmicrohttpd calls for each request, and at its end; see its MHD_AccessHandlerCallback and
 * MHD_RequestCompletedCallback. */
enum MHD_Result http_on_request(void *context, struct MHD_Connection *mhd, const char *path,
                                const char *method, const char *version, const char *data,
                                size_t *n, void **state);
void http_on_completed(void *context, struct MHD_Connection *mhd, void **state,
                       enum MHD_RequestTerminationCode how);

static inline const struct service_limits *limits_of(const struct connection *c) {
    return &c->house->http->engine->limits;
}

#endif
