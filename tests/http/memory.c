/* What becomes of a gradd that is asked for more memory than it may take: it says so, to each whom it has no
 * room for, and stays within its bounds.
 *
 *     memory GRADD
 *
 * Prints a line a test, and `N passed, N failed` last. */
#include "server/sandbox.h"
#include "wire.h"

/* Of the process, and of one request, which takes about a third of it. */
#define MOST "384M"
enum { MOST_KIB = 384 << 10, REQUESTS = 8, TAPES = 16 };
#define LARGE "cumsum(broadcast_to(x, [10000000]))"

static bool post(int fd, const char *path, const char *body) {
    return say(fd, "POST %s HTTP/1.1\r\nHost: gradd\r\nContent-Length: %zu\r\n\r\n%s", path,
               strlen(body), body);
}

/* The most that was resident, in KiB, as the system has it. */
static long most_resident(const struct child *child) {
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/%d/status", (int)child->pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    read_all(fd, text, sizeof text);
    close(fd);
    const char *at = strstr(text, "\nVmHWM:");
    return at ? strtol(at + strlen("\nVmHWM:"), NULL, 10) : -1;
}

/* A sanitizer takes memory of its own. */
static bool stays_within(const struct child *child, long most_kib) {
    const long resident = most_resident(child);
    if (SANDBOX_LEFT_OUT || (resident > 0 && resident <= most_kib)) return true;
    printf("      %ld KiB were resident\n", resident);
    return false;
}

static bool says_the_figures(void) {
    return says("\"code\":\"memory_budget\"") && says("the process holds ") &&
           says("(max_memory_bytes)");
}

static bool refuses_what_it_has_no_room_for_and_no_more(void) {
    static const char body[] = "{\"graph\":\"a = " LARGE "; b = cumsum(a); c = cumsum(a * b); "
                               "reduce_sum(c)\",\"variables\":{\"x\":1}}";
    int fds[REQUESTS], answered = 0, refused = 0;
    for (int i = 0; i < REQUESTS; i++) {
        fds[i] = dial(&usual);
        CHECK(post(fds[i], "/v1/evaluate", body));
    }
    for (int i = 0; i < REQUESTS; i++) {
        const int status = hear_one(fds[i], false, 60000);
        CHECK(status == 200 || (status == 507 && says_the_figures()) ||
              (status == 503 && says("while others run: the process holds ") &&
               header_is("Retry-After", "1")));
        *(status == 200 ? &answered : &refused) += 1;
        close(fds[i]);
    }
    CHECK(answered > 0);
    CHECK(stays_within(&usual, MOST_KIB));
    /* One by one there is room for each. */
    const int fd = dial(&usual);
    CHECK(post(fd, "/v1/evaluate", body) && hear_one(fd, false, 60000) == 200);
    return close(fd) == 0;
}

/* An answer that nobody reads stays with the server for a while, and no longer. */
static bool answers_on_their_way_are_waited_for(void) {
    static const char large[] = "{\"graph\":\"cumsum(broadcast_to(x, [8000000]))\","
                                "\"variables\":{\"x\":1.1}}",
                      next[] = "{\"graph\":\"reduce_sum(cumsum(broadcast_to(x, [20000000])))\","
                               "\"variables\":{\"x\":1}}";
    char byte;
    const int slow = dial(&usual), fd = dial(&usual);
    CHECK(post(slow, "/v1/evaluate", large) && recv(slow, &byte, 1, MSG_PEEK) == 1);
    CHECK(post(fd, "/v1/evaluate", next) && hear_one(fd, false, 60000) == 503);
    CHECK(says("while others run: the process holds ") && header_is("Retry-After", "1"));
    close(slow);
    CHECK(stat_becomes(&usual, "connections", "open", 2, true, 10000));
    CHECK(post(fd, "/v1/evaluate", next) && hear_one(fd, false, 60000) == 200);
    return close(fd) == 0;
}

static bool refuses_a_request_that_never_fits(void) {
    const int fd = dial(&usual);
    CHECK(post(fd, "/v1/evaluate",
               "{\"graph\":\"a = cumsum(broadcast_to(x, [60000000])); reduce_sum(cumsum(a * a))\","
               "\"variables\":{\"x\":1}}"));
    CHECK(hear_one(fd, false, 60000) == 507 && says_the_figures());
    CHECK(post(fd, "/v1/evaluate", "{\"graph\":\"x * x\",\"variables\":{\"x\":3}}"));
    CHECK(hear(fd) == 200 && says("9.0"));
    CHECK(stays_within(&usual, MOST_KIB));
    return close(fd) == 0;
}

/* Each tape keeps the values that it has computed. */
static bool sessions_are_refused_what_does_not_fit(void) {
    char path[256], id[80] = "";
    int kept = 0, status;
    const int fd = dial(&usual);
    CHECK(post(fd, "/v1/sessions", "{\"variables\":{\"x\":1.0}}") && hear(fd) == 201);
    const char *at = strstr(reply.body, "\"id\":\"");
    CHECK(at && sscanf(at, "\"id\":\"%79[^\"]\"", id) == 1);
    snprintf(path, sizeof path, "/v1/sessions/%s/tapes", id);
    do {
        CHECK(post(fd, path, "{\"persistent\":true,\"graph\":\"y = reduce_sum(" LARGE " ** 2)\"}"));
        status = hear_one(fd, false, 60000);
        kept += status == 201;
    } while (status == 201 && kept < TAPES);
    CHECK(kept > 0 && kept < TAPES && status == 507 && says_the_figures());
    CHECK(stat_of(&usual, "memory", "held_bytes") <= stat_of(&usual, "memory", "limit_bytes"));
    CHECK(stays_within(&usual, MOST_KIB));
    /* What is there is still there, and makes room when it goes. */
    CHECK(say(fd, "GET /v1/sessions/%s HTTP/1.1\r\nHost: gradd\r\n\r\n", id) && hear(fd) == 200);
    CHECK(say(fd, "DELETE /v1/sessions/%s HTTP/1.1\r\nHost: gradd\r\n\r\n", id));
    CHECK(hear_one(fd, true, 10000) == 204);
    CHECK(
        post(fd, "/v1/evaluate", "{\"graph\":\"reduce_sum(" LARGE ")\",\"variables\":{\"x\":1}}"));
    CHECK(hear_one(fd, false, 60000) == 200);
    return close(fd) == 0;
}

/* What a gradd says that is given too little: how much it wants at the least. */
static bool ask_least(long *bytes) {
    static const char found[] = "gradd: --max-memory: found 1048576, expected ";
    char text[512];
    struct child child = spawn((const char *const[]){"--listen", "127.0.0.1:0", "--log-level",
                                                     "error", "--max-memory", "1M", NULL});
    read_all(child.err, text, sizeof text);
    CHECK(strncmp(text, found, sizeof found - 1) == 0);
    CHECK(strchr(text, '\n') == text + strlen(text) - 1);
    *bytes = strtol(text + sizeof found - 1, NULL, 10);
    return reap(&child, 5000) == 2;
}

static bool says_in_one_line_that_it_is_given_too_little(void) {
    long least;
    CHECK(ask_least(&least));
    return least > 4 << 20;
}

/* Of a small thing the system takes more than its bytes. */
static bool many_small_sessions_are_refused_in_time(void) {
    enum { MORE = 16 << 20, FEW = 1000 };
    char most[32];
    long least;
    int made = 0, status;
    CHECK(ask_least(&least));
    snprintf(most, sizeof most, "%ld", least + MORE);
    struct child child = start("--max-memory", most);
    const int fd = dial(&child);
    do {
        CHECK(post(fd, "/v1/sessions", "{\"variables\":{\"x\":1.0,\"y\":[1,2,3]}}"));
        status = hear(fd);
        made += status == 201;
    } while (status == 201);
    CHECK(status == 507 && says_the_figures() && made > FEW);
    CHECK(stays_within(&child, (least + MORE) >> 10));
    CHECK(post(fd, "/v1/evaluate", "{\"graph\":\"x * x\",\"variables\":{\"x\":3}}"));
    CHECK(hear(fd) == 200 && says("9.0"));
    close(fd);
    return stop(&child);
}

#define TESTS(X)                                                                                   \
    X(refuses_what_it_has_no_room_for_and_no_more)                                                 \
    X(answers_on_their_way_are_waited_for)                                                         \
    X(refuses_a_request_that_never_fits)                                                           \
    X(sessions_are_refused_what_does_not_fit)                                                      \
    X(says_in_one_line_that_it_is_given_too_little)                                                \
    X(many_small_sessions_are_refused_in_time)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    return run_tests(argc, argv, "--max-memory", MOST, tests, sizeof tests / sizeof *tests);
}
