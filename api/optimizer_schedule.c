/* Learning-rate schedules as they are sent and shown. Knows no optimizer. */
#include <stdio.h>
#include <string.h>

#include "api/optimizer_own.h"
#include "api/python.h"
#include "core/op.h"

static bool fail_unknown_class(struct reading *r, const struct form *form) {
    const char *names[16];
    size_t n = 0;
    while (n < schedule_count && n < 16) {
        names[n] = schedule_table[n]->name;
        n++;
    }
    const char *near = name_nearest(form->class, names, n);
    error_set(r->error, ERROR_INVALID_VALUE, "unknown schedule \"%.60s\"%s%s%s", form->class,
              near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return form->class_member ? error_under(r->error, form->class_member) : false;
}

static bool is_list(const struct schedule *s, const char *key) {
    return s->has_lists && (strcmp(key, "boundaries") == 0 || strcmp(key, "values") == 0);
}

static bool check_known(struct reading *r, const struct schedule *s, const struct form *form) {
    const struct json *unknown[16];
    const char *known[SETTINGS_MAX + 2] = {"boundaries", "values"};
    size_t n = 0, n_known = s->has_lists ? 2 : 0;
    for (size_t i = 0; s->settings[i].name; i++) known[n_known++] = s->settings[i].name;
    for (const struct json *m = form->args ? json_first(form->args) : NULL; m; m = json_next(m)) {
        const char *key = json_key(m);
        if (n < 16 && form_is_argument(form, key) && !is_list(s, key) &&
            !setting_find(s->settings, SETTINGS_MAX, key))
            unknown[n++] = m;
    }
    if (!n) return true;
    settings_fail_unknown(r, unknown, n, known, n_known);
    return form_under(r, form, json_key(*unknown));
}

static bool fail_missing(struct reading *r, const struct schedule *s, const struct form *form,
                         const char *name) {
    error_set(r->error, ERROR_INVALID_ARGUMENT, "%s: argument \"%s\" is missing", s->name, name);
    return form->args_member ? error_under(r->error, form->args_member) : false;
}

static const struct json *argument(const struct form *form, const char *name) {
    return form->args ? json_member(form->args, name) : NULL;
}

static bool read_numbers(struct reading *r, const struct schedule *s, const struct form *form,
                         double *number) {
    for (size_t i = 0; s->settings[i].name; i++) {
        const struct setting *setting = &s->settings[i];
        const struct json *v = argument(form, setting->name);
        number[i] = setting->preset;
        if (!v && setting->required) return fail_missing(r, s, form, setting->name);
        if (v && !setting_read(r, setting, v, &number[i]))
            return form_under(r, form, setting->name);
        const bool periods = strcmp(setting->name, "decay_steps") == 0 ||
                             strcmp(setting->name, "first_decay_steps") == 0;
        if (!periods || number[i] > 0) continue;
        char found[PYTHON_TEXT];
        python_repr(found, v, r->arena);
        error_set(r->error, ERROR_INVALID_VALUE, "Argument `%s` must be > 0. Received: %s=%s",
                  setting->name, setting->name, found);
        return form_under(r, form, setting->name);
    }
    return true;
}

static bool read_list(struct reading *r, const struct schedule *s, const struct form *form,
                      const char *name, const double **out, size_t *n) {
    const struct setting element = {.name = name, .kind = SETTING_FLOAT};
    const struct json *v = argument(form, name);
    if (!v) return fail_missing(r, s, form, name);
    const struct json *list = json_type(v) == JSON_NUMBERS ? json_split(r->arena, v) : v;
    if (!list) return reading_fail_memory(r);
    if (json_type(list) != JSON_ARRAY) {
        error_set(r->error, ERROR_INVALID_VALUE, "`%s` must be a list of numbers, found %s", name,
                  json_type_name(v));
        return form_under(r, form, name);
    }
    const int most = BOUNDARIES_MOST + (strcmp(name, "values") == 0);
    *n = json_length(list);
    if (*n > (size_t)most) {
        error_set(r->error, ERROR_INVALID_VALUE, "`%s` has %zu numbers and may have %d", name, *n,
                  most);
        return form_under(r, form, name);
    }
    double *numbers = arena_alloc(r->arena, (*n + 1) * sizeof *numbers);
    if (!numbers) return reading_fail_memory(r);
    size_t i = 0;
    for (const struct json *e = json_first(list); e; e = json_next(e), i++) {
        if (setting_read(r, &element, e, &numbers[i])) continue;
        error_under_index(r->error, i);
        return form_under(r, form, name);
    }
    *out = numbers;
    return true;
}

static bool read_lists(struct reading *r, const struct form *form, struct schedule_config *c) {
    char boundaries[PYTHON_TEXT], values[PYTHON_TEXT];
    if (!read_list(r, c->schedule, form, "boundaries", &c->boundaries, &c->n_boundaries) ||
        !read_list(r, c->schedule, form, "values", &c->values, &c->n_values))
        return false;
    if (c->n_boundaries + 1 != c->n_values) {
        python_repr(boundaries, argument(form, "boundaries"), r->arena);
        python_repr(values, argument(form, "values"), r->arena);
        error_set(r->error, ERROR_INVALID_VALUE,
                  "The length of boundaries should be 1 less than the length of values. Received: "
                  "boundaries=%.100s of length %zu, and values=%.100s of length %zu.",
                  boundaries, c->n_boundaries, values, c->n_values);
        return form_under(r, form, "boundaries");
    }
    if (c->n_boundaries) return true;
    error_set(r->error, ERROR_INVALID_VALUE, "`boundaries` must have one number or more");
    return form_under(r, form, "boundaries");
}

bool schedule_read(struct reading *r, const struct json *v, const struct schedule_config **out) {
    struct form form;
    if (!form_read(r, v, "a schedule", 0, &form)) return false;
    const struct schedule *s = schedule_find(form.class);
    if (!s) return fail_unknown_class(r, &form);
    struct schedule_config *c = arena_zalloc(r->arena, sizeof *c);
    if (!c) return reading_fail_memory(r);
    c->schedule = s;
    if (!check_known(r, s, &form) || !form_label(r, &form, s->label, &c->name) ||
        !read_numbers(r, s, &form, c->number) || (s->has_lists && !read_lists(r, &form, c)))
        return false;
    *out = c;
    return true;
}

/* ---- copies and texts ------------------------------------------------------------------------- */

static const double *copy_numbers(struct reading *r, const double *from, size_t n) {
    double *to = arena_alloc(r->arena, (n + 1) * sizeof *to);
    if (to && n) memcpy(to, from, n * sizeof *to);
    return to;
}

bool schedule_copy(struct reading *r, const struct schedule_config *from,
                   const struct schedule_config **out) {
    struct schedule_config *c = arena_alloc(r->arena, sizeof *c);
    if (!c) return reading_fail_memory(r);
    *c = *from;
    if (from->name) c->name = arena_copy_text(r->arena, from->name, strlen(from->name));
    c->boundaries = copy_numbers(r, from->boundaries, from->n_boundaries);
    c->values = copy_numbers(r, from->values, from->n_values);
    *out = c;
    return (c->boundaries && c->values && (c->name || !from->name)) ? true : reading_fail_memory(r);
}

static void write_list(struct writer *out, const char *name, const double *x, size_t n) {
    write_string(out, name);
    for (size_t i = 0; i < n; i++) {
        write_text(out, i ? "," : ":[");
        write_double(out, x[i]);
    }
    write_text(out, "]");
}

/* The arguments, without braces; none stands before them. */
static void write_arguments(struct writer *out, const struct schedule_config *s) {
    for (size_t i = 0; s->schedule->settings[i].name; i++) {
        if (i) write_text(out, ",");
        write_string(out, s->schedule->settings[i].name);
        write_text(out, ":");
        setting_write(out, &s->schedule->settings[i], s->number[i]);
    }
    if (!s->schedule->has_lists) return;
    write_list(out, "boundaries", s->boundaries, s->n_boundaries);
    write_text(out, ",");
    write_list(out, "values", s->values, s->n_values);
}

void schedule_write(struct writer *out, const struct schedule_config *s) {
    write_text(out, "{\"name\":");
    write_string(out, s->schedule->name);
    write_text(out, ",");
    write_arguments(out, s);
    if (s->name) {
        write_text(out, ",\"instance_name\":");
        write_string(out, s->name);
    }
    write_text(out, "}");
}

void schedule_write_keras(struct writer *out, const struct schedule_config *s) {
    write_text(out, "{\"module\":\"keras.optimizers.schedules\",\"class_name\":");
    write_string(out, s->schedule->name);
    write_text(out, ",\"config\":{");
    write_arguments(out, s);
    write_text(out, ",\"name\":");
    write_string(out, s->name ? s->name : s->schedule->label);
    write_text(out, "},\"registered_name\":null}");
}
