/* Cases of the op behind custom_gradient, given the derivative that its value has. */
#include "op_cases_macros.h"

/* x0 ** 2 * x1, elementwise, with its own derivative as the rule. */
static node_id build_custom(struct tape *t, const node_id *x) {
    const node_id product = emit_multiply(t, emit_square(t, x[0]), x[1]);
    const node_id value = emit1(t, OP_stop_gradient, product);
    if (value == NODE_NONE) return NODE_NONE;
    const node_id seed =
        emit1(t, OP_identity, tape_fill(t, tape_dtype(t, value), tape_shape(t, value), 1));
    const node_id formals[2] = {emit1(t, OP_identity, x[0]), emit1(t, OP_identity, x[1])};
    const node_id twice = emit_multiply(t, formals[0], emit_like(t, x[0], 2));
    const node_id gradients[2] = {
        emit_multiply(t, seed, emit_multiply(t, twice, formals[1])),
        emit_multiply(t, seed, emit_square(t, formals[0])),
    };
    return emit_custom(t, value, x, 2, seed, formals, gradients);
}
CASES(custom, {"custom", 2, {M(2, 3), M(2, 3)}, -2, 2, 0, build_custom},
      {"custom scalar", 2, {SCALAR, SCALAR}, -2, 2, 0, build_custom},
      {"custom empty", 2, {M(0, 3), M(0, 3)}, -2, 2, 0, build_custom})
