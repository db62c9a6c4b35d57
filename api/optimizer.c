/* Optimizers as they are sent: which class, which arguments, and copies of what was read. Each kind of
 * argument is read elsewhere. No state is looked at. */
#include "api/optimizer.h"

#include <stdio.h>
#include <string.h>

#include "api/optimizer_own.h"
#include "api/python.h"
#include "core/numbers.h"
#include "core/op.h"

/* ---- the class -------------------------------------------------------------------------------- */

enum { CLASSES_MOST = 64 };

static size_t class_names(const char **names) {
    size_t n = 0;
    for (; n < optimizer_count && n < CLASSES_MOST; n++) names[n] = optimizer_table[n]->name;
    return n;
}

static const struct optimizer *find_class(struct reading *r, const struct form *form) {
    const char *names[CLASSES_MOST];
    const struct optimizer *o = optimizer_find(form->class);
    if (o) return o;
    const char *near = name_nearest(form->class, names, class_names(names));
    error_set(r->error, ERROR_INVALID_VALUE,
              "Could not interpret optimizer identifier: %.60s%s%s%s", form->class,
              near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    if (form->class_member) error_under(r->error, form->class_member);
    return NULL;
}

static bool check_same_class(struct reading *r, const struct form *form,
                             const struct optimizer_config *config) {
    if (!form->class || optimizer_find(form->class) == config->optimizer) return true;
    error_set(
        r->error, ERROR_INVALID_VALUE,
        "the optimizer is of class %s and stays so: another one, \"%.60s\", is put in its place "
        "with PUT",
        config->optimizer->name, form->class);
    return error_under(r->error, form->class_member);
}

/* The presets of the class that is named. */
static bool begin_class(struct reading *r, const struct form *form,
                        struct optimizer_config *config) {
    const struct optimizer *o = find_class(r, form);
    if (!o) return false;
    if (r->inside && o->wraps) {
        error_set(r->error, ERROR_INVALID_VALUE, "%s cannot be %s.",
                  is_multi(r->inside) ? "optimizer" : "inner_optimizer", o->name);
        return form->class_member ? error_under(r->error, form->class_member) : false;
    }
    optimizer_defaults(o, config);
    return true;
}

/* ---- its arguments ---------------------------------------------------------------------------- */

/* A list of patterns that the class has, or NULL. */
static const char *const **find_patterns(struct optimizer_config *c, const char *key, size_t **n) {
    if (!c->optimizer->wraps && strcmp(key, "exclude_from_weight_decay") == 0) {
        *n = &c->n_exclude_from_weight_decay;
        return &c->exclude_from_weight_decay;
    }
    if (c->optimizer->excludes_layers && strcmp(key, "exclude_layers") == 0) {
        *n = &c->n_exclude_layers;
        return &c->exclude_layers;
    }
    return NULL;
}

/* The setting of a name and where its value is kept, or NULL. */
static const struct setting *find_setting(struct optimizer_config *c, const char *key,
                                          double **value) {
    const struct setting *s = setting_find(c->optimizer->settings, SETTINGS_MAX, key);
    if (s) {
        *value = &c->own[s - c->optimizer->settings];
        return s;
    }
    s = c->optimizer->wraps ? NULL : setting_find(optimizer_common, COMMON_COUNT, key);
    if (!s) return NULL;
    *value = &c->common[s - optimizer_common];
    return s;
}

static bool is_rate(const struct optimizer_config *c, const char *key) {
    return !c->optimizer->wraps && (strcmp(key, "learning_rate") == 0 || strcmp(key, "lr") == 0);
}

static bool is_decay(const struct optimizer_config *c, const char *key) {
    return !c->optimizer->wraps && strcmp(key, "decay") == 0;
}

static bool is_part(const struct optimizer_config *c, const char *key) {
    for (const char *const *name = parts_members(c->optimizer); *name; name++)
        if (strcmp(*name, key) == 0) return true;
    return false;
}

static bool is_known(struct optimizer_config *c, const char *key) {
    double *value;
    size_t *n;
    /* Keras used to serialise them there too, with their presets. */
    if (c->optimizer->wraps && setting_find(optimizer_common, COMMON_COUNT, key))
        return !is_multi(c->optimizer) || find_setting(c, key, &value);
    return is_rate(c, key) || is_decay(c, key) || is_part(c, key) || find_setting(c, key, &value) ||
           find_patterns(c, key, &n);
}

/* What an unknown argument may have meant. */
static size_t known_names(const struct optimizer_config *c, const char **names) {
    size_t n = 0;
    for (size_t i = 0; c->optimizer->settings[i].name; i++)
        names[n++] = c->optimizer->settings[i].name;
    for (const char *const *name = parts_members(c->optimizer); *name; name++) names[n++] = *name;
    if (c->optimizer->wraps) return n;
    for (size_t i = 0; i < COMMON_COUNT; i++) names[n++] = optimizer_common[i].name;
    names[n++] = "learning_rate";
    names[n++] = "exclude_from_weight_decay";
    if (c->optimizer->excludes_layers) names[n++] = "exclude_layers";
    return n;
}

static bool check_known(struct reading *r, struct optimizer_config *c, const struct form *form) {
    const char *known[SETTINGS_MAX + COMMON_COUNT + 8];
    const struct json *unknown[16];
    size_t n = 0;
    for (const struct json *m = json_first(form->args); m; m = json_next(m))
        if (n < 16 && form_is_argument(form, json_key(m)) && !is_known(c, json_key(m)))
            unknown[n++] = m;
    if (!n) return true;
    if (c->optimizer->wraps && !is_multi(c->optimizer)) {
        parts_fail_unknown(r, unknown, n);
    } else {
        settings_fail_unknown(r, unknown, n, known, known_names(c, known));
    }
    return form_under(r, form, json_key(*unknown));
}

static bool read_rate(struct reading *r, const struct json *v, struct optimizer_config *c) {
    static const struct setting rate = {.name = "learning_rate", .kind = SETTING_FLOAT};
    char found[PYTHON_TEXT];
    if (json_type(v) == JSON_OBJECT) return schedule_read(r, v, &c->schedule);
    c->schedule = NULL;
    if (json_type(v) == JSON_NUMBER) return setting_read(r, &rate, v, &c->learning_rate);
    python_str(found, v, r->arena);
    return error_set(
        r->error, ERROR_INVALID_VALUE,
        "Argument `learning_rate` should be float, or an instance of "
        "LearningRateSchedule, or a callable (that takes in the current iteration value "
        "and returns the corresponding learning rate value). Received instead: "
        "learning_rate=%s",
        found);
}

bool reading_pattern(struct reading *r, const char *pattern) {
    if (r->n_patterns++ < PATTERNS_OF_ALL) return pattern_check(pattern, r->error);
    return error_set(r->error, ERROR_INVALID_VALUE,
                     "an optimizer has more than %d patterns, those of its parts included",
                     (int)PATTERNS_OF_ALL);
}

static bool fail_pattern_type(struct reading *r, const char *key, const struct json *v) {
    return error_set(r->error, ERROR_INVALID_VALUE,
                     "`%s` must be a list of patterns of names, found %s", key, json_type_name(v));
}

static bool read_patterns(struct reading *r, const char *key, const struct json *v,
                          const char *const **out, size_t *n) {
    *n = 0;
    if (json_type(v) == JSON_NULL) return true;
    if (json_type(v) != JSON_ARRAY) return fail_pattern_type(r, key, v);
    const size_t length = json_length(v);
    if (length > PATTERNS_MOST)
        return error_set(r->error, ERROR_INVALID_VALUE, "`%s` has %zu patterns and may have %d",
                         key, length, (int)PATTERNS_MOST);
    const char **patterns = arena_alloc(r->arena, (length + 1) * sizeof *patterns);
    if (!patterns) return reading_fail_memory(r);
    for (const struct json *e = json_first(v); e; e = json_next(e), ++*n) {
        if (json_type(e) != JSON_STRING) {
            fail_pattern_type(r, key, e);
            return error_under_index(r->error, *n);
        }
        if (!reading_pattern(r, json_string(e))) return error_under_index(r->error, *n);
        patterns[*n] = arena_copy_text(r->arena, json_string(e), strlen(json_string(e)));
        if (!patterns[*n]) return reading_fail_memory(r);
    }
    *out = patterns;
    return true;
}

static bool read_argument(struct reading *r, const struct json *m, struct optimizer_config *c) {
    const char *key = json_key(m);
    double *value;
    size_t *n;
    if (is_rate(c, key)) return read_rate(r, m, c);
    const char *const **patterns = find_patterns(c, key, &n);
    if (patterns) return read_patterns(r, key, m, patterns, n);
    const struct setting *s = find_setting(c, key, &value);
    return !s || setting_read(r, s, m, value);
}

static bool read_arguments(struct reading *r, const struct form *form, struct optimizer_config *c) {
    if (!parts_check_arguments(r, c, form) || !check_known(r, c, form)) return false;
    const struct json *lr = json_member(form->args, "lr"),
                      *decay = json_member(form->args, "decay");
    if (lr && json_member(form->args, "learning_rate")) {
        error_set(r->error, ERROR_INVALID_ARGUMENT,
                  "`lr` is another name of `learning_rate`: one of them is to be given");
        return form_under(r, form, "lr");
    }
    if (decay && json_type(decay) != JSON_NULL) r->ignored_decay = decay;
    for (const struct json *m = json_first(form->args); m; m = json_next(m))
        if (form_is_argument(form, json_key(m)) && !read_argument(r, m, c))
            return form_under(r, form, json_key(m));
    return true;
}

/* Keras keeps the learning rate in float32 and so writes 0.001 as 0.0010000000474974513. */
static void restore_rate(struct optimizer_config *c) {
    const float rate = (float)c->learning_rate;
    if ((double)rate != c->learning_rate) return;
    char digits[NUMBER_TEXT];
    const char *rest;
    number_parse_f64(digits, digits + number_print_f32(digits, rate), &c->learning_rate, &rest);
}

/* A check names a setting, which has a place only where it was sent. */
static bool check_settings(struct reading *r, const struct form *form,
                           const struct optimizer_config *config) {
    char *place = r->error->pointer;
    if (optimizer_check(r, config)) return true;
    if (!form->args || !json_member(form->args, place + 1)) *place = '\0';
    return form->args_member ? error_under(r->error, form->args_member) : false;
}

bool config_read(struct reading *r, const struct json *v, bool change,
                 struct optimizer_config *config, struct optimizer_sent *sent) {
    char snake[SNAKE];
    struct form form;
    const unsigned flags = (change ? FORM_CHANGE : 0U) | (sent ? FORM_STATE : 0U);
    if (!form_read(r, v, "an optimizer", flags, &form)) return false;
    if (!(change ? check_same_class(r, &form, config) : begin_class(r, &form, config)))
        return false;
    if (sent) {
        sent->iterations = form.iterations;
        sent->slots = form.slots;
    }
    if (!form_label(r, &form, snake_case(config->optimizer->name, snake), &config->name) ||
        (form.args && !read_arguments(r, &form, config)) || !parts_read(r, &form, change, config))
        return false;
    if (form.class_member && strcmp(form.class_member, "class_name") == 0) restore_rate(config);
    return check_settings(r, &form, config);
}

/* Appends the place of a value inside of another, which it is in. */
static bool find_place(const struct json *v, const struct json *wanted, char *place, size_t size) {
    const size_t before = strlen(place);
    char index[24];
    size_t i = 0;
    if (v == wanted) return true;
    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_ARRAY) return false;
    for (const struct json *child = json_first(v); child; child = json_next(child), i++) {
        snprintf(index, sizeof index, "%zu", i);
        json_pointer(place, size, place, json_type(v) == JSON_OBJECT ? json_key(child) : index);
        if (find_place(child, wanted, place, size)) return true;
        place[before] = '\0';
    }
    return false;
}

static bool tell_ignored(struct reading *r, const struct json *v, struct optimizer_sent *out) {
    char place[sizeof r->error->pointer] = "";
    if (!r->ignored_decay) return true;
    find_place(v, r->ignored_decay, place, sizeof place);
    out->ignored_decay = arena_copy_text(r->arena, place, strlen(place));
    return out->ignored_decay ? true : reading_fail_memory(r);
}

bool optimizer_read(const struct json *v, struct arena *arena, struct optimizer_sent *out,
                    struct error *error) {
    struct reading r = {.arena = arena, .error = error};
    *out = (struct optimizer_sent){0};
    if (!config_read(&r, v, false, &out->config, out)) return false;
    return tell_ignored(&r, v, out);
}

bool optimizer_change(const struct optimizer_config *from, const struct json *changes,
                      struct arena *arena, struct optimizer_sent *out, struct error *error) {
    struct reading r = {.arena = arena, .error = error};
    *out = (struct optimizer_sent){0};
    if (!config_copy(&r, from, &out->config) || !config_read(&r, changes, true, &out->config, out))
        return false;
    return tell_ignored(&r, changes, out);
}

/* ---- copies ----------------------------------------------------------------------------------- */

static const char *copy_text(struct reading *r, const char *text) {
    return text ? arena_copy_text(r->arena, text, strlen(text)) : NULL;
}

static bool copy_patterns(struct reading *r, const char *const **patterns, size_t n) {
    const char **copy = arena_alloc(r->arena, (n + 1) * sizeof *copy);
    if (!copy) return false;
    for (size_t i = 0; i < n; i++)
        if (!(copy[i] = copy_text(r, (*patterns)[i]))) return false;
    *patterns = copy;
    return true;
}

static bool copy_parts(struct reading *r, struct optimizer_config *out) {
    struct optimizer_part *parts = arena_alloc(r->arena, (out->n_parts + 1) * sizeof *parts);
    if (!parts) return reading_fail_memory(r);
    for (size_t i = 0; i < out->n_parts; i++) {
        parts[i].pattern = copy_text(r, out->parts[i].pattern);
        if (!parts[i].pattern && out->parts[i].pattern) return reading_fail_memory(r);
        if (!config_copy(r, &out->parts[i].config, &parts[i].config)) return false;
    }
    out->parts = parts;
    return true;
}

bool config_copy(struct reading *r, const struct optimizer_config *from,
                 struct optimizer_config *out) {
    *out = *from;
    out->name = copy_text(r, from->name);
    if ((from->name && !out->name) ||
        !copy_patterns(r, &out->exclude_from_weight_decay, from->n_exclude_from_weight_decay) ||
        !copy_patterns(r, &out->exclude_layers, from->n_exclude_layers))
        return reading_fail_memory(r);
    return (!from->schedule || schedule_copy(r, from->schedule, &out->schedule)) &&
           (!from->n_parts || copy_parts(r, out));
}

bool optimizer_copy(const struct optimizer_config *from, struct arena *arena,
                    struct optimizer_config *out) {
    struct error error = {0};
    struct reading r = {.arena = arena, .error = &error};
    return config_copy(&r, from, out);
}
