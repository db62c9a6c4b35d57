/* Lamb: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2019
 * (arXiv:1904.00962). As in Keras the decay of weights is the common one and not part of the update. */
#include "core/optimizer_method.h"

enum { BETA_1, BETA_2, EPSILON };
enum { REST_1, REST_2, CORRECTION_1, CORRECTION_2, EPS };

static void slots(struct slot_list *l) {
    slots_like(l, (const char *const[]){"momentum", "velocity"}, 2, 0);
}

static void scalars(struct update *u) {
    struct tape *t = u->tape;
    const double *own = u->config->own;
    const node_id count = update_count(u, 1);
    u->k[REST_1] = update_number(u, 1 - own[BETA_1]);
    u->k[REST_2] = update_number(u, 1 - own[BETA_2]);
    u->k[CORRECTION_1] = update_rest(u, emit_pow(t, update_number(u, own[BETA_1]), count));
    u->k[CORRECTION_2] = update_rest(u, emit_pow(t, update_number(u, own[BETA_2]), count));
    u->k[EPS] = update_number(u, own[EPSILON]);
}

static node_id norm(struct tape *t, node_id x) { return emit1(t, OP_sqrt, sum_of_squares(t, x)); }

/* |w| / |step| where both are above 0, else 1. */
static node_id trust(struct tape *t, node_id w, node_id step) {
    const node_id w_norm = norm(t, w), step_norm = norm(t, step);
    const node_id zero = emit_like(t, w_norm, 0), one = emit_like(t, w_norm, 1);
    const node_id ratio =
        emit_where(t, emit_greater(t, step_norm, zero), emit_divide(t, w_norm, step_norm), one);
    return emit_where(t, emit_greater(t, w_norm, zero), ratio, one);
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *m = update_slot(u, i, "momentum"), *v = update_slot(u, i, "velocity");
    *m = update_toward(u, *m, g, u->k[REST_1]);
    *v = update_toward(u, *v, emit_square(t, g), u->k[REST_2]);
    const node_id root = emit1(t, OP_sqrt, emit_divide(t, *v, u->k[CORRECTION_2]));
    const node_id step =
        emit_divide(t, emit_divide(t, *m, u->k[CORRECTION_1]), emit_add(t, root, u->k[EPS]));
    const node_id rate = emit_multiply(t, trust(t, w, step), u->learning_rate);
    return emit_subtract(t, w, emit_multiply(t, rate, step));
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_lamb = {
    .name = "Lamb",
    .formula = "t = iterations + 1\n"
               "m = m + (g - m) * (1 - beta_1)\n"
               "v = v + (g^2 - v) * (1 - beta_2)\n"
               "u = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)\n"
               "|w| > 0 and |u| > 0:  ratio = |w| / |u|\n"
               "otherwise:            ratio = 1\n"
               "w = w - ratio * learning_rate * u",
    .source = "You et al., Large batch optimization for deep learning: training BERT in 76 "
              "minutes, arXiv:1904.00962",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings = {[BETA_1] = SETTING("beta_1", FLOAT, 0.9),
                 [BETA_2] = SETTING("beta_2", FLOAT, 0.999),
                 [EPSILON] = SETTING("epsilon", FLOAT, 1e-7)},
    .method = &method};
