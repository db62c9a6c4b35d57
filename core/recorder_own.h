/* What the recorder's files share. */
#ifndef GRADD_CORE_RECORDER_OWN_H
#define GRADD_CORE_RECORDER_OWN_H

#include "core/recorder.h"

/* One thing that recorder_cancel takes back. */
struct undo {
    struct undo *next;
    struct recording *tape; /* that began to watch `node` */
    struct places *places;  /* or that got a place; neither: `node` got a value */
    struct places before;
    node_id node;
    uint8_t flags;
};

/* A new entry, in the request's arena; NULL after a failure. */
struct undo *recorder_note(struct recorder *r);
bool recorder_fail(struct recorder *r);
/* The thing is read once more when it is needed next, unless nothing can have used the present read. */
bool recorder_leave(struct recorder *r, struct places *places);
void recorder_forget_question(struct recorder *r, struct recording *tape);
/* Room in a tape's arrays for every node of the program. */
bool recorder_fit_tape(struct recorder *r, struct recording *tape);
void recorder_free_tape(struct recorder *r, struct recording *tape);
/* A program again in an arena of its own, without what was thrown away since. */
bool recorder_copy_program(const struct tape *t, struct arena *arena, struct tape *out);
bool recorder_copy_tapes(const struct recorder *r, struct recorder *copy);
/* Takes back one entry about a tape. */
void recorder_unwatch(const struct undo *undo);
/* Puts what a tape watches into order. */
void recorder_sort_watched(struct recording *tape);
/* Makes a tape's arrays what they were when the transaction began. */
void recorder_trim_tape(struct recorder *r, struct recording *tape);
/* Frees the values that no tape needs and what of the program none has looked at. */
void recorder_shorten(struct recorder *r);
/* Marks in needed[i] whether a tape needs the value of node first + i, which is below n; looks at the
 * nodes from `first` on alone. */
void recorder_mark_needed(const struct recorder *r, const struct recording *tape, node_id first,
                          uint32_t n, uint8_t *needed);

#endif
