/* Optimizers: Keras' methods and learning-rate schedules as tables, and one step of a method as nodes.
 * A step reads variables, gradients and state as nodes and appends their next values to the same tape,
 * so that loss, gradients and update are one plan. State is a flat list of slots, iteration counters
 * included; nothing here remembers anything between two steps.
 *
 * A method is one file that ends in one `const struct optimizer`. The formulas are those of Keras 3.15
 * in the order in which Keras evaluates them, in the variable's dtype; each file cites its paper. */
#ifndef GRADD_CORE_OPTIMIZER_H
#define GRADD_CORE_OPTIMIZER_H

#include <math.h>

#include "core/tape.h"

/* ---- what a user may set ---------------------------------------------------------------------- */

enum setting_kind {
    SETTING_FLOAT,
    SETTING_INT,
    SETTING_BOOL,
    SETTING_STEPS /* a float that is mostly an integer, and is shown as one where it is one */
};

/* One argument of a method or a schedule, under Keras' name. Numbers are doubles; None is NAN, which no
 * number that is set can be. */
struct setting {
    const char *name; /* NULL: behind the last */
    enum setting_kind kind;
    double preset;
    bool optional; /* may be None */
    bool required; /* has no preset */
};

enum { SETTINGS_MAX = 16 };

/* The arguments that every method has beside its learning rate. */
#define OPTIMIZER_COMMON(X)                                                                        \
    X(WEIGHT_DECAY, weight_decay, SETTING_FLOAT, NAN)                                              \
    X(CLIPNORM, clipnorm, SETTING_FLOAT, NAN)                                                      \
    X(CLIPVALUE, clipvalue, SETTING_FLOAT, NAN)                                                    \
    X(GLOBAL_CLIPNORM, global_clipnorm, SETTING_FLOAT, NAN)                                        \
    X(USE_EMA, use_ema, SETTING_BOOL, 0)                                                           \
    X(EMA_MOMENTUM, ema_momentum, SETTING_FLOAT, 0.99)                                             \
    X(EMA_OVERWRITE_FREQUENCY, ema_overwrite_frequency, SETTING_INT, NAN)                          \
    X(LOSS_SCALE_FACTOR, loss_scale_factor, SETTING_FLOAT, NAN)                                    \
    X(GRADIENT_ACCUMULATION_STEPS, gradient_accumulation_steps, SETTING_INT, NAN)

enum optimizer_common {
#define COMMON_ENUM(tag, name, kind, preset) COMMON_##tag,
    OPTIMIZER_COMMON(COMMON_ENUM)
#undef COMMON_ENUM
        COMMON_COUNT
};
extern const struct setting optimizer_common[COMMON_COUNT];

struct schedule;
struct optimizer;
struct optimizer_step;

/* A schedule with its arguments. */
struct schedule_config {
    const struct schedule *schedule;
    const char *name;                  /* Keras' argument; NULL: None */
    double number[SETTINGS_MAX];       /* in the order of schedule->settings */
    const double *boundaries, *values; /* of PiecewiseConstantDecay */
    size_t n_boundaries, n_values;
};

struct optimizer_part;

/* A method with its arguments; immutable. Whose memory it is, says who made it. */
struct optimizer_config {
    const struct optimizer *optimizer;
    const char *name; /* Keras' argument; NULL: None */
    double learning_rate;
    const struct schedule_config *schedule; /* in place of the number; NULL: none */
    double common[COMMON_COUNT];
    double own[SETTINGS_MAX]; /* in the order of optimizer->settings */
    /* Patterns of variables' names: of exclude_from_weight_decay, and Muon's exclude_layers. */
    const char *const *exclude_from_weight_decay, *const *exclude_layers;
    size_t n_exclude_from_weight_decay, n_exclude_layers;
    /* LossScaleOptimizer's one inner optimizer; MultiOptimizer's: the part whose pattern is the variable's
     * name, or else the only one whose pattern matches all of it, or else the one without pattern. No part
     * has parts of its own. */
    const struct optimizer_part *parts;
    size_t n_parts;
};

struct optimizer_part {
    const char *pattern; /* NULL: all the others */
    struct optimizer_config config;
};

/* ---- the tables ------------------------------------------------------------------------------- */

/* The public half of a method; how it steps is the core's own (core/optimizer_method.h). */
struct optimizer {
    const char *name;                   /* Keras' class */
    const char *formula;                /* the update, in lines of plain text */
    const char *source;                 /* where it comes from */
    double learning_rate, weight_decay; /* presets; NAN: None */
    struct setting settings[SETTINGS_MAX + 1];
    bool wraps;           /* has parts, and none of the common arguments */
    bool excludes_layers; /* has exclude_layers */
    const struct optimizer_method *method;
};

struct schedule {
    const char *name, *formula;
    const char *label; /* what Keras has for its argument `name` where it is left out */
    struct setting settings[SETTINGS_MAX + 1];
    bool has_lists; /* boundaries and values */
    /* The learning rate at `step` (float32 scalar) as a float32 scalar; numbers as `number` makes them. */
    const struct schedule_method *method;
};

extern const struct optimizer *const optimizer_table[];
extern const size_t optimizer_count;
extern const struct schedule *const schedule_table[];
extern const size_t schedule_count;

/* By Keras' name without regard to case; NULL: none. */
const struct optimizer *optimizer_find(const char *name);
const struct schedule *schedule_find(const char *name);

/* Appends the learning rate of a schedule at `step`, an integer node of any shape, as a float32 node of
 * that shape. Its arguments become `numbers` of s, of which it reads the tape alone. */
node_id schedule_rate(struct optimizer_step *s, const struct schedule_config *config, node_id step);

/* A method with its presets. */
void optimizer_defaults(const struct optimizer *optimizer, struct optimizer_config *out);

/* ---- state ------------------------------------------------------------------------------------ */

/* Whether a pattern (a regular expression as Python's re has it) is found in a name, or, with `whole`,
 * matches all of it. Handed in, since no regular expressions are compiled here. */
typedef bool (*optimizer_matches)(const char *pattern, const char *name, bool whole);

struct optimizer_variable {
    const char *name;
    enum dtype dtype; /* a floating one */
    struct shape shape;
};

#define OPTIMIZER_ITSELF UINT32_MAX

/* One value that a method keeps from step to step. */
struct optimizer_slot {
    const char *name;  /* "iteration", "momentum", "velocity", ...: Keras' words */
    uint32_t part;     /* whose it is: 0 the outermost optimizer's, i + 1 that of parts[i] */
    uint32_t variable; /* an index, or OPTIMIZER_ITSELF */
    enum dtype dtype;
    struct shape shape;
    bool copies; /* begins as the variable's value, else with `initial` everywhere */
    double initial;
};

/* All slots of a method on n variables, in Keras' order (iteration, averages, accumulators, slots), in
 * the arena; NULL without memory. */
struct optimizer_slot *optimizer_slots(const struct optimizer_config *config,
                                       const struct optimizer_variable *variables, size_t n,
                                       optimizer_matches matches, struct arena *arena,
                                       size_t *n_slots);

/* ---- one step --------------------------------------------------------------------------------- */

/* A number that the step reads: an input of the plan, so that no setting is ever part of a plan. */
struct optimizer_number {
    node_id node; /* a scalar, of its own dtype */
    double value; /* rounded to that dtype when it is bound */
};

struct optimizer_step {
    struct tape *tape;
    const struct optimizer_config *config;
    optimizer_matches matches;
    size_t n;
    const struct optimizer_variable *variables;
    node_id *value;                     /* of each variable; after optimizer_apply the next one */
    const struct optimizer_slot *slots; /* of optimizer_slots */
    size_t n_slots;
    node_id *slot; /* of each slot; after optimizer_apply the next one */
    /* The pairs of grads_and_vars that have a gradient, in their order; a variable that stands in two is
     * updated twice. Gradients have their variable's dtype and shape. */
    size_t n_gradients;
    const node_id *gradient;
    const uint32_t *of; /* index of the variable */
    /* Made by optimizer_apply, in the tape's arena. */
    struct optimizer_number *numbers;
    size_t n_numbers, numbers_capacity;
};

/* Appends one call of Keras' apply(). False after a failure of the tape. */
bool optimizer_apply(struct optimizer_step *s);

/* The loss that is to be differentiated in place of `loss`: times loss_scale_factor or the dynamic scale,
 * as Keras' scale_loss does; the loss itself where there is none. To be called before optimizer_apply. */
node_id optimizer_scale_loss(struct optimizer_step *s, node_id loss);

/* Keras' `iterations`: updates done so far, from the value of the outermost "iteration" slot. */
int64_t optimizer_iterations(const struct optimizer_config *config, int64_t iteration);

#endif
