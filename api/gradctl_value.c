/* Values as people type them, written as JSON: numbers, lists of them, JSON, and files of each. Which
 * member of a request a value is for is not known here. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/bytes.h"
#include "api/gradctl.h"

enum { JSON_DEPTH = 128, FILE_MOST = 1 << 30 };

/* ---- files ---- */

static const char *read_stream(struct ctl *ctl, FILE *file, const char *name, size_t *n) {
    size_t capacity = 64 << 10;
    char *text = malloc(capacity);
    *n = 0;
    for (size_t got = 1; text && got;) {
        if (*n + 1 == capacity) {
            if (capacity >= FILE_MOST) ctl_wrong("%s: longer than 1 GiB", name);
            capacity *= 2;
            char *more = realloc(text, capacity);
            if (!more) free(text);
            text = more;
        }
        if (text) *n += got = fread(text + *n, 1, capacity - 1 - *n, file);
    }
    if (ferror(file)) ctl_wrong("%s: %s", name, strerror(errno));
    const char *kept = text ? arena_copy_text(&ctl->arena, text, *n) : NULL;
    free(text);
    if (!kept) ctl_wrong("%s: no memory for it", name);
    return kept;
}

static const char *read_file(struct ctl *ctl, const char *name, size_t *n) {
    if (strcmp(name, "-") == 0) {
        if (ctl->read_input) ctl_wrong("standard input was read already");
        ctl->read_input = true;
        return read_stream(ctl, stdin, "standard input", n);
    }
    FILE *file = fopen(name, "r");
    const char *text = file ? read_stream(ctl, file, name, n) : NULL;
    if (!file) ctl_wrong("%s: %s", name, strerror(errno));
    fclose(file);
    return text;
}

/* What is behind a byte of 0 would be lost without a word. */
static void check_text(const char *text, size_t n, const char *name) {
    const char *zero = memchr(text, 0, n);
    if (zero)
        ctl_wrong("%s: byte %zu is 0, which is no text",
                  strcmp(name, "-") == 0 ? "standard input" : name, (size_t)(zero - text) + 1);
}

const char *value_file(struct ctl *ctl, const char *name, size_t *n) {
    const char *text = read_file(ctl, name, n);
    check_text(text, *n, name);
    return text;
}

/* ---- numbers ---- */

size_t value_name(const char *text) {
    size_t n = 0;
    while (isalpha((unsigned char)text[n]) || text[n] == '_' ||
           (n && isdigit((unsigned char)text[n])))
        n++;
    return n;
}

static bool is_word(const char *text, size_t n, const char *word) {
    return strlen(word) == n && strncasecmp(text, word, n) == 0;
}

static size_t digits(const char *text, size_t n) {
    size_t i = 0;
    while (i < n && isdigit((unsigned char)text[i])) i++;
    return i;
}

/* How long the exponent at text[0..n) is: 0 where there is none, n + 1 where it is broken. */
static size_t exponent_of(const char *text, size_t n) {
    if (n == 0 || (*text != 'e' && *text != 'E')) return 0;
    const size_t sign = n > 1 && (text[1] == '-' || text[1] == '+');
    const size_t more = digits(text + 1 + sign, n - 1 - sign);
    return more ? 1 + sign + more : n + 1;
}

/* What JSON writes otherwise: +1, .5, 5., 007, inf, nan. The digits stay what they are. */
bool value_number(struct writer *out, const char *text, size_t n) {
    const bool minus = n && *text == '-';
    if (n && (*text == '-' || *text == '+')) text++, n--;
    const bool infinite = is_word(text, n, "inf") || is_word(text, n, "infinity");
    if (infinite || is_word(text, n, "nan")) {
        write_text(out, !infinite ? "\"NaN\"" : minus ? "\"-Infinity\"" : "\"Infinity\"");
        return true;
    }
    const size_t whole = digits(text, n), point = whole < n && text[whole] == '.';
    const size_t fraction = point ? digits(text + whole + 1, n - whole - 1) : 0;
    const size_t at = whole + point + fraction;
    if (whole + fraction == 0 || at + exponent_of(text + at, n - at) != n) return false;
    size_t zeros = 0;
    while (zeros + 1 < whole && text[zeros] == '0') zeros++;
    if (minus) write_text(out, "-");
    if (!whole) write_text(out, "0");
    write_bytes(out, text + zeros, at - zeros);
    if (point && !fraction) write_text(out, "0");
    write_bytes(out, text + at, n - at);
    return true;
}

/* Numbers with commas between them; a comma behind the last makes a list of one. */
static bool write_list(struct writer *out, const char *text) {
    const size_t begin = out->length;
    write_text(out, "[");
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, ",");
        if (at != text) write_text(out, ",");
        if (!value_number(out, at, n)) {
            out->length = begin;
            return false;
        }
        at += n + (at[n] == ',');
    }
    write_text(out, "]");
    return true;
}

/* ---- what stands for a value ---- */

/* JSON in an argument or a file is looked at here, where its place can be named. */
static void write_json(struct ctl *ctl, struct writer *out, const char *what, const char *text,
                       size_t n) {
    struct json *root;
    struct error error = {0};
    if (!json_parse(&ctl->arena, text, n, JSON_DEPTH, &root, &error))
        ctl_wrong("%s: %s", what, error.detail);
    write_bytes(out, text, n);
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static void write_npy(struct ctl *ctl, struct writer *out, const char *file, const char *bytes,
                      size_t n) {
    struct tensor tensor;
    struct error error = {0};
    if (!npy_read(&ctl->arena, bytes, n, FILE_MOST, &tensor, &error))
        ctl_wrong("%s: %s", file, error.detail);
    write_tensor(out, &tensor, FORMAT_BASE64);
}

/* A file of JSON, a .npy array, or numbers in rows; FILE:COLUMN is one column of it. */
static void write_file(struct ctl *ctl, struct writer *out, const char *name) {
    size_t n;
    char *colon = strrchr(name, ':'), *file = NULL;
    const char *column = NULL;
    if (colon && value_name(colon + 1) == strlen(colon + 1) && colon[1]) {
        file = arena_copy_text(&ctl->arena, name, (size_t)(colon - name));
        column = colon + 1;
    }
    if (!file) file = arena_copy_text(&ctl->arena, name, strlen(name));
    if (!file) ctl_wrong("%s: no memory for it", name);
    const char *text = read_file(ctl, file, &n);
    if (npy_is(text, n)) {
        write_npy(ctl, out, file, text, n);
        return;
    }
    check_text(text, n, file);
    const size_t blank = strspn(text, " \t\r\n");
    if (!column && (ends_with(file, ".json") || text[blank] == '[' || text[blank] == '{')) {
        write_json(ctl, out, file, text, n);
        return;
    }
    struct csv csv;
    csv_read(&csv, &ctl->arena, file, text, n);
    if (!column) {
        csv_write(&csv, out);
        return;
    }
    const size_t which = csv_column(&csv, column);
    if (which == csv.columns) ctl_wrong("%s: no column \"%s\"", file, column);
    csv_write_column(&csv, which, out);
}

void value_write(struct ctl *ctl, struct writer *out, const char *what, const char *text) {
    if (*text == '@' || strcmp(text, "-") == 0) {
        write_file(ctl, out, *text == '@' ? text + 1 : text);
        return;
    }
    if (*text && strchr("[{\"", *text)) {
        write_json(ctl, out, what, text, strlen(text));
        return;
    }
    for (const char *const *word = (const char *const[]){"true", "false", "null", NULL}; *word;
         word++)
        if (strcmp(text, *word) == 0) {
            write_text(out, text);
            return;
        }
    if (*text &&
        (strchr(text, ',') ? write_list(out, text) : value_number(out, text, strlen(text))))
        return;
    ctl_wrong(
        "%s is \"%s\", expected a number, numbers with commas between them, JSON, @FILE, or - for "
        "standard input",
        what, text);
}
