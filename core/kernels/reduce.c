/* Walks a tensor for a reduction: merges axes, hands out runs of rows, and combines what comes back
 * in row-major order. What is combined how, the reducer knows. */
#include "core/kernels/reduce.h"

#include <string.h>

enum { LANES = REDUCE_LANES };

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

/* ---- blocks ------------------------------------------------------------------------------------- */

enum {
    PART = REDUCE_TILE * sizeof(double),
    DEPTH = 4,         /* rows are halved so often */
    LONG = 1 << 18,    /* elements that are worth it */
    BLOCK = 1 << 16,   /* elements of a block of results */
    RESULTS_LEAST = 16 /* from which on blocks are made of results, not of what goes into one */
};

/* Rows that are reduced in parts: the halves of halves of which a reducer makes them itself. */
struct halves {
    const struct reducer *r;
    const char *in;
    int64_t rows, stride, width;
    size_t size;
    char *parts;
};

static void reduce_part(void *arg, int64_t block) {
    const struct halves *h = arg;
    int64_t from = 0, rows = h->rows;
    for (int bit = DEPTH - 1; bit >= 0; bit--) {
        const int64_t half = rows / 2;
        const bool second = block >> bit & 1;
        from += second ? half : 0;
        rows = second ? rows - half : half;
    }
    h->r->rows(h->in + (size_t)(from * h->stride) * h->size, rows, h->stride, h->width,
               h->parts + block * PART);
}

/* r->rows, on the threads of a run. */
static bool rows_in_parts(const struct reducer *r, struct run *run, const char *in, int64_t rows,
                          int64_t stride, int64_t width, size_t size, char *acc) {
    enum { PARTS = 1 << DEPTH };
    _Alignas(64) char parts[PARTS * PART];
    struct halves h = {r, in, rows, stride, width, size, parts};
    if (rows * width < LONG) {
        r->rows(in, rows, stride, width, acc);
        return run_tick(run, rows * width);
    }
    if (!run_blocks(run, PARTS, rows * width / PARTS, reduce_part, &h)) return false;
    for (int step = 1; step < PARTS; step *= 2)
        for (int i = 0; i < PARTS; i += 2 * step)
            r->merge(parts + i * PART, parts + (i + step) * PART, width);
    memcpy(acc, parts, (size_t)width * size);
    return true;
}

/* `rows` by `width` elements, `stride` elements apart, into out[0..width), on the threads of a run. Rows that
 * are one element long are a line. */
static bool reduce_long(const struct reducer *r, struct run *run, const char *in, int64_t rows,
                        int64_t stride, int64_t width, size_t size, char *out) {
    _Alignas(16) char acc[PART];
    if (stride == 1) {
        const int64_t whole = rows / LANES;
        if (whole > 0 && !rows_in_parts(r, run, in, whole, LANES, LANES, size, acc)) return false;
        reduce_line_end(r, acc, whole > 0, in + (size_t)(whole * LANES) * size,
                        rows - whole * LANES, out);
        return true;
    }
    for (int64_t j = 0; j < width; j += REDUCE_TILE) {
        const int64_t tile = width - j < REDUCE_TILE ? width - j : REDUCE_TILE;
        if (!rows_in_parts(r, run, in + (size_t)j * size, rows, stride, tile, size, acc))
            return false;
        r->merge(out + (size_t)j * size, acc, tile);
    }
    return true;
}

/* The same on one thread. */
static void reduce_block(const struct reducer *r, const char *in, int64_t rows, int64_t stride,
                         int64_t width, size_t size, char *out) {
    _Alignas(16) char acc[PART];
    if (stride == 1) {
        reduce_line(r, in, rows, size, out);
        return;
    }
    for (int64_t j = 0; j < width; j += REDUCE_TILE) {
        const int64_t tile = width - j < REDUCE_TILE ? width - j : REDUCE_TILE;
        r->rows(in + (size_t)j * size, rows, stride, tile, acc);
        r->merge(out + (size_t)j * size, acc, tile);
    }
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

/* All of g into out. Where a run is given what goes into one result is shared among its threads. */
static void walk(const struct reducer *r, struct run *run, const struct groups *g, const char *in,
                 size_t size, char *out) {
    int outer = g->rank - 2;
    int64_t index[RANK_MAX + 2] = {0}, rows = g->dim[outer], width = g->dim[outer + 1], lines = 0;
    const int64_t stride = g->in[outer];
    if (stride == 1 && rows < LANES) lines = outer > 0 ? g->dim[--outer] : 1;
    for (;;) {
        if (lines)
            r->lines(in, lines, rows, out);
        else if (!run)
            reduce_block(r, in, rows, stride, width, size, out);
        else if (!reduce_long(r, run, in, rows, stride, width, size, out))
            return;
        int axis = outer - 1;
        for (; axis >= 0; axis--) {
            in += g->in[axis] * (int64_t)size;
            out += g->out[axis] * (int64_t)size;
            if (++index[axis] < g->dim[axis]) break;
            index[axis] = 0;
            in -= g->in[axis] * g->dim[axis] * (int64_t)size;
            out -= g->out[axis] * g->dim[axis] * (int64_t)size;
        }
        if (axis < 0) return;
    }
}

/* Ranges of results: blocks along one kept axis. */
struct ranges {
    const struct reducer *r;
    const struct groups *g;
    int axis;
    int64_t some;
    const char *in;
    size_t size;
    char *out;
};

static void reduce_range(void *arg, int64_t block) {
    const struct ranges *s = arg;
    struct groups g = *s->g;
    const int64_t at = block * s->some, rest = g.dim[s->axis] - at;
    g.dim[s->axis] = rest < s->some ? rest : s->some;
    walk(s->r, NULL, &g, s->in + (size_t)(at * g.in[s->axis]) * s->size, s->size,
         s->out + (size_t)(at * g.out[s->axis]) * s->size);
}

static void reduce_all(const struct step *step, struct run *run, const struct reducer *r) {
    const int64_t count = shape_count(step->in[0].shape);
    const struct groups g = grouped(step->in[0].shape, *(const uint32_t *)step->attrs);
    struct ranges s = {.r = r,
                       .g = &g,
                       .in = run_in(run, step, 0),
                       .size = dtype_size(step->out.dtype),
                       .out = run_out(run, step)};
    if (count == 0) return;
    /* Groups alternate: one of the first two is kept. The last is, and may have wide rows. */
    s.axis = g.reduced[0] ? 1 : 0;
    const int64_t kept = g.dim[s.axis],
                  least = s.axis == g.rank - 1 ? RESULTS_LEAST * REDUCE_TILE : RESULTS_LEAST;
    if (kept < least && count >= LONG) {
        walk(r, run, &g, s.in, s.size, s.out);
        return;
    }
    s.some = BLOCK / (count / kept) + 1;
    if (s.axis == g.rank - 1) s.some = (s.some + REDUCE_TILE - 1) / REDUCE_TILE * REDUCE_TILE;
    run_blocks(run, (kept + s.some - 1) / s.some, count / kept * (s.some < kept ? s.some : kept),
               reduce_range, &s);
}

void reduce_run(const struct step *step, struct run *run) {
    const struct reducer *r = step->op->reducers[step->in[0].dtype];
    reduce_begin(step, run, r);
    reduce_all(step, run, r);
    if (r->finish) r->finish(step, run);
}
