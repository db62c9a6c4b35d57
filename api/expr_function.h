/* Functions of the expression language: defined as a span of the text, inlined at each call. */
#ifndef GRADD_API_EXPR_FUNCTION_H
#define GRADD_API_EXPR_FUNCTION_H

#include "api/expr_parse.h"

enum { LOCALS_MAX = 64 }; /* names of one function, parameters included */

struct local {
    const char *text; /* in the graph's text */
    size_t length;
    struct value value;
};

struct function {
    const char *name; /* NUL-terminated */
    const char *defined_at;
    const char *begin, *end; /* its body, from after the colon */
    const struct token *params;
    size_t n_params;
    int64_t calls;                  /* that one call makes, itself included */
    bool active;                    /* it is being inlined */
    struct function *primal, *rule; /* of custom_gradient: f and f_grad; else NULL */
};

/* The function that the graph has defined as `name`, or NULL. */
struct function *function_find(const struct parser *p, const char *name, size_t length);

/* Reads `def name(parameters): body`, the current token being `def`. */
bool function_define(struct parser *p);

/* Inlines a call written at `at`; `args` are copied before the body is read. */
bool function_call(struct parser *p, struct function *f, const char *at,
                   const struct argument *args, size_t n, struct value *out);

bool function_add(struct parser *p, struct function *f, const struct token *name);

/* True where the statement, an assignment to one name, is name = custom_gradient(...). */
bool custom_starts(const struct parser *p);
/* Reads custom_gradient(f, f_grad), the current token being `custom_gradient`. */
bool custom_define(struct parser *p, const struct token *name);
/* False, with a failure, where `name` is custom_gradient. */
bool custom_fail_place(struct parser *p, const struct token *name);
/* A call of a function with a rule; bound[i] is its i-th argument. */
bool custom_call(struct parser *p, const struct function *f, const char *at,
                 const struct value *const *bound, struct value *out);

/* A name of the function that is being inlined. */
const struct local *local_find(const struct parser *p, const char *name, size_t length);
bool local_define(struct parser *p, const struct token *name, const struct value *v);

/* The statements of a body, up to the value of its `return`: expr.c's. */
bool parse_body(struct parser *p, struct value *out);

#endif
