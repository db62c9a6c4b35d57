/* Adadelta: Zeiler, "ADADELTA: an adaptive learning rate method", 2012 (arXiv:1212.5701). */
#include "core/optimizer_method.h"

enum { DECAY, EPSILON };
enum { RHO, REST, EPS };

static void slots(struct slot_list *l) {
    slots_like(l, (const char *const[]){"accumulated_grad", "accumulated_delta_var"}, 2, 0);
}

static void scalars(struct update *u) {
    u->k[RHO] = update_number(u, u->config->own[DECAY]);
    u->k[REST] = update_number(u, 1 - u->config->own[DECAY]);
    u->k[EPS] = update_number(u, u->config->own[EPSILON]);
}

static node_id rms(const struct update *u, node_id x) {
    return emit1(u->tape, OP_sqrt, emit_add(u->tape, x, u->k[EPS]));
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *a = update_slot(u, i, "accumulated_grad");
    node_id *d = update_slot(u, i, "accumulated_delta_var");
    *a = update_mix(u, u->k[RHO], *a, u->k[REST], emit_square(t, g));
    const node_id step =
        emit_negative(t, emit_divide(t, emit_multiply(t, rms(u, *d), g), rms(u, *a)));
    *d = update_mix(u, u->k[RHO], *d, u->k[REST], emit_square(t, step));
    return emit_add(t, w, emit_multiply(t, u->learning_rate, step));
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_adadelta = {
    .name = "Adadelta",
    .formula = "a = rho * a + (1 - rho) * g^2\n"
               "step = -(sqrt(d + epsilon) * g / sqrt(a + epsilon))\n"
               "d = rho * d + (1 - rho) * step^2\n"
               "w = w + learning_rate * step",
    .source = "Zeiler, ADADELTA: an adaptive learning rate method, arXiv:1212.5701",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings =
        {[DECAY] = SETTING("rho", FLOAT, 0.95), [EPSILON] = SETTING("epsilon", FLOAT, 1e-7)},
    .method = &method};
