/* A store that keeps everything and has no thread and no disk, so that a process that forks has it too.
 * What it takes for itself is never denied; what encodes into it is. */
#ifndef GRADD_TESTS_TORTURE_KEEPING_H
#define GRADD_TESTS_TORTURE_KEEPING_H

#include "server/store.h"

extern const struct store_verbs store_keeping;

#endif
