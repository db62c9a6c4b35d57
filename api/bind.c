/* Bindings: the request's variables and constants become tensors and names, and then the first nodes of
 * the tape, in the order in which they were sent. */
#include <inttypes.h>
#include <string.h>

#include "api/binding.h"
#include "api/functions.h"
#include "api/oneshot.h"
#include "api/place.h"
#include "api/session_work.h"

static bool add_name(struct oneshot *o, const char *name, bool constant) {
    bool added;
    if (!binding_check_name(name, o->error)) return false;
    struct name *entry = names_add(&o->b.names, name, strlen(name), &added);
    if (!entry) return build_fail_memory(&o->b);
    if (!added) {
        return error_set(o->error, ERROR_DUPLICATE_NAME,
                         o->work ? "the session has a \"%.80s\" already"
                                 : "\"%.80s\" is both a variable and a constant",
                         name);
    }
    entry->place = constant ? PLACE_CONSTANT : PLACE_VARIABLE;
    entry->value = value_none(); /* until it has a node */
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

/* The values of a name at all points, where "batch" has some. `t` is what is bound to it, or only
 * meant to be where the name is declared by null. */
static bool bind_batch(struct oneshot *o, const char *name, enum dtype dtype, bool declared,
                       struct tensor *t) {
    struct tensor all;
    bool batched;
    if (!batch_read(o, name, declared ? dtype : t->dtype, &all, &batched)) return false;
    if (!batched) return true;
    if (!declared && !check_example(o, name, t, &all)) return false;
    return batch_bind(o, o->n_bound, &all);
}

static bool bind_value(struct oneshot *o, const struct json *value, enum dtype dtype,
                       const char *name, const struct place *p) {
    struct tensor *t = &o->tensors[o->n_bound];
    const int64_t most = o->call->limits->max_elements;
    const bool declared = json_type(value) == JSON_NULL && batch_has(o, name);
    if (!declared && !json_tensor(&o->arena, value, dtype, most, "", t, o->error))
        return fail_place(o, p, name);
    return bind_batch(o, name, dtype, declared, t);
}

static bool add(struct oneshot *o, const char *name, bool constant, bool trainable) {
    if (!add_name(o, name, constant)) return false;
    o->trainable[o->n_bound++] = trainable;
    return true;
}

/* Keeps the rows of an input, and binds as many of them as the graph sees at a time. */
static bool bind_rows(struct oneshot *o) {
    struct rows *r = &o->rows;
    struct tensor *t = &o->tensors[o->n_bound];
    if (t->shape.rank == 0)
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "an input has a leading axis of rows; found a scalar");
    if (t->shape.dim[0] == 0)
        return error_set(o->error, ERROR_INVALID_VALUE, "an input needs at least one row");
    if (r->n >= 0 && t->shape.dim[0] != r->n)
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "found %" PRId64 " rows where other inputs have %" PRId64, t->shape.dim[0],
                         r->n);
    r->n = t->shape.dim[0];
    if (r->size == 0 || r->size > r->n) r->size = r->n;
    r->bindings[r->n_bindings++] = (struct batched){.node = o->n_bound, .all = *t};
    t->shape.dim[0] = r->size;
    return true;
}

/* A function's input says what its rows are like; how many there are, the request says. */
static bool fits(struct oneshot *o, const struct function_input *input, bool by_rows) {
    const struct tensor *t = &o->tensors[o->n_bound];
    struct shape shape = t->shape;
    if (by_rows && shape.rank == input->shape.rank) shape.dim[0] = input->shape.dim[0];
    if (by_rows && t->dtype == input->dtype && shape_equal(&shape, &input->shape)) return true;
    return function_fits(o->call->function, input, t, o->error);
}

static bool bind_one(struct oneshot *o, const struct json *v, const char *member, bool constant) {
    const char *name = json_key(v);
    const struct function *f = o->call->function;
    const struct function_input *input = NULL;
    struct binding sent;
    struct place p = {.member = member};
    if (f && !function_input(f, name, &input, o->error)) return fail_place(o, &p, name);
    const enum dtype dtype = input ? input->dtype : o->request.default_dtype;
    if (!binding_read(v, constant, dtype, &sent, o->error)) return fail_place(o, &p, name);
    p.wrapped = sent.wrapped;
    if (!bind_value(o, sent.value, sent.dtype, name, &p)) return false;
    const bool by_rows = strcmp(member, "inputs") == 0;
    if (by_rows && !bind_rows(o)) return fail_place(o, &p, name);
    p.wrapped = false;
    if ((input && !fits(o, input, by_rows)) || !add(o, name, constant, sent.trainable))
        return fail_place(o, &p, name);
    return true;
}

/* A function's constants stay its own. */
static bool bind_constants(struct oneshot *o, const struct function *f) {
    for (size_t i = 0; i < f->n_constants; i++) {
        const struct function_constant *c = &f->constants[i];
        struct tensor *t = &o->tensors[o->n_bound];
        *t = c->tensor;
        if (!bind_batch(o, c->name, t->dtype, false, t) || !add(o, c->name, true, false))
            return false;
    }
    return function_bound(f, &o->b.names, o->error);
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

bool oneshot_decode(struct oneshot *o) {
    const struct request *r = &o->request;
    size_t n = 0, n_batched = 0;
    if (!check_object(o, r->variables, "variables", &n) ||
        !check_object(o, r->constants, "constants", &n))
        return false;
    size_t n_inputs = 0;
    if (!check_object(o, r->inputs, "inputs", &n_inputs)) return false;
    n += n_inputs;
    const struct function *f = o->call->function;
    if (f) n += f->n_constants;
    if (n_inputs &&
        !(o->rows.bindings = arena_alloc(&o->arena, n_inputs * sizeof *o->rows.bindings)))
        return build_fail_memory(&o->b);
    o->tensors = arena_alloc(&o->arena, (n + 1) * sizeof *o->tensors);
    o->trainable = arena_alloc(&o->arena, (n + 1) * sizeof *o->trainable);
    if (!check_object(o, r->batch, "batch", &n_batched)) return false;
    if (!o->tensors || !o->trainable) return build_fail_memory(&o->b);
    if (!batch_begin(o)) return false;
    if (!bind_object(o, r->variables, "variables", false)) return false;
    o->n_variables = o->n_bound;
    return bind_object(o, r->constants, "constants", true) &&
           bind_object(o, r->inputs, "inputs", true) && (!f || bind_constants(o, f)) &&
           batch_finish(o);
}

/* Where the binding of node i was sent. */
static const char *member_of(const struct oneshot *o, uint32_t i) {
    if (i < o->n_variables) return "variables";
    return o->rows.n_bindings && i >= o->rows.bindings[0].node ? "inputs" : "constants";
}

bool oneshot_place(struct oneshot *o) {
    const uint32_t first = o->b.names.n - o->n_bound;
    for (uint32_t i = 0; i < o->n_bound; i++) {
        const struct place p = {.member = member_of(o, i)};
        struct name *name = &o->b.names.list[first + i];
        const node_id node = tape_input(&o->b.tape, o->tensors[i].dtype, &o->tensors[i].shape);
        if (node == NODE_NONE) return fail_place(o, &p, name->text);
        name->value = value_node(node);
    }
    return true;
}

bool oneshot_bind(struct oneshot *o) { return oneshot_decode(o) && oneshot_place(o); }

/* What was bound goes by the names that it had before. */
static bool bind_names(struct oneshot *o, const struct names *before) {
    const uint32_t first = o->work ? o->work->n_items : 0;
    bool added;
    if (o->work && !session_names(o)) return false;
    for (uint32_t i = 0; i < o->rows.n_bindings; i++)
        o->tensors[o->rows.bindings[i].node].shape.dim[0] = o->rows.size;
    for (uint32_t i = 0; i < o->n_bound; i++) {
        const struct name *was = &before->list[first + i];
        const struct tensor *t = &o->tensors[i];
        struct name *name = names_add(&o->b.names, was->text, was->length, &added);
        if (!name) return build_fail_memory(&o->b);
        name->place = was->place;
        name->value = value_node(tape_input(&o->b.tape, t->dtype, &t->shape));
    }
    return tape_ok(&o->b.tape);
}

bool oneshot_bind_again(struct oneshot *o) {
    const struct names before = o->b.names;
    build_init(&o->b, &o->arena, o->error, o->call->limits, o->request.default_dtype,
               o->call->seed);
    o->n_late = 0;
    if (bind_names(o, &before)) return true;
    /* It may be tried with fewer rows. */
    o->b.names = before;
    return false;
}
