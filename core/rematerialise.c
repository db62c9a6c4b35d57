/* Memory for work, as Chen et al. (2016, "Training deep nets with sublinear memory cost") trade it. A gradient
 * reads in its second half, backwards, what its first half has computed. Where all of that is too much to keep,
 * some of it is kept, and the rest is computed a second time, segment by segment, from what was kept. What is
 * needed again is found by looking at who reads what; nothing is known of derivatives here, nor of how much memory is
 * too much. */
#include "core/rematerialise.h"

#include <math.h>
#include <string.h>

/* What is so much smaller than the mean of what is read late is not worth computing again. */
enum { SMALL = 64 };

/* How far from its ideal place a cut may be, in segments. */
#define SLACK 0.25

/* So many finer cuts in a row that gain little end the search. */
enum { WORSE_MOST = 3 };

/* Peaks that are cut, one after the other. */
enum { PEAKS_MOST = 4 };

/* A program and what is known of it, for all ways of cutting it. */
struct lives {
    const struct program *p;
    uint32_t peak;   /* the node at which most bytes are alive */
    uint32_t *early; /* of each node up to the peak: its memory's last reader up to there */
    uint8_t *late;   /* whether it is read behind the peak */
    size_t *bytes;   /* of a node that has memory of its own; else 0 */
    size_t *across;  /* of all that stands there behind a node and is read up to the peak */
    size_t most;     /* bytes alive there */
    double excess;   /* bytes alive beyond the room, over all nodes */
    size_t late_bytes;
    uint32_t n_late; /* of those with memory, up to the peak */
};

/* How a program is cut: into about so many segments; and whether what only a segment behind the next one reads is
 * computed again for it, or kept. */
struct cut {
    uint32_t segments;
    bool far;
};

/* What is done with a value up to the peak. */
enum { AGAIN = 1 /* is computed again */, KEPT = 2, WRITTEN = 4 /* was computed again */ };

/* A value that is computed again, and how far its arguments have been looked at. */
struct pending {
    uint32_t node, arg;
};

/* The program that is written of it. */
struct writing {
    const struct lives *l;
    struct cut cut;
    uint32_t last;     /* segment */
    uint32_t *segment; /* of each node up to the peak */
    uint32_t *begin;   /* of each segment, its first node; behind the last one, the end */
    uint8_t *fate;     /* of each node; 0 behind the peak */
    uint8_t *met;      /* of each segment, whether what is read of it late was met */
    bool has_far;      /* whether cut.far makes a difference */
    struct pending *stack;
    struct tape *tape;
    node_id *is;     /* what stands for each node now */
    uint32_t *stage; /* of each node of the new tape */
    uint32_t now;    /* stage */
};

static const struct node *node_at(const struct program *p, uint32_t i) {
    return tape_node(p->tape, p->node[i]);
}

static uint32_t arg_at(const struct program *p, const struct node *n, uint32_t k) {
    return p->index[node_args(p->tape, n)[k]];
}

static bool is_leaf(const struct program *p, uint32_t i) {
    return node_at(p, i)->op == OP_const || program_is_input(p, i);
}

static bool is_view(const struct program *p, uint32_t i) {
    return !is_leaf(p, i) && op_of(node_at(p, i))->flags & OP_VIEW;
}

/* ---- who lives when ------------------------------------------------------------------------------ */

/* The last reader of each node's memory, by itself or through a view; of what is wanted, and of leaves, the end. */
static void find_last(const struct program *p, uint32_t *last) {
    for (uint32_t i = 0; i < p->n; i++) last[i] = is_leaf(p, i) ? p->n : i;
    for (uint32_t i = 0; i < p->n_wanted; i++) last[p->index[p->wanted[i]]] = p->n;
    for (uint32_t i = p->n; i-- > 0;) {
        const struct node *n = node_at(p, i);
        for (uint32_t k = 0; !is_leaf(p, i) && k < n->n_args; k++) {
            uint32_t *of = &last[arg_at(p, n, k)];
            const uint32_t reads = is_view(p, i) ? last[i] : i;
            if (*of < reads) *of = reads;
        }
    }
}

/* The bytes that are alive at a node are those of its memory, its arguments', and what lies between; a run takes about
 * an eighth more. */
static void find_peak(struct lives *l, size_t room, const uint32_t *last, size_t *dies) {
    const size_t enough = room - room / 8;
    size_t alive = 0;
    for (uint32_t i = 0; i < l->p->n; i++) {
        alive += l->bytes[i];
        if (last[i] < l->p->n) dies[last[i]] += l->bytes[i];
        if (alive > l->most) {
            l->most = alive;
            l->peak = i;
        }
        if (alive > enough) l->excess += (double)(alive - enough);
        alive -= dies[i];
    }
}

/* Who reads what up to the peak, and what is read behind it. */
static void find_readers(struct lives *l) {
    const struct program *p = l->p;
    for (uint32_t i = 0; i < p->n; i++) l->early[i] = i;
    for (uint32_t i = p->n; i-- > 0;) {
        const struct node *n = node_at(p, i);
        for (uint32_t k = 0; !is_leaf(p, i) && k < n->n_args; k++) {
            const uint32_t arg = arg_at(p, n, k);
            const uint32_t reads = is_view(p, i) ? l->early[i] : i;
            if (i > l->peak || (is_view(p, i) && l->late[i])) l->late[arg] = 1;
            if (i <= l->peak && l->early[arg] < reads) l->early[arg] = reads;
        }
    }
}

static void add_across(struct lives *l, size_t *dies) {
    size_t alive = 0;
    memset(dies, 0, l->p->n * sizeof *dies);
    for (uint32_t i = 0; i <= l->peak; i++) {
        alive += l->bytes[i];
        dies[l->early[i]] += l->bytes[i];
        alive -= dies[i];
        l->across[i] = alive;
    }
}

static bool look(const struct program *p, size_t room, struct arena *scratch, struct lives *out) {
    const size_t n = (size_t)p->n + 1;
    uint32_t *last = arena_alloc(scratch, n * sizeof *last);
    size_t *dies = arena_zalloc(scratch, n * sizeof *dies);
    *out = (struct lives){.p = p,
                          .early = arena_alloc(scratch, n * sizeof *out->early),
                          .late = arena_zalloc(scratch, n),
                          .bytes = arena_zalloc(scratch, n * sizeof *out->bytes),
                          .across = arena_alloc(scratch, n * sizeof *out->across)};
    if (!last || !dies || !out->early || !out->late || !out->bytes || !out->across) return false;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct node *node = node_at(p, i);
        if (!is_leaf(p, i) && !is_view(p, i))
            out->bytes[i] = (size_t)shape_count(node->shape) * dtype_size((enum dtype)node->dtype);
    }
    find_last(p, last);
    find_peak(out, room, last, dies);
    find_readers(out);
    add_across(out, dies);
    for (uint32_t i = 0; i <= out->peak && i < p->n; i++) {
        if (!out->late[i] || !out->bytes[i]) continue;
        out->late_bytes += out->bytes[i];
        out->n_late++;
    }
    return true;
}

/* ---- segments ------------------------------------------------------------------------------------ */

/* Cuts where about as many bytes that are read late have been made as between any two other cuts, and where, near
 * there, the fewest bytes lead across. */
static void divide(struct writing *w) {
    const struct lives *l = w->l;
    const uint32_t segments = w->cut.segments;
    const double each = (double)l->late_bytes / segments;
    double made = 0;
    size_t across = SIZE_MAX;
    uint32_t best = 0;
    w->begin[0] = 0;
    for (uint32_t i = 0; i < l->peak && w->last + 1 < segments; i++) {
        if (l->late[i]) made += (double)l->bytes[i];
        const double past = made / each - (w->last + 1); /* the ideal place, in segments */
        if (past < -SLACK) continue;
        if (l->across[i] < across || (l->across[i] == across && past <= 0)) {
            best = i;
            across = l->across[i];
        }
        if (past < SLACK) continue;
        w->begin[++w->last] = best + 1;
        across = SIZE_MAX;
    }
    w->begin[w->last + 1] = l->peak + 1;
    for (uint32_t s = 0; s <= w->last; s++)
        for (uint32_t i = w->begin[s]; i < w->begin[s + 1]; i++) w->segment[i] = s;
}

/* Whether node i, which is computed again, finds its argument where it stands: one of another segment. */
static bool finds(struct writing *w, uint32_t i, uint32_t arg) {
    const bool next = w->segment[i] == w->segment[arg] + 1;
    if (is_leaf(w->l->p, arg) || w->segment[i] == w->segment[arg]) return false;
    if (!next) w->has_far = true;
    return next || !w->cut.far;
}

/* What is computed again is what is read late, and what that needs. Kept is what the result holds, what is small, what
 * another segment starts from when it is computed again, and all of the last segment, which is read first. */
static void choose(struct writing *w) {
    const struct lives *l = w->l;
    const struct program *p = l->p;
    const size_t small = l->late_bytes / l->n_late / SMALL;
    for (uint32_t i = 0; i < p->n_wanted; i++) w->fate[p->index[p->wanted[i]]] = KEPT;
    for (uint32_t i = l->peak + 1; i-- > 0;) {
        const struct node *n = node_at(p, i);
        const bool view = is_view(p, i);
        if (l->late[i]) w->fate[i] |= AGAIN;
        if (w->segment[i] == w->last || (!view && l->bytes[i] <= small)) w->fate[i] |= KEPT;
        if (is_leaf(p, i) || !w->fate[i] || (w->fate[i] & KEPT && !view)) continue;
        for (uint32_t k = 0; k < n->n_args; k++) {
            const uint32_t arg = arg_at(p, n, k);
            w->fate[arg] |= w->fate[i] & KEPT || finds(w, i, arg) ? KEPT : AGAIN;
        }
    }
    for (uint32_t i = 0; i < p->n; i++)
        w->fate[i] = w->fate[i] == AGAIN && !is_leaf(p, i) ? AGAIN : 0;
}

/* ---- the new program ------------------------------------------------------------------------------- */

static bool write(struct writing *w, uint32_t i) {
    struct node n;
    if (!program_copy(w->l->p, i, w->is, w->tape, &n)) return false;
    w->is[i] = tape_append(w->tape, &n);
    if (w->is[i] == NODE_NONE) return false;
    w->stage[w->is[i]] = w->now;
    return true;
}

/* Computes a value again, after what it needs. */
static bool write_again(struct writing *w, uint32_t i) {
    const struct program *p = w->l->p;
    uint32_t n = 0;
    w->stack[n++] = (struct pending){.node = i};
    while (n > 0) {
        struct pending *top = &w->stack[n - 1];
        const struct node *node = node_at(p, top->node);
        uint32_t arg = 0;
        while (top->arg < node->n_args && w->fate[arg = arg_at(p, node, top->arg)] != AGAIN)
            top->arg++;
        if (top->arg < node->n_args) {
            w->stack[n++] = (struct pending){.node = arg};
            continue;
        }
        if (!write(w, top->node)) return false;
        w->fate[top->node] = WRITTEN;
        n--;
    }
    return true;
}

/* Computes again what is read late of a segment, as a stage of its own with those that read it. */
static bool meet(struct writing *w, uint32_t segment) {
    w->met[segment] = 1;
    w->now++;
    for (uint32_t i = w->begin[segment]; i < w->begin[segment + 1]; i++)
        if (w->fate[i] == AGAIN && !write_again(w, i)) return false;
    return true;
}

static uint32_t stage_of(const struct program *p, uint32_t i) {
    return p->stage ? p->stage[p->node[i]] : 0;
}

static bool write_all(struct writing *w) {
    const struct program *p = w->l->p;
    uint32_t was = 0;
    for (uint32_t i = 0; i < p->n; i++)
        if (is_leaf(p, i) && !write(w, i)) return false;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct node *n = node_at(p, i);
        if (i == w->l->peak + 1) w->now++;
        if (is_leaf(p, i)) continue;
        if (stage_of(p, i) != was) w->now++;
        was = stage_of(p, i);
        for (uint32_t k = 0; i > w->l->peak && k < n->n_args; k++) {
            const uint32_t arg = arg_at(p, n, k);
            if (w->fate[arg] == AGAIN && !w->met[w->segment[arg]] && !meet(w, w->segment[arg]))
                return false;
        }
        if (!write(w, i)) return false;
    }
    return true;
}

/* A program that was written, with what it stands on. */
struct draft {
    struct program p;
    struct tape tape;
    bool has_far;
};

/* Writes the program again; NULL without memory. */
static struct draft *write_cut(const struct lives *l, struct cut cut, struct arena *scratch,
                               struct error *error) {
    const struct program *p = l->p;
    const struct tape_limits limits = {UINT32_MAX - 1, INT64_MAX, INT64_MAX};
    const size_t n = (size_t)p->n + 1;
    struct draft *d = arena_alloc(scratch, sizeof *d);
    node_id *wanted = arena_alloc(scratch, ((size_t)p->n_wanted + 1) * sizeof *wanted);
    if (!d || !wanted) return NULL;
    tape_init(&d->tape, scratch, error, limits);
    d->tape.nodes = arena_alloc(scratch, 2 * n * sizeof *d->tape.nodes);
    d->tape.capacity = (uint32_t)(2 * n);
    struct writing w = {.l = l,
                        .cut = cut,
                        .segment = arena_alloc(scratch, n * sizeof *w.segment),
                        .begin = arena_alloc(scratch, ((size_t)cut.segments + 1) * sizeof *w.begin),
                        .fate = arena_zalloc(scratch, n),
                        .met = arena_zalloc(scratch, cut.segments),
                        .stack = arena_alloc(scratch, n * sizeof *w.stack),
                        .tape = &d->tape,
                        .is = arena_alloc(scratch, n * sizeof *w.is),
                        .stage = arena_alloc(scratch, 2 * n * sizeof *w.stage)};
    if (!d->tape.nodes || !w.segment || !w.begin || !w.fate || !w.met || !w.stack || !w.is ||
        !w.stage)
        return NULL;
    divide(&w);
    choose(&w);
    if (!write_all(&w)) return NULL;
    for (uint32_t i = 0; i < p->n_wanted; i++) wanted[i] = w.is[p->index[p->wanted[i]]];
    if (!program_number(&d->tape, wanted, p->n_wanted, true, scratch, &d->p)) return NULL;
    d->p.stage = w.stage;
    d->has_far = w.has_far;
    return d;
}

/* ---- the choice ------------------------------------------------------------------------------------ */

static bool fail_memory(const struct arena *scratch, struct error *error) {
    return error_set(error, ERROR_MEMORY_BUDGET,
                     "the plan needs more than the %zu bytes a request may take", scratch->ceiling);
}

/* The number of segments to try next: twice as many, or as many more as it takes for the last one, which is kept,
 * to fit. */
static uint32_t finer(const struct lives *l, uint32_t segments, size_t room) {
    do segments *= 2;
    while (segments < l->n_late && l->late_bytes / segments > room);
    return segments;
}

struct search {
    struct plan *best; /* so far; NULL after a failure */
    size_t room;
    int64_t work_most;
    struct arena *scratch;
    struct error *error;
};

static bool is_over(const struct search *s) {
    return !s->best || plan_run_bytes(s->best) <= s->room;
}

/* Places a cut that may fit, and keeps its plan where that is the best one. The excess that the cut leaves; INFINITY
 * where it works too much, or failed. What stands in tiles alone is counted as alive, which is less than half of it. */
static double place(struct search *s, const struct lives *l, struct cut cut, bool *has_far) {
    const struct arena_mark mark = arena_mark(s->scratch);
    struct lives then;
    const struct draft *d = write_cut(l, cut, s->scratch, s->error);
    const bool whole = d && look(&d->p, s->room, s->scratch, &then);
    const bool hopeless = whole && then.most / 2 > s->room;
    struct plan *plan = whole && !hopeless ? plan_place(&d->p, s->scratch, s->error) : NULL;
    if (!whole) fail_memory(s->scratch, s->error);
    *has_far = whole && d->has_far;
    arena_rewind(s->scratch, mark);
    if (hopeless) return then.excess;
    const bool cheap = plan && plan->work <= s->work_most;
    const bool better = !plan || (cheap && plan_run_bytes(plan) < plan_run_bytes(s->best));
    plan_release(better ? s->best : plan);
    if (better) s->best = plan;
    return cheap ? then.excess : INFINITY;
}

/* Tries finer and finer cuts at the peak of a program, until one fits or they gain little. The one that leaves the
 * least excess; of 0 segments: none. */
static struct cut find_cut(struct search *s, const struct lives *l) {
    double least = l->excess;
    struct cut best = {0, false};
    int worse = 0;
    for (uint32_t n = 1; n <= l->n_late && worse < WORSE_MOST; n = finer(l, n, s->room)) {
        bool has_far = true;
        worse++;
        for (int far = 0; far < 2 && has_far && !is_over(s); far++) {
            const struct cut cut = {n, far};
            const double excess = place(s, l, cut, &has_far);
            if (!(excess < least / 16 * 15)) continue;
            least = excess;
            best = cut;
            worse = 0;
        }
        if (is_over(s)) break;
    }
    return best;
}

/* Where one peak is cut and another is the highest now, that is cut too. */
struct plan *rematerialise(struct plan *plan, const struct program *p, size_t room,
                           struct arena *scratch, struct error *error) {
    struct search s = {.best = plan, .room = room, .scratch = scratch, .error = error};
    if (__builtin_add_overflow(plan->work, plan->work / 2, &s.work_most)) s.work_most = INT64_MAX;
    for (int peak = 0; peak < PEAKS_MOST && !is_over(&s); peak++) {
        struct lives l;
        struct cut cut = {0, false};
        const struct draft *d = NULL;
        bool whole = look(p, room, scratch, &l);
        if (whole) cut = find_cut(&s, &l);
        if (is_over(&s)) break;
        if (cut.segments) whole = (d = write_cut(&l, cut, scratch, error));
        if (!whole) {
            plan_release(s.best);
            s.best = NULL;
            fail_memory(scratch, error);
        }
        if (!d) break;
        p = &d->p;
    }
    return s.best;
}
