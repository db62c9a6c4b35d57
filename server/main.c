/* The process: options in, ready line out, signals to the end. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/plan.h"
#include "core/pool.h"
#include "server/durable.h"
#include "server/health.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/listen.h"
#include "server/machine.h"
#include "server/memory.h"
#include "server/options.h"
#include "server/quote.h"
#include "server/ready.h"
#include "server/sandbox.h"
#include "server/sink.h"
#include "server/stats.h"
#include "server/supervisor.h"
#include "server/token_file.h"

#ifndef GRADD_VERSION
#error "the build defines GRADD_VERSION"
#endif

enum { EXIT_FAILED = 1, EXIT_OPTIONS = 2 };
enum { FILES_APART = 64 };
enum { POLL_MS = 5, SWEEP_MS = 1000 };

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
static int64_t most_connections(int64_t most) {
    size_t wanted = (size_t)most + (size_t)most / 8 + FILES_APART, files = machine_files(wanted);
    if (files >= wanted) return most;
    size_t fits = files > 2 * FILES_APART ? (files - FILES_APART) / 9 * 8 : FILES_APART;
    log_event(LOG_WARN, "few_files", "limit=%zu wanted=%zu connections=%zu", files, wanted, fits);
    return (int64_t)fits < most ? (int64_t)fits : most;
}

/* Waits for a signal, at most so many milliseconds; 0 where none came. */
static int wait_signal(const sigset_t *signals, long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    const int number = sigtimedwait(signals, NULL, &time);
    return number > 0 ? number : 0;
}

/* Once a second. */
static void sweep(struct http *http, struct engine *engine) {
    engine_sweep(engine);
    http_sweep(http);
    ready_look_at(engine->directory);
    supervisor_beat();
}

/* Until nothing is in flight and no job runs. False where the time is up; a second signal ends the process. */
static bool wait_idle(struct http *http, struct engine *engine, const sigset_t *signals,
                      int64_t seconds) {
    int64_t end = clock_now() + seconds * INT64_C(1000000000);
    while (!http_idle(http) || !engine_is_idle(engine)) {
        const int number = wait_signal(signals, POLL_MS);
        if (number && number != SIGHUP) {
            sink_stop();
            _exit(EXIT_FAILED);
        }
        if (clock_now() > end) return false;
        sweep(http, engine);
    }
    return true;
}

static void finish(struct http *http, struct jobs *jobs, struct engine *engine,
                   const sigset_t *signals) {
    log_event(LOG_INFO, "draining", "in_flight=%lld", (long long)stats_sum(STAT_IN_FLIGHT));
    http_drain(http);
    engine_drain(engine);
    bool idle = wait_idle(http, engine, signals, engine->limits.grace_seconds);
    if (!idle) {
        http_cancel(http);
        idle = wait_idle(http, engine, signals, 1);
    }
    if (idle) http_stop(http);
    sink_stop();
    log_event(LOG_INFO, "stopped", "requests=%lld", (long long)stats_sum(STAT_REQUESTS));
    /* What still runs holds on to everything. */
    if (!idle) _exit(EXIT_SUCCESS);
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
    sigaddset(signals, SIGHUP);
    sigprocmask(SIG_BLOCK, signals, NULL);
    main_thread = pthread_self();
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The sockets of whoever started this process, or else those of the options. */
static bool open_sockets(const struct options *options, struct listen_sockets *out, char *problem,
                         size_t size) {
    struct listen_list passed;
    if (!supervisor_sockets(out, problem, size)) return false;
    passed.n = out->n;
    for (int i = 0; i < out->n; i++) passed.at[i] = out->at[i].address;
    if (!options_check_reach(options, &passed, problem, size)) return false;
    return out->n || listen_open(&options->listen, options->socket_mode, out, problem, size);
}

static bool are_loopback(const struct listen_sockets *sockets) {
    for (int i = 0; i < sockets->n; i++)
        if (!listen_is_loopback(&sockets->at[i].address)) return false;
    return true;
}

/* Where it listens, as in the ready line. */
static const char *print_urls(const struct listen_sockets *sockets, char *out, size_t size) {
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < sockets->n && n < size; i++) {
        char url[LISTEN_URL];
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? " " : "",
                              listen_socket_url(&sockets->at[i], url));
    }
    return out;
}

/* What was read before stays in force. */
static void log_refusal(const char *event, const char *problem) {
    char quoted[512];
    log_event(LOG_ERROR, event, "problem=%s", quote_text(quoted, sizeof quoted, problem));
}

/* Reads anew what may change while the process runs. */
static void reload(struct engine *engine, struct tls *tls) {
    char problem[512];
    supervisor_reloading();
    if (engine->access && !access_reload(engine->access, problem, sizeof problem))
        log_refusal("tokens_refused", problem);
    if (tls && !tls_reload(tls, problem, sizeof problem)) log_refusal("tls_refused", problem);
    log_event(LOG_INFO, "reloaded", "version=%s", GRADD_VERSION);
    supervisor_ready();
}

static void run(struct http *http, struct engine *engine, struct tls *tls,
                const sigset_t *signals) {
    const long nap = supervisor_patience_ms(SWEEP_MS);
    for (int number; !(number = wait_signal(signals, nap)) || number == SIGHUP;) {
        if (number == SIGHUP) reload(engine, tls);
        sweep(http, engine);
    }
}

/* Nobody has to find out by trying that this process listens no more. */
static int give_up(const struct listen_sockets *sockets, const char *problem) {
    listen_unlink(sockets);
    return fail(problem, EXIT_FAILED);
}

static struct tenant *make_tenant(void *context, const char *name, const struct quotas *quotas,
                                  char *problem, size_t size) {
    return engine_tenant(context, name, quotas, problem, size);
}

/* TLS is for the ports: a Unix socket does not leave the machine, and its file says who may use it. */
static bool open_tls(const struct options *options, struct listen_sockets *sockets,
                     struct tls **out, char *problem, size_t size) {
    const struct tls_files files = {options->tls_cert, options->tls_key, options->tls_client_ca};
    *out = NULL;
    if (!files.certificate) return true;
    for (int i = 0; i < sockets->n; i++)
        sockets->at[i].tls = sockets->at[i].address.to.any.sa_family != AF_UNIX;
    return (*out = tls_open(&files, problem, size));
}

/* Where it is not there; the sandbox opens what is. */
static bool make_directory(const char *path, char *problem, size_t size) {
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return true;
    snprintf(problem, size, "cannot make the directory %.300s: %s", path, strerror(errno));
    return false;
}

/* What is read again at SIGHUP, the store, and the files of sockets, which go at the end. */
static void enter_sandbox(const struct options *options, const struct listen_sockets *sockets) {
    struct sandbox_path paths[LISTEN_MOST + 5] = {{options->tokens, SANDBOX_BESIDE},
                                                  {options->tls_cert, SANDBOX_BESIDE},
                                                  {options->tls_key, SANDBOX_BESIDE},
                                                  {options->tls_client_ca, SANDBOX_BESIDE},
                                                  {options->data_dir, SANDBOX_WRITE}};
    size_t n = 5;
    for (int i = 0; i < sockets->n; i++)
        if (sockets->at[i].made)
            paths[n++] =
                (struct sandbox_path){sockets->at[i].address.to.local.sun_path, SANDBOX_REMOVE};
    sandbox_enter(paths, n);
}

static int serve(const struct options *options) {
    static struct engine engine;
    struct listen_sockets sockets;
    struct tls *tls;
    char problem[512], urls[LISTEN_MOST * LISTEN_URL];
    int cores = machine_cores();
    int threads = options->threads ? options->threads : cores;
    int workers = options->workers ? options->workers : cores;
    struct service_limits limits = options->limits;
    limits.max_connections = most_connections(limits.max_connections);

    sigset_t signals;
    take_signals(&signals);
    supervisor_start();

    if (!open_sockets(options, &sockets, problem, sizeof problem))
        return fail(problem, EXIT_FAILED);
    if (options->user && !sandbox_become(options->user, problem, sizeof problem))
        return give_up(&sockets, problem);
    const char *directory = options->store ? NULL : options->data_dir;
    if (directory && !make_directory(directory, problem, sizeof problem))
        return give_up(&sockets, problem);
    if (options->sandbox) enter_sandbox(options, &sockets);
    if (!open_tls(options, &sockets, &tls, problem, sizeof problem))
        return give_up(&sockets, problem);
    if (!memory_set(&limits.max_memory_bytes, threads + 2 * workers + (int)limits.max_running_jobs,
                    problem, sizeof problem))
        return give_up(&sockets, problem), EXIT_OPTIONS;
    if (!engine_init(&engine, &limits, problem, sizeof problem)) return give_up(&sockets, problem);
    if (directory && !durable_open(&engine, directory, problem, sizeof problem))
        return give_up(&sockets, problem);
    if (options->tokens) {
        engine.access = access_open(options->tokens, make_tenant, &engine, problem, sizeof problem);
        if (!engine.access) return give_up(&sockets, problem), EXIT_OPTIONS;
    }
    engine.web = (struct web){.guards_host = are_loopback(&sockets),
                              .hosts = options->allowed_host.items,
                              .n_hosts = options->allowed_host.n,
                              .origins = options->cors_origin.items,
                              .n_origins = options->cors_origin.n};
    engine.pool = pool_start(workers);
    if (!engine.pool) return give_up(&sockets, "cannot start helpers: the system has no room");
    engine.tells_times = options->server_timing;
    if (!sink_start()) return give_up(&sockets, "cannot start the log: the system has no room");
    const struct http_setup setup = {
        .sockets = &sockets, .tls = tls, .threads = threads, .workers = workers};
    struct http *http = http_start(&engine, &setup, problem, sizeof problem);
    if (!http) return give_up(&sockets, problem);
    struct jobs *jobs = jobs_start(&engine);
    if (!jobs) return give_up(&sockets, "cannot start the threads of jobs: the system has no room");

    print_urls(&sockets, urls, sizeof urls);
    log_event(LOG_INFO, "started",
              "version=%s address=\"%s\" threads=%d workers=%d connections=%lld", GRADD_VERSION,
              urls, threads, workers, (long long)limits.max_connections);
    ready_set(READY_PROCESS, NULL);
    printf("gradd %s listening on %s\n", GRADD_VERSION, urls);
    fflush(stdout);
    supervisor_ready();
    run(http, &engine, tls, &signals);
    supervisor_stopping();
    listen_unlink(&sockets);
    finish(http, jobs, &engine, &signals);
    if (tls) tls_close(tls);
    return EXIT_SUCCESS;
}

static bool check_tls(const struct options *options, char *problem, size_t size) {
    struct tls *tls;
    if (!open_tls(options, &(struct listen_sockets){0}, &tls, problem, size)) return false;
    if (tls) tls_close(tls);
    return true;
}

/* Whether gradd would start with these options, and what they are. */
static int check(const struct options *options) {
    char problem[512];
    struct token_file tokens = {0};
    if (!options_check_limits(options, machine_memory(), problem, sizeof problem) ||
        !options_check_files(options, problem, sizeof problem) ||
        !check_tls(options, problem, sizeof problem) ||
        (options->tokens && !token_file_read(&tokens, options->tokens, problem, sizeof problem)))
        return fail(problem, EXIT_OPTIONS);
    token_file_free(&tokens);
    options_print(options, stdout);
    return EXIT_SUCCESS;
}

/* gradd health [WHAT] [OPTION...] */
static int ask_health(int argc, char **argv) {
    static struct options options;
    char problem[1024];
    const char *what = argc > 2 && argv[2][0] != '-' ? argv[2] : NULL;
    const int skipped = what ? 2 : 1;
    if (options_read(&options, argc - skipped, argv + skipped, getenv, problem, sizeof problem) !=
        OPTIONS_RUN)
        return fail(problem, EXIT_OPTIONS);
    /* By a Unix socket, where there is one, no client needs a certificate. */
    const struct listen_list *list = &options.listen;
    int i = 0;
    while (i < list->n && list->at[i].to.any.sa_family != AF_UNIX) i++;
    return i < list->n ? health_ask(&list->at[i], false, what)
                       : health_ask(&list->at[0], options.tls_cert, what);
}

int main(int argc, char **argv) {
    static struct options options;
    char problem[1024];
    if (argc > 1 && strcmp(argv[1], "health") == 0) return ask_health(argc, argv);
    if (argc > 1 && strcmp(argv[1], "token") == 0) return token_print(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "backup") == 0)
        return durable_backup_command(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "check") == 0) return durable_check_command(argc - 1, argv + 1);
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
    case OPTIONS_CHECK:
        return check(&options);
    case OPTIONS_RUN:
        break;
    }
    if (!options_check_limits(&options, machine_memory(), problem, sizeof problem))
        return fail(problem, EXIT_OPTIONS);
    log_set(options.log_level, options.log_format, options.access_log);
    return serve(&options);
}
