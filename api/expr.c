/* Statements: `name = expression`, unpacking, and which statement comes last. Expressions are
 * expr_parse.c's business. */
#include "api/expr.h"

#include <inttypes.h>
#include <string.h>

#include "api/expr_function.h"
#include "api/place.h"

bool expr_is_name(const char *text) {
    if (*text >= '0' && *text <= '9') return false;
    const char *at = text;
    while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
           *at == '_')
        at++;
    return at > text && *at == '\0' && strcmp(text, "NaN") != 0 && strcmp(text, "Infinity") != 0;
}

bool parse_duplicate(struct parser *p, const struct token *t, const struct name *first) {
    p->statement = NULL;
    if (!first) first = names_find(&p->functions, t->text, t->length);
    if (first->place >= PLACE_TENSOR) {
        return build_fail_bound(p->b, first) || parse_failed_at(p, t->text);
    }
    uint32_t line, column;
    text_place(p->lex.begin, first->place, &line, &column);
    error_set(p->b->error, ERROR_DUPLICATE_NAME,
              "\"%.80s\" is assigned twice; it was assigned first in line %" PRIu32, first->text,
              line);
    return parse_failed_at(p, t->text);
}

static bool define(struct parser *p, const struct token *t, const char *name,
                   const struct value *v) {
    bool added;
    if (p->dry) return true;
    if (p->inlined) return local_define(p, t, v, NULL);
    if (function_find(p, t->text, t->length)) return parse_duplicate(p, t, NULL);
    struct name *entry = names_add(&p->b->names, name, t->length, &added);
    if (!entry) return build_fail_memory(p->b) || parse_failed_at(p, t->text);
    if (!added && entry->place != PLACE_TENSOR) return parse_duplicate(p, t, entry);
    entry->place = (uint32_t)(t->text - p->lex.begin);
    entry->value = *v;
    return true;
}

/* The number of names left of a `=`, 0 where the statement is no assignment. */
static size_t count_targets(struct lexer l) {
    for (size_t n = 1; l.token.kind == TOKEN_NAME; n++) {
        if (lex_assigns(&l)) return n;
        lex_next(&l);
        if (l.token.kind != ',') return 0;
        lex_next(&l);
    }
    return 0;
}

static bool read_target(struct parser *p, struct token *t, const char **name) {
    static const char *const fixed[] = {"True", "False", "None", "def"};
    *t = p->lex.token;
    *name = arena_copy_text(p->b->arena, t->text, t->length);
    if (!*name) return build_fail_memory(p->b) || parse_failed_at(p, t->text);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(*name, fixed[i]) == 0)
            return parse_fail(p, t->text, "\"%s\" cannot be assigned to", *name);
    }
    if (!expr_is_name(*name)) {
        return parse_fail(p, t->text,
                          "only names can be assigned, of letters, digits and _; found \"%.40s\"",
                          *name);
    }
    lex_next(&p->lex);
    lex_next(&p->lex); /* the comma or = behind it */
    return true;
}

/* Expressions with commas between them are a tuple, which is a list here. */
static bool parse_tuple(struct parser *p, struct value *out) {
    if (!parse_expression(p, out)) return false;
    if (p->lex.token.kind != ',') return true;
    size_t n = 1, capacity = 16;
    struct value *items = arena_alloc(p->b->arena, capacity * sizeof *items);
    if (!items) return build_fail_memory(p->b);
    items[0] = *out;
    while (p->lex.token.kind == ',') {
        lex_next(&p->lex);
        if (p->lex.token.kind == TOKEN_SEPARATOR || p->lex.token.kind == TOKEN_END) break;
        if (n == capacity) {
            struct value *more = arena_alloc(p->b->arena, 2 * capacity * sizeof *more);
            if (!more) return build_fail_memory(p->b);
            memcpy(more, items, n * sizeof *more);
            items = more;
            capacity *= 2;
        }
        if (!parse_expression(p, &items[n++])) return false;
    }
    return p->dry || build_list(p->b, items, n, out);
}

static bool end_statement(struct parser *p) {
    const int kind = p->lex.token.kind;
    if (kind == TOKEN_SEPARATOR || kind == TOKEN_END) return true;
    if (kind == '=') {
        return parse_fail(p, p->statement_at, "only names can be assigned");
    }
    return parse_expected(p, "an operator or the end of the statement");
}

static bool assign_one(struct parser *p, struct value *out) {
    struct token t;
    const char *name;
    if (!read_target(p, &t, &name)) return false;
    p->statement = name;
    return parse_tuple(p, out) && end_statement(p) && define(p, &t, name, out);
}

static bool assign_many(struct parser *p, size_t n, struct value *out) {
    struct token *targets = arena_alloc(p->b->arena, n * sizeof *targets);
    const char **names = arena_alloc(p->b->arena, n * sizeof *names);
    struct value *values = arena_alloc(p->b->arena, n * sizeof *values);
    if (!targets || !names || !values) return build_fail_memory(p->b);
    for (size_t i = 0; i < n; i++) {
        if (!read_target(p, &targets[i], &names[i])) return false;
    }
    p->statement = names[0];
    struct value v;
    if (!parse_tuple(p, &v) || !end_statement(p)) return false;
    p->statement = NULL;
    if (p->dry) return true;
    if (!build_unpack(p->b, &v, n, values)) return parse_failed_at(p, targets[0].text);
    for (size_t i = 0; i < n; i++) {
        if (!define(p, &targets[i], names[i], &values[i])) return false;
    }
    if (!build_list(p->b, values, n, out)) return false;
    return out->results = true;
}

static void skip_separators(struct parser *p) {
    while (p->lex.token.kind == TOKEN_SEPARATOR) lex_next(&p->lex);
}

static bool is_word(const struct token *t, const char *word) {
    return t->kind == TOKEN_NAME && t->length == strlen(word) &&
           memcmp(t->text, word, t->length) == 0;
}

static bool bare_statement(struct parser *p, struct value *out) {
    const struct token *t = &p->lex.token;
    const char *at = t->text;
    if (!parse_tuple(p, out) || !end_statement(p)) return false;
    skip_separators(p);
    if (t->kind == TOKEN_END) return true;
    return parse_fail(p, at, "only the last statement may be without a name; write \"name = ...\"");
}

/* name = custom_gradient(f, f_grad) */
static bool derive(struct parser *p) {
    struct token t;
    const char *name;
    struct function *f;
    if (!read_target(p, &t, &name)) return false;
    lex_next(&p->lex);
    if (!custom_read(p, t.text, &f) || !end_statement(p)) return false;
    f->name = name;
    return function_add(p, f, &t);
}

/* A statement that defines a function, where it is one. */
static bool define_function(struct parser *p, size_t targets, bool *defines) {
    const bool derives = targets == 1 && custom_starts(p);
    *defines = derives || (targets == 0 && is_word(&p->lex.token, "def"));
    return !*defines || (derives ? derive(p) : function_define(p));
}

static bool parse_graph(struct parser *p, struct value *last) {
    bool any = false;
    skip_separators(p);
    while (p->lex.token.kind != TOKEN_END) {
        const size_t targets = count_targets(p->lex);
        bool defines;
        p->statement = NULL;
        p->statement_at = p->lex.token.text;
        if (!define_function(p, targets, &defines)) return false;
        if (defines) {
            /* it is worth nothing by itself */
        } else if (targets == 0) {
            if (!bare_statement(p, last)) return false;
        } else if (targets == 1 ? !assign_one(p, last) : !assign_many(p, targets, last)) {
            return false;
        }
        any = any || !defines;
        skip_separators(p);
    }
    return any || parse_expected(p, "a statement");
}

bool parse_body(struct parser *p, struct value *out) {
    const struct token *t = &p->lex.token;
    for (;;) {
        skip_separators(p);
        p->statement = NULL;
        p->statement_at = t->text;
        if (t->kind == TOKEN_END)
            return parse_fail(p, t->text, "%s ends without \"return\"", p->inlined->name);
        const size_t targets = count_targets(p->lex);
        bool defines;
        if (!define_function(p, targets, &defines)) return false;
        if (defines) continue;
        if (targets == 0) break;
        if (targets == 1 ? !assign_one(p, out) : !assign_many(p, targets, out)) return false;
    }
    if (!is_word(t, "return")) {
        return parse_fail(p, t->text,
                          "a function's statements are \"name = ...\" and, as the last, \"return "
                          "...\"");
    }
    lex_next(&p->lex);
    if (!parse_tuple(p, out) || !end_statement(p)) return false;
    skip_separators(p);
    out->results = out->kind == VALUE_LIST;
    if (t->kind == TOKEN_END) return true;
    return parse_fail(p, t->text,
                      "\"return\" is the last statement of a function; what follows it begins on a "
                      "line of its own, not indented");
}

bool expr_build(struct builder *b, const char *text, size_t length, bool from_query,
                struct value *last) {
    struct parser p = {.b = b, .from_query = from_query, .statement_at = text};
    if (length >= PLACE_TENSOR) {
        return error_set(b->error, ERROR_GRAPH_TOO_LARGE, "a graph's text has at most %u bytes",
                         PLACE_TENSOR - 1);
    }
    names_init(&p.functions, b->arena, b->names.seed);
    lex_init(&p.lex, text, length);
    if (parse_graph(&p, last)) return true;
    return parse_failed_at(&p, p.lex.token.text);
}
