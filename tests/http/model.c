/* A model test: clients at once send random operations on sessions to a real gradd, and every answer is
 * compared with what a model of a session says. It knows the model and HTTP, and nothing of gradd's
 * insides.
 *
 *     model GRADD [SEED [OPERATIONS]]
 *
 * Prints the seed, and `N passed, N failed` last. A client's operations follow from the seed alone. */
#include "model.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 8, SESSIONS = 4, OPERATIONS = 1200, SEED = 20260917 };

static char base[64];
static int passed, failed;

static void result(const char *name, bool right) {
    printf("%s  %s\n", right ? "ok  " : "FAIL", name);
    passed += right;
    failed += !right;
}

/* ---- a client's own sessions ---- */

struct run {
    struct client client;
    struct session *sessions[SESSIONS];
    int n_sessions;
    int operations;
    long added; /* to the shared variable */
};

static void say_state(struct text *t, const struct client *c, const struct session *s) {
    say(t, "{\"dtype\":\"%s\",\"ttl_seconds\":null,\"labels\":{\"client\":\"%d\"",
        dtype_names[s->dtype], c->number);
    if (s->team[0]) say(t, ",\"team\":\"%s\"", s->team);
    say(t, "},\"variables\":{");
    for (int i = 0; i < s->n_items; i++) {
        if (s->items[i].kind != VARIABLE) continue;
        say_comma(t);
        say(t, "\"%s\":", s->items[i].name);
        say_value(t, &s->items[i].value);
    }
    say(t, "}");
    for (enum kind kind = CONSTANT; kind <= TENSOR; kind++) {
        say(t, ",\"%s\":[", kind_paths[kind]);
        for (int i = 0; i < s->n_items; i++) {
            if (s->items[i].kind != kind) continue;
            say_comma(t);
            say(t, "\"%s\"", s->items[i].name);
        }
        say(t, "]");
    }
    say(t, ",\"tapes\":[");
    for (int i = 0; i < s->n_tapes; i++) {
        say_comma(t);
        say(t, "\"t%d\"", s->tapes[i].number);
    }
    say(t, "],\"optimizer\":");
    if (s->has_optimizer) {
        say(t, "{");
        say_optimizer(t, s);
        say(t, "}}");
    } else {
        say(t, "null}");
    }
}

static struct session *new_session(struct run *run) {
    struct session *s = calloc(1, sizeof *s);
    if (!s) abort();
    return run->sessions[run->n_sessions++] = s;
}

/* The answer is of a new session. */
static void answers_new(struct client *c, struct session *s) {
    say_state(&c->wanted, c, s);
    client_expect(c, 201);
    snprintf(s->id, sizeof s->id, "%s", client_member(c, "id"));
}

static void add_items(struct client *c, struct session *s, enum kind kind) {
    say(&c->body, ",\"%s\":{", kind_paths[kind]);
    for (int i = client_pick(c, 4); i >= 0; i--) {
        const char *name = random_name(c);
        const struct value v = random_value(c, s);
        if (session_find(s, name)) continue;
        struct item *item = session_add(s, name, kind);
        item->trainable = kind == VARIABLE && !client_chance(c, 4);
        item->value = v;
        if (kind == CONSTANT) item->node = session_leaf(s, &v);
        say_comma(&c->body);
        say(&c->body, "\"%s\":", name);
        if (kind == VARIABLE)
            say(&c->body, "{\"trainable\":%s,\"value\":", item->trainable ? "true" : "false");
        say_typed(&c->body, &v, s->dtype);
        if (kind == VARIABLE) say(&c->body, "}");
    }
    say(&c->body, "}");
}

static void create(struct run *run) {
    struct client *c = &run->client;
    const bool named = client_chance(c, 3);
    struct session *s = new_session(run);
    s->dtype = client_chance(c, 3) ? F64 : F32;
    say(&c->body, "{\"dtype\":\"%s\",\"labels\":{\"client\":\"%d\"}", dtype_names[s->dtype],
        c->number);
    add_items(c, s, VARIABLE);
    add_items(c, s, CONSTANT);
    say(&c->body, "}");
    client_path(c, "sessions");
    if (named) client_path(c, "sessions/of-%d.%ld", c->number, c->requests);
    client_ask(c, named ? "PUT" : "POST");
    answers_new(c, s);
    if (!named || !client_chance(c, 3)) return;
    say(&c->body, "{}");
    client_ask(c, "PUT");
    client_expect_problem(c, 409, "already_exists");
}

static void forget_etags(struct session *s) {
    for (int i = 0; i < s->n_items; i++) s->items[i].etag[0] = s->items[i].stale[0] = '\0';
}

/* A clone has all there is, tapes too. */
static void copy(struct run *run, const struct session *from) {
    struct client *c = &run->client;
    struct session *to = new_session(run);
    *to = *from;
    forget_etags(to);
    client_path(c, "sessions/%s/clone", from->id);
    client_ask(c, "POST");
    answers_new(c, to);
}

/* What was exported is imported: the same again, tapes too. */
static void import(struct run *run, const struct session *from) {
    struct client *c = &run->client;
    client_path(c, "sessions/%s/export", from->id);
    client_ask(c, "GET");
    if (c->status != 200) client_fail(c, "there is no export");
    if (c->status != 200 || c->received.length >= sizeof c->body.data) return;
    struct session *to = new_session(run);
    *to = *from;
    forget_etags(to);
    say(&c->body, "%s", c->received.data);
    client_path(c, "sessions/import");
    client_ask(c, "POST");
    answers_new(c, to);
}

static void show(struct client *c, const struct session *s) {
    client_path(c, "sessions/%s", s->id);
    client_ask(c, "GET");
    say_state(&c->wanted, c, s);
    client_expect(c, 200);
}

/* A label and a constant, with the session's ETag of now or another. */
static void patch(struct client *c, struct session *s) {
    static const char *const teams[] = {"", "red", "blue"};
    const char *team = teams[client_pick(c, 3)], *name = random_name(c);
    const struct item *item = session_find(s, name);
    const struct value v = random_value(c, s);
    const bool removes = client_chance(c, 3), matches = client_chance(c, 2);
    show(c, s);
    if (matches)
        snprintf(c->precondition, sizeof c->precondition, "%s",
                 client_chance(c, 2) ? c->etag : "\"0-0\"");
    const bool stale = matches && strcmp(c->precondition, "\"0-0\"") == 0;
    say(&c->body, team[0] ? "{\"labels\":{\"team\":\"%s\"}" : "{\"labels\":{\"team\":null%s}",
        team);
    say(&c->body, ",\"constants\":{\"%s\":", name);
    if (removes)
        say(&c->body, "null");
    else
        say_typed(&c->body, &v, s->dtype);
    say(&c->body, "}}");
    client_ask(c, "PATCH");
    if (stale) {
        client_expect_problem(c, 412, "precondition_failed");
    } else if (item && item->kind != CONSTANT) {
        client_expect_problem(c, 409, "already_exists");
    } else {
        snprintf(s->team, sizeof s->team, "%s", team);
        if (!removes)
            session_name(s, name, CONSTANT, session_leaf(s, &v));
        else if (item)
            session_remove(s, session_find(s, name));
        say_state(&c->wanted, c, s);
        client_expect(c, 200);
    }
}

static void discard(struct run *run, int i) {
    struct client *c = &run->client;
    struct session *s = run->sessions[i];
    client_path(c, "sessions/%s", s->id);
    client_ask(c, "DELETE");
    client_expect(c, 204);
    client_ask(c, "GET");
    client_expect_problem(c, 404, "not_found");
    free(s);
    run->n_sessions--;
    memmove(&run->sessions[i], &run->sessions[i + 1],
            (size_t)(run->n_sessions - i) * sizeof *run->sessions);
}

/* The client's own sessions, in the order in which they were made. */
static void list(struct run *run) {
    struct client *c = &run->client;
    client_path(c, "sessions?label=client:%d", c->number);
    client_ask(c, "GET");
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(c->answer, "sessions"), *row;
    int i = 0;
    cJSON_ArrayForEach(row, found) {
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "id"));
        if (i == run->n_sessions || !id || strcmp(id, run->sessions[i++]->id) != 0)
            i = SESSIONS + 1;
    }
    if (c->status != 200 || i != run->n_sessions)
        client_fail(c, "the client has other sessions, %d", run->n_sessions);
}

/* ---- the session that all share ---- */

static void share(struct run *run) {
    struct client *c = &run->client;
    const int k = client_pick(c, 9) - 4;
    char tape[32];
    if (client_chance(c, 3)) {
        client_path(c, "sessions/shared/execute");
        say(&c->body, "{\"graph\":\"m_%d = 2 * n; m_%d - n - n\"}", c->number, c->number);
        client_ask(c, "POST");
        say(&c->wanted, "{\"value\":0}");
        client_expect(c, 200);
        return;
    }
    if (client_chance(c, 3)) {
        client_path(c, "sessions/shared/tapes");
        say(&c->body, "{\"graph\":\"y_%d = (%d) * x\"}", c->number, k);
        client_ask(c, "POST");
        snprintf(tape, sizeof tape, "%s", client_member(c, "tape"));
        client_path(c, "sessions/shared/tapes/%.31s/gradient", tape);
        c->body.length = 0;
        say(&c->body, "{\"target\":\"y_%d\",\"sources\":\"x\"}", c->number);
        client_ask(c, "POST");
        say(&c->wanted, "{\"gradient\":%d}", k);
        client_expect(c, 200);
        return;
    }
    client_path(c, "sessions/shared/variables/n/%s", k < 0 ? "assign_sub" : "assign_add");
    say(&c->body, "{\"value\":%d}", abs(k));
    client_ask(c, "POST");
    if (c->status != 200) client_fail(c, "nothing was added");
    c->body.length = 0;
    run->added += k;
}

static bool shares(struct client *c, const char *method, const char *body, int status) {
    c->body.length = 0;
    client_path(c, "sessions/shared");
    say(&c->body, "%s", body);
    client_ask(c, method);
    c->body.length = 0;
    return c->status == status || client_fail(c, "the shared session: wanted %d", status);
}

/* ---- one client after another operation ---- */

static void operate(struct run *run) {
    struct client *c = &run->client;
    if (run->n_sessions == 0) create(run);
    const int i = client_pick(c, run->n_sessions), what = client_pick(c, 100);
    struct session *s = run->sessions[i];
    if (s->n_nodes > NODES * 3 / 4 || what < 2)
        discard(run, i);
    else if (what < 8 && run->n_sessions < SESSIONS)
        what < 5 ? create(run) : what == 5 ? copy(run, s) : what == 6 ? import(run, s) : show(c, s);
    else if (what < 11)
        patch(c, s);
    else if (what < 13)
        list(run);
    else if (what < 18)
        share(run);
    else if (what < 40)
        operate_item(c, s);
    else if (what < 60)
        operate_execute(c, s);
    else if (what < 72)
        operate_training(c, s);
    else
        operate_tape(c, s);
    c->body.length = c->wanted.length = 0;
    c->precondition[0] = '\0';
}

static void *work(void *context) {
    struct run *run = context;
    for (int i = 0; i < run->operations && !run->client.failed; i++) operate(run);
    for (int i = 0; i < run->n_sessions && !run->client.failed; i++)
        show(&run->client, run->sessions[i]);
    while (run->n_sessions && !run->client.failed) discard(run, 0);
    while (run->n_sessions) free(run->sessions[--run->n_sessions]);
    return NULL;
}

/* ---- gradd as a child ---- */

static int patience(void) {
    const char *text = getenv("GRADD_TEST_PATIENCE");
    const int factor = text ? atoi(text) : 1;
    return factor > 1 ? factor : 1;
}

static pid_t start(const char *gradd) {
    int ends[2];
    char line[256] = "";
    if (pipe(ends) != 0) abort();
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(gradd, "gradd", "--listen", "127.0.0.1:0", "--log-level", "error", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    for (size_t n = 0; n + 1 < sizeof line && read(ends[0], line + n, 1) == 1; n++)
        if (line[n] == '\n') break;
    const char *url = strstr(line, "http://");
    if (!url) {
        fprintf(stderr, "model: gradd did not get ready: %s\n", line);
        exit(1);
    }
    snprintf(base, sizeof base, "%.*s", (int)strcspn(url, " \r\n"), url);
    return pid;
}

static bool stop(pid_t pid) {
    int status = 0;
    kill(pid, SIGTERM);
    for (int i = 0; i < 1000 * patience(); i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) != pid;
}

/* No session, no bytes, nobody waiting. */
static bool holds_nothing(struct client *c) {
    client_path(c, "stats");
    client_ask(c, "GET");
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(c->answer, "state");
    static const char *const names[] = {"sessions", "session_bytes", "waiting"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *n = cJSON_GetObjectItemCaseSensitive(state, names[i]);
        if (!cJSON_IsNumber(n) || n->valuedouble != 0)
            return client_fail(c, "%s is not 0", names[i]);
    }
    return true;
}

static bool has_sum(struct client *c, const struct run *runs) {
    long sum = 0;
    for (int i = 0; i < CLIENTS; i++) sum += runs[i].added;
    client_path(c, "sessions/shared/variables/n");
    client_ask(c, "GET");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(c->answer, "value");
    if (cJSON_IsNumber(value) && value->valuedouble == (double)sum) return true;
    return client_fail(c, "the sum is %ld", sum);
}

static void test(uint64_t seed, int operations) {
    static struct run runs[CLIENTS];
    static struct client c;
    pthread_t threads[CLIENTS];
    char name[80];
    long requests = 0;
    if (!client_begin(&c, base, CLIENTS, seed)) abort();
    result("there is nothing before the first session", holds_nothing(&c));
    shares(&c, "PUT",
           "{\"variables\":{\"x\":3,\"n\":{\"dtype\":\"int32\",\"shape\":[],\"data\":0}}}", 201);
    for (int i = 0; i < CLIENTS; i++) {
        runs[i].operations = operations;
        if (!client_begin(&runs[i].client, base, i, seed) ||
            pthread_create(&threads[i], NULL, work, &runs[i]) != 0)
            abort();
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        snprintf(name, sizeof name, "client %d is answered as the model says, %ld times", i,
                 runs[i].client.requests);
        result(name, !runs[i].client.failed);
        requests += runs[i].client.requests;
        client_end(&runs[i].client);
    }
    result("no addition to a shared variable is lost", has_sum(&c, runs));
    result("the shared session is deleted", shares(&c, "DELETE", "", 204));
    result("there is nothing behind the last session", failed || holds_nothing(&c));
    printf("%ld requests\n", requests);
    client_end(&c);
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: model GRADD [SEED [OPERATIONS]]\n");
        return 2;
    }
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : SEED;
    printf("seed %llu\n", (unsigned long long)seed);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    const pid_t pid = start(argv[1]);
    test(seed, argc > 3 ? atoi(argv[3]) : OPERATIONS);
    result("gradd ends well", stop(pid));
    curl_global_cleanup();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
