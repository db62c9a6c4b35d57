/* What the reference says of every op's parameters, held against what its cases do: by which there is a
 * derivative, which dtypes are taken, what is meant where one is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/plan.h"
#include "op_cases.h"

struct bench {
    struct arena arena;
    struct error error;
    struct tape tape;
    node_id x[CASE_INPUTS], y;
};

/* What a builder emitted without arguments by name: the last node of the op. */
static void read_call(const struct tape *t, int op) {
    static node_id nodes[64];
    node_id id = t->count;
    while (id > 0 && tape_node(t, id - 1)->op != op) id--;
    if (id == 0) return;
    const struct node *n = tape_node(t, id - 1);
    assert_true(n->n_args <= 64);
    memcpy(nodes, node_args(t, n), n->n_args * sizeof *nodes);
    size_t at = 0;
    for (int i = 0; i < OP_PARAMS_MAX && op_table[op]->params[i].name && at < n->n_args; i++) {
        const enum param_kind kind = op_table[op]->params[i].kind;
        struct op_arg *arg = &op_calls.last[op][i];
        if (kind != PARAM_TENSOR && kind != PARAM_CONDITION && kind != PARAM_INDICES &&
            kind != PARAM_TENSORS)
            continue;
        *arg = (struct op_arg){
            .given = true, .node = nodes[at], .nodes = &nodes[at], .n = n->n_args - at};
        at += kind == PARAM_TENSORS ? n->n_args : 1;
    }
}

/* The case's call on a tape of its own, of inputs of a dtype. False where it is refused. */
static bool build(struct bench *b, int op, const struct op_case *c, enum dtype dtype) {
    arena_init(&b->arena, 64 << 20);
    error_clear(&b->error);
    tape_init(&b->tape, &b->arena, &b->error, (struct tape_limits){100000, 1 << 24, 10000000});
    for (int i = 0; i < c->n_in; i++) b->x[i] = tape_input(&b->tape, dtype, &c->in[i]);
    memset(op_calls.last[op], 0, sizeof op_calls.last[op]);
    b->y = c->build(&b->tape, b->x);
    if (!op_calls.last[op][0].given && !op_calls.last[op][1].given) read_call(&b->tape, op);
    return b->error.code == ERROR_NONE;
}

static void end(struct bench *b) { arena_free(&b->arena); }

/* The nodes that the last call gave for a parameter. */
static const node_id *nodes_of(int op, int i, size_t *n) {
    const struct op_arg *arg = &op_calls.last[op][i];
    const bool many = op_table[op]->params[i].kind == PARAM_TENSORS;
    *n = !arg->given ? 0 : many ? arg->n : 1;
    return many ? arg->nodes : &arg->node;
}

static int failures;
static void differ(const struct op *op, const char *what, const char *found, const char *said) {
    print_error("%s: %s: found %s where the op's inert, dtypes or preset says %s\n", op->name, what,
                found, said);
    failures++;
}

static bool is_called(int op) {
    return op_table[op]->kind != OP_INTERNAL && op_table[op]->params[0].name;
}

/* --- derivatives ------------------------------------------------------------------------------ */

/* Adds to `flows` the tensor parameters that the case's result has a gradient by, to `seen` those that
 * it could have. */
static void gather(int op, const struct op_case *c, unsigned *seen, unsigned *flows) {
    struct bench b;
    assert_true(build(&b, op, c, DTYPE_F64));
    const bool smooth = dtype_is_float(tape_dtype(&b.tape, b.y));
    for (int i = 0; i < OP_PARAMS_MAX && op_table[op]->params[i].name; i++) {
        const enum param_kind kind = op_table[op]->params[i].kind;
        size_t n;
        const node_id *nodes = nodes_of(op, i, &n);
        if ((kind != PARAM_TENSOR && kind != PARAM_TENSORS) || n == 0) continue;
        if (!dtype_is_float(tape_dtype(&b.tape, nodes[0]))) continue;
        *seen |= 1u << i;
        node_id g = NODE_NONE;
        const struct window w = {.watched = nodes, .n_watched = n, .begin = 0, .end = b.tape.count};
        if (smooth) tape_gradient(&b.tape, &w, &b.y, NULL, 1, nodes, 1, &g);
        assert_int_equal(b.error.code, ERROR_NONE);
        if (g != NODE_NONE) *flows |= 1u << i;
    }
    end(&b);
}

static void an_op_differentiates_in_what_it_says(void **state) {
    (void)state;
    failures = 0;
    for (int op = 0; op < OP_COUNT; op++) {
        unsigned seen = 0, flows = 0;
        if (!is_called(op)) continue;
        for (size_t i = 0; i < op_cases[op]->n; i++)
            gather(op, &op_cases[op]->cases[i], &seen, &flows);
        for (int i = 0; i < OP_PARAMS_MAX && op_table[op]->params[i].name; i++) {
            const bool said = op_differentiable(op_table[op], i);
            if (op == OP_cast) continue; /* its case is of integers: differences need float64 */
            if (said != (flows >> i & 1))
                differ(op_table[op], op_table[op]->params[i].name,
                       flows >> i & 1  ? "a derivative"
                       : seen >> i & 1 ? "no derivative"
                                       : "no case with it",
                       said ? "there is one" : "there is none");
        }
    }
    assert_int_equal(failures, 0);
}

/* --- dtypes ----------------------------------------------------------------------------------- */

static const char *dtypes_text(unsigned dtypes, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (dtypes >> d & 1)
            at += (size_t)snprintf(text + at, size - at, " %s", dtype_name((enum dtype)d));
    return text;
}

static void an_op_takes_the_dtypes_it_says(void **state) {
    (void)state;
    failures = 0;
    for (int op = 0; op < OP_COUNT; op++) {
        unsigned taken = 0;
        bool tensors = false;
        if (!is_called(op)) continue;
        for (size_t k = 0; k < op_cases[op]->n; k++) {
            for (int d = 0; d < DTYPE_COUNT; d++) {
                struct bench b;
                build(&b, op, &op_cases[op]->cases[k], (enum dtype)d);
                for (int i = 0; i < OP_PARAMS_MAX && op_table[op]->params[i].name; i++) {
                    const enum param_kind kind = op_table[op]->params[i].kind;
                    size_t n;
                    const node_id *nodes = nodes_of(op, i, &n);
                    if (kind != PARAM_TENSOR && kind != PARAM_TENSORS) continue;
                    if (n > 0) taken |= 1u << tape_dtype(&b.tape, nodes[0]);
                    tensors = true;
                    break;
                }
                end(&b);
            }
        }
        char found[80], said[80];
        /* A primitive has kernels for dtypes that the cases cannot make their arguments of. */
        if (op_table[op]->kind != OP_COMPOSITE) taken |= op_dtypes(op_table[op]);
        if (tensors && taken != op_dtypes(op_table[op]))
            differ(op_table[op], "dtypes", dtypes_text(taken, found, sizeof found),
                   dtypes_text(op_dtypes(op_table[op]), said, sizeof said));
    }
    assert_int_equal(failures, 0);
}

/* --- presets ---------------------------------------------------------------------------------- */

/* The case's value at one point, in the bench's arena. */
static struct tensor value(struct bench *b, const struct op_case *c) {
    struct plan_cache *plans = plan_cache_new(4, 1 << 20, 1);
    const node_id *inputs;
    size_t n;
    struct plan *plan = plan_get(plans, &b->tape, &b->y, 1, &inputs, &n, &b->arena, &b->error);
    assert_int_equal(b->error.code, ERROR_NONE);
    struct tensor x[CASE_INPUTS];
    const struct tensor *bound[CASE_INPUTS];
    for (size_t i = 0; i < n; i++) {
        x[i] = (struct tensor){DTYPE_F64, *tape_shape(&b->tape, inputs[i]), NULL};
        double *data = x[i].data = arena_alloc_tensor(&b->arena, tensor_bytes(&x[i]) + 8);
        for (int64_t k = 0; k < shape_count(&x[i].shape); k++) /* irregular, within the range */
            data[k] = c->low + (c->high - c->low) * (0.5 + 0.5 * sin(7 * (double)(k + 1)));
        bound[i] = &x[i];
    }
    struct run *run = plan_run(plan, bound, NULL, &b->error);
    assert_int_equal(b->error.code, ERROR_NONE);
    struct tensor y = run_result(run, 0);
    void *copy = arena_alloc_tensor(&b->arena, tensor_bytes(&y) + 8);
    y.data = memcpy(copy, y.data, tensor_bytes(&y));
    run_end(run);
    plan_release(plan);
    plan_cache_free(plans);
    return y;
}

static bool same_value(struct bench *a, struct bench *b, const struct op_case *c) {
    const struct tensor x = value(a, c), y = value(b, c);
    return x.dtype == y.dtype && shape_equal(&x.shape, &y.shape) &&
           memcmp(x.data, y.data, tensor_bytes(&x)) == 0;
}

static void what_is_left_out_is_what_the_reference_says(void **state) {
    (void)state;
    failures = 0;
    for (int op = 0; op < OP_COUNT; op++) {
        if (!is_called(op)) continue;
        for (size_t k = 0; k < op_cases[op]->n; k++) {
            const struct op_case *c = &op_cases[op]->cases[k];
            struct bench out, given;
            assert_true(build(&out, op, c, DTYPE_F64));
            op_calls.presets = true;
            const bool built = build(&given, op, c, DTYPE_F64);
            op_calls.presets = false;
            if (!built || !same_value(&out, &given, c))
                differ(op_table[op], c->label, "another value", "its presets");
            end(&out);
            end(&given);
        }
    }
    assert_int_equal(failures, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_op_differentiates_in_what_it_says),
        cmocka_unit_test(an_op_takes_the_dtypes_it_says),
        cmocka_unit_test(what_is_left_out_is_what_the_reference_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
