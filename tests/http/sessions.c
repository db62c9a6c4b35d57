/* Sessions over plain sockets, where it matters who holds one and who waits. Knows nothing of gradd's
 * insides.
 *
 *     sessions GRADD
 *
 * Prints a line a test, and `N passed, N failed` last; see wire.c. */
#include "wire.h"

static int fresh(void) { return dial(&usual); }

static bool send_body(int fd, const char *method, const char *path, const char *body) {
    return say(fd, "%s %s HTTP/1.1\r\nHost: gradd\r\nContent-Length: %zu\r\n\r\n%s", method, path,
               strlen(body), body);
}

/* Asks on a connection of its own and returns the status. */
static int ask_once(const struct child *child, const char *method, const char *path,
                    const char *body) {
    int fd = dial(child);
    int status = 0;
    if (body ? send_body(fd, method, path, body)
             : say(fd, "%s %s HTTP/1.1\r\nHost: gradd\r\n\r\n", method, path))
        status = hear_one(fd, false, 60000);
    close(fd);
    return status;
}

static bool make(const struct child *child, const char *id) {
    char path[64];
    snprintf(path, sizeof path, "/v1/sessions/%s", id);
    return ask_once(child, "PUT", path, "{\"variables\":{\"x\":1.0}}") == 201;
}

static bool end(const struct child *child, const char *id) {
    char path[64];
    snprintf(path, sizeof path, "/v1/sessions/%s", id);
    return ask_once(child, "DELETE", path, NULL) == 204;
}

static bool waiting_is(const struct child *child, long n) {
    return stat_becomes(child, "state", "waiting", n, false, 5000) &&
           stat_becomes(child, "state", "waiting", n, true, 5000);
}

/* A graph of so many products of matrices with n rows. */
static const char *products(int n, int count) {
    static char body[64 << 10];
    int at =
        snprintf(body, sizeof body, "{\"graph\":\"m0 = broadcast_to(x, [%d, %d]) / %d.0", n, n, n);
    for (int i = 0; i < count; i++)
        at += snprintf(body + at, sizeof body - (size_t)at, "; m%d = m%d @ m%d", i + 1, i, i);
    snprintf(body + at, sizeof body - (size_t)at, "; y = reduce_sum(m%d)\",\"fetch\":\"y\"}",
             count);
    return body;
}

static bool begin(const struct child *child, int fd, const char *id, int n, int count) {
    char path[64];
    long before = stat_of(child, "requests", "queued");
    snprintf(path, sizeof path, "/v1/sessions/%s/execute", id);
    return send_body(fd, "POST", path, products(n, count)) &&
           stat_becomes(child, "requests", "queued", before + 1, false, 5000);
}

/* Begins an execute that lasts as good as until its client leaves. */
static bool occupy(const struct child *child, int fd, const char *id) {
    return begin(child, fd, id, 3000, 15);
}

/* ---- tests ---- */

/* Whatever the machine does besides: the second is over while the first goes on. */
static bool works_for_one_session_while_another_is_busy(void) {
    CHECK(make(&usual, "a") && make(&usual, "b"));
    int busy = fresh(), quick = fresh();
    CHECK(occupy(&usual, busy, "a") && begin(&usual, quick, "b", 300, 3));
    CHECK(hear_one(quick, false, 60000) == 200);
    CHECK(stat_becomes(&usual, "requests", "in_flight", 2, true, 2000));
    close(busy);
    close(quick);
    return end(&usual, "a") && end(&usual, "b");
}

static bool answers_others_while_a_session_is_busy(void) {
    CHECK(make(&usual, "s") && make(&usual, "other"));
    int busy = fresh();
    CHECK(occupy(&usual, busy, "s"));
    CHECK(ask_once(&usual, "GET", "/healthz", NULL) == 200);
    CHECK(ask_once(&usual, "GET", "/v1/sessions/other/variables/x", NULL) == 200);
    CHECK(ask_once(&usual, "GET", "/v1/sessions?limit=10", NULL) == 200 && says("\"other\""));
    struct pollfd answer = {.fd = busy, .events = POLLIN};
    CHECK(poll(&answer, 1, 0) == 0); /* it is busy still */
    close(busy);
    return end(&usual, "s") && end(&usual, "other");
}

/* The first that has the key waits for its session, and is the one that runs. */
static bool runs_a_request_of_a_key_once_at_a_time(void) {
    static const char request[] =
        "POST /v1/sessions/s/variables/x/assign_add HTTP/1.1\r\nHost: localhost\r\n"
        "Idempotency-Key: k\r\nContent-Length: 11\r\n\r\n{\"value\":1}";
    CHECK(make(&usual, "s"));
    int busy = fresh(), first = fresh(), second = fresh();
    CHECK(occupy(&usual, busy, "s") && say(first, "%s", request) && waiting_is(&usual, 1));
    CHECK(say(second, "%s", request) && hear(second) == 409 && says("in_progress"));
    close(busy);
    CHECK(hear_one(first, false, 60000) == 200 && says("\"value\":2.0"));
    CHECK(say(second, "%s", request) && hear(second) == 200 && says("\"value\":2.0"));
    close(first);
    close(second);
    return end(&usual, "s");
}

static bool adds_up_what_many_clients_add(void) {
    enum { CLIENTS = 8, ROUNDS = 50 };
    int fds[CLIENTS];
    CHECK(make(&usual, "sum"));
    for (int i = 0; i < CLIENTS; i++) CHECK((fds[i] = fresh()) >= 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            CHECK(send_body(fds[i], "POST", "/v1/sessions/sum/variables/x/assign_add",
                            "{\"value\":1}"));
        for (int i = 0; i < CLIENTS; i++) CHECK(hear(fds[i]) == 200);
    }
    for (int i = 0; i < CLIENTS; i++) close(fds[i]);
    CHECK(ask_once(&usual, "GET", "/v1/sessions/sum/variables/x", NULL) == 200);
    CHECK(says("\"value\":401.0"));
    return end(&usual, "sum");
}

static bool goes_on_with_those_that_wait_in_their_order(void) {
    CHECK(make(&usual, "s"));
    int busy = fresh(), first = fresh(), second = fresh();
    CHECK(occupy(&usual, busy, "s"));
    CHECK(send_body(first, "POST", "/v1/sessions/s/variables/x/assign", "{\"value\":5}"));
    CHECK(waiting_is(&usual, 1));
    CHECK(send_body(second, "POST", "/v1/sessions/s/variables/x/assign_add", "{\"value\":1}"));
    CHECK(waiting_is(&usual, 2));
    close(busy);
    CHECK(hear_one(second, false, 30000) == 200 && says("\"value\":6.0"));
    CHECK(hear(first) == 200 && says("\"value\":5.0"));
    close(first);
    close(second);
    return waiting_is(&usual, 0) && end(&usual, "s");
}

static bool forgets_who_leaves_while_waiting(void) {
    CHECK(make(&usual, "s"));
    int busy = fresh(), gone = fresh();
    CHECK(occupy(&usual, busy, "s"));
    CHECK(send_body(gone, "POST", "/v1/sessions/s/variables/x/assign", "{\"value\":5}"));
    CHECK(waiting_is(&usual, 1));
    close(gone);
    CHECK(waiting_is(&usual, 0));
    CHECK(stat_becomes(&usual, "requests", "in_flight", 2, true, 2000));
    close(busy);
    CHECK(ask_once(&usual, "GET", "/v1/sessions/s/variables/x", NULL) == 200);
    CHECK(says("\"value\":1.0"));
    return end(&usual, "s");
}

static bool tells_those_that_wait_for_what_is_deleted(void) {
    CHECK(make(&usual, "s"));
    int busy = fresh(), deletes = fresh(), reads = fresh();
    CHECK(occupy(&usual, busy, "s"));
    CHECK(say(deletes, HEAD("DELETE", "/v1/sessions/s") "\r\n") && waiting_is(&usual, 1));
    CHECK(say(reads, GET("/v1/sessions/s")) && waiting_is(&usual, 2));
    close(busy);
    CHECK(hear_one(deletes, false, 30000) == 204);
    CHECK(hear_one(reads, false, 30000) == 404 && says("there is no session \\\"s\\\""));
    return close(deletes) == 0 && close(reads) == 0;
}

static bool lets_so_many_wait_and_no_more(void) {
    enum { MOST = 64 };
    int fds[MOST];
    CHECK(make(&usual, "s"));
    int busy = fresh();
    CHECK(occupy(&usual, busy, "s"));
    for (int i = 0; i < MOST; i++)
        CHECK((fds[i] = fresh()) >= 0 && say(fds[i], GET("/v1/sessions/s")));
    CHECK(waiting_is(&usual, MOST));
    CHECK(ask_once(&usual, "GET", "/v1/sessions/s", NULL) == 503);
    CHECK(says("\"code\":\"overloaded\"") && header_is("Retry-After", "1"));
    close(busy);
    for (int i = 0; i < MOST; i++) {
        CHECK(hear_one(fds[i], false, 30000) == 200);
        close(fds[i]);
    }
    return end(&usual, "s");
}

static bool ends_a_session_that_is_idle(void) {
    CHECK(ask_once(&usual, "PUT", "/v1/sessions/brief", "{\"ttl_seconds\":0.2}") == 201);
    CHECK(ask_once(&usual, "GET", "/v1/sessions/brief", NULL) == 200 || patience > 1);
    CHECK(stat_becomes(&usual, "state", "sessions", 0, true, 5000));
    return ask_once(&usual, "GET", "/v1/sessions/brief", NULL) == 404;
}

static bool pages_through_many_sessions(void) {
    enum { MANY = 1000 };
    char path[64], wanted[32];
    int fd = fresh(), seen = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "/v1/sessions/p%d", i);
        CHECK(send_body(fd, "PUT", path, "{}") && hear(fd) == 201);
    }
    char next[32] = "0";
    while (strcmp(next, "null") != 0) {
        CHECK(say(fd, HEAD("GET", "/v1/sessions?limit=64&after=%s") "\r\n", next));
        CHECK(hear(fd) == 200);
        for (int i = 0; i < 64 && seen < MANY; i++) {
            snprintf(wanted, sizeof wanted, "\"id\":\"p%d\"", seen++);
            CHECK(says(wanted));
        }
        const char *at = strstr(reply.body, "\"next\":");
        CHECK(at && (sscanf(at, "\"next\":\"%31[0-9]\"", next) == 1 || strcpy(next, "null")));
    }
    CHECK(seen == MANY);
    for (int i = 0; i < MANY; i++) {
        CHECK(say(fd, HEAD("DELETE", "/v1/sessions/p%d") "\r\n", i) && hear(fd) == 204);
    }
    return close(fd) == 0 && stat_becomes(&usual, "state", "session_bytes", 0, true, 1000);
}

/* ---- a gradd of its own ---- */

static bool answers_those_that_wait_when_told_to_end(void) {
    struct child child = start("--workers", "2");
    CHECK(make(&child, "s"));
    int busy = dial(&child), first = dial(&child), late = dial(&child);
    CHECK(say(late, GET("/healthz")) && hear(late) == 200);
    CHECK(begin(&child, busy, "s", 1000, 10));
    CHECK(say(first, GET("/v1/sessions/s")) && waiting_is(&child, 1));
    kill(child.pid, SIGTERM);
    sleep_ms(20);
    if (say(late, GET("/v1/sessions/s")) && hear_one(late, false, 30000) != 0)
        CHECK(reply.status == 503 ? says("\"code\":\"draining\"") : reply.status == 200);
    CHECK(hear_one(busy, false, 60000) == 200);
    CHECK(hear_one(first, false, 30000) == 200 && header_is("Connection", "close"));
    CHECK(reap(&child, 10000) == 0);
    return close(busy) == 0 && close(first) == 0 && close(late) == 0;
}

#define TESTS(X)                                                                                   \
    X(works_for_one_session_while_another_is_busy)                                                 \
    X(answers_others_while_a_session_is_busy)                                                      \
    X(runs_a_request_of_a_key_once_at_a_time)                                                      \
    X(adds_up_what_many_clients_add)                                                               \
    X(goes_on_with_those_that_wait_in_their_order)                                                 \
    X(forgets_who_leaves_while_waiting)                                                            \
    X(tells_those_that_wait_for_what_is_deleted)                                                   \
    X(lets_so_many_wait_and_no_more)                                                               \
    X(ends_a_session_that_is_idle)                                                                 \
    X(pages_through_many_sessions)                                                                 \
    X(answers_those_that_wait_when_told_to_end)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    return run_tests(argc, argv, "--workers", "2", tests, sizeof tests / sizeof *tests);
}
