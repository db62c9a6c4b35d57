/* The optimizers, the methods and the schedules that there are, from the tables that decide it, and the
 * learning rates of a schedule: GET /v1/optimizers, GET /v1/schedules, POST /v1/schedules/evaluate. */
#include <inttypes.h>
#include <string.h>

#include "api/optimizer_own.h"
#include "api/service.h"
#include "api/session_io.h"
#include "core/solve.h"

/* ---- the tables ------------------------------------------------------------------------------- */

static void write_member(struct writer *out, const char *name, const char *text) {
    write_text(out, ",\"");
    write_text(out, name);
    write_text(out, "\":");
    write_string(out, text);
}

static void write_bool(struct writer *out, const char *name, bool value) {
    write_text(out, ",\"");
    write_text(out, name);
    write_text(out, value ? "\":true" : "\":false");
}

/* {"name","kind","optional","nullable"}, the brace open. */
static void begin_argument(struct writer *out, const char *name, const char *kind, bool optional,
                           bool nullable) {
    write_text(out, "{\"name\":");
    write_string(out, name);
    write_member(out, "kind", kind);
    write_bool(out, "optional", optional);
    write_bool(out, "nullable", nullable);
}

/* One whose preset is written as JSON; NULL: it has none. */
static void write_argument(struct writer *out, const char *name, const char *kind,
                           const char *preset) {
    begin_argument(out, name, kind, preset != NULL, false);
    if (preset) {
        write_text(out, ",\"default\":");
        write_text(out, preset);
    }
    write_text(out, "}");
}

static void write_setting(struct writer *out, const struct setting *s, double preset) {
    static const char *const kinds[] = {[SETTING_FLOAT] = "float",
                                        [SETTING_INT] = "int",
                                        [SETTING_BOOL] = "bool",
                                        [SETTING_STEPS] = "float"};
    begin_argument(out, s->name, kinds[s->kind], !s->required, s->optional);
    if (!s->required) {
        write_text(out, ",\"default\":");
        setting_write(out, s, preset);
    }
    write_text(out, "}");
}

static void write_settings(struct writer *out, const struct setting *settings) {
    for (size_t i = 0; settings[i].name; i++) {
        if (i) write_text(out, ",");
        write_setting(out, &settings[i], settings[i].preset);
    }
}

/* The name and what is computed, up to the list of arguments. */
static void write_head(struct writer *out, const char *name, const char *formula,
                       const char *source) {
    write_text(out, "{\"name\":");
    write_string(out, name);
    write_member(out, "formula", formula);
    if (source) write_member(out, "source", source);
    write_text(out, ",\"arguments\":[");
}

static void write_wrapper(struct writer *out, const struct optimizer *o) {
    write_settings(out, o->settings);
    if (o->settings->name) write_text(out, ",");
    if (is_multi(o)) {
        write_argument(out, "optimizers", "list of optimizers", NULL);
    } else {
        write_argument(out, "inner_optimizer", "optimizer", NULL);
    }
}

/* Its own arguments, and the common ones whose preset is another. */
static void write_optimizer(struct writer *out, const struct optimizer *o) {
    write_head(out, o->name, o->formula, o->source);
    if (o->wraps) {
        write_wrapper(out, o);
    } else {
        begin_argument(out, "learning_rate", "float or schedule", true, false);
        write_text(out, ",\"default\":");
        write_double(out, o->learning_rate);
        write_text(out, "}");
        if (o->settings->name) write_text(out, ",");
        write_settings(out, o->settings);
        if (o->excludes_layers) {
            write_text(out, ",");
            write_argument(out, "exclude_layers", "list of patterns", "[]");
        }
        if (!isnan(o->weight_decay)) {
            struct setting decay = optimizer_common[COMMON_WEIGHT_DECAY];
            decay.optional = !needs_weight_decay(o);
            write_text(out, ",");
            write_setting(out, &decay, o->weight_decay);
        }
    }
    write_text(out, "]");
    write_bool(out, "takes_common", !o->wraps);
    write_text(out, "}");
}

/* Methods of minimize beside the optimizers. */
static void write_method(struct writer *out, const struct solve_method *m) {
    write_text(out, "{\"name\":");
    write_string(out, m->name);
    write_member(out, "what", m->what);
    write_member(out, "source", m->source);
    write_bool(out, "reads_gradient", m->takes & SOLVE_GRADIENT);
    write_bool(out, "reads_hessian_products", m->takes & SOLVE_PRODUCT);
    write_bool(out, "takes_bounds", m->takes & SOLVE_BOUNDS);
    write_bool(out, "needs_bounds", m->takes & SOLVE_NEEDS_BOUNDS);
    write_bool(out, "takes_equalities", m->takes & SOLVE_EQUAL);
    write_bool(out, "takes_inequalities", m->takes & SOLVE_BELOW);
    write_bool(out, "is_global", m->takes & SOLVE_GLOBAL);
    write_text(out, ",\"least_unknowns\":");
    write_int(out, (int64_t)m->least);
    write_text(out, "}");
}

bool service_optimizers(const struct service_call *call, struct writer *out, struct error *error) {
    (void)call;
    write_text(out, "{\"optimizers\":[");
    for (size_t i = 0; i < optimizer_count; i++) {
        if (i) write_text(out, ",");
        write_optimizer(out, optimizer_table[i]);
    }
    write_text(out, "],\"common\":[");
    for (size_t i = 0; i < COMMON_COUNT; i++) {
        write_setting(out, &optimizer_common[i], optimizer_common[i].preset);
        write_text(out, ",");
    }
    write_argument(out, "exclude_from_weight_decay", "list of patterns", "[]");
    write_text(out, "],\"methods\":[");
    for (size_t i = 0; i < SOLVE_METHOD_COUNT; i++) {
        if (i) write_text(out, ",");
        write_method(out, &solve_methods[i]);
    }
    write_text(out, "]}");
    return writer_whole(out, error);
}

bool service_schedules(const struct service_call *call, struct writer *out, struct error *error) {
    (void)call;
    write_text(out, "{\"schedules\":[");
    for (size_t i = 0; i < schedule_count; i++) {
        const struct schedule *s = schedule_table[i];
        if (i) write_text(out, ",");
        write_head(out, s->name, s->formula, NULL);
        write_settings(out, s->settings);
        if (s->has_lists) {
            write_argument(out, "boundaries", "list of floats", NULL);
            write_text(out, ",");
            write_argument(out, "values", "list of floats", NULL);
        }
        write_text(out, "]}");
    }
    write_text(out, "]}");
    return writer_whole(out, error);
}

/* ---- the rates of a schedule ------------------------------------------------------------------ */

struct rates {
    struct asked asked;
    const struct schedule_config *schedule;
    struct tensor steps;
    struct tape tape;
    struct optimizer_step step; /* whose numbers the schedule reads */
    node_id at, rate;
};

/* Steps are integers, as an optimizer counts them. */
static bool read_steps(struct rates *r) {
    struct asked *a = &r->asked;
    const struct json *v = asked_member(a, "steps");
    if (!v)
        return error_set(a->error, ERROR_INVALID_REQUEST,
                         "member \"steps\" is missing: the steps whose learning rate is asked for");
    if (!json_tensor(&a->arena, v, DTYPE_I64, a->call->limits->max_elements, "/steps", &r->steps,
                     a->error))
        return false;
    if (r->steps.dtype == DTYPE_I64 || r->steps.dtype == DTYPE_I32) return true;
    error_set(a->error, ERROR_INVALID_VALUE, "steps are integers, found a %s tensor",
              dtype_name(r->steps.dtype));
    return error_under(a->error, "steps");
}

static bool read_request(struct rates *r) {
    struct asked *a = &r->asked;
    struct reading reading = {.arena = &a->arena, .error = a->error};
    const struct json *schedule = asked_member(a, "schedule");
    if (!schedule)
        return error_set(a->error, ERROR_INVALID_REQUEST,
                         "member \"schedule\" is missing: a schedule with its arguments");
    if (!schedule_read(&reading, schedule, &r->schedule)) return error_under(a->error, "schedule");
    return read_steps(r);
}

static bool emit(struct rates *r) {
    struct asked *a = &r->asked;
    const struct service_limits *limits = a->call->limits;
    tape_init(
        &r->tape, &a->arena, a->error,
        (struct tape_limits){(uint32_t)limits->max_nodes, limits->max_elements, limits->max_work});
    r->step = (struct optimizer_step){.tape = &r->tape};
    r->at = tape_input(&r->tape, r->steps.dtype, &r->steps.shape);
    r->rate = schedule_rate(&r->step, r->schedule, r->at);
    return tape_ok(&r->tape);
}

/* What an input is bound to. */
static const struct tensor *bound(struct rates *r, node_id input) {
    if (input == r->at) return &r->steps;
    size_t i = 0;
    while (r->step.numbers[i].node != input) i++;
    struct tensor *t = arena_zalloc(&r->asked.arena, sizeof *t);
    float *value = arena_alloc(&r->asked.arena, sizeof *value);
    if (!t || !value) return NULL;
    *value = (float)r->step.numbers[i].value;
    *t = (struct tensor){DTYPE_F32, shape_scalar, value};
    return t;
}

static bool within_budget(struct rates *r, const struct plan *plan) {
    const struct asked *a = &r->asked;
    const int64_t most = a->call->limits->max_work;
    const size_t left = a->arena.ceiling > a->arena.held ? a->arena.ceiling - a->arena.held : 0;
    if (plan_work(plan) > most)
        return error_set(a->error, ERROR_TOO_MUCH_WORK,
                         "the request needs about %" PRId64 " operations; the limit is %" PRId64,
                         plan_work(plan), most);
    return plan_run_bytes(plan) <= left || asked_fail_memory(&r->asked);
}

static bool run(struct rates *r, const struct plan *plan, const struct tensor *const *inputs) {
    struct asked *a = &r->asked;
    if (!within_budget(r, plan)) return false;
    struct run *run = plan_run(plan, inputs, &a->call->control, a->error);
    if (!run) return false;
    const struct tensor values = run_result(run, 0);
    write_text(a->out, "{\"values\":");
    write_tensor(a->out, &values, a->format);
    write_text(a->out, "}");
    run_end(run);
    return writer_whole(a->out, a->error);
}

static bool answer(struct rates *r) {
    struct asked *a = &r->asked;
    const node_id *nodes;
    size_t n;
    struct plan *plan =
        plan_get(a->call->plans, &r->tape, &r->rate, 1, &nodes, &n, &a->arena, a->error);
    if (!plan) return false;
    const struct tensor **inputs = arena_alloc(&a->arena, (n + 1) * sizeof *inputs);
    bool ok = inputs != NULL;
    for (size_t i = 0; ok && i < n; i++) ok = (inputs[i] = bound(r, nodes[i])) != NULL;
    ok = ok ? run(r, plan, inputs) : asked_fail_memory(a);
    plan_release(plan);
    return ok;
}

bool service_schedule_evaluate(const struct service_call *call, struct writer *out,
                               struct error *error) {
    static const struct takes takes = {.members = {"schedule", "steps", "format"}};
    struct rates r = {0};
    const bool ok = asked_begin(&r.asked, call, &takes, out, error) && read_request(&r) &&
                    emit(&r) && answer(&r);
    asked_end(&r.asked);
    return ok;
}
