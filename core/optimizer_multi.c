/* Several optimizers, each for the variables whose names its pattern matches, as Keras' MultiOptimizer with
 * an OptimizerMap has them. */
#include <string.h>

#include "core/optimizer_method.h"

enum { LOSS_SCALE_FACTOR };

static size_t part(const struct optimizer_config *c, optimizer_matches matches, const char *name) {
    size_t found = PART_NONE, otherwise = PART_NONE;
    for (size_t i = 0; i < c->n_parts; i++) {
        const char *pattern = c->parts[i].pattern;
        if (!pattern)
            otherwise = i;
        else if (strcmp(pattern, name) == 0)
            return i;
        else if (matches(pattern, name, true))
            found = found == PART_NONE ? i : PART_SEVERAL;
    }
    return found == PART_NONE ? otherwise : found;
}

static void apply(struct apply *a, struct portion *parts) {
    const struct optimizer_config *c = a->step->config;
    node_id *iteration = apply_slot(a, 0, OPTIMIZER_ITSELF, "iteration");
    for (size_t i = 0; i < c->n_parts; i++) {
        parts[i].loss_scale = c->own[LOSS_SCALE_FACTOR];
        if (parts[i].n) apply_portion(a, &parts[i]);
    }
    *iteration = emit_add(a->tape, *iteration, emit_like(a->tape, *iteration, 1));
}

static node_id scale_loss(struct optimizer_step *s, node_id loss) {
    const double scale = s->config->own[LOSS_SCALE_FACTOR];
    if (isnan(scale)) return loss;
    return emit_multiply(s->tape, loss, step_number(s, tape_dtype(s->tape, loss), scale));
}

static const struct optimizer_method method = {
    .part = part, .apply = apply, .scale_loss = scale_loss};

const struct optimizer optimizer_multi = {
    .name = "MultiOptimizer",
    .formula =
        "each variable goes by the optimizer whose key is its name, or else by the one whose\n"
        "pattern matches all of its name, or else by the default optimizer",
    .source = "Keras' keras.optimizers.MultiOptimizer and OptimizerMap",
    .learning_rate = 0,
    .weight_decay = NAN,
    .settings = {[LOSS_SCALE_FACTOR] = SETTING("loss_scale_factor", FLOAT, NAN, .optional = true)},
    .wraps = true,
    .method = &method};
