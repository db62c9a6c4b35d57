/* JSON in: what the scanner takes, and what it refuses and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/writer.h"
#include "document.h"

static void values_have_the_types_they_are_written_with(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum json_type type;
        const char *name;
    } cases[] = {
        {"null", JSON_NULL, "null"},
        {" true ", JSON_BOOL, "a boolean"},
        {"\tfalse\r\n", JSON_BOOL, "a boolean"},
        {"-1.5e3", JSON_NUMBER, "a number"},
        {"\"a\"", JSON_STRING, "a string"},
        {"\"NaN\"", JSON_STRING, "a string"},
        {"{}", JSON_OBJECT, "an object"},
        {"[]", JSON_ARRAY, "an array"},
        {"[[],[[]]]", JSON_ARRAY, "an array"},
        {"[\"x1\"]", JSON_ARRAY, "an array"},
        {"[null]", JSON_ARRAY, "an array"},
        {"[1,\"w\"]", JSON_ARRAY, "an array"},
        {"[1]", JSON_NUMBERS, "an array of numbers"},
        {"[ [ 1 , 2 ] , [ ] ]", JSON_NUMBERS, "an array of numbers"},
        {"[\"NaN\",\"Infinity\",\"-Infinity\"]", JSON_NUMBERS, "an array of numbers"},
        {"[true,false]", JSON_NUMBERS, "an array of booleans"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        document_open_valid(&d, cases[i].text);
        assert_int_equal(json_type(d.root), cases[i].type);
        assert_string_equal(json_type_name(d.root), cases[i].name);
        document_close(&d);
    }
}

static void members_and_elements_are_found_in_their_order(void **state) {
    (void)state;
    struct document d;
    document_open_valid(&d, "{\"a\": [9.0, \"x1\", [1, 2], null], \"b\" : {\"c\":true} , \"\":7}");
    assert_int_equal(json_length(d.root), 3);
    const struct json *a = json_first(d.root), *b = json_next(a);
    assert_string_equal(json_key(a), "a");
    assert_string_equal(json_key(b), "b");
    assert_ptr_equal(json_member(d.root, "b"), b);
    assert_null(json_member(d.root, "B"));
    assert_null(json_next(json_next(b)));
    assert_true(json_bool(json_member(b, "c")));
    assert_int_equal(json_length(a), 4);
    const struct json *element = json_first(a);
    double x;
    assert_true(json_double(element, &x));
    assert_true(x == 9.0);
    assert_null(json_key(element));
    element = json_next(element);
    assert_string_equal(json_string(element), "x1");
    element = json_next(element);
    assert_int_equal(json_type(element), JSON_NUMBERS);
    assert_int_equal(json_length(element), 2);
    size_t n;
    const char *text = json_text(element, &n);
    assert_int_equal(n, 6);
    assert_memory_equal(text, "[1, 2]", 6);
    assert_null(json_text(a, &n));
    document_close(&d);
}

static void numbers_are_read_as_doubles_and_exact_integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_int, is_literal;
        int64_t i;
    } cases[] = {{"2", true, true, 2},     {"-9223372036854775808", true, true, INT64_MIN},
                 {"2.0", true, false, 2},  {"1e3", true, false, 1000},
                 {"2.5", false, false, 0}, {"1e999", false, false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        int64_t value;
        document_open_valid(&d, cases[i].text);
        assert_int_equal(json_int(d.root, &value), cases[i].is_int);
        if (cases[i].is_int) assert_true(value == cases[i].i);
        assert_int_equal(json_is_int_literal(d.root), cases[i].is_literal);
        document_close(&d);
    }
    struct document d;
    double x;
    int64_t i;
    document_open_valid(&d, "[\"1\",null]");
    assert_false(json_double(json_first(d.root), &x));
    assert_false(json_int(json_first(d.root), &i));
    assert_false(json_is_int_literal(json_first(d.root)));
    document_close(&d);
    document_open_valid(&d, "1e999");
    assert_false(json_double(d.root, &x));
    document_close(&d);
}

static void strings_are_decoded_to_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text, *string;
    } cases[] = {
        {"\"\"", ""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\x7F\"",
         "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\x7F"},
        {"\"more than eight characters, then \\n\"", "more than eight characters, then \n"},
        {"\"\\u0001\"", "\x01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        document_open_valid(&d, cases[i].text);
        assert_string_equal(json_string(d.root), cases[i].string);
        document_close(&d);
    }
}

static void what_is_not_json_is_refused_with_offset_found_and_expected(void **state) {
    (void)state;
    static const struct {
        const char *text, *detail;
    } cases[] = {
        {"", "the body is empty, expected a JSON value"},
        {" \n", "invalid JSON at byte offset 2: found the end of the body, expected a value"},
        {"00", "invalid JSON at byte offset 0: found a leading 0, expected a number without it"},
        {"{\"x\":-012}",
         "invalid JSON at byte offset 6: found a leading 0, expected a number without it"},
        {"[1,01]",
         "invalid JSON at byte offset 3: found a leading 0, expected a number without it"},
        {"1.", "invalid JSON at byte offset 2: found the end of the body, expected a digit"},
        {"[1.]", "invalid JSON at byte offset 3: found \"]\", expected a digit"},
        {"1.e5", "invalid JSON at byte offset 2: found \"e\", expected a digit"},
        {"1e", "invalid JSON at byte offset 2: found the end of the body, expected a digit"},
        {"1e+,", "invalid JSON at byte offset 3: found \",\", expected a digit"},
        {"-", "invalid JSON at byte offset 1: found the end of the body, expected a digit"},
        {"-e5", "invalid JSON at byte offset 1: found \"e\", expected a digit"},
        {"--1", "invalid JSON at byte offset 1: found \"-\", expected a digit"},
        {"+1", "invalid JSON at byte offset 0: found \"+\", expected a value"},
        {".5", "invalid JSON at byte offset 0: found \".\", expected a value"},
        {"[.5]", "invalid JSON at byte offset 1: found \".\", expected a value"},
        {"1.5.3", "invalid JSON at byte offset 3: found \".\", expected the end of the body"},
        {"0x10", "invalid JSON at byte offset 1: found \"x\", expected the end of the body"},
        {"NaN", "invalid JSON at byte offset 0: found \"N\", expected a value (\"NaN\" and "
                "\"Infinity\" are strings)"},
        {"[1,Infinity]", "invalid JSON at byte offset 3: found \"I\", expected a value (\"NaN\" "
                         "and \"Infinity\" are strings)"},
        {"-Infinity", "invalid JSON at byte offset 1: found \"I\", expected a digit (infinity is "
                      "the string \"-Infinity\")"},
        {"nul", "invalid JSON at byte offset 3: found the end of the body, expected \"null\""},
        {"[tru]", "invalid JSON at byte offset 4: found \"]\", expected \"true\""},
        {"falsy", "invalid JSON at byte offset 4: found \"y\", expected \"false\""},
        {"True", "invalid JSON at byte offset 0: found \"T\", expected a value"},
        {"truee", "invalid JSON at byte offset 4: found \"e\", expected the end of the body"},
        {"1 2", "invalid JSON at byte offset 2: found \"2\", expected the end of the body"},
        {"{}}", "invalid JSON at byte offset 2: found \"}\", expected the end of the body"},
        {"[1,]", "invalid JSON at byte offset 3: found \"]\", expected a value"},
        {"[,1]", "invalid JSON at byte offset 1: found \",\", expected a value"},
        {"[1 2]", "invalid JSON at byte offset 3: found \"2\", expected \",\" or \"]\""},
        {"[1,2",
         "invalid JSON at byte offset 4: found the end of the body, expected \",\" or \"]\""},
        {"[1}", "invalid JSON at byte offset 2: found \"}\", expected \",\" or \"]\""},
        {"[[1],", "invalid JSON at byte offset 5: found the end of the body, expected a value"},
        {"[", "invalid JSON at byte offset 1: found the end of the body, expected a value"},
        {"{", "invalid JSON at byte offset 1: found the end of the body, expected the name of a "
              "member in quotes"},
        {"{\"a\":1,}",
         "invalid JSON at byte offset 7: found \"}\", expected the name of a member in quotes"},
        {"{a:1}",
         "invalid JSON at byte offset 1: found \"a\", expected the name of a member in quotes"},
        {"{\"a\"}", "invalid JSON at byte offset 4: found \"}\", expected \":\""},
        {"{\"a\":}", "invalid JSON at byte offset 5: found \"}\", expected a value"},
        {"{\"a\":1 \"b\"", "invalid JSON at byte offset 7: found a quote, expected \",\" or \"}\""},
        {"{\"a\":1]", "invalid JSON at byte offset 6: found \"]\", expected \",\" or \"}\""},
        {"'a'", "invalid JSON at byte offset 0: found \"'\", expected a value"},
        {"\xEF\xBB\xBF{}", "invalid JSON at byte offset 0: found byte 0xEF, expected a value"},
        {"[1,\f2]", "invalid JSON at byte offset 3: found byte 0x0C, expected a value"},
        {"\"abc", "invalid JSON at byte offset 4: found the end of the body, expected the closing "
                  "quote of the string "
                  "that begins at byte offset 0"},
        {"[\"a", "invalid JSON at byte offset 3: found the end of the body, expected the closing "
                 "quote of the string "
                 "that begins at byte offset 1"},
        {"\"a\nb\"", "invalid JSON at byte offset 2: found byte 0x0A, expected control characters "
                     "of a string to be "
                     "escaped"},
        {"\"a\\", "invalid JSON at byte offset 3: found the end of the body, expected one of the "
                  "escapes \\\" \\\\ "
                  "\\/ \\b \\f \\n \\r \\t or \\u with four hexadecimal digits"},
        {"\"\\x41\"", "invalid JSON at byte offset 2: found \"x\", expected one of the escapes "
                      "\\\" \\\\ \\/ \\b \\f "
                      "\\n \\r \\t or \\u with four hexadecimal digits"},
        {"\"\\u12g4\"",
         "invalid JSON at byte offset 1: found \\u without four hexadecimal digits, expected one "
         "of the "
         "escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u with four hexadecimal digits"},
        {"\"\\u12",
         "invalid JSON at byte offset 1: found \\u without four hexadecimal digits, expected one "
         "of the "
         "escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u with four hexadecimal digits"},
        {"{\"a\\u0000b\":1}", "invalid JSON at byte offset 3: found \\u0000 in a string, expected "
                              "text without NUL characters"},
        {"\"\\ud800\"",
         "invalid JSON at byte offset 1: found the lone surrogate \\uD800, expected a pair of "
         "surrogates, a high one and then a low one"},
        {"\"\\ud800\\u0041\"",
         "invalid JSON at byte offset 1: found the lone surrogate \\uD800, expected a pair of "
         "surrogates, a high one and then a low one"},
        {"\"\\udc00\\ud800\"",
         "invalid JSON at byte offset 1: found the lone surrogate \\uDC00, expected a pair of "
         "surrogates, a high one and then a low one"},
        {"\"\xFF\"", "invalid JSON at byte offset 1: found byte 0xFF, expected UTF-8"},
        {"\"\xC0\xAF\"", "invalid JSON at byte offset 1: found byte 0xC0, expected UTF-8"},
        {"\"\xE0\x80\xAF\"", "invalid JSON at byte offset 1: found byte 0xE0, expected UTF-8"},
        {"\"\xED\xA0\x80\"", "invalid JSON at byte offset 1: found byte 0xED, expected UTF-8"},
        {"\"\xF4\x90\x80\x80\"", "invalid JSON at byte offset 1: found byte 0xF4, expected UTF-8"},
        {"\"\xC3", "invalid JSON at byte offset 1: found byte 0xC3, expected UTF-8"},
        {"\"a\x80\"", "invalid JSON at byte offset 2: found byte 0x80, expected UTF-8"},
        {"{\"a\":1,\"b\":2,\"a\":3}",
         "invalid JSON at byte offset 13: the object has a second member \"a\""},
        {"{\"a\":1,\"\\u0061\":3}",
         "invalid JSON at byte offset 7: the object has a second member \"a\""},
        {"{\"o\":{\"\":1,\"\":1}}",
         "invalid JSON at byte offset 11: the object has a second member \"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_invalid(cases[i].text, cases[i].detail);
    assert_refused_bytes(
        "1\0", 2, "invalid_json",
        "invalid JSON at byte offset 1: found byte 0x00, expected the end of the body");
    assert_refused_bytes("\"a\0b\"", 5, "invalid_json",
                         "invalid JSON at byte offset 2: found byte 0x00, expected control "
                         "characters of a string to "
                         "be escaped");
    assert_refused_bytes(
        "\"\\\0\"", 4, "invalid_json",
        "invalid JSON at byte offset 2: found byte 0x00, expected one of the escapes \\\" \\\\ \\/ "
        "\\b \\f \\n \\r \\t or \\u with four hexadecimal digits");
}

static void the_same_name_may_stand_in_different_objects(void **state) {
    (void)state;
    struct document d;
    document_open_valid(&d, "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}],\"A\":null}");
    document_close(&d);
}

static void a_duplicate_is_found_in_objects_of_every_size(void **state) {
    (void)state;
    for (size_t n = 1; n < 200; n++) {
        struct document d;
        char *text = document_members(n, false), detail[128];
        document_open_valid(&d, text);
        assert_int_equal(json_length(d.root), n);
        document_close(&d);
        free(text);
        text = document_members(n, true);
        snprintf(detail, sizeof detail,
                 "invalid JSON at byte offset %zu: the object has a second member \"k%zu\"",
                 (size_t)(strrchr(text, '"') - text) - strlen("\"k") -
                     (size_t)snprintf(NULL, 0, "%zu", n - 1),
                 n - 1);
        assert_invalid(text, detail);
        free(text);
    }
}

static void nesting_past_the_limit_is_refused_where_it_passes(void **state) {
    (void)state;
    static const struct {
        const char *unit, *detail;
    } cases[] = {
        {"[", "JSON nests deeper than 128 levels at byte offset 128"},
        {"[[],[1],", "JSON nests deeper than 128 levels at byte offset 1017"},
        {"{\"a\":", "JSON nests deeper than 128 levels at byte offset 640"},
        {"{\"a\":[", "JSON nests deeper than 128 levels at byte offset 384"},
        {"[1,", "JSON nests deeper than 128 levels at byte offset 384"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = document_repeat(cases[i].unit, 100000, "");
        assert_refused_bytes(text, strlen(text), "graph_too_large", cases[i].detail);
        free(text);
    }
    struct document d;
    char *text = document_nest("[", DEPTH, "1");
    document_open_valid(&d, text);
    assert_int_equal(json_type(d.root), JSON_NUMBERS);
    document_close(&d);
    free(text);
}

static void a_span_is_split_into_its_elements(void **state) {
    (void)state;
    struct document d;
    double x;
    document_open_valid(&d, "[1, [2, 3], [[4], []], true, \"NaN\", [], [[]], -5e0]");
    assert_int_equal(json_type(d.root), JSON_NUMBERS);
    const struct json *array = json_split(&d.arena, d.root), *v = json_first(array);
    assert_int_equal(json_type(array), JSON_ARRAY);
    assert_int_equal(json_length(array), 8);
    static const enum json_type types[] = {JSON_NUMBER, JSON_NUMBERS, JSON_NUMBERS, JSON_BOOL,
                                           JSON_STRING, JSON_ARRAY,   JSON_ARRAY,   JSON_NUMBER};
    for (size_t i = 0; i < 8; i++, v = json_next(v)) {
        assert_int_equal(json_type(v), types[i]);
        if (i == 7) {
            assert_true(json_double(v, &x));
            assert_true(x == -5.0);
        }
    }
    assert_null(v);
    document_close(&d);
}

static void a_value_is_written_again_with_its_numbers_as_they_were(void **state) {
    (void)state;
    static const struct {
        const char *text, *again;
    } cases[] = {
        {"null", "null"},
        {" true", "true"},
        {"1.50e+03", "1.50e+03"},
        {"\"\\u00e9\\n\\\"\"", "\"\xC3\xA9\\n\\\"\""},
        {"[ ]", "[]"},
        {"{ }", "{}"},
        {"[1.0,[\"NaN\"]]", "[1.0,[\"NaN\"]]"},
        {"[ \"a\" , [ 1.0 ] , false, null ]", "[\"a\",[ 1.0 ],false,null]"},
        {"{ \"a\\\"b\" : [ { } , \"x\" ] , \"\" : { \"c\" : 0.10 } }",
         "{\"a\\\"b\":[{},\"x\"],\"\":{\"c\":0.10}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct writer out;
        document_open_valid(&d, cases[i].text);
        writer_init(&out, 100);
        json_write(d.root, &out);
        assert_int_equal(out.length, strlen(cases[i].again));
        assert_memory_equal(out.data, cases[i].again, out.length);
        writer_free(&out);
        document_close(&d);
    }
}

static void pointers_are_escaped_and_cut_at_a_character(void **state) {
    (void)state;
    char buffer[16];
    assert_string_equal(json_pointer(buffer, sizeof buffer, "/a", "b/c~d"), "/a/b~1c~0d");
    assert_string_equal(json_pointer(buffer, sizeof buffer, buffer, "xyz"), "/a/b~1c~0d/xyz");
    assert_string_equal(json_pointer(buffer, sizeof buffer, buffer, "more"), "/a/b~1c~0d/xyz/");
    assert_string_equal(json_pointer(buffer, 6, "", "ab~"), "/ab~0");
    assert_string_equal(json_pointer(buffer, 5, "", "ab~"), "/ab");
    assert_string_equal(json_pointer(buffer, 5, "", "ab\xE2\x82\xAC"), "/ab");
    assert_string_equal(json_pointer(buffer, 1, "/abc", "d"), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_the_types_they_are_written_with),
        cmocka_unit_test(members_and_elements_are_found_in_their_order),
        cmocka_unit_test(numbers_are_read_as_doubles_and_exact_integers),
        cmocka_unit_test(strings_are_decoded_to_utf8),
        cmocka_unit_test(what_is_not_json_is_refused_with_offset_found_and_expected),
        cmocka_unit_test(the_same_name_may_stand_in_different_objects),
        cmocka_unit_test(a_duplicate_is_found_in_objects_of_every_size),
        cmocka_unit_test(nesting_past_the_limit_is_refused_where_it_passes),
        cmocka_unit_test(a_span_is_split_into_its_elements),
        cmocka_unit_test(a_value_is_written_again_with_its_numbers_as_they_were),
        cmocka_unit_test(pointers_are_escaped_and_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
