/* The options that tests read. Owns them, and the variable that is their environment. */
#include "option_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ARGUMENTS = 8 };

struct options options;
char problem[512];
const char *variable_name, *variable_value;

static char *variable(const char *name) {
    bool it = variable_name && strcmp(name, variable_name) == 0;
    return it ? (char *)(uintptr_t)variable_value : NULL;
}

enum options_outcome read_line(const char *a, const char *b, const char *c) {
    const char *argv[ARGUMENTS] = {"gradd", a, b, c, NULL};
    int argc = 1;
    while (argv[argc]) argc++;
    problem[0] = '\0';
    return options_read(&options, argc, (char *const *)(uintptr_t)argv, variable, problem,
                        sizeof problem);
}

int begin_options(void **state) {
    (void)state;
    variable_name = variable_value = NULL;
    return 0;
}

void assert_refused(const char *a, const char *b, const char *sentence) {
    assert_int_equal(read_line(a, b, NULL), OPTIONS_BAD);
    assert_string_equal(problem, sentence);
}
