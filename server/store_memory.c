/* The memory store: sessions and functions live in the registry, and nothing more is done for them.
 * Saving is done as soon as it is asked for, and no object is encoded. */
#include <stdio.h>

#include "server/store.h"

static struct store *memory_open(const char *where, char *problem, size_t size) {
    static struct store memory = {.verbs = &store_memory};
    if (!where || !*where) return &memory;
    snprintf(problem, size, "the memory store takes no place, and this one is \"%.200s\"", where);
    return NULL;
}

static void memory_close(struct store *store) { (void)store; }

static void memory_save(struct store *store, const struct store_change *changes, size_t n,
                        store_done done, void *context) {
    (void)store, (void)changes, (void)n;
    done(context, NULL);
}

static bool memory_load(struct store *store, enum store_kind kind, const char *id,
                        struct writer *out, struct error *error) {
    (void)store, (void)out;
    return error_set(error, ERROR_NOT_FOUND, "nothing is kept of the %s \"%.80s\"",
                     kind == STORE_SESSION ? "session" : "function", id);
}

static bool memory_list(struct store *store, enum store_kind kind, store_each each, void *context,
                        struct error *error) {
    (void)store, (void)kind, (void)each, (void)context, (void)error;
    return true;
}

const struct store_verbs store_memory = {
    .name = "memory",
    .keeps = false,
    .open = memory_open,
    .close = memory_close,
    .save = memory_save,
    .load = memory_load,
    .list = memory_list,
};
