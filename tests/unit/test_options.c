/* Options: what the command line and the environment may say, and the sentences about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "option_reader.h"

static void assert_listens(const char *text, const char *url) {
    char found[LISTEN_URL];
    assert_int_equal(read_line("--listen", text, NULL), OPTIONS_RUN);
    assert_string_equal(listen_url(&options.listen.at[0], found), url);
}

static void nothing_said_gives_the_presets(void **state) {
    (void)state;
    char url[LISTEN_URL];
    assert_int_equal(read_line(NULL, NULL, NULL), OPTIONS_RUN);
    assert_string_equal(listen_url(&options.listen.at[0], url), "http://127.0.0.1:8080");
    assert_int_equal(options.threads, 0);
    assert_int_equal(options.workers, 0);
    assert_int_equal(options.limits.max_body_bytes, 64 << 20);
    assert_int_equal(options.log_level, LOG_INFO);
    assert_true(options.sandbox);
    assert_null(options.user);
}

static void the_sandbox_is_on_or_off(void **state) {
    (void)state;
    assert_int_equal(read_line("--sandbox", "off", NULL), OPTIONS_RUN);
    assert_false(options.sandbox);
    assert_int_equal(read_line("--sandbox=on", "--user=nobody", NULL), OPTIONS_RUN);
    assert_true(options.sandbox);
    assert_string_equal(options.user, "nobody");
    assert_refused("--sandbox", "no", "--sandbox: found \"no\", expected on or off");
}

static void a_value_stands_behind_the_option_or_behind_an_equals_sign(void **state) {
    (void)state;
    assert_int_equal(read_line("--threads", "3", "--workers=5"), OPTIONS_RUN);
    assert_int_equal(options.threads, 3);
    assert_int_equal(options.workers, 5);
}

static void the_last_of_two_counts(void **state) {
    (void)state;
    assert_int_equal(read_line("--threads=3", "--threads=4", NULL), OPTIONS_RUN);
    assert_int_equal(options.threads, 4);
}

static void the_command_line_wins_over_the_environment(void **state) {
    (void)state;
    variable_name = "GRADD_THREADS";
    variable_value = "7";
    assert_int_equal(read_line(NULL, NULL, NULL), OPTIONS_RUN);
    assert_int_equal(options.threads, 7);
    assert_int_equal(read_line("--threads=3", NULL, NULL), OPTIONS_RUN);
    assert_int_equal(options.threads, 3);
}

static void an_empty_variable_is_as_good_as_none(void **state) {
    (void)state;
    variable_name = "GRADD_LISTEN";
    variable_value = "";
    assert_int_equal(read_line(NULL, NULL, NULL), OPTIONS_RUN);
}

static void a_bad_variable_is_named(void **state) {
    (void)state;
    variable_name = "GRADD_WORKERS";
    variable_value = "-1";
    assert_refused(NULL, NULL,
                   "GRADD_WORKERS: found \"-1\", expected a whole number from 1 to 256");
}

static void addresses_are_ipv4_ipv6_or_localhost(void **state) {
    (void)state;
    assert_listens("127.9.8.7:0", "http://127.9.8.7:0");
    assert_listens("[::1]:65535", "http://[::1]:65535");
    assert_listens("localhost:81", "http://127.0.0.1:81");
}

static void other_addresses_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "8080",           ":8080",        "127.0.0.1",        "127.0.0.1:", "127.0.0.1:65536",
        "127.0.0.1:80x",  "127.0.0.1:-1", "::1:8080",         "[::1]",      "[]:1",
        "example.com:80", "1.2.3:80",     "127.0.0.1:000080", "[:1",        "[::1]:80]:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(read_line("--listen", wrong[i], NULL), OPTIONS_BAD);
        assert_non_null(strstr(problem, "expected an address and a port"));
        assert_non_null(strstr(problem, wrong[i]));
    }
}

static void what_others_reach_is_to_be_meant(void **state) {
    (void)state;
    static const char *const open[] = {"0.0.0.0:80", "192.0.2.1:80", "[::]:80", "[::2]:80"};
    char sentence[256], url[LISTEN_URL];
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_int_equal(read_line("--insecure", "--listen", open[i]), OPTIONS_RUN);
        assert_true(options.insecure);
        snprintf(sentence, sizeof sentence,
                 "%s can be reached from other machines, and without --tokens whoever reaches it "
                 "may use it; --insecure says that this is meant",
                 listen_url(&options.listen.at[0], url));
        assert_refused("--listen", open[i], sentence);
    }
    variable_name = "GRADD_INSECURE";
    variable_value = "1";
    assert_int_equal(read_line("--listen", "0.0.0.0:80", NULL), OPTIONS_RUN);
    variable_value = "yes";
    assert_refused(NULL, NULL, "GRADD_INSECURE: found \"yes\", expected 1 or 0");
}

static void lists_have_commas(void **state) {
    (void)state;
    assert_int_equal(
        read_line("--cors-origin", "https://a.example,http://b:1", "--allowed-host=a.example"),
        OPTIONS_RUN);
    assert_int_equal(options.cors_origin.n, 2);
    assert_string_equal(options.cors_origin.items[0], "https://a.example");
    assert_string_equal(options.cors_origin.items[1], "http://b:1");
    assert_int_equal(options.allowed_host.n, 1);
    assert_string_equal(options.allowed_host.items[0], "a.example");
    static const char *const wrong[] = {
        "", ",", "a.example,", "a.example:80", "http://a.example", "a b", "*"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(read_line("--allowed-host", wrong[i], NULL), OPTIONS_BAD);
        assert_non_null(strstr(problem, "names such as gradd.example without ports"));
    }
    assert_int_equal(read_line("--cors-origin", "https://a.example/", NULL), OPTIONS_BAD);
    assert_non_null(strstr(problem, "origins such as https://app.example"));
}

static void sizes_have_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } right[] = {{"1", 1},        {"65536", 65536}, {"3k", 3 << 10},
                 {"3K", 3 << 10}, {"5M", 5 << 20},  {"1024G", INT64_C(1) << 40}};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        assert_int_equal(read_line("--max-body", right[i].text, NULL), OPTIONS_RUN);
        assert_int_equal(options.limits.max_body_bytes, right[i].bytes);
    }
    static const char *const wrong[] = {"0",
                                        "",
                                        "-1",
                                        "1.5M",
                                        "M",
                                        "1T",
                                        "1MB",
                                        "1025G",
                                        " 1",
                                        "99999999999999999999",
                                        "999999999999999G"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_line("--max-body", wrong[i], NULL), OPTIONS_BAD);
}

static void a_bad_value_is_told_with_what_is_accepted(void **state) {
    (void)state;
    assert_refused("--threads", "0",
                   "--threads: found \"0\", expected a whole number from 1 to 256");
    assert_refused("--threads", "257",
                   "--threads: found \"257\", expected a whole number from 1 to 256");
    assert_refused("--workers", "+3",
                   "--workers: found \"+3\", expected a whole number from 1 to 256");
    assert_refused("--log-level=loud", NULL,
                   "--log-level: found \"loud\", expected error, warn, info or debug");
    assert_refused("--max-body", "x",
                   "--max-body: found \"x\", expected a number of bytes from 1 to 1024G, such as "
                   "65536, 512k or 64M");
}

static void an_option_without_its_value_is_told(void **state) {
    (void)state;
    assert_refused("--listen", NULL, "--listen: found nothing behind it, expected ADDRESS,...");
}

static void an_unknown_option_is_told_with_the_nearest(void **state) {
    (void)state;
    assert_refused("--thread=3", NULL,
                   "unknown option \"--thread=3\"; did you mean \"--threads\"?");
    assert_refused("--port", "80", "unknown option \"--port\"; --help lists the options");
    assert_refused("-p", "80", "unknown option \"-p\"; --help lists the options");
    assert_refused("serve", NULL,
                   "no command \"serve\"; gradd alone serves, --help lists the commands");
    assert_refused("helth", NULL, "no command \"helth\"; did you mean \"health\"?");
}

/* ---- limits ---- */

static void every_limit_but_the_rank_is_an_option(void **state) {
    (void)state;
#define SAYS(name, preset, least, most, text)                                                      \
    {#name, offsetof(struct service_limits, name), least, most},
    static const struct {
        const char *name;
        size_t at;
        int64_t least, most;
    } limits[] = {SERVICE_LIMITS(SAYS)};
#undef SAYS
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char argument[96], *at = argument;
        const char *name = limits[i].name;
        if (strcmp(name, "max_body_bytes") == 0) name = "max_body";
        if (strcmp(name, "max_memory_bytes") == 0) name = "max_memory";
        if (strcmp(name, "grace_seconds") == 0) name = "grace";
        at += sprintf(at, "--%s", name);
        for (char *c = argument; *c; c++)
            if (*c == '_') *c = '-';
        const int64_t said[] = {limits[i].least, limits[i].most, limits[i].least - 1,
                                limits[i].most + 1};
        for (int k = 0; k < 4; k++) {
            sprintf(at, "=%lld", (long long)said[k]);
            const bool is_fixed = limits[i].least == limits[i].most;
            const enum options_outcome wanted = k < 2 && !is_fixed ? OPTIONS_RUN : OPTIONS_BAD;
            if (read_line(argument, NULL, NULL) != wanted) fail_msg("%s: %s", argument, problem);
            const int64_t found = *(int64_t *)(void *)((char *)&options.limits + limits[i].at);
            if (wanted == OPTIONS_RUN) assert_int_equal(found, said[k]);
        }
    }
}

static void a_limit_out_of_its_range_is_told(void **state) {
    (void)state;
    assert_refused("--max-json-depth=129", NULL,
                   "--max-json-depth: found \"129\", expected a whole number from 1 to 128");
    assert_refused("--grace=-1", NULL,
                   "--grace: found \"-1\", expected a whole number of seconds from 0 to 86400");
    assert_refused("--max-answer-bytes=1T", NULL,
                   "--max-answer-bytes: found \"1T\", expected a number of bytes from 1 to 1024G, "
                   "such as 65536, 512k or 64M");
}

static void limits_that_contradict_each_other_are_told(void **state) {
    (void)state;
    const int64_t memory = INT64_C(4) << 30;
    assert_int_equal(read_line(NULL, NULL, NULL), OPTIONS_RUN);
    /* Presets give way. */
    assert_true(options_check_limits(&options, 1 << 20, problem, sizeof problem));
    assert_int_equal(read_line("--max-seconds=100", "--max-connections=50", NULL), OPTIONS_RUN);
    assert_true(options_check_limits(&options, memory, problem, sizeof problem));
    assert_int_equal(read_line("--max-seconds=100", "--max-job-seconds=100", NULL), OPTIONS_RUN);
    assert_true(options_check_limits(&options, memory, problem, sizeof problem));
    assert_int_equal(read_line("--max-seconds=100", "--max-job-seconds=99", NULL), OPTIONS_RUN);
    assert_false(options_check_limits(&options, memory, problem, sizeof problem));
    assert_string_equal(problem,
                        "--max-seconds: 100 is more than --max-job-seconds has, which is 99");
    assert_int_equal(read_line("--max-session-bytes=4G", NULL, NULL), OPTIONS_RUN);
    assert_true(options_check_limits(&options, memory, problem, sizeof problem));
    assert_int_equal(read_line("--max-session-bytes=5G", NULL, NULL), OPTIONS_RUN);
    assert_false(options_check_limits(&options, memory, problem, sizeof problem));
    assert_string_equal(
        problem, "--max-session-bytes: 5G is more than the 4G bytes of memory that there are");
    assert_int_equal(read_line("--max-memory=1G", "--max-request-bytes=2G", NULL), OPTIONS_RUN);
    assert_false(options_check_limits(&options, memory, problem, sizeof problem));
    assert_string_equal(
        problem, "--max-request-bytes: 2G is more than the 1G bytes of memory that there are");
    variable_name = "GRADD_MAX_BODY";
    variable_value = "5G";
    assert_int_equal(read_line(NULL, NULL, NULL), OPTIONS_RUN);
    assert_false(options_check_limits(&options, memory, problem, sizeof problem));
    assert_string_equal(problem,
                        "GRADD_MAX_BODY: 5G is more than the 4G bytes of memory that there are");
}

static void help_and_version_are_found_among_others(void **state) {
    (void)state;
    assert_int_equal(read_line("--threads", "2", "--help"), OPTIONS_HELP);
    assert_int_equal(read_line("-h", NULL, NULL), OPTIONS_HELP);
    assert_int_equal(read_line("--version", NULL, NULL), OPTIONS_VERSION);
    assert_int_equal(read_line("--check-config", "--help", NULL), OPTIONS_HELP);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, begin_options)
    const struct CMUnitTest tests[] = {
        TEST(nothing_said_gives_the_presets),
        TEST(the_sandbox_is_on_or_off),
        TEST(a_value_stands_behind_the_option_or_behind_an_equals_sign),
        TEST(the_last_of_two_counts),
        TEST(the_command_line_wins_over_the_environment),
        TEST(an_empty_variable_is_as_good_as_none),
        TEST(a_bad_variable_is_named),
        TEST(addresses_are_ipv4_ipv6_or_localhost),
        TEST(other_addresses_are_refused),
        TEST(what_others_reach_is_to_be_meant),
        TEST(lists_have_commas),
        TEST(sizes_have_units),
        TEST(a_bad_value_is_told_with_what_is_accepted),
        TEST(an_option_without_its_value_is_told),
        TEST(an_unknown_option_is_told_with_the_nearest),
        TEST(every_limit_but_the_rank_is_an_option),
        TEST(a_limit_out_of_its_range_is_told),
        TEST(limits_that_contradict_each_other_are_told),
        TEST(help_and_version_are_found_among_others),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
