/* Decimal to binary and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/numbers.h"

enum { PATTERNS = 1000000 };

static uint64_t next_random(void) {
    static uint64_t state = 88172645463325252u;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

static double f64_of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float f32_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The text in a block of its exact size, so that a sanitizer sees one byte read too many. */
static enum number_status parse_f64(const char *text, double *out, size_t *used) {
    const size_t n = strlen(text);
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    const char *rest = exact;
    const enum number_status status = number_parse_f64(exact, exact + n, out, &rest);
    *used = (size_t)(rest - exact);
    free(exact);
    return status;
}

static void assert_f64_prints(double x, const char *text) {
    char out[NUMBER_TEXT + 1];
    out[number_print_f64(out, x)] = '\0';
    assert_string_equal(out, text);
}

static void assert_f32_prints(float x, const char *text) {
    char out[NUMBER_TEXT + 1];
    out[number_print_f32(out, x)] = '\0';
    assert_string_equal(out, text);
}

static void floats_print_in_the_layout_of_python(void **state) {
    (void)state;
    static const struct {
        double x;
        const char *text;
    } cases[] = {
        {63.0, "63.0"},
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-1.0, "-1.0"},
        {0.1, "0.1"},
        {0.0001, "0.0001"},
        {0.00012345678901234567, "0.00012345678901234567"},
        {1e-05, "1e-05"},
        {1e-07, "1e-07"},
        {1.5e-07, "1.5e-07"},
        {123456.789, "123456.789"},
        {-123456.789, "-123456.789"},
        {1e15, "1000000000000000.0"},
        {9007199254740991.0, "9007199254740991.0"},
        {9007199254740992.0, "9007199254740992.0"},
        {9007199254740994.0, "9007199254740994.0"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e+16"},
        {-1e16, "-1e+16"},
        {1.2345678901234567e16, "1.2345678901234568e+16"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {1e100, "1e+100"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {-2.2250738585072011e-308, "-2.225073858507201e-308"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {9.5, "9.5"},
        {1234567890123456.7, "1234567890123456.8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_f64_prints(cases[i].x, cases[i].text);
}

static void float32_prints_the_shortest_digits_of_float32(void **state) {
    (void)state;
    assert_f32_prints(0.1f, "0.1");
    assert_f32_prints(-0.0f, "-0.0");
    assert_f32_prints(1e-07f, "1e-07");
    assert_f32_prints(1e-05f, "1e-05");
    assert_f32_prints(0.0001f, "0.0001");
    assert_f32_prints(16777216.0f, "16777216.0");
    assert_f32_prints(123456789.0f, "123456790.0");
    assert_f32_prints(1e15f, "1000000000000000.0");
    assert_f32_prints(1e16f, "1e+16");
    assert_f32_prints(3.4028235e38f, "3.4028235e+38");
    assert_f32_prints(1e-45f, "1e-45");
    assert_f32_prints(1.17549435e-38f, "1.1754944e-38");
    assert_f32_prints(1.0f / 3, "0.33333334");
}

static void integers_print_as_they_are(void **state) {
    (void)state;
    char out[NUMBER_TEXT + 1];
    out[number_print_i64(out, INT64_MIN)] = '\0';
    assert_string_equal(out, "-9223372036854775808");
    out[number_print_i64(out, 0)] = '\0';
    assert_string_equal(out, "0");
}

static void every_float64_reads_back_to_its_own_bits(void **state) {
    (void)state;
    for (int i = 0; i < PATTERNS; i++) {
        const double x = f64_of_bits(next_random());
        if (!isfinite(x)) continue;
        char out[NUMBER_TEXT];
        const size_t n = number_print_f64(out, x);
        double y;
        const char *rest;
        assert_true(n < NUMBER_TEXT);
        assert_int_equal(number_parse_f64(out, out + n, &y, &rest), NUMBER_OK);
        assert_ptr_equal(rest, out + n);
        assert_memory_equal(&x, &y, sizeof x);
    }
}

static void every_float32_reads_back_to_its_own_bits(void **state) {
    (void)state;
    for (int i = 0; i < PATTERNS; i++) {
        const float x = f32_of_bits((uint32_t)(next_random() >> 32));
        if (!isfinite(x)) continue;
        char out[NUMBER_TEXT];
        const size_t n = number_print_f32(out, x);
        float y;
        const char *rest;
        assert_int_equal(number_parse_f32(out, out + n, &y, &rest), NUMBER_OK);
        assert_ptr_equal(rest, out + n);
        assert_memory_equal(&x, &y, sizeof x);
    }
}

/* The digits of a printed number without zeros before and behind them. */
static int digits_of(const char *text, char out[NUMBER_TEXT]) {
    int n = 0, kept = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0')) continue;
        out[n++] = *text;
        if (*text != '0') kept = n;
    }
    out[kept] = '\0';
    return kept;
}

/* Fewer digits than were printed never give the number back, and of as many those were printed that are
 * nearest to it, unless they do not. libc's are exact. */
static void check_shortest(double x, bool single) {
    char out[NUMBER_TEXT + 1], has[NUMBER_TEXT], other[40], nearest[NUMBER_TEXT];
    if (!isfinite(x) || x == 0) return;
    out[single ? number_print_f32(out, (float)x) : number_print_f64(out, x)] = '\0';
    const int n = digits_of(out, has);
    for (int fewer = n > 1; fewer >= 0; fewer--) {
        snprintf(other, sizeof other, "%.*e", n - 1 - fewer, x);
        const bool back = single ? strtof(other, NULL) == (float)x : strtod(other, NULL) == x;
        digits_of(other, nearest);
        if (back && (fewer || strcmp(has, nearest) != 0)) fail_msg("%a: %s, not %s", x, out, other);
    }
}

static void what_is_printed_is_shortest(void **state) {
    (void)state;
    for (int i = 0; i < PATTERNS / 10; i++) {
        check_shortest(f64_of_bits(next_random()), false);
        check_shortest((double)f32_of_bits((uint32_t)(next_random() >> 32)), true);
        check_shortest(ldexp((double)(next_random() >> 40), -(int)(next_random() % 60)), false);
        check_shortest((double)(next_random() % 1000000) / 1000, false);
    }
    /* Where the next smaller number is nearer, and around it; subnormal numbers too. */
    for (int e = -1074; e < 1024; e++)
        for (int k = -2; k <= 2; k++) {
            const double x = ldexp(1, e);
            uint64_t bits;
            memcpy(&bits, &x, sizeof bits);
            check_shortest(f64_of_bits(bits + (uint64_t)k), false);
        }
    for (int e = -149; e < 128; e++)
        for (int k = -2; k <= 2; k++) {
            const float x = ldexpf(1, e);
            uint32_t bits;
            memcpy(&bits, &x, sizeof bits);
            check_shortest((double)f32_of_bits(bits + (uint32_t)k), true);
        }
}

/* Random decimal texts of up to 40 digits, among them many halfway cases. */
static void texts_are_rounded_correctly_straight_into_their_dtype(void **state) {
    (void)state;
    for (int i = 0; i < PATTERNS / 4; i++) {
        char text[400];
        const uint64_t r = next_random();
        const int kind = (int)(r % 4);
        if (kind == 0) {
            snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64 "e%d",
                     next_random() >> (r >> 8) % 64, next_random() >> (r >> 16) % 64,
                     (int)(r >> 32) % 340);
        } else if (kind == 1) { /* halfway between two float64, a digit more or less */
            const double x = f64_of_bits((next_random() & UINT64_C(0x000FFFFFFFFFFFFF)) |
                                         (UINT64_C(1023) + (r >> 40) % 60) << 52);
            const long double half = (long double)x + (long double)(nextafter(x, INFINITY) - x) / 2;
            snprintf(text, sizeof text, "%.*Lf", (int)(50 + (r >> 8) % 3), half);
            if (r >> 32 & 1) text[strlen(text) - 1] = '1';
        } else if (kind == 2) {
            snprintf(text, sizeof text, "%.*e", (int)((r >> 8) % 40), f64_of_bits(next_random()));
        } else { /* about the limits of float32, where double rounding would show */
            snprintf(text, sizeof text, "%.20e",
                     (double)f32_of_bits((uint32_t)(next_random() >> 32)) * (1 + 0x1p-25));
        }
        if (strstr(text, "nan") || strstr(text, "inf")) continue;
        const char *end = text + strlen(text), *rest;
        double x, x_expected = strtod(text, NULL);
        const enum number_status wide = number_parse_f64(text, end, &x, &rest);
        assert_ptr_equal(rest, end);
        assert_int_equal(wide, isinf(x_expected) ? NUMBER_RANGE : NUMBER_OK);
        if (wide == NUMBER_OK) assert_memory_equal(&x, &x_expected, sizeof x);
        float y, y_expected = strtof(text, NULL);
        const enum number_status narrow = number_parse_f32(text, end, &y, &rest);
        assert_ptr_equal(rest, end);
        assert_int_equal(narrow, isinf(y_expected) ? NUMBER_RANGE : NUMBER_OK);
        if (narrow == NUMBER_OK) assert_memory_equal(&y, &y_expected, sizeof y);
    }
}

static void what_is_too_large_is_out_of_range_and_what_is_too_small_is_zero(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum number_status status;
        double x;
    } cases[] = {
        {"1e999", NUMBER_RANGE, 0},
        {"-1e999", NUMBER_RANGE, 0},
        {"1.7976931348623159e308", NUMBER_RANGE, 0},
        {"1e99999999999999999999", NUMBER_RANGE, 0},
        {"1000e9223372036854775807", NUMBER_RANGE, 0},
        {"1e-999", NUMBER_OK, 0.0},
        {"-1e-999", NUMBER_OK, -0.0},
        {"-0", NUMBER_OK, -0.0},
        {"0e999", NUMBER_OK, 0.0},
        {"0.000e99999999999999999999", NUMBER_OK, 0.0},
        {"1e-99999999999999999999", NUMBER_OK, 0.0},
        {"2e-324", NUMBER_OK, 0.0},
        {"2.5e-324", NUMBER_OK, 5e-324},
        {"-3e-324", NUMBER_OK, -5e-324},
        {"0.0000000001e10", NUMBER_OK, 1.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double x = 7;
        size_t used;
        assert_int_equal(parse_f64(cases[i].text, &x, &used), cases[i].status);
        assert_int_equal(used, strlen(cases[i].text));
        if (cases[i].status == NUMBER_OK) assert_memory_equal(&x, &cases[i].x, sizeof x);
    }
    float y;
    const char *rest, *text = "1e39";
    assert_int_equal(number_parse_f32(text, text + 4, &y, &rest), NUMBER_RANGE);
    text = "-1e-60";
    assert_int_equal(number_parse_f32(text, text + 6, &y, &rest), NUMBER_OK);
    assert_true(y == 0 && signbit(y));
}

static void long_texts_take_linear_time_and_are_exact(void **state) {
    (void)state;
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG + 16);
    double x;
    const char *rest;
    memset(text, '0', LONG + 16);
    text[1] = '.';
    text[LONG - 1] = '1';
    memcpy(text + LONG, "e1048574", 8);
    assert_int_equal(number_parse_f64(text, text + LONG + 8, &x, &rest), NUMBER_OK);
    assert_true(x == 1.0);
    assert_int_equal(number_parse_f64(text, text + LONG, &x, &rest), NUMBER_OK);
    assert_true(x == 0.0);
    int64_t i;
    assert_int_equal(number_parse_i64(text, text + LONG + 8, &i, &rest), NUMBER_OK);
    assert_int_equal(i, 1);
    memset(text, '9', LONG);
    assert_int_equal(number_parse_f64(text, text + LONG, &x, &rest), NUMBER_RANGE);
    assert_ptr_equal(rest, text + LONG);
    free(text);
}

static void what_is_not_of_the_grammar_is_malformed(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",    "-",   "+1",  ".5",  "-.5", "1.",   "1.e5",     "00", "01",  "-01", "1e",
        "1e+", "1E-", "NaN", "nan", "inf", "-inf", "Infinity", "e5", "--1", "x",   " 1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double x;
        size_t used;
        int64_t n;
        float y;
        int32_t m;
        const char *rest, *end = texts[i] + strlen(texts[i]);
        assert_int_equal(parse_f64(texts[i], &x, &used), NUMBER_MALFORMED);
        assert_int_equal(number_parse_f32(texts[i], end, &y, &rest), NUMBER_MALFORMED);
        assert_int_equal(number_parse_i64(texts[i], end, &n, &rest), NUMBER_MALFORMED);
        assert_int_equal(number_parse_i32(texts[i], end, &m, &rest), NUMBER_MALFORMED);
    }
}

static void a_number_ends_where_its_grammar_ends(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t used;
    } cases[] = {{"1,2", 1}, {"1.5]", 3}, {"0x10", 1}, {"-2e3 ", 4}, {"1.5.5", 3}, {"12-3", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double x;
        size_t used;
        const char *rest;
        int64_t n;
        const enum number_status status = parse_f64(cases[i].text, &x, &used);
        assert_int_equal(status, NUMBER_OK);
        assert_int_equal(used, cases[i].used);
        number_parse_i64(cases[i].text, cases[i].text + strlen(cases[i].text), &n, &rest);
        assert_ptr_equal(rest, cases[i].text + cases[i].used);
    }
}

static void integers_take_what_is_whole_in_value(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum number_status status;
        int64_t x;
    } cases[] = {
        {"0", NUMBER_OK, 0},
        {"-0", NUMBER_OK, 0},
        {"2", NUMBER_OK, 2},
        {"2.0", NUMBER_OK, 2},
        {"1e3", NUMBER_OK, 1000},
        {"1.5e1", NUMBER_OK, 15},
        {"100e-2", NUMBER_OK, 1},
        {"-12.50e2", NUMBER_OK, -1250},
        {"0.0e99999999999999999999", NUMBER_OK, 0},
        {"9223372036854775807", NUMBER_OK, INT64_MAX},
        {"-9223372036854775808", NUMBER_OK, INT64_MIN},
        {"922337203685477580.7e1", NUMBER_OK, INT64_MAX},
        {"9223372036854775808", NUMBER_RANGE, 0},
        {"-9223372036854775809", NUMBER_RANGE, 0},
        {"1e19", NUMBER_RANGE, 0},
        {"1e99999999999999999999", NUMBER_RANGE, 0},
        {"2.5", NUMBER_RANGE, 0},
        {"1e-1", NUMBER_RANGE, 0},
        {"105e-1", NUMBER_RANGE, 0},
        {"1e-99999999999999999999", NUMBER_RANGE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t x = 7;
        const char *rest, *end = cases[i].text + strlen(cases[i].text);
        assert_int_equal(number_parse_i64(cases[i].text, end, &x, &rest), cases[i].status);
        assert_ptr_equal(rest, end);
        if (cases[i].status == NUMBER_OK) assert_true(x == cases[i].x);
    }
    int32_t m;
    const char *rest, *text = "2147483648";
    assert_int_equal(number_parse_i32(text, text + 10, &m, &rest), NUMBER_RANGE);
    text = "-2147483648";
    assert_int_equal(number_parse_i32(text, text + 11, &m, &rest), NUMBER_OK);
    assert_int_equal(m, INT32_MIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_print_in_the_layout_of_python),
        cmocka_unit_test(float32_prints_the_shortest_digits_of_float32),
        cmocka_unit_test(integers_print_as_they_are),
        cmocka_unit_test(every_float64_reads_back_to_its_own_bits),
        cmocka_unit_test(every_float32_reads_back_to_its_own_bits),
        cmocka_unit_test(what_is_printed_is_shortest),
        cmocka_unit_test(texts_are_rounded_correctly_straight_into_their_dtype),
        cmocka_unit_test(what_is_too_large_is_out_of_range_and_what_is_too_small_is_zero),
        cmocka_unit_test(long_texts_take_linear_time_and_are_exact),
        cmocka_unit_test(what_is_not_of_the_grammar_is_malformed),
        cmocka_unit_test(a_number_ends_where_its_grammar_ends),
        cmocka_unit_test(integers_take_what_is_whole_in_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
