/* What must be there behind a restart. The reference, a gradd that is never killed, is told what was
 * acknowledged, and what was in flight where that has left its trace; then both must be in the same
 * state. What has an Idempotency-Key is asked again, and must have run once. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

/* ---- the parts of a client ---- */

uint64_t draw(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int client_pick(struct client *c, int n) { return (int)(draw(&c->random) % (unsigned)n); }
bool client_chance(struct client *c, int n) { return client_pick(c, n) == 0; }

void entry_free(struct entry *e) {
    free(e->body);
    free(e->answer);
    e->body = e->answer = NULL;
}

/* The first failure is the one that counts. */
void client_fail(struct client *c, const char *format, ...) {
    char why[4096];
    va_list args;
    if (c->failure.length) return;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    text_say(&c->failure, "client %d: %s\n", c->number, why);
}

bool client_ask(struct client *c, int server, const char *method, const char *path,
                const char *body, struct answer *out) {
    char to[200];
    client_path(c, server, path, to, sizeof to);
    if (link_ask(&c->links[server], method, to, "", body, out)) return true;
    client_fail(c, "the %s server does not answer %s %s", server ? "reference" : "durable", method,
                to);
    return false;
}

static void fail_at(struct client *c, const struct entry *e, const char *why, const char *durable,
                    const char *reference) {
    client_fail(c, "%s: %s %s %s %.300s\n  durable:   %.400s\n  reference: %.400s", why, e->method,
                e->path, e->key, e->body, durable, reference);
}

/* ---- jobs that were interrupted ---- */

static bool was_ended(const char *answer) {
    static const char *const ends[] = {"\"code\":\"interrupted\"", "\"status\":\"cancelled\"",
                                       "\"code\":\"draining\""};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strstr(answer, ends[i])) return true;
    return false;
}

static long iterations(struct client *c, int server, int serial) {
    char path[64];
    struct answer a;
    snprintf(path, sizeof path, "/v1/sessions/$%d/optimizer", serial);
    if (!client_ask(c, server, "GET", path, "", &a)) return 0;
    const char *at = strstr(a.body, "\"iterations\":");
    return at ? strtol(at + strlen("\"iterations\":"), NULL, 10) : 0;
}

/* The bits of one part of the session, without its version: steps at once are one change. */
static void compare_part(struct client *c, const struct entry *e, const char *part) {
    struct text said[SERVERS] = {{0}};
    char path[96];
    struct answer a;
    snprintf(path, sizeof path, "/v1/sessions/$%d/%s", e->serial, part);
    for (int i = 0; i < SERVERS; i++) {
        if (!client_ask(c, i, "GET", path, "", &a)) return;
        a.etag[0] = '\0';
        say_answer(&said[i], &a);
    }
    if (strcmp(said[DURABLE].data, said[REFERENCE].data) != 0)
        fail_at(c, e, "a job that was ended has left a state that it never had", said[0].data,
                said[1].data);
    for (int i = 0; i < SERVERS; i++) free(said[i].data);
}

/* The session is as the job has committed it at one of its recorded steps: the reference is brought
 * there. The versions differ from then on, and so the session ends here. */
static void settle_interrupted(struct client *c, const struct entry *e) {
    const long steps = iterations(c, DURABLE, e->serial) - iterations(c, REFERENCE, e->serial);
    const bool any = strstr(e->answer, "\"cancelled\"");
    struct answer a;
    char path[64], body[256];
    if (steps < 0 || steps > JOB_STEPS || (!any && steps % JOB_EVERY != 0))
        client_fail(c, "a job was ended and has left %ld of its steps: %.400s", steps, e->answer);
    snprintf(path, sizeof path, "/v1/sessions/$%d/minimize", e->serial);
    snprintf(body, sizeof body,
             "{\"graph\":\"l = reduce_sum((x - c) ** 2) + reduce_sum(w ** 2)\",\"loss\":\"l\","
             "\"var_list\":[\"x\",\"w\"],\"steps\":%ld}",
             steps);
    if (steps > 0) client_ask(c, REFERENCE, "POST", path, body, &a);
    compare_part(c, e, "variables?format=base64");
    compare_part(c, e, "optimizer?slots=true");
    snprintf(path, sizeof path, "/v1/sessions/$%d", e->serial);
    for (int i = 0; i < SERVERS; i++)
        if (client_ask(c, i, "DELETE", path, "", &a) && a.status != 204)
            client_fail(c, "a session cannot be deleted: %d %.300s", a.status, a.body);
    for (int i = 0; i < SLOTS; i++)
        if (c->slots[i] == e->serial) c->slots[i] = 0;
    c->interrupted++;
}

/* ---- what was acknowledged ---- */

/* Of an operation, what came of it. */
static struct answer result_of(const struct answer *a) {
    struct answer cut = *a;
    const char *at = strstr(a->body, "\"response\":");
    if (!at) at = strstr(a->body, "\"error\":");
    if (at) cut.body = at;
    if (at && at[1] == 'e') cut.status = 400; /* of which only the code is compared */
    return cut;
}

static void keep_job(struct client *c, const struct entry *e) {
    char name[ID + 16];
    struct entry *kept = &c->jobs[c->n_jobs++ % JOBS];
    entry_free(kept);
    *kept = (struct entry){.method = "GET", .body = strdup(""), .answer = strdup(e->answer)};
    find_string(e->answer, "name", name, sizeof name);
    snprintf(kept->path, sizeof kept->path, "/v1/%s", name);
    if (!kept->answer || !kept->body) abort();
}

/* A job's answer that there is: its session ends where the job was. */
static void replay_job(struct client *c, const struct entry *e, const struct answer *answered) {
    char name[ID + 16];
    if (e->kind == JOB && answered->status == 202) {
        find_string(answered->body, "name", name, sizeof name);
        snprintf(c->job[REFERENCE], ID, "%.32s", name + strlen("operations/"));
    }
    if (e->kind == WAITS && strstr(e->answer, "\"done\":true")) keep_job(c, e);
}

static void compare_answers(struct client *c, const struct entry *e,
                            const struct answer *answered) {
    struct answer was = {.status = e->status, .body = e->answer}, is = *answered;
    struct text said[SERVERS] = {{0}};
    strcpy(was.etag, e->etag);
    if (e->kind == WAITS) {
        was = result_of(&was);
        is = result_of(&is);
    }
    say_answer(&said[DURABLE], &was);
    say_answer(&said[REFERENCE], &is);
    if (strcmp(said[DURABLE].data, said[REFERENCE].data) != 0)
        fail_at(c, e, "the answers differ", said[DURABLE].data, said[REFERENCE].data);
    for (int i = 0; i < SERVERS; i++) free(said[i].data);
}

static void replay(struct client *c, const struct entry *e) {
    struct answer a;
    if (e->kind == COUNTS) return;
    if (e->kind == WAITS && was_ended(e->answer)) {
        keep_job(c, e);
        settle_interrupted(c, e);
        return;
    }
    if (!client_ask(c, REFERENCE, e->method, e->path, e->body, &a)) return;
    if (e->kind == CREATES && a.status == 201)
        find_string(a.body, "id", c->known[e->serial].id[REFERENCE], ID);
    if (e->kind == JOB || e->kind == WAITS) replay_job(c, e, &a);
    if (e->kind != JOB || a.status != 202 || e->status != 202) compare_answers(c, e, &a);
}

/* ---- what is asked again ---- */

/* It may have run before; from now on it has, once. */
static void resend_in_flight(struct client *c) {
    struct entry *e = &c->in_flight;
    struct answer a;
    char to[200];
    client_path(c, DURABLE, e->path, to, sizeof to);
    if (!link_ask(&c->links[DURABLE], e->method, to, e->key, e->body, &a)) {
        client_fail(c, "the durable server does not answer %s %s", e->method, to);
        return;
    }
    c->has_in_flight = false;
    client_take(c, e, &a);
}

static void finish_job(struct client *c) {
    struct entry e = {.kind = WAITS,
                      .serial = c->job_serial,
                      .method = "GET",
                      .path = "/v1/operations/@?wait=60",
                      .body = strdup("")};
    struct answer a;
    if (client_ask(c, DURABLE, e.method, e.path, "", &a)) client_take(c, &e, &a);
}

static void keep_for_retry(struct client *c, const struct entry *e) {
    struct entry *kept = &c->retries[c->n_retries++ % RETRIES];
    entry_free(kept);
    *kept = *e;
    kept->body = strdup(e->body);
    kept->answer = strdup(e->answer);
    if (!kept->body || !kept->answer) abort();
    client_path(c, DURABLE, e->path, kept->path, sizeof kept->path);
}

/* Answered as it was then, byte for byte; that nothing was done is seen in the state. */
static void retry(struct client *c, const struct entry *e) {
    struct answer a;
    if (!e->answer) return;
    if (!link_ask(&c->links[DURABLE], e->method, e->path, e->key, e->body, &a))
        client_fail(c, "the durable server does not answer %s %s", e->method, e->path);
    else if (a.status != e->status || strcmp(a.body, e->answer) != 0 ||
             strcmp(a.etag, e->etag) != 0)
        fail_at(c, e, "a retry is answered otherwise; first, and now", e->answer, a.body);
    c->replayed++;
}

static void check_job(struct client *c, const struct entry *e) {
    struct answer a;
    if (e->answer && client_ask(c, DURABLE, "GET", e->path, "", &a) &&
        strcmp(a.body, e->answer) != 0)
        fail_at(c, e, "an operation that was done has changed; before, and now", e->answer, a.body);
}

/* ---- what was in flight ---- */

/* The id of the client's session that it does not know yet. */
static void find_unknown(struct client *c, char *out) {
    char path[64], id[ID];
    struct answer a;
    out[0] = '\0';
    snprintf(path, sizeof path, "/v1/sessions?label=client:%d&limit=1000", c->number);
    if (!client_ask(c, DURABLE, "GET", path, "", &a)) return;
    for (const char *at = a.body; (at = strstr(at, "{\"id\":\"")); at++) {
        int serial = c->last_serial;
        find_string(at, "id", id, sizeof id);
        while (serial > 0 && strcmp(c->known[serial].id[DURABLE], id) != 0) serial--;
        if (!serial) strcpy(out, id);
    }
}

/* It has left a trace, so it must have happened whole. */
static void apply_in_flight(struct client *c) {
    struct entry *e = &c->in_flight;
    struct known *known = &c->known[e->serial];
    struct answer a;
    if (!client_ask(c, REFERENCE, e->method, e->path, e->body, &a)) return;
    c->has_in_flight = false;
    client_take(c, e, &a);
    c->acknowledged--;
    c->kept++;
    if (e->kind != CREATES || a.status != 201) return;
    strcpy(known->id[REFERENCE], known->id[DURABLE]);
    if (strcmp(e->method, "POST") == 0) find_unknown(c, known->id[DURABLE]);
}

/* Where two states differ first. */
static void say_difference(struct text *out, const char *durable, const char *reference) {
    const char *line = durable, *other = reference;
    size_t i = 0;
    for (; durable[i] && durable[i] == reference[i]; i++)
        if (durable[i] == '\n') line = durable + i + 1, other = reference + i + 1;
    const size_t at = (size_t)(durable + i - line), from = at > 100 ? at - 100 : 0;
    text_say(out, "  %.80s, from byte %zu\n  durable:   %.300s\n  reference: %.300s\n", line, from,
             line + from, other + from);
}

/* Whether both servers are in the same state; where they differ. */
static bool are_same(struct client *c, struct text *difference) {
    struct text said[SERVERS] = {{0}};
    for (int i = 0; i < SERVERS; i++) client_state(c, i, &said[i]);
    const bool same = strcmp(said[DURABLE].data, said[REFERENCE].data) == 0;
    if (!same) say_difference(difference, said[DURABLE].data, said[REFERENCE].data);
    for (int i = 0; i < SERVERS; i++) free(said[i].data);
    return same;
}

static void compare_states(struct client *c) {
    struct text difference = {0};
    bool same = are_same(c, &difference);
    if (!same && c->has_in_flight && c->in_flight.kind != COUNTS) {
        text_say(&difference, "and with what was in flight, %s %s %.300s\n", c->in_flight.method,
                 c->in_flight.path, c->in_flight.body);
        apply_in_flight(c);
        same = are_same(c, &difference);
    } else if (c->has_in_flight) {
        c->lost++;
    }
    if (!same) client_fail(c, "the state is not what was acknowledged\n%.3000s", difference.data);
    free(difference.data);
}

/* Persistent tapes answer what they answered: their programs are there with all their values. */
static void compare_tapes(struct client *c) {
    for (int i = 0; i < SLOTS; i++) {
        char path[64];
        struct text said[SERVERS] = {{0}};
        struct answer a;
        if (!c->slots[i]) continue;
        snprintf(path, sizeof path, "/v1/sessions/$%d/tapes/t%d/gradient", c->slots[i],
                 1 + client_pick(c, 4));
        const int k = client_pick(c, 3);
        for (int server = 0; server < SERVERS; server++) {
            char body[80];
            snprintf(body, sizeof body,
                     "{\"target\":\"z%d\",\"sources\":[\"x\",\"w\",\"c\"],\"format\":\"base64\"}",
                     k);
            if (client_ask(c, server, "POST", path, body, &a)) say_answer(&said[server], &a);
        }
        if (said[0].data && said[1].data && strcmp(said[0].data, said[1].data) != 0)
            client_fail(c, "%s differs\n  durable:   %.600s\n  reference: %.600s", path,
                        said[0].data, said[1].data);
        for (int server = 0; server < SERVERS; server++) free(said[server].data);
    }
}

/* The reference does not begin what it is to do in part. */
static bool begins_ended_job(const struct client *c, size_t i) {
    const struct entry *e = &c->log[i], *next = e + 1;
    return e->kind == JOB && i + 1 < c->n && next->kind == WAITS && was_ended(next->answer);
}

void client_verify(struct client *c) {
    if (c->has_in_flight && c->in_flight.key[0]) resend_in_flight(c);
    if (c->has_in_flight && c->in_flight.kind == COUNTS) c->uncertain++;
    if (c->has_in_flight && c->in_flight.kind == WAITS) {
        entry_free(&c->in_flight);
        c->has_in_flight = false;
    }
    if (c->job_serial) finish_job(c);
    for (size_t i = 0; i < c->n && !c->failure.length; i++) {
        if (!begins_ended_job(c, i)) replay(c, &c->log[i]);
        if (c->log[i].key[0] && c->log[i].status < 300) keep_for_retry(c, &c->log[i]);
    }
    for (size_t i = 0; i < RETRIES && !c->failure.length; i++) retry(c, &c->retries[i]);
    if (!c->failure.length) compare_states(c);
    if (!c->failure.length) compare_tapes(c);
    for (size_t i = 0; i < JOBS && !c->failure.length; i++) check_job(c, &c->jobs[i]);
    for (size_t i = 0; i < c->n; i++) entry_free(&c->log[i]);
    if (c->has_in_flight) entry_free(&c->in_flight);
    c->n = 0;
    c->has_in_flight = false;
    for (int i = 0; i < SERVERS; i++) link_close(&c->links[i]);
}
