/* The op table: everything gradd knows of an op stands in one block of its family's file, and every
 * pass reaches it through this table. A primitive has a kernel and may stand on a tape; a composite
 * is written in other ops and leaves only those on the tape.
 *
 * Rules are called on a healthy tape with checked arguments; they emit and need not look at failures. */
#ifndef GRADD_CORE_OP_H
#define GRADD_CORE_OP_H

#include "core/tape.h"

/* How an argument of a call is read. */
enum param_kind {
    PARAM_TENSOR,    /* a node; literals take the dtype of the call's first tensor */
    PARAM_CONDITION, /* a node of dtype bool */
    PARAM_TENSORS,   /* a list of nodes */
    PARAM_INDICES,   /* a node of dtype int32 or int64; literals become int32 */
    PARAM_COUNTS,    /* a node of any dtype, whatever the others have; literals become int64 */
    PARAM_INT,
    PARAM_INTS,  /* an int or a list of ints */
    PARAM_PAIRS, /* a list of pairs of ints */
    PARAM_AXES,  /* an int, or a list of two: ints or lists of ints */
    PARAM_FLOAT,
    PARAM_BOOL,
    PARAM_DTYPE,
    PARAM_STRING,
    PARAM_PADDING, /* a string or a list of pairs of ints */
    PARAM_FLOAT_OR_STRING
};

struct op_param {
    const char *name; /* TensorFlow's name */
    enum param_kind kind;
    bool optional; /* may be left out or be None; then op_arg.given is false */
};

struct op_arg {
    bool given;
    node_id node;         /* TENSOR, CONDITION, INDICES, COUNTS */
    const node_id *nodes; /* TENSORS */
    const int64_t *ints;  /* INTS; PAIRS, PADDING in order; AXES: the first list, then the second */
    size_t n;             /* how many nodes or ints */
    int64_t i;            /* INT; AXES: it, or the length of the first list */
    double f;             /* FLOAT, FLOAT_OR_STRING */
    bool b;               /* BOOL; INTS, AXES: written as a list; FLOAT: written without a point */
    enum dtype dtype;     /* DTYPE; the request's own where none was given */
    const char *string;   /* STRING; PADDING, FLOAT_OR_STRING: NULL where it is the other */
};

struct step;
struct run;
struct instr;
struct group;
struct reducer;

enum op_kind {
    OP_PRIMITIVE,
    OP_COMPOSITE,
    OP_INTERNAL /* a primitive that rules emit and users do not call */
};

enum op_flag {
    OP_POINTWISE = 1, /* element i of the result needs element i of each (broadcast) argument */
    OP_LINEAR =
        2, /* linear in all tensor arguments together: the tangent goes through the op itself */
    OP_VIEW = 4,         /* the result has the elements of the first argument in the same order */
    OP_UNRECORDED = 8,   /* no GradientTape records it (stop_gradient) */
    OP_VARIADIC = 16,    /* its list of tensors may be written one by one, as Python's *args */
    OP_TYPED = 32,       /* a dtype that the call says is that of its literals */
    OP_COMMUTATIVE = 64, /* of two arguments, in either order */
    OP_TELLING = 128     /* a plan may compute what reads it in another way: `simplify` is asked */
};

enum { OP_PARAMS_MAX = 8 };

/* How many results emit_many answers where its one result is no list of one. */
#define RESULT_ALONE SIZE_MAX

typedef void (*kernel)(const struct step *step, struct run *run);

/* A loop over runs of elements, of as many arguments as its op has (core/kernels/pointwise.h). */
typedef void (*any_loop)(void);

/* The same op on values of one element, which stand in 8-byte cells of the slab: one, or many. */
struct cell_kernels {
    void (*one)(const struct instr *instr, char *slab);
    void (*many)(const struct group *group, char *slab);
};

struct op {
    const char *name;
    const char *notation; /* one line: what it computes and its derivative */
    enum op_kind kind;
    unsigned flags; /* enum op_flag */
    struct op_param params[OP_PARAMS_MAX];

    /* Builds the call: args[i] belongs to params[i]. NULL: the tensors in order, no attributes. */
    node_id (*emit)(struct tape *t, const struct op_arg *args);

    /* Instead of `emit`, a composite with several results: sets *results (in the tape's arena) and how
     * many; false after tape_fail. */
    bool (*emit_many)(struct tape *t, const struct op_arg *args, const node_id **results,
                      size_t *n);

    /* Checks n's arguments and sets *shape (its starting value is the first argument's shape) and
     * *dtype (starts as the first argument's dtype). False after tape_fail. */
    bool (*infer)(struct tape *t, const struct node *n, struct shape *shape, enum dtype *dtype);

    /* Pointwise ops: v times the partial derivative of y by argument i, elementwise; NODE_NONE where
     * y is not differentiable in argument i. Serves reverse and forward mode. */
    node_id (*partial)(struct tape *t, node_id y, uint32_t i, node_id v);

    /* Others: the part of argument i in the cotangent, in the argument's shape; NODE_NONE: none. */
    node_id (*vjp)(struct tape *t, node_id y, uint32_t i, node_id g);

    /* Others that are not OP_LINEAR: the tangent of y; x_dot[i] is NODE_NONE where argument i has none. */
    node_id (*jvp)(struct tape *t, node_id y, const node_id *x_dot);

    /* The node with one extra leading axis of length n on those arguments x[i] that are `batched[i]`
     * (and on the result). NULL for pointwise ops, which align their arguments. */
    node_id (*batch)(struct tape *t, node_id y, const node_id *x, const bool *batched, int64_t n);

    /* Tensor kernels by dtype of the last argument; NULL where the dtype is refused. Of a pointwise op the
     * loop alone stands here, unless it has more to do. */
    kernel kernels[DTYPE_COUNT];
    any_loop loops[DTYPE_COUNT];
    const struct reducer *reducers[DTYPE_COUNT]; /* of a reduction, core/kernels/reduce.h */
    any_loop (*loop_between)(enum dtype from,
                             enum dtype to); /* instead, where the result's matters */
    /* The same for values of one element; may be NULL. */
    struct cell_kernels cells[DTYPE_COUNT];

    /* Estimated elementary operations of a node; NULL: elements of the result. */
    int64_t (*work)(const struct tape *t, const struct node *n);

    /* What a plan computes in place of n, a node that is not on the tape yet: one of its arguments, or what
     * the rule emits; NODE_NONE: n itself. The bits are those of IEEE arithmetic, or nearer to the exact
     * value. NULL: nothing is simpler. */
    node_id (*simplify)(struct tape *t, const struct node *n);

    /* Bytes that a tensor kernel needs beside its result while it runs (run_scratch); NULL: none. */
    size_t (*scratch)(const struct tape *t, const struct node *n);

    /* What params[i] is where it is left out, as a user would write it, for the reference; NULL: False
     * of a BOOL, None of others. */
    const char *preset[OP_PARAMS_MAX];
    unsigned inert; /* bit i: no derivative by the tensor params[i] */
    unsigned
        dtypes; /* bit d: a composite's tensors may be of dtype d; 0: the floating ones, or what
                      * the ops below it take */
};

enum {
    DTYPES_FLOATS = 1 << DTYPE_F32 | 1 << DTYPE_F64,
    DTYPES_NUMBERS = DTYPES_FLOATS | 1 << DTYPE_I32 | 1 << DTYPE_I64,
    DTYPES_ALL = DTYPES_NUMBERS | 1 << DTYPE_BOOL
};

enum op_tag {
#define OP(tag) OP_##tag,
#include "core/op_list.h"
#undef OP
    OP_COUNT
};

extern const struct op *const op_table[OP_COUNT];

/* Whether the op can be run on tensors whose last argument is of that dtype. */
static inline bool op_runs(const struct op *op, enum dtype dtype) {
    return op->kernels[dtype] || op->loops[dtype] || op->reducers[dtype] || op->loop_between;
}

static inline const struct op *op_of(const struct node *n) { return op_table[n->op]; }

/* Finds what users may call, by its name or an alias, with or without "tf." or "tf.math."; -1: none. */
int op_find(const char *name);

/* The callable name nearest to `name`, or NULL where none is near. */
const char *op_nearest(const char *name);

/* Of `n` names, the one nearest to `name` by edit distance, or NULL where none is near. */
const char *name_nearest(const char *name, const char *const *names, size_t n);

/* Whether the tensors are of dtypes that the op says it takes; where it says so itself (`dtypes`), a
 * composite refuses others under its own name. False after tape_fail. */
bool op_takes(struct tape *t, const struct op *op, const struct op_arg *args);

/* For the reference: the family's title, whether there is a derivative by params[i], the dtypes that
 * tensors may have (bits), and what an optional params[i] is where it is left out. */
const char *op_family(int tag);
bool op_differentiable(const struct op *op, int i);
unsigned op_dtypes(const struct op *op);
const char *op_preset(const struct op *op, int i);

/* The alias table for documentation: i-th alias and the name it stands for; false past the end. */
bool op_alias(size_t i, const char **alias, const char **name);

#endif
