/* Variables, constants and tensors of a session: read, written, deleted, assigned. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/binding.h"
#include "api/bytes.h"
#include "api/place.h"
#include "api/session_io.h"
#include "api/session_services.h"

static const char *const paths[] = {
    [ITEM_VARIABLE] = "variables", [ITEM_CONSTANT] = "constants", [ITEM_TENSOR] = "tensors"};

static const struct tensor *value_of(const struct item *item) {
    return item->value.owner ? &item->value.tensor : NULL;
}

/* ---- reading ---- */

static bool list_items(struct asked *a, enum item_kind kind) {
    const struct session *s = a->session;
    const char *separator = "";
    if (!asked_within(a)) return false;
    write_text(a->out, "{\"");
    write_text(a->out, paths[kind]);
    write_text(a->out, "\":{");
    for (uint32_t i = 0; i < s->items.n; i++) {
        const struct item *item = session_item(s, i);
        if (!item || item->kind != kind) continue;
        write_text(a->out, separator);
        write_string(a->out, item->name);
        write_text(a->out, ":");
        item_write(a->out, item->name, kind, item->trainable, value_of(item), a->format);
        separator = ",";
    }
    write_text(a->out, "}}");
    session_etag(s, s->changes, a->call->reply->etag);
    return asked_written(a);
}

static bool get_items(const struct service_call *call, enum item_kind kind, struct writer *out,
                      struct error *error) {
    static const struct takes takes = {.parameters = {"format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && list_items(&a, kind);
    asked_end(&a);
    return ok;
}

static bool show_item(struct asked *a, enum item_kind kind) {
    const struct item *item = asked_item(a, kind);
    if (!item) return false;
    item_write(a->out, item->name, kind, item->trainable, value_of(item), a->format);
    session_etag(a->session, item->version, a->call->reply->etag);
    return asked_written(a);
}

static bool get_item(const struct service_call *call, enum item_kind kind, struct writer *out,
                     struct error *error) {
    static const struct takes takes = {.parameters = {"format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && show_item(&a, kind);
    asked_end(&a);
    return ok;
}

bool service_variables_get(const struct service_call *call, struct writer *out,
                           struct error *error) {
    return get_items(call, ITEM_VARIABLE, out, error);
}

bool service_constants_get(const struct service_call *call, struct writer *out,
                           struct error *error) {
    return get_items(call, ITEM_CONSTANT, out, error);
}

bool service_tensors_get(const struct service_call *call, struct writer *out, struct error *error) {
    return get_items(call, ITEM_TENSOR, out, error);
}

bool service_variable_get(const struct service_call *call, struct writer *out,
                          struct error *error) {
    return get_item(call, ITEM_VARIABLE, out, error);
}

bool service_constant_get(const struct service_call *call, struct writer *out,
                          struct error *error) {
    return get_item(call, ITEM_CONSTANT, out, error);
}

bool service_tensor_get(const struct service_call *call, struct writer *out, struct error *error) {
    return get_item(call, ITEM_TENSOR, out, error);
}

/* ---- deleting ---- */

static bool delete_item(const struct service_call *call, enum item_kind kind, struct writer *out,
                        struct error *error) {
    static const struct takes takes = {0};
    struct asked a;
    char etag[ETAG];
    bool ok = asked_begin(&a, call, &takes, out, error);
    struct item *item = ok ? asked_item(&a, kind) : NULL;
    if (item) session_etag(a.session, item->version, etag);
    ok = item && asked_precondition(&a, etag, item_kind_names[kind], item->name);
    if (ok) {
        session_remove(a.session, item);
        reply_changed(call, a.session, false);
        call->reply->status = 204;
    }
    asked_end(&a);
    return ok;
}

bool service_variable_delete(const struct service_call *call, struct writer *out,
                             struct error *error) {
    return delete_item(call, ITEM_VARIABLE, out, error);
}

bool service_constant_delete(const struct service_call *call, struct writer *out,
                             struct error *error) {
    return delete_item(call, ITEM_CONSTANT, out, error);
}

bool service_tensor_delete(const struct service_call *call, struct writer *out,
                           struct error *error) {
    return delete_item(call, ITEM_TENSOR, out, error);
}

/* ---- writing one ---- */

/* What is not said of raw bytes is as the item has it, else as the session has it. */
static bool read_raw(struct asked *a, const struct item *item, struct tensor *out) {
    const char *dtype = asked_parameter(a, "dtype"), *shape = asked_parameter(a, "shape");
    out->dtype = item && item->value.owner ? item->value.tensor.dtype : a->session->dtype;
    out->shape = item && item->value.owner ? item->value.tensor.shape : (struct shape){.rank = -1};
    if (dtype && !dtype_find(dtype, &out->dtype))
        return error_set(a->error, ERROR_INVALID_VALUE,
                         "unknown dtype \"%.40s\"; expected float32, float64, int32, int64 or bool",
                         dtype);
    if (shape && !shape_parse(shape, &out->shape, a->error)) return false;
    return bytes_read(&a->arena, a->call->body, a->call->body_length, a->call->limits->max_elements,
                      out, a->error);
}

/* A body that is a .npy file is taken as one whatever it is said to be. */
static bool read_change(struct asked *a, const char *name, enum item_kind kind,
                        const struct item *item, struct item_change *change) {
    const struct service_call *call = a->call;
    if (!call->media && !npy_is(call->body, call->body_length))
        return item_change_read(a, a->body, name, kind, change);
    *change = (struct item_change){.name = name,
                                   .length = strlen(name),
                                   .kind = kind,
                                   .trainable = true,
                                   .keeps_trainable = true};
    if (!binding_check_name(name, a->error)) return false;
    if (npy_is(call->body, call->body_length))
        return npy_read(&a->arena, call->body, call->body_length, call->limits->max_elements,
                        &change->value, a->error);
    return read_raw(a, item, &change->value);
}

static bool apply(struct asked *a, struct item_change *c) {
    struct session *s = a->session;
    struct service_reply *reply = a->call->reply;
    if (!items_prepare(s, c, 1, a->error)) {
        a->error->pointer[0] = '\0'; /* The body is the value. */
        return false;
    }
    const bool trainable = c->keeps_trainable ? c->item->trainable : c->trainable;
    item_write(a->out, c->name, c->kind, trainable, &c->held.tensor, a->format);
    if (!asked_written(a)) {
        items_undo(s, c, 1);
        return false;
    }
    items_commit(s, c, 1);
    session_etag(s, c->item->version, reply->etag);
    reply_changed(a->call, s, false);
    if (!c->added) return true;
    reply->status = 201;
    const int n = snprintf(reply->location, sizeof reply->location, "/v1/sessions/%s/%s/%s", s->id,
                           paths[c->kind], c->name);
    if (n >= (int)sizeof reply->location) reply->location[0] = '\0';
    return true;
}

static bool put_item(const struct service_call *call, enum item_kind kind, struct writer *out,
                     struct error *error) {
    static const struct takes takes = {.any = true, .parameters = {"format", "dtype", "shape"}};
    struct service_call seen = *call;
    struct asked a;
    struct item_change change;
    char etag[ETAG];
    /* The first byte of a .npy file is no JSON. */
    if (npy_is(call->body, call->body_length)) seen.media = "application/x-npy";
    bool ok = asked_begin(&a, &seen, &takes, out, error);
    const char *name = call->places[1];
    const struct item *item = ok ? session_find(a.session, name, strlen(name)) : NULL;
    const bool there = item && item->kind == kind;
    if (there) session_etag(a.session, item->version, etag);
    ok = ok && asked_precondition(&a, there ? etag : NULL, item_kind_names[kind], name) &&
         read_change(&a, name, kind, there ? item : NULL, &change) && apply(&a, &change);
    asked_end(&a);
    return ok;
}

bool service_variable_put(const struct service_call *call, struct writer *out,
                          struct error *error) {
    return put_item(call, ITEM_VARIABLE, out, error);
}

bool service_constant_put(const struct service_call *call, struct writer *out,
                          struct error *error) {
    return put_item(call, ITEM_CONSTANT, out, error);
}

/* ---- writing several ---- */

static bool read_changes(struct asked *a, const struct json *object, struct item_change *changes) {
    size_t n = 0;
    for (const struct json *v = json_first(object); v; v = json_next(v)) {
        if (item_change_read(a, v, json_key(v), ITEM_VARIABLE, &changes[n++])) continue;
        error_under(a->error, json_key(v));
        return error_under(a->error, "variables");
    }
    return true;
}

static bool write_changes(struct asked *a, struct item_change *changes, size_t n) {
    struct session *s = a->session;
    if (!items_prepare(s, changes, n, a->error)) return error_under(a->error, "variables");
    write_text(a->out, "{\"variables\":{");
    for (size_t i = 0; i < n; i++) {
        const struct item_change *c = &changes[i];
        if (i) write_text(a->out, ",");
        write_string(a->out, c->name);
        write_text(a->out, ":");
        item_write(a->out, c->name, ITEM_VARIABLE,
                   c->keeps_trainable ? c->item->trainable : c->trainable, &c->held.tensor,
                   a->format);
    }
    write_text(a->out, "}}");
    if (!asked_written(a)) {
        items_undo(s, changes, n);
        return false;
    }
    items_commit(s, changes, n);
    session_etag(s, s->changes, a->call->reply->etag);
    reply_changed(a->call, s, false);
    return true;
}

static bool put_all(struct asked *a) {
    const struct json *object = asked_member(a, "variables");
    char etag[ETAG];
    if (!object)
        return error_set(a->error, ERROR_INVALID_REQUEST, "member \"variables\" is missing");
    if (json_type(object) != JSON_OBJECT) return asked_fail_type(a, object, "an object");
    const size_t n = json_length(object);
    struct item_change *changes = arena_alloc(&a->arena, (n + 1) * sizeof *changes);
    if (!changes) return asked_fail_memory(a);
    session_etag(a->session, a->session->changes, etag);
    return asked_precondition(a, etag, "session", a->session->id) &&
           read_changes(a, object, changes) && write_changes(a, changes, n);
}

bool service_variables_put(const struct service_call *call, struct writer *out,
                           struct error *error) {
    static const struct takes takes = {.members = {"variables", "format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && put_all(&a);
    asked_end(&a);
    return ok;
}
