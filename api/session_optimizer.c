/* A session's optimizer: set, changed, shown and removed. What its settings may be is api/optimizer.h's
 * business, and what it keeps api/training.h's. */
#include <stdio.h>
#include <string.h>

#include "api/place.h"
#include "api/session_io.h"
#include "api/session_services.h"
#include "api/training.h"

static void take_etag(const struct asked *a, char etag[ETAG]) {
    session_etag(a->session, training_version(a->session->training), etag);
}

/* ---- showing ---- */

static bool read_flag(struct asked *a, const char *name, bool *out) {
    const char *text = asked_parameter(a, name);
    *out = text && strcmp(text, "true") == 0;
    return !text || *out || strcmp(text, "false") == 0 ||
           error_set(a->error, ERROR_INVALID_VALUE, "%s is \"%.40s\", expected true or false", name,
                     text);
}

static bool read_form(struct asked *a, bool slots, bool *keras) {
    const char *text = asked_parameter(a, "form");
    *keras = text && strcmp(text, "keras") == 0;
    if (text && !*keras && strcmp(text, "flat") != 0)
        return error_set(a->error, ERROR_INVALID_VALUE,
                         "unknown form \"%.40s\"; expected flat or keras", text);
    return !(*keras && slots) || error_set(a->error, ERROR_INVALID_VALUE,
                                           "Keras' serialised form has no slots; ask for them with "
                                           "form=flat");
}

static bool show(struct asked *a) {
    bool slots, keras;
    if (!training_required(a->session, a->error) || !read_flag(a, "slots", &slots) ||
        !read_form(a, slots, &keras) || (slots && !asked_within(a)))
        return false;
    if (keras) {
        optimizer_write_keras(a->out, training_config(a->session->training));
    } else {
        write_text(a->out, "{");
        training_write(a->out, a->session, slots, a->format);
        write_text(a->out, "}");
    }
    take_etag(a, a->call->reply->etag);
    return asked_written(a);
}

bool service_optimizer_get(const struct service_call *call, struct writer *out,
                           struct error *error) {
    static const struct takes takes = {.parameters = {"slots", "form", "format"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && show(&a);
    asked_end(&a);
    return ok;
}

/* ---- changing ---- */

static void write_answer(struct asked *a, const struct optimizer_sent *sent, int64_t iterations) {
    write_text(a->out, "{");
    optimizer_write(a->out, &sent->config);
    write_text(a->out, ",\"iterations\":");
    write_int(a->out, iterations);
    if (sent->ignored_decay) training_write_warning(a->out, "", sent->ignored_decay);
    write_text(a->out, "}");
}

/* The answer is written behind the change, and so must not fail: it is as long as one written before. */
static bool rehearse(struct asked *a, const struct optimizer_sent *sent) {
    write_answer(a, sent, INT64_MIN);
    if (!asked_written(a)) return false;
    a->out->length = 0;
    a->out->ceiling = SIZE_MAX;
    return true;
}

static void answer(struct asked *a, const struct optimizer_sent *sent) {
    write_answer(a, sent, training_iterations(a->session));
    take_etag(a, a->call->reply->etag);
    reply_changed(a->call, a->session, false);
}

static bool put(struct asked *a) {
    struct session *s = a->session;
    struct service_reply *reply = a->call->reply;
    const bool is_new = !s->training;
    struct optimizer_sent sent;
    char etag[ETAG];
    if (!is_new) take_etag(a, etag);
    if (!asked_precondition(a, is_new ? NULL : etag, "optimizer of session", s->id) ||
        !optimizer_read(a->body, &a->arena, &sent, a->error) || !rehearse(a, &sent) ||
        !training_put(s, &sent, a->error))
        return false;
    answer(a, &sent);
    if (!is_new) return true;
    reply->status = 201;
    snprintf(reply->location, sizeof reply->location, "/v1/sessions/%s/optimizer", s->id);
    return true;
}

bool service_optimizer_put(const struct service_call *call, struct writer *out,
                           struct error *error) {
    static const struct takes takes = {.any = true};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && put(&a);
    asked_end(&a);
    return ok;
}

static bool patch(struct asked *a) {
    struct session *s = a->session;
    struct optimizer_sent sent;
    char etag[ETAG];
    if (!training_required(s, a->error)) return false;
    take_etag(a, etag);
    if (!asked_precondition(a, etag, "optimizer of session", s->id) ||
        !optimizer_change(training_config(s->training), a->body, &a->arena, &sent, a->error))
        return false;
    const struct json *state = sent.iterations ? sent.iterations : sent.slots;
    if (state) {
        error_set(a->error, ERROR_INVALID_REQUEST,
                  "PATCH changes settings and keeps the state; PUT takes \"iterations\" and "
                  "\"slots\"");
        return error_under(a->error, json_key(state));
    }
    if (!rehearse(a, &sent) || !training_change(s, &sent.config, a->error)) return false;
    answer(a, &sent);
    return true;
}

bool service_optimizer_patch(const struct service_call *call, struct writer *out,
                             struct error *error) {
    static const struct takes takes = {.any = true};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && patch(&a);
    asked_end(&a);
    return ok;
}

static bool remove_optimizer(struct asked *a) {
    struct session *s = a->session;
    char etag[ETAG];
    if (!training_required(s, a->error)) return false;
    take_etag(a, etag);
    if (!asked_precondition(a, etag, "optimizer of session", s->id)) return false;
    training_free(s);
    reply_changed(a->call, s, false);
    a->call->reply->status = 204;
    return true;
}

bool service_optimizer_delete(const struct service_call *call, struct writer *out,
                              struct error *error) {
    static const struct takes takes = {0};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && remove_optimizer(&a);
    asked_end(&a);
    return ok;
}
