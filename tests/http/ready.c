/* Whether gradd is ready, how it ends, and what `gradd health` says of both.
 *
 *     ready GRADD
 */
#include "wire.h"

/* Work that takes ten seconds at the least. */
static const char long_work[] =
    "{\"graph\":\"m = broadcast_to(x, [5000, 5000])\\nreduce_sum(m @ m)\",\"variables\":{\"x\":1}}";

static bool post(int fd, const char *body) {
    return say(fd, HEAD("POST", "/v1/gradient") "Content-Length: %zu\r\n\r\n%s", strlen(body),
               body);
}

/* ---- /readyz ---- */

static bool is_ready_when_it_says_that_it_listens(void) {
    struct child child = start(NULL, NULL);
    int fd = dial(&child);
    CHECK(say(fd, GET("/readyz")) && hear(fd) == 200 && says("{\"status\":\"ok\",\"checks\":{"));
    close(fd);
    return stop(&child);
}

static bool is_not_ready_while_its_queue_is_full(void) {
    enum { MOST = 300 };
    struct child child = start("--workers", "1");
    static int busy[MOST];
    for (int i = 0; i < MOST; i++) CHECK((busy[i] = dial(&child)) >= 0 && post(busy[i], long_work));
    CHECK(stat_becomes(&child, "responses", "5xx", 1, false, 5000));
    int fd = dial(&child);
    CHECK(say(fd, GET("/readyz")) && hear(fd) == 503);
    CHECK(says("{\"status\":\"unavailable\",\"checks\":{\"process\":\"ok\","
               "\"queue\":\"the queue is full\","));
    /* What is alive need not be ready. */
    CHECK(say(fd, GET("/healthz")) && hear(fd) == 200);
    for (int i = 0; i < MOST; i++) close(busy[i]);
    const int64_t end = now_ms() + 20000 * patience;
    do CHECK(say(fd, GET("/readyz")) && hear(fd) != 0);
    while (reply.status != 200 && now_ms() < end);
    CHECK(reply.status == 200);
    close(fd);
    return stop(&child);
}

static bool is_not_ready_once_it_is_told_to_end(void) {
    struct child child = start("--workers", "1");
    int busy = dial(&child), kept = dial(&child);
    CHECK(say(kept, GET("/readyz")) && hear(kept) == 200);
    CHECK(post(busy, long_work) && stat_becomes(&child, "requests", "queued", 1, false, 5000));
    kill(child.pid, SIGTERM);
    /* Its door is closed when it has begun to drain. */
    int late;
    while ((late = dial(&child)) >= 0) close(late), sleep_ms(1);
    CHECK(say(kept, GET("/readyz")) && hear(kept) == 503);
    CHECK(says("\"process\":\"shutting down\"") && header_is("Connection", "close"));
    close(busy);
    CHECK(reap(&child, 10000) == 0);
    return close(kept) == 0;
}

/* ---- the end ---- */

/* The status of what is cancelled; 0: it had no answer, and -1: the rest is not as it should be. */
static int outlast_the_grace(void) {
    struct child child = start("--grace", "0");
    int busy = dial(&child);
    const bool working =
        post(busy, long_work) && stat_becomes(&child, "requests", "queued", 1, false, 5000);
    kill(child.pid, SIGTERM);
    const int status = hear_one(busy, false, 10000);
    const bool closes = !status || header_is("Connection", "close");
    close(busy);
    return reap(&child, 10000) == 0 && working && closes ? status : -1;
}

static bool cancels_what_takes_longer_than_its_grace(void) {
    /* It has a second for its answer, and workers are last in line for a core: where gradd is slow, one of
     * many tries must be answered. */
    int status = 0;
    for (int i = 0; i < patience && status == 0; i++) status = outlast_the_grace();
    CHECK(status == 503);
    return true;
}

/* ---- gradd health ---- */

static char out[1024], err[1024];

static int ask_health(const char *a, const char *b, const char *c) {
    const char *arguments[] = {"health", a, b, c, NULL};
    struct child child = spawn(arguments);
    read_all(child.out, out, sizeof out);
    read_all(child.err, err, sizeof err);
    reply.status = 0;
    return reap(&child, 10000);
}

static bool finds_a_server_well_where_its_options_say(void) {
    char address[64], url[96];
    snprintf(address, sizeof address, "127.0.0.1:%d", usual.port);
    CHECK(ask_health("--listen", address, NULL) == 0);
    CHECK(strcmp(out, "{\"status\":\"ok\"}\n") == 0 && err[0] == '\0');
    CHECK(ask_health("/readyz", "--listen", address) == 0 && strstr(out, "\"queue\":\"ok\""));
    snprintf(url, sizeof url, "http://%s/readyz", address);
    CHECK(ask_health(url, NULL, NULL) == 0 && strstr(out, "\"queue\":\"ok\""));
    return true;
}

static bool finds_a_server_well_behind_a_unix_socket(void) {
    char path[] = "/tmp/gradd-ready-XXXXXX", list[128];
    CHECK(mkdtemp(path));
    snprintf(list, sizeof list, "unix:%s/s", path);
    const char *arguments[] = {"--listen", list, "--log-level", "error", NULL};
    struct child child = spawn(arguments);
    CHECK(get_ready(&child));
    CHECK(ask_health(list, NULL, NULL) == 0 && ask_health("--listen", list, NULL) == 0);
    CHECK(stop(&child));
    CHECK(ask_health(list, NULL, NULL) == 1 && strstr(err, "no answer from unix:/tmp/"));
    return rmdir(path) == 0;
}

static bool finds_a_server_unwell(void) {
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/nowhere", usual.port);
    CHECK(ask_health(url, NULL, NULL) == 1 && strstr(err, "\"code\":\"not_found\""));
    CHECK(ask_health("http://127.0.0.1:1", NULL, NULL) == 1);
    CHECK(strcmp(err, "gradd health: no answer from http://127.0.0.1:1: Connection refused\n") ==
          0);
    CHECK(ask_health("ftp://x", NULL, NULL) == 1 && strstr(err, "found \"ftp://x\", expected"));
    CHECK(ask_health("--nonsense", NULL, NULL) == 2);
    return true;
}

#define TESTS(X)                                                                                   \
    X(is_ready_when_it_says_that_it_listens)                                                       \
    X(is_not_ready_while_its_queue_is_full)                                                        \
    X(is_not_ready_once_it_is_told_to_end)                                                         \
    X(cancels_what_takes_longer_than_its_grace)                                                    \
    X(finds_a_server_well_where_its_options_say)                                                   \
    X(finds_a_server_well_behind_a_unix_socket)                                                    \
    X(finds_a_server_unwell)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    return run_tests(argc, argv, NULL, NULL, tests, sizeof tests / sizeof *tests);
}
