/* How a session is made of what says all of it. */
#ifndef GRADD_API_SESSION_MAKE_H
#define GRADD_API_SESSION_MAKE_H

#include "api/session_io.h"

/* A session of that id from the members of the body; when it was made is left to the caller. NULL after a
 * failure. */
struct session *session_make(struct asked *a, const char *id);

#endif
