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
static bool read_wrapped(struct oneshot *o, const struct json *v, bool constant,
                         const struct json **value, enum dtype *dtype, bool *trainable) {
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        const char *key = json_key(m);
        if (strcmp(key, "value") == 0) {
            *value = m;
        } else if (strcmp(key, "trainable") == 0 && !constant) {
            if (json_type(m) != JSON_BOOL) {
                error_set(o->error, ERROR_INVALID_REQUEST, "expected true or false, found %s",
                          json_type_name(m));
                return error_under(o->error, key);
            }
            *trainable = json_bool(m);
        } else if (strcmp(key, "dtype") == 0) {
            if (json_type(m) != JSON_STRING || !dtype_find(json_string(m), dtype)) {
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

/* The example beside a batch: null, or of the dtype and shape of a point. */
static bool check_example(struct oneshot *o, const char *name, const struct tensor *example,
                          const struct tensor *all) {
    struct shape wants;
    char has_text[SHAPE_TEXT], wants_text[SHAPE_TEXT];
    if (example->dtype != all->dtype) {
        error_set(o->error, ERROR_DTYPE_MISMATCH,
                  "the batch of \"%.80s\" has dtype %s, expected %s", name, dtype_name(all->dtype),
                  dtype_name(example->dtype));
    } else {
        wants = (struct shape){.rank = example->shape.rank + 1, .dim = {all->shape.dim[0]}};
        for (int i = 1; i < wants.rank && i < RANK_MAX; i++)
            wants.dim[i] = example->shape.dim[i - 1];
        if (wants.rank <= RANK_MAX && shape_equal(&wants, &all->shape)) return true;
        if (wants.rank > RANK_MAX) wants.rank = RANK_MAX;
        error_set(o->error, ERROR_SHAPE_MISMATCH,
                  "the batch of \"%.80s\" has shape %s, expected %s", name,
                  shape_text(&all->shape, has_text), shape_text(&wants, wants_text));
    }
    error_under(o->error, name);
    error_under(o->error, "batch");
    return false;
}

/* Where what is sent as a binding stands. */
struct place {
    const char *member;
    bool wrapped;
};

static bool fail_place(struct oneshot *o, const struct place *p, const char *name) {
    if (p->wrapped) error_under(o->error, "value");
    error_under(o->error, name);
    return error_under(o->error, p->member);
}

static bool bind_value(struct oneshot *o, const struct json *value, enum dtype dtype,
                       const char *name, const struct place *p) {
    struct tensor *t = &o->tensors[o->n_bound], all;
    const int64_t most = o->call->limits->max_elements;
    bool batched, declared = json_type(value) == JSON_NULL && batch_has(o, name);
    if (!declared && !json_tensor(&o->arena, value, dtype, most, "", t, o->error))
        return fail_place(o, p, name);
    if (!batch_read(o, name, declared ? dtype : t->dtype, &all, &batched)) return false;
    if (!batched) return true;
    if (!declared && !check_example(o, name, t, &all)) return false;
    return batch_bind(o, o->n_bound, &all);
}

static bool bind_one(struct oneshot *o, const struct json *v, const char *member, bool constant) {
    const char *name = json_key(v);
    const struct json *value = v;
    enum dtype dtype = o->request.default_dtype;
    struct place p = {.member = member};
    struct tensor *t = &o->tensors[o->n_bound];
    bool trainable = !constant;
    if (json_type(v) == JSON_OBJECT && json_member(v, "value")) {
        if (!read_wrapped(o, v, constant, &value, &dtype, &trainable))
            return fail_place(o, &p, name);
        p.wrapped = true;
    }
    if (!bind_value(o, value, dtype, name, &p)) return false;
    p.wrapped = false;
    const node_id node = tape_input(&o->b.tape, t->dtype, &t->shape);
    if (node == NODE_NONE || !add_name(o, name, node, constant)) return fail_place(o, &p, name);
    o->trainable[o->n_bound++] = trainable;
    return true;
}

static bool bind_object(struct oneshot *o, const struct json *object, const char *member,
                        bool constant) {
    for (const struct json *v = object ? json_first(object) : NULL; v; v = json_next(v)) {
        if (!bind_one(o, v, member, constant)) return false;
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
    size_t n = 0, n_batched = 0;
    if (!check_object(o, r->variables, "variables", &n) ||
        !check_object(o, r->constants, "constants", &n))
        return false;
    o->tensors = arena_alloc(&o->arena, (n + 1) * sizeof *o->tensors);
    o->trainable = arena_alloc(&o->arena, (n + 1) * sizeof *o->trainable);
    if (!check_object(o, r->batch, "batch", &n_batched)) return false;
    if (!o->tensors || !o->trainable) return build_fail_memory(&o->b);
    if (!batch_begin(o)) return false;
    if (!bind_object(o, r->variables, "variables", false)) return false;
    o->n_variables = o->n_bound;
    return bind_object(o, r->constants, "constants", true) && batch_finish(o);
}
