/* Names and values of a query. */
#ifndef GRADD_SERVER_QUERY_H
#define GRADD_SERVER_QUERY_H

#include "core/error.h"

/* Decodes the escapes (%XX) of a text in place. False (invalid_request) where a % is no escape, or
 * where there would be a NUL; `what` is the text, for the sentence. */
bool query_decode(char *text, const char *what, struct error *error);

#endif
