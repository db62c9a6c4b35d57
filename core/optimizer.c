/* Optimizers as tables: which there are, their presets, and the slots that they keep. What a step does
 * with the slots is core/optimizer_apply.c's and each method's own. */
#include "core/optimizer.h"

#include <strings.h>

#include "core/optimizer_method.h"

#define OPTIMIZER(tag) extern const struct optimizer optimizer_##tag;
#include "core/optimizer_list.h"
#undef OPTIMIZER

const struct optimizer *const optimizer_table[] = {
#define OPTIMIZER(tag) &optimizer_##tag,
#include "core/optimizer_list.h"
#undef OPTIMIZER
};
const size_t optimizer_count = sizeof optimizer_table / sizeof *optimizer_table;

const struct setting optimizer_common[COMMON_COUNT] = {
#define COMMON_ROW(tag, id, type, value)                                                           \
    {.name = #id, .kind = type, .preset = value, .optional = value != value},
    OPTIMIZER_COMMON(COMMON_ROW)
#undef COMMON_ROW
};

const struct optimizer *optimizer_find(const char *name) {
    for (size_t i = 0; i < optimizer_count; i++)
        if (strcasecmp(name, optimizer_table[i]->name) == 0) return optimizer_table[i];
    return NULL;
}

void optimizer_defaults(const struct optimizer *optimizer, struct optimizer_config *out) {
    *out = (struct optimizer_config){.optimizer = optimizer,
                                     .learning_rate = optimizer->learning_rate};
    for (int i = 0; i < COMMON_COUNT; i++) out->common[i] = optimizer_common[i].preset;
    out->common[COMMON_WEIGHT_DECAY] = optimizer->weight_decay;
    for (int i = 0; optimizer->settings[i].name; i++) out->own[i] = optimizer->settings[i].preset;
}

int64_t optimizer_iterations(const struct optimizer_config *config, int64_t iteration) {
    if (config->optimizer == &optimizer_loss_scale && config->n_parts)
        config = &config->parts->config;
    const double steps = config->common[COMMON_GRADIENT_ACCUMULATION_STEPS];
    return steps >= 2 ? iteration / (int64_t)steps : iteration;
}

/* ---- slots ------------------------------------------------------------------------------------ */

void slot_add(struct slot_list *l, struct optimizer_slot slot) {
    slot.part = l->part;
    if (l->slots) l->slots[l->n_slots] = slot;
    l->n_slots++;
}

void slots_like(struct slot_list *l, const char *const *names, size_t n, double initial) {
    for (size_t i = 0; i < l->n_members; i++)
        for (size_t k = 0; k < n; k++) {
            const struct optimizer_variable *v = &l->variables[l->members[i]];
            slot_add(l, (struct optimizer_slot){.name = names[k],
                                                .variable = l->members[i],
                                                .dtype = v->dtype,
                                                .shape = v->shape,
                                                .initial = initial});
        }
}

static void list_own(struct slot_list *l) {
    const struct optimizer_config *c = l->config;
    slot_add(l, (struct optimizer_slot){.name = "iteration",
                                        .variable = OPTIMIZER_ITSELF,
                                        .dtype = DTYPE_I64,
                                        .shape = shape_scalar});
    if (!c->optimizer->wraps && c->common[COMMON_USE_EMA] != 0)
        slots_like(l, (const char *const[]){"average"}, 1, 0);
    if (!c->optimizer->wraps && c->common[COMMON_GRADIENT_ACCUMULATION_STEPS] >= 2)
        slots_like(l, (const char *const[]){"gradient_accumulator"}, 1, 0);
    if (c->optimizer->method->slots) c->optimizer->method->slots(l);
}

static void list_all(struct slot_list *l, const struct optimizer_config *config,
                     const struct portion *parts) {
    l->n_slots = 0;
    l->config = config;
    l->part = 0;
    list_own(l);
    const uint32_t *all = l->members;
    const size_t n = l->n_members;
    for (size_t i = 0; parts && i < config->n_parts; i++) {
        l->config = &config->parts[i].config;
        l->part = (uint32_t)i + 1;
        l->members = parts[i].members;
        l->n_members = parts[i].n_members;
        list_own(l);
    }
    l->members = all;
    l->n_members = n;
}

static uint32_t *count_up(size_t n, struct arena *arena) {
    uint32_t *index = arena_alloc(arena, n * sizeof *index);
    for (size_t i = 0; index && i < n; i++) index[i] = (uint32_t)i;
    return index;
}

struct optimizer_slot *optimizer_slots(const struct optimizer_config *config,
                                       const struct optimizer_variable *variables, size_t n,
                                       optimizer_matches matches, struct arena *arena,
                                       size_t *n_slots) {
    struct slot_list l = {.matches = matches, .variables = variables, .n_members = n};
    struct portion *parts = NULL;
    size_t *of;
    if (!(l.members = count_up(n, arena))) return NULL;
    if (config->optimizer->wraps &&
        !(parts = portions_divide(config, variables, n, matches, arena, &of)))
        return NULL;
    list_all(&l, config, parts);
    l.slots = arena_zalloc(arena, l.n_slots * sizeof *l.slots);
    if (!l.slots) return NULL;
    list_all(&l, config, parts);
    *n_slots = l.n_slots;
    return l.slots;
}

struct portion *portions_divide(const struct optimizer_config *config,
                                const struct optimizer_variable *variables, size_t n,
                                optimizer_matches matches, struct arena *arena, size_t **of) {
    const size_t n_parts = config->n_parts;
    struct portion *parts = arena_zalloc(arena, n_parts * sizeof *parts);
    uint32_t *members = arena_alloc(arena, n * sizeof *members);
    *of = arena_alloc(arena, n * sizeof **of);
    if (!parts || !members || !*of) return NULL;
    for (size_t i = 0; i < n; i++)
        (*of)[i] = config->optimizer->method->part(config, matches, variables[i].name);
    for (size_t k = 0; k < n_parts; k++) {
        parts[k] = (struct portion){.config = &config->parts[k].config,
                                    .part = (uint32_t)k + 1,
                                    .members = members,
                                    .loss_scale = NAN};
        for (size_t i = 0; i < n; i++)
            if ((*of)[i] == k) members[parts[k].n_members++] = (uint32_t)i;
        members += parts[k].n_members;
    }
    return parts;
}
