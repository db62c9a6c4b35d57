/* Names by hash: open addressing over a list in order of insertion. SipHash-1-3 keeps a request of
 * chosen names linear. What a name stands for is not looked at here. */
#include "api/names.h"

#include <string.h>

#include "core/op.h"

enum { FIRST_NAMES = 16 };

static uint64_t rotated(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotated(v[1], 13) ^ v[0];
    v[3] = rotated(v[3], 16) ^ v[2];
    v[0] = rotated(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotated(v[1], 17) ^ v[2];
    v[3] = rotated(v[3], 21) ^ v[0];
    v[2] = rotated(v[2], 32);
}

uint32_t name_hash(uint64_t seed, const char *text, size_t length) {
    const uint64_t key = seed * 0x9e3779b97f4a7c15U;
    uint64_t v[4] = {seed ^ 0x736f6d6570736575U, key ^ 0x646f72616e646f6dU,
                     seed ^ 0x6c7967656e657261U, key ^ 0x7465646279746573U};
    size_t at = 0;
    for (; length - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)length << 56;
    for (size_t i = 0; i < length - at; i++)
        last |= (uint64_t)(unsigned char)text[at + i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    const uint64_t h = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (uint32_t)(h ^ (h >> 32));
}

void names_init(struct names *names, struct arena *arena, uint64_t seed) {
    *names = (struct names){.arena = arena, .seed = seed};
}

/* The slot of the name, or the free one where it belongs. The table is never full. */
static uint32_t *slot_of(const struct names *names, uint32_t h, const char *text, size_t length) {
    const uint32_t mask = names->n_slots - 1;
    for (uint32_t i = h & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &names->slots[i];
        if (!*slot) return slot;
        const struct name *name = &names->list[*slot - 1];
        if (name->hash == h && name->length == length && memcmp(name->text, text, length) == 0)
            return slot;
    }
}

static bool grow(struct names *names) {
    if (names->capacity > UINT32_MAX / 4) return false;
    const uint32_t capacity = names->capacity ? names->capacity * 2 : FIRST_NAMES;
    struct name *list = arena_alloc(names->arena, capacity * sizeof *list);
    uint32_t *slots = arena_zalloc(names->arena, 2 * capacity * sizeof *slots);
    if (!list || !slots) return false;
    if (names->n) memcpy(list, names->list, names->n * sizeof *list);
    names->list = list;
    names->capacity = capacity;
    names->slots = slots;
    names->n_slots = 2 * capacity;
    for (uint32_t i = 0; i < names->n; i++) {
        *slot_of(names, list[i].hash, list[i].text, list[i].length) = i + 1;
    }
    return true;
}

struct name *names_find(const struct names *names, const char *text, size_t length) {
    if (!names->n) return NULL;
    const uint32_t slot = *slot_of(names, name_hash(names->seed, text, length), text, length);
    return slot ? &names->list[slot - 1] : NULL;
}

struct name *names_add(struct names *names, const char *text, size_t length, bool *added) {
    *added = false;
    if (length > UINT32_MAX) return NULL;
    if (names->n == names->capacity && !grow(names)) return NULL;
    const uint32_t h = name_hash(names->seed, text, length);
    uint32_t *slot = slot_of(names, h, text, length);
    if (*slot) return &names->list[*slot - 1];
    *added = true;
    struct name *name = &names->list[names->n];
    *name = (struct name){.text = text, .length = (uint32_t)length, .hash = h};
    *slot = ++names->n;
    return name;
}

const char *names_nearest(const struct names *names, const char *text) {
    const char **all = arena_alloc(names->arena, (names->n + 1) * sizeof *all);
    if (!all) return NULL;
    for (uint32_t i = 0; i < names->n; i++) all[i] = names->list[i].text;
    return name_nearest(text, all, names->n);
}
