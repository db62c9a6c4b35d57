/* Dynamic loss scaling around another optimizer: Micikevicius et al., "Mixed precision training", 2017
 * (arXiv:1710.03740). A step whose gradients are not all finite leaves everything as it was and halves the
 * scale; after some finite ones in a row the scale doubles. */
#include <string.h>

#include "core/optimizer_method.h"

enum { INITIAL_SCALE, DYNAMIC_GROWTH_STEPS };

static void slots(struct slot_list *l) {
    slot_add(l, (struct optimizer_slot){.name = "step_counter",
                                        .variable = OPTIMIZER_ITSELF,
                                        .dtype = DTYPE_I64,
                                        .shape = shape_scalar});
    slot_add(l, (struct optimizer_slot){.name = "dynamic_scale",
                                        .variable = OPTIMIZER_ITSELF,
                                        .dtype = DTYPE_F32,
                                        .shape = shape_scalar,
                                        .initial = l->config->own[INITIAL_SCALE]});
}

static size_t part(const struct optimizer_config *c, optimizer_matches matches, const char *name) {
    (void)c, (void)matches, (void)name;
    return 0;
}

static node_id all_finite(struct tape *t, const struct portion *p) {
    node_id all = NODE_NONE;
    for (size_t i = 0; i < p->n; i++) {
        const uint32_t axes = (1u << tape_shape(t, p->gradient[i])->rank) - 1;
        node_id finite = emit1(t, OP_is_finite, p->gradient[i]);
        if (axes) finite = emit_reduce(t, OP_reduce_all, finite, axes, false);
        all = i ? emit2(t, OP_logical_and, all, finite) : finite;
    }
    return all;
}

static void apply(struct apply *a, struct portion *inner) {
    struct tape *t = a->tape;
    struct before before;
    node_id *iteration = apply_slot(a, 0, OPTIMIZER_ITSELF, "iteration");
    node_id *counter = apply_slot(a, 0, OPTIMIZER_ITSELF, "step_counter");
    node_id *scale = apply_slot(a, 0, OPTIMIZER_ITSELF, "dynamic_scale");
    const node_id finite = all_finite(t, inner);
    if (!apply_begin_if(a, &before)) return;
    for (size_t i = 0; i < inner->n; i++) {
        const enum dtype d = tape_dtype(t, inner->gradient[i]);
        inner->gradient[i] = emit_divide(t, inner->gradient[i], emit_cast(t, *scale, d));
    }
    apply_portion(a, inner);
    *iteration = emit_add(t, *iteration, emit_like(t, *iteration, 1));
    const node_id last =
        step_number(a->step, DTYPE_I64, a->step->config->own[DYNAMIC_GROWTH_STEPS] - 1);
    const node_id grows = emit_equal(t, *counter, last), zero = emit_like(t, *counter, 0);
    const node_id twice = emit_multiply(t, *scale, emit_like(t, *scale, 2));
    const node_id half = emit_multiply(t, *scale, emit_like(t, *scale, 0.5));
    const node_id next = emit_add(t, *counter, emit_like(t, *counter, 1));
    const node_id counted = emit_where(t, grows, zero, next);
    const node_id scaled = emit_where(t, grows, twice, *scale);
    apply_end_if(a, &before, finite);
    *counter = emit_where(t, finite, counted, zero);
    *scale = emit_where(t, finite, scaled, half);
}

static node_id scale_loss(struct optimizer_step *s, node_id loss) {
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].part == 0 && strcmp(s->slots[i].name, "dynamic_scale") == 0)
            return emit_multiply(s->tape, loss,
                                 emit_cast(s->tape, s->slot[i], tape_dtype(s->tape, loss)));
    return loss;
}

static const struct optimizer_method method = {
    .slots = slots, .part = part, .apply = apply, .scale_loss = scale_loss};

const struct optimizer optimizer_loss_scale = {
    .name = "LossScaleOptimizer",
    .formula = "the gradients are those of loss * scale\n"
               "all finite:   the inner optimizer steps by g / scale\n"
               "              counter = dynamic_growth_steps - 1:  counter = 0, scale = scale * 2\n"
               "              otherwise:  counter = counter + 1\n"
               "otherwise:    counter = 0, scale = scale * 0.5, and nothing else changes",
    .source = "Micikevicius et al., Mixed precision training, arXiv:1710.03740",
    .learning_rate = 0,
    .weight_decay = NAN,
    .settings = {[INITIAL_SCALE] = SETTING("initial_scale", FLOAT, 32768.0),
                 [DYNAMIC_GROWTH_STEPS] = SETTING("dynamic_growth_steps", INT, 2000)},
    .wraps = true,
    .method = &method};
