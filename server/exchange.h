/* One request and its answer, without the transport: what the headers mean, whether the request is
 * admitted, the body, the run, what the store is told, and the answer with its headers. The transport
 * calls, in this order:
 *
 *     exchange_begin, exchange_header..., exchange_query..., exchange_admit     when the headers are read
 *     exchange_body...                                                          for each piece of the body
 *     exchange_run, and exchange_work on a worker where that says so
 *     exchange_answer, exchange_end                                             once it has been woken
 */
#ifndef GRADD_SERVER_EXCHANGE_H
#define GRADD_SERVER_EXCHANGE_H

#include "api/operations.h"
#include "api/registry.h"
#include "server/body.h"
#include "server/engine.h"
#include "server/idempotency.h"
#include "server/trace.h"

enum { ANSWER_TIMES = 192, EXCHANGE_ID = 64, CHALLENGE = 128 };

struct exchange;

/* Tells the transport, on any thread and perhaps before exchange_run returns, that the answer is there
 * (`over`), or that a worker must go on with exchange_work. It is told `over` once, and the exchange
 * may be gone when it returns. */
typedef void (*exchange_wake)(struct exchange *x, bool over);

struct exchange {
    struct engine *engine;
    struct tenant *tenant; /* for whom it is asked */
    const struct route *route;
    unsigned method;
    bool http_1_0;
    const char *method_name, *path; /* these and the headers are the transport's */
    const char *accept, *content_type, *content_encoding, *if_match, *if_none_match, *origin,
        *request_id, *transfer_encoding, *last_event_id, *idempotency_key, *host, *authorization,
        *preflight_method;
    int64_t content_length; /* -1: none */
    const char *user_agent, *traceparent;
    const char *peer; /* the transport: who it comes from; NULL: not told */
    int lengths, encodings, hosts, authorizations, traceparents;
    bool expects_continue, bad_header;
    const char *client; /* the transport: the subject of the client's certificate; NULL: none */
    bool trusts_host;   /* the transport: what the request calls the server does not matter */
    int retry_after;    /* seconds, where it is to come again later */
    struct access_memory token; /* of the connection: it outlives the request */
    char challenge[CHALLENGE];  /* what WWW-Authenticate says; "": nothing */
    const char *allowed_origin; /* what Access-Control-Allow-Origin says; NULL: nothing */
    struct route_places places;
    char *texts;       /* where the run may outlive those of the transport */
    char *places_text; /* decoded: */
    const char *place[ROUTE_PLACES];
    const char *media;          /* of a body that is no JSON */
    struct service_pair *query; /* decoded, each pair one allocation */
    size_t n_query, query_capacity;
    struct body body;
    bool refused; /* answered without its body having been read: the connection cannot go on */
    /* When its headers had been read, its body too (0: it never came to that), and its answer was there;
     * clock_now. */
    int64_t began, started, ended;
    int64_t queued,
        stored; /* of these, nanoseconds that it waited for its turn and for the store */
    int64_t deadline;
    const atomic_bool *left; /* the transport sets it when the client has gone */
    exchange_wake wake;
    struct seat *seat;    /* of the session, while it is held */
    struct waiter waiter; /* for it */
    struct operation_waiter operation_waiter;
    bool has_waited;         /* for an operation */
    bool has_stream;         /* one of those that there may be */
    struct idempotent again; /* whether it was sent before */
    struct event_log *log;   /* of a run that is to be followed while it goes on; NULL: it is not */
    char id[EXCHANGE_ID + 1];
    struct error error;
    struct writer out; /* what the run wrote */
    struct service_reply reply;
};

/* What the transport is to send. `data` is the transport's to give back (writer_release) where it is `owned`. */
struct answer {
    int status;
    char *data;
    size_t length;
    bool owned, close, nosniff;
    int retry_after;                                        /* seconds; 0: nothing is said */
    const char *type, *cache;                               /* NULL: none, here and below */
    char etag[40], allow[ROUTE_ALLOW], id[EXCHANGE_ID + 1]; /* "": none */
    const char *location;                                   /* the exchange's */
    const char *encoding, *policy;               /* Content-Encoding, Content-Security-Policy */
    const char *challenge, *allow_origin, *vary; /* NULL or "": none */
    char times[ANSWER_TIMES], trace[TRACE_TEXT]; /* Server-Timing and traceresponse; "": none */
    bool allow_credentials, is_preflight;
    /* In place of data: the events behind `seen`, in a log that lives until exchange_end. */
    struct event_log *log;
    uint64_t seen;
    bool resumable;
};

void exchange_begin(struct exchange *x, struct engine *engine, const char *method, const char *path,
                    bool http_1_0, exchange_wake wake, const atomic_bool *left);
void exchange_header(struct exchange *x, const char *name, size_t n, const char *value);
void exchange_query(struct exchange *x, const char *name, size_t n, const char *value, size_t m);

/* False where the request is to be answered at once, without its body. */
bool exchange_admit(struct exchange *x);
bool exchange_body(struct exchange *x, const char *data, size_t n);

enum exchange_next {
    EXCHANGE_WORKS, /* exchange_work is to be called on a worker, which runs it from its first byte, under
                       the configured limits */
    EXCHANGE_WAITS, /* for a session or an operation, unless it is over already: it is called off where the
                       client leaves */
    EXCHANGE_SAVES, /* the same for the store, which is soon done, and with which nothing is called off */
};

/* Takes the session that the path names, runs what is small, and hands what has changed to the store. But
 * for EXCHANGE_WORKS the exchange has been woken, or it will be: from then on it is not this thread's,
 * unless the transport knows. */
enum exchange_next exchange_run(struct exchange *x);
/* Ends early when `x->left` becomes true. */
void exchange_work(struct exchange *x);

/* A run that is followed (x->log) is answered while it goes on: from its first event on, or before. Its
 * log has ended when the exchange is over, and wake is not told so before this is called, which says
 * whether the transport listens still. */
bool exchange_end_log(struct exchange *x);

/* Ends the exchange with a failure of the transport's, such as overloaded, and wakes it. */
void exchange_fail(struct exchange *x, enum error_code code, const char *sentence);

/* Gives the request its id, unless it has one. */
void exchange_set_id(struct exchange *x);
void exchange_answer(struct exchange *x, struct answer *out);
void exchange_end(struct exchange *x);

/* Takes one of the streams that there may be, until the end; false, with the error, where none is left. */
bool exchange_take_stream(struct exchange *x);

#endif
