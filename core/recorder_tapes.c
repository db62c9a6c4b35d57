/* The tapes of a recorder: what each watches and has recorded. The rule by which an op is recorded is
 * tape_record's, tangents are tape_tangents'. */
#include "core/recorder_own.h"

#include <stdlib.h>
#include <string.h>

#include "core/op.h"

struct recording *recorder_open(struct recorder *r, uint64_t number) {
    struct recording *tape = account_alloc(r->account, sizeof *tape), **at = &r->tapes;
    if (!tape) return NULL;
    *tape = (struct recording){.number = number, .is_recording = true, .begin = r->program->count};
    while (*at) at = &(*at)->next;
    *at = tape;
    r->n_tapes++;
    return tape;
}

struct recording *recorder_find(const struct recorder *r, uint64_t number) {
    struct recording *tape = r ? r->tapes : NULL;
    while (tape && tape->number != number) tape = tape->next;
    return tape;
}

bool recorder_is_recording(const struct recorder *r) {
    for (const struct recording *tape = r ? r->tapes : NULL; tape; tape = tape->next)
        if (tape->is_recording) return true;
    return false;
}

void recorder_forget_question(struct recorder *r, struct recording *tape) {
    if (tape->question) tape->forget(r->account, tape->question);
    tape->question = NULL;
}

static void forget_all(struct recorder *r, struct recording *tape) {
    recorder_forget_question(r, tape);
    account_free(r->account, tape->flags, tape->capacity);
    account_free(r->account, tape->tangent,
                 tape->tangent ? tape->capacity * sizeof *tape->tangent : 0);
    account_free(r->account, tape->watched, tape->watched_capacity * sizeof *tape->watched);
    tape->flags = NULL;
    tape->tangent = NULL;
    tape->watched = NULL;
    tape->n_seen = tape->capacity = tape->n_watched = tape->n_sorted = tape->watched_capacity = 0;
}

void recorder_free_tape(struct recorder *r, struct recording *tape) {
    forget_all(r, tape);
    account_free(r->account, tape, sizeof *tape);
    r->n_tapes--;
}

void recorder_close(struct recorder *r, struct recording *tape) {
    struct recording **at = &r->tapes;
    while (*at != tape) at = &(*at)->next;
    *at = tape->next;
    recorder_free_tape(r, tape);
}

void recorder_drop(struct recorder *r, struct recording *tape) {
    recorder_close(r, tape);
    if (r->tapes) recorder_shorten(r); /* else whoever dropped it frees the recorder now */
}

void recorder_reset(struct recorder *r, struct recording *tape) {
    forget_all(r, tape);
    recorder_shorten(r);
    tape->begin = r->program->count;
}

void recorder_trim_tape(struct recorder *r, struct recording *tape) {
    const uint32_t n = tape->capacity, less = tape->before.capacity;
    struct account *a = r->account;
    tape->n_seen = tape->before.n_seen;
    tape->flags = account_shrink(a, tape->flags, n, less);
    if (tape->is_forward)
        tape->tangent = account_shrink(a, tape->tangent, n * sizeof *tape->tangent,
                                       less * sizeof *tape->tangent);
    tape->capacity = less;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < tape->n_watched && kept < tape->before.n_watched; i++)
        if (!tape->watched[i].is_new) tape->watched[kept++] = tape->watched[i];
    tape->n_watched = tape->n_sorted = kept;
    tape->watched = account_shrink(a, tape->watched, tape->watched_capacity * sizeof *tape->watched,
                                   tape->before.watched_capacity * sizeof *tape->watched);
    tape->watched_capacity = tape->before.watched_capacity;
}

bool recorder_fit_tape(struct recorder *r, struct recording *tape) {
    const uint32_t n = r->program->count, old = tape->capacity;
    if (n > old) {
        const uint32_t capacity = n < 32 ? 32 : n + n / 2;
        uint8_t *flags = account_grow(r->account, tape->flags, old, capacity);
        if (!flags) return recorder_fail(r);
        tape->flags = flags;
        if (tape->is_forward) {
            node_id *tangent = account_grow(r->account, tape->tangent, old * sizeof *tangent,
                                            (size_t)capacity * sizeof *tangent);
            if (!tangent) {
                account_discharge(r->account, capacity - old);
                return recorder_fail(r);
            }
            tape->tangent = tangent;
        }
        tape->capacity = capacity;
    }
    if (n > tape->n_seen) {
        const uint32_t more = n - tape->n_seen;
        memset(tape->flags + tape->n_seen, 0, more);
        if (tape->is_forward)
            memset(tape->tangent + tape->n_seen, 0xFF, more * sizeof *tape->tangent);
        tape->n_seen = n;
    }
    return true;
}

bool recorder_copy_tapes(const struct recorder *r, struct recorder *copy) {
    for (const struct recording *from = r->tapes; from; from = from->next) {
        struct recording *to = recorder_open(copy, from->number);
        if (!to) return false;
        to->persistent = from->persistent;
        to->watches_variables = from->watches_variables;
        to->is_forward = from->is_forward;
        to->is_recording = from->is_recording;
        to->begin = from->begin;
        if (from->n_watched) {
            const size_t size = from->n_watched * sizeof *to->watched;
            to->watched = account_alloc(copy->account, size);
            if (!to->watched) return false;
            memcpy(to->watched, from->watched, size);
            to->n_watched = to->n_sorted = to->watched_capacity = from->n_watched;
        }
        if (!from->n_seen) continue;
        if (!recorder_fit_tape(copy, to)) return false;
        to->n_seen = from->n_seen;
        memcpy(to->flags, from->flags, from->n_seen);
        if (to->is_forward) memcpy(to->tangent, from->tangent, from->n_seen * sizeof *to->tangent);
    }
    return true;
}

/* ---- watching ------------------------------------------------------------------------------------- */

/* Entries behind those in order: so many are looked through one by one. */
enum { UNSORTED_MOST = 256 };

/* The first entry of a variable that is not older, among those in order. */
static uint32_t place_of(const struct recording *tape, uint64_t variable) {
    uint32_t low = 0, high = tape->n_sorted;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (tape->watched[middle].variable < variable)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct watched *find_watched(const struct recording *tape, uint64_t variable) {
    const uint32_t at = place_of(tape, variable);
    if (at < tape->n_sorted && tape->watched[at].variable == variable) return &tape->watched[at];
    for (uint32_t i = tape->n_sorted; i < tape->n_watched; i++)
        if (tape->watched[i].variable == variable) return &tape->watched[i];
    return NULL;
}

static int compare_watched(const void *a, const void *b) {
    const struct watched *x = a, *y = b;
    return x->variable < y->variable ? -1 : x->variable > y->variable;
}

/* The few at the end are merged into the others from behind. */
void recorder_sort_watched(struct recording *tape) {
    struct watched few[UNSORTED_MOST], *w = tape->watched;
    const uint32_t n = tape->n_watched - tape->n_sorted;
    if (!n) return;
    memcpy(few, w + tape->n_sorted, n * sizeof *w);
    qsort(few, n, sizeof *few, compare_watched);
    uint32_t left = tape->n_sorted, from = n, to = tape->n_watched;
    while (from)
        w[--to] = left && w[left - 1].variable > few[from - 1].variable ? w[--left] : few[--from];
    tape->n_sorted = tape->n_watched;
}

static bool list(struct recorder *r, struct recording *tape, uint64_t variable, node_id tangent) {
    if (find_watched(tape, variable)) return true;
    if (tape->n_watched == tape->watched_capacity) {
        const uint32_t old = tape->watched_capacity, capacity = old ? 2 * old : 2;
        struct watched *grown =
            account_grow(r->account, tape->watched, old * sizeof *grown, capacity * sizeof *grown);
        if (!grown) return recorder_fail(r);
        tape->watched = grown;
        tape->watched_capacity = capacity;
    }
    const uint32_t n = tape->n_watched++;
    tape->watched[n] = (struct watched){variable, tangent, true};
    if (tape->n_sorted == n && (!n || tape->watched[n - 1].variable < variable)) tape->n_sorted++;
    if (tape->n_watched - tape->n_sorted == UNSORTED_MOST) recorder_sort_watched(tape);
    return true;
}

static bool is_marked(const struct recording *tape, node_id node) {
    if (node >= tape->n_seen) return false;
    return tape->is_forward ? tape->tangent[node] != NODE_NONE : tape->flags[node] & TAPE_ON;
}

/* Puts a node on the tape, or gives it a tangent. */
static bool mark(struct recorder *r, struct recording *tape, node_id node, node_id tangent) {
    if (!recorder_fit_tape(r, tape)) return false;
    if (is_marked(tape, node)) return true;
    struct undo *undo = recorder_note(r);
    if (!undo) return false;
    *undo =
        (struct undo){.next = undo->next, .tape = tape, .node = node, .flags = tape->flags[node]};
    tape->flags[node] |= TAPE_ON;
    if (tape->is_forward) tape->tangent[node] = tangent;
    return true;
}

void recorder_unwatch(const struct undo *undo) {
    struct recording *tape = undo->tape;
    if (undo->node >= tape->n_seen) return;
    tape->flags[undo->node] = undo->flags;
    if (tape->is_forward) tape->tangent[undo->node] = NODE_NONE;
}

bool recorder_watch(struct recorder *r, struct recording *tape, node_id node) {
    return mark(r, tape, node, NODE_NONE);
}

bool recorder_push(struct recorder *r, struct recording *tape, node_id primal, node_id tangent) {
    return mark(r, tape, primal, tangent);
}

/* TensorFlow's tape sees what is read after the watch: a read that an op has used is none of it. */
bool recorder_push_variable(struct recorder *r, struct recording *tape, uint64_t variable,
                            struct places *places, node_id tangent) {
    if (!list(r, tape, variable, tangent)) return false;
    if (!recorder_knows(r, places) || !places->is_read) return true;
    return places->current < r->own.count ? recorder_leave(r, places)
                                          : mark(r, tape, places->current, tangent);
}

node_id recorder_tangent(const struct recording *tape, uint64_t variable) {
    const struct watched *watched = find_watched(tape, variable);
    return watched ? watched->tangent : NODE_NONE;
}

bool recorder_watch_variable(struct recorder *r, struct recording *tape, uint64_t variable,
                             struct places *places) {
    return recorder_push_variable(r, tape, variable, places, NODE_NONE);
}

/* Whether a tape looks at reads of the variable. */
static bool looks(const struct recording *tape, uint64_t variable, bool trainable) {
    return tape->is_recording && (find_watched(tape, variable) ||
                                  (!tape->is_forward && trainable && tape->watches_variables));
}

/* All tapes that look at it have seen the present read; else it is read once more. */
static bool read_for_all(struct recorder *r, struct places *places, uint64_t variable,
                         bool trainable) {
    if (!recorder_knows(r, places) || !places->is_read) return true;
    for (const struct recording *tape = r->tapes; tape; tape = tape->next)
        if (looks(tape, variable, trainable) && !is_marked(tape, places->current))
            return recorder_leave(r, places);
    return true;
}

node_id recorder_read(struct recorder *r, struct places *places, const struct held *value,
                      uint64_t variable, bool trainable) {
    if (!read_for_all(r, places, variable, trainable)) return NODE_NONE;
    const node_id node = recorder_node(r, places, value);
    if (node == NODE_NONE) return NODE_NONE;
    for (struct recording *tape = r->tapes; tape; tape = tape->next) {
        if (!looks(tape, variable, trainable)) continue;
        const struct watched *watched = find_watched(tape, variable);
        const node_id tangent = watched ? watched->tangent : NODE_NONE;
        if (!list(r, tape, variable, NODE_NONE) || !mark(r, tape, node, tangent)) return NODE_NONE;
    }
    return node;
}

/* ---- recording ------------------------------------------------------------------------------------- */

static bool record(struct recorder *r, struct recording *tape, node_id first) {
    if (!recorder_fit_tape(r, tape)) return false;
    tape_record(r->program, first, tape->flags);
    if (!tape->is_forward) return true;
    /* It looks no further than here: tangents have no tangents in their own accumulator. */
    return tape_tangents(r->program, first, tape->n_seen, tape->tangent) &&
           recorder_fit_tape(r, tape);
}

/* From the newest to the oldest; the list is the other way round. */
static bool record_from(struct recorder *r, struct recording *tape, node_id first) {
    if (!tape) return true;
    if (!record_from(r, tape->next, first)) return false;
    return !tape->is_recording || record(r, tape, first);
}

bool recorder_record(struct recorder *r, node_id first) { return record_from(r, r->tapes, first); }

struct window recorder_window(const struct recorder *r, const struct recording *tape) {
    return (struct window){.begin = r->program->count,
                           .end = r->program->count,
                           .seen = tape->flags,
                           .n_seen = tape->n_seen};
}

void recorder_mark_needed(const struct recorder *r, const struct recording *tape, node_id first,
                          uint32_t n, uint8_t *needed) {
    const uint32_t end = tape->n_seen < n ? tape->n_seen : n;
    for (node_id id = first; id < end; id++) {
        if (tape->is_forward) {
            const node_id tangent = tape->tangent[id];
            if (tangent < n && tangent >= first) needed[tangent - first] = 1;
            continue;
        }
        if (!(tape->flags[id] & TAPE_RECORDED)) continue;
        const struct node *node = tape_node(r->program, id);
        const node_id *args = node_args(r->program, node);
        needed[id - first] = 1;
        for (uint32_t i = 0; i < node->n_args; i++)
            if (args[i] >= first) needed[args[i] - first] = 1;
    }
    for (uint32_t i = 0; i < tape->n_watched; i++) {
        const node_id tangent = tape->watched[i].tangent;
        if (tangent < n && tangent >= first) needed[tangent - first] = 1;
    }
}

void recorder_measure(const struct recorder *r, const struct recording *tape, uint32_t *nodes,
                      size_t *bytes) {
    *nodes = tape->n_seen > tape->begin ? tape->n_seen - tape->begin : 0;
    *bytes = 0;
    for (node_id id = 0; id < tape->n_seen; id++) {
        if (!(tape->flags[id] & TAPE_RECORDED) || !recorder_is_known(r, id)) continue;
        const struct tensor t = recorder_value(r, id);
        *bytes += tensor_bytes(&t);
    }
}
