/* Stands between the program and the C library's allocator; the linker puts it there (--wrap). Does not
 * know what is allocated. */
#include "tests/torture/failing.h"

#include <errno.h>
#include <stddef.h>

static _Thread_local long at = -1, count;
static _Thread_local bool has_failed, is_paused;

void failing_arm(long n) {
    at = n;
    count = 0;
    has_failed = false;
}

long failing_count(bool *failed) {
    *failed = has_failed;
    at = -1;
    return count;
}

void failing_pause(void) { is_paused = true; }
void failing_resume(void) { is_paused = false; }

static bool fails(void) {
    if (is_paused) return false;
    if (count++ != at) return false;
    has_failed = true;
    errno = ENOMEM;
    return true;
}

/* Its names are the linker's. */
#define WRAP(name, parameters, ...)                                                                \
    void *real_##name parameters __asm__("__real_" #name);                                         \
    void *wrap_##name parameters __asm__("__wrap_" #name);                                         \
    void *wrap_##name parameters { return fails() ? NULL : real_##name(__VA_ARGS__); }
WRAP(malloc, (size_t size), size)
WRAP(calloc, (size_t n, size_t size), n, size)
WRAP(realloc, (void *memory, size_t size), memory, size)
WRAP(aligned_alloc, (size_t alignment, size_t size), alignment, size)
