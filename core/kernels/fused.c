/* Runs a region of element-wise ops tile by tile. The tiles are the halves of halves of what a reduction
 * is made of (core/kernels/reduce.c), so that a sum adds in the same order, fused or not. Knows nothing of
 * how regions are found. */
#include "core/kernels/fused.h"

#include <string.h>

enum { LANES = REDUCE_LANES, SEQUENTIAL = 16 /* rows that a reducer takes one by one */ };

/* Where the folds of a tile put what they reduce it to. */
enum aim {
    AIM_NONE,  /* the region has none */
    AIM_LANES, /* rows of LANES, to the partial results of a level */
    AIM_REST,  /* what is left of a line, to its end */
    AIM_LINES, /* whole lines, to their results */
    AIM_ROWS,  /* rows of `width`, to the partial results of a level */
    AIM_MORE   /* the same, added one by one to what is there */
};

struct tile {
    const struct fused *f;
    struct run *run;
    char *scratch;
    const void **at; /* of each value, and how it goes on: 0 or 1 */
    int64_t *stride;
    int64_t level, line; /* what the folds' aim refers to */
};

/* ---- broadcast values --------------------------------------------------------------------------- */

static void copy_run(char *out, const char *in, int64_t n, int64_t stride, uint32_t size) {
    if (stride) {
        memcpy(out, in, (size_t)n * size);
    } else if (size == 4) {
        uint32_t x;
        memcpy(&x, in, 4);
        for (int64_t i = 0; i < n; i++) memcpy(out + i * 4, &x, 4);
    } else if (size == 8) {
        uint64_t x;
        memcpy(&x, in, 8);
        for (int64_t i = 0; i < n; i++) memcpy(out + i * 8, &x, 8);
    } else {
        memset(out, *in, (size_t)n);
    }
}

/* The elements [from, from + n) of the iteration space: where they stand if they stand together, and else a
 * copy of them. */
static void spread(struct tile *t, uint32_t i, int64_t from, int64_t n) {
    const struct fused_value *v = &t->f->values[i];
    const struct nest *nest = v->nest;
    const int last = nest->rank - 1;
    const char *base = t->run->base[v->where.base] + v->where.offset;
    int64_t index[RANK_MAX], rest = from, offset = 0;
    for (int k = last; k >= 0; k--) {
        index[k] = rest % nest->dim[k];
        rest /= nest->dim[k];
        offset += index[k] * nest->stride[0][k];
    }
    if (index[last] + n <= nest->dim[last]) {
        t->at[i] = base + offset * v->size;
        t->stride[i] = nest->stride[0][last];
        return;
    }
    char *out = t->scratch + v->scratch;
    t->at[i] = out;
    t->stride[i] = 1;
    while (n > 0) {
        const int64_t run = nest->dim[last] - index[last] < n ? nest->dim[last] - index[last] : n;
        copy_run(out, base + offset * v->size, run, nest->stride[0][last], v->size);
        out += run * v->size;
        n -= run;
        offset -= index[last] * nest->stride[0][last];
        index[last] = 0;
        for (int k = last - 1; k >= 0; k--) {
            offset += nest->stride[0][k];
            if (++index[k] < nest->dim[k]) break;
            offset -= nest->dim[k] * nest->stride[0][k];
            index[k] = 0;
        }
    }
}

/* ---- one tile ----------------------------------------------------------------------------------- */

static char *partial(const struct tile *t, const struct fused_fold *fold, int64_t level) {
    return t->scratch + fold->scratch + (size_t)level * fold->stride;
}

static void fold_tile(const struct tile *t, const struct fused_fold *fold, enum aim aim,
                      const char *in, int64_t n) {
    const struct reducer *r = fold->reducer;
    const int64_t rows = t->f->rows, width = t->f->width;
    char *out = run_out(t->run, fold->step), *acc = partial(t, fold, t->level);
    switch (aim) {
    case AIM_NONE:
        break;
    case AIM_LANES:
        r->rows(in, n / LANES, LANES, LANES, acc);
        break;
    case AIM_REST:
        reduce_line_end(r, acc, rows >= LANES, in, n, out + t->line * fold->size);
        break;
    case AIM_LINES:
        for (int64_t k = 0; k < n / rows; k++)
            reduce_line(r, in + k * rows * fold->size, rows, fold->size,
                        out + (t->line + k) * fold->size);
        break;
    case AIM_ROWS:
        reduce_columns(r, in, n / width, width, fold->size, acc);
        break;
    case AIM_MORE:
        for (int64_t k = 0; k < n / width; k++) r->merge(acc, in + k * width * fold->size, width);
        break;
    }
}

/* Computes the elements [from, from + n) of the iteration space, at most a tile. */
static bool run_tile(struct tile *t, int64_t from, int64_t n, enum aim aim) {
    const struct fused *f = t->f;
    for (uint32_t i = 0; i < f->n_values; i++) {
        const struct fused_value *v = &f->values[i];
        if (v->kind == FUSED_FLOW)
            t->at[i] = t->run->base[v->where.base] + v->where.offset + from * v->size;
        else if (v->kind == FUSED_SPREAD)
            spread(t, i, from, n);
    }
    for (const struct fused_op *op = f->ops, *end = op + f->n_ops; op < end; op++) {
        if (op->fold) {
            fold_tile(t, op->fold, aim, t->at[op->in[0]], n);
            continue;
        }
        const void *x[NODE_INLINE_ARGS];
        int64_t stride[NODE_INLINE_ARGS];
        for (uint32_t k = 0; k < op->n_in; k++) {
            x[k] = t->at[op->in[k]];
            stride[k] = t->stride[op->in[k]];
        }
        loop_call(op->loop, op->n_in, n, (void *)(uintptr_t)t->at[op->out], x, stride);
    }
    return run_tick(t->run, n * f->n_ops);
}

/* ---- tiles -------------------------------------------------------------------------------------- */

/* The partial results of the next level are merged into those of this one, `width` of them. */
static void merge_level(const struct tile *t, int64_t width) {
    for (uint32_t k = 0; k < t->f->n_folds; k++) {
        const struct fused_fold *fold = &t->f->folds[k];
        fold->reducer->merge(partial(t, fold, t->level), partial(t, fold, t->level + 1), width);
    }
}

/* Rows of `width` elements that begin at `from`, by halves as a reducer takes them, into the partial results
 * of t->level. */
static bool run_rows(struct tile *t, int64_t from, int64_t rows, int64_t width, enum aim aim) {
    const int64_t most = t->f->tile / width;
    if (rows <= most) return run_tile(t, from, rows * width, aim);
    if (rows <= SEQUENTIAL) {
        bool going = run_tile(t, from, most * width, aim);
        for (int64_t k = most; going && k < rows; k += most)
            going = run_tile(t, from + k * width, (rows - k < most ? rows - k : most) * width,
                             AIM_MORE);
        return going;
    }
    const int64_t half = rows / 2;
    if (!run_rows(t, from, half, width, aim)) return false;
    t->level++;
    const bool going = run_rows(t, from + half * width, rows - half, width, aim);
    t->level--;
    if (going) merge_level(t, width);
    return going;
}

static bool run_flat(struct tile *t, int64_t n) {
    for (int64_t from = 0; from < n; from += t->f->tile)
        if (!run_tile(t, from, n - from < t->f->tile ? n - from : t->f->tile, AIM_NONE))
            return false;
    return true;
}

static bool run_lines(struct tile *t) {
    const struct fused *f = t->f;
    const int64_t rows = f->rows, some = f->tile / rows, lanes = rows / LANES;
    if (some > 0) {
        for (; t->line < f->lines; t->line += some) {
            const int64_t n = f->lines - t->line < some ? f->lines - t->line : some;
            if (!run_tile(t, t->line * rows, n * rows, AIM_LINES)) return false;
        }
        return true;
    }
    for (; t->line < f->lines; t->line++) {
        const int64_t from = t->line * rows;
        if (!run_rows(t, from, lanes, LANES, AIM_LANES) ||
            !run_tile(t, from + lanes * LANES, rows - lanes * LANES, AIM_REST))
            return false;
    }
    return true;
}

static bool run_columns(struct tile *t) {
    const struct fused *f = t->f;
    if (!run_rows(t, 0, f->rows, f->width, AIM_ROWS)) return false;
    for (uint32_t k = 0; k < f->n_folds; k++) {
        const struct fused_fold *fold = &f->folds[k];
        fold->reducer->merge(run_out(t->run, fold->step), partial(t, fold, 0), f->width);
    }
    return true;
}

int64_t fused_levels(const struct fused *f) {
    int64_t levels = 1;
    const int64_t rows = f->walk == FUSED_LINES ? f->rows / LANES : f->rows;
    for (int64_t most = 1; most < rows; most *= 2) levels++;
    return levels;
}

void fused_run(const struct step *step, struct run *run) {
    const struct fused *f = step->attrs;
    const void *at[FUSED_VALUES_MOST];
    int64_t stride[FUSED_VALUES_MOST];
    struct tile t = {f, run, run_scratch(run, step), at, stride, 0, 0};
    for (uint32_t i = 0; i < f->n_values; i++) {
        const struct fused_value *v = &f->values[i];
        stride[i] = v->kind != FUSED_STILL;
        at[i] = v->kind == FUSED_STILL ? run->base[v->where.base] + v->where.offset
                                       : t.scratch + v->scratch;
    }
    for (uint32_t k = 0; k < f->n_folds; k++)
        reduce_begin(f->folds[k].step, run, f->folds[k].reducer);
    const bool ran = !f->n_folds              ? run_flat(&t, f->lines * f->rows * f->width)
                     : f->walk == FUSED_LINES ? run_lines(&t)
                                              : run_columns(&t);
    for (uint32_t k = 0; ran && k < f->n_folds; k++)
        if (f->folds[k].reducer->finish) f->folds[k].reducer->finish(f->folds[k].step, run);
}
