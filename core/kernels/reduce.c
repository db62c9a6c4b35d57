/* Walks a tensor for a reduction: merges axes, hands out runs of rows, and combines what comes back
 * in row-major order. What is combined how, the reducer knows. */
#include "core/kernels/reduce.h"

#include <string.h>

enum { LANES = REDUCE_LANES, LINES = 4096 };

int64_t reduce_length(const struct shape *shape, uint32_t axes) {
    int64_t n = 1;
    for (int i = 0; i < shape->rank; i++)
        if (axes >> i & 1) n *= shape->dim[i];
    return n;
}

/* The tensor as alternating groups of kept and reduced axes. */
struct groups {
    int rank;
    int64_t dim[RANK_MAX + 2], in[RANK_MAX + 2],
        out[RANK_MAX + 2]; /* strides in elements; out 0: reduced */
    bool reduced[RANK_MAX + 2];
};

static struct groups grouped(const struct shape *shape, uint32_t axes) {
    struct groups g = {.rank = 0};
    for (int i = 0; i < shape->rank; i++) {
        bool reduced = axes >> i & 1;
        if (shape->dim[i] == 1) continue;
        if (g.rank && g.reduced[g.rank - 1] == reduced) {
            g.dim[g.rank - 1] *= shape->dim[i];
        } else {
            g.dim[g.rank] = shape->dim[i];
            g.reduced[g.rank++] = reduced;
        }
    }
    /* The walk wants (.., reduced, kept) or (.., reduced) at the end; a kept axis of 1 does no harm. */
    if (g.rank == 0 || !g.reduced[g.rank - 1]) {
        if (g.rank < 2) {
            memmove(g.dim + 2 - g.rank, g.dim, (size_t)g.rank * sizeof g.dim[0]);
            for (int i = 0; i < 2 - g.rank; i++) g.dim[i] = 1;
            g.rank = 2;
            g.reduced[0] = true;
            g.reduced[1] = false;
        }
    } else {
        g.dim[g.rank] = 1;
        g.reduced[g.rank++] = false;
    }
    int64_t in = 1, out = 1;
    for (int i = g.rank - 1; i >= 0; i--) {
        g.in[i] = in;
        g.out[i] = g.reduced[i] ? 0 : out;
        in *= g.dim[i];
        if (!g.reduced[i]) out *= g.dim[i];
    }
    return g;
}

void reduce_line_end(const struct reducer *r, const char *lanes, bool any, const char *rest,
                     int64_t n, char *out) {
    char one[sizeof(double)];
    if (any) {
        r->rows(lanes, LANES, 1, 1, one);
        r->merge(out, one, 1);
    }
    r->lines(rest, 1, n, out);
}

void reduce_line(const struct reducer *r, const char *in, int64_t n, size_t size, char *out) {
    _Alignas(16) char lanes[LANES * sizeof(double)];
    const int64_t rows = n / LANES;
    if (rows > 0) r->rows(in, rows, LANES, LANES, lanes);
    reduce_line_end(r, lanes, rows > 0, in + (size_t)(rows * LANES) * size, n - rows * LANES, out);
}

void reduce_columns(const struct reducer *r, const char *in, int64_t rows, int64_t width,
                    size_t size, char *acc) {
    for (int64_t j = 0; j < width; j += REDUCE_TILE) {
        const int64_t tile = width - j < REDUCE_TILE ? width - j : REDUCE_TILE;
        r->rows(in + (size_t)j * size, rows, width, tile, acc + (size_t)j * size);
    }
}

/* One block of g's last reduced group, `rows` by `width`, into out[0..width). */
static void reduce_block(const struct reducer *r, const char *in, int64_t rows, int64_t width,
                         size_t size, char *out) {
    _Alignas(16) char acc[REDUCE_TILE * sizeof(double)];
    if (width == 1) {
        reduce_line(r, in, rows, size, out);
        return;
    }
    for (int64_t j = 0; j < width; j += REDUCE_TILE) {
        int64_t tile = width - j < REDUCE_TILE ? width - j : REDUCE_TILE;
        r->rows(in + (size_t)j * size, rows, width, tile, acc);
        r->merge(out + (size_t)j * size, acc, tile);
    }
}

/* Lines that are too short for lanes, one behind the other. */
static bool reduce_short(const struct reducer *r, struct run *run, const char *in, int64_t lines,
                         int64_t n, size_t size, char *out) {
    for (int64_t i = 0; i < lines; i += LINES) {
        const int64_t some = lines - i < LINES ? lines - i : LINES;
        r->lines(in + (size_t)(i * n) * size, some, n, out + (size_t)i * size);
        if (!run_tick(run, some * n)) return false;
    }
    return true;
}

/* n times one element: what is there already is copied behind itself. */
static void fill(char *out, size_t n, const void *one, size_t size) {
    if (n) memcpy(out, one, size);
    for (size_t done = 1; done < n; done *= 2)
        memcpy(out + done * size, out, (n - done < done ? n - done : done) * size);
}

void reduce_begin(const struct step *step, struct run *run, const struct reducer *r) {
    fill(run_out(run, step), (size_t)shape_count(step->out.shape), r->identity,
         dtype_size(step->out.dtype));
}

static void reduce_all(const struct step *step, struct run *run, const struct reducer *reducer) {
    size_t size = dtype_size(step->out.dtype);
    char *out = run_out(run, step);
    const char *in = run_in(run, step, 0);
    if (shape_count(step->in[0].shape) == 0) return;

    struct groups g = grouped(step->in[0].shape, *(const uint32_t *)step->attrs);
    int outer = g.rank - 2;
    int64_t index[RANK_MAX + 2] = {0}, rows = g.dim[outer], width = g.dim[outer + 1], lines = 0;
    if (width == 1 && rows < LANES) lines = outer > 0 ? g.dim[--outer] : 1;
    for (;;) {
        if (lines) {
            if (!reduce_short(reducer, run, in, lines, rows, size, out)) return;
        } else {
            reduce_block(reducer, in, rows, width, size, out);
            if (!run_tick(run, rows * width)) return;
        }
        int axis = outer - 1;
        for (; axis >= 0; axis--) {
            in += g.in[axis] * (int64_t)size;
            out += g.out[axis] * (int64_t)size;
            if (++index[axis] < g.dim[axis]) break;
            index[axis] = 0;
            in -= g.in[axis] * g.dim[axis] * (int64_t)size;
            out -= g.out[axis] * g.dim[axis] * (int64_t)size;
        }
        if (axis < 0) return;
    }
}

void reduce_run(const struct step *step, struct run *run) {
    const struct reducer *r = step->op->reducers[step->in[0].dtype];
    reduce_begin(step, run, r);
    reduce_all(step, run, r);
    if (r->finish) r->finish(step, run);
}
