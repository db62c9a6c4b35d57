/* Cases of convolutions: ranks, strides, paddings, dilations, groups, layouts, and what is empty. */
#include "op_cases_macros.h"

#define T4(...)                                                                                    \
    {                                                                                              \
        .rank = 4, .dim = { __VA_ARGS__ }                                                          \
    }
#define T5(...)                                                                                    \
    {                                                                                              \
        .rank = 5, .dim = { __VA_ARGS__ }                                                          \
    }
#define T6(...)                                                                                    \
    {                                                                                              \
        .rank = 6, .dim = { __VA_ARGS__ }                                                          \
    }
#define TEXT(v)                                                                                    \
    { .given = true, .string = (v) }
#define PADS(...) INTS(__VA_ARGS__)

/* The primitives in their own layout: 5 rows and 4 columns, a kernel of 3 and 2, 4 channels in 2 groups,
 * 6 filters. */
static const struct conv_attrs grouped = {.in = {1, 5, 4},
                                          .kernel = {1, 3, 2},
                                          .out = {1, 3, 3},
                                          .stride = {1, 2, 1},
                                          .dilation = {1, 1, 2},
                                          .before = {0, 1, 1},
                                          .channels = 4,
                                          .filters = 6,
                                          .groups = 2};
static const struct conv_attrs channelwise = {.in = {1, 1, 4},
                                              .kernel = {1, 1, 2},
                                              .out = {1, 1, 3},
                                              .stride = {1, 1, 1},
                                              .dilation = {1, 1, 1},
                                              .channels = 3,
                                              .filters = 6,
                                              .groups = 3};
#define PRIMITIVE(id, attrs)                                                                       \
    BUILD(id##_##attrs, tape_emit(t, OP_##id, x, 2, &(attrs), sizeof(attrs)))
#define X(points) T6(points, 2, 1, 5, 4, 4)
#define W(points) T6(points, 1, 3, 2, 2, 6)
#define Y(points) T6(points, 2, 1, 3, 3, 6)
#define PRIMITIVE_CASES(id, first, second, ...)                                                    \
    PRIMITIVE(id, grouped)                                                                         \
    PRIMITIVE(id, channelwise)                                                                     \
    CASES(id, {#id, 2, {first(1), second(1)}, -1, 1, 0, build_##id##_grouped},                     \
          {#id " of points", 2, {first(2), second(2)}, -1, 1, 0, build_##id##_grouped},            \
          {#id ", the second shared", 2, {first(2), second(1)}, -1, 1, 0, build_##id##_grouped},   \
          {#id ", the first shared", 2, {first(1), second(2)}, -1, 1, 0, build_##id##_grouped},    \
          {#id " of no points", 2, {first(0), second(1)}, -1, 1, 0, build_##id##_grouped},         \
          {#id " of single channels", 2, __VA_ARGS__, -1, 1, 0, build_##id##_channelwise})
PRIMITIVE_CASES(conv, X, W, {T6(1, 2, 1, 1, 4, 3), T6(2, 1, 1, 2, 1, 6)})
PRIMITIVE_CASES(conv_input, W, Y, {T6(2, 1, 1, 2, 1, 6), T6(1, 2, 1, 1, 3, 6)})
PRIMITIVE_CASES(conv_filter, X, Y, {T6(2, 2, 1, 1, 4, 3), T6(1, 2, 1, 1, 3, 6)})

#define CONVOLVE(id, ...) CALL(id, NODE(x[0]), NODE(x[1]), __VA_ARGS__)

BUILD(conv1d, CONVOLVE(conv1d, INTS(1), TEXT("VALID"), NONE, NONE))
BUILD(conv1d_same, CONVOLVE(conv1d, INTS(2), TEXT("SAME"), TEXT("NWC"), NONE))
BUILD(conv1d_first, CONVOLVE(conv1d, INTS(1, 1, 2), TEXT("SAME"), TEXT("NCW"), INTS(1)))
BUILD(conv1d_pads, CONVOLVE(conv1d, INTS(1), PADS(0, 0, 2, 1, 0, 0), NONE, INTS(2)))
CASES(conv1d, {"conv1d", 2, {T3(2, 5, 2), T3(3, 2, 3)}, -1, 1, 0, build_conv1d},
      {"conv1d SAME with strides", 2, {T3(2, 5, 2), T3(3, 2, 3)}, -1, 1, 0, build_conv1d_same},
      {"conv1d with channels first", 2, {T3(2, 2, 5), T3(2, 2, 3)}, -1, 1, 0, build_conv1d_first},
      {"conv1d padded and dilated", 2, {T3(1, 4, 2), T3(3, 2, 1)}, -1, 1, 0, build_conv1d_pads},
      {"conv1d of leading axes", 2, {T5(2, 1, 2, 5, 2), T3(3, 2, 3)}, -1, 1, 0, build_conv1d},
      {"conv1d giving nothing", 2, {T3(2, 2, 2), T3(3, 2, 3)}, -1, 1, 0, build_conv1d})

BUILD(conv2d, CONVOLVE(conv2d, INTS(1), TEXT("VALID"), NONE, NONE))
BUILD(conv2d_same, CONVOLVE(conv2d, INTS(2), TEXT("SAME"), NONE, NONE))
BUILD(conv2d_steps, CONVOLVE(conv2d, INTS(2, 1), TEXT("VALID"), NONE, INTS(1, 1, 2, 1)))
BUILD(conv2d_pads, CONVOLVE(conv2d, INTS(1, 1, 2, 1), PADS(0, 0, 1, 0, 0, 2, 0, 0), NONE, NONE))
BUILD(conv2d_first,
      CONVOLVE(conv2d, INTS(1), PADS(0, 0, 0, 0, 2, 1, 0, 0), TEXT("NCHW"), INTS(2, 1)))
CASES(conv2d, {"conv2d", 2, {T4(2, 4, 5, 2), T4(2, 3, 2, 3)}, -1, 1, 0, build_conv2d},
      {"conv2d SAME", 2, {T4(1, 4, 5, 2), T4(3, 2, 2, 2)}, -1, 1, 0, build_conv2d_same},
      {"conv2d with strides and dilations",
       2,
       {T4(1, 5, 6, 1), T4(2, 3, 1, 2)},
       -1,
       1,
       0,
       build_conv2d_steps},
      {"conv2d padded", 2, {T4(1, 3, 3, 1), T4(2, 2, 1, 2)}, -1, 1, 0, build_conv2d_pads},
      {"conv2d with channels first",
       2,
       {T4(1, 2, 5, 3), T4(2, 3, 2, 2)},
       -1,
       1,
       0,
       build_conv2d_first},
      {"conv2d in groups", 2, {T4(1, 4, 3, 4), T4(2, 2, 2, 6)}, -1, 1, 0, build_conv2d},
      {"conv2d of single places", 2, {T4(2, 2, 3, 4), T4(1, 1, 2, 6)}, -1, 1, 0, build_conv2d},
      {"conv2d of several blocks", 2, {T4(2, 24, 24, 8), T4(3, 3, 8, 2)}, -1, 1, 0, build_conv2d},
      {"conv2d of one number", 2, {T4(1, 1, 1, 1), T4(1, 1, 1, 1)}, -1, 1, 0, build_conv2d},
      {"conv2d of no images", 2, {T4(0, 4, 5, 2), T4(2, 3, 2, 3)}, -1, 1, 0, build_conv2d},
      {"conv2d with no filters", 2, {T4(1, 4, 5, 2), T4(2, 3, 2, 0)}, -1, 1, 0, build_conv2d},
      {"conv2d of empty images", 2, {T4(1, 0, 5, 2), T4(2, 3, 2, 3)}, -1, 1, 0, build_conv2d_same},
      {"conv2d, padding alone", 2, {T4(1, 1, 0, 1), T4(2, 2, 1, 2)}, -1, 1, 0, build_conv2d_pads})

BUILD(conv3d, CONVOLVE(conv3d, INTS(1), TEXT("VALID"), NONE, NONE))
BUILD(conv3d_same, CONVOLVE(conv3d, INTS(1, 2, 1), TEXT("SAME"), NONE, INTS(2, 1, 1)))
BUILD(conv3d_first, CONVOLVE(conv3d, INTS(1), TEXT("SAME"), TEXT("NCDHW"), NONE))
CASES(conv3d, {"conv3d", 2, {T5(1, 3, 2, 3, 2), T5(2, 1, 2, 2, 2)}, -1, 1, 0, build_conv3d},
      {"conv3d SAME", 2, {T5(1, 3, 3, 2, 2), T5(2, 2, 1, 1, 2)}, -1, 1, 0, build_conv3d_same},
      {"conv3d first", 2, {T5(1, 2, 2, 2, 2), T5(2, 1, 2, 2, 1)}, -1, 1, 0, build_conv3d_first},
      {"conv3d of nothing", 2, {T5(0, 3, 2, 3, 2), T5(2, 1, 2, 2, 2)}, -1, 1, 0, build_conv3d})

BUILD(convolution, CONVOLVE(convolution, NONE, NONE, NONE, NONE))
BUILD(convolution_same, CONVOLVE(convolution, INTS(2), TEXT("same"), NONE, INTS(2)))
CASES(convolution,
      {"convolution of rank 3", 2, {T3(2, 5, 2), T3(3, 2, 3)}, -1, 1, 0, build_convolution},
      {"convolution of rank 4",
       2,
       {T4(1, 4, 5, 2), T4(2, 3, 2, 3)},
       -1,
       1,
       0,
       build_convolution_same},
      {"convolution of rank 5",
       2,
       {T5(1, 3, 2, 3, 2), T5(2, 1, 2, 2, 2)},
       -1,
       1,
       0,
       build_convolution})

BUILD(conv1d_transpose, CONVOLVE(conv1d_transpose, INTS(1, 7, 2), INTS(2), NONE, NONE, NONE))
BUILD(conv1d_transpose_first,
      CONVOLVE(conv1d_transpose, INTS(2, 2, 7), INTS(1, 1, 2), TEXT("VALID"), TEXT("NCW"), INTS(2)))
CASES(conv1d_transpose,
      {"conv1d_transpose", 2, {T3(1, 4, 3), T3(3, 2, 3)}, -1, 1, 0, build_conv1d_transpose},
      {"conv1d_transpose, channels first",
       2,
       {T3(2, 3, 2), T3(3, 2, 3)},
       -1,
       1,
       0,
       build_conv1d_transpose_first})

BUILD(conv2d_transpose, CONVOLVE(conv2d_transpose, INTS(1, 7, 5, 2), INTS(2, 1), NONE, NONE, NONE))
BUILD(conv2d_transpose_valid,
      CONVOLVE(conv2d_transpose, INTS(6, 6), INTS(1, 2, 2, 1), TEXT("VALID"), NONE, NONE))
BUILD(conv2d_transpose_pads, CONVOLVE(conv2d_transpose, INTS(1, 4, 4, 2), INTS(1),
                                      PADS(0, 0, 1, 0, 0, 1, 0, 0), NONE, INTS(2, 1)))
BUILD(conv2d_transpose_groups,
      CONVOLVE(conv2d_transpose, INTS(1, 3, 3, 4), INTS(1), TEXT("SAME"), NONE, NONE))
CASES(conv2d_transpose,
      {"conv2d_transpose", 2, {T4(1, 4, 5, 3), T4(3, 2, 2, 3)}, -1, 1, 0, build_conv2d_transpose},
      {"conv2d_transpose VALID",
       2,
       {T4(2, 2, 2, 1), T4(3, 4, 2, 1)},
       -1,
       1,
       0,
       build_conv2d_transpose_valid},
      {"conv2d_transpose padded",
       2,
       {T4(1, 3, 4, 2), T4(2, 2, 2, 2)},
       -1,
       1,
       0,
       build_conv2d_transpose_pads},
      {"conv2d_transpose in groups",
       2,
       {T4(1, 3, 3, 6), T4(2, 2, 2, 6)},
       -1,
       1,
       0,
       build_conv2d_transpose_groups},
      {"conv2d_transpose of nothing",
       2,
       {T4(0, 2, 2, 1), T4(3, 4, 2, 1)},
       -1,
       1,
       0,
       build_conv2d_transpose_valid})

BUILD(conv3d_transpose,
      CONVOLVE(conv3d_transpose, INTS(1, 3, 2, 4, 2), INTS(2, 1, 2), NONE, NONE, NONE))
CASES(conv3d_transpose, {"conv3d_transpose",
                         2,
                         {T5(1, 2, 2, 2, 1), T5(2, 1, 2, 2, 1)},
                         -1,
                         1,
                         0,
                         build_conv3d_transpose})
BUILD(conv_transpose, CONVOLVE(conv_transpose, INTS(7), INTS(2), NONE, NONE, NONE))
CASES(conv_transpose,
      {"conv_transpose", 2, {T3(1, 4, 3), T3(3, 2, 3)}, -1, 1, 0, build_conv_transpose})

BUILD(depthwise, CONVOLVE(depthwise_conv2d, INTS(1, 1, 1, 1), TEXT("SAME"), NONE, NONE))
BUILD(depthwise_first, CONVOLVE(depthwise_conv2d, INTS(2), TEXT("VALID"), TEXT("NCHW"), INTS(1, 2)))
CASES(
    depthwise_conv2d,
    {"depthwise_conv2d", 2, {T4(2, 4, 3, 3), T4(2, 2, 3, 2)}, -1, 1, 0, build_depthwise},
    {"depthwise_conv2d once", 2, {T4(1, 4, 3, 3), T4(2, 2, 3, 1)}, -1, 1, 0, build_depthwise},
    {"depthwise_conv2d of one channel",
     2,
     {T4(1, 4, 3, 1), T4(2, 2, 1, 2)},
     -1,
     1,
     0,
     build_depthwise},
    {"depthwise_conv2d, channels first",
     2,
     {T4(1, 2, 5, 4), T4(2, 2, 2, 2)},
     -1,
     1,
     0,
     build_depthwise_first},
    {"depthwise_conv2d of nothing", 2, {T4(0, 4, 3, 3), T4(2, 2, 3, 2)}, -1, 1, 0, build_depthwise})

BUILD(separable, CALL(separable_conv2d, NODE(x[0]), NODE(x[1]), NODE(x[2]), INTS(1, 1, 1, 1),
                      TEXT("SAME"), NONE, NONE))
BUILD(separable_first, CALL(separable_conv2d, NODE(x[0]), NODE(x[1]), NODE(x[2]), INTS(2),
                            TEXT("VALID"), TEXT("NCHW"), INTS(2)))
CASES(separable_conv2d,
      {"separable_conv2d",
       3,
       {T4(1, 3, 3, 2), T4(2, 2, 2, 2), T4(1, 1, 4, 3)},
       -1,
       1,
       0,
       build_separable},
      {"separable_conv2d, channels first",
       3,
       {T4(1, 2, 5, 3), T4(2, 2, 2, 1), T4(1, 1, 2, 2)},
       -1,
       1,
       0,
       build_separable_first})
