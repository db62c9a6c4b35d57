/* Random operations on what has a name: read, written, assigned, deleted, computed by a graph. It says
 * what the model does and what gradd must answer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model.h"

enum { LENGTH = 3 }; /* of all vectors that are to be right */

const char *random_name(struct client *c) {
    static const char *const names[] = {"x", "y", "w", "c", "d", "p", "q", "r", "u"};
    return names[client_pick(c, sizeof names / sizeof *names)];
}

static struct value random_of(struct client *c, enum dtype dtype, int length) {
    struct value v = {.dtype = dtype, .length = length};
    for (int i = 0; i < (length ? length : 1); i++) v.at[i] = client_pick(c, 7) - 3;
    return v;
}

struct value random_value(struct client *c, const struct session *s) {
    enum dtype dtype = s->dtype;
    if (client_chance(c, 5)) dtype = (enum dtype)client_pick(c, 3);
    return random_of(c, dtype, client_chance(c, 2) ? LENGTH : 0);
}

struct item *random_item(struct client *c, struct session *s) {
    struct item *found[ITEMS];
    int n = 0;
    for (int i = 0; i < s->n_items; i++)
        if (session_value(s, &s->items[i])) found[n++] = &s->items[i];
    return n ? found[client_pick(c, n)] : NULL;
}

static void say_item(struct text *t, const struct session *s, const struct item *item) {
    const struct value *v = session_value(s, item);
    say(t, "{\"name\":\"%s\",\"value\":", item->name);
    say_value(t, v);
    if (v)
        say(t, v->length ? ",\"dtype\":\"%s\",\"shape\":[%d]" : ",\"dtype\":\"%s\",\"shape\":[]",
            dtype_names[v->dtype], v->length);
    else
        say(t, ",\"dtype\":null,\"shape\":null");
    if (item->kind == VARIABLE) say(t, ",\"trainable\":%s", item->trainable ? "true" : "false");
    say(t, "}");
}

/* ---- preconditions ---- */

enum match { NO_MATCH, RIGHT, STALE };

/* An If-Match, of what may not be there. */
static enum match match(struct client *c, const struct item *item) {
    const char *etag = item ? item->etag : "";
    const enum match how = (enum match)client_pick(c, 6);
    if (how == RIGHT && etag[0]) {
        snprintf(c->precondition, sizeof c->precondition, "%s", etag);
        return RIGHT;
    }
    if (how != STALE) return NO_MATCH;
    snprintf(c->precondition, sizeof c->precondition, "%s",
             item && item->stale[0] ? item->stale : "\"0-0\"");
    return STALE;
}

/* The answer is of the item as it is now. */
static bool answers_item(struct client *c, const struct session *s, struct item *item, int status,
                         bool changed) {
    say_item(&c->wanted, s, item);
    if (!client_expect(c, status)) return false;
    if (!c->etag[0]) return client_fail(c, "there is no ETag");
    const bool same = strcmp(c->etag, item->etag) == 0;
    if (changed && same) return client_fail(c, "the ETag has not changed");
    if (!changed && item->etag[0] && !same) return client_fail(c, "the ETag was %s", item->etag);
    if (!same) item_changed(item, c->etag);
    return true;
}

/* ---- one item ---- */

static void get_item(struct client *c, struct session *s) {
    const enum kind kind = (enum kind)client_pick(c, 3);
    const char *name = random_name(c);
    struct item *item = session_find(s, name);
    client_path(c, "sessions/%s/%s/%s", s->id, kind_paths[kind], name);
    if (item && item->kind == kind && item->etag[0] && client_chance(c, 3)) {
        snprintf(c->precondition, sizeof c->precondition, "@%s", item->etag);
        client_ask(c, "GET");
        client_expect(c, 304);
        return;
    }
    client_ask(c, "GET");
    if (item && item->kind == kind)
        answers_item(c, s, item, 200, false);
    else
        client_expect_problem(c, 404, "not_found");
}

static void delete_item(struct client *c, struct session *s) {
    const enum kind kind = (enum kind)client_pick(c, 3);
    const char *name = random_name(c);
    struct item *item = session_find(s, name);
    const bool there = item && item->kind == kind;
    client_path(c, "sessions/%s/%s/%s", s->id, kind_paths[kind], name);
    const enum match how = match(c, there ? item : NULL);
    client_ask(c, "DELETE");
    if (!there) {
        client_expect_problem(c, 404, "not_found");
    } else if (how == STALE) {
        client_expect_problem(c, 412, "precondition_failed");
    } else if (client_expect(c, 204)) {
        session_remove(s, item);
    }
}

static void put_item(struct client *c, struct session *s) {
    const enum kind kind = client_chance(c, 3) ? CONSTANT : VARIABLE;
    const char *name = random_name(c);
    struct item *item = session_find(s, name);
    const bool there = item && item->kind == kind, trains = client_chance(c, 2),
               says = kind == VARIABLE && client_chance(c, 2);
    const struct value v = random_value(c, s);
    client_path(c, "sessions/%s/%s/%s", s->id, kind_paths[kind], name);
    const enum match how = match(c, there ? item : NULL);
    if (says) say(&c->body, "{\"trainable\":%s,\"value\":", trains ? "true" : "false");
    say_typed(&c->body, &v, s->dtype);
    if (says) say(&c->body, "}");
    client_ask(c, "PUT");
    if (how == STALE) {
        client_expect_problem(c, 412, "precondition_failed");
        return;
    }
    if (item && !there) {
        client_expect_problem(c, 409, "already_exists");
        return;
    }
    if (!item) {
        item = session_add(s, name, kind);
        item->trainable = kind == VARIABLE;
    }
    if (says) item->trainable = trains;
    if (kind == VARIABLE)
        session_assign(item, &v);
    else
        item->node = session_leaf(s, &v);
    answers_item(c, s, item, there ? 200 : 201, true);
}

/* ---- assignments ---- */

static struct value added(const struct value *x, const struct value *y, double sign) {
    struct value sum = *x;
    for (int i = 0; i < VECTOR; i++) sum.at[i] += sign * y->at[i];
    return sum;
}

static void assign(struct client *c, struct session *s) {
    static const char *const ways[] = {"assign", "assign_add", "assign_sub"};
    const char *name = random_name(c);
    struct item *item = session_find(s, name);
    const bool there = item && item->kind == VARIABLE;
    int way = client_pick(c, 3);
    struct value v =
        there ? random_of(c, item->value.dtype, item->value.length) : random_value(c, s);
    if (there && fabs(item->value.at[0]) > 20) way = 0;
    const bool other_dtype = there && client_chance(c, 10), other_shape = client_chance(c, 10);
    if (other_dtype) v.dtype = (enum dtype)((v.dtype + 1) % 3);
    if (other_shape) v.length = v.length ? 0 : VECTOR;
    client_path(c, "sessions/%s/variables/%s/%s", s->id, name, ways[way]);
    const enum match how = match(c, there ? item : NULL);
    say(&c->body, "{\"value\":");
    say_typed(&c->body, &v, there ? item->value.dtype : s->dtype);
    say(&c->body, "}");
    client_ask(c, "POST");
    if (!there) {
        client_expect_problem(c, 404, "not_found");
    } else if (how == STALE) {
        client_expect_problem(c, 412, "precondition_failed");
    } else if (other_dtype || other_shape) {
        client_expect_problem(c, 400, other_dtype ? "dtype_mismatch" : "shape_mismatch");
    } else {
        const struct value now = way == 0 ? v : added(&item->value, &v, way == 1 ? 1 : -1);
        session_assign(item, &now);
        answers_item(c, s, item, 200, true);
    }
}

/* ---- all of a kind ---- */

static void list_items(struct client *c, struct session *s) {
    const enum kind kind = (enum kind)client_pick(c, 3);
    client_path(c, "sessions/%s/%s", s->id, kind_paths[kind]);
    say(&c->wanted, "{\"%s\":{", kind_paths[kind]);
    for (int i = 0; i < s->n_items; i++) {
        if (s->items[i].kind != kind) continue;
        say_comma(&c->wanted);
        say(&c->wanted, "\"%s\":", s->items[i].name);
        say_item(&c->wanted, s, &s->items[i]);
    }
    say(&c->wanted, "}}");
    client_ask(c, "GET");
    client_expect(c, 200);
}

/* Two variables at once, or none. */
static void put_items(struct client *c, struct session *s) {
    const char *names[2] = {random_name(c), random_name(c)};
    struct value values[2];
    bool taken = false;
    if (strcmp(names[0], names[1]) == 0) return;
    say(&c->body, "{\"variables\":{");
    for (int i = 0; i < 2; i++) {
        const struct item *item = session_find(s, names[i]);
        taken = taken || (item && item->kind != VARIABLE);
        values[i] = random_value(c, s);
        say_comma(&c->body);
        say(&c->body, "\"%s\":", names[i]);
        say_typed(&c->body, &values[i], s->dtype);
    }
    say(&c->body, "}}");
    client_path(c, "sessions/%s/variables", s->id);
    client_ask(c, "PUT");
    if (taken) {
        client_expect_problem(c, 409, "already_exists");
        return;
    }
    say(&c->wanted, "{\"variables\":{");
    for (int i = 0; i < 2; i++) {
        struct item *item = session_find(s, names[i]);
        if (!item) {
            item = session_add(s, names[i], VARIABLE);
            item->trainable = true;
        }
        session_assign(item, &values[i]);
        item_changed(item, "");
        say_comma(&c->wanted);
        say(&c->wanted, "\"%s\":", names[i]);
        say_item(&c->wanted, s, item);
    }
    say(&c->wanted, "}}");
    client_expect(c, 200);
}

void operate_item(struct client *c, struct session *s) {
    static void (*const operations[])(struct client *, struct session *) = {
        get_item, get_item, delete_item, put_item,   put_item,
        assign,   assign,   assign,      list_items, put_items};
    operations[client_pick(c, sizeof operations / sizeof *operations)](c, s);
}
