/* What every kernel that calls BLAS or LAPACK shares. gradd alone decides what runs in parallel, so
 * that OpenBLAS is held to one thread: with its own, the bits would depend on how many there are. */
#ifndef GRADD_CORE_KERNELS_LAPACK_H
#define GRADD_CORE_KERNELS_LAPACK_H

#include <cblas.h>
#include <lapacke.h>

#include "core/run.h"

/* Call it before the first call of BLAS or LAPACK in a kernel. */
void lapack_ready(void);

/* LAPACK's answer to a NaN may be an endless loop: where one of n elements is not finite this fails the
 * run with "<op>: Input is not finite; ..." and answers false. */
bool lapack_finite_F32(struct run *run, const char *op, const float *x, int64_t n);
bool lapack_finite_F64(struct run *run, const char *op, const double *x, int64_t n);

#endif
