/* The care that BLAS and LAPACK need before they are called. */
#include "core/kernels/lapack.h"

#include <math.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/kernels/lapack_threads.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void one_thread(void) { openblas_set_num_threads(1); }

void lapack_ready(void) { pthread_once(&once, one_thread); }

/* OpenBLAS ends its threads before a fork, so that the child may have some of its own; there is no other call
 * for it. To be held to one thread comes first, since saying so starts them. */
void lapack_end_threads(void) {
    lapack_ready();
    const pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
}

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
