/* What a request binds to a name: a value as it is, or {"value", "dtype", "trainable"}. */
#ifndef GRADD_API_BINDING_H
#define GRADD_API_BINDING_H

#include "api/json.h"

struct binding {
    const struct json *value;
    enum dtype dtype; /* of a value that says none */
    bool trainable, says_trainable;
    bool wrapped; /* the value is a member of what was sent */
};

/* Takes apart what was sent; the value itself is not looked at. A constant is not trainable and may
 * not say so. `dtype` is the default. */
bool binding_read(const struct json *v, bool constant, enum dtype dtype, struct binding *out,
                  struct error *error);

/* Refuses what is not a name; pi and the like are names. */
bool binding_check_name(const char *name, struct error *error);

#endif
