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

#endif
