/* Finds the regions of a program that run as one tiled loop. Owns the rule of what may stand together:
 * every node has a depth, which grows by one on each way into a region and out of one, and the nodes of a
 * region have one depth and one shape, and read each other or the same memory. Depths never fall along an
 * edge; among regions of one depth, one that is read by another is closed: it never changes again. So no
 * region waits for itself. */
#include "core/fuse.h"

enum { NODE_ALONE, NODE_LOOP, NODE_FOLD };

struct found {
    struct region region;
    uint32_t depth;
    uint32_t joined; /* the region that has its nodes now; itself at first */
    bool closed;
};

struct search {
    const struct program *p;
    uint32_t *depth, *of, *reader; /* reader: the last region that read a node from outside */
    uint8_t *kind;
    struct found *found;
    uint32_t n_found;
    uint32_t stage, floor, deepest; /* of the stage that is looked at: no node of it is less deep */
};

static const struct node *node_at(const struct search *s, uint32_t i) {
    return tape_node(s->p->tape, s->p->node[i]);
}

static uint32_t arg_at(const struct search *s, const struct node *n, uint32_t k) {
    return s->p->index[node_args(s->p->tape, n)[k]];
}

static bool is_leaf(const struct search *s, uint32_t i, const struct node *n) {
    return n->op == OP_const || program_is_input(s->p, i);
}

static bool is_loop(const struct search *s, const struct node *n) {
    const struct op *op = op_of(n);
    if (!(op->flags & OP_POINTWISE) || op->flags & OP_VIEW || n->n_args > NODE_INLINE_ARGS ||
        program_in_cell(n) || shape_count(n->shape) == 0)
        return false;
    const enum dtype from = tape_dtype(s->p->tape, node_args(s->p->tape, n)[n->n_args - 1]);
    return !op->kernels[from] && pointwise_loop(op, from, (enum dtype)n->dtype);
}

/* The depth of a node that is no fold: one more than what it reads on the other side of a border. */
static uint32_t depth_of(const struct search *s, const struct node *n, bool loop) {
    uint32_t depth = s->floor;
    for (uint32_t k = 0; k < n->n_args; k++) {
        const uint32_t a = arg_at(s, n, k);
        const bool same =
            s->kind[a] == NODE_ALONE
                ? !loop
                : loop && s->kind[a] == NODE_LOOP && shape_equal(node_at(s, a)->shape, n->shape);
        if (s->depth[a] + !same > depth) depth = s->depth[a] + !same;
    }
    return depth;
}

/* ---- joining ------------------------------------------------------------------------------------ */

static uint32_t find(const struct search *s, uint32_t r) {
    while (s->found[r].joined != r) r = s->found[r].joined = s->found[s->found[r].joined].joined;
    return r;
}

static bool same_walk(const struct region *a, const struct region *b) {
    return !a->n_folds || !b->n_folds ||
           (a->walk == b->walk && a->lines == b->lines && a->rows == b->rows);
}

/* Makes two regions one; false where they cannot be. */
static bool join(struct search *s, uint32_t a, uint32_t b) {
    struct found *x = &s->found[a], *y = &s->found[b];
    if (a == b) return true;
    if (x->closed || y->closed || x->region.n + y->region.n > FUSED_OPS_MOST ||
        !same_walk(&x->region, &y->region))
        return false;
    const uint32_t n = x->region.n + y->region.n, n_folds = x->region.n_folds + y->region.n_folds;
    if (!x->region.n_folds) x->region = y->region;
    x->region.n = n;
    x->region.n_folds = n_folds;
    y->joined = a;
    return true;
}

static bool is_of(const struct search *s, uint32_t r, uint32_t depth, const struct shape *shape) {
    return s->found[r].depth == depth && shape_equal(s->found[r].region.shape, shape);
}

/* Puts a loop into the region of what it reads, which becomes one for it where there are several. What
 * cannot be joined is closed, since it is read now. */
static void join_loop(struct search *s, uint32_t i, const struct node *n) {
    const uint32_t depth = s->depth[i], own = s->n_found++;
    const int64_t count = shape_count(n->shape);
    s->found[own] =
        (struct found){.region = {.shape = n->shape, .n = 1}, .depth = depth, .joined = own};
    s->of[i] = own;
    for (uint32_t k = 0; k < n->n_args; k++) {
        const uint32_t a = arg_at(s, n, k);
        const uint32_t r = s->kind[a] == NODE_LOOP ? find(s, s->of[a]) : REGION_NONE;
        if (r != REGION_NONE && is_of(s, r, depth, n->shape) && !join(s, r, find(s, own)))
            s->found[r].closed = true;
    }
    for (uint32_t k = 0; k < n->n_args; k++) {
        const uint32_t a = arg_at(s, n, k), mine = find(s, own);
        if (shape_count(node_at(s, a)->shape) != count) continue;
        const uint32_t r = s->reader[a] == REGION_NONE ? mine : find(s, s->reader[a]);
        if (is_of(s, r, depth, n->shape)) join(s, r, mine);
        s->reader[a] = find(s, own);
    }
}

/* ---- reductions --------------------------------------------------------------------------------- */

/* How a reduction walks the elements of a shape; false where it is none that regions know. */
static bool walk_of(const struct shape *x, uint32_t axes, struct region *out) {
    int64_t dim[3] = {1, 1, 1}; /* kept, reduced, kept */
    int at = 0;
    for (int k = 0; k < x->rank; k++) {
        if (x->dim[k] == 1) continue;
        const bool reduced = axes >> k & 1;
        if ((at == 1) != reduced && ++at > 2) return false;
        dim[at] *= x->dim[k];
    }
    if (dim[1] == 1 || (dim[0] > 1 && dim[2] > 1) || dim[2] > FUSED_TILE_MOST) return false;
    out->walk = dim[2] > 1 ? FUSED_COLUMNS : FUSED_LINES;
    out->lines = dim[0];
    out->rows = dim[1];
    out->width = dim[2];
    return true;
}

/* Puts a reduction into the region of its argument; false where it does not go with what is there. */
static bool join_fold(struct search *s, uint32_t i, const struct node *n) {
    if (n->n_args != 1 || !op_of(n)->reducers[tape_dtype(s->p->tape, n->arg[0])]) return false;
    const uint32_t a = arg_at(s, n, 0);
    if (s->kind[a] != NODE_LOOP || s->depth[a] < s->floor) return false;
    struct region *r = &s->found[find(s, s->of[a])].region, walk = *r;
    if (r->n >= FUSED_OPS_MOST || !walk_of(r->shape, *(const uint32_t *)n->attrs, &walk))
        return false;
    walk.n_folds = 1;
    if (!same_walk(r, &walk)) return false;
    walk.n_folds += r->n_folds;
    walk.n++;
    *r = walk;
    s->of[i] = s->of[a];
    s->depth[i] = s->depth[a];
    s->kind[i] = NODE_FOLD;
    return true;
}

/* Begins another stage at node i, where it is of one: deeper than all before. */
static void enter(struct search *s, uint32_t i) {
    if (!s->p->stage || s->p->stage[s->p->node[i]] == s->stage) return;
    s->stage = s->p->stage[s->p->node[i]];
    s->floor = s->deepest + 1;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

/* Keeps the regions that are worth it, with their nodes in one array. */
static bool collect(struct search *s, struct arena *scratch, struct fusion *out) {
    struct region *regions = arena_alloc(scratch, (s->n_found + 1) * sizeof *regions);
    uint32_t *nodes = arena_alloc(scratch, ((size_t)s->p->n + 1) * sizeof *nodes);
    uint32_t *number = arena_alloc(scratch, (s->n_found + 1) * sizeof *number);
    if (!regions || !nodes || !number) return false;
    for (uint32_t k = 0; k < s->n_found; k++) {
        struct region *r = &s->found[k].region;
        number[k] = REGION_NONE;
        if (s->found[k].joined != k || r->n < 2) continue;
        if (!r->n_folds) {
            r->lines = r->width = 1;
            r->rows = shape_count(r->shape);
        }
        r->nodes = nodes;
        nodes += r->n;
        number[k] = out->n_regions;
        regions[out->n_regions] = *r;
        regions[out->n_regions++].n = 0;
    }
    for (uint32_t i = 0; i < s->p->n; i++) {
        if (s->of[i] != REGION_NONE) s->of[i] = number[find(s, s->of[i])];
        if (s->of[i] == REGION_NONE) continue;
        struct region *r = &regions[s->of[i]];
        r->nodes[r->n++] = i;
    }
    out->of = s->of;
    out->regions = regions;
    return true;
}

bool fuse(const struct program *p, struct arena *scratch, struct fusion *out) {
    struct search s = {.p = p};
    uint32_t loops = 0;
    *out = (struct fusion){0};
    s.kind = arena_zalloc(scratch, p->n + 1);
    if (!s.kind) return false;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct node *n = node_at(&s, i);
        if (is_leaf(&s, i, n) || !is_loop(&s, n)) continue;
        s.kind[i] = NODE_LOOP;
        loops++;
    }
    if (!loops) return true;
    s.of = arena_alloc(scratch, p->n * sizeof *s.of);
    s.depth = arena_zalloc(scratch, p->n * sizeof *s.depth);
    s.reader = arena_alloc(scratch, p->n * sizeof *s.reader);
    s.found = arena_alloc(scratch, loops * sizeof *s.found);
    if (!s.of || !s.depth || !s.reader || !s.found) return false;
    for (uint32_t i = 0; i < p->n; i++) s.of[i] = s.reader[i] = REGION_NONE;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct node *n = node_at(&s, i);
        if (is_leaf(&s, i, n)) continue;
        enter(&s, i);
        if (join_fold(&s, i, n)) continue;
        s.depth[i] = depth_of(&s, n, s.kind[i] == NODE_LOOP);
        if (s.depth[i] > s.deepest) s.deepest = s.depth[i];
        if (s.kind[i] == NODE_LOOP) join_loop(&s, i, n);
    }
    return collect(&s, scratch, out);
}
