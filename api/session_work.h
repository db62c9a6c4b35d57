/* A request on a session, from its names to its commit. The session's items are the names of its graph,
 * read when they are first looked up; while a tape lives, the graph is appended to the recorder's
 * program in a transaction. Whatever fails before session_commit leaves the session as it was. */
#ifndef GRADD_API_SESSION_WORK_H
#define GRADD_API_SESSION_WORK_H

#include "api/oneshot.h"
#include "api/session.h"

/* A tensor that gets a name when all went well. */
struct result {
    const char *name;
    node_id node; /* NODE_NONE: a gradient that is None */
    struct held value;
    struct item *item; /* the new one, or the one that had the name */
    bool is_new;
};

struct session_work {
    struct session *session;
    bool on_program;     /* the graph is appended to the recorder's program */
    bool executes;       /* its reads are ops that tapes see */
    bool scratch;        /* what is appended is thrown away after the answer */
    struct item **items; /* of the first names, in their order */
    uint32_t n_items;
    bool *entered;               /* which of them this request brought into the program */
    struct journal_entry *entry; /* of this request */
    struct result *results;
    size_t n_results;
    struct names named; /* the names that `as` has given */
    node_id *needed;    /* nodes whose values the recorder keeps */
    size_t n_needed;
    struct arena *bound_arena; /* of the tensors that session_bound lends */
};

/* Begins a request: session_end must follow in any case. `record`: append to the program, if there is
 * one. */
bool session_begin(struct oneshot *o, struct session_work *w, const struct service_call *call,
                   enum request_route route, struct error *error);
/* Opens the transaction on the session's recorder. */
void session_lend(struct oneshot *o);
/* Items become names. */
bool session_names(struct oneshot *o);
/* Takes everything back that was not committed. */
void session_end(struct oneshot *o);

/* The names that the graph defined are to be kept as tensors. */
bool session_collect(struct oneshot *o);
/* One more: `name` for `node`. */
bool session_name(struct oneshot *o, const char *name, node_id node);
/* What else is wanted of the run: results, and what the tapes need of what was appended. */
bool session_extra(struct oneshot *o, struct extra *extra);
/* Takes the values of session_extra's nodes, which begin at result `at` of the run. */
bool session_keep(struct oneshot *o, struct run *run, struct plan *plan, size_t at, bool *taken);
/* Makes it so. Cannot fail. */
void session_commit(struct oneshot *o);

/* Throws away what was appended in scratch. */
void session_discard(struct oneshot *o);

/* By node the item whose present value it is, of those that were looked up, or NULL; NULL without memory. */
struct item **session_items_of(struct oneshot *o);

/* Ends the recorder where it has no tape any more, and forgets places that are gone. */
void session_settle(struct session *s);

#endif
