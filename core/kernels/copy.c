/* Strided copies by element size. Axes that lie next to each other in both layouts are merged, so
 * that most copies are a few long runs. */
#include "core/kernels/copy.h"

#include <string.h>

struct layout {
    int rank;
    int64_t dim[RANK_MAX], to[RANK_MAX], from[RANK_MAX];
};

void shape_strides(const struct shape *shape, int64_t *stride) {
    int64_t s = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = s;
        s *= shape->dim[i];
    }
}

static struct layout merged(const struct shape *shape, const int64_t *to, const int64_t *from) {
    struct layout l = {.rank = 0};
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == 1) continue;
        int k = l.rank - 1;
        if (k >= 0 && l.to[k] == to[i] * shape->dim[i] && l.from[k] == from[i] * shape->dim[i]) {
            l.dim[k] *= shape->dim[i];
            l.to[k] = to[i];
            l.from[k] = from[i];
        } else {
            l.dim[l.rank] = shape->dim[i];
            l.to[l.rank] = to[i];
            l.from[l.rank] = from[i];
            l.rank++;
        }
    }
    if (l.rank == 0) {
        l.rank = 1;
        l.dim[0] = l.to[0] = l.from[0] = 1;
    }
    return l;
}

#define COPY_ROW(T)                                                                                \
    static void copy_row_##T(int64_t n, char *to, int64_t st, const char *from, int64_t sf) {      \
        T *o = (T *)(void *)to;                                                                    \
        const T *p = (const T *)(const void *)from;                                                \
        if (st == 1 && sf == 1) {                                                                  \
            memcpy(o, p, (size_t)n * sizeof(T));                                                   \
        } else if (st == 1 && sf == 0) {                                                           \
            for (int64_t i = 0; i < n; i++) o[i] = p[0];                                           \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++) o[i * st] = p[i * sf];                                 \
        }                                                                                          \
    }
COPY_ROW(uint8_t)
COPY_ROW(uint32_t)
COPY_ROW(uint64_t)

void copy_strided(struct run *run, size_t size, const struct shape *shape, char *to,
                  const int64_t *to_stride, const char *from, const int64_t *from_stride) {
    if (shape_count(shape) == 0) return;
    struct layout l = merged(shape, to_stride, from_stride);
    void (*row)(int64_t, char *, int64_t, const char *, int64_t) = size == 1   ? copy_row_uint8_t
                                                                   : size == 4 ? copy_row_uint32_t
                                                                               : copy_row_uint64_t;
    int last = l.rank - 1;
    int64_t index[RANK_MAX] = {0}, width = (int64_t)size;
    for (;;) {
        row(l.dim[last], to, l.to[last], from, l.from[last]);
        if (!run_tick(run, l.dim[last])) return;
        int axis = last - 1;
        for (; axis >= 0; axis--) {
            to += l.to[axis] * width;
            from += l.from[axis] * width;
            if (++index[axis] < l.dim[axis]) break;
            index[axis] = 0;
            to -= l.to[axis] * l.dim[axis] * width;
            from -= l.from[axis] * l.dim[axis] * width;
        }
        if (axis < 0) return;
    }
}
