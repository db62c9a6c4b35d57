/* Adam: Kingma, Ba, "Adam: a method for stochastic optimization", 2014 (arXiv:1412.6980), in the form that
 * stands before its section 2.1, whose epsilon is not corrected for bias; amsgrad: Reddi, Kale, Kumar, "On
 * the convergence of Adam and beyond", 2018. AdamW: Loshchilov, Hutter, 2017 (arXiv:1711.05101), whose
 * decay of weights is the common one. */
#include "core/optimizer_adam.h"

enum { BETA_1, BETA_2, EPSILON, AMSGRAD };

static void slots(struct slot_list *l) {
    slots_like(l, (const char *const[]){"momentum", "velocity"}, 2, 0);
    if (l->config->own[AMSGRAD] != 0) slots_like(l, (const char *const[]){"velocity_hat"}, 1, 0);
}

void adam_scalars(struct update *u, node_id rate, double beta_1, double beta_2, double epsilon) {
    struct tape *t = u->tape;
    const node_id count = update_count(u, 1);
    const node_id beta_1_power = emit_pow(t, update_number(u, beta_1), count);
    const node_id beta_2_power = emit_pow(t, update_number(u, beta_2), count);
    const node_id root = emit1(t, OP_sqrt, update_rest(u, beta_2_power));
    u->k[ADAM_ALPHA] = emit_divide(t, emit_multiply(t, rate, root), update_rest(u, beta_1_power));
    u->k[ADAM_REST_1] = update_number(u, 1 - beta_1);
    u->k[ADAM_REST_2] = update_number(u, 1 - beta_2);
    u->k[ADAM_EPSILON] = update_number(u, epsilon);
}

static void scalars(struct update *u) {
    const double *own = u->config->own;
    adam_scalars(u, u->learning_rate, own[BETA_1], own[BETA_2], own[EPSILON]);
}

node_id adam_update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *m = update_slot(u, i, "momentum"), *v = update_slot(u, i, "velocity");
    node_id *v_hat = update_slot(u, i, "velocity_hat");
    *m = update_toward(u, *m, g, u->k[ADAM_REST_1]);
    *v = update_toward(u, *v, emit_square(t, g), u->k[ADAM_REST_2]);
    if (v_hat) *v_hat = emit2(t, OP_maximum, *v_hat, *v);
    const node_id root = emit1(t, OP_sqrt, v_hat ? *v_hat : *v);
    return emit_subtract(t, w,
                         emit_divide(t, emit_multiply(t, *m, u->k[ADAM_ALPHA]),
                                     emit_add(t, root, u->k[ADAM_EPSILON])));
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = adam_update};

#define FORMULA                                                                                    \
    "t = iterations + 1\n"                                                                         \
    "alpha = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)\n"                                \
    "m = m + (g - m) * (1 - beta_1)\n"                                                             \
    "v = v + (g^2 - v) * (1 - beta_2)\n"                                                           \
    "amsgrad:    v_hat = max(v_hat, v)\n"                                                          \
    "            w = w - m * alpha / (sqrt(v_hat) + epsilon)\n"                                    \
    "otherwise:  w = w - m * alpha / (sqrt(v) + epsilon)"

#define SETTINGS                                                                                   \
    {                                                                                              \
        [BETA_1] = SETTING("beta_1", FLOAT, 0.9), [BETA_2] = SETTING("beta_2", FLOAT, 0.999),      \
        [EPSILON] = SETTING("epsilon", FLOAT, 1e-7), [AMSGRAD] = SETTING("amsgrad", BOOL, false),  \
    }

const struct optimizer optimizer_adam = {
    .name = "Adam",
    .formula = FORMULA,
    .source = "Kingma, Ba, Adam: a method for stochastic optimization, arXiv:1412.6980; amsgrad: "
              "Reddi, Kale, Kumar, On the convergence of Adam and beyond, ICLR 2018",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings = SETTINGS,
    .method = &method};

const struct optimizer optimizer_adam_w = {
    .name = "AdamW",
    .formula = "w = w - w * weight_decay * learning_rate\n" FORMULA,
    .source = "Loshchilov, Hutter, Decoupled weight decay regularization, arXiv:1711.05101",
    .learning_rate = 0.001,
    .weight_decay = 0.004,
    .settings = SETTINGS,
    .method = &method};
