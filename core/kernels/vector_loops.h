/* One set of SLEEF's functions as a struct vector_math. Included once by each of its files, which says:
 *
 *     VECTOR_SET       the name of the set
 *     VECTOR_KIND      finz or cinz: SLEEF's functions with and without FMA, the same bits at every width
 *     VECTOR_EXTENSION sse2, avx2, ... behind SLEEF's names, and VECTOR_ALONE for functions of one element
 *     VECTOR_WIDTH_F32, VECTOR_WIDTH_F64, VECTOR_F32, VECTOR_F64
 *                      elements of a vector, and its types */
#include <math.h>
#include <sleef.h>
#include <string.h>

#include "core/kernels/vector.h"

#define PASTE(kind, function, width, extension) Sleef_##kind##_##function##width##_u10##extension
#define SLEEF(kind, function, width, extension) PASTE(kind, function, width, extension)

/* What is beyond the limit of `most`; NaN is not. */
#define MANY(name, tag, T, letter, most, alone)                                                    \
    static T one_##name##_##tag(T x) {                                                             \
        return x > (most) ? alone(x) : SLEEF(VECTOR_KIND, name##letter, 1, VECTOR_ALONE)(x);       \
    }                                                                                              \
    static inline void whole_##name##_##tag(T *out, const T *x) {                                  \
        enum { WIDTH = VECTOR_WIDTH_##tag };                                                       \
        VECTOR_##tag v;                                                                            \
        T in[WIDTH];                                                                               \
        bool beyond = false;                                                                       \
        memcpy(&v, x, sizeof v);                                                                   \
        if ((most) < INFINITY) {                                                                   \
            memcpy(in, &v, sizeof v);                                                              \
            for (int i = 0; i < WIDTH; i++) beyond |= in[i] > (most);                              \
        }                                                                                          \
        v = SLEEF(VECTOR_KIND, name##letter, VECTOR_WIDTH_##tag, VECTOR_EXTENSION)(v);             \
        memcpy(out, &v, sizeof v);                                                                 \
        for (int i = 0; beyond && i < WIDTH; i++)                                                  \
            if (in[i] > (most)) out[i] = alone(in[i]);                                             \
    }                                                                                              \
    static void many_##name##_##tag(int64_t n, T *out, const T *x) {                               \
        enum { WIDTH = VECTOR_WIDTH_##tag };                                                       \
        for (; n >= WIDTH; n -= WIDTH, x += WIDTH, out += WIDTH) whole_##name##_##tag(out, x);     \
        if (n == 0) return;                                                                        \
        T rest[WIDTH] = {0};                                                                       \
        memcpy(rest, x, (size_t)n * sizeof *x);                                                    \
        whole_##name##_##tag(rest, rest);                                                          \
        memcpy(out, rest, (size_t)n * sizeof *x);                                                  \
    }
#define X(name, most_F32, most_F64)                                                                \
    MANY(name, F32, float, f, most_F32, name##f)                                                   \
    MANY(name, F64, double, d, most_F64, name)
VECTOR_FUNCTIONS(X)
#undef X

#define ROW(name, tag)                                                                             \
    .many_##tag[VECTOR_##name] = many_##name##_##tag, .one_##tag[VECTOR_##name] = one_##name##_##tag
const struct vector_math VECTOR_SET = {.name = VECTOR_NAME,
#define X(name, most_F32, most_F64) ROW(name, F32), ROW(name, F64),
                                       VECTOR_FUNCTIONS(X)
#undef X
};
