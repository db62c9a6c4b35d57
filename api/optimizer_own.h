/* What the files that read and write optimizers share, and nobody else. */
#ifndef GRADD_API_OPTIMIZER_OWN_H
#define GRADD_API_OPTIMIZER_OWN_H

#include "api/optimizer.h"
#include "api/place.h"

/* Whatever a client's word would make long has an end. */
enum {
    BOUNDARIES_MOST = 256, /* of PiecewiseConstantDecay */
    PATTERNS_MOST = 32,    /* of one list */
    PATTERNS_OF_ALL = 64,  /* of an optimizer and its parts: each is tried out when it is read */
    PARTS_MOST = 32,       /* of a MultiOptimizer */
    LABEL_MOST = 128       /* bytes of Keras' argument `name` */
};

struct reading {
    struct arena *arena;
    struct error *error;
    const struct optimizer *inside;   /* the optimizer around what is read; NULL: none */
    const struct json *ignored_decay; /* NULL: none */
    size_t n_patterns;                /* that were checked */
};

/* pattern_check of one more; false too where there are too many. */
bool reading_pattern(struct reading *r, const char *pattern);

/* "reading an optimizer needs more than ... bytes"; false. */
bool reading_fail_memory(struct reading *r);

/* ---- forms ---- */

/* A class with its arguments, whichever way it was written; NULL where something is not there. */
struct form {
    const char *class;
    const char *class_member; /* where it stands; NULL: it is the value itself */
    const struct json *args;  /* an object */
    const char *args_member;  /* where it stands; NULL: it is the value itself */
    const struct json *label; /* Keras' argument `name` */
    const char *label_member;
    bool takes_state;
    const struct json *iterations, *slots;
};

enum {
    FORM_CHANGE = 1, /* the class may be missing */
    FORM_STATE = 2   /* "iterations" and "slots" may stand beside the arguments */
};

/* Reads the class's name alone, {"name":class, arguments}, {"name":class,"config":{arguments}} or Keras'
 * {"class_name","config",...}. `what` is "an optimizer" or the like. */
bool form_read(struct reading *r, const struct json *v, const char *what, unsigned flags,
               struct form *out);
/* Whether a member of form->args is an argument: no name, and no state. */
bool form_is_argument(const struct form *form, const char *key);
/* The place of a failure among the arguments; false. */
bool form_under(struct reading *r, const struct form *form, const char *member);
/* Keras' argument `name`; one that is `preset` counts as none. */
bool form_label(struct reading *r, const struct form *form, const char *preset, const char **out);

/* ---- settings ---- */

/* The one of a name, or NULL; `n` is how many there are at most. */
const struct setting *setting_find(const struct setting *settings, size_t n, const char *name);
size_t setting_count(const struct setting *settings);
/* Reads one argument; the failure has no place yet. */
bool setting_read(struct reading *r, const struct setting *s, const struct json *v, double *out);
void setting_write(struct writer *out, const struct setting *s, double value);
/* "Argument(s) not recognized: {...}", with what is near the first of them. */
bool settings_fail_unknown(struct reading *r, const struct json *const *unknown, size_t n,
                           const char *const *known, size_t n_known);

/* ---- parts of an optimizer ---- */

/* What Keras has for `name` where it is left out: "adam_w" of AdamW. */
enum { SNAKE = 40 };
const char *snake_case(const char *class, char out[SNAKE]);

bool config_read(struct reading *r, const struct json *v, bool change,
                 struct optimizer_config *config, struct optimizer_sent *sent);
bool config_copy(struct reading *r, const struct optimizer_config *from,
                 struct optimizer_config *out);

bool schedule_read(struct reading *r, const struct json *v, const struct schedule_config **out);
bool schedule_copy(struct reading *r, const struct schedule_config *from,
                   const struct schedule_config **out);
void schedule_write(struct writer *out, const struct schedule_config *s);
void schedule_write_keras(struct writer *out, const struct schedule_config *s);

/* Whether its weight decay must not be None. */
bool needs_weight_decay(const struct optimizer *o);
/* Keras' checks of what its constructors are given. */
bool optimizer_check(struct reading *r, const struct optimizer_config *config);

/* ---- optimizers of optimizers ---- */

bool is_multi(const struct optimizer *o);
/* The loss_scale_factor that a MultiOptimizer gives to all of its parts; NAN: none. */
double parts_loss_scale(const struct optimizer_config *outer);
/* Arguments that such optimizers have and others have not, NULL behind the last. */
const char *const *parts_members(const struct optimizer *o);
/* LossScaleOptimizer's refusals of arguments that others have. */
bool parts_check_arguments(struct reading *r, const struct optimizer_config *config,
                           const struct form *form);
bool parts_fail_unknown(struct reading *r, const struct json *const *unknown, size_t n);
/* Reads them; in `change` only some of their settings. */
bool parts_read(struct reading *r, const struct form *form, bool change,
                struct optimizer_config *config);

#endif
