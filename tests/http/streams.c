/* Long work over plain sockets: streams of events that are read while the run goes on, clients that
 * leave, and jobs that nobody waits for. Knows nothing of gradd's insides.
 *
 *     streams GRADD
 *
 * Prints a line a test, and `N passed, N failed` last. Waits longer where GRADD_TEST_PATIENCE, a
 * factor, says that gradd is slow here. */
#include "wire.h"

#define EVENTS "Accept: text/event-stream\r\n"

/* Runs that take longer than any test, and short ones; each step is recorded. */
#define RUN(steps)                                                                                 \
    "{\"graph\":\"reduce_sum((x - 1) ** 2)\",\"variables\":{\"x\":[2,3]},\"steps\":" steps         \
    ",\"record_every\":1000,\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":1e-9}}"
#define JOB(steps) "{\"method\":\"minimize\",\"request\":" RUN(steps) "}"
static const char long_run[] = RUN("100000000"), long_job[] = JOB("1000000000");

static int fresh(void) { return dial(&usual); }

static bool post(int fd, const char *path, const char *headers, const char *body) {
    return say(fd, "POST %s HTTP/1.1\r\nHost: gradd\r\n%sContent-Length: %zu\r\n\r\n%s", path,
               headers, strlen(body), body);
}

static int ask(const struct child *child, const char *method, const char *path, const char *body) {
    int fd = dial(child);
    if (body)
        post(fd, path, "", body);
    else
        say(fd, "%s %s HTTP/1.1\r\nHost: gradd\r\n\r\n", method, path);
    const int status = hear_one(fd, false, 30000);
    close(fd);
    return status;
}

/* ---- events ---- */

/* The chunk of a body that is being read, and the event that was read last. */
static size_t chunk;
static bool chunked;
static struct {
    char name[32], data[8192];
    long id; /* 0: none */
} event;

static bool begin_events(int fd) {
    chunk = 0;
    chunked = hear_one(fd, true, 10000) == 200 && header_is("Transfer-Encoding", "chunked");
    return reply.status == 200 && header_is("Content-Type", "text/event-stream");
}

/* The next byte of a body in chunks; false at its end. */
static bool next_byte(int fd, char *c, int64_t end) {
    char line[32];
    if (!chunked) return read_byte(fd, c, end);
    if (chunk == 0) {
        size_t n = 0;
        while (n + 1 < sizeof line && read_byte(fd, &line[n], end) && line[n] != '\n') n++;
        line[n] = '\0';
        chunk = strtoul(line, NULL, 16);
        if (chunk == 0) read_byte(fd, c, end), read_byte(fd, c, end);
        if (chunk == 0) return false;
    }
    if (!read_byte(fd, c, end)) return false;
    if (--chunk == 0) {
        char mark[2];
        return read_byte(fd, mark, end) && read_byte(fd, mark + 1, end);
    }
    return true;
}

static bool next_line(int fd, char *line, size_t size, int64_t end) {
    size_t n = 0;
    char c;
    while (next_byte(fd, &c, end)) {
        if (c == '\n') {
            line[n] = '\0';
            return true;
        }
        if (n + 1 < size) line[n++] = c;
    }
    return false;
}

/* Reads an event, past comments; false where none comes. */
static bool hear_event(int fd) {
    static char line[16 << 10];
    const int64_t end = now_ms() + (int64_t)30000 * patience;
    event.name[0] = event.data[0] = '\0';
    event.id = 0;
    while (next_line(fd, line, sizeof line, end)) {
        if (!*line && event.name[0]) return true;
        sscanf(line, "id: %ld", &event.id);
        sscanf(line, "event: %31s", event.name);
        if (strncmp(line, "data: ", 6) == 0)
            snprintf(event.data, sizeof event.data, "%.8000s", line + 6);
    }
    return false;
}

static bool event_is(const char *name) { return strcmp(event.name, name) == 0; }
static bool data_says(const char *part) { return strstr(event.data, part) != NULL; }

/* ---- streams ---- */

static bool tells_the_first_step_while_the_run_goes_on(void) {
    int fd = fresh();
    const int64_t from = now_ms();
    CHECK(post(fd, "/v1/minimize", EVENTS, long_run) && begin_events(fd));
    CHECK(hear_event(fd) && event_is("progress"));
    CHECK(data_says("\"step\":0,\"loss\":5.0,\"gradient_norm\":4.47213"));
    CHECK(hear_event(fd) && event_is("progress") && data_says("\"step\":1000,"));
    /* It would have taken much longer. */
    CHECK(now_ms() - from < 5000 * patience);
    CHECK(stat_of(&usual, "requests", "in_flight") >= 2); /* it, and the question */
    close(fd);
    return stat_becomes(&usual, "requests", "in_flight", 1, true, 5000);
}

/* Milliseconds until gradd has noticed; -1: it did not. */
static int64_t hang_up(void) {
    const long before = stat_of(&usual, "requests", "cancelled");
    int fd = fresh();
    if (!post(fd, "/v1/minimize", EVENTS, long_run) || !begin_events(fd) || !hear_event(fd))
        return -1;
    const int64_t from = now_ms();
    close(fd);
    if (!stat_becomes(&usual, "requests", "cancelled", before + 1, false, 30000)) return -1;
    const int64_t took = now_ms() - from;
    return stat_becomes(&usual, "requests", "in_flight", 1, true, 30000) ? took : -1;
}

static bool ends_a_run_whose_client_leaves(void) {
    /* Workers are last in line for a core: on a busy machine one of many tries must be quick. */
    int64_t best = INT64_MAX;
    for (int i = 0; i < 60 && best >= 100 * patience; i++) {
        const int64_t took = hang_up();
        CHECK(took >= 0);
        if (took < best) best = took;
    }
    CHECK(best < 100 * patience);
    return true;
}

static void leave_with_a_reset(int fd) {
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(fd);
}

/* A key outlives the connection that it came on: these runs take so long that the transport has forgotten its texts when
 * they are compared with the next one, and when an answer is kept. */
static bool answers_again_runs_whose_clients_left(void) {
    enum { RUNS = 12 };
    static const char slow_run[] = "{\"graph\":\"reduce_mean(sin(x + zeros([8000000])) ** 2)\","
                                   "\"variables\":{\"x\":2.5},\"steps\":4000,\"record_every\":1,"
                                   "\"optimizer\":{\"name\":\"SGD\"}}";
    char headers[80];
    for (int i = 0; i < RUNS; i++) {
        const int fd = fresh();
        snprintf(headers, sizeof headers, EVENTS "Idempotency-Key: left-%d\r\n", i);
        CHECK(post(fd, "/v1/minimize", headers, slow_run) && begin_events(fd));
        /* What has not begun when its client leaves is not kept, and the last one is asked for again. */
        if (i == RUNS - 1) CHECK(hear_event(fd) && event_is("progress"));
        leave_with_a_reset(fd);
    }
    CHECK(stat_becomes(&usual, "requests", "in_flight", 1, true, 5000));
    const int fd = fresh();
    CHECK(post(fd, "/v1/minimize", headers, slow_run) && begin_events(fd));
    CHECK(hear_event(fd) && event_is("done") && data_says("{\"status\":\"cancelled\","));
    return close(fd) == 0;
}

static bool runs_again_what_had_not_begun_when_its_client_left(void) {
    static const char headers[] = EVENTS "Idempotency-Key: waits\r\n";
    struct child child = start("--workers", "1");
    int busy = dial(&child), waits = dial(&child);
    CHECK(post(busy, "/v1/minimize", "", long_run));
    CHECK(stat_becomes(&child, "requests", "queued", 1, false, 5000));
    CHECK(post(waits, "/v1/minimize", headers, RUN("1000")) && begin_events(waits));
    /* One thread hears of both, in this order. */
    leave_with_a_reset(waits);
    close(busy);
    CHECK(stat_becomes(&child, "requests", "in_flight", 1, true, 5000));
    waits = dial(&child);
    CHECK(post(waits, "/v1/minimize", headers, RUN("1000")) && begin_events(waits));
    CHECK(hear_event(waits) && event_is("progress") && hear_event(waits) && event_is("done"));
    CHECK(data_says("{\"status\":\"max_steps\",\"steps\":1000,"));
    close(waits);
    return stop(&child);
}

static bool ends_a_stream_with_the_answer(void) {
    int fd = fresh();
    CHECK(post(fd, "/v1/minimize", EVENTS, RUN("2000")) && begin_events(fd));
    CHECK(hear_event(fd) && data_says("\"step\":0,") && event.id == 0);
    CHECK(hear_event(fd) && data_says("\"step\":1000,"));
    CHECK(hear_event(fd) && event_is("done") &&
          data_says("{\"status\":\"max_steps\",\"steps\":2000,"));
    CHECK(!hear_event(fd));
    /* The connection goes on. */
    CHECK(say(fd, HEAD("GET", "/healthz") "\r\n") && hear(fd) == 200);
    return close(fd) == 0;
}

static bool ends_a_stream_of_http_1_0_with_the_connection(void) {
    int fd = fresh();
    CHECK(say(fd, "POST /v1/minimize HTTP/1.0\r\n" EVENTS "Content-Length: %zu\r\n\r\n%s",
              strlen(RUN("1000")), RUN("1000")));
    CHECK(begin_events(fd) && !chunked);
    CHECK(hear_event(fd) && event_is("progress"));
    CHECK(hear_event(fd) && event_is("done"));
    CHECK(hears_end(fd));
    return close(fd) == 0;
}

static bool answers_what_fails_at_once_as_ever(void) {
    int fd = fresh();
    CHECK(post(fd, "/v1/minimize", EVENTS, "{\"graph\":\"x +\",\"variables\":{\"x\":1}}"));
    CHECK(hear(fd) == 400 && header_is("Content-Type", "application/problem+json"));
    CHECK(says("\"code\":\"syntax_error\"") && says("\"request_id\""));
    CHECK(post(fd, "/v1/sessions/nobody/minimize", EVENTS, "{}") && hear(fd) == 404);
    CHECK(post(fd, "/v1/minimize", EVENTS "Content-Encoding: gzip\r\n", "{}") && hear(fd) == 415);
    return close(fd) == 0;
}

static bool streams_for_those_who_would_rather_have_it(void) {
    static const struct {
        const char *accept;
        bool streams;
    } cases[] = {{"text/event-stream", true},
                 {"text/event-stream, */*", true},
                 {"text/event-stream, application/json;q=0.5", true},
                 {"text/event-stream;q=0.5, application/json", false},
                 {"text/event-stream, application/json", false},
                 {"text/*, application/json;q=0.9", true},
                 {"*/*", false},
                 {"text/event-stream;q=0, */*", false}};
    int fd = fresh();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char accept[128];
        snprintf(accept, sizeof accept, "Accept: %s\r\n", cases[i].accept);
        CHECK(post(fd, "/v1/minimize", accept, RUN("1")));
        if (cases[i].streams) {
            CHECK(begin_events(fd) && hear_event(fd) && hear_event(fd) && !hear_event(fd));
        } else {
            CHECK(hear(fd) == 200 && header_is("Content-Type", "application/json"));
        }
    }
    return close(fd) == 0;
}

static bool streams_a_run_on_a_session(void) {
    CHECK(ask(&usual, "POST", "/v1/sessions/import", "{\"variables\":{\"x\":[2,3]}}") == 201);
    char path[256];
    const char *where = header("Location");
    snprintf(path, sizeof path, "%.*s/minimize", (int)strcspn(where, "\r"), where);
    int fd = fresh();
    CHECK(post(fd, path, EVENTS,
               "{\"graph\":\"reduce_sum((x - 1) ** 2)\",\"steps\":2,"
               "\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":0.25}}"));
    CHECK(begin_events(fd));
    CHECK(hear_event(fd) && data_says("\"step\":0,\"loss\":5.0,"));
    CHECK(hear_event(fd) && data_says("\"step\":1,\"loss\":1.25,"));
    CHECK(hear_event(fd) && event_is("done") && data_says("\"variables\":{\"x\":[1.25,1.5]}"));
    close(fd);
    *strrchr(path, '/') = '\0';
    CHECK(ask(&usual, "GET", path, NULL) == 200 && says("\"x\":[1.25,1.5]"));
    return ask(&usual, "DELETE", path, NULL) == 204;
}

/* ---- jobs ---- */

/* Begins a job and keeps its path. */
static bool begin_job(const struct child *child, const char *body, char path[128]) {
    if (ask(child, "POST", "/v1/jobs", body) != 202) return false;
    const char *where = header("Location");
    snprintf(path, 128, "%.*s", (int)strcspn(where, "\r"), where);
    return true;
}

static bool accepts_a_job_at_once(void) {
    char path[128];
    int64_t best = INT64_MAX;
    /* On a busy machine one of many tries must be quick; the others say nothing. */
    for (int i = 0; i < 60 && best > 10 * patience; i++) {
        const int64_t from = now_ms();
        CHECK(begin_job(&usual, long_job, path));
        const int64_t took = now_ms() - from;
        if (took < best) best = took;
        CHECK(says("\"done\":false"));
        CHECK(ask(&usual, "DELETE", path, NULL) == 200);
        CHECK(says("\"done\":true") && (says("\"status\":\"cancelled\"") || says("\"error\"")));
        CHECK(ask(&usual, "DELETE", path, NULL) == 204);
    }
    CHECK(best <= 10 || patience > 1);
    return true;
}

static bool goes_on_with_a_job_whose_client_has_left(void) {
    char path[128];
    CHECK(begin_job(&usual, long_job, path));
    sleep_ms(50 * patience);
    int fd = fresh();
    CHECK(say(fd, HEAD("GET", "%s/events") "\r\n", path) && begin_events(fd) && hear_event(fd));
    CHECK(event_is("progress") && event.id == 1);
    CHECK(hear_event(fd) && event.id == 2);
    close(fd);
    CHECK(stat_becomes(&usual, "requests", "in_flight", 1, true, 5000));
    CHECK(stat_of(&usual, "operations", "running") == 1);
    /* And tells the rest to who comes back. */
    fd = fresh();
    CHECK(say(fd, HEAD("GET", "%s/events") "Last-Event-ID: 2\r\n\r\n", path) && begin_events(fd));
    CHECK(hear_event(fd) && event_is("progress") && event.id == 3);
    CHECK(ask(&usual, "DELETE", path, NULL) == 200);
    CHECK(says("\"response\":{\"status\":\"cancelled\""));
    while (hear_event(fd) && (event_is("progress") || event_is("dropped"))) continue;
    CHECK(event_is("done") && data_says("{\"status\":\"cancelled\"") && event.id > 3);
    CHECK(!hear_event(fd));
    close(fd);
    return ask(&usual, "DELETE", path, NULL) == 204;
}

static bool answers_who_waits_when_the_job_is_done(void) {
    char path[128];
    CHECK(begin_job(&usual, long_job, path));
    int waits = fresh(), brief = fresh();
    CHECK(say(waits, HEAD("GET", "%s?wait=60") "\r\n", path));
    const int64_t from = now_ms();
    CHECK(say(brief, HEAD("GET", "%s?wait=1") "\r\n", path) &&
          hear_one(brief, false, 20000) == 200);
    CHECK(says("\"done\":false") && now_ms() - from >= 900);
    CHECK(ask(&usual, "DELETE", path, NULL) == 200);
    CHECK(hear(waits) == 200 && says("\"done\":true") && says("\"status\":\"cancelled\""));
    CHECK(now_ms() - from < 30000);
    close(waits);
    close(brief);
    return ask(&usual, "DELETE", path, NULL) == 204;
}

static bool shows_what_a_job_has_committed(void) {
    static const char job[] =
        "{\"method\":\"minimize\",\"request\":{\"graph\":\"x ** 2\",\"steps\":1000000000,"
        "\"record_every\":1000}}";
    CHECK(
        ask(&usual, "POST", "/v1/sessions",
            "{\"variables\":{\"x\":1},\"optimizer\":{\"name\":\"Adam\",\"learning_rate\":1e-9}}") ==
        201);
    char session[128], path[160];
    snprintf(session, sizeof session, "%.*s", (int)strcspn(header("Location"), "\r"),
             header("Location"));
    snprintf(path, sizeof path, "%s/jobs", session);
    CHECK(ask(&usual, "POST", path, job) == 202);
    char operation[128];
    snprintf(operation, sizeof operation, "%.*s", (int)strcspn(header("Location"), "\r"),
             header("Location"));
    CHECK(ask(&usual, "POST", path, job) == 409 && says("\"code\":\"in_progress\""));
    snprintf(path, sizeof path, "%s/optimizer?slots=true", session);
    const int64_t end = now_ms() + 10000 * patience;
    do CHECK(ask(&usual, "GET", path, NULL) == 200);
    while (says("\"iterations\":0,") && now_ms() < end);
    /* Variables and optimizer come together, a thousand steps at a time. */
    const char *at = strstr(reply.body, "\"iterations\":");
    const long iterations = at ? strtol(at + strlen("\"iterations\":"), NULL, 10) : 0;
    CHECK(iterations > 0 && iterations % 1000 == 0 && says("\"momentum\""));
    CHECK(ask(&usual, "DELETE", session, NULL) == 409);
    CHECK(ask(&usual, "DELETE", operation, NULL) == 200 && says("\"status\":\"cancelled\""));
    return ask(&usual, "DELETE", session, NULL) == 204;
}

/* ---- a gradd of its own ---- */

static bool refuses_more_jobs_than_may_wait(void) {
    enum { MOST = 4 + 256 };
    struct child child = start("--workers", "1");
    char path[128];
    int begun = 0;
    while (begun <= MOST && begin_job(&child, long_job, path)) begun++;
    /* Some of them may not have begun to run yet. */
    CHECK(begun >= MOST - 4 && begun <= MOST);
    CHECK(reply.status == 503 && says("\"code\":\"overloaded\"") && header_is("Retry-After", "1"));
    CHECK(says("256 jobs wait already (max_queued_jobs)"));
    CHECK(ask(&child, "GET", "/healthz", NULL) == 200);
    return stop(&child);
}

static bool ends_jobs_when_told_to_end(void) {
    struct child child = start("--workers", "1");
    char path[128];
    CHECK(begin_job(&child, long_job, path));
    int fd = dial(&child);
    CHECK(say(fd, HEAD("GET", "%s/events") "\r\n", path) && begin_events(fd) && hear_event(fd));
    kill(child.pid, SIGTERM);
    while (hear_event(fd) && (event_is("progress") || event_is("dropped"))) continue;
    CHECK(event_is("done") && data_says("\"status\":\"cancelled\""));
    CHECK(reap(&child, 10000) == 0);
    return close(fd) == 0;
}

static bool finishes_a_stream_when_told_to_end(void) {
    struct child child = start("--workers", "1");
    int fd = dial(&child);
    const char *run = patience > 1 ? RUN("100000") : RUN("1000000"); /* within its grace */
    CHECK(post(fd, "/v1/minimize", EVENTS, run) && begin_events(fd) && hear_event(fd));
    kill(child.pid, SIGTERM);
    while (hear_event(fd) && (event_is("progress") || event_is("dropped"))) continue;
    CHECK(event_is("done") && data_says("\"status\":\"max_steps\""));
    CHECK(reap(&child, 30000) == 0);
    return close(fd) == 0;
}

#define TESTS(X)                                                                                   \
    X(tells_the_first_step_while_the_run_goes_on)                                                  \
    X(ends_a_run_whose_client_leaves)                                                              \
    X(answers_again_runs_whose_clients_left)                                                       \
    X(runs_again_what_had_not_begun_when_its_client_left)                                          \
    X(ends_a_stream_with_the_answer)                                                               \
    X(ends_a_stream_of_http_1_0_with_the_connection)                                               \
    X(answers_what_fails_at_once_as_ever)                                                          \
    X(streams_for_those_who_would_rather_have_it)                                                  \
    X(streams_a_run_on_a_session)                                                                  \
    X(accepts_a_job_at_once)                                                                       \
    X(goes_on_with_a_job_whose_client_has_left)                                                    \
    X(answers_who_waits_when_the_job_is_done)                                                      \
    X(shows_what_a_job_has_committed)                                                              \
    X(refuses_more_jobs_than_may_wait)                                                             \
    X(ends_jobs_when_told_to_end)                                                                  \
    X(finishes_a_stream_when_told_to_end)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    return run_tests(argc, argv, "--workers", "2", tests, sizeof tests / sizeof *tests);
}
