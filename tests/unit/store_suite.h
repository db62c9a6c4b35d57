/* What every store must do, whatever kind it is. */
#ifndef GRADD_TESTS_UNIT_STORE_SUITE_H
#define GRADD_TESTS_UNIT_STORE_SUITE_H

#include "server/store.h"

/* Runs the suite on stores of one kind, opened at `where`, which is empty; fails the test that calls
 * it where something is not as it must be. */
void store_suite(const struct store_verbs *verbs, const char *where);

#endif
