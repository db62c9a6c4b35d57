/* Speaks to a real gradd over plain sockets, for all that an HTTP client would not say or could not
 * see: framing, pipelining, hang-ups, signals, exit codes. Knows nothing of gradd's insides.
 *
 *     wire GRADD
 *
 * Prints a line a test, and `N passed, N failed` last. Waits longer where GRADD_TEST_PATIENCE, a
 * factor, says that gradd is slow here. */
#include <dirent.h>
#include <sys/syscall.h>

#include "wire.h"

enum { QUEUE_PROBES = 300 };

/* ---- what is said ---- */

#define FIRST "{\"graph\":\"z = (x1 + 5) * x2 ** 2\",\"variables\":{\"x1\":2.0,\"x2\":3.0}}"
#define FIRST_ANSWER "{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}"

/* Work that takes ten seconds at the least, and some that takes a twentieth of a second. */
static const char long_work[] =
    "{\"graph\":\"m = broadcast_to(x, [5000, 5000])\\nreduce_sum(m @ m)\",\"variables\":{\"x\":1}}";
static const char short_work[] =
    "{\"graph\":\"m = broadcast_to(x, [500, 500])\\nreduce_sum(m @ m)\",\"variables\":{\"x\":1}}";

static bool post(int fd, const char *body) {
    return say(fd, HEAD("POST", "/v1/gradient") "Content-Length: %zu\r\n\r\n%s", strlen(body),
               body);
}

/* ---- the tests: each gets a gradd of its own kind and returns whether all went well ---- */

static int fresh(void) { return dial(&usual); }

static bool keeps_a_connection_for_the_next_request(void) {
    int fd = fresh();
    for (int i = 0; i < 3; i++) {
        CHECK(post(fd, FIRST) && hear(fd) == 200);
        CHECK(strcmp(reply.body, FIRST_ANSWER) == 0);
        CHECK(say(fd, GET("/v1/nothing")) && hear(fd) == 404);
    }
    return close(fd) == 0;
}

static bool answers_pipelined_requests_in_order(void) {
    int fd = fresh();
    CHECK(say(fd, GET("/healthz") GET("/nowhere") GET("/version")));
    CHECK(hear(fd) == 200 && says("\"ok\""));
    CHECK(hear(fd) == 404);
    CHECK(hear(fd) == 200 && says("\"gradd\""));
    return close(fd) == 0;
}

static bool answers_what_is_pipelined_behind_large_work_last(void) {
    int fd = fresh();
    CHECK(say(fd, HEAD("POST", "/v1/gradient") "Content-Length: %zu\r\n\r\n%s" GET("/healthz"),
              strlen(short_work), short_work));
    CHECK(hear_one(fd, false, 60000) == 200 && says("\"value\""));
    CHECK(hear(fd) == 200 && says("\"ok\""));
    return close(fd) == 0;
}

static bool closes_where_asked(void) {
    int fd = fresh();
    CHECK(say(fd, HEAD("GET", "/healthz") "Connection: close\r\n\r\n") && hear(fd) == 200);
    CHECK(hears_end(fd));
    close(fd);
    fd = fresh();
    CHECK(say(fd, "GET /healthz HTTP/1.0\r\n\r\n") && hear(fd) == 200);
    CHECK(hears_end(fd));
    return close(fd) == 0;
}

static bool reads_chunks_of_any_size(void) {
    int fd = fresh();
    CHECK(say(fd, HEAD("POST", "/v1/gradient") "Transfer-Encoding: chunked\r\n\r\n"));
    for (const char *c = FIRST; *c; c++)
        CHECK(say(fd, c[0] == 'g' ? "1;why=not\r\n%c\r\n" : "1\r\n%c\r\n", *c));
    CHECK(say(fd, "0\r\nTrailer: x\r\n\r\n") && hear(fd) == 200);
    CHECK(strcmp(reply.body, FIRST_ANSWER) == 0);
    CHECK(say(fd, GET("/healthz")) && hear(fd) == 200);
    return close(fd) == 0;
}

static bool reads_a_request_that_comes_byte_by_byte(void) {
    char request[512];
    int fd = fresh(), n = snprintf(request, sizeof request,
                                   HEAD("POST", "/v1/gradient") "Content-Length: %zu\r\n\r\n%s",
                                   strlen(FIRST), FIRST);
    for (int i = 0; i < n; i++) {
        CHECK(say_bytes(fd, request + i, 1));
        if (i % 16 == 0) sleep_ms(1);
    }
    CHECK(hear(fd) == 200 && strcmp(reply.body, FIRST_ANSWER) == 0);
    return close(fd) == 0;
}

/* Sends a request whose framing is wrong: it is refused and the connection is closed. */
static bool refuses_framing(const char *request, const char *detail) {
    int fd = fresh();
    CHECK(say_bytes(fd, request, strlen(request)));
    CHECK(hear(fd) == 400);
    CHECK(header_is("Content-Type", "application/problem+json"));
    CHECK(says("\"code\":\"invalid_framing\"") && says(detail));
    CHECK(header_is("Connection", "close") && hears_end(fd));
    return close(fd) == 0;
}

static bool refuses_what_has_two_lengths(void) {
    return refuses_framing(
        HEAD("POST", "/v1/gradient") "Content-Length: 3\r\nContent-Length: 3\r\n\r\n{ }",
        "\"the request has 2 Content-Length headers, expected one at most\"");
}

static bool refuses_a_length_beside_chunks(void) {
    return refuses_framing(
        HEAD("POST",
             "/v1/gradient") "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\"the request has both Content-Length and Transfer-Encoding\"");
}

static bool refuses_other_transfer_encodings(void) {
    return refuses_framing(
               HEAD("POST", "/v1/gradient") "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
               "Transfer-Encoding is \\\"gzip, chunked\\\", expected chunked once") &&
           refuses_framing(
               HEAD("POST", "/v1/gradient") "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
                                            "identity\r\n\r\n0\r\n\r\n",
               "expected chunked once") &&
           refuses_framing(
               "POST /v1/gradient HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
               "an HTTP/1.0 request has no Transfer-Encoding");
}

static bool refuses_a_name_with_space_behind_it(void) {
    return refuses_framing(HEAD("POST", "/v1/gradient") "Content-Length : 3\r\n\r\n{ }",
                           "a header's name is empty or ends with white space");
}

static bool wants_one_host(void) {
    return refuses_framing("GET /healthz HTTP/1.1\r\n\r\n",
                           "the request has 0 Host headers, expected one") &&
           refuses_framing(HEAD("GET", "/healthz") "Host: b\r\n\r\n",
                           "the request has 2 Host headers, expected one");
}

static bool takes_a_whole_url(void) {
    int fd = fresh();
    CHECK(say(fd, HEAD("GET", "http://127.0.0.1/healthz") "\r\n") && hear(fd) == 200);
    return close(fd) == 0;
}

static bool tells_who_asks_to_go_on(void) {
    int fd = fresh();
    CHECK(say(fd,
              HEAD("POST", "/v1/gradient") "Content-Length: %zu\r\nExpect: 100-continue\r\n\r\n",
              strlen(FIRST)));
    CHECK(hear_one(fd, true, 10000) == 100);
    CHECK(say(fd, FIRST) && hear(fd) == 200);
    CHECK(say(fd, GET("/healthz")) && hear(fd) == 200);
    return close(fd) == 0;
}

static bool spares_who_asks_the_body_it_refuses(void) {
    int fd = fresh();
    CHECK(say(fd,
              HEAD("POST", "/v1/nothing") "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"));
    CHECK(hear(fd) == 404);
    CHECK(header_is("Connection", "close") && hears_end(fd));
    return close(fd) == 0;
}

static bool goes_on_behind_a_refusal_with_a_body(void) {
    int fd = fresh();
    CHECK(say(fd, HEAD("POST", "/v1/nothing") "Content-Length: 7\r\n\r\nignored") &&
          hear(fd) == 404);
    CHECK(say(fd, HEAD("POST",
                       "/v1/gradient") "Content-Type: text/csv\r\nContent-Length: 1\r\n\r\n1") &&
          hear(fd) == 415);
    CHECK(say(fd, GET("/healthz")) && hear(fd) == 200);
    return close(fd) == 0;
}

static bool answers_head_without_a_body(void) {
    int fd = fresh();
    CHECK(say(fd, HEAD("HEAD", "/version") "\r\n") && hear_one(fd, true, 10000) == 200);
    CHECK(header("Content-Length") && strtol(header("Content-Length"), NULL, 10) > 20);
    CHECK(say(fd, HEAD("HEAD", "/nowhere") "\r\n") && hear_one(fd, true, 10000) == 404);
    CHECK(say(fd, GET("/healthz")) && hear(fd) == 200 && says("\"ok\""));
    return close(fd) == 0;
}

static bool misses_the_graph_in_a_query_without_pairs(void) {
    int fd = fresh();
    CHECK(say(fd, GET("/v1/gradient")) && hear(fd) == 400 &&
          says("member \\\"graph\\\" is missing"));
    CHECK(say(fd, GET("/v1/gradient?")) && hear(fd) == 400 &&
          says("member \\\"graph\\\" is missing"));
    return close(fd) == 0;
}

static bool hands_back_a_sane_request_id_alone(void) {
    int fd = fresh();
    CHECK(say(fd, HEAD("GET", "/nowhere") "X-Request-Id: a.B-9_\r\n\r\n") && hear(fd) == 404);
    CHECK(header_is("X-Request-Id", "a.B-9_") && says("\"request_id\":\"a.B-9_\""));
    CHECK(say(fd, HEAD("GET", "/nowhere") "X-Request-Id: a b\r\n\r\n") && hear(fd) == 404);
    CHECK(!header_is("X-Request-Id", "a b") && header("X-Request-Id"));
    return close(fd) == 0;
}

static bool lives_through_garbage(void) {
    static const char *const garbage[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET / HTTP/9.9\r\n\r\n",
        HEAD("POST", "/v1/gradient") "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD("POST", "/v1/gradient") "Content-Length: abc\r\n\r\n",
        HEAD("POST", "/v1/gradient") "Content-Length: 99999999999999999999999\r\n\r\n",
        HEAD("POST", "/v1/gradient") "Content-Length: 10\r\n\r\n{",
        "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = fresh();
        CHECK(say_bytes(fd, garbage[i], strlen(garbage[i])));
        sleep_ms(5);
        close(fd);
    }
    int fd = fresh();
    CHECK(say(fd, HEAD("GET", "/healthz") "X: %020000d\r\n\r\n", 0) && hear(fd) == 431);
    close(fd);
    fd = fresh();
    CHECK(say(fd, GET("/healthz")) && hear(fd) == 200);
    return close(fd) == 0;
}

static bool lives_through_those_who_never_read(void) {
    for (int i = 0; i < 20; i++) {
        int fd = fresh();
        for (int j = 0; j < 50; j++) say(fd, GET("/v1/ops"));
        close(fd);
    }
    CHECK(stat_becomes(&usual, "connections", "open", 1, true, 5000));
    return true;
}

static bool notices_who_leaves_in_the_middle_of_a_request(void) {
    for (int i = 0; i < 50; i++) {
        int fd = fresh();
        CHECK(say(fd, HEAD("POST", "/v1/gradient") "Content-Length: 1000\r\n\r\n{"));
        close(fd);
    }
    CHECK(stat_becomes(&usual, "requests", "in_flight", 1, true, 4000));
    CHECK(stat_becomes(&usual, "connections", "open", 1, true, 4000));
    return true;
}

/* Milliseconds from a hang-up until the work has stopped, or -1. */
static int64_t hang_up(void) {
    long before = stat_of(&usual, "requests", "cancelled");
    int fd = fresh();
    bool working =
        post(fd, long_work) && stat_becomes(&usual, "requests", "in_flight", 2, false, 5000);
    sleep_ms(50);
    int64_t begin = now_ms();
    close(fd);
    bool stopped =
        working && stat_becomes(&usual, "requests", "cancelled", before + 1, false, 30000);
    return stopped ? now_ms() - begin : -1;
}

static bool stops_work_whose_client_hung_up(void) {
    /* Workers are last in line for a core: on a busy machine one of many tries must be quick. */
    int64_t best = INT64_MAX;
    for (int i = 0; i < 60 && best >= 100 * patience; i++) {
        int64_t took = hang_up();
        CHECK(took >= 0);
        if (took < best) best = took;
    }
    CHECK(best < 100 * patience);
    CHECK(stat_becomes(&usual, "requests", "in_flight", 1, true, 2000));
    return true;
}

static bool reads_a_body_of_a_megabyte(void) {
    static char body[1 << 20];
    int fd = fresh();
    memset(body, ' ', sizeof body);
    memcpy(body, FIRST, sizeof FIRST - 1);
    long before = stat_of(&usual, "requests", "queued");
    CHECK(say(fd, HEAD("POST", "/v1/gradient") "Content-Length: %zu\r\n\r\n", sizeof body));
    CHECK(say_bytes(fd, body, sizeof body) && hear(fd) == 200 &&
          strcmp(reply.body, FIRST_ANSWER) == 0);
    CHECK(stat_of(&usual, "requests", "queued") == before + 1);
    return close(fd) == 0;
}

/* ---- tests with a gradd of their own ---- */

static bool gives_its_answer_to_who_writes_all_before_reading(void) {
    static char body[8 << 20];
    struct child child = start("--max-body", "1000");
    int fd = dial(&child);
    memset(body, ' ', sizeof body);
    CHECK(say(fd, HEAD("POST", "/v1/gradient") "Content-Length: %zu\r\n\r\n", sizeof body));
    CHECK(say_bytes(fd, body, sizeof body));
    CHECK(hear(fd) == 413 && header_is("Connection", "close"));
    CHECK(says("the body has 8388608 bytes; the limit is 1000 (max_body_bytes)") && hears_end(fd));
    close(fd);

    fd = dial(&child);
    CHECK(say(fd,
              HEAD("POST", "/v1/gradient") "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n"));
    CHECK(hear(fd) == 413);
    close(fd);
    return stop(&child);
}

static bool refuses_chunks_when_they_pass_the_limit(void) {
    struct child child = start("--max-body", "1k");
    int fd = dial(&child);
    CHECK(say(fd, HEAD("POST", "/v1/gradient") "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 100; i++) CHECK(say(fd, "64\r\n%0100d\r\n", 0));
    CHECK(hear(fd) == 413 && says("the body has more than 1024 bytes (max_body_bytes)"));
    CHECK(header_is("Connection", "close") &&
          header_is("Content-Type", "application/problem+json"));
    /* There is an answer before the body has an end, and the sender may go on for a while. */
    for (int i = 0; i < 1000; i++) CHECK(say(fd, "64\r\n%0100d\r\n", 0));
    CHECK(say(fd, "0\r\n\r\n") && hears_end(fd));
    close(fd);
    return stop(&child);
}

static bool refuses_more_than_its_queue_holds(void) {
    struct child child = start("--workers", "1");
    static int fds[QUEUE_PROBES];
    int refused = 0;
    for (int i = 0; i < QUEUE_PROBES; i++)
        CHECK((fds[i] = dial(&child)) >= 0 && post(fds[i], long_work));
    CHECK(stat_becomes(&child, "responses", "5xx", QUEUE_PROBES - 257, false, 5000));
    for (int i = 0; i < QUEUE_PROBES; i++) {
        struct pollfd ready = {.fd = fds[i], .events = POLLIN};
        if (poll(&ready, 1, 0) == 0) continue;
        CHECK(hear(fds[i]) == 503 && says("\"code\":\"overloaded\"") &&
              header_is("Retry-After", "1"));
        refused++;
    }
    CHECK(refused >= QUEUE_PROBES - 258 && refused <= QUEUE_PROBES - 256);
    for (int i = 0; i < QUEUE_PROBES; i++) close(fds[i]);
    CHECK(stat_becomes(&child, "requests", "in_flight", 1, true, 5000));
    return stop(&child);
}

static bool finishes_what_is_in_flight_when_told_to_end(void) {
    struct child child = start("--workers", "1");
    int busy = dial(&child), kept = dial(&child), idle = dial(&child);
    CHECK(say(kept, GET("/healthz")) && hear(kept) == 200);
    CHECK(post(busy, short_work));
    CHECK(stat_becomes(&child, "requests", "queued", 1, false, 5000));
    kill(child.pid, SIGTERM);
    int late;
    int64_t end = now_ms() + 1000 * patience;
    while ((late = dial(&child)) >= 0 && now_ms() < end) close(late), sleep_ms(1);
    CHECK(late < 0);
    /* Where the work is over before the next request is read, its connection is closed instead. */
    if (say(kept, GET("/healthz")) && hear(kept) == 200) CHECK(header_is("Connection", "close"));
    CHECK(hear_one(busy, false, 30000) == 200 && says("\"value\"") &&
          header_is("Connection", "close"));
    CHECK(hears_end(busy));
    CHECK(reap(&child, 10000) == 0);
    return close(busy) == 0 && close(kept) == 0 && close(idle) == 0;
}

/* A library's thread may be given the signal while the main thread does not wait for it. */
static bool ends_whichever_thread_is_told_to(void) {
    struct child child = start(NULL, NULL);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)child.pid);
    DIR *tasks = opendir(path);
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        const int thread = atoi(task->d_name);
        if (thread > 0 && thread != child.pid) syscall(SYS_tgkill, child.pid, thread, SIGTERM);
    }
    if (tasks) closedir(tasks);
    const int code = reap(&child, 1000);
    return code == 0 || (code < 0 && stop(&child));
}

static bool ends_at_once_at_a_second_signal(void) {
    struct child child = start("--workers", "1");
    int fd = dial(&child);
    CHECK(post(fd, long_work) && stat_becomes(&child, "requests", "queued", 1, false, 5000));
    kill(child.pid, SIGINT);
    sleep_ms(100 * patience);
    kill(child.pid, SIGINT);
    CHECK(reap(&child, 2000) == 1);
    return close(fd) == 0;
}

/* Runs gradd with two arguments until it ends, and wants its code and one line with `part` in it. */
static bool ends_with(const char *first, const char *second, int code, bool on_error,
                      const char *part) {
    static char out[16384], err[4096];
    const char *arguments[] = {first, second, NULL};
    struct child child = spawn(arguments);
    read_all(child.out, out, sizeof out);
    read_all(child.err, err, sizeof err);
    reply.status = 0;
    int found = reap(&child, 5000);
    CHECK(found == code);
    CHECK(strstr(on_error ? err : out, part));
    CHECK((on_error ? out : err)[0] == '\0');
    if (on_error) CHECK(strchr(err, '\n') == err + strlen(err) - 1);
    return true;
}

static bool says_in_one_line_that_a_port_is_in_use(void) {
    char address[32], wanted[128];
    snprintf(address, sizeof address, "127.0.0.1:%d", usual.port);
    snprintf(wanted, sizeof wanted, "gradd: cannot listen on http://%s: the port is in use\n",
             address);
    return ends_with("--listen", address, 1, true, wanted);
}

static bool says_in_one_line_what_is_wrong_with_an_option(void) {
    return ends_with("--threads", "many", 2, true,
                     "gradd: --threads: found \"many\", expected a whole number from 1 to 256\n") &&
           ends_with("--worker=3", NULL, 2, true, "gradd: unknown option \"--worker=3\"") &&
           ends_with("--max-body", NULL, 2, true, "gradd: --max-body: found nothing") &&
           ends_with("--listen", "8080", 2, true,
                     "gradd: --listen: found \"8080\", expected an address and a port");
}

static bool reads_the_environment_behind_the_command_line(void) {
    setenv("GRADD_LOG_LEVEL", "loud", 1);
    bool refused =
        ends_with("--listen=127.0.0.1:0", NULL, 2, true, "gradd: GRADD_LOG_LEVEL: found \"loud\"");
    setenv("GRADD_LOG_LEVEL", "info", 1);
    setenv("GRADD_MAX_BODY", "12", 1);
    struct child child = start(NULL, NULL);
    unsetenv("GRADD_LOG_LEVEL");
    unsetenv("GRADD_MAX_BODY");
    int fd = dial(&child);
    CHECK(post(fd, FIRST) && hear(fd) == 413);
    close(fd);
    return stop(&child) && refused;
}

static bool shows_its_version_and_its_options(void) {
    return ends_with("--version", NULL, 0, false, "gradd ") &&
           ends_with("--help", NULL, 0, false, "GRADD_MAX_BODY");
}

static bool shows_what_it_would_start_with(void) {
    char path[] = "/tmp/gradd-wire-XXXXXX", option[64], line[96], wrong[128];
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "threads = 3\n", 12) == 12);
    snprintf(option, sizeof option, "--config=%s", path);
    snprintf(line, sizeof line, "threads = 3                                 # %s:1\n", path);
    CHECK(ends_with(option, "--check-config", 0, false, line));
    CHECK(ends_with("--max-nodes=7", "--check-config", 0, false, "max-nodes = 7 "));
    CHECK(write(fd, "thread = 3\n", 11) == 11);
    snprintf(wrong, sizeof wrong,
             "gradd: %s:2: unknown option \"thread\"; did you mean \"threads\"?\n", path);
    CHECK(ends_with(option, "--check-config", 2, true, wrong));
    CHECK(ends_with(option, NULL, 2, true, wrong));
    CHECK(ends_with("--max-operations=1", "--max-running-jobs=2", 2, true,
                    "gradd: --max-running-jobs: 2 is more than --max-operations has, which is 1"));
    close(fd);
    return unlink(path) == 0;
}

static bool listens_on_ipv6_where_there_is_one(void) {
    const char *arguments[] = {"--listen", "[::1]:0", "--log-level", "error", NULL};
    int fd = new_socket(AF_INET6);
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0;
    if (fd >= 0) close(fd);
    if (!there) return true;
    struct child child = spawn(arguments);
    char line[128] = "";
    CHECK(read(child.out, line, sizeof line - 1) > 0 &&
          strstr(line, " listening on http://[::1]:"));
    return stop(&child);
}

/* ---- all of them ---- */

#define TESTS(X)                                                                                   \
    X(keeps_a_connection_for_the_next_request)                                                     \
    X(answers_pipelined_requests_in_order)                                                         \
    X(answers_what_is_pipelined_behind_large_work_last)                                            \
    X(closes_where_asked)                                                                          \
    X(reads_chunks_of_any_size)                                                                    \
    X(reads_a_request_that_comes_byte_by_byte)                                                     \
    X(refuses_what_has_two_lengths)                                                                \
    X(refuses_a_length_beside_chunks)                                                              \
    X(refuses_other_transfer_encodings)                                                            \
    X(refuses_a_name_with_space_behind_it)                                                         \
    X(wants_one_host)                                                                              \
    X(takes_a_whole_url)                                                                           \
    X(tells_who_asks_to_go_on)                                                                     \
    X(spares_who_asks_the_body_it_refuses)                                                         \
    X(goes_on_behind_a_refusal_with_a_body)                                                        \
    X(answers_head_without_a_body)                                                                 \
    X(misses_the_graph_in_a_query_without_pairs)                                                   \
    X(hands_back_a_sane_request_id_alone)                                                          \
    X(lives_through_garbage)                                                                       \
    X(lives_through_those_who_never_read)                                                          \
    X(notices_who_leaves_in_the_middle_of_a_request)                                               \
    X(stops_work_whose_client_hung_up)                                                             \
    X(reads_a_body_of_a_megabyte)                                                                  \
    X(gives_its_answer_to_who_writes_all_before_reading)                                           \
    X(refuses_chunks_when_they_pass_the_limit)                                                     \
    X(refuses_more_than_its_queue_holds)                                                           \
    X(finishes_what_is_in_flight_when_told_to_end)                                                 \
    X(ends_whichever_thread_is_told_to)                                                            \
    X(ends_at_once_at_a_second_signal)                                                             \
    X(says_in_one_line_that_a_port_is_in_use)                                                      \
    X(says_in_one_line_what_is_wrong_with_an_option)                                               \
    X(reads_the_environment_behind_the_command_line)                                               \
    X(shows_its_version_and_its_options)                                                           \
    X(shows_what_it_would_start_with) X(listens_on_ipv6_where_there_is_one)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    return run_tests(argc, argv, NULL, NULL, tests, sizeof tests / sizeof *tests);
}
