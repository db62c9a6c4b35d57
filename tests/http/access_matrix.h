/* The table of who may do what. */
#ifndef GRADD_TESTS_HTTP_ACCESS_MATRIX_H
#define GRADD_TESTS_HTTP_ACCESS_MATRIX_H

#include <stddef.h>

struct matrix_row {
    const char *method, *path; /* as the table of routes has it */
    const char *scope;         /* NULL: none, and no token either */
};

extern const struct matrix_row matrix[];
extern const size_t matrix_rows;

#endif
