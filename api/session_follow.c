/* What a job has changed, variables and optimizer, from the copy it works on into the session that is shown. */
#include "api/session_follow.h"

#include <stdlib.h>

#include "api/session_io.h"
#include "api/training.h"

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

/* The optimizer with its slots, as the copy has it. */
static bool follow_training(struct session *s, const struct session *copy, struct error *error) {
    struct training *before = s->training;
    s->training = NULL;
    const bool ok = training_copy(copy, s);
    struct training *now = s->training;
    s->training = ok ? before : now;
    training_free(s);
    s->training = ok ? now : before;
    return ok || session_fail_memory(s, error);
}

bool session_follow(struct session *s, const struct session *copy, uint64_t *seen,
                    struct error *error) {
    struct item_change *changes = calloc(copy->items.n + 1, sizeof *changes);
    if (!changes) return error_set(error, ERROR_MEMORY_BUDGET, "no memory for a commit");
    const size_t n = list_changes(copy, *seen, changes);
    const bool prepared = items_prepare(s, changes, n, error),
               ok = prepared && follow_training(s, copy, error);
    if (ok)
        items_commit(s, changes, n);
    else if (prepared)
        items_undo(s, changes, n);
    /* Versions that the copy has given are not given again. */
    if (ok && s->changes < copy->changes) s->changes = copy->changes;
    if (ok) *seen = copy->changes;
    free(changes);
    return ok;
}
