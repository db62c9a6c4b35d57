/* Names and values of a query. */
#ifndef GRADD_SERVER_QUERY_H
#define GRADD_SERVER_QUERY_H

#include <stddef.h>

#include "core/error.h"

/* Decodes the escapes (%XX) of text[0..n) into `out`, which has room for n + 1 bytes, and ends it with
 * a NUL. False (invalid_request) where a % is no escape, or where there is a NUL. */
bool query_decode(const char *text, size_t n, char *out, struct error *error);

#endif
