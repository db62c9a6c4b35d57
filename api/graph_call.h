/* One node of a node list, read as a call. */
#ifndef GRADD_API_GRAPH_CALL_H
#define GRADD_API_GRAPH_CALL_H

#include "api/build.h"

struct graph_node {
    const struct json *id, *op, *inputs, *attrs;
    const char *label; /* its first id */
    size_t first_ref, n_refs, visited;
    int visit;
    struct value value; /* what it is worth, once emitted */
};

/* True where strings in the attribute are names of nodes and bindings, as they are in inputs. */
bool call_attr_names(const struct graph_node *node, const char *attr);

/* Emits the node and defines its ids. The pointer of a failure begins below the node. */
bool call_node(struct builder *b, struct graph_node *node);

#endif
