/* Reads options as tests of them want it: a short command line, and an environment of one variable. */
#ifndef GRADD_TESTS_UNIT_OPTION_READER_H
#define GRADD_TESTS_UNIT_OPTION_READER_H

#include "server/options.h"

/* What was read last, and the sentence about it. */
extern struct options options;
extern char problem[512];

/* The environment: this variable alone. */
extern const char *variable_name, *variable_value;

/* Reads a command line of up to three arguments, which must outlive the options. */
enum options_outcome read_line(const char *a, const char *b, const char *c);
void assert_refused(const char *a, const char *b, const char *sentence);

/* The setup of a test: no environment. */
int begin_options(void **state);

#endif
