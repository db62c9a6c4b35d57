/* Bindings: the request's variables and constants become tensors, names, and the first nodes of the
 * tape, in the order in which they were sent. */
#include <string.h>

#include "api/expr.h"
#include "api/oneshot.h"
#include "api/place.h"

static bool fail_member(struct oneshot *o, const char *key, bool constant) {
    static const char *const accepted[] = {"value", "dtype", "trainable"};
    const char *near = name_nearest(key, accepted, constant ? 2 : 3);
    error_set(o->error, ERROR_INVALID_REQUEST,
              "unknown member \"%.60s\"; %s%s%sccepted: value, dtype%s", key,
              near ? "did you mean \"" : "", near ? near : "", near ? "\"? A" : "a",
              constant ? "" : ", trainable");
    return error_under(o->error, key);
}

/* {"value": ..., "trainable": false, "dtype": "float64"} */
static bool read_wrapped(struct oneshot *o, const struct json *v, bool constant, struct tensor *t,
                         bool *trainable) {
    const struct json *value = NULL;
    enum dtype dtype = o->request.default_dtype;
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        const char *key = json_key(m);
        if (strcmp(key, "value") == 0) {
            value = m;
        } else if (strcmp(key, "trainable") == 0 && !constant) {
            if (json_type(m) != JSON_BOOL) {
                error_set(o->error, ERROR_INVALID_REQUEST, "expected true or false, found %s",
                          json_type_name(m));
                return error_under(o->error, key);
            }
            *trainable = json_bool(m);
        } else if (strcmp(key, "dtype") == 0) {
            if (json_type(m) != JSON_STRING || !dtype_find(json_string(m), &dtype)) {
                error_set(o->error, ERROR_INVALID_VALUE,
                          "unknown dtype%s%.40s%s; expected float32, float64, int32, int64 or bool",
                          json_type(m) == JSON_STRING ? " \"" : "",
                          json_type(m) == JSON_STRING ? json_string(m) : "",
                          json_type(m) == JSON_STRING ? "\"" : "");
                return error_under(o->error, key);
            }
        } else {
            return fail_member(o, key, constant);
        }
    }
    if (!json_tensor(&o->arena, value, dtype, o->call->limits->max_elements, "", t, o->error)) {
        return error_under(o->error, "value");
    }
    return true;
}

static bool add_name(struct oneshot *o, const char *name, node_id node, bool constant) {
    bool added;
    if (!expr_is_name(name)) {
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "\"%.80s\" is not a name; names match [A-Za-z_][A-Za-z0-9_]*", name);
    }
    struct name *entry = names_add(&o->b.names, name, strlen(name), &added);
    if (!entry) return build_fail_memory(&o->b);
    if (!added) {
        return error_set(o->error, ERROR_DUPLICATE_NAME,
                         "\"%.80s\" is both a variable and a constant", name);
    }
    entry->place = constant ? PLACE_CONSTANT : PLACE_VARIABLE;
    entry->value = value_node(node);
    return true;
}

static bool bind_one(struct oneshot *o, const struct json *v, bool constant) {
    struct tensor *t = &o->tensors[o->n_bound];
    bool trainable = !constant;
    const bool wrapped = json_type(v) == JSON_OBJECT && json_member(v, "value");
    const bool ok = wrapped ? read_wrapped(o, v, constant, t, &trainable)
                            : json_tensor(&o->arena, v, o->request.default_dtype,
                                          o->call->limits->max_elements, "", t, o->error);
    if (!ok) return false;
    const node_id node = tape_input(&o->b.tape, t->dtype, &t->shape);
    if (node == NODE_NONE || !add_name(o, json_key(v), node, constant)) return false;
    o->trainable[o->n_bound++] = trainable;
    return true;
}

static bool bind_object(struct oneshot *o, const struct json *object, const char *member,
                        bool constant) {
    for (const struct json *v = object ? json_first(object) : NULL; v; v = json_next(v)) {
        if (bind_one(o, v, constant)) continue;
        error_under(o->error, json_key(v));
        return error_under(o->error, member);
    }
    return true;
}

static bool check_object(struct oneshot *o, const struct json *v, const char *member, size_t *n) {
    if (!v) return true;
    if (json_type(v) != JSON_OBJECT) {
        error_set(o->error, ERROR_INVALID_REQUEST, "expected an object, found %s",
                  json_type_name(v));
        return error_under(o->error, member);
    }
    *n += json_length(v);
    return true;
}

bool oneshot_bind(struct oneshot *o) {
    const struct request *r = &o->request;
    size_t n = 0;
    if (!check_object(o, r->variables, "variables", &n) ||
        !check_object(o, r->constants, "constants", &n))
        return false;
    o->tensors = arena_alloc(&o->arena, (n + 1) * sizeof *o->tensors);
    o->trainable = arena_alloc(&o->arena, (n + 1) * sizeof *o->trainable);
    if (!o->tensors || !o->trainable) return build_fail_memory(&o->b);
    if (!bind_object(o, r->variables, "variables", false)) return false;
    o->n_variables = o->n_bound;
    return bind_object(o, r->constants, "constants", true);
}
