/* What a one-shot request names: values, targets with their seeds, sources, and what is watched.
 * Reads structures of names and tensors; differentiates nothing. */
#include <stdio.h>
#include <string.h>

#include "api/known.h"
#include "api/oneshot.h"
#include "api/place.h"
#include "api/training_slots.h"

bool oneshot_warn(struct oneshot *o, const char *code, const char *pointer, const char *format,
                  ...) {
    char detail[512];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    struct warning *warning = arena_alloc(&o->arena, sizeof *warning);
    const char *at = arena_copy_text(&o->arena, pointer, strlen(pointer));
    const size_t length = n < (int)sizeof detail ? (size_t)n : sizeof detail - 1;
    const char *text = arena_copy_text(&o->arena, detail, length);
    if (!warning || !at || !text) return build_fail_memory(&o->b);
    *warning = (struct warning){.code = code, .detail = text, .pointer = at};
    *o->warnings_end = warning;
    o->warnings_end = &warning->next;
    return true;
}

/* A list that is stacked only now belongs to the graph. */
static bool settled(struct oneshot *o, const struct value *v, struct value *out) {
    if (!build_settle(&o->b, v, true, out)) return false;
    o->graph_end = o->b.tape.count;
    return true;
}

/* A name's value, settled once, so that who asks again gets the same nodes. */
static bool settled_name(struct oneshot *o, const char *text, struct value *out) {
    struct name *name = names_find(&o->b.names, text, strlen(text));
    struct value found;
    if (!build_lookup(&o->b, text, strlen(text), &found) || !settled(o, &found, out)) return false;
    if (name) name->value = *out;
    return true;
}

/* A name, or lists and objects of names, as a settled value. `what` says what they are. */
static bool read_names(struct oneshot *o, const struct json *v, const char *what,
                       struct value *out) {
    *out = value_none();
    if (json_type(v) == JSON_STRING) return settled_name(o, json_string(v), out);
    if (json_type(v) != JSON_ARRAY && json_type(v) != JSON_OBJECT) {
        return error_set(o->error, ERROR_INVALID_REQUEST, "a %s is a name, found %s", what,
                         json_type_name(v));
    }
    const bool object = json_type(v) == JSON_OBJECT;
    struct value *items = arena_alloc(&o->arena, (2 * json_length(v) + 1) * sizeof *items);
    size_t n = 0, i = 0;
    if (!items) return build_fail_memory(&o->b);
    for (v = json_first(v); v; v = json_next(v), i++) {
        if (object) items[n++] = value_string(json_key(v));
        if (read_names(o, v, what, &items[n++])) continue;
        return object ? error_under(o->error, json_key(v)) : error_under_index(o->error, i);
    }
    if (object) return build_object(&o->b, items, n, out);
    if (!build_list(&o->b, items, n, out)) return false;
    return out->results = true;
}

bool oneshot_names(struct oneshot *o, const struct json *v, const char *name, const char *what,
                   struct value *out) {
    return read_names(o, v, what, out) || error_under(o->error, name);
}

/* The last statement where the request names nothing. */
static bool read_value(struct oneshot *o, const struct json *v, const char *name,
                       const char *what) {
    if (v) return oneshot_names(o, v, name, what, &o->value);
    if (o->last.kind == VALUE_NONE && o->b.tape.count == o->b.begin) {
        error_set(o->error, ERROR_INVALID_REQUEST, "the graph is empty and \"%s\" names nothing",
                  name);
        return error_under(o->error, "graph");
    }
    return settled(o, &o->last, &o->value) || error_under(o->error, "graph");
}

bool oneshot_leaves(struct oneshot *o, const struct value *v, node_id **out, size_t *n) {
    *n = build_leaves(v);
    node_id *at = *out = arena_alloc(&o->arena, (*n + 1) * sizeof **out);
    if (!at) return build_fail_memory(&o->b);
    build_flatten(v, &at);
    return true;
}

/* Notes TensorFlow's warning for what the request watches in vain. `v` is what `json` names. */
bool oneshot_warn_of_integers(struct oneshot *o, const struct json *json, const struct value *v,
                              const char *pointer) {
    node_id *nodes;
    size_t n;
    if (json_type(json) != JSON_STRING) {
        uint32_t i = v->kind == VALUE_OBJECT;
        for (json = json_first(json); json;
             json = json_next(json), i += v->kind == VALUE_OBJECT ? 2 : 1) {
            char name[24], inner[sizeof o->error->pointer];
            snprintf(name, sizeof name, "%u", i);
            json_pointer(inner, sizeof inner, pointer, json_key(json) ? json_key(json) : name);
            if (!oneshot_warn_of_integers(o, json, &v->items[i], inner)) return false;
        }
        return true;
    }
    if (!oneshot_leaves(o, v, &nodes, &n)) return false;
    for (size_t i = 0; i < n; i++) {
        const enum dtype dtype =
            nodes[i] == NODE_NONE ? DTYPE_F32 : tape_dtype(&o->b.tape, nodes[i]);
        if (dtype_is_float(dtype)) continue;
        if (!oneshot_warn(
                o, "watched_dtype", pointer,
                "The dtype of the watched tensor must be floating (e.g. tf.float32), got tf.%s",
                dtype_name(dtype)))
            return false;
    }
    return true;
}

void missing_add(struct missing *m, const char *name) {
    static const char more[] = ", ...";
    char *at = m->names + m->length;
    const size_t left = sizeof m->names - m->length;
    if (m->cut) return;
    m->cut = strlen(name) + sizeof ", ''" + sizeof more > left;
    if (m->cut)
        memcpy(at, more, sizeof more);
    else
        m->length += (size_t)snprintf(at, left, "%s'%s'", m->length ? ", " : "", name);
}

bool oneshot_warn_of_missing(struct oneshot *o, const struct missing *m, const char *pointer) {
    return oneshot_warn(o, "missing_gradient", pointer,
                        "Gradients do not exist for variables [%s] when minimizing the loss. If "
                        "using `model.compile()`, did you forget to provide a `loss` argument?",
                        m->names);
}

bool oneshot_window(struct oneshot *o, struct window *w) {
    const struct json *watch = o->request.watch;
    struct value v;
    node_id *named = NULL;
    size_t n_named = 0;
    if (watch && (!oneshot_names(o, watch, "watch", "watched node", &v) ||
                  !oneshot_leaves(o, &v, &named, &n_named) ||
                  !oneshot_warn_of_integers(o, watch, &v, "/watch"))) {
        return false;
    }
    node_id *watched = arena_alloc(&o->arena, (o->n_variables + n_named + 1) * sizeof *watched);
    if (!watched) return build_fail_memory(&o->b);
    size_t n = 0;
    for (node_id i = 0; i < o->n_variables; i++) {
        if (o->request.watches_variables && o->trainable[i]) watched[n++] = i;
    }
    for (size_t i = 0; i < n_named; i++) {
        if (named[i] != NODE_NONE) watched[n++] = named[i];
    }
    *w = (struct window){.watched = watched, .n_watched = n, .begin = 0, .end = o->graph_end};
    return true;
}

/* Every variable by its name, where the request names no sources. */
static bool read_sources(struct oneshot *o, struct value *out) {
    if (o->request.sources) return oneshot_names(o, o->request.sources, "sources", "source", out);
    struct value *items = arena_alloc(&o->arena, (2 * o->n_variables + 1) * sizeof *items);
    if (!items) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < o->n_variables; i++) {
        items[2 * i] = value_string(o->b.names.list[i].text);
        items[2 * i + 1] = value_node(i);
    }
    return build_object(&o->b, items, 2 * o->n_variables, out);
}

bool oneshot_sources(struct oneshot *o, struct value *sources, node_id **nodes, size_t *n) {
    if (!read_sources(o, sources) || !oneshot_leaves(o, sources, nodes, n)) return false;
    for (size_t i = 0; i < *n; i++) {
        if ((*nodes)[i] != NODE_NONE) continue;
        error_set(o->error, ERROR_MISSING_GRADIENT, "a source is a gradient that is None");
        return error_under(o->error, "sources");
    }
    return true;
}

bool oneshot_node(struct oneshot *o, const char *name, node_id *out) {
    struct value v;
    if (!settled_name(o, name, &v)) return false;
    *out = v.node;
    return v.kind == VALUE_NODE ||
           error_set(o->error, ERROR_INVALID_REQUEST, "\"%.80s\" is no tensor but %s", name,
                     value_kind_name(&v));
}

bool oneshot_bind_input(struct oneshot *o, node_id input, const struct tensor *t) {
    if (o->n_late == o->late_capacity) {
        const uint32_t capacity = o->late_capacity ? 2 * o->late_capacity : 8;
        struct late *late = arena_alloc(&o->arena, capacity * sizeof *late);
        if (!late) return build_fail_memory(&o->b);
        if (o->n_late) memcpy(late, o->late, o->n_late * sizeof *late);
        o->late = late;
        o->late_capacity = capacity;
    }
    o->late[o->n_late++] = (struct late){.node = input, .tensor = *t};
    return true;
}

bool oneshot_keep_late(struct oneshot *o, const struct tensor *t, node_id *out) {
    *out = tape_input(&o->b.tape, t->dtype, &t->shape);
    return *out != NODE_NONE && oneshot_bind_input(o, *out, t);
}

bool oneshot_bind_numbers(struct oneshot *o, const struct optimizer_step *step) {
    for (size_t i = 0; i < step->n_numbers; i++) {
        const struct optimizer_number *number = &step->numbers[i];
        struct optimizer_slot scalar = {.dtype = tape_dtype(&o->b.tape, number->node),
                                        .shape = shape_scalar};
        struct tensor t;
        if (!slot_fill(&scalar, number->value, &o->arena, &t)) return build_fail_memory(&o->b);
        if (!oneshot_bind_input(o, number->node, &t)) return false;
    }
    return true;
}

bool oneshot_bind_late(struct oneshot *o, const struct json *v, const char *what, node_id like,
                       node_id *out) {
    if (o->known) return known_bind_late(o, v);
    const enum dtype dtype = tape_dtype(&o->b.tape, like);
    const struct shape *wants = tape_shape(&o->b.tape, like);
    char has_text[SHAPE_TEXT], wants_text[SHAPE_TEXT];
    struct tensor t;
    if (json_type(v) == JSON_NULL) {
        const struct value none = value_none();
        return build_fail_not_tensor(&o->b, &none);
    }
    if (!json_tensor(&o->arena, v, dtype, o->call->limits->max_elements, "", &t, o->error))
        return false;
    if (t.dtype != dtype) {
        return error_set(o->error, ERROR_DTYPE_MISMATCH, "the %s has dtype %s, expected %s", what,
                         dtype_name(t.dtype), dtype_name(dtype));
    }
    if (!shape_equal(&t.shape, wants)) {
        const char *name = build_name_of(&o->b, like);
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "the %s%s%.80s%s has shape %s, expected %s", what, name ? " of \"" : "",
                         name ? name : "", name ? "\"" : "", shape_text(&t.shape, has_text),
                         shape_text(wants, wants_text));
    }
    return oneshot_keep_late(o, &t, out);
}

static bool fail_seeds(struct oneshot *o, const struct json *v, const char *member,
                       const struct value *targets) {
    const bool object = targets->kind == VALUE_OBJECT;
    return error_set(o->error, ERROR_INVALID_VALUE,
                     "%s must have the structure of the target, %s of %u; found %s of %zu", member,
                     object ? "an object" : "a list", object ? targets->n / 2 : targets->n,
                     json_type_name(v), json_length(v));
}

/* The members of an object of seeds by the target's keys; one that is no target's is refused. */
static bool match_seeds(struct oneshot *o, const struct json *v, const struct value *targets,
                        struct names *keys) {
    bool added;
    names_init(keys, &o->arena, o->call->seed);
    for (uint32_t i = 0; i < targets->n; i += 2) {
        const char *text = targets->items[i].string;
        struct name *key = names_add(keys, text, strlen(text), &added);
        if (!key) return build_fail_memory(&o->b);
        key->value = value_none();
    }
    for (v = json_first(v); v; v = json_next(v)) {
        struct name *key = names_find(keys, json_key(v), strlen(json_key(v)));
        if (key) {
            key->value = (struct value){.kind = VALUE_NUMBERS, .numbers = v};
            continue;
        }
        error_set(o->error, ERROR_INVALID_VALUE, "the target has no member \"%.80s\"", json_key(v));
        return error_under(o->error, json_key(v));
    }
    return true;
}

static bool read_seed_object(struct oneshot *o, const struct json *v, const char *member,
                             const struct value *targets, node_id **seeds) {
    struct names keys;
    if (!match_seeds(o, v, targets, &keys)) return false;
    for (uint32_t i = 0; i < keys.n; i++) {
        const struct value *target = &targets->items[2 * i + 1], *given = &keys.list[i].value;
        if (given->kind == VALUE_NONE)
            build_no_seeds(target, seeds);
        else if (!oneshot_seeds(o, given->numbers, member, target, seeds))
            return error_under(o->error, keys.list[i].text);
    }
    return true;
}

bool oneshot_seeds(struct oneshot *o, const struct json *v, const char *member,
                   const struct value *targets, node_id **seeds) {
    if (targets->kind == VALUE_NODE) {
        const bool output = o->request.route != REQUEST_VJP;
        return oneshot_bind_late(o, v, output ? "output gradient" : "cotangent", targets->node,
                                 (*seeds)++);
    }
    if (targets->kind == VALUE_OBJECT && json_type(v) == JSON_OBJECT)
        return read_seed_object(o, v, member, targets, seeds);
    if (json_type(v) == JSON_NUMBERS) v = json_split(&o->arena, v);
    if (!v) return build_fail_memory(&o->b);
    if (targets->kind != VALUE_LIST || json_type(v) != JSON_ARRAY || json_length(v) > targets->n) {
        return fail_seeds(o, v, member, targets);
    }
    uint32_t i = 0;
    for (v = json_first(v); v; v = json_next(v), i++) {
        if (!oneshot_seeds(o, v, member, &targets->items[i], seeds))
            return error_under_index(o->error, i);
    }
    for (; i < targets->n; i++) build_no_seeds(&targets->items[i], seeds);
    return true;
}

bool oneshot_targets(struct oneshot *o, node_id **targets, node_id **seeds, size_t *n) {
    const struct json *given = o->request.output_gradients;
    *seeds = NULL;
    if (!read_value(o, o->request.target, "target", "target") ||
        !oneshot_leaves(o, &o->value, targets, n))
        return false;
    for (size_t i = 0; i < *n; i++) {
        if ((*targets)[i] != NODE_NONE) continue;
        error_set(o->error, ERROR_MISSING_GRADIENT,
                  "Argument `target` should be a list or nested structure of Tensors, Variables or "
                  "CompositeTensors "
                  "to be differentiated, but received None.");
        return o->request.target ? error_under(o->error, "target") : error_under(o->error, "graph");
    }
    if (*n == 0) {
        error_set(o->error, ERROR_INVALID_VALUE, "target is empty; it must name at least one node");
        return error_under(o->error, "target");
    }
    if (!given || json_type(given) == JSON_NULL) return true;
    node_id *at = *seeds = arena_alloc(&o->arena, *n * sizeof **seeds);
    if (!at) return build_fail_memory(&o->b);
    return oneshot_seeds(o, given, "output_gradients", &o->value, &at) ||
           error_under(o->error, "output_gradients");
}

bool oneshot_fetch(struct oneshot *o) {
    o->has_fetched = o->request.fetch;
    return !o->request.fetch ||
           oneshot_names(o, o->request.fetch, "fetch", "fetched node", &o->fetched);
}

bool oneshot_values(struct oneshot *o, node_id **nodes, size_t *n) {
    return read_value(o, o->request.fetch, "fetch", "fetched node") &&
           oneshot_leaves(o, &o->value, nodes, n);
}
