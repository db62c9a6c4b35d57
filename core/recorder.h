/* The recorder: a program that grows with the executes of a session while tapes live, the values of its
 * nodes that a derivative may need, and the GradientTapes and ForwardAccumulators that look on. What
 * TensorFlow keeps in closures stands here as known nodes of a program: a derivative is appended to
 * it, and a plan binds what is known instead of computing it again.
 *
 * Work on the program comes in transactions: recorder_begin, any number of emits and records, then
 * recorder_commit or recorder_cancel, which leaves everything as it was. */
#ifndef GRADD_CORE_RECORDER_H
#define GRADD_CORE_RECORDER_H

#include "core/block.h"
#include "core/tape.h"

/* Where something that has a name stands in the program. A variable is read anew after each
 * assignment; its gradient is the sum over all its reads. Zeroed: nowhere. */
struct places {
    uint32_t n_reads, capacity;
    node_id *reads;      /* in the order of the program */
    uint64_t generation; /* of the program that all this is about */
    node_id current;     /* of the value that it has now, where current_is_read */
    bool is_read;
};

/* One GradientTape or ForwardAccumulator. */
struct recording {
    struct recording *next; /* opened later, and so nested in this one */
    uint64_t number;
    bool persistent, watches_variables, is_forward, is_recording;
    uint8_t *flags;   /* of tape_record, for the nodes below n_flags */
    uint32_t n_flags; /* the program's length when it last looked */
    node_id *tangent; /* of an accumulator, for the same nodes */
    uint32_t capacity;
    /* Variables that it watches, by identity, in the order of their creation; of an accumulator with
     * the tangent of each. */
    struct watched {
        uint64_t variable;
        node_id tangent;
    } * watched;
    uint32_t n_watched, watched_capacity;
    /* The latest question and how it was answered; the api's. */
    void *question;
    void (*forget)(void *question);
};

struct value_place {
    void *data;
    struct block *owner;
};

struct recorder {
    struct account *account;
    struct tape program;
    struct arena arena; /* of the program */
    size_t charged,
        floor; /* of it: what the account has paid; what it held when it was last compact */
    uint64_t generation;
    struct value_place *values; /* of each node; no owner: not known */
    uint8_t *known;
    uint32_t capacity, n_values;
    struct recording *tapes; /* the oldest first; those that are consumed are gone */
    uint32_t n_tapes, n_recording;
    /* The transaction. */
    struct tape before;
    struct arena_mark mark;
    struct undo *undo;
};

struct recorder *recorder_new(struct account *account);
void recorder_free(struct recorder *r);

/* Begins a transaction: the program's failures go to `error`, and it may grow to `limits`. */
void recorder_begin(struct recorder *r, struct error *error, struct tape_limits limits);
/* Takes everything back since recorder_begin. */
void recorder_cancel(struct recorder *r);
/* Keeps everything; charges what the program has grown by, which recorder_begin has seen to fit. */
void recorder_commit(struct recorder *r);

/* The node of something's present value: its place, or a new input with that value. A new value has
 * `places->is_read` false. NODE_NONE after a failure. */
node_id recorder_node(struct recorder *r, struct places *places, const struct held *value);
/* The same of a variable that an op reads: recording tapes watch it by their rules. */
node_id recorder_read(struct recorder *r, struct places *places, const struct held *value,
                      uint64_t variable, bool trainable);
/* Whether `places` speaks of this program. */
static inline bool recorder_knows(const struct recorder *r, const struct places *places) {
    return r && places->generation == r->generation;
}

/* Opens a tape that records; NULL past the account's limit. */
struct recording *recorder_open(struct recorder *r, uint64_t number);
struct recording *recorder_find(const struct recorder *r, uint64_t number);
void recorder_stop(struct recorder *r, struct recording *tape);
void recorder_resume(struct recorder *r, struct recording *tape);
/* Forgets what it watched and recorded. */
void recorder_reset(struct recorder *r, struct recording *tape);
/* Ends a tape: values that nobody needs any more are freed. Places that speak of nodes from the
 * program's new end on must be forgotten (places_cut). */
void recorder_drop(struct recorder *r, struct recording *tape);
void places_cut(const struct recorder *r, struct places *places);
void places_free(struct account *account, struct places *places);

/* Watches a node from now on; a variable with all its later reads too. False after a failure. */
bool recorder_watch(struct recorder *r, struct recording *tape, node_id node);
bool recorder_watch_variable(struct recorder *r, struct recording *tape, uint64_t variable,
                             const struct places *places);
/* An accumulator's primal and its tangent, both nodes of the program. */
bool recorder_push(struct recorder *r, struct recording *tape, node_id primal, node_id tangent);
bool recorder_push_variable(struct recorder *r, struct recording *tape, uint64_t variable,
                            const struct places *places, node_id tangent);

/* Lets every recording tape look at the nodes that were appended since `first`, the innermost first,
 * as TensorFlow does: accumulators append tangents, which the tapes around them see. */
bool recorder_record(struct recorder *r, node_id first);

/* The window through which a tape sees the program and what is appended from now on. */
struct window recorder_window(const struct recorder *r, const struct recording *tape);

/* The nodes from `first` on whose values recording tapes will need, and what else their ops read, in
 * `*nodes` (in the program's arena), each once; `also` are wanted besides. False after a failure. */
bool recorder_needs(struct recorder *r, node_id first, const node_id *also, size_t n_also,
                    node_id **nodes, size_t *n);

/* Keeps the values of nodes[i], which are results at + i of the run. The run and the plan are the
 * recorder's after it where it says so in *taken, else still the caller's. False past the limit. */
bool recorder_keep(struct recorder *r, const node_id *nodes, size_t n, struct run *run,
                   struct plan *plan, size_t at, bool *taken);

/* The value of a known node. */
struct tensor recorder_value(const struct recorder *r, node_id node);
static inline bool recorder_is_known(const struct recorder *r, node_id n) {
    return n < r->n_values && r->known[n];
}

/* Bytes of the values that a tape needs, each counted once for it. */
size_t recorder_tape_bytes(const struct recorder *r, const struct recording *tape);

#endif
