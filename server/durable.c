/* Sessions, functions and operations in the store: brought back at the start or when they are asked for, and made
 * again what the store has where it could not take a change. */
#include "server/durable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/operation_keep.h"
#include "api/session.h"
#include "api/session_io.h"
#include "api/session_services.h"
#include "core/budget.h"
#include "server/keeper.h"
#include "server/log.h"

/* Nobody has used it for so long; and where memory is short. */
static const int64_t unused = INT64_C(3600) * 1000000000, unused_soon = INT64_C(1) * 1000000000;

enum { HEAVY_BYTES = 256 << 10 };

static bool endures(const struct engine *e) { return e->store->verbs->endures; }

static struct service_call call_of(const struct engine *e, const struct tenant *t,
                                   const struct writer *bytes) {
    return (struct service_call){.plans = e->plans,
                                 .known = e->known,
                                 .limits = &e->limits,
                                 .seed = e->seed,
                                 .body = bytes->data,
                                 .body_length = bytes->length,
                                 .registry = t->registry,
                                 .functions = t->functions};
}

/* What is in the store is right: where it cannot be read, that is no fault of who asks. */
static bool fail(struct error *error, enum store_kind kind, const char *id) {
    struct error why = *error;
    if (why.code == ERROR_MEMORY_BUDGET || why.code == ERROR_STORE_FAILED) return false;
    error_clear(error);
    return error_set(error, ERROR_STORE_FAILED,
                     "the %s \"%.80s\" cannot be read from the store: %s", store_kind_names[kind],
                     id, why.code ? why.detail : "it is damaged");
}

/* ---- sessions ---- */

bool durable_is_cold(const struct seat *seat) { return seat && !seat_session(seat); }

bool durable_is_heavy(const struct engine *e, const struct seat *seat) {
    const struct session *s = seat && endures(e) ? seat_session(seat) : NULL;
    return s && !s->kept.any && session_bytes(s) > HEAVY_BYTES;
}

bool durable_load(const struct engine *e, struct tenant *t, struct seat *seat,
                  struct error *error) {
    struct writer bytes;
    struct session *s = NULL;
    writer_init(&bytes, SIZE_MAX);
    if (e->store->verbs->load(e->store, STORE_SESSION, t->name, seat_id(seat), &bytes, error)) {
        const struct service_call call = call_of(e, t, &bytes);
        s = session_decode(&call, error);
    }
    writer_free(&bytes);
    if (!s) return fail(error, STORE_SESSION, seat_id(seat));
    registry_warm(t->registry, seat, s);
    return true;
}

struct store_change durable_session_change(const struct tenant *t, const struct seat *seat,
                                           bool deleted) {
    return (struct store_change){.kind = STORE_SESSION,
                                 .deleted = deleted,
                                 .tenant = t->name,
                                 .id = seat_id(seat),
                                 .encode_parts = session_encode_parts,
                                 .summarize = session_summarize,
                                 .object = seat_session(seat)};
}

void durable_session_settle(const struct engine *e, struct tenant *t, struct seat *seat,
                            bool created, bool deleted, bool failed) {
    if (failed && !endures(e)) return;
    if (failed ? created : deleted)
        registry_remove(t->registry, seat);
    else if (failed)
        registry_drop(t->registry, seat);
}

void durable_cool(struct engine *e) {
    if (!endures(e)) return;
    const int64_t most = budget_limit() / 4, now = clock_coarse();
    const bool is_short = engine_sessions(e).bytes > most;
    for (struct tenant *t = e->tenant; t; t = t->next)
        registry_cool(t->registry, now, is_short ? unused_soon : unused);
}

/* ---- functions ---- */

struct store_change durable_function_change(const struct tenant *t, const char *name,
                                            struct function **f) {
    struct error none;
    error_clear(&none);
    *f = functions_find(t->functions, name, &none);
    return (struct store_change){.kind = STORE_FUNCTION,
                                 .deleted = !*f,
                                 .tenant = t->name,
                                 .id = name,
                                 .encode = function_encode,
                                 .object = *f};
}

static bool allow(void *context, const struct function *there, struct error *error) {
    (void)context, (void)there, (void)error;
    return true;
}

/* The function as the store has it. */
static bool load_function(const struct engine *e, struct tenant *t, const char *name,
                          struct error *error) {
    struct writer bytes;
    struct function *f = NULL;
    bool replaced;
    writer_init(&bytes, SIZE_MAX);
    if (e->store->verbs->load(e->store, STORE_FUNCTION, t->name, name, &bytes, error)) {
        const struct service_call call = call_of(e, t, &bytes);
        f = function_decode(&call, error);
    }
    writer_free(&bytes);
    const bool ok = f && functions_put(t->functions, f, allow, NULL, &replaced, error);
    if (f && !ok) function_release(f);
    return ok;
}

void durable_function_settle(const struct engine *e, struct tenant *t, const char *name,
                             bool failed) {
    struct error error;
    if (!failed || !endures(e)) return;
    error_clear(&error);
    if (!load_function(e, t, name, &error) && error.code == ERROR_NOT_FOUND)
        functions_remove(t->functions, name, allow, NULL, &error);
}

/* ---- operations ---- */

struct store_change durable_operation_change(const struct tenant *t, const struct operation *op,
                                             bool deleted) {
    return (struct store_change){.kind = STORE_OPERATION,
                                 .deleted = deleted,
                                 .tenant = t->name,
                                 .id = op->id,
                                 .encode = operation_encode,
                                 .object = op};
}

void durable_not_kept(const struct operation *op, const struct error *error) {
    log_event(LOG_ERROR, "operation_not_kept", "id=%s code=%s", op->id, error_name(error->code));
}

const struct error *durable_operation_settle(struct tenant *t, struct operation *op, bool begun,
                                             bool deleted, const struct error *error) {
    /* A job that is not kept is not begun either, and nobody has been told of it. */
    if (begun && error) operations_cancel(t->operations, op);
    if (begun ? error != NULL : deleted && !error) operations_remove(t->operations, op);
    if (begun || deleted || !error) return error;
    durable_not_kept(op, error);
    return NULL;
}

static void on_ended(void *context, const struct error *error) {
    struct operation *op = context;
    (void)error; /* It will have been interrupted. */
    operations_finish(op->all, op);
    operation_release(op);
}

void durable_end_operation(const struct engine *e, const struct tenant *t, struct operation *op) {
    const struct store_change change = durable_operation_change(t, op, false);
    e->store->verbs->save(e->store, &change, 1, on_ended, op);
}

static void on_interrupted(void *context, const struct error *error) {
    (void)error; /* It is found interrupted the next time too. */
    operation_release(context);
}

/* An operation of the store, done as it was, or interrupted. */
static bool load_operation(const struct engine *e, struct tenant *t, const char *id,
                           struct error *error) {
    struct writer bytes;
    struct operation *op = NULL;
    bool was_interrupted = false;
    writer_init(&bytes, SIZE_MAX);
    if (e->store->verbs->load(e->store, STORE_OPERATION, t->name, id, &bytes, error))
        op = operation_decode(&bytes, &was_interrupted, error);
    writer_free(&bytes);
    if (!op) return false;
    operations_restore(t->operations, op, clock_now(), wall_clock());
    const struct store_change change = durable_operation_change(t, op, false);
    if (was_interrupted)
        e->store->verbs->save(e->store, &change, 1, on_interrupted, op);
    else
        operation_release(op);
    return true;
}

/* ---- the start ---- */

/* What is being brought back. */
struct opening {
    struct engine *engine;
    struct tenant *tenant; /* of the latest row */
    char *names;           /* of what is to be loaded: tenant, name, each with its end */
    size_t n, capacity;
    char *problem;
    size_t size;
};

/* Of a tenant that no token names any more there is all, and nobody can reach it. */
static bool find_tenant(struct opening *o, const char *name) {
#define QUOTA_IS_NONE(name, meaning) .name = QUOTA_NONE,
    static const struct quotas none = {QUOTAS(QUOTA_IS_NONE)};
#undef QUOTA_IS_NONE
    struct tenant *t =
        o->tenant && strcmp(o->tenant->name, name) == 0 ? o->tenant : o->engine->tenant;
    while (t && strcmp(t->name, name) != 0) t = t->next;
    if (!t) t = engine_tenant(o->engine, name, &none, o->problem, o->size);
    o->tenant = t;
    return t;
}

static bool on_session(void *context, const struct store_row *row) {
    struct opening *o = context;
    struct registry_row r = {.id = row->id};
    if (!find_tenant(o, row->tenant)) return false;
    if (!session_read_summary(row->summary, row->n_summary, &r)) {
        snprintf(o->problem, o->size,
                 "the store is damaged: it says nothing of the session \"%.80s\"", row->id);
        return false;
    }
    if (registry_add_cold(o->tenant->registry, &r, clock_coarse())) return true;
    snprintf(o->problem, o->size, "no memory for the sessions of the store");
    return false;
}

/* The store is not asked for one thing while it lists. */
static bool on_name(void *context, const struct store_row *row) {
    struct opening *o = context;
    const size_t n = strlen(row->tenant) + 1, m = strlen(row->id) + 1;
    if (o->n + n + m > o->capacity) {
        const size_t capacity = 2 * o->capacity + n + m + 1024;
        char *names = realloc(o->names, capacity);
        if (!names) {
            snprintf(o->problem, o->size, "no memory for the names of the store");
            return false;
        }
        o->names = names;
        o->capacity = capacity;
    }
    memcpy(o->names + o->n, row->tenant, n);
    memcpy(o->names + o->n + n, row->id, m);
    o->n += n + m;
    return true;
}

typedef bool (*load_one)(const struct engine *e, struct tenant *t, const char *name,
                         struct error *error);

static bool load_listed(struct opening *o, enum store_kind kind, load_one load) {
    struct error error;
    for (const char *at = o->names, *end = o->names + o->n; o->n && at < end;) {
        const char *tenant = at, *name = at + strlen(at) + 1;
        at = name + strlen(name) + 1;
        error_clear(&error);
        if (!find_tenant(o, tenant)) return false;
        if (load(o->engine, o->tenant, name, &error)) continue;
        snprintf(o->problem, o->size, "the %s \"%.80s\" cannot be read from the store: %s",
                 store_kind_names[kind], name, error.code ? error.detail : "it is damaged");
        return false;
    }
    o->n = 0;
    return true;
}

static bool list(struct opening *o, enum store_kind kind, store_each each) {
    struct store *store = o->engine->store;
    struct error error;
    error_clear(&error);
    if (store->verbs->list(store, kind, each, o, &error)) return !o->problem[0];
    snprintf(o->problem, o->size, "%s", error.detail);
    return false;
}

bool durable_open(struct engine *e, const char *directory, char *problem, size_t size) {
    struct store *store = store_sqlite.open(directory, problem, size);
    if (!store) return false;
    e->store->verbs->close(e->store);
    e->store = store;
    e->directory = directory;
    struct opening o = {.engine = e, .problem = problem, .size = size};
    problem[0] = '\0';
    const bool ok = list(&o, STORE_SESSION, on_session) && list(&o, STORE_FUNCTION, on_name) &&
                    load_listed(&o, STORE_FUNCTION, load_function) &&
                    list(&o, STORE_OPERATION, on_name) &&
                    load_listed(&o, STORE_OPERATION, load_operation);
    free(o.names);
    return ok;
}
