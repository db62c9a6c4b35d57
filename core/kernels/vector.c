/* Chooses SLEEF's functions for the processor that there is, and brings them to loops and groups of cells. */
#include "core/kernels/vector.h"

#include <string.h>

extern const struct vector_math vector_baseline, vector_avx2, vector_avx512;

const struct vector_math *vector_math = &vector_baseline;

const struct vector_math *vector_choice(int i) {
#if defined(__x86_64__)
    const struct vector_math *const all[] = {
        __builtin_cpu_supports("avx512f") ? &vector_avx512 : NULL,
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &vector_avx2 : NULL,
        &vector_baseline};
#else
    const struct vector_math *const all[] = {&vector_baseline};
#endif
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (all[k] && i-- == 0) return all[k];
    return NULL;
}

/* Before any thread begins: what is chosen never changes. */
__attribute__((constructor)) static void choose(void) { vector_math = vector_choice(0); }

#define LOOP_AND_GROUP(tag, T)                                                                     \
    void vector_loop_##tag(enum vector_function f, int64_t n, void *out, const void *x,            \
                           int64_t sx) {                                                           \
        T *o = out;                                                                                \
        if (sx) {                                                                                  \
            vector_math->many_##tag[f](n, o, x);                                                   \
            return;                                                                                \
        }                                                                                          \
        const T y = vector_math->one_##tag[f](*(const T *)x);                                      \
        for (int64_t i = 0; i < n; i++) o[i] = y;                                                  \
    }                                                                                              \
    /* Whole vectors, the last one filled up with zeros. */                                        \
    void vector_group_##tag(enum vector_function f, const struct group *g, char *slab) {           \
        T at[VECTOR_BLOCK];                                                                        \
        const uint32_t width = (uint32_t)vector_math->width_##tag;                                 \
        for (uint32_t from = 0; from < g->n; from += VECTOR_BLOCK) {                               \
            const uint32_t n = g->n - from < VECTOR_BLOCK ? g->n - from : VECTOR_BLOCK;            \
            const uint32_t whole = (n + width - 1) / width * width;                                \
            for (uint32_t i = 0; i < n; i++)                                                       \
                at[i] = *(const T *)cell_at(slab, g->in[0][from + i]);                             \
            for (uint32_t i = n; i < whole; i++) at[i] = 0;                                        \
            vector_math->many_##tag[f](whole, at, at);                                             \
            for (uint32_t i = 0; i < n; i++) *(T *)cell_at(slab, g->out + from + i) = at[i];       \
        }                                                                                          \
    }
LOOP_AND_GROUP(F32, float)
LOOP_AND_GROUP(F64, double)
