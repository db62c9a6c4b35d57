/* The two servers, their caches of plans, and what is known of them. Does not judge what they answer. */
#include "tests/torture/twins.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/known.h"
#include "core/slab.h"
#include "server/jobs.h"
#include "tests/torture/keeping.h"

enum { PLANS = 64, PLAN_BYTES = 64 << 20, SEED = 42 };

/* So small that a request takes milliseconds. */
static struct service_limits small_limits(void) {
    struct service_limits l = service_limits_default;
    l.max_request_bytes = 256 << 20;
    l.max_answer_bytes = 1 << 20;
    l.max_work = l.max_job_work = 20000000;
    return l;
}

static struct caches new_caches(void) {
    const struct caches c = {plan_cache_new(PLANS, PLAN_BYTES, SEED),
                             known_cache_new(PLANS, PLAN_BYTES, SEED)};
    if (!c.plans || !c.known) die("no memory");
    return c;
}

static void free_caches(struct caches c) {
    cache_free(c.known);
    plan_cache_free(c.plans);
}

void twins_start(struct twins *w, bool durable) {
    const struct service_limits limits = small_limits();
    char problem[512];
    memset(w, 0, sizeof *w);
    for (int i = 0; i < 2; i++) {
        if (!engine_init(&w->engine[i], &limits, problem, sizeof problem)) die("%s", problem);
    }
    w->durable = durable;
    if (durable) {
        w->engine[1].store->verbs->close(w->engine[1].store);
        w->engine[1].store = store_keeping.open("", problem, sizeof problem);
    }
    w->warm = new_caches();
    slab_keep(0);
}

void twins_stop(struct twins *w) {
    for (int i = 0; i < 2; i++) {
        engine_drain(&w->engine[i]);
        engine_free(&w->engine[i]);
        text_free(&w->texts[i]);
    }
    free_caches(w->warm);
}

/* ---- what is asked ---- */

static const char *remembered(const struct twins *w, int which, const char *name, size_t n) {
    for (size_t i = w->n_names; i-- > 0;)
        if (strlen(w->names[i].name) == n && strncmp(w->names[i].name, name, n) == 0)
            return w->names[i].value[which];
    return NULL;
}

/* The text with what was remembered in the place of the name behind `dollar`, if there is one; where it
 * begins in the texts. */
static size_t add(struct twins *w, int which, const char *text, const char *dollar) {
    struct text *to = &w->texts[which];
    const size_t at = to->length, n = dollar ? strcspn(dollar + 1, "/?") : 0;
    const char *value = dollar ? remembered(w, which, dollar + 1, n) : NULL;
    if (value) {
        text_add(to, text, (size_t)(dollar - text));
        text_say(to, value);
        text_say(to, dollar + 1 + n);
    } else {
        text_say(to, text);
    }
    text_add(to, "", 1);
    return at;
}

static void make_question(struct twins *w, int which, const struct test *t) {
    struct question *q = &w->question[which];
    size_t at[HEADERS_MAX];
    w->texts[which].length = 0;
    const size_t target = add(w, which, t->target, *t->target == '$' ? t->target : NULL);
    for (size_t i = 0; i < t->n_headers; i++) {
        const char *dollar = strstr(t->headers[i], ": $");
        at[i] = add(w, which, t->headers[i], dollar ? dollar + 2 : NULL);
    }
    *q = (struct question){
        .method = t->method, .target = w->texts[which].data + target, .n_headers = t->n_headers};
    for (size_t i = 0; i < t->n_headers; i++) q->headers[i] = w->texts[which].data + at[i];
    if (t->has_body) q->body = t->body.data ? t->body.data : "";
    q->length = t->body.length;
}

void twins_ask(struct twins *w, const struct test *t) {
    for (int i = 0; i < 2; i++) make_question(w, i, t);
}

void twins_remember(struct twins *w, const struct test *t, const struct reply *here,
                    const struct reply *there) {
    pairs_learn(&w->pairs, here->location, there->location);
    for (size_t i = 0; i < t->n_want_headers; i++) {
        const char *dollar = strstr(t->want_headers[i], ": $");
        const bool is_place = strncmp(t->want_headers[i], "Location:", 9) == 0;
        if (!dollar) continue;
        if (w->n_names == NAMES_MOST) die("too many names");
        w->names[w->n_names].name = dollar + 3;
        strcpy(w->names[w->n_names].value[0], is_place ? here->location : here->etag);
        strcpy(w->names[w->n_names++].value[1], is_place ? there->location : there->etag);
    }
}

/* ---- asking ---- */

static void leave_out_number(char *text, const char *before) {
    for (char *at = text; (at = strstr(at, before));) {
        at += strlen(before);
        const size_t n = strspn(at, "0123456789");
        memmove(at, at + n, strlen(at + n) + 1);
    }
}

static void leave_out(char *text, const char *what) {
    for (char *at = text; (at = strstr(at, what));)
        memmove(at, at + strlen(what), strlen(at + strlen(what)) + 1);
}

/* How many bytes a session takes is not promised: what has failed may leave room behind, and what comes from a
 * store has none to spare. Nor is the word in an export that a tape ends, as it is not among the live. */
static void leave_out_unpromised(char *text) {
    leave_out_number(text, "\"bytes\":");
    leave_out_number(text, ",{\"do\":\"delete\",\"tape\":");
    leave_out(text, ",{\"do\":\"delete\",\"tape\":,\"values\":[],\"body\":\"\"}");
}

struct attempt {
    struct twins *w;
    int which;
    long at, count;
    struct reply *out;
    bool failed;
};

static void *make(void *context) {
    struct attempt *a = context;
    a->count = ask(&a->w->engine[a->which], &a->w->question[a->which], a->at, a->out, &a->failed);
    return NULL;
}

/* With these caches, on a thread that has nothing yet of what a thread keeps. */
static void make_on_thread(struct attempt *a, struct caches caches) {
    struct engine *e = &a->w->engine[a->which];
    const struct caches own = {e->plans, e->known};
    pthread_t thread;
    e->plans = caches.plans;
    e->known = caches.known;
    if (a->w->durable && a->which == 1) registry_cool(e->tenant->registry, INT64_MAX, 0);
    if (pthread_create(&thread, NULL, make, a)) die("no thread");
    pthread_join(thread, NULL);
    e->plans = own.plans;
    e->known = own.known;
    if (strlen(a->out->body) < a->out->length) return;
    leave_out_unpromised(a->out->body);
    a->out->length = strlen(a->out->body);
}

long twins_undisturbed(struct twins *w, struct reply *out) {
    struct attempt a = {.w = w, .which = 0, .at = -1, .out = out};
    free_caches(w->warm);
    w->warm = new_caches();
    make_on_thread(&a, w->warm);
    return a.count;
}

void twins_attempt(struct twins *w, long at, bool cold, struct reply *out, bool *failed) {
    struct attempt a = {.w = w, .which = 1, .at = at, .out = out};
    const struct caches caches = cold ? new_caches() : w->warm;
    make_on_thread(&a, caches);
    if (cold) free_caches(caches);
    *failed = a.failed;
}

/* ---- looking ---- */

static void look(struct twins *w, int which, const char *target, struct text *out) {
    const struct question q = {.method = "GET", .target = target};
    struct reply r;
    bool failed;
    ask(&w->engine[which], &q, -1, &r, &failed);
    if (r.status < 400) text_say(out, r.body);
    text_say(out, "\n\"etag\":");
    text_say(out, r.etag);
    text_say(out, "\n");
    reply_free(&r);
}

/* At parts of what the path names, where it names one of these. */
static void look_below(struct twins *w, int which, const char *prefix, const char *const *parts,
                       size_t n, struct text *out) {
    const char *target = w->question[which].target;
    const size_t length = strlen(prefix);
    for (size_t i = 0; strncmp(target, prefix, length) == 0 && i < n; i++) {
        struct text part = {0};
        text_add(&part, target, length + strcspn(target + length, "/?"));
        text_say(&part, parts[i]);
        look(w, which, part.data, out);
        text_free(&part);
    }
}

char *twins_look(struct twins *w, int which) {
    static const char *const lists[] = {"/v1/sessions", "/v1/functions", "/v1/operations"},
                             *const parts[] = {"", "/export", "/tapes", "/optimizer"};
    struct text out = {0};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) look(w, which, lists[i], &out);
    look_below(w, which, "/v1/sessions/", parts, sizeof parts / sizeof *parts, &out);
    look_below(w, which, "/v1/functions/", parts, 1, &out);
    look_below(w, which, "/v1/operations/", parts, 1, &out);
    leave_out_unpromised(out.data);
    return out.data;
}
