/* Follow the regularized leader: McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013;
 * the shrinkage of gradients is TensorFlow's. */
#include "core/optimizer_method.h"

enum {
    LEARNING_RATE_POWER,
    INITIAL_ACCUMULATOR_VALUE,
    L1_REGULARIZATION_STRENGTH,
    L2_REGULARIZATION_STRENGTH,
    L2_SHRINKAGE_REGULARIZATION_STRENGTH,
    BETA
};
enum { POWER, L1, MINUS_L1, TWICE_L2, TWICE_SHRINKAGE };

static void slots(struct slot_list *l) {
    for (size_t i = 0; i < l->n_members; i++) {
        const struct optimizer_variable *v = &l->variables[l->members[i]];
        struct optimizer_slot slot = {.name = "accumulator",
                                      .variable = l->members[i],
                                      .dtype = v->dtype,
                                      .shape = v->shape,
                                      .initial = l->config->own[INITIAL_ACCUMULATOR_VALUE]};
        slot_add(l, slot);
        slot.name = "linear";
        slot.initial = 0;
        slot_add(l, slot);
    }
}

static void scalars(struct update *u) {
    struct tape *t = u->tape;
    const double *own = u->config->own;
    const node_id two = emit_like(t, u->learning_rate, 2);
    const node_id from_beta =
        emit_divide(t, update_number(u, own[BETA]), emit_multiply(t, two, u->learning_rate));
    const node_id l2 = emit_add(t, update_number(u, own[L2_REGULARIZATION_STRENGTH]), from_beta);
    u->k[POWER] = update_number(u, -own[LEARNING_RATE_POWER]);
    u->k[L1] = update_number(u, own[L1_REGULARIZATION_STRENGTH]);
    u->k[MINUS_L1] = update_number(u, -own[L1_REGULARIZATION_STRENGTH]);
    u->k[TWICE_L2] = emit_multiply(t, two, l2);
    u->k[TWICE_SHRINKAGE] = update_number(u, 2 * own[L2_SHRINKAGE_REGULARIZATION_STRENGTH]);
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *n = update_slot(u, i, "accumulator"), *z = update_slot(u, i, "linear");
    const node_id shrunk = emit_add(t, g, emit_multiply(t, u->k[TWICE_SHRINKAGE], w));
    const node_id next = emit_add(t, *n, emit_square(t, g));
    const node_id power = emit_pow(t, next, u->k[POWER]);
    const node_id growth = emit_subtract(t, power, emit_pow(t, *n, u->k[POWER]));
    const node_id sigma = emit_divide(t, growth, u->learning_rate);
    *n = next;
    *z = emit_add(t, *z, emit_subtract(t, shrunk, emit_multiply(t, sigma, w)));
    const node_id q = emit_add(t, emit_divide(t, power, u->learning_rate), u->k[TWICE_L2]);
    const node_id clipped =
        emit2(t, OP_maximum, emit2(t, OP_minimum, *z, u->k[L1]), u->k[MINUS_L1]);
    return emit_divide(t, emit_subtract(t, clipped, *z), q);
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_ftrl = {
    .name = "Ftrl",
    .formula = "p = -learning_rate_power, l1 and l2 are the regularization strengths\n"
               "l2 = l2 + beta / (2 * learning_rate)\n"
               "n_next = n + g^2, from initial_accumulator_value on\n"
               "z = z + (g + 2 * l2_shrinkage * w - (n_next^p - n^p) / learning_rate * w)\n"
               "q = n_next^p / learning_rate + 2 * l2\n"
               "w = (clip(z, -l1, l1) - z) / q\n"
               "n = n_next",
    .source = "McMahan et al., Ad click prediction: a view from the trenches, KDD 2013",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings = {[LEARNING_RATE_POWER] = SETTING("learning_rate_power", FLOAT, -0.5),
                 [INITIAL_ACCUMULATOR_VALUE] = SETTING("initial_accumulator_value", FLOAT, 0.1),
                 [L1_REGULARIZATION_STRENGTH] = SETTING("l1_regularization_strength", FLOAT, 0.0),
                 [L2_REGULARIZATION_STRENGTH] = SETTING("l2_regularization_strength", FLOAT, 0.0),
                 [L2_SHRINKAGE_REGULARIZATION_STRENGTH] =
                     SETTING("l2_shrinkage_regularization_strength", FLOAT, 0.0),
                 [BETA] = SETTING("beta", FLOAT, 0.0)},
    .method = &method};
