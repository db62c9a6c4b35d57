/* gradd is killed at random moments under clients that write, over and over, on one data directory.
 * Behind each restart all that was acknowledged is there, bit for bit, what was in flight is there whole
 * or not at all, and what was asked under an Idempotency-Key has run once. What ought to be there is
 * said by a gradd that is never killed. It knows HTTP and nothing of gradd's insides.
 *
 *     crash GRADD [ROUNDS [SEED]]
 *
 * Prints the seed, and `N passed, N failed` last. What the clients send follows from the seed; when gradd
 * is killed does not. */
#include <dirent.h>
#include <pthread.h>

#include "crash.h"
#include "wire.h"

enum { CLIENTS = 16, ROUNDS = 20, LONGEST_MS = 150, SEED = 20261127 };

static struct client clients[CLIENTS];
static struct child durable, reference;
static char directory[] = "/tmp/gradd-crash-XXXXXX";
static uint64_t chance;
static long counted; /* in the shared session, when the round began */
static int passed, failed;
atomic_bool is_killed;

static int pick(int n) { return (int)(draw(&chance) % (unsigned)n); }

static void result(const char *name, bool right) {
    printf("%s  %s\n", right ? "ok  " : "FAIL", name);
    passed += right;
    failed += !right;
}

/* ---- the servers ---- */

/* Now and then it is killed while it starts, and started again. */
static void start_durable(void) {
    const char *const arguments[] = {"--listen",   "127.0.0.1:0", "--log-level", "error",
                                     "--data-dir", directory,     NULL};
    while (pick(6) == 0) {
        struct child early = spawn(arguments);
        sleep_ms(pick(40));
        kill(early.pid, SIGKILL);
        reap(&early, 10000);
    }
    durable = start("--data-dir", directory);
    for (int i = 0; i < CLIENTS; i++) clients[i].links[DURABLE].port = durable.port;
}

/* Mostly by SIGKILL; false where it did not end as it must. */
static bool end_durable(void) {
    const bool asks = pick(8) == 0;
    char said[4096];
    atomic_store(&is_killed, true);
    kill(durable.pid, asks ? SIGTERM : SIGKILL);
    read_all(durable.err, said, sizeof said);
    const int code = reap(&durable, 60000);
    if (code == (asks ? 0 : 1000 + SIGKILL)) return true;
    printf("gradd ended with %d behind %s: %s\n", code, asks ? "SIGTERM" : "SIGKILL", said);
    return false;
}

static void remove_directory(void) {
    DIR *d = opendir(directory);
    char path[sizeof directory + 300];
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        unlink(path);
    }
    if (d) closedir(d);
    rmdir(directory);
}

/* ---- a round ---- */

static void *write_on(void *context) {
    client_write(context);
    return NULL;
}

static void *verify(void *context) {
    client_verify(context);
    return NULL;
}

static void each(pthread_t *threads, void *(*run)(void *)) {
    for (int i = 0; i < CLIENTS; i++)
        if (pthread_create(&threads[i], NULL, run, &clients[i]) != 0) abort();
}

static void join(const pthread_t *threads) {
    for (int i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
}

/* Of the first that has failed; the others mostly say the same. */
static bool report_failures(void) {
    int n = 0;
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].failure.length && n++ == 0) printf("%s", clients[i].failure.data);
    }
    if (n) printf("%d of %d clients have failed\n", n, CLIENTS);
    return n;
}

/* The session that all write to: its two variables go up together, and by what was acknowledged at the
 * least. */
static bool check_shared(void) {
    struct client *c = &clients[0];
    struct answer a;
    long x = -1, y = -2, least = counted, most;
    for (int i = 0; i < CLIENTS; i++) least += clients[i].counted;
    most = least;
    for (int i = 0; i < CLIENTS; i++) most += clients[i].uncertain;
    const char *at = client_ask(c, DURABLE, "GET", "/v1/sessions/shared", "", &a)
                         ? strstr(a.body, "\"variables\":")
                         : NULL;
    if (at) sscanf(at, "\"variables\":{\"a\":%ld.0,\"b\":%ld.0}", &x, &y);
    link_close(&c->links[DURABLE]);
    for (int i = 0; i < CLIENTS; i++) clients[i].counted = clients[i].uncertain = 0;
    counted = x;
    if (x == y && x >= least && x <= most) return true;
    printf("the shared session counts %ld and %ld; acknowledged were %ld, and up to %ld may be "
           "there\n",
           x, y, least, most);
    return false;
}

static bool run_round(void) {
    pthread_t threads[CLIENTS];
    atomic_store(&is_killed, false);
    each(threads, write_on);
    sleep_ms(1 + pick(LONGEST_MS * patience));
    bool ok = end_durable();
    join(threads);
    if (report_failures()) return false;
    start_durable();
    each(threads, verify);
    join(threads);
    if (report_failures()) return false;
    return check_shared() && ok;
}

/* ---- all of it ---- */

static bool begin(uint64_t seed) {
    struct answer a;
    if (!mkdtemp(directory)) return false;
    reference = start(NULL, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[i];
        c->number = i;
        c->random = seed + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
        c->known = calloc(SERIALS, sizeof *c->known);
        if (!c->known) return false;
        for (int k = 0; k < SERVERS; k++)
            c->links[k] = (struct link){.port = reference.port, .fd = -1};
    }
    start_durable();
    return client_ask(&clients[0], DURABLE, "PUT", "/v1/sessions/shared",
                      "{\"dtype\":\"float64\",\"variables\":{\"a\":0,\"b\":0},"
                      "\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":1}}",
                      &a) &&
           a.status == 201;
}

static void finish(void) {
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[i];
        for (int k = 0; k < SERVERS; k++) link_free(&c->links[k]);
        for (int k = 0; k < RETRIES; k++) entry_free(&c->retries[k]);
        for (int k = 0; k < JOBS; k++) entry_free(&c->jobs[k]);
        free(c->log);
        free(c->known);
        free(c->failure.data);
    }
    result("ends_with_0_when_told_to", stop(&durable) && stop(&reference));
    if (failed)
        printf("the data directory is left in %s\n", directory);
    else
        remove_directory();
}

static void report(int rounds) {
    long acknowledged = 0, kept = 0, lost = 0, replayed = 0, interrupted = 0;
    for (int i = 0; i < CLIENTS; i++) {
        acknowledged += clients[i].acknowledged;
        kept += clients[i].kept;
        lost += clients[i].lost;
        replayed += clients[i].replayed;
        interrupted += clients[i].interrupted;
    }
    printf("%d rounds: %ld requests were acknowledged; of those in flight %ld had happened and %ld "
           "had not, or changed nothing; %ld retries; %ld jobs were interrupted\n",
           rounds, acknowledged, kept, lost, replayed, interrupted);
}

int main(int argc, char **argv) {
    const int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    const uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : SEED;
    const char *factor = getenv("GRADD_TEST_PATIENCE");
    if (argc < 2 || rounds < 1) {
        fprintf(stderr, "usage: %s GRADD [ROUNDS [SEED]]\n", argv[0]);
        return 2;
    }
    gradd = argv[1];
    chance = seed;
    if (factor && atoi(factor) > 0) patience = atoi(factor);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %llu\n", (unsigned long long)seed);
    bool ok = begin(seed);
    int done = 0;
    while (ok && done < rounds) ok = run_round() && ++done;
    report(done);
    result("keeps_what_was_acknowledged", ok);
    finish();
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
