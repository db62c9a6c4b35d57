/* How methods and schedules step: what their files share with core/optimizer.c and
 * core/optimizer_apply.c, and with nobody outside core. Rules are called on a healthy tape; they emit and
 * need not look at failures. */
#ifndef GRADD_CORE_OPTIMIZER_METHOD_H
#define GRADD_CORE_OPTIMIZER_METHOD_H

#include "core/emit.h"
#include "core/optimizer.h"

/* A number as a scalar of that dtype that the step reads: a new input each time, so that a plan's
 * structure says nothing of the numbers. It is rounded once, from double, as Keras rounds its Python
 * numbers: 1 - beta is to be subtracted before. */
node_id step_number(struct optimizer_step *s, enum dtype dtype, double value);

struct schedule_method {
    /* The learning rate at `step`; both are float32 scalars. */
    node_id (*rate)(struct optimizer_step *s, const struct schedule_config *c, node_id step);
};

/* A row of a table of settings; further members may follow. */
#define SETTING(id, type, value, ...)                                                              \
    { .name = id, .kind = SETTING_##type, .preset = value, __VA_ARGS__ }

/* ---- slots ------------------------------------------------------------------------------------ */

/* The variables that one optimizer takes, and its slots as they are listed. */
struct slot_list {
    const struct optimizer_config *config;
    uint32_t part; /* as in struct optimizer_slot */
    optimizer_matches matches;
    const struct optimizer_variable *variables; /* all of them */
    const uint32_t *members;                    /* indices of those that it takes */
    size_t n_members;
    struct optimizer_slot *slots; /* NULL: they are only counted */
    size_t n_slots;
};

/* One more slot. */
void slot_add(struct slot_list *l, struct optimizer_slot slot);
/* Slots of every member, of its shape and dtype: all n names of one variable, then of the next. */
void slots_like(struct slot_list *l, const char *const *names, size_t n, double initial);

/* ---- a step ----------------------------------------------------------------------------------- */

/* One call of apply() of the outermost optimizer. */
struct apply {
    struct optimizer_step *step;
    struct tape *tape;
    /* Slots of variable i are slot[first[i]] up to slot[first[i + 1]]; i = n: of the optimizers. */
    const uint32_t *first, *slot;
};

/* The value of a slot, to read or to replace; NULL: there is none of that name. */
node_id *apply_slot(const struct apply *a, uint32_t part, uint32_t variable, const char *name);

/* What one optimizer, the outermost or a part, is given: its variables and their gradients. */
struct portion {
    const struct optimizer_config *config;
    uint32_t part;
    const uint32_t *members; /* indices of the variables */
    size_t n_members;
    node_id *gradient;
    const uint32_t *of; /* indices of the gradients' variables */
    size_t n;
    double loss_scale; /* gradients are divided by it; NAN: they are not */
};

/* Keras' apply() of one optimizer that wraps none. */
void apply_portion(struct apply *a, const struct portion *p);

/* The values of all variables and slots before a step that counts on one condition only. */
struct before {
    node_id *value, *slot;
};
bool apply_begin_if(struct apply *a, struct before *b);
/* Where `condition` (a bool scalar) is false, all are what they were before. */
void apply_end_if(struct apply *a, const struct before *b, node_id condition);

enum { UPDATE_SCALARS = 14 };

/* What the update of a variable reads, one for each dtype. The scalars are of that dtype. */
struct update {
    struct apply *apply;
    struct tape *tape;
    const struct portion *portion;
    const struct optimizer_config *config;
    enum dtype dtype;
    node_id iterations;        /* updates done so far, int64 */
    node_id learning_rate;     /* at this step */
    node_id k[UPDATE_SCALARS]; /* what the method's `scalars` made */
};

/* A number of the update's dtype. */
static inline node_id update_number(const struct update *u, double value) {
    return step_number(u->apply->step, u->dtype, value);
}
/* iterations + `more`, in the update's dtype. */
node_id update_count(const struct update *u, int64_t more);
/* 1 - x. */
static inline node_id update_rest(const struct update *u, node_id x) {
    return emit_subtract(u->tape, emit_like(u->tape, x, 1), x);
}
/* x + (y - x) a. */
static inline node_id update_toward(const struct update *u, node_id x, node_id y, node_id a) {
    return emit_add(u->tape, x, emit_multiply(u->tape, emit_subtract(u->tape, y, x), a));
}
/* a x + b y. */
static inline node_id update_mix(const struct update *u, node_id a, node_id x, node_id b,
                                 node_id y) {
    return emit_add(u->tape, emit_multiply(u->tape, a, x), emit_multiply(u->tape, b, y));
}
/* The sum of the squares of all elements. */
node_id sum_of_squares(struct tape *t, node_id x);

/* A slot of a variable. */
static inline node_id *update_slot(const struct update *u, uint32_t variable, const char *name) {
    return apply_slot(u->apply, u->portion->part, variable, name);
}

struct optimizer_method {
    /* The slots that follow the common ones; NULL: none. */
    void (*slots)(struct slot_list *l);
    /* Once a step, before all below, with what the first variable's update reads; NULL: nothing. */
    void (*begin)(const struct update *u);
    /* Once a step and dtype: the scalars that the updates share, into u->k; NULL: none. */
    void (*scalars)(struct update *u);
    /* The next value of a variable w that has gradient g; its slots are replaced. */
    node_id (*update)(const struct update *u, uint32_t variable, node_id w, node_id g);
    /* The weight decay of a variable, NODE_NONE: none; NULL: the common one. */
    node_id (*weight_decay)(const struct update *u, uint32_t variable);

    /* Of optimizers that wrap others. Which part a variable belongs to, or one of the two below. */
    size_t (*part)(const struct optimizer_config *c, optimizer_matches matches, const char *name);
    /* Steps the parts, portions[i] that of parts[i]. */
    void (*apply)(struct apply *a, struct portion *portions);
    node_id (*scale_loss)(struct optimizer_step *s, node_id loss);
};

#define PART_NONE SIZE_MAX
#define PART_SEVERAL (SIZE_MAX - 1)

/* The members of each part of an optimizer that wraps, in the arena; `of` are the parts of the variables,
 * as `part` finds them. NULL without memory. */
struct portion *portions_divide(const struct optimizer_config *config,
                                const struct optimizer_variable *variables, size_t n,
                                optimizer_matches matches, struct arena *arena, size_t **of);

#endif
