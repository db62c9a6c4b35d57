/* One table of op cases. It drives finite differences, the dot-product identity, second-order checks
 * and the batch rule (test_ops.c). Each family of ops has its file of cases, op_cases_<family>.c,
 * written with op_cases_macros.h; an op without a case does not link. */
#ifndef GRADD_TESTS_OP_CASES_H
#define GRADD_TESTS_OP_CASES_H

#include "core/emit.h"

enum { CASE_INPUTS = 3 };

struct op_case {
    const char *label;
    int n_in;
    struct shape in[CASE_INPUTS];
    double low, high; /* the inputs' range, away from kinks and poles */
    unsigned inert;   /* bit i: not differentiable in input i, by the op's nature */
    node_id (*build)(struct tape *t, const node_id *x);
};

struct op_cases {
    const char *op;
    const struct op_case *cases;
    size_t n;
};

extern const struct op_cases *const op_cases[OP_COUNT];

/* The last call of an op with arguments by name that a builder made, for what is said of parameters.
 * With `presets`, what a call leaves out is given as the reference says that it is then. */
struct op_calls {
    bool presets;
    struct op_arg last[OP_COUNT][OP_PARAMS_MAX];
};
extern struct op_calls op_calls;

/* Calls an op the way the language does. */
node_id op_call(struct tape *t, int op, const struct op_arg *args);
bool op_call_many(struct tape *t, int op, const struct op_arg *args, const node_id **results,
                  size_t *n);

#endif
