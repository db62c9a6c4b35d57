/* The parser's leaves, numbers and names, and its failures: each with line, column, what was
 * expected and what was found. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/expr_function.h"
#include "api/place.h"
#include "core/numbers.h"

enum { SHOWN_MAX = 40 };

bool parse_failed_at(struct parser *p, const char *at) {
    struct error *e = p->b->error;
    if (!e->line) text_place(p->lex.begin, (size_t)(at - p->lex.begin), &e->line, &e->column);
    if (p->statement && !e->node[0]) snprintf(e->node, sizeof e->node, "%s", p->statement);
    return false;
}

bool parse_fail(struct parser *p, const char *at, const char *format, ...) {
    char detail[sizeof p->b->error->detail - 64];
    uint32_t line, column;
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    text_place(p->lex.begin, (size_t)(at - p->lex.begin), &line, &column);
    error_set(p->b->error, ERROR_SYNTAX_ERROR, "line %" PRIu32 ", column %" PRIu32 ": %s", line,
              column, detail);
    p->statement = NULL; /* what does not parse has no name yet */
    return parse_failed_at(p, at);
}

/* At most SHOWN_MAX bytes, whole characters only. */
static int shown_length(const struct token *t) {
    size_t n = t->length;
    if (n > SHOWN_MAX) {
        n = SHOWN_MAX;
        while (n > 0 && ((unsigned char)t->text[n] & 0xC0) == 0x80) n--;
    }
    return (int)n;
}

/* What other languages write so. */
static const struct {
    char sign;
    const char *instead;
} foreign[] = {
    {'^', "a power is written **"},
    {'&', "the logical one is written \"and\""},
    {'|', "the logical one is written \"or\""},
    {'!', "the logical one is written \"not\""},
    {'?', "a choice is written \"a if c else b\""},
    {'$', "a name has no sign before it"},
};

static bool fail_unknown(struct parser *p, const struct token *t) {
    const unsigned char first = (unsigned char)*t->text;
    if (first == '"' || first == '\'') return parse_fail(p, t->text, "a string that does not end");
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (first == (unsigned char)foreign[i].sign)
            return parse_fail(p, t->text, "\"%c\" is no operator; %s", first, foreign[i].instead);
    if (t->length == 1 && (first < ' ' || first >= 0x7F))
        return parse_fail(p, t->text, "unexpected byte 0x%02X", first);
    return parse_fail(p, t->text, "unexpected character \"%.*s\"", (int)t->length, t->text);
}

static bool starts_operand(const struct token *t) {
    return t->kind == TOKEN_NUMBER || t->kind == TOKEN_NAME || t->kind == '(' || t->kind == '[';
}

bool parse_expected(struct parser *p, const char *what) {
    const struct token *t = &p->lex.token;
    if (t->kind == TOKEN_UNKNOWN) return fail_unknown(p, t);
    if (*t->text == '\n')
        return parse_fail(p, t->text, "expected %s, found the end of the line", what);
    if (t->kind == TOKEN_END)
        return parse_fail(p, t->text, "expected %s, found the end of the text", what);
    const bool lost_plus = p->from_query && t->spaced && starts_operand(t);
    return parse_fail(p, t->text, "expected %s, found \"%.*s\"%s", what, shown_length(t), t->text,
                      lost_plus ? "; in an address a + is written %2B" : "");
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Rewrites Python's forms (1_000, .5, 1., 007.5) as JSON's, which the number reader knows. */
static bool plain_number(struct parser *p, char *out, size_t *n_out, bool *integral) {
    const struct token *t = &p->lex.token;
    size_t n = 0;
    *integral = true;
    for (size_t i = 0; i < t->length; i++) {
        const char c = t->text[i];
        const bool after_digit = i > 0 && is_digit(t->text[i - 1]);
        const bool before_digit = i + 1 < t->length && is_digit(t->text[i + 1]);
        if (c == '_') {
            if (!after_digit || !before_digit) return false;
            continue;
        }
        if (!is_digit(c)) *integral = false;
        if (c == '.' && n == 0) out[n++] = '0';
        if (*integral && n == 1 && out[0] == '0') n = 0;
        out[n++] = c;
        if (c == '.' && !before_digit) out[n++] = '0';
    }
    *n_out = n;
    return true;
}

static bool long_number(struct parser *p, struct value *out) {
    const struct token *t = &p->lex.token;
    char *text = arena_alloc(p->b->arena, t->length + 3);
    const char *rest;
    size_t n;
    bool integral;
    if (!text) return build_fail_memory(p->b) || parse_failed_at(p, t->text);
    if (!plain_number(p, text, &n, &integral)) {
        return parse_fail(p, t->text, "\"%.*s\" is not a number", shown_length(t), t->text);
    }
    *out = (struct value){.kind = VALUE_INT};
    if (integral && number_parse_i64(text, text + n, &out->i, &rest) == NUMBER_OK) return true;
    *out = (struct value){.kind = VALUE_FLOAT};
    if (number_parse_f64(text, text + n, &out->f, &rest) != NUMBER_OK) {
        error_set(p->b->error, ERROR_INVALID_VALUE, "%.*s is out of range of %s", shown_length(t),
                  t->text, dtype_name(dtype_is_float(p->b->dtype) ? p->b->dtype : DTYPE_F64));
        return parse_failed_at(p, t->text);
    }
    if (number_parse_f32(text, text + n, &out->single, &rest) != NUMBER_OK)
        out->single = (float)INFINITY;
    return true;
}

bool parse_number(struct parser *p, struct value *out) {
    const struct token *t = &p->lex.token;
    const char *after = t->text + t->length;
    if ((*after >= 'a' && *after <= 'z') || (*after >= 'A' && *after <= 'Z') || *after == '_' ||
        *after == '.') {
        return parse_fail(
            p, after, "expected an operator or the end of the statement, found \"%.1s\"", after);
    }
    int64_t i = 0;
    size_t n = 0;
    while (n < t->length && n < 18 && is_digit(t->text[n])) i = 10 * i + (t->text[n++] - '0');
    *out = value_int(i);
    if (n < t->length && !long_number(p, out)) return false;
    lex_next(&p->lex);
    return true;
}

/* True where this statement or a later one assigns the name. */
static bool assigned_later(const struct parser *p, const struct token *name) {
    struct lexer l = p->lex;
    l.at = p->statement_at;
    l.brackets = 0;
    bool starts = true;
    for (lex_next(&l); l.token.kind != TOKEN_END; lex_next(&l)) {
        if (starts && l.token.kind == TOKEN_NAME && l.token.length == name->length &&
            memcmp(l.token.text, name->text, name->length) == 0 && lex_assigns(&l)) {
            return true;
        }
        starts = l.token.kind == TOKEN_SEPARATOR;
    }
    return false;
}

static bool is_python(const struct token *t) {
    static const char *const words[] = {"for",    "while", "lambda", "return", "import", "from",
                                        "class",  "in",    "is",     "with",   "yield",  "assert",
                                        "del",    "pass",  "break",  "try",    "except", "raise",
                                        "global", "async", "await",  "elif"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) == t->length && memcmp(words[i], t->text, t->length) == 0) return true;
    }
    return false;
}

static bool fail_name(struct parser *p, const struct token *t) {
    struct error *e = p->b->error;
    const char *dot = memchr(t->text, '.', t->length);
    const int n = shown_length(t);
    if (e->code != ERROR_UNBOUND_NAME) return parse_failed_at(p, t->text);
    if (function_find(p, t->text, t->length)) {
        error_clear(e);
        error_set(e, ERROR_UNBOUND_NAME, "\"%.*s\" is a function; it is called as %.*s(...)", n,
                  t->text, n, t->text);
        return parse_failed_at(p, t->text);
    }
    if (is_python(t)) {
        error_clear(e);
        return parse_fail(p, t->text, "\"%.*s\" is not in this language", n, t->text);
    }
    if (dot) {
        error_clear(e);
        return parse_fail(p, t->text,
                          "\"%.*s\": values have no attributes; functions are called as shape(x)",
                          n, t->text);
    }
    if (assigned_later(p, t)) {
        error_clear(e);
        error_set(e, ERROR_UNBOUND_NAME, "\"%.*s\" is used before it is assigned", n, t->text);
    }
    return parse_failed_at(p, t->text);
}

bool parse_lookup(struct parser *p, struct value *out) {
    const struct token t = p->lex.token;
    const struct local *local = p->dry ? NULL : local_find(p, t.text, t.length);
    if (p->dry)
        *out = value_none();
    else if (local && !local->function)
        *out = local->value;
    else if (!build_lookup(p->b, t.text, t.length, out))
        return fail_name(p, &t);
    lex_next(&p->lex);
    return true;
}
