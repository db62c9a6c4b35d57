/* The care that BLAS and LAPACK need before they are called. */
#include "core/kernels/lapack.h"

#include <math.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void one_thread(void) { openblas_set_num_threads(1); }

void lapack_ready(void) { pthread_once(&once, one_thread); }

#define FINITE(tag, T)                                                                             \
    bool lapack_finite_##tag(struct run *run, const char *op, const T *x, int64_t n) {             \
        for (int64_t i = 0; i < n; i++) {                                                          \
            if (isfinite(x[i])) continue;                                                          \
            run_fail(run, ERROR_INVALID_ARGUMENT,                                                  \
                     "%s: Input is not finite; element %lld of its matrices is %g", op,            \
                     (long long)i, (double)x[i]);                                                  \
            return false;                                                                          \
        }                                                                                          \
        return true;                                                                               \
    }
FINITE(F32, float)
FINITE(F64, double)
