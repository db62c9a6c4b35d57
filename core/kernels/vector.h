/* Elementary functions of many elements at once, from SLEEF (Debian's libsleef-dev). One set of functions is
 * chosen when the program starts: of processors with FMA the widest there is, which all give the same bits, or
 * else the baseline. An element has the same value alone, in a run of any length and in a cell. */
#ifndef GRADD_CORE_KERNELS_VECTOR_H
#define GRADD_CORE_KERNELS_VECTOR_H

#include <float.h>

#include "core/kernels/pointwise.h"

/* Those that are within 1 ulp (tanh of float32 within 1.00005), subnormal and huge arguments included, and
 * from where to where: what is nearer to 0 (SLEEF loses its last bit) and what is beyond (it overflows early)
 * is libm's. float32, float64. The inverse and hyperbolic functions that are not here overflow over half of
 * their range, and erf is off by 1.8 ulp without FMA. */
#define VECTOR_FUNCTIONS(X)                                                                        \
    X(exp, 0, INFINITY, 0, 709.75)                                                                 \
    X(expm1, 0, INFINITY, 0, INFINITY)                                                             \
    X(exp2, 0, INFINITY, 0, INFINITY)                                                              \
    X(log, 0, INFINITY, 0, INFINITY)                                                               \
    X(log1p, FLT_MIN, 1e37F, DBL_MIN, 1e306)                                                       \
    X(log2, 0, INFINITY, 0, INFINITY)                                                              \
    X(log10, 0, INFINITY, 0, INFINITY)                                                             \
    X(sin, 0, INFINITY, 0, INFINITY)                                                               \
    X(cos, 0, INFINITY, 0, INFINITY)                                                               \
    X(tan, 0, INFINITY, DBL_MIN, INFINITY)                                                         \
    X(tanh, 0, INFINITY, 0, INFINITY)                                                              \
    X(asin, 0, INFINITY, 0, INFINITY)                                                              \
    X(acos, 0, INFINITY, 0, INFINITY)                                                              \
    X(atan, 0, INFINITY, 0, INFINITY)

enum vector_function {
#define X(name, ...) VECTOR_##name,
    VECTOR_FUNCTIONS(X)
#undef X
        VECTOR_COUNT
};

struct vector_math {
    const char *name;
    int width_F32, width_F64; /* elements of a vector */
    void (*many_F32[VECTOR_COUNT])(int64_t n, float *out, const float *x);
    void (*many_F64[VECTOR_COUNT])(int64_t n, double *out, const double *x);
    float (*one_F32[VECTOR_COUNT])(float x);
    double (*one_F64[VECTOR_COUNT])(double x);
};

/* What was chosen. */
extern const struct vector_math *vector_math;

/* The i-th that this processor can run, and whether it has the bits of what was chosen; NULL past the end. */
const struct vector_math *vector_choice(int i);

/* A loop1, and the same for a group of cells. */
void vector_loop_F32(enum vector_function f, int64_t n, void *out, const void *x, int64_t sx);
void vector_loop_F64(enum vector_function f, int64_t n, void *out, const void *x, int64_t sx);
void vector_group_F32(enum vector_function f, const struct group *g, char *slab);
void vector_group_F64(enum vector_function f, const struct group *g, char *slab);

/* Loop, cell and group of a function, for an op of that name. */
#define VECTOR(id, tag, T)                                                                         \
    static void id##_loop_##tag(int64_t n, void *out, const void *x, int64_t sx) {                 \
        vector_loop_##tag(VECTOR_##id, n, out, x, sx);                                             \
    }                                                                                              \
    static void id##_cell_##tag(const struct instr *instr, char *slab) {                           \
        const T x = *(const T *)cell_at(slab, instr->on.cell.in[0]);                               \
        *(T *)cell_at(slab, instr->on.cell.out) = vector_math->one_##tag[VECTOR_##id](x);          \
    }                                                                                              \
    static void id##_group_##tag(const struct group *g, char *slab) {                              \
        vector_group_##tag(VECTOR_##id, g, slab);                                                  \
    }
#define VECTOR_FLOATS(id) VECTOR(id, F32, float) VECTOR(id, F64, double)

/* The same for what is made of a function's value: `e` is f, and then g unless that is VECTOR_COUNT, at
 * `before`, an expression of x; `value` is one of x and e. */
enum { VECTOR_BLOCK = 256 };
#define VECTOR_THROUGH(id, f, g, tag, T, before, value)                                            \
    static void id##_many_##tag(int64_t n, T *at) {                                                \
        vector_math->many_##tag[VECTOR_##f](n, at, at);                                            \
        if ((g) < VECTOR_COUNT) vector_math->many_##tag[g](n, at, at);                             \
    }                                                                                              \
    static T id##_one_##tag(T x) {                                                                 \
        T e = vector_math->one_##tag[VECTOR_##f](before);                                          \
        if ((g) < VECTOR_COUNT) e = vector_math->one_##tag[g](e);                                  \
        return (T)(value);                                                                         \
    }                                                                                              \
    static void id##_loop_##tag(int64_t n, void *out, const void *in, int64_t sx) {                \
        const T *p = in;                                                                           \
        T *o = out, at[VECTOR_BLOCK];                                                              \
        for (; n > 0; n -= VECTOR_BLOCK, p += sx * VECTOR_BLOCK, o += VECTOR_BLOCK) {              \
            const int64_t some = n < VECTOR_BLOCK ? n : VECTOR_BLOCK;                              \
            for (int64_t i = 0; i < some; i++) {                                                   \
                const T x = p[i * sx];                                                             \
                at[i] = before;                                                                    \
            }                                                                                      \
            id##_many_##tag(some, at);                                                             \
            for (int64_t i = 0; i < some; i++) {                                                   \
                const T x = p[i * sx], e = at[i];                                                  \
                o[i] = (T)(value);                                                                 \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void id##_cell_##tag(const struct instr *instr, char *slab) {                           \
        const T x = *(const T *)cell_at(slab, instr->on.cell.in[0]);                               \
        *(T *)cell_at(slab, instr->on.cell.out) = id##_one_##tag(x);                               \
    }                                                                                              \
    static void id##_group_##tag(const struct group *group, char *slab) {                          \
        for (uint32_t i = 0; i < group->n; i++)                                                    \
            *(T *)cell_at(slab, group->out + i) =                                                  \
                id##_one_##tag(*(const T *)cell_at(slab, group->in[0][i]));                        \
    }
#define VECTOR_THROUGH_FLOATS(id, f, g, before, value)                                             \
    VECTOR_THROUGH(id, f, g, F32, float, before, value)                                            \
    VECTOR_THROUGH(id, f, g, F64, double, before, value)

#endif
