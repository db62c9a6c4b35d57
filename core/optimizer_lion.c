/* Lion: Chen et al., "Symbolic discovery of optimization algorithms", 2023 (arXiv:2302.06675). */
#include "core/optimizer_method.h"

enum { BETA_1, BETA_2 };
enum { DECAY_1, REST_1, DECAY_2, REST_2 };

static void slots(struct slot_list *l) { slots_like(l, (const char *const[]){"momentum"}, 1, 0); }

static void scalars(struct update *u) {
    u->k[DECAY_1] = update_number(u, u->config->own[BETA_1]);
    u->k[DECAY_2] = update_number(u, u->config->own[BETA_2]);
    u->k[REST_1] = update_rest(u, u->k[DECAY_1]);
    u->k[REST_2] = update_rest(u, u->k[DECAY_2]);
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *m = update_slot(u, i, "momentum");
    const node_id direction = emit_sign(t, update_mix(u, u->k[DECAY_1], *m, u->k[REST_1], g));
    *m = update_mix(u, u->k[DECAY_2], *m, u->k[REST_2], g);
    return emit_subtract(t, w, emit_multiply(t, u->learning_rate, direction));
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_lion = {
    .name = "Lion",
    .formula = "w = w - learning_rate * sign(m * beta_1 + g * (1 - beta_1))\n"
               "m = m * beta_2 + g * (1 - beta_2)",
    .source = "Chen et al., Symbolic discovery of optimization algorithms, arXiv:2302.06675",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings =
        {[BETA_1] = SETTING("beta_1", FLOAT, 0.9), [BETA_2] = SETTING("beta_2", FLOAT, 0.99)},
    .method = &method};
