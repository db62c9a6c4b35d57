/* The arguments of one convolution as a user calls it, while they are read: TensorFlow's, checked with
 * TensorFlow's words. Shared by op_conv_arguments.c, which reads, and op_convolution.c, which emits. */
#ifndef GRADD_CORE_OP_CONV_H
#define GRADD_CORE_OP_CONV_H

#include "core/emit.h"

/* The parameters after the tensors, in this order. */
struct conv_settings {
    const struct op_arg *strides, *padding, *format, *dilations;
};

struct conv_call {
    struct tape *t;
    const char *name;
    int axes; /* spatial ones: 1, 2 or 3; the last of conv_attrs' three */
    bool channels_first;
    const struct op_arg *padding;
    struct conv_attrs a;
};

/* No tensor, step or padding is larger, so that what is made of two lengths fits. */
enum { CONV_MOST = INT32_MAX };

/* What all forms begin with: ranks, dtypes, data_format, strides, dilations. call->axes is 0 where the
 * filters say how many. This and what follows: false after tape_fail. */
bool conv_begin(struct conv_call *r, node_id input, node_id filters, const struct conv_settings *s);

/* The lengths of the spatial axes of what is convolved. */
void conv_set_in(struct conv_call *r, const int64_t *dim);

/* What a transposed convolution of x is asked to make. */
bool conv_read_output(struct conv_call *r, const struct op_arg *arg, const struct shape *x,
                      const struct shape *w);

/* Kernel, filters and groups, once channels are known; w is (kernel, channels of a group, filters). */
bool conv_read_filters(struct conv_call *r, const struct shape *w);

/* What comes out of the spatial axes, and how much is padded in front of them. */
bool conv_size_out(struct conv_call *r, int64_t images);

/* Whether y, in the primitives' layout, is what a convolution of the output gives. */
bool conv_check_adjoint(struct conv_call *r, const struct shape *y);

#endif
