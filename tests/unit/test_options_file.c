/* Options from a file, and as one: what it may say, the sentences about the rest, and what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "option_reader.h"

static char config[64];

static int begin_config(void **state) {
    strcpy(config, "/tmp/gradd_options_XXXXXX");
    int fd = mkstemp(config);
    return fd < 0 || close(fd) != 0 ? -1 : begin_options(state);
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

static void what_looks_like_something_else_is_shown_in_quotation_marks(void **state) {
    (void)state;
    static const char *const texts[] = {"(none)", "a # b", " a", "a ", "#"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *shown = NULL, name[32];
        size_t n;
        strcpy(name, texts[i]);
        assert_int_equal(read_line("--user", name, NULL), OPTIONS_RUN);
        FILE *out = open_memstream(&shown, &n);
        options_print(&options, out);
        fclose(out);
        assert_int_equal(read_config(shown, NULL, NULL), OPTIONS_RUN);
        assert_string_equal(options.user, name);
        free(shown);
    }
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

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, begin_options)
#define CONFIG(name) cmocka_unit_test_setup_teardown(name, begin_config, end_config)
    const struct CMUnitTest tests[] = {
        CONFIG(a_file_has_the_names_of_the_options),
        CONFIG(a_file_comes_behind_the_environment_and_that_behind_the_line),
        CONFIG(lists_are_added_up_where_one_says_them_again),
        CONFIG(a_bad_line_of_a_file_is_told_with_its_place),
        TEST(a_file_that_cannot_be_read_is_told),
        CONFIG(a_file_may_not_be_endless),
        CONFIG(what_is_shown_is_a_file_that_says_the_same),
        CONFIG(what_looks_like_something_else_is_shown_in_quotation_marks),
        CONFIG(a_named_file_must_be_readable),
        CONFIG(a_named_directory_must_be_one),
    };
#undef TEST
#undef CONFIG
    return cmocka_run_group_tests(tests, NULL, NULL);
}
