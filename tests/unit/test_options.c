/* Options: what the command line and the environment may say, and the sentences about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/options.h"

enum { ARGUMENTS = 8 };

static struct options options;
static char problem[512];
static const char *variable_name, *variable_value; /* the environment: this one alone */

static char *variable(const char *name) {
    bool it = variable_name && strcmp(name, variable_name) == 0;
    return it ? (char *)(uintptr_t)variable_value : NULL;
}

/* Reads a command line of up to three arguments. */
static enum options_outcome read_line(const char *a, const char *b, const char *c) {
    const char *argv[ARGUMENTS] = {"gradd", a, b, c, NULL};
    int argc = 1;
    while (argv[argc]) argc++;
    problem[0] = '\0';
    return options_read(&options, argc, (char *const *)(uintptr_t)argv, variable, problem,
                        sizeof problem);
}

static int begin(void **state) {
    (void)state;
    variable_name = variable_value = NULL;
    return 0;
}

static void assert_refused(const char *a, const char *b, const char *sentence) {
    assert_int_equal(read_line(a, b, NULL), OPTIONS_BAD);
    assert_string_equal(problem, sentence);
}

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
    assert_refused("serve", NULL, "unknown option \"serve\"; --help lists the options");
}

/* ---- the file ---- */

static char config[64];

static int begin_config(void **state) {
    strcpy(config, "/tmp/gradd_options_XXXXXX");
    int fd = mkstemp(config);
    return fd < 0 || close(fd) != 0 ? -1 : begin(state);
}

static int end_config(void **state) {
    (void)state;
    return unlink(config);
}

static void write_config(const char *text) {
    FILE *f = fopen(config, "w");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) < 0, 0);
    assert_int_equal(fclose(f), 0);
}

static enum options_outcome read_config(const char *text, const char *b, const char *c) {
    static char argument[80]; /* it must outlive the options */
    write_config(text);
    snprintf(argument, sizeof argument, "--config=%s", config);
    return read_line(argument, b, c);
}

static void a_file_has_the_names_of_the_options(void **state) {
    (void)state;
    assert_int_equal(read_config("# a comment\n\n  max-body = 3k  # and one more\r\n"
                                 "threads=5\ninsecure = 1\nlog-level = \"warn\"\n"
                                 "max-nodes = 77\nmax-operation-bytes = 5M",
                                 NULL, NULL),
                     OPTIONS_RUN);
    assert_int_equal(options.limits.max_body_bytes, 3 << 10);
    assert_int_equal(options.threads, 5);
    assert_true(options.insecure);
    assert_int_equal(options.log_level, LOG_WARN);
    assert_int_equal(options.limits.max_nodes, 77);
    assert_int_equal(options.limits.max_operation_bytes, 5 << 20);
}

static void a_file_comes_behind_the_environment_and_that_behind_the_line(void **state) {
    (void)state;
    variable_name = "GRADD_WORKERS";
    variable_value = "2";
    assert_int_equal(read_config("threads = 1\nworkers = 1\nmax-tapes = 1\n", "--threads=3", NULL),
                     OPTIONS_RUN);
    assert_int_equal(options.threads, 3);
    assert_int_equal(options.workers, 2);
    assert_int_equal(options.limits.max_tapes, 1);
    write_config("threads = 6\n");
    variable_name = "GRADD_CONFIG";
    variable_value = config;
    assert_int_equal(read_line(NULL, NULL, NULL), OPTIONS_RUN);
    assert_int_equal(options.threads, 6);
}

static void lists_are_added_up_where_one_says_them_again(void **state) {
    (void)state;
    assert_int_equal(read_config("allowed-host = a\nallowed-host = b\ncors-origin = http://a\n",
                                 "--cors-origin=http://b", "--cors-origin=http://c,http://d"),
                     OPTIONS_RUN);
    assert_int_equal(options.allowed_host.n, 2);
    assert_string_equal(options.allowed_host.items[0], "a");
    assert_string_equal(options.allowed_host.items[1], "b");
    assert_int_equal(options.cors_origin.n, 3);
    assert_string_equal(options.cors_origin.items[0], "http://b");
    assert_string_equal(options.cors_origin.items[2], "http://d");
    assert_int_equal(read_line("--listen=127.0.0.1:1", "--listen", "127.0.0.1:2"), OPTIONS_RUN);
    assert_int_equal(options.listen.n, 2);
}

static void a_bad_line_of_a_file_is_told_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence;
    } wrong[] = {
        {"\nmax-bdy = 1\n", ":2: unknown option \"max-bdy\"; did you mean \"max-body\"?"},
        {"port = 80", ":1: unknown option \"port\"; --help lists the options"},
        {"max_body = 1k", ":1: unknown option \"max_body\"; did you mean \"max-body\"?"},
        {"--threads = 1", ":1: unknown option \"--threads\"; did you mean \"threads\"?"},
        {"max-rank = 8", ":1: unknown option \"max-rank\"; did you mean \"max-work\"?"},
        {"check-config = 1", ":1: unknown option \"check-config\"; --help lists the options"},
        {"threads = 1\n\nthreads = 2", ":3: threads: line 1 says it already"},
        {"threads = x", ":1: threads: found \"x\", expected a whole number from 1 to 256"},
        {"threads = # none", ":1: threads: found nothing behind it, expected N"},
        {"insecure =", ":1: insecure: found nothing behind it, expected 1 or 0"},
        {"config = x", ":1: the file cannot name another one"},
        {"threads", ":1: found \"threads\", expected a line such as max-body = 64M"},
        {"[limits]", ":1: found \"[limits]\", expected a line such as max-body = 64M"},
        {" = 1", ":1: found \"= 1\", expected a line such as max-body = 64M"},
        {"listen = \"a", ":1: found \"listen = \"a\", expected a line such as max-body = 64M"},
        {"listen = \"a\" b",
         ":1: found \"listen = \"a\" b\", expected a line such as max-body = 64M"},
        {"listen = 127.0.0.1:1\nlisten = x", ":1: listen: found \"127.0.0.1:1,x\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(read_config(wrong[i].text, NULL, NULL), OPTIONS_BAD);
        assert_int_equal(strncmp(problem, config, strlen(config)), 0);
        const char *found = problem + strlen(config);
        if (strncmp(found, wrong[i].sentence, strlen(wrong[i].sentence)) != 0)
            fail_msg("found %s, expected %s", found, wrong[i].sentence);
    }
}

static void a_file_that_cannot_be_read_is_told(void **state) {
    (void)state;
    assert_refused("--config", "/nowhere/gradd.conf",
                   "cannot read /nowhere/gradd.conf: No such file or directory");
    assert_refused("--config", "/", "cannot read /: Is a directory");
    assert_refused("--config=", NULL, "--config: found \"\", expected the name of a file");
}

static void a_file_may_not_be_endless(void **state) {
    (void)state;
    static char long_text[OPTION_MEMORY + 1];
    memset(long_text, '\n', OPTION_MEMORY);
    assert_int_equal(read_config(long_text, NULL, NULL), OPTIONS_BAD);
    assert_string_equal(problem, "the options have more than 65536 bytes");
    long_text[OPTION_MEMORY - 1] = '\0';
    assert_int_equal(read_config(long_text, NULL, NULL), OPTIONS_RUN);
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

static void a_named_directory_must_be_one(void **state) {
    (void)state;
    char sentence[128];
    assert_int_equal(read_line("--data-dir", "/tmp", NULL), OPTIONS_RUN);
    assert_true(options_check_files(&options, problem, sizeof problem));
    assert_int_equal(read_line("--data-dir", "/tmp/gradd-is-not-there", NULL), OPTIONS_RUN);
    assert_true(options_check_files(&options, problem, sizeof problem));
    assert_int_equal(read_line("--data-dir", config, NULL), OPTIONS_RUN);
    assert_false(options_check_files(&options, problem, sizeof problem));
    snprintf(sentence, sizeof sentence, "--data-dir: cannot use %s: Not a directory", config);
    assert_string_equal(problem, sentence);
}

/* ---- what is shown ---- */

static void assert_shows(const char *shown, const char *line) {
    if (!strstr(shown, line)) fail_msg("%s is not in\n%s", line, shown);
}

static void what_is_shown_is_a_file_that_says_the_same(void **state) {
    (void)state;
    char *shown = NULL, *again = NULL, line[160];
    size_t n;
    variable_name = "GRADD_MAX_NODES";
    variable_value = "5";
    assert_int_equal(read_config("max-body = 5k\n\nallowed-host = a\nallowed-host = b\n",
                                 "--check-config", "--threads=3"),
                     OPTIONS_CHECK);
    FILE *out = open_memstream(&shown, &n);
    options_print(&options, out);
    fclose(out);
    snprintf(line, sizeof line, "\nmax-body = 5k                               # %s:1\n", config);
    assert_shows(shown, line);
    snprintf(line, sizeof line, "\nallowed-host = a,b                          # %s:3\n", config);
    assert_shows(shown, line);
    assert_shows(shown, "\nthreads = 3                                 # command line\n");
    assert_shows(shown, "\nmax-nodes = 5                               # GRADD_MAX_NODES\n");
    assert_shows(shown, "\nlisten = 127.0.0.1:8080                     # preset\n");
    assert_shows(shown, "\n# workers = (one a core)                    # preset\n");

    variable_name = NULL;
    assert_int_equal(read_config(shown, NULL, NULL), OPTIONS_RUN);
    assert_int_equal(options.limits.max_nodes, 5);
    assert_int_equal(options.threads, 3);
    out = open_memstream(&again, &n);
    options_print(&options, out);
    fclose(out);
    assert_shows(again, "\nallowed-host = a,b ");
    free(shown);
    free(again);
}

static void a_named_file_must_be_readable(void **state) {
    (void)state;
    assert_int_equal(read_config("", NULL, NULL), OPTIONS_RUN);
    assert_true(options_check_files(&options, problem, sizeof problem));
    assert_int_equal(unlink(config), 0);
    assert_false(options_check_files(&options, problem, sizeof problem));
    char sentence[256];
    snprintf(sentence, sizeof sentence, "--config: cannot read %s: No such file or directory",
             config);
    assert_string_equal(problem, sentence);
    write_config("");
}

static void help_and_version_are_found_among_others(void **state) {
    (void)state;
    assert_int_equal(read_line("--threads", "2", "--help"), OPTIONS_HELP);
    assert_int_equal(read_line("-h", NULL, NULL), OPTIONS_HELP);
    assert_int_equal(read_line("--version", NULL, NULL), OPTIONS_VERSION);
    assert_int_equal(read_line("--check-config", "--help", NULL), OPTIONS_HELP);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, begin)
#define CONFIG(name) cmocka_unit_test_setup_teardown(name, begin_config, end_config)
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
        CONFIG(a_file_has_the_names_of_the_options),
        CONFIG(a_file_comes_behind_the_environment_and_that_behind_the_line),
        CONFIG(lists_are_added_up_where_one_says_them_again),
        CONFIG(a_bad_line_of_a_file_is_told_with_its_place),
        TEST(a_file_that_cannot_be_read_is_told),
        CONFIG(a_file_may_not_be_endless),
        TEST(every_limit_but_the_rank_is_an_option),
        TEST(a_limit_out_of_its_range_is_told),
        TEST(limits_that_contradict_each_other_are_told),
        CONFIG(what_is_shown_is_a_file_that_says_the_same),
        CONFIG(a_named_file_must_be_readable),
        CONFIG(a_named_directory_must_be_one),
        TEST(help_and_version_are_found_among_others),
    };
#undef TEST
#undef CONFIG
    return cmocka_run_group_tests(tests, NULL, NULL);
}
