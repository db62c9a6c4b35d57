/* Matrices in the last two axes of tensors: the walk over their leading axes, which broadcast. */
#ifndef GRADD_CORE_KERNELS_MATRICES_H
#define GRADD_CORE_KERNELS_MATRICES_H

#include "core/run.h"

enum { MATRICES_ARGS = 2 };

/* Where the matrices of the arguments and of the result begin, in elements, one after another. */
struct matrices {
    int64_t count, done;
    int64_t in_at[MATRICES_ARGS], out_at;
    int rank;
    int64_t dim[RANK_MAX], index[RANK_MAX];
    int64_t in_stride[MATRICES_ARGS][RANK_MAX], out_stride[RANK_MAX];
};

/* Begins a walk of a step whose arguments and result are matrices with leading axes. A matrix of the first
 * argument that meets several of the second meets them one right after another. */
struct matrices matrices_of(const struct step *step);

/* Goes to the next matrices. */
void matrices_next(struct matrices *w);

/* Goes to matrices `number` of all, counted from 0. */
void matrices_seek(struct matrices *w, int64_t number);

/* Fails the run with "<op>: <words>", and which of several matrices it was, counted in the argument. */
void matrices_fail(const struct step *step, struct run *run, const char *words, int64_t number);

#endif
