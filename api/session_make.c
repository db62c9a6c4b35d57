/* A session from what says all of it: a request, an export, or what a store has kept. */
#include "api/session_make.h"

#include <string.h>

#include "api/place.h"
#include "api/session_journal.h"
#include "api/training.h"

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

static bool add_item(struct asked *a, const char *name, const struct json *v, enum item_kind kind) {
    struct item_change c = {.name = name, .length = strlen(name), .kind = kind};
    const bool none = kind == ITEM_TENSOR && json_type(v) == JSON_NULL;
    if (!none && !item_change_read(a, v, name, kind, &c)) return false;
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
        if (add_item(a, json_key(v), v, kind)) continue;
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

/* What a store has kept of items says their kind beside each. */
static bool add_kept(struct asked *a) {
    const struct json *items = asked_member(a, "items");
    for (const struct json *v = items ? json_first(items) : NULL; v; v = json_next(v)) {
        const struct json *kind = json_type(v) == JSON_OBJECT ? json_member(v, "kind") : NULL,
                          *item = kind ? json_member(v, "item") : NULL;
        int64_t k;
        if (json_type(v) == JSON_NULL) continue;
        if (!item || !json_int(kind, &k) || k < ITEM_VARIABLE || k > ITEM_TENSOR)
            return error_set(a->error, ERROR_INVALID_VALUE, "an item is damaged");
        if (!add_item(a, json_key(v), item, (enum item_kind)k)) return false;
    }
    return true;
}

struct session *session_make(struct asked *a, const char *id) {
    const struct json *labels = asked_member(a, "labels");
    enum dtype dtype;
    double ttl;
    if (!read_dtype(a, &dtype) || !ttl_read(a, asked_member(a, "ttl_seconds"), &ttl) ||
        !labels_check(a, labels))
        return NULL;
    struct session *s = session_new(id, dtype, (size_t)a->call->limits->max_session_bytes);
    if (!s) {
        error_set(a->error, ERROR_MEMORY_BUDGET, "no memory for one more session");
        return NULL;
    }
    a->session = s;
    s->ttl_seconds = ttl;
    bool made = labels_merge(a, s, labels) && replay(a) &&
                add_items(a, "variables", ITEM_VARIABLE) &&
                add_items(a, "constants", ITEM_CONSTANT) && add_items(a, "tensors", ITEM_TENSOR) &&
                add_kept(a);
    if (made && asked_member(a, "tapes")) remove_rest(s);
    if (made && add_optimizer(a)) return s;
    session_free(s);
    a->session = NULL;
    return NULL;
}
