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

/* NaN and 0 are SLEEF's. Whether there are limits is known to the compiler. */
#define APART(x, least, most)                                                                      \
    ((x) > (most) || ((least) > 0 && (x) < (least) && (x) > -(least) && (x) != 0))
#define MANY(name, tag, T, letter, least, most, alone)                                             \
    static T one_##name##_##tag(T x) {                                                             \
        return APART(x, least, most) ? alone(x)                                                    \
                                     : SLEEF(VECTOR_KIND, name##letter, 1, VECTOR_ALONE)(x);       \
    }                                                                                              \
    static inline void whole_##name##_##tag(T *out, const T *x) {                                  \
        enum { WIDTH = VECTOR_WIDTH_##tag };                                                       \
        VECTOR_##tag v;                                                                            \
        T in[WIDTH];                                                                               \
        bool apart = false;                                                                        \
        memcpy(&v, x, sizeof v);                                                                   \
        if ((least) > 0 || (most) < INFINITY) {                                                    \
            memcpy(in, &v, sizeof v);                                                              \
            for (int i = 0; i < WIDTH; i++) apart |= APART(in[i], least, most);                    \
        }                                                                                          \
        v = SLEEF(VECTOR_KIND, name##letter, VECTOR_WIDTH_##tag, VECTOR_EXTENSION)(v);             \
        memcpy(out, &v, sizeof v);                                                                 \
        for (int i = 0; apart && i < WIDTH; i++)                                                   \
            if (APART(in[i], least, most)) out[i] = alone(in[i]);                                  \
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
#define X(name, least_F32, most_F32, least_F64, most_F64)                                          \
    MANY(name, F32, float, f, least_F32, most_F32, name##f)                                        \
    MANY(name, F64, double, d, least_F64, most_F64, name)
VECTOR_FUNCTIONS(X)
#undef X

#define ROW(name, tag)                                                                             \
    .many_##tag[VECTOR_##name] = many_##name##_##tag, .one_##tag[VECTOR_##name] = one_##name##_##tag
const struct vector_math VECTOR_SET = {.name = VECTOR_NAME,
                                       .width_F32 = VECTOR_WIDTH_F32,
                                       .width_F64 = VECTOR_WIDTH_F64,
#define X(name, ...) ROW(name, F32), ROW(name, F64),
                                       VECTOR_FUNCTIONS(X)
#undef X
};
