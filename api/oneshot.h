/* What the one-shot routes share: a request's graph on a tape with its bindings, structures of
 * names, and the run that turns a structure of nodes into an answer. */
#ifndef GRADD_API_ONESHOT_H
#define GRADD_API_ONESHOT_H

#include "api/batch.h"
#include "api/build.h"
#include "api/request.h"
#include "core/optimizer.h"

struct warning {
    const char *code, *detail, *pointer;
    struct warning *next;
};

/* A value that is bound after the graph was read: a seed or a direction. Like a variable it is no
 * part of the plan. */
struct late {
    node_id node;
    uint32_t batched; /* 1 + the binding of the batch that it has rows of; 0: of none */
    struct tensor tensor;
};

/* One member of the answer beside "value": a settled structure. */
struct derivative {
    const char *name;
    struct value value;
};

enum { DERIVATIVES_MAX = 2 };

/* "inputs": constants that are bound by rows, of which the graph sees some at a time. */
struct rows {
    int64_t n;    /* rows that they all have; -1: there are none */
    int64_t size; /* rows that are bound, the first ones; 0 before binding: all */
    struct batched *bindings;
    uint32_t n_bindings;
};

struct session_work;
struct known;

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
    struct session_work *work; /* of a request on a session; else NULL */
    struct late *late;         /* in the order of their nodes */
    uint32_t n_late, late_capacity;
    struct batch batch;
    struct rows rows;
    uint32_t n_runs;
    struct plan *plan;           /* of the latest answer, where somebody held it */
    const struct tensor **bound; /* what the latest plan's inputs are bound to */

    /* What the answer follows from but for numbers, and what is known by that; see api/known.h. */
    struct {
        const char *bytes; /* NULL: not to be kept */
        size_t size;
        uint64_t hash;
    } key;
    struct {
        size_t decoded, built; /* bytes of the arena when that was written, and before planning */
    } held;
    const struct known *known;

    struct value last;  /* what the graph's last statement is worth; VALUE_NONE without one */
    node_id graph_end;  /* the tape's length once the graph was read */
    struct value value; /* of the answer: settled structures */
    bool hides_value;
    struct derivative derivatives[DERIVATIVES_MAX];
    uint32_t n_derivatives;
    struct value fetched;
    bool has_fetched;
    struct warning *warnings, **warnings_end;

    /* For a diagnosis: nodes in tape order, and their gradients (NODE_NONE where there is none). */
    node_id *suspects, *suspect_gradients;
    size_t n_suspects;
};

/* Reads the body, binds, builds the graph. oneshot_end must follow in any case. */
bool oneshot_begin(struct oneshot *o, const struct service_call *call, enum request_route route,
                   struct error *error);
/* The whole of a request whose answer is what `derive` names: where one like it was answered before only
 * its numbers are decoded, else its graph is built too. */
bool oneshot_serve(const struct service_call *call, enum request_route route,
                   bool (*derive)(struct oneshot *o), struct writer *out, struct error *error);
void oneshot_end(struct oneshot *o);

/* Decodes the request's variables, constants and inputs and notes their names; then makes them the first
 * nodes of the tape. */
bool oneshot_decode(struct oneshot *o);
bool oneshot_place(struct oneshot *o);
bool oneshot_bind(struct oneshot *o); /* both */
/* Begins a tape anew, with the same names bound to the same tensors, and with o->rows.size rows of the
 * inputs. */
bool oneshot_bind_again(struct oneshot *o);

/* What a request for a derivative names. Targets are the leaves of o->value, which is set here;
 * seeds is NULL without output_gradients. */
bool oneshot_targets(struct oneshot *o, node_id **targets, node_id **seeds, size_t *n);
/* The structure of `sources` and its leaves; every variable by name where it was not sent. */
bool oneshot_sources(struct oneshot *o, struct value *sources, node_id **nodes, size_t *n);
/* What the request's tape watches; it recorded all of the graph. */
bool oneshot_window(struct oneshot *o, struct window *w);
bool oneshot_fetch(struct oneshot *o);
/* Zeros of lead + x.shape in place of a derivative that is missing, where the request wants zeros for
 * what is not connected. */
bool oneshot_fill_missing(struct oneshot *o, const struct shape *lead, node_id x, node_id *leaf);
/* The fetched nodes as the answer's value, and its leaves. */
bool oneshot_values(struct oneshot *o, node_id **nodes, size_t *n);
/* A name's node. */
bool oneshot_node(struct oneshot *o, const char *name, node_id *out);
/* Tensors in the structure of `targets`, each of its target's dtype and shape, as late inputs; what
 * is missing is NODE_NONE. `member` is the request's member they come from. */
bool oneshot_seeds(struct oneshot *o, const struct json *v, const char *member,
                   const struct value *targets, node_id **seeds);
/* A tensor of the dtype and shape of `like`, which is called `what` in failures, as a late input. */
bool oneshot_bind_late(struct oneshot *o, const struct json *v, const char *what, node_id like,
                       node_id *out);
/* The same of a tensor that was read. */
bool oneshot_keep_late(struct oneshot *o, const struct tensor *t, node_id *out);
/* Binds an input that was emitted elsewhere, behind all inputs that are bound already. */
bool oneshot_bind_input(struct oneshot *o, node_id input, const struct tensor *t);
/* The same of all numbers that a step of an optimizer reads. */
bool oneshot_bind_numbers(struct oneshot *o, const struct optimizer_step *step);
void oneshot_add(struct oneshot *o, const char *name, struct value value);
/* Lists the values that are wanted of the run beside those of the answer, and what is done with them:
 * `finish` gets them as results from `at` on, after the answer's members are written and before its
 * end; where it sets *taken, run and plan are its own. */
struct extra {
    node_id *nodes;
    size_t n;
    bool (*finish)(struct oneshot *o, struct run *run, struct plan *plan, size_t at,
                   struct writer *out, bool *taken);
};
/* Whether the value of a node of a session's program is there, and that value; NULL without memory. */
bool session_knows(const struct oneshot *o, node_id node);
const struct tensor *session_bound(const struct oneshot *o, node_id node);
/* The input that was bound after the graph was read; NULL where it is none. */
const struct late *oneshot_late(const struct oneshot *o, node_id input);
/* The tensor that an input node is bound to; NULL without memory. */
const struct tensor *oneshot_bound(const struct oneshot *o, node_id input);
/* The plan for what is wanted, refused where its work or its memory is over the limits. */
struct plan *oneshot_plan(struct oneshot *o, const node_id *wanted, size_t n,
                          const struct tensor ***bound, const node_id **inputs, size_t *n_inputs);

/* Runs a plan under the request's deadline, which is looked at now and then even where each of many
 * runs is too short to look at it. NULL after a failure. */
struct run *oneshot_run(struct oneshot *o, const struct plan *plan,
                        const struct tensor *const *bound);
/* False, with a failure, where the request was cancelled or its deadline is over. */
bool oneshot_in_time(struct oneshot *o);
/* Refuses a plan whose work, or whose memory beside `held` bytes, is over the limits. */
bool oneshot_within_budget(struct oneshot *o, const struct plan *plan, size_t held);
/* What many runs of a plan cost, each begun anew; refused where that is over the limit. */
bool oneshot_runs_within(struct oneshot *o, int64_t runs, int64_t work);

/* Writes a settled structure, whose nodes are results from `at` on. */
void oneshot_write_value(const struct oneshot *o, const struct run *run, size_t at,
                         const struct value *v, struct writer *out);

/* Adds a warning, in the words of a format. */
bool oneshot_warn(struct oneshot *o, const char *code, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Writes the member "warnings". */
void oneshot_write_warnings(const struct oneshot *o, struct writer *out);

/* Runs a plan that was made for this answer before, and writes it again. */
bool oneshot_answer_again(struct oneshot *o, struct plan *plan, struct writer *out);
/* Plans, runs and writes the answer. */
bool oneshot_answer(struct oneshot *o, struct writer *out);
/* The same after the members that `out` may hold already; `extra` may be NULL. */
bool oneshot_answer_with(struct oneshot *o, const struct extra *extra, struct writer *out);
/* Appends the graph of a request; the value of its last statement is o->last. */
bool oneshot_build(struct oneshot *o);
/* Decodes a body up to where names are bound. oneshot_end must follow in any case. */
bool oneshot_read(struct oneshot *o, const struct service_call *call, enum request_route route,
                  struct error *error);
/* A settled structure's leaves. */
bool oneshot_leaves(struct oneshot *o, const struct value *v, node_id **out, size_t *n);
/* A name, or lists and objects of names, as a settled value. `what` says what they are. */
bool oneshot_names(struct oneshot *o, const struct json *v, const char *member, const char *what,
                   struct value *out);
/* Notes TensorFlow's warning where what is watched is not of a floating dtype. `v` is what `json`
 * names. */
bool oneshot_warn_of_integers(struct oneshot *o, const struct json *json, const struct value *v,
                              const char *pointer);

/* Names of variables that have no gradient, as Python prints a list of them; those past its end are cut. */
struct missing {
    char names[320];
    size_t length;
    bool cut;
};
void missing_add(struct missing *m, const char *name);
/* Notes Keras' warning of them. */
bool oneshot_warn_of_missing(struct oneshot *o, const struct missing *m, const char *pointer);

/* Picks what a diagnosis must look at, for targets that need not be differentiated (seeds NULL and
 * w NULL: values only). */
bool diagnose_prepare(struct oneshot *o, const struct window *w, const node_id *targets,
                      const node_id *seeds, size_t n_targets);
/* Writes the member "diagnosis" where something is not finite; results from `first` on are the suspects' values, then their gradients. */
void diagnose_write(const struct oneshot *o, const struct run *run, size_t first,
                    struct writer *out);

#endif
