/* A session's optimizer: its settings, and the slots of each variable that it has stepped. A variable
 * gets its slots when it is first given to the optimizer, and loses them with its shape or its life. All
 * of it is charged to the session's account. */
#ifndef GRADD_API_TRAINING_H
#define GRADD_API_TRAINING_H

#include "api/optimizer.h"
#include "api/session.h"

struct training; /* session->training; NULL: the session has no optimizer */

/* The settings. */
const struct optimizer_config *training_config(const struct training *tr);

/* Gives a session another optimizer, with new slots, or with the state that was sent (`sent->iterations`,
 * `sent->slots`); the settings are copied. False after a failure, and then nothing has changed. */
bool training_put(struct session *s, const struct optimizer_sent *sent, struct error *error);
/* Other settings of the same method; slots that it needs no longer go, those of before stay. */
bool training_change(struct session *s, const struct optimizer_config *config, struct error *error);
void training_free(struct session *s);
/* For session_copy. */
bool training_copy(const struct session *from, struct session *to);

/* The state that a step on some variables reads and writes. */
struct training_state {
    struct item **items; /* the variables, each once */
    size_t n;
    struct optimizer_variable *variables; /* the same */
    struct optimizer_slot *slots;
    size_t n_slots;
    struct tensor *values; /* of the slots: the session's own, or new ones in the arena */
    struct held *kept;     /* made by training_keep */
};

/* Finds or makes the slots of a step on n variables; where the method steps all that it knows (use_ema),
 * those follow behind, so that state->n may be more than n. Nothing changes. */
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

/* ---- the same without a session --------------------------------------------------------------- */

/* A first state, or the one that was sent, for n variables with the given values; in the arena. */
bool optimizer_state(const struct optimizer_sent *sent, const struct optimizer_variable *variables,
                     const struct tensor *const *values, size_t n, int64_t max_elements,
                     struct arena *arena, struct optimizer_slot **slots, size_t *n_slots,
                     struct tensor **state, struct error *error);
/* Writes "iterations" and "slots" as members, without braces. */
void optimizer_write_state(struct writer *out, const struct optimizer_config *config,
                           const struct optimizer_variable *variables,
                           const struct optimizer_slot *slots, const struct tensor *state, size_t n,
                           enum tensor_format format);

#endif
