/* Reductions in a fixed order: pairwise along an axis, so that a sum of n elements errs by O(log n)
 * roundings and gives the same bits whatever else happens on the machine. */
#ifndef GRADD_CORE_KERNELS_REDUCE_H
#define GRADD_CORE_KERNELS_REDUCE_H

#include "core/run.h"

enum { REDUCE_TILE = 64 }; /* columns that are reduced together */

/* Reduces `rows` >= 1 rows of `width` <= REDUCE_TILE elements, `stride` elements apart, into acc. */
typedef void (*reduce_rows)(const void *in, int64_t rows, int64_t stride, int64_t width, void *acc);
/* out[i] = out[i] combined with in[i]. */
typedef void (*reduce_merge)(void *out, const void *in, int64_t n);
/* out[i] = out[i] combined with the n elements of line i, one after the other; lines are contiguous. */
typedef void (*reduce_lines)(const void *in, int64_t lines, int64_t n, void *out);

struct reducer {
    reduce_rows rows;
    reduce_merge merge;
    reduce_lines lines;
    const void *identity; /* one element: the value of an empty reduction */
    void (*finish)(const struct step *step, struct run *run); /* what is done last; may be NULL */
};

/* The kernel of every reduction that has reducers. */
void reduce_run(const struct step *step, struct run *run);

/* Fills the result of a reduction with what it begins with. */
void reduce_begin(const struct step *step, struct run *run, const struct reducer *r);

enum { REDUCE_LANES = 16 };

/* n contiguous elements into *out: as rows of REDUCE_LANES, which come as one row of sums, then the lanes,
 * then the rest. */
void reduce_line(const struct reducer *r, const char *in, int64_t n, size_t size, char *out);
/* The same where the rows were reduced to `lanes` already (any: there were some), and of the rest. */
void reduce_line_end(const struct reducer *r, const char *lanes, bool any, const char *rest,
                     int64_t n, char *out);
/* rows by width contiguous elements into acc, a tile of columns after the other. */
void reduce_columns(const struct reducer *r, const char *in, int64_t rows, int64_t width,
                    size_t size, char *acc);

/* Number of elements that go into one element of the result. */
int64_t reduce_length(const struct shape *shape, uint32_t axes);

/* Makes name##_reducer_<tag>; `a` and `b` are the two elements that `expr` combines. */
#define REDUCER(name, tag, T, start, expr)                                                         \
    static inline T name##_combine_##tag(T a, T b) { return (T)(expr); }                           \
    static void name##_merge_##tag(void *out, const void *in, int64_t n) {                         \
        T *restrict o = out;                                                                       \
        const T *restrict p = in;                                                                  \
        for (int64_t i = 0; i < n; i++) o[i] = name##_combine_##tag(o[i], p[i]);                   \
    }                                                                                              \
    static void name##_rows_##tag(const void *in, int64_t rows, int64_t stride, int64_t width,     \
                                  void *acc) {                                                     \
        const T *p = in;                                                                           \
        T *o = acc;                                                                                \
        if (rows > 16) {                                                                           \
            T second[REDUCE_TILE];                                                                 \
            int64_t half = rows / 2;                                                               \
            name##_rows_##tag(p, half, stride, width, o);                                          \
            name##_rows_##tag(p + half * stride, rows - half, stride, width, second);              \
            name##_merge_##tag(o, second, width);                                                  \
            return;                                                                                \
        }                                                                                          \
        for (int64_t j = 0; j < width; j++) o[j] = p[j];                                           \
        for (int64_t i = 1; i < rows; i++) name##_merge_##tag(o, p + i * stride, width);           \
    }                                                                                              \
    static void name##_lines_##tag(const void *in, int64_t lines, int64_t n, void *out) {          \
        const T *p = in;                                                                           \
        T *restrict o = out;                                                                       \
        for (int64_t i = 0; i < lines; i++, p += n) {                                              \
            T acc = o[i];                                                                          \
            for (int64_t k = 0; k < n; k++) acc = name##_combine_##tag(acc, p[k]);                 \
            o[i] = acc;                                                                            \
        }                                                                                          \
    }                                                                                              \
    static const T name##_identity_##tag = (start);                                                \
    static const struct reducer name##_reducer_##tag = {                                           \
        name##_rows_##tag, name##_merge_##tag, name##_lines_##tag, &name##_identity_##tag, NULL};

/* The rows of an op's table. */
#define REDUCES(name, tag) [DTYPE_##tag] = &name##_reducer_##tag

#endif
