/* The member "constraints" of a minimisation: nodes of the graph, or expressions over its names, each
 * element of which is a constraint. */
#include <string.h>

#include "api/expr.h"
#include "api/minimize_method.h"
#include "api/place.h"
#include "core/emit.h"

static bool read_type(struct method_run *r, const struct json *v, struct constraint *c) {
    struct error *error = r->m->o.error;
    const char *text = v && json_type(v) == JSON_STRING ? json_string(v) : NULL;
    c->equal = text && strcmp(text, "==0") == 0;
    c->negated = text && strcmp(text, ">=0") == 0;
    if (c->equal || c->negated || (text && strcmp(text, "<=0") == 0)) return true;
    if (!v)
        return error_set(error, ERROR_INVALID_REQUEST,
                         "member \"type\" is missing; it is \"<=0\", \">=0\" or \"==0\"");
    error_set(error, text ? ERROR_INVALID_VALUE : ERROR_INVALID_REQUEST,
              "expected \"<=0\", \">=0\" or \"==0\", found %s%.40s%s", text ? "\"" : "",
              text ? text : json_type_name(v), text ? "\"" : "");
    return error_under(error, "type");
}

/* A name, or an expression over names, as a node of a floating dtype. */
static bool read_expr(struct method_run *r, const struct json *v, struct constraint *c) {
    struct oneshot *o = &r->m->o;
    struct value value, settled;
    if (!v) return error_set(o->error, ERROR_INVALID_REQUEST, "member \"expr\" is missing");
    if (json_type(v) != JSON_STRING) {
        error_set(o->error, ERROR_INVALID_REQUEST, "expected a name or an expression, found %s",
                  json_type_name(v));
        return error_under(o->error, "expr");
    }
    const char *text = json_string(v);
    bool ok;
    if (expr_is_name(text)) {
        ok = oneshot_node(o, text, &c->sent);
    } else {
        ok = expr_build(&o->b, text, strlen(text), false, &value);
        if (ok && value.kind == VALUE_NONE)
            ok = error_set(o->error, ERROR_INVALID_REQUEST, "the expression is empty");
        ok = ok && build_settle(&o->b, &value, true, &settled);
        if (ok && settled.kind != VALUE_NODE)
            ok = error_set(o->error, ERROR_INVALID_REQUEST, "a constraint is a tensor, found %s",
                           value_kind_name(&settled));
        if (ok) c->sent = settled.node;
    }
    if (ok && !dtype_is_float(tape_dtype(&o->b.tape, c->sent)))
        ok = error_set(o->error, ERROR_DTYPE_MISMATCH,
                       "a constraint is of a floating dtype, found %s; write \"g <= h\" as g - h "
                       "with the type \"<=0\"",
                       dtype_name(tape_dtype(&o->b.tape, c->sent)));
    return ok || error_under(o->error, "expr");
}

static bool read_one(struct method_run *r, const struct json *v, struct constraint *c) {
    struct oneshot *o = &r->m->o;
    if (json_type(v) != JSON_OBJECT)
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "expected an object with \"expr\" and \"type\", found %s",
                         json_type_name(v));
    for (const struct json *member = json_first(v); member; member = json_next(member)) {
        const char *key = json_key(member);
        if (strcmp(key, "expr") == 0 || strcmp(key, "type") == 0) continue;
        error_set(o->error, ERROR_INVALID_REQUEST, "unknown member \"%.60s\"; accepted: expr, type",
                  key);
        return error_under(o->error, key);
    }
    if (!read_type(r, json_member(v, "type"), c) || !read_expr(r, json_member(v, "expr"), c))
        return false;
    c->count = (size_t)shape_count(tape_shape(&o->b.tape, c->sent));
    c->value = c->negated ? emit_negative(&o->b.tape, c->sent) : c->sent;
    return c->value != NODE_NONE;
}

bool constraints_read(struct method_run *r) {
    struct minimize *m = r->m;
    struct oneshot *o = &m->o;
    const struct json *list = o->request.constraints;
    if (!list) return true;
    if (json_type(list) != JSON_ARRAY) {
        error_set(o->error, ERROR_INVALID_REQUEST,
                  "expected a list of {\"expr\":...,\"type\":...}, found %s", json_type_name(list));
        return error_under(o->error, "constraints");
    }
    r->constraints = arena_zalloc(&o->arena, (json_length(list) + 1) * sizeof *r->constraints);
    if (!r->constraints) return build_fail_memory(&o->b);
    for (const struct json *v = json_first(list); v; v = json_next(v)) {
        if (read_one(r, v, &r->constraints[r->n_constraints++])) continue;
        error_under_index(o->error, r->n_constraints - 1);
        return error_under(o->error, "constraints");
    }
    /* What was appended is a part of what is differentiated. */
    m->window.end = o->graph_end = o->b.tape.count;
    size_t row = 0;
    for (int equal = 1; equal >= 0; equal--) {
        for (size_t i = 0; i < r->n_constraints; i++) {
            struct constraint *c = &r->constraints[i];
            if (c->equal != equal) continue;
            c->first = row;
            row += c->count;
        }
        if (equal) r->problem.n_equal = row;
    }
    r->problem.n_below = row - r->problem.n_equal;
    return true;
}

void constraints_write(const struct method_run *r, struct writer *out) {
    const struct oneshot *o = &r->m->o;
    if (!o->request.constraints) return;
    write_text(out, ",\"constraints\":[");
    for (size_t i = 0; i < r->n_constraints; i++) {
        const struct constraint *c = &r->constraints[i];
        struct tensor t = {.dtype = tape_dtype(&o->b.tape, c->sent),
                           .shape = *tape_shape(&o->b.tape, c->sent),
                           .data = r->block};
        double *at = r->c + c->first;
        for (size_t k = 0; k < c->count; k++) at[k] = c->negated ? -at[k] : at[k];
        flat_round(at, &t);
        if (i) write_text(out, ",");
        write_tensor(out, &t, o->request.tensor_format);
        for (size_t k = 0; k < c->count; k++) at[k] = c->negated ? -at[k] : at[k];
    }
    write_text(out, "]");
}
