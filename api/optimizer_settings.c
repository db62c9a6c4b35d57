/* Arguments of methods and schedules by their tables: read, limited, copied, written. Knows neither which
 * method they belong to nor what they mean. */
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/optimizer_own.h"
#include "api/python.h"
#include "core/op.h"

bool reading_fail_memory(struct reading *r) {
    return error_set(r->error, ERROR_MEMORY_BUDGET,
                     "reading an optimizer needs more than the %zu bytes it may take",
                     r->arena->ceiling);
}

const struct setting *setting_find(const struct setting *settings, size_t n, const char *name) {
    for (size_t i = 0; i < n && settings[i].name; i++)
        if (*settings[i].name == *name && strcmp(settings[i].name, name) == 0) return &settings[i];
    return NULL;
}

size_t setting_count(const struct setting *settings) {
    size_t n = 0;
    while (settings[n].name) n++;
    return n;
}

/* Integers that decide how large a plan is, or how long a step may wait. */
static const struct {
    const char *name;
    int32_t least, most;
} ranges[] = {
    {"ns_steps", 0, 100},
    {"gradient_accumulation_steps", INT32_MIN, 1000000},
    {NULL, INT32_MIN, INT32_MAX},
};

/* "an integer or null", found 1.5 */
static bool fail_kind(struct reading *r, const struct setting *s, const struct json *v) {
    static const char *const wants[] = {[SETTING_FLOAT] = "a number",
                                        [SETTING_INT] = "an integer",
                                        [SETTING_BOOL] = "true or false",
                                        [SETTING_STEPS] = "a number"};
    size_t n = 0;
    const char *text = json_type(v) == JSON_NUMBER ? json_text(v, &n) : json_type_name(v);
    if (!n) n = strlen(text);
    return error_set(r->error, ERROR_INVALID_VALUE, "`%s` must be %s%s, found %.*s", s->name,
                     wants[s->kind], s->optional ? " or null" : "", (int)(n < 40 ? n : 40), text);
}

/* Keras has words of its own for two of them. */
static bool fail_fraction(struct reading *r, const struct setting *s, const struct json *v) {
    const bool accumulation = strcmp(s->name, "gradient_accumulation_steps") == 0;
    if (!accumulation && strcmp(s->name, "ema_overwrite_frequency") != 0) return fail_kind(r, s, v);
    char found[PYTHON_TEXT];
    python_repr(found, v, r->arena);
    return error_set(r->error, ERROR_INVALID_VALUE,
                     "`%s` must be an integer >= %s. Received: %s=%s", s->name,
                     accumulation ? "2" : "1 or None", s->name, found);
}

static bool read_int(struct reading *r, const struct setting *s, const struct json *v,
                     double *out) {
    int64_t x;
    size_t i = 0;
    if (trunc(*out) != *out) return fail_fraction(r, s, v);
    while (ranges[i].name && strcmp(ranges[i].name, s->name) != 0) i++;
    if (json_int(v, &x) && x >= ranges[i].least && x <= ranges[i].most) return true;
    return error_set(r->error, ERROR_INVALID_VALUE,
                     "`%s` must be between %" PRId32 " and %" PRId32 ", found %.0f", s->name,
                     ranges[i].least, ranges[i].most, *out);
}

static bool is_non_finite(const char *text) {
    return strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 ||
           strcmp(text, "-Infinity") == 0;
}

bool setting_read(struct reading *r, const struct setting *s, const struct json *v, double *out) {
    size_t n;
    switch (json_type(v)) {
    case JSON_NULL:
        if (!s->optional) return fail_kind(r, s, v);
        *out = NAN;
        return true;
    case JSON_BOOL:
        if (s->kind != SETTING_BOOL) return fail_kind(r, s, v);
        *out = json_bool(v);
        return true;
    case JSON_STRING:
        if (s->kind != SETTING_BOOL && is_non_finite(json_string(v)))
            return error_set(r->error, ERROR_INVALID_VALUE, "`%s` must be finite, found %s",
                             s->name, json_string(v));
        return fail_kind(r, s, v);
    case JSON_NUMBER:
        if (s->kind == SETTING_BOOL) return fail_kind(r, s, v);
        if (!json_double(v, out) || fabs(*out) > FLT_MAX) {
            const char *text = json_text(v, &n);
            return error_set(r->error, ERROR_INVALID_VALUE,
                             "`%s` is out of the range of float32: %.*s", s->name,
                             (int)(n < 40 ? n : 40), text);
        }
        return s->kind == SETTING_INT ? read_int(r, s, v, out) : true;
    default:
        return fail_kind(r, s, v);
    }
}

void setting_write(struct writer *out, const struct setting *s, double value) {
    if (isnan(value)) {
        write_text(out, "null");
    } else if (s->kind == SETTING_BOOL) {
        write_text(out, value != 0 ? "true" : "false");
    } else if (s->kind == SETTING_INT ||
               (s->kind == SETTING_STEPS && trunc(value) == value && fabs(value) < 1e15)) {
        write_int(out, (int64_t)value);
    } else {
        write_double(out, value);
    }
}

bool settings_fail_unknown(struct reading *r, const struct json *const *unknown, size_t n,
                           const char *const *known, size_t n_known) {
    char text[PYTHON_TEXT];
    python_dict(text, unknown, n, r->arena);
    const char *near = name_nearest(json_key(*unknown), known, n_known);
    return error_set(r->error, ERROR_INVALID_ARGUMENT, "Argument(s) not recognized: %s%s%s%s", text,
                     near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}
