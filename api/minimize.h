/* Minimisation: a request that is decoded as far as all methods share it, and its answer. How the
 * variables get from where they start to where they end is a method's own business. */
#ifndef GRADD_API_MINIMIZE_H
#define GRADD_API_MINIMIZE_H

#include "api/session_work.h"

enum minimize_status {
    MINIMIZE_CONVERGED,
    MINIMIZE_MAX_STEPS,
    MINIMIZE_NON_FINITE,
    MINIMIZE_CANCELLED,
    MINIMIZE_DEADLINE,
    MINIMIZE_INFEASIBLE,       /* no point that keeps the constraints was found */
    MINIMIZE_ROUNDOFF_LIMITED, /* no further progress among the last digits */
    MINIMIZE_FAILED            /* the method gave up; a warning says why */
};
extern const char *const minimize_status_names[]; /* "converged", ... */

/* A variable that moves. */
struct moving {
    const char *name;
    node_id node;        /* an input of the present tape */
    struct tensor start; /* its value before; only to be read */
    struct tensor
        end; /* its value behind the last step, set by the method; lives until minimize_end */
    struct item *item; /* of a session, else NULL */
    struct held kept;  /* minimize_keep's own */
};

/* When to stop before the steps are done; NAN: not asked for. */
struct minimize_stop {                /* max_seconds is in the request's deadline */
    double grad_norm;                 /* at most: the gradient's 2-norm over all variables */
    double loss_change;               /* at most: |loss - the one before| */
    double variable_change;           /* at most: the 2-norm of an update over all variables */
    double ftol_rel, xtol_rel, catol; /* of a "method" alone */
    double ftol, xtol, gtol;          /* of least squares alone, which has no others */
};

/* What is plotted: a row for each recorded step. */
struct history {
    int64_t *step;
    double *loss; /* each a number of the loss's dtype */
    size_t n, capacity;
};

struct minimize {
    struct oneshot o; /* first, so that it is found from there; its request, tape and warnings */
    struct session_work w;

    node_id loss;         /* a scalar of a floating dtype */
    struct window window; /* watches what moves: tape_gradient by moving[i].node */
    struct moving *moving;
    size_t n;       /* what moves */
    size_t n_shown; /* the first of them: those of var_list */

    int64_t steps;        /* most steps; -1: not said */
    int64_t record_every; /* 0: not said */
    struct minimize_stop stop;

    /* What the method has done. */
    enum minimize_status status;
    int64_t done;      /* steps */
    struct tensor end; /* the loss at the end, a scalar; data NULL: it is not known */
    bool is_late;      /* the deadline has passed, or the run was cancelled */
    struct history history;
    void *own;           /* the method's, for these */
    const char *measure; /* the name of history's numbers; NULL: "loss" */
    /* Writes what stands in place of steps and loss, each with a comma before it; NULL: these two. */
    void (*head)(struct minimize *m, struct writer *out);
    /* Writes further members, each with a comma before it; NULL: none. */
    void (*write)(struct minimize *m, struct writer *out);
    /* Of a session, where more than variables changes: `keep` makes copies in the session's memory, or
     * fails and leaves none; `commit`, which cannot fail, follows. NULL: nothing more. */
    bool (*keep)(struct minimize *m);
    void (*commit)(struct minimize *m);
};

/* ---- reading ---------------------------------------------------------------------------------- */

/* Decodes a request: reads the body, binds, builds the graph, finds the loss and what moves, and the
 * members that methods share: var_list, steps, record_every, stop, fetch. minimize_end must follow in
 * any case. Before, *m is zero. The graph sees batch_size rows of the inputs; with a "method" all.
 * Of a request for least squares m->loss is NODE_NONE, and what its residuals depend on is its own
 * business: what moves is then all that is trainable (of a session: and that the graph has read). */
bool minimize_begin(struct minimize *m, const struct service_call *call, enum request_route route,
                    struct error *error);
void minimize_end(struct minimize *m);

/* The same graph on a new tape, which sees that many rows of the inputs: m->loss, m->window and
 * moving[i].node are of the new tape. */
bool minimize_build_again(struct minimize *m, int64_t rows);

/* The members that need no graph; of minimize_begin. */
bool minimize_options(struct minimize *m);
/* Whether so many steps are not more than may be. */
bool minimize_steps_within(struct minimize *m, int64_t steps);
/* A whole number of at least `least` in a member of the request; *out stays where it was not sent. */
bool minimize_int(struct minimize *m, const struct json *v, const char *name, int64_t least,
                  int64_t *out);
bool minimize_bool(struct minimize *m, const struct json *v, const char *name, bool *out);
/* The member "starts": of each variable its starts with a leading axis of *n, in the arena; data NULL: it
 * has none. *n is 0 where the request has no starts. */
bool minimize_starts(struct minimize *m, struct tensor **sent, int64_t *n);
/* A finite number, of at least 0. */
bool minimize_number(struct minimize *m, const struct json *v, const char *name, double *out);

/* ---- while it runs ---------------------------------------------------------------------------- */

/* Prepares the history for that many steps, and record_every where it was not said. */
bool minimize_plan_history(struct minimize *m, int64_t steps);
/* Whether the step with that number is recorded. */
static inline bool minimize_records(const struct minimize *m, int64_t step) {
    return step % m->record_every == 0;
}
/* Records the loss at a step, before its update, and tells who listens; gradient_norm may be NAN. */
void minimize_record(struct minimize *m, int64_t step, double loss, double gradient_norm);

/* Whether a failure is the end of time, which is a result where something was done: takes the status
 * from it and clears it. */
bool minimize_stopped(struct minimize *m);

/* A run under the request's deadline; where that has passed already, or the request was cancelled, under a
 * short one of its own, so that what was done can be shown. NULL without a failure past that one. */
struct run *minimize_run(struct minimize *m, const struct plan *plan,
                         const struct tensor *const *bound);
/* Runs the loss and what is fetched, each as wanted, where the variables ended; both are to be released.
 * With `loss` it is result 0. *run is NULL where there was no time for it. */
bool minimize_evaluate(struct minimize *m, bool loss, struct run **run, struct plan **plan);

/* ---- answering -------------------------------------------------------------------------------- */

/* Evaluates what is fetched at the end, writes the answer, and on a session commits. */
bool minimize_finish(struct minimize *m, struct writer *out);

/* What a session holds of it, for a run that goes on: moving[i].end becomes the session's. */
bool minimize_commit(struct minimize *m);

/* Minimisation by an optimizer, and by a method beyond Keras; from a decoded request to the answer. */
bool minimize_steps(struct minimize *m, struct writer *out);
bool minimize_method(struct minimize *m, struct writer *out);

#endif
