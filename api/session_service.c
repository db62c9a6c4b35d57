/* Sessions as a whole: made, shown, changed, deleted, cloned, exported and imported. */
#include "api/session_services.h"

#include <stdio.h>
#include <string.h>

#include "api/place.h"
#include "api/registry.h"
#include "api/session_io.h"
#include "api/session_make.h"
#include "api/training.h"
#include "core/plan.h"

/* ---- making ---- */

static void write_session(struct asked *a, const struct session *s) {
    write_text(a->out, "{");
    session_write(a->out, s, a->format);
    if (a->ignored_decay) training_write_warning(a->out, "/optimizer", a->ignored_decay);
    write_text(a->out, "}");
}

/* Writes the answer of a new session and puts it into the registry, whose it is then. */
static bool register_new(struct asked *a, struct session *s) {
    struct service_reply *reply = a->call->reply;
    write_session(a, s);
    if (!asked_written(a)) return false;
    reply->created = registry_add(a->call->registry, s, clock_now(), a->error);
    if (!reply->created) return false;
    reply->status = 201;
    snprintf(reply->location, sizeof reply->location, "/v1/sessions/%s", s->id);
    session_etag(s, s->changes, reply->etag);
    reply_changed(a->call, s, false);
    return true;
}

/* `id` NULL: a random one. */
static bool create(struct asked *a, const char *id) {
    char random[REGISTRY_ID + 1];
    if (!id && !registry_new_id(random, a->error)) return false;
    struct session *s = session_make(a, id ? id : random);
    if (!s) return false;
    s->created_at = wall_clock();
    if (register_new(a, s)) return true;
    session_free(s);
    return false;
}

bool service_sessions_create(const struct service_call *call, struct writer *out,
                             struct error *error) {
    static const struct takes takes = {.members = {"variables", "constants", "optimizer", "dtype",
                                                   "ttl_seconds", "labels", "format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && create(&a, NULL);
    asked_end(&a);
    return ok;
}

bool service_sessions_import(const struct service_call *call, struct writer *out,
                             struct error *error) {
    static const struct takes takes = {.members = {"variables", "constants", "tensors", "tapes",
                                                   "optimizer", "dtype", "ttl_seconds", "labels",
                                                   "format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && create(&a, NULL);
    asked_end(&a);
    return ok;
}

static bool check_id(struct asked *a, const char *id) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t n = strspn(id, plain);
    if (n == 0 || n > SESSION_ID || id[n])
        return error_set(a->error, ERROR_INVALID_VALUE,
                         "\"%.80s\" is no id of a session; ids are 1 to %d of A-Z a-z 0-9 . _ -",
                         id, SESSION_ID);
    return !a->call->if_match ||
           error_set(a->error, ERROR_PRECONDITION_FAILED,
                     "PUT makes a new session, and If-Match wants one that is there");
}

bool service_session_put(const struct service_call *call, struct writer *out, struct error *error) {
    static const struct takes takes = {.members = {"variables", "constants", "optimizer", "dtype",
                                                   "ttl_seconds", "labels", "format"},
                                       .optional = true};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && check_id(&a, call->places[0]) &&
                    create(&a, call->places[0]);
    asked_end(&a);
    return ok;
}

/* All of it again under a new id, tapes included. */
static bool clone(struct asked *a) {
    char id[REGISTRY_ID + 1];
    if (!asked_within(a) || !registry_new_id(id, a->error)) return false;
    const size_t limit = (size_t)a->call->limits->max_session_bytes;
    struct session *s = session_copy(a->session, id, limit);
    if (!s) return session_fail_memory(a->session, a->error);
    s->created_at = wall_clock();
    if (register_new(a, s)) return true;
    session_free(s);
    return false;
}

bool service_session_clone(const struct service_call *call, struct writer *out,
                           struct error *error) {
    static const struct takes takes = {.members = {"format"}, .optional = true};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && clone(&a);
    asked_end(&a);
    return ok;
}

/* ---- showing ---- */

static bool show(struct asked *a) {
    if (!asked_within(a)) return false;
    write_session(a, a->session);
    session_etag(a->session, a->session->changes, a->call->reply->etag);
    return asked_written(a);
}

bool service_session_get(const struct service_call *call, struct writer *out, struct error *error) {
    static const struct takes takes = {.parameters = {"format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && show(&a);
    asked_end(&a);
    return ok;
}

static bool export(struct asked *a) {
    if (!asked_within(a)) return false;
    write_text(a->out, "{");
    session_write_export(a->out, a->session);
    write_text(a->out, "}");
    return asked_written(a);
}

bool service_session_export(const struct service_call *call, struct writer *out,
                            struct error *error) {
    static const struct takes takes = {0};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && export(&a);
    asked_end(&a);
    return ok;
}

/* ---- changing ---- */

static bool read_constants(struct asked *a, struct item_change **changes, size_t *n) {
    const struct json *object = asked_member(a, "constants");
    *n = 0;
    if (object && json_type(object) != JSON_OBJECT) return asked_fail_type(a, object, "an object");
    *changes = arena_alloc(&a->arena, (object ? json_length(object) + 1 : 1) * sizeof **changes);
    if (!*changes) return asked_fail_memory(a);
    for (const struct json *v = object ? json_first(object) : NULL; v; v = json_next(v)) {
        struct item_change *c = &(*changes)[(*n)++];
        const char *name = json_key(v);
        if (json_type(v) == JSON_NULL) {
            *c = (struct item_change){
                .name = name, .length = strlen(name), .kind = ITEM_CONSTANT, .removes = true};
        } else if (!item_change_read(a, v, name, ITEM_CONSTANT, c)) {
            error_under(a->error, name);
            return error_under(a->error, "constants");
        }
    }
    return true;
}

/* The answer is written behind the change, which it shows, and so must not fail. It is longer than one written
 * before by what is new in it, which is in the request. */
static bool try_answer(struct asked *a) {
    enum { NUMBERS_AND_ONE_LABEL = 4 << 10 };
    write_session(a, a->session);
    if (!asked_written(a)) return false;
    a->out->ceiling = SIZE_MAX;
    if (!writer_room(a->out, a->call->body_length + NUMBERS_AND_ONE_LABEL)) return asked_written(a);
    writer_clear(a->out);
    return true;
}

static bool patch(struct asked *a) {
    struct session *s = a->session;
    const struct json *labels = asked_member(a, "labels"), *ttl = asked_member(a, "ttl_seconds");
    struct item_change *changes = NULL;
    size_t n = 0;
    double seconds = 0;
    char etag[ETAG];
    session_etag(s, s->changes, etag);
    if (!asked_precondition(a, etag, "session", s->id) || !labels_check(a, labels) ||
        !ttl_read(a, ttl, &seconds) || !read_constants(a, &changes, &n) || !try_answer(a))
        return false;
    if (!items_prepare(s, changes, n, a->error)) return error_under(a->error, "constants");
    if (!labels_merge(a, s, labels)) {
        items_undo(s, changes, n);
        return error_under(a->error, "labels");
    }
    items_commit(s, changes, n);
    if (ttl) s->ttl_seconds = seconds;
    s->changes++;
    write_session(a, s);
    session_etag(s, s->changes, a->call->reply->etag);
    reply_changed(a->call, s, false);
    return true;
}

bool service_session_patch(const struct service_call *call, struct writer *out,
                           struct error *error) {
    static const struct takes takes = {.members = {"labels", "ttl_seconds", "constants", "format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && patch(&a);
    asked_end(&a);
    return ok;
}

bool service_session_delete(const struct service_call *call, struct writer *out,
                            struct error *error) {
    static const struct takes takes = {0};
    struct asked a;
    char etag[ETAG];
    session_etag(call->session, call->session->changes, etag);
    const bool ok = asked_begin(&a, call, &takes, out, error) &&
                    asked_precondition(&a, etag, "session", call->session->id);
    if (ok) {
        /* It goes when the store has let it go. */
        reply_changed(call, call->session, true);
        call->reply->status = 204;
    }
    asked_end(&a);
    return ok;
}
