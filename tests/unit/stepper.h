/* An optimizer that steps variables by gradients that are given, as a session does: each step is a tape of
 * its own, a plan and a run. */
#ifndef GRADD_TESTS_UNIT_STEPPER_H
#define GRADD_TESTS_UNIT_STEPPER_H

#include "core/optimizer.h"
#include "core/plan.h"

struct stepper {
    struct arena arena;
    struct error error;
    struct plan_cache *cache;
    struct optimizer_config config;
    size_t n, n_slots;
    struct optimizer_variable *variables;
    struct tensor *values; /* of the variables */
    struct optimizer_slot *slots;
    struct tensor *state; /* values of the slots */
    int64_t batch; /* 0, or the length of a leading axis of all values, slots and gradients */
    /* What a step may take; to be changed before it. */
    uint32_t nodes;
    size_t memory;
    uint32_t emitted; /* nodes of the latest step */
};

/* Begins with n variables; names and values are copied. Fails the test where there is no memory. */
void stepper_begin(struct stepper *s, const struct optimizer_config *config,
                   const char *const *names, const struct tensor *values, size_t n);
/* Steps `batch` copies of all from now on. */
void stepper_repeat(struct stepper *s, int64_t batch);
/* One step by n_gradients gradients, gradients[i] that of variable of[i]; NULL: of variable i, and those
 * without data are missing. False after a failure, which is in s->error; then nothing has changed. */
bool stepper_step(struct stepper *s, const struct tensor *gradients, size_t n_gradients,
                  const uint32_t *of);
void stepper_end(struct stepper *s);

/* The value of a slot of a part; fails the test where there is none. */
const struct tensor *stepper_slot(const struct stepper *s, uint32_t part, const char *variable,
                                  const char *name);

/* One step by gradients of variables 0, 1, ...; the test fails with the step's failure. */
void must_step(struct stepper *s, const struct tensor *gradients, size_t n);

/* An element as double. */
double element(const struct tensor *t, int64_t i);
void assert_near(const char *title, double found, double wanted, double within);

/* Views of doubles. */
struct tensor scalar(double *x);
struct tensor vector(double *x, int64_t n);
struct tensor matrix(double *x, int64_t rows, int64_t columns);

/* An optimizer with some settings, learning_rate and the common ones among them. */
struct named {
    const char *name; /* NULL: no more */
    double value;
};
enum { NAMED_MOST = 8 };
struct optimizer_config config_of(const char *name, const struct named *settings);
void config_set(struct optimizer_config *c, const char *name, double value);
#define CONFIG(name, ...) config_of(name, (const struct named[NAMED_MOST]){__VA_ARGS__})

#endif
