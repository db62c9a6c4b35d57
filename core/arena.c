/* Arenas with ceilings: a list of growing chunks. A piece larger than a chunk gets a chunk of its
 * own size. What lives in an arena is not its business, nor what becomes of chunks that it gives back. */
#include "core/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/budget.h"
#include "core/slab.h"

enum { ALIGNMENT = 16, TENSOR_ALIGNMENT = 64, LARGEST_STEP = 4 << 20, SLAB_LEAST = 1 << 20 };

/* For tests of what happens without memory: each piece is an allocation of its own. */
#ifdef ARENA_TIGHT
enum { IS_TIGHT = true };
#else
enum { IS_TIGHT = false };
#endif

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
};

void arena_init(struct arena *a, size_t ceiling) {
    *a = (struct arena){.ceiling = ceiling, .first = ARENA_FIRST_CHUNK};
}

/* Large chunks are slabs: fresh pages would cost more than what is done with them. */
static void *take_chunk(size_t size) {
    if (size >= SLAB_LEAST) return slab_take(size);
    if (!budget_take(BUDGET_ARENAS, size)) return NULL;
    void *chunk = malloc(size);
    if (!chunk) budget_give(BUDGET_ARENAS, size);
    return chunk;
}

static void give_chunk(struct arena_chunk *chunk) {
    if (chunk->size >= SLAB_LEAST) {
        slab_give(chunk, chunk->size);
        return;
    }
    budget_give(BUDGET_ARENAS, chunk->size);
    free(chunk);
}

/* A new chunk with room for `need` bytes. Chunks double, so that n bytes take O(log n) calls of malloc. */
static struct arena_chunk *add_chunk(struct arena *a, size_t need) {
    size_t step = IS_TIGHT ? 0 : a->held < a->first ? a->first : a->held;
    if (step > LARGEST_STEP) step = LARGEST_STEP;
    if (need > SIZE_MAX - sizeof(struct arena_chunk) - TENSOR_ALIGNMENT) return NULL;
    size_t least = need + sizeof(struct arena_chunk) + TENSOR_ALIGNMENT;
    if (step < least) step = least;
    if (a->held > a->ceiling || least > a->ceiling - a->held) return NULL;
    if (step > a->ceiling - a->held) step = a->ceiling - a->held;
    struct arena_chunk *chunk = take_chunk(step);
    if (!chunk) return NULL;
    *chunk = (struct arena_chunk){.next = a->chunks, .size = step};
    a->chunks = chunk;
    a->held += step;
    return chunk;
}

/* A piece of what is free from `*at` to `end`; NULL where it has no room. */
static void *cut(char **at, const char *end, size_t size, uintptr_t alignment) {
    const size_t skip = -(uintptr_t)*at & (alignment - 1), room = (size_t)(end - *at);
    if (!*at || room < skip || size > room - skip) return NULL;
    char *piece = *at + skip;
    *at = piece + size;
    return piece;
}

/* Of a new chunk and the one before, that with more room serves what comes next. */
static void *take(struct arena *a, size_t size, uintptr_t alignment) {
    void *piece = cut(&a->at, a->end, size, alignment);
    struct arena_chunk *chunk = piece ? NULL : add_chunk(a, size);
    if (!chunk) return piece;
    char *at = (char *)(chunk + 1), *end = (char *)chunk + chunk->size;
    piece = cut(&at, end, size, alignment);
    if (!IS_TIGHT && end - at > a->end - a->at) {
        a->at = at;
        a->end = end;
    }
    return piece;
}

void *arena_alloc_slowly(struct arena *a, size_t size) { return take(a, size, ALIGNMENT); }

void *arena_zalloc(struct arena *a, size_t size) {
    void *piece = take(a, size, ALIGNMENT);
    if (piece) memset(piece, 0, size);
    return piece;
}

void *arena_alloc_tensor(struct arena *a, size_t size) { return take(a, size, TENSOR_ALIGNMENT); }

char *arena_copy_text(struct arena *a, const char *text, size_t n) {
    char *copy = take(a, n + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

void arena_rewind(struct arena *a, struct arena_mark mark) {
    while (a->chunks != mark.chunks) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->next;
        a->held -= chunk->size;
        give_chunk(chunk);
    }
    a->at = mark.at;
    a->end = mark.end;
}

void arena_free(struct arena *a) {
    arena_rewind(a, (struct arena_mark){0});
    size_t ceiling = a->ceiling, first = a->first;
    *a = (struct arena){.ceiling = ceiling, .first = first};
}
