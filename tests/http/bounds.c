/* Limits that it takes several clients, or a slow one, to reach: each set low by its option, what is said
 * to whom it is one too many, and that there is room again afterwards.
 *
 *     bounds GRADD
 */
#include "wire.h"

/* Hours of work, which ends when its client leaves. */
static const char long_run[] = "{\"graph\":\"x ** 2\",\"variables\":{\"x\":1},\"optimizer\":"
                               "{\"name\":\"SGD\"},\"steps\":1000000000,\"record_every\":10000000}";

static bool post(int fd, const char *path, const char *headers, const char *body) {
    return say(fd, "POST %s HTTP/1.1\r\nHost: gradd\r\n%sContent-Length: %zu\r\n\r\n%s", path,
               headers, strlen(body), body);
}

static bool is_well(int fd) { return say(fd, GET("/healthz")) && hear(fd) == 200; }

/* The answer is this problem, and says when to try again. */
static bool is_refused(int fd, int status, const char *code, const char *detail) {
    char member[256];
    CHECK(hear(fd) == status && header_is("Content-Type", "application/problem+json"));
    snprintf(member, sizeof member, "\"code\":\"%s\",\"detail\":\"%s\"", code, detail);
    CHECK(says(member) && header_is("Retry-After", "1"));
    return true;
}

static bool an_address_has_its_connections(void) {
    struct child child = start("--max-address-connections", "3");
    int fds[3];
    for (int i = 0; i < 3; i++) CHECK((fds[i] = dial(&child)) >= 0 && is_well(fds[i]));
    for (int i = 0; i < 20; i++) {
        int more = dial(&child);
        CHECK(more >= 0 && say(more, GET("/healthz")));
        CHECK(is_refused(more, 429, "too_many_requests",
                         "this address has 3 connections already (max_address_connections)"));
        CHECK(header_is("Connection", "close") && hears_end(more));
        close(more);
    }
    CHECK(say(fds[0], GET("/v1/stats")) && hear(fds[0]) == 200 && says("\"refused\":20"));
    close(fds[1]);
    /* It takes gradd a moment to see that somebody has left. */
    int status = 0;
    for (int64_t end = now_ms() + 5000 * patience; status != 200 && now_ms() < end;) {
        int again = dial(&child);
        CHECK(again >= 0 && say(again, GET("/healthz")));
        status = hear(again);
        close(again);
    }
    CHECK(status == 200);
    close(fds[0]);
    close(fds[2]);
    return stop(&child);
}

static bool a_local_socket_has_no_address(void) {
    char path[] = "/tmp/gradd-bounds-XXXXXX", address[64];
    int fd = mkstemp(path);
    CHECK(fd >= 0 && close(fd) == 0 && unlink(path) == 0);
    snprintf(address, sizeof address, "unix:%s", path);
    const char *arguments[] = {"--listen", address, "--max-address-connections", "1", "--log-level",
                               "error",    NULL};
    struct child child = spawn(arguments);
    CHECK(get_ready(&child));
    int fds[5];
    for (int i = 0; i < 5; i++) CHECK((fds[i] = dial_local(path)) >= 0 && is_well(fds[i]));
    for (int i = 0; i < 5; i++) close(fds[i]);
    return stop(&child);
}

static bool there_are_so_many_streams(void) {
    static const char accept[] = "Accept: text/event-stream\r\n";
    struct child child = start("--max-streams", "1");
    int first = dial(&child), second = dial(&child);
    CHECK(post(first, "/v1/minimize", accept, long_run) && hear_one(first, true, 10000) == 200);
    CHECK(header_is("Content-Type", "text/event-stream"));
    CHECK(post(second, "/v1/minimize", accept, long_run));
    CHECK(is_refused(second, 429, "too_many_requests",
                     "there are 1 streams of events already (max_streams)"));
    /* A job's events are a stream too, and the job is no worse for it. */
    CHECK(post(second, "/v1/jobs", "",
               "{\"method\":\"minimize\",\"request\":{\"graph\":\"x\","
               "\"variables\":{\"x\":1},\"optimizer\":{\"name\":\"SGD\"},"
               "\"steps\":1}}"));
    CHECK(hear(second) == 202);
    char events[256];
    const char *name = strstr(reply.body, "operations/");
    CHECK(name);
    snprintf(events, sizeof events, "GET /v1/%.*s/events HTTP/1.1\r\nHost: gradd\r\n\r\n",
             (int)strcspn(name, "\""), name);
    CHECK(say(second, "%s", events));
    CHECK(is_refused(second, 429, "too_many_requests",
                     "there are 1 streams of events already (max_streams)"));
    close(first);
    CHECK(stat_becomes(&child, "requests", "in_flight", 1, true, 10000));
    CHECK(say(second, "%s", events) && hear_one(second, true, 10000) == 200);
    CHECK(header_is("Content-Type", "text/event-stream"));
    close(second);
    return stop(&child);
}

/* One runs, two wait; the first may not have left the queue when the others come. */
static bool requests_wait_for_a_worker(void) {
    const char *arguments[] = {"--listen",       "127.0.0.1:0", "--workers",   "1",
                               "--max-queue",    "2",           "--log-level", "error",
                               "--allowed-host", "gradd",       NULL};
    struct child child = spawn(arguments);
    enum { CLIENTS = 6 };
    int fds[CLIENTS], refused = 0;
    CHECK(get_ready(&child));
    for (int i = 0; i < CLIENTS; i++)
        CHECK((fds[i] = dial(&child)) >= 0 && post(fds[i], "/v1/minimize", "", long_run));
    CHECK(stat_becomes(&child, "responses", "5xx", CLIENTS - 3, false, 5000));
    for (int i = 0; i < CLIENTS; i++) {
        struct pollfd ready = {.fd = fds[i], .events = POLLIN};
        if (poll(&ready, 1, 0) == 0) continue;
        CHECK(
            is_refused(fds[i], 503, "overloaded", "all workers are busy and their queue is full"));
        CHECK(is_well(fds[i]));
        refused++;
    }
    CHECK(refused >= CLIENTS - 3 && refused <= CLIENTS - 2);
    for (int i = 0; i < CLIENTS; i++) close(fds[i]);
    CHECK(stat_becomes(&child, "requests", "in_flight", 1, true, 10000));
    return stop(&child);
}

static bool requests_wait_for_a_session(void) {
    struct child child = start("--max-session-queue", "1");
    int fds[2], more = dial(&child);
    CHECK(say(more, HEAD("PUT", "/v1/sessions/s") "Content-Length: 23\r\n\r\n"
                                                  "{\"variables\":{\"x\":1.0}}"));
    CHECK(hear(more) == 201);
    static const char run[] = "{\"graph\":\"x ** 2\",\"steps\":1000000000,\"optimizer\":"
                              "{\"name\":\"SGD\"},\"record_every\":10000000}";
    CHECK((fds[0] = dial(&child)) >= 0 && post(fds[0], "/v1/sessions/s/minimize", "", run));
    CHECK(stat_becomes(&child, "requests", "queued", 1, false, 5000));
    CHECK((fds[1] = dial(&child)) >= 0 && say(fds[1], GET("/v1/sessions/s/variables/x")));
    CHECK(stat_becomes(&child, "state", "waiting", 1, false, 5000));
    CHECK(say(more, GET("/v1/sessions/s/variables/x")));
    CHECK(is_refused(more, 503, "overloaded",
                     "1 requests wait for this session already (max_session_queue)"));
    close(fds[0]);
    CHECK(hear(fds[1]) == 200);
    close(fds[1]);
    close(more);
    return stop(&child);
}

static bool jobs_wait_for_others(void) {
    const char *arguments[] = {
        "--listen",    "127.0.0.1:0", "--max-running-jobs", "1",     "--max-queued-jobs", "1",
        "--log-level", "error",       "--allowed-host",     "gradd", "--grace",           "0",
        NULL};
    static char job[512];
    snprintf(job, sizeof job, "{\"method\":\"minimize\",\"request\":%s}", long_run);
    struct child child = spawn(arguments);
    CHECK(get_ready(&child));
    int fd = dial(&child);
    CHECK(post(fd, "/v1/jobs", "", job) && hear(fd) == 202);
    CHECK(stat_becomes(&child, "operations", "running", 1, false, 5000));
    CHECK(post(fd, "/v1/jobs", "", job) && hear(fd) == 202);
    CHECK(post(fd, "/v1/jobs", "", job));
    CHECK(is_refused(fd, 503, "overloaded", "1 jobs wait already (max_queued_jobs)"));
    close(fd);
    return stop(&child);
}

static bool a_job_ends_and_is_forgotten_after_their_seconds(void) {
    const char *arguments[] = {"--listen",
                               "127.0.0.1:0",
                               "--max-operation-seconds",
                               "1",
                               "--max-job-seconds",
                               "1",
                               "--max-seconds",
                               "1",
                               "--log-level",
                               "error",
                               "--allowed-host",
                               "gradd",
                               NULL};
    static char job[512], path[64];
    snprintf(job, sizeof job, "{\"method\":\"minimize\",\"request\":%s}", long_run);
    struct child child = spawn(arguments);
    CHECK(get_ready(&child));
    int fd = dial(&child), status = 200;
    CHECK(post(fd, "/v1/jobs", "", job) && hear(fd) == 202);
    const char *name = strstr(reply.body, "operations/");
    CHECK(name);
    snprintf(path, sizeof path, "/v1/%.*s", (int)strcspn(name, "\""), name);
    CHECK(say(fd, "GET %s?wait=30 HTTP/1.1\r\nHost: gradd\r\n\r\n", path));
    CHECK(hear_one(fd, false, 30000) == 200 && says("\"done\":true") &&
          says("\"status\":\"deadline\""));
    for (int64_t end = now_ms() + 30000 * patience; status == 200 && now_ms() < end; sleep_ms(20)) {
        CHECK(say(fd, "GET %s HTTP/1.1\r\nHost: gradd\r\n\r\n", path));
        status = hear(fd);
    }
    CHECK(status == 404);
    close(fd);
    return stop(&child);
}

/* Who is one too many is told so, and let in as soon as somebody has left. */
static bool there_are_so_many_connections(void) {
    struct child child = start("--max-connections", "2");
    int one = dial(&child), two = dial(&child), three;
    CHECK(is_well(one) && is_well(two));
    CHECK((three = dial(&child)) >= 0 && say(three, GET("/healthz")));
    CHECK(hear(three) == 503 && header_is("Retry-After", "1"));
    CHECK(says("\"code\":\"overloaded\"") && hears_end(three));
    CHECK(says("the server has 2 connections already (max_connections)") && is_well(one));
    close(two);
    bool served = false;
    for (int64_t end = now_ms() + 5000 * patience; !served && now_ms() < end; sleep_ms(5)) {
        close(three);
        CHECK((three = dial(&child)) >= 0 && say(three, GET("/healthz")));
        served = hear(three) == 200;
    }
    CHECK(served);
    close(one);
    close(three);
    return stop(&child);
}

/* A client that says nothing, one that sends half of a head, and one that sends half of a body. */
static bool slow_clients_are_cut_after_their_seconds(void) {
    const char *arguments[] = {"--listen",
                               "127.0.0.1:0",
                               "--header-seconds",
                               "1",
                               "--body-seconds",
                               "1",
                               "--idle-seconds",
                               "1",
                               "--log-level",
                               "error",
                               "--allowed-host",
                               "gradd",
                               NULL};
    struct child child = spawn(arguments);
    CHECK(get_ready(&child));
    int silent = dial(&child), half = dial(&child), body = dial(&child), idle = dial(&child);
    CHECK(say(half, "GET /healthz HTTP/1.1\r\nHost: gra"));
    CHECK(say(body, HEAD("POST", "/v1/gradient") "Content-Length: 100\r\n\r\n{"));
    CHECK(is_well(idle));
    CHECK(hears_end(silent) && hears_end(half) && hears_end(body) && hears_end(idle));
    close(silent), close(half), close(body), close(idle);
    return stop(&child);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(an_address_has_its_connections) TEST(a_local_socket_has_no_address)
            TEST(there_are_so_many_streams) TEST(requests_wait_for_a_worker)
                TEST(requests_wait_for_a_session) TEST(jobs_wait_for_others)
                    TEST(a_job_ends_and_is_forgotten_after_their_seconds)
                        TEST(there_are_so_many_connections)
                            TEST(slow_clients_are_cut_after_their_seconds)};
    return run_tests(argc, argv, NULL, NULL, tests, sizeof tests / sizeof *tests);
}
