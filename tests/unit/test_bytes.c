/* Tensors from .npy files and from raw bytes, whole and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/bytes.h"

static struct arena arena;
static struct error error;
static struct tensor t;

static int start(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    error_clear(&error);
    return 0;
}

static int end(void **state) {
    (void)state;
    arena_free(&arena);
    return 0;
}

/* A file of version 1 or 2 with this header and these bytes behind it. */
static size_t file(char *out, int version, const char *header, const void *data, size_t n) {
    const size_t length = strlen(header);
    size_t at = 6;
    memcpy(out, "\x93NUMPY", 6);
    out[at++] = (char)version;
    out[at++] = 0;
    for (int i = 0; i < (version == 1 ? 2 : 4); i++) out[at++] = (char)(length >> 8 * i);
    memcpy(out + at, header, length);
    memcpy(out + at + length, data, n);
    return at + length + n;
}

static bool read_file(int version, const char *header, const void *data, size_t n) {
    static char bytes[8192];
    const size_t size = file(bytes, version, header, data, n);
    /* In memory of its own length, so that reading past it is seen. */
    char *copy = malloc(size);
    memcpy(copy, bytes, size);
    error_clear(&error);
    const bool ok = npy_read(&arena, copy, size, 1000, &t, &error);
    free(copy);
    return ok;
}

static void what_numpy_writes_is_read(void **state) {
    (void)state;
    const float floats[] = {1, 2.5F};
    assert_true(read_file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }    \n",
                          floats, sizeof floats));
    assert_int_equal(t.dtype, DTYPE_F32);
    assert_int_equal(t.shape.rank, 1);
    assert_memory_equal(t.data, floats, sizeof floats);
    const int64_t scalar = -7;
    assert_true(read_file(2, "{'shape': (), 'fortran_order': False, 'descr': '<i8'}", &scalar, 8));
    assert_int_equal(t.dtype, DTYPE_I64);
    assert_int_equal(t.shape.rank, 0);
    assert_memory_equal(t.data, &scalar, 8);
    assert_true(read_file(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3, 0), }", "", 0));
    assert_int_equal(t.dtype, DTYPE_BOOL);
    assert_int_equal(shape_count(&t.shape), 0);
}

static void fortran_order_is_turned(void **state) {
    (void)state;
    /* [[[1,2],[3,4]],[[5,6],[7,8]]] with the first index fastest */
    const int32_t data[] = {1, 5, 3, 7, 2, 6, 4, 8}, wanted[] = {1, 2, 3, 4, 5, 6, 7, 8};
    assert_true(read_file(1, "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 2, 2), }", data,
                          sizeof data));
    assert_memory_equal(t.data, wanted, sizeof wanted);
}

static void what_is_not_numpys_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *header, *detail;
    } rows[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
         "the .npy file has elements of type '>f4', expected '<f4', '<f8', "
         "'<i4', '<i8' or '|b1'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
         "the .npy file has a header that is not NumPy's"},
        {"{'descr': '<f4', 'fortran_order': False, }",
         "the .npy file has a header that is not NumPy's"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }",
         "the .npy file has a header that is not NumPy's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
         "the .npy file has a header that is not NumPy's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, }",
         "the .npy file has a header that is not NumPy's"},
        {"", "the .npy file has a header that is not NumPy's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }",
         "the .npy file has more than 8 axes; a tensor has at most 8"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3037000500, 3037000500, 0), }",
         "a tensor of shape (3037000500,3037000500,0) has more than the 1000 elements that are "
         "allowed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
         "there are 4 bytes of data where shape (2,) of float32 takes 8"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_false(read_file(1, rows[i].header, "\0\0\0\0", 4));
        assert_string_equal(error.detail, rows[i].detail);
    }
    assert_false(read_file(9, "{}", "", 0));
    assert_string_equal(error.detail, "the .npy file is of version 9, expected 1, 2 or 3");
    assert_false(
        read_file(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\1\2", 2));
    assert_string_equal(error.detail, "byte 1 is 2, and a bool is 0 or 1");
}

static void broken_files_do_no_harm(void **state) {
    (void)state;
    static char bytes[512];
    const double data[] = {1, 2, 3, 4, 5, 6};
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        size_t n =
            file(bytes, 1 + i % 2, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }",
                 data, sizeof data);
        for (int k = 0; k < 1 + i % 3; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            bytes[(random >> 33) % 80] = (char)(random >> 20);
        }
        if (i % 5 == 0) n = (random >> 40) % n;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, bytes, n);
        error_clear(&error);
        const bool ok = npy_read(&arena, copy, n, 1000, &t, &error);
        if (!ok) assert_int_not_equal(error.code, ERROR_NONE);
        free(copy);
        arena_free(&arena);
    }
}

static void raw_bytes_fill_the_shape_that_is_said(void **state) {
    (void)state;
    const double data[] = {1, 2, 3, 4};
    struct tensor raw = {.dtype = DTYPE_F64};
    assert_true(shape_parse("2,2", &raw.shape, &error));
    assert_true(bytes_read(&arena, (const char *)data, sizeof data, 1000, &raw, &error));
    assert_memory_equal(raw.data, data, sizeof data);
    raw.shape.rank = -1;
    assert_true(bytes_read(&arena, (const char *)data, sizeof data, 1000, &raw, &error));
    assert_int_equal(raw.shape.dim[0], 4);
    raw.shape.rank = -1;
    assert_false(bytes_read(&arena, (const char *)data, 12, 1000, &raw, &error));
    assert_string_equal(error.detail,
                        "the body has 12 bytes, no multiple of the 8 that a float64 takes");
}

static void shapes_are_read_strictly(void **state) {
    (void)state;
    static const char *const right[] = {"", "()", "[]", "2", "2,", "(2,3)", "[2,3]", "0"},
                             *const wrong[] = {"x",  "2x",  "-1", "2,,3", "(2", "1,1,1,1,1,1,1,1,1",
                                               " 2", "2 ,3"};
    struct shape shape;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        error_clear(&error);
        if (!shape_parse(right[i], &shape, &error)) fail_msg("refused: %s", right[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        error_clear(&error);
        if (shape_parse(wrong[i], &shape, &error)) fail_msg("allowed: %s", wrong[i]);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
    const struct CMUnitTest tests[] = {
        TEST(what_numpy_writes_is_read),
        TEST(fortran_order_is_turned),
        TEST(what_is_not_numpys_is_refused),
        TEST(broken_files_do_no_harm),
        TEST(raw_bytes_fill_the_shape_that_is_said),
        TEST(shapes_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
