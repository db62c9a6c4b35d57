/* How fast the server answers one request, asked again and again by some threads. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/gradctl.h"

enum { THREADS_MOST = 256, FIRST_ROOM = 4096 };

static const char first[] =
    "{\"graph\":\"z = (x1 + 5) * x2 ** 2\",\"variables\":{\"x1\":2.0,\"x2\":3.0}}";

struct bench {
    const char *method, *path, *body;
    double end;       /* when, in seconds */
    atomic_long left; /* requests that are still to be sent */
    atomic_long failed;
};

struct worker {
    struct bench *bench;
    pthread_t thread;
    double *seconds; /* of each answer */
    size_t n, room;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool keep(struct worker *w, double seconds) {
    if (w->n == w->room) {
        const size_t room = w->room ? 2 * w->room : FIRST_ROOM;
        double *more = realloc(w->seconds, room * sizeof *more);
        if (!more) return false;
        w->seconds = more;
        w->room = room;
    }
    w->seconds[w->n++] = seconds;
    return true;
}

static void *work(void *context) {
    struct worker *w = context;
    struct bench *b = w->bench;
    for (double begun = now(); begun < b->end && atomic_fetch_sub(&b->left, 1) > 0;) {
        int status;
        if (!ask_once(b->method, b->path, b->body, &status)) atomic_fetch_add(&b->failed, 1);
        const double ended = now();
        if (!keep(w, ended - begun)) break;
        begun = ended;
    }
    return NULL;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* All latencies in one sorted array. */
static double *collect(struct worker *workers, size_t n, size_t *count) {
    *count = 0;
    for (size_t i = 0; i < n; i++) *count += workers[i].n;
    double *all = malloc((*count + 1) * sizeof *all);
    if (!all) ctl_wrong("no memory for the latencies");
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (workers[i].n) memcpy(all + at, workers[i].seconds, workers[i].n * sizeof *all);
        at += workers[i].n;
        free(workers[i].seconds);
    }
    qsort(all, *count, sizeof *all, compare);
    return all;
}

static void report(struct ctl *ctl, const double *all, size_t n, double took, long failed) {
    static const double parts[] = {0.5, 0.9, 0.99, 0.999, 1};
    static const char *const names[] = {"p50", "p90", "p99", "p99.9", "max"};
    char text[2048];
    size_t at = (size_t)snprintf(text, sizeof text,
                                 "{\"requests\":%zu,\"failed\":%ld,\"seconds\":%.3f,"
                                 "\"requests_per_second\":%.1f,\"latency_ms\":{",
                                 n, failed, took, (double)n / took);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const size_t k = n ? (size_t)ceil(parts[i] * (double)n) - 1 : 0;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s\"%s\":%.3f", i ? "," : "", names[i],
                               n ? all[k] * 1e3 : 0);
    }
    snprintf(text + at, sizeof text - at, "}}");
    const struct ctl_answer answer = {
        .status = 200, .text = text, .length = strlen(text), .is_json = true};
    show_answer(ctl, &answer);
}

int run_bench(struct ctl *ctl) {
    static struct worker workers[THREADS_MOST];
    static struct bench b = {.method = "POST", .path = "/v1/gradient", .body = first};
    const long n = ctl_number(ctl, "connections", 4, 1, THREADS_MOST);
    const double seconds = (double)ctl_number(ctl, "seconds", 5, 1, 86400);
    if (ctl->n_words == 1 || ctl->n_words > 3)
        ctl_wrong("usage: gradctl bench [METHOD PATH [BODY]]");
    if (ctl->n_words) b.method = ctl->words[0], b.path = ctl->words[1], b.body = NULL;
    size_t size;
    if (ctl->n_words == 3) b.body = ctl->words[2];
    if (b.body && (*b.body == '@' || strcmp(b.body, "-") == 0))
        b.body = value_file(ctl, *b.body == '@' ? b.body + 1 : b.body, &size);
    const struct ctl_answer answer = ask(b.method, b.path, b.body);
    if (run_refused(ctl, &answer) != CTL_OK) return CTL_REFUSED;
    atomic_store(&b.left, ctl_number(ctl, "requests", INT32_MAX, 1, INT32_MAX));
    const double begun = now();
    b.end = begun + seconds;
    long started = 0;
    for (; started < n; started++) {
        workers[started].bench = &b;
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0) break;
    }
    for (long i = 0; i < started; i++) pthread_join(workers[i].thread, NULL);
    const double took = now() - begun;
    size_t count;
    double *all = collect(workers, (size_t)started, &count);
    report(ctl, all, count, took, atomic_load(&b.failed));
    free(all);
    return count && !atomic_load(&b.failed) ? CTL_OK : CTL_UNMET;
}
