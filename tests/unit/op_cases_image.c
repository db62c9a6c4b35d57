/* Cases of images of another size. */
#include "op_cases_macros.h"

#define SIZE(...)                                                                                  \
    { .given = true, .b = true, .ints = (int64_t[]){__VA_ARGS__}, .n = 2 }
BUILD(larger, CALL(resize_bilinear, NODE(x[0]), SIZE(5, 7), NONE, NONE))
BUILD(smaller, CALL(resize_bilinear, NODE(x[0]), SIZE(2, 1), NONE, BOOL(true)))
BUILD(corners, CALL(resize_bilinear, NODE(x[0]), SIZE(4, 3), BOOL(true), NONE))
#define IMAGE(n, h, w, c)                                                                          \
    {                                                                                              \
        .rank = 4, .dim = { n, h, w, c }                                                           \
    }
CASES(resize_bilinear, {"resize_bilinear, larger", 1, {IMAGE(2, 3, 2, 2)}, -2, 2, 0, build_larger},
      {"resize_bilinear, smaller, between pixels", 1, {IMAGE(1, 5, 4, 1)}, -2, 2, 0, build_smaller},
      {"resize_bilinear, corners on corners", 1, {IMAGE(1, 2, 5, 2)}, -2, 2, 0, build_corners},
      {"resize_bilinear of one pixel", 1, {IMAGE(1, 1, 1, 3)}, -2, 2, 0, build_larger},
      {"resize_bilinear of no image", 1, {IMAGE(0, 3, 2, 1)}, -2, 2, 0, build_larger})
