/* Random graphs: small polynomials of what has a name, right and wrong ones, and their execution. */
#include <stdio.h>
#include <string.h>

#include "model.h"

/* What a graph may name: an item, or what a statement before has named. */
struct operand {
    const char *name;
    const struct item *item; /* NULL: a local */
    int node;
    const struct value *value;
};

struct graph {
    struct client *c;
    struct session *s;
    const struct local *locals;
    int n_locals;
    enum dtype dtype;
};

static bool is_local(const struct graph *g, const char *name) {
    for (int i = 0; i < g->n_locals; i++)
        if (strcmp(g->locals[i].name, name) == 0) return true;
    return false;
}

/* One of those of the graph's dtype (`any`: of any dtype); false where there is none. */
static bool draw(const struct graph *g, bool any, struct operand *out) {
    struct operand found[ITEMS + STATEMENTS];
    struct session *s = g->s;
    int n = 0;
    for (int i = 0; i < s->n_items; i++) {
        const struct item *item = &s->items[i];
        const struct value *v = session_value(s, item);
        if (v && (any || v->dtype == g->dtype) && !is_local(g, item->name))
            found[n++] = (struct operand){item->name, item, NONE, v};
    }
    for (int i = 0; i < g->n_locals; i++) {
        const struct value *v = &s->nodes[g->locals[i].node].value;
        if (any || v->dtype == g->dtype)
            found[n++] = (struct operand){g->locals[i].name, NULL, g->locals[i].node, v};
    }
    if (n) *out = found[client_pick(g->c, n)];
    return n;
}

static int use(const struct graph *g, const struct operand *o) {
    say(&g->c->body, "%s", o->name);
    return o->item ? session_use(g->s, o->item) : o->node;
}

static int literal(const struct graph *g) {
    const struct value v = {.dtype = g->dtype, .at = {1 + client_pick(g->c, 4)}};
    say(&g->c->body, "%.0f", v.at[0]);
    return session_leaf(g->s, &v);
}

static int expression(const struct graph *g, int depth);

static int binary(const struct graph *g, int depth) {
    static const char *const signs[] = {[ADD] = " + ", [SUB] = " - ", [MUL] = " * "};
    const enum op op = (enum op)(ADD + client_pick(g->c, 3));
    say(&g->c->body, "(");
    const int a = expression(g, depth - 1);
    say(&g->c->body, "%s", signs[op]);
    const int b = client_chance(g->c, 4) ? literal(g) : expression(g, depth - 1);
    say(&g->c->body, ")");
    return session_op(g->s, op, a, b);
}

static int unary(const struct graph *g, int depth) {
    static const char *const words[] = {
        [NEG] = "(-", [SQUARE] = "square(", [STOP] = "stop_gradient("};
    static const enum op ops[] = {NEG, SQUARE, SQUARE, STOP};
    const enum op op = ops[client_pick(g->c, 4)];
    say(&g->c->body, "%s", words[op]);
    const int a = expression(g, depth - 1);
    say(&g->c->body, ")");
    return session_op(g->s, op, a, NONE);
}

/* With depth 0 a name, else an op at the least. */
static int expression(const struct graph *g, int depth) {
    struct operand o = {0};
    draw(g, false, &o);
    if (depth == 0) return use(g, &o);
    if (o.value && o.value->length && client_chance(g->c, 4)) {
        say(&g->c->body, "reduce_sum(");
        const int a = use(g, &o);
        say(&g->c->body, ")");
        return session_op(g->s, SUM, a, NONE);
    }
    return client_chance(g->c, 4) ? unary(g, depth) : binary(g, depth);
}

int random_graph(struct client *c, struct session *s, struct local locals[STATEMENTS]) {
    struct graph g = {.c = c, .s = s, .locals = locals};
    const int n = 1 + client_pick(c, STATEMENTS);
    const size_t begin = c->body.length;
    for (; g.n_locals < n; g.n_locals++) {
        struct operand o;
        const char *name = random_name(c);
        const struct item *item = session_find(s, name);
        if ((item && item->kind != TENSOR) || is_local(&g, name) || !draw(&g, true, &o)) break;
        g.dtype = o.value->dtype;
        say(&c->body, "%s%s = ", g.n_locals ? "; " : "", name);
        const int node = expression(&g, 1 + client_pick(c, 2));
        locals[g.n_locals].node = node;
        snprintf(locals[g.n_locals].name, sizeof locals->name, "%s", name);
    }
    if (!s->too_large) return g.n_locals;
    c->body.length = begin;
    return 0;
}

void keep_locals(struct session *s, const struct local *locals, int n) {
    for (int i = 0; i < n; i++) session_name(s, locals[i].name, TENSOR, locals[i].node);
}

static void right(struct client *c, struct session *s) {
    struct local locals[STATEMENTS];
    const struct mark mark = session_mark(s);
    say(&c->body, "{\"graph\":\"");
    const int n = random_graph(c, s, locals);
    if (!n) {
        session_rewind(s, &mark);
        c->body.length = 0;
        return;
    }
    const bool fetches = client_chance(c, 3);
    say(&c->body, fetches ? "\",\"fetch\":[" : "\"");
    say(&c->wanted, fetches ? "{\"value\":[" : "{\"value\":");
    for (int i = fetches ? 0 : n - 1; i < n; i++) {
        if (fetches) {
            say_comma(&c->body);
            say(&c->body, "\"%s\"", locals[i].name);
            say_comma(&c->wanted);
        }
        say_value(&c->wanted, &s->nodes[locals[i].node].value);
    }
    say(&c->body, fetches ? "]}" : "}");
    say(&c->wanted, fetches ? "]}" : "}");
    client_path(c, "sessions/%s/execute", s->id);
    client_ask(c, "POST");
    client_expect(c, 200);
    keep_locals(s, locals, n);
}

/* A graph that fails, and why; NULL where nothing is at hand. */
static const char *spoil(struct client *c, struct session *s) {
    const struct item *x = random_item(c, s), *y = random_item(c, s);
    const char *name = random_name(c);
    if (!x) return NULL;
    const struct value *v = session_value(s, x), *w = session_value(s, y);
    const struct item *named = session_find(s, name);
    say(&c->body, "{\"graph\":\"");
    switch (client_pick(c, 5)) {
    case 0:
        say(&c->body, "z = %s * 2; v = z + nobody", x->name);
        return "unbound_name";
    case 1:
        if (v->dtype == w->dtype) return NULL;
        say(&c->body, "z = square(%s); v = z * %s", x->name, y->name);
        return "dtype_mismatch";
    case 2:
        if (!v->length) return NULL;
        say(&c->body, "z = square(%s); v = z + [1, 2]", x->name);
        return "shape_mismatch";
    case 3:
        if (!named || named->kind == TENSOR) return NULL;
        say(&c->body, "z = square(%s); %s = z + 1", x->name, name);
        return "duplicate_name";
    default:
        if (!named || session_value(s, named)) return NULL;
        say(&c->body, "z = square(%s); v = z + %s", x->name, name);
        return "missing_gradient";
    }
}

void operate_execute(struct client *c, struct session *s) {
    if (!client_chance(c, 8)) {
        right(c, s);
        return;
    }
    const char *code = spoil(c, s);
    if (!code) {
        c->body.length = 0;
        return;
    }
    say(&c->body, "\"}");
    client_path(c, "sessions/%s/execute", s->id);
    client_ask(c, "POST");
    client_expect_problem(c, 400, code);
}
