/* Arenas: memory that is taken piece by piece and given back at once.
 * Functions never free their arguments; what a function returns lives in the arena it was given. */
#ifndef GRADD_CORE_ARENA_H
#define GRADD_CORE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    char *at, *end; /* free part of a chunk */
    size_t held;    /* bytes taken from the system */
    size_t ceiling; /* most that may be taken from the system */
    size_t first;   /* size of the first chunk; the later ones double what is held */
};

enum { ARENA_FIRST_CHUNK = 16 << 10 };

/* An empty arena that will hold at most `ceiling` bytes. Takes no memory yet. */
void arena_init(struct arena *a, size_t ceiling);

/* Hands an empty arena memory of the caller's, aligned to 16, for its first pieces; it counts like a chunk. */
static inline void arena_lend(struct arena *a, void *memory, size_t size) {
    a->at = memory;
    a->end = a->at + size;
    a->held = size;
}

/* What arena_alloc does where that has no room. */
void *arena_alloc_slowly(struct arena *a, size_t size);

/* `size` bytes aligned to 16, uninitialised; NULL past the ceiling or when the system has none. */
static inline void *arena_alloc(struct arena *a, size_t size) {
    size_t skip = -(uintptr_t)a->at & 15, room = (size_t)(a->end - a->at);
    if (room < skip || size > room - skip || !a->at) return arena_alloc_slowly(a, size);
    char *piece = a->at + skip;
    a->at = piece + size;
    return piece;
}

/* The same, zeroed. */
void *arena_zalloc(struct arena *a, size_t size);

/* The same aligned to 64, as tensors are. */
void *arena_alloc_tensor(struct arena *a, size_t size);

/* A NUL-terminated copy of n bytes. */
char *arena_copy_text(struct arena *a, const char *text, size_t n);

/* A moment in an arena's life, and the return to it: what was taken since is given back. Pieces that
 * were taken before stay where they are. */
struct arena_mark {
    struct arena_chunk *chunks;
    char *at, *end;
};
static inline struct arena_mark arena_mark(const struct arena *a) {
    return (struct arena_mark){a->chunks, a->at, a->end};
}
void arena_rewind(struct arena *a, struct arena_mark mark);

/* Gives everything back; the arena is empty and may be used again. */
void arena_free(struct arena *a);

#endif
