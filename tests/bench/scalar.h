/* Random scalar graphs, and what the two sides of the scalar bench owe each other. */
#ifndef GRADD_TESTS_BENCH_SCALAR_H
#define GRADD_TESTS_BENCH_SCALAR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GRAPH_INPUTS = 64 };

enum graph_kind {
    GRAPH_ADD,
    GRAPH_SUBTRACT,
    GRAPH_MULTIPLY,
    GRAPH_DIVIDE,
    GRAPH_SIN,
    GRAPH_TANH,
    GRAPH_KINDS
};

/* Values 0 .. GRAPH_INPUTS - 1 are the inputs; operation i makes value GRAPH_INPUTS + i. */
struct graph_op {
    enum graph_kind kind;
    uint32_t a, b; /* the values it reads; sin and tanh read only a */
};

struct graph {
    double x[GRAPH_INPUTS];
    struct graph_op *ops;
    uint32_t n_ops; /* the last one makes the result; all of them are needed for it */
};

struct graph_answer {
    double value;
    double gradient[GRAPH_INPUTS];
};

/* ADOL-C's side: records the graph, once. */
void adolc_record(const struct graph *g);
/* Value and gradient from that record: one forward and one reverse sweep. */
void adolc_run(const struct graph *g, struct graph_answer *answer);

#ifdef __cplusplus
}
#endif
#endif
