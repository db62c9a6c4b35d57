/* ScheduleFreeAdamW: Defazio et al., "The road less scheduled", 2024 (arXiv:2405.15682). The variable is
 * where gradients are taken; the slot `momentum` (z) is where Adam's step without momentum goes, and their
 * average x follows from both. */
#include "core/optimizer_method.h"

enum { BETA_1, BETA_2, EPSILON, WARMUP_STEPS };
enum { RATE, INTERPOLATION, REST_1, REST_2, CORRECTION, WEIGHT, OLD_WEIGHT, EPS };

static void slots(struct slot_list *l) {
    for (size_t i = 0; i < l->n_members; i++) {
        const struct optimizer_variable *v = &l->variables[l->members[i]];
        struct optimizer_slot slot = {.name = "momentum",
                                      .variable = l->members[i],
                                      .dtype = v->dtype,
                                      .shape = v->shape,
                                      .copies = true};
        slot_add(l, slot);
        slot.name = "velocity";
        slot.copies = false;
        slot_add(l, slot);
    }
}

static void scalars(struct update *u) {
    struct tape *t = u->tape;
    const double *own = u->config->own;
    const node_id count = update_count(u, 1), one = emit_like(t, count, 1);
    const node_id beta_2 = update_number(u, own[BETA_2]);
    u->k[RATE] = u->learning_rate;
    if (own[WARMUP_STEPS] > 0) {
        const node_id share = emit_divide(t, count, update_number(u, own[WARMUP_STEPS]));
        u->k[RATE] = emit_multiply(t, u->k[RATE], emit2(t, OP_minimum, share, one));
    }
    u->k[INTERPOLATION] = update_number(u, own[BETA_1]);
    u->k[REST_1] = update_rest(u, u->k[INTERPOLATION]);
    u->k[REST_2] = update_rest(u, beta_2);
    u->k[CORRECTION] = update_rest(u, emit_pow(t, beta_2, count));
    u->k[WEIGHT] = emit_divide(t, one, count);
    u->k[OLD_WEIGHT] = update_rest(u, u->k[WEIGHT]);
    u->k[EPS] = update_number(u, own[EPSILON]);
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *z = update_slot(u, i, "momentum"), *v = update_slot(u, i, "velocity");
    node_id x = emit_divide(t, emit_subtract(t, w, emit_multiply(t, u->k[REST_1], *z)),
                            u->k[INTERPOLATION]);
    *v = update_toward(u, *v, emit_square(t, g), u->k[REST_2]);
    const node_id root = emit1(t, OP_sqrt, emit_divide(t, *v, u->k[CORRECTION]));
    *z = emit_subtract(
        t, *z, emit_divide(t, emit_multiply(t, u->k[RATE], g), emit_add(t, root, u->k[EPS])));
    x = update_mix(u, u->k[OLD_WEIGHT], x, u->k[WEIGHT], *z);
    return update_mix(u, u->k[REST_1], *z, u->k[INTERPOLATION], x);
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_schedule_free_adam_w = {
    .name = "ScheduleFreeAdamW",
    .formula = "t = iterations + 1\n"
               "warmup_steps > 0:  rate = learning_rate * min(t / warmup_steps, 1)\n"
               "otherwise:         rate = learning_rate\n"
               "x = (w - (1 - beta_1) * z) / beta_1, where z begins as w\n"
               "v = v + (g^2 - v) * (1 - beta_2)\n"
               "z = z - rate * g / (sqrt(v / (1 - beta_2^t)) + epsilon)\n"
               "x = (1 - 1 / t) * x + 1 / t * z\n"
               "w = (1 - beta_1) * z + beta_1 * x",
    .source = "Defazio et al., The road less scheduled, arXiv:2405.15682",
    .learning_rate = 0.0025,
    .weight_decay = NAN,
    .settings = {[BETA_1] = SETTING("beta_1", FLOAT, 0.9),
                 [BETA_2] = SETTING("beta_2", FLOAT, 0.999),
                 [EPSILON] = SETTING("epsilon", FLOAT, 1e-8),
                 [WARMUP_STEPS] = SETTING("warmup_steps", INT, 0)},
    .method = &method};
