/* "batch": some bindings with one more leading axis, so that one request is answered for many points.
 * The graph and its derivatives are built for one point; what is wanted of them is then mapped to all
 * points by the ops' own batch rules, or, where an intermediate has no room for one axis more, is
 * appended for each point. */
#ifndef GRADD_API_BATCH_H
#define GRADD_API_BATCH_H

#include "api/json.h"
#include "api/names.h"
#include "api/writer.h"
#include "core/tape.h"

struct oneshot;

/* A binding with a value for each point: the tensor has the leading axis, the node has not. */
struct batched {
    node_id node;
    struct tensor all;
};

struct batch_failure {
    int64_t point;
    enum error_code code;
    const char *detail;
};

struct batch {
    bool given;
    struct names names; /* what "batch" names, with its values */
    int64_t n;          /* points; -1 before any are read */
    struct batched *bindings;
    uint32_t n_bindings;
    struct batch_failure *failures; /* by point; a failed point is null in the answer */
    int64_t n_failures;
};

/* Finds what "batch" names. */
bool batch_begin(struct oneshot *o);
/* True where it names this. */
bool batch_has(struct oneshot *o, const char *name);
/* The values of `name`, which is being bound, where "batch" has some; else *all stays untouched and
 * *found is false. */
bool batch_read(struct oneshot *o, const char *name, enum dtype dtype, struct tensor *all,
                bool *found);
/* Notes that node is bound to them, and makes its tensor the first point's, or one of zeros. */
bool batch_bind(struct oneshot *o, node_id node, const struct tensor *all);
/* Refuses names in "batch" that were not bound. */
bool batch_finish(struct oneshot *o);

/* Binds the batched nodes to their values at one point. */
void batch_select(struct oneshot *o, int64_t point);
/* Replaces nodes by what computes them for all points that have not failed. */
bool batch_map(struct oneshot *o, node_id *nodes, size_t n);
/* After a failure of the data: runs each point alone and notes which fail. False where none does, or
 * where something else than the data is the reason; o->error then says what. */
bool batch_find_failures(struct oneshot *o, const node_id *wanted, size_t n);

/* Whether a failure is not the data's. */
bool batch_fails_wholly(enum error_code code);
/* Notes that a point failed as o->error says, which is cleared; false where the data is not why. */
bool batch_note(struct oneshot *o, int64_t point);
/* Writes the member "failures". */
void batch_write_failures(const struct oneshot *o, struct writer *out);

#endif
