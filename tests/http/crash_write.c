/* A client's random changes. It does not know whether they are right: what is refused must be refused
 * by the reference too. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

/* ---- the request that is being made ---- */

static void begin(struct client *c, enum entry_kind kind, int serial, const char *method) {
    c->in_flight = (struct entry){.kind = kind, .serial = serial};
    strcpy(c->in_flight.method, method);
}

__attribute__((format(printf, 2, 3))) static void path(struct client *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(c->in_flight.path, sizeof c->in_flight.path, format, args);
    va_end(args);
}

/* A change of the session. */
__attribute__((format(printf, 4, 5))) static void change(struct client *c, int serial,
                                                         const char *method, const char *format,
                                                         ...) {
    va_list args;
    begin(c, CHANGES, serial, method);
    const int n = snprintf(c->in_flight.path, sizeof c->in_flight.path, "/v1/sessions/$%d", serial);
    va_start(args, format);
    vsnprintf(c->in_flight.path + n, sizeof c->in_flight.path - (size_t)n, format, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static void body(struct client *c, const char *format, ...) {
    struct text t = {.data = c->in_flight.body};
    t.length = t.data ? strlen(t.data) : 0;
    t.capacity = t.length;
    char part[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(part, sizeof part, format, args);
    va_end(args);
    text_say(&t, "%s", part);
    c->in_flight.body = t.data;
}

static void number(struct client *c, const char *separator) {
    body(c, "%.17g%s", (double)(client_pick(c, 2001) - 1000) / 512.0, separator);
}

static void vector(struct client *c) {
    body(c, "[");
    number(c, ",");
    number(c, ",");
    number(c, "]");
}

/* Any bits, now and then those of many pages. */
static void bits(struct client *c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const int threes = client_chance(c, 8) ? 4000 : 1 + client_pick(c, 8);
    char quad[5] = "";
    struct text t = {0};
    for (int i = 0; i < 4 * threes; i++) {
        uint64_t random = draw(&c->random);
        for (int k = 0; k < 4; k++, random >>= 6) quad[k] = digits[random & 63];
        text_bytes(&t, quad, 4);
    }
    body(c, "{\"dtype\":\"float32\",\"shape\":[%d],\"base64\":\"", 3 * threes);
    struct text whole = {.data = c->in_flight.body, .length = strlen(c->in_flight.body)};
    whole.capacity = whole.length;
    text_bytes(&whole, t.data, t.length);
    c->in_flight.body = whole.data;
    free(t.data);
    body(c, "\"}");
}

/* ---- sessions ---- */

static int free_slot(const struct client *c) {
    for (int i = 0; i < SLOTS; i++)
        if (!c->slots[i]) return i;
    return -1;
}

static int new_serial(struct client *c) {
    if (++c->last_serial == SERIALS) abort();
    return c->last_serial;
}

static void create(struct client *c) {
    const bool named = client_chance(c, 2);
    const int serial = new_serial(c);
    begin(c, CREATES, serial, named ? "PUT" : "POST");
    path(c, "/v1/sessions");
    for (int i = 0; named && i < SERVERS; i++)
        snprintf(c->known[serial].id[i], ID, "of-%d.%d", c->number, serial);
    if (named) path(c, "/v1/sessions/$%d", serial);
    body(c, "{\"dtype\":\"float64\",\"labels\":{\"client\":\"%d\"},\"variables\":{\"n\":0,\"x\":",
         c->number);
    vector(c);
    body(c, ",\"w\":");
    vector(c);
    body(c, ",\"blob\":");
    bits(c);
    body(c, "},\"constants\":{\"c\":");
    number(c, "}");
    if (client_chance(c, 2))
        body(c, ",\"optimizer\":{\"name\":\"%s\",\"learning_rate\":0.01}",
             client_chance(c, 3) ? "SGD" : "Adam");
    body(c, "}");
}

static void clone(struct client *c, int serial) {
    begin(c, CREATES, new_serial(c), "POST");
    path(c, "/v1/sessions/$%d/clone", serial);
    body(c, "{}");
}

/* What is exported is read first. */
static void import(struct client *c, int serial) {
    struct answer a;
    char from[128], to[128];
    snprintf(from, sizeof from, "/v1/sessions/$%d/export", serial);
    client_path(c, DURABLE, from, to, sizeof to);
    begin(c, CREATES, new_serial(c), "POST");
    path(c, "/v1/sessions/import");
    const bool ok = link_ask(&c->links[DURABLE], "GET", to, "", "", &a) && a.status == 200;
    c->in_flight.body = strdup(ok ? a.body : "{}");
}

static void end(struct client *c, int serial) {
    begin(c, ENDS, serial, "DELETE");
    path(c, "/v1/sessions/$%d", serial);
}

static void patch(struct client *c, int serial) {
    change(c, serial, "PATCH", "%s", "");
    body(c, "{\"labels\":{\"team\":\"%d\"},\"constants\":{\"c\":", client_pick(c, 100));
    number(c, "}}");
}

/* ---- items ---- */

static void count(struct client *c, int serial) {
    change(c, serial, "POST", "/variables/n/assign_add");
    body(c, "{\"value\":1}");
}

static void assign(struct client *c, int serial) {
    change(c, serial, "POST", "/variables/%s/assign", client_chance(c, 2) ? "x" : "w");
    body(c, "{\"value\":");
    vector(c);
    body(c, "}");
}

static void put(struct client *c, int serial) {
    change(c, serial, "PUT", "/%s/v%d", client_chance(c, 3) ? "constants" : "variables",
           client_pick(c, 3));
    bits(c);
}

static void drop(struct client *c, int serial) {
    if (client_chance(c, 2))
        change(c, serial, "DELETE", "/tensors/y%d", client_pick(c, 3));
    else
        change(c, serial, "DELETE", "/%s/v%d", client_chance(c, 3) ? "constants" : "variables",
               client_pick(c, 3));
}

static void execute(struct client *c, int serial) {
    const int k = client_pick(c, 3);
    change(c, serial, "POST", "/execute");
    body(c, "{\"graph\":\"y%d = x * w + sin(x) * c; z%d = reduce_sum(y%d ** 2) + n\"}", k, k, k);
}

/* ---- tapes ---- */

static void open_tape(struct client *c, int serial) {
    change(c, serial, "POST", "/tapes");
    body(c, "{\"persistent\":%s", client_chance(c, 2) ? "true" : "false");
    if (client_chance(c, 2)) body(c, ",\"watch\":[\"c\"]");
    if (client_chance(c, 2)) {
        const int k = client_pick(c, 3);
        body(c, ",\"graph\":\"y%d = x * w * c; z%d = reduce_sum(exp(y%d / 8))\"", k, k, k);
    }
    body(c, "}");
}

static void use_tape(struct client *c, int serial) {
    static const char *const states[] = {"stop", "resume", "reset"};
    const int tape = 1 + client_pick(c, 8);
    switch (client_pick(c, 6)) {
    case 0:
        change(c, serial, "DELETE", "/tapes/t%d", tape);
        return;
    case 1:
        change(c, serial, "POST", "/tapes/t%d/%s", tape, states[client_pick(c, 3)]);
        return;
    case 2:
        change(c, serial, "POST", "/tapes/t%d/watch", tape);
        body(c, "{\"watch\":[\"c\",\"n\"]}");
        return;
    default:
        change(c, serial, "POST", "/tapes/t%d/gradient", tape);
        body(c, "{\"target\":\"z%d\",\"sources\":[\"x\",\"w\"]", client_pick(c, 3));
        if (client_chance(c, 2)) body(c, ",\"as\":[\"g1\",\"g2\"]");
        body(c, "}");
    }
}

/* ---- training ---- */

static void optimize(struct client *c, int serial) {
    switch (client_pick(c, 4)) {
    case 0:
        change(c, serial, "PUT", "/optimizer");
        body(c, client_chance(c, 2) ? "{\"name\":\"Adam\",\"learning_rate\":0.02}"
                                    : "{\"name\":\"SGD\",\"momentum\":0.5}");
        return;
    case 1:
        change(c, serial, "PATCH", "/optimizer");
        body(c, "{\"learning_rate\":0.0%d}", 1 + client_pick(c, 9));
        return;
    case 2:
        if (client_chance(c, 4)) {
            change(c, serial, "DELETE", "/optimizer");
            return;
        }
    }
    change(c, serial, "POST", "/apply_gradients");
    body(c, "{\"grads_and_vars\":[[");
    vector(c);
    body(c, ",\"x\"],[%s", client_chance(c, 3) ? "\"g2\"" : "");
    if (c->in_flight.body[strlen(c->in_flight.body) - 1] == '[') vector(c);
    body(c, ",\"w\"]]}");
}

#define LOSS "\"graph\":\"l = reduce_sum((x - c) ** 2) + reduce_sum(w ** 2)\",\"loss\":\"l\""

static void minimize(struct client *c, int serial) {
    change(c, serial, "POST", "/minimize");
    body(c, "{" LOSS ",\"var_list\":[\"x\",\"w\"],\"steps\":%d}", 1 + client_pick(c, 4));
}

/* Its answer may come when gradd has been started again. */
static void job(struct client *c, int serial) {
    begin(c, JOB, serial, "POST");
    path(c, "/v1/sessions/$%d/jobs", serial);
    body(c,
         "{\"method\":\"minimize\",\"request\":{" LOSS
         ",\"var_list\":[\"x\",\"w\"],\"steps\":%d,\"record_every\":%d}}",
         JOB_STEPS, JOB_EVERY);
}

static void wait_for_job(struct client *c) {
    begin(c, WAITS, c->job_serial, "GET");
    path(c, "/v1/operations/@?wait=60");
}

/* ---- functions, and what is shared ---- */

static void function(struct client *c) {
    begin(c, CHANGES, 0, client_chance(c, 4) ? "DELETE" : "PUT");
    path(c, "/v1/functions/f%d_%d", c->number, client_pick(c, FUNCTIONS));
    if (c->in_flight.method[0] == 'D') return;
    body(c,
         "{\"graph\":\"z = reduce_sum(k * x ** 3)\",\"dtype\":\"float64\",\"constants\":{\"k\":");
    number(c, "}}");
}

/* Two variables go up by one, by one step. */
static void count_together(struct client *c) {
    begin(c, COUNTS, 0, "POST");
    path(c, "/v1/sessions/shared/apply_gradients");
    body(c, "{\"grads_and_vars\":[[-1,\"a\"],[-1,\"b\"]]}");
}

static void make(struct client *c) {
    static void (*const of_session[])(struct client *, int) = {
        count,    count,    assign,   put,      put,      drop,  execute,  execute, open_tape,
        use_tape, use_tape, optimize, optimize, optimize, patch, minimize, count};
    enum { COMMON = sizeof of_session / sizeof *of_session };
    const int slot = client_pick(c, SLOTS), serial = c->slots[slot], what = client_pick(c, 40);
    if (c->job_serial)
        wait_for_job(c);
    else if (what == 0)
        function(c);
    else if (what < 3)
        count_together(c);
    else if (!serial)
        create(c);
    else if (what == 3)
        end(c, serial);
    else if (what == 4 && free_slot(c) >= 0)
        clone(c, serial);
    else if (what == 5 && free_slot(c) >= 0)
        import(c, serial);
    else if (what == 6)
        job(c, serial);
    else
        of_session[client_pick(c, COMMON)](c, serial);
    if (!c->in_flight.body) c->in_flight.body = strdup("");
    const bool posts = strcmp(c->in_flight.method, "POST") == 0;
    if (c->in_flight.kind == JOB || (posts && client_chance(c, 3)))
        snprintf(c->in_flight.key, sizeof c->in_flight.key, "key-%d-%ld", c->number, ++c->keys);
}

/* ---- what was answered ---- */

void client_take(struct client *c, struct entry *e, const struct answer *a) {
    e->status = a->status;
    strcpy(e->etag, a->etag);
    e->answer = strdup(a->body);
    if (!e->answer) abort();
    if (e->kind == CREATES && a->status == 201) {
        find_string(a->body, "id", c->known[e->serial].id[DURABLE], ID);
        c->slots[free_slot(c)] = e->serial;
    } else if (e->kind == ENDS && a->status == 204) {
        for (int i = 0; i < SLOTS; i++)
            if (c->slots[i] == e->serial) c->slots[i] = 0;
    } else if (e->kind == COUNTS && a->status == 200) {
        c->counted++;
    } else if (e->kind == JOB && a->status == 202) {
        const char *name = strstr(a->body, "\"name\":\"operations/");
        snprintf(c->job[DURABLE], ID, "%.32s", name ? name + strlen("\"name\":\"operations/") : "");
        c->job_serial = e->serial;
    } else if (e->kind == WAITS) {
        c->job_serial = 0;
    }
    if (c->n == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 64;
        c->log = realloc(c->log, c->capacity * sizeof *c->log);
        if (!c->log) abort();
    }
    c->log[c->n++] = *e;
    c->acknowledged++;
}

/* An answer of 503 is one to a request that was not run. */
void client_write(struct client *c) {
    char to[200];
    struct answer a;
    c->has_in_flight = false;
    do {
        make(c);
        client_path(c, DURABLE, c->in_flight.path, to, sizeof to);
        if (!link_ask(&c->links[DURABLE], c->in_flight.method, to, c->in_flight.key,
                      c->in_flight.body, &a)) {
            c->has_in_flight = true;
            if (!atomic_load(&is_killed)) client_fail(c, "a connection was closed");
        } else if (a.status == 503) {
            entry_free(&c->in_flight);
            if (!atomic_load(&is_killed)) client_fail(c, "gradd said 503: %.300s", a.body);
        } else {
            client_take(c, &c->in_flight, &a);
        }
    } while (!c->has_in_flight && !atomic_load(&is_killed) && !c->failure.length);
    link_close(&c->links[DURABLE]);
}
