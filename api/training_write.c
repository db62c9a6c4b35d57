/* The state of optimizers as it is shown: a session's, or one without a session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/training_slots.h"

bool optimizer_skips(const struct optimizer_config *config) {
    return strcmp(config->optimizer->name, "LossScaleOptimizer") == 0;
}

uint32_t iterations_part(const struct optimizer_config *config) {
    return optimizer_skips(config) ? 1 : 0;
}

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
        write_text(w->out, SLOTS_PARTS);
        write_text(w->out, "\":[{");
    } else {
        write_text(w->out, "},{");
    }
    w->has_members = false;
}

void slots_write(struct slots_writing *w, uint32_t part, const char *variable, const char *name,
                 const struct tensor *value) {
    if (!variable) variable = SLOTS_ITSELF;
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

int64_t optimizer_state_iterations(const struct optimizer_config *config,
                                   const struct optimizer_slot *slots, const struct tensor *state,
                                   size_t n) {
    for (size_t i = 0; i < n; i++)
        if (slots[i].part == iterations_part(config) && slots[i].variable == OPTIMIZER_ITSELF &&
            strcmp(slots[i].name, "iteration") == 0)
            return optimizer_iterations(config, *(const int64_t *)state[i].data);
    return 0;
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
    if (!shown) {
        writer_starve(out);
        return;
    }
    for (size_t i = 0; i < n; i++) shown[i] = (struct shown){&slots[i], &state[i]};
    if (n) qsort(shown, n, sizeof *shown, compare_shown);
    write_text(out, "\"iterations\":");
    write_int(out, optimizer_state_iterations(config, slots, state, n));
    struct slots_writing w = slots_write_begin(out, format);
    for (size_t i = 0; i < n; i++) {
        const uint32_t v = shown[i].slot->variable;
        slots_write(&w, shown[i].slot->part, v == OPTIMIZER_ITSELF ? NULL : variables[v].name,
                    shown[i].slot->name, shown[i].value);
    }
    slots_write_end(&w);
    free(shown);
}

int64_t training_iterations(const struct session *s) {
    const struct training *tr = s->training;
    const struct optimizer_slot slot = {
        .part = iterations_part(&tr->config), .variable = OPTIMIZER_ITSELF, .name = "iteration"};
    const struct kept_slot *kept = kept_find(tr, tr->n, &slot, NULL);
    return kept ? optimizer_iterations(&tr->config, *(int64_t *)kept->value.tensor.data) : 0;
}

void training_write(struct writer *out, const struct session *s, bool slots,
                    enum tensor_format format) {
    const struct training *tr = s->training;
    optimizer_write(out, &tr->config);
    write_text(out, ",\"iterations\":");
    write_int(out, training_iterations(s));
    if (!slots) return;
    struct slots_writing w = slots_write_begin(out, format);
    for (uint32_t i = 0; i < tr->n; i++) {
        const struct kept_slot *slot = &tr->slots[i];
        slots_write(&w, slot->part, slot->item ? slot->item->name : NULL, slot->name,
                    &slot->value.tensor);
    }
    slots_write_end(&w);
}

void training_write_warning(struct writer *out, const char *pointer, const char *ignored_decay) {
    char place[256];
    snprintf(place, sizeof place, "%s%s", pointer, ignored_decay);
    write_text(out,
               ",\"warnings\":[{\"code\":\"ignored_argument\",\"detail\":\"Argument `decay` is no "
               "longer supported and will be ignored.\",\"pointer\":");
    write_string(out, place);
    write_text(out, "}]");
}
