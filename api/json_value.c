/* What a document holds, read out of its tree, or written again. Numbers are read where they stand in the
 * body. */
#include <cjson/cJSON.h>
#include <string.h>

#include "api/json.h"
#include "api/span.h"
#include "api/utf8.h"
#include "api/writer.h"
#include "core/numbers.h"

static const cJSON *node_of(const struct json *v) { return (const cJSON *)v; }
static const struct json *value_of(const cJSON *node) { return (const struct json *)node; }

enum json_type json_type(const struct json *v) {
    switch (node_of(v)->type & 0xFF) {
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_Raw:
        return JSON_NUMBERS;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

const char *json_type_name(const struct json *v) {
    switch (json_type(v)) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "a boolean";
    case JSON_NUMBER:
        return "a number";
    case JSON_NUMBERS:
        return span_of(v)->has_number ? "an array of numbers" : "an array of booleans";
    case JSON_STRING:
        return "a string";
    case JSON_ARRAY:
        return "an array";
    case JSON_OBJECT:
        return "an object";
    }
    return "";
}

const char *json_key(const struct json *v) { return node_of(v)->string; }

const char *json_string(const struct json *v) { return node_of(v)->valuestring; }

bool json_bool(const struct json *v) { return (node_of(v)->type & 0xFF) == cJSON_True; }

const struct json *json_first(const struct json *v) { return value_of(node_of(v)->child); }

const struct json *json_next(const struct json *v) { return value_of(node_of(v)->next); }

size_t json_length(const struct json *v) {
    switch (json_type(v)) {
    case JSON_NUMBERS:
        return (size_t)span_of(v)->dim[0];
    case JSON_ARRAY:
    case JSON_OBJECT:
        return (size_t)node_of(v)->valuedouble;
    default:
        return 0;
    }
}

const struct json *json_member(const struct json *object, const char *name) {
    return value_of(cJSON_GetObjectItemCaseSensitive(node_of(object), name));
}

const struct span *span_of(const struct json *numbers) {
    return (const struct span *)(const void *)node_of(numbers)->valuestring;
}

const char *json_text(const struct json *v, size_t *n) {
    switch (json_type(v)) {
    case JSON_NUMBER:
        *n = (size_t)node_of(v)->valuedouble;
        return node_of(v)->valuestring;
    case JSON_NUMBERS:
        *n = span_of(v)->length;
        return span_of(v)->text;
    default:
        *n = 0;
        return NULL;
    }
}

bool json_double(const struct json *v, double *out) {
    size_t n;
    if (json_type(v) != JSON_NUMBER) return false;
    const char *text = json_text(v, &n), *rest;
    return number_parse_f64(text, text + n, out, &rest) == NUMBER_OK;
}

bool json_int(const struct json *v, int64_t *out) {
    size_t n;
    if (json_type(v) != JSON_NUMBER) return false;
    const char *text = json_text(v, &n), *rest;
    return number_parse_i64(text, text + n, out, &rest) == NUMBER_OK;
}

bool json_is_int_literal(const struct json *v) {
    size_t n;
    if (json_type(v) != JSON_NUMBER) return false;
    const char *text = json_text(v, &n);
    return !memchr(text, '.', n) && !memchr(text, 'e', n) && !memchr(text, 'E', n);
}

static void write_children(const struct json *v, const char *brackets, struct writer *out) {
    write_bytes(out, brackets, 1);
    for (const struct json *c = json_first(v); c; c = json_next(c)) {
        if (c != json_first(v)) write_text(out, ",");
        if (json_key(c)) {
            write_string(out, json_key(c));
            write_text(out, ":");
        }
        json_write(c, out);
    }
    write_bytes(out, brackets + 1, 1);
}

void json_write(const struct json *v, struct writer *out) {
    size_t n;
    const char *text;
    switch (json_type(v)) {
    case JSON_NULL:
        write_text(out, "null");
        return;
    case JSON_BOOL:
        write_text(out, json_bool(v) ? "true" : "false");
        return;
    case JSON_STRING:
        write_string(out, json_string(v));
        return;
    case JSON_NUMBER:
    case JSON_NUMBERS:
        text = json_text(v, &n);
        write_bytes(out, text, n);
        return;
    case JSON_ARRAY:
        write_children(v, "[]", out);
        return;
    case JSON_OBJECT:
        write_children(v, "{}", out);
        return;
    }
}

char *json_pointer(char *buffer, size_t size, const char *base, const char *name) {
    size_t n = strlen(base);
    if (n >= size) n = utf8_cut(base, n, size - 1);
    memmove(buffer, base, n);
    if (n + 1 < size) buffer[n++] = '/';
    const char *end = name + strlen(name);
    for (const char *s = name; s < end;) {
        const char *escape = *s == '~' ? "~0" : *s == '/' ? "~1" : NULL;
        const size_t length = utf8_length(s, end), whole = escape ? 2 : length ? length : 1;
        if (whole >= size - n) break;
        memcpy(buffer + n, escape ? escape : s, whole);
        n += whole;
        s += escape ? 1 : whole;
    }
    buffer[n] = '\0';
    return buffer;
}
