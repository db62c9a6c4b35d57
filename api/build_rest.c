/* Calls that take several tensors one by one, as Python's *args: einsum("ij,jk", a, b). They become
 * the one list of tensors that the op's parameter wants; what is done with it is not known here. */
#include <string.h>

#include "api/build.h"

static bool is_named(const struct op_param *param, const struct argument *args, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (args[i].name && strcmp(args[i].name, param->name) == 0) return true;
    return false;
}

/* A list that stands alone is the list itself. */
static bool is_list(const struct argument *rest, size_t n) {
    return n == 1 && (rest->value.kind == VALUE_LIST || rest->value.kind == VALUE_NUMBERS);
}

bool build_rest(struct builder *b, const struct op_param *params, const struct argument **args,
                size_t *n, size_t *begin) {
    size_t n_positional = 0, list = 0;
    *begin = 0;
    while (n_positional < *n && !(*args)[n_positional].name) n_positional++;
    for (; params[list].kind != PARAM_TENSORS; list++)
        if (!is_named(&params[list], *args, *n)) ++*begin;
    if (n_positional <= *begin || is_named(&params[list], *args, *n)) return true;
    const size_t n_rest = n_positional - *begin, n_after = *n - n_positional;
    struct argument *given = arena_alloc(b->arena, (*begin + 1 + n_after) * sizeof *given);
    struct value *items = arena_alloc(b->arena, n_rest * sizeof *items);
    if (!given || !items) return build_fail_memory(b);
    if (*begin) memcpy(given, *args, *begin * sizeof *given);
    const struct argument *rest = *args + *begin;
    given[*begin] = (struct argument){.name = params[list].name, .value = rest->value};
    for (size_t i = 0; i < n_rest; i++) items[i] = rest[i].value;
    if (!is_list(rest, n_rest) && !build_list(b, items, n_rest, &given[*begin].value)) return false;
    if (n_after) memcpy(given + *begin + 1, rest + n_rest, n_after * sizeof *given);
    *args = given;
    *n = *begin + 1 + n_after;
    return true;
}
