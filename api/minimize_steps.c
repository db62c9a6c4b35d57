/* Steps of an optimizer. */
#include "api/minimize.h"
#include "api/place.h"

bool minimize_steps(struct minimize *m, struct writer *out) {
    (void)out;
    error_set(m->o.error, ERROR_INVALID_REQUEST, "member \"method\" is missing");
    return false;
}
