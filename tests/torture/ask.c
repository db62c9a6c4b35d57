/* A transport for one request at a time. Knows of exchanges what server/exchange.h says, and not where the
 * requests come from. */
#include "tests/torture/ask.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/exchange.h"
#include "server/keeper.h"
#include "tests/torture/failing.h"

/* Time stands still, so that what two servers make is the same, and nothing ends because it took long. */
int wrap_clock_gettime(clockid_t clock, struct timespec *out) __asm__("__wrap_clock_gettime");
int wrap_clock_gettime(clockid_t clock, struct timespec *out) {
    *out = (struct timespec){.tv_sec = clock == CLOCK_REALTIME ? 1800000000 : 1000000};
    return 0;
}

/* Nor is there chance: a process draws what its parent would have drawn (splitmix64), so that both need the same
 * allocations, and a failure is found again. */
ssize_t wrap_getrandom(void *out, size_t n, unsigned flags) __asm__("__wrap_getrandom");
ssize_t wrap_getrandom(void *out, size_t n, unsigned flags) {
    static uint64_t state;
    (void)flags;
    for (size_t i = 0; i < n; i++) {
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        ((unsigned char *)out)[i] = (unsigned char)(z ^ (z >> 31));
    }
    return (ssize_t)n;
}

struct asked {
    struct exchange x; /* first */
    atomic_bool left;
    bool over, works;
    char *texts; /* of the headers and the query */
};

static void wake(struct exchange *x, bool over) {
    struct asked *a = (struct asked *)(void *)x;
    *(over ? &a->over : &a->works) = true;
    if (over && x->log) exchange_end_log(x);
}

/* A copy that lives as long as the request. */
static char *keep(char **at, const char *text, size_t n) {
    char *copy = *at;
    memcpy(copy, text, n);
    copy[n] = '\0';
    *at += n + 1;
    return copy;
}

static void tell_header(struct asked *a, char **at, const char *name, size_t n, const char *value) {
    const char *kept_name = keep(at, name, n);
    exchange_header(&a->x, kept_name, n, keep(at, value, strlen(value)));
}

static bool has_header(const struct question *q, const char *name) {
    for (size_t i = 0; i < q->n_headers; i++)
        if (strncmp(q->headers[i], name, strlen(name)) == 0) return true;
    return false;
}

static void tell_headers(struct asked *a, const struct question *q, char **at) {
    for (size_t i = 0; i < q->n_headers; i++) {
        const char *colon = strchr(q->headers[i], ':');
        const char *value = colon ? colon + 1 + strspn(colon + 1, " ") : "";
        if (*value) tell_header(a, at, q->headers[i], (size_t)(colon - q->headers[i]), value);
    }
    if (!has_header(q, "Host:")) tell_header(a, at, "Host", 4, "127.0.0.1");
    if (!q->body) return;
    char length[24];
    snprintf(length, sizeof length, "%zu", q->length);
    if (!has_header(q, "Content-Type:")) tell_header(a, at, "Content-Type", 12, "application/json");
    if (!has_header(q, "Content-Length:") && !has_header(q, "Transfer-Encoding:"))
        tell_header(a, at, "Content-Length", 14, length);
}

/* As the transport hands them on: apart, a plus as a space, not decoded further. */
static void tell_query(struct asked *a, char *query) {
    for (char *c = query; *c; c++)
        if (*c == '+') *c = ' ';
    for (char *save = NULL, *pair = strtok_r(query, "&", &save); pair;
         pair = strtok_r(NULL, "&", &save)) {
        const size_t n = strcspn(pair, "=");
        const char *value = pair[n] ? pair + n + 1 : "";
        pair[n] = '\0';
        exchange_query(&a->x, pair, n, value, strlen(value));
    }
}

static void begin(struct asked *a, struct engine *engine, const struct question *q) {
    size_t size = 2 * strlen(q->target) + 256;
    for (size_t i = 0; i < q->n_headers; i++) size += strlen(q->headers[i]) + 2;
    memset(a, 0, sizeof *a);
    char *at = a->texts = malloc(size);
    if (!at) abort();
    const size_t n = strcspn(q->target, "?");
    const char *path = keep(&at, q->target, n);
    char *query = keep(&at, q->target + n, strlen(q->target + n));
    exchange_begin(&a->x, engine, q->method, path, false, wake, &a->left);
    tell_headers(a, q, &at);
    failing_arm(-1);
    if (*query) tell_query(a, query + 1);
}

/* What waits for something that no other thread will bring about is told that its client has left. */
static void finish(struct asked *a, struct engine *engine) {
    while (!a->over) {
        if (a->works) {
            a->works = false;
            exchange_work(&a->x);
        } else {
            atomic_store(&a->left, true);
            engine_sweep(engine);
        }
    }
}

static void run(struct asked *a, struct engine *engine, const struct question *q) {
    const bool admitted = exchange_admit(&a->x);
    a->x.deadline = clock_coarse() + 60 * INT64_C(1000000000);
    if (admitted && q->body && !exchange_body(&a->x, q->body, q->length)) return;
    if (!admitted) return;
    if (exchange_run(&a->x) == EXCHANGE_WORKS) exchange_work(&a->x);
    finish(a, engine);
}

static void take(struct reply *out, const struct answer *a) {
    const char *data = a->data;
    size_t n = a->length;
    if (a->log) data = a->log->end, n = a->log->end_length;
    *out = (struct reply){.status = a->status, .length = n, .type = a->type ? a->type : ""};
    out->body = malloc(n + 1);
    if (!out->body) abort();
    if (n) memcpy(out->body, data, n);
    out->body[n] = '\0';
    snprintf(out->location, sizeof out->location, "%s", a->location ? a->location : "");
    snprintf(out->etag, sizeof out->etag, "%s", a->etag);
}

long ask(struct engine *engine, const struct question *q, long fails_at, struct reply *out,
         bool *failed) {
    struct asked a;
    struct answer answer;
    begin(&a, engine, q);
    failing_arm(fails_at);
    run(&a, engine, q);
    exchange_answer(&a.x, &answer);
    const long count = failing_count(failed);
    take(out, &answer);
    if (answer.owned) writer_release(answer.data);
    exchange_end(&a.x);
    free(a.texts);
    return count;
}

void reply_free(struct reply *r) {
    free(r->body);
    *r = (struct reply){0};
}
