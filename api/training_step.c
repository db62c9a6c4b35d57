/* The state of a step: found among what a session keeps, begun where nothing is kept, kept when the step
 * is done. What the step computes is the core's business. */
#include <string.h>

#include "api/training_slots.h"

/* Patterns times variables. A match takes up to 0.2 ms, and each is made a few times in a request. */
enum { MATCHES_MOST = 20000 };

static size_t own_patterns(const struct optimizer_config *c) {
    return c->n_exclude_from_weight_decay + c->n_exclude_layers;
}

static size_t count_patterns(const struct optimizer_config *c) {
    size_t n = own_patterns(c);
    for (size_t i = 0; i < c->n_parts; i++)
        n += (c->parts[i].pattern ? 1 : 0) + own_patterns(&c->parts[i].config);
    return n;
}

struct optimizer_slot *slots_list(const struct optimizer_config *config,
                                  const struct optimizer_variable *variables, size_t n,
                                  struct arena *arena, size_t *n_slots, struct error *error) {
    const size_t patterns = count_patterns(config);
    if (patterns && n > MATCHES_MOST / patterns) {
        error_set(error, ERROR_TOO_MUCH_WORK,
                  "the optimizer has %zu patterns for the names of %zu variables; patterns times "
                  "variables may be %d",
                  patterns, n, (int)MATCHES_MOST);
        return NULL;
    }
    struct optimizer_slot *slots =
        optimizer_slots(config, variables, n, pattern_matches, arena, n_slots);
    if (!slots) slots_fail_memory(arena, error);
    return slots;
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

bool slot_fill(const struct optimizer_slot *slot, double value, struct arena *arena,
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

bool slot_converts(const struct optimizer_slot *slot, const struct tensor *t) {
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
            if (t->data && slot_converts(slot, t))
                whole = slot_fill(slot, float_scalar(t), arena, t);
            else if (!own && (slot->copies || begins_late(slot, iteration)))
                *t = *of[slot->variable];
            else
                whole = slot_fill(slot, slot->initial, arena, t);
        }
        if (own && strcmp(slot->name, "iteration") == 0) iteration = t;
    }
    return whole;
}

/* ---- steps ------------------------------------------------------------------------------------ */

static bool steps_all(const struct optimizer_config *config) {
    if (config->common[COMMON_USE_EMA] != 0 ||
        config->common[COMMON_GRADIENT_ACCUMULATION_STEPS] >= 2)
        return true;
    for (size_t i = 0; i < config->n_parts; i++)
        if (steps_all(&config->parts[i].config)) return true;
    return false;
}

/* The given items and, where the method steps all that it knows, the others behind them. */
static bool collect(const struct training *tr, struct item *const *items, size_t n,
                    struct arena *arena, struct training_state *out) {
    size_t n_known = 0;
    struct item **known = NULL;
    const bool all = steps_all(&tr->config);
    if (all && !(known = kept_items(tr, arena, &n_known))) return false;
    out->items = arena_alloc(arena, (n + n_known + 1) * sizeof *out->items);
    if (!out->items) return false;
    if (n) memcpy(out->items, items, n * sizeof *items);
    out->n = n;
    if (!all) return true;
    struct item **given = arena_alloc(arena, n * sizeof *given);
    if (!given) return false;
    if (n) memcpy(given, items, n * sizeof *given);
    kept_sort_items(given, n);
    for (size_t i = 0, k = 0; i < n_known; i++) {
        while (k < n && given[k]->id < known[i]->id) k++;
        if (k == n || given[k] != known[i]) out->items[out->n++] = known[i];
    }
    return true;
}

bool training_state(const struct session *s, struct item *const *items, size_t n,
                    struct arena *arena, struct training_state *out, struct error *error) {
    const struct training *tr = s->training;
    *out = (struct training_state){.n = 0};
    if (!collect(tr, items, n, arena, out)) return slots_fail_memory(arena, error);
    const struct tensor **of = arena_alloc(arena, out->n * sizeof *of);
    out->variables = kept_variables(out->items, out->n, arena);
    if (out->variables)
        out->slots = slots_list(&tr->config, out->variables, out->n, arena, &out->n_slots, error);
    if (!of || !out->slots) return slots_fail_memory(arena, error);
    out->values = arena_zalloc(arena, out->n_slots * sizeof *out->values);
    out->kept = arena_zalloc(arena, out->n_slots * sizeof *out->kept);
    if (!out->values || !out->kept) return slots_fail_memory(arena, error);
    for (size_t i = 0; i < out->n; i++) of[i] = &out->items[i]->value.tensor;
    for (size_t i = 0; i < out->n_slots; i++) {
        const struct kept_slot *kept = kept_find(tr, tr->n, &out->slots[i], out->items);
        if (kept) out->values[i] = kept->value.tensor;
    }
    return slots_begin(out->slots, out->n_slots, of, arena, out->values) ||
           slots_fail_memory(arena, error);
}

bool training_keep(struct session *s, struct training_state *state, const struct tensor *values,
                   struct error *error) {
    struct training *tr = s->training;
    size_t more = 0;
    for (size_t i = 0; i < state->n_slots; i++)
        more += !kept_find(tr, tr->n, &state->slots[i], state->items);
    bool done = kept_make_room(s, tr, more);
    for (size_t i = 0; done && i < state->n_slots; i++) {
        held_copy(&s->account, &values[i], &state->kept[i]);
        done = state->kept[i].owner;
    }
    if (done) return true;
    training_undo(s, state);
    return session_fail_memory(s, error);
}

void training_commit(struct session *s, struct training_state *state) {
    struct training *tr = s->training;
    const uint32_t n = tr->n;
    for (size_t i = 0; i < state->n_slots; i++) {
        const struct optimizer_slot *slot = &state->slots[i];
        struct kept_slot *kept = kept_find(tr, n, slot, state->items);
        if (kept) {
            block_release(kept->value.owner);
            kept->value = state->kept[i];
        } else {
            tr->slots[tr->n++] = (struct kept_slot){.item = kept_item(slot, state->items),
                                                    .part = slot->part,
                                                    .name = slot->name,
                                                    .value = state->kept[i]};
        }
        state->kept[i].owner = NULL;
    }
    if (tr->n != n) kept_sort(tr);
    tr->version = ++s->changes;
}

void training_undo(struct session *s, struct training_state *state) {
    for (size_t i = 0; i < state->n_slots; i++) {
        block_release(state->kept[i].owner);
        state->kept[i].owner = NULL;
    }
    kept_trim(s, s->training);
}
