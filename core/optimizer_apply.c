/* One step as nodes: the numbers that it reads, where its slots stand, what is kept from before it, and
 * which optimizer gets which variables. What one optimizer does with them is core/optimizer_call.c's. */
#include <string.h>

#include "core/optimizer_method.h"

node_id step_number(struct optimizer_step *s, enum dtype dtype, double value) {
    if (s->n_numbers == s->numbers_capacity) {
        size_t wanted = s->numbers_capacity ? 2 * s->numbers_capacity : 16;
        struct optimizer_number *grown = arena_alloc(s->tape->arena, wanted * sizeof *grown);
        if (!grown) {
            tape_fail_memory(s->tape, "the optimizer's step");
            return NODE_NONE;
        }
        if (s->n_numbers) memcpy(grown, s->numbers, s->n_numbers * sizeof *grown);
        s->numbers = grown;
        s->numbers_capacity = wanted;
    }
    const node_id node = tape_input(s->tape, dtype, &shape_scalar);
    if (node != NODE_NONE) s->numbers[s->n_numbers++] = (struct optimizer_number){node, value};
    return node;
}

/* ---- slots ------------------------------------------------------------------------------------ */

static uint32_t owner(const struct optimizer_step *s, size_t slot) {
    const uint32_t v = s->slots[slot].variable;
    return v == OPTIMIZER_ITSELF ? (uint32_t)s->n : v;
}

/* Sorts the slots' indices by variable. */
static bool index_slots(struct apply *a) {
    const struct optimizer_step *s = a->step;
    uint32_t *first = arena_zalloc(s->tape->arena, (s->n + 3) * sizeof *first);
    uint32_t *slot = arena_alloc(s->tape->arena, s->n_slots * sizeof *slot);
    if (!first || !slot) return tape_fail_memory(s->tape, "the optimizer's step");
    for (size_t i = 0; i < s->n_slots; i++) first[owner(s, i) + 2]++;
    for (size_t i = 2; i < s->n + 3; i++) first[i] += first[i - 1];
    for (size_t i = 0; i < s->n_slots; i++) slot[first[owner(s, i) + 1]++] = (uint32_t)i;
    a->first = first;
    a->slot = slot;
    return true;
}

node_id *apply_slot(const struct apply *a, uint32_t part, uint32_t variable, const char *name) {
    const size_t i = variable == OPTIMIZER_ITSELF ? a->step->n : variable;
    for (uint32_t k = a->first[i]; k < a->first[i + 1]; k++) {
        const struct optimizer_slot *slot = &a->step->slots[a->slot[k]];
        if (slot->part == part && strcmp(slot->name, name) == 0) return &a->step->slot[a->slot[k]];
    }
    return NULL;
}

/* ---- what counts on a condition only ------------------------------------------------------------ */

static node_id *copied(struct tape *t, const node_id *nodes, size_t n) {
    node_id *copy = arena_alloc(t->arena, n * sizeof *copy);
    if (copy && n) memcpy(copy, nodes, n * sizeof *copy);
    return copy;
}

bool apply_begin_if(struct apply *a, struct before *b) {
    b->value = copied(a->tape, a->step->value, a->step->n);
    b->slot = copied(a->tape, a->step->slot, a->step->n_slots);
    return (b->value && b->slot) || tape_fail_memory(a->tape, "the optimizer's step");
}

static void choose(struct tape *t, node_id condition, node_id *now, const node_id *before,
                   size_t n) {
    for (size_t i = 0; i < n; i++)
        if (now[i] != before[i]) now[i] = emit_where(t, condition, now[i], before[i]);
}

void apply_end_if(struct apply *a, const struct before *b, node_id condition) {
    choose(a->tape, condition, a->step->value, b->value, a->step->n);
    choose(a->tape, condition, a->step->slot, b->slot, a->step->n_slots);
}

/* ---- wrappers ----------------------------------------------------------------------------------- */

/* Gives each part its members and their pairs, and fails as Keras does where a variable has no part. */
static struct portion *divide(struct apply *a) {
    const struct optimizer_step *s = a->step;
    struct tape *t = a->tape;
    size_t *of;
    struct portion *parts =
        portions_divide(s->config, s->variables, s->n, s->matches, t->arena, &of);
    node_id *gradient = arena_alloc(t->arena, s->n_gradients * sizeof *gradient);
    uint32_t *variable = arena_alloc(t->arena, s->n_gradients * sizeof *variable);
    if (!parts || !gradient || !variable) {
        tape_fail_memory(t, "the optimizer's step");
        return NULL;
    }
    for (size_t i = 0; i < s->n; i++)
        if (of[i] >= s->config->n_parts) {
            tape_fail(t, ERROR_INVALID_ARGUMENT,
                      of[i] == PART_SEVERAL
                          ? "Multiple optimizers assigned to variable %s."
                          : "Optimizer for variable %s is not an Optimizer instance.",
                      s->variables[i].name);
            return NULL;
        }
    for (size_t k = 0; k < s->config->n_parts; k++) {
        if (parts[k].config->optimizer->wraps) {
            tape_fail(t, ERROR_INVALID_ARGUMENT, "%s cannot be used inside a %s.",
                      parts[k].config->optimizer->name, s->config->optimizer->name);
            return NULL;
        }
        parts[k].gradient = gradient;
        parts[k].of = variable;
        for (size_t i = 0; i < s->n_gradients; i++)
            if (of[s->of[i]] == k) {
                gradient[parts[k].n] = s->gradient[i];
                variable[parts[k].n++] = s->of[i];
            }
        gradient += parts[k].n;
        variable += parts[k].n;
    }
    return parts;
}

static void apply_itself(struct apply *a) {
    const struct optimizer_step *s = a->step;
    uint32_t *members = arena_alloc(a->tape->arena, s->n * sizeof *members);
    node_id *gradient = copied(a->tape, s->gradient, s->n_gradients);
    if (!members || !gradient) {
        tape_fail_memory(a->tape, "the optimizer's step");
        return;
    }
    for (size_t i = 0; i < s->n; i++) members[i] = (uint32_t)i;
    apply_portion(a, &(struct portion){.config = s->config,
                                       .members = members,
                                       .n_members = s->n,
                                       .gradient = gradient,
                                       .of = s->of,
                                       .n = s->n_gradients,
                                       .loss_scale = s->config->common[COMMON_LOSS_SCALE_FACTOR]});
}

bool optimizer_apply(struct optimizer_step *s) {
    struct tape *t = s->tape;
    struct apply a = {.step = s, .tape = t};
    if (!tape_ok(t)) return false;
    if (!s->n_gradients) {
        tape_fail(t, ERROR_MISSING_GRADIENT, "No gradients provided for any variable.");
        return false;
    }
    if (!index_slots(&a)) return false;
    if (s->config->optimizer->wraps) {
        struct portion *parts = divide(&a);
        if (parts) s->config->optimizer->method->apply(&a, parts);
    } else {
        apply_itself(&a);
    }
    return tape_ok(t);
}

node_id optimizer_scale_loss(struct optimizer_step *s, node_id loss) {
    const struct optimizer_method *method = s->config->optimizer->method;
    const double scale = s->config->common[COMMON_LOSS_SCALE_FACTOR];
    if (loss == NODE_NONE || !tape_ok(s->tape)) return NODE_NONE;
    if (method->scale_loss) return method->scale_loss(s, loss);
    if (isnan(scale)) return loss;
    return emit_multiply(s->tape, loss, step_number(s, tape_dtype(s->tape, loss), scale));
}
