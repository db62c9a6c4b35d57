/* A session that follows a copy of itself, on which a job works. */
#ifndef GRADD_API_SESSION_FOLLOW_H
#define GRADD_API_SESSION_FOLLOW_H

#include "api/session.h"

/* Makes the variables of a session what its copy holds, as far as they have changed behind the change
 * *seen of the copy, and *seen the copy's last change. False after a failure, and then nothing has
 * changed. */
bool session_follow(struct session *s, const struct session *copy, uint64_t *seen,
                    struct error *error);

#endif
