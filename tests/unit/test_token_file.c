/* The file of tokens: what its lines may say, and the sentences about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/token_file.h"

/* SHA-256 of "foo", of "bar", and of nothing (FIPS 180-4's function; any sha256sum says the same). */
#define FOO "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define BAR "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static char path[] = "/tmp/gradd-tokens-XXXXXX", problem[512];
static struct token_file file;

static int make_path(void **state) {
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

static bool read_text(const char *text) {
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    return token_file_read(&file, path, problem, sizeof problem);
}

static void assert_refused(const char *text, const char *sentence) {
    char expected[512];
    assert_false(read_text(text));
    snprintf(expected, sizeof expected, "%s:%s", path, sentence);
    assert_string_equal(problem, expected);
    assert_null(file.tokens);
    assert_null(file.tenants);
}

static const struct token_row *find(const char *token) {
    struct secret_digest d;
    secret_digest(token, strlen(token), &d);
    for (size_t i = 0; i < file.n_tokens; i++)
        if (secret_same(&file.tokens[i].digest, &d)) return &file.tokens[i];
    return NULL;
}

static void a_digest_is_sha256(void **state) {
    (void)state;
    char hex[SECRET_HEX + 1];
    struct secret_digest d;
    secret_digest("", 0, &d);
    secret_write(&d, hex);
    assert_string_equal(hex, NOTHING);
    secret_digest("foo", 3, &d);
    secret_write(&d, hex);
    assert_string_equal(hex, FOO);
}

static void digests_that_differ_in_one_bit_are_not_the_same(void **state) {
    (void)state;
    struct secret_digest a, b;
    secret_digest("foo", 3, &a);
    for (size_t i = 0; i < 8 * SECRET_DIGEST; i++) {
        b = a;
        b.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_false(secret_same(&a, &b));
    }
    b = a;
    assert_true(secret_same(&a, &b));
}

static void new_tokens_differ_and_are_known_by_their_digest(void **state) {
    (void)state;
    char a[SECRET_TOKEN + 1], b[SECRET_TOKEN + 1], hex[SECRET_HEX + 1], line[256];
    struct secret_digest d;
    assert_true(secret_new_token(a) && secret_new_token(b));
    assert_int_equal(strlen(a), SECRET_TOKEN);
    assert_memory_equal(a, "gradd_", 6);
    assert_string_not_equal(a, b);
    secret_digest(a, strlen(a), &d);
    secret_write(&d, hex);
    snprintf(line, sizeof line, "token %s shop read\n", hex);
    assert_true(read_text(line));
    assert_non_null(find(a));
    assert_null(find(b));
    token_file_free(&file);
}

static void lines_are_tokens_tenants_and_comments(void **state) {
    (void)state;
    assert_true(read_text("# all of it\n"
                          "\n"
                          "tenant shop sessions=1000 bytes=2G\trequests=50 # three quotas\r\n"
                          "  token " FOO " shop read,compute\n"
                          "token FCDE2B2EDBA56BF408601FB721FE9B5C338D10EE429EA04FAE5511B68FBF8FB9"
                          " my.own_tenant-2 admin"));
    assert_int_equal(file.n_tokens, 2);
    assert_int_equal(file.n_tenants, 2);
    const struct token_row *foo = find("foo"), *bar = find("bar");
    assert_non_null(foo);
    assert_non_null(bar);
    assert_int_equal(foo->scopes, SCOPE_READ | SCOPE_COMPUTE);
    assert_int_equal(bar->scopes, SCOPE_ADMIN);
    const struct tenant_row *shop = &file.tenants[foo->tenant], *own = &file.tenants[bar->tenant];
    assert_string_equal(shop->name, "shop");
    assert_string_equal(own->name, "my.own_tenant-2");
    assert_int_equal(shop->quotas.sessions, 1000);
    assert_int_equal(shop->quotas.bytes, INT64_C(2) << 30);
    assert_int_equal(shop->quotas.requests, 50);
    assert_int_equal(shop->quotas.functions, QUOTA_NONE);
    assert_int_equal(own->quotas.sessions, QUOTA_NONE);
    token_file_free(&file);
}

static void a_wrong_line_is_named_by_its_number(void **state) {
    (void)state;
    assert_refused("\ntokn " FOO " shop read\n", "2: found \"tokn\", expected token or tenant");
    assert_refused("token 2c26 shop read\n",
                   "1: found \"2c26\", expected the 64 hexadecimal digits of a token's SHA-256");
    assert_refused("token " FOO "\n",
                   "1: found \"\", expected token SHA-256 TENANT SCOPES and nothing else");
    assert_refused("token " FOO " shop read more\n",
                   "1: found \"more\", expected token SHA-256 TENANT SCOPES and nothing else");
    assert_refused("token " FOO " a/b read\n",
                   "1: found \"a/b\", expected a tenant's name of letters, digits, '.', '_' and "
                   "'-', at most 64 of them");
    assert_refused("token " FOO " shop read,write\n",
                   "1: found \"read,write\", expected scopes with commas between them: read, "
                   "compute, sessions, admin");
    assert_refused("token " FOO " shop read,\n",
                   "1: found \"read,\", expected scopes with commas between them: read, compute, "
                   "sessions, admin");
}

static void a_wrong_quota_is_refused(void **state) {
    (void)state;
    assert_refused("tenant shop\n",
                   "1: found \"shop\", expected tenant NAME and quotas such as sessions=100");
    assert_refused(
        "tenant shop tapes=3\n",
        "1: found \"tapes\", expected a quota: sessions=, bytes=, functions=, jobs= or requests=");
    static const char *const numbers[] = {"0", "-1", "1.5", "7T", "9999999999999999", "1Gk", ""};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char line[64], sentence[256];
        snprintf(line, sizeof line, "tenant shop bytes=%s\n", numbers[i]);
        snprintf(sentence, sizeof sentence,
                 "1: found \"%s\", expected a whole number from 1, with k, M or G (2^10, 2^20, "
                 "2^30) behind it or not",
                 numbers[i]);
        assert_refused(line, sentence);
    }
    assert_refused("tenant shop jobs=1 jobs=2\n", "1: found \"jobs\", expected each quota once");
    assert_refused("tenant shop jobs=1\ntoken " FOO " shop read\ntenant shop jobs=1\n",
                   "3: the tenant \"shop\" has its quotas in line 1 already");
}

static void a_token_stands_once(void **state) {
    (void)state;
    assert_refused("token " FOO " shop read\ntoken " BAR " shop read\ntoken " FOO " other read\n",
                   "3: the token stands in line 1 already");
}

static void a_file_without_tokens_is_refused(void **state) {
    (void)state;
    assert_refused("# none\ntenant shop jobs=1\n", " found no token; \"gradd token\" makes one");
    assert_false(token_file_read(&file, "/nowhere/tokens", problem, sizeof problem));
    assert_string_equal(problem,
                        "cannot open the tokens in /nowhere/tokens: No such file or directory");
}

static void bytes_that_are_no_text_are_refused(void **state) {
    (void)state;
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fwrite("token\0 x", 1, 8, out);
    fclose(out);
    assert_false(token_file_read(&file, path, problem, sizeof problem));
    assert_non_null(strstr(problem, ":1: found \"token\", expected a line of text"));
}

static void scopes_are_written_as_they_are_read(void **state) {
    (void)state;
    char text[SCOPES_TEXT];
    for (unsigned scopes = 1; scopes < 1U << SCOPE_COUNT; scopes++) {
        unsigned again;
        assert_true(scopes_parse(scopes_write(scopes, text), &again));
        assert_int_equal(again, scopes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digest_is_sha256),
        cmocka_unit_test(digests_that_differ_in_one_bit_are_not_the_same),
        cmocka_unit_test(new_tokens_differ_and_are_known_by_their_digest),
        cmocka_unit_test(lines_are_tokens_tenants_and_comments),
        cmocka_unit_test(a_wrong_line_is_named_by_its_number),
        cmocka_unit_test(a_wrong_quota_is_refused),
        cmocka_unit_test(a_token_stands_once),
        cmocka_unit_test(a_file_without_tokens_is_refused),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(scopes_are_written_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
