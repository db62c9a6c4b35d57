/* Convolution and its two adjoints, in one layout: x is (points, images, in, channels), w is
 * (points, kernel, channels / groups, filters) and y is (points, images, out, filters), where in,
 * kernel and out stand for three spatial axes; `points` of an argument may be 1, which serves all points of the other. */
#ifndef GRADD_CORE_KERNELS_CONV_H
#define GRADD_CORE_KERNELS_CONV_H

#include "core/op_attrs.h"
#include "core/run.h"

enum conv_role { CONV_X, CONV_W, CONV_Y };

/* Bytes for the part of x under the kernel of as many rows of y as are computed at a time. */
size_t conv_scratch_bytes(const struct conv_attrs *a, int64_t images, size_t size);

/* y of x and w; x of w and y; w of x and y. */
void conv_kernel(const struct step *step, struct run *run);
void conv_input_kernel(const struct step *step, struct run *run);
void conv_filter_kernel(const struct step *step, struct run *run);

#endif
