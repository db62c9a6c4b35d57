/* Names and values of a query. */
#ifndef GRADD_SERVER_QUERY_H
#define GRADD_SERVER_QUERY_H

#include "core/error.h"

/* Decodes the escapes (%XX) of a text in place. False (invalid_request) where a % is no escape, or
 * where there would be a NUL. */
bool query_decode(char *text, struct error *error);

#endif
