/* The latest question that a persistent tape answered, and the plan and bindings of its answer: asked
 * again, nothing is read, recorded or compiled, and only the backward part runs. */
#ifndef GRADD_API_SESSION_QUESTION_H
#define GRADD_API_SESSION_QUESTION_H

#include "api/session_work.h"

/* Whether an answer could be given again: nothing was named or recorded by it. */
bool question_fits(const struct recording *tape, const struct oneshot *o);
/* Keeps the question of a request that was answered, whose plan is o->plan; takes over what the request
 * holds. Does nothing where o->plan is NULL. */
void question_keep(struct recording *tape, struct oneshot *o, const struct service_call *call,
                   enum request_route route);
/* Answers the question where it is the latest and the session has not changed since; false: ask anew.
 * A failure is in `error`. */
bool question_answered(const struct recording *tape, const struct service_call *call,
                       enum request_route route, struct writer *out, struct error *error);

#endif
