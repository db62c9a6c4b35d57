/* Runs a region of element-wise ops tile by tile. The tiles are the halves of halves of what a reduction
 * is made of (core/kernels/reduce.c), so that a sum adds in the same order, fused or not. Knows nothing of
 * how regions are found. */
#include "core/kernels/fused.h"

#include <string.h>

#include "core/slab.h"

enum {
    LANES = REDUCE_LANES,
    SEQUENTIAL = 16,      /* rows that a reducer takes one by one */
    BLOCK_WORK = 1 << 18, /* elementary operations of a block, about */
    A_NANOSECOND = 4      /* of them */
};

/* Where the folds of a tile put what they reduce it to. */
enum aim {
    AIM_NONE,  /* the region has none */
    AIM_LANES, /* rows of LANES, to the partial results of a level */
    AIM_REST,  /* what is left of a line, to its end */
    AIM_LINES, /* whole lines, to their results */
    AIM_ROWS,  /* rows of `width`, to the partial results of a level */
    AIM_MORE   /* the same, added one by one to what is there */
};

/* A block of tiles: nothing in it but `at`, `stride` and what they point to changes while it runs. */
struct tile {
    const struct fused *f;
    const struct step *step;
    const struct run *run;
    char *scratch;
    const void **at; /* of each value, and how it goes on: 0 or 1 */
    int64_t *stride;
    char *const *acc; /* of each fold: its partial results, one for each level of halving */
    int64_t level, line;
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

static char *partial(const struct tile *t, uint32_t fold, int64_t level) {
    return t->acc[fold] + (size_t)level * t->f->folds[fold].stride;
}

static void fold_tile(const struct tile *t, const struct fused_fold *fold, enum aim aim,
                      const char *in, int64_t n) {
    const struct reducer *r = fold->reducer;
    const int64_t rows = t->f->rows, width = t->f->width;
    char *out = run_out(t->run, fold->step);
    char *acc = partial(t, (uint32_t)(fold - t->f->folds), t->level);
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
static void run_tile(struct tile *t, int64_t from, int64_t n, enum aim aim) {
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
        const void *x[NODE_INLINE_ARGS] = {NULL};
        int64_t stride[NODE_INLINE_ARGS] = {0};
        for (uint32_t k = 0; k < op->n_in; k++) {
            x[k] = t->at[op->in[k]];
            stride[k] = t->stride[op->in[k]];
        }
        loop_call(op->loop, op->n_in, n, (void *)(uintptr_t)t->at[op->out], x, stride);
    }
}

/* ---- blocks of tiles ---------------------------------------------------------------------------- */

/* The partial results of the next level are merged into those of this one, `width` of them. */
static void merge_level(const struct tile *t, int64_t width) {
    for (uint32_t k = 0; k < t->f->n_folds; k++)
        t->f->folds[k].reducer->merge(partial(t, k, t->level), partial(t, k, t->level + 1), width);
}

/* Rows of `width` elements that begin at `from`, by halves as a reducer takes them, into the partial results
 * of t->level. */
static void run_rows(struct tile *t, int64_t from, int64_t rows, int64_t width, enum aim aim) {
    const int64_t most = t->f->tile / width;
    if (rows <= most) {
        run_tile(t, from, rows * width, aim);
    } else if (rows <= SEQUENTIAL) {
        run_tile(t, from, most * width, aim);
        for (int64_t k = most; k < rows; k += most)
            run_tile(t, from + k * width, (rows - k < most ? rows - k : most) * width, AIM_MORE);
    } else {
        const int64_t half = rows / 2;
        run_rows(t, from, half, width, aim);
        t->level++;
        run_rows(t, from + half * width, rows - half, width, aim);
        t->level--;
        merge_level(t, width);
    }
}

/* A run of tiles that reduce nothing, or whole lines. */
static void run_plain(struct tile *t, int64_t block) {
    const struct fused *f = t->f;
    const int64_t tile = f->n_folds ? f->tile / f->rows * f->rows : f->tile;
    const int64_t count = f->lines * f->rows * f->width, from = block * f->block;
    const int64_t end = count - from < f->block ? count : from + f->block;
    for (int64_t at = from; at < end; at += tile) {
        if (f->n_folds) t->line = at / f->rows;
        run_tile(t, at, end - at < tile ? end - at : tile, f->n_folds ? AIM_LINES : AIM_NONE);
    }
}

/* What is left of a line behind its rows of lanes, and the line's results. */
static void end_line(struct tile *t) {
    const int64_t rows = t->f->rows, lanes = rows / LANES;
    run_tile(t, t->line * rows + lanes * LANES, rows - lanes * LANES, AIM_REST);
}

/* A half of a half ... of a line, or of all columns. */
static void run_tree(struct tile *t, int64_t block) {
    const struct fused *f = t->f;
    const bool columns = f->walk == FUSED_COLUMNS;
    const int64_t width = columns ? f->width : LANES;
    int64_t from = 0, rows = columns ? f->rows : f->rows / LANES;
    t->line = block >> f->depth;
    for (int k = f->depth - 1; k >= 0; k--) {
        const int64_t half = rows / 2;
        const bool second = block >> k & 1;
        from += second ? half : 0;
        rows = second ? rows - half : half;
    }
    run_rows(t, t->line * f->rows * f->width + from * width, rows, width,
             columns ? AIM_ROWS : AIM_LANES);
    if (f->depth == 0 && !columns) end_line(t);
}

/* The halves that blocks have reduced to partial results become one, in the order of the halving. */
static void merge_blocks(struct tile *t, const struct fused_fold *fold, char *all) {
    const int64_t width = t->f->walk == FUSED_COLUMNS ? t->f->width : LANES;
    const int64_t n = INT64_C(1) << t->f->depth;
    for (int64_t apart = 1; apart < n; apart *= 2)
        for (int64_t k = 0; k < n; k += 2 * apart)
            fold->reducer->merge(all + (size_t)k * fold->stride,
                                 all + (size_t)(k + apart) * fold->stride, width);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

/* What all blocks share. */
struct job {
    const struct step *step;
    const struct run *run;
    atomic_bool failed;
};

static bool is_tree(const struct fused *f) {
    return f->n_folds && (f->walk == FUSED_COLUMNS || f->rows > f->tile);
}

/* Where a block's partial results stand: among those of all blocks, and deeper levels in its own scratch. */
static void begin_tile(struct tile *t, char **acc) {
    const struct fused *f = t->f;
    for (uint32_t i = 0; i < f->n_values; i++) {
        const struct fused_value *v = &f->values[i];
        t->stride[i] = v->kind != FUSED_STILL;
        t->at[i] = v->kind == FUSED_STILL ? t->run->base[v->where.base] + v->where.offset
                                          : t->scratch + v->scratch;
    }
    for (uint32_t k = 0; k < f->n_folds; k++) acc[k] = t->scratch + f->folds[k].scratch;
    t->acc = acc;
}

static char *results_of(const struct tile *t, const struct fused_fold *fold, int64_t block) {
    return run_scratch(t->run, t->step) + fold->results + (size_t)block * fold->stride;
}

static void run_block(void *arg, int64_t block) {
    struct job *job = arg;
    const struct fused *f = job->step->attrs;
    const void *at[FUSED_VALUES_MOST];
    int64_t stride[FUSED_VALUES_MOST];
    char *acc[FUSED_OPS_MOST];
    /* Only where there is one block is the region's scratch memory free to be used by it. */
    const bool own = f->n_blocks > 1;
    char *scratch = own ? slab_take(f->scratch) : run_scratch(job->run, job->step);
    if (!scratch) {
        atomic_store(&job->failed, true);
        return;
    }
    struct tile t = {f, job->step, job->run, scratch, at, stride, NULL, 0, 0};
    begin_tile(&t, acc);
    if (!is_tree(f)) {
        run_plain(&t, block);
    } else {
        run_tree(&t, block);
        for (uint32_t k = 0; own && k < f->n_folds; k++)
            memcpy(results_of(&t, &f->folds[k], block), acc[k], f->folds[k].stride);
    }
    if (own) slab_give(scratch, f->scratch);
}

/* What is left to do behind the blocks of halves. */
static void end_tree(const struct step *step, struct run *run) {
    const struct fused *f = step->attrs;
    const void *at[FUSED_VALUES_MOST];
    int64_t stride[FUSED_VALUES_MOST];
    char *acc[FUSED_OPS_MOST];
    struct tile t = {f, step, run, run_scratch(run, step), at, stride, NULL, 0, 0};
    begin_tile(&t, acc);
    for (t.line = 0; t.line < f->lines; t.line++) {
        for (uint32_t k = 0; f->n_blocks > 1 && k < f->n_folds; k++) {
            acc[k] = results_of(&t, &f->folds[k], t.line << f->depth);
            merge_blocks(&t, &f->folds[k], acc[k]);
        }
        if (f->walk == FUSED_LINES) {
            end_line(&t);
            continue;
        }
        for (uint32_t k = 0; k < f->n_folds; k++)
            f->folds[k].reducer->merge(run_out(run, f->folds[k].step), acc[k], f->width);
    }
}

void fused_cut(struct fused *f) {
    const int64_t count = f->lines * f->rows * f->width;
    int64_t wanted = BLOCK_WORK / f->n_ops;
    if (wanted < 2 * f->tile) wanted = 2 * f->tile;
    f->depth = 0;
    if (!is_tree(f)) {
        const int64_t tile = f->n_folds ? f->tile / f->rows * f->rows : f->tile;
        f->block = wanted / tile * tile;
        f->n_blocks = (count + f->block - 1) / f->block;
        return;
    }
    const int64_t width = f->walk == FUSED_COLUMNS ? f->width : LANES;
    int64_t rows = f->walk == FUSED_COLUMNS ? f->rows : f->rows / LANES;
    for (; rows * width > wanted && rows > 2 * SEQUENTIAL; rows = (rows + 1) / 2) f->depth++;
    f->block = rows * width;
    f->n_blocks = f->lines << f->depth;
}

int64_t fused_levels(const struct fused *f) {
    int64_t levels = 1;
    const int64_t rows = f->walk == FUSED_COLUMNS ? f->rows : f->rows / LANES;
    for (int64_t most = 1; most < rows; most *= 2) levels++;
    return levels - f->depth > 1 ? levels - f->depth : 1;
}

void fused_run(const struct step *step, struct run *run) {
    const struct fused *f = step->attrs;
    struct job job = {.step = step, .run = run};
    atomic_init(&job.failed, false);
    for (uint32_t k = 0; k < f->n_folds; k++)
        reduce_begin(f->folds[k].step, run, f->folds[k].reducer);
    if (!run_blocks(run, f->n_blocks, f->block * f->n_ops / A_NANOSECOND, run_block, &job)) return;
    if (atomic_load(&job.failed)) {
        run_fail(run, ERROR_MEMORY_BUDGET, "no memory for a block of a run, %zu bytes", f->scratch);
        return;
    }
    if (is_tree(f) && (f->depth > 0 || f->walk == FUSED_COLUMNS)) end_tree(step, run);
    for (uint32_t k = 0; k < f->n_folds; k++)
        if (f->folds[k].reducer->finish) f->folds[k].reducer->finish(f->folds[k].step, run);
}
