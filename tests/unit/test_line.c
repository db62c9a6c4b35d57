/* Lines of the log, and traces: texts to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/line.h"
#include "server/trace.h"

/* What follows the time. */
static const char *rest(struct line *l) {
    line_end(l);
    assert_in_range(l->n, 1, LINE_MOST);
    assert_int_equal(l->text[l->n - 1], '\n');
    l->text[l->n - 1] = '\0';
    const char *at = strchr(l->text, 'Z');
    assert_non_null(at);
    return at + 1;
}

static void write_all(struct line *l, enum line_format format) {
    line_begin(l, format);
    line_word(l, LINE_KEY("word"), "a");
    line_text(l, LINE_KEY("plain"), "a/b", 100);
    line_text(l, LINE_KEY("odd"), "\"\\ =\n\xff", 100);
    line_text(l, LINE_KEY("none"), "", 100);
    line_text(l, LINE_KEY("cut"), "abcdef", 3);
    line_int(l, LINE_KEY("int"), INT64_MIN);
    line_ms(l, LINE_KEY("ms"), 1234567);
    line_ms(l, LINE_KEY("past"), -5);
}

static void a_line_has_two_forms(void **state) {
    (void)state;
    struct line l;
    write_all(&l, LINE_LOGFMT);
    assert_string_equal(rest(&l), " word=a plain=a/b odd=\"\\\"\\\\ =\\x0a\\xff\" none=\"\" cut=abc"
                                  " int=-9223372036854775808 ms=1.234 past=0.000");
    write_all(&l, LINE_JSON);
    assert_string_equal(
        rest(&l),
        "\",\"word\":\"a\",\"plain\":\"a/b\",\"odd\":\"\\\"\\\\ =\\u000a\\u00ff\",\"none\":\"\","
        "\"cut\":\"abc\",\"int\":-9223372036854775808,\"ms\":1.234,\"past\":0.000}");
}

static void pairs_become_members(void **state) {
    (void)state;
    static const char pairs[] = "a=1 b=-2.50 c=0.1.0 d=01 e= f=\"x \\\"y\\\" \\x0a\" g=1. h=-";
    struct line l;
    line_begin(&l, LINE_JSON);
    line_pairs(&l, pairs);
    assert_string_equal(rest(&l), "\",\"a\":1,\"b\":-2.50,\"c\":\"0.1.0\",\"d\":\"01\",\"e\":\"\","
                                  "\"f\":\"x \\\"y\\\" \\u000a\",\"g\":\"1.\",\"h\":\"-\"}");
    line_begin(&l, LINE_LOGFMT);
    line_pairs(&l, pairs);
    assert_string_equal(rest(&l) + 1, pairs);
}

static void a_line_is_no_longer_than_it_may_be(void **state) {
    (void)state;
    static char text[2 * LINE_MOST], pairs[2 * LINE_MOST];
    struct line l;
    for (int format = LINE_LOGFMT; format <= LINE_JSON; format++)
        for (const char *c = "x\"\n"; *c; c++)
            for (size_t begin = 0; begin < 16; begin++) {
                memset(text, *c, sizeof text - 1);
                memset(pairs, 'x', sizeof pairs - 1);
                memcpy(pairs, "k=\"", 3);
                line_begin(&l, (enum line_format)format);
                line_text(&l, LINE_KEY("a"), text, LINE_MOST - 80 + begin);
                for (int i = 0; i < 20; i++)
                    line_text(&l, LINE_KEY("text"), text, i < 10 ? 1 : 4000);
                line_word(&l, LINE_KEY("word"), "word");
                line_int(&l, LINE_KEY("int"), 5);
                line_pairs(&l, pairs);
                const char *end = rest(&l);
                assert_true(format == LINE_LOGFMT || end[strlen(end) - 1] == '}');
            }
}

static void a_trace_goes_on_under_a_span_of_its_own(void **state) {
    (void)state;
    static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
    struct trace trace;
    char text[TRACE_TEXT];
    assert_true(trace_read(parent, UINT64_C(0xabc), &trace));
    trace_write(&trace, text);
    /* Of the flags one has a meaning. */
    assert_string_equal(text, "00-0af7651916cd43dd8448eb211c80319c-0000000000000abc-01");
    for (size_t i = 0; parent[i]; i++) {
        char broken[sizeof parent];
        memcpy(broken, parent, sizeof parent);
        broken[i] = 'x';
        assert_false(trace_read(broken, 1, &trace));
        broken[i] = '\0';
        assert_false(trace_read(broken, 1, &trace));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_two_forms),
        cmocka_unit_test(pairs_become_members),
        cmocka_unit_test(a_line_is_no_longer_than_it_may_be),
        cmocka_unit_test(a_trace_goes_on_under_a_span_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
