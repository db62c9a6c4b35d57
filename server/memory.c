/* The budget of the process, from what it was told or what the machine grants. Who takes of it is not known here. */
#include "server/memory.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/budget.h"
#include "core/slab.h"
#include "server/machine.h"

/* Of a thread: its stack, its heap's spare room, a small slab and what it has not counted yet. Of the rest: the
 * store's pages, connections and tables. Requests want some of it at the least. */
enum { THREAD_BYTES = 512 << 10, OTHER_BYTES = 6 << 20, LEAST_BYTES = 4 << 20 };

bool memory_set(int64_t *wanted, int threads, char *problem, size_t size) {
    const bool said = *wanted != 0;
    if (!said) *wanted = machine_memory() / 4 * 3;
    const int64_t own = machine_resident() + OTHER_BYTES + threads * (int64_t)THREAD_BYTES,
                  left = *wanted - own;
    if (said && left < LEAST_BYTES) {
        snprintf(problem, size,
                 "--max-memory: found %" PRId64 ", expected %" PRId64 " bytes at the least with %d"
                 " threads",
                 *wanted, own + LEAST_BYTES, threads);
        return false;
    }
    budget_set((size_t)(left > LEAST_BYTES ? left : LEAST_BYTES), slab_drop);
    return true;
}
