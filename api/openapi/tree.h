/* A document of YAML as a tree. Of YAML it takes what JSON has too: maps of unique names, lists, texts,
 * numbers, true, false and null. */
#ifndef GRADD_API_OPENAPI_TREE_H
#define GRADD_API_OPENAPI_TREE_H

#include <stdbool.h>
#include <stdio.h>
#include <yaml.h>

struct tree {
    yaml_document_t document;
};

/* False, with one sentence on standard error that names the file and the line. */
bool tree_load(struct tree *t, const char *path);
void tree_free(struct tree *t);

const yaml_node_t *tree_root(struct tree *t);

/* A member of a map by its name; NULL where it has none of that name, is no map, or is NULL. */
const yaml_node_t *tree_get(struct tree *t, const yaml_node_t *node, const char *name);
/* The text of such a member, or NULL. */
const char *tree_text(struct tree *t, const yaml_node_t *node, const char *name);

/* Members of a map and elements of a list, by number; NULL behind the last, and of all else. */
const yaml_node_t *tree_member(struct tree *t, const yaml_node_t *node, int i, const char **name);
const yaml_node_t *tree_element(struct tree *t, const yaml_node_t *node, int i);

/* What {$ref: '#/a/b'} stands for, or the node itself. NULL where it leads nowhere. */
const yaml_node_t *tree_follow(struct tree *t, const yaml_node_t *node);

/* The node as JSON, without white space. */
void tree_write_json(struct tree *t, const yaml_node_t *node, FILE *out);

#endif
