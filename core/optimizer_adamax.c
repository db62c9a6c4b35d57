/* Adamax: section 7.1 of Kingma, Ba, "Adam: a method for stochastic optimization", 2014
 * (arXiv:1412.6980). */
#include "core/optimizer_method.h"

enum { BETA_1, BETA_2, EPSILON };
enum { REST_1, DECAY_2, CORRECTION, EPS };

static void slots(struct slot_list *l) {
    slots_like(l, (const char *const[]){"momentum", "norm"}, 2, 0);
}

static void scalars(struct update *u) {
    const double *own = u->config->own;
    u->k[REST_1] = update_number(u, 1 - own[BETA_1]);
    u->k[DECAY_2] = update_number(u, own[BETA_2]);
    u->k[CORRECTION] =
        update_rest(u, emit_pow(u->tape, update_number(u, own[BETA_1]), update_count(u, 1)));
    u->k[EPS] = update_number(u, own[EPSILON]);
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *m = update_slot(u, i, "momentum"), *n = update_slot(u, i, "norm");
    *m = update_toward(u, *m, g, u->k[REST_1]);
    *n = emit2(t, OP_maximum, emit_multiply(t, u->k[DECAY_2], *n), emit1(t, OP_abs, g));
    return emit_subtract(
        t, w,
        emit_divide(t, emit_multiply(t, u->learning_rate, *m),
                    emit_multiply(t, u->k[CORRECTION], emit_add(t, *n, u->k[EPS]))));
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_adamax = {
    .name = "Adamax",
    .formula = "t = iterations + 1\n"
               "m = m + (g - m) * (1 - beta_1)\n"
               "u = max(beta_2 * u, |g|)\n"
               "w = w - learning_rate * m / ((1 - beta_1^t) * (u + epsilon))",
    .source =
        "Kingma, Ba, Adam: a method for stochastic optimization, arXiv:1412.6980, section 7.1",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings = {[BETA_1] = SETTING("beta_1", FLOAT, 0.9),
                 [BETA_2] = SETTING("beta_2", FLOAT, 0.999),
                 [EPSILON] = SETTING("epsilon", FLOAT, 1e-7)},
    .method = &method};
