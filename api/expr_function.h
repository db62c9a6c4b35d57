/* Functions of the expression language: defined as a span of the text, inlined at each call. */
#ifndef GRADD_API_EXPR_FUNCTION_H
#define GRADD_API_EXPR_FUNCTION_H

#include "api/expr_parse.h"

enum { LOCALS_MAX = 64 }; /* names of one function, parameters included */

struct local {
    const char *text; /* in the graph's text */
    size_t length;
    struct value value;
    struct function *function; /* that the name stands for; else NULL */
};

/* The names of one function that is being inlined: locals[first .. end), up to the last one where it is
 * the innermost. `outer` is that of the function around its definition. */
struct frame {
    size_t first, end;
    struct frame *outer;
};

struct param {
    const char *text;
    size_t length;
    bool optional;
    struct value preset; /* where it is optional, computed at the definition */
};

struct function {
    const char *name; /* NUL-terminated */
    const char *defined_at;
    const char *begin, *end; /* its body, from after the colon */
    struct param *params;
    size_t n_params;
    int64_t calls;                  /* that one call makes, itself included */
    bool active;                    /* it is being inlined */
    struct frame *scope;            /* where it is defined; NULL outside of functions */
    struct function *primal, *rule; /* of custom_gradient: f and f_grad; else NULL */
};

/* The function that `name` stands for where the parser is, or NULL. */
struct function *function_find(const struct parser *p, const char *name, size_t length);

/* Reads `def name(parameters): body`, the current token being `def`. */
bool function_define(struct parser *p);

/* Inlines a call written at `at`; `args` are copied before the body is read. */
bool function_call(struct parser *p, struct function *f, const char *at,
                   const struct argument *args, size_t n, struct value *out);

bool function_add(struct parser *p, struct function *f, const struct token *name);

/* True where the statement, an assignment to one name, is name = custom_gradient(...) and no more. */
bool custom_starts(const struct parser *p);
bool custom_is(const struct token *name); /* it is `custom_gradient` */
/* Reads (f, f_grad) behind it as a function, written at `at` and without a name. */
bool custom_read(struct parser *p, const char *at, struct function **out);
/* False, with a failure, where the function that was read is not called. */
bool custom_called(struct parser *p, const struct token *name);
/* A call of a function with a rule; bound[i] is its i-th argument. */
bool custom_call(struct parser *p, const struct function *f, const char *at,
                 const struct value *const *bound, struct value *out);

/* A name of the function that is being inlined, or of those around its definition. */
const struct local *local_find(const struct parser *p, const char *name, size_t length);
/* `function` is NULL, or what the name stands for in place of `v`. */
bool local_define(struct parser *p, const struct token *name, const struct value *v,
                  struct function *function);

/* The statements of a body, up to the value of its `return`: expr.c's. */
bool parse_body(struct parser *p, struct value *out);

#endif
