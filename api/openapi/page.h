/* The document for people: one page of HTML that needs no script, no other site and no network. */
#ifndef GRADD_API_OPENAPI_PAGE_H
#define GRADD_API_OPENAPI_PAGE_H

#include "api/openapi/tree.h"

/* Every operation with its parameters, bodies, answers and examples, then every schema. With `viewer`
 * the page loads docs/viewer.js, which takes its place where scripts may run. */
void page_write(struct tree *t, bool viewer, FILE *out);

#endif
