/* What einsum's subscripts say, and who reads them: core/einsum_equation.c for core/op_einsum.c. */
#ifndef GRADD_CORE_EINSUM_H
#define GRADD_CORE_EINSUM_H

#include "core/emit.h"

/* Letters are labels; so is every axis that an ellipsis stands for, counted from its last one. */
enum { LETTERS = 52, LABELS = LETTERS + RANK_MAX };

/* A tensor and the label of each of its axes. */
struct term {
    node_id x;
    int n;
    uint8_t label[RANK_MAX];
};

struct einsum {
    struct tape *t;
    const char *equation; /* without spaces */
    const char *output;   /* what follows "->"; NULL where there is none */
    struct term *terms;
    size_t n;
    int64_t dim[LABELS];
    uint32_t uses[LABELS]; /* how many terms have the label, the result included */
    int n_ellipsis;        /* axes of the longest ellipsis */
    struct term result;    /* its labels; x is not used */
};

/* Reads the equation against the terms' tensors: labels of every term and of the result, dimensions.
 * False after tape_fail. */
bool einsum_read(struct einsum *e, const char *equation);

#endif
