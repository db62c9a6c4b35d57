/* Attributes of the primitives, as they stand on the tape. No pointers and no padding, so that two
 * nodes are the same op exactly when the bytes are the same. */
#ifndef GRADD_CORE_OP_ATTRS_H
#define GRADD_CORE_OP_ATTRS_H

#include "core/tensor.h"

struct reduce_attrs {
    uint32_t axes; /* bit i: axis i is reduced */
    uint32_t keepdims;
};

struct shape_attrs { /* reshape, broadcast_to: the result's shape */
    int64_t rank;
    int64_t dim[RANK_MAX];
};

struct transpose_attrs {
    int64_t perm[RANK_MAX]; /* axis i of the result is axis perm[i] of the argument */
};

struct axis_attrs {
    int64_t axis;
};

struct concat_attrs {
    int64_t axis;
    int64_t begin[]; /* of each part along the axis, so that no rule has to add lengths up again */
};

/* Element (i, j, ...) of the smaller tensor is element (begin + i * stride, ...) of the larger. */
struct slice_attrs {
    int64_t rank;
    int64_t dim
        [RANK_MAX]; /* of the result: the smaller one for strided_slice, the larger for its adjoint */
    int64_t begin[RANK_MAX], stride[RANK_MAX];
};

/* Slices added up into zeros, or into a whole tensor. */
struct sum_attrs {
    int64_t based; /* the first argument is that tensor, and no slice */
    int64_t rank, dim[RANK_MAX];
    int64_t meet_begin[RANK_MAX], meet_end[RANK_MAX]; /* the box that all slices reach */
    int64_t offset[]; /* in the result, of the first element of each slice */
};

struct matmul_attrs {
    uint32_t transpose_a, transpose_b;
};

enum solve_part { SOLVE_ALL, SOLVE_LOWER, SOLVE_UPPER }; /* what of the matrix is read */

struct solve_attrs {
    uint32_t part; /* enum solve_part */
    uint32_t adjoint;
};

struct cast_attrs {
    uint32_t dtype;
};

enum index_rule {
    INDEX_LINE,   /* must name a line */
    INDEX_LABEL,  /* the same, in the words for class labels */
    INDEX_SORTED, /* the same, and not less than the one before it, in the words for segments */
    INDEX_DROPS   /* a negative one names none and is left out */
};

struct index_attrs {
    int64_t rule; /* enum index_rule */
    int64_t n;    /* lines that an index may name */
    int64_t rank; /* of the user's indices, whose places messages name */
    int64_t dim[RANK_MAX];
};

/* Of indices into several axes: the axes' lengths, and the user's shapes for messages. */
struct place_attrs {
    int64_t scatters;                      /* says "shape" in messages, else "param shape" */
    int64_t rank, dim[RANK_MAX];           /* of the tensor that is indexed, without batch axes */
    int64_t depth;                         /* axes that an index names */
    int64_t rows_rank, rows_dim[RANK_MAX]; /* of the indices, without their last axis */
};

struct sort_attrs {
    uint32_t descending;
};

struct recurrence_attrs {
    uint32_t reverse;
};

enum random_kind { RANDOM_UNIFORM, RANDOM_NORMAL, RANDOM_TRUNCATED_NORMAL };

struct random_attrs {
    int64_t kind;  /* enum random_kind; integers have none */
    int64_t dtype; /* of the result */
    int64_t rank, dim[RANK_MAX];
};

/* A window over three axes: at place i of the result it covers `size` elements of an axis from
 * i * stride - before on, as far as they are in the tensor. It covers one at least. */
struct window_attrs {
    int64_t in[3], out[3];
    int64_t size[3], stride[3], before[3];
};

/* Of a convolution and its two adjoints: y at o has the kernel's position k on x at
 * o * stride - before + k * dilation. Axes that a convolution lacks have length 1. */
enum { CONV_AXES = 3 };
struct conv_attrs {
    int64_t in[CONV_AXES], kernel[CONV_AXES], out[CONV_AXES];
    int64_t stride[CONV_AXES], dilation[CONV_AXES], before[CONV_AXES];
    int64_t channels, filters; /* of x and of y */
    int64_t groups; /* both are cut into so many parts, and a part of y sees its part of x alone */
};

struct factor_attrs { /* eigh, svd, qr */
    uint32_t vectors; /* not the values alone */
    uint32_t full;    /* the square orthogonal factors */
};

struct pinv_attrs {
    double rcond;
};

#endif
