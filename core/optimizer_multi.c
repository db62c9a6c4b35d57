/* Several optimizers, each for the variables whose names its pattern matches, as Keras' MultiOptimizer with
 * an OptimizerMap has them. Of the common arguments it has loss_scale_factor, in place of its parts'. */
#include <string.h>

#include "core/optimizer_method.h"

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
        parts[i].loss_scale = c->common[COMMON_LOSS_SCALE_FACTOR];
        if (parts[i].n) apply_portion(a, &parts[i]);
    }
    *iteration = emit_add(a->tape, *iteration, emit_like(a->tape, *iteration, 1));
}

static const struct optimizer_method method = {.part = part, .apply = apply};

const struct optimizer optimizer_multi = {
    .name = "MultiOptimizer",
    .formula =
        "each variable goes by the optimizer whose key is its name, or else by the one whose\n"
        "pattern matches all of its name, or else by the default optimizer",
    .source = "Keras' keras.optimizers.MultiOptimizer and OptimizerMap",
    .learning_rate = 0,
    .weight_decay = NAN,
    .wraps = true,
    .method = &method};
