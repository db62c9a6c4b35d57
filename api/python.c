/* Python's repr(), as far as JSON goes: dicts, lists, strings, numbers, True, False and None. */
#include "api/python.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/utf8.h"
#include "core/numbers.h"

struct text {
    char *out;
    size_t n;
    struct arena *arena;
};

static void put_n(struct text *t, const char *bytes, size_t n) {
    if (n > PYTHON_TEXT - 1 - t->n) n = utf8_cut(bytes, n, PYTHON_TEXT - 1 - t->n);
    memcpy(t->out + t->n, bytes, n);
    t->n += n;
    t->out[t->n] = '\0';
}

static void put(struct text *t, const char *text) { put_n(t, text, strlen(text)); }

static bool is_full(const struct text *t) { return t->n >= PYTHON_TEXT - 5; }

/* In single quotes, but for a string that has them and no double ones. */
static void put_string(struct text *t, const char *s) {
    const bool doubles = strchr(s, '\'') && !strchr(s, '"');
    put(t, doubles ? "\"" : "'");
    while (*s && !is_full(t)) {
        char escape[8];
        const unsigned char c = (unsigned char)*s;
        if (c == '\\' || (c == '\'' && !doubles)) {
            snprintf(escape, sizeof escape, "\\%c", c);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        } else if (c < 32 || c == 127) {
            snprintf(escape, sizeof escape, "\\x%02x", c);
        } else {
            size_t plain = 1; /* with the rest of its character */
            while (((unsigned char)s[plain] & 0xC0) == 0x80) plain++;
            put_n(t, s, plain);
            s += plain;
            continue;
        }
        put(t, escape);
        s++;
    }
    put(t, doubles ? "\"" : "'");
}

static void put_float(struct text *t, double x) {
    char digits[NUMBER_TEXT];
    put_n(t, digits, number_print_f64(digits, x));
}

static void put_number(struct text *t, const struct json *v) {
    size_t n;
    double x;
    const char *literal = json_text(v, &n);
    if (json_is_int_literal(v)) {
        put_n(t, literal, n);
    } else if (json_double(v, &x)) {
        put_float(t, x);
    } else {
        put(t, *literal == '-' ? "-inf" : "inf");
    }
}

static void put_value(struct text *t, const struct json *v);

static void put_children(struct text *t, const struct json *v, const char *open,
                         const char *close) {
    put(t, open);
    for (const struct json *child = json_first(v); child && !is_full(t); child = json_next(child)) {
        if (child != json_first(v)) put(t, ", ");
        if (*open == '{') {
            put_string(t, json_key(child));
            put(t, ": ");
        }
        put_value(t, child);
    }
    put(t, close);
}

/* As deep as the document, which has a limit. */
static void put_value(struct text *t, const struct json *v) {
    if (is_full(t)) return;
    switch (json_type(v)) {
    case JSON_NULL:
        put(t, "None");
        break;
    case JSON_BOOL:
        put(t, json_bool(v) ? "True" : "False");
        break;
    case JSON_NUMBER:
        put_number(t, v);
        break;
    case JSON_NUMBERS:
        v = json_split(t->arena, v);
        if (v) put_children(t, v, "[", "]");
        break;
    case JSON_STRING:
        put_string(t, json_string(v));
        break;
    case JSON_ARRAY:
        put_children(t, v, "[", "]");
        break;
    case JSON_OBJECT:
        put_children(t, v, "{", "}");
        break;
    }
}

void python_repr(char out[PYTHON_TEXT], const struct json *v, struct arena *arena) {
    struct text t = {.out = out, .arena = arena};
    *out = '\0';
    put_value(&t, v);
}

void python_str(char out[PYTHON_TEXT], const struct json *v, struct arena *arena) {
    struct text t = {.out = out, .arena = arena};
    *out = '\0';
    if (json_type(v) == JSON_STRING) {
        put(&t, json_string(v));
    } else {
        put_value(&t, v);
    }
}

void python_dict(char out[PYTHON_TEXT], const struct json *const *members, size_t n,
                 struct arena *arena) {
    struct text t = {.out = out, .arena = arena};
    put(&t, "{");
    for (size_t i = 0; i < n && !is_full(&t); i++) {
        if (i) put(&t, ", ");
        put_string(&t, json_key(members[i]));
        put(&t, ": ");
        put_value(&t, members[i]);
    }
    put(&t, "}");
}

void python_float(char out[PYTHON_TEXT], double x) {
    struct text t = {.out = out};
    if (isnan(x)) {
        put(&t, "None");
    } else {
        put_float(&t, x);
    }
}
