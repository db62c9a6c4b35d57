/* What the files of api/training.h share: how a session keeps the state of its optimizer, how a state
 * begins, and its form in JSON,
 *
 *     {"x": {"momentum": ..., "velocity": ...},          by variable, under Keras' names
 *      "$optimizer": {"iteration": 5, "u_product": ...}, of the optimizer itself
 *      "$parts": [{"$optimizer": ..., "x": ...}, ...]}   the same of each optimizer that it wraps
 *
 * No variable has a name that begins with "$". */
#ifndef GRADD_API_TRAINING_SLOTS_H
#define GRADD_API_TRAINING_SLOTS_H

#include "api/training.h"

#define SLOTS_ITSELF "$optimizer"
#define SLOTS_PARTS "$parts"

/* ---- keeping ---------------------------------------------------------------------------------- */

/* A value that is kept from step to step. Lists of them are sorted by part, variable and name, with the
 * optimizer itself before all variables. */
struct kept_slot {
    struct item *item; /* NULL: the optimizer itself */
    uint32_t part;
    const char *name; /* the core's */
    struct held value;
};

struct training {
    struct arena arena; /* of the settings */
    struct optimizer_config config;
    uint64_t version;
    struct kept_slot *slots;
    uint32_t n, capacity;
};

/* Where a slot is kept among the first n, or NULL. Its variable is an index of `items`. */
struct kept_slot *kept_find(const struct training *tr, uint32_t n,
                            const struct optimizer_slot *slot, struct item *const *items);
/* The item of a slot; NULL: the optimizer itself. */
struct item *kept_item(const struct optimizer_slot *slot, struct item *const *items);
/* Room for so many more; false past the session's limit. It is given back by: */
bool kept_make_room(struct session *s, struct training *tr, size_t more);
void kept_trim(struct session *s, struct training *tr);
void kept_sort(struct training *tr);
/* The variables that have slots, each once, in the order of their creation, in the arena. */
struct item **kept_items(const struct training *tr, struct arena *arena, size_t *n);
/* Puts items into the order of their creation, each once; how many those are. */
size_t kept_sort_items(struct item **items, size_t n);
struct optimizer_variable *kept_variables(struct item *const *items, size_t n, struct arena *arena);

/* optimizer_slots under the limit of names that its patterns are matched with: a match may be long, and
 * while it lasts nobody looks at a deadline. NULL after a failure, which is in `error`. */
struct optimizer_slot *slots_list(const struct optimizer_config *config,
                                  const struct optimizer_variable *variables, size_t n,
                                  struct arena *arena, size_t *n_slots, struct error *error);

/* ---- beginning -------------------------------------------------------------------------------- */

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

/* Whether a value is as good in the slot's dtype: a scalar of the optimizer itself has the dtype of
 * whatever variable came first. */
bool slot_converts(const struct optimizer_slot *slot, const struct tensor *t);
/* `value` in every element of the slot; false without memory. */
bool slot_fill(const struct optimizer_slot *slot, double value, struct arena *arena,
               struct tensor *out);

/* "the optimizer's state needs more than ... bytes"; false. */
bool slots_fail_memory(const struct arena *arena, struct error *error);

/* ---- reading ---------------------------------------------------------------------------------- */

/* Sees a member of the slots that were sent: a variable's, or SLOTS_ITSELF. False after a failure. */
typedef bool (*slots_see)(void *context, uint32_t part, const struct json *v);
/* Shows it all members, those of the parts too. Pointers of failures are relative to the optimizer. */
bool slots_each(const struct optimizer_sent *sent, slots_see see, void *context,
                struct error *error);

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
