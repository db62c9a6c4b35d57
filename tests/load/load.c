/* Keeps a real gradd busy with mixed work from many connections, each of which asks again as soon as it
 * is answered, and looks at what comes back and at the memory of the process. Times are printed and
 * judge nothing.
 *
 *     load GRADD [SECONDS [CONNECTIONS]]
 */
#include <sys/epoll.h>
#include <sys/resource.h>

#include "tests/http/wire.h"
#include "tests/load/latency.h"

enum { ROOM = 32 << 10, EVENTS = 256 };
/* Of the time: when memory is looked at first, and until when; the end has as much. */
static const double warm_from = 0.2, warm_part = 0.2;
/* Memory that may come without being a leak: holes, and the most that was in flight at a moment. */
static const double grows_by = 1.1;
static const long grows_bytes = 8 << 20;

/* ---- what is asked ---- */

#define KINDS(X)                                                                                   \
    X(SMALL, "gradients", 60)                                                                      \
    X(HESSIAN, "Hessians", 15)                                                                     \
    X(SESSION, "sessions", 15)                                                                     \
    X(STREAM, "streams", 5)                                                                        \
    X(JOB, "jobs", 5)

enum kind {
#define KIND_ENUM(tag, name, percent) KIND_##tag,
    KINDS(KIND_ENUM)
#undef KIND_ENUM
        KIND_COUNT
};

static const struct {
    const char *name;
    int percent;
} kinds[] = {
#define KIND_ROW(tag, name, percent) {name, percent},
    KINDS(KIND_ROW)
#undef KIND_ROW
};

/* One request of a conversation: {} in a path is where an answer said that the thing is. */
struct line {
    const char *method, *path, *headers, *body;
    int status; /* that of success */
};

#define MINIMIZE                                                                                   \
    "{\"graph\":\"(x - 3) ** 2\",\"variables\":{\"x\":0},\"optimizer\":{\"name\":\"SGD\","         \
    "\"learning_rate\":0.1},\"steps\":20}"

static const struct line conversations[KIND_COUNT][6] = {
    [KIND_SMALL] = {{"POST", "/v1/gradient", "",
                     "{\"graph\":\"z = (x1 + 5) * x2 ** 2\",\"variables\":{\"x1\":2.0,\"x2\":3.0}}",
                     200}},
    [KIND_HESSIAN] = {{"POST", "/v1/hessian", "",
                       "{\"graph\":\"reduce_sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** "
                       "2)\",\"variables\":{\"x\":[1,2,3,4,5,6,7,8,9,10]}}",
                       200}},
    [KIND_SESSION] =
        {{"POST", "/v1/sessions", "",
          "{\"variables\":{\"x\":[1,2,3]},\"optimizer\":{\"name\":\"Adam\",\"learning_rate\":0.1}}",
          201},
         {"POST", "{}/minimize", "", "{\"graph\":\"reduce_sum(x ** 2)\",\"steps\":10}", 200},
         {"POST", "{}/tapes", "", "{\"graph\":\"y = reduce_sum(x ** 3)\"}", 201},
         {"GET", "{}/variables", "", NULL, 200},
         {"DELETE", "{}", "", NULL, 204}},
    [KIND_STREAM] = {{"POST", "/v1/minimize", "Accept: text/event-stream\r\n", MINIMIZE, 200}},
    [KIND_JOB] = {{"POST", "/v1/jobs", "", "{\"method\":\"minimize\",\"request\":" MINIMIZE "}",
                   202},
                  {"GET", "{}?wait=60", "", NULL, 200},
                  {"DELETE", "{}", "", NULL, 204}},
};

/* ---- who asks ---- */

struct visitor {
    int fd;
    enum kind kind;
    int step;
    char place[128]; /* of the session or the operation */
    char out[1024], in[ROOM];
    size_t n_out, at_out, n_in;
    int64_t asked;
};

static struct {
    struct latency latency[KIND_COUNT];
    long answers, limits, failures, cut;
    uint64_t dice;
    int epoll;
} load;

static unsigned roll(unsigned sides) {
    load.dice = load.dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(load.dice >> 33) % sides;
}

static const struct line *line_of(const struct visitor *v) {
    return &conversations[v->kind][v->step];
}

static void ask(struct visitor *v) {
    const struct line *line = line_of(v);
    const char *rest = strstr(line->path, "{}");
    const size_t n_body = line->body ? strlen(line->body) : 0;
    v->n_out = (size_t)snprintf(v->out, sizeof v->out,
                                "%s %s%s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: "
                                "%zu\r\n\r\n%s",
                                line->method, rest ? v->place : "", rest ? rest + 2 : line->path,
                                line->headers, n_body, line->body ? line->body : "");
    v->at_out = v->n_in = 0;
    v->asked = now_ns();
}

static void begin(struct visitor *v) {
    int percent = (int)roll(100);
    v->kind = KIND_SMALL;
    while (percent >= kinds[v->kind].percent) percent -= kinds[v->kind++].percent;
    v->step = 0;
    ask(v);
}

static void fail(const struct visitor *v, int status) {
    if (load.failures++ >= 5) return;
    printf("      %s %s: %d\n      %.300s\n", line_of(v)->method, line_of(v)->path, status, v->in);
}

/* Behind an answer: the next line of the conversation, or a new one. */
static void go_on(struct visitor *v, int status) {
    const bool limit = status == 429 || status == 503 || status == 507;
    load.answers++;
    latency_add(&load.latency[v->kind], now_ns() - v->asked);
    if (limit) {
        load.limits++;
        /* What is there already is taken away, whatever else was refused. */
        if (v->step == 0) {
            begin(v);
            return;
        }
        v->step--;
        while (strcmp(line_of(v)[1].method, "DELETE") != 0) v->step++;
    } else if (status != line_of(v)->status) {
        fail(v, status);
        begin(v);
        return;
    }
    const char *place = strstr(v->in, "\r\nLocation: ");
    if (place && v->step == 0 && !limit)
        snprintf(v->place, sizeof v->place, "%.*s", (int)strcspn(place + 12, "\r"), place + 12);
    v->step++;
    if (v->step < 6 && line_of(v)->method)
        ask(v);
    else
        begin(v);
}

/* The status of a whole answer, or 0 where more of it is to come. */
static int read_answer(struct visitor *v) {
    int status = 0;
    v->in[v->n_in] = '\0';
    const char *end = strstr(v->in, "\r\n\r\n");
    if (!end || sscanf(v->in, "HTTP/1.1 %d", &status) != 1) return 0;
    const size_t head = (size_t)(end - v->in) + 4;
    const char *length = strstr(v->in, "\r\nContent-Length: ");
    if (length && length < end)
        return v->n_in >= head + strtoul(length + 18, NULL, 10) ? status : 0;
    if (status == 204) return status;
    return v->n_in >= head + 5 && memcmp(v->in + v->n_in - 5, "0\r\n\r\n", 5) == 0 ? status : 0;
}

static bool hello(struct visitor *v, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (v->fd < 0 || connect(v->fd, (struct sockaddr *)&to, sizeof to) != 0) return false;
    fcntl(v->fd, F_SETFL, fcntl(v->fd, F_GETFL) | O_NONBLOCK);
    begin(v);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = v};
    return epoll_ctl(load.epoll, EPOLL_CTL_ADD, v->fd, &event) == 0;
}

/* As far as it goes without waiting; false where the connection is at its end. */
static bool speak(struct visitor *v) {
    for (;;) {
        while (v->at_out < v->n_out) {
            ssize_t n = send(v->fd, v->out + v->at_out, v->n_out - v->at_out, MSG_NOSIGNAL);
            if (n < 0) return errno == EAGAIN;
            v->at_out += (size_t)n;
        }
        ssize_t n = recv(v->fd, v->in + v->n_in, ROOM - 1 - v->n_in, 0);
        if (n <= 0) return n < 0 && errno == EAGAIN;
        v->n_in += (size_t)n;
        const int status = read_answer(v);
        if (status) go_on(v, status);
    }
}

/* ---- the run ---- */

static long resident(const struct child *child) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)child->pid);
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void keep_busy(struct visitor *visitors, int n, const struct child *child, double seconds,
                      long memory[2]) {
    const int64_t begun = now_ns(), end = begun + (int64_t)(seconds * 1e9);
    struct epoll_event events[EVENTS];
    int64_t looked = 0;
    for (int64_t now; (now = now_ns()) < end && load.cut < n;) {
        const int ready = epoll_wait(load.epoll, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct visitor *v = events[i].data.ptr;
            if (speak(v)) continue;
            load.cut++;
            epoll_ctl(load.epoll, EPOLL_CTL_DEL, v->fd, NULL);
        }
        if (now - looked < 100000000) continue;
        looked = now;
        const double part = (double)(now - begun) / (double)(end - begun);
        const long bytes = resident(child);
        if (part >= warm_from && part < warm_from + warm_part && bytes > memory[0])
            memory[0] = bytes;
        if (part >= 1 - warm_part && bytes > memory[1]) memory[1] = bytes;
    }
    for (int i = 0; i < n; i++) close(visitors[i].fd);
}

static int passed, failed;
static void judge(const char *name, bool ok) {
    printf("%s  %s\n", ok ? "ok  " : "FAIL", name);
    *(ok ? &passed : &failed) += 1;
}

static void report(double seconds, int n, const long memory[2]) {
    printf("      %d connections, %.0f s: %.0f answers a second, %ld of %ld limits\n", n, seconds,
           (double)load.answers / seconds, load.limits, load.answers);
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct latency *l = &load.latency[i];
        printf(
            "      %-10s %9ld answers; 50%% within %.2f ms, 99%% within %.2f ms, all within %.0f "
            "ms\n",
            kinds[i].name, l->n, latency_of(l, 0.5), latency_of(l, 0.99), (double)l->most / 1e6);
    }
    printf("      resident: %.1f MiB once warm, %.1f MiB at the end\n",
           (double)memory[0] / (1 << 20), (double)memory[1] / (1 << 20));
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: %s GRADD [SECONDS [CONNECTIONS]]\n", argv[0]);
        return 2;
    }
    gradd = argv[1];
    const double seconds = argc > 2 ? atof(argv[2]) : 10;
    const int n = argc > 3 ? atoi(argv[3]) : 1000;
    const char *factor = getenv("GRADD_TEST_PATIENCE");
    if (factor && atoi(factor) > 0) patience = atoi(factor);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdout, NULL, _IOLBF, 0);

    struct child child = start(NULL, NULL);
    struct visitor *visitors = calloc((size_t)n, sizeof *visitors);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.dice = 1;
    if (!visitors || load.epoll < 0) abort();
    int here = 0;
    while (here < n && hello(&visitors[here], child.port)) here++;
    judge("lets_everybody_in", here == n);
    long memory[2] = {0, 0};
    keep_busy(visitors, here, &child, seconds, memory);
    report(seconds, here, memory);
    judge("answers_with_results_or_limits", load.answers > 0 && load.failures == 0);
    judge("cuts_nobody", load.cut == 0);
    judge("takes_no_more_memory_than_when_it_was_warm",
          (double)memory[1] <= (double)memory[0] * grows_by + (double)grows_bytes);
    judge("rests_when_all_have_left",
          stat_becomes(&child, "requests", "in_flight", 1, true, 60000) &&
              stat_becomes(&child, "connections", "open", 1, true, 10000));
    judge("ends_with_0_when_told_to", stop(&child));
    free(visitors);
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
