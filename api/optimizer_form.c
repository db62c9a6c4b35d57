/* The ways in which a class with its arguments is written: its name alone, gradd's flat form, and what
 * Keras serialises. Knows no class and no argument. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/optimizer_own.h"

static bool fail_type(struct reading *r, const struct json *v, const char *wants,
                      const char *member) {
    error_set(r->error, ERROR_INVALID_REQUEST, "expected %s, found %s", wants, json_type_name(v));
    return member ? error_under(r->error, member) : false;
}

/* Beside a member `config` stands only what has no place in it. */
static bool check_members(struct reading *r, const struct json *v, const char *const *names,
                          size_t n) {
    char list[120] = "";
    size_t at = 0;
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        size_t i = 0;
        while (i < n && strcmp(names[i], json_key(m)) != 0) i++;
        if (i < n) continue;
        for (i = 0; i < n; i++)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
        error_set(r->error, ERROR_INVALID_REQUEST, "unknown member \"%.60s\"; accepted: %s",
                  json_key(m), list);
        return error_under(r->error, json_key(m));
    }
    return true;
}

static bool check_form(struct reading *r, const struct json *v, bool keras, bool takes_state) {
    static const char *const ours[] = {"name", "config", "iterations", "slots"};
    /* Keras writes where the class comes from; only its own are known. */
    static const char *const theirs[] = {"class_name",   "config",     "module", "registered_name",
                                         "build_config", "iterations", "slots"};
    const size_t n = keras ? sizeof theirs / sizeof *theirs : sizeof ours / sizeof *ours;
    if (!check_members(r, v, keras ? theirs : ours, takes_state ? n : n - 2)) return false;
    const struct json *registered = keras ? json_member(v, "registered_name") : NULL;
    if (!registered || json_type(registered) == JSON_NULL) return true;
    error_set(r->error, ERROR_INVALID_VALUE,
              "`registered_name` must be null: there are no classes but Keras' own");
    return error_under(r->error, "registered_name");
}

bool form_read(struct reading *r, const struct json *v, const char *what, unsigned flags,
               struct form *out) {
    char wants[80];
    const bool change = flags & FORM_CHANGE;
    *out = (struct form){.takes_state = flags & FORM_STATE};
    if (json_type(v) == JSON_STRING && !change) {
        out->class = json_string(v);
        return true;
    }
    if (json_type(v) != JSON_OBJECT) {
        snprintf(wants, sizeof wants, change ? "an object" : "the name of %s or an object", what);
        return fail_type(r, v, wants, NULL);
    }
    const bool keras = json_member(v, "class_name") != NULL;
    const struct json *class = json_member(v, out->class_member = keras ? "class_name" : "name");
    const struct json *config = json_member(v, "config");
    if ((keras || config) && !check_form(r, v, keras, out->takes_state)) return false;
    if (class && json_type(class) != JSON_STRING)
        return fail_type(r, class, "a string", out->class_member);
    if (!class && !change)
        return error_set(r->error, ERROR_INVALID_REQUEST,
                         "member \"name\" is missing: the class of %s", what);
    if (config && json_type(config) != JSON_OBJECT)
        return fail_type(r, config, "an object", "config");
    out->class = class ? json_string(class) : NULL;
    out->args = config || keras ? config : v;
    out->args_member = config ? "config" : NULL;
    out->label_member = config ? "name" : "instance_name";
    out->label = out->args ? json_member(out->args, out->label_member) : NULL;
    if (!out->takes_state) return true;
    out->iterations = json_member(v, "iterations");
    out->slots = json_member(v, "slots");
    return true;
}

bool form_is_argument(const struct form *form, const char *key) {
    if (strcmp(key, form->label_member) == 0) return false;
    if (form->args_member) return true;
    if (strcmp(key, "name") == 0) return false;
    return !form->takes_state || (strcmp(key, "iterations") != 0 && strcmp(key, "slots") != 0);
}

bool form_under(struct reading *r, const struct form *form, const char *member) {
    error_under(r->error, member);
    return form->args_member ? error_under(r->error, form->args_member) : false;
}

bool form_label(struct reading *r, const struct form *form, const char *preset, const char **out) {
    const struct json *v = form->label;
    if (!v) return true;
    *out = NULL;
    if (json_type(v) == JSON_NULL) return true;
    if (json_type(v) != JSON_STRING) {
        fail_type(r, v, "a string or null", NULL);
        return form_under(r, form, form->label_member);
    }
    const size_t n = strlen(json_string(v));
    if (n > LABEL_MOST) {
        error_set(r->error, ERROR_INVALID_VALUE,
                  "a name of %zu bytes is longer than the %d it may have", n, (int)LABEL_MOST);
        return form_under(r, form, form->label_member);
    }
    if (strcmp(json_string(v), preset) == 0) return true;
    *out = arena_copy_text(r->arena, json_string(v), n);
    return *out ? true : reading_fail_memory(r);
}

/* An underscore before a capital that a small letter follows, and before one that follows a small letter,
 * as Keras does it: "rm_sprop", "adam_w". */
const char *snake_case(const char *class, char out[SNAKE]) {
    size_t n = 0;
    for (size_t i = 0; class[i] && n + 2 < SNAKE; i++) {
        const bool capital = isupper((unsigned char)class[i]);
        const bool begins = islower((unsigned char)class[i + 1]);
        if (i && capital && (begins || islower((unsigned char)class[i - 1]))) out[n++] = '_';
        out[n++] = (char)tolower((unsigned char)class[i]);
    }
    out[n] = '\0';
    return out;
}
