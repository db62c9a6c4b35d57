/* The tape: an append-only program in single-assignment form. A node is an op, its arguments, its
 * attributes, a dtype and a shape; a node's id is its index, so the order of ids is a topological
 * order. Derivatives are nodes appended to the same tape. What a function returns lives in the
 * tape's arena.
 *
 * Emitting is sticky: after the first failure every emit returns NODE_NONE and does nothing, so
 * that rules can nest calls and the caller looks at `tape_ok` once. */
#ifndef GRADD_CORE_TAPE_H
#define GRADD_CORE_TAPE_H

#include "core/arena.h"
#include "core/error.h"
#include "core/tensor.h"

typedef uint32_t node_id;
#define NODE_NONE UINT32_MAX

enum { NODE_INLINE_ARGS = 3 };

struct node {
    uint16_t op;   /* enum op_tag of a primitive */
    uint8_t dtype; /* enum dtype */
    uint32_t n_args;
    node_id arg[NODE_INLINE_ARGS]; /* where there are more, arg[0] is their place in the arg pool */
    uint32_t attrs_size;
    const struct shape *shape;
    const void *attrs; /* the op's attribute struct, free of pointers, zeroed padding; or NULL */
};

/* What a piece of work may take. Each is checked before it is spent. */
struct tape_limits {
    uint32_t nodes;
    int64_t elements; /* of one tensor */
    int64_t walk;     /* nodes visited by all derivative passes together */
};

struct tape {
    struct arena *arena;
    struct error *error;
    struct tape_limits limits;
    struct node *nodes;
    uint32_t count, capacity;
    node_id *arg_pool;
    uint32_t n_pool, pool_capacity;
    int64_t walked;
    /* Nodes below n_known whose value is there already: a plan binds them like inputs. */
    const uint8_t *known;
    uint32_t n_known;
};

void tape_init(struct tape *t, struct arena *arena, struct error *error, struct tape_limits limits);

static inline bool tape_ok(const struct tape *t) { return t->error->code == ERROR_NONE; }

static inline const struct node *tape_node(const struct tape *t, node_id n) { return &t->nodes[n]; }

static inline const node_id *node_args(const struct tape *t, const struct node *n) {
    return n->n_args <= NODE_INLINE_ARGS ? n->arg : t->arg_pool + n->arg[0];
}

static inline node_id tape_arg(const struct tape *t, node_id n, uint32_t i) {
    return node_args(t, &t->nodes[n])[i];
}

static inline const struct shape *tape_shape(const struct tape *t, node_id n) {
    return t->nodes[n].shape;
}

static inline enum dtype tape_dtype(const struct tape *t, node_id n) {
    return (enum dtype)t->nodes[n].dtype;
}

/* Appends a node of a primitive op; its rule checks the arguments and finds dtype and shape.
 * `attrs` is copied. Any argument NODE_NONE: returns NODE_NONE, with the failure that made it. */
node_id tape_emit(struct tape *t, int op, const node_id *args, uint32_t n_args, const void *attrs,
                  size_t attrs_size);

/* Appends a node as it is: dtype, shape and arguments are the caller's word. */
node_id tape_append(struct tape *t, const struct node *n);
/* Gives a node its arguments; false without memory. */
bool tape_keep_args(struct tape *t, struct node *n, const node_id *args, uint32_t n_args);

/* A value that is bound when a plan runs. */
node_id tape_input(struct tape *t, enum dtype dtype, const struct shape *shape);

/* A value written in the graph: row-major bytes of the dtype, copied. */
node_id tape_const(struct tape *t, enum dtype dtype, const struct shape *shape, const void *data);

/* A scalar of any dtype from a double; exact for what rules need (small integers, simple fractions). */
node_id tape_scalar(struct tape *t, enum dtype dtype, double value);

/* `value` in every element of `shape`. */
node_id tape_fill(struct tape *t, enum dtype dtype, const struct shape *shape, double value);

/* Records the tape's failure and returns NODE_NONE. */
node_id tape_fail(struct tape *t, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same where the arena's ceiling is met: memory_budget, "<what> needs more than ..."; false, which
 * the compiler can see. */
static inline bool tape_fail_memory(struct tape *t, const char *what) {
    tape_fail(t, ERROR_MEMORY_BUDGET, "%s needs more than the %zu bytes a request may take", what,
              t->arena->ceiling);
    return false;
}

/* Counts `n` visits of a derivative pass; false (too_much_work) past the limit. */
bool tape_walk(struct tape *t, int64_t n);

/* Sets bit 0 of flags[i], i < n, where one of `outputs` depends on node first + i (or is it). */
void tape_mark_ancestors(const struct tape *t, node_id first, uint32_t n, const node_id *outputs,
                         size_t n_outputs, uint8_t *flags);

/* A GradientTape's view of the program: what it watches and which nodes it saw. */
struct window {
    const node_id *watched;
    size_t n_watched;
    node_id begin, end; /* it recorded the nodes in [begin, end) */
    /* What tape_record has noted of the nodes below n_seen goes before all that. */
    const uint8_t *seen;
    node_id n_seen;
};

/* What a GradientTape that watches while a program grows knows of each node. */
enum {
    TAPE_ON = 2,      /* watched, or made by an op that it recorded */
    TAPE_RECORDED = 4 /* made by an op that it recorded */
};

/* Notes in `flags` which of the nodes from `first` to the end a recording tape records, as TensorFlow
 * does when an op runs: one of its arguments is on the tape and of a floating dtype. */
void tape_record(const struct tape *t, node_id first, uint8_t *flags);

/* Reverse mode, graph to graph. Appends the gradient of the sum of all elements of all targets,
 * each weighted by its seed, with respect to each source; `gradients[i]` is a node of the shape and
 * dtype of sources[i], or NODE_NONE where TensorFlow answers None: no recorded differentiable path.
 * As in TensorFlow an op is recorded iff one of its arguments is on the tape and of a floating dtype;
 * a source has a gradient iff it is on the tape (watched, or made by a recorded op), or is itself a
 * target: then its seed, watched or not
 * (but not where it is unwatched and a recorded op reads it).
 * seeds may be NULL (ones), as may be each seed (NODE_NONE). False after a failure. */
bool tape_gradient(struct tape *t, const struct window *w, const node_id *targets,
                   const node_id *seeds, size_t n_targets, const node_id *sources, size_t n_sources,
                   node_id *gradients);

/* Forward mode, graph to graph: appends the directional derivative of each output along
 * `tangents` of `primals` (same shapes and dtypes); NODE_NONE where there is no differentiable path. */
bool tape_jvp(struct tape *t, const node_id *primals, const node_id *tangents, size_t n_primals,
              const node_id *outputs, size_t n_outputs, node_id *derivatives);

/* The same where a primal may depend on another: the sum over primals of the total derivative by
 * each, as gradients by inner nodes are. */
bool tape_directional(struct tape *t, const node_id *primals, const node_id *tangents,
                      size_t n_primals, const node_id *outputs, size_t n_outputs,
                      node_id *derivatives);

/* What a ForwardAccumulator does as a program grows: tangent[k] of each node k in [first, end) that reads
 * a node with a tangent (NODE_NONE: none) becomes a node that is appended. False after a failure. */
bool tape_tangents(struct tape *t, node_id first, node_id end, node_id *tangent);

/* One extra leading axis: appends nodes that compute `outputs` for N values of some inputs at once.
 * `from[i]` is replaced by `to[i]`, of shape (N,) + shape of from[i]. `images[i]` has the
 * leading axis, or is the output itself where it depends on none of `from`. */
bool tape_batch(struct tape *t, const node_id *from, const node_id *to, size_t n_from,
                const node_id *outputs, size_t n_outputs, node_id *images);

/* Appends `outputs` again with to[i] in place of from[i], of the same shape and dtype. `images[i]` is
 * the output itself where it depends on none of `from`. */
bool tape_substitute(struct tape *t, const node_id *from, const node_id *to, size_t n_from,
                     const node_id *outputs, size_t n_outputs, node_id *images);

/* Appends the Jacobian of one target by each source, of shape target.shape + source.shape and of the
 * source's dtype; NODE_NONE where tape_gradient has none. Forward where the sources together have
 * fewer elements than the target, else in reverse; all rows are one batch, in blocks. */
bool tape_jacobian(struct tape *t, const struct window *w, node_id target, const node_id *sources,
                   size_t n_sources, node_id *jacobians);

/* Appends the second derivatives of what has the given gradients (of tape_gradient, by the same
 * sources; NODE_NONE allowed), forward over reverse: blocks[i * n + j] is the derivative of
 * gradients[i] by sources[j], of shape sources[i].shape + sources[j].shape. It is NODE_NONE exactly
 * where a second reverse tape that recorded the first gradient answers None. Blocks (i, j) and (j, i)
 * are each other's transpose to the bit, and (i, i) is symmetric to the bit. */
bool tape_hessian(struct tape *t, const struct window *w, const node_id *gradients,
                  const node_id *sources, size_t n, node_id *blocks);

/* Appends Hessian times vector, forward over reverse: products[i] is the derivative of gradients[i]
 * along `vector` of `primals` (some of the sources; the others stand still). NODE_NONE exactly where
 * a second reverse tape, asked for the gradient of all gradients by sources[i], answers None. */
bool tape_hvp(struct tape *t, const struct window *w, const node_id *gradients,
              const node_id *sources, size_t n, const node_id *primals, const node_id *vector,
              size_t n_vector, node_id *products);

/* tape_gradient for N sets of seeds at once: stacked[i] has shape (N,) + shape of targets[i], and
 * gradients[i] (N,) + shape of sources[i]. */
bool tape_vjp_batch(struct tape *t, const struct window *w, const node_id *targets,
                    const node_id *stacked, size_t n_targets, const node_id *sources,
                    size_t n_sources, node_id *gradients);

#endif
