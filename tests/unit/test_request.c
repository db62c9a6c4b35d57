/* What the server reads out of a request: media types, entity tags, escapes, routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/etag.h"
#include "server/body.h"
#include "server/negotiate.h"
#include "server/query.h"
#include "server/quote.h"
#include "server/route.h"

static bool accepts(const char *accept) { return negotiate_accepts(accept, "application/json"); }

static void accept_allows_what_its_most_specific_range_allows(void **state) {
    (void)state;
    static const char *const right[] = {"*/*",
                                        "",
                                        " ",
                                        "application/json",
                                        "APPLICATION/JSON",
                                        "application/*",
                                        "text/html, application/json;q=0.1",
                                        "text/html,*/*;q=0.001",
                                        "application/json; charset=utf-8",
                                        "*/*;q=0, application/*",
                                        "application/*;q=0, application/json;q=0.5",
                                        "application/json;q=0, application/json",
                                        "application/json;q=x",
                                        "application/json ;q=1",
                                        ",,application/json"};
    static const char *const wrong[] = {"text/html",
                                        "text/*",
                                        "application/xml",
                                        "application/json;q=0",
                                        "application/json;q=0.000",
                                        "application/json;v=1;q=0",
                                        "*/json",
                                        "application/json; q=0, */*",
                                        "application/*;q=0, */*",
                                        "*/*;q=0",
                                        "application",
                                        "application/jsonp",
                                        "text/html;q=1"};
    assert_true(accepts(NULL));
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (!accepts(right[i])) fail_msg("refused: %s", right[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (accepts(wrong[i])) fail_msg("allowed: %s", wrong[i]);
    assert_true(negotiate_accepts("text/plain", "text/plain; charset=utf-8"));
    assert_true(negotiate_accepts("text/*", "text/plain; charset=utf-8"));
}

static void json_has_several_names_and_forms_are_json(void **state) {
    (void)state;
    static const char *const right[] = {"application/json",
                                        "application/json; charset=utf-8",
                                        "Application/Json",
                                        "application/problem+json",
                                        "application/x-www-form-urlencoded",
                                        "application/json ;x",
                                        "",
                                        " application/json"};
    static const char *const wrong[] = {"text/json",
                                        "application/xml",
                                        "application/+json",
                                        "application/jsonx",
                                        "json",
                                        "multipart/form-data; boundary=x",
                                        "application/json, text/html"};
    assert_true(negotiate_is_json(NULL));
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (!negotiate_is_json(right[i])) fail_msg("refused: %s", right[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (negotiate_is_json(wrong[i])) fail_msg("allowed: %s", wrong[i]);
}

static void an_entity_tag_is_found_in_a_list(void **state) {
    (void)state;
    assert_true(etag_among("\"a\"", "\"a\"", true));
    assert_true(etag_among("*", "\"a\"", true));
    assert_true(etag_among("\"b\" , W/\"a\"", "\"a\"", true));
    assert_true(etag_among("\"x,y\",\"a\"", "\"a\"", true));
    assert_false(etag_among(NULL, "\"a\"", true));
    assert_false(etag_among("\"b\"", "\"a\"", true));
    assert_false(etag_among("a", "\"a\"", true));
    assert_false(etag_among("\"a", "\"a\"", true));
    assert_false(etag_among("", "\"a\"", true));
    /* Strictly, a weak one is not the same. */
    assert_false(etag_among("\"b\", W/\"a\"", "\"a\"", false));
    assert_true(etag_among("W/\"b\", \"a\"", "\"a\"", false));
}

static void assert_decodes(const char *text, const char *wanted) {
    char copy[64];
    struct error error;
    error_clear(&error);
    strcpy(copy, text);
    assert_true(query_decode(copy, "query", &error));
    assert_string_equal(copy, wanted);
}

static void assert_no_query(const char *text, const char *sentence) {
    char copy[64];
    struct error error;
    error_clear(&error);
    strcpy(copy, text);
    assert_false(query_decode(copy, "query", &error));
    assert_int_equal(error.code, ERROR_INVALID_REQUEST);
    assert_string_equal(error.detail, sentence);
}

static void escapes_are_decoded_strictly(void **state) {
    (void)state;
    assert_decodes("", "");
    assert_decodes("x1%2B5", "x1+5");
    assert_decodes("%c3%A9%25", "\xc3\xa9%");
    assert_no_query("a%zz", "the query has \"%zz\", expected two hexadecimal digits behind the %");
    assert_no_query("a%4", "the query has \"%4\", expected two hexadecimal digits behind the %");
    assert_no_query("%", "the query has \"%\", expected two hexadecimal digits behind the %");
    assert_no_query("a%00b", "the query has a NUL character, which no text may have");
}

static void what_is_quoted_is_printable_and_fits(void **state) {
    (void)state;
    char out[32];
    assert_string_equal(quote_text(out, sizeof out, "a\"\\b"), "\"a\\\"\\\\b\"");
    assert_string_equal(quote_text(out, sizeof out, "\n\xff"), "\"\\x0a\\xff\"");
    for (size_t size = 8; size < sizeof out; size++)
        assert_in_range(strlen(quote_text(out, size, "\1\1\1\1\1\1\1\1\1\1\1")), 2, size - 1);
}

static const struct route *find(const char *path, unsigned method) {
    struct route_places places;
    return route_find(path, method, &places);
}

static void a_path_is_found_byte_for_byte(void **state) {
    (void)state;
    assert_string_equal(find("/v1/gradient", METHOD_GET)->path, "/v1/gradient");
    static const char *const wrong[] = {"/v1/gradient/",
                                        "//v1/gradient",
                                        "/v1/./gradient",
                                        "/v1/Gradient",
                                        "/v1/gradien%74",
                                        "",
                                        "*",
                                        "v1/gradient",
                                        "/v1/sessions/",
                                        "/v1/sessions//variables",
                                        "/v1/sessions/a/variables/",
                                        "/v1/sessions/a/variables/b/assign/c/d/e/f/g"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (find(wrong[i], METHOD_GET)) fail_msg("found: %s", wrong[i]);
}

static void places_are_found_as_they_were_sent(void **state) {
    (void)state;
    struct route_places p;
    const struct route *r = route_find("/v1/sessions/s%201/variables/x/assign", METHOD_POST, &p);
    assert_string_equal(r->path, "/v1/sessions/{session}/variables/{name}/assign");
    assert_int_equal(p.n, 2);
    assert_int_equal(p.place[0].length, 5);
    assert_memory_equal(p.place[0].at, "s%201", 5);
    assert_int_equal(p.place[1].length, 1);
    assert_memory_equal(p.place[1].at, "x", 1);
    route_find("/v1/sessions", METHOD_POST, &p);
    assert_int_equal(p.n, 0);
}

static void the_row_that_takes_the_method_is_found(void **state) {
    (void)state;
    const struct route *get = find("/v1/sessions/a", METHOD_HEAD);
    const struct route *put = find("/v1/sessions/a", METHOD_PUT);
    assert_true(get->methods & METHOD_GET);
    assert_true(put->methods & METHOD_PUT);
    assert_string_equal(get->path, put->path);
    assert_string_equal(find("/v1/sessions/import", METHOD_POST)->path, "/v1/sessions/import");
    assert_false(route_takes(find("/v1/sessions/a", METHOD_POST), METHOD_POST));
    assert_true(route_takes(find("/v1/sessions/a", METHOD_OPTIONS), METHOD_OPTIONS));
}

static void the_nearest_path_has_the_places_of_the_one_that_was_sent(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"/v1/gradent", "/v1/gradient"},
        {"/v1/session", "/v1/sessions"},
        {"/v1/sessions/0123456789abcdef0123456789abcdef/variable",
         "/v1/sessions/0123456789abcdef0123456789abcdef/variables"},
        {"/v1/sessions/s/variables/x/asign", "/v1/sessions/s/variables/x/assign"},
        {"/v1/functions/f/gradiant", "/v1/functions/f/gradient"}};
    char near[128];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(route_nearest(rows[i][0], near, sizeof near), rows[i][1]);
    assert_null(route_nearest("/favicon.ico", near, sizeof near));
    assert_null(route_nearest("/1/2/3/4/5/6/7/8/9/10", near, sizeof near));
}

static void every_route_says_what_it_takes(void **state) {
    (void)state;
    char allow[ROUTE_ALLOW];
    assert_string_equal(route_allow(find("/v1/gradient", METHOD_GET), allow),
                        "GET, HEAD, POST, OPTIONS");
    assert_string_equal(route_allow(find("/v1/ops", METHOD_GET), allow), "GET, HEAD, OPTIONS");
    assert_string_equal(route_allow(find("/v1/sessions/a", METHOD_GET), allow),
                        "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
    assert_int_equal(route_method("POST"), METHOD_POST);
    assert_int_equal(route_method("post"), 0);
    for (size_t i = 0; i < route_count; i++)
        assert_ptr_equal(find(route_table[i].path, route_table[i].methods), &route_table[i]);
}

static int start(void **state) {
    (void)state;
    route_init();
    return 0;
}

/* Appends `pieces` pieces of 100 bytes each. */
static bool fill(struct body *b, int pieces, int64_t total, int64_t ceiling, struct error *error) {
    char piece[100];
    memset(piece, 'x', sizeof piece);
    error_clear(error);
    for (int i = 0; i < pieces; i++)
        if (!body_append(b, piece, sizeof piece, total, ceiling, error)) return false;
    return true;
}

static void a_body_grows_to_its_length_and_no_further(void **state) {
    (void)state;
    struct body b;
    struct error error;
    body_init(&b);
    assert_true(fill(&b, 10, -1, 1 << 20, &error));
    assert_ptr_equal(b.data, b.near);
    assert_int_equal(body_held(), 0);
    assert_true(fill(&b, 90, 10000, 1 << 20, &error));
    assert_int_equal(b.length, 10000);
    assert_int_equal(b.capacity, 10000);
    assert_int_equal(body_held(), 10000);
    for (size_t i = 0; i < b.length; i++) assert_int_equal(b.data[i], 'x');
    body_free(&b);
    assert_int_equal(body_held(), 0);
}

static void a_body_keeps_to_its_ceiling_and_to_the_budget_of_all(void **state) {
    (void)state;
    struct body b, other;
    struct error error;
    body_init(&b);
    body_init(&other);
    assert_true(fill(&b, 20, -1, 2000, &error));
    assert_false(fill(&b, 1, -1, 2000, &error));
    assert_int_equal(error.code, ERROR_BODY_TOO_LARGE);
    assert_string_equal(error.detail, "the body has more than 2000 bytes (max_body_bytes)");
    body_set_budget(10000);
    assert_false(fill(&other, 100, 10000, 1 << 20, &error));
    assert_int_equal(error.code, ERROR_MEMORY_BUDGET);
    body_free(&b);
    body_free(&other);
    assert_int_equal(body_held(), 0);
    body_set_budget(INT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_allows_what_its_most_specific_range_allows),
        cmocka_unit_test(json_has_several_names_and_forms_are_json),
        cmocka_unit_test(an_entity_tag_is_found_in_a_list),
        cmocka_unit_test(escapes_are_decoded_strictly),
        cmocka_unit_test(what_is_quoted_is_printable_and_fits),
        cmocka_unit_test(a_path_is_found_byte_for_byte),
        cmocka_unit_test(places_are_found_as_they_were_sent),
        cmocka_unit_test(the_row_that_takes_the_method_is_found),
        cmocka_unit_test(the_nearest_path_has_the_places_of_the_one_that_was_sent),
        cmocka_unit_test(every_route_says_what_it_takes),
        cmocka_unit_test(a_body_grows_to_its_length_and_no_further),
        cmocka_unit_test(a_body_keeps_to_its_ceiling_and_to_the_budget_of_all),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
