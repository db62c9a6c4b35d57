/* Adafactor: Shazeer, Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018
 * (arXiv:1804.04235). As Keras has it: relative_step changes nothing, since the rate is never above
 * 1 / sqrt(t); and the full second moment is kept beside its factors. */
#include "core/optimizer_method.h"

enum { BETA_2_DECAY, EPSILON_1, EPSILON_2, CLIP_THRESHOLD, RELATIVE_STEP };
enum { RATE, BETA_2, REST_2, EPS_1, EPS_2, THRESHOLD };

/* A matrix's second moments are kept as means of its rows and columns. */
static bool factored(const struct shape *s) { return s->rank >= 2; }

static void slots(struct slot_list *l) {
    for (size_t i = 0; i < l->n_members; i++) {
        const struct optimizer_variable *v = &l->variables[l->members[i]];
        struct optimizer_slot slot = {
            .name = "velocity", .variable = l->members[i], .dtype = v->dtype, .shape = v->shape};
        if (factored(&v->shape)) {
            struct optimizer_slot row = slot, column = slot;
            row.name = "r";
            row.shape.rank--;
            column.name = "c";
            column.shape = row.shape;
            column.shape.dim[row.shape.rank - 1] = v->shape.dim[row.shape.rank];
            slot_add(l, row);
            slot_add(l, column);
        }
        slot_add(l, slot);
    }
}

/* rate = min(learning_rate, 1 / sqrt(t)), beta_2 = 1 - t^beta_2_decay. */
static void scalars(struct update *u) {
    struct tape *t = u->tape;
    const double *own = u->config->own;
    const node_id count = update_count(u, 1), one = emit_like(t, count, 1);
    u->k[RATE] =
        emit2(t, OP_minimum, u->learning_rate, emit_divide(t, one, emit1(t, OP_sqrt, count)));
    u->k[BETA_2] = update_rest(u, emit_pow(t, count, update_number(u, own[BETA_2_DECAY])));
    u->k[REST_2] = update_rest(u, u->k[BETA_2]);
    u->k[EPS_1] = update_number(u, own[EPSILON_1]);
    u->k[EPS_2] = update_number(u, own[EPSILON_2]);
    u->k[THRESHOLD] = update_number(u, own[CLIP_THRESHOLD]);
}

static node_id mean(struct tape *t, node_id x, uint32_t axes, bool keepdims) {
    return axes ? emit_reduce(t, OP_reduce_mean, x, axes, keepdims) : x;
}

static node_id rms(struct tape *t, node_id x, const struct shape *shape) {
    return emit1(t, OP_sqrt, mean(t, emit_square(t, x), (1u << shape->rank) - 1, false));
}

/* v = r / (mean of r) times c, as an outer product of rows and columns. */
static node_id factored_moment(const struct update *u, uint32_t i, node_id squares,
                               const struct shape *shape) {
    struct tape *t = u->tape;
    const int last = shape->rank - 1;
    struct shape tall = *shape, wide = *shape;
    tall.dim[last] = wide.dim[last - 1] = 1;
    node_id *r = update_slot(u, i, "r"), *c = update_slot(u, i, "c");
    *r = update_mix(u, u->k[BETA_2], *r, u->k[REST_2], mean(t, squares, 1u << last, false));
    *c = update_mix(u, u->k[BETA_2], *c, u->k[REST_2], mean(t, squares, 1u << (last - 1), false));
    const node_id row = emit_divide(t, *r, mean(t, *r, 1u << (last - 1), true));
    return emit_multiply(t, emit_reshape(t, row, &tall), emit_reshape(t, *c, &wide));
}

static node_id update(const struct update *u, uint32_t i, node_id w, node_id g) {
    struct tape *t = u->tape;
    const struct shape *shape = &u->apply->step->variables[i].shape;
    node_id *v = update_slot(u, i, "velocity");
    const node_id squares = emit_add(t, emit_square(t, g), u->k[EPS_1]);
    const node_id alpha =
        emit_multiply(t, emit2(t, OP_maximum, u->k[EPS_2], rms(t, w, shape)), u->k[RATE]);
    *v = factored(shape) ? factored_moment(u, i, squares, shape)
                         : update_mix(u, u->k[BETA_2], *v, u->k[REST_2], squares);
    const node_id step = emit_divide(t, g, emit1(t, OP_sqrt, *v)), one = emit_like(t, alpha, 1);
    const node_id excess =
        emit2(t, OP_maximum, one, emit_divide(t, rms(t, step, shape), u->k[THRESHOLD]));
    return emit_subtract(t, w, emit_multiply(t, alpha, emit_divide(t, step, excess)));
}

static const struct optimizer_method method = {
    .slots = slots, .scalars = scalars, .update = update};

const struct optimizer optimizer_adafactor = {
    .name = "Adafactor",
    .formula = "t = iterations + 1\n"
               "rate = min(learning_rate, 1 / sqrt(t))\n"
               "alpha = max(epsilon_2, rms(w)) * rate, where rms(x) = sqrt(mean(x^2))\n"
               "s = g^2 + epsilon_1\n"
               "beta_2 = 1 - t^beta_2_decay\n"
               "rank >= 2:  r = beta_2 * r + (1 - beta_2) * mean(s, -1)\n"
               "            c = beta_2 * c + (1 - beta_2) * mean(s, -2)\n"
               "            v = r / mean(r, -1) * c, as an outer product\n"
               "otherwise:  v = beta_2 * v + (1 - beta_2) * s\n"
               "u = g / sqrt(v)\n"
               "w = w - alpha * (u / max(1, rms(u) / clip_threshold))",
    .source = "Shazeer, Stern, Adafactor: adaptive learning rates with sublinear memory cost, "
              "arXiv:1804.04235",
    .learning_rate = 0.001,
    .weight_decay = NAN,
    .settings = {[BETA_2_DECAY] = SETTING("beta_2_decay", FLOAT, -0.8),
                 [EPSILON_1] = SETTING("epsilon_1", FLOAT, 1e-30),
                 [EPSILON_2] = SETTING("epsilon_2", FLOAT, 1e-3),
                 [CLIP_THRESHOLD] = SETTING("clip_threshold", FLOAT, 1.0),
                 [RELATIVE_STEP] = SETTING("relative_step", BOOL, true)},
    .method = &method};
