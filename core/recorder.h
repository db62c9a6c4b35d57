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

/* Where something that has a name stands in a program. A variable is read anew after each assignment,
 * and where a tape looks on that has not seen the read before; its gradient is the sum over all its
 * reads. Zeroed: nowhere. */
struct places {
    uint64_t generation; /* of the recorder that all this is about */
    node_id *reads;      /* in the order of the program */
    uint32_t n_reads, capacity;
    node_id current; /* of the value that it has now, where is_read says so */
    bool is_read;
};

/* A variable that a tape watches, by identity; of an accumulator with its tangent. */
struct watched {
    uint64_t variable;
    node_id tangent;
    bool is_new; /* in this transaction */
};

/* One GradientTape or ForwardAccumulator. */
struct recording {
    struct recording *next; /* opened later, and so nested in this one */
    uint64_t number;
    bool persistent, watches_variables, is_forward, is_recording;
    uint32_t begin;  /* the program's length when it was opened */
    uint32_t n_seen; /* and when it last looked */
    uint32_t capacity;
    uint8_t *flags;   /* of tape_record, for the nodes below n_seen */
    node_id *tangent; /* of an accumulator, for the same nodes */
    /* In the order of the variables' creation, but within a transaction those past n_sorted. */
    struct watched *watched;
    uint32_t n_watched, n_sorted, watched_capacity;
    struct {
        uint32_t n_seen, capacity, n_watched, watched_capacity;
    } before; /* the transaction */
    /* The latest question and how it was answered; the api's, freed by `forget`. */
    void *question;
    void (*forget)(struct account *account, void *question);
};

/* Where a known node's value stands. */
struct kept {
    void *data;
    struct block *owner;
};

struct undo;

struct recorder {
    struct account *account;
    uint64_t generation;
    struct arena arena;
    struct tape *program; /* `own`, or during a transaction the tape it was lent to */
    struct tape own;
    struct recording *tapes; /* the oldest first; consumed ones are gone */
    uint32_t n_tapes;
    struct kept *kept; /* of each node below n_kept */
    uint8_t *known;
    uint32_t n_kept, capacity;
    size_t charged, compact; /* of the arena: what is paid; what it held when it was last compact */
    /* The transaction. */
    struct arena *scratch; /* the request's */
    struct arena_mark mark;
    struct undo *undo;
    uint32_t n_kept_before, capacity_before;
};

/* NULL past the account's limit. `generation` was never given before in this session. */
struct recorder *recorder_new(struct account *account, uint64_t generation);
void recorder_free(struct recorder *r);

/* All of it again, for a session whose items have the same identities; NULL past its limit. */
struct recorder *recorder_copy(const struct recorder *r, struct account *account);
/* What recorder_copy is for places. */
bool places_copy(struct account *account, const struct places *from, struct places *to);

/* Begins a transaction: until it ends `*tape` is the program, keeps its own error and limits, and may
 * take so many bytes more. */
void recorder_begin(struct recorder *r, struct tape *tape, size_t memory);
/* Takes everything back since recorder_begin. */
void recorder_cancel(struct recorder *r);
/* Charges what the program has grown by and orders what is watched; false past the limit. To be done
 * before: */
bool recorder_pay(struct recorder *r);
void recorder_commit(struct recorder *r);

/* The node of something's present value: its place, or a new input with that value. NODE_NONE after a
 * failure. Where the thing gets a new value, clear places->is_read. */
node_id recorder_node(struct recorder *r, struct places *places, const struct held *value);
/* The same of a variable that an op reads: recording tapes watch it by their rules. */
node_id recorder_read(struct recorder *r, struct places *places, const struct held *value,
                      uint64_t variable, bool trainable);
/* Makes `node` the place of something that was just computed; undone by recorder_cancel. */
bool recorder_put(struct recorder *r, struct places *places, node_id node);
/* Whether `places` speaks of this program. */
static inline bool recorder_knows(const struct recorder *r, const struct places *places) {
    return r && places->generation == r->generation;
}

/* Opens a tape that records; NULL past the account's limit. */
struct recording *recorder_open(struct recorder *r, uint64_t number);
struct recording *recorder_find(const struct recorder *r, uint64_t number);
bool recorder_is_recording(const struct recorder *r); /* whether any tape does */
/* Takes an opened tape back whose transaction was cancelled. */
void recorder_close(struct recorder *r, struct recording *tape);
/* Forgets what it watched and recorded: values that no other tape needs are freed, and the program ends
 * where the last of them has looked (places_cut everything then). */
void recorder_reset(struct recorder *r, struct recording *tape);
/* Ends a tape; the same. */
void recorder_drop(struct recorder *r, struct recording *tape);
void places_cut(const struct recorder *r, struct places *places);
void places_free(struct account *account, struct places *places);

/* Watches a node from now on; a variable with all its later reads. False after a failure. */
bool recorder_watch(struct recorder *r, struct recording *tape, node_id node);
bool recorder_watch_variable(struct recorder *r, struct recording *tape, uint64_t variable,
                             struct places *places);
/* An accumulator's primal and its tangent, both nodes of the program. */
bool recorder_push(struct recorder *r, struct recording *tape, node_id primal, node_id tangent);
bool recorder_push_variable(struct recorder *r, struct recording *tape, uint64_t variable,
                            struct places *places, node_id tangent);

/* Lets every recording tape look at the nodes that were appended since `first`, the innermost first, as
 * TensorFlow does: accumulators append tangents, which the tapes around them see. */
bool recorder_record(struct recorder *r, node_id first);

/* The tangent that an accumulator has for a variable; NODE_NONE where it watches it not. */
node_id recorder_tangent(const struct recording *tape, uint64_t variable);

/* The window through which a tape sees the program and what is appended from now on. */
struct window recorder_window(const struct recorder *r, const struct recording *tape);

/* In *nodes (in the scratch arena), each once: the nodes from `first` on whose values recording tapes
 * will need and do not have. bound[0..n_bound) are the inputs among them that the run binds, in their
 * order; what depends on another was a rule's stepping stone and has no value. False after a failure. */
bool recorder_needs(struct recorder *r, struct arena *scratch, node_id first, const node_id *bound,
                    size_t n_bound, node_id **nodes, size_t *n);

/* The same of a node that was just appended. False past the limit. */
bool recorder_define(struct recorder *r, node_id node, const struct held *value);
/* Makes a node's value known. */
void recorder_know(struct recorder *r, node_id node, const struct held *value);
/* Keeps the values of those nodes[i] that are not known yet, which are results at + i of a run of `plan`. The run and one reference to
 * the plan become the recorder's where it sets *taken. False past the limit. */
bool recorder_keep(struct recorder *r, const node_id *nodes, size_t n, struct run *run,
                   struct plan *plan, size_t at, bool *taken);

static inline bool recorder_is_known(const struct recorder *r, node_id n) {
    return n < r->n_kept && r->known[n];
}
/* The value of a known node. */
struct tensor recorder_value(const struct recorder *r, node_id node);

/* Nodes that a tape looked at, and the bytes of the values among them that it needs. */
void recorder_measure(const struct recorder *r, const struct recording *tape, uint32_t *nodes,
                      size_t *bytes);

#endif
