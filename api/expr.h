/* The expression language: text to tape. Grammar, from loosest to tightest, as in Python:
 *
 *   graph       = [statement] {(newline | ";") [statement]}
 *   statement   = name {"," name} "=" items | items (as the last one only) | function
 *               | name "=" rule
 *   function    = "def" name "(" [parameter {"," parameter}] ")" ":" body
 *   parameter   = name ["=" expression]
 *   body        = one line or an indented block of assignments and functions, then "return" items
 *   rule        = "custom_gradient" "(" callee "," callee ")"
 *   callee      = name | rule
 *   items       = expression {"," expression} [","]
 *   expression  = or {"if" or "else" or}
 *   or          = and {"or" and};  and = not {"and" not};  not = {"not"} comparison
 *   comparison  = sum {("<" | "<=" | ">" | ">=" | "==" | "!=") sum}
 *   sum         = term {("+" | "-") term};  term = factor {("*" | "/" | "//" | "%" | "@") factor}
 *   factor      = {"+" | "-"} postfix ["**" factor]
 *   postfix     = primary {"[" subscripts "]"}
 *   primary     = number | string | name | callee "(" arguments ")" | "(" items ")" | "[" items "]"
 *
 * Only brackets and functions nest in the parser, and their depth is limited; every chain is a loop. */
#ifndef GRADD_API_EXPR_H
#define GRADD_API_EXPR_H

#include "api/build.h"

/* Appends the graph that text[0..length), NUL-terminated, says. `*last` is what its last statement
 * is worth. `from_query` is true where the text came in a URL, whose "+" are easily lost. */
bool expr_build(struct builder *b, const char *text, size_t length, bool from_query,
                struct value *last);

/* Reads "0, 1:3, ..., None", what stands between the brackets of an index; at most INDEX_ITEMS_MAX. */
bool expr_subscript(struct builder *b, const char *text, struct index_item *items, size_t *n);

/* True for what is a name: [A-Za-z_][A-Za-z0-9_]*, but neither NaN nor Infinity, which are numbers
 * in JSON strings. */
bool expr_is_name(const char *text);

#endif
