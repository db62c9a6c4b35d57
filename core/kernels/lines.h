/* Lines that are fetched and added up by integer indices: the layout that gathers, scatters and
 * segments share. A tensor is seen as (batch, outer, lines, inner); indices are (batch, count), and name
 * lines. */
#ifndef GRADD_CORE_KERNELS_LINES_H
#define GRADD_CORE_KERNELS_LINES_H

#include "core/op_attrs.h"
#include "core/run.h"

struct lines {
    int64_t batch, outer, count, inner;
    int64_t n; /* lines that indices may name */
};

static inline int64_t index_at(enum dtype dtype, const void *indices, int64_t i) {
    return dtype == DTYPE_I32 ? ((const int32_t *)indices)[i] : ((const int64_t *)indices)[i];
}

/* The layout of a step whose first argument are the indices; `many` is the shape with a line for each
 * index. */
struct lines lines_of(const struct step *step, const struct shape *many);

/* Fails the run where an index names no line, in the words of the step's index_attrs. */
bool lines_check(const struct step *step, struct run *run, const struct lines *l);

/* FOLD(name, tag, T, start, fold): y of every line is `start` folded with the lines x that name it. */
#define FOLD(name, tag, T, start, fold)                                                            \
    static void name##_kernel_##tag(const struct step *step, struct run *run) {                    \
        const struct lines l = lines_of(step, step->in[1].shape);                                  \
        const void *indices = run_in(run, step, 0);                                                \
        const T *line = run_in(run, step, 1);                                                      \
        T *out = run_out(run, step);                                                               \
        for (int64_t i = 0; i < l.batch * l.outer * l.n * l.inner; i++) out[i] = (start);          \
        if (!lines_check(step, run, &l)) return;                                                   \
        for (int64_t i = 0; i < l.batch * l.outer; i++, out += l.n * l.inner) {                    \
            const int64_t first = i / l.outer * l.count;                                           \
            for (int64_t k = 0; k < l.count; k++, line += l.inner) {                               \
                const int64_t v = index_at(step->in[0].dtype, indices, first + k);                 \
                for (int64_t j = 0; v >= 0 && j < l.inner; j++) {                                  \
                    const T x = line[j], y = out[v * l.inner + j];                                 \
                    out[v * l.inner + j] = (T)(fold);                                              \
                }                                                                                  \
            }                                                                                      \
            if (!run_tick(run, l.count * l.inner + l.n * l.inner)) return;                         \
        }                                                                                          \
    }
#define FOLD_ALL(name, low32, low64, lowi32, lowi64, fold, ifold32, ifold64)                       \
    FOLD(name, F32, float, low32, fold)                                                            \
    FOLD(name, F64, double, low64, fold)                                                           \
    FOLD(name, I32, int32_t, lowi32, ifold32)                                                      \
    FOLD(name, I64, int64_t, lowi64, ifold64)
#define ROWS_FOLD(name)                                                                            \
    .kernels = {name##_kernel_F32, name##_kernel_F64, name##_kernel_I32, name##_kernel_I64}

#endif
