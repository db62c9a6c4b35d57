/* The state of optimizers as JSON: read, begun where nothing was sent, written. Whose it is and where
 * it is kept is not asked here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/place.h"
#include "api/training_slots.h"
#include "core/op.h"

static const char itself[] = "$optimizer", parts[] = "$parts";

uint32_t iterations_part(const struct optimizer_config *config) {
    return strcmp(config->optimizer->name, "LossScaleOptimizer") == 0;
}

bool slots_fail_memory(const struct arena *arena, struct error *error) {
    return error_set(error, ERROR_MEMORY_BUDGET,
                     "the optimizer's state needs more than the %zu bytes of memory it may take",
                     arena->ceiling);
}

/* ---- beginning -------------------------------------------------------------------------------- */

#define FILL(type)                                                                                 \
    for (int64_t i = 0; i < n; i++) ((type *)out->data)[i] = (type)value;                          \
    break

static bool fill(const struct optimizer_slot *slot, double value, struct arena *arena,
                 struct tensor *out) {
    const int64_t n = shape_count(&slot->shape);
    *out = (struct tensor){.dtype = slot->dtype, .shape = slot->shape};
    out->data = arena_alloc_tensor(arena, tensor_bytes(out));
    if (!out->data) return false;
    switch (slot->dtype) {
    case DTYPE_F32:
        FILL(float);
    case DTYPE_F64:
        FILL(double);
    case DTYPE_I32:
        FILL(int32_t);
    case DTYPE_I64:
        FILL(int64_t);
    case DTYPE_BOOL:
        FILL(uint8_t);
    case DTYPE_COUNT:
        break;
    }
    return true;
}

static double float_scalar(const struct tensor *t) {
    return t->dtype == DTYPE_F32 ? (double)*(const float *)t->data : *(const double *)t->data;
}

/* A scalar of the optimizer itself has the dtype of whatever variable came first. */
static bool converts(const struct optimizer_slot *slot, const struct tensor *t) {
    return slot->variable == OPTIMIZER_ITSELF && slot->shape.rank == 0 && t->shape.rank == 0 &&
           dtype_is_float(slot->dtype) && dtype_is_float(t->dtype);
}

/* A moving average that begins when updates were made begins where the variable is: from 0 it would be
 * far off for long. */
static bool begins_late(const struct optimizer_slot *slot, const struct tensor *iteration) {
    return iteration && *(const int64_t *)iteration->data > 0 && strcmp(slot->name, "average") == 0;
}

bool slots_begin(const struct optimizer_slot *slots, size_t n, const struct tensor *const *of,
                 struct arena *arena, struct tensor *values) {
    const struct tensor *iteration = NULL; /* of the part; it comes before its other slots */
    bool whole = true;
    for (size_t i = 0; whole && i < n; i++) {
        const struct optimizer_slot *slot = &slots[i];
        struct tensor *t = &values[i];
        const bool own = slot->variable == OPTIMIZER_ITSELF;
        if (!(t->data && slot_fits(slot, t))) {
            if (t->data && converts(slot, t))
                whole = fill(slot, float_scalar(t), arena, t);
            else if (!own && (slot->copies || begins_late(slot, iteration)))
                *t = *of[slot->variable];
            else
                whole = fill(slot, slot->initial, arena, t);
        }
        if (own && strcmp(slot->name, "iteration") == 0) iteration = t;
    }
    return whole;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static bool fail_type(const struct json *v, const char *wants, struct error *error) {
    return error_set(error, ERROR_INVALID_REQUEST, "expected %s, found %s", wants,
                     json_type_name(v));
}

/* Calls `see` for the members of the slots' object and of those of the parts. */
static bool each_object(const struct json *slots, bool is_part,
                        bool (*see)(void *context, uint32_t part, const struct json *v),
                        void *context, uint32_t part, struct error *error) {
    if (json_type(slots) != JSON_OBJECT) return fail_type(slots, "an object", error);
    for (const struct json *v = json_first(slots); v; v = json_next(v)) {
        if (is_part || strcmp(json_key(v), parts) != 0) {
            if (!see(context, part, v)) return error_under(error, json_key(v));
            continue;
        }
        if (json_type(v) != JSON_ARRAY)
            return fail_type(v, "a list of objects", error) || error_under(error, parts);
        uint32_t i = 0;
        for (const struct json *p = json_first(v); p; p = json_next(p), i++) {
            if (each_object(p, true, see, context, i + 1, error)) continue;
            error_under_index(error, i);
            return error_under(error, parts);
        }
    }
    return true;
}

struct naming {
    const char **names;
    size_t n;
};

static bool count_name(void *context, uint32_t part, const struct json *v) {
    struct naming *naming = context;
    (void)part;
    (void)v;
    naming->n++;
    return true;
}

static bool add_name(void *context, uint32_t part, const struct json *v) {
    struct naming *naming = context;
    (void)part;
    if (strcmp(json_key(v), itself) != 0) naming->names[naming->n++] = json_key(v);
    return true;
}

bool slots_names(const struct optimizer_sent *sent, struct arena *arena, const char ***names,
                 size_t *n, struct error *error) {
    struct naming naming = {.n = 0};
    if (sent->slots && !each_object(sent->slots, false, count_name, &naming, 0, error))
        return error_under(error, "slots");
    *names = naming.names = arena_alloc(arena, naming.n * sizeof *naming.names);
    if (!naming.names) return slots_fail_memory(arena, error);
    naming.n = 0;
    if (sent->slots) each_object(sent->slots, false, add_name, &naming, 0, error);
    *n = naming.n;
    return true;
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
    const char *names[64];
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
                     "%s keeps no \"%.80s\" of \"%.80s\"%s%s%s; it keeps %s",
                     r->config->optimizer->name, key->name, key->variable,
                     near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "", list);
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
    if (!slot_fits(slot, t) && !converts(slot, t))
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
    if (!json_int(v, out))
        return error_set(error, ERROR_INVALID_VALUE,
                         "expected a whole number from 0 to %" PRId64 ", found %s", count_most,
                         json_type(v) == JSON_NUMBER ? "another number" : json_type_name(v));
    return (*out >= 0 && *out <= count_most) || fail_count(error, *out);
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
        const double steps =
            config_of(r->config, slot->part)->common[COMMON_GRADIENT_ACCUMULATION_STEPS];
        if (steps >= 2 && __builtin_mul_overflow(n, (int64_t)steps, &calls))
            return fail_count(r->error, n);
        if (!fill(slot, 0, r->arena, &values[i])) return slots_fail_memory(r->arena, r->error);
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
        keys[i] = (struct key){.part = r->slots[i].part,
                               .variable = v == OPTIMIZER_ITSELF ? itself : r->variables[v].name,
                               .name = r->slots[i].name,
                               .slot = i};
    }
    if (r->n_slots) qsort(keys, r->n_slots, sizeof *keys, compare);
    if (r->sent->slots && !each_object(r->sent->slots, false, read_object, &rd, 0, r->error))
        return error_under(r->error, "slots");
    return !r->sent->iterations || read_iterations(r, values) ||
           error_under(r->error, "iterations");
}

bool optimizer_state(const struct optimizer_sent *sent, const struct optimizer_variable *variables,
                     const struct tensor *const *values, size_t n, int64_t max_elements,
                     struct arena *arena, struct optimizer_slot **slots, size_t *n_slots,
                     struct tensor **state, struct error *error) {
    *slots = optimizer_slots(&sent->config, variables, n, pattern_matches, arena, n_slots);
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

/* ---- writing ---------------------------------------------------------------------------------- */

struct slots_writing slots_write_begin(struct writer *out, enum tensor_format format) {
    write_text(out, ",\"slots\":{");
    return (struct slots_writing){.out = out, .format = format};
}

static void close_variable(struct slots_writing *w) {
    if (w->open) write_text(w->out, "}");
    w->open = NULL;
}

static void next_part(struct slots_writing *w) {
    close_variable(w);
    if (w->part++ == 0) {
        write_text(w->out, w->has_members ? ",\"" : "\"");
        write_text(w->out, parts);
        write_text(w->out, "\":[{");
    } else {
        write_text(w->out, "},{");
    }
    w->has_members = false;
}

void slots_write(struct slots_writing *w, uint32_t part, const char *variable, const char *name,
                 const struct tensor *value) {
    if (!variable) variable = itself;
    while (w->part < part) next_part(w);
    if (w->open && strcmp(w->open, variable) == 0) {
        write_text(w->out, ",");
    } else {
        close_variable(w);
        write_text(w->out, w->has_members ? "," : "");
        write_string(w->out, variable);
        write_text(w->out, ":{");
        w->open = variable;
        w->has_members = true;
    }
    write_string(w->out, name);
    write_text(w->out, ":");
    write_tensor(w->out, value, w->format);
}

void slots_write_end(struct slots_writing *w) {
    close_variable(w);
    write_text(w->out, w->part ? "}]}" : "}");
}

struct shown {
    const struct optimizer_slot *slot;
    const struct tensor *value;
};

/* An optimizer's own slots before those of variables. */
static int compare_shown(const void *a, const void *b) {
    const struct optimizer_slot *x = ((const struct shown *)a)->slot,
                                *y = ((const struct shown *)b)->slot;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    if (x->variable != y->variable) return x->variable + 1 < y->variable + 1 ? -1 : 1;
    return strcmp(x->name, y->name);
}

void optimizer_write_state(struct writer *out, const struct optimizer_config *config,
                           const struct optimizer_variable *variables,
                           const struct optimizer_slot *slots, const struct tensor *state, size_t n,
                           enum tensor_format format) {
    struct shown *shown = malloc((n + 1) * sizeof *shown);
    int64_t iteration = 0;
    if (!shown) {
        out->full = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        shown[i] = (struct shown){&slots[i], &state[i]};
        if (slots[i].part == iterations_part(config) && slots[i].variable == OPTIMIZER_ITSELF &&
            strcmp(slots[i].name, "iteration") == 0)
            iteration = *(const int64_t *)state[i].data;
    }
    if (n) qsort(shown, n, sizeof *shown, compare_shown);
    write_text(out, "\"iterations\":");
    write_int(out, optimizer_iterations(config, iteration));
    struct slots_writing w = slots_write_begin(out, format);
    for (size_t i = 0; i < n; i++) {
        const uint32_t v = shown[i].slot->variable;
        slots_write(&w, shown[i].slot->part, v == OPTIMIZER_ITSELF ? NULL : variables[v].name,
                    shown[i].slot->name, shown[i].value);
    }
    slots_write_end(&w);
    free(shown);
}
