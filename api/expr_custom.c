/* `h = custom_gradient(f, f_grad)`: a function with f's value whose derivative f_grad gives. A call
 * inlines both, f_grad in terms of a seed; what the tape makes of that it leaves to the op `custom`. */
#include <assert.h>
#include <string.h>

#include "api/expr_function.h"
#include "core/emit.h"

bool custom_is(const struct token *t) {
    static const char name[] = "tf.custom_gradient";
    return t->kind == TOKEN_NAME &&
           ((t->length == sizeof name - 1 && memcmp(t->text, name, t->length) == 0) ||
            (t->length == sizeof name - 4 && memcmp(t->text, name + 3, t->length) == 0));
}

bool custom_called(struct parser *p, const struct token *name) {
    if (p->lex.token.kind == '(') return true;
    return parse_fail(
        p, name->text,
        "custom_gradient makes a function: write h = custom_gradient(f, f_grad), then "
        "h(...), or custom_gradient(f, f_grad)(...)");
}

bool custom_starts(const struct parser *p) {
    struct lexer l = p->lex;
    lex_next(&l);
    lex_next(&l);
    if (!custom_is(&l.token) || lex_peek(&l) != '(') return false;
    const int level = l.brackets;
    do lex_next(&l);
    while (l.brackets > level && l.token.kind != TOKEN_END);
    lex_next(&l);
    return l.token.kind == TOKEN_SEPARATOR || l.token.kind == TOKEN_END;
}

/* A function's name, or custom_gradient(f, f_grad); NULL where names are not looked up. */
static bool read_function(struct parser *p, struct function **out) {
    const struct token t = p->lex.token;
    *out = NULL;
    if (t.kind == TOKEN_NAME && (p->dry || !custom_is(&t)))
        *out = function_find(p, t.text, t.length);
    const bool custom = custom_is(&t) && lex_peek(&p->lex) == '(';
    if (!*out && !custom && (t.kind != TOKEN_NAME || !p->dry))
        return parse_expected(p, "a function that is defined above");
    lex_next(&p->lex);
    return !custom || custom_read(p, t.text, out);
}

static int64_t some_calls(const struct function *f) {
    return f->calls < INT64_MAX / 4 ? f->calls : INT64_MAX / 4;
}

bool custom_read(struct parser *p, const char *at, struct function **out) {
    struct function *f = arena_alloc(p->b->arena, sizeof *f);
    if (!f) return build_fail_memory(p->b) || parse_failed_at(p, at);
    *f = (struct function){.defined_at = at, .name = "custom_gradient", .begin = at, .end = at};
    if (p->lex.token.kind != '(') return parse_expected(p, "\"(\"");
    if (!parse_open(p) || !read_function(p, &f->primal)) return false;
    if (p->lex.token.kind != ',') return parse_expected(p, "\",\"");
    lex_next(&p->lex);
    if (!read_function(p, &f->rule) || !parse_close(p, ')', "\")\"")) return false;
    *out = f;
    if (p->dry) return true;
    assert(f->primal && f->rule); /* read_function found them */
    f->params = f->primal->params;
    f->n_params = f->primal->n_params;
    f->calls = 1 + some_calls(f->primal) + some_calls(f->rule);
    return true;
}

/* ---- calls ------------------------------------------------------------------------------------- */

/* A call of a function with a derivative of its own, while it is built. */
struct custom {
    struct parser *p;
    const struct function *f;
    const char *at;
    size_t n, n_outputs;
    node_id arg[LOCALS_MAX], formal[LOCALS_MAX], gradient[LOCALS_MAX];
    node_id *output;
    struct value outputs; /* their structure */
};

static bool fail(struct custom *c) { return parse_failed_at(c->p, c->at); }

/* The arguments as nodes; literals take the dtype of the first tensor. */
static bool build_arguments(struct custom *c, const struct value *const *bound) {
    struct builder *b = c->p->b;
    enum dtype dtype = b->dtype;
    for (size_t i = 0; i < c->n; i++)
        if (build_find_dtype(b, bound[i], &dtype)) break;
    for (size_t i = 0; i < c->n; i++)
        if (!build_node(b, bound[i], dtype, &c->arg[i])) return fail(c);
    return true;
}

static bool inline_call(struct custom *c, struct function *f, const node_id *first, size_t n_first,
                        const node_id *rest, size_t n_rest, struct value *out) {
    struct argument *args =
        arena_zalloc(c->p->b->arena, (n_first + n_rest + 1) * sizeof(struct argument));
    if (!args) return build_fail_memory(c->p->b) || fail(c);
    for (size_t i = 0; i < n_first + n_rest; i++) {
        args[i].at = args[i].value_at = c->at;
        args[i].value = value_node(i < n_first ? first[i] : rest[i - n_first]);
    }
    return function_call(c->p, f, c->at, args, n_first + n_rest, out);
}

static bool build_outputs(struct custom *c) {
    struct builder *b = c->p->b;
    struct value y;
    if (!inline_call(c, c->f->primal, c->arg, c->n, NULL, 0, &y)) return false;
    if (!build_settle(b, &y, false, &c->outputs)) return fail(c);
    c->n_outputs = build_leaves(&c->outputs);
    node_id *at = c->output = arena_alloc(b->arena, (c->n_outputs + 1) * sizeof *at);
    if (!at) return build_fail_memory(b) || fail(c);
    build_flatten(&c->outputs, &at);
    for (size_t i = 0; i < c->n_outputs; i++) {
        if (c->output[i] == NODE_NONE)
            return build_fail_not_tensor(b, &(struct value){.kind = VALUE_MISSING}) || fail(c);
        const enum dtype first = tape_dtype(&b->tape, c->output[0]),
                         own = tape_dtype(&b->tape, c->output[i]);
        if (own == first && dtype_is_float(own)) continue;
        error_set(b->error, ERROR_DTYPE_MISMATCH,
                  "custom_gradient: the results of %s must be of one floating dtype, found %s and "
                  "%s",
                  c->f->primal->name, dtype_name(first), dtype_name(own));
        return fail(c);
    }
    if (c->n_outputs) return true;
    error_set(b->error, ERROR_INVALID_ARGUMENT, "custom_gradient: %s returns nothing",
              c->f->primal->name);
    return fail(c);
}

/* Several results are one vector on the tape, so that the rule is used once for all of them. */
static node_id join(struct tape *t, const node_id *part, size_t n, node_id *room) {
    if (n == 1) return part[0];
    for (size_t i = 0; i < n; i++) {
        const struct shape flat = {.rank = 1, .dim = {shape_count(tape_shape(t, part[i]))}};
        room[i] = emit_reshape(t, part[i], &flat);
    }
    return emit_concat(t, room, (uint32_t)n, 0);
}

static void take_apart(struct tape *t, node_id whole, const node_id *like, size_t n,
                       node_id *part) {
    int64_t begin = 0;
    const int64_t stride = 1;
    if (n == 1) part[0] = whole;
    for (size_t i = 0; n > 1 && i < n; i++) {
        const struct shape flat = {.rank = 1, .dim = {shape_count(tape_shape(t, like[i]))}};
        part[i] = emit_reshape(t, emit_strided_slice(t, whole, &flat, &begin, &stride),
                               tape_shape(t, like[i]));
        begin += flat.dim[0];
    }
}

/* The gradient of argument i as f_grad gave it. */
static bool take_gradient(struct custom *c, const struct value *v, size_t i) {
    struct builder *b = c->p->b;
    const enum dtype dtype = tape_dtype(&b->tape, c->arg[i]);
    c->gradient[i] = NODE_NONE;
    if (v->kind == VALUE_NONE || v->kind == VALUE_MISSING || !dtype_is_float(dtype)) return true;
    if (!build_node(b, v, dtype, &c->gradient[i])) return fail(c);
    const enum dtype found = tape_dtype(&b->tape, c->gradient[i]);
    if (found != dtype) {
        error_set(b->error, ERROR_DTYPE_MISMATCH,
                  "custom_gradient: gradient %zu of %s has dtype %s, expected %s", i,
                  c->f->rule->name, dtype_name(found), dtype_name(dtype));
        return fail(c);
    }
    const struct shape *has = tape_shape(&b->tape, c->gradient[i]),
                       *wants = tape_shape(&b->tape, c->arg[i]);
    if (shape_equal(has, wants)) return true;
    char has_text[SHAPE_TEXT], wants_text[SHAPE_TEXT];
    error_set(b->error, ERROR_SHAPE_MISMATCH,
              "custom_gradient: gradient %zu of %s has shape %s, expected %s", i, c->f->rule->name,
              shape_text(has, has_text), shape_text(wants, wants_text));
    return fail(c);
}

static bool build_rule(struct custom *c, const node_id *seeds) {
    struct value v = {.kind = VALUE_NONE};
    if (!inline_call(c, c->f->rule, seeds, c->n_outputs, c->formal, c->n, &v)) return false;
    const struct value *items = v.kind == VALUE_LIST ? v.items : &v;
    const size_t n = v.kind == VALUE_LIST ? v.n : 1;
    if (n != c->n) {
        error_set(c->p->b->error, ERROR_INVALID_ARGUMENT,
                  "custom_gradient function expected to return %zu gradients, but returned %zu "
                  "instead.",
                  c->n, n);
        return fail(c);
    }
    for (size_t i = 0; i < n; i++)
        if (!take_gradient(c, &items[i], i)) return false;
    return true;
}

bool custom_call(struct parser *p, const struct function *f, const char *at,
                 const struct value *const *bound, struct value *out) {
    struct builder *b = p->b;
    struct tape *t = &b->tape;
    struct custom *c = arena_zalloc(b->arena, sizeof *c);
    if (!c) return build_fail_memory(b) || parse_failed_at(p, at);
    c->p = p;
    c->f = f;
    c->at = at;
    c->n = f->n_params;
    if (!build_arguments(c, bound) || !build_outputs(c)) return false;
    node_id *parts = arena_alloc(b->arena, (c->n_outputs + 1) * sizeof *parts);
    if (!parts) return build_fail_memory(b) || fail(c);
    const node_id value = emit1(t, OP_stop_gradient, join(t, c->output, c->n_outputs, parts));
    if (!tape_ok(t)) return fail(c);
    const node_id seed =
        emit1(t, OP_identity, tape_fill(t, tape_dtype(t, value), tape_shape(t, value), 1));
    for (size_t i = 0; i < c->n; i++) c->formal[i] = emit1(t, OP_identity, c->arg[i]);
    take_apart(t, seed, c->output, c->n_outputs, parts);
    if (!tape_ok(t)) return fail(c);
    if (!build_rule(c, parts)) return false;
    const node_id y = emit_custom(t, value, c->arg, (uint32_t)c->n, seed, c->formal, c->gradient);
    if (!tape_ok(t)) return fail(c);
    take_apart(t, y, c->output, c->n_outputs, parts);
    const node_id *leaves = parts;
    return (tape_ok(t) && build_pack(b, &c->outputs, false, &leaves, out)) || fail(c);
}
