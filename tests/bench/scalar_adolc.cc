// ADOL-C's side of the scalar bench: the graph as a recorded trace, run as ADOL-C's own gradient()
// does it. Knows nothing of gradd.
#include <adolc/adolc.h>

#include <vector>

#include "tests/bench/scalar.h"

namespace {

constexpr short trace = 1;

adouble apply(const graph_op &op, const std::vector<adouble> &v) {
    switch (op.kind) {
    case GRAPH_ADD:
        return v[op.a] + v[op.b];
    case GRAPH_SUBTRACT:
        return v[op.a] - v[op.b];
    case GRAPH_MULTIPLY:
        return v[op.a] * v[op.b];
    case GRAPH_DIVIDE:
        return v[op.a] / v[op.b];
    case GRAPH_SIN:
        return sin(v[op.a]);
    case GRAPH_TANH:
        return tanh(v[op.a]);
    case GRAPH_KINDS:
        break;
    }
    return 0;
}

} // namespace

void adolc_record(const graph *g) {
    std::vector<adouble> v(GRAPH_INPUTS + g->n_ops);
    double value;
    trace_on(trace);
    for (int i = 0; i < GRAPH_INPUTS; i++) v[static_cast<size_t>(i)] <<= g->x[i];
    for (uint32_t i = 0; i < g->n_ops; i++) v[GRAPH_INPUTS + i] = apply(g->ops[i], v);
    v.back() >>= value;
    trace_off();
}

void adolc_run(const graph *g, graph_answer *answer) {
    const double one = 1;
    zos_forward(trace, 1, GRAPH_INPUTS, 1, g->x, &answer->value);
    fos_reverse(trace, 1, GRAPH_INPUTS, const_cast<double *>(&one), answer->gradient);
}
