/* A session's optimizer: whose its settings and slots are, and what becomes of them when variables are
 * stepped, changed or deleted. How they are read and written is in training_json.c; what a step computes
 * is the core's business. */
#include "api/training.h"

#include <stdlib.h>
#include <string.h>

#include "api/session_io.h"
#include "api/training_slots.h"

enum { FIRST_SETTINGS = 512 };

const struct optimizer_config *training_config(const struct training *tr) { return &tr->config; }

uint64_t training_version(const struct training *tr) { return tr->version; }
void training_set_version(struct training *tr, uint64_t version) { tr->version = version; }

bool training_required(const struct session *s, struct error *error) {
    return s->training || error_set(error, ERROR_NOT_FOUND,
                                    "the session has no optimizer; PUT .../optimizer first");
}

struct item *training_variable(const struct session *s, const char *name, struct error *error) {
    struct item *item = session_find(s, name, strlen(name));
    if (!item) {
        const char *near = session_nearest(s, name, 1u << ITEM_VARIABLE);
        error_set(error, ERROR_UNBOUND_NAME, "there is no variable \"%.80s\" in this session%s%s%s",
                  name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    } else if (item->kind != ITEM_VARIABLE) {
        error_set(error, ERROR_INVALID_VALUE, "\"%.80s\" is a %s of this session, no variable",
                  name, item_kind_names[item->kind]);
    } else if (!dtype_is_float(item->value.tensor.dtype)) {
        error_set(error, ERROR_DTYPE_MISMATCH,
                  "\"%.80s\" is %s, and an optimizer steps variables of a floating dtype", name,
                  dtype_name(item->value.tensor.dtype));
    } else {
        return item;
    }
    return NULL;
}

/* ---- kept slots ------------------------------------------------------------------------------- */

static uint64_t id_of(const struct item *item) { return item ? item->id : 0; }

static int compare(const void *a, const void *b) {
    const struct kept_slot *x = a, *y = b;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    if (x->item != y->item) return id_of(x->item) < id_of(y->item) ? -1 : 1;
    return strcmp(x->name, y->name);
}

struct item *kept_item(const struct optimizer_slot *slot, struct item *const *items) {
    return slot->variable == OPTIMIZER_ITSELF ? NULL : items[slot->variable];
}

struct kept_slot *kept_find(const struct training *tr, uint32_t n,
                            const struct optimizer_slot *slot, struct item *const *items) {
    const struct kept_slot key = {
        .item = kept_item(slot, items), .part = slot->part, .name = slot->name};
    return n ? bsearch(&key, tr->slots, n, sizeof key, compare) : NULL;
}

bool kept_make_room(struct session *s, struct training *tr, size_t more) {
    const size_t capacity = tr->n + more;
    if (capacity <= tr->capacity) return true;
    if (capacity > UINT32_MAX) return false;
    struct kept_slot *slots = account_grow(&s->account, tr->slots, tr->capacity * sizeof *slots,
                                           capacity * sizeof *slots);
    if (!slots) return false;
    tr->slots = slots;
    tr->capacity = (uint32_t)capacity;
    return true;
}

void kept_trim(struct session *s, struct training *tr) {
    tr->slots = account_shrink(&s->account, tr->slots, tr->capacity * sizeof *tr->slots,
                               tr->n * sizeof *tr->slots);
    tr->capacity = tr->n;
}

void kept_sort(struct training *tr) {
    if (tr->n) qsort(tr->slots, tr->n, sizeof *tr->slots, compare);
}

/* ---- settings --------------------------------------------------------------------------------- */

/* Copies settings, charged to the session; false past its limit. */
static bool take_settings(struct session *s, struct training *tr,
                          const struct optimizer_config *config) {
    arena_init(&tr->arena, s->account.limit - s->account.bytes);
    tr->arena.first = FIRST_SETTINGS;
    if (optimizer_copy(config, &tr->arena, &tr->config) &&
        account_charge(&s->account, tr->arena.held))
        return true;
    arena_free(&tr->arena);
    return false;
}

static struct training *new_training(struct session *s, const struct optimizer_config *config) {
    struct training *tr = account_alloc(&s->account, sizeof *tr);
    if (!tr) return NULL;
    *tr = (struct training){.slots = NULL};
    if (take_settings(s, tr, config)) return tr;
    account_free(&s->account, tr, sizeof *tr);
    return NULL;
}

static void free_training(struct session *s, struct training *tr) {
    if (!tr) return;
    for (uint32_t i = 0; i < tr->n; i++) block_release(tr->slots[i].value.owner);
    account_free(&s->account, tr->slots, tr->capacity * sizeof *tr->slots);
    account_discharge(&s->account, tr->arena.held);
    arena_free(&tr->arena);
    account_free(&s->account, tr, sizeof *tr);
}

void training_free(struct session *s) {
    if (!s->training) return;
    free_training(s, s->training);
    s->training = NULL;
    s->changes++;
}

/* Keeps the values that were sent for slots (data NULL: none) on items. */
static bool keep_sent(struct session *s, struct training *tr, struct item *const *items,
                      const struct optimizer_slot *slots, const struct tensor *values, size_t n) {
    size_t sent = 0;
    for (size_t i = 0; i < n; i++) sent += values[i].data != NULL;
    if (!kept_make_room(s, tr, sent)) return false;
    for (size_t i = 0; i < n; i++) {
        if (!values[i].data) continue;
        struct kept_slot *kept = &tr->slots[tr->n];
        *kept = (struct kept_slot){
            .item = kept_item(&slots[i], items), .part = slots[i].part, .name = slots[i].name};
        held_copy(&s->account, &values[i], &kept->value);
        if (!kept->value.owner) return false;
        tr->n++;
    }
    kept_sort(tr);
    return true;
}

static int compare_items(const void *a, const void *b) {
    const uint64_t x = (*(struct item *const *)a)->id, y = (*(struct item *const *)b)->id;
    return x < y ? -1 : x > y;
}

size_t kept_sort_items(struct item **items, size_t n) {
    size_t kept = 0;
    if (n) qsort(items, n, sizeof *items, compare_items);
    for (size_t i = 0; i < n; i++)
        if (!kept || items[kept - 1] != items[i]) items[kept++] = items[i];
    return kept;
}

struct optimizer_variable *kept_variables(struct item *const *items, size_t n,
                                          struct arena *arena) {
    struct optimizer_variable *v = arena_alloc(arena, n * sizeof *v);
    for (size_t i = 0; v && i < n; i++)
        v[i] = (struct optimizer_variable){.name = items[i]->name,
                                           .dtype = items[i]->value.tensor.dtype,
                                           .shape = items[i]->value.tensor.shape};
    return v;
}

/* The variables that slots were sent for; items NULL: they are only counted. */
struct finding {
    const struct session *session;
    struct error *error;
    struct item **items;
    size_t n;
};

static bool find_item(void *context, uint32_t part, const struct json *v) {
    struct finding *f = context;
    (void)part;
    if (strcmp(json_key(v), SLOTS_ITSELF) == 0) return true;
    struct item *item = training_variable(f->session, json_key(v), f->error);
    if (!item) return false;
    if (f->items) f->items[f->n] = item;
    f->n++;
    return true;
}

/* Reads and keeps the state that came with the settings. */
static bool restore(struct session *s, struct training *tr, const struct optimizer_sent *sent,
                    struct arena *arena, struct error *error) {
    struct finding f = {.session = s, .error = error};
    size_t n_slots;
    if (!sent->slots && !sent->iterations) return true;
    if (!slots_each(sent, find_item, &f, error)) return false;
    struct item **items = f.items = arena_alloc(arena, f.n * sizeof *items);
    if (!items) return slots_fail_memory(arena, error);
    f.n = 0;
    slots_each(sent, find_item, &f, error);
    const size_t n = kept_sort_items(items, f.n);
    struct optimizer_variable *variables = kept_variables(items, n, arena);
    struct optimizer_slot *slots =
        variables ? slots_list(&tr->config, variables, n, arena, &n_slots, error) : NULL;
    struct tensor *values = slots ? arena_zalloc(arena, n_slots * sizeof *values) : NULL;
    if (!values) return slots_fail_memory(arena, error);
    const struct slots_reading reading = {.sent = sent,
                                          .config = &tr->config,
                                          .variables = variables,
                                          .n = n,
                                          .slots = slots,
                                          .n_slots = n_slots,
                                          .max_elements = (int64_t)(s->account.limit / 4),
                                          .arena = arena,
                                          .error = error};
    return slots_read(&reading, values) &&
           (keep_sent(s, tr, items, slots, values, n_slots) || session_fail_memory(s, error));
}

bool training_put(struct session *s, const struct optimizer_sent *sent, struct error *error) {
    struct arena arena;
    struct training *tr = new_training(s, &sent->config);
    if (!tr) return session_fail_memory(s, error);
    arena_init(&arena, s->account.limit);
    const bool done = restore(s, tr, sent, &arena, error);
    arena_free(&arena);
    if (!done) {
        free_training(s, tr);
        return false;
    }
    training_free(s);
    s->training = tr;
    tr->version = ++s->changes;
    return true;
}

/* ---- changes ---------------------------------------------------------------------------------- */

struct item **kept_items(const struct training *tr, struct arena *arena, size_t *n) {
    struct item **items = arena_alloc(arena, tr->n * sizeof *items);
    *n = 0;
    for (uint32_t i = 0; items && i < tr->n; i++)
        if (tr->slots[i].item) items[(*n)++] = tr->slots[i].item;
    if (items) *n = kept_sort_items(items, *n);
    return items;
}

static void remove_slot(struct training *tr, uint32_t i) {
    block_release(tr->slots[i].value.owner);
    tr->n--;
    memmove(&tr->slots[i], &tr->slots[i + 1], (tr->n - i) * sizeof *tr->slots);
}

/* Which of the kept slots a method with other settings has too; NULL after a failure. */
static bool *find_needed(const struct training *tr, const struct optimizer_config *config,
                         struct arena *arena, struct error *error) {
    size_t n, n_slots;
    bool *needed = arena_zalloc(arena, tr->n + 1);
    struct item **items = kept_items(tr, arena, &n);
    struct optimizer_variable *variables = items ? kept_variables(items, n, arena) : NULL;
    const struct optimizer_slot *slots =
        variables ? slots_list(config, variables, n, arena, &n_slots, error) : NULL;
    if (!needed || !slots) return NULL;
    for (size_t i = 0; i < n_slots; i++) {
        const struct kept_slot *kept = kept_find(tr, tr->n, &slots[i], items);
        if (kept && (!kept->item || slot_fits(&slots[i], &kept->value.tensor)))
            needed[kept - tr->slots] = true;
    }
    return needed;
}

bool training_change(struct session *s, const struct optimizer_config *config,
                     struct error *error) {
    struct training *tr = s->training, changed = {.slots = NULL};
    struct arena arena;
    if (!take_settings(s, &changed, config)) return session_fail_memory(s, error);
    arena_init(&arena, s->account.limit);
    const bool *needed = find_needed(tr, &changed.config, &arena, error);
    struct arena *old = needed ? &tr->arena : &changed.arena;
    account_discharge(&s->account, old->held);
    arena_free(old);
    if (needed) {
        for (uint32_t i = tr->n; i-- > 0;)
            if (!needed[i]) remove_slot(tr, i);
        kept_trim(s, tr);
        tr->arena = changed.arena;
        tr->config = changed.config;
        tr->version = ++s->changes;
    } else {
        slots_fail_memory(&arena, error);
    }
    arena_free(&arena);
    return needed;
}

void training_forget(struct session *s, const struct item *item) {
    struct training *tr = s->training;
    const uint32_t before = tr ? tr->n : 0;
    for (uint32_t i = before; i-- > 0;)
        if (tr->slots[i].item == item) remove_slot(tr, i);
    if (!tr || tr->n == before) return;
    kept_trim(s, tr);
    tr->version = ++s->changes;
}

bool training_copy(const struct session *from, struct session *to) {
    const struct training *tr = from->training;
    if (!tr) return true;
    struct training *copy = to->training = new_training(to, &tr->config);
    if (!copy || !kept_make_room(to, copy, tr->n)) return false;
    copy->version = tr->version;
    for (uint32_t i = 0; i < tr->n; i++) {
        const struct kept_slot *slot = &tr->slots[i];
        copy->slots[i] = *slot;
        if (slot->item)
            copy->slots[i].item = session_find(to, slot->item->name, slot->item->length);
        held_copy(&to->account, &slot->value.tensor, &copy->slots[i].value);
        if (!copy->slots[i].value.owner) return false;
        copy->n++;
    }
    return true;
}
