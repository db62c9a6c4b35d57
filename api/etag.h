/* Entity tags (RFC 9110 8.8.3, 13.1): which of them a header names. */
#ifndef GRADD_API_ETAG_H
#define GRADD_API_ETAG_H

#include <stdbool.h>

/* Whether a list of entity tags (NULL: none) names the quoted `etag`, or is "*". A weak tag counts
 * where `weak` says so. */
bool etag_among(const char *list, const char *etag, bool weak);

#endif
