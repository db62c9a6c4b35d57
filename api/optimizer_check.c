/* Keras' checks of what its constructors are given, in its words and in their order. Knows no JSON. */
#include <stdio.h>
#include <string.h>

#include "api/optimizer_own.h"
#include "api/python.h"

/* A setting that must not leave a range, of one class. */
static const struct range {
    const char *class, *setting;
    double least, most;
    bool open; /* `least` is not allowed itself */
    bool shown;
    const char *text;
} ranges[] = {
#define NOT_NEGATIVE(setting)                                                                      \
    { "Ftrl", setting, 0, INFINITY, false, true, "`" setting "` needs to be positive or zero." }
    {"SGD", "momentum", 0, 1, false, false, "`momentum` must be a float between [0, 1]."},
    {"Lion", "beta_1", 0, 1, true, true,
     "Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer degenerates to "
     "SignSGD."},
    NOT_NEGATIVE("initial_accumulator_value"),
    {"Ftrl", "learning_rate_power", -INFINITY, 0, false, true,
     "`learning_rate_power` needs to be negative or zero."},
    NOT_NEGATIVE("l1_regularization_strength"),
    NOT_NEGATIVE("l2_regularization_strength"),
    NOT_NEGATIVE("l2_shrinkage_regularization_strength"),
#undef NOT_NEGATIVE
};

static bool check_range(struct reading *r, const struct optimizer_config *c,
                        const struct range *range) {
    if (strcmp(c->optimizer->name, range->class) != 0) return true;
    const struct setting *s = setting_find(c->optimizer->settings, SETTINGS_MAX, range->setting);
    const double x = c->own[s - c->optimizer->settings];
    if (x >= range->least && x <= range->most && !(range->open && x == range->least)) return true;
    char found[PYTHON_TEXT];
    python_float(found, x);
    error_set(r->error, ERROR_INVALID_VALUE, range->shown ? "%s Received: %s=%s." : "%s",
              range->text, range->setting, found);
    return error_under(r->error, range->setting);
}

static bool check_averages(struct reading *r, const double *common) {
    const double momentum = common[COMMON_EMA_MOMENTUM],
                 frequency = common[COMMON_EMA_OVERWRITE_FREQUENCY];
    char found[PYTHON_TEXT];
    if (common[COMMON_USE_EMA] == 0) return true;
    if (momentum > 1 || momentum < 0) {
        python_float(found, momentum);
        error_set(r->error, ERROR_INVALID_VALUE,
                  "`ema_momentum` must be in the range [0, 1]. Received: ema_momentum=%s", found);
        return error_under(r->error, "ema_momentum");
    }
    if (!(frequency < 0)) return true;
    error_set(r->error, ERROR_INVALID_VALUE,
              "`ema_overwrite_frequency` must be an integer >= 1 or None. Received: "
              "ema_overwrite_frequency=%.0f",
              frequency);
    return error_under(r->error, "ema_overwrite_frequency");
}

static bool check_clipping(struct reading *r, const double *common) {
    const double norm = common[COMMON_CLIPNORM], value = common[COMMON_CLIPVALUE],
                 global = common[COMMON_GLOBAL_CLIPNORM];
    char a[PYTHON_TEXT], b[PYTHON_TEXT], c[PYTHON_TEXT];
    if (!isnan(norm) + !isnan(value) + !isnan(global) <= 1) return true;
    python_float(a, norm);
    python_float(b, value);
    python_float(c, global);
    error_set(r->error, ERROR_INVALID_VALUE,
              "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
              "clipnorm=%.40s, clipvalue=%.40s, global_clipnorm=%.40s",
              a, b, c);
    return error_under(r->error, isnan(global) ? "clipvalue" : "global_clipnorm");
}

static bool check_accumulation(struct reading *r, const double *common) {
    const double steps = common[COMMON_GRADIENT_ACCUMULATION_STEPS];
    if (isnan(steps) || steps == 0 || steps >= 2) return true;
    error_set(r->error, ERROR_INVALID_VALUE,
              "`gradient_accumulation_steps` must be an integer >= 2. Received: "
              "gradient_accumulation_steps=%.0f",
              steps);
    return error_under(r->error, "gradient_accumulation_steps");
}

bool needs_weight_decay(const struct optimizer *o) { return strcmp(o->name, "AdamW") == 0; }

bool optimizer_check(struct reading *r, const struct optimizer_config *config) {
    if (!config->optimizer->wraps &&
        !(check_accumulation(r, config->common) && check_averages(r, config->common) &&
          check_clipping(r, config->common)))
        return false;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!check_range(r, config, &ranges[i])) return false;
    if (!needs_weight_decay(config->optimizer) || !isnan(config->common[COMMON_WEIGHT_DECAY]))
        return true;
    error_set(r->error, ERROR_INVALID_VALUE,
              "Argument `weight_decay` must be a float. Received: weight_decay=None");
    return error_under(r->error, "weight_decay");
}
