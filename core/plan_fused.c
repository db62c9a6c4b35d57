/* Makes one instruction of a region: decides which of its values stand in memory and which in tiles of the
 * scratch memory, and how long those tiles are. Which nodes make a region is not decided here. */
#include <string.h>

#include "core/compiler.h"

/* A region that is emitted. Tiles are counted before they have a length. */
struct builder {
    struct compiler *c;
    const struct region *r;
    struct fused *f;
    struct fused_value *values;
    struct fused_op *ops;
    struct fused_fold *folds;
    uint32_t free_tiles[FUSED_VALUES_MOST], n_free_tiles, n_tiles;
    uint32_t tile_of[FUSED_VALUES_MOST];
    struct outer {
        uint32_t node, readers, last; /* how many ops read it here, and the last one's place */
    } outer[FUSED_VALUES_MOST];       /* the first values */
    uint32_t n_outer;
    uint32_t widest; /* bytes of the largest element */
};

static bool is_inside(const struct builder *b, uint32_t i) {
    const uint32_t region = b->c->fusion.of[i];
    return region != REGION_NONE && &b->c->fusion.regions[region] == b->r;
}

static uint32_t take_tile(struct builder *b) {
    return b->n_free_tiles ? b->free_tiles[--b->n_free_tiles] : b->n_tiles++;
}

static struct fused_value *new_value(struct builder *b, uint32_t i) {
    const uint32_t size = (uint32_t)dtype_size((enum dtype)compiler_node(b->c, i)->dtype);
    struct fused_value *v = &b->values[b->f->n_values];
    b->c->value[i] = b->f->n_values++;
    if (size > b->widest) b->widest = size;
    v->size = size;
    return v;
}

/* What node i outside of the region is to it. */
static bool add_outer(struct builder *b, uint32_t i) {
    struct compiler *c = b->c;
    const struct shape *shape = compiler_node(c, i)->shape;
    const int64_t count = shape_count(shape);
    struct fused_value *v = new_value(b, i);
    b->outer[b->n_outer++] = (struct outer){.node = i};
    v->where = c->where[c->root[i]];
    v->where.shape = NULL;
    v->kind = count == 1                          ? FUSED_STILL
              : count == shape_count(b->r->shape) ? FUSED_FLOW
                                                  : FUSED_SPREAD;
    if (v->kind != FUSED_SPREAD) return true;
    b->tile_of[c->value[i]] = take_tile(b);
    v->nest = compiler_nest(c, b->r->shape, &shape, 1);
    return v->nest || compiler_no_memory(c);
}

/* The memory for node i: that of a value which the op at `place` or one before it reads last. */
static const struct operand *place_inner(struct builder *b, uint32_t i, uint32_t place) {
    for (uint32_t v = 0; v < b->n_outer; v++) {
        const struct outer *x = &b->outer[v];
        if (b->values[v].kind != FUSED_FLOW || x->last > place) continue;
        const struct operand *out = compiler_take_over(b->c, i, x->node, x->readers);
        if (out) return out;
    }
    return compiler_place(b->c, i);
}

/* Where node i of the region is written: to memory where somebody else reads it. */
static void add_inner(struct builder *b, uint32_t i, uint32_t place) {
    struct compiler *c = b->c;
    struct fused_value *v = new_value(b, i);
    if (c->uses[i] > c->inside[i]) {
        v->kind = FUSED_FLOW;
        v->where = *place_inner(b, i, place);
        v->where.shape = NULL;
    } else {
        v->kind = FUSED_SCRATCH;
        b->tile_of[c->value[i]] = take_tile(b);
    }
}

static bool add_fold(struct builder *b, uint32_t i, struct fused_op *op) {
    struct compiler *c = b->c;
    struct fused_fold *fold = &b->folds[b->f->n_folds++];
    compiler_place(c, i);
    fold->step = compiler_step(c, i);
    if (!fold->step) return compiler_no_memory(c);
    fold->reducer = fold->step->op->reducers[fold->step->in[0].dtype];
    fold->size = (uint32_t)dtype_size(fold->step->out.dtype);
    op->fold = fold;
    return true;
}

/* Tiles that nobody reads again may be written by the next op. */
static void read_inner(struct builder *b, uint32_t i) {
    const uint32_t v = b->c->value[i];
    if (--b->c->inside[i] == 0 && b->values[v].kind == FUSED_SCRATCH)
        b->free_tiles[b->n_free_tiles++] = b->tile_of[v];
}

static bool add_op(struct builder *b, uint32_t place) {
    struct compiler *c = b->c;
    const uint32_t i = b->r->nodes[place];
    const struct node *n = compiler_node(c, i);
    struct fused_op *op = &b->ops[b->f->n_ops++];
    op->n_in = n->n_args;
    for (uint32_t k = 0; k < n->n_args; k++) op->in[k] = c->value[compiler_arg(c, n, k)];
    if (fuse_is_fold(n)) {
        if (!add_fold(b, i, op)) return false;
    } else {
        add_inner(b, i, place);
        op->out = c->value[i];
        op->loop = pointwise_loop(
            op_of(n), (enum dtype)compiler_node(c, compiler_arg(c, n, n->n_args - 1))->dtype,
            (enum dtype)n->dtype);
    }
    for (uint32_t k = 0; k < n->n_args; k++) {
        const uint32_t arg = compiler_arg(c, n, k);
        if (is_inside(b, arg)) read_inner(b, arg);
    }
    compiler_add_work(c, n);
    return true;
}

/* Counts who reads what inside, and gives what is read from outside its values. */
static bool look_around(struct builder *b) {
    struct compiler *c = b->c;
    for (uint32_t m = 0; m < b->r->n; m++) c->value[b->r->nodes[m]] = UINT32_MAX;
    for (uint32_t m = 0; m < b->r->n; m++) {
        const struct node *n = compiler_node(c, b->r->nodes[m]);
        for (uint32_t k = 0; k < n->n_args; k++) c->value[compiler_arg(c, n, k)] = UINT32_MAX;
    }
    for (uint32_t m = 0; m < b->r->n; m++) {
        const struct node *n = compiler_node(c, b->r->nodes[m]);
        for (uint32_t k = 0; k < n->n_args; k++) {
            const uint32_t arg = compiler_arg(c, n, k);
            if (is_inside(b, arg)) {
                c->inside[arg]++;
                continue;
            }
            if (c->value[arg] == UINT32_MAX && !add_outer(b, arg)) return false;
            b->outer[c->value[arg]].readers++;
            b->outer[c->value[arg]].last = m;
        }
    }
    return true;
}

/* Gives tiles their length and place, and the partial results of reductions theirs. */
static size_t lay_out(struct builder *b) {
    struct fused *f = b->f;
    const size_t element = (size_t)(b->n_tiles ? b->n_tiles : 1) * b->widest;
    const int64_t count = f->lines * f->rows * f->width;
    f->tile = FUSED_TILE_MOST;
    while (f->tile > FUSED_TILE_LEAST && (size_t)f->tile * element > FUSED_BYTES) f->tile /= 2;
    if (f->tile < f->width) f->tile = f->width;
    if (f->tile > count) f->tile = count;
    const size_t tile = ((size_t)f->tile * b->widest + 63) & ~(size_t)63;
    for (uint32_t i = 0; i < f->n_values; i++) b->values[i].scratch = b->tile_of[i] * tile;
    fused_cut(f);
    size_t at = b->n_tiles * tile;
    for (uint32_t k = 0; k < f->n_folds; k++) {
        const int64_t width = f->walk == FUSED_LINES ? REDUCE_LANES : f->width;
        b->folds[k].scratch = at;
        b->folds[k].stride = ((size_t)width * b->folds[k].size + 63) & ~(size_t)63;
        at += (size_t)fused_levels(f) * b->folds[k].stride;
    }
    f->scratch = at;
    for (uint32_t k = 0; k < f->n_folds && f->n_blocks > 1; k++) {
        b->folds[k].results = at;
        at += (size_t)f->n_blocks * b->folds[k].stride;
    }
    return at;
}

/* The readers of this region's arguments are fewer by its nodes. */
static bool let_go(struct builder *b) {
    struct compiler *c = b->c;
    for (uint32_t m = 0; m < b->r->n; m++) {
        const struct node *n = compiler_node(c, b->r->nodes[m]);
        for (uint32_t k = 0; k < n->n_args; k++) {
            const uint32_t arg = compiler_arg(c, n, k);
            if (is_inside(b, arg))
                c->uses[arg]--;
            else if (!compiler_was_read(c, c->root[arg]))
                return false;
        }
    }
    return true;
}

bool compiler_emit_region(struct compiler *c, const struct region *r) {
    struct builder b = {.c = c, .r = r};
    struct arena *arena = &c->plan->arena;
    struct instr *instr = &c->plan->code[c->plan->n_code++];
    struct step *step = arena_zalloc(arena, sizeof *step);
    uint32_t most = 0;
    for (uint32_t m = 0; m < r->n; m++) most += 1 + compiler_node(c, r->nodes[m])->n_args;
    b.f = arena_alloc(arena, sizeof *b.f);
    b.values = arena_zalloc(arena, most * sizeof *b.values);
    b.ops = arena_zalloc(arena, r->n * sizeof *b.ops);
    b.folds = arena_zalloc(arena, r->n_folds * sizeof *b.folds);
    if (!step || !b.f || !b.values || !b.ops || !b.folds) return compiler_no_memory(c);
    *b.f = (struct fused){.walk = r->walk,
                          .lines = r->lines,
                          .rows = r->rows,
                          .width = r->width,
                          .values = b.values,
                          .ops = b.ops,
                          .folds = b.folds};
    if (!look_around(&b)) return false;
    for (uint32_t m = 0; m < r->n; m++)
        if (!add_op(&b, m)) return false;
    if (!compiler_scratch(c, lay_out(&b), &step->scratch)) return false;
    step->attrs = b.f;
    instr->kind = INSTR_STEP;
    instr->run.tensor = fused_run;
    instr->on.step = step;
    return let_go(&b);
}
