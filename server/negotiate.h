/* Content negotiation: what a client says about media types. */
#ifndef GRADD_SERVER_NEGOTIATE_H
#define GRADD_SERVER_NEGOTIATE_H

#include <stdbool.h>

/* Whether an Accept header (NULL: none) allows `type`, such as "application/json": the most specific
 * range that matches it decides, by its weight. */
bool negotiate_accepts(const char *accept, const char *type);

/* Whether a Content-Type (NULL: none) may be read as JSON: none, application/json, application/...+json,
 * and the form type that curl -d sends. */
bool negotiate_is_json(const char *content_type);

#endif
