/* What a session ought to be: items, eager tensors, and tapes as tf_semantics has them, as plainly as
 * can be said. It knows nothing of HTTP, and of gradd's ways of doing the same nothing either. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "model.h"

const char *const dtype_names[] = {[F32] = "float32", [F64] = "float64", [I32] = "int32"};
const char *const kind_names[] = {
    [VARIABLE] = "variable", [CONSTANT] = "constant", [TENSOR] = "tensor"};
const char *const kind_paths[] = {
    [VARIABLE] = "variables", [CONSTANT] = "constants", [TENSOR] = "tensors"};

static uint64_t new_id(void) {
    static atomic_uint_least64_t last;
    return atomic_fetch_add(&last, 1) + 1;
}

/* ---- items ---- */

struct item *session_find(struct session *s, const char *name) {
    for (int i = 0; i < s->n_items; i++)
        if (strcmp(s->items[i].name, name) == 0) return &s->items[i];
    return NULL;
}

struct item *session_add(struct session *s, const char *name, enum kind kind) {
    struct item *item = &s->items[s->n_items++];
    *item = (struct item){.kind = kind, .id = new_id(), .handle = new_id(), .node = NONE};
    snprintf(item->name, sizeof item->name, "%s", name);
    return item;
}

void session_remove(struct session *s, struct item *item) {
    const struct item *end = s->items + s->n_items--;
    memmove(item, item + 1, (size_t)((const char *)end - (const char *)(item + 1)));
}

void session_assign(struct item *item, const struct value *value) {
    if (item->value.dtype != value->dtype || item->value.length != value->length) {
        item->handle = new_id();
        item->has_momentum = false;
    }
    item->value = *value;
}

void item_changed(struct item *item, const char *etag) {
    if (item->etag[0]) snprintf(item->stale, sizeof item->stale, "%s", item->etag);
    snprintf(item->etag, sizeof item->etag, "%s", etag);
}

void session_name(struct session *s, const char *name, enum kind kind, int node) {
    struct item *item = session_find(s, name);
    if (!item) item = session_add(s, name, kind);
    item->node = node;
    item_changed(item, "");
}

const struct value *session_value(const struct session *s, const struct item *item) {
    if (item->kind == VARIABLE) return &item->value;
    return item->node == NONE ? NULL : &s->nodes[item->node].value;
}

/* ---- tensors ---- */

struct mark session_mark(const struct session *s) {
    struct mark mark = {.n_nodes = s->n_nodes};
    for (int i = 0; i < s->n_tapes; i++) mark.n_watched[i] = s->tapes[i].n_watched;
    return mark;
}

void session_rewind(struct session *s, const struct mark *mark) {
    s->n_nodes = mark->n_nodes;
    s->too_large = false;
    for (int i = 0; i < s->n_tapes; i++) s->tapes[i].n_watched = mark->n_watched[i];
}

/* Products of two such numbers are exact in float32, and in int32 too. */
static bool is_exact(const struct value *v) {
    for (int i = 0; i < (v->length ? v->length : 1); i++)
        if (fabs(v->at[i]) > 4096) return false;
    return true;
}

static int append(struct session *s, const struct node *node) {
    if (s->n_nodes == NODES || !is_exact(&node->value)) s->too_large = true;
    if (s->n_nodes == NODES) return NODES - 1;
    s->nodes[s->n_nodes] = *node;
    for (int i = 0; i < s->n_tapes; i++) s->tapes[i].flags[s->n_nodes] = 0;
    return s->n_nodes++;
}

int session_leaf(struct session *s, const struct value *value) {
    return append(s, &(struct node){.op = LEAF, .a = NONE, .b = NONE, .value = *value});
}

static double compute(enum op op, double x, double y) {
    switch (op) {
    case ADD:
        return x + y;
    case SUB:
        return x - y;
    case MUL:
        return x * y;
    case NEG:
        return -x;
    case SQUARE:
        return x * x;
    default:
        return x;
    }
}

static struct value evaluate(const struct session *s, enum op op, int a, int b) {
    const struct value *x = &s->nodes[a].value,
                       *y = b == NONE || op == SPREAD ? x : &s->nodes[b].value;
    struct value out = {.dtype = x->dtype, .length = x->length > y->length ? x->length : y->length};
    if (op == SPREAD) out.length = b;
    for (int i = 0; i < (out.length ? out.length : 1); i++)
        out.at[i] = compute(op, x->at[x->length ? i : 0], y->at[y->length ? i : 0]);
    if (op != SUM) return out;
    struct value sum = {.dtype = x->dtype};
    for (int i = 0; i < x->length; i++) sum.at[0] += x->at[i];
    return sum;
}

/* An op is recorded where an argument is on the tape and of a floating dtype. */
int session_op(struct session *s, enum op op, int a, int b) {
    const struct node node = {.op = op, .a = a, .b = b, .value = evaluate(s, op, a, b)};
    const int n = append(s, &node);
    for (int i = 0; i < s->n_tapes; i++) {
        struct tape *tape = &s->tapes[i];
        const bool on = tape->flags[a] & ON || (op < NEG && tape->flags[b] & ON);
        if (tape->recording && on && op != STOP && node.value.dtype != I32)
            tape->flags[n] = ON | RECORDED;
    }
    return n;
}

int session_use(struct session *s, const struct item *item) {
    if (item->kind != VARIABLE) return item->node;
    const int n = append(
        s, &(struct node){
               .op = READ, .a = NONE, .b = NONE, .handle = item->handle, .value = item->value});
    for (int i = 0; i < s->n_tapes; i++) {
        struct tape *tape = &s->tapes[i];
        if (!tape->recording) continue;
        if (item->trainable && tape->watches) tape_watch(tape, item);
        if (tape_watches(tape, item)) tape->flags[n] = ON;
    }
    return n;
}

/* ---- tapes ---- */

struct tape *session_tape(struct session *s, int number) {
    for (int i = 0; i < s->n_tapes; i++)
        if (s->tapes[i].number == number) return &s->tapes[i];
    return NULL;
}

struct tape *session_open_tape(struct session *s) {
    struct tape *tape = &s->tapes[s->n_tapes++];
    memset(tape, 0, sizeof *tape);
    tape->number = ++s->last_tape;
    tape->recording = true;
    s->states[tape->number] = LIVE;
    return tape;
}

void session_end_tape(struct session *s, struct tape *tape, enum state state) {
    const struct tape *end = s->tapes + s->n_tapes--;
    s->states[tape->number] = (unsigned char)state;
    memmove(tape, tape + 1, (size_t)((const char *)end - (const char *)(tape + 1)));
}

void session_reset_tape(struct session *s, struct tape *tape) {
    memset(tape->flags, 0, (size_t)s->n_nodes);
    tape->n_watched = 0;
}

bool tape_watches(const struct tape *tape, const struct item *item) {
    for (int i = 0; i < tape->n_watched; i++)
        if (tape->watched[i] == item->id) return true;
    return false;
}

void tape_watch(struct tape *tape, const struct item *item) {
    if (item->kind != VARIABLE) {
        tape->flags[item->node] |= ON;
    } else if (!tape_watches(tape, item) && tape->n_watched < WATCHED) {
        tape->watched[tape->n_watched++] = item->id;
    }
}

/* ---- gradients ---- */

static void give(struct session *s, const struct tape *tape, int *adjoint, int x, int g) {
    if (!(tape->flags[x] & ON) || s->nodes[x].value.dtype == I32) return;
    if (s->nodes[g].value.length > s->nodes[x].value.length) g = session_op(s, SUM, g, NONE);
    adjoint[x] = adjoint[x] == NONE ? g : session_op(s, ADD, adjoint[x], g);
}

static void go_back(struct session *s, const struct tape *tape, int *adjoint, int n) {
    const int g = adjoint[n];
    const struct node y = s->nodes[n];
    const struct value two = {.dtype = y.value.dtype, .at = {2}};
    switch (y.op) {
    case ADD:
    case SUB:
        give(s, tape, adjoint, y.a, g);
        give(s, tape, adjoint, y.b, y.op == ADD ? g : session_op(s, NEG, g, NONE));
        break;
    case MUL:
        give(s, tape, adjoint, y.a, session_op(s, MUL, g, y.b));
        give(s, tape, adjoint, y.b, session_op(s, MUL, g, y.a));
        break;
    case NEG:
        give(s, tape, adjoint, y.a, session_op(s, NEG, g, NONE));
        break;
    case SQUARE:
        give(s, tape, adjoint, y.a,
             session_op(s, MUL, g, session_op(s, MUL, y.a, session_leaf(s, &two))));
        break;
    case SUM:
        give(s, tape, adjoint, y.a, session_op(s, SPREAD, g, s->nodes[y.a].value.length));
        break;
    case SPREAD:
        give(s, tape, adjoint, y.a, g); /* which sums it */
        break;
    case LEAF:
    case READ:
    case STOP:
        break;
    }
}

static int ones(struct session *s, const struct value *like) {
    struct value v = *like;
    for (int i = 0; i < VECTOR; i++) v.at[i] = 1;
    return session_leaf(s, &v);
}

static void collect(struct session *s, int *sum, int g) {
    if (g != NONE) *sum = *sum == NONE ? g : session_op(s, ADD, *sum, g);
}

void session_gradient(struct session *s, struct tape *tape, struct item *const *targets,
                      int n_targets, struct item *const *sources, int n_sources, int *gradients) {
    const int count = s->n_nodes;
    int adjoint[NODES];
    for (int n = 0; n < NODES; n++) adjoint[n] = NONE;
    for (int i = 0; i < n_targets; i++) {
        if (targets[i]->kind == VARIABLE) continue;
        const int n = targets[i]->node;
        collect(s, &adjoint[n], ones(s, &s->nodes[n].value));
    }
    for (int n = count; n-- > 0 && !s->too_large;)
        if (adjoint[n] != NONE && tape->flags[n] & RECORDED) go_back(s, tape, adjoint, n);
    for (int i = 0; i < n_sources; i++) {
        const struct item *x = sources[i];
        gradients[i] = x->kind == VARIABLE ? NONE : adjoint[x->node];
        if (x->kind != VARIABLE) continue;
        for (int k = 0; k < n_targets; k++)
            if (targets[k] == x) collect(s, &gradients[i], ones(s, &x->value));
        for (int n = 0; n < count; n++)
            if (s->nodes[n].op == READ && s->nodes[n].handle == x->handle)
                collect(s, &gradients[i], adjoint[n]);
    }
}
