/* Functions of the expression language. A definition keeps where its body is written; a call reads
 * the body again with names of its own, so that what it emits stands on the tape as if it had been
 * written at the call. What statements and expressions are it leaves to expr.c and expr_parse.c. */
#include "api/expr_function.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/expr.h"
#include "api/place.h"

static bool same(const struct token *t, const char *text, size_t length) {
    return t->length == length && memcmp(t->text, text, length) == 0;
}

/* ---- names ------------------------------------------------------------------------------------- */

struct function *function_find(const struct parser *p, const char *name, size_t length) {
    const struct local *local = p->frame ? local_find(p, name, length) : NULL;
    if (local && local->function) return local->function;
    const struct name *found = p->functions.n ? names_find(&p->functions, name, length) : NULL;
    return found ? p->function[found->value.i] : NULL;
}

static const struct local *find_in(const struct parser *p, const struct frame *frame,
                                   const char *name, size_t length) {
    for (size_t i = frame == p->frame ? p->n_locals : frame->end; i > frame->first; i--) {
        const struct local *l = &p->locals[i - 1];
        if (l->length == length && memcmp(l->text, name, length) == 0) return l;
    }
    return NULL;
}

const struct local *local_find(const struct parser *p, const char *name, size_t length) {
    const struct local *found = NULL;
    for (const struct frame *f = p->frame; f && !found; f = f->outer)
        found = find_in(p, f, name, length);
    return found;
}

bool local_define(struct parser *p, const struct token *name, const struct value *v,
                  struct function *function) {
    if (find_in(p, p->frame, name->text, name->length)) {
        p->statement = NULL;
        error_set(p->b->error, ERROR_DUPLICATE_NAME, "\"%.*s\" is assigned twice in %s",
                  (int)(name->length > 80 ? 80 : name->length), name->text, p->inlined->name);
        return parse_failed_at(p, name->text);
    }
    if (p->n_locals - p->frame->first == LOCALS_MAX) {
        error_set(p->b->error, ERROR_GRAPH_TOO_LARGE, "a function has at most %d names",
                  LOCALS_MAX);
        return parse_failed_at(p, name->text);
    }
    void *locals = p->locals;
    if (!parse_reserve(p, &locals, p->n_locals, &p->locals_capacity, sizeof *p->locals))
        return false;
    p->locals = locals;
    p->locals[p->n_locals++] = (struct local){name->text, name->length, *v, function};
    return true;
}

/* ---- definitions ------------------------------------------------------------------------------- */

static bool expect(struct parser *p, int kind, const char *what) {
    if (p->lex.token.kind != kind) return parse_expected(p, what);
    lex_next(&p->lex);
    return true;
}

static bool read_name(struct parser *p, const char *what, struct token *out) {
    *out = p->lex.token;
    if (out->kind != TOKEN_NAME) return parse_expected(p, what);
    const char *text = arena_copy_text(p->b->arena, out->text, out->length);
    if (!text) return build_fail_memory(p->b) || parse_failed_at(p, out->text);
    if (!expr_is_name(text) || strcmp(text, "True") == 0 || strcmp(text, "False") == 0 ||
        strcmp(text, "None") == 0 || strcmp(text, "def") == 0 || strcmp(text, "return") == 0) {
        return parse_fail(p, out->text, "\"%.40s\" cannot be the name of %s", text, what);
    }
    lex_next(&p->lex);
    return true;
}

/* How many parameters stand up to the closing bracket, or one more. */
static size_t count_params(const struct parser *p) {
    size_t n = 1;
    struct lexer l = p->lex;
    for (const int level = l.brackets; l.brackets >= level && l.token.kind != TOKEN_END;) {
        if (l.token.kind == ',' && l.brackets == level) n++;
        lex_next(&l);
    }
    return n;
}

/* name, or name=expression; what an optional one is is computed here and now, as in Python. */
static bool read_param(struct parser *p, struct function *f) {
    struct token t;
    if (!read_name(p, "a parameter", &t)) return false;
    struct param *param = &f->params[f->n_params];
    *param = (struct param){.text = t.text, .length = t.length};
    for (size_t i = 0; i < f->n_params; i++) {
        if (same(&t, f->params[i].text, f->params[i].length))
            return parse_fail(p, t.text, "two parameters are called \"%.*s\"",
                              (int)(t.length > 40 ? 40 : t.length), t.text);
    }
    if (p->lex.token.kind == '=') {
        param->optional = true;
        lex_next(&p->lex);
        if (!parse_expression(p, &param->preset)) return false;
    } else if (f->n_params > 0 && param[-1].optional) {
        return parse_fail(p, t.text, "a parameter without a default follows one that has one");
    }
    f->n_params++;
    return true;
}

static bool read_params(struct parser *p, struct function *f) {
    if (!expect(p, '(', "\"(\"")) return false;
    const size_t most = count_params(p);
    if (most > LOCALS_MAX + 1)
        return parse_fail(p, p->lex.token.text, "a function has at most %d names", LOCALS_MAX);
    f->params = arena_alloc(p->b->arena, most * sizeof *f->params);
    if (!f->params) return build_fail_memory(p->b) || parse_failed_at(p, p->lex.token.text);
    while (p->lex.token.kind != ')') {
        if (!read_param(p, f)) return false;
        if (p->lex.token.kind != ',') break;
        lex_next(&p->lex);
    }
    if (f->n_params > LOCALS_MAX)
        return parse_fail(p, f->params[LOCALS_MAX].text, "a function has at most %d names",
                          LOCALS_MAX);
    return expect(p, ')', "\",\" or \")\"");
}

static size_t indentation(const struct parser *p, const char *at) {
    const char *line = at;
    while (line > p->lex.begin && line[-1] != '\n') line--;
    size_t n = 0;
    while (line + n < at && (line[n] == ' ' || line[n] == '\t')) n++;
    return n;
}

static bool at_line_end(const struct token *t) {
    return t->kind == TOKEN_END || (t->kind == TOKEN_SEPARATOR && *t->text == '\n');
}

static int64_t sum_within(int64_t a, int64_t b) { return a > INT64_MAX - b ? INT64_MAX : a + b; }

static bool is_def(const struct token *t) { return t->kind == TOKEN_NAME && same(t, "def", 3); }

/* Goes past the tokens of one line; calls of functions known by now are counted, but not those of a
 * function within, which happen when that is called. */
static bool skip_line(struct parser *p, struct function *f, bool within) {
    const struct token *t = &p->lex.token;
    while (!at_line_end(t)) {
        const struct function *callee = NULL;
        if (t->kind == TOKEN_NAME && lex_peek(&p->lex) == '(' && !within)
            callee = function_find(p, t->text, t->length);
        if (callee) f->calls = sum_within(f->calls, callee->calls);
        lex_next(&p->lex);
        if (is_def(t))
            return parse_fail(p, t->text,
                              "a function inside of another begins on a line of its own");
    }
    return true;
}

/* The rest of the line, or the lines below that are indented by as much as the first of them and by
 * more than the `def`; those of functions within are indented by more. */
static bool skip_body(struct parser *p, struct function *f) {
    const struct token *t = &p->lex.token;
    f->begin = t->text;
    if (!at_line_end(t)) {
        if (is_def(t))
            return parse_fail(p, t->text,
                              "a function inside of another begins on a line of its own");
        if (!skip_line(p, f, false)) return false;
        f->end = t->text;
        return true;
    }
    const size_t outer = indentation(p, f->defined_at);
    size_t inner = 0;
    bool within = false;
    for (;;) {
        struct lexer before = p->lex;
        while (t->kind == TOKEN_SEPARATOR) lex_next(&p->lex);
        const size_t n = t->kind == TOKEN_END ? 0 : indentation(p, t->text);
        if (t->kind == TOKEN_END || n <= outer) {
            if (!inner) return parse_expected(p, "an indented block");
            p->lex = before;
            f->end = before.token.text;
            return true;
        }
        if (!inner) inner = n;
        if (n == inner) within = is_def(t);
        if (n < inner || (n > inner && !within))
            return parse_fail(p, t->text, "the lines of a function are indented alike");
        if (!skip_line(p, f, within)) return false;
    }
}

/* Reads a body for its syntax, so that what is wrong in it is said although it may never be called. */
static bool check_body(struct parser *p, const struct function *f) {
    const struct lexer after = p->lex;
    const struct function *inlined = p->inlined;
    const bool dry = p->dry;
    struct value v;
    if (!parse_deeper(p, f->defined_at)) return false;
    p->inlined = f;
    p->dry = true;
    p->lex = (struct lexer){.begin = after.begin, .at = f->begin, .end = f->end};
    lex_next(&p->lex);
    if (!parse_body(p, &v)) return false;
    p->depth--;
    p->inlined = inlined;
    p->dry = dry;
    p->lex = after;
    return true;
}

bool function_add(struct parser *p, struct function *f, const struct token *name) {
    const struct value none = value_none();
    if (p->dry) return true;
    if (p->inlined) return local_define(p, name, &none, f);
    const struct name *first = names_find(&p->b->names, f->name, name->length);
    const struct function *other = function_find(p, f->name, name->length);
    if (first || other) return parse_duplicate(p, name, first);
    bool added;
    void *list = p->function;
    if (!parse_reserve(p, &list, p->functions.n, &p->function_capacity, sizeof(struct function *)))
        return false;
    p->function = list;
    struct name *entry = names_add(&p->functions, f->name, name->length, &added);
    if (!entry) return build_fail_memory(p->b) || parse_failed_at(p, name->text);
    entry->place = (uint32_t)(name->text - p->lex.begin);
    entry->value = value_int(p->functions.n - 1);
    p->function[p->functions.n - 1] = f;
    return true;
}

bool function_define(struct parser *p) {
    struct function *f = arena_alloc(p->b->arena, sizeof *f);
    struct token name;
    if (!f) return build_fail_memory(p->b) || parse_failed_at(p, p->lex.token.text);
    *f = (struct function){.defined_at = p->lex.token.text, .calls = 1, .scope = p->frame};
    lex_next(&p->lex);
    if (!read_name(p, "a function", &name) || !read_params(p, f) || !expect(p, ':', "\":\""))
        return false;
    f->name = arena_copy_text(p->b->arena, name.text, name.length);
    if (!f->name) return build_fail_memory(p->b) || parse_failed_at(p, name.text);
    if (!skip_body(p, f)) return false;
    if (!tape_walk(&p->b->tape, f->end - f->begin)) return parse_failed_at(p, name.text);
    /* One inside of another was read when that was defined. */
    if ((!p->inlined || p->dry) && !check_body(p, f)) return false;
    return function_add(p, f, &name);
}

/* ---- calls ------------------------------------------------------------------------------------- */

/* "x, y, z", as much of it as fits. */
static const char *parameter_list(const struct function *f, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < f->n_params && at < size; i++) {
        at += (size_t)snprintf(text + at, size - at, "%s%.*s", i ? ", " : "",
                               (int)f->params[i].length, f->params[i].text);
    }
    return text;
}

static bool fail_argument(struct parser *p, const struct function *f, const struct argument *a,
                          size_t n) {
    char list[200];
    if (!a->name) {
        error_set(p->b->error, ERROR_INVALID_ARGUMENT, "%s takes %zu argument%s, found %zu",
                  f->name, f->n_params, f->n_params == 1 ? "" : "s", n);
    } else if (f->n_params) {
        error_set(p->b->error, ERROR_INVALID_ARGUMENT,
                  "%s: unknown argument \"%.60s\"; it takes %s", f->name, a->name,
                  parameter_list(f, list, sizeof list));
    } else {
        error_set(p->b->error, ERROR_INVALID_ARGUMENT,
                  "%s: unknown argument \"%.60s\"; it takes none", f->name, a->name);
    }
    return parse_failed_at(p, a->at);
}

static bool is_param(const struct param *param, const char *name, size_t length) {
    return param->length == length && memcmp(param->text, name, length) == 0;
}

/* bound[i] is the argument for the i-th parameter. */
static bool bind(struct parser *p, const struct function *f, const char *at,
                 const struct argument *args, size_t n, const struct value **bound) {
    memset(bound, 0, LOCALS_MAX * sizeof(const struct value *));
    for (size_t i = 0; i < n; i++) {
        size_t k = i;
        if (args[i].name) {
            const size_t length = strlen(args[i].name);
            for (k = 0; k < f->n_params && !is_param(&f->params[k], args[i].name, length);) k++;
        }
        if (k >= f->n_params) return fail_argument(p, f, &args[i], n);
        if (bound[k]) {
            error_set(p->b->error, ERROR_INVALID_ARGUMENT, "%s: argument \"%.60s\" is given twice",
                      f->name, args[i].name);
            return parse_failed_at(p, args[i].at);
        }
        bound[k] = &args[i].value;
    }
    for (size_t k = 0; k < f->n_params; k++) {
        if (!bound[k] && f->params[k].optional) bound[k] = &f->params[k].preset;
        if (bound[k]) continue;
        error_set(p->b->error, ERROR_INVALID_ARGUMENT, "%s: argument \"%.*s\" is missing", f->name,
                  (int)(f->params[k].length > 60 ? 60 : f->params[k].length), f->params[k].text);
        return parse_failed_at(p, at);
    }
    return true;
}

/* A call costs a node at least, and a visit for each byte that is read again: short texts can call
 * often what computes nothing. */
static bool account(struct parser *p, const struct function *f, const char *at) {
    const int64_t most = p->b->limits->max_nodes;
    if (p->n_calls + p->b->tape.count > most - (f->calls < most ? f->calls : most)) {
        error_set(p->b->error, ERROR_GRAPH_TOO_LARGE,
                  "the graph has more than the %" PRId64
                  " nodes a graph may have, each call of a function counting as one",
                  most);
        return parse_failed_at(p, at);
    }
    p->n_calls++;
    return tape_walk(&p->b->tape, f->end - f->begin) || parse_failed_at(p, at);
}

/* The value of f's body with its parameters bound; the names are of the innermost frame. */
static bool inline_body(struct parser *p, const struct function *f,
                        const struct value *const *bound, struct value *out) {
    p->inlined = f;
    p->depth++;
    for (size_t i = 0; i < f->n_params; i++) {
        const struct token name = {.text = f->params[i].text, .length = f->params[i].length};
        assert(bound[i]); /* bind refuses a call that leaves one out */
        if (!local_define(p, &name, bound[i], NULL)) return false;
    }
    p->lex = (struct lexer){.begin = p->lex.begin, .at = f->begin, .end = f->end};
    lex_next(&p->lex);
    return parse_body(p, out);
}

bool function_call(struct parser *p, struct function *f, const char *at,
                   const struct argument *args, size_t n, struct value *out) {
    const struct value *bound[LOCALS_MAX];
    if (f->active) {
        error_set(p->b->error, ERROR_INVALID_ARGUMENT,
                  "%s calls itself: functions are inlined, so there is no recursion", f->name);
        return parse_failed_at(p, at);
    }
    if (!bind(p, f, at, args, n, bound) || !account(p, f, at)) return false;
    f->active = true;
    if (f->rule) {
        const bool done = custom_call(p, f, at, bound, out);
        f->active = false;
        return done;
    }
    const struct lexer lex = p->lex;
    const char *statement = p->statement, *statement_at = p->statement_at;
    const struct function *inlined = p->inlined;
    struct frame *caller = p->frame, own = {.first = p->n_locals, .outer = f->scope};
    if (caller) caller->end = p->n_locals;
    p->frame = &own;
    const bool done = inline_body(p, f, bound, out);
    p->frame = caller;
    if (!done) return false;
    f->active = false;
    p->depth--;
    p->inlined = inlined;
    p->n_locals = own.first;
    p->statement = statement;
    p->statement_at = statement_at;
    p->lex = lex;
    return true;
}
