/* A session that follows a copy of itself, on which a job works. */
#ifndef GRADD_API_SESSION_FOLLOW_H
#define GRADD_API_SESSION_FOLLOW_H

#include "api/session.h"

/* Makes the optimizer of a session what its copy holds, and of its variables those that have changed
 * behind the change *seen of the copy; *seen becomes the copy's last change. False after a failure, and
 * then nothing has changed. */
bool session_follow(struct session *s, const struct session *copy, uint64_t *seen,
                    struct error *error);

#endif
