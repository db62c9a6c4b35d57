/* Changes of a session's items, labels and lifetime: all of a request's or none. */
#include <string.h>

#include "api/binding.h"
#include "api/place.h"
#include "api/session_io.h"
#include "api/utf8.h"

bool item_change_read(struct asked *a, const struct json *v, const char *name, enum item_kind kind,
                      struct item_change *out) {
    struct binding sent;
    *out = (struct item_change){.name = name, .length = strlen(name), .kind = kind};
    if (!binding_check_name(name, a->error)) return false;
    if (!binding_read(v, kind != ITEM_VARIABLE, a->session->dtype, &sent, a->error)) return false;
    out->trainable = sent.trainable;
    out->keeps_trainable = !sent.says_trainable;
    return json_tensor(&a->arena, sent.value, sent.dtype, a->call->limits->max_elements,
                       sent.wrapped ? "/value" : "", &out->value, a->error);
}

static bool fail_taken(const struct item *item, enum item_kind kind, struct error *error) {
    return error_set(error, ERROR_ALREADY_EXISTS,
                     "\"%.80s\" is a %s of this session and cannot be a %s too", item->name,
                     item_kind_names[item->kind], item_kind_names[kind]);
}

/* An existing item gets its value when all goes well; a new one has it from the beginning. */
static bool prepare(struct session *s, struct item_change *c, struct error *error) {
    c->item = session_find(s, c->name, c->length);
    if (c->item && c->item->kind != c->kind) return fail_taken(c->item, c->kind, error);
    if (c->removes) return true;
    if (c->value.data) {
        held_copy(&s->account, &c->value, &c->held);
        if (!c->held.owner) return session_fail_memory(s, error);
    }
    if (c->item) return true;
    c->item = session_add_held(s, c->name, c->length, c->kind, c->trainable, c->held);
    if (!c->item) return session_fail_memory(s, error);
    return c->added = true;
}

bool items_prepare(struct session *s, struct item_change *changes, size_t n, struct error *error) {
    for (size_t i = 0; i < n; i++) {
        if (prepare(s, &changes[i], error)) continue;
        error_under(error, changes[i].name);
        items_undo(s, changes, i + 1);
        return false;
    }
    return true;
}

void items_commit(struct session *s, struct item_change *changes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct item_change *c = &changes[i];
        if (c->added || !c->item) continue;
        if (c->removes) {
            session_remove(s, c->item);
            continue;
        }
        if (!c->keeps_trainable) c->item->trainable = c->trainable;
        session_set_held(s, c->item, c->held);
    }
}

void items_undo(struct session *s, struct item_change *changes, size_t n) {
    for (size_t i = n; i-- > 0;) {
        if (changes[i].added)
            session_take_back(s, changes[i].item);
        else
            block_release(changes[i].held.owner);
    }
}

/* ---- labels and lifetime ---- */

enum { LABELS_MOST = 64, LABEL_KEY = 63, LABEL_VALUE = 255 };

static bool is_key(const char *key) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
    const size_t n = strspn(key, plain);
    return n > 0 && n <= LABEL_KEY && !key[n];
}

static bool check_label(struct asked *a, const struct json *v) {
    const char *key = json_key(v);
    if (!is_key(key)) {
        error_set(a->error, ERROR_INVALID_VALUE,
                  "\"%.80s\" is no key of a label; keys are 1 to %d of A-Z a-z 0-9 . _ - /", key,
                  LABEL_KEY);
        return error_under(a->error, key);
    }
    if (json_type(v) == JSON_NULL) return true;
    if (json_type(v) != JSON_STRING) return asked_fail_type(a, v, "a string");
    const size_t n = strlen(json_string(v));
    if (n <= LABEL_VALUE) return true;
    error_set(a->error, ERROR_INVALID_VALUE, "the label has %zu bytes; the limit is %d", n,
              LABEL_VALUE);
    return error_under(a->error, key);
}

static bool has_label(const struct session *s, const char *key) {
    for (const struct label *l = s->labels; l; l = l->next)
        if (strcmp(l->key, key) == 0) return true;
    return false;
}

bool labels_check(struct asked *a, const struct json *labels) {
    const struct session *s = a->session;
    size_t n = 0;
    if (!labels || json_type(labels) == JSON_NULL) return true;
    if (json_type(labels) != JSON_OBJECT) return asked_fail_type(a, labels, "an object");
    for (const struct label *l = s ? s->labels : NULL; l; l = l->next) n++;
    for (const struct json *v = json_first(labels); v; v = json_next(v)) {
        if (!check_label(a, v)) return error_under(a->error, json_key(labels));
        const bool has = s && has_label(s, json_key(v));
        if (json_type(v) == JSON_NULL)
            n -= has;
        else
            n += !has;
    }
    if (n <= LABELS_MOST) return true;
    error_set(a->error, ERROR_INVALID_VALUE, "the session would have %zu labels; the limit is %d",
              n, LABELS_MOST);
    return error_under(a->error, json_key(labels));
}

/* All that are to be put, linked in their order; false, and none is held, where one cannot be made. */
static bool make_labels(struct session *s, const struct json *labels, struct label **out) {
    struct label **last = out;
    *out = NULL;
    for (const struct json *v = json_first(labels); v; v = json_next(v)) {
        if (json_type(v) != JSON_STRING) continue;
        *last = session_make_label(s, json_key(v), json_string(v));
        if (*last) {
            last = &(*last)->next;
            continue;
        }
        for (struct label *l = *out, *next; l; l = next) {
            next = l->next;
            session_drop_label(s, l);
        }
        return false;
    }
    return true;
}

bool labels_merge(struct asked *a, struct session *s, const struct json *labels) {
    struct label *made;
    if (!labels) return true;
    if (json_type(labels) == JSON_NULL) {
        while (s->labels) session_unlabel(s, s->labels->key);
        return true;
    }
    if (!make_labels(s, labels, &made)) return session_fail_memory(s, a->error);
    for (const struct json *v = json_first(labels); v; v = json_next(v))
        if (json_type(v) == JSON_NULL) session_unlabel(s, json_key(v));
    for (struct label *next; made; made = next) {
        next = made->next;
        session_put_label(s, made);
    }
    return true;
}

bool ttl_read(struct asked *a, const struct json *v, double *out) {
    const double most = 1e9;
    size_t n;
    *out = 0;
    if (!v || json_type(v) == JSON_NULL) return true;
    if (json_type(v) != JSON_NUMBER)
        return asked_fail_type(a, v, "a number of seconds above 0, or null");
    if (json_double(v, out) && *out > 0 && *out <= most) return true;
    const char *text = json_text(v, &n);
    error_set(a->error, ERROR_INVALID_VALUE,
              "expected a number of seconds above 0 and up to 1e9, found %.*s",
              n < 40 ? (int)n : 40, text);
    return error_under(a->error, json_key(v));
}
