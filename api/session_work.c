/* A request on a session: names, transaction, results. What the request asks is its route's file. */
#include "api/session_work.h"

#include <stdio.h>
#include <string.h>

#include "api/place.h"
#include "api/session_journal.h"

static bool read_item(struct builder *b, struct name *name);

bool session_begin(struct oneshot *o, struct session_work *w, const struct service_call *call,
                   enum request_route route, struct error *error) {
    *w = (struct session_work){.session = call->session};
    const bool read = oneshot_read(o, call, route, error);
    o->work = w;
    w->bound_arena = &o->arena;
    if (!read) return false;
    if (!o->request.dtype) o->b.dtype = o->request.default_dtype = w->session->dtype;
    return true;
}

/* Nodes that the program may have: the session's limit, or what this request may add. */
static uint32_t most_nodes(const struct oneshot *o, const struct recorder *r) {
    const int64_t all = o->call->limits->max_session_nodes,
                  more = r->program->count + o->call->limits->max_nodes;
    const int64_t most = all < more ? all : more;
    return most < UINT32_MAX ? (uint32_t)most : UINT32_MAX - 1;
}

void session_lend(struct oneshot *o) {
    struct session_work *w = o->work;
    struct recorder *r = w->session->recorder;
    o->b.tape.limits.nodes = most_nodes(o, r);
    recorder_begin(r, &o->b.tape, (size_t)o->call->limits->max_request_bytes);
    o->b.begin = o->b.tape.count;
    w->on_program = true;
}

bool session_names(struct oneshot *o) {
    static const uint32_t places[] = {[ITEM_VARIABLE] = PLACE_VARIABLE,
                                      [ITEM_CONSTANT] = PLACE_CONSTANT,
                                      [ITEM_TENSOR] = PLACE_TENSOR};
    struct session_work *w = o->work;
    const struct items *items = &w->session->items;
    bool added;
    o->b.read = read_item;
    o->b.reader = o;
    w->n_items = 0;
    w->items = arena_alloc(&o->arena, (items->n + 1) * sizeof *w->items);
    w->entered = arena_zalloc(&o->arena, items->n + 1);
    if (!w->items || !w->entered) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < items->n; i++) {
        struct item *item = items->list[i];
        if (!item) continue;
        struct name *name = names_add(&o->b.names, item->name, item->length, &added);
        if (!name) return build_fail_memory(&o->b);
        name->place = places[item->kind];
        name->value = value_node(NODE_NONE);
        w->items[w->n_items++] = item;
    }
    return true;
}

static bool read_item(struct builder *b, struct name *name) {
    struct oneshot *o = b->reader;
    struct session_work *w = o->work;
    struct item *item = w->items[name - b->names.list];
    node_id node = NODE_NONE;
    const struct recorder *r = w->session->recorder;
    if (!item->value.owner) {
        name->value = (struct value){.kind = VALUE_MISSING};
        return true;
    }
    if (w->on_program && !(recorder_knows(r, &item->places) && item->places.is_read))
        w->entered[name - b->names.list] = true;
    if (!w->on_program) {
        if (!oneshot_keep_late(o, &item->value.tensor, &node)) return false;
    } else if (w->executes && item->kind == ITEM_VARIABLE) {
        node = recorder_read(w->session->recorder, &item->places, &item->value, item->id,
                             item->trainable);
    } else {
        node = recorder_node(w->session->recorder, &item->places, &item->value);
    }
    name->value = value_node(node);
    return node != NODE_NONE;
}

struct item **session_items_of(struct oneshot *o) {
    const struct session_work *w = o->work;
    struct item **of = arena_zalloc(&o->arena, (o->b.tape.count + 1) * sizeof *of);
    if (!of) build_fail_memory(&o->b);
    for (uint32_t i = w->n_items; of && i-- > 0;) {
        const struct value *v = &o->b.names.list[i].value;
        if (v->kind == VALUE_NODE && v->node != NODE_NONE) of[v->node] = w->items[i];
    }
    return of;
}

bool session_knows(const struct oneshot *o, node_id node) {
    return o->work->on_program && recorder_is_known(o->work->session->recorder, node);
}

const struct tensor *session_bound(const struct oneshot *o, node_id node) {
    struct session_work *w = o->work;
    struct tensor *t = arena_alloc(w->bound_arena, sizeof *t);
    if (t) *t = recorder_value(w->session->recorder, node);
    return t;
}

/* ---- results -------------------------------------------------------------------------------------- */

bool session_name(struct oneshot *o, const char *name, node_id node) {
    struct session_work *w = o->work;
    struct item *item = session_find(w->session, name, strlen(name));
    bool added;
    if (item && item->kind != ITEM_TENSOR) {
        return error_set(o->error, ERROR_DUPLICATE_NAME, "\"%.80s\" is a %s and cannot be assigned",
                         name, item->kind == ITEM_VARIABLE ? "variable" : "constant");
    }
    if (!names_add(&w->named, name, strlen(name), &added)) return build_fail_memory(&o->b);
    if (!added) return error_set(o->error, ERROR_DUPLICATE_NAME, "\"%.80s\" is given twice", name);
    w->results[w->n_results++] = (struct result){.name = name, .node = node, .item = item};
    return true;
}

/* Settles a named value, so that it has a node: NODE_NONE for None; false where it is no tensor. */
static bool node_of(struct oneshot *o, const struct name *name, node_id *node, bool *is_tensor) {
    struct value v;
    *node = NODE_NONE;
    if (!build_settle(&o->b, &name->value, true, &v)) return false;
    *is_tensor = v.kind == VALUE_NODE || v.kind == VALUE_MISSING;
    if (v.kind == VALUE_NODE) *node = v.node;
    return *is_tensor ||
           oneshot_warn(o, "not_kept", "/graph",
                        "\"%.80s\" is %s, and a session keeps tensors; give its parts names",
                        name->text, value_kind_name(&v));
}

bool session_collect(struct oneshot *o) {
    struct session_work *w = o->work;
    uint32_t most = 0;
    for (uint32_t i = 0; i < o->b.names.n; i++) most += o->b.names.list[i].place < PLACE_TENSOR;
    w->results = arena_alloc(&o->arena, (most + 1) * sizeof *w->results);
    if (!w->results) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < o->b.names.n; i++) {
        const struct name *name = &o->b.names.list[i];
        struct item *item = i < w->n_items ? w->items[i] : NULL;
        node_id node;
        bool is_tensor;
        if (name->place >= PLACE_TENSOR) continue;
        if (!node_of(o, name, &node, &is_tensor)) return false;
        if (is_tensor)
            w->results[w->n_results++] =
                (struct result){.name = name->text, .node = node, .item = item};
    }
    o->graph_end = o->b.tape.count;
    return true;
}

bool session_extra(struct oneshot *o, struct extra *extra) {
    struct session_work *w = o->work;
    node_id *named = arena_alloc(&o->arena, (w->n_results + 1) * sizeof *named);
    if (!named) return build_fail_memory(&o->b);
    extra->n = 0;
    for (size_t i = 0; i < w->n_results; i++)
        if (w->results[i].node != NODE_NONE) named[extra->n++] = w->results[i].node;
    extra->nodes = named;
    if (!w->on_program || w->scratch) return true;
    node_id *late = arena_alloc(&o->arena, (o->n_late + 1) * sizeof *late);
    if (!late) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < o->n_late; i++) late[i] = o->late[i].node;
    if (!recorder_needs(w->session->recorder, &o->arena, o->b.begin, late, o->n_late, &w->needed,
                        &w->n_needed))
        return false;
    extra->nodes = arena_alloc(&o->arena, (extra->n + w->n_needed + 1) * sizeof *named);
    if (!extra->nodes) return build_fail_memory(&o->b);
    if (extra->n) memcpy(extra->nodes, named, extra->n * sizeof *named);
    for (size_t i = 0; i < w->n_needed; i++) extra->nodes[extra->n++] = w->needed[i];
    return true;
}

static bool fail_session(struct oneshot *o) {
    return session_fail_memory(o->work->session, o->error);
}

/* Copies the results' values, and takes the names that are new. */
static bool keep_results(struct oneshot *o, struct run *run, size_t *at) {
    struct session_work *w = o->work;
    for (size_t i = 0; i < w->n_results; i++) {
        struct result *result = &w->results[i];
        if (result->node != NODE_NONE) {
            const struct tensor t = run_result(run, (*at)++);
            held_copy(&w->session->account, &t, &result->value);
            if (!result->value.owner) return fail_session(o);
        }
        if (result->item) continue;
        const struct held none = {.owner = NULL};
        result->item = session_add_held(w->session, result->name, strlen(result->name), ITEM_TENSOR,
                                        false, none);
        if (!result->item) return fail_session(o);
        result->is_new = true;
    }
    return true;
}

bool session_keep(struct oneshot *o, struct run *run, struct plan *plan, size_t at, bool *taken) {
    struct session_work *w = o->work;
    struct recorder *r = w->session->recorder;
    *taken = false;
    if (!keep_results(o, run, &at)) return false;
    if (!w->on_program || w->scratch) return true;
    for (size_t i = 0; i < w->n_results; i++) {
        struct result *result = &w->results[i];
        if (result->node == NODE_NONE) continue;
        if (!recorder_put(r, &result->item->places, result->node)) return false;
        if (!recorder_is_known(r, result->node)) recorder_know(r, result->node, &result->value);
    }
    return recorder_keep(r, w->needed, w->n_needed, run, plan, at, taken) && recorder_pay(r);
}

void session_commit(struct oneshot *o) {
    struct session_work *w = o->work;
    struct session *s = w->session;
    const bool recorded = w->on_program && !w->scratch;
    if (recorded) {
        recorder_commit(s->recorder);
        w->on_program = false;
        if (w->entry) journal_link(s, w->entry);
        w->entry = NULL;
    }
    for (size_t i = 0; i < w->n_results; i++) {
        struct result *result = &w->results[i];
        session_set_held(s, result->item, result->value);
        /* session_keep has put it there; a new value outside of the program stands nowhere. */
        result->item->places.is_read = recorded && result->node != NODE_NONE;
        result->value.owner = NULL;
        result->is_new = false;
    }
    w->n_results = 0;
}

void session_discard(struct oneshot *o) {
    recorder_cancel(o->work->session->recorder);
    o->work->on_program = false;
}

void session_settle(struct session *s) {
    struct recorder *r = s->recorder;
    if (!r) return;
    for (uint32_t i = 0; i < s->items.n; i++) {
        struct item *item = s->items.list[i];
        if (!item) continue;
        if (r->tapes)
            places_cut(r, &item->places);
        else
            places_free(&s->account, &item->places);
    }
    if (r->tapes) return;
    journal_free(s);
    recorder_free(r);
    s->recorder = NULL;
}

/* The session's own limit is named as such, whichever of the two was met. */
static void name_limit(struct oneshot *o) {
    const struct session_work *w = o->work;
    const struct session *s = w->session;
    const struct recorder *r = s->recorder;
    if (o->error->code == ERROR_GRAPH_TOO_LARGE &&
        r->program->count >= o->call->limits->max_session_nodes) {
        error_clear(o->error);
        error_set(o->error, ERROR_SESSION_TOO_LARGE,
                  "the session's tapes hold %u nodes and may hold %lld (max_session_nodes); this "
                  "needs more",
                  (unsigned)r->own.count, (long long)o->call->limits->max_session_nodes);
    } else if (o->error->code == ERROR_MEMORY_BUDGET &&
               s->account.limit - s->account.bytes < (size_t)o->call->limits->max_request_bytes) {
        error_clear(o->error);
        session_fail_memory(s, o->error);
    }
}

void session_end(struct oneshot *o) {
    struct session_work *w = o->work;
    if (w) {
        if (w->on_program && o->error->code) name_limit(o);
        journal_drop(w->session, w->entry);
        for (size_t i = 0; i < w->n_results; i++) {
            struct result *result = &w->results[i];
            block_release(result->value.owner);
        }
        if (w->on_program) recorder_cancel(w->session->recorder);
        for (size_t i = w->n_results; i-- > 0;)
            if (w->results[i].is_new) session_take_back(w->session, w->results[i].item);
    }
    oneshot_end(o);
}
