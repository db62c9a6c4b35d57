/* JSON out: strings, tensors, problems, and the ceiling of an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/problem.h"

static void assert_written(struct writer *w, const char *text) {
    assert_false(w->full);
    write_bytes(w, "", 1);
    assert_string_equal(w->data, text);
    writer_free(w);
}

static void assert_tensor(enum dtype dtype, int rank, const int64_t *dims, const void *data,
                          const char *nested, const char *typed, const char *base64) {
    const char *expected[] = {nested, typed, base64};
    static const enum tensor_format formats[] = {FORMAT_NESTED, FORMAT_TYPED, FORMAT_BASE64};
    struct tensor t = {.dtype = dtype, .shape.rank = rank};
    for (int i = 0; i < rank; i++) t.shape.dim[i] = dims[i];
    t.data = malloc(tensor_bytes(&t) + 1);
    memcpy(t.data, data, tensor_bytes(&t));
    for (int i = 0; i < 3; i++) {
        struct writer w;
        writer_init(&w, SIZE_MAX);
        write_tensor(&w, &t, formats[i]);
        assert_written(&w, expected[i]);
    }
    free(t.data);
}

static void a_number_that_comes_again_is_written_again(void **state) {
    (void)state;
    const double x[] = {0, -0.0, -0.0, 1e300, 1e300, 1e300, NAN, NAN, 0.5};
    const float y[] = {0.1f, 0.1f, 0.25f, INFINITY, INFINITY, 0.1f};
    struct writer w;
    writer_init(&w, SIZE_MAX);
    struct tensor t = {DTYPE_F64, {.rank = 1, .dim = {9}}, (void *)x};
    write_tensor(&w, &t, FORMAT_NESTED);
    t = (struct tensor){DTYPE_F32, {.rank = 2, .dim = {2, 3}}, (void *)y};
    write_tensor(&w, &t, FORMAT_NESTED);
    assert_written(&w, "[0.0,-0.0,-0.0,1e+300,1e+300,1e+300,\"NaN\",\"NaN\",0.5]"
                       "[[0.1,0.1,0.25],[\"Infinity\",\"Infinity\",0.1]]");
}

static void tensors_are_written_in_every_format(void **state) {
    (void)state;
    assert_tensor(DTYPE_F32, 0, NULL, (float[]){63}, "63.0",
                  "{\"dtype\":\"float32\",\"shape\":[],\"data\":[63.0]}",
                  "{\"dtype\":\"float32\",\"shape\":[],\"base64\":\"AAB8Qg==\"}");
    assert_tensor(
        DTYPE_F32, 2, (int64_t[]){2, 2}, (float[]){1, 2, 3, 0.1f}, "[[1.0,2.0],[3.0,0.1]]",
        "{\"dtype\":\"float32\",\"shape\":[2,2],\"data\":[1.0,2.0,3.0,0.1]}",
        "{\"dtype\":\"float32\",\"shape\":[2,2],\"base64\":\"AACAPwAAAEAAAEBAzczMPQ==\"}");
    assert_tensor(
        DTYPE_F64, 1, (int64_t[]){3}, (double[]){1e-7, -0.0, 1e16}, "[1e-07,-0.0,1e+16]",
        "{\"dtype\":\"float64\",\"shape\":[3],\"data\":[1e-07,-0.0,1e+16]}",
        "{\"dtype\":\"float64\",\"shape\":[3],\"base64\":\"SK+8mvLXej4AAAAAAAAAgACA4Dd5w0FD\"}");
    assert_tensor(DTYPE_I32, 1, (int64_t[]){2}, (int32_t[]){INT32_MIN, 7}, "[-2147483648,7]",
                  "{\"dtype\":\"int32\",\"shape\":[2],\"data\":[-2147483648,7]}",
                  "{\"dtype\":\"int32\",\"shape\":[2],\"base64\":\"AAAAgAcAAAA=\"}");
    assert_tensor(DTYPE_I64, 3, (int64_t[]){1, 1, 1}, (int64_t[]){-1}, "[[[-1]]]",
                  "{\"dtype\":\"int64\",\"shape\":[1,1,1],\"data\":[-1]}",
                  "{\"dtype\":\"int64\",\"shape\":[1,1,1],\"base64\":\"//////////8=\"}");
    assert_tensor(DTYPE_BOOL, 1, (int64_t[]){3}, (uint8_t[]){1, 0, 1}, "[true,false,true]",
                  "{\"dtype\":\"bool\",\"shape\":[3],\"data\":[true,false,true]}",
                  "{\"dtype\":\"bool\",\"shape\":[3],\"base64\":\"AQAB\"}");
    assert_tensor(DTYPE_F32, 3, (int64_t[]){2, 3, 2},
                  (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
                  "[[[1.0,2.0],[3.0,4.0],[5.0,6.0]],[[7.0,8.0],[9.0,10.0],[11.0,12.0]]]",
                  "{\"dtype\":\"float32\",\"shape\":[2,3,2],\"data\":[1.0,2.0,3.0,4.0,5.0,6.0,7.0,"
                  "8.0,9.0,10.0,11.0,"
                  "12.0]}",
                  "{\"dtype\":\"float32\",\"shape\":[2,3,2],\"base64\":"
                  "\"AACAPwAAAEAAAEBAAACAQAAAoEAAAMBAAADgQAAAAEEAABBBAAAgQQAAMEEAAEBB\"}");
}

static void non_finite_elements_are_strings(void **state) {
    (void)state;
    assert_tensor(DTYPE_F64, 1, (int64_t[]){2}, (double[]){(double)INFINITY, -(double)INFINITY},
                  "[\"Infinity\",\"-Infinity\"]",
                  "{\"dtype\":\"float64\",\"shape\":[2],\"data\":[\"Infinity\",\"-Infinity\"]}",
                  "{\"dtype\":\"float64\",\"shape\":[2],\"base64\":\"AAAAAAAA8H8AAAAAAADw/w==\"}");
    struct writer w;
    const float nan_value = NAN;
    const struct tensor t = {DTYPE_F32, {0}, (void *)&nan_value};
    writer_init(&w, 100);
    write_tensor(&w, &t, FORMAT_NESTED);
    write_double(&w, -(double)INFINITY);
    write_double(&w, 0.5);
    assert_written(&w, "\"NaN\"\"-Infinity\"0.5");
}

static void tensors_without_elements_keep_their_brackets(void **state) {
    (void)state;
    assert_tensor(DTYPE_F32, 1, (int64_t[]){0}, "", "[]",
                  "{\"dtype\":\"float32\",\"shape\":[0],\"data\":[]}",
                  "{\"dtype\":\"float32\",\"shape\":[0],\"base64\":\"\"}");
    assert_tensor(DTYPE_F32, 2, (int64_t[]){2, 0}, "", "[[],[]]",
                  "{\"dtype\":\"float32\",\"shape\":[2,0],\"data\":[]}",
                  "{\"dtype\":\"float32\",\"shape\":[2,0],\"base64\":\"\"}");
    assert_tensor(DTYPE_F32, 3, (int64_t[]){0, 2, 3}, "", "[]",
                  "{\"dtype\":\"float32\",\"shape\":[0,2,3],\"data\":[]}",
                  "{\"dtype\":\"float32\",\"shape\":[0,2,3],\"base64\":\"\"}");
    assert_tensor(DTYPE_F32, 3, (int64_t[]){2, 0, 3}, "", "[[],[]]",
                  "{\"dtype\":\"float32\",\"shape\":[2,0,3],\"data\":[]}",
                  "{\"dtype\":\"float32\",\"shape\":[2,0,3],\"base64\":\"\"}");
}

/* Shapes of all kinds around the size of a run, read back by the scanner. */
static void large_tensors_of_every_shape_read_back(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {1, {255}},
        {1, {256}},
        {1, {257}},
        {1, {10000}},
        {2, {10000, 1}},
        {2, {1, 999}},
        {2, {3, 257}},
        {3, {7, 5, 100}},
        {8, {1, 2, 1, 3, 1, 4, 1, 5}},
        {8, {1, 1, 1, 1, 1, 1, 1, 600}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct tensor t = {DTYPE_F64, shapes[i], NULL}, again;
        const int64_t n = shape_count(&t.shape);
        double *x = t.data = malloc(tensor_bytes(&t));
        for (int64_t j = 0; j < n; j++) x[j] = -sqrt((double)j) * 1e-300;
        struct writer w;
        struct arena arena;
        struct error error;
        struct json *root;
        writer_init(&w, SIZE_MAX);
        arena_init(&arena, SIZE_MAX / 2);
        error_clear(&error);
        write_tensor(&w, &t, FORMAT_NESTED);
        assert_true(json_parse(&arena, w.data, w.length, 8, &root, &error));
        assert_true(json_tensor(&arena, root, DTYPE_F64, n, "", &again, &error));
        assert_true(shape_equal(&t.shape, &again.shape));
        assert_memory_equal(t.data, again.data, tensor_bytes(&t));
        writer_free(&w);
        arena_free(&arena);
        free(t.data);
    }
}

static void strings_are_escaped_and_always_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\b\f\n\r\t\x01\x1F\x7F", "\"\\b\\f\\n\\r\\t\\u0001\\u001F\x7F\""},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
        {"a\xFF\x62\xE2\x82", "\"a\xEF\xBF\xBD\x62\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct writer w;
        writer_init(&w, 1000);
        write_string(&w, cases[i].text);
        assert_written(&w, cases[i].json);
    }
    struct writer w;
    writer_init(&w, 1000);
    write_string_n(&w, "a\0b", 3);
    write_int(&w, INT64_MIN);
    assert_written(&w, "\"a\\u0000b\"-9223372036854775808");
}

/* Writes some of everything, with a tensor that is longer than a run. */
static void write_all(struct writer *w) {
    float x[600];
    for (int i = 0; i < 600; i++) x[i] = (float)i / 7;
    const struct tensor t = {DTYPE_F32, {2, {200, 3}}, x}, hollow = {DTYPE_F32, {2, {300, 0}}, x};
    write_text(w, "{");
    write_string(w, "a \"name\" that is \xFF escaped\n");
    write_text(w, ":");
    write_tensor(w, &t, FORMAT_NESTED);
    write_tensor(w, &t, FORMAT_TYPED);
    write_tensor(w, &t, FORMAT_BASE64);
    write_tensor(w, &hollow, FORMAT_NESTED);
    write_int(w, 7);
    write_double(w, 0.5);
    write_text(w, "}");
}

static void writing_stops_for_good_at_the_ceiling(void **state) {
    (void)state;
    struct writer all;
    writer_init(&all, SIZE_MAX);
    write_all(&all);
    assert_false(all.full);
    for (size_t ceiling = 0; ceiling <= all.length;
         ceiling += ceiling < 100 || ceiling > all.length - 100 ? 1 : 7) {
        struct writer w;
        writer_init(&w, ceiling);
        write_all(&w);
        assert_int_equal(w.full, ceiling < all.length);
        assert_true(w.length <= ceiling);
        if (w.length) assert_memory_equal(w.data, all.data, w.length);
        const size_t length = w.length;
        write_text(&w, "");
        if (w.full) write_text(&w, "x");
        assert_int_equal(w.length, length);
        writer_free(&w);
    }
    writer_free(&all);
}

static void a_shape_of_many_empty_rows_stops_at_the_ceiling(void **state) {
    (void)state;
    struct writer w;
    char nothing[1];
    const struct tensor t = {DTYPE_F32, {3, {INT64_C(1) << 40, 2, 0}}, nothing};
    writer_init(&w, 1 << 20);
    write_tensor(&w, &t, FORMAT_NESTED);
    assert_true(w.full);
    writer_free(&w);
}

static void a_problem_has_the_members_of_the_contract_in_their_order(void **state) {
    (void)state;
    struct error e;
    struct writer w;
    error_clear(&e);
    error_set(&e, ERROR_SHAPE_MISMATCH, "add: shapes (2,3) and (4,) do not broadcast");
    error_at(&e, "/graph");
    e.line = 1;
    e.column = 9;
    strcpy(e.node, "z");
    writer_init(&w, 1000);
    problem_write(&w, &e, "r-1");
    assert_written(
        &w,
        "{\"type\":\"/problems/shape_mismatch\",\"title\":\"Shapes do not "
        "broadcast\",\"status\":400,"
        "\"code\":\"shape_mismatch\",\"detail\":\"add: shapes (2,3) and (4,) do not broadcast\","
        "\"pointer\":\"/graph\",\"line\":1,\"column\":9,\"node\":\"z\",\"request_id\":\"r-1\"}");
    error_clear(&e);
    error_set(&e, ERROR_NOT_FOUND, "no route \"/v2\"");
    writer_init(&w, 1000);
    problem_write(&w, &e, NULL);
    assert_written(&w, "{\"type\":\"/problems/not_found\",\"title\":\"Not "
                       "found\",\"status\":404,\"code\":\"not_found\","
                       "\"detail\":\"no route \\\"/v2\\\"\"}");
}

static void every_code_has_the_status_of_the_contract(void **state) {
    (void)state;
    static const struct {
        int status;
        enum error_code first, last;
    } ranges[] = {
        {400, ERROR_INVALID_FRAMING, ERROR_INVALID_ARGUMENT},
        {401, ERROR_UNAUTHENTICATED, ERROR_UNAUTHENTICATED},
        {403, ERROR_FORBIDDEN, ERROR_FORBIDDEN},
        {404, ERROR_NOT_FOUND, ERROR_NOT_FOUND},
        {405, ERROR_METHOD_NOT_ALLOWED, ERROR_METHOD_NOT_ALLOWED},
        {406, ERROR_NOT_ACCEPTABLE, ERROR_NOT_ACCEPTABLE},
        {415, ERROR_UNSUPPORTED_MEDIA_TYPE, ERROR_UNSUPPORTED_MEDIA_TYPE},
        {409, ERROR_ALREADY_EXISTS, ERROR_TAPE_RECORDING_STATE},
        {412, ERROR_PRECONDITION_FAILED, ERROR_PRECONDITION_FAILED},
        {413, ERROR_BODY_TOO_LARGE, ERROR_SESSION_TOO_LARGE},
        {422, ERROR_NON_FINITE, ERROR_NON_FINITE},
        {429, ERROR_QUOTA_EXCEEDED, ERROR_TOO_MANY_FUNCTIONS},
        {503, ERROR_OVERLOADED, ERROR_CANCELLED},
        {504, ERROR_DEADLINE_EXCEEDED, ERROR_DEADLINE_EXCEEDED},
        {507, ERROR_MEMORY_BUDGET, ERROR_DISK_FULL},
        {503, ERROR_STORE_FAILED, ERROR_INTERRUPTED},
        {422, ERROR_IDEMPOTENCY_MISMATCH, ERROR_IDEMPOTENCY_MISMATCH},
        {507, ERROR_ANSWER_LOST, ERROR_ANSWER_LOST},
    };
    int checked = 0;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (int code = (int)ranges[i].first; code <= (int)ranges[i].last; code++, checked++) {
            assert_int_equal(problem_status((enum error_code)code), ranges[i].status);
        }
    }
    assert_int_equal(checked, ERROR_CODE_COUNT - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_written_in_every_format),
        cmocka_unit_test(a_number_that_comes_again_is_written_again),
        cmocka_unit_test(non_finite_elements_are_strings),
        cmocka_unit_test(tensors_without_elements_keep_their_brackets),
        cmocka_unit_test(large_tensors_of_every_shape_read_back),
        cmocka_unit_test(strings_are_escaped_and_always_utf8),
        cmocka_unit_test(writing_stops_for_good_at_the_ceiling),
        cmocka_unit_test(a_shape_of_many_empty_rows_stops_at_the_ceiling),
        cmocka_unit_test(a_problem_has_the_members_of_the_contract_in_their_order),
        cmocka_unit_test(every_code_has_the_status_of_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
