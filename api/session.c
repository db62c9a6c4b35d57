/* What a session holds, by name. It keeps items, values and labels and accounts for them; tapes are
 * the recorder's, and requests are other files' business. */
#include "api/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/session_journal.h"
#include "api/training.h"
#include "core/budget.h"
#include "core/op.h"

struct session *session_new(const char *id, enum dtype dtype, size_t limit) {
    struct session *s = NULL;
    if (!budget_take(BUDGET_STATE, sizeof *s)) return NULL;
    s = calloc(1, sizeof *s);
    if (!s) {
        budget_give(BUDGET_STATE, sizeof *s);
        return NULL;
    }
    const size_t n = strlen(id) < SESSION_ID ? strlen(id) : SESSION_ID;
    memcpy(s->id, id, n);
    s->dtype = dtype;
    s->account = (struct account){.bytes = sizeof *s, .limit = limit};
    return s;
}

static size_t label_size(const struct label *l) {
    return sizeof *l + strlen(l->key) + strlen(l->value) + 2;
}

static size_t item_size(const struct item *item) { return sizeof *item + item->length + 1; }

static void free_item(struct session *s, struct item *item) {
    block_release(item->value.owner);
    places_free(&s->account, &item->places);
    account_free(&s->account, item, item_size(item));
}

void session_free(struct session *s) {
    if (!s) return;
    training_free(s);
    for (uint32_t i = 0; i < s->items.n; i++)
        if (s->items.list[i]) free_item(s, s->items.list[i]);
    account_free(&s->account, s->items.list, s->items.capacity * sizeof *s->items.list);
    account_free(&s->account, s->items.slots, s->items.n_slots * sizeof *s->items.slots);
    for (struct label *l = s->labels, *next; l; l = next) {
        next = l->next;
        account_free(&s->account, l, label_size(l));
    }
    journal_free(s);
    recorder_free(s->recorder);
    assert(s->account.bytes == sizeof *s);
    account_join(&s->account, NULL);
    budget_give(BUDGET_STATE, sizeof *s);
    free(s);
}

bool session_fail_memory(const struct session *s, struct error *error) {
    return error_set(error, ERROR_SESSION_MEMORY,
                     "the session holds %zu bytes and may hold %zu (max_session_bytes); this needs "
                     "more",
                     s->account.bytes, s->account.limit);
}

/* ---- the table of names -------------------------------------------------------------------------- */

/* FNV-1a: a session is one client's own, who could only slow itself down. */
static uint32_t hash_name(const char *name, size_t length) {
    uint32_t h = UINT32_C(2166136261);
    for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)name[i]) * UINT32_C(16777619);
    return h;
}

static bool is_named(const struct item *item, uint32_t hash, const char *name, size_t length) {
    return item && item->hash == hash && item->length == length &&
           memcmp(item->name, name, length) == 0;
}

/* Few names need no table. */
enum { NO_TABLE = 8, REMOVED_MOST = 16 };

struct item *session_find(const struct session *s, const char *name, size_t length) {
    const struct items *t = &s->items;
    const uint32_t hash = hash_name(name, length);
    if (!t->n_slots) {
        for (uint32_t i = 0; i < t->n; i++)
            if (is_named(t->list[i], hash, name, length)) return t->list[i];
        return NULL;
    }
    for (uint32_t at = hash & (t->n_slots - 1); t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
        struct item *item = t->list[t->slots[at] - 1];
        if (is_named(item, hash, name, length)) return item;
    }
    return NULL;
}

struct item *session_item(const struct session *s, uint32_t i) {
    return s->items.list[i];
}

const char *session_nearest(const struct session *s, const char *name, unsigned kinds) {
    const char **names = malloc((s->items.n + 1) * sizeof *names);
    uint32_t n = 0;
    for (uint32_t i = 0; names && i < s->items.n; i++) {
        const struct item *item = s->items.list[i];
        if (item && kinds & 1u << item->kind) names[n++] = item->name;
    }
    const char *near = names ? name_nearest(name, names, n) : NULL;
    free(names);
    return near;
}

static void fill_slots(struct items *t) {
    memset(t->slots, 0, t->n_slots * sizeof *t->slots);
    for (uint32_t i = 0; i < t->n; i++) {
        if (!t->list[i]) continue;
        uint32_t at = t->list[i]->hash & (t->n_slots - 1);
        while (t->slots[at]) at = (at + 1) & (t->n_slots - 1);
        t->slots[at] = i + 1;
    }
}

/* The list without its gaps. */
static void close_gaps(struct items *t) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->list[i]) t->list[n++] = t->list[i];
    t->n = n;
    t->removed = 0;
    if (t->n_slots) fill_slots(t);
}

/* Room for one more. */
static bool make_room(struct session *s) {
    struct items *t = &s->items;
    if (t->n == t->capacity && t->removed) close_gaps(t);
    if (t->n == t->capacity) {
        const uint32_t capacity = t->capacity ? 2 * t->capacity : 2;
        struct item **list =
            account_grow(&s->account, t->list, t->capacity * sizeof *list, capacity * sizeof *list);
        if (!list) return false;
        t->list = list;
        t->capacity = capacity;
    }
    if (t->n < NO_TABLE || 2 * (t->n + 1) <= t->n_slots) return true;
    const uint32_t n_slots = t->n_slots ? 2 * t->n_slots : 4 * NO_TABLE;
    uint32_t *slots =
        account_grow(&s->account, t->slots, t->n_slots * sizeof *slots, n_slots * sizeof *slots);
    if (!slots) return false;
    t->slots = slots;
    t->n_slots = n_slots;
    fill_slots(t);
    return true;
}

static void insert(struct items *t, struct item *item) {
    t->list[t->n++] = item;
    if (!t->n_slots) return;
    uint32_t at = item->hash & (t->n_slots - 1);
    while (t->slots[at]) at = (at + 1) & (t->n_slots - 1);
    t->slots[at] = t->n;
}

struct item *session_add(struct session *s, const char *name, size_t length, enum item_kind kind,
                         bool trainable, const struct tensor *value) {
    struct held held = {.owner = NULL};
    if (value && value->data) {
        held_copy(&s->account, value, &held);
        if (!held.owner) return NULL;
    }
    struct item *item = session_add_held(s, name, length, kind, trainable, held);
    if (!item) block_release(held.owner);
    return item;
}

struct item *session_add_held(struct session *s, const char *name, size_t length,
                              enum item_kind kind, bool trainable, struct held value) {
    if (!make_room(s)) return NULL;
    struct item *item = account_alloc(&s->account, sizeof *item + length + 1);
    if (!item) return NULL;
    *item = (struct item){.id = ++s->last_id,
                          .version = ++s->changes,
                          .kind = (uint8_t)kind,
                          .trainable = trainable,
                          .value = value,
                          .hash = hash_name(name, length),
                          .length = (uint32_t)length};
    memcpy(item->name, name, length);
    item->name[length] = '\0';
    insert(&s->items, item);
    return item;
}

bool session_set(struct session *s, struct item *item, const struct tensor *value) {
    struct held held;
    held_copy(&s->account, value, &held);
    if (!held.owner) return false;
    session_set_held(s, item, held);
    return true;
}

void session_set_held(struct session *s, struct item *item, struct held value) {
    const struct tensor *was = &item->value.tensor, *is = &value.tensor;
    /* A gradient has the shape of its source: what was read of another shape or dtype is not read of
     * this variable any more. An optimizer's slots have that shape too. */
    if (item->kind == ITEM_VARIABLE &&
        (was->dtype != is->dtype || !shape_equal(&was->shape, &is->shape))) {
        item->places.n_reads = 0;
        training_forget(s, item);
    }
    block_release(item->value.owner);
    item->value = value;
    item->version = ++s->changes;
    item->places.is_read = false;
}

/* The slot of an item that is there. */
static uint32_t *slot_of(const struct items *t, const struct item *item) {
    uint32_t at = item->hash & (t->n_slots - 1);
    while (t->list[t->slots[at] - 1] != item) at = (at + 1) & (t->n_slots - 1);
    return &t->slots[at];
}

/* What is done again must be without it from here on: its name and its kind stay. */
static void remember(struct session *s, struct item *item) {
    block_release(item->value.owner);
    places_free(&s->account, &item->places);
    item->value = (struct held){.owner = NULL};
    item->places = (struct places){0};
    item->next = s->removed;
    s->removed = item;
}

void session_forget_removed(struct session *s) {
    for (struct item *item = s->removed, *next; item; item = next) {
        next = item->next;
        free_item(s, item);
    }
    s->removed = NULL;
}

void session_remove(struct session *s, struct item *item) {
    struct items *t = &s->items;
    uint32_t i = t->n_slots ? *slot_of(t, item) - 1 : 0;
    while (t->list[i] != item) i++;
    training_forget(s, item);
    t->list[i] = NULL;
    t->removed++;
    s->changes++;
    session_drop_item(s, item->id);
    if (s->journal && item->kind != ITEM_TENSOR)
        remember(s, item);
    else
        free_item(s, item);
    if (t->removed > REMOVED_MOST && 2 * t->removed > t->n) close_gaps(t);
}

void session_take_back(struct session *s, struct item *item) {
    struct items *t = &s->items;
    assert(t->list[t->n - 1] == item);
    if (t->n_slots) *slot_of(t, item) = 0;
    t->n--;
    s->last_id = item->id - 1;
    s->changes = item->version - 1;
    free_item(s, item);
}

static bool copy_item(const struct item *from, struct session *to) {
    struct held held = {.owner = NULL};
    if (from->value.owner) held_copy(&to->account, &from->value.tensor, &held);
    if (from->value.owner && !held.owner) return false;
    struct item *item = session_add_held(to, from->name, from->length, (enum item_kind)from->kind,
                                         from->trainable, held);
    if (!item) {
        block_release(held.owner);
        return false;
    }
    item->id = from->id;
    item->version = from->version;
    return places_copy(&to->account, &from->places, &item->places);
}

static bool copy_removed(const struct session *s, struct session *to) {
    struct item **end = &to->removed;
    for (const struct item *from = s->removed; from; from = from->next) {
        struct item *item = *end = account_alloc(&to->account, item_size(from));
        if (!item) return false;
        memcpy(item, from, item_size(from));
        item->next = NULL;
        end = &item->next;
    }
    return true;
}

struct session *session_copy(const struct session *s, const char *id, size_t limit) {
    struct session *to = session_new(id, s->dtype, limit);
    bool done = to != NULL;
    for (uint32_t i = 0; done && i < s->items.n; i++)
        done = !s->items.list[i] || copy_item(s->items.list[i], to);
    for (const struct label *l = s->labels; done && l; l = l->next)
        done = session_label(to, l->key, l->value);
    if (done && s->recorder) {
        to->recorder = recorder_copy(s->recorder, &to->account);
        done = to->recorder && journal_copy(s, to) && copy_removed(s, to);
    }
    done = done && training_copy(s, to);
    if (!done) {
        session_free(to);
        return NULL;
    }
    to->ttl_seconds = s->ttl_seconds;
    to->changes = s->changes;
    to->last_id = s->last_id;
    to->last_tape = s->last_tape;
    to->consumed = s->consumed;
    return to;
}

static int compare_ids(const void *a, const void *b) {
    const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;
    return x->id < y->id ? -1 : x->id > y->id;
}

void session_sort(struct session *s) {
    struct items *t = &s->items;
    close_gaps(t);
    if (t->n) qsort(t->list, t->n, sizeof *t->list, compare_ids);
    if (t->n_slots) fill_slots(t);
    if (t->n && t->list[t->n - 1]->id > s->last_id) s->last_id = t->list[t->n - 1]->id;
}

struct label *session_make_label(struct session *s, const char *key, const char *value) {
    const size_t n = strlen(key) + 1, m = strlen(value) + 1;
    struct label *made = account_alloc(&s->account, sizeof *made + n + m);
    if (!made) return NULL;
    made->next = NULL;
    made->value = memcpy(made->key + n, value, m);
    memcpy(made->key, key, n);
    return made;
}

void session_drop_label(struct session *s, struct label *l) {
    account_free(&s->account, l, label_size(l));
}

/* Where that key is among the labels, or where it would be. */
static struct label **find_label(struct session *s, const char *key) {
    struct label **at = &s->labels;
    while (*at && strcmp((*at)->key, key) < 0) at = &(*at)->next;
    return at;
}

void session_unlabel(struct session *s, const char *key) {
    struct label **at = find_label(s, key), *old = *at;
    s->changes++;
    if (!old || strcmp(old->key, key) != 0) return;
    *at = old->next;
    session_drop_label(s, old);
}

void session_put_label(struct session *s, struct label *made) {
    session_unlabel(s, made->key);
    struct label **at = find_label(s, made->key);
    made->next = *at;
    *at = made;
}

bool session_label(struct session *s, const char *key, const char *value) {
    struct label *made = value ? session_make_label(s, key, value) : NULL;
    if (value && !made) return false;
    made ? session_put_label(s, made) : session_unlabel(s, key);
    return true;
}
