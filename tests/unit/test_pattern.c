/* Patterns of variables' names: what Python's re finds, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/optimizer.h"

/* What re.search and re.fullmatch of Python 3.11 say. */
static const struct {
    const char *pattern, *name;
    bool searched, whole;
} found[] = {
    {"bias", "dense_bias", true, false},
    {"bias", "bias", true, true},
    {"bias|norm", "layer_norm", true, false},
    {"^b", "bias", true, false},
    {"s$", "bias", true, false},
    {"^a", "bias", false, false},
    {"", "bias", true, false},
    {"", "", true, true},
    {"encoder/.*", "encoder/dense", true, true},
    {"encoder/.*", "my/encoder/dense", true, false},
    {"a|ab", "ab", true, true},
    {"(?i)BIAS", "bias", true, true},
    {"w\\d+", "w12", true, true},
    {"w\\d+", "w", false, false},
    {"(?P<x>a)(?P=x)", "aa", true, true},
    {"(?<!no_)decay", "no_decay", false, false},
    {"(?<!no_)decay", "decay", true, true},
    {"\\bw\\b", "w", true, true},
    {"[\\w]+", "w_1", true, true},
    {"(a+)b", "aaaa", false, false},
};

static void a_pattern_is_found_as_pythons_re_finds_it(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        struct error error = {0};
        if (!pattern_check(found[i].pattern, &error)) fail_msg("%s", error.detail);
        if (pattern_matches(found[i].pattern, found[i].name, false) != found[i].searched)
            fail_msg("\"%s\" in \"%s\"", found[i].pattern, found[i].name);
        if (pattern_matches(found[i].pattern, found[i].name, true) != found[i].whole)
            fail_msg("\"%s\" for all of \"%s\"", found[i].pattern, found[i].name);
    }
}

static void assert_refused(const char *pattern, const char *detail) {
    struct error error = {0};
    assert_false(pattern_check(pattern, &error));
    assert_int_equal(error.code, ERROR_INVALID_VALUE);
    assert_string_equal(error.detail, detail);
}

static void what_is_no_pattern_is_refused(void **state) {
    (void)state;
    char text[300], expected[400];
    assert_refused("(a", "\"(a\" is no regular expression: missing closing parenthesis at byte 2");
    assert_refused("*a", "\"*a\" is no regular expression: quantifier does not follow a repeatable "
                         "item at byte 0");
    assert_refused("a\\C", "\"a\\C\" is no regular expression: using \\C is disabled by the "
                           "application at byte 3");
    /* Python's {0,3}, and three plain characters to PCRE2 10.42. */
    assert_refused("a{,3}",
                   "the regular expression \"a{,3}\" has {, in it, which not all read alike; "
                   "write {0,n} for up to n");
    memset(text, 'a', 257);
    text[257] = '\0';
    assert_refused(text, "a pattern of 257 bytes is longer than the 256 it may have");
    memset(text, '(', 33);
    memset(text + 33, ')', 33);
    text[66] = '\0';
    snprintf(expected, sizeof expected,
             "\"%s\" is no regular expression: parentheses are too deeply nested at byte 33", text);
    assert_refused(text, expected);
}

static void a_pattern_that_could_take_for_ever_is_refused(void **state) {
    (void)state;
    static const char *const patterns[] = {"(a+)+$", "(a|a)*c", "(x*)*y", "((b+)+)+z", "(a|aa)+$"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char expected[200];
        snprintf(expected, sizeof expected,
                 "the regular expression \"%s\" takes more than 10000 steps to match a name",
                 patterns[i]);
        assert_refused(patterns[i], expected);
    }
}

static void what_takes_too_long_in_a_name_is_not_found_in_it(void **state) {
    (void)state;
    const char *name =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    assert_false(pattern_matches("(a+)+$", name, false));
}

static void the_longest_pattern_is_taken(void **state) {
    (void)state;
    char text[257];
    struct error error = {0};
    memset(text, 'a', 256);
    text[256] = '\0';
    assert_true(pattern_check(text, &error));
    assert_true(pattern_matches(text, text, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_is_found_as_pythons_re_finds_it),
        cmocka_unit_test(what_is_no_pattern_is_refused),
        cmocka_unit_test(a_pattern_that_could_take_for_ever_is_refused),
        cmocka_unit_test(what_takes_too_long_in_a_name_is_not_found_in_it),
        cmocka_unit_test(the_longest_pattern_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
