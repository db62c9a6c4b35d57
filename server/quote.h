/* What a client wrote, made fit for a sentence or a log line. */
#ifndef GRADD_SERVER_QUOTE_H
#define GRADD_SERVER_QUOTE_H

#include <stddef.h>

/* Writes `text` in double quotes, what is not printable ASCII escaped as \xNN, cut to fit `size`
 * (at least 8); returns `out`. */
const char *quote_text(char *out, size_t size, const char *text);

#endif
