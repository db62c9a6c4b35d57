/* A session's optimizer: its settings, and the slots of each variable that it has stepped. A variable
 * gets its slots when it is first given to the optimizer, and loses them with its shape or its life. All
 * of it is charged to the session's account. */
#ifndef GRADD_API_TRAINING_H
#define GRADD_API_TRAINING_H

#include "api/optimizer.h"
#include "api/session.h"

struct training; /* session->training; NULL: the session has no optimizer */

/* Refuses where the session has none: "the session has no optimizer; PUT .../optimizer first". */
bool training_required(const struct session *s, struct error *error);

/* The floating variable of that name; NULL: there is none, and `error` says what there is. */
struct item *training_variable(const struct session *s, const char *name, struct error *error);

/* The settings. */
const struct optimizer_config *training_config(const struct training *tr);
/* Whether the method itself leaves out steps whose gradients are not finite. */
bool optimizer_skips(const struct optimizer_config *config);
/* Another number after each change of settings or state. */
uint64_t training_version(const struct training *tr);
/* That of before, where a session comes back. */
void training_set_version(struct training *tr, uint64_t version);

/* Gives a session another optimizer, with new slots, or with the state that was sent (`sent->iterations`,
 * `sent->slots`); the settings are copied. False after a failure, and then nothing has changed. */
bool training_put(struct session *s, const struct optimizer_sent *sent, struct error *error);
/* Other settings of the same method; slots that it needs no longer go, those of before stay. */
bool training_change(struct session *s, const struct optimizer_config *config, struct error *error);
void training_free(struct session *s);
/* For session_copy, when the items are there. False past the limit; session_free frees what is there. */
bool training_copy(const struct session *from, struct session *to);
/* A variable is deleted or gets another dtype or shape: its slots go. */
void training_forget(struct session *s, const struct item *item);

/* The state that a step on some variables reads and writes. */
struct training_state {
    struct item **items; /* the variables, each once */
    size_t n;
    struct optimizer_variable *variables; /* the same */
    struct optimizer_slot *slots;
    size_t n_slots;
    struct tensor *values; /* of the slots: the session's own, or new ones in the arena */
    struct held *kept;     /* of the slots; filled by training_keep */
};

/* Finds or makes the slots of a step on n floating variables; where the method steps all that it knows
 * (use_ema, gradient_accumulation_steps), those follow behind, so that state->n may be more than n.
 * Nothing changes. */
bool training_state(const struct session *s, struct item *const *items, size_t n,
                    struct arena *arena, struct training_state *out, struct error *error);
/* Copies the next values of all slots into memory of the session. False past its limit. */
bool training_keep(struct session *s, struct training_state *state, const struct tensor *values,
                   struct error *error);
/* One of these follows. Neither can fail. */
void training_commit(struct session *s, struct training_state *state);
void training_undo(struct session *s, struct training_state *state);

/* Keras' `iterations`. */
int64_t training_iterations(const struct session *s);

/* Writes the members of GET .../optimizer, without braces: the flat form, "iterations" and, where
 * `slots` says so, "slots". What it writes with slots, training_put reads. */
void training_write(struct writer *out, const struct session *s, bool slots,
                    enum tensor_format format);

/* Writes ,"warnings":[Keras' warning of an ignored `decay`], where it is in the optimizer at `pointer`. */
void training_write_warning(struct writer *out, const char *pointer, const char *ignored_decay);

/* ---- the same without a session --------------------------------------------------------------- */

/* A first state, or the one that was sent, for n variables with the given values; in the arena. */
bool optimizer_state(const struct optimizer_sent *sent, const struct optimizer_variable *variables,
                     const struct tensor *const *values, size_t n, int64_t max_elements,
                     struct arena *arena, struct optimizer_slot **slots, size_t *n_slots,
                     struct tensor **state, struct error *error);
/* Keras' `iterations` of n slots with those values. */
int64_t optimizer_state_iterations(const struct optimizer_config *config,
                                   const struct optimizer_slot *slots, const struct tensor *state,
                                   size_t n);
/* Writes "iterations" and "slots" as members, without braces. */
void optimizer_write_state(struct writer *out, const struct optimizer_config *config,
                           const struct optimizer_variable *variables,
                           const struct optimizer_slot *slots, const struct tensor *state, size_t n,
                           enum tensor_format format);

#endif
