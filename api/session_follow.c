/* What a job has changed, from the copy it works on into the session that is shown. */
#include "api/session_follow.h"

#include <stdlib.h>

#include "api/session_io.h"

/* Variables of the copy that have changed; how many. */
static size_t list_changes(const struct session *copy, uint64_t seen, struct item_change *changes) {
    size_t n = 0;
    for (uint32_t i = 0; i < copy->items.n; i++) {
        const struct item *item = session_item(copy, i);
        if (!item || item->kind != ITEM_VARIABLE || item->version <= seen) continue;
        changes[n++] = (struct item_change){.name = item->name,
                                            .length = item->length,
                                            .kind = ITEM_VARIABLE,
                                            .trainable = item->trainable,
                                            .value = item->value.tensor};
    }
    return n;
}

bool session_follow(struct session *s, const struct session *copy, uint64_t *seen,
                    struct error *error) {
    struct item_change *changes = calloc(copy->items.n + 1, sizeof *changes);
    if (!changes) return error_set(error, ERROR_MEMORY_BUDGET, "no memory for a commit");
    const size_t n = list_changes(copy, *seen, changes);
    const bool ok = items_prepare(s, changes, n, error);
    if (ok) {
        items_commit(s, changes, n);
        *seen = copy->changes;
    }
    free(changes);
    return ok;
}
