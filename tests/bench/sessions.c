/* What sessions cost: how many are made and deleted a second, the memory of an idle one, and a tape's
 * gradient beside the one-shot request's. Checks the answers; prints a table.
 *
 *     bench_sessions GRADD [SESSIONS] */
#include "../http/wire.h"

enum { SESSIONS = 100000, ROUNDS = 20, CALLS = 500 };

#define GRAPH "\"graph\":\"z = (x1 + 5) * x2 ** 2\""
#define VARIABLES "\"variables\":{\"x1\":2.0,\"x2\":3.0}"
#define GRADIENT "\"gradient\":{\"x1\":9.0,\"x2\":42.0}}"

static int fd;

static _Noreturn void die(const char *what) {
    fprintf(stderr, "bench_sessions: %s: %d %.200s\n", what, reply.status, reply.body);
    exit(1);
}

static void ask(const char *method, const char *path, const char *body, int status,
                const char *part) {
    if (!say(fd, "%s %s HTTP/1.1\r\nHost: gradd\r\nContent-Length: %zu\r\n\r\n%s", method, path,
             strlen(body), body) ||
        hear(fd) != status || !says(part))
        die(path);
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static double resident(const struct child *child) {
    char path[64], line[256];
    double kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)child->pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0) kilobytes = atof(line + 6);
    if (f) fclose(f);
    return 1024 * kilobytes;
}

static void many(const struct child *child, int n) {
    char path[64];
    double before = resident(child), from = now_us();
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "/v1/sessions/s%d", i);
        ask("PUT", path, "{" VARIABLES "}", 201, "\"bytes\":");
    }
    double made = now_us(), held = (resident(child) - before) / n;
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "/v1/sessions/s%d", i);
        ask("DELETE", path, "", 204, "");
    }
    double gone = now_us();
    printf("| sessions made a second, on one connection | %.0f |\n", n * 1e6 / (made - from));
    printf("| deleted | %.0f |\n", n * 1e6 / (gone - made));
    printf("| bytes of an idle session with two variables, of %d | %.0f |\n", n, held);
}

/* ---- gradients ---- */

static void one_shot(void) {
    ask("POST", "/v1/evaluate", "{" GRAPH "," VARIABLES "}", 200, "{\"value\":63.0}");
    ask("POST", "/v1/gradient", "{" GRAPH "," VARIABLES "}", 200, GRADIENT);
}

/* The same two questions of a session: the tape gives the value. */
static void tape(void) {
    char path[64];
    int number = 0;
    ask("POST", "/v1/sessions/s/tapes", "{" GRAPH "}", 201, "\"value\":63.0");
    sscanf(reply.body, "{\"tape\":\"t%d\"", &number);
    snprintf(path, sizeof path, "/v1/sessions/s/tapes/t%d/gradient", number);
    ask("POST", path, "{\"target\":\"z\",\"sources\":{\"x1\":\"x1\",\"x2\":\"x2\"}}", 200,
        GRADIENT);
}

static void ask_tape(int number) {
    char path[64];
    snprintf(path, sizeof path, "/v1/sessions/s/tapes/t%d/gradient", number);
    ask("POST", path, "{\"target\":\"z\",\"sources\":{\"x1\":\"x1\",\"x2\":\"x2\"}}", 200,
        GRADIENT);
}

static double best(double a, double b) { return a < b ? a : b; }

/* Microseconds of the quickest round of each, in turns. */
static void gradients(void) {
    double alone = 1e9, on_tape = 1e9;
    ask("PUT", "/v1/sessions/s", "{" VARIABLES "}", 201, "");
    for (int round = 0; round < ROUNDS; round++) {
        double from = now_us();
        for (int i = 0; i < CALLS; i++) one_shot();
        double middle = now_us();
        for (int i = 0; i < CALLS; i++) tape();
        alone = best(alone, (middle - from) / CALLS);
        on_tape = best(on_tape, (now_us() - middle) / CALLS);
    }
    printf("| value and gradient, one-shot, two requests | %.1f us |\n", alone);
    printf("| value and gradient of a tape on a session, two requests | %.1f us, ratio %.2f |\n",
           on_tape, on_tape / alone);
}

static void persistent(void) {
    double first = 0, again = 1e9;
    int number = 0;
    for (int i = 0; i < CALLS; i++) {
        ask("POST", "/v1/sessions/s/tapes", "{\"persistent\":true," GRAPH "}", 201, "");
        sscanf(reply.body, "{\"tape\":\"t%d\"", &number);
        double from = now_us();
        ask_tape(number);
        first += (now_us() - from) / CALLS;
        char path[64];
        snprintf(path, sizeof path, "/v1/sessions/s/tapes/t%d", number);
        if (i + 1 < CALLS) ask("DELETE", path, "", 204, "");
    }
    for (int round = 0; round < ROUNDS; round++) {
        double from = now_us();
        for (int i = 0; i < CALLS; i++) ask_tape(number);
        again = best(again, (now_us() - from) / CALLS);
    }
    printf("| gradient of a persistent tape, first call | %.1f us |\n", first);
    printf("| the same again | %.1f us, ratio %.2f |\n", again, again / first);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_sessions GRADD [SESSIONS]\n");
        return 2;
    }
    gradd = argv[1];
    struct child child = start(NULL, NULL);
    fd = dial(&child);
    if (fd < 0) die("connect");
    printf("| sessions | |\n|---|---|\n");
    gradients();
    persistent();
    many(&child, argc > 2 ? atoi(argv[2]) : SESSIONS);
    close(fd);
    return stop(&child) ? 0 : 1;
}
