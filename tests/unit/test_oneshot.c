/* One-shot requests: what is watched, structures of names, seeds, warnings, a diagnosis, budgets, and
 * the same from an address bar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json.h"
#include "ask.h"

struct row {
    const char *body, *answer;
};

static void check_rows(service_function service, const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *found = ask(service, rows[i].body);
        if (strcmp(found, rows[i].answer) != 0) {
            fail_msg("%s\n  expected %s\n  found    %s", rows[i].body, rows[i].answer, found);
        }
    }
}
#define CHECK(service, ...)                                                                        \
    do {                                                                                           \
        static const struct row rows[] = {__VA_ARGS__};                                            \
        check_rows(service, rows, sizeof rows / sizeof *rows);                                     \
    } while (0)

#define Z "\"graph\":\"z = (x1 + 5) * x2 ** 2\""
#define V ",\"variables\":{\"x1\":2.0,\"x2\":3.0}"
#define C ",\"constants\":{\"x1\":2.0,\"x2\":3.0}"

static void gradients_have_the_structure_of_sources(void **state) {
    (void)state;
    CHECK(service_gradient, {"{" Z V "}", "{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}"},
          {"{" Z V ",\"sources\":[\"x1\",\"x2\"]}", "{\"value\":63.0,\"gradient\":[9.0,42.0]}"},
          {"{" Z V ",\"sources\":{\"a\":\"x1\"}}", "{\"value\":63.0,\"gradient\":{\"a\":9.0}}"},
          {"{" Z V ",\"sources\":\"x1\"}", "{\"value\":63.0,\"gradient\":9.0}"},
          {"{" Z V ",\"sources\":[[\"x1\"],{\"b\":[\"x2\",\"x2\"]},[]]}",
           "{\"value\":63.0,\"gradient\":[[9.0],{\"b\":[42.0,42.0]},[]]}"},
          {"{" Z V ",\"sources\":{}}", "{\"value\":63.0,\"gradient\":{}}"},
          {"{" Z V ",\"sources\":\"z\"}", "{\"value\":63.0,\"gradient\":1.0}"});
}

static void only_what_is_watched_has_a_gradient(void **state) {
    (void)state;
    CHECK(service_gradient,
          {"{" Z C ",\"sources\":[\"x1\",\"x2\"]}", "{\"value\":63.0,\"gradient\":[null,null]}"},
          {"{" Z C "}", "{\"value\":63.0,\"gradient\":{}}"},
          {"{" Z C ",\"watch\":[\"x1\",\"x2\"],\"sources\":[\"x1\",\"x2\"]}",
           "{\"value\":63.0,\"gradient\":[9.0,42.0]}"},
          {"{" Z C ",\"watch\":\"x1\",\"sources\":[\"x1\",\"x2\"]}",
           "{\"value\":63.0,\"gradient\":[9.0,null]}"},
          {"{" Z ",\"variables\":{\"x1\":{\"value\":2,\"trainable\":false},\"x2\":3}}",
           "{\"value\":63.0,\"gradient\":{\"x1\":null,\"x2\":42.0}}"},
          {"{" Z
           ",\"variables\":{\"x1\":{\"value\":2,\"trainable\":false},\"x2\":3},\"watch\":[\"x1\"]}",
           "{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}"},
          {"{" Z V ",\"watch_accessed_variables\":false}",
           "{\"value\":63.0,\"gradient\":{\"x1\":null,\"x2\":null}}"},
          {"{\"graph\":\"y = x * x; z = y * "
           "y\",\"constants\":{\"x\":3},\"watch\":\"y\",\"sources\":[\"x\",\"y\"]}",
           "{\"value\":81.0,\"gradient\":[null,18.0]}"},
          {"{\"graph\":\"z = x * "
           "2\",\"variables\":{\"x\":1,\"w\":[1,2]},\"unconnected_gradients\":\"zero\"}",
           "{\"value\":2.0,\"gradient\":{\"x\":2.0,\"w\":[0.0,0.0]}}"},
          {"{\"graph\":\"z = i * "
           "x\",\"variables\":{\"x\":1,\"i\":1},\"dtype\":\"int32\",\"unconnected_gradients\":"
           "\"zero\"}",
           "{\"value\":1,\"gradient\":{\"x\":0,\"i\":0}}"});
}

static void watching_an_integer_is_warned_of(void **state) {
    (void)state;
    CHECK(
        service_gradient,
        {"{\"graph\":\"x * "
         "x\",\"constants\":{\"x\":3},\"dtype\":\"int32\",\"watch\":{\"a/"
         "b\":[\"x\"]},\"sources\":\"x\"}",
         "{\"value\":9,\"gradient\":null,\"warnings\":[{\"code\":\"watched_dtype\",\"detail\":"
         "\"The dtype of the watched "
         "tensor must be floating (e.g. tf.float32), got "
         "tf.int32\",\"pointer\":\"/watch/a~1b/0\"}]}"},
        {"{\"graph\":\"x * x\",\"constants\":{\"x\":3},\"watch\":[\"x\",\"b\"],\"sources\":\"x\"}",
         "unbound_name: no variable, constant or node is called \"b\" [/watch/1]"});
}

static void several_targets_sum_under_their_seeds(void **state) {
    (void)state;
#define Y "{\"graph\":\"y1 = 3 * x; y2 = x ** 2\",\"variables\":{\"x\":5}"
    CHECK(
        service_gradient,
        {Y ",\"target\":[\"y1\",\"y2\"]}", "{\"value\":[15.0,25.0],\"gradient\":{\"x\":13.0}}"},
        {Y ",\"target\":[\"y1\",\"y2\"],\"output_gradients\":[2,1]}",
         "{\"value\":[15.0,25.0],\"gradient\":{\"x\":16.0}}"},
        {Y ",\"target\":[\"y1\",\"y2\"],\"output_gradients\":[2]}",
         "{\"value\":[15.0,25.0],\"gradient\":{\"x\":16.0}}"},
        {Y ",\"target\":{\"a\":\"y1\",\"b\":\"y2\"},\"output_gradients\":{\"b\":2}}",
         "{\"value\":{\"a\":15.0,\"b\":25.0},\"gradient\":{\"x\":23.0}}"},
        {Y ",\"target\":[\"y1\",\"y2\"],\"output_gradients\":null}",
         "{\"value\":[15.0,25.0],\"gradient\":{\"x\":13.0}}"},
        {Y ",\"target\":[\"y1\",\"y2\"],\"output_gradients\":[null,1]}",
         "invalid_value: Attempt to convert a value (None) with an unsupported type (<class "
         "'NoneType'>) to a Tensor. "
         "[/output_gradients/0]"},
        {Y ",\"target\":[\"y1\",\"y2\"],\"output_gradients\":[1,2,3]}",
         "invalid_value: output_gradients must have the structure of the target, a list of 2; "
         "found an array of 3 "
         "[/output_gradients]"},
        {Y ",\"target\":{\"a\":\"y1\"},\"output_gradients\":{\"b\":2}}",
         "invalid_value: the target has no member \"b\" [/output_gradients/b]"},
        {Y ",\"target\":\"y1\",\"output_gradients\":[1,2]}",
         "shape_mismatch: the output gradient of \"y1\" has shape (2,), expected () "
         "[/output_gradients]"},
        {Y
         ",\"target\":\"y1\",\"output_gradients\":{\"dtype\":\"float64\",\"shape\":[],\"data\":1}}",
         "dtype_mismatch: the output gradient has dtype float64, expected float32 "
         "[/output_gradients]"},
        {Y ",\"target\":[]}",
         "invalid_value: target is empty; it must name at least one node [/target]"});
}

static void missing_gradients_are_null_in_answers_and_no_targets(void **state) {
    (void)state;
    CHECK(service_evaluate,
          {"{\"graph\":\"z = x ** 2; g = grad(z, [x, w]); h = grad(z, "
           "w)\",\"variables\":{\"x\":3,\"w\":1},\"fetch\":{\"a\":\"g\",\"b\":[\"h\"]}}",
           "{\"value\":{\"a\":[6.0,null],\"b\":[null]}}"});
    CHECK(service_gradient,
          {"{\"graph\":\"z = x ** 2; g = grad(z, w)\",\"variables\":{\"x\":3,\"w\":1}}",
           "missing_gradient: Argument `target` should be a list or nested structure of Tensors, "
           "Variables or "
           "CompositeTensors to be differentiated, but received None. [/graph]"},
          {"{\"graph\":\"g = grad(z0, w); z = "
           "x\",\"variables\":{\"x\":3,\"w\":1,\"z0\":2},\"sources\":[\"x\",\"g\"]}",
           "missing_gradient: a source is a gradient that is None [/sources]"});
}

static void second_derivatives_of_the_article(void **state) {
    (void)state;
#define G "\"graph\":\"z = (x1 + 5) * x2 ** 2; g1, g2 = grad(z, [x1, x2])\""
    CHECK(service_gradient,
          {"{" G V ",\"target\":\"g1\",\"sources\":[\"x1\",\"x2\"]}",
           "{\"value\":9.0,\"gradient\":[null,6.0]}"},
          {"{" G V ",\"target\":\"g2\",\"sources\":[\"x1\",\"x2\"]}",
           "{\"value\":42.0,\"gradient\":[6.0,14.0]}"},
          {"{" G V ",\"sources\":[\"x1\",\"x2\"]}",
           "{\"value\":[9.0,42.0],\"gradient\":[6.0,20.0]}"});
}

static void fetch_and_format(void **state) {
    (void)state;
    CHECK(
        service_gradient,
        {"{\"graph\":\"y = x ** 2; z = y + 1\",\"variables\":{\"x\":[3]},\"fetch\":[\"y\",\"x\"]}",
         "{\"value\":[10.0],\"gradient\":{\"x\":[6.0]},\"fetched\":[[9.0],[3.0]]}"},
        {"{\"graph\":\"x * "
         "2\",\"variables\":{\"x\":[1,2]},\"format\":\"base64\",\"dtype\":\"float64\"}",
         "{\"value\":{\"dtype\":\"float64\",\"shape\":[2],\"base64\":\"AAAAAAAAAEAAAAAAAAAQQA==\"},"
         "\"gradient\":{\"x\":{\"dtype\":"
         "\"float64\",\"shape\":[2],\"base64\":\"AAAAAAAAAEAAAAAAAAAAQA==\"}}}"});
    CHECK(service_evaluate,
          {"{\"graph\":{\"nodes\":[]},\"constants\":{\"x\":1},\"fetch\":[\"x\"]}",
           "{\"value\":[1.0]}"},
          {"{\"graph\":{\"nodes\":[]},\"constants\":{\"x\":1}}",
           "invalid_request: the graph is empty and \"fetch\" names nothing [/graph]"},
          {"{\"graph\":\"y = 5; z = [y, x]\",\"constants\":{\"x\":1},\"fetch\":[\"y\",\"z\"]}",
           "{\"value\":[5.0,[5.0,1.0]]}"});
}

static void a_diagnosis_names_what_is_not_finite_first(void **state) {
    (void)state;
    CHECK(
        service_gradient,
        {"{\"graph\":\"a = log(x - 1); z = a * 2\",\"variables\":{\"x\":1},\"diagnose\":true}",
         "{\"value\":\"-Infinity\",\"gradient\":{\"x\":\"Infinity\"},\"diagnosis\":{\"node\":\"a\","
         "\"op\":\"log\",\"what\":\"value\"}}"},
        {"{\"graph\":\"a = x * y; z = sqrt(a)\",\"variables\":{\"x\":0,\"y\":2},\"diagnose\":true}",
         "{\"value\":0.0,\"gradient\":{\"x\":\"Infinity\",\"y\":\"NaN\"},\"diagnosis\":{\"node\":"
         "\"a\",\"op\":\"multiply\","
         "\"what\":\"gradient\"}}"},
        {"{\"graph\":\"u = log(0 * x); z = x\",\"variables\":{\"x\":1},\"diagnose\":true}",
         "{\"value\":1.0,\"gradient\":{\"x\":1.0}}"},
        {"{\"graph\":\"u = log(0 * x); z = "
         "x\",\"variables\":{\"x\":1},\"diagnose\":true,\"fetch\":\"u\"}",
         "{\"value\":1.0,\"gradient\":{\"x\":1.0},\"fetched\":\"-Infinity\",\"diagnosis\":{"
         "\"node\":\"u\",\"op\":\"log\",\"what\":\"value\"}}"},
        {"{\"graph\":\"z = stop_gradient(sqrt(x)) + x\",\"variables\":{\"x\":0},\"diagnose\":true}",
         "{\"value\":0.0,\"gradient\":{\"x\":1.0}}"});
    CHECK(
        service_evaluate,
        {"{\"graph\":\"x / y\",\"variables\":{\"x\":0,\"y\":\"NaN\"},\"diagnose\":true}",
         "{\"value\":\"NaN\",\"diagnosis\":{\"node\":\"y\",\"op\":\"input\",\"what\":\"value\"}}"});
}

static void members_are_checked(void **state) {
    (void)state;
    CHECK(service_gradient,
          {"{\"graph\":\"x\",\"variabels\":{}}",
           "invalid_request: unknown member \"variabels\"; did you mean \"variables\"? Accepted: "
           "graph, variables, constants, "
           "dtype, format, target, sources, output_gradients, unconnected_gradients, watch, "
           "watch_accessed_variables, fetch, batch, "
           "timeout_seconds, diagnose [/variabels]"},
          {"[1]", "invalid_request: expected an object, found an array of numbers"},
          {"{}", "invalid_request: member \"graph\" is missing"},
          {"{\"graph\":5}", "invalid_request: expected a text in the expression language or an "
                            "object with \"nodes\", found a number [/graph]"},
          {"{\"graph\":\"x\",\"variables\":5}",
           "invalid_request: expected an object, found a number [/variables]"},
          {"{\"graph\":\"x\",\"variables\":{\"x\":1},\"constants\":{\"x\":1}}",
           "duplicate_name: \"x\" is both a variable and a constant [/constants/x]"},
          {"{\"graph\":\"x\",\"variables\":{\"2x\":1}}",
           "invalid_request: \"2x\" is not a name; names match [A-Za-z_][A-Za-z0-9_]* "
           "[/variables/2x]"},
          {"{\"graph\":\"x\",\"variables\":{\"Infinity\":1}}",
           "invalid_request: \"Infinity\" is not a name; names match [A-Za-z_][A-Za-z0-9_]* "
           "[/variables/Infinity]"},
          {"{\"graph\":\"x\",\"variables\":{\"x\":{\"value\":1,\"trainable\":1}}}",
           "invalid_request: expected true or false, found a number [/variables/x/trainable]"},
          {"{\"graph\":\"x\",\"variables\":{\"x\":{\"value\":1,\"trainabel\":true}}}",
           "invalid_request: unknown member \"trainabel\"; did you mean \"trainable\"? Accepted: "
           "value, dtype, trainable [/variables/x/trainabel]"},
          {"{\"graph\":\"x\",\"constants\":{\"x\":{\"value\":1,\"trainable\":true}}}",
           "invalid_request: unknown member \"trainable\"; accepted: value, dtype "
           "[/constants/x/trainable]"},
          {"{\"graph\":\"x\",\"dtype\":\"float16\"}",
           "invalid_value: unknown dtype \"float16\"; expected float32, float64, int32, int64 or "
           "bool [/dtype]"},
          {"{\"graph\":\"x\",\"format\":\"csv\"}",
           "invalid_value: unknown format \"csv\"; expected nested, typed or base64 [/format]"},
          {"{\"graph\":\"x\",\"format\":5}",
           "invalid_request: expected a string, found a number [/format]"},
          {"{\"graph\":\"x\",\"unconnected_gradients\":\"zeros\"}",
           "invalid_value: Unknown value for unconnected_gradients: 'zeros' "
           "[/unconnected_gradients]"},
          {"{\"graph\":\"x\",\"timeout_seconds\":0}",
           "invalid_value: expected a number of seconds above 0, found 0 [/timeout_seconds]"},
          {"{\"graph\":\"x\",\"variables\":{\"x\":1},\"sources\":[\"x\",[5]]}",
           "invalid_request: a source is a name, found an array of numbers [/sources/1]"},
          {"{\"graph\":\"x\",\"variables\":{\"x\":1},\"target\":\"y\"}",
           "unbound_name: no variable, constant or node is called \"y\" [/target]"});
    CHECK(service_evaluate,
          {"{\"graph\":\"x\",\"sources\":[]}",
           "invalid_request: unknown member \"sources\"; accepted: graph, variables, constants, "
           "dtype, format, "
           "watch, watch_accessed_variables, fetch, batch, timeout_seconds, diagnose [/sources]"});
}

static void a_variable_may_say_its_dtype(void **state) {
    (void)state;
    CHECK(service_gradient,
          {"{\"graph\":\"x * 0.1\",\"variables\":{\"x\":{\"value\":1,\"dtype\":\"float64\"}}}",
           "{\"value\":0.1,\"gradient\":{\"x\":0.1}}"},
          {"{\"graph\":\"x * "
           "y\",\"variables\":{\"x\":{\"dtype\":\"float64\",\"shape\":[2],\"data\":[1,2]},\"y\":{"
           "\"value\":{\"dtype\":\"float64\",\"shape\":[],"
           "\"data\":3},\"trainable\":false}}}",
           "{\"value\":[3.0,6.0],\"gradient\":{\"x\":[3.0,3.0],\"y\":null}}"});
}

static const char *get(service_function service, const struct service_pair *query, size_t n) {
    return ask_query(service, query, n);
}
#define GET(service, ...)                                                                          \
    get(service, (const struct service_pair[]){__VA_ARGS__},                                       \
        sizeof((const struct service_pair[]){__VA_ARGS__}) / sizeof(struct service_pair))

static void a_query_says_the_same_as_a_body(void **state) {
    (void)state;
    const struct service_pair graph = {"graph", "(x1+5)*x2**2"}, x1 = {"x1", "2"}, x2 = {"x2", "3"};
    assert_string_equal(GET(service_gradient, graph, x1, x2),
                        "{\"value\":63.0,\"gradient\":{\"x1\":9.0,\"x2\":42.0}}");
    assert_string_equal(GET(service_gradient, x2, graph, x1, {"sources", "x2,x1"}),
                        "{\"value\":63.0,\"gradient\":[42.0,9.0]}");
    assert_string_equal(GET(service_gradient, graph, x1, x2, {"sources", "x2"}),
                        "{\"value\":63.0,\"gradient\":42.0}");
    assert_string_equal(GET(service_gradient, graph, x1, x2, {"sources", "{\"a\":\"x2\"}"}),
                        "{\"value\":63.0,\"gradient\":{\"a\":42.0}}");
    assert_string_equal(GET(service_evaluate, {"graph", "x*2"}, {"x", "-Infinity"}),
                        "{\"value\":\"-Infinity\"}");
    assert_string_equal(GET(service_evaluate, {"graph", "x*2"}, {"x", "[1,2]"}, {"dtype", "int64"}),
                        "{\"value\":[2,4]}");
    assert_string_equal(GET(service_evaluate, {"graph", "x*2"}, {"x", "two"}),
                        "invalid_value: expected a number, found \"two\" [/x]");
    assert_string_equal(GET(service_evaluate, {"graph", "x*2"}, {"x", "1}, \"y\":{\"value\":1"}),
                        "invalid_value: expected a number, found \"1}, \"y\":{\"value\":1\" [/x]");
    assert_string_equal(GET(service_evaluate, {"graph", "x"}, x1, x1),
                        "duplicate_name: \"x1\" is given twice [/x1]");
    assert_string_equal(GET(service_evaluate, {"graph", "(x1 5)*2"}, x1),
                        "syntax_error: line 1, column 5: expected \")\", found \"5\"; in an "
                        "address a + is written %2B [/graph] (1:5)");
    assert_string_equal(GET(service_evaluate, {"graph", "x1 5"}, x1),
                        "syntax_error: line 1, column 4: expected an operator or the end of the "
                        "statement, found \"5\"; in an "
                        "address a + is written %2B [/graph] (1:4)");
    assert_string_equal(GET(service_evaluate, x1), "invalid_request: member \"graph\" is missing");
    assert_string_equal(GET(service_evaluate, graph, {"variables", "{}"}),
                        "invalid_request: in an address each variable goes by its own name; "
                        "\"variables\" needs POST [/variables]");
    assert_string_equal(GET(service_gradient, graph, x1, x2, {"diagnose", "yes"}),
                        "invalid_value: expected JSON, found \"yes\" [/diagnose]");
}

static void budgets_refuse_before_anything_is_spent(void **state) {
    (void)state;
    struct service_limits small = service_limits_default;
    small.max_work = 1000;
    const char *found =
        ask_within(service_evaluate,
                   "{\"graph\":\"sin(broadcast_to(x, [5000]))\",\"variables\":{\"x\":1}}", &small);
    assert_non_null(strstr(found, "too_much_work: the request needs about "));
    assert_non_null(strstr(found, " operations; the limit is 1000"));
    small = service_limits_default;
    small.max_request_bytes = 1 << 20;
    found = ask_within(service_evaluate,
                       "{\"graph\":\"y = broadcast_to(x, [9000000]); reduce_sum(sin(y) * "
                       "cos(y))\",\"variables\":{\"x\":1}}",
                       &small);
    assert_non_null(strstr(found, "memory_budget: the request needs "));
    assert_non_null(strstr(found, "the limit is 1048576"));
    small = service_limits_default;
    small.max_nodes = 10;
    found = ask_within(service_evaluate,
                       "{\"graph\":\"x+x+x+x+x+x+x+x+x+x+x\",\"variables\":{\"x\":1}}", &small);
    assert_non_null(strstr(found, "graph_too_large: "));
    found = ask_within(service_evaluate,
                       "{\"graph\":\"x+x+x+x+x+x+x+x+x+x\",\"variables\":{\"x\":1}}", &small);
    assert_string_equal(found, "{\"value\":10.0}");
    small = service_limits_default;
    small.max_answer_bytes = 100;
    found = ask_within(service_evaluate,
                       "{\"graph\":\"broadcast_to(x, [1000])\",\"variables\":{\"x\":1}}", &small);
    assert_string_equal(found,
                        "memory_budget: the answer is larger than the 100 bytes it may take");
}

/* Every size of memory up to what the request needs fails cleanly, whatever allocation is hit. */
static void no_memory_is_an_answer_wherever_it_runs_out(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"graph\":\"a, b = grad((x1 + 5) * x2 ** 2, [x1, x2]); c = [[a, 1], [b, 2]]; d = c[0, "
        "::-1]; reduce_sum(d, axis=[0])\","
        "\"variables\":{\"x1\":2,\"x2\":3},\"watch\":[\"x1\"],\"fetch\":{\"k\":[\"a\",\"b\"]},"
        "\"diagnose\":true,\"output_gradients\":1}",
        "{\"graph\":{\"nodes\":[{\"id\":\"a\",\"op\":\"concat\",\"inputs\":[\"x\",[1,2]],\"attrs\":"
        "{\"axis\":0}},"
        "{\"id\":[\"g\"],\"op\":\"gradient\",\"inputs\":[\"a\"],\"attrs\":{\"sources\":[\"x\"]}}]},"
        "\"variables\":{\"x\":[1,2]}}"};
    for (size_t i = 0; i < 2; i++) {
        struct service_limits limits = service_limits_default;
        bool answered = false;
        for (limits.max_request_bytes = 64; limits.max_request_bytes < 200000 && !answered;
             limits.max_request_bytes += 64) {
            const char *found = ask_within(service_gradient, bodies[i], &limits);
            answered = *found == '{';
            if (!answered && strncmp(found, "memory_budget: ", 15) != 0) fail_msg("%s", found);
        }
        assert_true(answered);
    }
}

static void a_request_may_ask_for_less_time(void **state) {
    (void)state;
    CHECK(service_evaluate,
          {"{\"graph\":\"x\",\"variables\":{\"x\":1},\"timeout_seconds\":5}", "{\"value\":1.0}"});
    const char *found =
        ask(service_evaluate,
            "{\"graph\":\"a = broadcast_to(x, [1200, 1200]); reduce_sum(a @ a @ a @ a)\","
            "\"variables\":{\"x\":1},\"timeout_seconds\":1e-6}");
    assert_non_null(strstr(found, "deadline_exceeded: "));
}

static void the_tables_speak_for_themselves(void **state) {
    (void)state;
    const char *found = ask(service_limits, "");
    assert_non_null(strstr(
        found,
        "{\"max_body_bytes\":67108864,\"max_json_depth\":128,\"max_expression_depth\":256,"));
    found = ask(service_ops, "");
    struct arena arena;
    struct json *root;
    struct error error;
    arena_init(&arena, 1 << 24);
    error_clear(&error);
    assert_true(json_parse(&arena, found, strlen(found), 10, &root, &error));
    assert_non_null(strstr(found, "{\"name\":\"reduce_sum\","));
    assert_non_null(strstr(found, "{\"name\":\"grad\","));
    assert_null(strstr(found, "strided_slice_grad"));
    arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_have_the_structure_of_sources),
        cmocka_unit_test(only_what_is_watched_has_a_gradient),
        cmocka_unit_test(watching_an_integer_is_warned_of),
        cmocka_unit_test(several_targets_sum_under_their_seeds),
        cmocka_unit_test(missing_gradients_are_null_in_answers_and_no_targets),
        cmocka_unit_test(second_derivatives_of_the_article),
        cmocka_unit_test(fetch_and_format),
        cmocka_unit_test(a_diagnosis_names_what_is_not_finite_first),
        cmocka_unit_test(members_are_checked),
        cmocka_unit_test(a_variable_may_say_its_dtype),
        cmocka_unit_test(a_query_says_the_same_as_a_body),
        cmocka_unit_test(budgets_refuse_before_anything_is_spent),
        cmocka_unit_test(no_memory_is_an_answer_wherever_it_runs_out),
        cmocka_unit_test(a_request_may_ask_for_less_time),
        cmocka_unit_test(the_tables_speak_for_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
