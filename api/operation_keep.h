/* Operations as a store keeps them. */
#ifndef GRADD_API_OPERATION_KEEP_H
#define GRADD_API_OPERATION_KEEP_H

#include "api/operations.h"

/* Writes all of an operation, as it is now: `object` is a struct operation. False without memory. */
bool operation_encode(const void *object, struct writer *out);

/* The operation again, with one reference, in no table. What was not done is done, with the error
 * `interrupted`: *was_interrupted says so. NULL after a failure. */
struct operation *operation_decode(const struct writer *kept, bool *was_interrupted,
                                   struct error *error);

#endif
