/* Optimizers as they are sent and shown: JSON to struct optimizer_config and back, in gradd's flat form,
 *     {"name":"Adam","learning_rate":0.001,"beta_1":0.9,...}
 * and in Keras' serialised one, {"class_name","config",...}. No state here; that is api/training.h's. */
#ifndef GRADD_API_OPTIMIZER_H
#define GRADD_API_OPTIMIZER_H

#include "api/json.h"
#include "api/writer.h"
#include "core/optimizer.h"

/* What stood beside the arguments. */
struct optimizer_sent {
    struct optimizer_config config;
    const struct json *iterations, *slots; /* state that goes with it, NULL: none; not looked at */
    /* Where a `decay` is that Keras warns of, relative to the value ("Argument `decay` is no longer
     * supported and will be ignored."); NULL: there is none. */
    const char *ignored_decay;
};

/* Reads an optimizer: its name alone ("adam", without regard to case), the flat form, or Keras'. All of
 * it lives in the arena. False after a failure with Keras' words where Keras has some; pointers are
 * relative to the value. */
bool optimizer_read(const struct json *v, struct arena *arena, struct optimizer_sent *out,
                    struct error *error);

/* The same settings with some of them changed; another class is refused. */
bool optimizer_change(const struct optimizer_config *from, const struct json *changes,
                      struct arena *arena, struct optimizer_sent *out, struct error *error);

/* A copy in the arena; false without memory. */
bool optimizer_copy(const struct optimizer_config *from, struct arena *arena,
                    struct optimizer_config *out);

/* The members of the flat form, without braces. Reading them again gives the same settings. */
void optimizer_write(struct writer *out, const struct optimizer_config *config);
/* Keras' serialised form, an object, as keras.optimizers.serialize writes it. */
void optimizer_write_keras(struct writer *out, const struct optimizer_config *config);

/* optimizer_matches by a library's regular expressions (api/pattern.c). Patterns were checked when the
 * optimizer was read. */
bool pattern_matches(const char *pattern, const char *name, bool whole);
/* False, with a sentence, where it is no regular expression, or too long. */
bool pattern_check(const char *pattern, struct error *error);

#endif
