/* Random operations on tapes, in every state that a tape may be in, and on tapes that are no more. */
#include <stdio.h>
#include <string.h>

#include "model.h"

static const char *yes(bool is) { return is ? "true" : "false"; }

/* Without the last brace, for what else the answer has. */
static void say_tape(struct text *t, const struct session *s, const struct tape *tape) {
    say(t, "{\"tape\":\"t%d\",\"mode\":\"reverse\",\"persistent\":%s,\"recording\":%s",
        tape->number, yes(tape->persistent), yes(tape->recording));
    say(t, ",\"watched_variables\":[");
    for (int i = 0; i < s->n_items; i++) {
        if (s->items[i].kind != VARIABLE || !tape_watches(tape, &s->items[i])) continue;
        say_comma(t);
        say(t, "\"%s\"", s->items[i].name);
    }
    say(t, "]");
}

/* ---- which tape ---- */

/* Any number that was given, or the next one; mostly of a tape that lives. */
static int draw_number(struct client *c, const struct session *s) {
    if (s->n_tapes && !client_chance(c, 5)) return s->tapes[client_pick(c, s->n_tapes)].number;
    return 1 + client_pick(c, s->last_tape + 1);
}

/* Where that tape does not live, asks all the same; NULL then. */
static struct tape *living(struct client *c, struct session *s, int number, const char *method) {
    struct tape *tape = session_tape(s, number);
    if (tape) return tape;
    const bool consumed = s->states[number] == CONSUMED && s->last_tape - number < CONSUMED_KEPT;
    client_ask(c, method);
    if (!consumed) {
        client_expect_problem(c, 404, "not_found");
    } else if (strcmp(method, "DELETE") != 0) {
        client_expect_problem(c, 409, "tape_consumed");
    } else if (client_expect(c, 204)) {
        s->states[number] = DELETED;
    }
    return NULL;
}

/* ---- watching, opening ---- */

/* Names to watch; integers make warnings. */
static int say_watch(struct client *c, struct session *s, struct item *watched[2]) {
    int n = 0;
    say(&c->body, "\"watch\":[");
    for (int i = 0; i < 2; i++) {
        struct item *item = random_item(c, s);
        if (!item || (n && item == watched[0])) continue;
        say_comma(&c->body);
        say(&c->body, "\"%s\"", item->name);
        watched[n++] = item;
    }
    say(&c->body, "]");
    return n;
}

static void say_warnings(struct text *t, const struct session *s, struct item *const *watched,
                         int n) {
    int found = 0;
    for (int i = 0; i < n; i++) {
        if (session_value(s, watched[i])->dtype != I32) continue;
        say(t, found++ ? ",{\"code\":\"watched_dtype\"}"
                       : ",\"warnings\":[{\"code\":\"watched_dtype\"}");
    }
    if (found) say(t, "]");
}

static void watch(struct client *c, struct session *s) {
    const int number = draw_number(c, s);
    struct item *watched[2];
    client_path(c, "sessions/%s/tapes/t%d/watch", s->id, number);
    say(&c->body, "{");
    const int n = say_watch(c, s, watched);
    say(&c->body, "}");
    struct tape *tape = living(c, s, number, "POST");
    if (!tape) return;
    for (int i = 0; i < n; i++) tape_watch(tape, watched[i]);
    client_ask(c, "POST");
    say_tape(&c->wanted, s, tape);
    say_warnings(&c->wanted, s, watched, n);
    say(&c->wanted, "}");
    client_expect(c, 200);
}

/* The tape has recorded a graph, and stopped. */
static int record(struct client *c, struct session *s, struct tape *tape,
                  struct local locals[STATEMENTS]) {
    say(&c->body, ",\"graph\":\"");
    const int n = random_graph(c, s, locals);
    say(&c->body, "\"");
    tape->recording = false;
    return n;
}

static void open_tape(struct client *c, struct session *s) {
    if (s->n_tapes == TAPES || s->last_tape + 2 >= TAPES_EVER) return;
    const struct mark mark = session_mark(s);
    const bool persistent = client_chance(c, 2), watches = !client_chance(c, 4),
               records = client_chance(c, 2);
    struct local locals[STATEMENTS];
    struct item *watched[2];
    int n_watched = 0, n = 0;
    struct tape *tape = session_open_tape(s);
    tape->persistent = persistent;
    tape->watches = watches;
    say(&c->body, "{\"persistent\":%s,\"watch_accessed_variables\":%s,", yes(persistent),
        yes(watches));
    n_watched = say_watch(c, s, watched);
    for (int i = 0; i < n_watched; i++) tape_watch(tape, watched[i]);
    if (records && !(n = record(c, s, tape, locals))) {
        s->n_tapes--;
        s->last_tape--;
        session_rewind(s, &mark);
        c->body.length = 0;
        return;
    }
    say(&c->body, "}");
    client_path(c, "sessions/%s/tapes", s->id);
    client_ask(c, "POST");
    say_tape(&c->wanted, s, tape);
    if (n) say(&c->wanted, ",\"value\":");
    if (n) say_value(&c->wanted, &s->nodes[locals[n - 1].node].value);
    say_warnings(&c->wanted, s, watched, n_watched);
    say(&c->wanted, "}");
    client_expect(c, 201);
    keep_locals(s, locals, n);
}

/* ---- states ---- */

static void set_state(struct client *c, struct session *s) {
    static const char *const ways[] = {"stop", "resume", "reset"};
    const int number = draw_number(c, s), way = client_pick(c, 3);
    client_path(c, "sessions/%s/tapes/t%d/%s", s->id, number, ways[way]);
    struct tape *tape = living(c, s, number, "POST");
    if (!tape) return;
    client_ask(c, "POST");
    if (tape->recording == (way == 1)) {
        client_expect_problem(c, 409, "tape_recording_state");
        return;
    }
    tape->recording = way != 0;
    if (way == 2) session_reset_tape(s, tape);
    say_tape(&c->wanted, s, tape);
    say(&c->wanted, "}");
    client_expect(c, 200);
}

static void get_tape(struct client *c, struct session *s) {
    const int number = draw_number(c, s);
    client_path(c, "sessions/%s/tapes/t%d", s->id, number);
    struct tape *tape = living(c, s, number, "GET");
    if (!tape) return;
    client_ask(c, "GET");
    say_tape(&c->wanted, s, tape);
    say(&c->wanted, "}");
    client_expect(c, 200);
}

static void list_tapes(struct client *c, struct session *s) {
    client_path(c, "sessions/%s/tapes", s->id);
    client_ask(c, "GET");
    say(&c->wanted, "{\"tapes\":[");
    for (int i = 0; i < s->n_tapes; i++) {
        say_comma(&c->wanted);
        say_tape(&c->wanted, s, &s->tapes[i]);
        say(&c->wanted, "}");
    }
    say(&c->wanted, "]}");
    client_expect(c, 200);
}

static void delete_tape(struct client *c, struct session *s) {
    const int number = draw_number(c, s);
    client_path(c, "sessions/%s/tapes/t%d", s->id, number);
    struct tape *tape = living(c, s, number, "DELETE");
    if (!tape) return;
    client_ask(c, "DELETE");
    if (client_expect(c, 204)) session_end_tape(s, tape, DELETED);
}

/* ---- gradients ---- */

enum { TARGETS = 2, SOURCES = 4 };
enum form { NAME, LIST, OBJECT, LEFT_OUT };

struct question {
    struct item *targets[TARGETS], *sources[ITEMS];
    int n_targets, n_sources;
    enum form form;
    bool zero, names;
    const char *as[ITEMS]; /* NULL: no name */
};

/* What a target may be. TensorFlow gives 1 for the gradient of anything by itself, even of what no tape
 * has seen, but not where a recorded op has read it; such pairs are left out. */
static bool is_target(const struct session *s, const struct tape *tape, const struct item *item) {
    if (session_value(s, item)->dtype == I32) return false;
    return item->kind == VARIABLE ? tape_watches(tape, item) : tape->flags[item->node] & ON;
}

static bool has(struct item *const *items, int n, const struct item *item) {
    for (int i = 0; i < n; i++)
        if (items[i] == item) return true;
    return false;
}

static bool draw_names(struct client *c, struct session *s, struct question *q) {
    for (int i = 0; i < q->n_sources; i++) {
        q->as[i] = client_chance(c, 5) ? NULL : random_name(c);
        const struct item *item = q->as[i] ? session_find(s, q->as[i]) : NULL;
        if (item && item->kind != TENSOR) return false;
        for (int k = 0; k < i; k++)
            if (q->as[i] && q->as[k] && strcmp(q->as[i], q->as[k]) == 0) return false;
    }
    return true;
}

static void draw_question(struct client *c, struct session *s, const struct tape *tape,
                          struct question *q) {
    *q = (struct question){.form = (enum form)client_pick(c, 4), .zero = client_chance(c, 4)};
    for (int i = 0; i < 6 && q->n_targets < TARGETS; i++) {
        struct item *item = random_item(c, s);
        if (item && is_target(s, tape, item) && !has(q->targets, q->n_targets, item))
            q->targets[q->n_targets++] = item;
    }
    for (int i = 0; i < s->n_items && q->form == LEFT_OUT; i++)
        if (s->items[i].kind == VARIABLE && tape_watches(tape, &s->items[i]))
            q->sources[q->n_sources++] = &s->items[i];
    const int most = q->form == NAME ? 1 : q->form == LEFT_OUT ? 0 : SOURCES;
    for (int i = 0; i < 6 && q->n_sources < most; i++) {
        struct item *item = random_item(c, s);
        if (item && !has(q->sources, q->n_sources, item)) q->sources[q->n_sources++] = item;
    }
    /* Where a watched variable was deleted since, an export does not know the structure of then. */
    const bool deleted = q->form == LEFT_OUT && q->n_sources != tape->n_watched;
    q->names = !deleted && client_chance(c, 2) && draw_names(c, s, q);
}

/* One thing by source, in the form in which the sources are: what `write` writes of source i. */
static void say_form(struct text *t, const struct question *q, const void *context,
                     void (*write)(struct text *t, const struct question *q, const void *context,
                                   int i)) {
    const bool object = q->form >= OBJECT;
    if (q->form != NAME) say(t, object ? "{" : "[");
    for (int i = 0; i < q->n_sources; i++) {
        if (q->form != NAME) say_comma(t);
        if (object) say(t, "\"%s\":", q->sources[i]->name);
        write(t, q, context, i);
    }
    if (q->form != NAME) say(t, object ? "}" : "]");
}

static void write_source(struct text *t, const struct question *q, const void *context, int i) {
    (void)context;
    say(t, "\"%s\"", q->sources[i]->name);
}

static void write_name(struct text *t, const struct question *q, const void *context, int i) {
    (void)context;
    say(t, q->as[i] ? "\"%s\"" : "null", q->as[i]);
}

struct answer {
    const struct session *s;
    int gradients[ITEMS];
};

static void write_gradient(struct text *t, const struct question *q, const void *context, int i) {
    const struct answer *a = context;
    (void)q;
    say_value(t, a->gradients[i] == NONE ? NULL : &a->s->nodes[a->gradients[i]].value);
}

static void say_question(struct text *t, const struct question *q) {
    say(t, q->n_targets > 1 ? "{\"target\":[" : "{\"target\":");
    for (int i = 0; i < q->n_targets; i++) say(t, i ? ",\"%s\"" : "\"%s\"", q->targets[i]->name);
    if (q->n_targets > 1) say(t, "]");
    if (q->form != LEFT_OUT) {
        say(t, ",\"sources\":");
        say_form(t, q, NULL, write_source);
    }
    if (q->zero) say(t, ",\"unconnected_gradients\":\"zero\"");
    if (q->names) {
        say(t, ",\"as\":");
        say_form(t, q, NULL, write_name);
    }
    say(t, "}");
}

static bool is_recording(const struct session *s) {
    for (int i = 0; i < s->n_tapes; i++)
        if (s->tapes[i].recording) return true;
    return false;
}

static void differentiate(struct session *s, struct tape *tape, const struct question *q,
                          struct answer *a) {
    session_gradient(s, tape, q->targets, q->n_targets, q->sources, q->n_sources, a->gradients);
    for (int i = 0; i < q->n_sources && q->zero; i++) {
        const struct value *like = session_value(s, q->sources[i]);
        const struct value zeros = {.dtype = like->dtype, .length = like->length};
        if (a->gradients[i] == NONE) a->gradients[i] = session_leaf(s, &zeros);
    }
}

static void ask(struct client *c, struct session *s, struct tape *tape, const struct question *q) {
    struct answer a = {.s = s};
    const struct mark mark = session_mark(s);
    const bool recorded = tape->recording;
    if (!tape->persistent) tape->recording = false;
    differentiate(s, tape, q, &a);
    if (s->too_large) {
        session_rewind(s, &mark);
        tape->recording = recorded;
        return;
    }
    say_question(&c->body, q);
    client_ask(c, "POST");
    say(&c->wanted, "{\"gradient\":");
    say_form(&c->wanted, q, &a, write_gradient);
    if (tape->recording) say(&c->wanted, ",\"warnings\":[{\"code\":\"gradient_is_recorded\"}]");
    say(&c->wanted, "}");
    client_expect(c, 200);
    if (!q->names && !is_recording(s)) session_rewind(s, &mark);
    for (int i = 0; i < q->n_sources && q->names; i++)
        if (q->as[i]) session_name(s, q->as[i], TENSOR, a.gradients[i]);
    if (!tape->persistent) session_end_tape(s, tape, CONSUMED);
}

/* What is wrong leaves the tape as it was, also one that is used once. */
static void ask_wrongly(struct client *c) {
    const bool target = client_chance(c, 2);
    say(&c->body,
        target ? "{\"target\":null,\"sources\":[]}" : "{\"target\":\"z\",\"sources\":[]}");
    client_ask(c, "POST");
    client_expect_problem(c, 400, target ? "missing_gradient" : "unbound_name");
}

static void gradient(struct client *c, struct session *s) {
    const int number = draw_number(c, s);
    struct question q;
    client_path(c, "sessions/%s/tapes/t%d/gradient", s->id, number);
    if (!session_tape(s, number)) say(&c->body, "{\"target\":\"x\",\"sources\":\"y\"}");
    struct tape *tape = living(c, s, number, "POST");
    if (!tape) return;
    if (client_chance(c, 10)) {
        ask_wrongly(c);
        return;
    }
    draw_question(c, s, tape, &q);
    if (q.n_targets && (q.n_sources || q.form != NAME)) ask(c, s, tape, &q);
}

void operate_tape(struct client *c, struct session *s) {
    static void (*const operations[])(struct client *, struct session *) = {
        open_tape, open_tape, open_tape,  watch,    set_state, set_state, get_tape,
        gradient,  gradient,  list_tapes, gradient, gradient,  gradient,  delete_tape};
    operations[client_pick(c, sizeof operations / sizeof *operations)](c, s);
}
