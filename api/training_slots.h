/* The state of an optimizer as JSON, and its beginning: what api/training.c and api/training_json.c
 * share.
 *
 *     {"x": {"momentum": ..., "velocity": ...},          by variable, under Keras' names
 *      "$optimizer": {"iteration": 5, "u_product": ...}, of the optimizer itself
 *      "$parts": [{"$optimizer": ..., "x": ...}, ...]}   the same of each optimizer that it wraps
 *
 * No variable has a name that begins with "$". */
#ifndef GRADD_API_TRAINING_SLOTS_H
#define GRADD_API_TRAINING_SLOTS_H

#include "api/training.h"

/* The part whose "iteration" slot is what Keras' `iterations` is of. */
uint32_t iterations_part(const struct optimizer_config *config);

/* The values of n slots in a step. values[i] is what is kept of slot i (data NULL: nothing) and becomes
 * that, in the slot's dtype where the optimizer itself has it in another; or what the slot begins with,
 * in the arena. of[k] is the value of variable k. False without memory. */
bool slots_begin(const struct optimizer_slot *slots, size_t n, const struct tensor *const *of,
                 struct arena *arena, struct tensor *values);

/* Whether a value has the slot's dtype and shape. */
static inline bool slot_fits(const struct optimizer_slot *slot, const struct tensor *t) {
    return t->dtype == slot->dtype && shape_equal(&t->shape, &slot->shape);
}

/* "the optimizer's state needs more than ... bytes"; false. */
bool slots_fail_memory(const struct arena *arena, struct error *error);

/* ---- reading ---------------------------------------------------------------------------------- */

/* The names of all variables that slots were sent for, in the arena; some may stand there twice. */
bool slots_names(const struct optimizer_sent *sent, struct arena *arena, const char ***names,
                 size_t *n, struct error *error);

struct slots_reading {
    const struct optimizer_sent *sent;
    const struct optimizer_config *config;
    const struct optimizer_variable *variables;
    size_t n;
    const struct optimizer_slot *slots;
    size_t n_slots;
    int64_t max_elements;
    struct arena *arena;
    struct error *error;
};

/* Sets values[i] for every slot that a value was sent for; the others stay what they are (data NULL).
 * What is sent must be of the slot's dtype and shape; scalars of the optimizer itself may be of another
 * floating dtype. False after a failure; pointers are relative to the optimizer. */
bool slots_read(const struct slots_reading *r, struct tensor *values);

/* ---- writing ---------------------------------------------------------------------------------- */

/* Slots as they come: by part, and in it the optimizer's own first and those of a variable together. */
struct slots_writing {
    struct writer *out;
    enum tensor_format format;
    uint32_t part;
    const char *open; /* the variable whose object is open; NULL: none */
    bool has_members; /* of the part's object */
};

/* ,"slots":{ */
struct slots_writing slots_write_begin(struct writer *out, enum tensor_format format);
/* `variable` NULL: of the optimizer itself. */
void slots_write(struct slots_writing *w, uint32_t part, const char *variable, const char *name,
                 const struct tensor *value);
void slots_write_end(struct slots_writing *w);

#endif
