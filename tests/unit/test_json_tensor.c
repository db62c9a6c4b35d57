/* Tensors out of JSON: the forms they are written in, and what is refused and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/writer.h"
#include "document.h"

enum { MOST = 1000 };

/* Reads `text` as a tensor and writes it again, nested. */
static void assert_reads(const char *text, enum dtype dtype, const char *typed) {
    struct document d;
    struct tensor t;
    struct writer w;
    document_open_valid(&d, text);
    if (!json_tensor(&d.arena, d.root, dtype, MOST, "/v", &t, &d.error))
        fail_msg("%s: %s", text, d.error.detail);
    writer_init(&w, SIZE_MAX);
    write_tensor(&w, &t, FORMAT_TYPED);
    write_bytes(&w, "", 1);
    assert_string_equal(w.data, typed);
    writer_free(&w);
    document_close(&d);
}

static void assert_not_read(const char *text, enum dtype dtype, const char *code,
                            const char *pointer, const char *detail) {
    struct document d;
    struct tensor t;
    document_open_valid(&d, text);
    assert_false(json_tensor(&d.arena, d.root, dtype, MOST, "/v", &t, &d.error));
    assert_string_equal(d.error.detail, detail);
    assert_string_equal(d.error.pointer, pointer);
    assert_string_equal(error_name(d.error.code), code);
    document_close(&d);
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
    char *numbers = document_repeat("1,", MOST, "1"), *text = document_nest("[", 1, numbers);
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

static void a_tensor_without_memory_is_a_memory_budget(void **state) {
    (void)state;
    char *numbers = document_repeat("1,", MOST - 1, "1"), *text = document_nest("[", 1, numbers);
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
    char *numbers = document_repeat("0.12345678901234567,", N - 1, "1"),
         *text = document_nest("[", 1, numbers);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_form_become_tensors),
        cmocka_unit_test(ragged_arrays_are_refused_at_their_first_odd_row),
        cmocka_unit_test(what_does_not_fit_its_dtype_is_refused_with_index_and_text),
        cmocka_unit_test(rank_and_elements_past_the_limit_are_refused_before_memory_is_taken),
        cmocka_unit_test(typed_tensors_that_do_not_add_up_are_refused),
        cmocka_unit_test(a_tensor_without_memory_is_a_memory_budget),
        cmocka_unit_test(an_array_takes_eight_bytes_a_float64_beside_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
