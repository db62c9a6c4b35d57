/* Optimizers around others, as they are sent: LossScaleOptimizer's one, and MultiOptimizer's by patterns of
 * names. No optimizer around others stands inside of another. */
#include <stdio.h>
#include <string.h>

#include "api/optimizer_own.h"

bool is_multi(const struct optimizer *o) {
    return o->wraps && strcmp(o->name, "MultiOptimizer") == 0;
}

const char *const *parts_members(const struct optimizer *o) {
    static const char *const none[] = {NULL},
                             *const multi[] = {"optimizers", "optimizer_map", NULL},
                             *const scale[] = {"inner_optimizer", "dynamic", NULL};
    return is_multi(o) ? multi : o->wraps ? scale : none;
}

double parts_loss_scale(const struct optimizer_config *outer) {
    const struct setting *settings = outer->optimizer->settings;
    const struct setting *s = setting_find(settings, SETTINGS_MAX, "loss_scale_factor");
    return s ? outer->own[s - settings] : NAN;
}

/* Whether a common argument has its preset, which Keras used to serialise here too. */
static bool is_preset(struct reading *r, const struct setting *s, const struct json *v) {
    double found;
    if (!setting_read(r, s, v, &found)) {
        error_clear(r->error);
        return false;
    }
    return isnan(s->preset) ? isnan(found) : found == s->preset;
}

bool parts_check_arguments(struct reading *r, const struct optimizer_config *config,
                           const struct form *form) {
    if (!config->optimizer->wraps || is_multi(config->optimizer)) return true;
    const struct json *dynamic = json_member(form->args, "dynamic");
    if (dynamic && !(json_type(dynamic) == JSON_BOOL && json_bool(dynamic))) {
        error_set(r->error, ERROR_INVALID_ARGUMENT,
                  "LossScaleOptimizer no longer supports `dynamic=False`. Instead, simply set "
                  "`loss_scale_factor` directly on the `inner_optimizer`.");
        return form_under(r, form, "dynamic");
    }
    for (const struct json *m = json_first(form->args); m; m = json_next(m)) {
        const struct setting *s = setting_find(optimizer_common, COMMON_COUNT, json_key(m));
        if (!s || is_preset(r, s, m)) continue;
        error_set(r->error, ERROR_INVALID_ARGUMENT,
                  "LossScaleOptimizer does not support `%s`. Instead, set `%s` on the "
                  "`inner_optimizer`.",
                  s->name, s->name);
        return form_under(r, form, s->name);
    }
    return true;
}

bool parts_fail_unknown(struct reading *r, const struct json *const *unknown, size_t n) {
    char names[400] = "";
    size_t at = 0;
    for (size_t i = 0; i < n && at < sizeof names - 80; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s`%.60s`", i ? ", " : "",
                               json_key(unknown[i]));
    return error_set(r->error, ERROR_INVALID_ARGUMENT,
                     "LossScaleOptimizer does not support arguments: %s.", names);
}

static const struct json *argument(const struct form *form, const char *name) {
    return form->args ? json_member(form->args, name) : NULL;
}

static bool fail_missing(struct reading *r, const struct optimizer_config *config,
                         const struct form *form, const char *name) {
    error_set(r->error, ERROR_INVALID_ARGUMENT, "%s: argument \"%s\" is missing",
              config->optimizer->name, name);
    return form->args_member ? error_under(r->error, form->args_member) : false;
}

/* One inner optimizer. The loss is scaled by the outermost one alone, whose factor Keras gives to all. */
static bool read_inner(struct reading *r, const struct json *v, bool change,
                       const struct optimizer_config *outer, struct optimizer_config *config) {
    r->inside = outer->optimizer;
    const bool ok = config_read(r, v, change, config, NULL);
    r->inside = NULL;
    if (!ok) return false;
    const double factor = config->common[COMMON_LOSS_SCALE_FACTOR];
    config->common[COMMON_LOSS_SCALE_FACTOR] = NAN;
    if (isnan(factor) || factor == parts_loss_scale(outer)) return true;
    error_set(r->error, ERROR_INVALID_VALUE,
              "`loss_scale_factor` of an optimizer inside of a %s must be null%s",
              outer->optimizer->name,
              is_multi(outer->optimizer) ? " or that of the MultiOptimizer" : "");
    return error_under(r->error, "loss_scale_factor");
}

static bool read_scaled(struct reading *r, const struct form *form, bool change,
                        struct optimizer_config *config) {
    const struct json *v = argument(form, "inner_optimizer");
    if (!v) return change || fail_missing(r, config, form, "inner_optimizer");
    struct optimizer_part *part = arena_zalloc(r->arena, sizeof *part);
    if (!part) return reading_fail_memory(r);
    if (change) *part = *config->parts;
    config->parts = part;
    config->n_parts = 1;
    return read_inner(r, v, change, config, &part->config) ||
           form_under(r, form, "inner_optimizer");
}

/* ---- MultiOptimizer --------------------------------------------------------------------------- */

static bool same_pattern(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct optimizer_part *find_part(struct optimizer_part *parts, size_t n,
                                        const char *pattern) {
    for (size_t i = 0; i < n; i++)
        if (same_pattern(parts[i].pattern, pattern)) return &parts[i];
    return NULL;
}

/* A part for a pattern: a new one, or in `change` the one that has it. */
static struct optimizer_part *part_for(struct reading *r, const char *pattern, bool change,
                                       struct optimizer_part *parts,
                                       struct optimizer_config *config) {
    struct optimizer_part *part = find_part(parts, config->n_parts, pattern);
    if (change && part) return part;
    if (change) {
        error_set(r->error, ERROR_INVALID_VALUE, "no optimizer is for the variables \"%.80s\"",
                  pattern);
    } else if (part && pattern) {
        error_set(
            r->error, ERROR_INVALID_VALUE,
            "'%.80s' already exists in the OptimizerMap. Please make sure to not use duplicated "
            "keys.",
            pattern);
    } else if (part) {
        error_set(r->error, ERROR_INVALID_VALUE,
                  "two optimizers have no `variables`; one takes all that the others do not");
    } else if (!pattern || reading_pattern(r, pattern)) {
        part = &parts[config->n_parts++];
        part->pattern = pattern ? arena_copy_text(r->arena, pattern, strlen(pattern)) : NULL;
        if (part->pattern || !pattern) return part;
        reading_fail_memory(r);
    }
    return NULL;
}

/* {"variables":"pattern","optimizer":...} */
static bool read_entry(struct reading *r, const struct json *v, bool change,
                       struct optimizer_part *parts, struct optimizer_config *config) {
    if (json_type(v) != JSON_OBJECT)
        return error_set(r->error, ERROR_INVALID_REQUEST, "expected an object, found %s",
                         json_type_name(v));
    const struct json *variables = NULL, *optimizer = NULL;
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        if (strcmp(json_key(m), "variables") == 0) {
            variables = m;
        } else if (strcmp(json_key(m), "optimizer") == 0) {
            optimizer = m;
        } else {
            error_set(r->error, ERROR_INVALID_REQUEST,
                      "unknown member \"%.60s\"; accepted: variables, optimizer", json_key(m));
            return error_under(r->error, json_key(m));
        }
    }
    if (variables && json_type(variables) != JSON_STRING) {
        error_set(r->error, ERROR_INVALID_REQUEST, "expected a pattern of names, found %s",
                  json_type_name(variables));
        return error_under(r->error, "variables");
    }
    if (!optimizer)
        return error_set(r->error, ERROR_INVALID_REQUEST, "member \"optimizer\" is missing");
    struct optimizer_part *part =
        part_for(r, variables ? json_string(variables) : NULL, change, parts, config);
    if (!part) return variables ? error_under(r->error, "variables") : false;
    return read_inner(r, optimizer, change, config, &part->config) ||
           error_under(r->error, "optimizer");
}

/* Room for n parts, in `change` with those that there are. */
static struct optimizer_part *make_parts(struct reading *r, size_t n, bool change,
                                         struct optimizer_config *config) {
    if (n > PARTS_MOST) {
        error_set(r->error, ERROR_INVALID_VALUE, "a MultiOptimizer of %zu optimizers may have %d",
                  n, (int)PARTS_MOST);
        return NULL;
    }
    struct optimizer_part *parts = arena_zalloc(r->arena, (PARTS_MOST + 1) * sizeof *parts);
    if (!parts) {
        reading_fail_memory(r);
        return NULL;
    }
    if (change) memcpy(parts, config->parts, config->n_parts * sizeof *parts);
    config->parts = parts;
    return parts;
}

static bool read_entries(struct reading *r, const struct json *v, bool change,
                         struct optimizer_config *config) {
    size_t i = 0;
    if (json_type(v) != JSON_ARRAY)
        return error_set(r->error, ERROR_INVALID_REQUEST, "expected a list of objects, found %s",
                         json_type_name(v));
    struct optimizer_part *parts = make_parts(r, json_length(v), change, config);
    if (!parts) return false;
    for (const struct json *e = json_first(v); e; e = json_next(e), i++)
        if (!read_entry(r, e, change, parts, config)) return error_under_index(r->error, i);
    if (find_part(parts, config->n_parts, NULL)) return true;
    return error_set(
        r->error, ERROR_INVALID_VALUE,
        "one of the optimizers must have no `variables`: it takes all that the others do "
        "not");
}

/* Keras' OptimizerMap: {"default_optimizer":...,"optimizer_map":{"pattern":...}}. */
static bool read_map(struct reading *r, const struct form *map, struct optimizer_config *config) {
    const struct json *first = argument(map, "default_optimizer"),
                      *others = argument(map, "optimizer_map");
    if (!first || (others && json_type(others) != JSON_OBJECT)) {
        error_set(r->error, ERROR_INVALID_REQUEST,
                  "an OptimizerMap has a default_optimizer and an object optimizer_map");
        return map->args_member ? error_under(r->error, map->args_member) : false;
    }
    struct optimizer_part *parts =
        make_parts(r, 1 + (others ? json_length(others) : 0), false, config);
    if (!parts) return false;
    for (const struct json *m = others ? json_first(others) : NULL; m; m = json_next(m)) {
        struct optimizer_part *part = part_for(r, json_key(m), false, parts, config);
        if (part && read_inner(r, m, false, config, &part->config)) continue;
        error_under(r->error, json_key(m));
        return form_under(r, map, "optimizer_map");
    }
    struct optimizer_part *part = part_for(r, NULL, false, parts, config);
    return (part && read_inner(r, first, false, config, &part->config)) ||
           form_under(r, map, "default_optimizer");
}

static bool read_keras_map(struct reading *r, const struct json *v,
                           struct optimizer_config *config) {
    struct form map;
    if (!form_read(r, v, "an OptimizerMap", 0, &map)) return false;
    if (strcmp(map.class, "OptimizerMap") == 0) return read_map(r, &map, config);
    error_set(r->error, ERROR_INVALID_VALUE, "expected an OptimizerMap, found \"%.60s\"",
              map.class);
    return map.class_member ? error_under(r->error, map.class_member) : false;
}

static bool read_multi(struct reading *r, const struct form *form, bool change,
                       struct optimizer_config *config) {
    const struct json *list = argument(form, "optimizers"), *map = argument(form, "optimizer_map");
    if (map && (list || change)) {
        error_set(
            r->error, ERROR_INVALID_ARGUMENT,
            change ? "`optimizer_map` cannot be changed: `optimizers` can"
                   : "`optimizer_map` is Keras' form of `optimizers`: one of them is to be given");
        return form_under(r, form, "optimizer_map");
    }
    if (map) return read_keras_map(r, map, config) || form_under(r, form, "optimizer_map");
    if (list) return read_entries(r, list, change, config) || form_under(r, form, "optimizers");
    return change || fail_missing(r, config, form, "optimizers");
}

bool parts_read(struct reading *r, const struct form *form, bool change,
                struct optimizer_config *config) {
    if (!config->optimizer->wraps) return true;
    return is_multi(config->optimizer) ? read_multi(r, form, change, config)
                                       : read_scaled(r, form, change, config);
}
