/* Kernels of element-wise ops from one expression each. UNARY(name, tag, T, R, expr) makes, for one
 * dtype, a loop over tensors and an instruction on cells; `x` (and `y`) are the elements. */
#ifndef GRADD_CORE_KERNELS_POINTWISE_H
#define GRADD_CORE_KERNELS_POINTWISE_H

#include "core/run.h"

typedef void (*loop1)(int64_t n, void *out, const void *x, int64_t sx);
typedef void (*loop2)(int64_t n, void *out, const void *x, int64_t sx, const void *y, int64_t sy);
typedef void (*loop3)(int64_t n, void *out, const void *x, int64_t sx, const void *y, int64_t sy,
                      const void *z, int64_t sz);

/* Drive a loop over the nest of a step: inner runs of contiguous results, in blocks between which
 * the run may be stopped. */
void pointwise1(const struct step *step, struct run *run, loop1 loop);
void pointwise2(const struct step *step, struct run *run, loop2 loop);
void pointwise3(const struct step *step, struct run *run, loop3 loop);

static inline void *cell_at(char *slab, uint32_t cell) { return slab + (size_t)cell * 8; }

/* A family of arithmetic defines POINTWISE_WIDE: its loops are compiled for processors with AVX2 too, and the
 * loader chooses. The bits are the same, since nothing is contracted or reordered. Sanitizers cannot bear
 * functions that are chosen before they begin. */
#if defined(POINTWISE_WIDE) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&  \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define POINTWISE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define POINTWISE_CLONES
#endif

#define UNARY_LOOP(name, tag, T, R, expr)                                                          \
    POINTWISE_CLONES static void name##_loop_##tag(int64_t n, void *out, const void *in,           \
                                                   int64_t sx) {                                   \
        R *restrict o = out;                                                                       \
        const T *restrict p = in;                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = p[i * sx];                                                                 \
            o[i] = (R)(expr);                                                                      \
        }                                                                                          \
    }

#define UNARY(name, tag, T, R, expr)                                                               \
    UNARY_LOOP(name, tag, T, R, expr)                                                              \
    static void name##_kernel_##tag(const struct step *step, struct run *run) {                    \
        pointwise1(step, run, name##_loop_##tag);                                                  \
    }                                                                                              \
    static void name##_cell_##tag(const struct instr *instr, char *slab) {                         \
        const T x = *(const T *)cell_at(slab, instr->on.cell.in[0]);                               \
        *(R *)cell_at(slab, instr->on.cell.out) = (R)(expr);                                       \
    }

/* Three loops, so that the compiler can use vectors where both arguments advance or one stands. */
#define BINARY_LOOP(name, tag, T, R, expr)                                                         \
    POINTWISE_CLONES static void name##_loop_##tag(int64_t n, void *out, const void *in,           \
                                                   int64_t sx, const void *in2, int64_t sy) {      \
        R *restrict o = out;                                                                       \
        const T *restrict p = in, *restrict q = in2;                                               \
        if (sx && sy) {                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T x = p[i], y = q[i];                                                        \
                o[i] = (R)(expr);                                                                  \
            }                                                                                      \
        } else if (sx) {                                                                           \
            const T y = *q;                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T x = p[i];                                                                  \
                o[i] = (R)(expr);                                                                  \
            }                                                                                      \
        } else {                                                                                   \
            const T x = *p;                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T y = q[i * sy];                                                             \
                o[i] = (R)(expr);                                                                  \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void name##_kernel_##tag(const struct step *step, struct run *run) {                    \
        pointwise2(step, run, name##_loop_##tag);                                                  \
    }

#define BINARY(name, tag, T, R, expr)                                                              \
    BINARY_LOOP(name, tag, T, R, expr)                                                             \
    static void name##_cell_##tag(const struct instr *instr, char *slab) {                         \
        const T x = *(const T *)cell_at(slab, instr->on.cell.in[0]);                               \
        const T y = *(const T *)cell_at(slab, instr->on.cell.in[1]);                               \
        *(R *)cell_at(slab, instr->on.cell.out) = (R)(expr);                                       \
    }

/* The rows of an op's table. */
#define KERNEL(name, tag) [DTYPE_##tag] = name##_kernel_##tag
#define CELL(name, tag) [DTYPE_##tag] = name##_cell_##tag

#define UNARY_FLOATS(name, expr)                                                                   \
    UNARY(name, F32, float, float, expr) UNARY(name, F64, double, double, expr)
#define BINARY_FLOATS(name, expr)                                                                  \
    BINARY(name, F32, float, float, expr) BINARY(name, F64, double, double, expr)

#define ROWS_FLOATS(name)                                                                          \
    .kernels = {KERNEL(name, F32), KERNEL(name, F64)}, .scalars = {CELL(name, F32), CELL(name, F64)}
#define ROWS_NUMBERS(name)                                                                         \
    .kernels = {KERNEL(name, F32), KERNEL(name, F64), KERNEL(name, I32), KERNEL(name, I64)},       \
    .scalars = {CELL(name, F32), CELL(name, F64), CELL(name, I32), CELL(name, I64)}

#endif
