/* What the readers of tensors share. */
#ifndef GRADD_API_JSON_TENSOR_H
#define GRADD_API_JSON_TENSOR_H

#include "api/json.h"

/* Where a tensor is read to, and what is said when it cannot be. */
struct reading {
    struct arena *arena;
    struct error *error;
    const char *pointer; /* of the value */
    int64_t most;        /* elements */
};

/* Fails at the value. */
bool reading_fail(const struct reading *r, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Memory for a tensor whose dtype and shape are set. */
bool reading_allocate(const struct reading *r, struct tensor *out);

/* Reads a number, a boolean, a non-finite string or an array of them. Without `want` booleans give
 * bool, whatever `dtype`; with it they must be of `dtype`, and the elements must fill the shape. */
bool json_read_plain(const struct reading *r, const struct json *v, enum dtype dtype,
                     const struct shape *want, struct tensor *out);

/* Reads a shape whose dimensions, those that are 0 apart, multiply to the limit of elements at most. */
bool json_read_shape(const struct reading *r, const struct json *v, struct shape *out);

/* Reads {"dtype","shape","data"|"base64"}. */
bool json_read_typed(const struct reading *r, const struct json *object, struct tensor *out);

#endif
