/* GET /v1/stats: the counters of this process as one JSON object. */
#include "core/budget.h"
#include "core/cache.h"
#include "server/body.h"
#include "server/engine.h"
#include "server/handle.h"
#include "server/machine.h"
#include "server/sandbox.h"
#include "server/stats.h"

struct pair {
    const char *name;
    int64_t value;
};

/* Writes ,"name":{"pair":value,...}. */
static void write_group(struct writer *out, const char *name, const struct pair *pairs, size_t n) {
    write_text(out, ",");
    write_string(out, name);
    for (size_t i = 0; i < n; i++) {
        write_text(out, i ? "," : ":{");
        write_string(out, pairs[i].name);
        write_text(out, ":");
        write_int(out, pairs[i].value);
    }
    write_text(out, "}");
}

#define WRITE_GROUP(out, name, ...)                                                                \
    write_group(out, name, (const struct pair[]){__VA_ARGS__},                                     \
                sizeof((const struct pair[]){__VA_ARGS__}) / sizeof(struct pair))

bool handle_stats(const struct service_call *call, struct writer *out, struct error *error) {
    (void)error;
    struct plan_stats plans = plan_cache_stats(call->plans);
    write_text(out, "{\"uptime_seconds\":");
    write_double(out, stats_uptime());
    WRITE_GROUP(out, "plans", {"compiled", (int64_t)plans.compiled}, {"hits", (int64_t)plans.hits},
                {"evicted", (int64_t)plans.evicted}, {"held", (int64_t)plans.plans},
                {"bytes", (int64_t)plans.bytes});
    const struct cache_stats known = cache_stats(call->known);
    WRITE_GROUP(out, "known", {"hits", (int64_t)known.hits}, {"misses", (int64_t)known.misses},
                {"evicted", (int64_t)known.evicted}, {"held", (int64_t)known.held},
                {"bytes", (int64_t)known.bytes});
    WRITE_GROUP(out, "requests", {"total", stats_sum(STAT_REQUESTS)},
                {"in_flight", stats_sum(STAT_IN_FLIGHT)}, {"inline", stats_sum(STAT_INLINE)},
                {"queued", stats_sum(STAT_QUEUED)}, {"cancelled", stats_sum(STAT_CANCELLED)});
    WRITE_GROUP(out, "responses", {"2xx", stats_answers_of(2)}, {"3xx", stats_answers_of(3)},
                {"4xx", stats_answers_of(4)}, {"5xx", stats_answers_of(5)});
    WRITE_GROUP(out, "connections", {"open", stats_sum(STAT_CONNECTIONS)},
                {"accepted", stats_sum(STAT_ACCEPTED)}, {"timed_out", stats_sum(STAT_TIMED_OUT)},
                {"refused", stats_sum(STAT_REFUSED)});
    const struct registry_stats state = engine_sessions(call->server);
    WRITE_GROUP(out, "state", {"sessions", state.sessions}, {"session_bytes", state.bytes},
                {"tapes", state.tapes}, {"waiting", state.waiting},
                {"functions", engine_functions(call->server)});
    const struct operations_stats jobs = engine_operations(call->server);
    WRITE_GROUP(out, "operations", {"queued", jobs.queued}, {"running", jobs.running},
                {"done", jobs.done}, {"bytes", jobs.bytes});
    WRITE_GROUP(
        out, "memory", {"resident_bytes", machine_resident()}, {"limit_bytes", budget_limit()},
        {"held_bytes", budget_held_in_all()}, {"body_bytes", body_held()},
        {"arena_bytes", budget_held(BUDGET_ARENAS)}, {"run_bytes", budget_held(BUDGET_RUNS)},
        {"search_bytes", budget_held(BUDGET_SEARCHES)}, {"state_bytes", budget_held(BUDGET_STATE)},
        {"answer_bytes", budget_held(BUDGET_ANSWERS)});
    const struct sandbox_state *sandbox = sandbox_state();
    WRITE_GROUP(out, "sandbox", {"no_capabilities", sandbox->no_capabilities},
                {"no_new_privileges", sandbox->no_new_privileges}, {"seccomp", sandbox->seccomp},
                {"landlock", sandbox->landlock});
    write_text(out, "}");
    return true;
}
