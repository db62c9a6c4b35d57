/* The threads of OpenBLAS, which nothing here uses. */
#ifndef GRADD_CORE_KERNELS_LAPACK_THREADS_H
#define GRADD_CORE_KERNELS_LAPACK_THREADS_H

/* Ends the threads that OpenBLAS started when it was loaded. For the main thread, before there are others of
 * ours; where one of them is started again it is a child of the thread that made OpenBLAS do so. */
void lapack_end_threads(void);

#endif
