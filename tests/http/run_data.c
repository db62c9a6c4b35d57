/* Reads data files (their form is at the top of run.c) and owns the small texts that all parts use.
 * Knows nothing of HTTP. */
#include "run.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

static void *grow(void *p, size_t size) {
    p = realloc(p, size);
    if (!p) die("run: out of memory");
    return p;
}

void text_add(struct text *t, const char *bytes, size_t n) {
    if (!t->data || t->length + n + 1 > t->capacity) {
        t->capacity = 2 * (t->length + n) + 64;
        t->data = grow(t->data, t->capacity);
    }
    if (n) memcpy(t->data + t->length, bytes, n);
    t->length += n;
    t->data[t->length] = '\0';
}

void text_say(struct text *t, const char *text) { text_add(t, text, strlen(text)); }

void text_free(struct text *t) {
    free(t->data);
    *t = (struct text){0};
}

char *copy(const char *s) {
    struct text t = {0};
    text_say(&t, s);
    return t.data;
}

static void read_file(const char *path, struct text *out) {
    FILE *f = fopen(path, "rb");
    if (!f) die("%s: %s", path, strerror(errno));
    char buffer[65536];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, f)) > 0;) text_add(out, buffer, n);
    fclose(f);
}

/* The quoted text at *at, unescaped, and moves on; NULL where there is none. */
static char *quoted(const char **at) {
    while (**at == ' ') ++*at;
    if (**at != '"') return NULL;
    const char *end = NULL;
    cJSON *string = cJSON_ParseWithOpts(*at, &end, 0);
    if (!string) return NULL;
    char *result = copy(string->valuestring);
    cJSON_Delete(string);
    *at = end;
    return result;
}

static void add_repeat(struct text *body, const char *arguments) {
    char *end;
    long count = strtol(arguments, &end, 10);
    const char *at = end;
    char *piece = quoted(&at);
    char *separator = quoted(&at);
    if (!piece) die("@repeat %s: expected a count and a quoted text", arguments);
    for (long i = 0; i < count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%ld", i);
        if (i && separator) text_say(body, separator);
        const char *from = piece;
        for (const char *mark; (mark = strstr(from, "{i}")); from = mark + 3) {
            text_add(body, from, (size_t)(mark - from));
            text_say(body, number);
        }
        text_say(body, from);
    }
    free(piece);
    free(separator);
}

static void add_bytes(struct text *body, const char *digits) {
    for (char *end;; digits = end) {
        char byte = (char)strtoul(digits, &end, 16);
        if (end == digits) return;
        text_add(body, &byte, 1);
    }
}

static bool add_directive(const char *data_path, struct text *body, const char *line) {
    if (!strncmp(line, "@repeat ", 8)) {
        add_repeat(body, line + 8);
    } else if (!strncmp(line, "@bytes", 6)) {
        add_bytes(body, line + 6);
    } else if (!strncmp(line, "@file ", 6)) {
        const char *slash = strrchr(data_path, '/');
        struct text path = {0};
        if (slash && line[6] != '/') text_add(&path, data_path, (size_t)(slash - data_path) + 1);
        text_add(&path, line + 6, strlen(line + 6));
        read_file(path.data, body);
        text_free(&path);
    } else {
        return false;
    }
    return true;
}

static bool is_header(const char *line) {
    const char *p = line;
    while (isalnum((unsigned char)*p) || *p == '-') p++;
    return p > line && *p == ':' && (p[1] == ' ' || p[1] == '\0');
}

static void parse_expectation(struct test *test, char *line) {
    char *save = NULL;
    char *word = strtok_r(line, " ", &save);
    test->status = word ? atoi(word) : 0;
    if (test->status < 100) die("test \"%s\": expected a status after =>", test->name);
    while ((word = strtok_r(NULL, " ", &save))) {
        if (!strcmp(word, "contains")) {
            test->contains = true;
        } else if (!strcmp(word, "empty")) {
            test->empty = true;
        } else if (!strcmp(word, "within") && (word = strtok_r(NULL, " ", &save))) {
            test->within = atof(word);
        } else if (word && !strcmp(word, "under") && (word = strtok_r(NULL, " ", &save))) {
            test->under = atof(word);
        } else if (word && !strcmp(word, "taking") && (word = strtok_r(NULL, " ", &save))) {
            test->taking = 1048576 * atof(word);
        } else {
            die("test \"%s\": unknown word after =>", test->name);
        }
    }
}

enum place { OUTSIDE, NAMED, HEADERS, BODY, WANT_HEADERS, WANT_BODY };

static void add_header(struct test *test, char **list, size_t *n, const char *line) {
    if (*n == HEADERS_MAX) die("test \"%s\": too many headers", test->name);
    list[(*n)++] = copy(line);
}

static struct test *add_test(struct suite *suite, const char *name, int number) {
    suite->tests = grow(suite->tests, (suite->n_tests + 1) * sizeof *suite->tests);
    struct test *test = &suite->tests[suite->n_tests++];
    *test = (struct test){.name = copy(name), .line = number};
    return test;
}

static void parse_request_line(struct test *test, const char *line) {
    const char *space = strchr(line, ' ');
    if (!space) die("test \"%s\": expected a method and a target", test->name);
    test->target = copy(space + 1);
    test->method = copy(line);
    test->method[space - line] = '\0';
}

static void add_line(struct text *body, const char *line, bool *after_text) {
    if (*after_text) text_add(body, "\n", 1);
    text_add(body, line, strlen(line));
    *after_text = true;
}

static void trim(struct text *t) {
    while (t->length && t->data[t->length - 1] == '\n') t->data[--t->length] = '\0';
}

static void parse_outside(struct suite *suite, char *line, int number) {
    if (strncmp(line, "@start ", 7) || suite->n_tests) {
        if (*line) die("%s:%d: expected ###, found: %s", suite->path, number, line);
        return;
    }
    if (suite->n_starts == STARTS_MAX) die("%s:%d: too many @start lines", suite->path, number);
    char **options = suite->starts[suite->n_starts++], *save = NULL;
    size_t n = 0;
    for (char *word = strtok_r(line + 7, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (n == ARGS_MAX - 1) die("%s:%d: too many options", suite->path, number);
        options[n++] = copy(word);
    }
}

/* One line of a test; returns the place of the next. */
static enum place parse_line(struct suite *suite, struct test *test, enum place place, char *line,
                             bool *after_text) {
    bool expectation = !strncmp(line, "=> ", 3);
    switch (place) {
    case OUTSIDE:
        return place;
    case NAMED:
        if (!*line) return place;
        parse_request_line(test, line);
        return HEADERS;
    case HEADERS:
    case BODY:
        if (expectation) {
            if (*after_text) trim(&test->body);
            *after_text = false;
            parse_expectation(test, line + 3);
            return WANT_HEADERS;
        }
        if (place == HEADERS && is_header(line)) {
            add_header(test, test->headers, &test->n_headers, line);
            return HEADERS;
        }
        if (place == HEADERS && !*line) return BODY;
        test->has_body = true;
        if (add_directive(suite->path, &test->body, line)) {
            *after_text = false;
        } else {
            add_line(&test->body, line, after_text);
        }
        return BODY;
    case WANT_HEADERS:
    case WANT_BODY:
        if (place == WANT_HEADERS && is_header(line)) {
            add_header(test, test->want_headers, &test->n_want_headers, line);
            return WANT_HEADERS;
        }
        if (place == WANT_HEADERS && !*line) return WANT_BODY;
        if (add_directive(suite->path, &test->want, line))
            *after_text = false;
        else
            add_line(&test->want, line, after_text);
        return WANT_BODY;
    }
    return place;
}

void data_read(struct suite *suite, const char *path) {
    struct text file = {0};
    *suite = (struct suite){.path = path};
    read_file(path, &file);
    enum place place = OUTSIDE;
    struct test *test = NULL;
    bool after_text = false;
    int number = 0;
    for (char *line = file.data, *next; line && *line; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        bool in_request = place == HEADERS || place == BODY;
        if (!in_request && !strncmp(line, "# ", 2)) continue;
        if (!in_request && !strncmp(line, "### ", 4)) {
            test = add_test(suite, line + 4, number);
            place = NAMED;
            after_text = false;
        } else if (place == OUTSIDE) {
            parse_outside(suite, line, number);
        } else {
            place = parse_line(suite, test, place, line, &after_text);
        }
    }
    if (place == NAMED || place == HEADERS || place == BODY)
        die("%s: the last test has no line =>", path);
    for (size_t i = 0; i < suite->n_tests; i++) trim(&suite->tests[i].want);
    if (suite->n_starts == 0) suite->n_starts = 1;
    text_free(&file);
}

void data_free(struct suite *suite) {
    for (size_t i = 0; i < suite->n_tests; i++) {
        struct test *t = &suite->tests[i];
        free(t->name);
        free(t->method);
        free(t->target);
        for (size_t h = 0; h < t->n_headers; h++) free(t->headers[h]);
        for (size_t h = 0; h < t->n_want_headers; h++) free(t->want_headers[h]);
        text_free(&t->body);
        text_free(&t->want);
    }
    for (size_t i = 0; i < suite->n_starts; i++)
        for (char **option = suite->starts[i]; *option; option++) free(*option);
    free(suite->tests);
}
