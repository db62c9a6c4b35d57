/* The node-list form of a graph: {"nodes":[{"id","op","inputs","attrs"}, ...]}, in any order. */
#ifndef GRADD_API_GRAPH_NODES_H
#define GRADD_API_GRAPH_NODES_H

#include "api/build.h"

/* Appends the graph that the object says. `*last` is what the last node of the list is worth, a
 * VALUE_NONE where the list is empty. The pointer of a failure begins below `graph`. */
bool nodes_build(struct builder *b, const struct json *graph, struct value *last);

#endif
