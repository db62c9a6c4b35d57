/* Sessions: how fast they come and go, what an idle one weighs and whether many slow the rest, and what
 * a tape's gradient costs beside the same gradient as a one-shot request. Prints medians as rows for
 * tests/bench/table; fails on a wrong answer, never on a time. Knows of the server only its HTTP.
 *
 *     sessions MANY PROGRAM [ARGUMENT...]      MANY idle sessions are made; the README says 100,000 */
#include <stdarg.h>
#include <stdbool.h>

#include "server.h"

enum { ROUNDS = 7, EACH = 2560, LANES = 16, ANSWER = 1 << 20, ID = 80 };
enum { BATCH = 16, WIDTH = 64 }; /* of the net: points, and units of each layer */

/* ---- a connection ---- */

struct lane {
    int fd;
    char *text; /* the latest answer */
    const char *body;
    size_t length; /* of its body */
    int status;
};

static void lane_send(struct lane *l, const char *method, const char *path, const char *body) {
    static char head[1024], *request;
    static size_t capacity;
    const size_t n = body ? strlen(body) : 0;
    const int m = snprintf(head, sizeof head,
                           "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                           "Content-Length: %zu\r\n\r\n",
                           method, path, n);
    const size_t all = (size_t)m + n;
    if (all > capacity) request = realloc(request, capacity = all);
    if (!request) die("out of memory");
    memcpy(request, head, (size_t)m);
    if (n) memcpy(request + m, body, n);
    for (size_t sent = 0; sent < all;) {
        const ssize_t wrote = write(l->fd, request + sent, all - sent);
        if (wrote <= 0) die("the request was not taken whole");
        sent += (size_t)wrote;
    }
}

static size_t body_length(const char *head) {
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at ? (size_t)strtoull(at + 17, NULL, 10) : 0;
}

static void lane_read(struct lane *l, int status) {
    size_t have = 0, all = 0;
    const char *end = NULL;
    while (!end || have < all) {
        if (have + 1 >= ANSWER) die("an answer is too long");
        const ssize_t got = read(l->fd, l->text + have, ANSWER - 1 - have);
        if (got <= 0) die("the server closed a connection");
        have += (size_t)got;
        l->text[have] = '\0';
        if (end || !(end = strstr(l->text, "\r\n\r\n"))) continue;
        l->body = end + 4;
        l->length = body_length(l->text);
        all = (size_t)(l->body - l->text) + l->length;
    }
    l->status = atoi(l->text + 9);
    if (l->status == status) return;
    fprintf(stderr, "%.2000s\n", l->text);
    die("the answer has another status");
}

static const char *lane_ask(struct lane *l, const char *method, const char *path, const char *body,
                            int status) {
    lane_send(l, method, path, body);
    lane_read(l, status);
    return l->body;
}

struct bench {
    struct server server;
    struct lane lanes[LANES];
    char (*ids)[ID]; /* of the sessions there are */
    int n;
};

static struct bench *bench_new(char *const *argv, int most) {
    struct bench *b = calloc(1, sizeof *b);
    if (!b || !(b->ids = calloc((size_t)most, sizeof *b->ids))) die("out of memory");
    b->server = server_start(argv);
    for (int i = 0; i < LANES; i++) {
        b->lanes[i] = (struct lane){.fd = server_dial(&b->server), .text = malloc(ANSWER)};
        if (!b->lanes[i].text) die("out of memory");
    }
    return b;
}

static void bench_end(struct bench *b) {
    for (int i = 0; i < LANES; i++) {
        close(b->lanes[i].fd);
        free(b->lanes[i].text);
    }
    server_stop(&b->server);
    free(b->ids);
    free(b);
}

/* ---- rows ---- */

static char *text(const char *format, ...) {
    char *out;
    va_list values;
    va_start(values, format);
    if (vasprintf(&out, format, values) < 0) die("out of memory");
    va_end(values);
    return out;
}

struct samples {
    double s[ROUNDS];
};

static double median(struct samples s) {
    qsort(s.s, ROUNDS, sizeof *s.s, compare_doubles);
    return s.s[ROUNDS / 2];
}

/* What was measured, beside what (0: nothing), and the most that it should be of that (0: nothing is said). */
static void row(const char *what, double x, const char *unit, double beside, const char *than,
                double most) {
    printf("%s\t%.9g\t%s", what, x, unit);
    if (beside > 0) printf("\t%.9g\t%s", beside, than);
    if (most > 0) printf("\t<= %g", most);
    printf("\n");
}

/* ---- many requests, on all connections ---- */

static const char one_shot[] =
    "{\"graph\":\"z = (x1 + 5) * x2 ** 2\",\"variables\":{\"x1\":2.0,\"x2\":3.0}}";
static const char new_session[] = "{\"variables\":{\"x1\":2.0,\"x2\":3.0}}";

static void send_create(struct bench *b, struct lane *l) {
    (void)b;
    lane_send(l, "POST", "/v1/sessions", new_session);
}
static void read_create(struct bench *b, struct lane *l) {
    lane_read(l, 201);
    if (sscanf(l->body, "{\"id\":\"%79[0-9a-f]\"", b->ids[b->n++]) != 1) die("an answer has no id");
}
static void send_delete(struct bench *b, struct lane *l) {
    char path[ID + 32];
    snprintf(path, sizeof path, "/v1/sessions/%s", b->ids[--b->n]);
    lane_send(l, "DELETE", path, NULL);
}
static void read_delete(struct bench *b, struct lane *l) {
    (void)b;
    lane_read(l, 204);
}
static void send_one_shot(struct bench *b, struct lane *l) {
    (void)b;
    lane_send(l, "POST", "/v1/gradient", one_shot);
}
static void read_one_shot(struct bench *b, struct lane *l) {
    (void)b;
    lane_read(l, 200);
    if (strncmp(l->body, "{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}", l->length) != 0)
        die("a one-shot gradient is wrong");
}

/* Requests a second: each connection has one under way. */
static double rate(struct bench *b, int n, void (*send)(struct bench *, struct lane *),
                   void (*receive)(struct bench *, struct lane *)) {
    const double start = now_ms();
    for (int i = 0; i < n + LANES; i++) {
        struct lane *l = &b->lanes[i % LANES];
        if (i >= LANES) receive(b, l);
        if (i < n) send(b, l);
    }
    return n / (now_ms() - start) * 1e3;
}

static void come_and_go(struct bench *b) {
    struct samples create, delete, beside;
    for (int i = 0; i < ROUNDS; i++) {
        beside.s[i] = rate(b, EACH, send_one_shot, read_one_shot);
        create.s[i] = rate(b, EACH, send_create, read_create);
        delete.s[i] = rate(b, EACH, send_delete, read_delete);
    }
    row("sessions created a second, 16 connections", median(create), "", median(beside),
        "one-shot gradients", 0);
    row("sessions deleted a second", median(delete), "", median(beside), "one-shot gradients", 0);
}

/* ---- idle sessions ---- */

static double statistic(struct lane *l, const char *name) {
    const char *at = strstr(lane_ask(l, "GET", "/v1/stats", NULL, 200), name);
    if (!at) die("/v1/stats lacks a member");
    return strtod(at + strlen(name) + 2, NULL);
}

/* Milliseconds to list the 100 sessions that were made after so many. */
static double page(struct lane *l, int after) {
    char path[64];
    snprintf(path, sizeof path, "/v1/sessions?limit=100&after=%d", after);
    const double start = now_ms();
    if (!strstr(lane_ask(l, "GET", path, NULL, 200), "{\"id\":\"")) die("a page is empty");
    return now_ms() - start;
}

/* `few` stays as it is; `b` gets many sessions. Both serve the same meanwhile. */
static void idle(struct bench *few, struct bench *b, int many) {
    enum { WARM = 1000 };
    struct samples beside, with, first, last, alone;
    rate(b, WARM, send_create, read_create);
    rate(b, WARM, send_delete, read_delete);
    const double before = (double)server_resident_kib(&b->server) * 1024;
    rate(b, many, send_create, read_create);
    const double held = ((double)server_resident_kib(&b->server) * 1024 - before) / many;
    const double charged = statistic(b->lanes, "session_bytes") / many;
    char *name = text("resident memory of an idle session with two scalar variables, of %d,%03d",
                      many / 1000, many % 1000);
    row(name, held, "B", charged, "what its owner is charged for", 0);
    free(name);
    rate(few, 128, send_create, read_create);
    for (int i = 0; i < ROUNDS; i++) {
        beside.s[i] = rate(few, EACH, send_one_shot, read_one_shot);
        with.s[i] = rate(b, EACH, send_one_shot, read_one_shot);
        alone.s[i] = page(few->lanes, 0);
        first.s[i] = page(b->lanes, 0);
        last.s[i] = page(b->lanes, WARM + many - 100);
    }
    row("one-shot gradients a second beside them", median(with), "", median(beside),
        "beside 128 sessions", 0);
    row("the first page of their list", median(first), "ms", median(alone), "of 128 sessions", 0);
    row("the last page", median(last), "ms", median(alone), "of 128 sessions", 0);
    rate(b, many, send_delete, read_delete);
    if (statistic(b->lanes, "session_bytes") > 0)
        die("the sessions are gone, and their bytes are not");
    sleep(3); /* about once a second the server gives back what is free */
    const double left = ((double)server_resident_kib(&b->server) * 1024 - before) / many;
    row("resident memory of each when all are deleted", left, "B", held, "when they were there", 0);
}

/* ---- a tape's gradient ---- */

enum { EACH_MOST = 800 };

/* A graph with its variables, by two orders of its sources. */
struct question {
    const char *name;
    char *variables, *graph; /* members of a body */
    const char *sources[2];
    int each; /* calls of a round */
};

static char *matrix(int rows, int columns, double scale) {
    const size_t size = (size_t)(rows * columns) * 24 + 64;
    char *out = malloc(size), *at = out;
    if (!out) die("out of memory");
    at += sprintf(at, "[");
    for (int i = 0; i < rows * columns; i++) {
        const double x = scale * ((double)(i * 7919 % 997) / 997 - 0.5);
        at += sprintf(at, "%s%.8g%s",
                      i % columns ? ","
                      : i         ? ",["
                                  : "[",
                      x, i % columns == columns - 1 ? "]" : "");
    }
    sprintf(at, "]");
    return out;
}

/* The tape of a new session that has recorded the question's graph: the path of its gradients. */
static char *open_tape(struct lane *l, const struct question *q) {
    char *body = text("{%s}", q->variables), id[ID];
    if (sscanf(lane_ask(l, "POST", "/v1/sessions", body, 201), "{\"id\":\"%79[0-9a-f]\"", id) != 1)
        die("an answer has no id");
    free(body);
    char *tapes = text("/v1/sessions/%s/tapes", id);
    body = text("{\"persistent\":true,%s}", q->graph);
    lane_ask(l, "POST", tapes, body, 201);
    free(body);
    body = text("%s/t1/gradient", tapes);
    free(tapes);
    return body;
}

static void close_session(struct lane *l, char *path) {
    *strstr(path, "/tapes") = '\0';
    lane_ask(l, "DELETE", path, NULL, 204);
    free(path);
}

/* Microseconds of the server's processors a request, of those that take turns between two bodies. What
 * else the machine does is not counted, nor how the kernel wakes the two in turn. */
static double timed(struct bench *b, const struct question *q, const char *path,
                    char *const bodies[2]) {
    const double start = server_spent_us(&b->server);
    for (int i = 0; i < q->each; i++) lane_ask(b->lanes, "POST", path, bodies[i % 2], 200);
    return (server_spent_us(&b->server) - start) / q->each;
}

/* The same bits from the tape as from the one-shot request, which shows the value too. */
static void check_same(struct lane *l, const char *path, const char *asked, const char *shot) {
    char *tape = strdup(lane_ask(l, "POST", path, asked, 200));
    const char *gradient = strstr(lane_ask(l, "POST", "/v1/gradient", shot, 200), "\"gradient\"");
    if (!tape || !gradient || strcmp(tape + 1, gradient) != 0)
        die("a tape's gradient differs from that of a one-shot request");
    free(tape);
}

static void compare(struct bench *b, const struct question *q) {
    struct lane *l = b->lanes;
    char *path = open_tape(l, q), *asked[2], *shot[2], *same[2];
    struct samples by_tape, by_shot, again;
    for (int i = 0; i < 2; i++) {
        asked[i] = text("{\"target\":\"z\",\"sources\":%s}", q->sources[i]);
        shot[i] = text("{%s,%s,\"sources\":%s}", q->graph, q->variables, q->sources[i]);
        check_same(l, path, asked[i], shot[i]);
    }
    same[0] = same[1] = asked[0];
    for (int i = 0; i < ROUNDS; i++) {
        by_shot.s[i] = timed(b, q, "/v1/gradient", shot);
        by_tape.s[i] = timed(b, q, path, asked);
        again.s[i] = timed(b, q, path, same);
    }
    char *name = text("gradient on a tape of a session, %s, processor time", q->name);
    row(name, median(by_tape), "us", median(by_shot), "the same as a one-shot request", 1.1);
    free(name);
    row("the question before it again", median(again), "us", median(by_tape),
        "two questions in turn", 0);
    for (int i = 0; i < 2; i++) free(asked[i]), free(shot[i]);
    close_session(l, path);
}

/* The first and the second time that new tapes are asked. */
static void compare_calls(struct bench *b, const struct question *q) {
    struct samples call[2];
    char *asked = text("{\"target\":\"z\",\"sources\":%s}", q->sources[0]), *paths[EACH_MOST];
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < q->each; k++) paths[k] = open_tape(b->lanes, q);
        for (int nth = 0; nth < 2; nth++) {
            const double start = server_spent_us(&b->server);
            for (int k = 0; k < q->each; k++) lane_ask(b->lanes, "POST", paths[k], asked, 200);
            call[nth].s[i] = (server_spent_us(&b->server) - start) / q->each;
        }
        for (int k = 0; k < q->each; k++) close_session(b->lanes, paths[k]);
    }
    row("the second question to a tape", median(call[1]), "us", median(call[0]), "the first", 1);
    free(asked);
}

static void bench_question(struct bench *b, const struct question *q) {
    compare(b, q);
    compare_calls(b, q);
    free(q->variables);
    free(q->graph);
}

static void tapes(struct bench *b) {
    const struct question small = {
        .name = "two scalars",
        .variables = text("\"variables\":{\"x1\":2.0,\"x2\":3.0}"),
        .graph = text("\"graph\":\"z = (x1 + 5) * x2 ** 2\""),
        .sources = {"[\"x1\",\"x2\"]", "[\"x2\",\"x1\"]"},
        .each = 800,
    };
    char *w1 = matrix(WIDTH, WIDTH, 0.2), *w2 = matrix(WIDTH, WIDTH, 0.3),
         *x = matrix(BATCH, WIDTH, 2);
    const struct question net = {
        .name = "a net with two layers of 64x64 weights",
        .variables =
            text("\"variables\":{\"w1\":%s,\"w2\":%s},\"constants\":{\"x\":%s}", w1, w2, x),
        .graph = text("\"graph\":\"z = reduce_mean((tanh(x @ w1) @ w2 - x) ** 2)\""),
        .sources = {"[\"w1\",\"w2\"]", "[\"w2\",\"w1\"]"},
        .each = 60,
    };
    free(w1), free(w2), free(x);
    bench_question(b, &small);
    bench_question(b, &net);
}

int main(int argc, char **argv) {
    bench_name = "sessions";
    const int many = argc > 2 ? atoi(argv[1]) : 0;
    if (many < 1000) die("usage: sessions MANY PROGRAM [ARGUMENT...], and MANY is at least 1000");
    struct bench *few = bench_new(argv + 2, many), *b = bench_new(argv + 2, many);
    come_and_go(few);
    idle(few, b, many);
    bench_end(b);
    tapes(few);
    bench_end(few);
    return 0;
}
