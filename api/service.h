/* What the server may ask of the api: one function a route, bytes in and JSON out. No HTTP here. */
#ifndef GRADD_API_SERVICE_H
#define GRADD_API_SERVICE_H

#include "api/writer.h"
#include "core/arena.h"
#include "core/plan.h"

/* Every limit, of a request, of what stays between requests, and, from max_memory_bytes on, of the server, which
 * alone knows of those: its name, which says the unit where there is one, its preset, the least and the
 * most that it may be set to, and its meaning. The server holds two of these: the configured one, and a
 * small one for what a network thread may do itself. A request that passes the small one is run again
 * from its first byte by a worker under the configured one, so nothing here knows about threads. */
#define SERVICE_LIMIT_MOST 1000000000000000000LL
#define SERVICE_LIMITS(X)                                                                          \
    X(max_body_bytes, 64LL << 20, 1, 1LL << 40, "bytes of a request's body")                       \
    X(max_json_depth, 128, 1, 128, "nesting of JSON")                                              \
    X(max_expression_depth, 256, 1, 256, "nesting of an expression")                               \
    X(max_nodes, 2000000, 1, 4294967294, "nodes of a graph, derivatives included")                 \
    X(max_rank, 8, 8, 8, "axes of a tensor")                                                       \
    X(max_elements, 1LL << 27, 1, 1LL << 40, "elements of a tensor")                               \
    X(max_request_bytes, 1LL << 30, 1, 1LL << 40, "bytes of memory of a request")                  \
    X(max_work, 1000000000000LL, 1, SERVICE_LIMIT_MOST,                                            \
      "estimated elementary operations of a request")                                              \
    X(max_answer_bytes, 1LL << 30, 1, 1LL << 40, "bytes of an answer")                             \
    X(max_seconds, 60, 1, 86400, "seconds a request may run")                                      \
    X(max_steps, 1000000000, 1, SERVICE_LIMIT_MOST, "steps of a minimisation or a fit")            \
    X(max_sessions, 1LL << 17, 0, SERVICE_LIMIT_MOST, "sessions at a time")                        \
    X(max_session_bytes, 1LL << 30, 1, 1LL << 40, "bytes that a session may hold")                 \
    X(max_session_nodes, 2000000, 1, 4294967294, "nodes that the tapes of a session may hold")     \
    X(max_session_queue, 64, 0, 1000000, "requests that wait for a session")                       \
    X(max_tapes, 1024, 0, 1000000, "tapes of a session")                                           \
    X(max_functions, 10000, 0, SERVICE_LIMIT_MOST, "functions at a time")                          \
    X(max_running_jobs, 4, 1, 256, "jobs that run at a time")                                      \
    X(max_queued_jobs, 256, 0, 1000000, "jobs that wait")                                          \
    X(max_job_seconds, 86400, 1, 31536000, "seconds a job may run")                                \
    X(max_job_work, 1440000000000000LL, 1, SERVICE_LIMIT_MOST,                                     \
      "estimated elementary operations of a job")                                                  \
    X(max_operations, 4096, 1, 1000000, "operations that are kept, done or not")                   \
    X(max_operation_bytes, 2LL << 30, 1, 1LL << 40,                                                \
      "bytes that operations keep, requests and answers")                                          \
    X(max_operation_seconds, 86400, 1, 31536000, "seconds an operation is kept once it is done")   \
    X(max_memory_bytes, 0, 0, 1LL << 40,                                                           \
      "bytes of memory of the process; 0: three quarters of what there is")                        \
    X(max_queue, 256, 1, 1000000, "requests that wait for a worker")                               \
    X(max_connections, 10000, 1, 1000000, "connections at a time")                                 \
    X(max_address_connections, 5000, 1, 1000000,                                                   \
      "connections at a time of one address, or of a /64 of IPv6")                                 \
    X(max_streams, 1000, 0, 1000000, "streams of events at a time")                                \
    X(header_seconds, 10, 1, 86400, "seconds a request's headers may take")                        \
    X(body_seconds, 30, 1, 86400, "seconds its body may take, beyond a second for every 16 KiB")   \
    X(answer_seconds, 30, 1, 86400, "seconds a client may take over an answer, beyond the same")   \
    X(idle_seconds, 75, 1, 86400, "seconds a connection may do nothing between requests")          \
    X(grace_seconds, 30, 0, 86400, "seconds that requests may go on after SIGTERM")

struct service_limits {
#define SERVICE_LIMIT(name, preset, least, most, text) int64_t name;
    SERVICE_LIMITS(SERVICE_LIMIT)
#undef SERVICE_LIMIT
};

extern const struct service_limits service_limits_default;

struct service_pair {
    const char *name, *value; /* decoded, NUL-terminated */
};

struct cache;
struct json;
struct session;
struct registry;
struct seat;
struct functions;
struct function;
struct operations;
struct operation;

/* What a successful request has changed, for the store. */
enum { SERVICE_ID = 64, SERVICE_LOCATION = 384 };
struct service_change {
    enum { CHANGE_NONE, CHANGE_SESSION, CHANGE_FUNCTION, CHANGE_OPERATION } kind;
    bool deleted;
    char id[SERVICE_ID + 1];
};

/* What an answer says beside its body. */
struct service_reply {
    int status;                      /* 0: 200 */
    char location[SERVICE_LOCATION]; /* path of what was created; "": none */
    char etag[40];                   /* in its quotes; "": none */
    const char *type;              /* media type, where it is not the route's; NULL: the route's */
    const char *encoding, *policy; /* Content-Encoding and Content-Security-Policy; NULL: none */
    struct service_change change;
    /* What this request has added, and holds until the store has it. */
    struct seat *created;
    struct function *function;
    /* What the answer is about, held until it is sent. */
    struct operation *operation;
    /* There is no answer yet: the service is to be asked again once the operation is done, or then. */
    bool waits;
    int64_t until;
    /* The answer is the operation's events behind that one. */
    bool streams;
    uint64_t seen;
    int64_t decoded; /* clock_now, where that was asked for; 0: the service does not tell */
};

/* One line of what a long run says of itself. */
struct progress_row {
    int64_t step; /* updates or iterations done */
    double loss;
    double gradient_norm; /* NAN: not known */
    enum dtype dtype;     /* of both, in whose digits they are shown */
};

/* Who listens to a long run: a stream of events, or a job. Both are called by the thread that runs. */
struct progress {
    /* Takes a row; it must not take long. */
    void (*report)(struct progress *p, const struct progress_row *row);
    /* Of a job, else NULL: what the session holds now is whole and may be shown. Called where a run would
     * commit; the run goes on with a session of its own. False: the run is to end. */
    bool (*commit)(struct progress *p);
};

/* One request. A service changes nothing unless it succeeds, so that it may be asked again, and
 * nothing fails behind its last change: what it writes is written before. */
struct service_call {
    struct plan_cache *plans;
    struct cache *known; /* of known_cache_new; NULL: every graph is built */
    const struct service_limits *limits;
    struct run_control control; /* its deadline may be shortened by the request */
    uint64_t seed;              /* of hash tables, unpredictable */
    const char *body;           /* of a POST, PUT or PATCH */
    size_t body_length;
    const struct json *document;      /* the body, where it was parsed already; else NULL */
    struct progress *progress;        /* of a long run; NULL: nobody listens */
    const struct service_pair *query; /* of a GET; NULL for what has a body */
    size_t n_query;

    /* Of sessions and functions alone. */
    const char *const *places; /* what stands in the path's places, decoded, in their order */
    bool puts;                 /* PUT: make it so, whether it is there or not */
    const char *media;         /* the body's media type, where it is not JSON; NULL: JSON */
    const char *if_match, *if_none_match; /* lists of entity tags; NULL: none */
    struct seat *seat;
    struct session *session; /* of the path; held for this request alone */
    struct registry *registry;
    struct functions *functions;
    const struct function *function; /* that this request calls; NULL: it brings its own graph */
    struct operations *operations;
    const char *last_event_id; /* NULL: none */
    bool has_waited;           /* it is asked again: it must answer now */
    const void *server;        /* of the routes that tell of the server: the server's own */
    bool is_timed;             /* the reply is to say when the request had been decoded */
    struct service_reply *reply;
};

/* Writes the answer into `out`; false after a failure, which is then in `error`. */
typedef bool (*service_function)(const struct service_call *call, struct writer *out,
                                 struct error *error);

bool service_evaluate(const struct service_call *call, struct writer *out, struct error *error);
bool service_gradient(const struct service_call *call, struct writer *out, struct error *error);
bool service_jacobian(const struct service_call *call, struct writer *out, struct error *error);
bool service_hessian(const struct service_call *call, struct writer *out, struct error *error);
bool service_jvp(const struct service_call *call, struct writer *out, struct error *error);
bool service_vjp(const struct service_call *call, struct writer *out, struct error *error);
bool service_hvp(const struct service_call *call, struct writer *out, struct error *error);
bool service_check(const struct service_call *call, struct writer *out, struct error *error);
/* Of a session too, where the call holds one. */
bool service_minimize(const struct service_call *call, struct writer *out, struct error *error);
bool service_least_squares(const struct service_call *call, struct writer *out,
                           struct error *error);
bool service_ops(const struct service_call *call, struct writer *out, struct error *error);
bool service_optimizers(const struct service_call *call, struct writer *out, struct error *error);
bool service_schedules(const struct service_call *call, struct writer *out, struct error *error);
bool service_schedule_evaluate(const struct service_call *call, struct writer *out,
                               struct error *error);
bool service_limits(const struct service_call *call, struct writer *out, struct error *error);
/* Every code of a problem but that of a bug. */
bool service_problems(const struct service_call *call, struct writer *out, struct error *error);

#endif
