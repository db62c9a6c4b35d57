/* A server that says what a test tells it to, and remembers what it was asked; and how the client takes
 * that. It knows the calls that it uses, and no gradd. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_tests.h"

/* ---- the server -------------------------------------------------------------------------------- */

enum { ASKED_MOST = 16, HEAD_MOST = 8 << 10 };

/* What is said to the first request, the second, ...: bytes, after which the connection is closed; "": it is
 * closed at once; STALL: nothing, until the client goes; KEPT: it stays open, and the next request may come
 * on it or on another. NULL ends them, and with that the server. */
static const char STALL[] = "stall", KEPT[] =
                                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                         "Content-Length: 2\r\n\r\n{}";

static struct {
    int listening, port;
    pthread_t thread;
    const char *const *says;
    int n_asked;
    char asked[ASKED_MOST][HEAD_MOST];
} server;

/* A request with its body. */
static void hear(int fd, char *to) {
    size_t n = 0, wanted = HEAD_MOST;
    for (ssize_t got; n + 1 < wanted && (got = recv(fd, to + n, HEAD_MOST - 1 - n, 0)) > 0;) {
        n += (size_t)got;
        to[n] = '\0';
        const char *end = strstr(to, "\r\n\r\n"), *length = strcasestr(to, "\r\nContent-Length:");
        if (end) wanted = (size_t)(end - to) + 5 + (length ? strtoul(length + 17, NULL, 10) : 0);
    }
    to[n] = '\0';
}

/* The connection that a request comes on: the one that was kept (-1: none), or a new one. */
static int next_connection(int kept) {
    struct pollfd fds[] = {{.fd = server.listening, .events = POLLIN},
                           {.fd = kept, .events = POLLIN}};
    char byte;
    if (kept >= 0 && poll(fds, 2, -1) > 0 && !fds[0].revents && recv(kept, &byte, 1, MSG_PEEK) > 0)
        return kept;
    if (kept >= 0) close(kept);
    return accept4(server.listening, NULL, NULL, SOCK_CLOEXEC);
}

static void *serve(void *unused) {
    int fd = -1;
    for (size_t i = 0; server.says[i] && i < ASKED_MOST; i++) {
        fd = next_connection(fd);
        const char *say = server.says[i];
        hear(fd, server.asked[i]);
        server.n_asked++;
        char byte;
        if (say == STALL)
            while (recv(fd, &byte, 1, 0) > 0) {
            }
        else
            send(fd, say, strlen(say), MSG_NOSIGNAL);
        if (say == KEPT) continue;
        close(fd);
        fd = -1;
    }
    if (fd >= 0) close(fd);
    close(server.listening);
    return unused;
}

/* A client of a server that says this, with little patience. */
static struct gradd_client *begin(const char *const *says, struct gradd_options options) {
    char url[64];
    struct sockaddr_in to = {.sin_family = AF_INET};
    socklen_t size = sizeof to;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.says = says;
    server.n_asked = 0;
    server.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server.listening, (struct sockaddr *)&to, size) != 0 ||
        listen(server.listening, 8) != 0 ||
        getsockname(server.listening, (struct sockaddr *)&to, &size) != 0)
        abort();
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(to.sin_port));
    options.url = url;
    options.wait_seconds = 0.01;
    if (pthread_create(&server.thread, NULL, serve, NULL) != 0) abort();
    return gradd_client_new(&options, NULL);
}

/* Whether so many requests came, once all that there was to say was said. */
static bool asked(struct gradd_client *c, int n) {
    gradd_client_free(c);
    pthread_join(server.thread, NULL);
    if (server.n_asked != n) printf("      %d requests came, %d should\n", server.n_asked, n);
    return server.n_asked == n;
}

/* A header of the i-th request; "" where it has none. */
static const char *header(int i, const char *name) {
    static char values[2][256];
    static int turn;
    char *value = values[turn ^= 1], line[64];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strcasestr(server.asked[i], line);
    if (at) at += strlen(line);
    snprintf(value, sizeof values[0], "%.*s", at ? (int)strcspn(at, "\r") : 0, at ? at : "");
    return value;
}

/* The server never hears of a request that it does not wait for: it would say a refusal of it. */
static bool fails(struct gradd_answer *a, enum gradd_status status) {
    const bool right = gradd_answer_status(a) == status;
    if (!right)
        printf("      %s: %s\n", gradd_strerror(gradd_answer_status(a)),
               gradd_answer_problem(a)->detail);
    gradd_answer_free(a);
    return right;
}

#define HTTP(status, type, headers, body)                                                          \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n" headers "\r\n" body
#define PROBLEM(status, code, headers)                                                             \
    HTTP(status " No", "application/problem+json", headers,                                        \
         "{\"status\":" status ",\"code\":\"" code "\",\"detail\":\"no\"}")
#define FINE HTTP("200 OK", "application/json", "", "{\"value\":1.0}")
#define SAYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct gradd_options usual = {0};

/* ---- tests ------------------------------------------------------------------------------------- */

bool client_tries_again_when_told_to_come_later(void) {
    const char *const *says = SAYS(PROBLEM("503", "overloaded", "Retry-After: 3600\r\n"),
                                   PROBLEM("429", "too_many_requests", "Retry-After: 1\r\n"), FINE);
    struct gradd_client *c = begin(says, usual);
    SUCCEEDS(gradd_gradient(c, &first_request));
    return asked(c, 3);
}

bool client_tries_again_with_its_key_where_a_connection_broke(void) {
    const char *const *says = SAYS("", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
                                   PROBLEM("409", "in_progress", ""), FINE, FINE);
    struct gradd_client *c = begin(says, usual);
    SUCCEEDS(gradd_session_create(c, &first_request));
    SUCCEEDS(gradd_session_create(c, &first_request));
    EXPECT(asked(c, 5));
    EXPECT(strlen(header(0, "Idempotency-Key")) == 32);
    for (int i = 1; i < 4; i++) {
        EXPECT(strcmp(header(0, "Idempotency-Key"), header(i, "Idempotency-Key")) == 0);
        EXPECT(strcmp(strstr(server.asked[0], "\r\n\r\n"), strstr(server.asked[i], "\r\n\r\n")) ==
               0);
    }
    EXPECT(strcmp(header(0, "Idempotency-Key"), header(4, "Idempotency-Key")) != 0);
    return true;
}

bool client_takes_no_key_where_it_needs_none(void) {
    struct gradd_client *c = begin(SAYS("", FINE, ""), usual);
    SUCCEEDS(gradd_gradient(c, &first_request));
    EXPECT(
        fails(gradd_session_create(c, &(struct gradd_request){.once = true}), GRADD_NO_CONNECTION));
    EXPECT(asked(c, 3));
    for (int i = 0; i < 3; i++) EXPECT(!*header(i, "Idempotency-Key"));
    return true;
}

bool client_runs_once_what_has_no_key_where_a_kept_connection_broke(void) {
    const struct gradd_request once = {.once = true};
    struct gradd_client *c = begin(SAYS(KEPT, "", KEPT, "", FINE), usual);
    SUCCEEDS(gradd_session_get(c, "s"));
    EXPECT(fails(gradd_session_create(c, &once), GRADD_NO_CONNECTION));
    SUCCEEDS(gradd_session_get(c, "s"));
    SUCCEEDS(gradd_session_create(c, NULL));
    return asked(c, 5);
}

bool client_does_not_try_again_what_time_does_not_help(void) {
    const char *const *says = SAYS(
        PROBLEM("429", "quota_exceeded", "Retry-After: 1\r\n"), PROBLEM("409", "in_progress", ""),
        PROBLEM("400", "shape_mismatch", ""), PROBLEM("503", "x", ""), "");
    struct gradd_client *c = begin(says, (struct gradd_options){.tries = 2});
    struct gradd_answer *a = gradd_session_create(c, NULL);
    EXPECT(gradd_answer_http_status(a) == 429 && gradd_answer_problem(a)->status == 429);
    EXPECT(strcmp(gradd_answer_problem(a)->code, "quota_exceeded") == 0);
    gradd_answer_free(a);
    EXPECT(fails(gradd_session_create(c, NULL), GRADD_REFUSED));
    EXPECT(fails(gradd_session_get(c, "s"), GRADD_REFUSED));
    EXPECT(fails(gradd_ready(c), GRADD_REFUSED));
    gradd_client_free(c);
    c = NULL;
    shutdown(server.listening, SHUT_RDWR);
    return asked(c, 5);
}

static int count(void *context, const struct gradd_progress *progress) {
    *(int *)context += (int)progress->step;
    return 0;
}

#define STEP_THEN_SILENCE                                                                          \
    HTTP("200 OK", "text/event-stream", "",                                                        \
         "event: progress\r\ndata: {\"step\":1,\"loss\":2.0}\r\n\r\n")

bool client_tries_a_stream_that_only_computes_once(void) {
    const char *const *says =
        SAYS(PROBLEM("503", "overloaded", "Retry-After: 1\r\n"), STEP_THEN_SILENCE);
    struct gradd_client *c = begin(says, usual);
    int steps = 0;
    struct gradd_request r = first_request;
    r.progress = count, r.context = &steps;
    EXPECT(fails(gradd_minimize(c, &r), GRADD_NO_CONNECTION));
    EXPECT(asked(c, 2) && steps == 1 && !*header(0, "Idempotency-Key"));
    EXPECT(strcmp(header(0, "Accept"), "text/event-stream") == 0);
    return true;
}

bool client_has_the_end_of_a_stream_that_broke(void) {
    const char *const *says =
        SAYS(STEP_THEN_SILENCE, PROBLEM("409", "in_progress", ""),
             HTTP("200 OK", "text/event-stream", "", "event: done\ndata: {\"steps\":2}\n\n"));
    struct gradd_client *c = begin(says, usual);
    int steps = 0;
    int64_t told = 0;
    struct gradd_request r = first_request;
    r.progress = count, r.context = &steps, r.session = "s";
    struct gradd_answer *a = gradd_minimize(c, &r);
    EXPECT(gradd_answer_status(a) == GRADD_OK && gradd_answer_int(a, "/steps", &told));
    gradd_answer_free(a);
    EXPECT(asked(c, 3) && steps == 1 && told == 2);
    EXPECT(strlen(header(0, "Idempotency-Key")) == 32);
    for (int i = 1; i < 3; i++)
        EXPECT(strcmp(header(0, "Idempotency-Key"), header(i, "Idempotency-Key")) == 0);
    return true;
}

bool client_needs_no_more_of_a_stream_than_its_end(void) {
    static const char broken[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n"
                                 "26\r\nevent: done\ndata: {\"steps\":2}       \n\n\r\n";
    struct gradd_client *c = begin(SAYS(broken), usual);
    int steps = 0;
    struct gradd_request r = first_request;
    r.progress = count, r.context = &steps;
    SUCCEEDS(gradd_minimize(c, &r));
    return asked(c, 1);
}

bool client_follows_an_operation_from_where_it_was(void) {
#define EVENT(id, step) "id: " id "\nevent: progress\ndata: {\"step\":" step "}\n\n"
    const char *const *says =
        SAYS(HTTP("200 OK", "text/event-stream", "",
                  EVENT("1", "1") EVENT("2", "10") "id: 3\nevent: pr"),
             "", HTTP("200 OK", "text/event-stream", "", ":\n\n" EVENT("3", "100")),
             HTTP("200 OK", "text/event-stream", "",
                  "id: 4\nevent: error\ndata: {\"status\":507,\n"
                  "data: \"code\":\"memory_budget\",\"detail\":\"too much\"}\n\n"));
    struct gradd_client *c = begin(says, (struct gradd_options){.tries = 3});
    int steps = 0;
    struct gradd_answer *a = gradd_operation_follow(c, "operations/o", count, &steps);
    EXPECT(gradd_answer_status(a) == GRADD_REFUSED && gradd_answer_http_status(a) == 507);
    EXPECT(strcmp(gradd_answer_problem(a)->code, "memory_budget") == 0);
    gradd_answer_free(a);
    EXPECT(asked(c, 4) && steps == 111);
    EXPECT(strncmp(server.asked[0], "GET /v1/operations/o/events ", 28) == 0);
    EXPECT(!*header(0, "Last-Event-ID") && strcmp(header(1, "Last-Event-ID"), "2") == 0);
    EXPECT(strcmp(header(2, "Last-Event-ID"), "2") == 0);
    EXPECT(strcmp(header(3, "Last-Event-ID"), "3") == 0);
    return true;
}

bool client_gives_up_on_what_stays_silent(void) {
    struct gradd_client *c =
        begin(SAYS(STALL, STALL), (struct gradd_options){.tries = 2, .timeout_seconds = 0.05});
    EXPECT(fails(gradd_version(c), GRADD_TIMEOUT));
    return asked(c, 2);
}

bool client_takes_no_answer_for_gradds_that_is_none(void) {
    const char *const *says =
        SAYS(HTTP("502 Bad Gateway", "text/html", "", "<html>"),
             HTTP("200 OK", "application/json", "", "{\"value\":1.0"),
             HTTP("302 Found", "application/json", "Location: http://elsewhere/\r\n", "{}"),
             "SSH-2.0-OpenSSH_9.2\r\n",
             HTTP("400 Bad Request", "application/json", "", "[1.0, \"code\"]"));
    struct gradd_client *c = begin(says, (struct gradd_options){.tries = 1});
    for (int i = 0; i < 4; i++) EXPECT(fails(gradd_version(c), GRADD_PROTOCOL));
    EXPECT(fails(gradd_version(c), GRADD_REFUSED));
    return asked(c, 5);
}

bool client_takes_no_answer_longer_than_it_may_be(void) {
    const char *const *says = SAYS(
        FINE, HTTP("200 OK", "text/event-stream", "", "event: done\ndata: 12345678901234\n\n"));
    struct gradd_client *c = begin(says, (struct gradd_options){.answer_bytes = 12});
    EXPECT(fails(gradd_version(c), GRADD_TOO_LARGE));
    EXPECT(fails(gradd_operation_follow(c, "o", NULL, NULL), GRADD_TOO_LARGE));
    return asked(c, 2);
}

bool client_sends_token_and_etag_and_escapes_names(void) {
    struct gradd_client *c =
        begin(SAYS(FINE, FINE, FINE, FINE), (struct gradd_options){.token = "secret"});
    SUCCEEDS(gradd_variable_delete(c, "a/b?", "..", "\"7\""));
    SUCCEEDS(gradd_sessions(c, &(struct gradd_page){.limit = 2, .label = "a:b c"}));
    SUCCEEDS(gradd_session_get(c, "\xC3\xA9"));
    SUCCEEDS(gradd_call(c, "GET", "/v1/sessions/..", NULL, NULL));
    EXPECT(fails(gradd_call(c, "GET / HTTP/1.1\r\nX:", "/", NULL, NULL), GRADD_INVALID));
    EXPECT(fails(gradd_call(c, "get", "/", NULL, NULL), GRADD_INVALID));
    EXPECT(fails(gradd_call(c, "DELETE", "/v1/sessions/a#b", NULL, NULL), GRADD_INVALID));
    EXPECT(fails(gradd_call(c, "GET", "/ HTTP/1.1\r\nX: ", NULL, NULL), GRADD_INVALID));
    EXPECT(fails(gradd_session_get(c, ""), GRADD_INVALID));
    EXPECT(fails(gradd_variable_delete(c, "s", "x", "\"7\"\r\nHost: x"), GRADD_INVALID));
    EXPECT(fails(gradd_variable_put(c, "s", NULL, NULL), GRADD_INVALID));
    EXPECT(fails(gradd_evaluate(c, &(struct gradd_request){.extra = "[]"}), GRADD_INVALID));
    EXPECT(asked(c, 4));
    EXPECT(strcmp(header(0, "Authorization"), "Bearer secret") == 0);
    EXPECT(strcmp(header(0, "If-Match"), "\"7\"") == 0);
    EXPECT(strncmp(server.asked[0], "DELETE /v1/sessions/a%2Fb%3F/variables/%2E%2E HTTP", 50) == 0);
    EXPECT(strncmp(server.asked[1], "GET /v1/sessions?limit=2&label=a%3Ab%20c HTTP", 45) == 0);
    EXPECT(strncmp(server.asked[2], "GET /v1/sessions/%C3%A9 HTTP", 28) == 0);
    EXPECT(strncmp(server.asked[3], "GET /v1/sessions/.. HTTP", 24) == 0);
    return true;
}
