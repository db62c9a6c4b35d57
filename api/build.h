/* The builder: what both graph front ends, text and node list, do the same. It keeps names, binds
 * the arguments of calls, gives literals their dtype, and appends to one tape, so that both forms of
 * a graph leave the same nodes. All functions that return bool return false after a failure, which
 * is in `error`; its place in the graph is added by the front end. */
#ifndef GRADD_API_BUILD_H
#define GRADD_API_BUILD_H

#include "api/names.h"
#include "api/service.h"
#include "api/value.h"
#include "core/op.h"

struct builder {
    struct tape tape;
    struct arena *arena;
    struct error *error;
    const struct service_limits *limits;
    enum dtype dtype; /* of what only literals say */
    struct names names;
    /* Gives a name whose value is NODE_NONE its value when it is first looked up; and for whom. */
    bool (*read)(struct builder *b, struct name *name);
    void *reader;
    bool guesses;  /* a name without a value becomes a scalar input */
    node_id begin; /* the graph's first node: what was on the tape before has no history for it */
    /* After a failure: the argument it is about, as it was handed in, or NULL; and whether it is the
     * argument's name that is wrong. */
    const struct value *blamed;
    bool blames_name;
};

void build_init(struct builder *b, struct arena *arena, struct error *error,
                const struct service_limits *limits, enum dtype dtype, uint64_t seed);

/* One argument of a call; positional where it has no name. */
struct argument {
    const char *name;
    const char *at, *value_at; /* where it is written, if it is in a text */
    struct value value;
};

/* Calls what users know as `name`: an op or one of grad, shape, size, len, rank. */
bool build_call(struct builder *b, const char *name, const struct argument *args, size_t n,
                struct value *out);

/* Of a call of an OP_VARIADIC op: makes the positional arguments from *begin on one named argument. */
bool build_rest(struct builder *b, const struct op_param *params, const struct argument **args,
                size_t *n, size_t *begin);

/* What an operator of the language stands for, with positional arguments. */
bool build_operator(struct builder *b, int tag, const struct value *args, size_t n,
                    struct value *out);

/* `x if condition else y`. */
bool build_choice(struct builder *b, const struct value *condition, const struct value *x,
                  const struct value *y, struct value *out);

/* A list of the values given, which are copied. */
bool build_list(struct builder *b, const struct value *items, size_t n, struct value *out);
/* The same with n keys and values in turns. */
bool build_object(struct builder *b, const struct value *items, size_t n, struct value *out);
/* The number of values below a list or object, at any depth; 1 for others. */
size_t build_leaves(const struct value *v);

/* Exactly n values out of a list, or out of a tensor along its first axis. */
bool build_unpack(struct builder *b, const struct value *v, size_t n, struct value *out);

/* What `name` stands for: a binding, a statement's result, pi, True, float32 ... */
bool build_lookup(struct builder *b, const char *text, size_t length, struct value *out);

/* `v` as a node; literals take `dtype`. */
bool build_node(struct builder *b, const struct value *v, enum dtype dtype, node_id *out);
/* The dtype of the first node in `v`, if there is one. */
bool build_find_dtype(const struct builder *b, const struct value *v, enum dtype *dtype);
/* True where all literals in `v` are bools, so that among themselves they stay what they are;
 * other literals take the default dtype. */
bool build_all_bools(const struct value *v);

/* `v` with nodes and missing gradients only as its leaves. A list literal is stacked to one node
 * where `stack` says so; what a call returned as a list stays one. */
bool build_settle(struct builder *b, const struct value *v, bool stack, struct value *out);
/* Writes the leaves of a settled value, in order; NODE_NONE for a missing gradient. */
void build_flatten(const struct value *v, node_id **at);
/* A value of the structure of `like`, with leaves[0], leaves[1] ... in it. NODE_NONE becomes a
 * missing gradient, or zeros where `zero` says so. */
bool build_pack(struct builder *b, const struct value *like, bool zero, const node_id **leaves,
                struct value *out);

/* The seed of one target: `v` in its dtype; another shape is refused. */
bool build_seed(struct builder *b, const struct value *v, node_id target, node_id *seed);
/* The seeds of all leaves of `targets` (a settled value), from lists of the same structure. What is
 * missing at the end of a list is NODE_NONE, which means ones. */
bool build_seeds(struct builder *b, const struct value *v, const struct value *targets,
                 node_id **seeds);
void build_no_seeds(const struct value *targets, node_id **seeds);

/* One entry of a subscript. */
struct index_item {
    enum { INDEX_AT, INDEX_SLICE, INDEX_ELLIPSIS, INDEX_NEW_AXIS } kind;
    bool given[3]; /* SLICE: which of start, stop and step were written */
    int64_t at[3]; /* AT: at[0]; SLICE: start, stop, step */
};
enum { INDEX_ITEMS_MAX = 2 * RANK_MAX + 1 };

/* x[items[0], items[1], ...] with NumPy's meaning. */
bool build_index(struct builder *b, const struct value *x, const struct index_item *items, size_t n,
                 struct value *out);

/* Arithmetic on literals, as Python has it, where the op is one of the operators and all arguments
 * are scalar literals; *folded says whether that was so. */
bool fold_operator(struct builder *b, int tag, const struct value *const *args, size_t n,
                   struct value *out, bool *folded);
bool fold_truth(const struct value *v); /* Python's bool(v) of a scalar literal */

/* The functions of the language that are no ops; NULL where `name` is none. */
struct builtin {
    const char *name;
    struct op_param params[5];
    bool (*build)(struct builder *b, const struct value *const *bound, struct value *out);
    const char *notation;
};
extern const struct builtin builtins[];
enum { BUILTIN_COUNT = 5 };
const struct builtin *builtin_find(const char *name);

/* The failure of a missing gradient, a None or a string where a tensor is needed. */
bool build_fail_not_tensor(struct builder *b, const struct value *v);
static inline bool build_fail_memory(struct builder *b) {
    error_set(b->error, ERROR_MEMORY_BUDGET,
              "the request needs more than the %zu bytes of memory it may take", b->arena->ceiling);
    return false;
}
/* `name` was bound by the request, so that the graph may not define it. */
bool build_fail_bound(struct builder *b, const struct name *name);
/* The name that stands for a node, or NULL. */
const char *build_name_of(const struct builder *b, node_id node);

/* A JSON value as a literal of the graph: an array of numbers stays in the body, strings are
 * strings, an object is a typed tensor. */
bool build_literal(struct builder *b, const struct json *v, struct value *out);
/* The elements of a numeric array as a list of literals. */
bool build_elements(struct builder *b, const struct json *array, struct value *out);

#endif
