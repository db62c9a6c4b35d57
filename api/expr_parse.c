/* Expressions: a recursive descent that emits as it reads. Brackets recurse, down to a limit;
 * chains of operators are loops, so that a megabyte of x+x+... or -----x is no deeper than x. */
#include "api/expr_parse.h"

#include <inttypes.h>
#include <string.h>

#include "api/expr.h"
#include "api/expr_function.h"
#include "api/place.h"

bool parse_reserve(struct parser *p, void **array, size_t n, size_t *capacity, size_t size) {
    if (n < *capacity) return true;
    const size_t wanted = *capacity ? 2 * *capacity : 16;
    void *grown = arena_alloc(p->b->arena, wanted * size);
    if (!grown) return build_fail_memory(p->b) || parse_failed_at(p, p->lex.token.text);
    if (n) memcpy(grown, *array, n * size);
    *array = grown;
    *capacity = wanted;
    return true;
}

static bool push(struct parser *p, const char *name, const char *at, const char *value_at,
                 const struct value *v) {
    void *stack = p->stack;
    if (!parse_reserve(p, &stack, p->n_stack, &p->stack_capacity, sizeof *p->stack)) return false;
    p->stack = stack;
    p->stack[p->n_stack++] =
        (struct argument){.name = name, .at = at, .value_at = value_at, .value = *v};
    return true;
}

static struct pending *wait_for(struct parser *p, int tag, const char *at) {
    void *pending = p->pending;
    if (!parse_reserve(p, &pending, p->n_pending, &p->pending_capacity, sizeof *p->pending))
        return NULL;
    p->pending = pending;
    struct pending *last = &p->pending[p->n_pending++];
    last->tag = tag;
    last->at = at;
    return last;
}

/* `starts` says where the operands are written, `at` where the operator is. */
static bool apply(struct parser *p, int tag, const char *at, const struct value *args, size_t n,
                  const char *const *starts, struct value *out) {
    if (p->dry || build_operator(p->b, tag, args, n, out)) return true;
    for (size_t i = 0; i < n; i++) {
        if (p->b->blamed == &args[i]) at = starts[i];
    }
    return parse_failed_at(p, at);
}

static bool skip(struct parser *p, int kind, const char *what) {
    if (p->lex.token.kind != kind) return parse_expected(p, what);
    lex_next(&p->lex);
    return true;
}

/* What nests in the text recurses here, so it has a limit; nothing else does. */
bool parse_deeper(struct parser *p, const char *at) {
    const int64_t most = p->b->limits->max_expression_depth;
    if (p->depth++ < most) return true;
    uint32_t line, column;
    text_place(p->lex.begin, (size_t)(at - p->lex.begin), &line, &column);
    error_set(p->b->error, ERROR_GRAPH_TOO_LARGE,
              "line %" PRIu32 ", column %" PRIu32 ": nesting of expressions past %" PRId64
              " (max_expression_depth)",
              line, column, most);
    return parse_failed_at(p, at);
}

bool parse_open(struct parser *p) {
    const char *at = p->lex.token.text;
    lex_next(&p->lex);
    return parse_deeper(p, at);
}

bool parse_close(struct parser *p, int kind, const char *expected) {
    p->depth--;
    return skip(p, kind, expected);
}

/* Items up to the closing bracket, left on the stack. `*comma` says whether there was one. */
static bool parse_items(struct parser *p, int close, const char *expected, bool *comma) {
    *comma = false;
    while (p->lex.token.kind != close) {
        const char *at = p->lex.token.text;
        struct value item;
        if (!parse_expression(p, &item) || !push(p, NULL, at, at, &item)) return false;
        if (p->lex.token.kind != ',') break;
        *comma = true;
        lex_next(&p->lex);
    }
    return parse_close(p, close, expected);
}

static bool take_list(struct parser *p, size_t base, const char *at, struct value *out) {
    const size_t n = p->n_stack - base;
    struct value *items = arena_alloc(p->b->arena, (n + 1) * sizeof *items);
    if (!items) return build_fail_memory(p->b) || parse_failed_at(p, at);
    for (size_t i = 0; i < n; i++) items[i] = p->stack[base + i].value;
    p->n_stack = base;
    return p->dry || build_list(p->b, items, n, out) || parse_failed_at(p, at);
}

static bool parse_bracket(struct parser *p, struct value *out) {
    const char *at = p->lex.token.text;
    const size_t base = p->n_stack;
    const bool list = p->lex.token.kind == '[';
    bool comma;
    *out = value_none();
    if (!parse_open(p)) return false;
    if (!parse_items(p, list ? ']' : ')', list ? "\",\" or \"]\"" : "\")\"", &comma)) return false;
    if (list || comma || p->n_stack == base) return take_list(p, base, at, out);
    *out = p->stack[--p->n_stack].value;
    return true;
}

static bool parse_argument(struct parser *p, size_t base) {
    const char *name = NULL, *at = p->lex.token.text;
    struct value v;
    if (p->lex.token.kind == TOKEN_NAME && lex_assigns(&p->lex)) {
        name = arena_copy_text(p->b->arena, at, p->lex.token.length);
        if (!name) return build_fail_memory(p->b) || parse_failed_at(p, at);
        lex_next(&p->lex);
        lex_next(&p->lex);
    } else if (p->n_stack > base && p->stack[p->n_stack - 1].name) {
        return parse_fail(p, at, "a positional argument after a keyword argument");
    }
    const char *value_at = p->lex.token.text;
    return parse_expression(p, &v) && push(p, name, at, value_at, &v);
}

static bool parse_call(struct parser *p, const struct token *name, struct value *out) {
    const size_t base = p->n_stack;
    struct function *defined = function_find(p, name->text, name->length);
    if (custom_is(name) && (!custom_read(p, name->text, &defined) || !custom_called(p, name)))
        return false;
    const char *function = arena_copy_text(p->b->arena, name->text, name->length);
    if (!function) return build_fail_memory(p->b) || parse_failed_at(p, name->text);
    if (!parse_open(p)) return false;
    while (p->lex.token.kind != ')') {
        if (!parse_argument(p, base)) return false;
        if (p->lex.token.kind != ',') break;
        lex_next(&p->lex);
    }
    if (!parse_close(p, ')', "\",\" or \")\"")) return false;
    const size_t n = p->n_stack - base;
    const struct argument *args = n ? p->stack + base : NULL;
    const char *at = name->text;
    p->n_stack = base;
    if (p->dry) return true;
    if (defined) return function_call(p, defined, at, args, n, out);
    if (build_call(p->b, function, args, n, out)) return true;
    for (size_t i = 0; i < n; i++) {
        if (p->b->blamed == &args[i].value) at = p->b->blames_name ? args[i].at : args[i].value_at;
    }
    return parse_failed_at(p, at);
}

static bool parse_string(struct parser *p, struct value *out) {
    const struct token *t = &p->lex.token;
    const char *text = arena_copy_text(p->b->arena, t->text + 1, t->length - 2);
    if (!text) return build_fail_memory(p->b) || parse_failed_at(p, t->text);
    *out = value_string(text);
    lex_next(&p->lex);
    return true;
}

static bool parse_name(struct parser *p, struct value *out) {
    *out = value_none();
    if (lex_peek(&p->lex) != '(') return parse_lookup(p, out);
    const struct token name = p->lex.token;
    lex_next(&p->lex);
    return parse_call(p, &name, out);
}

/* x += 1: where the = follows its operator at once, say that it is not in the language. */
static bool fail_operand(struct parser *p) {
    const struct token *t = &p->lex.token;
    const char *at = t->text;
    if (t->kind != '=' || t->spaced || at == p->lex.begin || !strchr("+-*/%@", at[-1])) {
        return parse_expected(p, "an expression");
    }
    at -= at - 1 > p->lex.begin && at[-2] == at[-1] ? 2 : 1;
    return parse_fail(p, at,
                      "\"%.*s\" is not in this language; a name is assigned once, with \"=\"",
                      (int)(t->text - at) + 1, at);
}

static bool parse_primary(struct parser *p, struct value *out) {
    switch (p->lex.token.kind) {
    case TOKEN_NUMBER:
        return parse_number(p, out);
    case TOKEN_NAME:
        return parse_name(p, out);
    case TOKEN_STRING:
        return parse_string(p, out);
    case '(':
    case '[':
        return parse_bracket(p, out);
    default:
        return fail_operand(p);
    }
}

static bool index_bound(struct parser *p, struct index_item *item, int part) {
    const char *at = p->lex.token.text;
    struct value v;
    if (!parse_expression(p, &v)) return false;
    if (p->dry || (v.kind == VALUE_NONE && part >= 0)) return true;
    if (v.kind == VALUE_NONE) {
        item->kind = INDEX_NEW_AXIS;
        return true;
    }
    if (v.kind != VALUE_INT) {
        error_set(
            p->b->error, ERROR_INVALID_ARGUMENT,
            "an index must be an integer written in the graph, a slice, ... or None; found %s",
            value_kind_name(&v));
        return parse_failed_at(p, at);
    }
    if (part >= 0) item->given[part] = true;
    item->at[part >= 0 ? part : 0] = v.i;
    return true;
}

/* One entry: an int, None, "..." or [start]:[stop][:[step]]. */
static bool parse_entry(struct parser *p, int close, struct index_item *item) {
    *item = (struct index_item){.kind = INDEX_AT};
    const int *kind = &p->lex.token.kind;
    if (*kind == TOKEN_ELLIPSIS) {
        item->kind = INDEX_ELLIPSIS;
        lex_next(&p->lex);
        return true;
    }
    int part = 0;
    if (*kind != ':') {
        if (!index_bound(p, item, -1)) return false;
        if (*kind != ':') return true;
        item->given[0] = item->kind == INDEX_AT;
    }
    item->kind = INDEX_SLICE;
    while (*kind == ':' && part < 2) {
        lex_next(&p->lex);
        part++;
        if (*kind != ':' && *kind != ',' && *kind != close && !index_bound(p, item, part))
            return false;
    }
    return true;
}

static bool parse_entries(struct parser *p, int close, struct index_item *items, size_t *n) {
    const char *at = p->lex.token.text;
    for (*n = 0; p->lex.token.kind != close;) {
        if (*n == INDEX_ITEMS_MAX) {
            error_set(p->b->error, ERROR_GRAPH_TOO_LARGE, "an index has at most %d entries",
                      INDEX_ITEMS_MAX);
            return parse_failed_at(p, at);
        }
        if (!parse_entry(p, close, &items[(*n)++])) return false;
        if (p->lex.token.kind != ',') break;
        lex_next(&p->lex);
    }
    if (*n == 0) return parse_expected(p, "an index");
    return skip(p, close, close == ']' ? "\",\" or \"]\"" : "\",\"");
}

static bool parse_subscript(struct parser *p, struct value *x) {
    const char *at = p->lex.token.text;
    struct index_item items[INDEX_ITEMS_MAX];
    const struct value from = *x;
    size_t n;
    if (!parse_open(p) || !parse_entries(p, ']', items, &n)) return false;
    p->depth--;
    return p->dry || build_index(p->b, &from, items, n, x) || parse_failed_at(p, at);
}

static bool parse_postfix(struct parser *p, struct value *out) {
    if (!parse_primary(p, out)) return false;
    while (p->lex.token.kind == '[') {
        if (!parse_subscript(p, out)) return false;
    }
    if (p->lex.token.kind == '(') {
        return parse_fail(p, p->lex.token.text,
                          "only a function's name can be called; a product is written with *");
    }
    return true;
}

/* Signs and powers group from the right, -x ** -y is -(x ** (-y)): what is read waits until its
 * right side is known. */
static bool read_factor(struct parser *p, struct value *out) {
    for (;;) {
        for (; p->lex.token.kind == '-' || p->lex.token.kind == '+'; lex_next(&p->lex)) {
            if (p->lex.token.kind == '-' && !wait_for(p, OP_negative, p->lex.token.text))
                return false;
        }
        const char *x_at = p->lex.token.text;
        if (!parse_postfix(p, out)) return false;
        if (p->lex.token.kind != TOKEN_POWER) return true;
        struct pending *power = wait_for(p, OP_pow, p->lex.token.text);
        if (!power) return false;
        lex_next(&p->lex);
        power->x = *out;
        power->x_at = x_at;
        power->right_at = p->lex.token.text;
    }
}

static bool parse_factor(struct parser *p, struct value *out) {
    const size_t base = p->n_pending;
    if (!read_factor(p, out)) return false;
    while (p->n_pending > base) {
        const struct pending *last = &p->pending[--p->n_pending];
        if (last->tag == OP_negative) {
            const struct value x = *out;
            if (!apply(p, OP_negative, last->at, &x, 1, &last->at, out)) return false;
        } else {
            const struct value args[2] = {last->x, *out};
            const char *const starts[2] = {last->x_at, last->right_at};
            if (!apply(p, OP_pow, last->at, args, 2, starts, out)) return false;
        }
    }
    return true;
}

static int term_tag(int token) {
    switch (token) {
    case '*':
        return OP_multiply;
    case '/':
        return OP_divide;
    case TOKEN_FLOORDIV:
        return OP_floordiv;
    case '%':
        return OP_mod;
    case '@':
        return OP_matmul;
    default:
        return -1;
    }
}

static int sum_tag(int token) { return token == '+' ? OP_add : token == '-' ? OP_subtract : -1; }

static int comparison_tag(int token) {
    switch (token) {
    case '<':
        return OP_less;
    case TOKEN_LESS_EQUAL:
        return OP_less_equal;
    case '>':
        return OP_greater;
    case TOKEN_GREATER_EQUAL:
        return OP_greater_equal;
    case TOKEN_EQUAL:
        return OP_equal;
    case TOKEN_NOT_EQUAL:
        return OP_not_equal;
    default:
        return -1;
    }
}

static int and_tag(int token) { return token == TOKEN_AND ? OP_logical_and : -1; }
static int or_tag(int token) { return token == TOKEN_OR ? OP_logical_or : -1; }

/* A chain of operators of one precedence that group from the left. */
static bool parse_chain(struct parser *p, int (*tag_of)(int token),
                        bool (*operand)(struct parser *p, struct value *out), struct value *out) {
    struct value args[2];
    const char *starts[2] = {p->lex.token.text, NULL};
    if (!operand(p, out)) return false;
    for (int tag; (tag = tag_of(p->lex.token.kind)) >= 0;) {
        const char *at = p->lex.token.text;
        args[0] = *out;
        lex_next(&p->lex);
        starts[1] = p->lex.token.text;
        if (!operand(p, &args[1]) || !apply(p, tag, at, args, 2, starts, out)) return false;
    }
    return true;
}

static bool parse_term(struct parser *p, struct value *out) {
    return parse_chain(p, term_tag, parse_factor, out);
}

static bool parse_sum(struct parser *p, struct value *out) {
    return parse_chain(p, sum_tag, parse_term, out);
}

/* a < b < c is a < b and b < c. */
static bool parse_comparison(struct parser *p, struct value *out) {
    struct value sides[2], links[2];
    const char *starts[2] = {NULL, p->lex.token.text};
    if (!parse_sum(p, out)) return false;
    sides[1] = *out;
    bool chained = false;
    for (int tag; (tag = comparison_tag(p->lex.token.kind)) >= 0; chained = true) {
        const char *at = p->lex.token.text;
        sides[0] = sides[1];
        starts[0] = starts[1];
        links[0] = *out;
        lex_next(&p->lex);
        starts[1] = p->lex.token.text;
        if (!parse_sum(p, &sides[1]) || !apply(p, tag, at, sides, 2, starts, out)) return false;
        links[1] = *out;
        if (chained && !apply(p, OP_logical_and, at, links, 2, starts, out)) return false;
    }
    return true;
}

static bool parse_not(struct parser *p, struct value *out) {
    const char *at = p->lex.token.text;
    size_t n = 0;
    for (; p->lex.token.kind == TOKEN_NOT; lex_next(&p->lex)) n++;
    if (!parse_comparison(p, out)) return false;
    for (; n > 0; n--) {
        const struct value x = *out;
        if (!apply(p, OP_logical_not, at, &x, 1, &at, out)) return false;
    }
    return true;
}

static bool parse_and(struct parser *p, struct value *out) {
    return parse_chain(p, and_tag, parse_not, out);
}

static bool parse_or(struct parser *p, struct value *out) {
    return parse_chain(p, or_tag, parse_and, out);
}

bool parse_expression(struct parser *p, struct value *out) {
    const size_t base = p->n_pending;
    for (;;) {
        if (!parse_or(p, out)) return false;
        if (p->lex.token.kind != TOKEN_IF) break;
        const char *at = p->lex.token.text;
        struct value condition;
        lex_next(&p->lex);
        if (!parse_or(p, &condition) || !skip(p, TOKEN_ELSE, "\"else\"")) return false;
        struct pending *choice = wait_for(p, OP_where, at);
        if (!choice) return false;
        choice->x = *out;
        choice->condition = condition;
    }
    while (p->n_pending > base) {
        const struct pending last = p->pending[--p->n_pending];
        const struct value otherwise = *out;
        if (!p->dry && !build_choice(p->b, &last.condition, &last.x, &otherwise, out))
            return parse_failed_at(p, last.at);
    }
    return true;
}

bool expr_subscript(struct builder *b, const char *text, struct index_item *items, size_t *n) {
    struct parser p = {.b = b, .statement_at = text};
    lex_init(&p.lex, text, strlen(text));
    return parse_entries(&p, TOKEN_END, items, n);
}
