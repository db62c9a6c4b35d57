/* RMSprop: Hinton, "Neural networks for machine learning", lecture 6e, 2012; centered: Graves, "Generating
 * sequences with recurrent neural networks", 2013 (arXiv:1308.0850). */
#include "core/optimizer_method.h"

enum { DECAY, MOMENTUM, EPSILON, CENTERED };
enum { RHO, REST, MU, EPS };

static void slots(struct slot_list *l) {
    slots_like(l, (const char *const[]){"velocity"}, 1, 0);
    if (l->config->own[MOMENTUM] > 0) slots_like(l, (const char *const[]){"momentum"}, 1, 0);
    if (l->config->own[CENTERED] != 0)
        slots_like(l, (const char *const[]){"average_gradient"}, 1, 0);
}

static void scalars(struct update *u) {
    const double *own = u->config->own;
    u->k[RHO] = update_number(u, own[DECAY]);
    u->k[REST] = update_number(u, 1 - own[DECAY]);
    u->k[EPS] = update_number(u, own[EPSILON]);
    if (own[MOMENTUM] > 0) u->k[MU] = update_number(u, own[MOMENTUM]);
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *v = update_slot(u, i, "velocity"), *m = update_slot(u, i, "momentum");
    node_id *a = update_slot(u, i, "average_gradient"), d;
    *v = d = update_mix(u, u->k[RHO], *v, u->k[REST], emit_square(t, g));
    if (a) {
        *a = update_mix(u, u->k[RHO], *a, u->k[REST], g);
        d = emit_subtract(t, d, emit_square(t, *a));
    }
    node_id step = emit_divide(t, emit_multiply(t, u->learning_rate, g),
                               emit1(t, OP_sqrt, emit_add(t, d, u->k[EPS])));
    if (m) *m = step = emit_add(t, emit_multiply(t, u->k[MU], *m), step);
    return emit_subtract(t, w, step);
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_rmsprop = {
    .name = "RMSprop",
    .formula = "v = rho * v + (1 - rho) * g^2\n"
               "centered:      a = rho * a + (1 - rho) * g\n"
               "               d = v - a^2 + epsilon\n"
               "otherwise:     d = v + epsilon\n"
               "momentum > 0:  m = momentum * m + learning_rate * g / sqrt(d)\n"
               "               w = w - m\n"
               "otherwise:     w = w - learning_rate * g / sqrt(d)",
    .source = "Hinton, Neural networks for machine learning, lecture 6e, 2012; centered: Graves, "
              "Generating sequences with recurrent neural networks, arXiv:1308.0850",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings = {[DECAY] = SETTING("rho", FLOAT, 0.9),
                 [MOMENTUM] = SETTING("momentum", FLOAT, 0.0),
                 [EPSILON] = SETTING("epsilon", FLOAT, 1e-7),
                 [CENTERED] = SETTING("centered", BOOL, false)},
    .method = &method};
