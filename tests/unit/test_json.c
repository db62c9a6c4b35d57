/* JSON in: what is taken, what is refused and with which words, and what it may cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/json.h"
#include "api/writer.h"

enum { DEPTH = 128, MOST = 1000 };

/* A document whose body lies in a block of its exact size, so that a sanitizer sees one byte read
 * too many. */
struct document {
    struct arena arena;
    struct error error;
    char *body;
    struct json *root;
};

static bool open_bytes(struct document *d, const char *bytes, size_t n) {
    arena_init(&d->arena, SIZE_MAX / 2);
    error_clear(&d->error);
    d->body = malloc(n ? n : 1);
    memcpy(d->body, bytes, n);
    /* The analyzer takes the body for lost once pointers to other members of *d are handed out. */
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    return json_parse(&d->arena, d->body, n, DEPTH, &d->root, &d->error);
}

static bool open_text(struct document *d, const char *text) {
    return open_bytes(d, text, strlen(text));
}

static void open_valid(struct document *d, const char *text) {
    const bool valid = open_text(d, text);
    if (!valid) print_error("%s: %s\n", text, d->error.detail);
    assert_true(valid);
}

static void close_document(struct document *d) {
    arena_free(&d->arena);
    free(d->body);
}

static void assert_refused_bytes(const char *bytes, size_t n, const char *code,
                                 const char *detail) {
    struct document d;
    assert_false(open_bytes(&d, bytes, n));
    assert_string_equal(d.error.detail, detail);
    assert_string_equal(error_name(d.error.code), code);
    close_document(&d);
}

static void assert_invalid(const char *text, const char *detail) {
    assert_refused_bytes(text, strlen(text), "invalid_json", detail);
}

/* --- The scanner ---------------------------------------------------------------------------- */

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
        open_valid(&d, cases[i].text);
        assert_int_equal(json_type(d.root), cases[i].type);
        assert_string_equal(json_type_name(d.root), cases[i].name);
        close_document(&d);
    }
}

static void members_and_elements_are_found_in_their_order(void **state) {
    (void)state;
    struct document d;
    open_valid(&d, "{\"a\": [9.0, \"x1\", [1, 2], null], \"b\" : {\"c\":true} , \"\":7}");
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
    close_document(&d);
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
        open_valid(&d, cases[i].text);
        assert_int_equal(json_int(d.root, &value), cases[i].is_int);
        if (cases[i].is_int) assert_true(value == cases[i].i);
        assert_int_equal(json_is_int_literal(d.root), cases[i].is_literal);
        close_document(&d);
    }
    struct document d;
    double x;
    int64_t i;
    open_valid(&d, "[\"1\",null]");
    assert_false(json_double(json_first(d.root), &x));
    assert_false(json_int(json_first(d.root), &i));
    assert_false(json_is_int_literal(json_first(d.root)));
    close_document(&d);
    open_valid(&d, "1e999");
    assert_false(json_double(d.root, &x));
    close_document(&d);
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
        open_valid(&d, cases[i].text);
        assert_string_equal(json_string(d.root), cases[i].string);
        close_document(&d);
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
    open_valid(&d, "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}],\"A\":null}");
    close_document(&d);
}

/* `n` members "k0", "k1", ...; the last one is named again where `again` says so. */
static char *many_members(size_t n, bool again) {
    char *text = malloc(n * 16 + 32), *at = text;
    *at++ = '{';
    for (size_t i = 0; i < n; i++) at += sprintf(at, "%s\"k%zu\":%zu", i ? "," : "", i, i);
    if (again) at += sprintf(at, ",\"k%zu\":0", n - 1);
    strcpy(at, "}");
    return text;
}

static void a_duplicate_is_found_in_objects_of_every_size(void **state) {
    (void)state;
    for (size_t n = 1; n < 200; n++) {
        struct document d;
        char *text = many_members(n, false), detail[128];
        open_valid(&d, text);
        assert_int_equal(json_length(d.root), n);
        close_document(&d);
        free(text);
        text = many_members(n, true);
        snprintf(detail, sizeof detail,
                 "invalid JSON at byte offset %zu: the object has a second member \"k%zu\"",
                 (size_t)(strrchr(text, '"') - text) - strlen("\"k") -
                     (size_t)snprintf(NULL, 0, "%zu", n - 1),
                 n - 1);
        assert_invalid(text, detail);
        free(text);
    }
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The time bounds here are an order of magnitude above what is taken under a sanitizer; a quadratic
 * look-up takes far longer. */
static void a_hundred_thousand_members_take_linear_time(void **state) {
    (void)state;
    struct document d;
    char *text = many_members(100000, false);
    const double start = seconds();
    open_valid(&d, text);
    assert_true(seconds() - start < 1.0);
    close_document(&d);
    free(text);
}

static char *repeated(const char *unit, size_t n, const char *tail) {
    const size_t length = strlen(unit);
    char *text = malloc(n * length + strlen(tail) + 1);
    for (size_t i = 0; i < n; i++) memcpy(text + i * length, unit, length);
    strcpy(text + n * length, tail);
    return text;
}

/* `middle` within n times `open` and as many closing brackets. */
static char *nested(const char *open, size_t n, const char *middle) {
    char *text = malloc(n * strlen(open) + strlen(middle) + n + 1), *at = text;
    for (size_t i = 0; i < n; i++, at += strlen(open)) memcpy(at, open, strlen(open));
    at += sprintf(at, "%s", middle);
    memset(at, ']', n);
    at[n] = '\0';
    return text;
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
        char *text = repeated(cases[i].unit, 100000, "");
        assert_refused_bytes(text, strlen(text), "graph_too_large", cases[i].detail);
        free(text);
    }
    struct document d;
    char *text = nested("[", DEPTH, "1");
    open_valid(&d, text);
    assert_int_equal(json_type(d.root), JSON_NUMBERS);
    close_document(&d);
    free(text);
}

static void assert_parses_soon(char *text, enum json_type type, enum json_type first) {
    struct document d;
    const double start = seconds();
    open_valid(&d, text);
    assert_true(seconds() - start < 1.0);
    assert_int_equal(json_type(d.root), type);
    assert_int_equal(json_type(json_first(d.root)), first);
    close_document(&d);
    free(text);
}

static void arrays_that_turn_out_to_be_mixed_take_linear_time(void **state) {
    (void)state;
    /* Deep arrays around much text that is numeric up to its last element, or empty altogether. */
    char *mixed = repeated("[1,2],", 100000, "\"x\""), *hollow = repeated("[[],[]],", 100000, "[]");
    assert_parses_soon(nested("[[3],", DEPTH - 2, mixed), JSON_ARRAY, JSON_NUMBERS);
    assert_parses_soon(nested("[", DEPTH - 2, hollow), JSON_ARRAY, JSON_ARRAY);
    assert_parses_soon(nested("[[],", DEPTH - 2, mixed), JSON_ARRAY, JSON_ARRAY);
    free(mixed);
    free(hollow);
}

static void a_span_is_split_into_its_elements(void **state) {
    (void)state;
    struct document d;
    double x;
    open_valid(&d, "[1, [2, 3], [[4], []], true, \"NaN\", [], [[]], -5e0]");
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
    close_document(&d);
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

/* --- Tensors -------------------------------------------------------------------------------- */

/* Reads `text` as a tensor and writes it again, nested. */
static void assert_reads(const char *text, enum dtype dtype, const char *typed) {
    struct document d;
    struct tensor t;
    struct writer w;
    open_valid(&d, text);
    if (!json_tensor(&d.arena, d.root, dtype, MOST, "/v", &t, &d.error))
        fail_msg("%s: %s", text, d.error.detail);
    writer_init(&w, SIZE_MAX);
    write_tensor(&w, &t, FORMAT_TYPED);
    write_bytes(&w, "", 1);
    assert_string_equal(w.data, typed);
    writer_free(&w);
    close_document(&d);
}

static void assert_not_read(const char *text, enum dtype dtype, const char *code,
                            const char *pointer, const char *detail) {
    struct document d;
    struct tensor t;
    open_valid(&d, text);
    assert_false(json_tensor(&d.arena, d.root, dtype, MOST, "/v", &t, &d.error));
    assert_string_equal(d.error.detail, detail);
    assert_string_equal(d.error.pointer, pointer);
    assert_string_equal(error_name(d.error.code), code);
    close_document(&d);
}

static void values_of_every_form_become_tensors(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum dtype dtype;
        const char *typed;
    } cases[] = {
        {"3", DTYPE_F32, "{\"dtype\":\"float32\",\"shape\":[],\"data\":[3.0]}"},
        {"-1e-3", DTYPE_F64, "{\"dtype\":\"float64\",\"shape\":[],\"data\":[-0.001]}"},
        {"0.1", DTYPE_F32, "{\"dtype\":\"float32\",\"shape\":[],\"data\":[0.1]}"},
        {"3.0", DTYPE_I32, "{\"dtype\":\"int32\",\"shape\":[],\"data\":[3]}"},
        {"9223372036854775807", DTYPE_I64,
         "{\"dtype\":\"int64\",\"shape\":[],\"data\":[9223372036854775807]}"},
        {"true", DTYPE_F32, "{\"dtype\":\"bool\",\"shape\":[],\"data\":[true]}"},
        {"[true,false]", DTYPE_F64, "{\"dtype\":\"bool\",\"shape\":[2],\"data\":[true,false]}"},
        {"\"-Infinity\"", DTYPE_F32,
         "{\"dtype\":\"float32\",\"shape\":[],\"data\":[\"-Infinity\"]}"},
        {"[ \"NaN\" ,1, \"Infinity\"]", DTYPE_F64,
         "{\"dtype\":\"float64\",\"shape\":[3],\"data\":[\"NaN\",1.0,\"Infinity\"]}"},
        {"[[1,2],\n[3,4]]", DTYPE_F32,
         "{\"dtype\":\"float32\",\"shape\":[2,2],\"data\":[1.0,2.0,3.0,4.0]}"},
        {"[[[[[[[[1]]]]]]]]", DTYPE_I32,
         "{\"dtype\":\"int32\",\"shape\":[1,1,1,1,1,1,1,1],\"data\":[1]}"},
        {"[]", DTYPE_F32, "{\"dtype\":\"float32\",\"shape\":[0],\"data\":[]}"},
        {"[[],[]]", DTYPE_F32, "{\"dtype\":\"float32\",\"shape\":[2,0],\"data\":[]}"},
        {"[[[]],[[]]]", DTYPE_I64, "{\"dtype\":\"int64\",\"shape\":[2,1,0],\"data\":[]}"},
        {"{\"dtype\":\"float64\",\"shape\":[2,2],\"data\":[1,2,3,4]}", DTYPE_F32,
         "{\"dtype\":\"float64\",\"shape\":[2,2],\"data\":[1.0,2.0,3.0,4.0]}"},
        {"{\"data\":[[1,2],[3,4]],\"shape\":[2,2.0],\"dtype\":\"int32\"}", DTYPE_F32,
         "{\"dtype\":\"int32\",\"shape\":[2,2],\"data\":[1,2,3,4]}"},
        {"{\"dtype\":\"float32\",\"shape\":[],\"data\":[7]}", DTYPE_F64,
         "{\"dtype\":\"float32\",\"shape\":[],\"data\":[7.0]}"},
        {"{\"dtype\":\"float32\",\"shape\":[],\"data\":\"NaN\"}", DTYPE_F64,
         "{\"dtype\":\"float32\",\"shape\":[],\"data\":[\"NaN\"]}"},
        {"{\"dtype\":\"bool\",\"shape\":[2],\"data\":[true,false]}", DTYPE_F64,
         "{\"dtype\":\"bool\",\"shape\":[2],\"data\":[true,false]}"},
        {"{\"dtype\":\"bool\",\"shape\":[],\"data\":true}", DTYPE_F64,
         "{\"dtype\":\"bool\",\"shape\":[],\"data\":[true]}"},
        {"{\"dtype\":\"float32\",\"shape\":[2,0],\"data\":[[],[]]}", DTYPE_F64,
         "{\"dtype\":\"float32\",\"shape\":[2,0],\"data\":[]}"},
        {"{\"dtype\":\"float32\",\"shape\":[0,3],\"data\":[]}", DTYPE_F64,
         "{\"dtype\":\"float32\",\"shape\":[0,3],\"data\":[]}"},
        {"{\"dtype\":\"float64\",\"shape\":[2],\"base64\":\"AAAAAAAA8D8AAAAAAAAAwA==\"}", DTYPE_F32,
         "{\"dtype\":\"float64\",\"shape\":[2],\"data\":[1.0,-2.0]}"},
        {"{\"dtype\":\"bool\",\"shape\":[3],\"base64\":\"AQAB\"}", DTYPE_F32,
         "{\"dtype\":\"bool\",\"shape\":[3],\"data\":[true,false,true]}"},
        {"{\"dtype\":\"int32\",\"shape\":[0],\"base64\":\"\"}", DTYPE_F32,
         "{\"dtype\":\"int32\",\"shape\":[0],\"data\":[]}"},
        {"{\"dtype\":\"int32\",\"shape\":[],\"base64\":\"/////w==\"}", DTYPE_F32,
         "{\"dtype\":\"int32\",\"shape\":[],\"data\":[-1]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_reads(cases[i].text, cases[i].dtype, cases[i].typed);
    }
}

static void ragged_arrays_are_refused_at_their_first_odd_row(void **state) {
    (void)state;
    static const struct {
        const char *text, *pointer, *detail;
    } cases[] = {
        {"[[1,2],[3]]", "/v/1", "ragged array: row [1] has 1 element where row [0] has 2"},
        {"[[1],[3,4],[5]]", "/v/1", "ragged array: row [1] has 2 elements where row [0] has 1"},
        {"[[[1,2],[3,4]],[[5,6],[7,8,9]]]", "/v/1/1",
         "ragged array: row [1][1] has 3 elements where row [0][0] has 2"},
        {"[[[1],[2]],[[3]]]", "/v/1", "ragged array: row [1] has 1 element where row [0] has 2"},
        {"[[1],[]]", "/v/1", "ragged array: row [1] has 0 elements where row [0] has 1"},
        {"[[],[1]]", "/v/1", "ragged array: row [1] has 1 element where row [0] has 0"},
        {"[[],[[1]]]", "/v/1", "ragged array: row [1] has elements where row [0] is empty"},
        {"[[],[1,[2]]]", "/v/1/1", "ragged array: [1][1] is an array among numbers"},
        {"[[1],2]", "/v/1", "ragged array: [1] is a number among arrays"},
        {"[1,[2]]", "/v/1", "ragged array: [1] is an array among numbers"},
        {"[[[]],[1]]", "/v/1/0", "ragged array: [1][0] is a number among arrays"},
        {"[[],true]", "/v/1", "ragged array: [1] is a number among arrays"},
        {"[[],[[]]]", "/v/1", "ragged array: row [1] has 1 element where the first row has 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_not_read(cases[i].text, DTYPE_F32, "invalid_value", cases[i].pointer,
                        cases[i].detail);
    }
}

static void what_does_not_fit_its_dtype_is_refused_with_index_and_text(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum dtype dtype;
        const char *pointer, *detail;
    } cases[] = {
        {"1e999", DTYPE_F64, "/v", "1e999 is out of the range of float64"},
        {"1e39", DTYPE_F32, "/v", "1e39 is out of the range of float32"},
        {"[[1,2],[3,-1e39]]", DTYPE_F32, "/v/1/1",
         "-1e39 at [1][1] is out of the range of float32"},
        {"[0,2147483648]", DTYPE_I32, "/v/1",
         "2147483648 at [1] is not a whole number in the range of int32"},
        {"2.5", DTYPE_I32, "/v", "2.5 is not a whole number in the range of int32"},
        {"[9223372036854775808]", DTYPE_I64, "/v/0",
         "9223372036854775808 at [0] is not a whole number in the range of int64"},
        {"123456789012345678901234567890123456789012345.5", DTYPE_I64, "/v",
         "1234567890123456789012345678901234567890... is not a whole number in the range of int64"},
        {"1234567890123456789012345678901234567890", DTYPE_I64, "/v",
         "1234567890123456789012345678901234567890 is not a whole number in the range of int64"},
        {"[1,\"NaN\"]", DTYPE_I32, "/v/1",
         "\"NaN\" at [1] is not a whole number in the range of int32"},
        {"\"NaN\"", DTYPE_I32, "/v", "\"NaN\" is not a whole number in the range of int32"},
        {"[true,1]", DTYPE_F32, "/v/1", "[1] is a number in an array that begins with a boolean"},
        {"[true,\"NaN\"]", DTYPE_F32, "/v/1",
         "[1] is a number in an array that begins with a boolean"},
        {"[[1,2],[3,false]]", DTYPE_F32, "/v/1/1",
         "[1][1] is a boolean in an array that begins with a number"},
        {"[1,0]", DTYPE_BOOL, "/v", "a number where dtype bool takes true and false"},
        {"\"abc\"", DTYPE_F32, "/v",
         "\"abc\" is not a number; the strings that are numbers are \"NaN\", \"Infinity\" and "
         "\"-Infinity\""},
        {"[1,\"w\"]", DTYPE_F32, "/v/1", "[1] is a string where a number is expected"},
        {"[[1,2],[3,null]]", DTYPE_F32, "/v/1/1", "[1][1] is null where a number is expected"},
        {"[[1],[2],{}]", DTYPE_F32, "/v/2", "[2] is an object where a number is expected"},
        {"null", DTYPE_F32, "/v", "null where a number or an array of numbers is expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_not_read(cases[i].text, cases[i].dtype, "invalid_value", cases[i].pointer,
                        cases[i].detail);
    }
}

static void rank_and_elements_past_the_limit_are_refused_before_memory_is_taken(void **state) {
    (void)state;
    assert_not_read("[[[[[[[[[1]]]]]]]]]", DTYPE_F32, "graph_too_large", "/v",
                    "the array nests 9 levels deep; a tensor has at most 8 axes");
    assert_not_read("[[[[[[[[[]]]]]]]]]", DTYPE_F32, "graph_too_large", "/v",
                    "the array nests 9 levels deep; a tensor has at most 8 axes");
    char *numbers = repeated("1,", MOST, "1"), *text = nested("[", 1, numbers);
    assert_not_read(text, DTYPE_F32, "too_many_elements", "/v",
                    "a tensor of shape (1001,) has 1001 elements; at most 1000 are allowed");
    free(text);
    free(numbers);
    assert_not_read("{\"dtype\":\"float64\",\"shape\":[1000000,1000000],\"base64\":\"\"}",
                    DTYPE_F32, "too_many_elements", "/v/shape",
                    "\"shape\" has more than the 1000 elements that are allowed");
    assert_not_read(
        "{\"dtype\":\"float64\",\"shape\":[0,9223372036854775807,9223372036854775807],\"data\":[]}",
        DTYPE_F32, "too_many_elements", "/v/shape",
        "\"shape\" has more than the 1000 elements that are allowed");
    assert_not_read("{\"dtype\":\"float64\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data\":[1]}", DTYPE_F32,
                    "graph_too_large", "/v/shape",
                    "\"shape\" has 9 entries; a tensor has at most 8 axes");
}

static void typed_tensors_that_do_not_add_up_are_refused(void **state) {
    (void)state;
#define ACCEPTED "a typed tensor has \"dtype\", \"shape\" and one of \"data\" and \"base64\""
    static const struct {
        const char *text, *code, *pointer, *detail;
    } cases[] = {
        {"{}", "invalid_request", "/v", "\"dtype\" is missing; " ACCEPTED},
        {"{\"dtype\":\"int32\",\"data\":[]}", "invalid_request", "/v",
         "\"shape\" is missing; " ACCEPTED},
        {"{\"dtype\":\"int32\",\"shape\":[]}", "invalid_request", "/v",
         "\"data\" is missing; " ACCEPTED},
        {"{\"dtype\":\"int32\",\"shape\":[],\"data\":1,\"base64\":\"\"}", "invalid_request", "/v",
         "\"data\" and \"base64\" together; " ACCEPTED},
        {"{\"dtype\":\"int32\",\"shape\":[],\"dat\":1}", "invalid_request", "/v",
         "unknown member \"dat\"; " ACCEPTED},
        {"{\"dtype\":3,\"shape\":[],\"data\":1}", "invalid_request", "/v/dtype",
         "\"dtype\" is a number where a string is expected"},
        {"{\"dtype\":\"float16\",\"shape\":[],\"data\":1}", "invalid_value", "/v/dtype",
         "no dtype is called \"float16\"; there are float32, float64, int32, int64 and bool"},
        {"{\"dtype\":\"int32\",\"shape\":2,\"data\":1}", "invalid_request", "/v/shape",
         "\"shape\" is a number where an array of integers is expected"},
        {"{\"dtype\":\"int32\",\"shape\":[[2]],\"data\":1}", "invalid_request", "/v/shape",
         "\"shape\" is a nested array where an array of integers is expected"},
        {"{\"dtype\":\"int32\",\"shape\":[null],\"data\":1}", "invalid_request", "/v/shape",
         "\"shape\" is an array where an array of integers is expected"},
        {"{\"dtype\":\"int32\",\"shape\":[true],\"data\":1}", "invalid_request", "/v/shape",
         "\"shape\" is an array of booleans where an array of integers is expected"},
        {"{\"dtype\":\"int32\",\"shape\":[2,1.5],\"data\":1}", "invalid_value", "/v/shape/1",
         "1.5 at [1] is not a whole number in the range of int64"},
        {"{\"dtype\":\"int32\",\"shape\":[2,-1],\"data\":1}", "invalid_value", "/v/shape",
         "\"shape\" has -1 at [1]; a dimension is not negative"},
        {"{\"dtype\":\"int32\",\"shape\":[2,2],\"data\":[1,2,3]}", "invalid_value", "/v/data",
         "3 elements where \"shape\" (2,2) takes 4"},
        {"{\"dtype\":\"int32\",\"shape\":[],\"data\":[]}", "invalid_value", "/v/data",
         "0 elements where \"shape\" () takes 1"},
        {"{\"dtype\":\"int32\",\"shape\":[2,2],\"data\":1}", "invalid_value", "/v/data",
         "data of shape () where \"shape\" is (2,2)"},
        {"{\"dtype\":\"int32\",\"shape\":[4],\"data\":[[1,2],[3,4]]}", "invalid_value", "/v/data",
         "data of shape (2,2) where \"shape\" is (4,)"},
        {"{\"dtype\":\"int32\",\"shape\":[2],\"data\":[1,2.5]}", "invalid_value", "/v/data/1",
         "2.5 at [1] is not a whole number in the range of int32"},
        {"{\"dtype\":\"int32\",\"shape\":[2],\"data\":[[1,2],[3]]}", "invalid_value", "/v/data/1",
         "ragged array: row [1] has 1 element where row [0] has 2"},
        {"{\"dtype\":\"int32\",\"shape\":[2],\"data\":[true,false]}", "invalid_value", "/v/data",
         "a boolean where dtype int32 takes numbers"},
        {"{\"dtype\":\"bool\",\"shape\":[2],\"data\":[1,0]}", "invalid_value", "/v/data",
         "a number where dtype bool takes true and false"},
        {"{\"dtype\":\"int32\",\"shape\":[2],\"data\":null}", "invalid_value", "/v/data",
         "null where a number or an array of numbers is expected"},
        {"{\"dtype\":\"int32\",\"shape\":[2],\"data\":{}}", "invalid_value", "/v/data",
         "an object where a number or an array of numbers is expected"},
        {"{\"dtype\":\"int32\",\"shape\":[1],\"base64\":7}", "invalid_request", "/v/base64",
         "\"base64\" is a number where a string is expected"},
        {"{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AAAA\"}", "invalid_value", "/v/base64",
         "\"base64\" has 4 characters where shape (1,) of int32 takes 8"},
        {"{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AAAAAA\"}", "invalid_value", "/v/base64",
         "\"base64\" has 6 characters where shape (1,) of int32 takes 8"},
        {"{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AA-AAA==\"}", "invalid_value",
         "/v/base64",
         "\"base64\" has \"-\" at position 2, which is not canonical base64 with padding"},
        {"{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AA\u20acAA=\"}", "invalid_value",
         "/v/base64",
         "\"base64\" has \"\xE2\x82\xAC\" at position 2, which is not canonical base64 with "
         "padding"},
        {"{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AAAAAAA=\"}", "invalid_value",
         "/v/base64",
         "\"base64\" has \"A\" at position 6, which is not canonical base64 with padding"},
        {"{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AAAAA===\"}", "invalid_value",
         "/v/base64",
         "\"base64\" has \"=\" at position 5, which is not canonical base64 with padding"},
        {"{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AAAAAB==\"}", "invalid_value",
         "/v/base64",
         "\"base64\" has \"B\" at position 5, which is not canonical base64 with padding"},
        {"{\"dtype\":\"bool\",\"shape\":[3],\"base64\":\"AQIB\"}", "invalid_value", "/v/base64",
         "\"base64\" has byte 2 for bool 1; it is 0 or 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_not_read(cases[i].text, DTYPE_F32, cases[i].code, cases[i].pointer, cases[i].detail);
    }
}

/* --- What it may cost ----------------------------------------------------------------------- */

static const char *const samples[] = {
    "{\"graph\":\"z = (x1 + 5) * x2 ** "
    "2\",\"variables\":{\"x1\":2.0,\"x2\":3.0},\"sources\":[\"x1\",\"x2\"]}",
    "{\"grads_and_vars\":[[9.0,\"x1\"],[null,\"x2\"],[[[1,2],[3,4e-5]],\"w\"]],\"a\":[true,false,"
    "\"NaN\"]}",
    "[[[1,2.5,-3],[\"NaN\",\"Infinity\",\"-Infinity\"]],[[1e5,0,-0],[1,2,3]]]",
    "{\"dtype\":\"float64\",\"shape\":[2,2],\"data\":[[1.25,2],[3,4]]}",
    "{\"dtype\":\"int32\",\"shape\":[1],\"base64\":\"AAAAAA==\"}",
    "[[[[1,2],[3]],[[[]]]],\"x\\u00e9\\ud83d\\ude00\\n\",{\"k1\":1,\"k2\":2,\"k3\":[],\"k4\":{},"
    "\"k5\":null,"
    "\"k6\":6,\"k7\":7,\"k8\":8,\"k9\":9,\"k10\":[[],[]]}]",
};
enum { SAMPLES = sizeof samples / sizeof *samples };

/* Reads all that can be read of a value. */
static void visit(struct arena *arena, const struct json *v) {
    struct error error;
    struct tensor t;
    double x;
    int64_t i;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        error_clear(&error);
        const bool read = json_tensor(arena, v, (enum dtype)dtype, MOST, "", &t, &error);
        assert_int_equal(read, error.code == ERROR_NONE);
    }
    json_double(v, &x);
    json_int(v, &i);
    json_is_int_literal(v);
    json_type_name(v);
    const struct json *array = json_type(v) == JSON_NUMBERS ? json_split(arena, v) : v;
    for (const struct json *child = array ? json_first(array) : NULL; child;
         child = json_next(child)) {
        visit(arena, child);
    }
}

static void an_arena_that_ends_anywhere_is_a_memory_budget(void **state) {
    (void)state;
    char *large = many_members(100, false);
    for (size_t s = 0; s <= SAMPLES; s++) {
        const char *text = s < SAMPLES ? samples[s] : large;
        bool parsed = false;
        for (size_t ceiling = 0; !parsed; ceiling += 16) {
            struct arena arena;
            struct error error;
            struct json *root;
            arena_init(&arena, ceiling);
            error_clear(&error);
            parsed = json_parse(&arena, text, strlen(text), DEPTH, &root, &error);
            if (parsed) {
                visit(&arena, root);
            } else {
                char detail[128];
                snprintf(detail, sizeof detail,
                         "the request needs more than the %zu bytes of memory it may take",
                         ceiling);
                assert_string_equal(error.detail, detail);
                assert_int_equal(error.code, ERROR_MEMORY_BUDGET);
            }
            arena_free(&arena);
        }
    }
    free(large);
}

static void a_tensor_without_memory_is_a_memory_budget(void **state) {
    (void)state;
    char *numbers = repeated("1,", MOST - 1, "1"), *text = nested("[", 1, numbers);
    struct arena arena;
    struct error error;
    struct json *root;
    struct tensor t;
    arena_init(&arena, 8192);
    error_clear(&error);
    assert_true(json_parse(&arena, text, strlen(text), 8, &root, &error));
    assert_false(json_tensor(&arena, root, DTYPE_F64, MOST, "/v", &t, &error));
    assert_int_equal(error.code, ERROR_MEMORY_BUDGET);
    assert_string_equal(error.detail,
                        "the request needs more than the 8192 bytes of memory it may take");
    assert_string_equal(error.pointer, "/v");
    arena_free(&arena);
    free(text);
    free(numbers);
}

static void an_array_takes_eight_bytes_a_float64_beside_the_body(void **state) {
    (void)state;
    enum { N = 100000 };
    char *numbers = repeated("0.12345678901234567,", N - 1, "1"), *text = nested("[", 1, numbers);
    struct arena arena;
    struct error error;
    struct json *root;
    struct tensor t;
    arena_init(&arena, 8 * N + (64 << 10));
    error_clear(&error);
    assert_true(json_parse(&arena, text, strlen(text), DEPTH, &root, &error));
    assert_true(json_tensor(&arena, root, DTYPE_F64, N, "", &t, &error));
    arena_free(&arena);
    free(text);
    free(numbers);
}

static uint64_t next_random(void) {
    static uint64_t state = 88172645463325252u;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

/* Changes a text at a few places: other bytes, pieces left out or said twice. Returns its length. */
static size_t mutate(char *text, size_t n) {
    static const char bytes[] = "[]{},:\"\\0123456789+-.eEtrufalsn \n\x00\xFF\xC3\xA9";
    for (uint64_t changes = 1 + next_random() % 4; changes; changes--) {
        const size_t at = (size_t)(next_random() % n), length = (size_t)(next_random() % 8);
        switch (next_random() % 3) {
        case 0:
            text[at] = bytes[next_random() % (sizeof bytes - 1)];
            break;
        case 1:
            if (at + length >= n || n - length < 2) break;
            memmove(text + at, text + at + length, n - at - length);
            n -= length;
            break;
        default:
            if (at + length > n) break;
            memmove(text + at + length, text + at, n - at);
            n += length;
            break;
        }
    }
    return n;
}

static void mutated_bodies_neither_crash_nor_leak(void **state) {
    (void)state;
    for (int i = 0; i < 60000; i++) {
        char text[1024];
        struct document d;
        const char *sample = samples[next_random() % SAMPLES];
        strcpy(text, sample);
        const size_t n = mutate(text, strlen(sample));
        if (open_bytes(&d, text, n)) {
            visit(&d.arena, d.root);
        } else {
            assert_true(d.error.code == ERROR_INVALID_JSON ||
                        d.error.code == ERROR_GRAPH_TOO_LARGE);
            assert_true(d.error.detail[0]);
        }
        close_document(&d);
    }
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
        cmocka_unit_test(a_hundred_thousand_members_take_linear_time),
        cmocka_unit_test(nesting_past_the_limit_is_refused_where_it_passes),
        cmocka_unit_test(arrays_that_turn_out_to_be_mixed_take_linear_time),
        cmocka_unit_test(a_span_is_split_into_its_elements),
        cmocka_unit_test(pointers_are_escaped_and_cut_at_a_character),
        cmocka_unit_test(values_of_every_form_become_tensors),
        cmocka_unit_test(ragged_arrays_are_refused_at_their_first_odd_row),
        cmocka_unit_test(what_does_not_fit_its_dtype_is_refused_with_index_and_text),
        cmocka_unit_test(rank_and_elements_past_the_limit_are_refused_before_memory_is_taken),
        cmocka_unit_test(typed_tensors_that_do_not_add_up_are_refused),
        cmocka_unit_test(an_arena_that_ends_anywhere_is_a_memory_budget),
        cmocka_unit_test(a_tensor_without_memory_is_a_memory_budget),
        cmocka_unit_test(an_array_takes_eight_bytes_a_float64_beside_the_body),
        cmocka_unit_test(mutated_bodies_neither_crash_nor_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
