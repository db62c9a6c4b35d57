/* Allocations that fail when they are told to: of everything that is linked into the program, by the
 * thread that asked for it. */
#ifndef GRADD_TESTS_TORTURE_FAILING_H
#define GRADD_TESTS_TORTURE_FAILING_H

#include <stdbool.h>

/* From now on this thread's allocation after n more fails, that one alone; below 0: none fails. Counts
 * anew in either case. */
void failing_arm(long n);

/* How many allocations there have been since; and whether one of them failed. Disarms. */
long failing_count(bool *failed);

/* In between no allocation is denied or counted: it is the test's own. */
void failing_pause(void);
void failing_resume(void);

#endif
