/* The table of op cases, collected from the families' files, and the calls that builders make. */
#include "op_cases.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 16 };

#define OP(id) extern const struct op_cases cases_##id;
#include "core/op_list.h"
#undef OP

const struct op_cases *const op_cases[OP_COUNT] = {
#define OP(id) [OP_##id] = &cases_##id,
#include "core/op_list.h"
#undef OP
};

struct op_calls op_calls;

/* The text of a preset, as an argument of parameter i. */
static void give(struct tape *t, const struct op *op, int i, struct op_arg *args) {
    static int64_t ints[OP_PARAMS_MAX];
    static char strings[OP_PARAMS_MAX][32];
    const char *text = op_preset(op, i);
    struct op_arg *arg = &args[i];
    if (strcmp(text, "None") == 0) return;
    *arg = (struct op_arg){.given = true,
                           .i = strtoll(text, NULL, 10),
                           .f = strtod(text, NULL),
                           .b = strcmp(text, "True") == 0};
    if (op->params[i].kind == PARAM_FLOAT) arg->b = !strpbrk(text, ".e");
    if (op->params[i].kind == PARAM_TENSOR)
        arg->node = tape_scalar(t, tape_dtype(t, args[0].node), arg->f);
    if (op->params[i].kind == PARAM_INTS) {
        ints[i] = arg->i;
        arg->ints = &ints[i];
        arg->n = 1;
    }
    const bool word = op->params[i].kind == PARAM_FLOAT_OR_STRING && text[0] == '\'';
    if (op->params[i].kind == PARAM_STRING || op->params[i].kind == PARAM_PADDING || word) {
        strncpy(strings[i], text + 1, sizeof strings[i] - 1);
        strings[i][strlen(strings[i]) - 1] = '\0'; /* the closing quote */
        arg->string = strings[i];
    }
}

static const struct op_arg *note(struct tape *t, int op, const struct op_arg *args) {
    struct op_arg *last = op_calls.last[op];
    const struct op *o = op_table[op];
    for (int i = 0; i < OP_PARAMS_MAX && o->params[i].name; i++) {
        static node_id nodes[OP_PARAMS_MAX][NODES_MAX];
        last[i] = args[i];
        if (args[i].nodes) /* those of a builder end with it */
            last[i].nodes = memcpy(nodes[i], args[i].nodes, args[i].n * sizeof *nodes[i]);
        if (op_calls.presets && o->params[i].optional && !args[i].given) give(t, o, i, last);
    }
    return op_calls.presets ? last : args;
}

/* A refused call leaves nothing behind. */
static void forget(int op) { memset(op_calls.last[op], 0, sizeof op_calls.last[op]); }

node_id op_call(struct tape *t, int op, const struct op_arg *args) {
    args = note(t, op, args);
    const bool takes = op_takes(t, op_table[op], args);
    const node_id y = takes ? op_table[op]->emit(t, args) : NODE_NONE;
    if (y == NODE_NONE) forget(op);
    return y;
}

bool op_call_many(struct tape *t, int op, const struct op_arg *args, const node_id **results,
                  size_t *n) {
    args = note(t, op, args);
    const bool done = op_takes(t, op_table[op], args) &&
                      op_table[op]->emit_many(t, args, results, n) && tape_ok(t);
    if (!done) forget(op);
    return done;
}
