/* The run of a request: who runs it, the session that it holds meanwhile, and the store, from whose
 * completion a change is answered. Knows no transport. */
#include <inttypes.h>

#include "api/functions.h"
#include "api/session.h"
#include "core/budget.h"
#include "core/plan.h"
#include "server/durable.h"
#include "server/exchange.h"
#include "server/keeper.h"
#include "server/log.h"
#include "server/stats.h"

/* A body that takes longer than this to look at is no network thread's business. */
enum { INLINE_BODY = 256 << 10 };

/* ---- what may be sent again ---- */

static bool encode_answer(const void *object, struct writer *out) {
    const struct exchange *x = object;
    idempotency_write(out, &x->again, &x->reply, &x->out);
    return !out->full;
}

static bool encode_mark(const void *object, struct writer *out) {
    const struct exchange *x = object;
    const struct service_reply mark = {.status = IDEMPOTENCY_MARK};
    idempotency_write(out, &x->again, &mark, &x->out);
    return !out->full;
}

static struct store_change answer_change(const struct exchange *x, store_encode encode) {
    return (struct store_change){.kind = STORE_ANSWER,
                                 .tenant = x->tenant->name,
                                 .id = x->again.key,
                                 .encode = encode,
                                 .object = x};
}

static void on_marked(void *context, const struct error *error) {
    struct exchange *x = context;
    if (error) x->error = *error;
    x->again.is_marked = !error;
}

/* What lives in memory alone cannot be taken back when there is no room to keep the answer. So a store that does not
 * endure, and is done at once, keeps beforehand that the request is to be run, and it is not run a second time. */
static bool mark(struct exchange *x) {
    struct store *store = x->engine->store;
    const struct store_change change = answer_change(x, encode_mark);
    if (!store->verbs->endures) store->verbs->save(store, &change, 1, on_marked, x);
    return !x->error.code;
}

static void on_unmarked(void *context, const struct error *error) { (void)context, (void)error; }

/* What has failed may be tried again. */
static void unmark(struct exchange *x) {
    struct store *store = x->engine->store;
    struct store_change change = answer_change(x, NULL);
    change.deleted = true;
    store->verbs->save(store, &change, 1, on_unmarked, NULL);
    x->again.is_marked = false;
}

/* The request is over: what it held is free, and then its answer may go. */
static void conclude(struct exchange *x) {
    struct registry *registry = x->tenant->registry;
    if (x->reply.created) registry_release(registry, x->reply.created, clock_coarse());
    if (x->seat) registry_release(registry, x->seat, clock_coarse());
    if (x->reply.function) function_release(x->reply.function);
    if (x->again.is_marked && x->error.code) unmark(x);
    idempotency_leave(&x->engine->idempotency, &x->again);
    x->wake(x, true);
}

static void drop_reply(struct exchange *x) {
    if (x->reply.operation) operation_release(x->reply.operation);
    x->reply = (struct service_reply){0};
}

/* ---- the store ---- */

static struct seat *changed_seat(const struct exchange *x) {
    return x->reply.created ? x->reply.created : x->seat;
}

static void on_stored(void *context, const struct error *error) {
    struct exchange *x = context;
    x->stored += clock_now();
    const struct service_change *change = &x->reply.change;
    if (x->again.is_marked && error) {
        if (change->kind == CHANGE_NONE) unmark(x); /* it may as well run again */
        error = NULL;                               /* and what is done is done */
    }
    if (change->kind == CHANGE_SESSION)
        durable_session_settle(x->engine, x->tenant, changed_seat(x), x->reply.created,
                               change->deleted, error != NULL);
    if (change->kind == CHANGE_FUNCTION)
        durable_function_settle(x->engine, x->tenant, change->id, error != NULL);
    if (change->kind == CHANGE_OPERATION)
        error = durable_operation_settle(x->tenant, x->reply.operation, x->reply.status == 202,
                                         change->deleted, error);
    if (error) {
        x->error = *error;
        writer_free(&x->out);
    }
    conclude(x);
}

/* Hands what has changed to the store, and with it the answer where that may be asked for again; the
 * exchange may be gone when this returns. False where there was nothing for it. Two that put one function
 * may come here in another order than they have put it, and a job may end while its beginning is saved. */
static bool commit(struct exchange *x) {
    const struct service_change *change = &x->reply.change;
    struct store *store = x->engine->store;
    struct tenant *t = x->tenant;
    struct store_change changes[2];
    struct function *f = NULL;
    size_t n = 0;
    const bool ok = !x->error.code, of_function = ok && change->kind == CHANGE_FUNCTION,
               of_operation = ok && change->kind == CHANGE_OPERATION;
    if (of_function || of_operation) pthread_mutex_lock(&t->saving);
    if (of_function) changes[n++] = durable_function_change(t, change->id, &f);
    if (ok && change->kind == CHANGE_SESSION)
        changes[n++] = durable_session_change(t, changed_seat(x), change->deleted);
    if (of_operation)
        changes[n++] = durable_operation_change(t, x->reply.operation, change->deleted);
    if (ok && x->again.is_new) changes[n++] = answer_change(x, encode_answer);
    if (n) x->stored -= clock_now();
    if (n)
        store->verbs->save(store, changes, n, on_stored, x);
    else
        conclude(x);
    if (of_function || of_operation) pthread_mutex_unlock(&t->saving);
    if (f) function_release(f);
    return n > 0;
}

/* Whether a request with a key is new, and to be run; else it has been answered. On a worker, as it may
 * ask a disk. */
static bool is_new(struct exchange *x) {
    struct store *store = x->engine->store;
    struct idempotent *again = &x->again;
    struct writer record;
    again->tenant = x->tenant->name;
    idempotency_digest(again, x->method_name, x->path, x->body.data, x->body.length);
    writer_init(&record, SIZE_MAX);
    writer_init(&x->out, SIZE_MAX);
    if (idempotency_enter(&x->engine->idempotency, again, &x->error)) {
        if (store->verbs->load(store, STORE_ANSWER, again->tenant, again->key, &record, &x->error))
            idempotency_read(&record, again, &x->reply, &x->out, &x->error);
        else
            again->is_new = x->error.code == ERROR_NOT_FOUND;
    }
    writer_free(&record);
    if (again->is_new) error_clear(&x->error);
    if (again->is_new && mark(x)) return true;
    conclude(x); /* The exchange may be another's now. */
    return false;
}

/* ---- the run ---- */

/* What a worker runs can be cancelled, and helpers share it; what a network thread runs stays small. */
static struct service_call make_call(struct exchange *x, const struct service_limits *limits,
                                     const atomic_bool *cancelled) {
    /* A query without pairs is a query still. */
    static const struct service_pair none[1];
    const struct engine *e = x->engine;
    const bool has_body = x->method & METHODS_WITH_BODY;
    const bool has_query = !has_body || x->route->flags & ROUTE_QUERY;
    return (struct service_call){
        .plans = e->plans,
        .known = e->known,
        .limits = limits,
        .control = {cancelled, x->deadline, cancelled ? e->pool : NULL},
        .seed = e->seed,
        .body = has_body ? x->body.data : NULL,
        .body_length = x->body.length,
        .query = !has_query   ? NULL
                 : x->n_query ? x->query
                              : none,
        .n_query = x->n_query,
        .places = x->place,
        .puts = x->method == METHOD_PUT,
        .media = x->media,
        /* A run that is followed may go on when the transport's texts are gone. */
        .if_match = x->log ? NULL : x->if_match,
        .if_none_match = x->log ? NULL : x->if_none_match,
        .last_event_id = x->log ? NULL : x->last_event_id,
        .progress = x->log ? &x->log->progress : NULL,
        .seat = x->seat,
        .session = x->seat ? seat_session(x->seat) : NULL,
        .registry = x->tenant->registry,
        .functions = x->tenant->functions,
        .operations = x->tenant->operations,
        .has_waited = x->has_waited,
        .server = e,
        .is_timed = e->tells_times || log_tells_requests(),
        .reply = &x->reply,
    };
}

/* A new session has no more than the tenant's quota of bytes leaves. */
static const struct service_limits *bound(const struct exchange *x,
                                          const struct service_limits *limits,
                                          struct service_limits *own) {
    const int64_t room = registry_room(x->tenant->registry);
    if (room >= limits->max_session_bytes) return limits;
    *own = *limits;
    own->max_session_bytes = room > 0 ? room : 0;
    return own;
}

/* Whether it was the quota that a session had no room for, and not the session's own limit. */
static bool is_quota(const struct exchange *x, const struct service_limits *limits) {
    const int64_t has = x->seat ? (int64_t)session_bytes(seat_session(x->seat)) : 0;
    return x->error.code == ERROR_SESSION_MEMORY &&
           registry_room(x->tenant->registry) < limits->max_session_bytes - has;
}

static void fail_quota(struct exchange *x) {
    const struct registry *r = x->tenant->registry;
    const int64_t bytes = registry_bytes(r), quota = bytes + registry_room(r);
    error_clear(&x->error);
    error_set(&x->error, ERROR_QUOTA_EXCEEDED,
              "the tenant's sessions hold %" PRId64 " bytes, and its quota is %" PRId64
              "; this needs more",
              bytes, quota);
}

static bool run(struct exchange *x, const struct service_limits *given,
                const atomic_bool *cancelled) {
    struct service_limits own, shorter;
    const struct service_limits *limits =
        x->route->kind == ROUTE_STATE ? bound(x, given, &own) : given;
    if (x->again.is_new && limits->max_answer_bytes > IDEMPOTENCY_ANSWER) {
        shorter = *limits;
        shorter.max_answer_bytes = IDEMPOTENCY_ANSWER;
        limits = &shorter;
    }
    const struct service_call call = make_call(x, limits, cancelled);
    writer_init(&x->out, (size_t)limits->max_answer_bytes);
    budget_begin(body_taken(&x->body));
    bool ok = x->route->serve(&call, &x->out, &x->error);
    if (ok && x->reply.change.kind == CHANGE_NONE) ok = writer_whole(&x->out, &x->error);
    if (!ok && !x->error.code) error_set(&x->error, ERROR_MEMORY_BUDGET, "out of memory");
    budget_end(&x->error);
    if (!ok && is_quota(x, given)) fail_quota(x);
    if (ok)
        writer_pass_on(&x->out);
    else
        writer_free(&x->out);
    return ok;
}

/* Under the small limits, or without any run. False where that was not enough. */
static bool run_inline(struct exchange *x) {
    if (x->route->kind == ROUTE_LIVE) return run(x, &x->engine->limits, NULL), true;
    if (x->body.length > INLINE_BODY) return false;
    if (run(x, &x->engine->small, NULL) || !error_is_limit(x->error.code)) return true;
    error_clear(&x->error);
    drop_reply(x);
    return false;
}

/* ---- waiting ---- */

/* An operation changes the session that it has claimed, and nobody else does. */
static bool check_claim(struct exchange *x) {
    char id[REGISTRY_ID + 1];
    if (x->method & (METHOD_GET | METHOD_HEAD) ||
        !registry_claimed(x->tenant->registry, x->seat, id))
        return true;
    return error_set(
        &x->error, ERROR_IN_PROGRESS,
        "operations/%s works on the session \"%.80s\", which takes no changes until that "
        "is done or cancelled",
        id, x->place[0]);
}

/* The waiting for the session is over. */
static void on_turn(struct waiter *w, struct seat *seat, const struct error *error) {
    struct exchange *x = (struct exchange *)(void *)((char *)w - offsetof(struct exchange, waiter));
    x->seat = seat;
    x->queued = clock_now() - x->started;
    if (!seat)
        x->error = *error;
    else if (check_claim(x)) {
        x->wake(x, false);
        return;
    }
    conclude(x);
}

/* Takes the session that the path names. False where that is not to be, or only later: then the
 * exchange goes on in on_turn, or has gone on there already. */
static bool take_session(struct exchange *x) {
    const bool draining = atomic_load_explicit(&x->engine->draining, memory_order_relaxed);
    x->waiter = (struct waiter){.done = on_turn, .left = x->left, .deadline = x->deadline};
    switch (registry_acquire(x->tenant->registry, x->place[0], draining ? NULL : &x->waiter,
                             clock_coarse(), &x->seat, &x->error)) {
    case REGISTRY_HELD:
        if (check_claim(x)) return true;
        conclude(x);
        return false;
    case REGISTRY_REFUSED:
        conclude(x);
        return false;
    case REGISTRY_WAITS:
        break;
    }
    return false;
}

/* The waiting for an operation is over: the service is asked again. */
static void on_operation(struct operation_waiter *w) {
    struct exchange *x =
        (struct exchange *)(void *)((char *)w - offsetof(struct exchange, operation_waiter));
    x->has_waited = true;
    drop_reply(x);
    writer_free(&x->out);
    if (run_inline(x))
        commit(x);
    else
        x->wake(x, false);
}

/* Behind a run: its answer is on its way, or the exchange waits for an operation. */
static enum exchange_next go_on(struct exchange *x) {
    if (x->error.code || !x->reply.waits) return commit(x) ? EXCHANGE_SAVES : EXCHANGE_WAITS;
    x->operation_waiter = (struct operation_waiter){
        .over = on_operation, .left = x->left, .deadline = x->reply.until};
    if (!operations_wait(x->tenant->operations, x->reply.operation, &x->operation_waiter))
        on_operation(&x->operation_waiter);
    return EXCHANGE_WAITS;
}

/* Whatever the request is. */
static bool wants_worker(const struct exchange *x) {
    const bool reads = x->method & (METHOD_GET | METHOD_HEAD);
    return x->log || durable_is_cold(x->seat) || (!reads && durable_is_heavy(x->engine, x->seat));
}

enum exchange_next exchange_run(struct exchange *x) {
    const bool runs =
        !x->error.code && x->method != METHOD_OPTIONS && x->route->kind != ROUTE_CONSTANT;
    if (x->log) exchange_set_id(x);
    if (runs && x->again.key) return EXCHANGE_WORKS;
    if (runs && x->route->flags & ROUTE_SESSION && !take_session(x)) return EXCHANGE_WAITS;
    if (runs && (wants_worker(x) || !run_inline(x))) return EXCHANGE_WORKS;
    stats_add(STAT_INLINE, 1);
    return go_on(x);
}

void exchange_work(struct exchange *x) {
    const bool comes = x->again.key && !x->again.is_new;
    if (comes && !is_new(x)) return;
    if (comes && x->route->flags & ROUTE_SESSION && !take_session(x)) return;
    if (atomic_load_explicit(x->left, memory_order_relaxed))
        error_set(&x->error, ERROR_CANCELLED, "the client left before its turn came");
    else if (!durable_is_cold(x->seat) || durable_load(x->engine, x->tenant, x->seat, &x->error))
        run(x, &x->engine->limits, x->left);
    go_on(x);
}

void exchange_fail(struct exchange *x, enum error_code code, const char *sentence) {
    error_set(&x->error, code, "%s", sentence);
    conclude(x);
}
