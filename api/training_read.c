/* The state of optimizers as it was sent. Whose it is and where it is kept is not asked here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/place.h"
#include "api/training_slots.h"
#include "core/op.h"

/* ---- reading ---------------------------------------------------------------------------------- */

static bool fail_type(const struct json *v, const char *wants, struct error *error) {
    return error_set(error, ERROR_INVALID_REQUEST, "expected %s, found %s", wants,
                     json_type_name(v));
}

/* Calls `see` for the members of the slots' object and of those of the parts. */
static bool each_object(const struct json *slots, bool is_part, slots_see see, void *context,
                        uint32_t part, struct error *error) {
    if (json_type(slots) != JSON_OBJECT) return fail_type(slots, "an object", error);
    for (const struct json *v = json_first(slots); v; v = json_next(v)) {
        if (is_part || strcmp(json_key(v), SLOTS_PARTS) != 0) {
            if (!see(context, part, v)) return error_under(error, json_key(v));
            continue;
        }
        if (json_type(v) != JSON_ARRAY)
            return fail_type(v, "a list of objects", error) || error_under(error, SLOTS_PARTS);
        uint32_t i = 0;
        for (const struct json *p = json_first(v); p; p = json_next(p), i++) {
            if (each_object(p, true, see, context, i + 1, error)) continue;
            error_under_index(error, i);
            return error_under(error, SLOTS_PARTS);
        }
    }
    return true;
}

bool slots_each(const struct optimizer_sent *sent, slots_see see, void *context,
                struct error *error) {
    return !sent->slots || each_object(sent->slots, false, see, context, 0, error) ||
           error_under(error, "slots");
}

/* A slot by its names. */
struct key {
    uint32_t part;
    const char *variable, *name; /* name NULL: before all of the variable */
    size_t slot;
};

struct reader {
    const struct slots_reading *r;
    const struct key *keys; /* sorted */
    struct tensor *values;
};

static int compare_owners(const struct key *x, const struct key *y) {
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    return strcmp(x->variable, y->variable);
}

static int compare(const void *a, const void *b) {
    const struct key *x = a, *y = b;
    const int owners = compare_owners(x, y);
    return owners ? owners : strcmp(x->name, y->name);
}

static bool fail_slot(const struct reader *rd, const struct key *key) {
    const struct slots_reading *r = rd->r;
    const char *names[64] = {NULL};
    char list[200] = "";
    size_t n = 0;
    int at = 0;
    for (size_t i = 0; i < r->n_slots && n < 64; i++) {
        if (compare_owners(&rd->keys[i], key) != 0) continue;
        names[n++] = rd->keys[i].name;
        if (at < (int)sizeof list)
            at += snprintf(list + at, sizeof list - (size_t)at, "%s%s", at ? ", " : "",
                           rd->keys[i].name);
    }
    const char *near = name_nearest(key->name, names, n);
    if (n == 0)
        return error_set(r->error, ERROR_INVALID_VALUE,
                         "%s keeps nothing of \"%.80s\", and \"%.80s\" was sent",
                         r->config->optimizer->name, key->variable, key->name);
    return error_set(r->error, ERROR_INVALID_VALUE,
                     "%s keeps no \"%.80s\" of \"%.80s\"; %s%s%st keeps %s",
                     r->config->optimizer->name, key->name, key->variable,
                     near ? "did you mean \"" : "", near ? near : "", near ? "\"? I" : "i", list);
}

/* Counts are rounded to floats on their way through the formulas. */
enum { COUNT_BITS = 53 };
static const int64_t count_most = INT64_C(1) << COUNT_BITS;

static bool fail_count(struct error *error, int64_t n) {
    return error_set(error, ERROR_INVALID_VALUE,
                     "expected a whole number from 0 to %" PRId64 ", found %" PRId64, count_most,
                     n);
}

static bool check_value(const struct reader *rd, const struct optimizer_slot *slot,
                        const struct tensor *t) {
    struct error *error = rd->r->error;
    char has[SHAPE_TEXT], wants[SHAPE_TEXT];
    if (!slot_fits(slot, t) && !slot_converts(slot, t))
        return error_set(
            error, t->dtype == slot->dtype ? ERROR_SHAPE_MISMATCH : ERROR_DTYPE_MISMATCH,
            "the slot is %s of shape %s; found %s of shape %s", dtype_name(slot->dtype),
            shape_text(&slot->shape, wants), dtype_name(t->dtype), shape_text(&t->shape, has));
    if (t->dtype != DTYPE_I64 || t->shape.rank) return true;
    const int64_t n = *(const int64_t *)t->data;
    return (n >= 0 && n <= count_most) || fail_count(error, n);
}

static bool read_value(const struct reader *rd, uint32_t part, const char *variable,
                       const struct json *v) {
    const struct slots_reading *r = rd->r;
    const struct key key = {.part = part, .variable = variable, .name = json_key(v)};
    const struct key *found =
        r->n_slots ? bsearch(&key, rd->keys, r->n_slots, sizeof key, compare) : NULL;
    if (!found) return fail_slot(rd, &key);
    const struct optimizer_slot *slot = &r->slots[found->slot];
    struct tensor *t = &rd->values[found->slot];
    return json_tensor(r->arena, v, slot->dtype, r->max_elements, "", t, r->error) &&
           check_value(rd, slot, t);
}

static bool read_object(void *context, uint32_t part, const struct json *v) {
    const struct reader *rd = context;
    struct error *error = rd->r->error;
    const char *variable = json_key(v);
    if (json_type(v) != JSON_OBJECT) return fail_type(v, "an object of slots", error);
    for (const struct json *m = json_first(v); m; m = json_next(m))
        if (!read_value(rd, part, variable, m)) return error_under(error, json_key(m));
    return true;
}

static const struct optimizer_config *config_of(const struct optimizer_config *config,
                                                uint32_t part) {
    return part ? &config->parts[part - 1].config : config;
}

static bool read_count(const struct json *v, int64_t *out, struct error *error) {
    size_t n = 0;
    if (json_int(v, out)) return (*out >= 0 && *out <= count_most) || fail_count(error, *out);
    const char *text = json_type(v) == JSON_NUMBER ? json_text(v, &n) : json_type_name(v);
    if (!n) n = strlen(text);
    return error_set(error, ERROR_INVALID_VALUE,
                     "expected a whole number from 0 to %" PRId64 ", found %.*s", count_most,
                     (int)(n < 40 ? n : 40), text);
}

/* Keras' `iterations` counts updates, and "iteration" every call, also where several make one update. */
static bool read_iterations(const struct slots_reading *r, struct tensor *values) {
    int64_t n;
    if (!read_count(r->sent->iterations, &n, r->error)) return false;
    for (size_t i = 0; i < r->n_slots; i++) {
        const struct optimizer_slot *slot = &r->slots[i];
        int64_t calls = n;
        if (slot->variable != OPTIMIZER_ITSELF || strcmp(slot->name, "iteration") != 0) continue;
        if (values[i].data) {
            const int64_t sent = optimizer_iterations(r->config, *(const int64_t *)values[i].data);
            if (slot->part != iterations_part(r->config) || sent == n) continue;
            return error_set(r->error, ERROR_INVALID_VALUE,
                             "iterations is %" PRId64
                             ", and \"iteration\" among the slots makes it "
                             "%" PRId64,
                             n, sent);
        }
        if (n == 0) continue; /* It begins so. */
        const double steps =
            config_of(r->config, slot->part ? slot->part : iterations_part(r->config))
                ->common[COMMON_GRADIENT_ACCUMULATION_STEPS];
        if (steps >= 2 && (__builtin_mul_overflow(n, (int64_t)steps, &calls) || calls > count_most))
            return error_set(r->error, ERROR_INVALID_VALUE,
                             "%" PRId64 " iterations of %.0f calls each are more than the %" PRId64
                             " calls that are counted",
                             n, steps, count_most);
        if (!slot_fill(slot, 0, r->arena, &values[i])) return slots_fail_memory(r->arena, r->error);
        *(int64_t *)values[i].data = calls;
    }
    return true;
}

bool slots_read(const struct slots_reading *r, struct tensor *values) {
    struct key *keys = arena_alloc(r->arena, r->n_slots * sizeof *keys);
    struct reader rd = {.r = r, .keys = keys, .values = values};
    if (!keys) return slots_fail_memory(r->arena, r->error);
    for (size_t i = 0; i < r->n_slots; i++) {
        const uint32_t v = r->slots[i].variable;
        keys[i] =
            (struct key){.part = r->slots[i].part,
                         .variable = v == OPTIMIZER_ITSELF ? SLOTS_ITSELF : r->variables[v].name,
                         .name = r->slots[i].name,
                         .slot = i};
    }
    if (r->n_slots) qsort(keys, r->n_slots, sizeof *keys, compare);
    if (!slots_each(r->sent, read_object, &rd, r->error)) return false;
    return !r->sent->iterations || read_iterations(r, values) ||
           error_under(r->error, "iterations");
}

bool optimizer_state(const struct optimizer_sent *sent, const struct optimizer_variable *variables,
                     const struct tensor *const *values, size_t n, int64_t max_elements,
                     struct arena *arena, struct optimizer_slot **slots, size_t *n_slots,
                     struct tensor **state, struct error *error) {
    *slots = slots_list(&sent->config, variables, n, arena, n_slots, error);
    *state = *slots ? arena_zalloc(arena, *n_slots * sizeof **state) : NULL;
    if (!*state) return slots_fail_memory(arena, error);
    const struct slots_reading r = {.sent = sent,
                                    .config = &sent->config,
                                    .variables = variables,
                                    .n = n,
                                    .slots = *slots,
                                    .n_slots = *n_slots,
                                    .max_elements = max_elements,
                                    .arena = arena,
                                    .error = error};
    return slots_read(&r, *state) && (slots_begin(*slots, *n_slots, values, arena, *state) ||
                                      slots_fail_memory(arena, error));
}
