/* What the parts of `run` share: a test as its data file says it, and the answer that came. */
#ifndef GRADD_TESTS_HTTP_RUN_H
#define GRADD_TESTS_HTTP_RUN_H

#include <stdbool.h>
#include <stddef.h>

enum { HEADERS_MAX = 16, STARTS_MAX = 8, ARGS_MAX = 32 };

/* A growing text, always followed by a NUL. */
struct text {
    char *data;
    size_t length, capacity;
};

struct test {
    char *name;
    int line;
    char *method, *target;
    char *headers[HEADERS_MAX];
    size_t n_headers;
    bool has_body;
    struct text body;
    int status;
    bool contains, empty;
    double within, under, taking; /* 0: exactly, whenever, whatever */
    char *want_headers[HEADERS_MAX];
    size_t n_want_headers;
    struct text want;
};

struct suite {
    const char *path;
    char *starts[STARTS_MAX][ARGS_MAX]; /* the options of each start, NULL behind the last */
    size_t n_starts;
    struct test *tests;
    size_t n_tests;
};

struct answer {
    long status;
    double seconds, taken;     /* until it was there; bytes by which gradd grew */
    struct text headers, body; /* headers as they came, line by line */
};

/* Prints a message and ends the program with exit code 2. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void text_add(struct text *t, const char *bytes, size_t n);
void text_say(struct text *t, const char *text);
void text_free(struct text *t);
char *copy(const char *s);

/* Reads a data file, whole; dies with file and line where it is not understood. */
void data_read(struct suite *suite, const char *path);
void data_free(struct suite *suite);

/* The value of header `name` of the last block of headers, copied; NULL where there is none. */
char *header_value(const struct text *headers, const char *name);

/* What an expected header `$name` remembered, or NULL. */
const char *remembered_value(const char *name);
void remembered_forget(void);

/* True where the answer is the expected one; else `why` says where it is not. */
bool compare(const struct test *test, const struct answer *answer, double patience,
             struct text *why);

#endif
