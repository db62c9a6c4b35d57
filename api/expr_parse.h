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
    struct names functions; /* what the graph defined; a value is the index in `function` */
    struct function **function;
    size_t function_capacity;
    const struct function *inlined; /* whose body is being read, or NULL */
    struct local *locals;           /* of all functions that are being inlined */
    size_t n_locals, locals_capacity;
    struct frame *frame; /* which of them are of the innermost one, or NULL */
    int64_t n_calls;     /* of functions, so far */
    bool dry;            /* a body is read for its syntax alone: nothing is looked up or emitted */
};

/* All of these record a failure or its place, and return false. */
bool parse_fail(struct parser *p, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool parse_expected(struct parser *p, const char *what);
bool parse_failed_at(struct parser *p, const char *at);

bool parse_number(struct parser *p, struct value *out);
bool parse_lookup(struct parser *p, struct value *out); /* the name that is the current token */

bool parse_expression(struct parser *p, struct value *out);

/* Go past an opening bracket, one level deeper, and past the closing one. `parse_deeper` counts a level
 * that has no bracket. */
bool parse_open(struct parser *p);
bool parse_close(struct parser *p, int kind, const char *expected);
bool parse_deeper(struct parser *p, const char *at);

/* Doubles an array in the arena where it is full. */
bool parse_reserve(struct parser *p, void **array, size_t n, size_t *capacity, size_t size);

/* A name is defined again; `first` is the first, or NULL where that is a function. */
bool parse_duplicate(struct parser *p, const struct token *t, const struct name *first);

#endif
