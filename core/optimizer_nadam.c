/* Nadam: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016. */
#include "core/optimizer_method.h"

enum { BETA_1, BETA_2, EPSILON };
enum { REST_1, REST_2, NEXT, TO_G, BELOW_M, BELOW_G, BELOW_V, EPS };

/* The product of all u is kept in float64 whatever the variables are, so that it does not depend on which
 * of them come first. */
static void slots(struct slot_list *l) {
    slots_like(l, (const char *const[]){"momentum", "velocity"}, 2, 0);
    slot_add(l, (struct optimizer_slot){.name = "u_product",
                                        .variable = OPTIMIZER_ITSELF,
                                        .dtype = DTYPE_F64,
                                        .shape = shape_scalar,
                                        .initial = 1});
}

static node_id *product(const struct update *u) {
    return apply_slot(u->apply, u->portion->part, OPTIMIZER_ITSELF, "u_product");
}

/* 1 - 0.5 * 0.96^(iterations + more). */
static node_id warming(const struct update *u, int64_t more) {
    struct tape *t = u->tape;
    const node_id count = update_count(u, more);
    const node_id power = emit_pow(t, emit_like(t, count, 0.96), count);
    return update_rest(u, emit_multiply(t, emit_like(t, power, 0.5), power));
}

static void begin(const struct update *u) {
    struct update wide = *u;
    wide.dtype = DTYPE_F64;
    const node_id beta_1 = update_number(&wide, u->config->own[BETA_1]);
    node_id *all = product(u);
    *all = emit_multiply(u->tape, emit_multiply(u->tape, *all, beta_1), warming(&wide, 1));
}

static void scalars(struct update *u) {
    struct tape *t = u->tape;
    const double *own = u->config->own;
    const node_id beta_1 = update_number(u, own[BETA_1]), beta_2 = update_number(u, own[BETA_2]);
    const node_id u_t = emit_multiply(t, beta_1, warming(u, 1));
    const node_id all = emit_cast(t, *product(u), u->dtype);
    u->k[NEXT] = emit_multiply(t, beta_1, warming(u, 2));
    u->k[REST_1] = update_rest(u, beta_1);
    u->k[REST_2] = update_rest(u, beta_2);
    u->k[TO_G] = update_rest(u, u_t);
    u->k[BELOW_M] = update_rest(u, emit_multiply(t, all, u->k[NEXT]));
    u->k[BELOW_G] = update_rest(u, all);
    u->k[BELOW_V] = update_rest(u, emit_pow(t, beta_2, update_count(u, 1)));
    u->k[EPS] = update_number(u, own[EPSILON]);
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    node_id *m = update_slot(u, i, "momentum"), *v = update_slot(u, i, "velocity");
    *m = update_toward(u, *m, g, u->k[REST_1]);
    *v = update_toward(u, *v, emit_square(t, g), u->k[REST_2]);
    const node_id m_hat =
        emit_add(t, emit_divide(t, emit_multiply(t, u->k[NEXT], *m), u->k[BELOW_M]),
                 emit_divide(t, emit_multiply(t, u->k[TO_G], g), u->k[BELOW_G]));
    const node_id v_hat = emit_divide(t, *v, u->k[BELOW_V]);
    return emit_subtract(t, w,
                         emit_divide(t, emit_multiply(t, m_hat, u->learning_rate),
                                     emit_add(t, emit1(t, OP_sqrt, v_hat), u->k[EPS])));
}

static const struct optimizer_method method = {
    .slots = slots, .begin = begin, .scalars = scalars, .update = update};

const struct optimizer optimizer_nadam = {
    .name = "Nadam",
    .formula = "t = iterations + 1\n"
               "u_product = u_product * beta_1 * (1 - 0.5 * 0.96^t), once a step, from 1 on\n"
               "u_t = beta_1 * (1 - 0.5 * 0.96^t)\n"
               "u_next = beta_1 * (1 - 0.5 * 0.96^(t + 1))\n"
               "m = m + (g - m) * (1 - beta_1)\n"
               "v = v + (g^2 - v) * (1 - beta_2)\n"
               "m_hat = u_next * m / (1 - u_product * u_next) + (1 - u_t) * g / (1 - u_product)\n"
               "v_hat = v / (1 - beta_2^t)\n"
               "w = w - m_hat * learning_rate / (sqrt(v_hat) + epsilon)",
    .source = "Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings = {[BETA_1] = SETTING("beta_1", FLOAT, 0.9),
                 [BETA_2] = SETTING("beta_2", FLOAT, 0.999),
                 [EPSILON] = SETTING("epsilon", FLOAT, 1e-7)},
    .method = &method};
