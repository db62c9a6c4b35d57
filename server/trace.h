/* W3C Trace Context: of which trace a request is a part, as its traceparent says. */
#ifndef GRADD_SERVER_TRACE_H
#define GRADD_SERVER_TRACE_H

#include <stdbool.h>
#include <stdint.h>

enum { TRACE_ID = 32, TRACE_SPAN = 16, TRACE_TEXT = 56 };

struct trace {
    char id[TRACE_ID + 1], span[TRACE_SPAN + 1];
    bool sampled;
};

/* Reads a traceparent, of any version that has the fields of version 00; `span`, which is not 0, names this
 * request in its trace from now on. False where it is no traceparent, which is then to be ignored. */
bool trace_read(const char *traceparent, uint64_t span, struct trace *out);

/* What the answer's traceresponse says. */
void trace_write(const struct trace *trace, char out[TRACE_TEXT]);

#endif
