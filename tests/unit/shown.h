/* Optimizers read and written again, each answer in one text: what is written, or the failure as
 * "code: detail [pointer]". Valid until some more have been made. */
#ifndef GRADD_TESTS_UNIT_SHOWN_H
#define GRADD_TESTS_UNIT_SHOWN_H

#include "api/json.h"
#include "api/optimizer.h"

const char *shown_config(const struct optimizer_config *config);
/* The flat form and Keras'. */
const char *shown_flat(const struct json *v, struct arena *arena);
const char *shown_keras(const struct json *v, struct arena *arena);
const char *shown_flat_of(const char *text);

#endif
