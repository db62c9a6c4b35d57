/* Minimisation requests, decoded: the graph with its loss, and the variables that move. How they move,
 * and how JSON shows where they went, is written elsewhere. */
#include "api/minimize.h"

#include <string.h>

#include "api/place.h"
#include "core/emit.h"

/* ---- the loss --------------------------------------------------------------------------------- */

static bool last_statement(struct oneshot *o, node_id *out) {
    struct value v;
    if (o->last.kind == VALUE_NONE && o->b.tape.count == o->b.begin)
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "the graph is empty and \"loss\" names nothing");
    if (!build_settle(&o->b, &o->last, true, &v)) return false;
    *out = v.node;
    return v.kind == VALUE_NODE || error_set(o->error, ERROR_INVALID_REQUEST,
                                             "the last statement is no tensor but %s; \"loss\" "
                                             "says what is to be minimised",
                                             value_kind_name(&v));
}

/* One element of a floating dtype, as a scalar. */
static bool check_loss(struct oneshot *o, node_id *loss) {
    char text[SHAPE_TEXT];
    const struct shape *shape = tape_shape(&o->b.tape, *loss);
    const enum dtype dtype = tape_dtype(&o->b.tape, *loss);
    const char *name = build_name_of(&o->b, *loss);
    if (!dtype_is_float(dtype))
        return error_set(o->error, ERROR_DTYPE_MISMATCH,
                         "the loss%s%.80s%s must be of a floating dtype, found %s",
                         name ? " \"" : "", name ? name : "", name ? "\"" : "", dtype_name(dtype));
    if (shape_count(shape) != 1)
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "the loss%s%.80s%s must be one number, found the shape %s",
                         name ? " \"" : "", name ? name : "", name ? "\"" : "",
                         shape_text(shape, text));
    *loss = emit_reshape(&o->b.tape, *loss, &shape_scalar);
    return *loss != NODE_NONE;
}

static bool find_loss(struct minimize *m) {
    struct oneshot *o = &m->o;
    const struct json *loss = o->request.loss;
    m->loss = NODE_NONE;
    if (o->request.route & ROUTES_LEAST_SQUARES) return true;
    if (loss && json_type(loss) != JSON_STRING) {
        error_set(o->error, ERROR_INVALID_REQUEST, "the loss is a name, found %s",
                  json_type_name(loss));
        return error_under(o->error, "loss");
    }
    const bool found =
        loss ? oneshot_node(o, json_string(loss), &m->loss) : last_statement(o, &m->loss);
    return (found && check_loss(o, &m->loss)) || error_under(o->error, loss ? "loss" : "graph");
}

/* ---- what moves ------------------------------------------------------------------------------- */

/* Where a name of the request or the session stands, as the first names do. */
static bool place_of(const struct minimize *m, const char *text, uint32_t *place) {
    const struct names *names = &m->o.b.names;
    const struct name *name = names_find(names, text, strlen(text));
    *place = name ? (uint32_t)(name - names->list) : 0;
    return name && *place < (m->o.work ? m->w.n_items : m->o.n_bound) &&
           name->place == PLACE_VARIABLE;
}

/* The variable of that place, with its present value. */
static bool add_moving(struct minimize *m, uint32_t place) {
    struct oneshot *o = &m->o;
    struct moving *v = &m->moving[m->n++];
    const struct name *name = &o->b.names.list[place];
    struct value value;
    *v = (struct moving){.name = name->text};
    if (!build_lookup(&o->b, v->name, strlen(v->name), &value)) return false;
    if (value.kind != VALUE_NODE)
        return error_set(o->error, ERROR_INVALID_REQUEST, "\"%.80s\" is no tensor but %s", v->name,
                         value_kind_name(&value));
    v->node = value.node;
    if (o->work) v->item = m->w.items[place];
    v->start = v->item ? v->item->value.tensor : o->tensors[place];
    return true;
}

static bool name_one(struct minimize *m, const struct json *v, uint8_t *named) {
    struct oneshot *o = &m->o;
    uint32_t place;
    if (json_type(v) != JSON_STRING)
        return error_set(o->error, ERROR_INVALID_REQUEST, "expected a variable's name, found %s",
                         json_type_name(v));
    const char *text = json_string(v);
    if (!place_of(m, text, &place)) {
        const bool known = names_find(&o->b.names, text, strlen(text));
        const char *near = known ? NULL : names_nearest(&o->b.names, text);
        return error_set(
            o->error, known ? ERROR_INVALID_REQUEST : ERROR_UNBOUND_NAME,
            known ? "\"%.80s\" is no variable%s%s%s" : "there is no variable \"%.80s\"%s%.80s%s",
            text, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    if (named[place])
        return error_set(o->error, ERROR_DUPLICATE_NAME, "\"%.80s\" is named twice", text);
    named[place] = 1;
    if (!add_moving(m, place)) return false;
    const enum dtype dtype = m->moving[m->n - 1].start.dtype;
    return dtype_is_float(dtype) ||
           error_set(o->error, ERROR_DTYPE_MISMATCH,
                     "\"%.80s\" is of dtype %s; only variables of a floating dtype can move", text,
                     dtype_name(dtype));
}

static bool read_list(struct minimize *m, const struct json *list, uint8_t *named) {
    struct oneshot *o = &m->o;
    size_t i = 0;
    if (json_type(list) == JSON_STRING)
        return name_one(m, list, named) || error_under(o->error, "var_list");
    if (json_type(list) != JSON_ARRAY || !json_first(list)) {
        error_set(o->error, ERROR_INVALID_REQUEST,
                  "expected a list of names of variables, found %s",
                  json_type(list) == JSON_ARRAY ? "an empty one" : json_type_name(list));
        return error_under(o->error, "var_list");
    }
    for (const struct json *v = json_first(list); v; v = json_next(v), i++) {
        if (name_one(m, v, named)) continue;
        error_under_index(o->error, i);
        return error_under(o->error, "var_list");
    }
    return true;
}

/* All that is trainable: of a request its variables, of a session those that the loss depends on. */
static bool all_trainable(struct minimize *m) {
    struct oneshot *o = &m->o;
    const struct tape *t = &o->b.tape;
    uint8_t *needed = arena_zalloc(&o->arena, t->count + 1);
    const uint32_t n = o->work ? m->w.n_items : o->n_variables;
    if (!needed) return build_fail_memory(&o->b);
    if (m->loss != NODE_NONE) tape_mark_ancestors(t, 0, t->count, &m->loss, 1, needed);
    for (uint32_t i = 0; i < n; i++) {
        const struct value *v = &o->b.names.list[i].value;
        const struct item *item = o->work ? m->w.items[i] : NULL;
        if (item && (item->kind != ITEM_VARIABLE || v->kind != VALUE_NODE || v->node == NODE_NONE ||
                     (m->loss != NODE_NONE && !needed[v->node])))
            continue;
        if (!(item ? item->trainable : o->trainable[i])) continue;
        if (dtype_is_float(tape_dtype(t, v->node)) && !add_moving(m, i)) return false;
    }
    return m->n || error_set(o->error, ERROR_INVALID_REQUEST,
                             o->work ? "the graph reads no trainable variable of a floating dtype"
                                     : "there is no trainable variable of a floating dtype");
}

static bool watch(struct minimize *m) {
    struct oneshot *o = &m->o;
    node_id *watched = arena_alloc(&o->arena, (m->n + 1) * sizeof *watched);
    if (!watched) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n; i++) watched[i] = m->moving[i].node;
    o->graph_end = o->b.tape.count;
    m->window = (struct window){.watched = watched, .n_watched = m->n, .end = o->graph_end};
    return true;
}

static bool find_moving(struct minimize *m) {
    struct oneshot *o = &m->o;
    const struct json *list = o->request.var_list;
    const size_t most = o->b.names.n;
    m->moving = arena_alloc(&o->arena, (most + 1) * sizeof *m->moving);
    uint8_t *named = arena_zalloc(&o->arena, most + 1);
    if (!m->moving || !named) return build_fail_memory(&o->b);
    if (!(list ? read_list(m, list, named) : all_trainable(m))) return false;
    m->n_shown = m->n;
    return watch(m);
}

/* ---- from the body to the tape ------------------------------------------------------------------ */

bool minimize_begin(struct minimize *m, const struct service_call *call, enum request_route route,
                    struct error *error) {
    struct oneshot *o = &m->o;
    const bool read = call->session ? session_begin(o, &m->w, call, route, error)
                                    : oneshot_read(o, call, route, error);
    return read && minimize_options(m) && (!call->session || session_names(o)) && oneshot_bind(o) &&
           oneshot_build(o) && find_loss(m) && find_moving(m) && oneshot_fetch(o);
}

bool minimize_build_again(struct minimize *m, int64_t rows) {
    struct oneshot *o = &m->o;
    struct value v;
    o->rows.size = rows;
    if (!oneshot_bind_again(o) || !oneshot_build(o) || !find_loss(m)) return false;
    for (size_t i = 0; i < m->n; i++) {
        if (!build_lookup(&o->b, m->moving[i].name, strlen(m->moving[i].name), &v)) return false;
        m->moving[i].node = v.node;
    }
    return watch(m) && oneshot_fetch(o);
}

void minimize_end(struct minimize *m) {
    if (m->o.call->session)
        session_end(&m->o);
    else
        oneshot_end(&m->o);
}

bool service_minimize(const struct service_call *call, struct writer *out, struct error *error) {
    struct minimize m = {.loss = NODE_NONE};
    const enum request_route route = call->session ? REQUEST_SESSION_MINIMIZE : REQUEST_MINIMIZE;
    const bool ok = minimize_begin(&m, call, route, error) &&
                    (m.o.request.method ? minimize_method(&m, out) : minimize_steps(&m, out));
    minimize_end(&m);
    return ok;
}
