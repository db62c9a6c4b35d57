/* The expression language: what it computes, what it knows when the graph is built, and how it says
 * what it did not understand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"

#define CHECK(...) ASK_CHECK(value_of, __VA_ARGS__)

static void precedence_and_grouping_are_pythons(void **state) {
    (void)state;
    CHECK({"-y ** 2", "{\"value\":-4.0}"}, {"(-y) ** 2", "{\"value\":4.0}"},
          {"y ** -y", "{\"value\":0.25}"}, {"y ** 3 ** 2", "{\"value\":512.0}"},
          {"-y ** -y ** 2", "{\"value\":-0.0625}"}, {"y - 3 - 4", "{\"value\":-5.0}"},
          {"16 / y / 4", "{\"value\":2.0}"}, {"1 + y * 3", "{\"value\":7.0}"},
          {"y * 3 % 4", "{\"value\":2.0}"}, {"-7 // y", "{\"value\":-4.0}"},
          {"+y", "{\"value\":2.0}"}, {"- - -y", "{\"value\":-2.0}"},
          {"not y > 3 and w < 0 or y == 2", "{\"value\":true}"}, {"not y > 1", "{\"value\":false}"},
          {"not not y > 1", "{\"value\":true}"}, {"1 < y < 3 < 5", "{\"value\":true}"},
          {"1 < y < 2", "{\"value\":false}"},
          {"y if y > 3 else w if y > 2 else 7", "{\"value\":7.0}"},
          {"y + 1 if w > 0 else y", "{\"value\":3.0}"},
          {"x @ transpose(x)", "{\"value\":[[14.0,32.0],[32.0,77.0]]}"});
}

static void literals_take_the_dtype_of_what_they_meet(void **state) {
    (void)state;
    CHECK(
        {"cast(y, int32) + 3", "{\"value\":5}"}, {"cast(y, \\\"int64\\\") + 3.0", "{\"value\":5}"},
        {"cast(y, tf.int32) + 2.5",
         "dtype_mismatch: the literal 2.5 is not an int32 [/graph] (1:21)"},
        {"2.5 * cast(y, int32)", "dtype_mismatch: the literal 2.5 is not an int32 [/graph] (1:1)"},
        {"cast(y, int32) * 3000000000",
         "invalid_value: the literal 3000000000 is out of range of int32 [/graph] (1:18)"},
        {"y * 1e39", "invalid_value: the literal 1e+39 is out of range of float32 [/graph] (1:5)"},
        {"y * 1e999", "invalid_value: 1e999 is out of range of float32 [/graph] (1:5)"},
        {"y * True",
         "dtype_mismatch: a literal bool meets a tensor of dtype float32 [/graph] (1:5)"},
        {"[True, False]", "{\"value\":[true,false]}"}, {"[1, 2]", "{\"value\":[1.0,2.0]}"},
        {"cast(y, float64) * 0.1", "{\"value\":0.2}"}, {"y * 16777217", "{\"value\":33554432.0}"},
        {"where(x > 3, x, 0)", "{\"value\":[[0.0,0.0,0.0],[4.0,5.0,6.0]]}"},
        {"inf * y - -inf", "{\"value\":\"Infinity\"}"}, {"nan * y", "{\"value\":\"NaN\"}"});
}

static void a_decimal_is_rounded_once_to_float32(void **state) {
    (void)state;
    /* Halfway between two floats and a little more than a double can tell. */
    CHECK({"w * 1.00000005960464477539062500000000000000001", "{\"value\":1.0000001}"},
          {"w * 1.000000059604644775390625", "{\"value\":1.0}"},
          {"w * -1.00000005960464477539062500000000000000001", "{\"value\":-1.0000001}"});
}

static void arithmetic_on_literals_is_known_when_the_graph_is_built(void **state) {
    (void)state;
    CHECK({"reshape(x, [size(x) // 2, 2])", "{\"value\":[[1.0,2.0],[3.0,4.0],[5.0,6.0]]}"},
          {"reshape(x, [size(x) / 2, -1])", "{\"value\":[[1.0,2.0],[3.0,4.0],[5.0,6.0]]}"},
          {"reshape(x, [2 ** 2 - 1, 5 % 3])", "{\"value\":[[1.0,2.0],[3.0,4.0],[5.0,6.0]]}"},
          {"reshape(x, shape(x)[::-1])", "{\"value\":[[1.0,2.0],[3.0,4.0],[5.0,6.0]]}"},
          {"reshape(x, [6 if rank(x) == 2 else 1])", "{\"value\":[1.0,2.0,3.0,4.0,5.0,6.0]}"},
          {"reshape(x, [len(x) * shape(x)[1]])", "{\"value\":[1.0,2.0,3.0,4.0,5.0,6.0]}"},
          {"-7 // 2", "{\"value\":-4.0}"}, {"-7 % 3", "{\"value\":2.0}"},
          {"7 // -2.0", "{\"value\":-4.0}"}, {"-7 % -2.5", "{\"value\":-2.0}"},
          {"2 ** -1", "{\"value\":0.5}"}, {"2 ** 62 + 0", "{\"value\":4.611686e+18}"},
          {"True + True", "{\"value\":2.0}"}, {"1 and 2 or 3", "{\"value\":2.0}"},
          {"not 0", "{\"value\":true}"}, {"0 * -1.0", "{\"value\":-0.0}"},
          {"1 < 2 < 3", "{\"value\":true}"},
          {"9223372036854775807 + 1", "invalid_argument: add(9223372036854775807, 1) does not fit "
                                      "in 64 bits; write one of them as a float "
                                      "[/graph] (1:21)"},
          {"-9223372036854775807 - 2", "invalid_argument: subtract(-9223372036854775807, 2) does "
                                       "not fit in 64 bits; write one of them as a float "
                                       "[/graph] (1:22)"},
          {"4294967296 * 4294967296", "invalid_argument: multiply(4294967296, 4294967296) does not "
                                      "fit in 64 bits; write one of them as a float "
                                      "[/graph] (1:12)"},
          {"2 ** 64", "invalid_argument: pow(2, 64) does not fit in 64 bits; write one of them as "
                      "a float [/graph] (1:3)"},
          {"(-2) ** 63 + 0", "{\"value\":-9.223372e+18}"},
          {"1 / 0", "invalid_argument: divide: division by zero [/graph] (1:3)"},
          {"1 // 0", "invalid_argument: floordiv: division by zero [/graph] (1:3)"},
          {"1 % 0.0", "invalid_argument: mod: division by zero [/graph] (1:3)"},
          {"(-8) ** 0.5",
           "invalid_argument: pow: the negative number -8 has no real power 0.5 [/graph] (1:6)"});
}

static void subscripts_are_numpys(void **state) {
    (void)state;
    CHECK(
        {"x[0]", "{\"value\":[1.0,2.0,3.0]}"}, {"x[-1, -2]", "{\"value\":5.0}"},
        {"x[:, 1]", "{\"value\":[2.0,5.0]}"}, {"x[..., ::2]", "{\"value\":[[1.0,3.0],[4.0,6.0]]}"},
        {"x[::-1, 2:0:-1]", "{\"value\":[[6.0,5.0],[3.0,2.0]]}"}, {"x[5:]", "{\"value\":[]}"},
        {"x[-9:9, 1:100]", "{\"value\":[[2.0,3.0],[5.0,6.0]]}"},
        {"x[0, 1:3, ..., None]", "{\"value\":[[2.0],[3.0]]}"},
        {"x[None, 0, None, 0]", "{\"value\":[[1.0]]}"}, {"x[0][1]", "{\"value\":2.0}"},
        {"x[1,]", "{\"value\":[4.0,5.0,6.0]}"},
        {"x[:]", "{\"value\":[[1.0,2.0,3.0],[4.0,5.0,6.0]]}"},
        {"x[None:None:2, 0]", "{\"value\":[1.0]}"}, {"[y, w][0]", "{\"value\":2.0}"},
        {"[1, 2, 3][::-1]", "{\"value\":[3.0,2.0,1.0]}"},
        {"[[1, y], [3, 4]][1, 0]", "{\"value\":3.0}"},
        {"x[2]",
         "invalid_argument: index 2 is out of range for axis 0 of shape (2,3) [/graph] (1:2)"},
        {"[1, 2][2]",
         "invalid_argument: index 2 is out of range for axis 0 of shape (2,) [/graph] (1:7)"},
        {"x[0, 0, 0]", "invalid_argument: 3 indices for shape (2,3) [/graph] (1:2)"},
        {"x[::0]", "invalid_argument: slice step cannot be zero [/graph] (1:2)"},
        {"x[..., ...]",
         "invalid_argument: an index can only have a single ellipsis ('...') [/graph] (1:2)"},
        {"x[y]", "invalid_argument: an index must be an integer written in the graph, a slice, ... "
                 "or None; found a tensor "
                 "[/graph] (1:3)"},
        {"x[None, None, None, None, None, None, None]",
         "graph_too_large: an index gives more than the 8 axes a tensor may have [/graph] (1:2)"});
}

static void lists_stack_and_unpack(void **state) {
    (void)state;
    CHECK({"[[1, 2], [3, y]]", "{\"value\":[[1.0,2.0],[3.0,2.0]]}"},
          {"(y, w)", "{\"value\":[2.0,1.0]}"}, {"(y)", "{\"value\":2.0}"},
          {"(y,)", "{\"value\":[2.0]}"}, {"y, w", "{\"value\":[2.0,1.0]}"},
          {"[] ", "{\"value\":[]}"}, {"a, b = x; a + b", "{\"value\":[5.0,7.0,9.0]}"},
          {"a, b = y, w; a - b", "{\"value\":1.0}"}, {"a, b = [1, 2]", "{\"value\":[1.0,2.0]}"},
          {"concat([x[0], [y]], axis=0)", "{\"value\":[1.0,2.0,3.0,2.0]}"},
          {"concat((x, x), axis=-1)[0]", "{\"value\":[1.0,2.0,3.0,1.0,2.0,3.0]}"},
          {"a, b, c = x", "invalid_argument: 3 names for 2 values [/graph] (1:1)"},
          {"a, b = y", "invalid_argument: 2 names for a scalar [/graph] (1:1)"},
          {"concat(x, axis=0)", "invalid_argument: concat: argument \"values\" must be a list of "
                                "tensors, found a tensor [/graph] (1:8)"});
}

static void grad_is_a_node_like_any_other(void **state) {
    (void)state;
    CHECK({"grad(y ** 3, y)", "{\"value\":12.0}"}, {"grad(grad(y ** 3, y), y)", "{\"value\":12.0}"},
          {"a, b = grad(y * w ** 2, [y, w]); a * b", "{\"value\":4.0}"},
          {"grad([y, y * w], y)", "{\"value\":2.0}"},
          {"grad(y, [y, [w]])", "{\"value\":[1.0,[null]]}"}, {"grad(y, w)", "{\"value\":null}"},
          {"grad(y, w, unconnected=\\\"zero\\\") + 1", "{\"value\":1.0}"},
          {"grad(y, 5)", "{\"value\":null}"},
          {"grad(x * y, x, output_gradients=x)", "{\"value\":[[2.0,4.0,6.0],[8.0,10.0,12.0]]}"},
          {"grad([y, y ** 2], y, output_gradients=[3, 2])", "{\"value\":11.0}"},
          {"grad([y, y ** 2], y, output_gradients=[3])", "{\"value\":7.0}"},
          {"g = grad(y * w, [y, w]); h = [grad(g[0], [y, w]), grad(g[1], [y, w])]",
           "{\"value\":[[null,1.0],[1.0,null]]}"},
          {"stop_gradient(y) * y + 0 * grad(stop_gradient(y) * y, y)", "{\"value\":4.0}"},
          {"z = grad(y, w); z + 1", "missing_gradient: Attempt to convert a value (None) with an "
                                    "unsupported type (<class 'NoneType'>) to a "
                                    "Tensor. [/graph] (1:17)"},
          {"sin(grad(y, w))", "missing_gradient: Attempt to convert a value (None) with an "
                              "unsupported type (<class 'NoneType'>) to a "
                              "Tensor. [/graph] (1:5)"},
          {"grad(grad(y, w), y)",
           "missing_gradient: Argument `target` should be a list or nested structure of Tensors, "
           "Variables or "
           "CompositeTensors to be differentiated, but received None. [/graph] (1:1)"},
          {"grad(y, w, unconnected=\\\"zeros\\\")",
           "invalid_argument: Unknown value for unconnected_gradients: 'zeros' [/graph] (1:1)"},
          {"grad(x, x, output_gradients=y)", "shape_mismatch: the output gradient of \"x\" has "
                                             "shape (), expected (2,3) [/graph] (1:1)"},
          {"grad([y, w], y, output_gradients=[1, 2, 3])",
           "invalid_argument: output_gradients must have the structure of the target, a list of 2; "
           "found a longer list "
           "[/graph] (1:1)"});
}

static void arguments_bind_by_position_and_by_name(void **state) {
    (void)state;
    CHECK({"reduce_sum(x, 0, True)", "{\"value\":[[5.0,7.0,9.0]]}"},
          {"reduce_sum(x, keepdims=True, axis=1)", "{\"value\":[[6.0],[15.0]]}"},
          {"reduce_sum(x, axis=None)", "{\"value\":21.0}"}, {"np.sum(x)", "{\"value\":21.0}"},
          {"tf.nn.relu(-y)", "{\"value\":0.0}"}, {"tf.shape(x)[0] * y", "{\"value\":4.0}"},
          {"np.pi * w", "{\"value\":3.1415927}"},
          {"redcue_sum(x)",
           "unknown_op: unknown op \"redcue_sum\"; did you mean \"reduce_sum\"? [/graph] (1:1)"},
          {"gard(y, y)", "unknown_op: unknown op \"gard\"; did you mean \"grad\"? [/graph] (1:1)"},
          {"y(3)", "unknown_op: \"y\" is a value, not a function; a product is written with * "
                   "[/graph] (1:1)"},
          {"reduce_sum(x, axes=0)", "invalid_argument: reduce_sum: unknown argument \"axes\"; did "
                                    "you mean \"axis\"? [/graph] (1:15)"},
          {"sin(x, x)", "invalid_argument: sin takes 1 argument, found 2 [/graph] (1:8)"},
          {"maximum(x)", "invalid_argument: maximum: argument \"y\" is missing [/graph] (1:1)"},
          {"reduce_sum(x, 0, axis=1)",
           "invalid_argument: reduce_sum: argument \"axis\" is given twice [/graph] (1:18)"},
          {"reduce_sum(x, axis=y)", "invalid_argument: reduce_sum: argument \"axis\" must be an "
                                    "integer or a list of integers written in the "
                                    "graph, found a tensor [/graph] (1:20)"},
          {"reduce_sum(x, keepdims=y)", "invalid_argument: reduce_sum: argument \"keepdims\" must "
                                        "be True or False written in the graph, found a "
                                        "tensor [/graph] (1:24)"},
          {"cast(y, \\\"float16\\\")", "invalid_argument: cast: unknown dtype \"float16\"; "
                                       "expected float32, float64, int32, int64 or bool [/graph] "
                                       "(1:9)"},
          {"sin(\\\"y\\\")",
           "invalid_argument: expected a tensor, found the string \"y\" [/graph] (1:5)"});
}

static void syntax_errors_name_the_place_and_what_was_expected(void **state) {
    (void)state;
    CHECK({"z = (y + 5", "syntax_error: line 1, column 11: expected \")\", found the end of the "
                         "text [/graph] (1:11)"},
          {"z = y +\\ny", "syntax_error: line 1, column 8: expected an expression, found the end "
                          "of the line [/graph] (1:8)"},
          {"y )", "syntax_error: line 1, column 3: expected an operator or the end of the "
                  "statement, found \")\" [/graph] (1:3)"},
          {"2 y", "syntax_error: line 1, column 3: expected an operator or the end of the "
                  "statement, found \"y\" [/graph] (1:3)"},
          {"2y", "syntax_error: line 1, column 2: expected an operator or the end of the "
                 "statement, found \"y\" [/graph] (1:2)"},
          {"[1, 2", "syntax_error: line 1, column 6: expected \",\" or \"]\", found the end of the "
                    "text [/graph] (1:6)"},
          {"sin(y", "syntax_error: line 1, column 6: expected \",\" or \")\", found the end of the "
                    "text [/graph] (1:6)"},
          {"y if w > 0", "syntax_error: line 1, column 11: expected \"else\", found the end of the "
                         "text [/graph] (1:11)"},
          {"y[]", "syntax_error: line 1, column 3: expected an index, found \"]\" [/graph] (1:3)"},
          {"1__0", "syntax_error: line 1, column 1: \"1__0\" is not a number [/graph] (1:1)"},
          {"y ^ 2", "syntax_error: line 1, column 3: \"^\" is no operator; a power is written ** "
                    "[/graph] (1:3)"},
          {"y = $y",
           "syntax_error: line 1, column 5: \"$\" is no operator; a name has no sign before "
           "it [/graph] (1:5)"},
          {"!y", "syntax_error: line 1, column 1: \"!\" is no operator; the logical one is written "
                 "\"not\" [/graph] (1:1)"},
          {"y && w",
           "syntax_error: line 1, column 3: \"&\" is no operator; the logical one is written "
           "\"and\" [/graph] (1:3)"},
          {"y || w",
           "syntax_error: line 1, column 3: \"|\" is no operator; the logical one is written "
           "\"or\" [/graph] (1:3)"},
          {"y > 0 ? 1 : 2",
           "syntax_error: line 1, column 7: \"?\" is no operator; a choice is written "
           "\"a if c else b\" [/graph] (1:7)"},
          {"y ~ 2", "syntax_error: line 1, column 3: unexpected character \"~\" [/graph] (1:3)"},
          {"a = y # \u00fc\u00fc\\nb = \u00fc",
           "syntax_error: line 2, column 5: unexpected character \"\u00fc\" [/graph] (2:5)"},
          {"cast(y, 'int32",
           "syntax_error: line 1, column 9: a string that does not end [/graph] (1:9)"},
          {"y += 1", "syntax_error: line 1, column 3: \"+=\" is not in this language; a name is "
                     "assigned once, with \"=\" [/graph] (1:3)"},
          {"y **= 1", "syntax_error: line 1, column 3: \"**=\" is not in this language; a name is "
                      "assigned once, with \"=\" [/graph] (1:3)"},
          {"for i in x",
           "syntax_error: line 1, column 1: \"for\" is not in this language [/graph] (1:1)"},
          {"x.shape", "syntax_error: line 1, column 1: \"x.shape\": values have no attributes; "
                      "functions are called as shape(x) [/graph] (1:1)"},
          {"(y)(w)", "syntax_error: line 1, column 4: only a function's name can be called; a "
                     "product is written with * [/graph] (1:4)"},
          {"y; w", "syntax_error: line 1, column 1: only the last statement may be without a name; "
                   "write \"name = ...\" [/graph] (1:1)"},
          {"x[0] = y", "syntax_error: line 1, column 1: only names can be assigned [/graph] (1:1)"},
          {"None = y",
           "syntax_error: line 1, column 1: \"None\" cannot be assigned to [/graph] (1:1)"},
          {"reduce_sum(axis=0, x)", "syntax_error: line 1, column 20: a positional argument after "
                                    "a keyword argument [/graph] (1:20)"},
          {" # nothing", "syntax_error: line 1, column 11: expected a statement, found the end of "
                         "the text [/graph] (1:11)"});
}

static void names_are_assigned_once_and_before_their_use(void **state) {
    (void)state;
    CHECK(
        {"e * pi", "{\"value\":8.539734}"}, {"pi = 3; pi * y", "{\"value\":6.0}"},
        {"lambda = 2; lambda * y", "{\"value\":4.0}"},
        {"a = y\\na = w",
         "duplicate_name: \"a\" is assigned twice; it was assigned first in line 1 [/graph] (2:1)"},
        {"y = y + 1", "duplicate_name: \"y\" is a variable and cannot be assigned [/graph] (1:1)"},
        {"a, a = x",
         "duplicate_name: \"a\" is assigned twice; it was assigned first in line 1 [/graph] (1:4)"},
        {"z = a; a = y", "unbound_name: \"a\" is used before it is assigned [/graph] (1:5) <z>"},
        {"z = z + 1", "unbound_name: \"z\" is used before it is assigned [/graph] (1:5) <z>"},
        {"weight = 1; weigth + 1", "unbound_name: no variable, constant or node is called "
                                   "\"weigth\"; did you mean \"weight\"? [/graph] (1:13)"},
        {"qqq + 1", "unbound_name: no variable, constant or node is called \"qqq\" [/graph] (1:1)"},
        {"NaN = y", "syntax_error: line 1, column 1: only names can be assigned, of letters, "
                    "digits and _; found \"NaN\" [/graph] (1:1)"});
}

static void lines_comments_and_brackets(void **state) {
    (void)state;
    CHECK({"\\n\\n a = y # one\\n;; b = (a +\\n # two\\n w)\\n\\n", "{\"value\":3.0}"},
          {"a = y + \\\\\\n w", "{\"value\":3.0}"},
          {"a = y\\r\\nb = a * .5e1 + 1_0.", "{\"value\":20.0}"},
          {"sin(\\n0 * y,\\n)", "{\"value\":0.0}"});
}

/* before, then `part` n times, then after */
static char *repeated(const char *before, const char *part, size_t n, const char *after) {
    char *text = malloc(strlen(before) + n * strlen(part) + strlen(after) + 1), *at = text;
    at = stpcpy(at, before);
    for (size_t i = 0; i < n; i++) at = stpcpy(at, part);
    stpcpy(at, after);
    return text;
}

static void chains_of_any_length_are_no_nesting(void **state) {
    (void)state;
    static const struct {
        const char *part, *end, *answer;
    } cases[] = {{"w + ", "w", "{\"value\":100001.0}"},
                 {"-", "w", "{\"value\":1.0}"},
                 {"+-", "w", "{\"value\":1.0}"},
                 {"w ** ", "w", "{\"value\":1.0}"},
                 {"w if w > 1 else ", "y", "{\"value\":2.0}"},
                 {"not ", "w > 0", "{\"value\":true}"},
                 {"w < ", "y", "{\"value\":false}"},
                 {"w > 0 and ", "w > 0", "{\"value\":true}"},
                 {"w > 9 or ", "w > 0", "{\"value\":true}"},
                 {"w * w / ", "w", "{\"value\":1.0}"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *graph = repeated("", cases[i].part, 100000, cases[i].end);
        assert_string_equal(value_of(graph), cases[i].answer);
        free(graph);
    }
}

static void brackets_nest_to_a_limit(void **state) {
    (void)state;
    static const char *const open[] = {"(", "[", "sin(", "w[", "(w+"},
                             *const last[] = {"w", "w", "w", "0", "w"},
                             *const close[] = {")", "]", ")", "]", ")"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        char *inner = repeated("", open[i], 100000, last[i]),
             *graph = repeated(inner, close[i], 100000, "");
        const char *found = value_of(graph);
        assert_non_null(strstr(found, "graph_too_large: line 1, column "));
        assert_non_null(strstr(found, "nesting of expressions past 256 (max_expression_depth)"));
        free(inner);
        free(graph);
    }
    char *inner = repeated("", "(", 256, "w"), *graph = repeated(inner, ")", 256, "");
    assert_string_equal(value_of(graph), "{\"value\":1.0}");
    free(inner);
    free(graph);
}

static void lists_of_lists_cannot_explode(void **state) {
    (void)state;
    char text[4000] = "a0 = [y, y]", *at = text + strlen(text);
    for (int i = 1; i < 60; i++) at += sprintf(at, "; a%d = [a%d, a%d]", i, i - 1, i - 1);
    assert_string_equal(value_of(text), "graph_too_large: a list may hold at most 2000000 values "
                                        "(max_nodes) and nest 32 levels deep "
                                        "[/graph] (1:315) <a19>");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence_and_grouping_are_pythons),
        cmocka_unit_test(literals_take_the_dtype_of_what_they_meet),
        cmocka_unit_test(a_decimal_is_rounded_once_to_float32),
        cmocka_unit_test(arithmetic_on_literals_is_known_when_the_graph_is_built),
        cmocka_unit_test(subscripts_are_numpys),
        cmocka_unit_test(lists_stack_and_unpack),
        cmocka_unit_test(grad_is_a_node_like_any_other),
        cmocka_unit_test(arguments_bind_by_position_and_by_name),
        cmocka_unit_test(syntax_errors_name_the_place_and_what_was_expected),
        cmocka_unit_test(names_are_assigned_once_and_before_their_use),
        cmocka_unit_test(lines_comments_and_brackets),
        cmocka_unit_test(chains_of_any_length_are_no_nesting),
        cmocka_unit_test(brackets_nest_to_a_limit),
        cmocka_unit_test(lists_of_lists_cannot_explode),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}
