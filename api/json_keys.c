/* The names of a large object, for finding duplicates: an open-addressing table under SipHash-1-3.
 * It knows nothing of the values. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "api/json_scan.h"

enum { FIRST_CAPACITY = 32 };

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

static void sip_round(struct sip *s) {
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

/* J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", 2012; one round a word,
 * three at the end. The words are read in the order of the host: the hash never leaves it. */
static uint64_t sip_hash(const uint64_t key[2], const char *text, size_t n) {
    struct sip s = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                    key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        s.v3 ^= word;
        sip_round(&s);
        s.v0 ^= word;
    }
    uint64_t last = (uint64_t)n << 56;
    for (size_t j = 0; i + j < n; j++) last |= (uint64_t)(unsigned char)text[i + j] << 8 * j;
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xFF;
    for (int i_round = 0; i_round < 3; i_round++) sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* One key a thread, made when it is first needed: no lock, and small requests never need it. */
static const uint64_t *random_key(void) {
    static _Thread_local uint64_t key[2];
    if (key[0] | key[1]) return key;
    if (getrandom(key, sizeof key, 0) == (ssize_t)sizeof key && (key[0] | key[1])) return key;
    /* A kernel that gives no random bytes is older than any that this runs on; be hard to guess
     * all the same. */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    key[0] = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec ^ 1;
    key[1] = (uint64_t)(uintptr_t)key;
    return key;
}

/* The slot that holds the name, or the free one where it belongs. */
static struct json_keys_slot *find(const struct json_keys *keys, uint64_t hash, const char *name) {
    for (size_t i = (size_t)hash & (keys->capacity - 1);; i = (i + 1) & (keys->capacity - 1)) {
        struct json_keys_slot *slot = &keys->slots[i];
        if (!slot->name || (slot->hash == hash && strcmp(slot->name, name) == 0)) return slot;
    }
}

static bool grow(struct json_keys *keys, struct arena *arena) {
    const struct json_keys old = *keys;
    const size_t capacity = old.capacity ? 2 * old.capacity : FIRST_CAPACITY;
    struct json_keys_slot *slots = arena_zalloc(arena, capacity * sizeof *slots);
    if (!slots) return false;
    *keys = (struct json_keys){.slots = slots, .n = old.n, .capacity = capacity};
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].name) *find(keys, old.slots[i].hash, old.slots[i].name) = old.slots[i];
    }
    return true;
}

enum json_keys_result json_keys_add(struct json_keys *keys, struct arena *arena, const char *name) {
    const uint64_t hash = sip_hash(random_key(), name, strlen(name));
    if (keys->n * 2 >= keys->capacity && !grow(keys, arena)) return JSON_KEYS_NO_MEMORY;
    struct json_keys_slot *slot = find(keys, hash, name);
    if (slot->name) return JSON_KEYS_TWICE;
    *slot = (struct json_keys_slot){hash, name};
    keys->n++;
    return JSON_KEYS_NEW;
}
