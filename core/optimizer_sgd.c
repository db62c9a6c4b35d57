/* Stochastic gradient descent with momentum: Sutskever, Martens, Dahl, Hinton, "On the importance of
 * initialization and momentum in deep learning", ICML 2013. */
#include "core/optimizer_method.h"

enum { MOMENTUM, NESTEROV };
enum { MU };

static void slots(struct slot_list *l) {
    if (l->config->own[MOMENTUM] != 0) slots_like(l, (const char *const[]){"momentum"}, 1, 0);
}

static void scalars(struct update *u) {
    if (u->config->own[MOMENTUM] != 0) u->k[MU] = update_number(u, u->config->own[MOMENTUM]);
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *m = update_slot(u, i, "momentum");
    const node_id mu = u->k[MU], step = emit_multiply(t, g, u->learning_rate);
    if (!m) return emit_subtract(t, w, step);
    *m = emit_subtract(t, emit_multiply(t, *m, mu), step);
    if (u->config->own[NESTEROV] == 0) return emit_add(t, w, *m);
    return emit_add(t, w, emit_subtract(t, emit_multiply(t, *m, mu), step));
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_sgd = {
    .name = "SGD",
    .formula = "momentum = 0:  w = w - g * learning_rate\n"
               "otherwise:     m = m * momentum - g * learning_rate\n"
               "  nesterov:    w = w + (m * momentum - g * learning_rate)\n"
               "  otherwise:   w = w + m",
    .source =
        "Sutskever et al., On the importance of initialization and momentum in deep learning, "
        "ICML 2013",
    .learning_rate = 0.01,
    .weight_decay = NAN,
    .settings = {[MOMENTUM] = SETTING("momentum", FLOAT, 0.0),
                 [NESTEROV] = SETTING("nesterov", BOOL, false)},
    .method = &method};
