/* Moving elements between strided layouts: the kernel under transpose, broadcast, slices, concat. */
#ifndef GRADD_CORE_KERNELS_COPY_H
#define GRADD_CORE_KERNELS_COPY_H

#include "core/run.h"

/* Copies shape's elements of `size` bytes (1, 4 or 8). Strides are in elements, may be 0 or negative,
 * and belong to the axes of `shape`. */
void copy_strided(struct run *run, size_t size, const struct shape *shape, char *to,
                  const int64_t *to_stride, const char *from, const int64_t *from_stride);

/* The table rows of a kernel that only moves elements. */
#define KERNELS_COPY(kernel) .kernels = {kernel, kernel, kernel, kernel, kernel}

/* Row-major strides of a shape, in elements. */
void shape_strides(const struct shape *shape, int64_t *stride);

#endif
