/* Content negotiation: what a client says about media types. */
#ifndef GRADD_SERVER_NEGOTIATE_H
#define GRADD_SERVER_NEGOTIATE_H

#include <stdbool.h>

/* Whether an Accept header (NULL: none) allows `type`, such as "application/json": the most specific
 * range that matches it decides, by its weight. */
bool negotiate_accepts(const char *accept, const char *type);

/* The weight of a type in thousandths: that of the most specific range that matches it; *how says how
 * specific that is, 0: nothing was said of it. */
int negotiate_weight(const char *accept, const char *type, int *how);
/* Whether a client would rather have `type` than what it gets anyway, of which it must say something. */
bool negotiate_prefers(const char *accept, const char *type, const char *preset);

/* Whether a Content-Type (NULL: none) may be read as JSON: none, application/json, application/...+json,
 * and the form type that curl -d sends. */
bool negotiate_is_json(const char *content_type);

#endif
