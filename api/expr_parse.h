/* What the files of the parser share: its state and how it says where something is wrong. */
#ifndef GRADD_API_EXPR_PARSE_H
#define GRADD_API_EXPR_PARSE_H

#include "api/build.h"
#include "api/expr_lex.h"

/* An operator that waits for its right side: factors and choices group from the right. */
struct pending {
    int tag; /* OP_negative, OP_pow or OP_where */
    const char *at, *x_at, *right_at;
    struct value x, condition;
};

struct parser {
    struct builder *b;
    struct lexer lex;
    int64_t depth;
    bool from_query;
    const char *statement; /* the name that is being defined, or NULL */
    const char *statement_at;
    struct argument *stack; /* arguments and items read so far */
    size_t n_stack, stack_capacity;
    struct pending *pending;
    size_t n_pending, pending_capacity;
};

/* All of these record a failure or its place, and return false. */
bool parse_fail(struct parser *p, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool parse_expected(struct parser *p, const char *what);
bool parse_failed_at(struct parser *p, const char *at);

bool parse_number(struct parser *p, struct value *out);
bool parse_lookup(struct parser *p, struct value *out); /* the name that is the current token */

bool parse_expression(struct parser *p, struct value *out);

#endif
