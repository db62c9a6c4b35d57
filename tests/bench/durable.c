/* What it costs that nothing is lost: durable optimizer steps beside what SQLite alone commits of the
 * same bytes in the same groups, and the start with many stored sessions beside the start with none.
 * Prints medians as rows for tests/bench/table; fails on a wrong answer, never on a time.
 *
 *     durable MANY DIRECTORY GRADD      MANY sessions are stored in the new DIRECTORY, which is left there
 *
 * With 0 sessions the start is left out, and the steps' row tells of the slow disk (tests/bench/slow/sync.c). */
#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "api/session.h"
#include "api/session_services.h"
#include "server.h"
#include "server/store.h"

enum { ROUNDS = 7, LANES = 16, STEPS = 200, ANSWER = 64 << 10, WHERE = 400 };

static char gradd[WHERE], directory[WHERE];

/* ---- a connection ---- */

struct lane {
    int fd;
    char text[ANSWER]; /* the latest answer */
    const char *body;
    size_t length; /* of its body */
};

static void lane_send(struct lane *l, const char *method, const char *path, const char *body) {
    char request[2048];
    const int n = snprintf(request, sizeof request,
                           "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s",
                           method, path, strlen(body), body);
    if (write(l->fd, request, (size_t)n) != n) die("the request was not taken whole");
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
        const char *length = strcasestr(l->text, "\r\nContent-Length:");
        l->body = end + 4;
        l->length = length ? (size_t)strtoull(length + 17, NULL, 10) : 0;
        all = (size_t)(l->body - l->text) + l->length;
    }
    if (atoi(l->text + 9) == status) return;
    fprintf(stderr, "%.2000s\n", l->text);
    die("the answer has another status");
}

/* ---- rows ---- */

static double median(double *x) {
    qsort(x, ROUNDS, sizeof *x, compare_doubles);
    return x[ROUNDS / 2];
}

static void row(const char *what, double x, const char *unit, double beside, const char *than,
                const char *aim) {
    printf("%s\t%.9g\t%s\t%.9g\t%s%s%s\n", what, x, unit, beside, than, aim[0] ? "\t" : "", aim);
}

/* ---- the directory ---- */

static const char *inside(const char *name) {
    static char path[WHERE + 32];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static struct server serve(char *store) {
    char *const argv[] = {gradd,        "--log-level", "warn",    "--listen", "127.0.0.1:0",
                          "--data-dir", directory,     "--store", store,      NULL};
    return server_start(argv);
}

/* ---- steps ---- */

static const char new_session[] = "{\"variables\":{\"x\":[1,2,3,4,5,6,7,8]},\"optimizer\":"
                                  "{\"name\":\"Adam\",\"learning_rate\":0.001}}";
static const char step[] = "{\"grads_and_vars\":[[[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8],\"x\"]]}";

static const char *path_of(int i, const char *rest) {
    static char path[96];
    snprintf(path, sizeof path, "/v1/sessions/bench-%d%s", i, rest);
    return path;
}

/* Steps a second: each connection has one under way, on a session of its own. */
static double rate_of_gradd(struct lane *lanes) {
    const double start = now_ms();
    for (int i = 0; i < (STEPS + 1) * LANES; i++) {
        struct lane *l = &lanes[i % LANES];
        if (i >= LANES) lane_read(l, 200);
        if (i < STEPS * LANES) lane_send(l, "POST", path_of(i % LANES, "/apply_gradients"), step);
    }
    return STEPS * LANES / (now_ms() - start) * 1e3;
}

/* ---- SQLite beside it ---- */

static void run_sql(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) die(sqlite3_errmsg(db));
}

static sqlite3 *open_beside(void) {
    sqlite3 *db;
    if (sqlite3_open(inside("beside.db"), &db) != SQLITE_OK) die("SQLite cannot open a file");
    run_sql(db, "pragma journal_mode=wal; pragma synchronous=full;"
                "create table object (kind integer, id text, bytes blob, primary key (kind, id))");
    return db;
}

/* Objects of so many bytes a second, as many in a transaction as there are connections. */
static double rate_of_sqlite(sqlite3 *db, size_t n) {
    static unsigned count;
    char id[16], *bytes = malloc(n);
    sqlite3_stmt *put;
    const char sql[] = "insert into object values (1, ?1, ?2) on conflict do update set "
                       "bytes = excluded.bytes";
    if (!bytes || sqlite3_prepare_v2(db, sql, -1, &put, NULL) != SQLITE_OK) die("out of memory");
    const double start = now_ms();
    for (int k = 0; k < STEPS; k++) {
        run_sql(db, "begin immediate");
        for (int i = 0; i < LANES; i++) {
            memset(bytes, 'a' + (int)(++count % 26), n); /* what is the same is not written */
            snprintf(id, sizeof id, "bench-%d", i);
            sqlite3_bind_text(put, 1, id, -1, SQLITE_STATIC);
            sqlite3_bind_blob(put, 2, bytes, (int)n, SQLITE_STATIC);
            if (sqlite3_step(put) != SQLITE_DONE) die(sqlite3_errmsg(db));
            sqlite3_reset(put);
        }
        run_sql(db, "commit");
    }
    const double rate = STEPS * LANES / (now_ms() - start) * 1e3;
    sqlite3_finalize(put);
    free(bytes);
    return rate;
}

/* A server with a session for each connection. */
static struct server serve_steps(char *store, struct lane *lanes) {
    struct server server = serve(store);
    for (int i = 0; i < LANES; i++) {
        lanes[i].fd = server_dial(&server);
        lane_send(&lanes[i], "PUT", path_of(i, ""), new_session);
        lane_read(&lanes[i], 201);
    }
    rate_of_gradd(lanes);
    return server;
}

static void stop_steps(struct server *server, struct lane *lanes) {
    for (int i = 0; i < LANES; i++) close(lanes[i].fd);
    server_stop(server);
}

static void steps(void) {
    static struct lane durable[LANES], fleeting[LANES];
    double durables[ROUNDS], fleetings[ROUNDS], sqlites[ROUNDS];
    struct server server = serve_steps("sqlite:", durable),
                  other = serve_steps("memory:", fleeting);
    lane_send(durable, "GET", path_of(0, "/export"), "");
    lane_read(durable, 200);
    if (!durable->length) die("an export is empty");
    sqlite3 *beside = open_beside();
    for (int i = 0; i < ROUNDS; i++) {
        sqlites[i] = rate_of_sqlite(beside, durable->length);
        durables[i] = rate_of_gradd(durable);
        fleetings[i] = rate_of_gradd(fleeting);
    }
    sqlite3_close(beside);
    stop_steps(&server, durable);
    stop_steps(&other, fleeting);
    const double rate = median(durables);
    const char *us = getenv("GRADD_BENCH_SYNC_US");
    char what[120] = "durable Adam steps a second, 16 connections";
    if (us) {
        const size_t n = strlen(what);
        snprintf(what + n, sizeof what - n, ", where a sync takes %g ms longer", atoi(us) / 1e3);
    }
    row(what, rate, "", median(sqlites), "the same bytes by SQLite alone, 16 in a transaction",
        ">= 0.8");
    if (!us) row(what, rate, "", median(fleetings), "the same steps without a store", "");
}

/* ---- the start ---- */

static void on_done(void *context, const struct error *error) {
    (void)context;
    if (error) die(error->detail);
}

/* Through the store's own verbs, so that the file is as gradd makes it. */
static void fill(int many) {
    enum { BATCH = 1000 };
    char problem[512];
    struct session *sessions[BATCH];
    struct store_change changes[BATCH];
    const float two = 2;
    const struct tensor value = {.dtype = DTYPE_F32, .data = (void *)(uintptr_t)&two};
    struct store *store = store_sqlite.open(directory, problem, sizeof problem);
    if (!store) die(problem);
    for (int done = 0; done < many; done += BATCH) {
        const int n = many - done < BATCH ? many - done : BATCH;
        for (int i = 0; i < n; i++) {
            char id[16];
            snprintf(id, sizeof id, "many-%d", done + i);
            struct session *s = sessions[i] = session_new(id, DTYPE_F32, 1 << 20);
            if (!s || !session_add(s, "x1", 2, ITEM_VARIABLE, true, &value) ||
                !session_add(s, "x2", 2, ITEM_VARIABLE, true, &value))
                die("out of memory");
            changes[i] = (struct store_change){.kind = STORE_SESSION,
                                               .tenant = "default",
                                               .id = s->id,
                                               .encode = session_encode,
                                               .summarize = session_summarize,
                                               .object = s};
        }
        store->verbs->save(store, changes, (size_t)n, on_done, NULL);
        for (int i = 0; i < n; i++) session_free(sessions[i]);
    }
    store->verbs->close(store);
}

static double start_ms(void) {
    const double start = now_ms();
    struct server server = serve("sqlite:");
    const double ms = now_ms() - start;
    server_stop(&server);
    return ms;
}

static void starts(int many) {
    double few[ROUNDS], with[ROUNDS];
    char name[80];
    for (int i = 0; i < ROUNDS; i++) few[i] = start_ms();
    fill(many);
    for (int i = 0; i < ROUNDS; i++) with[i] = start_ms();
    snprintf(name, sizeof name, "start with %d,%03d stored sessions", many / 1000, many % 1000);
    row(name, median(with), "ms", median(few), "with 16", "");
}

int main(int argc, char **argv) {
    bench_name = "durable";
    const int many = argc == 4 ? atoi(argv[1]) : -1;
    if (many != 0 && many < 1000)
        die("usage: durable MANY DIRECTORY GRADD, and MANY is 0 or at least 1000");
    snprintf(directory, sizeof directory, "%s", argv[2]);
    snprintf(gradd, sizeof gradd, "%s", argv[3]);
    if (mkdir(directory, 0700) != 0) die("the directory is to be made anew");
    steps();
    if (many > 0) starts(many);
    return 0;
}
