/* Any sequence of whole requests, from the request line to the answer: in an input each begins with a line
 * `METHOD target`, then come header lines, an empty line, and the body up to a line `###`. Whatever they
 * say, each is answered with a status that is none of a fault of the server's, and in the form that it
 * names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/engine.h"
#include "server/stats.h"
#include "tests/fuzz/fuzz.h"
#include "tests/torture/ask.h"

enum { REQUESTS_MOST = 20 };

/* Small enough that an input takes milliseconds. */
static struct service_limits small_limits(void) {
    struct service_limits l = service_limits_default;
    l.max_body_bytes = 1 << 20;
    l.max_nodes = 5000;
    l.max_elements = 1 << 14;
    l.max_request_bytes = 32 << 20;
    l.max_answer_bytes = 4 << 20;
    l.max_work = l.max_job_work = 2000000;
    l.max_session_bytes = 1 << 20;
    return l;
}

static struct engine *engine(void) {
    static struct engine e;
    static bool has_begun;
    static struct service_limits limits;
    char problem[512];
    if (has_begun) return &e;
    stats_start();
    limits = small_limits();
    if (!engine_init(&e, &limits, problem, sizeof problem)) fuzz_fail(problem);
    has_begun = true;
    return &e;
}

static void check(const struct question *q, const struct reply *r) {
    const bool has_json = strstr(r->type, "json") && strcmp(q->method, "HEAD") != 0 && r->length;
    if (r->status < 200 || r->status > 599 || r->status == 500)
        fuzz_fail("a status that no request earns");
    if (r->status >= 400 && strcmp(r->type, "application/problem+json") != 0 &&
        strncmp(q->target, "/readyz", 7) != 0 && strncmp(q->target, "http", 4) != 0)
        fuzz_fail("a failure that is no problem");
    if (has_json) fuzz_expect_json(r->body, r->length);
}

/* The line at *at, NUL-terminated in place; moves on. NULL where none is left. */
static char *take_line(char **at) {
    char *line = *at, *end = line ? strchr(line, '\n') : NULL;
    if (!line || !*line) return NULL;
    if (end) *end = '\0';
    *at = end ? end + 1 : NULL;
    return line;
}

static void ask_one(struct engine *e, char *text) {
    struct question q = {0};
    struct reply r;
    bool failed;
    char *at = text, *line = take_line(&at), *target = line ? strchr(line, ' ') : NULL;
    if (!target) return;
    *target = '\0';
    q.method = line;
    q.target = target + 1;
    while ((line = take_line(&at)) && *line && q.n_headers < ASK_HEADERS)
        if (strchr(line, ':')) q.headers[q.n_headers++] = line;
    q.body = at && *at ? at : NULL;
    q.length = q.body ? strlen(q.body) : 0;
    ask(e, &q, -1, &r, &failed);
    check(&q, &r);
    reply_free(&r);
}

/* Each input finds a server in which nothing is kept. */
static struct tenant *begin(struct engine *e) {
    char problem[512];
    struct tenant *own = e->tenant;
    e->tenant = tenant_new("fuzz", &e->limits, e->seed, e->jobs);
    e->store = store_memory.open("", problem, sizeof problem);
    if (!e->tenant || !e->store) fuzz_fail("no memory");
    return own;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct engine *e = engine();
    struct store *store = e->store;
    struct tenant *own = begin(e);
    char *text = malloc(size + 1), *at = text;
    if (!text) fuzz_fail("no memory");
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    for (int i = 0; at && i < REQUESTS_MOST; i++) {
        char *mark = strstr(at, "\n###\n");
        if (mark) *mark = '\0';
        ask_one(e, at);
        at = mark ? mark + 5 : NULL;
    }
    free(text);
    engine_drain(e);
    tenant_free(e->tenant);
    e->store->verbs->close(e->store);
    e->tenant = own;
    e->store = store;
    return 0;
}
