/* Attacks a real gradd with peers that are slow, silent, many, or gone, while honest clients go on asking:
 * each attacker is to be cut, no honest client is to be failed, and all is to be as before in the end.
 * How long the honest ones waited meanwhile is printed and judges nothing.
 *
 *     attack GRADD [SECONDS [ATTACKERS]]     for each of the attacks that end only when they are ended
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "tests/http/wire.h"
#include "tests/load/latency.h"

enum { MOST = 2000, HONEST = 2, LIMIT_SECONDS = 2, DRIP_MS = 400 };

static double seconds = 2;
static int attackers = 300;

/* ---- honest clients: each asks the first request on a connection of its own, again and again ---- */

static struct {
    pthread_t threads[HONEST];
    pthread_mutex_t lock; /* of the latencies */
    struct latency latency;
    atomic_bool ends;
    atomic_long answers, failures;
} honest;

#define FIRST "{\"graph\":\"z = (x1 + 5) * x2 ** 2\",\"variables\":{\"x1\":2.0,\"x2\":3.0}}"
#define FIRST_ANSWER "{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}"

static const char *post(const char *path, const char *headers, const char *body) {
    static _Thread_local char request[1024];
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: gradd\r\n%sContent-Length: %zu\r\n\r\n%s", path, headers,
             strlen(body), body);
    return request;
}

/* Whether an answer came, whole and right. */
static bool ask_first(int fd) {
    char answer[1024];
    size_t have = 0;
    const char *request = post("/v1/gradient", "", FIRST);
    if (!say_bytes(fd, request, strlen(request))) return false;
    while (have + 1 < sizeof answer) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 20000 * patience) <= 0) return false;
        ssize_t n = recv(fd, answer + have, sizeof answer - 1 - have, 0);
        if (n <= 0) return false;
        have += (size_t)n;
        answer[have] = '\0';
        if (strstr(answer, FIRST_ANSWER)) return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
    }
    return false;
}

static void *be_honest(void *context) {
    int fd = *(int *)context;
    while (!atomic_load(&honest.ends)) {
        const int64_t begun = now_ns();
        if (!ask_first(fd)) {
            atomic_fetch_add(&honest.failures, 1);
            break;
        }
        pthread_mutex_lock(&honest.lock);
        latency_add(&honest.latency, now_ns() - begun);
        pthread_mutex_unlock(&honest.lock);
        atomic_fetch_add(&honest.answers, 1);
        sleep_ms(1);
    }
    return NULL;
}

/* What the honest ones saw since the last time; whether none of them was failed. */
static bool honest_are_well(const char *during) {
    pthread_mutex_lock(&honest.lock);
    const struct latency l = honest.latency;
    honest.latency = (struct latency){0};
    pthread_mutex_unlock(&honest.lock);
    printf("      honest clients %s: %ld answers; 50%% within %.2f ms, 99%% within %.2f ms, all "
           "within %.1f ms\n",
           during, l.n, latency_of(&l, 0.5), latency_of(&l, 0.99), (double)l.most / 1e6);
    return atomic_load(&honest.failures) == 0;
}

/* Answers go on coming: more than there were. */
static bool honest_go_on(void) {
    const long before = atomic_load(&honest.answers);
    const int64_t end = now_ms() + 20000 * patience;
    while (atomic_load(&honest.answers) <= before && now_ms() < end) sleep_ms(1);
    return atomic_load(&honest.answers) > before;
}

/* ---- attackers ---- */

static int crowd[MOST], n_crowd;

/* A socket without the room of new_socket's table, from an address of loopback. */
static int approach_from(in_addr_t address) {
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)},
                       to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)usual.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), late = 1;
    if (fd < 0) return -1;
    /* Else bind takes a port for itself, of which there are too few. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
        connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static int approach(void) { return approach_from(INADDR_LOOPBACK); }

static bool gather(int n, const char *words) {
    for (n_crowd = 0; n_crowd < n; n_crowd++) {
        int fd = crowd[n_crowd] = approach();
        if (fd < 0 || !say_bytes(fd, words, strlen(words))) return false;
    }
    return true;
}

/* Whether the server has closed its side: whatever else it said is read on the way where `reads`. */
static bool is_cut(int fd, bool reads) {
    char bytes[4096];
    struct pollfd state = {.fd = fd, .events = POLLRDHUP};
    while (reads) {
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) return true;
        if (n < 0) break;
    }
    return poll(&state, 1, 0) > 0 && state.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

/* Goes on saying a byte each, until all are cut; false where some never are. */
static bool all_are_cut(const char *byte, bool reads) {
    const int64_t begun = now_ms(), end = begun + 60000 * patience;
    int left = n_crowd;
    for (int64_t spoke = 0; left > 0 && now_ms() < end; sleep_ms(20)) {
        const bool speaks = byte && now_ms() - spoke >= DRIP_MS;
        if (speaks) spoke = now_ms();
        for (int i = 0; i < n_crowd; i++) {
            if (crowd[i] < 0) continue;
            if (speaks) send(crowd[i], byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (!is_cut(crowd[i], reads)) continue;
            close(crowd[i]);
            crowd[i] = -1;
            left--;
        }
    }
    printf("      %d attackers, the last of them cut after %.1f s\n", n_crowd,
           (double)(now_ms() - begun) / 1000);
    for (int i = 0; i < n_crowd; i++)
        if (crowd[i] >= 0) close(crowd[i]);
    n_crowd = 0;
    return left == 0;
}

/* ---- the attacks ---- */

static bool answers_honest_clients_when_nobody_attacks(void) {
    sleep_ms((int)(seconds * 1000));
    CHECK(honest_go_on() && honest_are_well("alone"));
    return true;
}

static bool cuts_those_who_send_their_headers_slowly(void) {
    const long before = stat_of(&usual, "connections", "timed_out");
    CHECK(gather(attackers, "GET /healthz HTTP/1.1\r\nX-Slow: "));
    CHECK(all_are_cut("x", true));
    CHECK(stat_of(&usual, "connections", "timed_out") >= before + attackers);
    CHECK(honest_are_well("beside slow headers"));
    return true;
}

static bool cuts_those_who_send_their_second_headers_slowly(void) {
    CHECK(gather(attackers, GET("/healthz") "GET /healthz HTTP/1.1\r\nX-Slow: "));
    CHECK(all_are_cut("x", true));
    CHECK(honest_are_well("beside slow second headers"));
    return true;
}

static bool cuts_those_who_send_their_body_slowly(void) {
    CHECK(gather(attackers, HEAD("POST", "/v1/gradient") "Content-Length: 1000000\r\n\r\n{"));
    CHECK(all_are_cut(" ", true));
    CHECK(gather(attackers, HEAD("POST", "/v1/gradient") "Transfer-Encoding: chunked\r\n\r\n1"));
    CHECK(all_are_cut("0", true));
    CHECK(honest_are_well("beside slow bodies"));
    return true;
}

static bool cuts_those_who_say_nothing(void) {
    CHECK(gather(attackers, ""));
    CHECK(all_are_cut(NULL, true));
    CHECK(honest_are_well("beside silence"));
    return true;
}

static bool cuts_those_who_read_no_answer(void) {
    static char words[64 << 10];
    enum { READERS = 20 };
    for (size_t n = 0; n + 64 < sizeof words; n += strlen(words + n))
        strcpy(words + n, GET("/v1/ops"));
    CHECK(gather(READERS, words));
    CHECK(all_are_cut(NULL, false));
    CHECK(honest_are_well("beside those who do not read"));
    return true;
}

static bool ends_the_streams_of_those_who_do_not_read_them(void) {
    static const char run[] = "{\"graph\":\"(x - 3) ** 2\",\"variables\":{\"x\":0},"
                              "\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":1e-9},"
                              "\"steps\":100000000,\"record_every\":1}";
    const char *words = post("/v1/minimize", "Accept: text/event-stream\r\n", run);
    CHECK(gather(2, words));
    CHECK(all_are_cut(NULL, false));
    /* And nobody goes on computing for them. */
    CHECK(stat_becomes(&usual, "requests", "in_flight", 1 + HONEST, true, 20000));
    CHECK(honest_are_well("beside streams that are not read"));
    return true;
}

/* From an address of its own: soon each of its ports was used before, and to take one again whose last connection
 * the server has not seen the end of makes the kernel wait for seconds. Nobody else is to wait for that. */
static bool lives_through_floods_of_connections(void) {
    const int64_t end = now_ms() + (int64_t)(seconds * 1000);
    const struct linger rudely = {.l_onoff = 1};
    long n = 0;
    const char *request = post("/v1/gradient", "", FIRST);
    for (; now_ms() < end; n++) {
        int fd = approach_from(INADDR_LOOPBACK + 1);
        if (fd < 0) continue;
        if (n % 3) say_bytes(fd, request, n % 3 == 1 ? 20 : strlen(request));
        /* One half leaves without a word, with what it was told unread. */
        if (n % 2) setsockopt(fd, SOL_SOCKET, SO_LINGER, &rudely, sizeof rudely);
        close(fd);
    }
    printf("      %.0f connections a second\n", (double)n / seconds);
    CHECK(honest_go_on() && honest_are_well("in a flood"));
    CHECK(stat_becomes(&usual, "connections", "open", 1 + HONEST, true, 20000));
    return true;
}

static rlim_t count_files(void) {
    char path[64];
    rlim_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)usual.pid);
    DIR *files = opendir(path);
    for (struct dirent *file; files && (file = readdir(files));) n += file->d_name[0] != '.';
    if (files) closedir(files);
    return n;
}

static long ticks(void) {
    char path[64];
    long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)usual.pid);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
                       &user, &kernel) != 2)
        user = kernel = 0;
    if (file) fclose(file);
    return user + kernel;
}

/* Those inside are served, those outside are told, and afterwards all is as before. */
static bool goes_on_without_file_descriptors(void) {
    struct rlimit before, low;
    CHECK(prlimit(usual.pid, RLIMIT_NOFILE, NULL, &before) == 0);
    low = before;
    low.rlim_cur = count_files() + 16;
    CHECK(prlimit(usual.pid, RLIMIT_NOFILE, &low, NULL) == 0);
    CHECK(gather(100, ""));
    const int64_t end = now_ms() + (int64_t)(seconds * 1000);
    const long begun = ticks();
    long n = 0;
    int told = 0;
    for (; now_ms() < end; n++) {
        char answer[64] = "";
        int fd = approach();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (fd >= 0 && poll(&ready, 1, 5000 * patience) > 0 &&
            recv(fd, answer, sizeof answer - 1, 0) > 0)
            told += strncmp(answer, "HTTP/1.1 503 ", 13) == 0;
        if (fd >= 0) close(fd);
        sleep_ms(1);
    }
    printf(
        "      %ld came for whom there was no descriptor, %d of them were told; %.0f%% of a core\n",
        n, told, (double)(ticks() - begun) / (double)sysconf(_SC_CLK_TCK) / seconds * 100);
    CHECK(told > 0 && honest_go_on() && honest_are_well("without file descriptors"));
    CHECK(prlimit(usual.pid, RLIMIT_NOFILE, &before, NULL) == 0);
    for (int i = 0; i < n_crowd; i++) close(crowd[i]);
    int fd = approach();
    CHECK(ask_first(fd));
    close(fd);
    return stat_becomes(&usual, "connections", "open", 1 + HONEST, true, 20000);
}

static int honest_fds[HONEST];

static bool admits_honest_clients(void) {
    pthread_mutex_init(&honest.lock, NULL);
    for (int i = 0; i < HONEST; i++) {
        CHECK((honest_fds[i] = approach()) >= 0);
        CHECK(pthread_create(&honest.threads[i], NULL, be_honest, &honest_fds[i]) == 0);
    }
    return honest_go_on();
}

static bool has_failed_no_honest_client(void) {
    atomic_store(&honest.ends, true);
    for (int i = 0; i < HONEST; i++) {
        pthread_join(honest.threads[i], NULL);
        close(honest_fds[i]);
    }
    CHECK(atomic_load(&honest.failures) == 0 && atomic_load(&honest.answers) > 0);
    return true;
}

#define TESTS(X)                                                                                   \
    X(admits_honest_clients)                                                                       \
    X(answers_honest_clients_when_nobody_attacks)                                                  \
    X(cuts_those_who_send_their_headers_slowly)                                                    \
    X(cuts_those_who_send_their_second_headers_slowly)                                             \
    X(cuts_those_who_send_their_body_slowly)                                                       \
    X(cuts_those_who_say_nothing)                                                                  \
    X(cuts_those_who_read_no_answer)                                                               \
    X(ends_the_streams_of_those_who_do_not_read_them)                                              \
    X(lives_through_floods_of_connections)                                                         \
    X(goes_on_without_file_descriptors)                                                            \
    X(has_failed_no_honest_client)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    if (argc > 2) seconds = atof(argv[2]);
    if (argc > 3) attackers = atoi(argv[3]);
    if (attackers > MOST) attackers = MOST;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    /* Nobody here has the time for the usual ones. */
    static const char *const limits[] = {"GRADD_HEADER_SECONDS", "GRADD_BODY_SECONDS",
                                         "GRADD_ANSWER_SECONDS", "GRADD_IDLE_SECONDS"};
    char text[16];
    snprintf(text, sizeof text, "%d", LIMIT_SECONDS * patience);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) setenv(limits[i], text, 1);
    return run_tests(argc > 2 ? 2 : argc, argv, NULL, NULL, tests, sizeof tests / sizeof *tests);
}
