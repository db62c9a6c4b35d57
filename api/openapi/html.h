/* Parts of HTML: texts, types of schemas and tables. */
#ifndef GRADD_API_OPENAPI_HTML_H
#define GRADD_API_OPENAPI_HTML_H

#include "api/openapi/tree.h"

/* Escaped; NULL is nothing. */
void html_text(const char *text, FILE *out);
/* The Markdown that descriptions have: paragraphs, lists and `code`. */
void html_prose(const char *text, FILE *out);
/* A value as JSON, escaped. */
void html_json(struct tree *t, const yaml_node_t *node, FILE *out);
/* What a schema is, in one line, with links to the schemas that it names. */
void html_type(struct tree *t, const yaml_node_t *schema, FILE *out);
/* The members of an object in a table; nothing where it has none. */
void html_members(struct tree *t, const yaml_node_t *schema, FILE *out);

#endif
