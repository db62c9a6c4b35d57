/* Functions of the expression language: definitions, calls, scopes, and what they may cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ask.h"

#define CHECK(...) ASK_CHECK(value_of, __VA_ARGS__)

static void a_call_is_the_body_with_its_arguments(void **state) {
    (void)state;
    CHECK({"def f(x): return x ** 2 + 1\\nf(y) * f(3)", "{\"value\":50.0}"},
          {"def f(x, z): return x - z\\n[f(y, w), f(z=y, x=w), f(y, z=5)]",
           "{\"value\":[1.0,-1.0,-3.0]}"},
          {"def f(x):\\n  a = x * 2\\n\\n  # between\\n  b = (a +\\n1)\\n  return a * b\\nf(y)",
           "{\"value\":20.0}"},
          {"def f(x): a = x + 1; return a * a;\\nf(y)", "{\"value\":9.0}"},
          {"def f(): return 7\\nf() * y", "{\"value\":14.0}"},
          {"def f(x, ): return x\\nf(y,)", "{\"value\":2.0}"},
          {"def f(x): return x, x * 2\\na, b = f(y)\\nb - a", "{\"value\":2.0}"},
          {"def f(x): return [x, shape(x)[0]]\\nf(x)",
           "{\"value\":[[[1.0,2.0,3.0],[4.0,5.0,6.0]],2.0]}"},
          {"def f(x): return reduce_sum(x, axis=0)\\nf(x)[1]", "{\"value\":7.0}"},
          {"def f(n): return reshape(x, [n, -1])\\nf(3)",
           "{\"value\":[[1.0,2.0],[3.0,4.0],[5.0,6.0]]}"},
          {"def exp(x): return x\\nexp(y)", "{\"value\":2.0}"},
          {"  def f(x):\\n    return x\\n  f(y)", "{\"value\":2.0}"},
          {"a = y\\ndef f(x): return x", "{\"value\":2.0}"});
}

static void names_inside_are_local_and_names_outside_are_read(void **state) {
    (void)state;
    CHECK({"def f(y): return y * w\\nf(5) + y", "{\"value\":7.0}"},
          {"def f(a): b = a + y; return b\\nb = f(1); b * 2", "{\"value\":6.0}"},
          {"def f(a): return a * later\\nlater = 4; f(y)", "{\"value\":8.0}"},
          {"def f(a): return g(a) + 1\\ndef g(a): return a * a\\nf(y)", "{\"value\":5.0}"},
          {"def g(a): b = a * a; return b\\ndef f(a): b = g(a + 1); return b + a\\nf(y)",
           "{\"value\":11.0}"},
          {"def f(y): y = 3; return y\\nf(1)",
           "duplicate_name: \"y\" is assigned twice in f [/graph] (1:11)"},
          {"def f(a): return c\\nf(1)",
           "unbound_name: no variable, constant or node is called \"c\" [/graph] (1:18)"},
          {"def f(inner): local = inner; return local\\na = f(1); local",
           "unbound_name: no variable, constant or node is called \"local\" [/graph] (2:11)"});
}

static void derivatives_go_through_calls(void **state) {
    (void)state;
    CHECK({"def f(x): return x ** 3\\ngrad(f(y), y)", "{\"value\":12.0}"},
          {"def f(x): return x ** 3\\ndef g(x): return grad(f(x), x)\\ngrad(g(y), y)",
           "{\"value\":12.0}"},
          {"def f(a, b): return a * b ** 2\\ngrad(f(y, w), [y, w])", "{\"value\":[1.0,4.0]}"});
}

static void definitions_that_are_refused(void **state) {
    (void)state;
    CHECK(
        {"def f(x) return x", "syntax_error: line 1, column 10: expected \":\", found \"return\" "
                              "[/graph] (1:10)"},
        {"def f: return 1",
         "syntax_error: line 1, column 6: expected \"(\", found \":\" [/graph] (1:6)"},
        {"def f(x=1, z): return x",
         "syntax_error: line 1, column 12: a parameter without a default "
         "follows one that has one [/graph] (1:12)"},
        {"def f(x=): return x", "syntax_error: line 1, column 9: expected an expression, found "
                                "\")\" [/graph] (1:9)"},
        {"def f(x, x): return x",
         "syntax_error: line 1, column 10: two parameters are called \"x\" [/graph] (1:10)"},
        {"def tf.f(x): return x", "syntax_error: line 1, column 5: \"tf.f\" cannot be the name of "
                                  "a function [/graph] (1:5)"},
        {"def f(None): return 1", "syntax_error: line 1, column 7: \"None\" cannot be the name of "
                                  "a parameter [/graph] (1:7)"},
        {"def f(x):\\ny", "syntax_error: line 2, column 1: expected an indented block, found "
                          "\"y\" [/graph] (2:1)"},
        {"def f(x):\\n  a = x\\n   return a\\nf(y)",
         "syntax_error: line 3, column 4: the lines of a function are indented alike [/graph] "
         "(3:4)"},
        {"def f(x): def g(x): return x\\nf(y)", "syntax_error: line 1, column 11: a function "
                                                "inside of another begins on a line of its own "
                                                "[/graph] (1:11)"},
        {"def f(x):\\n  a = x; def g(x): return x\\n  return g(a)\\nf(y)",
         "syntax_error: line 2, column 10: a function inside of another begins on a line of its "
         "own "
         "[/graph] (2:10)"},
        {"def f(x): return x", "syntax_error: line 1, column 19: expected a statement, found the "
                               "end of the text [/graph] (1:19)"},
        {"def f(x): return x\\ndef f(x): return x\\ny",
         "duplicate_name: \"f\" is assigned twice; it was assigned first in line 1 [/graph] "
         "(2:5)"},
        {"def f(x): return x\\nf = y",
         "duplicate_name: \"f\" is assigned twice; it was assigned first in line 1 [/graph] "
         "(2:1)"},
        {"f = y\\ndef f(x): return x\\nf",
         "duplicate_name: \"f\" is assigned twice; it was assigned first in line 1 [/graph] "
         "(2:5)"},
        {"def y(x): return x\\nw",
         "duplicate_name: \"y\" is a variable and cannot be assigned [/graph] (1:5)"});
}

static void what_is_left_out_has_its_default(void **state) {
    (void)state;
    CHECK({"def f(x, k=10, b=1): return x * k + b\\n[f(y), f(y, 3), f(y, b=0), f(k=2, x=y)]",
           "{\"value\":[21.0,7.0,20.0,5.0]}"},
          {"def f(a=[1, 2], n=None, what='float64'): return a[n] * shape(a)[0]\\nf()",
           "{\"value\":[[2.0,4.0]]}"},
          /* computed where it is defined, once, as Python does */
          {"k = y + 1\\ndef f(a, k=k * 2): return a * k\\nf(1)", "{\"value\":6.0}"},
          {"def f(a, k=y): return a * k\\ngrad(f(3), y)", "{\"value\":3.0}"},
          {"def f(a, k=2): return a * k\\ndef d(g, a, k): return g * 5, None\\nh = "
           "custom_gradient(f, d)\\n[h(y), grad(h(y), y)]",
           "{\"value\":[4.0,5.0]}"},
          {"def f(a, k=later): return a * k\\nlater = 4; f(y)",
           "unbound_name: \"later\" is used before it is assigned [/graph] (1:12)"});
}

static void functions_stand_in_functions(void **state) {
    (void)state;
    CHECK(
        {"def f(x):\\n  def g(a): return a * x\\n  return g(3) + g(4)\\nf(y)", "{\"value\":14.0}"},
        {"def f(x):\\n  k = x + 1\\n  def g(a):\\n    def h(b): return b * k\\n    c = h(a)\\n"
         "    return c + x\\n  def i(a): return g(a) + 1\\n  return i(2)\\nf(y)",
         "{\"value\":9.0}"},
        /* the name inside hides the one outside; elsewhere that one holds */
        {"def g(a): return a\\ndef f(x):\\n  def g(a, k=x): return a * k * 100\\n  return g(x)\\n"
         "f(y) + g(1)",
         "{\"value\":401.0}"},
        {"def f(x):\\n  def g(a): return a * a\\n  def d(s, a): return s * 7\\n  h = "
         "custom_gradient(g, d)\\n  return h(x)\\n[f(y), grad(f(y), y)]",
         "{\"value\":[4.0,7.0]}"},
        {"def f(x):\\n  def g(a): return a\\n  return g(x)\\nf(g(y))",
         "unknown_op: unknown op \"g\" [/graph] (4:3)"},
        {"def f(x):\\n  def g(a): return a\\n  return x + g\\nz = f(y)",
         "unbound_name: \"g\" is a function; it is called as g(...) [/graph] (3:14)"},
        {"def f(x):\\n  def g(a): return g(a)\\n  return g(x)\\nf(y)",
         "invalid_argument: g calls itself: functions are inlined, so there is no recursion "
         "[/graph] (2:20)"},
        {"def f(x):\\n  def g(a): return f(a)\\n  return g(x)\\nf(y)",
         "invalid_argument: f calls itself: functions are inlined, so there is no recursion "
         "[/graph] (2:20)"},
        {"def f(x):\\n  def x(a): return a\\n  return 1\\nf(y)",
         "duplicate_name: \"x\" is assigned twice in f [/graph] (2:7)"},
        {"def f(x):\\n  def g(a):\\n    b = a\\n   return b\\n  return g(x)\\nf(y)",
         "syntax_error: line 4, column 4: the lines of a function are indented alike [/graph] "
         "(4:4)"});
}

static void a_rule_needs_no_name(void **state) {
    (void)state;
    CHECK(
        {"def f(a): return a * a\\ndef d(g, a): return g * 7\\nz = 1 + custom_gradient(f, d)(y) * "
         "2\\n[z, grad(z, y)]",
         "{\"value\":[9.0,14.0]}"},
        {"def f(a): return a * a\\ndef d(g, a): return g * 7\\nz = "
         "tf.custom_gradient(custom_gradient(f, d), d)(y)\\n[z, grad(z, y)]",
         "{\"value\":[4.0,7.0]}"},
        {"def f(a): return a * a\\ndef d(g, a): return g * 7\\ndef k(x): return "
         "custom_gradient(f, d)(x) + x\\ngrad(k(y), y)",
         "{\"value\":8.0}"},
        {"def f(a): return a\\nz = custom_gradient(f)(y)",
         "syntax_error: line 2, column 22: expected \",\", found \")\" [/graph] (2:22)"},
        {"def f(a): return a\\nz = custom_gradient(f, f)(y)",
         "invalid_argument: f takes 1 argument, found 2 [/graph] (2:5) <z>"},
        {"z = custom_gradient + 1",
         "unbound_name: no variable, constant or node is called \"custom_gradient\" [/graph] "
         "(1:5) <z>"});
}

static void a_body_that_is_never_called_is_read(void **state) {
    (void)state;
    CHECK(
        {"def f(x): return x +\\ny",
         "syntax_error: line 1, column 21: expected an expression, found "
         "the end of the line [/graph] (1:21)"},
        {"def f(x):\\n  a = x[1:2:3, None] if x > [1, 2][0] else -x ** (2, 3)\\n  b, c = "
         "split(a, num_or_size_splits=2); d = custom_gradient(f, g)(x)\\n  e = unknown(h) "
         "and not 3 < x < d\\n  return b @ c, g(1, k='a'), tf.x, 1e3\\ny",
         "{\"value\":2.0}"},
        {"def f(x):\\n  def g(a):\\n    return a b\\n  return 1\\ny",
         "syntax_error: line 3, column 14: expected an operator or the end of the statement, found "
         "\"b\" [/graph] (3:14)"},
        {"def f(x): a = x\\ny",
         "syntax_error: line 1, column 16: f ends without \"return\" [/graph] (1:16)"},
        {"def f(x): return g(1, k=2, 3)\\ny",
         "syntax_error: line 1, column 28: a positional argument after a keyword argument "
         "[/graph] (1:28)"});
}

static void bodies_that_are_refused(void **state) {
    (void)state;
    CHECK(
        {"def f(x): a = x\\nf(y)",
         "syntax_error: line 1, column 16: f ends without \"return\" [/graph] (1:16)"},
        {"def f(x): x\\nf(y)",
         "syntax_error: line 1, column 11: a function's statements are \"name = ...\" and, as the "
         "last, \"return ...\" [/graph] (1:11)"},
        {"def f(x): return x; y\\nf(y)",
         "syntax_error: line 1, column 21: \"return\" is the last statement of a function; what "
         "follows it begins on a line of its own, not indented [/graph] (1:21)"},
        {"def f(x): return\\nf(y)", "syntax_error: line 1, column 17: expected an expression, "
                                    "found the end of the line [/graph] (1:17)"},
        {"def f(x):\\n  a = x +\\n  return a\\nf(y)",
         "syntax_error: line 2, column 10: expected an expression, found the end of the line "
         "[/graph] (2:10)"},
        {"def f(x):\\n  return x @ x\\nz = f(y)",
         "shape_mismatch: matmul: a has shape (); a matrix (rank 2 or more) is expected [/graph] "
         "(2:12)"});
}

static void calls_that_are_refused(void **state) {
    (void)state;
    CHECK({"def f(x): return x\\nf(1, 2)",
           "invalid_argument: f takes 1 argument, found 2 [/graph] (2:6)"},
          {"def f(x, z): return x\\nf(1)",
           "invalid_argument: f: argument \"z\" is missing [/graph] (2:1)"},
          {"def f(x, z): return x\\nf(1, k=2)",
           "invalid_argument: f: unknown argument \"k\"; it takes x, z [/graph] (2:6)"},
          {"def f(x, z): return x\\nf(1, x=2)",
           "invalid_argument: f: argument \"x\" is given twice [/graph] (2:6)"},
          {"def f(): return y\\nf(k=2)",
           "invalid_argument: f: unknown argument \"k\"; it takes none [/graph] (2:3)"},
          {"def f(x): return x\\nf + 1",
           "unbound_name: \"f\" is a function; it is called as f(...) [/graph] (2:1)"},
          {"def f(x): return f(x - 1)\\nf(y)",
           "invalid_argument: f calls itself: functions are inlined, so there is no recursion "
           "[/graph] (1:18)"},
          {"def f(x): return g(x)\\ndef g(x): return f(x)\\nf(y)",
           "invalid_argument: f calls itself: functions are inlined, so there is no recursion "
           "[/graph] (2:18)"});
}

/* log(1 + exp(x)) with the derivative that does not overflow. */
#define LOG1PEXP                                                                                   \
    "def f(x): return log(1 + exp(x))\\ndef d(g, x): return g * (1 - 1 / (1 + exp(x)))\\nh = "     \
    "custom_gradient(f, d)\\n"

static void a_rule_replaces_the_derivative(void **state) {
    (void)state;
    CHECK({LOG1PEXP "h(0 * y)", "{\"value\":0.6931472}"},
          {LOG1PEXP "a = 500 * y; grad(h(a), a)", "{\"value\":1.0}"},
          {LOG1PEXP "a = 500 * y; grad(f(a), a)", "{\"value\":\"NaN\"}"},
          {LOG1PEXP "a = 0 * y; grad(grad(h(a), a), a)", "{\"value\":0.25}"},
          {LOG1PEXP "a = 0 * y; grad(h(x=a), a)", "{\"value\":0.5}"},
          {"def f(a, b): return a * b\\ndef d(g, a, b): return g * 7, None\\nh = "
           "custom_gradient(f, d,)\\ngrad(h(y, w), [y, w], unconnected='zero')",
           "syntax_error: line 3, column 25: expected \")\", found \",\" [/graph] (3:25)"},
          {"def f(a, b): return a * b\\ndef d(g, a, b): return g * 7, None\\nh = "
           "tf.custom_gradient(f, d)\\ngrad(h(y, w), [y, w], unconnected='zero')",
           "{\"value\":[7.0,0.0]}"},
          {"def f(a): return a, a * a\\ndef d(g, k, a): return g + 10 * k\\nh = "
           "custom_gradient(f, d)\\np, q = h(y)\\n[grad(p, y), grad(q, y), grad([p, q], y), q]",
           "{\"value\":[1.0,10.0,11.0,4.0]}"},
          {"def f(a): return w * a\\ndef d(g, a): return g\\nh = custom_gradient(f, d)\\n"
           "grad(h(y), w, unconnected='zero')",
           "{\"value\":0.0}"});
}

static void rules_that_are_refused(void **state) {
    (void)state;
    CHECK(
        {"def f(a, b): return a * b\\ndef d(g, a, b): return g\\nh = custom_gradient(f, d)\\nz = "
         "h(y, w)",
         "invalid_argument: custom_gradient function expected to return 2 gradients, but returned "
         "1 instead. [/graph] (4:5) <z>"},
        {"def f(a): return a\\ndef d(a): return a\\nh = custom_gradient(f, d)\\nz = h(y)",
         "invalid_argument: d takes 1 argument, found 2 [/graph] (4:5) <z>"},
        {"def f(a): return a\\ndef d(g, a): return reduce_sum(g)\\nh = custom_gradient(f, "
         "d)\\nz = h(x)",
         "shape_mismatch: custom_gradient: gradient 0 of d has shape (), expected (2,3) [/graph] "
         "(4:5) <z>"},
        {"def f(a): return a\\ndef d(g, a): return cast(g, 'float64')\\nh = custom_gradient(f, "
         "d)\\nz = h(x)",
         "dtype_mismatch: custom_gradient: gradient 0 of d has dtype float64, expected float32 "
         "[/graph] (4:5) <z>"},
        {"def f(a): return a > 0\\ndef d(g, a): return g\\nh = custom_gradient(f, d)\\nz = h(x)",
         "dtype_mismatch: custom_gradient: the results of f must be of one floating dtype, found "
         "bool and bool [/graph] (4:5) <z>"},
        {"def f(a): return h(a)\\ndef d(g, a): return g\\nh = custom_gradient(f, d)\\nz = h(y)",
         "invalid_argument: h calls itself: functions are inlined, so there is no recursion "
         "[/graph] (1:18)"},
        {"def f(a): return a\\nh = custom_gradient(f, d)\\nh(y)",
         "syntax_error: line 2, column 24: expected a function that is defined above, found \"d\" "
         "[/graph] (2:24)"},
        {"def f(a): return a\\ny = custom_gradient(f, f)\\nh(y)",
         "duplicate_name: \"y\" is a variable and cannot be assigned [/graph] (2:1)"},
        {"def f(a): return a\\nz = 2 * custom_gradient(f, f)",
         "syntax_error: line 2, column 9: custom_gradient makes a function: write h = "
         "custom_gradient(f, f_grad), then h(...), or custom_gradient(f, f_grad)(...) [/graph] "
         "(2:9)"});
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* n functions, each of which calls the one before twice. */
static void doubling(char *text, int n, const char *first) {
    text += sprintf(text, "def f0(x): return %s\\n", first);
    for (int i = 1; i < n; i++)
        text += sprintf(text, "def f%d(x): return f%d(f%d(x))\\n", i, i - 1, i - 1);
    sprintf(text, "f%d(y)", n - 1);
}

static void calls_count_as_nodes(void **state) {
    (void)state;
    static char text[4000];
    doubling(text, 6, "x + 1");
    assert_string_equal(value_of(text), "{\"value\":34.0}");
    static const char *const first[] = {"x * 2", "x"};
    for (size_t i = 0; i < 2; i++) {
        doubling(text, 30, first[i]);
        const double begin = seconds();
        assert_string_equal(value_of(text),
                            "graph_too_large: the graph has more than the 2000000 nodes a graph "
                            "may have, each call of a function counting as one [/graph] (31:1)");
        assert_true(seconds() - begin < 0.1);
    }
}

static void calls_nest_to_a_limit(void **state) {
    (void)state;
    static char text[20000];
    char *at = text + sprintf(text, "def f0(x): return x + 1\\n");
    for (int i = 1; i < 300; i++) at += sprintf(at, "def f%d(x): return f%d(x)\\n", i, i - 1);
    sprintf(at, "f255(y)");
    assert_string_equal(value_of(text), "{\"value\":3.0}");
    sprintf(at, "f256(y)");
    assert_string_equal(value_of(text),
                        "graph_too_large: line 2, column 21: nesting of expressions "
                        "past 256 (max_expression_depth) [/graph] (2:21)");
}

static void definitions_nest_to_a_limit(void **state) {
    (void)state;
    static char text[300000];
    for (int depth = 200; depth <= 300; depth += 100) {
        char *at = text;
        for (int i = 0; i < depth; i++) at += sprintf(at, "%*sdef f%d(x):\\n", i, "", i);
        at += sprintf(at, "%*sreturn x * 2\\n", depth, "");
        for (int i = depth - 1; i > 0; i--) at += sprintf(at, "%*sreturn f%d(x)\\n", i, "", i);
        sprintf(at, "f0(y)");
        assert_string_equal(value_of(text),
                            depth == 200 ? "{\"value\":4.0}"
                                         : "graph_too_large: line 257, column 257: nesting of "
                                           "expressions past 256 (max_expression_depth) [/graph] "
                                           "(257:257)");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_the_body_with_its_arguments),
        cmocka_unit_test(names_inside_are_local_and_names_outside_are_read),
        cmocka_unit_test(derivatives_go_through_calls),
        cmocka_unit_test(definitions_that_are_refused),
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(functions_stand_in_functions),
        cmocka_unit_test(a_rule_needs_no_name),
        cmocka_unit_test(a_body_that_is_never_called_is_read),
        cmocka_unit_test(bodies_that_are_refused),
        cmocka_unit_test(calls_that_are_refused),
        cmocka_unit_test(a_rule_replaces_the_derivative),
        cmocka_unit_test(rules_that_are_refused),
        cmocka_unit_test(calls_count_as_nodes),
        cmocka_unit_test(calls_nest_to_a_limit),
        cmocka_unit_test(definitions_nest_to_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
