/* Hosts and origins: what a browser on this machine may be made to send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/web.h"

static const char *const hosts[] = {"gradd.example"},
                         *const origins[] = {"https://app.example", "http://localhost:3000"},
                         *const any[] = {"*"};
static const struct web web = {
    .guards_host = true, .hosts = hosts, .n_hosts = 1, .origins = origins, .n_origins = 2};

static void the_names_of_loopback_are_known(void **state) {
    (void)state;
    static const char *const good[] = {
        "localhost", "LOCALHOST:8080", "127.0.0.1",  "127.0.0.1:80",  "127.255.3.4:65535",
        "[::1]",     "[::1]:8080",     "[0:0::1]:1", "gradd.example", "Gradd.Example:443"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!web_knows_host(&web, good[i])) fail_msg("%s is not known", good[i]);
}

static void other_names_are_not(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      ":8080",
                                      "evil.example",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "128.0.0.1",
                                      "0.0.0.0:8080",
                                      "127.1",
                                      "[::2]:8080",
                                      "[::1",
                                      "[::1]x",
                                      "[]",
                                      "::1",
                                      "localhost:",
                                      "localhost:80x",
                                      "localhost:8080:1",
                                      "localhost:123456",
                                      "gradd.example.evil",
                                      "x.gradd.example",
                                      "localhost@evil.example",
                                      "evil.example@localhost"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (web_knows_host(&web, bad[i])) fail_msg("%s is known", bad[i]);
}

static void an_origin_is_allowed_by_its_very_text(void **state) {
    (void)state;
    assert_string_equal(web_allow_origin(&web, "https://app.example"), "https://app.example");
    assert_string_equal(web_allow_origin(&web, "http://localhost:3000"), "http://localhost:3000");
    assert_null(web_allow_origin(&web, "http://app.example"));
    assert_null(web_allow_origin(&web, "https://app.example:8443"));
    assert_null(web_allow_origin(&web, "https://app.example.evil"));
    assert_null(web_allow_origin(&web, "null"));
    assert_null(web_allow_origin(&web, "*"));
}

static void a_star_allows_all_and_says_so(void **state) {
    (void)state;
    const struct web all = {.origins = any, .n_origins = 1};
    assert_string_equal(web_allow_origin(&all, "https://evil.example"), "*");
    assert_string_equal(web_allow_origin(&all, "null"), "*");
}

static void the_origin_of_the_servers_own_pages_is_its_host(void **state) {
    (void)state;
    static const struct {
        const char *origin, *host;
        bool own, with_token;
    } rows[] = {{"http://127.0.0.1:8080", "127.0.0.1:8080", true, true},
                {"http://localhost:8080", "localhost:8080", true, true},
                {"http://[::1]:8080", "[::1]:8080", true, true},
                {"https://gradd.example", "Gradd.Example", true, true},
                {"http://192.168.0.7:8080", "192.168.0.7:8080", true, true},
                {"http://[fd00::7]:8080", "[fd00::7]:8080", true, true},
                /* A name that anybody may have made to point here. */
                {"http://evil.example:8080", "evil.example:8080", false, true},
                {"http://127.0.0.1.evil.example", "127.0.0.1.evil.example", false, true},
                /* Pages of another server on the same machine. */
                {"http://127.0.0.1:3000", "127.0.0.1:8080", false, false},
                {"http://localhost:8080", "127.0.0.1:8080", false, false},
                {"http://127.0.0.1", "127.0.0.1:8080", false, false},
                {"http://127.0.0.1:80801", "127.0.0.1:8080", false, false},
                {"moz-extension://127.0.0.1:8080", "127.0.0.1:8080", false, false},
                {"127.0.0.1:8080", "127.0.0.1:8080", false, false},
                {"http://", "", false, false},
                {"null", "null", false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (web_is_own_origin(&web, rows[i].origin, rows[i].host, false) != rows[i].own)
            fail_msg("%s at %s", rows[i].origin, rows[i].host);
        if (web_is_own_origin(&web, rows[i].origin, rows[i].host, true) != rows[i].with_token)
            fail_msg("%s at %s with a token", rows[i].origin, rows[i].host);
    }
}

static void an_origin_that_no_browser_writes_is_no_option(void **state) {
    (void)state;
    static const char *const good[] = {"*", "https://app.example", "http://127.0.0.1:3000",
                                       "http://[::1]:80", "moz-extension://0a1b"},
                             *const bad[] = {"",
                                             "app.example",
                                             "https://",
                                             "https://app.example/",
                                             "https://App.example",
                                             "https://app.example:",
                                             "https://*.app.example",
                                             "**",
                                             "null",
                                             "https://a,https://b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!web_origin_is_good(good[i])) fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (web_origin_is_good(bad[i])) fail_msg("%s is taken", bad[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_names_of_loopback_are_known),
        cmocka_unit_test(other_names_are_not),
        cmocka_unit_test(an_origin_is_allowed_by_its_very_text),
        cmocka_unit_test(a_star_allows_all_and_says_so),
        cmocka_unit_test(the_origin_of_the_servers_own_pages_is_its_host),
        cmocka_unit_test(an_origin_that_no_browser_writes_is_no_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
