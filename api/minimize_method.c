/* Methods beyond Keras. */
#include "api/minimize.h"
#include "api/place.h"

bool minimize_method(struct minimize *m, struct writer *out) {
    (void)out;
    error_set(m->o.error, ERROR_INVALID_VALUE, "unknown method");
    return error_under(m->o.error, "method");
}
