/* Jobs as requests, and what is asked of operations. Decodes and answers; the table (operations.c) does
 * the rest. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/functions.h"
#include "api/operations.h"
#include "api/place.h"
#include "api/session_io.h"
#include "core/budget.h"
#include "core/op.h"

enum { WAIT_MOST = 600, CANCEL_SECONDS = 10 };

/* ---- jobs ---- */

static const struct {
    const char *name;
    service_function serve;
    bool of_session;
} methods[] = {
    {"minimize", service_minimize, true},  {"least_squares", service_least_squares, true},
    {"evaluate", service_evaluate, false}, {"gradient", service_gradient, false},
    {"jacobian", service_jacobian, false}, {"hessian", service_hessian, false},
    {"jvp", service_jvp, false},           {"vjp", service_vjp, false},
    {"hvp", service_hvp, false},           {"check", service_check, false},
};

enum { METHODS = sizeof methods / sizeof *methods };

const char *operation_method(const char *name) {
    for (size_t i = 0; i < METHODS; i++)
        if (strcmp(methods[i].name, name) == 0) return methods[i].name;
    return NULL;
}

/* What a request has changed of an operation. */
static void changed(struct asked *a, const struct operation *op, bool deleted) {
    struct service_change *change = &a->call->reply->change;
    *change = (struct service_change){.kind = CHANGE_OPERATION, .deleted = deleted};
    strcpy(change->id, op->id);
}

static bool read_method(struct asked *a, const struct json *v, struct operation *op) {
    const char *names[METHODS];
    size_t n = 0;
    if (!v) return error_set(a->error, ERROR_INVALID_REQUEST, "member \"method\" is missing");
    if (json_type(v) != JSON_STRING) return asked_fail_type(a, v, "a string");
    for (size_t i = 0; i < METHODS; i++) {
        if (a->session && !methods[i].of_session) continue;
        names[n++] = methods[i].name;
        if (strcmp(json_string(v), methods[i].name) != 0) continue;
        op->method = methods[i].name;
        op->serve = methods[i].serve;
        return true;
    }
    char list[128] = "";
    for (size_t i = 0, at = 0; i < n; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    const char *near = name_nearest(json_string(v), names, n);
    error_set(a->error, ERROR_INVALID_VALUE, "unknown method \"%.40s\"; %s%s%sxpected: %s",
              json_string(v), near ? "did you mean \"" : "", near ? near : "", near ? "\"? E" : "e",
              list);
    return error_under(a->error, "method");
}

static bool read_function(struct asked *a, const struct json *v, struct operation *op) {
    if (!v) return true;
    if (json_type(v) != JSON_STRING) return asked_fail_type(a, v, "a string");
    op->function = functions_find(a->call->functions, json_string(v), a->error);
    return op->function || error_under(a->error, "function");
}

/* The body is read from a copy, which lives as long as the job. */
static bool read_job(struct asked *a, struct operation *op) {
    static const char *const names[] = {"method", "request", "function"};
    const struct service_call *call = a->call;
    struct json *root;
    arena_init(&op->arena, (size_t)call->limits->max_request_bytes);
    if (!budget_take(BUDGET_BODIES, call->body_length + 1)) return asked_fail_memory(a);
    op->body = malloc(call->body_length + 1);
    if (!op->body) {
        budget_give(BUDGET_BODIES, call->body_length + 1);
        return asked_fail_memory(a);
    }
    memcpy(op->body, call->body, call->body_length);
    op->body_length = call->body_length;
    if (!json_parse(&op->arena, op->body, op->body_length, (int)call->limits->max_json_depth, &root,
                    a->error) ||
        !asked_object(a, root, names, a->session ? 2 : 3) ||
        !read_method(a, json_member(root, "method"), op) ||
        !read_function(a, json_member(root, "function"), op))
        return false;
    op->request = json_member(root, "request");
    if (!op->request)
        return error_set(a->error, ERROR_INVALID_REQUEST, "member \"request\" is missing");
    return json_type(op->request) == JSON_OBJECT || asked_fail_type(a, op->request, "an object");
}

/* The session as it is now, on the tenant's quota as well; nothing but the job will change it. */
static bool take_snapshot(struct asked *a, struct operation *op) {
    const struct session *s = a->session;
    if (!s) return true;
    if (!asked_within(a)) return false;
    op->snapshot = session_copy(s, s->id, (size_t)a->call->limits->max_session_bytes);
    if (!op->snapshot) return session_fail_memory(s, a->error);
    op->snapshot->created_at = s->created_at;
    strcpy(op->session, s->id);
    return registry_pay(a->call->registry, op->snapshot, a->error);
}

/* The last thing that can fail is the table's having room. */
static bool start_job(struct asked *a, struct operation *op) {
    const struct service_call *call = a->call;
    struct service_reply *reply = call->reply;
    operation_write(a->out, op, true);
    if (!asked_written(a)) return false;
    if (call->seat) {
        registry_claim(call->seat, op->id);
        op->seat = call->seat;
    }
    if (!operations_add(call->operations, op, a->error)) {
        if (op->seat) registry_unclaim(call->registry, op->seat, clock_now());
        return false;
    }
    reply->status = 202;
    reply->operation = op;
    changed(a, op, false);
    snprintf(reply->location, sizeof reply->location, "/v1/operations/%s", op->id);
    return true;
}

bool service_job(const struct service_call *call, struct writer *out, struct error *error) {
    static const struct takes takes = {0};
    struct service_call headless = *call;
    struct asked a;
    headless.body = NULL; /* It is parsed into the operation. */
    struct operation *op = operation_new(error);
    bool ok = asked_begin(&a, &headless, &takes, out, error);
    a.call = call;
    ok = ok && op && read_job(&a, op) && take_snapshot(&a, op) && start_job(&a, op);
    if (!ok && op) operation_release(op);
    asked_end(&a);
    return ok;
}

/* ---- operations ---- */

static struct operation *find(struct asked *a) {
    return operations_find(a->call->operations, a->call->places[0], a->error);
}

/* There is no answer yet, and will be when the operation is done, or in so many seconds. */
static bool wait_for(struct asked *a, struct operation *op, uint64_t seconds) {
    struct service_reply *reply = a->call->reply;
    reply->waits = true;
    reply->until = clock_now() + (int64_t)seconds * 1000000000;
    reply->operation = op;
    return true;
}

static bool show(struct asked *a) {
    uint64_t seconds;
    if (!asked_number(a, "wait", 0, WAIT_MOST, 0, &seconds)) return false;
    struct operation *op = find(a);
    if (!op) return false;
    if (seconds && !a->call->has_waited && operation_state(op) != OPERATION_DONE)
        return wait_for(a, op, seconds);
    operation_write(a->out, op, true);
    a->call->reply->operation = op;
    return asked_written(a);
}

bool service_operation_get(const struct service_call *call, struct writer *out,
                           struct error *error) {
    static const struct takes takes = {.parameters = {"wait"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && show(&a);
    asked_end(&a);
    return ok;
}

/* One that is done goes; one that is not is cancelled, and shown when it has ended: at once where it had not
 * begun, for which there is room before. */
static bool cancel(struct asked *a) {
    enum { CANCELLED_ROOM = 2 << 10 };
    const struct service_call *call = a->call;
    struct operation *op = find(a);
    if (!op) return false;
    call->reply->operation = op;
    if (!call->has_waited && operation_state(op) == OPERATION_DONE) {
        /* It goes when the store has let it go. */
        call->reply->status = 204;
        changed(a, op, true);
        return true;
    }
    if (!writer_room(a->out, CANCELLED_ROOM)) return asked_written(a);
    operations_cancel(call->operations, op);
    if (!call->has_waited && operation_state(op) != OPERATION_DONE)
        return wait_for(a, op, CANCEL_SECONDS);
    operation_write(a->out, op, true);
    if (!asked_written(a)) return false;
    changed(a, op, false);
    return true;
}

bool service_operation_delete(const struct service_call *call, struct writer *out,
                              struct error *error) {
    static const struct takes takes = {0};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && cancel(&a);
    asked_end(&a);
    return ok;
}

/* ---- events ---- */

static bool fail_event(struct asked *a, const char *id, uint64_t n) {
    return error_set(
        a->error, ERROR_INVALID_VALUE,
        "Last-Event-ID is \"%.40s\", expected the number of an event that was sent, at "
        "most %" PRIu64,
        id, n);
}

static bool follow(struct asked *a) {
    const char *id = a->call->last_event_id;
    struct service_reply *reply = a->call->reply;
    struct operation *op = find(a);
    bool ended;
    char *end = NULL;
    if (!op) return false;
    reply->operation = op;
    const uint64_t n = event_log_count(&op->log, &ended);
    if (id && *id) {
        reply->seen = *id >= '0' && *id <= '9' ? strtoull(id, &end, 10) : 0;
        if (!end || *end || reply->seen > n) return fail_event(a, id, n);
    }
    /* Whoever has seen the end need not come back: this is what stops an EventSource. */
    if (ended && reply->seen == n)
        reply->status = 204;
    else
        reply->streams = true;
    return true;
}

bool service_operation_events(const struct service_call *call, struct writer *out,
                              struct error *error) {
    static const struct takes takes = {0};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && follow(&a);
    asked_end(&a);
    return ok;
}

/* ---- the list ---- */

static bool list(struct asked *a) {
    struct operations_page page = {.session = asked_parameter(a, "session")};
    uint64_t limit;
    if (!asked_number(a, "limit", 1, 1000, 100, &limit) ||
        !asked_number(a, "after", 0, UINT64_MAX, 0, &page.after))
        return false;
    page.most = (size_t)limit;
    page.list = arena_alloc(&a->arena, page.most * sizeof *page.list);
    if (!page.list) return asked_fail_memory(a);
    operations_list(a->call->operations, &page);
    char next[32] = "null";
    if (page.more) snprintf(next, sizeof next, "\"%" PRIu64 "\"", page.list[page.n - 1]->order);
    write_text(a->out, "{\"operations\":[");
    for (size_t i = 0; i < page.n; i++) {
        if (i) write_text(a->out, ",");
        operation_write(a->out, page.list[i], false);
        operation_release(page.list[i]);
    }
    write_text(a->out, "],\"next\":");
    write_text(a->out, next);
    write_text(a->out, "}");
    return asked_written(a);
}

bool service_operations_list(const struct service_call *call, struct writer *out,
                             struct error *error) {
    static const struct takes takes = {.parameters = {"session", "limit", "after"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && list(&a);
    asked_end(&a);
    return ok;
}
