/* Random requests on sessions, from eight clients at once, against a model that a few arrays make: each
 * answer is compared with the model's, and at the end nothing is held any more. The numbers are small
 * whole ones, so that they are exact. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exchanges.h"

enum { CLIENTS = 8, ROUNDS = 3000, NAMES = 5, SIZE = 3 };

static struct engine engine;
static atomic_int shared_sum; /* of what was added to the one session that all share */

/* A scalar (n = 0) or a list of SIZE numbers; n = -1: there is none. */
struct value {
    int n;
    int at[SIZE];
};

struct client {
    int number;
    uint64_t random;
    char id[24];
    struct value variables[NAMES], y; /* v0 ..., and the tensor that executes leave */
    struct got got;
    char path[160], body[512], wanted[1024];
};

static unsigned pick(struct client *c, unsigned below) {
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(c->random >> 33) % below;
}

static struct value pick_value(struct client *c) {
    struct value v = {.n = pick(c, 2) ? SIZE : 0};
    for (int i = 0; i < SIZE; i++) v.at[i] = (int)pick(c, 41) - 20;
    return v;
}

/* As JSON; `factor` and `more` make it factor * value + more. */
static const char *show(const struct value *v, int factor, int more, char text[64]) {
    int n = 0;
    if (v->n == 0) {
        snprintf(text, 64, "%d.0", factor * v->at[0] + more);
        return text;
    }
    for (int i = 0; i < v->n; i++)
        n +=
            snprintf(text + n, (size_t)(64 - n), "%c%d.0", i ? ',' : '[', factor * v->at[i] + more);
    snprintf(text + n, (size_t)(64 - n), "]");
    return text;
}

/* A failure on any thread; cmocka knows one alone. */
static _Noreturn void __attribute__((format(printf, 1, 2))) die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

/* Asks about what `format` says below the client's session. */
static int __attribute__((format(printf, 4, 5)))
ask(struct client *c, const char *method, const char *body, const char *format, ...) {
    char tail[96];
    va_list args;
    va_start(args, format);
    vsnprintf(tail, sizeof tail, format, args);
    va_end(args);
    snprintf(c->path, sizeof c->path, "/v1/sessions/%s%s", c->id, tail);
    return request_ask(&engine, method, c->path, body, &c->got);
}

#define WANT(c, status_found, status_wanted)                                                       \
    do {                                                                                           \
        const int found_ = (status_found);                                                         \
        if (found_ != (status_wanted))                                                             \
            die("line %d: %s: %d, expected %d: %s", __LINE__, (c)->path, found_, (status_wanted),  \
                (c)->got.body);                                                                    \
    } while (0)

/* The last answer has this in it. */
static void __attribute__((format(printf, 2, 3)))
want_text(struct client *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(c->wanted, sizeof c->wanted, format, args);
    va_end(args);
    if (!strstr(c->got.body, c->wanted))
        die("%s: expected %s\n  found %s", c->path, c->wanted, c->got.body);
}

/* ---- what a client may do ---- */

static void put_variable(struct client *c) {
    char text[64];
    const unsigned i = pick(c, NAMES);
    const int status = c->variables[i].n < 0 ? 201 : 200;
    c->variables[i] = pick_value(c);
    WANT(c, ask(c, "PUT", show(&c->variables[i], 1, 0, text), "/variables/v%u", i), status);
    want_text(c, "\"value\":%s,", text);
}

static void get_variable(struct client *c) {
    char text[64];
    const unsigned i = pick(c, NAMES);
    const bool there = c->variables[i].n >= 0;
    WANT(c, ask(c, "GET", NULL, "/variables/v%u", i), there ? 200 : 404);
    if (there) want_text(c, "\"value\":%s,", show(&c->variables[i], 1, 0, text));
}

static void assign(struct client *c) {
    static const char *const how[] = {"assign", "assign_add", "assign_sub"};
    const unsigned i = pick(c, NAMES), k = pick(c, 3);
    struct value *v = &c->variables[i], by = pick_value(c);
    char text[64];
    snprintf(c->body, sizeof c->body, "{\"value\":%s}", show(&by, 1, 0, text));
    const int status = v->n < 0 ? 404 : v->n != by.n ? 400 : 200;
    WANT(c, ask(c, "POST", c->body, "/variables/v%u/%s", i, how[k]), status);
    if (status != 200) return;
    for (int at = 0; at < SIZE; at++)
        v->at[at] = k == 0 ? by.at[at] : k == 1 ? v->at[at] + by.at[at] : v->at[at] - by.at[at];
    want_text(c, "\"value\":%s,", show(v, 1, 0, text));
}

static void delete_variable(struct client *c) {
    const unsigned i = pick(c, NAMES);
    WANT(c, ask(c, "DELETE", NULL, "/variables/v%u", i), c->variables[i].n < 0 ? 404 : 204);
    c->variables[i].n = -1;
}

/* Two at once; where the second is refused, the first is not written either. */
static void put_batch(struct client *c) {
    char one[64], two[64];
    const unsigned i = pick(c, NAMES), k = (i + 1) % NAMES;
    const struct value a = pick_value(c), b = pick_value(c);
    const bool refused = pick(c, 4) == 0;
    snprintf(c->body, sizeof c->body, "{\"variables\":{\"v%u\":%s,\"v%u\":%s}}", i,
             show(&a, 1, 0, one), k, refused ? "\"none\"" : show(&b, 1, 0, two));
    WANT(c, ask(c, "PUT", c->body, "/variables"), refused ? 400 : 200);
    if (refused) return;
    c->variables[i] = a;
    c->variables[k] = b;
}

static void execute(struct client *c) {
    char text[64];
    const unsigned i = pick(c, NAMES);
    const struct value *v = &c->variables[i];
    snprintf(c->body, sizeof c->body, "{\"graph\":\"y = v%u * 2 + 1\"}", i);
    WANT(c, ask(c, "POST", c->body, "/execute"), v->n < 0 ? 400 : 200);
    if (v->n < 0) return;
    want_text(c, "{\"value\":%s}", show(v, 2, 1, text));
    c->y = *v;
    for (int at = 0; at < SIZE; at++) c->y.at[at] = 2 * v->at[at] + 1;
}

static void get_tensor(struct client *c) {
    char text[64];
    WANT(c, ask(c, "GET", NULL, "/tensors/y"), c->y.n < 0 ? 404 : 200);
    if (c->y.n >= 0) want_text(c, "\"value\":%s,", show(&c->y, 1, 0, text));
    if (pick(c, 2)) return;
    WANT(c, ask(c, "DELETE", NULL, "/tensors/y"), c->y.n < 0 ? 404 : 204);
    c->y.n = -1;
}

static long bytes_held(struct client *c) {
    WANT(c, ask(c, "GET", NULL, "%s", ""), 200);
    return strtol(strstr(c->got.body, "\"bytes\":") + 8, NULL, 10);
}

/* Opens a tape and reads its name. */
static const char *open_tape(struct client *c, const char *body, char name[32]) {
    WANT(c, ask(c, "POST", body, "/tapes"), 201);
    if (sscanf(c->got.body, "{\"tape\":\"%31[^\"]\"", name) != 1) die("%s", c->got.body);
    return name;
}

/* z = sum of a * b, whose gradients are b and a. */
static void tape_once(struct client *c, unsigned i, unsigned k, bool persistent) {
    char one[64], two[64], name[32];
    const struct value *a = &c->variables[i], *b = &c->variables[k];
    snprintf(c->body, sizeof c->body, "{\"persistent\":%s,\"graph\":\"z = reduce_sum(v%u * v%u)\"}",
             persistent ? "true" : "false", i, k);
    open_tape(c, c->body, name);
    snprintf(c->body, sizeof c->body, "{\"target\":\"z\",\"sources\":[\"v%u\",\"v%u\"]}", i, k);
    for (int again = 0; again < 2; again++) {
        WANT(c, ask(c, "POST", c->body, "/tapes/%s/gradient", name),
             again && !persistent ? 409 : 200);
        if (c->got.status == 200)
            want_text(c, "{\"gradient\":[%s,%s]}", show(b, 1, 0, one), show(a, 1, 0, two));
    }
    WANT(c, ask(c, "DELETE", NULL, "/tapes/%s", name), 204);
    WANT(c, ask(c, "DELETE", NULL, "/tensors/z"), 204);
}

/* The session holds after a tape what it held after the one before. */
static void tape(struct client *c) {
    const unsigned i = pick(c, NAMES), k = (i + 1 + pick(c, NAMES - 1)) % NAMES;
    const bool persistent = pick(c, 2);
    if (c->variables[i].n < 0 || c->variables[i].n != c->variables[k].n) return;
    tape_once(c, i, k, persistent);
    const long before = bytes_held(c);
    tape_once(c, i, k, persistent);
    const long after = bytes_held(c);
    if (after != before) die("%ld bytes are held, and %ld were before", after, before);
}

/* A recording tape sees an execute, and not the assignment behind it. */
static void recording_tape(struct client *c) {
    char name[32], text[64];
    const unsigned i = pick(c, NAMES);
    struct value *v = &c->variables[i];
    if (v->n < 0) return;
    open_tape(c, "{}", name);
    snprintf(c->body, sizeof c->body, "{\"graph\":\"z = v%u * v%u\"}", i, i);
    WANT(c, ask(c, "POST", c->body, "/execute"), 200);
    const struct value before = *v;
    assign(c);
    snprintf(c->body, sizeof c->body, "{\"target\":\"z\",\"sources\":\"v%u\"}", i);
    WANT(c, ask(c, "POST", c->body, "/tapes/%s/gradient", name), 200);
    want_text(c, "{\"gradient\":%s}", show(&before, 2, 0, text));
    WANT(c, ask(c, "DELETE", NULL, "/tensors/z"), 204);
}

static void label(struct client *c) {
    const unsigned n = pick(c, 100);
    snprintf(c->body, sizeof c->body, "{\"labels\":{\"n\":\"%u\"}}", n);
    WANT(c, ask(c, "PATCH", c->body, "%s", ""), 200);
    want_text(c, "\"labels\":{\"n\":\"%u\"}", n);
}

/* A copy, made in one way or the other, has the same variables. */
static void copy(struct client *c) {
    static _Thread_local struct got original;
    char id[48];
    WANT(c, ask(c, "GET", NULL, "/variables"), 200);
    original = c->got;
    if (pick(c, 2)) {
        WANT(c, ask(c, "POST", NULL, "/clone"), 201);
    } else {
        static _Thread_local struct got export;
        WANT(c, ask(c, "GET", NULL, "/export"), 200);
        export = c->got;
        WANT(c, request_ask(&engine, "POST", "/v1/sessions/import", export.body, &c->got), 201);
    }
    snprintf(id, sizeof id, "%s", c->got.location + strlen("/v1/sessions/"));
    snprintf(c->path, sizeof c->path, "/v1/sessions/%s/variables", id);
    WANT(c, request_ask(&engine, "GET", c->path, NULL, &c->got), 200);
    want_text(c, "%s", original.body);
    snprintf(c->path, sizeof c->path, "/v1/sessions/%s", id);
    WANT(c, request_ask(&engine, "DELETE", c->path, NULL, &c->got), 204);
}

static void make(struct client *c) {
    for (int i = 0; i < NAMES; i++) c->variables[i].n = -1;
    c->y.n = -1;
    WANT(c, ask(c, "PUT", "{\"dtype\":\"float64\"}", "%s", ""), 201);
}

static void begin_anew(struct client *c) {
    if (pick(c, 8)) return;
    WANT(c, ask(c, "DELETE", NULL, "%s", ""), 204);
    WANT(c, ask(c, "GET", NULL, "%s", ""), 404);
    make(c);
}

static void add_to_shared(struct client *c) {
    snprintf(c->path, sizeof c->path, "/v1/sessions/shared/variables/x/assign_add");
    WANT(c, request_ask(&engine, "POST", c->path, "{\"value\":1}", &c->got), 200);
    atomic_fetch_add(&shared_sum, 1);
}

static void (*const doings[])(struct client *) = {
    put_variable,    put_variable, get_variable, assign,     assign,
    delete_variable, put_batch,    execute,      get_tensor, tape,
    recording_tape,  label,        copy,         begin_anew, add_to_shared};

static void *run_client(void *context) {
    struct client *c = context;
    make(c);
    for (int i = 0; i < ROUNDS; i++) doings[pick(c, sizeof doings / sizeof *doings)](c);
    WANT(c, ask(c, "DELETE", NULL, "%s", ""), 204);
    return NULL;
}

static void clients_find_what_their_models_say_and_leave_nothing(void **state) {
    (void)state;
    static struct client clients[CLIENTS];
    static struct got got;
    pthread_t threads[CLIENTS];
    char wanted[64];
    assert_int_equal(
        request_ask(&engine, "PUT", "/v1/sessions/shared", "{\"variables\":{\"x\":0}}", &got), 201);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.number = i, .random = (uint64_t)i * 7919 + 1};
        snprintf(clients[i].id, sizeof clients[i].id, "client-%d", i);
        pthread_create(&threads[i], NULL, run_client, &clients[i]);
    }
    for (int i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
    request_ask(&engine, "GET", "/v1/sessions/shared/variables/x", NULL, &got);
    snprintf(wanted, sizeof wanted, "\"value\":%d.0,", atomic_load(&shared_sum));
    assert_non_null(strstr(got.body, wanted));
    assert_int_equal(request_ask(&engine, "DELETE", "/v1/sessions/shared", NULL, &got), 204);
    const struct registry_stats stats = registry_stats(engine.registry);
    assert_int_equal(stats.sessions, 0);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(stats.tapes, 0);
    assert_int_equal(stats.waiting, 0);
}

static int start(void **state) {
    char problem[256];
    (void)state;
    return engine_init(&engine, 1 << 20, problem, sizeof problem) ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    engine_free(&engine);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_find_what_their_models_say_and_leave_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
