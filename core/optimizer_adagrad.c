/* Adagrad: Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning and stochastic
 * optimization", JMLR 12, 2011. */
#include "core/optimizer_method.h"

enum { INITIAL_ACCUMULATOR_VALUE, EPSILON };
enum { EPS };

static void slots(struct slot_list *l) {
    slots_like(l, (const char *const[]){"accumulator"}, 1,
               l->config->own[INITIAL_ACCUMULATOR_VALUE]);
}

static void scalars(struct update *u) { u->k[EPS] = update_number(u, u->config->own[EPSILON]); }

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *a = update_slot(u, i, "accumulator");
    *a = emit_add(t, *a, emit_square(t, g));
    return emit_subtract(t, w,
                         emit_divide(t, emit_multiply(t, u->learning_rate, g),
                                     emit1(t, OP_sqrt, emit_add(t, *a, u->k[EPS]))));
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_adagrad = {
    .name = "Adagrad",
    .formula = "a = a + g^2, from initial_accumulator_value on\n"
               "w = w - learning_rate * g / sqrt(a + epsilon)",
    .source = "Duchi, Hazan, Singer, Adaptive subgradient methods for online learning and "
              "stochastic optimization, JMLR 12, 2011",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings = {[INITIAL_ACCUMULATOR_VALUE] = SETTING("initial_accumulator_value", FLOAT, 0.1),
                 [EPSILON] = SETTING("epsilon", FLOAT, 1e-7)},
    .method = &method};
