/* The memory of the process: what all requests, sessions and caches have taken together, and may take. What
 * takes memory from the system asks here first, and says how much it gives back. */
#ifndef GRADD_CORE_BUDGET_H
#define GRADD_CORE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* What memory is for, and its name in counters. */
#define BUDGET_KINDS(X)                                                                            \
    X(BODIES, "bodies")     /* of requests, and of jobs */                                         \
    X(ARENAS, "arenas")     /* of requests, plans, tapes and optimizers */                         \
    X(RUNS, "runs")         /* large slabs: of runs, arenas and answers, kept ones too */          \
    X(SEARCHES, "searches") /* what methods of minimisation work in */                             \
    X(STATE, "state")       /* variables, slots and values of sessions */                          \
    X(ANSWERS, "answers")   /* as they are written and sent */

enum budget_kind {
#define BUDGET_ENUM(tag, name) BUDGET_##tag,
    BUDGET_KINDS(BUDGET_ENUM)
#undef BUDGET_ENUM
        BUDGET_KIND_COUNT
};

/* Threads keep count of less than this for themselves: where it is said below that nothing may be taken, that is
 * so of what is larger. */
enum { BUDGET_STEP = 64 << 10 };

/* The most bytes that may be taken, SIZE_MAX / 2 at first, and what gives some back where they do not suffice
 * (NULL: nothing does). Set once, before there are threads. */
void budget_set(size_t limit, void (*reclaim)(void));

/* Takes so many bytes; false, and nothing is taken, where that would pass the limit. */
bool budget_take(enum budget_kind kind, size_t bytes);
void budget_give(enum budget_kind kind, size_t bytes);

/* What is taken, to BUDGET_STEP a thread; never negative. */
int64_t budget_held(enum budget_kind kind);
int64_t budget_held_in_all(void);
int64_t budget_limit(void);

/* The calling thread begins a piece of work that nothing has been refused to. So many bytes were passed on to it. */
void budget_begin(size_t passed_on);
/* And ends it. Where something was refused to it, and `error` says that there was no memory, the figures of the
 * process take the place of that sentence; and where there would have been room but for the work of other
 * threads, the server is overloaded and the request may come again. */
void budget_end(struct error *error);

/* So many bytes, which are taken, are on their way, such as an answer that is being sent: until they have arrived
 * they count as somebody's work. Any thread may say either. */
void budget_pass_on(size_t bytes);
void budget_passed(size_t bytes);

#endif
