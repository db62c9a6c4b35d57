/* The C client of gradd, whole. C17 and C++; link with libgradd-client (pkg-config gradd-client, or
 * gradd::client of CMake's package gradd).
 *
 *     struct gradd_client *client = gradd_client_new(NULL);
 *     struct gradd_answer *answer = gradd_gradient(client, &(struct gradd_request){
 *         .graph = "z = (x1 + 5) * x2 ** 2",
 *         .variables = (struct gradd_binding[]){{.name = "x1", .value = {.number = 2}},
 *                                               {.name = "x2", .value = {.number = 3}}, {0}}});
 *     double g;
 *     if (gradd_answer_double(answer, "/gradient/x1", &g))
 *         printf("%g\n", g);
 *     else
 *         fprintf(stderr, "%s\n", gradd_answer_problem(answer)->detail);
 *     gradd_answer_free(answer);
 *     gradd_client_free(client);
 *
 * Every call returns an answer, which is the caller's and goes back by gradd_answer_free. NULL is an
 * answer as well, that of a call that had no memory: whatever reads answers takes it. What the members
 * of requests and answers mean is said by gradd's /docs, under the same names. */
#ifndef GRADD_CLIENT_H
#define GRADD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GRADD_PUBLIC __attribute__((visibility("default")))

/* ---- clients ---------------------------------------------------------------------------------- */

/* A client keeps connections. Any number of threads may use one at once; one is enough. */
struct gradd_client;

/* Whatever is zero has its preset. Texts are copied. */
struct gradd_options {
    const char *url;        /* "http://127.0.0.1:8080", or of https, or "unix:/run/gradd.sock" */
    const char *token;      /* sent as Authorization: Bearer */
    const char *token_file; /* the same, from the first line of a file */
    const char *ca_file;    /* authorities to trust for https (PEM), in place of the system's */
    const char *cert_file, *key_file; /* the client's own certificate (PEM) */
    const char *user_agent;
    const char *format;     /* of tensors in answers, where a request does not say */
    double connect_seconds; /* to get a connection, 10 */
    double timeout_seconds; /* of one try; of a stream, between two signs of life. 90 */
    int tries;              /* most of one call, 4; 1 never tries again */
    double wait_seconds;    /* longest wait between two tries, 10; Retry-After too is cut to it */
    size_t answer_bytes;    /* longest answer, 1 GiB; reading one may take a few times as much */
};

/* NULL as options are presets alone. NULL is returned without memory, or where an option makes no sense:
 * a URL of another scheme, a token file that cannot be read. *reason, where asked for, then says why. */
GRADD_PUBLIC struct gradd_client *gradd_client_new(const struct gradd_options *options,
                                                   const char **reason);
/* No call may be under way. NULL is nothing. */
GRADD_PUBLIC void gradd_client_free(struct gradd_client *client);

/* ---- values ----------------------------------------------------------------------------------- */

enum { GRADD_RANK_MAX = 8 };

enum gradd_dtype {
    GRADD_PLAIN, /* doubles, sent as plain numbers: they become what the request or session computes in */
    GRADD_FLOAT32,
    GRADD_FLOAT64,
    GRADD_INT32,
    GRADD_INT64,
    GRADD_BOOL /* a byte each, 0 or 1 */
};

/* Elements in row-major order. Sent bit for bit: by shortest digits, or by base64 where they are many. */
struct gradd_tensor {
    enum gradd_dtype dtype;
    int rank;
    int64_t shape[GRADD_RANK_MAX];
    const void *data; /* NULL: the scalar `number` */
    double number;
};

/* Elements of a tensor. */
GRADD_PUBLIC int64_t gradd_count(const struct gradd_tensor *tensor);

/* A name and its value. Lists of these end with one that has no name. */
struct gradd_binding {
    const char *name;
    struct gradd_tensor value;
    const char *json; /* the value as JSON text, in place of `value`; "null" too */
    bool fixed;       /* of a variable: not trainable */
};

/* ---- requests --------------------------------------------------------------------------------- */

/* What a long run says of itself. */
struct gradd_progress {
    int64_t step;
    double loss, gradient_norm; /* NaN where there is none */
};
/* Called by the thread that made the call. Anything but 0 ends the call, with GRADD_STOPPED. */
typedef int gradd_progress_function(void *context, const struct gradd_progress *progress);

/* The body of a request: what is zero is not sent, and what the call does not take is refused by gradd, by
 * name. Lists of names end with NULL. */
struct gradd_request {
    const char *graph;    /* the language of expressions, or JSON: {"nodes": [...]} */
    const char *function; /* calls this function, in place of a graph */
    const char *session;  /* of minimize, least_squares and jobs: works in this session */

    const struct gradd_binding *variables, *constants;
    const struct gradd_binding *batch; /* values with a leading axis: all points in one call */
    const char *dtype;                 /* "float32", "float64", ...: of plain numbers */
    const char *format;                /* of the answer's tensors: "nested", "typed", "base64" */
    const char *target;
    const char *const *targets; /* several, in place of `target` */
    const char *const *sources;
    const char *source; /* of a batch_jacobian */
    const char *const *watch;
    const char *const *fetch;
    const char *unconnected_gradients;           /* "none", "zero" */
    const struct gradd_tensor *output_gradients; /* of one target */
    const struct gradd_binding *tangents;        /* of a jvp, and of a forward tape */
    const struct gradd_tensor *cotangents;       /* of a vjp, of one target */
    const struct gradd_binding *vector;          /* of an hvp */
    bool sparse;                                 /* of a jacobian or hessian */
    bool diagnose;
    double timeout_seconds; /* gradd's own deadline */

    const char *loss; /* of minimize: a node; of least_squares: "linear", "huber", ... */
    const char *const *var_list;
    int64_t steps, epochs, record_every, batch_size;
    const char *optimizer; /* a name, or JSON: {"name": "Adam", "learning_rate": 0.1} */
    const char *method;    /* "lbfgs", "slsqp", ... */
    const struct gradd_binding *inputs;      /* of mini-batches */
    const char *residuals;                   /* of least_squares */
    const char *bounds, *constraints, *stop; /* as JSON */
    gradd_progress_function *progress; /* of minimize and least_squares: called at each record */
    void *context;                     /* the function's */

    bool persistent;                       /* of a tape */
    const char *mode;                      /* of a tape: "reverse", "forward" */
    const char *const *as;                 /* of a tape's gradients: their names */
    const struct gradd_binding *gradients; /* of apply_gradients, by the variables' names */

    const char *if_match; /* the ETag that what is put or changed must still have */
    const char *extra; /* further members as a JSON object; whatever gradd takes can be said here */
    bool once;         /* it is not tried again, and has no key */
};

/* ---- answers ---------------------------------------------------------------------------------- */

struct gradd_answer;

enum gradd_status {
    GRADD_OK = 0,
    GRADD_REFUSED = -1,       /* gradd answered with a problem */
    GRADD_INVALID = -2,       /* the call made no sense, and nothing was sent */
    GRADD_OUT_OF_MEMORY = -3, /* here, not there */
    GRADD_TOO_LARGE = -4,     /* the answer is longer than options.answer_bytes */
    GRADD_NO_CONNECTION = -5, /* none was made, or it broke, and again each time */
    GRADD_TIMEOUT = -6,
    GRADD_TLS = -7,      /* no trust in the server, or none in the client */
    GRADD_PROTOCOL = -8, /* what answered is not gradd */
    GRADD_STOPPED = -9   /* by the progress function */
};

/* Why a call failed. Texts are "" where there are none, numbers 0; they live as long as the answer. */
struct gradd_problem {
    int status;                 /* of HTTP */
    const char *code;           /* "shape_mismatch" */
    const char *detail;         /* one sentence, of gradd or of this client */
    const char *pointer, *node; /* into the request, and of the graph */
    int line, column;           /* in the graph's text, from 1 */
    const char *request_id;     /* as gradd's log has it */
};

GRADD_PUBLIC const char *gradd_strerror(enum gradd_status status);
GRADD_PUBLIC enum gradd_status gradd_answer_status(const struct gradd_answer *answer);
/* Never NULL. */
GRADD_PUBLIC const struct gradd_problem *gradd_answer_problem(const struct gradd_answer *answer);
GRADD_PUBLIC int gradd_answer_http_status(const struct gradd_answer *answer);
/* "ETag", "Location", "Retry-After", "X-Request-Id", "Content-Type"; NULL where it was not sent. */
GRADD_PUBLIC const char *gradd_answer_header(const struct gradd_answer *answer, const char *name);
/* The body as it came, *n bytes and a NUL; n may be NULL. */
GRADD_PUBLIC const char *gradd_answer_text(const struct gradd_answer *answer, size_t *n);
GRADD_PUBLIC void gradd_answer_free(struct gradd_answer *answer);

/* Values are found by JSON Pointer (RFC 6901): "" is all, "/gradient/x1", "/sessions/0/id". Whatever
 * form a number came in, it reads as one. One thread reads an answer at a time; what is returned lives as
 * long as the answer. */
enum gradd_kind {
    GRADD_ABSENT,
    GRADD_NULL, /* no gradient, for one */
    GRADD_TRUTH,
    GRADD_NUMBER,
    GRADD_STRING,
    GRADD_ARRAY,
    GRADD_OBJECT,
    GRADD_TYPED /* a tensor in one of the typed forms */
};
GRADD_PUBLIC enum gradd_kind gradd_answer_kind(struct gradd_answer *answer, const char *pointer);
/* Members of an object, elements of an array, 0 of anything else; the i-th member's name or NULL. */
GRADD_PUBLIC size_t gradd_answer_length(struct gradd_answer *answer, const char *pointer);
GRADD_PUBLIC const char *gradd_answer_key(struct gradd_answer *answer, const char *pointer,
                                          size_t i);
/* False, and nothing is written, where there is no such value. */
GRADD_PUBLIC bool gradd_answer_double(struct gradd_answer *answer, const char *pointer,
                                      double *out);
GRADD_PUBLIC bool gradd_answer_int(struct gradd_answer *answer, const char *pointer, int64_t *out);
GRADD_PUBLIC bool gradd_answer_bool(struct gradd_answer *answer, const char *pointer, bool *out);
/* NULL where there is none. */
GRADD_PUBLIC const char *gradd_answer_string(struct gradd_answer *answer, const char *pointer);
/* A number or an array of them, in the dtype it came in: digits alone are int64, and with a point among
 * them float64. Its elements live as long as the answer. */
GRADD_PUBLIC bool gradd_answer_tensor(struct gradd_answer *answer, const char *pointer,
                                      struct gradd_tensor *out);
/* The n elements of a tensor as doubles, row-major, into the caller's memory; false unless there are n. */
GRADD_PUBLIC bool gradd_answer_doubles(struct gradd_answer *answer, const char *pointer,
                                       double *out, size_t n);

/* ---- calls ------------------------------------------------------------------------------------ */

/* Calls are tried again where that is safe: without a connection, and after a 429 or 503 that says when;
 * after a connection that broke or a try that took too long. A POST that changes something has an
 * Idempotency-Key for that, and runs once: a stream that is tried again is its end. What only computes may
 * run twice, unless it is a stream. With a key gradd keeps the answer for a day, and it is 16 MiB long at
 * most: `once` and tries = 1 do without. A DELETE that is tried again may find nothing to delete, and a PUT
 * with if_match its own work. */
#define GRADD_CALL GRADD_PUBLIC struct gradd_answer *

/* One call without a session, or of request->function. minimize and least_squares work in
 * request->session where it is set. */
GRADD_CALL gradd_evaluate(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_gradient(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_jacobian(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_hessian(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_jvp(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_vjp(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_hvp(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_check(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_minimize(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_least_squares(struct gradd_client *, const struct gradd_request *);

/* A page of a list. Whatever is zero is left out; NULL is the first page. */
struct gradd_page {
    int limit;
    const char *after;   /* "/next" of the page before */
    const char *label;   /* of sessions: "team:a" */
    const char *session; /* of operations */
};

/* Functions: a graph with a name. request: graph, constants, dtype, extra = {"inputs": ...}. */
GRADD_CALL gradd_function_put(struct gradd_client *, const char *name,
                              const struct gradd_request *);
GRADD_CALL gradd_function_get(struct gradd_client *, const char *name);
GRADD_CALL gradd_function_delete(struct gradd_client *, const char *name);
GRADD_CALL gradd_functions(struct gradd_client *, const struct gradd_page *);

/* Sessions. request: variables, constants, dtype, optimizer, extra = {"labels": ..., "ttl_seconds": ...};
 * NULL is an empty one. The id of a created one is "/id". */
GRADD_CALL gradd_session_create(struct gradd_client *, const struct gradd_request *);
GRADD_CALL gradd_session_put(struct gradd_client *, const char *session,
                             const struct gradd_request *);
GRADD_CALL gradd_session_get(struct gradd_client *, const char *session);
GRADD_CALL gradd_session_patch(struct gradd_client *, const char *session, const char *json);
GRADD_CALL gradd_session_delete(struct gradd_client *, const char *session);
GRADD_CALL gradd_sessions(struct gradd_client *, const struct gradd_page *);
/* A copy, under an id of its own. */
GRADD_CALL gradd_session_clone(struct gradd_client *, const char *session);
/* The whole session as JSON, and a new one from that. */
GRADD_CALL gradd_session_export(struct gradd_client *, const char *session);
GRADD_CALL gradd_session_import(struct gradd_client *, const char *json);

/* What a session holds. if_match: the ETag that what is changed must still have; NULL: any. */
GRADD_CALL gradd_variables(struct gradd_client *, const char *session);
GRADD_CALL gradd_variables_put(struct gradd_client *, const char *session,
                               const struct gradd_binding *variables, const char *if_match);
GRADD_CALL gradd_variable_get(struct gradd_client *, const char *session, const char *name);
GRADD_CALL gradd_variable_put(struct gradd_client *, const char *session,
                              const struct gradd_binding *variable, const char *if_match);
GRADD_CALL gradd_variable_delete(struct gradd_client *, const char *session, const char *name,
                                 const char *if_match);
GRADD_CALL gradd_variable_assign(struct gradd_client *, const char *session,
                                 const struct gradd_binding *value, const char *if_match);
GRADD_CALL gradd_variable_assign_add(struct gradd_client *, const char *session,
                                     const struct gradd_binding *value, const char *if_match);
GRADD_CALL gradd_variable_assign_sub(struct gradd_client *, const char *session,
                                     const struct gradd_binding *value, const char *if_match);
GRADD_CALL gradd_constants(struct gradd_client *, const char *session);
GRADD_CALL gradd_constant_get(struct gradd_client *, const char *session, const char *name);
GRADD_CALL gradd_constant_put(struct gradd_client *, const char *session,
                              const struct gradd_binding *constant, const char *if_match);
GRADD_CALL gradd_constant_delete(struct gradd_client *, const char *session, const char *name,
                                 const char *if_match);
GRADD_CALL gradd_tensors(struct gradd_client *, const char *session);
GRADD_CALL gradd_tensor_get(struct gradd_client *, const char *session, const char *name);
GRADD_CALL gradd_tensor_delete(struct gradd_client *, const char *session, const char *name,
                               const char *if_match);

GRADD_CALL gradd_execute(struct gradd_client *, const char *session, const struct gradd_request *);
/* request: gradients. A gradient of {.json = "\"g\""} is the session's tensor g, of "null" none. */
GRADD_CALL gradd_apply_gradients(struct gradd_client *, const char *session,
                                 const struct gradd_request *);

/* Tapes: with a graph it records that and stops. The name of an opened one is "/tape". */
GRADD_CALL gradd_tape_open(struct gradd_client *, const char *session,
                           const struct gradd_request *);
GRADD_CALL gradd_tapes(struct gradd_client *, const char *session);
GRADD_CALL gradd_tape_get(struct gradd_client *, const char *session, const char *tape);
GRADD_CALL gradd_tape_delete(struct gradd_client *, const char *session, const char *tape);
GRADD_CALL gradd_tape_gradient(struct gradd_client *, const char *session, const char *tape,
                               const struct gradd_request *);
GRADD_CALL gradd_tape_jacobian(struct gradd_client *, const char *session, const char *tape,
                               const struct gradd_request *);
GRADD_CALL gradd_tape_batch_jacobian(struct gradd_client *, const char *session, const char *tape,
                                     const struct gradd_request *);
GRADD_CALL gradd_tape_jvp(struct gradd_client *, const char *session, const char *tape,
                          const struct gradd_request *);
GRADD_CALL gradd_tape_watch(struct gradd_client *, const char *session, const char *tape,
                            const struct gradd_request *);
GRADD_CALL gradd_tape_stop(struct gradd_client *, const char *session, const char *tape);
GRADD_CALL gradd_tape_resume(struct gradd_client *, const char *session, const char *tape);
GRADD_CALL gradd_tape_reset(struct gradd_client *, const char *session, const char *tape);

/* The optimizer of a session. json: {"name": "Adam", "learning_rate": 0.1}; PUT begins anew, PATCH changes
 * settings and keeps the state. */
GRADD_CALL gradd_optimizer_get(struct gradd_client *, const char *session, bool slots);
GRADD_CALL gradd_optimizer_put(struct gradd_client *, const char *session, const char *json);
GRADD_CALL gradd_optimizer_patch(struct gradd_client *, const char *session, const char *json);
GRADD_CALL gradd_optimizer_delete(struct gradd_client *, const char *session);

/* Long work: method is "minimize" or "least_squares", and work the request of it, in work->session where
 * that is set. The answer's "/name" names the operation: "operations/ID", of which calls take either
 * form. */
GRADD_CALL gradd_job(struct gradd_client *, const char *method, const struct gradd_request *work);
GRADD_CALL gradd_operations(struct gradd_client *, const struct gradd_page *);
/* As it is once it is done, or after so many seconds. */
GRADD_CALL gradd_operation_get(struct gradd_client *, const char *operation, int wait_seconds);
/* Cancels it, or forgets one that is done. */
GRADD_CALL gradd_operation_delete(struct gradd_client *, const char *operation);
/* Follows it to its end, which is the answer, whatever becomes of connections. progress may be NULL. */
GRADD_CALL gradd_operation_follow(struct gradd_client *, const char *operation,
                                  gradd_progress_function *progress, void *context);

/* What there is, and how gradd is. */
GRADD_CALL gradd_ops(struct gradd_client *);
GRADD_CALL gradd_optimizers(struct gradd_client *);
GRADD_CALL gradd_schedules(struct gradd_client *);
GRADD_CALL gradd_schedule_evaluate(struct gradd_client *, const char *json);
GRADD_CALL gradd_limits(struct gradd_client *);
GRADD_CALL gradd_problems(struct gradd_client *);
GRADD_CALL gradd_stats(struct gradd_client *);
GRADD_CALL gradd_metrics(struct gradd_client *);
GRADD_CALL gradd_health(struct gradd_client *);
GRADD_CALL gradd_ready(struct gradd_client *);
GRADD_CALL gradd_version(struct gradd_client *);
GRADD_CALL gradd_openapi(struct gradd_client *);

/* Any other: method "GET", "HEAD", "POST", "PUT", "PATCH" or "DELETE", a path with its query, a body of
 * JSON or NULL, and an ETag or NULL. */
GRADD_CALL gradd_call(struct gradd_client *, const char *method, const char *path, const char *json,
                      const char *if_match);

#undef GRADD_CALL

#ifdef __cplusplus
}
#endif
#endif
