/* GET /metrics: what this process counts, in Prometheus' text format 0.0.4. Owns the names, which are
 * promised to dashboards; counts nothing itself. */
#include "core/budget.h"
#include "core/cache.h"
#include "core/slab.h"
#include "server/body.h"
#include "server/engine.h"
#include "server/handle.h"
#include "server/machine.h"
#include "server/ready.h"
#include "server/stats.h"

#ifndef GRADD_VERSION
#error "the build defines GRADD_VERSION"
#endif

_Static_assert((int)STATS_PATHS == (int)ROUTE_MOST + 1, "STATS_PATHS is not right");
_Static_assert((int)STATS_METHODS == (int)METHOD_NUMBERS, "STATS_METHODS is not right");

static const double nanosecond = 1e-9, one = 1;

/* ---- the format ---- */

static void write_family(struct writer *out, const char *name, const char *type, const char *help) {
    const char *const parts[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) write_text(out, parts[i]);
}

/* Whole numbers print as such. */
static void write_value(struct writer *out, double value) {
    write_text(out, " ");
    if (value >= -1e15 && value <= 1e15 && value == (double)(int64_t)value)
        write_int(out, (int64_t)value);
    else
        write_double(out, value);
    write_text(out, "\n");
}

/* `name` may bring labels along. */
static void write_sample(struct writer *out, const char *name, double value) {
    write_text(out, name);
    write_value(out, value);
}

static void write_labelled(struct writer *out, const char *name, const char *label, const char *of,
                           double value) {
    const char *const parts[] = {name, "{", label, "=\"", of, "\"}"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) write_text(out, parts[i]);
    write_value(out, value);
}

static void write_one(struct writer *out, const char *name, const char *type, const char *help,
                      double value) {
    write_family(out, name, type, help);
    write_sample(out, name, value);
}

static void counter(struct writer *out, const char *name, const char *help, int64_t value) {
    write_one(out, name, "counter", help, (double)value);
}

static void gauge(struct writer *out, const char *name, const char *help, int64_t value) {
    write_one(out, name, "gauge", help, (double)value);
}

/* label="of", or nothing where there is none. */
static void write_bucket(struct writer *out, const char *name, const char *label, const char *of) {
    write_text(out, name);
    write_text(out, "_bucket{");
    if (label) {
        const char *const parts[] = {label, "=\"", of, "\","};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) write_text(out, parts[i]);
    }
    write_text(out, "le=\"");
}

static void write_total(struct writer *out, const char *name, const char *suffix, const char *label,
                        const char *of, double value) {
    write_text(out, name);
    write_text(out, suffix);
    if (label) {
        write_labelled(out, "", label, of, value);
        return;
    }
    write_value(out, value);
}

/* Bounds and sum are multiples of `unit`. */
static void write_histogram(struct writer *out, const char *name, const char *label, const char *of,
                            const struct stats_histogram *h, const int64_t *bounds, double unit) {
    int64_t count = 0;
    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        count += h->bucket[i];
        write_bucket(out, name, label, of);
        if (i < STATS_BUCKETS - 1)
            write_double(out, (double)bounds[i] * unit);
        else
            write_text(out, "+Inf");
        write_text(out, "\"}");
        write_value(out, (double)count);
    }
    write_total(out, name, "_sum", label, of, (double)h->sum * unit);
    write_total(out, name, "_count", label, of, (double)count);
}

static void histogram(struct writer *out, const char *name, const char *help, enum histogram which,
                      const int64_t *bounds, double unit) {
    const struct stats_histogram h = stats_histogram(which);
    write_family(out, name, "histogram", help);
    write_histogram(out, name, NULL, NULL, &h, bounds, unit);
}

/* ---- requests ---- */

/* What a path is called: as the table has it, its places unfilled, so that there are only so many. */
static const char *path_name(size_t path) { return path ? route_table[path - 1].path : "unknown"; }

static void write_status(struct writer *out, size_t status, int64_t count) {
    write_text(out, "code=\"");
    if (stats_statuses[status])
        write_int(out, stats_statuses[status]);
    else
        write_text(out, "other");
    write_text(out, "\"}");
    write_value(out, (double)count);
}

static void write_answers(struct writer *out, size_t path, size_t method, size_t status,
                          int64_t count) {
    write_text(out, "gradd_http_requests_total{route=\"");
    write_text(out, path_name(path));
    write_text(out, "\",method=\"");
    write_text(out, route_method_name(method));
    write_text(out, "\",");
    write_status(out, status, count);
}

/* What was never asked for has no lines. */
static void write_requests(struct writer *out) {
    write_family(out, "gradd_http_requests_total", "counter",
                 "Requests answered, by route, method and status.");
    for (size_t path = 0; path <= route_count; path++)
        for (size_t method = 0; method < STATS_METHODS; method++)
            for (size_t status = 0; status < STATS_STATUSES; status++) {
                const int64_t count = stats_answers(path, method, status);
                if (count) write_answers(out, path, method, status, count);
            }
}

static void write_refusals(struct writer *out) {
    static const char name[] = "gradd_http_malformed_requests_total";
    write_family(out, name, "counter",
                 "What was no request, or had headers too long, by the status of its refusal; "
                 "other: none was sent.");
    for (size_t status = 0; status < STATS_STATUSES; status++) {
        const int64_t count = stats_refusals(status);
        if (!count) continue;
        write_text(out, name);
        write_text(out, "{");
        write_status(out, status, count);
    }
}

static int64_t count_of(const struct stats_histogram *h) {
    int64_t count = 0;
    for (size_t i = 0; i < STATS_BUCKETS; i++) count += h->bucket[i];
    return count;
}

static void write_durations(struct writer *out) {
    static const char name[] = "gradd_http_request_duration_seconds";
    write_family(out, name, "histogram",
                 "Time from a request's headers until its answer, or its stream, begins.");
    for (size_t path = 0; path <= route_count; path++) {
        const struct stats_histogram h = stats_durations(path);
        if (count_of(&h))
            write_histogram(out, name, "route", path_name(path), &h, stats_times, nanosecond);
    }
}

static void write_traffic(struct writer *out, const struct engine *e) {
    write_requests(out);
    write_durations(out);
    write_refusals(out);
    gauge(out, "gradd_http_requests_in_flight", "Requests that are being read, run or answered.",
          stats_sum(STAT_IN_FLIGHT));
    counter(out, "gradd_http_requests_cancelled_total",
            "Requests whose client left while they ran or waited.", stats_sum(STAT_CANCELLED));
    gauge(out, "gradd_http_streams", "Streams of events that are open.", atomic_load(&e->streams));
    gauge(out, "gradd_connections", "Connections that are open.", stats_sum(STAT_CONNECTIONS));
    counter(out, "gradd_connections_accepted_total", "Connections accepted.",
            stats_sum(STAT_ACCEPTED));
    counter(out, "gradd_connections_timed_out_total", "Connections cut for being too slow.",
            stats_sum(STAT_TIMED_OUT));
    counter(out, "gradd_connections_refused_total", "Connections refused when they came.",
            stats_sum(STAT_REFUSED));
}

/* ---- work ---- */

static void write_work(struct writer *out) {
    write_family(out, "gradd_runs_total", "counter", "Requests run, by the threads that ran them.");
    write_labelled(out, "gradd_runs_total", "threads", "network", (double)stats_sum(STAT_INLINE));
    write_labelled(out, "gradd_runs_total", "threads", "workers", (double)stats_sum(STAT_QUEUED));
    gauge(out, "gradd_workers", "Worker threads.", stats_sum(STAT_WORKERS));
    gauge(out, "gradd_workers_busy", "Worker threads that have something to do.",
          stats_sum(STAT_WORKING));
    gauge(out, "gradd_queue_length", "Requests that wait for a worker.", stats_sum(STAT_WAITING));
    histogram(out, "gradd_queue_wait_seconds", "Time that requests waited for a worker.",
              HISTOGRAM_QUEUE, stats_times, nanosecond);
}

static void write_two(struct writer *out, const char *name, const char *type, const char *help,
                      uint64_t plan, uint64_t request) {
    write_family(out, name, type, help);
    write_labelled(out, name, "cache", "plan", (double)plan);
    write_labelled(out, name, "cache", "request", (double)request);
}

static void write_caches(struct writer *out, const struct plan_stats *plans,
                         const struct cache_stats *known) {
    write_two(out, "gradd_cache_hits_total", "counter",
              "Look-ups in the cache of plans and in that of kinds of requests that found one.",
              plans->hits, known->hits);
    write_two(out, "gradd_cache_misses_total", "counter", "Look-ups that found none.",
              plans->compiled, known->misses);
    write_two(out, "gradd_cache_evictions_total", "counter", "Entries dropped for newer ones.",
              plans->evicted, known->evicted);
    write_two(out, "gradd_cache_entries", "gauge", "Entries held.", plans->plans, known->held);
}

/* ---- state ---- */

static void write_state(struct writer *out, const struct engine *e,
                        const struct registry_stats *state, const struct operations_stats *jobs) {
    static const char operations[] = "gradd_operations";
    gauge(out, "gradd_sessions", "Sessions.", state->sessions);
    gauge(out, "gradd_sessions_waiting_requests", "Requests that wait for their session.",
          state->waiting);
    gauge(out, "gradd_tapes", "Tapes of all sessions.", state->tapes);
    gauge(out, "gradd_functions", "Functions.", engine_functions(e));
    write_family(out, operations, "gauge", "Operations, by their state.");
    write_labelled(out, operations, "state", "queued", (double)jobs->queued);
    write_labelled(out, operations, "state", "running", (double)jobs->running);
    write_labelled(out, operations, "state", "done", (double)jobs->done);
}

static void write_store(struct writer *out) {
    counter(out, "gradd_store_commits_total", "Transactions that the store has committed.",
            stats_sum(STAT_STORE_COMMITS));
    counter(out, "gradd_store_errors_total", "Transactions that it could not commit.",
            stats_sum(STAT_STORE_ERRORS));
    histogram(out, "gradd_store_commit_duration_seconds", "Time of a transaction.",
              HISTOGRAM_COMMIT, stats_times, nanosecond);
    histogram(out, "gradd_store_commit_saves", "Changes that a transaction held.", HISTOGRAM_BATCH,
              stats_sizes, one);
}

static void write_budget(struct writer *out) {
    static const char *const kinds[] = {
#define BUDGET_NAME(tag, name) name,
        BUDGET_KINDS(BUDGET_NAME)
#undef BUDGET_NAME
    };
    write_family(out, "gradd_budget_held_bytes", "gauge",
                 "Memory that is taken of what --max-memory leaves, by what it is for.");
    for (int i = 0; i < BUDGET_KIND_COUNT; i++)
        write_labelled(out, "gradd_budget_held_bytes", "kind", kinds[i],
                       (double)budget_held((enum budget_kind)i));
    gauge(out, "gradd_budget_limit_bytes", "What --max-memory leaves to requests and sessions.",
          budget_limit());
}

static void write_memory(struct writer *out, const struct plan_stats *plans,
                         const struct cache_stats *known, const struct registry_stats *state,
                         const struct operations_stats *jobs) {
    const struct {
        const char *kind;
        int64_t bytes;
    } kinds[] = {{"bodies", body_held()},
                 {"sessions", state->bytes},
                 {"operations", jobs->bytes},
                 {"plan_cache", (int64_t)plans->bytes},
                 {"request_cache", (int64_t)known->bytes},
                 {"slabs", (int64_t)slab_kept()}};
    write_family(out, "gradd_memory_bytes", "gauge", "Memory that is accounted for, by its use.");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        write_labelled(out, "gradd_memory_bytes", "kind", kinds[i].kind, (double)kinds[i].bytes);
    write_budget(out);
}

static void write_process(struct writer *out) {
    static const char *const checks[] = {
#define CHECK_NAME(tag, name) name,
        READY_CHECKS(CHECK_NAME)
#undef CHECK_NAME
    };
    write_family(out, "gradd_ready", "gauge", "1 where a check of /readyz is well, 0 where not.");
    for (int i = 0; i < READY_COUNT; i++)
        write_labelled(out, "gradd_ready", "check", checks[i],
                       ready_why((enum ready_check)i) ? 0 : 1);
    counter(out, "gradd_log_lines_dropped_total", "Lines of the log that nobody took in time.",
            stats_sum(STAT_LOG_DROPPED));
    write_family(out, "gradd_build_info", "gauge", "1, with the version as its label.");
    write_labelled(out, "gradd_build_info", "version", GRADD_VERSION, 1);
    write_one(out, "process_start_time_seconds", "gauge",
              "When the process started, in seconds since 1970.", stats_started());
    write_one(out, "process_cpu_seconds_total", "counter", "Time of processors that it has used.",
              machine_cpu_seconds());
    gauge(out, "process_resident_memory_bytes", "Memory of it that is resident.",
          machine_resident());
    gauge(out, "process_open_fds", "Files and sockets that are open.", machine_open_files());
    gauge(out, "process_max_fds", "How many may be.", machine_most_files());
}

bool handle_metrics(const struct service_call *call, struct writer *out, struct error *error) {
    (void)error;
    const struct engine *e = call->server;
    const struct plan_stats plans = plan_cache_stats(call->plans);
    const struct cache_stats known = cache_stats(call->known);
    const struct registry_stats state = engine_sessions(e);
    const struct operations_stats jobs = engine_operations(e);
    write_traffic(out, e);
    write_work(out);
    write_caches(out, &plans, &known);
    write_state(out, e, &state, &jobs);
    write_store(out);
    write_memory(out, &plans, &known, &state, &jobs);
    write_process(out);
    return true;
}
