/* Arenas with ceilings: a list of growing chunks. A piece larger than a chunk gets a chunk of its
 * own size. What lives in an arena is not its business. */
#include "core/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 16, TENSOR_ALIGNMENT = 64, LARGEST_STEP = 4 << 20, LARGE_PAGE = 2 << 20 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
};

void arena_init(struct arena *a, size_t ceiling) {
    *a = (struct arena){.ceiling = ceiling, .first = ARENA_FIRST_CHUNK};
}

/* A large chunk is asked for in large pages: the system then hands it out in few steps, and what is read here
 * and there in it is found without walking tables. Where there are none it is memory like any other. */
static void *take_chunk(size_t size) {
    void *chunk = NULL;
    if (size < LARGE_PAGE) return malloc(size);
    if (posix_memalign(&chunk, LARGE_PAGE, size)) return NULL;
    madvise(chunk, size, MADV_HUGEPAGE);
    return chunk;
}

/* Makes room for `need` bytes. Chunks double, so that n bytes take O(log n) calls of malloc. */
static bool grow(struct arena *a, size_t need) {
    size_t step = a->held < a->first ? a->first : a->held;
    if (step > LARGEST_STEP) step = LARGEST_STEP;
    if (need > SIZE_MAX - sizeof(struct arena_chunk) - TENSOR_ALIGNMENT) return false;
    size_t least = need + sizeof(struct arena_chunk) + TENSOR_ALIGNMENT;
    if (step < least) step = least;
    if (a->held > a->ceiling || least > a->ceiling - a->held) return false;
    if (step > a->ceiling - a->held) step = a->ceiling - a->held;
    struct arena_chunk *chunk = take_chunk(step);
    if (!chunk) return false;
    *chunk = (struct arena_chunk){.next = a->chunks, .size = step};
    a->chunks = chunk;
    a->held += step;
    a->at = (char *)(chunk + 1);
    a->end = (char *)chunk + step;
    return true;
}

static void *take(struct arena *a, size_t size, uintptr_t alignment) {
    for (;;) {
        uintptr_t at = ((uintptr_t)a->at + alignment - 1) & ~(alignment - 1);
        if (a->at && at <= (uintptr_t)a->end && size <= (uintptr_t)a->end - at) {
            char *piece = a->at + (at - (uintptr_t)a->at);
            a->at = piece + size;
            return piece;
        }
        if (!grow(a, size)) return NULL;
    }
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
        free(chunk);
    }
    a->at = mark.at;
    a->end = mark.end;
}

void arena_free(struct arena *a) {
    arena_rewind(a, (struct arena_mark){0});
    size_t ceiling = a->ceiling, first = a->first;
    *a = (struct arena){.ceiling = ceiling, .first = first};
}
