/* What the parts of the scanner share. */
#ifndef GRADD_API_JSON_SCAN_H
#define GRADD_API_JSON_SCAN_H

#include "core/arena.h"
#include "core/error.h"

/* A place in a body. */
struct cursor {
    struct arena *arena;
    struct error *error;
    const char *body, *at, *end;
};

/* Fails with invalid_json at `at`: what was found (NULL: whatever stands there), what was expected. */
bool cursor_fail(struct cursor *c, const char *at, const char *found, const char *expected);
bool cursor_fail_memory(struct cursor *c);

/* Reads the string whose opening quote is at c->at and moves past its closing quote. *text is
 * NUL-terminated, decoded and valid UTF-8. */
bool json_read_string(struct cursor *c, char **text);

/* The names of one object. */
struct json_keys {
    struct json_keys_slot {
        uint64_t hash;
        const char *name; /* NULL: free */
    } * slots;
    size_t n, capacity;
};

enum json_keys_result { JSON_KEYS_NEW, JSON_KEYS_TWICE, JSON_KEYS_NO_MEMORY };

/* Adds a name, which is not copied, unless it is there. The hash is keyed with random bytes, so that
 * nobody can choose names that collide. */
enum json_keys_result json_keys_add(struct json_keys *keys, struct arena *arena, const char *name);

#endif
