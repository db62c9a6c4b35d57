/* The recorder's program and its values: transactions, places of named things, what is kept and what
 * is freed. What tapes watch and record is in recorder_tapes.c. */
#include "core/recorder_own.h"

#include <stdlib.h>
#include <string.h>

#include "core/op.h"
#include "core/plan.h"

/* The first chunk of a program's arena; how much garbage it may hold before it is made compact. */
enum { FIRST_CHUNK = 2 << 10, GARBAGE = 64 << 10 };
/* Runs up to this size are copied out of, larger ones are kept as they are. */
enum { COPIED = 64 << 10 };

bool recorder_fail(struct recorder *r) { return tape_fail_memory(r->program, "the session"); }

struct recorder *recorder_new(struct account *account, uint64_t generation) {
    struct recorder *r = account_alloc(account, sizeof *r);
    if (!r) return NULL;
    *r = (struct recorder){.account = account, .generation = generation};
    arena_init(&r->arena, 0);
    r->arena.first = FIRST_CHUNK;
    tape_init(&r->own, &r->arena, NULL, (struct tape_limits){0});
    r->program = &r->own;
    return r;
}

/* ---- values --------------------------------------------------------------------------------------- */

static void forget_value(struct recorder *r, node_id n) {
    block_release(r->kept[n].owner);
    r->kept[n].owner = NULL;
    r->known[n] = 0;
}

static void forget_values_from(struct recorder *r, node_id first) {
    for (node_id n = first; n < r->n_kept; n++) forget_value(r, n);
    if (first < r->n_kept) r->n_kept = first;
}

void recorder_free(struct recorder *r) {
    if (!r) return;
    while (r->tapes) {
        struct recording *tape = r->tapes;
        r->tapes = tape->next;
        recorder_free_tape(r, tape);
    }
    forget_values_from(r, 0);
    account_free(r->account, r->kept, r->capacity * sizeof *r->kept);
    account_free(r->account, r->known, r->capacity);
    account_discharge(r->account, r->charged);
    arena_free(&r->arena);
    account_free(r->account, r, sizeof *r);
}

/* Room for the value of every node of the program. */
static bool fit_values(struct recorder *r) {
    const uint32_t n = r->program->count, old = r->capacity;
    if (n > old) {
        const uint32_t capacity = n < 32 ? 32 : n + n / 2;
        struct kept *kept =
            account_grow(r->account, r->kept, old * sizeof *kept, (size_t)capacity * sizeof *kept);
        if (!kept) return recorder_fail(r);
        r->kept = kept;
        uint8_t *known = account_grow(r->account, r->known, old, capacity);
        if (!known) {
            account_discharge(r->account, (size_t)(capacity - old) * sizeof *kept);
            return recorder_fail(r);
        }
        r->known = known;
        r->capacity = capacity;
    }
    if (n > r->n_kept) {
        memset(r->kept + r->n_kept, 0, (n - r->n_kept) * sizeof *r->kept);
        memset(r->known + r->n_kept, 0, n - r->n_kept);
        r->n_kept = n;
    }
    r->program->known = r->known;
    r->program->n_known = r->n_kept;
    return true;
}

static void set_value(struct recorder *r, node_id n, void *data, struct block *owner) {
    block_hold(owner);
    block_release(r->kept[n].owner);
    r->kept[n] = (struct kept){data, owner};
    r->known[n] = 1;
}

struct tensor recorder_value(const struct recorder *r, node_id n) {
    const struct tape *t = r->program;
    return (struct tensor){tape_dtype(t, n), *tape_shape(t, n), r->kept[n].data};
}

void recorder_know(struct recorder *r, node_id node, const struct held *value) {
    set_value(r, node, value->tensor.data, value->owner);
}

bool recorder_define(struct recorder *r, node_id node, const struct held *value) {
    if (!fit_values(r)) return false;
    recorder_know(r, node, value);
    return true;
}

/* ---- transactions ---------------------------------------------------------------------------------- */

void recorder_begin(struct recorder *r, struct tape *tape, size_t memory) {
    const struct account *a = r->account;
    /* Half of it: values and what tapes note take the rest. */
    const size_t left = a->limit > a->bytes ? (a->limit - a->bytes) / 2 : 0;
    r->arena.ceiling = r->arena.held + (left < memory ? left : memory);
    r->scratch = tape->arena;
    r->own.error = tape->error;
    r->own.limits = tape->limits;
    *tape = r->own;
    r->program = tape;
    r->mark = arena_mark(&r->arena);
    r->undo = NULL;
    r->n_kept_before = r->n_kept;
    r->capacity_before = r->capacity;
    for (struct recording *at = r->tapes; at; at = at->next) {
        at->before.n_seen = at->n_seen;
        at->before.capacity = at->capacity;
        at->before.n_watched = at->n_watched;
        at->before.watched_capacity = at->watched_capacity;
    }
}

bool recorder_pay(struct recorder *r) {
    for (struct recording *tape = r->tapes; tape; tape = tape->next) recorder_sort_watched(tape);
    if (!account_charge(r->account, r->arena.held - r->charged)) return recorder_fail(r);
    r->charged = r->arena.held;
    return true;
}

/* Where it became less, or little more. */
static void pay(struct recorder *r) {
    account_restate(r->account, r->charged, r->arena.held);
    r->charged = r->arena.held;
}

/* The program is what it was lent as, or what has become of it. */
static void end(struct recorder *r) {
    r->program = &r->own;
    r->own.error = NULL;
    r->own.walked = 0;
    r->own.known = r->known;
    r->own.n_known = r->n_kept;
    r->undo = NULL;
    pay(r);
}

struct undo *recorder_note(struct recorder *r) {
    struct undo *undo = arena_zalloc(r->scratch, sizeof *undo);
    if (!undo) {
        recorder_fail(r);
        return NULL;
    }
    undo->next = r->undo;
    return r->undo = undo;
}

/* The program ends before node `count`. */
static void cut(struct recorder *r, uint32_t count) {
    forget_values_from(r, count);
    for (struct recording *tape = r->tapes; tape; tape = tape->next) {
        if (tape->n_seen <= count) continue;
        memset(tape->flags + count, 0, tape->n_seen - count);
        tape->n_seen = count;
    }
}

/* The list of reads may have grown, and stands elsewhere then. */
static void restore_places(struct recorder *r, struct places *p, const struct places *before) {
    node_id *reads = account_shrink(r->account, p->reads, p->capacity * sizeof *reads,
                                    before->capacity * sizeof *reads);
    *p = *before;
    p->reads = reads;
}

static void trim_values(struct recorder *r) {
    const uint32_t n = r->capacity, less = r->capacity_before;
    forget_values_from(r, r->n_kept_before);
    r->kept = account_shrink(r->account, r->kept, n * sizeof *r->kept, less * sizeof *r->kept);
    r->known = account_shrink(r->account, r->known, n, less);
    r->capacity = less;
}

void recorder_cancel(struct recorder *r) {
    for (const struct undo *undo = r->undo; undo; undo = undo->next) {
        if (undo->places) {
            restore_places(r, undo->places, &undo->before);
        } else if (undo->tape) {
            recorder_unwatch(undo);
        } else if (undo->node < r->n_kept) {
            forget_value(r, undo->node);
        }
    }
    for (struct recording *tape = r->tapes; tape; tape = tape->next) recorder_trim_tape(r, tape);
    trim_values(r);
    arena_rewind(&r->arena, r->mark);
    end(r);
}

/* ---- places of named things ------------------------------------------------------------------------ */

static bool note_places(struct recorder *r, struct places *p) {
    struct undo *undo = recorder_note(r);
    if (!undo) return false;
    undo->places = p;
    undo->before = *p;
    return true;
}

static bool add_read(struct recorder *r, struct places *p, node_id n) {
    if (p->n_reads == p->capacity) {
        const uint32_t capacity = p->capacity ? 2 * p->capacity : 2;
        node_id *reads = account_grow(r->account, p->reads, p->capacity * sizeof *reads,
                                      capacity * sizeof *reads);
        if (!reads) return recorder_fail(r);
        p->reads = reads;
        p->capacity = capacity;
    }
    p->reads[p->n_reads++] = n;
    return true;
}

bool recorder_put(struct recorder *r, struct places *p, node_id node) {
    if (!note_places(r, p)) return false;
    if (!recorder_knows(r, p)) p->n_reads = 0;
    p->generation = r->generation;
    p->current = node;
    p->is_read = true;
    return add_read(r, p, node);
}

node_id recorder_node(struct recorder *r, struct places *p, const struct held *value) {
    if (!recorder_knows(r, p) || !p->is_read) {
        const node_id n = tape_input(r->program, value->tensor.dtype, &value->tensor.shape);
        if (n == NODE_NONE || !recorder_put(r, p, n)) return NODE_NONE;
    }
    if (!fit_values(r)) return NODE_NONE;
    if (r->known[p->current]) return p->current;
    struct undo *undo = recorder_note(r);
    if (!undo) return NODE_NONE;
    undo->node = p->current;
    set_value(r, p->current, value->tensor.data, value->owner);
    return p->current;
}

bool recorder_leave(struct recorder *r, struct places *p) {
    if (!recorder_knows(r, p) || !p->is_read || p->current >= r->own.count) return true;
    if (!note_places(r, p)) return false;
    p->is_read = false;
    return true;
}

void places_cut(const struct recorder *r, struct places *p) {
    if (!recorder_knows(r, p)) return;
    while (p->n_reads && p->reads[p->n_reads - 1] >= r->program->count) p->n_reads--;
    if (p->is_read && p->current >= r->program->count) p->is_read = false;
}

void places_free(struct account *account, struct places *p) {
    account_free(account, p->reads, p->capacity * sizeof *p->reads);
    *p = (struct places){0};
}

/* ---- keeping and freeing --------------------------------------------------------------------------- */

enum { NEEDED = 1, VALUELESS = 2 };

/* Inputs that nobody binds, and what depends on them. flags[i] is of node first + i. */
static void mark_valueless(const struct recorder *r, node_id first, const node_id *bound,
                           size_t n_bound, uint8_t *flags) {
    const struct tape *t = r->program;
    size_t at = 0;
    for (node_id id = first; id < t->count; id++) {
        const struct node *node = tape_node(t, id);
        const node_id *args = node_args(t, node);
        uint8_t *f = &flags[id - first];
        if (r->known[id]) continue;
        while (at < n_bound && bound[at] < id) at++;
        if (node->op == OP_input && !(at < n_bound && bound[at] == id)) *f |= VALUELESS;
        for (uint32_t i = 0; i < node->n_args; i++)
            if (args[i] >= first) *f |= flags[args[i] - first] & VALUELESS;
    }
}

bool recorder_needs(struct recorder *r, struct arena *scratch, node_id first, const node_id *bound,
                    size_t n_bound, node_id **nodes, size_t *n) {
    const uint32_t count = r->program->count, more = count - first;
    if (!fit_values(r)) return false;
    uint8_t *flags = arena_zalloc(scratch, more + 1);
    *nodes = arena_alloc(scratch, (more + 1) * sizeof **nodes);
    *n = 0;
    if (!flags || !*nodes) return recorder_fail(r);
    for (const struct recording *tape = r->tapes; tape; tape = tape->next)
        if (tape->is_recording) recorder_mark_needed(r, tape, first, count, flags);
    mark_valueless(r, first, bound, n_bound, flags);
    for (node_id id = first; id < count; id++)
        if (flags[id - first] == NEEDED && !r->known[id] &&
            tape_node(r->program, id)->op != OP_const)
            (*nodes)[(*n)++] = id;
    return true;
}

/* The node whose memory a result is: views share it. */
static node_id root_of(const struct recorder *r, node_id n) {
    while (!r->known[n] && op_of(tape_node(r->program, n))->flags & OP_VIEW)
        n = tape_arg(r->program, n, 0);
    return n;
}

/* Together in one block, each 16-byte aligned. */
static bool keep_copies(struct recorder *r, const node_id *nodes, size_t n, struct run *run,
                        size_t at) {
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tensor t = run_result(run, at + i);
        bytes += (tensor_bytes(&t) + 15) & ~(size_t)15;
    }
    struct block *block = block_new(r->account, bytes);
    if (!block) return recorder_fail(r);
    char *free_at = block_data(block);
    for (size_t i = 0; i < n; i++) {
        const struct tensor t = run_result(run, at + i);
        if (r->known[nodes[i]]) continue;
        if (tensor_bytes(&t)) memcpy(free_at, t.data, tensor_bytes(&t));
        set_value(r, nodes[i], free_at, block);
        free_at += (tensor_bytes(&t) + 15) & ~(size_t)15;
    }
    block_release(block);
    return true;
}

/* Results that stand outside of the run, in what the request bound, are copied all the same. */
static bool keep_run(struct recorder *r, const node_id *nodes, size_t n, struct run *run,
                     struct plan *plan, size_t at, bool *taken) {
    struct block *block = block_of_run(r->account, run, plan);
    if (!block) return recorder_fail(r);
    *taken = true;
    for (size_t i = 0; i < n; i++) {
        const struct tensor t = run_result(run, at + i);
        const node_id root = root_of(r, nodes[i]);
        struct held copy = {.owner = NULL};
        if (r->known[nodes[i]]) continue;
        if (r->known[root]) {
            set_value(r, nodes[i], t.data, r->kept[root].owner);
        } else if (tape_node(r->program, root)->op != OP_input) {
            set_value(r, nodes[i], t.data, block);
        } else {
            held_copy(r->account, &t, &copy);
            if (copy.owner) recorder_know(r, nodes[i], &copy);
            block_release(copy.owner);
            if (!copy.owner) recorder_fail(r);
        }
    }
    block_release(block);
    return tape_ok(r->program);
}

bool recorder_keep(struct recorder *r, const node_id *nodes, size_t n, struct run *run,
                   struct plan *plan, size_t at, bool *taken) {
    *taken = false;
    if (n == 0) return true;
    if (plan_run_bytes(plan) <= COPIED) return keep_copies(r, nodes, n, run, at);
    return keep_run(r, nodes, n, run, plan, at, taken);
}

static void make_compact(struct recorder *r) {
    struct arena arena;
    if (r->arena.held <= 2 * r->compact + GARBAGE) return;
    arena_init(&arena, SIZE_MAX);
    arena.first = FIRST_CHUNK;
    if (!recorder_copy_program(&r->own, &arena, &r->own)) {
        arena_free(&arena);
        return;
    }
    arena_free(&r->arena);
    r->arena = arena;
    r->own.arena = &r->arena;
    r->compact = arena.held;
    pay(r);
}

/* What was thrown away on the way goes with the transactions, so that a tape may record for ever. */
void recorder_commit(struct recorder *r) {
    r->own = *r->program;
    for (struct recording *tape = r->tapes; tape; tape = tape->next) {
        if (tape->is_recording || tape->n_seen != tape->before.n_seen)
            recorder_forget_question(r, tape);
        if (tape->n_watched == tape->before.n_watched) continue;
        for (uint32_t i = 0; i < tape->n_watched; i++) tape->watched[i].is_new = false;
    }
    end(r);
    make_compact(r);
}

/* The end of what any tape has looked at. */
static uint32_t seen_by_any(const struct recorder *r) {
    uint32_t end = 0;
    for (const struct recording *t = r->tapes; t; t = t->next) {
        if (t->n_seen > end) end = t->n_seen;
        for (uint32_t i = 0; i < t->n_watched; i++)
            if (t->watched[i].tangent != NODE_NONE && t->watched[i].tangent >= end)
                end = t->watched[i].tangent + 1;
    }
    return end;
}

/* The program's arguments end with those of its last node that has many. */
static uint32_t pool_of(const struct tape *t) {
    for (uint32_t id = t->count; id-- > 0;) {
        const struct node *node = tape_node(t, id);
        if (node->n_args > NODE_INLINE_ARGS) return node->arg[0] + node->n_args;
    }
    return 0;
}

void recorder_shorten(struct recorder *r) {
    const uint32_t end = seen_by_any(r);
    cut(r, end);
    r->own.count = end;
    r->own.n_pool = pool_of(&r->own);
    r->own.n_known = r->n_kept;
    uint8_t *needed = calloc(end + 1, 1);
    for (struct recording *t = r->tapes; t; t = t->next) {
        if (t->begin > end) t->begin = end;
        if (needed) recorder_mark_needed(r, t, 0, end, needed);
    }
    for (node_id n = 0; needed && n < r->n_kept; n++)
        if (!needed[n] && r->known[n]) forget_value(r, n);
    free(needed);
    make_compact(r);
}
