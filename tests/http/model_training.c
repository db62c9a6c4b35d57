/* Random operations with a session's optimizer: an SGD of learning rate 1 with momentum 0 or 1, which
 * is exact on whole numbers. It says what the model does and what gradd must answer. */
#include <math.h>
#include <string.h>

#include "model.h"

enum { PAIRS = 3, FAR = 1000 };

void say_optimizer(struct text *t, const struct session *s) {
    say(t,
        "\"name\":\"SGD\",\"learning_rate\":1,\"weight_decay\":null,\"clipnorm\":null,"
        "\"clipvalue\":"
        "null,\"global_clipnorm\":null,\"use_ema\":false,\"ema_momentum\":0.99,"
        "\"ema_overwrite_frequency\":null,\"loss_scale_factor\":null,"
        "\"gradient_accumulation_steps\":null,\"momentum\":%d,\"nesterov\":false,"
        "\"exclude_from_weight_decay\":[],\"iterations\":%d",
        s->momentum, s->iterations);
}

static void expect_optimizer(struct client *c, const struct session *s, int status) {
    say(&c->wanted, "{");
    say_optimizer(&c->wanted, s);
    say(&c->wanted, "}");
    client_expect(c, status);
}

static void forget_momenta(struct session *s) {
    for (int i = 0; i < s->n_items; i++) s->items[i].has_momentum = false;
}

/* ---- the optimizer ---- */

static void put_optimizer(struct client *c, struct session *s) {
    const bool there = s->has_optimizer;
    s->momentum = client_pick(c, 2);
    s->iterations = client_chance(c, 3) ? client_pick(c, 100) : 0;
    s->has_optimizer = true;
    forget_momenta(s);
    say(&c->body, "{\"name\":\"sgd\",\"lr\":1,\"momentum\":%d.0,\"iterations\":%d}", s->momentum,
        s->iterations);
    client_ask(c, "PUT");
    expect_optimizer(c, s, there ? 200 : 201);
}

static void patch_optimizer(struct client *c, struct session *s) {
    const int momentum = client_pick(c, 2);
    say(&c->body, "{\"momentum\":%d.0}", momentum);
    client_ask(c, "PATCH");
    if (!s->has_optimizer) {
        client_expect_problem(c, 404, "not_found");
        return;
    }
    s->momentum = momentum;
    if (momentum == 0) forget_momenta(s);
    expect_optimizer(c, s, 200);
}

static void delete_optimizer(struct client *c, struct session *s) {
    client_ask(c, "DELETE");
    if (!s->has_optimizer) {
        client_expect_problem(c, 404, "not_found");
        return;
    }
    s->has_optimizer = false;
    forget_momenta(s);
    client_expect(c, 204);
}

/* With its slots. */
static void get_optimizer(struct client *c, struct session *s) {
    strcat(c->path, "?slots=true");
    client_ask(c, "GET");
    if (!s->has_optimizer) {
        client_expect_problem(c, 404, "not_found");
        return;
    }
    say(&c->wanted, "{");
    say_optimizer(&c->wanted, s);
    say(&c->wanted, ",\"slots\":{");
    if (s->iterations) say(&c->wanted, "\"$optimizer\":{\"iteration\":%d}", s->iterations);
    for (int i = 0; i < s->n_items; i++) {
        if (!s->items[i].has_momentum) continue;
        say_comma(&c->wanted);
        say(&c->wanted, "\"%s\":{\"momentum\":", s->items[i].name);
        say_value(&c->wanted, &s->items[i].momentum);
        say(&c->wanted, "}");
    }
    say(&c->wanted, "}}");
    client_expect(c, 200);
}

/* ---- steps ---- */

/* What a request for a step comes to. */
struct step {
    struct item after[ITEMS]; /* the session's items */
    struct item *named[PAIRS];
    bool has_gradient[PAIRS];
    int n, missing;
    const char *problem;
};

/* What is given to the optimizer has slots from then on, with a gradient or without. */
static void begin(const struct session *s, struct item *item) {
    if (!s->momentum || item->has_momentum) return;
    item->momentum = (struct value){.dtype = item->value.dtype, .length = item->value.length};
    item->has_momentum = true;
}

static void update(const struct session *s, struct item *item, const struct value *g) {
    struct value *m = &item->momentum;
    for (int i = 0; i < (g->length ? g->length : 1); i++) {
        if (s->momentum) m->at[i] -= g->at[i];
        item->value.at[i] += s->momentum ? m->at[i] : -g->at[i];
    }
}

/* A gradient for a variable: null, a value, or a name. NULL where it is None. */
static const struct value *random_gradient(struct client *c, struct session *s,
                                           const struct item *of, struct value *sent) {
    if (client_chance(c, 6)) {
        say(&c->body, "[null,");
        return NULL;
    }
    const struct item *item = client_chance(c, 2) ? random_item(c, s) : NULL;
    if (item) {
        say(&c->body, "[\"%s\",", item->name);
        return session_value(s, item);
    }
    *sent = random_value(c, s);
    if (of) sent->dtype = of->value.dtype;
    if (of && !client_chance(c, 8)) sent->length = of->value.length;
    say(&c->body, "[");
    say_value(&c->body, sent);
    say(&c->body, ",");
    return sent;
}

static const char *check_variable(const struct item *item) {
    if (!item) return "unbound_name";
    if (item->kind != VARIABLE) return "invalid_value";
    return item->value.dtype == I32 ? "dtype_mismatch" : NULL;
}

/* All gradients are read before the first variable is stepped. */
static void add_pair(struct client *c, struct session *s, struct step *step) {
    const char *name = random_name(c);
    struct item *item = session_find(s, name);
    struct value sent;
    const char *problem = check_variable(item);
    say_comma(&c->body);
    const struct value *g = random_gradient(c, s, problem ? NULL : item, &sent);
    say(&c->body, "\"%s\"]", name);
    if (!problem && g && g->length != item->value.length) problem = "shape_mismatch";
    if (step->problem || problem) {
        if (!step->problem) step->problem = problem;
        return;
    }
    struct item *after = &step->after[item - s->items];
    begin(s, after);
    step->has_gradient[step->n] = g;
    step->named[step->n++] = after;
    if (g)
        update(s, after, g);
    else
        step->missing++;
}

static bool is_near(const struct step *step) {
    for (int i = 0; i < step->n; i++)
        for (int k = 0; k < VECTOR; k++)
            if (fabs(step->named[i]->value.at[k]) > FAR ||
                (step->named[i]->has_momentum && fabs(step->named[i]->momentum.at[k]) > FAR))
                return false;
    return true;
}

static void expect_step(struct client *c, struct session *s, const struct step *step) {
    s->iterations++;
    say(&c->wanted, "{\"iterations\":%d,\"variables\":{", s->iterations);
    for (int i = 0; i < step->n; i++) {
        bool said = false;
        for (int k = 0; k < i; k++) said = said || step->named[k] == step->named[i];
        if (step->has_gradient[i]) item_changed(step->named[i], "");
        if (said) continue;
        say_comma(&c->wanted);
        say(&c->wanted, "\"%s\":", step->named[i]->name);
        say_value(&c->wanted, &step->named[i]->value);
    }
    say(&c->wanted, "}%s}", step->missing ? ",\"warnings\":[{\"code\":\"missing_gradient\"}]" : "");
    memcpy(s->items, step->after, sizeof s->items);
    client_expect(c, 200);
}

static void apply_gradients(struct client *c, struct session *s) {
    struct step step = {.n = 0};
    memcpy(step.after, s->items, sizeof step.after);
    client_path(c, "sessions/%s/apply_gradients", s->id);
    say(&c->body, "{\"grads_and_vars\":[");
    for (int i = client_pick(c, PAIRS); i >= 0; i--) add_pair(c, s, &step);
    say(&c->body, "]}");
    if (!is_near(&step)) {
        c->body.length = 0;
        return;
    }
    client_ask(c, "POST");
    if (!s->has_optimizer) {
        client_expect_problem(c, 404, "not_found");
        return;
    }
    if (step.problem || step.missing == step.n) {
        client_expect_problem(c, 400, step.problem ? step.problem : "missing_gradient");
        return;
    }
    expect_step(c, s, &step);
}

void operate_training(struct client *c, struct session *s) {
    static void (*const operations[])(struct client *, struct session *) = {
        put_optimizer,   patch_optimizer, delete_optimizer, get_optimizer,
        apply_gradients, apply_gradients, apply_gradients,  apply_gradients};
    client_path(c, "sessions/%s/optimizer", s->id);
    operations[client_pick(c, s->has_optimizer ? 8 : 5)](c, s);
}
