/* Muon: Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024, with the scale of Liu et
 * al., "Muon is scalable for LLM training", 2025 (arXiv:2502.16982). What is no matrix, or is excluded, goes
 * by Adam. */
#include <string.h>

#include "core/optimizer_adam.h"

enum {
    ADAM_BETA_1,
    ADAM_BETA_2,
    ADAM_WEIGHT_DECAY,
    ADAM_EPS,
    EXCLUDE_EMBEDDINGS,
    MUON_A,
    MUON_B,
    MUON_C,
    ADAM_LR_RATIO,
    MOMENTUM,
    NS_STEPS,
    NESTEROV,
    RMS_RATE
};
enum { A = ADAM_SCALARS, B, C, MU, MU_LESS_1, RMS, DECAY, ADAM_DECAY };

static bool by_adam(const struct optimizer_config *c, optimizer_matches matches,
                    const struct optimizer_variable *v) {
    if (v->shape.rank != 2) return true;
    if (c->own[EXCLUDE_EMBEDDINGS] != 0 && strcasestr(v->name, "embedding")) return true;
    for (size_t i = 0; i < c->n_exclude_layers; i++)
        if (matches(c->exclude_layers[i], v->name, false)) return true;
    return false;
}

static void slots(struct slot_list *l) {
    for (size_t i = 0; i < l->n_members; i++) {
        const struct optimizer_variable *v = &l->variables[l->members[i]];
        struct optimizer_slot slot = {
            .name = "momentum", .variable = l->members[i], .dtype = v->dtype, .shape = v->shape};
        slot_add(l, slot);
        slot.name = "velocity";
        if (by_adam(l->config, l->matches, v)) slot_add(l, slot);
    }
}

static node_id optional_number(const struct update *u, double value) {
    return isnan(value) ? NODE_NONE : update_number(u, value);
}

static void scalars(struct update *u) {
    const double *own = u->config->own;
    const node_id ratio = update_number(u, own[ADAM_LR_RATIO]);
    adam_scalars(u, emit_multiply(u->tape, u->learning_rate, ratio), own[ADAM_BETA_1],
                 own[ADAM_BETA_2], own[ADAM_EPS]);
    u->k[A] = update_number(u, own[MUON_A]);
    u->k[B] = update_number(u, own[MUON_B]);
    u->k[C] = update_number(u, own[MUON_C]);
    u->k[MU] = update_number(u, own[MOMENTUM]);
    u->k[MU_LESS_1] = update_number(u, own[MOMENTUM] - 1);
    u->k[RMS] = optional_number(u, own[RMS_RATE]);
    u->k[DECAY] = optional_number(u, u->config->common[COMMON_WEIGHT_DECAY]);
    u->k[ADAM_DECAY] = optional_number(u, own[ADAM_WEIGHT_DECAY]);
}

static node_id weight_decay(const struct update *u, uint32_t i) {
    return u->k[update_slot(u, i, "velocity") ? ADAM_DECAY : DECAY];
}

/* Newton's and Schulz's iteration towards the nearest orthogonal matrix: X = a X + (b A + c A A) X, where
 * A = X X^T, on the side where A is the smaller one. */
static node_id orthogonalized(const struct update *u, node_id x, const struct shape *shape) {
    struct tape *t = u->tape;
    const bool tall = shape->dim[0] > shape->dim[1];
    if (tall) x = emit_adjoint(t, x);
    const node_id norm = emit1(t, OP_sqrt, sum_of_squares(t, x));
    x = emit_divide(t, x, emit_add(t, norm, emit_like(t, norm, 1e-7)));
    const int64_t steps = (int64_t)u->config->own[NS_STEPS];
    for (int64_t i = 0; i < steps && tape_ok(t); i++) {
        const node_id a = emit_matmul(t, x, x, false, true);
        const node_id aa = emit_matmul(t, emit_multiply(t, u->k[C], a), a, false, false);
        const node_id b = emit_add(t, emit_multiply(t, u->k[B], a), aa);
        x = emit_add(t, emit_multiply(t, u->k[A], x), emit_matmul(t, b, x, false, false));
    }
    return tall ? emit_adjoint(t, x) : x;
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    if (update_slot(u, i, "velocity")) return adam_update(u, i, w, g);
    const struct shape *shape = &u->apply->step->variables[i].shape;
    node_id *m = update_slot(u, i, "momentum");
    *m = emit_add(t, *m, emit_add(t, g, emit_multiply(t, *m, u->k[MU_LESS_1])));
    if (u->config->own[NESTEROV] != 0)
        g = emit_add(t, g, emit_multiply(t, u->k[MU], *m));
    else
        g = *m;
    node_id step = emit_multiply(t, u->learning_rate, orthogonalized(u, g, shape));
    if (u->k[RMS] != NODE_NONE) {
        const int64_t longest = shape->dim[shape->dim[1] > shape->dim[0]];
        step = emit_multiply(t, step, emit_like(t, step, sqrt((double)longest)));
        step = emit_multiply(t, step, u->k[RMS]);
    }
    return emit_subtract(t, w, step);
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update, .weight_decay = weight_decay};

const struct optimizer optimizer_muon = {
    .name = "Muon",
    .formula =
        "matrices, but embeddings and exclude_layers:\n"
        "    w = w - w * weight_decay * learning_rate\n"
        "    m = m + (g + m * (momentum - 1))\n"
        "    nesterov:   x = g + momentum * m\n"
        "    otherwise:  x = m\n"
        "    x = x / (|x| + 1e-7), transposed where it has more rows than columns\n"
        "    ns_steps times:  a = x x^T, x = muon_a * x + (muon_b * a + muon_c * a a) x\n"
        "    w = w - learning_rate * x * sqrt(max(rows, columns)) * rms_rate, x transposed back\n"
        "all others:\n"
        "    w = w - w * adam_weight_decay * learning_rate\n"
        "    t = iterations + 1\n"
        "    alpha = learning_rate * adam_lr_ratio * sqrt(1 - adam_beta_2^t) / (1 - "
        "adam_beta_1^t)\n"
        "    m = m + (g - m) * (1 - adam_beta_1)\n"
        "    v = v + (g^2 - v) * (1 - adam_beta_2)\n"
        "    w = w - m * alpha / (sqrt(v) + epsilon)",
    .source = "Jordan, Muon: an optimizer for hidden layers in neural networks, 2024; Liu et al., "
              "Muon is scalable for LLM training, arXiv:2502.16982",
    .learning_rate = 0.001,
    .weight_decay = 0.004,
    .settings = {[ADAM_BETA_1] = SETTING("adam_beta_1", FLOAT, 0.9),
                 [ADAM_BETA_2] = SETTING("adam_beta_2", FLOAT, 0.999),
                 [ADAM_WEIGHT_DECAY] = SETTING("adam_weight_decay", FLOAT, 0.004, .optional = true),
                 [ADAM_EPS] = SETTING("epsilon", FLOAT, 1e-7),
                 [EXCLUDE_EMBEDDINGS] = SETTING("exclude_embeddings", BOOL, true),
                 [MUON_A] = SETTING("muon_a", FLOAT, 3.4445),
                 [MUON_B] = SETTING("muon_b", FLOAT, -4.7750),
                 [MUON_C] = SETTING("muon_c", FLOAT, 2.0315),
                 [ADAM_LR_RATIO] = SETTING("adam_lr_ratio", FLOAT, 1.0),
                 [MOMENTUM] = SETTING("momentum", FLOAT, 0.95),
                 [NS_STEPS] = SETTING("ns_steps", INT, 5),
                 [NESTEROV] = SETTING("nesterov", BOOL, true),
                 [RMS_RATE] = SETTING("rms_rate", FLOAT, 0.2, .optional = true)},
    .excludes_layers = true,
    .method = &method};
