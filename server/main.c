/* The process: options in, ready line out, signals to the end. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/operations.h"
#include "core/plan.h"
#include "core/pool.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/listen.h"
#include "server/machine.h"
#include "server/options.h"
#include "server/stats.h"

#ifndef GRADD_VERSION
#error "the build defines GRADD_VERSION"
#endif

enum { EXIT_FAILED = 1, EXIT_OPTIONS = 2 };
enum { MOST_CONNECTIONS = 10000, FILES_APART = 64 };
enum { GRACE_SECONDS = 30, POLL_MS = 5, SWEEP_MS = 1000 };

static int fail(const char *problem, int code) {
    fprintf(stderr, "gradd: %s\n", problem);
    return code;
}

/* Large buffers go back to the system when they are freed, however many there were before. */
static void tune_malloc(void) {
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

/* A part of the files is left to sockets that are being drained, and to everything else. */
static size_t most_connections(void) {
    size_t wanted = MOST_CONNECTIONS + MOST_CONNECTIONS / 8 + FILES_APART,
           files = machine_files(wanted);
    if (files >= wanted) return MOST_CONNECTIONS;
    size_t most = files > 2 * FILES_APART ? (files - FILES_APART) / 9 * 8 : FILES_APART;
    log_event(LOG_WARN, "few_files", "limit=%zu wanted=%zu connections=%zu", files, wanted, most);
    return most;
}

/* Waits for a signal, at most so many milliseconds. */
static bool wait_signal(const sigset_t *signals, long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    return sigtimedwait(signals, NULL, &time) > 0;
}

/* Once a second. */
static void sweep(struct http *http, struct engine *engine) {
    engine_sweep(engine);
    http_sweep(http);
}

/* Until nothing is in flight and no job runs. False where the time is up; a second signal ends the process. */
static bool wait_idle(struct http *http, struct engine *engine, const sigset_t *signals,
                      int seconds) {
    int64_t end = clock_now() + seconds * INT64_C(1000000000);
    while (!http_idle(http) || !operations_idle(engine->operations)) {
        if (wait_signal(signals, POLL_MS)) _exit(EXIT_FAILED);
        if (clock_now() > end) return false;
        sweep(http, engine);
    }
    return true;
}

static void finish(struct http *http, struct jobs *jobs, struct engine *engine,
                   const sigset_t *signals) {
    log_event(LOG_INFO, "draining", "in_flight=%lld", (long long)stats_sum(STAT_IN_FLIGHT));
    http_drain(http);
    operations_drain(engine->operations);
    bool idle = wait_idle(http, engine, signals, GRACE_SECONDS);
    if (!idle) {
        http_cancel(http);
        idle = wait_idle(http, engine, signals, 1);
    }
    log_event(LOG_INFO, "stopped", "requests=%lld", (long long)stats_sum(STAT_REQUESTS));
    /* What still runs holds on to everything. */
    if (!idle) _exit(EXIT_SUCCESS);
    http_stop(http);
    jobs_stop(jobs);
    engine_free(engine);
}

/* OpenBLAS has made threads before main, which have no mask: what one of them is given while the main
 * thread does not wait for it would else end the process on the spot. */
static pthread_t main_thread;
static void pass_on(int number) { pthread_kill(main_thread, number); }

/* All threads from now on inherit the mask; the main thread alone takes signals, by asking for them. */
static void take_signals(sigset_t *signals) {
    const struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigprocmask(SIG_BLOCK, signals, NULL);
    main_thread = pthread_self();
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int serve(const struct options *options) {
    static struct engine engine;
    char problem[512], url[LISTEN_URL];
    int cores = machine_cores();
    int threads = options->threads ? options->threads : cores;
    int workers = options->workers ? options->workers : cores;
    size_t connections = most_connections();

    sigset_t signals;
    take_signals(&signals);

    int fd = listen_open(&options->listen, problem, sizeof problem);
    if (fd < 0) return fail(problem, EXIT_FAILED);
    listen_socket_url(fd, url);
    if (!engine_init(&engine, options->max_body, problem, sizeof problem))
        return fail(problem, EXIT_FAILED);
    engine.web = (struct web){.guards_host = listen_is_loopback(&options->listen),
                              .hosts = options->allowed_host.items,
                              .n_hosts = options->allowed_host.n,
                              .origins = options->cors_origin.items,
                              .n_origins = options->cors_origin.n};
    engine.pool = pool_start(workers);
    if (!engine.pool) return fail("cannot start helpers: the system has no room", EXIT_FAILED);
    struct http *http =
        http_start(&engine, fd, threads, workers, connections, problem, sizeof problem);
    if (!http) return fail(problem, EXIT_FAILED);
    struct jobs *jobs = jobs_start(&engine);
    if (!jobs) return fail("cannot start the threads of jobs: the system has no room", EXIT_FAILED);

    log_event(LOG_INFO, "started", "version=%s address=%s threads=%d workers=%d connections=%zu",
              GRADD_VERSION, url, threads, workers, connections);
    printf("gradd %s listening on %s\n", GRADD_VERSION, url);
    fflush(stdout);
    while (!wait_signal(&signals, SWEEP_MS)) sweep(http, &engine);
    finish(http, jobs, &engine, &signals);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct options options;
    char problem[512];
    stats_start();
    tune_malloc();
    switch (options_read(&options, argc, argv, getenv, problem, sizeof problem)) {
    case OPTIONS_BAD:
        return fail(problem, EXIT_OPTIONS);
    case OPTIONS_HELP:
        options_help(stdout);
        return EXIT_SUCCESS;
    case OPTIONS_VERSION:
        puts("gradd " GRADD_VERSION);
        return EXIT_SUCCESS;
    case OPTIONS_RUN:
        break;
    }
    log_set_level(options.log_level);
    return serve(&options);
}
