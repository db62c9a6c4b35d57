/* Text to tokens, on demand and without copying. The grammar is the parser's business. */
#include "api/expr_lex.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool in_name(char c) { return starts_name(c) || is_digit(c); }

/* White space, comments, a backslash before the end of a line; newlines too inside of brackets. */
static const char *skip_space(const struct lexer *l, const char *at) {
    for (;;) {
        switch (*at) {
        case ' ':
        case '\t':
        case '\r':
        case '\f':
            at++;
            break;
        case '\n':
            if (l->brackets <= 0) return at;
            at++;
            break;
        case '#':
            while (at < l->end && *at != '\n') at++;
            break;
        case '\\':
            if (at[1] == '\n')
                at += 2;
            else if (at[1] == '\r' && at[2] == '\n')
                at += 3;
            else
                return at;
            break;
        default:
            return at;
        }
    }
}

/* Python's number, its end at the first character that cannot belong to it. */
static const char *number_end(const char *at) {
    while (is_digit(*at) || *at == '_') at++;
    if (*at == '.') {
        at++;
        while (is_digit(*at) || *at == '_') at++;
    }
    if (*at == 'e' || *at == 'E') {
        const char *exponent = at + 1;
        if (*exponent == '+' || *exponent == '-') exponent++;
        if (is_digit(*exponent)) {
            at = exponent;
            while (is_digit(*at) || *at == '_') at++;
        }
    }
    return at;
}

static const char *name_end(const char *at) {
    for (;;) {
        while (in_name(*at)) at++;
        if (*at != '.' || !starts_name(at[1])) return at;
        at++;
    }
}

static int word(const char *text, size_t n) {
    if (n == 2 && memcmp(text, "or", 2) == 0) return TOKEN_OR;
    if (n == 2 && memcmp(text, "if", 2) == 0) return TOKEN_IF;
    if (n == 3 && memcmp(text, "and", 3) == 0) return TOKEN_AND;
    if (n == 3 && memcmp(text, "not", 3) == 0) return TOKEN_NOT;
    if (n == 4 && memcmp(text, "else", 4) == 0) return TOKEN_ELSE;
    return TOKEN_NAME;
}

static const char *string_end(const char *at) {
    const char quote = *at++;
    while (*at && *at != quote && *at != '\n' && *at != '\\') at++;
    return *at == quote ? at + 1 : NULL;
}

/* The length of one character of UTF-8, 1 where it is none. */
static size_t character_length(const char *at) {
    size_t n = 1;
    if ((unsigned char)*at < 0xC0) return 1;
    while (n < 4 && ((unsigned char)at[n] & 0xC0) == 0x80) n++;
    return n;
}

static int pair(struct token *t, int kind) {
    t->length = 2;
    return kind;
}

static int operator_kind(struct lexer *l, const char *at, struct token *t) {
    t->length = 1;
    switch (*at) {
    case '*':
        return at[1] == '*' ? pair(t, TOKEN_POWER) : '*';
    case '/':
        return at[1] == '/' ? pair(t, TOKEN_FLOORDIV) : '/';
    case '<':
        return at[1] == '=' ? pair(t, TOKEN_LESS_EQUAL) : '<';
    case '>':
        return at[1] == '=' ? pair(t, TOKEN_GREATER_EQUAL) : '>';
    case '=':
        return at[1] == '=' ? pair(t, TOKEN_EQUAL) : '=';
    case '!':
        return at[1] == '=' ? pair(t, TOKEN_NOT_EQUAL) : TOKEN_UNKNOWN;
    case '.':
        if (at[1] != '.' || at[2] != '.') return '.';
        t->length = 3;
        return TOKEN_ELLIPSIS;
    case '(':
    case '[':
        l->brackets++;
        return *at;
    case ')':
    case ']':
        l->brackets--;
        return *at;
    case '+':
    case '-':
    case '%':
    case '@':
    case ',':
    case ':':
        return *at;
    case ';':
    case '\n':
        return TOKEN_SEPARATOR;
    default:
        t->length = character_length(at);
        return TOKEN_UNKNOWN;
    }
}

void lex_next(struct lexer *l) {
    const char *at = skip_space(l, l->at), *stop;
    struct token *t = &l->token;
    t->spaced = at != l->at;
    t->text = at;
    if (at >= l->end) {
        t->kind = TOKEN_END;
        t->length = 0;
        l->at = l->end;
        return;
    }
    if (starts_name(*at)) {
        t->length = (size_t)(name_end(at) - at);
        t->kind = word(at, t->length);
    } else if (is_digit(*at) || (*at == '.' && is_digit(at[1]))) {
        t->length = (size_t)(number_end(at) - at);
        t->kind = TOKEN_NUMBER;
    } else if (*at == '\'' || *at == '"') {
        stop = string_end(at);
        t->kind = stop ? TOKEN_STRING : TOKEN_UNKNOWN;
        t->length = stop ? (size_t)(stop - at) : 1;
    } else {
        t->kind = operator_kind(l, at, t);
    }
    l->at = at + t->length;
}

void lex_init(struct lexer *l, const char *text, size_t length) {
    *l = (struct lexer){.begin = text, .at = text, .end = text + length};
    lex_next(l);
}

char lex_peek(const struct lexer *l) { return *skip_space(l, l->at); }

bool lex_assigns(const struct lexer *l) {
    const char *at = skip_space(l, l->at);
    return at[0] == '=' && at[1] != '=';
}
