/* The node-list form: it builds the very tape that the text builds, in any order, and its failures
 * point into the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/expr.h"
#include "api/graph_nodes.h"
#include "ask.h"

/* A graph on a tape of its own, with x of shape (2,3), y and w bound. */
struct built {
    struct arena arena;
    struct error error;
    struct builder b;
    struct value last;
};

static void bind(struct built *g, const char *name, const struct shape *shape) {
    bool added;
    struct name *entry = names_add(&g->b.names, name, strlen(name), &added);
    assert_true(entry && added);
    entry->place = PLACE_VARIABLE;
    entry->value = value_node(tape_input(&g->b.tape, DTYPE_F32, shape));
}

static void begin(struct built *g) {
    static const struct shape matrix = {.rank = 2, .dim = {2, 3}};
    arena_init(&g->arena, 1 << 30);
    error_clear(&g->error);
    build_init(&g->b, &g->arena, &g->error, &service_limits_default, DTYPE_F32, 3);
    bind(g, "x", &matrix);
    bind(g, "y", &shape_scalar);
    bind(g, "w", &shape_scalar);
}

static void build_text(struct built *g, const char *text) {
    begin(g);
    if (!expr_build(&g->b, text, strlen(text), false, &g->last))
        fail_msg("%s: %s", text, g->error.detail);
}

static void build_nodes(struct built *g, const char *nodes) {
    char *body = malloc(strlen(nodes) + 16);
    struct json *root;
    begin(g);
    sprintf(body, "{\"nodes\":[%s]}", nodes);
    const size_t n = strlen(body);
    const char *kept = arena_copy_text(&g->arena, body, n);
    free(body);
    assert_true(json_parse(&g->arena, kept, n, 128, &root, &g->error));
    if (!nodes_build(&g->b, root, &g->last))
        fail_msg("%s: %s %s", nodes, g->error.detail, g->error.pointer);
}

static void assert_same_node(const struct tape *s, const struct tape *t, node_id i) {
    const struct node *a = tape_node(s, i), *b = tape_node(t, i);
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->dtype, b->dtype);
    assert_true(shape_equal(a->shape, b->shape));
    assert_int_equal(a->n_args, b->n_args);
    for (uint32_t k = 0; k < a->n_args; k++)
        assert_int_equal(node_args(s, a)[k], node_args(t, b)[k]);
    assert_int_equal(a->attrs_size, b->attrs_size);
    if (a->attrs_size) assert_memory_equal(a->attrs, b->attrs, a->attrs_size);
}

static void both_forms_build_the_same_tape(void **state) {
    (void)state;
    static const struct {
        const char *text, *nodes;
    } pairs[] = {
        {"a = y + 5; b = w ** 2; z = a * b",
         "{\"id\":\"a\",\"op\":\"add\",\"inputs\":[\"y\",5]},{\"id\":\"b\",\"op\":\"pow\","
         "\"inputs\":[\"w\",2]},"
         "{\"id\":\"z\",\"op\":\"multiply\",\"inputs\":[\"a\",\"b\"]}"},
        {"a = y * 0.1; b = x + [1, 2.5, 3]",
         "{\"id\":\"a\",\"op\":\"multiply\",\"inputs\":[\"y\",0.1]},{\"id\":\"b\",\"op\":\"add\","
         "\"inputs\":[\"x\",[1,2.5,3]]}"},
        {"s = reduce_sum(x, axis=[0, 1], keepdims=True)",
         "{\"id\":\"s\",\"op\":\"reduce_sum\",\"inputs\":[\"x\"],\"attrs\":{\"axis\":[0,1],"
         "\"keepdims\":true}}"},
        {"c = concat([x, x * 2], axis=-1)",
         "{\"id\":\"d\",\"op\":\"multiply\",\"inputs\":[\"x\",2]},{\"id\":\"c\",\"op\":\"concat\","
         "\"inputs\":[[\"x\",\"d\"]],"
         "\"attrs\":{\"axis\":-1}}"},
        {"c = stack([y, w, 1])", "{\"id\":\"c\",\"op\":\"stack\",\"inputs\":[\"y\",\"w\",1]}"},
        {"m = x > 2; r = where(m, x, 0)",
         "{\"id\":\"m\",\"op\":\"greater\",\"inputs\":[\"x\",2]},"
         "{\"id\":\"r\",\"op\":\"where\",\"inputs\":{\"y\":0,\"condition\":\"m\",\"x\":\"x\"}}"},
        {"v = x[0, 1:3, ..., None]", "{\"id\":\"v\",\"op\":\"getitem\",\"inputs\":[\"x\"],"
                                     "\"attrs\":{\"index\":\"0, 1:3, ..., None\"}}"},
        {"n = size(x); h = n // 2; r = reshape(x, [h, 2])",
         "{\"id\":\"n\",\"op\":\"size\",\"inputs\":[\"x\"]},{\"id\":\"h\",\"op\":\"floordiv\","
         "\"inputs\":[\"n\",2]},"
         "{\"id\":\"r\",\"op\":\"reshape\",\"inputs\":[\"x\",[\"h\",2]]}"},
        {"z = y * w ** 2; g, k = grad(z, [y, w]); h = grad(g, w)",
         "{\"id\":\"q\",\"op\":\"pow\",\"inputs\":[\"w\",2]},{\"id\":\"z\",\"op\":\"multiply\","
         "\"inputs\":[\"y\",\"q\"]},"
         "{\"id\":[\"g\",\"k\"],\"op\":\"gradient\",\"inputs\":[\"z\"],\"attrs\":{\"sources\":["
         "\"y\",\"w\"],"
         "\"unconnected\":\"none\"}},{\"id\":\"h\",\"op\":\"gradient\",\"inputs\":[\"g\"],"
         "\"attrs\":{\"sources\":[\"w\"]}}"},
        {"g = grad([y, y * w], y, output_gradients=[2, w])",
         "{\"id\":\"m\",\"op\":\"multiply\",\"inputs\":[\"y\",\"w\"]},{\"id\":\"g\",\"op\":"
         "\"gradient\",\"inputs\":[\"y\",\"m\"],"
         "\"attrs\":{\"sources\":\"y\",\"output_gradients\":[2,\"w\"]}}"},
        {"c = cast(y, float64) * pi",
         "{\"id\":\"d\",\"op\":\"cast\",\"inputs\":[\"y\"],\"attrs\":{\"dtype\":\"float64\"}},"
         "{\"id\":\"c\",\"op\":\"multiply\",\"inputs\":[\"d\",\"pi\"]}"},
        {"a = y * inf", "{\"id\":\"a\",\"op\":\"multiply\",\"inputs\":[\"y\",\"Infinity\"]}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct built text, nodes;
        build_text(&text, pairs[i].text);
        build_nodes(&nodes, pairs[i].nodes);
        if (text.b.tape.count != nodes.b.tape.count)
            fail_msg("%s: %u and %u nodes", pairs[i].text, text.b.tape.count, nodes.b.tape.count);
        for (node_id k = 0; k < text.b.tape.count; k++)
            assert_same_node(&text.b.tape, &nodes.b.tape, k);
        assert_int_equal(text.last.kind, nodes.last.kind);
        if (text.last.kind == VALUE_NODE) assert_int_equal(text.last.node, nodes.last.node);
        arena_free(&text.arena);
        arena_free(&nodes.arena);
    }
}

static const char *value_of_nodes(const char *nodes) {
    static const char format[] =
        "{\"graph\":{\"nodes\":[%s]},\"variables\":{\"x\":[[1,2,3],[4,5,6]],\"y\":2,\"w\":1}}";
    char *body = malloc(sizeof format + strlen(nodes));
    sprintf(body, format, nodes);
    const char *found = ask(service_evaluate, body);
    free(body);
    return found;
}

#define CHECK(...) ASK_CHECK(value_of_nodes, __VA_ARGS__)

static void the_order_is_free_and_the_last_of_the_list_is_the_result(void **state) {
    (void)state;
    CHECK({"{\"id\":\"z\",\"op\":\"multiply\",\"inputs\":[\"a\",\"b\"]},{\"id\":\"a\",\"op\":"
           "\"add\",\"inputs\":[\"y\",5]},"
           "{\"id\":\"b\",\"op\":\"square\",\"inputs\":[\"a\"]}",
           "{\"value\":49.0}"},
          {"{\"id\":[\"a\",\"b\"],\"op\":\"identity\",\"inputs\":[\"x\"]}",
           "{\"value\":[[1.0,2.0,3.0],[4.0,5.0,6.0]]}"},
          {"{\"id\":\"g\",\"op\":\"gradient\",\"inputs\":[\"y\"],\"attrs\":{\"sources\":[\"y\","
           "\"w\"]}}",
           "{\"value\":[1.0,null]}"},
          {"{\"id\":\"g\",\"op\":\"gradient\",\"inputs\":[\"y\"],\"attrs\":{\"sources\":[\"y\"]}}",
           "{\"value\":1.0}"},
          {"{\"id\":\"t\",\"op\":\"add\",\"inputs\":[1,2]}", "{\"value\":3.0}"},
          {"{\"id\":\"t\",\"op\":\"getitem\",\"inputs\":[\"x\"],\"attrs\":{\"index\":-1}}",
           "{\"value\":[4.0,5.0,6.0]}"},
          {"{\"id\":\"t\",\"op\":\"add\",\"inputs\":[{\"dtype\":\"float32\",\"shape\":[1],\"data\":"
           "[5]},true]}",
           "dtype_mismatch: a literal bool meets a tensor of dtype float32 "
           "[/graph/nodes/0/inputs/1] <t>"});
}

static void failures_point_into_the_list(void **state) {
    (void)state;
    CHECK({"{\"id\":\"a\",\"op\":\"sin\",\"inputs\":[\"b\"]},{\"id\":\"b\",\"op\":\"cos\","
           "\"inputs\":[\"a\"]}",
           "cycle: the nodes form a cycle: a -> b -> a [/graph/nodes/0] <a>"},
          {"{\"id\":\"a\",\"op\":\"sin\",\"inputs\":[\"a\"]}",
           "cycle: the nodes form a cycle: a -> a [/graph/nodes/0] <a>"},
          {"{\"id\":\"a\",\"op\":\"sine\",\"inputs\":[\"y\"]}",
           "unknown_op: unknown op \"sine\"; did you mean \"sin\"? [/graph/nodes/0/op] <a>"},
          {"{\"id\":\"a\",\"op\":\"add\",\"inputs\":[\"y\",[\"w\",\"yy\"]]}",
           "unbound_name: no variable, constant or node is called \"yy\"; did you mean \"y\"? "
           "[/graph/nodes/0/inputs/1/1] <a>"},
          {"{\"id\":\"a\",\"op\":\"where\",\"inputs\":{\"condition\":\"m\",\"x\":1,\"y\":2}}",
           "unbound_name: no variable, constant or node is called \"m\" "
           "[/graph/nodes/0/inputs/condition] <a>"},
          {"{\"id\":\"a\",\"op\":\"reduce_sum\",\"inputs\":[\"x\"],\"attrs\":{\"axes\":0}}",
           "invalid_argument: reduce_sum: unknown argument \"axes\"; did you mean \"axis\"? "
           "[/graph/nodes/0/attrs/axes] <a>"},
          {"{\"id\":\"a\",\"op\":\"reduce_sum\",\"inputs\":[\"x\"],\"attrs\":{\"axis\":0.5}}",
           "invalid_argument: reduce_sum: argument \"axis\" must be an integer or a list of "
           "integers, found a float "
           "[/graph/nodes/0/attrs/axis] <a>"},
          {"{\"id\":\"a\",\"op\":\"getitem\",\"inputs\":[\"x\"],\"attrs\":{\"index\":\"0, +\"}}",
           "syntax_error: line 1, column 5: expected an expression, found the end of the text "
           "[/graph/nodes/0/attrs/index] (1:5) <a>"},
          {"{\"id\":\"a\",\"op\":\"getitem\",\"inputs\":[\"x\"]}",
           "invalid_argument: getitem: the attribute \"index\" is missing [/graph/nodes/0] <a>"},
          {"{\"id\":\"a\",\"op\":\"sin\",\"inputs\":[\"y\"]},{\"id\":\"a\",\"op\":\"sin\","
           "\"inputs\":[\"y\"]}",
           "duplicate_name: \"a\" is the id of two nodes [/graph/nodes/1/id] <a>"},
          {"{\"id\":[\"a\",\"y\"],\"op\":\"sin\",\"inputs\":[\"y\"]}",
           "duplicate_name: \"y\" is a variable and cannot be assigned [/graph/nodes/0/id/1]"},
          {"{\"id\":\"1a\",\"op\":\"sin\",\"inputs\":[\"y\"]}",
           "invalid_request: \"1a\" is not a name; names match [A-Za-z_][A-Za-z0-9_]* "
           "[/graph/nodes/0/id]"},
          {"{\"id\":\"NaN\",\"op\":\"sin\",\"inputs\":[\"y\"]}",
           "invalid_request: \"NaN\" is not a name; names match [A-Za-z_][A-Za-z0-9_]* "
           "[/graph/nodes/0/id]"},
          {"{\"id\":\"a\",\"inputs\":[\"y\"]}",
           "invalid_request: member \"op\" is missing [/graph/nodes/0]"},
          {"{\"id\":\"a\",\"op\":\"sin\",\"input\":[\"y\"]}",
           "invalid_request: unknown member \"input\"; did you mean \"inputs\"? Accepted: id, op, "
           "inputs, attrs "
           "[/graph/nodes/0/input]"},
          {"{\"id\":\"a\",\"op\":\"sin\",\"inputs\":\"y\"}",
           "invalid_request: expected a list, or an object by argument name, found a string "
           "[/graph/nodes/0/inputs]"},
          {"7,8",
           "invalid_request: expected a list of nodes, found an array of numbers [/graph/nodes]"},
          {"null", "invalid_request: expected an object, found null [/graph/nodes/0]"},
          {"{\"id\":[\"a\",\"b\",\"c\"],\"op\":\"identity\",\"inputs\":[\"x\"]}",
           "invalid_argument: 3 names for 2 values [/graph/nodes/0/id] <a>"},
          {"{\"id\":\"a\",\"op\":\"add\",\"inputs\":[\"x\",[1,2,3,4]]}",
           "shape_mismatch: add: shapes (2,3) and (4,) do not broadcast [/graph/nodes/0] <a>"});
}

static void a_long_chain_and_a_long_cycle_are_no_nesting(void **state) {
    (void)state;
    enum { N = 20000 };
    char *nodes = malloc(N * 64), *at = nodes;
    for (int i = 0; i < N; i++) {
        at += sprintf(at, "%s{\"id\":\"n%d\",\"op\":\"negative\",\"inputs\":[\"n%d\"]}",
                      i ? "," : "", i, i + 1);
    }
    sprintf(at, ",{\"id\":\"n%d\",\"op\":\"add\",\"inputs\":[\"y\",\"w\"]}", N);
    assert_string_equal(value_of_nodes(nodes), "{\"value\":3.0}");
    sprintf(at, ",{\"id\":\"n%d\",\"op\":\"add\",\"inputs\":[\"y\",\"n0\"]}", N);
    assert_string_equal(value_of_nodes(nodes), "cycle: the nodes form a cycle: n0 -> n1 -> n2 -> "
                                               "n3 -> ... -> n19997 -> n19998 -> n19999 -> "
                                               "n20000 -> n0 [/graph/nodes/0] <n0>");
    free(nodes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_build_the_same_tape),
        cmocka_unit_test(the_order_is_free_and_the_last_of_the_list_is_the_result),
        cmocka_unit_test(failures_point_into_the_list),
        cmocka_unit_test(a_long_chain_and_a_long_cycle_are_no_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
