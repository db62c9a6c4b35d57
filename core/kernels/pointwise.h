/* Kernels of element-wise ops from one expression each. UNARY(name, tag, T, R, expr) makes, for one
 * dtype, a loop over tensors and an instruction on cells; `x` (and `y`) are the elements. */
#ifndef GRADD_CORE_KERNELS_POINTWISE_H
#define GRADD_CORE_KERNELS_POINTWISE_H

#include "core/run.h"

/* What a loop is, by the number of its arguments: n results one behind the other, arguments with strides of
 * 0 or 1 elements. */
typedef void (*loop1)(int64_t n, void *out, const void *x, int64_t sx);
typedef void (*loop2)(int64_t n, void *out, const void *x, int64_t sx, const void *y, int64_t sy);
typedef void (*loop3)(int64_t n, void *out, const void *x, int64_t sx, const void *y, int64_t sy,
                      const void *z, int64_t sz);

/* The loop of a pointwise op. */
static inline any_loop pointwise_loop(const struct op *op, enum dtype from, enum dtype to) {
    return op->loop_between ? op->loop_between(from, to) : op->loops[from];
}

/* Calls a loop of n_in arguments. */
static inline void loop_call(any_loop f, uint32_t n_in, int64_t n, void *out,
                             const void *const x[NODE_INLINE_ARGS],
                             const int64_t stride[NODE_INLINE_ARGS]) {
    if (n_in == 2)
        ((loop2)f)(n, out, x[0], stride[0], x[1], stride[1]);
    else if (n_in == 1)
        ((loop1)f)(n, out, x[0], stride[0]);
    else
        ((loop3)f)(n, out, x[0], stride[0], x[1], stride[1], x[2], stride[2]);
}

/* The kernel of pointwise ops: drives step->loop over the nest, inner runs of contiguous results, in blocks
 * between which the run may be stopped. */
void pointwise_run(const struct step *step, struct run *run);

static inline void *cell_at(char *slab, uint32_t cell) { return slab + (size_t)cell * 8; }

/* A family of arithmetic defines POINTWISE_WIDE: its loops are compiled for processors with AVX2 too, and the
 * loader chooses. The bits are the same, since nothing is contracted or reordered. Sanitizers cannot bear
 * functions that are chosen before they begin. */
#if defined(POINTWISE_WIDE) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&  \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define POINTWISE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
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
    static void name##_cell_##tag(const struct instr *instr, char *slab) {                         \
        const T x = *(const T *)cell_at(slab, instr->on.cell.in[0]);                               \
        *(R *)cell_at(slab, instr->on.cell.out) = (R)(expr);                                       \
    }                                                                                              \
    static void name##_group_##tag(const struct group *g, char *slab) {                            \
        for (uint32_t i = 0; i < g->n; i++) {                                                      \
            const T x = *(const T *)cell_at(slab, g->in[0][i]);                                    \
            *(R *)cell_at(slab, g->out + i) = (R)(expr);                                           \
        }                                                                                          \
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
    }

#define BINARY(name, tag, T, R, expr)                                                              \
    BINARY_LOOP(name, tag, T, R, expr)                                                             \
    static void name##_cell_##tag(const struct instr *instr, char *slab) {                         \
        const T x = *(const T *)cell_at(slab, instr->on.cell.in[0]);                               \
        const T y = *(const T *)cell_at(slab, instr->on.cell.in[1]);                               \
        *(R *)cell_at(slab, instr->on.cell.out) = (R)(expr);                                       \
    }                                                                                              \
    static void name##_group_##tag(const struct group *g, char *slab) {                            \
        for (uint32_t i = 0; i < g->n; i++) {                                                      \
            const T x = *(const T *)cell_at(slab, g->in[0][i]);                                    \
            const T y = *(const T *)cell_at(slab, g->in[1][i]);                                    \
            *(R *)cell_at(slab, g->out + i) = (R)(expr);                                           \
        }                                                                                          \
    }

/* The rows of an op's table. */
#define LOOP(name, tag) [DTYPE_##tag] = (any_loop)name##_loop_##tag
#define CELL(name, tag) [DTYPE_##tag] = {name##_cell_##tag, name##_group_##tag}

#define UNARY_FLOATS(name, expr)                                                                   \
    UNARY(name, F32, float, float, expr) UNARY(name, F64, double, double, expr)
#define BINARY_FLOATS(name, expr)                                                                  \
    BINARY(name, F32, float, float, expr) BINARY(name, F64, double, double, expr)

#define ROWS_FLOATS(name)                                                                          \
    .loops = {LOOP(name, F32), LOOP(name, F64)}, .cells = {CELL(name, F32), CELL(name, F64)}
#define ROWS_NUMBERS(name)                                                                         \
    .loops = {LOOP(name, F32), LOOP(name, F64), LOOP(name, I32), LOOP(name, I64)},                 \
    .cells = {CELL(name, F32), CELL(name, F64), CELL(name, I32), CELL(name, I64)}

#endif
