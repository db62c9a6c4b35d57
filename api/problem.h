/* RFC 9457 problems: what each code of core/error.h means in HTTP. */
#ifndef GRADD_API_PROBLEM_H
#define GRADD_API_PROBLEM_H

#include "api/writer.h"
#include "core/error.h"

/* The HTTP status of a code. */
int problem_status(enum error_code code);

/* Writes {"type","title","status","detail","code"} and, where they are known, "pointer", "line",
 * "column", "node", "request_id" (left out where NULL). */
void problem_write(struct writer *w, const struct error *e, const char *request_id);

#endif
