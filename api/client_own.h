/* What the parts of the client share; client.h is what its users see. */
#ifndef GRADD_API_CLIENT_OWN_H
#define GRADD_API_CLIENT_OWN_H

#include <pthread.h>

#include "api/client.h"
#include "api/json.h"
#include "api/writer.h"

/* ---- clients (client.c, which alone knows libcurl) --------------------------------------------- */

enum { CLIENT_IDLE = 64 }; /* connections that are kept while nobody uses them */

struct gradd_client {
    struct gradd_options options; /* presets filled in; its texts are the client's own */
    char *url;                    /* without a slash at its end */
    char *socket;                 /* path of a Unix socket; NULL: none */
    char *authorization;          /* the whole header; NULL: none */
    pthread_mutex_t lock;         /* over what follows */
    void *idle[CLIENT_IDLE];
    size_t n_idle;
};

/* ---- texts that grow (client_answer.c) --------------------------------------------------------- */

struct client_text {
    char *data; /* NUL-terminated; NULL: nothing was ever added */
    size_t length, capacity;
};

/* Adds to it. GRADD_TOO_LARGE where it would have more than `most` bytes, GRADD_OUT_OF_MEMORY without
 * memory: it stays as it was then. */
enum gradd_status client_text_add(struct client_text *text, const char *bytes, size_t n,
                                  size_t most);

/* ---- answers (client_answer.c) ----------------------------------------------------------------- */

enum { CLIENT_HEADERS = 5, CLIENT_HEADER = 512, CLIENT_DETAIL = 512 };

struct gradd_answer {
    enum gradd_status status;
    int http; /* status, 0: nothing was answered */
    struct gradd_problem problem;
    char detail[CLIENT_DETAIL]; /* of a failure of the client */
    char headers[CLIENT_HEADERS][CLIENT_HEADER];
    struct client_text body;
    struct arena arena;
    const struct json *root; /* NULL: the body is no JSON */
    bool is_failed_run;      /* the body is the problem of a stream's last event */
};

/* An answer that says nothing yet; NULL without memory. */
struct gradd_answer *answer_new(const struct gradd_client *client);
/* As it was when it was new. */
void answer_clear(struct gradd_answer *a);
/* A failure of the client; the first counts. Returns the answer. */
struct gradd_answer *answer_fail(struct gradd_answer *a, enum gradd_status status,
                                 const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Takes a line of a response's head. */
void answer_take_header(struct gradd_answer *a, const char *line, size_t n);
/* Adds to the body; false, and it has failed, past the ceiling or without memory. */
bool answer_take_body(struct gradd_answer *a, const char *bytes, size_t n, size_t most);
/* Reads what came, once all of it has. */
void answer_read(struct gradd_answer *a);

/* ---- streams (client_stream.c) ----------------------------------------------------------------- */

/* Server-sent events, as they come in. */
struct client_stream {
    gradd_progress_function *progress; /* NULL: nobody listens */
    void *context;
    struct gradd_answer *answer;         /* becomes what the last event says */
    size_t most;                         /* bytes of an event */
    struct client_text line;             /* what has come of a line */
    char event[16], id[32], last_id[32]; /* last_id: of the last whole event */
    struct client_text data;
    bool moved, done; /* an event came since this was last cleared; the last one did */
};

/* Takes bytes of the stream; false: no more is wanted, and why is in the answer. */
bool stream_take(struct client_stream *s, const char *bytes, size_t n);
/* Forgets what has come of an event: its connection is gone. */
void stream_break(struct client_stream *s);
void stream_free(struct client_stream *s);

/* ---- calls (client_call.c) --------------------------------------------------------------------- */

enum { CLIENT_KEY = 33 };

struct client_call {
    const char *method;
    struct writer path, body; /* the body is sent where `has_body` */
    bool has_body;
    bool is_invalid;              /* what the caller gave makes no request */
    bool once;                    /* it is not tried again */
    const char *if_match;         /* NULL: none */
    double more_seconds;          /* that a try may take */
    struct client_stream *stream; /* NULL: the answer is asked for whole */
    char key[CLIENT_KEY];         /* the Idempotency-Key; "": none */
};

/* Begins path and body. Each % of the path is the next argument, encoded; NULL or "" leaves the call
 * invalid. */
void call_path(struct client_call *call, const char *path, ...);
/* Adds to the path's query. */
void call_query(struct client_call *call, const char *name, const char *value);
/* Makes the call and gives its writers back. */
struct gradd_answer *call_make(struct gradd_client *client, struct client_call *call);
/* The same, hearing events; progress may be NULL. */
struct gradd_answer *call_follow(struct gradd_client *client, struct client_call *call,
                                 gradd_progress_function *progress, void *context);

/* Whether running twice is as good as running once. */
bool call_may_repeat(const struct client_call *call);

/* One try, into an answer that says nothing yet. *sent: gradd may have got the request. (client.c) */
void client_try(struct gradd_client *client, const struct client_call *call,
                struct gradd_answer *answer, bool *sent);

/* ---- bodies (client_request.c) ----------------------------------------------------------------- */

enum { CLIENT_BODY = 1 << 30 }; /* the longest */

/* The members of a request as an object. takes_format: the call takes "format", and the client's may be sent.
 * False where a value is none, or `extra` no object. */
bool body_request(struct writer *w, const struct gradd_client *client,
                  const struct gradd_request *request, bool takes_format);
/* {"value": ...}, with the flag of a variable where it is put. */
bool body_value(struct writer *w, const struct gradd_client *client,
                const struct gradd_binding *binding, bool puts);

#endif
