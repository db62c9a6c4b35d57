/* Tokens of the expression language. */
#ifndef GRADD_API_EXPR_LEX_H
#define GRADD_API_EXPR_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A token of one character is that character. */
enum token_kind {
    TOKEN_END = 256,
    TOKEN_SEPARATOR, /* a newline outside of brackets, or ; */
    TOKEN_NUMBER,
    TOKEN_NAME, /* dots included: tf.math.exp */
    TOKEN_STRING,
    TOKEN_POWER,    /* ** */
    TOKEN_FLOORDIV, /* // */
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER_EQUAL,
    TOKEN_EQUAL, /* == */
    TOKEN_NOT_EQUAL,
    TOKEN_ELLIPSIS,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_IF,
    TOKEN_ELSE,
    TOKEN_UNKNOWN /* no token begins so; its text is one character, or a string without an end */
};

struct token {
    int kind;
    const char *text;
    size_t length;
    bool spaced; /* white space stands before it */
};

struct lexer {
    const char *begin, *at, *end;
    int brackets;       /* open ones; newlines inside of brackets are space */
    struct token token; /* the current one */
};

/* At the first token. The text ends with NUL at text[length]. */
void lex_init(struct lexer *l, const char *text, size_t length);
void lex_next(struct lexer *l);

/* The first character after the current token and the white space behind it. */
char lex_peek(const struct lexer *l);

/* True where the character after the current token's white space is a `=` that is no `==`. */
bool lex_assigns(const struct lexer *l);

#endif
