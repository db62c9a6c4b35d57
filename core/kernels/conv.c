/* Convolution as products of matrices. For a block of rows of y (its places in order) the part of x
 * under the kernel is copied into a matrix with a row for each; its product with w is those rows, and
 * the adjoints are the other two products of the three. Where every group has one channel, products
 * of matrices would be thin, and the channels are walked over side by side instead. Blocks depend on
 * the shapes of one point alone, so that a point has the same bits alone and among others. */
#include "core/kernels/conv.h"

#include <string.h>

#include "core/kernels/lapack.h"

enum { BLOCK_ELEMENTS = 1 << 16, BLOCK_WORK = 1 << 26, BLOCK_ROWS_LEAST = 4 };

#define INLINE static inline __attribute__((always_inline))

/* One row of y: its place, and for each axis where the kernel begins on x and which of its positions
 * [low, high) lie on x. */
struct place {
    int64_t image, o[CONV_AXES], begin[CONV_AXES], low[CONV_AXES], high[CONV_AXES];
};

static int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }

static int64_t quotient_up(int64_t x, int64_t y) {
    return x <= 0 ? 0 : y == 1 ? x : (x + y - 1) / y;
}

static void place_axis(const struct conv_attrs *a, struct place *p, int i) {
    p->begin[i] = p->o[i] * a->stride[i] - a->before[i];
    p->low[i] = least(quotient_up(-p->begin[i], a->dilation[i]), a->kernel[i]);
    p->high[i] = least(quotient_up(a->in[i] - p->begin[i], a->dilation[i]), a->kernel[i]);
}

static struct place place_of(const struct conv_attrs *a, int64_t row) {
    struct place p;
    for (int i = CONV_AXES - 1; i >= 0; i--) {
        p.o[i] = row % a->out[i];
        row /= a->out[i];
        place_axis(a, &p, i);
    }
    p.image = row;
    return p;
}

static void place_next(const struct conv_attrs *a, struct place *p) {
    for (int i = CONV_AXES - 1; i >= 0; i--) {
        const bool inside = ++p->o[i] < a->out[i];
        if (!inside) p->o[i] = 0;
        place_axis(a, p, i);
        if (inside) return;
    }
    p->image++;
}

/* What is walked over: rows of y, and for each the kernel's positions that lie on x. */
struct walk {
    const struct conv_attrs *a;
    int64_t volume; /* positions of the kernel */
    int64_t width;  /* channels that a line of `cols` has */
    char *x, *w, *y, *cols;
};

/* n positions of one row, whose lines of x lie next to each other from element `at` on. */
typedef void visit(const struct walk *c, int64_t row, int64_t position, int64_t at, int64_t n);

INLINE void visit_rows(const struct walk *c, int64_t first, int64_t count, bool joined,
                       visit *visitor) {
    const struct conv_attrs *a = c->a;
    struct place p = place_of(a, first);
    for (int64_t row = 0; row < count; row++, place_next(a, &p)) {
        for (int64_t i = p.low[0]; i < p.high[0]; i++) {
            const int64_t plane = p.image * a->in[0] + p.begin[0] + i * a->dilation[0];
            for (int64_t j = p.low[1]; j < p.high[1]; j++) {
                const int64_t line = plane * a->in[1] + p.begin[1] + j * a->dilation[1];
                const int64_t at = line * a->in[2] + p.begin[2];
                const int64_t position = (i * a->kernel[1] + j) * a->kernel[2];
                const int64_t low = p.low[2], n = p.high[2] - low;
                if (joined && n > 0) visitor(c, row, position + low, (at + low) * a->channels, n);
                for (int64_t k = low; !joined && k < p.high[2]; k++)
                    visitor(c, row, position + k, (at + k * a->dilation[2]) * a->channels, 1);
            }
        }
    }
}

/* ---- what depends on the dtype ------------------------------------------------------------------ */

struct arithmetic {
    void (*take)(const struct walk *c, int64_t first, int64_t count, bool joined);
    void (*add)(const struct walk *c, int64_t first, int64_t count, bool joined);
    void (*channelwise[3])(const struct walk *c, int64_t first, int64_t count); /* by result */
    void (*product)(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                    const void *a, int64_t lda, const void *b, int64_t ldb, bool adds, void *c,
                    int64_t ldc);
};

/* One line of a kernel position, for groups of one channel with `times` filters each. */
#define CHANNELWISE(name, tag, T, body)                                                            \
    INLINE void name##_line_##tag(const struct walk *c, int64_t row, int64_t position, int64_t at, \
                                  int64_t n) {                                                     \
        const int64_t times = c->a->filters / c->a->channels, channels = n * c->a->channels;       \
        T *restrict x = (T *)(void *)c->x + at;                                                    \
        T *restrict w = (T *)(void *)c->w + position * c->a->filters;                              \
        T *restrict y = (T *)(void *)c->y + row * c->a->filters;                                   \
        if (times == 1) {                                                                          \
            for (int64_t i = 0, k = 0; i < channels; i++, k++) body;                               \
        } else {                                                                                   \
            for (int64_t i = 0; i < channels; i++)                                                 \
                for (int64_t k = i * times; k < (i + 1) * times; k++) body;                        \
        }                                                                                          \
    }                                                                                              \
    static void name##_##tag(const struct walk *c, int64_t first, int64_t count) {                 \
        visit_rows(c, first, count, false, name##_line_##tag);                                     \
    }

#define ARITHMETIC(tag, T, gemm)                                                                   \
    INLINE void take_line_##tag(const struct walk *c, int64_t row, int64_t position, int64_t at,   \
                                int64_t n) {                                                       \
        const T *restrict x = (T *)(void *)c->x + at;                                              \
        T *restrict col = (T *)(void *)c->cols + (row * c->volume + position) * c->width;          \
        for (int64_t i = 0; i < n * c->width; i++) col[i] = x[i];                                  \
    }                                                                                              \
    INLINE void add_line_##tag(const struct walk *c, int64_t row, int64_t position, int64_t at,    \
                               int64_t n) {                                                        \
        T *restrict x = (T *)(void *)c->x + at;                                                    \
        const T *restrict col = (T *)(void *)c->cols + (row * c->volume + position) * c->width;    \
        for (int64_t i = 0; i < n * c->width; i++) x[i] += col[i];                                 \
    }                                                                                              \
    static void take_##tag(const struct walk *c, int64_t first, int64_t count, bool joined) {      \
        visit_rows(c, first, count, joined, take_line_##tag);                                      \
    }                                                                                              \
    static void add_##tag(const struct walk *c, int64_t first, int64_t count, bool joined) {       \
        visit_rows(c, first, count, joined, add_line_##tag);                                       \
    }                                                                                              \
    CHANNELWISE(to_x, tag, T, x[i] += y[k] * w[k])                                                 \
    CHANNELWISE(to_w, tag, T, w[k] += x[i] * y[k])                                                 \
    CHANNELWISE(to_y, tag, T, y[k] += x[i] * w[k])                                                 \
    static void product_##tag(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, \
                              const void *a, int64_t lda, const void *b, int64_t ldb, bool adds,   \
                              void *c, int64_t ldc) {                                              \
        gemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,                               \
             transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)lda, b,   \
             (int)ldb, adds ? 1.0F : 0.0F, c, (int)ldc);                                           \
    }
ARITHMETIC(F32, float, cblas_sgemm)
ARITHMETIC(F64, double, cblas_dgemm)

#define ARITHMETIC_ROW(tag)                                                                        \
    [DTYPE_##tag] = {take_##tag,                                                                   \
                     add_##tag,                                                                    \
                     {[CONV_X] = to_x_##tag, [CONV_W] = to_w_##tag, [CONV_Y] = to_y_##tag},        \
                     product_##tag}
static const struct arithmetic arithmetics[] = {ARITHMETIC_ROW(F32), ARITHMETIC_ROW(F64)};

/* ---- blocks -------------------------------------------------------------------------------------- */

struct layout {
    const struct conv_attrs *a;
    int64_t volume, width, out_width; /* positions of the kernel; channels and filters of a group */
    int64_t depth;                    /* volume * width */
    int64_t rows, block;              /* of y for one point; how many at a time */
    bool direct;                      /* the part of x under the kernel is a line of x itself */
    bool channelwise;                 /* one channel in each of several groups */
    bool padded;                      /* the kernel leaves x somewhere */
    bool empty;                       /* a sum of nothing */
};

static struct layout layout_of(const struct conv_attrs *a, int64_t images) {
    struct layout l = {.a = a, .volume = 1, .direct = true};
    l.empty = images == 0 || a->channels == 0 || a->filters == 0;
    for (int i = 0; i < CONV_AXES; i++)
        l.empty = l.empty || a->in[i] == 0 || a->out[i] == 0 || a->kernel[i] == 0;
    if (l.empty) return l;
    l.rows = images;
    for (int i = 0; i < CONV_AXES; i++) {
        l.volume *= a->kernel[i];
        l.rows *= a->out[i];
        l.direct = l.direct && a->kernel[i] == 1 && a->stride[i] == 1 && a->in[i] == a->out[i] &&
                   a->before[i] == 0;
        const int64_t end = (a->out[i] - 1) * a->stride[i] + (a->kernel[i] - 1) * a->dilation[i];
        l.padded = l.padded || a->before[i] > 0 || end >= a->in[i];
    }
    l.width = a->channels / a->groups;
    l.out_width = a->filters / a->groups;
    l.depth = l.volume * l.width;
    l.channelwise = a->groups > 1 && l.width == 1;
    l.block = least(BLOCK_ELEMENTS / l.depth, BLOCK_WORK / l.depth / l.out_width);
    if (l.block < BLOCK_ROWS_LEAST) l.block = BLOCK_ROWS_LEAST;
    l.block = least(l.block, l.rows);
    return l;
}

size_t conv_scratch_bytes(const struct conv_attrs *a, int64_t images, size_t size) {
    const struct layout l = layout_of(a, images);
    return l.empty || l.direct || l.channelwise ? 0 : (size_t)(l.block * l.depth) * size;
}

struct operands {
    char *part[3];     /* by conv_role */
    int64_t points[3]; /* 1: shared by all */
    size_t bytes[3];   /* of one point */
    int64_t all;       /* points of the result */
    enum conv_role result;
    enum dtype dtype;
    size_t size;
    char *scratch;
};

static struct operands operands_of(const struct step *step, struct run *run,
                                   enum conv_role result) {
    struct operands o = {.result = result, .dtype = step->out.dtype};
    o.size = dtype_size(o.dtype);
    o.scratch = run_scratch(run, step);
    for (int role = 0, next = 0; role < 3; role++) {
        const bool made = role == (int)result;
        const struct shape *shape = made ? step->out.shape : step->in[next].shape;
        /* The arguments are only read: `result` says which part is written. */
        o.part[role] =
            made ? run_out(run, step) : run->base[step->in[next].base] + step->in[next].offset;
        o.points[role] = shape->dim[0];
        o.bytes[role] = o.size;
        for (int i = 1; i < shape->rank; i++) o.bytes[role] *= (size_t)shape->dim[i];
        next += !made;
    }
    o.all = o.points[result];
    return o;
}

static char *part_of(const struct operands *o, enum conv_role role, int64_t point) {
    return o->part[role] + (o->points[role] == 1 ? 0 : (size_t)point * o->bytes[role]);
}

/* One group of one block for one point: `cols` are given for y and w, and taken for x. */
static void block_product(const struct layout *l, const struct operands *o, int64_t point,
                          int64_t row, int64_t count, int64_t group, char *cols, int64_t ld) {
    const struct arithmetic *is = &arithmetics[o->dtype];
    const int64_t filters = l->a->filters;
    const size_t from = (size_t)(group * l->out_width) * o->size;
    char *w = part_of(o, CONV_W, point) + from;
    char *y = part_of(o, CONV_Y, point) + (size_t)(row * filters) * o->size + from;
    if (o->result == CONV_Y)
        is->product(false, false, count, l->out_width, l->depth, cols, ld, w, filters, false, y,
                    filters);
    else if (o->result == CONV_W)
        is->product(true, false, l->depth, l->out_width, count, cols, ld, y, filters, true, w,
                    filters);
    else
        is->product(false, true, count, l->depth, l->out_width, y, filters, w, filters, false, cols,
                    ld);
}

/* One block of those points that see the same x: of one point, or of all. */
static bool block_run(const struct layout *l, const struct operands *o, int64_t first, int64_t last,
                      int64_t row, int64_t count, struct run *run) {
    const struct arithmetic *is = &arithmetics[o->dtype];
    const bool joined = l->width == l->a->channels && l->a->dilation[2] == 1;
    const int64_t ld = l->direct ? l->a->channels : l->depth;
    for (int64_t group = 0; group < l->a->groups; group++) {
        char *x = part_of(o, CONV_X, first) + (size_t)(group * l->width) * o->size;
        char *cols = l->direct ? x + (size_t)(row * l->a->channels) * o->size : o->scratch;
        const struct walk walk = {l->a, l->volume, l->width, x, NULL, NULL, cols};
        if (!l->direct && o->result != CONV_X) {
            if (l->padded) memset(cols, 0, (size_t)(count * l->depth) * o->size);
            is->take(&walk, row, count, joined);
        }
        for (int64_t point = first; point < last; point++) {
            block_product(l, o, point, row, count, group, cols, ld);
            if (!run_tick(run, count * l->depth * l->out_width)) return false;
        }
        if (!l->direct && o->result == CONV_X) is->add(&walk, row, count, joined);
    }
    return true;
}

static bool block_channelwise(const struct layout *l, const struct operands *o, int64_t point,
                              int64_t row, int64_t count, struct run *run) {
    char *y = part_of(o, CONV_Y, point) + (size_t)(row * l->a->filters) * o->size;
    const struct walk walk = {
        l->a, l->volume, 1, part_of(o, CONV_X, point), part_of(o, CONV_W, point), y, NULL};
    arithmetics[o->dtype].channelwise[o->result](&walk, row, count);
    return run_tick(run, count * l->volume * l->a->filters);
}

static void convolve(const struct step *step, struct run *run, enum conv_role result) {
    const struct operands o = operands_of(step, run, result);
    const struct shape *with_images = result == CONV_X ? step->in[1].shape : step->in[0].shape;
    const struct layout l = layout_of(step->attrs, with_images->dim[1]);
    const bool adds = l.empty || l.channelwise || result != CONV_Y;
    if (o.all > 0 && adds) memset(o.part[result], 0, (size_t)o.all * o.bytes[result]);
    if (l.empty) return;
    lapack_ready();
    const int64_t points = l.channelwise ? o.all : result == CONV_X ? o.all : o.points[CONV_X];
    for (int64_t x = 0; x < points; x++) {
        const int64_t first = points == 1 ? 0 : x, last = points == 1 ? o.all : x + 1;
        for (int64_t row = 0; row < l.rows; row += l.block) {
            const int64_t count = least(l.block, l.rows - row);
            if (!(l.channelwise ? block_channelwise(&l, &o, x, row, count, run)
                                : block_run(&l, &o, first, last, row, count, run)))
                return;
        }
    }
}

void conv_kernel(const struct step *step, struct run *run) { convolve(step, run, CONV_Y); }
void conv_input_kernel(const struct step *step, struct run *run) { convolve(step, run, CONV_X); }
void conv_filter_kernel(const struct step *step, struct run *run) { convolve(step, run, CONV_W); }
