/* Sessions as a whole: made, shown, changed, deleted, cloned, exported and imported. */
#include "api/session_services.h"

#include <stdio.h>
#include <string.h>

#include "api/place.h"
#include "api/registry.h"
#include "api/session_io.h"
#include "api/session_journal.h"
#include "api/training.h"
#include "core/plan.h"

/* ---- making ---- */

static bool read_dtype(struct asked *a, enum dtype *out) {
    const struct json *v = asked_member(a, "dtype");
    *out = DTYPE_F32;
    if (!v) return true;
    if (json_type(v) != JSON_STRING) return asked_fail_type(a, v, "a string");
    if (dtype_find(json_string(v), out)) return true;
    error_set(a->error, ERROR_INVALID_VALUE,
              "unknown dtype \"%.40s\"; expected float32, float64, int32, int64 or bool",
              json_string(v));
    return error_under(a->error, "dtype");
}

/* An item of a request, or of an export with the identity that its tapes know it by. */
static bool new_item(struct asked *a, const struct item_change *c, bool none) {
    const struct json *tapes = asked_member(a, "tapes");
    uint64_t id;
    bool placed;
    struct item *item =
        session_add(a->session, c->name, c->length, c->kind, c->trainable, none ? NULL : &c->value);
    if (!item) return session_fail_memory(a->session, a->error);
    if (tapes && journal_item(tapes, c->name, &id, &placed)) item->id = id;
    return item->settled = true;
}

/* An item that its tapes have left: the exported one takes its place, unless it is that. */
static bool settle_item(struct asked *a, struct item *item, const struct item_change *c,
                        bool none) {
    uint64_t id;
    bool placed;
    if (!journal_item(asked_member(a, "tapes"), c->name, &id, &placed)) placed = false, id = 0;
    const bool same = item->kind == c->kind && (c->kind != ITEM_VARIABLE || item->id == id);
    if (!same || (none && !placed)) {
        session_remove(a->session, item);
        return new_item(a, c, none);
    }
    item->trainable = c->trainable;
    if (!placed && !session_set(a->session, item, &c->value))
        return session_fail_memory(a->session, a->error);
    item->id = id;
    return item->settled = true;
}

/* What the tapes have left and the export does not have was deleted since. */
static void remove_rest(struct session *s) {
    for (uint32_t i = s->items.n; i-- > 0;) {
        struct item *item = session_item(s, i);
        if (item && !item->settled) session_remove(s, item);
    }
    session_sort(s);
}

/* The tapes are made first: the items are what they were then, and become what they are now. */
static bool replay(struct asked *a) {
    const struct json *tapes = asked_member(a, "tapes");
    if (!tapes) return true;
    if (json_type(tapes) != JSON_OBJECT) return asked_fail_type(a, tapes, "an object");
    return journal_replay(a->call, a->session, tapes, &a->arena, a->error);
}

static bool add_item(struct asked *a, const struct json *v, enum item_kind kind) {
    struct item_change c = {.name = json_key(v), .length = strlen(json_key(v)), .kind = kind};
    const bool none = kind == ITEM_TENSOR && json_type(v) == JSON_NULL;
    if (!none && !item_change_read(a, v, json_key(v), kind, &c)) return false;
    struct item *there = session_find(a->session, c.name, c.length);
    if (there && asked_member(a, "tapes") && !there->settled)
        return settle_item(a, there, &c, none);
    if (there)
        return error_set(a->error, ERROR_DUPLICATE_NAME, "\"%.80s\" is both a %s and a %s",
                         there->name, item_kind_names[there->kind], item_kind_names[kind]);
    return new_item(a, &c, none);
}

static bool add_items(struct asked *a, const char *member, enum item_kind kind) {
    const struct json *object = asked_member(a, member);
    if (!object) return true;
    if (json_type(object) != JSON_OBJECT) return asked_fail_type(a, object, "an object");
    for (const struct json *v = json_first(object); v; v = json_next(v)) {
        if (add_item(a, v, kind)) continue;
        error_under(a->error, json_key(v));
        return error_under(a->error, member);
    }
    return true;
}

/* When the items are as they are to be. */
static bool add_optimizer(struct asked *a) {
    const struct json *v = asked_member(a, "optimizer");
    struct optimizer_sent sent;
    if (!v || json_type(v) == JSON_NULL) return true;
    if (!optimizer_read(v, &a->arena, &sent, a->error) ||
        !training_put(a->session, &sent, a->error))
        return error_under(a->error, "optimizer");
    a->ignored_decay = sent.ignored_decay;
    return true;
}

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

static struct session *new_session(struct asked *a, const char *id, enum dtype dtype) {
    struct session *s = session_new(id, dtype, (size_t)a->call->limits->max_session_bytes);
    if (s)
        s->created_at = wall_clock();
    else
        error_set(a->error, ERROR_MEMORY_BUDGET, "no memory for one more session");
    return s;
}

/* The session that the body describes; the caller's. */
static struct session *build(struct asked *a, const char *id) {
    const struct json *labels = asked_member(a, "labels");
    enum dtype dtype;
    double ttl;
    if (!read_dtype(a, &dtype) || !ttl_read(a, asked_member(a, "ttl_seconds"), &ttl) ||
        !labels_check(a, labels))
        return NULL;
    struct session *s = a->session = new_session(a, id, dtype);
    if (!s) return NULL;
    s->ttl_seconds = ttl;
    bool made = labels_merge(a, s, labels) && replay(a) &&
                add_items(a, "variables", ITEM_VARIABLE) &&
                add_items(a, "constants", ITEM_CONSTANT) && add_items(a, "tensors", ITEM_TENSOR);
    if (made && asked_member(a, "tapes")) remove_rest(s);
    if (made && add_optimizer(a)) return s;
    session_free(s);
    return NULL;
}

/* `id` NULL: a random one. */
static bool create(struct asked *a, const char *id) {
    char random[REGISTRY_ID + 1];
    if (!id && !registry_new_id(random, a->error)) return false;
    struct session *s = build(a, id ? id : random);
    if (!s) return false;
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

/* ---- out of a store ---- */

static bool read_number(const struct json *object, const char *name, uint64_t *out) {
    const struct json *v = object ? json_member(object, name) : NULL;
    int64_t n;
    if (!v || !json_int(v, &n) || n < 0) return false;
    *out = (uint64_t)n;
    return true;
}

/* What an import gives anew: when it was made, what its entity tags are made of, and its items' ids. */
static bool restore_identity(struct asked *a, struct session *s) {
    const struct json *created = asked_member(a, "created_at"),
                      *identity = asked_member(a, "identity"),
                      *versions = identity ? json_member(identity, "versions") : NULL,
                      *ids = identity ? json_member(identity, "ids") : NULL;
    uint64_t changes = 0, last_id = 0, version = 0;
    bool ok = created && json_double(created, &s->created_at) &&
              read_number(identity, "changes", &changes) &&
              read_number(identity, "last_id", &last_id);
    for (uint32_t i = 0; ok && i < s->items.n; i++) {
        struct item *item = session_item(s, i);
        ok = !item || (read_number(versions, item->name, &item->version) &&
                       read_number(ids, item->name, &item->id));
    }
    if (ok && s->training) ok = read_number(identity, "optimizer", &version);
    if (!ok) return error_set(a->error, ERROR_INVALID_VALUE, "its versions are not there");
    if (s->training) training_set_version(s->training, version);
    session_sort(s);
    s->changes = changes;
    s->last_id = last_id;
    return true;
}

struct session *session_decode(const struct service_call *call, struct error *error) {
    static const struct takes takes = {.members = {"id", "created_at", "identity", "variables",
                                                   "constants", "tensors", "tapes", "optimizer",
                                                   "dtype", "ttl_seconds", "labels"}};
    struct asked a;
    struct writer unused;
    struct session *s = NULL;
    writer_init(&unused, 0);
    const struct json *id = NULL;
    if (asked_begin(&a, call, &takes, &unused, error) && (id = asked_member(&a, "id")) &&
        json_type(id) == JSON_STRING)
        s = build(&a, json_string(id));
    if (s && !restore_identity(&a, s)) {
        session_free(s);
        s = NULL;
    }
    asked_end(&a);
    return s;
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

/* The answer is written behind the change, which it shows, and so must not fail. It is about as long
 * as one written before. */
static bool try_answer(struct asked *a) {
    if (session_bytes(a->session) > a->out->ceiling / 16) {
        write_session(a, a->session);
        if (!asked_written(a)) return false;
        a->out->length = 0;
    }
    a->out->ceiling = SIZE_MAX;
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
