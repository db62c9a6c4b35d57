/* Where lines of the log go: standard error, behind which there may be somebody slow, stuck or gone.
 * Nobody waits for that: what is not taken in time is dropped, line by line, and counted. */
#ifndef GRADD_SERVER_SINK_H
#define GRADD_SERVER_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* Writes a whole line, of at most LINE_MOST bytes, at once. */
void sink_write(const char *line, size_t n);

/* Keeps it in a buffer of this thread, which is written within a tenth of a second. Between
 * sink_start and sink_stop. */
void sink_add(const char *line, size_t n);

/* Starts the thread that writes the buffers; false where the system has none. */
bool sink_start(void);
/* Writes what is in them, for a second at most, and ends the thread. Does nothing where there is none. */
void sink_stop(void);

#endif
