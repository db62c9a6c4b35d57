/* What the one-shot routes share: a request's graph on a tape with its bindings, structures of
 * names, and the run that turns a structure of nodes into an answer. */
#ifndef GRADD_API_ONESHOT_H
#define GRADD_API_ONESHOT_H

#include "api/build.h"
#include "api/request.h"

/* TensorFlow's warning on watching what is not of a floating dtype. */
struct warning {
    const char *pointer;
    enum dtype dtype;
    struct warning *next;
};

struct oneshot {
    const struct service_call *call;
    struct error *error;
    struct arena arena;
    struct writer query; /* a GET's body */
    struct request request;
    struct builder b;

    /* Bindings are the first nodes of the tape: node i is bound to tensors[i]. */
    struct tensor *tensors;
    bool *trainable;
    uint32_t n_bound, n_variables;

    struct value last;  /* what the graph's last statement is worth; VALUE_NONE without one */
    node_id graph_end;  /* the tape's length once the graph was read */
    struct value value; /* of the answer: settled structures */
    struct value gradient, fetched;
    bool has_gradient, has_fetched;
    struct warning *warnings, **warnings_end;

    /* For a diagnosis: nodes in tape order, and their gradients (NODE_NONE where there is none). */
    node_id *suspects, *suspect_gradients;
    size_t n_suspects;
};

/* Reads the body, binds, builds the graph. oneshot_end must follow in any case. */
bool oneshot_begin(struct oneshot *o, const struct service_call *call, enum request_route route,
                   struct error *error);
void oneshot_end(struct oneshot *o);

/* Binds the request's variables and constants to the first nodes of the tape. */
bool oneshot_bind(struct oneshot *o);

/* Plans, runs and writes the answer. */
bool oneshot_answer(struct oneshot *o, struct writer *out);

/* Picks what a diagnosis must look at, for targets that need not be differentiated (seeds NULL and
 * w NULL: values only). */
bool diagnose_prepare(struct oneshot *o, const struct window *w, const node_id *targets,
                      const node_id *seeds, size_t n_targets);
/* Writes the member "diagnosis" where something is not finite; results from `first` on are the suspects' values, then their gradients. */
void diagnose_write(const struct oneshot *o, const struct run *run, size_t first,
                    struct writer *out);

#endif
