/* Keeps slabs between runs, since fresh pages cost more than most of what is computed in them. A thread keeps a
 * small one for itself; large ones are everybody's, a bounded number of bytes of them, until nobody has wanted
 * them for some sweeps. Knows nothing of what stands in a slab. */
#include "core/slab.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/budget.h"

enum {
    SMALL = 64 << 10,
    LARGE_PAGE = 2 << 20,
    SLABS_MOST = 64,  /* large ones that are kept */
    SWEEPS_MOST = 10, /* that one of them outlives unused */
};

/* ---- small ------------------------------------------------------------------------------------- */

static _Thread_local void *own;
static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static void free_own(void *unused) {
    (void)unused;
    free(own);
    own = NULL;
}

static void make_own_key(void) { pthread_key_create(&own_key, free_own); }

static void *take_small(void) {
    void *slab = own;
    own = NULL;
    if (slab) return slab;
    pthread_once(&own_once, make_own_key);
    pthread_setspecific(own_key, &own_key); /* any value: it makes the destructor run */
    return aligned_alloc(64, SMALL);
}

/* ---- large ------------------------------------------------------------------------------------- */

struct slab {
    void *memory;
    size_t size;
    int sweeps; /* since it was given back */
};

static struct {
    pthread_mutex_t lock;
    struct slab slabs[SLABS_MOST]; /* the oldest first */
    size_t n, bytes, bytes_most;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER, .bytes_most = 128 << 20};

/* Sizes that are close share their slabs: four an octave. */
static size_t rounded(size_t size) {
    size_t step = SMALL / 4;
    while (size > 8 * step && step < SIZE_MAX / 16) step *= 2;
    return size > SIZE_MAX - step ? 0 : (size + step - 1) / step * step;
}

static struct slab take_out(size_t i) {
    const struct slab slab = kept.slabs[i];
    kept.n--;
    kept.bytes -= slab.size;
    for (; i < kept.n; i++) kept.slabs[i] = kept.slabs[i + 1];
    return slab;
}

static void *take_kept(size_t size) {
    void *memory = NULL;
    pthread_mutex_lock(&kept.lock);
    for (size_t i = kept.n; !memory && i-- > 0;)
        if (kept.slabs[i].size == size) memory = take_out(i).memory;
    pthread_mutex_unlock(&kept.lock);
    return memory;
}

/* Large ones stand in large pages of their own. */
static size_t real_size(size_t size) {
    return size < LARGE_PAGE ? size : (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
}

static void *fresh(size_t size) {
    const size_t real = real_size(size);
    if (!budget_take(BUDGET_RUNS, real)) return NULL;
    void *memory = aligned_alloc(size < LARGE_PAGE ? 64 : LARGE_PAGE, real);
    if (!memory) budget_give(BUDGET_RUNS, real);
    if (memory && size >= LARGE_PAGE) madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

/* Nobody's any more. */
static void drop(const struct slab *slabs, size_t n) {
    while (n-- > 0) {
        free(slabs[n].memory);
        budget_give(BUDGET_RUNS, real_size(slabs[n].size));
    }
}

static void give_large(struct slab slab) {
    struct slab dropped[SLABS_MOST];
    size_t n = 0;
    pthread_mutex_lock(&kept.lock);
    const bool keep = slab.size <= kept.bytes_most;
    while (keep && (kept.n == SLABS_MOST || kept.bytes + slab.size > kept.bytes_most))
        dropped[n++] = take_out(0);
    if (keep) {
        kept.slabs[kept.n++] = slab;
        kept.bytes += slab.size;
    }
    pthread_mutex_unlock(&kept.lock);
    if (!keep) drop(&slab, 1);
    drop(dropped, n);
}

/* ---- both -------------------------------------------------------------------------------------- */

void *slab_take(size_t size) {
    if (size <= SMALL) return take_small();
    size = rounded(size);
    if (!size) return NULL;
    void *memory = take_kept(size);
    return memory ? memory : fresh(size);
}

void slab_give(void *memory, size_t size) {
    if (!memory) return;
    if (size > SMALL)
        give_large((struct slab){.memory = memory, .size = rounded(size)});
    else if (!own)
        own = memory;
    else
        free(memory);
}

void slab_keep(size_t bytes) {
    pthread_mutex_lock(&kept.lock);
    kept.bytes_most = bytes;
    pthread_mutex_unlock(&kept.lock);
}

size_t slab_kept(void) {
    pthread_mutex_lock(&kept.lock);
    const size_t bytes = kept.bytes;
    pthread_mutex_unlock(&kept.lock);
    return bytes;
}

void slab_sweep(void) {
    struct slab dropped[SLABS_MOST];
    size_t n = 0;
    pthread_mutex_lock(&kept.lock);
    for (size_t i = 0; i < kept.n;) {
        if (++kept.slabs[i].sweeps > SWEEPS_MOST || kept.bytes > kept.bytes_most)
            dropped[n++] = take_out(i);
        else
            i++;
    }
    pthread_mutex_unlock(&kept.lock);
    drop(dropped, n);
}

void slab_drop(void) {
    struct slab dropped[SLABS_MOST];
    size_t n = 0;
    pthread_mutex_lock(&kept.lock);
    while (kept.n) dropped[n++] = take_out(kept.n - 1);
    pthread_mutex_unlock(&kept.lock);
    drop(dropped, n);
}
