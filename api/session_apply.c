/* POST .../apply_gradients: one step of the session's optimizer, with gradients that are sent or stand in
 * the session. All of it happens or nothing. What a step computes is the core's business. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/gradients.h"
#include "api/place.h"
#include "api/session_io.h"
#include "api/session_services.h"
#include "api/session_tape.h"
#include "api/session_work.h"
#include "api/training.h"

struct applying {
    struct oneshot o;
    struct session_work w;
    struct session *session;
    struct gradients g;
    struct training_state state;
    struct optimizer_step step;
    node_id *before;     /* what the values of the variables were bound to */
    struct held *values; /* of the variables that change, in memory of the session */
};

/* ---- the step as nodes ---- */

/* Inputs with these tensors. */
static node_id *bind(struct applying *a, const struct tensor *const *tensors, size_t n) {
    node_id *nodes = arena_alloc(&a->o.arena, (n + 1) * sizeof *nodes);
    if (!nodes) build_fail_memory(&a->o.b);
    for (size_t i = 0; nodes && i < n; i++)
        if (!oneshot_keep_late(&a->o, tensors[i], &nodes[i])) return NULL;
    return nodes;
}

static bool bind_gradients(struct applying *a) {
    struct optimizer_step *step = &a->step;
    const struct tensor **tensors = arena_alloc(&a->o.arena, (a->g.n + 1) * sizeof *tensors);
    uint32_t *of = arena_alloc(&a->o.arena, (a->g.n + 1) * sizeof *of);
    if (!tensors || !of) return build_fail_memory(&a->o.b);
    step->n_gradients = 0;
    for (size_t i = 0; i < a->g.n; i++) {
        const struct gradient_pair *pair = &a->g.pairs[i];
        if (!pair->gradient.data) continue;
        tensors[step->n_gradients] = &pair->gradient;
        of[step->n_gradients++] = pair->variable;
    }
    step->of = of;
    return (step->gradient = bind(a, tensors, step->n_gradients));
}

static bool bind_state(struct applying *a) {
    const struct training_state *state = &a->state;
    const size_t most = state->n > state->n_slots ? state->n : state->n_slots;
    const struct tensor **tensors = arena_alloc(&a->o.arena, (most + 1) * sizeof *tensors);
    a->before = arena_alloc(&a->o.arena, (state->n + 1) * sizeof *a->before);
    if (!tensors || !a->before) return build_fail_memory(&a->o.b);
    for (size_t i = 0; i < state->n; i++) tensors[i] = &state->items[i]->value.tensor;
    if (!(a->step.value = bind(a, tensors, state->n))) return false;
    memcpy(a->before, a->step.value, state->n * sizeof *a->before);
    for (size_t i = 0; i < state->n_slots; i++) tensors[i] = &state->values[i];
    return (a->step.slot = bind(a, tensors, state->n_slots));
}

static bool build(struct applying *a) {
    struct training_state *state = &a->state;
    if (!training_state(a->session, a->g.items, a->g.n_items, &a->o.arena, state, a->o.error))
        return false;
    a->step = (struct optimizer_step){.tape = &a->o.b.tape,
                                      .config = training_config(a->session->training),
                                      .matches = pattern_matches,
                                      .n = state->n,
                                      .variables = state->variables,
                                      .slots = state->slots,
                                      .n_slots = state->n_slots};
    return bind_state(a) && bind_gradients(a) && optimizer_apply(&a->step) &&
           oneshot_bind_numbers(&a->o, &a->step);
}

/* ---- what comes of it ---- */

static bool changes(const struct applying *a, size_t i) { return a->step.value[i] != a->before[i]; }

/* The variables that were given, each once, and what else has changed. `run` NULL: nothing has. */
static void write_answer(struct applying *a, const struct run *run, int64_t iterations,
                         struct writer *out) {
    const size_t n = run ? a->state.n : a->g.n_items;
    const char *separator = "";
    write_text(out, "{\"iterations\":");
    write_int(out, iterations);
    write_text(out, ",\"variables\":{");
    for (size_t i = 0; i < n; i++) {
        if (i >= a->g.n_items && !changes(a, i)) continue;
        const struct item *item = run ? a->state.items[i] : a->g.items[i];
        const struct tensor t = run ? run_result(run, i) : item->value.tensor;
        write_text(out, separator);
        write_string(out, item->name);
        write_text(out, ":");
        write_tensor(out, &t, a->o.request.tensor_format);
        separator = ",";
    }
    write_text(out, "}");
    if (a->o.warnings) oneshot_write_warnings(&a->o, out);
    write_text(out, "}");
}

static bool keep_values(struct applying *a, const struct run *run) {
    struct session *s = a->session;
    a->values = arena_zalloc(&a->o.arena, (a->state.n + 1) * sizeof *a->values);
    if (!a->values) return build_fail_memory(&a->o.b);
    for (size_t i = 0; i < a->state.n; i++) {
        if (!changes(a, i)) continue;
        const struct tensor t = run_result(run, i);
        held_copy(&s->account, &t, &a->values[i]);
        if (!a->values[i].owner) return session_fail_memory(s, a->o.error);
    }
    return true;
}

/* Neither of them can fail: */
static void commit(struct applying *a) {
    struct session *s = a->session;
    for (size_t i = 0; i < a->state.n; i++)
        if (changes(a, i)) session_set_held(s, a->state.items[i], a->values[i]);
    training_commit(s, &a->state);
    session_changed(a->o.call);
}

static void undo(struct applying *a) {
    for (size_t i = 0; a->values && i < a->state.n; i++) block_release(a->values[i].owner);
    training_undo(a->session, &a->state);
}

static void write_etag(const struct applying *a) {
    session_etag(a->session, training_version(a->session->training), a->o.call->reply->etag);
}

static bool finish(struct applying *a, const struct run *run, struct writer *out) {
    const struct training_state *state = &a->state;
    struct tensor *slots = arena_alloc(&a->o.arena, (state->n_slots + 1) * sizeof *slots);
    if (!slots) return build_fail_memory(&a->o.b);
    for (size_t i = 0; i < state->n_slots; i++) slots[i] = run_result(run, state->n + i);
    write_answer(a, run,
                 optimizer_state_iterations(a->step.config, state->slots, slots, state->n_slots),
                 out);
    if (!writer_whole(out, a->o.error) || !keep_values(a, run) ||
        !training_keep(a->session, &a->state, slots, a->o.error)) {
        undo(a);
        return false;
    }
    commit(a);
    write_etag(a);
    return true;
}

static bool run(struct applying *a, struct writer *out) {
    const size_t n = a->state.n, n_slots = a->state.n_slots;
    const struct tensor **bound;
    const node_id *inputs;
    size_t n_inputs;
    node_id *wanted = arena_alloc(&a->o.arena, (n + n_slots + 1) * sizeof *wanted);
    if (!wanted) return build_fail_memory(&a->o.b);
    memcpy(wanted, a->step.value, n * sizeof *wanted);
    memcpy(wanted + n, a->step.slot, n_slots * sizeof *wanted);
    struct plan *plan = oneshot_plan(&a->o, wanted, n + n_slots, &bound, &inputs, &n_inputs);
    if (!plan) return false;
    struct run *r = oneshot_run(&a->o, plan, bound);
    const bool done = r && finish(a, r, out);
    run_end(r);
    plan_release(plan);
    return done;
}

/* ---- the route ---- */

static bool check_precondition(const struct applying *a) {
    struct asked asked = {.call = a->o.call, .error = a->o.error};
    char etag[ETAG];
    session_etag(a->session, training_version(a->session->training), etag);
    return asked_precondition(&asked, etag, "optimizer of session", a->session->id);
}

static bool apply(struct applying *a, struct writer *out) {
    bool skips = false;
    if (!training_required(a->session, a->o.error) || !check_precondition(a) ||
        !gradients_read(&a->g, &a->o, a->session, &skips))
        return false;
    if (!skips) return build(a) && run(a, out);
    write_answer(a, NULL, training_iterations(a->session), out);
    write_etag(a);
    return writer_whole(out, a->o.error);
}

bool service_apply_gradients(const struct service_call *call, struct writer *out,
                             struct error *error) {
    struct applying a = {.session = call->session};
    const bool ok =
        session_begin(&a.o, &a.w, call, REQUEST_APPLY_GRADIENTS, error) && apply(&a, out);
    session_end(&a.o);
    return ok;
}
